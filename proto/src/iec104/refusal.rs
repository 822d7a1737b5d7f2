//! With which cause does a refusal come back?
//!
//! ```text
//! 7 (9 for a deactivation), P/N = 1   what a rule of somebody names, and what passes by itself
//! 44   no rule of anyone admits such a type
//! 46   the common address is none of the conduit's
//! 47   no rule of anyone names the point
//! ```
//! A centre takes 44 to 47 for a station that does not know the type or the point, and gives it up for good: they say
//! nothing of what another peer, another value or another hour may do.

use super::{
    asdu::{Asdu, BROADCAST, Direction, Sheet, mirror},
    cause,
    checks::{UNKNOWN_CA, UNKNOWN_IOA, UNKNOWN_TYPE},
};
use crate::{half::PeerOptions, policy::Denied, vocab::Reason};

/// The cause with which a conduit answers a refusal, or none where the answer is silence.
pub fn answer(denied: &Denied, _options: &PeerOptions) -> Option<u8> {
    code(denied, cause::ACTIVATION)
}

/// What the standard calls such an answer; the code is its cause of transmission.
pub const ANSWER_WORD: &str = "negative confirmation, cause";

/// What the standard calls a cause of a negative confirmation (IEC 60870-5-101 7.2.3), which is printed in hex.
pub const fn answer_says(code: u8) -> &'static str {
    match code {
        cause::REQUEST => "5, request",
        cause::ACTIVATION_CON => "7, activation confirmation",
        cause::DEACTIVATION_CON => "9, deactivation confirmation",
        UNKNOWN_TYPE => "44, unknown type identification",
        45 => "45, unknown cause of transmission",
        UNKNOWN_CA => "46, unknown common address",
        UNKNOWN_IOA => "47, unknown information object address",
        _ => "a cause without a name",
    }
}

/// The ASDU that refuses this one. To the global address there is no answer: no station would know that it is meant.
pub(super) fn refusal(asked: &[u8], denied: &Denied) -> Option<Sheet> {
    let asdu = Asdu::read(asked, Direction::Control).ok()?;
    let code = code(denied, asdu.cause()).filter(|_| asdu.ca() != BROADCAST)?;
    mirror(asked, code, true)
}

fn code(denied: &Denied, asked: u8) -> Option<u8> {
    match denied.reason {
        Reason::FunctionNotAllowed => Some(UNKNOWN_TYPE),
        // Without a rule that came near: the conduit does not have it at all.
        Reason::UnitNotAllowed if denied.rule.is_none() => Some(UNKNOWN_CA),
        Reason::AddressNotAllowed if denied.unnamed => Some(UNKNOWN_IOA),
        Reason::UnitNotAllowed
        | Reason::AddressNotAllowed
        | Reason::IdentityNotAllowed
        | Reason::NoGrant
        | Reason::GrantExpired
        | Reason::GrantRevoked
        | Reason::DirectionNotAllowed
        | Reason::NotCanonical
        | Reason::ValueNotAllowed
        | Reason::StepNotAllowed
        | Reason::ConditionNotMet
        | Reason::OutsideSchedule
        | Reason::RateLimited
        | Reason::ScanLimited
        | Reason::TooManyPending
        | Reason::PolicyChanged
        | Reason::UpstreamUnavailable
        | Reason::KillSwitch
        | Reason::Island
        | Reason::RequestTimeout
        | Reason::ResponseMismatch
        | Reason::UnsolicitedResponse
        | Reason::DuplicateId
        | Reason::InternalError => Some(cause::confirms(asked)),
        // The session closes.
        Reason::IdentityUnknown
        | Reason::SourceNotAllowed
        | Reason::Malformed
        | Reason::LengthMismatch
        | Reason::UnknownProtocol
        | Reason::FrameTimeout
        | Reason::SessionLimit
        | Reason::SessionConflict => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{iec104::conformance::hex, policy::RuleIx};

    fn refused(asked: &str, denied: &Denied) -> Option<std::vec::Vec<u8>> {
        refusal(&hex(asked), denied).map(|sheet| sheet.as_slice().to_vec())
    }

    #[test]
    fn a_refusal_is_a_negative_confirmation_and_unknown_only_where_nobody_names_it() {
        let select = "2d0106070100e9030081";
        let rule = Some(RuleIx(0));
        let because = Denied::because;
        for (denied, cause) in [
            (because(Reason::ValueNotAllowed), "47"),
            (because(Reason::IdentityNotAllowed), "47"),
            (because(Reason::FunctionNotAllowed), "6c"),
            (because(Reason::UnitNotAllowed), "6e"),
            (Denied { rule, ..because(Reason::UnitNotAllowed) }, "47"),
            (because(Reason::AddressNotAllowed), "47"),
            (Denied { unnamed: true, ..because(Reason::AddressNotAllowed) }, "6f"),
            (because(Reason::RateLimited), "47"),
        ] {
            let meant = select.replacen("06", cause, 1);
            assert_eq!(refused(select, &denied), Some(hex(&meant)), "{denied:?}");
        }
        let value = because(Reason::ValueNotAllowed);
        assert_eq!(refused("2d0108070100e9030001", &value), Some(hex("2d0149070100e9030001")), "a deactivation");
        assert_eq!(refused("660105000100e90300", &value), Some(hex("660145000100e90300")), "a read keeps its cause");
        assert_eq!(refused("64010600ffff00000014", &value), None, "the global address");
        assert_eq!(refused(select, &because(Reason::SourceNotAllowed)), None);
    }
}
