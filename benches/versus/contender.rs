//! Who is measured, how is it set up at its best, and where do its settings come from?
//!
//! | setting | for | source |
//! |---|---|---|
//! | one worker, one thread | all | the comparison is per core |
//! | TLS 1.3, X25519, AES-128-GCM, ECDSA P-256 on both sides | all that speak TLS | the clients offer nothing else; named in each configuration that can name it |
//! | client certificates required and checked | all but hitch, which has none | the task |
//! | no tickets, no session cache, no reuse towards a far end | all | a resumed handshake skips the certificate check |
//! | TCP_NODELAY | nginx `tcp_nodelay on`, stunnel `socket = l:/r:TCP_NODELAY=1`; haproxy, envoy, ghostunnel, hitch, spiped set it themselves | request and answer |
//! | no access log, no statistics | all peers; ours keeps its metrics and its audit | the task: everything of ours is on |
//! | room for 12,000 sessions (`maxconn`, as many as files allow), a listen queue of 4,096 | all | idle-10000, churn |
//! | `nbthread 1`, `tune.ssl.cachesize 0`, `no-tls-tickets`, `curves`, `ciphersuites` | haproxy | Configuration Manual 2.6, 3.1, 3.2 and 5.1 |
//! | `option tcp-smart-accept`, `option tcp-smart-connect`: a packet less a connection | haproxy | Configuration Manual 4.2 |
//! | `tune.bufsize` at its 16 KiB, one TLS record; 64 KiB for bulk; splicing needs plain TCP on both sides | haproxy | Configuration Manual 3.2; bulk: tried here, a quarter better |
//! | `no-ssl-reuse`, `verifyhost` | haproxy, near end | Configuration Manual 5.2 |
//! | `worker_processes 1`, `multi_accept on`, `worker_connections`, `worker_rlimit_nofile` | nginx | ngx_core_module |
//! | `reuseport` left out: one worker has nobody to share with | nginx | ngx_stream_core_module, listen |
//! | `proxy_buffer_size 16k`, one TLS record; 64k for bulk-up | nginx | ngx_stream_proxy_module; bulk: tried here, better upwards, worse downwards |
//! | `ssl_session_cache off`, `ssl_session_tickets off`, `ssl_conf_command Ciphersuites`, `ssl_ecdh_curve` | nginx | ngx_stream_ssl_module |
//! | `proxy_ssl_session_reuse off`, `proxy_ssl_verify on`, `proxy_ssl_name` | nginx, near end | ngx_stream_proxy_module |
//! | `sessionCacheSize = 1`, `options = NO_TICKET`, `verifyChain`, `checkHost`, `debug = 0` | stunnel | stunnel(8) |
//! | `workers = 1`, `backlog = 4096`, no `ssl-engine` (OpenSSL's own AES-NI) | hitch | hitch.conf(5); backends are dialled a connection each, there is nothing to set |
//! | `--concurrency 1`, `--disable-hot-restart`, `--log-level off` | envoy | command line reference |
//! | `stats_matcher.reject_all`, no admin, no access log | envoy | config.metrics.v3.StatsConfig |
//! | `per_connection_buffer_limit_bytes` at its 1 MiB, `tcp_backlog_size 4096`, circuit breakers out of the way | envoy | config.listener.v3.Listener, config.cluster.v3.CircuitBreakers |
//! | `enable_reuse_port: false`: one worker | envoy | config.listener.v3.Listener |
//! | `GOMAXPROCS=1`, `--quiet=all` | ghostunnel | its README, Go runtime |
//! | `-n 0` (no limit), `-F`; full handshake with forward secrecy as TLS has it (no `-f`) | spiped | spiped(1) |
//! | AES-128-GCM by `--data-ciphers`, no compression, `--fast-io`, `--sndbuf`/`--rcvbuf` at what the system allows, UDP | OpenVPN | openvpn(8) |
//! | AF_PACKET in copy mode `ips`, `use-mmap`, `workers` with one thread a side, other protocols off | Suricata | its user guide, AF_PACKET IPS mode |
//! | offloads off, checksums not asked for | Suricata | user guide: what a packet socket sends carries the checksum it came with |

#[path = "contender/envoy.rs"]
mod envoy;
#[path = "contender/inspector.rs"]
mod inspector;
#[path = "contender/ours.rs"]
mod ours;
#[path = "contender/pair.rs"]
mod pair;
#[path = "contender/proxy.rs"]
mod proxy;

use std::{net::SocketAddr, process::Command};

use crate::{
    plant::Plant,
    process::{self, Part, Process},
};

pub(crate) use ours::{SLUICEGATE, name};

/// Somebody who takes the clients' connections.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What is here of it, or why it is missing.
    pub(crate) version: fn() -> Result<String, String>,
    start: fn(&Setup<'_>) -> Result<Started, String>,
}

/// What a contender is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing between client and device, and no TLS.
    Direct,
    /// Our own relay that reads nothing.
    Floor,
    /// TLS with client certificates: what we are measured against.
    Peer,
    /// Without client certificates: shown, never the best peer.
    Lesser,
    /// Sluicegate.
    Ours,
    /// Sluicegate with all clients over one device connection, where peers have one a client.
    OursShared,
    /// Two gateways with a tunnel between them; the clients speak plain TCP.
    Pair,
    /// Our own relay twice.
    PairFloor,
    /// It inspects on the wire, without TLS.
    Inspector,
}

/// What a scenario needs of a contender that can do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Several requests on the wire of one device connection, several in one write.
    pub(crate) pipeline: bool,
    /// All clients over one device connection.
    pub(crate) shared: bool,
    /// Each allowed write on disk before it leaves.
    pub(crate) durable: bool,
    /// The built-in limits on connections, sized for the honest.
    pub(crate) guarded: bool,
    /// A socket for local commands.
    pub(crate) control: bool,
    /// One core for the contender, so one worker.
    pub(crate) one_core: bool,
    pub(crate) conduits: usize,
    /// In each conduit.
    pub(crate) rules: usize,
    /// Bytes that nobody understands, in this direction.
    pub(crate) bulk: Option<Way>,
}

/// Where the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

impl Need {
    /// One conduit, twenty rules, a device connection for each client.
    pub(crate) const PLAIN: Self = Self {
        pipeline: false,
        shared: false,
        durable: false,
        guarded: false,
        control: false,
        one_core: false,
        conduits: 1,
        rules: 20,
        bulk: None,
    };
}

/// What a contender is started with.
struct Setup<'a> {
    plant: &'a Plant,
    /// Where it is to listen.
    gate: SocketAddr,
    /// Where the far end of a pair is to listen.
    middle: SocketAddr,
    /// Where ours tells its metrics.
    metrics: SocketAddr,
    /// Who is behind it.
    device: SocketAddr,
    need: Need,
}

/// What is to be started, and where the clients find it.
struct Started {
    parts: Vec<Part>,
    address: SocketAddr,
    net: Option<String>,
}

/// A contender that runs: where it listens, and its processes (none for `direct`).
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// The namespace of the clients.
    pub(crate) net: Option<String>,
    pub(crate) process: Option<Process>,
    pub(crate) metrics: Option<SocketAddr>,
}

impl Started {
    fn here(command: Command, gate: SocketAddr) -> Self {
        Self { parts: vec![Part::here(command, gate)], address: gate, net: None }
    }
}

impl Contender {
    /// Starts it on fresh ports.
    pub(crate) fn start(&self, plant: &Plant, need: Need) -> Result<Running, String> {
        let device = match need.bulk {
            None => plant.devices.modbus,
            Some(Way::Up) => plant.devices.sink,
            Some(Way::Down) => plant.devices.source,
        };
        if self.kind == Kind::Direct {
            return Ok(Running { address: device, net: None, process: None, metrics: None });
        }
        let [gate, middle, metrics] = [(); 3].map(|()| process::free_port());
        let started = (self.start)(&Setup { plant, gate, middle, metrics, device, need })?;
        let process = Some(Process::start(started.parts)?);
        let ours = matches!(self.kind, Kind::Ours | Kind::OursShared);
        Ok(Running { address: started.address, net: started.net, process, metrics: ours.then_some(metrics) })
    }

    /// Whether its clients speak TLS.
    pub(crate) fn takes_tls(&self) -> bool {
        match self.kind {
            Kind::Floor | Kind::Peer | Kind::Lesser | Kind::Ours | Kind::OursShared => true,
            Kind::Direct | Kind::Pair | Kind::PairFloor | Kind::Inspector => false,
        }
    }
}

/// Everybody, in the order of the tables.
pub(crate) fn all() -> Vec<Contender> {
    let one = |name, kind, version, start| Contender { name, kind, version, start };
    let relay = || Ok("ours: rustls over epoll".into());
    vec![
        one("direct", Kind::Direct, || Ok("no TLS, nothing between".into()), |_| Err("nothing to start".into())),
        one("null-relay", Kind::Floor, relay, proxy::null_relay),
        one("haproxy", Kind::Peer, || process::version("haproxy", &["-v"]), proxy::haproxy),
        one("nginx", Kind::Peer, || process::version("nginx", &["-v"]), proxy::nginx),
        one("envoy", Kind::Peer, || process::version(&envoy::program()?, &["--version"]), envoy::start),
        one(
            "ghostunnel",
            Kind::Peer,
            || process::version(&proxy::ghostunnel_program()?, &["--version"]),
            proxy::ghostunnel,
        ),
        one("stunnel", Kind::Peer, || process::version("stunnel4", &["-version"]), proxy::stunnel),
        one("hitch", Kind::Lesser, || process::version("hitch", &["--version"]), proxy::hitch),
        one("sluicegate", Kind::Ours, ours::version, ours::start),
        one("sluicegate-shared", Kind::OursShared, ours::version, ours::start_shared),
        one("null-pair", Kind::PairFloor, relay, pair::null_relays),
        one("haproxy-pair", Kind::Pair, || process::version("haproxy", &["-v"]), pair::haproxies),
        one("nginx-pair", Kind::Pair, || process::version("nginx", &["-v"]), pair::nginxes),
        one("stunnel-pair", Kind::Pair, || process::version("stunnel4", &["-version"]), pair::stunnels),
        one("spiped-pair", Kind::Pair, || process::version("spiped", &["-v"]), pair::spipeds),
        one("openvpn-pair", Kind::Pair, pair::openvpn_version, pair::openvpns),
        one(
            "sluicegate-pair",
            Kind::Pair,
            || Err("Sluicegate has no tunnels yet".into()),
            |_| Err("no tunnels yet".into()),
        ),
        one("suricata", Kind::Inspector, inspector::version, inspector::suricata),
    ]
}
