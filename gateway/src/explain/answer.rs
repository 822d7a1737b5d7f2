//! What does the peer get for a refused message? By the protocol's own refusal table, under the conduit's own settings.

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    policy::Denied,
    protocol::Protocol,
    vocab::{Mode, OnDeny},
};

use crate::engine::peer_options;

/// What a refused peer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The protocol's own error answer.
    Exception {
        /// Its code.
        code: u8,
        /// The protocol's words for it.
        words: &'static str,
    },
    /// Nothing: the message is dropped.
    Silence,
    /// The session ends.
    Close,
    /// The device's answer: monitor and learn pass the message on.
    Device,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exception { code, words } => write!(f, "exception {code:02X} ({words})"),
            Self::Silence => f.write_str("no answer: the message is dropped"),
            Self::Close => f.write_str("no answer: the session ends"),
            Self::Device => f.write_str("the device's answer: the message passes and is counted as would_deny"),
        }
    }
}

/// The answer to a message refused as `denied` on this conduit.
pub(super) fn to(conduit: &Conduit, denied: &Denied) -> Answer {
    match (conduit.mode, denied.by_deny_rule, conduit.on_deny) {
        (Mode::Monitor | Mode::Learn, false, _) => Answer::Device,
        (_, _, OnDeny::Drop) => Answer::Silence,
        (_, _, OnDeny::Close) => Answer::Close,
        (_, _, OnDeny::Refuse) => match conduit.protocol.answer(denied, &peer_options(conduit)) {
            Some(code) => Answer::Exception { code, words: words(conduit.protocol, code) },
            None => Answer::Silence,
        },
    }
}

/// What the protocol's specification calls an exception (Modbus application protocol V1.1b3, section 7).
fn words(protocol: Protocol, code: u8) -> &'static str {
    match protocol {
        Protocol::Modbus => match code {
            0x01 => "illegal function",
            0x02 => "illegal data address",
            0x03 => "illegal data value",
            0x04 => "server device failure",
            0x05 => "acknowledge",
            0x06 => "server device busy",
            0x08 => "memory parity error",
            0x0A => "gateway path unavailable",
            0x0B => "gateway target device failed to respond",
            _ => "an exception without a name",
        },
    }
}
