//! What does one message cost on its way through framer and judge, without sockets?
//!
//! `cargo bench --bench path`. Allocations are counted; compare figures within one run only. `read_*` are the same FC 3
//! through us and through other people's parsers; what each of them does for its time stands beside it.

use divan::{AllocProfiler, Bencher, black_box};
use hyper::body::Bytes;
use rmodbus::{ModbusProto, server::ModbusFrame};
use sawp::parser::{Direction as Way, Parse};
use sluicegate_proto::{
    half::{Body, Input, PeerOptions, Step},
    iec104::{Asdu, Direction, Request},
    out::Out,
    policy::{Budgets, Held, Known, PolicySet, Verdict, View},
    protocol::{Message, PeerHalf, Protocol},
    sentence::{Addressing, Form, Sentence},
    time::Now,
};

#[path = "path/traffic.rs"]
mod traffic;

use traffic::{READ, SENTENCE, SET_POINT, STRAY_READ, WRITE};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const SIZES: [u32; 5] = [10, 20, 100, 1_000, 10_000];

fn main() {
    divan::main();
}

fn half() -> PeerHalf {
    Protocol::Modbus.peer_half(&PeerOptions {
        settings: traffic::settings(Protocol::Modbus),
        pending: 16,
        frame_timeout: std::time::Duration::from_secs(5),
        ..PeerOptions::default()
    })
}

/// Frames a message, and gives it to `each`.
fn framed(half: &mut PeerHalf, frame: &[u8], out: &mut Out, each: impl FnOnce(&Message<'_>)) {
    let Step::Asked(asked) = half.next(Input::Stream(black_box(frame)), Now::default(), out) else {
        panic!("a whole message");
    };
    let Body::Message(message) = &asked.body else { panic!("a legal message") };
    each(message);
}

fn judged(bencher: Bencher<'_, '_>, rules: u32, frame: &[u8], allowed: bool) {
    let set = traffic::compiled(&traffic::points(rules));
    let view = traffic::view(&set);
    let (held, budgets) = (Held::new(&set), Budgets::new(&set));
    let (mut half, mut out) = (half(), Out::new(1024));
    bencher.bench_local(|| {
        framed(&mut half, frame, &mut out, |message| {
            let known = Known { held: &held, budgets: &budgets, failed: &[] };
            let verdict = black_box(view.judge(message, &known, Now::default()));
            assert_eq!(matches!(verdict, Verdict::Allow(_)), allowed);
        });
    });
}

/// Framed, read, compared with what would leave, and judged.
#[divan::bench(args = SIZES)]
fn read_framed_and_judged(bencher: Bencher<'_, '_>, rules: u32) {
    judged(bencher, rules, READ, true);
}

/// Framed, read and compared with what would leave.
#[divan::bench]
fn read_framed(bencher: Bencher<'_, '_>) {
    let (mut half, mut out) = (half(), Out::new(1024));
    bencher.bench_local(|| framed(&mut half, READ, &mut out, |message| assert_eq!(black_box(message).function(), 3)));
}

/// rmodbus: the length of the frame, then the frame of a server; no policy.
#[divan::bench]
fn read_by_rmodbus(bencher: Bencher<'_, '_>) {
    let mut answer = Vec::with_capacity(256);
    bencher.bench_local(|| {
        let bytes = black_box(READ);
        let used = rmodbus::guess_request_frame_len(bytes, ModbusProto::TcpUdp).expect("a length");
        assert_eq!(usize::from(used), bytes.len());
        let mut request = ModbusFrame::new(1, bytes, ModbusProto::TcpUdp, &mut answer);
        request.parse().expect("a legal message");
        assert_eq!(black_box(&request).count, 2);
    });
}

/// sawp-modbus: the whole message as an intrusion detector reads it; no policy.
#[divan::bench]
fn read_by_sawp(bencher: Bencher<'_, '_>) {
    let parser = sawp_modbus::Modbus::default();
    bencher.bench_local(|| {
        let (rest, message) = parser.parse(black_box(READ), Way::ToServer).expect("a legal message");
        assert!(rest.is_empty() && black_box(message).is_some());
    });
}

/// tokio-modbus: the PDU alone, for its frame is read by a codec of its own that is not public; no policy.
#[divan::bench]
fn read_by_tokio_modbus(bencher: Bencher<'_, '_>) {
    let pdu = Bytes::from_static(&READ[7..]);
    bencher.bench_local(|| {
        let request = tokio_modbus::Request::try_from(black_box(&pdu).clone()).expect("a legal message");
        assert!(matches!(black_box(request), tokio_modbus::Request::ReadHoldingRegisters(10, 2)));
    });
}

#[divan::bench(args = [20, 10_000])]
fn write_framed_and_judged(bencher: Bencher<'_, '_>, rules: u32) {
    judged(bencher, rules, WRITE, true);
}

/// What no rule names: the verdict looks for the rule that lies nearest.
#[divan::bench(args = [20, 10_000])]
fn stray_read_framed_and_refused(bencher: Bencher<'_, '_>, rules: u32) {
    judged(bencher, rules, STRAY_READ, false);
}

/// The judge alone.
#[divan::bench(args = SIZES)]
fn read_judged(bencher: Bencher<'_, '_>, rules: u32) {
    let set = traffic::compiled(&traffic::points(rules));
    let view = traffic::view(&set);
    let (held, budgets) = (Held::new(&set), Budgets::new(&set));
    let known = Known { held: &held, budgets: &budgets, failed: &[] };
    framed(&mut half(), READ, &mut Out::new(1024), |message| {
        bencher.bench_local(|| {
            let verdict = view.judge(black_box(message), &known, Now::default());
            assert!(matches!(verdict, Verdict::Allow(_)));
            verdict
        });
    });
}

/// An ASDU read and judged: the I frame around it costs as much as any other.
#[divan::bench(args = [20, 10_000])]
fn set_point_read_and_judged(bencher: Bencher<'_, '_>, rules: u32) {
    let set = traffic::compiled(&traffic::set_points(rules));
    let view = traffic::view(&set);
    let (held, budgets) = (Held::new(&set), Budgets::new(&set));
    bencher.bench_local(|| {
        let asdu = Asdu::read(black_box(SET_POINT), Direction::Control).expect("a legal ASDU");
        let known = Known { held: &held, budgets: &budgets, failed: &[] };
        let verdict = view.judge(&Message::Iec104(Request::new(asdu)), &known, Now::default());
        assert!(matches!(verdict, Verdict::Allow(_)));
        verdict
    });
}

/// What a report of forty measured values costs before it is judged.
#[divan::bench]
fn report_read(bencher: Bencher<'_, '_>) {
    let asdu = traffic::report();
    bencher.bench_local(|| Asdu::read(black_box(&asdu), Direction::Monitor).is_ok());
}

#[divan::bench]
fn sentence_parsed() -> Sentence {
    Sentence::parse(black_box(SENTENCE), Form::Rule, Protocol::Modbus.grammar(), Addressing::ZeroBased)
        .expect("a good sentence")
}

/// Sentences that are parsed already, compiled.
#[divan::bench(args = SIZES, sample_count = 10)]
fn rules_compiled(bencher: Bencher<'_, '_>, rules: u32) {
    let plan = traffic::points(rules);
    bencher.bench_local(|| -> PolicySet { traffic::compiled(black_box(&plan)) });
}

/// Sentences parsed, printed and compiled, as when a configuration is loaded.
#[divan::bench(args = SIZES, sample_count = 10)]
fn rules_parsed_and_compiled(rules: u32) -> PolicySet {
    traffic::compiled(&traffic::points(black_box(rules)))
}

/// Compiled rules laid out for one peer.
#[divan::bench(args = SIZES, sample_count = 10)]
fn rules_laid_out(bencher: Bencher<'_, '_>, rules: u32) {
    let set = traffic::compiled(&traffic::points(rules));
    bencher.bench_local(|| -> std::sync::Arc<View> { traffic::view(black_box(&set)) });
}
