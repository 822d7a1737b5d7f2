//! What goes on when something came free?

use sluicegate_proto::{half::Floor, time::Now, vocab::Reason};

use super::{Engine, Wake, answer, dispatch, intake, link::State};

impl Engine {
    /// What came free is used at once: unread messages take the slots, queued ones the device's turn. Ends because each
    /// turn reads, sends or refuses a message.
    pub(super) fn advance(&mut self, now: Now) {
        loop {
            self.read_on(now);
            self.carry_signals(now);
            self.part_orphans(now);
            self.unchoke(now);
            // A lock that came free is the news of every link on which a message waits for one.
            while self.core.freed
                && let Some(key) = self.core.blocked.get_mut().pop()
            {
                self.core.ready.insert(key);
            }
            self.core.freed = false;
            let Some(key) = self.core.ready.pop() else { break };
            if let Some(link) = self.links.get_mut(&key) {
                dispatch::link(&mut self.core, link, key, now);
            }
        }
    }

    /// The same where every queued message may be concerned.
    pub(super) fn advance_all(&mut self, now: Now) {
        self.everybody_is_ready();
        self.advance(now);
    }

    fn everybody_is_ready(&mut self) {
        self.links.keys().for_each(|key| self.core.ready.insert(key));
    }

    pub(super) fn observe_inspection(&mut self, now: Now) {
        if self.judged > 0 {
            let took = (self.clock)().since(now.mono);
            for _ in 0..std::mem::take(&mut self.judged) {
                self.core.metrics.inspected(took);
            }
        }
    }

    /// Unread messages of sessions that have room again.
    fn read_on(&mut self, now: Now) {
        // Who is relieved meanwhile is so for the next round: what it waits for may be a turn of its link.
        let mut relieved = std::mem::take(&mut self.core.relieved);
        for key in relieved.drain(..) {
            let waits = self.core.sessions.get(&key).is_some_and(|one| one.can_resume(now.mono));
            if waits && !self.core.draining {
                self.judged += intake::bytes(&mut self.core, key, &[], now);
            }
        }
        relieved.append(&mut self.core.relieved);
        self.core.relieved = relieved;
    }

    /// Words for device halves; a link at rest is dialled for one. What came before a word that ends it all has its turn
    /// first (GEN-01), and what cannot leave now is refused: it must not leave after another start.
    fn carry_signals(&mut self, now: Now) {
        for (key, signal) in std::mem::take(&mut self.core.signals) {
            let Some(link) = self.links.get_mut(&key) else { continue };
            if signal.floor == Floor::Leaves {
                dispatch::link(&mut self.core, link, key, now);
                self.core.refuse_queued(key, Reason::UpstreamUnavailable, now);
            }
            link.signal(signal, now);
            if link.state == State::Rest && link.may_dial(now.mono) {
                link.state = State::Dialling;
            }
            self.core.ready.insert(key);
            self.core.wake(Wake::Link(key));
        }
    }

    /// The device connections of sessions that have ended end with them.
    fn part_orphans(&mut self, now: Now) {
        for key in std::mem::take(&mut self.core.orphans) {
            let Some(link) = self.links.get_mut(&key).filter(|link| link.state != State::Retired) else { continue };
            if !answer::retire(&mut self.core, link, now) {
                self.remove_link(key);
            }
            self.core.wake(Wake::Link(key));
        }
    }

    /// Devices whose peers take again what they say: first what was read of it already.
    fn unchoke(&mut self, now: Now) {
        for key in std::mem::take(&mut self.core.choked) {
            let Some(session) = self.core.sessions.get(&key) else { continue };
            if !session.takes_reports() {
                self.core.choked.insert(key);
                continue;
            }
            let at = session.link;
            if let Some(link) = self.links.get_mut(&at) {
                answer::bytes(&mut self.core, link, at, &[], now);
                self.core.wake(Wake::Link(at));
            }
        }
    }
}
