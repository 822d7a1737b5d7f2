//! Which clause forbids these bytes?
//!
//! A second reading of the standard, written beside our parser and not from it: what we refuse must stand here, and
//! what stands here must be refused. AP: Modbus Application Protocol 1.1b3. TCP: Messaging on TCP/IP 1.0b. SL: Modbus
//! over serial line 1.02.

use super::{Framing, Item, Side, mutate::crc};

/// What a clause forbids, in a few words that stand in the report's table.
pub(super) type Clause = &'static str;

/// The clause that the message at the start of `item` breaks. `None`: it is legal, or not whole and may become so.
pub(super) fn broken(item: &Item) -> Option<Clause> {
    let (bytes, answers) = (item.bytes.as_slice(), item.side == Side::Response);
    match item.framing {
        Framing::Tcp => header(bytes).or_else(|| {
            let whole = usize::from(word(bytes, 4)?) - 1;
            let here = bytes.get(7..)?;
            let pdu = here.get(..whole.min(here.len()))?;
            let wrong = if answers { None } else { length(pdu, whole) };
            match (wrong, answers) {
                (Some(clause), _) => Some(clause),
                (None, _) if pdu.len() < whole => None,
                (None, false) => request(pdu),
                (None, true) if word(bytes, 0) != Some(1) || item.settled => Some(UNASKED),
                (None, true) => answer(item, bytes[6], pdu),
            }
        }),
        Framing::Rtu if answers => rtu_answer(item, bytes),
        Framing::Rtu => rtu_request(bytes),
    }
}

const UNASKED: Clause = "TCP 4.2: no request in flight has this transaction id";
const COUNT: Clause = "AP 6.11-6.17: the byte count is not what the quantity takes, or not what is there";
const TRAILING: Clause = "AP 6: the PDU is longer or shorter than its function fixes";

fn header(bytes: &[u8]) -> Option<Clause> {
    if word(bytes, 2)? != 0 {
        return Some("TCP 3.1.3: the protocol identifier is 0");
    }
    match word(bytes, 4)? {
        2..=254 => None,
        _ => Some("TCP 3.1.3, AP 4.1: the length counts the unit and a PDU of 1 to 253 bytes"),
    }
}

/// The length of a request whose first bytes are `pdu`.
fn length(pdu: &[u8], whole: usize) -> Option<Clause> {
    let at = |place: usize| pdu.get(place).map(|byte| usize::from(*byte));
    let unless = |fits: bool, clause| if fits { None } else { Some(clause) };
    match at(0)? {
        0 | 128.. => Some("AP 4.1: function codes are 1 to 127; 128 to 255 are for exceptions"),
        1..=6 => unless(whole == 5, TRAILING),
        7 | 11 | 12 | 17 => unless(whole == 1, TRAILING),
        22 => unless(whole == 7, TRAILING),
        24 => unless(whole == 3, TRAILING),
        8 if whole < 3 || whole & 1 == 0 => Some("AP 6.8: a sub-function and whole words of data"),
        8 => match word(pdu, 1)? {
            0 => None,
            _ => unless(whole == 5, "AP 6.8.1: sub-functions other than 0 carry one word"),
        },
        function @ (15 | 16 | 23) => {
            let head = if function == 23 { 10 } else { 6 };
            if whole < head {
                return Some(TRAILING);
            }
            let quantity = usize::from(word(pdu, head - 3)?);
            let takes = if function == 15 { quantity.div_ceil(8) } else { 2 * quantity };
            let told = at(head - 1)?;
            unless(told == takes && whole == head + told, COUNT)
        }
        20 | 21 if whole < 2 => Some(TRAILING),
        20 | 21 => unless(whole == 2 + at(1)?, COUNT),
        43 if whole < 2 => Some(TRAILING),
        43 if at(1)? == 14 => unless(whole == 4, TRAILING),
        _ => None,
    }
}

/// The fields of a whole request whose length is right.
fn request(pdu: &[u8]) -> Option<Clause> {
    let field = |at: usize| word(pdu, at).map_or(0, u32::from);
    let ranges: &[(usize, u32)] = match pdu[0] {
        1 | 2 => &[(1, 2000)],
        3 | 4 => &[(1, 125)],
        15 => &[(1, 1968)],
        16 => &[(1, 123)],
        23 => &[(1, 125), (5, 121)],
        _ => &[],
    };
    for (at, most) in ranges {
        if !(1..=*most).contains(&field(at + 2)) {
            return Some("AP 6.1-6.4, 6.11, 6.12, 6.17: the quantity is outside its range");
        }
        if field(*at) + field(at + 2) > 0x1_0000 {
            return Some("AP 4.4, 6.1-6.17: the range ends beyond address 65535");
        }
    }
    match pdu[0] {
        5 if !matches!(field(3), 0 | 0xFF00) => Some("AP 6.5: a coil is written as 0000 or FF00"),
        8 => diagnostic(field(1), field(3)),
        20 | 21 => files(pdu),
        43 if pdu[1] == 14 && !(1..=4).contains(&pdu[2]) => Some("AP 6.21: the read code is 1 to 4"),
        _ => None,
    }
}

fn diagnostic(sub: u32, data: u32) -> Option<Clause> {
    match (sub, data) {
        (0, _) | (1, 0 | 0xFF00) | (2 | 4 | 10..=18 | 20, 0) => None,
        (3, data) if data % 256 == 0 => None,
        (1..=4 | 10..=18 | 20, _) => Some("AP 6.8.1: the sub-function's data field is fixed"),
        _ => Some("AP 6.8.1: the sub-function is reserved"),
    }
}

fn files(pdu: &[u8]) -> Option<Clause> {
    const GROUP: Clause =
        "AP 6.14, 6.15: groups tile the byte count, each of reference type 6, with a file and a length";
    let writes = pdu[0] == 21;
    let (mut rest, mut answer, mut beyond) = (&pdu[2..], 0, false);
    if rest.is_empty() {
        return Some(GROUP);
    }
    while !rest.is_empty() {
        let (Some(6), Some(file), Some(record), Some(length)) =
            (rest.first(), word(rest, 1), word(rest, 3), word(rest, 5))
        else {
            return Some(GROUP);
        };
        let takes = 7 + if writes { 2 * usize::from(length) } else { 0 };
        if file == 0 || length == 0 || rest.len() < takes {
            return Some(GROUP);
        }
        beyond |= u32::from(record) + u32::from(length) > 10_000;
        answer += 2 + 2 * usize::from(length);
        rest = &rest[takes..];
    }
    match (beyond, !writes && answer > 251) {
        (true, _) => Some("AP 6.14, 6.15: a file ends with record 9999"),
        (_, true) => Some("AP 4.1, 6.14: the answer would not fit a PDU"),
        _ => None,
    }
}

/// A whole answer from `unit` to what was asked.
fn answer(item: &Item, unit: u8, pdu: &[u8]) -> Option<Clause> {
    const SIZE: Clause = "AP 6: the answer's size or count is not what was asked for";
    const ECHO: Clause = "AP 6.5-6.16: a write is acknowledged with what was written";
    let asked = item.asked.as_slice();
    if asked.starts_with(&[8, 0, 4]) {
        return Some("AP 6.8.1: sub-function 4 is never answered");
    }
    if unit != item.asked_unit {
        return Some("TCP 3.1.3: the answer repeats the unit");
    }
    let unless = |fits: bool, clause| if fits { None } else { Some(clause) };
    let function = asked[0];
    if pdu[0] == function | 0x80 {
        return unless(pdu.len() == 2, "AP 7: an exception is one byte");
    }
    if pdu[0] != function {
        return Some("AP 4.1: the answer repeats the function");
    }
    let quantity = usize::from(word(asked, 3).unwrap_or(0));
    // The byte count at 1, and that it fills the PDU.
    let counted = pdu.get(1).map(|count| usize::from(*count)).filter(|count| pdu.len() == 2 + count);
    match function {
        1 | 2 => unless(counted == Some(quantity.div_ceil(8)), SIZE),
        3 | 4 | 23 => unless(counted == Some(2 * quantity), SIZE),
        5 | 6 | 21 | 22 => unless(pdu == asked, ECHO),
        15 | 16 => unless(pdu == &asked[..5], ECHO),
        7 => unless(pdu.len() == 2, SIZE),
        8 if matches!(asked[2], 2 | 11..=18) => unless(
            pdu.len() == 5 && pdu[..3] == asked[..3],
            "AP 6.8: the answer repeats the sub-function, with one word",
        ),
        8 => unless(pdu == asked, ECHO),
        11 => unless(pdu.len() == 5, SIZE),
        12 => unless(counted.is_some_and(|count| (6..=70).contains(&count)), "AP 6.10: a log has 0 to 64 events"),
        17 => unless(counted.is_some(), SIZE),
        20 => unless(
            counted.is_some() && records(asked, &pdu[2..]),
            "AP 6.14: each group is answered with its length, 6, and its records",
        ),
        24 => unless(queue(pdu), "AP 6.18: two counts that agree, at most 31 registers"),
        43 if asked[1] == 14 => {
            unless(identification(asked, pdu), "AP 6.21: the read code that was asked for, and as many objects as told")
        }
        43 => unless(pdu.get(1) == asked.get(1), "AP 6.19: the answer repeats the MEI type"),
        _ => None,
    }
}

fn records(asked: &[u8], mut rest: &[u8]) -> bool {
    for group in asked[2..].chunks(7) {
        let bytes = 2 * usize::from(word(group, 5).unwrap_or(0));
        if rest.len() < bytes + 2 || usize::from(rest[0]) != bytes + 1 || rest[1] != 6 {
            return false;
        }
        rest = &rest[bytes + 2..];
    }
    rest.is_empty()
}

fn queue(pdu: &[u8]) -> bool {
    let (Some(bytes), Some(count)) = (word(pdu, 1), word(pdu, 3)) else { return false };
    count <= 31 && bytes == 2 * count + 2 && pdu.len() == 5 + 2 * usize::from(count)
}

fn identification(asked: &[u8], pdu: &[u8]) -> bool {
    if pdu.len() < 7 || pdu[1..3] != asked[1..3] {
        return false;
    }
    let mut rest = &pdu[7..];
    for _ in 0..pdu[6] {
        let Some(next) = rest.get(1).and_then(|length| rest.get(2 + usize::from(*length)..)) else { return false };
        rest = next;
    }
    rest.is_empty()
}

const UNTOLD: Clause = "SL 2.5.1, AP 6: nothing tells this function's length where no silence ends a message";
const SUM: Clause = "SL 2.5.1.2: the CRC is another";

fn rtu_request(bytes: &[u8]) -> Option<Clause> {
    let pdu = bytes.get(1..)?;
    let at = |place: usize| pdu.get(place).map(|byte| usize::from(*byte));
    let whole = match at(0)? {
        0 | 128.. => return length(pdu, 1),
        1..=6 | 8 => 5,
        7 | 11 | 12 | 17 => 1,
        15 | 16 => 6 + at(5)?,
        20 | 21 => 2 + at(1)?,
        22 => 7,
        23 => 10 + at(9)?,
        24 => 3,
        43 if at(1)? == 14 => 4,
        _ => return Some(UNTOLD),
    };
    if whole > 253 {
        return length(&pdu[..whole.min(pdu.len())], whole).or(Some("AP 4.1: a PDU has at most 253 bytes"));
    }
    length(&pdu[..whole.min(pdu.len())], whole).or_else(|| {
        let frame = bytes.get(..whole + 3)?;
        if summed(frame) { request(&frame[1..=whole]) } else { Some(SUM) }
    })
}

fn rtu_answer(item: &Item, bytes: &[u8]) -> Option<Clause> {
    let asked = item.asked.as_slice();
    if item.settled || asked.starts_with(&[8, 0, 4]) {
        return Some(UNASKED);
    }
    let pdu = bytes.get(1..)?;
    let at = |place: usize| pdu.get(place).map(|byte| usize::from(*byte));
    let function = asked[0];
    let whole = match *pdu.first()? {
        code if code == function | 0x80 => 2,
        code if code != function => return Some("AP 4.1: the answer repeats the function"),
        5 | 6 | 11 | 15 | 16 => 5,
        8 | 21 | 22 => asked.len(),
        7 => 2,
        24 => 3 + usize::from(word(pdu, 1)?),
        43 => {
            let (mut end, count) = (7, at(6)?);
            for _ in 0..count {
                end += 2 + at(end + 1)?;
                if end > 253 {
                    break;
                }
            }
            end
        }
        _ => 2 + at(1)?,
    };
    if whole > 253 {
        return Some("AP 4.1: a PDU has at most 253 bytes");
    }
    let frame = bytes.get(..whole + 3)?;
    if summed(frame) { answer(item, frame[0], &frame[1..=whole]) } else { Some(SUM) }
}

fn summed(frame: &[u8]) -> bool {
    let (body, sum) = frame.split_at(frame.len() - 2);
    crc(body).to_le_bytes() == sum
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
