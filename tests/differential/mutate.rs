//! What does a liar do to a legal message?

use super::{Case, Framing, Side, legal, random::Random};

/// Where the standard's limits lie, and what wraps.
const EDGES: &[u16] = &[
    0, 1, 2, 3, 5, 6, 7, 8, 9, 0x10, 0x1F, 0x20, 0x7A, 0x7B, 0x7C, 0x7D, 0x7E, 0x7F, 0x80, 0x81, 0xFA, 0xFB, 0xFC,
    0xFD, 0xFE, 0xFF, 0x100, 0x101, 0x7AF, 0x7B0, 0x7B1, 0x7CF, 0x7D0, 0x7D1, 0x270F, 0x2710, 0x7FFF, 0x8000, 0x8001,
    0xFF00, 0xFFF0, 0xFFFE, 0xFFFF,
];

/// Case `number` of this seed.
pub(super) fn case(seed: u64, number: u64) -> Case {
    let mut random = Random::new(seed, number);
    let framing = if random.once_in(8) { Framing::Rtu } else { Framing::Tcp };
    let side = if random.once_in(2) { Side::Request } else { Side::Response };
    // RTU tells the length of none of the others: only what it can carry is legal there.
    let asked = loop {
        let pdu = legal::request(&mut random);
        if framing == Framing::Tcp || carried(&pdu) {
            break pdu;
        }
    };
    let unit = random.one(&[0, 1, 1, 2, 17, 247, 248, 255]);
    let legal = match side {
        Side::Request => asked.clone(),
        Side::Response => legal::answer(&mut random, &asked),
    };
    // Our own counter starts at 1 on a new connection to a device.
    let id = if side == Side::Response { 1 } else { random.word() };
    let mutated = !random.once_in(10);
    let mut bytes = framed(framing, id, unit, &legal);
    if mutated {
        for _ in 0..=random.below(2) {
            bytes = mutate(&mut random, framing, &bytes);
        }
        if framing == Framing::Rtu && !random.once_in(6) {
            resum(&mut bytes);
        }
    }
    if random.once_in(5) {
        bytes.extend(more(&mut random, framing, side, &asked, unit));
    }
    Case { number, mutated, side, framing, asked: framed(framing, id, unit, &asked), bytes }
}

/// A further message behind the first, now and then with a lie in it.
fn more(random: &mut Random, framing: Framing, side: Side, asked: &[u8], unit: u8) -> Vec<u8> {
    let pdu = match side {
        Side::Request => legal::request(random),
        Side::Response => legal::answer(random, asked),
    };
    let id = if side == Side::Response { 1 } else { random.word() };
    let bytes = framed(framing, id, unit, &pdu);
    if random.once_in(2) { bytes } else { mutate(random, framing, &bytes) }
}

fn carried(pdu: &[u8]) -> bool {
    match pdu {
        [1..=7 | 11 | 12 | 15..=17 | 20..=24, ..] | [43, 14, ..] => true,
        [8, ..] => pdu.len() == 5,
        _ => false,
    }
}

pub(super) fn framed(framing: Framing, id: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    match framing {
        Framing::Tcp => {
            let length = (pdu.len() + 1) as u16;
            [&id.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
        }
        Framing::Rtu => {
            let mut bytes = [&[unit], pdu, &[0, 0]].concat();
            resum(&mut bytes);
            bytes
        }
    }
}

/// Bit by bit, as Modbus over serial line 6.2.2 tells it.
pub(super) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xA001 } else { sum >> 1 })
    })
}

fn resum(bytes: &mut [u8]) {
    if let Some(at) = bytes.len().checked_sub(2) {
        let sum = crc(&bytes[..at]);
        bytes[at..].copy_from_slice(&sum.to_le_bytes());
    }
}

/// One lie.
fn mutate(random: &mut Random, framing: Framing, old: &[u8]) -> Vec<u8> {
    let (head, tail) = if framing == Framing::Tcp { (7, 0) } else { (1, 2) };
    let mut bytes = old.to_vec();
    if bytes.len() < head + tail + 1 {
        bytes.push(random.byte());
        return bytes;
    }
    let body = bytes.len() - head - tail;
    let at = head + random.below(body);
    match random.below(16) {
        // A field of the PDU: at a place where 16-bit fields stand, or anywhere.
        0..=2 if body >= 3 => {
            let at = head + 1 + 2 * random.below((body - 1) / 2).min(random.below(6));
            put(random, at, &mut bytes);
        }
        3 => put(random, at.min(bytes.len() - 2), &mut bytes),
        4 => bytes[at] = random.byte(),
        5 => bytes[at] ^= 1 << random.below(8),
        6 => {
            let delta = random.one(&[1, 2, 7, 0xFF, 0xFE]);
            bytes[at] = bytes[at].wrapping_add(delta);
        }
        7 => bytes[head] = random.one(&[0, 1, 3, 5, 6, 8, 15, 16, 20, 21, 23, 24, 43, 90, 0x80, 0x83, 0xAB, 0xFF]),
        8 => bytes[head - 1] = random.byte(),
        // The length, alone.
        9 if framing == Framing::Tcp => put(random, 4, &mut bytes),
        10 if framing == Framing::Tcp => bytes[5] = bytes[5].wrapping_add(random.one(&[1, 2, 0xFF, 0xFE])),
        // The header's first four bytes.
        11 if framing == Framing::Tcp => bytes[random.below(4)] = random.one(&[0, 1, 255]),
        // Shorter, with or without a length that owns up to it.
        9 | 12 => {
            let less = 1 + random.below(body.min(8));
            bytes.drain(bytes.len() - tail - less..bytes.len() - tail);
            if random.once_in(2) {
                own_up(framing, &mut bytes);
            }
        }
        // Longer.
        10 | 13 => {
            let more = 1 + random.below(8);
            let place = bytes.len() - tail;
            bytes.splice(place..place, random.bytes(more));
            if !random.once_in(3) {
                own_up(framing, &mut bytes);
            }
        }
        // The head of one, the tail of another, within one length (MB-06).
        14 => {
            let other = legal::request(random);
            let cut = head + random.below(body + 1);
            bytes.truncate(cut);
            bytes.extend(&other[random.below(other.len())..]);
            bytes.extend(vec![0; tail]);
            own_up(framing, &mut bytes);
        }
        // A byte count and its bytes, grown together.
        _ => {
            let more = 1 + random.below(4);
            bytes[at] = bytes[at].wrapping_add(more as u8);
            let place = bytes.len() - tail;
            bytes.splice(place..place, random.bytes(more));
            own_up(framing, &mut bytes);
        }
    }
    bytes
}

fn put(random: &mut Random, at: usize, bytes: &mut [u8]) {
    let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let edge = random.one(EDGES);
    let new = random.one(&[edge, edge, edge, old.wrapping_add(1), old.wrapping_sub(1), old.swap_bytes()]);
    bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
}

/// The header's length tells what is there.
fn own_up(framing: Framing, bytes: &mut [u8]) {
    if framing == Framing::Tcp && bytes.len() >= 6 {
        let length = (bytes.len() - 6) as u16;
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
    }
}
