//! How do lines get into the audit files, and what if the disk does not take them?
//!
//! ```text
//! <state>/lock                       held while the process lives: one writer
//! <state>/audit/audit-000001.jsonl   the lines; the next file at FILE_BYTES
//! <state>/audit/checkpoints          the signed heads, one note after the other
//! <state>/audit/checkpoint.{key,pub}
//! ```
//! A batch is on disk as a whole or it is cut off again: after a failed write or fdatasync the file is set back to its
//! last good length and the same bytes are written again, because pages that once failed to sync may look clean.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{
    chain::{Hash, Tree, sha256},
    checkpoint::{Head, Signer, notes},
    journal::Queued,
    line,
};

/// Where a file ends and the next begins. A restart reads the last file whole: 32 MiB are 50 000 records and a
/// fraction of a second.
pub const FILE_BYTES: u64 = 32 << 20;
/// The whole trail: 128 files, some 6 million records. A site with 20 writes a second fills it in half a week; what is
/// to be kept longer is archived by moving closed files away.
pub const TOTAL_BYTES: u64 = 4 << 30;
/// Room for one line: most are some 700 bytes.
const LINE: usize = 1024;
/// Past this the checkpoints of a file are thinned to its last one.
const CHECKPOINT_BYTES: u64 = 4 << 20;

pub(super) const CHECKPOINTS: &str = "checkpoints";

/// Why the trail takes no lines now. All of them pass when somebody makes room or mends the disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrailFault {
    #[error("{what}: {source}")]
    Disk { what: &'static str, source: io::Error },
    #[error("the audit trail has reached its bound of {0} bytes: archive and remove its oldest files")]
    Bound(u64),
}

impl TrailFault {
    fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Disk { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

/// The two calls that a disk can fail.
pub(super) trait Disk: fmt::Debug + Send {
    fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
}

/// A real one.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {}

/// What the trail was told to be.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) dir: PathBuf,
    pub(super) site: String,
    pub(super) overwrite_oldest: bool,
    pub(super) file_bytes: u64,
    pub(super) total_bytes: u64,
}

/// The open trail.
#[derive(Debug)]
pub(super) struct Trail {
    pub(super) shape: Shape,
    pub(super) disk: Box<dyn Disk>,
    pub(super) signer: Signer,
    /// The current file, how much of it counts, and whether more may be in it.
    pub(super) current: Appender,
    pub(super) number: u32,
    pub(super) tree: Tree,
    pub(super) prev: Hash,
    /// The size at which the current file was last signed.
    pub(super) signed: u64,
    /// Bytes of the files before the current one.
    pub(super) older: u64,
    pub(super) checkpoints: Appender,
    pub(super) _lock: File,
}

/// Lines that are formatted and chained, but not on disk.
#[derive(Debug)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Where each line ends, before its newline.
    ends: Vec<usize>,
    prev: Hash,
    /// Records whose message could not be printed.
    pub(super) panics: usize,
}

/// A file that only grows, by whole pieces.
#[derive(Debug)]
pub(super) struct Appender {
    pub(super) file: File,
    pub(super) good: u64,
    pub(super) dirty: bool,
}

impl Trail {
    /// Formats and chains records. Nothing moves until [`Self::append`] succeeds.
    pub(super) fn prepare(&self, records: &[Queued]) -> Batch {
        let bytes = Vec::with_capacity(records.len().saturating_mul(LINE));
        let mut batch = Batch { bytes, ends: Vec::with_capacity(records.len()), prev: self.prev, panics: 0 };
        for record in records {
            let start = batch.bytes.len();
            batch.panics += usize::from(line::write(record, &batch.prev, &mut batch.bytes));
            batch.prev = sha256(&[batch.bytes.get(start..).unwrap_or_default()]);
            batch.ends.push(batch.bytes.len());
            batch.bytes.push(b'\n');
        }
        batch
    }

    /// Writes a batch and waits for the disk: whole, or not at all.
    ///
    /// # Errors
    /// [`TrailFault`]; the same batch can be tried again.
    pub(super) fn append(&mut self, batch: &Batch) -> Result<(), TrailFault> {
        let need = u64::try_from(batch.bytes.len()).unwrap_or(u64::MAX);
        if self.current.good > 0 && self.current.good.saturating_add(need) > self.shape.file_bytes {
            self.with_room(Self::rotate)?;
        }
        self.make_room(need)?;
        self.with_room(|trail| {
            let fault = |source| TrailFault::Disk { what: "the audit file cannot be written", source };
            trail.current.append(trail.disk.as_mut(), &batch.bytes).map_err(fault)
        })?;
        let mut start = 0;
        for end in &batch.ends {
            self.tree.push(batch.bytes.get(start..*end).unwrap_or_default());
            start = end + 1;
        }
        self.prev = batch.prev;
        Ok(())
    }

    /// Signs the current file as it stands, where that is news.
    ///
    /// # Errors
    /// [`TrailFault::Disk`].
    pub(super) fn checkpoint(&mut self) -> Result<(), TrailFault> {
        self.with_room(Self::sign)
    }

    fn sign(&mut self) -> Result<(), TrailFault> {
        if self.tree.size() == self.signed {
            return Ok(());
        }
        let fault = |source| TrailFault::Disk { what: "the checkpoint cannot be written", source };
        if self.checkpoints.good > CHECKPOINT_BYTES {
            self.thin_checkpoints().map_err(fault)?;
        }
        let head =
            Head { origin: origin(&self.shape.site, self.number), size: self.tree.size(), root: self.tree.root() };
        self.checkpoints.append(self.disk.as_mut(), self.signer.note(&head).as_bytes()).map_err(fault)?;
        self.signed = head.size;
        Ok(())
    }

    /// Lines that no checkpoint covers yet.
    pub(super) fn unsigned(&self) -> u64 {
        self.tree.size().saturating_sub(self.signed)
    }

    /// How many bytes of records still fit before something gives: the trail's own bound or the disk.
    pub(super) fn free_bytes(&self) -> u64 {
        let own = self.shape.total_bytes.saturating_sub(self.older.saturating_add(self.current.good));
        let disk =
            rustix::fs::statvfs(&self.shape.dir).map_or(u64::MAX, |one| one.f_bavail.saturating_mul(one.f_frsize));
        // What can be removed is room, too.
        let removable = if self.shape.overwrite_oldest { self.older } else { 0 };
        own.min(disk).saturating_add(removable)
    }

    fn rotate(&mut self) -> Result<(), TrailFault> {
        self.sign()?;
        let number = self.number.saturating_add(1);
        let file = Appender::create(&self.shape.dir, number)
            .map_err(|source| TrailFault::Disk { what: "the next audit file cannot be made", source })?;
        self.older = self.older.saturating_add(self.current.good);
        self.current = file;
        self.number = number;
        self.tree = Tree::default();
        self.signed = 0;
        Ok(())
    }

    /// Does `what`; where the disk is full and the oldest may go, they go until it succeeds.
    fn with_room(&mut self, what: impl Fn(&mut Self) -> Result<(), TrailFault>) -> Result<(), TrailFault> {
        loop {
            match what(self) {
                Err(fault) if self.shape.overwrite_oldest && fault.is_full() && self.remove_oldest()? => {}
                outcome => return outcome,
            }
        }
    }

    fn make_room(&mut self, need: u64) -> Result<(), TrailFault> {
        let bound = self.shape.total_bytes;
        let over = |trail: &Self| trail.older.saturating_add(trail.current.good).saturating_add(need) > bound;
        if !over(self) {
            return Ok(());
        }
        // Somebody may have archived files meanwhile.
        self.older = self.bytes_of_older().map_err(unlistable)?;
        while over(self) {
            if !(self.shape.overwrite_oldest && self.remove_oldest()?) {
                return Err(TrailFault::Bound(bound));
            }
        }
        Ok(())
    }

    /// Removes the oldest closed file; `false` where there is none.
    fn remove_oldest(&mut self) -> Result<bool, TrailFault> {
        let files = files(&self.shape.dir).map_err(unlistable)?;
        let Some((_, path)) = files.iter().find(|(number, _)| *number < self.number) else { return Ok(false) };
        fs::remove_file(path)
            .map_err(|source| TrailFault::Disk { what: "the oldest audit file cannot be removed", source })?;
        tracing::warn!(file = %path.display(), "removed the oldest audit file to make room");
        self.older = self.bytes_of_older().map_err(unlistable)?;
        Ok(true)
    }

    fn bytes_of_older(&self) -> io::Result<u64> {
        let mut bytes = 0_u64;
        for (number, path) in files(&self.shape.dir)? {
            if number < self.number {
                bytes = bytes.saturating_add(fs::metadata(path)?.len());
            }
        }
        Ok(bytes)
    }

    /// Keeps the last checkpoint of each file that is still there.
    fn thin_checkpoints(&mut self) -> io::Result<()> {
        let path = self.shape.dir.join(CHECKPOINTS);
        let text = fs::read_to_string(&path)?;
        let there: Vec<String> = files(&self.shape.dir)?.iter().map(|(number, _)| stem(*number)).collect();
        let stem_of = |note: &str| note.lines().next().and_then(|origin| origin.rsplit('/').next()).map(str::to_owned);
        let mut last = std::collections::BTreeMap::new();
        for note in notes(&text).0 {
            if let Some(stem) = stem_of(note).filter(|stem| there.contains(stem)) {
                last.insert(stem, note);
            }
        }
        let thin = self.shape.dir.join("checkpoints.new");
        let kept: String = last.into_values().collect();
        fs::write(&thin, kept)?;
        File::open(&thin)?.sync_all()?;
        fs::rename(&thin, &path)?;
        self.checkpoints = Appender::open(&path)?;
        Ok(())
    }
}

impl Appender {
    /// The file at `path`, made where it is not there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        let good = file.metadata()?.len();
        Ok(Self { file, good, dirty: false })
    }

    /// The new audit file `number`, durable under its name.
    pub(super) fn create(dir: &Path, number: u32) -> io::Result<Self> {
        let path = dir.join(stem(number) + ".jsonl");
        let file = OpenOptions::new().append(true).create_new(true).mode(0o640).open(path)?;
        File::open(dir)?.sync_all()?;
        Ok(Self { file, good: 0, dirty: false })
    }

    /// Adds all of `bytes`, on disk, or nothing.
    fn append(&mut self, disk: &mut dyn Disk, bytes: &[u8]) -> io::Result<()> {
        if self.dirty {
            self.cut()?;
        }
        self.dirty = true;
        let written = disk.write(&self.file, bytes).and_then(|()| disk.sync(&self.file));
        if let Err(error) = written {
            // Cut now, so that nobody reads half a line for longer than needed; where that fails, before the next try.
            let _ = self.cut();
            return Err(error);
        }
        self.dirty = false;
        self.good = self.good.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Back to the last good length.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.good)?;
        self.dirty = false;
        Ok(())
    }
}

/// `audit-000001`.
pub(super) fn stem(number: u32) -> String {
    format!("audit-{number:06}")
}

/// The name under which the checkpoints of a file are signed.
pub(super) fn origin(site: &str, number: u32) -> String {
    format!("sluicegate/{site}/{}", stem(number))
}

/// The audit files, the oldest first.
pub(super) fn files(dir: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.parse().ok());
        files.extend(number.map(|number: u32| (number, path)));
    }
    files.sort();
    Ok(files)
}

fn unlistable(source: io::Error) -> TrailFault {
    TrailFault::Disk { what: "the audit directory cannot be listed", source }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::Ordering,
        time::{Duration, SystemTime},
    };

    use super::*;
    use crate::observe::{
        chain::NO_LINE,
        journal::Seq,
        recover,
        tests::{Quota, queued, shape, verified},
    };

    fn open(state: &Path, shape: Shape, disk: Box<dyn Disk>) -> (Trail, Seq) {
        let (trail, found) = recover::open(state, shape, disk).expect("opened");
        (trail, found.next)
    }

    fn write(trail: &mut Trail, next: &mut Seq, notes: &[&str]) -> Result<(), TrailFault> {
        let batch = trail.prepare(&queued(notes, *next));
        trail.append(&batch)?;
        next.0 += notes.len() as u64;
        Ok(())
    }

    #[test]
    fn the_chain_goes_on_from_file_to_file_and_each_is_signed_when_it_ends() {
        let state = tempfile::tempdir().expect("a directory");
        let (mut trail, mut next) =
            open(state.path(), Shape { file_bytes: 1000, ..shape(state.path()) }, Box::new(RealDisk));
        for i in 0..20 {
            write(&mut trail, &mut next, &[&format!("record {i}"), "another"]).expect("written");
        }
        trail.checkpoint().expect("signed");
        let lines = verified(state.path());
        assert_eq!(lines.len(), 40);
        let files = files(&trail.shape.dir).expect("listed");
        assert!(files.len() > 5, "{files:?}");
        let text = fs::read_to_string(trail.shape.dir.join(CHECKPOINTS)).expect("read");
        let heads: Vec<_> = notes(&text).0.iter().map(|one| Head::verify(one, trail.signer.public())).collect();
        assert_eq!(heads.len(), files.len());
        for ((number, path), head) in files.iter().zip(heads) {
            let mut tree = Tree::default();
            fs::read_to_string(path).expect("read").lines().for_each(|line| tree.push(line.as_bytes()));
            let expected = Head { origin: origin("here", *number), size: tree.size(), root: tree.root() };
            assert_eq!(head, Some(expected));
        }
    }

    #[test]
    fn px_20_a_full_disk_leaves_whole_lines_and_takes_the_same_batch_later() {
        let state = tempfile::tempdir().expect("a directory");
        let disk = Quota::default();
        disk.left.store(900, Ordering::SeqCst);
        let (mut trail, mut next) = open(state.path(), shape(state.path()), Box::new(disk.clone()));
        write(&mut trail, &mut next, &["fits"]).expect("written");
        let batch = trail.prepare(&queued(&["does", "not", "fit", "any more"], next));
        for _ in 0..3 {
            assert!(matches!(trail.append(&batch), Err(TrailFault::Disk { .. })));
            assert_eq!(verified(state.path()).len(), 1, "half a batch is no batch");
        }
        disk.left.store(10_000, Ordering::SeqCst);
        disk.broken.store(true, Ordering::SeqCst);
        assert!(trail.append(&batch).is_err(), "what was not synced does not count");
        assert_eq!(verified(state.path()).len(), 1);
        disk.broken.store(false, Ordering::SeqCst);
        trail.append(&batch).expect("written");
        assert_eq!(verified(state.path()).len(), 5);
    }

    #[test]
    fn at_its_bound_the_trail_waits_until_somebody_archives_the_oldest_file() {
        let state = tempfile::tempdir().expect("a directory");
        let bounded = Shape { file_bytes: 600, total_bytes: 2000, ..shape(state.path()) };
        let (mut trail, mut next) = open(state.path(), bounded, Box::new(RealDisk));
        let refused = loop {
            if let Err(fault) = write(&mut trail, &mut next, &["one more"]) {
                break fault;
            }
        };
        assert!(matches!(refused, TrailFault::Bound(2000)), "{refused}");
        let before = verified(state.path()).len();
        assert!(write(&mut trail, &mut next, &["one more"]).is_err());
        let oldest = files(&trail.shape.dir).expect("listed").remove(0).1;
        fs::remove_file(oldest).expect("archived");
        write(&mut trail, &mut next, &["one more"]).expect("there is room");
        assert!(verified(state.path()).len() <= before);
        assert!(trail.free_bytes() < 2000);
    }

    #[test]
    fn overwrite_oldest_goes_on_for_ever_within_the_bound_and_within_the_disk() {
        let state = tempfile::tempdir().expect("a directory");
        let bounded = Shape { file_bytes: 600, total_bytes: 2000, overwrite_oldest: true, ..shape(state.path()) };
        let (mut trail, mut next) = open(state.path(), bounded, Box::new(RealDisk));
        for _ in 0..50 {
            write(&mut trail, &mut next, &["one more"]).expect("room is made");
            let bytes: u64 = files(&trail.shape.dir)
                .expect("listed")
                .iter()
                .map(|(_, path)| fs::metadata(path).expect("there").len())
                .sum();
            assert!(bytes <= 2000, "{bytes}");
        }
        let kept = verified(state.path());
        assert_eq!(kept.last().expect("some")["seq"], 50);
        assert_ne!(kept[0]["seq"], 1);
        assert!(trail.free_bytes() > 1000, "what may be overwritten is room: {}", trail.free_bytes());
    }

    #[test]
    fn checkpoints_are_thinned_to_the_last_of_each_file() {
        let state = tempfile::tempdir().expect("a directory");
        let (mut trail, mut next) =
            open(state.path(), Shape { file_bytes: 2000, ..shape(state.path()) }, Box::new(RealDisk));
        for _ in 0..20 {
            write(&mut trail, &mut next, &["one more"]).expect("written");
            trail.checkpoint().expect("signed");
        }
        let path = trail.shape.dir.join(CHECKPOINTS);
        let heads = |text: &str| {
            let one = |note: &&str| Head::verify(note, trail.signer.public()).expect("it verifies");
            notes(text).0.iter().map(one).collect::<Vec<_>>()
        };
        let many = heads(&fs::read_to_string(&path).expect("read"));
        assert_eq!(many.len(), 20);
        let last = many.last().cloned();
        trail.thin_checkpoints().expect("thinned");
        let few = fs::read_to_string(&path).expect("read");
        let one = |note: &&str| Head::verify(note, trail.signer.public()).expect("it verifies");
        let few: Vec<_> = notes(&few).0.iter().map(one).collect();
        assert_eq!(few.len(), files(&trail.shape.dir).expect("listed").len());
        assert_eq!(few.last(), last.as_ref());
        write(&mut trail, &mut next, &["one more"]).expect("written");
        trail.checkpoint().expect("signed into the thinned file");
        assert_eq!(notes(&fs::read_to_string(&path).expect("read")).0.len(), few.len() + 1);
    }

    #[test]
    fn times_are_utc_with_microseconds() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_690_000_000_123_456);
        let mut one = queued(&["a"], Seq(1)).remove(0);
        one.at = at;
        let mut bytes = Vec::new();
        line::write(&one, &NO_LINE, &mut bytes);
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.starts_with(r#"{"seq":1,"time":"2023-07-22T04:26:40.123456Z","event":"alarm""#), "{text}");
    }
}
