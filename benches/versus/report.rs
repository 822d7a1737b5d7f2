//! How is a run told: as a table, as JSON, as plots, as a page?
//!
//! ```text
//! report    what was measured, as tables on the terminal and as JSON
//! targets   what was aimed at, and whether it was reached
//! plot      bars of a scenario, as SVG
//! page      the results of docs/performance.md, from the JSON of a run
//! ```

#[path = "report/page.rs"]
mod page;
#[path = "report/plot.rs"]
mod plot;
#[path = "report/targets.rs"]
pub(crate) mod targets;

use std::{collections::BTreeMap, fmt::Write as _, fs, process::Command};

use serde_json::{Map, Value, json};

pub(crate) use self::page::render;
use crate::{
    contender::{Contender, Kind},
    plan::Plan,
    scenario::{Figures, Scenario},
    stats::Spread,
};

/// All that was measured so far.
pub(crate) struct Report {
    header: Value,
    contenders: Vec<Value>,
    order: Vec<&'static str>,
    /// scenario -> contender -> figure -> one value a round
    rows: BTreeMap<&'static str, BTreeMap<&'static str, Columns>>,
    scenarios: Vec<Value>,
    failures: Vec<Value>,
}

type Columns = Vec<(&'static str, Vec<f64>)>;

impl Report {
    pub(crate) fn new(plan: &Plan, words: &[String]) -> Self {
        let told = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
        };
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
        let header = json!({
            "command": format!("cargo bench --bench versus -- {}", words.join(" ")).trim_end_matches([' ', '-']),
            "commit": told("git", &["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]),
            "date": told("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            "quotable": !plan.quick && !cfg!(debug_assertions) && plan.rounds >= 5,
            "rounds": plan.rounds,
            "seconds": plan.seconds.as_secs_f64(),
            "machine": { "kernel": told("uname", &["-sr"]), "cpu": model.trim_matches([' ', '\t', ':']),
                         "cores": std::thread::available_parallelism().map_or(0, usize::from) },
            "rustc": told("rustc", &["-V"]),
        });
        println!("{header:#}");
        Self {
            header,
            contenders: Vec::new(),
            order: Vec::new(),
            rows: BTreeMap::new(),
            scenarios: Vec::new(),
            failures: Vec::new(),
        }
    }

    pub(crate) fn present(&mut self, one: &Contender, version: &str) {
        println!("{:<18} {version}", one.name);
        self.order.push(one.name);
        self.contenders.push(json!({ "name": one.name, "kind": kind(one.kind), "version": version }));
    }

    /// A missing contender is named loudly: its column would make the run look better than it is.
    pub(crate) fn missing(&mut self, one: &Contender, why: &str) {
        println!("!! {:<15} MISSING: {why}", one.name);
        self.contenders.push(json!({ "name": one.name, "kind": kind(one.kind), "missing": why }));
    }

    pub(crate) fn add(&mut self, scenario: &Scenario, one: &Contender, figures: Figures) {
        let columns = self.rows.entry(scenario.name).or_default().entry(one.name).or_default();
        for (name, value) in figures.0 {
            match columns.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => columns.push((name, vec![value])),
            }
        }
    }

    pub(crate) fn failed(&mut self, scenario: &Scenario, one: &Contender, why: &str) {
        self.failures.push(json!({ "scenario": scenario.name, "contender": one.name, "why": why }));
    }

    /// Closes a scenario and prints its rows: medians, the spread in brackets, and ours against the best peer.
    pub(crate) fn table(&mut self, scenario: &Scenario) {
        println!("\n{}: {}", scenario.name, scenario.what);
        let Some(rows) = self.rows.get(scenario.name) else { return println!("  nobody") };
        let mut told = Map::new();
        for name in &self.order {
            let Some(columns) = rows.get(name) else { continue };
            let (mut figures, mut line) = (Map::new(), format!("  {name:<18}"));
            for (figure, values) in columns {
                let Some(spread) = Spread::of(values) else { continue };
                let _ = write!(line, "{figure} {:.1} [{:.1}..{:.1}]  ", spread.median, spread.least, spread.most);
                let value =
                    json!({ "median": spread.median, "least": spread.least, "most": spread.most, "rounds": values });
                figures.insert((*figure).into(), value);
            }
            println!("{line}");
            told.insert((*name).into(), Value::Object(figures));
        }
        self.scenarios.push(json!({ "name": scenario.name, "what": scenario.what, "figures": told }));
        let run = self.json();
        for (ours, figure) in [("sluicegate", "cpu-us"), ("sluicegate-shared", "cpu-us"), ("sluicegate", "p50-us")] {
            if let Some((ratio, peer)) = targets::against_best_peer(&run, scenario.name, figure, ours) {
                println!("  {ours} / best peer, {figure}: {ratio:.2} ({peer})");
            }
        }
    }

    fn json(&self) -> Value {
        json!({ "run": self.header, "contenders": self.contenders, "scenarios": self.scenarios, "failures": self.failures })
    }

    /// Prints the targets; writes `versus.json`, a plot a scenario, and the page.
    pub(crate) fn finish(&self, plan: &Plan) {
        let mut run = self.json();
        let rows = targets::judge(&run);
        println!("\nTargets (medians of {} rounds of this run)", plan.rounds);
        rows.iter().for_each(|row| println!("  {row}"));
        for missing in self.contenders.iter().filter(|one| one.get("missing").is_some()) {
            println!("!! not in this run: {}: {}", missing["name"], missing["missing"]);
        }
        run["targets"] = rows.iter().map(targets::Row::json).collect();
        let write = |name: String, text: String| {
            let file = plan.out.join(name);
            match fs::create_dir_all(&plan.out).and_then(|()| fs::write(&file, text)) {
                Ok(()) => println!("{}", file.display()),
                Err(error) => eprintln!("{}: {error}", file.display()),
            }
        };
        write("versus.json".into(), format!("{run:#}\n"));
        write("versus.md".into(), page::page(&run));
        for scenario in &self.scenarios {
            if let Some(svg) = plot::svg(scenario, &self.contenders) {
                write(format!("{}.svg", scenario["name"].as_str().unwrap_or_default()), svg);
            }
        }
        if plan.quick {
            println!("a quick run: not to be quoted");
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Direct => "direct",
        Kind::Floor => "floor",
        Kind::Peer => "peer",
        Kind::Lesser => "lesser",
        Kind::Ours => "ours",
        Kind::OursShared => "ours-shared",
        Kind::Pair => "pair",
        Kind::PairFloor => "pair-floor",
        Kind::Inspector => "inspector",
    }
}
