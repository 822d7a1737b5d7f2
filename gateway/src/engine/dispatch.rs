//! Whose message goes to the device next, and may it still?

use std::ops::ControlFlow;

use sluicegate_proto::{
    deed::ReadFirst,
    half::{Sent, Ticket},
    policy::{Denied, Verdict},
    protocol::Message,
    time::Now,
    vocab::{Cause, Mode, Reason, VerdictWord},
};

use super::{
    LinkKey, SessionKey, Wake,
    core::Core,
    intake::denied_as,
    link::{Flight, Flown, Link, OwnRead, State},
    pace,
    session::{Job, MAX_ASKS},
    timers::Who,
};

/// Gives the device its next messages, as many as it takes at once.
pub(super) fn link(core: &mut Core, link: &mut Link, key: LinkKey, now: Now) {
    core.ready.remove(key);
    if connect(core, link, key, now) {
        while link.half.has_room()
            && (core.conduit().upstream_pipeline || link.out.is_empty())
            && let Some((session, urgent)) = next_turn(core, link, key)
        {
            (link.last_turn, link.last_urgent) = (Some(session), urgent);
            if let Some(job) = core.dequeue(session) {
                launch(core, link, key, (session, job), now);
            }
        }
    }
    core.arm_link(key, link);
}

/// Whether the link is live. Dials where messages wait; where the last dial just failed, they are answered at once.
fn connect(core: &mut Core, link: &mut Link, key: LinkKey, now: Now) -> bool {
    match link.state {
        State::Up => return true,
        State::Rest if !core.waiting.of(key).is_empty() => {
            if link.may_dial(now.mono) {
                link.state = State::Dialling;
                core.wake(Wake::Link(key));
            } else {
                core.refuse_queued(key, Reason::UpstreamUnavailable, now);
            }
        }
        State::Rest | State::Dialling | State::Closing | State::Retired => {}
    }
    false
}

/// Round robin over the sessions whose next message may go; one that waits with an `always` message goes first, but not
/// twice in a row: no limit holds such messages back, so they could keep all others from the device. Says whether it
/// went for that.
fn next_turn(core: &Core, link: &Link, key: LinkKey) -> Option<(SessionKey, bool)> {
    let ready = |urgent: bool| {
        core.waiting.round(key, link.last_turn).find(|session| {
            core.sessions.get(session).is_some_and(|one| {
                (!urgent || one.has_always()) && one.next_job().is_some_and(|at| may_go(core, key, &one.queue[at]))
            })
        })
    };
    let urgent = if link.last_urgent || core.urgent == 0 { None } else { ready(true) };
    urgent.map(|key| (key, true)).or_else(|| Some((ready(false)?, false)))
}

fn may_go(core: &Core, link: LinkKey, job: &Job) -> bool {
    let unrecorded = job.recorded.is_some_and(|seq| seq > core.durable);
    let locked = is_locked(core, job);
    if locked {
        core.blocked.borrow_mut().insert(link);
    }
    !unrecorded && !locked && job.waits_for.is_none()
}

/// Whether somebody else has locked what it needs or writes. Many may wait for one lock, and are asked at every turn of
/// their link: nothing is worked out again before something came free.
fn is_locked(core: &Core, job: &Job) -> bool {
    let releases = core.locks.releases();
    if job.locked_at.get() == Some(releases) {
        return true;
    }
    let written = || job.message.message().map_or_else(Vec::new, |message| core.written_by(&message));
    let holds = |range: &ReadFirst| core.locks.holds(range, job.ticket);
    let writes =
        || !job.kind.is_read && core.locks.concern(job.ticket) && job.writes.get_or_init(written).iter().any(holds);
    let locked = job.needs.is_some_and(|read| holds(&read)) || writes();
    if locked {
        job.locked_at.set(Some(releases));
    }
    locked
}

/// The last checks, in the device's turn: the verdict under the policy and the values of now, the record on disk. Then
/// it leaves.
fn launch(core: &mut Core, link: &mut Link, key: LinkKey, (session, mut job): (SessionKey, Job), now: Now) {
    let (stored, job_kind) = (job.message.clone(), job.kind);
    let Some(message) = stored.message() else {
        return core.refuse_job(session, job, &denied_as(Reason::InternalError, job_kind), now);
    };
    // What a list of questions asks does not run out.
    let waited = if core.bound { core.sessions.get(&session) } else { None };
    let message = waited.map_or(message, |one| one.half.as_of(job.ticket, message, now));
    job.needs = None;
    match judge_again(core, session, &mut job, &message, now) {
        Verdict::Allow(_) => {}
        Verdict::Ask(read) => return ask(core, (key, link), (session, job), read, now),
        Verdict::Deny(denied) => return core.refuse_job(session, job, &denied, now),
    }
    if !on_record(core, session, &mut job, &message) {
        return core.put_back(session, job);
    }
    // A stop is tried all the same, and monitor mode answers nothing of its own.
    let held_off = core.mode() == Mode::Enforce && !job.charges.always && !core.bound;
    if held_off && !core.silent.may_ask(message.unit(), now.mono) {
        return core.refuse_job(session, job, &denied_as(Reason::RequestTimeout, job_kind), now);
    }
    match link.half.submit(&message, job.ticket, now, &mut link.out) {
        Ok(sent) => commit(core, link, (session, job), (&message, sent), now),
        Err(reason) => return core.refuse_job(session, job, &denied_as(reason, job_kind), now),
    }
    core.wake(Wake::Link(key));
}

/// The verdict of now, whatever it was before: the policy, the schedules and what the device holds may have changed.
fn judge_again(core: &mut Core, key: SessionKey, job: &mut Job, message: &Message<'_>, now: Now) -> Verdict {
    if let Some(reservation) = job.reservation.take() {
        core.budgets.give_back(reservation);
    }
    let Some(session) = core.sessions.get(&key) else {
        return Verdict::Deny(denied_as(Reason::InternalError, job.kind));
    };
    let identity = session.permit.peer().identity;
    let verdict = match core.judge(&session.permit, message, &job.failed, now) {
        Verdict::Allow(charges) => {
            job.reservation = core.budgets.reserve(&charges, identity, now.mono);
            job.charges = charges;
            match job.reservation {
                Some(_) => Verdict::Allow(job.charges.clone()),
                None => Verdict::Deny(Denied {
                    rule: job.charges.rules.first().copied(),
                    ..denied_as(Reason::RateLimited, job.kind)
                }),
            }
        }
        other => other,
    };
    if core.mode() == Mode::Enforce {
        return verdict;
    }
    // The conduit's limits were asked when it came; what they said stands.
    let by_limit = job.would_deny.take().filter(|denied| denied.rule.is_none() && is_limit(denied.reason));
    match verdict {
        Verdict::Deny(denied) if denied.by_deny_rule => Verdict::Deny(denied),
        Verdict::Deny(denied) => {
            job.would_deny = Some(denied);
            Verdict::Allow(job.charges.clone())
        }
        Verdict::Ask(_) | Verdict::Allow(_) => {
            job.would_deny = by_limit;
            Verdict::Allow(job.charges.clone())
        }
    }
}

const fn is_limit(reason: Reason) -> bool {
    matches!(reason, Reason::RateLimited | Reason::ScanLimited)
}

/// The gateway's own read: one request on exactly that range; until the write is acknowledged the range is locked. What
/// somebody else is writing is read once that is settled.
fn ask(
    core: &mut Core,
    (link_key, link): (LinkKey, &mut Link),
    (key, mut job): (SessionKey, Job),
    read: ReadFirst,
    now: Now,
) {
    if core.locks.holds(&read, job.ticket) {
        job.needs = Some(read);
        return core.put_back(key, job);
    }
    let ticket = core.ticket();
    let peer = core.sessions.get(&key).map(|session| session.permit.peer().clone());
    let alive = core.silent.may_ask(read.unit, now.mono);
    let asked = alive && job.asks < MAX_ASKS && link.half.ask(&read, ticket, now, &mut link.out).is_ok();
    if let Some(peer) = peer.filter(|_| asked) {
        job.asks += 1;
        core.locks.take_range(read, job.ticket);
        if let Some(message) = job.message.message() {
            core.lock(&message, job.ticket);
        }
        job.waits_for = Some(ticket);
        let what = Flown::Own(OwnRead { session: key, peer, read });
        let flight = Flight { what, since: now.mono, unit: read.unit, stamp: core.written.stamp() };
        link.flying.insert(ticket, flight);
        link.active = now.mono;
        core.wake(Wake::Link(link_key));
    } else {
        job.failed.push(read);
    }
    core.put_back(key, job);
}

/// Whether the record of an allowed write is where `durable` wants it before the write leaves. Until then nobody else
/// writes there: it was judged against what the device holds now.
fn on_record(core: &mut Core, key: SessionKey, job: &mut Job, message: &Message<'_>) -> bool {
    if !core.place.site.audit.durable_writes {
        return true;
    }
    if job.recorded.is_none()
        && let Some(slot) = job.slot.take()
    {
        let what = (job.message.clone(), job.frame.clone());
        job.recorded_denial = job.would_deny.is_some();
        job.recorded = Some(match &job.would_deny {
            Some(denied) => core.trail_would_deny_first(key, slot, denied, what),
            None => core.trail_allowed(key, slot, job.charges.rules.iter().next().copied(), what),
        });
        core.lock(message, job.ticket);
    }
    job.recorded.is_none_or(|seq| seq <= core.durable)
}

/// It has left: what it costs is spent, what it changes is unknown until the device says so.
fn commit(
    core: &mut Core,
    link: &mut Link,
    (key, mut job): (SessionKey, Job),
    (message, sent): (&Message<'_>, Sent),
    now: Now,
) {
    if let Some(reservation) = job.reservation.take() {
        core.budgets.commit(reservation, now.mono);
    }
    let word = if job.would_deny.is_some() { VerdictWord::WouldDeny } else { VerdictWord::Allowed };
    core.count(job.kind, word);
    core.allowed(now);
    for rule in job.charges.rules.iter() {
        core.metrics.rule_hit(*rule);
    }
    if let Some(denied) = &job.would_deny {
        core.metrics.denial(denied.reason, core.mode());
        if !job.recorded_denial {
            core.trail_would_deny(key, denied, Some(job.message.clone()), job.frame.clone());
        }
    }
    if let Some(slot) = job.slot.take()
        && job.would_deny.is_none()
    {
        let rule = job.charges.rules.iter().next().copied();
        let _seq = core.trail_allowed(key, slot, rule, (job.message, job.frame));
    }
    if !job.kind.is_read {
        for range in core.written_by(message) {
            core.held.forget(&range);
            core.written.note(range);
        }
    }
    link.active = now.mono;
    if sent == Sent::Unanswered {
        return unanswered(core, key, job.ticket, now);
    }
    if !job.kind.is_read {
        core.lock(message, job.ticket);
    }
    let stamp = core.written.stamp();
    let flight = Flight { what: Flown::Peer(key), since: now.mono, unit: message.unit(), stamp };
    link.flying.insert(job.ticket, flight);
}

/// It left, and nobody will answer it: whoever waits behind it goes on.
fn unanswered(core: &mut Core, key: SessionKey, ticket: Ticket, now: Now) {
    core.release(ticket);
    let Some(session) = core.sessions.get_mut(&key) else { return };
    session.active = now.mono;
    let full = session.half.unanswered(ticket, &mut session.out).is_err();
    core.news(key);
    if full {
        core.end(key, Cause::InternalError, now);
    } else {
        core.settle(key, now);
    }
}

/// What the clock does to sessions: frame deadlines, held-back refusals, queue deadlines, idleness, the end of a stop.
pub(super) fn tick_sessions(core: &mut Core, now: Now) {
    let keys: Vec<_> = core.sessions.keys().collect();
    for key in keys {
        tick_session(core, key, now);
    }
}

/// The same for one of them, which is then written down for its next deadline.
pub(super) fn tick_session(core: &mut Core, key: SessionKey, now: Now) {
    if let Some(session) = core.sessions.get_mut(&key) {
        core.timers.forget(Who::Session(key), session.armed.take());
        // What its rate delayed may go now.
        core.ready.insert(session.link);
    }
    look_at_the_clock(core, key, now);
    core.arm(key);
}

fn look_at_the_clock(core: &mut Core, key: SessionKey, now: Now) {
    let timeouts = core.conduit().timeouts;
    let Some(session) = core.sessions.get_mut(&key) else { return };
    if session.ended.is_some() {
        return;
    }
    let due = [session.frame_deadline(), session.timer()].into_iter().flatten().min();
    if due.is_some_and(|due| due <= now.mono) && tick_half(core, key, now).is_break() {
        return;
    }
    pace::resume(core, key, now);
    pace::charge_delayed(core, key, now);
    answer_slowed(core, key, now);
    expire_queue(core, key, now);
    let Some(session) = core.sessions.get(&key) else { return };
    if session.closing_by.is_some_and(|by| by <= now.mono) {
        core.end(key, Cause::PeerClosed, now);
    } else if session.is_quiet() && now.mono >= session.active.after(timeouts.idle) {
        core.end(key, Cause::Idle, now);
    } else {
        core.settle(key, now);
    }
}

/// What the clock does to the session's half. `Break`: the session has ended.
fn tick_half(core: &mut Core, key: SessionKey, now: Now) -> ControlFlow<()> {
    let Some(session) = core.sessions.get_mut(&key) else { return ControlFlow::Break(()) };
    let before = session.out.len();
    let Some(cause) = session.half.tick(now, &mut session.out) else {
        // It may have had something to say of its own.
        if session.out.len() != before {
            core.wake(Wake::Session(key));
        }
        return ControlFlow::Continue(());
    };
    if cause == Cause::FrameTimeout {
        core.metrics.denial(Reason::FrameTimeout, core.mode());
        core.trail_denied(key, &Denied::because(Reason::FrameTimeout), None, None);
    }
    core.end(key, cause, now);
    ControlFlow::Break(())
}

fn answer_slowed(core: &mut Core, key: SessionKey, now: Now) {
    while let Some(session) = core.sessions.get_mut(&key) {
        match session.slowed.front() {
            Some((due, ..)) if *due <= now.mono => {}
            Some(_) | None => return,
        }
        if let Some((_, ticket, denied)) = session.slowed.pop_front() {
            core.answer_refusal(key, ticket, &denied, now);
        }
    }
}

/// What has waited too long for the device's turn. Waiting for an own read is something else.
fn expire_queue(core: &mut Core, key: SessionKey, now: Now) {
    let wait = core.conduit().timeouts.queue;
    let late = |job: &Job| job.waits_for.is_none() && job.arrived.after(wait) <= now.mono;
    while let Some(place) = core.sessions.get(&key).and_then(|session| session.queue.iter().position(late)) {
        if let Some(job) = core.take_job(key, place) {
            let denied = denied_as(Reason::TooManyPending, job.kind);
            core.refuse_job(key, job, &denied, now);
        }
    }
}
