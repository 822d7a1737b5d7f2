//! What do a session and its device connection have to do with each other?
//!
//! The halves of some protocols must tell each other things (it is started, so much is acknowledged): words that are
//! carried here and not understood. Where the protocol says so, a session and its device connection live and die
//! together, and only one session at a time has the device's floor.

use sluicegate_proto::{
    half::{Floor, Rivals, Signal},
    time::Now,
    vocab::{Cause, Mode, Reason},
};

use super::{SessionKey, core::Core};

/// A word of a peer's half. It reaches the device's half in its turn, if the session may say it.
pub(super) fn from_peer(core: &mut Core, key: SessionKey, signal: Signal, now: Now) {
    match signal.floor {
        Floor::Silent => {}
        Floor::Leaves => set_floor(core, key, false),
        Floor::Takes if may_have_floor(core, key, now) => set_floor(core, key, true),
        Floor::Takes => return,
    }
    if let Some(session) = core.sessions.get(&key).filter(|session| session.ended.is_none()) {
        core.signals.push((session.link, signal));
    }
}

/// A word of the device's half for the session that it is bound to.
pub(super) fn to_peer(core: &mut Core, owner: Option<SessionKey>, signal: Signal, now: Now) {
    let Some((key, session)) = owner.and_then(|key| Some((key, core.sessions.get_mut(&key)?))) else { return };
    if session.ended.is_some() {
        return;
    }
    session.active = now.mono;
    // What waited for this word has its turn again.
    session.held_back = None;
    let full = session.half.signal(signal, now, &mut session.out).is_err();
    core.news(key);
    if full {
        core.end(key, Cause::InternalError, now);
    }
}

/// The device connection of this session is gone: so is the session.
pub(super) fn lost(core: &mut Core, owner: Option<SessionKey>, cause: Cause, now: Now) {
    if let Some(key) = owner {
        core.end(key, cause, now);
    }
}

fn set_floor(core: &mut Core, key: SessionKey, has: bool) {
    if let Some(session) = core.sessions.get_mut(&key) {
        session.has_floor = has;
    }
}

/// Whether the session gets the floor. Where another one has it, one of the two ends.
fn may_have_floor(core: &mut Core, key: SessionKey, now: Now) -> bool {
    let Some(holder) = core.sessions.iter().find(|(other, one)| **other != key && one.has_floor).map(|(key, _)| *key)
    else {
        return true;
    };
    let rivals = core.conduit().protocol.rivals(&core.conduit().settings);
    if rivals == Rivals::Welcome {
        return true;
    }
    core.metrics.denial(Reason::SessionConflict, core.mode());
    // Monitor mode ends nobody.
    let watched = core.mode() == Mode::Monitor;
    let (loser, note) = match rivals {
        _ if watched => (key, "a second session takes the floor that another one has"),
        Rivals::TakeOver => (holder, "another session takes the device's floor: this one ends"),
        Rivals::Refused | Rivals::Welcome => (key, "another session has the device's floor: this one ends"),
    };
    core.trail_alarm(Some(loser), Some(Reason::SessionConflict), note);
    if watched {
        return true;
    }
    core.end(loser, Cause::SessionConflict, now);
    loser == holder
}
