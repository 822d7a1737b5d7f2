//! What is remembered of each source: its rate, its handshakes, whether it ever authenticated?

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use sluicegate_config::plan::Rate;
use tokio::sync::Notify;

use super::{Bounds, KNOWN_FACTOR};

/// Between two refusals of one source that are told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Buckets of one source: more listeners than a gateway has for one zone.
const BUCKETS: usize = 64;

#[derive(Debug)]
pub(super) struct Sources {
    bounds: Bounds,
    table: HashMap<IpAddr, Source>,
    under_way: usize,
    next_ticket: u64,
}

#[derive(Debug)]
struct Source {
    known: bool,
    /// One bucket per listener that it used, by name: when it would be empty of debt (generic cell rate algorithm). At
    /// most [`BUCKETS`].
    buckets: Vec<(Arc<str>, Instant)>,
    /// Its handshakes, oldest first.
    handshakes: VecDeque<(u64, Arc<Notify>)>,
    seen: Instant,
    told: Option<Instant>,
}

impl Sources {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, table: HashMap::new(), under_way: 0, next_ticket: 0 }
    }

    pub(super) const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether a refusal of this source should be told now.
    pub(super) fn tell(&mut self, source: IpAddr, now: Instant) -> bool {
        let entry = self.entry(source, now);
        let due = entry.told.is_none_or(|last| now.saturating_duration_since(last) >= TELL_EVERY);
        if due {
            entry.told = Some(now);
        }
        due
    }

    /// Takes one token of the source's bucket on this listener.
    pub(super) fn rate(&mut self, listener: &str, source: IpAddr, rate: Option<Rate>, now: Instant) -> bool {
        let entry = self.entry(source, now);
        let Some(rate) = rate.filter(|rate| rate.count > 0) else { return true };
        let factor = if entry.known { KNOWN_FACTOR } else { 1 };
        let count = rate.count.saturating_mul(factor);
        let each = Duration::from_nanos(u64::try_from(rate.per.as_nanos()).unwrap_or(u64::MAX) / count.max(1));
        let burst = u32::try_from(rate.burst.max(1).saturating_mul(factor)).unwrap_or(u32::MAX);
        let room = each.saturating_mul(burst - 1);
        if !entry.buckets.iter().any(|(one, _)| **one == *listener) {
            // Those of listeners that were, and of those that it left alone for longest.
            if entry.buckets.len() >= BUCKETS {
                let oldest = entry.buckets.iter().enumerate().min_by_key(|(_, (_, ends))| *ends).map(|(at, _)| at);
                oldest.map(|at| entry.buckets.swap_remove(at));
            }
            entry.buckets.push((Arc::from(listener), now));
        }
        let Some((_, debt_ends)) = entry.buckets.iter_mut().find(|(one, _)| **one == *listener) else {
            return false;
        };
        let from = (*debt_ends).max(now);
        if from.saturating_duration_since(now) > room {
            return false;
        }
        *debt_ends = from + each;
        true
    }

    /// Takes a place among the handshakes; somebody older may lose his.
    pub(super) fn enter(&mut self, source: IpAddr, now: Instant) -> (u64, Arc<Notify>) {
        let own = self.entry(source, now).handshakes.len();
        let victim = if own >= self.bounds.per_source {
            Some(source)
        } else if self.under_way >= self.bounds.handshakes {
            self.table.iter().max_by_key(|(_, one)| one.handshakes.len()).map(|(address, _)| *address)
        } else {
            None
        };
        if let Some((_, evicted)) = victim.and_then(|one| self.table.get_mut(&one)?.handshakes.pop_front()) {
            self.under_way -= 1;
            evicted.notify_one();
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let evicted = Arc::new(Notify::new());
        self.entry(source, now).handshakes.push_back((ticket, Arc::clone(&evicted)));
        self.under_way += 1;
        (ticket, evicted)
    }

    pub(super) fn leave(&mut self, source: IpAddr, ticket: u64) {
        let Some(entry) = self.table.get_mut(&source) else { return };
        let before = entry.handshakes.len();
        entry.handshakes.retain(|(one, _)| *one != ticket);
        self.under_way -= before - entry.handshakes.len();
    }

    pub(super) fn know(&mut self, source: IpAddr) {
        if let Some(entry) = self.table.get_mut(&source) {
            entry.known = true;
        }
    }

    fn entry(&mut self, source: IpAddr, now: Instant) -> &mut Source {
        if self.table.len() >= self.bounds.sources && !self.table.contains_key(&source) {
            self.forget_some();
        }
        let entry = self.table.entry(source).or_insert_with(|| Source {
            known: false,
            buckets: Vec::new(),
            handshakes: VecDeque::new(),
            seen: now,
            told: None,
        });
        entry.seen = now;
        entry
    }

    /// Forgets an eighth at once, so that a flood of sources does not sort the table at every connection: strangers
    /// first, the longest unseen first, never one with a handshake under way.
    fn forget_some(&mut self) {
        let mut idle: Vec<_> = self
            .table
            .iter()
            .filter(|(_, one)| one.handshakes.is_empty())
            .map(|(address, one)| (one.known, one.seen, *address))
            .collect();
        idle.sort_unstable();
        for (_, _, address) in idle.into_iter().take(self.bounds.sources / 8 + 1) {
            self.table.remove(&address);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    #[cfg(test)]
    pub(super) fn knows(&self, source: IpAddr) -> bool {
        self.table.get(&source).is_some_and(|one| one.known)
    }
}
