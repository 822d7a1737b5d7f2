//! Does lib60870, by c104, work through the gate as control centre and as station?

use std::process::Command;

use super::programs::{Child, Tunnel, python, script};
use crate::{
    gate::{Gate, Site, missing, run},
    telecontrol::Rtu,
};

const ALLOW: &[&str] = &[
    "hmi read interrogation ca 47",
    "hmi read counters ca 47",
    "hmi read point ca 47 ioa 11",
    "hmi control clock ca 47",
    "hmi control C_SC_NA_1 ca 47 ioa 12 = on",
    "hmi control C_DC_NA_1 ca 47 ioa 20",
    "hmi control C_RC_NA_1 ca 47 ioa 21",
    "hmi control C_SE_NC_1 ca 47 ioa 14 = 0.0..50.0",
    "hmi control C_SC_NA_1 ca 47 ioa 22-23 = on select-first",
];

/// Interrogation, counters, clock, read, spontaneous events, single, double, step, set-point, select before operate; each
/// refusal a negative confirmation, and the association stays up. TLS with the centre's certificate in front.
#[test]
fn c104_works_through_the_gate_on_either_side() {
    let Some(python) = python() else { return };
    if missing(&["stunnel"]) {
        return;
    }
    let site = Site::new();
    let executed = site.file("station.txt");
    let station = Child::python(&python, "c104_station.py", &executed);
    let text = Rtu { tls: true, allow: ALLOW, ..Rtu::default() }.text(&format!("127.0.0.1:{}", station.port), 47);
    let gate = Gate::try_start(&site, &text, |command| command).expect("it starts");
    let tunnel = Tunnel::to(&site, &gate);
    let mut centre = Command::new(&python);
    let (ok, said) = run(centre.arg(script("c104_centre.py")).arg(tunnel.port.to_string()));
    assert!(ok && said.contains("OK"), "{said}");
    let executed = std::fs::read_to_string(executed).expect("it says what it does");
    let executed: Vec<_> = executed.lines().filter(|line| line.starts_with("executed")).collect();
    let due = [
        "executed C_SC_NA_1 12 True",
        "executed C_DC_NA_1 20 Double.ON",
        "executed C_RC_NA_1 21 Step.HIGHER",
        "executed C_SE_NC_1 14 3.25",
        "executed C_SC_NA_1 22 True",
        "executed C_SC_NA_1 12 True",
    ];
    assert_eq!(executed, due, "what the policy refuses never reached the station");
    let denied = |reason: &str| format!("denials_total{{conduit=\"rtu\",mode=\"enforce\",reason=\"{reason}\"}}");
    assert_eq!(gate.metric(&denied("value_not_allowed")), 2);
    assert_eq!(gate.metric(&denied("condition_not_met")), 1);
    assert_eq!(gate.metric(&denied("direction_not_allowed")), 0, "nothing of the station's was dropped");
    gate.stop();
}
