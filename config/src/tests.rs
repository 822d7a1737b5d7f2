//! Does a whole configuration load, and is each promise of the language kept?

use std::path::Path;

use super::*;

mod broken;
mod language;
mod levels;
mod mistakes;
mod mutated;
mod several;

/// A directory with the files that [`GOOD`] names.
pub(crate) fn plant() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(dir.path().join("pki")).expect("made");
    for name in ["gateway.crt", "gateway.key", "plant.crt", "plant.crl"] {
        write(dir.path(), &format!("pki/{name}"), "");
    }
    dir
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
    }
}

/// What is told, as a person reads it; the directory, which changes, is `DIR`.
fn told(found: &[Finding], dir: &Path) -> String {
    let text: Vec<String> = found.iter().map(|one| one.render(false)).collect();
    text.join("\n").replace(&dir.display().to_string(), "DIR")
}

/// Loads what must load.
fn good(text: &str, dir: &Path) -> Loaded {
    load_str(text, dir).unwrap_or_else(|found| panic!("{}", told(&found, dir)))
}

/// Code and line of each finding.
fn codes(found: &[Finding]) -> Vec<(&'static str, usize)> {
    let line = |one: &Finding| one.places.first().map_or(0, |place| place.line_column().0);
    found.iter().map(|one| (one.code, line(one))).collect()
}

/// The smallest configuration that serves.
const GOOD: &str = r#"schema = 1

[site]
name = "plant"

[zones.ops]
networks = ["10.30.0.0/24"]

[zones.cell]

[certificates.gateway]
cert = "pki/gateway.crt"
key = "pki/gateway.key"

[authorities.plant]
roots = "pki/plant.crt"
crl = "pki/plant.crl"
names = ["spiffe://plant/*"]

[identities.scada]
zone = "ops"
authority = "plant"
match = { uri = "spiffe://plant/scada" }
roles = ["hmi"]

[roles.hmi]

[listeners.ot]
zone = "ops"
bind = "127.0.0.1:8802"
transport = "tls"
certificate = "gateway"
authorities = ["plant"]

[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
upstream = "10.10.1.20:502"
protocol = "modbus"

[conduits.pump.modbus]
units = [1]
allow = ["hmi read holding 0-99", "hmi write holding 40 = 0..1500"]
"#;

#[test]
fn the_smallest_configuration_loads_with_the_built_in_values() {
    let dir = plant();
    let loaded = good(GOOD, dir.path());
    assert_eq!(told(&loaded.warnings, dir.path()), "");
    let site = loaded.site;
    let conduit = &site.conduits[0];
    assert_eq!(site.conduits.len(), 1);
    assert_eq!(conduit.timeouts.idle.as_secs(), 300);
    assert_eq!(conduit.max_sessions, 32);
    assert_eq!(conduit.upstream, [plan::Upstream::Tcp("10.10.1.20:502".to_owned())]);
    assert_eq!(conduit.limits.requests.map(|one| (one.count, one.burst)), Some((1000, 500)));
    assert_eq!(conduit.settings.ints("units"), [1]);
    assert_eq!(site.listeners[0].conduits, [plan::ConduitId(0)]);
    assert_eq!(conduit.plan.rules.len(), 2);
}

#[test]
fn a_conduit_says_more_than_the_defaults_and_the_defaults_more_than_nothing() {
    let dir = plant();
    let text = GOOD
        .replace("[zones.ops]", "[defaults]\nidle_timeout = \"1m\"\npending = 4\nmode = \"monitor\"\n\n[zones.ops]")
        .replace("protocol = \"modbus\"", "protocol = \"modbus\"\nidle_timeout = \"90s\"\nessential = true");
    let loaded = good(&text, dir.path());
    let conduit = &loaded.site.conduits[0];
    assert_eq!((conduit.timeouts.idle.as_secs(), conduit.pending, conduit.timeouts.frame.as_secs()), (90, 4, 5));
    assert_eq!(conduit.mode, sluicegate_proto::vocab::Mode::Monitor);
    assert_eq!(conduit.faults.crl_stale, plan::FaultAction::RefuseNew);
    assert_eq!(conduit.faults.grace.as_secs(), 72 * 3600);
}

#[test]
fn a_rule_has_a_stable_id_that_tells_allow_from_deny() {
    let dir = plant();
    let text = GOOD.replace("units = [1]", "units = [1]\ndeny = [\"hmi write holding 41\"]");
    let rules = &good(&text, dir.path()).site.conduits[0].plan.rules.clone();
    let ids: Vec<_> = rules.iter().map(|one| (one.id.as_str(), one.text.as_str(), one.allow)).collect();
    let id = |text: &str| {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(text.as_bytes());
        format!("r-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3])
    };
    for (id_of, text, allow) in &ids {
        assert_eq!(*id_of, id(text));
        assert_eq!(text.starts_with("deny "), !allow);
    }
    assert_eq!(ids.len(), 3);
    assert_eq!(rules[0].place, "sluicegate.toml:44".replace("44", &line_of(&text, "hmi read holding").to_string()));
}

fn line_of(text: &str, what: &str) -> usize {
    text.lines().position(|line| line.contains(what)).map_or(0, |at| at + 1)
}

#[test]
fn reads_across_a_gap_are_told_for_whom() {
    let dir = plant();
    let text = GOOD.replace("holding 0-99\"", "holding 0-9, 20-29, 30-39, 500-509\"");
    let gaps = read_gaps(&good(&text, dir.path()).site);
    let told: Vec<_> = gaps.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["pump: scada may read holding before and after 10-19, and not across"]);
    let all = good(&text.replace("500-509\"", "500-509\", \"any read holding 5-400\""), dir.path()).site;
    let gaps: Vec<_> = read_gaps(&all).iter().map(|one| (one.first, one.last)).collect();
    assert_eq!(gaps, [(401, 499)], "what anybody may read closes the others");
}

#[test]
fn the_schema_and_the_reference_know_every_table() {
    let schema = schema();
    let conduit = &schema["properties"]["conduits"]["additionalProperties"];
    assert_eq!(conduit["properties"]["modbus"]["properties"]["units"]["type"], "array");
    assert_eq!(conduit["properties"]["limits"]["properties"]["requests"]["default"], "1000/s burst 500");
    assert_eq!(schema["properties"]["tests"]["type"], "array");
    assert_eq!(schema["additionalProperties"], false);
    assert!(reference().contains("## `[conduits.NAME.modbus]`"));
    assert!(reference().contains("## `[[tests]]`"));
}
