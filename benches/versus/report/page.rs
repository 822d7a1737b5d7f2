//! What do the results look like as a part of docs/performance.md?

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use serde_json::Value;

use super::targets;

/// The results stand between these two lines of the page.
const START: &str =
    "<!-- results: written by `cargo bench --bench versus -- --render FILE --page docs/performance.md` -->";
const END: &str = "<!-- end of results -->";

/// Prints the results of the run that `file` tells, or writes them into `page` between its two marks.
pub(crate) fn render(file: &Path, into: Option<&Path>) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let run: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let results = page(&run);
    let Some(into) = into else {
        print!("{results}");
        return Ok(());
    };
    let old = fs::read_to_string(into).map_err(|error| format!("{}: {error}", into.display()))?;
    let (before, rest) = old.split_once(START).ok_or_else(|| format!("{} has no line {START}", into.display()))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("{} has no line {END}", into.display()))?;
    let new = format!("{before}{START}\n\n{results}\n{END}{after}");
    fs::write(into, new).map_err(|error| format!("{}: {error}", into.display()))
}

/// The results in Markdown.
pub(super) fn page(run: &Value) -> String {
    let mut page = String::new();
    head(&mut page, run);
    let _ = writeln!(page, "### Targets\n\n| figure | target | found | |\n|---|---|---|---|");
    for row in targets::judge(run).iter().map(targets::Row::json) {
        let word = |name: &str| row[name].as_str().unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            word("figure"),
            word("target").replace('<', "&lt;"),
            word("found"),
            word("verdict")
        );
    }
    for scenario in run["scenarios"].as_array().into_iter().flatten() {
        self::scenario(&mut page, run, scenario);
    }
    let failures: BTreeSet<String> = run["failures"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| format!("- {}, {}: {}", text(&one["scenario"]), text(&one["contender"]), text(&one["why"])))
        .collect();
    if !failures.is_empty() {
        let _ = writeln!(page, "\n### What has no figures, and why\n");
        failures.iter().for_each(|line| page.push_str(&format!("{line}\n")));
    }
    page
}

fn head(page: &mut String, run: &Value) {
    let (head, machine) = (&run["run"], &run["run"]["machine"]);
    let _ = writeln!(
        page,
        "`{}`, {}, release build, commit {}: {}, {} cores, {}, {}. {} rounds of {} s.{}\n",
        text(&head["command"]),
        text(&head["date"]),
        text(&head["commit"]),
        text(&machine["cpu"]),
        machine["cores"],
        text(&machine["kernel"]),
        text(&head["rustc"]),
        head["rounds"],
        head["seconds"],
        if head["quotable"] == true { "" } else { " **Not to be quoted: a short run.**" },
    );
    let _ = writeln!(page, "| contender | version |\n|---|---|");
    for one in run["contenders"].as_array().into_iter().flatten() {
        let told = match one["missing"].as_str() {
            Some(why) => format!("**missing**: {why}"),
            None => text(&one["version"]).to_owned(),
        };
        let _ = writeln!(page, "| {} | {told} |", text(&one["name"]));
    }
    page.push('\n');
}

fn scenario(page: &mut String, run: &Value, scenario: &Value) {
    let Some(rows) = scenario["figures"].as_object() else { return };
    let order = run["contenders"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str());
    let order: Vec<&str> = order.filter(|name| rows.contains_key(*name)).collect();
    let mut columns: Vec<&str> = Vec::new();
    for name in order.iter().filter_map(|name| rows[*name].as_object()).flat_map(|row| row.keys()) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    columns.sort_by_key(|name| COLUMNS.iter().position(|known| known == name).unwrap_or(COLUMNS.len()));
    let _ = writeln!(page, "\n### {}\n\n{}.\n", text(&scenario["name"]), text(&scenario["what"]));
    let _ = writeln!(page, "| | {} |\n|---|{}", columns.join(" | "), "---:|".repeat(columns.len()));
    for name in order {
        let cells: Vec<String> = columns.iter().map(|column| cell(&rows[name][*column])).collect();
        let _ = writeln!(page, "| {name} | {} |", cells.join(" | "));
    }
}

/// In this order; whatever is not named comes after.
const COLUMNS: &[&str] = &[
    "base-cpu-us",
    "cpu-us",
    "MB/cpu-s",
    "MB/s",
    "base-per-s",
    "per-s",
    "calm-p50-us",
    "p50-us",
    "calm-p99-us",
    "p99-us",
    "p99.9-us",
    "lost",
    "bytes/session",
    "MiB",
];

/// The median, and the spread behind it.
fn cell(spread: &Value) -> String {
    let value = |which: &str| spread[which].as_f64();
    let (Some(median), Some(least), Some(most)) = (value("median"), value("least"), value("most")) else {
        return String::new();
    };
    let digits = if median >= 100.0 || median == 0.0 { 0 } else { 1 };
    format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
