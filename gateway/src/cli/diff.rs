//! How is the difference of two configurations shown?

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use sluicegate_config::difference::{Change, Kind, Said, What};

use super::{Exit, complain, load, print, print_json};
use crate::compare::{Compared, Comparison, ForPeers, compare};

/// Which configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A file, with all that it includes.
    File(PathBuf),
    /// What the daemon runs, or ran.
    Daemon(String),
}

impl FromStr for Source {
    type Err = std::convert::Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let daemon = word == "running" || word == "history" || word.starts_with("history:");
        Ok(if daemon { Self::Daemon(word.to_owned()) } else { Self::File(word.into()) })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The configuration before: a file
    #[arg(value_name = "A")]
    before: Source,
    /// The configuration after
    #[arg(value_name = "B")]
    now: Source,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Exit with 1 where anything changes
    #[arg(long)]
    fail_on_change: bool,
    #[command(flatten)]
    json: super::Json,
}

pub(super) fn diff(args: &DiffArgs) -> Exit {
    let mut sites = Vec::new();
    for source in [&args.before, &args.now] {
        match read(source) {
            Ok(loaded) => sites.push(loaded.site),
            Err(exit) => return exit,
        }
    }
    let [before, now] = sites.as_slice() else { return Exit::Usage };
    let found = compare(before, now);
    if args.json.json || args.format == Format::Json {
        print_json(&to_json(&found));
    } else {
        print(&to_text(&found));
    }
    let mut untold = false;
    for (conduit, peers, fault) in found.faults() {
        complain(&format!("error: {} on {}: {fault}\n", peers.peers.join(", "), conduit.conduit));
        untold = true;
    }
    if untold || (args.fail_on_change && !found.is_empty()) { Exit::Bad } else { Exit::Good }
}

fn read(source: &Source) -> Result<sluicegate_config::Loaded, Exit> {
    match source {
        Source::File(path) => load(Path::new(path)),
        Source::Daemon(word) => {
            complain(&format!(
                "error: `{word}` asks the daemon, which this version cannot: name a file (./{word} is one)\n"
            ));
            Err(Exit::Usage)
        }
    }
}

fn to_text(found: &Comparison) -> String {
    let mut text = String::new();
    for note in &found.settings {
        let _ = writeln!(text, "{note}");
    }
    for conduit in &found.conduits {
        let _ = writeln!(text, "conduit {}", conduit.conduit);
        for note in &conduit.settings {
            let _ = writeln!(text, "  {note}");
        }
        for peers in &conduit.peers {
            peers_text(conduit, peers, &mut text);
        }
    }
    if found.is_empty() {
        text.push_str("nothing changes\n");
    }
    text
}

fn peers_text(conduit: &Compared, peers: &ForPeers, text: &mut String) {
    let _ = writeln!(text, "  {}", peers.peers.join(", "));
    let Ok(changes) = &peers.changes else {
        text.push_str("    cannot be told exactly\n");
        return;
    };
    let sections = [
        (Kind::Allowed, "newly allowed"),
        (Kind::Refused, "newly refused"),
        (Kind::Terms, "allowed on other terms"),
        (Kind::Kept, "not among them, as it was"),
    ];
    for (kind, title) in sections {
        let mut of_kind = changes.iter().filter(|change| change.kind == kind).peekable();
        if of_kind.peek().is_some() {
            let _ = writeln!(text, "    {title}:");
        }
        of_kind.for_each(|change| change_text(change, conduit, &peers.who, text));
    }
}

fn change_text(change: &Change, conduit: &Compared, who: &str, text: &mut String) {
    let say = |all: &[Said], before: &str, text: &mut String| {
        for said in all {
            let words: String = said.words.iter().map(|word| format!(", {word}")).collect();
            let _ = writeln!(text, "      {before}{}{words}", conduit.show(said, who));
        }
    };
    let rules = !matches!(change.what, What::Points(_)) && !change.before.is_empty() && !change.now.is_empty();
    match change.kind {
        Kind::Kept => say(&change.now, "", text),
        Kind::Allowed | Kind::Refused if !rules || change.before == change.now => {
            say(if change.kind == Kind::Allowed { &change.now } else { &change.before }, "", text);
        }
        Kind::Allowed | Kind::Refused | Kind::Terms => {
            say(&change.before, "before: ", text);
            say(&change.now, "now:    ", text);
        }
    }
}

fn to_json(found: &Comparison) -> Value {
    let conduits = found.conduits.iter().map(|conduit| {
        let peers = conduit.peers.iter().map(|peers| {
            let changes = peers
                .changes
                .as_ref()
                .map(|all| all.iter().map(|change| change_json(change, conduit, &peers.who)).collect::<Vec<_>>());
            let (changes, fault) = match changes {
                Ok(changes) => (json!(changes), Value::Null),
                Err(fault) => (Value::Null, json!(fault.to_string())),
            };
            json!({ "peers": peers.peers, "who": peers.who, "changes": changes, "fault": fault })
        });
        json!({
            "conduit": conduit.conduit,
            "settings": conduit.settings,
            "identities": peers.collect::<Vec<_>>(),
        })
    });
    json!({ "changes": !found.is_empty(), "settings": found.settings, "conduits": conduits.collect::<Vec<_>>() })
}

/// Numbers are zero-based.
fn change_json(change: &Change, conduit: &Compared, who: &str) -> Value {
    let grammar = conduit.protocol.grammar();
    let say = |all: &[Said]| {
        let one = |said: &Said| {
            let sentence = sluicegate_proto::sentence::Sentence { who: Some(who.to_owned()), ..said.sentence.clone() };
            json!({ "sentence": sentence.print(grammar), "words": said.words })
        };
        all.iter().map(one).collect::<Vec<_>>()
    };
    let kind = match change.kind {
        Kind::Allowed => "allowed",
        Kind::Refused => "refused",
        Kind::Terms => "terms",
        Kind::Kept => "kept",
    };
    let (what, ranges) = match &change.what {
        What::Points(points) => ("points", points.ranges.clone()),
        What::Message(range) => ("message", vec![*range]),
        What::Touched(range) => ("touched", vec![*range]),
        What::Elements(range) => ("elements", vec![*range]),
    };
    let mut object = json!({
        "change": kind, "of": what, "ranges": ranges, "before": say(&change.before), "now": say(&change.now),
    });
    if let What::Points(points) = &change.what {
        let word = grammar.object(points.object).map_or("?", |one| one.word);
        object["class"] = points.class.as_str().into();
        object["object"] = word.into();
        object["functions"] = json!(points.functions);
        object["units"] = json!(points.units);
        object["qualifiers"] = json!(points.qualifiers);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_a_file_or_the_daemons() {
        for (word, source) in [
            ("new.toml", Source::File("new.toml".into())),
            ("./running", Source::File("./running".into())),
            ("running", Source::Daemon("running".to_owned())),
            ("history:3", Source::Daemon("history:3".to_owned())),
        ] {
            assert_eq!(word.parse(), Ok(source));
        }
    }
}
