//! Are the dependencies' licences, versions and bans as deny.toml says?

use std::{collections::BTreeMap, process::Command};

use super::root;

const LICENCES: &[&str] = &[
    "Apache-2.0",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Zlib",
    "CDLA-Permissive-2.0",
    "OpenSSL",
    "Unlicense",
    "MIT-0",
    "0BSD",
    "BSL-1.0",
    "CC0-1.0",
];
/// Known advisories end below these.
const MINIMUM: &[(&str, [u64; 3])] =
    &[("rustls", [0, 23, 18]), ("rustls-webpki", [0, 103, 13]), ("tokio", [1, 44, 2]), ("bytes", [1, 11, 1])];
const BANNED: &[(&str, &str)] = &[
    ("openssl", "one TLS stack: rustls with aws-lc-rs"),
    ("ring", "one crypto provider: aws-lc-rs"),
    ("native-tls", "one TLS stack: rustls"),
    ("protobuf", "the text exposition needs none (RUSTSEC-2024-0437)"),
];

struct Package {
    name: String,
    version: String,
    licence: String,
}

/// What is really built (cargo's own metadata also lists optional dependencies that no feature turns on).
fn packages() -> Vec<Package> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--workspace", "--locked", "--offline", "--edges", "normal,build,dev", "--prefix", "none"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}|{l}"])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo tree prints UTF-8");
    let mut lines: Vec<&str> =
        text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    let read = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let (name, version) = package.split_once(" v")?;
        let version = version.split(' ').next()?;
        Some(Package { name: name.into(), version: version.into(), licence: licence.into() })
    };
    let found: Vec<_> = lines.into_iter().filter_map(read).collect();
    assert!(found.len() > 50, "cargo tree lists the dependencies");
    found
}

#[test]
fn every_licence_is_one_that_we_may_ship() {
    for package in packages() {
        let (name, licence) = (&package.name, &package.licence);
        let ours = licence
            .split(" OR ")
            .flat_map(|one| one.split('/'))
            .any(|choice| choice.split(" AND ").all(|part| allowed(part.trim_matches(['(', ')', ' ']))));
        assert!(ours, "{name}: licence {licence} is not on the list");
    }
}

fn allowed(part: &str) -> bool {
    LICENCES.contains(&part.split(" WITH ").next().unwrap_or(part))
}

#[test]
fn no_dependency_is_older_than_its_last_advisory() {
    for package in packages() {
        let (name, version) = (&package.name, &package.version);
        if let Some((_, least)) = MINIMUM.iter().find(|(one, _)| one == name) {
            let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u64>().unwrap_or(0));
            let have = [parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)];
            assert!(have >= *least, "{name} {version} is older than {least:?}");
        }
    }
}

#[test]
fn nothing_banned_came_in() {
    for package in packages() {
        let name = &package.name;
        if let Some((_, why)) = BANNED.iter().find(|(one, _)| one == name) {
            panic!("{name} came in: {why}");
        }
    }
}

#[test]
fn no_crate_of_weight_is_there_twice() {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        versions.entry(package.name).or_default().push(package.version);
    }
    let heavy = [
        "tokio",
        "rustls",
        "rustls-webpki",
        "hyper",
        "aws-lc-rs",
        "aws-lc-sys",
        "serde",
        "clap",
        "prometheus",
        "x509-parser",
    ];
    for name in heavy {
        let found = versions.get(name).map_or(0, Vec::len);
        assert!(found <= 1, "{name} is there {found} times: {:?}", versions.get(name));
    }
}
