//! What is one conversation to the gate that it passes?

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use sluicegate_proto::{
    half::{Asked, Body, Input, Step, Ticket},
    out::Out,
    protocol::{Message, PeerHalf},
    time::{Mono, Now},
    vocab::{Reason, VerdictWord},
};

use super::gate::{Gate, Ruling};

/// Requests whose verdict is kept until they are answered, of one conversation; the oldest goes first.
const KEPT_MAX: usize = 1024;

/// One conversation before the gate.
#[derive(Debug)]
pub(super) struct Session {
    half: PeerHalf,
    identity: Option<u16>,
    /// When the gate gives up on each request that it let pass.
    waiting: VecDeque<(Mono, Ticket)>,
    verdicts: BTreeMap<Ticket, Passed>,
}

/// What became of a request.
#[derive(Clone, Debug)]
struct Passed {
    ruling: Ruling,
    deeds: Vec<Ruling>,
    /// As the conduit names it.
    unit: u32,
}

impl Session {
    pub(super) fn new(client: IpAddr, gate: &Gate<'_>) -> Self {
        Self { half: gate.half(), identity: gate.identity(client), waiting: VecDeque::new(), verdicts: BTreeMap::new() }
    }

    /// Whose it is.
    pub(super) fn name<'s>(&self, gate: &Gate<'s>) -> Option<&'s str> {
        self.identity.map(|identity| gate.name(identity))
    }

    /// The verdict on what the device says unasked.
    pub(super) fn reports(&self, message: &Message<'_>, gate: &mut Gate<'_>) -> (Ruling, Vec<Ruling>) {
        gate.hear(self.identity, message)
    }

    /// The verdict on one whole message. `show` gets the message as the conduit understands it.
    pub(super) fn asks(
        &mut self,
        frame: &[u8],
        ticket: Ticket,
        gate: &mut Gate<'_>,
        now: Now,
        show: &mut dyn FnMut(&Message<'_>),
    ) -> (Ruling, Vec<Ruling>) {
        let mut out = Out::new(NOWHERE);
        self.expire(now, &mut out);
        let mut step = self.half.next(Input::Stream(frame), now, &mut out);
        if let Step::Wait = step {
            // Its turn comes when the other with its id is answered.
            self.forget_all(&mut out);
            step = self.half.next(Input::Stream(frame), now, &mut out);
        }
        let asked = match step {
            Step::Asked(asked) => asked,
            Step::End { reason, .. } => return (Ruling::denied(reason.unwrap_or(Reason::Malformed)), Vec::new()),
            Step::Need { .. } | Step::Wait | Step::Own { .. } | Step::Signal { .. } => {
                return (Ruling::denied(Reason::Malformed), Vec::new());
            }
        };
        match asked.body {
            Body::Illegal { reason, .. } => (Ruling::denied(reason), Vec::new()),
            Body::Message(message) => {
                show(&message);
                let taken = self.accept(&asked, ticket, gate, now);
                let (mut ruling, mut deeds) = gate.judge(self.identity, &message, taken.is_ok());
                match taken {
                    Ok(()) if ruling.verdict == Some(VerdictWord::Denied) => self.free(ticket),
                    // The policy's word comes first.
                    Err(reason) if ruling.verdict != Some(VerdictWord::Denied) => {
                        (ruling, deeds) = (Ruling::denied(reason), Vec::new());
                    }
                    Ok(()) | Err(_) => {}
                }
                self.keep(ticket, Passed { ruling: ruling.clone(), deeds: deeds.clone(), unit: message.unit() });
                (ruling, deeds)
            }
        }
    }

    /// An answer to a request: its verdict is the request's.
    pub(super) fn told(
        &mut self,
        ticket: Ticket,
        answer: &sluicegate_proto::protocol::Answer<'_>,
        gate: &mut Gate<'_>,
    ) -> (Ruling, Vec<Ruling>) {
        self.free(ticket);
        let Some(passed) = self.verdicts.remove(&ticket) else { return (Ruling::default(), Vec::new()) };
        gate.learn(answer, passed.unit);
        (passed.ruling, passed.deeds)
    }

    /// Nothing waits for this request any more.
    fn free(&mut self, ticket: Ticket) {
        let _ = self.half.unanswered(ticket, &mut Out::new(NOWHERE));
        self.waiting.retain(|(_, one)| *one != ticket);
    }

    /// Takes a slot where there is one. Without, the gate would read on when an answer has left.
    fn accept(&mut self, asked: &Asked<'_>, ticket: Ticket, gate: &Gate<'_>, now: Now) -> Result<(), Reason> {
        if !self.half.has_room() {
            return Ok(());
        }
        self.half.accept(asked, ticket)?;
        self.waiting.push_back((now.mono.after(gate.patience()), ticket));
        Ok(())
    }

    fn expire(&mut self, now: Now, out: &mut Out) {
        while let Some((due, ticket)) = self.waiting.front().copied()
            && due <= now.mono
        {
            self.waiting.pop_front();
            let _ = self.half.unanswered(ticket, out);
        }
    }

    fn forget_all(&mut self, out: &mut Out) {
        for (_, ticket) in std::mem::take(&mut self.waiting) {
            let _ = self.half.unanswered(ticket, out);
        }
    }

    fn keep(&mut self, ticket: Ticket, passed: Passed) {
        if self.verdicts.len() >= KEPT_MAX {
            self.verdicts.pop_first();
        }
        self.verdicts.insert(ticket, passed);
    }
}

/// What the half would answer goes nowhere; this much of it at a time.
const NOWHERE: usize = 64 * 1024;
