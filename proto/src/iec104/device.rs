//! How do we speak the control centre's role to a station?
//!
//! ```text
//! signal START -> STARTDT act -> con -> signal STARTED          STOPDT likewise          TESTFR: answered here
//! submit(ticket) -> I, in the window of k -> confirmation -> Unasked(settles ticket)
//! I of the station -> Unasked(handle) [open] -> ACKNOWLEDGED(handle) | unreported(handle) -> [done] -> N(R)
//! ```
//! N(R) moves only over what the centre has acknowledged or what we refused: what a station is told that we have, it
//! deletes (IEC 60870-5-104 5.1).

use alloc::collections::VecDeque;
use core::time::Duration;

use super::{
    apci::{self, Frame, Function, HEADER, LAST},
    asdu::{Asdu, AsduFault, Direction},
    cause,
    checks::Check,
    describe,
    head::{Head, head},
    keys::Ways,
    pair::{Call, Calls},
    peer::reason,
    request::Request,
    types::{From, Kind},
    window::Window,
    word,
};
use crate::{
    deed::ReadFirst,
    describe::Each,
    half::{DeviceOptions, DeviceStep, DeviceTick, Floor, Ids, Input, Place, Sent, Signal, Ticket, Unasked},
    out::Out,
    protocol::Message,
    time::{Mono, Now},
    vocab::{Cause, Reason},
};

/// The control centre's role on one station connection.
#[derive(Debug)]
pub struct Device {
    ways: Ways,
    window: Window,
    state: State,
    /// Since when a STARTDT or STOPDT waits for its answer.
    acted: Option<Mono>,
    calls: Calls,
    /// What came of the station and is not acknowledged, oldest first: whether it may be.
    open: VecDeque<bool>,
    /// The handle of the next ASDU of the station.
    next_handle: u32,
    frame_timeout: Duration,
    request_timeout: Duration,
    /// When the first byte of the APDU that is not whole yet was seen.
    partial: Option<Mono>,
    observed: bool,
}

/// How far data transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Stopped,
    Starting,
    Started,
    Stopping,
}

impl Device {
    pub(crate) fn new(options: &DeviceOptions) -> Self {
        let ways = Ways::of(&options.settings);
        let observed = options.ids == Ids::Observed;
        Self {
            window: Window::new(&ways, Duration::MAX, observed),
            ways,
            state: if observed { State::Started } else { State::Stopped },
            acted: None,
            calls: Calls::default(),
            open: VecDeque::new(),
            next_handle: 0,
            frame_timeout: options.frame_timeout,
            request_timeout: options.request_timeout,
            partial: None,
            observed,
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
            return Err(Reason::TooManyPending);
        }
        // What leaves must read as what was judged.
        let sheet = request.asdu.write();
        if sheet.as_slice() != request.asdu.bytes() {
            return Err(Reason::NotCanonical);
        }
        self.window.send(sheet.as_slice(), to_device).map_err(|_| Reason::TooManyPending)?;
        match Call::of(&request.asdu) {
            Some(call) => {
                self.calls.sent(call, ticket, now.mono.after(self.request_timeout));
                Ok(Sent::Awaited)
            }
            None => Ok(Sent::Unanswered),
        }
    }

    /// The gateway's own question: what one point holds (C_RD).
    pub(crate) fn ask(
        &mut self,
        read: &ReadFirst,
        ticket: Ticket,
        now: Now,
        to_device: &mut Out,
    ) -> Result<(), Reason> {
        let (Ok(ca), 1) = (u16::try_from(read.unit), read.count) else { return Err(Reason::InternalError) };
        let ([low, high], [ioa_low, ioa_middle, ioa_high, 0]) = (ca.to_le_bytes(), read.first.to_le_bytes()) else {
            return Err(Reason::InternalError);
        };
        let asdu = [READ, 1, cause::REQUEST, 0, low, high, ioa_low, ioa_middle, ioa_high];
        let asdu = Asdu::read(&asdu, Direction::Control).map_err(|_| Reason::InternalError)?;
        self.submit(&Request::new(asdu), ticket, now, to_device)?;
        self.calls.is_own(ticket);
        Ok(())
    }

    pub(crate) fn signal(&mut self, signal: Signal, now: Now, to_device: &mut Out) {
        match (signal.kind, self.state) {
            (word::START, State::Stopped) => self.act(Function::StartAct, State::Starting, now, to_device),
            (word::STOP, State::Starting | State::Started) => {
                self.window.acknowledge(to_device);
                self.act(Function::StopAct, State::Stopping, now, to_device);
            }
            (word::ACKNOWLEDGED, _) => {
                self.may_forget(signal.value);
                // The station's t1 runs since it sent this, and the centre has had its t2 already.
                self.window.acknowledge(to_device);
            }
            _ => {}
        }
    }

    pub(crate) fn unreported(&mut self, id: u32, _now: Now, _to_device: &mut Out) {
        let ahead = usize::try_from(self.next_handle.wrapping_sub(id)).ok();
        let at = ahead.and_then(|ahead| self.open.len().checked_sub(ahead));
        if let Some(one) = at.and_then(|at| self.open.get_mut(at)) {
            *one = true;
        }
        self.settle();
    }

    pub(crate) fn next<'b>(&'b mut self, input: Input<'b>, now: Now, to_device: &mut Out) -> DeviceStep<'b> {
        match head(input, &mut self.partial, Cause::DeviceClosed, now) {
            Head::Need(at_least) => DeviceStep::Need { at_least },
            Head::End(cause, reason) => DeviceStep::End { cause, reason },
            Head::Whole(frame, says) => {
                self.window.hear(now);
                let step = match says {
                    Frame::U(function) => self.told(function, to_device),
                    Frame::S(receive) => {
                        self.window.acknowledged(receive).map(|_| DeviceStep::Own { used: frame.len() })
                    }
                    Frame::I(send, receive, asdu) => self.said(frame, (send, receive), asdu),
                };
                step.unwrap_or_else(|check| broken(reason(check)))
            }
        }
    }

    /// What a station's APDU says that belongs to nothing.
    pub(crate) fn describe_alone(&self, frame: &[u8], each: Each<'_>) -> bool {
        describe::alone(frame, each)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.state == State::Started && self.window.has_room()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn abandon(&mut self) -> Option<Ticket> {
        self.partial = None;
        self.calls.give_up()
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        let frame = self.partial.map(|since| since.after(self.frame_timeout));
        let act = self.acted.map(|since| since.after(self.ways.t1));
        [frame, act, self.calls.deadline(), self.window.deadline(true)].into_iter().flatten().min()
    }

    pub(crate) fn tick(&mut self, now: Now, to_device: &mut Out) -> DeviceTick {
        if self.partial.is_some_and(|since| since.after(self.frame_timeout) <= now.mono) {
            return DeviceTick::End(Cause::FrameTimeout);
        }
        let unconfirmed = self.acted.is_some_and(|since| since.after(self.ways.t1) <= now.mono);
        if unconfirmed || !self.window.tick(now, true, to_device) {
            return DeviceTick::End(Cause::RequestTimeout);
        }
        self.calls.timed_out(now.mono).map_or(DeviceTick::Idle, DeviceTick::TimedOut)
    }

    pub(crate) fn check_invariants(&self) {
        self.window.check_invariants();
        self.calls.check_invariants();
        assert!(self.open.front() != Some(&true), "what may be acknowledged is");
    }

    fn act(&mut self, function: Function, state: State, now: Now, to_device: &mut Out) {
        // Nothing but such frames can fill the buffer; then t1 ends the connection.
        let _ = apci::write_u(function, to_device);
        (self.acted, self.state) = (Some(now.mono), state);
    }

    fn told<'b>(&mut self, function: Function, to_device: &mut Out) -> Result<DeviceStep<'b>, Check> {
        let own = Ok(DeviceStep::Own { used: HEADER });
        let signal =
            |kind| Ok(DeviceStep::Signal { used: HEADER, signal: Signal { kind, value: 0, floor: Floor::Silent } });
        match (function, self.state) {
            (Function::TestAct, _) => {
                let _ = apci::write_u(Function::TestCon, to_device);
                own
            }
            (Function::TestCon, _) => {
                self.window.answered();
                own
            }
            (Function::StartCon | Function::StopCon, _) if self.observed => own,
            (Function::StartCon, State::Starting) => {
                (self.acted, self.state) = (None, State::Started);
                signal(word::STARTED)
            }
            (Function::StopCon, State::Stopping) => {
                (self.acted, self.state) = (None, State::Stopped);
                signal(word::STOPPED)
            }
            // Confirmed twice, or before a stop that crossed it.
            (Function::StartCon, State::Started | State::Stopping) | (Function::StopCon, State::Stopped) => own,
            (Function::StartAct | Function::StopAct, _)
            | (Function::StartCon, State::Stopped)
            | (Function::StopCon, State::Starting | State::Started) => Err(Check::Role),
        }
    }

    /// One ASDU of the station. From here on it is ours to acknowledge, or not to.
    fn said<'b>(
        &mut self,
        frame: &'b [u8],
        (send, receive): (u16, u16),
        asdu: &'b [u8],
    ) -> Result<DeviceStep<'b>, Check> {
        if !matches!(self.state, State::Started | State::Stopping) {
            return Err(Check::Stopped);
        }
        self.window.is_next(send)?;
        self.window.acknowledged(receive)?;
        // A station that never waits for us would come round to numbers that are still open.
        if self.open.len() >= usize::from(LAST) {
            return Err(Check::SendNumber);
        }
        let used = frame.len();
        let asdu = match Asdu::read(asdu, Direction::Monitor) {
            Ok(asdu) => asdu,
            Err(AsduFault::Severed { reason, .. }) => return Ok(broken(reason)),
            Err(AsduFault::Illegal { reason, .. }) => return Ok(self.dropped(used, reason)),
        };
        if let Some(check) = asdu.anomaly().filter(|_| self.ways.monitor_strict) {
            return Ok(self.dropped(used, reason(check)));
        }
        if self.calls.hears_own(&asdu) {
            self.taken(true);
            self.settle();
            return Ok(DeviceStep::Own { used });
        }
        let place = match self.calls.place(&asdu) {
            Some(place) => place,
            // A command that confirms nothing (IE-20). A capture may have begun after what it confirms.
            None if confirms(&asdu) && !self.observed => {
                return Ok(self.dropped(used, Reason::DirectionNotAllowed));
            }
            None => Place::Report,
        };
        let id = self.taken(false);
        let message = Message::Iec104(Request::new(asdu));
        let odd = asdu.anomaly().map(Check::id);
        Ok(DeviceStep::Unasked { used, unasked: Unasked { message, frame, id, place, odd } })
    }

    /// It reaches nobody, and the station may forget it.
    fn dropped<'b>(&mut self, used: usize, reason: Reason) -> DeviceStep<'b> {
        self.taken(true);
        self.settle();
        DeviceStep::Dropped { used, reason, spoiled: None }
    }

    fn taken(&mut self, done: bool) -> u32 {
        self.window.take();
        if !self.observed {
            self.open.push_back(done);
        }
        let id = self.next_handle;
        self.next_handle = id.wrapping_add(1);
        id
    }

    /// The centre has everything up to this handle.
    fn may_forget(&mut self, handle: u32) {
        let ahead = usize::try_from(self.next_handle.wrapping_sub(handle)).unwrap_or(usize::MAX);
        let many = self.open.len().saturating_add(1).saturating_sub(ahead);
        self.open.iter_mut().take(many).for_each(|one| *one = true);
        self.settle();
    }

    /// What is settled from the oldest on may be acknowledged.
    fn settle(&mut self) {
        let mut frames = 0u16;
        while self.open.front() == Some(&true) {
            self.open.pop_front();
            frames = frames.saturating_add(1);
        }
        self.window.settle(frames);
    }
}

/// C_RD_NA_1.
const READ: u8 = 102;

/// Whether it is a command's image. A parameter that an interrogation tells is none, and no clock that a station tells.
fn confirms(asdu: &Asdu<'_>) -> bool {
    let told = match asdu.spec().kind {
        Kind::ParameterNormalised | Kind::ParameterScaled | Kind::ParameterFloat => matches!(asdu.cause(), 20..=36),
        Kind::Clock => asdu.cause() == cause::SPONTANEOUS,
        _ => false,
    };
    asdu.spec().from == From::Centre && !told
}

const fn broken<'b>(reason: Reason) -> DeviceStep<'b> {
    DeviceStep::End { cause: Cause::Malformed, reason: Some(reason) }
}

#[cfg(test)]
mod tests;
