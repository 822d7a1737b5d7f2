//! Does a select count for its own execute alone, and only for its time?

use super::{super::asdu::mirror, *};
use crate::iec104::conformance::hex;

/// A single command to point 1001 of station 1: selected, executed.
const SELECTED: &str = "2d 01 06 00 0100 e90300 81";
const EXECUTED: &str = "2d 01 06 00 0100 e90300 01";

fn at(secs: u64) -> Now {
    Now { mono: Mono::ZERO.after(Duration::from_secs(secs)), ..Now::default() }
}

/// What has confirmed these selects at 0 s, for 10 s.
fn selected(asdus: &[&str]) -> Selected {
    let mut selected = Selected::new(Duration::from_secs(10));
    for asdu in asdus {
        confirm(&mut selected, &hex(asdu), at(0));
    }
    selected
}

/// The station confirms exactly this.
fn confirm(selected: &mut Selected, asdu: &[u8], now: Now) {
    let image = mirror(asdu, cause::confirms(cause::ACTIVATION), false).expect("a whole header");
    let image = Asdu::read(image.as_slice(), Direction::Monitor).expect("legal");
    selected.confirmed(asdu, &Request::new(image), now);
}

fn holds(selected: &Selected, asdu: &str, now: Now) -> bool {
    selected.holds(&Asdu::read(&hex(asdu), Direction::Control).expect("legal"), now)
}

fn spend(selected: &mut Selected, asdu: &str) {
    selected.spend(&Request::new(Asdu::read(&hex(asdu), Direction::Control).expect("legal")));
}

#[test]
fn a_select_counts_for_the_same_act_whatever_its_type() {
    for (select, execute) in [
        (SELECTED, EXECUTED),
        ("2e 01 06 00 0100 e90300 82", "2e 01 06 00 0100 e90300 02"),
        ("2f 01 06 00 0100 e90300 81", "2f 01 06 00 0100 e90300 01"),
        ("30 01 06 00 0100 e90300 ff7f 80", "30 01 06 00 0100 e90300 ff7f 00"),
        ("31 01 06 00 0100 e90300 3412 80", "31 01 06 00 0100 e90300 3412 00"),
        ("32 01 06 00 0100 e90300 00004842 80", "32 01 06 00 0100 e90300 00004842 00"),
        // The time of the execute is another one.
        ("3a 01 06 00 0100 e90300 81 00000000210118", "3a 01 06 00 0100 e90300 01 05000000210118"),
        ("3f 01 06 00 0100 e90300 00004842 80 00000000210118", "3f 01 06 00 0100 e90300 00004842 00 00000100210118"),
    ] {
        let selected = selected(&[select]);
        assert!(holds(&selected, execute, at(0)), "{select}: {execute}");
        assert!(!holds(&Selected::new(Duration::from_secs(10)), execute, at(0)), "not selected: {execute}");
    }
}

#[test]
fn another_type_station_point_or_value_is_not_selected() {
    for (select, execute) in [
        (SELECTED, "2e 01 06 00 0100 e90300 01"),
        (SELECTED, "3a 01 06 00 0100 e90300 01 00000000210118"),
        (SELECTED, "2d 01 06 00 0200 e90300 01"),
        (SELECTED, "2d 01 06 00 0100 ea0300 01"),
        (SELECTED, "2d 01 06 00 0100 e90300 00"),
        (SELECTED, "2d 01 06 00 0100 e90300 05"),
        ("31 01 06 00 0100 e90300 3412 80", "31 01 06 00 0100 e90300 3512 00"),
        ("32 01 06 00 0100 e90300 00004842 80", "32 01 06 00 0100 e90300 00004843 00"),
        ("32 01 06 00 0100 e90300 00004842 80", "32 01 06 00 0100 e90300 00004842 40"),
    ] {
        assert!(!holds(&selected(&[select]), execute, at(0)), "{select}: {execute}");
    }
}

#[test]
fn a_select_expires_and_is_renewed_by_another() {
    let mut selected = selected(&[SELECTED]);
    assert!(holds(&selected, EXECUTED, at(9)));
    assert!(!holds(&selected, EXECUTED, at(10)), "its time is over");
    confirm(&mut selected, &hex(SELECTED), at(8));
    assert!(holds(&selected, EXECUTED, at(17)));
    assert!(!holds(&selected, EXECUTED, at(18)));
    // The point is selected with one value at a time.
    confirm(&mut selected, &hex("2d 01 06 00 0100 e90300 80"), at(18));
    assert!(!holds(&selected, EXECUTED, at(18)));
    assert!(holds(&selected, "2d 01 06 00 0100 e90300 00", at(18)));
}

#[test]
fn an_execute_uses_it_up_and_a_deactivation_ends_it() {
    for (ends, still) in [
        (EXECUTED, false),
        ("2d 01 06 00 0100 e90300 00", false),
        ("2d 01 08 00 0100 e90300 01", false),
        ("2d 01 08 00 0100 e90300 81", false),
        (SELECTED, true),
        ("2d 01 06 00 0100 ea0300 01", true),
        ("2d 01 06 00 0200 e90300 01", true),
        ("64 01 06 00 0100 000000 14", true),
    ] {
        let mut selected = selected(&[SELECTED]);
        spend(&mut selected, ends);
        assert_eq!(holds(&selected, EXECUTED, at(0)), still, "{ends}");
    }
}

#[test]
fn only_a_select_that_is_begun_counts() {
    for no_select in [
        EXECUTED,
        "2d 01 08 00 0100 e90300 81",
        "64 01 06 00 0100 000000 14",
        "33 01 06 00 0100 e90300 00000000",
        "66 01 05 00 0100 e90300",
        "2d 01 06 00 0100",
        "2d 01 06 00 0000 e90300 81",
    ] {
        let (mut selected, image) = (Selected::new(Duration::from_secs(10)), hex("2d 01 07 00 0100 e90300 81"));
        let image = Request::new(Asdu::read(&image, Direction::Monitor).expect("legal"));
        selected.confirmed(&hex(no_select), &image, at(0));
        assert_eq!(selected.points, [], "{no_select}");
    }
}

#[test]
fn what_cannot_be_selected_is_never_held() {
    let selected = selected(&[SELECTED]);
    for asdu in ["33 01 06 00 0100 e90300 01000000", "64 01 06 00 0100 000000 14", "66 01 05 00 0100 e90300"] {
        assert!(!holds(&selected, asdu, at(0)), "{asdu}");
    }
}

#[test]
fn one_centre_selects_a_bounded_number_of_points() {
    let mut selected = Selected::new(Duration::from_secs(10));
    for ioa in 1..=65u8 {
        confirm(&mut selected, &[0x2D, 1, 6, 0, 1, 0, ioa, 0, 0, 0x81], at(0));
    }
    assert_eq!(selected.points.len(), MOST);
    assert!(!holds(&selected, "2d 01 06 00 0100 010000 01", at(0)), "the oldest was forgotten");
    for execute in ["2d 01 06 00 0100 020000 01", "2d 01 06 00 0100 410000 01"] {
        assert!(holds(&selected, execute, at(0)), "{execute}");
    }
}

/// Whether `execute` may pass at this second after `select` was answered with `image`.
fn passes(select: &str, image: &str, execute: &str, second: u64) -> bool {
    let mut selected = Selected::new(Duration::from_secs(10));
    let (select, image, execute) = (hex(select), hex(image), hex(execute));
    let image = Request::new(Asdu::read(&image, Direction::Monitor).expect("an image"));
    selected.confirmed(&select, &image, at(0));
    selected.holds(&Asdu::read(&execute, Direction::Control).expect("a command"), at(second))
}

/// IE-03: what was selected is what is executed.
#[test]
fn ie_03_only_the_act_that_was_selected_and_confirmed_may_be_executed() {
    let (select, image, execute) = ("2d0106000100 640000 81", "2d0107000100 640000 81", "2d0106000100 640000 01");
    assert!(passes(select, image, execute, 9));
    assert!(!passes(select, image, execute, 10), "it is late");
    for (other, why) in [
        ("2d0106000100 640000 00", "another state"),
        ("2d0106000100 650000 01", "another point"),
        ("2d0106000200 640000 01", "another station"),
        ("2d0106000100 640000 05", "another qualifier"),
        ("3a0106000100 640000 01 00000000010118", "its twin"),
        ("2d0106070100 640000 01", "another originator"),
    ] {
        assert!(!passes(select, image, other, 1), "{why}");
    }
    let (test, told) = ("2d0186000100 640000 81", "2d0187000100 640000 81");
    assert!(!passes(test, told, execute, 1), "a test selects nothing that is meant");
    assert!(passes(test, told, "2d0186000100 640000 01", 1));
    assert!(!passes(select, image, "2d0186000100 640000 01", 1));
}

/// IE-03: two acts at one point may be under way, and the station's answer to the other one selects nothing.
#[test]
fn ie_03_a_select_is_confirmed_by_its_own_image() {
    let (select, execute) = ("2d0106000100 640000 81", "2d0106000100 640000 01");
    for image in ["2d0107000100 640000 01", "2d0107000100 640000 80", "2d0187000100 640000 81"] {
        assert!(!passes(select, image, execute, 1), "{image}");
    }
    let (select, execute) = ("320106000100 640000 0000a040 80", "320106000100 640000 0000a040 00");
    assert!(passes(select, "320107000100 640000 0000a040 80", execute, 1));
    assert!(!passes(select, "320107000100 640000 0000a041 80", execute, 1));
    assert!(!passes(select, "320107000100 640000 0000a040 00", execute, 1));
}
