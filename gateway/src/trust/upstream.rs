//! Is this device the one that the operator wrote down?
//!
//! TLS 1.3, our certificate, and on the other side exactly the configured identity: a chain from its authority, names that this
//! authority may vouch for, and the identity's own name or key. The host name of the address is not what makes it that device.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{verify_tls12_signature, verify_tls13_signature},
    sign::SingleCertAndKey,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sluicegate_config::plan::{Conduit, Match, Site, Upstream};

use super::{
    TrustError, load,
    names::Leaf,
    provider,
    vouch::{Authority, Tolerance, Use},
};
use crate::faults::Clock;

/// How to shake hands with a device.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// The same for every connection: nothing is remembered between them.
    pub config: Arc<ClientConfig>,
    /// What to ask for (SNI; none is sent for an address).
    pub name: ServerName<'static>,
}

/// Who must be there.
#[derive(Debug)]
struct Expected {
    authority: Option<Arc<Authority>>,
    matches: Match,
    tolerance: Tolerance,
}

/// By conduit and place in its upstream list.
pub(super) fn all(
    site: &Site,
    clock: &Clock,
    certificates: &[load::Own],
    authorities: &[Arc<Authority>],
    faults: &mut Vec<TrustError>,
) -> Vec<Vec<Option<UpstreamTls>>> {
    let mut found = Vec::new();
    for conduit in &site.conduits {
        let mut places = Vec::new();
        for upstream in &conduit.upstream {
            match one(site, conduit, upstream, &Material { clock, certificates, authorities }) {
                Ok(one) => places.push(one),
                Err(fault) => faults.push(fault),
            }
        }
        found.push(places);
    }
    found
}

struct Material<'a> {
    clock: &'a Clock,
    certificates: &'a [load::Own],
    authorities: &'a [Arc<Authority>],
}

fn one(
    site: &Site,
    conduit: &Conduit,
    upstream: &Upstream,
    material: &Material<'_>,
) -> Result<Option<UpstreamTls>, TrustError> {
    let Upstream::Tls { address, certificate, authorities, peer } = upstream else {
        return Ok(None);
    };
    let own = &material.certificates[certificate.index()];
    if !own.dials {
        return Err(TrustError::Purpose {
            certificate: site.certificates[certificate.index()].name.clone(),
            path: site.certificates[certificate.index()].cert.clone(),
            place: format!("the upstream of conduit {}", conduit.name),
            help: "it needs the client purpose; pki issue always gives it",
        });
    }
    let peer = &site.identities[peer.index()];
    let trusted = peer.authority.filter(|id| authorities.contains(id));
    let expected = Expected {
        authority: trusted.map(|id| material.authorities[id.index()].clone()),
        matches: peer.matches.clone(),
        tolerance: Tolerance::of(&conduit.faults),
    };
    let what = || format!("the upstream of conduit {}", conduit.name);
    let mut config = ClientConfig::builder_with_details(provider::of(false), Arc::new(material.clock.clone()))
        .with_protocol_versions(provider::versions(false))
        .map_err(|source| TrustError::Tls { what: what(), source })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(expected))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own.key.clone())));
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    let name = host(address)
        .and_then(|host| ServerName::try_from(host.to_owned()).ok())
        .ok_or_else(|| TrustError::Host { conduit: conduit.name.clone(), address: address.clone() })?;
    Ok(Some(UpstreamTls { config: Arc::new(config), name }))
}

/// The host of `host:port`; an IPv6 address stands in brackets.
fn host(address: &str) -> Option<&str> {
    let (host, _port) = address.rsplit_once(':')?;
    Some(host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host))
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let nobody = || rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure);
        let authority = self.authority.as_ref().ok_or_else(nobody)?;
        let mut chain = vec![end_entity.clone()];
        chain.extend_from_slice(intermediates);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        authority.vouch(&chain, Use::Server, now, self.tolerance).map_err(|doubt| doubt.to_rustls())?;
        let leaf = Leaf::read(end_entity).ok_or_else(nobody)?;
        if leaf.outside(&authority.names).is_some() || !leaf.is(&self.matches) {
            return Err(rustls::Error::InvalidCertificate(rustls::CertificateError::NotValidForName));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &provider::signatures())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &provider::signatures())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::signatures().supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_stands_before_the_port() {
        assert_eq!(host("10.0.0.1:802"), Some("10.0.0.1"));
        assert_eq!(host("[fd00::1]:802"), Some("fd00::1"));
        assert_eq!(host("plc-1.north:802"), Some("plc-1.north"));
        assert_eq!(host("plc-1"), None);
    }
}
