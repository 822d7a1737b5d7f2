//! Where do bytes wait before they leave, and how many may wait?

use alloc::vec::Vec;

/// A bounded buffer of bytes towards one side.
#[derive(Debug)]
pub struct Out {
    bytes: Vec<u8>,
    limit: usize,
}

/// The buffer would exceed its bound; nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outgoing buffer is full")]
pub struct Full;

impl Out {
    /// An empty buffer that never holds more than `limit` bytes. Nothing is allocated yet.
    pub const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit }
    }

    /// Adds all of `bytes`, or nothing.
    ///
    /// # Errors
    /// [`Full`] when they do not fit.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Full> {
        if self.bytes.len().saturating_add(bytes.len()) > self.limit {
            return Err(Full);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// What waits, oldest first.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets the first `n` bytes: they have left.
    pub fn consume(&mut self, n: usize) {
        self.bytes.drain(..n.min(self.bytes.len()));
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes still fit.
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.bytes.len())
    }

    /// Drops everything, and the memory with it: an idle session holds no buffer.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_all_or_nothing_and_never_more_than_its_bound() {
        let mut out = Out::new(4);
        assert_eq!((out.push(&[1, 2, 3]), out.push(&[4, 5])), (Ok(()), Err(Full)));
        assert_eq!((out.as_slice(), out.room()), (&[1, 2, 3][..], 1));
        out.consume(2);
        assert_eq!(out.push(&[4, 5, 6]), Ok(()));
        assert_eq!(out.as_slice(), [3, 4, 5, 6]);
        out.consume(9);
        assert!(out.is_empty());
    }
}
