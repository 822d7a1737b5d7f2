//! Which messages are legal? One of every function, written from the standard and not from our parser.

use super::random::Random;

/// Functions that nobody but the standard fixes: reserved, unassigned, user-defined.
const OPAQUE: &[u8] =
    &[9, 10, 13, 14, 18, 19, 25, 40, 41, 42, 44, 64, 65, 72, 73, 90, 91, 99, 100, 110, 111, 125, 126, 127];
/// Every function that the standard describes.
pub(super) const DESCRIBED: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43];
/// Sub-functions of FC 8.
const SUBS: &[u16] = &[0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20];

/// A legal request's PDU.
pub(super) fn request(random: &mut Random) -> Vec<u8> {
    let function = if random.once_in(12) { random.one(OPAQUE) } else { random.one(DESCRIBED) };
    let mut pdu = vec![function];
    match function {
        1 | 2 => {
            range(random, 2000, &mut pdu);
        }
        3 | 4 => {
            range(random, 125, &mut pdu);
        }
        5 => words(&[random.word(), random.one(&[0, 0xFF00])], &mut pdu),
        6 => words(&[random.word(), random.word()], &mut pdu),
        7 | 11 | 12 | 17 => {}
        8 => diagnostic(random, &mut pdu),
        15 => {
            let count = range(random, 1968, &mut pdu);
            counted(&packed(random, count), &mut pdu);
        }
        16 => {
            let count = range(random, 123, &mut pdu);
            counted(&random.bytes(2 * usize::from(count)), &mut pdu);
        }
        20 => counted(&read_groups(random), &mut pdu),
        21 => counted(&write_groups(random), &mut pdu),
        22 => words(&[random.word(), mask(random), mask(random)], &mut pdu),
        23 => {
            range(random, 125, &mut pdu);
            let count = range(random, 121, &mut pdu);
            counted(&random.bytes(2 * usize::from(count)), &mut pdu);
        }
        24 => words(&[random.word()], &mut pdu),
        43 if random.once_in(4) => {
            pdu.push(random.one(&[13, 13, 0, 1, 15, 255]));
            let length = random.below(8);
            pdu.extend(random.bytes(length));
        }
        43 => pdu.extend([14, 1 + random.below(4) as u8, random.byte()]),
        _ => {
            let length = if random.once_in(8) { random.below(253) } else { random.below(12) };
            pdu.extend(random.bytes(length));
        }
    }
    pdu
}

/// A legal answer's PDU to a legal request.
pub(super) fn answer(random: &mut Random, asked: &[u8]) -> Vec<u8> {
    let function = asked[0];
    if random.once_in(6) {
        return vec![function | 0x80, random.one(&[1, 2, 3, 4, 5, 6, 7, 8, 10, 11])];
    }
    let quantity = |at: usize| usize::from(u16::from_be_bytes([asked[at], asked[at + 1]]));
    let mut pdu = vec![function];
    match function {
        1 | 2 => counted(&packed(random, quantity(3) as u16), &mut pdu),
        3 | 4 | 23 => counted(&random.bytes(2 * quantity(3)), &mut pdu),
        7 => pdu.push(random.byte()),
        8 if matches!(quantity(1), 2 | 11..=18) => {
            pdu.extend(&asked[1..3]);
            words(&[random.word()], &mut pdu);
        }
        11 => words(&[random.one(&[0, 0xFFFF]), random.word()], &mut pdu),
        12 => {
            let mut log = Vec::new();
            words(&[random.one(&[0, 0xFFFF]), random.word(), random.word()], &mut log);
            let events = usize::from(random.count(65)) - 1;
            log.extend(random.bytes(events));
            counted(&log, &mut pdu);
        }
        15 | 16 => pdu.extend(&asked[1..5]),
        17 => {
            let length = usize::from(random.count(250));
            let mut id = random.bytes(length);
            id.push(random.one(&[0, 0xFF]));
            counted(&id, &mut pdu);
        }
        20 => {
            let groups = asked[2..].chunks(7).map(|group| usize::from(u16::from_be_bytes([group[5], group[6]])));
            let mut all = Vec::new();
            for length in groups {
                let data = [vec![6], random.bytes(2 * length)].concat();
                counted(&data, &mut all);
            }
            counted(&all, &mut pdu);
        }
        24 => {
            let count = usize::from(random.count(32)) - 1;
            words(&[2 + 2 * count as u16, count as u16], &mut pdu);
            pdu.extend(random.bytes(2 * count));
        }
        43 if asked[1] == 14 => identification(random, asked[2], &mut pdu),
        43 => {
            pdu.push(asked[1]);
            let length = random.below(8);
            pdu.extend(random.bytes(length));
        }
        5 | 6 | 8 | 21 | 22 => pdu.extend(&asked[1..]),
        _ => {
            let length = random.below(12);
            pdu.extend(random.bytes(length));
        }
    }
    pdu
}

/// A start and a quantity within the address space; how many.
fn range(random: &mut Random, most: u16, pdu: &mut Vec<u8>) -> u16 {
    let count = random.count(most);
    let room = 0x1_0000 - usize::from(count);
    let first = match random.below(6) {
        0 => room,
        1 => 0,
        _ => random.below(room + 1),
    };
    words(&[first as u16, count], pdu);
    count
}

fn diagnostic(random: &mut Random, pdu: &mut Vec<u8>) {
    let sub = random.one(SUBS);
    words(&[sub], pdu);
    match sub {
        0 => {
            let count = if random.once_in(4) { random.below(125) } else { 1 };
            pdu.extend(random.bytes(2 * count));
        }
        1 => words(&[random.one(&[0, 0xFF00])], pdu),
        3 => pdu.extend([random.byte(), 0]),
        _ => pdu.extend([0, 0]),
    }
}

/// Groups whose answer fits a PDU.
fn read_groups(random: &mut Random) -> Vec<u8> {
    let (mut groups, mut room) = (Vec::new(), 251);
    for _ in 0..random.count(35) {
        if room < 4 {
            break;
        }
        let length = usize::from(random.count(9)).min((room - 2) / 2);
        room -= 2 + 2 * length;
        group(random, length, &mut groups);
    }
    groups
}

fn write_groups(random: &mut Random) -> Vec<u8> {
    let mut groups = Vec::new();
    for _ in 0..random.count(27) {
        let length = usize::from(random.count(20));
        if groups.len() + 7 + 2 * length > 251 {
            break;
        }
        group(random, length, &mut groups);
        groups.extend(random.bytes(2 * length));
    }
    if groups.is_empty() { write_groups(random) } else { groups }
}

fn group(random: &mut Random, length: usize, groups: &mut Vec<u8>) {
    let record = if random.once_in(4) { 10_000 - length } else { random.below(10_001 - length) };
    groups.push(6);
    words(&[random.word().max(1), record as u16, length as u16], groups);
}

fn mask(random: &mut Random) -> u16 {
    let any = random.word();
    random.one(&[0, 0xFFFF, any, !(1 << (any & 15)), 1 << (any & 15)])
}

fn identification(random: &mut Random, code: u8, pdu: &mut Vec<u8>) {
    let mut objects = Vec::new();
    let mut count = 0;
    for _ in 0..random.count(8) {
        let length = usize::from(random.count(40)) - 1;
        if objects.len() + 2 + length > 246 {
            break;
        }
        objects.push(random.byte());
        let data = random.bytes(length);
        counted(&data, &mut objects);
        count += 1;
    }
    pdu.extend([14, code, random.one(&[1, 2, 3, 0x81, 0x82, 0x83]), random.one(&[0, 0xFF]), random.byte(), count]);
    pdu.extend(objects);
}

/// Packed bits, pad bits zero.
fn packed(random: &mut Random, count: u16) -> Vec<u8> {
    let mut bits = random.bytes(usize::from(count).div_ceil(8));
    if let (Some(last), used @ 1..) = (bits.last_mut(), count % 8) {
        *last &= (1 << used) - 1;
    }
    bits
}

fn counted(bytes: &[u8], into: &mut Vec<u8>) {
    into.push(u8::try_from(bytes.len()).expect("a legal PDU's byte count fits"));
    into.extend(bytes);
}

fn words(values: &[u16], into: &mut Vec<u8>) {
    values.iter().for_each(|value| into.extend(value.to_be_bytes()));
}
