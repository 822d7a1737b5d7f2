//! How many instructions does a message take on its way through framer and judge?
//!
//! `tests/measure/instructions.sh` runs this under callgrind. `count` prints the cases; `count CASE N` does one N times.

use std::{hint::black_box, process::ExitCode, time::Duration};

use sluicegate_proto::{
    half::{Body, Input, PeerOptions, Step},
    iec104::{Asdu, Direction, Request},
    out::Out,
    policy::{Budgets, Held, Known, Verdict},
    protocol::{Message, Protocol},
    sentence::{Addressing, Form, Sentence},
    time::Now,
    vocab::OnDeny,
};

#[path = "path/traffic.rs"]
mod traffic;

use traffic::{READ, SENTENCE, SET_POINT, STRAY_READ, WRITE};

/// A case does its work so many times.
type Case = (&'static str, fn(u32));

const CASES: &[Case] = &[
    ("modbus_read_20_rules", |times| modbus(20, READ, times)),
    ("modbus_read_10000_rules", |times| modbus(10_000, READ, times)),
    ("modbus_write_20_rules", |times| modbus(20, WRITE, times)),
    ("modbus_refusal_20_rules", |times| modbus(20, STRAY_READ, times)),
    ("iec104_set_point_20_rules", |times| set_point(20, times)),
    ("iec104_set_point_10000_rules", |times| set_point(10_000, times)),
    ("iec104_report_of_40", report),
    ("sentence", sentence),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let case = |name: &str| CASES.iter().find(|(one, _)| *one == name).map(|(_, run)| run);
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => CASES.iter().for_each(|(name, _)| println!("{name}")),
        [name, times] => match (case(name), times.parse()) {
            (Some(run), Ok(times)) => run(times),
            _ => return ExitCode::from(2),
        },
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// A Modbus/TCP message: framed, read, judged, and answered where it is refused.
fn modbus(rules: u32, frame: &[u8], times: u32) {
    let set = traffic::compiled(&traffic::points(rules));
    let view = traffic::view(&set);
    let (held, budgets) = (Held::new(&set), Budgets::new(&set));
    let mut half = Protocol::Modbus.peer_half(&PeerOptions {
        settings: traffic::settings(Protocol::Modbus),
        pending: 16,
        frame_timeout: Duration::from_secs(5),
        ..PeerOptions::default()
    });
    let mut out = Out::new(1024);
    for _ in 0..times {
        let Step::Asked(asked) = half.next(Input::Stream(black_box(frame)), Now::default(), &mut out) else {
            panic!("a whole message");
        };
        let Body::Message(message) = &asked.body else { panic!("a legal message") };
        let known = Known { held: &held, budgets: &budgets, failed: &[] };
        if let Verdict::Deny(denied) = black_box(view.judge(message, &known, Now::default())) {
            half.refuse(&asked, &denied, OnDeny::Refuse, &mut out).expect("room");
            out.consume(out.len());
        }
    }
}

/// An ASDU read and judged: the I frame around it costs as much as any other.
fn set_point(rules: u32, times: u32) {
    let set = traffic::compiled(&traffic::set_points(rules));
    let view = traffic::view(&set);
    let (held, budgets) = (Held::new(&set), Budgets::new(&set));
    for _ in 0..times {
        let asdu = Asdu::read(black_box(SET_POINT), Direction::Control).expect("a legal ASDU");
        let known = Known { held: &held, budgets: &budgets, failed: &[] };
        let verdict = view.judge(&Message::Iec104(Request::new(asdu)), &known, Now::default());
        assert!(matches!(black_box(verdict), Verdict::Allow(_)));
    }
}

/// A report read, not judged.
fn report(times: u32) {
    let asdu = traffic::report();
    for _ in 0..times {
        assert!(black_box(Asdu::read(black_box(&asdu), Direction::Monitor)).is_ok());
    }
}

fn sentence(times: u32) {
    for _ in 0..times {
        let parsed =
            Sentence::parse(black_box(SENTENCE), Form::Rule, Protocol::Modbus.grammar(), Addressing::ZeroBased);
        assert!(black_box(parsed).is_ok());
    }
}
