//! What can a peer or a device do to its conduit that the rules do not speak of?

use std::{sync::Arc, time::Duration};

use sluicegate_config::plan::{ConduitId, Site};
use sluicegate_proto::{
    policy::Who,
    time::{Mono, Now},
    vocab::Cause,
};

use super::super::*;
use crate::{
    observe::{
        journal::{Journal, MemoryJournal},
        metrics::ConduitMetrics,
        record::Event,
    },
    permit::Peer,
};

/// One conduit, its peers and its device, by hand.
struct Bench {
    engine: Engine,
    site: Arc<Site>,
    memory: MemoryJournal,
}

impl Bench {
    fn new(conduit: &str, limits: &str, allow: &str) -> Self {
        let text = format!(
            r#"
schema = 1
[site]
name = "bench"
[zones.upper]
level = 3
[zones.lower]
level = 1
[identities.scada]
zone = "upper"
match = {{ source = "127.0.0.1/32" }}
roles = []
[identities.other]
zone = "upper"
match = {{ source = "127.0.0.2/32" }}
roles = []
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
{conduit}
[conduits.cell.limits]
{limits}
[conduits.cell.modbus]
units = [1]
allow = [{allow}]
"#
        );
        let site = Arc::new(super::bench::load(&text));
        let (journal, memory) = Journal::memory(100_000);
        let plan = &site.conduits[0];
        let engine = Engine::new(Setup {
            site: Arc::clone(&site),
            conduit: ConduitId(0),
            policy: Arc::clone(&plan.policy),
            epoch: 1,
            metrics: ConduitMetrics::detached(plan),
            journal,
            clock: Box::new(|| Mono::ZERO),
        });
        Self { engine, site, memory }
    }

    /// A session of `scada` (0) or `other` (1).
    fn open(&mut self, identity: u16, now: Now) -> Result<SessionKey, Cause> {
        let name = self.site.identities[usize::from(identity)].name.clone();
        let peer = Peer {
            who: Who { identity: name, roles: Vec::new() },
            identity,
            source: ([127, 0, 0, 1], 1024).into(),
            listener: "ot".to_owned(),
            key_hash: None,
            names: Vec::new(),
            not_after: None,
            shown: Default::default(),
        };
        let permit = Permit::grant(Arc::new(peer), &self.site.conduits[0].policy, 1);
        self.engine.open(permit, now)
    }

    /// Dials what wants dialling.
    fn connect(&mut self, now: Now) {
        for link in self.engine.links() {
            if self.engine.link_want(link) == LinkWant::Dial {
                self.engine.link_up(link, now);
            }
        }
    }

    /// The whole frames that wait for the device on this link.
    fn sent(&mut self, link: LinkKey, now: Now) -> Vec<Vec<u8>> {
        let Some(out) = self.engine.to_device(link) else { return Vec::new() };
        let bytes = out.as_slice().to_vec();
        out.clear();
        self.engine.device_flushed(link, bytes.len(), now);
        frames(&bytes)
    }

    fn told(&mut self, key: SessionKey, now: Now) -> Vec<Vec<u8>> {
        let Some(out) = self.engine.to_peer(key) else { return Vec::new() };
        let bytes = out.as_slice().to_vec();
        out.clear();
        self.engine.peer_flushed(key, bytes.len(), now);
        frames(&bytes)
    }

    fn records(&mut self, event: Event) -> usize {
        self.memory.drain().iter().filter(|(_, one)| one.event == event).count()
    }
}

fn at(millis: u64) -> Now {
    Now { mono: Mono::ZERO.after(Duration::from_millis(millis)), ..Now::default() }
}

fn frame(id: u16, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).expect("short").to_be_bytes();
    [&id.to_be_bytes()[..], &[0, 0], &length, &[1], pdu].concat()
}

fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(length) = bytes.get(4..6) {
        let (one, rest) = bytes.split_at(6 + usize::from(u16::from_be_bytes([length[0], length[1]])));
        all.push(one.to_vec());
        bytes = rest;
    }
    all
}

/// What the device answers to `request`.
fn answer(request: &[u8], pdu: &[u8]) -> Vec<u8> {
    frame(u16::from_be_bytes([request[0], request[1]]), pdu)
}

const READ: [u8; 5] = [3, 0, 0, 0, 1];
const STOP: [u8; 5] = [5, 0, 7, 0, 0];

/// A worker that loops here is a gateway that the watchdog kills: one peer's two requests would be everybody's outage.
#[test]
fn s9_a_delayed_read_before_an_always_write_does_not_hold_the_worker() {
    let allow = r#""any read holding 0-9", "scada write coil 7 = off always""#;
    let mut bench = Bench::new("", "peer_requests = \"10/s burst 1\"", allow);
    let key = bench.open(0, at(0)).expect("a session");
    // Two reads, the second over its rate and delayed; then the stop.
    bench.engine.peer_bytes(key, &[frame(1, &READ), frame(2, &READ), frame(3, &STOP)].concat(), at(0));
    bench.connect(at(0));
    let link = bench.engine.links()[0];
    let first = bench.sent(link, at(0));
    assert_eq!(first.len(), 1);
    bench.engine.device_bytes(link, &answer(&first[0], &[3, 2, 0, 5]), at(1));
    let next = bench.sent(link, at(1));
    assert_eq!(next[0][7..], STOP, "the stop goes at once");
    bench.engine.device_bytes(link, &answer(&next[0], &STOP), at(2));
    let told: Vec<_> = bench.told(key, at(2)).iter().map(|one| (one[1], one[7..].to_vec())).collect();
    assert_eq!(told, [(1, vec![3, 2, 0, 5]), (2, vec![0x83, 6]), (3, STOP.to_vec())], "in the order of the requests");
    bench.engine.check_invariants();
}

/// No limit holds `always` messages back: they must not keep the other peers from the device.
#[test]
fn s9_a_flood_of_always_writes_leaves_every_other_turn_to_the_others() {
    let allow = r#""any read holding 0-9", "scada write coil 7 = off always""#;
    let mut bench = Bench::new("", "", allow);
    let (flooder, victim) = (bench.open(0, at(0)).expect("a session"), bench.open(1, at(0)).expect("a session"));
    let flood: Vec<u8> = (0..16).flat_map(|id| frame(id, &STOP)).collect();
    bench.engine.peer_bytes(flooder, &flood, at(0));
    bench.engine.peer_bytes(victim, &[frame(1, &READ), frame(2, &READ), frame(3, &READ)].concat(), at(0));
    bench.connect(at(0));
    let link = bench.engine.links()[0];
    let mut functions = Vec::new();
    for turn in 1..=8 {
        let sent = bench.sent(link, at(turn));
        functions.push(sent[0][7]);
        let pdu = if sent[0][7] == 3 { vec![3, 2, 0, 5] } else { STOP.to_vec() };
        bench.engine.device_bytes(link, &answer(&sent[0], &pdu), at(turn));
    }
    assert_eq!(functions[0], 5, "a stop goes first");
    assert_eq!(functions.iter().filter(|one| **one == 3).count(), 3, "{functions:?}");
}

/// GEN-14, PX-20: a duplicate takes no slot, so nothing but the pause bounds what it costs in records.
#[test]
fn mb_10_a_flood_of_duplicate_ids_is_not_a_flood_of_records() {
    let mut bench = Bench::new("", "refusals = \"20/s burst 100\"", r#""any read holding 0-9""#);
    let key = bench.open(0, at(0)).expect("a session");
    let many: Vec<u8> = std::iter::repeat_with(|| frame(1, &READ)).take(2000).flatten().collect();
    bench.engine.peer_bytes(key, &many, at(0));
    for second in 1..=10 {
        assert!(!bench.engine.wants_peer_bytes(key), "what came waits");
        bench.engine.tick(at(second * 1000));
    }
    let records = bench.records(Event::Denied);
    assert!((100..400).contains(&records), "{records} records of one peer's duplicates in ten seconds");
    bench.engine.check_invariants();
}

/// PX-20: the journal is shared by all conduits; a device that only talks must not fill it.
#[test]
fn gen_08_a_device_that_only_talks_fills_no_journal_and_is_hung_up_on() {
    let mut bench = Bench::new("", "", r#""any read holding 0-9""#);
    let key = bench.open(0, at(0)).expect("a session");
    let link = bench.engine.links()[0];
    let noise: Vec<u8> = std::iter::repeat_with(|| frame(999, &[3, 2, 0, 1])).take(4000).flatten().collect();
    for round in 0..10 {
        let now = at(round * 2100);
        bench.engine.peer_bytes(key, &frame(1, &READ), now);
        bench.connect(now);
        bench.sent(link, now);
        bench.engine.device_bytes(link, &noise, now);
        assert_eq!(bench.engine.link_want(link), LinkWant::Close, "no device needs to say so much");
        bench.engine.link_down(link, now);
        bench.told(key, now);
    }
    let alarms = bench.records(Event::Alarm);
    assert!((1..=320).contains(&alarms), "{alarms} alarms in twenty seconds, at 10/s burst 100");
    bench.engine.check_invariants();
}

/// PX-05: who never takes its last answer keeps its buffers, and may not have any number of them.
#[test]
fn gen_14_sessions_that_ended_but_are_not_gone_are_bounded() {
    let mut bench = Bench::new("max_sessions = 2", "", r#""any read holding 0-9""#);
    for _ in 0..4 {
        let key = bench.open(0, at(0)).expect("a session");
        bench.engine.end(key, Cause::PeerClosed, at(0));
    }
    assert_eq!(bench.open(0, at(0)), Err(Cause::SessionLimit));
    let gone = bench.engine.sessions()[0];
    bench.engine.forget(gone);
    assert!(bench.open(0, at(0)).is_ok());
}

/// S9: each pause is paid for before the next read, or as many sessions as there are would each read one buffer free.
#[test]
fn s9_many_sessions_do_not_multiply_the_bytes_of_a_conduit() {
    let mut bench = Bench::new("", "bytes = \"1KiB/s\"\npeer_requests = \"10000/s\"", r#""any read holding 0-9""#);
    let keys: Vec<_> = (0..16).map(|_| bench.open(0, at(0)).expect("a session")).collect();
    let mut taken = 0;
    for tenth in 0..200 {
        let now = at(tenth * 100);
        bench.engine.tick(now);
        for key in &keys {
            if bench.engine.wants_peer_bytes(*key) {
                // Refused at once, so that no slot stands in the way.
                let id = u16::try_from(tenth).expect("small");
                let bytes: Vec<u8> =
                    std::iter::repeat_with(|| frame(id, &[6, 0, 0, 0, 0])).take(40).flatten().collect();
                taken += bytes.len();
                bench.engine.peer_bytes(*key, &bytes, now);
            }
            bench.told(*key, now);
        }
    }
    // Twenty seconds and the bucket, and one read that each session is allowed ahead.
    assert!(taken <= 21 * 1024 + 17 * 480, "{taken} bytes");
}

/// GEN-13: two connections overtake each other; what an overtaken read brings is not what the device holds.
#[test]
fn gen_13_a_read_that_a_write_overtook_makes_no_step_larger() {
    let allow = r#""any read holding 0-99", "any write holding 40 = 0..1000 step 100""#;
    let mut bench = Bench::new("upstream_mode = \"per-session\"", "", allow);
    let (one, two) = (bench.open(0, at(0)).expect("a session"), bench.open(1, at(0)).expect("a session"));
    let links = bench.engine.links();
    let set = |value: u16| [&[6, 0, 40][..], &value.to_be_bytes()].concat();
    let read = [3, 0, 40, 0, 1];
    // A read leaves on the first connection; its answer (100) stays out.
    bench.engine.peer_bytes(one, &frame(1, &read), at(0));
    bench.connect(at(0));
    let slow = bench.sent(links[0], at(0));
    // Meanwhile the second connection reads 100 of its own accord and writes 200.
    bench.engine.peer_bytes(two, &frame(1, &set(200)), at(1));
    bench.connect(at(1));
    let own = bench.sent(links[1], at(1));
    assert_eq!(own[0][7..], read, "the gateway's own read");
    bench.engine.device_bytes(links[1], &answer(&own[0], &[3, 2, 0, 100]), at(2));
    let write = bench.sent(links[1], at(2));
    bench.engine.device_bytes(links[1], &answer(&write[0], &set(200)), at(3));
    assert_eq!(bench.told(two, at(3)).len(), 1);
    // Now the old answer arrives. A step to 0 from it would be 100, and really is 200.
    bench.engine.device_bytes(links[0], &answer(&slow[0], &[3, 2, 0, 100]), at(4));
    assert_eq!(bench.told(one, at(4)).len(), 1, "its peer gets it all the same");
    bench.engine.peer_bytes(two, &frame(2, &set(0)), at(5));
    assert_eq!(bench.sent(links[1], at(5)), Vec::<Vec<u8>>::new());
    assert_eq!(bench.told(two, at(5))[0][7..], [0x86, 3]);
    bench.engine.check_invariants();
}
