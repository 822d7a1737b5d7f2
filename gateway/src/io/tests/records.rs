//! Records as nobody sends them: split, gathered, too long, too many, and for a reader that does not read.

use rustls::ClientConnection;

use super::*;

/// A client in memory: the test decides what reaches the wire, and when.
struct Hand {
    socket: TcpStream,
    client: ClientConnection,
}

impl Hand {
    async fn shaken() -> (Self, PeerIo) {
        let (client, io) = tls_pair().await;
        let (socket, client) = client.into_inner();
        (Self { socket, client }, io)
    }

    /// The records of `plain`, one for each part.
    fn records(&mut self, parts: &[&[u8]]) -> Vec<u8> {
        use std::io::Write;
        for part in parts {
            self.client.writer().write_all(part).expect("room");
        }
        self.taken()
    }

    fn taken(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut wire).expect("in memory");
        }
        wire
    }

    async fn send(&mut self, wire: &[u8]) {
        self.socket.write_all(wire).await.expect("sent");
    }

    /// What the peer's TLS says of what came, until it says something.
    async fn hears(&mut self) -> Result<(), rustls::Error> {
        let mut wire = [0; 4096];
        let n = self.socket.read(&mut wire).await.expect("something came");
        let mut wire = wire.get(..n).expect("what was read");
        while !wire.is_empty() {
            self.client.read_tls(&mut wire).expect("in memory");
            self.client.process_new_packets()?;
        }
        Ok(())
    }
}

async fn gather(io: &mut PeerIo, scratch: &mut Scratch, length: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < length {
        let Fill::Bytes(n) = fill(io, scratch).await else { panic!("ended at {}", got.len()) };
        got.extend_from_slice(scratch.plain(n));
    }
    got
}

/// What the session holds of its own: the start of a record, records that wait, bytes that came early.
fn held(io: &PeerIo) -> usize {
    let PeerIo::Tls(_, records) = io else { panic!("a TLS session") };
    records.held()
}

/// GEN-03, PX-05: wherever a record is torn, it means the same, and nothing of it stays.
#[test]
fn gen_03_a_record_split_at_every_byte_is_one_record() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut hand, mut io) = Hand::shaken().await;
        let mut scratch = Scratch::new();
        // A header of 5, ten bytes, the type of what they are, and 16 of AEAD.
        for cut in 1..32 {
            let wire = hand.records(&[b"0123456789"]);
            assert_eq!(wire.len(), 32);
            let (head, tail) = wire.split_at(cut);
            hand.send(head).await;
            let pending = async {
                let filled = poll_fn(|cx| io.poll_fill(cx, &mut scratch));
                tokio::time::timeout(Duration::from_millis(20), filled).await
            };
            assert!(pending.await.is_err(), "half a record says nothing");
            assert!(held(&io) <= cut.max(8), "no more than came, in what an allocation is at least");
            // Our own words go on meanwhile.
            let mut out = Out::new(8);
            out.push(b"answer").expect("room");
            flush(&mut io, &mut out).await;
            hand.hears().await.expect("a record");
            hand.send(tail).await;
            assert_eq!(fill(&mut io, &mut scratch).await, Fill::Bytes(10), "cut at {cut}");
            assert_eq!((scratch.plain(10), held(&io)), (&b"0123456789"[..], 0));
        }
    });
}

/// GEN-02: one read, one wake-up, all of them; then one by one what was torn.
#[test]
fn gen_02_many_records_in_one_read_are_decrypted_together_and_in_order() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut hand, mut io) = Hand::shaken().await;
        let mut scratch = Scratch::new();
        let parts: Vec<[u8; 4]> = (0..500u32).map(u32::to_be_bytes).collect();
        let parts: Vec<&[u8]> = parts.iter().map(<[u8; 4]>::as_slice).collect();
        let wire = hand.records(&parts);
        hand.send(&wire).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(fill(&mut io, &mut scratch).await, Fill::Bytes(2000), "one read brings them all");
        assert!(scratch.plain(2000) == parts.concat());
        assert_eq!(io.take_overhead(2000), wire.len() - 2000);
    });
}

/// RFC 8446, 6.1: what follows a close_notify is ignored; it is an end, not a fault.
#[test]
fn what_follows_a_close_notify_means_nothing() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut hand, mut io) = Hand::shaken().await;
        let mut scratch = Scratch::new();
        let mut wire = hand.records(&[b"last"]);
        hand.client.send_close_notify();
        wire.extend(hand.taken());
        wire.extend([0x17, 3, 3, 0, 20].iter().chain(&[7; 20]));
        hand.send(&wire).await;
        assert_eq!(fill(&mut io, &mut scratch).await, Fill::Bytes(4));
        assert_eq!(scratch.plain(4), b"last");
        hand.send(b"and more of it").await;
        assert_eq!(fill(&mut io, &mut scratch).await, Fill::Eof);
        assert_eq!((fill(&mut io, &mut scratch).await, held(&io)), (Fill::Eof, 0));
    });
}

/// What was whole before the fault counts, then the session breaks, and the peer hears why.
#[test]
fn a_good_record_before_a_bad_one_is_delivered_and_then_it_breaks() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut hand, mut io) = Hand::shaken().await;
        let mut scratch = Scratch::new();
        let mut wire = hand.records(&[b"good", b"evil"]);
        *wire.last_mut().expect("a tag") ^= 1;
        hand.send(&wire).await;
        assert_eq!(fill(&mut io, &mut scratch).await, Fill::Bytes(4));
        for _ in 0..2 {
            assert_eq!(fill(&mut io, &mut scratch).await, Fill::Broken);
        }
        // What waited for the peer cannot be said any more; the alert is said all the same.
        let mut out = Out::new(8);
        out.push(b"answer").expect("room");
        flush(&mut io, &mut out).await;
        assert!(out.is_empty());
        poll_fn(|cx| io.poll_goodbye(cx)).await.expect("an end");
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac);
        assert_eq!(hand.hears().await, Err(alert));
    });
}

#[test]
fn a_fatal_alert_and_a_record_over_16_kib_break_the_session() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut hand, mut io) = Hand::shaken().await;
        // A client that cannot read its server breaks, and says so.
        let mut garbage: &[u8] = &[0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0];
        hand.client.read_tls(&mut garbage).expect("in memory");
        hand.client.process_new_packets().expect_err("no record of ours");
        let alert = hand.taken();
        hand.send(&alert).await;
        assert_eq!(fill(&mut io, &mut Scratch::new()).await, Fill::Broken);

        let (mut hand, mut io) = Hand::shaken().await;
        // Its length alone is enough: nobody waits for the rest.
        hand.send(&[0x17, 3, 3, 0x48, 0]).await;
        assert_eq!(fill(&mut io, &mut Scratch::new()).await, Fill::Broken);
        hand.hears().await.expect_err("an alert");
    });
}

/// RFC 8446, 4.6.3: asked for new keys we use new ones from our next record on, and the peer can read it. Answers go on, as
/// many times as data comes between.
#[test]
fn new_keys_are_used_when_the_peer_asks_for_them() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut hand, mut io) = Hand::shaken().await;
        let mut scratch = Scratch::new();
        for round in 0..100u8 {
            hand.client.refresh_traffic_keys().expect("a key update");
            let wire = hand.records(&[&[round]]);
            hand.send(&wire).await;
            assert_eq!((fill(&mut io, &mut scratch).await, scratch.plain(1)), (Fill::Bytes(1), &[round][..]));
            let mut out = Out::new(1);
            out.push(&[round]).expect("room");
            flush(&mut io, &mut out).await;
            hand.hears().await.expect("it reads us");
        }
        assert_eq!(held(&io), 0);
    });
}

/// PX-05: for a peer that does not read we hold two records and no more, and then all arrives in order.
#[test]
fn px_05_output_for_a_slow_reader_is_bounded_and_arrives_whole() {
    small_runtime().expect("a runtime").block_on(async {
        let (mut hand, mut io) = Hand::shaken().await;
        let PeerIo::Tls(stream, _) = &io else { panic!("a TLS session") };
        SockRef::from(stream).set_send_buffer_size(16 * 1024).expect("an option");
        let mut scratch = Scratch::new();
        let mut out = Out::new(1 << 20);
        let all: Vec<u8> = (0..200_000u32).flat_map(u32::to_be_bytes).collect();
        out.push(&all).expect("room");
        let mut stuck = 0;
        while stuck < 3 {
            let before = out.len();
            let flushed = poll_fn(|cx| io.poll_flush(cx, &mut scratch, &mut out));
            let _ = tokio::time::timeout(Duration::from_millis(100), flushed).await;
            assert!(held(&io) <= 33 * 1024, "{}", held(&io));
            stuck = if out.len() == before { stuck + 1 } else { 0 };
        }
        assert!(!out.is_empty(), "the socket takes some, not all");
        let reader = async {
            use io::Read;
            let (mut got, mut wire) = (Vec::new(), vec![0; 10_000]);
            while got.len() < all.len() {
                let n = hand.socket.read(&mut wire).await.expect("more");
                let mut wire = wire.get(..n).expect("what was read");
                while !wire.is_empty() {
                    hand.client.read_tls(&mut wire).expect("in memory");
                    hand.client.process_new_packets().expect("records");
                    let mut plain = vec![0; 1 << 16];
                    while let Ok(n @ 1..) = hand.client.reader().read(&mut plain) {
                        got.extend_from_slice(plain.get(..n).expect("what was read"));
                    }
                }
            }
            got
        };
        let (got, flushed) = tokio::join!(reader, poll_fn(|cx| io.poll_flush(cx, &mut scratch, &mut out)));
        flushed.expect("the rest");
        assert!(got == all);
        assert_eq!((held(&io), out.is_empty()), (0, true));
    });
}

/// Words right behind the handshake's last flight are the session's first.
#[test]
fn what_comes_with_the_handshake_is_not_lost() {
    small_runtime().expect("a runtime").block_on(async {
        let (server, config) = both_ends();
        let (mut socket, far) = pair().await;
        let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from("gate").expect("a name"))
            .expect("good settings");
        let peer = async {
            let mut wire = Vec::new();
            while client.is_handshaking() {
                wire.clear();
                client.write_tls(&mut wire).expect("in memory");
                socket.write_all(&wire).await.expect("sent");
                let mut heard = vec![0; 16 * 1024];
                let n = socket.read(&mut heard).await.expect("an answer");
                client.read_tls(&mut heard.get(..n).expect("what was read")).expect("in memory");
                client.process_new_packets().expect("a handshake");
            }
            let mut hand = Hand { socket, client };
            // Finished, two records, and half of a third in one segment.
            let mut wire = hand.records(&[b"first", b"second", b"third"]);
            let rest = wire.split_off(wire.len() - 7);
            hand.send(&wire).await;
            (hand, rest)
        };
        let ((mut hand, rest), shaken) = tokio::join!(peer, shake::accept(Arc::new(server), far));
        let (stream, records) = shaken.expect("accepted");
        let parked = Parked::Tls(stream.into_std().expect("parked"), records);
        let mut io = PeerIo::unpark(parked).expect("unparked");
        let mut scratch = Scratch::new();
        assert_eq!(gather(&mut io, &mut scratch, 11).await, b"firstsecond");
        hand.send(&rest).await;
        assert_eq!(gather(&mut io, &mut scratch, 5).await, b"third");
    });
}

/// PX-02: a client hello in records of one byte is a client hello, a goodbye in the middle is an end, silence after a FIN too.
#[test]
fn px_02_a_hello_in_crumbs_is_taken_and_a_torn_one_ends() {
    small_runtime().expect("a runtime").block_on(async {
        let (server, config) = both_ends();
        let server = Arc::new(server);
        let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from("gate").expect("a name"))
            .expect("good settings");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("in memory");
        let crumbs: Vec<u8> =
            hello.get(5..).expect("a header").iter().flat_map(|byte| [0x16, 3, 1, 0, 1, *byte]).collect();
        for (cut, whole) in [(crumbs.len(), true), (crumbs.len() / 12 * 6, false), (3, false)] {
            let (mut near, far) = pair().await;
            let peer = async {
                near.write_all(crumbs.get(..cut).expect("a cut")).await.expect("sent");
                if whole {
                    let mut answer = [0; 1];
                    near.read_exact(&mut answer).await.expect("an answer");
                    assert_eq!(answer, [0x16], "a server hello");
                }
                near.shutdown().await.expect("FIN");
            };
            let ((), shaken) = tokio::join!(peer, shake::accept(Arc::clone(&server), far));
            let (error, _) = shaken.expect_err("no client came to the end");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    });
}

/// PX-19: a handshake message that never ends holds no more than its bound.
#[test]
fn px_19_a_hello_that_never_ends_is_refused() {
    small_runtime().expect("a runtime").block_on(async {
        let (server, _) = both_ends();
        let (mut near, far) = pair().await;
        let peer = async {
            // A client hello of 60,000 bytes, in full records.
            let mut body = vec![1, 0, 0xea, 0x60];
            body.resize(60_000, 0);
            for part in body.chunks(16_000) {
                let [_, _, high, low] = u32::try_from(part.len()).expect("16,000").to_be_bytes();
                let mut record = vec![0x16, 3, 1, high, low];
                record.extend_from_slice(part);
                if near.write_all(&record).await.is_err() {
                    break;
                }
            }
            near
        };
        let (_near, shaken) = tokio::join!(peer, shake::accept(Arc::new(server), far));
        let (error, _) = shaken.expect_err("too long");
        assert!(error.to_string().contains("HandshakePayloadTooLarge"), "{error}");
    });
}

/// A client's flight is several messages. When the first of them is refused, the rest is still in the buffer that rustls
/// remembers places in: the alert leaves all the same.
#[test]
fn a_refused_certificate_is_answered_by_an_alert() {
    small_runtime().expect("a runtime").block_on(async {
        let issue = || rcgen::generate_simple_self_signed(vec!["gate".to_owned()]).expect("a certificate");
        let (gate, stranger, plant) = (issue(), issue(), issue());
        let key = |of: &rcgen::CertifiedKey<rcgen::KeyPair>| {
            PrivateKeyDer::try_from(of.signing_key.serialize_der()).expect("a key")
        };
        let trusting = |one: &rcgen::CertifiedKey<rcgen::KeyPair>| {
            let mut roots = RootCertStore::empty();
            roots.add(one.cert.der().clone()).expect("a root");
            Arc::new(roots)
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(trusting(&plant), Arc::clone(&provider))
                .build()
                .expect("a verifier");
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![gate.cert.der().clone()], key(&gate))
            .expect("a server");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(trusting(&gate))
            .with_client_auth_cert(vec![stranger.cert.der().clone()], key(&stranger))
            .expect("a client");
        let (near, far) = pair().await;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let peer = async {
            let name = ServerName::try_from("gate").expect("a name");
            let mut client = connector.connect(name, near).await.expect("in TLS 1.3 a client is done first");
            client.read_u8().await.expect_err("an alert")
        };
        let (heard, shaken) = tokio::join!(peer, async {
            let refused = shake::accept(Arc::new(server), far).await;
            let (error, stream) = refused.expect_err("a stranger");
            drop(stream);
            error
        });
        assert!(heard.to_string().contains("received fatal alert"), "{heard}");
        assert!(shaken.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>), "{shaken}");
    });
}
