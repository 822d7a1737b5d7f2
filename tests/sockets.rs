//! The sockets: real TLS clients, a real device, and peers that misbehave on the way.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use sluicegate::{observe::record::Event, worker::Stage};
use sluicegate_proto::vocab::Cause;
use socket2::SockRef;

mod device;
mod gate;
mod process;

use device::Device;
use gate::{Gate, answer, ask, request, wait_for};

const READ: &[u8] = &[3, 0, 7, 0, 2];
const VALUES: &[u8] = &[3, 4, 0, 7, 0, 8];
const WRITE: &[u8] = &[6, 0, 40, 5, 0];
const TOO_MUCH: &[u8] = &[6, 0, 40, 0x10, 0];

fn plain(device: &Device) -> String {
    format!("\"{}\"", device.address)
}

#[test]
fn a_client_with_a_certificate_reads_and_writes_what_is_allowed_and_nothing_else() {
    let device = Device::start();
    let mut gate = Gate::before(&plain(&device), "");
    assert_eq!(device.connections(), 0, "the device is dialled when the first message is forwarded");
    let mut client = gate.client("scada");
    assert_eq!(ask(&mut client, 1, READ), VALUES);
    assert_eq!(ask(&mut client, 2, WRITE), WRITE);
    assert_eq!(device.written(), 0x500);
    let before = device.got().len();
    assert_eq!(ask(&mut client, 3, TOO_MUCH), [0x86, 3]);
    assert_eq!(ask(&mut client, 4, &[5, 0, 1, 0xff, 0]), [0x85, 1]);
    assert_eq!(device.got().len(), before, "a refused message is nothing on the device's wire");
    assert_eq!(ask(&mut client, 5, READ), VALUES, "and the next request succeeds");
    assert_eq!(device.connections(), 1);
    let opened = gate.record("the session", |record| record.event == Event::SessionOpened);
    assert_eq!(opened.peer.map(|peer| peer.who.identity.clone()), Some("scada".to_owned()));
    gate.record("the refusal", |record| record.event == Event::Denied);
    gate.metric(r#"tls_handshakes_total{listener="ot",outcome="ok"}"#, "1");
}

#[test]
fn strangers_get_nothing_and_are_written_down() {
    let device = Device::start();
    let mut gate = Gate::before(&plain(&device), "");
    let refused = |gate: &Gate, name: Option<&str>| {
        let mut client = gate.client_as(name, "gate.plant");
        let _ = client.write_all(&request(1, READ));
        let mut nothing = Vec::new();
        let _ = client.read_to_end(&mut nothing);
        assert!(nothing.is_empty());
    };
    refused(&gate, None);
    let failed = gate.record("no certificate", |record| record.event == Event::HandshakeFailed);
    assert_eq!(failed.cause, Some(Cause::CertificateMissing));
    refused(&gate, Some("impostor"));
    let failed = gate.record("the impostor", |record| record.cause == Some(Cause::CertificateInvalid));
    let shown = failed.peer.expect("what it showed");
    assert!(shown.key_hash.is_some() && shown.names.iter().any(|name| name.contains("spiffe://plant/scada")));
    refused(&gate, Some("stranger"));
    let nobody = gate.record("the stranger", |record| record.event == Event::SessionRefused);
    assert_eq!(nobody.cause, Some(Cause::IdentityUnknown));
    assert!(device.got().is_empty());
    assert_eq!(gate.count(Event::SessionOpened), 0);
}

#[test]
fn a_plain_listener_knows_its_peers_by_their_source() {
    let device = Device::start();
    let gate = Gate::plain(&plain(&device), "");
    let mut client = gate.connect();
    assert_eq!(ask(&mut client, 1, READ), VALUES);
    assert_eq!(ask(&mut client, 2, TOO_MUCH), [0x86, 3]);
}

/// PX-01: the accept loop never waits for a peer, and silence ends at the handshake's deadline.
#[test]
fn silent_sockets_are_reaped_while_a_good_client_is_served() {
    let device = Device::start();
    let gate =
        Gate::before(&plain(&device), "handshake_timeout = \"2s\"\nlimits = { connections = \"1000/s burst 1000\" }");
    let mut silent: Vec<_> = (0..300).map(|_| gate.connect()).collect();
    for (number, one) in silent.iter_mut().enumerate() {
        // A third sends garbage, a third half a record header, a third nothing.
        let _ = match number % 3 {
            0 => one.write_all(b"GET / HTTP/1.1\r\n\r\n"),
            1 => one.write_all(&[22, 3, 1]),
            _ => Ok(()),
        };
    }
    let mut client = gate.client("scada");
    assert_eq!(ask(&mut client, 1, READ), VALUES);
    for mut one in silent {
        let mut rest = Vec::new();
        // An end or a reset: in either case within the test's patience, without a word of ours but an alert.
        let _ = one.read_to_end(&mut rest);
        assert!(rest.len() <= 7, "{rest:?}");
    }
    assert_eq!(ask(&mut client, 2, READ), VALUES);
}

/// PX-04: the peer has finished sending; its answer still arrives, then everything ends.
#[test]
fn a_half_closed_peer_gets_its_answer_and_a_clean_end() {
    let device = Device::start();
    let mut gate = Gate::before(&plain(&device), "");
    let mut client = gate.client("scada");
    client.write_all(&request(1, READ)).expect("sent");
    client.conn.send_close_notify();
    client.flush().expect("sent");
    client.sock.shutdown(Shutdown::Write).expect("FIN");
    assert_eq!(answer(&mut client, 1), VALUES);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("close_notify from the gate");
    assert!(rest.is_empty());
    let closed = gate.record("the end", |record| record.event == Event::SessionClosed);
    assert_eq!(closed.cause, Some(Cause::PeerClosed));
}

/// PX-04: a device that never answers does not keep a half-closed session alive.
#[test]
fn half_close_has_a_deadline() {
    let device = Device::start();
    device.mute(true);
    let mut gate = Gate::before(&plain(&device), "half_close_timeout = \"1s\"\nrequest_timeout = \"60s\"");
    let mut client = gate.client("scada");
    client.write_all(&request(1, READ)).expect("sent");
    client.conn.send_close_notify();
    client.flush().expect("sent");
    gate.record("the end", |record| record.event == Event::SessionClosed);
    gate.metric(r#"sessions{conduit="pump",kind="machine"}"#, "0");
}

#[test]
fn a_fin_without_close_notify_severs() {
    let device = Device::start();
    let mut gate = Gate::before(&plain(&device), "");
    let mut client = gate.client("scada");
    assert_eq!(ask(&mut client, 1, READ), VALUES);
    client.sock.shutdown(Shutdown::Write).expect("FIN");
    let closed = gate.record("the end", |record| record.event == Event::SessionClosed);
    assert_eq!(closed.cause, Some(Cause::Truncated));
}

/// PX-13: peers that reset in the middle of a frame leave nothing behind.
#[test]
fn resets_in_the_middle_of_a_frame_leave_nothing_behind() {
    let device = Device::start();
    let gate = Gate::before(&plain(&device), "limits = { connections = \"1000/s burst 1000\" }");
    for id in 0..40 {
        let mut client = gate.client("scada");
        assert_eq!(ask(&mut client, id, READ), VALUES);
        let half = request(id, READ);
        client.write_all(&half[..5]).expect("sent");
        SockRef::from(&client.sock).set_linger(Some(Duration::ZERO)).expect("linger");
    }
    gate.metric(r#"sessions{conduit="pump",kind="machine"}"#, "0");
    gate.metric("task_panics_total", "0");
    let mut client = gate.client("scada");
    assert_eq!(ask(&mut client, 1, READ), VALUES);
}

#[test]
fn a_device_that_is_away_is_said_to_be_and_found_again() {
    let address = {
        let device = Device::start();
        device.address
    };
    let mut gate = Gate::before(&format!("\"{address}\""), "");
    let mut client = gate.client("scada");
    assert_eq!(ask(&mut client, 1, READ), [0x83, 0x0a]);
    let device = Device::on(address);
    let mut id = 1;
    let found = std::cell::Cell::new(false);
    let last = std::cell::RefCell::new(client);
    wait_for("the device is found again", || {
        let mut client = last.borrow_mut();
        found.set(ask(&mut *client, 2, READ) == VALUES);
        found.get()
    });
    id += 1;
    assert_eq!(id, 2);
    drop(device);
    assert_eq!(gate.count(Event::SessionClosed), 0, "the session outlives its device");
}

#[test]
fn the_second_of_the_list_serves_when_the_first_is_away() {
    let away = {
        let device = Device::start();
        device.address
    };
    let device = Device::start();
    let gate = Gate::before(&format!("[\"{away}\", \"{}\"]", device.address), "");
    assert_eq!(ask(&mut gate.client("scada"), 1, READ), VALUES);
}

#[test]
fn a_session_too_many_is_closed_and_a_place_that_is_given_back_is_free() {
    let device = Device::start();
    let mut gate = Gate::before(&plain(&device), "max_sessions = 1");
    let mut first = gate.client("scada");
    assert_eq!(ask(&mut first, 1, READ), VALUES);
    let mut second = gate.client("scada");
    let _ = second.write_all(&request(1, READ));
    let mut nothing = Vec::new();
    let _ = second.read_to_end(&mut nothing);
    assert!(nothing.is_empty());
    gate.record("the refusal", |record| record.cause == Some(Cause::SessionLimit));
    first.conn.send_close_notify();
    first.flush().expect("sent");
    gate.metric(r#"sessions{conduit="pump",kind="machine"}"#, "0");
    assert_eq!(ask(&mut gate.client("scada"), 1, READ), VALUES);
}

/// PX-09: a certificate that ends ends its session.
#[test]
fn a_session_ends_with_its_certificate() {
    let device = Device::start();
    let mut gate = Gate::before(&plain(&device), "");
    let mut client = gate.client("scada");
    assert_eq!(ask(&mut client, 1, READ), VALUES);
    gate.clock.set(gate.clock.now().unix + 40 * 86_400);
    let closed = gate.record("the end", |record| record.event == Event::SessionClosed);
    assert_eq!(closed.cause, Some(Cause::CertificateExpired));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("close_notify from the gate");
}

#[test]
fn an_idle_session_is_drained_at_once_and_the_door_is_closed() {
    let device = Device::start();
    let mut gate = Gate::before(&plain(&device), "");
    let mut client = gate.client("scada");
    assert_eq!(ask(&mut client, 1, READ), VALUES);
    let held_up = gate.stop(&[Stage::Draining]);
    assert!(held_up.is_empty(), "{held_up:?}");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("close_notify from the gate");
    assert!(std::net::TcpStream::connect(gate.address).is_err());
    let closed = gate.record("the end", |record| record.event == Event::SessionClosed);
    assert_eq!(closed.cause, Some(Cause::Drain));
}

#[test]
fn whoever_holds_up_the_stop_is_severed_by_name() {
    let device = Device::start();
    device.mute(true);
    let mut gate = Gate::before(&plain(&device), "drain_timeout = \"1s\"\nrequest_timeout = \"60s\"");
    let mut client = gate.client("scada");
    client.write_all(&request(1, READ)).expect("sent");
    wait_for("the request is at the device", || !device.got().is_empty());
    let held_up = gate.stop(&[Stage::Draining]);
    assert_eq!(held_up.len(), 1);
    assert_eq!(held_up[0].peer.who.identity, "scada");
}

#[test]
fn a_device_behind_tls_is_reached_with_our_own_certificate() {
    let device = Device::start();
    let tls = device::TlsFront::before(device.address);
    let more = r#"
upstream_certificate = "gateway"
upstream_authorities = ["plant"]
upstream_peer = "plc"
"#;
    let gate = Gate::before(&format!("\"tls:{}\"", tls.address), more);
    tls.start(gate.dir(), "plc");
    assert_eq!(ask(&mut gate.client("scada"), 1, READ), VALUES);
}
