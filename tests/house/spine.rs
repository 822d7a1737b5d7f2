//! What does one more protocol cost outside its own folder?
//!
//! The spine knows no protocol by name: one line declares its module, one its variant. A second copy of a protocol, put
//! into a copy of the tree, shows that nothing else is needed; and no line outside its folder speaks of IEC 104.

use std::{fs, path::Path, process::Command};

use super::{root, rust_files, shown};

/// What only IEC 104 calls by these names.
const WORDS: &[&str] = &["iec104", "IEC 104", "IEC 60870", "APCI", "ASDU", "STARTDT", "STOPDT", "TESTFR"];

/// Every line of production code outside `proto/src/iec104` that speaks of it.
const LINES: &[(&str, &str)] = &[
    ("proto/src/lib.rs", "the folder in the list of folders"),
    ("proto/src/lib.rs", "the module"),
    ("proto/src/protocol.rs", "the variant"),
    ("config/src/keys/tables.rs", "the list of the protocols that the language knows"),
];

#[test]
fn the_spine_does_not_know_iec_104() {
    let mut lines = Vec::new();
    for file in ["proto/src", "config/src", "gateway/src"].into_iter().flat_map(rust_files) {
        let name = shown(&file);
        let own = name.starts_with("proto/src/iec104");
        if own || name.contains("/tests/") || name.ends_with("tests.rs") || name.contains("/demo") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("source is readable");
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let speaks = |line: &&str| WORDS.iter().any(|word| line.to_lowercase().contains(&word.to_lowercase()));
        lines.extend(code.lines().filter(speaks).map(|line| (name.clone(), line.trim().to_owned())));
    }
    for (file, line) in &lines {
        println!("{file}: {line}");
    }
    println!("{} lines outside proto/src/iec104, its docs and tests", lines.len());
    let files: Vec<_> = lines.iter().map(|(file, _)| file.as_str()).collect();
    let due: Vec<_> = LINES.iter().map(|(file, _)| *file).collect();
    assert_eq!(files, due, "{lines:#?}");
}

#[test]
fn one_more_protocol_is_two_lines() {
    let copy = tempfile::tempdir().expect("a temporary folder");
    for part in ["Cargo.toml", "Cargo.lock", "proto", "config", "gateway", "tests", "benches"] {
        copy_all(&root().join(part), &copy.path().join(part));
    }
    // Its folder: a protocol that speaks like another one under a name of its own.
    fs::write(copy.path().join("proto/src/dummy.rs"), "//! Another name.\npub use crate::iec104::*;\n")
        .expect("written");
    let added = [
        ("proto/src/lib.rs", "pub mod iec104;\n", "pub mod dummy;\npub mod iec104;\n"),
        (
            "proto/src/protocol.rs",
            "    Modbus = \"modbus\" in modbus,\n",
            "    Modbus = \"modbus\" in modbus,\n    Dummy = \"dummy\" in dummy,\n",
        ),
    ];
    for (file, before, after) in added {
        let path = copy.path().join(file);
        let text = fs::read_to_string(&path).expect("it was copied");
        assert!(text.contains(before), "{file} has changed: this test must change with it");
        fs::write(&path, text.replacen(before, after, 1)).expect("written");
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--offline", "--quiet", "--lib", "--bins", "-p", "sluicegate"]).current_dir(copy.path());
    // What others wrote is built already.
    cargo.env("CARGO_TARGET_DIR", root().join("target"));
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("a dummy protocol needed {} lines outside its folder", added.len());
}

fn copy_all(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).expect("copied");
        return;
    }
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("readable").flatten() {
        copy_all(&entry.path(), &to.join(entry.file_name()));
    }
}
