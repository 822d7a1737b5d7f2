//! How are the usual changes told?

use std::collections::BTreeMap;

use sluicegate_proto::protocol::Protocol::{Iec104, Modbus};

use super::{Allowance, Side, TooComplex, between, told};

#[test]
fn what_is_the_same_is_not_told() {
    for (before, now) in [
        (&["hmi read holding 0-99"][..], &["hmi read holding 0-49", "any read holding 50-99"][..]),
        (&["hmi write holding 4 = 0..9"], &["hmi write holding 4 = 5..9", "hmi write holding 4 = 0..4 via 6, 16"]),
        (&["hmi write holding 0-9", "deny any write holding 4-9"], &["hmi write holding 0-3"]),
        (&["hmi write coil 7"], &["hmi write coil 7 = on, off"]),
        (&["hmi read coil 1 during day", "hmi read coil 1 during not day"], &["hmi read coil 1"]),
        (&["hmi write coil 1 max 1/s", "any write coil 1"], &["any write coil 1"]),
        (&["hmi write coil 0-9 max 6/min"], &["hmi write coil 0-9 = on, off max 6/min"]),
        (&["hmi write coil 0-9 max 6/min each"], &["scada-1 write coil 0-9 max 6/min each"]),
        (
            &["hmi write holding 0-3 = -5..5 as i32"],
            &["hmi write holding 0-1 = -5..5 as i32", "hmi write holding 2-3 = 0..5, -5..-1 as i32"],
        ),
        (&["eng write coil 1"], &[]),
        (&["hmi write holding 4-5 = 1.0..2.0 as f32", "hmi write holding 0-9"], &["hmi write holding 0-9"]),
        (&["hmi write holding 0-1 = [5, 6]", "hmi write holding 0-9"], &["hmi write holding 0-9"]),
    ] {
        assert_eq!(told(Modbus, before, now), <[String; 0]>::default(), "{before:?} {now:?}");
    }
}

#[test]
fn ranges_values_units_and_functions_are_told_as_they_are() {
    for (before, now, said) in [
        (&[][..], &["hmi read holding 0-99, 200-219"][..], &["+ any read holding 0-99, 200-219"][..]),
        (
            &["hmi read holding 0-99"],
            &["hmi read holding 50-149"],
            &["- any read holding 0-49", "+ any read holding 100-149"],
        ),
        (
            &["hmi write holding 40 = 0..1500"],
            &["hmi write holding 40 = 0..1200"],
            &["- any write holding 40 = 1201..1500"],
        ),
        (
            &["hmi write holding 40 = -5..5 as i16"],
            &["hmi write holding 40 = -9..5 as i16"],
            &["+ any write holding 40 = -9..-6 as i16"],
        ),
        (
            &["hmi write holding 42-45 = -20.0..80.0 as f32"],
            &["hmi write holding 42-45 = -20.0..90.0 as f32"],
            &["+ any write holding 42-45 = 80.00001..90.0 as f32"],
        ),
        (&["hmi write coil 7 = off"], &["hmi write coil 7"], &["+ any write coil 7 = on"]),
        (&["hmi read coil 0-9 unit 1"], &["hmi read coil 0-9"], &["+ any read coil 0-9 unit 2"]),
        (&["hmi write coil 7 via 5"], &["hmi write coil 7"], &["+ any write coil 7 via 15"]),
        (&["hmi write coil 7"], &["hmi write coil 0-9"], &["+ any write coil 0-6, 8-9"]),
        (&["hmi write holding 7"], &["hmi write holding 7 via 6, 16, 22"], &["+ any write holding 7 via 22"]),
        (
            &["hmi write holding 7 via 22"],
            &["hmi write holding 7 bit 3 via 22"],
            &[
                "- any write holding 7 via 22 (as whole registers)",
                "- any write holding 7 bit 0 via 22",
                "- any write holding 7 bit 1 via 22",
                "- any write holding 7 bit 2 via 22",
                "- any write holding 7 bit 4 via 22",
                "- any write holding 7 bit 5 via 22",
                "- any write holding 7 bit 6 via 22",
                "- any write holding 7 bit 7 via 22",
                "- any write holding 7 bit 8 via 22",
                "- any write holding 7 bit 9 via 22",
                "- any write holding 7 bit 10 via 22",
                "- any write holding 7 bit 11 via 22",
                "- any write holding 7 bit 12 via 22",
                "- any write holding 7 bit 13 via 22",
                "- any write holding 7 bit 14 via 22",
                "- any write holding 7 bit 15 via 22",
                "- any write holding 7 via 22 (as a mask that changes nothing)",
            ],
        ),
        (&["hmi diagnose diagnostic"], &["hmi diagnose diagnostic 0"], &["- any diagnose diagnostic 1-20"]),
        (&[], &["hmi program function 90", "hmi program function 43/13"], &["+ any program function 90, 43/13"]),
    ] {
        assert_eq!(told(Modbus, before, now), said, "{before:?} {now:?}");
    }
}

#[test]
fn what_is_no_set_is_told_as_terms() {
    for (before, now, said) in [
        (
            &["hmi write coil 7 max 10/s"][..],
            &["hmi write coil 7 max 1/s"][..],
            &["~ any write coil 7 max 10/s -> any write coil 7 max 1/s"][..],
        ),
        (
            &["hmi write coil 7"],
            &["hmi write coil 7 during day"],
            &["~ any write coil 7 -> any write coil 7 during day"],
        ),
        (
            &["hmi write holding 40-49 = 0..9"],
            &["hmi write holding 40-49 = 0..9 step 1 up from input 12"],
            &["~ any write holding 40-49 = 0..9 -> any write holding 40-49 = 0..9 step 1 up from input 12"],
        ),
        (
            &["hmi write coil 7 = on when discrete 20 = on"],
            &["hmi write coil 7 = on when discrete 21 = on"],
            &["~ any write coil 7 = on when discrete 20 = on -> any write coil 7 = on when discrete 21 = on"],
        ),
        (
            &["hmi write coil 7 = off"],
            &["hmi write coil 7 = off always"],
            &["~ any write coil 7 = off -> any write coil 7 = off always"],
        ),
        (
            &["hmi write coil 7"],
            &["hmi write coil 7", "deny any write coil 7 = on during night"],
            &["~ any write coil 7 = on -> any write coil 7 = on during not night"],
        ),
        (
            &["hmi write coil 7 spends pool"],
            &["hmi write coil 7 max 3/min each"],
            &["~ any write coil 7 spends pool -> any write coil 7 max 3/min each"],
        ),
    ] {
        assert_eq!(told(Modbus, before, now), said, "{before:?} {now:?}");
    }
}

#[test]
fn what_is_counted_together_is_told_where_it_changes() {
    let (one, other) = ("hmi write coil 0-4 max 6/min", "hmi write coil 5-9 max 6/min");
    let all = "hmi write coil 0-9 max 6/min";
    let said = |range: &str, rule: &str| {
        format!(
            "~ any write coil {range} max 6/min (counted by {all}) -> any write coil {range} max 6/min (counted by {rule})"
        )
    };
    assert_eq!(told(Modbus, &[all], &[one, other]), [said("0-4", one), said("5-9", other)]);
    assert_eq!(told(Modbus, &[all], &[one]).len(), 1, "the rest is refused");
    let who = told(Modbus, &[all], &["scada-1 write coil 0-9 max 6/min"]);
    assert_eq!(who, [said("0-9", "scada-1 write coil 0-9 max 6/min")], "shared with others");
    let twice =
        told(Modbus, &["hmi write coil 7 max 6/min"], &["hmi write coil 7 max 6/min", "any write coil 7 max 6/min"]);
    assert_eq!(twice.len(), 1, "twice as many: {twice:?}");
}

#[test]
fn messages_and_mixed_elements_are_told_as_rules() {
    for (before, now, said) in [
        (&[][..], &["hmi write holding 0-1 = [5, 6]"][..], &["+ hmi write holding 0-1 = [5, 6] via 16"][..]),
        (
            &["hmi write holding 0-1 = [5, 6]"],
            &["hmi write holding 0-1 = 0..9", "hmi write holding 0-1 = [5, 6]"],
            &["+ any write holding 0-1 = 0..9", "= hmi write holding 0-1 = [5, 6] via 16"],
        ),
        (
            &["hmi write holding 0-3 = 0..9 whole"],
            &["hmi write holding 0-3 = 0..5 whole"],
            &["~ hmi write holding 0-3 = 0..9 whole via 16 -> hmi write holding 0-3 = 0..5 whole via 16"],
        ),
        (
            &["hmi write holding 0-3"],
            &["hmi write holding 0-3", "deny any write holding 0-1 = [1, 2]"],
            &[
                "- any write holding 0 = 1 via 6",
                "- any write holding 1 = 2 via 6",
                "- any write holding 0-1 = [1, 2] via 16 (as a deny rule)",
            ],
        ),
        (
            &["hmi write holding 0-9"],
            &["hmi write holding 0-9 = 0.0..5.0 as f32"],
            &[
                "- any write holding 0-9 via 6",
                "~ hmi write holding 0-9 via 16 -> hmi write holding 0-9 = 0.0..5.0 as f32",
            ],
        ),
    ] {
        assert_eq!(told(Modbus, before, now), said, "{before:?} {now:?}");
    }
}

#[test]
fn types_points_and_qualifiers_of_a_station_are_told_the_same_way() {
    for (before, now, said) in [
        (
            &["hmi control C_SC_NA_1 ca 1 ioa 100-110 = on"][..],
            &["hmi control C_SC_NA_1 ca 1 ioa 100-110 = on select-first"][..],
            &[
                "~ any control C_SC_NA_1 ca 1 ioa 100-110 = on -> any control C_SC_NA_1 ca 1 ioa 100-110 = on select-first",
            ][..],
        ),
        (
            &["hmi control C_SC_NA_1 ioa 1 = on exactly"],
            &["hmi control C_SC_NA_1 ioa 1 = on"],
            &["+ any control C_SC_TA_1 ioa 1 = on"],
        ),
        (
            &["hmi control C_SE_NC_1 ioa 3 = 0.0..50.0"],
            &["hmi control C_SE_NC_1 ioa 3 = 0.0..40.0"],
            &["- any control C_SE_NC_1 ioa 3 = 40.000004..50.0"],
        ),
        (
            &["hmi read interrogation"],
            &["hmi read interrogation qualifier 20"],
            &["- any read interrogation qualifier 0-19, 21-255"],
        ),
        (&["hmi control C_BO_NA_1 ioa 9 qualifier 3"], &[], &[]),
        (
            &["hmi control C_RC_NA_1 ca 2 ioa 7"],
            &["hmi control C_RC_NA_1 ca 2 ioa 7 = lower"],
            &["- any control C_RC_NA_1 ca 2 ioa 7 = higher"],
        ),
    ] {
        assert_eq!(told(Iec104, before, now), said, "{before:?} {now:?}");
    }
    let reports = told(Iec104, &[], &["any report M_ME_NC_1 ca 1 ioa 1-2000"]);
    assert!(reports.contains(&"- any report M_ME_NC_1 ca 1 ioa 0, 2001-16777215".to_owned()), "{reports:#?}");
}

#[test]
fn work_beyond_the_bound_is_an_error_and_no_answer() {
    let rules: Vec<String> = (0..2000).map(|n| format!("hmi write holding {} = 0..{n}", 3 * n)).collect();
    let (before, now) = (super::plan(Modbus, &rules[1..]), super::plan(Modbus, &rules[..1999]));
    let (calendar, who) = (BTreeMap::new(), super::scada());
    let side = |plan| Some(Side { plan, who: &who, calendar: &calendar });
    let told = |steps| between(Modbus.grammar(), side(&before), side(&now), &mut Allowance::new(steps));
    assert_eq!(told(1000), Err(TooComplex::Work(1000)));
    assert_eq!(
        told(40_000).map(|changes| changes.len()),
        Ok(2),
        "two thousand rules take a five-hundredth of the bound"
    );
}
