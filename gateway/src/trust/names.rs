//! What does a certificate say about its holder: names, key, end, role?
//!
//! Never the CN. A name counts only where an authority vouched for the certificate; before that it is only good for the audit
//! record of a failed handshake.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use sluicegate_config::plan::{Match, NamePattern};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::role::{self, Role};

/// How many names of a certificate are kept for people: a hostile one can carry thousands.
const SHOWN_NAMES: usize = 16;
/// How many bytes of each.
const SHOWN_BYTES: usize = 253;

/// A certificate of somebody else, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub(super) spki: [u8; 32],
    /// Its subject alternative names, all of them.
    pub(super) names: Vec<Name>,
    /// When it ends.
    pub(super) not_after: i64,
    /// Its Modbus role.
    pub(super) role: Role,
}

/// One subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A URI, as it stands.
    Uri(String),
    /// A DNS name, as it stands.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// Anything else (mail, directory, other names, unreadable ones): no pattern matches it.
    Other(String),
}

/// What somebody presented, for the audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// SHA-256 of the SubjectPublicKeyInfo, hex.
    pub key_hash: String,
    /// The names, written like the patterns of `[authorities]`; shortened, without control characters.
    pub names: Vec<String>,
    /// When the certificate ends (seconds since 1970).
    pub not_after: i64,
}

impl Leaf {
    /// `None` when it is no certificate, or its names cannot be read.
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let (rest, cert) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let spki = digest(&SHA256, cert.public_key().raw).as_ref().try_into().ok()?;
        // An error here is a doubled extension.
        let names = cert.subject_alternative_name().ok()?;
        let names = names.map(|ext| ext.value.general_names.iter().map(Name::from).collect()).unwrap_or_default();
        Some(Self { spki, names, not_after: cert.validity().not_after.timestamp(), role: role::read(&cert) })
    }

    /// For people and records.
    pub(super) fn shown(&self) -> Presented {
        Presented { key_hash: self.key_hash(), names: self.shown_names(), not_after: self.not_after }
    }

    /// The hash in hex.
    pub(super) fn key_hash(&self) -> String {
        self.spki.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The names for people.
    pub(super) fn shown_names(&self) -> Vec<String> {
        self.names.iter().take(SHOWN_NAMES).map(|name| shorten(&name.to_string())).collect()
    }

    /// Whether it is the one that `by` describes. Source addresses say nothing about a certificate.
    pub(super) fn is(&self, by: &Match) -> bool {
        match by {
            Match::Uri { text, prefix } => self.names.iter().any(|name| match name {
                Name::Uri(uri) if *prefix => uri.len() > text.len() && uri.starts_with(text.as_str()),
                Name::Uri(uri) => uri == text,
                Name::Dns(_) | Name::Ip(_) | Name::Other(_) => false,
            }),
            Match::Dns(dns) => self.names.iter().any(|name| match name {
                Name::Dns(own) => own.eq_ignore_ascii_case(dns),
                Name::Uri(_) | Name::Ip(_) | Name::Other(_) => false,
            }),
            Match::Spki(hash) => self.spki == *hash,
            Match::Source(_) => false,
        }
    }

    /// The first name that none of `patterns` allows; no patterns allow everything.
    pub(super) fn outside(&self, patterns: &[NamePattern]) -> Option<&Name> {
        if patterns.is_empty() {
            return None;
        }
        self.names.iter().find(|name| !patterns.iter().any(|pattern| allows(pattern, name)))
    }
}

fn allows(pattern: &NamePattern, name: &Name) -> bool {
    match (pattern, name) {
        (_, Name::Uri(uri)) => pattern.allows_uri(uri),
        (_, Name::Dns(dns)) => pattern.allows_dns(dns),
        (NamePattern::Ip(network), Name::Ip(ip)) => network.contains(*ip),
        (_, Name::Ip(_) | Name::Other(_)) => false,
    }
}

fn shorten(text: &str) -> String {
    let mut short = String::new();
    for c in text.chars() {
        let room = SHOWN_BYTES.saturating_sub(short.len());
        let clean = if c.is_control() { '\u{fffd}' } else { c };
        if clean.len_utf8() > room {
            short.push('\u{2026}');
            break;
        }
        short.push(clean);
    }
    short
}

impl From<&GeneralName<'_>> for Name {
    fn from(name: &GeneralName<'_>) -> Self {
        match name {
            GeneralName::URI(uri) => Self::Uri((*uri).to_owned()),
            GeneralName::DNSName(dns) => Self::Dns((*dns).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes).map_or_else(|| Self::Other("ip".to_owned()), Self::Ip),
            GeneralName::RFC822Name(mail) => Self::Other(format!("mail:{mail}")),
            GeneralName::DirectoryName(name) => Self::Other(format!("directory:{name}")),
            GeneralName::OtherName(oid, _) => Self::Other(format!("other:{oid}")),
            GeneralName::RegisteredID(oid) => Self::Other(format!("oid:{oid}")),
            GeneralName::X400Address(_) => Self::Other("x400".to_owned()),
            GeneralName::EDIPartyName(_) => Self::Other("edi".to_owned()),
            GeneralName::Invalid(..) => Self::Other("unreadable".to_owned()),
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uri(uri) => f.write_str(uri),
            Self::Dns(dns) => write!(f, "dns:{dns}"),
            Self::Ip(ip) => write!(f, "ip:{ip}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use sluicegate_config::plan::Network;

    use super::*;

    fn leaf(names: Vec<Name>) -> Leaf {
        Leaf { spki: [7; 32], names, not_after: 0, role: Role::Absent }
    }

    fn uri(text: &str) -> Name {
        Name::Uri(text.to_owned())
    }

    #[test]
    fn identities_match_by_whole_names_or_a_prefix_with_something_after_it() {
        let one = leaf(vec![uri("spiffe://north/scada-1")]);
        let exact = |text: &str| Match::Uri { text: text.to_owned(), prefix: false };
        let prefix = |text: &str| Match::Uri { text: text.to_owned(), prefix: true };
        assert!(one.is(&exact("spiffe://north/scada-1")));
        assert!(!one.is(&exact("spiffe://north/scada-10")));
        assert!(!one.is(&exact("spiffe://north/scada")));
        assert!(!one.is(&exact("SPIFFE://NORTH/SCADA-1")));
        assert!(one.is(&prefix("spiffe://north/")));
        assert!(!one.is(&prefix("spiffe://north/scada-1")));
        assert!(!leaf(vec![Name::Dns("spiffe://north/scada-1".into())]).is(&exact("spiffe://north/scada-1")));
        assert!(leaf(vec![Name::Dns("PLC-1.North".into())]).is(&Match::Dns("plc-1.north".into())));
        assert!(!leaf(vec![Name::Dns("*.north".into())]).is(&Match::Dns("plc-1.north".into())));
        assert!(one.is(&Match::Spki([7; 32])) && !one.is(&Match::Spki([8; 32])));
        let anywhere = Network { base: "0.0.0.0".parse().expect("an address"), prefix: 0 };
        assert!(!one.is(&Match::Source(anywhere)), "an address is no certificate");
    }

    #[test]
    fn every_name_must_be_allowed() {
        let network = Network { base: "10.0.0.0".parse().expect("an address"), prefix: 8 };
        let patterns =
            [NamePattern::Uri("spiffe://north/*".into()), NamePattern::Dns("*.north".into()), NamePattern::Ip(network)];
        let ip = |text: &str| Name::Ip(text.parse().expect("an address"));
        for name in [uri("spiffe://north/a"), Name::Dns("a.b.NORTH".into()), ip("10.1.2.3")] {
            assert_eq!(leaf(vec![name]).outside(&patterns), None);
        }
        let bad = [uri("spiffe://south/a"), Name::Dns("north".into()), Name::Dns("evilnorth".into()), ip("11.0.0.1")];
        for name in bad.into_iter().chain([Name::Dns(".north".into()), Name::Other("mail:a@north".into())]) {
            let both = leaf(vec![uri("spiffe://north/a"), name.clone()]);
            assert_eq!(both.outside(&patterns), Some(&name), "one good name does not carry another");
            assert_eq!(both.outside(&[]), None);
        }
    }

    #[test]
    fn what_people_see_is_bounded_and_clean() {
        let hostile = leaf(vec![uri(&format!("x:\u{1b}[2J{}", "y".repeat(5_000))); 500]);
        let shown = hostile.shown_names();
        assert_eq!(shown.len(), SHOWN_NAMES);
        for name in &shown {
            assert!(name.len() <= SHOWN_BYTES + 3 && !name.contains(char::is_control), "{name}");
        }
    }
}
