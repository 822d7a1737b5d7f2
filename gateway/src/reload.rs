//! How does the policy live: loaded anew, on trial, confirmed, gone back from, remembered?
//!
//! ```text
//! SIGHUP, control socket, file watch --Order--> the thread "policy", one order after the other:
//!     load -> policy tests -> certificates -> sockets      prepare: all that can fail
//!     -> on disk (history)                                 from here on a crash comes back to the new one
//!     -> commit (run/helm) -> every worker follows         cannot fail
//!     -> metrics, audit, answer
//! ```
//! | file | |
//! |---|---|
//! | `history` | the configurations on disk, and which one is in force |
//! | `prepare` | whether one could come into force |
//! | `start` | which one a process starts with |
//! | `life` | the thread |

mod history;
mod life;
mod prepare;
mod start;

use std::{sync::mpsc::SyncSender, time::Duration};

pub use history::{Current, Entry, History, HistoryError, KEPT, Pending};
pub use life::{Life, Matching};
pub use start::{Start, StartError, choose};
use tokio::sync::oneshot;

/// What may be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The files come into force.
    Reload {
        /// Unless confirmed in this time, what was in force comes back.
        confirm: Option<Duration>,
    },
    /// What waits for a confirmation stays.
    Confirm,
    /// An earlier configuration comes back: this one, or the one before.
    Rollback {
        /// Its number.
        to: Option<u64>,
    },
    /// What there was.
    History,
}

/// An order, and who gave it.
#[derive(Debug)]
pub struct Order {
    /// What.
    pub what: What,
    /// Who, for the record.
    pub by: String,
    /// Why, if they said so.
    pub reason: Option<String>,
    /// Where the answer goes, if anybody waits for one.
    pub reply: Option<oneshot::Sender<Reply>>,
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Whether it was done.
    pub good: bool,
    /// For people; ends with a newline.
    pub text: String,
    /// For machines.
    pub document: serde_json::Value,
}

/// The way to the thread. Few wait: each takes as long as a reload.
#[derive(Clone, Debug)]
pub struct Orders(SyncSender<Order>);

/// Orders that wait. More would wait longer than whoever gave them.
const WAITING: usize = 16;

/// The gateway has too many orders, or is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway takes no orders now")]
pub struct Busy;

impl Orders {
    /// The way, and its end.
    pub fn channel() -> (Self, std::sync::mpsc::Receiver<Order>) {
        let (way, end) = std::sync::mpsc::sync_channel(WAITING);
        (Self(way), end)
    }

    /// Gives an order. Does not wait.
    ///
    /// # Errors
    /// [`Busy`].
    pub fn give(&self, order: Order) -> Result<(), Busy> {
        self.0.try_send(order).map_err(|_| Busy)
    }
}

impl Reply {
    fn bad(text: String) -> Self {
        let document = serde_json::json!({ "good": false, "fault": text.trim_end() });
        Self { good: false, text, document }
    }
}
