//! Does one conduit keep the promises of its table: mode, refusals, deadlines, the device's turn?

use std::{sync::Arc, time::Duration};

use crate::gate::{Answers, Config, Device, Gate, Peer, Site, frame, tls_config, wait};

const ALLOW: &[&str] = &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"];
const READ: [u8; 5] = [3, 0, 7, 0, 1];
const SEVEN: [u8; 4] = [3, 2, 0, 7];
const WRITE: [u8; 5] = [6, 0, 40, 0, 9];
const ELSEWHERE: [u8; 5] = [6, 0, 41, 0, 9];

fn plain(change: impl FnOnce(&mut Config)) -> (Site, Device, Gate) {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::plain(&device, ALLOW);
    change(&mut config);
    let gate = Gate::start(&site, &config);
    (site, device, gate)
}

#[test]
fn monitor_mode_refuses_only_by_deny_rules_and_tells_the_rest() {
    let (site, device, gate) = plain(|config| {
        config.conduit = "mode = \"monitor\"".into();
        config.deny = vec!["any write holding 90-99".into()];
    });
    let mut peer = Peer::plain(&gate);
    assert_eq!(peer.ask(&ELSEWHERE), ELSEWHERE, "no rule allows it, and it passes");
    assert_eq!(peer.ask(&[6, 0, 95, 0, 1])[0], 0x86, "a deny rule holds in every mode");
    assert_eq!(device.writes(), ["010600290009"]);
    let record = site.record_with(&[("event", "would_deny"), ("reason", "address_not_allowed")]);
    assert_eq!(record["deeds"][0], "scada write holding 41 unit 1 = 9 via 6");
    let series = "requests_total{conduit=\"pump\",function=\"6\",protocol=\"modbus\",verdict=\"would_deny\"}";
    assert_eq!(gate.metric(series), 1);
    // A lie about the length still ends the session.
    peer.send(&[0, 1, 0, 0, 0, 14, 1, 3, 0, 0, 0, 10, 16, 0, 0, 0, 1, 2, 0, 0xff]);
    assert_eq!(peer.until_closed(), b"");
    assert_eq!(device.writes(), ["010600290009"]);
    gate.stop();
}

#[test]
fn a_refusal_can_be_silence_or_the_end() {
    for (on_deny, closes) in [("drop", false), ("close", true)] {
        let (site, device, gate) = plain(|config| config.conduit = format!("on_deny = \"{on_deny}\""));
        let mut peer = Peer::plain(&gate);
        peer.send(&frame(1, 1, &ELSEWHERE));
        if closes {
            assert_eq!(peer.until_closed(), b"");
            site.record_with(&[("event", "session_closed"), ("cause", "refused")]);
        } else {
            peer.send(&frame(2, 1, &READ));
            assert_eq!(peer.answer().expect("the next one's answer"), frame(2, 1, &SEVEN));
        }
        assert_eq!(device.writes(), Vec::<String>::new());
        site.record_with(&[("event", "denied"), ("reason", "address_not_allowed")]);
        gate.stop();
    }
}

/// What the device does not answer in time is told as that, and is never sent twice.
#[test]
fn a_device_that_says_nothing_is_told_and_never_asked_twice() {
    let (_site, device, gate) = plain(|config| config.defaults = "request_timeout = \"500ms\"".into());
    let mut peer = Peer::plain(&gate);
    device.answers(Answers::Never);
    assert_eq!(peer.ask(&WRITE), [0x86, 0x0b]);
    device.answers(Answers::Truly);
    assert_eq!(peer.ask(&READ), SEVEN);
    assert_eq!(device.texts(), ["010600280009", "010300070001"]);
    assert_eq!(gate.metric("responses_total{conduit=\"pump\",outcome=\"timeout\",protocol=\"modbus\"}"), 1);
    gate.stop();
}

/// GEN-08: the answer that comes after its time belongs to nobody: least of all to the next request.
#[test]
fn a_late_answer_reaches_nobody() {
    let (_site, device, gate) = plain(|config| config.defaults = "request_timeout = \"500ms\"".into());
    let mut peer = Peer::plain(&gate);
    let kept = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (late, held) = (Arc::clone(&kept), Arc::clone(&kept));
    device.answers(Answers::Falsely(Arc::new(move |request: &[u8]| {
        late.lock().expect("nobody panics here").push(request.to_vec());
        Vec::new()
    })));
    assert_eq!(peer.ask(&READ), [0x83, 0x0b]);
    // Now both: the late one, with a value of its own, and then the true one.
    device.answers(Answers::Falsely(Arc::new(move |request: &[u8]| {
        let mut bytes = Vec::new();
        for old in held.lock().expect("nobody panics here").drain(..) {
            bytes.extend([&old[..2], &[0, 0, 0, 5, 1, 3, 2, 0xde, 0xad]].concat());
        }
        bytes.extend([&request[..2], &[0, 0, 0, 5, 1, 3, 2, 0, 7]].concat());
        bytes
    })));
    assert_eq!(peer.ask(&READ), SEVEN);
    assert_eq!(gate.metric("responses_total{conduit=\"pump\",outcome=\"unsolicited\",protocol=\"modbus\"}"), 1);
    gate.stop();
}

#[test]
fn a_device_that_hangs_up_is_told_and_met_again() {
    let (_site, device, gate) = plain(|_| {});
    let mut peer = Peer::plain(&gate);
    device.answers(Answers::HangsUp);
    assert_eq!(peer.ask(&WRITE), [0x86, 0x0a], "its fate is unknown, and said so");
    device.answers(Answers::Truly);
    wait("the device is met again", || peer.ask(&READ) == SEVEN);
    assert_eq!(device.writes(), ["010600280009"], "once");
    assert!(device.connections() >= 2);
    gate.stop();
}

#[test]
fn a_device_that_is_not_there_is_told_at_once() {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::plain(&device, ALLOW);
    config.upstream = format!("\"127.0.0.1:{}\"", crate::gate::free_port());
    let gate = Gate::start(&site, &config);
    let mut peer = Peer::plain(&gate);
    assert_eq!(peer.ask(&READ), [0x83, 0x0a]);
    assert_eq!(peer.ask(&ELSEWHERE), [0x86, 2], "a refusal does not need a device");
    assert_eq!(gate.metric("upstream_up{conduit=\"pump\"}"), 0);
    gate.stop();
}

/// The second address is there for when the first one is not.
#[test]
fn the_next_address_is_dialled_when_the_first_is_not_there() {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::plain(&device, ALLOW);
    config.upstream = format!("[\"127.0.0.1:{}\", \"{}\"]", crate::gate::free_port(), device.address);
    let gate = Gate::start(&site, &config);
    let mut peer = Peer::plain(&gate);
    wait("the second address serves", || peer.ask(&READ) == SEVEN);
    gate.stop();
}

#[test]
fn device_connections_are_shared_or_one_for_each() {
    for (mode, due) in [("shared", 1), ("per-session", 3)] {
        let (_site, device, gate) = plain(|config| config.conduit = format!("upstream_mode = \"{mode}\""));
        let mut peers: Vec<_> = (0..3).map(|_| Peer::plain(&gate)).collect();
        assert_eq!(device.connections(), 0, "the device is dialled for the first message, not before");
        for peer in &mut peers {
            assert_eq!(peer.ask(&READ), SEVEN);
        }
        assert_eq!(device.connections(), due, "{mode}");
        gate.stop();
    }
}

/// GEN-06: whoever begins a message and does not finish it is not waited for longer than the frame's deadline.
#[test]
fn half_a_message_ends_the_session() {
    let (site, device, gate) = plain(|config| config.defaults = "frame_timeout = \"500ms\"".into());
    let mut other = Peer::plain(&gate);
    let mut peer = Peer::plain(&gate);
    peer.send(&frame(1, 1, &WRITE)[..9]);
    assert_eq!(other.ask(&READ), SEVEN, "others are served meanwhile");
    assert_eq!(peer.until_closed(), b"");
    site.record_with(&[("event", "session_closed"), ("cause", "frame_timeout")]);
    assert_eq!(device.writes(), Vec::<String>::new());
    gate.stop();
}

#[test]
fn a_flood_of_refusals_is_slowed_or_severed() {
    for (flood, severs) in [("sever", true), ("slow", false)] {
        let (site, device, gate) = plain(|config| {
            config.limits = format!("refusals = \"1/h burst 3\"\non_refusal_flood = \"{flood}\"");
        });
        let mut peer = Peer::plain(&gate);
        for _ in 0..3 {
            assert_eq!(peer.ask(&ELSEWHERE), [0x86, 2]);
        }
        let fourth = peer.try_ask(&ELSEWHERE);
        if severs {
            let _ = fourth.expect_err("no fourth answer");
            site.record_with(&[("event", "session_closed"), ("cause", "refusal_flood")]);
        } else {
            assert_eq!(fourth.expect("slow, but an answer"), [0x86, 2]);
            assert_eq!(peer.ask(&READ), SEVEN, "what is allowed is untouched");
        }
        assert_eq!(device.writes(), Vec::<String>::new());
        gate.stop();
    }
}

/// `when` and `step` read the device first, with one request of the gate's own, on that point only.
#[test]
fn a_condition_is_read_before_the_write() {
    let (site, device, gate) = plain(|config| {
        config.allow = vec!["hmi write holding 40 = 0..1500 when holding 20 = 1".into()];
    });
    device.set_holding(20, 0);
    let mut peer = Peer::plain(&gate);
    assert_eq!(peer.ask(&WRITE), [0x86, 6], "it passes by itself: later, perhaps");
    assert_eq!(device.texts(), ["010300140001"]);
    site.record_with(&[("event", "denied"), ("reason", "condition_not_met")]);
    device.set_holding(20, 1);
    // What was read is good for a while (`step_age`); then it is read again.
    wait("the condition is seen to hold", || {
        std::thread::sleep(Duration::from_millis(200));
        peer.ask(&WRITE) == WRITE
    });
    assert_eq!(device.writes(), ["010600280009"]);
    gate.stop();
}

#[test]
fn a_durable_write_leaves_after_its_record() {
    let (site, device, gate) = plain(|config| config.more = "[audit]\ndurable = \"writes\"\n".into());
    let mut peer = Peer::plain(&gate);
    for _ in 0..5 {
        assert_eq!(peer.ask(&WRITE), WRITE);
        // Its answer is here, so it was at the device, so its record is on disk: no waiting.
        let on_disk = site.audit().iter().filter(|one| one["event"] == "allowed").count();
        assert_eq!(on_disk, device.writes().len());
    }
    gate.stop();
}

/// Two conduits behind one listener: the server name says which, and a name of neither is nobody's.
#[test]
fn the_server_name_chooses_the_conduit() {
    let (site, pump, valve) = (Site::new(), Device::start(), Device::start());
    pki_names(&site);
    let mut config = Config::tls(&pump, ALLOW);
    config.conduit = "sni = \"pump\"".into();
    config.more = format!(
        "[conduits.valve]\nfrom = \"ops\"\nto = \"cell\"\nlistener = \"ot\"\nsni = \"valve\"\nupstream = \"{}\"\n\
         protocol = \"modbus\"\n[conduits.valve.modbus]\nunits = [1]\nallow = [\"onlooker read holding 0-9\"]\n",
        valve.address
    );
    let text = config.text().replace("pki/gate.", "pki/both.").replace("\"dns:gate\"", "\"dns:pump\", \"dns:valve\"");
    let gate = Gate::try_start(&site, &text, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
    let peer = |name: &str, sni: &str| {
        Peer::with(gate.address(), tls_config(&site, Some((&site.crt(name), &site.key(name)))), sni)
    };
    assert_eq!(peer("scada", "pump").ask(&READ), SEVEN);
    assert_eq!(peer("viewer", "valve").ask(&READ), SEVEN);
    assert_eq!(peer("viewer", "pump").ask(&READ), [0x83, 1], "who may read there may not read here");
    assert_eq!(peer("scada", "valve").ask(&READ), [0x83, 1]);
    let _ = peer("scada", "drain").try_ask(&READ).expect_err("a name of nobody");
    assert_eq!((pump.seen().len(), valve.seen().len()), (1, 1));
    gate.stop();
}

fn pki_names(site: &Site) {
    let mut both = Site::names("both", true);
    both.dnss = ["pump", "valve", "drain"].map(str::to_owned).to_vec();
    sluicegate::pki::issue(&site.pki(), Some("plant"), &both).expect("issued");
}
