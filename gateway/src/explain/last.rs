//! Why was the last message refused, and would it be refused again?

use std::io;

use serde_json::Value;
use sluicegate_config::plan::Site;
use sluicegate_proto::sentence::{Addressing, Form, Sentence};

use super::{Explanation, build, conduit_of, explain_stored, identity_of, schedules_now};
use crate::observe::audit;

/// The last denied record, explained by the configuration of today.
#[derive(Debug)]
pub struct Last {
    /// The record as it stands in the audit log.
    pub record: Value,
    /// One for each of its deeds that can still be judged.
    pub explanations: Vec<Explanation>,
    /// Why there is none, where there is none.
    pub note: Option<String>,
}

/// The last denied record of the site's audit log; `None` when nothing was denied.
///
/// # Errors
/// A log that is there and cannot be read.
pub fn last(site: &Site) -> io::Result<Option<Last>> {
    let Some(record) = audit::last_denied(&site.state)? else { return Ok(None) };
    let (explanations, note) = match explained(site, &record) {
        Ok(explanations) => (explanations, None),
        Err(note) => (Vec::new(), Some(note)),
    };
    Ok(Some(Last { record, explanations, note }))
}

/// Each deed is judged as a message of its own: the log keeps sentences, not messages.
fn explained(site: &Site, record: &Value) -> Result<Vec<Explanation>, String> {
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
    deeds.iter().map(judged).collect()
}
