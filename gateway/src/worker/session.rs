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
    opened.port.plug(io);
    let mut session = Session { cell, opened, finished: None };
    let cause = poll_fn(|cx| session.poll(cx)).await;
    session.close(cause).await;
}

#[derive(Debug)]
struct Session {
    cell: Rc<Cell>,
    opened: Opened,
    /// The peer has finished sending: it has until then to take its answers.
    finished: Option<Pin<Box<Sleep>>>,
}

impl Session {
    /// One wake-up: reasons to stop first, then what must leave, then what came.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Cause> {
        let now = self.cell.now();
        self.opened.port.served_by(cx);
        for _ in 0..TURNS {
            self.opened.port.signal.lower();
            if let Some(cause) = self.cell.is_over(&self.opened) {
                return Poll::Ready(cause);
            }
            self.cell.flush_session(self.opened.key, &self.opened.port, now);
            let more = self.fill(cx, now) | self.run_out(cx, now);
            self.cell.attend(now);
            if !more && self.opened.port.signal.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether something came.
    fn fill(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let (key, port) = (self.opened.key, &self.opened.port);
        let wants = self.finished.is_none() && self.cell.ask(|engine| engine.wants_peer_bytes(key));
        port.rests(!wants);
        if !wants {
            return false;
        }
        let mut scratch = self.cell.scratch().borrow_mut();
        let Poll::Ready((fill, overhead)) = port.read(cx, &mut scratch) else { return false };
        self.cell.feed(|engine| match fill {
            Fill::Bytes(n) => {
                engine.peer_overhead(key, overhead, now);
                engine.peer_bytes(key, scratch.plain(n), now);
            }
            Fill::Eof => engine.peer_eof(key, false, now),
            Fill::Truncated => engine.peer_eof(key, true, now),
            Fill::Broken => engine.end(key, Cause::Malformed, now),
        });
        if fill == Fill::Eof {
            self.finished = Some(Box::pin(sleep(self.cell.plan().timeouts.half_close)));
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
        self.cell.feed(|engine| engine.end(key, Cause::PeerClosed, now));
        true
    }

    /// The last answers, the goodbye, and an end that the peer sees as one.
    async fn close(self, cause: Cause) {
        let io = self.opened.port.unplug();
        let Some(mut io) = io.filter(|_| cause != Cause::Truncated && self.cell.is_current(self.opened.generation))
        else {
            return self.cell.forget(&self.opened);
        };
        let bound = match cause {
            Cause::PeerClosed => self.cell.plan().timeouts.half_close,
            _ => LAST_WORDS.min(self.cell.plan().timeouts.half_close),
        };
        let done = timeout(bound, poll_fn(|cx| self.poll_last_words(&mut io, cx))).await;
        self.cell.forget(&self.opened);
        if matches!(done, Ok(Ok(()))) {
            let linger = poll_fn(|cx| io.poll_linger(cx, self.cell.scratch().borrow_mut().waste()));
            let _ = timeout(LINGER, linger).await;
        }
    }

    fn poll_last_words(&self, io: &mut PeerIo, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let (key, now) = (self.opened.key, self.cell.now());
        let flushed = if self.cell.is_current(self.opened.generation) {
            self.cell.feed(|engine| {
                let Some(out) = engine.to_peer(key) else { return Poll::Ready(Ok(())) };
                let before = out.len();
                let result = io.poll_flush(cx, &mut self.cell.scratch().borrow_mut(), out);
                let left = before.saturating_sub(out.len());
                engine.peer_flushed(key, left, now);
                result
            })
        } else {
            Poll::Ready(Ok(()))
        };
        self.cell.attend(now);
        match flushed {
            Poll::Ready(Ok(())) => io.poll_goodbye(cx),
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
