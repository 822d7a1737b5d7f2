//! How are the proxies started that people put in front of a PLC?

use std::process::Command;

use crate::{
    contender::{Setup, Started, Way},
    null, process,
};

pub(super) fn null_relay(setup: &Setup<'_>) -> Result<Started, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
    command.arg(null::COMMAND).arg(setup.plant.pki()).arg(setup.gate.to_string()).arg(setup.device.to_string());
    Ok(Started::here(command, setup.gate))
}

pub(super) fn haproxy(setup: &Setup<'_>) -> Result<Started, String> {
    let text = haproxy_far(setup, setup.gate);
    Ok(Started::here(haproxy_command(setup, "haproxy.cfg", &text), setup.gate))
}

pub(super) fn haproxy_command(setup: &Setup<'_>, name: &str, text: &str) -> Command {
    let mut command = Command::new("haproxy");
    command.args(["-q", "-db", "-f"]).arg(setup.plant.write(name, text));
    command
}

/// What both ends of haproxy share. It does not start with more sessions than it may open files for.
pub(super) fn haproxy_head(setup: &Setup<'_>) -> String {
    let most = process::sessions_that_fit().min(12_000);
    // A quarter better with bytes in bulk, either way; with messages it only costs memory.
    let buffer = if setup.need.bulk.is_some() { "  tune.bufsize 65536\n" } else { "" };
    format!(
        "global\n  nbthread 1\n  maxconn {most}\n  tune.ssl.cachesize 0\n{buffer}\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\n  maxconn {most}\n\
         \x20 backlog 4096\n  option tcp-smart-accept\n  option tcp-smart-connect\n"
    )
}

/// TLS in, plain TCP out.
pub(super) fn haproxy_far(setup: &Setup<'_>, gate: std::net::SocketAddr) -> String {
    let (pem, ca, device) = (setup.plant.pem("gate.pem"), setup.plant.pem("plant.crt"), setup.device);
    format!(
        "{head}frontend gate\n  bind {gate} ssl crt {pem} ca-file {ca} verify required ssl-min-ver TLSv1.3 \
         curves X25519 ciphersuites TLS_AES_128_GCM_SHA256 no-tls-tickets\n  default_backend device\n\
         backend device\n  server plc {device}\n",
        head = haproxy_head(setup)
    )
}

pub(super) fn nginx(setup: &Setup<'_>) -> Result<Started, String> {
    let text = nginx_far(setup, setup.gate);
    Ok(Started::here(nginx_command(setup, "nginx", &text), setup.gate))
}

/// `server` within what both ends of nginx share.
pub(super) fn nginx_command(setup: &Setup<'_>, name: &str, server: &str) -> Command {
    let home = setup.plant.fresh(name);
    let text = format!(
        "daemon off;\nworker_processes 1;\nworker_rlimit_nofile 65536;\nerror_log stderr crit;\npid {home}/pid;\n\
         load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         events {{ worker_connections 40000; multi_accept on; }}\n\
         stream {{\n  access_log off;\n  tcp_nodelay on;\n  proxy_buffer_size {buffer};\n  proxy_timeout 10m;\n{server}}}\n",
        home = home.display(),
        // More than a record is better upwards, and worse downwards.
        buffer = if setup.need.bulk == Some(Way::Up) { "64k" } else { "16k" },
    );
    let mut command = Command::new("nginx");
    command.arg("-c").arg(setup.plant.write(&format!("{name}.conf"), &text)).arg("-p").arg(home);
    command
}

/// TLS in, plain TCP out.
pub(super) fn nginx_far(setup: &Setup<'_>, gate: std::net::SocketAddr) -> String {
    let (plant, device) = (setup.plant, setup.device);
    let (crt, key, ca) = (plant.pem("gate.crt"), plant.pem("gate.key"), plant.pem("plant.crt"));
    format!(
        "  server {{\n    listen {gate} ssl backlog=4096;\n    proxy_pass {device};\n    ssl_certificate {crt};\n\
         \x20   ssl_certificate_key {key};\n    ssl_client_certificate {ca};\n    ssl_verify_client on;\n\
         \x20   ssl_protocols TLSv1.3;\n    ssl_ecdh_curve X25519;\n\
         \x20   ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n    ssl_session_cache off;\n\
         \x20   ssl_session_tickets off;\n  }}\n"
    )
}

pub(super) fn stunnel(setup: &Setup<'_>) -> Result<Started, String> {
    let text = stunnel_far(setup, setup.gate);
    Ok(Started::here(stunnel_command(setup, "stunnel.conf", &text), setup.gate))
}

pub(super) fn stunnel_command(setup: &Setup<'_>, name: &str, service: &str) -> Command {
    let text = format!(
        "foreground = quiet\ndebug = 0\npid =\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n[gate]\n{service}\
         sslVersionMin = TLSv1.3\ncurves = X25519\nciphersuites = TLS_AES_128_GCM_SHA256\noptions = NO_TICKET\n\
         verifyChain = yes\nsessionCacheSize = 1\nTIMEOUTidle = 600\n"
    );
    let mut command = Command::new("stunnel4");
    command.arg(setup.plant.write(name, &text));
    command
}

/// TLS in, plain TCP out.
pub(super) fn stunnel_far(setup: &Setup<'_>, gate: std::net::SocketAddr) -> String {
    let (pem, ca, device) = (setup.plant.pem("gate.pem"), setup.plant.pem("plant.crt"), setup.device);
    format!("accept = {gate}\nconnect = {device}\ncert = {pem}\nCAfile = {ca}\n")
}

/// hitch knows no client certificates.
pub(super) fn hitch(setup: &Setup<'_>) -> Result<Started, String> {
    let (address, device) = (setup.gate, setup.device);
    let text = format!(
        "frontend = {{ host = \"{}\" port = \"{}\" }}\nbackend = \"[{}]:{}\"\npem-file = \"{}\"\nworkers = 1\n\
         backlog = 4096\ntls-protos = TLSv1.3\nciphersuites = \"TLS_AES_128_GCM_SHA256\"\nquiet = on\nuser = \"nobody\"\n",
        address.ip(),
        address.port(),
        device.ip(),
        device.port(),
        setup.plant.pem("gate.pem")
    );
    let mut command = Command::new("hitch");
    command.arg("--config").arg(setup.plant.write("hitch.conf", &text));
    Ok(Started::here(command, address))
}

/// No registry has ghostunnel: name its binary where there is one.
pub(super) fn ghostunnel_program() -> Result<String, String> {
    std::env::var("SLUICEGATE_GHOSTUNNEL").map_err(|_| "set SLUICEGATE_GHOSTUNNEL to its binary".into())
}

pub(super) fn ghostunnel(setup: &Setup<'_>) -> Result<Started, String> {
    let mut command = Command::new(ghostunnel_program()?);
    command.env("GOMAXPROCS", "1").args(["server", "--quiet=all", "--allow-all"]);
    command.arg("--listen").arg(setup.gate.to_string()).arg("--target").arg(setup.device.to_string());
    for (flag, file) in [("--cert", "gate.crt"), ("--key", "gate.key"), ("--cacert", "plant.crt")] {
        command.arg(flag).arg(setup.plant.pki().join(file));
    }
    setup.plant.keep("ghostunnel.txt", &format!("{command:?}\n"));
    Ok(Started::here(command, setup.gate))
}
