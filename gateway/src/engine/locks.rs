//! Which points may nobody else write until an answer is in?
//!
//! From the read that a `step` or `when` needed until the write's acknowledgement its range is locked for the conduit;
//! any write on the wire locks its range too, so that no step is judged against a value that is about to change.

use std::ops::ControlFlow;

use sluicegate_proto::{
    deed::{ReadFirst, Seen},
    half::Ticket,
    protocol::Message,
    vocab::Class,
};

/// The locks of one conduit: at most one entry per deed of a message under way.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: Vec<(ReadFirst, Ticket)>,
}

impl Locks {
    /// Whether a write of this message touches what another message has locked.
    pub(super) fn blocks(&self, message: &Message<'_>, ticket: Ticket) -> bool {
        if self.held.iter().all(|(_, owner)| *owner == ticket) {
            return false;
        }
        written(message)
            .iter()
            .any(|range| self.held.iter().any(|(lock, owner)| *owner != ticket && overlaps(lock, range)))
    }

    /// Locks what the message writes, until [`Self::release`].
    pub(super) fn take(&mut self, message: &Message<'_>, ticket: Ticket) {
        if self.held.iter().any(|(_, owner)| *owner == ticket) {
            return;
        }
        self.held.extend(written(message).into_iter().map(|range| (range, ticket)));
    }

    /// Whether there was something to release.
    pub(super) fn release(&mut self, ticket: Ticket) -> bool {
        let before = self.held.len();
        self.held.retain(|(_, owner)| *owner != ticket);
        self.held.len() < before
    }

    /// Who may write this point now and nobody else.
    pub(super) fn owner(&self, seen: &Seen) -> Option<Ticket> {
        let point = ReadFirst { unit: seen.unit, object: seen.object, first: seen.address, count: 1 };
        self.held.iter().find(|(lock, _)| overlaps(lock, &point)).map(|(_, owner)| *owner)
    }
}

/// The ranges that a message writes.
pub(super) fn written(message: &Message<'_>) -> Vec<ReadFirst> {
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

fn overlaps(a: &ReadFirst, b: &ReadFirst) -> bool {
    let end = |one: &ReadFirst| u64::from(one.first) + u64::from(one.count);
    a.unit == b.unit && a.object == b.object && u64::from(a.first) < end(b) && u64::from(b.first) < end(a)
}
