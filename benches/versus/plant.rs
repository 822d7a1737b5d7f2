//! Which certificates, ports and configurations do all contenders share?
//!
//! One group (X25519) and one suite (AES-128-GCM) for everybody, TLS 1.3, ECDSA P-256 certificates on both sides, no
//! resumption: what the clients offer decides it, so that no contender is measured with other cryptography.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sluicegate::pki;
use tempfile::TempDir;

use crate::{contender, device::Devices, lab::Lab};

/// Conduits that share a listener are told apart by name, and the certificate has them all.
const MOST_CONDUITS: usize = 500;

/// The temporary plant.
pub(crate) struct Plant {
    folder: TempDir,
    /// Where every configuration that was used is kept.
    kept: PathBuf,
    pub(crate) devices: Devices,
    inspection: OnceLock<Result<Lab, String>>,
    tunnel: OnceLock<Result<Lab, String>>,
    /// How the clients speak TLS.
    pub(crate) client: Arc<ClientConfig>,
}

impl Plant {
    pub(crate) fn new(out: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("pki");
        pki::init(&dir, "plant").expect("a CA");
        for (name, server) in [("gate", true), ("many", true), ("scada", false), ("attacker", false)] {
            let request = pki::Request {
                name: name.into(),
                uris: vec![format!("spiffe://bench/{name}")],
                dnss: match name {
                    "gate" => vec!["gate".into()],
                    "many" => (0..MOST_CONDUITS).map(contender::name).collect(),
                    _ => Vec::new(),
                },
                ips: Vec::new(),
                role: None,
                days: 30,
                server,
            };
            pki::issue(&dir, Some("plant"), &request).expect("a certificate");
        }
        for name in ["gate", "scada"] {
            let both =
                ["crt", "key"].map(|part| std::fs::read(dir.join(format!("{name}.{part}"))).expect("it was made"));
            std::fs::write(dir.join(format!("{name}.pem")), both.concat()).expect("written");
        }
        let kept = out.join("configs");
        std::fs::create_dir_all(&kept).expect("a folder for the configurations");
        let (client, devices) = (client(&dir, "scada"), Devices::start());
        Self { folder, kept, devices, client, inspection: OnceLock::new(), tunnel: OnceLock::new() }
    }

    /// How the holder of another certificate speaks TLS.
    pub(crate) fn client_as(&self, name: &str) -> Arc<ClientConfig> {
        client(&self.pki(), name)
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.folder.path().join("pki")
    }

    /// A file of `pki/`, as text for a configuration.
    pub(crate) fn pem(&self, name: &str) -> String {
        self.pki().join(name).display().to_string()
    }

    /// Client and device with something that inspects between them.
    pub(crate) fn inspection(&self) -> Result<&Lab, String> {
        self.inspection.get_or_init(Lab::inspection).as_ref().map_err(Clone::clone)
    }

    /// Client and device with a tunnel between them.
    pub(crate) fn tunnel(&self) -> Result<&Lab, String> {
        self.tunnel.get_or_init(Lab::tunnel).as_ref().map_err(Clone::clone)
    }

    /// Keeps what a contender is given: a configuration, or a command line.
    pub(crate) fn keep(&self, name: &str, text: &str) {
        std::fs::write(self.kept.join(name), text).expect("the configuration is kept");
    }

    /// Writes a contender's configuration.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.written(name);
        self.keep(name, text);
        std::fs::write(&file, text).expect("the configuration is written");
        file
    }

    /// Where a configuration was written.
    pub(crate) fn written(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A fresh folder for what a contender writes.
    pub(crate) fn fresh(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }
}

/// X25519 and AES-128-GCM alone.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    })
}

/// The certificates of a PEM file.
pub(crate) fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).expect("readable").map(|one| one.expect("a certificate")).collect()
}

/// The roots of the plant.
pub(crate) fn roots(dir: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    certificates(&dir.join("plant.crt")).into_iter().for_each(|root| roots.add(root).expect("a root"));
    roots
}

/// How the holder of certificate `name` speaks TLS.
pub(crate) fn client(dir: &Path, name: &str) -> Arc<ClientConfig> {
    let key = PrivateKeyDer::from_pem_file(dir.join(format!("{name}.key"))).expect("a key");
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots(dir))
        .with_client_auth_cert(certificates(&dir.join(format!("{name}.crt"))), key)
        .expect("the key fits");
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}
