//! Is a station told no more than the centre has, and is nothing of it believed that nobody asked for?

use std::vec::Vec;

use super::{super::conformance::hex, *};
use crate::{
    deed::ObjectId,
    half::Outcome,
    keys::{Setting, Settings},
};

const COMMAND: &str = "2d 01 06 00 0100 e90300 01";
const CONFIRMED: &str = "2d 01 07 00 0100 e90300 01";
const ENDED: &str = "2d 01 0a 00 0100 e90300 01";
const POINT: &str = "01 01 05 00 0100 e90300 01";
const EVENT: &str = "01 01 03 00 0100 e90300 01";
const START_ACT: &str = "68 04 07 00 00 00";
const START_CON: &str = "68 04 0b 00 00 00";
const STOP_ACT: &str = "68 04 13 00 00 00";
const STOP_CON: &str = "68 04 23 00 00 00";
const TEST_ACT: &str = "68 04 43 00 00 00";
const TEST_CON: &str = "68 04 83 00 00 00";

fn at(secs: u64) -> Now {
    Now { mono: Mono::ZERO.after(Duration::from_secs(secs)), ..Now::default() }
}

fn device(ids: Ids, settings: &[(&'static str, Setting)]) -> Device {
    Device::new(&DeviceOptions {
        settings: Settings(settings.iter().cloned().collect()),
        pending: 4,
        frame_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(12),
        ids,
    })
}

/// A connection to a station that has started.
fn started(settings: &[(&'static str, Setting)]) -> Device {
    let mut device = device(Ids::Own, settings);
    say(&mut device, word::START, 0);
    assert_eq!(hear(&mut device, START_CON), Heard::Word(word::STARTED));
    device
}

/// A word of the centre's half, and what leaves for it.
fn say(device: &mut Device, kind: u8, value: u32) -> Vec<u8> {
    let mut out = Out::new(1000);
    device.signal(Signal { kind, value, floor: Floor::Silent }, at(0), &mut out);
    device.check_invariants();
    out.as_slice().to_vec()
}

fn submit(device: &mut Device, ticket: u64, asdu: &str, now: Now) -> Result<(Sent, Vec<u8>), Reason> {
    let (asdu, mut out) = (hex(asdu), Out::new(1000));
    let asdu = Asdu::read(&asdu, Direction::Control).expect("legal");
    let sent = device.submit(&Request::new(asdu), Ticket(ticket), now, &mut out);
    device.check_invariants();
    sent.map(|sent| (sent, out.as_slice().to_vec()))
}

/// What came of one APDU of a station.
#[derive(Debug, PartialEq)]
enum Heard {
    Own,
    Word(u8),
    Dropped(Reason),
    /// Its handle, its place, its anomaly.
    Unasked(u32, Place, Option<&'static str>),
    End(Cause, Option<Reason>),
}

fn hear(device: &mut Device, frame: &str) -> Heard {
    heard(device, &hex(frame), &mut Out::new(1000))
}

fn heard(device: &mut Device, frame: &[u8], out: &mut Out) -> Heard {
    let (used, heard) = match device.next(Input::Stream(frame), at(0), out) {
        DeviceStep::Own { used } => (used, Heard::Own),
        DeviceStep::Signal { used, signal } => {
            assert_eq!((signal.value, signal.floor), (0, Floor::Silent));
            (used, Heard::Word(signal.kind))
        }
        DeviceStep::Dropped { used, reason, spoiled: None } => (used, Heard::Dropped(reason)),
        DeviceStep::Unasked { used, unasked } => {
            assert_eq!(unasked.frame, frame);
            (used, Heard::Unasked(unasked.id, unasked.place, unasked.odd))
        }
        DeviceStep::End { cause, reason } => (frame.len(), Heard::End(cause, reason)),
        other => panic!("{other:?}"),
    };
    assert_eq!(used, frame.len());
    device.check_invariants();
    heard
}

/// One I frame of the station.
fn tell(device: &mut Device, send: u16, receive: u16, asdu: &str) -> Heard {
    let mut frame = Out::new(300);
    apci::write_i(send, receive, &hex(asdu), &mut frame).expect("room");
    heard(device, frame.as_slice(), &mut Out::new(1000))
}

const fn report(id: u32) -> Heard {
    Heard::Unasked(id, Place::Report, None)
}

const fn settles(id: u32, ticket: u64, outcome: Outcome) -> Heard {
    Heard::Unasked(id, Place::Settles(Ticket(ticket), outcome), None)
}

const MALFORMED: Heard = Heard::End(Cause::Malformed, Some(Reason::Malformed));
const WRONG_SIDE: Heard = Heard::End(Cause::Malformed, Some(Reason::DirectionNotAllowed));

#[test]
fn it_starts_and_stops_when_the_centre_does() {
    let mut device = device(Ids::Own, &[]);
    assert!(!device.has_room(), "nothing leaves before the start");
    assert_eq!(submit(&mut device, 1, COMMAND, at(0)), Err(Reason::TooManyPending));
    assert_eq!(say(&mut device, word::STOP, 0), [], "nothing to stop");
    assert_eq!(say(&mut device, word::START, 0), hex(START_ACT));
    assert_eq!(say(&mut device, word::START, 0), [], "it is being started");
    assert!(!device.has_room(), "the station has not confirmed");
    assert_eq!(hear(&mut device, START_CON), Heard::Word(word::STARTED));
    assert!(device.has_room());
    assert_eq!(hear(&mut device, START_CON), Heard::Own, "confirmed twice");
    assert_eq!(say(&mut device, word::STOP, 0), hex(STOP_ACT));
    assert_eq!(say(&mut device, word::STOP, 0), [], "it is being stopped");
    assert!(!device.has_room());
    assert_eq!(tell(&mut device, 0, 0, EVENT), report(0), "it was on its way");
    assert_eq!(hear(&mut device, STOP_CON), Heard::Word(word::STOPPED));
    assert_eq!(hear(&mut device, STOP_CON), Heard::Own, "confirmed twice");
    assert_eq!(tell(&mut device, 1, 0, EVENT), MALFORMED, "IE-16: a stopped station tells nothing");
}

#[test]
fn a_stop_overtakes_the_confirmation_of_its_start() {
    let mut device = device(Ids::Own, &[]);
    say(&mut device, word::START, 0);
    assert_eq!(say(&mut device, word::STOP, 0), hex(STOP_ACT));
    assert_eq!(hear(&mut device, START_CON), Heard::Own);
    assert_eq!(hear(&mut device, STOP_CON), Heard::Word(word::STOPPED));
    assert_eq!(device.tick(at(0), &mut Out::new(100)), DeviceTick::Idle);
}

#[test]
fn a_stop_acknowledges_what_the_centre_has() {
    let mut device = started(&[]);
    assert_eq!(tell(&mut device, 0, 0, EVENT), report(0));
    device.unreported(0, at(0), &mut Out::new(0));
    assert_eq!(say(&mut device, word::STOP, 0), hex("68 04 01 00 02 00 68 04 13 00 00 00"));
}

#[test]
fn a_station_that_speaks_as_a_centre_or_confirms_what_nobody_asked_ends() {
    for function in [START_ACT, STOP_ACT, START_CON] {
        assert_eq!(hear(&mut device(Ids::Own, &[]), function), WRONG_SIDE, "{function}");
    }
    for function in [START_ACT, STOP_ACT, STOP_CON] {
        assert_eq!(hear(&mut started(&[]), function), WRONG_SIDE, "{function}");
    }
    let mut starting = device(Ids::Own, &[]);
    say(&mut starting, word::START, 0);
    assert_eq!(hear(&mut starting, STOP_CON), WRONG_SIDE);
}

#[test]
fn a_start_that_the_station_does_not_confirm_within_t1_ends() {
    let mut device = device(Ids::Own, &[("t1", Setting::Duration(Duration::from_secs(3)))]);
    let mut out = Out::new(100);
    assert_eq!(device.tick(at(0), &mut out), DeviceTick::Idle);
    say(&mut device, word::START, 0);
    assert_eq!(device.deadline(), Some(at(3).mono));
    assert_eq!(device.tick(at(2), &mut out), DeviceTick::Idle);
    assert_eq!(device.tick(at(3), &mut out), DeviceTick::End(Cause::RequestTimeout));
}

#[test]
fn a_test_is_answered_here_and_ours_must_be() {
    let (mut device, mut out) = (started(&[]), Out::new(100));
    assert_eq!(heard(&mut device, &hex(TEST_ACT), &mut out), Heard::Own);
    assert_eq!(out.as_slice(), hex(TEST_CON));
    out.clear();
    assert_eq!(device.tick(at(19), &mut out), DeviceTick::Idle);
    assert!(out.is_empty());
    assert_eq!(device.tick(at(20), &mut out), DeviceTick::Idle);
    assert_eq!(out.as_slice(), hex(TEST_ACT), "t3 of silence");
    assert_eq!(hear(&mut device, TEST_CON), Heard::Own);
    out.clear();
    assert_eq!(device.tick(at(35), &mut out), DeviceTick::Idle, "it was answered: tested again");
    assert_eq!(out.as_slice(), hex(TEST_ACT));
    assert_eq!(device.tick(at(50), &mut out), DeviceTick::End(Cause::RequestTimeout), "not answered within t1");
}

#[test]
fn a_command_leaves_under_our_own_numbers_and_is_settled_by_its_confirmation() {
    let mut device = started(&[]);
    let frame = hex("68 0e 00 00 00 00 2d 01 06 00 0100 e90300 01");
    assert_eq!(submit(&mut device, 7, COMMAND, at(0)), Ok((Sent::Awaited, frame)));
    assert_eq!(tell(&mut device, 0, 1, EVENT), report(0));
    assert_eq!(device.in_flight(), 1, "an event settles nothing");
    assert_eq!(tell(&mut device, 1, 1, CONFIRMED), settles(1, 7, Outcome::Ok));
    assert_eq!(device.in_flight(), 0);
    assert_eq!(tell(&mut device, 2, 1, ENDED), Heard::Unasked(2, Place::Follows, None));
    let frame = hex("68 0e 02 00 00 00 2d 01 08 00 0100 e90300 01");
    assert_eq!(submit(&mut device, 8, "2d 01 08 00 0100 e90300 01", at(0)), Ok((Sent::Awaited, frame)));
    assert_eq!(tell(&mut device, 3, 2, "2d 01 49 00 0100 e90300 01"), settles(3, 8, Outcome::Exception));
}

#[test]
fn what_no_confirmation_belongs_to_is_not_waited_for() {
    let mut device = started(&[]);
    let sent = submit(&mut device, 7, "6a 01 03 00 0100 000000 0a00", at(0)).map(|(sent, _)| sent);
    assert_eq!(sent, Ok(Sent::Unanswered));
    assert_eq!(device.in_flight(), 0);
}

#[test]
fn no_more_leaves_than_the_window_holds() {
    let mut device = started(&[("k", Setting::Int(2))]);
    for ticket in [1, 2] {
        assert!(device.has_room());
        submit(&mut device, ticket, COMMAND, at(0)).expect("room");
    }
    assert!(!device.has_room());
    assert_eq!(submit(&mut device, 3, COMMAND, at(0)), Err(Reason::TooManyPending));
    assert_eq!(hear(&mut device, "68 04 01 00 02 00"), Heard::Own, "the first is acknowledged");
    submit(&mut device, 3, COMMAND, at(0)).expect("room");
    assert_eq!(hear(&mut device, "68 04 01 00 08 00"), MALFORMED, "IE-22: four of three");
}

#[test]
fn what_finds_no_room_in_the_buffer_is_not_sent() {
    let (asdu, mut device) = (hex(COMMAND), started(&[]));
    let asdu = Asdu::read(&asdu, Direction::Control).expect("legal");
    let sent = device.submit(&Request::new(asdu), Ticket(1), at(0), &mut Out::new(15));
    assert_eq!((sent, device.in_flight()), (Err(Reason::TooManyPending), 0));
    let sent = device.submit(&Request::new(asdu), Ticket(1), at(0), &mut Out::new(16));
    assert_eq!((sent, device.in_flight()), (Ok(Sent::Awaited), 1));
}

#[test]
fn what_is_not_confirmed_in_time_is_late_and_then_follows() {
    let (mut device, mut out) = (started(&[]), Out::new(100));
    submit(&mut device, 7, COMMAND, at(1)).expect("room");
    assert_eq!(hear(&mut device, "68 04 01 00 02 00"), Heard::Own);
    assert_eq!(device.deadline(), Some(at(13).mono));
    assert_eq!(device.tick(at(12), &mut out), DeviceTick::Idle);
    assert_eq!(device.tick(at(13), &mut out), DeviceTick::TimedOut(Ticket(7)));
    assert_eq!(device.tick(at(13), &mut out), DeviceTick::Idle);
    assert_eq!(tell(&mut device, 0, 1, CONFIRMED), Heard::Unasked(0, Place::Follows, None));
    assert_eq!(tell(&mut device, 1, 1, CONFIRMED), Heard::Dropped(Reason::DirectionNotAllowed), "IE-20");
}

#[test]
fn a_station_that_acknowledges_nothing_within_t1_ends() {
    let (mut device, mut out) = (started(&[("t1", Setting::Duration(Duration::from_secs(5)))]), Out::new(100));
    submit(&mut device, 7, COMMAND, at(0)).expect("room");
    assert_eq!(device.tick(at(0), &mut out), DeviceTick::Idle);
    assert_eq!(device.tick(at(5), &mut out), DeviceTick::End(Cause::RequestTimeout));
}

#[test]
fn a_command_that_confirms_nothing_is_dropped_and_the_station_may_forget_it() {
    let mut device = started(&[]);
    submit(&mut device, 7, COMMAND, at(0)).expect("room");
    for (send, other) in (0..).zip([
        "2e 01 07 00 0100 e90300 01",
        "2d 01 07 00 0200 e90300 01",
        "2d 01 07 00 0100 ea0300 01",
        "2d 01 09 00 0100 e90300 01",
        // An interrogation tells no command, and a station's clock is told spontaneously.
        "2d 01 14 00 0100 e90300 01",
        "67 01 07 00 0100 000000 00000000210118",
    ]) {
        assert_eq!(tell(&mut device, send, 1, other), Heard::Dropped(Reason::DirectionNotAllowed), "IE-20 {other}");
    }
    assert_eq!((device.in_flight(), device.open.len()), (1, 0));
    for (n, reported) in (6..).zip([
        "6e 01 14 00 0100 bc0200 0000 01",
        "6e 01 24 00 0100 bc0200 0000 01",
        "67 01 03 00 0100 000000 00000000210118",
    ]) {
        assert_eq!(tell(&mut device, n, 1, reported), report(n.into()), "{reported}");
    }
}

#[test]
fn an_illegal_asdu_is_dropped_and_a_broken_one_ends() {
    let mut device = started(&[]);
    assert_eq!(tell(&mut device, 0, 0, COMMAND), Heard::Dropped(Reason::DirectionNotAllowed), "IE-20");
    assert_eq!(tell(&mut device, 1, 0, "2a 01 03 00 0100 e90300 01"), Heard::Dropped(Reason::FunctionNotAllowed));
    assert_eq!(tell(&mut device, 2, 0, "01 01 03 00 0000 e90300 01"), Heard::Dropped(Reason::UnitNotAllowed));
    assert_eq!(say(&mut device, word::ACKNOWLEDGED, 0), hex("68 04 01 00 06 00"), "all three may be forgotten");
    let short = Heard::End(Cause::Malformed, Some(Reason::LengthMismatch));
    assert_eq!(tell(&mut device, 3, 0, "01 02 03 00 0100 e90300 01"), short);
}

#[test]
fn odd_content_is_told_and_refused_where_that_is_strict() {
    let odd = "01 01 03 00 0100 e90300 03";
    let told = Heard::Unasked(0, Place::Report, Some("siq_reserved"));
    assert_eq!(tell(&mut started(&[]), 0, 0, odd), told);
    let mut strict = started(&[("monitor_strict", Setting::Bool(true))]);
    assert_eq!(tell(&mut strict, 0, 0, odd), Heard::Dropped(Reason::Malformed));
    assert_eq!(tell(&mut strict, 1, 0, EVENT), report(1));
}

#[test]
fn numbers_that_do_not_follow_end() {
    assert_eq!(tell(&mut started(&[]), 1, 0, EVENT), MALFORMED, "N(S) skips one");
    assert_eq!(tell(&mut started(&[]), 0, 1, EVENT), MALFORMED, "N(R) of what was never sent");
    let mut device = started(&[]);
    assert_eq!(tell(&mut device, 0, 0, EVENT), report(0));
    assert_eq!(tell(&mut device, 0, 0, EVENT), MALFORMED, "N(S) twice");
}

#[test]
fn a_station_is_told_only_what_the_centre_has() {
    let mut device = started(&[]);
    for n in 0..4u16 {
        assert_eq!(tell(&mut device, n, 0, EVENT), report(n.into()));
    }
    assert_eq!(device.open.len(), 4);
    // What the centre never gets is forgotten only behind what it has.
    device.unreported(1, at(0), &mut Out::new(0));
    device.check_invariants();
    assert_eq!(device.open, [false, true, false, false]);
    assert_eq!(say(&mut device, word::ACKNOWLEDGED, 0), hex("68 04 01 00 04 00"), "0, and 1 behind it");
    assert_eq!(say(&mut device, word::ACKNOWLEDGED, 0), [], "no news");
    assert_eq!(device.open, [false, false]);
    // Handles that are not open change nothing.
    for id in [0, 1, 4, 5, u32::MAX] {
        device.unreported(id, at(0), &mut Out::new(0));
        assert_eq!(device.open, [false, false], "{id}");
    }
    let frame = hex("68 0e 00 00 04 00 2d 01 06 00 0100 e90300 01");
    assert_eq!(submit(&mut device, 7, COMMAND, at(0)), Ok((Sent::Awaited, frame)), "N(R) says no more either");
    assert_eq!(say(&mut device, word::ACKNOWLEDGED, 3), hex("68 04 01 00 08 00"));
    assert_eq!(device.open, []);
}

#[test]
fn a_station_that_waits_for_no_acknowledgement_ends_before_its_numbers_come_round() {
    let mut device = started(&[]);
    for n in 0..LAST {
        assert_eq!(tell(&mut device, n, 0, EVENT), report(n.into()));
    }
    assert_eq!(tell(&mut device, LAST, 0, EVENT), MALFORMED);
}

fn ask(device: &mut Device, unit: u32, first: u32, count: u32) -> Result<Vec<u8>, Reason> {
    let mut out = Out::new(100);
    let read = ReadFirst { unit, object: ObjectId(0), first, count };
    device.ask(&read, Ticket(9), at(0), &mut out).map(|()| out.as_slice().to_vec())
}

#[test]
fn our_own_read_is_settled_by_the_point_and_what_precedes_it_is_ours() {
    let mut device = started(&[]);
    assert_eq!(ask(&mut device, 1, 1001, 1), Ok(hex("68 0d 00 00 00 00 66 01 05 00 0100 e90300")));
    assert_eq!(tell(&mut device, 0, 1, "66 01 07 00 0100 e90300"), Heard::Own, "understood");
    assert_eq!((device.in_flight(), device.open.len()), (1, 0), "the station may forget that");
    assert_eq!(tell(&mut device, 1, 1, POINT), settles(1, 9, Outcome::Ok));
}

#[test]
fn our_own_read_is_settled_by_a_refusal() {
    for refusal in ["66 01 6f 00 0100 e90300", "66 01 47 00 0100 e90300", "66 01 45 00 0100 e90300"] {
        let mut device = started(&[]);
        ask(&mut device, 1, 1001, 1).expect("room");
        assert_eq!(tell(&mut device, 0, 1, refusal), settles(0, 9, Outcome::Exception), "{refusal}");
        assert_eq!(device.in_flight(), 0);
    }
}

#[test]
fn a_read_of_what_no_asdu_can_name_is_not_asked() {
    let mut started = started(&[]);
    for (unit, first, count) in
        [(65_536, 1001, 1), (1, 1 << 24, 1), (1, 1001, 2), (1, 1001, 0), (0, 1001, 1), (65_535, 1001, 1), (1, 0, 1)]
    {
        let asked = ask(&mut started, unit, first, count);
        assert_eq!(asked, Err(Reason::InternalError), "{unit} {first} {count}");
    }
    assert_eq!(ask(&mut device(Ids::Own, &[]), 1, 1001, 1), Err(Reason::TooManyPending), "not started");
    assert_eq!(started.in_flight(), 0);
}

#[test]
fn what_is_abandoned_is_given_up_oldest_first() {
    let mut device = started(&[]);
    for ticket in [1, 2] {
        submit(&mut device, ticket, COMMAND, at(0)).expect("room");
    }
    let step = device.next(Input::Stream(&[0x68]), at(0), &mut Out::new(0));
    assert!(matches!(step, DeviceStep::Need { at_least: 2 }), "{step:?}");
    assert_eq!(device.abandon(), Some(Ticket(1)));
    assert_eq!(device.partial, None, "what was half there does not matter any more");
    assert_eq!((device.abandon(), device.abandon()), (Some(Ticket(2)), None));
}

#[test]
fn an_apdu_that_never_becomes_whole_ends_after_the_frame_timeout() {
    let (mut device, mut out, frame) = (started(&[]), Out::new(100), hex(TEST_ACT));
    for (len, secs) in [(1, 1), (3, 4)] {
        let step = device.next(Input::Stream(&frame[..len]), at(secs), &mut out);
        assert!(matches!(step, DeviceStep::Need { .. }), "{step:?}");
    }
    assert_eq!(device.tick(at(5), &mut out), DeviceTick::Idle);
    assert_eq!(device.deadline(), Some(at(6).mono), "from its first byte on");
    assert_eq!(device.tick(at(6), &mut out), DeviceTick::End(Cause::FrameTimeout));
    // Whole at last, or gone: nothing runs any more.
    assert_eq!(heard(&mut device, &frame, &mut out), Heard::Own);
    assert_eq!(device.tick(at(6), &mut out), DeviceTick::Idle);
    let step = device.next(Input::Stream(&[]), at(6), &mut out);
    assert!(matches!(step, DeviceStep::Need { at_least: 2 }), "{step:?}");
    assert_eq!(device.partial, None);
}

#[test]
fn an_end_within_an_apdu_is_told_from_one_behind_it() {
    let end = |device: &mut Device, input: Input<'_>| match device.next(input, at(0), &mut Out::new(0)) {
        DeviceStep::End { cause, reason } => Some((cause, reason)),
        _ => None,
    };
    let mut device = started(&[]);
    assert_eq!(end(&mut device, Input::Eof), Some((Cause::DeviceClosed, None)));
    assert_eq!(end(&mut device, Input::Stream(&[0x68, 4])), None);
    assert_eq!(end(&mut device, Input::Eof), Some((Cause::Truncated, Some(Reason::LengthMismatch))));
    let datagram = end(&mut device, Input::Datagram(&[0x68]));
    assert_eq!(datagram, Some((Cause::Malformed, Some(Reason::UnknownProtocol))));
    assert_eq!(end(&mut device, Input::Stream(&[0x69])), Some((Cause::Malformed, Some(Reason::Malformed))));
}

#[test]
fn a_capture_is_taken_up_where_it_begins() {
    let mut device = device(Ids::Observed, &[("k", Setting::Int(1))]);
    assert!(device.has_room(), "it had started before");
    for confirmation in [START_CON, STOP_CON] {
        assert_eq!(hear(&mut device, confirmation), Heard::Own);
    }
    for ticket in [1, 2] {
        submit(&mut device, ticket, COMMAND, at(0)).expect("no window holds it back");
    }
    assert_eq!(tell(&mut device, 4711, 815, EVENT), report(0), "any number is the next");
    assert_eq!(tell(&mut device, 17, 3, CONFIRMED), settles(1, 1, Outcome::Ok));
    // What this confirms may have come before the capture.
    assert_eq!(tell(&mut device, 18, 3, "2e 01 07 00 0100 ea0300 01"), report(2));
    assert_eq!(device.open, [], "nothing waits for a centre that we do not speak to");
    assert_eq!(say(&mut device, word::ACKNOWLEDGED, 2), []);
    assert_eq!(device.tick(at(12), &mut Out::new(0)), DeviceTick::TimedOut(Ticket(2)));
}
