//! Who slices bytes? Only this.

/// A cursor over one frame. Every take is checked; [`Reader::finish`] fails on leftovers.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'b> {
    rest: &'b [u8],
}

/// The bytes end before the field does, or go on after the last field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A field reaches past the end.
    #[error("the message ends before its fields do")]
    Short,
    /// Bytes follow the last field.
    #[error("bytes follow the last field")]
    Trailing,
}

impl<'b> Reader<'b> {
    /// Reads `bytes` from their start.
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether none is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Misfit::Short`] when fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'b [u8], Misfit> {
        #[cfg(test)]
        tests::step();
        let (head, tail) = self.rest.split_at_checked(n).ok_or(Misfit::Short)?;
        self.rest = tail;
        Ok(head)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Misfit::Short`] at the end.
    pub fn u8(&mut self) -> Result<u8, Misfit> {
        #[cfg(test)]
        tests::step();
        let (head, tail) = self.rest.split_first().ok_or(Misfit::Short)?;
        self.rest = tail;
        Ok(*head)
    }

    /// The next `N` bytes, by value.
    ///
    /// # Errors
    /// [`Misfit::Short`] when fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Misfit> {
        #[cfg(test)]
        tests::step();
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Misfit::Short)?;
        self.rest = tail;
        Ok(*head)
    }

    /// The next two bytes, big-endian.
    ///
    /// # Errors
    /// [`Misfit::Short`] when fewer are left.
    pub fn u16(&mut self) -> Result<u16, Misfit> {
        self.array().map(u16::from_be_bytes)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'b [u8] {
        #[cfg(test)]
        tests::step();
        core::mem::take(&mut self.rest)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// [`Misfit::Trailing`] when something is.
    pub const fn finish(self) -> Result<(), Misfit> {
        if self.rest.is_empty() { Ok(()) } else { Err(Misfit::Trailing) }
    }
}

#[cfg(test)]
pub(crate) use tests::steps;

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    std::thread_local! {
        /// Fields taken by this thread: what the tests call a step.
        static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn step() {
        STEPS.with(|all| all.set(all.get() + 1));
    }

    pub(crate) fn steps() -> u64 {
        STEPS.with(Cell::get)
    }

    #[test]
    fn fields_are_taken_in_order_and_nothing_may_be_left() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5]);
        assert_eq!((reader.u8(), reader.u16(), reader.take(1)), (Ok(1), Ok(0x0203), Ok(&[4][..])));
        assert_eq!(reader.finish(), Err(Misfit::Trailing));
        assert_eq!((reader.rest(), reader.is_empty(), reader.finish()), (&[5][..], true, Ok(())));
    }

    #[test]
    fn a_field_beyond_the_end_takes_nothing() {
        let mut reader = Reader::new(&[9]);
        assert_eq!((reader.u16(), reader.take(usize::MAX)), (Err(Misfit::Short), Err(Misfit::Short)));
        assert_eq!((reader.len(), reader.u8(), reader.u8()), (1, Ok(9), Err(Misfit::Short)));
    }
}
