//! What stands in an information object, and does the standard let it stand there? (IEC 60870-5-101 7.2.6)

use super::{
    asdu::Direction,
    checks::Check,
    clock::Time,
    types::{Kind, Tag, TypeSpec},
};
use crate::reader::{Misfit, Reader};

/// What an information object says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Content {
    pub(super) value: Value,
    /// SIQ, DIQ and QDS with the value's own bits taken out; the status octet of a counter.
    pub(super) quality: Option<u8>,
    /// QU, QL, QOI, QCC, QRP, QPM, QPA or COI: what qualifies the act. S/E is not part of it.
    pub(super) qualifier: Option<u8>,
    /// S/E: this selects, and executes nothing.
    pub(super) selects: bool,
}

/// The value of an information object, in the engineer's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Value {
    /// It has none, or one that is not understood as one value.
    #[default]
    None,
    /// On or off; higher or lower.
    Switch(bool),
    /// A double point that is neither on nor off, or a command that the standard does not permit.
    Between(u8),
    /// A count, a bit string, a scaled value or a step position.
    Whole(i64),
    /// A short floating point number; a normalised value as its share of the full scale, -1 to 1 - 2^-15.
    Real(f32),
}

/// S/E is the highest bit of a command.
const SELECT: u8 = 0x80;
/// The reserved bits of a quality descriptor.
const QDS_RESERVED: u8 = 0x0E;
/// One minute has 60,000 milliseconds.
const MINUTE: u16 = 60_000;
/// The fixed test pattern, in the order of the octets.
const PATTERN: [u8; 2] = [0xAA, 0x55];

impl Content {
    /// What an element of this kind says. The bytes are an element's, so that nothing is missing.
    pub(super) fn of(kind: Kind, element: &[u8]) -> Self {
        Self::read(kind, &mut Reader::new(element)).unwrap_or_default()
    }

    fn read(kind: Kind, reader: &mut Reader<'_>) -> Result<Self, Misfit> {
        use Value::{Real, Whole};
        Ok(match kind {
            Kind::Single => {
                let siq = reader.u8()?;
                Self::measured(Value::Switch(siq & 1 != 0), siq & !1)
            }
            Kind::Double => {
                let diq = reader.u8()?;
                Self::measured(switch(diq), diq & !3)
            }
            // VTI: seven bits in two's complement, and whether the equipment is in motion.
            Kind::StepPosition => {
                let vti = reader.u8()?;
                let position = vti.wrapping_shl(1).cast_signed().wrapping_shr(1);
                Self::measured(Whole(position.into()), reader.u8()?)
            }
            Kind::Bits | Kind::Packed => Self::measured(bits(reader)?, reader.u8()?),
            Kind::Normalised => Self::measured(Real(normalised(reader)?), reader.u8()?),
            Kind::NormalisedBare => Self { value: Real(normalised(reader)?), ..Self::default() },
            Kind::Scaled => Self::measured(Whole(scaled(reader)?), reader.u8()?),
            Kind::Float => Self::measured(Real(float(reader)?), reader.u8()?),
            Kind::Counter => counter(reader)?,
            Kind::Statistics => {
                reader.take(2)?;
                counter(reader)?
            }
            Kind::Protection => Self::measured(Value::Between(reader.u8()? & 3), 0),
            Kind::Starts | Kind::Outputs => Self::measured(Whole(reader.u8()?.into()), reader.u8()?),
            Kind::SingleCommand => {
                let sco = reader.u8()?;
                Self::command(Value::Switch(sco & 1 != 0), sco)
            }
            Kind::DoubleCommand | Kind::StepCommand => {
                let octet = reader.u8()?;
                Self::command(switch(octet), octet)
            }
            Kind::SetNormalised => Self::set_point(Real(normalised(reader)?), reader.u8()?),
            Kind::SetScaled => Self::set_point(Whole(scaled(reader)?), reader.u8()?),
            Kind::SetFloat => Self::set_point(Real(float(reader)?), reader.u8()?),
            Kind::BitsCommand => Self { value: bits(reader)?, ..Self::default() },
            Kind::ParameterNormalised => Self::qualified(Real(normalised(reader)?), reader.u8()?),
            Kind::ParameterScaled => Self::qualified(Whole(scaled(reader)?), reader.u8()?),
            Kind::ParameterFloat => Self::qualified(Real(float(reader)?), reader.u8()?),
            Kind::Init | Kind::Interrogation | Kind::CounterInterrogation | Kind::Reset | Kind::Activation => {
                Self::qualified(Value::None, reader.u8()?)
            }
            Kind::Nothing
            | Kind::Clock
            | Kind::Test
            | Kind::TestCounter
            | Kind::Delay
            | Kind::File(_)
            | Kind::Segment => Self::default(),
        })
    }

    fn measured(value: Value, quality: u8) -> Self {
        Self { value, quality: Some(quality), ..Self::default() }
    }

    /// SCO, DCO, RCO: five bits of qualifier above the state, S/E above them.
    fn command(value: Value, octet: u8) -> Self {
        let qualifier = octet.wrapping_shr(2) & 0x1F;
        Self { value, qualifier: Some(qualifier), selects: octet & SELECT != 0, quality: None }
    }

    fn set_point(value: Value, qos: u8) -> Self {
        Self { value, qualifier: Some(qos & !SELECT), selects: qos & SELECT != 0, quality: None }
    }

    fn qualified(value: Value, qualifier: u8) -> Self {
        Self { value, qualifier: Some(qualifier), ..Self::default() }
    }

    /// Whether the station vouches for the value: neither invalid nor out of date.
    pub(super) fn is_good(&self) -> bool {
        self.quality.is_some_and(|quality| quality & 0xC0 == 0)
    }
}

/// Tells every check that one information object's element and time tag fail.
pub(super) fn check(spec: &TypeSpec, direction: Direction, object: &[u8], fault: &mut dyn FnMut(Check)) {
    let Some((element, tag)) = object.split_at_checked(spec.kind.size()) else { return };
    let mut reader = Reader::new(element);
    let _whole = element_check(spec.kind, &mut reader, &mut |holds, check| {
        if !holds {
            fault(check);
        }
    });
    if spec.kind == Kind::Clock {
        Time(element).check(fault);
        if direction == Direction::Control && !Time(element).is_valid() {
            fault(Check::ClockTime);
        }
    }
    if spec.tag != Tag::None {
        Time(tag).check(fault);
        if direction == Direction::Control && !Time(tag).is_valid() {
            fault(Check::CommandTime);
        }
    }
}

/// Tells `must` what must hold of an element that a station tells.
fn element_check(kind: Kind, reader: &mut Reader<'_>, must: &mut dyn FnMut(bool, Check)) -> Result<(), Misfit> {
    match kind {
        Kind::Single => must(reader.u8()? & QDS_RESERVED == 0, Check::SingleReserved),
        Kind::Double => must(reader.u8()? & 0x0C == 0, Check::DoubleReserved),
        Kind::StepPosition => {
            reader.take(1)?;
            must(reader.u8()? & QDS_RESERVED == 0, Check::QualityReserved);
        }
        Kind::Normalised | Kind::Scaled => {
            reader.take(2)?;
            must(reader.u8()? & QDS_RESERVED == 0, Check::QualityReserved);
        }
        Kind::Bits | Kind::Packed => {
            reader.take(4)?;
            must(reader.u8()? & QDS_RESERVED == 0, Check::QualityReserved);
        }
        Kind::Float => {
            must(float(reader)?.is_finite(), Check::MeasuredFinite);
            must(reader.u8()? & QDS_RESERVED == 0, Check::QualityReserved);
        }
        Kind::Protection => {
            let sep = reader.u8()?;
            must(sep & 0x04 == 0, Check::EventReserved);
            must(sep & 0x08 != 0 || millis(reader)? < MINUTE, Check::ElapsedRange);
        }
        Kind::Starts => {
            must(reader.u8()? & 0xC0 == 0, Check::StartReserved);
            protection_quality(reader, must)?;
        }
        Kind::Outputs => {
            must(reader.u8()? & 0xF0 == 0, Check::OutputReserved);
            protection_quality(reader, must)?;
        }
        Kind::Init => must(matches!(reader.u8()? & !SELECT, 0..=2 | 32..), Check::InitCause),
        // Every pattern of these is legal.
        Kind::NormalisedBare | Kind::Counter | Kind::Statistics => {}
        other => act_check(other, reader, must)?,
    }
    Ok(())
}

/// The same of an element that a control centre sends.
fn act_check(kind: Kind, reader: &mut Reader<'_>, must: &mut dyn FnMut(bool, Check)) -> Result<(), Misfit> {
    match kind {
        Kind::SingleCommand => {
            let sco = reader.u8()?;
            must(sco & 2 == 0, Check::SingleCommandReserved);
            command_qualifier(sco, must);
        }
        Kind::DoubleCommand | Kind::StepCommand => {
            let octet = reader.u8()?;
            let state = if kind == Kind::DoubleCommand { Check::DoubleCommandState } else { Check::StepCommandState };
            must(matches!(octet & 3, 1 | 2), state);
            command_qualifier(octet, must);
        }
        Kind::SetNormalised | Kind::SetScaled => {
            reader.take(2)?;
            set_point_qualifier(reader.u8()?, must);
        }
        Kind::SetFloat => {
            must(float(reader)?.is_finite(), Check::SetPointFinite);
            set_point_qualifier(reader.u8()?, must);
        }
        Kind::Interrogation => must(matches!(reader.u8()?, 20..=36 | 64..), Check::InterrogationQualifier),
        Kind::CounterInterrogation => must(matches!(reader.u8()? & 0x3F, 1..=5 | 32..), Check::CounterRequest),
        Kind::Test => must(reader.array()? == PATTERN, Check::TestPattern),
        Kind::Reset => must(matches!(reader.u8()?, 1 | 2 | 128..), Check::ResetQualifier),
        Kind::Delay => must(millis(reader)? < MINUTE, Check::DelayRange),
        Kind::ParameterNormalised | Kind::ParameterScaled => {
            reader.take(2)?;
            parameter_qualifier(reader.u8()?, must);
        }
        Kind::ParameterFloat => {
            must(float(reader)?.is_finite(), Check::ParameterFinite);
            parameter_qualifier(reader.u8()?, must);
        }
        Kind::Activation => must(matches!(reader.u8()?, 1..=3 | 128..), Check::ParameterActivation),
        // Every pattern of these is legal; of files only the type is understood; the rest is told.
        Kind::BitsCommand | Kind::Nothing | Kind::Clock | Kind::TestCounter | Kind::File(_) | Kind::Segment => {}
        Kind::Single | Kind::Double | Kind::StepPosition | Kind::Bits | Kind::Packed | Kind::Init => {}
        Kind::Normalised | Kind::NormalisedBare | Kind::Scaled | Kind::Float => {}
        Kind::Counter | Kind::Statistics | Kind::Protection | Kind::Starts | Kind::Outputs => {}
    }
    Ok(())
}

/// QU 4 to 8 are reserved for the standard, 9 to 15 for functions that it does not have yet.
fn command_qualifier(octet: u8, must: &mut dyn FnMut(bool, Check)) {
    must(!matches!(octet.wrapping_shr(2) & 0x1F, 4..=15), Check::CommandQualifier);
}

fn set_point_qualifier(qos: u8, must: &mut dyn FnMut(bool, Check)) {
    must(matches!(qos & !SELECT, 0 | 64..), Check::SetPointQualifier);
}

fn parameter_qualifier(qpm: u8, must: &mut dyn FnMut(bool, Check)) {
    must(matches!(qpm & 0x3F, 1..=4 | 32..), Check::ParameterKind);
}

/// QDP, and the elapsed time that it may call invalid.
fn protection_quality(reader: &mut Reader<'_>, must: &mut dyn FnMut(bool, Check)) -> Result<(), Misfit> {
    let qdp = reader.u8()?;
    must(qdp & 0x07 == 0, Check::ProtectionReserved);
    must(qdp & 0x08 != 0 || millis(reader)? < MINUTE, Check::ElapsedRange);
    Ok(())
}

/// BCR: a signed count, then sequence number, carry, adjusted and invalid.
fn counter(reader: &mut Reader<'_>) -> Result<Content, Misfit> {
    let count = i32::from_le_bytes(reader.array()?);
    Ok(Content::measured(Value::Whole(count.into()), reader.u8()?))
}

/// The lower two bits of DIQ, DCO and RCO: 1 is off or lower, 2 is on or higher.
const fn switch(octet: u8) -> Value {
    match octet & 3 {
        1 => Value::Switch(false),
        2 => Value::Switch(true),
        other => Value::Between(other),
    }
}

fn bits(reader: &mut Reader<'_>) -> Result<Value, Misfit> {
    Ok(Value::Whole(u32::from_le_bytes(reader.array()?).into()))
}

/// NVA is a fixed point number with its point behind the sign.
fn normalised(reader: &mut Reader<'_>) -> Result<f32, Misfit> {
    Ok(f32::from(i16::from_le_bytes(reader.array()?)) / 32_768.0)
}

fn scaled(reader: &mut Reader<'_>) -> Result<i64, Misfit> {
    Ok(i16::from_le_bytes(reader.array()?).into())
}

fn float(reader: &mut Reader<'_>) -> Result<f32, Misfit> {
    Ok(f32::from_le_bytes(reader.array()?))
}

fn millis(reader: &mut Reader<'_>) -> Result<u16, Misfit> {
    Ok(u16::from_le_bytes(reader.array()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_say_what_the_standard_draws() {
        for (kind, bytes, value, qualifier, selects) in [
            (Kind::Single, &[0x11][..], Value::Switch(true), None, false),
            (Kind::Double, &[0x02], Value::Switch(true), None, false),
            (Kind::Double, &[0x80], Value::Between(0), None, false),
            (Kind::StepPosition, &[0xFF, 0], Value::Whole(-1), None, false),
            (Kind::StepPosition, &[0x40, 0], Value::Whole(-64), None, false),
            (Kind::Normalised, &[0, 0x80, 0], Value::Real(-1.0), None, false),
            (Kind::Scaled, &[0xFE, 0xFF, 0], Value::Whole(-2), None, false),
            (Kind::Float, &[0, 0, 0x48, 0x41, 0], Value::Real(12.5), None, false),
            (Kind::Counter, &[0xFF, 0xFF, 0xFF, 0xFF, 0x05], Value::Whole(-1), None, false),
            (Kind::Bits, &[1, 0, 0, 0x80, 0], Value::Whole(0x8000_0001), None, false),
            (Kind::SingleCommand, &[0x85], Value::Switch(true), Some(1), true),
            (Kind::DoubleCommand, &[0x01], Value::Switch(false), Some(0), false),
            (Kind::StepCommand, &[0x82], Value::Switch(true), Some(0), true),
            (Kind::SetNormalised, &[0xFF, 0x7F, 0x80], Value::Real(32_767.0 / 32_768.0), Some(0), true),
            (Kind::SetFloat, &[0, 0, 0x80, 0x3F, 0x40], Value::Real(1.0), Some(64), false),
            (Kind::Interrogation, &[20], Value::None, Some(20), false),
        ] {
            let content = Content::of(kind, bytes);
            assert_eq!((content.value, content.qualifier, content.selects), (value, qualifier, selects), "{kind:?}");
        }
    }

    #[test]
    fn what_is_invalid_or_old_is_not_good() {
        assert!(Content::of(Kind::Single, &[0x01]).is_good());
        assert!(!Content::of(Kind::Single, &[0x81]).is_good());
        assert!(!Content::of(Kind::Float, &[0, 0, 0, 0, 0x40]).is_good());
        assert!(!Content::of(Kind::NormalisedBare, &[0, 0]).is_good());
    }

    fn faults(id: u8, direction: Direction, object: &[u8]) -> std::vec::Vec<Check> {
        let mut all = std::vec::Vec::new();
        check(TypeSpec::of(id).expect("a type"), direction, object, &mut |check| all.push(check));
        all
    }

    #[test]
    fn an_elapsed_time_that_is_called_invalid_is_not_looked_at() {
        let time = [0, 0, 0];
        for (quality, elapsed, found) in [
            (0x08, [0xFF, 0xFF], &[][..]),
            (0x00, [0x5F, 0xEA], &[]),
            (0x00, [0x60, 0xEA], &[Check::ElapsedRange]),
            (0x0F, [0x60, 0xEA], &[Check::ProtectionReserved]),
        ] {
            let object = [&[1, quality][..], &elapsed, &time].concat();
            assert_eq!(faults(18, Direction::Monitor, &object), found, "{object:02x?}");
        }
    }

    #[test]
    fn what_is_no_whole_object_has_no_faults_of_its_own() {
        assert_eq!(faults(36, Direction::Monitor, &[0, 0, 0xC0, 0x7F]), []);
        assert_eq!(faults(13, Direction::Monitor, &[0, 0, 0xC0, 0x7F, 0]), [Check::MeasuredFinite]);
    }
}
