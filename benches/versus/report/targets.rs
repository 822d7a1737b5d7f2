//! What was aimed at, and did this run reach it?
//!
//! Ratios are of medians within one run. The best peer is whichever TLS proxy with client certificates was best in that
//! figure in that run; one without client certificates is never it.

use std::fmt;

use serde_json::{Value, json};

/// A target and what became of it.
pub(crate) struct Row {
    what: &'static str,
    target: &'static str,
    /// What was found, in words and numbers.
    found: String,
    reached: Option<bool>,
}

/// What a target asks for.
enum Asks {
    /// At most so many times the best peer's figure.
    Peer { scenario: &'static str, figure: &'static str, ours: &'static str, most: f64 },
    /// At least so many times the best peer's figure.
    PeerMore { scenario: &'static str, figure: &'static str, least: f64 },
    /// At most so many times a named contender's figure.
    Named { scenario: &'static str, figure: &'static str, ours: &'static str, other: &'static str, most: f64 },
    /// At most so much more than the floor's figure.
    FloorAnd { scenario: &'static str, figure: &'static str, more: f64 },
    /// At most this.
    Most { scenario: &'static str, figure: &'static str, most: f64 },
    /// One of our figures at most so many times another, of the same or another scenario.
    Own { figure: (&'static str, &'static str), of: (&'static str, &'static str), most: f64 },
    /// As before, and nothing lost.
    Calm { scenario: &'static str, most: f64 },
    /// Twice the first over the second, at least: what two do that one does.
    Twice { scenario: &'static str, least: f64 },
    /// Not a matter of this bench.
    Elsewhere(&'static str),
}

const OURS: &str = "sluicegate";
const SHARED: &str = "sluicegate-shared";

const fn cpu(scenario: &'static str, ours: &'static str, most: f64) -> Asks {
    Asks::Peer { scenario, figure: "cpu-us", ours, most }
}

const TARGETS: &[(&str, &str, Asks)] = &[
    ("CPU per request, 32 connections", "<= 0.9x the best peer", cpu("closed-32", OURS, 0.9)),
    ("CPU per request, 256 connections", "<= 0.9x the best peer", cpu("closed-256", OURS, 0.9)),
    ("the same, shared upstream, pipelining", "<= 0.6x the best peer", cpu("closed-256", SHARED, 0.6)),
    ("CPU per request, 32 x depth 16", "<= 1.0x the best peer", cpu("depth-16", OURS, 1.0)),
    ("CPU per request, 1,000 connections", "<= 0.8x the best peer", cpu("closed-1000", OURS, 0.8)),
    (
        "p50 at 1,000 requests/s",
        "<= 0.9x the best peer",
        Asks::Peer { scenario: "open-1000", figure: "p50-us", ours: OURS, most: 0.9 },
    ),
    ("CPU at 1,000 requests/s", "<= 0.8x the best peer", cpu("open-1000", OURS, 0.8)),
    (
        "p99 at 1,000 requests/s",
        "<= null relay + 30 us",
        Asks::FloorAnd { scenario: "open-1000", figure: "p99-us", more: 30.0 },
    ),
    ("full mTLS handshake, CPU", "<= 0.95x the best peer", cpu("churn", OURS, 0.95)),
    (
        "opaque bulk up, MB per CPU second",
        ">= 1.0x the best peer",
        Asks::PeerMore { scenario: "bulk-up", figure: "MB/cpu-s", least: 1.0 },
    ),
    (
        "opaque bulk down, MB per CPU second",
        ">= 1.0x the best peer",
        Asks::PeerMore { scenario: "bulk-down", figure: "MB/cpu-s", least: 1.0 },
    ),
    (
        "resident memory per idle session, 2,000",
        "<= 0.45x the best peer",
        Asks::Peer { scenario: "idle-2000", figure: "bytes/session", ours: OURS, most: 0.45 },
    ),
    (
        "resident memory, 10,000 idle sessions",
        "<= 256 MiB",
        Asks::Most { scenario: "idle-10000", figure: "MiB", most: 256.0 },
    ),
    (
        "inspection, 32 connections",
        "< Suricata inline",
        Asks::Named { scenario: "inspect-32", figure: "cpu-us", ours: OURS, other: "suricata", most: 1.0 },
    ),
    (
        "inspection, 256 connections, shared",
        "< Suricata inline",
        Asks::Named { scenario: "inspect-256", figure: "cpu-us", ours: SHARED, other: "suricata", most: 1.0 },
    ),
    (
        "FC 3 through framer and judge, 20 rules",
        "<= 60 ns, 0 allocations",
        Asks::Elsewhere("cargo bench --bench path -- frame_and_judge_a_read"),
    ),
    ("two workers against one, 64 conduits", ">= 1.8x", Asks::Twice { scenario: "workers-2", least: 1.8 }),
    ("an honest client while others attack", "p99 <= 1.2x, 0 lost", Asks::Calm { scenario: "attacked", most: 1.2 }),
    (
        "CPU per request, 500 conduits against 1",
        "within 10 %",
        Asks::Own { figure: ("conduits-500", "cpu-us"), of: ("conduits-500", "base-cpu-us"), most: 1.1 },
    ),
    (
        "CPU per request, 10,000 rules against 10",
        "within 10 %",
        Asks::Own { figure: ("rules-10000", "cpu-us"), of: ("rules-10000", "base-cpu-us"), most: 1.1 },
    ),
    (
        "memory per session, 10,000 against 2,000",
        "linear: within 10 %",
        Asks::Own { figure: ("idle-10000", "bytes/session"), of: ("idle-2000", "bytes/session"), most: 1.1 },
    ),
];

/// Every target, with what this run says about it.
pub(crate) fn judge(run: &Value) -> Vec<Row> {
    TARGETS
        .iter()
        .map(|(what, target, asks)| {
            let (found, reached) = match found(run, asks) {
                Some((found, reached)) => (found, Some(reached)),
                None => match asks {
                    Asks::Elsewhere(command) => (format!("measured by `{command}`"), None),
                    _ => ("not measured in this run".into(), None),
                },
            };
            Row { what, target, found, reached }
        })
        .collect()
}

fn found(run: &Value, asks: &Asks) -> Option<(String, bool)> {
    let ours = |scenario: &str, figure: &str| median(run, scenario, OURS, figure);
    match asks {
        Asks::Peer { scenario, figure, ours, most } => {
            let (ratio, peer) = against_best_peer(run, scenario, figure, ours)?;
            let (mine, best) = (median(run, scenario, ours, figure)?, median(run, scenario, &peer, figure)?);
            Some((format!("{ratio:.2}x ({mine:.1} against {best:.1}, {peer})"), ratio <= *most))
        }
        Asks::PeerMore { scenario, figure, least } => {
            let (peer, best) = peers(run, scenario, figure).max_by(|one, other| one.1.total_cmp(&other.1))?;
            let mine = ours(scenario, figure)?;
            let ratio = mine / best;
            Some((format!("{ratio:.2}x ({mine:.0} against {best:.0}, {peer})"), ratio >= *least))
        }
        Asks::Named { scenario, figure, ours, other, most } => {
            let (mine, theirs) = (median(run, scenario, ours, figure)?, median(run, scenario, other, figure)?);
            let ratio = mine / theirs;
            Some((format!("{ratio:.2}x ({mine:.1} against {theirs:.1}, {other})"), ratio < *most))
        }
        Asks::FloorAnd { scenario, figure, more } => {
            let (mine, floor) = (ours(scenario, figure)?, median(run, scenario, "null-relay", figure)?);
            let above = mine - floor;
            Some((format!("{above:+.0} us ({mine:.0} against {floor:.0})"), above <= *more))
        }
        Asks::Most { scenario, figure, most } => {
            let mine = ours(scenario, figure)?;
            Some((format!("{mine:.0} {figure}"), mine <= *most))
        }
        Asks::Own { figure, of, most } => {
            let (mine, base) = (ours(figure.0, figure.1)?, ours(of.0, of.1)?);
            let ratio = mine / base;
            Some((format!("{ratio:.2}x ({mine:.1} against {base:.1})"), ratio <= *most))
        }
        Asks::Calm { scenario, most } => {
            let (p99, calm) = (ours(scenario, "p99-us")?, ours(scenario, "calm-p99-us")?);
            let (ratio, lost) = (p99 / calm, ours(scenario, "lost")?);
            Some((
                format!("{ratio:.2}x ({p99:.0} against {calm:.0} us), {lost:.0} lost"),
                ratio <= *most && lost == 0.0,
            ))
        }
        Asks::Twice { scenario, least } => {
            let (two, one) = (ours(scenario, "cpu-us")?, ours(scenario, "base-cpu-us")?);
            let times = 2.0 * one / two;
            Some((format!("{times:.2}x (CPU-us per request {one:.1} with one, {two:.1} with two)"), times >= *least))
        }
        Asks::Elsewhere(_) => None,
    }
}

/// Ours over the best peer's, where less is better, and who that is.
pub(crate) fn against_best_peer(run: &Value, scenario: &str, figure: &str, ours: &str) -> Option<(f64, String)> {
    let (peer, best) = peers(run, scenario, figure).min_by(|one, other| one.1.total_cmp(&other.1))?;
    Some((median(run, scenario, ours, figure)? / best, peer))
}

fn peers<'a>(run: &'a Value, scenario: &'a str, figure: &'a str) -> impl Iterator<Item = (String, f64)> + 'a {
    let all = run["contenders"].as_array().into_iter().flatten();
    all.filter(|one| one["kind"] == "peer").filter_map(move |one| {
        let name = one["name"].as_str()?;
        Some((name.to_owned(), median(run, scenario, name, figure)?))
    })
}

fn median(run: &Value, scenario: &str, contender: &str, figure: &str) -> Option<f64> {
    let scenario = run["scenarios"].as_array()?.iter().find(|one| one["name"] == scenario)?;
    scenario["figures"][contender][figure]["median"].as_f64()
}

impl Row {
    pub(crate) fn json(&self) -> Value {
        json!({ "figure": self.what, "target": self.target, "found": self.found, "verdict": self.verdict() })
    }

    fn verdict(&self) -> &'static str {
        match self.reached {
            Some(true) => "reached",
            Some(false) => "missed",
            None => "-",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.reached == Some(false) { "MISSED" } else { self.verdict() };
        write!(f, "{verdict:<8} {:<42} {:<24} {}", self.what, self.target, self.found)
    }
}
