//! How do we speak the station's role to a control centre?
//!
//! ```text
//! STARTDT act -> signal -> the station's con -> STARTDT con        STOPDT likewise        TESTFR: answered here
//! I -> Asked -> accept(ticket) [slot] -> the station's confirmation -> report [slot free]
//!            -> refuse -> the same ASDU, P/N = 1
//! report, refuse -> [queue] -> window of k -> centre -> N(R) -> signal: the station may forget so much
//! ```

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::time::Duration;

use super::{
    apci::{self, Frame, Function, HEADER},
    asdu::{BROADCAST, mirror},
    checks::{Check, Fate},
    head::{Head, head},
    keys::Ways,
    refusal,
    request::Request,
    select::Selected,
    window::Window,
    word,
};
use crate::{
    half::{Asked, Body, Ids, Input, Outcome, PeerOptions, Place, Signal, Step, Ticket, Told, Unasked},
    out::{Full, Out},
    policy::Denied,
    protocol::Message,
    time::{Mono, Now},
    vocab::{Cause, OnDeny, Reason},
};

mod read;

/// The station's role towards one control centre.
#[derive(Debug)]
pub struct Peer {
    ways: Ways,
    window: Window,
    state: State,
    /// One for each command that is not confirmed, oldest first.
    slots: Vec<Slot>,
    pending: usize,
    /// ASDUs that wait for the window, oldest first, each with the station's handle where it is the station's.
    queue: VecDeque<(Box<[u8]>, Option<u32>)>,
    /// The handles of what left and is not acknowledged.
    flying: VecDeque<Option<u32>>,
    /// The station has stopped; the centre hears of it when it has acknowledged everything.
    stopped: bool,
    selected: Selected,
    frame_timeout: Duration,
    /// When the first byte of the APDU that is not whole yet was seen.
    partial: Option<Mono>,
    /// All slots were taken since the clock was last looked at: what the centre says then lies unread behind its next command.
    deaf: bool,
    observed: bool,
}

/// How far data transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Stopped,
    /// The centre wants to start; the station has not confirmed.
    Starting,
    Started,
    /// The centre wants to stop; the station has not confirmed, or not everything is acknowledged.
    Stopping,
}

/// A command on its way.
#[derive(Debug)]
struct Slot {
    ticket: Ticket,
    asdu: Box<[u8]>,
    /// The cause with which an illegal one is refused.
    answer: Option<u8>,
    /// By when what it executes must leave: its select counts so long.
    until: Option<Mono>,
}

/// ASDUs that may wait for the window before nothing more is read from the centre: its acknowledgements come with what
/// it sends, so this is more than a centre in good order needs.
const QUEUE_MAX: usize = 256;

impl Peer {
    pub(crate) fn new(options: &PeerOptions) -> Self {
        let ways = Ways::of(&options.settings);
        let observed = options.ids == Ids::Observed;
        let quiet = options.idle_timeout.checked_div(2).unwrap_or(Duration::MAX);
        Self {
            window: Window::new(&ways, quiet, observed),
            selected: Selected::new(ways.select_timeout),
            ways,
            state: if observed { State::Started } else { State::Stopped },
            slots: Vec::new(),
            pending: options.pending,
            queue: VecDeque::new(),
            flying: VecDeque::new(),
            stopped: false,
            frame_timeout: options.frame_timeout,
            partial: None,
            deaf: false,
            observed,
        }
    }

    pub(crate) fn next<'b>(&mut self, input: Input<'b>, now: Now, to_peer: &mut Out) -> Step<'b> {
        self.listen(now);
        match head(input, &mut self.partial, Cause::PeerClosed, now) {
            Head::Need(at_least) => Step::Need { at_least },
            Head::End(cause, reason) => Step::End { cause, reason },
            Head::Whole(frame, says) => {
                self.window.hear(now);
                let step = match says {
                    Frame::U(function) => self.told(function, to_peer),
                    Frame::S(receive) => self.acknowledged(receive, frame.len(), to_peer),
                    Frame::I(send, receive, asdu) => self.asked(frame, (send, receive), asdu, now, to_peer),
                };
                step.unwrap_or_else(|check| broken(reason(check)))
            }
        }
    }

    /// An illegal message can take a slot too: its refusal may be due later.
    pub(crate) fn accept(&mut self, asked: &Asked<'_>, ticket: Ticket) -> Result<(), Reason> {
        if !self.has_slot() {
            // Who only watches refuses nobody.
            if !self.observed || self.slots.is_empty() {
                return Err(Reason::TooManyPending);
            }
            self.slots.remove(0);
        }
        let (answer, until) = match &asked.body {
            Body::Message(Message::Iec104(request)) => {
                let until = self.selected.until(&request.asdu).filter(|_| request.selected);
                self.selected.spend(request);
                (None, until)
            }
            Body::Message(_) => return Err(Reason::InternalError),
            Body::Illegal { answer, .. } => (Some(*answer), None),
        };
        self.slots.push(Slot { ticket, asdu: asdu_of(asked.frame).into(), answer, until });
        self.deaf |= self.is_full();
        self.take();
        Ok(())
    }

    /// A select that ran out while its execute waited counts no more.
    pub(crate) fn as_of<'b>(&self, ticket: Ticket, message: Message<'b>, now: Now) -> Message<'b> {
        let Message::Iec104(request) = message else { return message };
        let slot = self.slots.iter().find(|slot| slot.ticket == ticket);
        let over = slot.and_then(|slot| slot.until).is_some_and(|until| until <= now.mono);
        Message::Iec104(Request { selected: request.selected && !over, ..request })
    }

    /// What the centre must say in time it could not be heard to say until now.
    pub(crate) fn read_again(&mut self, now: Now) {
        self.partial = self.partial.map(|_| now.mono);
        self.window.listen_again(now);
    }

    pub(crate) fn refuse(
        &mut self,
        asked: &Asked<'_>,
        denied: &Denied,
        style: OnDeny,
        to_peer: &mut Out,
    ) -> Result<(), Full> {
        let answer = match asked.body {
            Body::Message(_) => None,
            Body::Illegal { answer, .. } => Some(answer),
        };
        self.take();
        self.negative(asdu_of(asked.frame), answer, denied, style, to_peer)
    }

    pub(crate) fn refuse_ticket(
        &mut self,
        ticket: Ticket,
        denied: &Denied,
        style: OnDeny,
        to_peer: &mut Out,
    ) -> Result<(), Full> {
        let Some(slot) = self.free(ticket) else { return Ok(()) };
        // Its fate is unknown, and a late confirmation still comes: nobody says in the meantime that it was refused.
        if denied.reason == Reason::RequestTimeout {
            return Ok(());
        }
        self.negative(&slot.asdu, slot.answer, denied, style, to_peer)
    }

    pub(crate) fn unanswered(&mut self, ticket: Ticket, _to_peer: &mut Out) -> Result<(), Full> {
        self.free(ticket);
        Ok(())
    }

    /// No station answers: it confirms, and that is a report.
    pub(crate) fn deliver(&mut self, told: &Told<'_>, _to_peer: &mut Out) -> Result<(), Full> {
        self.free(told.ticket);
        Ok(())
    }

    pub(crate) fn signal(&mut self, signal: Signal, _now: Now, to_peer: &mut Out) -> Result<(), Full> {
        match (signal.kind, self.state) {
            (word::STARTED, State::Starting) => {
                self.state = State::Started;
                apci::write_u(Function::StartCon, to_peer)
            }
            (word::STOPPED, State::Stopping) => {
                self.stopped = true;
                self.flush(to_peer)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn report(&mut self, unasked: &Unasked<'_>, now: Now, to_peer: &mut Out) -> Result<(), Full> {
        if let Place::Settles(ticket, outcome) = unasked.place
            && let Some(slot) = self.free(ticket)
            && outcome == Outcome::Ok
            && let Message::Iec104(image) = &unasked.message
        {
            self.selected.confirmed(&slot.asdu, image, now);
        }
        self.push(asdu_of(unasked.frame), Some(unasked.id), to_peer)
    }

    pub(crate) fn takes_reports(&self) -> bool {
        self.queue.len() < usize::from(self.ways.k)
    }

    /// The connection's end says it.
    pub(crate) fn device_is(&mut self, _up: bool, _to_peer: &mut Out) {}

    /// One slot more than `pending`: it is reserved for a message that every rule on it marks `always`.
    pub(crate) fn has_room(&self) -> bool {
        self.has_slot() && self.queue.len() < QUEUE_MAX
    }

    pub(crate) fn pending(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.partial.map(|since| since.after(self.frame_timeout))
    }

    pub(crate) fn timer(&self) -> Option<Mono> {
        // It is heard again: its clocks begin at once.
        if self.deaf && !self.is_full() { Some(Mono::ZERO) } else { self.window.deadline(!self.deaf) }
    }

    pub(crate) fn tick(&mut self, now: Now, to_peer: &mut Out) -> Option<Cause> {
        if self.deadline().is_some_and(|due| due <= now.mono) {
            return Some(Cause::FrameTimeout);
        }
        self.listen(now);
        // A centre that acknowledges nothing and answers no test is not there any more.
        if self.window.tick(now, !self.deaf, to_peer) { None } else { Some(Cause::Idle) }
    }

    pub(crate) fn check_invariants(&self) {
        self.window.check_invariants();
        assert!(self.slots.len() <= self.pending.saturating_add(1), "more slots than the bound");
        assert!(self.queue.len() <= QUEUE_MAX.saturating_add(2), "more waits than the bound");
        for (at, slot) in self.slots.iter().enumerate() {
            let twin = self.slots.iter().skip(at.saturating_add(1)).find(|other| other.ticket == slot.ticket);
            assert!(twin.is_none(), "two slots with one ticket");
        }
    }

    /// Whether the slots of all that is not `always` are taken: the next command is not read, and nothing that follows it.
    fn is_full(&self) -> bool {
        !self.observed && self.slots.len() >= self.pending
    }

    /// Once there is a slot again, what lay unread is read: it is not too late before it could be heard.
    fn listen(&mut self, now: Now) {
        if self.deaf && !self.is_full() {
            self.deaf = false;
            self.window.listen_again(now);
        }
    }

    fn has_slot(&self) -> bool {
        self.slots.len() <= self.pending
    }

    fn free(&mut self, ticket: Ticket) -> Option<Slot> {
        let at = self.slots.iter().position(|slot| slot.ticket == ticket)?;
        Some(self.slots.remove(at))
    }

    /// An I frame of the centre is used. What it comes to is told by an ASDU, so it is acknowledged whatever that will be.
    fn take(&mut self) {
        self.window.take();
        self.window.settle(1);
    }

    fn negative(
        &mut self,
        asdu: &[u8],
        answer: Option<u8>,
        denied: &Denied,
        style: OnDeny,
        to_peer: &mut Out,
    ) -> Result<(), Full> {
        if style != OnDeny::Refuse {
            return Ok(());
        }
        let sheet = match answer {
            Some(cause) if !is_global(asdu) => mirror(asdu, cause, true),
            Some(_) => None,
            None => refusal::refusal(asdu, denied),
        };
        sheet.map_or(Ok(()), |sheet| self.push(sheet.as_slice(), None, to_peer))
    }

    /// Sends an ASDU in its turn.
    fn push(&mut self, asdu: &[u8], handle: Option<u32>, to_peer: &mut Out) -> Result<(), Full> {
        if self.queue.len() > QUEUE_MAX {
            return Err(Full);
        }
        self.queue.push_back((asdu.into(), handle));
        self.flush(to_peer)
    }

    /// What waits and may leave. When nothing is left that the centre has not acknowledged, a stop is confirmed.
    fn flush(&mut self, to_peer: &mut Out) -> Result<(), Full> {
        while self.window.has_room()
            && matches!(self.state, State::Started | State::Stopping)
            && let Some((asdu, handle)) = self.queue.front()
        {
            self.window.send(asdu, to_peer)?;
            self.flying.push_back(*handle);
            self.queue.pop_front();
        }
        if self.stopped && self.queue.is_empty() && self.window.is_clear() {
            self.window.acknowledge(to_peer);
            apci::write_u(Function::StopCon, to_peer)?;
            (self.stopped, self.state) = (false, State::Stopped);
        }
        Ok(())
    }
}

/// The ASDU of an I frame.
fn asdu_of(frame: &[u8]) -> &[u8] {
    frame.get(HEADER..).unwrap_or_default()
}

/// Whether no station would know that an answer is meant for it.
fn is_global(asdu: &[u8]) -> bool {
    asdu.get(4..6).is_some_and(|ca| ca == BROADCAST.to_le_bytes())
}

/// Under which reason a broken APDU counts.
pub(super) const fn reason(check: Check) -> Reason {
    match check.fate() {
        Fate::Severed(reason) | Fate::Refused(reason, _) | Fate::Alarmed(reason, _) => reason,
    }
}

const fn broken<'b>(reason: Reason) -> Step<'b> {
    Step::End { cause: Cause::Malformed, reason: Some(reason) }
}

#[cfg(test)]
mod tests;
