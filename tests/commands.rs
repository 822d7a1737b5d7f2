//! The commands say before the fact what the gate does, with the exit codes and JSON of docs/commands.md.

use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use sluicegate::pki::{self, Request};
use tempfile::TempDir;

/// A site with one conduit for each thing that a verdict can hang on.
const SITE: &str = r#"
schema = 1
[site]
name = "north"
[zones.ops]
level = 3
[zones.cell]
level = 1
[certificates.gateway]
cert = "pki/gateway.crt"
key = "pki/gateway.key"
[authorities.plant]
roots = "pki/plant.crt"
[identities.scada-1]
zone = "ops"
authority = "plant"
match = { uri = "spiffe://north/scada-1" }
roles = ["hmi"]
[identities.plc-1]
zone = "cell"
authority = "plant"
match = { uri = "spiffe://north/plc-1" }
roles = ["hmi"]
[roles.hmi]
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tls"
certificate = "gateway"
authorities = ["plant"]
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
sni = "pump"
upstream = "127.0.0.1:502"
protocol = "modbus"
[conduits.pump.modbus]
units = [1]
functions = [3, 5, 6]
allow = [
  "hmi read holding 0-99, 110-119",
  "hmi write holding 40 = 0..1500 step 100 up",
  "hmi write holding 50-60 = 0..1500",
  "hmi write coil 7 = off always",
]
deny = ["any write holding 58-60"]
[conduits.old]
from = "ops"
to = "cell"
listener = "ot"
sni = "old"
upstream = "127.0.0.1:503"
protocol = "modbus"
mode = "monitor"
[conduits.old.modbus]
addressing = "modicon"
units = [1]
allow = ["hmi read holding 40001-40010"]
deny = ["any write holding 40091"]
[[tests]]
name = "nobody writes the interlock"
as = "scada-1"
on = "pump"
send = "write holding 58 = 1"
expect = "deny address_not_allowed"
[[tests]]
name = "the pump can be stopped"
as = "scada-1"
on = "pump"
send = "write coil 7 = off"
expect = "allow"
"#;

struct Site {
    dir: TempDir,
}

impl Site {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let pki = dir.path().join("pki");
        pki::init(&pki, "plant").expect("the directory is empty");
        let request = Request {
            name: "gateway".to_owned(),
            uris: Vec::new(),
            dnss: vec!["pump".to_owned(), "old".to_owned()],
            ips: Vec::new(),
            role: None,
            days: 1,
            server: true,
        };
        pki::issue(&pki, None, &request).expect("the CA is there");
        std::fs::write(dir.path().join("sluicegate.toml"), text).expect("the directory is writable");
        Self { dir }
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        run(&self.dir.path().join("sluicegate.toml"), words)
    }

    fn json(&self, words: &[&str]) -> (Option<i32>, Value) {
        let (code, text) = self.run(words);
        (code, serde_json::from_str(&text).unwrap_or_else(|fault| panic!("{fault}: {text}")))
    }
}

fn run(config: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    let Output { status, stdout, stderr } =
        command.args(words).env("SLUICEGATE_CONFIG", config).output().expect("the binary was just built");
    (status.code(), String::from_utf8([stdout, stderr].concat()).expect("the output is text"))
}

#[test]
fn check_finds_a_good_site_good_and_tells_what_it_amounts_to() {
    let site = Site::new(SITE);
    let (code, text) = site.run(&["check"]);
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "test passed: nobody writes the interlock",
        "read gap: scada-1 holding 100-109 stands between readable blocks",
        "monitor mode still enforces client certificates and identities",
        "monitor mode still enforces deny r-",
        "2 test(s), 0 failed",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert!(!text.contains("\u{1b}["), "no colours where there is no terminal: {text}");
    assert_eq!(site.run(&["check", "--strict"]).0, Some(1), "a read gap is an error to --strict");
    let (code, report) = site.json(&["check", "--json"]);
    assert_eq!((code, &report["good"], &report["site"]["name"]), (Some(0), &true.into(), &"north".into()));
    assert!(report["site"]["series"].as_u64().is_some_and(|count| count > 100));
}

#[test]
fn a_failing_policy_test_fails_the_check_and_explains_itself() {
    let site = Site::new(&SITE.replace("expect = \"allow\"", "expect = \"deny value_not_allowed\""));
    let (code, text) = site.run(&["check"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("test FAILED: the pump can be stopped"), "{text}");
    assert!(text.contains("expected deny value_not_allowed, got allow"), "{text}");
    assert!(text.contains("\"hmi write coil 7 = off always\""), "{text}");
}

#[test]
fn check_reads_keys_like_run_does() {
    let site = Site::new(SITE);
    std::fs::write(site.dir.path().join("pki/gateway.crt"), "no certificate").expect("the directory is writable");
    let (code, text) = site.run(&["check"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("certificate gateway"), "{text}");
}

#[test]
fn a_file_that_is_not_there_is_2_and_a_faulty_one_1() {
    assert_eq!(run(Path::new("/nonexistent.toml"), &["check"]).0, Some(2));
    let site = Site::new(&SITE.replace("schema = 1", "schema = 1\nnonsense = 1"));
    for words in [&["check"] as &[&str], &["run"], &["explain", "pump", "--as", "scada-1", "read holding 1"]] {
        let (code, text) = site.run(words);
        assert_eq!(code, Some(1), "{words:?} {text}");
        assert!(text.contains("nonsense"), "{words:?} {text}");
    }
}

#[test]
fn explain_names_verdict_rule_answer_and_the_nearest_change() {
    let site = Site::new(SITE);
    let ask = |sentence: &str| site.json(&["explain", "pump", "--as", "scada-1", sentence, "--json"]);
    let (code, found) = ask("write holding 50 = 300");
    assert_eq!((code, &found["verdict"]), (Some(0), &"allowed".into()));
    let (code, found) = ask("write holding 50 = 2000");
    assert_eq!((code, &found["reason"], &found["answer"]["code"]), (Some(1), &"value_not_allowed".into(), &3.into()));
    assert_eq!(found["nearest"]["sentence"], "scada-1 write holding 50 unit 1 = 2000 via 6");
    let (_, found) = ask("write holding 58 = 1");
    assert_eq!((&found["by_deny_rule"], &found["answer"]["code"]), (&true.into(), &2.into()));
    assert_eq!(found["nearest"]["sentence"], Value::Null, "no allow rule helps against a deny rule");
    let (_, found) = ask("write holding 50-51 = 1");
    assert_eq!(found["nearest"]["steps"], serde_json::json!(["add 16 to `functions` in [conduits.pump.modbus]"]));
    assert_eq!(found["nearest"]["sentence"], Value::Null, "the rules would allow it");
    let (code, found) = ask("write holding 40 = 600");
    assert_eq!((code, &found["verdict"]), (Some(0), &"depends".into()));
    assert_eq!(found["reads_first"], serde_json::json!(["read holding 40 unit 1"]));
    assert_eq!(found["unanswered"]["reason"], "step_not_allowed");
}

#[test]
fn explain_prints_both_numbers_where_the_operators_differ_from_the_wires() {
    let text = SITE.replace("units = [1]\nfunctions", "units = [1]\naddressing = \"one-based\"\nfunctions");
    let text = text.replace("hmi read holding 0-99", "hmi read holding 1-99");
    let site = Site::new(&text);
    let (code, found) = site.run(&["explain", "pump", "--as", "scada-1", "write holding 51 = 2000"]);
    assert_eq!(code, Some(1), "{found}");
    assert!(found.contains("  scada-1 write holding 50 unit 1 = 2000 via 6\n"), "{found}");
    assert!(found.contains("addressing: scada-1 write holding 51 unit 1 = 2000 via 6\n"), "{found}");
    assert!(found.contains("\"scada-1 write holding 51 unit 1 = 2000 via 6\""), "the copy fits the conduit: {found}");
}

#[test]
fn the_nearest_change_allows_what_was_denied() {
    let site = Site::new(SITE);
    for (conduit, sentence) in
        [("pump", "write holding 50 = 2000"), ("pump", "write holding 70 = 5"), ("old", "write holding 40041 = 5")]
    {
        let (code, found) = site.json(&["explain", conduit, "--as", "scada-1", sentence, "--json"]);
        assert_eq!(code, Some(1), "{sentence}");
        let copied = found["nearest"]["sentence"].as_str().expect("a rule would help").to_owned();
        let first = if conduit == "pump" { "\"hmi read holding 0-99" } else { "\"hmi read holding 40001" };
        let more = Site::new(&SITE.replace(first, &format!("{copied:?}, {first}")));
        let (code, text) = more.run(&["explain", conduit, "--as", "scada-1", sentence]);
        assert_eq!(code, Some(0), "{sentence}, {copied}: {text}");
    }
}

#[test]
fn monitor_mode_says_would_deny_and_deny_rules_hold_in_it() {
    let site = Site::new(SITE);
    let (code, found) = site.json(&["explain", "old", "--as", "scada-1", "write holding 40041 = 5", "--json"]);
    assert_eq!((code, &found["verdict"], &found["answer"]["kind"]), (Some(1), &"would_deny".into(), &"device".into()));
    let (_, found) = site.json(&["explain", "old", "--as", "scada-1", "write holding 40091 = 5", "--json"]);
    assert_eq!((&found["verdict"], &found["answer"]["code"]), (&"denied".into(), &2.into()));
}

#[test]
fn names_and_sentences_that_make_no_sense_are_2() {
    let site = Site::new(SITE);
    for words in [
        &["explain", "pmup", "--as", "scada-1", "read holding 1"] as &[&str],
        &["explain", "pump", "--as", "nobody", "read holding 1"],
        &["explain", "pump", "--as", "scada-1", "read holdign 1"],
        &["explain", "pump", "--as", "scada-1", "read holding 0-200"],
        &["explain", "pump"],
        &["who-can", "fly"],
    ] {
        let (code, text) = site.run(words);
        assert_eq!(code, Some(2), "{words:?} {text}");
    }
}

#[test]
fn who_can_counts_policy_and_place() {
    let site = Site::new(SITE);
    let (code, text) = site.run(&["who-can", "write", "holding", "50", "=", "300"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("scada-1 on pump  r-"), "{text}");
    assert!(!text.contains("plc-1"), "it belongs to another zone: {text}");
    assert_eq!(site.run(&["who-can", "write holding 58 = 1"]), (Some(1), "nobody\n".to_owned()));
    let (_, all) = site.json(&["who-can", "write holding 50 = 300", "--json"]);
    let (code, text) = site.run(&["who-can", "write holding 48-60 = 1000..2000"]);
    let told = "scada-1 on pump
  may  scada-1 write holding 50-57 = 1000..1500
  not  scada-1 write holding 48-49, 58-60 = 1000..2000
  not  scada-1 write holding 50-57 = 1501..2000
";
    assert_eq!((code, text.as_str()), (Some(0), told), "a set of messages");
    let kept_out =
        all["standings"].as_array().expect("a list").iter().filter(|one| one["kept_out"].is_string()).count();
    assert_eq!(kept_out, 1, "plc-1; and 50 is no modicon address, so the other conduit cannot carry this");
}

/// What several rules make pointless together, value by value.
#[test]
fn check_finds_a_rule_that_others_together_make_pointless() {
    let more =
        "\"hmi write holding 50-60 = 0..1500\", \"hmi write holding 70-79 = 0..5\", \"hmi write holding 70-79 = 6..9\",
      \"hmi write holding 72-74 = 3..7\", \"hmi write holding 57-60 = 2000\"";
    let text = SITE.replace("\"hmi write holding 50-60 = 0..1500\"", more).replace(
        "deny = [\"any write holding 58-60\"]",
        "deny = [\"any write holding 58-60\", \"any write holding 57 = 1000..3000\"]",
    );
    let (code, said) = Site::new(&text).run(&["check"]);
    assert_eq!(code, Some(0), "{said}");
    let count = |what: &str| said.matches(what).count();
    assert_eq!(count("this rule allows nothing that others together do not allow already"), 1, "{said}");
    assert_eq!(count("deny rules together take this rule away whole"), 1, "{said}");
}

/// What `diff` says of a change: in sentences, in JSON, and by its exit code.
#[test]
fn diff_says_exactly_what_a_change_allows_and_refuses() {
    let site = Site::new(SITE);
    let now = SITE
        .replace("\"hmi write holding 50-60 = 0..1500\"", "\"hmi write holding 50-62 = 0..1200 max 10/s\"")
        .replace("step 100 up", "step 50 up")
        .replace("mode = \"monitor\"", "mode = \"enforce\"")
        .replace("hmi read holding 40001-40010", "hmi read holding 40001-40020");
    std::fs::write(site.dir.path().join("now.toml"), now).expect("the directory is writable");
    let path = |name: &str| site.dir.path().join(name).display().to_string();
    let (before, now) = (path("sluicegate.toml"), path("now.toml"));
    let (code, text) = site.run(&["diff", &before, &now]);
    let told = "conduit pump
  scada-1
    newly allowed:
      scada-1 write holding 61-62 = 0..1200 max 10/s
    newly refused:
      scada-1 write holding 50-57 = 1201..1500
    allowed on other terms:
      before: scada-1 write holding 40 = 0..1500 step 100 up
      now:    scada-1 write holding 40 = 0..1500 step 50 up
      before: scada-1 write holding 50-57 = 0..1200
      now:    scada-1 write holding 50-57 = 0..1200 max 10/s
conduit old
  mode: monitor -> enforce
  scada-1
    newly allowed:
      scada-1 read holding 40011-40020
";
    assert_eq!((code, text.as_str()), (Some(0), told));
    let (code, found) = site.json(&["diff", &before, &now, "--format", "json", "--fail-on-change"]);
    assert_eq!((code, &found["changes"]), (Some(1), &true.into()));
    let change = &found["conduits"][1]["identities"][0]["changes"][0];
    assert_eq!(change["now"][0]["sentence"], "scada-1 read holding 10-19", "numbers are zero-based");
    assert_eq!((&change["change"], &change["ranges"]), (&"allowed".into(), &serde_json::json!([[10, 19]])));
    assert_eq!(site.run(&["diff", &now, &now, "--fail-on-change"]), (Some(0), "nothing changes\n".to_owned()));
    assert_eq!(site.run(&["diff", &now, "/nonexistent.toml"]).0, Some(2));
    assert_eq!(site.run(&["diff", "running", &now]).0, Some(2), "this version asks no daemon");
    std::fs::write(path("broken.toml"), "schema = 2").expect("the directory is writable");
    assert_eq!(site.run(&["diff", &now, &path("broken.toml")]).0, Some(1));
}

#[test]
fn what_needs_no_site_needs_no_file() {
    let nowhere = Path::new("/nonexistent.toml");
    let (code, text) = run(nowhere, &["version", "--json"]);
    let version: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!((code, &version["protocols"][0]), (Some(0), &"modbus".into()));
    let (code, text) = run(nowhere, &["presets"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("any read holding via 3"), "{text}");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = dir.path().to_str().expect("the path is text");
    assert_eq!(run(nowhere, &["pki", "init", "--dir", at, "--name", "plant"]).0, Some(0));
    let (code, text) = run(nowhere, &["pki", "issue", "--dir", at, "--name", "scada-1", "--uri", "spiffe://n/s"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(dir.path().join("scada-1.key").exists());
    assert_eq!(run(nowhere, &["pki", "init", "--dir", at]).0, Some(1), "nothing is overwritten");
}

/// docs/commands.md has a section for each command and names each weakness.
#[test]
fn the_page_of_commands_is_complete() {
    let page = crate::house::root().join("docs/commands.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let table = <sluicegate::cli::Cli as clap::CommandFactory>::command();
    for command in table.get_subcommands() {
        assert!(page.contains(&format!("\n## {}\n", command.get_name())), "{}", command.get_name());
    }
    assert_eq!(table.get_subcommands().count(), 17);
    for weakness in sluicegate::demo::site::WEAKNESSES {
        assert!(page.contains(&format!("`{}`", weakness.name)), "{}", weakness.name);
    }
}
