//! What becomes of a peer's bytes?
//!
//! whole -> lengths agree -> canonical -> judged -> limits -> rule budget -> journal slot -> queued; nothing leaves here.

use std::{
    cell::{Cell, OnceCell},
    ops::ControlFlow,
};

use sluicegate_config::plan::FaultAction;
use sluicegate_proto::{
    half::{Asked, Body, Input, Step},
    policy::{Charges, Denied, Verdict},
    protocol::Message,
    time::Now,
    vocab::{Cause, Mode, OnDeny, Reason},
};

use super::{
    SessionKey, Wake,
    core::Core,
    kind::Kind,
    pace,
    session::{Job, LONGEST_DELAY, Session},
    tie,
};
use crate::observe::{journal::Slot, metrics::Limit};

/// A refusal past `refusals` with `on_refusal_flood = "slow"` is answered after this long.
const SLOW_ANSWER: std::time::Duration = std::time::Duration::from_secs(1);

/// Takes all of `bytes`; reads as many whole messages as there is room for. Returns how many were judged.
pub(super) fn bytes(core: &mut Core, key: SessionKey, bytes: &[u8], now: Now) -> u32 {
    pace::charge(core, key, bytes.len(), now);
    let Some(session) = core.sessions.get_mut(&key) else { return 0 };
    if session.ended.is_some() {
        return 0;
    }
    let mut kept = std::mem::take(&mut session.spill);
    let input = if kept.is_empty() {
        bytes
    } else {
        kept.extend_from_slice(bytes);
        &kept
    };
    let (used, judged) = messages(core, key, input, now);
    if let Some(session) = core.sessions.get_mut(&key)
        && session.ended.is_none()
    {
        session.spill = input[used..].to_vec();
    }
    core.arm(key);
    judged
}

/// The peer sends no more: at once when it was cut off, else when its answers have left.
pub(super) fn eof(core: &mut Core, key: SessionKey, truncated: bool, now: Now) {
    let wait = core.conduit().timeouts.half_close;
    let Some(session) = core.sessions.get_mut(&key) else { return };
    let partial = !session.spill.is_empty() && session.spill.len() < session.at_least;
    if truncated || partial {
        core.end(key, Cause::Truncated, now);
        return;
    }
    session.closing_by = Some(now.mono.after(wait));
    core.arm(key);
    core.settle(key, now);
}

fn messages(core: &mut Core, key: SessionKey, input: &[u8], now: Now) -> (usize, u32) {
    let (mut used, mut judged) = (0, 0);
    loop {
        let rest = &input[used..];
        let Some(session) = core.sessions.get_mut(&key) else { return (used, judged) };
        session.at_least = 1;
        if session.held_back.is_some_and(|most| session.half.pending() < most) {
            session.held_back = None;
        }
        let hushed = session.hushed.is_some_and(|until| now.mono < until);
        if core.draining || session.ended.is_some() || rest.is_empty() || hushed || !session.has_room() {
            return (used, judged);
        }
        match session.half.next(Input::Stream(rest), now, &mut session.out) {
            Step::Need { at_least } => {
                session.at_least = at_least.max(rest.len() + 1);
                return (used, judged);
            }
            // It takes its turn when one of the answers before it has left.
            Step::Wait => {
                session.held_back = Some(session.half.pending());
                return (used, judged);
            }
            Step::Own { used: n } => {
                session.active = now.mono;
                used += n;
                core.wake(Wake::Session(key));
            }
            Step::Signal { used: n, signal } => {
                session.active = now.mono;
                used += n;
                core.wake(Wake::Session(key));
                tie::from_peer(core, key, signal, now);
            }
            // What came whole before it has its turn first, as it would have had in a segment of its own (GEN-01).
            Step::End { .. } if core.ready.contains(session.link) && !session.queue.is_empty() => {
                core.relieved.push(key);
                return (used, judged);
            }
            Step::End { cause, reason } => {
                broken(core, key, rest, (cause, reason), now);
                return (input.len(), judged + 1);
            }
            Step::Asked(asked) => {
                if message(core, key, &asked, now).is_break() {
                    return (used, judged);
                }
                used += asked.used;
                judged += 1;
            }
        }
    }
}

/// Framing that cannot be read is never answered: the session ends, and the bytes are on record by their hash.
fn broken(core: &mut Core, key: SessionKey, rest: &[u8], (cause, reason): (Cause, Option<Reason>), now: Now) {
    if let Some(reason) = reason {
        let denied = Denied::because(reason);
        core.count_denied(&denied, Kind::default());
        let shown = rest.len().min(LONGEST_FRAME);
        core.trail_denied(key, &denied, None, Some(rest[..shown].into()));
    }
    core.end(key, cause, now);
}

/// How much of an unreadable stream is hashed for its record: one Modbus/TCP frame.
const LONGEST_FRAME: usize = 260;

/// One whole message. `Break`: it stays unread until an ordinary slot is free.
fn message(core: &mut Core, key: SessionKey, asked: &Asked<'_>, now: Now) -> ControlFlow<()> {
    let message = match asked.body {
        Body::Message(message) => message,
        Body::Illegal { reason, function, .. } => {
            let kind = Kind::of_function(core.conduit().protocol, function);
            return refuse(core, key, asked, &Denied::because(reason), kind, now);
        }
    };
    let kind = Kind::of(&message);
    let verdict = core.judge_session(key, &message, now);
    let (charges, would_deny) = match verdict {
        Verdict::Allow(charges) => (charges, None),
        Verdict::Ask(_) => (Charges::default(), None),
        Verdict::Deny(denied) if core.mode() == Mode::Enforce || denied.by_deny_rule => {
            return refuse(core, key, asked, &denied, kind, now);
        }
        Verdict::Deny(denied) => (Charges::default(), Some(denied)),
    };
    if !ordinary_slot(core, key) && !charges.always {
        return hold_back(core, key);
    }
    admit(core, key, asked, Judged { message, kind, charges, would_deny }, now);
    ControlFlow::Continue(())
}

/// A message that its verdict lets pass, before limits.
struct Judged<'b> {
    message: Message<'b>,
    kind: Kind,
    charges: Charges,
    would_deny: Option<Denied>,
}

/// Limits, rule budget, journal slot, pending slot: then it is queued.
fn admit(core: &mut Core, key: SessionKey, asked: &Asked<'_>, mut judged: Judged<'_>, now: Now) {
    let kind = judged.kind;
    let mut delay = None;
    if !judged.charges.always {
        match limits(core, key, &judged, now) {
            Gate::Open => {}
            Gate::Wait(until, limit) => delay = Some((until, limit)),
            Gate::WouldShut(denied) => judged.would_deny = judged.would_deny.or(Some(denied)),
            Gate::Shut(denied) => {
                let _taken = refuse(core, key, asked, &denied, kind, now);
                return;
            }
        }
    }
    let slot = match record_room(core, kind) {
        Ok(slot) => slot,
        Err(()) => {
            let _taken = refuse(core, key, asked, &denied_as(Reason::InternalError, kind), kind, now);
            core.end(key, Cause::AuditFailure, now);
            return;
        }
    };
    let ticket = core.ticket();
    let Some(session) = core.sessions.get_mut(&key) else { return };
    session.active = now.mono;
    if let Some(repair) = asked.repaired {
        core.metrics.repaired(repair);
    }
    if let Err(reason) = session.half.accept(asked, ticket) {
        let _taken = refuse(core, key, asked, &denied_as(reason, kind), kind, now);
        return;
    }
    let mut job = job_of(&judged, ticket, asked, now);
    job.not_before = delay.map(|(until, _)| until);
    job.peer_paid = delay.is_some_and(|(_, limit)| limit != Limit::PeerRequests);
    job.slot = slot;
    let always = job.charges.always;
    core.enqueue(key, job);
    if always {
        pace::charge_delayed(core, key, now);
    }
}

fn job_of(judged: &Judged<'_>, ticket: sluicegate_proto::half::Ticket, asked: &Asked<'_>, now: Now) -> Job {
    Job {
        ticket,
        message: judged.message.store(),
        frame: judged.kind.audited().then(|| asked.frame.into()),
        kind: judged.kind,
        charges: judged.charges.clone(),
        would_deny: judged.would_deny.clone(),
        reservation: None,
        slot: None,
        recorded: None,
        recorded_denial: false,
        arrived: now.mono,
        not_before: None,
        peer_paid: false,
        waits_for: None,
        needs: None,
        failed: Vec::new(),
        asks: 0,
        writes: OnceCell::new(),
        locked_at: Cell::new(None),
    }
}

/// What the limits say.
enum Gate {
    Open,
    Wait(sluicegate_proto::time::Mono, Limit),
    WouldShut(Denied),
    Shut(Denied),
}

fn limits(core: &mut Core, key: SessionKey, judged: &Judged<'_>, now: Now) -> Gate {
    let Some(identity) = core.identity(key) else { return Gate::Open };
    let shut = |core: &Core, reason| {
        let denied = denied_as(reason, judged.kind);
        if core.mode() == Mode::Monitor { Gate::WouldShut(denied) } else { Gate::Shut(denied) }
    };
    if core.limits.touch(identity, &judged.message, now.mono).is_err() {
        core.metrics.limited(Limit::Targets, false);
        return shut(core, Reason::ScanLimited);
    }
    let Err((limit, wait)) = core.limits.charge(judged.kind.toll(identity)) else { return Gate::Open };
    if judged.kind.is_read && wait <= LONGEST_DELAY && core.mode() != Mode::Monitor {
        core.metrics.limited(limit, true);
        return Gate::Wait(now.mono.after(wait), limit);
    }
    core.metrics.limited(limit, false);
    shut(core, Reason::RateLimited)
}

/// Room for the record of an allowed write. Without it the conduit's `audit_full` mode decides.
fn record_room(core: &Core, kind: Kind) -> Result<Option<Slot>, ()> {
    if !kind.audited() {
        return Ok(None);
    }
    match core.audit_slot() {
        Ok(slot) => Ok(Some(slot)),
        Err(_) if core.conduit().faults.audit_full == FaultAction::Close => Err(()),
        Err(_) => Ok(None),
    }
}

/// Refuses a message that was not accepted. `Break`: a slowed refusal found no slot, and the message stays unread.
fn refuse(
    core: &mut Core,
    key: SessionKey,
    asked: &Asked<'_>,
    denied: &Denied,
    kind: Kind,
    now: Now,
) -> ControlFlow<()> {
    if !ordinary_slot(core, key) {
        return hold_back(core, key);
    }
    core.count_denied(denied, kind);
    let stored = match &asked.body {
        Body::Message(message) => Some(message.store()),
        Body::Illegal { .. } => None,
    };
    core.trail_denied(key, denied, stored, Some(asked.frame.into()));
    // Monitor mode delays nothing and ends nothing.
    let flooding = core.mode() != Mode::Monitor
        && core.identity(key).is_some_and(|identity| core.limits.refusal(identity).is_err());
    if flooding {
        flood(core, key, asked, denied, now);
        return ControlFlow::Continue(());
    }
    let style = core.conduit().on_deny;
    let Some(session) = core.sessions.get_mut(&key) else { return ControlFlow::Continue(()) };
    session.active = now.mono;
    let full = session.half.refuse(asked, denied, style, &mut session.out).is_err();
    core.wake(Wake::Session(key));
    if full {
        core.end(key, Cause::InternalError, now);
    } else if style == OnDeny::Close && denied.reason != Reason::DuplicateId {
        core.end(key, Cause::Refused, now);
    }
    ControlFlow::Continue(())
}

/// Past the refusals limit: the peer is slowed or severed; allowed traffic of others is not touched.
fn flood(core: &mut Core, key: SessionKey, asked: &Asked<'_>, denied: &Denied, now: Now) {
    let sever = core.conduit().limits.sever_on_flood;
    core.metrics.limited(Limit::Refusals, !sever);
    if sever {
        core.trail_alarm(Some(key), Some(denied.reason), "refusals over their limit: the session is severed");
        core.end(key, Cause::RefusalFlood, now);
        return;
    }
    let ticket = core.ticket();
    let Some(session) = core.sessions.get_mut(&key) else { return };
    session.active = now.mono;
    let until = now.mono.after(SLOW_ANSWER);
    let first = session.slowed.is_empty() && session.hushed.is_none_or(|until| until <= now.mono);
    if session.half.accept(asked, ticket).is_ok() {
        session.slowed.push_back((until, ticket, denied.clone()));
    } else {
        // A duplicate id takes no slot, so nothing would slow these down: reading stops instead.
        session.hushed = Some(until);
        session.pause(until);
    }
    if first {
        core.trail_alarm(
            Some(key),
            Some(denied.reason),
            "refusals over their limit: they are answered after one second",
        );
    }
}

/// Whether a slot is free that is not the one reserved for `always`.
fn ordinary_slot(core: &Core, key: SessionKey) -> bool {
    let most = usize::from(core.conduit().pending);
    core.sessions.get(&key).is_some_and(|session| session.half.pending() < most)
}

fn hold_back(core: &mut Core, key: SessionKey) -> ControlFlow<()> {
    let most = usize::from(core.conduit().pending);
    if let Some(session) = core.sessions.get_mut(&key) {
        session.held_back = Some(most);
    }
    ControlFlow::Break(())
}

/// A refusal that no rule made, for a message of this kind.
pub(super) fn denied_as(reason: Reason, kind: Kind) -> Denied {
    Denied { is_read: kind.is_read, ..Denied::because(reason) }
}

impl Core {
    fn judge_session(&self, key: SessionKey, message: &Message<'_>, now: Now) -> Verdict {
        match self.sessions.get(&key) {
            Some(session) => self.judge(&session.permit, message, &[], now),
            None => Verdict::Deny(Denied::because(Reason::InternalError)),
        }
    }

    pub(super) fn identity(&self, key: SessionKey) -> Option<u16> {
        self.sessions.get(&key).map(|session: &Session| session.permit.peer().identity)
    }
}
