//! Why was the last message refused?

use std::fmt::Write;

use serde_json::{Value, json};
use sluicegate_config::plan::Site;

use super::{Exit, complain, explain, print, print_json};
use crate::explain::last as history;

pub(super) fn last(site: &Site, as_json: bool) -> Exit {
    match history::last(site) {
        Ok(None) => {
            if as_json {
                print_json(&json!({ "record": null, "explanations": [] }));
            } else {
                print("nothing was denied\n");
            }
            Exit::Good
        }
        Ok(Some(found)) => {
            if as_json {
                let all: Vec<_> = found.explanations.iter().map(explain::to_json).collect();
                print_json(&json!({ "record": found.record, "explanations": all, "note": found.note }));
            } else {
                print(&to_text(&found));
            }
            Exit::Bad
        }
        Err(fault) => {
            complain(&format!("error: the audit trail below {} cannot be read: {fault}\n", site.state.display()));
            Exit::Usage
        }
    }
}

fn to_text(found: &history::Last) -> String {
    let text_of = |key: &str| found.record.get(key).and_then(Value::as_str).unwrap_or("-");
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} {} on {} from {} as {}: {}",
        text_of("time"),
        text_of("event"),
        text_of("conduit"),
        text_of("source"),
        text_of("identity"),
        text_of("reason"),
    );
    if let Some(rule) = found.record.get("rule") {
        let part = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or("-");
        let _ = writeln!(text, "  rule {} at {}, as it was then", part("id"), part("place"));
    }
    if let Some(note) = &found.note {
        let _ = writeln!(text, "  {note}");
    }
    if !found.explanations.is_empty() {
        text.push_str("by the configuration as it is now:\n");
    }
    for one in &found.explanations {
        text.push_str(&explain::to_text(one));
    }
    text
}
