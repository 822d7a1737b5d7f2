//! Does another policy come into force while the gate serves, whole or not at all, and is there always a way back?
//!
//! ```text
//! here             what a reload does to live sessions, and what refuses it
//! reload/trial     confirm, rollback, history, what a start takes up
//! reload/callers   who may give local commands
//! reload/load      hundreds of reloads under traffic: nothing lost, doubled, or judged by an older policy
//! ```

use std::{
    net::TcpStream,
    process::{Command, Output},
};

use serde_json::Value;
use sluicegate::pki;

use crate::gate::{Answers, Config, Device, Gate, Peer, Site, frame, free_port, wait};

mod callers;
mod load;
mod trial;

const ALLOW: &[&str] = &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"];
const READ: [u8; 5] = [3, 0, 7, 0, 1];
const SEVEN: [u8; 4] = [3, 2, 0, 7];
const WRITE: [u8; 5] = [6, 0, 40, 0, 9];
const MATCHES: &str = "config_matches_disk";

fn scene(change: impl FnOnce(&mut Config)) -> (Site, Device, Gate, Config) {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::tls(&device, ALLOW);
    change(&mut config);
    let gate = Gate::start(&site, &config);
    (site, device, gate, config)
}

/// A command of ours, as an operator gives it.
fn command(site: &Site, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.arg("--config").arg(site.file("gate.toml")).args(words);
    command
}

fn told(site: &Site, words: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = command(site, words).output().expect("the binary was built");
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    (status.code().expect("it ends by itself"), text)
}

fn reload(site: &Site, text: &str) -> (i32, String) {
    site.write_config(text);
    told(site, &["reload"])
}

fn good(site: &Site, text: &str) -> String {
    let (code, said) = reload(site, text);
    assert_eq!(code, 0, "{said}");
    said
}

/// The notes of all records of an event, once there are so many.
fn notes(site: &Site, event: &str, most: usize) -> Vec<String> {
    let is = |one: &&Value| one["event"] == event;
    wait(&format!("{most} records of {event}"), || site.audit().iter().filter(is).count() >= most);
    let of = |one: &Value| one["note"].as_str().unwrap_or_default().to_owned();
    site.audit().iter().filter(|one| one["event"] == event).map(of).collect()
}

#[test]
fn the_next_message_of_a_live_session_is_judged_by_the_new_policy() {
    let (site, device, gate, mut config) = scene(|_| {});
    let mut peer = Peer::tls(&gate, &site, "scada");
    assert_eq!(peer.ask(&WRITE), WRITE);
    config.allow.pop();
    site.write_config(&config.text());
    let (code, said) = told(&site, &["reload", "--reason", "summer"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("is in force: reload by ") && said.contains("history 1 -> 2, epoch 2"), "{said}");
    assert_eq!(peer.ask(&WRITE), [0x86, 1], "no rule writes any more");
    assert_eq!(peer.ask(&READ), SEVEN, "the same session, the same device connection");
    assert_eq!((device.writes().len(), device.connections()), (1, 1));
    assert_eq!(gate.metric("config_reloads_total{outcome=\"success\"}"), 1);
    assert_eq!(gate.metric(MATCHES), 1);
    let loaded = notes(&site, "policy_loaded", 2);
    assert_eq!(loaded.len(), 2, "{loaded:?}");
    assert!(loaded[1].contains("(uid ") && loaded[1].ends_with("; reason: summer"), "{loaded:?}");
    assert!(site.audit().iter().all(|one| one["event"] != "session_closed"), "nobody else noticed");
    // By the same files again: certificates and lists are read anew, nothing is remembered.
    let (code, said) = told(&site, &["reload", "--json"]);
    let said: Value = serde_json::from_str(&said).expect("one document");
    assert_eq!((code, &said["running"], &said["epoch"]), (0, &Value::from(2), &Value::from(3)));
    let (_, listed) = told(&site, &["history"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(
        listed.lines().nth(1).is_some_and(|line| line.contains("running") && line.ends_with(": summer")),
        "{listed}"
    );
    gate.stop();
}

#[test]
fn a_signal_reloads_and_so_does_a_change_where_it_is_watched() {
    let (site, _device, gate, mut config) = scene(|_| {});
    let mut peer = Peer::tls(&gate, &site, "scada");
    let whole = config.text();
    config.allow.pop();
    site.write_config(&config.text());
    wait("the disk is seen to differ", || gate.metric(MATCHES) == 0);
    gate.signal("HUP");
    gate.metric_reaches("config_reloads_total{outcome=\"success\"}", 1);
    assert_eq!(peer.ask(&WRITE), [0x86, 1]);
    assert_eq!(gate.metric(MATCHES), 1);
    assert!(notes(&site, "policy_loaded", 2)[1].contains("reload by SIGHUP"));
    // Now by itself; what is broken is told once, and taken up when it is mended.
    let watched = |text: &str| text.replacen("[site]", "[site]\nwatch = true", 1);
    good(&site, &watched(&config.text()));
    std::thread::sleep(std::time::Duration::from_secs(3));
    site.write_config(&watched(&whole).replace("0..1500", "1500..0"));
    gate.metric_reaches("config_reloads_total{outcome=\"failure\"}", 1);
    assert_eq!((peer.ask(&WRITE), gate.metric(MATCHES)), (vec![0x86, 1], 0));
    site.write_config(&watched(&whole));
    wait("the change is taken up", || peer.ask(&WRITE) == WRITE);
    assert_eq!(gate.metric("config_reloads_total{outcome=\"failure\"}"), 1, "once");
    assert!(notes(&site, "policy_loaded", 4)[3].contains("reload by the file watch"));
    // A certificate is a file of ours, too: renewed without a word, and shown to the next peer.
    std::fs::remove_file(site.crt("gate")).and_then(|()| std::fs::remove_file(site.key("gate"))).expect("removed");
    pki::issue(&site.pki(), Some("plant"), &Site::names("gate", true)).map(drop).expect("issued");
    gate.metric_reaches("config_reloads_total{outcome=\"success\"}", 4);
    assert_eq!(peer.ask(&READ), SEVEN);
    assert_eq!(Peer::tls(&gate, &site, "scada").ask(&READ), SEVEN);
    gate.stop();
}

/// PX-11, PX-12: what is wrong anywhere refuses all of it, and nothing has changed.
#[test]
fn what_is_wrong_refuses_the_reload_and_changes_nothing() {
    let (site, _device, gate, config) = scene(|config| {
        config.authority = "crl = \"pki/plant.crl\"".into();
        config.more = "[[tests]]\nname = \"writes\"\nas = \"scada\"\non = \"pump\"\nsend = \"write holding 40 = 9\"\nexpect = \"allow\"\n".into();
    });
    let (text, socket) = (config.text(), site.file("state/control.sock").display().to_string());
    let mut peer = Peer::tls(&gate, &site, "scada");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let busy = format!("[listeners.it]\nzone = \"ops\"\nbind = \"{}\"\n", busy.local_addr().expect("bound"));
    let tls = "transport = \"tls\"\ncertificate = \"gateway\"\nauthorities = [\"plant\"]\n";
    let valve = "[conduits.valve]\nfrom = \"ops\"\nto = \"cell\"\nlistener = \"it\"\nupstream = \"127.0.0.1:1\"\nprotocol = \"modbus\"\n\
                 [conduits.valve.modbus]\nunits = [1]\nallow = [\"hmi read holding 0\"]\n";
    let list = std::fs::read(site.file("pki/plant.crl")).expect("there is a list");
    let crt = std::fs::read(site.crt("gate")).expect("there is a certificate");
    for (edit, why) in [
        (text.replace("[site]", "[site"), "E"),
        (text.replace("[site]", "[site]\nwach = true"), "did you mean"),
        (text.replace("0..1500", "1500..0"), "write 0..1500"),
        (text.replace("= 0..1500", "= 0..8"), "the test \"writes\" fails"),
        (format!("{text}{busy}{tls}{valve}"), "listeners.it.bind: cannot listen on"),
        (text.replace("state = \"state\"", "state = \"elsewhere\""), "site.state cannot change while the gateway runs"),
        (format!("{text}[audit]\ndurable = \"writes\"\n"), "[audit] cannot change"),
    ] {
        site.write_config(&edit);
        // What is no TOML may not say where the gateway is.
        let (code, said) = told(&site, &["reload", "--control", &socket]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(why) && said.contains("= note: the running policy "), "{why}: {said}");
        assert!(said.trim_end().ends_with("is unchanged"), "{said}");
        assert_eq!(peer.ask(&WRITE), WRITE, "{why}");
    }
    wait("the disk is seen to differ", || gate.metric(MATCHES) == 0);
    site.write_config(&text);
    for (file, content) in
        [("pki/plant.crl", &b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"[..]), ("pki/gate.crt", b"")]
    {
        std::fs::write(site.file(file), content).expect("written");
        let (code, said) = told(&site, &["reload"]);
        assert!(code == 1 && said.contains(file), "{said}");
        assert_eq!(Peer::tls(&gate, &site, "scada").ask(&WRITE), WRITE, "the old {file} counts");
        std::fs::write(site.file("pki/plant.crl"), &list).expect("written");
        std::fs::write(site.crt("gate"), &crt).expect("written");
    }
    assert_eq!(gate.metric("config_reloads_total{outcome=\"failure\"}"), 9);
    assert_eq!(gate.metric("config_last_reload_successful"), 0);
    assert_eq!(notes(&site, "policy_refused", 9).len(), 9);
    assert_eq!(told(&site, &["history"]).1.lines().count(), 1);
    assert_eq!(good(&site, &text).lines().count(), 1);
    assert_eq!(gate.metric("config_last_reload_successful"), 1);
    assert_eq!(peer.ask(&WRITE), WRITE, "the same session after ten reloads");
    gate.stop();
}

#[test]
fn what_waits_for_the_device_is_judged_again_when_its_turn_comes() {
    let (site, device, gate, mut config) = scene(|_| {});
    let (mut first, mut second) = (Peer::tls(&gate, &site, "scada"), Peer::tls(&gate, &site, "scada"));
    device.answers(Answers::Later);
    first.send(&frame(1, 1, &WRITE));
    wait("the first write at the device", || device.writes().len() == 1);
    second.send(&frame(2, 1, &WRITE));
    second.send(&frame(3, 1, &READ));
    gate.metric_reaches("bytes_total{conduit=\"pump\",direction=\"from_peer\"}", 36);
    config.allow.pop();
    good(&site, &config.text());
    device.answers(Answers::Truly);
    assert_eq!(first.answer().expect("what had left is answered"), frame(1, 1, &WRITE));
    assert_eq!(second.answer().expect("what waited is refused"), frame(2, 1, &[0x86, 1]));
    assert_eq!(second.answer().expect("and what is still allowed passes"), frame(3, 1, &SEVEN));
    assert_eq!(device.writes().len(), 1);
    gate.stop();
}

/// PX-09, PX-10: exactly those who are no longer allowed end, within a second of the reload.
#[test]
fn whoever_is_no_longer_allowed_ends_and_nobody_else() {
    let (site, _device, gate, config) = scene(|config| {
        config.authority = "crl = \"pki/plant.crl\"".into();
        config.allow.push("onlooker read holding 0-99".into());
    });
    let text = config.text();
    let viewer = "[identities.viewer]\nzone = \"ops\"\nauthority = \"plant\"\nmatch = { uri = \"spiffe://plant/viewer\" }\nroles = [\"onlooker\"]\n";
    assert!(text.contains(viewer), "{text}");
    let mut stays = Peer::tls(&gate, &site, "scada");
    let mut ends = |edit: &str, cause: &str| {
        let mut goes = Peer::tls(&gate, &site, "viewer");
        assert_eq!(goes.ask(&READ), SEVEN);
        good(&site, edit);
        assert_eq!(goes.until_closed(), b"", "{cause}: {edit}");
        assert_eq!(stays.ask(&READ), SEVEN, "{cause}");
        let closed = |one: &&Value| one["event"] == "session_closed" && one["identity"] == "viewer";
        wait("the end on record", || site.audit().iter().rfind(closed).is_some_and(|one| one["cause"] == cause));
        good(&site, &text);
    };
    ends(&text.replace(viewer, "").replace("  \"onlooker read holding 0-99\",\n", ""), "policy_changed");
    ends(&text.replace("roles = [\"onlooker\"]", "roles = []"), "policy_changed");
    ends(&text.replace("plant/viewer", "plant/another"), "policy_changed");
    ends(&text.replace("[identities.viewer]", "[identities.guest]"), "policy_changed");
    pki::revoke(&site.pki(), Some("plant"), &site.crt("viewer")).expect("revoked");
    let mut late = Peer::tls(&gate, &site, "scada");
    assert_eq!(late.ask(&READ), SEVEN);
    good(&site, &text);
    assert!(
        Peer::with(
            gate.address(),
            crate::gate::tls_config(&site, Some((&site.crt("viewer"), &site.key("viewer")))),
            "gate"
        )
        .try_ask(&READ)
        .is_err()
    );
    // Everybody's source.
    good(&site, &text.replace("127.0.0.0/8", "10.0.0.0/8"));
    assert_eq!((stays.until_closed(), late.until_closed()), (Vec::new(), Vec::new()));
    assert_eq!(gate.metric("sessions{conduit=\"pump\",kind=\"machine\"}"), 0);
    gate.stop();
}

#[test]
fn a_revoked_peer_is_cut_by_the_reload_of_its_list() {
    let (site, _device, gate, config) = scene(|config| {
        config.authority = "crl = \"pki/plant.crl\"".into();
        config.allow.push("onlooker read holding 0-99".into());
    });
    let (mut stays, mut goes) = (Peer::tls(&gate, &site, "scada"), Peer::tls(&gate, &site, "viewer"));
    assert_eq!((stays.ask(&READ), goes.ask(&READ)), (SEVEN.to_vec(), SEVEN.to_vec()));
    pki::revoke(&site.pki(), Some("plant"), &site.crt("viewer")).expect("revoked");
    good(&site, &config.text());
    assert_eq!(goes.until_closed(), b"");
    site.record_with(&[("event", "session_closed"), ("identity", "viewer"), ("cause", "certificate_revoked")]);
    assert_eq!(stays.ask(&READ), SEVEN);
    gate.stop();
}

#[test]
fn what_was_spent_stays_spent_by_the_text_of_its_rule() {
    let (site, device, gate, mut config) = scene(|config| {
        config.allow = vec!["hmi read holding 0-99".into(), "hmi write holding 40 = 0..1500 max 2/h".into()];
    });
    let mut peer = Peer::tls(&gate, &site, "scada");
    assert_eq!((peer.ask(&WRITE), peer.ask(&WRITE)), (WRITE.to_vec(), WRITE.to_vec()));
    config.allow.insert(0, "hmi read holding 200".into());
    good(&site, &config.text());
    assert_eq!(peer.ask(&WRITE), [0x86, 6], "another rule before it changes nothing");
    // What the sessions are made of has changed: they end, the budget does not.
    config.conduit = "pending = 3".into();
    let said = good(&site, &config.text());
    assert!(said.contains("sessions of conduit pump have ended, for pending has changed"), "{said}");
    assert_eq!(peer.until_closed(), b"");
    let mut peer = Peer::tls(&gate, &site, "scada");
    assert_eq!(peer.ask(&WRITE), [0x86, 6]);
    config.allow[2] = "hmi write holding 40 = 0..1501 max 2/h".into();
    good(&site, &config.text());
    assert_eq!(peer.ask(&WRITE), WRITE, "another rule has a budget of its own");
    assert_eq!(device.writes().len(), 3);
    gate.stop();
}

#[test]
fn modes_schedules_and_limits_change_under_a_live_session() {
    let (site, device, gate, mut config) = scene(|_| {});
    let mut peer = Peer::tls(&gate, &site, "scada");
    let elsewhere = [6, 0, 41, 0, 9];
    assert_eq!(peer.ask(&elsewhere), [0x86, 2]);
    config.conduit = "mode = \"monitor\"".into();
    good(&site, &config.text());
    assert_eq!(peer.ask(&elsewhere), elsewhere);
    assert_eq!(gate.metric("enforcement_mode{conduit=\"pump\",mode=\"monitor\"}"), 1);
    config.conduit = String::new();
    // The first schedule of the old plan is not the first of the new one.
    let open = "[schedules.open]\nwindows = [\"mon-sun 00:00-24:00\"]\nexcept = [\"2000-01-01\"]\n";
    let day = around_today();
    let off = format!("[schedules.alpha]\nwindows = [\"mon-sun 00:00-24:00\"]\nexcept = [{day}]\n");
    config.more = open.to_owned();
    config.allow[1] = "hmi write holding 40 = 0..1500 during open".into();
    good(&site, &config.text());
    assert_eq!((peer.ask(&elsewhere), peer.ask(&WRITE)), (vec![0x86, 2], WRITE.to_vec()));
    config.more = format!("{off}{open}");
    good(&site, &config.text());
    assert_eq!(peer.ask(&WRITE), WRITE, "its schedule holds, in whatever place it stands");
    config.allow[1] = "hmi write holding 40 = 0..1500 during alpha".into();
    good(&site, &config.text());
    assert_eq!(peer.ask(&WRITE), [0x86, 6], "outside its schedule");
    config.limits = "peer_requests = \"1/h burst 1\"".into();
    good(&site, &config.text());
    assert_eq!(peer.ask(&READ), SEVEN);
    assert_eq!(peer.ask(&READ), [0x83, 6], "one an hour");
    assert_eq!(device.connections(), 1);
    gate.stop();
}

/// Yesterday, today and tomorrow in UTC as dates of TOML: a test may run at midnight.
fn around_today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let date = |seconds: u64| {
        let out =
            Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+\"%F\""]).output().expect("there is date");
        String::from_utf8(out.stdout).expect("text").trim().to_owned()
    };
    [date(now - 86_400), date(now), date(now + 86_400)].join(", ")
}

#[test]
fn conduits_and_listeners_come_and_go_while_others_serve() {
    let (site, device, gate, config) = scene(|_| {});
    let other = Device::start();
    let text = config.text();
    let port = free_port();
    let listener = format!(
        "[listeners.it]\nzone = \"ops\"\nbind = \"127.0.0.1:{port}\"\ntransport = \"tls\"\ncertificate = \"gateway\"\nauthorities = [\"plant\"]\n"
    );
    let valve = |listener: &str| {
        format!(
            "[conduits.valve]\nfrom = \"ops\"\nto = \"cell\"\nlistener = \"{listener}\"\nupstream = \"{}\"\nprotocol = \"modbus\"\n\
         [conduits.valve.modbus]\nunits = [1]\nallow = [\"hmi read holding 0-99\"]\n",
            other.address
        )
    };
    let mut stays = Peer::tls(&gate, &site, "scada");
    assert_eq!(stays.ask(&READ), SEVEN);
    let said = good(&site, &format!("{text}{listener}{}", valve("it")));
    assert!(said.contains(&format!("listener it is open at 127.0.0.1:{port}")), "{said}");
    let config = || crate::gate::tls_config(&site, Some((&site.crt("scada"), &site.key("scada"))));
    let at = |port: u16| Peer::with(([127, 0, 0, 1], port).into(), config(), "gate");
    let mut goes = at(port);
    assert_eq!(goes.ask(&READ), SEVEN);
    assert_eq!((device.seen().len(), other.seen().len()), (1, 1));
    assert!(gate.metrics().contains("sluicegate_sessions{conduit=\"valve\",kind=\"machine\"} 1\n"));
    // The same address under another name keeps its socket; the conduit behind it is the same.
    let renamed = format!("{text}{}{}", listener.replace("listeners.it", "listeners.plant"), valve("plant"));
    let said = good(&site, &renamed);
    assert!(!said.contains("listener"), "{said}");
    assert_eq!((goes.ask(&READ), at(port).ask(&READ)), (SEVEN.to_vec(), SEVEN.to_vec()));
    let said = good(&site, &text);
    assert!(said.contains("listener plant is closed"), "{said}");
    assert_eq!(goes.until_closed(), b"");
    site.record_with(&[("event", "session_closed"), ("conduit", "valve"), ("cause", "policy_changed")]);
    wait("the door is shut", || TcpStream::connect(("127.0.0.1", port)).is_err());
    wait("its device is left", || other.open() == 0);
    assert!(!gate.metrics().contains("conduit=\"valve\""), "its series are gone");
    assert_eq!(stays.ask(&READ), SEVEN);
    assert_eq!(Peer::tls(&gate, &site, "scada").ask(&READ), SEVEN, "the first listener's socket was never touched");
    // And once more, for what is taken away must be free again.
    good(&site, &format!("{text}{listener}{}", valve("it")));
    assert_eq!(at(port).ask(&READ), SEVEN);
    gate.stop();
}

#[test]
fn without_a_gateway_the_commands_say_so() {
    let (site, device) = (Site::new(), Device::start());
    site.write_config(&Config::tls(&device, ALLOW).text());
    for words in [&["reload"][..], &["confirm"], &["rollback"], &["history"]] {
        let (code, said) = told(&site, words);
        assert!(code == 3 && said.contains("cannot be reached at"), "{said}");
    }
    assert_eq!(told(&site, &["reload", "--confirm", "soon"]).0, 2);
}
