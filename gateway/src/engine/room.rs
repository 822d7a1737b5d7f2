//! Who makes room when a conduit has all the sessions that it may have?
//!
//! As among handshakes: not the newest, but the greediest. Else one identity that opens sessions and keeps them would
//! lock all others out of the conduit.

use std::collections::BTreeMap;

use sluicegate_proto::{time::Now, vocab::Cause};

use super::{core::Core, session::Session};

impl Core {
    /// Ends one session of the identity with the most, where that still has no fewer than the newcomer afterwards: the
    /// one that has been quiet for longest. Whether there was one.
    pub(super) fn make_room(&mut self, newcomer: u16, now: Now) -> bool {
        let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
        let live = || self.sessions.iter().filter(|(_, session)| session.ended.is_none());
        live().for_each(|(_, session)| *counts.entry(holder(session)).or_default() += 1);
        let own = counts.get(&newcomer).copied().unwrap_or_default();
        let Some((greediest, most)) = counts.into_iter().max_by_key(|(_, count)| *count) else { return false };
        if most < own + 2 {
            return false;
        }
        let theirs = live().filter(|(_, session)| holder(session) == greediest);
        let quietest = theirs.min_by_key(|(_, session)| (!session.is_quiet(), session.active)).map(|(key, _)| *key);
        if let Some(key) = quietest {
            self.end(key, Cause::SessionLimit, now);
        }
        quietest.is_some()
    }
}

fn holder(session: &Session) -> u16 {
    session.permit.peer().identity
}
