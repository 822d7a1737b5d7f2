//! `replay` says of each message what the conduit would have made of it, under the capture's own time.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use sluicegate::capture::{Gate, Line, Reading, read};
use sluicegate_config::Loaded;

use super::writer::{Piece, Talk, adu, capture, ethernet, ip};

/// A site with one plain conduit `pump`: `scada` comes from these networks, `other` from 10.9.0.0/16.
fn text(mode: &str, networks: &str, rules: &str) -> String {
    format!(
        r#"schema = 1
site = {{ name = "north", timezone = "UTC" }}
zones.ops.level = 3
zones.cell.level = 1
roles.hmi = {{}}
schedules.late = {{ windows = ["mon-sun 22:00-23:00"] }}
schedules.early = {{ windows = ["mon-sun 00:00-22:00", "mon-sun 23:00-24:00"] }}
[identities.scada]
zone = "ops"
match = {{ source = "{networks}" }}
roles = ["hmi"]
[identities.other]
zone = "ops"
match = {{ source = "10.9.0.0/16" }}
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
upstream = "127.0.0.1:502"
protocol = "modbus"
mode = "{mode}"
[conduits.pump.modbus]
units = [1]
{rules}
"#
    )
}

pub(super) fn load(text: &str) -> Loaded {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("it is writable");
    sluicegate_config::load(file.path()).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(|one| one.render(false)).collect::<Vec<_>>().join("\n"))
    })
}

/// The same, loaded, with one allow rule.
pub(super) fn site(mode: &str, networks: &str, rule: &str) -> Loaded {
    load(&text(mode, networks, &format!("allow = [{rule:?}]")))
}

/// What `replay` makes of a file: its lines, its summary. An empty identity is none.
pub(super) fn replay(loaded: &Loaded, path: &Path, identity: &str, ports: &[u16]) -> (Vec<Value>, Value) {
    let gate = Gate::new(&loaded.site, "pump", Some(identity).filter(|name| !name.is_empty())).expect("it is there");
    let (protocol, grammar) = (gate.conduit().protocol, gate.conduit().protocol.grammar());
    let reading = Reading {
        path,
        protocol,
        settings: gate.settings(),
        ports: ports.to_vec(),
        likely: gate.ports(),
        gate: Some(gate),
    };
    let mut lines = Vec::new();
    let mut each = |line: &Line| lines.push(line.to_json(protocol.as_str(), grammar));
    let total = read(reading, &mut each).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    (lines, total.to_json())
}

fn replayed(loaded: &Loaded, bytes: &[u8], identity: &str) -> Vec<Value> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("it is writable");
    replay(loaded, file.path(), identity, &[]).0
}

/// A conversation in which each request has this answer.
fn talk(client: &str, dialogue: &[(&[u8], &[u8])]) -> Vec<Piece> {
    let mut talk = Talk::new(client, "10.1.1.9:502");
    for (id, (asked, told)) in (1..).zip(dialogue) {
        talk.asks(&adu(id, 1, asked));
        if !told.is_empty() {
            talk.tells(&adu(id, 1, told));
        }
    }
    talk.pieces
}

const CLIENT: &str = "10.1.1.5:40000";
const READ: &[u8] = &[3, 0, 40, 0, 1];
const SMALL: &[u8] = &[6, 0, 40, 0x04, 0x1A];
const LARGE: &[u8] = &[6, 0, 40, 0x09, 0xC4];

/// Verdict and reason of each request.
fn verdicts(lines: &[Value]) -> Vec<String> {
    let asked = lines.iter().filter(|line| line["direction"] == "request");
    asked.map(|line| format!("{} {}", word(&line["verdict"]), word(&line["reason"]))).collect()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

#[test]
fn each_message_and_each_deed_has_its_verdict_its_reason_and_its_rule() {
    let rules = "allow = [\n  \"hmi read holding 0-99\",\n  \"hmi write holding 50 = 0..9 via 23\",\n]\ndeny = [\"any read holding 90\"]";
    let config = text("enforce", "10.1.0.0/16", rules);
    let line_of = |rule: &str| config.lines().position(|line| line.contains(rule)).expect("it is there") + 1;
    let loaded = load(&config);
    let (both, value) = ([23, 0, 0, 0, 1, 0, 50, 0, 1, 2, 0, 5], [23, 0, 0, 0, 1, 0, 50, 0, 1, 2, 0, 15]);
    let pieces = talk(
        CLIENT,
        &[
            (READ, &[3, 2, 0, 7]),
            (&both, &[23, 2, 0, 7]),
            (&value, &[23, 2, 0, 7]),
            (&[3, 0, 90, 0, 1], &[0x83, 2]),
            (&[0x5A, 0], &[]),
            (&[3, 0, 0, 0, 0], &[]),
        ],
    );
    let lines = replayed(&loaded, &capture(&pieces), "");
    let asked: Vec<_> = lines.iter().filter(|line| line["direction"] == "request").collect();
    let told: Vec<_> = lines.iter().filter(|line| line["direction"] == "response").collect();
    let place = |value: &Value, rule: &str| word(value).ends_with(&format!(":{}", line_of(rule)));
    assert_eq!(
        verdicts(&lines),
        [
            "allowed -",
            "allowed -",
            "denied value_not_allowed",
            "denied address_not_allowed",
            "denied function_not_allowed",
            "denied malformed",
        ]
    );
    assert!(place(&asked[0]["rule"], "read holding 0-99"), "{}", asked[0]);
    assert_eq!(asked[0]["deeds"][0]["sentence"], "scada read holding 40 unit 1 via 3");
    assert_eq!(asked[1]["rules"].as_array().map(Vec::len), Some(2), "two rules allow it together: {}", asked[1]);
    let deeds = |line: &Value| -> Vec<_> {
        line["deeds"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|deed| (word(&deed["verdict"]).to_owned(), word(&deed["reason"]).to_owned()))
            .collect()
    };
    let expected = [("denied", "value_not_allowed"), ("allowed", "-")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(deeds(asked[2]), expected, "all or nothing, and which deed it was");
    assert!(place(&asked[2]["rule"], "write holding 50"), "the rule that came nearest: {}", asked[2]);
    assert!(place(&asked[3]["rule"], "any read holding 90"), "the deny rule: {}", asked[3]);
    assert_eq!(
        (&asked[5]["malformed"], &asked[5]["function"], &asked[5]["deeds"]),
        (&"malformed".into(), &3.into(), &json!([]))
    );
    assert_eq!(
        (&told[0]["verdict"], &told[3]["verdict"]),
        (&"allowed".into(), &"denied".into()),
        "an answer has its request's verdict"
    );
}

#[test]
fn monitor_mode_would_deny_and_its_deny_rules_hold() {
    let rules = "allow = [\"hmi read holding 0-9\"]\ndeny = [\"any write holding 40\"]";
    let loaded = load(&text("monitor", "10.1.0.0/16", rules));
    let lines = replayed(&loaded, &capture(&talk(CLIENT, &[(READ, &[]), (SMALL, &[])])), "");
    assert_eq!(verdicts(&lines), ["would_deny address_not_allowed", "denied address_not_allowed"]);
    for line in &lines {
        assert_eq!((&line["deeds"][0]["verdict"], &line["deeds"][0]["reason"]), (&line["verdict"], &line["reason"]));
    }
}

#[test]
fn a_step_is_measured_against_what_the_capture_showed() {
    let loaded = load(&text(
        "enforce",
        "10.1.0.0/16",
        "allow = [\"hmi read holding 0-99\", \"hmi write holding 40 = 0..5000 step 100 up\"]",
    ));
    let dialogue: &[(&[u8], &[u8])] =
        &[(SMALL, SMALL), (READ, &[3, 2, 0x03, 0xE8]), (SMALL, SMALL), (LARGE, LARGE), (SMALL, &[])];
    let lines = replayed(&loaded, &capture(&talk(CLIENT, dialogue)), "");
    let expected = ["denied step_not_allowed", "allowed -", "allowed -", "denied step_not_allowed", "allowed -"];
    // 1050 from nothing known, from 1000; 2500 from 1050; 1050 from the 2500 that the captured device took.
    assert_eq!(verdicts(&lines), expected);
    // Old values stand for the read that the gate would make.
    let pieces = talk(CLIENT, &[(READ, &[3, 2, 0x03, 0xE8]), (SMALL, SMALL)]);
    let late: Vec<_> = (0u64..).zip(&pieces).map(|(n, piece)| (if n < 4 { n } else { n + 3600 }, piece)).collect();
    assert_eq!(verdicts(&replayed(&loaded, &timed(&late), "")), ["allowed -", "allowed -"]);
}

/// GEN-13: a restart changes what it does not name, and a broadcast is a write to every unit.
#[test]
fn gen_13_what_the_capture_showed_before_a_restart_or_a_broadcast_is_not_known_after_it() {
    let rules = "allow = [\"hmi read holding 0-99\", \"hmi write holding 40 unit 1 = 0..5000 step 100\", \
                 \"hmi write holding 40 unit 0\", \"hmi diagnose diagnostic 1\"]\nunit0 = \"broadcast\"";
    let loaded = load(&text("enforce", "10.1.0.0/16", rules).replace("units = [1]", "units = [0, 1]"));
    for between in [adu(3, 1, &[8, 0, 1, 0, 0]), adu(3, 0, LARGE)] {
        let mut one = Talk::new(CLIENT, "10.1.1.9:502");
        one.asks(&adu(1, 1, READ)).tells(&adu(1, 1, &[3, 2, 3, 0xE8]));
        one.asks(&adu(2, 1, SMALL)).tells(&adu(2, 1, SMALL)).asks(&between).asks(&adu(4, 1, SMALL));
        let lines = replayed(&loaded, &capture(&one.pieces), "");
        assert_eq!(verdicts(&lines), ["allowed -", "allowed -", "allowed -", "denied step_not_allowed"]);
    }
}

/// A capture of these segments at these seconds after 2023-11-14 22:13:20 UTC.
fn timed(pieces: &[(u64, &Piece)]) -> Vec<u8> {
    let mut bytes = capture(&[]);
    for (second, piece) in pieces {
        let packet = ethernet(&ip(piece), &[]);
        let length = u32::try_from(packet.len()).expect("short").to_le_bytes();
        bytes.extend(u32::try_from(1_700_000_000 + second).expect("this century").to_le_bytes());
        bytes.extend([&[0; 4][..], &length, &length, &packet].concat());
    }
    bytes
}

#[test]
fn schedules_and_budgets_follow_the_captures_clock() {
    let writes: Vec<(&[u8], &[u8])> = vec![(SMALL, SMALL); 4];
    let pieces = talk(CLIENT, &writes);
    // The handshake, then a write and its answer at each of these seconds: 22:13:20, :30, :40, and 23:00:00.
    let at = [0, 0, 0, 0, 10, 10, 20, 20, 2800, 2800];
    let capture = timed(&at.into_iter().zip(&pieces).collect::<Vec<_>>());
    let of = |rule: &str| {
        verdicts(&replayed(&load(&text("enforce", "10.1.0.0/16", &format!("allow = [{rule:?}]"))), &capture, ""))
    };
    let (yes, late, rate) = ("allowed -", "denied outside_schedule", "denied rate_limited");
    assert_eq!(of("hmi write holding 40 during late"), [yes, yes, yes, late]);
    assert_eq!(of("hmi write holding 40 during early"), [late, late, late, yes]);
    assert_eq!(of("hmi write holding 40 max 2/min"), [yes, yes, rate, yes]);
}

#[test]
fn limits_follow_the_captures_clock() {
    let reads: Vec<(&[u8], &[u8])> = vec![(READ, &[3, 2, 0, 1]); 6];
    let rules = "allow = [\"hmi read holding 0-99\"]\n[conduits.pump.limits]\nrequests = \"1/min burst 2\"\ntargets = \"100/min\"";
    let loaded = load(&text("enforce", "10.1.0.0/16", rules));
    let lines = replayed(&loaded, &capture(&talk(CLIENT, &reads)), "");
    let rate = "denied rate_limited";
    assert_eq!(verdicts(&lines), ["allowed -", "allowed -", rate, rate, rate, rate]);
    let last = lines.iter().rfind(|line| line["direction"] == "request").expect("there is one");
    assert_eq!(last["deeds"][0]["reason"], "rate_limited", "what the message is refused for, its deeds are");
    let scan = "allow = [\"hmi read holding 0-999\"]\n[conduits.pump.limits]\ntargets = \"100/min\"";
    let lines = replayed(
        &load(&text("enforce", "10.1.0.0/16", scan)),
        &capture(&talk(CLIENT, &[(&[3, 0, 0, 0, 60], &[]), (&[3, 0, 50, 0, 60], &[])])),
        "",
    );
    assert_eq!(verdicts(&lines), ["allowed -", "denied scan_limited"]);
}

#[test]
fn who_it_is_comes_from_the_address_or_from_the_command() {
    let loaded = site("enforce", "10.1.0.0/16", "hmi read holding 0-99");
    let of =
        |client: &str, identity: &str| verdicts(&replayed(&loaded, &capture(&talk(client, &[(READ, &[])])), identity));
    assert_eq!(of("10.1.1.5:40000", ""), ["allowed -"]);
    assert_eq!(of("10.9.1.5:40000", ""), ["denied identity_not_allowed"]);
    assert_eq!(of("10.7.1.5:40000", ""), ["denied identity_unknown"]);
    assert_eq!(of("10.7.1.5:40000", "scada"), ["allowed -"]);
    assert_eq!(of("10.1.1.5:40000", "other"), ["denied identity_not_allowed"]);
    for (conduit, identity, says) in
        [("pumps", None, "no conduit \"pumps\""), ("pump", Some("scda"), "no identity \"scda\"")]
    {
        let fault = Gate::new(&loaded.site, conduit, identity).expect_err("there is none");
        assert!(fault.to_string().contains(says), "{fault}");
    }
}

#[test]
fn units_ids_and_framing_are_the_conduits() {
    let mapped = load(&text(
        "enforce",
        "10.1.0.0/16",
        "unit_map = { 255 = 1 }\nallow = [\"hmi read holding 0-99\", \"hmi write holding 40 = 0..5000 step 100\"]",
    ));
    let mut one = Talk::new(CLIENT, "10.1.1.9:502");
    one.asks(&adu(1, 255, READ)).tells(&adu(1, 255, &[3, 2, 3, 0xE8])).asks(&adu(2, 255, SMALL)).asks(&adu(3, 9, READ));
    let lines = replayed(&mapped, &capture(&one.pieces), "");
    assert_eq!(
        verdicts(&lines),
        ["allowed -", "allowed -", "denied unit_not_allowed"],
        "what unit 255 showed, unit 1 holds"
    );
    assert_eq!(lines[0]["deeds"][0]["unit"], 1, "as the audit log has it");

    let mut twice = Talk::new(CLIENT, "10.1.1.9:502");
    twice.asks(&adu(1, 1, READ)).asks(&adu(1, 1, READ)).tells(&adu(1, 1, &[3, 2, 0, 1])).asks(&adu(1, 1, READ));
    let loaded = site("enforce", "10.1.0.0/16", "hmi read holding 0-99");
    assert_eq!(
        verdicts(&replayed(&loaded, &capture(&twice.pieces), "")),
        ["allowed -", "denied duplicate_id", "allowed -"]
    );
    let queue = load(&text("enforce", "10.1.0.0/16", "duplicate_tid = \"queue\"\nallow = [\"hmi read holding 0-99\"]"));
    assert_eq!(verdicts(&replayed(&queue, &capture(&twice.pieces), "")), ["allowed -"; 3]);

    // One in flight spends nothing: the second write of id 1 is none, so that the third has the second token.
    let mut writes = Talk::new(CLIENT, "10.1.1.9:502");
    writes.asks(&adu(1, 1, SMALL)).asks(&adu(1, 1, SMALL)).asks(&adu(2, 1, SMALL)).asks(&adu(3, 1, SMALL));
    let budget = site("enforce", "10.1.0.0/16", "hmi write holding 40 max 2/min");
    let expected = ["allowed -", "denied duplicate_id", "allowed -", "denied rate_limited"];
    assert_eq!(verdicts(&replayed(&budget, &capture(&writes.pieces), "")), expected);

    let rtu = load(&text("enforce", "10.1.0.0/16", "framing = \"rtu\"\nallow = [\"hmi read holding 0-99\"]"));
    let mut serial = Talk::new(CLIENT, "10.1.1.9:502");
    serial.asks(&[1, 3, 0, 0, 0, 10, 0xC5, 0xCD]).tells(&[&[1, 3, 20][..], &[0; 20], &[0xA3, 0x67]].concat());
    let lines = replayed(&rtu, &capture(&serial.pieces), "");
    assert_eq!(verdicts(&lines), ["allowed -"]);
    assert_eq!((&lines[1]["direction"], &lines[1]["malformed"]), (&"response".into(), &Value::Null), "{}", lines[1]);
}

#[test]
fn what_the_capture_lost_is_nobodys_fault() {
    let loaded = site("enforce", "10.1.0.0/16", "hmi read holding 0-99");
    let mut pieces = talk(CLIENT, &[(READ, &[3, 2, 0, 1]), (READ, &[3, 2, 0, 2])]);
    // The first request is missing: its answer, and the gap, have no verdict.
    pieces.remove(2);
    let lines = replayed(&loaded, &capture(&pieces), "");
    let told: Vec<_> = lines.iter().map(|line| word(&line["verdict"]).to_owned()).collect();
    assert_eq!(told.iter().filter(|one| *one == "denied").count(), 0, "{lines:?}");
    // An answer that nobody asked for, in a conversation that was captured whole, is one (GEN-08).
    let mut whole = Talk::new(CLIENT, "10.1.1.9:502");
    whole.asks(&adu(1, 1, READ)).tells(&adu(9, 1, &[3, 2, 0, 1]));
    let lines = replayed(&loaded, &capture(&whole.pieces), "");
    assert_eq!((&lines[1]["verdict"], &lines[1]["reason"]), (&"denied".into(), &"unsolicited_response".into()));
}

/// The command itself, on a capture of these requests.
fn command(dialogue: &[(&[u8], &[u8])], words: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = dir.path().join("sluicegate.toml");
    std::fs::write(
        &config,
        text("enforce", "10.1.0.0/16", "addressing = \"modicon\"\nallow = [\"hmi read holding 40001-40050\"]"),
    )
    .expect("writable");
    let file = dir.path().join("plant.pcap");
    std::fs::write(&file, capture(&talk(CLIENT, dialogue))).expect("writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.arg("--config").arg(config).arg("replay").arg(file).args(words);
    let Output { status, stdout, stderr } = command.output().expect("the binary was just built");
    (status.code(), String::from_utf8([stdout, stderr].concat()).expect("it is text"))
}

#[test]
fn the_command_ends_as_it_says() {
    let read: &[(&[u8], &[u8])] = &[(READ, &[3, 2, 0, 1])];
    let both: &[(&[u8], &[u8])] = &[(READ, &[3, 2, 0, 1]), (SMALL, &[])];
    assert_eq!(command(read, &["--conduit", "pump", "--fail-on-deny"]).0, Some(0));
    assert_eq!(command(both, &["--conduit", "pump"]).0, Some(0));
    assert_eq!(command(both, &["--conduit", "pump", "--fail-on-deny"]).0, Some(1));
    assert_eq!(command(both, &["--conduit", "pumps"]).0, Some(2));
    assert_eq!(command(both, &["--conduit", "pump", "--as", "nobody"]).0, Some(2));
    let (_, text) = command(both, &["--conduit", "pump", "--json"]);
    let objects: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    assert_eq!((objects.len(), &objects[3]["summary"]["verdicts"]), (4, &json!({ "allowed": 2, "denied": 1 })));
    let (_, text) = command(both, &["--conduit", "pump"]);
    assert!(text.contains("denied: function_not_allowed"), "{text}");
    let (_, limited) = command(&[(READ, &[3, 2, 0, 1]), (&[3, 0, 0, 0, 0], &[])], &["--conduit", "pump"]);
    assert!(!limited.contains("copy into"), "no rule helps against an illegal message:\n{limited}");
    assert!(text.contains("\"scada write holding 40041 unit 1 = 1050 via 6\""), "numbered as the conduit is:\n{text}");
}
