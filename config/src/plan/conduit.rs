//! What does one conduit run from?

use std::{sync::Arc, time::Duration};

use sluicegate_proto::{
    keys::Settings,
    policy::{Plan, PolicySet},
    protocol::Protocol,
    vocab::{Mode, OnDeny},
};

use super::{AuthorityId, CertificateId, IdentityId, ListenerId, ZoneId};

/// A conduit.
#[derive(Debug)]
#[non_exhaustive]
pub struct Conduit {
    /// Its name.
    pub name: String,
    /// From this zone...
    pub from: ZoneId,
    /// ...to this one.
    pub to: ZoneId,
    /// Where its peers arrive.
    pub listener: ListenerId,
    /// The server name that chooses it.
    pub sni: Option<String>,
    /// The device, with its failover order.
    pub upstream: Vec<Upstream>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The protocol's settings.
    pub settings: Settings,
    /// What the policy was made from.
    pub plan: Plan,
    /// The compiled policy.
    pub policy: Arc<PolicySet>,
    /// enforce, monitor, learn.
    pub mode: Mode,
    /// Some rule is for a role that only a peer's certificate confers.
    pub roles_by_certificate: bool,
    /// What a refused peer gets.
    pub on_deny: OnDeny,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// Sessions at once.
    pub max_sessions: u32,
    /// A peer's unanswered requests.
    pub pending: u16,
    /// Live sessions survive the faults of section 4.
    pub essential: bool,
    /// One device connection for all, or one each.
    pub shared: bool,
    /// Device connections when shared.
    pub upstream_connections: u16,
    /// Idle device connections are closed after this.
    pub upstream_idle: Duration,
    /// Requests outstanding on one device connection.
    pub upstream_pending: u16,
    /// Several ADUs in one write.
    pub upstream_pipeline: bool,
    /// Its limits.
    pub limits: Limits,
    /// Its fault modes.
    pub faults: Faults,
}

/// Where a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Plain TCP to `host:port`.
    Tcp(String),
    /// TLS 1.3 with a client certificate of ours.
    Tls {
        /// `host:port`.
        address: String,
        /// Ours.
        certificate: CertificateId,
        /// Whom we trust there.
        authorities: Vec<AuthorityId>,
        /// Who must be there.
        peer: IdentityId,
    },
}

/// The deadlines of a conduit.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is the key of the same name in language.md section 1")]
pub struct Timeouts {
    pub idle: Duration,
    pub request: Duration,
    pub queue: Duration,
    pub frame: Duration,
    pub handshake: Duration,
    pub half_close: Duration,
    pub drain: Duration,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many tokens (for `bytes`: bytes)...
    pub count: u64,
    /// ...in which time.
    pub per: Duration,
    /// The bucket's size.
    pub burst: u64,
}

/// The limits of a conduit. `None`: unlimited.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is the key of the same name in language.md section 1")]
pub struct Limits {
    pub requests: Option<Rate>,
    pub peer_requests: Option<Rate>,
    pub writes: Option<Rate>,
    pub control: Option<Rate>,
    pub connections: Option<Rate>,
    pub bytes: Option<Rate>,
    pub refusals: Option<Rate>,
    /// Distinct points per minute (or as written) and identity.
    pub targets: Option<Rate>,
    /// `sever` when past `refusals`; otherwise answers slow down.
    pub sever_on_flood: bool,
}

/// What one fault of our own does to a conduit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultAction {
    /// End its sessions, take no new ones.
    Close,
    /// Keep live sessions, take no new ones after the grace.
    RefuseNew,
    /// Keep all, after the grace refuse nothing either; alarm.
    Keep,
}

/// `[conduits.X.faults]`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is the key of the same name in language.md section 4")]
pub struct Faults {
    pub crl_stale: FaultAction,
    pub certificate_expired: FaultAction,
    pub audit_full: FaultAction,
    pub broker_lost: FaultAction,
    pub clock_unknown: FaultAction,
    /// How long new sessions are still taken after a fault appeared (`refuse-new`).
    pub grace: Duration,
}
