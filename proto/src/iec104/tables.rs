//! Which words, functions and presets does IEC 60870-5-104 have?
//!
//! An object is a type, by its name or by a plainer word; the types that say the same with a time tag are its twins.
//! A test holds these tables to the one of `types`.

use super::asdu::IOA_MAX;
use crate::{
    deed::ObjectId,
    sentence::{Element, Format, FunctionSpec, Grammar, Index, ObjectSpec, Preset, Risk, Twin},
    vocab::Class,
};

/// IEC 60870-5-104 7.1: the port that is registered. 19998, of the security profile, carries TLS.
pub const PORTS: &[u16] = &[2404];

/// The words of IEC 60870-5-104 (language.md section 2).
pub static GRAMMAR: Grammar = Grammar {
    unit_word: "ca",
    unit_max: 65_535,
    all_answer: true,
    units_key: "cas",
    reserved_units: None,
    index_word: Some("ioa"),
    qualifier_word: Some("qualifier"),
    selects: SELECTS,
    twins: TWINS,
    longest_read: |_| None,
    longest_deed: |_, _| 1,
    masks: &[],
    qualifiers,
    objects: OBJECTS,
    functions: FUNCTIONS,
    code_class: |_, _| Err("write the type's name, like `C_SC_NA_1`"),
    risks: RISKS,
};

use Class::{Control, Diagnose, Program, Read, Report, Write};
use Element::{Bit, Number};
use Format::{F32, I16, I32, U32};

const ON_OFF: Element = Element::Switch { off: "off", on: "on" };
const LOWER_HIGHER: Element = Element::Switch { off: "lower", on: "higher" };

/// QU has five bits and QOS seven; the other qualifiers are octets. A counter interrogation that freezes or resets, by the
/// two highest bits of its QCC, is control.
fn qualifiers(object: ObjectId, class: Class) -> Option<(u32, u32)> {
    match (object.0, class) {
        (_, Report) => None,
        (14..=16, _) => Some((0, 31)),
        (17..=19, _) => Some((0, 127)),
        (22, Read) => Some((0, 63)),
        (22, _) => Some((64, 255)),
        (21 | 26 | 28..=31, _) => Some((0, 255)),
        _ => None,
    }
}

/// The commands that have an S/E bit: all but the bit string.
const SELECTS: &[ObjectId] = &[ObjectId(14), ObjectId(15), ObjectId(16), ObjectId(17), ObjectId(18), ObjectId(19)];

const OBJECTS: &[ObjectSpec] = &[
    points("M_SP_NA_1", Bit, &[Report]),
    points("M_DP_NA_1", ON_OFF, &[Report]),
    points("M_ST_NA_1", Number(I16), &[Report]),
    points("M_BO_NA_1", Number(U32), &[Report]),
    points("M_ME_NA_1", Number(F32), &[Report]),
    points("M_ME_NB_1", Number(I16), &[Report]),
    points("M_ME_NC_1", Number(F32), &[Report]),
    points("M_IT_NA_1", Number(I32), &[Report]),
    points("M_EP_TA_1", Element::None, &[Report]),
    points("M_EP_TB_1", Element::None, &[Report]),
    points("M_EP_TC_1", Element::None, &[Report]),
    points("M_PS_NA_1", Element::None, &[Report]),
    points("S_IT_TC_1", Element::None, &[Report]),
    whole("M_EI_NA_1", &[Report]),
    points("C_SC_NA_1", Bit, &[Control, Report]),
    points("C_DC_NA_1", ON_OFF, &[Control, Report]),
    points("C_RC_NA_1", LOWER_HIGHER, &[Control, Report]),
    points("C_SE_NA_1", Number(F32), &[Control, Report]),
    points("C_SE_NB_1", Number(I16), &[Control, Report]),
    points("C_SE_NC_1", Number(F32), &[Control, Report]),
    points("C_BO_NA_1", Number(U32), &[Control, Report]),
    whole("interrogation", &[Read, Report]),
    whole("counters", &[Read, Control, Report]),
    points("point", Element::None, &[Read, Report]),
    whole("clock", &[Control, Report]),
    whole("test", &[Diagnose, Report]),
    whole("reset", &[Program, Report]),
    whole("delay", &[Control, Report]),
    points("P_ME_NA_1", Number(F32), &[Write, Report]),
    points("P_ME_NB_1", Number(I16), &[Write, Report]),
    points("P_ME_NC_1", Number(F32), &[Write, Report]),
    points("P_AC_NA_1", Element::None, &[Program, Report]),
    points("F_FR_NA_1", Element::None, &[Program, Report]),
    points("F_SR_NA_1", Element::None, &[Program, Report]),
    points("F_SC_NA_1", Element::None, &[Program, Report]),
    points("F_LS_NA_1", Element::None, &[Program, Report]),
    points("F_AF_NA_1", Element::None, &[Program, Report]),
    points("F_SG_NA_1", Element::None, &[Program, Report]),
    points("F_DR_TA_1", Element::None, &[Report]),
    points("F_SC_NB_1", Element::None, &[Program, Report]),
];

const fn points(word: &'static str, element: Element, classes: &'static [Class]) -> ObjectSpec {
    let index = Index::Number { max: IOA_MAX };
    ObjectSpec { word, index, element, classes, modicon: None, served: true }
}

/// It is about the station as a whole.
const fn whole(word: &'static str, classes: &'static [Class]) -> ObjectSpec {
    ObjectSpec { index: Index::None, ..points(word, Element::None, classes) }
}

/// A function is a type. What a control centre sends comes back from the station as a report of it; a counter
/// interrogation that freezes or resets is control.
const FUNCTIONS: &[FunctionSpec] = &[
    row(1, "M_SP_NA_1", 0, Report),
    row(2, "M_SP_TA_1", 0, Report),
    row(30, "M_SP_TB_1", 0, Report),
    row(3, "M_DP_NA_1", 1, Report),
    row(4, "M_DP_TA_1", 1, Report),
    row(31, "M_DP_TB_1", 1, Report),
    row(5, "M_ST_NA_1", 2, Report),
    row(6, "M_ST_TA_1", 2, Report),
    row(32, "M_ST_TB_1", 2, Report),
    row(7, "M_BO_NA_1", 3, Report),
    row(8, "M_BO_TA_1", 3, Report),
    row(33, "M_BO_TB_1", 3, Report),
    row(9, "M_ME_NA_1", 4, Report),
    row(10, "M_ME_TA_1", 4, Report),
    row(34, "M_ME_TD_1", 4, Report),
    row(21, "M_ME_ND_1", 4, Report),
    row(11, "M_ME_NB_1", 5, Report),
    row(12, "M_ME_TB_1", 5, Report),
    row(35, "M_ME_TE_1", 5, Report),
    row(13, "M_ME_NC_1", 6, Report),
    row(14, "M_ME_TC_1", 6, Report),
    row(36, "M_ME_TF_1", 6, Report),
    row(15, "M_IT_NA_1", 7, Report),
    row(16, "M_IT_TA_1", 7, Report),
    row(37, "M_IT_TB_1", 7, Report),
    row(17, "M_EP_TA_1", 8, Report),
    row(38, "M_EP_TD_1", 8, Report),
    row(18, "M_EP_TB_1", 9, Report),
    row(39, "M_EP_TE_1", 9, Report),
    row(19, "M_EP_TC_1", 10, Report),
    row(40, "M_EP_TF_1", 10, Report),
    row(20, "M_PS_NA_1", 11, Report),
    row(41, "S_IT_TC_1", 12, Report),
    row(70, "M_EI_NA_1", 13, Report),
    row(45, "C_SC_NA_1", 14, Control),
    row(45, "C_SC_NA_1", 14, Report),
    row(58, "C_SC_TA_1", 14, Control),
    row(58, "C_SC_TA_1", 14, Report),
    row(46, "C_DC_NA_1", 15, Control),
    row(46, "C_DC_NA_1", 15, Report),
    row(59, "C_DC_TA_1", 15, Control),
    row(59, "C_DC_TA_1", 15, Report),
    row(47, "C_RC_NA_1", 16, Control),
    row(47, "C_RC_NA_1", 16, Report),
    row(60, "C_RC_TA_1", 16, Control),
    row(60, "C_RC_TA_1", 16, Report),
    row(48, "C_SE_NA_1", 17, Control),
    row(48, "C_SE_NA_1", 17, Report),
    row(61, "C_SE_TA_1", 17, Control),
    row(61, "C_SE_TA_1", 17, Report),
    row(49, "C_SE_NB_1", 18, Control),
    row(49, "C_SE_NB_1", 18, Report),
    row(62, "C_SE_TB_1", 18, Control),
    row(62, "C_SE_TB_1", 18, Report),
    row(50, "C_SE_NC_1", 19, Control),
    row(50, "C_SE_NC_1", 19, Report),
    row(63, "C_SE_TC_1", 19, Control),
    row(63, "C_SE_TC_1", 19, Report),
    row(51, "C_BO_NA_1", 20, Control),
    row(51, "C_BO_NA_1", 20, Report),
    row(64, "C_BO_TA_1", 20, Control),
    row(64, "C_BO_TA_1", 20, Report),
    row(100, "C_IC_NA_1", 21, Read),
    row(100, "C_IC_NA_1", 21, Report),
    row(101, "C_CI_NA_1", 22, Read),
    row(101, "C_CI_NA_1", 22, Control),
    row(101, "C_CI_NA_1", 22, Report),
    row(102, "C_RD_NA_1", 23, Read),
    row(102, "C_RD_NA_1", 23, Report),
    row(103, "C_CS_NA_1", 24, Control),
    row(103, "C_CS_NA_1", 24, Report),
    row(104, "C_TS_NA_1", 25, Diagnose),
    row(104, "C_TS_NA_1", 25, Report),
    row(107, "C_TS_TA_1", 25, Diagnose),
    row(107, "C_TS_TA_1", 25, Report),
    row(105, "C_RP_NA_1", 26, Program),
    row(105, "C_RP_NA_1", 26, Report),
    row(106, "C_CD_NA_1", 27, Control),
    row(106, "C_CD_NA_1", 27, Report),
    row(110, "P_ME_NA_1", 28, Write),
    row(110, "P_ME_NA_1", 28, Report),
    row(111, "P_ME_NB_1", 29, Write),
    row(111, "P_ME_NB_1", 29, Report),
    row(112, "P_ME_NC_1", 30, Write),
    row(112, "P_ME_NC_1", 30, Report),
    row(113, "P_AC_NA_1", 31, Program),
    row(113, "P_AC_NA_1", 31, Report),
    row(120, "F_FR_NA_1", 32, Program),
    row(120, "F_FR_NA_1", 32, Report),
    row(121, "F_SR_NA_1", 33, Program),
    row(121, "F_SR_NA_1", 33, Report),
    row(122, "F_SC_NA_1", 34, Program),
    row(122, "F_SC_NA_1", 34, Report),
    row(123, "F_LS_NA_1", 35, Program),
    row(123, "F_LS_NA_1", 35, Report),
    row(124, "F_AF_NA_1", 36, Program),
    row(124, "F_AF_NA_1", 36, Report),
    row(125, "F_SG_NA_1", 37, Program),
    row(125, "F_SG_NA_1", 37, Report),
    row(126, "F_DR_TA_1", 38, Report),
    row(127, "F_SC_NB_1", 39, Program),
    row(127, "F_SC_NB_1", 39, Report),
];

const fn row(code: u16, name: &'static str, object: u8, class: Class) -> FunctionSpec {
    FunctionSpec { code, name, object: ObjectId(object), class, named_only: false }
}

const TWINS: &[Twin] = &[
    twin("M_SP_TA_1", 0, Some(2)),
    twin("M_SP_TB_1", 0, Some(30)),
    twin("M_DP_TA_1", 1, Some(4)),
    twin("M_DP_TB_1", 1, Some(31)),
    twin("M_ST_TA_1", 2, Some(6)),
    twin("M_ST_TB_1", 2, Some(32)),
    twin("M_BO_TA_1", 3, Some(8)),
    twin("M_BO_TB_1", 3, Some(33)),
    twin("M_ME_TA_1", 4, Some(10)),
    twin("M_ME_TD_1", 4, Some(34)),
    twin("M_ME_ND_1", 4, Some(21)),
    twin("M_ME_TB_1", 5, Some(12)),
    twin("M_ME_TE_1", 5, Some(35)),
    twin("M_ME_TC_1", 6, Some(14)),
    twin("M_ME_TF_1", 6, Some(36)),
    twin("M_IT_TA_1", 7, Some(16)),
    twin("M_IT_TB_1", 7, Some(37)),
    twin("M_EP_TD_1", 8, Some(38)),
    twin("M_EP_TE_1", 9, Some(39)),
    twin("M_EP_TF_1", 10, Some(40)),
    twin("C_SC_TA_1", 14, Some(58)),
    twin("C_DC_TA_1", 15, Some(59)),
    twin("C_RC_TA_1", 16, Some(60)),
    twin("C_SE_TA_1", 17, Some(61)),
    twin("C_SE_TB_1", 18, Some(62)),
    twin("C_SE_TC_1", 19, Some(63)),
    twin("C_BO_TA_1", 20, Some(64)),
    twin("C_IC_NA_1", 21, None),
    twin("C_CI_NA_1", 22, None),
    twin("C_RD_NA_1", 23, None),
    twin("C_CS_NA_1", 24, None),
    twin("C_TS_NA_1", 25, None),
    twin("C_TS_TA_1", 25, Some(107)),
    twin("C_RP_NA_1", 26, None),
    twin("C_CD_NA_1", 27, None),
];

const fn twin(word: &'static str, object: u8, function: Option<u16>) -> Twin {
    Twin { word, object: ObjectId(object), function }
}

const RISKS: &[Risk] = &[Risk {
    object: ObjectId(26),
    index: 0,
    message: "reset process restarts the station, or empties its event buffer",
    label: "the rule admits it",
    help: "leave it out, or give it to one identity for a short time",
}];

const fn preset(name: &'static str, sentences: &'static [&'static str]) -> Preset {
    Preset { name, sentences }
}

/// What only asks; what an operator does in a day besides; what an engineer does besides.
pub const PRESETS: &[Preset] = &[
    preset("read-only", &["any read interrogation", "any read counters", "any read point"]),
    preset(
        "operate",
        &[
            "any read interrogation",
            "any read counters",
            "any read point",
            "any control counters",
            "any control C_SC_NA_1",
            "any control C_DC_NA_1",
            "any control C_RC_NA_1",
            "any control C_SE_NA_1",
            "any control C_SE_NB_1",
            "any control C_SE_NC_1",
            "any control C_BO_NA_1",
            "any control clock",
            "any diagnose test",
        ],
    ),
    preset(
        "engineering",
        &[
            "any read interrogation",
            "any read counters",
            "any read point",
            "any control counters",
            "any control clock",
            "any control delay",
            "any diagnose test",
            "any write P_ME_NA_1",
            "any write P_ME_NB_1",
            "any write P_ME_NC_1",
            "any program P_AC_NA_1",
            "any program F_FR_NA_1",
            "any program F_SR_NA_1",
            "any program F_SC_NA_1",
            "any program F_LS_NA_1",
            "any program F_AF_NA_1",
            "any program F_SG_NA_1",
            "any program F_SC_NB_1",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::iec104::{
        content::Content,
        types::{From, Kind, TYPES, TypeSpec},
    };

    #[test]
    fn what_carries_a_qualifier_is_what_the_contents_say() {
        for spec in TYPES.iter().filter(|spec| spec.from != From::Station && spec.kind != Kind::Segment) {
            let content = Content::of(spec.kind, &std::vec![0xFF; spec.kind.size()]);
            let all = [Read, Control].map(|class| (GRAMMAR.qualifiers)(spec.object, class));
            let carried = if spec.kind == Kind::CounterInterrogation {
                all[1]
            } else {
                (GRAMMAR.qualifiers)(spec.object, spec.class)
            };
            assert_eq!(carried.map(|(_, last)| last), content.qualifier.map(u32::from), "{}", spec.name);
        }
        assert_eq!((GRAMMAR.qualifiers)(ObjectId(22), Read), Some((0, 63)), "what freezes is control");
        assert_eq!((GRAMMAR.qualifiers)(ObjectId(14), Report), None);
        assert_eq!((GRAMMAR.longest_deed)(45, Control), 1);
    }

    #[test]
    fn the_tables_say_what_the_table_of_types_says() {
        for spec in TYPES {
            let object = &OBJECTS[usize::from(spec.object.0)];
            let head = spec.is_head();
            let named = TWINS.iter().find(|twin| twin.word == spec.name);
            let function = (!head).then_some(u16::from(spec.id));
            assert!(
                object.word == spec.name
                    || named.is_some_and(|twin| (twin.object, twin.function) == (spec.object, function))
            );
            let classes: Vec<Class> = FUNCTIONS
                .iter()
                .filter(|row| (row.code, row.name, row.object) == (u16::from(spec.id), spec.name, spec.object))
                .map(|row| row.class)
                .collect();
            let meant = match (spec.from, spec.id) {
                (From::Station, _) => [Report].to_vec(),
                (_, 101) => [Read, Control, Report].to_vec(),
                _ => [spec.class, Report].to_vec(),
            };
            assert_eq!((&classes, object.classes), (&meant, &meant[..]), "{}", spec.name);
            assert_eq!(object.index == Index::None, !spec.kind.has_point(), "{}", spec.name);
        }
        let rows = FUNCTIONS.iter().all(|row| u8::try_from(row.code).is_ok_and(|id| TypeSpec::of(id).is_some()));
        assert!(rows && OBJECTS.len() == 40);
    }

    #[test]
    fn only_engineering_reaches_what_lasts_and_nothing_resets_by_preset() {
        for one in PRESETS {
            let lasts = one.sentences.iter().any(|text| text.contains("write") || text.contains("program"));
            let acts = one.sentences.iter().any(|text| text.contains("control"));
            assert_eq!((lasts, acts), (one.name == "engineering", one.name != "read-only"), "{}", one.name);
            assert!(!one.sentences.iter().any(|text| text.contains("reset")), "{}", one.name);
        }
    }
}
