//! Does `check` tell what a conduit misses of its zones' security level, in words, in JSON and by its exit code?
//!
//! Which gap each line of a configuration brings about is `config/src/tests/levels.rs`; here is the command, the page of
//! each code, and that nothing is left to the plant which the program does.

use std::{collections::BTreeSet, process::Command};

use clap::CommandFactory;
use serde_json::Value;
use sluicegate::cli::Cli;
use sluicegate_config::{
    finding::CODES,
    levels::{Kept, REQUIREMENTS},
};

use crate::gate::{Config, Device, Gate, Site, repository, shared};

/// A conduit whose peers' zone has a target; its authority has `crl`, or not.
fn aiming(target: u8, crl: bool) -> (Site, Config) {
    let site = Site::new();
    let device = Device::start();
    let rules = ["hmi read holding 0-99", "hmi write holding 40 = 0..1500"];
    let mut config = Config::tls(&device, &rules);
    config.authority = if crl { "crl = \"pki/plant.crl\"" } else { "" }.into();
    config.networks = format!("\"127.0.0.0/8\"]\nsl_target = {target}\n#");
    site.write_config(&config.text());
    (site, config)
}

fn check((site, _): &(Site, Config), words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    let output = command.arg("--config").arg(site.file("gate.toml")).arg("check").args(words).output();
    let output = output.expect("the binary was just built");
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).expect("text"))
}

#[test]
fn a_gap_is_told_and_counts_only_where_one_is_strict() {
    let (code, text) = check(&aiming(2, false), &[]);
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "  SL-T 2: 60 requirement(s): 42 kept here, 1 missed, 11 left to other means, 6 no gateway's\n",
        "  SL-T gap W005: authority `plant` has no `crl`, and conduit `pump` trusts it  ",
        "    misses SR 1.9 (SL 2): a certificate counts only while it is good\n",
        "    = help: write crl = ",
        "SL-T 2, left to other means (docs/findings.md): SR 1.1, ",
        "0 error(s), 0 warning(s); ",
        " 1 SL-T gap(s), ",
    ] {
        assert!(text.contains(line), "{line}:\n{text}");
    }
    assert_eq!(check(&aiming(2, false), &["--strict"]).0, Some(1));
    let (code, text) = check(&aiming(2, true), &["--strict"]);
    assert_eq!(code, Some(0), "one line more, and nothing is missed: {text}");
    assert!(text.contains(" 0 SL-T gap(s), "), "{text}");
    let (code, text) = check(&aiming(1, false), &["--strict"]);
    assert_eq!(code, Some(0), "SL 1 asks for no list: {text}");
    let (code, text) = check(&aiming(0, false), &["--strict"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("SL-T 0") && !text.contains("left to other means"), "no target, no word: {text}");
}

#[test]
fn the_same_as_json() {
    let (code, text) = check(&aiming(2, false), &["--json"]);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((code, &report["good"]), (Some(0), &true.into()));
    let level = &report["site"]["conduits"][0]["level"];
    assert_eq!(level["target"], 2);
    assert!(level["source"].as_str().is_some_and(|says| says.contains("secondary sources")), "{level}");
    let gaps = level["gaps"].as_array().expect("a list");
    assert_eq!(gaps.len(), 1, "{level}");
    assert_eq!((&gaps[0]["code"], &gaps[0]["page"]), (&"W005".into(), &"docs/findings.md#w005".into()));
    assert_eq!(
        (&gaps[0]["requirements"][0]["id"], &gaps[0]["requirements"][0]["level"]),
        (&"SR 1.9".into(), &2.into())
    );
    assert!(gaps[0]["line"].as_u64().is_some() && gaps[0]["help"][0].is_string(), "{level}");
    let count = |key: &str| level[key].as_array().map_or(0, Vec::len);
    assert_eq!([count("kept"), count("by_other_means"), count("no_gateways")], [42, 11, 6]);
    let means = level["by_other_means"].as_array().expect("a list");
    assert!(means.iter().all(|one| one["means"].as_str().is_some_and(|says| says.len() > 4)), "{level}");
    let (code, text) = check(&aiming(2, false), &["--json", "--strict"]);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((code, &report["good"]), (Some(1), &false.into()));
}

/// A gateway that starts with gaps says so; what they are is `check`'s.
#[test]
fn run_starts_with_gaps_and_says_that_there_are_some() {
    let (site, config) = aiming(2, false);
    let said = Gate::start(&site, &config).stop();
    assert!(said.contains("conduits miss something of their zones' SL-T"), "{said}");
}

#[test]
fn each_code_of_a_requirement_has_its_section() {
    let page = std::fs::read_to_string(repository().join("docs/findings.md")).expect("the page is there");
    let mut due: BTreeSet<&str> = REQUIREMENTS.iter().flat_map(|one| one.codes().iter().copied()).collect();
    due.insert("E058");
    let sections: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(sections, due, "a section for each code, and no other");
    for code in due {
        assert!(CODES.iter().any(|(known, _)| *known == code), "{code}");
        let section = page.split(&format!("\n## {code}\n")).nth(1).and_then(|rest| rest.split("\n## ").next());
        let section = section.unwrap_or_else(|| panic!("{code} has no section"));
        for part in ["**Misses** ", "**What it means.** ", "**What to write.** "] {
            assert!(section.contains(part), "{code}: {part}");
        }
        for one in REQUIREMENTS.iter().filter(|one| one.codes().contains(&code)) {
            // `SR 3.8 RE 1 and RE 2` names both.
            let known = section.contains(one.id) || one.id == "SR 3.8 RE 2";
            assert!(known && section.contains(&format!("SL {}", one.level)), "{code} does not name {}", one.id);
        }
    }
}

/// Requirements that are left to the plant because something is not served yet: a key or word of the list of what is not
/// served, or a command. What is served has no place here.
const NOT_YET: &[(&str, &str)] = &[
    ("SR 1.1 RE 2", "roles.second_factor"),
    ("SR 1.9 RE 1", "certificates.key=pkcs11:"),
    ("SR 2.8 RE 1", "audit.sinks"),
    ("SR 5.2 RE 2", "command island"),
    ("SR 2.1 RE 3", "command bypass"),
    ("SR 7.3", "command backup"),
    ("SR 7.4", "command restore"),
];

#[test]
fn nothing_is_left_to_the_plant_that_the_program_does() {
    let unserved = sluicegate_config::not_served();
    let commands: BTreeSet<_> = Cli::command().get_subcommands().map(|one| one.get_name().to_owned()).collect();
    for (id, feature) in NOT_YET {
        let row = REQUIREMENTS.iter().find(|one| one.id == *id).expect("it is in the table");
        let missing = match feature.strip_prefix("command ") {
            Some(command) => !commands.contains(command),
            None => unserved.iter().any(|one| one == feature),
        };
        assert!(matches!(row.kept, Kept::Plant(_)), "{id}");
        assert!(missing, "{feature} is served now: say so in the table of requirements ({id})");
    }
}

/// The table agrees with the one that the project keeps of the standard: ids, levels, and what is no matter of a gateway.
#[test]
fn the_table_has_the_ids_and_levels_of_the_sources() {
    let Some(path) = shared("standards/iec62443-3-3.tsv") else { return };
    let text = std::fs::read_to_string(path).expect("it is text");
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), REQUIREMENTS.len());
    for (row, ours) in rows.iter().zip(REQUIREMENTS) {
        assert_eq!((row[0], row[2]), (ours.id, ours.level.to_string().as_str()), "in the order of the standard");
        assert_eq!(row[3] == "N", ours.kept == Kept::NoGateway, "{}", ours.id);
        assert_ne!(row[1].to_lowercase(), ours.says.to_lowercase(), "{}: in our own words", ours.id);
    }
}
