//! A Modbus device that answers a little and remembers every byte.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

/// A device on loopback. Holding registers hold their own address.
pub(crate) struct Device {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<u8>>,
    live: AtomicUsize,
    gone: AtomicBool,
    mute: AtomicBool,
    written: AtomicU16,
}

impl Device {
    pub(crate) fn start() -> Self {
        Self::on("127.0.0.1:0".parse().expect("an address"))
    }

    pub(crate) fn on(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a device needs a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared::default());
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if all.gone.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let one = Arc::clone(&all);
                std::thread::spawn(move || one.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// Every byte that any connection brought.
    pub(crate) fn got(&self) -> Vec<u8> {
        self.shared.got.lock().expect("no panic under the lock").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.live.load(SeqCst)
    }

    /// The last value written with FC 6.
    pub(crate) fn written(&self) -> u16 {
        self.shared.written.load(SeqCst)
    }

    /// Goes on reading and answers nothing.
    pub(crate) fn mute(&self, mute: bool) {
        self.shared.mute.store(mute, SeqCst);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.shared.gone.store(true, SeqCst);
        // The accept loop sees it at its next connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        self.live.fetch_add(1, SeqCst);
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let mut pending = Vec::new();
        let mut buffer = [0; 4096];
        while !self.gone.load(SeqCst) {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    self.got.lock().expect("no panic under the lock").extend_from_slice(&buffer[..n]);
                    pending.extend_from_slice(&buffer[..n]);
                    while let Some(frame) = whole(&mut pending) {
                        if !self.mute.load(SeqCst) && stream.write_all(&self.answer(&frame)).is_err() {
                            break;
                        }
                    }
                }
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(_) => break,
            }
        }
        self.live.fetch_sub(1, SeqCst);
    }

    fn answer(&self, frame: &[u8]) -> Vec<u8> {
        let (head, pdu) = frame.split_at(7);
        let word = |at: usize| u16::from_be_bytes([pdu[at], pdu[at + 1]]);
        let body = match pdu[0] {
            3 => {
                let (first, count) = (word(1), word(3));
                let mut body = vec![3, u8::try_from(count * 2).expect("at most 125")];
                (first..first + count).for_each(|value| body.extend_from_slice(&value.to_be_bytes()));
                body
            }
            6 => {
                self.written.store(word(3), SeqCst);
                pdu.to_vec()
            }
            other => vec![other | 0x80, 1],
        };
        let mut answer = head[..4].to_vec();
        answer.extend_from_slice(&u16::try_from(body.len() + 1).expect("short").to_be_bytes());
        answer.push(head[6]);
        answer.extend_from_slice(&body);
        answer
    }
}

fn whole(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*pending.get(4)?, *pending.get(5)?])) + 6;
    (pending.len() >= length).then(|| pending.drain(..length).collect())
}

/// TLS in front of a device: an MBAPS device as far as the gate can tell.
pub(crate) struct TlsFront {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
    behind: SocketAddr,
}

impl TlsFront {
    pub(crate) fn before(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Self { address: listener.local_addr().expect("bound"), listener, behind }
    }

    /// Serves one connection with the certificate `name` of `dir`, and demands one of the plant's.
    pub(crate) fn start(self, dir: &std::path::Path, name: &str) {
        let config = server(dir, name);
        std::thread::spawn(move || {
            let (near, _) = self.listener.accept().expect("the gate dials");
            let tls = rustls::ServerConnection::new(config).expect("a server");
            let mut near = rustls::StreamOwned::new(tls, near);
            let mut far = TcpStream::connect(self.behind).expect("the device is there");
            let mut buffer = [0; 512];
            // One request, one answer, as a device does.
            while let Ok(n @ 1..) = near.read(&mut buffer) {
                far.write_all(&buffer[..n]).expect("the device takes it");
                let n = far.read(&mut buffer).expect("the device answers");
                near.write_all(&buffer[..n]).expect("the gate takes it");
            }
        });
    }
}

fn server(dir: &std::path::Path, name: &str) -> Arc<rustls::ServerConfig> {
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let file = |end: &str| dir.join(format!("{name}.{end}"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("plant.crt")).expect("a file")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let peers = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let chain = CertificateDer::pem_file_iter(file("crt")).expect("a file");
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(peers.build().expect("a verifier"))
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(file("key")).expect("a key"))
        .expect("they fit");
    Arc::new(config)
}
