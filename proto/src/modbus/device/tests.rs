//! Does each answer find its own request, and no other?

use std::vec::Vec;

use super::*;
use crate::modbus::{
    frame::Pen,
    tables::HOLDING,
    vectors::{device, device_with, hex, word},
};

fn at(secs: u64) -> Now {
    Now { mono: Mono::ZERO.after(Duration::from_secs(secs)), ..Now::default() }
}

fn submit(device: &mut Device, ticket: u64, pdu: &str, now: Now, out: &mut Out) -> Result<Sent, Reason> {
    let pdu = hex(pdu);
    let submitted = device.submit(&Request::of(1, &pdu).expect("legal"), Ticket(ticket), now, out);
    device.check_invariants();
    submitted
}

/// `(ticket, exception)`, or the reason and the spoiled ticket.
type Heard = Result<(u64, Option<u8>), (Reason, Option<u64>)>;

fn hear(device: &mut Device, adu: &str) -> Heard {
    let adu = hex(adu);
    let heard = match device.next(Input::Stream(&adu), Now::default(), &mut Out::new(0)) {
        DeviceStep::Told { used, told } => {
            assert_eq!(used, adu.len());
            Ok((told.ticket.0, told.exception))
        }
        DeviceStep::Dropped { reason, spoiled, .. } => Err((reason, spoiled.map(|ticket| ticket.0))),
        other => panic!("{other:?}"),
    };
    device.check_invariants();
    heard
}

#[test]
fn requests_leave_under_our_own_ids_one_adu_each() {
    let (mut device, mut out) = (device(2, Ids::Own), Out::new(64));
    submit(&mut device, 70, "06 0028 05dc", at(0), &mut out).expect("room");
    submit(&mut device, 71, "0f 0013 000a 02 cdff", at(0), &mut out).expect("room");
    assert_eq!(out.as_slice(), hex("0001 0000 0006 01 06 0028 05dc 0002 0000 0009 01 0f 0013 000a 02 cd03"));
    assert_eq!(submit(&mut device, 72, "06 0028 05dc", at(0), &mut out), Err(Reason::TooManyPending));
    assert_eq!(hear(&mut device, "0002 0000 0006 01 0f 0013 000a"), Ok((71, None)));
    assert_eq!(hear(&mut device, "0001 0000 0006 01 06 0028 05dc"), Ok((70, None)));
    assert_eq!((device.in_flight(), device.deadline()), (0, None));
}

#[test]
fn an_acknowledgement_must_repeat_the_write() {
    for (pdu, lie) in [
        ("05 0007 ff00", "05 0007 0000"),
        ("06 0028 05dc", "06 0028 05dd"),
        ("06 0028 05dc", "06 0029 05dc"),
        ("0f 0013 000a 02 cd01", "0f 0013 0009"),
        ("10 0001 0002 04 000a0102", "10 0001 0001"),
        ("10 0001 0002 04 000a0102", "10 0001 0002 04 000a0102"),
        ("16 0004 00f2 0025", "16 0004 00f2 0024"),
        ("17 0003 0002 000e 0001 02 00ff", "17 02 0001"),
        ("01 0000 0009", "01 01 ff"),
        ("2b 0e 01 00", "2b 0d 01 00"),
    ] {
        let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
        submit(&mut device, 5, pdu, at(0), &mut out).expect("room");
        let lie = hex(lie);
        let adu = Sheet::adu(1, 1, |sheet| sheet.put(&lie));
        let step = device.next(Input::Stream(adu.as_slice()), at(0), &mut out);
        assert!(
            matches!(step, DeviceStep::Dropped { reason: Reason::ResponseMismatch, spoiled: Some(Ticket(5)), .. }),
            "GEN-08 {pdu}: {step:?}"
        );
        assert_eq!(device.in_flight(), 0);
    }
}

#[test]
fn the_true_answer_after_a_lie_answers_nothing() {
    let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
    submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
    assert_eq!(hear(&mut device, "0001 0000 0005 01 04 02 000a"), Err((Reason::ResponseMismatch, Some(5))));
    submit(&mut device, 6, "03 0000 0001", at(0), &mut out).expect("room");
    assert_eq!(hear(&mut device, "0001 0000 0005 01 03 02 000a"), Err((Reason::UnsolicitedResponse, None)));
    assert_eq!(hear(&mut device, "0002 0000 0005 01 03 02 000b"), Ok((6, None)));
}

#[test]
fn a_late_answer_is_dropped_and_its_id_rests() {
    let (mut device, mut out) = (device(2, Ids::Own), Out::new(300));
    submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
    submit(&mut device, 6, "03 0000 0001", at(1), &mut out).expect("room");
    assert_eq!(device.deadline(), Some(at(10).mono));
    assert_eq!(device.tick(at(9), &mut out), DeviceTick::Idle);
    assert_eq!(device.tick(at(10), &mut out), DeviceTick::TimedOut(Ticket(5)));
    assert_eq!(device.tick(at(10), &mut out), DeviceTick::Idle);
    device.check_invariants();
    device.next_id = 1;
    submit(&mut device, 7, "03 0000 0001", at(10), &mut out).expect("room");
    assert_eq!(&out.as_slice()[24..26], [0, 3], "neither the tombstone's id nor the one in flight");
    assert_eq!(hear(&mut device, "0001 0000 0005 01 03 02 000a"), Err((Reason::UnsolicitedResponse, None)));
    assert_eq!(hear(&mut device, "0002 0000 0005 01 03 02 000a"), Ok((6, None)));
    assert_eq!(hear(&mut device, "0003 0000 0005 01 03 02 000a"), Ok((7, None)));
}

#[test]
fn tombstones_are_bounded_and_ids_wrap() {
    let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
    device.next_id = u16::MAX - 100;
    for n in 0..1000u64 {
        out.clear();
        submit(&mut device, n, "03 0000 0001", at(n * 10), &mut out).expect("room");
        assert_eq!(device.tick(at(n * 10 + 10), &mut out), DeviceTick::TimedOut(Ticket(n)));
    }
    assert_eq!(device.tombstones.len(), TOMBSTONES_MAX);
    device.check_invariants();
}

#[test]
fn exceptions_pass_and_unknown_ones_become_04() {
    for (code, passed) in [(1u8, 1u8), (2, 2), (5, 5), (6, 6), (8, 8), (10, 10), (11, 11), (0, 4), (9, 4), (0x63, 4)] {
        let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
        submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
        let adu = Sheet::adu(1, 1, |sheet| sheet.put(&[0x83, code]));
        let DeviceStep::Told { told, .. } = device.next(Input::Stream(adu.as_slice()), at(0), &mut out) else {
            panic!("exception {code} is not told");
        };
        let Answer::Modbus(response) = told.answer else { panic!("no answer of another protocol") };
        assert_eq!((told.outcome, told.exception), (Outcome::Exception, Some(code)));
        assert_eq!(response.exception(), Some(passed), "MB-36");
        let mut sheet = Sheet::new();
        response.write(&mut sheet);
        assert_eq!(sheet.as_slice(), [0x83, passed]);
    }
}

#[test]
fn an_answer_that_never_ends_ends_the_connection() {
    let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
    submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
    assert!(matches!(device.next(Input::Stream(&[0, 1]), at(1), &mut out), DeviceStep::Need { at_least: 4 }));
    assert_eq!(device.deadline(), Some(at(6).mono));
    assert_eq!(device.tick(at(6), &mut out), DeviceTick::End(Cause::FrameTimeout));
    let step = device.next(Input::Eof, at(6), &mut out);
    assert!(matches!(step, DeviceStep::End { cause: Cause::Truncated, reason: Some(_) }));
}

#[test]
fn a_lost_connection_gives_up_every_ticket_once() {
    let (mut device, mut out) = (device(3, Ids::Own), Out::new(300));
    for ticket in 0..3 {
        submit(&mut device, ticket, "03 0000 0001", at(0), &mut out).expect("room");
    }
    let given: Vec<_> = core::iter::from_fn(|| device.abandon()).collect();
    assert_eq!(given, [Ticket(0), Ticket(1), Ticket(2)]);
    assert_eq!((device.in_flight(), device.deadline()), (0, None));
    let step = device.next(Input::Eof, at(0), &mut out);
    assert!(matches!(step, DeviceStep::End { cause: Cause::DeviceClosed, reason: None }));
}

#[test]
fn our_own_read_is_the_plain_one_of_its_object() {
    for (space, pdu) in [(Space::Coil, "01"), (Space::Discrete, "02"), (Space::Holding, "03"), (Space::Input, "04")] {
        let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
        let read = ReadFirst { unit: 9, object: space.object(), first: 0x10, count: 2 };
        device.ask(&read, Ticket(1), at(0), &mut out).expect("room");
        assert_eq!(out.as_slice()[6..], [&[9], &*hex(pdu), &[0, 0x10, 0, 2]].concat());
    }
    let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
    for (unit, first, count) in [(1, 0, 126), (1, 0, 0), (1, 65535, 2), (256, 0, 1), (1, 65536, 1)] {
        let read = ReadFirst { unit, object: HOLDING, first, count };
        assert_eq!(device.ask(&read, Ticket(1), at(0), &mut out), Err(Reason::InternalError));
    }
    assert!(out.is_empty());
}

#[test]
fn a_request_that_does_not_fit_the_buffer_never_left() {
    let (mut device, mut out) = (device(1, Ids::Own), Out::new(11));
    assert_eq!(submit(&mut device, 5, "03 0000 0001", at(0), &mut out), Err(Reason::TooManyPending));
    assert_eq!((device.in_flight(), out.len()), (0, 0));
}

#[test]
fn a_replay_speaks_under_the_ids_that_it_saw() {
    let (mut device, mut out) = (device(4, Ids::Observed), Out::new(300));
    submit(&mut device, 0x5_1234, "03 0000 0001", at(0), &mut out).expect("room");
    assert_eq!(hear(&mut device, "1234 0000 0005 01 03 02 000a"), Ok((0x5_1234, None)));
}

#[test]
fn who_watches_takes_an_answer_for_the_newest_request_and_gives_up_on_the_oldest() {
    let (mut device, mut out) = (device(2, Ids::Observed), Out::new(900));
    for (ticket, pdu) in [(0x5_0001, "03 0000 0001"), (0x6_0001, "03 0009 0001"), (0x7_0002, "03 0000 0001")] {
        submit(&mut device, ticket, pdu, at(0), &mut out).expect("who watches refuses nothing");
        device.check_invariants();
    }
    assert_eq!(hear(&mut device, "0001 0000 0005 01 03 02 000a"), Ok((0x6_0001, None)));
    for ticket in [0x8_0003, 0x9_0004] {
        submit(&mut device, ticket, "03 0000 0001", at(0), &mut out).expect("who watches refuses nothing");
        device.check_invariants();
    }
    assert_eq!(hear(&mut device, "0002 0000 0005 01 03 02 000a"), Err((Reason::UnsolicitedResponse, None)));
    assert_eq!(hear(&mut device, "0003 0000 0005 01 03 02 000a"), Ok((0x8_0003, None)));
}

#[test]
fn only_who_watches_reads_datagrams_and_each_is_one_message() {
    let answer = hex("0001 0000 0005 01 03 02 000a");
    let told = |ids, bytes: &[u8]| {
        let (mut device, mut out) = (device(2, ids), Out::new(300));
        submit(&mut device, 1, "03 0000 0001", at(0), &mut out).expect("room");
        match device.next(Input::Datagram(bytes), at(0), &mut Out::new(0)) {
            DeviceStep::Told { used, .. } => Ok(used),
            DeviceStep::End { reason, .. } => Err(reason),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(told(Ids::Observed, &answer), Ok(answer.len()));
    assert_eq!(told(Ids::Own, &answer), Err(Some(Reason::UnknownProtocol)));
    assert_eq!(told(Ids::Observed, &answer[..8]), Err(Some(Reason::LengthMismatch)));
    assert_eq!(told(Ids::Observed, &[&answer[..], &[0]].concat()), Err(Some(Reason::LengthMismatch)));
}

fn rtu_of(unit: u8, pdu: &str) -> Vec<u8> {
    rtu::adu(unit, |sheet| sheet.put(&hex(pdu))).as_slice().to_vec()
}

/// What the device's bytes come to: the ticket, or the reason and the spoiled ticket, or the reason of the end.
fn come_to(device: &mut Device, bytes: &[u8]) -> std::string::String {
    let told = match device.next(Input::Stream(bytes), at(0), &mut Out::new(0)) {
        DeviceStep::Need { .. } => std::string::String::from("need"),
        DeviceStep::Told { told, .. } => std::format!("told {}", told.ticket.0),
        DeviceStep::Dropped { reason, spoiled, .. } => std::format!("{reason} {spoiled:?}"),
        DeviceStep::Own { .. } | DeviceStep::Signal { .. } => std::string::String::from("own"),
        DeviceStep::Unasked { .. } => std::string::String::from("unasked"),
        DeviceStep::End { reason, .. } => std::format!("ends {reason:?}"),
    };
    device.check_invariants();
    told
}

#[test]
fn rtu_answers_are_those_of_the_one_request_in_flight() {
    let (mut device, mut out) = (device_with(8, Ids::Own, &[word("upstream_framing", "rtu")]), Out::new(300));
    submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
    assert_eq!(out.as_slice(), rtu_of(1, "03 0000 0001"));
    assert!(!device.has_room(), "one at a time, whatever the conduit says");
    let answer = rtu_of(1, "03 02 000a");
    for cut in 0..answer.len() {
        assert_eq!(come_to(&mut device, &answer[..cut]), "need");
    }
    assert_eq!(come_to(&mut device, &answer), "told 5");
    assert_eq!(come_to(&mut device, &[]), "need", "silence is no answer");
    assert_eq!(come_to(&mut device, &answer), "ends Some(UnsolicitedResponse)", "MB-11");
}

#[test]
fn gen_08_without_ids_a_connection_that_owes_an_answer_is_used_no_more() {
    for settings in [word("upstream_framing", "rtu"), word("upstream_tid", "ignore")] {
        let is_rtu = settings.0 == "upstream_framing";
        let late = if is_rtu { rtu_of(1, "03 02 000a") } else { hex("0001 0000 0005 01 03 02 000a") };
        let (mut device, mut out) = (device_with(1, Ids::Own, core::slice::from_ref(&settings)), Out::new(300));
        submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
        assert_eq!(device.tick(at(10), &mut out), DeviceTick::TimedOut(Ticket(5)));
        assert!(!device.has_room());
        assert_eq!(submit(&mut device, 6, "03 0000 0001", at(10), &mut out), Err(Reason::TooManyPending));
        assert_eq!(device.deadline(), Some(Mono::ZERO), "the end is due");
        assert_eq!(device.tick(at(10), &mut out), DeviceTick::End(Cause::RequestTimeout));
        assert_eq!(come_to(&mut device, &late), "ends Some(UnsolicitedResponse)");

        let (mut device, mut out) = (device_with(1, Ids::Own, &[settings]), Out::new(300));
        submit(&mut device, 5, "03 0000 0001", at(0), &mut out).expect("room");
        let lie = if is_rtu { rtu_of(2, "03 02 000a") } else { hex("0001 0000 0005 02 03 02 000a") };
        assert_eq!(come_to(&mut device, &lie), "response_mismatch Some(Ticket(5))");
        assert_eq!(device.tick(at(0), &mut out), DeviceTick::End(Cause::RequestTimeout));
    }
}

#[test]
fn a_device_that_makes_up_its_ids_is_heard_where_the_conduit_says_so() {
    let (mut device, mut out) = (device_with(1, Ids::Own, &[word("upstream_tid", "ignore")]), Out::new(300));
    for ticket in 5..8 {
        submit(&mut device, ticket, "03 0000 0001", at(0), &mut out).expect("room");
        assert_eq!(come_to(&mut device, &hex("0000 0000 0005 01 03 02 000a")), std::format!("told {ticket}"));
    }
    assert_eq!(hear(&mut device, "0000 0000 0005 01 03 02 000a"), Err((Reason::UnsolicitedResponse, None)));
}

#[test]
fn nobody_waits_for_what_is_never_answered() {
    let (mut device, mut out) = (device_with(1, Ids::Own, &[word("unit0", "broadcast")]), Out::new(300));
    assert_eq!(submit(&mut device, 5, "08 0004 0000", at(0), &mut out), Ok(Sent::Unanswered), "MB-17");
    assert_eq!(submit(&mut device, 6, "08 0000 0000", at(0), &mut out), Ok(Sent::Awaited));
    assert_eq!(hear(&mut device, "0001 0000 0006 01 08 0004 0000"), Err((Reason::UnsolicitedResponse, None)));
    assert_eq!(hear(&mut device, "0002 0000 0006 01 08 0000 0000"), Ok((6, None)));
    let pdu = hex("06 0001 0002");
    let all = Request::of(0, &pdu).expect("legal");
    assert_eq!(device.submit(&all, Ticket(7), at(0), &mut out), Ok(Sent::Unanswered));
    assert_eq!((device.in_flight(), device.deadline()), (0, None));
    let read = ReadFirst { unit: 0, object: HOLDING, first: 1, count: 1 };
    assert_eq!(device.ask(&read, Ticket(8), at(0), &mut out), Err(Reason::UnitNotAllowed));
    // Where unit 0 is the device itself, it answers.
    let mut plain = device_with(1, Ids::Own, &[]);
    assert_eq!(plain.submit(&all, Ticket(7), at(0), &mut out), Ok(Sent::Awaited));
}

#[test]
fn what_was_repaired_is_told() {
    let (mut device, mut out) = (device(1, Ids::Own), Out::new(300));
    for (pdu, said, repaired) in [
        ("01 0000 0003", "01 01 fd", Some(Repair::ResponsePadding)),
        ("01 0000 0003", "01 01 05", None),
        ("01 0000 0003", "81 63", Some(Repair::ExceptionCode)),
        ("01 0000 0003", "81 06", None),
    ] {
        submit(&mut device, 5, pdu, at(0), &mut out).expect("room");
        let id = device.next_id - 1;
        let said = hex(said);
        let adu = Sheet::adu(id, 1, |sheet| sheet.put(&said));
        match device.next(Input::Stream(adu.as_slice()), at(0), &mut out) {
            DeviceStep::Told { told, .. } => assert_eq!(told.repaired, repaired, "MB-36 {said:02x?}"),
            other => panic!("{other:?}"),
        }
    }
}

/// GEN-05: FC 8/0 repeats what it is sent. Over MBAP that may be long; on a line without lengths its tail is a request.
#[test]
fn gen_05_nothing_leaves_over_rtu_whose_tail_is_a_request_of_its_own() {
    let echo = |tail: &[u8]| [&hex("08 0000 a537"), tail].concat();
    let smuggled = [&rtu::crc(&hex("01 08 0000 a537")).to_le_bytes()[..], &hex("01 06 0028 05dc")].concat();
    for (pdu, passes) in [
        (echo(&[]), true),
        (echo(&smuggled), false),
        (hex("08 0000"), false),
        (hex("5a 0002"), false),
        (hex("2b 0d 0100"), false),
        (hex("2b 0e 01 00"), true),
        (hex("15 09 06 0004 0007 0001 06af"), true),
    ] {
        let request = Request::of(1, &pdu).expect("legal");
        let rtu = word("upstream_framing", "rtu");
        let (mut device, mut out) = (device_with(1, Ids::Own, core::slice::from_ref(&rtu)), Out::new(300));
        let sent = device.submit(&request, Ticket(1), at(0), &mut out);
        assert_eq!(sent, if passes { Ok(Sent::Awaited) } else { Err(Reason::NotCanonical) }, "{pdu:02x?}");
        assert_eq!((out.is_empty(), device.in_flight()), (!passes, usize::from(passes)), "{pdu:02x?}");
        device.check_invariants();
        let (mut over_tcp, mut out) = (super::super::vectors::device(1, Ids::Own), Out::new(300));
        assert_eq!(over_tcp.submit(&request, Ticket(1), at(0), &mut out), Ok(Sent::Awaited), "{pdu:02x?}");
    }
}

#[test]
fn a_serial_line_is_left_alone_after_what_nobody_answers() {
    let ways = [word("upstream_framing", "rtu"), word("unit0", "broadcast")];
    let (mut device, mut out) = (device_with(1, Ids::Own, &ways), Out::new(300));
    let after = |millis| Now { mono: Mono::ZERO.after(Duration::from_millis(millis)), ..Now::default() };
    let pdu = hex("06 0001 0002");
    let all = Request::of(0, &pdu).expect("legal");
    assert_eq!(device.submit(&all, Ticket(1), after(0), &mut out), Ok(Sent::Unanswered));
    assert!(!device.has_room());
    assert_eq!(submit(&mut device, 2, "03 0000 0001", after(50), &mut out), Err(Reason::TooManyPending));
    assert_eq!(device.deadline(), Some(after(100).mono));
    assert_eq!(device.tick(after(99), &mut out), DeviceTick::Idle);
    assert!(!device.has_room());
    assert_eq!(device.tick(after(100), &mut out), DeviceTick::Idle);
    assert_eq!((device.has_room(), device.deadline()), (true, None));
    submit(&mut device, 2, "03 0000 0001", after(100), &mut out).expect("room");
    // Behind MBAP stands a gateway that keeps its own line's time.
    let (mut over_tcp, mut out) = (device_with(1, Ids::Own, &ways[1..]), Out::new(300));
    assert_eq!(over_tcp.submit(&all, Ticket(1), after(0), &mut out), Ok(Sent::Unanswered));
    assert!(over_tcp.has_room());
}
