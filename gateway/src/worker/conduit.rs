//! How do the tasks of one conduit share its engine?
//!
//! The conduit's own tasks enter through [`Cell::drive`] (or [`Cell::feed`] and [`Cell::attend`]): borrow, act, give the
//! borrow back, write what must leave, wake whom that does not help. Everybody else enters through [`Cell::tell`], which
//! only wakes: a panic in a write is then one of the conduit it belongs to. Nothing is borrowed across an await, and no
//! task calls another.

use std::{
    cell::{self, RefCell},
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
};

use sluicegate_config::plan::ConduitId;
use sluicegate_proto::{time::Now, vocab::Cause};

use super::{CellKey, Port, Shared, Signal, World, clock::mono, world::Planned};
use crate::{
    engine::{Engine, Estate, LinkKey, LinkWant, Next, SessionKey, Setup, Slots, Wake},
    io::Scratch,
    link::{self, TlsDialer},
    permit::{Peer, Permit},
    tasks,
};

/// One conduit on its worker.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) key: CellKey,
    pub(crate) name: Arc<str>,
    pub(crate) shared: Rc<Shared>,
    /// The configuration that it follows, and its place there.
    place: RefCell<(Arc<World>, ConduitId)>,
    pub(super) engine: RefCell<Engine>,
    pub(super) sessions: RefCell<Slots<SessionKey, Live>>,
    pub(super) links: RefCell<Slots<LinkKey, Rc<Port>>>,
    /// Counts the engines: a task of an older one ends.
    generation: cell::Cell<u64>,
    /// It takes no sessions any more, and goes when its last one has said goodbye.
    retired: cell::Cell<bool>,
    pub(super) timer: Signal,
}

/// A session that was not forgotten yet.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) port: Rc<Port>,
    peer: Arc<Peer>,
}

/// A session's task holds this; its engine may be replaced under it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) key: SessionKey,
    pub(crate) port: Rc<Port>,
    pub(crate) generation: u64,
}

impl Cell {
    /// The conduit that `world` lodges under `key`.
    pub(crate) fn new(key: CellKey, world: &Arc<World>, shared: Rc<Shared>) -> Rc<Self> {
        let id = world.conduit_of(key).expect("a cell is made for a berth of its world");
        let engine = engine(key, (world, id), &shared);
        Rc::new(Self {
            key,
            name: Arc::from(Planned::of(world, id).name.as_str()),
            shared,
            place: RefCell::new((Arc::clone(world), id)),
            engine: RefCell::new(engine),
            sessions: RefCell::default(),
            links: RefCell::default(),
            generation: cell::Cell::new(0),
            retired: cell::Cell::new(false),
            timer: Signal::default(),
        })
    }

    /// The configuration that it follows, and its place there.
    fn place(&self) -> (Arc<World>, ConduitId) {
        self.place.borrow().clone()
    }

    pub(crate) fn plan(&self) -> Planned {
        let (world, id) = &*self.place.borrow();
        Planned::of(world, *id)
    }

    /// Its place in the plan, and who dials with TLS there.
    pub(crate) fn dialer(&self) -> (ConduitId, TlsDialer) {
        let (world, id) = &*self.place.borrow();
        (*id, Arc::clone(&world.dialer))
    }

    pub(crate) fn now(&self) -> Now {
        self.shared.clock.now()
    }

    pub(crate) fn scratch(&self) -> &RefCell<Scratch> {
        &self.shared.scratch
    }

    /// The engine does something, and nobody is looked after yet: [`Cell::attend`] must follow.
    pub(crate) fn feed<R>(&self, act: impl FnOnce(&mut Engine) -> R) -> R {
        act(&mut self.engine.borrow_mut())
    }

    /// The engine does something; then whoever it concerns is looked after.
    pub(crate) fn drive<R>(self: &Rc<Self>, now: Now, act: impl FnOnce(&mut Engine) -> R) -> R {
        let out = self.feed(act);
        self.attend(now);
        out
    }

    /// The same for tasks that are not the conduit's: whoever it concerns is woken.
    pub(crate) fn tell<R>(self: &Rc<Self>, act: impl FnOnce(&mut Engine) -> R) -> R {
        let out = self.feed(act);
        while let Some(wake) = self.next_wake() {
            match wake {
                Wake::Session(key) => self.wake_session(key),
                Wake::Link(key) => self.wake_link(key),
                Wake::Timer => self.timer.raise(),
            }
        }
        out
    }

    pub(super) fn next_wake(&self) -> Option<Wake> {
        self.engine.borrow_mut().next_wake()
    }

    /// The engine is asked something.
    pub(crate) fn ask<R>(&self, question: impl FnOnce(&Engine) -> R) -> R {
        question(&self.engine.borrow())
    }

    /// Opens a session for a peer of the configuration that the cell follows. Every later one reaches all open sessions,
    /// so none lives under a policy that was already replaced when it was judged.
    pub(crate) fn open(self: &Rc<Self>, peer: Arc<Peer>) -> Result<Opened, Cause> {
        let (world, id) = self.place();
        let policy = &Planned::of(&world, id).policy;
        let permit = Permit::grant(Arc::clone(&peer), policy, world.epoch);
        let now = self.now();
        let key = self.tell(|engine| engine.open(permit, now))?;
        let port = Rc::new(Port::default());
        self.sessions.borrow_mut().put(key, Live { port: Rc::clone(&port), peer });
        Ok(Opened { key, port, generation: self.generation.get() })
    }

    /// A peer that was let in under an earlier configuration, as the one that the cell follows has it.
    pub(crate) fn readmit(&self, peer: &Peer) -> Result<Arc<Peer>, Cause> {
        let (world, id) = self.place();
        world.readmit(id, peer)
    }

    /// The configuration now in force. Whoever is no longer allowed has ended when this returns; whoever is goes on under
    /// it with the next message.
    pub(crate) fn follow(self: &Rc<Self>, world: &Arc<World>) {
        let Some(id) = world.conduit_of(self.key).filter(|_| !self.retired.get()) else { return };
        let now = self.now();
        let mut peers = BTreeMap::new();
        let live: Vec<_> = self.sessions.borrow().iter().map(|(key, live)| (*key, Arc::clone(&live.peer))).collect();
        for (key, peer) in live.into_iter().filter(|(key, _)| self.ask(|engine| engine.ended(*key)).is_none()) {
            match world.readmit(id, &peer) {
                Ok(peer) => {
                    peers.insert(key, peer);
                }
                Err(cause) => self.tell(|engine| engine.end(key, cause, now)),
            }
        }
        for (key, peer) in &peers {
            if let Some(live) = self.sessions.borrow_mut().get_mut(key) {
                live.peer = Arc::clone(peer);
            }
        }
        self.place.replace((Arc::clone(world), id));
        let (site, metrics) = (Arc::clone(&world.site), Arc::clone(&world.berth(id).metrics));
        let next = Next { site, conduit: id, epoch: world.epoch, metrics, peers };
        self.tell(|engine| engine.follow(next, now));
        self.end_where_it_must();
    }

    /// The conduit is gone, or no longer this one. What its successor goes on with comes back.
    pub(crate) fn retire(self: &Rc<Self>, cause: Cause) -> Estate {
        self.retired.set(true);
        let now = self.now();
        self.tell(|engine| engine.retire(cause, now));
        self.timer.raise();
        self.engine.borrow_mut().bequeath()
    }

    pub(crate) fn inherit(self: &Rc<Self>, estate: Estate) {
        let now = self.now();
        self.tell(|engine| engine.inherit(estate, now));
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Whether it has retired and everybody has said goodbye.
    pub(crate) fn is_gone(&self) -> bool {
        self.retired.get() && self.sessions.borrow().is_empty() && self.links.borrow().is_empty()
    }

    /// Whether a task of that generation must end, and whether its session has.
    pub(crate) fn is_over(&self, opened: &Opened) -> Option<Cause> {
        if self.generation.get() != opened.generation {
            return Some(Cause::InternalError);
        }
        self.ask(|engine| engine.ended(opened.key))
    }

    pub(crate) fn is_current(&self, generation: u64) -> bool {
        self.generation.get() == generation
    }

    pub(crate) fn forget(self: &Rc<Self>, opened: &Opened) {
        if self.is_current(opened.generation) {
            self.sessions.borrow_mut().remove(&opened.key);
            self.drive(self.now(), |engine| engine.forget(opened.key));
        }
        if self.retired.get() {
            self.timer.raise();
        }
    }

    /// Ends the sessions that faults of ours or the ends of their certificates end.
    pub(crate) fn end_where_it_must(self: &Rc<Self>) {
        let (world, id) = self.place();
        if !self.retired.get() {
            self.end_where(|peer| world.verdict(id, peer));
        }
    }

    /// Ends every session for which `why` gives a cause.
    pub(crate) fn end_where(self: &Rc<Self>, why: impl Fn(&Peer) -> Option<Cause>) {
        let live: Vec<_> = self.sessions.borrow().iter().map(|(key, live)| (*key, Arc::clone(&live.peer))).collect();
        for (key, peer) in live {
            if let Some(cause) = why(&peer)
                && self.ask(|engine| engine.ended(key)).is_none()
            {
                let now = self.now();
                self.tell(|engine| engine.end(key, cause, now));
            }
        }
    }

    /// Who still has a session, ended ones that are not flushed yet included.
    pub(crate) fn holders(&self) -> Vec<Arc<Peer>> {
        self.sessions.borrow().values().map(|live| Arc::clone(&live.peer)).collect()
    }

    /// A panic in one of this conduit's tasks: its state can no longer be trusted. All of its sessions and device
    /// connections end, and a new engine begins with nothing remembered.
    pub(crate) fn sever_after_panic(self: &Rc<Self>, what: &'static str) {
        self.shared.panicked(&self.name, what);
        let (world, id) = self.place();
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        let mut fresh = engine(self.key, (&world, id), &self.shared);
        fresh.count_on(&self.engine.borrow());
        let mut old = self.engine.replace(fresh);
        // Its device connections end with the old engine.
        world.berth(id).metrics.upstream_up(false);
        world.berth(id).metrics.units_silent(0);
        let now = self.now();
        // What the old engine still can do is write the ends of its sessions.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            for key in old.sessions() {
                old.end(key, Cause::InternalError, now);
            }
        }));
        if ended.is_err() {
            tracing::error!(conduit = %self.name, "the ends of its sessions could not be written");
        }
        let sessions = std::mem::take(&mut *self.sessions.borrow_mut());
        let links = std::mem::take(&mut *self.links.borrow_mut());
        sessions.values().for_each(|live| live.port.signal.raise());
        links.values().for_each(|port| port.signal.raise());
        self.timer.raise();
    }

    fn wake_session(&self, key: SessionKey) {
        if let Some(live) = self.sessions.borrow().get(&key) {
            live.port.signal.raise();
        }
    }

    fn wake_link(self: &Rc<Self>, key: LinkKey) {
        let known = self.links.borrow().get(&key).map(Rc::clone);
        match known {
            Some(port) => port.signal.raise(),
            None => self.start_link(key),
        }
    }

    /// Starts the task of a link that is new.
    pub(super) fn start_link(self: &Rc<Self>, key: LinkKey) {
        if self.ask(|engine| engine.link_want(key)) == LinkWant::Gone {
            return;
        }
        let port = Rc::new(Port::default());
        self.links.borrow_mut().put(key, Rc::clone(&port));
        let (cell, severed) = (Rc::clone(self), Rc::clone(self));
        let generation = self.generation.get();
        tasks::spawn_local(async move { link::serve(cell, key, port, generation).await }, move || {
            severed.sever_after_panic("link");
        });
    }

    pub(crate) fn forget_link(&self, key: LinkKey, generation: u64) {
        if self.is_current(generation) {
            self.links.borrow_mut().remove(&key);
        }
    }

    /// Starts the task that ticks the engine at its deadlines.
    pub(crate) fn start_timer(self: &Rc<Self>) {
        let severed = Rc::clone(self);
        tasks::spawn_local(Rc::clone(self).keep_time(), move || {
            severed.sever_after_panic("timer");
            severed.start_timer();
        });
    }

    async fn keep_time(self: Rc<Self>) {
        while !(self.retired.get() && self.sessions.borrow().is_empty()) {
            let due = self.ask(Engine::deadline);
            match due {
                None => self.timer.wait().await,
                Some(due) => {
                    let at = self.shared.clock.instant(due);
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep_until(at) => {
                            let now = self.now();
                            self.drive(now, |engine| engine.tick(now));
                        }
                        () = self.timer.wait() => {}
                    }
                }
            }
        }
    }
}

fn engine(key: CellKey, (world, id): (&Arc<World>, ConduitId), shared: &Shared) -> Engine {
    let origin = shared.origin;
    let mut engine = Engine::new(Setup {
        site: Arc::clone(&world.site),
        conduit: id,
        policy: Arc::clone(&Planned::of(world, id).policy),
        epoch: world.epoch,
        metrics: Arc::clone(&world.berth(id).metrics),
        journal: shared.journal.clone(),
        clock: Box::new(move || mono(origin)),
    });
    engine.number_from(key.0);
    engine
}
