//! How does one peer's connection drive its session, and how does it end?

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use sluicegate_proto::{time::Now, vocab::Cause};
use tokio::time::{Sleep, sleep, timeout};

use super::{
    Shared,
    conduit::{Cell, Opened},
};
use crate::io::{Fill, PeerIo};

/// Reads in one turn; then the other sessions of the worker have theirs.
const TURNS: usize = 8;
/// How long a session that did not end by the peer's own wish may take to flush its last answer.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// After the goodbye: how long the peer may take to end its side.
const LINGER: Duration = Duration::from_secs(1);

/// Serves one session to its end.
pub(crate) async fn serve(cell: Rc<Cell>, opened: Opened, io: PeerIo) {
    let mut session = Session { cell, opened, io, finished: None };
    let cause = poll_fn(|cx| session.poll(cx)).await;
    session.close(cause).await;
}

#[derive(Debug)]
struct Session {
    cell: Rc<Cell>,
    opened: Opened,
    io: PeerIo,
    /// The peer has finished sending: it has until then to take its answers.
    finished: Option<Pin<Box<Sleep>>>,
}

impl Session {
    /// One wake-up: reasons to stop first, then what must leave, then what came.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        let now = self.cell.now();
        for _ in 0..TURNS {
            self.opened.signal.lower();
            if let Some(cause) = self.cell.is_over(&self.opened) {
                return Poll::Ready(cause);
            }
            self.flush(cx, now);
            let more = self.fill(cx, now) | self.run_out(cx, now);
            if !more && self.opened.signal.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn flush(&mut self, cx: &mut Context<'_>, now: Now) {
        let (key, io) = (self.opened.key, &mut self.io);
        let mut scratch = self.cell.scratch().borrow_mut();
        self.cell.drive(|engine| {
            let Some(out) = engine.to_peer(key) else { return };
            let before = out.len();
            if before == 0 {
                // TLS may still hold records of the last flush.
                if let Poll::Ready(Err(_)) = io.poll_flush(cx, &mut scratch, out) {
                    engine.peer_eof(key, true, now);
                }
                return;
            }
            let result = io.poll_flush(cx, &mut scratch, out);
            let left = before.saturating_sub(out.len());
            engine.peer_flushed(key, left, now);
            if let Poll::Ready(Err(_)) = result {
                engine.peer_eof(key, true, now);
            }
        });
    }

    /// Whether something came.
    fn fill(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let key = self.opened.key;
        if self.finished.is_some() || !self.cell.ask(|engine| engine.wants_peer_bytes(key)) {
            return false;
        }
        let mut scratch = self.cell.scratch().borrow_mut();
        let Poll::Ready(fill) = self.io.poll_fill(cx, &mut scratch) else { return false };
        match fill {
            Fill::Bytes(n) => {
                let overhead = self.io.take_overhead(n);
                self.cell.drive(|engine| {
                    engine.peer_overhead(key, overhead, now);
                    engine.peer_bytes(key, scratch.plain(n), now);
                });
            }
            Fill::Eof => {
                let wait = self.cell.plan().timeouts.half_close;
                self.finished = Some(Box::pin(sleep(wait)));
                self.cell.drive(|engine| engine.peer_eof(key, false, now));
            }
            Fill::Truncated => self.cell.drive(|engine| engine.peer_eof(key, true, now)),
            Fill::Broken => self.cell.drive(|engine| engine.end(key, Cause::Malformed, now)),
        }
        true
    }

    /// Whether the half-closed session's time ran out just now (PX-04).
    fn run_out(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let Some(finished) = self.finished.as_mut() else { return false };
        if finished.as_mut().poll(cx).is_pending() {
            return false;
        }
        let key = self.opened.key;
        self.cell.drive(|engine| engine.end(key, Cause::PeerClosed, now));
        true
    }

    /// The last answers, the goodbye, and an end that the peer sees as one.
    async fn close(mut self, cause: Cause) {
        let current = self.cell.is_current(self.opened.generation);
        if cause != Cause::Truncated && current {
            let bound = match cause {
                Cause::PeerClosed => self.cell.plan().timeouts.half_close,
                _ => LAST_WORDS.min(self.cell.plan().timeouts.half_close),
            };
            let done = timeout(bound, poll_fn(|cx| self.poll_last_words(cx))).await;
            self.cell.forget(&self.opened);
            if matches!(done, Ok(Ok(()))) {
                let linger = poll_fn(|cx| self.io.poll_linger(cx, self.cell.scratch().borrow_mut().waste()));
                let _ = timeout(LINGER, linger).await;
            }
        } else {
            self.cell.forget(&self.opened);
        }
    }

    fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let now = self.cell.now();
        let (key, io) = (self.opened.key, &mut self.io);
        let flushed = if self.cell.is_current(self.opened.generation) {
            let mut scratch = self.cell.scratch().borrow_mut();
            self.cell.drive(|engine| {
                let Some(out) = engine.to_peer(key) else { return Poll::Ready(Ok(())) };
                let before = out.len();
                let result = io.poll_flush(cx, &mut scratch, out);
                let left = before.saturating_sub(out.len());
                engine.peer_flushed(key, left, now);
                result
            })
        } else {
            Poll::Ready(Ok(()))
        };
        match flushed {
            Poll::Ready(Ok(())) => self.io.poll_goodbye(cx),
            other => other,
        }
    }
}

/// Ends a connection that got no session.
pub(crate) async fn turn_away(io: &mut PeerIo, shared: &Shared) {
    let goodbye = timeout(LINGER, poll_fn(|cx| io.poll_goodbye(cx))).await;
    if matches!(goodbye, Ok(Ok(()))) {
        let _ = timeout(LINGER, poll_fn(|cx| io.poll_linger(cx, shared.scratch.borrow_mut().waste()))).await;
    }
}
