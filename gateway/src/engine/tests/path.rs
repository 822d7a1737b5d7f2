//! Does what is allowed reach the device byte for byte, and is everything else answered as written?

use sluicegate_proto::vocab::Cause;

use super::{
    bench::{Bench, Dial, Plan},
    wire::{coil, exception, frame, hex, read, registers, show, write, write_many},
};
use crate::observe::record::Event;

const RULES: &[&str] = &[
    "any read holding 0-99",
    "operator write holding 40-49 = 0..1500",
    "operator write coil 7 = off always",
    "operator write coil 7 = on",
];

#[test]
fn an_allowed_read_and_write_cross_under_ids_of_our_own_and_come_back_under_the_peers() {
    let mut bench = Bench::ruled(RULES);
    let peer = bench.open("op-1");
    bench.send(peer, &hex("abcd 0000 0006 01 03 0005 0002"));
    assert_eq!(bench.arrived_hex(), [show(&hex("0001 0000 0006 01 03 0005 0002"))]);
    assert!(bench.answers(peer).is_empty());
    bench.says(bench.link(), &hex("0001 0000 0007 01 03 04 0102 0304"));
    assert_eq!(bench.answers(peer), [hex("abcd 0000 0007 01 03 04 0102 0304")]);

    bench.send(peer, &hex("0007 0000 0009 01 10 0028 0001 02 05dc"));
    assert_eq!(bench.arrived_hex(), [show(&hex("0002 0000 0009 01 10 0028 0001 02 05dc"))]);
    bench.says(bench.link(), &hex("0002 0000 0006 01 10 0028 0001"));
    assert_eq!(bench.answers(peer), [hex("0007 0000 0006 01 10 0028 0001")]);

    bench.send(peer, &coil(9, 7, true));
    assert_eq!(bench.arrived_hex(), [show(&hex("0003 0000 0006 01 05 0007 ff00"))]);
    // The device's own refusal is passed on as it is.
    bench.says(bench.link(), &exception(3, 5, 4));
    assert_eq!(bench.answers(peer), [exception(9, 5, 4)]);
    assert_eq!(bench.verdicts(), [3, 0, 0]);
    assert_eq!(bench.count("device_exceptions_total", &["04"]), 1);
    assert_eq!(bench.count("responses_total", &["ok"]), 2);
    assert_eq!(bench.count("rule_hits_total", &[]), 3);
}

#[test]
fn gen_01_a_stream_cut_anywhere_means_the_same() {
    let stream = [read(1, 0, 2), write(2, 95, 1), write_many(3, 40, &[1, 2]), read(4, 98, 3)].concat();
    let run = |cut: &[usize]| {
        let mut bench = Bench::ruled(RULES);
        bench.obedient = true;
        let peer = bench.open("op-1");
        let mut from = 0;
        for to in cut.iter().copied().chain([stream.len()]) {
            bench.send(peer, &stream[from..to]);
            from = to;
        }
        (bench.answers(peer), bench.verdicts())
    };
    let whole = run(&[]);
    assert_eq!(whole.0.len(), 4);
    assert_eq!(whole.1, [2, 2, 0]);
    for cut in 1..stream.len() {
        assert_eq!(run(&[cut]), whole, "cut at {cut}");
    }
    assert_eq!(run(&(1..stream.len()).collect::<Vec<_>>()), whole, "byte by byte");
}

#[test]
fn gen_01_what_came_whole_before_broken_framing_leaves_however_the_stream_is_cut() {
    let (good, lie) = (write(1, 40, 7), hex("0002 0000 0003 01 03 0000 000a"));
    let stream = [good.clone(), lie].concat();
    for cut in 0..=good.len() {
        let mut bench = Bench::ruled(RULES);
        let peer = bench.open("op-1");
        bench.send(peer, &read(9, 0, 1));
        bench.answer_one();
        bench.arrived();
        bench.send(peer, &stream[..cut]);
        bench.send(peer, &stream[cut..]);
        assert_eq!(bench.arrived().len(), 1, "cut at {cut}: the write leaves, and nothing of what cannot be read");
        assert_eq!(bench.end_of(peer), Some(Cause::Malformed), "cut at {cut}");
    }
}

#[test]
fn gen_02_refusals_wait_for_the_answers_before_them_and_never_leave() {
    let mut bench = Bench::ruled(RULES);
    let peer = bench.open("op-1");
    let all = [read(1, 0, 1), write(2, 95, 1), read(3, 1, 1), write(4, 40, 1501), frame(5, &[7])].concat();
    bench.send(peer, &all);
    assert_eq!(bench.arrived(), [read(1, 0, 1)]);
    assert!(bench.answers(peer).is_empty(), "the refusals are known, and wait");
    bench.says(bench.link(), &registers(1, 3, &[11]));
    assert_eq!(bench.answers(peer), [registers(1, 3, &[11]), exception(2, 6, 2)]);
    assert_eq!(bench.arrived(), [read(2, 1, 1)]);
    bench.says(bench.link(), &registers(2, 3, &[12]));
    assert_eq!(bench.answers(peer), [registers(3, 3, &[12]), exception(4, 6, 3), exception(5, 7, 1)]);
    assert_eq!(bench.verdicts(), [2, 3, 0]);
    let denied = bench.of(Event::Denied);
    assert_eq!(
        denied.iter().map(|one| show(one.frame.as_deref().expect("the bytes"))).collect::<Vec<_>>(),
        [show(&write(2, 95, 1)), show(&write(4, 40, 1501)), show(&frame(5, &[7]))]
    );
}

#[test]
fn on_deny_drop_is_silence_and_close_is_the_end() {
    let mut bench = Bench::new(Plan { conduit: "on_deny = \"drop\"", allow: RULES, ..Plan::default() });
    bench.obedient = true;
    let peer = bench.open("op-1");
    bench.send(peer, &[write(1, 95, 1), read(2, 0, 1), read(3, 0, 126)].concat());
    assert_eq!(bench.answers(peer), [registers(2, 3, &[0])]);
    assert_eq!(bench.end_of(peer), None);

    let mut bench = Bench::new(Plan { conduit: "on_deny = \"close\"", allow: RULES, ..Plan::default() });
    bench.obedient = true;
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), write(2, 95, 1), read(3, 0, 1)].concat());
    assert_eq!(bench.end_of(peer), Some(Cause::Refused));
    assert_eq!(bench.count("sessions_closed_total", &["refused"]), 1);
    assert_eq!(bench.of(Event::Denied).len(), 1, "what follows is not read");
    // What is not a verdict is answered in every style: silence would be taken for a dead device.
    for style in ["drop", "close"] {
        let conduit = format!("on_deny = \"{style}\"");
        let mut bench = Bench::new(Plan { conduit: &conduit, allow: RULES, ..Plan::default() });
        bench.dial = Dial::Refuses;
        let peer = bench.open("op-1");
        assert_eq!(bench.ask(peer, &read(1, 0, 1)), "1 error 0A");
    }
}

#[test]
fn mb_27_to_31_what_is_well_framed_but_illegal_is_answered_and_what_lies_is_severed() {
    let mut bench = Bench::ruled(RULES);
    let peer = bench.open("op-1");
    for (pdu, answer) in [
        ("03 0000 007e", "1 error 03"),
        ("03 0000 0000", "1 error 03"),
        ("05 0007 1234", "1 error 03"),
        ("03 ffff 0002", "1 error 02"),
        ("03 0063 0002", "1 error 02"),
        ("01 0000 07d1", "1 error 03"),
    ] {
        assert_eq!(bench.ask(peer, &frame(1, &hex(pdu))), answer, "{pdu}");
    }
    assert_eq!(bench.verdicts(), [0, 6, 0]);
    for broken in [
        "0001 0001 0006 01 03 0000 0001",
        "0001 0000 0000",
        "0001 0000 0003 01 03 00",
        "0001 0000 0008 01 03 0000 0001 0000",
        "0001 0000 000b 01 10 0028 0002 02 0001 0002",
        "0001 0000 0006 01 83 0000 0001",
        "0001 0000 0006 01 00 0000 0001",
    ] {
        let peer = bench.open("op-1");
        bench.send(peer, &hex(broken));
        assert_eq!(bench.end_of(peer), Some(Cause::Malformed), "{broken}");
        assert!(bench.answers(peer).is_empty(), "{broken}");
    }
    assert!(bench.arrived().is_empty(), "nothing of all this reached the device");
    assert_eq!(bench.verdicts(), [0, 13, 0]);
    assert_eq!(bench.of(Event::Denied).len(), 13);
}

#[test]
fn mb_06_a_write_hidden_behind_a_read_ends_the_session_and_what_is_pending_is_not_sent() {
    let mut bench = Bench::ruled(RULES);
    let peer = bench.open("op-1");
    let mut hidden = read(3, 0, 1);
    hidden[5] += 11;
    hidden.extend(hex("10 005f 0001 02 0001 0000 00"));
    bench.send(peer, &[read(1, 0, 1), read(2, 0, 1)].concat());
    bench.send(peer, &hidden);
    assert_eq!(bench.end_of(peer), Some(Cause::Malformed));
    assert_eq!(bench.arrived(), [read(1, 0, 1)], "the second was queued, and is gone");
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert!(bench.arrived().is_empty());
}

#[test]
fn mb_10_an_id_in_flight_is_dropped_in_silence() {
    let mut bench = Bench::ruled(RULES);
    let peer = bench.open("op-1");
    bench.send(peer, &[read(5, 0, 1), read(5, 1, 1), write(5, 95, 1), read(6, 2, 1)].concat());
    bench.says(bench.link(), &registers(1, 3, &[1]));
    bench.says(bench.link(), &registers(2, 3, &[3]));
    assert_eq!(bench.answers(peer), [registers(5, 3, &[1]), registers(6, 3, &[3])]);
    assert_eq!(bench.arrived(), [read(1, 0, 1), read(2, 2, 1)]);
    assert_eq!(bench.count("denials_total", &["duplicate_id"]), 1);
    assert_eq!(bench.verdicts(), [2, 2, 0]);
    // Answered, the id is free again.
    bench.send(peer, &read(5, 0, 1));
    bench.says(bench.link(), &registers(3, 3, &[1]));
    assert_eq!(bench.answers(peer), [registers(5, 3, &[1])]);
}

#[test]
fn a_full_pending_table_stops_reading_and_one_more_slot_is_kept_for_always() {
    let mut bench = Bench::new(Plan { conduit: "pending = 2", allow: RULES, ..Plan::default() });
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), read(2, 0, 1)].concat());
    bench.send(peer, &coil(3, 7, false));
    assert_eq!(bench.unread(peer), 0, "the reserved slot");
    bench.send(peer, &read(4, 0, 1));
    bench.send(peer, &coil(5, 7, false));
    assert_eq!(bench.unread(peer), 24, "nothing more is read");
    assert_eq!(bench.answer_one(), read(1, 0, 1));
    assert_eq!(bench.answer_one(), read(2, 0, 1));
    assert_eq!(bench.answer_one(), coil(3, 7, false));
    assert_eq!(bench.answer_one(), read(4, 0, 1));
    assert_eq!(bench.answer_one(), coil(5, 7, false));
    assert_eq!(bench.briefs(peer), ["1 ok", "2 ok", "3 ok", "4 ok", "5 ok"]);
    assert_eq!(bench.unread(peer), 0);
}

#[test]
fn an_ordinary_message_does_not_take_the_reserved_slot_and_is_judged_when_it_is_read() {
    let mut bench = Bench::new(Plan { conduit: "pending = 1", allow: RULES, ..Plan::default() });
    let peer = bench.open("op-1");
    bench.send(peer, &read(1, 0, 1));
    bench.send(peer, &write(2, 95, 1));
    bench.send(peer, &read(3, 0, 1));
    assert_eq!(bench.unread(peer), 12, "one message is looked at, and waits");
    assert_eq!(bench.verdicts(), [1, 0, 0], "what waits has no verdict yet");
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["1 ok", "2 error 02"]);
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["3 ok"]);
    assert_eq!(bench.verdicts(), [2, 1, 0]);
}

#[test]
fn a_peer_without_a_rule_hears_01_and_never_reaches_the_device() {
    let mut bench = Bench::ruled(&["operator read holding 0-9", "operator write holding 0-9"]);
    let peer = bench.open("view-1");
    assert_eq!(bench.ask(peer, &read(1, 0, 1)), "1 error 01");
    assert_eq!(bench.ask(peer, &write(2, 0, 1)), "2 error 01");
    assert_eq!(bench.ask(peer, &frame(3, &[0x5A, 0, 1])), "3 error 01");
    assert_eq!(bench.count("denials_total", &["identity_not_allowed"]), 2);
    assert_eq!(bench.count("denials_total", &["function_not_allowed"]), 1);
    assert_eq!(bench.dials, 0, "the device is dialled when the first message is forwarded");
}

/// A refused write is told from a refused read though no rule names its function.
#[test]
fn verdicts_are_counted_by_class_whatever_functions_the_policy_names() {
    let mut bench = Bench::ruled(&["any read holding 0-99"]);
    bench.obedient = true;
    let peer = bench.open("op-1");
    assert_eq!(bench.ask(peer, &read(1, 0, 1)), "1 ok");
    assert_eq!(bench.ask(peer, &write(2, 0, 1)), "2 error 01");
    assert_eq!(bench.ask(peer, &coil(3, 0, true)), "3 error 01");
    // A write of no registers: not legal, and a write all the same.
    assert_eq!(bench.ask(peer, &frame(4, &hex("10 0000 0000 00"))), "4 error 03");
    assert_eq!(bench.ask(peer, &frame(5, &hex("2b 0e 01 00"))), "5 error 01");
    assert_eq!(bench.ask(peer, &frame(6, &hex("2b 0d 00"))), "6 error 01");
    assert_eq!(bench.ask(peer, &frame(7, &hex("08 0004 0000"))), "7 error 01");
    let by_class = |class| bench.count("requests_by_class_total", &[class, "denied"]);
    let classes = ["read", "write", "identify", "program", "diagnose"];
    assert_eq!(classes.map(by_class), [0, 3, 1, 1, 1]);
    assert_eq!(bench.count("requests_by_class_total", &["read", "allowed"]), 1);
    assert_eq!(bench.count("requests_total", &["other", "denied"]), 6);
}
