//! Where does a connection lie, so that any task of the worker can write to it?
//!
//! Each session and each device connection has one task that reads and one port. Whoever brings bytes for it, most of
//! the time the task at the other end, writes them at once: waking a task for that would cost more than the write. Where
//! the socket takes no more, it is the connection's own task that is woken when it does.

use std::{
    cell::{Cell, RefCell},
    io,
    task::{Context, Poll, Waker},
};

use sluicegate_proto::out::Out;

use super::Signal;
use crate::io::{Fill, PeerIo, Scratch};

/// One connection, shared by the tasks of its conduit.
#[derive(Debug, Default)]
pub(crate) struct Port {
    /// Wakes its task for what is no writing.
    pub(crate) signal: Signal,
    io: RefCell<Option<PeerIo>>,
    /// The task that reads.
    task: RefCell<Option<Waker>>,
    /// The last write could not take all.
    stuck: Cell<bool>,
    /// It takes nothing any more.
    broken: Cell<bool>,
    /// Its task does not read: what came would find no room.
    resting: Cell<bool>,
}

impl Port {
    /// A connection comes, or another one.
    pub(crate) fn plug(&self, io: PeerIo) {
        self.io.replace(Some(io));
        self.stuck.set(false);
        self.broken.set(false);
        self.resting.set(false);
    }

    /// From now on its task has it alone.
    pub(crate) fn unplug(&self) -> Option<PeerIo> {
        self.io.take()
    }

    /// Whose task this is.
    pub(crate) fn served_by(&self, cx: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|one| one.will_wake(cx.waker())) {
            *task = Some(cx.waker().clone());
        }
    }

    /// Whether a write may do something.
    pub(crate) fn may_write(&self, out: &Out) -> bool {
        (!out.is_empty() || self.stuck.get()) && !self.broken.get()
    }

    /// Writes what the socket takes: how many bytes left. Only its own task finds out about a connection that is not here
    /// or not served yet.
    ///
    /// # Errors
    /// When the connection is gone.
    pub(crate) fn write(&self, scratch: &mut Scratch, out: &mut Out) -> io::Result<usize> {
        let (mut io, task) = (self.io.borrow_mut(), self.task.borrow());
        let (Some(io), Some(task)) = (io.as_mut(), task.as_ref()) else { return Ok(0) };
        let before = out.len();
        let flushed = io.poll_flush(&mut Context::from_waker(task), scratch, out);
        self.stuck.set(flushed.is_pending());
        if let Poll::Ready(Err(error)) = flushed {
            self.broken.set(true);
            return Err(error);
        }
        Ok(before.saturating_sub(out.len()))
    }

    /// Reads once: what came, and how many bytes more it was on the wire.
    pub(crate) fn read(&self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<(Fill, usize)> {
        let mut io = self.io.borrow_mut();
        let Some(io) = io.as_mut() else { return Poll::Pending };
        io.poll_fill(cx, scratch).map(|fill| match fill {
            Fill::Bytes(n) => (fill, io.take_overhead(n)),
            Fill::Eof | Fill::Truncated | Fill::Broken => (fill, 0),
        })
    }

    /// Its task reads, or does not for now.
    pub(crate) fn rests(&self, resting: bool) {
        self.resting.set(resting);
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.resting.get()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    pub(crate) fn is_plugged(&self) -> bool {
        self.io.borrow().is_some()
    }
}
