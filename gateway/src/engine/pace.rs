//! How fast may a session be read?

use sluicegate_proto::{time::Now, vocab::Mode};

use super::{SessionKey, Wake, core::Core};
use crate::observe::metrics::Limit;

/// Bytes over their rate pause this peer's reading; nothing that came is lost.
pub(super) fn charge(core: &mut Core, key: SessionKey, n: usize, now: Now) {
    let Err(wait) = core.limits.bytes(n) else { return };
    if core.mode() == Mode::Monitor {
        return;
    }
    core.metrics.limited(Limit::Bytes, true);
    if let Some(session) = core.sessions.get_mut(&key) {
        session.pause(now.mono.after(wait));
        session.unpaid = n;
    }
}

/// A pause that ran out ends only when the bytes that caused it can be paid: else every session would have one read for
/// nothing each time.
pub(super) fn resume(core: &mut Core, key: SessionKey, now: Now) {
    let Some(session) = core.sessions.get_mut(&key) else { return };
    if session.paused.is_none_or(|until| until > now.mono) {
        return;
    }
    session.paused = match core.limits.bytes(session.unpaid) {
        Ok(()) => {
            session.unpaid = 0;
            None
        }
        Err(wait) => Some(now.mono.after(wait.max(SHORTEST_PAUSE))),
    };
    if session.paused.is_none() {
        session.resumed = Some(now.mono);
        core.wake(Wake::Session(key));
    }
}

/// No timer wakes for less.
const SHORTEST_PAUSE: std::time::Duration = std::time::Duration::from_millis(1);
