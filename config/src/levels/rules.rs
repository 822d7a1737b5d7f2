//! What does a conduit miss of rules, tests, the record and what our own faults do?

use sluicegate_proto::{
    policy::Rule,
    vocab::{Class, Mode},
};

use super::Case;
use crate::{
    fault::{At, Fault},
    finding::codes,
    plan::{Conduit, FaultAction},
};

pub(super) fn look(case: &Case<'_, '_>, found: &mut Vec<Fault>) {
    found.extend(not_enforced(case));
    found.extend(anybody(case));
    found.extend(unbounded(case));
    found.extend(untested(case));
    found.extend(unwatched(case));
    found.extend(kept_open(case));
    found.extend(unrecorded(case));
    found.extend(not_durable(case));
}

impl<'c> Case<'c, '_> {
    /// The allow rules that change something, with their places.
    fn changing(&self) -> impl Iterator<Item = (&'c Rule, &'c At)> {
        let changes = |class| matches!(class, Class::Write | Class::Control | Class::Program);
        let rules = self.conduit.plan.rules.iter().zip(self.places);
        rules.filter(move |(rule, _)| rule.allow && changes(rule.sentence.class))
    }

    /// The place of a key in a table of the root, else of the table, else of the conduit.
    fn root(&self, table: &str, key: &str) -> &At {
        let written = self.ground.root.table(table).and_then(|table| table.get(key));
        written.or_else(|| self.ground.root.get(table)).map_or(self.at, |entry| &entry.at)
    }
}

fn not_enforced(case: &Case<'_, '_>) -> Option<Fault> {
    let mode = case.conduit.mode;
    if mode == Mode::Enforce {
        return None;
    }
    let at = case.table.get("mode").map_or_else(|| case.root("defaults", "mode"), |entry| &entry.at);
    let message = format!("conduit `{}` is in {mode} mode: what no rule allows passes", case.conduit.name);
    let fault = Fault::new(codes::NOT_ENFORCED, at, message, "counted, not refused");
    Some(fault.help("write mode = \"enforce\" once `would_deny` stays at 0".to_owned()))
}

/// Rules that let everybody change something: no role stands between.
fn anybody(case: &Case<'_, '_>) -> Vec<Fault> {
    let any = |rule: &Rule| matches!(rule.sentence.who.as_deref(), None | Some("any"));
    let fault = |(rule, at): (&Rule, &At)| {
        let message = format!("anybody of zone `{}` may do this", case.zones()[0].name);
        let fault = Fault::new(codes::ANYBODY, at, message, format!("a {} rule without a role", rule.sentence.class));
        fault.help("name the role that needs it instead of `any`".to_owned())
    };
    case.changing().filter(|(rule, _)| any(rule)).map(fault).collect()
}

/// Classes of rules that nothing slows down on their way to the device but the conduit's own bucket.
fn unbounded(case: &Case<'_, '_>) -> Vec<Fault> {
    let limits = &case.conduit.limits;
    let buckets = [(Class::Write, "writes", limits.writes), (Class::Control, "control", limits.control)];
    let mut found = Vec::new();
    for (class, key, _) in buckets.into_iter().filter(|(_, _, bucket)| bucket.is_none()) {
        let free = |(rule, _): &(&Rule, &At)| {
            let sentence = &rule.sentence;
            sentence.class == class && sentence.max.is_none() && sentence.spends.is_none()
        };
        let Some((_, rule)) = case.changing().find(free) else { continue };
        let message = format!("no bucket of its own bounds {class} messages to the device");
        let fault = Fault::new(codes::UNBOUNDED, case.key("limits"), message, format!("no `limits.{key}`"));
        let help = format!("write {key} = \"20/s burst 100\" in [conduits.{}.limits]", case.conduit.name);
        found.push(fault.also(rule, "a rule that it would bound").help(help));
    }
    found
}

/// No test of the operator's would notice that the policy became wider.
fn untested(case: &Case<'_, '_>) -> Option<Fault> {
    let here = |conduit: &Conduit| conduit.name == case.conduit.name;
    let refuses = |test: &crate::plan::PolicyTest| test.expect.is_some();
    // Tests name conduits by their place, and all conduits are built.
    let tests = case.site.tests.iter().filter(|one| case.site.conduits.get(one.conduit.index()).is_some_and(here));
    if tests.into_iter().any(refuses) {
        return None;
    }
    let message = format!("no test says what conduit `{}` must refuse", case.conduit.name);
    let fault = Fault::new(codes::UNTESTED, case.at, message, "a rule that is too wide would pass `check`");
    Some(fault.help(format!("write [[tests]] with on = \"{}\" and expect = \"deny ...\"", case.conduit.name)))
}

fn unwatched(case: &Case<'_, '_>) -> Option<Fault> {
    if case.site.metrics.is_some() {
        return None;
    }
    let fault = Fault::new(codes::UNWATCHED, case.root("site", "name"), "nothing watches this gateway", "no [metrics]");
    let help = "write [metrics] with bind = \"127.0.0.1:9473\", and load monitoring/alerts.yml into Prometheus";
    Some(fault.help(help.to_owned()))
}

/// Faults of our own at which everything goes on: what is no longer known to be true still opens the gate.
fn kept_open(case: &Case<'_, '_>) -> Vec<Fault> {
    let faults = &case.conduit.faults;
    let all = [
        ("crl_stale", faults.crl_stale),
        ("certificate_expired", faults.certificate_expired),
        ("clock_unknown", faults.clock_unknown),
    ];
    let kept = all.into_iter().filter(|(_, action)| *action == FaultAction::Keep);
    let written = case.table.table("faults");
    let fault = |(key, _)| {
        let at = written.and_then(|table| table.get(key)).map_or(case.at, |entry| &entry.at);
        let message = format!("at `{key}` conduit `{}` goes on taking new sessions", case.conduit.name);
        let fault = Fault::new(codes::KEPT_OPEN, at, message, "open for ever");
        fault.help("write \"refuse-new\" (live sessions stay for the grace and after it) or \"close\"".to_owned())
    };
    kept.map(fault).collect()
}

/// Where what was done may leave no record.
fn unrecorded(case: &Case<'_, '_>) -> Option<Fault> {
    let audit = &case.site.audit;
    if audit.overwrite_oldest {
        let at = case.root("audit", "on_full");
        let fault = Fault::new(codes::UNRECORDED, at, "a full disk overwrites the oldest records", "they are gone");
        return Some(
            fault.help("write on_full = \"by-conduit\", and move old files away before it is full".to_owned()),
        );
    }
    if case.conduit.faults.audit_full != FaultAction::Keep {
        return None;
    }
    let written = case.table.table("faults").and_then(|table| table.get("audit_full"));
    let at = written.map_or(case.at, |entry| &entry.at);
    let message = format!("conduit `{}` goes on when nothing can be recorded", case.conduit.name);
    let fault = Fault::new(codes::UNRECORDED, at, message, "done without a record");
    Some(fault.help("write \"refuse-new\" or \"close\"".to_owned()))
}

fn not_durable(case: &Case<'_, '_>) -> Option<Fault> {
    if case.site.audit.durable_writes || case.changing().next().is_none() {
        return None;
    }
    let at = case.root("audit", "durable");
    let message = format!("what conduit `{}` changes may be done before its record is on disk", case.conduit.name);
    let fault = Fault::new(codes::NOT_DURABLE, at, message, "a power cut loses the newest records");
    Some(fault.help("write [audit] with durable = \"writes\"".to_owned()))
}
