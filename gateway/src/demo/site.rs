//! Which files does the demo's gateway run from?
//!
//! ```text
//! D/sluicegate.toml   the configuration, written from the template below
//! D/pki/              plant CA, the gateway's certificate, those of operator, operator-2 (stolen) and historian
//! D/stranger/         another authority, which issued a certificate with the operator's name
//! D/state/            audit trail
//! D/gateway.log       what the gateway printed
//! ```

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::pki::{self, DEFAULT_DAYS, PkiError, Request};

/// The name that the gateway's certificate carries.
pub const GATE_NAME: &str = "gate.demo";
/// The speed setpoint: written in steps.
pub const SETPOINT: u16 = 40;
/// What the setpoint holds at the start.
pub const SETPOINT_START: u16 = 500;
/// `peer_requests`: tokens a second, and the bucket.
pub const PEER_RATE: u32 = 50;
/// The bucket of `peer_requests`.
pub const PEER_BURST: u32 = 30;

/// Where everything listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The gateway's listener.
    pub gate: SocketAddr,
    /// Its metrics.
    pub metrics: SocketAddr,
    /// The device.
    pub device: SocketAddr,
}

/// Why the files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// `--keep` names something that is in use.
    #[error("{0} is not empty: --keep takes an empty or absent directory")]
    NotEmpty(PathBuf),
    /// The disk refuses.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The certificates could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// `--weaken` names nothing of [`WEAKNESSES`].
    #[error("there is no weakness {name:?}; there are: {}", names())]
    NoWeakness {
        /// What was asked for.
        name: String,
    },
}

/// One rule or check taken out of the demo's configuration, to see that the demo then fails.
#[derive(Clone, Copy, Debug)]
pub struct Weakness {
    /// The word of `--weaken`.
    pub name: &'static str,
    find: &'static str,
    put: &'static str,
}

/// Every rule and check that the configuration states. Without any one of them an expectation of the demo is broken.
pub const WEAKNESSES: &[Weakness] = &[
    cut("functions", "functions = [3, 4, 5, 6]\n"),
    cut("read-holding", "  \"hmi read holding 0-99\",\n"),
    cut("read-input", "  \"hmi read input 0-9\",\n"),
    cut("write-setpoint", "  \"hmi write holding 40 = 0..1500 step 100 up\",\n"),
    cut("write-others", "  \"hmi write holding 41-99 = 0..1500\",\n"),
    cut("stop", "  \"hmi write coil 7 = off always\",\n"),
    cut("read-viewer", "  \"viewer read holding 0-49\",\n"),
    cut("deny", "deny = [\"any write holding 90-99\"]\n"),
    Weakness { name: "value", find: "holding 41-99 = 0..1500", put: "holding 41-99" },
    cut("step", " step 100 up"),
    Weakness { name: "stop-value", find: "coil 7 = off always", put: "coil 7 = on, off always" },
    Weakness { name: "role", find: "roles = [\"viewer\"]", put: "roles = [\"viewer\", \"hmi\"]" },
    Weakness { name: "limit", find: "50/s burst 30", put: "100000/s burst 100000" },
    Weakness {
        name: "authority",
        find: "roots = \"pki/plant.crt\"\ncrl = \"pki/plant.crl\"",
        put: "roots = \"both.crt\"",
    },
    Weakness { name: "monitor", find: "mode = \"enforce\"", put: "mode = \"monitor\"" },
];

const fn cut(name: &'static str, find: &'static str) -> Weakness {
    Weakness { name, find, put: "" }
}

fn names() -> String {
    WEAKNESSES.iter().map(|one| one.name).collect::<Vec<_>>().join(", ")
}

/// Makes everything under `dir`. Certificates that are there stay.
///
/// # Errors
/// See [`SiteError`].
pub fn write(dir: &Path, ports: Ports, weaken: Option<&str>) -> Result<PathBuf, SiteError> {
    if !dir.join("both.crt").exists() {
        certificates(dir)?;
    }
    let text = configuration(dir, ports, weaken)?;
    let path = dir.join("sluicegate.toml");
    put(&path, &text)?;
    put(&dir.join("stunnel.conf"), &stunnel(dir, ports))?;
    Ok(path)
}

/// The configuration's text, without the rule or check that `weaken` names.
///
/// # Errors
/// [`SiteError::NoWeakness`].
pub fn configuration(dir: &Path, ports: Ports, weaken: Option<&str>) -> Result<String, SiteError> {
    let mut text = TEMPLATE.to_owned();
    if let Some(name) = weaken {
        let known = WEAKNESSES.iter().find(|one| one.name == name);
        let weakness = known.ok_or_else(|| SiteError::NoWeakness { name: name.to_owned() })?;
        text = text.replace(weakness.find, weakness.put);
    }
    Ok(text
        .replace("{state}", &dir.join("state").display().to_string())
        .replace("{gate}", &ports.gate.to_string())
        .replace("{metrics}", &ports.metrics.to_string())
        .replace("{device}", &ports.device.to_string()))
}

fn certificates(dir: &Path) -> Result<(), SiteError> {
    let (plant, stranger) = (dir.join("pki"), dir.join("stranger"));
    pki::init(&plant, "plant")?;
    pki::init(&stranger, "stranger")?;
    let gate = Request { dnss: vec![GATE_NAME.to_owned()], server: true, ..request("gateway") };
    pki::issue(&plant, None, &gate)?;
    for name in ["operator", "operator-2", "historian"] {
        pki::issue(&plant, None, &named(name))?;
    }
    pki::issue(&stranger, None, &named("operator"))?;
    let read = |path: PathBuf| fs::read_to_string(&path).map_err(|source| SiteError::File { path, source });
    let both = read(plant.join("plant.crt"))? + &read(stranger.join("stranger.crt"))?;
    put(&dir.join("both.crt"), &both)
}

fn named(name: &str) -> Request {
    Request { uris: vec![format!("spiffe://demo/{name}")], ..request(name) }
}

fn request(name: &str) -> Request {
    Request {
        name: name.to_owned(),
        uris: Vec::new(),
        dnss: Vec::new(),
        ips: Vec::new(),
        role: None,
        days: DEFAULT_DAYS,
        server: false,
    }
}

fn put(path: &Path, text: &str) -> Result<(), SiteError> {
    fs::write(path, text).map_err(|source| SiteError::File { path: path.to_owned(), source })
}

/// What an stunnel needs so that a plain Modbus client can speak to the gateway.
fn stunnel(dir: &Path, ports: Ports) -> String {
    let pki = dir.join("pki");
    let pki = pki.display();
    format!(
        "foreground = yes\npid =\n[demo]\nclient = yes\naccept = 127.0.0.1:15020\nconnect = {}\nsni = {GATE_NAME}\n\
         cert = {pki}/operator-2.crt\nkey = {pki}/operator-2.key\nCAfile = {pki}/plant.crt\nverifyChain = yes\n\
         checkHost = {GATE_NAME}\n",
        ports.gate
    )
}

/// The demo's site: as a plant would write it.
const TEMPLATE: &str = include_str!("site.toml");

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Ports {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Ports { gate: at(802), metrics: at(9473), device: at(502) }
    }

    #[test]
    fn every_weakness_takes_something_out() {
        let whole = configuration(Path::new("/d"), ports(), None).expect("no weakness is asked for");
        for weakness in WEAKNESSES {
            let weak = configuration(Path::new("/d"), ports(), Some(weakness.name)).expect("it is in the table");
            assert_ne!(weak, whole, "{}", weakness.name);
        }
        assert!(matches!(configuration(Path::new("/d"), ports(), Some("nothing")), Err(SiteError::NoWeakness { .. })));
    }

    #[test]
    fn every_rule_and_limit_of_the_configuration_has_a_weakness() {
        for line in TEMPLATE
            .lines()
            .filter(|line| line.starts_with("  \"") || line.starts_with("deny") || line.contains("burst"))
        {
            let covered = WEAKNESSES.iter().any(|one| line.contains(one.find.trim_end()) || one.find.contains(line));
            assert!(covered, "no weakness takes out: {line}");
        }
    }

    #[test]
    fn the_limit_of_the_configuration_is_the_one_that_the_flood_is_held_to() {
        assert!(TEMPLATE.contains(&format!("peer_requests = \"{PEER_RATE}/s burst {PEER_BURST}\"")));
    }
}
