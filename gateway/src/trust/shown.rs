//! What did a peer show in its handshake, and who vouched for it?
//!
//! Kept with its session: when the configuration changes it is asked again who it is, and that must not cost a signature and
//! a reading of the certificate for every session of a worker at once. An authority that is the same as before, roots and
//! revocation lists to the byte, has said already what it would say.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::CertificateDer;

use super::{names::Leaf, vouch::Authority};

/// The certificates of one peer; none on plain TCP. They cost what they weigh (some 1 to 2 KiB a session).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// Its own, read.
    pub(super) leaf: Option<Leaf>,
    /// The authorities that vouched for it.
    pub(super) vouched: Vec<Fingerprint>,
}

/// SHA-256 of an authority's files: the same one says the same of a certificate, but for its end and the list's.
pub(super) type Fingerprint = [u8; 32];

impl Shown {
    pub(super) fn new<'a>(
        leaf: &Leaf,
        chain: &[CertificateDer<'_>],
        vouching: impl Iterator<Item = &'a Arc<Authority>>,
    ) -> Arc<Self> {
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Arc::new(Self { chain, leaf: Some(leaf.clone()), vouched: vouching.map(|one| one.fingerprint).collect() })
    }

    /// Whether it is known without a look at the certificates that this authority vouches for them.
    pub(super) fn is_vouched_by(&self, authority: &Authority) -> bool {
        self.vouched.contains(&authority.fingerprint)
    }
}

/// The fingerprint of an authority of these roots and this file of lists.
pub(super) fn fingerprint(roots: &[CertificateDer<'_>], lists: Option<&[u8]>) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    for part in roots.iter().map(|root| Some(root.as_ref())).chain([lists]) {
        let bytes = part.unwrap_or_default();
        // No list and an empty one differ; the lengths keep the parts apart.
        context.update(&[u8::from(part.is_some())]);
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_byte_in_either_file_is_another_authority() {
        let of = |roots: &[&'static [u8]], lists| {
            fingerprint(&roots.iter().map(|one| CertificateDer::from(*one)).collect::<Vec<_>>(), lists)
        };
        let all = [
            of(&[b"ab"], None),
            of(&[b"ab"], Some(b"")),
            of(&[b"ab"], Some(b"c")),
            of(&[b"a"], Some(b"bc")),
            of(&[b"a", b"b"], Some(b"c")),
            of(&[b"abc"], Some(b"")),
        ];
        for (place, one) in all.iter().enumerate() {
            assert_eq!(all.iter().position(|other| other == one), Some(place));
        }
    }
}
