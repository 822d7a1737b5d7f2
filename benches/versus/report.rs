//! How is a run told: as a table, as JSON, as plots?

use std::{collections::BTreeMap, fmt::Write as _, fs, process::Command};

use serde_json::{Value, json};

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
    order: Vec<(&'static str, Kind)>,
    /// scenario -> contender -> figure -> one value a round
    rows: BTreeMap<&'static str, BTreeMap<&'static str, Columns>>,
    scenarios: Vec<Value>,
    failures: Vec<Value>,
}

type Columns = Vec<(&'static str, Vec<f64>)>;

impl Report {
    pub(crate) fn new(plan: &Plan) -> Self {
        let told = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
        };
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let header = json!({
            "quotable": !plan.quick && !cfg!(debug_assertions),
            "rounds": plan.rounds,
            "seconds": plan.seconds.as_secs(),
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
        println!("{:<16} {version}", one.name);
        self.order.push((one.name, one.kind));
        self.contenders.push(json!({ "name": one.name, "version": version }));
    }

    /// A missing contender is named loudly: its column would make the run look better than it is.
    pub(crate) fn missing(&mut self, one: &Contender, why: &str) {
        println!("!! {:<13} MISSING: {why}", one.name);
        self.contenders.push(json!({ "name": one.name, "missing": why }));
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

    /// Prints a scenario's rows: medians, the spread in brackets, and ours against the best peer.
    pub(crate) fn table(&mut self, scenario: &Scenario) {
        println!("\n{}: {}", scenario.name, scenario.what);
        let Some(rows) = self.rows.get(scenario.name) else { return println!("  nobody") };
        let mut told = serde_json::Map::new();
        for (name, _) in &self.order {
            let Some(columns) = rows.get(name) else { continue };
            let mut line = format!("  {name:<16}");
            let mut figures = serde_json::Map::new();
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
        let ratios = self.ratios(scenario.name);
        ratios.iter().for_each(|(figure, peer, ratio)| println!("  ours / best peer, {figure}: {ratio:.2} ({peer})"));
        let ratios: Vec<Value> = ratios
            .into_iter()
            .map(|(figure, peer, ratio)| json!({ "figure": figure, "peer": peer, "ratio": ratio }))
            .collect();
        self.scenarios.push(json!({
            "name": scenario.name, "what": scenario.what, "figures": told, "ours_against_best_peer": ratios
        }));
    }

    /// Ours against the best peer, where less is better.
    fn ratios(&self, scenario: &str) -> Vec<(&'static str, &'static str, f64)> {
        let Some(rows) = self.rows.get(scenario) else { return Vec::new() };
        let median = |name: &str, figure: &str| {
            let values = rows.get(name)?.iter().find(|(known, _)| *known == figure)?;
            Some(Spread::of(&values.1)?.median)
        };
        let named = |kind: Kind| self.order.iter().filter(move |(_, one)| *one == kind).map(|(name, _)| *name);
        let mut ratios = Vec::new();
        for figure in ["cpu-us", "p50-us", "p99-us", "bytes/session"] {
            let best = named(Kind::Peer)
                .filter_map(|name| Some((name, median(name, figure)?)))
                .min_by(|one, other| one.1.total_cmp(&other.1));
            let ours = named(Kind::Ours).find_map(|name| median(name, figure));
            if let (Some((peer, best)), Some(ours)) = (best, ours) {
                ratios.push((figure, peer, ours / best));
            }
        }
        ratios
    }

    /// Writes `versus.json` and a plot a scenario.
    pub(crate) fn finish(&self, plan: &Plan) {
        let all = json!({
            "run": self.header, "contenders": self.contenders, "scenarios": self.scenarios, "failures": self.failures
        });
        let write = |name: String, text: String| {
            let file = plan.out.join(name);
            match fs::create_dir_all(&plan.out).and_then(|()| fs::write(&file, text)) {
                Ok(()) => println!("{}", file.display()),
                Err(error) => eprintln!("{}: {error}", file.display()),
            }
        };
        println!();
        write("versus.json".into(), format!("{all:#}\n"));
        for (scenario, rows) in &self.rows {
            if let Some(svg) = self.plot(scenario, rows) {
                write(format!("{scenario}.svg"), svg);
            }
        }
        if plan.quick {
            println!("a quick run: not to be quoted");
        }
    }

    /// Bars of the scenario's first figure that has a value for everybody with processes.
    fn plot(&self, scenario: &str, rows: &BTreeMap<&'static str, Columns>) -> Option<String> {
        let figure =
            rows.values().flatten().map(|(name, _)| *name).find(|name| matches!(*name, "cpu-us" | "bytes/session"))?;
        let bars: Vec<(&str, Kind, Spread)> = self
            .order
            .iter()
            .filter_map(|(name, kind)| {
                let values = rows.get(name)?.iter().find(|(known, _)| *known == figure)?;
                Some((*name, *kind, Spread::of(&values.1)?))
            })
            .collect();
        let top = bars.iter().map(|(_, _, spread)| spread.most).fold(f64::MIN_POSITIVE, f64::max);
        let height = 40 + 28 * bars.len();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{height}\" font-family=\"sans-serif\" \
             font-size=\"13\"><text x=\"8\" y=\"20\">{scenario}: {figure} (median; line: least to most)</text>\n"
        );
        for (place, (name, kind, spread)) in bars.iter().enumerate() {
            let y = 36 + 28 * place;
            let x = |value: f64| 120.0 + 420.0 * value / top;
            let colour = match kind {
                Kind::Ours => "#0b6e4f",
                Kind::Floor => "#b0b0b0",
                Kind::Direct | Kind::Peer | Kind::Lesser => "#4f6d8f",
            };
            let _ = writeln!(
                svg,
                "<text x=\"8\" y=\"{text}\">{name}</text><rect x=\"120\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" \
                 fill=\"{colour}\"/><line x1=\"{least:.1}\" x2=\"{most:.1}\" y1=\"{line}\" y2=\"{line}\" \
                 stroke=\"#000\"/><text x=\"{label:.1}\" y=\"{text}\">{median:.1}</text>",
                text = y + 14,
                line = y + 9,
                width = x(spread.median) - 120.0,
                least = x(spread.least),
                most = x(spread.most),
                label = x(spread.most) + 6.0,
                median = spread.median,
            );
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }
}
