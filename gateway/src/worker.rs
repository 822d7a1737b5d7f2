//! What does a data worker do? It owns its conduits: their engines, sessions, device connections and clocks.
//!
//! ```text
//! handshake threads --Arrival--> worker: open (register), judge again, session task
//! watch: policy, schedules, standing, stage --> every live session follows, or ends
//! worker --Report--> main: who held up the stop
//! ```
//! A conduit never leaves its worker, so nothing here is locked.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Instant};

use sluicegate_config::plan::{Conduit, ConduitId, Site};
use sluicegate_proto::{policy::PolicySet, time::ScheduleSet, vocab::Cause};
use tokio::sync::{mpsc, watch};

use crate::{
    io::{Parked, PeerIo, Scratch},
    link::TlsDialer,
    observe::{journal::Journal, metrics::ConduitMetrics},
    permit::Peer,
    tasks,
};

mod beat;
mod clock;
mod conduit;
mod flush;
mod port;
mod session;
mod signal;
mod stop;

pub use beat::{Beat, stalled};
pub(crate) use clock::Clock;
pub(crate) use conduit::Cell;
pub(crate) use port::Port;
pub(crate) use signal::Signal;

/// The policy of every conduit, as one number.
#[derive(Debug)]
pub struct PolicySnapshot {
    /// Counts policies from 1 on.
    pub epoch: u64,
    /// By conduit, in the order of the plan.
    pub sets: Vec<Arc<PolicySet>>,
}

/// How far the process is with its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// New sessions are taken.
    Serving,
    /// Sessions end once nothing of theirs is pending.
    Draining,
    /// Sessions end now.
    Severed,
}

/// A peer that has authenticated, on its way to its conduit.
#[derive(Debug)]
pub struct Arrival {
    /// Where to.
    pub conduit: ConduitId,
    /// Its stream.
    pub stream: Parked,
    /// Who it is.
    pub peer: Arc<Peer>,
}

/// What a conduit's engine is made from, now and after a panic.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The whole site.
    pub site: Arc<Site>,
    /// Which conduit of it.
    pub conduit: ConduitId,
    /// Resolved handles.
    pub metrics: Arc<ConduitMetrics>,
    /// Where audit records go.
    pub journal: Journal,
}

impl Seed {
    pub(crate) fn plan(&self) -> &Conduit {
        self.site.conduits.get(self.conduit.index()).expect("a conduit's id is its place in its own site")
    }
}

/// What all workers watch and use.
#[derive(Clone)]
pub struct Common {
    /// Zero of every worker's clock.
    pub origin: Instant,
    /// The policy in force.
    pub policies: watch::Receiver<Arc<PolicySnapshot>>,
    /// The schedules that hold.
    pub schedules: watch::Receiver<ScheduleSet>,
    /// How far the stop is.
    pub stage: watch::Receiver<Stage>,
    /// Changes when a fault of ours begins or ends.
    pub faults: watch::Receiver<u64>,
    /// Why a session may not live on, if it may not.
    pub verdict: LifeCheck,
    /// TLS towards devices, on other threads.
    pub(crate) dialer: TlsDialer,
    /// Counts a panic.
    pub panicked: Arc<dyn Fn() + Send + Sync>,
}

/// Why a live session of this peer on this conduit must end now (faults of our own, its certificate's end).
pub type LifeCheck = Arc<dyn Fn(ConduitId, &Peer) -> Option<Cause> + Send + Sync>;

impl std::fmt::Debug for Common {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Common").field("stage", &*self.stage.borrow()).finish_non_exhaustive()
    }
}

/// A worker before its thread.
#[derive(Debug)]
pub struct Worker {
    /// Its conduits.
    pub seeds: Vec<Seed>,
    /// Peers for them. 64 wait at most: more would only wait longer for the same thread.
    pub arrivals: mpsc::Receiver<Arrival>,
    /// What it tells main while it stops.
    pub reports: mpsc::Sender<Report>,
    /// Its heart.
    pub beat: Arc<Beat>,
    /// What it shares with the others.
    pub common: Common,
}

/// Somebody who held up the stop.
#[derive(Clone, Debug)]
pub struct Report {
    /// On which conduit.
    pub conduit: Arc<str>,
    /// Who.
    pub peer: Arc<Peer>,
}

/// What the tasks of one worker share.
pub(crate) struct Shared {
    pub(crate) origin: Instant,
    pub(crate) clock: Clock,
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) dialer: TlsDialer,
    pub(crate) policies: watch::Receiver<Arc<PolicySnapshot>>,
    panicked: Arc<dyn Fn() + Send + Sync>,
}

impl Shared {
    /// Tells of a panic in a task of `conduit`.
    pub(crate) fn panicked(&self, conduit: &str, what: &'static str) {
        (self.panicked)();
        tracing::error!(conduit, task = what, "a task panicked: a bug of ours; the conduit's sessions are severed");
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl Worker {
    /// Serves until the stop, on the current thread and its `LocalSet`.
    pub async fn serve(self) {
        let Self { seeds, arrivals, reports, beat, common } = self;
        let shared = Rc::new(Shared {
            origin: common.origin,
            clock: Clock::new(common.origin, *common.schedules.borrow()),
            scratch: RefCell::new(Scratch::new()),
            dialer: Arc::clone(&common.dialer),
            policies: common.policies.clone(),
            panicked: Arc::clone(&common.panicked),
        });
        let policies = Arc::clone(&common.policies.borrow());
        let cells: Rc<[Rc<Cell>]> =
            seeds.into_iter().map(|seed| Cell::new(seed, &policies, Rc::clone(&shared))).collect();
        cells.iter().for_each(Cell::start_timer);
        // These tasks are the worker: when one is gone nothing can be trusted, and the watchdog ends the process.
        let fatal = |what: &'static str| {
            let (shared, beat) = (Rc::clone(&shared), Arc::clone(&beat));
            move || {
                shared.panicked("-", what);
                beat.stop();
            }
        };
        tasks::spawn_local(Arc::clone(&beat).keep(common.origin), fatal("heartbeat"));
        tasks::spawn_local(receive(arrivals, Rc::clone(&cells), common.clone()), fatal("arrivals"));
        tasks::spawn_local(follow_policies(common.policies.clone(), Rc::clone(&cells)), fatal("policies"));
        tasks::spawn_local(follow_schedules(common.schedules.clone(), Rc::clone(&shared)), fatal("schedules"));
        tasks::spawn_local(follow_disk(Rc::clone(&cells)), fatal("durable"));
        tasks::spawn_local(follow_life(common.clone(), Rc::clone(&cells)), fatal("life"));
        stop::serve_until(common.stage, &cells, &reports).await;
    }
}

async fn receive(mut arrivals: mpsc::Receiver<Arrival>, cells: Rc<[Rc<Cell>]>, common: Common) {
    while let Some(arrival) = arrivals.recv().await {
        let Some(cell) = cells.iter().find(|cell| cell.id == arrival.conduit) else { continue };
        let Ok(mut io) = PeerIo::unpark(arrival.stream) else { continue };
        let policies = Arc::clone(&common.policies.borrow());
        match cell.open(Arc::clone(&arrival.peer), &policies) {
            Ok(opened) => {
                let (task_cell, severed) = (Rc::clone(cell), Rc::clone(cell));
                tasks::spawn_local(session::serve(task_cell, opened, io), move || severed.sever_after_panic("session"));
                // Judged once more now that every later change finds it: no fault can slip in between.
                cell.end_where(|peer| (common.verdict)(cell.id, peer));
            }
            Err(cause) => {
                tracing::info!(conduit = %cell.name, identity = %arrival.peer.who.identity, %cause, "no session");
                let shared = Rc::clone(&cell.shared);
                let goodbye = async move { session::turn_away(&mut io, &shared).await };
                tasks::spawn_local(goodbye, || {});
            }
        }
    }
}

async fn follow_policies(mut policies: watch::Receiver<Arc<PolicySnapshot>>, cells: Rc<[Rc<Cell>]>) {
    while policies.changed().await.is_ok() {
        let snapshot = Arc::clone(&policies.borrow_and_update());
        cells.iter().for_each(|cell| cell.follow(&snapshot));
    }
}

async fn follow_schedules(mut schedules: watch::Receiver<ScheduleSet>, shared: Rc<Shared>) {
    while schedules.changed().await.is_ok() {
        shared.clock.follow(*schedules.borrow_and_update());
    }
}

/// Allowed writes that wait for their record leave once it is on disk.
async fn follow_disk(cells: Rc<[Rc<Cell>]>) {
    let Some(first) = cells.first().filter(|cell| cell.site.audit.durable_writes) else { return };
    let mut durable = first.seed().journal.subscribe();
    while durable.changed().await.is_ok() {
        let seq = *durable.borrow_and_update();
        for cell in cells.iter() {
            let now = cell.now();
            cell.tell(|engine| engine.durable(seq, now));
        }
    }
}

/// Faults of our own at once, certificates that run out within a second.
async fn follow_life(mut common: Common, cells: Rc<[Rc<Cell>]>) {
    let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            changed = common.faults.changed() => if changed.is_err() { return },
            _ = second.tick() => {}
        }
        for cell in cells.iter() {
            cell.end_where(|peer| (common.verdict)(cell.id, peer));
        }
    }
}

#[cfg(test)]
mod tests;
