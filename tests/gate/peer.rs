//! How does a client of ours talk to the gate, byte by byte where a test wants that?

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use super::{Gate, PATIENCE, Site, rtu};

/// A client, plain or TLS. Requests go to unit 1.
pub(crate) struct Peer {
    stream: Stream,
    next: u16,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Peer {
    /// Over plain TCP.
    pub(crate) fn plain(gate: &Gate) -> Self {
        Self { stream: Stream::Plain(connect(gate.address())), next: 1 }
    }

    /// Over plain TCP, to anything.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { stream: Stream::Plain(connect(address)), next: 1 }
    }

    /// Over TLS, with the plant's certificate `name`.
    pub(crate) fn tls(gate: &Gate, site: &Site, name: &str) -> Self {
        Self::with(gate.address(), tls_config(site, Some((&site.crt(name), &site.key(name)))), "gate")
    }

    /// Over TLS, with any configuration and server name.
    pub(crate) fn with(address: SocketAddr, config: Arc<ClientConfig>, sni: &str) -> Self {
        let name = ServerName::try_from(sni.to_owned()).expect("a name");
        let connection = ClientConnection::new(config, name).expect("a client");
        Self { stream: Stream::Tls(Box::new(StreamOwned::new(connection, connect(address)))), next: 1 }
    }

    /// Sends one request and reads its answer: the PDU. Panics where none comes.
    pub(crate) fn ask(&mut self, pdu: &[u8]) -> Vec<u8> {
        self.try_ask(pdu).expect("an answer")
    }

    /// The same; an error where the gate closed instead.
    pub(crate) fn try_ask(&mut self, pdu: &[u8]) -> io::Result<Vec<u8>> {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.try_send(&frame(id, 1, pdu))?;
        let answer = self.answer()?;
        assert_eq!(answer[..2], id.to_be_bytes(), "answers come in order");
        Ok(answer[7..].to_vec())
    }

    /// Sends bytes as they are; in one TLS record where there is TLS.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("sent");
    }

    /// The same; an error where the gate closed.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)?;
        self.flush()
    }

    /// Reads one whole answer frame.
    pub(crate) fn answer(&mut self) -> io::Result<Vec<u8>> {
        let mut answer = vec![0; 6];
        self.read_exact(&mut answer)?;
        let length = usize::from(u16::from_be_bytes([answer[4], answer[5]]));
        answer.resize(6 + length, 0);
        self.read_exact(&mut answer[6..])?;
        Ok(answer)
    }

    /// Reads exactly so many bytes.
    pub(crate) fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; n];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Sends one request in RTU and reads its answer, of which the function and the byte count tell the length: the PDU.
    pub(crate) fn ask_rtu(&mut self, unit: u8, pdu: &[u8]) -> io::Result<Vec<u8>> {
        self.try_send(&rtu(unit, pdu))?;
        self.answer_rtu(unit, pdu)
    }

    /// The same for a device whose answer may have any length: it ends where its CRC is right and nothing follows.
    pub(crate) fn ask_rtu_of_any_length(&mut self, unit: u8, pdu: &[u8]) -> io::Result<Vec<u8>> {
        self.try_send(&rtu(unit, pdu))?;
        let mut bytes = self.exactly(4)?;
        loop {
            let end = bytes.len() - 2;
            if end >= 2 && bytes == rtu(unit, &bytes[1..end]) {
                return Ok(bytes[1..end].to_vec());
            }
            bytes.extend(self.exactly(1)?);
        }
    }

    /// Reads the answer to `pdu`.
    pub(crate) fn answer_rtu(&mut self, unit: u8, pdu: &[u8]) -> io::Result<Vec<u8>> {
        let mut bytes = self.exactly(3)?;
        let more = match bytes[1] {
            0x80.. | 7 => 0,
            5 | 6 | 11 | 15 | 16 => 3,
            8 | 21 | 22 => pdu.len() - 2,
            // As the device of the tests answers them.
            24 => 7,
            43 => 20,
            _ => usize::from(bytes[2]),
        };
        bytes.extend(self.exactly(more + 2)?);
        let end = bytes.len() - 2;
        assert_eq!(bytes, rtu(unit, &bytes[1..end]), "unit and CRC of an answer");
        Ok(bytes[1..end].to_vec())
    }

    /// Reads until the gate closes: the application's bytes until then. An abortive end is an end, too.
    pub(crate) fn until_closed(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => return all,
                Ok(n) => all.extend_from_slice(&buffer[..n]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("the gate does not close; it sent {all:02x?}")
                }
                Err(_) => return all,
            }
        }
    }

    /// Says that nothing more comes, and goes on listening.
    pub(crate) fn half_close(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            stream.flush().expect("sent");
        }
        self.socket().shutdown(Shutdown::Write).expect("half closed");
    }

    /// The socket below.
    pub(crate) fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A TLS 1.3 client that trusts the plant, with a certificate and its key or without.
pub(crate) fn tls_config(site: &Site, own: Option<(&Path, &Path)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site.crt("plant")).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((crt, key)) => {
            let chain = CertificateDer::pem_file_iter(crt).expect("a file").collect::<Result<Vec<_>, _>>();
            let key = PrivateKeyDer::from_pem_file(key).expect("a key");
            builder.with_client_auth_cert(chain.expect("certificates"), key).expect("they fit")
        }
    };
    Arc::new(config)
}

/// One request.
pub(crate) fn frame(id: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).expect("a PDU is short").to_be_bytes();
    [&id.to_be_bytes()[..], &[0, 0], &length, &[unit], pdu].concat()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the gate listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}
