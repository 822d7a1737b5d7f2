//! What can these four not read, and where are they wrong?
//!
//! Each row names one oracle, the messages that it concerns, and why the standard is on our side. What stands in no row
//! fails the test.

use super::{Framing, Item, Side, Verdict};

/// Why an oracle does not read a legal message, or misreads it.
pub(super) type Why = &'static str;

/// Functions that pymodbus 3.16 has classes for.
const PYMODBUS: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43];
/// Functions that rmodbus has.
const RMODBUS: &[u8] = &[1, 2, 3, 4, 5, 6, 15, 16];

/// One message that passed, in parts.
struct Passed<'i> {
    answers: bool,
    rtu: bool,
    /// Bytes of the whole frame, and of what stands behind it.
    frame: usize,
    behind: usize,
    function: u8,
    pdu: &'i [u8],
}

/// Why `oracle` may leave this message unread.
pub(super) fn unread(oracle: &str, item: &Item) -> Option<Why> {
    let one = Passed::of(item)?;
    match oracle {
        "scapy" => one.by_scapy(),
        "pymodbus" => one.by_pymodbus(),
        "sawp" => one.by_sawp(),
        _ => one.by_rmodbus(),
    }
}

/// Why `oracle` may read this message as `told`, and as of `used` bytes: it is in error there.
pub(super) fn mistaken(oracle: &str, item: &Item, used: usize, told: &[u8]) -> Option<Why> {
    let one = Passed::of(item)?;
    let (same, as_long) = (told == one.pdu, used == 0 || used == one.frame);
    match (oracle, one.answers, one.function) {
        // Whoever reads a device's or a peer's stream with it loses the next message's first byte.
        ("pymodbus", _, _) if same && !one.rtu && (one.frame, one.behind, used) == (8, 1, 9) => {
            Some("it takes one byte more than the length says where a message of 8 bytes is followed by one byte")
        }
        ("pymodbus", true, 11 | 12) if as_long && status_aside(told, one.pdu, one.function) => {
            Some("AP 6.9: of a status word it keeps whether it is 0000")
        }
        ("pymodbus", true, 17) if as_long && run_aside(told, one.pdu) => {
            Some("AP 6.13: of a run indicator it keeps whether it is FF")
        }
        ("pymodbus", true, 43) if as_long && told == grouped(one.pdu) => {
            Some("it puts objects of one id together, wherever they stood")
        }
        _ => None,
    }
}

/// What we make good in a message that passes (language.md section 3), done to what an oracle read: pad bits cleared,
/// an unknown exception code 04.
pub(super) fn repaired(item: &Item, told: &[u8]) -> Vec<u8> {
    let mut told = told.to_vec();
    let asked = |at: usize| item.asked.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
    let count = match (item.side, told.first()) {
        (Side::Request, Some(15)) => told.get(3..5).map(|two| u16::from_be_bytes([two[0], two[1]])),
        (Side::Response, Some(1 | 2)) => asked(3),
        _ => None,
    };
    let head = if item.side == Side::Request { 6 } else { 2 };
    if let (Some(used @ 1..), Some(last)) =
        (count.map(|count| count % 8), told.get_mut(head..).and_then(<[u8]>::last_mut))
    {
        *last &= (1 << used) - 1;
    }
    if let (Side::Response, [0x80..=0xFF, code]) = (item.side, told.as_mut_slice())
        && !matches!(code, 1..=8 | 10 | 11)
    {
        *code = 4;
    }
    told
}

impl<'i> Passed<'i> {
    fn of(item: &'i Item) -> Option<Self> {
        let Verdict::Passed { used, pdu, .. } = &item.verdict else { return None };
        Some(Self {
            answers: item.side == Side::Response,
            rtu: item.framing == Framing::Rtu,
            frame: *used,
            behind: item.bytes.len() - used,
            function: pdu[0],
            pdu,
        })
    }

    fn by_scapy(&self) -> Option<Why> {
        match (self.answers, self.function) {
            _ if self.rtu => Some("it has no RTU"),
            (true, 3) if self.pdu.len() > 2 + 2 * 123 => {
                Some("it bounds an answer to FC 3 at 123 registers; AP 6.3 at 125")
            }
            (true, 17) => Some("AP 6.13: it looks for the run indicator behind the bytes that are counted"),
            _ => None,
        }
    }

    fn by_pymodbus(&self) -> Option<Why> {
        match (self.answers, self.function & 0x7F) {
            (_, function) if !PYMODBUS.contains(&function) => Some("it has no such function"),
            (_, 43) if self.function == 43 && self.pdu[1] != 14 => Some("of MEI types it has only 14"),
            (false, 20) if self.pdu[2..].chunks(7).any(|group| group[6] % 2 == 1) => {
                Some("AP 6.14: it takes a group's registers for bytes, and refuses odd ones")
            }
            (true, 17) if self.pdu == [17, 0] => Some("it wants a run indicator even where nothing is counted"),
            (true, 24) if self.rtu && self.function == 24 => Some("AP 6.18: it takes the frame for two bytes shorter"),
            _ => None,
        }
    }

    fn by_sawp(&self) -> Option<Why> {
        match (self.answers, self.function) {
            _ if self.rtu => Some("it has no RTU"),
            (false, 8) if self.pdu.len() != 5 => Some("AP 6.8.1: it wants one word, also of sub-function 0"),
            (true, 15) if self.pdu[3..] > [0, 125][..] => {
                Some("it bounds the coils acknowledged at 125; AP 6.11 at 1968")
            }
            (true, 0x80..) => Some("it flags an exception that it deems unfit for the function, or does not know"),
            _ => None,
        }
    }

    fn by_rmodbus(&self) -> Option<Why> {
        match (self.answers, self.function) {
            (_, function) if !RMODBUS.contains(&(function & 0x7F)) => Some("it has no such function"),
            (true, 0x80..) => Some("it turns every exception into an error of its own"),
            _ if self.frame > 255 => Some("its frames have at most 255 bytes; AP 4.1 allows 260"),
            _ => None,
        }
    }
}

/// Whether the two differ in the status word of FC 11 or 12 alone, and `told` has one of the two it knows.
fn status_aside(told: &[u8], pdu: &[u8], function: u8) -> bool {
    let at = if function == 11 { 1 } else { 2 };
    told.len() == pdu.len() && told[..at] == pdu[..at] && told[at + 2..] == pdu[at + 2..] && told[at] == 0xFF
}

/// Whether the two differ in the last byte of FC 17 alone.
fn run_aside(told: &[u8], pdu: &[u8]) -> bool {
    told.len() == pdu.len() && told[..told.len() - 1] == pdu[..pdu.len() - 1] && told.last() == Some(&0)
}

/// An answer to FC 43/14 with the objects of one id put together, each behind the first of its id.
fn grouped(pdu: &[u8]) -> Vec<u8> {
    let (head, mut rest) = pdu.split_at(7);
    let mut objects: Vec<(u8, Vec<u8>)> = Vec::new();
    while let [id, length, ..] = *rest {
        let (object, left) = rest.split_at(2 + usize::from(length));
        match objects.iter_mut().find(|(one, _)| *one == id) {
            Some((_, all)) => all.extend(object),
            None => objects.push((id, object.to_vec())),
        }
        rest = left;
    }
    [head.to_vec(), objects.into_iter().flat_map(|(_, all)| all).collect()].concat()
}
