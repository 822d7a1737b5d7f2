//! Is this configuration fit to run?
//!
//! ```text
//! load      all faults of all files at once (the config crate)
//! keys      certificates, keys and revocation lists, read as `run` reads them
//! tests     [[tests]], judged like on the wire (check/policy.rs)
//! levels    what each conduit misses of its zones' security level (the config crate)
//! gaps      addresses between readable blocks that a merging client would cross (the config crate)
//! enforced  what monitor mode still enforces
//! series    how many lines a scrape will have
//! ```

use std::{path::Path, sync::Arc};

use sluicegate_config::{
    ReadGap,
    finding::{Finding, Severity},
    levels::ConduitLevel,
    plan::{Conduit, Site, Transport},
    read_gaps,
};
use sluicegate_proto::vocab::Mode;

use crate::{
    explain::{RuleShown, addressing, numbered_range},
    faults::{Clock, build_date, floor},
    observe::series::{self, SiteLabels},
    trust::{Trust, TrustError},
};

mod policy;

pub use self::policy::{TestResult, policy_tests};

/// All that `check` found.
#[derive(Debug)]
pub struct Report {
    /// Errors and warnings, in file order.
    pub findings: Vec<Finding>,
    /// Present when it loaded.
    pub site: Option<SiteReport>,
}

/// What a configuration that loads amounts to.
#[derive(Debug)]
pub struct SiteReport {
    /// `[site] name`.
    pub name: String,
    /// The hash of its files, as `config_info` shows it.
    pub hash: String,
    /// Its conduits.
    pub conduits: Vec<ConduitReport>,
    /// What is wrong with certificates, keys and revocation lists.
    pub keys: Vec<KeyFault>,
    /// Its policy tests.
    pub tests: Vec<TestResult>,
    /// Lines of a scrape.
    pub series: usize,
    /// `metrics.max_series`.
    pub max_series: u32,
}

/// A certificate, key or revocation list with which the gateway would not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFault {
    /// What is wrong, with which file, where it is named, and what should be there.
    pub finding: Finding,
    /// Whether it can be told only where the service runs (`credential:NAME` outside systemd).
    pub elsewhere: bool,
}

/// Addresses that somebody may not read, between two that it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Who, and where.
    pub gap: ReadGap,
    /// The addresses as the conduit's `addressing` numbers them.
    pub shown: String,
}

/// What one conduit amounts to.
#[derive(Debug)]
pub struct ConduitReport {
    /// Its name.
    pub name: String,
    /// Its mode.
    pub mode: Mode,
    /// Its rules, in the order of the plan.
    pub rules: Vec<RuleShown>,
    /// What is enforced although the mode is not `enforce`; empty otherwise.
    pub still_enforced: Vec<String>,
    /// Addresses that a merging client would stumble over.
    pub read_gaps: Vec<Gap>,
    /// What it misses of its zones' security level.
    pub level: ConduitLevel,
}

impl Report {
    /// Whether the configuration may run. `strict`: warnings and gaps count too.
    pub fn good(&self, strict: bool) -> bool {
        let bad = |one: &Finding| strict || one.severity == Severity::Error;
        let Some(site) = &self.site else { return false };
        let gap = |one: &ConduitReport| !one.read_gaps.is_empty() || !one.level.gaps.is_empty();
        let gaps = strict && site.conduits.iter().any(gap);
        let keys = site.keys.iter().any(|one| strict || !one.elsewhere);
        let series = site.series > usize::try_from(site.max_series).unwrap_or(usize::MAX);
        !series && !gaps && !keys && site.tests.iter().all(TestResult::passed) && !self.findings.iter().any(bad)
    }
}

/// Loads `path` without binding and looks at everything.
pub fn check(path: &Path) -> Report {
    match sluicegate_config::load(path) {
        Ok(loaded) => Report { findings: loaded.warnings, site: Some(look(&Arc::new(loaded.site), loaded.levels)) },
        Err(findings) => Report { findings, site: None },
    }
}

/// Looks at a configuration that loaded, with what its conduits miss of their levels.
pub fn look(site: &Arc<Site>, levels: Vec<ConduitLevel>) -> SiteReport {
    let conduits = site.conduits.iter().zip(levels);
    SiteReport {
        name: site.name.clone(),
        hash: site.hash.clone(),
        conduits: conduits.map(|(one, level)| conduit_report(site, one, level)).collect(),
        keys: key_faults(site),
        tests: policy_tests(site),
        series: series::count(&SiteLabels::of(site)),
        max_series: site.max_series,
    }
}

fn key_faults(site: &Arc<Site>) -> Vec<KeyFault> {
    let clock = Clock::system(floor(build_date(), None, None));
    let faults = Trust::load(site, clock).err().unwrap_or_default();
    let shown = |fault: &TrustError| KeyFault {
        finding: fault.finding(site),
        elsewhere: matches!(fault, TrustError::NoCredentials { .. }),
    };
    faults.iter().map(shown).collect()
}

fn conduit_report(site: &Site, conduit: &Conduit, level: ConduitLevel) -> ConduitReport {
    ConduitReport {
        name: conduit.name.clone(),
        mode: conduit.mode,
        rules: conduit.plan.rules.iter().map(RuleShown::from).collect(),
        still_enforced: still_enforced(site, conduit),
        read_gaps: gaps(site, conduit),
        level,
    }
}

fn gaps(site: &Site, conduit: &Conduit) -> Vec<Gap> {
    let objects = conduit.protocol.grammar().objects;
    let here = read_gaps(site).into_iter().filter(|one| one.conduit == conduit.name);
    let shown = |gap: ReadGap| {
        let range = (gap.first, gap.last);
        let object = objects.iter().find(|one| one.word == gap.object)?;
        Some(Gap { shown: numbered_range(range, object, addressing(conduit)), gap })
    };
    here.filter_map(shown).collect()
}

/// What monitor and learn mode enforce all the same (language.md section 3).
fn still_enforced(site: &Site, conduit: &Conduit) -> Vec<String> {
    let mut all = Vec::new();
    match conduit.mode {
        Mode::Enforce => return all,
        Mode::Monitor => {}
        Mode::Learn => all.push("its limits".to_owned()),
    }
    let transport = site.listeners.get(conduit.listener.index()).map(|one| &one.transport);
    all.push(
        match transport {
            Some(Transport::Tls { .. }) => "client certificates and identities",
            Some(Transport::Tcp) | None => "identities by source address",
        }
        .to_owned(),
    );
    all.push("framing: a message with a false length or form ends its session".to_owned());
    all.push(format!("the device's turn: {} request(s) at once", conduit.upstream_pending));
    let denies = conduit.plan.rules.iter().filter(|one| !one.allow).map(RuleShown::from);
    all.extend(denies.map(|one| format!("deny {} {:?} at {}", one.id, one.text, one.place)));
    all
}
