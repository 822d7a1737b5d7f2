//! What did the operator ask for, and does it make sense?
//!
//! ```text
//! keys       the one key table: checks, JSON schema, reference, what is not served yet
//! read       TOML files -> one merged table of values with places, checked against the key table
//! build      the checked table -> the plan: names resolved, defaults filled in, what does not fit told
//! plan       what the gateway runs from
//! lint       what is served, and probably not what was meant
//! levels     what a conduit misses of its zones' security level
//! gaps       reads that go past what is allowed between two blocks
//! series     how many metric series a site has
//! difference which deeds one policy allows and another refuses
//! kept       the files as they were read, to be loaded once more when they are different or gone
//! fault      a fault on its way: a place in the files
//! finding    a fault or warning for people and machines
//! ```

mod build;
pub mod difference;
mod fault;
pub mod finding;
mod gaps;
mod kept;
pub mod keys;
pub mod levels;
mod lint;
pub mod plan;
mod read;
mod series;

use std::path::{Path, PathBuf};

pub use gaps::{ReadGap, read_gaps};
pub use kept::{Kept, load_kept};
pub use keys::{not_served, reference, schema};
pub use series::{functions, series};

use fault::{Faults, Source};
use finding::Finding;
use plan::Site;
use read::Merged;

/// A configuration that loaded without an error.
#[derive(Debug)]
pub struct Loaded {
    /// The plan.
    pub site: Site,
    /// Warnings, in file order.
    pub warnings: Vec<Finding>,
    /// What each conduit misses of its zones' security level, in the order of the plan.
    pub levels: Vec<levels::ConduitLevel>,
    /// The files that it was made from, the main one first.
    pub kept: Vec<Kept>,
}

/// Reads `path` and everything it includes, without binding, dialling or reading keys' contents beyond what the checks
/// need. Policy tests are not run here (the gateway's `check` runs them).
///
/// # Errors
/// Every fault of every file, sorted by file and place; warnings included after them.
pub fn load(path: &Path) -> Result<Loaded, Vec<Finding>> {
    let mut faults = Faults::default();
    let merged = read::file(path, &mut faults);
    understand(&merged, faults)
}

/// The hash of the files as they are now, as [`Site::hash`] has it; absent where one cannot be read or is no TOML.
pub fn hash(path: &Path) -> Option<String> {
    let mut faults = Faults::default();
    let merged = read::file(path, &mut faults);
    (!faults.unread()).then_some(merged.hash)
}

/// Where the local commands' socket is, as far as the files say; they may be full of faults otherwise. Whoever asks a
/// running gateway to load them must find it all the same.
pub fn control(path: &Path) -> PathBuf {
    let merged = read::file(path, &mut Faults::default());
    let written = merged.root.table("site").and_then(|site| site.text("control"));
    written.map_or_else(|| PathBuf::from(build::CONTROL), |(path, at)| merged.sources.resolve(path, at))
}

/// The same for the state directory.
pub fn state(path: &Path) -> PathBuf {
    let merged = read::file(path, &mut Faults::default());
    let written = merged.root.table("site").and_then(|site| site.text("state"));
    written.map_or_else(|| PathBuf::from(build::STATE), |(path, at)| merged.sources.resolve(path, at))
}

/// [`load`] for a text at hand: a main file `sluicegate.toml` in `dir`. Relative paths and includes start from `dir`.
///
/// # Errors
/// As [`load`].
pub fn load_str(text: &str, dir: &Path) -> Result<Loaded, Vec<Finding>> {
    let mut faults = Faults::default();
    let main = Source { name: "sluicegate.toml".into(), dir: dir.to_path_buf(), text: text.into() };
    let merged = read::merge(main, &mut faults);
    understand(&merged, faults)
}

/// The fuzzer's way in: any text as a main file. It loads or is refused with a fault that can be shown; includes lie in a
/// folder that does not exist.
///
/// # Panics
/// When it does neither.
pub fn fuzz_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Whatever a text names must not be a file or a device of the machine that runs this.
    if text.contains("include") {
        return;
    }
    let found = match load_str(text, Path::new("/nonexistent")) {
        Ok(loaded) => {
            read_gaps(&loaded.site);
            series(&loaded.site);
            loaded.warnings
        }
        Err(found) => {
            assert!(found.iter().any(|one| one.severity == finding::Severity::Error), "refused without a fault");
            found
        }
    };
    for one in found {
        assert!(one.render(false).contains(one.code), "a fault without its code");
        one.to_json();
    }
}

/// Where a file is not TOML, the keys of the others are still looked at, but not what they amount to: names that are not
/// defined would be echoes of the file that is missing.
fn understand(merged: &Merged, mut faults: Faults) -> Result<Loaded, Vec<Finding>> {
    let unread = faults.unread();
    // Without the main file there is nothing to look at: it names all others.
    if !unread || merged.root.get("schema").is_some() {
        read::check::check(&merged.root, &mut faults);
    }
    if unread {
        return Err(faults.findings(&merged.sources));
    }
    let ground = build::Ground::new(merged, &mut faults);
    let built = build::site(&ground, merged, &mut faults);
    let mut levels = Vec::new();
    if !faults.refused() {
        lint::lint(&ground, &built, &mut faults);
        levels = levels::levels(&ground, &built, &mut faults);
    }
    let refused = faults.refused();
    let findings = faults.findings(&merged.sources);
    if refused {
        return Err(findings);
    }
    Ok(Loaded { site: built.site, warnings: findings, levels, kept: kept::of(&merged.sources) })
}

#[cfg(test)]
mod tests;
