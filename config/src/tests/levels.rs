//! Does a conduit miss exactly the requirements that its configuration could keep and does not?
//!
//! [`SOUND`] misses nothing at any level. Each case changes as little of it as brings one gap about: the same line decides
//! whether the gap is there.

use super::*;
use crate::levels::{ConduitLevel, Kept, LevelGap, REQUIREMENTS, requirements};

const SOUND: &str = r#"schema = 1

[site]
name = "plant"

[zones.ops]
level = 3.5
sl_target = 4
networks = ["10.30.0.0/24"]

[zones.cell]
level = 2
sl_target = 4

[certificates.gateway]
cert = "pki/gateway.crt"
key = "credential:gateway"

[authorities.plant]
roots = "pki/plant.crt"
crl = "pki/plant.crl"
names = ["spiffe://plant/*", "dns:*.plant"]

[authorities.devices]
roots = "pki/plant.crt"
crl = "pki/plant.crl"
names = ["dns:*.cell.plant"]

[identities.scada]
zone = "ops"
authority = "plant"
match = { uri = "spiffe://plant/scada" }
roles = ["hmi"]

[identities.plc]
zone = "cell"
authority = "devices"
match = { dns = "plc.cell.plant" }

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
upstream = "tls:10.10.1.20:802"
upstream_certificate = "gateway"
upstream_authorities = ["devices"]
upstream_peer = "plc"
protocol = "modbus"
mode = "enforce"
essential = true

[conduits.pump.limits]
writes = "20/s"

[conduits.pump.faults]
crl_stale = "refuse-new"
certificate_expired = "refuse-new"
clock_unknown = "refuse-new"
audit_full = "refuse-new"

[conduits.pump.modbus]
units = [1]
allow = ["hmi read holding 0-99", "hmi write holding 40 = 0..1500", "any identify device-id"]

[audit]
on_full = "by-conduit"
durable = "writes"

[metrics]
bind = "127.0.0.1:9473"

[[tests]]
name = "nobody writes the interlock"
as = "scada"
on = "pump"
send = "write holding 95 = 1"
expect = "deny address_not_allowed"
"#;

/// A name; what stands there, and what then stands there; the code; what the marked line holds; the requirements missed
/// at SL-T 4, each with its level.
struct Case(
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static str,
    &'static [(&'static str, u8)],
);

const PLAIN_LISTENER: &[(&str, &str)] = &[
    (
        "transport = \"tls\"\ncertificate = \"gateway\"\nauthorities = [\"plant\"]",
        "transport = \"tcp\"\nallow_plaintext = true",
    ),
    ("authority = \"plant\"\nmatch = { uri = \"spiffe://plant/scada\" }", "match = { source = \"10.30.0.5\" }"),
];
const PLAIN_DEVICE: &[(&str, &str)] = &[(
    "\"tls:10.10.1.20:802\"\nupstream_certificate = \"gateway\"\nupstream_authorities = [\"devices\"]\nupstream_peer = \"plc\"",
    "\"10.10.1.20:502\"",
)];
const PLAIN_PEER_MISSES: &[(&str, u8)] = &[
    ("SR 1.2", 2),
    ("SR 1.2 RE 1", 3),
    ("SR 1.9", 2),
    ("SR 2.12", 3),
    ("SR 2.12 RE 1", 4),
    ("SR 3.1 RE 1", 3),
    ("SR 3.8", 2),
    ("SR 3.8 RE 1", 3),
    ("SR 3.8 RE 2", 3),
    ("SR 3.8 RE 3", 4),
    ("SR 4.1 RE 2", 4),
];
const RECORD: &[(&str, u8)] = &[("SR 2.12", 3), ("SR 2.12 RE 1", 4)];

const CASES: &[Case] = &[
    Case(
        "no_crl",
        &[("crl = \"pki/plant.crl\"\nnames = [\"spiffe", "names = [\"spiffe")],
        "W005",
        "[authorities.plant]",
        &[("SR 1.9", 2)],
    ),
    Case(
        "no_crl_of_devices",
        &[("crl = \"pki/plant.crl\"\nnames = [\"dns:*.cell", "names = [\"dns:*.cell")],
        "W005",
        "[authorities.devices]",
        &[("SR 1.9", 2)],
    ),
    Case("past_level_3_5", &[("level = 3.5", "level = 4")], "W016", "from = ", &[("SR 5.1", 1)]),
    Case("plain_listener", PLAIN_LISTENER, "W020", "transport = ", PLAIN_PEER_MISSES),
    Case("plain_device", PLAIN_DEVICE, "W021", "upstream = ", &[("SR 3.1 RE 1", 3), ("SR 4.1 RE 2", 4)]),
    Case(
        "many_peers",
        // In a zone of SL-T 3 it is refused (E060); the conduit owes what the other zone asks for.
        &[("sl_target = 4\nnetworks", "sl_target = 2\nnetworks"), ("plant/scada\"", "plant/*\"")],
        "W022",
        "match = { uri",
        &[("SR 1.2 RE 1", 3)],
    ),
    Case("anybody_writes", &[("\"hmi write", "\"any write")], "W023", "allow = [", &[("SR 2.1 RE 2", 2)]),
    Case(
        "monitor",
        &[("mode = \"enforce\"", "mode = \"monitor\"")],
        "W024",
        "mode = ",
        &[("SR 2.1", 1), ("SR 2.1 RE 1", 2), ("SR 5.2 RE 1", 2)],
    ),
    Case(
        "monitor_by_default",
        &[("mode = \"enforce\"\n", ""), ("[audit]", "[defaults]\nmode = \"monitor\"\n[audit]")],
        "W024",
        "mode = ",
        &[("SR 2.1", 1), ("SR 2.1 RE 1", 2), ("SR 5.2 RE 1", 2)],
    ),
    Case("any_source", &[("networks = [\"10.30.0.0/24\"]", "")], "W025", "[zones.ops]", &[("SR 1.13", 1)]),
    Case(
        "no_metrics",
        &[("[metrics]\nbind = \"127.0.0.1:9473\"", "")],
        "W026",
        "name = \"plant\"",
        &[("SR 2.9 RE 1", 3), ("SR 6.2", 2)],
    ),
    Case(
        "no_test_refuses",
        &[("write holding 95 = 1", "write holding 40 = 1"), ("\"deny address_not_allowed\"", "\"allow\"")],
        "W027",
        "[conduits.pump]",
        &[("SR 3.3 RE 1", 3)],
    ),
    Case("not_durable", &[("durable = \"writes\"", "durable = \"sessions\"")], "W028", "durable = ", RECORD),
    Case("overwritten", &[("\"by-conduit\"", "\"overwrite-oldest\"")], "W029", "on_full = ", RECORD),
    Case("unrecorded", &[("audit_full = \"refuse-new\"", "audit_full = \"keep\"")], "W029", "audit_full = ", RECORD),
    Case(
        "open_at_a_stale_crl",
        &[("crl_stale = \"refuse-new\"", "crl_stale = \"keep\"")],
        "W030",
        "crl_stale = ",
        &[("SR 5.2 RE 3", 3)],
    ),
    Case(
        "open_at_an_expired_certificate",
        &[("certificate_expired = \"refuse-new\"", "certificate_expired = \"keep\"")],
        "W030",
        "certificate_expired = ",
        &[("SR 5.2 RE 3", 3)],
    ),
    Case(
        "open_without_a_clock",
        &[("clock_unknown = \"refuse-new\"", "clock_unknown = \"keep\"")],
        "W030",
        "clock_unknown = ",
        &[("SR 5.2 RE 3", 3)],
    ),
    Case(
        "unbounded",
        &[("writes = \"20/s\"", "requests = \"20/s\"")],
        "W031",
        "[conduits.pump.limits]",
        &[("SR 7.1 RE 2", 3)],
    ),
    Case("key_file", &[("\"credential:gateway\"", "\"pki/gateway.key\"")], "W032", "key = ", &[("SR 1.5 RE 1", 3)]),
];

/// Codes that stand for requirements and are errors or warnings at any level: broken.rs has them.
const AT_ANY_LEVEL: &[&str] = &["E059", "E060"];

/// The code of each case.
pub(super) fn codes_seen() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.2)
}

fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(SOUND.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "there is no {from:?}");
        text.replacen(from, to, 1)
    })
}

fn level(text: &str, dir: &Path) -> ConduitLevel {
    let mut loaded = good(text, dir);
    assert_eq!(told(&loaded.warnings, dir), "");
    assert_eq!(loaded.levels.len(), 1);
    loaded.levels.remove(0)
}

fn gaps(level: &ConduitLevel) -> Vec<(&'static str, Vec<(&'static str, u8)>)> {
    let ids = |gap: &LevelGap| gap.requirements.iter().map(|one| (one.id, one.level)).collect();
    level.gaps.iter().map(|gap| (gap.finding.code, ids(gap))).collect()
}

/// The same with the target of both zones at most `most`.
fn targeted(text: &str, most: u8) -> String {
    let lower = |text: String, level: u8| text.replace(&format!("sl_target = {level}"), &format!("sl_target = {most}"));
    (most + 1..=4).fold(text.to_owned(), lower)
}

#[test]
fn a_sound_conduit_misses_nothing_at_any_level() {
    let dir = plant();
    for most in 0..=4 {
        let level = level(&targeted(SOUND, most), dir.path());
        assert_eq!((level.target, gaps(&level)), (most, Vec::new()));
        let owed = level.kept().count() + level.by_other_means().count() + level.no_gateways().count();
        assert_eq!(owed, [0, 37, 60, 90, 100][usize::from(most)], "each requirement is somebody's");
    }
}

#[test]
fn each_gap_has_its_code_its_place_its_help_and_its_requirements_at_each_level() {
    let dir = plant();
    for Case(name, edits, code, place, misses) in CASES {
        let text = edited(edits);
        for most in 0..=4 {
            let text = targeted(&text, most);
            let Ok(loaded) = load_str(&text, dir.path()) else { panic!("{name} at SL-T {most} is refused") };
            let due: Vec<_> = misses.iter().copied().filter(|(_, level)| *level <= most).collect();
            let expected = if due.is_empty() { Vec::new() } else { vec![(*code, due)] };
            assert_eq!(gaps(&loaded.levels[0]), expected, "{name} at SL-T {most}");
        }
        let level = &good(&text, dir.path()).levels[0];
        let finding = &level.gaps[0].finding;
        let line = text.lines().nth(finding.places[0].line_column().0 - 1).unwrap_or_default();
        assert!(line.contains(place), "{name}: it is at {line:?} and not at {place:?}");
        assert!(finding.help.iter().any(|help| help.len() > 10), "{name}: no help");
        assert_eq!(level.missed().count(), misses.len(), "{name}");
    }
}

#[test]
fn each_code_that_stands_for_a_requirement_has_a_case() {
    for one in REQUIREMENTS {
        for code in one.codes() {
            let case = CASES.iter().any(|case| case.2 == *code && case.4.contains(&(one.id, one.level)));
            // What concerns untrusted ways only: the test below.
            assert!(case || AT_ANY_LEVEL.contains(code) || one.id == "SR 4.1 RE 1", "{} {code}", one.id);
        }
    }
}

#[test]
fn a_plain_way_into_an_untrusted_zone_is_read_along() {
    let dir = plant();
    let plain = edited(PLAIN_DEVICE);
    let untrusted = plain.replace("[zones.cell]", "[zones.cell]\nuntrusted = true");
    let at_2 = |text: &str| gaps(&level(&targeted(text, 2), dir.path()));
    assert_eq!(at_2(&plain), []);
    assert_eq!(at_2(&untrusted), [("W021", vec![("SR 4.1 RE 1", 2)])]);
}

#[test]
fn a_conduit_past_level_3_5_is_told_where_no_level_is_aimed_at() {
    let dir = plant();
    for (from, to, jumps) in [
        ("4", "2", true),
        ("5", "3", true),
        ("2", "4", true),
        ("4", "3.5", false),
        ("3.5", "1", false),
        ("3", "0", false),
    ] {
        let cell = SOUND.replace("level = 2", &format!("level = {to}"));
        let text = cell.replace("level = 3.5", &format!("level = {from}"));
        let loaded = good(&targeted(&text, 0), dir.path());
        assert_eq!(codes(&loaded.warnings).iter().any(|(code, _)| *code == "W016"), jumps, "{from} to {to}");
        let loaded = good(&targeted(&text, 1), dir.path());
        assert_eq!(codes(&loaded.warnings), [], "told once, as a gap");
        assert_eq!(loaded.levels[0].gaps.len(), usize::from(jumps), "{from} to {to}");
    }
}

/// The higher target counts, whichever zone has it.
#[test]
fn a_conduit_owes_what_the_higher_of_its_zones_asks_for() {
    let dir = plant();
    for edit in ["sl_target = 4\nnetworks", "sl_target = 4\n\n[cert"] {
        let text = SOUND.replace(edit, &edit.replace('4', "1"));
        assert_eq!(level(&text, dir.path()).target, 4);
    }
}

#[test]
fn rules_with_a_rate_or_a_budget_of_their_own_need_no_bucket() {
    let dir = plant();
    let unbounded = edited(&[("writes = \"20/s\"", "requests = \"20/s\"")]);
    let rate = unbounded.replace("= 0..1500", "= 0..1500 max 6/min");
    let budget = unbounded
        .replace("= 0..1500", "= 0..1500 spends sets")
        .replace("[roles.hmi]", "[budgets.sets]\nrate = \"6/min\"\n[roles.hmi]");
    assert_eq!(gaps(&level(&unbounded, dir.path())).len(), 1);
    assert_eq!(gaps(&level(&rate, dir.path())), []);
    assert_eq!(gaps(&level(&budget, dir.path())), []);
}

/// Who only reads needs neither a bucket for writes nor a record before each.
#[test]
fn a_conduit_that_changes_nothing_owes_nothing_for_changes() {
    let dir = plant();
    let text = edited(&[
        ("\"hmi write holding 40 = 0..1500\", ", ""),
        ("writes = \"20/s\"", ""),
        ("durable = \"writes\"", "durable = \"sessions\""),
    ]);
    assert_eq!(gaps(&level(&text, dir.path())), []);
}

#[test]
fn a_network_of_one_address_is_one_peer_and_a_wider_one_is_many() {
    let dir = plant();
    let one = edited(PLAIN_LISTENER);
    let many = one.replace("10.30.0.5", "10.30.0.4/31");
    let codes = |text: &str| gaps(&level(text, dir.path())).iter().map(|one| one.0).collect::<Vec<_>>();
    assert_eq!(codes(&one), ["W020"]);
    assert_eq!(codes(&many), ["W022", "W020"], "in the order of the file");
}

/// One gap for what two legs share, and one for each conduit that has it.
#[test]
fn a_gap_is_told_once_for_each_conduit() {
    let dir = plant();
    let key = edited(&[("\"credential:gateway\"", "\"pki/gateway.key\"")]);
    let second = key
        .split("[conduits.pump]")
        .nth(1)
        .and_then(|rest| rest.split("[audit]").next())
        .map(|conduit| format!("[conduits.valve]{conduit}").replace("conduits.pump", "conduits.valve"))
        .expect("the conduit is there");
    let both = format!("{key}{second}")
        .replace("[conduits.pump]", "[conduits.pump]\nsni = \"pump\"")
        .replace("[conduits.valve]", "[conduits.valve]\nsni = \"valve\"");
    let loaded = good(&both, dir.path());
    let found: Vec<_> = loaded.levels.iter().map(|one| (one.conduit.as_str(), gaps(one).len())).collect();
    // Nobody tests what the second one refuses.
    assert_eq!(found, [("pump", 1), ("valve", 2)]);
}

#[test]
fn whatever_is_left_to_the_plant_says_by_which_means() {
    for one in REQUIREMENTS {
        assert!(one.says.len() > 8 && !one.says.contains('|'), "{}: it stands in a table", one.id);
        match one.kept {
            Kept::Plant(says) | Kept::Always(says) => assert!(says.len() > 4, "{}", one.id),
            Kept::Written(codes) => assert!(!codes.is_empty(), "{}", one.id),
            Kept::NoGateway => {}
        }
    }
    assert_eq!(requirements("W005", 1).count(), 0);
    assert_eq!(requirements("W005", 2).map(|one| one.id).collect::<Vec<_>>(), ["SR 1.9"]);
}
