//! Does a whole configuration load, and is each promise of the language kept?

use std::path::Path;

use super::*;

/// A directory with the files that [`GOOD`] names.
fn plant() -> tempfile::TempDir {
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

/// What is told, in short: code, line, message.
fn told(found: &[Finding]) -> Vec<String> {
    found.iter().map(|one| format!("{} {}", one.code, one.render(false))).collect()
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
    let loaded = load_str(GOOD, dir.path()).unwrap_or_else(|found| panic!("{}", told(&found).join("\n")));
    assert_eq!(told(&loaded.warnings), Vec::<String>::new());
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
