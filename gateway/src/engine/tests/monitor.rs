//! Does monitor mode let everything pass but what a deny rule forbids, and add nothing of its own?

use sluicegate_proto::vocab::Cause;

use super::{
    bench::{Bench, Plan},
    wire::{frame, hex, read, registers, write},
};
use crate::observe::record::Event;

const PLAN: Plan<'_> = Plan {
    conduit: "mode = \"monitor\"",
    limits: "requests = \"1/h burst 1\"\npeer_requests = \"1/h burst 1\"\ntargets = \"1/h\"\nbytes = \"1/h\"\nrefusals = \"1/h\"",
    modbus: "",
    allow: &["any read holding 0-9", "operator write holding 5 = 0..9 step 1 max 1/h"],
    deny: &["any write holding 90-99", "any write holding 80 = 7"],
    tables: "",
    journal: 0,
};

#[test]
fn what_would_be_refused_is_forwarded_and_counted() {
    let mut bench = Bench::new(PLAN);
    bench.obedient = true;
    let peer = bench.open("op-1");
    assert_eq!(bench.ask(peer, &read(1, 0, 1)), "1 ok");
    assert_eq!(bench.verdicts(), [1, 0, 0]);
    assert_eq!(bench.ask(peer, &read(2, 50, 1)), "2 ok", "an address of nobody");
    assert_eq!(bench.ask(peer, &write(3, 7, 1)), "3 ok", "a write of nobody");
    assert_eq!(bench.ask(peer, &write(4, 5, 99)), "4 ok", "a value out of range");
    assert_eq!(bench.ask(peer, &frame(5, &hex("05 0001 ff00"))), "5 ok", "a function of nobody");
    assert_eq!(bench.ask(peer, &read(6, 0, 1)), "6 ok", "over every rate, at once");
    assert_eq!(bench.verdicts(), [1, 0, 5]);
    assert_eq!(bench.count("denials_total", &["monitor"]), 5);
    assert_eq!(bench.count("denials_total", &["enforce"]), 0);
    assert_eq!(bench.count("requests_by_class_total", &["write", "would_deny"]), 3);
    let records = bench.of(Event::WouldDeny);
    assert_eq!(records.len(), 5);
    assert!(records.iter().all(|one| one.reason.is_some() && one.peer.is_some() && one.message.is_some()));
    assert_eq!(bench.end_of(peer), None);
}

#[test]
fn no_read_of_the_gateways_own_is_sent() {
    let mut bench = Bench::new(Plan { limits: "", ..PLAN });
    let peer = bench.open("op-1");
    bench.send(peer, &write(1, 5, 9));
    assert_eq!(bench.arrived(), [write(1, 5, 9)]);
    assert!(bench.of(Event::OwnRead).is_empty());
}

#[test]
fn a_deny_rule_is_enforced_and_its_answer_is_not_delayed() {
    let mut bench = Bench::new(PLAN);
    bench.obedient = true;
    let peer = bench.open("op-1");
    for id in 1..=9 {
        assert_eq!(bench.ask(peer, &write(id, 95, 1)), format!("{id} error 02"));
    }
    assert_eq!(bench.ask(peer, &write(10, 80, 7)), "10 error 03");
    assert_eq!(bench.ask(peer, &write(11, 80, 8)), "11 ok");
    assert_eq!(bench.verdicts(), [0, 10, 1]);
    assert_eq!(bench.memory.get(&(3, 95)), None);
    assert_eq!(bench.of(Event::Denied).len(), 10);
}

#[test]
fn a_flood_of_deny_rule_refusals_does_not_sever_a_monitored_session() {
    let limits = "refusals = \"1/h burst 1\"\non_refusal_flood = \"sever\"";
    let mut bench = Bench::new(Plan { limits, ..PLAN });
    bench.obedient = true;
    let peer = bench.open("op-1");
    for id in 1..=9 {
        bench.send(peer, &write(id, 95, 1));
    }
    assert_eq!(bench.ask(peer, &read(10, 0, 1)).lines().count(), 1);
    assert_eq!(bench.end_of(peer), None);
}

#[test]
fn hard_framing_is_enforced() {
    let mut bench = Bench::new(PLAN);
    let peer = bench.open("op-1");
    bench.send(peer, &hex("0001 0001 0006 01 03 0000 0001"));
    assert_eq!(bench.end_of(peer), Some(Cause::Malformed));
}

#[test]
fn a_deny_rule_that_came_while_a_message_waited_is_enforced_in_its_turn() {
    let mut bench = Bench::new(PLAN);
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), write(2, 5, 1), write(3, 7, 1)].concat());
    bench.policy(Plan { deny: &["any write holding 5"], allow: &["any write holding 7"], ..PLAN });
    assert_eq!(bench.arrived(), [read(1, 0, 1)]);
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert_eq!(bench.arrived(), [write(2, 7, 1)]);
    bench.says(bench.link(), &write(2, 7, 1));
    assert_eq!(bench.briefs(peer), ["1 ok", "2 error 02", "3 ok"]);
}

#[test]
fn two_rules_that_share_one_last_token_would_deny_and_do_not() {
    let mut bench = Bench::new(Plan {
        conduit: "mode = \"monitor\"",
        allow: &["operator write holding 1 via 16 spends pool", "operator write holding 2 via 16 spends pool"],
        tables: "[budgets.pool]\nrate = \"1/h\"",
        ..Plan::default()
    });
    bench.obedient = true;
    let peer = bench.open("op-1");
    assert_eq!(bench.ask(peer, &super::wire::write_many(1, 1, &[1, 2])), "1 ok");
    assert_eq!(bench.verdicts(), [0, 0, 1]);
    assert_eq!(bench.count("denials_total", &["rate_limited"]), 1);
}

/// A monitored conduit whose rules fit nothing yet is not silent.
#[test]
fn what_would_be_refused_but_leaves_is_a_sign_of_life() {
    let mut bench = Bench::new(PLAN);
    let peer = bench.open("op-1");
    assert_eq!(bench.count("last_allowed_timestamp_seconds", &[]), 0);
    bench.send(peer, &write(1, 7, 1));
    assert_eq!(bench.arrived().len(), 1);
    assert!(bench.count("last_allowed_timestamp_seconds", &[]) > 0);
}
