//! Which series are there, and who moves them? Handles are resolved when a conduit is built.
//!
//! ```text
//! series     the table of all series
//! families   the registry made from it; every known series exists at 0 from the start
//! here       a conduit's handles: arrays indexed by the enums, no look-up and no allocation per message
//! site       what is not of one conduit
//! ```

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use prometheus::{Histogram, IntCounter, IntGauge};
use sluicegate_proto::{
    policy::RuleIx,
    vocab::{Cause, Class, Mode, Reason, Repair, VerdictWord},
};

use super::{
    families::Families,
    series::{ConduitLabels, OTHER, SiteLabels},
};

sluicegate_proto::words! {
    /// Which limit, as `limited_total` counts it. `rule_budget` is `max` and `spends`; each other is the key of the
    /// same name.
    Limit {
        /// Messages of the whole conduit.
        Requests = "requests",
        /// Messages of one identity.
        PeerRequests = "peer_requests",
        /// Messages that write.
        Writes = "writes",
        /// Messages that control.
        Control = "control",
        /// New connections, before any handshake is paid for.
        Connections = "connections",
        /// Bytes that peers send; too many are read later, never lost.
        Bytes = "bytes",
        /// Refused messages of one identity: past it `on_refusal_flood` says what follows.
        Refusals = "refusals",
        /// Different points that one identity touches: a scan.
        Targets = "targets",
        /// A rule's own `max`, or the budget that it spends.
        RuleBudget = "rule_budget",
    }
}

sluicegate_proto::words! {
    /// What a limit did.
    LimitAction { Delayed = "delayed", Rejected = "rejected" }
}

sluicegate_proto::words! {
    /// How `responses_total` counts.
    ResponseOutcome {
        Ok = "ok", Exception = "exception", Timeout = "timeout", Malformed = "malformed", Unsolicited = "unsolicited",
    }
}

sluicegate_proto::words! {
    /// The exceptions of the Modbus application protocol, section 7, in hex; all else is `other`.
    DeviceException {
        IllegalFunction = "01", IllegalAddress = "02", IllegalValue = "03", DeviceFailure = "04", Acknowledge = "05",
        DeviceBusy = "06", NegativeAcknowledge = "07", MemoryParity = "08", GatewayPath = "0A", GatewayTarget = "0B",
        Other = "other",
    }
}

sluicegate_proto::words! {
    /// Which way bytes went, seen from the gateway.
    Direction { FromPeer = "from_peer", ToPeer = "to_peer" }
}

sluicegate_proto::words! {
    /// Whose session it is: a standing machine's, or one that a grant allows for a time.
    SessionKind { Machine = "machine", Vendor = "vendor" }
}

sluicegate_proto::words! {
    /// How a handshake ended. `refused`: TLS was fine, its owner was not (no identity, no conduit, no room).
    TlsOutcome {
        Ok = "ok", Timeout = "timeout", NoCertificate = "no_certificate", BadCertificate = "bad_certificate",
        Expired = "expired", Revoked = "revoked", CrlStale = "crl_stale", Refused = "refused", Failed = "failed",
    }
}

sluicegate_proto::words! {
    /// The version agreed on.
    TlsVersion { Tls12 = "1.2", Tls13 = "1.3" }
}

/// One conduit's resolved handles.
#[derive(Debug)]
pub struct ConduitMetrics {
    /// (function code, by verdict), sorted; functions are few.
    requests: Vec<(u16, Vec<IntCounter>)>,
    requests_other: Vec<IntCounter>,
    /// By class, then verdict.
    classes: Vec<Vec<IntCounter>>,
    /// By reason, then mode.
    denials: Vec<Vec<IntCounter>>,
    responses: Vec<IntCounter>,
    exceptions: Vec<IntCounter>,
    /// In the plan's order.
    rules: Vec<IntCounter>,
    bytes: Vec<IntCounter>,
    inspection: Histogram,
    upstream: Histogram,
    sessions: Vec<IntGauge>,
    opened: Vec<IntCounter>,
    closed: Vec<IntCounter>,
    /// By limit, then action.
    limited: Vec<Vec<IntCounter>>,
    upstream_up: IntGauge,
    connect_failures: IntCounter,
    repairs: Vec<IntCounter>,
    units_silent: IntGauge,
    last_allowed: IntGauge,
}

/// A live session in the `sessions` gauge; dropping it takes it out.
#[derive(Debug)]
#[must_use]
pub struct SessionGuard {
    gauge: IntGauge,
}

#[expect(missing_docs, reason = "each method moves the series of metrics.md that it is named after")]
impl ConduitMetrics {
    /// Handles in a registry of their own (simulation, tests).
    pub fn detached(conduit: &sluicegate_config::plan::Conduit) -> Arc<Self> {
        let labels = ConduitLabels::of(conduit);
        let site = SiteLabels { conduits: vec![labels.clone()], ..SiteLabels::default() };
        Arc::new(Self::resolve(&Families::new(&site), &labels))
    }

    /// The handles of `conduit` in a registry that was made with it.
    pub(super) fn resolve(families: &Families, conduit: &ConduitLabels) -> Self {
        let name = conduit.name.as_str();
        let protocol = conduit.protocol;
        let counter = |series: &str, labels: &[&str]| families.counter(series, labels);
        let verdicts = |function: &str| {
            let one = |verdict: &VerdictWord| counter("requests_total", &[name, protocol, function, verdict.as_str()]);
            VerdictWord::ALL.iter().map(one).collect::<Vec<_>>()
        };
        for mode in Mode::ALL {
            let gauge = families.gauge("enforcement_mode", &[name, mode.as_str()]);
            gauge.set(i64::from(*mode == conduit.mode));
        }
        let limit = |kind: SessionKind| families.gauge("sessions_limit", &[name, kind.as_str()]);
        // A vendor's session needs a grant: without grants there is room for none.
        limit(SessionKind::Machine).set(i64::from(conduit.max_sessions));
        Self {
            requests: conduit.functions.iter().map(|code| (*code, verdicts(&code.to_string()))).collect(),
            requests_other: verdicts(OTHER),
            classes: each(Class::ALL, |class| {
                each(VerdictWord::ALL, |word| {
                    counter("requests_by_class_total", &[name, class.as_str(), word.as_str()])
                })
            }),
            denials: each(Reason::ALL, |reason| {
                each(Mode::ALL, |mode| counter("denials_total", &[name, reason.as_str(), mode.as_str()]))
            }),
            responses: each(ResponseOutcome::ALL, |outcome| {
                counter("responses_total", &[name, protocol, outcome.as_str()])
            }),
            exceptions: each(DeviceException::ALL, |one| {
                counter("device_exceptions_total", &[name, protocol, one.as_str()])
            }),
            rules: each(&conduit.rules, |rule| counter("rule_hits_total", &[name, rule])),
            bytes: each(Direction::ALL, |way| counter("bytes_total", &[name, way.as_str()])),
            inspection: families.histogram("inspection_duration_seconds", &[name]),
            upstream: families.histogram("upstream_duration_seconds", &[name]),
            sessions: each(SessionKind::ALL, |kind| families.gauge("sessions", &[name, kind.as_str()])),
            opened: each(SessionKind::ALL, |kind| counter("sessions_opened_total", &[name, kind.as_str()])),
            closed: each(Cause::ALL, |cause| counter("sessions_closed_total", &[name, cause.as_str()])),
            limited: each(Limit::ALL, |limit| {
                each(LimitAction::ALL, |action| counter("limited_total", &[name, limit.as_str(), action.as_str()]))
            }),
            upstream_up: families.gauge("upstream_up", &[name]),
            connect_failures: counter("upstream_connect_failures_total", &[name]),
            units_silent: families.gauge("units_silent", &[name]),
            repairs: each(Repair::ALL, |repair| counter("repairs_total", &[name, repair.as_str()])),
            last_allowed: families.gauge("last_allowed_timestamp_seconds", &[name]),
        }
    }

    pub fn request(&self, function: u16, verdict: VerdictWord) {
        let named = self.requests.binary_search_by_key(&function, |(code, _)| *code);
        let row = named.ok().and_then(|at| self.requests.get(at)).map_or(&self.requests_other, |(_, row)| row);
        bump(row, verdict.index(), 1);
    }
    /// `requests_by_class_total`: by the gravest class of the message's deeds, whatever functions the policy names.
    pub fn class(&self, class: Class, verdict: VerdictWord) {
        if let Some(row) = self.classes.get(class.index()) {
            bump(row, verdict.index(), 1);
        }
    }
    pub fn denial(&self, reason: Reason, mode: Mode) {
        if let Some(row) = self.denials.get(reason.index()) {
            bump(row, mode.index(), 1);
        }
    }
    pub fn response(&self, outcome: ResponseOutcome) {
        bump(&self.responses, outcome.index(), 1);
    }
    pub fn device_exception(&self, code: u8) {
        bump(&self.exceptions, DeviceException::of(code).index(), 1);
    }
    pub fn rule_hit(&self, rule: RuleIx) {
        bump(&self.rules, usize::try_from(rule.0).unwrap_or(usize::MAX), 1);
    }
    pub fn bytes_from_peer(&self, n: usize) {
        bump(&self.bytes, Direction::FromPeer.index(), n);
    }
    pub fn bytes_to_peer(&self, n: usize) {
        bump(&self.bytes, Direction::ToPeer.index(), n);
    }
    pub fn inspected(&self, took: Duration) {
        self.inspection.observe(took.as_secs_f64());
    }
    pub fn upstream_took(&self, took: Duration) {
        self.upstream.observe(took.as_secs_f64());
    }
    /// A machine's session; a vendor's comes with grants.
    pub fn session_opened(self: &Arc<Self>) -> SessionGuard {
        let kind = SessionKind::Machine.index();
        bump(&self.opened, kind, 1);
        let gauge = self.sessions.get(kind).expect("one gauge for each kind of session").clone();
        gauge.inc();
        SessionGuard { gauge }
    }
    pub fn session_closed(&self, cause: Cause) {
        bump(&self.closed, cause.index(), 1);
    }
    pub fn limited(&self, limit: Limit, delayed: bool) {
        let action = if delayed { LimitAction::Delayed } else { LimitAction::Rejected };
        if let Some(row) = self.limited.get(limit.index()) {
            bump(row, action.index(), 1);
        }
    }
    pub fn upstream_up(&self, up: bool) {
        self.upstream_up.set(i64::from(up));
    }
    #[cfg(test)]
    pub(crate) fn is_upstream_up(&self) -> bool {
        self.upstream_up.get() == 1
    }
    pub fn upstream_connect_failed(&self) {
        self.connect_failures.inc();
    }
    pub fn units_silent(&self, count: usize) {
        self.units_silent.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    pub fn repaired(&self, repair: Repair) {
        bump(&self.repairs, repair.index(), 1);
    }
    /// `last_allowed_timestamp_seconds`.
    pub fn allowed_now(&self) {
        self.last_allowed.set(unix_seconds(SystemTime::now()));
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl DeviceException {
    /// The exception of a code on the wire.
    pub const fn of(code: u8) -> Self {
        match code {
            1 => Self::IllegalFunction,
            2 => Self::IllegalAddress,
            3 => Self::IllegalValue,
            4 => Self::DeviceFailure,
            5 => Self::Acknowledge,
            6 => Self::DeviceBusy,
            7 => Self::NegativeAcknowledge,
            8 => Self::MemoryParity,
            10 => Self::GatewayPath,
            11 => Self::GatewayTarget,
            _ => Self::Other,
        }
    }
}

/// Whole seconds since 1970; 0 before that.
pub(crate) fn unix_seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn each<'a, T, H>(all: &'a [T], make: impl FnMut(&'a T) -> H) -> Vec<H> {
    all.iter().map(make).collect()
}

fn bump(row: &[IntCounter], at: usize, by: usize) {
    if let Some(counter) = row.get(at) {
        counter.inc_by(u64::try_from(by).unwrap_or(u64::MAX));
    }
}
