//! How is a verdict explained on a terminal?

use std::{fmt::Write, path::Path};

use clap::Args;
use serde_json::{Value, json};
use sluicegate_proto::vocab::Mode;

use super::{Exit, complain, load, print, print_json};
use crate::explain::{self, Answer, Explanation, Outcome, RuleShown};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The conduit.
    #[arg(value_name = "CONDUIT", required_unless_present = "last")]
    conduit: Option<String>,
    /// As whom.
    #[arg(long = "as", value_name = "IDENTITY", required_unless_present = "last")]
    identity: Option<String>,
    /// What is sent, such as: write holding 40 = 1200
    #[arg(value_name = "SENTENCE", required_unless_present = "last", num_args = 1.., allow_negative_numbers = true)]
    sentence: Vec<String>,
    /// Explain the last denied record of the audit log instead.
    #[arg(long, conflicts_with_all = ["conduit", "identity", "sentence"])]
    last: bool,
    #[command(flatten)]
    json: super::Json,
}

pub(super) fn explain(config: &Path, args: &ExplainArgs) -> Exit {
    let loaded = match load(config) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    if args.last {
        return super::last::last(&loaded.site, args.json.json);
    }
    let (Some(conduit), Some(identity)) = (&args.conduit, &args.identity) else {
        return Exit::Usage;
    };
    match explain::explain(&loaded.site, conduit, identity, &args.sentence.join(" ")) {
        Ok(found) => show(&found, args.json.json),
        Err(fault) => {
            complain(&format!("error: {fault}\n"));
            Exit::Usage
        }
    }
}

/// Prints an explanation; its exit code says whether the message passes.
pub(super) fn show(found: &Explanation, as_json: bool) -> Exit {
    if as_json {
        print_json(&to_json(found));
    } else {
        print(&to_text(found));
    }
    if found.passes() { Exit::Good } else { Exit::Bad }
}

pub(super) fn to_text(found: &Explanation) -> String {
    let mut text = String::new();
    let outcome = outcome_text(&found.outcome);
    let mut deeds = String::new();
    for (place, deed) in found.deeds.iter().enumerate() {
        let _ = writeln!(deeds, "  {deed}");
        if let Some(written) = found.as_written.get(place) {
            let _ = writeln!(deeds, "  in this conduit's addressing: {written}");
        }
    }
    if found.reads.is_empty() {
        let (verdict, rest) = outcome.split_once('\n').unwrap_or((&outcome, ""));
        let _ = write!(text, "{verdict}\n{deeds}{rest}");
        return text;
    }
    let _ = write!(text, "depends on what the device holds\n{deeds}");
    for read in &found.reads {
        let _ = match found.mode {
            Mode::Enforce => writeln!(text, "  the gateway would first {read}"),
            Mode::Monitor | Mode::Learn => {
                writeln!(
                    text,
                    "  known from {read}, where a peer did so lately: {} mode never reads itself",
                    found.mode
                )
            }
        };
    }
    if let Some(rule) = &found.hangs_on {
        let _ = writeln!(text, "  then: allowed if that suits {}", rule_text(rule));
    }
    let _ = write!(text, "  without an answer, {outcome}");
    text
}

fn outcome_text(outcome: &Outcome) -> String {
    let mut text = String::new();
    match outcome {
        Outcome::Allowed { rules, always, spends } => {
            text.push_str("allowed\n");
            for rule in rules {
                let _ = writeln!(text, "  by {}", rule_text(rule));
            }
            if *always {
                text.push_str("  always: rate, max, step, when and schedule do not count\n");
            }
            if *spends {
                text.push_str("  it spends from a bucket; an empty one refuses with rate_limited\n");
            }
        }
        Outcome::Denied { reason, rule, by_deny_rule, answer, nearest } => {
            let word = if *answer == Answer::Device { "would be denied" } else { "denied" };
            let _ = writeln!(text, "{word}: {reason}");
            if let Some(rule) = rule {
                let how = if *by_deny_rule { "by deny rule" } else { "nearest rule" };
                let _ = writeln!(text, "  {how} {}", rule_text(rule));
            }
            let _ = writeln!(text, "  the peer gets: {answer}");
            for step in &nearest.steps {
                let _ = writeln!(text, "  = help: {step}");
            }
            if let Some(sentence) = &nearest.sentence {
                let _ = writeln!(text, "  = help: to allow exactly this, copy into allow:\n    {sentence:?},");
            }
        }
    }
    text
}

fn rule_text(rule: &RuleShown) -> String {
    format!("{} {:?} at {}", rule.id, rule.text, rule.place)
}

pub(super) fn to_json(found: &Explanation) -> Value {
    let mut document = json!({
        "conduit": found.conduit,
        "identity": found.identity,
        "deeds": found.deeds,
        "as_written": found.as_written,
        "mode": found.mode.as_str(),
        "reads_first": found.reads,
        "depends_on": found.hangs_on.as_ref().map(rule_json),
    });
    let outcome = outcome_json(&found.outcome);
    if found.reads.is_empty() {
        merge(&mut document, outcome);
    } else {
        merge(&mut document, json!({ "verdict": "depends", "unanswered": outcome }));
    }
    document
}

fn outcome_json(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Allowed { rules, always, spends } => json!({
            "verdict": "allowed",
            "reason": null,
            "rules": rules.iter().map(rule_json).collect::<Vec<_>>(),
            "always": always,
            "spends": spends,
        }),
        Outcome::Denied { reason, rule, by_deny_rule, answer, nearest } => json!({
            "verdict": if *answer == Answer::Device { "would_deny" } else { "denied" },
            "reason": reason.as_str(),
            "rules": rule.iter().map(rule_json).collect::<Vec<_>>(),
            "by_deny_rule": by_deny_rule,
            "answer": answer_json(answer),
            "nearest": { "steps": nearest.steps, "sentence": nearest.sentence },
        }),
    }
}

fn answer_json(answer: &Answer) -> Value {
    let mut object = json!({ "kind": answer.kind() });
    if let Answer::Exception { code, words, .. } = answer {
        merge(&mut object, json!({ "code": code, "words": words }));
    }
    object
}

pub(super) fn rule_json(rule: &RuleShown) -> Value {
    json!({ "id": rule.id, "text": rule.text, "allow": rule.allow, "place": rule.place })
}

fn merge(document: &mut Value, more: Value) {
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
}
