//! Where does a file stand in the configuration that is not what it should be, and what should stand there?

use std::fmt;

use sluicegate_config::{
    finding::{Finding, Place},
    plan::Site,
};

use super::TrustError;

/// Whose file it is; each holds the name of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Our certificate.
    Certificate(String),
    /// The key of our certificate.
    Key(String),
    /// The roots of an authority.
    Authority(String),
    /// The revocation list of an authority.
    Revocations(String),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(name) => write!(f, "certificate {name}"),
            Self::Key(name) => write!(f, "key of certificate {name}"),
            Self::Authority(name) => write!(f, "authority {name}"),
            Self::Revocations(name) => write!(f, "revocation list of authority {name}"),
        }
    }
}

impl Subject {
    fn place<'s>(&self, site: &'s Site) -> Option<&'s Place> {
        let certificate = |name: &str| site.certificates.iter().find(|one| one.name == name);
        let authority = |name: &str| site.authorities.iter().find(|one| one.name == name);
        match self {
            Self::Certificate(name) => certificate(name)?.cert_at.as_ref(),
            Self::Key(name) => certificate(name)?.key_at.as_ref(),
            Self::Authority(name) => authority(name)?.roots_at.as_ref(),
            Self::Revocations(name) => authority(name)?.crl_at.as_ref(),
        }
    }

    const fn help(&self) -> &'static str {
        match self {
            Self::Certificate(_) => {
                "`cert` names our certificate in PEM, with its chain; `sluicegate pki issue --server` makes one"
            }
            Self::Key(_) => {
                "`key` names the private key that was made with the certificate, in PEM and without a password"
            }
            Self::Authority(_) => "`roots` names the certificates of the CA in PEM; `sluicegate pki init` makes one",
            Self::Revocations(_) => {
                "`crl` names the list that the CA signed, in PEM; `sluicegate pki crl` signs a new one"
            }
        }
    }
}

impl TrustError {
    /// As `check` tells it.
    pub fn finding(&self, site: &Site) -> Finding {
        let elsewhere = matches!(self, Self::NoCredentials { .. });
        let (place, help) = match self {
            Self::File { what, source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                (what.place(site), "whoever runs this must be able to read it, as the service must")
            }
            Self::File { what, .. } | Self::Content { what, .. } => (what.place(site), what.help()),
            Self::NoCredentials { certificate, .. } => {
                (Subject::Key(certificate.clone()).place(site), "run check under the unit, or name a file")
            }
            Self::Purpose { certificate, help, .. } => (Subject::Certificate(certificate.clone()).place(site), *help),
            Self::Host { .. } => (None, "write the host as a name or an address"),
            Self::Tls { .. } => (None, "report it: this is a fault of ours"),
        };
        Finding::of_keys(self.to_string(), place.cloned(), help.to_owned(), elsewhere)
    }
}
