//! Which programs of others are here, and what if one is missing?

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the gateway lies in the root").to_owned()
}

/// A file of the shared folder beside the repository; absent in a plain clone.
pub(crate) fn shared(file: &str) -> Option<PathBuf> {
    let path = repository().parent()?.join("shared").join(file);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is not there", path.display());
    None
}

/// Whether one of these programs, which `tests/setup.sh` installs, is missing: said aloud, and an error in CI.
pub(crate) fn missing(programs: &[&str]) -> bool {
    let gone: Vec<_> = programs.iter().filter(|name| !is_there(name)).collect();
    if gone.is_empty() {
        return false;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "tests/setup.sh should have installed {gone:?}");
    eprintln!("SKIPPED: {gone:?} not installed (tests/setup.sh does that)");
    true
}

fn is_there(program: &str) -> bool {
    if program == "libmodbus" {
        let found = Command::new("pkg-config").args(["--exists", "libmodbus"]).status();
        return found.is_ok_and(|status| status.success());
    }
    if program.contains('/') {
        return Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs a program to its end: whether it succeeded, and all that it said.
pub(crate) fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// A port that was free just now, for programs that cannot say which one they took.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    listener.local_addr().expect("it is bound").port()
}
