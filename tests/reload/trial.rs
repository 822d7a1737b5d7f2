//! Is there always a way back: by itself, by hand, after a crash?

use std::time::Duration;

use serde_json::Value;

use super::{ALLOW, MATCHES, READ, SEVEN, WRITE, good, notes, scene, told};
use crate::gate::{Config, Device, Gate, Peer, Site, wait};

/// The configuration with the rule that writes, and without.
fn both(device: &Device) -> (String, String) {
    let (whole, mut reading) = (Config::tls(device, ALLOW), Config::tls(device, ALLOW));
    reading.allow.pop();
    (whole.text(), reading.text())
}

fn history(site: &Site) -> Value {
    serde_json::from_str(&told(site, &["history", "--json"]).1).expect("one document")
}

fn states(site: &Site) -> Vec<String> {
    let history = history(site);
    let entries = history["entries"].as_array().expect("a list").clone();
    entries.iter().map(|one| one["state"].as_str().expect("a word").to_owned()).collect()
}

#[test]
fn a_reload_that_nobody_confirms_goes_back_by_itself() {
    let (site, device, gate, _) = scene(|_| {});
    let (whole, reading) = both(&device);
    let mut peer = Peer::tls(&gate, &site, "scada");
    site.write_config(&reading);
    let (code, said) = told(&site, &["reload", "--confirm", "2s"]);
    assert!(code == 0 && said.contains("without `sluicegate confirm` policy 1 comes back at"), "{said}");
    assert_eq!(peer.ask(&WRITE), [0x86, 1]);
    assert_eq!(states(&site), ["", "unconfirmed"]);
    let (code, said) = told(&site, &["reload"]);
    assert!(code == 1 && said.contains("waits for its confirmation"), "{said}");
    wait("what was in force comes back", || peer.ask(&WRITE) == WRITE);
    wait("the files are seen to be the others", || gate.metric(MATCHES) == 0);
    assert_eq!(states(&site), ["running", "rolled-back"]);
    let last = notes(&site, "policy_loaded", 3).pop().expect("a record");
    assert!(last.contains("rollback by the gateway: not confirmed in time, history 2 -> 1"), "{last}");
    assert_eq!(told(&site, &["confirm"]).0, 1, "nothing waits any more");
    // Whoever starts it again gets what was in force, not what was gone back from...
    gate.stop();
    let gate = Gate::try_start(&site, &reading, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
    assert!(gate.log().contains("they were gone back from"), "{}", gate.log());
    assert_eq!(Peer::tls(&gate, &site, "scada").ask(&WRITE), WRITE);
    // ...until somebody says that it is wanted after all.
    good(&site, &reading);
    assert_eq!(gate.metric(MATCHES), 1);
    assert_eq!(states(&site), ["", "", "running"]);
    good(&site, &whole);
    gate.stop();
}

#[test]
fn a_reload_that_is_confirmed_stays() {
    let (site, device, gate, _) = scene(|_| {});
    let (_, reading) = both(&device);
    let mut peer = Peer::tls(&gate, &site, "scada");
    assert_eq!(peer.ask(&READ), SEVEN);
    site.write_config(&reading);
    assert_eq!(told(&site, &["reload", "--confirm", "4s"]).0, 0);
    let (code, said) = told(&site, &["confirm", "--reason", "it works"]);
    assert!(code == 0 && said.contains("policy 2 is confirmed"), "{said}");
    site.record("the confirmation", |one| {
        one["event"] == "policy_confirmed"
            && one["note"].as_str().is_some_and(|note| note.ends_with("reason: it works"))
    });
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(peer.ask(&WRITE), [0x86, 1]);
    assert_eq!(states(&site), ["", "running"]);
    gate.stop();
}

#[test]
fn a_rollback_goes_to_the_one_before_or_to_the_one_that_is_named() {
    let (site, device, gate, _) = scene(|_| {});
    let (whole, reading) = both(&device);
    let other = reading.replace("hmi read holding 0-99", "hmi read holding 0-98");
    let mut peer = Peer::tls(&gate, &site, "scada");
    good(&site, &reading);
    good(&site, &other);
    assert_eq!(peer.ask(&WRITE), [0x86, 1]);
    let (code, said) = told(&site, &["rollback", "1"]);
    assert!(code == 0 && said.contains("history 3 -> 1"), "{said}");
    assert_eq!(peer.ask(&WRITE), WRITE);
    wait("the disk is seen to differ", || gate.metric(MATCHES) == 0);
    assert_eq!(told(&site, &["rollback"]).0, 1, "there is none before the first");
    assert_eq!(told(&site, &["rollback", "7"]).0, 1);
    assert_eq!(told(&site, &["rollback", "1"]).0, 1, "it is in force");
    assert_eq!(told(&site, &["rollback", "2"]).0, 0);
    assert_eq!(peer.ask(&WRITE), [0x86, 1]);
    assert_eq!(told(&site, &["rollback"]).0, 0);
    assert_eq!(peer.ask(&WRITE), WRITE);
    // On trial, it goes to what was in force before the trial.
    site.write_config(&whole.replace("0..1500", "0..8"));
    assert_eq!(told(&site, &["reload", "--confirm", "10m"]).0, 0);
    assert_eq!(peer.ask(&WRITE), [0x86, 3]);
    assert_eq!(told(&site, &["rollback"]).0, 0);
    assert_eq!(peer.ask(&WRITE), WRITE);
    assert_eq!(history(&site)["pending"], Value::Null);
    assert_eq!(peer.ask(&READ), SEVEN, "one session through all of it");
    gate.stop();
}

/// The "kill -9 between commit and confirm": what was not confirmed is not what comes back.
#[test]
fn a_crash_on_trial_comes_back_to_what_was_confirmed() {
    let (site, device, gate, _) = scene(|_| {});
    let (_, reading) = both(&device);
    site.write_config(&reading);
    assert_eq!(told(&site, &["reload", "--confirm", "10m"]).0, 0);
    gate.kill();
    let gate = Gate::try_start(&site, &reading, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
    assert!(gate.log().contains("they were not confirmed"), "{}", gate.log());
    assert_eq!(Peer::tls(&gate, &site, "scada").ask(&WRITE), WRITE);
    assert_eq!(gate.metric(MATCHES), 0);
    assert_eq!(states(&site), ["running", "rolled-back"]);
    site.record("the alarm", |one| {
        one["event"] == "alarm"
            && one["note"].as_str().is_some_and(|note| note.contains("the last policy in force (1)"))
    });
    gate.stop();
}

#[test]
fn a_crash_comes_back_to_the_last_policy_in_force_whatever_the_files_say() {
    let (site, device, gate, _) = scene(|_| {});
    let (whole, reading) = both(&device);
    good(&site, &reading);
    gate.kill();
    // An edit that nobody asked for yet, and one that is not even whole.
    for edit in [whole.clone(), whole.replace("[conduits.pump]", "[conduits.pump")] {
        let gate = Gate::try_start(&site, &edit, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
        assert!(gate.log().contains("not the files but the last policy in force (2) is served"), "{}", gate.log());
        assert_eq!(Peer::tls(&gate, &site, "scada").ask(&WRITE), [0x86, 1]);
        gate.kill();
    }
    // Files that are what was in force are no news.
    let gate = Gate::try_start(&site, &reading, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
    assert!(!gate.log().contains("not the files"), "{}", gate.log());
    assert_eq!(gate.metric(MATCHES), 1);
    // Whoever stops it in good order may change it.
    gate.stop();
    let gate = Gate::try_start(&site, &whole, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
    assert_eq!(Peer::tls(&gate, &site, "scada").ask(&WRITE), WRITE);
    assert_eq!(states(&site), ["", "", "running"]);
    gate.stop();
    // But not into what is no configuration, or fails its own tests.
    let failing = format!(
        "{reading}[[tests]]\nname = \"writes\"\nas = \"scada\"\non = \"pump\"\nsend = \"write holding 40 = 9\"\nexpect = \"allow\"\n"
    );
    for edit in [reading.replace("[conduits.pump]", "[conduits.pump"), failing] {
        let gate = Gate::try_start(&site, &edit, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
        assert!(gate.log().contains("the last policy in force (3) is served"), "{}", gate.log());
        assert_eq!(Peer::tls(&gate, &site, "scada").ask(&WRITE), WRITE);
        gate.stop();
    }
}
