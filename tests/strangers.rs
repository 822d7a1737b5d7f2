//! Does somebody without the right certificate get nothing, and is it written down who tried?
//!
//! Made with `openssl`. Judged at three places: nothing at the device, no application byte at the stranger, a record and a count.

use serde_json::Value;
use sluicegate::pki;

use crate::gate::{
    Config, Device, Gate, Peer, Site, frame, missing,
    openssl::{self, Pair},
    wait,
};

const ALLOW: &[&str] = &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"];
const LONG: (&str, &str) = ("-1 day", "+30 days");

/// A plant with a gate that has seen nobody yet.
struct Scene {
    site: Site,
    device: Device,
    gate: Gate,
}

impl Scene {
    /// `None`: openssl is missing.
    fn new(change: impl FnOnce(&Site, &mut Config)) -> Option<Self> {
        if missing(&["openssl"]) {
            return None;
        }
        let (site, device) = (Site::new(), Device::start());
        let mut config = Config::tls(&device, ALLOW);
        change(&site, &mut config);
        let gate = Gate::start(&site, &config);
        Some(Self { site, device, gate })
    }

    fn plant(&self) -> Pair {
        Pair { crt: self.site.crt("plant"), key: self.site.key("plant") }
    }

    /// Connects as the stranger, sends a read and a write, and sees that nothing came of it. The record.
    fn turns_away(&self, own: Option<&Pair>, more: &[&str], due: &[(&str, &str)], outcome: &str) -> Value {
        let series = format!("tls_handshakes_total{{listener=\"ot\",outcome=\"{outcome}\"}}");
        let before = self.gate.metric(&series);
        let bytes = [frame(1, 1, &[3, 0, 0, 0, 1]), frame(2, 1, &[6, 0, 40, 0, 7])].concat();
        let heard = openssl::connect(&self.site, self.gate.address(), own, more, &bytes);
        assert_eq!(heard.bytes, b"", "application bytes for a stranger: {}", heard.told);
        let record = self.site.record_with(due);
        if own.is_some() {
            let hash = record["key_hash"].as_str().unwrap_or_default();
            assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "the key's hash: {record}");
        }
        assert_eq!(record.get("identity"), None, "nobody has no identity: {record}");
        self.gate.metric_reaches(&series, before + 1);
        self.device_saw_nothing();
        record
    }

    fn device_saw_nothing(&self) {
        assert_eq!(self.device.bytes(), 0, "at the device: {:02x?}", self.device.texts());
        assert_eq!(self.device.connections(), 0, "not even a connection");
    }

    /// The right one still gets in, and only what it sent is at the device.
    fn serves_the_right_one(self) {
        let mut peer = Peer::tls(&self.gate, &self.site, "scada");
        assert_eq!(peer.ask(&[3, 0, 7, 0, 1]), [3, 2, 0, 7]);
        assert_eq!(self.device.texts(), ["010300070001"]);
        self.gate.stop();
    }
}

fn has_name(record: &Value, name: &str) {
    let names = record["names"].as_array().cloned().unwrap_or_default();
    assert!(names.iter().any(|one| one.as_str().is_some_and(|one| one.contains(name))), "{name} in {record}");
}

const SCADA: &str = "spiffe://plant/scada";

#[test]
fn no_certificate() {
    let Some(scene) = Scene::new(|_, _| {}) else { return };
    scene.turns_away(None, &[], &[("event", "handshake_failed"), ("cause", "certificate_missing")], "no_certificate");
    scene.serves_the_right_one();
}

#[test]
fn the_right_name_from_the_wrong_authority() {
    let Some(scene) = Scene::new(|_, _| {}) else { return };
    let due = [("event", "handshake_failed"), ("cause", "certificate_invalid")];
    let other = openssl::ca(&scene.site, "other");
    let own = openssl::issue(&scene.site, (&other, "scada"), SCADA, LONG);
    let record = scene.turns_away(Some(&own), &[], &due, "bad_certificate");
    has_name(&record, SCADA);
    // The same name on the other authority, too: its subject is the plant's, its key is not.
    let twin = openssl::ca(&scene.site, "plant");
    let own = openssl::issue(&scene.site, (&twin, "scada-2"), SCADA, LONG);
    let record = scene.turns_away(Some(&own), &[], &due, "bad_certificate");
    has_name(&record, SCADA);
    // And one that vouches for itself.
    let own = openssl::ca(&scene.site, "lonely");
    scene.turns_away(Some(&own), &[], &due, "bad_certificate");
    scene.serves_the_right_one();
}

#[test]
fn an_expired_certificate() {
    let Some(scene) = Scene::new(|_, _| {}) else { return };
    let dates = ("2020-01-01", "2020-02-01");
    let own = openssl::issue(&scene.site, (&scene.plant(), "old"), SCADA, dates);
    let due = [("event", "handshake_failed"), ("cause", "certificate_expired")];
    let record = scene.turns_away(Some(&own), &[], &due, "expired");
    has_name(&record, SCADA);
    scene.serves_the_right_one();
}

#[test]
fn a_revoked_certificate() {
    let scene = Scene::new(|site, config| {
        config.authority = "crl = \"pki/plant.crl\"".into();
        let mut lost = Site::names("scada", false);
        lost.name = "lost".into();
        pki::issue(&site.pki(), Some("plant"), &lost).expect("issued");
        pki::revoke(&site.pki(), Some("plant"), &site.crt("lost")).expect("revoked");
    });
    let Some(scene) = scene else { return };
    let own = Pair { crt: scene.site.crt("lost"), key: scene.site.key("lost") };
    let due = [("event", "handshake_failed"), ("cause", "certificate_revoked")];
    let record = scene.turns_away(Some(&own), &[], &due, "revoked");
    has_name(&record, SCADA);
    scene.serves_the_right_one();
}

#[test]
fn a_good_certificate_that_nobody_enrolled() {
    let Some(scene) = Scene::new(|_, _| {}) else { return };
    let own = Pair { crt: scene.site.crt("stranger"), key: scene.site.key("stranger") };
    let due = [("event", "session_refused"), ("cause", "identity_unknown"), ("reason", "identity_unknown")];
    let record = scene.turns_away(Some(&own), &[], &due, "refused");
    has_name(&record, "spiffe://plant/stranger");
    scene.gate.metric_reaches("denials_total{conduit=\"pump\",mode=\"enforce\",reason=\"identity_unknown\"}", 1);
    scene.serves_the_right_one();
}

#[test]
fn tls_1_2() {
    let Some(scene) = Scene::new(|_, _| {}) else { return };
    let own = Pair { crt: scene.site.crt("scada"), key: scene.site.key("scada") };
    let bytes = frame(1, 1, &[3, 0, 0, 0, 1]);
    let heard = openssl::connect(&scene.site, scene.gate.address(), Some(&own), &["-tls1_2"], &bytes);
    assert_eq!(heard.bytes, b"", "{}", heard.told);
    assert!(heard.told.contains("alert protocol version"), "it is told why: {}", heard.told);
    let record = scene.site.record_with(&[("event", "handshake_failed")]);
    assert_eq!(record.get("key_hash"), None, "it had shown nothing yet: {record}");
    scene.gate.metric_reaches("tls_handshakes_total{listener=\"ot\",outcome=\"failed\"}", 1);
    scene.device_saw_nothing();
    scene.serves_the_right_one();
}

/// PX-08: there is nothing to resume with, in either version.
#[test]
fn a_session_is_never_resumed() {
    for (version, listener) in [("-tls1_3", ""), ("-tls1_2", "tls_min = \"1.2\"")] {
        let scene = Scene::new(|_, config| {
            config.listener = listener.into();
            // So that s_client comes back after its answer.
            config.defaults = "idle_timeout = \"2s\"".into();
        });
        let Some(scene) = scene else { return };
        let own = Pair { crt: scene.site.crt("scada"), key: scene.site.key("scada") };
        let bytes = frame(1, 1, &[3, 0, 7, 0, 1]);
        let kept = ["-sess_out", "session.pem", version];
        let heard = openssl::connect(&scene.site, scene.gate.address(), Some(&own), &kept, &bytes);
        assert_eq!(heard.bytes, frame(1, 1, &[3, 2, 0, 7]), "{version}: {}", heard.told);
        assert_eq!(scene.device.texts(), ["010300070001"], "{version}");
        if scene.site.file("session.pem").exists() {
            // The certificate stays at home: only a resumed session could do without.
            let again = ["-sess_in", "session.pem", version];
            let heard = openssl::connect(&scene.site, scene.gate.address(), None, &again, &bytes);
            assert_eq!(heard.bytes, b"", "{version}: {}", heard.told);
            scene.site.record_with(&[("event", "handshake_failed"), ("cause", "certificate_missing")]);
        }
        assert_eq!(scene.device.texts(), ["010300070001"], "{version}");
        scene.gate.stop();
    }
}

#[test]
fn a_source_outside_the_zones_networks() {
    let Some(scene) = Scene::new(|_, config| config.networks = "\"10.30.0.0/24\"".into()) else { return };
    let own = Pair { crt: scene.site.crt("scada"), key: scene.site.key("scada") };
    let heard = openssl::connect(&scene.site, scene.gate.address(), Some(&own), &[], &frame(1, 1, &[3, 0, 0, 0, 1]));
    assert_eq!(heard.bytes, b"", "{}", heard.told);
    let due = [("event", "session_refused"), ("cause", "source_not_allowed"), ("reason", "source_not_allowed")];
    let record = scene.site.record_with(&due);
    assert_eq!(record.get("key_hash"), None, "it did not come to a handshake: {record}");
    scene.gate.metric_reaches("denials_total{conduit=\"pump\",mode=\"enforce\",reason=\"source_not_allowed\"}", 1);
    scene.device_saw_nothing();
    scene.gate.stop();
}

/// Bytes before, in place of, and instead of the end of a handshake.
#[test]
fn whoever_does_not_speak_tls() {
    let Some(scene) = Scene::new(|_, _| {}) else { return };
    let mut peer = Peer::plain(&scene.gate);
    peer.send(&frame(1, 1, &[6, 0, 40, 0, 7]));
    let heard = peer.until_closed();
    assert!(heard.first().is_none_or(|byte| *byte == 0x15), "a TLS alert at most: {heard:02x?}");
    scene.site.record_with(&[("event", "handshake_failed")]);
    wait("its count", || scene.gate.metric("tls_handshakes_total{listener=\"ot\",outcome=\"failed\"}") == 1);
    scene.device_saw_nothing();
    scene.serves_the_right_one();
}
