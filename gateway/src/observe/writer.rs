//! Which thread writes the audit trail, and when does it give up?
//!
//! A thread of its own, on no runtime: a disk that stalls stalls nobody else. It takes what waits, writes it in one
//! piece, waits for the disk once, and then tells whoever waits. It never gives up on a record while the process lives.
//! While nothing comes it looks only when a checkpoint may be due.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    journal::{Journal, QUEUE, Queued, Shared},
    metrics::unix_seconds,
    record::{Event, Record},
    recover::{self, AuditError},
    site::SiteMetrics,
    trail::{Batch, Disk, FILE_BYTES, RealDisk, Shape, TOTAL_BYTES, Trail},
};

/// Records written in one piece: at some 700 bytes a line, a third of a MiB, so that a slow disk still shows progress.
const BATCH: usize = 512;
/// How often the disk is asked at most how much room it has.
const ROOM_EVERY: Duration = Duration::from_secs(1);
/// A checkpoint is written at least this often while there is news,
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// and when this many records are not covered by one.
const CHECKPOINT_RECORDS: u64 = 1000;
/// Waits between tries of a disk that fails: doubled from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(2);
/// A disk that fails for longer than this is a fault (`audit_full`), not a hiccup.
const HICCUP: Duration = Duration::from_secs(1);

/// Where the audit trail is, and how much it may hold.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// `[site] state`.
    pub state: PathBuf,
    /// `[site] name`: part of the checkpoints' origin.
    pub site: String,
    /// `[audit] on_full = "overwrite-oldest"`.
    pub overwrite_oldest: bool,
    /// Where a file ends; [`FILE_BYTES`].
    pub file_bytes: u64,
    /// The bound of the whole trail; [`TOTAL_BYTES`].
    pub total_bytes: u64,
    /// Records that may wait; [`QUEUE`].
    pub queue: usize,
}

/// The thread behind a [`Journal`]. Dropping it stops it like [`Self::stop`] with 5 s.
#[derive(Debug)]
pub struct JournalThread {
    shared: Arc<Shared>,
    done: Option<mpsc::Receiver<u64>>,
}

/// An open audit trail.
#[derive(Debug)]
pub struct Opened {
    /// The sending side.
    pub journal: Journal,
    /// The thread that writes.
    pub thread: JournalThread,
    /// When the last record before this start was written: the clock is unknown while it is before that.
    pub last_record: Option<SystemTime>,
}

impl AuditOptions {
    /// Those of a planned site.
    pub fn of(site: &sluicegate_config::plan::Site) -> Self {
        Self::at(&site.state, &site.name, site.audit.overwrite_oldest)
    }

    /// With the built-in bounds.
    pub fn at(state: &Path, site: &str, overwrite_oldest: bool) -> Self {
        Self {
            state: state.to_owned(),
            site: site.to_owned(),
            overwrite_oldest,
            file_bytes: FILE_BYTES,
            total_bytes: TOTAL_BYTES,
            queue: QUEUE,
        }
    }
}

/// Opens the audit trail, verifies the end of what is there, and starts its thread.
///
/// # Errors
/// [`AuditError`]: another process writes there, or a file cannot be used.
pub fn open(options: &AuditOptions, metrics: &Arc<SiteMetrics>) -> Result<Opened, AuditError> {
    open_on(options, metrics, Box::new(RealDisk))
}

pub(super) fn open_on(
    options: &AuditOptions,
    metrics: &Arc<SiteMetrics>,
    disk: Box<dyn Disk>,
) -> Result<Opened, AuditError> {
    let shape = Shape {
        dir: options.state.join("audit"),
        site: options.site.clone(),
        overwrite_oldest: options.overwrite_oldest,
        file_bytes: options.file_bytes,
        total_bytes: options.total_bytes,
    };
    let (trail, found) = recover::open(&options.state, shape, disk)?;
    let shared = Shared::new(options.queue, found.next, metrics.audit());
    for record in found.tell {
        tracing::error!(event = record.event.as_str(), note = record.note, "the audit trail was not left in order");
        shared.push_own(record);
    }
    let (done, ended) = mpsc::sync_channel(1);
    let writer = Writer {
        trail,
        shared: Arc::clone(&shared),
        metrics: Arc::clone(metrics),
        due: Instant::now(),
        measured: None,
        newest: found.last,
    };
    let name = "journal".to_owned();
    let spawned = thread::Builder::new().name(name).spawn(move || {
        // The receiver is gone only when nobody waits any more.
        let _ = done.send(writer.run());
    });
    spawned.map_err(|source| AuditError::Io { path: options.state.clone(), what: "no thread for it", source })?;
    let thread = JournalThread { shared: Arc::clone(&shared), done: Some(ended) };
    Ok(Opened { journal: Journal::of(shared), thread, last_record: found.last })
}

impl JournalThread {
    /// Writes what waits, signs it, and ends the thread. Says how many records are lost because the disk did not take
    /// them `within` that time.
    pub fn stop(mut self, within: Duration) -> u64 {
        self.end(within)
    }

    fn end(&mut self, within: Duration) -> u64 {
        let Some(done) = self.done.take() else { return 0 };
        self.shared.close(Instant::now() + within);
        // A second more than the thread itself has, for a disk that hangs in a call.
        done.recv_timeout(within + Duration::from_secs(1)).unwrap_or_else(|_| {
            let left = u64::try_from(self.shared.backlog()).unwrap_or(u64::MAX);
            tracing::error!(left, "the disk does not answer: audit records may be lost");
            left
        })
    }
}

impl Drop for JournalThread {
    fn drop(&mut self) {
        self.end(Duration::from_secs(5));
    }
}

#[derive(Debug)]
struct Writer {
    trail: Trail,
    shared: Arc<Shared>,
    metrics: Arc<SiteMetrics>,
    /// When the next checkpoint is.
    due: Instant,
    /// When the disk was last asked how much room it has.
    measured: Option<Instant>,
    /// The time of the newest record.
    newest: Option<SystemTime>,
}

impl Writer {
    fn run(mut self) -> u64 {
        self.sign();
        let mut records = Vec::new();
        loop {
            let patience = self.due.saturating_duration_since(Instant::now());
            let closing = self.shared.take(&mut records, patience);
            if let Err(left) = self.persist_all(&records) {
                return self.give_up(left);
            }
            if records.is_empty() && closing {
                self.sign();
                return 0;
            }
            records.clear();
            // Room that a flood once took.
            records.shrink_to(BATCH);
            if Instant::now() >= self.due || self.trail.unsigned() >= CHECKPOINT_RECORDS {
                self.sign();
            }
        }
    }

    /// [`Self::persist`] piece by piece. The error is how many records are left when the time to stop has come.
    fn persist_all(&mut self, records: &[Queued]) -> Result<(), usize> {
        let mut left = records.len();
        for piece in records.chunks(BATCH) {
            if !self.persist(piece) {
                return Err(left);
            }
            left -= piece.len();
        }
        Ok(())
    }

    /// Brings records onto the disk, however long that takes. `false` when the time to stop has come first.
    fn persist(&mut self, records: &[Queued]) -> bool {
        let batch = self.trail.prepare(records);
        (0..batch.panics).for_each(|_| self.metrics.task_panicked());
        if !self.append(&batch) {
            return false;
        }
        self.shared.settled(records);
        self.after(records);
        true
    }

    fn append(&mut self, batch: &Batch) -> bool {
        let since = Instant::now();
        let mut wait = FIRST_WAIT;
        while let Err(fault) = self.trail.append(batch) {
            self.shared.metrics.failures.inc();
            if since.elapsed() >= HICCUP {
                self.shared.failing(&fault.to_string());
            }
            self.gauges();
            if !self.shared.pause(wait) {
                tracing::error!(%fault, "audit records cannot be written");
                return false;
            }
            wait = LAST_WAIT.min(wait * 2);
        }
        true
    }

    /// What is to be said after records are on disk.
    fn after(&mut self, records: &[Queued]) {
        let lost = self.shared.take_lost();
        if lost > 0 {
            let mut record = Record::new(Event::RecordsLost);
            record.note = Some(format!("{lost} records could not be taken: the queue was full"));
            self.shared.push_own(record);
        }
        for record in records {
            if let Some(back) = self.newest.and_then(|newest| newest.duration_since(record.at).ok()) {
                // A tenth of a second is a clock being steered, not stepped.
                if back > Duration::from_millis(100) {
                    let mut alarm = Record::new(Event::Alarm);
                    alarm.note = Some(format!("the clock went back by {:.3} s", back.as_secs_f64()));
                    self.shared.push_own(alarm);
                }
            }
            self.newest = Some(record.at);
        }
        self.shared.metrics.records.inc_by(u64::try_from(records.len()).unwrap_or(u64::MAX));
        self.shared.eased();
        self.gauges();
    }

    fn sign(&mut self) {
        match self.trail.checkpoint() {
            Ok(()) => {
                self.due = Instant::now() + CHECKPOINT_EVERY;
                self.shared.metrics.checkpoint.set(unix_seconds(SystemTime::now()));
            }
            Err(fault) => {
                self.due = Instant::now() + LAST_WAIT;
                self.shared.metrics.failures.inc();
                tracing::error!(%fault, "the audit trail cannot be signed");
            }
        }
        self.gauges();
    }

    fn gauges(&mut self) {
        if self.measured.is_some_and(|at| at.elapsed() < ROOM_EVERY) {
            return;
        }
        self.measured = Some(Instant::now());
        let bytes = i64::try_from(self.trail.free_bytes()).unwrap_or(i64::MAX);
        self.shared.metrics.free.set(bytes);
    }

    fn give_up(&self, in_hand: usize) -> u64 {
        let lost = u64::try_from(in_hand + self.shared.backlog()).unwrap_or(u64::MAX);
        self.shared.metrics.dropped.inc_by(lost);
        tracing::error!(lost, "stopping: these audit records are lost");
        lost
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::observe::{
        journal::{GATHER, JournalHealth, Seq},
        series::SiteLabels,
        tests::{Quota, verified},
    };

    fn options(state: &Path) -> AuditOptions {
        AuditOptions { queue: 64, ..AuditOptions::at(state, "here", false) }
    }

    fn metrics() -> Arc<SiteMetrics> {
        SiteMetrics::with_labels(SiteLabels::default())
    }

    fn note(text: &str) -> Record {
        let mut record = Record::new(Event::Started);
        record.note = Some(text.to_owned());
        record
    }

    /// Far beyond what any of these waits needs.
    const LONG: Duration = Duration::from_secs(60);

    fn until(mut holds: impl FnMut() -> bool, what: &str) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < LONG, "waited for: {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn what_is_durable_is_on_disk_and_a_stop_writes_and_signs_the_rest() {
        let state = tempfile::tempdir().expect("a directory");
        let metrics = metrics();
        let opened = open(&options(state.path()), &metrics).expect("opened");
        assert_eq!(opened.last_record, None);
        let first = opened.journal.reserve().expect("room").write(note("first"));
        until(|| opened.journal.durable() >= first, "the first record");
        assert_eq!(verified(state.path()).len(), 1);
        let mut last = first;
        for i in 0..50 {
            last = opened.journal.reserve().expect("room").write(note(&format!("{i}")));
        }
        let journal = opened.journal.clone();
        assert_eq!(opened.thread.stop(LONG), 0);
        assert_eq!((journal.durable(), last), (Seq(51), Seq(51)));
        assert_eq!(verified(state.path()).len(), 51);
        assert_eq!(metrics.audit().records(), 51);
        let checkpoints = std::fs::read_to_string(state.path().join("audit/checkpoints")).expect("read");
        assert!(checkpoints.contains("sluicegate/here/audit-000001\n51\n"), "{checkpoints}");
        let again = open(&options(state.path()), &metrics).expect("the lock is free again");
        assert_eq!(again.journal.reserve().expect("room").write(note("after")), Seq(52));
        assert!(again.last_record.is_some());
    }

    /// Counts how often the disk is waited for.
    #[derive(Clone, Debug, Default)]
    struct Counted(Arc<AtomicU64>);

    impl Disk for Counted {
        fn sync(&mut self, file: &std::fs::File) -> std::io::Result<()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            file.sync_data()
        }
    }

    #[test]
    fn records_share_their_fdatasync_and_the_stop_waits_for_the_last() {
        let state = tempfile::tempdir().expect("a directory");
        let (metrics, disk) = (metrics(), Counted::default());
        let opened = open_on(&options(state.path()), &metrics, Box::new(disk.clone())).expect("opened");
        let start = Instant::now();
        for i in 0..200 {
            until(|| opened.journal.has_room(), "room");
            let _seq = opened.journal.reserve().expect("room").write(note(&format!("{i}")));
            thread::sleep(Duration::from_millis(1));
        }
        // Each look of the thread takes `GATHER`, but those that the half full queue and the stop ask for; and the signature.
        let most = start.elapsed().as_millis() / GATHER.as_millis() + 200 / 32 + 3;
        assert_eq!(opened.thread.stop(LONG), 0);
        assert_eq!(verified(state.path()).len(), 200);
        let syncs = disk.0.load(Ordering::SeqCst);
        assert!(u128::from(syncs) <= most, "{syncs} times for 200 records, at most {most} were due");
    }

    #[test]
    fn px_20_a_disk_that_fails_blocks_nobody_loses_nothing_it_took_and_counts_what_it_did_not() {
        let state = tempfile::tempdir().expect("a directory");
        let metrics = metrics();
        let disk = Quota::default();
        let opened = open_on(&options(state.path()), &metrics, Box::new(disk.clone())).expect("opened");
        let mut health = opened.journal.health();
        let mut refused = 0;
        for i in 0..100 {
            match opened.journal.reserve() {
                Ok(slot) => drop(slot.write(note(&format!("{i}")))),
                Err(_) => refused += 1,
            }
        }
        assert_eq!(refused, 36, "the queue has 64 slots, and a record in the thread's hands keeps its own");
        assert_eq!(metrics.audit().dropped(), refused);
        assert!(!health.now().is_good());
        assert_eq!(opened.journal.durable(), Seq(0));
        disk.left.store(u64::MAX, Ordering::SeqCst);
        until(|| opened.journal.durable() >= Seq(64), "the disk to be tried again");
        until(|| health.now().is_good(), "the fault to end");
        assert_eq!(opened.thread.stop(LONG), 0);
        let lines = verified(state.path());
        assert_eq!(lines.len(), 65);
        assert_eq!(lines[64]["event"], "records_lost");
        assert_eq!(lines[64]["note"], "36 records could not be taken: the queue was full");
        assert_eq!(metrics.audit().dropped(), refused);
    }

    #[test]
    fn a_disk_that_goes_on_failing_is_a_fault_though_there_is_room_in_the_queue() {
        let state = tempfile::tempdir().expect("a directory");
        let metrics = metrics();
        let opened = open_on(&options(state.path()), &metrics, Box::new(Quota::default())).expect("opened");
        let mut health = opened.journal.health();
        let _seq = opened.journal.reserve().expect("room").write(note("stuck"));
        until(|| !health.now().is_good(), "the fault");
        let JournalHealth::Failing { why } = health.now() else { panic!("it fails") };
        assert!(why.contains("cannot be written"), "{why}");
        assert_eq!(opened.thread.stop(Duration::from_millis(10)), 1, "what a stop leaves behind is told");
        assert_eq!(metrics.audit().dropped(), 1);
    }

    /// A real small file system; unmounted on drop. `None`, loudly, where we may not mount.
    struct Tmpfs(tempfile::TempDir);

    impl Tmpfs {
        fn new(size: &str) -> Option<Self> {
            let dir = tempfile::tempdir().expect("a directory");
            if !mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], dir.path()) {
                eprintln!("SKIPPED: no tmpfs can be mounted here; a full disk is only simulated");
                return None;
            }
            Some(Self(dir))
        }
    }

    impl Drop for Tmpfs {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg(self.0.path()).status();
        }
    }

    fn mount(options: &[&str], at: &Path) -> bool {
        let mut command = std::process::Command::new("mount");
        command.args(options).arg(at).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    #[test]
    fn px_20_on_a_full_tmpfs_records_wait_and_reach_the_disk_when_there_is_room() {
        let Some(disk) = Tmpfs::new("64k") else { return };
        let state = disk.0.path();
        let metrics = metrics();
        let options = AuditOptions { queue: 512, ..AuditOptions::at(state, "here", false) };
        let opened = open(&options, &metrics).expect("opened");
        let mut health = opened.journal.health();
        let (mut written, mut refused) = (0, 0);
        for i in 0..2000 {
            match opened.journal.reserve() {
                Ok(slot) => {
                    let _seq = slot.write(note(&format!("{i}")));
                    written += 1;
                }
                Err(_) => refused += 1,
            }
            if i % 100 == 0 {
                thread::sleep(Duration::from_millis(20));
            }
        }
        until(|| !health.now().is_good(), "the fault");
        assert_eq!(metrics.audit().dropped(), refused);
        assert!(verified(state).len() < written, "64 KiB hold some hundred records");
        assert!(mount(&["-o", "remount,size=4m"], state), "more room");
        until(|| health.now().is_good(), "the fault to end");
        assert_eq!(opened.thread.stop(LONG), 0);
        let lines = verified(state);
        let said = lines.iter().filter(|line| line["event"] == "records_lost").count();
        assert_eq!(lines.len(), written + said, "what was taken is there");
        assert_eq!(metrics.audit().dropped(), refused, "and what was not is counted, once");
    }

    #[test]
    fn px_20_overwrite_oldest_goes_on_for_ever_on_a_full_tmpfs() {
        let Some(disk) = Tmpfs::new("128k") else { return };
        let options = AuditOptions { file_bytes: 16 << 10, ..AuditOptions::at(disk.0.path(), "here", true) };
        let metrics = metrics();
        let opened = open(&options, &metrics).expect("opened");
        let mut last = Seq(0);
        for i in 0..40 {
            for _ in 0..25 {
                last = opened.journal.reserve().expect("room").write(note(&format!("{i}")));
            }
            until(|| opened.journal.durable() >= last, "the disk");
        }
        assert!(opened.journal.health().now().is_good());
        assert_eq!((opened.thread.stop(LONG), metrics.audit().dropped()), (0, 0));
        let lines = verified(disk.0.path());
        assert_eq!(lines.last().expect("some")["seq"], last.0);
        assert_ne!(lines[0]["seq"], 1, "the oldest made room");
    }

    #[test]
    fn px_14_a_clock_that_steps_back_is_marked() {
        let state = tempfile::tempdir().expect("a directory");
        let opened = open(&options(state.path()), &metrics()).expect("opened");
        let _seq = opened.journal.reserve().expect("room").write(note("now"));
        opened.thread.stop(LONG);
        let path = state.path().join("audit/audit-000001.jsonl");
        let text = std::fs::read_to_string(&path).expect("read");
        let year = text.get(17..21).expect("the year of the first time");
        std::fs::remove_file(state.path().join("audit/checkpoints")).expect("removed");
        std::fs::write(&path, text.replacen(year, "9000", 1)).expect("written");
        let opened = open(&options(state.path()), &metrics()).expect("opened");
        let _seq = opened.journal.reserve().expect("room").write(note("long before"));
        opened.thread.stop(LONG);
        let lines = verified(state.path());
        assert_eq!(lines.len(), 3);
        assert!(lines[2]["note"].as_str().is_some_and(|note| note.starts_with("the clock went back by ")));
    }
}
