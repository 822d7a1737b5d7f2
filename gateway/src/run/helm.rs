//! How does another configuration come into force while we serve?
//!
//! ```text
//! prepared: site, trust, sockets bound      everything that could fail has not
//! commit:   metrics -> board -> world -> workers follow -> listeners are posted anew -> old sockets close
//! ```
//! A commit cannot fail. Only a stop that has begun refuses it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sluicegate_config::plan::{Listener, ListenerId, Site};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

use super::{Parts, seconds};
use crate::{
    admit::{Admission, Bounds, Door},
    engine::outgrown,
    handshake::{self, Doorman, Ledger},
    listen::{self, Bound, Post},
    observe::{journal::Journal, site::SiteMetrics},
    tasks,
    trust::Trust,
    worker::{Berth, CellKey, Delivery, Lane, Stage, World},
};

/// What a change of configuration moves.
#[derive(Debug)]
pub struct Helm {
    worlds: watch::Sender<Arc<World>>,
    doors: Mutex<Doors>,
    crew: Lines,
    metrics: Arc<SiteMetrics>,
    journal: Journal,
    threads: Handle,
    stage: watch::Receiver<Stage>,
}

/// The ways to the workers, and what they say back: by number.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) to: Vec<mpsc::Sender<Delivery>>,
    pub(super) follows: Vec<watch::Receiver<u64>>,
}

/// A configuration that is ready to come into force.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub site: Arc<Site>,
    /// Keys and identities of it.
    pub trust: Arc<Trust>,
    /// Sockets for the listeners that have none yet: those of [`Helm::unbound`].
    pub bound: Vec<Bound>,
}

/// A stop has begun: nothing comes into force any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway is stopping")]
pub struct Stopping;

/// What came into force.
#[derive(Debug, Default)]
pub struct Committed {
    /// Its number.
    pub epoch: u64,
    /// Listeners that are new, with their real addresses.
    pub opened: Vec<(Arc<str>, SocketAddr)>,
    /// Listeners that are gone.
    pub closed: Vec<Arc<str>>,
    /// Conduits whose sessions have ended because of this key.
    pub rebuilt: Vec<(String, &'static str)>,
}

#[derive(Debug)]
struct Doors {
    open: Vec<OpenDoor>,
    admission: Arc<Admission>,
    ledger: Arc<Ledger>,
    next_key: u32,
    stopping: bool,
}

/// A socket with its accept loop. Dropping it closes the socket.
#[derive(Debug)]
struct OpenDoor {
    name: Arc<str>,
    bind: SocketAddr,
    address: SocketAddr,
    posts: watch::Sender<Option<Post<Doorman>>>,
}

impl Helm {
    /// The first world of a process. Nobody is let in yet: see [`Self::open`].
    pub(super) fn first(parts: &Parts, threads: &Handle, origin: Instant, workers: usize) -> (World, u32) {
        let mut next_key = 0;
        let berths = lodge(None, &parts.site, &parts.metrics, (workers, &mut next_key));
        let world = World {
            epoch: 1,
            site: Arc::clone(&parts.site),
            trust: Arc::clone(&parts.trust),
            board: Arc::clone(&parts.board),
            berths,
            schedules: seconds::schedules(&parts.site, parts.trust.clock().now()),
            origin,
            dialer: handshake::dialer(Arc::clone(&parts.site), Arc::clone(&parts.trust), threads.clone()),
        };
        (world, next_key)
    }

    /// Takes the helm of running workers and lets peers in at `bound`.
    pub(super) fn open(
        parts: &Parts,
        (worlds, next_key): (watch::Sender<Arc<World>>, u32),
        crew: Lines,
        threads: Handle,
        stage: watch::Receiver<Stage>,
        bound: Vec<Bound>,
    ) -> Arc<Self> {
        let ledger = Ledger::new(Arc::clone(&parts.site), Arc::clone(&parts.metrics), parts.journal.clone());
        let admission = Admission::new(Door::all(&parts.site), Bounds::default());
        let doors = Doors { open: Vec::new(), admission, ledger, next_key, stopping: false };
        let helm = Self {
            worlds,
            doors: Mutex::new(doors),
            crew,
            metrics: Arc::clone(&parts.metrics),
            journal: parts.journal.clone(),
            threads,
            stage,
        };
        let world = helm.world();
        helm.post(&mut helm.lock(), &world, bound);
        Arc::new(helm)
    }

    /// What is in force.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.worlds.borrow())
    }

    /// Hears of every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<World>> {
        self.worlds.subscribe()
    }

    /// Where audit records go.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Every series.
    pub fn metrics(&self) -> &Arc<SiteMetrics> {
        &self.metrics
    }

    /// The listeners of `site` for which no socket is open.
    pub fn unbound<'s>(&self, site: &'s Site) -> Vec<&'s Listener> {
        let doors = self.lock();
        site.listeners.iter().filter(|one| !doors.open.iter().any(|door| door.is_for(one))).collect()
    }

    /// The configuration comes into force. When [`Self::followed`] says so, too, nothing is judged by an earlier one.
    ///
    /// # Errors
    /// [`Stopping`]: nothing has changed.
    pub fn commit(&self, prepared: Prepared) -> Result<Committed, Stopping> {
        let Prepared { site, trust, bound } = prepared;
        let mut doors = self.lock();
        if doors.stopping {
            return Err(Stopping);
        }
        let old = self.world();
        self.metrics.follow(&site);
        let berths = lodge(Some(&old), &site, &self.metrics, (self.crew.to.len(), &mut doors.next_key));
        let world = Arc::new(World {
            epoch: old.epoch + 1,
            board: Arc::new(old.board.follow(&site)),
            berths,
            schedules: seconds::schedules(&site, trust.clock().now()),
            origin: old.origin,
            dialer: handshake::dialer(Arc::clone(&site), Arc::clone(&trust), self.threads.clone()),
            site,
            trust,
        });
        self.worlds.send_replace(Arc::clone(&world));
        doors.ledger = doors.ledger.follow(Arc::clone(&world.site));
        doors.admission = doors.admission.follow(Door::all(&world.site));
        let (opened, closed) = self.post(&mut doors, &world, bound);
        Ok(Committed { epoch: world.epoch, opened, closed, rebuilt: rebuilt(&old.site, &world.site) })
    }

    /// Waits until every worker follows `epoch`: some milliseconds, unless one is stuck.
    pub fn followed(&self, epoch: u64, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.crew.follows.iter().all(|one| *one.borrow() >= epoch) {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// From here on nothing comes into force.
    pub(super) fn let_go(&self) {
        self.lock().stopping = true;
    }

    /// The names of the listeners and where they really are.
    pub(super) fn listeners(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.lock().open.iter().map(|one| (Arc::clone(&one.name), one.address)).collect()
    }

    /// Posts a doorman of `world` at every listener: at the sockets that are open already, and at new ones. What is for
    /// none closes.
    fn post(&self, doors: &mut Doors, world: &Arc<World>, mut bound: Vec<Bound>) -> (Named, Vec<Arc<str>>) {
        let lane =
            |berth: &Berth| Lane { worker: self.crew.to[berth.worker].clone(), key: berth.key, epoch: world.epoch };
        let porter = Arc::new(Doorman {
            site: Arc::clone(&world.site),
            trust: Arc::clone(&world.trust),
            board: Arc::clone(&world.board),
            origin: world.origin,
            ledger: Arc::clone(&doors.ledger),
            lanes: world.berths.iter().map(lane).collect(),
            threads: self.threads.clone(),
        });
        let (mut opened, mut kept) = (Vec::new(), Vec::new());
        for (id, listener) in (0..).map(ListenerId).zip(&world.site.listeners) {
            let admission = Arc::clone(&doors.admission);
            let post = Some(Post { id, admission, porter: Arc::clone(&porter) });
            if let Some(place) = doors.open.iter().position(|door| door.is_for(listener)) {
                let mut door = doors.open.swap_remove(place);
                door.name = Arc::from(listener.name.as_str());
                door.posts.send_replace(post);
                kept.push(door);
            } else if let Some(place) = bound.iter().position(|one| *one.name == *listener.name) {
                let bound = bound.swap_remove(place);
                let (posts, seen) = watch::channel(post);
                let (name, bind, address) = (Arc::clone(&bound.name), bound.bind, bound.address);
                self.accept(bound, seen, &doors.ledger);
                opened.push((Arc::clone(&name), address));
                kept.push(OpenDoor { name, bind, address, posts });
            }
        }
        let closed = std::mem::replace(&mut doors.open, kept);
        (opened, closed.into_iter().map(|door| door.name).collect())
    }

    /// The accept loop of a socket: it ends when its listener does, and when the stop begins.
    fn accept(&self, bound: Bound, posts: watch::Receiver<Option<Post<Doorman>>>, ledger: &Arc<Ledger>) {
        let (mut stage, ledger) = (self.stage.clone(), Arc::clone(ledger));
        let accept = async move {
            tokio::select! {
                biased;
                _ = stage.wait_for(|stage| *stage > Stage::Serving) => {}
                () = listen::accept(bound, posts) => {}
            }
        };
        tasks::spawn(&self.threads, accept, move || ledger.panicked());
    }

    fn lock(&self) -> MutexGuard<'_, Doors> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Named = Vec<(Arc<str>, SocketAddr)>;

impl OpenDoor {
    /// Whether this socket is the one that the listener wants. A port that the system chose is its listener's own.
    fn is_for(&self, listener: &Listener) -> bool {
        self.bind == listener.bind && (self.bind.port() != 0 || *self.name == *listener.name)
    }
}

/// A berth for every conduit of `site`: the old one where what lives there may live on; else a new cell, with the same
/// worker where there was one of that name, so that it goes on with what was spent.
fn lodge(
    old: Option<&World>,
    site: &Site,
    metrics: &SiteMetrics,
    (workers, next_key): (usize, &mut u32),
) -> Vec<Berth> {
    let mut berths = Vec::new();
    for (place, conduit) in site.conduits.iter().enumerate() {
        let known = old.and_then(|old| {
            let (before, berth) =
                old.site.conduits.iter().zip(&old.berths).find(|(one, _)| one.name == conduit.name)?;
            Some((outgrown((&old.site, before), (site, conduit)).is_none(), berth))
        });
        let (key, worker) = match known {
            Some((true, berth)) => (berth.key, berth.worker),
            known => {
                *next_key += 1;
                (CellKey(*next_key), known.map_or(place % workers.max(1), |(_, berth)| berth.worker))
            }
        };
        let metrics = metrics.conduit(&conduit.name).expect("the series were made for this site");
        berths.push(Berth { key, worker, metrics });
    }
    berths
}

/// The conduits of both sites whose sessions could not live on.
fn rebuilt(old: &Site, new: &Site) -> Vec<(String, &'static str)> {
    let key = |after: &sluicegate_config::plan::Conduit| {
        let before = old.conduits.iter().find(|one| one.name == after.name)?;
        Some((after.name.clone(), outgrown((old, before), (new, after))?))
    };
    new.conduits.iter().filter_map(key).collect()
}
