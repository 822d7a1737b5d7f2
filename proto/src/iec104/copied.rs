//! Does a rule that is copied from a printed deed allow that deed and no other, and does every sentence read as it prints?

use core::{convert::Infallible, ops::ControlFlow};
use std::{string::String, vec::Vec};

use proptest::prelude::*;

use super::{
    GRAMMAR,
    asdu::{Asdu, Direction},
    build,
    judged::{Gate, parse},
    request::Request,
    types::{From, Kind, TYPES},
};
use crate::{
    deed::Deed,
    policy::Verdict,
    protocol::Message,
    sentence::{Form, Format, Num, Sentence, ValueSet},
    vocab::Class,
};

const WORDS: &str = "
    any read control report write program interrogation counters point C_SC_NA_1 C_SC_TA_1 C_DC_NA_1
    C_RC_NA_1 C_SE_NA_1 C_SE_NC_1 C_BO_NA_1 M_ME_NC_1 M_SP_TB_1 P_AC_NA_1 F_DR_TA_1 C_IC_NA_1 ca ioa 1 7
    1-9 = [ ] , on off lower higher 0.5 -1.0 1.0 0..5 qualifier 20 step from up via 45 58 exactly
    select-first when max 6/min as f32 bit whole always during spends
";

fn word() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    prop_oneof![20 => proptest::sample::select(words).prop_map(String::from), 1 => any::<String>()]
}

/// A legal ASDU of a control centre with any address, value and qualifier.
fn asked() -> impl Strategy<Value = Vec<u8>> {
    let places: Vec<usize> = (0..TYPES.len())
        .filter(|place| TYPES[*place].from != From::Station && TYPES[*place].kind != Kind::Segment)
        .collect();
    let parts = (proptest::sample::select(places), 1u16..3, 1u32..4, prop::collection::vec(any::<u8>(), 8), 6u8..=8);
    parts.prop_filter_map("legal", |(place, ca, ioa, mut element, cause)| {
        let spec = &TYPES[place];
        element.truncate(spec.kind.size());
        element.resize(spec.kind.size(), 0);
        let cause = match spec.kind {
            Kind::Nothing => 5,
            Kind::File(_) => 13,
            Kind::Test => {
                element = [0xAA, 0x55].to_vec();
                6
            }
            Kind::Clock => {
                element = [0, 0, 0, 0, 1, 1, 24].to_vec();
                6
            }
            _ => cause & !1,
        };
        let ioa = if spec.kind.has_point() { ioa } else { 0 };
        let mut bytes = [&[spec.id, 1, cause, 0][..], &ca.to_le_bytes(), &ioa.to_le_bytes()[..3], &element].concat();
        bytes.extend(&[0, 0, 0, 0, 1, 1, 24][..spec.tag.size()]);
        Asdu::read(&bytes, Direction::Control).is_ok().then_some(bytes)
    })
}

fn deed_of(bytes: &[u8]) -> Deed<'static> {
    let asdu = Asdu::read(bytes, Direction::Control).expect("legal");
    let flow = Request::new(asdu).deeds(&mut |deed| {
        // One object, so that the first deed is the only one.
        ControlFlow::Break(Deed { values: crate::deed::Values::None, ..deed })
    });
    flow.break_value().expect("a deed")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// A rule copied from a printed deed allows that deed and no other, and `build` makes that deed of it.
    #[test]
    fn a_copied_deed_is_allowed_and_none_other(one in asked(), other in asked()) {
        let printed = |bytes: &[u8], who| {
            let asdu = Asdu::read(bytes, Direction::Control).expect("legal");
            let mut text = String::new();
            let ControlFlow::Continue(()) = Request::new(asdu).deeds::<Infallible>(&mut |deed| {
                text = Sentence::of_deed(who, &deed).print(&GRAMMAR);
                ControlFlow::Continue(())
            });
            text
        };
        let rule = printed(&one, Some("scada-1"));
        let gate = Gate::new(&[&rule], &[]);
        for bytes in [&one, &other] {
            let asdu = Asdu::read(bytes, Direction::Control).expect("legal");
            let allowed = matches!(gate.judge(&Message::Iec104(Request::new(asdu))), Verdict::Allow(_));
            prop_assert_eq!(allowed, printed(bytes, Some("scada-1")) == rule, "{} against {}", printed(bytes, None), rule);
        }
        let again = parse(&printed(&one, None), Form::Deed);
        let built = again.map(|sentence| build(&sentence, 1));
        let Ok(Ok(stored)) = built else { panic!("{built:?}") };
        prop_assert_eq!(deed_of(&stored.bytes()[1..]).first, deed_of(&one).first);
        prop_assert_eq!(printed(&stored.bytes()[1..], Some("scada-1")), rule);
    }

    /// Words in any order, with a little noise: what is read prints as itself, and builds or says why not.
    #[test]
    fn words_in_any_order_are_read_or_told_wrong(words in prop::collection::vec(word(), 0..20)) {
        crate::sentence::fuzz_sentence(words.join(" ").as_bytes());
    }

    /// Any sentence of this grammar that can be written reads back as itself.
    #[test]
    fn a_printed_sentence_reads_as_itself(
        row in 0..GRAMMAR.functions.len(), one_function: bool, units in prop::collection::vec(0u32..9, 0..2),
        ioa in prop::option::of((0u32..100, 0u32..100)), qualifier in prop::option::of(0u32..256),
        value in prop::option::of(any::<f32>()), select_first: bool,
    ) {
        let row = &GRAMMAR.functions[row];
        let object = GRAMMAR.object(row.object).expect("its object");
        let mut one = parse("any read interrogation", Form::Rule).expect("a rule");
        (one.class, one.object) = (row.class, row.object);
        one.via = if one_function { [row.code].to_vec() } else { Vec::new() };
        one.units = units.iter().map(|unit| (*unit, *unit)).collect();
        one.ranges = ioa.filter(|_| object.index != crate::sentence::Index::None).map(|(first, more)| (first, first + more)).into_iter().collect();
        one.qualifiers = qualifier.map(|qualifier| (qualifier, 255)).into_iter().collect();
        one.select_first = select_first && GRAMMAR.selects.contains(&row.object) && row.class == Class::Control;
        let acts = matches!(row.class, Class::Control | Class::Write);
        one.values = value.filter(|value| acts && value.is_finite()).and_then(|value| {
            let bits = value.to_bits();
            let num = match object.element {
                crate::sentence::Element::None | crate::sentence::Element::Register => return None,
                crate::sentence::Element::Bit | crate::sentence::Element::Switch { .. } => Num::Bool(bits & 1 == 1),
                crate::sentence::Element::Number(Format::F32) => Num::Float(value.into()),
                crate::sentence::Element::Number(Format::U32) => Num::Int(bits.into()),
                crate::sentence::Element::Number(_) => Num::Int((bits as i16).into()),
            };
            Some(ValueSet::Each([(num, num)].to_vec()))
        });
        let text = one.print(&GRAMMAR);
        prop_assert_eq!(parse(&text, Form::Rule), Ok(one));
    }
}
