//! Is everything that matters written down exactly once, and does nothing leave that could not be?

use sluicegate_proto::vocab::{Cause, Reason};

use super::{
    bench::{Bench, Dial, Plan},
    wire::{frame, read, registers, show, write},
};
use crate::observe::record::{Event, RuleOf};

const RULES: &[&str] =
    &["any read holding 0-99", "operator write holding 40-49 = 0..1500", "operator write holding 50 step 5"];
const DURABLE: &str = "[audit]\ndurable = \"writes\"";

fn events(bench: &mut Bench) -> Vec<Event> {
    bench.records().into_iter().map(|one| one.event).collect()
}

#[test]
fn each_thing_is_written_down_once_with_who_which_rule_and_why() {
    let mut bench = Bench::new(Plan { allow: RULES, deny: &["any write holding 41"], ..Plan::default() });
    bench.obedient = true;
    let peer = bench.open("op-1");
    bench.ask(peer, &read(1, 0, 1));
    bench.ask(peer, &write(2, 40, 1500));
    bench.ask(peer, &write(3, 40, 1501));
    bench.ask(peer, &write(4, 41, 1));
    bench.ask(peer, &write(5, 50, 3));
    bench.finish(peer);
    let records = bench.records();
    let told: Vec<_> = records.iter().map(|one| (one.event, one.reason, one.cause)).collect();
    assert_eq!(
        told,
        [
            (Event::SessionOpened, None, None),
            (Event::Allowed, None, None),
            (Event::Denied, Some(Reason::ValueNotAllowed), None),
            (Event::Denied, Some(Reason::AddressNotAllowed), None),
            (Event::OwnRead, None, None),
            (Event::Allowed, None, None),
            (Event::SessionClosed, None, Some(Cause::PeerClosed)),
        ]
    );
    for record in &records {
        assert_eq!(record.conduit.as_deref(), Some("cell"));
        assert_eq!(record.session, Some(peer.0));
        assert_eq!(record.peer.as_ref().map(|peer| peer.who.identity.as_str()), Some("op-1"));
    }
    let rules = &bench.site.conduits[0].plan.rules;
    let rule = |at: usize| records[at].rule.as_ref().and_then(RuleOf::names).map(|(id, _)| id.to_owned());
    assert_eq!(rule(1), Some(rules[1].id.clone()), "the rule that allowed it");
    assert_eq!(rule(2), Some(rules[1].id.clone()), "the rule that came nearest");
    assert_eq!(rule(3), Some(rules[3].id.clone()), "the rule that forbids it");
    assert_eq!(records[1].frame.as_deref().map(show), Some(show(&write(2, 40, 1500))), "as the peer sent it");
    assert!(records[1].message.is_some() && records[2].message.is_some());
    assert_eq!(bench.count("sessions", &["machine"]), 0);
}

#[test]
fn a_message_is_counted_once_wherever_it_falls() {
    let mut bench = Bench::new(Plan { allow: RULES, conduit: "queue_timeout = \"1s\"", ..Plan::default() });
    let peer = bench.open("op-1");
    let all = [read(1, 0, 1), write(2, 40, 9999), write(3, 40, 1), frame(4, &[7]), read(5, 0, 126)].concat();
    bench.send(peer, &all);
    bench.pass(1_000);
    bench.answer_one();
    assert_eq!(bench.briefs(peer), ["1 ok", "2 error 03", "3 error 06", "4 error 01", "5 error 03"]);
    assert_eq!(bench.verdicts(), [1, 4, 0]);
    assert_eq!(bench.count("denials_total", &[]), 4);
    assert_eq!(bench.of(Event::Denied).len(), 4);
    // Forwarded and not answered is allowed once; not forwarded is denied once.
    bench.send(peer, &[read(6, 0, 1), read(7, 0, 1)].concat());
    bench.dial = Dial::Refuses;
    bench.hang_up(bench.link());
    assert_eq!(bench.briefs(peer), ["6 error 0A", "7 error 0A"]);
    assert_eq!(bench.verdicts(), [2, 5, 0]);
}

#[test]
fn a_durable_write_leaves_only_after_its_record_is_on_disk() {
    let mut bench = Bench::new(Plan { allow: RULES, tables: DURABLE, ..Plan::default() });
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.send(one, &write(1, 40, 7));
    assert!(bench.arrived().is_empty(), "it is written down, and waits");
    assert_eq!(events(&mut bench).into_iter().filter(|one| *one == Event::Allowed).count(), 1);
    bench.send(two, &read(1, 0, 1));
    assert_eq!(bench.arrived(), [read(1, 0, 1)], "a read waits for no disk");
    bench.says(bench.link(), &registers(1, 3, &[1]));
    bench.on_disk(2);
    assert!(bench.arrived().is_empty(), "its record is the third");
    bench.on_disk(3);
    assert_eq!(bench.arrived(), [write(2, 40, 7)]);
    bench.says(bench.link(), &write(2, 40, 7));
    assert_eq!(bench.briefs(one), ["1 ok"]);
    assert!(!events(&mut bench).contains(&Event::Allowed), "once");
    assert_eq!(bench.verdicts(), [2, 0, 0]);
}

#[test]
fn a_write_that_waits_for_the_disk_is_refused_under_a_new_policy_and_says_so() {
    let mut bench = Bench::new(Plan { allow: RULES, tables: DURABLE, ..Plan::default() });
    let peer = bench.open("op-1");
    bench.send(peer, &write(1, 40, 7));
    bench.policy(Plan { allow: &["any read holding 0-99"], tables: DURABLE, ..Plan::default() });
    bench.on_disk(10);
    assert!(bench.arrived().is_empty());
    assert_eq!(bench.briefs(peer), ["1 error 01"]);
    assert_eq!(events(&mut bench), [Event::SessionOpened, Event::Allowed, Event::Denied]);
    assert_eq!(bench.verdicts(), [0, 1, 0]);
}

#[test]
fn what_monitor_would_refuse_is_on_disk_first_too_and_once() {
    let conduit = "mode = \"monitor\"";
    let mut bench = Bench::new(Plan { allow: &["any read holding 0-99"], tables: DURABLE, conduit, ..Plan::default() });
    let peer = bench.open("op-1");
    bench.send(peer, &write(1, 40, 7));
    assert!(bench.arrived().is_empty(), "it waits for its record");
    bench.on_disk(10);
    assert_eq!(bench.arrived(), [write(1, 40, 7)]);
    assert_eq!(events(&mut bench), [Event::SessionOpened, Event::WouldDeny], "nobody allowed it");
    assert_eq!(bench.verdicts(), [0, 0, 1]);
}

#[test]
fn two_steps_that_wait_for_the_disk_are_not_judged_against_the_same_value() {
    let mut bench = Bench::new(Plan { allow: RULES, tables: DURABLE, ..Plan::default() });
    let [one, two] = ["op-1", "op-2"].map(|name| bench.open(name));
    bench.obedient = true;
    bench.memory.insert((3, 50), 100);
    bench.ask(one, &read(1, 50, 1));
    bench.send(one, &write(2, 50, 105));
    bench.send(two, &write(2, 50, 95));
    bench.on_disk(100);
    assert_eq!(bench.briefs(one), ["2 ok"]);
    assert_eq!(bench.briefs(two), ["2 error 03"], "from 105 to 95 is a step of ten");
    assert_eq!(bench.memory[&(3, 50)], 105);
}

#[test]
fn a_full_journal_closes_the_session_and_the_write_never_leaves() {
    let mut bench = Bench::new(Plan { allow: RULES, journal: 2, ..Plan::default() });
    bench.undrained = true;
    bench.obedient = true;
    let peer = bench.open("op-1");
    assert_eq!(bench.ask(peer, &write(1, 40, 1)), "1 ok");
    assert_eq!(bench.ask(peer, &read(2, 0, 1)), "2 ok", "what needs no record passes");
    bench.send(peer, &write(3, 40, 2));
    assert_eq!(bench.end_of(peer), Some(Cause::AuditFailure));
    assert_eq!(bench.memory[&(3, 40)], 1);
    assert_eq!(events(&mut bench), [Event::SessionOpened, Event::Allowed]);
    assert_eq!(bench.count("sessions_closed_total", &["audit_failure"]), 1);
}

#[test]
fn a_conduit_that_keeps_on_writes_without_its_record() {
    for faults in ["keep", "refuse-new"] {
        let tables = format!("[conduits.cell.faults]\naudit_full = \"{faults}\"");
        let mut bench = Bench::new(Plan { allow: RULES, tables: &tables, journal: 2, ..Plan::default() });
        bench.undrained = true;
        bench.obedient = true;
        let peer = bench.open("op-1");
        for id in 1..=5 {
            assert_eq!(bench.ask(peer, &write(id, 40, id)), format!("{id} ok"));
        }
        assert_eq!(bench.end_of(peer), None);
        assert_eq!(events(&mut bench), [Event::SessionOpened, Event::Allowed]);
    }
}

#[test]
fn a_slot_of_a_write_that_did_not_leave_is_given_back() {
    let mut bench = Bench::new(Plan { allow: RULES, journal: 3, ..Plan::default() });
    bench.undrained = true;
    bench.dial = Dial::Hangs;
    let peer = bench.open("op-1");
    for id in 1..=2 {
        bench.send(peer, &write(id, 40, 1));
    }
    bench.cut(peer);
    assert_eq!(bench.end_of(peer), Some(Cause::Truncated));
    let other = bench.open("op-1");
    assert_eq!(events(&mut bench), [Event::SessionOpened, Event::SessionClosed, Event::SessionOpened]);
    assert_eq!(bench.end_of(other), None);
}

#[test]
fn an_own_read_for_a_session_that_ended_still_names_it() {
    let mut bench = Bench::new(Plan { allow: RULES, ..Plan::default() });
    let peer = bench.open("op-1");
    bench.send(peer, &write(1, 50, 3));
    assert_eq!(bench.arrived(), [read(1, 50, 1)]);
    bench.cut(peer);
    bench.says(bench.link(), &registers(1, 3, &[0]));
    let own = bench.of(Event::OwnRead);
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].session, Some(peer.0));
    assert_eq!(own[0].peer.as_ref().map(|peer| peer.who.identity.as_str()), Some("op-1"));
    assert!(bench.arrived().is_empty(), "and its write does not follow");
}
