//! Does each confirmation find its own command, and no other?

use core::time::Duration;
use std::vec::Vec;

use super::{super::asdu::Direction, *};
use crate::iec104::conformance::hex;

/// A single command to point 1001 of station 1, executed.
const COMMAND: &str = "2d 01 06 00 0100 e90300 01";
const CONFIRMED: &str = "2d 01 07 00 0100 e90300 01";
const ENDED: &str = "2d 01 0a 00 0100 e90300 01";
/// A read of the same point, and what it holds.
const READ: &str = "66 01 05 00 0100 e90300";
const READ_CONFIRMED: &str = "66 01 07 00 0100 e90300";
const POINT: &str = "01 01 05 00 0100 e90300 01";

fn at(secs: u64) -> Mono {
    Mono::ZERO.after(Duration::from_secs(secs))
}

fn call(asdu: &str) -> Option<Call> {
    Call::of(&Asdu::read(&hex(asdu), Direction::Control).expect("legal"))
}

/// Commands in flight, ticket by ticket from 0 on, each due a second after the one before it.
fn calls(asdus: &[&str]) -> Calls {
    let mut calls = Calls::default();
    for (asdu, n) in asdus.iter().zip(0u64..) {
        calls.sent(call(asdu).expect("something confirms it"), Ticket(n), at(10 + n));
    }
    calls.check_invariants();
    calls
}

fn place(calls: &mut Calls, told: &str) -> Option<Place> {
    let placed = calls.place(&Asdu::read(&hex(told), Direction::Monitor).expect("legal"));
    calls.check_invariants();
    placed
}

fn hears_own(calls: &mut Calls, told: &str) -> bool {
    calls.hears_own(&Asdu::read(&hex(told), Direction::Monitor).expect("legal"))
}

const fn ok(ticket: u64) -> Option<Place> {
    Some(Place::Settles(Ticket(ticket), Outcome::Ok))
}

const fn refused(ticket: u64) -> Option<Place> {
    Some(Place::Settles(Ticket(ticket), Outcome::Exception))
}

#[test]
fn files_and_delays_that_are_told_have_no_confirmation() {
    for (asdu, confirms) in [
        (COMMAND, true),
        (READ, true),
        ("67 01 06 00 0100 000000 0000000021 0118", true),
        ("6a 01 06 00 0100 000000 0a00", true),
        ("6a 01 03 00 0100 000000 0a00", false),
        ("7a 01 0d 00 0100 010000 0100 00 00", false),
        ("7d 01 0d 00 0100 010000 0100 01 02 aabb", false),
    ] {
        assert_eq!(call(asdu).is_some(), confirms, "{asdu}");
    }
}

#[test]
fn a_command_is_settled_once_by_whatever_confirms_it() {
    for (sent, told, outcome) in [
        (COMMAND, CONFIRMED, ok(0)),
        (COMMAND, "2d 01 47 00 0100 e90300 01", refused(0)),
        (COMMAND, "2d 01 6c 00 0100 e90300 01", refused(0)),
        (COMMAND, "2d 01 6d 00 0100 e90300 01", refused(0)),
        (COMMAND, "2d 01 6e 00 0100 e90300 01", refused(0)),
        (COMMAND, "2d 01 6f 00 0100 e90300 01", refused(0)),
        // The value in a confirmation is the station's: who confirms another value still confirms.
        (COMMAND, "2d 01 07 00 0100 e90300 00", ok(0)),
        ("2d 01 08 00 0100 e90300 01", "2d 01 09 00 0100 e90300 01", ok(0)),
        ("2d 01 08 00 0100 e90300 01", "2d 01 49 00 0100 e90300 01", refused(0)),
        // Some stations refuse every cause as an activation.
        ("2d 01 08 00 0100 e90300 01", "2d 01 47 00 0100 e90300 01", refused(0)),
        ("64 01 06 00 0100 000000 14", "64 01 07 00 0100 000000 14", ok(0)),
        (READ, POINT, ok(0)),
        (READ, "0d 01 05 00 0100 e90300 00004842 00", ok(0)),
        (READ, "66 01 6f 00 0100 e90300", refused(0)),
        (READ, "66 01 47 00 0100 e90300", refused(0)),
    ] {
        let mut calls = calls(&[sent]);
        assert_eq!(place(&mut calls, told), outcome, "{sent}: {told}");
        assert_eq!((calls.len(), calls.deadline()), (0, None), "{sent}: {told}");
        assert_eq!(place(&mut calls, told), None, "confirmed twice, believed once: {told}");
    }
}

#[test]
fn what_differs_in_type_address_point_or_cause_confirms_nothing() {
    for (sent, told) in [
        (COMMAND, "2e 01 07 00 0100 e90300 01"),
        (COMMAND, "2d 01 07 00 0200 e90300 01"),
        (COMMAND, "2d 01 07 00 0100 ea0300 01"),
        (COMMAND, "2d 01 09 00 0100 e90300 01"),
        (COMMAND, "01 01 03 00 0100 e90300 01"),
        (COMMAND, POINT),
        ("2d 01 08 00 0100 e90300 01", CONFIRMED),
        (READ, "01 01 05 00 0100 ea0300 01"),
        (READ, "01 01 05 00 0200 e90300 01"),
        (READ, "01 01 03 00 0100 e90300 01"),
        (READ, "66 01 0a 00 0100 e90300"),
        // A point that is unknown is refused under the type of the read.
        (READ, "01 01 6f 00 0100 e90300 01"),
    ] {
        let mut calls = calls(&[sent]);
        assert_eq!(place(&mut calls, told), None, "IE-20 {sent}: {told}");
        assert_eq!((calls.len(), calls.deadline()), (1, Some(at(10))), "{sent}: {told}");
    }
}

#[test]
fn twins_are_confirmed_in_the_order_in_which_they_left() {
    let mut calls = calls(&[COMMAND, "2d 01 06 00 0100 ea0300 01", COMMAND]);
    assert_eq!(place(&mut calls, CONFIRMED), ok(0));
    assert_eq!(place(&mut calls, "2d 01 07 00 0100 ea0300 01"), ok(1));
    assert_eq!((calls.len(), calls.deadline()), (1, Some(at(12))));
    assert_eq!(place(&mut calls, "2d 01 47 00 0100 e90300 01"), refused(2));
    assert_eq!(place(&mut calls, CONFIRMED), None);
}

#[test]
fn the_end_of_an_activation_follows_once_before_or_after_its_confirmation() {
    let mut confirmed = calls(&[COMMAND]);
    assert_eq!(place(&mut confirmed, CONFIRMED), ok(0));
    assert_eq!(place(&mut confirmed, "2e 01 0a 00 0100 e90300 01"), None, "another type's end");
    assert_eq!(place(&mut confirmed, "2d 01 0a 00 0200 e90300 01"), None, "another station's end");
    assert_eq!(place(&mut confirmed, ENDED), Some(Place::Follows));
    assert_eq!(place(&mut confirmed, ENDED), None, "ended twice");

    let mut early = calls(&[COMMAND]);
    assert_eq!(place(&mut early, ENDED), Some(Place::Follows), "ended before it is confirmed");
    assert_eq!(early.len(), 1, "it still waits");
    assert_eq!(place(&mut early, CONFIRMED), ok(0));

    let mut stopped = calls(&["2d 01 08 00 0100 e90300 01"]);
    assert_eq!(place(&mut stopped, ENDED), None, "a deactivation has no end");
}

#[test]
fn a_late_confirmation_follows_once() {
    let mut calls = calls(&[COMMAND, READ]);
    assert_eq!(calls.timed_out(at(9)), None);
    assert_eq!(calls.timed_out(at(10)), Some(Ticket(0)));
    assert_eq!(calls.timed_out(at(10)), None, "the read has a second more");
    assert_eq!(place(&mut calls, CONFIRMED), Some(Place::Follows));
    assert_eq!(place(&mut calls, CONFIRMED), None, "late, and twice");
    assert_eq!(place(&mut calls, ENDED), Some(Place::Follows));
    assert_eq!(calls.timed_out(at(11)), Some(Ticket(1)));
    assert_eq!(calls.timed_out(at(99)), None);
    assert_eq!(place(&mut calls, POINT), Some(Place::Follows), "the point that came too late");
    assert_eq!(place(&mut calls, POINT), None);
}

#[test]
fn what_is_given_up_is_forgotten_oldest_first() {
    let mut calls = calls(&[COMMAND, READ]);
    assert_eq!(calls.give_up(), Some(Ticket(0)));
    assert_eq!(place(&mut calls, CONFIRMED), None);
    assert_eq!(calls.give_up(), Some(Ticket(1)));
    assert_eq!((calls.give_up(), calls.len()), (None, 0));
}

#[test]
fn under_the_global_address_each_station_confirms_and_ends_in_its_own_name() {
    let mut calls = calls(&["64 01 06 00 ffff 000000 14"]);
    assert_eq!(place(&mut calls, "64 01 07 00 0300 000000 14"), ok(0));
    for ca in ["0100", "0200"] {
        assert_eq!(place(&mut calls, &std::format!("64 01 07 00 {ca} 000000 14")), Some(Place::Follows), "{ca}");
    }
    for ca in ["0300", "0100", "0200"] {
        assert_eq!(place(&mut calls, &std::format!("64 01 0a 00 {ca} 000000 14")), Some(Place::Follows), "{ca}");
    }
    assert_eq!(place(&mut calls, "64 01 07 00 0100 010000 14"), None, "another address of an object");
}

#[test]
fn a_read_may_be_understood_before_it_is_answered() {
    let mut waiting = calls(&[READ]);
    assert_eq!(place(&mut waiting, READ_CONFIRMED), Some(Place::Follows));
    assert_eq!(waiting.len(), 1, "the point itself settles it");
    assert_eq!(place(&mut waiting, POINT), ok(0));
    assert_eq!(place(&mut waiting, READ_CONFIRMED), Some(Place::Follows), "understood after it was answered");
}

#[test]
fn only_what_follows_a_read_of_our_own_is_ours_to_hear() {
    let mut calls = calls(&[READ, "66 01 05 00 0100 ea0300"]);
    calls.is_own(Ticket(1));
    calls.sent(call(COMMAND).expect("something confirms it"), Ticket(2), at(12));
    assert!(!hears_own(&mut calls, READ_CONFIRMED), "the centre's read");
    assert!(hears_own(&mut calls, "66 01 07 00 0100 ea0300"));
    assert!(!hears_own(&mut calls, "01 01 05 00 0100 ea0300 01"), "the point settles it, and everybody hears it");
    assert!(!hears_own(&mut calls, ENDED));
    assert!(!hears_own(&mut calls, "66 01 47 00 0100 ea0300"), "a refusal settles it");
    assert_eq!(place(&mut calls, "01 01 05 00 0100 ea0300 01"), ok(1));
    assert!(!hears_own(&mut calls, "66 01 07 00 0100 ea0300"), "it is answered");
}

/// IE-20: a centre and the gateway read one point. Whose read was understood is told by the order in which they left.
#[test]
fn what_a_station_says_of_a_centres_read_is_the_centres_to_hear() {
    let read = || call(READ).expect("a point settles it");
    // Who reads, in order; what the station says (7 understood, 5 the point); whose each 7 is.
    let cases: &[(&[bool], &[&str], &[bool])] = &[
        (&[false, true], &[READ_CONFIRMED, POINT, READ_CONFIRMED, POINT], &[false, true]),
        (&[true, false], &[READ_CONFIRMED, POINT, READ_CONFIRMED, POINT], &[true, false]),
        (&[false, true], &[READ_CONFIRMED, READ_CONFIRMED, POINT, POINT], &[false, true]),
        (&[true, false], &[READ_CONFIRMED, READ_CONFIRMED, POINT, POINT], &[true, false]),
        // One that says so after the point.
        (&[false, true], &[POINT, READ_CONFIRMED, POINT, READ_CONFIRMED], &[false, true]),
        (&[true, false], &[POINT, READ_CONFIRMED, POINT, READ_CONFIRMED], &[true, false]),
        (&[false, true, false], &[READ_CONFIRMED, READ_CONFIRMED, READ_CONFIRMED], &[false, true, false]),
    ];
    for (reads, said, expected) in cases {
        let mut calls = Calls::default();
        for (own, n) in reads.iter().zip(0u64..) {
            calls.sent(read(), Ticket(n), at(10 + n));
            if *own {
                calls.is_own(Ticket(n));
            }
        }
        let mut heard = Vec::new();
        for told in *said {
            let own = hears_own(&mut calls, told);
            if *told == READ_CONFIRMED {
                heard.push(own);
            }
            let placed = if own { None } else { place(&mut calls, told) };
            assert!(own || placed.is_some(), "{reads:?} {said:?}: {told} reaches nobody");
        }
        assert_eq!(heard, *expected, "{reads:?} {said:?}");
    }
}

#[test]
fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
    let mut calls = Calls::default();
    let point = |n: u32| -> Vec<u8> {
        let [low, middle, high, _] = n.to_le_bytes();
        [0x2D, 1, 6, 0, 1, 0, low, middle, high, 1].to_vec()
    };
    for n in 1..=300u32 {
        let asdu = point(n);
        let call = Call::of(&Asdu::read(&asdu, Direction::Control).expect("legal")).expect("a command");
        calls.sent(call, Ticket(u64::from(n)), at(1));
        assert_eq!(calls.timed_out(at(1)), Some(Ticket(u64::from(n))));
        calls.check_invariants();
    }
    assert_eq!(calls.past.len(), PAST_MAX, "300 - 256 were forgotten");
    assert_eq!(place(&mut calls, "2d 01 07 00 0100 2c0000 01"), None, "point 44 is forgotten");
    assert_eq!(place(&mut calls, "2d 01 07 00 0100 2d0000 01"), Some(Place::Follows), "point 45 is not");
}

#[test]
fn a_capture_without_its_station_side_fills_no_memory() {
    let command = call(COMMAND).expect("a command");
    let mut calls = Calls::default();
    for n in 0..8193u64 {
        calls.sent(command, Ticket(n), at(10));
    }
    assert_eq!(calls.len(), AWAITED_MAX);
    assert_eq!(place(&mut calls, CONFIRMED), ok(1), "the oldest was let go");
}
