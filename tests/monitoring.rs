//! Can a shift trust the shipped alerts, dashboards and runbooks?
//!
//! ```text
//! monitoring/prometheus  a real Prometheus that scrapes the running gateway
//! monitoring/plant       the gateway that it scrapes: three conduits, and every kind of traffic
//! monitoring/boards      the dashboards as Grafana reads them, and what they ask
//! ```

mod boards;
mod plant;
mod prometheus;

use std::{collections::BTreeSet, process::Command};

use clap::CommandFactory;
use serde_json::Value;
use sluicegate::{
    cli::Cli,
    observe::series::{Kind, PREFIX, SERIES},
    pki,
};

use crate::gate::{Config, Device, Gate, Site, missing, repository, run, wait};
use boards::Board;
use plant::Plant;
use prometheus::{Prometheus, job};

/// One alert as it stands in the file. The file is also read by promtool and by Prometheus, which are its judges.
struct Alert {
    name: String,
    text: String,
}

impl Alert {
    fn all() -> Vec<Self> {
        let text = file("monitoring/alerts.yml");
        let alerts: Vec<_> = text.split("- alert: ").skip(1).map(Self::of).collect();
        assert!(alerts.len() >= 18, "{}", alerts.len());
        alerts
    }

    fn of(text: &str) -> Self {
        let (name, text) = text.split_once('\n').expect("a rule has lines");
        Self { name: name.trim().to_owned(), text: text.to_owned() }
    }

    /// The value of a key that stands on one line.
    fn says(&self, key: &str) -> &str {
        let found = self.text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        found.unwrap_or_else(|| panic!("{} has no {key}", self.name)).trim_matches('"')
    }
}

fn file(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn promtool(args: &[&str]) {
    let (ok, said) = run(Command::new("promtool").args(args).current_dir(repository().join("monitoring")));
    assert!(ok, "promtool {args:?}: {said}");
}

#[test]
fn every_alert_fires_with_its_words_keeps_quiet_below_and_ends() {
    let tests = file("monitoring/alerts.test.yml");
    for alert in Alert::all() {
        let evaluations: Vec<_> = tests.split(&format!("alertname: {}\n", alert.name)).skip(1).collect();
        let quiet = evaluations.iter().filter(|rest| rest.trim_start().starts_with("exp_alerts: []")).count();
        assert!(quiet >= 2, "{}: quiet before and after", alert.name);
        assert!(evaluations.len() > quiet, "{}: it fires", alert.name);
    }
    if missing(&["promtool"]) {
        return;
    }
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"]);
    promtool(&["test", "rules", "alerts.test.yml"]);
}

#[test]
fn every_alert_says_how_grave_it_is_what_the_plant_notices_and_which_page_helps() {
    let (page, listed) = (file("docs/runbooks.md"), file("docs/monitoring.md"));
    let mut sections: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    for alert in Alert::all() {
        assert!(["critical", "warning"].contains(&alert.says("severity")), "{}", alert.name);
        assert!(alert.says("for").ends_with(['s', 'm', 'h']), "{}", alert.name);
        assert!(alert.says("summary").len() > 10, "{}", alert.name);
        assert!(alert.says("description").len() > 80, "{}: plain words for the plant", alert.name);
        assert_eq!(alert.says("runbook_url"), format!("docs/runbooks.md#{}", alert.name.to_lowercase()));
        let row = format!("\n| {} | {} | ", alert.name, alert.says("severity"));
        assert!(listed.contains(&row), "docs/monitoring.md does not list it: {row}");
        assert!(sections.remove(alert.name.as_str()), "{} has no page", alert.name);
        let section = page.split(&format!("## {}\n", alert.name)).nth(1).and_then(|rest| rest.split("\n## ").next());
        let section = section.expect("it was found");
        let order =
            ["### What it means", "### What the plant notices", "### Check first", "### Fix", "### Whom to call"];
        let places: Vec<_> =
            order.iter().map(|head| section.find(head).unwrap_or_else(|| panic!("{}: {head}", alert.name))).collect();
        assert!(places.is_sorted(), "{}", alert.name);
        assert!(section.contains("```console\n"), "{}: what to type", alert.name);
    }
    sections.retain(|one| !["Before the first alert", "Where to look"].contains(one));
    assert!(sections.is_empty(), "pages of no alert: {sections:?}");
}

/// What an engineer is told to type at night is there.
#[test]
fn the_commands_and_series_in_the_pages_exist() {
    let known: BTreeSet<_> = Cli::command().get_subcommands().map(|one| one.get_name().to_owned()).collect();
    let mut used = 0;
    for name in ["docs/runbooks.md", "docs/monitoring.md"] {
        let page = file(name);
        for line in page.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()).flat_map(str::lines)
        {
            let words: Vec<_> = line.split_whitespace().collect();
            for three in words.windows(3).filter(|three| three[1] == "sluicegate" && STARTS.contains(&three[0])) {
                used += 1;
                assert!(known.contains(three[2]), "{name}: {line}");
            }
        }
        known_series(&page, name);
    }
    assert!(used >= 10, "{used} commands found");
}

/// After these a command begins: the two prompts, another command's end, `runuser`.
const STARTS: [&str; 4] = ["#", "$", "&&", "--"];

#[test]
fn every_series_of_an_alert_or_a_dashboard_is_one_of_the_gateways() {
    known_series(&file("monitoring/alerts.yml"), "alerts.yml");
    known_series(&file("monitoring/alerts.test.yml"), "alerts.test.yml");
    for board in Board::all() {
        board.asks().iter().for_each(|(panel, expression)| known_series(expression, panel));
    }
}

fn known_series(text: &str, place: &str) {
    for rest in text.split(PREFIX).skip(1) {
        let end = rest.find(|one: char| !one.is_ascii_lowercase() && one != '_').unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches('_');
        let is = |one: &&sluicegate::observe::series::Series| {
            let parts = [format!("{}_bucket", one.name), format!("{}_sum", one.name), format!("{}_count", one.name)];
            one.name == name || (matches!(one.kind, Kind::Histogram(_)) && parts.iter().any(|part| part == name))
        };
        assert!(SERIES.iter().any(|one| is(&one)), "{place}: {PREFIX}{name} is no series");
    }
}

#[test]
fn the_dashboards_are_whole_and_grafana_knows_every_key() {
    let boards = Board::all();
    assert_eq!(boards.iter().map(Board::uid).collect::<BTreeSet<_>>().len(), 3);
    boards.iter().for_each(Board::is_whole);
    boards::known_to_grafana();
}

/// Every expression of every dashboard and every alert, against a Prometheus that scrapes the real gateway: first with
/// no traffic at all, then with every kind.
#[test]
fn every_expression_has_something_to_say_about_a_running_gateway() {
    if missing(&["prometheus"]) {
        return;
    }
    let plant = Plant::start();
    let prometheus = Prometheus::start(&plant);
    prometheus.scraped(4);
    for ask in asks(&prometheus) {
        // What filters or divides may be empty while nothing happens. Nothing is NaN, and nothing fails.
        prometheus.ask(&ask.expression);
    }
    let quiet = named(&[("NotEnforcing", "valve"), ("CertificateExpiring", "gateway")]);
    wait("what is to be told of a gateway at rest", || prometheus.firing() == quiet);

    let traffic = plant.traffic();
    prometheus.answers("sum by (conduit) (rate(sluicegate_upstream_duration_seconds_count[10s])) > 0", 2);
    for ask in asks(&prometheus).iter().filter(|ask| ask.must_speak) {
        prometheus.answers(&ask.expression, 1);
    }
    let due = named(&[
        ("NotEnforcing", "valve"),
        ("CertificateExpiring", "gateway"),
        ("UpstreamDown", "spare"),
        ("WriteDenied", "pump"),
        ("DenialBurst", "pump"),
        ("MalformedTraffic", "pump"),
        ("HandshakeFailures", "ot"),
    ]);
    wait("the alerts that are due, and no other", || prometheus.firing() == due);
    plant.edited();
    let more = [due, named(&[("ConfigRejected", &plant.endpoint())])].into_iter().flatten().collect();
    wait("the change of the file to be told", || prometheus.firing() == more);
    drop(traffic);
    plant.stop();
}

/// From another host: whoever scrapes has a certificate of the plant, and nobody else learns anything.
#[test]
fn a_prometheus_with_a_certificate_scrapes_over_tls_and_one_without_does_not() {
    if missing(&["prometheus"]) {
        return;
    }
    let (site, device) = (Site::new(), Device::start());
    pki::issue(&site.pki(), Some("plant"), &Site::names("prometheus", false)).expect("issued");
    let table = "[metrics]\ncertificate = \"gateway\"\nauthorities = [\"plant\"]\n";
    let toml = Config::tls(&device, &["hmi read holding 0-99"]).text().replace("[metrics]\n", table);
    let gate = Gate::try_start(&site, &toml, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
    let target = gate.listener("metrics over TLS").to_string();
    let trusts = format!(
        "  scheme: https\n  tls_config:\n    server_name: gate\n    ca_file: {}\n",
        site.crt("plant").display()
    );
    let own = format!(
        "    cert_file: {}\n    key_file: {}\n",
        site.crt("prometheus").display(),
        site.key("prometheus").display()
    );
    let jobs = [job("sluicegate", &target, &(trusts.clone() + &own)), job("stranger", &target, &trusts)].concat();
    let prometheus = Prometheus::scraping(&jobs);
    prometheus.answers("up{job=\"sluicegate\"} == 1", 1);
    prometheus.answers("up{job=\"stranger\"} == 0", 1);
    prometheus.answers("sluicegate_build_info{job=\"sluicegate\"}", 1);
    assert!(prometheus.ask("{__name__=~\"sluicegate.*\", job=\"stranger\"}").is_empty());
    gate.stop();
}

/// Alerts by name and by what they are about.
fn named(all: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    all.iter().map(|(alert, about)| ((*alert).to_owned(), (*about).to_owned())).collect()
}

/// One question to Prometheus.
struct Ask {
    expression: String,
    /// Whether traffic must bring at least one series.
    must_speak: bool,
}

fn asks(prometheus: &Prometheus) -> Vec<Ask> {
    let mut asks = Vec::new();
    for rule in prometheus.rules() {
        assert_eq!(rule["health"], "ok", "{rule}");
        let written = rule["query"].as_str().expect("an expression");
        asks.push(Ask { expression: unfiltered(written), must_speak: true });
    }
    assert_eq!(asks.len(), Alert::all().len());
    for board in Board::all() {
        for values in board.variables(prometheus) {
            // Nobody reaches the device of `spare`: it has no turnaround.
            let must_speak = values.get("conduit").is_none_or(|one| one != "spare");
            for (panel, expression) in board.asks() {
                let expression = boards::resolved(&expression, &values);
                assert!(!expression.contains('$'), "{panel}: a variable is left: {expression}");
                asks.push(Ask { expression, must_speak });
            }
        }
    }
    asks
}

/// The same with comparisons that say 0 or 1 instead of leaving series out: what an alert compares must be there.
fn unfiltered(expression: &str) -> String {
    let compares = |word: &str| matches!(word, ">" | "<" | ">=" | "<=" | "==" | "!=");
    let words = expression.split_whitespace();
    words
        .map(|word| if compares(word) { format!("{word} bool") } else { word.to_owned() })
        .collect::<Vec<_>>()
        .join(" ")
}

/// What the page tells people to write is read by Prometheus itself.
#[test]
fn the_scrape_configuration_of_the_page_is_one() {
    if missing(&["promtool"]) {
        return;
    }
    let page = file("docs/monitoring.md");
    let blocks: Vec<_> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    let folder = tempfile::tempdir().expect("a folder");
    for block in blocks.iter().filter(|block| block.contains("scrape_configs:")) {
        let path = folder.path().join("prometheus.yml");
        std::fs::write(&path, block).expect("written");
        let (ok, said) = run(Command::new("promtool").args(["check", "config", "--syntax-only"]).arg(&path));
        assert!(ok, "{said}");
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text: {value}"))
}
