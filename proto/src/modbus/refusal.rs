//! Which exception does a refusal become?

use crate::vocab::Reason;

/// What the function cannot do here.
pub(super) const ILLEGAL_FUNCTION: u8 = 0x01;
/// A point that is not there.
pub(super) const ILLEGAL_ADDRESS: u8 = 0x02;
/// A value or quantity that the function cannot carry.
pub(super) const ILLEGAL_VALUE: u8 = 0x03;
/// Something broke on the way.
pub(super) const DEVICE_FAILURE: u8 = 0x04;
const DEVICE_BUSY: u8 = 0x06;
const PATH_UNAVAILABLE: u8 = 0x0A;
const NO_RESPONSE: u8 = 0x0B;

/// The exception code of language.md section 3, or none where the answer is silence. Reads outside their addresses get
/// 02 like writes: that is the default of `read_refusal`.
pub const fn answer(reason: Reason) -> Option<u8> {
    match reason {
        Reason::FunctionNotAllowed
        | Reason::UnitNotAllowed
        | Reason::IdentityNotAllowed
        | Reason::NoGrant
        | Reason::GrantExpired
        | Reason::GrantRevoked
        | Reason::DirectionNotAllowed
        | Reason::NotCanonical => Some(ILLEGAL_FUNCTION),
        Reason::AddressNotAllowed => Some(ILLEGAL_ADDRESS),
        Reason::ValueNotAllowed | Reason::StepNotAllowed => Some(ILLEGAL_VALUE),
        // What passes by itself: never 02 or 03, on which clients give up. A changed policy judges the next try anew.
        Reason::ConditionNotMet
        | Reason::OutsideSchedule
        | Reason::RateLimited
        | Reason::ScanLimited
        | Reason::TooManyPending
        | Reason::PolicyChanged => Some(DEVICE_BUSY),
        Reason::UpstreamUnavailable | Reason::KillSwitch | Reason::Island => Some(PATH_UNAVAILABLE),
        // An answer that fits no request is no answer.
        Reason::RequestTimeout | Reason::ResponseMismatch | Reason::UnsolicitedResponse => Some(NO_RESPONSE),
        Reason::InternalError => Some(DEVICE_FAILURE),
        // Dropped in silence, or the session closes.
        Reason::DuplicateId
        | Reason::IdentityUnknown
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

    #[test]
    fn the_table_is_the_one_of_the_language() {
        for (word, code) in [
            ("function_not_allowed", Some(1)),
            ("unit_not_allowed", Some(1)),
            ("identity_not_allowed", Some(1)),
            ("grant_revoked", Some(1)),
            ("direction_not_allowed", Some(1)),
            ("not_canonical", Some(1)),
            ("address_not_allowed", Some(2)),
            ("value_not_allowed", Some(3)),
            ("step_not_allowed", Some(3)),
            ("condition_not_met", Some(6)),
            ("outside_schedule", Some(6)),
            ("rate_limited", Some(6)),
            ("scan_limited", Some(6)),
            ("too_many_pending", Some(6)),
            ("upstream_unavailable", Some(0x0A)),
            ("kill_switch", Some(0x0A)),
            ("island", Some(0x0A)),
            ("request_timeout", Some(0x0B)),
            ("internal_error", Some(4)),
            ("source_not_allowed", None),
            ("identity_unknown", None),
            ("session_limit", None),
            ("malformed", None),
            ("duplicate_id", None),
        ] {
            assert_eq!(answer(Reason::parse(word).expect("a reason")), code, "{word}");
        }
    }
}
