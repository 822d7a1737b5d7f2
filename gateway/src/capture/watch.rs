//! What do the two ends of one conversation say to each other?
//!
//! The bytes of both go through the same halves as on the gateway's wire, which only watch here. What cannot be read is
//! told and left; the conversation is taken up again where a later packet starts with something whole. There is no
//! search for a start in the middle of bytes: what stands there may be anything.

use std::net::SocketAddr;

use sluicegate_proto::{
    half::{Asked, Body, DeviceStep, Input, Step, Ticket},
    protocol::{DeviceHalf, Message, PeerHalf},
    sentence::Grammar,
    vocab::Reason,
};

use super::{
    gate::Ruling,
    inbox::Inbox,
    line::{Direction, Line, Shown, name},
    session::Session,
    side::Mark,
    watcher::Watcher,
};

/// Bytes of a message that is not whole yet. Larger than any message of any protocol here; a half that asks for more is
/// told apart from one that waits.
const MESSAGE_MAX: usize = 256 * 1024;

/// One conversation.
#[derive(Debug)]
pub(super) struct Talk {
    stream: u32,
    client: SocketAddr,
    server: SocketAddr,
    pub(super) peer: PeerHalf,
    pub(super) device: DeviceHalf,
    requests: Inbox,
    responses: Inbox,
    asked: u32,
    /// The same conversation before the gate, where there is one.
    session: Option<Session>,
    /// Its start was not captured, or something of it: an answer may well have had a request.
    pub(super) torn: bool,
    /// Which directions have not been read since something was missing: what cannot be read there may be the capture's
    /// fault, not the sender's.
    pub(super) lost: Lost,
    /// How often each direction went on as another conversation.
    pub(super) renewed: Renewed,
}

/// How often each direction went on as another conversation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Renewed {
    requests: u32,
    responses: u32,
}

impl Renewed {
    /// The count of a direction, and that of the other.
    pub(super) fn of(&mut self, direction: Direction) -> (&mut u32, u32) {
        match direction {
            Direction::Request => (&mut self.requests, self.responses),
            Direction::Response => (&mut self.responses, self.requests),
        }
    }
}

/// Directions that have not been read since something was missing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    requests: bool,
    responses: bool,
}

impl Lost {
    pub(super) fn set(&mut self, direction: Direction, lost: bool) {
        match direction {
            Direction::Request => self.requests = lost,
            Direction::Response => self.responses = lost,
        }
    }

    pub(super) const fn is(self, direction: Direction) -> bool {
        match direction {
            Direction::Request => self.requests,
            Direction::Response => self.responses,
        }
    }
}

/// What became of the first bytes of an inbox.
enum Read {
    /// They wait for more.
    More(usize),
    /// So many are done with.
    Used(usize),
    /// They mean nothing, for this reason.
    Nothing(Reason),
}

impl Talk {
    pub(super) fn new(stream: u32, (client, server): (SocketAddr, SocketAddr), watcher: &Watcher<'_>) -> Self {
        Self {
            stream,
            client,
            server,
            peer: watcher.peer(),
            device: watcher.device(),
            requests: Inbox::default(),
            responses: Inbox::default(),
            asked: 0,
            session: watcher.gate.as_ref().map(|gate| Session::new(client.ip(), gate)),
            torn: false,
            lost: Lost::default(),
            renewed: Renewed::default(),
        }
    }

    /// The next bytes of one direction, all of one packet.
    pub(super) fn bytes(&mut self, direction: Direction, bytes: &[u8], mark: Mark, watcher: &mut Watcher<'_>) {
        let inbox = self.inbox(direction);
        let fresh = inbox.bytes().len();
        if !inbox.add(bytes, mark) {
            return;
        }
        let mut inbox = std::mem::take(inbox);
        let (used, at_least) = self.messages(direction, &inbox, fresh, watcher);
        inbox.leave(used, at_least);
        *self.inbox(direction) = inbox;
    }

    /// One whole datagram.
    pub(super) fn datagram(&mut self, direction: Direction, bytes: &[u8], mark: Mark, watcher: &mut Watcher<'_>) {
        let read = self.read(direction, Input::Datagram(bytes), &|_| mark, watcher);
        match read {
            Read::Used(_) => {}
            Read::More(_) => self.unreadable(direction, bytes, (Reason::LengthMismatch, mark), watcher),
            Read::Nothing(reason) => self.unreadable(direction, bytes, (reason, mark), watcher),
        }
    }

    /// Reads what is whole. Returns how many bytes are done with, and how many there must be to read on.
    fn messages(
        &mut self,
        direction: Direction,
        inbox: &Inbox,
        fresh: usize,
        watcher: &mut Watcher<'_>,
    ) -> (usize, usize) {
        // Where to take the conversation up again: what this packet brought.
        let mut again = Some(fresh);
        let mut used = 0;
        while used < inbox.bytes().len() {
            let rest = &inbox.bytes()[used..];
            let read = self.read(direction, Input::Stream(rest), &|n| inbox.mark(used, used + n), watcher);
            let reason = match read {
                Read::More(at_least) if at_least <= MESSAGE_MAX => return (used, at_least.max(rest.len() + 1)),
                Read::Used(n) if n > 0 => {
                    used += n;
                    self.lost.set(direction, false);
                    continue;
                }
                // A half that asks for more than any message has, or for nothing, is as lost as one that says so.
                Read::More(_) | Read::Used(_) => Reason::Malformed,
                Read::Nothing(reason) => reason,
            };
            let stop = again.take().filter(|start| *start > used).unwrap_or(inbox.bytes().len());
            let mark = inbox.mark(used, stop);
            self.unreadable(direction, &inbox.bytes()[used..stop], (reason, mark), watcher);
            used = stop;
        }
        (used, 1)
    }

    fn read(
        &mut self,
        direction: Direction,
        input: Input<'_>,
        mark: &dyn Fn(usize) -> Mark,
        watcher: &mut Watcher<'_>,
    ) -> Read {
        watcher.out.clear();
        match direction {
            Direction::Request => self.request(input, mark, watcher),
            Direction::Response => self.response(input, mark, watcher),
        }
    }

    fn request(&mut self, input: Input<'_>, mark: &dyn Fn(usize) -> Mark, watcher: &mut Watcher<'_>) -> Read {
        let asked = match self.peer.next(input, watcher.now, &mut watcher.out) {
            Step::Need { at_least } => return Read::More(at_least),
            // Nothing is accepted here, so nothing waits for an answer before it.
            Step::Wait => return Read::More(1),
            Step::Own { used } | Step::Signal { used, .. } => {
                watcher.total.own += 1;
                return Read::Used(used);
            }
            Step::End { reason, .. } => return Read::Nothing(reason.unwrap_or(Reason::Malformed)),
            Step::Asked(asked) => asked,
        };
        let mut line = self.line(Direction::Request, mark(asked.used));
        line.bytes = length(asked.used);
        let grammar = watcher.protocol.grammar();
        match asked.body {
            Body::Message(message) => {
                let ticket = self.ticket(&asked);
                if let (Some(session), Some(gate)) = (&mut self.session, &mut watcher.gate) {
                    let who = session.name(gate);
                    let (ruling, deeds) = session.asks(asked.frame, ticket, gate, watcher.now, &mut |message| {
                        message.describe(&mut |one| line.deeds.push(Shown::of(who, &one)));
                    });
                    line.judged(ruling, deeds);
                } else {
                    message.describe(&mut |one| line.deeds.push(Shown::of(None, &one)));
                }
                line.message = Some(name(grammar, message.function(), &line.deeds));
                // The gate answers an id that is in flight with silence: what the device answers is the other's.
                let doubled = line.ruling.as_ref().is_some_and(|ruling| ruling.reason == Some(Reason::DuplicateId));
                if !doubled {
                    // A half that watches takes every message; one that it does not is answered by strangers.
                    let _ = self.device.submit(&message, ticket, watcher.now, &mut watcher.out);
                }
            }
            Body::Illegal { reason, function, unit, .. } => {
                line.malformed = Some(reason);
                line.claims = Some((unit, function));
                line.note = Some("it is framed well, but says what its function cannot carry".to_owned());
                if watcher.gate.is_some() {
                    line.judged(Ruling::denied(reason), Vec::new());
                }
            }
        }
        watcher.tell(&line);
        Read::Used(asked.used)
    }

    fn response(&mut self, input: Input<'_>, mark: &dyn Fn(usize) -> Mark, watcher: &mut Watcher<'_>) -> Read {
        let bytes = match input {
            Input::Stream(bytes) | Input::Datagram(bytes) => bytes,
            Input::Eof => &[],
        };
        // The answer borrows the half that read it.
        let mut line = self.line(Direction::Response, Mark::default());
        let mut completed = |used: usize| {
            let Mark { frame, time } = mark(used);
            (line.frame, line.time, line.bytes) = (frame, time, length(used));
        };
        let stray = match self.device.next(input, watcher.now, &mut watcher.out) {
            DeviceStep::Need { at_least } => return Read::More(at_least),
            DeviceStep::Own { used } | DeviceStep::Signal { used, .. } => {
                watcher.total.own += 1;
                return Read::Used(used);
            }
            DeviceStep::End { reason, .. } => return Read::Nothing(reason.unwrap_or(Reason::Malformed)),
            DeviceStep::Told { used, told } => {
                completed(used);
                let mut verdict = None;
                let mut who = None;
                if let (Some(session), Some(gate)) = (&mut self.session, &mut watcher.gate) {
                    who = session.name(gate);
                    verdict = Some(session.told(told.ticket, &told.answer, gate));
                }
                told.answer.describe(&mut |one| line.deeds.push(Shown::of(who, &one)));
                if let Some((ruling, deeds)) = verdict {
                    line.judged(ruling, deeds);
                }
                line.message = Some(name(watcher.protocol.grammar(), 0, &line.deeds));
                watcher.tell(&line);
                return Read::Used(used);
            }
            DeviceStep::Unasked { used, unasked } => {
                completed(used);
                reported(&mut line, &unasked.message, self.session.as_ref(), watcher);
                return Read::Used(used);
            }
            DeviceStep::Dropped { used, reason, .. } => (used, reason),
        };
        let (used, reason) = stray;
        completed(used);
        let frame = bytes.get(..used).unwrap_or_default();
        let mut line = self.stray(line, frame, reason, watcher.protocol.grammar());
        if watcher.gate.is_some() {
            let known = !self.torn && self.asked > 0 || reason != Reason::UnsolicitedResponse;
            line.judged(if known { Ruling::denied(reason) } else { Ruling::default() }, Vec::new());
        }
        watcher.tell(&line);
        Read::Used(used)
    }

    /// An answer that fits no request: what it says for itself.
    fn stray(&self, mut line: Line, frame: &[u8], reason: Reason, grammar: &Grammar) -> Line {
        let mut deeds = Vec::new();
        let mut claims = None;
        self.device.describe_alone(frame, &mut |one| {
            claims.get_or_insert((one.deed.unit, one.deed.function));
            deeds.push(Shown::of(None, &one));
        });
        if reason == Reason::UnsolicitedResponse && !deeds.is_empty() {
            line.message = Some(name(grammar, 0, &deeds));
            line.deeds = deeds;
            line.note = Some("its request was not captured".to_owned());
        } else {
            line.malformed = Some(reason);
            line.claims = claims;
        }
        line
    }

    /// A line of this conversation, nothing said yet.
    pub(super) fn line(&self, direction: Direction, mark: Mark) -> Line {
        Line {
            frame: mark.frame,
            time: mark.time,
            stream: self.stream,
            client: self.client,
            server: self.server,
            direction,
            message: None,
            deeds: Vec::new(),
            malformed: None,
            claims: None,
            note: None,
            bytes: 0,
            ruling: None,
        }
    }

    fn ticket(&mut self, asked: &Asked<'_>) -> Ticket {
        self.asked = self.asked.wrapping_add(1);
        Ticket((u64::from(self.asked) << 32) | u64::from(asked.id))
    }

    pub(super) fn inbox(&mut self, direction: Direction) -> &mut Inbox {
        match direction {
            Direction::Request => &mut self.requests,
            Direction::Response => &mut self.responses,
        }
    }
}

pub(super) fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What a device says unasked.
fn reported(line: &mut Line, message: &Message<'_>, session: Option<&Session>, watcher: &mut Watcher<'_>) {
    let mut who = None;
    if let (Some(session), Some(gate)) = (session, &mut watcher.gate) {
        who = session.name(gate);
        let (ruling, deeds) = session.reports(message, gate);
        line.judged(ruling, deeds);
    }
    message.describe(&mut |one| line.deeds.push(Shown::of(who, &one)));
    line.message = Some(name(watcher.protocol.grammar(), message.function(), &line.deeds));
    watcher.tell(line);
}
