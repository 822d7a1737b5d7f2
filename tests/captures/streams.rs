//! What TCP does to a conversation, and a capture to TCP.

use serde_json::Value;

use super::{
    decoded,
    writer::{ACK, FIN, Piece, RST, Talk, adu, capture},
};

const CLIENT: &str = "10.1.1.5:40000";
const SERVER: &str = "10.1.1.9:502";

fn read(id: u16, address: u8) -> Vec<u8> {
    adu(id, 1, &[3, 0, address, 0, 1])
}

fn told(id: u16, value: u8) -> Vec<u8> {
    adu(id, 1, &[3, 2, 0, value])
}

/// Three requests and their answers, with the handshake: packets 1 and 2, then 3 to 8.
fn three() -> Vec<Piece> {
    let mut talk = Talk::new(CLIENT, SERVER);
    for id in 1..=3u8 {
        talk.asks(&read(id.into(), id)).tells(&told(id.into(), 10 * id));
    }
    talk.pieces
}

/// A line in short: packet, what was asked and told, or why it cannot be read.
fn short(line: &Value) -> String {
    let deed = &line["deeds"][0];
    match line["malformed"].as_str() {
        Some(reason) => format!("{} {reason} {}", line["frame"], line["note"].as_str().unwrap_or("")),
        None if line["direction"] == "request" => format!("{} read {}", line["frame"], deed["address"]),
        None => format!("{} told {} of {}", line["frame"], deed["values"][0], deed["address"]),
    }
}

fn shorts(pieces: &[Piece]) -> Vec<String> {
    decoded(&capture(pieces)).0.iter().map(short).collect()
}

/// What `three` says, packet by packet.
const THREE: [&str; 6] = ["3 read 1", "4 told 10 of 1", "5 read 2", "6 told 20 of 2", "7 read 3", "8 told 30 of 3"];

#[test]
fn a_conversation_in_order_is_told_in_order() {
    assert_eq!(shorts(&three()), THREE);
}

#[test]
fn what_is_sent_again_is_told_once() {
    let mut pieces = three();
    // Whole, in part, and with new bytes behind it.
    pieces.insert(3, pieces[2].clone());
    pieces.insert(
        6,
        Piece { bytes: pieces[5].bytes[4..].to_vec(), seq: pieces[5].seq.wrapping_add(4), ..pieces[5].clone() },
    );
    let (second, third) = (pieces[5].clone(), pieces[8].clone());
    pieces[8] = Piece { bytes: [second.bytes, third.bytes].concat(), seq: second.seq, ..third };
    let told = ["3 read 1", "5 told 10 of 1", "6 read 2", "8 told 20 of 2", "9 read 3", "10 told 30 of 3"];
    assert_eq!(shorts(&pieces), told);
    // The handshake too.
    let mut pieces = three();
    pieces.insert(1, pieces[0].clone());
    pieces.insert(4, pieces[0].clone());
    let (lines, summary) = decoded(&capture(&pieces));
    assert_eq!((lines.len(), &summary["streams"], &summary["gaps"]), (6, &1.into(), &0.into()));
}

#[test]
fn what_comes_out_of_order_is_told_with_the_packet_that_completed_it() {
    let mut talk = Talk::new(CLIENT, SERVER);
    let all = [read(1, 1), read(2, 2), read(3, 3)].concat();
    talk.asks(&all[..5]).asks(&all[5..17]).asks(&all[17..]);
    let mut pieces = talk.pieces;
    assert_eq!(shorts(&pieces), ["4 read 1", "5 read 2", "5 read 3"]);
    pieces.swap(2, 4);
    // Each is told with the latest of the packets that brought its bytes.
    assert_eq!(shorts(&pieces), ["5 read 1", "4 read 2", "3 read 3"]);
}

#[test]
fn every_cut_of_a_conversation_tells_the_same() {
    let all = [read(1, 1), read(2, 2), read(3, 3)].concat();
    for piece in 1..all.len() {
        let mut talk = Talk::new(CLIENT, SERVER);
        all.chunks(piece).for_each(|chunk| {
            talk.asks(chunk);
        });
        let forward = shorts(&talk.pieces);
        assert_eq!(forward.len(), 3, "pieces of {piece}");
        let mut backward = talk.pieces.clone();
        backward[2..].reverse();
        let addresses =
            |told: &[String]| told.iter().map(|line| line.rsplit(' ').next().map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(addresses(&shorts(&backward)), addresses(&forward), "pieces of {piece}, last first");
    }
}

#[test]
fn a_gap_is_told_where_the_other_end_acknowledged_it() {
    let mut pieces = three();
    let lost = pieces.remove(4);
    assert_eq!(lost.bytes, read(2, 2));
    let told = [
        "3 read 1",
        "4 told 10 of 1",
        "5 told 20 of null",
        "6 malformed a gap: 12 bytes before this packet were not captured",
        "6 read 3",
        "7 told 30 of 3",
    ];
    assert_eq!(shorts(&pieces), told);
    let (lines, summary) = decoded(&capture(&pieces));
    assert_eq!((&summary["gaps"], &summary["bytes_not_captured"]), (&1.into(), &12.into()));
    assert_eq!(lines[2]["note"], "its request was not captured");
    // Half a message before it is lost with it.
    let mut talk = Talk::new(CLIENT, SERVER);
    talk.asks(&read(1, 1)[..7]).asks(&read(1, 1)[7..]).asks(&read(2, 2));
    talk.pieces.remove(3);
    let told = [
        "4 malformed a gap: 5 bytes before this packet were not captured, and 7 before them are no whole message",
        "4 read 2",
    ];
    assert_eq!(shorts(&talk.pieces), told, "told at the end, where nobody acknowledges");
}

#[test]
fn what_comes_after_its_gap_was_given_up_is_told_too() {
    let mut pieces = three();
    let lost = pieces.remove(4);
    pieces.push(lost);
    assert_eq!(
        shorts(&pieces).last().map(String::as_str),
        Some("8 malformed too late: 12 bytes belong before what was read already")
    );
}

#[test]
fn a_conversation_that_had_begun_is_taken_up_where_it_is_whole() {
    let pieces = three();
    let (lines, summary) = decoded(&capture(&pieces[3..]));
    let told: Vec<_> = lines.iter().map(short).collect();
    assert_eq!(told, ["1 told 10 of null", "2 read 2", "3 told 20 of 2", "4 read 3", "5 told 30 of 3"]);
    assert_eq!(summary["mid_stream"], 1);
    // In the middle of a message: what is there is told and left.
    let mut pieces = pieces[2..].to_vec();
    pieces[0].bytes.drain(..5);
    pieces[0].seq = pieces[0].seq.wrapping_add(5);
    let told = shorts(&pieces);
    assert_eq!(told[0], "1 malformed cannot be read: 06010300010001");
    assert_eq!(told[2..], ["3 read 2", "4 told 20 of 2", "5 read 3", "6 told 30 of 3"]);
}

#[test]
fn one_half_of_a_conversation_is_told_as_far_as_it_goes() {
    let asked: Vec<_> = three().into_iter().filter(|piece| piece.to.port() == 502).collect();
    assert_eq!(shorts(&asked), ["2 read 1", "3 read 2", "4 read 3"]);
    let answered: Vec<_> = three().into_iter().filter(|piece| piece.from.port() == 502).collect();
    assert_eq!(shorts(&answered), ["2 told 10 of null", "3 told 20 of null", "4 told 30 of null"]);
    let (lines, _) = decoded(&capture(&answered));
    assert_eq!((&lines[0]["deeds"][0]["unit"], &lines[0]["deeds"][0]["function"]), (&1.into(), &3.into()));
}

#[test]
fn a_port_pair_that_is_used_again_is_another_conversation() {
    for (close, what) in [(FIN | ACK, "after FIN"), (RST, "after RST"), (0, "without an end")] {
        let mut talk = Talk::new(CLIENT, SERVER);
        talk.asks(&read(1, 1)).tells(&told(1, 10)).asks(&read(2, 2)[..6]);
        if close != 0 {
            talk.add(true, close, &[]);
        }
        let mut again = Talk::new(CLIENT, SERVER);
        again.asks(&read(1, 7)).tells(&told(1, 70));
        again.pieces.iter_mut().for_each(|piece| piece.seq = piece.seq.wrapping_add(77_000));
        again.pieces.iter_mut().for_each(|piece| piece.ack = piece.ack.wrapping_add(77_000));
        let (lines, summary) = decoded(&capture(&[talk.pieces, again.pieces].concat()));
        assert_eq!(summary["streams"], 2, "{what}");
        let told: Vec<_> = lines.iter().map(|line| line["stream"].as_u64().expect("a number")).collect();
        assert_eq!(told, [0, 0, 0, 1, 1], "{what}: {lines:?}");
        assert_eq!(lines[2]["malformed"], "length_mismatch", "{what}: half a message is told");
    }
}

#[test]
fn after_what_cannot_be_read_a_later_packet_that_starts_whole_is_read_and_nothing_in_between() {
    let mut talk = Talk::new(CLIENT, SERVER);
    // Protocol id 1, and a legal request behind it in the same packet: nobody searches for it (GEN-07).
    let lie = [&[0, 9, 0, 1, 0, 6, 1, 3, 0, 0, 0, 1][..], &read(1, 1)].concat();
    talk.asks(&lie).asks(&read(2, 2)).tells(&told(2, 20));
    let told = shorts(&talk.pieces);
    assert_eq!(told[0], "3 malformed cannot be read: 000900010006010300000001000100000006010300010001");
    assert_eq!(told[1..], ["4 read 2", "5 told 20 of 2"]);
    // Half a lie waits; what does not continue it starts anew.
    let mut talk = Talk::new(CLIENT, SERVER);
    talk.asks(&[0, 9, 0, 0, 0]).asks(&read(2, 2));
    assert_eq!(shorts(&talk.pieces), ["3 length_mismatch cannot be read: 0009000000", "4 read 2"]);
}

#[test]
fn an_answer_that_does_not_fit_is_told_as_one() {
    let mut talk = Talk::new(CLIENT, SERVER);
    talk.asks(&read(1, 1)).tells(&adu(1, 1, &[3, 4, 0, 1, 0, 2])).asks(&read(2, 2)).tells(&told(9, 1));
    let (lines, _) = decoded(&capture(&talk.pieces));
    assert_eq!((&lines[1]["malformed"], &lines[1]["function"]), (&"response_mismatch".into(), &3.into()), "GEN-08");
    assert_eq!((&lines[3]["malformed"], &lines[3]["note"]), (&Value::Null, &"its request was not captured".into()));
}

#[test]
fn another_conversation_without_a_start_is_not_taken_for_an_old_one() {
    let mut pieces = three();
    let mut again = Talk::middle(CLIENT, SERVER);
    again.asks(&read(5, 5)).tells(&told(5, 50));
    for piece in &mut again.pieces {
        piece.seq = piece.seq.wrapping_add(0x4000_0000);
        piece.ack = piece.ack.wrapping_add(0x4000_0000);
    }
    pieces.extend(again.pieces);
    assert_eq!(shorts(&pieces)[6..], ["9 read 5", "10 told 50 of 5"]);
}
