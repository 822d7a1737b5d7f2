//! Is what the gateway did written down, countable, and beyond quiet change?

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::gate::{Config, Device, Gate, Peer, Site, free_port, missing, repository, run, wait};

const ALLOW: &[&str] = &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"];
const READ: [u8; 5] = [3, 0, 7, 0, 1];
const SEVEN: [u8; 4] = [3, 2, 0, 7];

/// Every family of the metrics' list that this gateway has something to say about.
const FAMILIES: &[&str] = &[
    "requests_total",
    "requests_by_class_total",
    "denials_total",
    "responses_total",
    "device_exceptions_total",
    "rule_hits_total",
    "bytes_total",
    "inspection_duration_seconds",
    "upstream_duration_seconds",
    "sessions",
    "sessions_limit",
    "sessions_opened_total",
    "sessions_closed_total",
    "limited_total",
    "upstream_up",
    "upstream_connect_failures_total",
    "repairs_total",
    "units_silent",
    "kill_switch_engaged",
    "last_allowed_timestamp_seconds",
    "enforcement_mode",
    "tls_handshakes_total",
    "tls_negotiated_total",
    "certificate_not_after_timestamp_seconds",
    "crl_next_update_timestamp_seconds",
    "audit_records_total",
    "audit_last_checkpoint_timestamp_seconds",
    "audit_free_bytes",
    "audit_sink_failures_total",
    "audit_sink_backlog_records",
    "audit_dropped_total",
    "config_last_reload_successful",
    "config_last_reload_success_timestamp_seconds",
    "config_matches_disk",
    "config_reloads_total",
    "config_info",
    "build_info",
    "clock_synchronized",
    "log_messages_total",
    "task_panics_total",
];

/// Two reads and a write that pass, and a write that does not.
fn four_deeds(peer: &mut Peer) {
    assert_eq!(peer.ask(&READ), SEVEN);
    assert_eq!(peer.ask(&READ), SEVEN);
    assert_eq!(peer.ask(&[6, 0, 40, 0, 9]), [6, 0, 40, 0, 9]);
    assert_eq!(peer.ask(&[6, 0, 41, 0, 9]), [0x86, 2]);
}

#[test]
fn a_live_scrape_is_whole_and_counts_right() {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::tls(&device, ALLOW);
    config.authority = "crl = \"pki/plant.crl\"".into();
    let gate = Gate::start(&site, &config);
    let mut peer = Peer::tls(&gate, &site, "scada");
    four_deeds(&mut peer);
    for (series, value) in [
        ("requests_total{conduit=\"pump\",function=\"3\",protocol=\"modbus\",verdict=\"allowed\"}", 2),
        ("requests_total{conduit=\"pump\",function=\"6\",protocol=\"modbus\",verdict=\"allowed\"}", 1),
        ("requests_total{conduit=\"pump\",function=\"6\",protocol=\"modbus\",verdict=\"denied\"}", 1),
        ("requests_by_class_total{class=\"read\",conduit=\"pump\",verdict=\"allowed\"}", 2),
        ("requests_by_class_total{class=\"write\",conduit=\"pump\",verdict=\"denied\"}", 1),
        ("denials_total{conduit=\"pump\",mode=\"enforce\",reason=\"address_not_allowed\"}", 1),
        ("responses_total{conduit=\"pump\",outcome=\"ok\",protocol=\"modbus\"}", 3),
        ("sessions{conduit=\"pump\",kind=\"machine\"}", 1),
        ("sessions_opened_total{conduit=\"pump\",kind=\"machine\"}", 1),
        ("upstream_up{conduit=\"pump\"}", 1),
        ("tls_handshakes_total{listener=\"ot\",outcome=\"ok\"}", 1),
        ("tls_negotiated_total{listener=\"ot\",version=\"1.3\"}", 1),
        ("enforcement_mode{conduit=\"pump\",mode=\"enforce\"}", 1),
        ("task_panics_total", 0),
    ] {
        wait(series, || gate.metric(series) == value);
    }
    let scrape = gate.metrics();
    for family in FAMILIES {
        let head = format!("# TYPE sluicegate_{family} ");
        assert!(scrape.contains(&head), "{family} is not in the scrape:\n{scrape}");
    }
    let told = scrape.lines().filter(|line| line.starts_with("# TYPE ")).count();
    assert_eq!(told, FAMILIES.len(), "a family that this test does not know:\n{scrape}");
    assert!(!scrape.contains("127.0.0.1") && !scrape.contains("scada"), "labels never come from the wire:\n{scrape}");
    if !missing(&["promtool"]) {
        let mut promtool = Command::new("promtool");
        promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = promtool.spawn().expect("promtool runs");
        child.stdin.take().expect("piped").write_all(scrape.as_bytes()).expect("taken");
        let output = child.wait_with_output().expect("promtool ends");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "promtool: {}", String::from_utf8_lossy(&said));
    }
    gate.stop();
}

/// Whoever edits a file of a running gateway is told that it is not in force.
#[test]
fn files_that_changed_are_told() {
    let (site, device) = (Site::new(), Device::start());
    let config = Config::tls(&device, ALLOW);
    let gate = Gate::start(&site, &config);
    assert_eq!(gate.metric("config_matches_disk"), 1);
    site.write_config(&format!("{}# one more line\n", config.text()));
    wait("the change to be seen", || gate.metric("config_matches_disk") == 0);
    site.write_config(&config.text());
    wait("the file to be as it was", || gate.metric("config_matches_disk") == 1);
    gate.stop();
}

/// The shipped script, which needs nothing of ours.
fn verify(audit: &Path) -> (bool, String) {
    run(Command::new("sh").arg(repository().join("docs/verify-audit.sh")).arg(audit))
}

fn holds(site: &Site) {
    let (ok, said) = verify(&site.file("state/audit"));
    assert!(ok, "the trail does not verify: {said}");
}

#[test]
fn the_trail_of_a_run_verifies_and_tampering_is_found() {
    if missing(&["openssl"]) {
        return;
    }
    let (site, device) = (Site::new(), Device::start());
    let gate = Gate::start(&site, &Config::tls(&device, ALLOW));
    let mut peer = Peer::tls(&gate, &site, "scada");
    four_deeds(&mut peer);
    drop(peer);
    gate.stop();
    holds(&site);

    let events: Vec<_> = site.audit().iter().map(|one| one["event"].as_str().unwrap_or("?").to_owned()).collect();
    for event in ["started", "policy_loaded", "session_opened", "allowed", "denied", "session_closed", "stopped"] {
        assert!(events.iter().any(|one| one == event), "{event} in {events:?}");
    }
    let denied = site.record_with(&[("event", "denied"), ("reason", "address_not_allowed"), ("conduit", "pump")]);
    assert_eq!(denied["deeds"][0], "scada write holding 41 unit 1 = 9 via 6");
    assert_eq!(site.record_with(&[("event", "allowed")])["deeds"][0], "scada write holding 40 unit 1 = 9 via 6");

    type Tampering = fn(&str) -> String;
    let tamperings: [(&str, Tampering); 5] = [
        ("a word is changed", |text| text.replacen("\"denied\"", "\"allowed\"", 1)),
        ("a line is taken out", |text| without(text, 3)),
        ("the first line is taken out", |text| without(text, 0)),
        ("the end is cut off", |text| {
            let last = text.lines().count() - 1;
            without(text, last)
        }),
        ("two lines change places", |text| {
            let mut lines: Vec<_> = text.lines().collect();
            lines.swap(2, 3);
            lines.join("\n") + "\n"
        }),
    ];
    let [file] = site.audit_files().try_into().expect("one file");
    let text = std::fs::read_to_string(&file).expect("readable");
    for (what, tamper) in tamperings {
        std::fs::write(&file, tamper(&text)).expect("written");
        let (ok, said) = verify(&site.file("state/audit"));
        assert!(!ok && said.contains("FAULT"), "{what}, and nobody sees it: {said}");
    }
    std::fs::write(&file, text).expect("written");
    holds(&site);
}

fn without(text: &str, line: usize) -> String {
    let kept: String =
        text.lines().enumerate().filter(|(n, _)| *n != line).map(|(_, one)| format!("{one}\n")).collect();
    assert_ne!(kept, text);
    kept
}

#[test]
fn explain_tells_of_the_last_refusal() {
    let (site, device) = (Site::new(), Device::start());
    let gate = Gate::start(&site, &Config::plain(&device, ALLOW));
    four_deeds(&mut Peer::plain(&gate));
    site.record_with(&[("event", "denied")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    let (_, said) = run(command.args(["explain", "--last", "--config"]).arg(site.file("gate.toml")));
    assert!(said.contains("write holding 41"), "what: {said}");
    assert!(said.contains("address_not_allowed"), "why: {said}");
    assert!(said.contains("02"), "what the peer got: {said}");
    gate.stop();
}

/// What no rule has refused is no matter of rules, and no change of them would help.
#[test]
fn explain_gives_no_advice_about_rules_where_the_device_was_gone() {
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::plain(&device, &["hmi write holding 40 = 0..1500 step 100 up"]);
    config.upstream = format!("\"127.0.0.1:{}\"", free_port());
    let gate = Gate::start(&site, &config);
    assert_eq!(Peer::plain(&gate).ask(&[6, 0, 40, 0, 9]), [0x86, 0x0A]);
    site.record_with(&[("event", "denied"), ("reason", "upstream_unavailable")]);
    let say = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        run(command.args(["explain", "--last"]).args(words).arg("--config").arg(site.file("gate.toml")))
    };
    let (good, said) = say(&[]);
    assert!(!good && said.contains("no rule refused it: the device cannot be reached"), "{said}");
    assert!(said.contains("look at the device"), "{said}");
    assert!(
        !said.contains("copy into allow") && !said.contains("step") && !said.contains("by the configuration"),
        "{said}"
    );
    let (_, said) = say(&["--json"]);
    let found: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(
        (&found["record"]["reason"], found["explanations"].as_array().map(Vec::len)),
        (&"upstream_unavailable".into(), Some(0))
    );
    gate.stop();
}

/// Function 23 reads and writes in one message, and nothing else carries its read half.
#[test]
fn explain_tells_of_a_refused_function_23() {
    let (site, device) = (Site::new(), Device::start());
    let gate = Gate::start(&site, &Config::plain(&device, ALLOW));
    assert_eq!(Peer::plain(&gate).ask(&[23, 0, 0, 0, 1, 0, 40, 0, 1, 2, 0, 9]), [0x97, 1]);
    site.record_with(&[("event", "denied")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    let (_, said) = run(command.args(["explain", "--last", "--config"]).arg(site.file("gate.toml")));
    assert!(said.contains("denied: function_not_allowed"), "the write half is explained: {said}");
    assert!(said.contains("read holding 0 unit 1 via 23: no single message"), "the read half is told: {said}");
    gate.stop();
}

/// A process that is killed leaves a trail that the next one continues.
#[test]
fn a_killed_gateway_goes_on_with_its_chain() {
    if missing(&["openssl"]) {
        return;
    }
    let (site, device) = (Site::new(), Device::start());
    let config = Config::plain(&device, ALLOW);
    let gate = Gate::start(&site, &config);
    four_deeds(&mut Peer::plain(&gate));
    site.record_with(&[("event", "denied")]);
    gate.kill();
    let before = site.audit();
    let last = before.last().expect("records")["seq"].as_u64().expect("a number");

    let gate = Gate::start(&site, &config);
    four_deeds(&mut Peer::plain(&gate));
    gate.stop();
    let after = site.audit();
    assert_eq!(after[..before.len()], before[..], "what was written stays");
    let numbers: Vec<_> = after.iter().map(|one| one["seq"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no number twice, none left out");
    assert!(numbers.len() as u64 > last + 5);
    holds(&site);
}

/// A gateway whose disk can be full and empty again: a soft limit on the size of files, which it meets as an error.
fn limited(site: &Site, config: &Config) -> Option<Gate> {
    if missing(&["prlimit"]) {
        return None;
    }
    Some(Gate::start_by(site, config, |command| {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("trap '' XFSZ; exec \"$0\" \"$@\"").arg(command.get_program()).args(command.get_args());
        shell.env_remove("NOTIFY_SOCKET");
        shell
    }))
}

fn disk(gate: &Gate, limit: &str) {
    let (ok, said) =
        run(Command::new("prlimit").args(["--pid", &gate.pid().to_string(), &format!("--fsize={limit}:")]));
    assert!(ok, "{said}");
}

/// PX-20, R8: when records cannot be written, the conduit does what it says it does, and serves again when they can.
#[test]
fn a_full_disk_closes_the_conduit_until_there_is_room() {
    let (site, device) = (Site::new(), Device::start());
    let Some(gate) = limited(&site, &Config::plain(&device, ALLOW)) else { return };
    let mut peer = Peer::plain(&gate);
    assert_eq!(peer.ask(&READ), SEVEN);
    disk(&gate, "1");
    assert_eq!(peer.ask(&[6, 0, 41, 0, 9]), [0x86, 2], "the record waits");
    assert_eq!(peer.until_closed(), b"", "the session ends");
    let seen = device.seen().len();
    let _ = Peer::plain(&gate).try_ask(&READ).expect_err("nobody gets in");
    assert_eq!(device.seen().len(), seen, "nothing at the device");
    disk(&gate, "unlimited");
    wait("the conduit serves again", || Peer::plain(&gate).try_ask(&READ).is_ok_and(|answer| answer == SEVEN));
    site.record_with(&[("event", "session_closed"), ("cause", "audit_failure")]);
    site.record_with(&[("event", "denied"), ("reason", "address_not_allowed")]);
    site.record_with(&[("event", "alarm")]);
    gate.stop();
    if !missing(&["openssl"]) {
        holds(&site);
    }
}

#[test]
fn a_conduit_that_may_goes_on_over_a_full_disk() {
    for (mode, new_ones) in [("audit_full = \"keep\"", true), ("audit_full = \"refuse-new\"", false)] {
        let (site, device) = (Site::new(), Device::start());
        let mut config = Config::plain(&device, ALLOW);
        config.faults = mode.into();
        let Some(gate) = limited(&site, &config) else { return };
        let mut peer = Peer::plain(&gate);
        assert_eq!(peer.ask(&READ), SEVEN);
        disk(&gate, "1");
        assert_eq!(peer.ask(&[6, 0, 41, 0, 9]), [0x86, 2]);
        wait("the fault is noticed", || gate.log().contains("audit"));
        gate.metric_reaches("audit_sink_failures_total{sink=\"journal\"}", 1);
        gate.metric_reaches("audit_sink_backlog_records{sink=\"journal\"}", 1);
        if new_ones {
            assert_eq!(Peer::plain(&gate).ask(&READ), SEVEN, "{mode}: new sessions");
        } else {
            wait("new sessions are refused", || Peer::plain(&gate).try_ask(&READ).is_err());
        }
        assert_eq!(peer.ask(&READ), SEVEN, "{mode}: the live session goes on");
        assert_eq!(peer.ask(&[6, 0, 41, 0, 9]), [0x86, 2], "{mode}: and is judged as ever");
        assert_eq!(device.writes(), Vec::<String>::new());
        disk(&gate, "unlimited");
        site.record_with(&[("event", "denied")]);
        wait("nothing waits any more", || gate.metric("audit_sink_backlog_records{sink=\"journal\"}") == 0);
        gate.stop();
    }
}
