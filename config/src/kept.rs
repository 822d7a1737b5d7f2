//! How is a configuration kept, so that it can come back when its files are different or gone?
//!
//! What is kept are the texts. Certificates, keys and revocation lists are named in them, and read again when a kept
//! configuration is loaded: going back to an earlier policy must not bring back a revoked peer.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Loaded,
    fault::{Faults, Source, Sources},
    finding::Finding,
    read, understand,
};

/// One file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name; relative paths in it start from its directory.
    pub name: PathBuf,
    /// Its text.
    pub text: Arc<str>,
}

/// Loads a configuration from its kept files, the main one first, without a look at where they were. Its hash is the
/// one that it had.
///
/// # Errors
/// As [`crate::load`]: what it names may be gone.
pub fn load_kept(files: &[Kept]) -> Result<Loaded, Vec<Finding>> {
    let source = |file: &Kept| Source {
        name: file.name.clone(),
        dir: file.name.parent().map(Path::to_path_buf).unwrap_or_default(),
        text: Arc::clone(&file.text),
    };
    let mut faults = Faults::default();
    let merged = read::kept(files.iter().map(source).collect(), &mut faults);
    understand(&merged, faults)
}

pub(crate) fn of(sources: &Sources) -> Vec<Kept> {
    sources.0.iter().map(|one| Kept { name: one.name.clone(), text: Arc::clone(&one.text) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{load, tests::plant};

    const MAIN: &str = r#"
schema = 1
[site]
name = "north"
include = ["conduits.d/*.toml"]
[zones.ops]
[zones.cell]
[identities.scada]
zone = "ops"
match = { source = "127.0.0.1/32" }
roles = []
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
"#;
    const PUMP: &str = r#"
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
upstream = "127.0.0.1:502"
protocol = "modbus"
[conduits.pump.modbus]
units = [1]
allow = ["scada read holding 0-9"]
"#;

    #[test]
    fn what_is_kept_loads_when_the_files_are_gone() {
        let dir = plant();
        let main = dir.path().join("main.toml");
        std::fs::create_dir(dir.path().join("conduits.d")).expect("made");
        std::fs::write(&main, MAIN).expect("written");
        std::fs::write(dir.path().join("conduits.d/pump.toml"), PUMP).expect("written");
        let loaded = load(&main).expect("it is good");
        assert_eq!(loaded.kept.len(), 2);
        assert!(!loaded.site.watch && loaded.site.control.ends_with("sluicegate/control.sock"));
        assert_eq!(loaded.site.control_group, "sluicegate-admin");
        std::fs::write(&main, "schema = 1").expect("written");
        std::fs::remove_file(dir.path().join("conduits.d/pump.toml")).expect("removed");
        let again = load_kept(&loaded.kept).expect("it was good");
        assert_eq!(again.site.hash, loaded.site.hash);
        assert_eq!(again.site.conduits.len(), 1);
        assert_eq!(again.kept, loaded.kept);
        assert!(load_kept(&[]).is_err(), "nothing is no configuration");
    }

    #[test]
    fn the_socket_is_found_in_files_that_are_refused() {
        let dir = plant();
        let main = dir.path().join("main.toml");
        std::fs::write(&main, "schema = 1\n[site]\ncontrol = \"here.sock\"\nno_such_key = 1\n").expect("written");
        assert_eq!(crate::control(&main), dir.path().join("here.sock"));
        assert_eq!(crate::control(&dir.path().join("absent.toml")), Path::new(crate::build::CONTROL));
    }
}
