//! Who may start a handshake? Asked before any cryptography is spent on a peer.
//!
//! ```text
//! source in the zone's networks -> rate of its source -> room among the handshakes -> Admitted (a guard)
//! ```
//! A full house does not turn the newest away: the oldest handshake of the greediest source makes room. A good client
//! needs milliseconds, a silent socket holds its place until its deadline, so the silent ones pay.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use sluicegate_config::plan::{Network, Rate, Site};
use tokio::sync::Notify;

mod sources;

use sources::Sources;

/// Handshakes at once, all sources together: each holds a descriptor and about 30 KiB of rustls.
const HANDSHAKES: usize = 1024;
/// Handshakes at once of one source: a rack of clients behind one address reconnecting together.
const HANDSHAKES_PER_SOURCE: usize = 128;
/// Sources remembered: what one /20 of peers needs, at some hundred bytes each.
const SOURCES: usize = 4096;
/// A source that has authenticated before may come back this many times faster than a stranger.
const KNOWN_FACTOR: u64 = 10;

/// Why a connection is closed before its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Turned {
    /// The peer: not in its zone's networks.
    #[error("the source is outside its zone's networks")]
    Source,
    /// The peer: it connects too often.
    #[error("the source connects too often")]
    Rate,
}

/// The bounds of one gateway; tests make their own.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// All handshakes at once.
    pub handshakes: usize,
    /// Those of one source.
    pub per_source: usize,
    /// Sources remembered.
    pub sources: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { handshakes: HANDSHAKES, per_source: HANDSHAKES_PER_SOURCE, sources: SOURCES }
    }
}

/// What one listener admits.
#[derive(Clone, Debug)]
pub struct Door {
    name: String,
    networks: Vec<Network>,
    rate: Option<Rate>,
}

impl Door {
    /// The doors of all listeners, in the order of the plan. A connection names its conduit only inside TLS, so a
    /// listener takes the most generous `connections` of its conduits.
    pub fn all(site: &Site) -> Vec<Self> {
        let one = |listener: &sluicegate_config::plan::Listener| {
            let rates =
                listener.conduits.iter().map(|id| site.conduits.get(id.index()).and_then(|c| c.limits.connections));
            let networks = site.zones.get(listener.zone.index()).map(|zone| zone.networks.clone()).unwrap_or_default();
            Self { name: listener.name.clone(), networks, rate: most_generous(rates) }
        };
        site.listeners.iter().map(one).collect()
    }
}

/// The table of sources and the handshakes under way, shared by all accept loops.
#[derive(Debug)]
pub struct Admission {
    doors: Vec<Door>,
    sources: Arc<Mutex<Sources>>,
}

impl Admission {
    /// An empty table.
    pub fn new(doors: Vec<Door>, bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { doors, sources: Arc::new(Mutex::new(Sources::new(bounds))) })
    }

    /// Other doors before the same sources: what a source has used up, and that it has authenticated, stays known.
    pub fn follow(&self, doors: Vec<Door>) -> Arc<Self> {
        Arc::new(Self { doors, sources: Arc::clone(&self.sources) })
    }

    /// Whether `source` may start a handshake on listener number `listener` now.
    ///
    /// # Errors
    /// [`Turned`], and whether this refusal should be told (at most one a second and source is).
    pub fn ask(self: &Arc<Self>, listener: usize, source: IpAddr, now: Instant) -> Result<Admitted, (Turned, bool)> {
        let source = source.to_canonical();
        let door = self.doors.get(listener);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let inside = door.is_some_and(|door| {
            door.networks.is_empty() || door.networks.iter().any(|network| network.contains(source))
        });
        if !inside {
            return Err((Turned::Source, sources.tell(source, now)));
        }
        let (name, rate) = door.map_or(("", None), |door| (door.name.as_str(), door.rate));
        if !sources.rate(name, source, rate, now) {
            return Err((Turned::Rate, sources.tell(source, now)));
        }
        let (ticket, evicted) = sources.enter(source, now);
        Ok(Admitted { admission: Arc::clone(self), source, ticket, evicted })
    }

    /// Handshakes under way.
    pub fn under_way(&self) -> usize {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).under_way()
    }
}

/// A place among the handshakes. Dropping it gives the place back.
#[derive(Debug)]
#[must_use]
pub struct Admitted {
    admission: Arc<Admission>,
    source: IpAddr,
    ticket: u64,
    evicted: Arc<Notify>,
}

impl Admitted {
    /// Wakes when the place was given to somebody else.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// The peer has authenticated: its source may come back faster from now on.
    pub fn authenticated(&self) {
        self.admission.sources.lock().unwrap_or_else(PoisonError::into_inner).know(self.source);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.sources.lock().unwrap_or_else(PoisonError::into_inner).leave(self.source, self.ticket);
    }
}

/// The largest sustained rate, with the largest burst; `None` (unlimited) beats all.
fn most_generous(rates: impl Iterator<Item = Option<Rate>>) -> Option<Rate> {
    let slower =
        |a: &Rate, b: &Rate| (u128::from(a.count) * b.per.as_nanos()).cmp(&(u128::from(b.count) * a.per.as_nanos()));
    let all: Option<Vec<Rate>> = rates.collect();
    let all = all?;
    let burst = all.iter().map(|rate| rate.burst).max()?;
    all.into_iter().max_by(slower).map(|rate| Rate { burst, ..rate })
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 30, 0, 5));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 30, 0, 6));

    fn admission(rate: Option<Rate>, bounds: Bounds) -> Arc<Admission> {
        Admission::new(vec![door(rate)], bounds)
    }

    fn door(rate: Option<Rate>) -> Door {
        let networks = vec![Network { base: IpAddr::V4(Ipv4Addr::new(10, 30, 0, 0)), prefix: 24 }];
        Door { name: "ot".to_owned(), networks, rate }
    }

    fn rate(count: u64, burst: u64) -> Option<Rate> {
        Some(Rate { count, per: Duration::from_secs(1), burst })
    }

    #[test]
    fn a_source_outside_its_zone_is_turned_away_and_told_once_a_second() {
        let admission = admission(None, Bounds::default());
        let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let start = Instant::now();
        let ask = |after| admission.ask(0, stranger, start + Duration::from_millis(after)).map(|_| ());
        assert_eq!(ask(0), Err((Turned::Source, true)));
        assert_eq!(ask(500), Err((Turned::Source, false)));
        assert_eq!(ask(1100), Err((Turned::Source, true)));
        let mapped = IpAddr::V6(Ipv4Addr::new(10, 30, 0, 5).to_ipv6_mapped());
        assert!(admission.ask(0, mapped, start).is_ok(), "an IPv4-mapped address is its IPv4 address");
        assert_eq!(admission.under_way(), 0);
    }

    #[test]
    fn a_source_that_has_authenticated_comes_back_ten_times_faster() {
        let admission = admission(rate(1, 2), Bounds::default());
        let start = Instant::now();
        let tries = |n: usize| (0..n).filter(|_| admission.ask(0, PEER, start).is_ok()).count();
        assert_eq!(tries(100), 2, "a stranger has its burst and no more");
        let admitted = admission.ask(0, PEER, start + Duration::from_secs(1)).expect("one second is one token");
        admitted.authenticated();
        drop(admitted);
        let later = start + Duration::from_secs(100);
        let again = (0..100).filter(|_| admission.ask(0, PEER, later).is_ok()).count();
        assert_eq!(again, 20);
        assert!(admission.ask(0, OTHER, start).is_ok(), "another source has a bucket of its own");
    }

    #[test]
    fn what_a_source_has_used_up_stays_used_up_when_the_configuration_changes() {
        let first = admission(rate(1, 2), Bounds::default());
        let start = Instant::now();
        let tries = |one: &Arc<Admission>, door| (0..100).filter(|_| one.ask(door, PEER, start).is_ok()).count();
        assert_eq!(tries(&first, 0), 2);
        let other = Door { name: "it".to_owned(), ..door(rate(1, 2)) };
        let second = first.follow(vec![other, door(rate(1, 2))]);
        assert_eq!(tries(&second, 1), 0, "the same listener in another place");
        assert_eq!(tries(&second, 0), 2, "a new one has its own");
        assert_eq!(second.under_way(), 0);
    }

    /// PX-01: silent sockets cannot keep a good client out.
    #[test]
    fn a_full_house_makes_room_at_the_cost_of_the_greediest() {
        let bounds = Bounds { handshakes: 4, per_source: 3, sources: 16 };
        let admission = admission(None, bounds);
        let now = Instant::now();
        let mut silent: Vec<_> = (0..3).map(|_| admission.ask(0, PEER, now).expect("room")).collect();
        let _fourth = admission.ask(0, OTHER, now).expect("room");
        let fifth = admission.ask(0, OTHER, now).expect("the greediest makes room");
        assert_eq!(admission.under_way(), 4);
        let runtime = crate::tasks::small_runtime().expect("a runtime");
        runtime.block_on(silent.remove(0).evicted());
        assert_eq!(admission.under_way(), 4, "the evicted one was taken out when it lost its place");
        drop(fifth);
        drop(silent);
        assert_eq!(admission.under_way(), 1);
    }

    #[test]
    fn the_table_of_sources_is_bounded_and_forgets_strangers_first() {
        let bounds = Bounds { sources: 64, ..Bounds::default() };
        let admission = admission(rate(1, 1), bounds);
        let start = Instant::now();
        admission.ask(0, PEER, start).expect("room").authenticated();
        for low in 0..=255u8 {
            let source = IpAddr::V4(Ipv4Addr::new(10, 30, 0, low));
            let _ = admission.ask(0, source, start + Duration::from_secs(2));
        }
        let sources = admission.sources.lock().expect("no panic under the lock");
        assert!(sources.len() <= 64);
        assert!(sources.knows(PEER));
    }
}
