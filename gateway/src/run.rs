//! What does `sluicegate run` do, from the configuration to the last goodbye?
//!
//! ```text
//! which configuration (reload/start) -> audit -> trust -> bind listeners and metrics -> threads -> ready -> serve -> stop
//!                                       \_______ all that can fail, before the first byte is served _____/
//! ```
//! | file | |
//! |---|---|
//! | `gateway` | the threads |
//! | `helm` | how another configuration comes into force |
//! | `endpoint` | metrics and health |
//! | `disk` | whether the files are still the same |
//! | `seconds` | what is looked at again and again |
//! | `stop` | the end |

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sluicegate_config::{Kept, Loaded};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    control,
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
    reload::{Current, History, HistoryError, Life, Matching, Order, Orders, Start, What},
    tasks,
    trust::{Trust, TrustError},
};

mod disk;
mod endpoint;
mod gateway;
mod helm;
mod logs;
mod seconds;
mod stop;

pub use gateway::{Gateway, Parts};
pub use helm::{Committed, Helm, Prepared, Stopping};
pub(crate) use seconds::write as write_record;

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
    /// The operator: the state directory.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The system has no room for our threads.
    #[error("the gateway cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// Runs the gateway until SIGTERM or SIGINT. `main`: the main file of the configuration.
///
/// # Errors
/// Before the first listener serves; never after.
pub fn run(main: &Path, start: Start) -> Result<(), RunError> {
    let Start { loaded, history, instead } = start;
    let Loaded { site, warnings, kept, .. } = loaded;
    let site = Arc::new(site);
    let metrics = SiteMetrics::new(&site);
    logs::start(&metrics);
    for one in &warnings {
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
    let state = site.state.clone();
    let parts = Parts { site, trust, board, metrics, journal };
    let policy = Policy { main: main.to_owned(), kept, history, instead };
    let runtime = tasks::small_runtime()?;
    let served = runtime.block_on(serve(parts, policy));
    // Last of all: the record of the stop itself is to be on disk and signed.
    let lost = thread.stop(AUDIT_STOP);
    if lost > 0 {
        say(&format!("stopped: {lost} audit records did not reach the disk"));
    }
    if served.is_ok()
        && let Err(error) = History::ends_well(&state)
    {
        say(&format!("stopped, but {error}"));
    }
    served
}

/// Where the configuration comes from.
struct Policy {
    main: PathBuf,
    kept: Vec<Kept>,
    history: History,
    instead: Option<String>,
}

async fn serve(parts: Parts, policy: Policy) -> Result<(), RunError> {
    // Signals first: one that comes while we start must not kill us half-way.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let bound = listen::bind_all(&parts.site)?;
    let (trusts, trusts_seen) = watch::channel(Arc::clone(&parts.trust));
    let standing = endpoint::start(&parts, trusts_seen)?;
    let holding = seconds::schedules(&parts.site, parts.trust.clock().now());
    let policy = begin(&parts, policy)?;
    let gateway = Gateway::start(&parts, bound, holding)?;
    let mut seconds = seconds::Seconds::new(&gateway.helm);
    seconds.look(&gateway);
    let orders = take_orders(&parts, &gateway, policy)?;
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
            _ = hangup.recv() => by_signal(&orders),
            news = health.changed() => seconds.health(&news, &gateway),
            world = seconds.another() => {
                trusts.send_replace(Arc::clone(&world.trust));
                seconds.look(&gateway);
            }
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
    write_record(&parts.journal, record);
    Ok(())
}

/// What is in force at the start is on record before anybody is served by it.
fn begin(parts: &Parts, mut policy: Policy) -> Result<Policy, RunError> {
    let hash = &parts.site.hash;
    let history = &mut policy.history;
    if history.running().is_none_or(|one| one.hash != *hash) {
        let running = history.add(hash, &policy.kept, "a start", None)?;
        let refused = history.current().refused.iter().filter(|one| *one != hash).cloned().collect();
        history.point(Current { running, pending: None, refused })?;
    }
    history.begins()?;
    let (number, epoch) = (history.current().running, 1);
    let mut record = Record::new(Event::PolicyLoaded);
    record.note = Some(format!("configuration {hash} epoch {epoch}, history {number}, by a start"));
    if let Some(why) = &policy.instead {
        let what = format!("not the files but the last policy in force ({number}) is served: {why}");
        tracing::error!("{what}");
        say(&what);
        let mut alarm = Record::new(Event::Alarm);
        alarm.note = Some(what);
        write_record(&parts.journal, alarm);
    }
    write_record(&parts.journal, record);
    Ok(policy)
}

/// Starts what can bring another policy: the thread that carries out orders, the socket, the look at the files.
fn take_orders(parts: &Parts, gateway: &Gateway, policy: Policy) -> Result<Orders, RunError> {
    let Policy { main, history, instead, .. } = policy;
    let matching = Matching::new(Arc::clone(&parts.metrics), &parts.site.hash, instead.is_none());
    let (orders, taken) = Orders::channel();
    Life::new(Arc::clone(&gateway.helm), history, main.clone(), Arc::clone(&matching)).start(taken)?;
    disk::watch(main, gateway.helm.subscribe(), matching, orders.clone())?;
    let socket = &parts.site.control;
    match control::bind(socket) {
        Ok(bound) => {
            control::start(bound, gateway.helm.subscribe(), parts.journal.clone(), orders.clone())?;
            say(&format!("control {}", socket.display()));
        }
        // The process goes on: a gate that is down because of a socket for commands protects nobody.
        Err(error) => {
            let what = format!("no local commands: {}: {error}; SIGHUP still reloads", socket.display());
            tracing::error!("{what}");
            let mut alarm = Record::new(Event::Alarm);
            alarm.note = Some(what);
            write_record(&parts.journal, alarm);
        }
    }
    Ok(orders)
}

fn by_signal(orders: &Orders) {
    let order = Order { what: What::Reload { confirm: None }, by: "SIGHUP".to_owned(), reason: None, reply: None };
    if let Err(busy) = orders.give(order) {
        tracing::error!("SIGHUP: {busy}; the running policy is unchanged");
    }
}

fn started(parts: &Parts, gateway: &Gateway) {
    write_record(&parts.journal, Record::new(Event::Started));
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
pub(crate) fn say(line: &str) {
    // Nobody reading stderr any more must not end a gateway.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn lines(errors: &[TrustError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
