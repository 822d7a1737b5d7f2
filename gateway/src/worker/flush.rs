//! How does what one read brought leave within the same turn?
//!
//! ```text
//! task of A: read -> Cell::feed(engine) -> Cell::attend: for each outbox that got bytes: write to its port
//!                                            `-> wake a task only to read again, to dial, to close, to end
//! ```
//! All that one read brought for one connection leaves with one write. What leaves makes room for the next message, which
//! leaves in the same turn: never more than waits in the engine's bounded queues.

use std::rc::Rc;

use sluicegate_proto::time::Now;

use super::{Cell, Port};
use crate::engine::{LinkKey, LinkWant, SessionKey, Wake};

impl Cell {
    /// Looks after everybody whom the engine names, until it names nobody.
    pub(crate) fn attend(self: &Rc<Self>, now: Now) {
        while let Some(wake) = self.next_wake() {
            match wake {
                Wake::Session(key) => self.attend_session(key, now),
                Wake::Link(key) => self.attend_link(key, now),
                // The engine knows what the timer waits for, and speaks only of what is earlier.
                Wake::Timer => self.timer.raise(),
            }
        }
    }

    fn attend_session(&self, key: SessionKey, now: Now) {
        let sessions = self.sessions.borrow();
        let Some(port) = sessions.get(&key).map(|live| &live.port) else { return };
        // Its last words are its task's.
        if self.ask(|engine| engine.ended(key)).is_none() && port.is_plugged() {
            self.flush_session(key, port, now);
        }
        let calls =
            self.ask(|engine| engine.ended(key).is_some() || (port.is_resting() && engine.wants_peer_bytes(key)));
        if calls || !port.is_plugged() {
            port.signal.raise();
        }
    }

    fn attend_link(self: &Rc<Self>, key: LinkKey, now: Now) {
        let want = self.ask(|engine| engine.link_want(key));
        let links = self.links.borrow();
        let Some(port) = links.get(&key) else {
            drop(links);
            return self.start_link(key);
        };
        if want == LinkWant::Pump && port.is_plugged() {
            self.flush_link(key, port, now);
            let reads = port.is_resting() && self.ask(|engine| engine.wants_device_bytes(key));
            if !port.is_broken() && !reads {
                return;
            }
        }
        port.signal.raise();
    }

    /// Writes to the peer what waits for it.
    pub(crate) fn flush_session(&self, key: SessionKey, port: &Port, now: Now) {
        let mut engine = self.engine.borrow_mut();
        let Some(out) = engine.to_peer(key).filter(|out| port.may_write(out)) else { return };
        match port.write(&mut self.shared.scratch.borrow_mut(), out) {
            Ok(0) => {}
            Ok(left) => engine.peer_flushed(key, left, now),
            Err(_) => engine.peer_eof(key, true, now),
        }
    }

    /// Writes to the device what waits for it, and what then has room, at most as much as may be outstanding.
    pub(crate) fn flush_link(&self, key: LinkKey, port: &Port, now: Now) {
        let mut engine = self.engine.borrow_mut();
        while let Some(out) = engine.to_device(key).filter(|out| port.may_write(out)) {
            match port.write(&mut self.shared.scratch.borrow_mut(), out) {
                // Its task sees that it is broken.
                Ok(0) | Err(_) => return,
                Ok(left) => engine.device_flushed(key, left, now),
            }
        }
    }
}
