//! Which sessions have messages for which device connection?

use super::{LinkKey, SessionKey, slots::Key};

/// The sessions with queued messages, by the link that they wait for, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    links: Vec<Vec<SessionKey>>,
}

impl Waiting {
    pub(super) fn insert(&mut self, link: LinkKey, session: SessionKey) {
        if link.place() >= self.links.len() {
            self.links.resize_with(link.place() + 1, Vec::new);
        }
        if let Some(line) = self.links.get_mut(link.place())
            && let Err(at) = line.binary_search(&session)
        {
            line.insert(at, session);
        }
    }

    pub(super) fn remove(&mut self, link: LinkKey, session: SessionKey) {
        if let Some(line) = self.links.get_mut(link.place())
            && let Ok(at) = line.binary_search(&session)
        {
            line.remove(at);
        }
    }

    /// Those that wait for this link.
    pub(super) fn of(&self, link: LinkKey) -> &[SessionKey] {
        self.links.get(link.place()).map_or(&[], Vec::as_slice)
    }

    /// The same as they come round: first those after the one whose turn was last.
    pub(super) fn round(&self, link: LinkKey, last: Option<SessionKey>) -> impl Iterator<Item = SessionKey> + '_ {
        let line = self.of(link);
        let next = last.map_or(0, |last| line.partition_point(|one| *one <= last));
        let (before, after) = line.split_at(next);
        after.iter().chain(before).copied()
    }

    pub(super) fn contains(&self, link: LinkKey, session: SessionKey) -> bool {
        self.of(link).binary_search(&session).is_ok()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.links.iter().all(Vec::is_empty)
    }
}
