//! Does the reference say what the program knows? It is made from the program's own tables.
//!
//! `SLUICEGATE_UPDATE=1 cargo test -p sluicegate --test sluicegate-tests reference` writes it anew.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};
use sluicegate::{
    cli::Cli,
    observe::{
        metrics::Limit,
        series::{Kind, PREFIX, SERIES},
    },
};
use sluicegate_proto::{
    half::PeerOptions,
    policy::Denied,
    protocol::Protocol,
    sentence::{Index, ObjectSpec, clause_forms},
    vocab::{Cause, Mode, OnDeny, Reason, Repair, VerdictWord},
};

use crate::house::root;

const PATH: &str = "docs/reference.md";

#[test]
fn the_reference_is_what_the_tables_say() {
    let page = page();
    let path = root().join(PATH);
    if std::env::var_os("SLUICEGATE_UPDATE").is_some() {
        std::fs::write(&path, &page).expect("the reference can be written");
    }
    let written = std::fs::read_to_string(&path).expect("the reference is there");
    let differs = page.lines().zip(written.lines()).position(|(now, then)| now != then);
    assert!(
        page == written,
        "{PATH} differs from the tables at line {}; SLUICEGATE_UPDATE=1 writes it anew",
        differs.unwrap_or_else(|| page.lines().count().min(written.lines().count())) + 1
    );
}

#[test]
fn every_reason_cause_and_limit_says_what_it_means() {
    let reasons = Reason::ALL.iter().map(|one| (one.as_str(), one.says()));
    let causes = Cause::ALL.iter().map(|one| (one.as_str(), one.says()));
    let limits = Limit::ALL.iter().map(|one| (one.as_str(), one.says()));
    for (word, says) in reasons.chain(causes).chain(limits) {
        assert!(says.len() > 10 && says.ends_with('.'), "{word}: {says:?}");
        assert!(!says.contains("  ") && !says.contains('|'), "{word}: {says:?} stands in a table");
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Reference\n\nMade from the program's own tables; a test holds it against them. What each thing is for stands in\n\
         [sentences.md](sentences.md) and [commands.md](commands.md).\n",
    );
    commands(&mut page);
    for protocol in Protocol::ALL {
        sentences(&mut page, *protocol);
        refusals(&mut page, *protocol);
    }
    let causes: Vec<_> = Cause::ALL.iter().map(|one| (one.as_str(), one.says())).collect();
    meanings(&mut page, "Causes", "Why a session ended, in metrics and audit.", &causes);
    let limits: Vec<_> = Limit::ALL.iter().map(|one| (one.as_str(), one.says())).collect();
    meanings(&mut page, "Limits", "What `sluicegate_limited_total` counts.", &limits);
    let repairs: Vec<_> = Repair::ALL.iter().map(|one| (one.as_str(), one.says())).collect();
    meanings(&mut page, "Repairs", "What `repairs_total` counts.", &repairs);
    words(&mut page, "Verdicts", "", VerdictWord::ALL);
    words(&mut page, "Modes", "", Mode::ALL);
    words(&mut page, "Answers to a refused message (`on_deny`)", "", OnDeny::ALL);
    metrics(&mut page);
    // The configuration's page is one of its own: here its headings go one level down.
    for line in sluicegate_config::reference().lines() {
        let deeper = if line.starts_with('#') { "#" } else { "" };
        let _ = writeln!(page, "{deeper}{line}");
    }
    page
}

fn table(page: &mut String, heads: &[&str]) {
    let _ = writeln!(page, "| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
}

fn commands(page: &mut String) {
    page.push_str("\n## Commands\n\n");
    table(page, &["command", "does"]);
    rows(page, &Cli::command(), "");
    page.push_str("\nWith every command:\n\n");
    table(page, &["option", "says"]);
    for arg in Cli::command().get_arguments().filter(|arg| arg.is_global_set()) {
        let default =
            arg.get_default_values().first().map(|one| one.to_string_lossy().into_owned()).unwrap_or_default();
        let env = arg.get_env().map(|one| format!("; `{}` says it too", one.to_string_lossy())).unwrap_or_default();
        let _ = writeln!(page, "| `{}` | {} `{default}` unless told{env} |", shown(arg), help(arg.get_help()));
    }
}

fn rows(page: &mut String, command: &Command, before: &str) {
    for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
        let name = format!("{before}{}", one.get_name());
        if one.has_subcommands() {
            rows(page, one, &format!("{name} "));
            continue;
        }
        let args: Vec<_> = one.get_arguments().filter(|arg| !arg.is_global_set()).map(shown).collect();
        let usage = [vec![name], args].concat().join(" ");
        let _ = writeln!(page, "| `{usage}` | {} |", help(one.get_about()));
    }
}

/// `--as IDENTITY`, `[--json]`, `CONDUIT`.
fn shown(arg: &Arg) -> String {
    let takes = arg.get_action().takes_values();
    let value = || arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
    let text = match arg.get_long() {
        Some(long) if takes => format!("--{long} {}", value()),
        Some(long) => format!("--{long}"),
        None => value(),
    };
    if arg.is_required_set() || arg.is_global_set() { text } else { format!("[{text}]") }
}

fn help(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(|text| text.to_string().replace('\n', " ").replace('|', "\\|")).unwrap_or_default()
}

fn sentences(page: &mut String, protocol: Protocol) {
    let grammar = protocol.grammar();
    let _ =
        writeln!(page, "\n## Sentences of {protocol}\n\n`WHO CLASS OBJECT [RANGES]`, then clauses in this order:\n");
    table(page, &["clause", "says", "stands in"]);
    for one in clause_forms(grammar) {
        let place = if one.rules_only { "rules" } else { "rules, deeds" };
        let form = one.form.replace('|', "\\|");
        let _ = writeln!(page, "| `{form}` | {}{} | {place} |", one.says, unserved(one.served));
    }
    page.push('\n');
    table(page, &["object", "index", "classes"]);
    for one in grammar.objects {
        let classes: Vec<_> = one.classes.iter().map(|class| class.as_str()).collect();
        let _ = writeln!(page, "| `{}` | {}{} | {} |", one.word, index(one), unserved(one.served), classes.join(", "));
    }
    page.push('\n');
    table(page, &["function", "name", "object", "class", ""]);
    for one in grammar.functions {
        let object = grammar.objects.get(usize::from(one.object.0)).expect("a function's object is in the table").word;
        let named = if one.named_only { "must be named with `via`" } else { "" };
        let _ = writeln!(page, "| {} | {} | `{object}` | {} | {named} |", one.code, one.name, one.class);
    }
    if grammar.objects.iter().any(|one| one.index == Index::Code) {
        page.push_str("\nAny other function: `program function N`.\n");
    }
    for one in grammar.twins {
        let object = grammar.object(one.object).expect("a twin's object is in the table").word;
        let only = one.function.map_or(String::new(), |code| format!(", function {code} only"));
        let _ = write!(
            page,
            "{}`{}` is `{object}`{only}.",
            if one.word == grammar.twins[0].word { "\n" } else { " " },
            one.word
        );
    }
    if !grammar.twins.is_empty() {
        page.push('\n');
    }
    for preset in protocol.presets() {
        let sentences: Vec<_> = preset.sentences.iter().map(|one| format!("`{one}`")).collect();
        let _ = writeln!(page, "\n`preset = \"{}\"` stands for {}.", preset.name, sentences.join(", "));
    }
}

fn index(object: &ObjectSpec) -> String {
    match object.index {
        Index::None => "none".to_owned(),
        Index::Address { max } => format!("addresses 0-{max}, by the conduit's `addressing`"),
        Index::Number { max } => format!("numbers 0-{max}"),
        Index::Code => "a function code, `43/13` with its sub-code".to_owned(),
        Index::FileRecord => "`FILE:FIRST-LAST`".to_owned(),
    }
}

fn refusals(page: &mut String, protocol: Protocol) {
    let _ = writeln!(page, "\n## Reasons, and what {protocol} answers\n");
    table(page, &["reason", "answer", "means"]);
    for reason in Reason::ALL {
        let answer = protocol
            .answer(&Denied::because(*reason), &PeerOptions::default())
            .map_or_else(|| "none".to_owned(), |code| format!("{} {code:02X}", protocol.answer_word()));
        let _ = writeln!(page, "| `{reason}` | {answer} | {} |", reason.says());
    }
}

fn words<T: std::fmt::Display>(page: &mut String, title: &str, says: &str, all: &[T]) {
    let list: Vec<_> = all.iter().map(|one| format!("`{one}`")).collect();
    let says = if says.is_empty() { String::new() } else { format!("{says}\n\n") };
    let _ = writeln!(page, "\n## {title}\n\n{says}{}", list.join(" "));
}

/// A closed list whose words need a sentence each.
fn meanings(page: &mut String, title: &str, says: &str, all: &[(&str, &str)]) {
    let _ = writeln!(page, "\n## {title}\n\n{says}\n");
    table(page, &["word", "means"]);
    for (word, means) in all {
        let _ = writeln!(page, "| `{word}` | {means} |");
    }
}

fn metrics(page: &mut String) {
    page.push_str(
        "\n## Metrics\n\nLabel values come from the configuration or a closed list, never from the wire.\n\n",
    );
    table(page, &["series", "type", "labels", "says"]);
    for one in SERIES {
        let kind = match one.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<_> = one.labels.iter().map(|label| label.label()).collect();
        let _ = writeln!(page, "| `{PREFIX}{}` | {kind} | {} | {} |", one.name, labels.join(", "), one.help);
    }
    page.push('\n');
}

fn unserved(served: bool) -> &'static str {
    if served { "" } else { ". Not served yet" }
}
