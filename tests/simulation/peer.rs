//! A peer that sends what it likes, and the oracle of what comes back.

use std::collections::VecDeque;

use sluicegate::engine::SessionKey;

use super::world::{Rng, Tally};

/// What a request may be answered with.
pub(crate) struct Expected {
    tid: u16,
    function: u8,
}

/// One peer: an operator (0..3) or a viewer that may only read.
pub(crate) struct Peer {
    pub(crate) session: Option<SessionKey>,
    pub(crate) operator: bool,
    /// It has hung up, and its session is not over yet.
    pub(crate) leaving: bool,
    /// Bytes of a frame whose rest was not sent yet.
    pub(crate) unsent: Vec<u8>,
    pub(crate) expected: VecDeque<Expected>,
    received: Vec<u8>,
    tid: u16,
}

impl Peer {
    pub(crate) fn new(operator: bool) -> Self {
        Self {
            session: None,
            operator,
            leaving: false,
            unsent: Vec::new(),
            expected: VecDeque::new(),
            received: Vec::new(),
            tid: 0,
        }
    }

    pub(crate) fn fresh(&mut self, session: SessionKey) {
        *self = Self { session: Some(session), tid: self.tid, ..Self::new(self.operator) };
    }

    pub(crate) fn gone(&mut self) {
        *self = Self { tid: self.tid, ..Self::new(self.operator) };
    }

    /// A frame: mostly legal, sometimes refused by the policy.
    pub(crate) fn frame(&mut self, unique: &mut u16, rng: &mut Rng) -> Vec<u8> {
        self.tid = self.tid.wrapping_add(1);
        *unique += 1;
        let first = u16::try_from(rng.below(260)).expect("small");
        let pdu = match rng.below(10) {
            0..=2 => {
                [&[3][..], &first.to_be_bytes(), &(1 + u16::try_from(rng.below(20)).expect("small")).to_be_bytes()]
                    .concat()
            }
            4 => {
                [&[6][..], &u16::try_from(rng.below(120)).expect("small").to_be_bytes(), &unique.to_be_bytes()].concat()
            }
            // Few registers, many hands: steps must be judged against what others just wrote.
            5 | 6 => {
                let step = u16::try_from(rng.below(24)).expect("small");
                [&[6][..], &(100 + u16::try_from(rng.below(3)).expect("small")).to_be_bytes(), &step.to_be_bytes()]
                    .concat()
            }
            7 => [&[6, 0, 110][..], &unique.to_be_bytes()].concat(),
            8 => vec![6, 0, 120, 0, 0],
            _ => {
                let (a, b) = (*unique, *unique + 1);
                *unique += 1;
                let head =
                    [&[16][..], &u16::try_from(rng.below(110)).expect("small").to_be_bytes(), &[0, 2, 4]].concat();
                [head, a.to_be_bytes().to_vec(), b.to_be_bytes().to_vec()].concat()
            }
        };
        let unit = if rng.below(30) == 0 { 2 } else { 1 };
        let length = u16::try_from(pdu.len() + 1).expect("short");
        self.expected.push_back(Expected { tid: self.tid, function: pdu[0] });
        [&self.tid.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], &pdu].concat()
    }

    /// Every answer belongs to the oldest unanswered request.
    pub(crate) fn receive(&mut self, bytes: &[u8], tally: &mut Tally) {
        self.received.extend_from_slice(bytes);
        while self.received.len() >= 8 {
            let length = usize::from(u16::from_be_bytes([self.received[4], self.received[5]])) + 6;
            if self.received.len() < length {
                return;
            }
            let adu: Vec<u8> = self.received.drain(..length).collect();
            let expected = self.expected.pop_front().expect("an answer without a request");
            assert_eq!(
                u16::from_be_bytes([adu[0], adu[1]]),
                expected.tid,
                "answers leave in the order of the requests"
            );
            assert_eq!(adu[7] & 0x7f, expected.function, "an answer has its request's function");
            if adu[7] & 0x80 == 0 {
                tally.answered += 1;
            } else {
                tally.refused += 1;
            }
        }
    }
}
