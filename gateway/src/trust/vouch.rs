//! Does this authority vouch for this chain, now?
//!
//! One authority at a time, so that we know which one vouched. webpki builds and checks the path; what language.md section 4
//! lets a conduit tolerate (an expired certificate, a stale revocation list) is decided here.

use std::time::Duration;

use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sluicegate_config::plan::{FaultAction, Faults, NamePattern};
use sluicegate_proto::vocab::Cause;
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder,
    UnknownStatusPolicy,
};

use super::shown::Fingerprint;
use crate::faults::as_unix_time;

/// An authority as read from its files.
#[derive(Debug)]
pub(super) struct Authority {
    /// Its name.
    pub(super) name: String,
    /// Its roots.
    pub(super) roots: RootCertStore,
    /// Its revocation lists, the newest of each issuer; empty = none configured.
    pub(super) crls: Vec<CertRevocationList<'static>>,
    /// When the first of them ends.
    pub(super) next_update: Option<i64>,
    /// What it may vouch for.
    pub(super) names: Vec<NamePattern>,
    /// Of its files.
    pub(super) fingerprint: Fingerprint,
}

/// What the certificate is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A peer that came to us.
    Client,
    /// A device that we dialled.
    Server,
}

/// What a conduit tolerates for a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tolerance {
    /// Past the end of a certificate.
    pub(super) expired: Grace,
    /// Past the end of a revocation list.
    pub(super) stale: Grace,
}

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grace {
    /// Not at all.
    None,
    /// So long.
    For(Duration),
    /// Always.
    Forever,
}

/// Why an authority does not vouch.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Doubt {
    /// It did not issue it.
    #[error("no authority that is trusted here issued the certificate")]
    UnknownIssuer,
    /// There is no certificate.
    #[error("no certificate was presented")]
    Missing,
    /// It cannot be read, or breaks a rule of its chain.
    #[error("the certificate or its chain is not valid: {0}")]
    Broken(webpki::Error),
    /// It is not for this use.
    #[error("the certificate is not made for this use (extended key usage)")]
    Purpose,
    /// It demands to be understood and is not.
    #[error("the certificate has a critical extension that nobody here understands")]
    CriticalExtension,
    /// The revocation lists do not speak of its issuer.
    #[error("no revocation list of the authority speaks of the certificate's issuer")]
    StatusUnknown,
    /// It is not good yet.
    #[error("the certificate is not good before {0} (seconds since 1970)")]
    NotYet(i64),
    /// It ended.
    #[error("the certificate ended at {0} (seconds since 1970)")]
    Expired(i64),
    /// The revocation list ended.
    #[error("the authority's revocation list ended at {0} (seconds since 1970)")]
    CrlStale(i64),
    /// It was revoked.
    #[error("the certificate is revoked")]
    Revoked,
}

/// Expired certificates that one path may have: the leaf's and those of three authorities between. Each costs one more
/// search for a path, up to a hundred signatures, for a peer that has proved nothing yet and sends as long a chain as it
/// likes.
const EXPIRED_MOST: usize = 4;

impl Authority {
    /// `chain`: end entity first, then what the peer sent beside it.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn vouch(
        &self,
        chain: &[CertificateDer<'_>],
        use_: Use,
        now: i64,
        tolerance: Tolerance,
    ) -> Result<(), Doubt> {
        let (leaf, between) = chain.split_first().ok_or(Doubt::Missing)?;
        let leaf = EndEntityCert::try_from(leaf).map_err(Doubt::from)?;
        let mut at = now;
        // Each turn goes back to the end of one more expired certificate of the path.
        for _ in 0..=EXPIRED_MOST {
            match self.path(&leaf, between, use_, as_unix_time(at)) {
                Ok(()) => return self.fresh(now, tolerance.stale),
                Err(Doubt::Expired(end)) if end < at && tolerance.expired.covers(now, end) => at = end,
                Err(doubt) => return Err(doubt),
            }
        }
        Err(Doubt::Expired(at))
    }

    fn path(
        &self,
        leaf: &EndEntityCert<'_>,
        between: &[CertificateDer<'_>],
        use_: Use,
        at: UnixTime,
    ) -> Result<(), Doubt> {
        let lists: Vec<&CertRevocationList<'_>> = self.crls.iter().collect();
        // Whether the lists are fresh is asked in `fresh`, at the true time: `at` may be in the past.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        let usage = match use_ {
            Use::Client => KeyUsage::client_auth(),
            Use::Server => KeyUsage::server_auth(),
        };
        leaf.verify_for_usage(algorithms(), &self.roots.roots, between, at, usage, revocation, None)
            .map(|_| ())
            .map_err(Doubt::from)
    }

    /// Any list past its end counts: which of them would have named the peer is what we no longer know.
    fn fresh(&self, now: i64, grace: Grace) -> Result<(), Doubt> {
        match self.next_update {
            Some(end) if now >= end && !grace.covers(now, end) => Err(Doubt::CrlStale(end)),
            _ => Ok(()),
        }
    }
}

impl Tolerance {
    /// Nothing is tolerated.
    pub(super) const STRICT: Self = Self { expired: Grace::None, stale: Grace::None };

    /// Every end is tolerated; revocation and all else is not.
    pub(super) const LENIENT: Self = Self { expired: Grace::Forever, stale: Grace::Forever };

    /// What a conduit says.
    pub(super) fn of(faults: &Faults) -> Self {
        let grace = |action| match action {
            FaultAction::Close => Grace::None,
            FaultAction::RefuseNew => Grace::For(faults.grace),
            FaultAction::Keep => Grace::Forever,
        };
        Self { expired: grace(faults.certificate_expired), stale: grace(faults.crl_stale) }
    }
}

impl Grace {
    fn covers(self, now: i64, end: i64) -> bool {
        let past = u64::try_from(now.saturating_sub(end)).unwrap_or(0);
        match self {
            Self::None => false,
            Self::For(long) => past <= long.as_secs(),
            Self::Forever => true,
        }
    }
}

impl Doubt {
    /// The cause in audit and metrics.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Missing => Cause::CertificateMissing,
            Self::Expired(_) => Cause::CertificateExpired,
            Self::CrlStale(_) => Cause::CrlStale,
            Self::Revoked => Cause::CertificateRevoked,
            Self::UnknownIssuer
            | Self::Broken(_)
            | Self::Purpose
            | Self::CriticalExtension
            | Self::StatusUnknown
            | Self::NotYet(_) => Cause::CertificateInvalid,
        }
    }

    /// How much it tells: of several authorities' doubts the one that knew the peer best is reported.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::UnknownIssuer => 0,
            Self::Missing | Self::Broken(_) => 1,
            Self::Purpose | Self::CriticalExtension | Self::StatusUnknown => 2,
            Self::NotYet(_) | Self::Expired(_) => 3,
            Self::CrlStale(_) => 4,
            Self::Revoked => 5,
        }
    }

    /// For rustls, which turns it into the right alert.
    pub(super) fn to_rustls(&self) -> rustls::Error {
        let error = match self {
            Self::Missing => return rustls::Error::NoCertificatesPresented,
            Self::UnknownIssuer => CertificateError::UnknownIssuer,
            Self::Broken(_) => CertificateError::BadEncoding,
            Self::Purpose => CertificateError::InvalidPurpose,
            Self::CriticalExtension => CertificateError::UnhandledCriticalExtension,
            Self::StatusUnknown => CertificateError::UnknownRevocationStatus,
            Self::NotYet(_) => CertificateError::NotValidYet,
            Self::Expired(_) => CertificateError::Expired,
            Self::CrlStale(_) => CertificateError::ExpiredRevocationList,
            Self::Revoked => CertificateError::Revoked,
        };
        rustls::Error::InvalidCertificate(error)
    }
}

impl From<webpki::Error> for Doubt {
    fn from(error: webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::UnknownIssuer => Self::UnknownIssuer,
            E::CertExpired { not_after, .. } => Self::Expired(signed(not_after)),
            E::CertNotValidYet { not_before, .. } => Self::NotYet(signed(not_before)),
            E::CertRevoked => Self::Revoked,
            E::CrlExpired { next_update, .. } => Self::CrlStale(signed(next_update)),
            E::UnknownRevocationStatus => Self::StatusUnknown,
            E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Self::Purpose,
            E::UnsupportedCriticalExtension => Self::CriticalExtension,
            // Whatever else webpki finds is a refusal too: its list of errors is open, ours is not.
            other => Self::Broken(other),
        }
    }
}

fn signed(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    super::provider::signatures().all
}
