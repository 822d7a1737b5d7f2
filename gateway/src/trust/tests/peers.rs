//! Who comes in, and as whom?

use rustls::{HandshakeKind, NamedGroup, ProtocolVersion};
use sluicegate_config::plan::{Match, ZoneId};
use sluicegate_proto::vocab::Reason;

use super::*;

#[test]
fn a_peer_comes_in_as_itself_with_tls_13_and_post_quantum_keys() {
    let plant = Plant::new();
    let trust = plant.trust();
    let shaken = Caller::new(plant.issued("plant", "scada-1", SCADA)).shake(&plant, &trust, 0).expect("a good peer");
    assert_eq!(shaken.server.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = shaken.server.negotiated_key_exchange_group().expect("negotiated").name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    assert_eq!(shaken.seen.conduit(), Some(ConduitId(0)));
    assert_eq!(shaken.seen.sni().as_deref(), Some("pump"));

    let Identified { peer, alarm } = shaken.identify(&trust).expect("scada-1");
    assert_eq!(alarm, None);
    assert_eq!((peer.who.identity.as_str(), peer.listener.as_str()), ("scada-1", "ot"));
    assert_eq!(peer.who.roles, ["hmi"]);
    assert_eq!(peer.names, [SCADA]);
    assert_eq!(peer.source, inside());
    let shown = shaken.seen.presented().expect("it showed one");
    assert_eq!(peer.key_hash.as_deref(), Some(shown.key_hash.as_str()));
    let ends = peer.not_after.expect("certificates end");
    assert!((397 * DAY..398 * DAY).contains(&(ends - plant.started)), "{ends}");
}

#[test]
fn a_peer_without_post_quantum_keys_gets_classical_ones() {
    let plant = Plant::new();
    let trust = plant.trust();
    let mut caller = Caller::new(plant.issued("plant", "scada-1", SCADA));
    for group in [aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1] {
        caller.provider.kx_groups = vec![group];
        let shaken = caller.shake(&plant, &trust, 0).expect("a good peer");
        assert_eq!(shaken.server.negotiated_key_exchange_group().expect("negotiated").name(), group.name());
    }
}

#[test]
fn the_server_name_chooses_the_conduit() {
    let plant = Plant::new();
    let trust = plant.trust();
    let held = plant.issued("plant", "scada-1", SCADA);
    let at =
        |sni, send_sni, listener| Caller { sni, send_sni, ..Caller::new(held.clone()) }.shake(&plant, &trust, listener);
    let conduit = |shaken: Result<Shaken, Failed>| shaken.map(|s| s.seen.conduit());
    assert_eq!(conduit(at("tank", true, 0)), Ok(Some(ConduitId(1))));
    assert_eq!(conduit(at("gateway", true, 1)), Ok(Some(ConduitId(2))), "a lone conduit without a name takes any");
    assert_eq!(conduit(at("gateway", false, 1)), Ok(Some(ConduitId(2))), "or none");
    for (sni, send_sni) in [("gateway", true), ("pump", false)] {
        let failed = conduit(at(sni, send_sni, 0)).expect_err("no such conduit");
        assert_eq!(failed.cause, Cause::Refused, "{failed:?}");
        assert_eq!(failed.presented, None, "refused before any certificate");
    }
    let trust = plant.trust_with(|site| site.conduits[2].sni = Some("old".into()));
    let lone = Caller { sni: "gateway", ..Caller::new(held) };
    let refused = lone.shake(&plant, &trust, 1).map(drop).expect_err("a lone conduit's name is enforced");
    assert_eq!(refused.cause, Cause::Refused);
}

#[test]
fn px_08_nothing_is_ever_resumed() {
    let plant = Plant::new();
    let trust = plant.trust();
    let caller = Caller::new(plant.issued("plant", "scada-1", SCADA));
    for (listener, versions) in [(0, ONLY_13), (1, ONLY_12)] {
        // One configuration: a client that would resume if it could.
        let config = Caller { versions, ..caller.clone() }.config(&plant);
        for _ in 0..3 {
            let shaken = shake(config.clone(), "pump", &trust, listener).expect("a good peer");
            // A handshake that asked for another key share is a full one too.
            assert_ne!(shaken.server.handshake_kind(), Some(HandshakeKind::Resumed));
            assert_eq!(shaken.client.tls13_tickets_received(), 0);
        }
    }
}

#[test]
fn tls_12_means_ecdhe_with_aes_gcm() {
    let plant = Plant::new();
    let trust = plant.trust();
    let mut caller = Caller::new(plant.issued("plant", "scada-1", SCADA));
    caller.versions = ONLY_12;
    let shaken = caller.shake(&plant, &trust, 1).expect("an old MBAPS client");
    assert_eq!(shaken.server.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    assert_eq!(shaken.identify(&trust).map(|one| one.peer.who.identity), Ok("scada-1".to_owned()));

    caller.provider.cipher_suites.retain(|suite| format!("{suite:?}").contains("CHACHA20"));
    assert_eq!(caller.shake(&plant, &trust, 1).map(drop).expect_err("no suite in common").cause, Cause::Refused);
}

#[test]
fn the_modbus_role_is_conferred_beside_the_identitys_own() {
    let plant = Plant::new();
    let trust = plant.trust();
    let roles = |extensions: Vec<CustomExtension>| {
        let shaken = Caller::new(plant.with_role(extensions)).shake(&plant, &trust, 0).expect("a good chain");
        let Identified { peer, alarm } = shaken.identify(&trust).expect("scada-1");
        (peer.who.roles, alarm.is_some())
    };
    let one = |der: &[u8]| CustomExtension::from_oid_content(pki::MODBUS_ROLE_OID, der.to_vec());
    let hmi = vec!["hmi".to_owned()];
    assert_eq!(roles(vec![one(b"\x0c\x08Operator")]), (vec!["hmi".to_owned(), "operator".to_owned()], false));
    assert_eq!(roles(vec![one(b"\x0c\x05Ghost")]), (hmi.clone(), false), "a role that nobody here has");
    assert_eq!(roles(vec![]), (hmi.clone(), false));
    assert_eq!(roles(vec![one(b"\x13\x08Operator")]), (hmi.clone(), true), "a PrintableString");
    assert_eq!(roles(vec![one(b"\x0c\x00")]), (hmi.clone(), true), "an empty role");
    assert_eq!(roles(vec![one(b"")]), (hmi.clone(), true), "no value at all");
    let twice = vec![one(b"\x0c\x08Operator"), one(b"\x0c\x08Operator")];
    assert_eq!(roles(twice), (hmi, true), "two roles are none");
}

#[test]
fn a_plain_peer_is_who_its_address_says() {
    let plant = Plant::new();
    let trust = plant.trust();
    let from = |text: &str| trust.identify_by_source(ConduitId(3), text.parse().expect("an address"));
    let peer = from("10.30.0.9:1234").expect("the panel").peer;
    assert_eq!((peer.who.identity.as_str(), peer.key_hash), ("panel", None));
    assert_eq!(from("[::ffff:10.30.0.9]:1234").expect("the same address").peer.who.identity, "panel");
    assert_eq!(from("10.30.0.8:1234").expect_err("nobody").cause, Cause::IdentityUnknown);
    let outside = from("10.31.0.9:1234").expect_err("another network");
    assert_eq!((outside.cause, outside.reason), (Cause::SourceNotAllowed, Some(Reason::SourceNotAllowed)));
    assert!(trust.handshake(ListenerId(2)).is_none());
}

#[test]
fn an_identity_is_one_and_belongs_to_its_zone() {
    let plant = Plant::new();
    let held = plant.issued("plant", "scada-1", SCADA);
    let with = |change: &dyn Fn(&mut Site)| plant.trust_with(change).identify(ConduitId(0), &held.chain, inside());

    let shown = with(&|_| {}).expect("scada-1").peer;
    let hash = shown.key_hash.expect("it has a certificate");
    let mut spki = [0u8; 32];
    for (place, byte) in spki.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hash[place * 2..place * 2 + 2], 16).expect("hex");
    }
    let by_key = with(&|site| site.identities[0].matches = Match::Spki(spki)).expect("scada-1 by its key");
    assert_eq!(by_key.peer.who.identity, "scada-1");

    let prefix = Match::Uri { text: "spiffe://north/".into(), prefix: true };
    let both = with(&|site| {
        site.identities[2].matches = prefix.clone();
        site.identities[2].zone = ZoneId(0);
    });
    let both = both.expect_err("two match");
    assert!(both.cause == Cause::IdentityUnknown && both.note.contains("scada-1 and plc-1"), "{both:?}");

    let elsewhere = with(&|site| site.identities[0].zone = ZoneId(1)).expect_err("another zone");
    assert_eq!((elsewhere.cause, elsewhere.reason), (Cause::IdentityNotAllowed, Some(Reason::IdentityNotAllowed)));
}
