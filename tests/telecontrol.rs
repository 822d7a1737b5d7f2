//! Does the gate keep its promises between a control centre and an IEC 104 station?
//!
//! Judged at the station's socket: what arrived there, what it was told that it may forget; and on the centre's side.

mod policy;
mod rows;
mod standing;
mod vectors;

use crate::gate::{
    Gate, Site,
    station::{Manner, Station},
};

/// A conduit to a station, with holes.
#[derive(Clone, Default)]
pub(crate) struct Rtu<'a> {
    /// Whether the listener takes TLS; else whoever comes from loopback is `scada`.
    pub(crate) tls: bool,
    /// `[defaults]`
    pub(crate) defaults: &'a str,
    /// `[conduits.rtu.limits]`
    pub(crate) limits: &'a str,
    /// `[conduits.rtu.iec104]`
    pub(crate) keys: &'a str,
    pub(crate) allow: &'a [&'a str],
    pub(crate) deny: &'a [&'a str],
}

impl Rtu<'_> {
    /// The TOML, with the station at this address and common address 1 or another.
    pub(crate) fn text(&self, upstream: &str, ca: u16) -> String {
        let list = |rules: &[&str]| rules.iter().map(|rule| format!("{rule:?},\n")).collect::<String>();
        let listener = if self.tls { TLS } else { PLAIN };
        format!(
            "{HEAD}{}\n{listener}\n[conduits.rtu]\nfrom = \"ops\"\nto = \"cell\"\nlistener = \"ot\"\nupstream = \"{upstream}\"\n\
             protocol = \"iec104\"\n[conduits.rtu.limits]\nconnections = \"10000/s\"\nrefusals = \"100000/s\"\n{}\n\
             [conduits.rtu.iec104]\ncas = [{ca}]\n{}\nallow = [\n{}]\ndeny = [\n{}]\n",
            self.defaults,
            self.limits,
            self.keys,
            list(self.allow),
            list(self.deny),
        )
    }

    /// A gate before this station.
    pub(crate) fn start(&self, site: &Site, station: &Station) -> Gate {
        match Gate::try_start(site, &self.text(&station.address.to_string(), 1), |command| command) {
            Ok(gate) => gate,
            Err((status, log)) => panic!("the gateway did not start ({status}):\n{log}"),
        }
    }
}

/// A station that confirms, and a gate with these rules before it.
pub(crate) fn ruled(allow: &[&str]) -> (Site, Station, Gate) {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let gate = Rtu { allow, ..Rtu::default() }.start(&site, &station);
    (site, station, gate)
}

const HEAD: &str = r#"schema = 1
[site]
name = "test"
state = "state"
control = "state/control.sock"
[metrics]
bind = "127.0.0.1:0"
[zones.ops]
level = 3
networks = ["127.0.0.0/8"]
[zones.cell]
level = 1
[roles.hmi]
[defaults]
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
"#;

const TLS: &str = r#"
[certificates.gateway]
cert = "pki/gate.crt"
key = "pki/gate.key"
[authorities.plant]
roots = "pki/plant.crt"
names = ["spiffe://plant/*", "dns:gate", "dns:plc", "dns:localhost", "ip:127.0.0.1"]
[identities.scada]
zone = "ops"
authority = "plant"
match = { uri = "spiffe://plant/scada" }
roles = ["hmi"]
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tls"
certificate = "gateway"
authorities = ["plant"]
"#;
