//! Sockets, time, keys, people: the room in which proto and config are put to work.
//!
//! ```text
//! engine     one conduit without its sockets: sessions, links, limits, judgement; time is an argument
//! permit     the only way to a session: peer x conduit x policy
//! pki        certificates for a small plant
//! observe    metrics, audit records, the journal, the admin endpoint
//! ```

pub mod engine;
pub mod observe;
pub mod permit;
pub mod pki;
