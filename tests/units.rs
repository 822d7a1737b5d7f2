//! Do the systemd files say what docs say, and is the service as locked up as promised?

use std::process::Command;

use crate::house::root;

/// systemd-analyze counts in tenths: exposure 1.0 is 10.
const EXPOSURE: &str = "10";

fn run(program: &str, args: &[&str]) -> Option<(bool, String)> {
    match Command::new(program).args(args).current_dir(root()).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
        }
        Err(error) => {
            eprintln!("SKIPPED: {program} does not run here: {error}");
            None
        }
    }
}

/// S7: systemd exposure <= 1.0.
#[test]
fn the_service_is_locked_up() {
    let args = ["security", "--offline=yes", "--threshold", EXPOSURE, "--no-pager", "systemd/sluicegate.service"];
    let Some((ok, text)) = run("systemd-analyze", &args) else { return };
    assert!(ok, "{text}");
    assert!(text.contains("Overall exposure level"), "{text}");
}

#[test]
fn the_unit_is_well_formed() {
    let unit = std::fs::read_to_string(root().join("systemd/sluicegate.service")).expect("the unit is there");
    for line in [
        "Type=notify",
        "ExecStartPre=-/usr/bin/sluicegate check",
        "ExecReload=/usr/bin/sluicegate reload",
        "ExecStart=/usr/bin/sluicegate run",
        "WatchdogSec=10",
        "Restart=always",
        "User=sluicegate",
    ] {
        assert!(unit.lines().any(|one| one == line), "the unit has no line `{line}`");
    }
    assert!(unit.contains("LoadCredential="), "the unit shows how a key comes in as a credential");
    // The unit is checked with the binary of this build in the place of the installed one.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("sluicegate.service");
    let binary = env!("CARGO_BIN_EXE_sluicegate");
    std::fs::write(&copy, unit.replace("/usr/bin/sluicegate", binary)).expect("the copy is written");
    let Some((ok, text)) =
        run("systemd-analyze", &["verify", "--man=no", "--recursive-errors=no", copy.to_str().expect("a path")])
    else {
        return;
    };
    let ours: Vec<_> = text.lines().filter(|line| line.contains("sluicegate.service")).collect();
    assert!(ok && ours.is_empty(), "systemd-analyze verify: {text}");
}

#[test]
fn users_and_folders_can_be_made() {
    let users = root().join("systemd/sluicegate.sysusers");
    if let Some((ok, text)) = run("systemd-sysusers", &["--dry-run", users.to_str().expect("a path")]) {
        assert!(ok && text.contains("sluicegate-admin"), "{text}");
    }
    // tmpfiles has no dry run in systemd 252: it makes the folders below a root of its own.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let etc = folder.path().join("etc");
    std::fs::create_dir_all(&etc).expect("etc");
    std::fs::write(etc.join("passwd"), "root:x:0:0::/:/bin/sh\nsluicegate:x:0:0::/:/bin/false\n").expect("passwd");
    std::fs::write(etc.join("group"), "root:x:0:\nsluicegate:x:0:\nsluicegate-admin:x:0:\n").expect("group");
    let (file, place) = (root().join("systemd/sluicegate.tmpfiles"), format!("--root={}", folder.path().display()));
    let Some((ok, text)) = run("systemd-tmpfiles", &["--create", &place, file.to_str().expect("a path")]) else {
        return;
    };
    assert!(ok, "{text}");
    for made in ["etc/sluicegate/pki", "var/lib/sluicegate", "run/sluicegate"] {
        assert!(folder.path().join(made).is_dir(), "{made} was not made: {text}");
    }
}
