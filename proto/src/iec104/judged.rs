//! Do sentences say what ASDUs do, and do rules judge them as they are written?

use core::time::Duration;
use std::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    GRAMMAR, PRESETS,
    asdu::{Asdu, Direction},
    build,
    conformance::hex,
    request::Request,
};
use crate::{
    keys::{Setting, Settings},
    policy::{BudgetPlan, Budgets, Held, Known, Plan, Rule, Verdict, Who, compile},
    protocol::{Message, Protocol},
    sentence::{Addressing, Form, Per, Sentence},
    time::{Mono, Now, ScheduleSet},
};

pub(super) fn parse(text: &str, form: Form) -> Result<Sentence, String> {
    Sentence::parse(text, form, &GRAMMAR, Addressing::ZeroBased).map_err(|faults| format!("{text}: {faults:#?}"))
}

fn rule(text: &str, allow: bool) -> Rule {
    let sentence = parse(text, Form::Rule).unwrap_or_else(|fault| panic!("{fault}"));
    Rule { id: String::new(), text: sentence.print(&GRAMMAR), sentence, allow, place: String::new() }
}

/// A substation with common addresses 1 and 2.
fn plan(allow: &[&str], deny: &[&str]) -> Plan {
    let rules = allow.iter().map(|text| rule(text, true)).chain(deny.iter().map(|text| rule(text, false))).collect();
    Plan {
        protocol: Protocol::Iec104,
        settings: Settings(BTreeMap::from([("cas", Setting::Ints([1, 2].to_vec()))])),
        rules,
        identities: ["scada-1", "hist-1"].map(String::from).to_vec(),
        schedules: ["night"].map(String::from).to_vec(),
        budgets: [BudgetPlan { name: "breakers".to_string(), count: 3, per: Per::Minute }].to_vec(),
    }
}

/// What `scada-1`, in the role `scada`, may do; `known` was reported before.
pub(super) struct Gate {
    plan: Plan,
    known: Vec<Vec<u8>>,
    schedules: ScheduleSet,
}

impl Gate {
    pub(super) fn new(allow: &[&str], deny: &[&str]) -> Self {
        Self { plan: plan(allow, deny), known: Vec::new(), schedules: ScheduleSet::default() }
    }

    pub(super) fn judge(&self, message: &Message<'_>) -> Verdict {
        let set = compile(&self.plan).unwrap_or_else(|faults| panic!("{faults:?}"));
        let who = Who { identity: "scada-1".to_string(), roles: ["scada".to_string()].to_vec() };
        let (mut held, budgets) = (Held::new(&set), Budgets::new(&set));
        let now = Now { mono: Mono::ZERO.after(Duration::from_secs(1)), schedules: self.schedules };
        for told in &self.known {
            let asdu = Asdu::read(told, Direction::Monitor).expect("a report");
            Request::new(asdu).seen(&mut |seen| held.learn(seen, now.mono));
        }
        let known = Known { held: &held, budgets: &budgets, failed: &[] };
        set.view(&who).judge(message, &known, now)
    }

    fn say(&self, text: &str) -> String {
        let sentence = parse(text, Form::Deed).unwrap_or_else(|fault| panic!("{fault}"));
        let stored = build(&sentence, 1).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        told(&self.judge(&stored.message().expect("it was built")))
    }

    fn bytes(&self, bytes: &str, direction: Direction) -> String {
        let bytes = hex(bytes);
        let asdu = Asdu::read(&bytes, direction).expect("an ASDU");
        told(&self.judge(&Message::Iec104(Request::new(asdu))))
    }

    fn table(&self, lines: &[(&str, &str)]) {
        let found: Vec<_> = lines.iter().map(|(text, _)| format!("{text} -> {}", self.say(text))).collect();
        let meant: Vec<_> = lines.iter().map(|(text, verdict)| format!("{text} -> {verdict}")).collect();
        assert_eq!(found, meant);
    }
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(charges) if charges.always => "always".to_string(),
        Verdict::Allow(charges) if charges.spends => "spend".to_string(),
        Verdict::Allow(_) => "allow".to_string(),
        Verdict::Ask(read) => format!("ask {} {}", GRAMMAR.objects[usize::from(read.object.0)].word, read.first),
        Verdict::Deny(denied) => {
            let unnamed = if denied.unnamed { ", named by nobody" } else { "" };
            format!("deny {}{}{unnamed}", denied.reason, if denied.by_deny_rule { "!" } else { "" })
        }
    }
}

#[test]
fn sentences_read_and_print_as_they_are_written() {
    for text in [
        "scada read interrogation ca 1",
        "scada read interrogation ca 1 qualifier 20-36",
        "scada read counters qualifier 5",
        "scada control counters qualifier 69, 133",
        "scada read point ca 1 ioa 1-2000",
        "scada control C_SC_NA_1 ca 1 ioa 100-110 = on select-first",
        "scada control C_SC_NA_1 ca 1 ioa 100-110 = on exactly select-first",
        "scada control C_SC_TA_1 ca 1 ioa 100-110 = on",
        "scada control C_DC_NA_1 ca 1 ioa 100, 200 = off qualifier 0-3 spends breakers",
        "scada control C_RC_NA_1 ca 1 ioa 7 = lower, higher max 6/min each",
        "scada control C_SE_NA_1 ca 1 ioa 299 = -0.5..0.5",
        "scada control C_SE_NB_1 ca 1 ioa 299 = -500..500 during not night",
        "scada control C_SE_NC_1 ca 1 ioa 300 = 0.0..50.0 step 5.0 up or to 0.0 from M_ME_NC_1 ioa 700",
        "scada control C_BO_NA_1 ca 1 ioa 9 = 0..4294967295",
        "scada control C_SC_NA_1 ca 1 ioa 100 = off when M_DP_NA_1 ioa 20 = on",
        "scada control C_SC_NA_1 ca 1 ioa 100 = off always",
        "scada control clock ca 1",
        "scada diagnose test ca 1",
        "eng program reset ca 1 qualifier 1",
        "eng write P_ME_NC_1 ca 1 ioa 700 = 0.0..9.5 qualifier 1-4",
        "eng program F_SC_NA_1 ca 1 ioa 1",
        "any report M_ME_NC_1 ca 1 ioa 1-2000",
        "any report M_ME_TF_1 ca 1 ioa 1-2000",
        "any report C_SC_NA_1 ca 1",
    ] {
        let one = parse(text, Form::Rule).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(one.print(&GRAMMAR), text);
        compile(&plan(&[text], &[])).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    }
    for (written, canonical) in [
        ("scada read C_IC_NA_1 ca 1", "scada read interrogation ca 1"),
        ("scada control C_SC_NA_1 ca 1 ioa 7 = 1 via 45", "scada control C_SC_NA_1 ca 1 ioa 7 = on exactly"),
        ("scada control C_SC_NA_1 ca 1 ioa 7 via 58", "scada control C_SC_TA_1 ca 1 ioa 7"),
        ("scada control C_SC_TA_1 ca 1 ioa 7 exactly", "scada control C_SC_TA_1 ca 1 ioa 7"),
    ] {
        assert_eq!(parse(written, Form::Rule).map(|one| one.print(&GRAMMAR)), Ok(canonical.to_string()));
    }
}

#[test]
fn slips_are_told_where_they_are() {
    for (text, under, message) in [
        ("scada control C_SC_NA_1 7 = on", "7", "`7` is not expected here"),
        ("scada control C_SC_NA_1 ioa 7 ca 1 = on", "ca", "`ca` stands after `ioa`"),
        ("scada read interrogation ca 1 ioa 7", "ioa", "`interrogation` takes no index"),
        ("scada control C_DC_NA_1 ioa 7 = 1", "1", "`1` is not a value here"),
        ("scada control C_RC_NA_1 ioa 7 = on", "on", "`on` is not a value here"),
        ("scada control C_SE_NC_1 ioa 7 = nan", "nan", "`nan` is not a value"),
        ("scada control C_SE_NB_1 ioa 7 = 40000", "40000", "40000 does not fit `i16`"),
        ("scada control C_SE_NC_1 ioa 7 = 1.0 as f32", "f32", "`C_SE_NC_1` holds f32 by itself"),
        ("scada control C_SE_NC_1 ioa 16777216", "16777216", "`C_SE_NC_1` ends at 16777215"),
        ("scada control C_BO_NA_1 ioa 7 = 1 select-first", "select-first", "`control C_BO_NA_1` has no select"),
        ("scada read interrogation exactly", "exactly", "`interrogation` has no twin"),
        ("scada control C_SC_TA_1 ioa 7 via 45", "via", "the function is named already"),
        ("scada write C_SC_NA_1 ioa 7 = on", "write C_SC_NA_1", "`write` cannot stand with `C_SC_NA_1`"),
        ("any report M_SP_NA_1 ioa 7 = on", "= on", "a report carries no values"),
        ("scada control C_SE_NC_1 ioa 7 = 1.0 step 1.0", "step", "the gateway cannot read `C_SE_NC_1` back"),
        ("scada control C_SC_NA_1 ioa 7 = on when M_SP_NA_1 20 = on", "M_SP_NA_1", "`ioa` is missing"),
        ("scada read interrogation qualifier 256", "256", "this unit does not exist"),
    ] {
        let faults = Sentence::parse(text, Form::Rule, &GRAMMAR, Addressing::ZeroBased).expect_err(text);
        let [fault] = faults.as_slice() else { panic!("{text}: {faults:#?}") };
        assert_eq!((&text[fault.span.clone()], fault.message.as_str()), (under, message));
    }
}

#[test]
fn ie_23_a_rule_judges_type_address_value_and_qualifier() {
    let gate = Gate::new(
        &[
            "scada read interrogation ca 1 qualifier 20",
            "scada control C_SC_NA_1 ca 1 ioa 100-110 = on qualifier 0-1",
            "scada control C_DC_NA_1 ca 1 ioa 200 exactly spends breakers",
            "scada control C_RC_NA_1 ca 1 ioa 210 = lower",
            "scada control C_SE_NA_1 ca 1 ioa 299 = -0.5..0.5",
            "scada control C_SE_NC_1 ca 1 ioa 300 = 0.0..50.0",
            "scada control C_SE_NB_1 ioa 301 = -5..5",
            "scada control C_BO_NA_1 ca 1 ioa 302 = 0..15",
            "eng program reset ca 1",
        ],
        &["any control C_SC_NA_1 ioa 105", "any control C_SE_NC_1 ioa 300 = 13.0"],
    );
    gate.table(&[
        ("read interrogation", "allow"),
        ("read interrogation qualifier 21", "deny value_not_allowed"),
        ("read interrogation ca 2", "deny unit_not_allowed"),
        ("read interrogation ca 9", "deny unit_not_allowed"),
        ("read counters", "deny function_not_allowed"),
        ("control C_SC_NA_1 ioa 100 = on", "allow"),
        ("control C_SC_TA_1 ioa 100 = on", "allow"),
        ("control C_SC_NA_1 ioa 100 = off", "deny value_not_allowed"),
        ("control C_SC_NA_1 ioa 100 = on qualifier 2", "deny value_not_allowed"),
        ("control C_SC_NA_1 ioa 105 = on", "deny address_not_allowed!"),
        ("control C_SC_NA_1 ioa 111 = on", "deny address_not_allowed, named by nobody"),
        ("control C_DC_NA_1 ioa 200 = off", "spend"),
        ("control C_DC_TA_1 ioa 200 = off", "deny function_not_allowed"),
        ("control C_RC_NA_1 ioa 210 = lower", "allow"),
        ("control C_RC_NA_1 ioa 210 = higher", "deny value_not_allowed"),
        ("control C_SE_NA_1 ioa 299 = 0.5", "allow"),
        ("control C_SE_NA_1 ioa 299 = 0.999969482421875", "deny value_not_allowed"),
        ("control C_SE_NC_1 ioa 300 = 50", "allow"),
        ("control C_SE_TC_1 ioa 300 = 50.0", "allow"),
        ("control C_SE_NC_1 ioa 300 = 50.1", "deny value_not_allowed"),
        ("control C_SE_NC_1 ioa 300 = 13.0", "deny value_not_allowed!"),
        ("control C_SE_NB_1 ca 2 ioa 301 = -5", "allow"),
        ("control C_SE_NB_1 ca 2 ioa 301 = 6", "deny value_not_allowed"),
        ("control C_BO_NA_1 ioa 302 = 15", "allow"),
        ("control C_BO_NA_1 ioa 302 = 2147483648", "deny value_not_allowed"),
        ("program reset", "deny identity_not_allowed"),
    ]);
}

#[test]
fn ie_03_a_select_is_judged_as_what_it_selects_and_select_first_wants_one() {
    let gate = Gate::new(&["scada control C_SC_NA_1 ca 1 ioa 1001 = on select-first always"], &[]);
    for (bytes, verdict) in [
        ("2d0106000100 e90300 81", "always"),
        ("2d0106000100 e90300 80", "deny value_not_allowed"),
        ("2d0106000100 e90300 01", "deny condition_not_met"),
        // A deactivation takes back what was selected.
        ("2d0108000100 e90300 81", "always"),
        // T is judged the same (IE-07).
        ("2d0186000100 e90300 01", "deny condition_not_met"),
    ] {
        assert_eq!(gate.bytes(bytes, Direction::Control), verdict, "{bytes}");
    }
    gate.table(&[
        ("control C_SC_NA_1 ioa 1001 = on select-first", "always"),
        ("control C_SC_TA_1 ioa 1001 = on select-first", "always"),
        ("control C_SC_NA_1 ioa 1001 = on", "deny condition_not_met"),
    ]);
}

#[test]
fn counters_are_read_or_frozen() {
    let gate = Gate::new(&["scada read counters"], &[]);
    gate.table(&[("read counters", "allow"), ("control counters", "deny function_not_allowed")]);
    assert_eq!(gate.bytes("650106000100 000000 45", Direction::Control), "deny function_not_allowed");
    assert_eq!(gate.bytes("650106000100 000000 05", Direction::Control), "allow");
}

#[test]
fn a_step_and_a_condition_are_measured_against_what_the_station_reports() {
    let mut gate = Gate::new(
        &[
            "scada control C_SE_NC_1 ca 1 ioa 300 = 0.0..50.0 step 5.0 up from M_ME_NC_1 ioa 700",
            "scada control C_SC_NA_1 ca 1 ioa 100 = off when M_DP_NA_1 ioa 20 = on",
        ],
        &[],
    );
    let (step, command) = ("control C_SE_NC_1 ioa 300 = 20.0", "control C_SC_NA_1 ioa 100 = off");
    gate.table(&[(step, "ask M_ME_NC_1 700"), (command, "ask M_DP_NA_1 20")]);
    // 15.0 and on, both with a time tag; then 14.5, and neither on nor off.
    gate.known =
        ["240103000100 bc0200 00007041 00 00000000010118", "1f0103000100 140000 02 00000000010118"].map(hex).to_vec();
    gate.table(&[(step, "allow"), (command, "allow"), ("control C_SE_NC_1 ioa 300 = 20.5", "deny step_not_allowed")]);
    gate.known.push(hex("0d0103000100 bc0200 00006841 00"));
    gate.known.push(hex("030103000100 140000 01"));
    gate.table(&[(step, "deny step_not_allowed"), (command, "deny condition_not_met")]);
    // What the station does not vouch for is not known, whatever it said before: invalid, or on the way.
    gate.known.truncate(2);
    gate.known.extend(["0d0103000100 bc0200 00007041 80", "030103000100 140000 00"].map(hex));
    gate.table(&[(step, "ask M_ME_NC_1 700"), (command, "ask M_DP_NA_1 20")]);
    gate.known.truncate(2);
    gate.known.push(hex("0d0103000100 bc0200 0000c07f 00"));
    gate.table(&[(step, "ask M_ME_NC_1 700"), (command, "allow")]);
    gate.known = ["0d0103000100 bc0200 00007041 80", "030103000100 140000 42"].map(hex).to_vec();
    gate.table(&[(step, "ask M_ME_NC_1 700"), (command, "ask M_DP_NA_1 20")]);
}

#[test]
fn a_station_may_report_what_rules_say_and_all_where_none_says() {
    let (measured, single) = ("0d0203000100 010000 0000000000 d10700 0000000000", "010103000100 010000 01");
    let monitor = Direction::Monitor;
    let open = Gate::new(&["scada read interrogation ca 1"], &["any report M_SP_NA_1 ioa 1"]);
    assert_eq!(
        (open.bytes(measured, monitor), open.bytes(single, monitor)),
        ("allow".into(), "deny address_not_allowed!".into())
    );
    assert_eq!(open.bytes("010103000900 020000 01", monitor), "deny unit_not_allowed");
    let ruled = Gate::new(&["any report M_ME_NC_1 ca 1 ioa 1-2000"], &[]);
    assert_eq!(ruled.bytes(measured, monitor), "deny address_not_allowed, named by nobody", "all or nothing");
    assert_eq!(ruled.bytes("0d8203000100 010000 0000000000 0000000000", monitor), "allow");
    assert_eq!(ruled.bytes("240103000100 010000 00000000 00 00000000010118", monitor), "allow", "its twin");
    assert_eq!(ruled.bytes(single, monitor), "deny function_not_allowed");
}

#[test]
fn presets_are_rules_that_stand() {
    for preset in PRESETS {
        compile(&plan(preset.sentences, &[])).unwrap_or_else(|faults| panic!("{}: {faults:?}", preset.name));
    }
    let operate = PRESETS.iter().find(|one| one.name == "operate").expect("a preset");
    Gate::new(operate.sentences, &[]).table(&[
        ("control C_SC_TA_1 ioa 1 = on", "allow"),
        ("control clock", "allow"),
        ("diagnose test", "allow"),
        ("program reset", "deny function_not_allowed"),
        ("write P_ME_NC_1 ioa 1 = 1.0", "deny function_not_allowed"),
        ("program F_SC_NA_1 ioa 1", "deny function_not_allowed"),
    ]);
}
