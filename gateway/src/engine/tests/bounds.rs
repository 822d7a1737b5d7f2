//! Is what an attacker can make us keep bounded?

use super::{
    bench::{Bench, Dial, Plan, SCRATCH},
    wire::{read, registers, write},
};

const RULES: &[&str] = &["any read holding 0-99", "operator write holding 0-99"];

#[test]
fn gen_14_ten_thousand_unanswered_requests_are_not_kept() {
    let mut bench = Bench::new(Plan {
        limits: "requests = \"1000000/s\"\npeer_requests = \"1000000/s\"",
        allow: RULES,
        ..Plan::default()
    });
    bench.dial = Dial::Hangs;
    let peer = bench.open("op-1");
    let flood: Vec<u8> = (0..10_000).flat_map(|id| read(id, 0, 1)).collect();
    bench.send(peer, &flood);
    assert!(bench.unread(peer) >= flood.len() - SCRATCH, "{} bytes stay in the socket", bench.unread(peer));
    let session = &bench.engine.core.sessions[&peer];
    assert_eq!(session.queue.len(), 16);
    assert_eq!(session.half.pending(), 16);
    assert!(session.spill.len() <= SCRATCH);
    assert!(session.out.is_empty());
    bench.pass(9_000);
    assert!(bench.unread(peer) >= flood.len() - SCRATCH);
    // Nothing of it is lost where the device comes at last.
    bench.obedient = true;
    let link = bench.engine.links()[0];
    bench.dialled(link, true);
    assert_eq!(bench.answers(peer).len(), 10_000);
    assert_eq!(bench.verdicts(), [10_000, 0, 0]);
    let session = &bench.engine.core.sessions[&peer];
    assert!(session.is_quiet() && session.spill.is_empty());
}

#[test]
fn a_peer_that_takes_no_answers_is_read_no_further() {
    let mut bench = Bench::new(Plan {
        limits: "requests = \"1000000/s\"\npeer_requests = \"1000000/s\"\nrefusals = \"1000000/s\"",
        allow: RULES,
        ..Plan::default()
    });
    let peer = bench.open("op-1");
    let now = bench.now();
    let mut sent = 0;
    // The driver would flush; this peer's socket takes nothing.
    while bench.engine.wants_peer_bytes(peer) && sent < 100_000 {
        bench.engine.peer_bytes(peer, &write(1, 100, 1), now);
        sent += 1;
    }
    assert!(sent < 100_000, "reading stops");
    let waiting = bench.engine.to_peer(peer).map_or(0, |out| out.len());
    assert!(waiting <= 64 * 1024, "{waiting}");
    assert_eq!(bench.engine.ended(peer), None);
    bench.settle();
    assert_eq!(bench.answers(peer).len(), sent);
}

#[test]
fn a_device_that_never_answers_and_then_says_everything_leaves_nothing_behind() {
    let mut bench = Bench::new(Plan { conduit: "request_timeout = \"1s\"", allow: RULES, ..Plan::default() });
    let peer = bench.open("op-1");
    for id in 1..=60 {
        bench.send(peer, &read(id, 0, 1));
        bench.pass(1_000);
    }
    assert_eq!(bench.briefs(peer).len(), 60);
    for id in 1..=60 {
        bench.says(bench.link(), &registers(id, 3, &[1]));
    }
    assert!(bench.answers(peer).is_empty());
    let link = &bench.engine.links[&bench.link()];
    assert!(link.flying.is_empty() && link.spill.is_empty());
    assert_eq!(bench.count("responses_total", &["unsolicited"]), 60);
}

#[test]
fn locks_and_reservations_are_free_again_when_all_is_over() {
    let mut bench = Bench::new(Plan {
        conduit: "request_timeout = \"1s\"\nqueue_timeout = \"1s\"",
        allow: &["operator write holding 0-9 step 5", "operator write holding 10-19 max 100/s"],
        ..Plan::default()
    });
    let mut peers = ["op-1", "op-2"].map(|name| bench.open(name));
    for round in 0..200_u16 {
        let who = usize::from(round % 2);
        bench.send(peers[who], &write(round, round % 20, round % 7));
        match round % 5 {
            0 => bench.pass(300),
            1 if !bench.live().is_empty() => bench.hang_up(bench.live()[0]),
            2 => {
                bench.cut(peers[who]);
                peers[who] = bench.open(["op-1", "op-2"][who]);
            }
            3 => bench.obedient = !bench.obedient,
            _ => {}
        }
    }
    bench.pass(5_000);
    for peer in peers {
        bench.cut(peer);
    }
    bench.pass(5_000);
    assert!(bench.engine.core.locks.is_free(), "{:?}", bench.engine.core.locks);
    assert!(bench.engine.core.sessions.is_empty() && bench.engine.core.waiting.is_empty());
    let peer = bench.open("op-1");
    bench.obedient = true;
    bench.settle();
    bench.pass(2_000);
    for id in 0..100 {
        assert_eq!(bench.ask(peer, &write(id, 10, 1)), format!("{id} ok"), "the whole bucket is there");
    }
    assert_eq!(bench.ask(peer, &write(100, 10, 1)), "100 error 06");
}
