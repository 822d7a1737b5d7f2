//! Sockets, time, keys, people: the room in which proto and config are put to work.
//!
//! ```text
//! run        configuration -> threads -> ready -> stop in three steps
//! listen     bind, accept; never waits for a peer
//! admit      source networks, rates, room: before any cryptography
//! handshake  TLS, identity, standing; on threads of its own
//! worker     the data threads: one conduit lives on one of them; session and link tasks drive its engine
//! link       one device connection: dial, carry, end
//! io         one stream, plain or TLS, between a socket and an engine
//! engine     one conduit without its sockets: sessions, links, limits, judgement; time is an argument
//! permit     the only way to a session: peer x conduit x policy
//! faults     which of our own parts fail, and what that does to a conduit
//! pki        certificates for a small plant
//! trust      certificate -> peer: authority, names, role, revocation
//! observe    metrics, audit records, the journal, the admin endpoint
//! check      is this configuration fit to run? Policy tests, read gaps, series
//! capture    what a capture holds, message by message
//! explain    what would the gate do with this message, and why; who can do this
//! compare    what would change for whom, if one configuration took the place of another
//! reload     the policy's life: loaded anew, on trial, confirmed, gone back from, remembered
//! control    the socket of local commands
//! cli        the commands and how they end
//! demo       a device, an operator, an attacker, and the real binary between them
//! ```

pub mod admit;
pub mod capture;
pub mod check;
pub mod cli;
pub mod compare;
pub mod control;
pub mod demo;
pub mod engine;
pub mod explain;
pub mod faults;
pub mod handshake;
pub mod io;
mod link;
pub mod listen;
pub mod notify;
pub mod observe;
pub mod permit;
pub mod pki;
pub mod reload;
pub mod run;
pub mod tasks;
pub mod trust;
pub mod worker;
