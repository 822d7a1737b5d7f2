//! Do several files make one configuration, and does each fault stand in its own?

use super::*;

fn with_include(pattern: &str) -> String {
    GOOD.replace("name = \"plant\"", &format!("name = \"plant\"\ninclude = [\"{pattern}\"]"))
}

/// The second conduit's listener and itself, as a file of its own.
const SECOND: &str = r#"
[listeners.ot2]
zone = "ops"
bind = "127.0.0.1:8803"
transport = "tls"
certificate = "gateway"
authorities = ["plant"]

[conduits.valve]
from = "ops"
to = "cell"
listener = "ot2"
upstream = ["10.10.1.21:502", "10.10.1.22:502"]
protocol = "modbus"
[conduits.valve.modbus]
units = [1]
preset = "read-only"
"#;

#[test]
fn included_files_are_merged_in_the_order_of_their_names() {
    let dir = plant();
    std::fs::create_dir(dir.path().join("conduits.d")).expect("made");
    write(dir.path(), "conduits.d/b.toml", SECOND);
    write(dir.path(), "conduits.d/a.toml", "schema = 1\n[zones.extra]\n");
    write(dir.path(), "conduits.d/.hidden.toml", "this is not read");
    write(dir.path(), "conduits.d/a.toml.bak", "nor this");
    let site = good(&with_include("conduits.d/*.toml"), dir.path()).site;
    let files: Vec<_> = site.files.iter().filter_map(|one| one.file_name()?.to_str()).collect();
    assert_eq!(files, ["sluicegate.toml", "a.toml", "b.toml"]);
    let names: Vec<_> = site.conduits.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["pump", "valve"]);
    assert_eq!(site.conduits[1].upstream.len(), 2);
    assert_eq!(site.conduits[1].plan.rules.len(), 4, "the preset's sentences");
    assert_eq!(site.zones.last().map(|one| one.name.as_str()), Some("extra"));
}

#[test]
fn the_hash_changes_with_any_file() {
    let dir = plant();
    write(dir.path(), "a.toml", "[zones.extra]\n");
    let hash = |text: &str| good(text, dir.path()).site.hash;
    let first = hash(&with_include("a.toml"));
    assert_eq!(first, hash(&with_include("a.toml")));
    assert_eq!(first.len(), 64);
    write(dir.path(), "a.toml", "[zones.extra2]\n");
    assert_ne!(first, hash(&with_include("a.toml")));
}

#[test]
fn a_thing_defined_in_two_files_names_both_places() {
    let dir = plant();
    write(dir.path(), "a.toml", "\n[zones.cell]\n[site]\nname = \"other\"\n");
    let found = load_str(&with_include("a.toml"), dir.path()).expect_err("twice");
    assert_eq!(codes(&found), [("E014", 2), ("E014", 4)]);
    let names =
        |one: &Finding| one.places.iter().filter_map(|one| one.file.file_name()?.to_str().map(str::to_owned)).collect();
    let names: Vec<Vec<String>> = found.iter().map(names).collect();
    assert_eq!(names, [["a.toml", "sluicegate.toml"], ["a.toml", "sluicegate.toml"]]);
}

#[test]
fn the_faults_of_all_files_are_told_at_once() {
    let dir = plant();
    write(dir.path(), "a.toml", &SECOND.replace("ot2\"\nup", "ot3\"\nup"));
    let text = with_include("a.toml").replace("to = \"cell\"", "to = \"cel\"");
    let found = load_str(&text, dir.path()).expect_err("two faults");
    let errors: Vec<_> = found.iter().filter(|one| one.severity == finding::Severity::Error).cloned().collect();
    assert_eq!(codes(&errors), [("E030", 38), ("E030", 12)]);
}

#[test]
fn a_file_that_is_no_toml_does_not_hide_the_keys_of_the_others() {
    let dir = plant();
    write(dir.path(), "a.toml", "[zones.x\n");
    let text = with_include("a.toml").replace("protocol = \"modbus\"", "protocol = \"modbus\"\nidle_timeout = \"5x\"");
    let text = text.replace("to = \"cell\"", "to = \"x\"");
    let found = load_str(&text, dir.path()).expect_err("two faults, and no echo of the zone that could not be read");
    let told: Vec<_> = codes(&found).into_iter().map(|(code, _)| code).collect();
    assert_eq!(told, ["E020", "E002"]);
}

#[test]
fn paths_start_from_the_file_that_names_them_and_circles_end() {
    let dir = plant();
    std::fs::create_dir_all(dir.path().join("deep/pki")).expect("made");
    write(dir.path(), "deep/pki/other.crt", "");
    write(dir.path(), "deep/a.toml", "[site]\ninclude = [\"b.toml\", \"a.toml\"]\n");
    write(dir.path(), "deep/b.toml", "[authorities.other]\nroots = \"pki/other.crt\"\nnames = [\"dns:x\"]\n");
    let site = good(&with_include("deep/a.toml"), dir.path()).site;
    assert_eq!(site.authorities[1].roots, dir.path().join("deep/pki/other.crt"));
    assert_eq!(site.files.len(), 3);
}

#[test]
fn an_include_that_cannot_be_followed_is_told() {
    let dir = plant();
    for pattern in ["nothing.toml", "no-dir/*.toml", "*/a.toml"] {
        let found = load_str(&with_include(pattern), dir.path()).expect_err(pattern);
        assert_eq!(codes(&found), [("E004", 5)], "{pattern}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told_without_a_place() {
    let dir = plant();
    let found = load(&dir.path().join("absent.toml")).expect_err("it is not there");
    assert_eq!(codes(&found), [("E001", 0)]);
    assert!(found[0].render(false).starts_with("error[E001]: cannot read "));
    assert_eq!(found[0].to_json()["file"], serde_json::Value::Null);
}

#[test]
fn the_same_configuration_from_a_file() {
    let dir = plant();
    write(dir.path(), "main.toml", GOOD);
    let loaded = load(&dir.path().join("main.toml")).expect("it serves");
    assert_eq!(loaded.site.certificates[0].cert, dir.path().join("pki/gateway.crt"));
}

/// A pipe that nobody writes into would hold up the start for ever.
#[test]
fn gen_06_a_pipe_is_neither_configuration_nor_key() {
    let dir = plant();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("coreutils are there");
    assert!(made.success());
    for text in [with_include("pipe"), GOOD.replace("pki/gateway.crt", "pipe")] {
        let found = load_str(&text, dir.path()).expect_err("it cannot be read");
        let told = told(&found, dir.path());
        assert!(told.contains("it is no regular file"), "{told}");
    }
}

/// What an authority vouches for, and how an identity is recognised: whether both can be true of one certificate.
const VOUCHED: &[(&str, &str, bool)] = &[
    ("spiffe://plant/*", "uri = \"spiffe://plant/a\"", true),
    ("spiffe://plant/*", "uri = \"spiffe://plan/a\"", false),
    ("spiffe://plant/a", "uri = \"spiffe://plant/a\"", true),
    ("spiffe://plant/a", "uri = \"spiffe://plant/ab\"", false),
    ("spiffe://plant/*", "uri = \"spiffe://plant/ops/*\"", true),
    ("spiffe://plant/ops/hmi", "uri = \"spiffe://plant/ops/*\"", true),
    ("spiffe://plant/ops/", "uri = \"spiffe://plant/ops/*\"", false),
    ("spiffe://plant/ops/*", "uri = \"spiffe://plant/*\"", true),
    ("spiffe://other/*", "uri = \"spiffe://plant/*\"", false),
    ("dns:*.plant", "dns = \"A.plant\"", true),
    ("dns:*.plant", "dns = \"a.b.plant\"", true),
    ("dns:*.plant", "dns = \"plant\"", false),
    ("dns:*.plant", "dns = \"a.plants\"", false),
    ("dns:A.plant", "dns = \"a.plant\"", true),
    ("dns:*.plant", "uri = \"spiffe://a.plant/x\"", false),
    ("spiffe://plant/*", "dns = \"plant\"", false),
    ("ip:10.0.0.0/8", "dns = \"a.plant\"", false),
    // A key may stand in a certificate of any name.
    ("ip:10.0.0.0/8", "spki = \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"", true),
];

#[test]
fn an_identity_that_its_authority_may_not_vouch_for_is_refused() {
    let dir = plant();
    for (names, matches, fits) in VOUCHED {
        let text = GOOD
            .replace("[\"spiffe://plant/*\"]", &format!("[\"{names}\", \"dns:nobody.here\"]"))
            .replace("uri = \"spiffe://plant/scada\"", matches);
        let found = load_str(&text, dir.path()).map(|loaded| loaded.warnings).unwrap_or_else(|found| found);
        let refused = found.iter().any(|one| one.code == "E052");
        assert_eq!(!refused, *fits, "{names} and {matches}: {}", told(&found, dir.path()));
        let unnamed = text.replace(&format!("names = [\"{names}\", \"dns:nobody.here\"]\n"), "");
        assert_eq!(codes(&good(&unnamed, dir.path()).warnings).len(), 1, "without `names` it may vouch for anything");
    }
}
