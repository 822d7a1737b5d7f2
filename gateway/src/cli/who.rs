//! How is the answer to "who can do this?" shown?

use std::{fmt::Write, path::Path};

use clap::Args;
use serde_json::json;

use super::{Exit, complain, explain, load, print, print_json};
use crate::explain::{ExplainError, Outcome, Reach, Standing, reach, who_can as find};

#[derive(Debug, Args)]
pub(super) struct WhoArgs {
    /// What is sent, such as: write holding 40 = 1200
    #[arg(value_name = "SENTENCE", required = true, num_args = 1.., allow_negative_numbers = true)]
    sentence: Vec<String>,
    #[command(flatten)]
    json: super::Json,
}

pub(super) fn who_can(config: &Path, args: &WhoArgs) -> Exit {
    let loaded = match load(config) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    match find(&loaded.site, &args.sentence.join(" ")) {
        Ok(standings) => {
            if args.json.json {
                show_json(&standings);
            } else {
                print(&to_text(&standings));
            }
            if standings.iter().any(Standing::may) { Exit::Good } else { Exit::Bad }
        }
        // No single message: the sentence is a set of them.
        Err(ExplainError::Build(_)) => of_set(&loaded.site, args),
        Err(fault) => {
            complain(&format!("error: {fault}\n"));
            Exit::Usage
        }
    }
}

fn of_set(site: &sluicegate_config::plan::Site, args: &WhoArgs) -> Exit {
    match reach(site, &args.sentence.join(" ")) {
        Ok(all) => {
            if args.json.json {
                print_json(&json!({ "reaches": all.iter().map(reach_json).collect::<Vec<_>>() }));
            } else {
                print(&reach_text(&all));
            }
            if all.iter().any(Reach::may) { Exit::Good } else { Exit::Bad }
        }
        Err(fault) => {
            complain(&format!("error: {fault}\n"));
            if matches!(fault, ExplainError::TooComplex(_)) { Exit::Bad } else { Exit::Usage }
        }
    }
}

fn reach_text(all: &[Reach]) -> String {
    let mut text = String::new();
    for one in all.iter().filter(|one| one.may()) {
        let _ = writeln!(text, "{} on {}", one.identity, one.conduit);
        for (word, sentences) in [("may", &one.may), ("not", &one.may_not)] {
            for sentence in sentences {
                let _ = writeln!(text, "  {word}  {sentence}");
            }
        }
    }
    if text.is_empty() {
        text.push_str("nobody\n");
    }
    text
}

fn reach_json(one: &Reach) -> serde_json::Value {
    json!({
        "conduit": one.conduit, "identity": one.identity, "kept_out": one.kept_out, "may": one.may, "may_not": one.may_not,
    })
}

fn to_text(standings: &[Standing]) -> String {
    let mut text = String::new();
    for one in standings.iter().filter(|one| one.may()) {
        let _ = write!(text, "{} on {}", one.identity, one.conduit);
        let rules = match &one.explanation.outcome {
            Outcome::Allowed { rules, .. } => rules.clone(),
            Outcome::Denied { .. } => one.explanation.hangs_on.iter().cloned().collect(),
        };
        for rule in rules {
            let _ = write!(text, "  {} at {}", rule.id, rule.place);
        }
        for read in &one.explanation.reads {
            let _ = write!(text, "  (the gateway would first {read})");
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("nobody\n");
    }
    text
}

fn show_json(standings: &[Standing]) {
    let all = standings.iter().map(|one| {
        let mut document = explain::to_json(&one.explanation);
        if let Some(document) = document.as_object_mut() {
            document.insert("may".to_owned(), json!(one.may()));
            document.insert("kept_out".to_owned(), json!(one.kept_out));
        }
        document
    });
    print_json(&json!({ "standings": all.collect::<Vec<_>>() }));
}
