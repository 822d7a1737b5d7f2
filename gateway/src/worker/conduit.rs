//! How do the tasks of one conduit share its engine?
//!
//! The conduit's own tasks enter through [`Cell::drive`] (or [`Cell::feed`] and [`Cell::attend`]): borrow, act, give the
//! borrow back, write what must leave, wake whom that does not help. Everybody else enters through [`Cell::tell`], which
//! only wakes: a panic in a write is then one of the conduit it belongs to. Nothing is borrowed across an await, and no
//! task calls another.

use std::{
    cell::{self, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
};

use sluicegate_config::plan::{Conduit, ConduitId, Site};
use sluicegate_proto::{time::Now, vocab::Cause};

use super::{PolicySnapshot, Port, Seed, Shared, Signal, clock::mono};
use crate::{
    engine::{Engine, LinkKey, LinkWant, SessionKey, Setup, Slots, Wake},
    io::Scratch,
    link,
    permit::{Peer, Permit},
    tasks,
};

/// One conduit on its worker.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) site: Arc<Site>,
    pub(crate) id: ConduitId,
    pub(crate) name: Arc<str>,
    pub(crate) shared: Rc<Shared>,
    seed: Seed,
    pub(super) engine: RefCell<Engine>,
    pub(super) sessions: RefCell<Slots<SessionKey, Live>>,
    pub(super) links: RefCell<Slots<LinkKey, Rc<Port>>>,
    /// Counts the engines: a task of an older one ends.
    generation: cell::Cell<u64>,
    epoch: cell::Cell<u64>,
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
    pub(crate) fn new(seed: Seed, policies: &PolicySnapshot, shared: Rc<Shared>) -> Rc<Self> {
        let engine = engine(&seed, policies, shared.origin);
        let name = Arc::from(seed.plan().name.as_str());
        Rc::new(Self {
            site: Arc::clone(&seed.site),
            id: seed.conduit,
            name,
            shared,
            engine: RefCell::new(engine),
            sessions: RefCell::default(),
            links: RefCell::default(),
            generation: cell::Cell::new(0),
            epoch: cell::Cell::new(policies.epoch),
            timer: Signal::default(),
            seed,
        })
    }

    pub(crate) fn plan(&self) -> &Conduit {
        self.seed.plan()
    }

    pub(crate) fn seed(&self) -> &Seed {
        &self.seed
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

    /// Opens a session. The policy is brought up to date first and every later change reaches all open sessions, so
    /// none lives under a policy that was already replaced when it was judged.
    pub(crate) fn open(self: &Rc<Self>, peer: Arc<Peer>, policies: &PolicySnapshot) -> Result<Opened, Cause> {
        self.follow(policies);
        let Some(set) = policies.sets.get(self.id.index()) else { return Err(Cause::InternalError) };
        let permit = Permit::grant(Arc::clone(&peer), set, policies.epoch);
        let now = self.now();
        let key = self.tell(|engine| engine.open(permit, now))?;
        let port = Rc::new(Port::default());
        self.sessions.borrow_mut().put(key, Live { port: Rc::clone(&port), peer });
        Ok(Opened { key, port, generation: self.generation.get() })
    }

    /// The policy now in force.
    pub(crate) fn follow(self: &Rc<Self>, policies: &PolicySnapshot) {
        if self.epoch.get() < policies.epoch
            && let Some(set) = policies.sets.get(self.id.index())
        {
            self.epoch.set(policies.epoch);
            let (set, now) = (Arc::clone(set), self.now());
            self.tell(|engine| engine.set_policy(set, policies.epoch, now));
        }
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
        let policies = Arc::clone(&self.shared.policies.borrow());
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        self.epoch.set(policies.epoch);
        let mut fresh = engine(&self.seed, &policies, self.shared.origin);
        fresh.count_on(&self.engine.borrow());
        let mut old = self.engine.replace(fresh);
        // Its device connections end with the old engine.
        self.seed.metrics.upstream_up(false);
        self.seed.metrics.units_silent(0);
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
        loop {
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

fn engine(seed: &Seed, policies: &PolicySnapshot, origin: std::time::Instant) -> Engine {
    let policy = policies.sets.get(seed.conduit.index()).unwrap_or(&seed.plan().policy);
    Engine::new(Setup {
        site: Arc::clone(&seed.site),
        conduit: seed.conduit,
        policy: Arc::clone(policy),
        epoch: policies.epoch,
        metrics: Arc::clone(&seed.metrics),
        journal: seed.journal.clone(),
        clock: Box::new(move || mono(origin)),
    })
}
