//! A session and its device connection that live and die together, and what the device says unasked.
//!
//! IEC 104 is the protocol that has both; the engine knows it only by its halves.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sluicegate_config::plan::ConduitId;
use sluicegate_proto::{
    iec104::{Asdu, Direction, Request},
    policy::{PolicySet, Who},
    protocol::Message,
    time::{Mono, Now},
    vocab::Cause,
};

use super::bench::load;
use crate::{
    engine::{Engine, LinkKey, LinkWant, SessionKey, Setup, locks::written_by},
    observe::{
        journal::{Journal, MemoryJournal},
        metrics::ConduitMetrics,
        record::Event,
    },
    permit::{Peer, Permit},
};

const START: [u8; 6] = [0x68, 4, 0x07, 0, 0, 0];
const STOP: [u8; 6] = [0x68, 4, 0x13, 0, 0, 0];
const INTERROGATION: [u8; 16] = [0x68, 14, 0, 0, 0, 0, 100, 1, 6, 0, 1, 0, 0, 0, 0, 20];
const STARTED: [u8; 6] = [0x68, 4, 0x0b, 0, 0, 0];
/// The window of either side.
const K: u16 = 12;

struct Pair {
    engine: Engine,
    journal: MemoryJournal,
    peer: Arc<Peer>,
    policy: Arc<PolicySet>,
    /// What the device has sent so far.
    sent: u16,
}

impl Pair {
    fn new(keys: &str) -> Self {
        Self::of(&format!("{SITE}{keys}\n"))
    }

    fn of(text: &str) -> Self {
        let site = Arc::new(load(text));
        let (journal, memory) = Journal::memory(1000);
        let policy = site.conduits[0].policy.clone();
        let who = Who { identity: "scada".to_owned(), roles: vec!["hmi".to_owned()] };
        let peer = Peer {
            who,
            identity: 0,
            source: ([127, 0, 0, 1], 1024).into(),
            listener: "ot".to_owned(),
            key_hash: None,
            names: Vec::new(),
            not_after: None,
            shown: Default::default(),
        };
        let engine = Engine::new(Setup {
            metrics: ConduitMetrics::detached(&site.conduits[0]),
            conduit: ConduitId(0),
            epoch: 1,
            clock: Box::new(|| at(0).mono),
            site,
            policy: policy.clone(),
            journal,
        });
        Self { engine, journal: memory, peer: Arc::new(peer), policy, sent: 0 }
    }

    fn open(&mut self) -> (SessionKey, LinkKey) {
        let permit = Permit::grant(self.peer.clone(), &self.policy, 1);
        let key = self.engine.open(permit, at(0)).expect("there is room");
        self.sent = 0;
        let link = *self.engine.links().last().expect("it has a link of its own");
        assert_eq!(self.engine.link_want(link), LinkWant::Dial, "at once");
        (key, link)
    }

    /// Open, connected, started on both sides.
    fn started(&mut self) -> (SessionKey, LinkKey) {
        let (key, link) = self.open();
        self.engine.link_up(link, at(0));
        self.engine.peer_bytes(key, &START, at(0));
        assert_eq!((self.device_gets(link), self.peer_gets(key)), (START.to_vec(), vec![]));
        self.engine.device_bytes(link, &STARTED, at(0));
        assert_eq!(self.peer_gets(key), STARTED);
        (key, link)
    }

    fn peer_gets(&mut self, key: SessionKey) -> Vec<u8> {
        let Some(out) = self.engine.to_peer(key) else { return Vec::new() };
        let bytes = out.as_slice().to_vec();
        out.consume(bytes.len());
        self.engine.peer_flushed(key, bytes.len(), at(0));
        self.engine.check_invariants();
        bytes
    }

    fn device_gets(&mut self, link: LinkKey) -> Vec<u8> {
        let Some(out) = self.engine.to_device(link) else { return Vec::new() };
        let bytes = out.as_slice().to_vec();
        out.consume(bytes.len());
        bytes
    }

    /// The device tells of a point.
    fn event(&mut self, link: LinkKey, ioa: u8) {
        let [low, high] = (self.sent << 1).to_le_bytes();
        self.sent += 1;
        let frame = [0x68, 14, low, high, 0, 0, 1, 1, 3, 0, 1, 0, ioa, 0, 0, 1];
        self.engine.device_bytes(link, &frame, at(0));
        self.engine.check_invariants();
    }
}

fn at(millis: u64) -> Now {
    Now { mono: Mono::ZERO.after(Duration::from_millis(1000 + millis)), ..Now::default() }
}

/// "I have so many."
fn acknowledge(frames: u16) -> [u8; 6] {
    let [low, high] = (frames << 1).to_le_bytes();
    [0x68, 4, 1, 0, low, high]
}

#[test]
fn a_word_waits_for_the_connection() {
    let mut pair = Pair::new("");
    let (key, link) = pair.open();
    pair.engine.peer_bytes(key, &START, at(0));
    assert!(pair.device_gets(link).is_empty() && pair.peer_gets(key).is_empty());
    pair.engine.link_up(link, at(10));
    assert_eq!(pair.device_gets(link), START);
}

#[test]
fn what_is_reported_is_acknowledged_by_the_peer_or_refused_by_the_policy() {
    let mut pair = Pair::new("");
    let (key, link) = pair.started();
    pair.event(link, 5);
    assert_eq!(pair.peer_gets(key).len(), 16);
    assert!(pair.device_gets(link).is_empty(), "the peer has said nothing");
    pair.engine.peer_bytes(key, &acknowledge(1), at(0));
    assert_eq!(pair.device_gets(link), acknowledge(1));
    // Refused ones are settled by themselves, but never past one that the peer does not have.
    pair.event(link, 6);
    (0..8).for_each(|_| pair.event(link, 200));
    pair.engine.tick(at(0));
    assert_eq!((pair.peer_gets(key).len(), pair.device_gets(link).len()), (16, 0));
    pair.engine.peer_bytes(key, &acknowledge(2), at(0));
    assert_eq!(pair.device_gets(link), acknowledge(10));
    let denied = pair.journal.drain().into_iter().filter(|(_, record)| record.event == Event::Denied).count();
    assert_eq!(denied, 8);
}

/// An event that comes for a session which has just ended stays the device's.
#[test]
fn nothing_is_settled_for_a_peer_that_is_gone() {
    let mut pair = Pair::new("");
    let (key, link) = pair.started();
    pair.engine.end(key, Cause::Killed, at(0));
    assert_eq!(pair.engine.link_want(link), LinkWant::Gone);
    (0..20).for_each(|_| pair.event(link, 200));
    pair.engine.tick(at(60_000));
    assert!(pair.device_gets(link).is_empty());
    pair.engine.link_down(link, at(0));
    assert!(pair.engine.links().is_empty());
}

#[test]
fn they_end_together() {
    let mut pair = Pair::new("");
    let (key, link) = pair.open();
    pair.engine.link_down(link, at(0));
    assert_eq!(pair.engine.ended(key), Some(Cause::UpstreamUnavailable));
    let (key, link) = pair.started();
    pair.engine.link_down(link, at(0));
    assert_eq!(pair.engine.ended(key), Some(Cause::DeviceClosed));
    pair.engine.forget(key);
    let (key, link) = pair.started();
    pair.engine.peer_eof(key, true, at(0));
    assert_eq!((pair.engine.ended(key), pair.engine.link_want(link)), (Some(Cause::Truncated), LinkWant::Gone));
    pair.engine.link_down(link, at(0));
    assert!(pair.engine.links().is_empty(), "no link is left over");
}

/// GEN-01: a command that comes in one segment with the word that ends it is treated as if it had come alone.
#[test]
fn what_came_before_a_stop_has_its_turn_first() {
    let mut pair = Pair::new("");
    let (key, link) = pair.started();
    pair.engine.peer_bytes(key, &[&INTERROGATION[..], &STOP].concat(), at(0));
    assert_eq!(pair.device_gets(link), [&INTERROGATION[..], &STOP].concat());
}

/// What a peer could not send on while nobody read it is not late when it is read again, whatever else is due by then.
#[test]
fn a_pause_of_our_reading_is_no_delay_of_the_peers() {
    let mut pair =
        Pair::new("t1 = \"5s\"\nt2 = \"2s\"\nt3 = \"12s\"\n[conduits.cell.limits]\nbytes = \"10/s burst 10\"");
    let (key, _) = pair.started();
    let mut begun = [0; 105];
    begun[..2].copy_from_slice(&[0x68, 253]);
    pair.engine.peer_bytes(key, &begun, at(1000));
    let mut seen = None;
    // 101 bytes more than are paid for: ten seconds, then five for the rest. t3 runs out in between.
    for millis in (1000..20_000).step_by(100) {
        pair.engine.tick(at(millis));
        pair.peer_gets(key);
        if let Some(cause) = pair.engine.ended(key) {
            seen = Some((cause, millis));
            break;
        }
    }
    let (cause, millis) = seen.expect("it never comes whole");
    assert_eq!(cause, Cause::FrameTimeout);
    assert!((15_000..17_000).contains(&millis), "{millis}");
}

/// IE-23: an execute that waits for the station's window is judged again when it leaves, and so is its select.
#[test]
fn a_select_that_ran_out_in_the_queue_executes_nothing() {
    const SELECT: [u8; 16] = [0x68, 14, 0, 0, 0, 0, 45, 1, 6, 0, 1, 0, 100, 0, 0, 0x81];
    for (acknowledged, executes) in [(3000, true), (7000, false)] {
        let rule = "\"hmi control C_SC_NA_1 ca 1 ioa 100 = on select-first\", \"hmi read";
        let mut pair =
            Pair::of(&format!("{}k = 1\nw = 1\nselect_timeout = \"5s\"\n", SITE.replace("\"hmi read", rule)));
        let (key, link) = pair.started();
        pair.engine.peer_bytes(key, &SELECT, at(0));
        assert_eq!(pair.device_gets(link), SELECT);
        let mut confirmed = SELECT;
        (confirmed[4], confirmed[8]) = (2, 7);
        pair.engine.device_bytes(link, &confirmed, at(0));
        pair.peer_gets(key);
        pair.engine.peer_bytes(key, &acknowledge(1), at(0));
        assert_eq!(pair.device_gets(link), acknowledge(1));
        // The window towards the station is full now.
        let (mut first, mut execute) = (INTERROGATION, SELECT);
        (first[2], first[4], execute[2], execute[4], execute[15]) = (2, 2, 4, 2, 1);
        pair.engine.peer_bytes(key, &[first, execute].concat(), at(1000));
        let left = pair.device_gets(link);
        assert_eq!(left[6..], INTERROGATION[6..], "the execute waits");
        pair.engine.tick(at(acknowledged));
        pair.engine.device_bytes(link, &acknowledge(2), at(acknowledged));
        let (left, told) = (pair.device_gets(link), pair.peer_gets(key));
        let refused = told.windows(10).any(|asdu| asdu == [45, 1, 0x47, 0, 1, 0, 100, 0, 0, 1]);
        assert_eq!(left.windows(10).any(|asdu| asdu == &execute[6..]), executes, "{left:02x?}");
        assert_eq!(refused, !executes, "{told:02x?}");
    }
}

/// What cannot leave before a stop is refused at once: it does not leave after another start.
#[test]
fn nothing_waits_for_another_start() {
    let mut pair = Pair::new("k = 1\nw = 1");
    let (key, link) = pair.started();
    let mut second = INTERROGATION;
    (second[2], second[15]) = (2, 21);
    pair.engine.peer_bytes(key, &[&INTERROGATION[..], &second, &STOP].concat(), at(0));
    assert_eq!(pair.device_gets(link), [&INTERROGATION[..], &STOP].concat(), "a window of one");
    let told = pair.peer_gets(key);
    let refused = told.windows(10).any(|asdu| asdu == [100, 1, 0x47, 0, 1, 0, 0, 0, 0, 21]);
    assert!(refused, "{told:02x?}");
}

/// GEN-13: what a station holds is not known after a reset, also where that goes to all of them.
#[test]
fn a_reset_of_all_stations_is_one_of_each() {
    let site = load(&SITE.replace("cas = [1]", "cas = [1, 2, 65535]"));
    let units = |ca: [u8; 2]| {
        let reset = [105, 1, 6, 0, ca[0], ca[1], 0, 0, 0, 1];
        let asdu = Asdu::read(&reset, Direction::Control).expect("a reset");
        let ranges = written_by(&site.conduits[0], &Message::Iec104(Request::new(asdu)));
        ranges.into_iter().map(|range| range.unit).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    assert_eq!((units([1, 0]), units([0xFF, 0xFF])), (vec![1], vec![1, 2, 65_535]));
}

/// A peer that does not take what the device says stops the device, and no buffer grows.
#[test]
fn a_device_is_read_as_fast_as_its_peer() {
    let mut pair = Pair::new("");
    let (key, link) = pair.started();
    let mut read = 0;
    while pair.engine.wants_device_bytes(link) {
        pair.event(link, 5);
        read += 1;
        assert!(read <= 2 * K, "a window left, a window waits");
    }
    assert_eq!(pair.peer_gets(key).len(), usize::from(K) * 16);
    assert!(!pair.engine.wants_device_bytes(link));
    pair.engine.peer_bytes(key, &acknowledge(K), at(0));
    assert_eq!(pair.peer_gets(key).len(), usize::from(K) * 16);
    assert!(pair.engine.wants_device_bytes(link));
}

#[test]
fn only_one_has_the_floor() {
    let mut pair = Pair::new("");
    let (first, _) = pair.started();
    let (second, link) = pair.open();
    pair.engine.link_up(link, at(0));
    pair.engine.peer_bytes(second, &START, at(0));
    assert_eq!((pair.engine.ended(first), pair.engine.ended(second)), (None, Some(Cause::SessionConflict)));

    let mut pair = Pair::new("standby = \"take-over\"");
    let (first, _) = pair.started();
    let (second, _) = pair.started();
    assert_eq!((pair.engine.ended(first), pair.engine.ended(second)), (Some(Cause::SessionConflict), None));
}

const SITE: &str = r#"
schema = 1
[site]
name = "bench"
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
[conduits.cell]
from = "upper"
to = "lower"
listener = "ot"
upstream = "127.0.0.1:1"
protocol = "iec104"
[conduits.cell.iec104]
cas = [1]
allow = ["hmi read interrogation ca 1", "any report M_SP_NA_1 ca 1 ioa 1-100"]
"#;
