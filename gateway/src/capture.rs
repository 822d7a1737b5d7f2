//! What did a capture hold, message by message, and what would the gate have made of it?
//!
//! ```text
//! file     a file -> packets, numbered from 1; pcap and pcapng: how each is laid out
//! wire     a packet -> one TCP segment or one UDP datagram
//! side     one direction of a connection: segments -> bytes in order, gaps and what comes late told
//! flows    which connection is it, which end is the server, when does one end and the next begin
//! inbox    bytes of one direction that are no whole message yet
//! watch    bytes -> the protocol's own halves (watcher) -> messages with their deeds
//! torn     what is told where it cannot be read
//! gate     a message -> the verdict that a conduit would have given; session: one conversation before it
//! deeds    all that was asked, put together as sentences
//! read     the whole way, and what it came to
//! ```
//! Everything that is kept is bounded, whatever the file says, and every bound is a constant with its reason. What
//! cannot be read is told: nothing is skipped in silence.

mod deeds;
mod file;
mod flows;
mod gate;
mod inbox;
mod line;
mod pcap;
mod pcapng;
mod read;
mod session;
mod side;
mod torn;
mod watch;
mod watcher;
mod wire;

pub use self::{
    deeds::Asked,
    file::{FileFault, Packets},
    gate::{Gate, GateFault, Ruling},
    line::{Direction, Line, Shown},
    read::{Reading, Total, read},
};
