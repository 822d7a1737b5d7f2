//! What is asked of every contender, and what is told of it?

use std::{fmt, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;

use crate::{
    contender::{self, Contender, Kind, Need, Running, Way},
    lab,
    load::{
        self, Seen, Target, WARM_UP,
        beside::{self, Beside, Told},
        bulk,
        open::Honest,
    },
    plant::Plant,
    process::{self, Process},
    stats::percentile,
};

#[path = "scenario/table.rs"]
mod table;
pub(crate) use table::all;

/// One row of the table of figures.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    load: Load,
    need: Need,
    /// Ours is measured with this first, in the same turn: what `need` is compared with.
    base: Option<Need>,
    who: Who,
    turns: Turns,
}

/// What the clients do.
#[derive(Clone, Copy, Debug)]
enum Load {
    Closed {
        clients: usize,
        depth: usize,
    },
    Open,
    Churn,
    Idle {
        clients: usize,
    },
    Bulk(Way),
    /// Open loop while something else goes on, after a while in which nothing does.
    Beside(Disturbance),
}

#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Attackers,
    Slow,
    Scrapes,
    Reloads,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Those with TLS and client certificates, and the floor.
    Gateways,
    /// With them what has no client certificates, or nothing between at all.
    Everybody,
    /// With them ours over one device connection.
    GatewaysAndShared,
    /// Only ours: nobody else has what it measures.
    Ours,
    /// Two gateways with a tunnel between them.
    Pairs,
    /// Those who read what passes.
    Inspectors,
    /// With them ours over one device connection.
    InspectorsAndShared,
}

/// How often and how long: what is no target, and what hardly moves, is asked less often.
#[derive(Clone, Copy, Debug)]
enum Turns {
    All,
    /// As many, of twice the length: percentiles need many requests.
    Long,
    AtMost(usize),
}

/// The figures of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(pub(crate) Vec<(&'static str, f64)>);

/// The honest of an open loop: clients, requests a second between them.
const HONEST: (usize, u32) = (32, 1000);
/// Who handshake at once.
const CHURNING: usize = 8;

impl Scenario {
    pub(crate) fn takes(&self, one: &Contender) -> bool {
        use Kind::{Direct, Floor, Inspector, Lesser, Ours, OursShared, Pair, PairFloor, Peer};
        match self.who {
            Who::Gateways => matches!(one.kind, Floor | Peer | Ours),
            Who::Everybody => matches!(one.kind, Direct | Floor | Peer | Lesser | Ours),
            Who::GatewaysAndShared => matches!(one.kind, Floor | Peer | Lesser | Ours | OursShared),
            Who::Ours => one.kind == Ours,
            Who::Pairs => matches!(one.kind, PairFloor | Pair),
            Who::Inspectors => matches!(one.kind, Inspector | Ours),
            Who::InspectorsAndShared => matches!(one.kind, Inspector | Ours | OursShared),
        }
    }

    /// Its rounds, where the run has `all`.
    pub(crate) fn rounds(&self, all: usize) -> usize {
        match self.turns {
            Turns::All | Turns::Long => all,
            Turns::AtMost(few) => few.min(all),
        }
    }

    fn time(&self, time: Duration) -> Duration {
        if matches!(self.turns, Turns::Long) { time * 2 } else { time }
    }

    /// About how long one measurement takes: starting, connecting, warming up, measuring, ending.
    pub(crate) fn estimate(&self, time: Duration) -> Duration {
        const START_AND_END: Duration = Duration::from_millis(350);
        let handshakes = |clients: usize| Duration::from_micros(1_000) * u32::try_from(clients).unwrap_or(u32::MAX);
        let measured = self.time(time) + WARM_UP;
        let one = START_AND_END
            + match self.load {
                Load::Closed { clients, .. } => handshakes(clients) + measured,
                Load::Idle { clients } => handshakes(clients) + Duration::from_secs(1),
                Load::Beside(_) => 2 * measured,
                Load::Open | Load::Churn | Load::Bulk(_) => measured,
            };
        // Suricata and OpenVPN take a second or two before they pass anything, and a large configuration as long.
        match self.who {
            Who::Inspectors | Who::InspectorsAndShared | Who::Pairs => one + Duration::from_millis(700),
            _ if self.base.is_some() => 2 * one + Duration::from_secs(1),
            _ => one,
        }
    }

    /// Starts `contender` afresh, lets the clients at it, and ends it.
    pub(crate) fn measure(&self, plant: &Plant, contender: &Contender, time: Duration) -> Result<Figures, String> {
        let mut figures = Figures::default();
        if let Some(base) = self.base {
            let Figures(first) = self.once(plant, contender, base, time)?;
            let before =
                |name: &str| first.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, value)| *value);
            figures.0.push(("base-cpu-us", before("cpu-us")));
            figures.0.push(("base-per-s", before("per-s")));
        }
        figures.0.extend(self.once(plant, contender, self.need, time)?.0);
        Ok(figures)
    }

    fn once(&self, plant: &Plant, contender: &Contender, need: Need, time: Duration) -> Result<Figures, String> {
        if matches!(self.load, Load::Beside(Disturbance::Reloads)) && !beside::reloads_are_served() {
            return Err("SKIPPED: there is no `sluicegate reload` yet".into());
        }
        let mut running = contender.start(plant, need)?;
        let names: Vec<_> = if need.conduits == 1 {
            vec![ServerName::try_from("gate").expect("a name")]
        } else {
            let name = |place| ServerName::try_from(contender::name(place)).expect("a name");
            // As far apart as there are conduits: few clients meet many of them.
            (0..need.conduits).map(|place| name(place * 37 % need.conduits)).collect()
        };
        let tls = contender.takes_tls().then(|| plant.client.clone());
        let target = Target { address: running.address, tls, names: Arc::from(names), from: None };
        let (mut cpu, mut resident) = (Vec::new(), Vec::new());
        let process = running.process.as_ref();
        let mut around = || {
            cpu.push(process.map_or(0, Process::cpu));
            if matches!(self.load, Load::Idle { .. }) {
                resident.push(process.map_or(0, Process::resident));
            }
        };
        let outcome = lab::within(running.net.as_deref(), || {
            load::run(self.drive(plant, &target, &running, self.time(time), &mut around))
        })?;
        let told = outcome.map_err(|why| match running.process.as_mut().and_then(Process::ended) {
            Some(ended) => format!("{ended}; {why}"),
            None => why,
        })?;
        let last = cpu.len().saturating_sub(2);
        let used = cpu.get(last..).map_or(0, |pair| pair[1].saturating_sub(pair[0])) as f64;
        Ok(self.figures(told, used, &resident, running.process.is_some()))
    }

    async fn drive(
        &self,
        plant: &Plant,
        target: &Target,
        running: &Running,
        time: Duration,
        around: &mut dyn FnMut(),
    ) -> Result<(Seen, Told), String> {
        let seen = match self.load {
            Load::Closed { clients, depth } => load::closed(target, (clients, depth), time, around).await?,
            Load::Churn => load::churn(target, CHURNING, time, around).await?,
            Load::Idle { clients } => load::idle(target, clients.min(process::sessions_that_fit()), around).await?,
            Load::Bulk(Way::Up) => bulk::up(target, &plant.devices.sunk, time, around).await?,
            Load::Bulk(Way::Down) => bulk::down(target, time, around).await?,
            Load::Open => {
                let honest = Honest::start(target, HONEST.0, HONEST.1).await?;
                match honest.measure(time, around).await? {
                    (seen, 0) => seen,
                    (_, lost) => return Err(format!("{lost} lost: {}", honest.fault().unwrap_or_default())),
                }
            }
            Load::Beside(disturbance) => {
                let beside = match disturbance {
                    Disturbance::Attackers => {
                        Beside::Attackers(Target { tls: Some(plant.client_as("attacker")), ..target.clone() })
                    }
                    Disturbance::Slow => Beside::Slow(target.clone()),
                    Disturbance::Scrapes => Beside::Scrapes(running.metrics.ok_or("no metrics")?),
                    Disturbance::Reloads => Beside::Reloads(plant.written("sluicegate.toml")),
                };
                return disturbed(target, beside, time, around).await;
            }
        };
        Ok((seen, Told::new()))
    }

    fn figures(&self, (seen, told): (Seen, Told), cpu: f64, resident: &[u64], has_process: bool) -> Figures {
        const MIB: f64 = 1024.0 * 1024.0;
        let Seen { done, took, mut latencies } = seen;
        let each = |sum: f64| if done == 0 { f64::NAN } else { sum / done as f64 };
        let mut all = Vec::new();
        let per_second = done as f64 / took.as_secs_f64();
        match self.load {
            Load::Idle { .. } => {
                if let ([before, .., after], true) = (resident, has_process) {
                    all.push(("bytes/session", each(after.saturating_sub(*before) as f64)));
                    all.push(("MiB", *after as f64 / MIB));
                    all.push(("sessions", done as f64));
                }
                return Figures(all);
            }
            Load::Bulk(_) => {
                all.push(("MB/cpu-s", done as f64 / 1e6 / (cpu / 1e9)));
                all.push(("MB/s", per_second / 1e6));
                return Figures(all);
            }
            Load::Closed { .. } | Load::Open | Load::Churn | Load::Beside(_) => {}
        }
        if has_process {
            all.push(("cpu-us", each(cpu / 1000.0)));
        }
        all.push(("per-s", per_second));
        latencies.sort_unstable();
        for (name, share) in [("p50-us", 0.5), ("p99-us", 0.99), ("p99.9-us", 0.999)] {
            all.push((name, microseconds(&latencies, share)));
        }
        all.extend(told);
        Figures(all)
    }
}

/// The honest alone, and then with what goes on beside them.
async fn disturbed(
    target: &Target,
    beside: Beside,
    time: Duration,
    around: &mut dyn FnMut(),
) -> Result<(Seen, Told), String> {
    let honest = Honest::start(target, HONEST.0, HONEST.1).await?;
    let (mut calm, lost) = honest.measure(time, around).await?;
    if lost > 0 {
        return Err(format!("{lost} lost with nothing beside: {}", honest.fault().unwrap_or_default()));
    }
    let going = beside.start();
    let seen = honest.measure(time, around).await;
    let told = going.end()?;
    let (seen, lost) = seen?;
    calm.latencies.sort_unstable();
    let mut figures = vec![
        ("calm-p50-us", microseconds(&calm.latencies, 0.5)),
        ("calm-p99-us", microseconds(&calm.latencies, 0.99)),
        ("lost", lost as f64),
    ];
    figures.extend(told);
    Ok((seen, figures))
}

fn microseconds(sorted: &[u32], share: f64) -> f64 {
    percentile(sorted, share).map_or(f64::NAN, |nanos| f64::from(nanos) / 1000.0)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| write!(f, "{name} {value:.1}  "))
    }
}
