//! How is a number written, and what fits a format?

use core::fmt;

use super::{Format, Num};

impl Num {
    /// Reads `5`, `0x1F`, `-20.0`, `1e16`, `on`, `off`; finite and within 128 bits, or nothing.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "on" => return Some(Self::Bool(true)),
            "off" => return Some(Self::Bool(false)),
            _ => {}
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        if let Some(hex) = digits.strip_prefix("0x") {
            let value = i128::from(hexadecimal(hex)?);
            return Some(Self::Int(if digits.len() == text.len() { value } else { value.checked_neg()? }));
        }
        if is_digits(digits) {
            return text.parse().ok().map(Self::Int);
        }
        is_decimal(digits)
            .then(|| text.parse::<f64>().ok())
            .flatten()
            .filter(|value| value.is_finite())
            .map(Self::Float)
    }

    /// Its value as a decimal, rounded once where a 64-bit integer has more than 53 significant bits.
    /// `on` is 1. Integers beyond 64 bits, which no format holds, come out as infinities.
    pub fn decimal(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Bool(on) => f64::from(u8::from(on)),
            Self::Int(value) => {
                let size = match u64::try_from(value.unsigned_abs()) {
                    Ok(size) => {
                        let high = u32::try_from(size.checked_shr(32).unwrap_or(0)).unwrap_or(u32::MAX);
                        let low = u32::try_from(size & 0xFFFF_FFFF).unwrap_or(u32::MAX);
                        f64::from(high) * 4_294_967_296.0 + f64::from(low)
                    }
                    Err(_) => f64::INFINITY,
                };
                if value < 0 { -size } else { size }
            }
        }
    }

    /// Whether it is more than `other`.
    pub(super) fn is_above(self, other: Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a > b,
            _ => self.decimal() > other.decimal(),
        }
    }
}

/// Decimal; a float keeps its point or exponent, so that it stays a float when it is read again.
impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(on) => f.write_str(if *on { "on" } else { "off" }),
        }
    }
}

impl Format {
    /// Every format, in the order of the documentation.
    pub const ALL: &'static [Self] =
        &[Self::U16, Self::I16, Self::U32, Self::I32, Self::F32, Self::U64, Self::I64, Self::F64, Self::Bool];

    /// Its word after `as`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
            Self::Bool => "bool",
        }
    }

    /// How many registers an element takes (one index for a bit).
    pub const fn registers(self) -> u32 {
        match self {
            Self::U16 | Self::I16 | Self::Bool => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }

    /// The least and the largest integer, where it holds integers.
    pub fn integers(self) -> Option<(i128, i128)> {
        match self {
            Self::U16 => Some((0, u16::MAX.into())),
            Self::I16 => Some((i16::MIN.into(), i16::MAX.into())),
            Self::U32 => Some((0, u32::MAX.into())),
            Self::I32 => Some((i32::MIN.into(), i32::MAX.into())),
            Self::U64 => Some((0, u64::MAX.into())),
            Self::I64 => Some((i64::MIN.into(), i64::MAX.into())),
            Self::Bool => Some((0, 1)),
            Self::F32 | Self::F64 => None,
        }
    }

    /// The largest size of a decimal, where it holds decimals.
    pub fn decimals(self) -> Option<f64> {
        match self {
            Self::F32 => Some(f64::from(f32::MAX)),
            Self::F64 => Some(f64::MAX),
            Self::U16 | Self::I16 | Self::U32 | Self::I32 | Self::U64 | Self::I64 | Self::Bool => None,
        }
    }
}

/// Reads an unsigned integer, decimal or `0x..`.
pub(super) fn integer(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => hexadecimal(hex),
        None => is_digits(text).then(|| text.parse().ok()).flatten(),
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `D.D`, `DeX`, `D.DeX`: digits on both sides of the point, so that `1.` and `.5` stay visible slips.
fn is_decimal(text: &str) -> bool {
    let (size, exponent) = match text.split_once(['e', 'E']) {
        Some((size, exponent)) => (size, Some(exponent)),
        None => (text, None),
    };
    let exponent_reads = exponent.is_none_or(|one| is_digits(one.strip_prefix(['-', '+']).unwrap_or(one)));
    match size.split_once('.') {
        Some((whole, part)) => is_digits(whole) && is_digits(part) && exponent_reads,
        None => exponent.is_some() && is_digits(size) && exponent_reads,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn numbers_read_and_print() {
        for (text, printed) in [
            ("5", "5"),
            ("007", "7"),
            ("0x1F", "31"),
            ("-0x1f", "-31"),
            ("-20.0", "-20.0"),
            ("20.50", "20.5"),
            ("1e16", "1e16"),
            ("1.5E-7", "1.5e-7"),
            ("18446744073709551615", "18446744073709551615"),
            ("on", "on"),
        ] {
            assert_eq!(Num::read(text).map(|num| num.to_string()).as_deref(), Some(printed), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in
            ["", "-", "0x", "+5", "1.", ".5", "1e", "1e999", "nan", "inf", "-inf", "0x-1", "1_000", "5.0.0", "١"]
        {
            assert_eq!(Num::read(text), None, "{text}");
        }
        for text in ["", "-1", "0x", "0x1FFFFFFFFFFFFFFFF", "18446744073709551616"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn a_decimal_of_an_integer_is_the_nearest() {
        for value in [0, -1, 1 << 53, i64::MAX, i64::MIN, 123_456_789_012_345_678] {
            assert!((Num::Int(value.into()).decimal() - value as f64).abs() < f64::EPSILON, "{value}");
        }
    }
}
