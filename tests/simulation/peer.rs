//! A peer that sends what it likes, and the oracle of what comes back.

use std::collections::VecDeque;

use sluicegate::engine::SessionKey;

use super::{
    wire::{Adu, Ways},
    world::{Rng, Tally},
};
use crate::gate::Wire;

/// What a request may be answered with.
#[derive(Debug)]
pub(crate) struct Expected {
    id: u16,
    unit: u8,
    function: u8,
    /// Nobody answers a broadcast that was written, nor a request whose id was in flight.
    maybe: bool,
}

/// One peer: an operator (0..3) or a viewer that may only read.
pub(crate) struct Peer {
    pub(crate) session: Option<SessionKey>,
    pub(crate) operator: bool,
    /// It has hung up, and its session is not over yet.
    pub(crate) leaving: bool,
    /// Bytes of a frame whose rest was not sent yet.
    pub(crate) unsent: Vec<u8>,
    expected: VecDeque<Expected>,
    received: Vec<u8>,
    id: u16,
    ways: Ways,
}

impl Peer {
    pub(crate) fn new(operator: bool, ways: Ways) -> Self {
        Self {
            session: None,
            operator,
            leaving: false,
            unsent: Vec::new(),
            expected: VecDeque::new(),
            received: Vec::new(),
            id: 0,
            ways,
        }
    }

    pub(crate) fn fresh(&mut self, session: SessionKey) {
        *self = Self { session: Some(session), id: self.id, ..Self::new(self.operator, self.ways) };
    }

    pub(crate) fn gone(&mut self) {
        *self = Self { id: self.id, ..Self::new(self.operator, self.ways) };
    }

    /// How many answers it must still get.
    pub(crate) fn owed(&self) -> usize {
        self.expected.iter().filter(|one| !one.maybe).count()
    }

    /// A frame: mostly legal, sometimes refused by the policy.
    pub(crate) fn frame(&mut self, unique: &mut u16, rng: &mut Rng, tally: &mut Tally) -> Vec<u8> {
        let again = self.ways.front == Wire::Tcp && rng.below(12) == 0 && self.id > 0;
        tally.duplicates += u64::from(again);
        self.id = if again { self.id } else { self.id.wrapping_add(1) };
        let unit = match rng.below(40) {
            0 => 9,
            1..=3 => 255,
            4..=6 => 0,
            7..=10 => 3,
            11..=19 => 2,
            _ => 1,
        };
        let pdu = Self::pdu(unique, rng);
        let maybe = unit == 0 || (again && !self.ways.queue);
        self.expected.push_back(Expected { id: self.id, unit, function: pdu[0], maybe });
        Adu { id: self.id, unit, pdu }.bytes(self.ways.front)
    }

    fn pdu(unique: &mut u16, rng: &mut Rng) -> Vec<u8> {
        *unique += 1;
        let mut below = |n: u64| u16::try_from(rng.below(n)).expect("small");
        let words = |function: u8, words: [u16; 2]| {
            [&[function][..], &words[0].to_be_bytes(), &words[1].to_be_bytes()].concat()
        };
        match below(10) {
            0..=2 => words(3, [below(260), 1 + below(20)]),
            4 => words(6, [below(120), *unique]),
            // Few registers, many hands: steps must be judged against what others just wrote.
            5 | 6 => words(6, [100 + below(3), below(24)]),
            7 => words(6, [110, *unique]),
            8 => words(6, [120, 0]),
            _ => {
                let (a, b) = (*unique, *unique + 1);
                *unique += 1;
                [words(16, [below(110), 2]), vec![4], a.to_be_bytes().to_vec(), b.to_be_bytes().to_vec()].concat()
            }
        }
    }

    /// Every answer belongs to the oldest request that is owed one.
    pub(crate) fn receive(&mut self, bytes: &[u8], tally: &mut Tally) {
        self.received.extend_from_slice(bytes);
        while let Some(answer) = Adu::take(self.ways.front, true, &mut self.received) {
            let is = |one: &Expected| {
                (self.ways.front == Wire::Rtu || one.id == answer.id)
                    && one.unit == answer.unit
                    && one.function == answer.pdu[0] & 0x7f
            };
            let at = self.expected.iter().position(is);
            let at = at.unwrap_or_else(|| panic!("an answer without a request: {answer:02x?}"));
            let skipped: Vec<_> = self.expected.drain(..=at).take(at).collect();
            assert!(skipped.iter().all(|one| one.maybe), "answers leave in the order of the requests: {skipped:?}");
            match (answer.pdu[0] >= 0x80, answer.pdu.get(1)) {
                (true, Some(0x0B)) => tally.no_response += 1,
                (true, _) => tally.refused += 1,
                (false, _) => tally.answered += 1,
            }
        }
    }
}
