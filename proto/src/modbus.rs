//! Modbus/TCP: what may its bytes be, what would they do, and who speaks it?
//!
//! ```text
//! tables     the words of its sentences, its functions, its presets
//! keys       the keys of its config table, and what follows from them
//! function   which lengths a function fixes: the shape that severs when it is broken
//! frame      the MBAP header, or RTU's CRC: where a message ends; the sheet on which one is written
//! bits       packed bits whose pad bits read as zero
//! request    a legal request, its deeds, its canonical bytes
//! response   an answer checked against its request, and what it shows
//! describe   the fields of `decode` and `replay`
//! refusal    which exception a refusal becomes
//! peer       the server's role: slots in the order of the requests
//! device     the client's role: own ids, deadlines, tombstones
//! build      a sentence -> the request that does it; number: a typed value -> registers
//! ```
//! Sources: Modbus Application Protocol 1.1b3 (functions), Modbus Messaging on TCP/IP 1.0b (MBAP).

mod bits;
mod build;
mod describe;
mod device;
mod frame;
mod function;
mod keys;
mod number;
mod peer;
mod refusal;
mod request;
mod response;
mod tables;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use build::build;
pub use device::{Device, fuzz_device};
pub use keys::{KEYS, TIES, check, is_broadcast, is_own_name, rivals, same_ways};
pub use peer::{Peer, fuzz_peer};
pub use refusal::{ANSWER_WORD, answer, answer_says};
pub use request::{Request, fuzz_request};
pub use response::{Response, fuzz_response};
pub use tables::{GRAMMAR, PORTS, PRESETS};
