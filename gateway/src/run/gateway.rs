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

use sluicegate_config::plan::{ConduitId, Site};
use sluicegate_proto::time::{Mono, ScheduleSet};
use tokio::{
    runtime::{Handle, Runtime},
    sync::{mpsc, watch},
};

use crate::{
    admit::{Admission, Bounds, Door},
    faults::{Board, Standing},
    handshake::{self, Doorman, Ledger},
    listen::{self, Bound},
    observe::{journal::Journal, site::SiteMetrics},
    tasks,
    trust::Trust,
    worker::{Arrival, Beat, Common, PolicySnapshot, Report, Seed, Stage, Worker},
};

/// Peers that wait for one worker. More would only wait longer for the same thread.
const ARRIVALS: usize = 64;
/// Names of those who hold up a stop, on their way to being printed.
const REPORTS: usize = 64;
/// Handshake threads: signing scales with cores, and data workers need them too.
const HANDSHAKE_THREADS: usize = 4;

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
    /// The listeners' names and real addresses.
    pub listeners: Vec<(Arc<str>, SocketAddr)>,
    /// One heart a worker.
    pub beats: Vec<Arc<Beat>>,
    /// Zero of all clocks.
    pub origin: Instant,
    stage: watch::Sender<Stage>,
    pub(super) schedules: watch::Sender<ScheduleSet>,
    reports: mpsc::Receiver<Report>,
    /// Whom a change of policy reaches. A reload will send here; nothing does yet.
    policies: watch::Sender<Arc<PolicySnapshot>>,
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
        let sets = parts.site.conduits.iter().map(|one| Arc::clone(&one.policy)).collect();
        let (policies, policies_seen) = watch::channel(Arc::new(PolicySnapshot { epoch: 1, sets }));
        let (stage, stage_seen) = watch::channel(Stage::Serving);
        let (schedules, schedules_seen) = watch::channel(schedules);
        let common = Common {
            origin,
            policies: policies_seen,
            schedules: schedules_seen,
            stage: stage_seen.clone(),
            faults: parts.board.subscribe(),
            verdict: life_check(parts, origin),
            dialer: handshake::dialer(Arc::clone(&parts.site), Arc::clone(&parts.trust), handshakes.handle()),
            panicked: panic_counter(parts),
        };
        let (told, reports) = mpsc::channel(REPORTS);
        let count = cores.min(parts.site.conduits.len()).max(1);
        let crew = Crew::start(parts, &common, &told, count)?;
        let listeners = bound.iter().map(|one| (Arc::clone(&one.name), one.address)).collect();
        let doorman = Arc::new(Doorman {
            site: Arc::clone(&parts.site),
            trust: Arc::clone(&parts.trust),
            board: Arc::clone(&parts.board),
            origin,
            ledger: Ledger::new(Arc::clone(&parts.site), Arc::clone(&parts.metrics), parts.journal.clone()),
            lanes: crew.lanes.clone(),
            threads: handshakes.handle(),
        });
        open_doors(bound, &doorman, &stage_seen);
        let Crew { workers, beats, .. } = crew;
        Ok(Self { listeners, beats, origin, stage, schedules, reports, policies, workers, handshakes })
    }

    /// Time since the start.
    pub fn mono(&self) -> Mono {
        Mono::ZERO.after(self.origin.elapsed())
    }

    /// How many policies came into force.
    pub fn epoch(&self) -> u64 {
        self.policies.borrow().epoch
    }

    /// Tells every worker how far the stop is; what it says of those who held it up comes back.
    pub fn stop(&self, stage: Stage) {
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
    /// By conduit, in the order of the plan.
    lanes: Vec<mpsc::Sender<Arrival>>,
    workers: Vec<JoinHandle<()>>,
    beats: Vec<Arc<Beat>>,
}

impl Crew {
    /// Conduit number n lives on worker n modulo `count`, for good.
    fn start(parts: &Parts, common: &Common, told: &mpsc::Sender<Report>, count: usize) -> io::Result<Self> {
        let mut crew = Self { lanes: Vec::new(), workers: Vec::new(), beats: Vec::new() };
        let mut seeds: Vec<Vec<Seed>> = (0..count).map(|_| Vec::new()).collect();
        let mut lanes = Vec::new();
        for (plan, number) in parts.site.conduits.iter().zip(0..) {
            let metrics = parts.metrics.conduit(&plan.name);
            let seed = Seed {
                site: Arc::clone(&parts.site),
                conduit: ConduitId(number),
                metrics: metrics.expect("the registry was made from the same site"),
                journal: parts.journal.clone(),
            };
            if let Some(own) = seeds.get_mut(usize::from(number) % count) {
                own.push(seed);
            }
        }
        for (index, seeds) in seeds.into_iter().enumerate() {
            let (lane, arrivals) = mpsc::channel(ARRIVALS);
            lanes.push(lane);
            let name = format!("worker-{index}");
            let beat = Beat::new(name.clone(), common.origin);
            crew.beats.push(Arc::clone(&beat));
            let (common, reports) = (common.clone(), told.clone());
            crew.workers.push(tasks::worker_thread(name, move || async move {
                Worker { seeds, arrivals, reports, beat: Arc::clone(&beat), common }.serve().await;
                beat.retire();
            })?);
        }
        crew.lanes = (0..parts.site.conduits.len()).filter_map(|n| lanes.get(n % count).cloned()).collect();
        Ok(crew)
    }
}

/// One accept loop a listener; all of them end when the stop begins.
fn open_doors(bound: Vec<Bound>, doorman: &Arc<Doorman>, stage: &watch::Receiver<Stage>) {
    let admission = Admission::new(Door::all(&doorman.site), Bounds::default());
    for one in bound {
        let (admission, doorman, mut stage) = (Arc::clone(&admission), Arc::clone(doorman), stage.clone());
        let threads = doorman.threads.clone();
        let ledger = Arc::clone(&doorman.ledger);
        let accept = async move {
            tokio::select! {
                biased;
                _ = stage.wait_for(|stage| *stage > Stage::Serving) => {}
                () = listen::accept(one, admission, doorman) => {}
            }
        };
        tasks::spawn(&threads, accept, move || ledger.panicked());
    }
}

/// Why a live session may not live on.
fn life_check(parts: &Parts, origin: Instant) -> crate::worker::LifeCheck {
    let (board, trust) = (Arc::clone(&parts.board), Arc::clone(&parts.trust));
    Arc::new(move |conduit, peer| {
        let now = Mono::ZERO.after(origin.elapsed());
        match board.standing_for(conduit, peer, now, trust.clock().now().unix) {
            Standing::Serve | Standing::RefuseNew(_) => None,
            Standing::Close(cause) => Some(cause),
        }
    })
}

fn panic_counter(parts: &Parts) -> Arc<dyn Fn() + Send + Sync> {
    let metrics = Arc::clone(&parts.metrics);
    Arc::new(move || metrics.task_panicked())
}
