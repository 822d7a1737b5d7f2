//! What passes towards a station, and what passes from it?

use std::process::Command;

use super::{Rtu, ruled};
use crate::gate::{
    Peer, Site, run,
    station::{Centre, Manner, Station, asdu, heard},
    wait,
};

const SINGLE: &str = "hmi control C_SC_NA_1 ca 1 ioa 100-110 = on";

fn single(cause: u8, ca: u16, ioa: u32, sco: u8) -> Vec<u8> {
    asdu(45, cause, 7, ca, ioa, &[sco])
}

/// IE-23: by type, point and value. A refused command is the same ASDU, negative; the association stays up.
#[test]
fn a_refusal_is_the_commands_own_image() {
    let (site, station, gate) = ruled(&[SINGLE, "hmi control C_SE_NC_1 ca 1 ioa 300 = 0.0..50.0"]);
    let mut centre = Centre::started(Peer::plain(&gate));
    let float = |value: f32| asdu(50, 6, 7, 1, 300, &[&value.to_le_bytes()[..], &[0]].concat());
    for (command, image) in [
        (single(6, 1, 100, 1), "2d010707010064000001"),
        // Another value, and a deactivation of it.
        (single(6, 1, 100, 0), "2d014707010064000000"),
        (single(8, 1, 100, 0), "2d014907010064000000"),
        // A point, a common address and a type that no rule of anyone names.
        (single(6, 1, 99, 1), "2d016f07010063000001"),
        (single(6, 2, 100, 1), "2d016e07020064000001"),
        (asdu(46, 6, 7, 1, 100, &[2]), "2e016c07010064000002"),
        (float(50.5), "32014707 01002c01 0000004a42 00"),
        (float(50.0), "32010707 01002c01 0000004842 00"),
        // IE-07: the test bit changes nothing.
        (single(0x86, 1, 100, 0), "2d01c707010064000000"),
    ] {
        assert_eq!(centre.ask(&command), image.replace(' ', ""), "{command:02x?}");
        centre.acknowledge();
    }
    assert_eq!(station.asdus(), ["2d010607010064000001", "3201060701002c01000000484200"]);
    site.record_with(&[("event", "denied"), ("reason", "value_not_allowed"), ("identity", "scada")]);
    // IE-08: nobody would know that an answer to the global address is meant for him.
    centre.tell(&single(6, 0xffff, 100, 1));
    assert_eq!(centre.ask(&single(6, 1, 100, 0)), "2d014707010064000000", "nothing came before");
    assert_eq!(station.asdus().len(), 2);
    gate.stop();
}

/// IE-21: NaN and infinities are no set-points.
#[test]
fn what_is_no_number_is_no_set_point() {
    let (_site, station, gate) =
        ruled(&["hmi control C_SE_NC_1 ca 1 ioa 300", "hmi control C_SE_NB_1 ca 1 ioa 301 = 0..100"]);
    let mut centre = Centre::started(Peer::plain(&gate));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let answer = centre.ask(&asdu(50, 6, 0, 1, 300, &[&value.to_le_bytes()[..], &[0]].concat()));
        assert!(answer.starts_with("320147"), "{answer}");
    }
    let answer = centre.ask(&asdu(49, 6, 0, 1, 301, &[0xff, 0x7f, 0]));
    assert!(answer.starts_with("310147"), "{answer}");
    assert!(station.asdus().is_empty());
    gate.stop();
}

/// DN-21's twin: an execute counts only behind its own confirmed select.
#[test]
fn select_first() {
    let (site, station, gate) = ruled(&["hmi control C_SC_NA_1 ca 1 ioa 100-101 select-first"]);
    let mut centre = Centre::started(Peer::plain(&gate));
    let (select, execute) = (|ioa| single(6, 1, ioa, 0x81), |ioa| single(6, 1, ioa, 0x01));
    let mut ask = |command: &[u8]| {
        let answer = centre.ask(command);
        centre.acknowledge();
        answer[4..6].to_owned()
    };
    assert_eq!(ask(&execute(100)), "47", "without a select");
    assert_eq!(ask(&select(100)), "07");
    assert_eq!(ask(&execute(101)), "47", "another point's select");
    assert_eq!(ask(&single(6, 1, 100, 0x00)), "47", "another state's select");
    assert_eq!(ask(&execute(100)), "07");
    assert_eq!(ask(&execute(100)), "47", "a select is good for one execute");
    assert_eq!(ask(&select(100)), "07");
    assert_eq!(ask(&single(8, 1, 100, 0x81)), "09", "a deactivation ends it");
    assert_eq!(ask(&execute(100)), "47");
    // IE-03: both in one segment; the execute comes before the select is confirmed.
    assert_eq!(station.asdus().len(), 4);
    site.record_with(&[("event", "denied"), ("reason", "condition_not_met")]);
    gate.stop();
}

#[test]
fn a_select_is_good_for_its_time() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let allow = &["hmi control C_SC_NA_1 ca 1 ioa 100 select-first"];
    let gate = Rtu { keys: "select_timeout = \"1s\"", allow, ..Rtu::default() }.start(&site, &station);
    let mut centre = Centre::started(Peer::plain(&gate));
    assert!(centre.ask(&single(6, 1, 100, 0x81)).starts_with("2d0107"));
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert!(centre.ask(&single(6, 1, 100, 0x01)).starts_with("2d0147"), "too late");
    gate.stop();
}

/// What a station says is judged too. What is refused is settled with it: its window must not fill with it.
#[test]
fn reports_have_their_rules() {
    let (site, station, gate) = ruled(&["hmi read interrogation ca 1", "any report M_SP_NA_1 ca 1 ioa 1-10"]);
    let mut centre = Centre::started(Peer::plain(&gate));
    for _ in 0..40 {
        station.say(&asdu(1, 3, 0, 1, 11, &[1]));
    }
    station.say(&asdu(1, 3, 0, 1, 10, &[1]));
    assert_eq!(centre.asdu(), "0101030001000a000001");
    wait("what was refused is acknowledged", || station.told() >= 40);
    assert_eq!(station.told(), 40, "and what the centre has not acknowledged is not");
    centre.acknowledge();
    wait("the rest", || station.told() == 41);
    let denied = "denials_total{conduit=\"rtu\",mode=\"enforce\",reason=\"address_not_allowed\"}";
    assert_eq!(gate.metric(denied), 40);
    site.record_with(&[("event", "denied"), ("reason", "address_not_allowed")]);
    gate.stop();
}

/// Absent rules of reports: all of the listed common addresses, and nothing of others. Odd content passes and is told;
/// a command that confirms nothing (IE-20) does not pass.
#[test]
fn a_station_reports_what_it_likes_and_commands_nothing() {
    let (site, station, gate) = ruled(&["hmi read interrogation ca 1"]);
    let mut centre = Centre::started(Peer::plain(&gate));
    station.say(&asdu(13, 3, 0, 1, 5, &[0, 0, 0xc0, 0x7f, 0x80]));
    assert_eq!(centre.asdu(), "0d010300010005 00000000c07f80".replace(' ', ""), "NaN with IV passes");
    let odd = site.record("odd content", |one| one["event"] == "alarm" && one["note"] == "measured_finite");
    assert_eq!(odd["reason"], "malformed");
    station.say(&asdu(1, 3, 0, 2, 5, &[1]));
    station.say(&asdu(45, 7, 0, 1, 100, &[1]));
    station.say(&asdu(45, 6, 0, 1, 100, &[1]));
    station.say(&asdu(45, 20, 0, 1, 100, &[1]));
    station.say(&asdu(1, 3, 0, 1, 6, &[1]));
    assert_eq!(centre.asdu(), "01010300010006000001", "the others did not pass");
    let denials =
        |reason: &str| gate.metric(&format!("denials_total{{conduit=\"rtu\",mode=\"enforce\",reason=\"{reason}\"}}"));
    assert_eq!((denials("unit_not_allowed"), denials("direction_not_allowed")), (1, 3));
    centre.acknowledge();
    wait("all of it is settled", || station.told() == 6);
    gate.stop();
}

/// What a condition asks for is known from what the station reported, or else asked for; the centre hears nothing of it.
#[test]
fn a_condition_is_known_from_reports_or_asked_for() {
    let rules = ["hmi control C_SC_NA_1 ca 1 ioa 100 when M_SP_NA_1 ioa 5 = on", "hmi read point ca 1 ioa 6"];
    let (site, station, gate) = ruled(&rules);
    let mut centre = Centre::started(Peer::plain(&gate));
    assert!(centre.ask(&single(6, 1, 100, 1)).starts_with("2d0107"), "the station says that it is on");
    assert_eq!(station.asdus(), ["660105000100050000", "2d010607010064000001"]);
    site.record_with(&[("event", "own_read"), ("origin", "gateway")]);
    // A report of the other state is news at once.
    station.say(&asdu(1, 3, 0, 1, 5, &[0]));
    assert_eq!(centre.asdu(), "01010300010005000000");
    assert!(centre.ask(&single(6, 1, 100, 1)).starts_with("2d0147"));
    assert_eq!(station.asdus().len(), 2);
    // A read of the centre's own is confirmed and answered.
    assert_eq!(centre.ask(&asdu(102, 5, 0, 1, 6, &[])), "660107000100060000");
    assert_eq!(centre.asdu(), "01010500010006000001");
    gate.stop();
}

#[test]
fn monitor_strict_refuses_odd_content() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let gate = Rtu { keys: "monitor_strict = true", ..Rtu::default() }.start(&site, &station);
    let mut centre = Centre::started(Peer::plain(&gate));
    station.say(&asdu(13, 3, 0, 1, 5, &[0, 0, 0xc0, 0x7f, 0x80]));
    station.say(&asdu(1, 3, 0, 1, 6, &[1]));
    assert_eq!(centre.asdu(), "01010300010006000001");
    gate.stop();
}

/// IE-24: whoever touches more points than `targets` allows is scanning.
#[test]
fn a_scan_over_points_is_limited() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let allow = &["hmi control C_SC_NA_1 ca 1 ioa 1-2000"];
    let gate = Rtu { limits: "targets = \"5/min\"", allow, ..Rtu::default() }.start(&site, &station);
    let mut centre = Centre::started(Peer::plain(&gate));
    for ioa in 1..=20 {
        let answer = centre.ask(&single(6, 1, ioa, 1));
        assert_eq!(answer.starts_with("2d0107"), ioa <= 5, "{ioa}: {answer}");
        centre.acknowledge();
    }
    heard(&station, 5);
    assert_eq!(station.asdus().len(), 5);
    site.record_with(&[("event", "denied"), ("reason", "scan_limited")]);
    gate.stop();
}

#[test]
fn only_listed_originators_speak() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let gate = Rtu { keys: "originators = [7]", allow: &[SINGLE], ..Rtu::default() }.start(&site, &station);
    let mut centre = Centre::started(Peer::plain(&gate));
    assert!(centre.ask(&asdu(45, 6, 8, 1, 100, &[1])).starts_with("2d014708"));
    assert!(centre.ask(&single(6, 1, 100, 1)).starts_with("2d010707"));
    site.record_with(&[("event", "denied"), ("reason", "identity_not_allowed")]);
    assert_eq!(station.asdus().len(), 1);
    gate.stop();
}

#[test]
fn the_commands_know_the_protocol() {
    let site = Site::new();
    let rtu = Rtu { allow: &[SINGLE], ..Rtu::default() };
    let file = site.write_config(&rtu.text("127.0.0.1:2404", 1));
    let say = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        run(command.args(arguments).arg("--config").arg(&file))
    };
    let (ok, said) = say(&["explain", "rtu", "--as", "scada", "control C_SC_NA_1 ca 1 ioa 100 = on"]);
    assert!(ok && said.contains(SINGLE), "{said}");
    let (ok, said) = say(&["explain", "rtu", "--as", "scada", "control C_SC_NA_1 ca 1 ioa 99 = on"]);
    assert!(
        !ok && said.contains("address_not_allowed") && said.contains("unknown information object address"),
        "{said}"
    );
    let (_, said) = say(&["explain", "rtu", "--as", "scada", "control C_SC_NA_1 ca 1 ioa 99 = on", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!((&found["answer"]["kind"], &found["answer"]["code"]), (&"negative_confirmation".into(), &47.into()));
    // What to change is what is wrong: no unit that is listed, no `when` that nobody wrote.
    let narrow = Rtu { allow: &["scada control C_SC_NA_1 ca 1 ioa 100 = on select-first"], keys: "", ..rtu };
    site.write_config(&narrow.text("127.0.0.1:2404", 1).replace("cas = [1]", "cas = [1, 2]"));
    let (ok, said) = say(&["explain", "rtu", "--as", "scada", "control C_SC_NA_1 ca 1 ioa 100 = on"]);
    assert!(!ok && said.contains("select it first") && !said.contains("`when`"), "{said}");
    let (ok, said) = say(&["explain", "rtu", "--as", "scada", "control C_SC_NA_1 ca 2 ioa 100 = on"]);
    assert!(!ok && said.contains("unit_not_allowed") && !said.contains("`cas`"), "{said}");
    let (ok, said) = say(&["explain", "rtu", "--as", "scada", "control C_SC_NA_1 ca 3 ioa 100 = on"]);
    assert!(!ok && said.contains("add 3 to `cas`"), "{said}");
    site.write_config(&rtu.text("127.0.0.1:2404", 1));
    let (ok, said) = say(&["who-can", "control C_SC_NA_1 ca 1 ioa 100 = on"]);
    assert!(ok && said.contains("scada") && said.contains("rtu"), "{said}");
    let rtu = Rtu { keys: "w = 13\nt2 = \"20s\"", ..rtu };
    let shared = rtu
        .text("127.0.0.1:2404", 1)
        .replace("protocol = \"iec104\"", "protocol = \"iec104\"\nupstream_mode = \"shared\"");
    site.write_config(&shared);
    let (ok, said) = say(&["check"]);
    for clash in ["w = 13 is above k = 12", "t2 is not below t1", "has a device connection of its own"] {
        assert!(!ok && said.contains(clash), "{clash}: {said}");
    }
}
