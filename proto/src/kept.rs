//! Where does a message stay while it waits, without the heap for the short ones?

use alloc::boxed::Box;
use core::ops::Deref;

/// A few bytes in place, more on the heap. Reads as a slice.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// So many of them.
    Here(u8, [u8; Self::INLINE]),
    /// All of them.
    Heap(Box<[u8]>),
}

impl Kept {
    /// With its length and tag three words: as small as a boxed slice and the words around it. Reads, single writes and
    /// small multiple writes of Modbus fit.
    const INLINE: usize = 22;
}

impl From<&[u8]> for Kept {
    fn from(bytes: &[u8]) -> Self {
        let mut here = [0; Self::INLINE];
        match (here.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(bytes);
                Self::Here(length, here)
            }
            _ => Self::Heap(bytes.into()),
        }
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::Here(0, [0; Self::INLINE])
    }
}

impl Deref for Kept {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Here(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or(&[]),
            Self::Heap(bytes) => bytes,
        }
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Kept {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_as_it_came_wherever_it_lies() {
        let bytes = core::array::from_fn::<u8, 40, _>(|at| u8::try_from(at).unwrap_or_default());
        for length in [0, 1, 21, 22, 23, 40] {
            let kept = Kept::from(&bytes[..length]);
            assert_eq!(&*kept, &bytes[..length]);
            assert_eq!(matches!(kept, Kept::Heap(_)), length > Kept::INLINE, "{length}");
            assert_eq!(kept.clone(), kept);
        }
        assert_eq!(Kept::default(), Kept::from(&[][..]));
        assert!(size_of::<Kept>() <= 24);
    }
}
