//! How often does a message ask for memory on its way through framer and judge?
//!
//! A test binary of its own, because the allocator that counts is its global one. The numbers are exact: one more is a
//! regression, and one less is a figure to write down here.

use std::time::Duration;

use sluicegate_proto::{
    half::{Body, Input, PeerOptions, Step, Ticket},
    iec104::{Asdu, Direction, Request},
    out::Out,
    policy::{Budgets, Held, Known, PolicySet, Verdict, View},
    protocol::{Message, PeerHalf, Protocol},
    sentence::{Addressing, Form, Sentence},
    time::Now,
    vocab::OnDeny,
};

#[path = "../../benches/path/traffic.rs"]
mod traffic;

use traffic::{READ, SENTENCE, SET_POINT, STRAY_READ, WRITE};

/// FC 16 of registers 10 to 13: two rules share it.
const SHARED_WRITE: &[u8] = &[0, 1, 0, 0, 0, 15, 1, 16, 0, 10, 0, 4, 8, 0, 1, 0, 2, 0, 3, 0, 4];
/// FC 23 with both of its halves inside one rule each: no rule without `via 23` admits its write.
const UNNAMED: &[u8] = &[0, 1, 0, 0, 0, 13, 1, 23, 0, 2, 0, 2, 0, 2, 0, 1, 2, 0, 7];

/// A conduit with twenty rules, and a peer who has just had a message.
struct Gate {
    view: std::sync::Arc<View>,
    held: Held,
    budgets: Budgets,
    half: PeerHalf,
    out: Out,
}

impl Gate {
    fn new(protocol: Protocol, set: &PolicySet) -> Self {
        let options = PeerOptions {
            settings: traffic::settings(protocol),
            pending: 16,
            frame_timeout: Duration::from_secs(5),
            ..PeerOptions::default()
        };
        let mut out = Out::new(1024);
        out.push(&[0; 260]).expect("room");
        out.consume(out.len());
        Self {
            view: traffic::view(set),
            held: Held::new(set),
            budgets: Budgets::new(set),
            half: protocol.peer_half(&options),
            out,
        }
    }

    fn modbus() -> Self {
        Self::new(Protocol::Modbus, &traffic::compiled(&traffic::points(20)))
    }

    fn known(&self) -> Known<'_> {
        Known { held: &self.held, budgets: &self.budgets, failed: &[] }
    }

    /// Frames and judges a message, and answers it where it is refused. Whether it passes.
    fn passes(&mut self, frame: &[u8]) -> bool {
        let Step::Asked(asked) = self.half.next(Input::Stream(frame), Now::default(), &mut self.out) else {
            panic!("a whole message");
        };
        let Body::Message(message) = &asked.body else { panic!("a legal message") };
        let verdict = self.view.judge(message, &self.known(), Now::default());
        let Verdict::Deny(denied) = verdict else { return true };
        self.half.refuse(&asked, &denied, OnDeny::Refuse, &mut self.out).expect("room");
        self.out.consume(self.out.len());
        false
    }
}

/// How often `what` asks for memory.
fn asks(what: impl FnMut()) -> u64 {
    let mut what = what;
    allocation_counter::measure(&mut what).count_total
}

#[test]
fn what_one_rule_covers_and_what_is_refused_asks_for_no_memory() {
    let mut gate = Gate::modbus();
    for (name, frame, passes, times) in [
        ("a read", READ, true, 0),
        ("a write", WRITE, true, 0),
        ("a read that no rule names, and its refusal", STRAY_READ, false, 0),
        // The pieces that two rules make of it are put together.
        ("a write that two rules share", SHARED_WRITE, true, 1),
        ("a function that no rule names, and its refusal", UNNAMED, false, 0),
    ] {
        let asked = asks(|| assert_eq!(gate.passes(frame), passes, "{name}"));
        assert_eq!(asked, times, "{name}");
    }
}

#[test]
fn an_accepted_message_waits_where_those_before_it_have_waited() {
    let mut gate = Gate::modbus();
    for (round, times) in [(1u64, 1), (2, 0), (3, 0)] {
        // The first takes the room for four messages; a short one keeps its bytes in it.
        let asked = asks(|| {
            let Step::Asked(asked) = gate.half.next(Input::Stream(READ), Now::default(), &mut gate.out) else {
                panic!("a whole message");
            };
            gate.half.accept(&asked, Ticket(round)).expect("room");
            let Body::Message(message) = &asked.body else { panic!("a legal message") };
            assert_eq!(message.store().bytes().len(), 6);
        });
        assert_eq!(asked, times, "message {round}");
        gate.half.unanswered(Ticket(round), &mut gate.out).expect("room");
    }
}

#[test]
fn a_set_point_and_a_report_ask_for_no_memory() {
    let gate = Gate::new(Protocol::Iec104, &traffic::compiled(&traffic::set_points(20)));
    let report = traffic::report();
    for (name, bytes, direction) in
        [("a set-point", SET_POINT, Direction::Control), ("forty values", &report[..], Direction::Monitor)]
    {
        let asked = asks(|| {
            let asdu = Asdu::read(bytes, direction).expect("a legal ASDU");
            let verdict = gate.view.judge(&Message::Iec104(Request::new(asdu)), &gate.known(), Now::default());
            assert!(matches!(verdict, Verdict::Allow(_)), "{name}");
        });
        assert_eq!(asked, 0, "{name}");
    }
}

/// Each word that it keeps, and the words of the line.
#[test]
fn a_sentence_asks_for_its_parts() {
    let grammar = Protocol::Modbus.grammar();
    let asked = asks(|| {
        assert!(Sentence::parse(SENTENCE, Form::Rule, grammar, Addressing::ZeroBased).is_ok());
    });
    assert_eq!(asked, 17);
}
