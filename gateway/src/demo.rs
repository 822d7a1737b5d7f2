//! Does the gate do what it says? A device, an operator, an attacker, and the real binary between them.
//!
//! ```text
//! operator --mTLS--+
//!                  +--> sluicegate run --config D/sluicegate.toml --> device (every byte logged)
//! attacker --------+
//! ```
//!
//! | file | is |
//! |---|---|
//! | `site` | the files: configuration, certificates, and what `--weaken` takes out |
//! | `gate` | the gateway's process |
//! | `device`, `wire` | the device, and what its wire carried |
//! | `client` | how people get in, and what they get |
//! | `operator`, `attacker` | the honest work; the ten attacks |
//! | `tail`, `hints` | what is printed: the audit trail in sentences, and how the reader attacks |
//!
//! An expectation is checked against the device's wire and against what the attacker got, never against the gateway's word.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use crate::tasks;

pub mod attacker;
pub mod client;
pub mod device;
pub mod gate;
pub mod hints;
#[cfg(test)]
mod hole;
pub mod operator;
pub mod site;
pub mod tail;
pub mod wire;

use self::{
    attacker::{Attack, Outcome, attacks},
    client::{Door, Shown},
    device::Device,
    gate::{Gate, GateError, free_port},
    operator::Operator,
    site::{Ports, SiteError},
    tail::Tail,
};

/// Starts with other ports, should somebody else take the free ones first.
const TRIES: u32 = 3;
/// Between two looks at the audit trail.
const LOOK: Duration = Duration::from_millis(300);
/// How long the rest of the audit trail is waited for, once everything was tried.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// How the demo is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The binary that is started with `run --config`.
    pub binary: PathBuf,
    /// How long, from the start; absent: until it is interrupted. The attacks are always made to their end.
    pub time: Option<Duration>,
    /// Where the files stay; absent: a temporary directory that goes at the end.
    pub keep: Option<PathBuf>,
    /// The rule or check to take out (see [`site::WEAKNESSES`]).
    pub weaken: Option<String>,
}

/// Why the demo could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Files and certificates.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The gateway did not start.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// The system: ports, threads, signals.
    #[error("the demo cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs the demo. `true`: every expectation held.
///
/// # Errors
/// When it cannot be made at all.
pub fn run(options: &Options) -> Result<bool, DemoError> {
    let dir = Dir::make(options.keep.as_deref())?;
    let runtime = tasks::threads_runtime("demo", 2)?;
    let held = runtime.block_on(play(options, &dir.path));
    // The device's and the operator's tasks end here, before the files do.
    runtime.shutdown_timeout(Duration::from_secs(1));
    held
}

async fn play(options: &Options, dir: &Path) -> Result<bool, DemoError> {
    let started = Instant::now();
    let mut stop = Stop::new()?;
    let acts = async {
        let mut stage = Stage::set(options, dir).await?;
        let held = stage.acts(dir).await?;
        Ok::<_, DemoError>((stage, held))
    };
    let (mut stage, held) = tokio::select! {
        biased;
        () = stop.asked() => {
            say("interrupted before everything was tried: nothing was shown");
            return Ok(false);
        }
        played = acts => played?,
    };
    let left = options.time.map(|time| time.saturating_sub(started.elapsed()));
    stage.stay(left, &mut stop).await;
    Ok(held)
}

/// Ctrl-C, or a polite kill.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// All that stands while the demo runs.
struct Stage {
    device: Device,
    ports: Ports,
    gate: Gate,
    tail: Tail,
}

impl Stage {
    async fn set(options: &Options, dir: &Path) -> Result<Self, DemoError> {
        let device = Device::start().await?;
        let mut tries = 0;
        let (ports, config, gate) = loop {
            let gate = free_port()?;
            // The kernel may hand out one port twice, once it is free again.
            let mut metrics = free_port()?;
            while metrics == gate {
                metrics = free_port()?;
            }
            let ports = Ports { gate, metrics, device: device.address };
            let config = site::write(dir, ports, options.weaken.as_deref())?;
            tries += 1;
            match Gate::start(&options.binary, &config, dir, ports.metrics).await {
                Ok(gate) => break (ports, config, gate),
                Err(fault) if fault.is_taken() && tries < TRIES => {}
                Err(fault) => return Err(fault.into()),
            }
        };
        say(&format!("gateway   {} --> device {}   (configuration: {})", ports.gate, ports.device, config.display()));
        say(&format!("metrics   http://{}/metrics", ports.metrics));
        Ok(Self { device, ports, gate, tail: Tail::new(&dir.join("state")) })
    }

    /// Everything is tried; whether every expectation held.
    async fn acts(&mut self, dir: &Path) -> Result<bool, DemoError> {
        let mut broken = story(self.ports.gate, dir, &self.device, &mut || tell(&mut self.tail)).await?;
        if let Some(how) = self.gate.ended() {
            broken.push(format!("the gateway ended: {how}"));
        }
        let settled = Instant::now();
        while settled.elapsed() < LAST_LOOK && tell(&mut self.tail) > 0 {
            sleep(LOOK).await;
        }
        say("");
        match broken.as_slice() {
            [] => say("Every expectation held: the device got what was written down, and nothing else."),
            some => some.iter().for_each(|one| say(&format!("BROKEN    {one}"))),
        }
        say(&hints::lines(dir, self.ports));
        Ok(broken.is_empty())
    }

    /// Shows the audit trail until the time is over, the reader interrupts, or the gateway ends.
    async fn stay(&mut self, left: Option<Duration>, stop: &mut Stop) {
        let look = async {
            while self.gate.ended().is_none() {
                tell(&mut self.tail);
                sleep(LOOK).await;
            }
        };
        let over = async {
            match left {
                Some(left) => sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.asked() => {}
            () = over => {}
            () = look => say("the gateway ended"),
        }
    }
}

/// Operator and attacker at a gate: everything that did not come out as it must. `between` is called between the attacks.
///
/// # Errors
/// Certificates that cannot be read.
pub async fn story(
    gate: std::net::SocketAddr,
    dir: &Path,
    device: &Device,
    between: &mut dyn FnMut() -> usize,
) -> Result<Vec<String>, DemoError> {
    let mut operator = Operator::start(Door::new(gate, dir, &Shown::Certificate { folder: "pki", name: "operator" })?);
    operator.two_rounds().await;
    let mut outcomes: Vec<(Attack, Outcome)> = Vec::new();
    for attack in attacks() {
        between();
        let outcome = attack.carry_out(&Door::new(gate, dir, &attack.shown)?, &device.log).await;
        say(&format!(
            "attack {:>2} {}: the attacker got {}",
            outcomes.len() + 1,
            outcome.name,
            outcome.told.join(", ")
        ));
        outcomes.push((attack, outcome));
        // The audit trail follows within a moment: its lines are to stand below the attack that they are about.
        sleep(LOOK).await;
    }
    operator.two_rounds().await;
    between();
    let mut broken = operator.broken(&device.log);
    for (attack, mut outcome) in outcomes {
        attack.look_again(&device.log, &mut outcome);
        broken.extend(outcome.broken.iter().map(|one| format!("{}: {one}", outcome.name)));
    }
    if device.log.is_full() {
        broken.push("the device's log is full: it proves nothing any more".to_owned());
    }
    Ok(broken)
}

/// Prints what is new in the audit trail; how many lines that was.
fn tell(tail: &mut Tail) -> usize {
    let news = tail.news();
    news.iter().for_each(|line| say(&format!("audit     {line}")));
    news.len()
}

/// Prints a line. A reader that went away is no fault of the gate.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Where the demo's files are.
#[derive(Debug)]
struct Dir {
    path: PathBuf,
    temporary: bool,
}

impl Dir {
    fn make(keep: Option<&Path>) -> Result<Self, DemoError> {
        let temporary = keep.is_none();
        let path = match keep {
            Some(path) => path.to_owned(),
            None => {
                let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let name = format!("sluicegate-demo-{}-{}", std::process::id(), nanos.subsec_nanos());
                std::env::temp_dir().join(name)
            }
        };
        let in_use = std::fs::read_dir(&path).is_ok_and(|mut entries| temporary || entries.next().is_some());
        if in_use {
            return Err(SiteError::NotEmpty(path).into());
        }
        std::fs::create_dir_all(&path)?;
        // The configuration names absolute places, and the lines to copy work from anywhere.
        Ok(Self { path: path.canonicalize()?, temporary })
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed stays in the system's place for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
