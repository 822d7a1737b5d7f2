//! Is a device that we dial who it should be?

use rustls::ServerConfig;

use super::*;

/// Dials `device` as conduit `pump` does.
fn dial(plant: &Plant, device: Held, versions: &'static [&'static rustls::SupportedProtocolVersion]) -> Outcome {
    let trust = plant.trust();
    let UpstreamTls { config, name } = trust.upstream(ConduitId(0), 0).expect("a TLS upstream").clone();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(plant.at("plant/plant.crt")).expect("made")).expect("a root");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let ours = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build();
    let own = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("versions that the provider has")
        .with_client_cert_verifier(ours.expect("a root"))
        .with_single_cert(device.chain, device.key)
        .expect("a key that fits");
    let mut outcome = Ok(());
    // Twice with the same settings: the device offers tickets, and we take none.
    let own = Arc::new(own);
    for _ in 0..2 {
        let mut server = ServerConnection::new(own.clone()).expect("good settings");
        let mut client = ClientConnection::new(config.clone(), name.clone()).expect("good settings");
        outcome = match drive(&mut client, &mut server) {
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(())) => {
                assert_ne!(client.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
                assert!(server.peer_certificates().is_some(), "it saw our certificate");
                Ok(())
            }
        };
    }
    outcome
}

#[test]
fn only_the_device_that_was_written_down_is_spoken_to() {
    let plant = Plant::new();
    let device = |ca: &str, names: Vec<SanType>| plant.odd(ca, |params| params.subject_alt_names = names);
    let both = rustls::ALL_VERSIONS;
    assert_eq!(dial(&plant, device("plant", vec![dns("plc-1.north")]), both), Ok(()));
    for (stranger, held) in [
        ("another device of the plant", device("plant", vec![dns("plc-2.north")])),
        ("a peer of the plant", device("plant", vec![uri(SCADA)])),
        ("the right name from an authority of nobody", device("rogue", vec![dns("plc-1.north")])),
        ("the right name from another authority", device("second", vec![dns("plc-1.north")])),
        ("one name too many", device("plant", vec![dns("plc-1.north"), dns("plc-1.south")])),
    ] {
        assert!(dial(&plant, held, both).is_err(), "{stranger}");
    }
    let client_only = plant.odd("plant", |params| {
        params.subject_alt_names = vec![dns("plc-1.north")];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert!(dial(&plant, client_only, both).is_err(), "a client certificate serves nobody");
    let old = device("plant", vec![dns("plc-1.north")]);
    assert!(dial(&plant, old, ONLY_12).is_err(), "TLS 1.3 or nothing");
}

#[test]
fn a_revoked_or_expired_device_is_not_spoken_to() {
    let plant = Plant::new();
    let asked = |name: &str| pki::Request {
        name: name.into(),
        dnss: vec!["plc-1.north".into()],
        days: 10,
        server: true,
        ..Default::default()
    };
    for name in ["good", "gone"] {
        pki::issue(&plant.at("plant"), None, &asked(name)).expect("a good request");
    }
    let held =
        |name: &str| Held::read(&plant.at(&format!("plant/{name}.crt")), &plant.at(&format!("plant/{name}.key")));
    pki::revoke(&plant.at("plant"), Some("plant"), &plant.at("plant/gone.crt")).expect("ours");
    assert_eq!(dial(&plant, held("good"), rustls::ALL_VERSIONS), Ok(()));
    let revoked = dial(&plant, held("gone"), rustls::ALL_VERSIONS).expect_err("revoked");
    assert_eq!(revoked, rustls::Error::InvalidCertificate(rustls::CertificateError::Revoked));
    plant.clock.set(plant.started + 11 * DAY);
    let expired = dial(&plant, held("good"), rustls::ALL_VERSIONS).expect_err("expired");
    assert_eq!(expired, rustls::Error::InvalidCertificate(rustls::CertificateError::Expired));
}
