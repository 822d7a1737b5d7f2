//! A device with a memory and a temper, and the oracle of what may reach it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::world::{Rng, Stage, Tally};

/// Registers 0..200; every ADU that arrives is held against the policy of that moment.
pub(crate) struct Device {
    pub(crate) memory: BTreeMap<u16, u16>,
    seen: BTreeSet<(u16, u16)>,
    buffer: Vec<u8>,
    /// Answers on their way: due time in milliseconds, bytes.
    pub(crate) answers: VecDeque<(u64, Vec<u8>)>,
    limited: Vec<u64>,
}

impl Device {
    pub(crate) fn new() -> Self {
        let memory = (0..200).map(|address| (address, 0)).collect();
        Self { memory, seen: BTreeSet::new(), buffer: Vec::new(), answers: VecDeque::new(), limited: Vec::new() }
    }

    /// A new connection: what was half sent or not yet answered on the old one is gone.
    pub(crate) fn reconnect(&mut self) {
        self.buffer.clear();
        self.answers.clear();
    }

    pub(crate) fn take(&mut self, bytes: &[u8], now: u64, stage: Stage, rng: &mut Rng, tally: &mut Tally) {
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= 8 {
            let length = usize::from(u16::from_be_bytes([self.buffer[4], self.buffer[5]])) + 6;
            assert_eq!(self.buffer[2..4], [0, 0], "what leaves is Modbus");
            if self.buffer.len() < length {
                return;
            }
            let adu: Vec<u8> = self.buffer.drain(..length).collect();
            let answer = self.obey(&adu, now, stage, tally);
            self.reply(answer, &adu, now, rng, tally);
        }
    }

    fn obey(&mut self, adu: &[u8], now: u64, stage: Stage, tally: &mut Tally) -> Vec<u8> {
        assert_eq!(adu[6], 1, "only unit 1 may be reached");
        let word = |at: usize| u16::from_be_bytes([adu[at], adu[at + 1]]);
        match adu[7] {
            3 => {
                let (first, count) = (word(8), word(10));
                assert!(u32::from(first) + u32::from(count) <= 200, "reads stay within what may be read");
                tally.reads += 1;
                let mut answer = vec![adu[0], adu[1], 0, 0];
                answer.extend_from_slice(&(3 + 2 * count).to_be_bytes());
                answer.extend_from_slice(&[1, 3, u8::try_from(2 * count).expect("a legal quantity")]);
                for address in first..first + count {
                    answer.extend_from_slice(&self.memory[&address].to_be_bytes());
                }
                answer
            }
            6 => {
                self.write(word(8), word(10), now, stage, tally);
                adu.to_vec()
            }
            16 => {
                for (offset, pair) in adu[13..].chunks(2).enumerate() {
                    let address = word(8) + u16::try_from(offset).expect("a legal quantity");
                    self.write(address, u16::from_be_bytes([pair[0], pair[1]]), now, stage, tally);
                }
                let mut answer = adu[..12].to_vec();
                answer[5] = 6;
                answer
            }
            other => panic!("function {other} reached the device"),
        }
    }

    /// The oracle: what the rules of `world::RULES` say, in Rust.
    fn write(&mut self, address: u16, value: u16, now: u64, stage: Stage, tally: &mut Tally) {
        let old = self.memory[&address];
        match address {
            0..=49 => assert!(self.seen.insert((address, value)), "write {address} = {value} arrived twice"),
            50..=99 => {
                assert_eq!(stage, Stage::Wide, "register {address} was written under the narrow policy");
                assert!(self.seen.insert((address, value)), "write {address} = {value} arrived twice");
            }
            100..=109 => {
                let step = i32::from(value) - i32::from(old);
                assert!(value == 0 || step <= 10, "step of {step} on {address}: {old} -> {value}");
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
        self.memory.insert(address, value);
    }

    fn reply(&mut self, mut answer: Vec<u8>, request: &[u8], now: u64, rng: &mut Rng, tally: &mut Tally) {
        match rng.below(40) {
            0 => tally.lost += 1,
            1 => {
                answer[1] ^= 0x55;
                tally.false_answers += 1;
                self.answers.push_back((now + 5, answer));
            }
            2 => {
                self.answers.push_back((now + 5, answer.clone()));
                self.answers.push_back((now + 6, answer));
                tally.false_answers += 1;
            }
            3 => {
                let exception = vec![request[0], request[1], 0, 0, 0, 3, 1, request[7] | 0x80, 4];
                // A refusing device has not written: the oracle's memory cannot know, so only reads are refused.
                self.answers.push_back((now + 5, if request[7] == 3 { exception } else { answer }));
            }
            4 => {
                tally.late += 1;
                self.answers.push_back((now + 15_000, answer));
            }
            _ => self.answers.push_back((now + 1 + rng.below(40), answer)),
        }
        if rng.below(4) == 0 {
            // Reordered arrivals: legal where several requests are outstanding.
            self.answers.make_contiguous().sort_by_key(|(due, _)| *due);
        }
    }
}
