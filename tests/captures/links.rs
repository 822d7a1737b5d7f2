//! One conversation on every link layer, in every form of file: always the same messages.

use serde_json::Value;
use sluicegate_proto::protocol::Protocol;

use super::{
    decoded,
    writer::{Form, PLAIN, START, Talk, adu, block, enhanced, ethernet, interface, ip, kind, packet, pcap, section},
};

const READ: &[u8] = &[3, 0, 5, 0, 2];
const TOLD: &[u8] = &[3, 4, 0, 10, 0, 11];

/// The IP packets of one request and its answer, with the handshake.
fn packets(client: &str, server: &str) -> Vec<Vec<u8>> {
    let mut talk = Talk::new(client, server);
    talk.asks(&adu(7, 1, READ)).tells(&adu(7, 1, TOLD));
    talk.pieces.iter().map(ip).collect()
}

fn v4() -> Vec<Vec<u8>> {
    packets("10.1.1.5:40000", "10.1.1.9:502")
}

fn v6() -> Vec<Vec<u8>> {
    packets("[fd00::5]:40000", "[fd00::9]:502")
}

/// That the capture holds the request in packet 3 and the answer in packet 4, and nothing else.
fn is_read_and_told(bytes: &[u8], what: &str) {
    let (lines, summary) = decoded(bytes);
    assert_eq!(lines.len(), 2, "{what}: {lines:?} {summary}");
    for (line, (frame, direction)) in lines.iter().zip([(3, "request"), (4, "response")]) {
        assert_eq!(
            (&line["frame"], &line["direction"], &line["stream"]),
            (&frame.into(), &direction.into(), &0.into()),
            "{what}"
        );
        assert_eq!((&line["message"], &line["malformed"]), (&"read_holding_registers".into(), &Value::Null), "{what}");
        let deed = &line["deeds"][0];
        assert_eq!(deed["sentence"], "read holding 5-6 unit 1 via 3", "{what}");
        assert_eq!((&deed["address"], &deed["quantity"]), (&5.into(), &2.into()), "{what}");
    }
    assert_eq!(lines[1]["deeds"][0]["values"], serde_json::json!([10, 11]), "{what}");
    assert_eq!(summary["server_decided_by"], serde_json::json!({ "port": 1 }), "{what}");
}

#[test]
fn every_link_layer_carries_the_same_conversation() {
    type Wrap = Box<dyn Fn(&[u8]) -> Vec<u8>>;
    let vlan = [0x81, 0, 0, 42];
    let service = [0x88, 0xA8, 0, 7];
    for (version, packets) in [("IPv4", v4()), ("IPv6", v6())] {
        let made: Vec<(&str, u32, Wrap)> = vec![
            ("Ethernet", 1, Box::new(|ip: &[u8]| ethernet(ip, &[]))),
            ("802.1Q", 1, Box::new(move |ip: &[u8]| ethernet(ip, &[vlan]))),
            ("QinQ", 1, Box::new(move |ip: &[u8]| ethernet(ip, &[service, vlan]))),
            ("two 802.1Q tags", 1, Box::new(move |ip: &[u8]| ethernet(ip, &[vlan, vlan]))),
            (
                "Linux cooked",
                113,
                Box::new(|ip: &[u8]| [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &kind(ip), ip].concat()),
            ),
            ("Linux cooked 2", 276, Box::new(|ip: &[u8]| [&kind(ip)[..], &[0; 18], ip].concat())),
            ("raw, 12", 12, Box::new(<[u8]>::to_vec)),
            ("raw, 14", 14, Box::new(<[u8]>::to_vec)),
            ("raw, 101", 101, Box::new(<[u8]>::to_vec)),
            ("null, little", 0, Box::new(|ip: &[u8]| [&[2, 0, 0, 0][..], ip].concat())),
            ("null, big", 0, Box::new(|ip: &[u8]| [&[0, 0, 0, 24][..], ip].concat())),
            ("loop", 108, Box::new(|ip: &[u8]| [&[0, 0, 0, 2][..], ip].concat())),
        ];
        for (name, link, wrap) in made {
            let frames: Vec<_> = packets.iter().map(|ip| wrap(ip)).collect();
            is_read_and_told(&pcap(Form { link, ..PLAIN }, &frames), &format!("{name}, {version}"));
        }
    }
    is_read_and_told(&pcap(Form { link: 228, ..PLAIN }, &v4()), "raw, 228");
    is_read_and_told(&pcap(Form { link: 229, ..PLAIN }, &v6()), "raw, 229");
}

#[test]
fn every_form_of_pcap_tells_the_same_and_the_same_time() {
    let frames: Vec<_> = v4().iter().map(|ip| ethernet(ip, &[])).collect();
    for big in [false, true] {
        for nano in [false, true] {
            let bytes = pcap(Form { big, nano, link: 1 }, &frames);
            is_read_and_told(&bytes, &format!("big {big}, nano {nano}"));
            let (lines, _) = decoded(&bytes);
            assert_eq!(lines[0]["time"], 1_700_000_000.002, "big {big}, nano {nano}");
        }
    }
}

#[test]
fn pcapng_has_sections_interfaces_and_units_of_time() {
    let frames: Vec<_> = v4().iter().map(|ip| ethernet(ip, &[])).collect();
    // Microseconds, nanoseconds, 2^-20 seconds, seconds before an offset.
    let nano = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
    let binary = [9, 0, 1, 0, 0x94, 0, 0, 0];
    let seconds = [9, 0, 1, 0, 0, 0, 0, 0];
    for (options, units, expected) in [
        (&[][..], START / 1000, 1_700_000_000.0),
        (&nano, START, 1_700_000_000.0),
        (&binary, 1_700_000_000 << 20, 1_700_000_000.0),
        (&seconds, 1_700_000_000, 1_700_000_000.0),
    ] {
        let packets = frames.iter().flat_map(|frame| enhanced(false, 0, units, frame));
        let bytes: Vec<u8> =
            [section(false), interface(false, 1, options)].concat().into_iter().chain(packets).collect();
        is_read_and_told(&bytes, &format!("{options:?}"));
        assert_eq!(decoded(&bytes).0[0]["time"], expected, "{options:?}");
    }
}

#[test]
fn a_conversation_goes_on_over_sections_interfaces_and_kinds_of_blocks() {
    let ips = v4();
    let frames: Vec<_> = ips.iter().map(|ip| ethernet(ip, &[])).collect();
    let length = |packet: &[u8]| u32::try_from(packet.len()).expect("short");
    // The first section: Ethernet and raw IP, a name resolution block between them.
    let mut bytes = [section(false), interface(false, 1, &[]), interface(false, 101, &[])].concat();
    bytes.extend(enhanced(false, 0, START / 1000, &frames[0]));
    bytes.extend(block(false, 4, &[0; 8]));
    bytes.extend(enhanced(false, 1, START / 1000, &ips[1]));
    // The second: big-endian, one simple packet, one obsolete one.
    bytes.extend([section(true), interface(true, 1, &[])].concat());
    bytes.extend(block(true, 3, &[&length(&frames[2]).to_be_bytes()[..], &frames[2]].concat()));
    let captured = length(&frames[3]).to_be_bytes();
    let head = [&[0, 0, 0, 0][..], &[0; 8], &captured, &captured].concat();
    bytes.extend(block(true, 2, &[&head[..], &frames[3]].concat()));
    is_read_and_told(&bytes, "two sections");
    let (lines, _) = decoded(&bytes);
    assert_eq!((&lines[0]["time"], &lines[1]["time"]), (&Value::Null, &0.0.into()), "a simple packet has no time");
}

#[test]
fn ip_options_and_extension_headers_are_passed_over() {
    let mut talk = Talk::middle("10.1.1.5:40000", "10.1.1.9:502");
    talk.asks(&adu(7, 1, READ));
    let mut bytes = ip(&talk.pieces[0]);
    // Four bytes of IP options: no operation.
    bytes[0] = 0x46;
    let whole = u16::try_from(bytes.len() + 4).expect("short").to_be_bytes();
    bytes[2..4].copy_from_slice(&whole);
    bytes.splice(20..20, [1, 1, 1, 0]);
    let mut talk = Talk::middle("[fd00::5]:40001", "[fd00::9]:502");
    talk.asks(&adu(7, 1, READ));
    let plain = ip(&talk.pieces[0]);
    // Hop-by-hop options with one pad, then TCP.
    let extended = [&[6, 0, 1, 4, 0, 0, 0, 0][..], &plain[40..]].concat();
    let extended = packet(talk.pieces[0].from, talk.pieces[0].to, 0, &extended);
    let (lines, _) = decoded(&pcap(Form { link: 101, ..PLAIN }, &[bytes, extended]));
    let read: Vec<_> = lines.iter().map(|line| line["deeds"][0]["address"].clone()).collect();
    assert_eq!(read, [5, 5], "{lines:?}");
}

#[test]
fn what_is_not_read_is_counted_by_why() {
    let mut talk = Talk::middle("10.1.1.5:40000", "10.1.1.9:502");
    talk.asks(&adu(7, 1, READ));
    let whole = ip(&talk.pieces[0]);
    let mut fragment = whole.clone();
    fragment[6] = 0x20;
    let (from, to) = (talk.pieces[0].from, talk.pieces[0].to);
    let frames = [
        ethernet(&fragment, &[]),
        ethernet(&packet(from, to, 1, &[8, 0, 0, 0, 0, 0, 0, 0]), &[]),
        [&[0xFF; 12][..], &[0x08, 0x06], &[0; 28]].concat(),
        [&[0xFF; 12][..], &[0, 20], &[0; 20]].concat(),
        ethernet(&whole[..24], &[]),
        vec![1, 2, 3],
    ];
    let (lines, summary) = decoded(&pcap(PLAIN, &frames));
    assert_eq!(lines.len(), 0, "{lines:?}");
    let expected = serde_json::json!({ "ip_fragment": 1, "not_tcp_or_udp": 1, "not_ip": 2, "broken_header": 2 });
    assert_eq!((&summary["packets_unread"], &summary["packets"]), (&expected, &6.into()));
    let (_, summary) = decoded(&pcap(Form { link: 147, ..PLAIN }, &frames));
    assert_eq!(summary["packets_unread"], serde_json::json!({ "unknown_link_layer": 6 }));
}

#[test]
fn datagrams_are_messages_of_their_own() {
    let udp = |from: &str, to: &str, payload: &[u8]| {
        let (from, to): (std::net::SocketAddr, std::net::SocketAddr) =
            (from.parse().expect("an address"), to.parse().expect("an address"));
        let length = u16::try_from(8 + payload.len()).expect("short");
        let bytes = [&from.port().to_be_bytes()[..], &to.port().to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload]
            .concat();
        ethernet(&packet(from, to, 17, &bytes), &[])
    };
    let (client, server) = ("10.1.1.5:40000", "10.1.1.9:502");
    let long = [adu(8, 1, READ), vec![0]].concat();
    let frames = [
        udp(client, server, &adu(7, 1, READ)),
        udp(server, client, &adu(7, 1, TOLD)),
        udp(client, server, &long),
        udp(client, "10.1.1.9:53", &[1; 20]),
    ];
    let (lines, summary) = decoded(&pcap(PLAIN, &frames));
    let told: Vec<_> = lines.iter().map(|line| (line["direction"].clone(), line["malformed"].clone())).collect();
    let expected: Vec<(Value, Value)> = vec![
        ("request".into(), Value::Null),
        ("response".into(), Value::Null),
        ("request".into(), "length_mismatch".into()),
    ];
    assert_eq!(told, expected);
    assert_eq!(summary["packets_elsewhere"], 1);
}

#[test]
fn without_a_port_every_connection_is_read_and_how_the_server_was_found_is_said() {
    let mut syn = Talk::new("10.1.1.5:1000", "10.1.1.9:5020");
    syn.asks(&adu(7, 1, READ)).tells(&adu(7, 1, TOLD));
    let mut lower = Talk::middle("10.1.1.6:50000", "10.1.1.9:5020");
    lower.tells(&adu(7, 1, TOLD)).asks(&adu(8, 1, READ));
    let mut first = Talk::middle("10.1.1.7:5020", "10.1.1.9:5020");
    first.asks(&adu(7, 1, READ)).tells(&adu(7, 1, TOLD));
    let pieces: Vec<_> = [syn.pieces, lower.pieces, first.pieces].concat();
    let (lines, summary) = decoded(&super::writer::capture(&pieces));
    assert_eq!(summary["server_decided_by"], serde_json::json!({ "syn": 1, "lower_port": 1, "first_packet": 1 }));
    let directions: Vec<_> = lines.iter().map(|line| line["direction"].as_str().expect("a word")).collect();
    assert_eq!(directions, ["request", "response", "response", "request", "request", "response"]);
    assert!(lines.iter().all(|line| line["malformed"].is_null()), "{lines:?}");

    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), super::writer::capture(&pieces)).expect("it is writable");
    let (lines, summary) = super::decode(file.path(), Protocol::Modbus, &[1000]);
    assert_eq!((lines.len(), &summary["packets_elsewhere"]), (2, &4.into()), "{summary}");
    assert_eq!(summary["ports_elsewhere"], serde_json::json!([{ "port": 5020, "packets": 4 }]));
    assert_eq!(lines[0]["direction"], "response", "the server is on the port that was asked for");
}
