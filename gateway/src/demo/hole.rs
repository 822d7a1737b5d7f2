//! Would the demo notice a gate that lets everything through? (tests only)

use std::{net::SocketAddr, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{attacker::attacks, device::Device, gate::free_port, site, story};
use crate::tasks;

/// TLS without asking who is there, and every byte handed on.
async fn hole(dir: &Path, device: SocketAddr) -> SocketAddr {
    let certs = CertificateDer::pem_file_iter(dir.join("pki/gateway.crt")).and_then(Iterator::collect);
    let key = PrivateKeyDer::from_pem_file(dir.join("pki/gateway.key")).expect("the key was just made");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider knows TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(certs.expect("the chain was just made"), key)
        .expect("key and chain fit");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a port");
    let address = listener.local_addr().expect("it is bound");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let serve = async move {
        while let Ok((peer, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            let relay = async move {
                let (Ok(mut peer), Ok(mut device)) = (acceptor.accept(peer).await, TcpStream::connect(device).await)
                else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut peer, &mut device).await;
            };
            tasks::spawn(&tokio::runtime::Handle::current(), relay, || {});
        }
    };
    tasks::spawn(&tokio::runtime::Handle::current(), serve, || {});
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_lets_everything_through_breaks_every_one_of_the_ten() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let device = Device::start().await.expect("loopback has a port");
    let somewhere = free_port().expect("loopback has a port");
    let ports = site::Ports { gate: somewhere, metrics: somewhere, device: device.address };
    site::write(dir.path(), ports, None).expect("the directory is writable");
    let gate = hole(dir.path(), device.address).await;
    let broken = story(gate, dir.path(), &device, &mut || 0).await.expect("the certificates were just made");
    for attack in attacks() {
        assert!(broken.iter().any(|one| one.starts_with(attack.name)), "{}: {broken:#?}", attack.name);
    }
    assert!(
        !broken.iter().any(|one| one.starts_with("the operator:")),
        "the operator is served all along: {broken:#?}"
    );
}
