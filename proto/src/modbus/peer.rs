//! How do we speak the server's role to a peer?
//!
//! ```text
//! next -> Asked -> accept(ticket)  [waiting]  -> deliver | refuse_ticket  [ready]  -> leaves when it is the oldest
//!               -> refuse                                                 [ready]  -> leaves when it is the oldest
//! ```
//! Answers leave in the order of the requests, whatever the order in which they become known.

use alloc::{boxed::Box, collections::VecDeque};
use core::time::Duration;

use super::{
    frame::{self, Adu, Framed, Sheet, rtu},
    function,
    keys::{Framing, Ways},
    refusal,
    request::{Request, RequestFault},
};
use crate::{
    half::{Asked, Body, Ids, Input, PeerOptions, Signal, Step, Ticket, Told, Unasked},
    keys::Setting,
    out::{Full, Out},
    policy::Denied,
    protocol::{Answer, Message},
    time::{Mono, Now},
    vocab::{Cause, OnDeny, Reason, Repair},
};

mod slot;

use slot::{Manner, Slot, State, handle};

/// The server's role towards one peer.
#[derive(Debug)]
pub struct Peer {
    /// One per unanswered request, oldest first.
    slots: VecDeque<Slot>,
    pending: usize,
    frame_timeout: Duration,
    /// When the first byte of the message that is not whole yet was seen.
    partial: Option<Mono>,
    manner: Manner,
    /// RTU has no ids: the next message gets this one.
    next_id: u16,
    ids: Ids,
}

impl Peer {
    pub(crate) fn new(options: &PeerOptions) -> Self {
        let ways = Ways::of(&options.settings);
        let roles_only = ways.roles_only.unwrap_or(options.roles_by_certificate);
        Self {
            slots: VecDeque::new(),
            pending: options.pending,
            frame_timeout: options.frame_timeout,
            partial: None,
            manner: Manner { ways, roles_only },
            next_id: 0,
            ids: options.ids,
        }
    }

    pub(crate) fn next<'b>(&mut self, input: Input<'b>, now: Now, _to_peer: &mut Out) -> Step<'b> {
        let bytes = match input {
            Input::Stream(bytes) => bytes,
            Input::Datagram(bytes) if self.ids == Ids::Observed => return self.datagram(bytes),
            Input::Datagram(_) => return broken(Reason::UnknownProtocol),
            Input::Eof if self.partial.is_some() => {
                return Step::End { cause: Cause::Truncated, reason: Some(Reason::LengthMismatch) };
            }
            Input::Eof => return Step::End { cause: Cause::PeerClosed, reason: None },
        };
        let framed = match self.framing() {
            Framing::Tcp => frame::first(bytes, function::shape),
            Framing::Rtu => rtu::request(bytes),
        };
        match framed {
            Framed::Need(at_least) => {
                self.partial = if bytes.is_empty() { None } else { self.partial.or(Some(now.mono)) };
                Step::Need { at_least }
            }
            Framed::Broken(reason) => broken(reason),
            Framed::Whole(adu) => {
                self.partial = None;
                match self.framing() {
                    Framing::Tcp if self.manner.ways.queue_duplicates && self.in_flight(adu.id) => Step::Wait,
                    Framing::Tcp => asked(&adu, adu.id, &self.manner.ways),
                    Framing::Rtu => asked(&adu, self.next_id, &self.manner.ways),
                }
            }
        }
    }

    /// An illegal message can take a slot too: its refusal may be due later.
    pub(crate) fn accept(&mut self, asked: &Asked<'_>, ticket: Ticket) -> Result<(), Reason> {
        let slot = Slot::of(asked, State::Waiting(ticket)).ok_or(Reason::InternalError)?;
        if self.in_flight(slot.id) {
            return Err(Reason::DuplicateId);
        }
        if !self.has_room() {
            return Err(Reason::TooManyPending);
        }
        self.slots.push_back(slot);
        self.next_id = self.next_id.wrapping_add(1);
        Ok(())
    }

    pub(crate) fn refuse(
        &mut self,
        asked: &Asked<'_>,
        denied: &Denied,
        style: OnDeny,
        to_peer: &mut Out,
    ) -> Result<(), Full> {
        let Some(mut slot) = Slot::of(asked, State::Ready(Box::default())) else {
            return Ok(());
        };
        // An answer under an id that is in flight could be taken for the other's (MB-10): silence.
        if denied.reason == Reason::DuplicateId || self.in_flight(slot.id) {
            return Ok(());
        }
        let Some(answer) = slot.refusal(denied, style, &self.manner) else {
            return Ok(());
        };
        self.next_id = self.next_id.wrapping_add(1);
        if self.slots.is_empty() {
            return to_peer.push(answer.as_slice());
        }
        if self.slots.len() >= self.slots_max() {
            return Err(Full);
        }
        slot.state = State::Ready(Box::from(answer.as_slice()));
        self.slots.push_back(slot);
        Ok(())
    }

    pub(crate) fn refuse_ticket(
        &mut self,
        ticket: Ticket,
        denied: &Denied,
        style: OnDeny,
        to_peer: &mut Out,
    ) -> Result<(), Full> {
        let Some(at) = self.find(ticket) else {
            return Ok(());
        };
        match self.slots.get(at).and_then(|slot| slot.refusal(denied, style, &self.manner)) {
            Some(answer) => self.answer(at, &answer, to_peer),
            None => self.silence(at, to_peer),
        }
    }

    pub(crate) fn unanswered(&mut self, ticket: Ticket, to_peer: &mut Out) -> Result<(), Full> {
        self.find(ticket).map_or(Ok(()), |at| self.silence(at, to_peer))
    }

    pub(crate) fn deliver(&mut self, told: &Told<'_>, to_peer: &mut Out) -> Result<(), Full> {
        let Some(at) = self.find(told.ticket) else {
            return Ok(());
        };
        let Answer::Modbus(response) = told.answer else { return Ok(()) };
        let Some(slot) = self.slots.get(at) else {
            return Ok(());
        };
        // The ticket pairs them; that they fit each other is the last check before a peer acts on it (GEN-08).
        let fits = response.function() == u16::from(slot.function) && response.unit() == u32::from(slot.unit);
        let answer = if fits {
            Sheet::framed(self.framing(), slot.id, slot.peer_unit, |pdu| response.write(pdu))
        } else {
            slot.exception(refusal::DEVICE_FAILURE, self.framing())
        };
        self.answer(at, &answer, to_peer)
    }

    /// Modbus has no word for a device that came or went.
    pub(crate) fn device_is(&mut self, _up: bool, _to_peer: &mut Out) {}

    /// Its halves have nothing to say to each other.
    pub(crate) fn signal(&mut self, _signal: Signal, _now: Now, _to_peer: &mut Out) -> Result<(), Full> {
        Ok(())
    }

    /// No Modbus device speaks unasked.
    pub(crate) fn report(&mut self, _unasked: &Unasked<'_>, _now: Now, _to_peer: &mut Out) -> Result<(), Full> {
        Ok(())
    }

    pub(crate) const fn takes_reports(&self) -> bool {
        true
    }

    /// Nothing leaves that was not asked for.
    pub(crate) const fn timer(&self) -> Option<Mono> {
        None
    }

    /// One slot more than `pending`: it is reserved for a message that every rule on it marks `always`.
    pub(crate) fn has_room(&self) -> bool {
        self.slots.len() <= self.pending
    }

    pub(crate) fn pending(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.partial.map(|since| since.after(self.frame_timeout))
    }

    /// Nothing of a request runs out while it waits.
    pub(crate) const fn as_of<'b>(&self, _ticket: Ticket, message: Message<'b>, _now: Now) -> Message<'b> {
        message
    }

    pub(crate) fn read_again(&mut self, now: Now) {
        self.partial = self.partial.map(|_| now.mono);
    }

    pub(crate) fn tick(&mut self, now: Now, _to_peer: &mut Out) -> Option<Cause> {
        self.deadline().filter(|due| *due <= now.mono).map(|_| Cause::FrameTimeout)
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.slots.len() <= self.slots_max(), "more slots than the bound");
        for (at, slot) in self.slots.iter().enumerate() {
            let twin = self.slots.iter().skip(at.saturating_add(1)).find(|other| {
                other.id == slot.id
                    || matches!((&other.state, &slot.state), (State::Waiting(one), State::Waiting(two)) if one == two)
            });
            assert!(twin.is_none(), "two slots with one id or one ticket");
            if let (State::Ready(bytes), Framing::Tcp) = (&slot.state, self.framing()) {
                assert_eq!(bytes.get(..2), Some(&slot.id.to_be_bytes()[..]), "an answer under another id");
            }
        }
    }

    /// A datagram holds one message and nothing else (only captures bring them).
    fn datagram<'b>(&self, bytes: &'b [u8]) -> Step<'b> {
        match frame::first(bytes, function::shape) {
            Framed::Whole(adu) if adu.frame.len() == bytes.len() => asked(&adu, adu.id, &self.manner.ways),
            Framed::Whole(_) | Framed::Need(_) => broken(Reason::LengthMismatch),
            Framed::Broken(reason) => broken(reason),
        }
    }

    fn framing(&self) -> Framing {
        self.manner.ways.framing
    }

    /// `pending`, the reserved one, and one for the refusal of a message that found no slot.
    fn slots_max(&self) -> usize {
        self.pending.saturating_add(2)
    }

    fn in_flight(&self, id: u16) -> bool {
        self.slots.iter().any(|slot| slot.id == id)
    }

    fn find(&self, ticket: Ticket) -> Option<usize> {
        self.slots.iter().position(|slot| matches!(slot.state, State::Waiting(one) if one == ticket))
    }

    /// Answers the slot at `at`: now where it is the oldest, else in its turn. Where the buffer is full the answer stays
    /// in its slot.
    fn answer(&mut self, at: usize, answer: &Sheet, to_peer: &mut Out) -> Result<(), Full> {
        if at == 0 && to_peer.push(answer.as_slice()).is_ok() {
            self.slots.pop_front();
        } else if let Some(slot) = self.slots.get_mut(at) {
            slot.state = State::Ready(Box::from(answer.as_slice()));
        }
        self.flush(to_peer)
    }

    /// The slot at `at` is free without an answer.
    fn silence(&mut self, at: usize, to_peer: &mut Out) -> Result<(), Full> {
        self.slots.remove(at);
        self.flush(to_peer)
    }

    fn flush(&mut self, to_peer: &mut Out) -> Result<(), Full> {
        while let Some(Slot { state: State::Ready(bytes), .. }) = self.slots.front() {
            to_peer.push(bytes)?;
            self.slots.pop_front();
        }
        Ok(())
    }
}

/// Reads a framed message.
fn asked<'b>(adu: &Adu<'b>, id: u16, ways: &Ways) -> Step<'b> {
    let unit = ways.mapped(adu.unit);
    let illegal = |reason, function, answer| Body::Illegal { reason, function, unit: u32::from(unit), answer };
    let mut repaired = None;
    let body = match Request::framed(unit, adu.pdu) {
        Ok(request) if !request.is_canonical(adu.pdu) || (ways.strict_padding && request.cleared_padding()) => {
            illegal(Reason::NotCanonical, request.function(), refusal::ILLEGAL_FUNCTION)
        }
        // A broadcast is a write; there is nobody to answer anything else (Modbus over serial line 2.1).
        Ok(request) if ways.broadcast && unit == 0 && !request.only_writes() => {
            illegal(Reason::UnitNotAllowed, request.function(), refusal::ILLEGAL_FUNCTION)
        }
        Ok(request) => {
            repaired = request.cleared_padding().then_some(Repair::RequestPadding);
            Body::Message(Message::Modbus(request))
        }
        Err(RequestFault::Illegal { reason, answer, function }) => illegal(reason, u16::from(function), answer),
        Err(RequestFault::Severed(reason)) => return broken(reason),
    };
    Step::Asked(Asked { used: adu.frame.len(), frame: adu.frame, id: handle(id, adu.unit), body, repaired })
}

/// No resynchronisation by searching: what follows broken framing means nothing (GEN-07).
const fn broken<'b>(reason: Reason) -> Step<'b> {
    Step::End { cause: Cause::Malformed, reason: Some(reason) }
}

/// The fuzzer's way in: any bytes, whole and byte by byte, in either framing, come to the same messages and break no
/// invariant.
///
/// # Panics
/// When they do not.
pub fn fuzz_peer(bytes: &[u8]) {
    for framing in ["tcp", "rtu"] {
        let whole = messages(framing, bytes, bytes.len().max(1));
        let single = messages(framing, bytes, 1);
        assert_eq!(whole, single, "a cut changed what was read");
    }
}

/// How many messages `bytes` hold when they arrive in pieces of `piece`, and how the session ended, if it did.
fn messages(framing: &str, bytes: &[u8], piece: usize) -> (usize, Option<(Cause, Option<Reason>)>) {
    let mut options = PeerOptions { pending: 4, frame_timeout: Duration::from_secs(5), ..PeerOptions::default() };
    options.settings.0.insert("framing", Setting::Text(framing.into()));
    let (mut peer, mut out) = (Peer::new(&options), Out::new(4096));
    let (mut start, mut end, mut count) = (0usize, 0usize, 0usize);
    while end < bytes.len() {
        end = end.saturating_add(piece).min(bytes.len());
        loop {
            let here = bytes.get(start..end).unwrap_or_default();
            match peer.next(Input::Stream(here), Now::default(), &mut out) {
                Step::Need { at_least } => {
                    assert!(at_least > here.len(), "asks for what it has");
                    break;
                }
                Step::Asked(asked) => {
                    start = start.saturating_add(asked.used);
                    count = count.saturating_add(1);
                    let denied = Denied::because(Reason::FunctionNotAllowed);
                    if peer.accept(&asked, Ticket(0)).is_err() {
                        let _ = peer.refuse(&asked, &denied, OnDeny::Refuse, &mut out);
                    }
                    peer.check_invariants();
                    let _ = peer.refuse_ticket(Ticket(0), &denied, OnDeny::Refuse, &mut out);
                    out.clear();
                }
                Step::Wait => break,
                Step::Own { used } | Step::Signal { used, .. } => start = start.saturating_add(used),
                Step::End { cause, reason } => return (count, Some((cause, reason))),
            }
        }
    }
    (count, None)
}

#[cfg(test)]
mod tests;
