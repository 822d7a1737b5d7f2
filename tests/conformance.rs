//! The page on IEC 104 lists every conformance check, and its worked policies do what it says of them.

use std::{fmt::Write as _, process::Command};

use sluicegate::pki::{self, Request};
use sluicegate_proto::iec104::{Check, Fate};

use crate::house::root;

const PATH: &str = "docs/iec104.md";
const MARK: &str = "| check | what must hold | clause | what follows |";

#[test]
fn the_page_lists_every_check_of_iec_104() {
    let path = root().join(PATH);
    let page = std::fs::read_to_string(&path).expect("the page");
    let text = page.split(MARK).next().expect("a page");
    let meant = format!("{text}{}", table());
    if std::env::var_os("SLUICEGATE_UPDATE").is_some() {
        return std::fs::write(&path, &meant).expect("writable");
    }
    assert_eq!(page, meant, "run with SLUICEGATE_UPDATE=1 to write it");
}

fn table() -> String {
    let mut table = format!("{MARK}\n|---|---|---|---|\n");
    for one in Check::TABLE {
        let follows = match one.fate {
            Fate::Severed(reason) => format!("severed, `{reason}`"),
            Fate::Refused(reason, cause) => format!("refused, `{reason}`, cause {cause}"),
            Fate::Alarmed(reason, Some(cause)) => {
                format!("alarmed; towards a station refused, `{reason}`, cause {cause}")
            }
            Fate::Alarmed(reason, None) => format!("alarmed; towards a station refused, `{reason}`"),
        };
        let _ = writeln!(table, "| `{}` | {} | {} | {follows} |", one.id, one.what, one.clause);
    }
    table
}

/// The page's TOML is one configuration: `check` finds no fault in it and its policy tests hold.
#[test]
fn the_worked_policies_of_iec_104_check() {
    let page = std::fs::read_to_string(root().join(PATH)).expect("the page");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().expect("it ends")).collect();
    assert_eq!(blocks.len(), 4, "a site and three policies");
    let text = blocks.join("\n");
    let dir = tempfile::tempdir().expect("a directory");
    let site = dir.path().join("sluicegate.toml");
    std::fs::write(&site, &text).expect("the directory is writable");
    let pki = dir.path().join("pki");
    pki::init(&pki, "plant").expect("the directory is empty");
    let request = Request {
        name: "gateway".to_owned(),
        uris: Vec::new(),
        dnss: vec!["substation-a".to_owned(), "substation-b".to_owned()],
        ips: Vec::new(),
        role: None,
        days: 1,
        server: true,
    };
    pki::issue(&pki, None, &request).expect("the CA is there");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    let found = command.args(["check", "--json"]).env("SLUICEGATE_CONFIG", &site).output().expect("it was just built");
    let told = String::from_utf8_lossy(&[found.stdout, found.stderr].concat()).into_owned();
    assert!(found.status.success(), "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap_or_else(|fault| panic!("{fault}: {told}"));
    assert_eq!(told["site"]["tests"].as_array().map(Vec::len), Some(text.matches("[[tests]]").count()), "{told}");
}
