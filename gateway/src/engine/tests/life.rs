//! How does a session live and end?

use sluicegate_proto::vocab::Cause;

use super::{
    bench::{Bench, Dial, Plan},
    wire::{read, registers, write},
};
use crate::observe::record::Event;

const RULES: &[&str] = &["any read holding 0-99", "operator write holding 0-99"];

fn bench(conduit: &str) -> Bench {
    Bench::new(Plan { conduit, allow: RULES, ..Plan::default() })
}

#[test]
fn px_04_a_peer_that_has_finished_sending_gets_its_answers_and_then_the_end() {
    let mut bench = bench("");
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), read(2, 1, 1)].concat());
    bench.finish(peer);
    assert_eq!(bench.end_of(peer), None);
    bench.answer_one();
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["1 ok", "2 ok"]);
    assert_eq!(bench.end_of(peer), Some(Cause::PeerClosed));
    // One that owes nothing ends at once.
    let peer = bench.open("op-1");
    bench.finish(peer);
    assert_eq!(bench.end_of(peer), Some(Cause::PeerClosed));
}

#[test]
fn px_04_a_half_closed_session_ends_at_its_deadline_whatever_is_owed() {
    let mut bench = bench("half_close_timeout = \"4s\"");
    let peer = bench.open("op-1");
    bench.send(peer, &read(1, 0, 1));
    bench.finish(peer);
    bench.pass(3_999);
    assert_eq!(bench.end_of(peer), None);
    bench.pass(1);
    assert_eq!(bench.end_of(peer), Some(Cause::PeerClosed));
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert!(bench.answers(peer).is_empty());
}

#[test]
fn a_stream_that_ends_amid_a_message_or_without_a_goodbye_was_cut() {
    let mut bench = bench("");
    let peer = bench.open("op-1");
    bench.send(peer, &read(1, 0, 1)[..7]);
    bench.finish(peer);
    assert_eq!(bench.end_of(peer), Some(Cause::Truncated));
    // With an answer owed, and half a message behind it.
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), write(2, 0, 1), write(3, 0, 1)].concat());
    bench.cut(peer);
    assert_eq!(bench.end_of(peer), Some(Cause::Truncated));
    assert_eq!(bench.arrived(), [read(1, 0, 1)]);
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert!(bench.arrived().is_empty(), "what was queued is not sent");
}

#[test]
fn idleness_counts_messages_both_ways() {
    let mut bench = bench("idle_timeout = \"4s\"");
    let peer = bench.open("op-1");
    bench.pass(3_000);
    bench.send(peer, &read(1, 0, 1));
    bench.pass(3_000);
    assert_eq!(bench.end_of(peer), None);
    bench.pass(3_000);
    assert_eq!(bench.end_of(peer), None, "an answer is owed");
    bench.answer_one();
    bench.pass(3_999);
    assert_eq!(bench.end_of(peer), None, "the answer was a message");
    bench.pass(1);
    assert_eq!(bench.end_of(peer), Some(Cause::Idle));
    // Bytes that make no message are none, and a refusal is one.
    let peer = bench.open("op-1");
    bench.pass(2_000);
    bench.send(peer, &write(1, 100, 1));
    bench.pass(3_000);
    bench.send(peer, &read(1, 0, 1)[..3]);
    bench.pass(1_000);
    assert_eq!(bench.end_of(peer), Some(Cause::Idle));
}

#[test]
fn an_idle_end_comes_on_time_even_where_other_deadlines_are_later() {
    let mut bench = bench("idle_timeout = \"1s\"");
    let peer = bench.open("op-1");
    bench.send(peer, &read(1, 0, 1));
    bench.pass(500);
    bench.answer_one();
    bench.pass(1_000);
    assert_eq!(bench.end_of(peer), Some(Cause::Idle));
}

#[test]
fn one_session_more_than_the_limit_is_refused_and_an_ended_one_makes_room() {
    let mut bench = bench("max_sessions = 2");
    let one = bench.open("op-1");
    bench.open("op-2");
    assert_eq!(bench.try_open("view-1"), Err(Cause::SessionLimit));
    let refused = bench.of(Event::SessionRefused);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].peer.as_ref().map(|peer| peer.who.identity.as_str()), Some("view-1"));
    assert_eq!(bench.count("sessions", &["machine"]), 2);
    bench.finish(one);
    bench.open("view-1");
    assert_eq!(bench.count("sessions", &["machine"]), 2);
    assert_eq!(bench.count("sessions_opened_total", &["machine"]), 3);
}

/// S9: an identity that opens sessions and keeps them locks nobody else out.
#[test]
fn s9_who_holds_all_sessions_makes_room_for_the_others() {
    let mut bench = bench("max_sessions = 4");
    let greedy: Vec<_> = (0..4).map(|_| bench.open("op-1")).collect();
    bench.send(greedy[0], &read(1, 0, 1));
    bench.pass(1_000);
    bench.send(greedy[1], &write(1, 100, 1));
    let ends = |bench: &Bench| greedy.iter().map(|key| bench.end_of(*key)).collect::<Vec<_>>();
    assert_eq!(bench.try_open("op-1"), Err(Cause::SessionLimit), "not for itself");
    assert_eq!(ends(&bench), [None; 4]);
    let other = bench.open("op-2");
    assert_eq!(ends(&bench), [None, None, Some(Cause::SessionLimit), None], "the one that was quiet for longest");
    bench.open("view-1");
    assert_eq!(ends(&bench)[3], Some(Cause::SessionLimit));
    for name in ["op-1", "op-2", "view-1"] {
        assert_eq!(bench.try_open(name), Err(Cause::SessionLimit), "two, one and one: nobody has too many");
    }
    assert_eq!((ends(&bench)[..2].to_vec(), bench.end_of(other)), (vec![None; 2], None));
    bench.answer_one();
    assert_eq!(bench.briefs(greedy[0]), ["1 ok"]);
}

#[test]
fn a_drain_reads_nothing_more_and_ends_each_session_with_its_last_answer() {
    let mut bench = bench("");
    let [quiet, busy] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(busy, &[read(1, 0, 1), read(2, 1, 1)].concat());
    bench.drain();
    assert_eq!(bench.end_of(quiet), Some(Cause::Drain));
    assert_eq!(bench.end_of(busy), None);
    bench.send(busy, &read(3, 0, 1));
    assert_eq!(bench.unread(busy), 12);
    bench.answer_one();
    bench.answer_one();
    assert_eq!(bench.briefs(busy), ["1 ok", "2 ok"]);
    assert_eq!(bench.end_of(busy), Some(Cause::Drain));
    assert_eq!(bench.try_open("op-1"), Err(Cause::Drain));
    assert_eq!(bench.count("sessions", &["machine"]), 0);
}

#[test]
fn a_drain_with_messages_unread_behind_a_full_table_ends_too() {
    let mut bench = bench("pending = 1");
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), read(2, 1, 1), read(3, 1, 1)].concat());
    bench.drain();
    bench.answer_one();
    assert_eq!(bench.end_of(peer), Some(Cause::Drain));
    assert_eq!(bench.briefs(peer), ["1 ok"], "what was not read is not answered");
}

#[test]
fn a_session_that_is_ended_from_outside_leaves_nothing_behind() {
    let mut bench = bench("");
    bench.dial = Dial::Hangs;
    let peer = bench.open("op-1");
    bench.send(peer, &[write(1, 0, 1), write(2, 1, 1)].concat());
    bench.engine.end(peer, Cause::CertificateRevoked, bench.now());
    bench.settle();
    assert_eq!(bench.end_of(peer), Some(Cause::CertificateRevoked));
    let link = bench.engine.links()[0];
    bench.dialled(link, true);
    assert!(bench.arrived().is_empty(), "nothing of it leaves");
    let closed = bench.of(Event::SessionClosed);
    assert_eq!(closed.iter().filter_map(|one| one.cause).collect::<Vec<_>>(), [Cause::CertificateRevoked]);
    assert_eq!(bench.count("sessions", &["machine"]), 0);
    assert!(bench.engine.sessions().is_empty());
}

#[test]
fn messages_that_are_read_after_a_half_close_are_served_and_half_a_one_was_cut() {
    let mut bench = bench("pending = 1");
    let peer = bench.open("op-1");
    bench.send(peer, &[&read(1, 0, 1)[..], &read(2, 1, 1), &read(3, 1, 1)[..5]].concat());
    bench.engine.peer_eof(peer, false, bench.now());
    bench.settle();
    bench.answer_one();
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["1 ok", "2 ok"]);
    assert_eq!(bench.end_of(peer), Some(Cause::Truncated));
}
