//! Which configurations were in force here, and which one is?
//!
//! ```text
//! STATE/history/00000007.json   one configuration: number, time, hash, by whom, its files
//! STATE/history/current.json    which one is in force; what waits for a confirmation; what was gone back from
//! STATE/history/clean           the last process ended in good order
//! ```
//! `current.json` is replaced in one step, after the configuration that it names is on disk: a process that dies at any
//! moment leaves the one before or the one after.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use sluicegate_config::Kept;

/// Configurations that are kept.
pub const KEPT: usize = 50;
/// Hashes of configurations that were gone back from: as many as could be gone back from.
const REFUSED: usize = KEPT;

/// What is known of the configurations of one state directory.
#[derive(Debug)]
pub struct History {
    dir: PathBuf,
    entries: Vec<Entry>,
    current: Current,
}

/// One configuration, without its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number; they ascend.
    pub number: u64,
    /// When it was loaded first, RFC 3339.
    pub time: String,
    /// Its hash, as `config_info` shows it.
    pub hash: String,
    /// Who loaded it, and how.
    pub by: String,
    /// Why, where somebody said so.
    pub reason: Option<String>,
}

/// Which configuration is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Its number; 0 before the first.
    pub running: u64,
    /// It waits for a confirmation.
    pub pending: Option<Pending>,
    /// Hashes of configurations that were gone back from: a start does not take them up again by itself.
    pub refused: Vec<String>,
}

/// A configuration that goes unless it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The one that comes back then.
    pub back_to: u64,
    /// Until when it waits, RFC 3339.
    pub until: String,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    entry: Entry,
    files: Vec<StoredFile>,
}

#[derive(Serialize, Deserialize)]
struct StoredFile {
    name: PathBuf,
    text: String,
}

/// The history cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the history: {}: {source}", path.display())]
pub struct HistoryError {
    path: PathBuf,
    source: io::Error,
}

impl History {
    /// Opens the history below a state directory; makes its folder.
    ///
    /// # Errors
    /// The folder cannot be made or listed. What is damaged in it is left out, and told by a log line.
    pub fn open(state: &Path) -> Result<Self, HistoryError> {
        let dir = state.join("history");
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let mut history = Self { dir, entries: Vec::new(), current: Current::default() };
        for found in fs::read_dir(&history.dir).map_err(at(&history.dir))? {
            let path = found.map_err(at(&history.dir))?.path();
            if number_of(&path).is_some() {
                match read::<Entry>(&path) {
                    Ok(entry) => history.entries.push(entry),
                    Err(error) => tracing::error!(%error, "left out of the history"),
                }
            }
        }
        history.entries.sort_by_key(|entry| entry.number);
        let path = history.dir.join(CURRENT);
        if path.exists() {
            match read(&path) {
                Ok(current) => history.current = current,
                Err(error) => tracing::error!(%error, "which configuration was in force is not known"),
            }
        }
        Ok(history)
    }

    /// The configurations, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Which one is in force.
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// The configuration in force.
    pub fn running(&self) -> Option<&Entry> {
        self.entry(self.current.running)
    }

    /// One of them.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.number == number)
    }

    /// The last one before the one in force that says something else.
    pub fn before(&self) -> Option<&Entry> {
        let running = self.running().map(|one| &one.hash);
        let other = |one: &Entry| one.number < self.current.running && Some(&one.hash) != running;
        self.entries.iter().rev().find(|one| other(one))
    }

    /// Whether the process before this one ended in good order, or there was none.
    pub fn ended_well(&self) -> bool {
        self.current.running == 0 || self.dir.join(CLEAN).exists()
    }

    /// The files of a configuration.
    ///
    /// # Errors
    /// They are not there, or not whole.
    pub fn files(&self, number: u64) -> Result<Vec<Kept>, HistoryError> {
        let stored: Stored = read(&self.path(number))?;
        Ok(stored.files.into_iter().map(|one| Kept { name: one.name, text: Arc::from(one.text) }).collect())
    }

    /// Puts a configuration on disk; it is not in force by that. Its number.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn add(&mut self, hash: &str, files: &[Kept], by: &str, reason: Option<&str>) -> Result<u64, HistoryError> {
        let number = self.entries.last().map_or(0, |entry| entry.number).max(self.current.running) + 1;
        let time = now();
        let entry = Entry { number, time, hash: hash.to_owned(), by: by.to_owned(), reason: reason.map(str::to_owned) };
        let file = |one: &Kept| StoredFile {
            // A later process may run in another directory.
            name: std::path::absolute(&one.name).unwrap_or_else(|_| one.name.clone()),
            text: one.text.to_string(),
        };
        let stored = Stored { entry, files: files.iter().map(file).collect() };
        write(&self.dir, &self.path(number), &stored)?;
        self.entries.push(stored.entry);
        Ok(number)
    }

    /// From now on this is in force, whatever happens to the process. The oldest configurations go.
    ///
    /// # Errors
    /// The disk does not take it: what was in force still is.
    pub fn point(&mut self, mut current: Current) -> Result<(), HistoryError> {
        let spare = current.refused.len().saturating_sub(REFUSED);
        current.refused.drain(..spare);
        write(&self.dir, &self.dir.join(CURRENT), &current)?;
        self.current = current;
        self.forget_oldest();
        Ok(())
    }

    /// The process serves: until [`Self::ends_well`] its end is no good one.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn begins(&self) -> Result<(), HistoryError> {
        let path = self.dir.join(CLEAN);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
            _ => Ok(()),
        }
    }

    /// The process below this state directory ends in good order.
    ///
    /// # Errors
    /// The disk does not take it: the next start then takes this for no good end.
    pub fn ends_well(state: &Path) -> Result<(), HistoryError> {
        let dir = state.join("history");
        write(&dir, &dir.join(CLEAN), &now())
    }

    fn forget_oldest(&mut self) {
        let needed = [self.current.running, self.current.pending.as_ref().map_or(0, |one| one.back_to)];
        while self.entries.len() > KEPT
            && let Some(place) = self.entries.iter().position(|one| !needed.contains(&one.number))
        {
            let gone = self.entries.remove(place);
            // What stays on disk all the same is found again at the next start, and goes then.
            let _ = fs::remove_file(self.path(gone.number));
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.json"))
    }
}

const CURRENT: &str = "current.json";
const CLEAN: &str = "clean";

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok()
}

/// The time, RFC 3339.
pub(super) fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> HistoryError {
    let path = path.to_owned();
    move |source| HistoryError { path, source }
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, HistoryError> {
    let bytes = fs::read(path).map_err(at(path))?;
    serde_json::from_slice(&bytes).map_err(|error| at(path)(error.into()))
}

/// In one step: whoever reads finds the old file or the new one, also after a loss of power.
fn write(dir: &Path, path: &Path, what: &impl Serialize) -> Result<(), HistoryError> {
    let bytes = serde_json::to_vec_pretty(what).expect("strings and numbers always make JSON");
    let beside = path.with_extension("new");
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(dir)?.sync_all()
    };
    written().map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Vec<Kept> {
        vec![Kept { name: PathBuf::from("/etc/gate.toml"), text: Arc::from(text) }]
    }

    fn running(number: u64) -> Current {
        Current { running: number, ..Current::default() }
    }

    #[test]
    fn what_was_pointed_to_is_found_again_and_what_was_only_added_is_not_in_force() {
        let state = tempfile::tempdir().expect("a directory");
        let mut history = History::open(state.path()).expect("it opens");
        assert!(history.ended_well(), "there was no process");
        let first = history.add("aa", &kept("one"), "a start", None).expect("added");
        history.point(running(first)).expect("pointed");
        let second = history.add("bb", &kept("two"), "root", Some("because")).expect("added");
        let again = History::open(state.path()).expect("it opens");
        assert_eq!(again.running().map(|one| one.hash.as_str()), Some("aa"));
        assert_eq!(again.entries().len(), 2);
        assert_eq!(again.files(second).expect("there"), kept("two"));
        assert!(!again.ended_well(), "the process said nothing of its end");
        History::ends_well(state.path()).expect("said");
        let again = History::open(state.path()).expect("it opens");
        assert!(again.ended_well());
        again.begins().expect("it serves");
        assert!(!again.ended_well());
    }

    #[test]
    fn fifty_are_kept_and_the_one_in_force_among_them() {
        let state = tempfile::tempdir().expect("a directory");
        let mut history = History::open(state.path()).expect("it opens");
        for n in 1..=60 {
            let number = history.add(&format!("{n:02}"), &kept("text"), "root", None).expect("added");
            assert_eq!(number, n);
            let pending = Some(Pending { back_to: 1, until: now() });
            history.point(Current { running: number, pending, refused: Vec::new() }).expect("pointed");
        }
        assert_eq!(history.entries().len(), KEPT);
        assert_eq!(history.entries()[0].number, 1, "what may come back is kept");
        assert_eq!(history.entries()[1].number, 12);
        let files = fs::read_dir(state.path().join("history")).expect("a folder").count();
        assert_eq!(files, KEPT + 1, "and the pointer");
        assert_eq!(history.before().map(|one| one.number), Some(59));
    }

    /// A trial that lapsed, and the same texts loaded again: to go back to those would change nothing.
    #[test]
    fn what_comes_before_never_has_the_same_texts() {
        let state = tempfile::tempdir().expect("a directory");
        let mut history = History::open(state.path()).expect("it opens");
        for hash in ["old", "new", "new"] {
            history.add(hash, &kept(hash), "root", None).expect("added");
        }
        history.point(running(3)).expect("pointed");
        assert_eq!(history.before().map(|one| one.number), Some(1));
        history.point(running(1)).expect("pointed");
        assert_eq!(history.before(), None);
    }

    #[test]
    fn a_damaged_file_is_left_out_and_the_rest_counts() {
        let state = tempfile::tempdir().expect("a directory");
        let mut history = History::open(state.path()).expect("it opens");
        for hash in ["aa", "bb"] {
            let number = history.add(hash, &kept(hash), "root", None).expect("added");
            history.point(running(number)).expect("pointed");
        }
        fs::write(state.path().join("history/00000002.json"), "{").expect("written");
        let again = History::open(state.path()).expect("it opens");
        assert_eq!(again.entries().len(), 1);
        assert_eq!(again.running(), None, "the one in force is the one that is damaged");
        assert!(again.files(2).is_err());
        fs::write(state.path().join("history/current.json"), "").expect("written");
        assert_eq!(History::open(state.path()).expect("it opens").current().running, 0);
    }
}
