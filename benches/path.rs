//! What does one message cost on its way through framer and judge, without sockets?
//!
//! `cargo bench --bench path`. Allocations are counted; figures are for comparing two runs on one machine.

use divan::{AllocProfiler, Bencher, black_box};
use sluicegate_proto::{
    half::{Body, Input, PeerOptions, Step},
    iec104::{Asdu, Direction, Request},
    keys::{Setting, Settings},
    out::Out,
    policy::{Budgets, Held, Known, Plan, PolicySet, Rule, Verdict, Who, compile},
    protocol::{Message, Protocol},
    sentence::{Addressing, Form, Sentence},
    time::Now,
};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const READ: &[u8] = &[0, 1, 0, 0, 0, 6, 1, 3, 0, 10, 0, 2];
const WRITE: &[u8] = &[0, 1, 0, 0, 0, 6, 1, 6, 0, 10, 0, 5];

fn main() {
    divan::main();
}

fn settings() -> Settings {
    Settings([("units", Setting::Ints(vec![1]))].into())
}

/// Rules that each allow twelve registers, every other one for reading.
fn policy(rules: u32) -> PolicySet {
    let grammar = Protocol::Modbus.grammar();
    let mut list = Vec::new();
    for index in 0..rules / 2 {
        let (first, last) = (index * 12 % 65_000, index * 12 % 65_000 + 11);
        for text in [format!("any read holding {first}-{last}"), format!("any write holding {first}-{last} = 0..1500")]
        {
            let sentence = Sentence::parse(&text, Form::Rule, grammar, Addressing::ZeroBased).expect("a good rule");
            let text = sentence.print(grammar);
            list.push(Rule { id: format!("r-{index}"), text, sentence, allow: true, place: "bench:1".into() });
        }
    }
    compile(&Plan {
        protocol: Protocol::Modbus,
        settings: settings(),
        rules: list,
        identities: vec!["scada-1".into()],
        schedules: Vec::new(),
        budgets: Vec::new(),
    })
    .expect("a good policy")
}

fn message(bencher: Bencher<'_, '_>, rules: u32, frame: &[u8]) {
    let set = policy(rules);
    let view = set.view(&Who { identity: "scada-1".into(), roles: Vec::new() });
    let (held, budgets) = (Held::new(&set), Budgets::new(&set));
    let frame_timeout = std::time::Duration::from_secs(5);
    let mut half = Protocol::Modbus.peer_half(&PeerOptions {
        settings: settings(),
        pending: 16,
        frame_timeout,
        ..PeerOptions::default()
    });
    let mut out = Out::new(1024);
    bencher.bench_local(|| {
        let Step::Asked(asked) = half.next(Input::Stream(black_box(frame)), Now::default(), &mut out) else {
            panic!("a whole message");
        };
        let Body::Message(message) = &asked.body else { panic!("a legal message") };
        let known = Known { held: &held, budgets: &budgets, failed: &[] };
        let verdict = view.judge(message, &known, Now::default());
        assert!(matches!(verdict, Verdict::Allow(_)));
        verdict
    });
}

#[divan::bench(args = [10, 20, 100, 1_000, 10_000])]
fn frame_and_judge_a_read(bencher: Bencher<'_, '_>, rules: u32) {
    message(bencher, rules, READ);
}

#[divan::bench(args = [20, 10_000])]
fn frame_and_judge_a_write(bencher: Bencher<'_, '_>, rules: u32) {
    message(bencher, rules, WRITE);
}

/// An ASDU read and judged: the I frame around it costs as much as any other.
#[divan::bench(args = [20, 10_000])]
fn read_and_judge_a_set_point(bencher: Bencher<'_, '_>, rules: u32) {
    let grammar = Protocol::Iec104.grammar();
    let rule = |index: u32| {
        let text = format!("any control C_SE_NC_1 ca 1 ioa {} = 0.0..50.0", index + 1);
        let sentence = Sentence::parse(&text, Form::Rule, grammar, Addressing::ZeroBased).expect("a good rule");
        Rule { id: format!("r-{index}"), text, sentence, allow: true, place: "bench:1".into() }
    };
    let set = compile(&Plan {
        protocol: Protocol::Iec104,
        settings: Settings([("cas", Setting::Ints(vec![1]))].into()),
        rules: (0..rules).map(rule).collect(),
        identities: vec!["scada-1".into()],
        schedules: Vec::new(),
        budgets: Vec::new(),
    })
    .expect("a good policy");
    let view = set.view(&Who { identity: "scada-1".into(), roles: Vec::new() });
    let (held, budgets) = (Held::new(&set), Budgets::new(&set));
    // C_SE_NC_1, activation, common address 1, object 10, 12.5.
    let asdu = [50, 1, 6, 0, 1, 0, 10, 0, 0, 0, 0, 0x48, 0x41, 0];
    bencher.bench_local(|| {
        let asdu = Asdu::read(black_box(&asdu), Direction::Control).expect("a legal ASDU");
        let known = Known { held: &held, budgets: &budgets, failed: &[] };
        let verdict = view.judge(&Message::Iec104(Request::new(asdu)), &known, Now::default());
        assert!(matches!(verdict, Verdict::Allow(_)));
        verdict
    });
}

/// What a report of forty measured values costs before it is judged.
#[divan::bench]
fn read_a_report(bencher: Bencher<'_, '_>) {
    let mut asdu = vec![13, 0x80 | 40, 3, 0, 1, 0, 1, 0, 0];
    asdu.extend([0, 0, 0x48, 0x41, 0].repeat(40));
    bencher.bench_local(|| Asdu::read(black_box(&asdu), Direction::Monitor).is_ok());
}

#[divan::bench]
fn parse_a_sentence() -> Sentence {
    let text = black_box("hmi write holding 42-43 = -20.0..80.0 as f32 via 16");
    Sentence::parse(text, Form::Rule, Protocol::Modbus.grammar(), Addressing::ZeroBased).expect("a good sentence")
}

#[divan::bench(args = [10, 1_000, 10_000], sample_count = 10)]
fn compile_rules(rules: u32) -> PolicySet {
    policy(rules)
}
