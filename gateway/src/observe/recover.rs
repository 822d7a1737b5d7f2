//! What did the last process leave behind, and does it verify?
//!
//! ```text
//! last line torn           cut off; the bytes stand in a `log_recovered` record; the chain goes on
//! a line does not follow   the file is left as it is; `log_damaged`; a new file goes on from its last line
//! behind its checkpoint    the same: somebody took lines away
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::{FlockOperation, flock};

use super::{
    chain::{Hash, NO_LINE, Tree, hex, sha256},
    checkpoint::{Head, Signer, notes},
    journal::Seq,
    line,
    record::{Event, Record},
    trail::{Appender, CHECKPOINTS, Disk, Shape, Trail, files, stem},
};

/// How much of a torn end stands in its record: longer than a line of any one Modbus message.
const TORN_KEPT: usize = 8 * 1024;
/// The last line of a closed file lies within this; `line.rs` bounds a line well below.
const LAST_LINE: u64 = 512 * 1024;

/// Why the audit trail cannot be opened. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Another process has this state directory.
    #[error("{} is in use by another sluicegate: one state directory has one writer", .0.display())]
    Busy(PathBuf),
    /// A file cannot be used.
    #[error("{}: {what}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What a restart found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) next: Seq,
    /// When the last record was written.
    pub(super) last: Option<SystemTime>,
    /// What the trail itself has to tell.
    pub(super) tell: Vec<Record>,
}

/// Opens the trail below `state`, verifies the end of it, and goes on from there.
///
/// # Errors
/// [`AuditError`].
pub(super) fn open(state: &Path, shape: Shape, disk: Box<dyn Disk>) -> Result<(Trail, Found), AuditError> {
    let dir = shape.dir.clone();
    let at = |path: &Path, what| {
        let path = path.to_owned();
        move |source| AuditError::Io { path, what, source }
    };
    let mut make = DirBuilder::new();
    make.recursive(true).mode(0o700);
    make.create(&dir).map_err(at(&dir, "cannot be made"))?;
    let lock = lock(state)?;
    let signer = Signer::open(&dir).map_err(at(&dir, "the checkpoint key cannot be used"))?;
    let path = dir.join(CHECKPOINTS);
    let (checkpoints, heads) = open_checkpoints(&path, &signer).map_err(at(&path, "cannot be opened"))?;
    let (end, found) = resume(&dir, &heads).map_err(at(&dir, "the audit files cannot be opened"))?;
    let End { current, number, tree, prev, signed, older } = end;
    let trail = Trail { shape, disk, signer, current, number, tree, prev, signed, older, checkpoints, _lock: lock };
    Ok((trail, found))
}

/// Where the trail goes on.
struct End {
    current: Appender,
    number: u32,
    tree: Tree,
    prev: Hash,
    signed: u64,
    older: u64,
}

impl End {
    /// In the new file `number`, behind a line with the hash `prev`.
    fn fresh(dir: &Path, number: u32, prev: Hash, older: u64) -> io::Result<Self> {
        let current = Appender::create(dir, number)?;
        Ok(Self { current, number, tree: Tree::default(), prev, signed: 0, older })
    }
}

fn resume(dir: &Path, heads: &[Head]) -> io::Result<(End, Found)> {
    let files = files(dir)?;
    let mut found = Found { next: Seq(1), last: None, tell: Vec::new() };
    let Some(((number, path), before)) = files.split_last() else {
        return Ok((End::fresh(dir, 1, NO_LINE, 0)?, found));
    };
    let mut older = 0_u64;
    for (_, path) in before {
        older = older.saturating_add(fs::metadata(path)?.len());
    }
    let last_before = match before.last() {
        Some((_, path)) => last_line(path)?,
        None => None,
    };
    let bytes = fs::read(path)?;
    let head = heads.iter().rev().find(|one| one.origin.ends_with(&format!("/{}", stem(*number))));
    // Older files may have been overwritten: then the first line's `prev` and number are taken as they are.
    let known = last_before.is_some() || *number == 1;
    let scan = Scan::of(&bytes, last_before.as_deref(), known, head);
    found.next = Seq(scan.last_seq.saturating_add(1));
    found.last = scan.last_time;
    if let Some(why) = &scan.damage {
        found.tell.push(damaged(&stem(*number), why));
        let older = older.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        return Ok((End::fresh(dir, number.saturating_add(1), scan.last_hash, older)?, found));
    }
    let mut current = Appender::open(path)?;
    if !scan.torn.is_empty() {
        current.good = scan.whole;
        current.cut()?;
        current.file.sync_all()?;
        found.tell.push(torn(&stem(*number), scan.torn));
    }
    let signed = head.map_or(0, |one| one.size);
    Ok((End { current, number: *number, tree: scan.tree, prev: scan.last_hash, signed, older }, found))
}

/// What one file says, read from its start.
struct Scan<'b> {
    tree: Tree,
    /// Bytes of whole lines.
    whole: u64,
    torn: &'b [u8],
    last_hash: Hash,
    last_seq: u64,
    last_time: Option<SystemTime>,
    damage: Option<String>,
}

impl<'b> Scan<'b> {
    /// `before` is the last line of the file before, where there is one; `known` whether the first line must follow it;
    /// `head` the last checkpoint of this file.
    fn of(bytes: &'b [u8], before: Option<&[u8]>, mut known: bool, head: Option<&Head>) -> Self {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (lines, torn) = bytes.split_at(whole);
        let before_link = before.and_then(line::parse);
        let mut scan = Self {
            tree: Tree::default(),
            whole: u64::try_from(whole).unwrap_or(u64::MAX),
            torn,
            last_hash: before.map_or(NO_LINE, |line| sha256(&[line])),
            last_seq: before_link.as_ref().map_or(0, |one| one.seq),
            last_time: before_link.as_ref().and_then(|one| time(&one.time)),
            damage: None,
        };
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            scan.line(line.strip_suffix(b"\n").unwrap_or(line), &mut known, head);
        }
        if head.is_some_and(|head| head.size > scan.tree.size()) {
            let short = format!("it has {} lines, and its last checkpoint had more", scan.tree.size());
            scan.damage.get_or_insert(short);
        }
        scan
    }

    fn line(&mut self, line: &[u8], known: &mut bool, head: Option<&Head>) {
        let number = self.tree.size().saturating_add(1);
        match line::parse(line) {
            Some(link) => {
                let follows = link.prev == hex(&self.last_hash) && link.seq == self.last_seq.saturating_add(1);
                if *known && !follows {
                    self.damage.get_or_insert_with(|| format!("line {number} does not follow the line before it"));
                }
                self.last_seq = self.last_seq.max(link.seq);
                self.last_time = time(&link.time).or(self.last_time);
            }
            None => {
                self.damage.get_or_insert_with(|| format!("line {number} is not an audit record"));
                self.last_seq = self.last_seq.saturating_add(1);
            }
        }
        *known = true;
        self.last_hash = sha256(&[line]);
        self.tree.push(line);
        if head.is_some_and(|head| head.size == self.tree.size() && head.root != self.tree.root()) {
            self.damage.get_or_insert_with(|| format!("its first {number} lines are not those of its last checkpoint"));
        }
    }
}

/// One writer a state directory.
fn lock(state: &Path) -> Result<File, AuditError> {
    let path = state.join("lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(|source| AuditError::Io { path: path.clone(), what: "cannot be opened", source })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(AuditError::Busy(state.to_owned())),
        Err(errno) => Err(AuditError::Io { path, what: "cannot be locked", source: errno.into() }),
    }
}

/// The checkpoints' file without a torn end, and the heads in it that verify.
fn open_checkpoints(path: &Path, signer: &Signer) -> io::Result<(Appender, Vec<Head>)> {
    let mut appender = Appender::open(path)?;
    let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    let (whole, torn) = notes(&text);
    if !torn.is_empty() {
        appender.good = whole.iter().map(|note| u64::try_from(note.len()).unwrap_or(0)).sum();
        appender.cut()?;
    }
    let heads = whole.iter().filter_map(|note| Head::verify(note, signer.public())).collect();
    Ok((appender, heads))
}

fn last_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_LINE)))?;
    let mut end = Vec::new();
    file.take(LAST_LINE).read_to_end(&mut end)?;
    // What follows the last newline of a damaged file is no line.
    let whole = end.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    let lines = end.get(..whole).unwrap_or_default();
    Ok(lines.rsplit(|byte| *byte == b'\n').next().filter(|line| !line.is_empty()).map(<[u8]>::to_vec))
}

fn damaged(stem: &str, why: &str) -> Record {
    let mut record = Record::new(Event::LogDamaged);
    record.note = Some(format!("{stem} does not verify and was left as it is: {why}"));
    record
}

fn torn(stem: &str, bytes: &[u8]) -> Record {
    let kept = bytes.get(..TORN_KEPT).unwrap_or(bytes);
    let mut record = Record::new(Event::LogRecovered);
    record.note = Some(format!(
        "cut {} torn bytes from the end of {stem} (SHA-256 {}): {}",
        bytes.len(),
        hex(&sha256(&[bytes])),
        hex(kept)
    ));
    record
}

fn time(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::observe::{
        tests::{queued, shape, verified},
        trail::RealDisk,
    };

    fn open_at(state: &Path) -> (Trail, Found) {
        open(state, shape(state), Box::new(RealDisk)).expect("opened")
    }

    /// Opens, writes what the trail has to tell and these notes, and leaves without a goodbye.
    fn run(state: &Path, notes: &[&str], sign: bool) -> Vec<Record> {
        let (mut trail, found) = open_at(state);
        let told: Vec<_> = found.tell.iter().map(|one| one.note.clone().unwrap_or_default()).collect();
        let all: Vec<&str> = told.iter().map(String::as_str).chain(notes.iter().copied()).collect();
        let batch = trail.prepare(&queued(&all, found.next));
        trail.append(&batch).expect("written");
        if sign {
            trail.checkpoint().expect("signed");
        }
        found.tell
    }

    fn file(state: &Path, number: u32) -> PathBuf {
        state.join("audit").join(stem(number) + ".jsonl")
    }

    #[test]
    fn a_restart_goes_on_where_the_last_process_ended() {
        let state = tempfile::tempdir().expect("a directory");
        for round in 0..3 {
            assert!(run(state.path(), &["a", "b"], round == 1).is_empty());
        }
        let lines = verified(state.path());
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[5]["seq"], 6);
        let (trail, found) = open_at(state.path());
        assert_eq!((trail.number, trail.tree.size(), found.next), (1, 6, Seq(7)));
        assert!(found.last.is_some_and(|at| at <= SystemTime::now()));
    }

    #[test]
    fn a_file_torn_at_any_byte_of_its_last_two_lines_is_cut_and_goes_on() {
        let origin = tempfile::tempdir().expect("a directory");
        run(origin.path(), &["a", "b", "c", "d"], false);
        let bytes = fs::read(file(origin.path(), 1)).expect("read");
        let ends: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == b'\n').collect();
        for length in ends[1] + 1..bytes.len() {
            let state = tempfile::tempdir().expect("a directory");
            fs::create_dir(state.path().join("audit")).expect("made");
            fs::write(file(state.path(), 1), &bytes[..length]).expect("written");
            let whole = ends.iter().filter(|end| **end < length).count();
            let torn = &bytes[ends[whole - 1] + 1..length];
            let told = run(state.path(), &["after"], false);
            let lines = verified(state.path());
            assert_eq!(told.len(), usize::from(!torn.is_empty()), "at {length}");
            assert_eq!(lines.len(), whole + told.len() + 1, "at {length}");
            if let Some(record) = told.first() {
                assert_eq!(record.event, Event::LogRecovered);
                assert!(record.note.as_ref().is_some_and(|note| note.ends_with(&hex(torn))), "the bytes are kept");
            }
        }
    }

    #[test]
    fn zeros_behind_the_last_line_are_torn_too() {
        let state = tempfile::tempdir().expect("a directory");
        run(state.path(), &["a"], true);
        let mut bytes = fs::read(file(state.path(), 1)).expect("read");
        bytes.extend([0; 4096]);
        fs::write(file(state.path(), 1), bytes).expect("written");
        assert_eq!(run(state.path(), &["b"], true)[0].event, Event::LogRecovered);
        assert_eq!(verified(state.path()).len(), 3);
    }

    /// A changed trail is evidence: it is left as it is, said, and the chain goes on in a new file.
    fn tampered(change: impl FnOnce(&mut Vec<String>), why: &str) {
        let state = tempfile::tempdir().expect("a directory");
        run(state.path(), &["a", "b", "c"], true);
        let text = fs::read_to_string(file(state.path(), 1)).expect("read");
        let mut lines: Vec<String> = text.lines().map(|line| format!("{line}\n")).collect();
        change(&mut lines);
        let changed: String = lines.concat();
        fs::write(file(state.path(), 1), &changed).expect("written");
        let told = run(state.path(), &["after"], true);
        assert_eq!(told.len(), 1, "{why}");
        assert_eq!(told[0].event, Event::LogDamaged);
        assert!(told[0].note.as_ref().is_some_and(|note| note.contains(why)), "{:?}", told[0].note);
        assert_eq!(fs::read_to_string(file(state.path(), 1)).expect("read"), changed);
        let second = fs::read_to_string(file(state.path(), 2)).expect("a new file");
        assert_eq!(second.lines().count(), 2);
        assert!(run(state.path(), &["and on"], true).is_empty(), "said once");
    }

    #[test]
    fn a_flipped_byte_is_found() {
        tampered(|lines| lines[1] = lines[1].replace("\"b\"", "\"B\""), "line 3 does not follow");
    }

    #[test]
    fn a_flipped_byte_of_the_last_line_is_found_by_the_checkpoint() {
        tampered(|lines| lines[2] = lines[2].replace("\"c\"", "\"C\""), "not those of its last checkpoint");
    }

    #[test]
    fn a_missing_line_is_found() {
        tampered(|lines| drop(lines.remove(1)), "line 2 does not follow");
    }

    #[test]
    fn a_missing_last_line_is_found_by_the_checkpoint() {
        tampered(|lines| drop(lines.pop()), "its last checkpoint had more");
    }

    #[test]
    fn reordered_lines_are_found() {
        tampered(|lines| lines.swap(0, 1), "line 1 does not follow");
    }

    #[test]
    fn a_line_that_is_no_record_is_found() {
        tampered(|lines| lines[1] = "nonsense\n".to_owned(), "line 2 is not an audit record");
    }

    #[test]
    fn one_state_directory_has_one_writer() {
        let state = tempfile::tempdir().expect("a directory");
        let (first, _) = open_at(state.path());
        let second = open(state.path(), shape(state.path()), Box::new(RealDisk)).expect_err("busy");
        assert!(matches!(second, AuditError::Busy(_)), "{second}");
        assert!(second.to_string().contains("in use by another sluicegate"));
        drop(first);
        open_at(state.path());
    }

    #[test]
    fn the_trail_is_nobody_elses_to_read() {
        let state = tempfile::tempdir().expect("a directory");
        run(state.path(), &["a"], true);
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&state.path().join("audit")), 0o700);
        assert_eq!(mode(&file(state.path(), 1)) & !0o640, 0);
        assert_eq!(mode(&state.path().join("audit").join(CHECKPOINTS)) & !0o640, 0);
    }
}
