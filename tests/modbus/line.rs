//! Twenty slaves behind one address, one of them dead; and what is said to all of them at once.

use std::time::Duration;

use super::{Bed, READ, SEVEN, SOON, WRITE};
use crate::gate::{Answers, Config, Peer, Wire, frame, wait};

const RULES: &[&str] = &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"];
const TWENTY: &str = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20";

fn twenty(config: &mut Config) {
    config.units = TWENTY.into();
    config.defaults = SOON.into();
}

/// How often unit 7 was asked, at the device's socket.
fn asked_7(bed: &Bed) -> usize {
    bed.device.texts().iter().filter(|text| text.starts_with("07")).count()
}

#[test]
fn a_dead_slave_holds_up_nobody_and_is_probed_until_it_answers() {
    for back in [Wire::Tcp, Wire::Rtu] {
        let bed = Bed::framed(Wire::Tcp, back, RULES, twenty);
        bed.device.answers(Answers::SilentFor(vec![7]));
        let mut client = bed.client();
        for time in 1..=3 {
            assert_eq!(client.try_ask(7, &READ).expect("an answer"), [0x83, 0x0B]);
            assert_eq!(asked_7(&bed), time);
        }
        bed.site.record("the news", |one| {
            one["event"] == "alarm"
                && one["note"].as_str().is_some_and(|note| note.starts_with("unit 7 does not answer"))
        });
        // From now on its requests are answered without it, and the others have the line for themselves.
        for _ in 0..5 {
            assert_eq!(client.try_ask(7, &READ).expect("an answer"), [0x83, 0x0B]);
            assert_eq!(client.try_ask(7, &WRITE).expect("an answer"), [0x86, 0x0B]);
            for unit in (1..=20).filter(|unit| *unit != 7) {
                assert_eq!(client.try_ask(unit, &READ).expect("an answer"), SEVEN, "unit {unit}");
            }
        }
        let record = bed.site.record_with(&[("event", "denied"), ("reason", "request_timeout")]);
        assert!(record["deeds"][0].as_str().is_some_and(|deed| deed.contains("unit 7")), "{record}");
        // One probe goes out when five seconds are over, with the next request that comes.
        let before = asked_7(&bed);
        wait("a probe", || {
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(client.try_ask(7, &READ).expect("an answer"), [0x83, 0x0B]);
            asked_7(&bed) > before
        });
        assert_eq!(asked_7(&bed), before + 1);
        // It is mended: the next probe finds it, and then it is a slave like the others.
        bed.device.answers(Answers::Truly);
        wait("it is alive again", || {
            std::thread::sleep(Duration::from_millis(100));
            client.try_ask(7, &READ).expect("an answer") == SEVEN
        });
        for _ in 0..3 {
            assert_eq!(client.try_ask(7, &WRITE).expect("an answer"), WRITE);
        }
        bed.site.record("the good news", |one| one["note"] == "unit 7 answers again");
        bed.gate.stop();
    }
}

/// Monitor mode answers nothing of its own: every request goes out, however long the unit was silent.
#[test]
fn in_monitor_mode_a_dead_slave_is_asked_every_time() {
    let bed = Bed::new(RULES, |config| {
        twenty(config);
        config.defaults = "request_timeout = \"200ms\"".into();
        config.conduit = "mode = \"monitor\"".into();
    });
    bed.device.answers(Answers::SilentFor(vec![7]));
    let mut client = bed.client();
    for time in 1..=6 {
        assert_eq!(client.try_ask(7, &READ).expect("an answer"), [0x83, 0x0B]);
        assert_eq!(asked_7(&bed), time);
    }
    assert_eq!(client.try_ask(8, &READ).expect("an answer"), SEVEN);
    bed.gate.stop();
}

/// MB-15: unit 0 of a serial line is everybody. A write reaches the line, nobody answers it and nobody waits.
#[test]
fn mb_15_a_broadcast_is_written_to_all_and_answered_by_none() {
    for (front, back) in [(Wire::Tcp, Wire::Tcp), (Wire::Tcp, Wire::Rtu), (Wire::Rtu, Wire::Rtu)] {
        let bed = Bed::framed(front, back, RULES, |config| {
            config.units = "0, 1, 2".into();
            config.modbus += "\nunit0 = \"broadcast\"";
        });
        bed.device.answers(Answers::SilentFor(vec![0]));
        let mut peer = Peer::plain(&bed.gate);
        let say = |unit, pdu: &[u8]| match front {
            // Each request its own id.
            Wire::Tcp => frame(u16::from(unit) << 8 | u16::from(pdu[0] & 0x7f), unit, pdu),
            Wire::Rtu => crate::gate::rtu(unit, pdu),
        };
        peer.send(&[say(0, &WRITE), say(1, &[3, 0, 40, 0, 1])].concat());
        let answer = say(1, &[3, 2, 0, 9]);
        assert_eq!(peer.exactly(answer.len()).expect("an answer"), answer, "the read's answer is the first");
        assert_eq!(bed.device.texts(), ["000600280009", "010300280001"]);
        let record = bed.site.record_with(&[("event", "allowed")]);
        assert_eq!(record["deeds"][0], "scada write holding 40 unit 0 = 9 via 6");
        // What the policy refuses leaves nothing. MBAP tells why; on a serial line nobody answers unit 0.
        peer.send(&[say(0, &[6, 0, 41, 0, 9]), say(0, &READ), say(1, &READ)].concat());
        let refused = if front == Wire::Tcp { [say(0, &[0x86, 2]), say(0, &[0x83, 1])].concat() } else { Vec::new() };
        let due = [refused, say(1, &SEVEN)].concat();
        assert_eq!(peer.exactly(due.len()).expect("answers"), due);
        assert_eq!(bed.device.texts().len(), 3, "neither the write nor a read to everybody");
        assert_eq!(bed.denials("unit_not_allowed"), 1, "a read to everybody has nobody to answer it");
        bed.gate.stop();
    }
}

/// GEN-08: a slave that answers a broadcast all the same is heard by nobody.
#[test]
fn gen_08_an_answer_to_a_broadcast_is_nobodys() {
    let bed = Bed::new(RULES, |config| {
        config.units = "0, 1".into();
        config.modbus += "\nunit0 = \"broadcast\"";
    });
    let mut peer = Peer::plain(&bed.gate);
    peer.send(&[frame(1, 0, &WRITE), frame(2, 1, &READ)].concat());
    assert_eq!(peer.answer().expect("an answer"), frame(2, 1, &SEVEN));
    assert_eq!(bed.responses("unsolicited"), 1);
    assert_eq!(peer.ask(&READ), SEVEN);
    bed.gate.stop();
}

/// A step rule judges what each unit holds. A broadcast changes it for all, so none of it is known any more.
#[test]
fn gen_13_a_broadcast_makes_every_units_value_unknown() {
    let rules =
        ["hmi read holding 0-99", "hmi write holding 40 unit 1, 2 step 10 up or to 0", "hmi write holding 40 unit 0"];
    let bed = Bed::new(&rules, |config| {
        config.units = "0, 1, 2".into();
        config.modbus += "\nunit0 = \"broadcast\"";
    });
    bed.device.answers(Answers::SilentFor(vec![0]));
    let mut peer = Peer::plain(&bed.gate);
    assert_eq!(peer.ask(&[3, 0, 40, 0, 1]), [3, 2, 0, 40], "it holds 40");
    // All of them are set to 100: from there 110 is a step of 10, from what was seen before it would be one of 70.
    peer.send(&frame(9, 0, &[6, 0, 40, 0, 100]));
    assert_eq!(peer.ask(&[6, 0, 40, 0, 111]), [0x86, 3]);
    assert_eq!(peer.ask(&[6, 0, 40, 0, 110]), [6, 0, 40, 0, 110]);
    let texts = bed.device.texts();
    assert_eq!(texts[..3], ["010300280001", "000600280064", "010300280001"], "read again before the step is judged");
    bed.gate.stop();
}

/// Over TCP a device answers to 0 and to 255 as to its own unit. What is written under one name is not known any more
/// under the others, or a climb under one of them would be a leap under the next.
#[test]
fn gen_13_what_is_written_under_one_name_of_a_device_is_unknown_under_the_others() {
    let rules = ["hmi read holding 0-99", "hmi write holding 40 step 10 or to 0"];
    for (one, other) in [(255, 1), (1, 255), (0, 1), (1, 0), (0, 255)] {
        let bed = Bed::new(&rules, |config| {
            config.units = "0, 1, 255".into();
            config.modbus += "\nunit0 = \"device\"";
        });
        let mut client = bed.client();
        assert_eq!(client.try_ask(one, &[3, 0, 40, 0, 1]).expect("an answer"), [3, 2, 0, 40]);
        let up = [6, 0, 40, 0, 50];
        assert_eq!(client.try_ask(other, &up).expect("an answer"), up);
        let before = bed.device.texts().len();
        let answer = client.try_ask(one, &[6, 0, 40, 0, 60]).expect("an answer");
        let asked = bed.device.texts()[before].clone();
        assert_eq!(asked, format!("{one:02x}0300280001"), "unit {one}: read again after the write to unit {other}");
        assert_eq!(answer, [6, 0, 40, 0, 60], "the device holds 50");
        bed.gate.stop();
    }
}

/// A restart, and a function that nobody understands, may change any value of the unit.
#[test]
fn gen_13_after_what_may_change_anything_a_step_is_judged_by_a_new_read() {
    let rules = [
        "hmi read holding 0-99",
        "hmi write holding 40 step 10",
        "hmi program function 90",
        "hmi diagnose diagnostic 0-1",
    ];
    for (unsettling, reads) in [(&[0x5A, 0, 1][..], 1), (&[8, 0, 1, 0, 0][..], 1), (&[8, 0, 0, 0, 7][..], 0)] {
        let bed = Bed::new(&rules, |_| ());
        let mut client = bed.client();
        assert_eq!(client.try_ask(1, &[3, 0, 40, 0, 1]).expect("an answer"), [3, 2, 0, 40]);
        let _any = client.try_ask(1, unsettling).expect("an answer");
        let before = bed.device.texts().len();
        let write = [6, 0, 40, 0, 41];
        assert_eq!(client.try_ask(1, &write).expect("an answer"), write);
        assert_eq!(bed.device.texts().len() - before, 1 + reads, "after {unsettling:02x?}");
        bed.gate.stop();
    }
}
