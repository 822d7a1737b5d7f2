//! How fast may a session be read, and how long may its reads wait?

use std::time::Duration;

use sluicegate_proto::{
    time::Now,
    vocab::{Mode, Reason},
};

use super::{Engine, SessionKey, core::Core, intake::denied_as, limits::Toll, session::LONGEST_DELAY};
use crate::observe::metrics::Limit;

impl Engine {
    /// So many bytes more came off the wire than the next [`Engine::peer_bytes`] holds: TLS records and their padding.
    /// The peer pays for them as for the others.
    pub fn peer_overhead(&mut self, key: SessionKey, n: usize, now: Now) {
        self.at(now);
        charge(&mut self.core, key, n, now);
    }
}

/// Bytes over their rate pause this peer's reading until they are paid for; nothing that came is lost.
pub(super) fn charge(core: &mut Core, key: SessionKey, n: usize, now: Now) {
    if n == 0 || core.mode() == Mode::Monitor {
        return;
    }
    let Some(session) = core.sessions.get_mut(&key) else { return };
    session.unpaid = session.unpaid.saturating_add(n);
    if let Err(wait) = core.limits.pay(&mut session.unpaid) {
        session.pause(now.mono.after(wait.max(SHORTEST_PAUSE)));
        core.metrics.limited(Limit::Bytes, true);
    }
}

/// A pause that ran out ends only when the bytes that caused it are paid for: else every session would have one read
/// for nothing each time.
pub(super) fn resume(core: &mut Core, key: SessionKey, now: Now) {
    let Some(session) = core.sessions.get_mut(&key) else { return };
    if session.paused.is_none_or(|until| until > now.mono) {
        return;
    }
    session.paused = match core.limits.pay(&mut session.unpaid) {
        Ok(()) => None,
        Err(wait) => Some(now.mono.after(wait.max(SHORTEST_PAUSE))),
    };
    if session.paused.is_none() {
        session.half.read_again(now);
        core.news(key);
    }
}

/// No timer wakes for less.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Reads whose delay is over ask their limits again; they wait 250 ms in all, and not at all in the way of an `always`
/// message: its answer would wait with them.
pub(super) fn charge_delayed(core: &mut Core, key: SessionKey, now: Now) {
    let Some(session) = core.sessions.get(&key) else { return };
    let (identity, hurried) = (session.permit.peer().identity, session.has_always());
    let mut place = 0;
    while let Some(job) = core.sessions.get_mut(&key).and_then(|session| session.queue.get_mut(place)) {
        place += 1;
        if job.not_before.is_none_or(|until| until > now.mono && !hurried) {
            continue;
        }
        let toll = Toll { peer_paid: job.peer_paid, ..job.kind.toll(identity) };
        let last = job.arrived.after(LONGEST_DELAY);
        job.not_before = None;
        let Err((limit, wait)) = core.limits.charge(toll) else { continue };
        job.peer_paid |= limit != Limit::PeerRequests;
        if now.mono < last && !hurried {
            job.not_before = Some(now.mono.after(wait).min(last));
            continue;
        }
        core.metrics.limited(limit, false);
        place -= 1;
        if let Some(job) = core.take_job(key, place) {
            let denied = denied_as(Reason::RateLimited, job.kind);
            core.refuse_job(key, job, &denied, now);
        }
    }
}
