//! How are two gateways with a tunnel between them started: plain TCP in, the tunnel, plain TCP out?

use std::process::Command;

use crate::{
    contender::{
        Setup, Started,
        proxy::{haproxy_command, haproxy_far, haproxy_head, nginx_command, nginx_far, stunnel_command, stunnel_far},
    },
    lab::{self, Lab},
    null,
    process::{self, Part},
};

/// The far end first: a near end may dial at once.
fn both(setup: &Setup<'_>, far: Command, near: Command) -> Started {
    let parts = vec![Part::here(far, setup.middle), Part::here(near, setup.gate)];
    Started { parts, address: setup.gate, net: None }
}

pub(super) fn null_relays(setup: &Setup<'_>) -> Result<Started, String> {
    let end = |word: &str, listen: std::net::SocketAddr, device: std::net::SocketAddr| {
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.arg(word).arg(setup.plant.pki()).arg(listen.to_string()).arg(device.to_string());
        Ok::<_, String>(command)
    };
    let far = end(null::COMMAND, setup.middle, setup.device)?;
    Ok(both(setup, far, end(null::DIAL, setup.gate, setup.middle)?))
}

pub(super) fn haproxies(setup: &Setup<'_>) -> Result<Started, String> {
    let (pem, ca) = (setup.plant.pem("scada.pem"), setup.plant.pem("plant.crt"));
    let near = format!(
        "{head}frontend gate\n  bind {gate}\n  default_backend far\n\
         backend far\n  server far {middle} ssl crt {pem} ca-file {ca} verify required verifyhost gate sni str(gate) \
         ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256 no-ssl-reuse no-tls-tickets\n",
        head = haproxy_head(setup),
        gate = setup.gate,
        middle = setup.middle
    );
    let far = haproxy_command(setup, "haproxy-far.cfg", &haproxy_far(setup, setup.middle));
    Ok(both(setup, far, haproxy_command(setup, "haproxy-near.cfg", &near)))
}

pub(super) fn nginxes(setup: &Setup<'_>) -> Result<Started, String> {
    let plant = setup.plant;
    let (crt, key, ca) = (plant.pem("scada.crt"), plant.pem("scada.key"), plant.pem("plant.crt"));
    let near = format!(
        "  server {{\n    listen {gate} backlog=4096;\n    proxy_pass {middle};\n    proxy_ssl on;\n\
         \x20   proxy_ssl_certificate {crt};\n    proxy_ssl_certificate_key {key};\n\
         \x20   proxy_ssl_trusted_certificate {ca};\n    proxy_ssl_verify on;\n    proxy_ssl_name gate;\n\
         \x20   proxy_ssl_server_name on;\n    proxy_ssl_protocols TLSv1.3;\n    proxy_ssl_session_reuse off;\n\
         \x20   proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n  }}\n",
        gate = setup.gate,
        middle = setup.middle
    );
    let far = nginx_command(setup, "nginx-far", &nginx_far(setup, setup.middle));
    Ok(both(setup, far, nginx_command(setup, "nginx-near", &near)))
}

pub(super) fn stunnels(setup: &Setup<'_>) -> Result<Started, String> {
    let (pem, ca) = (setup.plant.pem("scada.pem"), setup.plant.pem("plant.crt"));
    let near = format!(
        "client = yes\naccept = {}\nconnect = {}\ncert = {pem}\nCAfile = {ca}\nsni = gate\ncheckHost = gate\n",
        setup.gate, setup.middle
    );
    let far = stunnel_command(setup, "stunnel-far.conf", &stunnel_far(setup, setup.middle));
    Ok(both(setup, far, stunnel_command(setup, "stunnel-near.conf", &near)))
}

/// spiped has a shared key and its own record format instead of TLS.
pub(super) fn spipeds(setup: &Setup<'_>) -> Result<Started, String> {
    let key = setup.plant.write("spiped.key", "a key of this bench, which protects nothing\n");
    let end = |way: &str, source: std::net::SocketAddr, target: std::net::SocketAddr| {
        let socket = |one: std::net::SocketAddr| format!("[{}]:{}", one.ip(), one.port());
        let mut command = Command::new("spiped");
        command.args([way, "-F", "-n", "0", "-s", &socket(source), "-t", &socket(target), "-k"]).arg(&key);
        command
    };
    let (far, near) = (end("-d", setup.middle, setup.device), end("-e", setup.gate, setup.middle));
    setup.plant.keep("spiped.txt", &format!("{far:?}\n{near:?}\n"));
    Ok(both(setup, far, near))
}

pub(super) fn openvpn_version() -> Result<String, String> {
    if !std::path::Path::new("/dev/net/tun").exists() {
        return Err("there is no /dev/net/tun".into());
    }
    if !rustix::process::geteuid().is_root() {
        return Err("network namespaces need root".into());
    }
    process::version("ip", &["-V"])?;
    process::version("openvpn", &["--version"])
}

/// One client, one server, each in its namespace; the device is behind the server's end of the tunnel.
pub(super) fn openvpns(setup: &Setup<'_>) -> Result<Started, String> {
    let lab = setup.plant.tunnel()?;
    let plant = setup.plant;
    let end = |space: &str, role: &str, name: &str, ours: u8| {
        let theirs = 3 - ours;
        let text = format!(
            "dev tun0\ndev-type tun\nproto udp\nlocal 10.78.0.{ours}\nremote 10.78.0.{theirs}\nport 1194\n\
             ifconfig 10.79.0.{ours} 10.79.0.{theirs}\n{role}\nca {ca}\ncert {crt}\nkey {key}\ndh none\n\
             tls-version-min 1.3\ntls-groups X25519\ntls-ciphersuites TLS_AES_128_GCM_SHA256\n\
             data-ciphers AES-128-GCM\nfast-io\nsndbuf 1048576\nrcvbuf 1048576\ntxqueuelen 1000\nverb 0\n",
            ca = plant.pem("plant.crt"),
            crt = plant.pem(&format!("{name}.crt")),
            key = plant.pem(&format!("{name}.key")),
        );
        let mut command = Lab::command(space, "openvpn");
        command.arg("--config").arg(plant.write(&format!("openvpn-{role}.conf"), &text));
        command
    };
    let far = end(&lab.device, "tls-server", "gate", 2);
    let near = end(&lab.client, "tls-client", "scada", 1);
    let part = |command| Part { command, listens: lab::tunnelled(), net: Some(lab.client.clone()) };
    Ok(Started { parts: vec![part(far), part(near)], address: lab::tunnelled(), net: Some(lab.client.clone()) })
}
