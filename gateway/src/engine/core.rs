//! What do all sessions and links of a conduit share?

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    sync::Arc,
    time::Duration,
};

use sluicegate_config::plan::{Conduit, ConduitId, Site};
use sluicegate_proto::{
    deed::ReadFirst,
    half::{Signal, Ticket, Ties},
    policy::{Budgets, Denied, Held, Known, PolicySet, Verdict},
    protocol::Message,
    time::{Mono, Now},
    vocab::{Cause, Mode, OnDeny, Reason},
};

use super::{
    LinkKey, SessionKey, Wake,
    limits::Limits,
    locks::{self, Locks},
    session::{Job, Session},
    silent::Silent,
    slots::{Due, Slots},
    timers::Timers,
    waiting::Waiting,
    written::Written,
};
use crate::{
    observe::{
        journal::{Journal, Seq},
        metrics::ConduitMetrics,
    },
    permit::Permit,
};

/// Which conduit of which site.
pub(super) struct Place {
    pub(super) site: Arc<Site>,
    pub(super) conduit: ConduitId,
}

/// Whom the driver must look after.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    pub(super) sessions: Due<SessionKey>,
    pub(super) links: Due<LinkKey>,
    pub(super) timer: bool,
}

/// The shared state of one conduit.
pub(super) struct Core {
    pub(super) place: Place,
    pub(super) name: Arc<str>,
    /// The upper half of its sessions' numbers.
    pub(super) number: u32,
    pub(super) policy: Arc<PolicySet>,
    pub(super) epoch: u64,
    pub(super) metrics: Arc<ConduitMetrics>,
    pub(super) journal: Journal,
    pub(super) durable: Seq,
    pub(super) sessions: Slots<SessionKey, Session>,
    pub(super) held: Held,
    pub(super) budgets: Budgets,
    pub(super) limits: Limits,
    /// Alarms about the device that were over their pace.
    pub(super) unalarmed: u64,
    pub(super) locks: Locks,
    pub(super) written: Written,
    pub(super) silent: Silent,
    pub(super) wakes: Wakes,
    pub(super) draining: bool,
    /// Each session and its device connection live and die together.
    pub(super) bound: bool,
    /// Sessions with queued messages, by the link that they wait for.
    pub(super) waiting: Waiting,
    /// How many queued messages are `always`.
    pub(super) urgent: usize,
    /// Links with something new to dispatch.
    pub(super) ready: Due<LinkKey>,
    pub(super) timers: Timers,
    /// Links on which a message was found waiting for a lock: a release is their news.
    pub(super) blocked: RefCell<Due<LinkKey>>,
    /// A lock came free since.
    pub(super) freed: bool,
    /// Sessions that have room again for a message that waits unread.
    pub(super) relieved: Vec<SessionKey>,
    /// Words for device halves, in the order in which they were said.
    pub(super) signals: Vec<(LinkKey, Signal)>,
    /// Links whose session has ended, and that live and die with it.
    pub(super) orphans: Vec<LinkKey>,
    /// Sessions that took no more of what their devices said.
    pub(super) choked: BTreeSet<SessionKey>,
    /// The time of this wake-up.
    pub(super) now: Now,
    /// The deadline that the driver was told last.
    pub(super) armed: Cell<Option<Mono>>,
    /// When the metrics last heard that something was allowed.
    allowed: Option<Mono>,
    next_ticket: u64,
}

impl Core {
    pub(super) fn new(
        place: Place,
        (policy, epoch): (Arc<PolicySet>, u64),
        metrics: Arc<ConduitMetrics>,
        journal: Journal,
    ) -> Self {
        let conduit = &place.site.conduits[place.conduit.index()];
        Self {
            name: conduit.name.as_str().into(),
            number: u32::from(place.conduit.0),
            held: Held::new(&policy),
            budgets: Budgets::new(&policy),
            limits: Limits::new(conduit.limits, place.site.identities.len()),
            unalarmed: 0,
            locks: Locks::default(),
            durable: journal.durable(),
            sessions: Slots::default(),
            wakes: Wakes::default(),
            draining: false,
            bound: conduit.protocol.ties() == Ties::Bound,
            waiting: Waiting::default(),
            urgent: 0,
            ready: Due::default(),
            timers: Timers::default(),
            blocked: RefCell::default(),
            freed: false,
            relieved: Vec::new(),
            signals: Vec::new(),
            orphans: Vec::new(),
            choked: BTreeSet::new(),
            now: Now::default(),
            written: Written::default(),
            silent: Silent::default(),
            armed: Cell::new(None),
            allowed: None,
            next_ticket: 0,
            place,
            policy,
            epoch,
            metrics,
            journal,
        }
    }

    pub(super) fn conduit(&self) -> &Conduit {
        &self.place.site.conduits[self.place.conduit.index()]
    }

    pub(super) fn mode(&self) -> Mode {
        self.conduit().mode
    }

    pub(super) fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Session(key) => self.wakes.sessions.insert(key),
            Wake::Link(key) => self.wakes.links.insert(key),
            Wake::Timer => self.wakes.timer = true,
        }
    }

    /// The ranges that a message writes, under all their names.
    pub(super) fn written_by(&self, message: &Message<'_>) -> Vec<ReadFirst> {
        locks::written_by(self.conduit(), message)
    }

    /// Locks what the message writes, until [`Self::release`].
    pub(super) fn lock(&mut self, message: &Message<'_>, ticket: Ticket) {
        for range in self.written_by(message) {
            self.locks.take_range(range, ticket);
        }
    }

    /// Queues a message behind those of its session.
    pub(super) fn enqueue(&mut self, key: SessionKey, job: Job) {
        if let Some(session) = self.sessions.get_mut(&key) {
            self.urgent += usize::from(job.charges.always);
            session.queue.push_back(job);
            self.waiting.insert(session.link, key);
            self.ready.insert(session.link);
        }
    }

    /// A message whose turn was not yet goes where it was: tickets ascend.
    pub(super) fn put_back(&mut self, key: SessionKey, job: Job) {
        match self.sessions.get_mut(&key) {
            Some(session) => {
                let place = session.queue.partition_point(|one| one.ticket < job.ticket);
                self.urgent += usize::from(job.charges.always);
                session.queue.insert(place, job);
                self.waiting.insert(session.link, key);
                self.arm(key);
            }
            None => self.discard(job),
        }
    }

    /// The message of the session whose turn it is.
    pub(super) fn dequeue(&mut self, key: SessionKey) -> Option<Job> {
        let place = self.sessions.get(&key)?.next_job()?;
        self.take_job(key, place)
    }

    /// The message at this place of the session's queue.
    pub(super) fn take_job(&mut self, key: SessionKey, place: usize) -> Option<Job> {
        let session = self.sessions.get_mut(&key)?;
        let job = session.queue.remove(place)?;
        self.urgent -= usize::from(job.charges.always);
        if session.queue.is_empty() {
            self.waiting.remove(session.link, key);
        }
        Some(job)
    }

    /// The session has something to flush, and perhaps room for one more message, and another deadline.
    pub(super) fn news(&mut self, key: SessionKey) {
        self.wake(Wake::Session(key));
        self.relieved.push(key);
        self.arm(key);
    }

    /// Something was allowed. The metric counts in seconds: it hears of it a few times a second.
    pub(super) fn allowed(&mut self, now: Now) {
        if self.allowed.is_none_or(|last| now.mono.since(last) >= ALLOWED_NEWS) {
            self.allowed = Some(now.mono);
            self.metrics.allowed_now();
        }
    }

    /// What a message had locked is free again.
    pub(super) fn release(&mut self, ticket: Ticket) {
        for range in self.locks.release(ticket) {
            self.written.note(range);
            self.freed = true;
        }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// The verdict on a message of this session, now.
    pub(super) fn judge(&self, permit: &Permit, message: &Message<'_>, failed: &[ReadFirst], now: Now) -> Verdict {
        let known = Known { held: &self.held, budgets: &self.budgets, failed };
        if self.mode() == Mode::Enforce {
            return permit.view().judge(message, &known, now);
        }
        match permit.view().judge_denials(message, now) {
            Some(denied) => Verdict::Deny(denied),
            None => permit.view().judge(message, &known, now),
        }
    }

    /// Ends a session, once. Queued messages are not sent; what they reserved is given back.
    pub(super) fn end(&mut self, key: SessionKey, cause: Cause, now: Now) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.ended.is_some() {
            return;
        }
        session.ended = Some(cause);
        session.guard = None;
        session.has_floor = false;
        session.spill = Vec::new();
        session.slowed.clear();
        session.active = now.mono;
        let queue = std::mem::take(&mut session.queue);
        self.waiting.remove(session.link, key);
        self.choked.remove(&key);
        if self.bound {
            self.orphans.push(session.link);
        }
        for job in queue {
            self.urgent -= usize::from(job.charges.always);
            self.discard(job);
        }
        self.metrics.session_closed(cause);
        self.trail_closed(key, cause);
        self.wake(Wake::Session(key));
    }

    /// A job that will not be sent gives back what it took.
    pub(super) fn discard(&mut self, job: Job) {
        if let Some(reservation) = job.reservation {
            self.budgets.give_back(reservation);
        }
        self.release(job.ticket);
    }

    /// Refuses an accepted message that has not left: counts it, records it, answers it in its turn.
    pub(super) fn refuse_job(&mut self, key: SessionKey, mut job: Job, denied: &Denied, now: Now) {
        let (ticket, message, frame) = (job.ticket, job.message.clone(), job.frame.take());
        let kind = job.kind;
        self.discard(job);
        self.count_denied(denied, kind);
        self.trail_denied(key, denied, Some(message), frame);
        self.answer_refusal(key, ticket, denied, now);
    }

    /// Answers an accepted message with a refusal, in the conduit's style. What is not a verdict of the policy is always
    /// answered: silence would be taken for a dead device.
    pub(super) fn answer_refusal(&mut self, key: SessionKey, ticket: Ticket, denied: &Denied, now: Now) {
        let style = if is_policy(denied.reason) { self.conduit().on_deny } else { OnDeny::Refuse };
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.ended.is_some() {
            return;
        }
        session.active = now.mono;
        let full = session.half.refuse_ticket(ticket, denied, style, &mut session.out).is_err();
        self.news(key);
        if full {
            self.end(key, Cause::InternalError, now);
        } else if style == OnDeny::Close {
            self.end(key, Cause::Refused, now);
        } else {
            self.settle(key, now);
        }
    }

    /// A session that owes nothing any more may be waiting to end.
    pub(super) fn settle(&mut self, key: SessionKey, now: Now) {
        let Some(session) = self.sessions.get(&key) else { return };
        if session.ended.is_some() || !session.is_quiet() || (session.has_spill() && !self.draining) {
            return;
        }
        if session.closing_by.is_some() {
            let cause = if session.spill.is_empty() { Cause::PeerClosed } else { Cause::Truncated };
            self.end(key, cause, now);
        } else if self.draining {
            self.end(key, Cause::Drain, now);
        }
    }

    /// Refuses everything that waits for this link: its device cannot be reached. What its rate delays goes on waiting for
    /// that, or a dead device would lift the limits of whoever floods it, and each refusal is a record.
    pub(super) fn refuse_queued(&mut self, link: LinkKey, reason: Reason, now: Now) {
        for key in self.waiting.of(link).to_vec() {
            let due = |job: &Job| job.not_before.is_none();
            while let Some(place) = self.sessions.get(&key).and_then(|session| session.queue.iter().position(due))
                && let Some(job) = self.take_job(key, place)
            {
                self.refuse_job(key, job, &Denied::because(reason), now);
            }
        }
    }

    pub(super) fn check_invariants(&self) {
        let always = self.sessions.values().flat_map(|one| &one.queue).filter(|job| job.charges.always).count();
        assert_eq!(self.urgent, always, "urgent messages are counted");
        for (key, session) in self.sessions.iter() {
            let due = session.deadline(self.conduit());
            let known = session.armed.is_some_and(|armed| due.is_none_or(|due| armed <= due));
            assert!(due.is_none() || known, "a deadline that no timer knows");
            assert_eq!(self.waiting.contains(session.link, *key), !session.queue.is_empty(), "who waits is known");
            session.half.check_invariants();
            assert_eq!(session.permit.epoch(), self.epoch, "every session is under the current policy");
            assert!(session.ended.is_none() || session.queue.is_empty(), "an ended session sends nothing");
            assert!(session.ended.is_none() == session.guard.is_some(), "the gauge counts live sessions");
            assert!(
                session.queue.len() <= usize::from(self.conduit().pending) + 1,
                "a session's queue is bounded by its pending slots"
            );
        }
    }
}

/// The wall clock is read so often at most.
const ALLOWED_NEWS: Duration = Duration::from_millis(250);

/// Whether a reason is a verdict on what was asked (and `on_deny` applies), not on what became of it.
const fn is_policy(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::UpstreamUnavailable
            | Reason::RequestTimeout
            | Reason::TooManyPending
            | Reason::InternalError
            | Reason::ResponseMismatch
            | Reason::UnsolicitedResponse
            | Reason::KillSwitch
            | Reason::Island
    )
}
