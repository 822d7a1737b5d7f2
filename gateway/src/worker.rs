//! What does a data worker do? It owns its conduits: their engines, sessions, device connections and clocks.
//!
//! ```text
//! handshake threads --Arrival--> worker: open (register), judge again, session task
//! watch: world (configuration), schedules, standing, stage --> every live session follows, or ends
//! worker --Report--> main: who held up the stop
//! ```
//! A conduit never leaves its worker, so nothing here is locked.

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Instant};

use sluicegate_config::plan::ConduitId;
use sluicegate_proto::{time::ScheduleSet, vocab::Cause};
use tokio::sync::{mpsc, watch};

use crate::{
    io::{Parked, PeerIo, Scratch},
    observe::{
        journal::{Journal, Seq},
        record::{Event, Record},
    },
    permit::Peer,
    tasks,
};

mod beat;
mod clock;
mod conduit;
mod crew;
mod flush;
mod port;
mod session;
mod signal;
mod stop;
mod world;

pub use beat::{Beat, stalled};
pub(crate) use clock::Clock;
pub(crate) use conduit::Cell;
use crew::Crew;
pub(crate) use port::Port;
pub(crate) use signal::Signal;
pub use world::{Berth, CellKey, Delivery, Lane, World};

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

/// What all workers watch and use.
#[derive(Clone)]
pub struct Common {
    /// Zero of every worker's clock.
    pub origin: Instant,
    /// The configuration in force.
    pub worlds: watch::Receiver<Arc<World>>,
    /// The schedules that hold, and the epoch of the world whose schedules they are.
    pub schedules: watch::Receiver<(u64, ScheduleSet)>,
    /// How far the stop is.
    pub stage: watch::Receiver<Stage>,
    /// Changes when a fault of ours begins or ends.
    pub faults: watch::Receiver<u64>,
    /// Where audit records go.
    pub journal: Journal,
    /// Counts a panic.
    pub panicked: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Common {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Common").field("stage", &*self.stage.borrow()).finish_non_exhaustive()
    }
}

/// A worker before its thread.
#[derive(Debug)]
pub struct Worker {
    /// Which one: conduits are lodged by it.
    pub number: usize,
    /// Peers for its conduits. 64 wait at most: more would only wait longer for the same thread.
    pub arrivals: mpsc::Receiver<Delivery>,
    /// What it tells main while it stops.
    pub reports: mpsc::Sender<Report>,
    /// The epoch of the world that it follows, after every change.
    pub follows: watch::Sender<u64>,
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
    schedules: watch::Receiver<(u64, ScheduleSet)>,
    pub(crate) journal: Journal,
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
        let Self { number, arrivals, reports, follows, beat, common } = self;
        let shared = Rc::new(Shared {
            origin: common.origin,
            clock: Clock::new(common.origin, ScheduleSet::default()),
            scratch: RefCell::new(Scratch::new()),
            schedules: common.schedules.clone(),
            journal: common.journal.clone(),
            panicked: Arc::clone(&common.panicked),
        });
        let world = Arc::clone(&common.worlds.borrow());
        let crew = Crew::new(number, Rc::clone(&shared), &world);
        // These tasks are the worker: when one is gone nothing can be trusted, and the watchdog ends the process.
        let fatal = |what: &'static str| {
            let (shared, beat) = (Rc::clone(&shared), Arc::clone(&beat));
            move || {
                shared.panicked("-", what);
                beat.stop();
            }
        };
        tasks::spawn_local(Arc::clone(&beat).keep(common.origin), fatal("heartbeat"));
        tasks::spawn_local(receive(arrivals, Rc::clone(&crew), common.clone()), fatal("arrivals"));
        tasks::spawn_local(follow_worlds(common.worlds.clone(), Rc::clone(&crew), follows), fatal("policies"));
        tasks::spawn_local(follow_schedules(common.schedules.clone(), Rc::clone(&crew)), fatal("schedules"));
        if world.site.audit.durable_writes {
            tasks::spawn_local(follow_disk(common.journal.subscribe(), Rc::clone(&crew)), fatal("durable"));
        }
        tasks::spawn_local(follow_life(common.clone(), Rc::clone(&crew)), fatal("life"));
        stop::serve_until(common.stage, &crew, &reports).await;
    }
}

async fn receive(mut arrivals: mpsc::Receiver<Delivery>, crew: Rc<Crew>, common: Common) {
    while let Some(Delivery { arrival, key, epoch }) = arrivals.recv().await {
        let Arrival { stream, peer, .. } = arrival;
        let Ok(mut io) = PeerIo::unpark(stream) else { continue };
        let world = Arc::clone(&common.worlds.borrow());
        // Its own conduit may be one of this world.
        crew.follow(&world);
        let cell = crew.cell(key);
        let opened = match &cell {
            Some(cell) if epoch == world.epoch => cell.open(Arc::clone(&peer)),
            Some(cell) => cell.readmit(&peer).and_then(|peer| cell.open(peer)),
            None => Err(Cause::PolicyChanged),
        };
        match (cell, opened) {
            (Some(cell), Ok(opened)) => {
                let (task_cell, severed) = (Rc::clone(&cell), Rc::clone(&cell));
                tasks::spawn_local(session::serve(task_cell, opened, io), move || severed.sever_after_panic("session"));
                // Judged once more now that every later change finds it: no fault can slip in between.
                cell.end_where_it_must();
            }
            (cell, opened) => {
                let cause = opened.err().unwrap_or(Cause::PolicyChanged);
                turned_away(cell.as_deref(), &peer, cause, &common.journal);
                let shared = Rc::clone(&crew.shared);
                let goodbye = async move { session::turn_away(&mut io, &shared).await };
                tasks::spawn_local(goodbye, || {});
            }
        }
    }
}

/// A peer that was let in and gets no session. What the engine refused is on record; what the configuration did is not.
fn turned_away(cell: Option<&Cell>, peer: &Arc<Peer>, cause: Cause, journal: &Journal) {
    let conduit = cell.map(|cell| Arc::clone(&cell.name));
    tracing::info!(conduit = conduit.as_deref().unwrap_or("-"), identity = %peer.who.identity, %cause, "no session");
    if matches!(cause, Cause::PolicyChanged | Cause::CertificateRevoked)
        && let Ok(slot) = journal.reserve()
    {
        let mut record = Record::new(Event::SessionRefused);
        (record.conduit, record.peer, record.cause) = (conduit, Some(Arc::clone(peer)), Some(cause));
        record.note = Some("the configuration changed while it came in".to_owned());
        let _seq = slot.write(record);
    }
}

async fn follow_worlds(mut worlds: watch::Receiver<Arc<World>>, crew: Rc<Crew>, follows: watch::Sender<u64>) {
    loop {
        let world = Arc::clone(&worlds.borrow_and_update());
        crew.follow(&world);
        follows.send_replace(world.epoch);
        if worlds.changed().await.is_err() {
            return;
        }
    }
}

async fn follow_schedules(mut schedules: watch::Receiver<(u64, ScheduleSet)>, crew: Rc<Crew>) {
    while schedules.changed().await.is_ok() {
        crew.look_at_schedules();
    }
}

/// Allowed writes that wait for their record leave once it is on disk. Whether they wait at all cannot change while the
/// process lives.
async fn follow_disk(mut durable: watch::Receiver<Seq>, crew: Rc<Crew>) {
    while durable.changed().await.is_ok() {
        let seq = *durable.borrow_and_update();
        for cell in crew.cells() {
            let now = cell.now();
            cell.tell(|engine| engine.durable(seq, now));
        }
    }
}

/// Faults of our own at once, certificates that run out within a second.
async fn follow_life(mut common: Common, crew: Rc<Crew>) {
    let mut second = tokio::time::interval(std::time::Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            changed = common.faults.changed() => if changed.is_err() { return },
            _ = second.tick() => {}
        }
        crew.cells().iter().for_each(Cell::end_where_it_must);
    }
}

#[cfg(test)]
mod tests;
