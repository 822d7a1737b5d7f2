//! Do the rules of a conduit say what they seem to say?

use sluicegate_proto::{
    policy::Rule,
    sentence::{Grammar, Sentence},
};

use super::shadow::{self, Shadow};
use crate::{
    build::can_come,
    difference::Allowance,
    fault::{At, Fault, Faults},
    finding::codes,
    plan::{Conduit, Identity, Match, Site},
};

/// A conduit, the places of its rules, and its own.
pub(super) struct Case<'c> {
    pub(super) site: &'c Site,
    pub(super) conduit: &'c Conduit,
    pub(super) places: &'c [At],
    pub(super) at: &'c At,
}

/// Rules are compared two by two up to here: a thousand in one conduit are a generated list, and nobody reads warnings
/// about it.
const COMPARED: usize = 1000;

pub(super) fn lint(case: &Case<'_>, faults: &mut Faults) {
    for (rule, at) in case.rules() {
        step(rule, at, faults);
        risky(case.conduit.protocol.grammar(), rule, at, faults);
        case.meets(rule, at, faults);
    }
    case.overlaps(faults);
    case.nobody(faults);
}

impl Case<'_> {
    fn rules(&self) -> impl Iterator<Item = (&Rule, &At)> {
        self.conduit.plan.rules.iter().zip(self.places)
    }

    /// Whether a peer of this conduit can be this identity.
    fn comes(&self, identity: &Identity) -> bool {
        let listener = &self.site.listeners[self.conduit.listener.index()];
        identity.zone == self.conduit.from && can_come(&listener.transport, identity)
    }

    fn from(&self) -> &str {
        &self.site.zones[self.conduit.from.index()].name
    }

    /// A rule that names an identity which never comes this way.
    fn meets(&self, rule: &Rule, at: &At, faults: &mut Faults) {
        let who = rule.sentence.who.as_deref().unwrap_or("any");
        let Some(identity) = self.site.identities.iter().find(|one| one.name == who) else { return };
        let zone = &self.site.zones[identity.zone.index()].name;
        if identity.zone != self.conduit.from {
            let from = self.from();
            let message = format!("`{who}` belongs to zone `{zone}`, this conduit starts in `{from}`");
            let fault = Fault::new(codes::NEVER_MATCHES, at, message, "never applies here");
            faults.add(fault.help(format!("name somebody of zone `{from}`, or take the rule out")));
        } else if !self.comes(identity) {
            let (code, why) = match identity.matches {
                Match::Source(_) => (codes::PLAIN_MATCH, "is known by its address, and the listener is tls"),
                Match::Uri { .. } | Match::Dns(_) | Match::Spki(_) => {
                    (codes::NO_AUTHORITY, "cannot be recognised at the conduit's listener")
                }
            };
            let fault = Fault::new(code, at, format!("`{who}` {why}"), "never applies here");
            faults.add(fault.help("add its authority to the listener, or take the rule out".to_owned()));
        }
    }

    fn nobody(&self, faults: &mut Faults) {
        let may = |identity: &Identity, rule: &Rule| match rule.sentence.who.as_deref() {
            None | Some("any") => true,
            Some(who) if who == identity.name => true,
            Some(who) => {
                let extension = |role: &crate::plan::Role| role.name == who && role.modbus_role.is_some();
                identity.roles.iter().any(|role| role == who)
                    || (identity.authority.is_some() && self.site.roles.iter().any(extension))
            }
        };
        let comes = self.site.identities.iter().filter(|one| self.comes(one));
        let used = comes.into_iter().any(|one| self.rules().any(|(rule, _)| rule.allow && may(one, rule)));
        if !used {
            let message = format!("nobody may use conduit `{}`", self.conduit.name);
            let fault =
                Fault::new(codes::NOBODY, self.at, message, "no allow rule meets an identity that can come here");
            let role = self.rules().find(|(rule, _)| rule.allow).map_or("hmi", |(rule, _)| who(&rule.sentence));
            let help = format!("give an identity of zone `{}` the role: roles = [\"{role}\"]", self.from());
            faults.add(fault.help(help));
        }
    }

    /// An allow rule that another one makes pointless, or that a deny rule takes away whole.
    fn overlaps(&self, faults: &mut Faults) {
        let rules: Vec<_> = self.rules().take(COMPARED).collect();
        let alone: Vec<&Rule> = rules.iter().map(|(rule, _)| *rule).collect();
        let mut allowance = Allowance::new(shadow::STEPS);
        for (at, (rule, place)) in rules.iter().enumerate().filter(|(_, (rule, _))| rule.allow) {
            let others = rules.iter().enumerate().filter(|(other, _)| *other != at);
            let mut told = false;
            for (_, (other, other_place)) in others {
                if !covers(other, rule)
                    || *other_place == *place
                    || (other.allow && covers(rule, other) && other.id > rule.id)
                {
                    continue;
                }
                let (message, label) = if other.allow {
                    ("this rule allows nothing that another one does not allow already", "allowed here already")
                } else {
                    ("a deny rule takes this rule away whole", "denied here")
                };
                let fault = Fault::new(codes::OVERLAP, place, message, "does nothing").also(other_place, label);
                faults.add(fault.help("take one of them out, or narrow it to what you mean".to_owned()));
                told = true;
                break;
            }
            if !told && let Ok(Some((by, others))) = shadow::shadow(self.conduit, &alone, at, &mut allowance) {
                let others: Vec<_> = others.into_iter().map(|other| rules[other].1).collect();
                faults.add(shadowed(by, place, &others));
            }
        }
    }
}

/// A rule that several others make pointless together.
fn shadowed(by: Shadow, at: &At, others: &[&At]) -> Fault {
    let (message, label) = match (by, others) {
        (Shadow::Allows, [_]) => {
            ("this rule allows nothing that another one does not allow already", "allowed here already")
        }
        (Shadow::Denies, [_]) => ("a deny rule takes this rule away whole", "denied here"),
        (Shadow::Allows, _) => ("this rule allows nothing that others together do not allow already", "one of them"),
        (Shadow::Denies, _) => ("deny rules together take this rule away whole", "one of them"),
    };
    let fault = Fault::new(codes::OVERLAP, at, message, "does nothing");
    let fault = others.iter().take(1).fold(fault, |fault, other| fault.also(other, label));
    fault.help("take one of them out, or narrow it to what you mean".to_owned())
}

/// Whether `outer` concerns at least every deed that `inner` does, whatever its values and times.
fn covers(outer: &Rule, inner: &Rule) -> bool {
    let (outer, inner) = (&outer.sentence, &inner.sentence);
    let unconditional = outer.values.is_none()
        && outer.step.is_none()
        && outer.when.is_none()
        && outer.max.is_none()
        && outer.spends.is_none()
        && outer.during.is_none()
        && !outer.whole
        && !outer.select_first;
    // `always` ignores what others obey: nothing but another `always` stands for it.
    let always = outer.always || !inner.always;
    // A function that must be named is never among those that were not.
    let via = outer.via == inner.via || (outer.via.is_empty() && inner.via.is_empty());
    unconditional
        && always
        && via
        && (who(outer) == "any" || who(outer) == who(inner))
        && (outer.class, outer.object) == (inner.class, inner.object)
        && (outer.bit.is_none() || outer.bit == inner.bit)
        && spans(&outer.ranges, &inner.ranges)
        && spans(&outer.units, &inner.units)
}

fn who(sentence: &Sentence) -> &str {
    sentence.who.as_deref().unwrap_or("any")
}

/// Whether `outer` holds all of `inner`; an empty list is everything.
fn spans(outer: &[(u32, u32)], inner: &[(u32, u32)]) -> bool {
    let inside = |one: &(u32, u32)| outer.iter().any(|(first, last)| *first <= one.0 && one.1 <= *last);
    outer.is_empty() || (!inner.is_empty() && inner.iter().all(inside))
}

fn step(rule: &Rule, at: &At, faults: &mut Faults) {
    let open = rule.sentence.step.as_ref().is_some_and(|step| step.direction.is_none() && step.or_to.is_empty());
    if open {
        let message = "this step also limits the way back to safety";
        let fault = Fault::new(codes::STEP_OPEN, at, message, "both directions");
        faults.add(fault.help("say `up` or `down`, or name what is always reachable: `or to 0`".to_owned()));
    }
}

/// What a rule admits besides what it seems to: the protocol's own list of traps.
fn risky(grammar: &Grammar, rule: &Rule, at: &At, faults: &mut Faults) {
    let sentence = &rule.sentence;
    for risk in grammar.risks.iter().filter(|risk| rule.allow && risk.object == sentence.object) {
        let named = |range: &(u32, u32)| (range.0..=range.1).contains(&risk.index);
        if sentence.ranges.is_empty() || sentence.ranges.iter().any(named) {
            faults.add(Fault::new(codes::OPAQUE, at, risk.message, risk.label).help(risk.help.to_owned()));
        }
    }
}
