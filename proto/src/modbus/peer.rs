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
    /// The exception that an illegal message earns, whatever else is said about it.
    own: Option<u8>,
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
        let Some(answer) = slot.refusal(denied.reason, style) else {
            return Ok(());
        };
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
        match self.slots.get(at).and_then(|slot| slot.refusal(denied.reason, style)) {
            Some(answer) => self.answer(at, &answer, to_peer),
            None => {
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
            slot.exception(refusal::DEVICE_FAILURE)
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

impl Slot {
    /// The slot of a message; `None` for what this half never gave out.
    fn of(asked: &Asked<'_>, state: State) -> Option<Self> {
        let (unit, function, own) = match asked.body {
            Body::Message(Message::Modbus(request)) => (request.unit(), request.function(), None),
            Body::Illegal { function, unit, answer, .. } => (unit, function, Some(answer)),
        };
        let id = u16::try_from(asked.id).ok()?;
        Some(Self { id, unit: u8::try_from(unit).ok()?, function: u8::try_from(function).ok()?, own, state })
    }

    /// The answer to a refusal; `None` for silence.
    fn refusal(&self, reason: Reason, style: OnDeny) -> Option<Sheet> {
        match style {
            OnDeny::Refuse => self.own.or_else(|| refusal::answer(reason)).map(|code| self.exception(code)),
            OnDeny::Drop | OnDeny::Close => None,
        }
    }

    fn exception(&self, code: u8) -> Sheet {
        Sheet::adu(self.id, self.unit, |pdu| pdu.put(&[self.function | EXCEPTION, code]))
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
            answer: refusal::ILLEGAL_FUNCTION,
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

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        half::Outcome,
        modbus::{
            response::Response,
            vectors::{hex, peer},
        },
    };

    /// A read of register `id` under id `id`, unit 1.
    fn request(id: u16) -> Vec<u8> {
        let ([high, low], mut bytes) = (id.to_be_bytes(), hex("0000 0000 0006 01 03 0000 0001"));
        (bytes[0], bytes[1], bytes[8], bytes[9]) = (high, low, high, low);
        bytes
    }

    fn read<'b>(peer: &mut Peer, bytes: &'b [u8]) -> Asked<'b> {
        match peer.next(Input::Stream(bytes), Now::default(), &mut Out::new(0)) {
            Step::Asked(asked) => asked,
            other => panic!("{other:?}"),
        }
    }

    fn accept(peer: &mut Peer, id: u16) -> Result<(), Reason> {
        let bytes = request(id);
        let asked = read(peer, &bytes);
        peer.accept(&asked, Ticket(u64::from(id)))
    }

    fn refuse(peer: &mut Peer, id: u16, reason: Reason, style: OnDeny, out: &mut Out) -> Result<(), Full> {
        let bytes = request(id);
        let asked = read(peer, &bytes);
        peer.refuse(&asked, &Denied::because(reason), style, out)
    }

    fn deliver(peer: &mut Peer, id: u16, out: &mut Out) -> Result<(), Full> {
        let (asked, value) = (request(id), id.to_be_bytes());
        let said = [3, 2, value[0], value[1]];
        let request = Request::of(1, &asked[7..]).expect("legal");
        let (response, exception) = Response::read(request, 1, &said).expect("fits");
        let told =
            Told { ticket: Ticket(u64::from(id)), answer: Answer::Modbus(response), outcome: Outcome::Ok, exception };
        peer.deliver(&told, out)
    }

    /// The ids of what was answered, exceptions with their code.
    fn answers(out: &Out) -> Vec<(u16, Option<u8>)> {
        let (mut rest, mut seen) = (out.as_slice(), vec![]);
        while let Framed::Whole(adu) = frame::first(rest, |_, _| function::Shape::Right) {
            seen.push((adu.id, (adu.pdu[0] & EXCEPTION != 0).then(|| adu.pdu[1])));
            rest = &rest[adu.frame.len()..];
        }
        assert!(rest.is_empty());
        seen
    }

    #[test]
    fn answers_leave_in_the_order_of_the_requests() {
        let (mut peer, mut out) = (peer(4), Out::new(1024));
        accept(&mut peer, 1).expect("room");
        accept(&mut peer, 2).expect("room");
        refuse(&mut peer, 3, Reason::AddressNotAllowed, OnDeny::Refuse, &mut out).expect("room");
        deliver(&mut peer, 2, &mut out).expect("room");
        assert_eq!((answers(&out), peer.pending()), (vec![], 3));
        deliver(&mut peer, 1, &mut out).expect("room");
        assert_eq!(answers(&out), [(1, None), (2, None), (3, Some(2))]);
        assert_eq!(peer.pending(), 0);
        peer.check_invariants();
    }

    #[test]
    fn a_refused_ticket_answers_in_its_turn_and_a_late_answer_to_it_is_nobodys() {
        let (mut peer, mut out) = (peer(4), Out::new(1024));
        accept(&mut peer, 1).expect("room");
        accept(&mut peer, 2).expect("room");
        let late = Denied::because(Reason::RequestTimeout);
        peer.refuse_ticket(Ticket(2), &late, OnDeny::Refuse, &mut out).expect("room");
        peer.refuse_ticket(Ticket(1), &late, OnDeny::Drop, &mut out).expect("room");
        deliver(&mut peer, 1, &mut out).expect("room");
        deliver(&mut peer, 2, &mut out).expect("room");
        assert_eq!(answers(&out), [(2, Some(0x0B))]);
    }

    #[test]
    fn an_illegal_message_keeps_its_own_answer_when_its_refusal_is_slowed() {
        let (mut peer, mut out) = (peer(4), Out::new(1024));
        let bytes = hex("0001 0000 0006 01 03 0000 007e");
        let asked = read(&mut peer, &bytes);
        assert!(matches!(asked.body, Body::Illegal { reason: Reason::Malformed, answer: 3, .. }));
        peer.accept(&asked, Ticket(9)).expect("room");
        peer.refuse_ticket(Ticket(9), &Denied::because(Reason::Malformed), OnDeny::Refuse, &mut out).expect("room");
        assert_eq!(answers(&out), [(1, Some(3))]);
    }

    #[test]
    fn silence_is_kept_for_drop_close_and_an_id_in_flight() {
        let (mut peer, mut out) = (peer(4), Out::new(1024));
        refuse(&mut peer, 1, Reason::AddressNotAllowed, OnDeny::Drop, &mut out).expect("room");
        refuse(&mut peer, 1, Reason::AddressNotAllowed, OnDeny::Close, &mut out).expect("room");
        refuse(&mut peer, 1, Reason::LengthMismatch, OnDeny::Refuse, &mut out).expect("room");
        accept(&mut peer, 1).expect("room");
        assert_eq!(accept(&mut peer, 1), Err(Reason::DuplicateId));
        refuse(&mut peer, 1, Reason::DuplicateId, OnDeny::Refuse, &mut out).expect("room");
        refuse(&mut peer, 1, Reason::AddressNotAllowed, OnDeny::Refuse, &mut out).expect("room");
        assert_eq!(peer.pending(), 1, "MB-10");
        deliver(&mut peer, 1, &mut out).expect("room");
        assert_eq!(answers(&out), [(1, None)]);
        accept(&mut peer, 1).expect("an answered id may come again");
    }

    #[test]
    fn the_pending_table_is_bounded() {
        let (mut peer, mut out) = (peer(2), Out::new(1024));
        for id in 1..=3 {
            assert!(peer.has_room());
            accept(&mut peer, id).expect("two and the reserved one");
        }
        assert!(!peer.has_room());
        assert_eq!(accept(&mut peer, 4), Err(Reason::TooManyPending), "GEN-14");
        refuse(&mut peer, 4, Reason::TooManyPending, OnDeny::Refuse, &mut out).expect("its refusal waits");
        assert_eq!(refuse(&mut peer, 5, Reason::RateLimited, OnDeny::Refuse, &mut out), Err(Full));
        peer.check_invariants();
    }

    #[test]
    fn an_answer_that_does_not_fit_stays_in_its_slot() {
        let (mut peer, mut out) = (peer(4), Out::new(12));
        accept(&mut peer, 1).expect("room");
        accept(&mut peer, 2).expect("room");
        deliver(&mut peer, 1, &mut out).expect("room");
        assert_eq!(deliver(&mut peer, 2, &mut out), Err(Full));
        assert_eq!((answers(&out), peer.pending()), (vec![(1, None)], 1));
        peer.check_invariants();
    }

    #[test]
    fn a_message_that_never_ends_ends_the_session() {
        let (mut peer, mut out) = (peer(4), Out::new(0));
        let at = |secs: u64| Now { mono: Mono::ZERO.after(Duration::from_secs(secs)), ..Now::default() };
        assert_eq!(peer.deadline(), None);
        let bytes = request(1);
        for (secs, len) in [(1, 1), (3, 5), (5, 8)] {
            assert!(matches!(peer.next(Input::Stream(&bytes[..len]), at(secs), &mut out), Step::Need { .. }));
            assert_eq!(peer.deadline(), Some(at(6).mono), "GEN-06: from the first byte");
        }
        assert_eq!(peer.tick(at(5), &mut out), None);
        assert_eq!(peer.tick(at(6), &mut out), Some(Cause::FrameTimeout));
        assert!(matches!(peer.next(Input::Stream(&bytes), at(6), &mut out), Step::Asked(_)));
        assert_eq!(peer.deadline(), None);
    }

    #[test]
    fn an_end_within_a_message_is_truncation() {
        let (mut peer, mut out) = (peer(4), Out::new(0));
        let ends = |peer: &mut Peer, out: &mut Out| match peer.next(Input::Eof, Now::default(), out) {
            Step::End { cause, reason } => (cause, reason),
            other => panic!("{other:?}"),
        };
        assert_eq!(ends(&mut peer, &mut out), (Cause::PeerClosed, None));
        let _ = peer.next(Input::Stream(&[0]), Now::default(), &mut out);
        assert_eq!(ends(&mut peer, &mut out), (Cause::Truncated, Some(Reason::LengthMismatch)));
    }

    #[test]
    fn the_peers_own_id_and_unit_come_back() {
        let (mut peer, mut out) = (peer(4), Out::new(64));
        accept(&mut peer, 0xABCD).expect("room");
        deliver(&mut peer, 0xABCD, &mut out).expect("room");
        assert_eq!(out.as_slice(), hex("abcd 0000 0005 01 03 02 abcd"));
    }

    #[test]
    fn an_answer_to_another_function_is_never_delivered() {
        let (mut peer, mut out) = (peer(4), Out::new(64));
        accept(&mut peer, 1).expect("room");
        let asked = hex("04 0000 0001");
        let other = Request::of(1, &asked).expect("legal");
        let (response, exception) = Response::read(other, 1, &[4, 2, 0, 9]).expect("fits");
        let told = Told { ticket: Ticket(1), answer: Answer::Modbus(response), outcome: Outcome::Ok, exception };
        peer.deliver(&told, &mut out).expect("room");
        assert_eq!(answers(&out), [(1, Some(4))], "GEN-08");
    }

    #[derive(Clone, Debug)]
    enum Act {
        Accept,
        Refuse,
        Deliver(usize),
        Withdraw(usize),
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_events_answers_keep_the_order_of_requests(acts in prop::collection::vec(
            prop_oneof![
                Just(Act::Accept),
                Just(Act::Refuse),
                (0usize..8).prop_map(Act::Deliver),
                (0usize..8).prop_map(Act::Withdraw),
            ],
            0..120,
        )) {
            let (mut peer, mut out) = (peer(4), Out::new(65536));
            let (mut waiting, mut asked, mut next) = (Vec::<u16>::new(), Vec::<u16>::new(), 1u16);
            for act in acts {
                match act {
                    Act::Accept if peer.has_room() => {
                        accept(&mut peer, next).expect("room");
                        waiting.push(next);
                        asked.push(next);
                        next += 1;
                    }
                    Act::Refuse if peer.has_room() => {
                        refuse(&mut peer, next, Reason::RateLimited, OnDeny::Refuse, &mut out).expect("room");
                        asked.push(next);
                        next += 1;
                    }
                    Act::Deliver(n) if n < waiting.len() => deliver(&mut peer, waiting.remove(n), &mut out).expect("room"),
                    Act::Withdraw(n) if n < waiting.len() => {
                        let ticket = Ticket(u64::from(waiting.remove(n)));
                        let denied = Denied::because(Reason::UpstreamUnavailable);
                        peer.refuse_ticket(ticket, &denied, OnDeny::Refuse, &mut out).expect("room");
                    }
                    Act::Accept | Act::Refuse | Act::Deliver(_) | Act::Withdraw(_) => {}
                }
                peer.check_invariants();
            }
            while let Some(id) = waiting.pop() {
                deliver(&mut peer, id, &mut out).expect("room");
            }
            let answered: Vec<u16> = answers(&out).into_iter().map(|(id, _)| id).collect();
            prop_assert_eq!(answered, asked);
            prop_assert_eq!(peer.pending(), 0);
        }
    }

    #[test]
    fn a_datagram_is_not_modbus_over_tcp() {
        let mut peer = peer(1);
        let bytes = request(1);
        let step = peer.next(Input::Datagram(&bytes), Now::default(), &mut Out::new(0));
        assert!(matches!(step, Step::End { reason: Some(Reason::UnknownProtocol), .. }));
    }
}
