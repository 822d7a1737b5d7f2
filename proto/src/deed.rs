//! What would a message do, said without its protocol?

use crate::vocab::Class;

/// An object of a protocol's grammar, by its place in `Grammar::objects`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u8);

/// One deed: class + function + target + value. A message can carry several (Modbus FC 23 is a read and a write).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed<'a> {
    /// Its class.
    pub class: Class,
    /// What it touches.
    pub object: ObjectId,
    /// The unit behind the conduit's address (Modbus unit, common address, outstation).
    pub unit: u32,
    /// The function code, as `via` names it.
    pub function: u16,
    /// First index touched, zero-based. 0 where the object has no index.
    pub first: u32,
    /// Last index touched, inclusive.
    pub last: u32,
    /// The one bit of a register that is touched, where only one is.
    pub bit: Option<u8>,
    /// What is written; [`Values::None`] for a read and where values are not understood. A write that sets nothing
    /// (a mask that keeps every bit) carries an empty list, and prints as `= []`.
    pub values: Values<'a>,
    /// What qualifies the act, where the protocol says so in a number: how long a pulse is, which group is asked for.
    pub qualifier: Option<u8>,
    /// An act that can be selected before it is done, and was not.
    pub unselected: bool,
}

/// A number that stands whole in one index, in a format of the protocol's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// An integer.
    Whole(i64),
    /// A short floating point number.
    Real(Real),
}

/// A short floating point number, by its bits: what was sent compares equal to itself and to nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Real(u32);

/// The values that a deed carries, one per index of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values<'a> {
    /// None.
    None,
    /// One bit.
    Bit(bool),
    /// Packed bits, least significant first; `count` of them count.
    Bits {
        /// `ceil(count / 8)` bytes.
        packed: &'a [u8],
        /// How many bits.
        count: u32,
    },
    /// Registers of 16 bits, big-endian, two bytes each.
    Words(&'a [u8]),
    /// One number in one index.
    One(Scalar),
}

impl Real {
    /// The number's bits.
    pub const fn new(value: f32) -> Self {
        Self(value.to_bits())
    }

    /// The number.
    pub const fn get(self) -> f32 {
        f32::from_bits(self.0)
    }
}

impl core::fmt::Debug for Real {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.get().fmt(f)
    }
}

impl Scalar {
    /// The number, where it is what one register or bit holds.
    pub fn word(self) -> Option<u16> {
        match self {
            Self::Whole(value) => u16::try_from(value).ok(),
            Self::Real(_) => None,
        }
    }
}

impl From<u16> for Scalar {
    fn from(value: u16) -> Self {
        Self::Whole(value.into())
    }
}

impl Values<'_> {
    /// How many values there are.
    pub fn len(&self) -> u32 {
        match self {
            Self::None => 0,
            Self::Bit(_) | Self::One(_) => 1,
            Self::Bits { count, .. } => *count,
            Self::Words(bytes) => u32::try_from(bytes.len().checked_div(2).unwrap_or(0)).unwrap_or(u32::MAX),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value `i` as a number, in whatever format it came.
    pub fn scalar(&self, i: u32) -> Option<Scalar> {
        match self {
            Self::One(value) => (i == 0).then_some(*value),
            Self::None | Self::Bit(_) | Self::Bits { .. } | Self::Words(_) => self.get(i).map(Scalar::from),
        }
    }

    /// Value `i`: 0 or 1 for a bit, the register otherwise.
    pub fn get(&self, i: u32) -> Option<u16> {
        let i = usize::try_from(i).ok()?;
        match self {
            Self::None | Self::One(_) => None,
            Self::Bit(on) => (i == 0).then(|| u16::from(*on)),
            Self::Bits { packed, count } => {
                if i >= usize::try_from(*count).ok()? {
                    return None;
                }
                let byte = packed.get(i.checked_div(8)?)?;
                Some(u16::from(byte.checked_shr(u32::try_from(i.checked_rem(8)?).ok()?)? & 1))
            }
            Self::Words(bytes) => {
                let at = i.checked_mul(2)?;
                let pair = bytes.get(at..at.checked_add(2)?)?;
                Some(u16::from_be_bytes(pair.try_into().ok()?))
            }
        }
    }
}

/// One point that the device spoke of: in a read's answer, an acknowledged write or a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The unit.
    pub unit: u32,
    /// The object.
    pub object: ObjectId,
    /// The zero-based index.
    pub address: u32,
    /// The value, 0 or 1 for a bit; absent where the device says itself that it does not know.
    pub value: Option<Scalar>,
}

/// A read that the gateway makes itself before it can judge: exactly this range, one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadFirst {
    /// The unit.
    pub unit: u32,
    /// The object.
    pub object: ObjectId,
    /// First index, zero-based.
    pub first: u32,
    /// How many.
    pub count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_found_by_place() {
        let bits = Values::Bits { packed: &[0b0000_0101, 0b1111_1111], count: 9 };
        assert_eq!(
            (bits.len(), bits.get(0), bits.get(1), bits.get(8), bits.get(9)),
            (9, Some(1), Some(0), Some(1), None)
        );
        let words = Values::Words(&[0x12, 0x34, 0, 1]);
        assert_eq!((words.len(), words.get(0), words.get(1), words.get(2)), (2, Some(0x1234), Some(1), None));
        assert_eq!((Values::Bit(true).get(0), Values::Bit(true).get(1)), (Some(1), None));
        assert!(Values::None.is_empty() && Values::None.get(0).is_none());
        let one = Values::One(Scalar::Real(Real::new(0.5)));
        assert_eq!((one.len(), one.get(0), one.scalar(1)), (1, None, None));
        assert_eq!((one.scalar(0), words.scalar(1)), (Some(Scalar::Real(Real::new(0.5))), Some(Scalar::Whole(1))));
    }
}
