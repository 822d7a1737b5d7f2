//! Does anybody under traffic notice hundreds of reloads, and is anything judged by a policy that is gone?
//!
//! Policy number k allows exactly `write holding 40 = k`. A client writes the number that was committed last when it
//! began. Refused, though nothing newer was even begun when the answer came: judged by an older policy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use sluicegate::{
    control::{Request, call},
    reload::What,
};

use super::{ALLOW, MATCHES, READ, SEVEN, told};
use crate::gate::{Config, Device, Gate, Peer, Site, free_port};

/// A number from the environment (`make soak`), or what a test run can afford.
fn number(name: &str, usual: u16) -> u16 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The configuration of policy `k`. It grows by a conduit and a listener, and shrinks again.
fn policy(device: &Device, k: u16, sessions: u16, port: u16) -> String {
    let mut config = Config::tls(device, &ALLOW[..1]);
    config.allow.push(format!("hmi write holding 40 = {k}"));
    config.conduit = format!("max_sessions = {}", u32::from(sessions) + 8);
    if k.is_multiple_of(3) {
        config.more = format!(
            "[listeners.it]\nzone = \"ops\"\nbind = \"127.0.0.1:{port}\"\ntransport = \"tls\"\ncertificate = \"gateway\"\nauthorities = [\"plant\"]\n\
             [conduits.valve]\nfrom = \"ops\"\nto = \"cell\"\nlistener = \"it\"\nupstream = \"{}\"\nprotocol = \"modbus\"\n\
             [conduits.valve.modbus]\nunits = [1]\nallow = [\"hmi read holding 0-99\"]\n",
            device.address
        );
    }
    config.text()
}

#[derive(Default)]
struct Tally {
    begun: AtomicU16,
    committed: AtomicU16,
    over: AtomicBool,
    passed: AtomicU64,
    refused: AtomicU64,
}

/// One client: writes the newest number that it knows, and reads.
fn drive(mut peer: Peer, tally: &Tally, pause: Duration) {
    while !tally.over.load(SeqCst) {
        let newest = tally.committed.load(SeqCst);
        let write = [&[6, 0, 40][..], &newest.to_be_bytes()].concat();
        let answer = peer.ask(&write);
        let begun = tally.begun.load(SeqCst);
        if answer == write {
            tally.passed.fetch_add(1, SeqCst);
        } else {
            assert_eq!(answer, [0x86, 3], "another number, and nothing else");
            assert!(begun > newest, "policy {newest} was in force and refused its own number: judged by an older one");
            tally.refused.fetch_add(1, SeqCst);
        }
        assert_eq!(peer.ask(&READ), SEVEN);
        std::thread::sleep(pause);
    }
}

/// PX-12: good, broken, growing and shrinking ones. `make soak`: 1,000 of them under 500 sessions at 50 requests a second.
#[test]
fn px_12_reloads_under_load_lose_nothing_double_nothing_and_leave_no_older_judgement() {
    let reloads = number("SLUICEGATE_RELOADS", 200).min(1500);
    let sessions = number("SLUICEGATE_RELOAD_SESSIONS", 8);
    let (site, device, port) = (Site::new(), Device::start(), free_port());
    let gate = start(&site, &policy(&device, 0, sessions, port));
    let tally = Arc::new(Tally::default());
    // 50 requests a second and session where there are many; where there are few, as many as there is time for.
    let pause = Duration::from_millis(if sessions > 50 { 36 } else { 1 });
    let clients: Vec<_> = (0..sessions)
        .map(|_| {
            let (mut peer, tally) = (Peer::tls(&gate, &site, "scada"), Arc::clone(&tally));
            // One handshake after the other: five hundred at once from one source would make room for each other.
            assert_eq!(peer.ask(&READ), SEVEN);
            std::thread::spawn(move || drive(peer, &tally, pause))
        })
        .collect();
    let socket = site.file("state/control.sock");
    let order = Request { what: What::Reload { confirm: None }, reason: None };
    let mut broken = 0;
    for k in 1..=reloads {
        if k.is_multiple_of(4) {
            let faulty = policy(&device, k, sessions, port)
                .replace("holding 40", if k.is_multiple_of(8) { "holding 40-" } else { "coils 40" });
            site.write_config(&faulty);
            let reply = call(&socket, &order).expect("the gateway answers");
            assert!(!reply.good, "{}", reply.text);
            broken += 1;
        }
        site.write_config(&policy(&device, k, sessions, port));
        tally.begun.store(k, SeqCst);
        let reply = call(&socket, &order).expect("the gateway answers");
        assert!(reply.good && reply.document["followed"] == true, "{}", reply.text);
        tally.committed.store(k, SeqCst);
    }
    // The last one is seen to be in force by everybody.
    let before = tally.passed.load(SeqCst);
    crate::gate::wait("all clients write under the last policy", || {
        tally.passed.load(SeqCst) >= before + 2 * u64::from(sessions)
    });
    assert_eq!(
        gate.metric("sessions{conduit=\"pump\",kind=\"machine\"}"),
        u64::from(sessions),
        "nobody's session ended"
    );
    tally.over.store(true, SeqCst);
    for client in clients {
        client.join().expect("no client met anything else");
    }
    let (passed, refused) = (tally.passed.load(SeqCst), tally.refused.load(SeqCst));
    println!("{reloads} reloads and {broken} broken ones: {passed} writes passed, {refused} met a newer policy");
    assert_eq!(device.writes().len() as u64, passed, "each write that was answered reached the device, once");
    assert_eq!(gate.metric("config_reloads_total{outcome=\"success\"}"), u64::from(reloads));
    assert_eq!(gate.metric("config_reloads_total{outcome=\"failure\"}"), broken);
    assert_eq!(gate.metric("sessions_opened_total{conduit=\"pump\",kind=\"machine\"}"), u64::from(sessions));
    assert_eq!(gate.metric("task_panics_total"), 0);
    assert_eq!(gate.metric(MATCHES), 1);
    assert_eq!(told(&site, &["history"]).1.lines().count(), usize::from(reloads + 1).min(50));
    gate.stop();
}

/// A process that dies at any moment of a reload comes back to the policy before it or to the one after.
#[test]
fn a_kill_amid_reloads_leaves_a_policy_that_was_whole() {
    let kills = number("SLUICEGATE_KILLS", 6);
    let (site, device, port) = (Site::new(), Device::start(), free_port());
    // What is in force, and the last number that was used.
    let (mut in_force, mut used) = (1, 1);
    let mut gate = Some(start(&site, &policy(&device, 1, 8, port)));
    let mut random = 0x5eed_u64;
    for _ in 0..kills {
        let begun = AtomicU16::new(in_force);
        let done = AtomicU16::new(in_force);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let moment = Duration::from_millis((random >> 33) % 400);
        std::thread::scope(|scope| {
            let reloads = scope.spawn(|| {
                let socket = site.file("state/control.sock");
                let order = Request { what: What::Reload { confirm: None }, reason: None };
                for k in used + 1.. {
                    site.write_config(&policy(&device, k, 8, port));
                    begun.store(k, SeqCst);
                    match call(&socket, &order) {
                        Ok(reply) => assert!(reply.good, "{}", reply.text),
                        Err(_) => return,
                    }
                    done.store(k, SeqCst);
                }
            });
            std::thread::sleep(moment);
            gate.take().expect("one runs").kill();
            reloads.join().expect("every reload was good until the end");
        });
        let (least, most) = (done.load(SeqCst), begun.load(SeqCst));
        // What was being written when it died: half a file.
        let next = start(&site, &policy(&device, most, 8, port).replace("[conduits.pump]", "[conduits.pump"));
        let mut peer = Peer::tls(&next, &site, "scada");
        let found = (least..=most).find(|k| {
            let write = [&[6, 0, 40][..], &k.to_be_bytes()].concat();
            peer.ask(&write) == write
        });
        let Some(k) = found else { panic!("neither policy {least} nor any up to {most} is in force:\n{}", next.log()) };
        println!("killed after {moment:?}: {least} was committed, {most} begun, {k} is in force");
        (in_force, used) = (k, most.max(used));
        gate = Some(next);
    }
    if let Some(gate) = gate {
        gate.stop();
    }
}

fn start(site: &Site, text: &str) -> Gate {
    Gate::try_start(site, text, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"))
}
