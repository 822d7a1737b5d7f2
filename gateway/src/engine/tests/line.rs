//! When is a unit that does not answer asked again, to the millisecond?

use super::{
    bench::{Bench, Plan},
    wire::{coil, read, registers, write},
};
use crate::observe::record::Event;

const PLAN: Plan<'_> = Plan {
    conduit: "request_timeout = \"1s\"",
    limits: "",
    modbus: "",
    allow: &[
        "any read holding 0-99",
        "operator write holding 5 step 1 up or to 0",
        "operator write coil 7 = off always",
    ],
    deny: &[],
    tables: "",
    journal: 0,
};

/// Three requests that nobody answers.
fn dead(bench: &mut Bench) -> crate::engine::SessionKey {
    let peer = bench.open("op-1");
    for id in 1..=3 {
        bench.send(peer, &read(id, 0, 1));
        bench.pass(1_000);
        assert_eq!(bench.briefs(peer), [format!("{id} error 0B")]);
    }
    assert_eq!(bench.arrived().len(), 3);
    peer
}

#[test]
fn a_dead_unit_gets_one_request_in_five_seconds_until_it_answers() {
    let mut bench = Bench::new(PLAN);
    let peer = dead(&mut bench);
    for _ in 0..49 {
        bench.pass(100);
        assert_eq!(bench.ask(peer, &read(4, 0, 1)), "4 error 0B", "at once");
    }
    assert_eq!(bench.arrived().len(), 0);
    assert_eq!(bench.of(Event::Alarm).len(), 1, "told once");
    bench.pass(100);
    assert_eq!(bench.ask(peer, &[read(5, 0, 1), read(6, 0, 1)].concat()), "", "the probe");
    assert_eq!(bench.arrived(), [read(4, 0, 1)], "one of them");
    bench.pass(1_000);
    assert_eq!(bench.briefs(peer), ["5 error 0B", "6 error 0B"]);
    bench.pass(4_900);
    assert_eq!(bench.ask(peer, &read(7, 0, 1)), "7 error 0B", "five seconds from the last silence");
    bench.pass(100);
    bench.send(peer, &read(8, 0, 1));
    bench.says(bench.link(), &registers(5, 3, &[1]));
    assert_eq!(bench.briefs(peer), ["8 ok"]);
    bench.arrived();
    bench.obedient = true;
    assert_eq!(bench.ask(peer, &[read(9, 0, 1), read(10, 0, 1)].concat()), "9 ok, 10 ok", "alive");
    assert_eq!(bench.of(Event::Alarm).len(), 1, "and that was told");
    assert_eq!(bench.count("denials_total", &["request_timeout"]), 51, "what was not sent is a refusal of ours");
}

#[test]
fn a_stop_is_tried_all_the_same_and_a_step_asks_no_dead_unit() {
    let mut bench = Bench::new(PLAN);
    let peer = dead(&mut bench);
    bench.send(peer, &coil(4, 7, false));
    assert_eq!(bench.arrived(), [coil(4, 7, false)]);
    bench.says(bench.link(), &super::wire::exception(4, 5, 6));
    assert_eq!(bench.briefs(peer), ["4 error 06"]);
    // An answer of any kind is a sign of life.
    bench.send(peer, &read(5, 0, 1));
    assert_eq!(bench.arrived().len(), 1);
    bench.says(bench.link(), &registers(5, 3, &[1]));
    bench.briefs(peer);

    let mut bench = Bench::new(PLAN);
    let peer = dead(&mut bench);
    assert_eq!(bench.ask(peer, &write(4, 5, 9)), "4 error 03", "unknown is refused, and nobody was asked");
    assert_eq!(bench.arrived().len(), 0);
    assert!(bench.of(Event::OwnRead).is_empty());
}

#[test]
fn two_timeouts_are_not_three_and_an_exception_begins_the_count_anew() {
    let mut bench = Bench::new(PLAN);
    let peer = bench.open("op-1");
    let mut id = 0;
    for _ in 0..5 {
        for _ in 0..2 {
            id += 1;
            bench.send(peer, &read(id, 0, 1));
            bench.pass(1_000);
        }
        id += 1;
        bench.send(peer, &read(id, 0, 1));
        bench.says(bench.link(), &super::wire::exception(id, 3, 2));
    }
    assert_eq!(bench.arrived().len(), 15, "each went out");
    assert!(bench.of(Event::Alarm).is_empty());
}

#[test]
fn monitor_mode_asks_a_dead_unit_every_time() {
    let mut bench = Bench::new(Plan { conduit: "request_timeout = \"1s\"\nmode = \"monitor\"", ..PLAN });
    let peer = dead(&mut bench);
    for id in 4..=6 {
        bench.send(peer, &read(id, 0, 1));
        bench.pass(1_000);
        assert_eq!(bench.briefs(peer), [format!("{id} error 0B")]);
    }
    assert_eq!(bench.arrived().len(), 3);
}
