//! Are the operator's certificates, keys, roots and revocation lists there, whole, and do they fit together?

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{RootCertStore, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject};
use sluicegate_config::plan::{self, KeySource, Site};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate, X509Error};

use super::{Subject, TrustError, provider, shown::fingerprint, vouch::Authority};

/// The largest file that is read: a revocation list of a large public CA has a few MiB.
const LARGEST: u64 = 64 << 20;

/// What was read, in the site's order.
pub(super) struct Found {
    /// Our certificates.
    pub(super) certificates: Vec<Own>,
    /// The authorities.
    pub(super) authorities: Vec<Arc<Authority>>,
}

/// A certificate of ours.
#[derive(Debug)]
pub(super) struct Own {
    /// Its chain and key.
    pub(super) key: Arc<CertifiedKey>,
    /// When it ends.
    pub(super) not_after: i64,
    /// Whether it may stand at a listener.
    pub(super) serves: bool,
    /// Whether it may dial.
    pub(super) dials: bool,
}

/// Reads all; what is wrong is added to `faults`, and what was wrong is missing in the answer.
pub(super) fn read(site: &Site, faults: &mut Vec<TrustError>) -> Found {
    let mut keep = |fault| faults.push(fault);
    let mut certificates = Vec::new();
    for one in &site.certificates {
        match own(one) {
            Ok(own) => certificates.push(own),
            Err(fault) => keep(fault),
        }
    }
    let mut authorities = Vec::new();
    for one in &site.authorities {
        match authority(one) {
            Ok(authority) => authorities.push(Arc::new(authority)),
            Err(fault) => keep(fault),
        }
    }
    Found { certificates, authorities }
}

fn own(one: &plan::Certificate) -> Result<Own, TrustError> {
    let what = Subject::Certificate(one.name.clone());
    let chain = certificates(&what, &one.cert)?;
    let key_path = key_path(one)?;
    let key_what = Subject::Key(one.name.clone());
    let pem = file(&key_what, &key_path)?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|e| content(&key_what, &key_path, format!("no private key in PEM: {e}")))?;
    let (not_after, serves, dials) = {
        let leaf = chain.first().expect("`certificates` answers with at least one");
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|e| content(&what, &one.cert, e.to_string()))?;
        let usage = leaf.extended_key_usage().map_err(|e| content(&what, &one.cert, e.to_string()))?;
        let usage = usage.map(|extension| extension.value);
        (
            leaf.validity().not_after.timestamp(),
            usage.is_none_or(|u| u.any || u.server_auth),
            usage.is_none_or(|u| u.any || u.client_auth),
        )
    };
    let key = CertifiedKey::from_der(chain, key, &provider::of(false)).map_err(|e| {
        let fit = format!("it does not fit the certificate {}", one.cert.display());
        // rustls' own words for the usual case name its types, and say nothing more.
        let mismatch = matches!(e, rustls::Error::InconsistentKeys(_));
        content(&key_what, &key_path, if mismatch { fit } else { format!("{fit}: {e}") })
    })?;
    Ok(Own { key: Arc::new(key), not_after, serves, dials })
}

fn key_path(one: &plan::Certificate) -> Result<PathBuf, TrustError> {
    match &one.key {
        KeySource::File(path) => Ok(path.clone()),
        KeySource::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(directory) => Ok(Path::new(&directory).join(name)),
            None => Err(TrustError::NoCredentials { certificate: one.name.clone(), credential: name.clone() }),
        },
    }
}

fn authority(one: &plan::Authority) -> Result<Authority, TrustError> {
    let what = Subject::Authority(one.name.clone());
    let mut roots = RootCertStore::empty();
    let anchors = certificates(&what, &one.roots)?;
    for root in &anchors {
        roots.add(root.clone()).map_err(|e| content(&what, &one.roots, format!("not fit to be a root: {e}")))?;
    }
    let what = Subject::Revocations(one.name.clone());
    // Read once: the fingerprint must be of the very bytes that revoke.
    let list = one.crl.as_ref().map(|path| Ok((path, file(&what, path)?))).transpose()?;
    let (crls, next_update) = match &list {
        None => (Vec::new(), None),
        Some((path, pem)) => lists(&what, (path, pem), &anchors)?,
    };
    let fingerprint = fingerprint(&anchors, list.as_ref().map(|(_, pem)| pem.as_slice()));
    Ok(Authority { name: one.name.clone(), roots, crls, next_update, names: one.names.clone(), fingerprint })
}

type Lists = (Vec<webpki::CertRevocationList<'static>>, Option<i64>);

/// Of several lists of one issuer (and scope) the newest counts: webpki would take whichever stands first, and an older one does
/// not know the latest revocations.
fn lists(what: &Subject, (path, pem): (&Path, &[u8]), roots: &[CertificateDer<'_>]) -> Result<Lists, TrustError> {
    let wrong = |why: &dyn std::fmt::Display| content(what, path, why.to_string());
    let roots: Vec<_> = roots.iter().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1)).collect();
    let mut of_a_root = false;
    let mut newest: BTreeMap<Vec<u8>, (i64, i64, webpki::CertRevocationList<'static>)> = BTreeMap::new();
    for der in CertificateRevocationListDer::pem_slice_iter(pem) {
        let der = der.map_err(|e| wrong(&e))?;
        let owned = webpki::OwnedCertRevocationList::from_der(&der).map_err(|e| wrong(&e))?;
        let (_, parsed) = CertificateRevocationList::from_der(&der).map_err(|e| wrong(&e))?;
        let Some(next) = parsed.next_update() else {
            return Err(wrong(&"it does not say when the next one comes (nextUpdate)"));
        };
        of_a_root |= is_of(&parsed, &roots).map_err(|why| wrong(&why))?;
        const SCOPE: x509_parser::asn1_rs::Oid<'static> =
            x509_parser::oid_registry::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT;
        let mut whose = parsed.issuer().as_raw().to_vec();
        if let Some(scope) = parsed.extensions().iter().find(|extension| extension.oid == SCOPE) {
            whose.extend_from_slice(scope.value);
        }
        let made = parsed.last_update().timestamp();
        let known = newest.get(&whose).is_some_and(|(known, _, _)| *known >= made);
        if !known {
            newest.insert(whose, (made, next.timestamp(), owned.into()));
        }
    }
    let ends = newest.values().map(|(_, next, _)| *next).min();
    let Some(ends) = ends else {
        return Err(wrong(&"no revocation list in PEM"));
    };
    if !of_a_root {
        return Err(wrong(&"no list in it is of a CA in `roots`: nobody's certificate would be known to be good"));
    }
    Ok((newest.into_values().map(|(_, _, list)| list).collect(), Some(ends)))
}

/// Whether one of `roots` issued the list. One of a CA between them and the peers may stand beside it: that CA is known only
/// when a peer shows it.
fn is_of(list: &CertificateRevocationList<'_>, roots: &[X509Certificate<'_>]) -> Result<bool, &'static str> {
    let mut named = roots.iter().filter(|root| root.subject().as_raw() == list.issuer().as_raw()).peekable();
    if named.peek().is_none() {
        return Ok(false);
    }
    // An algorithm that is not known here is webpki's to judge, when a peer comes.
    let signed = |root: &X509Certificate<'_>| {
        !matches!(list.verify_signature(root.public_key()), Err(X509Error::SignatureVerificationError))
    };
    if named.any(signed) {
        Ok(true)
    } else {
        Err("it bears the name of a CA in `roots`, and another key has signed it")
    }
}

fn certificates(what: &Subject, path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let pem = file(what, path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(|e| content(what, path, e.to_string()))?;
    if all.is_empty() {
        let key = String::from_utf8_lossy(&pem).contains("PRIVATE KEY-----");
        let why = if key { "it is a key and no certificate" } else { "no certificate in PEM" };
        return Err(content(what, path, why.to_owned()));
    }
    Ok(all)
}

fn file(what: &Subject, path: &Path) -> Result<Vec<u8>, TrustError> {
    let fault = |source| TrustError::File { what: what.clone(), path: path.to_owned(), source };
    let found = std::fs::metadata(path).map_err(fault)?;
    if !found.is_file() {
        // A pipe has no length and may have no end.
        return Err(content(what, path, "it is no regular file".to_owned()));
    }
    let length = found.len();
    if length > LARGEST {
        return Err(content(what, path, format!("{length} bytes are more than the {LARGEST} that are read")));
    }
    std::fs::read(path).map_err(fault)
}

fn content(what: &Subject, path: &Path, why: String) -> TrustError {
    TrustError::Content { what: what.clone(), path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GEN-04: what tells no length is not read until memory is gone.
    #[test]
    fn gen_04_a_file_without_an_end_is_not_read() {
        let fault = file(&Subject::Key("k".to_owned()), Path::new("/dev/zero")).expect_err("it has no end");
        assert!(matches!(fault, TrustError::Content { .. }), "{fault}");
    }
}
