//! Do `max`, `step`, `when`, `during` and `always` hold while messages wait, time out and change hands?

use sluicegate_proto::vocab::Cause;

use super::{
    bench::{Bench, Dial, Plan},
    wire::{coil, exception, frame, hex, read, registers, write},
};
use crate::observe::record::Event;

const STEP: &str = "operator write holding 40-49 = 0..1500 step 10 up or to 0";

#[test]
fn a_max_is_spent_by_what_is_forwarded_and_by_nothing_else() {
    let rules = ["any read holding 0-9", "operator write holding 5 = 0..9 max 3/h"];
    let mut bench = Bench::new(Plan { conduit: "queue_timeout = \"1s\"", allow: &rules, ..Plan::default() });
    let peer = bench.open("op-1");
    // Refused.
    for id in 0..5 {
        assert_eq!(bench.ask(peer, &write(id, 5, 10)), format!("{id} error 03"));
    }
    // The device is not there.
    bench.dial = Dial::Refuses;
    for id in 0..5 {
        assert_eq!(bench.ask(peer, &write(id, 5, 1)), format!("{id} error 0A"));
    }
    // Queued behind a silent read, then out of time.
    bench.dial = Dial::Answers;
    bench.pass(5_000);
    bench.send(peer, &read(1, 0, 1));
    for id in 2..7 {
        bench.send(peer, &write(id, 5, 1));
    }
    bench.pass(1_000);
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["1 ok", "2 error 06", "3 error 06", "4 error 06", "5 error 06", "6 error 06"]);
    assert_eq!(bench.count("denials_total", &["too_many_pending"]), 5);
    // All three are still there, and then none.
    bench.obedient = true;
    for id in 1..=3 {
        assert_eq!(bench.ask(peer, &write(id, 5, 1)), format!("{id} ok"));
    }
    assert_eq!(bench.ask(peer, &write(4, 5, 1)), "4 error 06");
    assert_eq!(bench.count("limited_total", &["rule_budget", "rejected"]), 1);
    // Another text is another rule, and the same text has kept its level.
    let other = ["any read holding 0-9", "operator write holding 5 = 0..9 max 3/min"];
    bench.policy(Plan { allow: &other, ..Plan::default() });
    assert_eq!(bench.ask(peer, &write(5, 5, 1)), "5 ok");
    bench.policy(Plan { allow: &[rules[1], rules[0], "operator write holding 6"], ..Plan::default() });
    bench.policy(Plan { allow: &rules, ..Plan::default() });
    assert_eq!(bench.ask(peer, &write(6, 5, 1)), "6 ok", "a rule that went away came back full");
}

#[test]
fn a_level_survives_a_policy_that_keeps_the_rules_text() {
    let rules = ["operator write holding 5 max 2/h"];
    let mut bench = Bench::ruled(&rules);
    bench.obedient = true;
    let peer = bench.open("op-1");
    bench.ask(peer, &write(1, 5, 1));
    bench.policy(Plan { allow: &["operator write holding 6", rules[0]], ..Plan::default() });
    assert_eq!(bench.ask(peer, &write(2, 5, 1)), "2 ok");
    assert_eq!(bench.ask(peer, &write(3, 5, 1)), "3 error 06");
    assert_eq!(bench.ask(peer, &write(4, 6, 1)), "4 ok");
    bench.pass(30 * 60 * 1_000);
    let peer = if bench.end_of(peer).is_some() { bench.open("op-1") } else { peer };
    assert_eq!(bench.ask(peer, &write(5, 5, 1)), "5 ok");
}

#[test]
fn a_step_reads_first_on_exactly_that_range_and_then_writes() {
    let mut bench = Bench::ruled(&[STEP]);
    let peer = bench.open("op-1");
    bench.send(peer, &write(7, 42, 110));
    assert_eq!(bench.arrived(), [read(1, 42, 1)], "one read, one register");
    bench.says(bench.link(), &registers(1, 3, &[100]));
    assert_eq!(bench.arrived(), [write(2, 42, 110)]);
    bench.says(bench.link(), &write(2, 42, 110));
    assert_eq!(bench.answers(peer), [write(7, 42, 110)]);
    let own = bench.of(Event::OwnRead);
    assert_eq!(own.len(), 1);
    assert!(own[0].note.as_deref().is_some_and(|note| note.starts_with("origin: gateway")), "{own:?}");
    // The acknowledged write is known for five seconds: no second read.
    bench.send(peer, &write(8, 42, 121));
    assert_eq!(bench.briefs(peer), ["8 error 03"], "eleven is more than ten");
    bench.send(peer, &write(9, 42, 120));
    assert_eq!(bench.arrived(), [write(3, 42, 120)]);
    bench.says(bench.link(), &write(3, 42, 120));
    bench.pass(5_001);
    bench.send(peer, &write(10, 42, 130));
    assert_eq!(bench.arrived(), [read(4, 42, 1)]);
    bench.says(bench.link(), &registers(4, 3, &[119]));
    assert_eq!(bench.arrived(), Vec::<Vec<u8>>::new());
    assert_eq!(bench.briefs(peer), ["9 ok", "10 error 03"]);
    // Down is free, and 0 can always be reached without a read.
    bench.pass(5_001);
    bench.send(peer, &write(11, 42, 0));
    assert_eq!(bench.arrived(), [write(5, 42, 0)]);
    assert_eq!(bench.verdicts(), [3, 2, 0]);
}

#[test]
fn from_the_read_to_the_acknowledgement_the_range_is_nobody_elses() {
    let mut bench = Bench::new(Plan {
        conduit: "upstream_pending = 4\nupstream_pipeline = true",
        allow: &[STEP, "any read holding 0-99", "operator write holding 60"],
        ..Plan::default()
    });
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &write(1, 42, 10));
    bench.send(two, &write(1, 42, 20));
    assert_eq!(bench.arrived(), [read(1, 42, 1)], "the second waits for the first");
    bench.send(two, &read(2, 42, 1));
    assert!(bench.arrived().is_empty(), "behind its own write");
    bench.says(bench.link(), &registers(1, 3, &[0]));
    assert_eq!(bench.arrived(), [write(2, 42, 10)]);
    bench.says(bench.link(), &write(2, 42, 10));
    assert_eq!(bench.arrived(), [write(3, 42, 20), read(4, 42, 1)], "judged against what was just written");
    bench.says(bench.link(), &[write(3, 42, 20), registers(4, 3, &[20])].concat());
    assert_eq!((bench.briefs(one), bench.briefs(two)), (vec!["1 ok".to_owned()], vec!["1 ok".into(), "2 ok".into()]));
}

#[test]
fn an_own_read_without_an_answer_refuses_or_allows_as_the_conduit_says() {
    for (setting, answer) in [("", "1 error 03"), ("step_unknown = \"allow\"", "1 ok")] {
        let mut bench = Bench::new(Plan { modbus: setting, allow: &[STEP], ..Plan::default() });
        let peer = bench.open("op-1");
        bench.send(peer, &write(1, 42, 10));
        assert_eq!(bench.arrived(), [read(1, 42, 1)]);
        bench.pass(10_000);
        for adu in bench.arrived() {
            assert_eq!(adu, write(2, 42, 10), "{setting}");
            bench.says(bench.link(), &write(2, 42, 10));
        }
        assert_eq!(bench.briefs(peer), [answer], "{setting}: no answer");
        // The device's own refusal is no value either.
        let mut bench = Bench::new(Plan { modbus: setting, allow: &[STEP], ..Plan::default() });
        let peer = bench.open("op-1");
        bench.send(peer, &write(1, 42, 10));
        bench.arrived();
        bench.says(bench.link(), &exception(1, 3, 4));
        if answer == "1 ok" {
            bench.says(bench.link(), &write(2, 42, 10));
        }
        assert_eq!(bench.briefs(peer), [answer], "{setting}: an exception");
    }
}

#[test]
fn while_an_own_read_hangs_the_timer_rests_and_others_go_on() {
    let mut bench = Bench::new(Plan {
        conduit: "upstream_pending = 2\nqueue_timeout = \"1s\"",
        allow: &[STEP, "any read holding 0-99"],
        ..Plan::default()
    });
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &[write(1, 42, 10), read(2, 0, 1)].concat());
    bench.arrived();
    bench.pass(3_000);
    bench.send(two, &read(1, 0, 1));
    assert_eq!(bench.arrived(), [read(2, 0, 1)]);
    bench.says(bench.link(), &registers(2, 3, &[1]));
    assert_eq!(bench.briefs(two), ["1 ok"]);
    bench.pass(7_000);
    assert_eq!(bench.briefs(one), ["1 error 03", "2 error 06"]);
}

#[test]
fn a_creep_in_allowed_steps_is_stopped_by_max() {
    let mut bench = Bench::ruled(&["operator write holding 42 = 0..1500 step 10 up max 6/min"]);
    bench.obedient = true;
    let peer = bench.open("op-1");
    let answers: Vec<_> = (1..=20).map(|id| bench.ask(peer, &write(id, 42, id * 10))).collect();
    assert_eq!(answers.iter().filter(|one| one.ends_with("ok")).count(), 6);
    assert!(answers[6..].iter().all(|one| one.contains("error")));
    assert_eq!(bench.memory[&(3, 42)], 60);
}

#[test]
fn a_condition_is_read_by_the_same_means_and_unknown_is_refused() {
    let mut bench = Bench::ruled(&["operator write coil 7 = on when discrete 20 = on"]);
    let peer = bench.open("op-1");
    bench.send(peer, &coil(1, 7, true));
    assert_eq!(bench.arrived(), [frame(1, &hex("02 0014 0001"))]);
    bench.says(bench.link(), &frame(1, &hex("02 01 01")));
    assert_eq!(bench.arrived(), [coil(2, 7, true)]);
    bench.says(bench.link(), &coil(2, 7, true));
    bench.pass(5_001);
    bench.send(peer, &coil(2, 7, true));
    bench.says(bench.link(), &frame(3, &hex("02 01 00")));
    bench.pass(5_001);
    bench.send(peer, &coil(3, 7, true));
    bench.pass(10_000);
    assert_eq!(bench.briefs(peer), ["1 ok", "2 error 06", "3 error 06"]);
    assert_eq!(bench.count("denials_total", &["condition_not_met"]), 2);
    assert_eq!(bench.verdicts(), [1, 2, 0]);
}

#[test]
fn what_a_condition_was_read_from_stays_locked_until_the_write_is_acknowledged() {
    // The condition is a register that others may write.
    let rules = ["operator write holding 1 when holding 5 = 1", "operator write holding 5", "any read holding 5"];
    let mut bench = Bench::new(Plan {
        conduit: "upstream_pending = 4\nupstream_pipeline = true",
        allow: &rules,
        ..Plan::default()
    });
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &write(1, 1, 9));
    assert_eq!(bench.arrived(), [read(1, 5, 1)]);
    bench.send(two, &write(1, 5, 0));
    assert!(bench.arrived().is_empty(), "it would pull the condition from under the other's write");
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert_eq!(bench.arrived(), [write(2, 1, 9)]);
    bench.says(bench.link(), &write(2, 1, 9));
    assert_eq!(bench.arrived(), [write(3, 5, 0)]);
    // The other way round: what is being written now is not read for a verdict until it is settled.
    bench.send(one, &write(2, 1, 8));
    assert!(bench.arrived().is_empty());
    bench.says(bench.link(), &write(3, 5, 0));
    assert!(bench.arrived().is_empty(), "the acknowledged write is known to be 0");
    assert_eq!(bench.briefs(one), ["1 ok", "2 error 06"]);
}

#[test]
fn an_answer_that_left_the_device_before_a_write_does_not_say_what_it_holds_after_it() {
    let rules = [STEP, "any read holding 0-99"];
    let mut bench = Bench::new(Plan {
        conduit: "upstream_pending = 4\nupstream_pipeline = true",
        allow: &rules,
        ..Plan::default()
    });
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &read(1, 42, 1));
    bench.says(bench.link(), &registers(1, 3, &[100]));
    // A slow read, and a write past it that is acknowledged first.
    bench.send(two, &read(1, 42, 1));
    bench.send(one, &write(2, 42, 0));
    bench.says(bench.link(), &write(3, 42, 0));
    bench.says(bench.link(), &registers(2, 3, &[100]));
    assert_eq!((bench.briefs(one).len(), bench.briefs(two).len()), (2, 1));
    bench.arrived();
    bench.send(one, &write(3, 42, 110));
    assert!(!bench.arrived().contains(&write(4, 42, 110)), "from 0 to 110 is no step of ten");
}

#[test]
fn always_ignores_rate_max_step_condition_and_schedule_but_never_its_value() {
    let mut bench = Bench::new(Plan {
        limits: "requests = \"1/h burst 1\"\npeer_requests = \"1/h burst 1\"\nwrites = \"1/h burst 1\"",
        allow: &[
            "any read holding 0-9",
            "operator write coil 7 = off when discrete 20 = on max 1/h during night always",
        ],
        tables: "[schedules.night]\nwindows = [\"mon-sun 22:00-23:00\"]",
        ..Plan::default()
    });
    bench.obedient = true;
    let peer = bench.open("op-1");
    bench.ask(peer, &read(1, 0, 1));
    for id in 2..10 {
        assert_eq!(bench.ask(peer, &coil(id, 7, false)), format!("{id} ok"));
    }
    assert_eq!(bench.ask(peer, &coil(11, 7, true)), "11 error 03");
    let other = bench.open("view-1");
    assert_eq!(bench.ask(other, &coil(1, 7, false)), "1 error 01", "never identity");
}

#[test]
fn a_stop_goes_before_what_other_sessions_have_queued() {
    let mut bench = Bench::ruled(&["any read holding 0-99", "operator write coil 7 = off always"]);
    let [one, two] = ["op-1", "view-1"].map(|name| bench.open(name));
    for id in 1..=10 {
        bench.send(two, &read(id, 0, 1));
    }
    bench.send(one, &coil(1, 7, false));
    bench.answer_one();
    assert_eq!(bench.answer_one(), coil(2, 7, false), "the next one");
    assert_eq!(bench.briefs(one), ["1 ok"]);
}

#[test]
fn a_schedule_holds_when_the_message_leaves_not_when_it_came() {
    let mut bench = Bench::new(Plan {
        allow: &["any read holding 0-9", "operator write holding 5 during shift"],
        tables: "[schedules.shift]\nwindows = [\"mon-fri 07:00-17:00\"]",
        ..Plan::default()
    });
    let peer = bench.open("op-1");
    assert_eq!(bench.ask(peer, &write(1, 5, 1)), "1 error 06");
    bench.schedule(true);
    bench.send(peer, &read(2, 0, 1));
    bench.send(peer, &write(3, 5, 1));
    bench.schedule(false);
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["2 ok", "3 error 06"], "the shift ended while it waited");
    bench.schedule(true);
    bench.send(peer, &write(4, 5, 1));
    assert_eq!(bench.arrived().len(), 1);
    assert_eq!(bench.count("denials_total", &["outside_schedule"]), 2);
}

#[test]
fn a_message_that_waits_is_refused_under_the_policy_of_its_turn() {
    let mut bench = Bench::ruled(&["any read holding 0-9", "operator write holding 5"]);
    let peer = bench.open("op-1");
    bench.send(peer, &[read(1, 0, 1), write(2, 5, 1), read(3, 1, 1)].concat());
    assert_eq!(bench.arrived(), [read(1, 0, 1)]);
    bench.policy(Plan { allow: &["any read holding 0-9"], ..Plan::default() });
    bench.says(bench.link(), &registers(1, 3, &[1]));
    assert_eq!(bench.arrived(), [read(2, 1, 1)], "the write never left");
    bench.says(bench.link(), &registers(2, 3, &[1]));
    assert_eq!(bench.briefs(peer), ["1 ok", "2 error 01", "3 ok"]);
    // The other way round: what was refused stays refused, what comes now is judged anew.
    bench.policy(Plan { allow: &["operator write holding 5"], ..Plan::default() });
    bench.send(peer, &write(4, 5, 1));
    assert_eq!(bench.arrived().len(), 1);
    bench.cut(peer);
    assert_eq!(bench.end_of(peer), Some(Cause::Truncated));
}

#[test]
fn a_policy_that_refuses_what_waits_lets_the_unread_messages_behind_it_be_read() {
    let mut bench = Bench::new(Plan {
        conduit: "pending = 2",
        allow: &["any read holding 0-9", "operator write holding 5 max 1/h", "operator write holding 6"],
        ..Plan::default()
    });
    bench.dial = Dial::Hangs;
    let peer = bench.open("op-1");
    bench.send(peer, &[write(1, 5, 1), write(2, 5, 1), write(3, 6, 1), write(4, 7, 1)].concat());
    let link = bench.engine.links()[0];
    bench.dialled(link, true);
    // The second is refused in its turn: its rule's bucket is empty. The fourth was not read until then.
    bench.answer_one();
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["1 ok", "2 error 06", "3 ok", "4 error 02"]);
}
