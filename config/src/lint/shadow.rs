//! Does a rule allow anything that the others together do not?
//!
//! Two rules are compared by their words (`rules`). What only several others cover together, value by value, is found by the
//! engine of `diff`: the policy with the rule and the policy without it, as somebody meets them to whom the rule applies.

use std::collections::BTreeMap;

use sluicegate_proto::{
    policy::{Plan, Rule, Who},
    vocab::Class,
};

use crate::{
    difference::{Allowance, Side, TooComplex, between},
    plan::Conduit,
};

/// What makes a rule do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shadow {
    /// Other allow rules together.
    Allows,
    /// Deny rules together.
    Denies,
}

/// What one conduit may cost; a conduit of a thousand plain rules takes a tenth. Beyond it nothing is said.
pub(super) const STEPS: u64 = 2_000_000;

/// What takes an allow rule of these its meaning, if anything does, and the places of those rules.
///
/// # Errors
/// Where that cannot be told within the allowance.
pub(super) fn shadow(
    conduit: &Conduit,
    rules: &[&Rule],
    at: usize,
    allowance: &mut Allowance,
) -> Result<Option<(Shadow, Vec<usize>)>, TooComplex> {
    let rule = rules[at];
    // What nobody rules may be reported, so that a report rule always says something.
    if rule.sentence.class == Class::Report {
        return Ok(None);
    }
    let near: Vec<usize> = (0..rules.len()).filter(|other| *other != at && is_near(rules[*other], rule)).collect();
    if near.is_empty() {
        return Ok(None);
    }
    let with = |keep: &dyn Fn(&Rule) -> bool, itself: bool| {
        let others = near.iter().filter(|other| keep(rules[**other])).map(|other| rules[*other].clone());
        surrounded(&conduit.plan, others.chain(itself.then(|| rule.clone())).collect())
    };
    let mut same = |keep: &dyn Fn(&Rule) -> bool| {
        let (without, with) = (with(keep, false), with(keep, true));
        let who = met_by(rule);
        let calendar = BTreeMap::new();
        let side = |plan| Some(Side { plan, who: &who, calendar: &calendar });
        between(conduit.protocol.grammar(), side(&without), side(&with), allowance).map(|changes| changes.is_empty())
    };
    let places = |allow: bool| near.iter().copied().filter(|other| rules[*other].allow == allow).collect();
    if same(&|other| !other.allow)? {
        return Ok(Some((Shadow::Denies, places(false))));
    }
    Ok(same(&|_| true)?.then(|| (Shadow::Allows, places(true))))
}

/// The plan with these rules in place of its own.
fn surrounded(plan: &Plan, rules: Vec<Rule>) -> Plan {
    Plan {
        protocol: plan.protocol,
        settings: plan.settings.clone(),
        rules,
        identities: Vec::new(),
        schedules: plan.schedules.clone(),
        budgets: plan.budgets.clone(),
    }
}

/// Somebody who meets the rule, and of the others only those that everybody meets who does.
fn met_by(rule: &Rule) -> Who {
    let name = rule.sentence.who.clone().unwrap_or_default();
    Who { identity: name.clone(), roles: vec![name] }
}

/// Whether it can take part in what becomes of the rule.
fn is_near(other: &Rule, rule: &Rule) -> bool {
    let (one, own) = (&other.sentence, &rule.sentence);
    let meets = |one: &[(u32, u32)], other: &[(u32, u32)]| {
        one.is_empty()
            || other.is_empty()
            || one.iter().any(|range| other.iter().any(|own| range.0 <= own.1 && own.0 <= range.1))
    };
    (one.class, one.object) == (own.class, own.object)
        && (one.who.as_deref() == Some("any") || one.who == own.who)
        && meets(&one.ranges, &own.ranges)
        && meets(&one.units, &own.units)
}
