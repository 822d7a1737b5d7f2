//! What is asked of every contender, and what is told of it?

use std::{
    fmt,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::{
    contender::{Contender, Kind, Need},
    load::{self, Seen, Target},
    plant::Plant,
    process::Process,
    stats::percentile,
};

/// One row of the table of figures.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    load: Load,
    need: Need,
    /// Only ours: nobody else has what it measures.
    ours_only: bool,
}

/// What the clients do.
#[derive(Clone, Copy, Debug)]
enum Load {
    Closed {
        clients: usize,
        depth: usize,
    },
    Open {
        clients: usize,
        rate: u32,
    },
    Churn {
        at_once: usize,
    },
    Idle {
        clients: usize,
    },
    /// Open loop for an honest peer while another one attacks.
    Attacked,
    /// Open loop while the metrics are read over and over.
    Scraped,
}

/// The figures of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(pub(crate) Vec<(&'static str, f64)>);

/// All of them, in the order of the report.
pub(crate) fn all() -> Vec<Scenario> {
    let plain = Need::default();
    let shared = Need { shared: true, pipeline: true, ..plain };
    let piped = Need { pipeline: true, ..plain };
    let one = |name, what, load, need| Scenario { name, what, load, need, ours_only: false };
    let ours = |name, what, load, need| Scenario { ours_only: true, ..one(name, what, load, need) };
    vec![
        one("closed-1", "1 client, one request outstanding", Load::Closed { clients: 1, depth: 1 }, plain),
        one("closed-32", "32 clients, one request outstanding each", Load::Closed { clients: 32, depth: 1 }, plain),
        one("closed-256", "256 clients, one request outstanding each", Load::Closed { clients: 256, depth: 1 }, plain),
        one("closed-1000", "1,000 clients, one request each", Load::Closed { clients: 1000, depth: 1 }, plain),
        one("depth-16", "32 clients, 16 requests in one write", Load::Closed { clients: 32, depth: 16 }, piped),
        one(
            "shared-256",
            "256 clients; ours: over one device connection",
            Load::Closed { clients: 256, depth: 1 },
            shared,
        ),
        one("open-1000", "32 clients, 1,000 requests/s, open loop", Load::Open { clients: 32, rate: 1000 }, plain),
        one("churn", "8 at once: connect, handshake, one request, end", Load::Churn { at_once: 8 }, plain),
        one("idle-2000", "2,000 idle sessions", Load::Idle { clients: 2000 }, plain),
        one("idle-10000", "10,000 idle sessions", Load::Idle { clients: 10_000 }, plain),
        ours("attacked", "open-1000 under 10,000 refused requests/s and 1,000 handshakes/s", Load::Attacked, plain),
        ours("scraped", "open-1000 while /metrics is read ten times a second", Load::Scraped, plain),
        ours(
            "durable-32",
            "32 clients, every write on disk before it leaves",
            Load::Closed { clients: 32, depth: 1 },
            Need { durable: true, ..plain },
        ),
    ]
}

impl Scenario {
    pub(crate) fn takes(&self, one: &Contender) -> bool {
        !self.ours_only || one.kind == Kind::Ours
    }

    /// Starts `contender` afresh, lets the clients at it, and ends it.
    pub(crate) fn measure(&self, plant: &Plant, contender: &Contender, time: Duration) -> Result<Figures, String> {
        let running = contender.start(plant, self.need)?;
        let tls = contender.speaks_tls().then(|| plant.client.clone());
        let target = Target { address: running.address, tls };
        let (mut cpu, mut resident) = (Vec::new(), Vec::new());
        let process = running.process.as_ref();
        let mut around = || {
            cpu.push(process.map_or(0, Process::cpu));
            resident.push(process.map_or(0, Process::resident));
        };
        let seen = load::run(self.drive(plant, &target, running.metrics, time, &mut around))?;
        let used = |all: &[u64]| all.last().unwrap_or(&0).saturating_sub(*all.first().unwrap_or(&0)) as f64;
        Ok(self.figures(seen, used(&cpu), used(&resident), process.is_some()))
    }

    async fn drive(
        &self,
        plant: &Plant,
        target: &Target,
        metrics: Option<SocketAddr>,
        time: Duration,
        around: &mut dyn FnMut(),
    ) -> Result<Seen, String> {
        const HONEST: (usize, u32) = (32, 1000);
        match self.load {
            Load::Closed { clients, depth } => load::closed(target, (clients, depth), time, around).await,
            Load::Open { clients, rate } => load::open(target, (clients, rate), time, around).await,
            Load::Churn { at_once } => load::churn(target, at_once, time, around).await,
            Load::Idle { clients } => load::idle(target, clients, around).await,
            Load::Attacked => {
                let attacker = Target { tls: Some(plant.client_as("attacker")), ..target.clone() };
                tokio::select! {
                    seen = load::open(target, HONEST, time, around) => seen,
                    () = load::attack(&attacker, 10_000, 1_000) => Err("the attack ended".into()),
                }
            }
            Load::Scraped => {
                let address = metrics.ok_or("no metrics")?;
                let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(1);
                let reader = std::thread::spawn(move || {
                    let every = Duration::from_millis(100);
                    while stopped.recv_timeout(every) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                        scrape(address);
                    }
                });
                let seen = load::open(target, HONEST, time, around).await;
                drop(stop);
                reader.join().map_err(|_| "the scraper ended")?;
                seen
            }
        }
    }

    fn figures(&self, seen: Seen, cpu: f64, resident: f64, has_process: bool) -> Figures {
        let Seen { done, took, mut latencies } = seen;
        let mut figures = Figures::default();
        let each = |sum: f64| if done == 0 { f64::NAN } else { sum / done as f64 };
        if let Load::Idle { .. } = self.load {
            if has_process {
                figures.0.push(("bytes/session", each(resident)));
                figures.0.push(("MiB", resident / 1024.0 / 1024.0));
            }
            return figures;
        }
        if has_process {
            figures.0.push(("cpu-us", each(cpu / 1000.0)));
        }
        figures.0.push(("per-s", done as f64 / took.as_secs_f64()));
        latencies.sort_unstable();
        for (name, share) in [("p50-us", 0.5), ("p99-us", 0.99), ("p99.9-us", 0.999)] {
            figures.0.push((name, percentile(&latencies, share).map_or(f64::NAN, |nanos| f64::from(nanos) / 1000.0)));
        }
        figures
    }
}

fn scrape(address: SocketAddr) {
    let Ok(mut stream) = TcpStream::connect(address) else { return };
    let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n");
    let _ = stream.read_to_end(&mut Vec::new());
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| write!(f, "{name} {value:.1}  "))
    }
}
