//! Do numbers wrap, do windows close, and is what is due done in time?

use std::vec::Vec;

use super::*;
use crate::{
    iec104::{apci::Frame, conformance::frames},
    keys::Settings,
};

const ASDU: [u8; 10] = [1, 1, 3, 0, 1, 0, 1, 0, 0, 1];

fn window(k: u16, w: u16) -> Window {
    Window::new(&Ways { k, w, ..Ways::of(&Settings::default()) }, Duration::MAX, false)
}

fn at(secs: u64) -> Now {
    Now { mono: Mono::ZERO.after(Duration::from_secs(secs)), ..Now::default() }
}

fn due(secs: u64) -> Option<Mono> {
    Some(at(secs).mono)
}

/// What a tick that keeps the association says.
fn ticked(window: &mut Window, secs: u64) -> Vec<u8> {
    let mut out = Out::new(1024);
    assert!(window.tick(at(secs), true, &mut out), "the other side counts as gone at {secs} s");
    window.check_invariants();
    out.as_slice().to_vec()
}

fn s(receive: u16) -> Vec<u8> {
    let mut out = Out::new(6);
    apci::write_s(receive, &mut out).expect("room");
    out.as_slice().to_vec()
}

const TEST: [u8; 6] = [0x68, 4, 0x43, 0, 0, 0];

#[test]
fn at_most_k_leave_and_an_acknowledgement_is_of_what_left() {
    let (mut window, mut out) = (window(2, 1), Out::new(1024));
    for outstanding in 0..2 {
        assert!(window.has_room(), "{outstanding}");
        window.send(&ASDU, &mut out).expect("room");
        assert!(!window.is_clear());
    }
    assert!(!window.has_room());
    assert_eq!(frames(&out), [Frame::I(0, 0, &ASDU), Frame::I(1, 0, &ASDU)]);
    for never in [3, LAST, 0x4000] {
        assert_eq!(window.acknowledged(never), Err(Check::ReceiveNumber), "{never}");
    }
    assert_eq!(window.acknowledged(0), Ok(0));
    assert_eq!(window.acknowledged(1), Ok(1));
    assert!(window.has_room() && !window.is_clear());
    assert_eq!(window.acknowledged(0), Err(Check::ReceiveNumber), "backwards");
    assert_eq!(window.acknowledged(1), Ok(0), "said twice");
    assert_eq!(window.acknowledged(2), Ok(1));
    assert!(window.is_clear());
    window.check_invariants();
}

#[test]
fn what_finds_no_room_used_no_number() {
    let mut window = window(2, 1);
    assert_eq!(window.send(&ASDU, &mut Out::new(15)), Err(Full));
    assert!(window.is_clear());
    let mut out = Out::new(16);
    window.send(&ASDU, &mut out).expect("room");
    assert_eq!(frames(&out), [Frame::I(0, 0, &ASDU)]);
}

#[test]
fn numbers_wrap_behind_32767_in_both_directions() {
    let (mut window, mut out) = (window(3, 2), Out::new(64));
    for count in 0..70_000u32 {
        let number = u16::try_from(count % 32_768).expect("15 bits");
        let next = u16::try_from((count + 1) % 32_768).expect("15 bits");
        assert_eq!(window.is_next(number), Ok(()));
        assert_eq!(window.is_next(next), Err(Check::SendNumber));
        window.take();
        window.settle(1);
        window.send(&ASDU, &mut out).expect("room");
        assert_eq!(frames(&out), [Frame::I(number, next, &ASDU)]);
        out.clear();
        assert_eq!(window.acknowledged(next), Ok(1));
        window.check_invariants();
    }
}

#[test]
fn the_wth_frame_is_acknowledged_at_once() {
    let mut window = window(12, 8);
    window.hear(at(1));
    for _ in 0..7 {
        window.take();
    }
    window.settle(7);
    assert_eq!(ticked(&mut window, 1), []);
    window.settle(0);
    assert_eq!(window.deadline(true), due(11), "nothing new may be acknowledged");
    window.take();
    window.settle(1);
    assert_eq!(window.deadline(true), Some(Mono::ZERO));
    assert_eq!(ticked(&mut window, 1), s(8));
    assert_eq!(window.deadline(true), due(21), "only t3 is left");
    let mut out = Out::new(64);
    window.acknowledge(&mut out);
    assert!(out.is_empty(), "it is no news");
}

#[test]
fn what_came_is_acknowledged_t2_after_the_first_of_it() {
    let mut window = window(12, 8);
    window.take();
    window.take();
    window.settle(1);
    assert_eq!(window.deadline(true), Some(Mono::ZERO), "its time is not known yet");
    assert_eq!(ticked(&mut window, 1), []);
    window.settle(1);
    window.hear(at(5));
    assert_eq!(ticked(&mut window, 5), []);
    assert_eq!(window.deadline(true), due(11));
    assert_eq!(ticked(&mut window, 10), []);
    assert!(window.tick(at(11), true, &mut Out::new(5)), "no room for it");
    assert_eq!(window.deadline(true), due(21), "tried again after another t2");
    assert_eq!(ticked(&mut window, 21), s(2));
    // What leaves in an I frame needs no S frame.
    window.take();
    window.settle(1);
    let mut out = Out::new(64);
    window.send(&ASDU, &mut out).expect("room");
    assert_eq!(frames(&out), [Frame::I(0, 3, &ASDU)]);
    assert_eq!(window.acknowledged(1), Ok(1));
    assert_eq!(window.deadline(true), due(25), "t3");
}

#[test]
fn what_is_not_settled_is_not_acknowledged() {
    let mut window = window(12, 1);
    window.take();
    window.hear(at(15));
    assert_eq!(ticked(&mut window, 15), []);
    assert_eq!(window.deadline(true), due(35), "t3 alone");
    let mut out = Out::new(64);
    window.send(&ASDU, &mut out).expect("room");
    assert_eq!(frames(&out), [Frame::I(0, 0, &ASDU)]);
}

#[test]
fn an_acknowledgement_that_does_not_come_in_t1_ends_it() {
    let (mut window, mut out) = (window(12, 8), Out::new(1024));
    window.send(&ASDU, &mut out).expect("room");
    assert_eq!(window.deadline(true), Some(Mono::ZERO));
    assert_eq!(ticked(&mut window, 1), []);
    assert_eq!(window.deadline(true), due(16));
    window.send(&ASDU, &mut out).expect("room");
    assert_eq!(window.deadline(true), Some(Mono::ZERO), "the second one has no time yet");
    assert_eq!(ticked(&mut window, 3), []);
    assert_eq!(window.deadline(true), due(16));
    assert_eq!(ticked(&mut window, 15), []);
    assert_eq!(window.acknowledged(1), Ok(1));
    assert_eq!(window.deadline(true), due(18), "each has its own");
    assert_eq!(ticked(&mut window, 17), []);
    assert!(!window.tick(at(18), true, &mut out));
}

#[test]
fn silence_for_t3_is_tested_once_and_no_answer_in_t1_ends_it() {
    let mut window = window(12, 8);
    assert_eq!(window.deadline(true), Some(Mono::ZERO));
    assert_eq!(ticked(&mut window, 1), []);
    assert_eq!(window.deadline(true), due(21));
    assert_eq!(ticked(&mut window, 20), []);
    assert_eq!(ticked(&mut window, 21), TEST);
    assert_eq!(window.deadline(true), due(36));
    assert_eq!(ticked(&mut window, 30), []);
    window.hear(at(30));
    window.answered();
    assert_eq!(window.deadline(true), due(50));
    assert_eq!(ticked(&mut window, 36), []);
    assert_eq!(ticked(&mut window, 50), TEST);
    window.hear(at(60));
    assert_eq!(ticked(&mut window, 64), []);
    assert!(!window.tick(at(65), true, &mut Out::new(64)), "what is heard is not what was asked for");
}

#[test]
fn a_test_comes_before_the_session_counts_as_idle() {
    let mut window = Window::new(&Ways::of(&Settings::default()), Duration::from_secs(5), false);
    window.hear(at(1));
    assert_eq!(window.deadline(true), due(6));
    assert_eq!(ticked(&mut window, 6), TEST);
}

#[test]
fn who_only_watches_counts_as_it_comes_and_waits_for_nothing() {
    let mut window = Window::new(&Ways { k: 1, ..Ways::of(&Settings::default()) }, Duration::MAX, true);
    let mut out = Out::new(1024);
    assert_eq!([0, 900, LAST].map(|send| window.is_next(send)), [Ok(()); 3]);
    assert_eq!([17, 3, LAST].map(|receive| window.acknowledged(receive)), [Ok(0); 3]);
    window.take();
    window.settle(9);
    for _ in 0..3 {
        assert!(window.has_room());
        window.send(&ASDU, &mut out).expect("room");
    }
    assert!(window.is_clear());
    assert_eq!(window.deadline(true), None);
    assert_eq!(frames(&out)[2], Frame::I(2, 0, &ASDU));
}
