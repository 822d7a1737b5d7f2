//! How does one task of a worker wake another?
//!
//! Both live on one thread, so a flag and a waker are enough: no lock, no list of waiters.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Context, Poll, Waker},
};

/// A flag that one task waits for.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    raised: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Signal {
    /// Raises the flag and wakes the task. Raised twice before it is seen counts once.
    pub(crate) fn raise(&self) {
        if !self.raised.replace(true) {
            // Taken out first: waking runs foreign code.
            let waiter = self.waiter.borrow_mut().take();
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        }
    }

    /// Lowers the flag; whether it was raised.
    pub(crate) fn lower(&self) -> bool {
        self.raised.replace(false)
    }

    /// Ready when the flag is raised, which lowers it; else the task is woken when it is.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lower() {
            return Poll::Ready(());
        }
        let mut waiter = self.waiter.borrow_mut();
        if !waiter.as_ref().is_some_and(|one| one.will_wake(cx.waker())) {
            *waiter = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Waits for the flag.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, time::Duration};

    use super::Signal;
    use crate::tasks::small_runtime;

    #[test]
    fn a_signal_raised_before_the_wait_is_not_lost_and_two_count_once() {
        small_runtime().expect("a runtime").block_on(async {
            let signal = Rc::new(Signal::default());
            signal.raise();
            signal.raise();
            signal.wait().await;
            let again = tokio::time::timeout(Duration::from_millis(1), signal.wait()).await;
            assert!(again.is_err());
            signal.raise();
            signal.wait().await;
        });
    }
}
