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
    worker::{Cell, Port},
};
use sluicegate_proto::time::Now;

mod dial;

pub(crate) use dial::{DialError, TlsDial, TlsDialer, connect};

/// Reads in one turn; then the other tasks of the worker have theirs.
const TURNS: usize = 8;
/// How long a device may take to hear our goodbye: many have four sockets, and one told at once frees it at once.
const GOODBYE: Duration = Duration::from_millis(50);

/// Looks after one device connection until the engine wants it no more.
pub(crate) async fn serve(cell: Rc<Cell>, key: LinkKey, port: Rc<Port>, generation: u64) {
    let link = Link { cell, key, port, generation };
    loop {
        match link.want() {
            LinkWant::Gone => break,
            LinkWant::Rest => link.port.signal.wait().await,
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
    port: Rc<Port>,
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
        self.cell.drive(now, |engine| engine.link_down(self.key, now));
    }

    fn failed(&self, error: &DialError) {
        tracing::warn!(conduit = %self.cell.name, %error, "the device cannot be reached");
        self.down();
    }

    /// Dials; nothing when the engine no longer wants it. The pauses between failures are the engine's.
    async fn dial(&self) -> Option<Result<PeerIo, DialError>> {
        let (plan, (conduit, dialer)) = (self.cell.plan(), self.cell.dialer());
        let dial = dial::any(&plan, conduit, &dialer);
        let unwanted = async {
            while self.want() == LinkWant::Dial {
                self.port.signal.wait().await;
            }
        };
        tokio::select! {
            biased;
            () = unwanted => None,
            dialled = dial => Some(dialled),
        }
    }

    /// Carries bytes until the connection ends, or the engine ends it.
    async fn pump(&self, io: PeerIo) {
        if !self.cell.is_current(self.generation) {
            return;
        }
        let now = self.cell.now();
        self.port.plug(io);
        self.cell.drive(now, |engine| engine.link_up(self.key, now));
        poll_fn(|cx| self.poll_pump(cx)).await;
        let Some(mut io) = self.port.unplug() else { return };
        if self.cell.is_current(self.generation) {
            self.down();
            let goodbye = poll_fn(|cx| io.poll_goodbye(cx));
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
    }

    fn poll_pump(&self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.cell.now();
        self.port.served_by(cx);
        for _ in 0..TURNS {
            self.port.signal.lower();
            if self.want() != LinkWant::Pump {
                return Poll::Ready(());
            }
            self.cell.flush_link(self.key, &self.port, now);
            if self.port.is_broken() {
                return Poll::Ready(());
            }
            let filled = self.fill(cx, now);
            self.cell.attend(now);
            match filled {
                Filled::Some => {}
                Filled::Nothing => {
                    if self.port.signal.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Filled::Ended => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn fill(&self, cx: &mut Context<'_>, now: Now) -> Filled {
        let wants = self.cell.ask(|engine| engine.wants_device_bytes(self.key));
        self.port.rests(!wants);
        if !wants {
            return Filled::Nothing;
        }
        let mut scratch = self.cell.scratch().borrow_mut();
        match self.port.read(cx, &mut scratch) {
            Poll::Pending => Filled::Nothing,
            Poll::Ready((Fill::Bytes(n), _)) => {
                self.cell.feed(|engine| engine.device_bytes(self.key, scratch.plain(n), now));
                Filled::Some
            }
            Poll::Ready((Fill::Eof | Fill::Truncated | Fill::Broken, _)) => Filled::Ended,
        }
    }
}

enum Filled {
    Some,
    Nothing,
    Ended,
}
