//! Which types of ASDU are there? The one table that everything else asks.

use crate::{deed::ObjectId, vocab::Class};

/// One type of ASDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TypeSpec {
    /// Type identification.
    pub(super) id: u8,
    /// Its name in the standard.
    pub(super) name: &'static str,
    /// What one information object holds before its time tag.
    pub(super) kind: Kind,
    /// Its time tag.
    pub(super) tag: Tag,
    /// How its objects may be laid out.
    pub(super) form: Form,
    /// Who sends it.
    pub(super) from: From,
    /// What it is about, as a place in the grammar's objects: the twins of a type share it.
    pub(super) object: ObjectId,
    /// The class of what it does towards a station.
    pub(super) class: Class,
}

/// What one information object holds before its time tag (IEC 60870-5-101 7.2.6 and 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// SIQ.
    Single,
    /// DIQ.
    Double,
    /// VTI, QDS.
    StepPosition,
    /// BSI, QDS.
    Bits,
    /// NVA, QDS.
    Normalised,
    /// NVA.
    NormalisedBare,
    /// SVA, QDS.
    Scaled,
    /// IEEE STD 754, QDS.
    Float,
    /// BCR.
    Counter,
    /// SEP, CP16.
    Protection,
    /// SPE, QDP, CP16.
    Starts,
    /// OCI, QDP, CP16.
    Outputs,
    /// SCD, QDS.
    Packed,
    /// AID, BCR.
    Statistics,
    /// COI.
    Init,
    /// SCO.
    SingleCommand,
    /// DCO.
    DoubleCommand,
    /// RCO.
    StepCommand,
    /// NVA, QOS.
    SetNormalised,
    /// SVA, QOS.
    SetScaled,
    /// IEEE STD 754, QOS.
    SetFloat,
    /// BSI.
    BitsCommand,
    /// QOI.
    Interrogation,
    /// QCC.
    CounterInterrogation,
    /// Nothing: the object's address says it all.
    Nothing,
    /// CP56.
    Clock,
    /// FBP.
    Test,
    /// TSC.
    TestCounter,
    /// QRP.
    Reset,
    /// CP16.
    Delay,
    /// NVA, QPM.
    ParameterNormalised,
    /// SVA, QPM.
    ParameterScaled,
    /// IEEE STD 754, QPM.
    ParameterFloat,
    /// QPA.
    Activation,
    /// Part of a file transfer, of this size; only its type is understood.
    File(u8),
    /// A file's segment: NOF, NOS, LOS and as many octets as LOS says.
    Segment,
}

/// A time tag behind an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    None,
    /// Milliseconds and minute.
    Cp24,
    /// The whole date.
    Cp56,
}

/// How information objects are laid out (101 7.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Each with its address, or in sequence behind one address.
    Any,
    /// Each with its address.
    Each,
    /// One, with its address.
    One,
    /// In sequence.
    Sequence,
}

/// Who sends a type. A station also sends what it confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Station,
    Centre,
    Either,
}

impl Kind {
    /// How many octets it takes; of a segment, those before its data.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Single
            | Self::Double
            | Self::Init
            | Self::SingleCommand
            | Self::DoubleCommand
            | Self::StepCommand
            | Self::Interrogation
            | Self::CounterInterrogation
            | Self::Reset
            | Self::Activation => 1,
            Self::StepPosition | Self::NormalisedBare | Self::Test | Self::TestCounter | Self::Delay => 2,
            Self::Normalised
            | Self::Scaled
            | Self::Protection
            | Self::SetNormalised
            | Self::SetScaled
            | Self::ParameterNormalised
            | Self::ParameterScaled => 3,
            Self::Starts | Self::Outputs | Self::BitsCommand | Self::Segment => 4,
            Self::Bits | Self::Float | Self::Counter | Self::Packed | Self::SetFloat | Self::ParameterFloat => 5,
            Self::Statistics | Self::Clock => 7,
            Self::File(6) => 6,
            Self::File(7) => 7,
            Self::File(4) => 4,
            Self::File(5) => 5,
            Self::File(13) => 13,
            Self::File(_) => 16,
        }
    }

    /// Whether its object is a point, with an address of its own.
    pub(super) const fn has_point(self) -> bool {
        !matches!(
            self,
            Self::Init
                | Self::Interrogation
                | Self::CounterInterrogation
                | Self::Clock
                | Self::Test
                | Self::TestCounter
                | Self::Reset
                | Self::Delay
        )
    }
}

impl Tag {
    pub(super) const fn size(self) -> usize {
        match self {
            Self::None => 0,
            Self::Cp24 => 3,
            Self::Cp56 => 7,
        }
    }
}

impl TypeSpec {
    /// The type of this identification.
    pub(super) fn of(id: u8) -> Option<&'static Self> {
        TYPES.iter().find(|one| one.id == id)
    }

    /// How many octets an information object takes behind its address; of a segment, those before its data.
    pub(super) const fn size(&self) -> usize {
        self.kind.size().saturating_add(self.tag.size())
    }

    /// Whether it is the type whose name its object has; the others are its twins.
    #[cfg(test)]
    pub(super) fn is_head(&self) -> bool {
        TYPES.iter().find(|one| one.object == self.object).is_some_and(|one| one.id == self.id)
    }
}

/// A type that only a station sends.
const fn told(id: u8, name: &'static str, kind: Kind, tag: Tag, object: u8) -> TypeSpec {
    let form = match (tag, kind) {
        (_, Kind::Init) => Form::One,
        (Bare, _) => Form::Any,
        (Cp24 | Cp56, _) => Form::Each,
    };
    TypeSpec { id, name, kind, tag, form, from: From::Station, object: ObjectId(object), class: Class::Report }
}

/// A type that a control centre sends, and a station confirms.
const fn asked(id: u8, name: &'static str, kind: Kind, tag: Tag, object: u8, class: Class) -> TypeSpec {
    TypeSpec { id, name, kind, tag, form: Form::One, from: From::Centre, object: ObjectId(object), class }
}

/// A part of a file transfer: either side sends it, unless it says otherwise.
const fn file(id: u8, name: &'static str, kind: Kind, object: u8) -> TypeSpec {
    TypeSpec { from: From::Either, ..asked(id, name, kind, Bare, object, Program) }
}

use Class::{Control, Diagnose, Program, Read, Write};
use Tag::{Cp24, Cp56, None as Bare};

/// Every type that the standard defines for 104, and those of 101 that stations carry over it.
pub(super) const TYPES: &[TypeSpec] = &[
    told(1, "M_SP_NA_1", Kind::Single, Bare, 0),
    told(2, "M_SP_TA_1", Kind::Single, Cp24, 0),
    told(30, "M_SP_TB_1", Kind::Single, Cp56, 0),
    told(3, "M_DP_NA_1", Kind::Double, Bare, 1),
    told(4, "M_DP_TA_1", Kind::Double, Cp24, 1),
    told(31, "M_DP_TB_1", Kind::Double, Cp56, 1),
    told(5, "M_ST_NA_1", Kind::StepPosition, Bare, 2),
    told(6, "M_ST_TA_1", Kind::StepPosition, Cp24, 2),
    told(32, "M_ST_TB_1", Kind::StepPosition, Cp56, 2),
    told(7, "M_BO_NA_1", Kind::Bits, Bare, 3),
    told(8, "M_BO_TA_1", Kind::Bits, Cp24, 3),
    told(33, "M_BO_TB_1", Kind::Bits, Cp56, 3),
    told(9, "M_ME_NA_1", Kind::Normalised, Bare, 4),
    told(10, "M_ME_TA_1", Kind::Normalised, Cp24, 4),
    told(34, "M_ME_TD_1", Kind::Normalised, Cp56, 4),
    told(21, "M_ME_ND_1", Kind::NormalisedBare, Bare, 4),
    told(11, "M_ME_NB_1", Kind::Scaled, Bare, 5),
    told(12, "M_ME_TB_1", Kind::Scaled, Cp24, 5),
    told(35, "M_ME_TE_1", Kind::Scaled, Cp56, 5),
    told(13, "M_ME_NC_1", Kind::Float, Bare, 6),
    told(14, "M_ME_TC_1", Kind::Float, Cp24, 6),
    told(36, "M_ME_TF_1", Kind::Float, Cp56, 6),
    told(15, "M_IT_NA_1", Kind::Counter, Bare, 7),
    told(16, "M_IT_TA_1", Kind::Counter, Cp24, 7),
    told(37, "M_IT_TB_1", Kind::Counter, Cp56, 7),
    told(17, "M_EP_TA_1", Kind::Protection, Cp24, 8),
    told(38, "M_EP_TD_1", Kind::Protection, Cp56, 8),
    told(18, "M_EP_TB_1", Kind::Starts, Cp24, 9),
    told(39, "M_EP_TE_1", Kind::Starts, Cp56, 9),
    told(19, "M_EP_TC_1", Kind::Outputs, Cp24, 10),
    told(40, "M_EP_TF_1", Kind::Outputs, Cp56, 10),
    told(20, "M_PS_NA_1", Kind::Packed, Bare, 11),
    told(41, "S_IT_TC_1", Kind::Statistics, Cp56, 12),
    told(70, "M_EI_NA_1", Kind::Init, Bare, 13),
    asked(45, "C_SC_NA_1", Kind::SingleCommand, Bare, 14, Control),
    asked(58, "C_SC_TA_1", Kind::SingleCommand, Cp56, 14, Control),
    asked(46, "C_DC_NA_1", Kind::DoubleCommand, Bare, 15, Control),
    asked(59, "C_DC_TA_1", Kind::DoubleCommand, Cp56, 15, Control),
    asked(47, "C_RC_NA_1", Kind::StepCommand, Bare, 16, Control),
    asked(60, "C_RC_TA_1", Kind::StepCommand, Cp56, 16, Control),
    asked(48, "C_SE_NA_1", Kind::SetNormalised, Bare, 17, Control),
    asked(61, "C_SE_TA_1", Kind::SetNormalised, Cp56, 17, Control),
    asked(49, "C_SE_NB_1", Kind::SetScaled, Bare, 18, Control),
    asked(62, "C_SE_TB_1", Kind::SetScaled, Cp56, 18, Control),
    asked(50, "C_SE_NC_1", Kind::SetFloat, Bare, 19, Control),
    asked(63, "C_SE_TC_1", Kind::SetFloat, Cp56, 19, Control),
    asked(51, "C_BO_NA_1", Kind::BitsCommand, Bare, 20, Control),
    asked(64, "C_BO_TA_1", Kind::BitsCommand, Cp56, 20, Control),
    asked(100, "C_IC_NA_1", Kind::Interrogation, Bare, 21, Read),
    // Without a freeze or a reset it only reads; with one it is control (`Asdu::class`).
    asked(101, "C_CI_NA_1", Kind::CounterInterrogation, Bare, 22, Read),
    asked(102, "C_RD_NA_1", Kind::Nothing, Bare, 23, Read),
    asked(103, "C_CS_NA_1", Kind::Clock, Bare, 24, Control),
    asked(104, "C_TS_NA_1", Kind::Test, Bare, 25, Diagnose),
    asked(107, "C_TS_TA_1", Kind::TestCounter, Cp56, 25, Diagnose),
    asked(105, "C_RP_NA_1", Kind::Reset, Bare, 26, Program),
    asked(106, "C_CD_NA_1", Kind::Delay, Bare, 27, Control),
    asked(110, "P_ME_NA_1", Kind::ParameterNormalised, Bare, 28, Write),
    asked(111, "P_ME_NB_1", Kind::ParameterScaled, Bare, 29, Write),
    asked(112, "P_ME_NC_1", Kind::ParameterFloat, Bare, 30, Write),
    asked(113, "P_AC_NA_1", Kind::Activation, Bare, 31, Program),
    file(120, "F_FR_NA_1", Kind::File(6), 32),
    file(121, "F_SR_NA_1", Kind::File(7), 33),
    TypeSpec { from: From::Centre, ..file(122, "F_SC_NA_1", Kind::File(4), 34) },
    file(123, "F_LS_NA_1", Kind::File(5), 35),
    file(124, "F_AF_NA_1", Kind::File(4), 36),
    file(125, "F_SG_NA_1", Kind::Segment, 37),
    TypeSpec { from: From::Station, form: Form::Sequence, ..file(126, "F_DR_TA_1", Kind::File(13), 38) },
    TypeSpec { from: From::Centre, ..file(127, "F_SC_NB_1", Kind::File(16), 39) },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_standard_is_there_once() {
        let ids: std::vec::Vec<u8> = (0..=255).filter(|id| TypeSpec::of(*id).is_some()).collect();
        let meant = [1..=21, 30..=41, 45..=51, 58..=64, 70..=70, 100..=107, 110..=113, 120..=127].into_iter().flatten();
        assert_eq!(ids, meant.collect::<std::vec::Vec<u8>>());
        assert_eq!(ids.len(), TYPES.len());
        for one in TYPES {
            let names = TYPES.iter().filter(|other| other.name == one.name).count();
            assert_eq!(names, 1, "{}", one.name);
        }
    }

    #[test]
    fn twins_hold_the_same_and_differ_in_their_time() {
        for one in TYPES.iter().filter(|one| !one.is_head()) {
            let head = TYPES.iter().find(|head| head.object == one.object).expect("a head");
            assert_eq!((head.class, head.from), (one.class, one.from), "{}", one.name);
            assert!(head.tag != one.tag || one.name == "M_ME_ND_1", "{}", one.name);
            // The packed test pattern and the test counter, the value without its quality.
            assert!(head.kind == one.kind || matches!(one.id, 21 | 107), "{}", one.name);
        }
    }

    #[test]
    fn sizes_are_those_of_the_standard() {
        // Octets behind the address, as 101 7.3 and 104 8 draw them.
        for (id, size) in [
            (1, 1),
            (2, 4),
            (30, 8),
            (6, 5),
            (32, 9),
            (7, 5),
            (33, 12),
            (9, 3),
            (21, 2),
            (34, 10),
            (36, 12),
            (15, 5),
            (37, 12),
            (17, 6),
            (38, 10),
            (18, 7),
            (39, 11),
            (40, 11),
            (20, 5),
            (41, 14),
            (45, 1),
            (58, 8),
            (48, 3),
            (61, 10),
            (63, 12),
            (64, 11),
            (102, 0),
            (103, 7),
            (107, 9),
            (112, 5),
            (126, 13),
            (127, 16),
        ] {
            assert_eq!(TypeSpec::of(id).map(TypeSpec::size), Some(size), "{id}");
        }
    }
}
