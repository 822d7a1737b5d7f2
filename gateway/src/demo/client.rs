//! How do the demo's people reach the gate, and what do they get from it?

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::site::GATE_NAME;

/// Longest wait for anything that the gate does: a slow machine under load needs seconds, a gate that hangs is told apart all
/// the same.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// The MBAP header (Modbus messaging guide V1.0b, section 3.1.3): id, protocol, length, unit.
const HEADER: usize = 7;

/// A certificate to show, or none.
#[derive(Clone, Debug)]
pub enum Shown {
    /// `D/FOLDER/NAME.crt` with its key.
    Certificate {
        /// `pki` or `stranger`.
        folder: &'static str,
        /// The file's name.
        name: &'static str,
    },
    /// Nothing.
    Nothing,
}

/// Where the gate is, and how to get in.
#[derive(Clone, Debug)]
pub struct Door {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// A normal answer.
    Answer,
    /// The protocol's own refusal.
    Exception(u8),
    /// The session ended, or never was, without an answer.
    Closed,
    /// Neither answer nor end within `PATIENCE`.
    Silence,
}

impl std::fmt::Display for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer => f.write_str("a normal answer"),
            Self::Exception(code) => write!(f, "exception {code:02X}"),
            Self::Closed => f.write_str("a closed door"),
            Self::Silence => f.write_str("silence"),
        }
    }
}

impl Door {
    /// A door for somebody who shows this certificate.
    ///
    /// # Errors
    /// Files that cannot be read, or a key that does not fit.
    pub fn new(address: SocketAddr, dir: &Path, shown: &Shown) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for cert in chain(&dir.join("pki/plant.crt"))? {
            roots.add(cert).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        let config = match shown {
            Shown::Nothing => builder.with_no_client_auth(),
            Shown::Certificate { folder, name } => {
                let certs = chain(&dir.join(folder).join(format!("{name}.crt")))?;
                let key = PrivateKeyDer::from_pem_file(dir.join(folder).join(format!("{name}.key")));
                let key = key.map_err(io::Error::other)?;
                builder.with_client_auth_cert(certs, key).map_err(io::Error::other)?
            }
        };
        Ok(Self { address, config: Arc::new(config) })
    }

    /// Goes in. TLS 1.3 lets a client believe that it is in before the gate has looked at its certificate.
    pub(super) async fn enter(&self) -> io::Result<TlsStream<TcpStream>> {
        let enter = async {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(GATE_NAME).map_err(io::Error::other)?;
            TlsConnector::from(self.config.clone()).connect(name, stream).await
        };
        timeout(PATIENCE, enter).await.map_err(|_late| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// Sends `bytes` as they are, and waits for one answer.
pub(super) async fn ask(stream: &mut TlsStream<TcpStream>, bytes: &[u8]) -> Got {
    let ask = async {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        answer(stream).await
    };
    match timeout(PATIENCE, ask).await {
        Err(_late) => Got::Silence,
        Ok(Err(_)) => Got::Closed,
        Ok(Ok(got)) => got,
    }
}

/// Says goodbye, so that the gate does not take the end for an accident.
pub(super) async fn leave(mut stream: TlsStream<TcpStream>) {
    let _ = timeout(PATIENCE, stream.shutdown()).await;
}

/// Reads one answer.
pub(super) async fn answer<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> io::Result<Got> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let mut pdu = vec![0; length.saturating_sub(1)];
    stream.read_exact(&mut pdu).await?;
    Ok(match pdu.as_slice() {
        [function, code, ..] if function & 0x80 != 0 => Got::Exception(*code),
        _ => Got::Answer,
    })
}

/// A request as a correct client frames it, for unit 1.
pub(super) fn framed(id: u16, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).expect("a PDU of the demo is short");
    let mut frame = Vec::with_capacity(HEADER + pdu.len());
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.push(1);
    frame.extend_from_slice(pdu);
    frame
}

fn chain(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.map_err(|fault| io::Error::other(format!("{}: {fault}", path.display())))
}
