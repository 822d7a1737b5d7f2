//! Which number do these registers hold, and does a value clause admit it?

use alloc::{format, string::String};

use crate::{
    deed::Scalar,
    sentence::{Format, Num, StepDirection, ValueType},
};

/// One element's value. Integers stay integers, so that 64 bits are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// From an integer format, a register or a bit.
    Whole(i128),
    /// From `f32` or `f64`; may be NaN or infinite.
    Real(f64),
}

/// An inclusive range of values, in the terms of the format that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Span {
    /// Compared exactly.
    Whole(i128, i128),
    /// Compared as `f64`.
    Real(f64, f64),
}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Whole(whole) => Self::Whole(whole.into()),
            Scalar::Real(real) => Self::Real(real.get().into()),
        }
    }
}

impl Value {
    /// NaN and infinities are refused wherever a type makes a float of the registers.
    pub(super) fn is_finite(self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Real(real) => real.is_finite(),
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => real_of(whole),
            Self::Real(real) => real,
        }
    }

    /// Whether going from `old` to `self` keeps within `size`. NaN on either side does not.
    pub(super) fn within_step(self, old: Self, size: Num, direction: Option<StepDirection>) -> bool {
        let (up, down) = match direction {
            None => (true, true),
            Some(StepDirection::Up) => (true, false),
            Some(StepDirection::Down) => (false, true),
        };
        match (self, old, size) {
            (Self::Whole(new), Self::Whole(old), Num::Int(size)) => {
                let Some(change) = new.checked_sub(old) else { return false };
                (!up || change <= size) && (!down || change >= size.checked_neg().unwrap_or(0))
            }
            _ => {
                let (change, size) = (self.real() - old.real(), real(size));
                change.is_finite() && (!up || change <= size) && (!down || change >= -size)
            }
        }
    }
}

impl Span {
    /// The span of a clause under a format. A decimal of an `f32` clause means the nearest `f32`, as a peer sends it.
    ///
    /// # Errors
    /// One line for the operator.
    pub(super) fn new((from, to): (Num, Num), format: Format) -> Result<Self, String> {
        let span = match (format, from, to) {
            (Format::F32, ..) => Self::Real(nearest_f32(real(from)), nearest_f32(real(to))),
            (Format::F64, ..) => Self::Real(real(from), real(to)),
            (Format::U64 | Format::I64, Num::Float(_), _) | (Format::U64 | Format::I64, _, Num::Float(_)) => {
                return Err(String::from("a 64-bit integer is compared with whole numbers only"));
            }
            (_, Num::Float(_), _) | (_, _, Num::Float(_)) => Self::Real(real(from), real(to)),
            (..) => Self::Whole(whole(from), whole(to)),
        };
        let (lowest, highest) = bounds(format);
        let possible = match span {
            Self::Whole(from, to) => from <= to && from <= highest && to >= lowest,
            Self::Real(from, to) => {
                // A float reaches beyond any integer.
                let reaches =
                    matches!(format, Format::F32 | Format::F64) || (from <= real_of(highest) && to >= real_of(lowest));
                from.is_finite() && to.is_finite() && from <= to && reaches
            }
        };
        if possible { Ok(span) } else { Err(format!("no {} has such a value", word(format))) }
    }

    /// Whether `value` lies in it. NaN and infinities never do.
    pub(super) fn admits(self, value: Value) -> bool {
        match (self, value) {
            (Self::Whole(from, to), Value::Whole(value)) => (from..=to).contains(&value),
            (Self::Real(from, to), value) => {
                let value = value.real();
                value.is_finite() && from <= value && value <= to
            }
            // A whole span is made for whole formats only.
            (Self::Whole(..), Value::Real(_)) => false,
        }
    }
}

/// How many registers (or bits, of a bit object) make one element.
pub(super) const fn width(format: Format) -> u32 {
    match format {
        Format::U16 | Format::I16 | Format::Bool => 1,
        Format::U32 | Format::I32 | Format::F32 => 2,
        Format::U64 | Format::I64 | Format::F64 => 4,
    }
}

/// The value of the element whose registers, in the order of their addresses, `register(0)`, `register(1)`... give;
/// `None` where one of them is not known.
pub(super) fn decode(kind: ValueType, register: impl Fn(u32) -> Option<u16>) -> Option<Value> {
    let width = width(kind.format);
    let mut bits = 0u64;
    for place in 0..width {
        let place = if kind.swapped { width.saturating_sub(1).saturating_sub(place) } else { place };
        bits = bits.wrapping_shl(16) | u64::from(register(place)?);
    }
    let [_, _, _, _, b4, b5, b6, b7] = bits.to_be_bytes();
    Some(match kind.format {
        Format::U16 | Format::U32 | Format::U64 | Format::Bool => Value::Whole(i128::from(bits)),
        Format::I16 => Value::Whole(i128::from(i16::from_be_bytes([b6, b7]))),
        Format::I32 => Value::Whole(i128::from(i32::from_be_bytes([b4, b5, b6, b7]))),
        Format::I64 => Value::Whole(i128::from(bits.cast_signed())),
        Format::F32 => Value::Real(f64::from(f32::from_be_bytes([b4, b5, b6, b7]))),
        Format::F64 => Value::Real(f64::from_bits(bits)),
    })
}

/// The lowest and the highest integer of a format; a float has none.
const fn bounds(format: Format) -> (i128, i128) {
    match format {
        Format::U16 => (0, 0xFFFF),
        Format::I16 => (-0x8000, 0x7FFF),
        Format::U32 => (0, 0xFFFF_FFFF),
        Format::I32 => (-0x8000_0000, 0x7FFF_FFFF),
        Format::U64 => (0, 0xFFFF_FFFF_FFFF_FFFF),
        Format::I64 => (-0x8000_0000_0000_0000, 0x7FFF_FFFF_FFFF_FFFF),
        Format::F32 | Format::F64 => (i128::MIN, i128::MAX),
        Format::Bool => (0, 1),
    }
}

const fn word(format: Format) -> &'static str {
    match format {
        Format::U16 => "u16",
        Format::I16 => "i16",
        Format::U32 => "u32",
        Format::I32 => "i32",
        Format::F32 => "f32",
        Format::U64 => "u64",
        Format::I64 => "i64",
        Format::F64 => "f64",
        Format::Bool => "bool",
    }
}

fn whole(num: Num) -> i128 {
    match num {
        Num::Int(whole) => whole,
        Num::Bool(on) => i128::from(on),
        // Not reached: decimals become real spans. Zero would be a value; the end of the scale is none.
        Num::Float(_) => i128::MAX,
    }
}

/// The number as `f64`.
pub(super) fn real(num: Num) -> f64 {
    match num {
        Num::Int(whole) => real_of(whole),
        Num::Float(real) => real,
        Num::Bool(on) => f64::from(u8::from(on)),
    }
}

#[cfg_attr(not(test), expect(clippy::as_conversions, reason = "rounds to the nearest; core has no other way"))]
fn real_of(whole: i128) -> f64 {
    whole as f64
}

#[cfg_attr(not(test), expect(clippy::as_conversions, reason = "rounds to the nearest; core has no other way"))]
fn nearest_f32(real: f64) -> f64 {
    f64::from(real as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(format: Format, swapped: bool, registers: &[u16]) -> Option<Value> {
        decode(ValueType { format, swapped }, |place| registers.get(place as usize).copied())
    }

    #[test]
    fn registers_become_numbers_in_both_word_orders() {
        for (format, swapped, registers, value) in [
            (Format::U16, false, &[0xFFFF][..], Value::Whole(65535)),
            (Format::I16, false, &[0xFFFF], Value::Whole(-1)),
            (Format::U32, false, &[1, 2], Value::Whole(0x1_0002)),
            (Format::U32, true, &[1, 2], Value::Whole(0x2_0001)),
            (Format::I32, false, &[0xFFFF, 0xFFFE], Value::Whole(-2)),
            (Format::F32, false, &[0x41A0, 0], Value::Real(20.0)),
            (Format::F32, true, &[0, 0x41A0], Value::Real(20.0)),
            (Format::U64, false, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], Value::Whole(i128::from(u64::MAX))),
            (Format::I64, true, &[0xFFFD, 0xFFFF, 0xFFFF, 0xFFFF], Value::Whole(-3)),
            (Format::F64, false, &[0x4034, 0, 0, 0], Value::Real(20.0)),
        ] {
            assert_eq!(at(format, swapped, registers), Some(value), "{format:?} {swapped}");
        }
        assert_eq!(at(Format::U32, false, &[1]), None, "half of a pair is no number");
    }

    #[test]
    fn spans_compare_whole_numbers_exactly_and_refuse_what_is_not_finite() {
        let edge = Span::new((Num::Int(0), Num::Int(i128::from(u64::MAX) - 1)), Format::U64).expect("whole");
        assert!(edge.admits(Value::Whole(i128::from(u64::MAX) - 1)));
        assert!(!edge.admits(Value::Whole(i128::from(u64::MAX))));
        let heat = Span::new((Num::Float(-20.0), Num::Float(80.1)), Format::F32).expect("real");
        assert!(heat.admits(Value::Real(f64::from(80.1f32))), "a decimal means the nearest f32");
        assert!(!heat.admits(Value::Real(80.2)));
        for wild in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!heat.admits(Value::Real(wild)));
        }
        assert!(Span::new((Num::Float(0.5), Num::Float(2.5)), Format::U16).expect("real").admits(Value::Whole(2)));
        Span::new((Num::Float(0.5), Num::Int(2)), Format::U64).expect_err("would not be exact");
        Span::new((Num::Int(-5), Num::Int(-5)), Format::U16).expect_err("no u16 is negative");
        Span::new((Num::Int(5), Num::Int(4)), Format::U16).expect_err("reversed");
        Span::new((Num::Float(f64::NAN), Num::Float(1.0)), Format::F32).expect_err("not a number");
        Span::new((Num::Float(1.0), Num::Float(f64::INFINITY)), Format::F32).expect_err("no end");
        Span::new((Num::Float(2.5), Num::Float(1.5)), Format::F64).expect_err("reversed decimals");
        for (format, lowest, highest) in [
            (Format::U16, 0, 65_535),
            (Format::I16, -32_768, 32_767),
            (Format::U32, 0, 4_294_967_295),
            (Format::I32, -2_147_483_648, 2_147_483_647),
            (Format::U64, 0, 18_446_744_073_709_551_615),
            (Format::I64, -9_223_372_036_854_775_808, 9_223_372_036_854_775_807),
            (Format::Bool, 0, 1),
        ] {
            let one = |value: i128| Span::new((Num::Int(value), Num::Int(value)), format);
            assert_eq!(one(lowest), Ok(Span::Whole(lowest, lowest)));
            assert_eq!(one(highest), Ok(Span::Whole(highest, highest)));
            let message = format!("no {} has such a value", format.as_str());
            assert_eq!([one(lowest - 1), one(highest + 1)], [Err(message.clone()), Err(message)]);
        }
        let halves = |from, to| Span::new((Num::Float(from), Num::Float(to)), Format::U16);
        assert!(halves(-0.5, 0.0).is_ok() && halves(65_535.0, 65_535.5).is_ok(), "an end lies inside");
        halves(65_535.5, 65_536.5).expect_err("above every u16");
        halves(-1.5, -0.5).expect_err("below every u16");
    }

    #[test]
    fn steps_limit_the_direction_that_they_name() {
        let whole =
            |new, old, size, direction| Value::Whole(new).within_step(Value::Whole(old), Num::Int(size), direction);
        assert!(whole(110, 100, 10, None) && whole(90, 100, 10, None));
        assert!(!whole(111, 100, 10, None) && !whole(89, 100, 10, None));
        assert!(whole(0, 100, 10, Some(StepDirection::Up)) && !whole(111, 100, 10, Some(StepDirection::Up)));
        assert!(whole(999, 100, 10, Some(StepDirection::Down)) && !whole(89, 100, 10, Some(StepDirection::Down)));
        let real = |new, old| Value::Real(new).within_step(Value::Real(old), Num::Float(0.5), None);
        assert!(!whole(i128::MAX, -1, i128::MAX, None), "a change beyond all numbers is none that a step allows");
        let way = |new, old, way| Value::Real(new).within_step(Value::Real(old), Num::Float(0.5), Some(way));
        assert!(way(9.0, 99.0, StepDirection::Up) && way(1.5, 1.0, StepDirection::Up));
        assert!(way(99.0, 9.0, StepDirection::Down) && way(1.0, 1.5, StepDirection::Down));
        assert!(!way(1.6, 1.0, StepDirection::Up) && !way(1.0, 1.6, StepDirection::Down));
        assert!(
            real(1.5, 1.0)
                && real(1.0, 1.5)
                && !real(1.0, 1.6)
                && !real(1.6, 1.0)
                && !real(1.0, f64::NAN)
                && !real(f64::INFINITY, 1.0)
        );
    }
}
