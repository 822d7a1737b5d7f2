//! A real Prometheus with the shipped alerts, and how it is asked.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{file, plant::Plant, text};
use crate::gate::{free_port, wait};

/// It ends with the test.
pub(super) struct Prometheus {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes the plant's gateway every second.
    pub(super) fn start(plant: &Plant) -> Self {
        Self::scraping(&job("sluicegate", &plant.endpoint(), ""))
    }

    /// Scrapes by these jobs. The alerts are those that are shipped, but for their `for`: nobody waits a quarter of an
    /// hour here, and promtool proves the waiting.
    pub(super) fn scraping(jobs: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hasty =
            |line: &str| if line.trim().starts_with("for: ") { "        for: 0s".to_owned() } else { line.to_owned() };
        let rules: Vec<_> = file("monitoring/alerts.yml").lines().map(hasty).collect();
        std::fs::write(folder.path().join("alerts.yml"), rules.join("\n") + "\n").expect("written");
        let every = "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }";
        let config = format!("{every}\nrule_files: [alerts.yml]\nscrape_configs:\n{jobs}");
        let main = folder.path().join("prometheus.yml");
        std::fs::write(&main, config).expect("written");
        let port = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", main.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("it was found");
        let prometheus = Self { child, port, _folder: folder };
        wait("Prometheus is ready", || prometheus.get("/-/ready").is_some_and(|(status, _)| status == 200));
        prometheus
    }

    /// Waits for that many scrapes: a rate needs two.
    pub(super) fn scraped(&self, times: usize) {
        let enough = format!("count_over_time(up{{job=\"sluicegate\"}}[1m]) >= {times} and up == 1");
        self.answers(&enough, 1);
    }

    /// The series of an expression, each with its value. NaN is an error, and so is an error.
    pub(super) fn ask(&self, expression: &str) -> Vec<f64> {
        let (status, body) = self.get(&format!("/api/v1/query?query={}", encoded(expression))).expect("it answers");
        assert_eq!(status, 200, "{expression}: {body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let data = &answer["data"];
        let rows = match text(data, "resultType") {
            "vector" => data["result"].as_array().expect("rows").clone(),
            kind => panic!("{expression} is a {kind}"),
        };
        let value = |row: &Value| row["value"][1].as_str().and_then(|one| one.parse::<f64>().ok()).expect("a number");
        let values: Vec<_> = rows.iter().map(value).collect();
        assert!(values.iter().all(|one| one.is_finite()), "{expression}: {body}");
        values
    }

    /// Waits until an expression has that many series.
    pub(super) fn answers(&self, expression: &str, series: usize) {
        wait(&format!("{series} series of {expression}"), || {
            let enough = self.ask(expression).len() >= series;
            if !enough {
                std::thread::sleep(Duration::from_millis(200));
            }
            enough
        });
    }

    /// The values that a label has.
    pub(super) fn labels(&self, series: &str, label: &str) -> Vec<String> {
        let path = format!("/api/v1/label/{label}/values?match[]={}", encoded(series));
        let (status, body) = self.get(&path).expect("it answers");
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let values = answer["data"].as_array().expect("a list").iter();
        values.map(|one| one.as_str().expect("text").to_owned()).collect()
    }

    /// The rules as Prometheus read them.
    pub(super) fn rules(&self) -> Vec<Value> {
        let (_, body) = self.get("/api/v1/rules").expect("it answers");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let groups = answer["data"]["groups"].as_array().expect("groups").iter();
        groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
    }

    /// The alerts that fire, by name and by what they are about. Their words must have been made.
    pub(super) fn firing(&self) -> BTreeSet<(String, String)> {
        let (_, body) = self.get("/api/v1/alerts").expect("it answers");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let alerts = answer["data"]["alerts"].as_array().expect("a list").iter();
        alerts
            // How quick and how roomy this machine is, is not the test's business.
            .filter(|alert| !["InspectionSlow", "AuditDiskLow"].contains(&text(&alert["labels"], "alertname")))
            .map(|alert| {
                let words = alert["annotations"].to_string();
                assert!(!words.contains("<error") && !words.contains("<no value>"), "{words}");
                let about = ["conduit", "listener", "certificate", "authority", "instance"];
                let about = about.iter().find_map(|label| alert["labels"][label].as_str()).unwrap_or("?");
                (text(&alert["labels"], "alertname").to_owned(), about.to_owned())
            })
            .collect()
    }

    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        // HTTP/1.0: the body ends with the connection, not in chunks.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: prometheus\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }
}

/// A scrape job; `more` are lines of its own.
pub(super) fn job(name: &str, target: &str, more: &str) -> String {
    format!("- job_name: {name}\n  static_configs: [{{ targets: ['{target}'] }}]\n{more}")
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Percent-encoding of all that is no letter or digit.
fn encoded(text: &str) -> String {
    let one =
        |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}
