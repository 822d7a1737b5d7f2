//! Which closed vocabularies do metrics, audit, logs and sentences share?

/// Declares a closed vocabulary: an enum, and the word that each of its values is in config, metrics, audit and logs.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* #[doc = concat!("`", $word, "`")] $variant),+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in config, metrics, audit and logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
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
        FunctionNotAllowed = "function_not_allowed", AddressNotAllowed = "address_not_allowed",
        ValueNotAllowed = "value_not_allowed", StepNotAllowed = "step_not_allowed",
        ConditionNotMet = "condition_not_met", UnitNotAllowed = "unit_not_allowed",
        DirectionNotAllowed = "direction_not_allowed", IdentityUnknown = "identity_unknown",
        IdentityNotAllowed = "identity_not_allowed", SourceNotAllowed = "source_not_allowed",
        NoGrant = "no_grant", GrantExpired = "grant_expired", GrantRevoked = "grant_revoked",
        OutsideSchedule = "outside_schedule", RateLimited = "rate_limited", ScanLimited = "scan_limited",
        Malformed = "malformed", LengthMismatch = "length_mismatch", NotCanonical = "not_canonical",
        UnknownProtocol = "unknown_protocol", UnsolicitedResponse = "unsolicited_response",
        ResponseMismatch = "response_mismatch", DuplicateId = "duplicate_id", RequestTimeout = "request_timeout",
        FrameTimeout = "frame_timeout", TooManyPending = "too_many_pending", KillSwitch = "kill_switch",
        Island = "island", SessionLimit = "session_limit", SessionConflict = "session_conflict",
        UpstreamUnavailable = "upstream_unavailable", PolicyChanged = "policy_changed",
        InternalError = "internal_error",
    }
}

crate::words! {
    /// Why a session ended (language.md section 3; closed).
    Cause {
        PeerClosed = "peer_closed", DeviceClosed = "device_closed", Idle = "idle",
        HandshakeTimeout = "handshake_timeout", FrameTimeout = "frame_timeout", RequestTimeout = "request_timeout",
        Truncated = "truncated", Malformed = "malformed", Refused = "refused", RefusalFlood = "refusal_flood",
        SourceNotAllowed = "source_not_allowed", IdentityUnknown = "identity_unknown",
        IdentityNotAllowed = "identity_not_allowed", CertificateMissing = "certificate_missing",
        CertificateInvalid = "certificate_invalid", CertificateExpired = "certificate_expired",
        CertificateRevoked = "certificate_revoked", CrlStale = "crl_stale", BrokerLost = "broker_lost",
        ClockUnknown = "clock_unknown", PolicyChanged = "policy_changed", GrantExpired = "grant_expired",
        GrantRevoked = "grant_revoked", Killed = "killed", KillSwitch = "kill_switch", Island = "island",
        SessionLimit = "session_limit", SessionConflict = "session_conflict", AuditFailure = "audit_failure",
        UpstreamUnavailable = "upstream_unavailable", TunnelLost = "tunnel_lost", Drain = "drain",
        InternalError = "internal_error",
    }
}
