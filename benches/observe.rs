//! What do the record, the series and the limits cost, without sockets?
//!
//! `cargo bench --bench observe`. Allocations are those of the measured thread; figures are for comparing two runs on one
//! machine.
//!
//! ```text
//! record   what the data worker pays for one, and what a thousand of them cost on their way into a file
//! series   what a message moves, and what a scrape of 20 000 series costs whoever asks for it
//! limits   what one more message pays
//! ```

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use divan::{AllocProfiler, Bencher, black_box, counter::ItemsCount};
use sluicegate::{
    engine::{Limits, Toll},
    observe::{
        journal::{Journal, Slot},
        metrics::ConduitMetrics,
        record::{Event, Record},
        series::{ConduitLabels, SiteLabels},
        site::SiteMetrics,
        writer::{self, AuditOptions},
    },
    permit::Peer,
};
use sluicegate_config::plan::Site;
use sluicegate_proto::{
    policy::Who,
    protocol::{Protocol, Stored},
    sentence::{Addressing, Form, Sentence},
    time::Mono,
    vocab::{Class, Mode, VerdictWord},
};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const CONFIG: &str = r#"
schema = 1
[site]
name = "bench"
state = "state"
[zones.ops]
[zones.cell]
[roles.hmi]
[identities.scada-1]
zone = "ops"
match = { source = "127.0.0.1/32" }
roles = ["hmi"]
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
upstream = "127.0.0.1:502"
protocol = "modbus"
[conduits.pump.limits]
requests = "1000000/s"
peer_requests = "1000000/s"
writes = "1000000/s"
[conduits.pump.modbus]
units = [1]
allow = ["hmi read holding 0-99", "hmi write holding 40 = 0..1500"]
"#;

fn site() -> Site {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("site.toml");
    std::fs::write(&path, CONFIG).expect("writable");
    sluicegate_config::load(&path).expect("the site above is good").site
}

/// What the engine holds ready when it writes an allowed write down.
struct Ready {
    conduit: Arc<str>,
    peer: Arc<Peer>,
    message: Stored,
}

impl Ready {
    fn new() -> Self {
        let sentence = "write holding 40 = 5 via 6";
        let grammar = Protocol::Modbus.grammar();
        let sentence = Sentence::parse(sentence, Form::Deed, grammar, Addressing::ZeroBased).expect("a sentence");
        Self {
            conduit: "pump".into(),
            peer: Arc::new(Peer {
                who: Who { identity: "scada-1".to_owned(), roles: vec!["hmi".to_owned()] },
                identity: 0,
                source: "10.30.0.5:51000".parse().expect("an address"),
                listener: "ot".to_owned(),
                key_hash: Some("ab".repeat(32)),
                names: vec!["uri:spiffe://north-pumping/scada-1".to_owned()],
                not_after: None,
                shown: Default::default(),
            }),
            message: Protocol::Modbus.build(&sentence, 1).expect("a message"),
        }
    }

    /// Without what the message itself brings: its bytes are copied when it is queued, whether it is recorded or not.
    fn record(&self) -> Record {
        let mut record = Record::new(Event::Allowed);
        record.conduit = Some(Arc::clone(&self.conduit));
        record.session = Some(7);
        record.peer = Some(Arc::clone(&self.peer));
        record
    }

    fn whole(&self) -> Record {
        let mut record = self.record();
        record.message = Some(self.message.clone());
        record.frame = Some(vec![0, 1, 0, 0, 0, 6, 1, 6, 0, 40, 0, 5].into());
        record
    }
}

/// A slot, a record, the queue.
#[divan::bench]
fn write_one_record_on_the_worker(bencher: Bencher<'_, '_>) {
    let ready = Ready::new();
    let (journal, mut memory) = Journal::memory(4096);
    bencher.bench_local(|| {
        let slot: Slot = journal.reserve().unwrap_or_else(|_| {
            memory.drain();
            journal.reserve().expect("all of it is free again")
        });
        slot.write(black_box(ready.record()))
    });
}

/// From the queue into a file that no disk is behind: formatted, hashed, chained, written. The file grows meanwhile.
#[divan::bench(sample_count = 30, sample_size = 1)]
fn bring_1000_records_into_a_file(bencher: Bencher<'_, '_>) {
    let memory = Path::new("/dev/shm");
    let state = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let state = state.expect("a directory");
    let metrics = SiteMetrics::with_labels(SiteLabels::default());
    let options = AuditOptions::at(state.path(), "bench", true);
    let opened = writer::open(&options, &metrics).expect("opened");
    let ready = Ready::new();
    bencher.counter(ItemsCount::new(1000_usize)).bench_local(|| {
        for _ in 0..999 {
            let _seq = opened.journal.reserve().expect("there is room").write(ready.whole());
        }
        let last = opened.journal.reserve().expect("there is room").write_awaited(ready.whole());
        while opened.journal.durable() < last {
            std::thread::sleep(Duration::from_micros(50));
        }
    });
}

fn conduit_metrics(site: &Site) -> Arc<ConduitMetrics> {
    ConduitMetrics::detached(&site.conduits[0])
}

/// What an allowed request moves.
#[divan::bench]
fn count_one_message(bencher: Bencher<'_, '_>) {
    let metrics = conduit_metrics(&site());
    bencher.bench_local(|| {
        metrics.request(black_box(3), VerdictWord::Allowed);
        metrics.class(Class::Read, VerdictWord::Allowed);
        metrics.bytes_from_peer(black_box(12));
    });
}

#[divan::bench]
fn observe_one_duration(bencher: Bencher<'_, '_>) {
    let metrics = conduit_metrics(&site());
    bencher.bench_local(|| metrics.inspected(black_box(Duration::from_micros(12))));
}

#[divan::bench]
fn open_and_close_one_session(bencher: Bencher<'_, '_>) {
    let metrics = conduit_metrics(&site());
    bencher.bench_local(|| metrics.session_opened());
}

/// `last_allowed_timestamp_seconds` reads the wall clock.
#[divan::bench]
fn mark_the_last_allowed_message(bencher: Bencher<'_, '_>) {
    let metrics = conduit_metrics(&site());
    bencher.bench_local(|| metrics.allowed_now());
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn scrape_20_000_series(bencher: Bencher<'_, '_>) {
    let conduit = |at: usize| ConduitLabels {
        name: format!("conduit-{at}"),
        protocol: "modbus",
        functions: vec![3, 6, 16],
        rules: (0..20).map(|rule| format!("r-{rule:08x}")).collect(),
        mode: Mode::Enforce,
        max_sessions: 32,
    };
    let of = |conduits| SiteLabels { conduits, listeners: vec!["ot".to_owned()], ..SiteLabels::default() };
    let one = sluicegate::observe::series::count(&of(vec![conduit(0)]));
    let site = SiteMetrics::with_labels(of((0..20_000 / one).map(conduit).collect()));
    bencher.counter(ItemsCount::new(site.series_count())).bench_local(|| site.text());
}

/// A message pays its peer's bucket and the conduit's, a write one more.
#[divan::bench(args = [false, true])]
fn charge_the_limits(bencher: Bencher<'_, '_>, is_write: bool) {
    let site = site();
    let mut limits = Limits::new(site.conduits[0].limits, site.identities.len());
    let toll = Toll { is_write, ..Toll::default() };
    let mut now = 0_u64;
    bencher.bench_local(|| {
        now += 1_000_000;
        limits.set_time(Mono::from_nanos(now));
        limits.charge(black_box(toll)).expect("there is room in the buckets");
    });
}

/// What a record's time costs, beside the rest of it.
#[divan::bench]
fn read_the_wall_clock(bencher: Bencher<'_, '_>) {
    bencher.bench_local(SystemTime::now);
}
