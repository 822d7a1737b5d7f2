//! Which causes of transmission does a type carry, in each direction? (IEC 60870-5-101 7.2.3 and 8)

use super::{
    asdu::Direction,
    checks::Check,
    types::{From, Kind, TypeSpec},
};

pub(super) const SPONTANEOUS: u8 = 3;
pub(super) const INITIALISED: u8 = 4;
pub(super) const REQUEST: u8 = 5;
pub(super) const ACTIVATION: u8 = 6;
pub(super) const ACTIVATION_CON: u8 = 7;
pub(super) const DEACTIVATION: u8 = 8;
pub(super) const DEACTIVATION_CON: u8 = 9;
pub(super) const ACTIVATION_TERM: u8 = 10;
pub(super) const FILE: u8 = 13;

/// The cause with which a message of this cause is confirmed or refused.
pub(super) const fn confirms(cause: u8) -> u8 {
    match cause {
        ACTIVATION => ACTIVATION_CON,
        DEACTIVATION => DEACTIVATION_CON,
        // A read or a part of a file has no confirmation of its own: P/N says it all.
        other => other,
    }
}

/// What is wrong with the cause and its P/N bit.
pub(super) fn check(spec: &TypeSpec, direction: Direction, cause: u8, negative: bool, fault: &mut dyn FnMut(Check)) {
    let defined = matches!(cause, 1..=13 | 20..=41 | 44..=47);
    if cause == 0 {
        fault(Check::CauseZero);
    } else if !defined {
        fault(Check::CauseReserved);
    } else if !carries(spec, direction, cause) {
        fault(Check::CauseNotForType);
    }
    let confirms = matches!(cause, ACTIVATION_CON | DEACTIVATION_CON | ACTIVATION_TERM | FILE | REQUEST | 44..=47);
    if negative && !(direction == Direction::Monitor && confirms) {
        fault(Check::NegativeActivation);
    }
    if !negative && matches!(cause, 44..=47) {
        fault(Check::UnknownIsNegative);
    }
}

fn carries(spec: &TypeSpec, direction: Direction, cause: u8) -> bool {
    match (direction, spec.from) {
        (Direction::Control, _) => asks(spec.kind, cause),
        (Direction::Monitor, From::Station) => tells(spec.kind, cause),
        (Direction::Monitor, From::Either) => matches!(cause, REQUEST | FILE | 44..=47),
        // A clock command comes back spontaneously where the station asks for the time.
        (Direction::Monitor, From::Centre) => match cause {
            ACTIVATION_CON | DEACTIVATION_CON | ACTIVATION_TERM | 44..=47 => true,
            SPONTANEOUS => matches!(spec.kind, Kind::Clock),
            REQUEST => matches!(spec.kind, Kind::Nothing),
            FILE => matches!(spec.kind, Kind::File(_)),
            // A parameter is told in an interrogation, too.
            20..=36 => {
                matches!(spec.kind, Kind::ParameterNormalised | Kind::ParameterScaled | Kind::ParameterFloat)
            }
            _ => false,
        },
    }
}

const fn asks(kind: Kind, cause: u8) -> bool {
    match kind {
        Kind::SingleCommand
        | Kind::DoubleCommand
        | Kind::StepCommand
        | Kind::SetNormalised
        | Kind::SetScaled
        | Kind::SetFloat
        | Kind::BitsCommand
        | Kind::Interrogation
        | Kind::CounterInterrogation
        | Kind::Activation => matches!(cause, ACTIVATION | DEACTIVATION),
        Kind::Nothing => cause == REQUEST,
        Kind::Delay => matches!(cause, ACTIVATION | SPONTANEOUS),
        Kind::File(_) | Kind::Segment => matches!(cause, REQUEST | FILE),
        _ => cause == ACTIVATION,
    }
}

const fn tells(kind: Kind, cause: u8) -> bool {
    match kind {
        Kind::Init => cause == INITIALISED,
        Kind::Counter | Kind::Statistics => matches!(cause, SPONTANEOUS | REQUEST | 37..=41),
        Kind::Protection | Kind::Starts | Kind::Outputs => cause == SPONTANEOUS,
        Kind::File(_) => matches!(cause, SPONTANEOUS | REQUEST | FILE),
        _ => matches!(cause, 1..=3 | REQUEST | 11 | 12 | 20..=36),
    }
}
