//! Three slaves behind one address, each with a memory, one of them asleep at times, all with a temper; and the oracle of what may
//! reach them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    wire::Adu,
    world::{Rng, Stage, Tally},
};
use crate::gate::Wire;

/// The slave that sleeps.
const SLEEPER: u8 = 3;
const SLAVES: [u8; 3] = [1, 2, SLEEPER];

/// Registers 0..200 of each slave; every ADU that arrives is held against the policy of that moment.
pub(crate) struct Device {
    wire: Wire,
    pub(crate) memory: BTreeMap<(u8, u16), u16>,
    /// The sleeper says and does nothing.
    pub(crate) asleep: bool,
    seen: BTreeSet<(u8, u16, u16)>,
    buffer: Vec<u8>,
    /// Answers on their way: due time in milliseconds, bytes.
    pub(crate) answers: VecDeque<(u64, Vec<u8>)>,
    limited: Vec<u64>,
}

impl Device {
    pub(crate) fn new(wire: Wire) -> Self {
        let memory = SLAVES.iter().flat_map(|unit| (0..200).map(|address| ((*unit, address), 0))).collect();
        Self {
            wire,
            memory,
            asleep: false,
            seen: BTreeSet::new(),
            buffer: Vec::new(),
            answers: VecDeque::new(),
            limited: Vec::new(),
        }
    }

    /// A new connection: what was half sent or not yet answered on the old one is gone.
    pub(crate) fn reconnect(&mut self) {
        self.buffer.clear();
        self.answers.clear();
    }

    pub(crate) fn take(&mut self, bytes: &[u8], now: u64, stage: Stage, rng: &mut Rng, tally: &mut Tally) {
        self.buffer.extend_from_slice(bytes);
        while let Some(asked) = Adu::take(self.wire, false, &mut self.buffer) {
            tally.rtu += u64::from(self.wire == Wire::Rtu);
            let answer = self.obey(&asked, now, stage, tally);
            if asked.unit == 0 {
                tally.broadcasts += 1;
            } else if self.is_awake(asked.unit) {
                self.reply(Adu { pdu: answer, ..asked.clone() }, &asked, now, rng, tally);
            } else {
                tally.unheard += 1;
            }
        }
    }

    fn is_awake(&self, unit: u8) -> bool {
        unit != SLEEPER || !self.asleep
    }

    fn obey(&mut self, asked: &Adu, now: u64, stage: Stage, tally: &mut Tally) -> Vec<u8> {
        let (unit, pdu) = (asked.unit, &asked.pdu);
        assert!(unit == 0 || SLAVES.contains(&unit), "unit {unit} may not be reached");
        let word = |at: usize| u16::from_be_bytes([pdu[at], pdu[at + 1]]);
        match pdu[0] {
            3 => {
                let (first, count) = (word(1), word(3));
                assert_ne!(unit, 0, "nobody can answer a read of all");
                assert!(u32::from(first) + u32::from(count) <= 200, "reads stay within what may be read");
                tally.reads += 1;
                let mut answer = vec![3, u8::try_from(2 * count).expect("a legal quantity")];
                for address in first..first + count {
                    answer.extend_from_slice(&self.memory[&(unit, address)].to_be_bytes());
                }
                answer
            }
            6 => {
                self.write(unit, (word(1), word(3)), now, stage, tally);
                pdu.clone()
            }
            16 => {
                for (offset, pair) in pdu[6..].chunks(2).enumerate() {
                    let address = word(1) + u16::try_from(offset).expect("a legal quantity");
                    self.write(unit, (address, u16::from_be_bytes([pair[0], pair[1]])), now, stage, tally);
                }
                pdu[..5].to_vec()
            }
            other => panic!("function {other} reached the device"),
        }
    }

    /// The oracle: what the rules of `world::RULES` say, in Rust.
    fn write(&mut self, unit: u8, (address, value): (u16, u16), now: u64, stage: Stage, tally: &mut Tally) {
        match address {
            0..=49 => assert!(self.seen.insert((unit, address, value)), "write {address} = {value} arrived twice"),
            50..=99 => {
                assert_eq!(stage, Stage::Wide, "register {address} was written under the narrow policy");
                assert!(self.seen.insert((unit, address, value)), "write {address} = {value} arrived twice");
            }
            100..=109 if unit == 0 => assert_eq!(value, 0, "nobody knows what all of them hold"),
            100..=109 => {
                let old = self.memory[&(unit, address)];
                let step = i32::from(value) - i32::from(old);
                assert!(value == 0 || step <= 10, "step of {step} on {address} of unit {unit}: {old} -> {value}");
                tally.steps += 1;
            }
            110 => {
                self.limited.push(now);
                for (index, since) in self.limited.iter().enumerate() {
                    let within = self.limited.len() - index;
                    let most = 5 + (now - since) * 5 / 60_000 + 1;
                    assert!(within as u64 <= most, "{within} writes to 110 in {} ms", now - since);
                }
            }
            120 => {
                assert_eq!(value, 0, "only 0 may be written to 120");
                tally.always += 1;
            }
            other => panic!("write to {other} reached the device"),
        }
        tally.writes += 1;
        let all = SLAVES.into_iter().filter(|slave| (unit == 0 || unit == *slave) && self.is_awake(*slave));
        for slave in all.collect::<Vec<_>>() {
            self.memory.insert((slave, address), value);
        }
    }

    /// Mostly the answer; else one of the lies and silences of devices.
    fn reply(&mut self, answer: Adu, asked: &Adu, now: u64, rng: &mut Rng, tally: &mut Tally) {
        let mut bytes = answer.bytes(self.wire);
        let roll = rng.below(60);
        tally.false_answers += u64::from(matches!(roll, 1 | 2 | 5..=7));
        match roll {
            0 => tally.lost += 1,
            // Another id; in RTU, where there is none, another CRC.
            1 => {
                let at = if self.wire == Wire::Tcp { 1 } else { bytes.len() - 1 };
                bytes[at] ^= 0x55;
                self.answers.push_back((now + 5, bytes));
            }
            // Twice. In RTU the second is the next request's answer to anybody who looks: no gate can tell.
            2 => {
                self.answers.push_back((now + 5, bytes.clone()));
                if self.wire == Wire::Tcp {
                    self.answers.push_back((now + 6, bytes));
                }
            }
            3 => {
                // A refusing device has not written: the oracle's memory cannot know, so only reads are refused.
                let refused = Adu { pdu: vec![asked.pdu[0] | 0x80, 4], ..answer };
                self.answers.push_back((now + 5, if asked.pdu[0] == 3 { refused.bytes(self.wire) } else { bytes }));
            }
            4 => {
                tally.late += 1;
                self.answers.push_back((now + 15_000, bytes));
            }
            5 => self.answers.push_back((now + 5, Adu { unit: answer.unit ^ 3, ..answer }.bytes(self.wire))),
            6 => {
                let more = Adu { pdu: [&[3, 4][..], &[0xde; 4]].concat(), ..answer };
                let wrong = asked.pdu[0] != 3 || asked.pdu[4] != 2;
                self.answers.push_back((now + 5, if wrong { more.bytes(self.wire) } else { bytes }));
            }
            7 => self.answers.push_back((now + 5, (0..12).map(|_| rng.below(256) as u8).collect())),
            _ => self.answers.push_back((now + 1 + rng.below(40), bytes)),
        }
        if rng.below(4) == 0 {
            // Reordered arrivals: legal where several requests are outstanding.
            self.answers.make_contiguous().sort_by_key(|(due, _)| *due);
        }
    }
}
