//! What happens at the end of a certificate and of a revocation list? (language.md section 4)

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use sluicegate_proto::time::Mono;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::{
    faults::{Board, Fault, Reading, Standing},
    trust::End,
};

/// What a list and an issued certificate live, from the moment they are made: a little after the plant started.
const LONG: i64 = 397 * DAY;
const HOUR: i64 = 3600;
const GRACE: std::time::Duration = std::time::Duration::from_secs(72 * 3600);

/// A list made on day `made` of 2024, good until 2090.
pub(super) fn list(issuer: &Issuer<'_, KeyPair>, made: u8, gone: &[&CertificateDer<'_>]) -> String {
    let entry = |der: &&CertificateDer<'_>| RevokedCertParams {
        serial_number: SerialNumber::from_slice(X509Certificate::from_der(der).expect("made here").1.raw_serial()),
        revocation_time: rcgen::date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: rcgen::date_time_ymd(2024, 1, made),
        next_update: rcgen::date_time_ymd(2090, 1, 1),
        crl_number: SerialNumber::from(u64::from(made)),
        issuing_distribution_point: None,
        revoked_certs: gone.iter().map(entry).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).expect("signable").pem().expect("writable")
}

/// A peer whose certificate outlives the revocation list.
fn long_lived(plant: &Plant) -> Held {
    plant.odd("plant", |params| params.not_after = rcgen::date_time_ymd(2090, 1, 1))
}

fn set(site: &mut Site, conduit: usize, action: FaultAction) {
    site.conduits[conduit].faults.grace = GRACE;
    site.conduits[conduit].faults.crl_stale = action;
    site.conduits[conduit].faults.certificate_expired = action;
}

#[test]
fn px_11_a_stale_list_closes_unless_the_conduit_says_otherwise() {
    let plant = Plant::new();
    let peer = Caller::new(long_lived(&plant));
    let cause = |action, past: i64| {
        plant.clock.set(plant.started + LONG + past);
        let trust = plant.trust_with(|site| set(site, 0, action));
        peer.shake(&plant, &trust, 0).map(|shaken| shaken.identify(&trust).map(drop)).map_err(|failed| failed.cause)
    };
    assert_eq!(cause(FaultAction::Close, -HOUR), Ok(Ok(())), "the list is good");
    assert_eq!(cause(FaultAction::Close, HOUR), Err(Cause::CrlStale));
    assert_eq!(cause(FaultAction::RefuseNew, HOUR), Ok(Ok(())), "within the grace of 72 h");
    assert_eq!(cause(FaultAction::RefuseNew, 4 * DAY), Err(Cause::CrlStale), "after it");
    assert_eq!(cause(FaultAction::Keep, 400 * DAY), Ok(Ok(())));
}

/// GEN-04: a chain costs as many searches as it has ends in the past, and a stranger makes them for nothing.
#[test]
fn gen_04_a_long_chain_of_expired_strangers_is_not_gone_back_through() {
    let plant = Plant::new();
    let between = |params: &mut CertificateParams| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "between");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    let mut chain: Vec<_> = (2000..2020)
        .rev()
        .map(|year| {
            let expired = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(year, 1, 1);
            plant.odd("rogue", |params| (between(params), expired(params)).1).chain[0].clone()
        })
        .collect();
    let pem = |end| std::fs::read_to_string(plant.at(&format!("rogue/rogue.{end}"))).expect("made by `new`");
    let key = KeyPair::from_pem(&pem("key")).expect("made by `new`");
    let (held, pair) = sign(&Issuer::from_ca_cert_pem(&pem("crt"), key).expect("made by `new`"), between);
    let issuer = Issuer::from_ca_cert_der(&held.chain[0], pair).expect("made here");
    let (mut leaf, _) = sign(&issuer, |params| params.not_after = rcgen::date_time_ymd(2024, 1, 1));
    leaf.chain.append(&mut chain);
    let trust = plant.trust_with(|site| set(site, 0, FaultAction::Keep));
    let failed = Caller::new(leaf).shake(&plant, &trust, 0).map(drop).expect_err("a stranger");
    assert_eq!(failed.cause, Cause::CertificateExpired, "nobody looked whether an older one leads anywhere");
}

#[test]
fn revocation_always_cuts() {
    let plant = Plant::new();
    let gone = plant.odd("plant", |params| params.not_after = rcgen::date_time_ymd(2024, 1, 1));
    let der = gone.chain[0].clone();
    let pem = rustls_pki_types_pem(&der);
    std::fs::write(plant.at("gone.crt"), pem).expect("writable");
    pki::revoke(&plant.at("plant"), Some("plant"), &plant.at("gone.crt")).expect("ours");
    // Revoked, long expired, and the list is stale: everything is tolerated but one thing.
    plant.clock.set(plant.started + LONG + DAY);
    let trust = plant.trust_with(|site| set(site, 0, FaultAction::Keep));
    let failed = Caller::new(gone).shake(&plant, &trust, 0).map(drop).expect_err("revoked");
    assert_eq!(failed.cause, Cause::CertificateRevoked);
}

/// PX-10: what a handshake found out counts only for the trust that it asked.
#[test]
fn px_10_a_revocation_between_handshake_and_identity_is_seen() {
    let plant = Plant::new();
    let held = plant.issued("plant", "scada-1", SCADA);
    let trust = plant.trust();
    let shaken = Caller::new(held.clone()).shake(&plant, &trust, 0).expect("not revoked yet");
    std::fs::write(plant.at("gone.crt"), rustls_pki_types_pem(&held.chain[0])).expect("writable");
    pki::revoke(&plant.at("plant"), Some("plant"), &plant.at("gone.crt")).expect("ours");
    let refusal = shaken.identify(&plant.trust()).expect_err("revoked by now");
    assert_eq!(refusal.cause, Cause::CertificateRevoked);
}

fn rustls_pki_types_pem(der: &CertificateDer<'_>) -> String {
    use std::io::Write;
    let mut openssl = std::process::Command::new("openssl")
        .args(["x509", "-inform", "der", "-outform", "pem"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    openssl.stdin.take().expect("piped").write_all(der).expect("it reads");
    let out = openssl.wait_with_output().expect("it ends");
    String::from_utf8(out.stdout).expect("PEM")
}

#[test]
fn px_09_an_expired_peer_is_refused_unless_the_conduit_says_otherwise() {
    let plant = Plant::new();
    let held = plant.issued("plant", "scada-1", SCADA);
    let peer = Caller::new(held.clone());
    let with = |action, past: i64| {
        plant.clock.set(plant.started + LONG + past);
        plant.trust_with(|site| {
            set(site, 0, action);
            site.authorities[0].crl = None;
        })
    };
    let cause = |trust: &Trust| peer.shake(&plant, trust, 0).map(drop).map_err(|failed| failed.cause);
    assert_eq!(cause(&with(FaultAction::Close, -HOUR)), Ok(()));
    assert_eq!(cause(&with(FaultAction::Close, HOUR)), Err(Cause::CertificateExpired));
    assert_eq!(cause(&with(FaultAction::RefuseNew, 4 * DAY)), Err(Cause::CertificateExpired));
    let trust = with(FaultAction::RefuseNew, HOUR);
    let shaken = peer.shake(&plant, &trust, 0).expect("within the grace");
    let seen = shaken.identify(&trust).expect("scada-1");
    assert!(seen.alarm.is_some_and(|alarm| alarm.contains("tolerated")));

    // The other conduit of the same listener says `close`: the name that was asked for decides, twice.
    let tank = Caller { sni: "tank", ..peer.clone() };
    assert_eq!(tank.shake(&plant, &trust, 0).map(drop).expect_err("not there").cause, Cause::CertificateExpired);
    let refusal = trust.identify(ConduitId(1), &held.chain, inside()).expect_err("not there");
    assert_eq!((refusal.cause, refusal.reason), (Cause::CertificateExpired, None));
}

#[test]
fn a_clock_before_its_floor_does_not_bring_back_what_has_ended() {
    let plant = Plant::new();
    let peer = Caller::new(plant.issued("plant", "scada-1", SCADA));
    plant.clock.raise_floor(plant.started + LONG + DAY);
    let trust = plant.trust_with(|site| site.authorities[0].crl = None);
    let failed = peer.shake(&plant, &trust, 0).map(drop).expect_err("expired by the floor");
    assert_eq!(failed.cause, Cause::CertificateExpired);
}

#[test]
fn the_board_sees_the_ends_and_says_what_they_mean() {
    let plant = Plant::new();
    let peer = plant.trust().identify(ConduitId(0), &long_lived(&plant).chain, inside()).expect("scada-1").peer;
    let trust = plant.trust_with(|site| {
        set(site, 1, FaultAction::RefuseNew);
        set(site, 2, FaultAction::Keep);
    });
    let ends = trust.ends();
    assert!(matches!(ends.as_slice(), [End::Certificate(..), End::Crl(..)]), "{ends:?}");
    let board = Board::new(&trust.site);
    let watch = board.subscribe();
    let second = |n: u64| Mono::from_nanos(n * 1_000_000_000);
    assert_eq!(board.review(&ends, trust.clock().now(), second(1)), []);
    assert!(!watch.has_changed().expect("the board lives"));

    plant.clock.set(plant.started + LONG + HOUR);
    let began = board.review(&ends, trust.clock().now(), second(2));
    assert_eq!(began.len(), 2, "our certificate and the list: {began:?}");
    assert!(began.iter().all(|one| one.began) && watch.has_changed().expect("the board lives"));
    assert_eq!(board.review(&ends, trust.clock().now(), second(3)), [], "told once");

    assert!(matches!(board.standing(ConduitId(0), second(3)), Standing::Close(_)));
    assert_eq!(board.standing(ConduitId(1), second(3)), Standing::Serve, "within its grace");
    let later = second(3 + 73 * 3600);
    assert!(matches!(board.standing(ConduitId(1), later), Standing::RefuseNew(Cause::CertificateExpired)));
    assert_eq!(board.standing(ConduitId(2), later), Standing::Serve);
    let stale = board.standing_for(ConduitId(1), &peer, later, plant.started);
    assert!(matches!(stale, Standing::RefuseNew(_)), "{stale:?}");

    plant.clock.set(plant.started);
    let ended = board.review(&ends, trust.clock().now(), later);
    assert!(ended.len() == 2 && ended.iter().all(|one| !one.began));
    assert_eq!(board.standing(ConduitId(0), later), Standing::Serve);
}

#[test]
fn a_fault_reaches_only_whom_it_concerns() {
    let plant = Plant::new();
    let trust = plant.trust_with(|site| {
        site.conduits[1].faults.audit_full = FaultAction::RefuseNew;
        site.conduits[1].faults.grace = GRACE;
        site.conduits[3].faults.audit_full = FaultAction::Keep;
    });
    let scada =
        trust.identify(ConduitId(1), &plant.issued("plant", "scada-1", SCADA).chain, inside()).expect("scada-1").peer;
    let guest = plant.issued("second", "guest", "spiffe://south/guest");
    let guest = trust.identify(ConduitId(1), &guest.chain, inside()).expect("guest").peer;
    let board = Board::new(&trust.site);
    let (now, hour) = (Mono::ZERO, std::time::Duration::from_secs(3600));
    let asked = |conduit| board.standing(ConduitId(conduit), now);

    let plants_list = Fault::CrlStale(sluicegate_config::plan::AuthorityId(0));
    assert!(board.raise(plants_list, now, hour).is_some_and(|change| change.note.contains("authority plant")));
    assert_eq!(asked(1), Standing::Serve, "the second authority is well");
    let of = |peer| board.standing_for(ConduitId(1), peer, now, plant.started);
    assert_eq!(of(&guest), Standing::Serve);
    assert_eq!(of(&scada), Standing::Close(Cause::CrlStale));
    assert_eq!(asked(0), Standing::Close(Cause::CrlStale), "its device is trusted through that list");
    assert_eq!(asked(2), Standing::Close(Cause::CrlStale), "nobody else could come in");
    assert_eq!(asked(3), Standing::Serve, "no certificate, no list");
    assert_eq!(board.raise(plants_list, now, hour), None, "raised already");
    assert!(board.lower(plants_list).is_some() && board.lower(plants_list).is_none());

    board.raise(Fault::AuditFull, now, hour * 73);
    assert_eq!(asked(0), Standing::Close(Cause::AuditFailure));
    assert_eq!(asked(1), Standing::RefuseNew(Cause::AuditFailure), "older than its grace of 72 h");
    assert_eq!(asked(3), Standing::Serve);
    board.review(&[], Reading { unix: 0, known: false }, now);
    assert_eq!(board.raised(), [Fault::AuditFull, Fault::ClockUnknown]);
    assert_eq!(asked(1), Standing::Close(Cause::ClockUnknown), "the worst counts");
    let scadas_end = scada.not_after.expect("certificates end");
    board.lower(Fault::AuditFull);
    board.review(&[], Reading { unix: 0, known: true }, now);
    let at_its_end = board.standing_for(ConduitId(1), &scada, now, scadas_end);
    assert_eq!(at_its_end, Standing::Close(Cause::CertificateExpired), "PX-09");
}
