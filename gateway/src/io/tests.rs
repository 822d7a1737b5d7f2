//! Streams that end well and streams that do not.

use std::{future::poll_fn, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use sluicegate_proto::out::Out;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::tasks::small_runtime;

mod records;

/// Two ends of one loopback connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.expect("connected"), accepted.expect("accepted").0)
}

/// A server and a client that trusts it.
fn both_ends() -> (ServerConfig, ClientConfig) {
    let issued = rcgen::generate_simple_self_signed(vec!["gate".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).expect("a key");
    let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .expect("a server");
    server.send_tls13_tickets = 0;
    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone()).expect("a root");
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (server, client)
}

/// A handshake over loopback: the client's tokio-rustls stream and our side as it travels to a worker.
async fn tls_pair() -> (tokio_rustls::client::TlsStream<TcpStream>, PeerIo) {
    let (server, client) = both_ends();
    let (near, far) = pair().await;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from("gate").expect("a name");
    let (client, server) = tokio::join!(connector.connect(name, near), shake::accept(Arc::new(server), far));
    let (stream, records) = server.expect("accepted");
    let parked = Parked::Tls(stream.into_std().expect("parked"), records);
    (client.expect("connected"), PeerIo::unpark(parked).expect("unparked"))
}

async fn fill(io: &mut PeerIo, scratch: &mut Scratch) -> Fill {
    let filled = poll_fn(|cx| io.poll_fill(cx, scratch));
    tokio::time::timeout(Duration::from_secs(20), filled).await.expect("something happens")
}

async fn flush(io: &mut PeerIo, out: &mut Out) {
    let mut scratch = Scratch::new();
    poll_fn(|cx| io.poll_flush(cx, &mut scratch, out)).await.expect("flushed");
}

#[test]
fn tls_carries_bytes_both_ways_and_a_goodbye_is_an_end() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut client, mut io) = tls_pair().await;
        let mut scratch = Scratch::new();
        client.write_all(b"hello").await.expect("sent");
        assert_eq!(fill(&mut io, &mut scratch).await, Fill::Bytes(5));
        assert_eq!(scratch.plain(5), b"hello");
        // PX-19: a record's header of 5, the type of what is in it, and 16 of AEAD.
        assert_eq!([io.take_overhead(5), io.take_overhead(5)], [22, 0]);
        let mut out = Out::new(64);
        out.push(b"welcome").expect("room");
        flush(&mut io, &mut out).await;
        assert!(out.is_empty());
        let mut answer = [0; 7];
        client.read_exact(&mut answer).await.expect("answered");
        assert_eq!(&answer, b"welcome");
        // Half-close: close_notify and FIN from the peer, and our answers still arrive.
        client.shutdown().await.expect("half closed");
        assert_eq!(fill(&mut io, &mut scratch).await, Fill::Eof);
        out.push(b"late").expect("room");
        flush(&mut io, &mut out).await;
        poll_fn(|cx| io.poll_goodbye(cx)).await.expect("said");
        let mut late = Vec::new();
        client.read_to_end(&mut late).await.expect("a clean end");
        assert_eq!(late, b"late");
    });
}

#[test]
fn a_fin_without_close_notify_is_truncation() {
    small_runtime().expect("a runtime").block_on(async {
        let (client, mut io) = tls_pair().await;
        let (mut socket, _connection) = client.into_inner();
        socket.shutdown().await.expect("FIN");
        assert_eq!(fill(&mut io, &mut Scratch::new()).await, Fill::Truncated);
    });
}

#[test]
fn a_reset_is_truncation_and_a_plain_fin_is_not() {
    small_runtime().expect("a runtime").block_on(async {
        let (client, server) = pair().await;
        SockRef::from(&client).set_linger(Some(Duration::ZERO)).expect("linger");
        drop(client);
        assert_eq!(fill(&mut PeerIo::Tcp(server), &mut Scratch::new()).await, Fill::Truncated);
        let (client, server) = pair().await;
        drop(client);
        assert_eq!(fill(&mut PeerIo::Tcp(server), &mut Scratch::new()).await, Fill::Eof);
    });
}

#[test]
fn bytes_that_are_no_record_break_the_session_and_say_why() {
    small_runtime().expect("a runtime").block_on(async {
        let (client, mut io) = tls_pair().await;
        let (mut socket, _connection) = client.into_inner();
        socket
            .write_all(&[0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
            .await
            .expect("sent");
        assert_eq!(fill(&mut io, &mut Scratch::new()).await, Fill::Broken);
        let mut alert = [0; 5];
        socket.read_exact(&mut alert).await.expect("an alert record");
    });
}

/// PX-15: rustls counts them; the bound is here so that a change of library is noticed.
#[test]
fn a_flood_of_key_updates_ends_the_session() {
    small_runtime().expect("a runtime").block_on(async {
        let (client, mut io) = tls_pair().await;
        let (mut socket, mut connection) = client.into_inner();
        for _ in 0..64 {
            connection.refresh_traffic_keys().expect("a key update");
            let mut wire = Vec::new();
            while connection.wants_write() {
                connection.write_tls(&mut wire).expect("in memory");
            }
            socket.write_all(&wire).await.expect("sent");
        }
        assert_eq!(fill(&mut io, &mut Scratch::new()).await, Fill::Broken);
    });
}

/// A batch larger than one read comes through whole, record by record, and in order.
#[test]
fn a_large_batch_needs_no_buffer_of_the_session() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut client, mut io) = tls_pair().await;
        let sent: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let all = sent.clone();
        let writer = async move {
            client.write_all(&all).await.expect("sent");
            client.flush().await.expect("sent");
            client
        };
        let reader = async {
            let mut scratch = Scratch::new();
            let mut got = Vec::new();
            while got.len() < sent.len() {
                let Fill::Bytes(n) = fill(&mut io, &mut scratch).await else { panic!("cut short at {}", got.len()) };
                got.extend_from_slice(scratch.plain(n));
            }
            got
        };
        let (_client, got) = tokio::join!(writer, reader);
        assert!(got == sent);
    });
}

/// PX-05: what a peer that never reads can make the kernel hold for it is bounded, too.
#[test]
fn px_05_the_kernel_holds_no_more_for_a_peer_than_we_say() {
    small_runtime().expect("a runtime").block_on(async {
        let (_client, server) = pair().await;
        tune(&SockRef::from(&server)).expect("options");
        let socket = SockRef::from(&server);
        for size in [socket.send_buffer_size(), socket.recv_buffer_size()] {
            assert!(size.expect("it has one") <= 2 * KERNEL_BUFFER);
        }
    });
}
