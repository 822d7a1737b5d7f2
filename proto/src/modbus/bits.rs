//! Which of the packed bits count, and what leaves in place of the others?

use super::frame::Pen;
use crate::deed::Values;

/// The largest packed field of a PDU: 2000 bits of a read's answer.
pub(super) const PACKED_MAX: usize = 250;

/// Packed bits, least significant first. Pad bits read, compare and leave as zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'b> {
    packed: &'b [u8],
    count: u16,
}

impl<'b> Bits<'b> {
    /// `None` unless `packed` has exactly the bytes that `count` bits take.
    pub(super) fn new(packed: &'b [u8], count: u16) -> Option<Self> {
        (packed.len() == usize::from(count).div_ceil(8)).then_some(Self { packed, count })
    }

    /// How many bits count.
    pub(super) const fn count(&self) -> u16 {
        self.count
    }

    /// Whether a pad bit was not zero.
    pub(super) fn is_padded(&self) -> bool {
        self.packed.last().is_some_and(|last| *last != self.last())
    }

    /// The bits, in order.
    pub(super) fn each(&self) -> impl Iterator<Item = bool> + use<'b> {
        let bits =
            self.packed.iter().flat_map(|byte| (0..8u32).map(move |n| byte.checked_shr(n).unwrap_or(0) & 1 == 1));
        bits.take(usize::from(self.count))
    }

    /// Writes the packed bytes, pad bits cleared.
    pub(super) fn write(&self, sheet: &mut impl Pen) {
        if let Some((_, head)) = self.packed.split_last() {
            sheet.put(head);
            sheet.put_u8(self.last());
        }
    }

    /// The bits as values, pad bits as they came: no value reaches them.
    pub(super) fn values(&self) -> Values<'b> {
        Values::Bits { packed: self.packed, count: u32::from(self.count) }
    }

    /// Lends the bits as a deed's values, pad bits cleared.
    pub(super) fn lend<R>(&self, to: impl FnOnce(Values<'_>) -> R) -> R {
        let mut clean = [0u8; PACKED_MAX];
        let packed = match clean.get_mut(..self.packed.len()) {
            Some(room) if self.is_padded() => {
                room.copy_from_slice(self.packed);
                if let Some(last) = room.last_mut() {
                    *last = self.last();
                }
                room
            }
            _ => self.packed,
        };
        to(Values::Bits { packed, count: u32::from(self.count) })
    }

    /// The last byte without its pad bits.
    fn last(&self) -> u8 {
        let used = u32::from(self.count & 7);
        let mask = if used == 0 { 0xFF } else { 0xFFu8.checked_shr(8u32.saturating_sub(used)).unwrap_or(0xFF) };
        self.packed.last().copied().unwrap_or(0) & mask
    }
}

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        let head = |bits: &Self| bits.packed.len().saturating_sub(1);
        self.count == other.count
            && self.last() == other.last()
            && self.packed.get(..head(self)) == other.packed.get(..head(other))
    }
}

impl Eq for Bits<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::frame::Sheet;

    #[test]
    fn pad_bits_are_cleared_wherever_the_bits_are_seen() {
        let dirty = Bits::new(&[0xCD, 0xFF], 10).expect("fits");
        let clean = Bits::new(&[0xCD, 0x03], 10).expect("fits");
        assert!(dirty.is_padded() && !clean.is_padded());
        assert_eq!(dirty, clean);
        let mut sheet = Sheet::new();
        dirty.write(&mut sheet);
        assert_eq!(sheet.as_slice(), [0xCD, 0x03]);
        dirty.lend(|values| assert_eq!(values, Values::Bits { packed: &[0xCD, 0x03], count: 10 }));
        assert_eq!(dirty.each().count(), 10);
        assert_eq!(dirty.each().filter(|on| *on).count(), 7);
    }

    #[test]
    fn full_bytes_have_no_pad_bits_and_any_bit_that_counts_tells_bits_apart() {
        let full = Bits::new(&[0x01, 0x80], 16).expect("fits");
        assert!(!full.is_padded());
        full.lend(|values| assert_eq!(values, Values::Bits { packed: &[0x01, 0x80], count: 16 }));
        assert_eq!(full.each().map(u32::from).enumerate().map(|(n, on)| on << n).sum::<u32>(), 0x8001);
        assert_ne!(full, Bits::new(&[0x01, 0x00], 16).expect("fits"), "the last byte");
        assert_ne!(full, Bits::new(&[0x00, 0x80], 16).expect("fits"), "a byte before it");
        for used in 1..8u16 {
            let mut sheet = Sheet::new();
            Bits::new(&[0xFF], used).expect("fits").write(&mut sheet);
            assert_eq!(sheet.as_slice(), [(1u16 << used).wrapping_sub(1) as u8], "{used} bits");
        }
        let mut sheet = Sheet::new();
        Bits::new(&[], 0).expect("fits").write(&mut sheet);
        assert!(sheet.as_slice().is_empty());
    }

    #[test]
    fn bits_of_another_size_are_none() {
        assert!(Bits::new(&[0], 9).is_none());
        assert!(Bits::new(&[0, 0], 8).is_none());
        assert!(Bits::new(&[], 0).is_some_and(|none| !none.is_padded()));
        assert_ne!(Bits::new(&[1], 3), Bits::new(&[1], 4));
    }
}
