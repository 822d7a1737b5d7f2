//! What happens on one conduit, without its sockets?
//!
//! The driver (worker tasks) feeds bytes and time, flushes the outboxes, dials when asked, and wakes the tasks that
//! [`Engine::take_wakes`] names. The simulation drives the same code under a virtual clock.
//!
//! ```text
//! peer_bytes -> intake: whole message -> judge -> limits, rule budget, journal slot -> session's queue
//! dispatch (device's turn): judged again -> [read first] -> [record on disk] -> DeviceHalf.submit -> to_device
//! device_bytes -> answer: Told -> held values -> PeerHalf.deliver -> to_peer
//! tick -> delays, queue and request timeouts, idle ends
//! ```
//! One conduit lives on one worker: everything here is plain `&mut`.

use std::sync::Arc;

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    out::Out,
    policy::PolicySet,
    time::{Mono, Now},
    vocab::{Cause, Reason},
};

use crate::{observe::journal::Seq, permit::Permit};

mod advance;
mod answer;
mod bucket;
mod core;
mod dispatch;
mod follow;
mod intake;
mod kind;
mod limits;
mod link;
mod locks;
mod pace;
mod report;
mod room;
mod seam;
mod session;
mod silent;
mod slots;
mod tie;
mod timers;
mod trail;
mod waiting;
mod written;

use self::{
    core::Core,
    link::{Link, State},
    session::Session,
    slots::Keys,
    timers::Who,
};
pub use self::{
    follow::{Estate, Next, outgrown},
    limits::{Limits, Toll},
    seam::{LinkKey, LinkWant, SessionKey, Setup, Wake},
};
pub(crate) use self::{
    kind::Kind,
    locks::written_by,
    session::{LONGEST_DELAY, peer_options},
    slots::Slots,
};

/// One conduit.
pub struct Engine {
    core: Core,
    links: Slots<LinkKey, Link>,
    link_keys: Keys,
    session_keys: Keys,
    judged: u32,
    clock: Box<dyn Fn() -> Mono>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("conduit", &self.core.conduit().name)
            .field("sessions", &self.core.sessions.len())
            .field("links", &self.links.len())
            .finish()
    }
}

impl Engine {
    /// An engine with full buckets, nothing known of the device, and (for a shared upstream) its links at rest.
    pub fn new(setup: Setup) -> Self {
        let clock = setup.clock;
        let mut engine = Self {
            core: Core::new(
                core::Place { site: setup.site, conduit: setup.conduit },
                (setup.policy, setup.epoch),
                setup.metrics,
                setup.journal,
            ),
            links: Slots::default(),
            link_keys: Keys::default(),
            session_keys: Keys::default(),
            judged: 0,
            clock,
        };
        if engine.conduit().shared {
            for _ in 0..engine.conduit().upstream_connections.max(1) {
                engine.add_link();
            }
        }
        engine
    }

    /// Goes on numbering sessions where an engine that was given up stopped: a number names one session for the
    /// process's whole life. A conduit that was stopping goes on stopping.
    pub fn count_on(&mut self, given_up: &Self) {
        self.session_keys.next = given_up.session_keys.next;
        self.core.draining = given_up.core.draining;
    }

    /// The conduit that this engine serves.
    pub fn conduit(&self) -> &Conduit {
        self.core.conduit()
    }

    /// A session for this permit.
    ///
    /// # Errors
    /// `session_limit` when there are too many, `drain` while the conduit is stopping.
    pub fn open(&mut self, permit: Permit, now: Now) -> Result<SessionKey, Cause> {
        if self.core.draining {
            return Err(Cause::Drain);
        }
        let live = self.core.sessions.values().filter(|one| one.ended.is_none()).count();
        let most = usize::try_from(self.conduit().max_sessions).unwrap_or(usize::MAX);
        // An ended session holds its buffers until its peer has taken the last answer, which a hostile one never does.
        let full = self.core.sessions.len() >= most.saturating_mul(2);
        if full || (live >= most && !self.core.make_room(permit.peer().identity, now)) {
            self.core.trail_refused_session(&permit, Cause::SessionLimit, Reason::SessionLimit);
            return Err(Cause::SessionLimit);
        }
        let link = self.link_for_new_session();
        let (number, place) = self.session_keys.take();
        let key = SessionKey((u64::from(self.core.number) << 32) | number, place);
        let mut permit = permit;
        if permit.epoch() != self.core.epoch {
            permit.follow(&self.core.policy, self.core.epoch);
        }
        let session = Session::new(&self.core, permit, link, now.mono);
        self.core.sessions.put(key, session);
        if let Some(link) = self.links.get_mut(&link).filter(|_| self.core.bound) {
            (link.owner, link.state) = (Some(key), State::Dialling);
        }
        self.core.trail_opened(key);
        self.core.arm(key);
        Ok(key)
    }

    /// Bytes from the peer, decrypted. All of them are taken; what cannot be read yet is kept, and
    /// [`Self::wants_peer_bytes`] then says no.
    pub fn peer_bytes(&mut self, key: SessionKey, bytes: &[u8], now: Now) {
        self.at(now);
        self.core.metrics.bytes_from_peer(bytes.len());
        self.judged += intake::bytes(&mut self.core, key, bytes, now);
        self.advance(now);
        self.observe_inspection(now);
    }

    /// The peer sends no more. `truncated`: without close_notify on TLS, or reset.
    pub fn peer_eof(&mut self, key: SessionKey, truncated: bool, now: Now) {
        self.at(now);
        intake::eof(&mut self.core, key, truncated, now);
        self.advance(now);
    }

    /// Whether the driver should read from this peer now.
    pub fn wants_peer_bytes(&self, key: SessionKey) -> bool {
        !self.core.draining && self.core.sessions.get(&key).is_some_and(Session::wants_bytes)
    }

    /// Bytes to flush to the peer; the driver consumes what left, then calls [`Self::peer_flushed`].
    pub fn to_peer(&mut self, key: SessionKey) -> Option<&mut Out> {
        self.core.sessions.get_mut(&key).map(|session| &mut session.out)
    }

    /// `n` bytes left for the peer: reading may go on.
    pub fn peer_flushed(&mut self, key: SessionKey, n: usize, now: Now) {
        self.at(now);
        self.core.metrics.bytes_to_peer(n);
        self.core.relieved.push(key);
        self.advance(now);
    }

    /// Set when the session is over: the driver flushes `to_peer` within the half-close deadline, closes, then calls
    /// [`Self::forget`].
    pub fn ended(&self, key: SessionKey) -> Option<Cause> {
        self.core.sessions.get(&key).and_then(|session| session.ended)
    }

    /// The driver is done with an ended session.
    pub fn forget(&mut self, key: SessionKey) {
        let now = self.core.now;
        let Some(session) = self.core.sessions.remove(&key) else { return };
        self.session_keys.give_back(key.1);
        self.core.timers.forget(Who::Session(key), session.armed);
        if !self.conduit().shared
            && let Some(link) = self.links.get_mut(&session.link).filter(|link| link.state != State::Retired)
        {
            if !answer::retire(&mut self.core, link, now) {
                self.remove_link(session.link);
            }
            self.core.wake(Wake::Link(session.link));
            self.advance(now);
        }
    }

    /// Ends a session from outside (drain, revocation, faults, I/O error). What is queued is not sent; what is in flight
    /// is answered to nobody.
    pub fn end(&mut self, key: SessionKey, cause: Cause, now: Now) {
        self.at(now);
        self.core.end(key, cause, now);
        self.advance(now);
    }

    /// The sessions that were not forgotten yet.
    pub fn sessions(&self) -> Vec<SessionKey> {
        self.core.sessions.keys().collect()
    }

    /// Who holds a session, for the line that names who holds up a stop.
    pub fn peer_of(&self, key: SessionKey) -> Option<&Arc<crate::permit::Peer>> {
        self.core.sessions.get(&key).map(|session| session.permit.peer())
    }

    /// The links, live or not.
    pub fn links(&self) -> Vec<LinkKey> {
        self.links.keys().collect()
    }

    /// What the task of this link must do now.
    pub fn link_want(&self, link: LinkKey) -> LinkWant {
        self.links.get(&link).map_or(LinkWant::Gone, Link::want)
    }

    /// The device connection stands.
    pub fn link_up(&mut self, link: LinkKey, now: Now) {
        self.at(now);
        if let Some(one) = self.links.get_mut(&link) {
            one.up(&self.core, now);
            self.core.metrics.upstream_up(true);
        }
        self.core.ready.insert(link);
        self.advance(now);
    }

    /// The dial failed, or the connection ended or was closed as asked. Nothing in flight is sent again.
    pub fn link_down(&mut self, link: LinkKey, now: Now) {
        self.at(now);
        if let Some(one) = self.links.get_mut(&link) {
            let unreachable = matches!(one.state, State::Up | State::Dialling);
            answer::down(&mut self.core, one, link, now);
            if unreachable {
                self.core.metrics.upstream_up(self.links.values().any(|one| one.state == State::Up));
            }
        }
        self.advance(now);
        if self.links.get(&link).is_some_and(|one| one.want() == LinkWant::Gone) {
            self.remove_link(link);
        }
    }

    /// Whether the driver should read from this device now: what it says must find room with its peer.
    pub fn wants_device_bytes(&self, link: LinkKey) -> bool {
        let owner = self.links.get(&link).and_then(|one| one.owner);
        owner.is_none_or(|key| self.core.sessions.get(&key).is_none_or(Session::takes_reports))
    }

    /// Bytes from the device. All of them are taken.
    pub fn device_bytes(&mut self, link: LinkKey, bytes: &[u8], now: Now) {
        self.at(now);
        if let Some(one) = self.links.get_mut(&link) {
            answer::bytes(&mut self.core, one, link, bytes, now);
        }
        self.advance(now);
        self.observe_inspection(now);
    }

    /// Bytes to flush to the device.
    pub fn to_device(&mut self, link: LinkKey) -> Option<&mut Out> {
        self.links.get_mut(&link).map(|one| &mut one.out)
    }

    /// `n` bytes left for the device: the next message may go.
    pub fn device_flushed(&mut self, link: LinkKey, n: usize, now: Now) {
        if n > 0 {
            self.at(now);
            self.core.ready.insert(link);
            self.advance(now);
        }
    }

    /// A new policy is in force: every later verdict is by it, queued messages included.
    pub fn set_policy(&mut self, policy: Arc<PolicySet>, epoch: u64, now: Now) {
        self.at(now);
        self.core.set_policy(policy, epoch, now);
        self.advance_all(now);
    }

    /// Records up to `seq` are on disk (`durable = "writes"`).
    pub fn durable(&mut self, seq: Seq, now: Now) {
        if seq > self.core.durable {
            self.at(now);
            self.core.durable = seq;
            self.advance_all(now);
        }
    }

    /// Stop taking messages; sessions end with `drain` once nothing of theirs is pending.
    pub fn drain(&mut self, now: Now) {
        self.at(now);
        self.core.draining = true;
        dispatch::tick_sessions(&mut self.core, now);
        self.advance_all(now);
    }

    /// Whom to wake, each once: first the devices, whom somebody waits for.
    pub fn next_wake(&mut self) -> Option<Wake> {
        let wakes = &mut self.core.wakes;
        let next = wakes.links.pop().map(Wake::Link).or_else(|| wakes.sessions.pop().map(Wake::Session));
        next.or_else(|| std::mem::take(&mut wakes.timer).then_some(Wake::Timer))
    }

    /// All of them.
    pub fn take_wakes(&mut self) -> Vec<Wake> {
        std::iter::from_fn(|| self.next_wake()).collect()
    }

    /// Panics where an invariant does not hold (tests and simulation).
    pub fn check_invariants(&self) {
        self.core.check_invariants();
        for link in self.links.values() {
            link.check_invariants();
        }
    }

    fn add_link(&mut self) -> LinkKey {
        let (number, place) = self.link_keys.take();
        let key = LinkKey(number, place);
        self.links.put(key, Link::new(&self.core));
        self.core.wake(Wake::Link(key));
        key
    }

    fn remove_link(&mut self, key: LinkKey) {
        if let Some(link) = self.links.remove(&key) {
            self.link_keys.give_back(key.1);
            self.core.timers.forget(Who::Link(key), link.armed);
        }
    }

    /// The shared link with the fewest sessions, or one of its own.
    fn link_for_new_session(&mut self) -> LinkKey {
        if !self.conduit().shared {
            return self.add_link();
        }
        let load = |key: LinkKey| self.core.sessions.values().filter(|one| one.link == key).count();
        let fewest = self.links.keys().min_by_key(|key| load(*key));
        fewest.unwrap_or_else(|| self.add_link())
    }

    /// The time of this wake-up.
    fn at(&mut self, now: Now) {
        self.core.now = now;
        self.core.limits.set_time(now.mono);
    }
}

#[cfg(test)]
mod tests;
