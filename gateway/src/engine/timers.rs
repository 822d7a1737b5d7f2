//! When must which session or link hear of the time?
//!
//! Each is written down once at most, for a moment that is never later than its deadline. A deadline that moves away
//! moves nothing here: whoever was written down too early is looked at, and written down again.

use std::collections::BTreeSet;

use sluicegate_proto::time::{Mono, Now};

use super::{Engine, LinkKey, SessionKey, Wake, answer, core::Core, dispatch, link::Link};

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

impl Engine {
    /// When [`Self::tick`] must be called at the latest.
    pub fn deadline(&self) -> Option<Mono> {
        let earliest = self.core.timers.next();
        self.core.armed.set(earliest);
        earliest
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) {
        self.at(now);
        // First all of them: one whose moment stays in the past must not keep the worker here.
        let due: Vec<_> = std::iter::from_fn(|| self.core.timers.pop(now.mono)).collect();
        for who in due {
            match who {
                Who::Session(key) => dispatch::tick_session(&mut self.core, key, now),
                Who::Link(key) => {
                    if let Some(link) = self.links.get_mut(&key) {
                        link.armed = None;
                        answer::tick(&mut self.core, link, key, now);
                        // Its turn writes down when it must hear of the time again.
                        self.core.ready.insert(key);
                    }
                }
            }
        }
        self.advance(now);
    }
}

impl Core {
    /// The driver hears of the session's next deadline.
    pub(super) fn arm(&mut self, key: SessionKey) {
        let conduit = &self.place.site.conduits[self.place.conduit.index()];
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let at = session.deadline(conduit);
        if self.timers.arm(Who::Session(key), &mut session.armed, at) {
            self.set_timer();
        }
    }

    /// The same for a link.
    pub(super) fn arm_link(&mut self, key: LinkKey, link: &mut Link) {
        let at = link.deadline(self.conduit());
        if self.timers.arm(Who::Link(key), &mut link.armed, at) {
            self.set_timer();
        }
    }

    /// The driver hears of the earliest moment only when that is earlier than what it waits for.
    fn set_timer(&mut self) {
        let armed = self.armed.get();
        if self.timers.next().is_some_and(|at| armed.is_none_or(|armed| at < armed)) {
            self.wake(Wake::Timer);
        }
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
