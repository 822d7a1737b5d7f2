//! A whole gateway on loopback, with a plant CA, a device behind it and its records in memory.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use sluicegate::{
    faults::{Board, Clock},
    listen,
    observe::{
        journal::{Journal, MemoryJournal, Seq},
        record::{Event, Record},
        site::SiteMetrics,
    },
    pki,
    run::{Gateway, Parts},
    trust::Trust,
    worker::{Report, Stage},
};
use sluicegate_proto::time::ScheduleSet;

/// How long a test waits for something that must happen. Never reached when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<SiteMetrics>,
    pub(crate) clock: Clock,
    dir: tempfile::TempDir,
    gateway: Option<Gateway>,
    memory: MemoryJournal,
    records: Vec<(Seq, Record)>,
}

/// A client's TLS stream.
pub(crate) type Client = StreamOwned<ClientConnection, TcpStream>;

impl Gate {
    /// A gateway before `upstream` (as the config writes it). `more` goes into `[conduits.pump]`.
    pub(crate) fn before(upstream: &str, more: &str) -> Self {
        Self::with(upstream, more, "tls")
    }

    /// The same on a plain listener, where the source is the identity.
    pub(crate) fn plain(upstream: &str, more: &str) -> Self {
        Self::with(upstream, more, "tcp")
    }

    fn with(upstream: &str, more: &str, transport: &str) -> Self {
        let (dir, file) = plant(upstream, more, transport);
        let loaded = match sluicegate_config::load(&file) {
            Ok(loaded) => loaded,
            Err(faults) => panic!("{}", faults.iter().map(|one| one.render(false)).collect::<String>()),
        };
        let site = Arc::new(loaded.site);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let clock = Clock::standing_at(i64::try_from(now.as_secs()).expect("in range"));
        let trust = Arc::new(Trust::load(&site, clock.clone()).expect("the plant's files are good"));
        let board = Arc::new(Board::new(&site));
        let metrics = SiteMetrics::new(&site);
        let (journal, memory) = Journal::memory(8192);
        let parts = Parts { site, trust, board, metrics: Arc::clone(&metrics), journal };
        let bound = listen::bind_all(&parts.site).expect("loopback has a port");
        let address = bound.first().expect("one listener").address;
        let gateway = Some(Gateway::start(&parts, bound, ScheduleSet::default()).expect("threads"));
        Self { address, metrics, clock, dir, gateway, memory, records: Vec::new() }
    }

    /// The directory with the certificates.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A client that shows the certificate `name`, after its handshake as far as a client can tell.
    pub(crate) fn client(&self, name: &str) -> Client {
        self.client_as(Some(name), "gate.plant")
    }

    /// A client with a certificate or without, that asks for `sni`.
    pub(crate) fn client_as(&self, name: Option<&str>, sni: &str) -> Client {
        client(self.dir(), self.address, name, sni)
    }

    /// A bare connection.
    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address).expect("the gate listens")
    }

    /// Waits for a record.
    pub(crate) fn record(&mut self, what: &str, is: impl Fn(&Record) -> bool) -> Record {
        let until = Instant::now() + PATIENCE;
        loop {
            self.records.extend(self.memory.drain());
            if let Some((_, record)) = self.records.iter().find(|(_, record)| is(record)) {
                return record.clone();
            }
            assert!(Instant::now() < until, "no record of {what}: {:#?}", self.records);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// All records of one kind so far.
    pub(crate) fn count(&mut self, event: Event) -> usize {
        self.records.extend(self.memory.drain());
        self.records.iter().filter(|(_, record)| record.event == event).count()
    }

    /// Waits until a series has this value.
    pub(crate) fn metric(&self, series: &str, value: &str) {
        let line = format!("sluicegate_{series} {value}");
        wait_for(&line, || self.metrics.text().lines().any(|one| one == line));
    }

    /// Stops in good order; who held it up.
    pub(crate) fn stop(&mut self, stages: &[Stage]) -> Vec<Report> {
        let Some(mut gateway) = self.gateway.take() else { return Vec::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        stages.iter().for_each(|stage| gateway.stop(*stage));
        let reports = runtime.block_on(async {
            let mut reports = Vec::new();
            while let Some(report) = gateway.held_up().await {
                reports.push(report);
            }
            reports
        });
        gateway.join();
        reports
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop(&[Stage::Severed]);
    }
}

/// A directory with a plant's certificates and a configuration.
pub(crate) fn plant(upstream: &str, more: &str, transport: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    make_pki(dir.path());
    let file = dir.path().join("sluicegate.toml");
    std::fs::write(&file, config(upstream, more, transport)).expect("written");
    (dir, file)
}

/// A client with a certificate of `dir` or without, that asks for `sni`.
pub(crate) fn client(dir: &Path, address: SocketAddr, name: Option<&str>, sni: &str) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(&dir.join("plant.crt"))).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots);
    let config = match name {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = CertificateDer::pem_file_iter(dir.join(format!("{name}.crt"))).expect("a file");
            let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
            let key = PrivateKeyDer::from_pem_file(dir.join(format!("{name}.key"))).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("they fit")
        }
    };
    let name = ServerName::try_from(sni.to_owned()).expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    StreamOwned::new(connection, connect(address).expect("the gate listens"))
}

/// A bare connection.
pub(crate) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Waits until something is so.
pub(crate) fn wait_for(what: &str, is: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < until, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One Modbus request of unit 1.
pub(crate) fn request(id: u16, pdu: &[u8]) -> Vec<u8> {
    let mut frame = id.to_be_bytes().to_vec();
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&u16::try_from(pdu.len() + 1).expect("short").to_be_bytes());
    frame.push(1);
    frame.extend_from_slice(pdu);
    frame
}

/// Sends one request and reads its answer's PDU.
pub(crate) fn ask<S: Read + Write>(stream: &mut S, id: u16, pdu: &[u8]) -> Vec<u8> {
    stream.write_all(&request(id, pdu)).expect("sent");
    answer(stream, id)
}

/// Reads one answer's PDU.
pub(crate) fn answer<S: Read>(stream: &mut S, id: u16) -> Vec<u8> {
    let mut head = [0; 7];
    stream.read_exact(&mut head).expect("an answer");
    assert_eq!(head[..2], id.to_be_bytes(), "answers come in order");
    let mut pdu = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]])) - 1];
    stream.read_exact(&mut pdu).expect("a whole answer");
    pdu
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect("a certificate")
}

/// A plant with a gateway, an operator, a device, and one from next door with the right name.
fn make_pki(dir: &Path) {
    let one = |name: &str, server: bool| pki::Request {
        name: name.to_owned(),
        uris: vec![format!("spiffe://plant/{name}")],
        dnss: vec![format!("{name}.plant")],
        ips: Vec::new(),
        role: None,
        days: 30,
        server,
    };
    pki::init(dir, "plant").expect("a CA");
    for (name, server) in [("gate", true), ("scada", false), ("viewer", false), ("stranger", false), ("plc", true)] {
        pki::issue(dir, Some("plant"), &one(name, server)).expect("issued");
    }
    let other = dir.join("other");
    std::fs::create_dir(&other).expect("a directory");
    pki::init(&other, "other").expect("a CA");
    pki::issue(&other, Some("other"), &one("scada", false)).expect("issued");
    for end in ["crt", "key"] {
        std::fs::copy(other.join(format!("scada.{end}")), dir.join(format!("impostor.{end}"))).expect("copied");
    }
}

fn config(upstream: &str, more: &str, transport: &str) -> String {
    let (listener, matching) = match transport {
        "tls" => (
            "transport = \"tls\"\ncertificate = \"gateway\"\nauthorities = [\"plant\"]",
            "authority = \"plant\"\nmatch = { uri = \"spiffe://plant/scada\" }",
        ),
        _ => ("transport = \"tcp\"\nallow_plaintext = true", "match = { source = \"127.0.0.1/32\" }"),
    };
    let viewer = match transport {
        "tls" => {
            "[identities.viewer]\nzone = \"ops\"\nauthority = \"plant\"\nmatch = { uri = \"spiffe://plant/viewer\" }\nroles = []"
        }
        _ => "",
    };
    format!(
        r#"
schema = 1
[site]
name = "test"
state = "state"
[zones.ops]
level = 3
networks = ["127.0.0.1/32"]
[zones.cell]
level = 1
[certificates.gateway]
cert = "gate.crt"
key = "gate.key"
[authorities.plant]
roots = "plant.crt"
names = ["spiffe://plant/*", "dns:*.plant"]
[identities.scada]
zone = "ops"
{matching}
roles = ["hmi"]
{viewer}
[identities.plc]
zone = "cell"
authority = "plant"
match = {{ dns = "plc.plant" }}
roles = []
[roles.hmi]
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
{listener}
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
upstream = {upstream}
protocol = "modbus"
{more}
[conduits.pump.modbus]
units = [1]
allow = ["hmi read holding 0-99", "hmi write holding 40 = 0..1500"]
"#
    )
}
