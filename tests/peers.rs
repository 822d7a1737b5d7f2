//! Do other people's Modbus programs work through the gate, and do they take a refusal as their own manuals say?
//!
//! A refused program raises its own documented error, and its next request on the same connection is served.

mod c104;
pub(crate) mod programs;

use std::{process::Command, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use sluicegate::pki;
use tokio_modbus::{ExceptionCode, client::tcp, prelude::*};

pub(crate) use self::programs::python;
use self::programs::{Child, Tunnel, compiled};
use crate::gate::{Config, Device, Gate, PATIENCE, Peer, Site, missing, run, tls_config};

const ALLOW: &[&str] = &[
    "hmi read holding 0-99",
    "hmi read input 0-9",
    "hmi read coil 0-15",
    "hmi read discrete 0-15",
    "hmi write coil 0-7",
    "hmi write holding 40-49 = 0..1500",
    "hmi write holding 40-49 = 0..1500 via 23",
];

fn config(upstream: &str) -> Config {
    let nobody = Device::start();
    Config { upstream: format!("\"{upstream}\""), ..Config::tls(&nobody, ALLOW) }
}

#[test]
fn pymodbus_works_through_the_gate_with_a_pymodbus_device() {
    let Some(python) = python() else { return };
    let site = Site::new();
    let device = Child::pymodbus(&python, &site, None);
    let gate = Gate::start(&site, &config(&format!("127.0.0.1:{}", device.port)));
    pymodbus_client(&python, &site, &gate);
    gate.stop();
}

/// The device side speaks Modbus/TCP Security: it asks for our certificate, and we for its name.
#[test]
fn an_mbaps_device_is_met_with_a_certificate() {
    let Some(python) = python() else { return };
    let site = Site::new();
    let device = Child::pymodbus(&python, &site, Some("plc"));
    let gate = Gate::start(&site, &towards(&device));
    pymodbus_client(&python, &site, &gate);
    gate.stop();
}

/// Another device of the same authority in its place gets not one request.
#[test]
fn an_mbaps_device_with_another_name_is_not_served() {
    let Some(python) = python() else { return };
    let site = Site::new();
    let device = Child::pymodbus(&python, &site, Some("gate"));
    let gate = Gate::start(&site, &towards(&device));
    let mut peer = Peer::tls(&gate, &site, "scada");
    assert_eq!(peer.ask(&[3, 0, 40, 0, 1]), [0x83, 0x0a], "the device cannot be reached");
    assert_eq!(peer.ask(&[6, 0, 40, 0, 1]), [0x86, 0x0a]);
    gate.metric_reaches("upstream_connect_failures_total{conduit=\"pump\"}", 1);
    gate.stop();
}

fn towards(device: &Child) -> Config {
    let mut config = config(&format!("tls:127.0.0.1:{}", device.port));
    config.conduit =
        "upstream_certificate = \"gateway\"\nupstream_authorities = [\"plant\"]\nupstream_peer = \"plc\"".into();
    config.more =
        "[identities.plc]\nzone = \"cell\"\nauthority = \"plant\"\nmatch = { dns = \"plc\" }\nroles = []\n".into();
    config
}

fn pymodbus_client(python: &str, site: &Site, gate: &Gate) {
    let mut client = Command::new(python);
    client.arg(programs::script("pymodbus_client.py")).arg(gate.address().port().to_string());
    client.arg(site.crt("plant")).arg(site.crt("scada")).arg(site.key("scada"));
    let (ok, said) = run(&mut client);
    assert!(ok && said.contains("OK"), "{said}");
}

#[test]
fn libmodbus_works_through_stunnel_and_the_gate_with_a_libmodbus_device() {
    if missing(&["cc", "pkg-config", "libmodbus", "stunnel"]) {
        return;
    }
    let site = Site::new();
    let device = Child::libmodbus(&compiled(&site, "libmodbus_server"));
    let gate = Gate::start(&site, &config(&format!("127.0.0.1:{}", device.port)));
    let tunnel = Tunnel::to(&site, &gate);
    let (ok, said) = run(Command::new(compiled(&site, "libmodbus_client")).arg(tunnel.port.to_string()));
    assert!(ok && said.contains("OK"), "{said}");
    gate.stop();
}

#[test]
fn mbpoll_works_through_stunnel_and_the_gate_with_a_libmodbus_device() {
    if missing(&["cc", "pkg-config", "libmodbus", "stunnel", "mbpoll"]) {
        return;
    }
    let site = Site::new();
    let device = Child::libmodbus(&compiled(&site, "libmodbus_server"));
    let gate = Gate::start(&site, &config(&format!("127.0.0.1:{}", device.port)));
    let tunnel = Tunnel::to(&site, &gate);
    let poll = |words: &[&str], values: &[&str]| {
        let mut command = Command::new("mbpoll");
        command.args(["-m", "tcp", "-0", "-1", "-o", "10", "-p", &tunnel.port.to_string()]).args(words);
        run(command.arg("127.0.0.1").args(values))
    };
    let (ok, said) = poll(&["-a", "1", "-t", "4", "-r", "40"], &["1200"]);
    assert!(ok && said.contains("Written 1 references"), "{said}");
    let (ok, said) = poll(&["-a", "1", "-t", "4", "-r", "40", "-c", "2"], &[]);
    assert!(ok && said.contains("[40]: \t1200") && said.contains("[41]: \t0"), "{said}");
    let (ok, said) = poll(&["-a", "1", "-t", "4", "-r", "40"], &["1501"]);
    assert!(!ok && said.contains("Write output (holding) register failed: Illegal data value"), "{said}");
    let (_, said) = poll(&["-a", "1", "-t", "4", "-r", "200"], &[]);
    assert!(said.contains("Read output (holding) register failed: Illegal data address"), "{said}");
    // Unit 2 is not allowed; on the same connection unit 1 is polled next.
    let (_, said) = poll(&["-a", "2,1", "-t", "4", "-r", "40"], &[]);
    assert!(said.contains("Read output (holding) register failed: Illegal function"), "{said}");
    assert!(said.contains("-- Polling slave 1...\n[40]: \t1200"), "{said}");
    gate.stop();
}

#[test]
fn tokio_modbus_works_over_tokio_rustls() {
    let (site, device) = (Site::new(), Device::start());
    let gate = Gate::start(&site, &Config::tls(&device, ALLOW));
    let address = gate.address();
    let config = Arc::clone(&tls_config(&site, Some((&site.crt("scada"), &site.key("scada")))));
    let talk = async move {
        let stream = tokio::net::TcpStream::connect(address).await.expect("the gate listens");
        let name = ServerName::try_from("gate").expect("a name");
        let stream = tokio_rustls::TlsConnector::from(config).connect(name, stream).await.expect("a session");
        let mut client = tcp::attach_slave(stream, Slave(1));
        assert_eq!(client.read_holding_registers(40, 2).await.expect("carried"), Ok(vec![40, 41]));
        assert_eq!(client.write_single_register(40, 1200).await.expect("carried"), Ok(()));
        assert_eq!(client.write_multiple_registers(41, &[3, 4]).await.expect("carried"), Ok(()));
        assert_eq!(client.write_multiple_coils(0, &[true, false]).await.expect("carried"), Ok(()));
        assert_eq!(client.read_write_multiple_registers(40, 1, 43, &[9]).await.expect("carried"), Ok(vec![1200]));
        for (refused, code) in [
            (client.write_single_register(40, 1501).await, ExceptionCode::IllegalDataValue),
            (client.write_single_register(50, 1).await, ExceptionCode::IllegalDataAddress),
            (client.masked_write_register(40, 0, 1).await, ExceptionCode::IllegalFunction),
            (client.write_single_coil(9, true).await, ExceptionCode::IllegalDataAddress),
        ] {
            assert_eq!(refused.expect("an exception is no broken connection"), Err(code));
            assert_eq!(client.read_holding_registers(40, 1).await.expect("carried"), Ok(vec![1200]));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, talk).await.expect("in time") });
    let writes = ["0106002804b0", "0110002900020400030004", "010f000000020101", "011700280001002b0001020009"];
    assert_eq!(device.writes(), writes, "and nothing else at the device");
    gate.stop();
}

/// Modbus/TCP Security: a role in the certificate confers ours of the same name, and only to a peer that is enrolled.
#[test]
fn a_role_in_the_certificate_confers_a_role() {
    let (site, device) = (Site::new(), Device::start());
    for (name, of, role) in [("op", "viewer", "Operator"), ("guest", "viewer", "Guest"), ("alien", "alien", "Operator")]
    {
        let mut request = Site::names(of, false);
        request.name = name.into();
        request.role = Some(role.into());
        pki::issue(&site.pki(), Some("plant"), &request).expect("issued");
    }
    let mut config = Config::tls(&device, ALLOW);
    config.hmi = "modbus_role = \"Operator\"".into();
    let gate = Gate::start(&site, &config);
    let read = [3, 0, 40, 0, 1];
    assert_eq!(Peer::tls(&gate, &site, "viewer").ask(&read), [0x83, 1], "without the extension");
    assert_eq!(Peer::tls(&gate, &site, "guest").ask(&read), [0x83, 1], "a role that means nothing here");
    let _ = Peer::tls(&gate, &site, "alien").try_ask(&read).expect_err("a role without an identity is nothing");
    assert_eq!(device.seen(), [], "none of them");
    let mut op = Peer::tls(&gate, &site, "op");
    assert_eq!(op.ask(&read), [3, 2, 0, 40]);
    assert_eq!(op.ask(&[6, 0, 40, 0, 9]), [6, 0, 40, 0, 9]);
    let opened = site.record("the operator's session", |one| {
        one["event"] == "session_opened" && one["roles"].as_array().is_some_and(|all| all.contains(&"hmi".into()))
    });
    assert_eq!(opened["identity"], "viewer");
    gate.stop();
}

/// How long a program of others may take to listen.
const UP: Duration = PATIENCE;
