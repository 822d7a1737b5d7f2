//! Each key of `[conduits.X.modbus]`: used, refused, attacked.

use sluicegate::pki;

use super::{ALL, Bed, READ, SEVEN, WRITE, hex, text};
use crate::gate::{Answers, Config, Device, Gate, Peer, Site, frame, wait};

/// MB-16: a client that knows only unit 255 reaches unit 1. Rules, record and metrics see unit 1; the client sees 255.
#[test]
fn mb_16_unit_map_is_applied_first_and_undone_last() {
    let rules = ["hmi read holding 0-99 unit 1", "hmi write holding 40 unit 1 = 0..1500"];
    let bed = Bed::new(&rules, |config| config.modbus += "\nunit_map = { 255 = 1 }");
    let mut client = bed.client();
    assert_eq!(client.try_ask(255, &READ).expect("an answer"), SEVEN);
    assert_eq!(client.try_ask(255, &WRITE).expect("an answer"), WRITE);
    assert_eq!(client.try_ask(1, &READ).expect("an answer"), SEVEN, "its own name still holds");
    assert_eq!(bed.device.texts(), ["010300070001", "010600280009", "010300070001"], "the device hears its own unit");
    // Refused: the exception names the unit that the client named, the record the one behind the conduit.
    assert_eq!(client.try_ask(255, &[6, 0, 41, 0, 9]).expect("an answer"), [0x86, 2]);
    let record = bed.site.record_with(&[("event", "denied"), ("reason", "address_not_allowed")]);
    assert_eq!(record["deeds"][0], "scada write holding 41 unit 1 = 9 via 6");
    let allowed = bed.site.record_with(&[("event", "allowed")]);
    assert_eq!(allowed["deeds"][0], "scada write holding 40 unit 1 = 9 via 6");
    // 254 is mapped to nothing, and no unit of this conduit.
    assert_eq!(client.try_ask(254, &READ).expect("an answer"), [0x83, 1]);
    // The device's exception and its silence come back under 255 too.
    bed.lies(|request| frame(u16::from_be_bytes([request[0], request[1]]), 1, &[0x83, 6]));
    assert_eq!(client.try_ask(255, &READ).expect("an answer"), [0x83, 6]);
    // A device that answers for 255 answers for nobody that was asked.
    bed.lies(|request| frame(u16::from_be_bytes([request[0], request[1]]), 255, &SEVEN));
    assert_eq!(client.try_ask(255, &READ).expect("an answer"), [0x83, 0x0B]);
    assert_eq!(bed.responses("malformed"), 1);
    bed.gate.stop();
}

/// MB-15, MB-16: units 0 and 255 are units like others, and refused unless they are listed.
#[test]
fn mb_15_units_0_and_255_are_refused_unless_listed() {
    let bed = Bed::new(ALL, |_| {});
    for unit in [0, 255, 2, 247] {
        for pdu in [&READ, &WRITE] {
            assert_eq!(bed.client().try_ask(unit, pdu).expect("an answer"), [pdu[0] | 0x80, 1], "unit {unit}");
        }
    }
    assert_eq!(bed.denials("unit_not_allowed"), 8);
    assert_eq!(bed.device.bytes(), 0);
    bed.gate.stop();

    let native = Bed::new(ALL, |config| {
        config.units = "0, 255".into();
        config.modbus += "\nunit0 = \"device\"";
    });
    for unit in [0, 255] {
        assert_eq!(native.client().try_ask(unit, &READ).expect("an answer"), SEVEN, "unit {unit}");
        assert_eq!(native.client().try_ask(unit, &WRITE).expect("an answer"), WRITE, "unit {unit}");
    }
    assert_eq!(native.device.texts(), ["000300070001", "000600280009", "ff0300070001", "ff0600280009"]);
    native.gate.stop();
}

#[test]
fn a_read_outside_its_addresses_gets_what_read_refusal_says() {
    for (key, code) in
        [("", 2), ("\nread_refusal = \"02\"", 2), ("\nread_refusal = \"01\"", 1), ("\nread_refusal = \"06\"", 6)]
    {
        let bed = Bed::new(ALL, |config| config.modbus += key);
        let mut client = bed.client();
        for read in [hex("03 00c8 0001"), hex("01 00c8 0001"), hex("02 00c8 0001"), hex("04 00c8 0001"), hex("18 00c8")]
        {
            assert_eq!(client.ask(&read), [read[0] | 0x80, code], "{key} {read:02x?}");
        }
        // Only reads, and only for their address.
        assert_eq!(client.ask(&[6, 0, 200, 0, 1]), [0x86, 2], "{key}");
        assert_eq!(client.ask(&[6, 0, 40, 0x7f, 0xff]), [0x86, 3], "{key}");
        // What can never be read is the standard's own 02, whatever the conduit says.
        assert_eq!(client.ask(&[3, 0xff, 0xf0, 0, 0x20]), [0x83, 2], "{key}");
        assert_eq!(bed.device.bytes(), 0);
        bed.gate.stop();
    }
}

/// Where roles come only from certificates, a refusal says as little as the security profile wants.
#[test]
fn role_refusal_follows_where_the_roles_come_from() {
    for (key, address, value) in
        [("", 1, 1), ("role_refusal = \"by-reason\"", 2, 3), ("role_refusal = \"01-only\"", 1, 1)]
    {
        let (site, device) = (Site::new(), Device::start());
        let mut request = Site::names("viewer", false);
        (request.name, request.role) = ("op".into(), Some("Operator".into()));
        pki::issue(&site.pki(), Some("plant"), &request).expect("issued");
        let mut config = Config::tls(&device, &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"]);
        config.hmi = "modbus_role = \"Operator\"".into();
        config.modbus = key.into();
        // `scada` has the role from nobody but its certificate, as everybody here.
        let text =
            config.text().replace("roles = [\"hmi\"]", "roles = []").replace("roles = [\"onlooker\"]", "roles = []");
        let gate = Gate::try_start(&site, &text, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
        let mut op = Peer::tls(&gate, &site, "op");
        assert_eq!(op.ask(&READ), SEVEN, "{key}");
        assert_eq!(op.ask(&WRITE), WRITE, "{key}");
        assert_eq!(op.ask(&[3, 0, 200, 0, 1]), [0x83, address], "{key}");
        assert_eq!(op.ask(&[6, 0, 200, 0, 1]), [0x86, address], "{key}");
        assert_eq!(op.ask(&[6, 0, 40, 0x7f, 0xff]), [0x86, value], "{key}");
        // Without a role everything is 01; framing and what no function carries are no verdict of the policy.
        assert_eq!(Peer::tls(&gate, &site, "scada").ask(&READ), [0x83, 1], "{key}");
        assert_eq!(op.ask(&[3, 0, 0, 0, 126]), [0x83, 3], "{key}");
        device.answers(Answers::HangsUp);
        assert_eq!(op.ask(&READ), [0x83, 0x0A], "{key}");
        assert_eq!(device.texts(), ["010300070001", "010600280009", "010300070001"]);
        gate.stop();
    }
}

/// MB-10: two requests under one id. By default the second is silence; with `queue` it has its turn after the other's answer.
#[test]
fn mb_10_a_request_whose_id_is_in_flight_is_dropped_or_waits() {
    for queue in [false, true] {
        let bed = Bed::new(ALL, |config| {
            if queue {
                config.modbus += "\nduplicate_tid = \"queue\"";
            }
        });
        let mut peer = Peer::plain(&bed.gate);
        bed.device.answers(Answers::Later);
        let twice = [frame(7, 1, &READ), frame(7, 1, &[3, 0, 8, 0, 1]), frame(8, 1, &[3, 0, 9, 0, 1])].concat();
        peer.send(&twice);
        wait("the first at the device", || !bed.device.seen().is_empty());
        // Read by the gate, or waiting behind what is: when the answers come, all three were there.
        std::thread::sleep(std::time::Duration::from_millis(100));
        bed.device.answers(Answers::Truly);
        assert_eq!(peer.answer().expect("an answer"), frame(7, 1, &SEVEN));
        if queue {
            assert_eq!(peer.answer().expect("an answer"), frame(7, 1, &[3, 2, 0, 8]));
        }
        assert_eq!(peer.answer().expect("an answer"), frame(8, 1, &[3, 2, 0, 9]));
        let due: &[&str] =
            if queue { &["010300070001", "010300080001", "010300090001"] } else { &["010300070001", "010300090001"] };
        assert_eq!(bed.device.texts(), due);
        assert_eq!(bed.denials("duplicate_id"), u64::from(!queue));
        bed.gate.stop();
    }
}

/// A thousand requests under one id: each has its turn where they queue, and the queue holds no more than it may.
#[test]
fn mb_10_queued_duplicates_are_bounded_and_keep_their_order() {
    let bed = Bed::new(ALL, |config| config.modbus += "\nduplicate_tid = \"queue\"");
    let mut peer = Peer::plain(&bed.gate);
    let requests: Vec<u8> = (0..1000_u16).flat_map(|n| frame(7, 1, &[3, 0, (n % 100) as u8, 0, 1])).collect();
    peer.send(&requests);
    for n in 0..1000_u16 {
        assert_eq!(peer.answer().expect("an answer"), frame(7, 1, &[3, 2, 0, (n % 100) as u8]), "{n}");
    }
    assert_eq!(bed.device.seen().len(), 1000);
    assert_eq!(bed.denials("duplicate_id"), 0);
    bed.gate.stop();
}

#[test]
fn pad_bits_are_cleared_and_counted_or_refused() {
    let dirty = hex("0f 0000 0003 01 fd");
    let bed = Bed::new(ALL, |_| {});
    assert_eq!(text(&bed.client().ask(&dirty)), "0f00000003");
    assert_eq!(bed.device.texts(), ["010f000000030105"], "cleared on the way");
    assert_eq!(bed.repairs("request_padding"), 1);
    bed.lies(|request| frame(u16::from_be_bytes([request[0], request[1]]), 1, &[1, 1, 0xfd]));
    assert_eq!(bed.client().ask(&[1, 0, 0, 0, 3]), [1, 1, 5], "and on the way back");
    assert_eq!(bed.repairs("response_padding"), 1);
    bed.gate.stop();

    let strict = Bed::new(ALL, |config| config.modbus += "\nstrict_padding = true");
    assert_eq!(strict.client().ask(&dirty), [0x8f, 1]);
    assert_eq!(strict.denials("not_canonical"), 1);
    assert_eq!(strict.device.bytes(), 0);
    assert_eq!(text(&strict.client().ask(&hex("0f 0000 0003 01 05"))), "0f00000003");
    assert_eq!(strict.repairs("request_padding"), 0);
    strict.gate.stop();
}

/// MB-17: listen-only silences the device, so nobody answers it and nobody waits. MB-18: others of function 8 need their number.
#[test]
fn mb_17_listen_only_is_not_waited_for() {
    let rules = ["hmi read holding 0-99", "hmi diagnose diagnostic 4", "hmi diagnose diagnostic 0"];
    let bed = Bed::new(&rules, |_| {});
    let mut peer = Peer::plain(&bed.gate);
    bed.device.answers(Answers::SilentFor(vec![1]));
    peer.send(&frame(1, 1, &[8, 0, 4, 0, 0]));
    wait("it is at the device", || bed.device.texts() == ["010800040000"]);
    bed.device.answers(Answers::Truly);
    peer.send(&frame(2, 1, &READ));
    assert_eq!(peer.answer().expect("an answer"), frame(2, 1, &SEVEN), "nothing for the first, and no waiting");
    // A device that answers all the same answers nothing.
    peer.send(&[frame(3, 1, &[8, 0, 4, 0, 0]), frame(4, 1, &READ)].concat());
    assert_eq!(peer.answer().expect("an answer"), frame(4, 1, &SEVEN));
    assert_eq!(bed.responses("unsolicited"), 1);
    for sub in [1, 2, 3, 10, 11, 18, 20] {
        assert_eq!(peer.ask(&[8, 0, sub, 0, 0]), [0x88, 1], "sub-function {sub}");
    }
    // What the standard reserves is nobody's to allow; data that a sub-function does not carry is no value of it.
    assert_eq!(peer.ask(&[8, 0, 5, 0, 0]), [0x88, 1]);
    assert_eq!(peer.ask(&[8, 0, 4, 0, 1]), [0x88, 3]);
    assert_eq!(bed.device.writes(), ["010800040000", "010800040000"]);
    bed.gate.stop();
}

/// MB-19, MB-20, MB-21, GEN-10: 43 by its sub-code and by the code of its list; what is not understood only by its number.
#[test]
fn mb_19_encapsulated_and_opaque_functions_pass_only_by_name() {
    let rules = ["hmi identify device-id 1-2", "hmi program function 90", "hmi program function 43/13"];
    let bed = Bed::new(&rules, |_| {});
    let mut client = bed.client();
    assert_eq!(client.ask(&hex("2b 0e 01 00"))[..3], hex("2b 0e 01"));
    assert_eq!(client.ask(&hex("2b 0e 03 00")), [0xab, 1], "another list");
    assert_eq!(client.ask(&hex("2b 0e 05 00")), [0xab, 3], "no list of the standard");
    bed.lies(|request| frame(u16::from_be_bytes([request[0], request[1]]), 1, &request[7..]));
    assert_eq!(client.ask(&hex("5a 0002")), hex("5a 0002"));
    assert_eq!(client.ask(&hex("2b 0d 0100")), hex("2b 0d 0100"));
    for other in ["5b 0002", "7e 00", "41 00", "6e 00", "2b 0f 00", "09 00", "13 00"] {
        let pdu = hex(other);
        assert_eq!(client.ask(&pdu), [pdu[0] | 0x80, 1], "{other}");
    }
    assert_eq!(bed.device.texts(), ["012b0e0100", "015a0002", "012b0d0100"]);
    bed.gate.stop();
}

/// `explain` and `who-can` speak of every object, name the unit behind the conduit, and know what nobody can answer.
#[test]
fn explain_and_who_can_know_every_object_unit_and_broadcast() {
    use sluicegate::explain::{explain, who_can};
    let (site, device) = (Site::new(), Device::start());
    let rules = [ALL, &["hmi program function 90", "hmi diagnose diagnostic 4"]].concat();
    let mut config = Config::plain(&device, &rules);
    config.units = "0, 1".into();
    config.modbus = "unit0 = \"broadcast\"\nunit_map = { 255 = 1 }\nread_refusal = \"06\"".into();
    let file = site.write_config(&config.text());
    let plan = sluicegate_config::load(&file).unwrap_or_else(|found| panic!("{found:?}")).site;
    let told = |sentence: &str| explain(&plan, "pump", "scada", sentence).map(|found| (found.passes(), found.reason()));
    for sentence in [
        "read coil 0-15 unit 1",
        "diagnose exception-status unit 1",
        "diagnose diagnostic 0 unit 1",
        "diagnose diagnostic 4 unit 1",
        "diagnose event-counter unit 1",
        "diagnose event-log unit 1",
        "identify server-id unit 1",
        "identify device-id 1 unit 1",
        "read file 4:0-9 unit 1",
        "write file 4:0 unit 1 = 7",
        "read fifo 10 unit 1",
        "program function 90 unit 1",
        "write holding 40 unit 0 = 7",
    ] {
        assert_eq!(told(sentence).unwrap_or_else(|fault| panic!("{sentence}: {fault}")), (true, None), "{sentence}");
        let all = who_can(&plan, sentence).expect("somebody");
        assert!(all.iter().any(|one| one.identity == "scada" && one.may()), "{sentence}");
    }
    let reason = |sentence: &str| told(sentence).expect("a verdict").1.map(sluicegate_proto::vocab::Reason::as_str);
    assert_eq!(reason("diagnose diagnostic 1 unit 1"), Some("function_not_allowed"));
    assert_eq!(reason("read file 5:0 unit 1"), Some("address_not_allowed"));
    assert_eq!(reason("read fifo 11 unit 1"), Some("address_not_allowed"));
    assert_eq!(reason("program function 91 unit 1"), Some("function_not_allowed"));
    assert_eq!(reason("read holding 0 unit 255"), Some("unit_not_allowed"));
    let shown = format!("{:?}", explain(&plan, "pump", "scada", "read holding 0 unit 255").expect("a verdict"));
    assert!(shown.contains("ask for unit 1"), "{shown}");
    for asks in ["read holding 0 unit 0", "diagnose diagnostic 4 unit 0"] {
        let fault = told(asks).expect_err("nobody answers for all").to_string();
        assert!(fault.contains("nobody answers for all"), "{fault}");
    }
    let shown = format!("{:?}", explain(&plan, "pump", "scada", "read holding 200 unit 1").expect("a verdict"));
    assert!(shown.contains("code: 6"), "{shown}");
}
