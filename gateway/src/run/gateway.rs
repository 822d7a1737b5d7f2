//! Which threads are there, and what connects them?
//!
//! ```text
//! main        signals, schedules, faults, watchdog                  current-thread
//! admin       metrics, health                                       current-thread
//! disk        whether the configuration's files are still the same  no runtime
//! journal     the audit trail's disk                                no runtime
//! handshake-N accept, admission, TLS in both directions             its own runtime
//! worker-N    conduits: engines, sessions, device connections       one current-thread runtime each
//! ```

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{JoinHandle, available_parallelism},
    time::Instant,
};

use sluicegate_config::plan::Site;
use sluicegate_proto::time::{Mono, ScheduleSet};
use tokio::{
    runtime::{Handle, Runtime},
    sync::{mpsc, watch},
};

use super::helm::{Helm, Lines};
use crate::{
    faults::Board,
    listen::Bound,
    observe::{journal::Journal, site::SiteMetrics},
    tasks,
    trust::Trust,
    worker::{Beat, Common, Report, Stage, Worker},
};

/// Peers that wait for one worker. More would only wait longer for the same thread.
const ARRIVALS: usize = 64;
/// Names of those who hold up a stop, on their way to being printed.
const REPORTS: usize = 64;
/// Handshake threads: signing scales with cores, and data workers need them too.
const HANDSHAKE_THREADS: usize = 4;
/// Data workers: a core serves sixty thousand messages a second, and a gateway's devices answer far fewer.
const WORKERS: usize = 16;

/// What a gateway is made of. All of it was loaded without an error.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The plan.
    pub site: Arc<Site>,
    /// Keys and identities.
    pub trust: Arc<Trust>,
    /// Faults of our own.
    pub board: Arc<Board>,
    /// Every series.
    pub metrics: Arc<SiteMetrics>,
    /// Where audit records go.
    pub journal: Journal,
}

/// The threads of one gateway.
#[derive(Debug)]
pub struct Gateway {
    /// The listeners' names and real addresses at the start.
    pub listeners: Vec<(Arc<str>, SocketAddr)>,
    /// One heart a worker.
    pub beats: Vec<Arc<Beat>>,
    /// Zero of all clocks.
    pub origin: Instant,
    /// What a change of configuration moves.
    pub helm: Arc<Helm>,
    stage: watch::Sender<Stage>,
    pub(super) schedules: watch::Sender<(u64, ScheduleSet)>,
    reports: mpsc::Receiver<Report>,
    workers: Vec<JoinHandle<()>>,
    handshakes: Threads,
}

impl Gateway {
    /// Starts the threads behind listeners that are bound already. From here on peers are served.
    ///
    /// # Errors
    /// When the system has no room for another thread or reactor.
    pub fn start(parts: &Parts, bound: Vec<Bound>, schedules: ScheduleSet) -> io::Result<Self> {
        let origin = Instant::now();
        let cores = available_parallelism().map_or(1, usize::from);
        let handshakes = Threads(Some(tasks::threads_runtime("handshake", cores.min(HANDSHAKE_THREADS))?));
        // As many workers as there may be conduits to come, and cores to run them.
        let count = cores.min(WORKERS);
        let (mut world, next_key) = Helm::first(parts, &handshakes.handle(), origin, count);
        world.schedules = schedules;
        let (worlds, worlds_seen) = watch::channel(Arc::new(world));
        let (stage, stage_seen) = watch::channel(Stage::Serving);
        let (schedules, schedules_seen) = watch::channel((1, schedules));
        let common = Common {
            origin,
            worlds: worlds_seen,
            schedules: schedules_seen,
            stage: stage_seen.clone(),
            faults: parts.board.subscribe(),
            journal: parts.journal.clone(),
            panicked: panic_counter(parts),
        };
        let (told, reports) = mpsc::channel(REPORTS);
        let Crew { lines, workers, beats } = Crew::start(&common, &told, count)?;
        let helm = Helm::open(parts, (worlds, next_key), lines, handshakes.handle(), stage_seen, bound);
        let listeners = helm.listeners();
        Ok(Self { listeners, beats, origin, helm, stage, schedules, reports, workers, handshakes })
    }

    /// Time since the start.
    pub fn mono(&self) -> Mono {
        Mono::ZERO.after(self.origin.elapsed())
    }

    /// How many configurations came into force.
    pub fn epoch(&self) -> u64 {
        self.helm.world().epoch
    }

    /// Tells every worker how far the stop is; what it says of those who held it up comes back.
    pub fn stop(&self, stage: Stage) {
        self.helm.let_go();
        self.stage.send_replace(stage);
    }

    /// The next one who held up the stop; nothing when the last worker has ended.
    pub async fn held_up(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// After the stop: the workers are gone when this returns.
    pub fn join(self) {
        drop(self.reports);
        for worker in self.workers {
            // A panic of a worker's own main was printed by the hook, and the watchdog knows.
            let _ = worker.join();
        }
        drop(self.handshakes);
    }
}

/// The handshake threads. Their end is not waited for: what they do then is for nobody.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Threads {
    fn handle(&self) -> Handle {
        self.0.as_ref().expect("only dropping takes it").handle().clone()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The workers, and the way to them.
struct Crew {
    lines: Lines,
    workers: Vec<JoinHandle<()>>,
    beats: Vec<Arc<Beat>>,
}

impl Crew {
    /// A conduit lives on one of them for good.
    fn start(common: &Common, told: &mpsc::Sender<Report>, count: usize) -> io::Result<Self> {
        let lines = Lines { to: Vec::new(), follows: Vec::new() };
        let mut crew = Self { lines, workers: Vec::new(), beats: Vec::new() };
        for number in 0..count {
            let (lane, arrivals) = mpsc::channel(ARRIVALS);
            let (follows, followed) = watch::channel(0);
            crew.lines.to.push(lane);
            crew.lines.follows.push(followed);
            let name = format!("worker-{number}");
            let beat = Beat::new(name.clone(), common.origin);
            crew.beats.push(Arc::clone(&beat));
            let (common, reports) = (common.clone(), told.clone());
            crew.workers.push(tasks::worker_thread(name, move || async move {
                Worker { number, arrivals, reports, follows, beat: Arc::clone(&beat), common }.serve().await;
                beat.retire();
            })?);
        }
        Ok(crew)
    }
}

fn panic_counter(parts: &Parts) -> Arc<dyn Fn() + Send + Sync> {
    let metrics = Arc::clone(&parts.metrics);
    Arc::new(move || metrics.task_panicked())
}
