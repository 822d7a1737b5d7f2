//! What do these bytes mean, and may they pass?
//!
//! Pure: no sockets, no clocks (time is an argument), no locks, no logs, no counters.
//!
//! ```text
//! protocol   the closed list of protocols; dispatch for halves, messages, grammars, key tables
//! half       what crosses between the two halves: Step, Asked, Told, Ticket
//! deed       what a message would do: class + unit + object + range + values
//! describe   what a message says, field by field, for `decode` and `replay`
//! sentence   the language in which a rule is written and a deed is printed
//! policy     Plan -> PolicySet -> View::judge
//! modbus     the first protocol
//! iec104     IEC 60870-5-104
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::as_conversions))]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod deed;
pub mod describe;
pub mod half;
pub mod iec104;
mod kept;
pub mod keys;
pub mod modbus;
pub mod out;
pub mod policy;
pub mod protocol;
pub mod reader;
#[cfg(test)]
mod seeds;
pub mod sentence;
pub mod time;
pub mod vocab;
