//! What passes between the engine and its driver?

use std::sync::Arc;

use sluicegate_config::plan::{ConduitId, Site};
use sluicegate_proto::{policy::PolicySet, time::Mono};

use super::slots::Key;
use crate::observe::{journal::Journal, metrics::ConduitMetrics};

/// What an engine is made with.
pub struct Setup {
    /// The whole site...
    pub site: Arc<Site>,
    /// ...and which conduit of it.
    pub conduit: ConduitId,
    /// The policy in force.
    pub policy: Arc<PolicySet>,
    /// The policy's number.
    pub epoch: u64,
    /// Resolved handles.
    pub metrics: Arc<ConduitMetrics>,
    /// Where audit records go.
    pub journal: Journal,
    /// Read a second time in a wake-up that judged something, for `inspection_duration_seconds`.
    pub clock: Box<dyn Fn() -> Mono>,
}

/// A live session of one conduit: its number in the audit trail, which names it for the whole life of the process, and
/// where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64, pub(super) u32);

/// A device connection of one conduit, live or not: its number, and where it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkKey(pub u64, pub(super) u32);

impl Key for SessionKey {
    fn place(self) -> usize {
        usize::try_from(self.1).unwrap_or(usize::MAX)
    }
}

impl Key for LinkKey {
    fn place(self) -> usize {
        usize::try_from(self.1).unwrap_or(usize::MAX)
    }
}

/// Whom the driver must look after now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// This session has bytes to flush, reads to resume, or an end to carry out.
    Session(SessionKey),
    /// This link is new, wants dialling, has bytes to flush, or must close.
    Link(LinkKey),
    /// The earliest deadline may have moved forward.
    Timer,
}

/// What a link's task must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkWant {
    /// Nothing to send: stay unconnected.
    Rest,
    /// Dial (or go on dialling), then say [`super::Engine::link_up`] or [`super::Engine::link_down`].
    Dial,
    /// Read from and write to the live connection.
    Pump,
    /// Close the connection, then say [`super::Engine::link_down`].
    Close,
    /// The link is gone for good: close and end the task.
    Gone,
}
