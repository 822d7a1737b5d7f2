//! Does every check of the table catch what it is there for, with the fate that it states?

use std::{string::String, vec::Vec};

use proptest::prelude::*;

use super::{
    apci::{self, Frame, Framed},
    asdu::{Asdu, AsduFault, Direction, fuzz_asdu, mirror},
    cause,
    checks::{Check, Fate},
    types::{Form, From, Kind, TYPES, TypeSpec},
};
use crate::out::Out;

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex")).collect()
}

/// Every APDU that waits to leave.
pub(super) fn frames(out: &Out) -> Vec<Frame<'_>> {
    let (mut rest, mut seen) = (out.as_slice(), Vec::new());
    while let Framed::Whole(bytes, frame) = apci::first(rest) {
        seen.push(frame);
        rest = &rest[bytes.len()..];
    }
    assert!(rest.is_empty(), "half an APDU");
    seen
}

/// A check, the way of an ASDU that fails it first, and that ASDU.
const CASES: &[(&str, Direction, &str)] = &[
    ("asdu_short", CONTROL, "6401060001"),
    ("type_zero", CONTROL, "000106000100 000000 00"),
    ("no_objects", CONTROL, "640006000100"),
    ("object_short", CONTROL, "6401060001000000 00"),
    ("object_short", MONITOR, "010203000100 010000 00 020000"),
    ("object_trailing", CONTROL, "640106000100 000000 14 00"),
    ("sequence_not_allowed", CONTROL, "2d8106000100 e90300 01"),
    ("sequence_odd", MONITOR, "1e8103000100 e90300 01 00000000010118"),
    ("sequence_needed", MONITOR, "7e0105000100 010000 0100 000000 00 00000001010118"),
    ("one_object", CONTROL, "2d0206000100 e90300 01 ea0300 01"),
    ("address_wrap", MONITOR, "018214000100 ffffff 01 01"),
    ("segment_length", CONTROL, "7d010d000100 010000 0100 01 05 01020304"),
    ("type_reserved", CONTROL, "160106000100 000000 00"),
    ("type_private", CONTROL, "c80106000100 000000 00"),
    ("type_direction", CONTROL, "010103000100 010000 00"),
    ("type_direction", MONITOR, "2d0106000100 e90300 01"),
    ("type_direction", CONTROL, "7e8105000100 010000 0100 000000 00 00000001010118"),
    ("cause_zero", CONTROL, "640100000100 000000 14"),
    ("cause_reserved", CONTROL, "64010e000100 000000 14"),
    ("cause_reserved", MONITOR, "01013f000100 010000 00"),
    ("cause_not_for_type", CONTROL, "2d0103000100 e90300 01"),
    ("cause_not_for_type", MONITOR, "010107000100 010000 00"),
    ("ca_zero", CONTROL, "640106000000 000000 14"),
    ("ca_broadcast", CONTROL, "2d010600ffff e90300 01"),
    ("negative_activation", CONTROL, "2d0146000100 e90300 01"),
    ("negative_activation", MONITOR, "010143000100 010000 00"),
    ("unknown_is_negative", MONITOR, "2d012c000100 e90300 01"),
    ("ioa_zero", CONTROL, "2d0106000100 000000 01"),
    ("ioa_zero", MONITOR, "010103000100 000000 01"),
    ("ioa_not_zero", CONTROL, "640106000100 010000 14"),
    ("sco_reserved", CONTROL, "2d0106000100 e90300 02"),
    ("dco_state", CONTROL, "2e0106000100 e90300 03"),
    ("dco_state", CONTROL, "2e0106000100 e90300 00"),
    ("rco_state", CONTROL, "2f0106000100 e90300 00"),
    ("qu_reserved", CONTROL, "2d0106000100 e90300 11"),
    ("ql_reserved", CONTROL, "300106000100 e90300 0000 01"),
    ("setpoint_finite", CONTROL, "320106000100 e90300 0000c07f 00"),
    ("setpoint_finite", CONTROL, "320106000100 e90300 0000807f 00"),
    ("qoi_reserved", CONTROL, "640106000100 000000 00"),
    ("qoi_reserved", CONTROL, "640106000100 000000 25"),
    ("rqt_reserved", CONTROL, "650106000100 000000 06"),
    ("qrp_reserved", CONTROL, "690106000100 000000 00"),
    ("test_pattern", CONTROL, "680106000100 000000 55aa"),
    ("delay_range", CONTROL, "6a0106000100 000000 60ea"),
    ("elapsed_range", MONITOR, "110103000100 010000 01 60ea 000000"),
    ("elapsed_range", MONITOR, "120103000100 010000 01 00 60ea 000000"),
    ("kpa_reserved", CONTROL, "6e0106000100 bc0200 0000 00"),
    ("parameter_finite", CONTROL, "700106000100 bc0200 0000c0ff 01"),
    ("qpa_reserved", CONTROL, "710106000100 bc0200 00"),
    ("coi_reserved", MONITOR, "460104000100 000000 03"),
    ("siq_reserved", MONITOR, "010103000100 010000 02"),
    ("diq_reserved", MONITOR, "030103000100 010000 06"),
    ("qds_reserved", MONITOR, "0b0103000100 010000 0000 02"),
    ("qds_reserved", MONITOR, "050103000100 010000 00 04"),
    ("qdp_reserved", MONITOR, "130103000100 010000 01 01 0000 000000"),
    ("sep_reserved", MONITOR, "110103000100 010000 05 0000 000000"),
    ("spe_reserved", MONITOR, "120103000100 010000 40 00 0000 000000"),
    ("oci_reserved", MONITOR, "130103000100 010000 10 00 0000 000000"),
    ("measured_finite", MONITOR, "0d0103000100 010000 0000c07f 80"),
    ("time_ms", MONITOR, "020103000100 010000 00 60ea00"),
    ("time_minute", MONITOR, "020103000100 010000 00 00003c"),
    ("time_hour", MONITOR, "1e0103000100 010000 00 00000018010118"),
    ("time_day", MONITOR, "1e0103000100 010000 00 000000001f0418"),
    ("time_month", MONITOR, "1e0103000100 010000 00 00000000010d18"),
    ("time_year", MONITOR, "1e0103000100 010000 00 00000000010164"),
    ("time_reserved", MONITOR, "1e0103000100 010000 00 00000020010118"),
    ("command_time", CONTROL, "3a0106000100 e90300 01 00008000010118"),
    ("clock_time", CONTROL, "670106000100 000000 00008000010118"),
];

const CONTROL: Direction = Direction::Control;
const MONITOR: Direction = Direction::Monitor;

/// Those of the APCI, which is no part of an ASDU: see `vectors`.
const OF_THE_APCI: &[&str] = &[
    "apdu_start",
    "apdu_length",
    "control_form",
    "s_reserved",
    "u_function",
    "send_number",
    "receive_number",
    "stopped",
    "role",
];

#[test]
fn every_check_catches_what_it_is_there_for() {
    for (id, direction, bytes) in CASES {
        let bytes = hex(bytes);
        let spec = Check::TABLE.iter().find(|spec| spec.id == *id).unwrap_or_else(|| panic!("{id} is in the table"));
        let found = Asdu::read(&bytes, *direction);
        let fits = match (spec.fate, found) {
            (Fate::Severed(reason), Err(AsduFault::Severed { check, reason: told })) => {
                (check, told) == (spec.check, reason)
            }
            (Fate::Refused(reason, answer), Err(AsduFault::Illegal { check, reason: told, answer: with, .. })) => {
                (check, told, with) == (spec.check, reason, answer)
            }
            (Fate::Alarmed(reason, answer), Err(AsduFault::Illegal { check, reason: told, answer: with, .. })) => {
                let answer = answer.unwrap_or(cause::ACTIVATION_CON);
                (check, told, with, *direction) == (spec.check, reason, answer, CONTROL)
            }
            (Fate::Alarmed(..), Ok(asdu)) => asdu.anomaly() == Some(spec.check) && *direction == MONITOR,
            _ => false,
        };
        assert!(fits, "{id}: {found:?}");
        fuzz_asdu(&bytes);
    }
    let long = [&hex("0d830300 0100")[..], &[0; 244]].concat();
    assert!(matches!(Asdu::read(&long, MONITOR), Err(AsduFault::Severed { check: Check::AsduLong, .. })));
    for spec in Check::TABLE.iter().filter(|spec| !OF_THE_APCI.contains(&spec.id) && spec.check != Check::AsduLong) {
        assert!(CASES.iter().any(|(id, ..)| *id == spec.id), "{} has no test", spec.id);
    }
    assert!(Check::TABLE.len() >= 60, "{}", Check::TABLE.len());
}

#[test]
fn ids_are_words_and_stand_once() {
    for spec in Check::TABLE {
        assert_eq!(Check::TABLE.iter().filter(|other| other.id == spec.id).count(), 1, "{}", spec.id);
        assert!(spec.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", spec.id);
        assert!(!spec.what.is_empty() && (spec.clause.starts_with("101 ") || spec.clause.starts_with("104 ")));
        assert_eq!((spec.check.id(), spec.check.fate()), (spec.id, spec.fate));
    }
}

/// A cause that the type carries in that direction.
fn usual(spec: &TypeSpec, direction: Direction) -> u8 {
    match (direction, spec.kind) {
        (CONTROL, Kind::Nothing) => cause::REQUEST,
        (_, Kind::File(_) | Kind::Segment) => cause::FILE,
        (CONTROL, _) => cause::ACTIVATION,
        (MONITOR, Kind::Init) => cause::INITIALISED,
        (MONITOR, _) if spec.from == From::Station => cause::SPONTANEOUS,
        (MONITOR, _) => cause::ACTIVATION_CON,
    }
}

/// An element that every check lets pass.
fn element(spec: &TypeSpec) -> Vec<u8> {
    let mut bytes = match spec.kind {
        Kind::DoubleCommand | Kind::StepCommand | Kind::Reset | Kind::Activation => std::vec![1],
        Kind::Interrogation => std::vec![20],
        Kind::CounterInterrogation => std::vec![5],
        Kind::Test => std::vec![0xAA, 0x55],
        Kind::Clock => std::vec![0, 0, 0, 0, 1, 1, 24],
        Kind::ParameterNormalised | Kind::ParameterScaled => std::vec![0, 0, 1],
        Kind::ParameterFloat => std::vec![0, 0, 0, 0, 1],
        kind => std::vec![0; kind.size()],
    };
    match spec.tag.size() {
        7 => bytes.extend([0, 0, 0, 0, 1, 1, 24]),
        more => bytes.extend(std::vec![0; more]),
    }
    bytes
}

/// A whole ASDU of `count` objects, in sequence where it may be.
fn whole(spec: &TypeSpec, direction: Direction, count: u8, sequence: bool) -> Vec<u8> {
    let point = u8::from(spec.kind.has_point());
    let mut bytes = std::vec![spec.id, count | if sequence { 0x80 } else { 0 }, usual(spec, direction), 0, 1, 0];
    for place in 0..count {
        if place == 0 || !sequence {
            bytes.extend([point + place, 0, 0]);
        }
        bytes.extend(element(spec));
    }
    bytes
}

#[test]
fn every_type_is_read_in_every_form_that_it_may_have() {
    for spec in TYPES {
        for (direction, sent) in [(CONTROL, spec.from != From::Station), (MONITOR, true)] {
            for (count, sequence) in [(1, false), (2, false), (1, true), (19, true)] {
                let may = sent
                    && match spec.form {
                        Form::Any => true,
                        Form::Each => true,
                        Form::One => !sequence && count == 1,
                        Form::Sequence => sequence,
                    };
                let bytes = whole(spec, direction, count, sequence);
                let found = Asdu::read(&bytes, direction);
                assert_eq!(found.is_ok(), may && bytes.len() <= 249, "{} {count} {sequence}: {found:?}", spec.name);
                if let Ok(asdu) = found {
                    let odd = (sequence && spec.form == Form::Each).then_some(Check::SequenceOdd);
                    assert_eq!((asdu.anomaly(), asdu.objects().count()), (odd, usize::from(count)), "{}", spec.name);
                    assert_eq!(asdu.write().as_slice(), bytes);
                }
                fuzz_asdu(&bytes);
            }
        }
    }
}

#[test]
fn what_stands_in_a_header_is_told() {
    let bytes = hex("2d01c6 63 2f01 e90300 85");
    let asdu = Asdu::read(&bytes, MONITOR);
    assert!(matches!(asdu, Err(AsduFault::Illegal { function: 45, unit: 0x12F, .. })));
    let bytes = hex("2d0187 63 2f01 e90300 85");
    let asdu = Asdu::read(&bytes, MONITOR).expect("a confirmation");
    assert_eq!((asdu.type_id(), asdu.name(), asdu.cause(), asdu.originator()), (45, "C_SC_NA_1", 7, 99));
    assert_eq!((asdu.is_test(), asdu.is_negative(), asdu.ca()), (true, false, 303));
    assert_eq!(asdu.objects().map(|object| object.ioa).collect::<Vec<_>>(), [1001]);
}

#[test]
fn a_file_has_no_point_that_zero_could_not_name() {
    for (bytes, anomaly) in [("7a010d000100 000000 0100 00 00", None), ("2d0106000100 000000 01", Some("ioa_zero"))] {
        let bytes = hex(bytes);
        let found = match Asdu::read(&bytes, CONTROL) {
            Ok(asdu) => asdu.anomaly(),
            Err(AsduFault::Severed { check, .. } | AsduFault::Illegal { check, .. }) => Some(check),
        };
        assert_eq!(found.map(Check::id), anomaly);
    }
}

#[test]
fn a_refusal_is_the_same_asdu_under_another_cause() {
    let asked = hex("3a0186 07 0100 e90300 81 0000000001011 8");
    let image = mirror(&asked, cause::confirms(cause::ACTIVATION), true).expect("a header");
    assert_eq!(image.as_slice(), hex("3a01c7 07 0100 e90300 81 00000000010118"));
    assert!(Asdu::read(image.as_slice(), MONITOR).is_ok_and(|asdu| asdu.is_negative() && asdu.anomaly().is_none()));
    let image = mirror(&asked, cause::ACTIVATION_CON, false).expect("a header");
    assert_eq!(image.as_slice(), hex("3a0187 07 0100 e90300 81 00000000010118"), "a confirmation");
    assert_eq!(mirror(&asked[..5], 7, true), None);
    assert_eq!(mirror(&[45; 249], 7, true).map(|image| image.as_slice().len()), Some(249));
    assert_eq!(mirror(&[45; 250], 7, true), None, "longer than an ASDU");
    assert_eq!(cause::confirms(cause::DEACTIVATION), cause::DEACTIVATION_CON);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn soup_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..260)) {
        fuzz_asdu(&bytes);
    }

    /// A header that is right, so that the soup reaches the elements (GEN-16).
    #[test]
    fn soup_behind_a_header_never_panics(
        place in 0..TYPES.len(), vsq: u8, cause: u8, body in prop::collection::vec(any::<u8>(), 0..=243),
    ) {
        let spec = &TYPES[place];
        let mut bytes = std::vec![spec.id, vsq, cause, 0, 1, 0];
        bytes.extend(&body);
        fuzz_asdu(&bytes);
        // As long as its qualifier says.
        let count = usize::from(vsq & 0x7F);
        let addresses = if vsq & 0x80 == 0 { count } else { 1 };
        bytes.truncate(6 + addresses * 3 + count * spec.size());
        fuzz_asdu(&bytes);
    }
}
