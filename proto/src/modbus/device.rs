//! How do we speak the client's role to a device?
//!
//! ```text
//! submit(ticket) -> [in flight] -> answer that fits      -> Told
//!                       |       -> answer that does not  -> Dropped(response_mismatch), ticket spoiled -> [tombstone]
//!                       |       -> request_timeout       -> TimedOut(ticket)                           -> [tombstone]
//!                       `> answer to a tombstone or to nothing -> Dropped(unsolicited_response)
//! ```
//! One ADU a request, nothing is ever sent twice. Where no id tells answers apart (RTU, `upstream_tid = "ignore"`) one
//! request is in flight at most, and a connection on which an answer may still come late is used no more: the next
//! request could be given the last one's answer, and all after it too (GEN-08).

use alloc::collections::VecDeque;
use core::time::Duration;

use super::{
    describe,
    frame::{self, Adu, Framed, Sheet, rtu},
    function::Shape,
    keys::{Framing, Ways},
    request::{Request, Space},
    response::Response,
};
use crate::{
    deed::ReadFirst,
    describe::Each,
    half::{DeviceOptions, DeviceStep, DeviceTick, Ids, Input, Outcome, Sent, Signal, Ticket, Told},
    kept::Kept,
    keys::Setting,
    out::Out,
    protocol::Answer,
    time::{Mono, Now},
    vocab::{Cause, Reason, Repair},
};

/// Requests that were given up and may still be answered late. Their ids are not used again while they are remembered.
/// With one request outstanding and the default timeout of 10 s, 256 are the silence of 40 minutes. An older one is
/// forgotten: its id comes up again only after the other 65 535 of the counter.
const TOMBSTONES_MAX: usize = 256;

/// How long a serial line is left alone after what nobody answers: the slaves are still at it, and without a pause its
/// last byte and the next request's first would be one message to them (Modbus over serial line 2.4.1: 100 to 200 ms).
const TURNAROUND: Duration = Duration::from_millis(100);

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
    answered: Kept,
    next_id: u16,
    pending: usize,
    frame_timeout: Duration,
    request_timeout: Duration,
    ids: Ids,
    /// When the first byte of the answer that is not whole yet was seen.
    partial: Option<Mono>,
    ways: Ways,
    /// An answer may still come, and no id would tell whose it is: this connection ends.
    stale: bool,
    /// The line is left alone until then.
    quiet: Option<Mono>,
}

/// One request in flight.
#[derive(Debug)]
struct Entry {
    id: u16,
    ticket: Ticket,
    /// Unit and PDU, as they left.
    request: Kept,
    due: Mono,
}

impl Device {
    pub(crate) fn new(options: &DeviceOptions) -> Self {
        let ways = Ways::of(&options.settings);
        let most = if tells_apart(&ways) { PENDING_MAX } else { 1 };
        Self {
            entries: VecDeque::new(),
            tombstones: VecDeque::new(),
            answered: Kept::default(),
            next_id: 1,
            pending: options.pending.clamp(1, most),
            frame_timeout: options.frame_timeout,
            request_timeout: options.request_timeout,
            ids: options.ids,
            partial: None,
            ways,
            stale: false,
            quiet: None,
        }
    }

    pub(crate) fn submit(
        &mut self,
        request: &Request<'_>,
        ticket: Ticket,
        now: Now,
        to_device: &mut Out,
    ) -> Result<Sent, Reason> {
        if !self.has_room() {
            if self.ids == Ids::Own {
                return Err(Reason::TooManyPending);
            }
            // Who only watches gives up on the oldest.
            self.entries.pop_front();
            self.stale = false;
        }
        let id = self.take_id(ticket)?;
        let stored = request.store();
        // What leaves must read as what was judged.
        if Request::restore(&stored) != Some(*request) {
            return Err(Reason::NotCanonical);
        }
        let adu = Sheet::framed(self.ways.upstream_framing, id, request.unit, |pdu| request.write(pdu));
        // RTU tells no length: what a device takes for the end of this must be its end, or the rest is another request.
        if self.ways.upstream_framing == Framing::Rtu && !rtu::is_one_request(adu.as_slice()) {
            return Err(Reason::NotCanonical);
        }
        to_device.push(adu.as_slice()).map_err(|_| Reason::TooManyPending)?;
        if !request.is_answered() || self.is_broadcast(request.unit) {
            // One that answers all the same answers nothing.
            bury(&mut self.tombstones, id);
            self.quiet = (self.ways.upstream_framing == Framing::Rtu).then(|| now.mono.after(TURNAROUND));
            return Ok(Sent::Unanswered);
        }
        let due = now.mono.after(self.request_timeout);
        self.entries.push_back(Entry { id, ticket, request: stored, due });
        Ok(Sent::Awaited)
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
        // Nobody would answer.
        if self.is_broadcast(unit) {
            return Err(Reason::UnitNotAllowed);
        }
        self.submit(&request, ticket, now, to_device).map(|_| ())
    }

    pub(crate) fn next<'b>(&'b mut self, input: Input<'b>, now: Now, _to_device: &mut Out) -> DeviceStep<'b> {
        let bytes = match input {
            Input::Stream(bytes) => bytes,
            Input::Datagram(bytes) if self.ids == Ids::Observed => return self.datagram(bytes),
            Input::Datagram(_) => return broken(Reason::UnknownProtocol),
            Input::Eof if self.partial.is_some() => {
                return DeviceStep::End { cause: Cause::Truncated, reason: Some(Reason::LengthMismatch) };
            }
            Input::Eof => return DeviceStep::End { cause: Cause::DeviceClosed, reason: None },
        };
        if self.stale {
            return broken(Reason::UnsolicitedResponse);
        }
        let framed = match (self.ways.upstream_framing, self.entries.front()) {
            // The length of an answer follows from its request, so it is judged once the message is whole.
            (Framing::Tcp, _) => frame::first(bytes, |_, _| Shape::Right),
            (Framing::Rtu, Some(entry)) => rtu::response(bytes, entry.request.get(1..).unwrap_or_default()),
            (Framing::Rtu, None) if bytes.is_empty() => Framed::Need(1),
            (Framing::Rtu, None) => Framed::Broken(Reason::UnsolicitedResponse),
        };
        match framed {
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

    pub(crate) fn describe_alone(&self, frame: &[u8], each: Each<'_>) -> bool {
        match self.ways.upstream_framing {
            Framing::Tcp => match frame::first(frame, |_, _| Shape::Right) {
                Framed::Whole(adu) => describe::alone(adu.unit, adu.pdu, each),
                Framed::Need(_) | Framed::Broken(_) => false,
            },
            // Unit first, the CRC last.
            Framing::Rtu => match (frame.first(), frame.len().checked_sub(2).and_then(|end| frame.get(1..end))) {
                (Some(unit), Some(pdu)) => describe::alone(*unit, pdu, each),
                _ => false,
            },
        }
    }

    /// Its halves have nothing to say to each other.
    pub(crate) fn signal(&mut self, _signal: Signal, _now: Now, _to_device: &mut Out) {}

    /// No Modbus device speaks unasked.
    pub(crate) fn unreported(&mut self, _id: u32, _now: Now, _to_device: &mut Out) {}

    pub(crate) fn has_room(&self) -> bool {
        !self.stale && self.quiet.is_none() && self.entries.len() < self.pending
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
        let stale = self.stale.then_some(Mono::ZERO);
        frame.into_iter().chain(request).chain(stale).chain(self.quiet).min()
    }

    pub(crate) fn tick(&mut self, now: Now, _to_device: &mut Out) -> DeviceTick {
        if self.stale {
            return DeviceTick::End(Cause::RequestTimeout);
        }
        self.quiet = self.quiet.filter(|until| now.mono < *until);
        if self.partial.is_some_and(|since| since.after(self.frame_timeout) <= now.mono) {
            return DeviceTick::End(Cause::FrameTimeout);
        }
        if self.entries.front().is_none_or(|entry| now.mono < entry.due) {
            return DeviceTick::Idle;
        }
        match self.entries.pop_front() {
            Some(entry) => {
                self.give_up(entry.id);
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

    fn is_broadcast(&self, unit: u8) -> bool {
        self.ways.broadcast && unit == 0
    }

    /// A datagram holds one message and nothing else (only captures bring them).
    fn datagram<'b>(&'b mut self, bytes: &'b [u8]) -> DeviceStep<'b> {
        match frame::first(bytes, |_, _| Shape::Right) {
            Framed::Whole(adu) if adu.frame.len() == bytes.len() => self.pair(&adu),
            Framed::Whole(_) | Framed::Need(_) => broken(Reason::LengthMismatch),
            Framed::Broken(reason) => broken(reason),
        }
    }

    /// The true answer of this request may still come.
    fn give_up(&mut self, id: u16) {
        bury(&mut self.tombstones, id);
        self.stale = !tells_apart(&self.ways);
    }

    /// An id that is neither in flight nor may be answered late.
    fn take_id(&mut self, ticket: Ticket) -> Result<u16, Reason> {
        if self.ids == Ids::Observed {
            // `replay` puts the id that it saw into the ticket's low 16 bits. An answer under an id that was used again
            // is taken for the newest request's: the older one's is overdue, or was not captured.
            let id = u16::try_from(ticket.0 & 0xFFFF).map_err(|_| Reason::InternalError)?;
            self.entries.retain(|entry| entry.id != id);
            self.tombstones.retain(|tombstone| *tombstone != id);
            return Ok(id);
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
        let at = if tells_apart(&self.ways) {
            self.entries.iter().position(|entry| entry.id == adu.id)
        } else {
            (self.entries.len() == 1).then_some(0)
        };
        let Some(entry) = at.and_then(|at| self.entries.remove(at)) else {
            self.tombstones.retain(|id| *id != adu.id);
            return DeviceStep::Dropped { used, reason: Reason::UnsolicitedResponse, spoiled: None };
        };
        self.answered = entry.request;
        let read = Request::restore(&self.answered).map(|request| Response::read(request, adu.unit, adu.pdu));
        let Some(Ok((response, exception))) = read else {
            bury(&mut self.tombstones, entry.id);
            self.stale = !tells_apart(&self.ways);
            return DeviceStep::Dropped { used, reason: Reason::ResponseMismatch, spoiled: Some(entry.ticket) };
        };
        let outcome = if exception.is_some() { Outcome::Exception } else { Outcome::Ok };
        let strange = exception.is_some() && exception != response.exception();
        let padded = response.cleared_padding().then_some(Repair::ResponsePadding);
        let repaired = if strange { Some(Repair::ExceptionCode) } else { padded };
        let told = Told { ticket: entry.ticket, answer: Answer::Modbus(response), outcome, exception, repaired };
        DeviceStep::Told { used, told }
    }
}

/// Whether an answer's id tells whose it is.
fn tells_apart(ways: &Ways) -> bool {
    ways.upstream_framing == Framing::Tcp && !ways.ignore_ids
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

/// The fuzzer's way in: a device that says anything at all, in either framing, in answer to one request of each kind.
///
/// # Panics
/// When an invariant breaks, or more answers are told than requests were sent.
pub fn fuzz_device(bytes: &[u8]) {
    ["tcp", "rtu"].iter().for_each(|framing| says(framing, bytes));
}

fn says(framing: &str, bytes: &[u8]) {
    let mut settings = crate::keys::Settings::default();
    settings.0.insert("upstream_framing", Setting::Text(framing.into()));
    let options = DeviceOptions {
        settings,
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
            DeviceStep::Unasked { .. } | DeviceStep::Signal { .. } => panic!("no Modbus device speaks unasked"),
        };
        rest = rest.get(used..).unwrap_or_default();
        device.check_invariants();
    }
}

#[cfg(test)]
mod tests;
