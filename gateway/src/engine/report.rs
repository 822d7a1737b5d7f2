//! What becomes of what the device says unasked?
//!
//! An event or data that was asked for is judged like everything else, by the view of the session that would hear it. A
//! confirmation belongs to what was allowed, and is not judged a second time.

use std::ops::ControlFlow;

use sluicegate_proto::{
    half::{Outcome, Place, Unasked},
    policy::{Charges, Denied, Verdict},
    time::Now,
    vocab::{Cause, Mode, Reason, VerdictWord},
};

use super::{
    SessionKey, answer,
    core::Core,
    kind::Kind,
    link::{Flown, Flying},
};

/// Whether the session takes no more now: its device is not read until it does.
pub(super) fn is_choked(core: &mut Core, owner: Option<SessionKey>) -> bool {
    let Some(key) = owner else { return false };
    let choked = core.sessions.get(&key).is_some_and(|session| !session.takes_reports());
    if choked {
        core.choked.insert(key);
    }
    choked
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It goes to the peer.
    Yes,
    /// No peer is meant to hear it: the policy refuses it, or the gateway asked. The device's half settles it.
    Refused,
    /// There is no peer any more. It stays the device's: an event that is settled is gone for good.
    Nobody,
}

pub(super) fn unasked(
    core: &mut Core,
    owner: Option<SessionKey>,
    flying: &mut Flying,
    unasked: &Unasked<'_>,
    now: Now,
) -> Heard {
    let mut owner = owner;
    if let Place::Settles(ticket, outcome) = unasked.place
        && let Some(flight) = flying.remove(ticket)
    {
        answer::came(core, &flight, outcome, now);
        match &flight.what {
            Flown::Peer(key) => {
                core.release(ticket);
                owner = Some(*key);
            }
            // Its range is locked since before it left: what it says is what the device holds.
            Flown::Own(own) => {
                unasked.message.seen(&mut |seen| core.held.learn(seen, now.mono));
                answer::own_read_done(core, own, ticket, outcome == Outcome::Ok, now);
                return Heard::Refused;
            }
        }
    }
    let alive = |key: &SessionKey| core.sessions.get(key).is_some_and(|session| session.ended.is_none());
    let Some(key) = owner.filter(alive) else { return Heard::Nobody };
    if unasked.place == Place::Report && judged(core, key, unasked, now).is_break() {
        return Heard::Refused;
    }
    learn(core, unasked, now);
    if let Some(odd) = unasked.odd {
        core.trail_device(Some(key), Reason::Malformed, odd);
    }
    deliver(core, key, unasked, now);
    Heard::Yes
}

/// The verdict on a report. `Break`: refused, counted, and told at a pace that fills no journal.
fn judged(core: &mut Core, key: SessionKey, unasked: &Unasked<'_>, now: Now) -> ControlFlow<()> {
    let Some(session) = core.sessions.get(&key) else { return ControlFlow::Break(()) };
    let kind = Kind::of(&unasked.message);
    let (charges, denied) = match core.judge(&session.permit, &unasked.message, &[], now) {
        Verdict::Allow(charges) => (charges, None),
        // The device is not asked whether it may speak.
        Verdict::Ask(_) => (Charges::default(), Some(Denied::because(Reason::ConditionNotMet))),
        Verdict::Deny(denied) => (Charges::default(), Some(denied)),
    };
    for rule in charges.rules.iter() {
        core.metrics.rule_hit(*rule);
    }
    let Some(denied) = denied else {
        core.count(kind, VerdictWord::Allowed);
        return ControlFlow::Continue(());
    };
    let refused = core.mode() == Mode::Enforce || denied.by_deny_rule;
    if refused {
        core.count_denied(&denied, kind);
    } else {
        core.metrics.denial(denied.reason, core.mode());
        core.count(kind, VerdictWord::WouldDeny);
    }
    if core.trail_device(Some(key), denied.reason, "the policy refuses what the device reports") {
        let (message, frame) = (Some(unasked.message.store()), Some(unasked.frame.into()));
        if refused {
            core.trail_denied(key, &denied, message, frame);
        } else {
            core.trail_would_deny(key, &denied, message, frame);
        }
    }
    if refused { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// What the device holds, as it says itself. What somebody writes now is known when that is settled; that nothing is
/// known holds at once.
fn learn(core: &mut Core, unasked: &Unasked<'_>, now: Now) {
    let (held, locks) = (&mut core.held, &core.locks);
    unasked.message.seen(&mut |seen| {
        if seen.value.is_none() || locks.owner(&seen).is_none() {
            held.learn(seen, now.mono);
        }
    });
}

fn deliver(core: &mut Core, key: SessionKey, unasked: &Unasked<'_>, now: Now) {
    let Some(session) = core.sessions.get_mut(&key) else { return };
    session.active = now.mono;
    let full = session.half.report(unasked, now, &mut session.out).is_err();
    core.news(key);
    if full {
        core.end(key, Cause::InternalError, now);
    } else {
        core.settle(key, now);
    }
}
