//! How does the gateway start, stop, and end sessions whose time is up?

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::gate::{
    Answers, Config, Device, Gate, PATIENCE, Peer, Site, frame, missing,
    openssl::{self, Pair},
    tls_config, wait,
};

const ALLOW: &[&str] = &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"];
const READ: [u8; 5] = [3, 0, 7, 0, 1];
const SEVEN: [u8; 4] = [3, 2, 0, 7];

fn scene(change: impl FnOnce(&mut Config)) -> (Site, Device, Gate) {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::tls(&device, ALLOW);
    change(&mut config);
    let gate = Gate::start(&site, &config);
    (site, device, gate)
}

fn closed_for(site: &Site, cause: &str) -> Value {
    site.record_with(&[("event", "session_closed"), ("cause", cause)])
}

#[test]
fn a_stop_has_three_steps_and_waits_for_what_is_in_flight() {
    let (site, device, mut gate) = scene(|_| {});
    let mut peer = Peer::tls(&gate, &site, "scada");
    assert_eq!(peer.ask(&READ), SEVEN);
    device.answers(Answers::Later);
    peer.send(&frame(9, 1, &READ));
    wait("the request at the device", || device.seen().len() == 2);
    gate.signal("TERM");
    wait("the first step", || gate.log().contains("1/3"));
    wait("the door is shut", || TcpStream::connect(gate.address()).is_err());
    assert!(gate.runs(), "it waits for the answer: {}", gate.log());
    device.answers(Answers::Truly);
    assert_eq!(peer.answer().expect("what was in flight is answered"), frame(9, 1, &SEVEN));
    assert_eq!(peer.until_closed(), b"");
    assert!(gate.ended().success(), "{}", gate.log());
    let log = gate.log();
    let steps: Vec<_> = ["1/3", "2/3", "3/3"].iter().map(|step| log.find(step).expect("each step is said")).collect();
    assert!(steps.is_sorted(), "in order: {log}");
    closed_for(&site, "drain");
    site.record_with(&[("event", "stopped")]);
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let (site, device, mut gate) = scene(|config| config.defaults = "drain_timeout = \"1s\"".into());
    device.answers(Answers::Never);
    let mut peer = Peer::tls(&gate, &site, "scada");
    peer.send(&frame(1, 1, &READ));
    wait("the request at the device", || device.seen().len() == 1);
    gate.signal("TERM");
    assert!(gate.ended().success(), "{}", gate.log());
    assert!(gate.log().contains("severed conduit=pump identity=scada"), "by name: {}", gate.log());
}

/// What systemd hears: readiness once the listeners stand, and a heartbeat from then on.
#[test]
fn the_service_manager_hears_ready_and_the_watchdog() {
    let (site, device) = (Site::new(), Device::start());
    let path = site.file("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let gate = Gate::start_by(&site, &Config::tls(&device, ALLOW), |mut command| {
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "10000000");
        command
    });
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    let has = |heard: &[String], word: &str| heard.iter().any(|text| text.lines().any(|line| line == word));
    while !(has(&heard, "READY=1") && heard.last().is_some_and(|text| text.contains("WATCHDOG=1"))) {
        let n = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}; heard {heard:?}"));
        heard.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
    }
    // Whoever is told READY=1 finds it ready.
    assert_eq!(gate.get("/readyz").map(|(status, _)| status), Some(200));
    assert_eq!(gate.get("/healthz").map(|(status, _)| status), Some(200));
    gate.signal("TERM");
    while !has(&heard, "STOPPING=1") {
        let n = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}; heard {heard:?}"));
        heard.push(String::from_utf8_lossy(&buffer[..n]).into_owned());
    }
}

#[test]
fn a_busy_port_is_told_with_its_key() {
    let (site, device) = (Site::new(), Device::start());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let text = Config::tls(&device, ALLOW).text();
    for (table, key) in [("[listeners.ot]", "listeners.ot.bind"), ("[metrics]", "metrics.bind")] {
        let (before, after) = text.split_once(table).expect("the table is there");
        let busy = format!("{before}{table}{}", after.replacen("127.0.0.1:0", &address, 1));
        let Err((status, log)) = Gate::try_start(&site, &busy, |command| command) else {
            panic!("it started on a busy port")
        };
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(key) && log.contains(&address), "which key, which address: {log}");
    }
}

#[test]
fn an_address_of_another_machine_is_told() {
    let (site, device) = (Site::new(), Device::start());
    let text = Config::tls(&device, ALLOW).text();
    let (before, after) = text.split_once("[listeners.ot]").expect("the table is there");
    let elsewhere = format!("{before}[listeners.ot]{}", after.replacen("127.0.0.1:0", "192.0.2.1:8802", 1));
    let Err((status, log)) = Gate::try_start(&site, &elsewhere, |command| command) else {
        panic!("it started on an address for documentation")
    };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("listeners.ot.bind") && log.contains("no interface of this machine"), "{log}");
}

/// PX-09: a session does not outlive the certificate that it was let in with.
#[test]
fn a_session_ends_with_its_certificate() {
    if missing(&["openssl"]) {
        return;
    }
    let (site, device, gate) = scene(|_| {});
    let (mut peer, record) = until_expiry(&site, &gate);
    assert_eq!(peer.until_closed(), b"");
    assert_eq!(record["identity"], "scada");
    let seen = device.seen().len();
    let mut other = Peer::tls(&gate, &site, "scada");
    assert_eq!(other.ask(&READ), SEVEN, "only the one whose certificate ended");
    assert_eq!(device.seen().len(), seen + 1);
    gate.stop();
}

#[test]
fn an_essential_conduit_keeps_the_session_over_the_end_of_its_certificate() {
    if missing(&["openssl"]) {
        return;
    }
    let (site, _device, gate) = scene(|config| {
        config.conduit = "essential = true".into();
        config.faults = "grace = \"1s\"".into();
    });
    let own = short_lived(&site);
    let mut peer = Peer::with(gate.address(), tls_config(&site, Some((&own.crt, &own.key))), "gate");
    assert_eq!(peer.ask(&READ), SEVEN);
    // New sessions are refused once the grace is over, too.
    let until = Instant::now() + PATIENCE * 2;
    loop {
        let mut next = Peer::with(gate.address(), tls_config(&site, Some((&own.crt, &own.key))), "gate");
        if next.try_ask(&READ).is_err() {
            break;
        }
        assert!(Instant::now() < until, "an expired certificate still opens sessions");
        std::thread::sleep(Duration::from_millis(500));
    }
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(peer.ask(&READ), SEVEN, "the live session goes on");
    gate.stop();
}

/// A certificate of the plant that is over in 20 seconds: time enough to start with it on a slow machine.
fn short_lived(site: &Site) -> Pair {
    let plant = Pair { crt: site.crt("plant"), key: site.key("plant") };
    openssl::issue(site, (&plant, "short"), "spiffe://plant/scada", ("-1 hour", "+20 seconds"))
}

fn until_expiry(site: &Site, gate: &Gate) -> (Peer, Value) {
    let own = short_lived(site);
    let mut peer = Peer::with(gate.address(), tls_config(site, Some((&own.crt, &own.key))), "gate");
    assert_eq!(peer.ask(&READ), SEVEN, "it is good now");
    let record = closed_for(site, "certificate_expired");
    (peer, record)
}

#[test]
fn one_session_too_many_is_refused_and_the_others_stay() {
    let (site, device, gate) = scene(|config| config.conduit = "max_sessions = 2".into());
    let mut first = Peer::tls(&gate, &site, "scada");
    let mut second = Peer::tls(&gate, &site, "viewer");
    assert_eq!(first.ask(&READ), SEVEN);
    assert_eq!(second.ask(&READ), [0x83, 1]);
    let mut third = Peer::tls(&gate, &site, "scada");
    let _ = third.try_ask(&READ).expect_err("no answer for the third");
    site.record_with(&[("event", "session_refused"), ("reason", "session_limit")]);
    gate.metric_reaches("denials_total{conduit=\"pump\",mode=\"enforce\",reason=\"session_limit\"}", 1);
    assert_eq!(first.ask(&READ), SEVEN);
    assert_eq!(device.seen().len(), 2, "nothing of the third");
    // An end without a goodbye could be anybody's doing: it is not told as the peer's.
    drop(second);
    closed_for(&site, "truncated");
    let mut third = Peer::tls(&gate, &site, "scada");
    assert_eq!(third.ask(&READ), SEVEN, "its place is free again");
    gate.stop();
}

#[test]
fn an_idle_session_ends_and_its_device_connection_too() {
    let (site, device, gate) = scene(|config| {
        config.defaults = "idle_timeout = \"1s\"".into();
        config.conduit = "upstream_idle = \"1s\"".into();
    });
    let mut peer = Peer::tls(&gate, &site, "scada");
    assert_eq!(peer.ask(&READ), SEVEN);
    assert_eq!(peer.until_closed(), b"");
    closed_for(&site, "idle");
    wait("the device's connection is closed", || device.open() == 0);
    gate.stop();
}

/// PX-01, in the size of a test: whoever connects and says nothing is gone after the handshake's deadline, and meanwhile
/// everybody else is served.
#[test]
fn silent_sockets_are_reaped_while_a_good_client_is_served() {
    let (site, _device, gate) = scene(|config| {
        config.defaults = "handshake_timeout = \"3s\"".into();
        config.limits = config.limits.replace("10000/s", "10000/s burst 10000");
    });
    let mut good = Peer::tls(&gate, &site, "scada");
    assert_eq!(good.ask(&READ), SEVEN);
    let hello = [0x16, 3, 1, 0x02, 0x00, 1, 0, 0x01, 0xfc, 3, 3];
    let silent: Vec<_> = (0..500)
        .map(|n| {
            let mut socket = TcpStream::connect(gate.address()).expect("the gate listens");
            // Some say nothing, some begin a hello, some send what is none.
            match n % 3 {
                0 => {}
                1 => socket.write_all(&hello).expect("sent"),
                _ => drop(socket.write_all(b"GET / HTTP/1.1\r\n\r\n")),
            }
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            socket
        })
        .collect();
    assert_eq!(good.ask(&READ), SEVEN, "who is in is served");
    let mut fresh = Peer::tls(&gate, &site, "scada");
    assert_eq!(fresh.ask(&READ), SEVEN, "who comes with a certificate gets in");
    for mut socket in silent {
        let mut heard = Vec::new();
        // A reset is an end as well.
        let end = std::io::Read::read_to_end(&mut socket, &mut heard);
        let still = end
            .as_ref()
            .is_err_and(|error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut));
        assert!(!still, "a silent socket was kept");
        assert!(heard.first().is_none_or(|byte| *byte == 0x15), "a TLS alert at most: {heard:02x?}");
    }
    assert_eq!(good.ask(&READ), SEVEN);
    wait("all descriptors are given back", || sockets(&gate) < 50);
    gate.stop();
}

/// PX-04: the end of one direction is not the end of the answers.
#[test]
fn a_peer_that_has_finished_sending_still_gets_its_answers() {
    let (site, device, gate) = scene(|_| {});
    let before = sockets(&gate);
    device.answers(Answers::Later);
    let mut peer = Peer::tls(&gate, &site, "scada");
    peer.send(&frame(1, 1, &READ));
    peer.send(&frame(2, 1, &READ));
    wait("the first request at the device", || !device.seen().is_empty());
    peer.half_close();
    device.answers(Answers::Truly);
    assert_eq!(peer.answer().expect("the first answer"), frame(1, 1, &SEVEN));
    assert_eq!(peer.answer().expect("the second answer"), frame(2, 1, &SEVEN));
    assert_eq!(peer.until_closed(), b"");
    closed_for(&site, "peer_closed");
    // What is left is the device's connection: no socket waits in CLOSE_WAIT.
    wait("the peer's socket is gone", || sockets(&gate) <= before + 1);
    gate.stop();
}

/// PX-04: a device that never answers does not keep a half-closed session for ever.
#[test]
fn a_half_closed_session_ends() {
    let (site, device, gate) = scene(|config| config.defaults = "half_close_timeout = \"1s\"".into());
    device.answers(Answers::Never);
    let mut peer = Peer::tls(&gate, &site, "scada");
    peer.send(&frame(1, 1, &READ));
    wait("the request at the device", || !device.seen().is_empty());
    peer.half_close();
    assert_eq!(peer.until_closed(), b"");
    closed_for(&site, "peer_closed");
    gate.stop();
}

/// How many sockets the gateway holds.
fn sockets(gate: &Gate) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", gate.pid())).expect("the process is ours");
    open.flatten()
        .filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter(|to| to.to_string_lossy().starts_with("socket:"))
        .count()
}
