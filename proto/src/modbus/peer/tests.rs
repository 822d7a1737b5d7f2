//! Do answers keep the order of the requests, and slots their bounds?

use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{
    half::Outcome,
    modbus::{
        frame::Pen,
        function::EXCEPTION,
        response::Response,
        vectors::{hex, peer, peer_with, word},
    },
};

/// A read of register `id` under id `id`, unit 1.
fn request(id: u16) -> Vec<u8> {
    let ([high, low], mut bytes) = (id.to_be_bytes(), hex("0000 0000 0006 01 03 0000 0001"));
    (bytes[0], bytes[1], bytes[8], bytes[9]) = (high, low, high, low);
    bytes
}

fn read<'b>(peer: &mut Peer, bytes: &'b [u8]) -> Asked<'b> {
    match peer.next(Input::Stream(bytes), Now::default(), &mut Out::new(0)) {
        Step::Asked(asked) => asked,
        other => panic!("{other:?}"),
    }
}

fn accept(peer: &mut Peer, id: u16) -> Result<(), Reason> {
    let bytes = request(id);
    let asked = read(peer, &bytes);
    peer.accept(&asked, Ticket(u64::from(id)))
}

fn refuse(peer: &mut Peer, id: u16, reason: Reason, style: OnDeny, out: &mut Out) -> Result<(), Full> {
    let bytes = request(id);
    let asked = read(peer, &bytes);
    peer.refuse(&asked, &Denied::because(reason), style, out)
}

fn deliver(peer: &mut Peer, id: u16, out: &mut Out) -> Result<(), Full> {
    let (asked, value) = (request(id), id.to_be_bytes());
    let said = [3, 2, value[0], value[1]];
    let request = Request::of(1, &asked[7..]).expect("legal");
    let (response, exception) = Response::read(request, 1, &said).expect("fits");
    let told = Told {
        ticket: Ticket(u64::from(id)),
        answer: Answer::Modbus(response),
        outcome: Outcome::Ok,
        exception,
        repaired: None,
    };
    peer.deliver(&told, out)
}

/// The ids of what was answered, exceptions with their code.
fn answers(out: &Out) -> Vec<(u16, Option<u8>)> {
    let (mut rest, mut seen) = (out.as_slice(), vec![]);
    while let Framed::Whole(adu) = frame::first(rest, |_, _| function::Shape::Right) {
        seen.push((adu.id, (adu.pdu[0] & EXCEPTION != 0).then(|| adu.pdu[1])));
        rest = &rest[adu.frame.len()..];
    }
    assert!(rest.is_empty());
    seen
}

#[test]
fn answers_leave_in_the_order_of_the_requests() {
    let (mut peer, mut out) = (peer(4), Out::new(1024));
    accept(&mut peer, 1).expect("room");
    accept(&mut peer, 2).expect("room");
    refuse(&mut peer, 3, Reason::AddressNotAllowed, OnDeny::Refuse, &mut out).expect("room");
    deliver(&mut peer, 2, &mut out).expect("room");
    assert_eq!((answers(&out), peer.pending()), (vec![], 3));
    deliver(&mut peer, 1, &mut out).expect("room");
    assert_eq!(answers(&out), [(1, None), (2, None), (3, Some(2))]);
    assert_eq!(peer.pending(), 0);
    peer.check_invariants();
}

#[test]
fn a_refused_ticket_answers_in_its_turn_and_a_late_answer_to_it_is_nobodys() {
    let (mut peer, mut out) = (peer(4), Out::new(1024));
    accept(&mut peer, 1).expect("room");
    accept(&mut peer, 2).expect("room");
    let late = Denied::because(Reason::RequestTimeout);
    peer.refuse_ticket(Ticket(2), &late, OnDeny::Refuse, &mut out).expect("room");
    peer.refuse_ticket(Ticket(1), &late, OnDeny::Drop, &mut out).expect("room");
    deliver(&mut peer, 1, &mut out).expect("room");
    deliver(&mut peer, 2, &mut out).expect("room");
    assert_eq!(answers(&out), [(2, Some(0x0B))]);
}

#[test]
fn an_illegal_message_keeps_its_own_answer_when_its_refusal_is_slowed() {
    let (mut peer, mut out) = (peer(4), Out::new(1024));
    let bytes = hex("0001 0000 0006 01 03 0000 007e");
    let asked = read(&mut peer, &bytes);
    assert!(matches!(asked.body, Body::Illegal { reason: Reason::Malformed, answer: 3, .. }));
    peer.accept(&asked, Ticket(9)).expect("room");
    peer.refuse_ticket(Ticket(9), &Denied::because(Reason::Malformed), OnDeny::Refuse, &mut out).expect("room");
    assert_eq!(answers(&out), [(1, Some(3))]);
}

#[test]
fn silence_is_kept_for_drop_close_and_an_id_in_flight() {
    let (mut peer, mut out) = (peer(4), Out::new(1024));
    refuse(&mut peer, 1, Reason::AddressNotAllowed, OnDeny::Drop, &mut out).expect("room");
    refuse(&mut peer, 1, Reason::AddressNotAllowed, OnDeny::Close, &mut out).expect("room");
    refuse(&mut peer, 1, Reason::LengthMismatch, OnDeny::Refuse, &mut out).expect("room");
    accept(&mut peer, 1).expect("room");
    assert_eq!(accept(&mut peer, 1), Err(Reason::DuplicateId));
    refuse(&mut peer, 1, Reason::DuplicateId, OnDeny::Refuse, &mut out).expect("room");
    refuse(&mut peer, 1, Reason::AddressNotAllowed, OnDeny::Refuse, &mut out).expect("room");
    assert_eq!(peer.pending(), 1, "MB-10");
    deliver(&mut peer, 1, &mut out).expect("room");
    assert_eq!(answers(&out), [(1, None)]);
    accept(&mut peer, 1).expect("an answered id may come again");
}

#[test]
fn the_pending_table_is_bounded() {
    let (mut peer, mut out) = (peer(2), Out::new(1024));
    for id in 1..=3 {
        assert!(peer.has_room());
        accept(&mut peer, id).expect("two and the reserved one");
    }
    assert!(!peer.has_room());
    assert_eq!(accept(&mut peer, 4), Err(Reason::TooManyPending), "GEN-14");
    refuse(&mut peer, 4, Reason::TooManyPending, OnDeny::Refuse, &mut out).expect("its refusal waits");
    assert_eq!(refuse(&mut peer, 5, Reason::RateLimited, OnDeny::Refuse, &mut out), Err(Full));
    peer.check_invariants();
}

#[test]
fn an_answer_that_does_not_fit_stays_in_its_slot() {
    let (mut peer, mut out) = (peer(4), Out::new(12));
    accept(&mut peer, 1).expect("room");
    accept(&mut peer, 2).expect("room");
    deliver(&mut peer, 1, &mut out).expect("room");
    assert_eq!(deliver(&mut peer, 2, &mut out), Err(Full));
    assert_eq!((answers(&out), peer.pending()), (vec![(1, None)], 1));
    peer.check_invariants();
}

#[test]
fn a_message_that_never_ends_ends_the_session() {
    let (mut peer, mut out) = (peer(4), Out::new(0));
    let at = |secs: u64| Now { mono: Mono::ZERO.after(Duration::from_secs(secs)), ..Now::default() };
    assert_eq!(peer.deadline(), None);
    let bytes = request(1);
    for (secs, len) in [(1, 1), (3, 5), (5, 8)] {
        assert!(matches!(peer.next(Input::Stream(&bytes[..len]), at(secs), &mut out), Step::Need { .. }));
        assert_eq!(peer.deadline(), Some(at(6).mono), "GEN-06: from the first byte");
    }
    assert_eq!(peer.tick(at(5), &mut out), None);
    assert_eq!(peer.tick(at(6), &mut out), Some(Cause::FrameTimeout));
    assert!(matches!(peer.next(Input::Stream(&bytes), at(6), &mut out), Step::Asked(_)));
    assert_eq!(peer.deadline(), None);
}

#[test]
fn an_end_within_a_message_is_truncation() {
    let (mut peer, mut out) = (peer(4), Out::new(0));
    let ends = |peer: &mut Peer, out: &mut Out| match peer.next(Input::Eof, Now::default(), out) {
        Step::End { cause, reason } => (cause, reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(ends(&mut peer, &mut out), (Cause::PeerClosed, None));
    let _ = peer.next(Input::Stream(&[0]), Now::default(), &mut out);
    assert_eq!(ends(&mut peer, &mut out), (Cause::Truncated, Some(Reason::LengthMismatch)));
}

#[test]
fn the_peers_own_id_and_unit_come_back() {
    let (mut peer, mut out) = (peer(4), Out::new(64));
    accept(&mut peer, 0xABCD).expect("room");
    deliver(&mut peer, 0xABCD, &mut out).expect("room");
    assert_eq!(out.as_slice(), hex("abcd 0000 0005 01 03 02 abcd"));
}

#[test]
fn an_answer_to_another_function_is_never_delivered() {
    let (mut peer, mut out) = (peer(4), Out::new(64));
    accept(&mut peer, 1).expect("room");
    let asked = hex("04 0000 0001");
    let other = Request::of(1, &asked).expect("legal");
    let (response, exception) = Response::read(other, 1, &[4, 2, 0, 9]).expect("fits");
    let told =
        Told { ticket: Ticket(1), answer: Answer::Modbus(response), outcome: Outcome::Ok, exception, repaired: None };
    peer.deliver(&told, &mut out).expect("room");
    assert_eq!(answers(&out), [(1, Some(4))], "GEN-08");
}

#[derive(Clone, Debug)]
enum Act {
    Accept,
    Refuse,
    Deliver(usize),
    Withdraw(usize),
}

proptest! {
    #[test]
    fn whatever_the_order_of_events_answers_keep_the_order_of_requests(acts in prop::collection::vec(
        prop_oneof![
            Just(Act::Accept),
            Just(Act::Refuse),
            (0usize..8).prop_map(Act::Deliver),
            (0usize..8).prop_map(Act::Withdraw),
        ],
        0..120,
    )) {
        let (mut peer, mut out) = (peer(4), Out::new(65536));
        let (mut waiting, mut asked, mut next) = (Vec::<u16>::new(), Vec::<u16>::new(), 1u16);
        for act in acts {
            match act {
                Act::Accept if peer.has_room() => {
                    accept(&mut peer, next).expect("room");
                    waiting.push(next);
                    asked.push(next);
                    next += 1;
                }
                Act::Refuse if peer.has_room() => {
                    refuse(&mut peer, next, Reason::RateLimited, OnDeny::Refuse, &mut out).expect("room");
                    asked.push(next);
                    next += 1;
                }
                Act::Deliver(n) if n < waiting.len() => deliver(&mut peer, waiting.remove(n), &mut out).expect("room"),
                Act::Withdraw(n) if n < waiting.len() => {
                    let ticket = Ticket(u64::from(waiting.remove(n)));
                    let denied = Denied::because(Reason::UpstreamUnavailable);
                    peer.refuse_ticket(ticket, &denied, OnDeny::Refuse, &mut out).expect("room");
                }
                Act::Accept | Act::Refuse | Act::Deliver(_) | Act::Withdraw(_) => {}
            }
            peer.check_invariants();
        }
        while let Some(id) = waiting.pop() {
            deliver(&mut peer, id, &mut out).expect("room");
        }
        let answered: Vec<u16> = answers(&out).into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(answered, asked);
        prop_assert_eq!(peer.pending(), 0);
    }
}

#[test]
fn a_datagram_is_not_modbus_over_tcp() {
    let mut peer = peer(1);
    let bytes = request(1);
    let step = peer.next(Input::Datagram(&bytes), Now::default(), &mut Out::new(0));
    assert!(matches!(step, Step::End { reason: Some(Reason::UnknownProtocol), .. }));
}

#[test]
fn who_watches_reads_a_datagram_that_is_one_message() {
    let mut peer = Peer::new(&PeerOptions { ids: Ids::Observed, ..PeerOptions::default() });
    let (bytes, mut out) = (request(1), Out::new(0));
    let step = peer.next(Input::Datagram(&bytes), Now::default(), &mut out);
    assert!(matches!(step, Step::Asked(asked) if asked.used == bytes.len()));
    for other in [&bytes[..7], &[&bytes[..], &bytes].concat()] {
        let step = peer.next(Input::Datagram(other), Now::default(), &mut out);
        assert!(matches!(step, Step::End { reason: Some(Reason::LengthMismatch), .. }), "{other:?}");
    }
}

/// What an answer is, and what `bytes` come to.
fn body<'b>(peer: &mut Peer, bytes: &'b [u8]) -> Body<'b> {
    read(peer, bytes).body
}

#[test]
fn a_unit_is_mapped_for_the_rules_and_comes_back_as_the_peer_named_it() {
    let map = Setting::IntMap([(255, 1)].into());
    let (mut peer, mut out) = (peer_with(4, &[("unit_map", map)]), Out::new(64));
    let bytes = hex("0001 0000 0006 ff 03 0001 0001");
    let asked = read(&mut peer, &bytes);
    let Body::Message(message) = asked.body else { panic!("{asked:?}") };
    assert_eq!(message.unit(), 1);
    peer.accept(&asked, Ticket(1)).expect("room");
    deliver(&mut peer, 1, &mut out).expect("room");
    refuse(&mut peer, 2, Reason::AddressNotAllowed, OnDeny::Refuse, &mut out).expect("room");
    assert_eq!(out.as_slice(), hex("0001 0000 0005 ff 03 02 0001 0002 0000 0003 01 83 02"), "MB-16");
}

#[test]
fn an_id_in_flight_waits_where_the_conduit_says_so() {
    let (mut peer, mut out) = (peer_with(4, &[word("duplicate_tid", "queue")]), Out::new(64));
    accept(&mut peer, 7).expect("room");
    let bytes = request(7);
    assert!(matches!(peer.next(Input::Stream(&bytes), Now::default(), &mut out), Step::Wait), "MB-10");
    assert_eq!(peer.deadline(), None, "it is whole");
    let other = request(8);
    assert!(matches!(peer.next(Input::Stream(&other), Now::default(), &mut out), Step::Asked(_)));
    deliver(&mut peer, 7, &mut out).expect("room");
    assert!(matches!(peer.next(Input::Stream(&bytes), Now::default(), &mut out), Step::Asked(_)));
}

#[test]
fn pad_bits_are_refused_where_the_conduit_is_strict_and_told_where_not() {
    let bytes = hex("0001 0000 0009 01 0f 0013 000a 02 cdff");
    let asked = read(&mut peer(4), &bytes).repaired;
    assert_eq!(asked, Some(Repair::RequestPadding));
    let mut strict = peer_with(4, &[("strict_padding", Setting::Bool(true))]);
    assert!(matches!(
        body(&mut strict, &bytes),
        Body::Illegal { reason: Reason::NotCanonical, answer: 1, function: 15, unit: 1 }
    ));
    let clean = hex("0001 0000 0009 01 0f 0013 000a 02 cd03");
    assert!(matches!(body(&mut strict, &clean), Body::Message(_)));
}

#[test]
fn a_broadcast_is_a_write() {
    let broadcast = word("unit0", "broadcast");
    let mut tcp = peer_with(4, core::slice::from_ref(&broadcast));
    for (pdu, passes) in [
        ("06 0001 0001", true),
        ("0f 0000 0003 01 05", true),
        ("10 0001 0001 02 0001", true),
        ("16 0001 0000 0001", true),
        ("15 09 06 0004 0007 0001 06af", true),
        ("05 0001 ff00", true),
        ("03 0001 0001", false),
        ("17 0003 0001 000e 0001 02 00ff", false),
        ("08 0004 0000", false),
        ("2b 0e 01 00", false),
    ] {
        let pdu = hex(pdu);
        let adu = Sheet::adu(1, 0, |sheet| sheet.put(&pdu));
        match body(&mut tcp, adu.as_slice()) {
            Body::Message(_) => assert!(passes, "MB-15 {pdu:02x?}"),
            Body::Illegal { reason, .. } => {
                assert!(!passes && reason == Reason::UnitNotAllowed, "MB-15 {pdu:02x?}");
            }
        }
    }
    // On a serial line nobody answers it, not even to refuse.
    let mut line = peer_with(4, &[broadcast, word("framing", "rtu")]);
    let adu = rtu::adu(0, |sheet| sheet.put(&hex("06 0001 0001")));
    let (asked, mut out) = (read(&mut line, adu.as_slice()), Out::new(64));
    line.refuse(&asked, &Denied::because(Reason::AddressNotAllowed), OnDeny::Refuse, &mut out).expect("room");
    assert!(out.is_empty());
    line.accept(&asked, Ticket(1)).expect("room");
    line.unanswered(Ticket(1), &mut out).expect("room");
    assert_eq!((out.len(), line.pending()), (0, 0));
    // On TCP the session has its own answers.
    let mut tcp = peer_with(4, &[word("unit0", "broadcast")]);
    let adu = Sheet::adu(1, 0, |sheet| sheet.put(&hex("06 0001 0001")));
    let asked = read(&mut tcp, adu.as_slice());
    tcp.refuse(&asked, &Denied::because(Reason::FunctionNotAllowed), OnDeny::Refuse, &mut out).expect("room");
    assert_eq!(answers(&out), [(1, Some(1))]);
    out.clear();
    // One to another unit is refused on a line too, and so is unit 0 where it is the device itself.
    let adu = rtu::adu(1, |sheet| sheet.put(&hex("06 0001 0001")));
    let asked = read(&mut line, adu.as_slice());
    line.refuse(&asked, &Denied::because(Reason::FunctionNotAllowed), OnDeny::Refuse, &mut out).expect("room");
    assert_eq!(out.as_slice(), rtu::adu(1, |sheet| sheet.put(&hex("86 01"))).as_slice());
    let mut device = peer_with(4, &[word("unit0", "device"), word("framing", "rtu")]);
    let adu = rtu::adu(0, |sheet| sheet.put(&hex("06 0001 0001")));
    let (asked, mut out) = (read(&mut device, adu.as_slice()), Out::new(64));
    device.refuse(&asked, &Denied::because(Reason::FunctionNotAllowed), OnDeny::Refuse, &mut out).expect("room");
    assert_eq!(out.as_slice(), rtu::adu(0, |sheet| sheet.put(&hex("86 01"))).as_slice());
}

#[test]
fn a_ticket_that_nobody_holds_changes_nothing() {
    let (mut peer, mut out) = (peer(4), Out::new(64));
    accept(&mut peer, 1).expect("room");
    let late = Denied::because(Reason::RequestTimeout);
    peer.refuse_ticket(Ticket(7), &late, OnDeny::Refuse, &mut out).expect("room");
    peer.unanswered(Ticket(7), &mut out).expect("room");
    deliver(&mut peer, 7, &mut out).expect("room");
    assert_eq!((out.len(), peer.pending()), (0, 1));
    deliver(&mut peer, 1, &mut out).expect("room");
    assert_eq!(answers(&out), [(1, None)]);
}

#[test]
#[should_panic(expected = "two slots with one id or one ticket")]
fn two_slots_with_one_ticket_are_a_broken_invariant() {
    let mut peer = peer(4);
    accept(&mut peer, 1).expect("room");
    let bytes = request(2);
    let asked = read(&mut peer, &bytes);
    peer.accept(&asked, Ticket(1)).expect("room");
    peer.check_invariants();
}

#[test]
#[should_panic(expected = "two slots with one id or one ticket")]
fn two_slots_with_one_id_are_a_broken_invariant() {
    let mut peer = peer(4);
    accept(&mut peer, 1).expect("room");
    accept(&mut peer, 2).expect("room");
    peer.slots[1].id = 1;
    peer.check_invariants();
}

#[test]
fn a_message_without_an_answer_keeps_nobody_waiting() {
    let (mut peer, mut out) = (peer(4), Out::new(64));
    accept(&mut peer, 1).expect("room");
    accept(&mut peer, 2).expect("room");
    deliver(&mut peer, 2, &mut out).expect("room");
    assert_eq!(answers(&out), []);
    peer.unanswered(Ticket(1), &mut out).expect("room");
    assert_eq!((answers(&out), peer.pending()), (vec![(2, None)], 0));
}

#[test]
fn rtu_answers_keep_the_order_without_ids() {
    let (mut peer, mut out) = (peer_with(4, &[word("framing", "rtu")]), Out::new(64));
    let one = rtu::adu(1, |sheet| sheet.put(&hex("03 0001 0001")));
    let two = rtu::adu(1, |sheet| sheet.put(&hex("03 0002 0001")));
    for (ticket, adu) in [(1, &one), (2, &two)] {
        let asked = read(&mut peer, adu.as_slice());
        peer.accept(&asked, Ticket(ticket)).expect("room");
    }
    peer.check_invariants();
    deliver(&mut peer, 2, &mut out).expect("room");
    assert!(out.is_empty());
    peer.refuse_ticket(Ticket(1), &Denied::because(Reason::RequestTimeout), OnDeny::Refuse, &mut out).expect("room");
    let first = rtu::adu(1, |sheet| sheet.put(&hex("83 0b")));
    let second = rtu::adu(1, |sheet| sheet.put(&hex("03 02 0002")));
    assert_eq!(out.as_slice(), [first.as_slice(), second.as_slice()].concat());
}
