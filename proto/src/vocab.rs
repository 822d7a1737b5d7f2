//! Which closed vocabularies do metrics, audit, logs and sentences share?

/// Declares a closed vocabulary: an enum, and the word that each of its values is in config, metrics, audit and logs.
/// A value's doc comment is also its sentence in the reference.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $says:literal])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[doc = $says])* #[doc = concat!("`", $word, "`")] $variant),+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in config, metrics, audit and logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What it means, in one sentence for people; empty where the word says it all.
            pub fn says(self) -> &'static str {
                match self { $(Self::$variant => concat!($($says),*)),+ }.trim_ascii()
            }

            /// The value that a word names.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// Its place in [`Self::ALL`]: an index for tables of resolved metric handles.
            pub fn index(self) -> usize {
                Self::ALL.iter().position(|one| *one == self).unwrap_or(0)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

crate::words! {
    /// What kind of act a deed is.
    Class {
        Read = "read", Write = "write", Control = "control", Program = "program", Diagnose = "diagnose",
        Identify = "identify", Report = "report", Browse = "browse", Subscribe = "subscribe",
    }
}

crate::words! {
    /// How strictly a conduit acts on its policy.
    Mode { Enforce = "enforce", Monitor = "monitor", Learn = "learn" }
}

crate::words! {
    /// What a peer gets when a message is refused.
    OnDeny {
        /// The protocol's own error answer.
        Refuse = "refuse",
        /// Silence.
        Drop = "drop",
        /// The session ends.
        Close = "close",
    }
}

crate::words! {
    /// The three verdicts, as metrics and audit count them.
    VerdictWord { Allowed = "allowed", Denied = "denied", WouldDeny = "would_deny" }
}

crate::words! {
    /// Why a message was refused (language.md section 3; closed).
    Reason {
        /// No rule of the conduit, for anyone, admits this class and function.
        FunctionNotAllowed = "function_not_allowed",
        /// The rules for this peer do not cover all of its points, or a deny rule holds one of them.
        AddressNotAllowed = "address_not_allowed",
        /// A value is outside what the rules allow, or outside what the protocol allows.
        ValueNotAllowed = "value_not_allowed",
        /// The change against what the device holds is larger than the rule's `step`, or what it holds is unknown.
        StepNotAllowed = "step_not_allowed",
        /// A rule's `when` does not hold, or what it asks for is unknown.
        ConditionNotMet = "condition_not_met",
        /// The unit is not one of the conduit's, or no rule names it for this peer.
        UnitNotAllowed = "unit_not_allowed",
        /// A message that only the other side may send.
        DirectionNotAllowed = "direction_not_allowed",
        /// No `[identities]` entry matches the peer.
        IdentityUnknown = "identity_unknown",
        /// The peer is known, but no rule admits this class and function for it, or it may not be on this conduit.
        IdentityNotAllowed = "identity_not_allowed",
        /// The peer came from an address outside its zone's networks.
        SourceNotAllowed = "source_not_allowed",
        /// The peer needs a grant and has none.
        NoGrant = "no_grant",
        /// The peer's grant has run out.
        GrantExpired = "grant_expired",
        /// The peer's grant was taken back.
        GrantRevoked = "grant_revoked",
        /// A rule would admit it at another time.
        OutsideSchedule = "outside_schedule",
        /// It came faster than a limit, a rule's `max` or a budget allows.
        RateLimited = "rate_limited",
        /// The peer touched more different points than `targets` allows.
        ScanLimited = "scan_limited",
        /// It is no legal message of the protocol: a quantity out of bounds is answered, unreadable bytes end the session.
        Malformed = "malformed",
        /// Two of its lengths disagree, or a length lies; the session ends.
        LengthMismatch = "length_mismatch",
        /// It can be read, but not in the one form in which the gateway would write it.
        NotCanonical = "not_canonical",
        /// It does not begin like the conduit's protocol.
        UnknownProtocol = "unknown_protocol",
        /// The device sent an answer that nothing had asked for; it was dropped.
        UnsolicitedResponse = "unsolicited_response",
        /// The device's answer does not fit its request; it was dropped, and the peer got an error instead.
        ResponseMismatch = "response_mismatch",
        /// A request of this session with the same transaction id is still unanswered.
        DuplicateId = "duplicate_id",
        /// The device did not answer within `request_timeout`.
        RequestTimeout = "request_timeout",
        /// A message had begun and was not whole within `frame_timeout`.
        FrameTimeout = "frame_timeout",
        /// It waited longer than `queue_timeout` for the device's turn, or the peer had too many unanswered requests.
        TooManyPending = "too_many_pending",
        /// The kill switch holds the conduit.
        KillSwitch = "kill_switch",
        /// The site is cut off from the networks above it.
        Island = "island",
        /// The conduit has as many sessions as it may have.
        SessionLimit = "session_limit",
        /// Another session holds what this one asked for.
        SessionConflict = "session_conflict",
        /// The device cannot be reached, or its connection ended while the request was on its way.
        UpstreamUnavailable = "upstream_unavailable",
        /// The policy that had allowed it changed before it left.
        PolicyChanged = "policy_changed",
        /// The gateway could not do its own part, such as writing the record; nothing was sent.
        InternalError = "internal_error",
    }
}

crate::words! {
    /// Why a session ended (language.md section 3; closed).
    Cause {
        /// The peer ended the session, in good order.
        PeerClosed = "peer_closed",
        /// The device ended its connection.
        DeviceClosed = "device_closed",
        /// No complete message in either direction for `idle_timeout`.
        Idle = "idle",
        /// The TLS handshake was not done within `handshake_timeout`.
        HandshakeTimeout = "handshake_timeout",
        /// A message had begun and was not whole within `frame_timeout`.
        FrameTimeout = "frame_timeout",
        /// The device did not answer in time.
        RequestTimeout = "request_timeout",
        /// The connection was cut: it ended in the middle of a message, or without TLS' own goodbye.
        Truncated = "truncated",
        /// The peer's bytes were no message of the protocol.
        Malformed = "malformed",
        /// A message was refused where `on_deny` is `close`; or the peer was turned away: too many
        /// connections at once, or a TLS that does not fit.
        Refused = "refused",
        /// More messages were refused than `refusals` allows, and `on_refusal_flood` is `sever`.
        RefusalFlood = "refusal_flood",
        /// The peer came from an address outside its zone's networks.
        SourceNotAllowed = "source_not_allowed",
        /// No `[identities]` entry matches the peer.
        IdentityUnknown = "identity_unknown",
        /// The peer is known, but may not be on this conduit.
        IdentityNotAllowed = "identity_not_allowed",
        /// The peer showed no certificate.
        CertificateMissing = "certificate_missing",
        /// The peer's certificate is of no trusted authority, is broken, or names what its authority may not vouch for.
        CertificateInvalid = "certificate_invalid",
        /// A certificate has ended: the peer's, or one of ours.
        CertificateExpired = "certificate_expired",
        /// The peer's certificate was taken back.
        CertificateRevoked = "certificate_revoked",
        /// The revocation list of the peer's authority is past its next update.
        CrlStale = "crl_stale",
        /// The broker is gone.
        BrokerLost = "broker_lost",
        /// The gateway's clock is before what it knows to be past.
        ClockUnknown = "clock_unknown",
        /// The policy in force no longer has a place for the session.
        PolicyChanged = "policy_changed",
        /// The peer's grant has run out.
        GrantExpired = "grant_expired",
        /// The peer's grant was taken back.
        GrantRevoked = "grant_revoked",
        /// An administrator ended it.
        Killed = "killed",
        /// The kill switch holds the conduit.
        KillSwitch = "kill_switch",
        /// The site is cut off from the networks above it.
        Island = "island",
        /// The conduit has as many sessions as it may have.
        SessionLimit = "session_limit",
        /// Another session holds what this one asked for.
        SessionConflict = "session_conflict",
        /// Its records cannot be written, and `audit_full` says `close` or `refuse-new`.
        AuditFailure = "audit_failure",
        /// The device cannot be reached.
        UpstreamUnavailable = "upstream_unavailable",
        /// The tunnel that carried it is gone.
        TunnelLost = "tunnel_lost",
        /// The gateway is stopping.
        Drain = "drain",
        /// A bug of ours: a task of the conduit panicked, or its answers found no room.
        InternalError = "internal_error",
    }
}

crate::words! {
    /// How a message was brought to its canonical form (language.md section 3).
    Repair {
        /// Pad bits of a request were not zero, and were cleared.
        RequestPadding = "request_padding",
        /// Pad bits of an answer were not zero, and were cleared.
        ResponsePadding = "response_padding",
        /// The device sent an exception code that its protocol does not know; it was passed on as a device failure.
        ExceptionCode = "exception_code",
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, string::ToString};

    use super::*;

    #[test]
    fn every_word_reads_as_itself_and_no_two_are_the_same() {
        macro_rules! each {
            ($($name:ident)+) => {$(
                let words: BTreeSet<_> = $name::ALL.iter().map(|one| one.as_str()).collect();
                assert_eq!(words.len(), $name::ALL.len());
                for (place, one) in $name::ALL.iter().enumerate() {
                    assert_eq!(($name::parse(one.as_str()), one.index()), (Some(*one), place));
                    assert_eq!(one.to_string(), one.as_str());
                }
                assert_eq!($name::parse(""), None);
                assert_eq!($name::parse("READ"), None, "words are written small");
            )+};
        }
        each!(Class Mode OnDeny VerdictWord Reason Cause Repair);
    }

    #[test]
    fn what_a_word_does_not_say_by_itself_is_said() {
        assert!(Reason::ALL.iter().all(|one| one.says().ends_with('.')));
        assert!(Cause::ALL.iter().all(|one| one.says().ends_with('.')));
        assert_eq!((OnDeny::Drop.says(), Class::Read.says()), ("Silence.", ""));
    }
}
