//! What is the floor? A relay of our own that terminates TLS and reads nothing: buffered rustls over epoll, one thread.
//!
//! Run as a process of its own, by this bench's own binary: `versus null-relay PKI LISTEN DEVICE` takes TLS and dials
//! plain TCP, `versus null-dial PKI LISTEN GATE` takes plain TCP and dials TLS: the near end of a tunnel.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    path::Path,
    sync::Arc,
};

use rustix::event::epoll;
use rustls::{
    ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
    pki_types::{PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};

use crate::plant;

/// The word that starts it.
pub(crate) const COMMAND: &str = "null-relay";
/// The word that starts a near end.
pub(crate) const DIAL: &str = "null-dial";

/// One peer's two connections.
struct Pair {
    tls: Connection,
    secure: TcpStream,
    plain: TcpStream,
}

/// Which side of it is TLS.
enum Side {
    Takes(Arc<ServerConfig>),
    Dials(Arc<ClientConfig>),
}

/// Runs until it is killed.
pub(crate) fn run(words: &[String]) {
    crate::process::raise_file_limit();
    let [word, pki, listen, device] = words else { panic!("null-relay|null-dial PKI LISTEN DEVICE") };
    let pki = Path::new(pki);
    let side = if word == DIAL { Side::Dials(plant::client(pki, "scada")) } else { Side::Takes(server(pki)) };
    let device: SocketAddr = device.parse().expect("an address");
    let listener = TcpListener::bind(listen).expect("the port is free");
    listener.set_nonblocking(true).expect("a socket");
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("epoll");
    watch(&poll, &listener, LISTENER);
    let (mut pairs, mut next) = (HashMap::new(), 1u64);
    let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
    let mut scratch = vec![0; 64 * 1024];
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).expect("epoll");
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                while let Ok((peer, _)) = listener.accept() {
                    if let Ok(pair) = pair(&side, peer, device) {
                        watch(&poll, &pair.secure, next * 2);
                        watch(&poll, &pair.plain, next * 2 + 1);
                        pairs.insert(next, pair);
                        next += 1;
                    }
                }
            } else if let Some(pair) = pairs.get_mut(&(token / 2)) {
                let alive = if token % 2 == 0 { pair.upward(&mut scratch) } else { pair.downward(&mut scratch) };
                if !matches!(alive, Ok(true)) {
                    pairs.remove(&(token / 2));
                }
            }
        }
    }
}

const LISTENER: u64 = 0;

fn watch(poll: &impl AsFd, socket: &impl AsFd, token: u64) {
    epoll::add(poll, socket, epoll::EventData::new_u64(token), epoll::EventFlags::IN).expect("epoll takes a socket");
}

fn server(pki: &Path) -> Arc<ServerConfig> {
    let provider = plant::provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(plant::roots(pki)), provider.clone());
    let key = PrivateKeyDer::from_pem_file(pki.join("gate.key")).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(plant::certificates(&pki.join("gate.crt")), key)
        .expect("the key fits");
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

fn pair(side: &Side, peer: TcpStream, device: SocketAddr) -> io::Result<Pair> {
    let device = TcpStream::connect(device)?;
    for socket in [&peer, &device] {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
    }
    let (mut tls, secure, plain) = match side {
        Side::Takes(config) => {
            let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            (Connection::Server(tls), peer, device)
        }
        Side::Dials(config) => {
            let gate = ServerName::try_from("gate").expect("a name");
            let tls = ClientConnection::new(Arc::clone(config), gate).map_err(io::Error::other)?;
            (Connection::Client(tls), device, peer)
        }
    };
    tls.set_buffer_limit(None);
    let mut pair = Pair { tls, secure, plain };
    pair.flush()?;
    Ok(pair)
}

impl Pair {
    /// From the TLS side to the plain one. Whether the pair lives on.
    fn upward(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        match self.tls.read_tls(&mut self.secure) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
        let state = self.tls.process_new_packets().map_err(io::Error::other)?;
        if state.plaintext_bytes_to_read() > 0 {
            let n = self.tls.reader().read(scratch)?;
            write_all(&mut self.plain, &scratch[..n])?;
        }
        self.flush()?;
        Ok(!state.peer_has_closed())
    }

    /// From the plain side to the TLS one.
    fn downward(&mut self, scratch: &mut [u8]) -> io::Result<bool> {
        match self.plain.read(scratch) {
            Ok(0) => return Ok(false),
            Ok(n) => self.tls.writer().write_all(&scratch[..n])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
        self.flush()?;
        Ok(true)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.secure) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => writable(&self.secure)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn write_all(socket: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => writable(socket)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits; a floor has no back-pressure of its own.
fn writable(socket: &TcpStream) -> io::Result<()> {
    let mut fds = [rustix::event::PollFd::new(socket, rustix::event::PollFlags::OUT)];
    rustix::event::poll(&mut fds, None)?;
    Ok(())
}
