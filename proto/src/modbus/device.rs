//! How do we speak the client's role to a device?
//!
//! ```text
//! submit(ticket) -> [in flight] -> answer that fits      -> Told
//!                       |       -> answer that does not  -> Dropped(response_mismatch), ticket spoiled -> [tombstone]
//!                       |       -> request_timeout       -> TimedOut(ticket)                           -> [tombstone]
//!                       `> answer to a tombstone or to nothing -> Dropped(unsolicited_response)
//! ```
//! One ADU a request, nothing is ever sent twice.

use alloc::{boxed::Box, collections::VecDeque};
use core::time::Duration;

use super::{
    frame::{self, Adu, Framed, Sheet},
    function::Shape,
    request::{Request, Space},
    response::Response,
};
use crate::{
    deed::ReadFirst,
    half::{DeviceOptions, DeviceStep, DeviceTick, Ids, Input, Outcome, Ticket, Told},
    out::Out,
    protocol::Answer,
    time::{Mono, Now},
    vocab::{Cause, Reason},
};

/// Requests that were given up and may still be answered late. Their ids are not used again while they are remembered.
/// With one request outstanding and the default timeout of 10 s, 256 are the silence of 40 minutes. An older one is
/// forgotten: its id comes up again only after the other 65 535 of the counter.
const TOMBSTONES_MAX: usize = 256;

/// The most requests outstanding on one connection, whatever was asked for: the most that any known gateway keeps, and
/// with the tombstones little more than a hundredth of the ids, so a free one is always near.
const PENDING_MAX: usize = 512;

/// The client's role on one device connection.
#[derive(Debug)]
pub struct Device {
    /// Requests in flight, oldest first; deadlines ascend.
    entries: VecDeque<Entry>,
    /// Ids of requests that were given up, oldest first.
    tombstones: VecDeque<u16>,
    /// The request that was answered last: the answer in the caller's hands borrows it.
    answered: Box<[u8]>,
    next_id: u16,
    pending: usize,
    frame_timeout: Duration,
    request_timeout: Duration,
    ids: Ids,
    /// When the first byte of the answer that is not whole yet was seen.
    partial: Option<Mono>,
}

/// One request in flight.
#[derive(Debug)]
struct Entry {
    id: u16,
    ticket: Ticket,
    /// Unit and PDU, as they left.
    request: Box<[u8]>,
    due: Mono,
}

impl Device {
    pub(crate) fn new(options: &DeviceOptions) -> Self {
        Self {
            entries: VecDeque::new(),
            tombstones: VecDeque::new(),
            answered: Box::default(),
            next_id: 1,
            pending: options.pending.clamp(1, PENDING_MAX),
            frame_timeout: options.frame_timeout,
            request_timeout: options.request_timeout,
            ids: options.ids,
            partial: None,
        }
    }

    pub(crate) fn submit(
        &mut self,
        request: &Request<'_>,
        ticket: Ticket,
        now: Now,
        to_device: &mut Out,
    ) -> Result<(), Reason> {
        if !self.has_room() {
            return Err(Reason::TooManyPending);
        }
        let id = self.take_id(ticket)?;
        let stored = request.store();
        // What leaves must read as what was judged.
        if Request::restore(&stored) != Some(*request) {
            return Err(Reason::NotCanonical);
        }
        let adu = Sheet::adu(id, request.unit, |pdu| request.write(pdu));
        to_device.push(adu.as_slice()).map_err(|_| Reason::TooManyPending)?;
        let due = now.mono.after(self.request_timeout);
        self.entries.push_back(Entry { id, ticket, request: stored, due });
        Ok(())
    }

    pub(crate) fn ask(
        &mut self,
        read: &ReadFirst,
        ticket: Ticket,
        now: Now,
        to_device: &mut Out,
    ) -> Result<(), Reason> {
        let (Ok(unit), Some(space)) = (u8::try_from(read.unit), Space::of(read.object)) else {
            return Err(Reason::InternalError);
        };
        let (Ok(first), Ok(count)) = (u16::try_from(read.first), u16::try_from(read.count)) else {
            return Err(Reason::InternalError);
        };
        let request = Request::plain_read(unit, space, first, count).map_err(|_| Reason::InternalError)?;
        self.submit(&request, ticket, now, to_device)
    }

    pub(crate) fn next<'b>(&'b mut self, input: Input<'b>, now: Now, _to_device: &mut Out) -> DeviceStep<'b> {
        let bytes = match input {
            Input::Stream(bytes) => bytes,
            Input::Datagram(_) => return broken(Reason::UnknownProtocol),
            Input::Eof if self.partial.is_some() => {
                return DeviceStep::End { cause: Cause::Truncated, reason: Some(Reason::LengthMismatch) };
            }
            Input::Eof => return DeviceStep::End { cause: Cause::DeviceClosed, reason: None },
        };
        // The length of an answer follows from its request, so it is judged once the message is whole.
        match frame::first(bytes, |_, _| Shape::Right) {
            Framed::Need(at_least) => {
                self.partial = if bytes.is_empty() { None } else { self.partial.or(Some(now.mono)) };
                DeviceStep::Need { at_least }
            }
            Framed::Broken(reason) => broken(reason),
            Framed::Whole(adu) => {
                self.partial = None;
                self.pair(&adu)
            }
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.entries.len() < self.pending
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn abandon(&mut self) -> Option<Ticket> {
        self.partial = None;
        // The next connection cannot bring the answers of this one.
        self.tombstones.clear();
        self.entries.pop_front().map(|entry| entry.ticket)
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        let frame = self.partial.map(|since| since.after(self.frame_timeout));
        let request = self.entries.front().map(|entry| entry.due);
        frame.into_iter().chain(request).min()
    }

    pub(crate) fn tick(&mut self, now: Now, _to_device: &mut Out) -> DeviceTick {
        if self.partial.is_some_and(|since| since.after(self.frame_timeout) <= now.mono) {
            return DeviceTick::End(Cause::FrameTimeout);
        }
        if self.entries.front().is_none_or(|entry| now.mono < entry.due) {
            return DeviceTick::Idle;
        }
        match self.entries.pop_front() {
            Some(entry) => {
                bury(&mut self.tombstones, entry.id);
                DeviceTick::TimedOut(entry.ticket)
            }
            None => DeviceTick::Idle,
        }
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.entries.len() <= self.pending, "more in flight than allowed");
        assert!(self.tombstones.len() <= TOMBSTONES_MAX, "more tombstones than the bound");
        assert!(self.entries.iter().is_sorted_by_key(|entry| entry.due), "deadlines out of order");
        for (at, entry) in self.entries.iter().enumerate() {
            let later = || self.entries.iter().skip(at.saturating_add(1));
            assert!(later().all(|other| other.id != entry.id), "one id twice in flight");
            assert!(later().all(|other| other.ticket != entry.ticket), "one ticket twice in flight");
            assert!(!self.tombstones.contains(&entry.id), "an id in flight has a tombstone");
            assert!(Request::restore(&entry.request).is_some(), "a request that cannot be read again");
        }
    }

    /// An id that is neither in flight nor may be answered late.
    fn take_id(&mut self, ticket: Ticket) -> Result<u16, Reason> {
        if self.ids == Ids::Observed {
            // `replay` puts the id that it saw into the ticket's low 16 bits.
            let id = u16::try_from(ticket.0 & 0xFFFF).map_err(|_| Reason::InternalError)?;
            return if self.is_taken(id) { Err(Reason::DuplicateId) } else { Ok(id) };
        }
        // At most PENDING_MAX + TOMBSTONES_MAX ids are taken: a free one comes well before a full turn.
        for _ in 0..=PENDING_MAX.saturating_add(TOMBSTONES_MAX) {
            let id = self.next_id;
            self.next_id = id.wrapping_add(1);
            if !self.is_taken(id) {
                return Ok(id);
            }
        }
        Err(Reason::InternalError)
    }

    fn is_taken(&self, id: u16) -> bool {
        self.entries.iter().any(|entry| entry.id == id) || self.tombstones.contains(&id)
    }

    /// Finds the request of an answer and checks the one against the other.
    fn pair<'b>(&'b mut self, adu: &Adu<'b>) -> DeviceStep<'b> {
        let used = adu.frame.len();
        let at = self.entries.iter().position(|entry| entry.id == adu.id);
        let Some(entry) = at.and_then(|at| self.entries.remove(at)) else {
            self.tombstones.retain(|id| *id != adu.id);
            return DeviceStep::Dropped { used, reason: Reason::UnsolicitedResponse, spoiled: None };
        };
        self.answered = entry.request;
        let read = Request::restore(&self.answered).map(|request| Response::read(request, adu.unit, adu.pdu));
        let Some(Ok((response, exception))) = read else {
            // Its true answer may still come.
            bury(&mut self.tombstones, entry.id);
            return DeviceStep::Dropped { used, reason: Reason::ResponseMismatch, spoiled: Some(entry.ticket) };
        };
        let outcome = if exception.is_some() { Outcome::Exception } else { Outcome::Ok };
        let told = Told { ticket: entry.ticket, answer: Answer::Modbus(response), outcome, exception };
        DeviceStep::Told { used, told }
    }
}

/// Remembers that `id` may still be answered.
fn bury(tombstones: &mut VecDeque<u16>, id: u16) {
    if tombstones.len() >= TOMBSTONES_MAX {
        tombstones.pop_front();
    }
    tombstones.push_back(id);
}

const fn broken<'b>(reason: Reason) -> DeviceStep<'b> {
    DeviceStep::End { cause: Cause::Malformed, reason: Some(reason) }
}

/// The fuzzer's way in: a device that says anything at all in answer to one request of each kind.
///
/// # Panics
/// When an invariant breaks, or more answers are told than requests were sent.
pub fn fuzz_device(bytes: &[u8]) {
    let options = DeviceOptions {
        settings: crate::keys::Settings::default(),
        pending: 8,
        frame_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(10),
        ids: Ids::Own,
    };
    let (mut device, mut out) = (Device::new(&options), Out::new(4096));
    let mut sent = 0usize;
    for (ticket, space) in (0u64..).zip(Space::ALL) {
        let read = ReadFirst { unit: 1, object: space.object(), first: 0, count: 1 };
        if device.ask(&read, Ticket(ticket), Now::default(), &mut out).is_ok() {
            sent = sent.saturating_add(1);
        }
    }
    let mut rest = bytes;
    loop {
        let used = match device.next(Input::Stream(rest), Now::default(), &mut out) {
            DeviceStep::Need { .. } | DeviceStep::End { .. } => break,
            DeviceStep::Told { used, told } => {
                sent = sent.checked_sub(1).expect("no more answers than requests");
                told.answer.seen(&mut |seen| assert!(seen.address <= 0xFFFF, "an address of Modbus"));
                used
            }
            DeviceStep::Dropped { used, .. } | DeviceStep::Own { used } => used,
        };
        rest = rest.get(used..).unwrap_or_default();
        device.check_invariants();
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::modbus::{
        tables::HOLDING,
        vectors::{device, hex},
    };

    fn at(secs: u64) -> Now {
        Now { mono: Mono::ZERO.after(Duration::from_secs(secs)), ..Now::default() }
    }

    fn submit(device: &mut Device, ticket: u64, pdu: &str, now: Now, out: &mut Out) -> Result<(), Reason> {
        let pdu = hex(pdu);
        let submitted = device.submit(&Request::of(1, &pdu).expect("legal"), Ticket(ticket), now, out);
        device.check_invariants();
        submitted
    }

    /// `(ticket, exception)`, or the reason and the spoiled ticket.
    type Heard = Result<(u64, Option<u8>), (Reason, Option<u64>)>;

    fn hear(device: &mut Device, adu: &str) -> Heard {
        let adu = hex(adu);
        let heard = match device.next(Input::Stream(&adu), Now::default(), &mut Out::new(0)) {
            DeviceStep::Told { used, told } => {
                assert_eq!(used, adu.len());
                Ok((told.ticket.0, told.exception))
            }
            DeviceStep::Dropped { reason, spoiled, .. } => Err((reason, spoiled.map(|ticket| ticket.0))),
            other => panic!("{other:?}"),
        };
        device.check_invariants();
        heard
    }

    #[test]
    fn requests_leave_under_our_own_ids_one_adu_each() {
        let (mut device, mut out) = (device(2, Ids::Own), Out::new(64));
        submit(&mut device, 70, "06 0028 05dc", at(0), &mut out).expect("room");
        submit(&mut device, 71, "0f 0013 000a 02 cdff", at(0), &mut out).expect("room");
        assert_eq!(out.as_slice(), hex("0001 0000 0006 01 06 0028 05dc 0002 0000 0009 01 0f 0013 000a 02 cd03"));
        assert_eq!(submit(&mut device, 72, "06 0028 05dc", at(0), &mut out), Err(Reason::TooManyPending));
        assert_eq!(hear(&mut device, "0002 0000 0006 01 0f 0013 000a"), Ok((71, None)));
        assert_eq!(hear(&mut device, "0001 0000 0006 01 06 0028 05dc"), Ok((70, None)));
        assert_eq!((device.in_flight(), device.deadline()), (0, None));
    }

    #[test]
    fn an_acknowledgement_must_repeat_the_write() {
        for (pdu, lie) in [
            ("05 0007 ff00", "05 0007 0000"),
            ("06 0028 05dc", "06 0028 05dd"),
            ("06 0028 05dc", "06 0029 05dc"),
            ("0f 0013 000a 02 cd01", "0f 0013 0009"),
            ("10 0001 0002 04 000a0102", "10 0001 0001"),
            ("10 0001 0002 04 000a0102", "10 0001 0002 04 000a0102"),
            ("16 0004 00f2 0025", "16 0004 00f2 0024"),
            ("17 0003 0002 000e 0001 02 00ff", "17 02 0001"),
            ("01 0000 0009", "01 01 ff"),
            ("2b 0e 01 00", "2b 0d 01 00"),
        ] {
            let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
            submit(&mut device, 5, pdu, at(0), &mut out).expect("room");
            let lie = hex(lie);
            let adu = Sheet::adu(1, 1, |sheet| sheet.put(&lie));
            let step = device.next(Input::Stream(adu.as_slice()), at(0), &mut out);
            assert!(
                matches!(step, DeviceStep::Dropped { reason: Reason::ResponseMismatch, spoiled: Some(Ticket(5)), .. }),
                "GEN-08 {pdu}: {step:?}"
            );
            assert_eq!(device.in_flight(), 0);
        }
    }

    #[test]
    fn the_true_answer_after_a_lie_answers_nothing() {
        let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
        submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
        assert_eq!(hear(&mut device, "0001 0000 0005 01 04 02 000a"), Err((Reason::ResponseMismatch, Some(5))));
        submit(&mut device, 6, "03 0000 0001", at(0), &mut out).expect("room");
        assert_eq!(hear(&mut device, "0001 0000 0005 01 03 02 000a"), Err((Reason::UnsolicitedResponse, None)));
        assert_eq!(hear(&mut device, "0002 0000 0005 01 03 02 000b"), Ok((6, None)));
    }

    #[test]
    fn a_late_answer_is_dropped_and_its_id_rests() {
        let (mut device, mut out) = (device(2, Ids::Own), Out::new(300));
        submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
        submit(&mut device, 6, "03 0000 0001", at(1), &mut out).expect("room");
        assert_eq!(device.deadline(), Some(at(10).mono));
        assert_eq!(device.tick(at(9), &mut out), DeviceTick::Idle);
        assert_eq!(device.tick(at(10), &mut out), DeviceTick::TimedOut(Ticket(5)));
        assert_eq!(device.tick(at(10), &mut out), DeviceTick::Idle);
        device.check_invariants();
        device.next_id = 1;
        submit(&mut device, 7, "03 0000 0001", at(10), &mut out).expect("room");
        assert_eq!(&out.as_slice()[24..26], [0, 3], "neither the tombstone's id nor the one in flight");
        assert_eq!(hear(&mut device, "0001 0000 0005 01 03 02 000a"), Err((Reason::UnsolicitedResponse, None)));
        assert_eq!(hear(&mut device, "0002 0000 0005 01 03 02 000a"), Ok((6, None)));
        assert_eq!(hear(&mut device, "0003 0000 0005 01 03 02 000a"), Ok((7, None)));
    }

    #[test]
    fn tombstones_are_bounded_and_ids_wrap() {
        let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
        device.next_id = u16::MAX - 100;
        for n in 0..1000u64 {
            out.clear();
            submit(&mut device, n, "03 0000 0001", at(n * 10), &mut out).expect("room");
            assert_eq!(device.tick(at(n * 10 + 10), &mut out), DeviceTick::TimedOut(Ticket(n)));
        }
        assert_eq!(device.tombstones.len(), TOMBSTONES_MAX);
        device.check_invariants();
    }

    #[test]
    fn exceptions_pass_and_unknown_ones_become_04() {
        for (code, passed) in
            [(1u8, 1u8), (2, 2), (5, 5), (6, 6), (8, 8), (10, 10), (11, 11), (0, 4), (9, 4), (0x63, 4)]
        {
            let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
            submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
            let adu = Sheet::adu(1, 1, |sheet| sheet.put(&[0x83, code]));
            let DeviceStep::Told { told, .. } = device.next(Input::Stream(adu.as_slice()), at(0), &mut out) else {
                panic!("exception {code} is not told");
            };
            let Answer::Modbus(response) = told.answer;
            assert_eq!((told.outcome, told.exception), (Outcome::Exception, Some(code)));
            assert_eq!(response.exception(), Some(passed), "MB-36");
            let mut sheet = Sheet::new();
            response.write(&mut sheet);
            assert_eq!(sheet.as_slice(), [0x83, passed]);
        }
    }

    #[test]
    fn an_answer_that_never_ends_ends_the_connection() {
        let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
        submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
        assert!(matches!(device.next(Input::Stream(&[0, 1]), at(1), &mut out), DeviceStep::Need { at_least: 4 }));
        assert_eq!(device.deadline(), Some(at(6).mono));
        assert_eq!(device.tick(at(6), &mut out), DeviceTick::End(Cause::FrameTimeout));
        let step = device.next(Input::Eof, at(6), &mut out);
        assert!(matches!(step, DeviceStep::End { cause: Cause::Truncated, reason: Some(_) }));
    }

    #[test]
    fn a_lost_connection_gives_up_every_ticket_once() {
        let (mut device, mut out) = (device(3, Ids::Own), Out::new(300));
        for ticket in 0..3 {
            submit(&mut device, ticket, "03 0000 0001", at(0), &mut out).expect("room");
        }
        let given: Vec<_> = core::iter::from_fn(|| device.abandon()).collect();
        assert_eq!(given, [Ticket(0), Ticket(1), Ticket(2)]);
        assert_eq!((device.in_flight(), device.deadline()), (0, None));
        let step = device.next(Input::Eof, at(0), &mut out);
        assert!(matches!(step, DeviceStep::End { cause: Cause::DeviceClosed, reason: None }));
    }

    #[test]
    fn our_own_read_is_the_plain_one_of_its_object() {
        for (space, pdu) in [(Space::Coil, "01"), (Space::Discrete, "02"), (Space::Holding, "03"), (Space::Input, "04")]
        {
            let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
            let read = ReadFirst { unit: 9, object: space.object(), first: 0x10, count: 2 };
            device.ask(&read, Ticket(1), at(0), &mut out).expect("room");
            assert_eq!(out.as_slice()[6..], [&[9], &*hex(pdu), &[0, 0x10, 0, 2]].concat());
        }
        let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
        for (unit, first, count) in [(1, 0, 126), (1, 0, 0), (1, 65535, 2), (256, 0, 1), (1, 65536, 1)] {
            let read = ReadFirst { unit, object: HOLDING, first, count };
            assert_eq!(device.ask(&read, Ticket(1), at(0), &mut out), Err(Reason::InternalError));
        }
        assert!(out.is_empty());
    }

    #[test]
    fn a_request_that_does_not_fit_the_buffer_never_left() {
        let (mut device, mut out) = (device(1, Ids::Own), Out::new(11));
        assert_eq!(submit(&mut device, 5, "03 0000 0001", at(0), &mut out), Err(Reason::TooManyPending));
        assert_eq!((device.in_flight(), out.len()), (0, 0));
    }

    #[test]
    fn a_replay_speaks_under_the_ids_that_it_saw() {
        let (mut device, mut out) = (device(4, Ids::Observed), Out::new(300));
        submit(&mut device, 0x5_1234, "03 0000 0001", at(0), &mut out).expect("room");
        assert_eq!(submit(&mut device, 0x6_1234, "03 0000 0001", at(0), &mut out), Err(Reason::DuplicateId));
        assert_eq!(hear(&mut device, "1234 0000 0005 01 03 02 000a"), Ok((0x5_1234, None)));
    }
}
