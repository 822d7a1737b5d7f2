//! Which ASDU does what a sentence says? (`explain` and policy tests)

use alloc::{format, string::String, vec::Vec};

use super::{
    asdu::{Asdu, AsduFault, Direction, Sheet},
    cause,
    request::Request,
    tables::GRAMMAR,
    types::{Kind, Tag, TypeSpec},
};
use crate::{
    protocol::{Message, Stored},
    sentence::{BuildFault, Num, Sentence, ValueSet},
    vocab::Class,
};

/// A Monday, 1 January 2024, 00:00: rules do not look at time tags.
const TIME: [u8; 7] = [0, 0, 0, 0, 0x21, 1, 24];

/// The ASDU that does what `sentence` says, in its object's own type unless `via` names another, to its first common
/// address or else to `unit`. With `select-first` it executes what was selected.
///
/// # Errors
/// One line that says what to add or change when no single ASDU does it.
pub fn build(sentence: &Sentence, unit: u32) -> Result<Stored, BuildFault> {
    let unit = sentence.units.first().map_or(unit, |(first, _)| *first);
    let Ok(ca) = u16::try_from(unit) else {
        return fault(format!("common address {unit} does not exist: write 1 to 65535"));
    };
    let spec = type_of(sentence)?;
    let direction = if sentence.class == Class::Report { Direction::Monitor } else { Direction::Control };
    let [low, high] = ca.to_le_bytes();
    let mut sheet = Sheet::new();
    let structure = if spec.form == super::types::Form::Sequence { 0x81 } else { 1 };
    sheet.put(&[spec.id, structure, usual_cause(spec, direction), 0, low, high]);
    let [low, middle, high, _] = address(sentence, spec)?.to_le_bytes();
    sheet.put(&[low, middle, high]);
    sheet.put(&element(sentence, spec, direction)?);
    sheet.put(match spec.tag {
        Tag::None => &[],
        Tag::Cp24 => TIME.get(..3).unwrap_or_default(),
        Tag::Cp56 => &TIME,
    });
    match Asdu::read(sheet.as_slice(), direction) {
        Ok(asdu) => Ok(Message::Iec104(Request { asdu, selected: sentence.select_first }).store()),
        Err(AsduFault::Severed { check, .. } | AsduFault::Illegal { check, .. }) => {
            fault(format!("no station takes that: {}", check.id()))
        }
    }
}

fn type_of(sentence: &Sentence) -> Result<&'static TypeSpec, BuildFault> {
    let mut rows = GRAMMAR.functions.iter().filter(|row| row.object == sentence.object && row.class == sentence.class);
    let found = match sentence.via.first() {
        Some(code) => rows.find(|row| row.code == *code),
        None => rows.next(),
    };
    let spec = found.and_then(|row| u8::try_from(row.code).ok()).and_then(TypeSpec::of);
    spec.ok_or_else(|| BuildFault(String::from("no type does this to that object")))
}

fn usual_cause(spec: &TypeSpec, direction: Direction) -> u8 {
    match (direction, spec.kind) {
        (_, Kind::File(_) | Kind::Segment) => cause::FILE,
        (Direction::Control, Kind::Nothing) => cause::REQUEST,
        (Direction::Control, _) => cause::ACTIVATION,
        (Direction::Monitor, Kind::Init) => cause::INITIALISED,
        (Direction::Monitor, _) if spec.from == super::types::From::Station => cause::SPONTANEOUS,
        (Direction::Monitor, _) => cause::ACTIVATION_CON,
    }
}

fn address(sentence: &Sentence, spec: &TypeSpec) -> Result<u32, BuildFault> {
    match sentence.ranges.as_slice() {
        _ if !spec.kind.has_point() => Ok(0),
        [(first, last)] if first == last => Ok(*first),
        _ => fault("one message names one point: write `ioa` with one number"),
    }
}

/// The element: its value, and its qualifier where it has one.
fn element(sentence: &Sentence, spec: &TypeSpec, direction: Direction) -> Result<Vec<u8>, BuildFault> {
    let qualifier = |usual: u8| match sentence.qualifiers.as_slice() {
        [] => Ok(usual),
        [(first, last)] if first == last => u8::try_from(*first).map_err(|_| BuildFault(String::from("no qualifier"))),
        _ => fault("one message has one qualifier"),
    };
    let shifted = |usual| Ok::<u8, BuildFault>((qualifier(usual)? & 0x1F).wrapping_shl(2));
    let behind = |value: &[u8], usual: u8| Ok([value, &[qualifier(usual)?]].concat());
    Ok(match spec.kind {
        // What a station tells is judged by its point alone.
        _ if direction == Direction::Monitor => legal(spec.kind),
        Kind::SingleCommand => [shifted(0)? | u8::from(switch(sentence)?)].to_vec(),
        Kind::DoubleCommand | Kind::StepCommand => [shifted(0)? | if switch(sentence)? { 2 } else { 1 }].to_vec(),
        Kind::SetNormalised => behind(&normalised(sentence)?.to_le_bytes(), 0)?,
        Kind::SetScaled => behind(&integer::<i16>(sentence)?.to_le_bytes(), 0)?,
        Kind::SetFloat => behind(&single(sentence)?.to_le_bytes(), 0)?,
        Kind::BitsCommand => integer::<u32>(sentence)?.to_le_bytes().to_vec(),
        Kind::ParameterNormalised => behind(&normalised(sentence)?.to_le_bytes(), 1)?,
        Kind::ParameterScaled => behind(&integer::<i16>(sentence)?.to_le_bytes(), 1)?,
        Kind::ParameterFloat => behind(&single(sentence)?.to_le_bytes(), 1)?,
        // The whole station; all counters, read or frozen.
        Kind::Interrogation => behind(&[], 20)?,
        Kind::CounterInterrogation if sentence.class == Class::Control => behind(&[], 0x45)?,
        Kind::CounterInterrogation => behind(&[], 5)?,
        Kind::Reset | Kind::Activation => behind(&[], 1)?,
        other => legal(other),
    })
}

/// An element that any station may send or take.
fn legal(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Clock => TIME.to_vec(),
        Kind::Test => [0xAA, 0x55].to_vec(),
        Kind::Interrogation => [20].to_vec(),
        Kind::DoubleCommand | Kind::StepCommand | Kind::Reset | Kind::Activation | Kind::CounterInterrogation => {
            [1].to_vec()
        }
        Kind::ParameterNormalised | Kind::ParameterScaled => [0, 0, 1].to_vec(),
        Kind::ParameterFloat => [0, 0, 0, 0, 1].to_vec(),
        other => alloc::vec![0; other.size()],
    }
}

fn value(sentence: &Sentence) -> Result<Num, BuildFault> {
    match &sentence.values {
        Some(ValueSet::Each(items)) if matches!(items.as_slice(), [(low, high)] if low == high) => {
            items.first().map(|(one, _)| *one).ok_or_else(|| BuildFault(String::from("a value is missing")))
        }
        Some(ValueSet::Positional(items)) if items.len() == 1 => {
            items.first().copied().ok_or_else(|| BuildFault(String::from("a value is missing")))
        }
        _ => fault("say exactly what is sent: one value"),
    }
}

fn switch(sentence: &Sentence) -> Result<bool, BuildFault> {
    match value(sentence)? {
        Num::Bool(on) => Ok(on),
        Num::Int(_) | Num::Float(_) => fault("a command is on or off"),
    }
}

fn integer<T: TryFrom<i128>>(sentence: &Sentence) -> Result<T, BuildFault> {
    let Num::Int(number) = value(sentence)? else { return fault("a whole number is expected") };
    T::try_from(number).map_err(|_| BuildFault(format!("{number} does not fit this type")))
}

/// A normalised value lies from -1 to 1 - 2^-15 of the full scale.
fn normalised(sentence: &Sentence) -> Result<i16, BuildFault> {
    let share = value(sentence)?.decimal();
    let steps = share * 32_768.0;
    if !(-32_768.0..=32_767.0).contains(&steps) {
        return fault(format!("{share} is no share of the full scale: write -1.0 to 0.999969482421875"));
    }
    nearest(steps).ok_or_else(|| BuildFault(format!("{share} does not fit this type")))
}

fn single(sentence: &Sentence) -> Result<f32, BuildFault> {
    let number = value(sentence)?.decimal();
    narrow(number).ok_or_else(|| BuildFault(format!("{number} does not fit this type")))
}

/// The nearest step, away from zero where two are as near.
#[cfg_attr(not(test), expect(clippy::as_conversions, reason = "core has no other way; the nearest integer is meant"))]
fn nearest(steps: f64) -> Option<i16> {
    i16::try_from((steps + if steps < 0.0 { -0.5 } else { 0.5 }) as i64).ok()
}

#[cfg_attr(not(test), expect(clippy::as_conversions, reason = "core has no other way; the nearest single is meant"))]
fn narrow(number: f64) -> Option<f32> {
    Some(number as f32).filter(|single| single.is_finite())
}

fn fault<T>(message: impl Into<String>) -> Result<T, BuildFault> {
    Err(BuildFault(message.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        iec104::{conformance::hex, judged::parse},
        sentence::Form,
    };

    fn deed(text: &str) -> Sentence {
        parse(text, Form::Deed).unwrap_or_else(|fault| panic!("{fault}"))
    }

    #[test]
    fn the_usual_type_does_it() {
        for (text, bytes) in [
            ("read interrogation", "640106000300 000000 14"),
            ("read interrogation ca 2 qualifier 21", "640106000200 000000 15"),
            ("read counters", "650106000300 000000 05"),
            ("control counters", "650106000300 000000 45"),
            ("read point ioa 70000", "660105000300 701101"),
            ("control clock", "670106000300 000000 00000000210118"),
            ("diagnose test", "680106000300 000000 aa55"),
            ("program reset", "690106000300 000000 01"),
            ("control C_SC_NA_1 ioa 7 = on qualifier 2", "2d0106000300 070000 09"),
            ("control C_SC_TA_1 ioa 7 = off", "3a0106000300 070000 00 00000000210118"),
            ("control C_DC_NA_1 ioa 7 = on", "2e0106000300 070000 02"),
            ("control C_RC_NA_1 ioa 7 = lower", "2f0106000300 070000 01"),
            ("control C_SE_NA_1 ioa 7 = -0.5", "300106000300 070000 00c0 00"),
            ("control C_SE_NA_1 ioa 7 = 0.00002 qualifier 64", "300106000300 070000 0100 40"),
            ("control C_SE_NB_1 ioa 7 = -2", "310106000300 070000 feff 00"),
            ("control C_SE_NC_1 ioa 7 = 1.5", "320106000300 070000 0000c03f 00"),
            ("control C_BO_NA_1 ioa 7 = 258", "330106000300 070000 02010000"),
            ("write P_ME_NA_1 ioa 7 = 0.5", "6e0106000300 070000 0040 01"),
            ("write P_ME_NB_1 ioa 7 = 3 qualifier 4", "6f0106000300 070000 0300 04"),
            ("write P_ME_NC_1 ioa 7 = 1.5", "700106000300 070000 0000c03f 01"),
            ("program P_AC_NA_1 ioa 7", "710106000300 070000 01"),
            ("report M_SP_NA_1 ioa 7", "010103000300 070000 00"),
            ("report M_SP_TA_1 ioa 7", "020103000300 070000 00 000000"),
            ("report M_EI_NA_1", "460104000300 000000 00"),
            ("report C_DC_NA_1 ioa 7", "2e0107000300 070000 01"),
            ("report P_ME_NC_1 ioa 7", "700107000300 070000 00000000 01"),
            ("report F_DR_TA_1 ioa 7", "7e810d000300 070000 00000000000000000000000000"),
            ("report interrogation", "640107000300 000000 14"),
        ] {
            let stored = build(&deed(text), 3).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            let Some(Message::Iec104(request)) = stored.message() else { panic!("{text}") };
            let written: String = request.asdu.bytes().iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(written, bytes.replace(' ', ""), "{text}");
            assert!(!request.selected);
        }
    }

    #[test]
    fn with_select_first_it_executes_what_was_selected() {
        let stored = build(&deed("control C_SC_NA_1 ioa 7 = on select-first"), 3).expect("one ASDU does it");
        let Some(Message::Iec104(request)) = stored.message() else { panic!("another protocol's") };
        assert!(request.selected);
        assert_eq!(request.asdu.bytes(), hex("2d0106000300 070000 01"));
    }

    #[test]
    fn what_no_single_asdu_does_is_told() {
        let single = "control C_SC_NA_1 ioa 7 = on";
        let floats = |values| Sentence { values: Some(values), ..deed("control C_SE_NC_1 ioa 7 = 1.0") };
        let share = |value| Sentence {
            values: Some(ValueSet::Each(alloc::vec![(Num::Float(value), Num::Float(value))])),
            ..deed("control C_SE_NA_1 ioa 7 = 0.5")
        };
        let integer = |value| Sentence {
            values: Some(ValueSet::Positional(alloc::vec![value])),
            ..deed("control C_SE_NB_1 ioa 7 = 1")
        };
        for (sentence, message) in [
            (Sentence { units: alloc::vec![(70_000, 70_000)], ..deed(single) }, "common address 70000 does not exist"),
            (Sentence { via: alloc::vec![100], ..deed(single) }, "no type does this to that object"),
            (Sentence { via: alloc::vec![300], ..deed(single) }, "no type does this to that object"),
            (deed("control C_SC_NA_1 = on"), "one message names one point"),
            (deed("control C_SC_NA_1 ioa 7-8 = on"), "one message names one point"),
            (deed("control C_SC_NA_1 ioa 7, 9 = on"), "one message names one point"),
            (deed("control C_SC_NA_1 ioa 7"), "one value"),
            (deed("control C_SC_NA_1 ioa 7 = on qualifier 0-1"), "one message has one qualifier"),
            (deed("control C_SC_NA_1 ioa 7 = on qualifier 0, 2"), "one message has one qualifier"),
            (Sentence { qualifiers: alloc::vec![(256, 256)], ..deed(single) }, "no qualifier"),
            (Sentence { values: Some(ValueSet::Positional(alloc::vec![Num::Int(1)])), ..deed(single) }, "on or off"),
            (floats(ValueSet::Each(alloc::vec![(Num::Float(0.0), Num::Float(1.0))])), "one value"),
            (floats(ValueSet::Positional(alloc::vec![Num::Float(0.0), Num::Float(1.0)])), "one value"),
            (floats(ValueSet::Positional(alloc::vec![Num::Float(1e39)])), "does not fit this type"),
            (share(1.0), "no share of the full scale"),
            (share(-1.1), "no share of the full scale"),
            (integer(Num::Float(1.5)), "a whole number is expected"),
            (integer(Num::Int(40_000)), "40000 does not fit this type"),
            (deed("control C_SC_NA_1 ca 65535 ioa 7 = on"), "no station takes that: ca_broadcast"),
            (deed("control C_SC_NA_1 ioa 0 = on"), "no station takes that: ioa_zero"),
        ] {
            let fault = build(&sentence, 3).expect_err(message);
            assert!(fault.0.contains(message), "{fault} and not {message}");
        }
        assert!(build(&deed(single), 70_000).is_err_and(|fault| fault.0.contains("write 1 to 65535")));
    }
}
