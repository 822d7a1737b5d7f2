//! Would the gate have stopped what really happened?
//!
//! The incidents of the threat catalogue that are Modbus or IEC 104. The frames are ordinary, legal protocol actions; the policy is the least
//! that stops them. Judged at the device's socket.

use crate::{
    gate::{
        Config, Device, Gate, Peer, Site,
        station::{Centre, Manner, STARTDT, Station, TESTED, TESTFR, asdu},
        wait,
    },
    telecontrol::Rtu,
};

/// IR-02: Industroyer walks over a range of points with select and execute, and shifts and repeats it. The station hears
/// nothing of it, and the alarm is there within the first points.
#[test]
fn industroyer() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let allow = &["hmi read interrogation ca 1", "hmi control C_SC_NA_1 ca 1 ioa 100-110 = on select-first"];
    let gate = Rtu { limits: "targets = \"50/min\"", allow, ..Rtu::default() }.start(&site, &station);
    let mut malware = Centre::started(Peer::plain(&gate));
    for ioa in (1..=2000).filter(|ioa| !(100..=110).contains(ioa)) {
        for act in [0x81, 0x01] {
            let answer = malware.ask(&asdu(45, 6, 0, 1, ioa, &[act]));
            assert!(answer[4..6] == *"6f" || answer[4..6] == *"47", "{ioa}: {answer}");
        }
        malware.acknowledge();
    }
    assert!(station.asdus().is_empty(), "at the station: {:?}", station.asdus());
    // Its sequence mode opens what it was told: an execute without the select that this station's rule wants.
    assert!(malware.ask(&asdu(45, 6, 0, 1, 105, &[0x01])).starts_with("2d0147"));
    assert!(malware.ask(&asdu(46, 6, 0, 1, 105, &[0x02])).starts_with("2e016c"), "no rule has double commands");
    assert!(station.asdus().is_empty(), "at the station: {:?}", station.asdus());
    site.record_with(&[("event", "denied"), ("reason", "address_not_allowed")]);
    site.record_with(&[("event", "denied"), ("reason", "function_not_allowed")]);
    gate.stop();
}

/// IR-03: Industroyer2 tests, starts, interrogates, and switches forty breakers, while the real centre is there.
#[test]
fn industroyer_2() {
    let (site, station) = (Site::new(), Station::start(Manner::Confirms));
    let gate = Rtu { allow: &["hmi read interrogation ca 1"], ..Rtu::default() }.start(&site, &station);
    let real = Centre::started(Peer::plain(&gate));
    let mut malware = Centre::new(Peer::plain(&gate));
    malware.peer.send(&TESTFR);
    assert_eq!(malware.next(), TESTED);
    malware.peer.send(&STARTDT);
    malware.peer.until_closed();
    site.record_with(&[("event", "alarm"), ("reason", "session_conflict")]);
    // It kills the real client, and comes again.
    drop(real);
    wait("the real centre is gone", || station.connections().1 == 0);
    let mut malware = Centre::started(Peer::plain(&gate));
    assert!(malware.ask(&asdu(100, 6, 0, 1, 0, &[20])).starts_with("640107"), "it may look");
    while !malware.asdu().starts_with("64010a") {}
    malware.acknowledge();
    station.forget();
    for ioa in 1..=40u32 {
        let (kind, states) = if ioa % 2 == 0 { (45, [0u8, 1]) } else { (46, [1, 2]) };
        for state in states {
            let answer = malware.ask(&asdu(kind, 6, 0, 1, 1000 + ioa, &[state]));
            assert_eq!(answer[4..6], *"6c", "{answer}");
        }
        malware.acknowledge();
    }
    assert!(station.asdus().is_empty(), "at the station: {:?}", station.asdus());
    site.record_with(&[("event", "denied"), ("reason", "function_not_allowed"), ("identity", "scada")]);
    gate.stop();
}

/// IR-08: the set-point for lye went from 100 to 11100 ppm.
#[test]
fn oldsmar() {
    let (site, device) = (Site::new(), Device::start());
    device.set_holding(40, 100);
    let rules = ["hmi read holding 0-99", "hmi write holding 40 = 0..200 step 20 up or to 0"];
    let gate = Gate::start(&site, &Config::tls(&device, &rules));
    let mut hmi = Peer::tls(&gate, &site, "scada");

    // With either function the value is out of range.
    assert_eq!(hmi.ask(&[6, 0, 40, 0x2b, 0x5c]), [0x86, 3]);
    assert_eq!(hmi.ask(&[16, 0, 40, 0, 1, 2, 0x2b, 0x5c]), [0x90, 3]);
    // Hidden behind a read, or as a mask, it has no rule at all.
    assert_eq!(hmi.ask(&[23, 0, 0, 0, 1, 0, 40, 0, 1, 2, 0x2b, 0x5c]), [0x97, 1]);
    assert_eq!(hmi.ask(&[22, 0, 40, 0, 0, 0x2b, 0x5c]), [0x96, 1]);
    // In range, but at once: the device holds 100.
    assert_eq!(hmi.ask(&[6, 0, 40, 0, 200]), [0x86, 3]);
    assert_eq!(device.writes(), Vec::<String>::new(), "at the device");
    assert_eq!(device.holding(40), 100);

    // The operator's own step passes, and so does a decrease.
    assert_eq!(hmi.ask(&[6, 0, 40, 0, 120]), [6, 0, 40, 0, 120]);
    assert_eq!(hmi.ask(&[6, 0, 40, 0, 90]), [6, 0, 40, 0, 90]);
    assert_eq!(device.writes(), ["010600280078", "01060028005a"]);

    let record = site.record_with(&[("event", "denied"), ("reason", "value_not_allowed"), ("identity", "scada")]);
    let deed = record["deeds"][0].as_str().expect("a sentence");
    assert!(deed.contains("write holding 40") && deed.contains("11100"), "{record}");
    site.record_with(&[("event", "denied"), ("reason", "step_not_allowed")]);
    site.record_with(&[("event", "own_read"), ("origin", "gateway")]);
    gate.stop();
}

/// IR-01: heating controllers rewritten over Modbus from a host that was nobody.
#[test]
fn frosty_goop() {
    let (site, device) = (Site::new(), Device::start());
    let rules = ["any read holding 0-99", "hmi write holding 40 = 0..800"];
    let gate = Gate::start(&site, &Config::tls(&device, &rules));

    // From a host that was never enrolled: a sweep, then writes. There is no plaintext port, and no certificate.
    for pdu in [&[3, 0, 0, 0, 10][..], &[6, 0, 40, 0, 0], &[16, 0, 40, 0, 1, 2, 0, 0]] {
        let config = crate::gate::tls_config(&site, None);
        let mut nobody = Peer::with(gate.address(), config, "gate");
        let _ = nobody.try_ask(pdu).expect_err("no answer for a host without a certificate");
    }
    assert_eq!(device.bytes(), 0);
    site.record_with(&[("event", "handshake_failed"), ("cause", "certificate_missing")]);

    // Enrolled, but an onlooker: reads pass, writes do not.
    let mut viewer = Peer::tls(&gate, &site, "viewer");
    assert_eq!(viewer.ask(&[3, 0, 40, 0, 1]), [3, 2, 0, 40]);
    assert_eq!(viewer.ask(&[6, 0, 40, 0, 0]), [0x86, 1]);
    assert_eq!(viewer.ask(&[16, 0, 40, 0, 1, 2, 0, 0]), [0x90, 1]);
    site.record_with(&[("event", "denied"), ("reason", "identity_not_allowed"), ("identity", "viewer")]);

    // Enrolled as HMI: a value that makes the boilers report nonsense.
    let mut hmi = Peer::tls(&gate, &site, "scada");
    assert_eq!(hmi.ask(&[6, 0, 40, 0xff, 0xff]), [0x86, 3]);
    assert_eq!(hmi.ask(&[16, 0, 40, 0, 1, 2, 0x7f, 0xff]), [0x90, 3]);
    assert_eq!(device.writes(), Vec::<String>::new(), "at the device");

    gate.stop();
}

/// IR-01 again: a sweep over more points than anybody needs.
#[test]
fn a_sweep_ends_at_the_limit_of_points() {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::plain(&device, &["hmi read holding 0-9999"]);
    config.limits += "\ntargets = \"50/h\"";
    let gate = Gate::start(&site, &config);
    let mut peer = Peer::plain(&gate);
    let mut answers = Vec::new();
    for address in 0..200_u16 {
        let [high, low] = address.to_be_bytes();
        answers.push(peer.ask(&[3, high, low, 0, 1]));
    }
    let passed = answers.iter().filter(|answer| answer[0] == 3).count();
    assert!(answers.iter().all(|answer| answer[0] == 3 || *answer == [0x83, 6]), "an answer that passes by itself");
    // A bucket of 50 an hour gives at most one more while this test runs a minute.
    assert!((50..=52).contains(&passed), "{passed} points");
    assert_eq!(device.seen().len(), passed, "at the device");
    // What is known already is not a new point.
    assert_eq!(peer.ask(&[3, 0, 0, 0, 1]), [3, 2, 0, 0]);
    site.record_with(&[("event", "denied"), ("reason", "scan_limited")]);
    gate.stop();
}

/// Each step is small enough; together they would be the attack. `max` says how many there may be.
#[test]
fn a_creep_of_small_steps_is_stopped_by_max() {
    let (site, device) = (Site::new(), Device::start());
    device.set_holding(40, 100);
    let rules = ["hmi read holding 0-99", "hmi write holding 40 = 0..1500 step 20 up or to 0 max 3/h"];
    let gate = Gate::start(&site, &Config::plain(&device, &rules));
    let mut peer = Peer::plain(&gate);
    let mut passed = Vec::new();
    for value in (120..=500_u16).step_by(20) {
        let [high, low] = value.to_be_bytes();
        let answer = peer.ask(&[6, 0, 40, high, low]);
        if answer[0] == 6 {
            passed.push(value);
        } else {
            // After the last that passed, the next is too far as well: both refusals are right.
            assert!(answer == [0x86, 6] || answer == [0x86, 3], "{answer:02x?}");
        }
    }
    assert_eq!(passed, [120, 140, 160]);
    assert_eq!(device.writes(), ["010600280078", "01060028008c", "0106002800a0"]);
    assert_eq!(device.holding(40), 160);
    assert_eq!(peer.ask(&[6, 0, 40, 0, 170]), [0x86, 6], "a fourth small step passes the step, but not max");
    site.record_with(&[("event", "denied"), ("reason", "rate_limited")]);
    gate.stop();
}

/// The emergency stop leaves when nothing else does.
#[test]
fn an_emergency_write_leaves_over_a_full_bucket() {
    let (site, device) = (Site::new(), Device::start());
    let rules = ["hmi write holding 40 = 0..1500", "hmi write coil 7 = off always"];
    let mut config = Config::plain(&device, &rules);
    config.limits += "\nwrites = \"2/h burst 2\"";
    let gate = Gate::start(&site, &config);
    let mut peer = Peer::plain(&gate);
    for _ in 0..2 {
        assert_eq!(peer.ask(&[6, 0, 40, 0, 7]), [6, 0, 40, 0, 7]);
    }
    assert_eq!(peer.ask(&[6, 0, 40, 0, 7]), [0x86, 6], "the bucket is empty");
    assert_eq!(peer.ask(&[5, 0, 7, 0, 0]), [5, 0, 7, 0, 0], "the stop leaves");
    assert_eq!(peer.ask(&[5, 0, 7, 0xff, 0]), [0x85, 3], "its opposite does not");
    assert_eq!(device.writes(), ["010600280007", "010600280007", "010500070000"]);
    gate.stop();
}

/// The emergency stop leaves although the queue is full of reads: the device has not answered one yet.
#[test]
fn an_emergency_write_has_a_slot_of_its_own() {
    use crate::gate::{Answers, frame, wait};
    let (site, device) = (Site::new(), Device::start());
    let rules = ["hmi read holding 0-99", "hmi write coil 7 = off always"];
    let mut config = Config::plain(&device, &rules);
    config.conduit = "pending = 4\nmax_sessions = 4".into();
    let gate = Gate::start(&site, &config);
    device.answers(Answers::Later);
    let mut reads = Peer::plain(&gate);
    let mut stop = Peer::plain(&gate);
    for id in 1..=4 {
        reads.send(&frame(id, 1, &[3, 0, 0, 0, 1]));
    }
    wait("the first read at the device", || !device.seen().is_empty());
    stop.send(&frame(9, 1, &[5, 0, 7, 0, 0]));
    device.answers(Answers::Truly);
    assert_eq!(stop.answer().expect("an answer"), frame(9, 1, &[5, 0, 7, 0, 0]));
    for id in 1..=4 {
        assert_eq!(reads.answer().expect("an answer"), frame(id, 1, &[3, 2, 0, 0]));
    }
    assert_eq!(device.writes(), ["010500070000"]);
    gate.stop();
}
