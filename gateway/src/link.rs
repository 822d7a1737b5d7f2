//! How is the device reached, and kept?
//!
//! One task a device connection. It dials when the engine has something to send, walks the conduit's `upstream` list in
//! order, and never carries a request over from one connection to the next: what was in flight is failed, not repeated.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    engine::{LinkKey, LinkWant},
    io::{Fill, PeerIo},
    worker::{Cell, Signal},
};
use sluicegate_proto::time::Now;

mod dial;

pub(crate) use dial::{DialError, TlsDial, TlsDialer, connect};

/// Reads in one turn; then the other tasks of the worker have theirs.
const TURNS: usize = 8;
/// How long a device may take to hear our goodbye: many have four sockets, and one told at once frees it at once.
const GOODBYE: Duration = Duration::from_millis(50);

/// Looks after one device connection until the engine wants it no more.
pub(crate) async fn serve(cell: Rc<Cell>, key: LinkKey, signal: Rc<Signal>, generation: u64) {
    let link = Link { cell, key, signal, generation };
    loop {
        match link.want() {
            LinkWant::Gone => break,
            LinkWant::Rest => link.signal.wait().await,
            // No connection is here: it was lost, or there never was one.
            LinkWant::Pump | LinkWant::Close => link.down(),
            LinkWant::Dial => match link.dial().await {
                None => {}
                Some(Ok(io)) => link.pump(io).await,
                Some(Err(error)) => link.failed(&error),
            },
        }
    }
    // Whatever state it was in: the engine keeps nothing of a link without a task.
    if link.cell.is_current(generation) {
        link.down();
    }
    link.cell.forget_link(key, generation);
}

#[derive(Debug)]
struct Link {
    cell: Rc<Cell>,
    key: LinkKey,
    signal: Rc<Signal>,
    generation: u64,
}

impl Link {
    fn want(&self) -> LinkWant {
        if self.cell.is_current(self.generation) {
            self.cell.ask(|engine| engine.link_want(self.key))
        } else {
            LinkWant::Gone
        }
    }

    fn down(&self) {
        let now = self.cell.now();
        self.cell.drive(|engine| engine.link_down(self.key, now));
    }

    fn failed(&self, error: &DialError) {
        tracing::warn!(conduit = %self.cell.name, %error, "the device cannot be reached");
        self.down();
    }

    /// Dials; nothing when the engine no longer wants it. The pauses between failures are the engine's.
    async fn dial(&self) -> Option<Result<PeerIo, DialError>> {
        let dial = dial::any(self.cell.plan(), self.cell.id, &self.cell.shared.dialer);
        let unwanted = async {
            while self.want() == LinkWant::Dial {
                self.signal.wait().await;
            }
        };
        tokio::select! {
            biased;
            () = unwanted => None,
            dialled = dial => Some(dialled),
        }
    }

    /// Carries bytes until the connection ends, or the engine ends it.
    async fn pump(&self, mut io: PeerIo) {
        if !self.cell.is_current(self.generation) {
            return;
        }
        let now = self.cell.now();
        self.cell.drive(|engine| engine.link_up(self.key, now));
        poll_fn(|cx| self.poll_pump(&mut io, cx)).await;
        if self.cell.is_current(self.generation) {
            self.down();
            let goodbye = poll_fn(|cx| io.poll_goodbye(cx));
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
    }

    fn poll_pump(&self, io: &mut PeerIo, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.cell.now();
        for _ in 0..TURNS {
            self.signal.lower();
            if self.want() != LinkWant::Pump || !self.flush(io, cx, now) {
                return Poll::Ready(());
            }
            match self.fill(io, cx, now) {
                Filled::Some => {}
                Filled::Nothing => {
                    if self.signal.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Filled::Ended => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the connection still stands. What has left makes room for the next message, at most as many as may be
    /// outstanding.
    fn flush(&self, io: &mut PeerIo, cx: &mut Context<'_>, now: Now) -> bool {
        let mut scratch = self.cell.scratch().borrow_mut();
        self.cell.drive(|engine| {
            loop {
                let Some(out) = engine.to_device(self.key) else { return false };
                let before = out.len();
                if let Poll::Ready(Err(_)) = io.poll_flush(cx, &mut scratch, out) {
                    return false;
                }
                let left = before.saturating_sub(out.len());
                if left == 0 {
                    return true;
                }
                engine.device_flushed(self.key, left, now);
            }
        })
    }

    fn fill(&self, io: &mut PeerIo, cx: &mut Context<'_>, now: Now) -> Filled {
        if !self.cell.ask(|engine| engine.wants_device_bytes(self.key)) {
            return Filled::Nothing;
        }
        let mut scratch = self.cell.scratch().borrow_mut();
        match io.poll_fill(cx, &mut scratch) {
            Poll::Pending => Filled::Nothing,
            Poll::Ready(Fill::Bytes(n)) => {
                self.cell.drive(|engine| engine.device_bytes(self.key, scratch.plain(n), now));
                Filled::Some
            }
            Poll::Ready(Fill::Eof | Fill::Truncated | Fill::Broken) => Filled::Ended,
        }
    }
}

enum Filled {
    Some,
    Nothing,
    Ended,
}
