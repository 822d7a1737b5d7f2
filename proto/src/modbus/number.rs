//! How does a typed value lie in registers?

use alloc::{format, string::String, vec::Vec};

use crate::sentence::{Format, Num, ValueType};

/// How many registers one element takes.
pub(super) const fn registers_of(format: Format) -> u32 {
    match format {
        Format::U16 | Format::I16 | Format::Bool => 1,
        Format::U32 | Format::I32 | Format::F32 => 2,
        Format::U64 | Format::I64 | Format::F64 => 4,
    }
}

/// Adds the big-endian bytes of one element, in the word order of `value_type`.
///
/// # Errors
/// One line when the value does not fit the type.
pub(super) fn encode(value: Num, value_type: ValueType, to: &mut Vec<u8>) -> Result<(), String> {
    let misfit = || format!("{} does not fit the type", shown(value));
    let start = to.len();
    match value_type.format {
        Format::U16 => to.extend(u16::try_from(integer(value)?).map_err(|_| misfit())?.to_be_bytes()),
        Format::I16 => to.extend(i16::try_from(integer(value)?).map_err(|_| misfit())?.to_be_bytes()),
        Format::U32 => to.extend(u32::try_from(integer(value)?).map_err(|_| misfit())?.to_be_bytes()),
        Format::I32 => to.extend(i32::try_from(integer(value)?).map_err(|_| misfit())?.to_be_bytes()),
        Format::U64 => to.extend(u64::try_from(integer(value)?).map_err(|_| misfit())?.to_be_bytes()),
        Format::I64 => to.extend(i64::try_from(integer(value)?).map_err(|_| misfit())?.to_be_bytes()),
        Format::F32 => to.extend(single(real(value)?).ok_or_else(misfit)?.to_be_bytes()),
        Format::F64 => to.extend(real(value)?.to_be_bytes()),
        Format::Bool => to.extend(u16::from(bit(value)?).to_be_bytes()),
    }
    if value_type.swapped
        && let Some(element) = to.get_mut(start..)
    {
        // Words change places, bytes within a word do not.
        element.reverse();
        element.chunks_exact_mut(2).for_each(<[u8]>::reverse);
    }
    Ok(())
}

/// A bit: `on`, `off`, 1 or 0.
///
/// # Errors
/// One line when it is another number.
pub(super) fn bit(value: Num) -> Result<bool, String> {
    match value {
        Num::Bool(on) => Ok(on),
        Num::Int(0) => Ok(false),
        Num::Int(1) => Ok(true),
        Num::Int(_) | Num::Float(_) => Err(format!("{} is neither on nor off", shown(value))),
    }
}

fn integer(value: Num) -> Result<i128, String> {
    match value {
        Num::Int(number) => Ok(number),
        Num::Float(_) | Num::Bool(_) => Err(format!("{} is not a whole number", shown(value))),
    }
}

fn real(value: Num) -> Result<f64, String> {
    let number = match value {
        Num::Float(number) => number,
        Num::Int(number) => nearest(number),
        Num::Bool(_) => return Err(format!("{} is not a number", shown(value))),
    };
    if number.is_finite() { Ok(number) } else { Err(format!("{} is not finite", shown(value))) }
}

/// The nearest double.
#[cfg_attr(not(test), expect(clippy::as_conversions, reason = "core has no other way; the nearest double is meant"))]
const fn nearest(number: i128) -> f64 {
    number as f64
}

/// The nearest single, where it is finite.
#[cfg_attr(not(test), expect(clippy::as_conversions, reason = "core has no other way; the nearest single is meant"))]
fn single(number: f64) -> Option<f32> {
    Some(number as f32).filter(|single| single.is_finite())
}

fn shown(value: Num) -> String {
    match value {
        Num::Int(number) => format!("{number}"),
        Num::Float(number) => format!("{number}"),
        Num::Bool(true) => String::from("on"),
        Num::Bool(false) => String::from("off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: Num, format: Format, swapped: bool) -> Vec<u8> {
        let mut to = Vec::new();
        encode(value, ValueType { format, swapped }, &mut to).expect("fits");
        to
    }

    #[test]
    fn elements_lie_as_devices_expect_them() {
        assert_eq!(bytes(Num::Int(-2), Format::I16, false), [0xFF, 0xFE]);
        assert_eq!(bytes(Num::Int(0x0102_0304), Format::U32, false), [1, 2, 3, 4]);
        assert_eq!(bytes(Num::Int(0x0102_0304), Format::U32, true), [3, 4, 1, 2]);
        assert_eq!(bytes(Num::Float(12.5), Format::F32, false), [0x41, 0x48, 0, 0]);
        assert_eq!(bytes(Num::Int(1), Format::F64, true), [0, 0, 0, 0, 0, 0, 0x3F, 0xF0]);
        assert_eq!(bytes(Num::Int(0x0102_0304_0506_0708), Format::I64, true), [7, 8, 5, 6, 3, 4, 1, 2]);
    }

    #[test]
    fn swapping_moves_the_element_that_is_added_and_none_before_it() {
        let mut to = alloc::vec![1, 2, 3, 4];
        encode(Num::Int(0x0506_0708), ValueType { format: Format::U32, swapped: true }, &mut to).expect("fits");
        assert_eq!(to, [1, 2, 3, 4, 7, 8, 5, 6]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (value, format) in [
            (Num::Int(65536), Format::U16),
            (Num::Int(-1), Format::U32),
            (Num::Float(1.5), Format::I32),
            (Num::Float(1e39), Format::F32),
            (Num::Float(f64::NAN), Format::F64),
            (Num::Bool(true), Format::U16),
            (Num::Int(2), Format::Bool),
        ] {
            assert!(encode(value, ValueType { format, swapped: false }, &mut Vec::new()).is_err(), "{value:?}");
        }
    }

    #[test]
    fn each_type_has_its_ends_and_says_what_lies_beyond() {
        for (format, lowest, highest, registers) in [
            (Format::U16, 0, 65_535, 1),
            (Format::I16, -32_768, 32_767, 1),
            (Format::U32, 0, 4_294_967_295, 2),
            (Format::I32, -2_147_483_648, 2_147_483_647, 2),
            (Format::U64, 0, 18_446_744_073_709_551_615, 4),
            (Format::I64, -9_223_372_036_854_775_808, 9_223_372_036_854_775_807, 4),
        ] {
            assert_eq!(registers_of(format), registers);
            for end in [lowest, highest] as [i128; 2] {
                let mut meant = end.to_be_bytes().to_vec();
                let lies = bytes(Num::Int(end), format, false);
                assert_eq!(lies, meant.split_off(16 - 2 * registers as usize), "{end}");
            }
            for beyond in [lowest - 1, highest + 1] {
                let told = encode(Num::Int(beyond), ValueType { format, swapped: false }, &mut Vec::new());
                assert_eq!(told, Err(format!("{beyond} does not fit the type")));
            }
        }
        assert_eq!([Format::Bool, Format::F32, Format::F64].map(registers_of), [1, 2, 4]);
        assert_eq!(bytes(Num::Bool(true), Format::Bool, false), [0, 1]);
        assert_eq!(bytes(Num::Int(0), Format::Bool, false), [0, 0]);
        for (value, format, told) in [
            (Num::Bool(false), Format::F32, "off is not a number"),
            (Num::Bool(true), Format::I16, "on is not a whole number"),
            (Num::Float(0.5), Format::Bool, "0.5 is neither on nor off"),
            (Num::Float(f64::INFINITY), Format::F64, "inf is not finite"),
        ] {
            let found = encode(value, ValueType { format, swapped: false }, &mut Vec::new());
            assert_eq!(found, Err(String::from(told)));
        }
    }
}
