//! What does the peer get for a refused message?
//!
//! Both halves play it: the device's half writes the message as a peer would, the peer's half refuses it, and the device's half
//! reads the refusal. So the answer shown is the one on the wire, by the protocol's own refusal table.

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    half::{Body, DeviceOptions, DeviceStep, Ids, Input, PeerOptions, Step, Ticket},
    out::Out,
    policy::Denied,
    protocol::{Message, Protocol},
    time::Now,
    vocab::{Mode, OnDeny},
};

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

/// The answer to `message` refused as `denied` on this conduit.
pub(super) fn to(conduit: &Conduit, message: &Message<'_>, denied: &Denied) -> Answer {
    match (conduit.mode, denied.by_deny_rule, conduit.on_deny) {
        (Mode::Monitor | Mode::Learn, false, _) => Answer::Device,
        (_, _, OnDeny::Drop) => Answer::Silence,
        (_, _, OnDeny::Close) => Answer::Close,
        (_, _, OnDeny::Refuse) => match played(conduit, message, denied) {
            Some(code) => Answer::Exception { code, words: words(conduit.protocol, code) },
            None => Answer::Silence,
        },
    }
}

/// The exception code that leaves, if one does.
fn played(conduit: &Conduit, message: &Message<'_>, denied: &Denied) -> Option<u8> {
    let now = Now::default();
    let mut device = conduit.protocol.device_half(&DeviceOptions {
        settings: conduit.settings.clone(),
        pending: 1,
        frame_timeout: conduit.timeouts.frame,
        request_timeout: conduit.timeouts.request,
        ids: Ids::Own,
    });
    let mut peer = conduit.protocol.peer_half(&PeerOptions {
        settings: conduit.settings.clone(),
        pending: 1,
        frame_timeout: conduit.timeouts.frame,
    });
    let (mut asked, mut refused, mut none) = (Out::new(OUT), Out::new(OUT), Out::new(OUT));
    device.submit(message, Ticket(0), now, &mut asked).ok()?;
    let Step::Asked(asked) = peer.next(Input::Stream(asked.as_slice()), now, &mut none) else {
        return None;
    };
    match asked.body {
        Body::Message(_) => {}
        Body::Illegal { answer, .. } => return Some(answer),
    }
    peer.refuse(&asked, denied, OnDeny::Refuse, &mut refused).ok()?;
    match device.next(Input::Stream(refused.as_slice()), now, &mut none) {
        DeviceStep::Told { told, .. } => told.exception,
        DeviceStep::Need { .. } | DeviceStep::Dropped { .. } | DeviceStep::Own { .. } | DeviceStep::End { .. } => None,
    }
}

/// The largest message of any protocol here, twice.
const OUT: usize = 8192;

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
