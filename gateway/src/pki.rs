//! How does a small plant make its own certificates?
//!
//! ```text
//! init    D/plant.crt  D/plant.key  D/plant.crl     a CA (EC P-256), and an empty revocation list
//! issue   D/N.crt      D/N.key                      a certificate with its chain, and its key
//! revoke  D/plant.crl                               a new revocation list at once
//! crl     D/plant.crl                               the same entries, good for another year
//! ```
//!
//! Keys are readable by their owner only. Nothing is ever overwritten, the revocation list of `revoke` excepted, which is
//! replaced in one step.
//!
//! | what | lives | why |
//! |---|---|---|
//! | the CA | 3650 days | a plant outlives its staff; its end is told by `certificate_not_after_timestamp_seconds` |
//! | a certificate | 397 days, or `days` | a yearly round with a month to spare |
//! | a revocation list | 397 days | as long as a certificate: one yearly round renews both. A gate closes on a stale list |

mod authority;
mod issue;

use std::path::PathBuf;

pub use authority::{init, renew_list, revoke};
pub use issue::{Request, issue};

/// Days that a CA lives.
pub const CA_DAYS: u32 = 3650;
/// Days that a revocation list is good for.
pub const CRL_DAYS: u32 = 397;
/// Days that a certificate lives unless it is told otherwise.
pub const DEFAULT_DAYS: u32 = 397;

/// Certificates are good from this long before they were made: the clock of a plant device is often a little behind.
const BACKDATED: u64 = 3600;

/// The Modbus role of a certificate (Modbus/TCP Security, "Role OID").
pub const MODBUS_ROLE_OID: &[u64] = &[1, 3, 6, 1, 4, 1, 50316, 802, 1];

/// The files that were made, in the order: certificate, key, revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Their paths.
    pub files: Vec<PathBuf>,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The operator's name is no file name.
    #[error("{0:?} is no name: 1 to 64 letters, digits, '-', '_' and '.', the first a letter or digit")]
    BadName(String),
    /// Something is there already.
    #[error("{0} exists already; nothing was written (remove it yourself if it is not needed any more)")]
    Exists(PathBuf),
    /// No CA in the directory.
    #[error("{d} holds no authority; make one with: sluicegate pki init --dir {d} --name plant", d = dir.display())]
    NoAuthority {
        /// The directory.
        dir: PathBuf,
    },
    /// Several CAs in the directory.
    #[error("{} holds several authorities ({}); say which one", dir.display(), names.join(", "))]
    SeveralAuthorities {
        /// The directory.
        dir: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// A certificate for nobody.
    #[error(
        "no name was asked for: a certificate is recognised by its names, so give at least one of --uri, --dns and --ip"
    )]
    NoNames,
    /// A name that cannot stand in a certificate.
    #[error("{name:?} is no {kind}: {why}")]
    BadSan {
        /// `URI` or `DNS name`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A role that cannot stand in a certificate.
    #[error("{0:?} is no role: 1 to 64 bytes of text without control characters")]
    BadRole(String),
    /// A lifetime of nothing, or past the CA's.
    #[error("{days} days do not fit: at least 1, and {name} itself ends in {left} days")]
    BadDays {
        /// What was asked for.
        days: u32,
        /// The CA.
        name: String,
        /// Whole days that the CA still has.
        left: i64,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{path}: {why}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate is revoked already.
    #[error("{0} is revoked already")]
    AlreadyRevoked(PathBuf),
    /// Another CA issued it.
    #[error("{path} was not issued by {name}")]
    NotOurs {
        /// The certificate.
        path: PathBuf,
        /// The CA.
        name: String,
    },
    /// Key making or signing failed (us).
    #[error("making the certificate failed: {0}")]
    Crypto(#[from] rcgen::Error),
}

/// Refuses names that would leave the directory or hide in it.
fn check_name(name: &str) -> Result<(), PkiError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let good = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(legal)
        && !name.contains("..");
    if good { Ok(()) } else { Err(PkiError::BadName(name.to_owned())) }
}

/// Seconds since 1970.
fn unix_now() -> u64 {
    rustls_pki_types::UnixTime::now().as_secs()
}
