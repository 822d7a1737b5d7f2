//! Do strangers stay outside, and does everybody else come in as who they are? Real handshakes, in memory.

mod devices;
mod endpoint;
mod ends;
mod peers;
mod strangers;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{CertificateParams, CustomExtension, Issuer, KeyPair, SanType};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConnection,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use sluicegate_config::plan::{ConduitId, FaultAction, ListenerId, Site};
use sluicegate_proto::vocab::Cause;

use super::*;
use crate::pki;

/// Listener `ot` with the conduits `pump` and `tank`, listener `old` with TLS 1.2, listener `plain` without TLS.
const SITE: &str = r#"
schema = 1
[site]
name = "north"
state = "state"
[zones.ops]
networks = ["10.30.0.0/24"]
[zones.cell]
[certificates.gateway]
cert = "plant/gateway.crt"
key = "plant/gateway.key"
[authorities.plant]
roots = "plant/plant.crt"
crl = "plant/plant.crl"
names = ["spiffe://north/*", "dns:*.north"]
[authorities.second]
roots = "second/second.crt"
[identities.scada-1]
zone = "ops"
authority = "plant"
match = { uri = "spiffe://north/scada-1" }
roles = ["hmi"]
[identities.guest]
zone = "ops"
authority = "second"
match = { uri = "spiffe://south/guest" }
roles = ["hmi"]
[identities.plc-1]
zone = "cell"
authority = "plant"
match = { dns = "plc-1.north" }
roles = []
[identities.panel]
zone = "ops"
match = { source = "10.30.0.9/32" }
roles = ["hmi"]
[roles.hmi]
[roles.operator]
modbus_role = "Operator"
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:8021"
transport = "tls"
certificate = "gateway"
authorities = ["plant", "second"]
[listeners.old]
zone = "ops"
bind = "127.0.0.1:8022"
transport = "tls"
tls_min = "1.2"
certificate = "gateway"
authorities = ["plant"]
[listeners.plain]
zone = "ops"
bind = "127.0.0.1:8023"
transport = "tcp"
allow_plaintext = true
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
sni = "pump"
upstream = "tls:plc-1.north:802"
upstream_certificate = "gateway"
upstream_authorities = ["plant"]
upstream_peer = "plc-1"
protocol = "modbus"
[conduits.pump.modbus]
units = [1]
allow = ["hmi read holding 0-9", "operator write holding 1"]
[conduits.tank]
from = "ops"
to = "cell"
listener = "ot"
sni = "tank"
upstream = "127.0.0.1:502"
protocol = "modbus"
[conduits.tank.modbus]
units = [1]
allow = ["hmi read holding 0-9"]
[conduits.old]
from = "ops"
to = "cell"
listener = "old"
upstream = "127.0.0.1:502"
protocol = "modbus"
[conduits.old.modbus]
units = [1]
allow = ["hmi read holding 0-9"]
[conduits.plain]
from = "ops"
to = "cell"
listener = "plain"
upstream = "127.0.0.1:502"
protocol = "modbus"
[conduits.plain.modbus]
units = [1]
allow = ["hmi read holding 0-9"]
"#;

static ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
static ONLY_13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

const SCADA: &str = "spiffe://north/scada-1";
const DAY: i64 = 86_400;

/// A plant on disk.
struct Plant {
    dir: tempfile::TempDir,
    clock: Clock,
    started: i64,
}

/// A certificate with its key.
struct Held {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl Plant {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let started = Clock::system(0).now().unix;
        let plant = Self { dir, clock: Clock::standing_at(started), started };
        for ca in ["plant", "second", "rogue"] {
            pki::init(&plant.at(ca), ca).expect("a fresh directory");
        }
        let dnss = ["pump", "tank", "gateway"].map(String::from).to_vec();
        let gateway = pki::Request { name: "gateway".into(), dnss, days: 397, server: true, ..Default::default() };
        pki::issue(&plant.at("plant"), None, &gateway).expect("a good request");
        std::fs::write(plant.at("site.toml"), SITE).expect("writable");
        plant
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn site(&self) -> Site {
        sluicegate_config::load(&self.at("site.toml")).expect("the site above is good").site
    }

    fn trust(&self) -> Trust {
        self.trust_with(|_| {})
    }

    fn trust_with(&self, change: impl FnOnce(&mut Site)) -> Trust {
        let mut site = self.site();
        change(&mut site);
        Trust::load(&Arc::new(site), self.clock.clone()).expect("every file is there")
    }

    /// What `pki issue --uri` makes.
    fn issued(&self, ca: &str, name: &str, uri: &str) -> Held {
        let asked = pki::Request { name: name.into(), uris: vec![uri.into()], days: 397, ..Default::default() };
        pki::issue(&self.at(ca), None, &asked).expect("a good request");
        Held::read(&self.at(&format!("{ca}/{name}.crt")), &self.at(&format!("{ca}/{name}.key")))
    }

    /// Anything else that a CA can be talked into.
    fn odd(&self, ca: &str, change: impl FnOnce(&mut CertificateParams)) -> Held {
        let pem = |end| std::fs::read_to_string(self.at(&format!("{ca}/{ca}.{end}"))).expect("made by `new`");
        let key = KeyPair::from_pem(&pem("key")).expect("made by `new`");
        sign(&Issuer::from_ca_cert_pem(&pem("crt"), key).expect("made by `new`"), change).0
    }

    fn with_role(&self, extensions: Vec<CustomExtension>) -> Held {
        self.odd("plant", |params| params.custom_extensions = extensions)
    }
}

/// A peer called scada-1 unless `change` says otherwise.
fn sign(issuer: &Issuer<'_, KeyPair>, change: impl FnOnce(&mut CertificateParams)) -> (Held, KeyPair) {
    let pair = KeyPair::generate().expect("entropy");
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![uri(SCADA)];
    params.use_authority_key_identifier_extension = true;
    change(&mut params);
    let cert = params.signed_by(&pair, issuer).expect("signable");
    let key = PrivateKeyDer::from_pem_slice(pair.serialize_pem().as_bytes()).expect("just made");
    (Held { chain: vec![cert.der().clone()], key }, pair)
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().expect("ASCII"))
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().expect("ASCII"))
}

impl Held {
    fn read(cert: &Path, key: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(cert).expect("it is there").map(|one| one.expect("PEM")).collect();
        Self { chain, key: PrivateKeyDer::from_pem_file(key).expect("it is there") }
    }
}

/// What a client does in a handshake.
#[derive(Clone)]
struct Caller {
    held: Option<Held>,
    sni: &'static str,
    send_sni: bool,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
    provider: CryptoProvider,
}

impl Caller {
    fn new(held: Held) -> Self {
        let versions = rustls::ALL_VERSIONS;
        Self { held: Some(held), sni: "pump", send_sni: true, versions, provider: aws_lc_rs::default_provider() }
    }

    fn config(&self, plant: &Plant) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(plant.at("plant/plant.crt")).expect("made")).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(self.versions)
            .expect("versions that the provider has")
            .with_root_certificates(roots);
        let mut config = match self.held.clone() {
            // Not `with_client_auth_cert`: a stranger's tools do not refuse odd certificates, as rustls' client would.
            Some(held) => {
                let key = self.provider.key_provider.load_private_key(held.key).expect("a key");
                let held = rustls::sign::CertifiedKey::new(held.chain, key);
                config.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(held)))
            }
            None => config.with_no_client_auth(),
        };
        config.enable_sni = self.send_sni;
        Arc::new(config)
    }

    fn shake(&self, plant: &Plant, trust: &Trust, listener: u16) -> Result<Shaken, Failed> {
        shake(self.config(plant), self.sni, trust, listener)
    }
}

/// A handshake that came to its end.
struct Shaken {
    client: ClientConnection,
    server: ServerConnection,
    seen: Arc<Seen>,
}

impl Shaken {
    fn identify(&self, trust: &Trust) -> Result<Identified, Refusal> {
        let conduit = self.seen.conduit().expect("a finished handshake has chosen one");
        let chain = self.server.peer_certificates().expect("required");
        let seen = trust.identify_seen(conduit, &self.seen, chain, inside());
        // What the handshake found out already makes no difference to the outcome.
        assert_eq!(seen, trust.identify(conduit, chain, inside()));
        seen
    }
}

fn shake(config: Arc<ClientConfig>, name: &'static str, trust: &Trust, listener: u16) -> Result<Shaken, Failed> {
    let Handshake { config: own, seen } = trust.handshake(ListenerId(listener)).expect("a TLS listener");
    let mut server = ServerConnection::new(own).expect("good settings");
    let mut client = ClientConnection::new(config, ServerName::try_from(name).expect("a name")).expect("good settings");
    match drive(&mut client, &mut server) {
        (_, Err(error)) => Err(seen.failed(&error)),
        (Err(error), Ok(())) => panic!("the caller did not like us: {error}"),
        (Ok(()), Ok(())) => Ok(Shaken { client, server, seen }),
    }
}

/// Both ends until neither has anything to say.
fn drive(client: &mut ClientConnection, server: &mut ServerConnection) -> (Outcome, Outcome) {
    let (mut one, mut other) = (Ok(()), Ok(()));
    loop {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut up).expect("memory");
        }
        if other.is_ok() {
            other = feed(&up, |bytes| server.read_tls(bytes));
            other = other.and(server.process_new_packets().map(drop));
        }
        while server.wants_write() {
            server.write_tls(&mut down).expect("memory");
        }
        if one.is_ok() {
            one = feed(&down, |bytes| client.read_tls(bytes));
            one = one.and(client.process_new_packets().map(drop));
        }
        if up.is_empty() && down.is_empty() {
            return (one, other);
        }
    }
}

type Outcome = Result<(), rustls::Error>;

fn feed(mut bytes: &[u8], mut read: impl FnMut(&mut dyn std::io::Read) -> std::io::Result<usize>) -> Outcome {
    while !bytes.is_empty() {
        if read(&mut bytes).expect("room for a handshake") == 0 {
            break;
        }
    }
    Ok(())
}

fn inside() -> SocketAddr {
    "10.30.0.5:40000".parse().expect("an address")
}
