//! Does the station's role keep its states, its numbers and its bounds?

use std::vec::Vec;

use super::*;
use crate::{
    half::Floor,
    iec104::{
        asdu::{Asdu, Direction},
        checks::UNKNOWN_CAUSE,
        conformance::{frames, hex},
        request::Request,
    },
    keys::{Setting, Settings},
};

const START: &str = "680407000000";
const STOP: &str = "680413000000";
const SELECT: &str = "2d0106000100e9030081";
const EXECUTE: &str = "2d0106000100e9030001";
const REFUSED: &str = "2d0147000100e9030001";
const POINT: &str = "01010300010001000001";

fn options(pending: usize, all: &[(&'static str, Setting)]) -> PeerOptions {
    let settings = Settings(all.iter().cloned().collect());
    PeerOptions { settings, pending, frame_timeout: Duration::from_secs(5), ..PeerOptions::default() }
}

fn says(kind: u8) -> Signal {
    Signal { kind, value: 0, floor: Floor::Silent }
}

fn at(secs: u64) -> Now {
    Now { mono: Mono::ZERO.after(Duration::from_secs(secs)), ..Now::default() }
}

fn next<'b>(peer: &mut Peer, bytes: &'b [u8], out: &mut Out) -> Step<'b> {
    let step = peer.next(Input::Stream(bytes), at(1), out);
    peer.check_invariants();
    step
}

/// A peer behind STARTDT.
fn started(options: &PeerOptions) -> Peer {
    let (mut peer, mut out) = (Peer::new(options), Out::new(64));
    let step = next(&mut peer, &hex(START), &mut out).signal();
    assert_eq!(step, Some((6, Signal { kind: word::START, value: 0, floor: Floor::Takes })));
    assert!(out.is_empty(), "the station has not confirmed");
    peer.signal(says(word::STARTED), at(1), &mut out).expect("room");
    assert_eq!(frames(&out), [Frame::U(Function::StartCon)]);
    peer
}

impl Step<'_> {
    fn signal(self) -> Option<(usize, Signal)> {
        if let Self::Signal { used, signal } = self { Some((used, signal)) } else { None }
    }

    fn end(self) -> Option<(Cause, Option<Reason>)> {
        if let Self::End { cause, reason } = self { Some((cause, reason)) } else { None }
    }

    fn own(self) -> bool {
        matches!(self, Self::Own { used: 6 })
    }
}

fn i(send: u16, receive: u16, asdu: &str) -> Vec<u8> {
    let mut out = Out::new(255);
    apci::write_i(send, receive, &hex(asdu), &mut out).expect("room");
    out.as_slice().to_vec()
}

fn s(receive: u16) -> Vec<u8> {
    let mut out = Out::new(6);
    apci::write_s(receive, &mut out).expect("room");
    out.as_slice().to_vec()
}

fn asked<'b>(peer: &mut Peer, bytes: &'b [u8]) -> Asked<'b> {
    match next(peer, bytes, &mut Out::new(64)) {
        Step::Asked(asked) => asked,
        other => panic!("{other:?}"),
    }
}

/// Accepts it under its own number.
fn accept(peer: &mut Peer, send: u16, asdu: &str) -> Result<(), Reason> {
    let bytes = i(send, 0, asdu);
    let asked = asked(peer, &bytes);
    peer.accept(&asked, Ticket(u64::from(send)))
}

fn refuse(peer: &mut Peer, send: u16, asdu: &str, style: OnDeny, out: &mut Out) -> Result<(), Full> {
    let bytes = i(send, 0, asdu);
    let asked = asked(peer, &bytes);
    peer.refuse(&asked, &Denied::because(Reason::ValueNotAllowed), style, out)
}

fn report(peer: &mut Peer, id: u32, place: Place, asdu: &str, out: &mut Out) -> Result<(), Full> {
    let frame = i(0, 0, asdu);
    let asdu = Asdu::read(&frame[HEADER..], Direction::Monitor).expect("legal");
    let message = Message::Iec104(Request { asdu, selected: false });
    let done = peer.report(&Unasked { message, frame: &frame, id, place, odd: None }, at(1), out);
    peer.check_invariants();
    done
}

const MALFORMED: Option<(Cause, Option<Reason>)> = Some((Cause::Malformed, Some(Reason::Malformed)));

#[test]
fn data_transfer_starts_when_the_station_says_so() {
    let (mut peer, mut out) = (Peer::new(&options(4, &[])), Out::new(256));
    assert!(next(&mut peer, &hex(STOP), &mut out).own());
    assert_eq!(frames(&out), [Frame::U(Function::StopCon)], "it has not started");
    out.clear();
    report(&mut peer, 1, Place::Report, POINT, &mut out).expect("room");
    assert!(next(&mut peer, &hex(START), &mut out).signal().is_some());
    assert!(next(&mut peer, &hex(START), &mut out).own(), "it waits for the station already");
    assert!(matches!(next(&mut peer, &i(0, 0, EXECUTE), &mut out), Step::Wait));
    peer.signal(says(word::STOPPED), at(1), &mut out).expect("room");
    assert!(out.is_empty(), "no word of the station is said before its time");
    peer.signal(says(word::STARTED), at(1), &mut out).expect("room");
    assert!(next(&mut peer, &hex(START), &mut out).own());
    let con = Frame::U(Function::StartCon);
    assert_eq!(frames(&out), [con, con], "said twice, it is answered twice");
    peer.signal(says(word::STARTED), at(1), &mut out).expect("room");
    assert_eq!(out.len(), 12);
    assert_eq!(accept(&mut peer, 0, EXECUTE), Ok(()));
}

#[test]
fn what_the_standard_forbids_ends_the_session() {
    let mut out = Out::new(64);
    let mut stopped = Peer::new(&options(4, &[]));
    assert_eq!(next(&mut stopped, &i(0, 0, EXECUTE), &mut out).end(), MALFORMED, "before STARTDT");
    let role = Some((Cause::Malformed, Some(Reason::DirectionNotAllowed)));
    for con in ["68040b000000", "680423000000"] {
        assert_eq!(next(&mut started(&options(4, &[])), &hex(con), &mut out).end(), role, "{con}");
    }
    for (bytes, why) in [
        (i(1, 0, EXECUTE), "N(S) beyond"),
        (i(0x7FFF, 0, EXECUTE), "N(S) backwards"),
        (i(0, 1, EXECUTE), "N(R) beyond"),
        (s(1), "N(R) beyond"),
        (s(0x7FFF), "N(R) backwards"),
    ] {
        assert_eq!(next(&mut started(&options(4, &[])), &bytes, &mut out).end(), MALFORMED, "{why}");
    }
    let short = Some((Cause::Malformed, Some(Reason::LengthMismatch)));
    assert_eq!(next(&mut started(&options(4, &[])), &i(0, 0, "2d02060001 00e9030001"), &mut out).end(), short);
    assert_eq!(next(&mut stopped, &[0x68, 3], &mut out).end(), short);
    let datagram = stopped.next(Input::Datagram(&[]), at(1), &mut out).end();
    assert_eq!(datagram, Some((Cause::Malformed, Some(Reason::UnknownProtocol))));
    assert!(out.is_empty());
}

#[test]
fn a_stop_is_confirmed_when_all_that_left_is_acknowledged() {
    let (mut peer, mut out) = (started(&options(4, &[])), Out::new(256));
    report(&mut peer, 7, Place::Report, POINT, &mut out).expect("room");
    let stop = next(&mut peer, &hex(STOP), &mut out).signal();
    assert_eq!(stop, Some((6, Signal { kind: word::STOP, value: 0, floor: Floor::Leaves })));
    assert!(next(&mut peer, &hex(STOP), &mut out).own() && next(&mut peer, &hex(START), &mut out).own());
    assert_eq!(next(&mut peer, &i(0, 0, EXECUTE), &mut out).end(), MALFORMED, "no command behind STOPDT");
    peer.signal(says(word::STARTED), at(1), &mut out).expect("room");
    // What the station still had to tell leaves before it stops.
    report(&mut peer, 8, Place::Report, POINT, &mut out).expect("room");
    peer.signal(says(word::STOPPED), at(1), &mut out).expect("room");
    assert_eq!(frames(&out), [Frame::I(0, 0, &hex(POINT)), Frame::I(1, 0, &hex(POINT))]);
    out.clear();
    let acknowledged = |value| Some((6, Signal { value, ..says(word::ACKNOWLEDGED) }));
    assert_eq!(next(&mut peer, &s(1), &mut out).signal(), acknowledged(7));
    assert!(out.is_empty());
    assert_eq!(next(&mut peer, &s(2), &mut out).signal(), acknowledged(8));
    assert_eq!(frames(&out), [Frame::U(Function::StopCon)]);
    out.clear();
    report(&mut peer, 9, Place::Report, POINT, &mut out).expect("it waits");
    assert!(out.is_empty(), "nothing leaves while data transfer is stopped");
    assert!(next(&mut peer, &hex(START), &mut out).signal().is_some(), "it can start again");
    assert!(next(&mut peer, &hex(STOP), &mut out).signal().is_some(), "and stop before it has started");
}

#[test]
fn a_stop_acknowledges_what_came_before_it() {
    let (mut peer, mut out) = (started(&options(4, &[])), Out::new(256));
    accept(&mut peer, 0, EXECUTE).expect("room");
    assert!(next(&mut peer, &hex(STOP), &mut out).signal().is_some());
    assert_eq!(peer.signal(says(word::STOPPED), at(1), &mut Out::new(6)), Err(Full));
    peer.signal(says(word::STOPPED), at(1), &mut out).expect("room");
    assert_eq!(frames(&out).last(), Some(&Frame::U(Function::StopCon)));
}

#[test]
fn a_stop_waits_for_what_still_waits_for_the_window() {
    let (mut peer, mut out) = (started(&options(4, &[("k", Setting::Int(1)), ("w", Setting::Int(1))])), Out::new(256));
    for id in 1..=2 {
        report(&mut peer, id, Place::Report, POINT, &mut out).expect("room");
    }
    assert!(next(&mut peer, &hex(STOP), &mut out).signal().is_some());
    peer.signal(says(word::STOPPED), at(1), &mut out).expect("room");
    assert!(next(&mut peer, &s(1), &mut out).signal().is_some());
    let point = hex(POINT);
    assert_eq!(frames(&out), [Frame::I(0, 0, &point), Frame::I(1, 0, &point)]);
    out.clear();
    assert!(next(&mut peer, &s(2), &mut out).signal().is_some());
    assert_eq!(frames(&out), [Frame::U(Function::StopCon)]);
}

#[test]
fn a_test_is_answered_in_every_state_and_ours_wants_an_answer() {
    let mut out = Out::new(256);
    let test = hex("680443000000");
    for peer in [&mut Peer::new(&options(4, &[])), &mut started(&options(4, &[]))] {
        assert!(next(peer, &test, &mut out).own());
        assert_eq!(frames(&out), [Frame::U(Function::TestCon)]);
        out.clear();
        assert_eq!(peer.timer(), Some(at(21).mono), "t3");
        assert_eq!(peer.tick(at(21), &mut out), None);
        assert_eq!(frames(&out), [Frame::U(Function::TestAct)]);
        out.clear();
        assert_eq!(peer.timer(), Some(at(36).mono), "t1");
        let answer = hex("680483000000");
        assert!(matches!(peer.next(Input::Stream(&answer), at(30), &mut out), Step::Own { used: 6 }));
        assert_eq!(peer.tick(at(36), &mut out), None);
        assert_eq!(peer.tick(at(50), &mut out), None);
        assert_eq!(peer.tick(at(65), &mut out), Some(Cause::Idle));
        out.clear();
    }
}

#[test]
fn a_refusal_comes_under_our_own_number_as_the_style_says() {
    let (mut peer, mut out) = (started(&options(4, &[])), Out::new(256));
    accept(&mut peer, 0, EXECUTE).expect("room");
    refuse(&mut peer, 1, EXECUTE, OnDeny::Refuse, &mut out).expect("room");
    refuse(&mut peer, 2, EXECUTE, OnDeny::Drop, &mut out).expect("room");
    refuse(&mut peer, 3, EXECUTE, OnDeny::Close, &mut out).expect("room");
    // To the global address nobody answers, whether it is legal there or not.
    refuse(&mut peer, 4, "64010600ffff00000014", OnDeny::Refuse, &mut out).expect("room");
    refuse(&mut peer, 5, "2d010600ffffe9030001", OnDeny::Refuse, &mut out).expect("room");
    refuse(&mut peer, 6, "2d0103000100e9030001", OnDeny::Refuse, &mut out).expect("room");
    let unknown = [0x2d, 1, 0x40 | UNKNOWN_CAUSE, 0, 1, 0, 0xe9, 3, 0, 1];
    assert_eq!(frames(&out), [Frame::I(0, 2, &hex(REFUSED)), Frame::I(1, 7, &unknown)]);
    assert_eq!(peer.pending(), 1);
    out.clear();
    assert!(next(&mut peer, &s(2), &mut out).own(), "the station has nothing to forget");
}

#[test]
fn an_accepted_command_can_be_refused_later_once() {
    let (mut peer, mut out) = (started(&options(4, &[])), Out::new(256));
    for send in 0..2 {
        accept(&mut peer, send, EXECUTE).expect("room");
    }
    accept(&mut peer, 2, "2d0103000100e9030001").expect("an illegal one can be slowed");
    let denied = Denied::because(Reason::UpstreamUnavailable);
    peer.refuse_ticket(Ticket(9), &denied, OnDeny::Refuse, &mut out).expect("nobody's");
    peer.refuse_ticket(Ticket(0), &Denied::because(Reason::RequestTimeout), OnDeny::Refuse, &mut out).expect("silent");
    assert!(out.is_empty(), "its fate is unknown");
    for _ in 0..2 {
        peer.refuse_ticket(Ticket(1), &denied, OnDeny::Refuse, &mut out).expect("room");
        peer.refuse_ticket(Ticket(2), &denied, OnDeny::Refuse, &mut out).expect("room");
    }
    let unknown = [0x2d, 1, 0x40 | UNKNOWN_CAUSE, 0, 1, 0, 0xe9, 3, 0, 1];
    assert_eq!(frames(&out), [Frame::I(0, 3, &hex(REFUSED)), Frame::I(1, 3, &unknown)]);
    assert_eq!(peer.pending(), 0);
    accept(&mut peer, 3, EXECUTE).expect("room");
    peer.unanswered(Ticket(3), &mut out).expect("room");
    assert_eq!(peer.pending(), 0);
}

#[test]
fn slots_are_bounded_and_who_watches_forgets_the_oldest() {
    let mut peer = started(&options(1, &[]));
    for send in 0..2 {
        assert!(peer.has_room());
        accept(&mut peer, send, EXECUTE).expect("one and the reserved one");
    }
    assert!(!peer.has_room());
    assert_eq!(accept(&mut peer, 2, EXECUTE), Err(Reason::TooManyPending), "GEN-14");
    let mut watch = Peer::new(&PeerOptions { ids: Ids::Observed, ..options(1, &[]) });
    let mut out = Out::new(64);
    for send in [900, 3, 0x7FFF] {
        accept(&mut watch, send, EXECUTE).expect("no number is wrong in the middle of a capture");
    }
    assert_eq!(watch.pending(), 2);
    watch.unanswered(Ticket(900), &mut out).expect("forgotten");
    assert_eq!(watch.pending(), 2);
    for function in [START, STOP, "68040b000000", "680423000000"] {
        assert!(next(&mut watch, &hex(function), &mut out).own(), "{function}");
    }
    assert!(next(&mut watch, &s(77), &mut out).own());
    assert!(out.is_empty());
    assert_eq!(watch.timer(), None);
}

#[test]
fn reports_wait_for_the_centre_and_are_acknowledged_by_their_handles() {
    let (mut peer, mut out) = (started(&options(4, &[("k", Setting::Int(2)), ("w", Setting::Int(1))])), Out::new(256));
    for id in 1..=4 {
        assert!(peer.takes_reports(), "{id}");
        report(&mut peer, id, Place::Report, POINT, &mut out).expect("it waits");
    }
    assert!(!peer.takes_reports());
    let point = hex(POINT);
    assert_eq!(frames(&out), [Frame::I(0, 0, &point), Frame::I(1, 0, &point)]);
    out.clear();
    let acknowledged = |used, value| Some((used, Signal { value, ..says(word::ACKNOWLEDGED) }));
    assert_eq!(next(&mut peer, &s(1), &mut out).signal(), acknowledged(6, 1));
    assert_eq!(frames(&out), [Frame::I(2, 0, &point)]);
    assert!(peer.takes_reports());
    out.clear();
    // A command acknowledges too: first that is told, then the command is read.
    let command = i(0, 3, EXECUTE);
    assert_eq!(next(&mut peer, &command, &mut out).signal(), acknowledged(0, 3));
    assert_eq!(frames(&out), [Frame::I(3, 0, &point)]);
    assert_eq!(asked(&mut peer, &command).id, 0);
    assert_eq!(next(&mut peer, &s(2), &mut out).end(), MALFORMED, "backwards");
}

#[test]
fn what_waits_is_bounded() {
    let (mut peer, mut out) = (started(&options(4, &[("k", Setting::Int(1)), ("w", Setting::Int(1))])), Out::new(256));
    for send in 0..=256 {
        assert!(peer.has_room(), "{send}");
        refuse(&mut peer, send, EXECUTE, OnDeny::Refuse, &mut out).expect("it waits");
    }
    assert!(!peer.has_room(), "nothing more is read");
    report(&mut peer, 1, Place::Report, POINT, &mut out).expect("one in the meantime");
    assert_eq!(report(&mut peer, 2, Place::Report, POINT, &mut out), Err(Full));
    assert_eq!(frames(&out).len(), 1);
    out.clear();
    assert!(next(&mut peer, &s(1), &mut out).own());
    assert_eq!(frames(&out), [Frame::I(1, 257, &hex(REFUSED))]);
}

#[test]
fn what_finds_no_room_leaves_with_the_next_acknowledgement() {
    let mut peer = started(&options(4, &[]));
    assert_eq!(report(&mut peer, 5, Place::Report, POINT, &mut Out::new(15)), Err(Full));
    let mut out = Out::new(64);
    assert!(next(&mut peer, &s(0), &mut out).own());
    assert_eq!(frames(&out), [Frame::I(0, 0, &hex(POINT))]);
}

#[test]
fn a_select_counts_once_the_station_has_confirmed_it() {
    for (outcome, confirmation, counts) in
        [(Outcome::Ok, "2d0107000100e9030081", true), (Outcome::Exception, "2d0147000100e9030081", false)]
    {
        let (mut peer, mut out) = (started(&options(4, &[])), Out::new(256));
        accept(&mut peer, 0, SELECT).expect("room");
        report(&mut peer, 1, Place::Settles(Ticket(0), outcome), confirmation, &mut out).expect("room");
        assert_eq!((peer.pending(), frames(&out)), (0, [Frame::I(0, 1, &hex(confirmation))].to_vec()));
        report(&mut peer, 2, Place::Settles(Ticket(0), outcome), confirmation, &mut out).expect("nobody's now");
        let selected = |asked: &Asked<'_>| match asked.body {
            Body::Message(Message::Iec104(request)) => request.selected,
            _ => panic!("{asked:?}"),
        };
        let execute = i(1, 0, EXECUTE);
        let asked_once = asked(&mut peer, &execute);
        assert_eq!(selected(&asked_once), counts, "{outcome:?}");
        peer.accept(&asked_once, Ticket(1)).expect("room");
        assert!(!selected(&asked(&mut peer, &i(2, 0, EXECUTE))), "one select is for one execute");
    }
}

/// GEN-14: with all slots taken the next command is not read, nor is an acknowledgement behind it. Its t1 begins when it can
/// be heard.
#[test]
fn a_centre_is_not_gone_while_its_acknowledgements_lie_unread() {
    let (mut peer, mut out) = (started(&options(2, &[])), Out::new(256));
    report(&mut peer, 1, Place::Report, POINT, &mut out).expect("room");
    assert_eq!(peer.tick(at(1), &mut out), None);
    for send in 0..2 {
        accept(&mut peer, send, EXECUTE).expect("room");
    }
    out.clear();
    // t1 of the report is over at 16 s; t2 of what the centre has sent is not forgotten meanwhile.
    for secs in [2, 12, 16, 40] {
        assert_eq!(peer.tick(at(secs), &mut out), None, "{secs}");
        assert!(peer.timer().is_none_or(|due| due > at(secs).mono), "no clock stands in the past: {secs}");
    }
    assert!(frames(&out).contains(&Frame::S(2)) && frames(&out).contains(&Frame::U(Function::TestAct)));
    peer.unanswered(Ticket(0), &mut out).expect("room");
    assert_eq!(peer.timer(), Some(Mono::ZERO), "its clocks begin");
    assert_eq!(peer.tick(at(50), &mut out), None);
    assert_eq!(peer.timer(), Some(at(65).mono));
    assert_eq!(peer.tick(at(64), &mut out), None);
    assert!(peer.next(Input::Stream(&s(1)), at(64), &mut out).signal().is_some());
    assert_eq!(peer.tick(at(65), &mut out), Some(Cause::Idle), "what it was asked at 22 s it has not answered");
    // One that says nothing once it could be heard is gone.
    let mut peer = started(&options(1, &[]));
    report(&mut peer, 1, Place::Report, POINT, &mut out).expect("room");
    accept(&mut peer, 0, EXECUTE).expect("room");
    assert_eq!(peer.tick(at(2), &mut out), None);
    peer.unanswered(Ticket(0), &mut out).expect("room");
    assert_eq!((peer.tick(at(30), &mut out), peer.tick(at(44), &mut out)), (None, None));
    assert_eq!(peer.tick(at(45), &mut out), Some(Cause::Idle));
}

/// GEN-06: whoever was not read for a while has as long as ever from then on.
#[test]
fn the_clocks_of_a_centre_begin_when_it_is_read_again() {
    let (mut peer, mut out) = (started(&options(4, &[])), Out::new(256));
    report(&mut peer, 1, Place::Report, POINT, &mut out).expect("room");
    assert_eq!(peer.tick(at(1), &mut out), None);
    assert!(matches!(next(&mut peer, &s(1)[..3], &mut out), Step::Need { .. }));
    assert_eq!((peer.deadline(), peer.timer()), (Some(at(6).mono), Some(at(16).mono)));
    peer.read_again(at(20));
    assert_eq!((peer.deadline(), peer.timer()), (Some(at(25).mono), Some(at(35).mono)));
    assert_eq!(peer.tick(at(24), &mut out), None);
    assert_eq!(peer.tick(at(25), &mut out), Some(Cause::FrameTimeout));
}

/// A select counts for `select_timeout`, also where its execute waits for the station's turn.
#[test]
fn a_select_runs_out_while_its_execute_waits() {
    let (mut peer, mut out) = (started(&options(4, &[])), Out::new(256));
    accept(&mut peer, 0, SELECT).expect("room");
    report(&mut peer, 1, Place::Settles(Ticket(0), Outcome::Ok), "2d0107000100e9030081", &mut out).expect("room");
    accept(&mut peer, 1, EXECUTE).expect("room");
    accept(&mut peer, 2, EXECUTE).expect("room");
    let sheet = hex(EXECUTE);
    let asdu = Asdu::read(&sheet, Direction::Control).expect("legal");
    let as_of = |ticket, selected, secs| {
        let message = Message::Iec104(Request { asdu, selected });
        let Message::Iec104(request) = peer.as_of(Ticket(ticket), message, at(secs)) else { panic!("{message:?}") };
        request.selected
    };
    let timeout = Ways::of(&Settings::default()).select_timeout.as_secs();
    assert!(as_of(1, true, timeout), "confirmed at 1 s");
    assert!(!as_of(1, true, timeout + 1));
    assert!(!as_of(1, false, 1), "nothing becomes selected");
    assert!(as_of(2, true, timeout + 1), "it has no end of its own");
}

#[test]
fn only_the_named_originators_may_ask() {
    let mut peer = started(&options(4, &[("originators", Setting::Ints([1, 5].to_vec()))]));
    let refused = i(0, 0, EXECUTE);
    let Body::Illegal { reason, function, unit, answer } = asked(&mut peer, &refused).body else { panic!("it passes") };
    assert_eq!((reason, function, unit, answer), (Reason::IdentityNotAllowed, 45, 1, 7));
    let named = i(0, 0, "2d0106050100e9030001");
    assert!(matches!(asked(&mut peer, &named).body, Body::Message(_)));
}

#[test]
fn an_apdu_that_never_ends_ends_the_session() {
    let (mut peer, mut out) = (started(&options(4, &[])), Out::new(64));
    let bytes = i(0, 0, EXECUTE);
    assert_eq!(peer.deadline(), None);
    for (secs, len) in [(2, 1), (4, 9)] {
        assert!(matches!(peer.next(Input::Stream(&bytes[..len]), at(secs), &mut out), Step::Need { .. }));
        assert_eq!(peer.deadline(), Some(at(7).mono), "GEN-06: from the first byte");
    }
    assert_eq!(peer.tick(at(6), &mut out), None);
    assert_eq!(peer.tick(at(7), &mut out), Some(Cause::FrameTimeout));
    assert_eq!(peer.next(Input::Eof, at(6), &mut out).end(), Some((Cause::Truncated, Some(Reason::LengthMismatch))));
    assert!(matches!(peer.next(Input::Stream(&bytes), at(6), &mut out), Step::Asked(_)));
    assert!(matches!(peer.next(Input::Stream(&[]), at(6), &mut out), Step::Need { at_least: 2 }));
    assert_eq!(peer.deadline(), None);
    assert_eq!(peer.next(Input::Eof, at(6), &mut out).end(), Some((Cause::PeerClosed, None)));
}
