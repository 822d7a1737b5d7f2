//! Is everything where a stranger looks for it?

use std::collections::BTreeSet;

use super::root;

#[test]
fn the_top_level_is_what_the_readme_says() {
    let expected = [
        ".ci",
        ".gitignore",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "SECURITY.md",
        "benches",
        "config",
        "deny.toml",
        "docs",
        "fuzz",
        "gateway",
        "monitoring",
        "packaging",
        "proto",
        "rustfmt.toml",
        "systemd",
        "tests",
    ];
    let listed =
        std::process::Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git lists files");
    let listed = String::from_utf8(listed.stdout).expect("names are UTF-8");
    if listed.is_empty() {
        eprintln!("SKIPPED the_top_level_is_what_the_readme_says: not a git checkout");
        return;
    }
    let found: BTreeSet<_> = listed.lines().filter_map(|line| line.split('/').next()).collect();
    assert_eq!(found, expected.into_iter().collect::<BTreeSet<_>>());
}

#[test]
fn readme_names_both_commands_and_ci_runs_the_second() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).expect("the file is there");
    let readme = read("README.md");
    assert!(readme.contains("cargo run --release -- demo"));
    assert!(readme.contains("make test"));
    assert!(read(".ci/run").contains("exec make test"));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    let mut pages = vec![
        root().join("README.md"),
        root().join("ARCHITECTURE.md"),
        root().join("CONTRIBUTING.md"),
        root().join("SECURITY.md"),
    ];
    pages.extend(std::fs::read_dir(root().join("docs")).expect("docs exist").flatten().map(|entry| entry.path()));
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ext| ext == "md")) {
        let text = std::fs::read_to_string(page).expect("the page is readable");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            if !page.parent().expect("a page has a folder").join(file).exists() {
                broken.push(format!("{}: {target}", super::shown(page)));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}
