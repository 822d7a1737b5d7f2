//! Who stays outside, and what is written down about them?

use rcgen::{BasicConstraints, IsCa, KeyUsagePurpose};
use sluicegate_proto::vocab::Reason;

use super::*;

fn refused(caller: &Caller, plant: &Plant, trust: &Trust) -> Failed {
    caller.shake(plant, trust, 0).map(drop).expect_err("a stranger")
}

#[test]
fn strangers_fail_in_the_handshake_and_are_named() {
    let plant = Plant::new();
    let good = plant.issued("plant", "scada-1", SCADA);
    let gone = plant.issued("plant", "gone", SCADA);
    pki::revoke(&plant.at("plant"), Some("plant"), &plant.at("plant/gone.crt")).expect("ours");
    let trust = plant.trust();
    let cause = |held: Held| {
        let failed = refused(&Caller::new(held), &plant, &trust);
        let shown = failed.presented.expect("it showed a certificate");
        assert_eq!(shown.names, [SCADA], "what it claimed to be");
        assert_eq!(shown.key_hash.len(), 64);
        failed.cause
    };
    assert_eq!(cause(plant.issued("rogue", "scada-1", SCADA)), Cause::CertificateInvalid, "an authority of nobody");
    assert_eq!(cause(gone), Cause::CertificateRevoked);
    let expired = plant.odd("plant", |params| params.not_after = rcgen::date_time_ymd(2024, 1, 1));
    assert_eq!(cause(expired), Cause::CertificateExpired);
    let early = plant.odd("plant", |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1));
    assert_eq!(cause(early), Cause::CertificateInvalid);
    let server_only = plant.odd("plant", |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert_eq!(cause(server_only), Cause::CertificateInvalid);

    let nobody = refused(&Caller { held: None, ..Caller::new(good.clone()) }, &plant, &trust);
    assert_eq!((nobody.cause, nobody.presented), (Cause::CertificateMissing, None));
    let old = refused(&Caller { versions: ONLY_12, ..Caller::new(good) }, &plant, &trust);
    assert_eq!((old.cause, old.presented), (Cause::Refused, None), "TLS 1.2 where 1.3 is the least");
    assert!(old.note.contains("tls_min"), "{}", old.note);
}

#[test]
fn a_critical_role_extension_fails_the_handshake() {
    let plant = Plant::new();
    let trust = plant.trust();
    let mut role = CustomExtension::from_oid_content(pki::MODBUS_ROLE_OID, b"\x0c\x08Operator".to_vec());
    role.set_criticality(true);
    let failed = refused(&Caller::new(plant.with_role(vec![role])), &plant, &trust);
    assert_eq!(failed.cause, Cause::CertificateInvalid);
    assert!(failed.note.contains("critical"), "{}", failed.note);
}

#[test]
fn the_right_name_from_another_trusted_authority_is_nobody() {
    let plant = Plant::new();
    let trust = plant.trust();
    let shaken =
        Caller::new(plant.issued("second", "scada-1", SCADA)).shake(&plant, &trust, 0).expect("a trusted chain");
    let refusal = shaken.identify(&trust).expect_err("plant did not vouch");
    assert_eq!((refusal.cause, refusal.reason), (Cause::IdentityUnknown, Some(Reason::IdentityUnknown)));

    let guest = Caller::new(plant.issued("second", "guest", "spiffe://south/guest"));
    let guest = guest.shake(&plant, &trust, 0).expect("a trusted chain").identify(&trust);
    assert_eq!(guest.map(|one| one.peer.who.identity), Ok("guest".to_owned()));
}

#[test]
fn one_name_too_many_is_nobody() {
    let plant = Plant::new();
    let trust = plant.trust();
    let named = |names: Vec<SanType>| {
        let held = plant.odd("plant", |params| params.subject_alt_names = names);
        trust.identify(ConduitId(0), &held.chain, inside()).map(|one| one.peer.who.identity)
    };
    assert_eq!(named(vec![uri(SCADA), dns("a.north")]), Ok("scada-1".to_owned()));
    for other in [uri("spiffe://south/x"), dns("north"), dns("a.south"), SanType::IpAddress(inside().ip())] {
        let refusal = named(vec![uri(SCADA), other]).expect_err("plant may not vouch for it");
        assert_eq!(refusal.cause, Cause::IdentityUnknown);
        assert!(refusal.note.contains("may not vouch"), "{}", refusal.note);
    }
    assert_eq!(named(vec![dns("scada-1.north")]).expect_err("no such identity").cause, Cause::IdentityUnknown);
    let common_name = plant.odd("plant", |params| {
        params.subject_alt_names = Vec::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, SCADA);
    });
    let refusal = trust.identify(ConduitId(0), &common_name.chain, inside()).expect_err("never the CN");
    assert_eq!(refusal.cause, Cause::IdentityUnknown);
}

#[test]
fn the_source_is_asked_first() {
    let plant = Plant::new();
    let trust = plant.trust();
    let good = plant.issued("plant", "scada-1", SCADA);
    let rogue = plant.issued("rogue", "scada-1", SCADA);
    let outside = "10.31.0.5:1".parse().expect("an address");
    for held in [&good, &rogue] {
        let refusal = trust.identify(ConduitId(0), &held.chain, outside).expect_err("another network");
        assert_eq!((refusal.cause, refusal.reason), (Cause::SourceNotAllowed, Some(Reason::SourceNotAllowed)));
    }
    let refusal = trust.identify(ConduitId(0), &[], inside()).expect_err("no certificate");
    assert_eq!(refusal.cause, Cause::CertificateMissing);
    let garbage = [CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])];
    let refusal = trust.identify(ConduitId(0), &garbage, inside()).expect_err("no certificate either");
    assert_eq!(refusal.cause, Cause::CertificateInvalid);
}

#[test]
fn every_certificate_of_the_chain_is_asked_about() {
    let plant = Plant::new();
    // A root that may sign CAs: `pki init` makes one that may not.
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(rcgen::DnType::CommonName, "root");
    let pair = KeyPair::generate().expect("entropy");
    let certificate = params.self_signed(&pair).expect("signable");
    let root = Issuer::new(params, pair);
    let mut between = None;
    let (middle, pair) = sign(&root, |params| {
        params.subject_alt_names = Vec::new();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "middle");
        between = Some(params.clone());
    });
    let middle_issuer = Issuer::new(between.expect("set above"), pair);
    let (mut held, _) = sign(&middle_issuer, |_| {});
    held.chain.extend(middle.chain.iter().cloned());

    let with = |lists: &[String]| {
        std::fs::write(plant.at("second/second.crt"), certificate.pem()).expect("writable");
        std::fs::write(plant.at("lists.pem"), lists.concat()).expect("writable");
        let trust = plant.trust_with(|site| {
            site.authorities[1].crl = Some(plant.at("lists.pem"));
            site.identities[0].authority = Some(sluicegate_config::plan::AuthorityId(1));
        });
        Caller::new(held.clone()).shake(&plant, &trust, 0).map(drop).map_err(|failed| (failed.cause, failed.note))
    };
    let (one, two) = (ends::list(&root, 1, &[]), ends::list(&middle_issuer, 1, &[]));
    assert_eq!(with(&[one.clone(), two.clone()]), Ok(()));
    let (cause, note) = with(std::slice::from_ref(&one)).expect_err("unknown status is no");
    assert_eq!(cause, Cause::CertificateInvalid);
    assert!(note.contains("no revocation list"), "{note}");
    let against = ends::list(&root, 1, &[&middle.chain[0]]);
    assert_eq!(with(&[against, two.clone()]).expect_err("the CA between is revoked").0, Cause::CertificateRevoked);
    let newer = ends::list(&middle_issuer, 2, &[&held.chain[0]]);
    let both_orders = [[one.clone(), two.clone(), newer.clone()], [newer, one, two]];
    for lists in both_orders {
        assert_eq!(with(&lists).expect_err("the newer list counts").0, Cause::CertificateRevoked);
    }
}

/// A list of another CA knows nobody of this one: everybody would be refused, one by one.
#[test]
fn a_list_of_no_root_is_refused_when_it_is_loaded() {
    let plant = Plant::new();
    let with = |list: &str| {
        std::fs::copy(plant.at(list), plant.at("plant/plant.crl")).expect("both there");
        let told = Trust::load(&Arc::new(plant.site()), plant.clock.clone()).map(drop);
        told.map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    std::fs::copy(plant.at("plant/plant.crl"), plant.at("good.crl")).expect("it is there");
    let told = with("second/second.crl").expect_err("another CA's");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("plant.crl: no list in it is of a CA in `roots`"), "{told:?}");
    // A CA of the same name with another key: one that was made anew.
    pki::init(&plant.at("again"), "plant").expect("a new folder");
    let told = with("again/plant.crl").expect_err("another key's");
    assert!(told[0].contains("another key has signed it"), "{told:?}");
    assert_eq!(with("good.crl"), Ok(()));
}

#[test]
fn all_that_is_wrong_with_the_files_is_told_at_once() {
    let plant = Plant::new();
    let site = Arc::new(plant.site());
    std::fs::remove_file(plant.at("second/second.crt")).expect("it was there");
    std::fs::write(plant.at("plant/plant.crl"), "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
        .expect("writable");
    std::fs::copy(plant.at("rogue/rogue.key"), plant.at("plant/gateway.key")).expect("both there");
    let faults = Trust::load(&site, plant.clock.clone()).expect_err("three faults");
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    for (text, parts) in told.iter().zip([
        ["key of certificate gateway", "gateway.key"],
        ["revocation list of authority plant", "plant.crl"],
        ["authority second", "second.crt"],
    ]) {
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn a_client_certificate_cannot_stand_at_a_listener() {
    let plant = Plant::new();
    plant.issued("plant", "client", SCADA);
    let mut site = plant.site();
    site.certificates[0].cert = plant.at("plant/client.crt");
    site.certificates[0].key = sluicegate_config::plan::KeySource::File(plant.at("plant/client.key"));
    let faults = Trust::load(&Arc::new(site), plant.clock.clone()).expect_err("two listeners");
    assert!(faults.iter().all(|fault| matches!(fault, TrustError::Purpose { .. })), "{faults:?}");
    assert!(faults[0].to_string().contains("--server"), "{}", faults[0]);
}
