//! What is in force: one configuration, with all that was made from it, and where its conduits live?
//!
//! Workers, handshakes, listeners and main each hold the one that they last heard of. Whatever names a conduit or an
//! identity by its place does so within one world; between worlds, conduits go by [`CellKey`] and identities by name.

use std::{sync::Arc, time::Instant};

use sluicegate_config::plan::{Conduit, ConduitId, Site};
use sluicegate_proto::{
    time::{Mono, ScheduleSet},
    vocab::Cause,
};
use tokio::sync::mpsc;

use super::Arrival;
use crate::{
    faults::{Board, Standing},
    link::TlsDialer,
    observe::metrics::ConduitMetrics,
    permit::Peer,
    trust::{Identified, Trust},
};

/// One conduit on one worker, for as long as what lives on it may live on. Never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey(pub u32);

/// Where a conduit lives.
#[derive(Clone, Debug)]
pub struct Berth {
    /// Its cell.
    pub key: CellKey,
    /// The worker's number.
    pub worker: usize,
    /// Resolved handles.
    pub metrics: Arc<ConduitMetrics>,
}

/// A configuration in force.
pub struct World {
    /// Counts configurations from 1 on.
    pub epoch: u64,
    /// The plan.
    pub site: Arc<Site>,
    /// Keys and identities.
    pub trust: Arc<Trust>,
    /// Faults of our own, as this configuration sees them.
    pub board: Arc<Board>,
    /// By conduit, in the order of the plan.
    pub berths: Vec<Berth>,
    /// The schedules that hold when it comes into force: their bits are places in its plan.
    pub schedules: ScheduleSet,
    /// Zero of the board's clock.
    pub origin: Instant,
    /// TLS towards devices, on other threads.
    pub(crate) dialer: TlsDialer,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("epoch", &self.epoch).field("berths", &self.berths).finish_non_exhaustive()
    }
}

impl World {
    /// The conduit of a cell, if it is still one.
    pub(super) fn conduit_of(&self, key: CellKey) -> Option<ConduitId> {
        (0..).zip(&self.berths).find(|(_, berth)| berth.key == key).map(|(place, _)| ConduitId(place))
    }

    pub(super) fn berth(&self, conduit: ConduitId) -> &Berth {
        self.berths.get(conduit.index()).expect("there is a berth for each conduit of the plan")
    }

    /// Why a live session of this peer on this conduit must end now (faults of our own, its certificate's end).
    pub(super) fn verdict(&self, conduit: ConduitId, peer: &Peer) -> Option<Cause> {
        let now = Mono::ZERO.after(self.origin.elapsed());
        match self.board.standing_for(conduit, peer, now, self.trust.clock().now().unix) {
            Standing::Serve | Standing::RefuseNew(_) => None,
            Standing::Close(cause) => Some(cause),
        }
    }

    /// A peer of an earlier world as this one has it.
    ///
    /// # Errors
    /// It is nobody here, or somebody else, or has lost a role: its session must end.
    pub(super) fn readmit(&self, conduit: ConduitId, peer: &Peer) -> Result<Arc<Peer>, Cause> {
        match self.trust.identify_again(conduit, peer) {
            Ok(Identified { peer: now, .. }) => {
                let keeps = peer.who.roles.iter().all(|role| now.who.roles.contains(role));
                if now.who.identity == peer.who.identity && keeps { Ok(Arc::new(now)) } else { Err(CHANGED) }
            }
            Err(refusal) if refusal.cause == Cause::CertificateRevoked => Err(refusal.cause),
            Err(_) => Err(CHANGED),
        }
    }
}

const CHANGED: Cause = Cause::PolicyChanged;

/// The way to a conduit of one world.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Its worker.
    pub worker: mpsc::Sender<Delivery>,
    /// Its cell.
    pub key: CellKey,
    /// The world in which its peers were let in.
    pub epoch: u64,
}

/// A peer on its way along a lane.
#[derive(Debug)]
pub struct Delivery {
    pub(super) arrival: Arrival,
    pub(super) key: CellKey,
    pub(super) epoch: u64,
}

impl Lane {
    /// Sends a peer; waits for room.
    ///
    /// # Errors
    /// The worker is gone.
    pub async fn send(&self, arrival: Arrival) -> Result<(), Cause> {
        let delivery = Delivery { arrival, key: self.key, epoch: self.epoch };
        self.worker.send(delivery).await.map_err(|_| Cause::Drain)
    }
}

/// A conduit of a plan that is kept alive while it is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    site: Arc<Site>,
    id: ConduitId,
}

impl Planned {
    pub(super) fn of(world: &World, id: ConduitId) -> Self {
        Self { site: Arc::clone(&world.site), id }
    }
}

impl std::ops::Deref for Planned {
    type Target = Conduit;

    fn deref(&self) -> &Conduit {
        self.site.conduits.get(self.id.index()).expect("a conduit's id is its place in its own site")
    }
}
