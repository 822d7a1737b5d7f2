//! What does the driver do after every event, until nothing moves?

use super::*;

impl Bench {
    /// Until nothing moves.
    pub(in super::super) fn settle(&mut self) {
        for _ in 0..100_000 {
            for wake in self.engine.take_wakes() {
                match wake {
                    Wake::Session(key) => _ = self.due_sessions.insert(key),
                    Wake::Link(key) => _ = self.due_links.insert(key),
                    Wake::Timer => self.armed = self.engine.deadline(),
                }
            }
            self.engine.check_invariants();
            if !self.undrained {
                self.take_records();
            }
            if let Some(link) = self.due_links.pop_first() {
                self.serve_link(link);
            } else if let Some(session) = self.due_sessions.pop_first() {
                self.serve_session(session);
            } else if !self.obedient || self.arrived.is_empty() {
                return;
            } else {
                self.answer_oldest();
            }
        }
        panic!("the engine does not come to rest");
    }

    fn serve_link(&mut self, key: LinkKey) {
        let now = self.now();
        match self.engine.link_want(key) {
            LinkWant::Rest => {}
            LinkWant::Dial if self.live.contains(&key) => {}
            LinkWant::Dial => {
                self.dials += 1;
                match self.dial {
                    Dial::Answers => {
                        self.live.insert(key);
                        self.engine.link_up(key, now);
                        self.due_links.insert(key);
                    }
                    Dial::Refuses => self.engine.link_down(key, now),
                    Dial::Hangs => {}
                }
            }
            LinkWant::Pump => self.pump(key),
            // A task without a connection just ends; the others say that theirs is closed.
            LinkWant::Close | LinkWant::Gone => {
                if self.live.remove(&key) {
                    self.engine.link_down(key, now);
                }
            }
        }
    }

    fn pump(&mut self, key: LinkKey) {
        let Some(out) = self.engine.to_device(key) else { return };
        if !self.device_reads || out.is_empty() {
            return;
        }
        let bytes = out.as_slice().to_vec();
        out.consume(bytes.len());
        self.arrived.push((key, bytes.clone()));
        self.engine.device_flushed(key, bytes.len(), self.now());
        self.due_links.insert(key);
    }

    fn serve_session(&mut self, key: SessionKey) {
        let now = self.now();
        let Some(out) = self.engine.to_peer(key) else { return };
        let bytes = out.as_slice().to_vec();
        out.consume(bytes.len());
        let socket = self.sockets.get_mut(&key).expect("a session");
        socket.received.extend(&bytes);
        if !bytes.is_empty() {
            self.engine.peer_flushed(key, bytes.len(), now);
        }
        if let Some(cause) = self.engine.ended(key) {
            self.ended.insert(key, cause);
            self.engine.forget(key);
            return;
        }
        if !self.engine.wants_peer_bytes(key) {
            return;
        }
        if !socket.unread.is_empty() {
            let some: Vec<u8> = socket.unread.drain(..socket.unread.len().min(SCRATCH)).collect();
            self.engine.peer_bytes(key, &some, now);
            self.due_sessions.insert(key);
        } else if socket.fin && !socket.fin_seen {
            socket.fin_seen = true;
            self.engine.peer_eof(key, false, now);
            self.due_sessions.insert(key);
        }
    }
}
