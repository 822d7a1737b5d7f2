//! The clock, the dice, the scissors, and the engine between station and centre.

use std::{cell::Cell, path::Path, rc::Rc, sync::Arc, time::Duration};

use sluicegate::{
    engine::{Engine, LinkKey, LinkWant, SessionKey, Setup},
    observe::{
        journal::{Journal, MemoryJournal},
        metrics::ConduitMetrics,
    },
    permit::{Peer as Facts, Permit},
};
use sluicegate_config::plan::{ConduitId, Site};
use sluicegate_proto::{
    policy::Who,
    time::{Mono, Now},
};

use super::ends::{Centre, REFUSED, Station};
pub(crate) use crate::simulation::Rng;

/// What the runs met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) made: u64,
    pub(crate) delivered: u64,
    pub(crate) forgotten: u64,
    pub(crate) executed: u64,
    pub(crate) refusals: u64,
    pub(crate) centre_cuts: u64,
    pub(crate) station_cuts: u64,
    pub(crate) again: u64,
}

impl Tally {
    fn fields(&self) -> [u64; 8] {
        [
            self.made,
            self.delivered,
            self.forgotten,
            self.executed,
            self.refusals,
            self.centre_cuts,
            self.station_cuts,
            self.again,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.made += other.made;
        self.delivered += other.delivered;
        self.forgotten += other.forgotten;
        self.executed += other.executed;
        self.refusals += other.refusals;
        self.centre_cuts += other.centre_cuts;
        self.station_cuts += other.station_cuts;
        self.again += other.again;
    }

    pub(crate) fn is_rich(&self) -> bool {
        self.fields().iter().all(|count| *count > 20)
    }
}

pub(crate) struct World {
    rng: Rng,
    now: Rc<Cell<u64>>,
    engine: Engine,
    journal: MemoryJournal,
    site: Arc<Site>,
    station: Station,
    centre: Centre,
    session: Option<SessionKey>,
    link: Option<LinkKey>,
    tally: Tally,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let site = Arc::new(site());
        let (journal, memory) = Journal::memory(8192);
        let now = Rc::new(Cell::new(1_000));
        let clock = now.clone();
        let engine = Engine::new(Setup {
            site: site.clone(),
            conduit: ConduitId(0),
            policy: site.conduits[0].policy.clone(),
            epoch: 1,
            metrics: ConduitMetrics::detached(&site.conduits[0]),
            journal,
            clock: Box::new(move || mono(clock.get())),
        });
        Self {
            rng: Rng::new(seed),
            now,
            engine,
            journal: memory,
            site,
            station: Station::default(),
            centre: Centre::default(),
            session: None,
            link: None,
            tally: Tally::default(),
        }
    }

    pub(crate) fn run(mut self, events: u32) -> Tally {
        while self.tally.made < u64::from(events) {
            self.event(events);
            self.settle(false);
            self.engine.check_invariants();
            self.journal.drain();
            self.hold_to_it();
        }
        // Left alone, everything that the station still keeps arrives.
        for _ in 0..10_000 {
            if self.station.is_empty() {
                break;
            }
            self.open();
            self.pass(500);
            self.settle(true);
        }
        assert!(self.station.is_empty(), "the station still keeps events that nobody takes");
        self.hold_to_it();
        let leaked = self.centre.had.keys().find(|event| self.station.refused.contains(event));
        assert!(leaked.is_none(), "a refused event came through: {leaked:?}");
        self.tally.again = self.centre.had.values().map(|times| u64::from(*times - 1)).sum();
        self.tally.clone()
    }

    /// The promise: what the station has forgotten, the centre has had or the policy refuses.
    fn hold_to_it(&mut self) {
        for event in std::mem::take(&mut self.station.forgotten) {
            let had = self.centre.had.contains_key(&event);
            assert_ne!(had, self.station.refused.contains(&event), "event {event} is gone");
        }
    }

    fn event(&mut self, most: u32) {
        let now = self.now.get();
        match self.rng.below(100) {
            0..=39 => {
                for _ in 0..=self.rng.below(4) {
                    if self.tally.made < u64::from(most) {
                        let ioa = if self.rng.below(10) == 0 {
                            REFUSED
                        } else {
                            1 + u32::try_from(self.rng.below(90)).expect("small")
                        };
                        self.station.happen(ioa, &mut self.tally);
                    }
                }
            }
            40..=47 => {
                let allowed = self.rng.below(2) == 0;
                self.centre.command(allowed, now);
            }
            48 => self.cut_centre(),
            49 => self.cut_station(),
            50 => {
                let long = 1_000 + self.rng.below(20_000);
                self.pass(long);
            }
            _ => {
                let short = 1 + self.rng.below(400);
                self.pass(short);
            }
        }
        self.open();
    }

    fn now(&self) -> Now {
        Now { mono: mono(self.now.get()), ..Now::default() }
    }

    fn open(&mut self) {
        if self.session.is_some() {
            return;
        }
        let who = Who { identity: "scada".into(), roles: vec!["hmi".into()] };
        let facts = Arc::new(Facts {
            who,
            identity: 0,
            source: ([127, 0, 0, 1], 1024).into(),
            listener: "ot".into(),
            key_hash: None,
            names: Vec::new(),
            not_after: None,
            shown: Default::default(),
        });
        let permit = Permit::grant(facts, &self.site.conduits[0].policy, 1);
        let key = self.engine.open(permit, self.now()).expect("there is room for one");
        self.session = Some(key);
        self.centre.connect();
    }

    fn cut_centre(&mut self) {
        if let Some(key) = self.session {
            self.tally.centre_cuts += 1;
            self.engine.peer_eof(key, true, self.now());
        }
    }

    fn cut_station(&mut self) {
        if let Some(link) = self.link.take() {
            self.tally.station_cuts += 1;
            self.station.disconnect();
            self.engine.link_down(link, self.now());
        }
    }

    /// Time passes, deadline by deadline.
    fn pass(&mut self, millis: u64) {
        let end = self.now.get() + millis;
        while self.now.get() < end {
            let due = self.engine.deadline().map(|at| at.as_nanos().div_ceil(1_000_000));
            let next =
                due.map_or(end, |due| due.clamp(self.now.get(), end)).min(self.now.get() + 200).max(self.now.get() + 1);
            self.now.set(next.min(end));
            self.engine.tick(self.now());
            self.settle(false);
        }
    }

    /// What the driver and the network do, until nothing moves. Not `whole`: bytes may stay on their way.
    fn settle(&mut self, whole: bool) {
        for _ in 0..10_000 {
            self.engine.take_wakes();
            let now = self.now.get();
            if !self.station.speak(now) {
                self.cut_station();
            }
            self.centre.speak(now);
            let moved = self.serve_links(whole) | self.serve_session(whole);
            if !moved || (!whole && self.rng.below(12) == 0) {
                return;
            }
        }
        panic!("the engine does not come to rest");
    }

    fn serve_links(&mut self, whole: bool) -> bool {
        let now = self.now();
        let mut moved = false;
        for link in self.engine.links() {
            match self.engine.link_want(link) {
                LinkWant::Rest => {}
                LinkWant::Dial if self.rng.below(16) == 0 => {
                    self.engine.link_down(link, now);
                    moved = true;
                }
                LinkWant::Dial => {
                    self.station.connect();
                    self.link = Some(link);
                    self.engine.link_up(link, now);
                    moved = true;
                }
                LinkWant::Pump => moved |= self.pump(link, whole),
                LinkWant::Close | LinkWant::Gone => {
                    if self.link == Some(link) {
                        self.link = None;
                        self.station.disconnect();
                    }
                    self.engine.link_down(link, now);
                    moved = true;
                }
            }
        }
        moved
    }

    fn pump(&mut self, link: LinkKey, whole: bool) -> bool {
        let now = self.now();
        let mut moved = false;
        if let Some(out) = self.engine.to_device(link)
            && !out.is_empty()
        {
            let n = some(&mut self.rng, out.len(), whole);
            let bytes = out.as_slice()[..n].to_vec();
            out.consume(n);
            self.station.take(&bytes, &mut self.tally);
            self.engine.device_flushed(link, n, now);
            moved = true;
        }
        if !self.station.out.is_empty() && self.engine.wants_device_bytes(link) {
            let n = some(&mut self.rng, self.station.out.len(), whole);
            let bytes: Vec<u8> = self.station.out.drain(..n).collect();
            self.engine.device_bytes(link, &bytes, now);
            moved = true;
        }
        moved
    }

    fn serve_session(&mut self, whole: bool) -> bool {
        let now = self.now();
        let Some(key) = self.session else { return false };
        let mut moved = false;
        if self.engine.ended(key).is_some() {
            self.engine.forget(key);
            self.centre.disconnect();
            self.session = None;
            return true;
        }
        if let Some(out) = self.engine.to_peer(key)
            && !out.is_empty()
        {
            let n = some(&mut self.rng, out.len(), whole);
            let bytes = out.as_slice()[..n].to_vec();
            out.consume(n);
            self.centre.take(&bytes, self.now.get(), &mut self.rng, &mut self.tally);
            self.engine.peer_flushed(key, n, now);
            moved = true;
        }
        if !self.centre.out.is_empty() && self.engine.wants_peer_bytes(key) {
            let n = some(&mut self.rng, self.centre.out.len(), whole);
            let bytes: Vec<u8> = self.centre.out.drain(..n).collect();
            self.engine.peer_bytes(key, &bytes, now);
            moved = true;
        }
        moved
    }
}

/// How many of these bytes arrive now: at least one.
fn some(rng: &mut Rng, most: usize, whole: bool) -> usize {
    if whole || rng.below(3) > 0 { most } else { 1 + usize::try_from(rng.below(most as u64)).expect("small") }
}

fn mono(millis: u64) -> Mono {
    Mono::ZERO.after(Duration::from_millis(millis))
}

fn site() -> Site {
    let text = r#"
schema = 1
[site]
name = "events"
[zones.upper]
level = 3
[zones.lower]
level = 1
[identities.scada]
zone = "upper"
match = { source = "127.0.0.1/32" }
roles = ["hmi"]
[roles.hmi]
[listeners.ot]
zone = "upper"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
[conduits.rtu]
from = "upper"
to = "lower"
listener = "ot"
upstream = "127.0.0.1:1"
protocol = "iec104"
[conduits.rtu.limits]
refusals = "100000/s"
[conduits.rtu.iec104]
cas = [1]
allow = ["hmi control C_BO_NA_1 ca 1 ioa 1", "any report M_BO_NA_1 ca 1 ioa 1-100"]
"#;
    match sluicegate_config::load_str(text, Path::new(".")) {
        Ok(loaded) => loaded.site,
        Err(findings) => panic!("{}", findings.iter().map(|one| one.render(false)).collect::<String>()),
    }
}
