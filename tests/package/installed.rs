//! Installed by dpkg and run by systemd: does the service keep still until it is configured, serve under its unit's
//! restrictions, and leave nothing behind but what is the operator's?
//!
//! Everything happens on a copy-on-write image of this machine with a systemd of its own (`machine.rs`): real `dpkg`, real
//! `systemctl`, and what the kernel says about the process.

use std::fs;

use super::{machine::Machine, package};
use crate::gate::missing;

/// `None`, said aloud: no systemd of our own can be had here.
fn machine() -> Option<Machine> {
    let package = package()?;
    if missing(&["unshare", "nsenter", "ip", "openssl", "curl", "runuser", "/lib/systemd/systemd"]) {
        return None;
    }
    if !is_root() {
        eprintln!("SKIPPED: installing the package wants root: only root may boot a systemd in namespaces");
        return None;
    }
    match Machine::boot(&package.file) {
        Ok(machine) => Some(machine),
        Err(why) => {
            eprintln!("SKIPPED: the package is not installed in this test, no systemd boots in namespaces here: {why}");
            None
        }
    }
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

#[test]
fn from_installation_to_purge() {
    let Some(machine) = machine() else { return };
    installs_and_keeps_still(&machine);
    configure(&machine);
    starts(&machine);
    is_locked_up(&machine);
    holds_a_probe(&machine);
    serves(&machine);
    upgrades_without_a_stop(&machine);
    stops_and_leaves_a_whole_record(&machine);
    is_removed_and_purged(&machine);
}

fn installs_and_keeps_still(machine: &Machine) {
    let said = machine.does("dpkg -i /opt/sluicegate.deb");
    assert!(said.contains("not configured, so not started"), "{said}");
    let owners = machine.does("stat -c '%U:%G %a %n' /etc/sluicegate /etc/sluicegate/pki /var/lib/sluicegate");
    let due = "root:sluicegate 750 /etc/sluicegate\nroot:sluicegate 750 /etc/sluicegate/pki\n\
               sluicegate:sluicegate 750 /var/lib/sluicegate\n";
    assert_eq!(owners, due);
    assert_eq!(machine.does("cat /proc/sys/net/ipv4/ip_unprivileged_port_start").trim(), "502");
    assert_eq!(machine.run("systemctl is-enabled sluicegate").1.trim(), "disabled");
    // Whoever starts it all the same is told no, and why.
    let (good, said) = machine.run("systemctl enable --now sluicegate");
    assert!(!good && said.contains("Assertion failed"), "{said}");
    let (_, status) = machine.run("systemctl status --no-pager sluicegate");
    assert!(status.contains("AssertPathExists=/etc/sluicegate/sluicegate.toml was not met"), "{status}");
    machine.does("systemctl disable sluicegate");
    assert_eq!(machine.run("pgrep -x sluicegate").1, "");
    machine.does("systemd-analyze verify /lib/systemd/system/sluicegate.service");
}

/// As docs/first-conduit.md says, on loopback as it offers.
fn configure(machine: &Machine) {
    machine.does(
        "cd /etc/sluicegate && umask 077 && \
         sed 's/10\\.30\\.0\\./127.30.0./g; s/10\\.10\\.1\\./127.10.1./g' \
           /usr/share/doc/sluicegate/examples/first-conduit/sluicegate.toml >sluicegate.toml && \
         chmod 0644 sluicegate.toml && \
         sluicegate pki init  --dir pki --name plant && \
         sluicegate pki issue --dir pki --name gateway --dns gw.north-pumping --server && \
         sluicegate pki issue --dir pki --name scada-1 --uri spiffe://north-pumping/scada-1 && \
         chmod 0644 pki/*.crt pki/*.crl && chgrp sluicegate pki/gateway.key && chmod 0640 pki/gateway.key",
    );
    machine.does("runuser -u sluicegate -- sluicegate check");
}

/// `Type=notify`: systemctl comes back when READY=1 came.
fn starts(machine: &Machine) {
    let (good, said) = machine.run("systemctl enable --now sluicegate");
    assert!(good, "{said}\n{}", told(machine));
    let state = machine.does("systemctl show -p ActiveState -p SubState -p Type -p NRestarts sluicegate");
    for line in ["Type=notify", "ActiveState=active", "SubState=running", "NRestarts=0"] {
        assert!(state.contains(line), "{line}: {state}\n{}", told(machine));
    }
    assert_eq!(machine.does("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9473/readyz"), "200");
}

/// What the kernel says about the running process.
fn is_locked_up(machine: &Machine) {
    let process = main_process(machine);
    let status = machine.does(&format!("cat /proc/{process}/status"));
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_else(|| panic!("{key}: {status}"));
        line.split_whitespace().next().unwrap_or_default().to_owned()
    };
    for (key, due) in [("NoNewPrivs:", "1"), ("Seccomp:", "2")] {
        assert_eq!(value(key), due, "{key}");
    }
    for key in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(value(key), "0000000000000000", "{key}");
    }
    assert_eq!(value("Uid:"), machine.does("id -u sluicegate").trim());
    for space in ["mnt", "user"] {
        let of = |process: &str| machine.does(&format!("readlink /proc/{process}/ns/{space}"));
        assert_ne!(of(&process), of("1"), "a {space} namespace of its own");
    }
    let mounts = machine.does(&format!("cat /proc/{process}/mountinfo"));
    let options = |place: &str| {
        let mut found = mounts.lines().filter(|line| line.split(' ').nth(4) == Some(place));
        found.next_back().and_then(|line| line.split(' ').nth(5)).map(str::to_owned)
    };
    assert!(options("/").is_some_and(|one| one.starts_with("ro")), "the system is read-only: {mounts}");
    assert!(options("/var/lib/sluicegate").is_some_and(|one| one.starts_with("rw")), "the record is not: {mounts}");
    let limits = machine.does(&format!("cat /proc/{process}/limits"));
    assert!(limits.lines().any(|line| line.starts_with("Max core file size") && line.contains(" 0 ")), "{limits}");
    let score = machine.run("systemd-analyze security --no-pager --threshold=10 sluicegate.service");
    assert!(score.0, "{}", score.1);
}

/// The same unit with a probe in the gateway's place, and even as root: what it tries must fail, and be able to succeed
/// without the unit.
fn holds_a_probe(machine: &Machine) {
    machine.does(&format!("printf '%s' '{PROBE}' >/usr/bin/sluicegate-probe && chmod 0755 /usr/bin/sluicegate-probe"));
    machine.does(
        "sed -e '/^ExecStartPre=/d' -e 's|^ExecStart=.*|ExecStart=/usr/bin/sluicegate-probe|' -e 's/^Type=.*/Type=oneshot/' \
             -e '/^Restart/d' -e '/^WatchdogSec/d' -e 's/^User=.*/User=root/' -e 's/^Group=.*/Group=root/' \
             -e 's/Directory=sluicegate$/Directory=probe/' \
             -e 's|^\\[Service\\]|[Service]\\nStandardOutput=file:/probed|' \
             /lib/systemd/system/sluicegate.service >/etc/systemd/system/probe.service && systemctl daemon-reload",
    );
    machine.does("ip address add 203.0.113.9/32 dev lo");
    let (good, said) = machine.run("systemctl start probe.service");
    assert!(good, "{said}\n{}", machine.run("systemctl status --no-pager probe; cat /probed").1);
    let probed = machine.does("cat /probed");
    for line in PROBED.lines() {
        assert!(probed.lines().any(|one| one == line), "{line} is not in:\n{probed}");
    }
    // Without the unit the same probe can: the test tells a locked door from a wall.
    let free = machine.does("/usr/bin/sluicegate-probe");
    let open = free.lines().filter(|line| line.ends_with(": done")).count();
    assert_eq!(open, PROBED.lines().count(), "{free}");
    machine.does(
        "rm -f /etc/systemd/system/probe.service /usr/bin/sluicegate-probe /usr/bin/other /etc/sluicegate/other /probed && \
         umount /mnt && chmod 1777 /tmp && systemctl daemon-reload",
    );
}

/// TLS 1.3 on a port below 1024 without a capability; a refused write and an allowed read whose device is away.
fn serves(machine: &Machine) {
    let ask = |pdu: &str| {
        machine.does(&format!(
            "(printf '{pdu}'; sleep 2) | timeout 20 openssl s_client -quiet -no_ign_eof -connect 127.30.0.2:802 -bind 127.30.0.5:0 \
               -cert /etc/sluicegate/pki/scada-1.crt -key /etc/sluicegate/pki/scada-1.key \
               -CAfile /etc/sluicegate/pki/plant.crt -verify_return_error 2>/dev/null | od -An -tx1"
        ))
    };
    let refused = ask("\\000\\001\\000\\000\\000\\006\\001\\006\\000\\051\\000\\001");
    assert_eq!(refused.trim(), "00 01 00 00 00 03 01 86 02", "{}", told(machine));
    let away = ask("\\000\\002\\000\\000\\000\\006\\001\\003\\000\\000\\000\\001");
    assert_eq!(away.trim(), "00 02 00 00 00 03 01 83 0a", "{}", told(machine));
}

fn upgrades_without_a_stop(machine: &Machine) {
    let before = (main_process(machine), machine.does("sha256sum /etc/sluicegate/sluicegate.toml"));
    let records = lines_of_record(machine);
    machine.does(
        "cd /tmp && dpkg-deb -R /opt/sluicegate.deb next && sed -i 's/^Version: .*/&+next/' next/DEBIAN/control && \
         dpkg-deb -Zgzip -z1 -b next next.deb",
    );
    let said = machine.does("dpkg -i /tmp/next.deb");
    assert!(said.contains("the gateway that runs is still"), "{said}");
    assert!(machine.does("dpkg-query -W sluicegate").contains("+next"));
    assert_eq!((main_process(machine), machine.does("sha256sum /etc/sluicegate/sluicegate.toml")), before);
    assert!(lines_of_record(machine) >= records, "the audit trail goes on");
    machine.does("systemctl restart sluicegate");
    assert_ne!(main_process(machine), before.0);
    assert!(lines_of_record(machine) > records, "the same audit trail goes on after the restart");
}

fn stops_and_leaves_a_whole_record(machine: &Machine) {
    machine.does("systemctl stop sluicegate");
    let state = machine.does("systemctl show -p Result -p ExecMainStatus sluicegate");
    assert!(state.contains("Result=success") && state.contains("ExecMainStatus=0"), "{state}");
    let verified = machine.does("sh /usr/share/doc/sluicegate/docs/verify-audit.sh /var/lib/sluicegate/audit");
    assert!(verified.contains("WHOLE"), "{verified}");
    let refused = "grep -h 'write holding 41 unit 1 = 1 via 6' /var/lib/sluicegate/audit/*.jsonl";
    assert!(machine.does(refused).contains("address_not_allowed"));
}

fn is_removed_and_purged(machine: &Machine) {
    machine.does("systemctl start sluicegate && touch /var/lib/sluicegate/other");
    let process = main_process(machine);
    machine.does("dpkg -r sluicegate");
    assert!(!machine.run(&format!("test -e /proc/{process}")).0, "removal stops it");
    for gone in ["/usr/bin/sluicegate", "/lib/systemd/system/sluicegate.service", WANTED] {
        assert!(!machine.run(&format!("test -e {gone} -o -L {gone}")).0, "{gone} stays");
    }
    machine.does("test -f /etc/sluicegate/sluicegate.toml -a -f /var/lib/sluicegate/other");
    let said = machine.does("dpkg -P sluicegate 2>&1");
    assert!(said.contains("the audit trail is evidence and stays: /var/lib/sluicegate/audit"), "{said}");
    assert!(said.contains("configuration and keys are yours and stay: /etc/sluicegate"), "{said}");
    assert_eq!(machine.does("ls /var/lib/sluicegate").trim(), "audit");
    assert!(lines_of_record(machine) > 0);
    machine.does("test -f /etc/sluicegate/pki/plant.key");
    assert!(!machine.run("dpkg-query -W sluicegate").0, "dpkg knows nothing of it");
    assert_eq!(machine.run("systemctl list-unit-files 'sluicegate*' --no-legend").1.trim(), "");
}

fn main_process(machine: &Machine) -> String {
    let process = machine.does("systemctl show -P MainPID sluicegate").trim().to_owned();
    assert_ne!(process, "0", "{}", told(machine));
    process
}

fn lines_of_record(machine: &Machine) -> usize {
    machine.does("cat /var/lib/sluicegate/audit/*.jsonl | wc -l").trim().parse().expect("a number")
}

fn told(machine: &Machine) -> String {
    machine.run("systemctl status --no-pager --lines=50 sluicegate; cat /dev/console").1
}

const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/sluicegate.service";
/// What a stolen gateway might try, each line with how it went.
const PROBE: &str = r#"#!/bin/sh
try() { what=$1; shift; if "$@" >/dev/null 2>&1; then echo "$what: done"; else echo "$what: refused"; fi; }
try system touch /usr/bin/other
try configuration touch /etc/sluicegate/other
try home ls /root
try namespace unshare --user true
try netlink python3 -c "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)"
try packet python3 -c "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)"
try executable python3 -c "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)"
try setuid python3 -c "import os; os.chmod(os.environ.get(\"STATE_DIRECTORY\", \"/tmp\"), 0o4700)"
try priority python3 -c "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"
try kernel sh -c "echo 1 >/proc/sys/net/ipv4/ip_forward"
try mount mount -t tmpfs tmpfs /mnt
try stranger python3 -c "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b\"x\", (\"203.0.113.9\", 9))"
"#;
const PROBED: &str = "system: refused
configuration: refused
home: refused
namespace: refused
netlink: refused
packet: refused
executable: refused
setuid: refused
priority: refused
kernel: refused
mount: refused
stranger: refused";
