//! Who is there: which authority vouched, under which name, with which role, and is it still good?
//!
//! ```text
//! load      files -> our certificates, the authorities and their revocation lists; all faults at once
//! provider  which cryptography
//! listener  one handshake: server name -> conduit, client certificate -> vouched or doubted, and what was seen
//! vouch     one authority, one chain, now: path, validity, revocation
//! names     what a certificate says: names, key, end
//! role      the Modbus role extension
//! identify  vouched chain + conduit + source -> Peer
//! shown     what a peer showed, kept for when it is asked again
//! told      what is wrong with a file, at its place in the configuration
//! upstream  the other direction: a device that must be who it is configured to be
//! ```
//!
//! Nothing is resumed: a resumed session never asks the verifier again, and a revoked peer would live on (PX-08). So no tickets,
//! no session store, no early data, in either direction.

mod identify;
mod listener;
mod load;
mod names;
mod provider;
mod role;
mod shown;
mod told;
mod upstream;
mod vouch;

use std::{path::PathBuf, sync::Arc};

use sluicegate_config::plan::{CertificateId, ConduitId, ListenerId, Site};

use crate::faults::Clock;

pub use identify::{Identified, Refusal};
pub use listener::{Failed, Handshake, Seen};
pub use names::Presented;
pub use shown::Shown;
pub use told::Subject;
pub use upstream::UpstreamTls;
pub use vouch::Doubt;

/// Everything that trust is made of, read once. A new one is loaded and swapped in when files change.
#[derive(Debug)]
pub struct Trust {
    site: Arc<Site>,
    clock: Clock,
    certificates: Vec<load::Own>,
    authorities: Vec<Arc<vouch::Authority>>,
    /// In the site's order; `None` for plain TCP.
    listeners: Vec<Option<Arc<listener::Door>>>,
    /// The metrics endpoint's; `None` for plain TCP.
    metrics: Option<Arc<listener::Door>>,
    /// By conduit and place in its upstream list; `None` for plain TCP.
    upstreams: Vec<Vec<Option<UpstreamTls>>>,
}

/// When something of ours ends: for metrics and for [`crate::faults::Board::review`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A certificate of ours: `certificate_not_after_timestamp_seconds`.
    Certificate(CertificateId, i64),
    /// An authority's first revocation list to end: `crl_next_update_timestamp_seconds`.
    Crl(sluicegate_config::plan::AuthorityId, i64),
}

/// What the operator's files lack.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read.
    #[error("{what}: {}: {source}", path.display())]
    File {
        /// Whose.
        what: Subject,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{what}: {}: {why}", path.display())]
    Content {
        /// Whose.
        what: Subject,
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `credential:NAME` without systemd.
    #[error(
        "key of certificate {certificate}: credential:{credential} needs $CREDENTIALS_DIRECTORY; start the gate under systemd \
         with LoadCredential={credential}:FILE, or name a file"
    )]
    NoCredentials {
        /// Our certificate.
        certificate: String,
        /// The credential.
        credential: String,
    },
    /// A certificate in the wrong place.
    #[error("certificate {certificate}: {} is not made for {place} (extended key usage); {help}", path.display())]
    Purpose {
        /// Our certificate.
        certificate: String,
        /// Its file.
        path: PathBuf,
        /// `listener NAME` or `the upstream of conduit NAME`.
        place: String,
        /// What to do.
        help: &'static str,
    },
    /// An upstream whose host is neither a name nor an address.
    #[error("conduit {conduit}: {address:?} has no host that TLS can ask for")]
    Host {
        /// The conduit.
        conduit: String,
        /// What was written.
        address: String,
    },
    /// rustls refuses our settings (us).
    #[error("{what}: {source}")]
    Tls {
        /// Which listener or upstream.
        what: String,
        /// What it said.
        source: rustls::Error,
    },
}

impl Trust {
    /// Reads every certificate, key, root and revocation list that `site` names.
    ///
    /// # Errors
    /// All that is missing or wrong, in the order of the site.
    pub fn load(site: &Arc<Site>, clock: Clock) -> Result<Self, Vec<TrustError>> {
        let mut faults = Vec::new();
        let found = load::read(site, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let load::Found { certificates, authorities } = found;
        let listeners = listener::doors(site, &clock, &certificates, &authorities, &mut faults);
        let metrics = listener::metrics_door(site, &clock, &certificates, &authorities, &mut faults);
        let upstreams = upstream::all(site, &clock, &certificates, &authorities, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { site: site.clone(), clock, certificates, authorities, listeners, metrics, upstreams })
    }

    /// One handshake on a TLS listener; `None` on plain TCP.
    pub fn handshake(&self, listener: ListenerId) -> Option<Handshake> {
        self.listeners.get(listener.index())?.as_ref().map(Handshake::new)
    }

    /// One handshake on the metrics endpoint; `None` where it has no TLS.
    pub fn metrics_handshake(&self) -> Option<Handshake> {
        self.metrics.as_ref().map(Handshake::new)
    }

    /// How to dial the `place`th upstream of a conduit; `None` when it is plain TCP.
    pub fn upstream(&self, conduit: ConduitId, place: usize) -> Option<&UpstreamTls> {
        self.upstreams.get(conduit.index())?.get(place)?.as_ref()
    }

    /// The chain and key of a certificate of ours, for the metrics endpoint.
    pub fn certified_key(&self, certificate: CertificateId) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.certificates.get(certificate.index()).map(|own| own.key.clone())
    }

    /// When our certificates and the authorities' revocation lists end.
    pub fn ends(&self) -> Vec<End> {
        let certificates = (0..).zip(&self.certificates);
        let certificates = certificates.map(|(n, own)| End::Certificate(CertificateId(n), own.not_after));
        let lists = (0..).zip(&self.authorities);
        let lists =
            lists.filter_map(|(n, one)| Some(End::Crl(sluicegate_config::plan::AuthorityId(n), one.next_update?)));
        certificates.chain(lists).collect()
    }

    /// The clock that validity goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

#[cfg(test)]
mod tests;
