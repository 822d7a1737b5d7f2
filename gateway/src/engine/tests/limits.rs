//! Does each pay for its own excess, and only for that?

use sluicegate_proto::vocab::Cause;

use super::{
    bench::{Bench, Plan},
    wire::{coil, read, registers, write},
};
use crate::observe::record::Event;

const RULES: &[&str] = &["any read holding 0-999", "operator write holding 0-99", "operator write coil 7 = off always"];

fn limited(limits: &str) -> Bench {
    let mut bench = Bench::new(Plan { limits, allow: RULES, ..Plan::default() });
    bench.obedient = true;
    bench
}

#[test]
fn a_read_over_its_rate_is_delayed_up_to_250_ms_and_a_write_never() {
    let mut bench = limited("peer_requests = \"10/s burst 1\"");
    let peer = bench.open("op-1");
    assert_eq!(bench.ask(peer, &read(1, 0, 1)), "1 ok");
    assert_eq!(bench.ask(peer, &read(2, 0, 1)), "", "it waits");
    bench.pass(99);
    assert!(bench.answers(peer).is_empty());
    bench.pass(1);
    assert_eq!(bench.briefs(peer), ["2 ok"]);
    assert_eq!(bench.ask(peer, &write(3, 0, 1)), "3 error 06", "a write is refused at once");
    assert_eq!(bench.count("limited_total", &["peer_requests", "delayed"]), 1);
    assert_eq!(bench.count("limited_total", &["peer_requests", "rejected"]), 1);
    assert_eq!(bench.count("denials_total", &["rate_limited"]), 1);
    assert_eq!(bench.verdicts(), [2, 1, 0]);
}

#[test]
fn a_read_that_would_wait_longer_hears_06_at_once_or_after_250_ms_at_the_latest() {
    let mut bench = limited("peer_requests = \"1/s burst 1\"");
    let peer = bench.open("op-1");
    assert_eq!(bench.ask(peer, &read(1, 0, 1)), "1 ok");
    assert_eq!(bench.ask(peer, &read(2, 0, 1)), "2 error 06");
    bench.pass(800);
    assert_eq!(bench.ask(peer, &read(3, 0, 1)), "", "200 ms are bearable");
    // Two others take the token that it waits for: 250 ms after it came, its time is over.
    let mut bench = limited("requests = \"5/s burst 1\"");
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    assert_eq!(bench.ask(one, &read(1, 0, 1)), "1 ok");
    bench.pass(100);
    assert_eq!(bench.ask(two, &read(1, 0, 1)), "");
    assert_eq!(bench.ask(one, &read(2, 0, 1)), "");
    bench.pass(100);
    assert_eq!(bench.briefs(one).len() + bench.briefs(two).len(), 1, "there was one token");
    bench.pass(150);
    assert_eq!(bench.verdicts(), [2, 1, 0]);
    assert_eq!(bench.count("denials_total", &["rate_limited"]), 1);
}

#[test]
fn reads_that_are_delayed_together_leave_one_a_token_and_not_after_250_ms() {
    let mut bench = limited("peer_requests = \"5/s burst 2\"");
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), read(2, 0, 1), read(3, 0, 1), read(4, 0, 1)].concat());
    assert_eq!(bench.briefs(peer), ["1 ok", "2 ok"]);
    bench.pass(200);
    assert_eq!(bench.briefs(peer), ["3 ok"]);
    bench.pass(49);
    assert!(bench.answers(peer).is_empty());
    bench.pass(1);
    assert_eq!(bench.briefs(peer), ["4 error 06"]);
}

#[test]
fn a_write_goes_past_a_read_that_is_delayed() {
    // The timer is late: the write comes when the token is there that the read waits for, and takes it.
    let mut bench = limited("peer_requests = \"10/s burst 1\"");
    let peer = bench.open("op-1");
    bench.ask(peer, &read(1, 0, 1));
    bench.obedient = false;
    bench.send(peer, &read(2, 0, 1));
    bench.late(101);
    bench.send(peer, &write(3, 0, 1));
    assert_eq!(bench.answer_one(), write(2, 0, 1));
    bench.pass(100);
    assert_eq!(bench.answer_one(), read(3, 0, 1));
    assert_eq!(bench.briefs(peer), ["2 ok", "3 ok"], "answers leave in the order of the requests");
}

#[test]
fn a_stop_waits_for_no_delayed_read_and_neither_does_its_answer() {
    let mut bench = limited("requests = \"5/s burst 1\"");
    let peer = bench.open("op-1");
    bench.ask(peer, &read(1, 0, 1));
    assert_eq!(bench.ask(peer, &read(2, 0, 1)), "");
    assert_eq!(bench.ask(peer, &coil(3, 7, false)), "2 error 06, 3 ok");
}

#[test]
fn a_delayed_read_pays_its_peers_bucket_once() {
    // The conduit is out of tokens, the peer is not.
    let mut bench = limited("requests = \"10/s burst 1\"\npeer_requests = \"1/h burst 3\"");
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    assert_eq!(bench.ask(two, &read(1, 0, 1)), "1 ok");
    for id in 1..=3 {
        bench.send(one, &read(id, 0, 1));
        bench.pass(100);
        assert_eq!(bench.briefs(one), [format!("{id} ok")], "three tokens are three reads");
    }
    bench.pass(100);
    assert_eq!(bench.ask(one, &read(4, 0, 1)), "4 error 06");
}

#[test]
fn peer_then_class_then_conduit_and_a_refused_message_spends_none_of_them() {
    let mut bench = limited("requests = \"1/h burst 4\"\npeer_requests = \"1/h burst 3\"\nwrites = \"1/h burst 2\"");
    let one = bench.open("op-1");
    for id in 0..50 {
        assert_eq!(bench.ask(one, &write(id, 100, 1)), format!("{id} error 02"), "the policy refuses it");
    }
    assert_eq!(bench.ask(one, &write(60, 0, 1)), "60 ok");
    assert_eq!(bench.ask(one, &write(61, 0, 1)), "61 ok");
    assert_eq!(bench.ask(one, &write(62, 0, 1)), "62 error 06");
    assert_eq!(bench.count("limited_total", &["writes", "rejected"]), 1);
    assert_eq!(bench.ask(one, &write(63, 0, 1)), "63 error 06");
    assert_eq!(bench.count("limited_total", &["peer_requests", "rejected"]), 1, "the peer's comes first");
    let two = bench.open("op-2");
    assert_eq!(bench.ask(two, &read(1, 0, 1)), "1 ok");
    assert_eq!(bench.ask(two, &read(2, 0, 1)), "2 ok");
    assert_eq!(bench.ask(two, &read(3, 0, 1)), "3 error 06");
    assert_eq!(bench.count("limited_total", &["requests", "rejected"]), 1);
    assert_eq!(bench.ask(two, &coil(4, 7, false)), "4 ok", "a stop ignores every rate");
}

#[test]
fn s9_an_aggressor_does_not_spend_another_identitys_tokens() {
    let mut bench =
        limited("requests = \"1000/s burst 200\"\npeer_requests = \"100/s burst 20\"\nrefusals = \"100000/s\"");
    let [bad, good] = ["op-1", "op-2"].map(|name| bench.open(name));
    let (mut id, mut lost) = (0_u16, 0);
    for round in 0..200_u16 {
        for _ in 0..50 {
            id = id.wrapping_add(1);
            bench.send(bad, &write(id, 1, 1));
        }
        if bench.ask(good, &read(round, 0, 1)) != format!("{round} ok") {
            lost += 1;
        }
        bench.pass(10);
    }
    assert_eq!(lost, 0, "a peer within its rate loses nothing");
    let through = bench.answers(bad).iter().filter(|adu| adu[7] == 6).count();
    assert!((100..=222).contains(&through), "{through}: one bucket and two seconds of rate");
}

#[test]
fn bytes_over_their_rate_pause_reading_and_nothing_is_lost() {
    let mut bench = limited("bytes = \"1200/s burst 120\"\nrequests = \"100000/s\"\npeer_requests = \"100000/s\"");
    let peer = bench.open("op-1");
    for id in 1..=100 {
        bench.send(peer, &read(id, 0, 1));
    }
    assert!(bench.unread(peer) > 1000, "{} bytes wait in the socket", bench.unread(peer));
    assert_eq!(bench.count("limited_total", &["bytes", "rejected"]), 0);
    assert!(bench.count("limited_total", &["bytes", "delayed"]) > 0);
    // What one read brings is paid for before the next one.
    bench.pass(50);
    bench.send(peer, &read(101, 0, 1));
    bench.pass(800);
    assert_eq!(bench.unread(peer), 12, "1200 bytes are not paid for yet");
    bench.pass(150);
    let all: Vec<_> = (1..=101).map(|id| format!("{id} ok")).collect();
    assert_eq!(bench.briefs(peer), all);
    assert_eq!(bench.end_of(peer), None);
}

#[test]
fn bytes_are_paid_in_full_however_much_one_read_brings() {
    let mut bench = Bench::new(Plan {
        limits: "bytes = \"1200/s burst 120\"\nrequests = \"100000/s\"\npeer_requests = \"100000/s\"",
        conduit: "pending = 256\nframe_timeout = \"1s\"",
        allow: RULES,
        ..Plan::default()
    });
    bench.obedient = true;
    let peer = bench.open("op-1");
    // One read of 2400 bytes, the last message half: two seconds of rate.
    let mut stream: Vec<u8> = (1..=201).flat_map(|id| read(id, 0, 1)).collect();
    let rest = stream.split_off(2406);
    bench.send(peer, &stream);
    assert_eq!(bench.briefs(peer).len(), 200);
    bench.send(peer, &rest);
    bench.pass(1_800);
    assert_eq!(bench.unread(peer), 6, "the debt is not paid yet");
    bench.pass(200);
    assert_eq!(bench.briefs(peer), ["201 ok"], "what we left unread is not the peer's delay");
    assert_eq!(bench.end_of(peer), None);
}

#[test]
fn gen_06_half_a_message_and_silence_end_at_the_frame_deadline() {
    let mut bench = limited("");
    let [slow, good] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(slow, &read(1, 0, 1)[..7]);
    bench.pass(4_900);
    bench.send(slow, &read(1, 0, 1)[7..8]);
    assert_eq!(bench.ask(good, &read(1, 0, 1)), "1 ok");
    bench.pass(99);
    assert_eq!(bench.end_of(slow), None);
    bench.pass(1);
    assert_eq!(bench.end_of(slow), Some(Cause::FrameTimeout), "counted from the first byte");
    assert_eq!(bench.end_of(good), None);
    assert_eq!(bench.count("denials_total", &["frame_timeout"]), 1);
}

#[test]
fn touching_too_many_points_is_a_scan_and_only_the_scanners() {
    let mut bench = limited("targets = \"10/min\"");
    let [scan, good] = ["op-1", "op-2"].map(|name| bench.open(name));
    assert_eq!(bench.ask(scan, &read(1, 0, 8)), "1 ok");
    assert_eq!(bench.ask(scan, &read(2, 0, 8)), "2 ok", "the same points are no more points");
    assert_eq!(bench.ask(scan, &read(3, 100, 3)), "3 error 06");
    assert_eq!(bench.count("denials_total", &["scan_limited"]), 1);
    assert_eq!(bench.ask(scan, &coil(4, 7, false)), "4 ok", "a stop is no scan");
    assert_eq!(bench.ask(good, &read(1, 100, 10)), "1 ok");
    bench.pass(60_000);
    assert_eq!(bench.ask(scan, &read(5, 200, 3)), "5 ok");
}

#[test]
fn refusals_past_their_limit_are_answered_after_a_second_and_allowed_traffic_is_untouched() {
    let mut bench = limited("refusals = \"1/s burst 3\"");
    let [bad, good] = ["op-1", "op-2"].map(|name| bench.open(name));
    for id in 1..=3 {
        assert_eq!(bench.ask(bad, &write(id, 100, 1)), format!("{id} error 02"));
    }
    assert_eq!(bench.ask(bad, &write(4, 100, 1)), "");
    assert_eq!(bench.ask(bad, &write(5, 100, 1)), "");
    assert_eq!(bench.ask(good, &write(1, 100, 1)), "1 error 02", "another identity's bucket is full");
    assert_eq!(bench.ask(good, &read(2, 0, 1)), "2 ok");
    bench.pass(999);
    assert!(bench.answers(bad).is_empty());
    bench.pass(1);
    assert_eq!(bench.briefs(bad), ["4 error 02", "5 error 02"]);
    assert_eq!(bench.of(Event::Alarm).len(), 1, "one flood, one alarm");
    assert_eq!(bench.count("limited_total", &["refusals", "delayed"]), 2);
    assert_eq!(bench.verdicts(), [1, 6, 0]);
    assert_eq!(bench.ask(bad, &read(6, 0, 1)), "6 ok");
}

#[test]
fn a_flood_of_duplicates_raises_one_alarm_a_second_and_owes_nothing() {
    let mut bench = limited("refusals = \"1/h burst 1\"");
    bench.obedient = false;
    let peer = bench.open("op-1");
    bench.send(peer, &read(1, 0, 1));
    for _ in 0..50 {
        bench.send(peer, &read(1, 0, 1));
    }
    bench.says(bench.link(), &registers(1, 3, &[1]));
    bench.pass(2_000);
    assert_eq!(bench.briefs(peer), ["1 ok"]);
    let alarms = bench.of(Event::Alarm).len();
    assert!((1..=3).contains(&alarms), "{alarms} alarms in two seconds: one for each second of silence");
}

#[test]
fn a_flood_severs_where_the_conduit_says_so() {
    let mut bench = limited("refusals = \"1/s burst 3\"\non_refusal_flood = \"sever\"");
    let [bad, good] = ["op-1", "op-2"].map(|name| bench.open(name));
    for id in 1..=4 {
        bench.send(bad, &write(id, 100, 1));
    }
    assert_eq!(bench.end_of(bad), Some(Cause::RefusalFlood));
    assert_eq!(bench.of(Event::Alarm).len(), 1);
    assert_eq!(bench.count("limited_total", &["refusals", "rejected"]), 1);
    assert_eq!(bench.ask(good, &read(2, 0, 1)), "2 ok");
}

#[test]
fn slowed_refusals_fill_the_pending_table_and_then_nothing_more_is_read() {
    let mut bench = Bench::new(Plan {
        limits: "refusals = \"1/h burst 1\"",
        conduit: "pending = 2",
        allow: RULES,
        ..Plan::default()
    });
    let peer = bench.open("op-1");
    for id in 1..=6 {
        bench.send(peer, &write(id, 100, 1));
    }
    assert_eq!(bench.briefs(peer), ["1 error 02"]);
    assert_eq!(bench.unread(peer), 24);
    bench.pass(1_000);
    assert_eq!(bench.briefs(peer), ["2 error 02", "3 error 02"]);
    bench.pass(1_000);
    assert_eq!(bench.briefs(peer), ["4 error 02", "5 error 02"]);
    bench.pass(1_000);
    assert_eq!(bench.briefs(peer), ["6 error 02"]);
}
