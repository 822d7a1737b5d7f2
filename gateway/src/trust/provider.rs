//! Which cryptography do we speak?
//!
//! | version | key exchange; the peer's order decides among them | suites |
//! |---|---|---|
//! | TLS 1.3 | X25519MLKEM768, X25519, P-256, P-384 | AES-GCM, ChaCha20-Poly1305 |
//! | TLS 1.2, where `tls_min = "1.2"` | X25519, P-256, P-384 | ECDHE with AES-GCM only |

use std::sync::{Arc, LazyLock};

use rustls::{
    CipherSuite, ProtocolVersion, SupportedProtocolVersion,
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms,
        aws_lc_rs::{self, kx_group},
    },
};

static MODERN: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(provider(false)));
static WITH_12: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(provider(true)));

/// The provider of a listener or a dialler.
pub(super) fn of(tls12: bool) -> Arc<CryptoProvider> {
    if tls12 { WITH_12.clone() } else { MODERN.clone() }
}

/// The versions that go with [`of`].
pub(super) fn versions(tls12: bool) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    static MODERN: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
    if tls12 { BOTH } else { MODERN }
}

/// What signatures on certificates and handshakes may be made with.
pub(super) fn signatures() -> WebPkiSupportedAlgorithms {
    MODERN.signature_verification_algorithms
}

fn provider(tls12: bool) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    provider.cipher_suites.retain(|suite| match suite.version().version {
        ProtocolVersion::TLSv1_3 => true,
        _ => tls12 && ecdhe_aes_gcm(suite.suite()),
    });
    provider
}

fn ecdhe_aes_gcm(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
    )
}
