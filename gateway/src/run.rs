//! What does `sluicegate run` do, from the configuration to the last goodbye?
//!
//! ```text
//! load (done) -> audit -> trust -> bind listeners and metrics -> threads -> ready -> serve -> stop in three steps
//!                \_______ all that can fail, before the first byte is served _____/
//! ```

use std::{io::Write, sync::Arc, time::Duration};

use sluicegate_config::Loaded;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use crate::{
    faults::{Board, Clock, build_date, floor},
    listen::{self, BindError},
    notify,
    observe::{
        admin::Standing,
        metrics::unix_seconds,
        record::{Event, Record},
        recover::AuditError,
        site::SiteMetrics,
        writer::{self, AuditOptions, Opened},
    },
    tasks,
    trust::{Trust, TrustError},
};

mod disk;
mod endpoint;
mod gateway;
mod logs;
mod seconds;
mod stop;

pub use gateway::{Gateway, Parts};

/// How long a stop waits for a disk that does not take the last audit records. Under systemd's 90 s with the drain.
const AUDIT_STOP: Duration = Duration::from_secs(10);

/// Why the gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The operator: keys, certificates, revocation lists.
    #[error("{}", lines(.0))]
    Trust(Vec<TrustError>),
    /// The operator: an address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The operator: the state directory.
    #[error("the audit trail cannot be opened: {0}")]
    Audit(#[from] AuditError),
    /// The operator: the metrics endpoint's address.
    #[error("metrics.bind: cannot listen on {address}: {source}")]
    Metrics {
        /// Which.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system has no room for our threads.
    #[error("the gateway cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Runs the gateway until SIGTERM or SIGINT.
///
/// # Errors
/// Before the first listener serves; never after.
pub fn run(loaded: Loaded) -> Result<(), RunError> {
    let site = Arc::new(loaded.site);
    let metrics = SiteMetrics::new(&site);
    logs::start(&metrics);
    for one in &loaded.warnings {
        let place = one.places.first().map(|at| format!("{}:{}", at.file.display(), at.line_column().0));
        tracing::warn!(code = one.code, place, "{}", one.message);
    }
    let missed: usize = loaded.levels.iter().map(|one| one.gaps.len()).sum();
    if missed > 0 {
        tracing::warn!(missed, "conduits miss something of their zones' SL-T; `sluicegate check` says what");
    }
    let Opened { journal, thread, last_record } = writer::open(&AuditOptions::of(&site), &metrics)?;
    let clock = Clock::system(floor(build_date(), last_record.map(unix_seconds), None));
    let trust = Arc::new(Trust::load(&site, clock).map_err(RunError::Trust)?);
    let board = Arc::new(Board::new(&site));
    let parts = Parts { site, trust, board, metrics, journal };
    let runtime = tasks::small_runtime()?;
    let served = runtime.block_on(serve(parts));
    // Last of all: the record of the stop itself is to be on disk and signed.
    let lost = thread.stop(AUDIT_STOP);
    if lost > 0 {
        say(&format!("stopped: {lost} audit records did not reach the disk"));
    }
    served
}

async fn serve(parts: Parts) -> Result<(), RunError> {
    // Signals first: one that comes while we start must not kill us half-way.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let bound = listen::bind_all(&parts.site)?;
    let standing = endpoint::start(&parts)?;
    let holding = seconds::schedules(&parts.site, parts.trust.clock().now());
    let gateway = Gateway::start(&parts, bound, holding)?;
    disk::watch(&parts.site, &parts.metrics)?;
    let mut seconds = seconds::Seconds::new(&parts);
    seconds.look(&gateway);
    // Before systemd hears of it: whoever is told READY=1 finds `/readyz` at 200.
    standing.send_replace(Standing::Ready);
    started(&parts, &gateway);
    let mut health = parts.journal.health();
    // What failed before we listened would not be told.
    health.mark_changed();
    let mut tick = interval(seconds::LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let why = loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = hangup.recv() => say("SIGHUP: a reload is not served yet; the running policy is unchanged"),
            news = health.changed() => seconds.health(&news, &gateway),
            _ = tick.tick() => seconds.look(&gateway),
        }
    };
    standing.send_replace(Standing::Draining);
    let again = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    stop::stop(gateway, why, again, (&mut seconds, &mut health)).await;
    let mut record = Record::new(Event::Stopped);
    record.note = Some(why.to_owned());
    seconds::write(&parts, record);
    Ok(())
}

fn started(parts: &Parts, gateway: &Gateway) {
    seconds::write(parts, Record::new(Event::Started));
    let mut loaded = Record::new(Event::PolicyLoaded);
    loaded.note = Some(format!("configuration {} epoch {}", parts.site.hash, gateway.epoch()));
    seconds::write(parts, loaded);
    parts.metrics.config_loaded(&parts.site.hash);
    for (name, address) in &gateway.listeners {
        say(&format!("listening listener={name} address={address}"));
    }
    if let Some(asked) = notify::watchdog().filter(|asked| *asked < seconds::LOOK * 2) {
        tracing::warn!(?asked, "WatchdogSec is shorter than a second: the service manager will kill a healthy gateway");
    }
    let status = format!("serving {} conduit(s) on {} listener(s)", parts.site.conduits.len(), gateway.listeners.len());
    say(&status);
    notify::ready(&status);
}

/// One line on stderr, whatever the log level: what an operator or a script waits for.
fn say(line: &str) {
    // Nobody reading stderr any more must not end a gateway.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn lines(errors: &[TrustError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
