//! Who plays the driver, the peers and the device, and turns the clock?
//!
//! The driver here does what the worker's tasks do and no more: it looks at a session or a link only when the engine
//! woke it or when something happened on its socket, and it ticks only when the timer that it was told to set runs out.
//! An engine that forgets a wake-up hangs here as it would outside.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, VecDeque},
    rc::Rc,
    sync::Arc,
};

use sluicegate_config::plan::{ConduitId, Site};
use sluicegate_proto::{
    policy::{PolicySet, Who},
    time::{Mono, Now, ScheduleSet},
    vocab::Cause,
};

mod driver;
mod obey;
mod site;

pub(super) use site::load;
use site::site;

use super::wire::{brief, frames, show};
use crate::{
    engine::{Engine, LinkKey, LinkWant, SessionKey, Setup, Wake},
    observe::{
        journal::{Journal, MemoryJournal, Seq},
        record::{Event, Record},
        site::SiteMetrics,
    },
    permit::{Peer, Permit},
};

/// What a test changes in the site that all of them share.
#[derive(Clone, Copy, Default)]
pub(super) struct Plan<'a> {
    /// Keys of the conduit.
    pub(super) conduit: &'a str,
    /// Keys of its limits.
    pub(super) limits: &'a str,
    /// Keys of its protocol.
    pub(super) modbus: &'a str,
    pub(super) allow: &'a [&'a str],
    pub(super) deny: &'a [&'a str],
    /// Whole tables.
    pub(super) tables: &'a str,
    /// Records that the journal takes; 0: plenty.
    pub(super) journal: usize,
}

/// How the device takes a dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    Answers,
    Refuses,
    Hangs,
}

/// What came of one peer's connection.
#[derive(Default)]
struct Socket {
    /// Bytes that the peer has sent and nobody has read.
    unread: VecDeque<u8>,
    /// The peer has finished sending.
    fin: bool,
    fin_seen: bool,
    received: Vec<u8>,
}

/// One conduit with everything around it.
pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) site: Arc<Site>,
    metrics: Arc<SiteMetrics>,
    journal: MemoryJournal,
    records: Vec<Record>,
    pub(super) undrained: bool,
    now: Rc<Cell<u64>>,
    schedules: ScheduleSet,
    epoch: u64,
    policy: Arc<PolicySet>,
    armed: Option<Mono>,
    due_sessions: BTreeSet<SessionKey>,
    due_links: BTreeSet<LinkKey>,
    sockets: BTreeMap<SessionKey, Socket>,
    ended: BTreeMap<SessionKey, Cause>,
    pub(super) dial: Dial,
    pub(super) dials: usize,
    live: BTreeSet<LinkKey>,
    /// What arrived at the device, one entry a write.
    arrived: Vec<(LinkKey, Vec<u8>)>,
    /// Bytes that the device has not taken off the wire.
    pub(super) device_reads: bool,
    /// The device answers at once out of its memory.
    pub(super) obedient: bool,
    pub(super) memory: BTreeMap<(u8, u16), u16>,
}

const MILLI: u64 = 1_000_000;

impl Bench {
    pub(super) fn new(plan: Plan<'_>) -> Self {
        let site = Arc::new(site(plan));
        let metrics = SiteMetrics::new(&site);
        let capacity = if plan.journal == 0 { 100_000 } else { plan.journal };
        let (journal, memory) = Journal::memory(capacity);
        let now = Rc::new(Cell::new(1_000 * MILLI));
        let clock = now.clone();
        let engine = Engine::new(Setup {
            site: site.clone(),
            conduit: ConduitId(0),
            policy: site.conduits[0].policy.clone(),
            epoch: 1,
            metrics: metrics.conduit("cell").expect("the conduit has series"),
            journal,
            clock: Box::new(move || Mono::from_nanos(clock.get())),
        });
        let mut bench = Self {
            engine,
            policy: site.conduits[0].policy.clone(),
            site,
            metrics,
            journal: memory,
            records: Vec::new(),
            undrained: false,
            now,
            schedules: ScheduleSet::default(),
            epoch: 1,
            armed: None,
            due_sessions: BTreeSet::new(),
            due_links: BTreeSet::new(),
            sockets: BTreeMap::new(),
            ended: BTreeMap::new(),
            dial: Dial::Answers,
            dials: 0,
            live: BTreeSet::new(),
            arrived: Vec::new(),
            device_reads: true,
            obedient: false,
            memory: BTreeMap::new(),
        };
        bench.armed = bench.engine.deadline();
        bench.settle();
        bench
    }

    /// The rules alone.
    pub(super) fn ruled(allow: &[&str]) -> Self {
        Self::new(Plan { allow, ..Plan::default() })
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: Mono::from_nanos(self.now.get()), schedules: self.schedules }
    }

    /// The first schedule holds, or does not.
    pub(super) fn schedule(&mut self, holds: bool) {
        self.schedules = if holds { ScheduleSet::default().with(0) } else { ScheduleSet::default() };
    }

    // The peers.

    pub(super) fn try_open(&mut self, identity: &str) -> Result<SessionKey, Cause> {
        let place = self.site.identities.iter().position(|one| one.name == identity).expect("it is configured");
        let peer = Arc::new(Peer {
            who: Who { identity: identity.to_owned(), roles: self.site.identities[place].roles.clone() },
            identity: u16::try_from(place).expect("few identities"),
            source: ([127, 0, 0, 1], 1024).into(),
            listener: "ot".to_owned(),
            key_hash: None,
            names: Vec::new(),
            not_after: None,
            shown: Default::default(),
        });
        let permit = Permit::grant(peer, &self.policy, self.epoch);
        let opened = self.engine.open(permit, self.now());
        if let Ok(key) = opened {
            self.sockets.insert(key, Socket::default());
        }
        self.settle();
        opened
    }

    pub(super) fn open(&mut self, identity: &str) -> SessionKey {
        self.try_open(identity).expect("a session")
    }

    /// The peer sends; what the engine does not want to read waits in the socket.
    pub(super) fn send(&mut self, key: SessionKey, bytes: &[u8]) {
        self.sockets.get_mut(&key).expect("a session").unread.extend(bytes);
        self.due_sessions.insert(key);
        self.settle();
    }

    /// The peer has finished sending.
    pub(super) fn finish(&mut self, key: SessionKey) {
        self.sockets.get_mut(&key).expect("a session").fin = true;
        self.due_sessions.insert(key);
        self.settle();
    }

    /// The peer is cut off.
    pub(super) fn cut(&mut self, key: SessionKey) {
        self.engine.peer_eof(key, true, self.now());
        self.settle();
    }

    /// How many bytes of the peer were not read yet.
    pub(super) fn unread(&self, key: SessionKey) -> usize {
        self.sockets[&key].unread.len()
    }

    /// The answers since the last call.
    pub(super) fn answers(&mut self, key: SessionKey) -> Vec<Vec<u8>> {
        frames(&std::mem::take(&mut self.sockets.get_mut(&key).expect("a session").received))
    }

    /// The same, short.
    pub(super) fn briefs(&mut self, key: SessionKey) -> Vec<String> {
        self.answers(key).iter().map(|adu| brief(adu)).collect()
    }

    /// Sends one message and takes the one answer that it gets at once.
    pub(super) fn ask(&mut self, key: SessionKey, bytes: &[u8]) -> String {
        self.send(key, bytes);
        self.briefs(key).join(", ")
    }

    pub(super) fn end_of(&self, key: SessionKey) -> Option<Cause> {
        self.ended.get(&key).copied()
    }

    // The device.

    /// What arrived since the last call, message by message.
    pub(super) fn arrived(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.arrived).iter().flat_map(|(_, bytes)| frames(bytes)).collect()
    }

    /// The same, as hex.
    pub(super) fn arrived_hex(&mut self) -> Vec<String> {
        self.arrived().iter().map(|adu| show(adu)).collect()
    }

    /// What arrived, one entry a write, with the connection that it came by.
    pub(super) fn writes(&mut self) -> Vec<(LinkKey, usize)> {
        std::mem::take(&mut self.arrived).iter().map(|(link, bytes)| (*link, frames(bytes).len())).collect()
    }

    /// The one live connection.
    pub(super) fn link(&self) -> LinkKey {
        assert_eq!(self.live.len(), 1, "one connection");
        *self.live.first().expect("a connection")
    }

    pub(super) fn live(&self) -> Vec<LinkKey> {
        self.live.iter().copied().collect()
    }

    pub(super) fn says(&mut self, link: LinkKey, bytes: &[u8]) {
        self.hear(link, bytes);
        self.settle();
    }

    fn hear(&mut self, link: LinkKey, bytes: &[u8]) {
        self.engine.device_bytes(link, bytes, self.now());
        self.due_links.insert(link);
    }

    /// The device answers its oldest unanswered message out of its memory.
    pub(super) fn answer_one(&mut self) -> Vec<u8> {
        let first = self.answer_oldest();
        self.settle();
        first
    }

    fn answer_oldest(&mut self) -> Vec<u8> {
        let (link, mut bytes) = self.arrived.remove(0);
        let mut all = frames(&bytes);
        let first = all.remove(0);
        bytes = all.concat();
        if !bytes.is_empty() {
            self.arrived.insert(0, (link, bytes));
        }
        let answer = self.obey(&first);
        self.hear(link, &answer);
        first
    }

    /// The device hangs up.
    pub(super) fn hang_up(&mut self, link: LinkKey) {
        assert!(self.live.remove(&link), "it is live");
        self.engine.link_down(link, self.now());
        self.settle();
    }

    /// A dial that hung comes to its end.
    pub(super) fn dialled(&mut self, link: LinkKey, stands: bool) {
        if stands {
            self.live.insert(link);
            self.engine.link_up(link, self.now());
            self.due_links.insert(link);
        } else {
            self.engine.link_down(link, self.now());
        }
        self.settle();
    }

    // Time.

    /// Time passes, as the driver's timer has it.
    pub(super) fn pass(&mut self, millis: u64) {
        let end = self.now.get() + millis * MILLI;
        let mut spins = 0;
        while let Some(due) = self.armed.map(Mono::as_nanos).filter(|due| *due <= end) {
            spins = if due > self.now.get() { 0 } else { spins + 1 };
            assert!(spins < 8, "the timer spins: its deadline stays in the past");
            self.now.set(due.max(self.now.get()));
            self.engine.tick(self.now());
            self.armed = None;
            self.settle();
            self.armed = self.engine.deadline();
        }
        self.now.set(end);
    }

    /// Time passes, and the timer is late.
    pub(super) fn late(&mut self, millis: u64) {
        self.now.set(self.now.get() + millis * MILLI);
    }

    /// A new policy of the same conduit.
    pub(super) fn policy(&mut self, plan: Plan<'_>) {
        self.policy = site(plan).conduits[0].policy.clone();
        self.epoch += 1;
        self.engine.set_policy(self.policy.clone(), self.epoch, self.now());
        self.settle();
    }

    pub(super) fn drain(&mut self) {
        self.engine.drain(self.now());
        self.settle();
    }

    // The records and the counters.

    /// Everything that was written down since the last call.
    pub(super) fn records(&mut self) -> Vec<Record> {
        self.take_records();
        std::mem::take(&mut self.records)
    }

    /// Those of one kind since the last call to this; the others are forgotten.
    pub(super) fn of(&mut self, event: Event) -> Vec<Record> {
        self.records().into_iter().filter(|record| record.event == event).collect()
    }

    fn take_records(&mut self) {
        self.records.extend(self.journal.drain().into_iter().map(|(_, record)| record));
    }

    pub(super) fn on_disk(&mut self, seq: u64) {
        self.journal.sync_to(Seq(seq));
        self.engine.durable(Seq(seq), self.now());
        self.settle();
    }

    /// The sum of a series over the samples whose labels contain all of `labels`.
    pub(super) fn count(&self, series: &str, labels: &[&str]) -> u64 {
        let text = self.metrics.text();
        let name = format!("sluicegate_{series}{{");
        let lines = text.lines().filter(|line| line.starts_with(&name));
        let chosen = lines.filter(|line| labels.iter().all(|label| line.contains(&format!("\"{label}\""))));
        chosen.map(|line| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok()).expect("a whole number")).sum()
    }

    /// How many verdicts were counted.
    pub(super) fn verdicts(&self) -> [u64; 3] {
        ["allowed", "denied", "would_deny"].map(|verdict| self.count("requests_total", &[verdict]))
    }
}

/// What one read of the driver brings.
pub(super) const SCRATCH: usize = 52 * 1024;
