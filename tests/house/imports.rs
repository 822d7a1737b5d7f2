//! gateway -> config -> proto, and nothing points back.

use super::{root, rust_files, shown};

/// Words that a room must not use, with the reason.
const BANNED: &[(&str, &[(&str, &str)])] = &[
    (
        "proto/src",
        &[
            ("tokio", "proto owns no sockets"),
            ("serde", "proto owns no text format"),
            ("std::net", "proto owns no sockets"),
            ("std::time::Instant", "time is an argument"),
            ("SystemTime", "time is an argument"),
            ("Mutex", "proto owns no locks"),
            ("tracing", "proto writes no logs"),
            ("prometheus", "proto counts nothing"),
            ("sluicegate_config", "proto is below config"),
            ("unsafe {", "proto forbids unsafe"),
        ],
    ),
    (
        "config/src",
        &[
            ("tokio", "config owns no sockets"),
            ("std::net::Tcp", "config owns no sockets"),
            ("thread::spawn", "config spawns nothing"),
            ("sluicegate::", "config is below the gateway"),
        ],
    ),
];

#[test]
fn nothing_points_back() {
    let mut faults = Vec::new();
    for (folder, bans) in BANNED {
        for file in rust_files(folder) {
            let text = std::fs::read_to_string(&file).expect("source is readable");
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for (word, why) in *bans {
                    if code.contains(word) {
                        faults.push(format!("{}:{}: `{word}`: {why}", shown(&file), number + 1));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "imports that break the house:\n{}", faults.join("\n"));
}

#[test]
fn rooms_depend_only_downwards() {
    let allowed: &[(&str, &[&str])] = &[
        ("proto", &["thiserror"]),
        (
            "config",
            &[
                "annotate-snippets",
                "jiff",
                "serde",
                "serde_json",
                "sha2",
                "sluicegate-proto",
                "strsim",
                "thiserror",
                "toml",
            ],
        ),
    ];
    for (room, names) in allowed {
        let manifest = std::fs::read_to_string(root().join(room).join("Cargo.toml")).expect("manifest is readable");
        let section = manifest.split("[dependencies]").nth(1).expect("it has dependencies");
        let section = section.split("\n[").next().unwrap_or_default();
        for line in section.lines().filter(|line| !line.trim().is_empty()) {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(names.contains(&name), "{room} must not depend on {name}");
        }
    }
}
