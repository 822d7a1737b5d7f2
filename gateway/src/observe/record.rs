//! What stands in one audit record?

use std::sync::Arc;

use sluicegate_proto::{
    policy::{PolicySet, RuleIx},
    protocol::Stored,
    vocab::{Cause, Reason},
};

use crate::permit::Peer;

sluicegate_proto::words! {
    /// What a record tells.
    Event {
        /// The process serves.
        Started = "started",
        /// The process ends in good order.
        Stopped = "stopped",
        /// A policy came into force: by a start, a reload, a rollback; the note says which, and who ordered it.
        PolicyLoaded = "policy_loaded",
        /// A policy that was to come into force did not. Nothing has changed.
        PolicyRefused = "policy_refused",
        /// A policy that was on trial stays.
        PolicyConfirmed = "policy_confirmed",
        /// Somebody who may not gave a local command.
        CommandRefused = "command_refused",
        SessionOpened = "session_opened",
        SessionClosed = "session_closed",
        /// A peer was turned away before it had a session.
        SessionRefused = "session_refused",
        HandshakeFailed = "handshake_failed",
        /// A message was refused.
        Denied = "denied",
        /// Monitor mode would have refused it.
        WouldDeny = "would_deny",
        /// A write (or control, program) left for the device.
        Allowed = "allowed",
        /// The gateway read the device for `step` or `when`.
        OwnRead = "own_read",
        /// Something an operator must see: a fault began or ended, a limit was passed, a bad role extension.
        Alarm = "alarm",
        /// The last process ended amid a write: the torn end of the audit file was cut off, and stands in this record.
        LogRecovered = "log_recovered",
        /// The audit file that was found does not verify. It was left as it is.
        LogDamaged = "log_damaged",
        /// Records that could not be taken; the note says how many.
        RecordsLost = "records_lost",
    }
}

/// A rule of a policy: named when the record is formatted, not on the data worker.
#[derive(Clone, Debug)]
pub struct RuleOf {
    /// The rules.
    pub policy: Arc<PolicySet>,
    /// Which of them.
    pub index: RuleIx,
}

impl RuleOf {
    /// The rule's id and its `file:line`.
    pub fn names(&self) -> Option<(&str, &str)> {
        let rule = self.policy.rules().get(usize::try_from(self.index.0).ok()?)?;
        Some((&rule.id, &rule.place))
    }
}

/// One record before it is formatted. The journal's thread decodes `message` into sentences and hashes `frame`.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it tells.
    pub event: Event,
    /// The conduit's name.
    pub conduit: Option<Arc<str>>,
    /// The session's number, unique within the process's life.
    pub session: Option<u64>,
    /// Who.
    pub peer: Option<Arc<Peer>>,
    /// Why refused.
    pub reason: Option<Reason>,
    /// Why ended.
    pub cause: Option<Cause>,
    /// The rule that allowed it, that forbids it, or that came nearest.
    pub rule: Option<RuleOf>,
    /// The message, where it was whole.
    pub message: Option<Stored>,
    /// The bytes as they came (bounded by the protocol's largest frame); hashed, not kept.
    pub frame: Option<Box<[u8]>>,
    /// One line for people, where nothing above says it.
    pub note: Option<String>,
}

impl Record {
    /// A record of `event` with nothing else in it.
    pub const fn new(event: Event) -> Self {
        Self {
            event,
            conduit: None,
            session: None,
            peer: None,
            reason: None,
            cause: None,
            rule: None,
            message: None,
            frame: None,
            note: None,
        }
    }
}
