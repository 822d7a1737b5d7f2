//! What does the peer get for a refused message? By the protocol's own refusal table, under the conduit's own settings.

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    policy::Denied,
    vocab::{Mode, OnDeny},
};

use crate::engine::peer_options;

/// What a refused peer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The protocol's own error answer.
    Exception {
        /// Its code...
        code: u8,
        /// ...what the protocol calls it...
        named: &'static str,
        /// ...and the protocol's words for this one.
        words: &'static str,
    },
    /// Nothing: the message is dropped.
    Silence,
    /// The session ends.
    Close,
    /// The device's answer: monitor and learn pass the message on.
    Device,
}

impl Answer {
    /// What sort of answer it is, in one word for programs; an error answer's is what its protocol calls it, before any comma:
    /// `exception`, `negative_confirmation`.
    pub fn kind(&self) -> String {
        match self {
            Self::Exception { named, .. } => named.split(',').next().unwrap_or(named).replace(' ', "_"),
            Self::Silence => "silence".to_owned(),
            Self::Close => "close".to_owned(),
            Self::Device => "device".to_owned(),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exception { code, named, words } => write!(f, "{named} {code:02X} ({words})"),
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
            Some(code) => Answer::Exception {
                code,
                named: conduit.protocol.answer_word(),
                words: conduit.protocol.answer_says(code),
            },
            None => Answer::Silence,
        },
    }
}
