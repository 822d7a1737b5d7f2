//! Who moves the series that belong to no conduit?

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::SystemTime,
};

use prometheus::{IntCounter, IntGauge};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::{
    families::Families,
    metrics::{ConduitMetrics, TlsOutcome, TlsVersion, unix_seconds},
    series::{self, ConduitLabels, JOURNAL, LEVELS, SiteLabels},
};

/// Every series of one process.
#[derive(Debug)]
pub struct SiteMetrics {
    families: Families,
    /// What the configuration in force brings.
    named: RwLock<Named>,
    audit: AuditMetrics,
    levels: Vec<IntCounter>,
    panics: IntCounter,
}

#[derive(Debug)]
struct Named {
    labels: SiteLabels,
    conduits: BTreeMap<String, Arc<ConduitMetrics>>,
    listeners: BTreeMap<String, ListenerMetrics>,
}

/// One listener's resolved handles.
#[derive(Clone, Debug)]
pub struct ListenerMetrics {
    handshakes: Vec<IntCounter>,
    versions: Vec<IntCounter>,
}

/// What the journal moves.
#[derive(Clone, Debug)]
pub struct AuditMetrics {
    pub(super) records: IntCounter,
    pub(super) checkpoint: IntGauge,
    pub(super) free: IntGauge,
    pub(super) failures: IntCounter,
    pub(super) backlog: IntGauge,
    pub(super) dropped: IntCounter,
}

/// A layer for `tracing` that counts messages by level.
#[derive(Clone, Debug)]
pub struct LogCounter {
    levels: Vec<IntCounter>,
}

impl SiteMetrics {
    /// The series of a site, all at 0. `config_loaded` says when it is in force.
    pub fn new(site: &sluicegate_config::plan::Site) -> Arc<Self> {
        Self::with_labels(SiteLabels::of(site))
    }

    /// The same from labels alone.
    pub fn with_labels(labels: SiteLabels) -> Arc<Self> {
        let families = Families::new(&labels);
        for name in ["build_info", "config_info"] {
            families.only(name, &labels).set(1);
        }
        Arc::new(Self {
            audit: AuditMetrics::resolve(&families),
            levels: LEVELS.iter().map(|level| families.counter("log_messages_total", &[level])).collect(),
            panics: families.counter("task_panics_total", &[]),
            named: RwLock::new(Named::resolve(&families, labels)),
            families,
        })
    }

    /// Another configuration is in force: its series are there from now on, those that it has not are gone, and those of
    /// both go on.
    pub fn follow(&self, site: &sluicegate_config::plan::Site) {
        let labels = SiteLabels::of(site);
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        self.families.follow(&named.labels, &labels);
        *named = Named::resolve(&self.families, labels);
    }

    fn named(&self) -> RwLockReadGuard<'_, Named> {
        // It is replaced whole, so a panic elsewhere does not spoil it.
        self.named.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A conduit's handles.
    pub fn conduit(&self, name: &str) -> Option<Arc<ConduitMetrics>> {
        self.named().conduits.get(name).cloned()
    }

    /// A listener's handles.
    pub fn listener(&self, name: &str) -> Option<ListenerMetrics> {
        self.named().listeners.get(name).cloned()
    }

    /// The journal's handles.
    pub fn audit(&self) -> AuditMetrics {
        self.audit.clone()
    }

    /// The layer that counts log messages.
    pub fn log_counter(&self) -> LogCounter {
        LogCounter { levels: self.levels.clone() }
    }

    /// When a certificate of ours ends, in seconds since 1970.
    pub fn certificate_ends(&self, certificate: &str, not_after: i64) {
        if self.named().labels.certificates.iter().any(|one| one == certificate) {
            self.families.gauge("certificate_not_after_timestamp_seconds", &[certificate]).set(not_after);
        }
    }

    /// When an authority's revocation list goes stale, in seconds since 1970.
    pub fn crl_ends(&self, authority: &str, next_update: i64) {
        if self.named().labels.authorities.iter().any(|one| one == authority) {
            self.families.gauge("crl_next_update_timestamp_seconds", &[authority]).set(next_update);
        }
    }

    /// The configuration of this hash is in force, now.
    pub fn config_loaded(&self, hash: &str) {
        self.families.forget("config_info");
        self.families.gauge("config_info", &[hash, "1"]).set(1);
        let now = unix_seconds(SystemTime::now());
        self.families.gauge("config_last_reload_successful", &[]).set(1);
        self.families.gauge("config_last_reload_success_timestamp_seconds", &[]).set(now);
    }

    /// A reload came to this end. The first load is none.
    pub fn config_reloaded(&self, success: bool) {
        let outcome = if success { "success" } else { "failure" };
        self.families.counter("config_reloads_total", &[outcome]).inc();
        self.families.gauge("config_last_reload_successful", &[]).set(i64::from(success));
    }

    /// Whether the files are still those that were loaded.
    pub fn config_matches_disk(&self, same: bool) {
        self.families.gauge("config_matches_disk", &[]).set(i64::from(same));
    }

    /// Whether the clock is known to be right.
    pub fn clock_synchronized(&self, synchronized: bool) {
        self.families.gauge("clock_synchronized", &[]).set(i64::from(synchronized));
    }

    /// A panic was caught.
    pub fn task_panicked(&self) {
        self.panics.inc();
    }

    /// The scrape, in the text format of [`super::families::TEXT_FORMAT`].
    pub fn text(&self) -> String {
        self.families.text()
    }

    /// How many lines [`Self::text`] has besides comments.
    pub fn series_count(&self) -> usize {
        series::count(&self.named().labels)
    }
}

impl Named {
    fn resolve(families: &Families, labels: SiteLabels) -> Self {
        let conduit = |one: &ConduitLabels| (one.name.clone(), Arc::new(ConduitMetrics::resolve(families, one)));
        let listener = |name: &String| (name.clone(), ListenerMetrics::resolve(families, name));
        Self {
            conduits: labels.conduits.iter().map(conduit).collect(),
            listeners: labels.listeners.iter().map(listener).collect(),
            labels,
        }
    }
}

impl ListenerMetrics {
    fn resolve(families: &Families, name: &str) -> Self {
        let handshake = |one: &TlsOutcome| families.counter("tls_handshakes_total", &[name, one.as_str()]);
        let version = |one: &TlsVersion| families.counter("tls_negotiated_total", &[name, one.as_str()]);
        Self {
            handshakes: TlsOutcome::ALL.iter().map(handshake).collect(),
            versions: TlsVersion::ALL.iter().map(version).collect(),
        }
    }

    /// A handshake ended like this.
    pub fn handshake(&self, outcome: TlsOutcome) {
        if let Some(counter) = self.handshakes.get(outcome.index()) {
            counter.inc();
        }
    }

    /// A handshake agreed on this version.
    pub fn negotiated(&self, version: TlsVersion) {
        if let Some(counter) = self.versions.get(version.index()) {
            counter.inc();
        }
    }
}

impl AuditMetrics {
    /// Handles in a registry of their own (simulation, tests).
    pub fn detached() -> Self {
        Self::resolve(&Families::new(&SiteLabels::default()))
    }

    /// Records lost so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// Records that are safely on disk, of this process.
    pub fn records(&self) -> u64 {
        self.records.get()
    }

    fn resolve(families: &Families) -> Self {
        Self {
            records: families.counter("audit_records_total", &[]),
            checkpoint: families.gauge("audit_last_checkpoint_timestamp_seconds", &[]),
            free: families.gauge("audit_free_bytes", &[]),
            failures: families.counter("audit_sink_failures_total", &[JOURNAL]),
            backlog: families.gauge("audit_sink_backlog_records", &[JOURNAL]),
            dropped: families.counter("audit_dropped_total", &[JOURNAL]),
        }
    }
}

impl<S: Subscriber> Layer<S> for LogCounter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // The order of `LEVELS`.
        let at = match *event.metadata().level() {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            Level::TRACE => 4,
        };
        if let Some(counter) = self.levels.get(at) {
            counter.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use sluicegate_proto::{
        policy::RuleIx,
        vocab::{Cause, Mode, Reason, VerdictWord},
    };
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::observe::metrics::{Limit, ResponseOutcome};

    fn labels() -> SiteLabels {
        let conduit = |name: &str, functions: &[u16], rules: &[&str]| ConduitLabels {
            name: name.to_owned(),
            protocol: "modbus",
            functions: functions.to_vec(),
            rules: rules.iter().map(|one| (*one).to_owned()).collect(),
            mode: Mode::Monitor,
            max_sessions: 32,
        };
        SiteLabels {
            conduits: vec![
                conduit("pump", &[3, 6], &["r-00000001", "r-00000002", "r-00000001"]),
                conduit("valve", &[], &[]),
            ],
            listeners: vec!["ot".to_owned(), "it".to_owned()],
            certificates: vec!["gateway".to_owned()],
            authorities: vec!["plant".to_owned()],
            hash: "9f2c1ab0".to_owned(),
        }
    }

    fn samples(text: &str) -> Vec<&str> {
        text.lines().filter(|line| !line.starts_with('#')).collect()
    }

    fn value(text: &str, series: &str) -> f64 {
        let line = samples(text).into_iter().find(|line| line.strip_prefix(series).is_some_and(|r| r.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{series} is not in the scrape"));
        line.rsplit(' ').next().expect("a value").parse().expect("a number")
    }

    #[test]
    fn the_live_scrape_has_as_many_lines_as_the_formula_says_before_and_after_traffic() {
        let site = SiteMetrics::with_labels(labels());
        let text = site.text();
        assert_eq!(samples(&text).len(), site.series_count());
        let valve = site.conduit("valve").expect("a conduit");
        for code in 0..=255 {
            valve.request(code, VerdictWord::Denied);
            valve.device_exception(u8::try_from(code).expect("a byte"));
            valve.rule_hit(RuleIx(u32::from(code)));
        }
        site.config_loaded("00000000");
        site.certificate_ends("not-configured", 1);
        site.crl_ends("not-configured", 1);
        assert_eq!(samples(&site.text()).len(), site.series_count(), "nothing from the wire makes a series");
        let none = SiteMetrics::with_labels(SiteLabels::default());
        assert_eq!(samples(&none.text()).len(), none.series_count());
    }

    const SITE: &str = r#"
schema = 1
[site]
name = "north"
state = "state"
[zones.ops]
[zones.cell]
[certificates.gateway]
cert = "gateway.crt"
key = "gateway.key"
[authorities.plant]
roots = "plant.crt"
crl = "plant.crl"
[authorities.second]
roots = "second.crt"
[identities.scada-1]
zone = "ops"
authority = "plant"
match = { dns = "scada-1.north" }
roles = ["hmi"]
[roles.hmi]
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tls"
certificate = "gateway"
authorities = ["plant"]
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
upstream = "127.0.0.1:502"
protocol = "modbus"
[conduits.pump.modbus]
units = [1]
allow = ["hmi read holding 0-9", "hmi write holding 40 = 0..1500 via 6"]
deny = ["any write holding 90-99"]
"#;

    #[test]
    fn what_check_counts_is_what_a_scrape_has() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("site.toml");
        for name in ["gateway.crt", "gateway.key", "plant.crt", "plant.crl", "second.crt"] {
            std::fs::write(dir.path().join(name), "").expect("writable");
        }
        std::fs::write(&path, SITE).expect("writable");
        let site = sluicegate_config::load(&path).expect("the site above is good").site;
        let metrics = SiteMetrics::new(&site);
        let text = metrics.text();
        assert_eq!(samples(&text).len(), metrics.series_count());
        assert_eq!(sluicegate_config::series(&site), u32::try_from(metrics.series_count()).expect("few"));
        let known = |function: &str| {
            let labels = format!(r#"{{conduit="pump",function="{function}",protocol="modbus",verdict="allowed"}}"#);
            text.contains(&format!("sluicegate_requests_total{labels} 0"))
        };
        assert!(["3", "6", "16", "other"].into_iter().all(known), "the functions that the policy names");
        assert!(!known("15") && !known("43"));
        let rule = &site.conduits[0].plan.rules[0].id;
        metrics.conduit("pump").expect("a conduit").rule_hit(RuleIx(0));
        let hits = format!(r#"sluicegate_rule_hits_total{{conduit="pump",rule="{rule}"}}"#);
        assert_eq!(value(&metrics.text(), &hits), 1.0);
    }

    #[test]
    fn every_known_series_starts_at_0_but_the_infos_the_mode_and_the_limit() {
        let text = SiteMetrics::with_labels(labels()).text();
        let set: Vec<_> = samples(&text).into_iter().filter(|line| !line.ends_with(" 0")).collect();
        let expected = ["build_info", "config_info", "enforcement_mode", "sessions_limit"];
        assert!(set.iter().all(|line| expected.iter().any(|one| line.contains(one))), "{set:#?}");
        assert_eq!(set.len(), 6, "{set:#?}");
        assert_eq!(value(&text, r#"sluicegate_enforcement_mode{conduit="pump",mode="monitor"}"#), 1.0);
    }

    #[test]
    fn each_handle_moves_its_own_series_and_no_other() {
        let site = SiteMetrics::with_labels(labels());
        let pump = site.conduit("pump").expect("a conduit");
        pump.request(6, VerdictWord::Denied);
        pump.request(90, VerdictWord::WouldDeny);
        pump.denial(Reason::StepNotAllowed, Mode::Enforce);
        pump.response(ResponseOutcome::Timeout);
        pump.device_exception(2);
        pump.device_exception(0x7f);
        pump.rule_hit(RuleIx(1));
        pump.rule_hit(RuleIx(2));
        pump.bytes_from_peer(12);
        pump.limited(Limit::Writes, true);
        pump.session_closed(Cause::Drain);
        let live = pump.session_opened();
        let text = site.text();
        let of = |rest: &str| value(&text, &format!("sluicegate_{rest}"));
        assert_eq!(of(r#"requests_total{conduit="pump",function="6",protocol="modbus",verdict="denied"}"#), 1.0);
        assert_eq!(
            of(r#"requests_total{conduit="pump",function="other",protocol="modbus",verdict="would_deny"}"#),
            1.0
        );
        assert_eq!(of(r#"denials_total{conduit="pump",mode="enforce",reason="step_not_allowed"}"#), 1.0);
        assert_eq!(of(r#"responses_total{conduit="pump",outcome="timeout",protocol="modbus"}"#), 1.0);
        assert_eq!(of(r#"device_exceptions_total{conduit="pump",exception="02",protocol="modbus"}"#), 1.0);
        assert_eq!(of(r#"device_exceptions_total{conduit="pump",exception="other",protocol="modbus"}"#), 1.0);
        assert_eq!(of(r#"rule_hits_total{conduit="pump",rule="r-00000002"}"#), 1.0);
        assert_eq!(of(r#"rule_hits_total{conduit="pump",rule="r-00000001"}"#), 1.0);
        assert_eq!(of(r#"bytes_total{conduit="pump",direction="from_peer"}"#), 12.0);
        assert_eq!(of(r#"limited_total{action="delayed",conduit="pump",limit="writes"}"#), 1.0);
        assert_eq!(of(r#"sessions_closed_total{cause="drain",conduit="pump"}"#), 1.0);
        assert_eq!(of(r#"sessions{conduit="pump",kind="machine"}"#), 1.0);
        assert_eq!(of(r#"sessions{conduit="valve",kind="machine"}"#), 0.0);
        drop(live);
        assert_eq!(value(&site.text(), r#"sluicegate_sessions{conduit="pump",kind="machine"}"#), 0.0);
    }

    #[test]
    fn log_messages_are_counted_by_level() {
        let site = SiteMetrics::with_labels(labels());
        let subscriber = tracing_subscriber::registry().with(site.log_counter());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("one");
            tracing::warn!("two");
            tracing::warn!("three");
        });
        assert_eq!(value(&site.text(), r#"sluicegate_log_messages_total{level="error"}"#), 1.0);
        assert_eq!(value(&site.text(), r#"sluicegate_log_messages_total{level="warn"}"#), 2.0);
    }

    #[test]
    fn promtool_has_nothing_to_say() {
        let spawned = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut promtool = match spawned {
            Ok(child) => child,
            Err(error) => {
                eprintln!("SKIPPED: promtool cannot be run here ({error}); the scrape is not linted");
                return;
            }
        };
        let text = SiteMetrics::with_labels(labels()).text();
        promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("promtool reads");
        let said = promtool.wait_with_output().expect("promtool ends");
        let words = [said.stdout, said.stderr].concat();
        assert!(said.status.success() && words.is_empty(), "{}", String::from_utf8_lossy(&words));
    }
}
