//! Who may give local commands?

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::{ALLOW, command, told};
use crate::gate::{Config, Device, Gate, Site, missing};

/// The same command as another user of this machine, by what the kernel says of it.
fn as_user(site: &Site, who: &[&str], words: &[&str]) -> (i32, String) {
    let ours = command(site, words);
    let mut theirs = Command::new("setpriv");
    theirs.args(who).arg(ours.get_program()).args(ours.get_args());
    let output = theirs.output().expect("setpriv runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().expect("it ends by itself"), text)
}

fn is_root() -> bool {
    let said = Command::new("id").arg("-u").output().expect("there is id");
    let root = said.stdout.trim_ascii() == b"0";
    if !root {
        eprintln!("SKIPPED: only root can try what other users may");
    }
    root
}

#[test]
fn root_the_service_and_the_group_may_and_nobody_else() {
    if !is_root() || missing(&["setpriv"]) {
        return;
    }
    let (site, device) = (Site::new(), Device::start());
    let open = |path: &std::path::Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    open(site.path());
    open(&site.file("state"));
    let config = Config::tls(&device, ALLOW).text();
    // A group of every Debian machine, and its user of the same name.
    let text = config.replacen("[site]", "[site]\ncontrol_group = \"backup\"", 1);
    let gate = Gate::try_start(&site, &text, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let by_database = ["--reuid=34", "--regid=65534", "--clear-groups"];
    let by_process = ["--reuid=65534", "--regid=34", "--clear-groups"];
    for words in [&["reload"][..], &["history"], &["rollback", "1"], &["confirm"]] {
        let (code, said) = as_user(&site, &nobody, words);
        assert!(code == 1 && said.contains("may not give commands here"), "{said}");
        assert!(said.contains("nobody (uid 65534, pid "), "{said}");
    }
    site.record("who tried", |one| {
        one["event"] == "command_refused"
            && one["result"] == "failure"
            && one["note"].as_str().is_some_and(|note| note.contains("nobody (uid 65534"))
    });
    assert_eq!(gate.metric("config_reloads_total{outcome=\"success\"}"), 0);
    for who in [by_database, by_process] {
        let (code, said) = as_user(&site, &who, &["reload"]);
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(told(&site, &["reload"]).0, 0);
    // Who may is part of the configuration, and changes with it.
    site.write_config(&config);
    assert_eq!(told(&site, &["reload"]).0, 0);
    assert_eq!(as_user(&site, &by_database, &["history"]).0, 1);
    gate.stop();
}

#[test]
fn a_socket_that_a_dead_gateway_left_is_replaced_and_a_living_ones_is_not() {
    let (site, device) = (Site::new(), Device::start());
    let config = Config::tls(&device, ALLOW);
    Gate::start(&site, &config).kill();
    let gate = Gate::start(&site, &config);
    assert_eq!(told(&site, &["history"]).0, 0);
    let other = Site::new();
    let socket = site.file("state/control.sock").display().to_string();
    let text = config.text().replace("state/control.sock", &socket);
    let second = Gate::try_start(&other, &text, |command| command).unwrap_or_else(|(_, log)| panic!("{log}"));
    assert!(second.log().contains("no local commands") && second.log().contains("another gateway"), "{}", second.log());
    second.stop();
    assert_eq!(told(&site, &["history"]).0, 0, "the first one's is as it was");
    gate.stop();
}
