//! Are requests read, told and written as their functions say?

use core::ops::ControlFlow;
use std::{format, string::String, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{deed::Values, modbus::vectors::hex, vocab::Class};

/// `class object.first-last bit=value,..` of each deed.
fn told(pdu: &str) -> Vec<String> {
    let pdu = hex(pdu);
    let request = Request::of(1, &pdu).expect("legal");
    let mut told = Vec::new();
    let _ = request.deeds::<()>(&mut |deed| {
        let values: Vec<u16> = (0..deed.values.len()).filter_map(|i| deed.values.get(i)).collect();
        let bit = deed.bit.map_or(String::new(), |n| format!(" bit {n}"));
        told.push(format!(
            "{} {} {}-{}{bit} {values:?} via {}",
            deed.class, deed.object.0, deed.first, deed.last, deed.function
        ));
        ControlFlow::Continue(())
    });
    told
}

#[test]
fn each_function_tells_its_deeds() {
    for (pdu, expected) in [
        ("01 0000 07d0", &["read 0 0-1999 [] via 1"][..]),
        ("02 0005 0001", &["read 1 5-5 [] via 2"]),
        ("03 ffff 0001", &["read 3 65535-65535 [] via 3"]),
        ("04 0000 007d", &["read 2 0-124 [] via 4"]),
        ("05 0007 ff00", &["write 0 7-7 [1] via 5"]),
        ("05 0007 0000", &["write 0 7-7 [0] via 5"]),
        ("06 0028 05dc", &["write 3 40-40 [1500] via 6"]),
        ("0f 0013 000a 02 cd01", &["write 0 19-28 [1, 0, 1, 1, 0, 0, 1, 1, 1, 0] via 15"]),
        ("10 0001 0002 04 000a0102", &["write 3 1-2 [10, 258] via 16"]),
        ("16 0004 0000 1234", &["write 3 4-4 [4660] via 22"]),
        ("16 0004 ffff 0000", &["write 3 4-4 [] via 22"]),
        ("16 0004 fffc 0002", &["write 3 4-4 bit 0 [0] via 22", "write 3 4-4 bit 1 [1] via 22"]),
        // GEN-15: some devices set what the standard keeps.
        (
            "16 0004 fffc 8002",
            &["write 3 4-4 bit 0 [0] via 22", "write 3 4-4 bit 1 [1] via 22", "write 3 4-4 bit 15 [1] via 22"],
        ),
        ("16 0004 ffff 0004", &["write 3 4-4 bit 2 [1] via 22"]),
        ("17 0003 0006 000e 0001 02 00ff", &["write 3 14-14 [255] via 23", "read 3 3-8 [] via 23"]),
        ("07", &["diagnose 9 0-0 [] via 7"]),
        ("08 0004 0000", &["diagnose 6 4-4 [] via 8"]),
        ("0b", &["diagnose 10 0-0 [] via 11"]),
        ("0c", &["diagnose 11 0-0 [] via 12"]),
        ("11", &["identify 12 0-0 [] via 17"]),
        (
            "14 0e 06 0004 0001 0002 06 0003 0009 0002",
            &["read 7 262145-262146 [] via 20", "read 7 196617-196618 [] via 20"],
        ),
        ("15 0b 06 0004 0007 0002 06af 04be", &["write 7 262151-262152 [1711, 1214] via 21"]),
        ("18 04de", &["read 8 1246-1246 [] via 24"]),
        ("2b 0e 03 00", &["identify 5 3-3 [] via 43"]),
        ("2b 0d 01 00", &["program 4 3627-3627 [] via 43"]),
        ("5a 00 02", &["program 4 90-90 [] via 90"]),
    ] {
        assert_eq!(told(pdu), expected, "{pdu}");
    }
}

#[test]
fn what_is_outside_its_range_is_answered() {
    for (pdu, reason, answer) in [
        ("01 0000 07d1", Reason::Malformed, 3),
        ("01 0000 0000", Reason::Malformed, 3),
        ("03 0000 007e", Reason::Malformed, 3),
        ("04 ffff ffff", Reason::Malformed, 3),
        ("03 fff0 0020", Reason::AddressNotAllowed, 2),
        ("05 0000 1234", Reason::ValueNotAllowed, 3),
        ("0f 0000 0000 00", Reason::Malformed, 3),
        ("10 0000 0000 00", Reason::Malformed, 3),
        ("10 ffff 0002 04 00000000", Reason::AddressNotAllowed, 2),
        ("17 0000 007e 0000 0001 02 0000", Reason::Malformed, 3),
        ("17 ffff 0002 0000 0001 02 0000", Reason::AddressNotAllowed, 2),
        ("17 0000 0001 ffff 0002 04 00000000", Reason::AddressNotAllowed, 2),
        ("2b 0e 00 00", Reason::Malformed, 3),
        ("2b 0e 05 00", Reason::Malformed, 3),
    ] {
        let pdu = hex(pdu);
        let expected = RequestFault::Illegal { reason, answer, function: pdu[0] };
        assert_eq!(Request::of(1, &pdu), Err(expected), "{pdu:02x?}");
    }
}

#[test]
fn a_broken_length_severs_even_where_a_quantity_is_illegal_too() {
    for pdu in ["03 0000 00ff 00", "10 0000 0080 02 0000", "0f 0000 07d1 01 00", "17 0000 00ff 0000 0001 04 0000"] {
        assert_eq!(Request::of(1, &hex(pdu)), Err(RequestFault::Severed(Reason::LengthMismatch)), "{pdu}");
    }
}

#[test]
fn a_request_is_no_longer_than_a_pdu() {
    let mut pdu = [0x5A; function::PDU_MAX + 1];
    assert!(Request::of(1, &pdu[..function::PDU_MAX]).is_ok());
    assert_eq!(Request::of(1, &pdu), Err(RequestFault::Severed(Reason::LengthMismatch)));
    pdu[0] = 8;
    assert_eq!(Request::of(1, &pdu), Err(RequestFault::Severed(Reason::LengthMismatch)));
    assert_eq!(Request::of(1, &[]), Err(RequestFault::Severed(Reason::LengthMismatch)));
}

#[test]
fn pad_bits_are_cleared_and_told() {
    let pdu = hex("0f 0013 000a 02 cdff");
    let request = Request::of(1, &pdu).expect("legal");
    assert!(request.cleared_padding() && request.is_canonical(&pdu));
    assert_eq!(&*request.store(), hex("01 0f 0013 000a 02 cd03"));
    let stored = request.store();
    let again = Request::restore(&stored).expect("stored requests are legal");
    assert!(!again.cleared_padding());
    assert_eq!(again, request);
}

#[test]
fn any_other_difference_between_what_came_and_what_would_leave_is_not_canonical() {
    let (pdu, padded) = (hex("10 0001 0001 02 000a"), hex("0f 0013 000a 02 cdff"));
    let request = Request::of(1, &pdu).expect("legal");
    assert!(request.is_canonical(&pdu));
    assert!(!request.is_canonical(&hex("10 0001 0001 02 000b")));
    assert!(!request.is_canonical(&hex("10 0001 0001 02 000a 00")));
    let request = Request::of(1, &padded).expect("legal");
    assert!(!request.is_canonical(&hex("0f 0013 000a 02 ccff")), "only the byte with the pad bits is ours");
}

#[test]
fn a_mask_that_sets_nothing_is_a_write_of_no_values_and_is_told_as_one() {
    let pdu = hex("16 0004 ffff 0025");
    let mut seen = 0;
    let flow = Request::of(1, &pdu).expect("legal").deeds::<()>(&mut |deed| {
        seen += 1;
        assert_eq!((deed.class, deed.values), (Class::Write, Values::Words(&[])), "not one that carries none");
        ControlFlow::Continue(())
    });
    assert_eq!((flow, seen), (ControlFlow::Continue(()), 1));
}

#[test]
fn a_visitor_that_breaks_sees_no_further_deed() {
    let pdu = hex("17 0003 0006 000e 0001 02 00ff");
    let mut seen = 0;
    let flow = Request::of(1, &pdu).expect("legal").deeds(&mut |_| {
        seen += 1;
        ControlFlow::Break(seen)
    });
    assert_eq!(flow, ControlFlow::Break(1));
}

proptest! {
    #[test]
    fn parse_of_serialise_of_parse_is_parse(function in 1u8..=45, unit: u8, body in prop::collection::vec(any::<u8>(), 0..252)) {
        let pdu: Vec<u8> = core::iter::once(function).chain(body).collect();
        if let Ok(request) = Request::of(unit, &pdu) {
            let stored = request.store();
            prop_assert!(request.is_canonical(&pdu));
            prop_assert_eq!(Request::restore(&stored), Some(request));
            if !request.cleared_padding() {
                prop_assert_eq!(&stored[1..], &pdu[..]);
            }
        }
    }

    #[test]
    fn legal_writes_round_trip(first in 0u16..1000, words in prop::collection::vec(any::<u16>(), 1..=123)) {
        let mut pdu = std::vec![16];
        pdu.extend_from_slice(&first.to_be_bytes());
        pdu.extend_from_slice(&(words.len() as u16).to_be_bytes());
        pdu.push((words.len() * 2) as u8);
        words.iter().for_each(|word| pdu.extend_from_slice(&word.to_be_bytes()));
        let request = Request::of(7, &pdu).expect("legal");
        let mut values = Vec::new();
        let _ = request.deeds::<()>(&mut |deed| {
            values.extend((0..deed.values.len()).filter_map(|i| deed.values.get(i)));
            ControlFlow::Continue(())
        });
        prop_assert_eq!(values, words);
        prop_assert_eq!(&request.store()[1..], &pdu[..]);
    }
}
