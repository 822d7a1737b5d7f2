//! What do the dashboards ask, and would Grafana read them?

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

use super::{file, prometheus::Prometheus, text};
use crate::gate::{missing, repository, run};

const NAMES: [&str; 3] = ["plant", "conduit", "gate"];
/// Units of Grafana that are used here.
const UNITS: [&str; 7] = ["short", "s", "reqps", "ops", "cps", "Bps", "bytes"];

/// One dashboard.
pub(super) struct Board {
    name: &'static str,
    json: Value,
}

impl Board {
    pub(super) fn all() -> Vec<Self> {
        let read = |name: &'static str| {
            let json = serde_json::from_str(&file(&format!("monitoring/dashboards/{name}.json")));
            Self { name, json: json.unwrap_or_else(|error| panic!("{name}: {error}")) }
        };
        NAMES.map(read).into()
    }

    pub(super) fn uid(&self) -> &str {
        text(&self.json, "uid")
    }

    fn panels(&self) -> Vec<&Value> {
        self.json["panels"].as_array().expect("panels").iter().filter(|one| one["type"] != "row").collect()
    }

    /// Every expression, and the panel in which it stands.
    pub(super) fn asks(&self) -> Vec<(String, String)> {
        let of = |panel: &Value| {
            let place = format!("{}: {}", self.name, text(panel, "title"));
            let targets = panel["targets"].as_array().expect("targets").clone();
            targets.into_iter().map(move |target| (place.clone(), text(&target, "expr").to_owned()))
        };
        self.panels().into_iter().flat_map(of).collect()
    }

    /// The values of its variables: one set for each value of a variable that has one at a time.
    pub(super) fn variables(&self, prometheus: &Prometheus) -> Vec<BTreeMap<String, String>> {
        let mut sets = vec![BTreeMap::new()];
        for variable in self.json["templating"]["list"].as_array().expect("variables") {
            let name = text(variable, "name").to_owned();
            if variable["type"] == "datasource" {
                continue;
            }
            let query = resolved(text(&variable["query"], "query"), &sets[0]);
            let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).expect("a query");
            let (series, label) = inner.rsplit_once(", ").expect("two arguments");
            let values = prometheus.labels(series, label);
            assert!(!values.is_empty(), "{}: ${name} has no value", self.name);
            let chosen =
                if variable["includeAll"] == true { vec![text(variable, "allValue").to_owned()] } else { values };
            let with = |value: &String| sets.iter().map(|set| with(set, &name, value)).collect::<Vec<_>>();
            sets = chosen.iter().flat_map(with).collect();
        }
        sets
    }

    /// What a person needs of it, and what Grafana needs.
    pub(super) fn is_whole(&self) {
        assert!(text(&self.json, "title").starts_with("Sluicegate") && !text(&self.json, "description").is_empty());
        let variables: Vec<_> = self.json["templating"]["list"]
            .as_array()
            .expect("variables")
            .iter()
            .map(|one| text(one, "name"))
            .collect();
        assert_eq!(variables[..2], ["datasource", "instance"], "{}", self.name);
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in self.json["panels"].as_array().expect("panels") {
            let title = format!("{}: {}", self.name, text(panel, "title"));
            assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{title}: its id stands twice");
            let place = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
            assert!(place("x") + place("w") <= 24, "{title}");
            for cell in (place("y")..place("y") + place("h"))
                .flat_map(|y| (place("x")..place("x") + place("w")).map(move |x| (x, y)))
            {
                assert!(taken.insert(cell), "{title} covers another panel");
            }
        }
        self.panels().into_iter().for_each(|panel| self.panel_is_whole(panel));
    }

    fn panel_is_whole(&self, panel: &Value) {
        let title = format!("{}: {}", self.name, text(panel, "title"));
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(UNITS.contains(&text(defaults, "unit")), "{title}");
        assert!(!defaults["thresholds"]["steps"].as_array().expect("steps").is_empty(), "{title}");
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{title} asks nothing");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expression = text(target, "expr");
            assert!(target["format"] == "table" || !text(target, "legendFormat").is_empty(), "{title}: no legend");
            assert!(expression.contains("$instance"), "{title} mixes gateways: {expression}");
            assert!(!expression.contains("quantile") || expression.ends_with(">= 0"), "{title}: NaN while nobody asks");
        }
        match text(panel, "type") {
            "timeseries" => assert_eq!(panel["options"]["legend"]["showLegend"], true, "{title}"),
            "stat" => assert_eq!(panel["options"]["reduceOptions"]["calcs"][0], "lastNotNull", "{title}"),
            "table" => assert_eq!(panel["options"]["showHeader"], true, "{title}"),
            other => panic!("{title} is a {other}"),
        }
    }
}

/// An expression with the values of variables. Grafana's own interval is ten scrapes.
pub(super) fn resolved(expression: &str, values: &BTreeMap<String, String>) -> String {
    let start = expression.replace("$__rate_interval", "10s");
    values.iter().fold(start, |text, (name, value)| text.replace(&format!("${name}"), value))
}

fn with(set: &BTreeMap<String, String>, name: &str, value: &str) -> BTreeMap<String, String> {
    let mut set = set.clone();
    set.insert(name.to_owned(), value.to_owned());
    set
}

/// Through the types that Grafana's makers publish and back: what they do not know would be lost on the way.
pub(super) fn known_to_grafana() {
    let own = repository().join(".venv/bin/python").display().to_string();
    let python = std::env::var("SLUICEGATE_TEST_PYTHON").unwrap_or(own);
    if missing(&[&python]) {
        return;
    }
    let mut command = Command::new(&python);
    command.arg(repository().join("tests/monitoring/grafana.py"));
    command.args(NAMES.map(|name| repository().join(format!("monitoring/dashboards/{name}.json"))));
    let (ok, said) = run(&mut command);
    if said.contains("No module named 'grafana_foundation_sdk'") {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "tests/setup.sh should have installed it");
        eprintln!("SKIPPED: grafana_foundation_sdk is not installed (tests/setup.sh does that)");
        return;
    }
    assert!(ok && said.is_empty(), "{said}");
}
