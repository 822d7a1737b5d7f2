//! What the threat catalogue says of every protocol, where a socket can show it.

use std::{
    io::{ErrorKind, Write},
    time::Duration,
};

use super::{ALL, Bed, READ, SEVEN, SOON, WRITE, hex, text};
use crate::gate::{Answers, Config, Device, Gate, Peer, Site, frame};

/// GEN-02: allowed, denied, allowed in one TLS record: each judged alone, answered in order, the denied one on record alone.
#[test]
fn gen_02_each_frame_of_a_record_is_judged_alone() {
    let (site, device) = (Site::new(), Device::start());
    let gate = Gate::start(&site, &Config::tls(&device, ALL));
    let mut peer = Peer::tls(&gate, &site, "scada");
    let denied = [6, 0, 90, 0, 1];
    peer.send(&[frame(1, 1, &WRITE), frame(2, 1, &denied), frame(3, 1, &READ), frame(4, 1, &denied)].concat());
    for due in [frame(1, 1, &WRITE), frame(2, 1, &[0x86, 2]), frame(3, 1, &SEVEN), frame(4, 1, &[0x86, 2])] {
        assert_eq!(peer.answer().expect("an answer"), due);
    }
    assert_eq!(device.texts(), ["010600280009", "010300070001"]);
    site.record_with(&[("event", "denied")]);
    gate.stop();
    let (allowed, refused): (Vec<_>, Vec<_>) = site
        .audit()
        .into_iter()
        .filter(|one| one["event"] == "allowed" || one["event"] == "denied")
        .partition(|one| one["event"] == "allowed");
    let deeds = |records: &[serde_json::Value]| -> Vec<String> {
        records.iter().map(|one| one["deeds"][0].as_str().expect("a sentence").to_owned()).collect()
    };
    assert_eq!(deeds(&allowed), ["scada write holding 40 unit 1 = 9 via 6"]);
    assert_eq!(deeds(&refused), ["scada write holding 90 unit 1 = 1 via 6"; 2], "one record for each");
}

/// GEN-04: a length is believed only as far as a message can be long, and nothing is set aside for it before it is there.
#[test]
fn gen_04_a_claimed_length_costs_nothing() {
    let bed = Bed::new(ALL, |config| config.conduit = "max_sessions = 200".into());
    for length in [0_u16, 1, 255, 256, 0x7fff, 0xffff] {
        let mut peer = Peer::plain(&bed.gate);
        let [high, low] = length.to_be_bytes();
        let _ = peer.try_send(&[0, 1, 0, 0, high, low]);
        assert_eq!(peer.until_closed(), b"", "length {length} is severed before a seventh byte");
    }
    assert_eq!(bed.denials("length_mismatch"), 6);
    // The longest legal claim, by many: a header each, and nothing behind it.
    let claims = |count: usize| -> Vec<Peer> {
        let mut all: Vec<_> = (0..count).map(|_| Peer::plain(&bed.gate)).collect();
        all.iter_mut().for_each(|peer| peer.send(&[0, 1, 0, 0, 0, 254, 1, 16, 0, 40, 0, 123, 246]));
        assert_eq!(bed.client().ask(&READ), SEVEN, "all of them were read");
        all
    };
    drop(claims(100));
    crate::gate::wait("they are gone", || bed.gate.metric("sessions{conduit=\"pump\",kind=\"machine\"}") <= 1);
    let before = rss_kib(&bed.gate);
    let held = claims(100);
    let grown = rss_kib(&bed.gate).saturating_sub(before);
    assert!(grown <= 1024, "{grown} KiB for 100 claims of 254 bytes");
    drop(held);
    assert_eq!(bed.device.writes(), Vec::<String>::new());
    bed.gate.stop();
}

/// GEN-06: one byte now and then does not move the deadline of its message, and holds up nobody.
#[test]
fn gen_06_one_byte_now_and_then_ends_at_the_deadline_of_the_first() {
    let bed = Bed::new(ALL, |config| config.defaults = "frame_timeout = \"600ms\"".into());
    let (mut slow, mut other) = (Peer::plain(&bed.gate), bed.client());
    let mut sent = 0;
    for byte in frame(1, 1, &WRITE) {
        if slow.try_send(&[byte]).is_err() {
            break;
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(other.ask(&READ), SEVEN, "others are served meanwhile");
    }
    assert!(sent < 12, "the whole message took 2.4 s");
    assert_eq!(slow.until_closed(), b"");
    assert_eq!(bed.denials("frame_timeout"), 1);
    assert_eq!(bed.device.writes(), Vec::<String>::new());
    bed.gate.stop();
}

/// GEN-07: after a refusal in the middle of a stream the next message is the next message, or there is none.
#[test]
fn gen_07_what_follows_a_refusal_is_read_or_severed_never_searched() {
    for style in ["refuse", "drop", "close"] {
        let bed = Bed::new(ALL, |config| config.conduit = format!("on_deny = \"{style}\""));
        let mut peer = Peer::plain(&bed.gate);
        let denied = frame(2, 1, &[6, 0, 90, 0, 1]);
        // The denied one carries bytes that look like the start of a request: nobody looks for those.
        let bait = frame(3, 1, &[16, 0, 90, 0, 3, 6, 0, 9, 0, 0, 0, 6]);
        peer.send(&[denied, bait, frame(4, 1, &WRITE)].concat());
        match style {
            "refuse" => {
                assert_eq!(peer.answer().expect("an answer"), frame(2, 1, &[0x86, 2]));
                assert_eq!(peer.answer().expect("an answer"), frame(3, 1, &[0x90, 2]));
                assert_eq!(peer.answer().expect("an answer"), frame(4, 1, &WRITE));
            }
            "drop" => assert_eq!(peer.answer().expect("an answer"), frame(4, 1, &WRITE)),
            _ => assert_eq!(peer.until_closed(), b""),
        }
        let due: &[&str] = if style == "close" { &[] } else { &["010600280009"] };
        assert_eq!(bed.client().ask(&READ), SEVEN, "{style}: other sessions go on");
        assert_eq!(bed.device.writes(), due, "{style}");
        // Broken framing severs in every style.
        let mut peer = Peer::plain(&bed.gate);
        let _ = peer.try_send(&[&[0, 1, 0, 1, 0, 6, 1, 6, 0, 40, 0, 9][..], &frame(5, 1, &WRITE)].concat());
        assert_eq!(peer.until_closed(), b"", "{style}");
        assert_eq!(bed.client().ask(&READ), SEVEN);
        assert_eq!(bed.device.writes(), due, "{style}");
        bed.gate.stop();
    }
}

/// GEN-08, MB-11, MB-12, MB-13, MB-14: every lie of a device that speaks MBAP. None reaches a peer, and the next request has its
/// own answer.
#[test]
fn gen_08_no_lie_of_a_device_reaches_a_peer() {
    let bed = Bed::new(ALL, |config| config.defaults = SOON.into());
    let mut client = bed.client();
    let own = |request: &[u8]| u16::from_be_bytes([request[0], request[1]]);
    let lie = |id: u16, unit, pdu: &[u8]| frame(id, unit, pdu);
    type Make = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;
    let kinds: Vec<(&str, Make, u8)> = vec![
        ("another id", Box::new(move |r| lie(own(r) ^ 0x40, 1, &SEVEN)), 0x0B),
        ("another unit", Box::new(move |r| lie(own(r), 2, &SEVEN)), 0x0B),
        ("another function", Box::new(move |r| lie(own(r), 1, &[4, 2, 0, 7])), 0x0B),
        ("an exception of another function", Box::new(move |r| lie(own(r), 1, &[0x84, 2])), 0x0B),
        ("more registers", Box::new(move |r| lie(own(r), 1, &[3, 4, 0, 7, 0, 8])), 0x0B),
        ("fewer bytes than counted", Box::new(move |r| lie(own(r), 1, &[3, 4, 0, 7])), 0x0B),
        ("no count", Box::new(move |r| lie(own(r), 1, &[3])), 0x0B),
        ("a request", Box::new(<[u8]>::to_vec), 0x0B),
        ("an exception that goes on", Box::new(move |r| lie(own(r), 1, &[0x83, 2, 0])), 0x0B),
        ("a length of 255", Box::new(|r| [&r[..4], &[0, 255, 1, 3, 2, 0, 7]].concat()), 0x0A),
        ("another protocol id", Box::new(|r| [&r[..2], &[0, 1, 0, 5, 1, 3, 2, 0, 7]].concat()), 0x0A),
        ("nothing", Box::new(|_| Vec::new()), 0x0B),
    ];
    for (what, make, code) in kinds {
        bed.device.forget();
        bed.device.answers(Answers::Falsely(make.into()));
        assert_eq!(client.ask(&READ), [0x83, code], "{what}");
        bed.device.answers(Answers::Truly);
        crate::gate::wait(what, || client.ask(&[3, 0, 8, 0, 1]) == [3, 2, 0, 8]);
        assert_eq!(bed.device.texts().iter().filter(|text| *text == "010300070001").count(), 1, "{what}: asked once");
    }
    // An answer twice, and one to a request that was not made yet: under the id that comes next.
    for ahead in [0, 1, 2] {
        bed.lies(move |r| [lie(own(r), 1, &SEVEN), lie(own(r).wrapping_add(ahead), 1, &[3, 2, 0xde, 0xad])].concat());
        let before = bed.responses("unsolicited");
        assert_eq!(client.ask(&READ), SEVEN);
        bed.device.answers(Answers::Truly);
        assert_eq!(client.ask(&[3, 0, 8, 0, 1]), [3, 2, 0, 8], "{ahead} ahead");
        assert_eq!(bed.responses("unsolicited"), before + 1);
    }
    // A write that is acknowledged as another one.
    for ack in [&[6, 0, 40, 0, 8][..], &[6, 0, 41, 0, 9], &[6, 0, 40], &[16, 0, 40, 0, 1]] {
        let ack = ack.to_vec();
        bed.lies(move |r| lie(own(r), 1, &ack));
        assert_eq!(client.ask(&WRITE), [0x86, 0x0B]);
    }
    bed.site.record("an alarm", |one| one["event"] == "alarm" && one["reason"] == "response_mismatch");
    bed.gate.stop();
}

/// GEN-09: a device that asks, and a peer that answers, each in the middle of an honest exchange.
#[test]
fn gen_09_who_speaks_the_others_part_is_not_heard() {
    let bed = Bed::new(ALL, |config| config.defaults = SOON.into());
    let mut client = bed.client();
    // The device asks us to write, under an id of its own and behind a true answer.
    bed.lies(|r| [frame(u16::from_be_bytes([r[0], r[1]]), 1, &SEVEN), frame(0x4141, 1, &WRITE)].concat());
    assert_eq!(client.ask(&READ), SEVEN);
    bed.device.answers(Answers::Truly);
    assert_eq!(client.ask(&[3, 0, 8, 0, 1]), [3, 2, 0, 8], "and its next answer is heard");
    assert_eq!(bed.responses("unsolicited"), 1);
    bed.site.record("an alarm", |one| one["event"] == "alarm" && one["reason"] == "unsolicited_response");
    // A peer answers: registers, an exception, a device's name. Each is severed, or a function that nobody allows.
    let before = bed.device.texts().len();
    for answer in [&SEVEN[..], &[0x83, 2], &[17, 3, 0x41, 0x42, 0xff], &[1, 1, 0], &[11, 0xff, 0xff, 1, 8]] {
        let mut peer = Peer::plain(&bed.gate);
        let _ = peer.try_send(&[frame(1, 1, answer), frame(2, 1, &WRITE)].concat());
        assert_eq!(text(&peer.until_closed()), "", "{answer:02x?}");
    }
    assert_eq!(bed.device.texts().len(), before);
    bed.gate.stop();
}

/// GEN-12, MB-27: a range that wraps, or lies partly outside, is refused as a whole.
#[test]
fn gen_12_a_range_is_allowed_whole_or_not_at_all() {
    let rules = [
        "hmi read holding 0-99",
        "hmi read holding 110-119",
        "hmi write holding 0-9, 20-29",
        "hmi write holding 0-9, 20-29 via 23",
        "hmi read coil 0-7",
        "hmi write coil 0-7",
        "hmi read holding 65500-65535",
    ];
    let bed = Bed::new(&rules, |config| config.deny = vec!["any write holding 5".into()]);
    let mut client = bed.client();
    let write =
        |first: u8, count: u8| [&[16, 0, first, 0, count, count * 2][..], &vec![0; usize::from(count) * 2]].concat();
    for (pdu, answer) in [
        (vec![3, 0xff, 0xff, 0, 2], [0x83, 2]),
        (vec![3, 0xff, 0xf0, 0, 0x11], [0x83, 2]),
        (vec![3, 0, 95, 0, 10], [0x83, 2]),
        (vec![3, 0, 90, 0, 30], [0x83, 2]),
        (vec![1, 0, 0, 0, 9], [0x81, 2]),
        (vec![15, 0, 0, 0, 9, 2, 0, 0], [0x8f, 2]),
        (write(5, 1), [0x90, 2]),
        (write(4, 3), [0x90, 2]),
        (write(8, 4), [0x90, 2]),
        (write(8, 14), [0x90, 2]),
        (vec![16, 0xff, 0xff, 0, 2, 4, 0, 0, 0, 0], [0x90, 2]),
        // The read is allowed, the write is not; and the other way round.
        (vec![23, 0, 0, 0, 1, 0, 9, 0, 2, 4, 0, 0, 0, 0], [0x97, 2]),
        (vec![23, 0, 99, 0, 2, 0, 20, 0, 1, 2, 0, 0], [0x97, 2]),
        (vec![23, 0, 0, 0, 1, 0, 5, 0, 1, 2, 0, 0], [0x97, 2]),
    ] {
        assert_eq!(client.ask(&pdu), answer, "{pdu:02x?}");
    }
    assert_eq!(bed.device.bytes(), 0, "all or nothing");
    for pdu in [vec![3, 0, 90, 0, 10], vec![3, 0xff, 0xff, 0, 1], write(0, 5), write(20, 10)] {
        assert_eq!(client.ask(&pdu)[0], pdu[0], "{pdu:02x?}");
    }
    bed.gate.stop();
}

/// GEN-13: a number over two registers is judged as a number: word order as the rule says, no half of it, no NaN, no infinity.
#[test]
fn gen_13_a_number_over_two_registers_is_judged_whole() {
    let rules = [
        "hmi read holding 0-99",
        "hmi write holding 40-43 = -20.0..80.0 as f32",
        "hmi write holding 50-51 = -20.0..80.0 as f32 swapped",
        "hmi write holding 60-61 = 0..100000 as u32 whole",
    ];
    let bed = Bed::new(&rules, |_| {});
    let mut client = bed.client();
    let words = |first: u8, value: u32| {
        let [a, b, c, d] = value.to_be_bytes();
        vec![16, 0, first, 0, 2, 4, a, b, c, d]
    };
    let float = |first, value: f32| words(first, value.to_bits());
    let swapped = |first, value: f32| words(first, value.to_bits().rotate_left(16));
    let odd = f32::from_bits(0x41a0_4780);
    for pdu in [float(40, odd), float(42, -20.0), float(40, -0.0), swapped(50, odd), words(60, 100_000)] {
        assert_eq!(client.ask(&pdu), pdu[..5], "{pdu:02x?}");
    }
    let passed = bed.device.writes().len();
    assert_eq!(passed, 5);
    for (what, pdu) in [
        ("NaN", float(40, f32::NAN)),
        ("a NaN with a payload", words(40, 0xffc1_2345)),
        ("a signalling NaN", words(40, 0x7f80_0001)),
        ("infinity", float(40, f32::INFINITY)),
        ("less than everything", float(40, f32::NEG_INFINITY)),
        ("too hot", float(40, 80.000_01)),
        // 20.03 the other way round is 65667.25.
        ("the other word order", swapped(40, odd)),
        ("the first word order", float(50, odd)),
        ("NaN swapped", swapped(50, f32::NAN)),
        ("too many", words(60, 100_001)),
    ] {
        assert_eq!(client.ask(&pdu), [0x90, 3], "{what}");
    }
    for (what, pdu) in [
        ("half of a pair", vec![6, 0, 40, 0x42, 0x9f]),
        ("the other half", vec![6, 0, 41, 0, 0]),
        ("halves of two", vec![16, 0, 41, 0, 2, 4, 0, 0, 0x42, 0x9f]),
        ("one and a half", vec![16, 0, 40, 0, 3, 6, 0, 0, 0, 0, 0, 0]),
        ("half of a whole", vec![6, 0, 61, 0, 1]),
    ] {
        let answer = client.ask(&pdu);
        assert!(answer[0] == pdu[0] | 0x80 && [2, 3].contains(&answer[1]), "{what}: {answer:02x?}");
    }
    assert_eq!(bed.device.writes().len(), passed, "nothing of it at the device");
    bed.gate.stop();
}

/// GEN-14: a million requests that nobody answers. The gate stops reading, the device has one of them, and memory stays flat.
#[test]
fn gen_14_a_million_unanswered_requests_are_not_read() {
    let bed = Bed::new(ALL, |config| config.defaults = "request_timeout = \"5m\"\nqueue_timeout = \"5m\"".into());
    bed.device.answers(Answers::Never);
    let mut warm = Peer::plain(&bed.gate);
    warm.send(&frame(1, 1, &READ));
    crate::gate::wait("one is at the device", || bed.device.seen().len() == 1);
    let before = rss_kib(&bed.gate);
    let mut peer = Peer::plain(&bed.gate);
    peer.socket().set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let batch: Vec<u8> = (0..1000_u16).flat_map(|id| frame(id, 1, &READ)).collect();
    let (mut sent, mut stuck) = (0_usize, false);
    'million: for _ in 0..1000 {
        let mut rest = &batch[..];
        while !rest.is_empty() {
            match peer.write(rest) {
                Ok(n) => {
                    sent += n;
                    rest = &rest[n..];
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    stuck = true;
                    break 'million;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(stuck, "twelve megabytes were taken: {sent} bytes");
    let grown = rss_kib(&bed.gate).saturating_sub(before);
    assert!(grown <= 1024, "{grown} KiB for {sent} bytes of requests");
    assert_eq!(bed.device.seen().len(), 1, "one outstanding");
    assert_eq!(bed.device.bytes(), 12);
    let mut other = Peer::plain(&bed.gate);
    assert_eq!(other.ask(&[6, 0, 99, 0, 1]), [0x86, 2], "others have their verdicts");
    bed.gate.stop();
}

/// MB-04, MB-08, MB-20, MB-24, MB-25, MB-26, MB-28, MB-32, GEN-05, GEN-11: rows of the catalogue without a published vector, at the gate.
#[test]
fn mb_04_and_the_other_rows_without_a_vector() {
    let bed = Bed::new(ALL, |_| {});
    for (what, bytes) in [
        ("MB-04 two bytes behind FC 16", hex("00010000000b 01 10 0028 0001 02 00ff 0000")),
        ("MB-08 length 0", hex("000100000000 01 03 0000 000a")),
        ("MB-24 the byte count of FC 21 lies", hex("00010000000a 01 15 08 06 0001 0000 0001")),
        ("MB-24 the byte count of FC 20 lies", hex("00010000000a 01 14 08 06 0004 0001 0001")),
        ("MB-32 RTU on TCP", hex("01030000000ac5cd")),
    ] {
        let mut peer = Peer::plain(&bed.gate);
        let _ = peer.try_send(&[bytes, frame(9, 1, &WRITE)].concat());
        assert_eq!(text(&peer.until_closed()), "", "{what}");
    }
    for (what, pdu, code) in [
        ("MB-20 CANopen", "2b 0d 0100", 1),
        ("MB-24 a group cut short", "14 06 06 0001 0000 ff", 3),
        ("MB-24 words that are missing", "15 07 06 0004 0000 0001", 3),
        ("MB-24 another reference type", "14 07 05 0004 0000 0001", 3),
        ("MB-25 65535 registers", "15 09 06 0004 0000 ffff 0000", 3),
        ("MB-26 an answer of 255 bytes", "14 07 06 0004 0000 007d", 3),
        ("MB-28 126 registers", "03 0000 007e", 3),
        ("MB-28 none", "03 0000 0000", 3),
        ("MB-28 2001 coils", "01 0000 07d1", 3),
        ("a file record of nobody", "14 07 06 0004 0064 0001", 2),
        ("another file", "14 07 06 0005 0000 0001", 2),
        ("one good group and one of nobody", "14 0e 06 0004 0000 0001 06 0005 0000 0001", 2),
        ("a queue of nobody", "18 000b", 2),
    ] {
        let pdu = hex(pdu);
        assert_eq!(bed.client().ask(&pdu), [pdu[0] | 0x80, code], "{what}");
    }
    assert_eq!(bed.device.bytes(), 0);
    bed.gate.stop();
}

/// MB-36: the device's exceptions pass, an unknown one becomes 04 and is counted, and ours are told apart by metric and record.
#[test]
fn mb_36_exceptions_of_the_device_and_ours_are_told_apart() {
    let bed = Bed::new(ALL, |_| {});
    let mut client = bed.client();
    for (code, passed) in
        [(1, 1), (2, 2), (5, 5), (6, 6), (7, 7), (8, 8), (10, 10), (11, 11), (0, 4), (9, 4), (0x63, 4), (255, 4)]
    {
        bed.lies(move |r| frame(u16::from_be_bytes([r[0], r[1]]), 1, &[0x83, code]));
        assert_eq!(client.ask(&READ), [0x83, passed], "exception {code}");
    }
    assert_eq!(bed.responses("exception"), 12);
    assert_eq!(bed.repairs("exception_code"), 4);
    assert_eq!(bed.gate.metric("device_exceptions_total{conduit=\"pump\",exception=\"06\",protocol=\"modbus\"}"), 1);
    assert_eq!(bed.gate.metric("device_exceptions_total{conduit=\"pump\",exception=\"other\",protocol=\"modbus\"}"), 4);
    assert_eq!(bed.denials("address_not_allowed"), 0);
    assert_eq!(client.ask(&[3, 0, 200, 0, 1]), [0x83, 2], "ours");
    assert_eq!(bed.responses("exception"), 12, "no answer of the device");
    assert_eq!(bed.denials("address_not_allowed"), 1);
    bed.site.record_with(&[("event", "denied"), ("reason", "address_not_allowed")]);
    bed.gate.stop();
}

/// Resident memory of the gateway.
fn rss_kib(gate: &Gate) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.pid())).expect("the gateway runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// GEN-15: a mask may keep a bit and set it, too. By the standard that bit stays; some devices set it (an older pymodbus among
/// them). Who may set bit 3 may not set bit 15 of those.
#[test]
fn gen_15_a_bit_that_a_mask_keeps_and_sets_must_be_allowed_too() {
    let rules = ["hmi write holding 50 bit 3 via 22", "hmi write holding 51 via 22"];
    let bed = Bed::new(&rules, |_| ());
    let mut client = bed.client();
    for refused in ["160032fff78008", "160032fff78000", "160032ffff8000", "160032ffff0000"] {
        assert_eq!(client.ask(&hex(refused))[0], 0x96, "{refused}");
    }
    assert_eq!(bed.device.texts(), Vec::<String>::new());
    for allowed in ["160032fff70008", "160032fff70000", "160032ffff0008", "160033fff78008", "160033000000ff"] {
        assert_eq!(client.ask(&hex(allowed)), hex(allowed));
    }
    assert_eq!(bed.device.texts().len(), 5);
    bed.gate.stop();
}

/// PX-19: what a peer sends costs it by the bytes on the wire. A TLS record for each byte is 22 bytes more, and with padding could
/// be 16 KiB: all of it is decrypted.
#[test]
fn px_19_records_are_paid_for_and_not_only_what_is_in_them() {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::tls(&device, ALL);
    config.limits = "requests = \"10000/s\"\npeer_requests = \"10000/s\"\nbytes = \"1KiB/s\"".into();
    let gate = Gate::start(&site, &config);
    let mut peer = Peer::tls(&gate, &site, "scada");
    let over = "limited_total{action=\"delayed\",conduit=\"pump\",limit=\"bytes\"}";
    let requests: Vec<u8> = (0..16).flat_map(|id| frame(id, 1, &READ)).collect();
    // 192 bytes in one record, then the same in 192: 4.4 KB.
    for (size, due) in [(requests.len(), 0), (1, 1)] {
        requests.chunks(size).for_each(|record| peer.send(record));
        for id in 0..16 {
            assert_eq!(peer.answer().expect("an answer"), frame(id, 1, &SEVEN));
        }
        assert_eq!(gate.metric(over).min(1), due, "{size} bytes in a record");
    }
    assert_eq!(device.texts(), vec!["010300070001"; 32]);
    gate.stop();
}
