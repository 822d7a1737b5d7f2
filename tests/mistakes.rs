//! Does `check` say where and what to write also for what only the gateway can see: files, certificates, keys, tests?
//!
//! The right line and the right fix of each stand here as data, written before anybody looked at what the program says. The
//! mistakes that the text alone shows are in `config/src/tests/mistakes`.

use std::{path::Path, process::Command};

use crate::gate::{Config, Device, Site, run};

/// A plant without a mistake, but for what a case makes of it.
struct Case {
    name: &'static str,
    /// What stands in the configuration, and what then stands there.
    edit: (&'static str, &'static str),
    /// What happens to the files.
    files: fn(&Site),
    /// What the line says on which the finding stands.
    line: &'static str,
    /// What the program must say to help.
    fix: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "certificate and key exchanged",
        edit: ("cert = \"pki/gate.crt\"\nkey = \"pki/gate.key\"", "cert = \"pki/gate.key\"\nkey = \"pki/gate.crt\""),
        files: nothing,
        line: "cert = \"pki/gate.key\"",
        fix: "`cert` names our certificate",
    },
    Case {
        name: "key of another certificate",
        edit: ("key = \"pki/gate.key\"", "key = \"pki/scada.key\""),
        files: nothing,
        line: "key = \"pki/scada.key\"",
        fix: "the private key that was made with the certificate",
    },
    Case {
        name: "key with a password",
        edit: ("", ""),
        files: |site| {
            let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
            write(&site.key("gate"), locked);
        },
        line: "key = \"pki/gate.key\"",
        fix: "without a password",
    },
    Case {
        name: "certificate of a client at the listener",
        edit: ("cert = \"pki/gate.crt\"\nkey = \"pki/gate.key\"", "cert = \"pki/scada.crt\"\nkey = \"pki/scada.key\""),
        files: nothing,
        line: "cert = \"pki/scada.crt\"",
        fix: "--server",
    },
    Case {
        name: "roots that are no certificate",
        edit: ("", ""),
        files: |site| write(&site.crt("plant"), "plant CA, see the safe\n"),
        line: "roots = \"pki/plant.crt\"",
        fix: "`roots` names the certificates of the CA",
    },
    Case {
        name: "certificate for a revocation list",
        edit: ("names = [\"spiffe://plant/*\"", "crl = \"pki/plant.crt\"\nnames = [\"spiffe://plant/*\""),
        files: nothing,
        line: "crl = \"pki/plant.crt\"",
        fix: "`sluicegate pki crl`",
    },
    Case {
        name: "file cut off while it was copied",
        edit: ("", ""),
        files: |site| {
            let whole = std::fs::read_to_string(site.crt("gate")).expect("readable");
            write(&site.crt("gate"), &whole[..whole.len() / 2]);
        },
        line: "cert = \"pki/gate.crt\"",
        fix: "`cert` names our certificate in PEM",
    },
    Case {
        name: "certificate that is not there",
        edit: ("cert = \"pki/gate.crt\"", "cert = \"pki/gaet.crt\""),
        files: nothing,
        line: "cert = \"pki/gaet.crt\"",
        fix: "did you mean `pki/gate.crt`?",
    },
    Case {
        name: "credential outside the unit",
        edit: ("key = \"pki/gate.key\"", "key = \"credential:gate.key\""),
        files: nothing,
        line: "key = \"credential:gate.key\"",
        fix: "under the unit",
    },
];

const fn nothing(_site: &Site) {}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the folder is writable");
}

fn check(site: &Site, text: &str, more: &[&str]) -> (bool, String) {
    let file = site.write_config(text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    run(command.env_remove("CREDENTIALS_DIRECTORY").arg("--config").arg(file).arg("check").args(more))
}

#[test]
fn each_file_that_is_wrong_is_told_at_its_place_with_its_fix() {
    let device = Device::start();
    let mut misses = Vec::new();
    for case in CASES {
        let site = Site::new();
        let text = Config::tls(&device, &["hmi read holding 0-99"]).text();
        assert!(text.contains(case.edit.0), "{}", case.name);
        let text = text.replace(case.edit.0, case.edit.1);
        (case.files)(&site);
        let line = text.lines().position(|line| line == case.line).expect("the case names its line") + 1;
        let (good, said) = check(&site, &text, &[]);
        // Its first finding, to the blank line behind it.
        let first = said.split("\n\n").next().unwrap_or_default();
        let warns = first.starts_with("warning[W015]");
        let right = first.contains(&format!("gate.toml:{line}:"))
            && first.lines().any(|line| line.contains("= help: ") && line.contains(case.fix))
            && (warns || (first.starts_with("error[E") && !good));
        if !right {
            misses.push(format!("{}: line {line}, {:?}:\n{said}", case.name, case.fix));
        }
    }
    println!("{} of {} files", CASES.len() - misses.len(), CASES.len());
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}

/// A failing policy test names itself, its line, the rule that decided, and the change that would make it pass.
#[test]
fn a_policy_test_that_fails_is_told_at_its_place_with_its_fix() {
    let (device, site) = (Device::start(), Site::new());
    let mut config = Config::tls(&device, &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"]);
    config.more = "[[tests]]\nname = \"the set-point may be high\"\nas = \"scada\"\non = \"pump\"\n\
                   send = \"write holding 40 = 1600\"\nexpect = \"allow\"\n"
        .into();
    let text = config.text();
    let line = text.lines().position(|line| line.starts_with("send = ")).expect("there") + 1;
    let (good, said) = check(&site, &text, &[]);
    assert!(!good, "{said}");
    assert!(
        said.contains("test FAILED: the set-point may be high (") && said.contains(&format!("gate.toml:{line})")),
        "{said}"
    );
    assert!(said.contains("expected allow, got deny value_not_allowed"), "{said}");
    assert!(said.contains("hmi write holding 40 = 0..1500"), "the rule: {said}");
    assert!(said.contains("= 1600"), "the nearest change: {said}");
}

/// Tools read the same: code, line, help.
#[test]
fn the_json_of_check_says_the_same_of_a_key() {
    let (device, site) = (Device::start(), Site::new());
    let text = Config::tls(&device, &["hmi read holding 0-99"]).text().replace("pki/gate.key", "pki/scada.key");
    let (good, said) = check(&site, &text, &["--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
    let key = &said["site"]["keys"][0];
    assert!(!good && key["code"] == "E065" && key["elsewhere"] == false, "{said}");
    let line = text.lines().position(|line| line == "key = \"pki/scada.key\"").expect("there") + 1;
    assert_eq!(key["line"].as_u64(), u64::try_from(line).ok(), "{key}");
    assert!(key["help"][0].as_str().is_some_and(|help| help.contains("was made with the certificate")), "{key}");
}

/// Every code stands in the reference.
#[test]
fn every_code_stands_in_the_reference() {
    let page = std::fs::read_to_string(crate::gate::repository().join("docs/reference.md")).expect("the page is there");
    for (code, title) in sluicegate_config::finding::CODES {
        assert!(page.contains(&format!("| {code} | {title} |")), "{code}");
    }
}
