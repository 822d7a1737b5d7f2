//! Where does an RTU message over TCP start and end?
//!
//! ```text
//! 0      1
//! | unit | PDU: 1..=253 bytes | CRC-16, low byte first |
//! ```
//! Modbus over serial line 2.5.1. On a stream no silence ends a message: its length follows from the function, or from
//! the counts in it, and the CRC must be right there (MB-07, MB-32).

use super::{Adu, Framed, Pen, Sheet};
use crate::{
    modbus::function::{self, DEVICE_ID, EXCEPTION, PDU_MAX, Shape},
    reader::Reader,
    vocab::Reason,
};

/// Bytes of the CRC.
const CRC: usize = 2;

/// How long the PDU is.
enum Length {
    /// This long.
    Is(usize),
    /// This many bytes of it tell.
    Wants(usize),
    /// Nothing tells.
    Untold(Reason),
}

/// Cuts the first request off `input`.
pub(in crate::modbus) fn request(input: &[u8]) -> Framed<'_> {
    let mut reader = Reader::new(input);
    let Ok(_unit) = reader.u8() else { return Framed::Need(2) };
    let pdu = reader.rest();
    match request_length(pdu) {
        Length::Is(length) => match function::shape(pdu.get(..length).unwrap_or(pdu), length) {
            Shape::Wrong(reason) => Framed::Broken(reason),
            Shape::Wants(_) | Shape::Right => whole(input, length),
        },
        Length::Wants(more) => Framed::Need(more.saturating_add(1)),
        Length::Untold(reason) => Framed::Broken(reason),
    }
}

/// Whether `adu` is read as one request to its last byte. FC 8/0 may carry any data over MBAP, and an unknown function
/// any payload: on a line without lengths their tail could be a request of its own.
pub(in crate::modbus) fn is_one_request(adu: &[u8]) -> bool {
    matches!(request(adu), Framed::Whole(whole) if whole.frame.len() == adu.len())
}

/// Cuts the first answer off `input`: the answer to `asked`, the PDU of the one request in flight.
pub(in crate::modbus) fn response<'b>(input: &'b [u8], asked: &[u8]) -> Framed<'b> {
    let mut reader = Reader::new(input);
    let Ok(_unit) = reader.u8() else { return Framed::Need(2) };
    match response_length(reader.rest(), asked) {
        Length::Is(length) => whole(input, length),
        Length::Wants(more) => Framed::Need(more.saturating_add(1)),
        Length::Untold(reason) => Framed::Broken(reason),
    }
}

/// The message whose PDU has `length` bytes, once it is here and its CRC is right.
fn whole(input: &[u8], length: usize) -> Framed<'_> {
    if !(1..=PDU_MAX).contains(&length) {
        return Framed::Broken(Reason::LengthMismatch);
    }
    let all = length.saturating_add(1).saturating_add(CRC);
    let mut reader = Reader::new(input);
    let Ok(frame) = reader.take(all) else { return Framed::Need(all) };
    let mut parts = Reader::new(frame);
    let (Ok(unit), Ok(pdu)) = (parts.u8(), parts.take(length)) else { return Framed::Need(all) };
    let told = parts.u16().map(u16::swap_bytes);
    let summed = frame.get(..length.saturating_add(1)).map(crc);
    if told.ok() == summed { Framed::Whole(Adu { id: 0, unit, pdu, frame }) } else { Framed::Broken(Reason::Malformed) }
}

fn request_length(pdu: &[u8]) -> Length {
    let Some(&code) = pdu.first() else { return Length::Wants(1) };
    match code {
        0 | EXCEPTION.. => Length::Untold(Reason::Malformed),
        function::READ_COILS..=function::WRITE_REGISTER => Length::Is(5),
        function::EXCEPTION_STATUS | function::EVENT_COUNTER | function::EVENT_LOG | function::SERVER_ID => {
            Length::Is(1)
        }
        // One word of data, as on every serial line: nothing tells of more.
        function::DIAGNOSTICS => Length::Is(5),
        function::WRITE_COILS | function::WRITE_REGISTERS => counted(pdu, 5),
        function::READ_FILE | function::WRITE_FILE => counted(pdu, 1),
        function::MASK_WRITE => Length::Is(7),
        function::READ_WRITE => counted(pdu, 9),
        function::READ_FIFO => Length::Is(3),
        function::ENCAPSULATED => match pdu.get(1) {
            None => Length::Wants(2),
            Some(&DEVICE_ID) => Length::Is(4),
            Some(_) => Length::Untold(Reason::FunctionNotAllowed),
        },
        _ => Length::Untold(Reason::FunctionNotAllowed),
    }
}

fn response_length(pdu: &[u8], asked: &[u8]) -> Length {
    let Some(&code) = pdu.first() else { return Length::Wants(1) };
    let expected = asked.first().copied().unwrap_or(0);
    if code == expected | EXCEPTION {
        return Length::Is(2);
    }
    if code != expected {
        return Length::Untold(Reason::ResponseMismatch);
    }
    match code {
        function::WRITE_COIL
        | function::WRITE_REGISTER
        | function::EVENT_COUNTER
        | function::WRITE_COILS
        | function::WRITE_REGISTERS => Length::Is(5),
        function::DIAGNOSTICS | function::MASK_WRITE | function::WRITE_FILE => Length::Is(asked.len()),
        function::EXCEPTION_STATUS => Length::Is(2),
        function::READ_FIFO => match (pdu.get(1), pdu.get(2)) {
            (Some(high), Some(low)) => Length::Is(usize::from(u16::from_be_bytes([*high, *low])).saturating_add(3)),
            _ => Length::Wants(3),
        },
        function::ENCAPSULATED => objects(pdu),
        // Reads of points and of files, FC 12, 17, 23: a byte count tells.
        _ => counted(pdu, 1),
    }
}

/// A byte count at `at`, and then that many bytes.
fn counted(pdu: &[u8], at: usize) -> Length {
    let head = at.saturating_add(1);
    pdu.get(at).map_or(Length::Wants(head), |count| Length::Is(head.saturating_add(usize::from(*count))))
}

/// FC 43/14: a count of objects, each with its own length.
fn objects(pdu: &[u8]) -> Length {
    const HEAD: usize = 7;
    let Some(count) = pdu.get(6) else { return Length::Wants(HEAD) };
    let mut length = HEAD;
    for _ in 0..*count {
        let Some(bytes) = pdu.get(length.saturating_add(1)) else { return Length::Wants(length.saturating_add(2)) };
        length = length.saturating_add(2).saturating_add(usize::from(*bytes));
        if length > PDU_MAX {
            return Length::Untold(Reason::LengthMismatch);
        }
    }
    Length::Is(length)
}

/// A whole message: unit, what `pdu` writes, CRC.
pub(in crate::modbus) fn adu(unit: u8, pdu: impl FnOnce(&mut Sheet)) -> Sheet {
    let mut sheet = Sheet::new();
    sheet.put_u8(unit);
    pdu(&mut sheet);
    let sum = crc(sheet.as_slice());
    sheet.put(&sum.to_le_bytes());
    sheet
}

/// CRC-16 with the polynomial 0xA001, as Modbus over serial line 6.2.2 computes it.
pub(in crate::modbus) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum: u16, byte| {
        let [_, low] = sum.to_be_bytes();
        let step = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0);
        sum.wrapping_shr(8) ^ step
    })
}

const TABLE: [u16; 256] = table();

#[cfg_attr(
    not(test),
    expect(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "worked out by the compiler, within 0..256"
    )
)]
#[cfg_attr(not(test), expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "at most 255"))]
const fn table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut sum, mut bit) = (at as u16, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xA001 } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;
    use crate::modbus::vectors::hex;

    /// What is framed: its PDU's length, what is needed, or why it is broken.
    fn told(framed: &Framed<'_>) -> std::string::String {
        match framed {
            Framed::Need(n) => format!("need {n}"),
            Framed::Whole(adu) => format!("unit {}, {} bytes of pdu", adu.unit, adu.pdu.len()),
            Framed::Broken(reason) => format!("{reason}"),
        }
    }

    fn sealed(text: &str) -> std::vec::Vec<u8> {
        let mut bytes = hex(text);
        let sum = crc(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    #[test]
    fn the_crc_is_the_one_of_the_serial_line() {
        assert_eq!(crc(&hex("01 03 0000 000a")).to_le_bytes(), [0xC5, 0xCD]);
        assert_eq!(crc(b"123456789"), 0x4B37);
    }

    #[test]
    fn a_request_ends_where_its_function_says() {
        for (text, length) in [
            ("01 03 0000 000a", 5),
            ("01 05 0000 ff00", 5),
            ("01 07", 1),
            ("01 08 0000 a537", 5),
            ("01 0f 0013 000a 02 cd01", 8),
            ("01 10 0001 0002 04 000a0102", 10),
            ("01 11", 1),
            ("01 14 07 06 0004 0001 0002", 9),
            ("01 15 09 06 0004 0007 0001 06af", 11),
            ("01 16 0004 00f2 0025", 7),
            ("01 17 0003 0006 000e 0001 02 00ff", 12),
            ("01 18 04de", 3),
            ("01 2b 0e 01 00", 4),
        ] {
            let mut bytes = sealed(text);
            assert_eq!(told(&request(&bytes)), format!("unit 1, {length} bytes of pdu"), "{text}");
            for cut in 0..bytes.len() {
                let Framed::Need(more) = request(&bytes[..cut]) else { panic!("{text}, cut at {cut}") };
                assert!(more > cut && more <= bytes.len(), "{text}, cut at {cut}: asks for {more}");
            }
            bytes.extend(hex("ffff"));
            assert_eq!(told(&request(&bytes)), format!("unit 1, {length} bytes of pdu"), "{text} and more");
            let last = length + 2;
            bytes[last] ^= 1;
            assert_eq!(told(&request(&bytes)), "malformed", "{text} with a wrong CRC");
        }
    }

    #[test]
    fn what_tells_no_length_is_no_request() {
        assert_eq!(told(&request(&hex("01 5a 00"))), "function_not_allowed");
        assert_eq!(told(&request(&hex("01 2b 0d"))), "function_not_allowed");
        assert_eq!(told(&request(&hex("01 83 02"))), "malformed");
        assert_eq!(told(&request(&hex("01 00 02"))), "malformed");
        assert_eq!(told(&request(&hex("01 10 0000 0002 02 0001"))), "length_mismatch", "MB-31");
        // An MBAP header is unit 0 and function 1 at best, and its CRC is wrong.
        assert_eq!(told(&request(&hex("0001 0000 0006 01 03 0000 000a"))), "malformed", "MB-07");
    }

    #[test]
    fn an_answer_ends_where_its_request_says() {
        for (asked, text, length) in [
            ("03 0000 0002", "01 03 04 000a 000b", 6),
            ("03 0000 0002", "01 83 02", 2),
            ("06 0028 05dc", "01 06 0028 05dc", 5),
            ("07", "01 07 6d", 2),
            ("08 0000 a537", "01 08 0000 a537", 5),
            ("0b", "01 0b ffff 0108", 5),
            ("0c", "01 0c 08 0000 0108 0121 2000", 10),
            ("15 09 06 0004 0007 0001 06af", "01 15 09 06 0004 0007 0001 06af", 11),
            ("18 04de", "01 18 0006 0002 01b8 1284", 9),
            ("2b 0e 01 00", "01 2b 0e 01 01 00 00 02 00 02 4142 01 00", 13),
        ] {
            let (asked, bytes) = (hex(asked), sealed(text));
            assert_eq!(told(&response(&bytes, &asked)), format!("unit 1, {length} bytes of pdu"), "{text}");
            for cut in 0..bytes.len() {
                let Framed::Need(more) = response(&bytes[..cut], &asked) else { panic!("{text}, cut at {cut}") };
                assert!(more > cut && more <= bytes.len(), "{text}, cut at {cut}: asks for {more}");
            }
        }
        assert_eq!(told(&response(&hex("01 04 02"), &hex("03 0000 0001"))), "response_mismatch");
        assert_eq!(told(&response(&hex("01 18 ffff"), &hex("18 0000"))), "length_mismatch");
        let objects = |bytes: usize| {
            let mut text = hex("01 2b 0e 01 01 00 00 01 00");
            text.push(bytes as u8);
            text.resize(10 + bytes, b'x');
            text.extend(crc(&text).to_le_bytes());
            told(&response(&text, &hex("2b 0e 01 00")))
        };
        assert_eq!(objects(244), format!("unit 1, {PDU_MAX} bytes of pdu"), "as long as a PDU is");
        assert_eq!(objects(245), "length_mismatch");
        let endless = hex("01 2b 0e 01 01 00 00 ff 00 fa");
        assert_eq!(told(&response(&endless, &hex("2b 0e 01 00"))), "length_mismatch");
    }
}
