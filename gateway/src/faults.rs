//! Which of our own parts fail, since when, and what does that do to a conduit? (language.md section 4)
//!
//! ```text
//! clock   what time it is, and whether we know
//! board   faults raised and lowered -> a generation number on a watch -> workers ask `standing` again
//! ```
//!
//! | what a conduit says | live sessions | new sessions |
//! |---|---|---|
//! | `close` | end | none |
//! | `refuse-new` | live on | taken until the fault is older than `grace` |
//! | `keep` | live on | taken |

mod board;
mod clock;

pub use board::{Board, Change, Fault, Standing};
pub(crate) use clock::as_unix_time;
pub use clock::{Clock, Reading, build_date, floor};
