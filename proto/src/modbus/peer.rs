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
    frame::{self, Adu, Framed, Sheet},
    function::{self, EXCEPTION},
    refusal,
    request::{Request, RequestFault},
};
use crate::{
    half::{Asked, Body, Input, PeerOptions, Step, Ticket, Told},
    out::{Full, Out},
    policy::Denied,
    protocol::{Answer, Message},
    time::{Mono, Now},
    vocab::{Cause, OnDeny, Reason},
};

/// The server's role towards one peer.
#[derive(Debug)]
pub struct Peer {
    /// One per unanswered request, oldest first.
    slots: VecDeque<Slot>,
    pending: usize,
    frame_timeout: Duration,
    /// When the first byte of the message that is not whole yet was seen.
    partial: Option<Mono>,
}

/// One request that is not answered yet.
#[derive(Debug)]
struct Slot {
    id: u16,
    unit: u8,
    function: u8,
    state: State,
}

#[derive(Debug)]
enum State {
    /// On its way to the device and back.
    Waiting(Ticket),
    /// Its answer waits for the answers before it.
    Ready(Box<[u8]>),
}

impl Peer {
    pub(crate) fn new(options: &PeerOptions) -> Self {
        Self { slots: VecDeque::new(), pending: options.pending, frame_timeout: options.frame_timeout, partial: None }
    }

    pub(crate) fn next<'b>(&mut self, input: Input<'b>, now: Now, _to_peer: &mut Out) -> Step<'b> {
        let bytes = match input {
            Input::Stream(bytes) => bytes,
            Input::Datagram(_) => return broken(Reason::UnknownProtocol),
            Input::Eof if self.partial.is_some() => {
                return Step::End { cause: Cause::Truncated, reason: Some(Reason::LengthMismatch) };
            }
            Input::Eof => return Step::End { cause: Cause::PeerClosed, reason: None },
        };
        match frame::first(bytes, function::shape) {
            Framed::Need(at_least) => {
                self.partial = if bytes.is_empty() { None } else { self.partial.or(Some(now.mono)) };
                Step::Need { at_least }
            }
            Framed::Broken(reason) => broken(reason),
            Framed::Whole(adu) => {
                self.partial = None;
                asked(&adu)
            }
        }
    }

    pub(crate) fn accept(&mut self, asked: &Asked<'_>, ticket: Ticket) -> Result<(), Reason> {
        let Body::Message(Message::Modbus(request)) = asked.body else {
            return Err(Reason::InternalError);
        };
        let id = id_of(asked).ok_or(Reason::InternalError)?;
        if self.in_flight(id) {
            return Err(Reason::DuplicateId);
        }
        if !self.has_room() {
            return Err(Reason::TooManyPending);
        }
        self.slots.push_back(Slot { id, unit: request.unit, function: request.code(), state: State::Waiting(ticket) });
        Ok(())
    }

    pub(crate) fn refuse(
        &mut self,
        asked: &Asked<'_>,
        denied: &Denied,
        style: OnDeny,
        to_peer: &mut Out,
    ) -> Result<(), Full> {
        let (unit, function, own) = match asked.body {
            Body::Message(Message::Modbus(request)) => (request.unit(), request.function(), None),
            Body::Illegal { function, unit, answer, .. } => (unit, function, Some(answer)),
        };
        let Some(code) = own.or_else(|| refusal::answer(denied.reason)).filter(|_| style == OnDeny::Refuse) else {
            return Ok(());
        };
        let (Some(id), Ok(unit), Ok(function)) = (id_of(asked), u8::try_from(unit), u8::try_from(function)) else {
            return Ok(());
        };
        // An answer under an id that is in flight could be taken for the other's (MB-10): silence.
        if denied.reason == Reason::DuplicateId || self.in_flight(id) {
            return Ok(());
        }
        let answer = exception(id, unit, function, code);
        if self.slots.is_empty() {
            return to_peer.push(answer.as_slice());
        }
        if self.slots.len() >= self.slots_max() {
            return Err(Full);
        }
        let state = State::Ready(Box::from(answer.as_slice()));
        self.slots.push_back(Slot { id, unit, function, state });
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
        let code = refusal::answer(denied.reason).filter(|_| style == OnDeny::Refuse);
        match (code, self.slots.get(at)) {
            (Some(code), Some(slot)) => {
                let answer = exception(slot.id, slot.unit, slot.function, code);
                self.answer(at, &answer, to_peer)
            }
            _ => {
                self.slots.remove(at);
                self.flush(to_peer)
            }
        }
    }

    pub(crate) fn deliver(&mut self, told: &Told<'_>, to_peer: &mut Out) -> Result<(), Full> {
        let Some(at) = self.find(told.ticket) else {
            return Ok(());
        };
        let Answer::Modbus(response) = told.answer;
        let Some(slot) = self.slots.get(at) else {
            return Ok(());
        };
        // The ticket pairs them; that they fit each other is the last check before a peer acts on it (GEN-08).
        let fits = response.function() == u16::from(slot.function) && response.unit() == u32::from(slot.unit);
        let answer = if fits {
            Sheet::adu(slot.id, slot.unit, |pdu| response.write(pdu))
        } else {
            let code = refusal::answer(Reason::InternalError).unwrap_or(function::DEVICE_FAILURE);
            exception(slot.id, slot.unit, slot.function, code)
        };
        self.answer(at, &answer, to_peer)
    }

    /// Modbus has no word for a device that came or went.
    pub(crate) fn device_is(&mut self, _up: bool, _to_peer: &mut Out) {}

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
            if let State::Ready(bytes) = &slot.state {
                assert_eq!(bytes.get(..2), Some(&slot.id.to_be_bytes()[..]), "an answer under another id");
            }
        }
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

    fn flush(&mut self, to_peer: &mut Out) -> Result<(), Full> {
        while let Some(Slot { state: State::Ready(bytes), .. }) = self.slots.front() {
            to_peer.push(bytes)?;
            self.slots.pop_front();
        }
        Ok(())
    }
}

/// Reads a framed message.
fn asked<'b>(adu: &Adu<'b>) -> Step<'b> {
    let body = match Request::of(adu.unit, adu.pdu) {
        Ok(request) if request.is_canonical(adu.pdu) => Body::Message(Message::Modbus(request)),
        Ok(request) => Body::Illegal {
            reason: Reason::NotCanonical,
            function: request.function(),
            unit: request.unit(),
            answer: refusal::answer(Reason::NotCanonical).unwrap_or(function::ILLEGAL_FUNCTION),
        },
        Err(RequestFault::Illegal { reason, answer, function }) => {
            Body::Illegal { reason, function: u16::from(function), unit: u32::from(adu.unit), answer }
        }
        Err(RequestFault::Severed(reason)) => return broken(reason),
    };
    Step::Asked(Asked { used: adu.frame.len(), frame: adu.frame, id: u32::from(adu.id), body })
}

/// No resynchronisation by searching: what follows broken framing means nothing (GEN-07).
const fn broken<'b>(reason: Reason) -> Step<'b> {
    Step::End { cause: Cause::Malformed, reason: Some(reason) }
}

fn id_of(asked: &Asked<'_>) -> Option<u16> {
    u16::try_from(asked.id).ok()
}

fn exception(id: u16, unit: u8, function: u8, code: u8) -> Sheet {
    Sheet::adu(id, unit, |pdu| pdu.put(&[function | EXCEPTION, code]))
}

/// The fuzzer's way in: any bytes, whole and byte by byte, come to the same messages and break no invariant.
///
/// # Panics
/// When they do not.
pub fn fuzz_peer(bytes: &[u8]) {
    let whole = messages(bytes, bytes.len().max(1));
    let single = messages(bytes, 1);
    assert_eq!(whole, single, "a cut changed what was read");
}

/// How many messages `bytes` hold when they arrive in pieces of `piece`, and how the session ended, if it did.
fn messages(bytes: &[u8], piece: usize) -> (usize, Option<(Cause, Option<Reason>)>) {
    let options =
        PeerOptions { settings: crate::keys::Settings::default(), pending: 4, frame_timeout: Duration::from_secs(5) };
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
                Step::Own { used } => start = start.saturating_add(used),
                Step::End { cause, reason } => return (count, Some((cause, reason))),
            }
        }
    }
    (count, None)
}
