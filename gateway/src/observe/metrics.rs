//! Which series are there, and who moves them? Handles are resolved when a conduit is built.

use std::{sync::Arc, time::Duration};

use sluicegate_proto::{
    policy::RuleIx,
    vocab::{Cause, Mode, Reason, VerdictWord},
};

/// Which limit, as `limited_total` counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the key of the same name in language.md section 1; RuleBudget is `max` and `spends`"
)]
pub enum Limit {
    Requests,
    PeerRequests,
    Writes,
    Control,
    Connections,
    Bytes,
    Refusals,
    Targets,
    RuleBudget,
}

/// How `responses_total` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the outcomes of metrics.md")]
pub enum ResponseOutcome {
    Ok,
    Exception,
    Timeout,
    Malformed,
    Unsolicited,
}

/// One conduit's resolved handles.
#[derive(Debug)]
pub struct ConduitMetrics {}

/// A live session in the `sessions` gauge; dropping it takes it out.
#[derive(Debug)]
#[must_use]
pub struct SessionGuard {}

#[expect(missing_docs, reason = "each method moves the series of metrics.md that it is named after")]
impl ConduitMetrics {
    /// Handles in a registry of their own (simulation, tests).
    pub fn detached(conduit: &sluicegate_config::plan::Conduit) -> Arc<Self> {
        let _ = conduit;
        todo!()
    }
    pub fn request(&self, function: u16, verdict: VerdictWord) {
        let _ = (function, verdict);
        todo!()
    }
    pub fn denial(&self, reason: Reason, mode: Mode) {
        let _ = (reason, mode);
        todo!()
    }
    pub fn response(&self, outcome: ResponseOutcome) {
        let _ = outcome;
        todo!()
    }
    pub fn device_exception(&self, code: u8) {
        let _ = code;
        todo!()
    }
    pub fn rule_hit(&self, rule: RuleIx) {
        let _ = rule;
        todo!()
    }
    pub fn bytes_from_peer(&self, n: usize) {
        let _ = n;
        todo!()
    }
    pub fn bytes_to_peer(&self, n: usize) {
        let _ = n;
        todo!()
    }
    pub fn inspected(&self, took: Duration) {
        let _ = took;
        todo!()
    }
    pub fn upstream_took(&self, took: Duration) {
        let _ = took;
        todo!()
    }
    pub fn session_opened(self: &Arc<Self>) -> SessionGuard {
        todo!()
    }
    pub fn session_closed(&self, cause: Cause) {
        let _ = cause;
        todo!()
    }
    pub fn limited(&self, limit: Limit, delayed: bool) {
        let _ = (limit, delayed);
        todo!()
    }
    pub fn upstream_up(&self, up: bool) {
        let _ = up;
        todo!()
    }
    pub fn upstream_connect_failed(&self) {
        todo!()
    }
    /// `last_allowed_timestamp_seconds`.
    pub fn allowed_now(&self) {
        todo!()
    }
}
