//! What does a conduit keep for one session?

use std::{
    cell::{Cell, OnceCell},
    collections::VecDeque,
    time::Duration,
};

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    deed::ReadFirst,
    half::{Ids, PeerOptions, Ticket},
    out::Out,
    policy::{Charges, Denied, Reservation},
    protocol::{PeerHalf, Stored},
    time::Mono,
    vocab::Cause,
};

use super::{LinkKey, core::Core, kind::Kind};
use crate::{
    observe::{
        journal::{Seq, Slot},
        metrics::SessionGuard,
    },
    permit::Permit,
};

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) permit: Permit,
    pub(super) half: PeerHalf,
    /// Bytes that no whole message was read from yet: at most one read of the driver and one partial frame.
    pub(super) spill: Vec<u8>,
    /// How many bytes of `spill` make the next attempt worth while.
    pub(super) at_least: usize,
    pub(super) out: Out,
    pub(super) link: LinkKey,
    /// Accepted messages that have not left for the device, in the order of the requests.
    pub(super) queue: VecDeque<Job>,
    /// Refusals held back by `on_refusal_flood = "slow"`, due times ascending.
    pub(super) slowed: VecDeque<(Mono, Ticket, Denied)>,
    pub(super) ended: Option<Cause>,
    /// The peer sends no more; its answers are still owed until then.
    pub(super) closing_by: Option<Mono>,
    /// The last whole message in either direction.
    pub(super) active: Mono,
    /// Reading pauses until then (`bytes`)...
    pub(super) paused: Option<Mono>,
    /// ...for so many bytes that were read and not paid for.
    pub(super) unpaid: usize,
    /// No message is taken until then, not even one that is here already.
    pub(super) hushed: Option<Mono>,
    /// A message waits unread for one of this many ordinary slots.
    pub(super) held_back: Option<usize>,
    /// It is the one that speaks with the device, where only one should.
    pub(super) has_floor: bool,
    /// When it hears of the time; never later than its deadline.
    pub(super) armed: Option<Mono>,
    /// Taken out of the gauge when the session ends.
    pub(super) guard: Option<SessionGuard>,
}

/// An accepted message on its way to the device.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) ticket: Ticket,
    pub(super) message: Stored,
    pub(super) frame: Option<Box<[u8]>>,
    pub(super) kind: Kind,
    pub(super) charges: Charges,
    /// What monitor mode would have refused it for.
    pub(super) would_deny: Option<Denied>,
    pub(super) reservation: Option<Reservation>,
    /// Room for the record of an allowed write.
    pub(super) slot: Option<Slot>,
    /// The record that must be on disk first...
    pub(super) recorded: Option<Seq>,
    /// ...which says that it would have been refused: nothing is written a second time.
    pub(super) recorded_denial: bool,
    /// Since when it waits for the device's turn.
    pub(super) arrived: Mono,
    /// A read over its rate waits until then, and its limits are asked again...
    pub(super) not_before: Option<Mono>,
    /// ...except the peer's own, where that is paid.
    pub(super) peer_paid: bool,
    /// The own read that it waits for.
    pub(super) waits_for: Option<Ticket>,
    /// What must be read for it, as soon as nobody is writing there.
    pub(super) needs: Option<ReadFirst>,
    pub(super) failed: Vec<ReadFirst>,
    pub(super) asks: u8,
    /// What it writes, once somebody had to know it.
    pub(super) writes: OnceCell<Vec<ReadFirst>>,
    /// It was found waiting for a lock when so many had come free.
    pub(super) locked_at: Cell<Option<u64>>,
}

/// Room that must be free towards the peer before one more message is read: every pending answer and one refusal of the
/// largest frame there is (Modbus: 260 bytes).
const ANSWER_ROOM: usize = 512;
/// Bytes that may wait for a slow peer (PX-05: at most 64 KiB a direction; more only where `pending` is over 60, so that
/// every answer owed always finds room).
const OUT_LIMIT: usize = 64 * 1024;
/// Reads over their rate are delayed up to this long, then answered 06 (language.md section 3).
pub(crate) const LONGEST_DELAY: Duration = Duration::from_millis(250);
/// Own reads that one message may cause: a step and a condition per deed of FC 23, with room.
pub(super) const MAX_ASKS: u8 = 4;

/// What the half that faces a peer of this conduit is made with.
pub(crate) fn peer_options(conduit: &Conduit) -> PeerOptions {
    PeerOptions {
        settings: conduit.settings.clone(),
        pending: usize::from(conduit.pending),
        frame_timeout: conduit.timeouts.frame,
        idle_timeout: conduit.timeouts.idle,
        roles_by_certificate: conduit.roles_by_certificate,
        ids: Ids::Own,
    }
}

impl Session {
    pub(super) fn new(core: &Core, permit: Permit, link: LinkKey, now: Mono) -> Self {
        let conduit = core.conduit();
        let half = conduit.protocol.peer_half(&peer_options(conduit));
        Self {
            permit,
            half,
            spill: Vec::new(),
            at_least: 1,
            out: Out::new(OUT_LIMIT.max((usize::from(conduit.pending) + 4).saturating_mul(2 * ANSWER_ROOM))),
            link,
            queue: VecDeque::new(),
            slowed: VecDeque::new(),
            ended: None,
            closing_by: None,
            active: now,
            paused: None,
            unpaid: 0,
            hushed: None,
            held_back: None,
            has_floor: false,
            armed: None,
            guard: Some(core.metrics.session_opened()),
        }
    }

    /// Whether one more message may be read: a free slot, and room for every answer owed.
    pub(super) fn has_room(&self) -> bool {
        let owed = (self.half.pending() + 2).saturating_mul(ANSWER_ROOM);
        let slots = self.held_back.is_none_or(|most| self.half.pending() < most);
        slots && self.half.has_room() && self.out.room() > owed
    }

    pub(super) fn wants_bytes(&self) -> bool {
        self.ended.is_none()
            && self.closing_by.is_none()
            && self.paused.is_none()
            && self.has_room()
            && self.spill.len() < self.at_least
    }

    /// Reading stops until then at least.
    pub(super) fn pause(&mut self, until: Mono) {
        self.paused = self.paused.max(Some(until));
    }

    pub(super) fn has_spill(&self) -> bool {
        self.ended.is_none() && self.spill.len() >= self.at_least && self.has_room()
    }

    pub(super) fn can_resume(&self, now: Mono) -> bool {
        self.has_spill() && self.paused.is_none_or(|until| until <= now)
    }

    /// Whose turn it is: the first in the queue. Where that is a read that its rate delays, what is no read goes past
    /// it: nothing but reads is ever delayed.
    pub(super) fn next_job(&self) -> Option<usize> {
        match self.queue.front()?.not_before {
            None => Some(0),
            Some(_) => self.queue.iter().position(|job| !job.kind.is_read),
        }
    }

    pub(super) fn has_always(&self) -> bool {
        self.queue.iter().any(|job| job.charges.always)
    }

    /// Nothing is owed to the peer, and nothing of it is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.half.pending() == 0 && self.queue.is_empty() && self.slowed.is_empty()
    }

    /// By when the message that has begun must be whole. While we do not read (`bytes`) its missing rest is not the
    /// peer's fault.
    pub(super) fn frame_deadline(&self) -> Option<Mono> {
        self.half.deadline().filter(|_| self.paused.is_none())
    }

    /// When the half wants to be asked what it has to say of its own. Not while we do not read: what it may be waiting
    /// for lies unread.
    pub(super) fn timer(&self) -> Option<Mono> {
        self.half.timer().filter(|_| self.paused.is_none())
    }

    /// Whether one more message that nobody asked for finds room. One that has ended takes any: they go nowhere.
    pub(super) fn takes_reports(&self) -> bool {
        self.ended.is_some() || (self.half.takes_reports() && self.out.room() > 2 * ANSWER_ROOM)
    }

    pub(super) fn deadline(&self, conduit: &Conduit) -> Option<Mono> {
        if self.ended.is_some() {
            return None;
        }
        let idle = self.is_quiet().then(|| self.active.after(conduit.timeouts.idle));
        let waiting = self.queue.iter().filter(|job| job.waits_for.is_none()).map(|job| job.arrived);
        let queue = waiting.min().map(|since| since.after(conduit.timeouts.queue));
        let delay = self.queue.iter().filter_map(|job| job.not_before).min();
        let slowed = self.slowed.front().map(|(due, ..)| *due);
        let (frame, timer) = (self.frame_deadline(), self.timer());
        [idle, queue, delay, slowed, self.paused, self.closing_by, frame, timer].into_iter().flatten().min()
    }
}
