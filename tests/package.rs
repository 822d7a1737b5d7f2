//! Is the Debian package what it says: whole, reproducible, and harmless until somebody configures it?
//!
//! ```text
//! package           its content: files, pages, completions, bill of materials; no machine is touched
//! package/installed installed, started, upgraded, removed under a systemd of its own
//! package/machine   where that systemd comes from
//! ```

mod installed;
mod machine;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::Value;

use crate::gate::{missing, repository, run};

/// The package of the binary that is tested, and its content unpacked.
struct Package {
    file: PathBuf,
    root: PathBuf,
    folder: PathBuf,
}

/// Built once for all tests. `None`: Debian's tools are missing.
fn package() -> Option<&'static Package> {
    static BUILT: OnceLock<Option<Package>> = OnceLock::new();
    let build = || {
        if missing(&["dpkg-deb", "dpkg-shlibdeps", "objcopy", "python3", "git"]) {
            return None;
        }
        // In the target folder, and made anew by each run: what a static holds is never dropped.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
        let _ = fs::remove_dir_all(&folder);
        let (file, root) = (build_into(&folder.join("first")), folder.join("root"));
        let (good, said) = run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&root));
        assert!(good, "{said}");
        Some(Package { file, root, folder })
    };
    BUILT.get_or_init(build).as_ref()
}

fn build_into(out: &Path) -> PathBuf {
    let mut command = Command::new(repository().join("packaging/build.sh"));
    command.args(["--profile", "dev", "--binary", env!("CARGO_BIN_EXE_sluicegate"), "--out"]).arg(out);
    let output = command.output().expect("the script starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

impl Package {
    fn read(&self, place: &str) -> String {
        fs::read_to_string(self.root.join(place)).unwrap_or_else(|fault| panic!("{place}: {fault}"))
    }

    /// A gzipped file's text.
    fn unzip(&self, place: &str) -> String {
        let (good, text) = run(Command::new("gzip").arg("-dc").arg(self.root.join(place)));
        assert!(good, "{place}: {text}");
        text
    }

    fn field(&self, name: &str) -> String {
        let (good, said) = run(Command::new("dpkg-deb").arg("-f").arg(&self.file).arg(name));
        assert!(good, "{said}");
        said.trim().to_owned()
    }

    fn man_pages(&self) -> Vec<PathBuf> {
        let sections = ["usr/share/man/man1", "usr/share/man/man5"].map(|one| self.root.join(one));
        let entries = sections.iter().flat_map(|one| fs::read_dir(one).expect("pages").flatten());
        entries.map(|entry| entry.path()).collect()
    }
}

/// Every file, its mode and owner, as `dpkg-deb` lists them.
fn listing(package: &Package) -> String {
    let (good, said) = run(Command::new("dpkg-deb").arg("-c").arg(&package.file));
    assert!(good, "{said}");
    said
}

#[test]
fn everything_is_in_its_place_and_nothing_could_start() {
    let Some(package) = package() else { return };
    for place in PLACES {
        assert!(package.root.join(place).exists(), "{place} is missing:\n{}", listing(package));
    }
    for line in listing(package).lines() {
        assert!(line.contains(" root/root "), "{line}");
        let mode = line.get(..10).expect("a mode");
        assert!(mode.get(8..9) != Some("w") || mode.starts_with('l'), "anybody may write: {line}");
        let is_file = !line.ends_with('/');
        assert!(!(is_file && line.contains(" ./etc/")), "a configuration that could start: {line}");
    }
    let depends = package.field("Depends");
    assert!(depends.contains("libc6 (>= 2.") && depends.contains("systemd"), "{depends}");
    assert_eq!(package.field("Section"), "net");
    let script = |name: &str| fs::read_to_string(repository().join("packaging/debian").join(name)).expect("a script");
    for name in ["postinst", "prerm", "postrm"] {
        for word in ["start sluicegate", "enable sluicegate", "--now\n"] {
            let lines: Vec<_> = script(name).lines().filter(|line| !line.contains("echo")).map(str::to_owned).collect();
            assert!(!lines.join("\n").contains(word), "{name} would {word}");
        }
    }
}

#[test]
fn the_same_tree_gives_the_same_package() {
    let Some(package) = package() else { return };
    let again = build_into(&package.folder.join("again"));
    assert!(fs::read(&package.file).expect("first") == fs::read(again).expect("again"), "two builds differ");
}

#[test]
fn the_pages_lead_to_each_other_where_they_are_installed() {
    let Some(package) = package() else { return };
    let doc = package.root.join("usr/share/doc/sluicegate");
    let mut broken = Vec::new();
    let tops = ["README.md", "SECURITY.md", "ARCHITECTURE.md"].map(|one| doc.join(one));
    let guide = fs::read_dir(doc.join("docs")).expect("the guide").flatten().map(|entry| entry.path());
    for page in tops.into_iter().chain(guide).filter(|page| page.extension().is_some_and(|ext| ext == "md")) {
        let text = fs::read_to_string(&page).expect("a page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") && !page.with_file_name(target).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
        for installed in text.split(['`', ' ', '\n', '(', ')', ',']).filter(|word| word.starts_with("/usr/share/")) {
            let ours = installed.contains("sluicegate") && !installed.contains('*');
            if ours && !package.root.join(installed.trim_start_matches('/').trim_end_matches(['.', ':', ';'])).exists()
            {
                broken.push(format!("{}: {installed}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let unit = package.read("lib/systemd/system/sluicegate.service");
    let page = unit.split("Documentation=file://").nth(1).and_then(|rest| rest.lines().next()).expect("a page");
    assert!(package.root.join(page.trim_start_matches('/')).exists(), "{page}");
}

#[test]
fn debians_own_checker_finds_no_error() {
    let Some(package) = package() else { return };
    if missing(&["lintian"]) {
        return;
    }
    let mut command = Command::new("lintian");
    command.args(["--no-cfg", "--allow-root", "--fail-on", "error", "--tag-display-limit", "0"]).arg(&package.file);
    let (good, said) = run(&mut command);
    assert!(good && !said.lines().any(|line| line.starts_with("E:")), "{said}");
}

#[test]
fn man_pages_render_without_a_warning() {
    let Some(package) = package() else { return };
    if missing(&["groff", "preconv"]) {
        return;
    }
    let pages = package.man_pages();
    assert!(pages.len() > 10, "{pages:?}");
    for page in &pages {
        let line = "set -o pipefail; gzip -dc \"$0\" | preconv -e utf-8 | groff -man -Tutf8 -ww -P-cbou";
        let output = Command::new("bash").args(["-c", line]).arg(page).output().expect("bash runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", page.display());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("NAME") && text.contains("sluicegate"), "{}", page.display());
    }
    let main = package.unzip("usr/share/man/man1/sluicegate.1.gz");
    for command in commands() {
        assert!(main.contains(&format!("sluicegate\\-{}(1)", command.replace('-', "\\-"))), "{command}");
    }
}

#[test]
fn completions_know_every_command() {
    let Some(package) = package() else { return };
    let bash = package.root.join("usr/share/bash-completion/completions/sluicegate");
    // The function that the script registers is asked as bash asks it.
    let line = "source \"$0\"; f=$(complete -p sluicegate | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
                COMP_WORDS=(sluicegate ''); COMP_CWORD=1; $f sluicegate '' sluicegate; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let (good, said) = run(Command::new("bash").args(["-u", "-c", line]).arg(&bash));
    assert!(good, "{said}");
    let offered: BTreeSet<_> = said.lines().map(str::to_owned).collect();
    let zsh = package.read("usr/share/zsh/vendor-completions/_sluicegate");
    let fish = package.read("usr/share/fish/vendor_completions.d/sluicegate.fish");
    assert!(zsh.starts_with("#compdef sluicegate"), "zsh finds it by its first line");
    for command in commands() {
        assert!(offered.contains(&command), "bash does not offer {command}: {said}");
        assert!(zsh.contains(&format!("'{command}:")) && fish.contains(&format!("-a \"{command}\"")), "{command}");
    }
}

/// Made from the dependency tree, held against the binary: the paths of panics and line tables name the crates that
/// are really in there.
#[test]
fn the_bill_of_materials_names_every_crate_in_the_binary() {
    let Some(package) = package() else { return };
    let place = "usr/share/doc/sluicegate/sluicegate.cdx.json";
    let bill: Value = serde_json::from_str(&package.read(place)).expect("JSON");
    let components = bill["components"].as_array().expect("a list");
    let mut named = BTreeSet::new();
    for one in components {
        let word = |key: &str| one[key].as_str().unwrap_or_else(|| panic!("no {key}: {one}"));
        assert!(word("purl").ends_with(&format!("/{}@{}", word("name"), word("version").replace('+', "%2B"))), "{one}");
        assert!(one["licenses"][0]["expression"].is_string(), "{one}");
        let digest = one["hashes"][0]["content"].as_str().unwrap_or_default();
        assert!(digest.len() == 64 || word("purl").starts_with("pkg:generic/"), "no checksum: {one}");
        named.insert(format!("{}-{}", word("name"), word("version")));
    }
    let binary = fs::read(env!("CARGO_BIN_EXE_sluicegate")).expect("the binary");
    let text = String::from_utf8_lossy(&binary);
    let after = text.split("/registry/src/").skip(1).filter_map(|rest| rest.split('/').nth(1));
    let is_crate =
        |name: &&str| name.len() < 60 && name.chars().all(|one| one.is_ascii_alphanumeric() || "-_.+".contains(one));
    let inside: BTreeSet<_> = after.filter(is_crate).map(str::to_owned).collect();
    assert!(inside.len() > 40, "the binary tells where its code is from: {inside:?}");
    let unnamed: Vec<_> = inside.difference(&named).collect();
    assert!(unnamed.is_empty(), "in the binary, not on the bill: {unnamed:?}");
    let python = std::env::var("SLUICEGATE_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let check = repository().join("tests/package/bill.py");
    let output = Command::new(python).arg(check).arg(package.root.join(place)).output().expect("python runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if said.contains("No module named") {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "tests/setup.sh should have installed it: {said}");
        eprintln!("SKIPPED the schema of the bill of materials: {said}");
        return;
    }
    assert!(output.status.success() && said.contains("valid"), "{said}");
}

/// Every command of the first level, as the program's own help lists them.
fn commands() -> Vec<String> {
    use clap::CommandFactory;
    let program = sluicegate::cli::Cli::command();
    program.get_subcommands().filter(|one| !one.is_hide_set()).map(|one| one.get_name().to_owned()).collect()
}

const PLACES: &[&str] = &[
    "usr/bin/sluicegate",
    "lib/systemd/system/sluicegate.service",
    "usr/lib/sysusers.d/sluicegate.conf",
    "usr/lib/tmpfiles.d/sluicegate.conf",
    "usr/lib/sysctl.d/60-sluicegate.conf",
    "etc/sluicegate/conduits.d",
    "etc/sluicegate/pki",
    "usr/share/man/man1/sluicegate.1.gz",
    "usr/share/man/man1/sluicegate-pki-issue.1.gz",
    "usr/share/man/man5/sluicegate.toml.5.gz",
    "usr/share/bash-completion/completions/sluicegate",
    "usr/share/zsh/vendor-completions/_sluicegate",
    "usr/share/fish/vendor_completions.d/sluicegate.fish",
    "usr/share/doc/sluicegate/README.md",
    "usr/share/doc/sluicegate/copyright",
    "usr/share/doc/sluicegate/changelog.gz",
    "usr/share/doc/sluicegate/changelog.Debian.gz",
    "usr/share/doc/sluicegate/docs/first-conduit.md",
    "usr/share/doc/sluicegate/docs/packaging.md",
    "usr/share/doc/sluicegate/docs/reference.md",
    "usr/share/doc/sluicegate/docs/runbooks.md",
    "usr/share/doc/sluicegate/docs/verify-audit.sh",
    "usr/share/doc/sluicegate/examples/first-conduit/sluicegate.toml",
    "usr/share/doc/sluicegate/sluicegate.cdx.json",
    "usr/share/sluicegate/monitoring/alerts.yml",
    "usr/share/sluicegate/monitoring/alerts.test.yml",
    "usr/share/sluicegate/monitoring/dashboards/plant.json",
];
