//! What does the audit trail say, in sentences?

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Bytes read of one file in one look.
const LOOK: u64 = 1 << 20;

/// Lines of one kind that are shown before the rest of them is only counted: the operator's rounds and the flood would
/// bury what the reader tries.
const SHOWN: u64 = 3;
/// Between two counts.
const COUNT: Duration = Duration::from_secs(10);

/// Follows the audit trail of a state directory.
#[derive(Debug)]
pub struct Tail {
    dir: PathBuf,
    read: BTreeMap<PathBuf, u64>,
    shown: BTreeMap<&'static str, u64>,
    counted: BTreeMap<&'static str, u64>,
    told: Instant,
}

impl Tail {
    /// From the beginning.
    pub fn new(state: &Path) -> Self {
        Self {
            dir: state.to_owned(),
            read: BTreeMap::new(),
            shown: BTreeMap::new(),
            counted: BTreeMap::new(),
            told: Instant::now(),
        }
    }

    /// The records that came since the last look, each as one line for people. Nothing there yet is no fault.
    pub fn news(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for file in files(&self.dir) {
            let from = self.read.entry(file.clone()).or_default();
            if let Some(text) = whole_lines(&file, *from) {
                *from += u64::try_from(text.len()).unwrap_or(u64::MAX);
                lines.extend(text.lines().filter_map(said));
            }
        }
        lines.retain(|line| self.is_shown(line));
        if self.told.elapsed() > COUNT {
            self.told = Instant::now();
            let counts = std::mem::take(&mut self.counted);
            lines.extend(counts.into_iter().map(|(kind, count)| format!("{count} more: {kind}")));
        }
        lines
    }

    /// Whether a line is shown; one that is not is counted.
    fn is_shown(&mut self, line: &str) -> bool {
        let kind = if line.starts_with("allowed  operator ") {
            "allowed, the operator's rounds"
        } else if line.ends_with("rate_limited") {
            "denied, rate_limited"
        } else {
            return true;
        };
        let shown = self.shown.entry(kind).or_default();
        *shown += 1;
        if *shown > SHOWN {
            *self.counted.entry(kind).or_default() += 1;
        }
        *shown <= SHOWN
    }
}

/// The audit files, oldest name first.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned(), dir.join("audit")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let paths = entries.flatten().map(|entry| entry.path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|ext| ext == "jsonl" || ext == "log")));
    }
    found.sort();
    found
}

/// What follows byte `from`, up to the last line end.
fn whole_lines(file: &Path, from: u64) -> Option<String> {
    let mut open = File::open(file).ok()?;
    open.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    open.take(LOOK).read_to_end(&mut bytes).ok()?;
    bytes.truncate(bytes.iter().rposition(|one| *one == b'\n')? + 1);
    String::from_utf8(bytes).ok()
}

/// One record as a line for people.
fn said(line: &str) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| record.get(key).and_then(serde_json::Value::as_str);
    let event = text("event")?;
    let sentences = record.get("deeds").and_then(serde_json::Value::as_array).map(|all| {
        let said = all.iter().filter_map(|one| one.as_str().or_else(|| one.get("sentence")?.as_str()));
        said.collect::<Vec<_>>().join("; ")
    });
    let who = text("identity").or_else(|| record.get("peer")?.get("identity")?.as_str());
    let what = sentences.filter(|one| !one.is_empty()).or_else(|| who.map(str::to_owned)).unwrap_or_default();
    let why = text("reason").or_else(|| text("cause")).unwrap_or_default();
    let note = text("note").unwrap_or_default();
    let words = [event, &what, why, note];
    Some(words.into_iter().filter(|one| !one.is_empty()).collect::<Vec<_>>().join("  "))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_comes_in_crowds_is_counted() {
        let mut tail = Tail::new(Path::new("/nowhere"));
        let shown = (0..10).filter(|_| tail.is_shown("allowed  operator write coil 7 unit 1 = off via 5")).count();
        assert_eq!(shown, 3);
        assert!(
            (0..10).all(|_| tail.is_shown("denied  operator-2 write holding 95 unit 1 = 1 via 6  address_not_allowed"))
        );
        assert_eq!(tail.counted.into_values().collect::<Vec<_>>(), [7]);
    }

    #[test]
    fn only_whole_lines_are_told_and_each_once() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let audit = dir.path().join("audit");
        fs::create_dir(&audit).expect("it is writable");
        let mut tail = Tail::new(dir.path());
        assert!(tail.news().is_empty());
        let mut file = File::create(audit.join("1.jsonl")).expect("it is writable");
        file.write_all(b"{\"event\":\"denied\",\"reason\":\"address_not_allowed\"}\n{\"event\":")
            .expect("it is writable");
        assert_eq!(tail.news(), ["denied  address_not_allowed"]);
        file.write_all(b"\"stopped\"}\n").expect("it is writable");
        assert_eq!(tail.news(), ["stopped"]);
        assert!(tail.news().is_empty());
    }
}
