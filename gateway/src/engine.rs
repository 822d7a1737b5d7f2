//! What happens on one conduit, without its sockets?
//!
//! The driver (worker tasks) feeds bytes and time, flushes the outboxes, dials when asked, and wakes the tasks that
//! [`Engine::take_wakes`] names. The simulation drives the same code under a virtual clock.

use std::sync::Arc;

use sluicegate_proto::{
    out::Out,
    policy::PolicySet,
    time::{Mono, Now},
    vocab::Cause,
};

use crate::{
    observe::{
        journal::{Journal, Seq},
        metrics::ConduitMetrics,
    },
    permit::Permit,
};

/// What an engine is made with.
#[derive(Debug)]
pub struct Setup {
    /// The whole site, and which conduit of it.
    pub site: Arc<sluicegate_config::plan::Site>,
    /// The conduit.
    pub conduit: sluicegate_config::plan::ConduitId,
    /// The policy in force, and its number.
    pub policy: Arc<PolicySet>,
    /// The policy's number.
    pub epoch: u64,
    /// Resolved handles.
    pub metrics: Arc<ConduitMetrics>,
    /// Where audit records go.
    pub journal: Journal,
}

/// A live session of one conduit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// A device connection of one conduit, live or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkKey(pub u64);

/// Whom the driver must look after now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// This session has bytes to flush, reads to resume, or an end to carry out.
    Session(SessionKey),
    /// This link is new, wants dialling, has bytes to flush, or must close.
    Link(LinkKey),
    /// The earliest deadline moved forward.
    Timer,
}

/// What a link's task must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkWant {
    /// Nothing to send: stay unconnected.
    Rest,
    /// Dial (or go on dialling).
    Dial,
    /// Read from and write to the live connection.
    Pump,
    /// Close the connection; `Engine::link_down` was already accounted for.
    Close,
    /// The link is gone for good: end the task.
    Gone,
}

/// One conduit.
#[derive(Debug)]
pub struct Engine {}

#[expect(missing_docs, reason = "skeleton")]
impl Engine {
    pub fn new(_setup: Setup) -> Self {
        todo!()
    }
    /// A session for this permit; `session_limit` when there are too many. `shuts` with `session_closed` exactly once.
    pub fn open(&mut self, _permit: Permit, _now: Now) -> Result<SessionKey, Cause> {
        todo!()
    }
    /// Bytes from the peer, decrypted. All of them are taken.
    pub fn peer_bytes(&mut self, _key: SessionKey, _bytes: &[u8], _now: Now) {
        todo!()
    }
    /// The peer sends no more. `truncated`: without close_notify on TLS, or reset.
    pub fn peer_eof(&mut self, _key: SessionKey, _truncated: bool, _now: Now) {
        todo!()
    }
    /// Whether the driver should read from this peer now (back-pressure, delays).
    pub fn wants_peer_bytes(&self, _key: SessionKey) -> bool {
        todo!()
    }
    /// Bytes to flush to the peer; the driver consumes what left.
    pub fn to_peer(&mut self, _key: SessionKey) -> Option<&mut Out> {
        todo!()
    }
    /// Set when the session is over: the driver flushes `to_peer` (bounded by `half_close`), closes, then calls `forget`.
    pub fn ended(&self, _key: SessionKey) -> Option<Cause> {
        todo!()
    }
    pub fn forget(&mut self, _key: SessionKey) {
        todo!()
    }
    /// Ends a session from outside (drain, revocation, faults, I/O error).
    pub fn end(&mut self, _key: SessionKey, _cause: Cause, _now: Now) {
        todo!()
    }
    pub fn sessions(&self) -> Vec<SessionKey> {
        todo!()
    }
    pub fn link_want(&self, _link: LinkKey) -> LinkWant {
        todo!()
    }
    pub fn link_up(&mut self, _link: LinkKey, _now: Now) {
        todo!()
    }
    /// The dial failed or the connection ended; nothing in flight is sent again.
    pub fn link_down(&mut self, _link: LinkKey, _now: Now) {
        todo!()
    }
    pub fn device_bytes(&mut self, _link: LinkKey, _bytes: &[u8], _now: Now) {
        todo!()
    }
    pub fn to_device(&mut self, _link: LinkKey) -> Option<&mut Out> {
        todo!()
    }
    pub fn deadline(&self) -> Option<Mono> {
        todo!()
    }
    pub fn tick(&mut self, _now: Now) {
        todo!()
    }
    pub fn set_policy(&mut self, _policy: Arc<PolicySet>, _epoch: u64, _now: Now) {
        todo!()
    }
    /// Records up to here are on disk (`durable = "writes"`).
    pub fn durable(&mut self, _seq: Seq, _now: Now) {
        todo!()
    }
    /// Stop taking messages; sessions end with `drain` once nothing is pending.
    pub fn drain(&mut self, _now: Now) {
        todo!()
    }
    pub fn take_wakes(&mut self) -> Vec<Wake> {
        todo!()
    }
    pub fn check_invariants(&self) {
        todo!()
    }
}
