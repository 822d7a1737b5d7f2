//! Which points may nobody else write until an answer is in?
//!
//! From the read that a `step` or `when` needed until the write's acknowledgement both ranges, the one read and the one
//! to be written, are locked for the conduit. Any write on the wire locks its range too, and one whose record waits for
//! the disk, so that nothing is judged against a value that is about to change.

use std::ops::ControlFlow;

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    deed::{ObjectId, ReadFirst, Seen},
    half::Ticket,
    protocol::Message,
    vocab::Class,
};

/// The locks of one conduit: at most one entry for each deed and each own read of a message under way.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: Vec<(ReadFirst, Ticket)>,
    /// How often something came free.
    releases: u64,
}

impl Locks {
    /// Whether anybody but this message has locked something.
    pub(super) fn concern(&self, ticket: Ticket) -> bool {
        self.held.iter().any(|(_, owner)| *owner != ticket)
    }

    /// Whether this range touches what another message has locked.
    pub(super) fn holds(&self, range: &ReadFirst, ticket: Ticket) -> bool {
        self.held.iter().any(|(lock, owner)| *owner != ticket && overlaps(lock, range))
    }

    /// Locks one range, until [`Self::release`].
    pub(super) fn take_range(&mut self, range: ReadFirst, ticket: Ticket) {
        if !self.held.contains(&(range, ticket)) {
            self.held.push((range, ticket));
        }
    }

    /// Frees what the message had locked, and says what that was.
    pub(super) fn release(&mut self, ticket: Ticket) -> Vec<ReadFirst> {
        let free: Vec<_> = self.held.extract_if(.., |(_, owner)| *owner == ticket).map(|(range, _)| range).collect();
        self.releases += u64::from(!free.is_empty());
        free
    }

    /// What was found locked is still so until this changes.
    pub(super) const fn releases(&self) -> u64 {
        self.releases
    }

    /// Who may write this point now and nobody else.
    pub(super) fn owner(&self, seen: &Seen) -> Option<Ticket> {
        let point = ReadFirst { unit: seen.unit, object: seen.object, first: seen.address, count: 1 };
        self.held.iter().find(|(lock, _)| overlaps(lock, &point)).map(|(_, owner)| *owner)
    }

    /// Whether nothing is locked.
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.held.is_empty()
    }
}

/// The ranges that a message writes; those of every unit where it goes to all of them, and those of every name that the
/// same device may have.
pub(crate) fn written_by(conduit: &Conduit, message: &Message<'_>) -> Vec<ReadFirst> {
    let ranges = written(message);
    if ranges.is_empty() {
        return ranges;
    }
    let (protocol, settings, unit) = (conduit.protocol, &conduit.settings, message.unit());
    let to_all = protocol.is_broadcast(settings, unit) || protocol.is_own_name(settings, unit);
    let same = |other: &u32| *other != unit && (to_all || protocol.is_own_name(settings, *other));
    let listed = settings.ints(protocol.grammar().units_key).iter().filter_map(|unit| u32::try_from(*unit).ok());
    let names = std::iter::once(unit).chain(listed.filter(same));
    names.flat_map(|unit| ranges.iter().map(move |range| ReadFirst { unit, ..*range })).collect()
}

/// The same under the name that it says: all that its unit has, where it may change what it does not name.
fn written(message: &Message<'_>) -> Vec<ReadFirst> {
    if message.unsettles() {
        let objects = (0..=u8::MAX).map(ObjectId).take(message.protocol().grammar().objects.len());
        return objects.map(|object| ReadFirst { unit: message.unit(), object, first: 0, count: u32::MAX }).collect();
    }
    let mut ranges = Vec::new();
    let _all: ControlFlow<()> = message.deeds(&mut |deed| {
        if matches!(deed.class, Class::Write | Class::Control) {
            let count = (deed.last - deed.first).saturating_add(1);
            ranges.push(ReadFirst { unit: deed.unit, object: deed.object, first: deed.first, count });
        }
        ControlFlow::Continue(())
    });
    ranges
}

/// Whether two ranges have a point in common.
pub(super) fn overlaps(a: &ReadFirst, b: &ReadFirst) -> bool {
    let end = |one: &ReadFirst| u64::from(one.first) + u64::from(one.count);
    a.unit == b.unit && a.object == b.object && u64::from(a.first) < end(b) && u64::from(b.first) < end(a)
}
