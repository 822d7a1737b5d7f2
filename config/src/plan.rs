//! What does the gateway run from? Every name resolved, every default filled in.
//!
//! The structs are `#[non_exhaustive]`: only this crate makes them, so a plan in hand was checked.
//!
//! ```text
//! conduit    a conduit: upstream, deadlines, limits, what faults do
//! here       all else
//! ```

use std::{net::SocketAddr, path::PathBuf};

use crate::finding::Place;

mod conduit;

pub use conduit::{Conduit, FaultAction, Faults, Limits, Rate, Timeouts, Upstream};

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident),+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u16);
        impl $name {
            /// Its place in the site's list.
            pub fn index(self) -> usize { usize::from(self.0) }
        }
    )+ };
}
ids! {
    /// A place in [`Site::zones`].
    ZoneId,
    /// A place in [`Site::conduits`].
    ConduitId,
    /// A place in [`Site::listeners`].
    ListenerId,
    /// A place in [`Site::certificates`].
    CertificateId,
    /// A place in [`Site::authorities`].
    AuthorityId,
    /// A place in [`Site::identities`].
    IdentityId
}

/// The whole site.
#[derive(Debug)]
#[non_exhaustive]
pub struct Site {
    /// `[site] name`.
    pub name: String,
    /// `[site] timezone`; UTC when absent.
    pub timezone: jiff::tz::TimeZone,
    /// `[site] state`.
    pub state: PathBuf,
    /// `[site] watch`: reload when a file changes.
    pub watch: bool,
    /// `[site] control`: the socket of local commands.
    pub control: PathBuf,
    /// `[site] control_group`: whose members may give them.
    pub control_group: String,
    /// SHA-256 over every file read, in hex: `config_info{hash}`.
    pub hash: String,
    /// The files read, the main one first.
    pub files: Vec<PathBuf>,
    /// The zones.
    pub zones: Vec<Zone>,
    /// Our certificates.
    pub certificates: Vec<Certificate>,
    /// Whom we trust.
    pub authorities: Vec<Authority>,
    /// Who there is.
    pub identities: Vec<Identity>,
    /// The roles.
    pub roles: Vec<Role>,
    /// Where we listen.
    pub listeners: Vec<Listener>,
    /// The conduits.
    pub conduits: Vec<Conduit>,
    /// The schedules: their order is the order of the bits of a `ScheduleSet`.
    pub schedules: Vec<Schedule>,
    /// The audit trail.
    pub audit: Audit,
    /// The metrics endpoint; absent = none.
    pub metrics: Option<Metrics>,
    /// `metrics.max_series`.
    pub max_series: u32,
    /// `[[tests]]`.
    pub tests: Vec<PolicyTest>,
}

impl Site {
    /// The security level that a conduit owes: the higher target of its two zones.
    pub fn target(&self, conduit: &Conduit) -> u8 {
        let target = |zone: ZoneId| self.zones.get(zone.index()).map_or(0, |one| one.sl_target);
        target(conduit.from).max(target(conduit.to))
    }
}

/// A zone.
#[derive(Debug)]
#[non_exhaustive]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Purdue level times ten (3.5 is 35).
    pub level_tenths: Option<u8>,
    /// SL-T 0..=4.
    pub sl_target: u8,
    /// Where its peers come from; empty = anywhere.
    pub networks: Vec<Network>,
    /// No writes into it.
    pub safety: bool,
    /// Every conduit that starts here needs a grant.
    pub untrusted: bool,
}

/// A network: `10.30.0.0/24`, `fd00::/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address (host bits are zero: config refuses others).
    pub base: std::net::IpAddr,
    /// Prefix length.
    pub prefix: u8,
}

impl Network {
    /// Whether `address` lies in it. An IPv4-mapped IPv6 address counts as its IPv4 address.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        use std::net::IpAddr;
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(one)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                u32::from(base) & mask == u32::from(one) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(one)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                u128::from(base) & mask == u128::from(one) & mask
            }
            _ => false,
        }
    }
}

/// A certificate of ours.
#[derive(Debug)]
#[non_exhaustive]
pub struct Certificate {
    /// Its name.
    pub name: String,
    /// The PEM chain.
    pub cert: PathBuf,
    /// Where that is written.
    pub cert_at: Option<Place>,
    /// The key.
    pub key: KeySource,
    /// Where that is written.
    pub key_at: Option<Place>,
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A PEM file.
    File(PathBuf),
    /// `credential:NAME`: a file of that name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// An authority.
#[derive(Debug)]
#[non_exhaustive]
pub struct Authority {
    /// Its name.
    pub name: String,
    /// Root certificates, PEM.
    pub roots: PathBuf,
    /// Where that is written.
    pub roots_at: Option<Place>,
    /// Revocations, PEM.
    pub crl: Option<PathBuf>,
    /// Where that is written.
    pub crl_at: Option<Place>,
    /// What it may vouch for: every SAN of a peer must match one. Empty = anything.
    pub names: Vec<NamePattern>,
}

/// What an authority may vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// A URI; a trailing `*` matches any rest.
    Uri(String),
    /// `dns:NAME`; a leading `*.` matches one or more labels.
    Dns(String),
    /// `ip:NETWORK`.
    Ip(Network),
}

impl NamePattern {
    /// Whether it allows this URI.
    pub fn allows_uri(&self, uri: &str) -> bool {
        let Self::Uri(pattern) = self else { return false };
        match pattern.strip_suffix('*') {
            Some(start) => uri.starts_with(start),
            None => uri == pattern,
        }
    }

    /// Whether it allows this DNS name.
    pub fn allows_dns(&self, dns: &str) -> bool {
        let Self::Dns(pattern) = self else { return false };
        let (dns, pattern) = (dns.to_ascii_lowercase(), pattern.to_ascii_lowercase());
        match pattern.strip_prefix('*') {
            // ".plant" with something before it: "*.plant" is one or more labels.
            Some(end) => dns.len() > end.len() && dns.ends_with(end) && !dns.starts_with('.'),
            None => dns == pattern,
        }
    }

    /// Whether some certificate of which it allows a name can be recognised by `matches`.
    fn meets(&self, matches: &Match) -> bool {
        match (matches, self) {
            // Any rest may follow the text: it is enough that one is allowed.
            (Match::Uri { text, prefix: true }, Self::Uri(pattern)) => match pattern.strip_suffix('*') {
                Some(start) => start.starts_with(text.as_str()) || text.starts_with(start),
                None => pattern.len() > text.len() && pattern.starts_with(text.as_str()),
            },
            (Match::Uri { text, .. }, _) => self.allows_uri(text),
            (Match::Dns(dns), _) => self.allows_dns(dns),
            // A key may have any name, or none.
            (Match::Spki(_), _) => true,
            (Match::Source(_), _) => false,
        }
    }
}

impl Authority {
    /// Whether it may vouch for somebody who is recognised by `matches`.
    pub fn may_vouch(&self, matches: &Match) -> bool {
        self.names.is_empty() || self.names.iter().any(|one| one.meets(matches))
    }
}

/// Who somebody is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// The zone that it belongs to.
    pub zone: ZoneId,
    /// The authority that must have vouched; absent only with [`Match::Source`].
    pub authority: Option<AuthorityId>,
    /// How a peer is recognised.
    pub matches: Match,
    /// Its roles, by name.
    pub roles: Vec<String>,
}

/// How a peer is recognised: SAN or key, never the CN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// A URI SAN; `prefix` when it ended in `/*`.
    Uri {
        /// The text, without the `*`.
        text: String,
        /// Whether any rest may follow.
        prefix: bool,
    },
    /// A DNS SAN, lower case.
    Dns(String),
    /// SHA-256 of the SubjectPublicKeyInfo.
    Spki([u8; 32]),
    /// The source address, on tcp listeners.
    Source(Network),
}

/// A role.
#[derive(Debug)]
#[non_exhaustive]
pub struct Role {
    /// Its name.
    pub name: String,
    /// The Modbus/TCP Security role that also confers it.
    pub modbus_role: Option<String>,
}

/// How a listener takes peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS with client certificates.
    Tls {
        /// Ours.
        certificate: CertificateId,
        /// Whom we trust there.
        authorities: Vec<AuthorityId>,
        /// Whether TLS 1.2 is accepted too.
        tls12: bool,
    },
    /// Plain TCP: identities by source address.
    Tcp,
}

/// A listener.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// The zone it faces.
    pub zone: ZoneId,
    /// Where.
    pub bind: SocketAddr,
    /// How.
    pub transport: Transport,
    /// The conduits behind it, in order.
    pub conduits: Vec<ConduitId>,
}

/// A schedule.
#[derive(Debug)]
#[non_exhaustive]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// Its windows.
    pub windows: Vec<Window>,
    /// Days on which it never holds.
    pub except: Vec<jiff::civil::Date>,
}

/// A window of wall-clock time. It may cross midnight: it then belongs to the day on which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Monday is bit 0.
    pub days: u8,
    /// Minutes after midnight.
    pub from: u16,
    /// Minutes after midnight, exclusive; at or below `from`: on the next day.
    pub to: u16,
}

/// `[audit]`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Audit {
    /// Old files make room for new records; else each conduit's `audit_full`.
    pub overwrite_oldest: bool,
    /// Whether an allowed write waits until its record is on disk.
    pub durable_writes: bool,
}

/// `[metrics]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// Where.
    pub bind: SocketAddr,
    /// Off loopback: ours, and whom we trust.
    pub tls: Option<(CertificateId, Vec<AuthorityId>)>,
}

/// One of `[[tests]]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyTest {
    /// Its name.
    pub name: String,
    /// As whom.
    pub identity: IdentityId,
    /// On which conduit.
    pub conduit: ConduitId,
    /// The sentence as written.
    pub send: String,
    /// The sentence as understood.
    pub sentence: sluicegate_proto::sentence::Sentence,
    /// `None`: allow; else the reason.
    pub expect: Option<sluicegate_proto::vocab::Reason>,
    /// `file:line`.
    pub place: String,
}
