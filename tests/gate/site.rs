//! What plant do the tests run in: whose certificates, which configuration, what audit trail?

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;
use sluicegate::pki;
use tempfile::TempDir;

use super::{Device, PATIENCE};

/// A plant in a temporary folder: `pki/`, `gate.toml`, `state/`.
pub(crate) struct Site {
    folder: TempDir,
}

impl Site {
    /// A CA `plant` that has issued nothing yet.
    pub(crate) fn empty() -> Self {
        let site = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::create_dir(site.file("state")).expect("a folder");
        pki::init(&site.pki(), "plant").expect("a CA");
        site
    }

    /// A CA `plant`; certificates for the gate, the operator `scada`, the onlooker `viewer`, the unknown `stranger` and
    /// the device `plc`.
    pub(crate) fn new() -> Self {
        let site = Self::empty();
        for (name, server) in [("gate", true), ("plc", true), ("scada", false), ("viewer", false), ("stranger", false)]
        {
            pki::issue(&site.pki(), Some("plant"), &Self::names(name, server)).expect("issued");
        }
        site
    }

    /// What a certificate `name` of the plant says.
    pub(crate) fn names(name: &str, server: bool) -> pki::Request {
        pki::Request {
            name: name.to_owned(),
            uris: vec![format!("spiffe://plant/{name}")],
            dnss: if server { vec![name.to_owned(), "localhost".to_owned()] } else { Vec::new() },
            ips: if server { vec!["127.0.0.1".parse().expect("an address")] } else { Vec::new() },
            role: None,
            days: 30,
            server,
        }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the plant.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Where certificates and keys are.
    pub(crate) fn pki(&self) -> PathBuf {
        self.file("pki")
    }

    /// A certificate of the plant.
    pub(crate) fn crt(&self, name: &str) -> PathBuf {
        self.pki().join(format!("{name}.crt"))
    }

    /// Its key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.pki().join(format!("{name}.key"))
    }

    /// Writes the configuration.
    pub(crate) fn write_config(&self, toml: &str) -> PathBuf {
        let file = self.file("gate.toml");
        std::fs::write(&file, toml).expect("the configuration is written");
        file
    }

    /// The audit trail so far. A line that is being written is left out.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let mut records = Vec::new();
        for file in self.audit_files() {
            let text = std::fs::read_to_string(&file).expect("the trail is readable");
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines().filter(|line| !line.is_empty()) {
                let record = serde_json::from_str(line);
                records.push(record.unwrap_or_else(|error| panic!("no JSON in the trail: {error}: {line}")));
            }
        }
        records
    }

    /// The files of the trail, oldest first.
    pub(crate) fn audit_files(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.file("state/audit")) else { return Vec::new() };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
        files.sort();
        files
    }

    /// Waits for a record.
    pub(crate) fn record(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let audit = self.audit();
            if let Some(record) = audit.iter().find(|record| is(record)) {
                return record.clone();
            }
            if Instant::now() >= until {
                let told: Vec<_> = audit.iter().map(Value::to_string).collect();
                panic!("no record of {what}:\n{}", told.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a record with these fields.
    pub(crate) fn record_with(&self, fields: &[(&str, &str)]) -> Value {
        self.record(&format!("{fields:?}"), |record| fields.iter().all(|(field, value)| record[field] == **value))
    }
}

/// A configuration with holes. Text of a hole stands under its table's head as it is.
#[derive(Clone)]
pub(crate) struct Config {
    /// The value of `upstream`, with its quotes.
    pub(crate) upstream: String,
    /// Whether the listener takes TLS; else plain TCP, and whoever comes from loopback is `scada`.
    pub(crate) tls: bool,
    /// The networks of the peers' zone.
    pub(crate) networks: String,
    /// `[defaults]`
    pub(crate) defaults: String,
    /// `[roles.hmi]`
    pub(crate) hmi: String,
    /// `[authorities.plant]`
    pub(crate) authority: String,
    /// `[listeners.ot]`
    pub(crate) listener: String,
    /// `[conduits.pump]`
    pub(crate) conduit: String,
    /// `[conduits.pump.limits]`
    pub(crate) limits: String,
    /// `[conduits.pump.faults]`
    pub(crate) faults: String,
    /// The units behind the device's address.
    pub(crate) units: String,
    /// `[conduits.pump.modbus]`
    pub(crate) modbus: String,
    /// Its `allow`.
    pub(crate) allow: Vec<String>,
    /// Its `deny`.
    pub(crate) deny: Vec<String>,
    /// Further tables.
    pub(crate) more: String,
}

impl Config {
    /// A TLS conduit `pump` to `device`: `scada` has the role hmi, `viewer` the role onlooker.
    pub(crate) fn tls(device: &Device, allow: &[&str]) -> Self {
        Self {
            upstream: format!("\"{}\"", device.address),
            tls: true,
            networks: "\"127.0.0.0/8\"".into(),
            defaults: String::new(),
            hmi: String::new(),
            authority: String::new(),
            listener: String::new(),
            conduit: String::new(),
            limits: ROOMY.into(),
            faults: String::new(),
            units: "1".into(),
            modbus: String::new(),
            allow: allow.iter().map(|&rule| rule.to_owned()).collect(),
            deny: Vec::new(),
            more: String::new(),
        }
    }

    /// The same over plain TCP: fast where TLS is not the question.
    pub(crate) fn plain(device: &Device, allow: &[&str]) -> Self {
        Self { tls: false, ..Self::tls(device, allow) }
    }

    /// The TOML.
    pub(crate) fn text(&self) -> String {
        let tables = if self.tls { TLS } else { PLAIN };
        let mut text = format!("{HEAD}{tables}{CONDUIT}");
        for (hole, value) in [
            ("<networks>", self.networks.clone()),
            ("<defaults>", self.defaults.clone()),
            ("<hmi>", self.hmi.clone()),
            ("<authority>", self.authority.clone()),
            ("<listener>", self.listener.clone()),
            ("<upstream>", self.upstream.clone()),
            ("<conduit>", self.conduit.clone()),
            ("<limits>", self.limits.clone()),
            ("<faults>", self.faults.clone()),
            ("<units>", self.units.clone()),
            ("<modbus>", self.modbus.clone()),
            ("<allow>", list(&self.allow)),
            ("<deny>", list(&self.deny)),
            ("<more>", self.more.clone()),
        ] {
            text = text.replace(hole, &value);
        }
        text
    }
}

fn list(rules: &[String]) -> String {
    rules.iter().map(|rule| format!("  {rule:?},\n")).collect()
}

/// So roomy that no test meets a limit that it did not ask for.
const ROOMY: &str = "requests = \"100000/s\"\npeer_requests = \"100000/s\"\nconnections = \"10000/s\"\nrefusals = \"100000/s\"\nbytes = \"64MiB/s\"";

const HEAD: &str = r#"schema = 1
[site]
name = "test"
state = "state"
control = "state/control.sock"
[metrics]
bind = "127.0.0.1:0"
[defaults]
<defaults>
[zones.ops]
level = 3
networks = [<networks>]
[zones.cell]
level = 1
[roles.hmi]
<hmi>
[roles.onlooker]
"#;

const TLS: &str = r#"
[certificates.gateway]
cert = "pki/gate.crt"
key = "pki/gate.key"
[authorities.plant]
roots = "pki/plant.crt"
names = ["spiffe://plant/*", "dns:gate", "dns:plc", "dns:localhost", "ip:127.0.0.1"]
<authority>
[identities.scada]
zone = "ops"
authority = "plant"
match = { uri = "spiffe://plant/scada" }
roles = ["hmi"]
[identities.viewer]
zone = "ops"
authority = "plant"
match = { uri = "spiffe://plant/viewer" }
roles = ["onlooker"]
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tls"
certificate = "gateway"
authorities = ["plant"]
<listener>
"#;

const PLAIN: &str = r#"
[identities.scada]
zone = "ops"
match = { source = "127.0.0.1/32" }
roles = ["hmi"]
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
<listener>
"#;

const CONDUIT: &str = r#"
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
upstream = <upstream>
protocol = "modbus"
<conduit>
[conduits.pump.limits]
<limits>
[conduits.pump.faults]
<faults>
[conduits.pump.modbus]
units = [<units>]
<modbus>
allow = [
<allow>]
deny = [
<deny>]
<more>
"#;
