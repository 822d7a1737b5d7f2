//! How does a record get onto the disk without the data path waiting for it?

use tokio::sync::watch;

use super::record::Record;

/// The number of a record: `seq` in the audit file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// No slot is free, or the disk takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit journal takes no more records")]
pub struct JournalFull;

/// The sending side: cheap to clone, never blocks.
#[derive(Clone, Debug)]
pub struct Journal {}

/// Room for one record. Dropping it gives the room back.
#[derive(Debug)]
#[must_use]
pub struct Slot {}

impl Journal {
    /// A journal in memory (simulation, tests): the receiver drains `records`.
    pub fn memory(capacity: usize) -> (Self, MemoryJournal) {
        let _ = capacity;
        todo!()
    }

    /// Takes room for one record.
    ///
    /// # Errors
    /// [`JournalFull`].
    pub fn reserve(&self) -> Result<Slot, JournalFull> {
        todo!()
    }

    /// The last record that is safely on disk.
    pub fn durable(&self) -> Seq {
        todo!()
    }

    /// Wakes when [`Self::durable`] moves.
    pub fn subscribe(&self) -> watch::Receiver<Seq> {
        todo!()
    }
}

impl Slot {
    /// Queues the record, stamped with the time now. Its number is final.
    pub fn write(self, record: Record) -> Seq {
        let _ = record;
        todo!()
    }
}

/// The receiving side of [`Journal::memory`].
#[derive(Debug)]
pub struct MemoryJournal {}

impl MemoryJournal {
    /// Takes what was written since the last call; frees its slots.
    pub fn drain(&mut self) -> Vec<(Seq, Record)> {
        todo!()
    }

    /// Declares everything up to `seq` on disk.
    pub fn sync_to(&mut self, seq: Seq) {
        let _ = seq;
        todo!()
    }
}
