//! Does `replay` judge IEC 104 as the gate does: what the centre asks by its rules, what the station says by the rules of class report?

use serde_json::{Value, json};

use super::replay::{load, replay};
use crate::gate::repository;

const SITE: &str = r#"schema = 1
site = { name = "substation" }
zones.ops.networks = ["127.0.0.0/8"]
zones.bay.level = 1
[identities.scada]
zone = "ops"
match = { source = "127.0.0.1" }
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
[conduits.pump]
from = "ops"
to = "bay"
listener = "ot"
upstream = "127.0.0.1:2404"
upstream_mode = "per-session"
protocol = "iec104"
[conduits.pump.iec104]
cas = [47]
allow = [
  "scada read counters",
  "scada control C_SE_NC_1 ioa 14 = 0.0..3.0",
  "scada control C_SC_NA_1 ioa 12 = on",
  "any report M_ME_NC_1 ioa 1-20",
]
"#;

#[test]
fn a_centre_and_a_station_are_judged_as_by_the_gate() {
    let (lines, summary) =
        replay(&load(SITE), &repository().join("tests/telecontrol/generated__iec104.pcapng"), "", &[]);
    let told = |line: &Value| {
        let deed = &line["deeds"][0];
        assert!(deed["ca"].is_u64() && deed["cause"].is_u64() && deed["test"] == false, "{line}");
        (line["direction"].as_str() == Some("request"), deed["type_id"].as_u64(), line["reason"].clone())
    };
    let found: Vec<_> = lines.iter().map(told).collect();
    let asked = |id, reason: Value| (true, Some(id), reason);
    for due in [
        asked(45, Value::Null),
        asked(50, json!("value_not_allowed")),
        asked(101, Value::Null),
        asked(102, json!("function_not_allowed")),
        asked(103, json!("function_not_allowed")),
        asked(100, json!("unit_not_allowed")),
        (false, Some(13), Value::Null),
        (false, Some(30), json!("function_not_allowed")),
    ] {
        assert!(found.contains(&due), "{due:?} is not among {found:#?}");
    }
    assert_eq!(lines.len(), 18, "nothing is skipped");
    assert_eq!(summary["malformed"], 0);
}
