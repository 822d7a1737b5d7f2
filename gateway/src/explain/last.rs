//! Why was the last message refused, and would it be refused again?

use std::io;

use serde_json::Value;
use sluicegate_config::plan::Site;
use sluicegate_proto::{
    sentence::{Addressing, Form, Sentence},
    vocab::Reason,
};

use super::{Explanation, build, conduit_of, explain_stored, identity_of, schedules_now};
use crate::observe::audit;

/// The last denied record, explained by the configuration of today.
#[derive(Debug)]
pub struct Last {
    /// The record as it stands in the audit log.
    pub record: Value,
    /// One for each of its deeds that can still be judged.
    pub explanations: Vec<Explanation>,
    /// Why a deed of it is not judged, or is judged otherwise than it was on the wire.
    pub note: Option<String>,
}

/// The last denied record of the site's audit log; `None` when nothing was denied.
///
/// # Errors
/// A log that is there and cannot be read.
pub fn last(site: &Site) -> io::Result<Option<Last>> {
    let Some(record) = audit::last_denied(&site.state)? else { return Ok(None) };
    if let Some(note) = no_rules(&record) {
        return Ok(Some(Last { record, explanations: Vec::new(), note: Some(note) }));
    }
    let (explanations, note) = match explained(site, &record) {
        Ok((explanations, left_out)) => (explanations, left_out.or_else(|| state_of_then(&record))),
        Err(note) => (Vec::new(), Some(note)),
    };
    Ok(Some(Last { record, explanations, note }))
}

/// What no rule has refused: a judgement by the rules of today would end in advice about rules, and none would help.
fn no_rules(record: &Value) -> Option<String> {
    let reason = record.get("reason").and_then(Value::as_str).and_then(Reason::parse)?;
    let look = match reason {
        Reason::UpstreamUnavailable => "look at the device, and at the way to it: `upstream` of the conduit",
        Reason::RequestTimeout => "look at the device; `request_timeout` is how long it may take",
        Reason::TooManyPending => {
            "the device is slower than its peers ask; `queue_timeout` and `pending` bound the wait"
        }
        Reason::DuplicateId => "the client uses a transaction id again before its answer has come",
        Reason::UnsolicitedResponse | Reason::ResponseMismatch => "the device answers something else than was asked",
        Reason::SessionConflict => "end the other session, or let it end",
        Reason::KillSwitch | Reason::Island => "it is released by hand only",
        Reason::InternalError => "look at what the gateway said: journalctl -u sluicegate",
        Reason::FunctionNotAllowed
        | Reason::AddressNotAllowed
        | Reason::ValueNotAllowed
        | Reason::StepNotAllowed
        | Reason::ConditionNotMet
        | Reason::UnitNotAllowed
        | Reason::DirectionNotAllowed
        | Reason::IdentityUnknown
        | Reason::IdentityNotAllowed
        | Reason::SourceNotAllowed
        | Reason::NoGrant
        | Reason::GrantExpired
        | Reason::GrantRevoked
        | Reason::OutsideSchedule
        | Reason::RateLimited
        | Reason::ScanLimited
        | Reason::Malformed
        | Reason::LengthMismatch
        | Reason::NotCanonical
        | Reason::UnknownProtocol
        | Reason::FrameTimeout
        | Reason::SessionLimit
        | Reason::PolicyChanged => return None,
    };
    Some(format!("no rule refused it: {}\n  = help: {look}", small(reason.says())))
}

/// A sentence in the middle of another.
fn small(says: &str) -> String {
    let mut letters = says.trim_end_matches('.').chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// A refusal that no policy repeats: what it hung on is gone, and a judgement without it reads like a contradiction.
fn state_of_then(record: &Value) -> Option<String> {
    let gone = match record.get("reason").and_then(Value::as_str)? {
        "rate_limited" => "a bucket was empty then; below, buckets count as full",
        "scan_limited" => "too many targets had been touched then; below, none have",
        "step_not_allowed" | "condition_not_met" => "the device's values of then are not known any more",
        "outside_schedule" => "the schedules of then held; below, those of now",
        _ => return None,
    };
    Some(gone.to_owned())
}

/// Each deed is judged as a message of its own: the log keeps sentences, not messages. One that no message does alone (the
/// read half of function 23) is left out and told.
fn explained(site: &Site, record: &Value) -> Result<(Vec<Explanation>, Option<String>), String> {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    let deeds = record.get("deeds").and_then(Value::as_array).filter(|all| !all.is_empty());
    let deeds = deeds.ok_or("the message was not whole or not legal: no rule decides that")?;
    let conduit = conduit_of(site, text("conduit").unwrap_or_default()).map_err(|fault| fault.to_string())?;
    let identity = identity_of(site, text("identity").unwrap_or_default()).map_err(|fault| fault.to_string())?;
    let grammar = conduit.protocol.grammar();
    let schedules = schedules_now(site);
    let judged = |deed: &Value| {
        let deed = deed.as_str().unwrap_or_default();
        let sentence = Sentence::parse(deed, Form::Rule, grammar, Addressing::ZeroBased);
        let sentence = sentence.map_err(|faults| super::told_fault(deed, &faults))?;
        let message = build(conduit, &sentence).map_err(|fault| format!("{deed}: {fault}"))?;
        Ok(explain_stored(conduit, identity, &message, schedules))
    };
    let (mut explanations, mut left_out) = (Vec::new(), Vec::<String>::new());
    for one in deeds.iter().map(judged) {
        match one {
            Ok(explanation) => explanations.push(explanation),
            Err(why) => left_out.push(why),
        }
    }
    match (explanations.is_empty(), left_out.is_empty()) {
        (true, _) => Err(left_out.join("\n  ")),
        (false, true) => Ok((explanations, None)),
        (false, false) => Ok((explanations, Some(left_out.join("\n  ")))),
    }
}
