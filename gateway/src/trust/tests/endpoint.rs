//! Who may read the metrics off loopback? Real sockets, because the endpoint is one.

use std::{
    io::{Read, Write},
    time::Duration,
};

use tokio::sync::watch;

use super::*;
use crate::observe::{
    admin::{self, Admin, Standing, TlsSource},
    series::SiteLabels,
    site::SiteMetrics,
};

const METRICS: &str = r#"
[metrics]
bind = "127.0.0.1:0"
certificate = "gateway"
authorities = ["plant"]
"#;

/// The endpoint's first answer; empty when the handshake fails.
fn ask(address: SocketAddr, config: Arc<ClientConfig>) -> String {
    let client =
        ClientConnection::new(config, ServerName::try_from("gateway").expect("a name")).expect("good settings");
    let socket = std::net::TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let mut stream = rustls::StreamOwned::new(client, socket);
    let _ = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: gateway\r\n\r\n");
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn metrics_off_loopback_are_for_those_whom_its_authorities_vouch_for() {
    let plant = Plant::new();
    std::fs::write(plant.at("site.toml"), format!("{SITE}{METRICS}")).expect("writable");
    let gone = plant.issued("plant", "gone", "spiffe://north/gone");
    pki::revoke(&plant.at("plant"), Some("plant"), &plant.at("plant/gone.crt")).expect("ours");
    let trust = Arc::new(plant.trust());
    let next = move || trust.metrics_handshake().expect("the endpoint has TLS").config;
    let tls: TlsSource = Arc::new(next);
    let listener = admin::bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
    let address = listener.local_addr().expect("it has one");
    let (_standing, seen) = watch::channel(Standing::Ready);
    let metrics = SiteMetrics::with_labels(SiteLabels::default());
    admin::start(listener, Admin { metrics, standing: seen, tls: Some(tls) }).expect("started");

    let prometheus = Caller::new(plant.issued("plant", "prometheus", "spiffe://north/prometheus"));
    assert!(ask(address, prometheus.config(&plant)).starts_with("HTTP/1.1 200 "));
    for (stranger, why) in [
        (Caller { held: None, ..prometheus.clone() }, "no certificate"),
        (Caller::new(plant.issued("second", "other", "spiffe://south/other")), "an authority of the listeners only"),
        (Caller::new(plant.issued("rogue", "prometheus", "spiffe://north/prometheus")), "an authority of nobody"),
        (Caller::new(gone), "revoked"),
        (Caller { versions: ONLY_12, ..prometheus.clone() }, "TLS 1.2"),
    ] {
        assert_eq!(ask(address, stranger.config(&plant)), "", "{why}");
    }
    let mut plain = std::net::TcpStream::connect(address).expect("it listens");
    let _ = plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: gateway\r\n\r\n");
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!String::from_utf8_lossy(&said).contains("HTTP"), "no TLS, no answer");
}

#[test]
fn without_tls_the_endpoint_has_no_handshake() {
    assert!(Plant::new().trust().metrics_handshake().is_none());
}
