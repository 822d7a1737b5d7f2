//! Who are the peers and the device of a conduit without sockets?

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use sluicegate::{
    engine::{Engine, LinkKey, LinkWant, SessionKey, Setup, Wake},
    observe::{
        journal::{Journal, MemoryJournal},
        metrics::ConduitMetrics,
    },
    permit::{Peer, Permit},
};
use sluicegate_config::plan::{ConduitId, Site};
use sluicegate_proto::{
    policy::Who,
    time::{Mono, Now},
};

/// What a bench changes.
pub(crate) struct Shape {
    pub(crate) sessions: usize,
    /// All sessions on one device connection, with pipelining.
    pub(crate) shared: bool,
    /// Rules, half for reading and half for writing.
    pub(crate) rules: u32,
    /// One request in so many is an audited write; 0: none.
    pub(crate) write_every: u32,
    /// Requests that arrive in one read.
    pub(crate) depth: u16,
}

impl Default for Shape {
    fn default() -> Self {
        Self { sessions: 1, shared: false, rules: 20, write_every: 0, depth: 1 }
    }
}

/// One conduit with its time, its sessions, each with a connected device, and the trail that nobody reads.
struct Line {
    engine: Engine,
    journal: MemoryJournal,
    now: Arc<AtomicU64>,
    lines: Vec<(SessionKey, LinkKey)>,
}

impl Line {
    fn new(config: &str, sessions: usize) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sluicegate.toml");
        std::fs::write(&path, config).expect("written");
        let site: Arc<Site> = Arc::new(sluicegate_config::load(&path).expect("it makes sense").site);
        let (journal, memory) = Journal::memory(100_000);
        let now = Arc::new(AtomicU64::new(1_000_000_000));
        let clock = Arc::clone(&now);
        let policy = Arc::clone(&site.conduits[0].policy);
        let engine = Engine::new(Setup {
            conduit: ConduitId(0),
            policy: Arc::clone(&policy),
            epoch: 1,
            metrics: ConduitMetrics::detached(&site.conduits[0]),
            journal,
            clock: Box::new(move || Mono::from_nanos(clock.load(Relaxed))),
            site,
        });
        let mut one = Self { engine, journal: memory, now, lines: Vec::new() };
        let peer = Arc::new(Peer {
            who: Who { identity: "scada".into(), roles: vec!["hmi".into()] },
            identity: 0,
            source: ([127, 0, 0, 1], 1024).into(),
            listener: "ot".into(),
            key_hash: None,
            names: Vec::new(),
            not_after: None,
            shown: Default::default(),
        });
        for _ in 0..sessions {
            let now = one.wake_up();
            let key = one.engine.open(Permit::grant(Arc::clone(&peer), &policy, 1), now).expect("room");
            let link = one.engine.links().into_iter().max().expect("a link");
            one.lines.push((key, link));
        }
        one
    }

    /// The clock reading of a wake-up: 5 us after the last.
    fn wake_up(&self) -> Now {
        let nanos = self.now.fetch_add(5_000, Relaxed) + 5_000;
        Now { mono: Mono::from_nanos(nanos), ..Now::default() }
    }

    /// Dials where the engine wants it.
    fn connect(&mut self) {
        let now = self.wake_up();
        for link in self.engine.links() {
            if self.engine.link_want(link) == LinkWant::Dial {
                self.engine.link_up(link, now);
            }
        }
        self.wakes();
    }

    fn wakes(&mut self) {
        while let Some(wake) = self.engine.next_wake() {
            if wake == Wake::Timer {
                self.engine.deadline();
            }
        }
    }

    fn peer_says(&mut self, key: SessionKey, bytes: &[u8]) {
        let now = self.wake_up();
        assert!(self.engine.wants_peer_bytes(key));
        self.engine.peer_bytes(key, bytes, now);
        self.wakes();
    }

    fn device_says(&mut self, link: LinkKey, bytes: &[u8]) {
        let now = self.wake_up();
        assert!(self.engine.wants_device_bytes(link));
        self.engine.device_bytes(link, bytes, now);
        self.wakes();
    }

    /// What leaves for the device, copied to `into`.
    fn device_gets(&mut self, link: LinkKey, into: &mut Vec<u8>) {
        let now = self.wake_up();
        let out = self.engine.to_device(link).expect("a link");
        into.clear();
        into.extend_from_slice(out.as_slice());
        let n = out.len();
        out.consume(n);
        self.engine.device_flushed(link, n, now);
        self.wakes();
    }

    /// What leaves for the peer: how many bytes.
    fn peer_gets(&mut self, key: SessionKey) -> usize {
        let now = self.wake_up();
        let out = self.engine.to_peer(key).expect("a session");
        let n = out.len();
        out.consume(n);
        self.engine.peer_flushed(key, n, now);
        self.wakes();
        n
    }
}

/// A Modbus conduit and its device.
pub(crate) struct Plant {
    line: Line,
    turn: usize,
    count: u32,
    write_every: u32,
    depth: u16,
    id: u16,
    request: Vec<u8>,
    wire: Vec<u8>,
    answer: Vec<u8>,
}

/// Unit 1, FC 3, two registers; unit 1, FC 6.
const READ: [u8; 10] = [0, 0, 0, 6, 1, 3, 0, 10, 0, 2];
const WRITE: [u8; 10] = [0, 0, 0, 6, 1, 6, 0, 10, 0, 5];

impl Plant {
    pub(crate) fn new(shape: &Shape) -> Self {
        let rules: String = (0..shape.rules / 2)
            .flat_map(|block| {
                let (first, last) = (block * 12 % 65_000, block * 12 % 65_000 + 11);
                [
                    format!("\"hmi read holding {first}-{last}\",\n"),
                    format!("\"hmi write holding {first}-{last} = 0..1500\",\n"),
                ]
            })
            .collect();
        let mode = if shape.shared {
            "upstream_mode = \"shared\"\nupstream_pending = 64\nupstream_pipeline = true"
        } else {
            "upstream_mode = \"per-session\"\nupstream_pending = 16\nupstream_pipeline = true"
        };
        let config = format!(
            "{COMMON}protocol = \"modbus\"\n{mode}\n{LIMITS}[conduits.pump.modbus]\nunits = [1]\nallow = [\n{rules}]\n"
        );
        Self {
            line: Line::new(&config, shape.sessions),
            turn: 0,
            count: 0,
            write_every: shape.write_every,
            depth: shape.depth,
            id: 0,
            request: Vec::new(),
            wire: Vec::new(),
            answer: Vec::new(),
        }
    }

    /// Every session has asked once and its device is dialled.
    pub(crate) fn warm_up(&mut self) {
        for at in 0..self.line.lines.len() {
            self.write_request();
            let (key, link) = self.line.lines[at];
            let request = std::mem::take(&mut self.request);
            self.line.peer_says(key, &request);
            self.line.connect();
            self.request = request;
            self.answered(key, link);
        }
        for _ in 0..2 * self.line.lines.len() {
            self.one_request();
        }
    }

    /// The next session asks (`depth` times in one read) and is answered.
    #[inline(never)]
    pub(crate) fn one_request(&mut self) {
        self.turn = (self.turn + 1) % self.line.lines.len();
        let (key, link) = self.line.lines[self.turn];
        self.write_request();
        self.line.peer_says(key, &self.request);
        self.answered(key, link);
        self.count += 1;
        if self.count.is_multiple_of(4096) {
            drop(self.line.journal.drain());
        }
    }

    fn write_request(&mut self) {
        self.request.clear();
        for _ in 0..self.depth {
            self.id = self.id.wrapping_add(1);
            let write = self.write_every > 0 && u32::from(self.id).is_multiple_of(self.write_every);
            self.request.extend_from_slice(&self.id.to_be_bytes());
            self.request.extend_from_slice(if write { &WRITE } else { &READ });
        }
    }

    /// The device answers what reached it, and the peer is told.
    fn answered(&mut self, key: SessionKey, link: LinkKey) {
        self.line.device_gets(link, &mut self.wire);
        assert_eq!(self.wire.len(), usize::from(self.depth) * 12, "all of it has left");
        self.answer.clear();
        for frame in self.wire.chunks_exact(12) {
            self.answer.extend_from_slice(&frame[..2]);
            if frame[7] == 3 {
                self.answer.extend_from_slice(&[0, 0, 0, 7, 1, 3, 4, 0, 5, 0, 6]);
            } else {
                self.answer.extend_from_slice(&frame[2..]);
            }
        }
        self.line.device_says(link, &self.answer);
        assert_eq!(self.line.peer_gets(key), self.answer.len());
    }
}

/// An IEC 60870-5-104 conduit, its centre and its station, started.
pub(crate) struct Station {
    line: Line,
    /// I frames from the centre to the station, and the other way.
    asked: u16,
    told: u16,
    wire: Vec<u8>,
}

impl Station {
    pub(crate) fn new() -> Self {
        let config = format!(
            "{COMMON}protocol = \"iec104\"\n{LIMITS}[conduits.pump.iec104]\ncas = [1]\nallow = [\"hmi control C_SE_NC_1 ca 1 ioa \
             10 = 0.0..50.0\", \"any report M_ME_NC_1 ca 1 ioa 1-100\"]\n"
        );
        Self { line: Line::new(&config, 1), asked: 0, told: 0, wire: Vec::new() }
    }

    pub(crate) fn warm_up(&mut self) {
        self.line.connect();
        let (key, link) = self.line.lines[0];
        self.line.peer_says(key, &[0x68, 4, 0x07, 0, 0, 0]);
        self.line.device_gets(link, &mut self.wire);
        self.line.device_says(link, &[0x68, 4, 0x0b, 0, 0, 0]);
        assert_eq!(self.line.peer_gets(key), 6, "started");
        self.one_command();
        self.one_report();
    }

    /// An execute and its confirmation.
    #[inline(never)]
    pub(crate) fn one_command(&mut self) {
        let (key, link) = self.line.lines[0];
        let command = self.frame(self.asked, self.told, &[50, 1, 6, 0, 1, 0, 10, 0, 0, 0, 0, 0x48, 0x41, 0]);
        self.asked = (self.asked + 1) % 0x8000;
        self.line.peer_says(key, &command);
        // The word for what the station told last may leave before it.
        let sent = (0..2).any(|_| {
            self.line.device_gets(link, &mut self.wire);
            self.wire.len() == command.len()
        });
        assert!(sent, "it has left");
        let confirmed = self.frame(self.told, self.asked, &[50, 1, 7, 0, 1, 0, 10, 0, 0, 0, 0, 0x48, 0x41, 0]);
        self.told = (self.told + 1) % 0x8000;
        self.line.device_says(link, &confirmed);
        assert_eq!(self.line.peer_gets(key), confirmed.len());
        if self.asked.is_multiple_of(4096) {
            drop(self.line.journal.drain());
        }
    }

    /// A measured value, and the centre's word that it has it.
    #[inline(never)]
    pub(crate) fn one_report(&mut self) {
        let (key, link) = self.line.lines[0];
        let report = self.frame(self.told, self.asked, &[13, 1, 3, 0, 1, 0, 10, 0, 0, 0, 0, 0x48, 0x41, 0]);
        self.told = (self.told + 1) % 0x8000;
        self.line.device_says(link, &report);
        assert_eq!(self.line.peer_gets(key), report.len());
        let [low, high] = (self.told << 1).to_le_bytes();
        self.line.peer_says(key, &[0x68, 4, 1, 0, low, high]);
        self.line.device_gets(link, &mut self.wire);
    }

    fn frame(&self, sent: u16, received: u16, asdu: &[u8]) -> Vec<u8> {
        let length = u8::try_from(asdu.len() + 4).expect("short");
        let mut frame = vec![0x68, length];
        frame.extend_from_slice(&(sent << 1).to_le_bytes());
        frame.extend_from_slice(&(received << 1).to_le_bytes());
        frame.extend_from_slice(asdu);
        frame
    }
}

const COMMON: &str = r#"
schema = 1
[site]
name = "bench"
state = "state"
[defaults]
max_sessions = 10000
[zones.a]
level = 3
[zones.b]
level = 2
[identities.scada]
zone = "a"
match = { source = "127.0.0.1/32" }
roles = ["hmi"]
[roles.hmi]
[listeners.ot]
zone = "a"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
[conduits.pump]
from = "a"
to = "b"
listener = "ot"
upstream = "127.0.0.1:1"
"#;

const LIMITS: &str = r#"
[conduits.pump.limits]
requests = "1000000/s"
peer_requests = "1000000/s"
writes = "1000000/s"
control = "1000000/s"
bytes = "1000MiB/s"
refusals = "20/s burst 100"
"#;
