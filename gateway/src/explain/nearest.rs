//! What is the smallest change of the policy that would let a refused message pass?

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    keys::Setting,
    policy::{Denied, Rule, Who, compile},
    protocol::Message,
    sentence::Sentence,
    time::ScheduleSet,
    vocab::Reason,
};

use super::{End, addressing, deeds_of, judge, sentence_of, text::numbered};

/// A change, in words and, where a rule would do it, as a sentence to copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What to do, one line each.
    pub steps: Vec<String>,
    /// The sentence to add to `allow`, numbered as this conduit's `addressing` has it.
    pub sentence: Option<String>,
}

/// The nearest change for a denial.
pub(super) fn change(
    conduit: &Conduit,
    who: &Who,
    message: &Message<'_>,
    denied: &Denied,
    schedules: ScheduleSet,
) -> Change {
    let rules = conduit.policy.rules();
    let rule = denied.rule.and_then(|ix| rules.get(usize::try_from(ix.0).ok()?));
    if denied.by_deny_rule {
        return only(match rule {
            Some(rule) => {
                format!("deny wins over every allow: narrow or remove {:?} at {}", sentence_of(rule), rule.place)
            }
            None => "a deny rule holds: no allow rule can change that".to_owned(),
        });
    }
    let copied = copy(conduit, who, message, denied);
    match denied.reason {
        Reason::UnitNotAllowed if is_listed(conduit, message.unit()) => Change { steps: Vec::new(), sentence: copied },
        Reason::UnitNotAllowed => only(unit_change(conduit, message.unit())),
        Reason::FunctionNotAllowed => function_change(conduit, who, message, copied, schedules),
        Reason::IdentityNotAllowed | Reason::AddressNotAllowed | Reason::ValueNotAllowed => {
            Change { steps: Vec::new(), sentence: copied }
        }
        Reason::StepNotAllowed => by_rule(rule, "send it in smaller steps, or widen the step of"),
        Reason::ConditionNotMet
            if rule.is_some_and(|rule| rule.sentence.select_first && rule.sentence.when.is_none()) =>
        {
            by_rule(rule, "select it first and wait until that is confirmed, or change")
        }
        Reason::ConditionNotMet => by_rule(rule, "bring the process to what `when` asks for, or change"),
        Reason::OutsideSchedule => by_rule(rule, "wait for the schedule, or change"),
        Reason::RateLimited => by_rule(rule, "wait, or raise the rate of"),
        Reason::DirectionNotAllowed
        | Reason::IdentityUnknown
        | Reason::SourceNotAllowed
        | Reason::NoGrant
        | Reason::GrantExpired
        | Reason::GrantRevoked
        | Reason::ScanLimited
        | Reason::Malformed
        | Reason::LengthMismatch
        | Reason::NotCanonical
        | Reason::UnknownProtocol
        | Reason::UnsolicitedResponse
        | Reason::ResponseMismatch
        | Reason::DuplicateId
        | Reason::RequestTimeout
        | Reason::FrameTimeout
        | Reason::TooManyPending
        | Reason::KillSwitch
        | Reason::Island
        | Reason::SessionLimit
        | Reason::SessionConflict
        | Reason::UpstreamUnavailable
        | Reason::PolicyChanged
        | Reason::InternalError => only("no rule decides this".to_owned()),
    }
}

/// The refused deed's own sentence: as a rule it allows that deed and nothing else.
fn copy(conduit: &Conduit, who: &Who, message: &Message<'_>, denied: &Denied) -> Option<String> {
    let grammar = conduit.protocol.grammar();
    let sentences = deeds_of(who, message);
    let sentence: &Sentence = sentences.get(usize::from(denied.deed))?;
    Some(numbered(sentence, grammar, addressing(conduit)))
}

/// The outer list, a rule, or both.
fn function_change(
    conduit: &Conduit,
    who: &Who,
    message: &Message<'_>,
    copied: Option<String>,
    schedules: ScheduleSet,
) -> Change {
    let listed = conduit.settings.ints("functions");
    let function = message.function();
    if listed.is_empty() || listed.contains(&i64::from(function)) {
        return Change { steps: Vec::new(), sentence: copied };
    }
    let enough = passes_with(conduit, who, message, function, schedules);
    let steps = vec![format!("add {function} to `functions` in [conduits.{}.{}]", conduit.name, conduit.protocol)];
    Change { steps, sentence: copied.filter(|_| !enough) }
}

/// Whether `function` on the outer list alone would let the message pass.
fn passes_with(conduit: &Conduit, who: &Who, message: &Message<'_>, function: u16, schedules: ScheduleSet) -> bool {
    let mut plan = conduit.plan.clone();
    if let Some(Setting::Ints(listed)) = plan.settings.0.get_mut("functions") {
        listed.push(i64::from(function));
    }
    compile(&plan).is_ok_and(|policy| {
        let found = judge(&policy, conduit.mode, who, message, schedules);
        !found.reads.is_empty() || matches!(found.end, End::Allow(_))
    })
}

/// Whether the conduit speaks to this unit at all: then it is the rules that do not name it.
fn is_listed(conduit: &Conduit, unit: u32) -> bool {
    conduit.settings.ints(conduit.protocol.grammar().units_key).contains(&i64::from(unit))
}

/// A unit that is only the peer's name for another has its rules under that one.
fn unit_change(conduit: &Conduit, unit: u32) -> String {
    let mapped = match conduit.settings.get("unit_map") {
        Some(Setting::IntMap(map)) => map.get(&i64::from(unit)),
        _ => None,
    };
    match mapped {
        Some(to) => format!("peers' unit {unit} is unit {to} behind this conduit (`unit_map`): ask for unit {to}"),
        None => {
            let key = conduit.protocol.grammar().units_key;
            format!("add {unit} to `{key}` in [conduits.{}.{}]", conduit.name, conduit.protocol)
        }
    }
}

fn only(step: String) -> Change {
    Change { steps: vec![step], sentence: None }
}

fn by_rule(rule: Option<&Rule>, what: &str) -> Change {
    only(match rule {
        Some(rule) => format!("{what} {:?} at {}", rule.text, rule.place),
        None => format!("{what} the rule that covers it"),
    })
}
