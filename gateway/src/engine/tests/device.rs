//! What happens when the device is silent, wrong, slow, gone or not there?

use super::{
    bench::{Bench, Dial, Plan},
    wire::{coil, exception, hex, read, registers, write},
};
use crate::observe::record::Event;

const RULES: &[&str] = &[
    "any read holding 0-99",
    "operator write holding 0-99",
    "operator write coil 7 = off always",
    "any read coil 0-99",
];

fn bench(conduit: &str) -> Bench {
    Bench::new(Plan { conduit, allow: RULES, ..Plan::default() })
}

#[test]
fn a_silent_device_is_answered_for_and_its_late_answer_is_dropped() {
    let mut bench = bench("");
    let peer = bench.open("op-1");
    bench.send(peer, &write(1, 5, 1));
    assert_eq!(bench.arrived(), [write(1, 5, 1)]);
    bench.pass(9_999);
    assert!(bench.answers(peer).is_empty());
    bench.pass(1);
    assert_eq!(bench.briefs(peer), ["1 error 0B"]);
    assert_eq!(bench.count("responses_total", &["timeout"]), 1);
    bench.send(peer, &write(1, 6, 1));
    assert_eq!(bench.arrived(), [write(2, 6, 1)], "nothing is sent twice");
    bench.says(bench.link(), &write(1, 5, 1));
    assert!(bench.answers(peer).is_empty(), "a late answer is nobody's");
    assert_eq!(bench.count("responses_total", &["unsolicited"]), 1);
    assert_eq!(bench.of(Event::Alarm).len(), 1);
    bench.says(bench.link(), &write(2, 6, 1));
    assert_eq!(bench.answers(peer), [write(1, 6, 1)]);
    assert_eq!(bench.verdicts(), [2, 0, 0]);
}

#[test]
fn a_request_timeout_is_kept_whatever_else_is_outstanding() {
    for conduit in ["", "upstream_pending = 4", "upstream_pending = 4\nupstream_pipeline = true"] {
        let mut bench = bench(conduit);
        let peer = bench.open("op-1");
        bench.send(peer, &read(1, 0, 1));
        bench.pass(10_000);
        assert_eq!(bench.briefs(peer), ["1 error 0B"], "{conduit}");
    }
}

#[test]
fn a_message_whose_turn_never_comes_hears_06() {
    let mut bench = bench("queue_timeout = \"2s\"");
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), write(2, 5, 1)].concat());
    bench.pass(2_000);
    assert!(bench.answers(peer).is_empty(), "it is known, and waits for the answer before it");
    assert_eq!(bench.count("denials_total", &["too_many_pending"]), 1);
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["1 ok", "2 error 06"]);
    assert!(bench.arrived().is_empty());
    assert_eq!(bench.verdicts(), [1, 1, 0]);
}

#[test]
fn gen_08_nothing_that_does_not_fit_reaches_a_peer() {
    // (what the device says to a read of two registers under id 1, what the peer gets)
    for (said, answer, outcome) in [
        ("0009 0000 0007 01 03 04 0001 0002", None, "unsolicited"),
        ("0001 0000 0007 01 04 04 0001 0002", Some("7 error 0B"), "malformed"),
        ("0001 0000 0005 01 03 02 0001", Some("7 error 0B"), "malformed"),
        ("0001 0000 0007 01 03 02 0001 0002", Some("7 error 0B"), "malformed"),
        ("0001 0000 0007 02 03 04 0001 0002", Some("7 error 0B"), "malformed"),
        ("0001 0000 0006 01 06 0000 0001", Some("7 error 0B"), "malformed"),
    ] {
        let mut bench = bench("");
        let peer = bench.open("op-1");
        bench.send(peer, &read(7, 0, 2));
        bench.says(bench.link(), &hex(said));
        assert_eq!(bench.briefs(peer), answer.into_iter().collect::<Vec<_>>(), "{said}");
        assert_eq!(bench.count("responses_total", &[outcome]), 1, "{said}");
        assert_eq!(bench.of(Event::Alarm).len(), 1, "{said}");
        if answer.is_some() {
            // Its true answer may still come: that is nobody's then. The next request is not hurt by it.
            bench.send(peer, &read(8, 0, 2));
            bench.says(bench.link(), &registers(1, 3, &[1, 2]));
            assert!(bench.answers(peer).is_empty(), "{said}");
            bench.says(bench.link(), &registers(2, 3, &[3, 4]));
            assert_eq!(bench.answers(peer), [registers(8, 3, &[3, 4])], "{said}");
        }
    }
}

#[test]
fn mb_12_the_second_of_two_answers_and_one_before_any_request_are_nobodys() {
    let mut bench = bench("");
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &read(7, 0, 1));
    bench.says(bench.link(), &[registers(1, 3, &[1]), registers(1, 3, &[2]), registers(2, 3, &[3])].concat());
    assert_eq!(bench.answers(one), [registers(7, 3, &[1])]);
    bench.send(two, &read(9, 0, 1));
    assert!(bench.answers(two).is_empty(), "an answer that came before its request is not one");
    bench.says(bench.link(), &registers(2, 3, &[4]));
    assert_eq!(bench.answers(two), [registers(9, 3, &[4])]);
    assert_eq!(bench.count("responses_total", &["unsolicited"]), 2);
}

#[test]
fn mb_36_exceptions_pass_and_an_unknown_one_becomes_04() {
    let mut bench = bench("");
    let peer = bench.open("op-1");
    for (id, (code, passed)) in (1..).zip([(5, "05"), (6, "06"), (7, "07"), (0x0B, "0B"), (0x42, "04")]) {
        bench.send(peer, &read(id, 0, 1));
        bench.says(bench.link(), &exception(id, 3, code));
        assert_eq!(bench.briefs(peer), [format!("{id} error {passed}")]);
    }
    assert_eq!(bench.count("device_exceptions_total", &["other"]), 1);
    assert_eq!(bench.count("device_exceptions_total", &["04"]), 0, "what the device sent, not what we answered");
    assert_eq!(bench.count("responses_total", &["exception"]), 5);
    assert_eq!(bench.verdicts(), [5, 0, 0]);
}

#[test]
fn garbage_ends_the_connection_and_the_next_message_dials_a_new_one() {
    let mut bench = bench("");
    let peer = bench.open("op-1");
    bench.send(peer, &read(9, 9, 1));
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert_eq!((bench.briefs(peer), bench.arrived()), (vec!["9 ok".to_owned()], vec![read(1, 9, 1)]));
    bench.send(peer, &[read(1, 0, 1), read(2, 1, 1)].concat());
    bench.says(bench.link(), &hex("dead beef 0006 01 03 0000 0001"));
    assert_eq!(bench.briefs(peer), ["1 error 0A"]);
    assert_eq!(bench.dials, 2, "it had answered before");
    assert_eq!(bench.arrived(), [read(2, 0, 1), read(1, 1, 1)], "only what had not left goes over the new connection");
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert_eq!(bench.briefs(peer), ["2 ok"]);
    assert_eq!(bench.count("responses_total", &["malformed"]), 1);
}

/// GEN-07: one whose first bytes are never an answer is not dialled for every request.
#[test]
fn a_device_whose_first_bytes_are_garbage_is_dialled_with_a_pause() {
    let mut bench = bench("");
    let peer = bench.open("op-1");
    for (id, millis) in [(1, 100), (2, 200), (3, 400), (4, 800)] {
        let dials = bench.dials;
        bench.send(peer, &read(id, 0, 1));
        bench.says(bench.link(), &hex("dead beef 0006 01 03 0000 0001"));
        assert_eq!((bench.briefs(peer), bench.dials), (vec![format!("{id} error 0A")], dials + 1));
        bench.pass(millis - 1);
        bench.send(peer, &read(id + 10, 0, 1));
        assert_eq!((bench.briefs(peer), bench.dials), (vec![format!("{} error 0A", id + 10)], dials + 1), "{millis}");
        bench.pass(1);
    }
    bench.send(peer, &read(5, 0, 1));
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert_eq!(bench.briefs(peer), ["5 ok"]);
    assert_eq!(bench.count("upstream_connect_failures_total", &[]), 4);
}

#[test]
fn half_an_answer_and_silence_end_the_connection() {
    let mut bench = bench("");
    let peer = bench.open("op-1");
    bench.send(peer, &read(1, 0, 1));
    bench.says(bench.link(), &registers(1, 3, &[1])[..8]);
    bench.pass(5_000);
    assert_eq!(bench.briefs(peer), ["1 error 0A"]);
    assert!(bench.live().is_empty());
}

#[test]
fn answers_cut_anywhere_mean_the_same() {
    for cut in 1..11 {
        let mut bench = bench("");
        let peer = bench.open("op-1");
        bench.send(peer, &read(1, 0, 1));
        let answer = registers(1, 3, &[7]);
        bench.says(bench.link(), &answer[..cut]);
        assert!(bench.answers(peer).is_empty());
        bench.says(bench.link(), &answer[cut..]);
        assert_eq!(bench.answers(peer), [answer]);
    }
}

#[test]
fn a_connection_that_is_lost_fails_what_was_in_flight_and_sends_it_never_again() {
    let mut bench = bench("upstream_pending = 4\nupstream_pipeline = true");
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &read(9, 0, 1));
    bench.answer_one();
    assert_eq!(bench.briefs(one), ["9 ok"]);
    bench.send(one, &[write(1, 1, 1), write(2, 2, 2)].concat());
    bench.send(two, &[write(1, 3, 3), coil(2, 7, false), write(3, 4, 4), read(4, 0, 1)].concat());
    assert_eq!(bench.arrived().len(), 4);
    bench.hang_up(bench.link());
    assert_eq!(bench.briefs(one), ["1 error 0A", "2 error 0A"]);
    assert_eq!(bench.briefs(two)[..2], ["1 error 0A", "2 error 0A"]);
    assert_eq!(bench.arrived(), [write(1, 4, 4), read(2, 0, 1)]);
    assert_eq!(bench.count("upstream_up", &[]), 1);
    assert_eq!(bench.verdicts(), [7, 0, 0]);
}

/// S9: each answer in the stead of a device that is not there is a record, so the limits hold for those, too.
#[test]
fn s9_a_device_that_is_not_there_lifts_no_limit() {
    let limits = "peer_requests = \"10/s burst 1\"\nrefusals = \"100000/s\"";
    let mut bench = Bench::new(Plan { limits, allow: RULES, ..Plan::default() });
    bench.dial = Dial::Refuses;
    let peer = bench.open("op-1");
    let mut unavailable = 0;
    for _ in 0..100 {
        bench.send(peer, &[read(1, 0, 1), read(2, 0, 1), read(3, 0, 1)].concat());
        bench.pass(10);
        unavailable += bench.briefs(peer).iter().filter(|one| one.ends_with("0A")).count();
    }
    assert!((5..=11).contains(&unavailable), "{unavailable} in a second, at 10/s burst 1");
}

#[test]
fn a_device_that_is_not_there_is_said_so_at_once_and_asked_again_after_a_while() {
    let mut bench = bench("");
    bench.dial = Dial::Refuses;
    let peer = bench.open("op-1");
    assert_eq!(bench.ask(peer, &[read(1, 0, 1), write(2, 0, 1)].concat()), "1 error 0A, 2 error 0A");
    assert_eq!(bench.dials, 1);
    assert_eq!(bench.ask(peer, &read(3, 0, 1)), "3 error 0A");
    assert_eq!(bench.dials, 1, "the last failure is fresh");
    let mut tries = Vec::new();
    for id in 0..1_000 {
        bench.pass(10);
        let before = bench.dials;
        assert_eq!(bench.ask(peer, &read(id, 0, 1)), format!("{id} error 0A"));
        if bench.dials > before {
            tries.push(u64::from(id) * 10 + 10);
        }
    }
    assert_eq!(tries[..5], [100, 300, 700, 1_500, 3_100], "doubling");
    assert_eq!(tries[5..], [5_100, 7_100, 9_100], "up to two seconds");
    assert_eq!(bench.count("upstream_connect_failures_total", &[]), u64::try_from(bench.dials).expect("few"));
    assert_eq!(bench.count("upstream_up", &[]), 0);
    bench.dial = Dial::Answers;
    bench.pass(2_000);
    bench.send(peer, &read(1, 0, 1));
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert_eq!(bench.briefs(peer), ["1 ok"]);
    assert_eq!(bench.count("upstream_up", &[]), 1);
    bench.hang_up(bench.link());
    bench.send(peer, &read(2, 0, 1));
    assert_eq!(bench.live().len(), 1, "a fresh start: the next dial is at once");
}

#[test]
fn a_device_that_takes_connections_and_hangs_up_without_a_word_is_counted_as_not_reached() {
    let mut bench = bench("");
    let peer = bench.open("op-1");
    for id in 1..=3 {
        bench.send(peer, &read(id, 0, 1));
        bench.hang_up(bench.link());
        assert_eq!(bench.briefs(peer), [format!("{id} error 0A")]);
        bench.pass(2_000);
    }
    assert_eq!(bench.count("upstream_connect_failures_total", &[]), 3);
    assert_eq!(bench.count("upstream_up", &[]), 0);
}

#[test]
fn a_dial_that_hangs_holds_nobody_longer_than_the_queue() {
    let mut bench = bench("queue_timeout = \"3s\"");
    bench.dial = Dial::Hangs;
    let peer = bench.open("op-1");
    bench.send(peer, &read(1, 0, 1));
    bench.pass(3_000);
    assert_eq!(bench.briefs(peer), ["1 error 06"]);
}

#[test]
fn an_idle_connection_is_closed_and_dialled_again_when_needed() {
    let mut bench = bench("upstream_idle = \"3s\"");
    bench.obedient = true;
    let peer = bench.open("op-1");
    assert!(bench.live().is_empty());
    assert_eq!(bench.ask(peer, &read(1, 0, 1)), "1 ok");
    bench.pass(2_999);
    assert_eq!(bench.live().len(), 1);
    bench.pass(1);
    assert!(bench.live().is_empty());
    assert_eq!(bench.end_of(peer), None, "the session goes on");
    assert_eq!(bench.ask(peer, &read(2, 0, 1)), "2 ok");
    assert_eq!(bench.dials, 2);
}

#[test]
fn a_slow_request_is_not_idleness() {
    let mut bench = bench("upstream_idle = \"3s\"");
    let peer = bench.open("op-1");
    bench.send(peer, &read(1, 0, 1));
    bench.pass(9_000);
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["1 ok"]);
}

#[test]
fn a_session_may_have_a_connection_of_its_own_and_takes_it_along_when_it_goes() {
    let mut bench = bench("upstream_mode = \"per-session\"");
    let [one, two, silent] = ["op-1", "op-2", "op-1"].map(|name| bench.open(name));
    bench.send(one, &read(1, 0, 1));
    bench.send(two, &read(1, 1, 1));
    assert_eq!(bench.live().len(), 2);
    assert_eq!(bench.arrived(), [read(1, 0, 1), read(1, 1, 1)]);
    let links = bench.live();
    bench.says(links[1], &registers(1, 3, &[2]));
    assert_eq!((bench.briefs(one).len(), bench.briefs(two).len()), (0, 1));
    bench.hang_up(links[1]);
    assert_eq!(bench.briefs(one), Vec::<String>::new(), "another's connection is not this one's");
    for key in [one, two, silent] {
        bench.cut(key);
    }
    assert!(bench.live().is_empty());
    assert!(bench.engine.links().is_empty(), "{:?} stay behind", bench.engine.links());
}

#[test]
fn links_of_sessions_that_come_and_go_leave_nothing_behind() {
    let mut bench = bench("upstream_mode = \"per-session\"\nupstream_idle = \"1s\"");
    for round in 0..60 {
        bench.dial = [Dial::Answers, Dial::Refuses, Dial::Hangs][round % 3];
        let peer = bench.open("op-1");
        if round % 2 == 0 {
            bench.send(peer, &read(1, 0, 1));
        }
        if round % 5 == 0 {
            bench.pass(1_500);
        }
        bench.cut(peer);
    }
    bench.pass(20_000);
    assert!(bench.engine.links().is_empty(), "{:?}", bench.engine.links());
    assert_eq!(bench.count("sessions", &["machine"]), 0);
}

#[test]
fn two_shared_connections_are_filled_evenly_and_one_of_them_may_fail() {
    let mut bench = bench("upstream_connections = 2");
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &read(1, 0, 1));
    bench.send(two, &read(1, 1, 1));
    assert_eq!(bench.live().len(), 2, "each has its turn at once");
    bench.answer_one();
    assert_eq!(bench.briefs(one), ["1 ok"]);
    bench.send(one, &read(1, 0, 1));
    bench.arrived();
    bench.hang_up(bench.live()[0]);
    assert_eq!(bench.briefs(one), ["1 error 0A"]);
    assert_eq!(bench.count("upstream_up", &[]), 1, "the other still stands");
    bench.says(bench.link(), &registers(1, 3, &[2]));
    assert_eq!(bench.briefs(two), ["1 ok"]);
    // A write on one connection locks its range on the other.
    bench.send(one, &write(2, 5, 1));
    bench.send(two, &write(2, 5, 2));
    assert_eq!(bench.arrived().len(), 1);
    let first = bench.live()[0];
    bench.says(first, &write(1, 5, 1));
    assert_eq!(bench.arrived(), [write(2, 5, 2)]);
}

#[test]
fn several_requests_are_outstanding_where_the_device_takes_it_one_a_write_or_together() {
    for (conduit, batches) in
        [("upstream_pending = 4", &[1, 1, 1, 1][..]), ("upstream_pending = 4\nupstream_pipeline = true", &[4])]
    {
        let mut bench = bench(conduit);
        let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
        bench.dial = Dial::Hangs;
        bench.send(one, &[read(1, 0, 1), read(2, 1, 1), read(3, 2, 1)].concat());
        bench.send(two, &[read(1, 10, 1), read(2, 11, 1), read(3, 12, 1)].concat());
        let link = bench.engine.links()[0];
        bench.dialled(link, true);
        let writes: Vec<_> = bench.writes().into_iter().map(|(_, count)| count).collect();
        assert_eq!(writes, batches, "{conduit}");
        // Answers in any order reach their own, in the order of the requests.
        for id in [4, 2, 3, 1] {
            bench.says(link, &registers(id, 3, &[id]));
        }
        assert_eq!(bench.answers(one), [registers(1, 3, &[1]), registers(2, 3, &[3])]);
        assert_eq!(bench.answers(two), [registers(1, 3, &[2]), registers(2, 3, &[4])]);
        assert_eq!(bench.writes().iter().map(|(_, count)| count).sum::<usize>(), 2);
    }
}

#[test]
fn the_device_hears_the_sessions_in_turn() {
    let mut bench = bench("");
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &(0..10).flat_map(|n| read(n, n, 1)).collect::<Vec<_>>());
    bench.send(two, &(0..3).flat_map(|n| read(n, 50 + n, 1)).collect::<Vec<_>>());
    let heard: Vec<u8> = (0..13).map(|_| bench.answer_one()[9]).collect();
    assert_eq!(heard[..7], [0, 50, 1, 51, 2, 52, 3]);
}
