//! RTU over TCP on either side: does the same come of it, whole or cut, and what of a line that lies?

use std::sync::{Arc, Mutex};

use super::{ALL, BETWEEN, Bed, EACH, READ, SEVEN, SOON, WRITE, hex, text, word};
use crate::gate::{Answers, Device, Peer, Wire, frame, rtu};

const SIDES: [(Wire, Wire); 4] =
    [(Wire::Tcp, Wire::Tcp), (Wire::Tcp, Wire::Rtu), (Wire::Rtu, Wire::Tcp), (Wire::Rtu, Wire::Rtu)];

#[test]
fn every_function_crosses_in_every_framing() {
    for (front, back) in SIDES {
        let bed = Bed::framed(front, back, ALL, |_| {});
        let (mut client, mut due) = (bed.client(), Vec::new());
        for (request, answer) in EACH.iter().map(|(request, answer)| (hex(request), hex(answer))) {
            let case = format!("{} to {}: {}", word(front), word(back), text(&request));
            assert_eq!(text(&client.ask(&request)), text(&answer), "{case}");
            due.push(format!("01{}", text(&request)));
            // The refusal of each, and its silence at the device: to a unit that is not behind this conduit.
            assert_eq!(client.try_ask(2, &request).expect("an answer"), [request[0] | 0x80, 1], "{case}");
        }
        assert_eq!(bed.device.texts(), due, "at the device");
        assert_eq!(client.ask(&[6, 0, 99, 0, 1]), [0x86, 2]);
        assert_eq!(client.ask(&[6, 0, 40, 0x7f, 0xff]), [0x86, 3]);
        assert_eq!(bed.device.texts().len(), due.len());
        bed.gate.stop();
    }
}

/// GEN-01, GEN-02, MB-32: RTU cut at every byte, byte by byte, and two in one segment come to one verdict each.
#[test]
fn gen_01_an_rtu_request_means_the_same_however_it_is_cut() {
    for back in [Wire::Tcp, Wire::Rtu] {
        let bed = Bed::framed(Wire::Rtu, back, &["hmi read holding 0-99", "hmi write holding 40"], |_| {});
        let write = rtu(1, &[16, 0, 40, 0, 1, 2, 0, 9]);
        let bytes = [rtu(1, &READ), write.clone(), rtu(1, &READ)].concat();
        let answers = [rtu(1, &SEVEN), rtu(1, &[16, 0, 40, 0, 1]), rtu(1, &SEVEN)].concat();
        let mut cuts: Vec<Vec<usize>> = (1..bytes.len()).map(|at| vec![at, bytes.len()]).collect();
        cuts.push(vec![bytes.len()]);
        cuts.push((1..=bytes.len()).collect());
        for parts in cuts {
            bed.device.forget();
            let mut peer = Peer::plain(&bed.gate);
            let mut start = 0;
            for end in &parts {
                peer.send(&bytes[start..*end]);
                std::thread::sleep(BETWEEN);
                start = *end;
            }
            assert_eq!(peer.exactly(answers.len()).expect("answers"), answers, "cut at {parts:?}");
            assert_eq!(
                bed.device.texts(),
                ["010300070001", "01100028000102 0009".replace(' ', "").as_str(), "010300070001"]
            );
        }
        // The denied one in the middle is answered in its place and leaves nothing.
        bed.device.forget();
        let mut peer = Peer::plain(&bed.gate);
        peer.send(&[rtu(1, &READ), rtu(1, &[6, 0, 41, 0, 1]), rtu(1, &READ)].concat());
        let due = [rtu(1, &SEVEN), rtu(1, &[0x86, 2]), rtu(1, &SEVEN)].concat();
        assert_eq!(peer.exactly(due.len()).expect("answers"), due);
        assert_eq!(bed.device.texts(), ["010300070001", "010300070001"]);
        bed.gate.stop();
    }
}

/// MB-07, MB-32, MB-33, MB-35, GEN-07, GEN-10: what is no request of this framing ends the session without a byte, whatever follows.
#[test]
fn mb_32_what_is_no_rtu_request_severs() {
    let bed = Bed::framed(Wire::Rtu, Wire::Rtu, ALL, |_| {});
    let mut wrong = rtu(1, &WRITE);
    *wrong.last_mut().expect("a CRC") ^= 0x01;
    for (what, bytes, reason) in [
        ("a wrong CRC", wrong, "malformed"),
        (
            "a CRC the other way round",
            [&rtu(1, &READ)[..6], &{
                let whole = rtu(1, &READ);
                [whole[7], whole[6]]
            }]
            .concat(),
            "malformed",
        ),
        ("MBAP", frame(1, 1, &READ), "malformed"),
        ("function 90", rtu(1, &[90, 0, 2]), "function_not_allowed"),
        ("function 43/13", rtu(1, &[43, 13, 0]), "function_not_allowed"),
        ("an exception", rtu(1, &[0x83, 2]), "malformed"),
        ("function 0", rtu(1, &[0, 0]), "malformed"),
        ("a byte count that lies", rtu(1, &[16, 0, 40, 0, 2, 2, 0, 1]), "length_mismatch"),
    ] {
        let before = bed.denials(reason);
        let mut peer = Peer::plain(&bed.gate);
        // No resynchronisation: the whole request behind it means nothing.
        let _ = peer.try_send(&[bytes, rtu(1, &WRITE)].concat());
        assert_eq!(text(&peer.until_closed()), "", "{what}");
        assert_eq!(bed.denials(reason), before + 1, "{what}");
    }
    assert_eq!(bed.device.texts(), Vec::<String>::new());
    // And RTU on a conduit that speaks MBAP.
    let plain = Bed::new(ALL, |_| {});
    let mut peer = Peer::plain(&plain.gate);
    let _ = peer.try_send(&rtu(1, &WRITE));
    assert_eq!(peer.until_closed(), b"");
    assert_eq!(plain.device.bytes(), 0);
    assert_eq!(bed.client().ask(&READ), SEVEN, "others are served");
    bed.gate.stop();
    plain.gate.stop();
}

/// GEN-06: half an RTU request, or one byte now and then, ends at the frame's deadline; others are served meanwhile.
#[test]
fn gen_06_half_an_rtu_request_ends_the_session() {
    let bed = Bed::framed(Wire::Rtu, Wire::Rtu, ALL, |config| config.defaults = "frame_timeout = \"600ms\"".into());
    let (mut half, mut slow, mut other) = (Peer::plain(&bed.gate), Peer::plain(&bed.gate), bed.client());
    half.send(&rtu(1, &WRITE)[..5]);
    for byte in rtu(1, &WRITE) {
        if slow.try_send(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert_eq!(other.ask(&READ), SEVEN, "others are served meanwhile");
    }
    assert_eq!(half.until_closed(), b"");
    assert_eq!(slow.until_closed(), b"");
    assert_eq!(bed.denials("frame_timeout"), 2);
    assert_eq!(bed.device.writes(), Vec::<String>::new());
    bed.gate.stop();
}

/// GEN-05: over MBAP a long FC 8/0 is legal. A device without lengths would take its tail for a write.
#[test]
fn gen_05_an_echo_does_not_smuggle_a_write_past_the_policy() {
    let bed = Bed::framed(Wire::Tcp, Wire::Rtu, &["hmi read holding 0-99", "hmi diagnose diagnostic 0"], |_| {});
    let mut client = bed.client();
    let head = rtu(1, &[8, 0, 0, 0xa5, 0x37]);
    // The first five bytes of the PDU and their CRC are a whole request; behind it stands a write, the gate adds its CRC.
    let smuggled = [&head[1..], &[1, 6, 0, 40, 5, 0xdc]].concat();
    assert_eq!(smuggled.len() % 2, 1, "whole words of data");
    assert_eq!(client.ask(&smuggled), [0x88, 1]);
    assert_eq!(client.ask(&[8, 0, 0, 0xa5, 0x37]), [8, 0, 0, 0xa5, 0x37]);
    assert_eq!(client.ask(&READ), SEVEN);
    assert_eq!(bed.device.texts(), ["01080000a537", "010300070001"]);
    assert_eq!(bed.denials("not_canonical"), 1);
    bed.gate.stop();
}

/// GEN-08: every lie of a device on a line without ids. The peer gets the gate's own word for it, and the next request goes
/// over another connection: what still comes on the old one is nobody's.
#[test]
fn gen_08_a_line_that_lies_is_told_and_hung_up_on() {
    let bed = Bed::framed(Wire::Tcp, Wire::Rtu, ALL, |_| {});
    let mut client = bed.client();
    let broken = |mut bytes: Vec<u8>| {
        *bytes.last_mut().expect("a CRC") ^= 0x80;
        bytes
    };
    // A line that has answered once is dialled again at once after a lie; one that never has is dialled with a pause.
    assert_eq!(client.ask(&READ), SEVEN);
    for (what, lie, code) in [
        ("a wrong CRC", broken(rtu(1, &SEVEN)), 0x0A),
        ("another function", rtu(1, &[4, 2, 0, 7]), 0x0A),
        ("another unit", rtu(2, &SEVEN), 0x0B),
        ("two registers for one", rtu(1, &[3, 4, 0, 7, 0, 8]), 0x0B),
        ("none at all", rtu(1, &[3, 0]), 0x0B),
        ("MBAP", frame(1, 1, &SEVEN), 0x0A),
    ] {
        bed.device.forget();
        bed.lies(move |_| lie.clone());
        assert_eq!(client.ask(&READ), [0x83, code], "{what}");
        bed.device.answers(Answers::Truly);
        assert_eq!(client.ask(&[3, 0, 8, 0, 1]), [3, 2, 0, 8], "{what}: the next one has its own answer");
        let seen = bed.device.seen();
        assert_eq!(seen.len(), 2, "{what}: nothing is sent twice");
        assert_ne!(seen[0].connection, seen[1].connection, "{what}");
    }
    // The true answer, and the same once more: the second belongs to nobody.
    bed.lies(|_| [rtu(1, &SEVEN), rtu(1, &SEVEN)].concat());
    assert_eq!(client.ask(&READ), SEVEN);
    bed.device.answers(Answers::Truly);
    crate::gate::wait("the next request has its own answer", || client.ask(&[3, 0, 8, 0, 1]) == [3, 2, 0, 8]);
    // An exception, and one that the standard does not know.
    bed.lies(|_| rtu(1, &[0x83, 6]));
    assert_eq!(client.ask(&READ), [0x83, 6]);
    bed.lies(|_| rtu(1, &[0x83, 0x63]));
    assert_eq!(client.ask(&READ), [0x83, 4]);
    assert_eq!(bed.repairs("exception_code"), 1);
    bed.gate.stop();
}

/// GEN-08: after silence an answer may still come, and without ids it would be taken for the next one's.
#[test]
fn gen_08_a_connection_that_owes_an_answer_is_not_used_again() {
    for (back, modbus) in [(Wire::Rtu, ""), (Wire::Tcp, "\nupstream_tid = \"ignore\"")] {
        let bed = Bed::framed(Wire::Tcp, back, ALL, |config| {
            config.modbus += modbus;
            config.defaults = SOON.into();
        });
        let mut client = bed.client();
        let first = Arc::new(Mutex::new(None::<usize>));
        bed.device.answers(Answers::Never);
        assert_eq!(client.ask(&READ), [0x83, 0x0B]);
        let owing = bed.device.seen()[0].connection;
        *first.lock().expect("nobody panics here") = Some(owing);
        bed.device.answers(Answers::Truly);
        assert_eq!(client.ask(&[3, 0, 8, 0, 1]), [3, 2, 0, 8]);
        let seen = bed.device.seen();
        assert_eq!(seen.len(), 2, "nothing is sent twice");
        assert_ne!(seen[1].connection, owing, "the old connection is not used again");
        crate::gate::wait("the old connection is closed", || bed.device.open() == 1);
        bed.gate.stop();
    }
}

/// A device that makes up its ids is heard where the conduit says so, and is silence where it does not.
#[test]
fn a_device_that_never_repeats_an_id() {
    let answer = |request: &[u8]| {
        let value = request[9];
        [&[0, 0, 0, 0, 0, 5, 1, 3, 2, 0][..], &[value]].concat()
    };
    let bed = Bed::new(ALL, |config| config.modbus += "\nupstream_tid = \"ignore\"");
    let mut clients = [bed.client(), bed.client(), bed.client()];
    bed.lies(answer);
    for round in 0..30_u8 {
        for (place, client) in clients.iter_mut().enumerate() {
            let address = round * 3 + u8::try_from(place).expect("three");
            assert_eq!(client.ask(&[3, 0, address, 0, 1]), [3, 2, 0, address]);
        }
    }
    assert_eq!(bed.device.connections(), 1);
    // It says more than it was asked: the extra answer reaches nobody.
    bed.lies(|_| [[0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 1], [0, 0, 0, 0, 0, 5, 1, 3, 2, 0, 2]].concat());
    assert_eq!(clients[0].ask(&READ), [3, 2, 0, 1]);
    bed.lies(answer);
    assert_eq!(clients[1].ask(&[3, 0, 9, 0, 1]), [3, 2, 0, 9]);
    assert_eq!(bed.responses("unsolicited"), 1);
    bed.gate.stop();

    let strict = Bed::new(ALL, |config| config.defaults = SOON.into());
    strict.lies(answer);
    assert_eq!(strict.client().ask(&READ), [0x83, 0x0B], "by default ids must match");
    assert!(strict.responses("unsolicited") >= 1);
    strict.gate.stop();
}

/// A device that answers in pieces, in either framing.
#[test]
fn gen_01_answers_mean_the_same_however_they_are_cut() {
    for back in [Wire::Tcp, Wire::Rtu] {
        let bed = Bed::framed(Wire::Rtu, back, ALL, |_| {});
        let mut client = bed.client();
        // Of coils it answers what was written before.
        let each: Vec<_> = EACH.iter().filter(|(request, _)| !request.starts_with("01")).collect();
        for cut in 1..13 {
            bed.device.cuts(&[cut]);
            for (request, answer) in &each {
                assert_eq!(text(&client.ask(&hex(request))), text(&hex(answer)), "cut at {cut}");
            }
        }
        let every: Vec<usize> = (1..60).collect();
        bed.device.cuts(&every);
        for (request, answer) in &each {
            assert_eq!(text(&client.ask(&hex(request))), text(&hex(answer)), "byte by byte");
        }
        bed.gate.stop();
    }
}

/// What does not go together is said before the gate starts.
#[test]
fn rtu_with_several_outstanding_or_an_opaque_function_does_not_start() {
    for (conduit, modbus, rule, said) in [
        ("upstream_pending = 2", "upstream_framing = \"rtu\"", "hmi read holding 0", "RTU has no ids"),
        ("", "framing = \"rtu\"", "hmi program function 90", "RTU tells no length"),
        ("upstream_pending = 2", "upstream_tid = \"ignore\"", "hmi read holding 0", "without ids"),
    ] {
        let (site, device) = (crate::gate::Site::new(), Device::start());
        let mut config = crate::gate::Config::plain(&device, &[rule]);
        (config.conduit, config.modbus) = (conduit.into(), modbus.into());
        let Err((status, log)) = crate::gate::Gate::try_start(&site, &config.text(), |command| command) else {
            panic!("it starts with {modbus}")
        };
        assert!(!status.success() && log.contains(said), "{log}");
    }
}
