//! Which exception does a refusal become?

use super::keys::Ways;
use crate::{half::PeerOptions, policy::Denied, vocab::Reason};

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

/// The exception with which a conduit of these options answers a refusal, or none where the answer is silence.
pub fn answer(denied: &Denied, options: &PeerOptions) -> Option<u8> {
    let ways = Ways::of(&options.settings);
    code(denied, &ways, ways.roles_only.unwrap_or(options.roles_by_certificate))
}

/// What the specification calls such an answer.
pub const ANSWER_WORD: &str = "exception";

/// What the specification calls an exception (Modbus application protocol V1.1b3, section 7).
pub const fn answer_says(code: u8) -> &'static str {
    match code {
        0x01 => "illegal function",
        0x02 => "illegal data address",
        0x03 => "illegal data value",
        0x04 => "server device failure",
        0x05 => "acknowledge",
        0x06 => "server device busy",
        0x08 => "memory parity error",
        0x0A => "gateway path unavailable",
        0x0B => "gateway target device failed to respond",
        _ => "an exception without a name",
    }
}

/// The same with the settings read. `roles_only`: as the security profile wants it, what the policy refuses is 01.
pub(super) fn code(denied: &Denied, ways: &Ways, roles_only: bool) -> Option<u8> {
    match usual(denied.reason) {
        Some(_) if roles_only && is_policy(denied.reason) => Some(ILLEGAL_FUNCTION),
        Some(ILLEGAL_ADDRESS) if denied.is_read => Some(ways.read_refusal),
        other => other,
    }
}

/// What the policy says of a request, whenever and however often it is asked: not a limit, not the state of a device.
const fn is_policy(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::FunctionNotAllowed
            | Reason::UnitNotAllowed
            | Reason::IdentityNotAllowed
            | Reason::DirectionNotAllowed
            | Reason::NotCanonical
            | Reason::NoGrant
            | Reason::GrantExpired
            | Reason::GrantRevoked
            | Reason::AddressNotAllowed
            | Reason::ValueNotAllowed
            | Reason::StepNotAllowed
            | Reason::ConditionNotMet
            | Reason::OutsideSchedule
    )
}

/// The exception code of language.md section 3.
const fn usual(reason: Reason) -> Option<u8> {
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
    use crate::keys::Setting;

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
            assert_eq!(answer(&denied(word), &PeerOptions::default()), code, "{word}");
        }
    }

    #[test]
    fn a_read_outside_its_addresses_gets_what_the_conduit_says() {
        for (word, code) in [("02", 2), ("01", 1), ("06", 6)] {
            let options = options("read_refusal", word);
            let read = Denied { is_read: true, ..denied("address_not_allowed") };
            assert_eq!(answer(&read, &options), Some(code));
            assert_eq!(answer(&denied("address_not_allowed"), &options), Some(2), "a write");
            assert_eq!(answer(&denied("value_not_allowed"), &options), Some(3));
        }
    }

    #[test]
    fn where_roles_come_from_certificates_what_the_policy_refuses_is_01() {
        let by_certificate = PeerOptions { roles_by_certificate: true, ..PeerOptions::default() };
        for (word, code) in [
            ("function_not_allowed", 1),
            ("address_not_allowed", 1),
            ("value_not_allowed", 1),
            ("step_not_allowed", 1),
            ("condition_not_met", 1),
            ("outside_schedule", 1),
            ("rate_limited", 6),
            ("too_many_pending", 6),
            ("upstream_unavailable", 0x0A),
            ("request_timeout", 0x0B),
            ("internal_error", 4),
        ] {
            assert_eq!(answer(&denied(word), &by_certificate), Some(code), "{word}");
            assert_eq!(answer(&denied(word), &options("role_refusal", "01-only")), Some(code), "{word}");
            let by_reason = PeerOptions { roles_by_certificate: true, ..options("role_refusal", "by-reason") };
            assert_eq!(answer(&denied(word), &by_reason), answer(&denied(word), &PeerOptions::default()), "{word}");
        }
    }

    fn denied(word: &str) -> Denied {
        Denied::because(Reason::parse(word).expect("a reason"))
    }

    fn options(key: &'static str, word: &str) -> PeerOptions {
        let mut options = PeerOptions::default();
        options.settings.0.insert(key, Setting::Text(word.into()));
        options
    }
}
