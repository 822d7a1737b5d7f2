//! Which series does the metrics endpoint have, and how many are there?
//!
//! One table is the truth: the registry, the count that `check` prints, and the reference are made from it.
//!
//! ```text
//! SERIES       name, kind, labels
//! Dimension    a label and its closed set of values: from the configuration or an enum, never from the wire
//! SiteLabels   the values that the configuration brings
//! count        how many lines a scrape has
//! ```

use std::collections::BTreeSet;

use sluicegate_config::plan::{Conduit, Site};
use sluicegate_proto::vocab::{Cause, Class, Mode, Reason, Repair, VerdictWord};

use super::metrics::{
    DeviceException, Direction, Limit, LimitAction, ResponseOutcome, SessionKind, TlsOutcome, TlsVersion,
};

/// The prefix of every name.
pub const PREFIX: &str = "sluicegate_";

/// The label value of a function that the policy does not name.
pub const OTHER: &str = "other";

/// What a series is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Upper bounds of its buckets, in seconds.
    Histogram(&'static [f64]),
}

/// A label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the label of the same name in `Dimension::label`")]
pub enum Dimension {
    Conduit,
    Protocol,
    Function,
    Class,
    Verdict,
    Reason,
    Mode,
    Outcome,
    Exception,
    Rule,
    Direction,
    Kind,
    Cause,
    Limit,
    /// How a message was repaired.
    Repair,
    Action,
    Listener,
    TlsOutcome,
    TlsVersion,
    Certificate,
    Authority,
    Sink,
    ReloadOutcome,
    Level,
    Hash,
    Schema,
    Version,
    Revision,
    TlsProvider,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Series {
    /// Its name without [`PREFIX`].
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, in order. [`Dimension::Conduit`] comes first where it is there.
    pub labels: &'static [Dimension],
    /// One line for people.
    pub help: &'static str,
}

/// The labels of one conduit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConduitLabels {
    /// Its name.
    pub name: String,
    /// Its protocol.
    pub protocol: &'static str,
    /// The function codes that the policy names, sorted.
    pub functions: Vec<u16>,
    /// The ids of the rules in the plan's order; a doubled rule has one series.
    pub rules: Vec<String>,
    /// Its mode.
    pub mode: Mode,
    /// Sessions at once.
    pub max_sessions: u32,
}

/// The labels of the site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteLabels {
    /// The conduits.
    pub conduits: Vec<ConduitLabels>,
    /// The listeners' names.
    pub listeners: Vec<String>,
    /// The certificates' names.
    pub certificates: Vec<String>,
    /// The authorities that have a CRL.
    pub authorities: Vec<String>,
    /// The configuration's hash.
    pub hash: String,
}

/// 5 us .. 50 ms: the time that the gateway adds.
const INSPECTION: &[f64] = &[5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2];
/// 1 ms .. 2.5 s: the device's turnaround.
const TURNAROUND: &[f64] = &[1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5];

use Dimension as D;
use Kind::{Counter, Gauge, Histogram};

macro_rules! table {
    ($($name:ident $kind:expr, [$($label:ident),*], $help:literal;)+) => {
        &[$(Series { name: stringify!($name), kind: $kind, labels: &[$(D::$label),*], help: $help }),+]
    };
}

/// Every series.
pub const SERIES: &[Series] = table! {
    requests_total Counter, [Conduit, Protocol, Function, Verdict], "Messages judged, by function and verdict.";
    requests_by_class_total Counter, [Conduit, Class, Verdict], "Messages judged, by the gravest class of their deeds.";
    denials_total Counter, [Conduit, Reason, Mode], "Messages refused, or that would have been, by reason.";
    responses_total Counter, [Conduit, Protocol, Outcome], "What became of the requests sent to the device.";
    device_exceptions_total Counter, [Conduit, Protocol, Exception], "Exceptions that the device sent itself.";
    rule_hits_total Counter, [Conduit, Rule], "Messages that a rule allowed or refused.";
    bytes_total Counter, [Conduit, Direction], "Bytes taken from and sent to peers, without TLS.";
    inspection_duration_seconds Histogram(INSPECTION), [Conduit], "The time that the gateway adds to a message.";
    upstream_duration_seconds Histogram(TURNAROUND), [Conduit], "The device's turnaround.";
    sessions Gauge, [Conduit, Kind], "Live sessions.";
    sessions_limit Gauge, [Conduit, Kind], "Sessions that may be live at once.";
    sessions_opened_total Counter, [Conduit, Kind], "Sessions opened.";
    sessions_closed_total Counter, [Conduit, Cause], "Sessions ended, by cause.";
    limited_total Counter, [Conduit, Limit, Action], "Messages and peers that met a limit.";
    upstream_up Gauge, [Conduit], "1 while the device can be reached, as far as was last tried; 0 before the first try.";
    upstream_connect_failures_total Counter, [Conduit], "Failed attempts to reach the device, and connections that ended without one answer.";
    units_silent Gauge, [Conduit], "Units that have not answered three times in a row: answered for at once, and probed.";
    kill_switch_engaged Gauge, [Conduit], "1 while the kill switch holds the conduit.";
    repairs_total Counter, [Conduit, Repair], "Messages that were brought to their canonical form, by what was wrong.";
    last_allowed_timestamp_seconds Gauge, [Conduit], "When a message last left for the device; 0 before the first.";
    enforcement_mode Gauge, [Conduit, Mode], "1 for the mode in force.";
    tls_handshakes_total Counter, [Listener, TlsOutcome], "TLS handshakes, by outcome.";
    tls_negotiated_total Counter, [Listener, TlsVersion], "TLS versions agreed on.";
    certificate_not_after_timestamp_seconds Gauge, [Certificate], "When a certificate of ours ends.";
    crl_next_update_timestamp_seconds Gauge, [Authority], "When an authority's revocation list goes stale.";
    audit_records_total Counter, [], "Audit records that are safely on disk.";
    audit_last_checkpoint_timestamp_seconds Gauge, [], "When the audit trail was last signed as it stands.";
    audit_free_bytes Gauge, [], "Bytes of records that still fit before `audit_full`.";
    audit_sink_failures_total Counter, [Sink], "Failed attempts to write audit records.";
    audit_sink_backlog_records Gauge, [Sink], "Audit records that wait to be written.";
    audit_dropped_total Counter, [Sink], "Audit records that are lost.";
    config_last_reload_successful Gauge, [], "1 when the last reload came into force.";
    config_last_reload_success_timestamp_seconds Gauge, [], "When the configuration in force was loaded.";
    config_matches_disk Gauge, [], "1 while the files are those that were loaded.";
    config_reloads_total Counter, [ReloadOutcome], "Reloads, by outcome.";
    config_info Gauge, [Hash, Schema], "The configuration in force.";
    build_info Gauge, [Version, Revision, TlsProvider], "The program.";
    clock_synchronized Gauge, [], "1 while the clock is not before what the gateway knows to be past.";
    log_messages_total Counter, [Level], "Log messages, by level.";
    task_panics_total Counter, [], "Panics caught. Each one is a bug of ours.";
};

/// How many lines a scrape of this site has: what `metrics.max_series` bounds.
pub fn count(site: &SiteLabels) -> usize {
    let samples = |series: &Series| match series.kind {
        Counter | Gauge => 1,
        // A bucket each, the one for all, the sum and the count.
        Histogram(buckets) => buckets.len().saturating_add(3),
    };
    let times = |labels: &[Dimension], conduit: Option<&ConduitLabels>| {
        labels.iter().map(|one| one.values(site, conduit).len()).fold(1, usize::saturating_mul)
    };
    let lines = |series: &Series| match series.labels.split_first() {
        Some((D::Conduit, rest)) => site.conduits.iter().map(|one| times(rest, Some(one))).sum(),
        _ => times(series.labels, None),
    };
    SERIES.iter().map(|series| samples(series).saturating_mul(lines(series))).sum()
}

impl Dimension {
    /// The label's name.
    pub const fn label(self) -> &'static str {
        match self {
            D::Conduit => "conduit",
            D::Protocol => "protocol",
            D::Function => "function",
            D::Class => "class",
            D::Verdict => "verdict",
            D::Reason => "reason",
            D::Mode => "mode",
            D::Outcome | D::TlsOutcome | D::ReloadOutcome => "outcome",
            D::Exception => "exception",
            D::Rule => "rule",
            D::Direction => "direction",
            D::Kind => "kind",
            D::Cause => "cause",
            D::Limit => "limit",
            D::Repair => "kind",
            D::Action => "action",
            D::Listener => "listener",
            D::TlsVersion | D::Version => "version",
            D::Certificate => "certificate",
            D::Authority => "authority",
            D::Sink => "sink",
            D::Level => "level",
            D::Hash => "hash",
            D::Schema => "schema",
            D::Revision => "revision",
            D::TlsProvider => "tls_provider",
        }
    }

    /// Every value that it can have. `conduit` is the one whose series is asked for, where it has one.
    pub fn values(self, site: &SiteLabels, conduit: Option<&ConduitLabels>) -> Vec<String> {
        let words = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        match self {
            D::Conduit => conduit.map(|one| one.name.clone()).into_iter().collect(),
            D::Protocol => conduit.map(|one| one.protocol.to_owned()).into_iter().collect(),
            D::Function => conduit.map(ConduitLabels::function_words).unwrap_or_default(),
            D::Rule => conduit.map(ConduitLabels::rule_words).unwrap_or_default(),
            D::Class => texts(Class::ALL),
            D::Verdict => texts(VerdictWord::ALL),
            D::Reason => texts(Reason::ALL),
            D::Mode => texts(Mode::ALL),
            D::Outcome => texts(ResponseOutcome::ALL),
            D::Exception => texts(DeviceException::ALL),
            D::Direction => texts(Direction::ALL),
            D::Kind => texts(SessionKind::ALL),
            D::Cause => texts(Cause::ALL),
            D::Limit => texts(Limit::ALL),
            D::Repair => texts(Repair::ALL),
            D::Action => texts(LimitAction::ALL),
            D::TlsOutcome => texts(TlsOutcome::ALL),
            D::TlsVersion => texts(TlsVersion::ALL),
            D::Listener => site.listeners.clone(),
            D::Certificate => site.certificates.clone(),
            D::Authority => site.authorities.clone(),
            D::Sink => words(&[JOURNAL]),
            D::ReloadOutcome => words(&["success", "failure"]),
            D::Level => words(LEVELS),
            D::Hash => vec![site.hash.clone()],
            D::Schema => words(&["1"]),
            D::Version => words(&[env!("CARGO_PKG_VERSION")]),
            D::Revision => words(&[revision()]),
            D::TlsProvider => words(&["aws-lc-rs"]),
        }
    }
}

impl ConduitLabels {
    /// The labels of a planned conduit.
    pub fn of(conduit: &Conduit) -> Self {
        Self {
            name: conduit.name.clone(),
            protocol: conduit.protocol.as_str(),
            functions: sluicegate_config::functions(&conduit.plan).into_iter().collect(),
            rules: conduit.plan.rules.iter().map(|rule| rule.id.clone()).collect(),
            mode: conduit.mode,
            max_sessions: conduit.max_sessions,
        }
    }

    fn function_words(&self) -> Vec<String> {
        self.functions.iter().map(u16::to_string).chain([OTHER.to_owned()]).collect()
    }

    fn rule_words(&self) -> Vec<String> {
        self.rules.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }
}

impl SiteLabels {
    /// The labels of a planned site.
    pub fn of(site: &Site) -> Self {
        Self {
            conduits: site.conduits.iter().map(ConduitLabels::of).collect(),
            listeners: site.listeners.iter().map(|one| one.name.clone()).collect(),
            certificates: site.certificates.iter().map(|one| one.name.clone()).collect(),
            authorities: site.authorities.iter().filter(|one| one.crl.is_some()).map(|one| one.name.clone()).collect(),
            hash: site.hash.clone(),
        }
    }
}

/// The `sink` of the audit files themselves.
pub(super) const JOURNAL: &str = "journal";

/// The levels of a log message, the gravest first.
pub(super) const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// The source revision that the build was told; `unknown` otherwise.
fn revision() -> &'static str {
    option_env!("SLUICEGATE_REVISION").unwrap_or("unknown")
}

fn texts<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(T::to_string).collect()
}
