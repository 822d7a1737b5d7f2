//! The clock, the dice, and the engine between peers and device.

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
    policy::{PolicySet, Who},
    time::{Mono, Now},
    vocab::Cause,
};

use super::{device::Device, peer::Peer, wire::Ways};

/// The rules that `device::Device::write` knows too. `WIDE` stands only in the wide policy.
const RULES: &str = r#"
  "any read holding 0-199",
  "operator write holding 0-49",
  "operator write holding 100-109 step 10 up or to 0 via 6",
  "operator write holding 110 via 6 max 5/min",
  "operator write holding 120 = 0 always",
"#;
const WIDE: &str = r#""operator write holding 50-99","#;

/// Which policy is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Wide,
    Narrow,
}

/// What the runs met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) steps: u64,
    pub(crate) always: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) false_answers: u64,
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) epochs: u64,
    pub(crate) hang_ups: u64,
    pub(crate) cuts: u64,
    pub(crate) ended: u64,
    /// Requests that crossed in RTU, that went to all units, that a sleeping unit did not hear.
    pub(crate) rtu: u64,
    pub(crate) broadcasts: u64,
    pub(crate) unheard: u64,
    /// Ids used twice.
    pub(crate) duplicates: u64,
    /// Answers that say that there was none.
    pub(crate) no_response: u64,
}

impl Tally {
    fn fields(&self) -> [u64; 18] {
        [
            self.reads,
            self.writes,
            self.steps,
            self.always,
            self.lost,
            self.late,
            self.false_answers,
            self.answered,
            self.refused,
            self.epochs,
            self.hang_ups,
            self.cuts,
            self.ended,
            self.rtu,
            self.broadcasts,
            self.unheard,
            self.duplicates,
            self.no_response,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.steps += other.steps;
        self.always += other.always;
        self.lost += other.lost;
        self.late += other.late;
        self.false_answers += other.false_answers;
        self.answered += other.answered;
        self.refused += other.refused;
        self.epochs += other.epochs;
        self.hang_ups += other.hang_ups;
        self.cuts += other.cuts;
        self.ended += other.ended;
        self.rtu += other.rtu;
        self.broadcasts += other.broadcasts;
        self.unheard += other.unheard;
        self.duplicates += other.duplicates;
        self.no_response += other.no_response;
    }

    pub(crate) fn is_rich(&self) -> bool {
        self.fields().iter().all(|count| *count > 20)
    }
}

/// xorshift64*: the dice.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

pub(crate) struct World {
    rng: Rng,
    now: Rc<Cell<u64>>,
    engine: Engine,
    journal: MemoryJournal,
    policies: [Arc<PolicySet>; 2],
    site: Arc<Site>,
    stage: Stage,
    epoch: u64,
    peers: Vec<Peer>,
    device: Device,
    live: Option<LinkKey>,
    unique: u16,
    tally: Tally,
    loud: bool,
}

impl World {
    pub(crate) fn new(seed: u64, loud: bool) -> Self {
        let mut rng = Rng::new(seed);
        let ways = Ways::rolled(&mut rng);
        let site = Arc::new(site(&format!("{RULES}{WIDE}"), ways));
        let narrow = site_policy(&site_of(RULES, ways));
        let (journal, memory) = Journal::memory(4096);
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
            rng,
            now,
            engine,
            journal: memory,
            policies: [site.conduits[0].policy.clone(), narrow],
            site,
            stage: Stage::Wide,
            epoch: 1,
            peers: (0..4).map(|index| Peer::new(index < 3, ways)).collect(),
            device: Device::new(ways.back),
            live: None,
            unique: 0,
            tally: Tally::default(),
            loud,
        }
    }

    pub(crate) fn run(mut self, steps: u32) -> Tally {
        for _ in 0..steps {
            self.event();
            self.settle();
            self.engine.check_invariants();
            self.journal.drain();
        }
        self.calm_down();
        self.tally.clone()
    }

    fn event(&mut self) {
        match self.rng.below(100) {
            0..=54 => self.send(),
            55..=84 => {
                let millis = 1 + self.rng.below(60);
                self.pass(millis);
            }
            85..=88 => {
                let millis = 1_000 + self.rng.below(14_000);
                self.pass(millis);
            }
            89..=92 => self.change_policy(),
            93..=95 => self.hang_up(),
            96 | 97 => self.cut_device(),
            98 => {
                self.device.asleep = !self.device.asleep;
                self.say(format_args!("the sleeper sleeps: {}", self.device.asleep));
            }
            _ => self.pass(1),
        }
    }

    fn say(&self, what: std::fmt::Arguments<'_>) {
        if self.loud {
            println!("{:>8} ms  {what}", self.now.get());
        }
    }

    fn now(&self) -> Now {
        Now { mono: mono(self.now.get()), ..Now::default() }
    }

    /// A peer sends one to three frames, whole or up to somewhere in the middle.
    fn send(&mut self) {
        let index = usize::try_from(self.rng.below(4)).expect("small");
        let now = self.now();
        if self.peers[index].leaving {
            return;
        }
        if self.peers[index].session.is_none() {
            let permit = Permit::grant(self.facts(index), &self.policies[self.stage as usize], self.epoch);
            match self.engine.open(permit, now) {
                Ok(key) => self.peers[index].fresh(key),
                Err(cause) => panic!("a session was refused: {cause}"),
            }
        }
        let Some(key) = self.peers[index].session else { return };
        let mut bytes = std::mem::take(&mut self.peers[index].unsent);
        for _ in 0..=self.rng.below(3) {
            let frame = self.peers[index].frame(&mut self.unique, &mut self.rng, &mut self.tally);
            bytes.extend(frame);
        }
        if self.rng.below(4) == 0 {
            let cut = usize::try_from(self.rng.below(bytes.len() as u64)).expect("small");
            self.peers[index].unsent = bytes.split_off(cut);
        }
        if self.engine.wants_peer_bytes(key) {
            self.say(format_args!("peer {index} session {} sends {bytes:02x?}", key.0));
            self.engine.peer_bytes(key, &bytes, now);
        } else {
            bytes.append(&mut self.peers[index].unsent);
            self.peers[index].unsent = bytes;
        }
    }

    fn facts(&self, index: usize) -> Arc<Facts> {
        let (identity, role) = if self.peers[index].operator {
            (format!("op-{index}"), "operator")
        } else {
            ("viewer-1".into(), "viewer")
        };
        let place = self.site.identities.iter().position(|one| one.name == identity).expect("it is configured");
        Arc::new(Facts {
            who: Who { identity, roles: vec![role.into()] },
            identity: u16::try_from(place).expect("few identities"),
            source: ([127, 0, 0, 1], 1024).into(),
            listener: "ot".into(),
            key_hash: None,
            names: Vec::new(),
            not_after: None,
            shown: Default::default(),
        })
    }

    /// Time passes, deadline by deadline, as the driver's timer would have it.
    fn pass(&mut self, millis: u64) {
        let end = self.now.get() + millis;
        while let Some(next) = self.next_moment().filter(|at| *at <= end) {
            self.now.set(next.max(self.now.get()));
            self.engine.tick(self.now());
            self.device_answers();
            self.settle();
            self.engine.tick(self.now());
            self.settle();
            let due = self.engine.deadline();
            assert!(due.is_none_or(|at| at > self.now().mono), "a deadline stays in the past: the timer would spin");
        }
        self.now.set(end);
        self.engine.tick(self.now());
        self.device_answers();
    }

    fn next_moment(&self) -> Option<u64> {
        let engine = self.engine.deadline().map(|at| at.as_nanos().div_ceil(1_000_000));
        let device = self.device.answers.iter().map(|(due, _)| *due).min();
        [engine, device].into_iter().flatten().filter(|at| *at > self.now.get()).min()
    }

    fn device_answers(&mut self) {
        let now = self.now();
        let due: Vec<_> =
            self.device.answers.iter().filter(|(at, _)| *at <= self.now.get()).map(|(_, one)| one.clone()).collect();
        self.device.answers.retain(|(at, _)| *at > self.now.get());
        let Some(link) = self.live else { return };
        for bytes in due {
            let cut = usize::try_from(self.rng.below(bytes.len() as u64)).expect("small");
            self.say(format_args!("device answers {bytes:02x?}"));
            self.engine.device_bytes(link, &bytes[..cut], now);
            self.engine.device_bytes(link, &bytes[cut..], now);
        }
    }

    fn change_policy(&mut self) {
        self.stage = if self.stage == Stage::Wide { Stage::Narrow } else { Stage::Wide };
        self.epoch += 1;
        self.tally.epochs += 1;
        self.say(format_args!("policy {:?}", self.stage));
        self.engine.set_policy(self.policies[self.stage as usize].clone(), self.epoch, self.now());
    }

    fn hang_up(&mut self) {
        let index = usize::try_from(self.rng.below(4)).expect("small");
        let now = self.now();
        // A peer that still has something to send hangs up rudely.
        let truncated = self.rng.below(2) == 0 || !self.peers[index].unsent.is_empty();
        let Some(key) = self.peers[index].session.filter(|_| !self.peers[index].leaving) else { return };
        self.tally.hang_ups += 1;
        self.say(format_args!("peer {index} hangs up, truncated: {truncated}"));
        self.peers[index].leaving = true;
        if truncated {
            self.engine.end(key, Cause::Truncated, now);
        } else {
            self.engine.peer_eof(key, false, now);
        }
    }

    fn cut_device(&mut self) {
        if let Some(link) = self.live.take() {
            self.tally.cuts += 1;
            self.say(format_args!("the device hangs up"));
            self.device.reconnect();
            self.engine.link_down(link, self.now());
        }
    }

    /// What the driver does after every event, until nothing moves.
    fn settle(&mut self) {
        for _ in 0..64 {
            let links = self.serve_links();
            let sessions = self.serve_sessions();
            self.engine.take_wakes();
            if !links && !sessions {
                return;
            }
        }
        panic!("the engine does not come to rest");
    }

    fn serve_links(&mut self) -> bool {
        let now = self.now();
        let mut moved = false;
        for link in self.engine.links() {
            match self.engine.link_want(link) {
                LinkWant::Rest => {}
                LinkWant::Dial => {
                    moved = true;
                    if self.rng.below(8) == 0 {
                        self.engine.link_down(link, now);
                    } else {
                        self.device.reconnect();
                        self.live = Some(link);
                        self.engine.link_up(link, now);
                    }
                }
                LinkWant::Pump => moved |= self.pump(link),
                LinkWant::Close | LinkWant::Gone => {
                    moved = true;
                    self.live = None;
                    self.engine.link_down(link, now);
                }
            }
        }
        moved
    }

    fn pump(&mut self, link: LinkKey) -> bool {
        let now = self.now();
        let Some(out) = self.engine.to_device(link) else { return false };
        let bytes = out.as_slice().to_vec();
        if bytes.is_empty() {
            return false;
        }
        out.consume(bytes.len());
        self.say(format_args!("to device {bytes:02x?}"));
        self.device.take(&bytes, self.now.get(), self.stage, &mut self.rng, &mut self.tally);
        self.engine.device_flushed(link, bytes.len(), now);
        true
    }

    fn serve_sessions(&mut self) -> bool {
        let now = self.now();
        let mut moved = false;
        for key in self.engine.sessions() {
            let Some(out) = self.engine.to_peer(key) else { continue };
            let bytes = out.as_slice().to_vec();
            out.consume(bytes.len());
            if self.loud && !bytes.is_empty() {
                println!("{:>8} ms  to session {} {bytes:02x?}", self.now.get(), key.0);
            }
            if let Some(peer) = self.peers.iter_mut().find(|peer| peer.session == Some(key)) {
                peer.receive(&bytes, &mut self.tally);
            }
            if !bytes.is_empty() {
                moved = true;
                self.engine.peer_flushed(key, bytes.len(), now);
            }
            if self.engine.ended(key).is_some() {
                moved = true;
                self.forget(key);
            }
        }
        moved
    }

    fn forget(&mut self, key: SessionKey) {
        self.say(format_args!("session {} ends: {:?}", key.0, self.engine.ended(key)));
        self.tally.ended += 1;
        self.engine.forget(key);
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.session == Some(key)) {
            peer.gone();
        }
    }

    /// With time, everything that was asked is answered: nothing wedges.
    fn calm_down(&mut self) {
        for index in 0..self.peers.len() {
            let unsent = std::mem::take(&mut self.peers[index].unsent);
            if let Some(key) = self.peers[index].session.filter(|_| !unsent.is_empty()) {
                self.engine.peer_bytes(key, &unsent, self.now());
            }
            self.settle();
        }
        // A stop to the sleeper is tried whatever is known of it, so each of them may take a whole `request_timeout`.
        let owed =
            |world: &Self| world.peers.iter().filter(|peer| peer.session.is_some()).map(Peer::owed).sum::<usize>();
        for turn in 0..4_000 {
            self.pass(200);
            self.settle();
            if turn > 200 && owed(self) == 0 {
                break;
            }
        }
        assert_eq!(owed(self), 0, "answers are still owed after 800 s");
        self.engine.drain(self.now());
        self.settle();
        assert!(self.engine.sessions().is_empty(), "a quiet conduit drains at once");
        self.engine.check_invariants();
    }
}

fn mono(millis: u64) -> Mono {
    Mono::ZERO.after(Duration::from_millis(millis))
}

fn site_policy(site: &Site) -> Arc<PolicySet> {
    site.conduits[0].policy.clone()
}

fn site(rules: &str, ways: Ways) -> Site {
    site_of(rules, ways)
}

fn site_of(rules: &str, ways: Ways) -> Site {
    let (pending, keys) = (ways.pending, ways.keys());
    let text = format!(
        r#"
schema = 1
[site]
name = "simulation"
[zones.upper]
level = 3
[zones.lower]
level = 1
[identities.op-0]
zone = "upper"
match = {{ source = "127.0.0.1/32" }}
roles = ["operator"]
[identities.op-1]
zone = "upper"
match = {{ source = "127.0.0.2/32" }}
roles = ["operator"]
[identities.op-2]
zone = "upper"
match = {{ source = "127.0.0.3/32" }}
roles = ["operator"]
[identities.viewer-1]
zone = "upper"
match = {{ source = "127.0.0.4/32" }}
roles = ["viewer"]
[roles.operator]
[roles.viewer]
[listeners.ot]
zone = "upper"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
[conduits.cell]
from = "upper"
to = "lower"
listener = "ot"
upstream = "127.0.0.1:1"
protocol = "modbus"
upstream_pending = {pending}
[conduits.cell.limits]
refusals = "1000/s burst 1000"
[conduits.cell.modbus]
units = [0, 1, 2, 3]
unit0 = "broadcast"
unit_map = {{ 255 = 1 }}
{keys}
allow = [{rules}]
"#
    );
    match sluicegate_config::load_str(&text, Path::new(".")) {
        Ok(loaded) => loaded.site,
        Err(findings) => panic!("{}", findings.iter().map(|one| one.render(false)).collect::<String>()),
    }
}
