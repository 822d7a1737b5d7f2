//! Which length does a function fix for its request?

use crate::{reader::Reader, vocab::Reason};

pub(super) const READ_COILS: u8 = 1;
pub(super) const READ_DISCRETE: u8 = 2;
pub(super) const READ_HOLDING: u8 = 3;
pub(super) const READ_INPUT: u8 = 4;
pub(super) const WRITE_COIL: u8 = 5;
pub(super) const WRITE_REGISTER: u8 = 6;
pub(super) const EXCEPTION_STATUS: u8 = 7;
pub(super) const DIAGNOSTICS: u8 = 8;
pub(super) const EVENT_COUNTER: u8 = 11;
pub(super) const EVENT_LOG: u8 = 12;
pub(super) const WRITE_COILS: u8 = 15;
pub(super) const WRITE_REGISTERS: u8 = 16;
pub(super) const SERVER_ID: u8 = 17;
pub(super) const READ_FILE: u8 = 20;
pub(super) const WRITE_FILE: u8 = 21;
pub(super) const MASK_WRITE: u8 = 22;
pub(super) const READ_WRITE: u8 = 23;
pub(super) const READ_FIFO: u8 = 24;
/// Encapsulated interface transport; its first payload byte is the sub-code.
pub(super) const ENCAPSULATED: u8 = 43;
/// Sub-code of [`ENCAPSULATED`]: read device identification.
pub(super) const DEVICE_ID: u8 = 14;
/// The bit that turns a function code into an exception.
pub(super) const EXCEPTION: u8 = 0x80;

/// The largest PDU (Application Protocol 4.1).
pub(super) const PDU_MAX: usize = 253;

/// What the first bytes of a request say about the length of its whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The lengths agree.
    Right,
    /// They cannot agree any more, whatever follows: the session is severed.
    Wrong(Reason),
    /// This many bytes of the PDU are needed to tell.
    Wants(usize),
}

/// Judges `start`, the first bytes of a request PDU of `whole` bytes. With all bytes there the answer is never
/// [`Shape::Wants`]. Lengths: Application Protocol 6.1 to 6.21.
pub(super) fn shape(start: &[u8], whole: usize) -> Shape {
    let Some(&function) = start.first() else {
        return Shape::Wants(1);
    };
    match function {
        0 | EXCEPTION.. => Shape::Wrong(Reason::Malformed),
        READ_COILS..=WRITE_REGISTER => fits(whole == 5),
        EXCEPTION_STATUS | EVENT_COUNTER | EVENT_LOG | SERVER_ID => fits(whole == 1),
        DIAGNOSTICS => diagnostics(start, whole),
        WRITE_COILS => counted(start, whole, Some(3), |quantity| quantity.div_ceil(8)),
        WRITE_REGISTERS => counted(start, whole, Some(3), |quantity| quantity.saturating_mul(2)),
        READ_FILE | WRITE_FILE => counted(start, whole, None, |bytes| bytes),
        MASK_WRITE => fits(whole == 7),
        READ_WRITE => counted(start, whole, Some(7), |quantity| quantity.saturating_mul(2)),
        READ_FIFO => fits(whole == 3),
        ENCAPSULATED => encapsulated(start, whole),
        // Reserved and user-defined codes fix nothing but the PDU's own bound.
        _ => Shape::Right,
    }
}

const fn fits(yes: bool) -> Shape {
    if yes { Shape::Right } else { Shape::Wrong(Reason::LengthMismatch) }
}

/// At `quantity_at` of the PDU stands a quantity, behind it the byte count that must follow from it, and then exactly
/// that many bytes. Without a quantity the byte count follows the function code.
fn counted(start: &[u8], whole: usize, quantity_at: Option<usize>, bytes_of: fn(usize) -> usize) -> Shape {
    let head = quantity_at.map_or(2, |at| at.saturating_add(3));
    if whole < head {
        return Shape::Wrong(Reason::LengthMismatch);
    }
    let Ok(fields) = Reader::new(start).take(head) else {
        return Shape::Wants(head);
    };
    let count = fields.last().copied().map_or(0, usize::from);
    let expected = match quantity_at {
        Some(at) => quantity(fields, at).map(bytes_of),
        None => Some(count),
    };
    fits(expected == Some(count) && whole == head.saturating_add(count))
}

/// The big-endian quantity that starts at `at`.
fn quantity(fields: &[u8], at: usize) -> Option<usize> {
    let mut reader = Reader::new(fields);
    reader.take(at).ok()?;
    reader.u16().ok().map(usize::from)
}

/// Function 8: a sub-function and whole words of data; exactly one word for all but 0, which repeats what it is sent.
fn diagnostics(start: &[u8], whole: usize) -> Shape {
    match (start.get(1), start.get(2)) {
        _ if whole < 3 || whole & 1 == 0 => Shape::Wrong(Reason::LengthMismatch),
        (Some(0), Some(0)) => Shape::Right,
        (Some(_), Some(_)) => fits(whole == 5),
        _ => Shape::Wants(3),
    }
}

/// Function 43: a sub-code at least; device identification (43/14) carries two bytes more.
fn encapsulated(start: &[u8], whole: usize) -> Shape {
    match start.get(1) {
        _ if whole < 2 => Shape::Wrong(Reason::LengthMismatch),
        None => Shape::Wants(2),
        Some(&DEVICE_ID) => fits(whole == 4),
        Some(_) => Shape::Right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Shape = Shape::Wrong(Reason::LengthMismatch);

    #[test]
    fn a_fixed_length_is_judged_by_the_function_code_alone() {
        for (function, right) in [(1, 5), (3, 5), (5, 5), (6, 5), (7, 1), (11, 1), (12, 1), (17, 1), (22, 7), (24, 3)] {
            for whole in 1..=PDU_MAX {
                let expected = if whole == right { Shape::Right } else { LONG };
                assert_eq!(shape(&[function], whole), expected, "function {function}, {whole} bytes");
            }
        }
    }

    #[test]
    fn a_byte_count_must_follow_from_its_quantity_and_fill_the_pdu() {
        let coils = [15, 0, 0, 0, 9, 2];
        assert_eq!(shape(&coils, 8), Shape::Right);
        assert_eq!(shape(&coils, 9), LONG);
        assert_eq!(shape(&[15, 0, 0, 0, 9, 1], 7), LONG);
        assert_eq!(shape(&[16, 0, 0, 0, 2, 2], 8), LONG, "MB-31");
        assert_eq!(shape(&[16, 0, 0, 0, 2, 4], 10), Shape::Right);
        assert_eq!(shape(&[23, 0, 0, 0, 1, 0, 10, 0, 1, 2], 12), Shape::Right);
        assert_eq!(shape(&[23, 0, 0, 0, 1, 0, 10, 0, 2, 2], 12), LONG);
        assert_eq!(shape(&[20, 7], 9), Shape::Right);
        assert_eq!(shape(&[21, 7], 8), LONG);
    }

    #[test]
    fn a_quantity_that_wraps_a_byte_count_is_caught() {
        // 0x8001 registers are 2 bytes modulo 65536, 0x0081 registers 2 bytes modulo 256.
        assert_eq!(shape(&[16, 0, 0, 0x80, 0x01, 2], 8), LONG);
        assert_eq!(shape(&[16, 0, 0, 0x00, 0x81, 2], 8), LONG);
    }

    #[test]
    fn what_is_needed_is_exact() {
        assert_eq!(shape(&[], 5), Shape::Wants(1));
        assert_eq!(shape(&[16, 0, 0, 0, 2], 10), Shape::Wants(6));
        assert_eq!(shape(&[23, 0, 0, 0, 2], 12), Shape::Wants(10));
        assert_eq!(shape(&[43], 4), Shape::Wants(2));
        assert_eq!(shape(&[16], 5), LONG, "too short for its byte count, known at once");
        assert_eq!(shape(&[43], 1), LONG, "no sub-code follows");
        assert_eq!([2, 3, 4].map(|whole| shape(&[43, 13], whole)), [Shape::Right; 3]);
        assert_eq!([3, 4, 5].map(|whole| shape(&[43, 14], whole)), [LONG, Shape::Right, LONG]);
    }

    #[test]
    fn no_request_has_function_zero_or_an_exception_code() {
        for function in [0u8].into_iter().chain(0x80..=0xFF) {
            assert_eq!(shape(&[function], 5), Shape::Wrong(Reason::Malformed));
        }
    }
}
