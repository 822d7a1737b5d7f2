//! How does a record get onto the disk without the data path waiting for it?
//!
//! ```text
//! reserve -> Slot -> write(record) -> queue --(journal thread)--> format, hash, write, fdatasync -> durable
//!    |         `- dropped: room given back                          `- room given back once it is on disk
//!    `- no room: JournalFull, counted as one lost record
//! ```
//! A record that was written is never dropped: its number is final, and the thread holds on to it until the disk takes
//! it or the process ends.
//!
//! Records that nobody waits for share a write: the thread looks every [`GATHER`] while records come, and whoever writes
//! one does not wake it. It is woken by the first record after a pause, by one that somebody waits for
//! ([`Slot::write_awaited`]), by a queue that is half full, and by the stop.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use super::{record::Record, site::AuditMetrics};

/// How many records may wait. A record with its message and frame is about 1 KiB, so this is 8 MiB; at the 60 000
/// messages a second of one core it bridges a disk that stalls for 130 ms, at a PLC's 1 000 a second one of 8 s.
pub const QUEUE: usize = 8192;

/// How long a record that nobody waits for may wait for others to share its write and its fdatasync with. A power cut or a
/// `kill -9` loses what came within this time and the disk's own; a stop loses nothing.
pub const GATHER: Duration = Duration::from_millis(50);

/// The number of a record: `seq` in the audit file. The first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// No slot is free, or the disk takes no more. The record that was to be taken is counted as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit journal takes no more records")]
pub struct JournalFull;

/// Whether records reach the disk. The fault `audit_full` follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum JournalHealth {
    /// They do.
    #[default]
    Good,
    /// They do not, for more than a moment: the disk is full or broken, or the trail has reached its bound.
    Failing {
        /// One line for people.
        why: String,
    },
}

impl JournalHealth {
    /// Whether records reach the disk.
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Good)
    }
}

/// The sending side: cheap to clone, never blocks.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

/// Hears of the journal's health. It gives copies only: a journal that is full says so under the lock that a borrowed
/// health holds, so whoever wrote a record while he looked at one would wait for himself.
#[derive(Debug)]
pub struct HealthWatch(watch::Receiver<JournalHealth>);

impl HealthWatch {
    /// The next news; what is so already counts as news once after [`Self::mark_changed`]. Waits for ever where there will
    /// be none.
    pub async fn changed(&mut self) -> JournalHealth {
        if self.0.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.now()
    }

    /// What is so now; it is no news any more.
    pub fn now(&mut self) -> JournalHealth {
        self.0.borrow_and_update().clone()
    }

    /// What is so now is news.
    pub fn mark_changed(&mut self) {
        self.0.mark_changed();
    }
}

/// Room for one record. Dropping it gives the room back.
#[derive(Debug)]
#[must_use]
pub struct Slot {
    shared: Arc<Shared>,
    used: bool,
}

impl Journal {
    /// A journal in memory (simulation, tests): the receiver drains `records`.
    pub fn memory(capacity: usize) -> (Self, MemoryJournal) {
        let shared = Shared::new(capacity, Seq(1), AuditMetrics::detached());
        (Self { shared: Arc::clone(&shared) }, MemoryJournal { shared })
    }

    pub(super) const fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Takes room for one record. A refusal counts one lost record: ask [`Self::has_room`] first where the same record
    /// will be tried again.
    ///
    /// # Errors
    /// [`JournalFull`].
    pub fn reserve(&self) -> Result<Slot, JournalFull> {
        let take = |free: usize| free.checked_sub(1);
        if self.shared.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok() {
            return Ok(Slot { shared: Arc::clone(&self.shared), used: false });
        }
        self.shared.lost.fetch_add(1, Ordering::AcqRel);
        self.shared.metrics.dropped.inc();
        self.shared.failing("no room: records wait for the disk");
        Err(JournalFull)
    }

    /// Whether [`Self::reserve`] would find room now.
    pub fn has_room(&self) -> bool {
        self.shared.free.load(Ordering::Acquire) > 0
    }

    /// The last record that is safely on disk.
    pub fn durable(&self) -> Seq {
        *self.shared.durable.borrow()
    }

    /// Wakes when [`Self::durable`] moves.
    pub fn subscribe(&self) -> watch::Receiver<Seq> {
        self.shared.durable.subscribe()
    }

    /// Wakes when records stop reaching the disk, and when they do again.
    pub fn health(&self) -> HealthWatch {
        HealthWatch(self.shared.health.subscribe())
    }
}

impl Slot {
    /// Queues the record, stamped with the time now. Its number is final.
    pub fn write(mut self, record: Record) -> Seq {
        self.used = true;
        self.shared.push(record, Kind { slotted: true, awaited: false })
    }

    /// The same for a record that somebody waits for to be on disk: it goes there at once, and takes along what is queued.
    pub fn write_awaited(mut self, record: Record) -> Seq {
        self.used = true;
        self.shared.push(record, Kind { slotted: true, awaited: true })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.used {
            self.shared.release(1);
        }
    }
}

/// A record with its number and time.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) seq: Seq,
    pub(super) at: SystemTime,
    pub(super) record: Record,
    /// Whether a slot goes back once it is on disk: the journal's own records have none.
    slotted: bool,
}

/// What both sides hold.
#[derive(Debug)]
pub(super) struct Shared {
    capacity: usize,
    free: AtomicUsize,
    /// Records lost since the trail last said so.
    lost: AtomicU64,
    queue: Mutex<Queue>,
    filled: Condvar,
    durable: watch::Sender<Seq>,
    health: watch::Sender<JournalHealth>,
    pub(super) metrics: AuditMetrics,
}

#[derive(Debug)]
struct Queue {
    next: Seq,
    waiting: Vec<Queued>,
    /// Whether somebody waits for one of them.
    awaited: bool,
    /// At how many of them the thread is to be woken; `None` while it does not sleep, or was woken already.
    wake_at: Option<usize>,
    /// The last one that is on disk.
    settled: Seq,
    /// When the thread must have ended, once it is to end.
    closing: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Kind {
    slotted: bool,
    awaited: bool,
}

impl Shared {
    /// A queue whose first record has the number `next`.
    pub(super) fn new(capacity: usize, next: Seq, metrics: AuditMetrics) -> Arc<Self> {
        let settled = Seq(next.0.saturating_sub(1));
        let queue = Queue { next, waiting: Vec::new(), awaited: false, wake_at: None, settled, closing: None };
        Arc::new(Self {
            capacity,
            free: AtomicUsize::new(capacity),
            lost: AtomicU64::new(0),
            queue: Mutex::new(queue),
            filled: Condvar::new(),
            durable: watch::Sender::new(settled),
            health: watch::Sender::new(JournalHealth::Good),
            metrics,
        })
    }

    /// Queues a record of the journal's own. The caller keeps these few: one for each thing that befell the trail.
    pub(super) fn push_own(&self, record: Record) -> Seq {
        self.push(record, Kind { slotted: false, awaited: false })
    }

    /// Puts all records that wait into the empty `batch`, the oldest first; waits up to `patience` for the first. Says
    /// whether the journal is closing.
    pub(super) fn take(&self, batch: &mut Vec<Queued>, patience: Duration) -> bool {
        let half = self.capacity / 2;
        // Where records came just now, more will come: nobody needs to tell.
        let mut queue = self.sleep(self.queue(), half, GATHER);
        if queue.waiting.is_empty() && queue.closing.is_none() {
            queue = self.sleep(queue, 1, patience);
            if !queue.waiting.is_empty() {
                queue = self.sleep(queue, half, GATHER);
            }
        }
        std::mem::swap(batch, &mut queue.waiting);
        queue.awaited = false;
        queue.closing.is_some()
    }

    /// Sleeps until so many records wait, or one that is waited for, or the stop; at most `time`.
    fn sleep<'q>(&self, mut queue: MutexGuard<'q, Queue>, records: usize, time: Duration) -> MutexGuard<'q, Queue> {
        queue.wake_at = Some(records);
        let asleep = |queue: &mut Queue| queue.waiting.len() < records && !queue.awaited && queue.closing.is_none();
        let slept = self.filled.wait_timeout_while(queue, time, asleep);
        let (mut queue, _) = slept.unwrap_or_else(PoisonError::into_inner);
        queue.wake_at = None;
        queue
    }

    /// How many records wait in the queue.
    pub(super) fn backlog(&self) -> usize {
        self.queue().waiting.len()
    }

    /// These records are on disk: their slots are free again, and whoever waits for them wakes.
    pub(super) fn settled(&self, batch: &[Queued]) {
        let Some(last) = batch.last() else { return };
        self.release(batch.iter().filter(|one| one.slotted).count());
        self.durable.send_replace(last.seq);
        let mut queue = self.queue();
        queue.settled = last.seq;
        self.tell_backlog(&queue);
    }

    /// The gauge counts every record that is not on disk, those in the thread's hands included: it must also move while
    /// the disk hangs in a call.
    fn tell_backlog(&self, queue: &Queue) {
        let left = queue.next.0.saturating_sub(1).saturating_sub(queue.settled.0);
        self.metrics.backlog.set(i64::try_from(left).unwrap_or(i64::MAX));
    }

    /// No more records are waited for; by `latest` the thread must have ended.
    pub(super) fn close(&self, latest: Instant) {
        self.queue().closing = Some(latest);
        self.filled.notify_all();
    }

    /// Waits before the disk is tried again. `false` when the time to stop has come.
    pub(super) fn pause(&self, wait: Duration) -> bool {
        let queue = self.queue();
        let (queue, _) = self
            .filled
            .wait_timeout_while(queue, wait, |queue| queue.closing.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        let Some(latest) = queue.closing else { return true };
        drop(queue);
        let left = latest.saturating_duration_since(Instant::now());
        std::thread::sleep(wait.min(left).min(Duration::from_millis(50)));
        !left.is_zero()
    }

    /// Records lost since this was last asked.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::AcqRel)
    }

    pub(super) fn failing(&self, why: &str) {
        self.health.send_if_modified(|health| {
            let news = health.is_good();
            if news {
                *health = JournalHealth::Failing { why: why.to_owned() };
            }
            news
        });
    }

    /// Records reach the disk. Good again once half of the slots are free, so that a queue at its brim does not make
    /// the fault come and go.
    pub(super) fn eased(&self) {
        if self.free.load(Ordering::Acquire) < self.capacity / 2 {
            return;
        }
        self.health.send_if_modified(|health| {
            let news = !health.is_good();
            *health = JournalHealth::Good;
            news
        });
    }

    fn push(&self, record: Record, kind: Kind) -> Seq {
        let mut queue = self.queue();
        let seq = queue.next;
        queue.next = Seq(seq.0.saturating_add(1));
        // Under the lock, so that times never run against numbers unless the clock itself does.
        queue.waiting.push(Queued { seq, at: SystemTime::now(), record, slotted: kind.slotted });
        queue.awaited |= kind.awaited;
        let waiting = queue.waiting.len();
        let wake = queue.wake_at.take_if(|wake_at| kind.awaited || waiting >= *wake_at).is_some();
        self.tell_backlog(&queue);
        drop(queue);
        if wake {
            self.filled.notify_one();
        }
        seq
    }

    fn release(&self, slots: usize) {
        self.free.fetch_add(slots, Ordering::AcqRel);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The receiving side of [`Journal::memory`].
#[derive(Debug)]
pub struct MemoryJournal {
    shared: Arc<Shared>,
}

impl MemoryJournal {
    /// Takes what was written since the last call; frees its slots.
    pub fn drain(&mut self) -> Vec<(Seq, Record)> {
        let batch = std::mem::take(&mut self.shared.queue().waiting);
        self.shared.release(batch.iter().filter(|one| one.slotted).count());
        batch.into_iter().map(|one| (one.seq, one.record)).collect()
    }

    /// Declares everything up to `seq` on disk.
    pub fn sync_to(&mut self, seq: Seq) {
        self.shared.durable.send_replace(seq);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::record::Event;

    fn denied() -> Record {
        Record::new(Event::Denied)
    }

    #[test]
    fn a_slot_gives_its_room_back_when_it_is_dropped_or_its_record_is_drained() {
        let (journal, mut memory) = Journal::memory(2);
        let first = journal.reserve().expect("two are free");
        let second = journal.reserve().expect("one is free");
        assert!(!journal.has_room());
        drop(first);
        assert!(journal.has_room());
        assert_eq!(second.write(denied()), Seq(1));
        let third = journal.reserve().expect("the dropped one");
        assert_eq!(journal.reserve().err(), Some(JournalFull), "a written record keeps its slot until it is drained");
        assert_eq!(third.write(denied()), Seq(2));
        assert_eq!(memory.drain().iter().map(|(seq, _)| seq.0).collect::<Vec<_>>(), [1, 2]);
        let both = [journal.reserve(), journal.reserve()];
        assert!(both.iter().all(Result::is_ok));
        assert!(journal.reserve().is_err());
    }

    /// The disk may hang in a call: what waits is counted by whoever writes.
    #[test]
    fn the_backlog_counts_what_is_not_on_disk_though_the_thread_does_not_move() {
        let shared = Shared::new(8, Seq(5), AuditMetrics::detached());
        let journal = Journal::of(Arc::clone(&shared));
        for left in 1..=3 {
            journal.reserve().expect("room").write(denied());
            assert_eq!(shared.metrics.backlog.get(), left);
        }
        let mut batch = Vec::new();
        shared.take(&mut batch, Duration::ZERO);
        assert_eq!(shared.metrics.backlog.get(), 3, "in the thread's hands is not on disk");
        shared.settled(&batch[..2]);
        assert_eq!(shared.metrics.backlog.get(), 1);
    }

    #[test]
    fn px_20_losses_are_counted_exactly_and_the_board_hears_of_it_once() {
        let (journal, memory) = Journal::memory(1);
        let mut health = journal.health();
        let kept = journal.reserve().expect("one is free");
        for _ in 0..7 {
            assert!(journal.reserve().is_err());
        }
        assert_eq!(memory.shared.metrics.dropped.get(), 7);
        assert_eq!(memory.shared.take_lost(), 7);
        assert_eq!(memory.shared.take_lost(), 0);
        assert!(health.0.has_changed().expect("the journal lives"));
        assert!(!health.now().is_good());
        drop(kept);
        memory.shared.eased();
        assert!(health.now().is_good());
    }

    /// Who hears that the journal is full writes a record about it, and finds the journal full.
    #[test]
    fn px_20_whoever_hears_that_the_journal_is_full_may_try_to_write_that() {
        let (journal, _memory) = Journal::memory(0);
        let mut health = journal.health();
        let (done, ended) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            assert!(journal.reserve().is_err());
            let JournalHealth::Failing { why } = &health.now() else { panic!("it is full") };
            assert!(journal.reserve().is_err(), "{why}");
            done.send(()).expect("somebody waits");
        });
        ended.recv_timeout(Duration::from_secs(60)).expect("it does not wait for itself");
    }

    const LONG: Duration = Duration::from_secs(60);

    fn write(shared: &Arc<Shared>, awaited: bool) {
        let slot = Journal::of(Arc::clone(shared)).reserve().expect("room");
        let _seq = if awaited { slot.write_awaited(denied()) } else { slot.write(denied()) };
    }

    #[test]
    fn whoever_writes_wakes_the_thread_once_and_only_where_it_must_not_sleep_on() {
        let shared = Shared::new(64, Seq(1), AuditMetrics::detached());
        let wake_at = |records| shared.queue().wake_at = records;
        let told = || shared.queue().wake_at.is_none();
        wake_at(Some(1));
        write(&shared, false);
        assert!(told(), "the first after a pause");
        wake_at(Some(4));
        write(&shared, false);
        write(&shared, false);
        assert!(!told(), "it looks by itself");
        write(&shared, false);
        assert!(told(), "the queue is half full");
        wake_at(Some(64));
        write(&shared, true);
        assert!(told(), "somebody waits");
    }

    #[test]
    fn records_that_nobody_waits_for_gather() {
        let shared = Shared::new(64, Seq(1), AuditMetrics::detached());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut batch = Vec::new();
                shared.take(&mut batch, LONG);
                batch.len()
            }
        });
        while shared.queue().wake_at != Some(1) {
            std::thread::yield_now();
        }
        let start = Instant::now();
        write(&shared, false);
        assert!(thread.join().expect("no panic") > 0);
        assert!(start.elapsed() >= GATHER);
    }

    #[test]
    fn a_record_that_is_waited_for_takes_what_is_queued_along_at_once() {
        let shared = Shared::new(64, Seq(1), AuditMetrics::detached());
        write(&shared, false);
        write(&shared, true);
        write(&shared, false);
        let mut batch = Vec::new();
        assert!(!shared.take(&mut batch, LONG));
        assert_eq!(batch.len(), 3);
        assert!(!shared.queue().awaited, "the next batch may gather again");
    }

    #[test]
    fn durable_moves_only_when_told() {
        let (journal, mut memory) = Journal::memory(4);
        let waits = journal.subscribe();
        let seq = journal.reserve().expect("free").write(denied());
        assert_eq!(journal.durable(), Seq(0));
        assert_eq!(memory.drain().len(), 1);
        assert_eq!(journal.durable(), Seq(0));
        memory.sync_to(seq);
        assert_eq!(journal.durable(), seq);
        assert!(waits.has_changed().expect("the journal lives"));
    }

    #[test]
    fn slots_and_numbers_stay_whole_when_many_threads_write() {
        let (journal, mut memory) = Journal::memory(64);
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let journal = journal.clone();
                std::thread::spawn(move || {
                    let mut taken = 0_usize;
                    for round in 0..1000 {
                        match journal.reserve() {
                            Ok(slot) if round % 3 == 0 => drop(slot),
                            Ok(slot) => {
                                let _ = slot.write(denied());
                                taken += 1;
                            }
                            Err(JournalFull) => std::thread::yield_now(),
                        }
                    }
                    taken
                })
            })
            .collect();
        let mut seen = Vec::new();
        while writers.iter().any(|one| !one.is_finished()) {
            seen.extend(memory.drain());
        }
        let taken: usize = writers.into_iter().map(|one| one.join().expect("no panic")).sum();
        seen.extend(memory.drain());
        assert_eq!(seen.len(), taken);
        assert!(seen.iter().zip(1..).all(|((seq, _), number)| seq.0 == number), "no number twice, none left out");
        assert_eq!(memory.shared.free.load(Ordering::Acquire), 64);
    }
}
