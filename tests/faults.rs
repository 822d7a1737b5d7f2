//! Does each conduit do what it says when one of our own parts fails? (language.md section 4)
//!
//! One gateway, four conduits behind one listener:
//!
//! | conduit | says | live sessions | new sessions |
//! |---|---|---|---|
//! | `pump` | nothing | end | none |
//! | `steady` | `essential = true` | live on | taken for 72 hours |
//! | `strict` | `essential = true`, `grace = "1s"` | live on | none after a second |
//! | `deaf` | `keep` | live on | taken |
//!
//! `audit_full` is tried in `record`, the end of a peer's certificate in `lifecycle`.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use crate::gate::{
    Config, Device, Gate, Peer, Site, missing,
    openssl::{self, Pair},
    tls_config, wait,
};

const READ: [u8; 5] = [3, 0, 7, 0, 1];
const SEVEN: [u8; 4] = [3, 2, 0, 7];
const CONDUITS: [&str; 4] = ["pump", "steady", "strict", "deaf"];
/// Time enough to start and to open four sessions on a slow machine.
const SOON: &str = "+20 seconds";

#[test]
fn a_stale_revocation_list_does_what_each_conduit_says() {
    if missing(&["openssl"]) {
        return;
    }
    let site = Site::new();
    let plant = Pair { crt: site.crt("plant"), key: site.key("plant") };
    let list = openssl::revocations(&site, &plant, ("-1 hour", SOON));
    std::fs::copy(list, site.pki().join("plant.crl")).expect("copied");
    let authority = "crl = \"pki/plant.crl\"";
    let series = "crl_next_update_timestamp_seconds{authority=\"plant\"}";
    tried(&site, ("crl_stale", series), authority, "the revocation list of authority plant ended");
}

#[test]
fn the_end_of_our_own_certificate_does_what_each_conduit_says() {
    if missing(&["openssl"]) {
        return;
    }
    let site = Site::new();
    // The listener's own certificate stays good, or clients would not come: the one that ends is shown to the device.
    let plant = Pair { crt: site.crt("plant"), key: site.key("plant") };
    let ours = openssl::issue(&site, (&plant, "ours"), "spiffe://plant/ours", ("-1 hour", SOON));
    std::fs::copy(ours.crt, site.crt("ours")).expect("copied");
    std::fs::copy(ours.key, site.key("ours")).expect("copied");
    let series = "certificate_not_after_timestamp_seconds{certificate=\"ours\"}";
    tried(&site, ("certificate_expired", series), "", "our certificate ours ended");
}

/// PX-14: a machine whose battery is empty starts in the past.
#[test]
fn a_clock_before_the_last_record_closes_until_it_is_right_again() {
    let Some(library) = faketime() else { return };
    let (site, device) = (Site::new(), Device::start());
    let config = Config::plain(&device, &["hmi read holding 0-99"]);
    let gate = Gate::start(&site, &config);
    assert_eq!(gate.metric("clock_synchronized"), 1);
    assert_eq!(Peer::plain(&gate).ask(&READ), SEVEN);
    gate.stop();

    let clock = site.file("clock");
    std::fs::write(&clock, "-2d").expect("written");
    let gate = Gate::start_by(&site, &config, |mut command| {
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
        // Timers go by the monotonic clock, which no battery keeps.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        command
    });
    assert_eq!(gate.metric("clock_synchronized"), 0, "an alert can see it");
    let _ = Peer::plain(&gate).try_ask(&READ).expect_err("a closed conduit takes nobody");
    site.record_with(&[("event", "session_refused"), ("cause", "clock_unknown")]);
    let seen = device.seen().len();
    std::fs::write(&clock, "+0").expect("written");
    wait("the clock to be right again", || gate.metric("clock_synchronized") == 1);
    wait("the conduit serves again", || Peer::plain(&gate).try_ask(&READ).is_ok_and(|answer| answer == SEVEN));
    assert_eq!(device.seen().len(), seen + 1);
    gate.stop();
}

/// The library that makes a clock lie.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = folders.map(|one| one.path().join("faketime/libfaketime.so.1")).find(|one| one.exists());
    (found.is_some() || !missing(&["/usr/lib/faketime/libfaketime.so.1"])).then_some(found).flatten()
}

fn tried(site: &Site, (fault, series): (&str, &str), authority: &str, alarm: &str) {
    answer_to_all(site);
    let device = Device::start();
    let gate = Gate::start(site, &config(&device, fault, authority));
    let client = || tls_config(site, Some((&site.crt("scada"), &site.key("scada"))));
    let mut live: Vec<_> = CONDUITS.iter().map(|name| Peer::with(gate.address(), client(), name)).collect();
    for (peer, name) in live.iter_mut().zip(CONDUITS) {
        assert_eq!(peer.ask(&READ), SEVEN, "{name} serves");
    }

    let record = site.record_with(&[("event", "session_closed"), ("cause", fault)]);
    assert_eq!(record["conduit"], "pump");
    assert_eq!(live[0].until_closed(), b"");
    site.record(alarm, |one| one["event"] == "alarm" && one["note"].as_str().is_some_and(|note| note == alarm));
    gate.metric_reaches(&format!("sessions_closed_total{{cause=\"{fault}\",conduit=\"pump\"}}"), 1);

    let asked = |name: &str| Peer::with(gate.address(), client(), name).try_ask(&READ);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    assert!((1..=now).contains(&gate.metric(series)), "an alert can see that it has ended");
    let _ = asked("pump").expect_err("a closed conduit takes nobody");
    wait("the end of the grace", || asked("strict").is_err());
    for name in ["steady", "deaf"] {
        assert_eq!(asked(name).expect("a new session within the grace"), SEVEN, "{name}");
    }
    let seen = device.seen().len();
    for (peer, name) in live.iter_mut().zip(CONDUITS).skip(1) {
        assert_eq!(peer.ask(&READ), SEVEN, "the live session of {name} goes on");
    }
    assert_eq!(device.seen().len(), seen + 3);
    std::thread::sleep(Duration::from_secs(1));
    let alarms = site.audit().iter().filter(|one| one["note"] == alarm).count();
    assert_eq!(alarms, 1, "told once");
    gate.stop();
}

/// The gate's certificate names every conduit.
fn answer_to_all(site: &Site) {
    std::fs::remove_file(site.crt("gate")).expect("removed");
    std::fs::remove_file(site.key("gate")).expect("removed");
    let names = CONDUITS.iter().map(ToString::to_string).collect();
    let request = sluicegate::pki::Request { dnss: names, ..Site::names("gate", true) };
    sluicegate::pki::issue(&site.pki(), Some("plant"), &request).expect("issued");
}

fn config(device: &Device, fault: &str, authority: &str) -> Config {
    // A certificate of ours concerns the conduits that show it: as second upstream it is named and never dialled.
    let (certificate, upstream, keys) = if fault == "certificate_expired" {
        (
            "[certificates.ours]\ncert = \"pki/ours.crt\"\nkey = \"pki/ours.key\"\n[identities.plc]\nzone = \"cell\"\n\
             authority = \"plant\"\nmatch = { uri = \"spiffe://plant/plc\" }\n",
            format!("[\"{0}\", \"tls:{0}\"]", device.address),
            "upstream_certificate = \"ours\"\nupstream_authorities = [\"plant\"]\nupstream_peer = \"plc\"\n",
        )
    } else {
        ("", format!("\"{}\"", device.address), "")
    };
    let more = |name: &str, says: &str, faults: &str| {
        format!(
            "[conduits.{name}]\nfrom = \"ops\"\nto = \"cell\"\nlistener = \"ot\"\nsni = \"{name}\"\n\
             upstream = {upstream}\nprotocol = \"modbus\"\n{keys}{says}\n[conduits.{name}.faults]\n{faults}\n\
             [conduits.{name}.modbus]\nunits = [1]\nallow = [\"hmi read holding 0-99\"]\n"
        )
    };
    Config {
        upstream: upstream.clone(),
        authority: authority.to_owned(),
        conduit: format!("sni = \"pump\"\n{keys}"),
        more: [
            certificate.to_owned(),
            more("steady", "essential = true", ""),
            more("strict", "essential = true", "grace = \"1s\""),
            more("deaf", "", &format!("{fault} = \"keep\"")),
        ]
        .concat(),
        ..Config::tls(device, &["hmi read holding 0-99"])
    }
}
