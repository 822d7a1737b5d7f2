//! Does a broken configuration say what is wrong, where, and what to write?

use super::*;

/// A name, edits of [`GOOD`] (what stands there, what then stands there), and the code and line of each finding.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [(&'static str, usize)]);

const CASES: &[Case] = &[
    ("reversed_range", &[("= 0..1500\"", "= 1500..0 max 4/min\"")], &[("E042", 44)]),
    ("unknown_key", &[("upstream =", "upstraem =")], &[("E010", 39)]),
    ("key_of_another_table", &[("units = [1]", "units = [1]\nmode = \"monitor\"")], &[("E010", 44)]),
    ("unknown_table", &[("[zones.cell]", "[zonse.cell]")], &[("E010", 9), ("E030", 37)]),
    ("no_schema", &[("schema = 1", "")], &[("E003", 1)]),
    ("other_schema", &[("schema = 1", "schema = 2")], &[("E003", 1)]),
    ("not_toml", &[("name = \"plant\"", "name = plant")], &[("E002", 4)]),
    ("twice_in_one_file", &[("[zones.cell]", "[zones.ops]")], &[("E014", 9), ("E030", 37)]),
    ("a_key_twice", &[("units = [1]", "units = [1]\nunits = [2]")], &[("E014", 44)]),
    ("wrong_kind", &[("units = [1]", "units = 1")], &[("E011", 43)]),
    ("unit_out_of_bounds", &[("units = [1]", "units = [1, 256]")], &[("E012", 43)]),
    ("no_units", &[("units = [1]", "")], &[("E013", 42)]),
    ("bad_name", &[("[zones.cell]", "[zones.Cell]"), ("\"cell\"", "\"Cell\"")], &[("E015", 9), ("E015", 37)]),
    (
        "identity_called_like_a_role",
        &[("[roles.hmi]", "[roles.scada]"), ("[\"hmi\"]", "[]")],
        &[("E016", 20), ("E047", 44), ("E047", 44)],
    ),
    ("duration_without_unit", &[("sni = 1", ""), ("protocol =", "idle_timeout = \"5\"\nprotocol =")], &[("E020", 40)]),
    (
        "rate_of_nothing",
        &[("[conduits.pump.modbus]", "[conduits.pump.limits]\nwrites = \"0/s\"\n[conduits.pump.modbus]")],
        &[("E021", 43)],
    ),
    ("host_bits", &[("10.30.0.0/24", "10.30.0.5/24")], &[("E022", 7)]),
    ("address_without_port", &[("127.0.0.1:8802", "127.0.0.1")], &[("E023", 30)]),
    ("unknown_zone", &[("to = \"cell\"", "to = \"cel\"")], &[("E030", 37)]),
    ("unknown_certificate", &[("certificate = \"gateway\"", "certificate = \"gatewya\"")], &[("E030", 32)]),
    ("unknown_authority", &[("authorities = [\"plant\"]", "authorities = [\"plantt\"]")], &[("E030", 33)]),
    ("unknown_role", &[("roles = [\"hmi\"]", "roles = [\"hni\"]")], &[("E030", 24)]),
    ("rule_for_nobody", &[("\"hmi write", "\"hmu write")], &[("E047", 44)]),
    ("unknown_schedule", &[("0..1500", "0..1500 during day-shift")], &[("E030", 44)]),
    ("unknown_budget", &[("0..1500", "0..1500 spends breakers")], &[("E030", 44)]),
    ("unknown_policy", &[("protocol =", "policies = [\"pumps\"]\nprotocol =")], &[("E030", 40)]),
    ("no_such_file", &[("pki/gateway.crt", "pki/gatewy.crt")], &[("E031", 12)]),
    ("unknown_word", &[("hmi read holding", "hmi read holdin")], &[("E040", 44)]),
    ("no_authority", &[("zone = \"ops\"\nauthority = \"plant\"", "zone = \"ops\"")], &[("E052", 20)]),
    ("name_that_nobody_vouches_for", &[("plant/scada\"", "site/scada\"")], &[("E052", 23)]),
    ("key_hash_of_no_form", &[("uri = \"spiffe://plant/scada\"", "spki = \"sha256:12\"")], &[("E026", 23)]),
    ("two_ways_to_match", &[("{ uri", "{ dns = \"scada.plant\", uri")], &[("E026", 23)]),
    (
        "wildcard_at_sl_3",
        &[("[zones.ops]", "[zones.ops]\nsl_target = 3"), ("plant/scada\"", "plant/*\"")],
        &[("E060", 24)],
    ),
    (
        "plain_tcp",
        &[("transport = \"tls\"\ncertificate = \"gateway\"\nauthorities = [\"plant\"]", "transport = \"tcp\"")],
        &[("E056", 31)],
    ),
    ("tls_without_certificate", &[("certificate = \"gateway\"\n", "")], &[("E013", 31)]),
    ("upstream_without_port", &[("10.10.1.20:502", "10.10.1.20")], &[("E057", 39)]),
    ("tls_upstream_alone", &[("10.10.1.20:502", "tls:10.10.1.20:802")], &[("E057", 39), ("E057", 39), ("E057", 39)]),
    ("write_into_safety", &[("[zones.cell]", "[zones.cell]\nsafety = true")], &[("E058", 45)]),
    ("untrusted_start", &[("[zones.ops]", "[zones.ops]\nuntrusted = true")], &[("E059", 37)]),
    ("other_zone_than_the_listener", &[("from = \"ops\"", "from = \"cell\"")], &[("E055", 36)]),
    ("metrics_for_all", &[("[zones.ops]", "[metrics]\nbind = \"0.0.0.0:9473\"\n\n[zones.ops]")], &[("E061", 7)]),
    ("bound_twice", &[("[zones.ops]", "[metrics]\nbind = \"127.0.0.1:8802\"\n\n[zones.ops]")], &[("E054", 7)]),
    (
        "too_many_series",
        &[("[zones.ops]", "[metrics]\nbind = \"127.0.0.1:9473\"\nmax_series = 10\n\n[zones.ops]")],
        &[("E062", 8)],
    ),
    ("time_zone", &[("name = \"plant\"", "name = \"plant\"\ntimezone = \"Europe/Osloo\"")], &[("E024", 5)]),
    ("window", &[("[zones.ops]", "[schedules.day]\nwindows = [\"mon-fri 7-17\"]\n\n[zones.ops]")], &[("E025", 7)]),
    ("not_served_transport", &[("\"tls\"", "\"quic\"")], &[("E090", 31)]),
    ("not_served_table", &[("[zones.ops]", "[console]\nbind = \"127.0.0.1:9474\"\n\n[zones.ops]")], &[("E090", 6)]),
    (
        "certificate_on_tcp",
        &[
            ("\"tls\"", "\"tcp\"\nallow_plaintext = true"),
            ("certificate = \"gateway\"", ""),
            ("authorities = [\"plant\"]", ""),
        ],
        &[("E051", 23)],
    ),
    (
        "source_on_tls",
        &[("authority = \"plant\"\nmatch = { uri = \"spiffe://plant/scada\" }", "match = { source = \"10.30.0.5\" }")],
        &[("E051", 22)],
    ),
    ("function_not_on_the_list", &[("units = [1]", "units = [1]\nfunctions = [3]")], &[("E048", 45)]),
    ("no_value", &[("= 0..1500", "=")], &[("E041", 44)]),
    ("address_past_the_end", &[("holding 0-99", "holding 0-65536")], &[("E043", 44)]),
    ("clause_out_of_order", &[("40 = 0..1500", "40 max 6/min = 0..1500")], &[("E044", 44)]),
    ("value_of_a_read", &[("holding 0-99", "holding 0-99 = 1")], &[("E045", 44)]),
    ("not_of_modicon", &[("units = [1]", "units = [1]\naddressing = \"modicon\"")], &[("E046", 45), ("E046", 45)]),
    ("unit_0", &[("units = [1]", "units = [0]")], &[("E064", 43)]),
    (
        "expect_of_no_reason",
        &[(
            "[zones.ops]",
            "[[tests]]\nname = \"t\"\nas = \"scada\"\non = \"pump\"\nsend = \"write holding 95 = 1\"\nexpect = \"deny address_not_alowed\"\n\n[zones.ops]",
        )],
        &[("E063", 11)],
    ),
];

/// The same for what is served and told.
const WARNED: &[Case] = &[
    ("step_both_ways", &[("0..1500", "0..1500 step 100")], &[("W001", 44)]),
    ("reserved_unit", &[("units = [1]", "units = [1, 250]")], &[("W002", 43)]),
    ("tls_1_2", &[("transport = \"tls\"", "transport = \"tls\"\ntls_min = \"1.2\"")], &[("W003", 32)]),
    ("diagnostic_4", &[("hmi read holding 0-99", "hmi diagnose diagnostic 0-4")], &[("W004", 44), ("W004", 44)]),
    ("function_90", &[("hmi read holding 0-99", "hmi program function 90")], &[("W004", 44)]),
    ("covered_rule", &[("\"hmi write", "\"hmi write holding\", \"hmi write")], &[("W006", 44)]),
    ("rule_twice", &[("\"hmi write", "\"hmi read holding 0-99\", \"hmi write")], &[("W006", 44)]),
    ("denied_rule", &[("units = [1]", "units = [1]\ndeny = [\"any write holding 0-99\"]")], &[("W006", 45)]),
    (
        "rule_for_another_zone",
        &[
            (
                "[roles.hmi]",
                "[roles.hmi]\n[identities.plc]\nzone = \"cell\"\nauthority = \"plant\"\nmatch = { uri = \"spiffe://plant/plc\" }",
            ),
            ("\"hmi write", "\"plc write"),
        ],
        &[("W007", 48)],
    ),
    ("nobody_may", &[("roles = [\"hmi\"]", "")], &[("W008", 35)]),
    ("vouches_for_all", &[("names = [\"spiffe://plant/*\"]", "")], &[("W009", 15)]),
    ("many_pending", &[("protocol =", "upstream_pending = 2\nprotocol =")], &[("W010", 40)]),
    ("unit0_of_no_unit", &[("units = [1]", "units = [1]\nunit0 = \"device\"")], &[("W014", 44)]),
    (
        "source_outside_its_zone",
        &[
            ("authority = \"plant\"\nmatch = { uri = \"spiffe://plant/scada\" }", "match = { source = \"10.31.0.5\" }"),
            ("transport = \"tls\"", "transport = \"tcp\"\nallow_plaintext = true"),
            ("certificate = \"gateway\"", ""),
            ("authorities = [\"plant\"]", ""),
        ],
        &[("W013", 22)],
    ),
    (
        "unused_policy",
        &[("[zones.ops]", "[policies.pumps]\nprotocol = \"modbus\"\nallow = [\"hmi read coil 1\"]\n\n[zones.ops]")],
        &[("W012", 6)],
    ),
];

fn edited(case: &Case) -> String {
    case.1.iter().fold(GOOD.to_owned(), |text, (from, to)| text.replacen(from, to, 1))
}

fn golden(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn each_fault_has_its_code_its_line_and_its_help() {
    let dir = plant();
    let mut wrong = Vec::new();
    for case in CASES {
        let found = match load_str(&edited(case), dir.path()) {
            Ok(_) => panic!("{}: it was served", case.0),
            Err(found) => found,
        };
        let errors: Vec<_> = found.into_iter().filter(|one| one.severity == finding::Severity::Error).collect();
        if codes(&errors) != case.2 {
            wrong.push(format!("{}: {:?} and not {:?}", case.0, codes(&errors), case.2));
        }
        golden(case.0, &told(&errors, dir.path()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_warning_has_its_code_its_line_and_its_help() {
    let dir = plant();
    for case in WARNED {
        let loaded = good(&edited(case), dir.path());
        assert_eq!(codes(&loaded.warnings), case.2, "{}: {}", case.0, told(&loaded.warnings, dir.path()));
        golden(case.0, &told(&loaded.warnings, dir.path()));
    }
}

#[test]
fn a_code_in_the_table_of_codes_is_told_once() {
    for (at, (code, _)) in finding::CODES.iter().enumerate() {
        assert!(finding::CODES[..at].iter().all(|(other, _)| other < code), "{code} is out of order or doubled");
    }
}

#[test]
fn a_fault_looks_like_the_contract_says() {
    let dir = plant();
    write(
        dir.path(),
        "pump.toml",
        "\n\n\n\n\n\n\n\n\n[policies.pumps]\nprotocol = \"modbus\"\n\nallow = [\n  \"hmi write holding 40 = 1500..0 max 4/min\",\n]\n",
    );
    let text = GOOD.replace("name = \"plant\"", "name = \"plant\"\ninclude = [\"pump.toml\"]");
    let found = load_str(&text, dir.path()).expect_err("it is reversed");
    let mut fault = found.into_iter().find(|one| one.code == "E042").expect("told");
    fault.notes.push("the running policy 9f2c1ab0 is unchanged".to_owned());
    fault.places[0].file = "conduits.d/pump.toml".into();
    // The column counts from 1.
    let expected = r#"error[E042]: value range is reversed
  --> conduits.d/pump.toml:14:27
   |
14 |   "hmi write holding 40 = 1500..0 max 4/min",
   |                           ^^^^^^^ start 1500 is above end 0
   = help: write 0..1500
   = note: the running policy 9f2c1ab0 is unchanged
"#;
    assert_eq!(fault.render(false), expected);
    let json = fault.to_json();
    assert_eq!(
        (json["line"].as_u64(), json["column"].as_u64(), json["end_column"].as_u64()),
        (Some(14), Some(27), Some(34))
    );
    assert_eq!(json["code"], "E042");
    assert_eq!(json["severity"], "error");
    assert!(fault.render(true).contains('\u{1b}'), "coloured");
}

#[test]
fn a_span_behind_an_escape_falls_back_to_the_whole_sentence() {
    let dir = plant();
    let text = GOOD.replace("\"hmi write holding 40 = 0..1500\"", "\"hmi write \\u0068olding 40 = 1500..0\"");
    let found = load_str(&text, dir.path()).expect_err("it is reversed");
    let place = &found[0].places[0];
    assert_eq!(&place.source[place.span.clone()], "\"hmi write \\u0068olding 40 = 1500..0\"");
}

/// Two sentences whose canonical texts have the same first 32 bits of SHA-256: neither may be lost, one could be a deny.
#[test]
fn two_rules_with_one_id_are_refused() {
    let dir = plant();
    let mut seen = std::collections::HashMap::new();
    let pair = (0..=u32::MAX).find_map(|n| {
        use sha2::Digest;
        let text = format!("any write holding {} = {}", n % 60_000, n / 60_000);
        let digest = sha2::Sha256::digest(text.as_bytes());
        let id = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        seen.insert(id, text.clone()).map(|first| (first, text))
    });
    let (first, second) = pair.expect("a collision of 32 bits is found soon");
    let text = GOOD.replace("hmi write holding 40 = 0..1500", &format!("{first}\", \"{second}"));
    let found = load_str(&text, dir.path()).expect_err("one id, two rules");
    assert_eq!(codes(&found), [("E048", 44)], "{}", told(&found, dir.path()));
}

#[cfg(unix)]
#[test]
fn a_key_that_everybody_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let dir = plant();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(dir.path().join("pki/gateway.key"), open).expect("set");
    assert_eq!(codes(&good(GOOD, dir.path()).warnings), [("W011", 13)]);
}

/// The bound is on the number of things, not on their sense.
fn schedules(count: usize) -> String {
    let one = |at: usize| format!("[schedules.s{at}]\nwindows = [\"daily 00:00-24:00\"]\n");
    let text: String = (0..count).map(one).collect();
    GOOD.replace("[zones.ops]", &format!("{text}\n[zones.ops]"))
}

#[test]
fn too_many_schedules_are_told() {
    let dir = plant();
    let found = load_str(&schedules(65), dir.path()).expect_err("a bit for each of 64");
    assert_eq!(codes(&found), [("E005", 6 + 2 * 64)], "{}", told(&found, dir.path()));
    let _ = good(&schedules(64), dir.path());
}

/// For every other protocol that is served.
#[test]
fn a_policy_of_another_protocol_is_told() {
    use sluicegate_proto::protocol::Protocol;
    let dir = plant();
    for other in Protocol::ALL.iter().filter(|one| one.as_str() != "modbus") {
        let policy = format!("[policies.p]\nprotocol = \"{other}\"\n\n[zones.ops]");
        let text = GOOD
            .replace("[zones.ops]", &policy)
            .replace("protocol = \"modbus\"\n\n", "protocol = \"modbus\"\npolicies = [\"p\"]\n\n");
        let found = load_str(&text, dir.path()).expect_err("it speaks modbus");
        assert_eq!(codes(&found), [("E049", 44)], "{}", told(&found, dir.path()));
    }
}

/// Codes that no configuration brings about yet, or that have a test of their own, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("E001", "a main file that is not there: `a_file_that_is_not_there_is_told_without_a_place`"),
    ("E005", "`too_many_schedules_are_told`"),
    ("E049", "`a_policy_of_another_protocol_is_told`"),
    ("E065", "certificates are read by the gateway: tests/mistakes.rs"),
    ("W015", "credentials are known to the gateway: tests/mistakes.rs"),
    ("W011", "a file's mode, not its text: `a_key_that_everybody_can_read_is_told`"),
];

#[test]
fn each_code_has_a_case() {
    let mut seen: std::collections::BTreeSet<&str> = mistakes::codes_seen();
    seen.extend(levels::codes_seen());
    for case in CASES.iter().chain(WARNED) {
        seen.extend(case.2.iter().map(|(code, _)| *code));
    }
    let known = finding::CODES.iter().map(|(code, _)| *code);
    let bare: Vec<_> =
        known.filter(|code| !seen.contains(code) && !ELSEWHERE.iter().any(|(one, _)| one == code)).collect();
    assert_eq!(bare, Vec::<&str>::new(), "codes without a case");
    for (code, why) in ELSEWHERE {
        assert!(!seen.contains(code), "{code} has a case now: {why}");
    }
}

/// A fault without a fix leaves people alone with it.
#[test]
fn each_finding_says_what_to_write() {
    let dir = plant();
    for case in CASES.iter().chain(WARNED) {
        let found = match load_str(&edited(case), dir.path()) {
            Ok(loaded) => loaded.warnings,
            Err(found) => found,
        };
        for one in found {
            assert!(one.help.iter().any(|help| !help.is_empty()), "{}: no help:\n{}", case.0, one.render(false));
        }
    }
}
