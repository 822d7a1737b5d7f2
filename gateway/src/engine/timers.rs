//! When must which session or link hear of the time?
//!
//! Each is written down once at most, for a moment that is never later than its deadline. A deadline that moves away
//! moves nothing here: whoever was written down too early is looked at, and written down again.

use std::collections::BTreeSet;

use sluicegate_proto::time::Mono;

use super::{LinkKey, SessionKey};

/// Who has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Session(SessionKey),
    Link(LinkKey),
}

/// The deadlines of one conduit.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Mono, Who)>,
}

impl Timers {
    /// Writes `who` down for `at`, where it is not for an earlier moment already; `known` is that moment. Whether it is
    /// news.
    pub(super) fn arm(&mut self, who: Who, known: &mut Option<Mono>, at: Option<Mono>) -> bool {
        let Some(at) = at.filter(|at| known.is_none_or(|known| *at < known)) else { return false };
        if let Some(known) = known.replace(at) {
            self.due.remove(&(known, who));
        }
        self.due.insert((at, who))
    }

    /// It is gone, and asks for nothing any more.
    pub(super) fn forget(&mut self, who: Who, known: Option<Mono>) {
        if let Some(known) = known {
            self.due.remove(&(known, who));
        }
    }

    /// The next one whose moment has come. It is written down no more.
    pub(super) fn pop(&mut self, now: Mono) -> Option<Who> {
        self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.pop_first().map(|(_, who)| who)
    }

    /// The earliest moment.
    pub(super) fn next(&self) -> Option<Mono> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_written_down_once_for_its_earliest_moment() {
        let mut timers = Timers::default();
        let (one, two) = (Who::Session(SessionKey(1, 0)), Who::Link(LinkKey(1, 0)));
        let (mut first, mut second) = (None, None);
        let at = Mono::from_nanos;
        assert!(timers.arm(one, &mut first, Some(at(9))) && timers.arm(two, &mut second, Some(at(5))));
        assert!(!timers.arm(one, &mut first, Some(at(12))) && !timers.arm(one, &mut first, None), "later is no news");
        assert!(timers.arm(one, &mut first, Some(at(3))));
        assert_eq!((timers.next(), timers.due.len()), (Some(at(3)), 2));
        assert_eq!((timers.pop(at(2)), timers.pop(at(3)), timers.pop(at(3))), (None, Some(one), None));
        timers.forget(two, second);
        assert_eq!(timers.next(), None);
    }
}
