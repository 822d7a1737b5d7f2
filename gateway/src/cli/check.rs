//! How does `check` tell what it found?

use std::{fmt::Write, path::Path};

use clap::Args;
use serde_json::{Value, json};
use sluicegate_config::finding::Severity;

use super::{Exit, color, complain, explain::rule_json, print, print_json};
use crate::check::{self, ConduitReport, KeyFault, Report, SiteReport, TestResult};

mod level;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Warnings, read gaps and SL-T gaps count as errors.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    json: super::Json,
}

pub(super) fn check(config: &Path, args: &CheckArgs) -> Exit {
    if let Err(fault) = std::fs::read(config) {
        complain(&format!("error: {}: {fault}\n", config.display()));
        return Exit::Usage;
    }
    let report = check::check(config);
    let good = report.good(args.strict);
    if args.json.json {
        print_json(&to_json(&report, good));
    } else {
        print(&to_text(&report, color(&std::io::stdout())));
    }
    if good { Exit::Good } else { Exit::Bad }
}

fn to_text(report: &Report, color: bool) -> String {
    // What refuses comes first, whoever found it.
    let keys = report.site.iter().flat_map(|site| &site.keys).map(|one| &one.finding);
    let mut findings: Vec<_> = report.findings.iter().chain(keys).collect();
    findings.sort_by_key(|one| one.severity);
    let mut text: String = findings.iter().map(|one| one.render(color) + "\n").collect();
    if let Some(site) = &report.site {
        for conduit in &site.conduits {
            conduit_text(conduit, &mut text);
        }
        level::by_other_means(site, &mut text);
        for test in &site.tests {
            test_text(test, &mut text);
        }
    }
    summary(report, &mut text);
    text
}

fn conduit_text(conduit: &ConduitReport, text: &mut String) {
    let _ = writeln!(text, "conduit {} ({})", conduit.name, conduit.mode);
    for rule in &conduit.rules {
        let word = if rule.allow { "allow" } else { "deny " };
        let _ = writeln!(text, "  {} {word} {:?}  {}", rule.id, rule.text, rule.place);
    }
    for gap in &conduit.read_gaps {
        let _ = writeln!(
            text,
            "  read gap: {} {} {} stands between readable blocks; a client that merges reads is refused there",
            gap.gap.identity, gap.gap.object, gap.shown
        );
    }
    level::text(&conduit.level, text);
    for what in &conduit.still_enforced {
        let _ = writeln!(text, "  {} mode still enforces {what}", conduit.mode);
    }
}

fn test_text(test: &TestResult, text: &mut String) {
    let Some(failure) = &test.failure else {
        let _ = writeln!(text, "test passed: {}", test.name);
        return;
    };
    let _ = writeln!(text, "test FAILED: {} ({})", test.name, test.place);
    let _ = writeln!(text, "  expected {}, got {failure}", test.expected);
    if let Some(explanation) = &test.explanation {
        for line in super::explain::to_text(explanation).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
}

fn summary(report: &Report, text: &mut String) {
    let count = |severity| report.findings.iter().filter(|one| one.severity == severity).count();
    let keys = |elsewhere| {
        let faults = report.site.iter().flat_map(|site| &site.keys);
        faults.filter(|one| one.elsewhere == elsewhere).count()
    };
    let (errors, warnings) = (count(Severity::Error) + keys(false), count(Severity::Warning) + keys(true));
    let _ = write!(text, "{errors} error(s), {warnings} warning(s)");
    match &report.site {
        None => text.push_str("; the configuration is refused"),
        Some(site) => {
            let failed = site.tests.iter().filter(|one| !one.passed()).count();
            let gaps: usize = site.conduits.iter().map(|one| one.read_gaps.len()).sum();
            let missed: usize = site.conduits.iter().map(|one| one.level.gaps.len()).sum();
            let rules: usize = site.conduits.iter().map(|one| one.rules.len()).sum();
            let _ = write!(
                text,
                "; {} conduit(s), {rules} rule(s), {gaps} read gap(s), {missed} SL-T gap(s), {} test(s), {failed} failed, {} of {} series; {} {}",
                site.conduits.len(),
                site.tests.len(),
                site.series,
                site.max_series,
                site.name,
                site.hash.get(..8).unwrap_or(&site.hash),
            );
        }
    }
    text.push('\n');
}

fn to_json(report: &Report, good: bool) -> Value {
    json!({
        "good": good,
        "findings": report.findings.iter().map(sluicegate_config::finding::Finding::to_json).collect::<Vec<_>>(),
        "site": report.site.as_ref().map(site_json),
    })
}

fn site_json(site: &SiteReport) -> Value {
    json!({
        "name": site.name,
        "hash": site.hash,
        "series": site.series,
        "max_series": site.max_series,
        "keys": site.keys.iter().map(key_json).collect::<Vec<_>>(),
        "conduits": site.conduits.iter().map(conduit_json).collect::<Vec<_>>(),
        "tests": site.tests.iter().map(test_json).collect::<Vec<_>>(),
    })
}

/// A finding, and whether it can be told only where the service runs.
fn key_json(fault: &KeyFault) -> Value {
    let mut object = fault.finding.to_json();
    object["elsewhere"] = fault.elsewhere.into();
    object
}

fn conduit_json(conduit: &ConduitReport) -> Value {
    let gaps = conduit.read_gaps.iter().map(|one| {
        json!({
            "identity": one.gap.identity, "object": one.gap.object, "first": one.gap.first, "last": one.gap.last,
        })
    });
    json!({
        "name": conduit.name,
        "mode": conduit.mode.as_str(),
        "rules": conduit.rules.iter().map(rule_json).collect::<Vec<_>>(),
        "still_enforced": conduit.still_enforced,
        "read_gaps": gaps.collect::<Vec<_>>(),
        "level": level::json(&conduit.level),
    })
}

fn test_json(test: &TestResult) -> Value {
    json!({
        "name": test.name,
        "place": test.place,
        "passed": test.passed(),
        "expected": test.expected,
        "got": test.failure,
        "explanation": test.explanation.as_ref().map(super::explain::to_json),
    })
}
