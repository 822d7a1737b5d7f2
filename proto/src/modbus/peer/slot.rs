//! What is kept of a request until it is answered?

use alloc::boxed::Box;

use super::super::{
    frame::{Pen, Sheet},
    function::EXCEPTION,
    keys::{Framing, Ways},
    refusal,
};
use crate::{
    half::{Asked, Body, Ticket},
    policy::Denied,
    vocab::OnDeny,
};

/// One request that is not answered yet.
#[derive(Debug)]
pub(super) struct Slot {
    /// The peer's own id; one of ours where its framing has none.
    pub(super) id: u16,
    /// The unit as the peer names it.
    pub(super) peer_unit: u8,
    /// The unit behind the conduit.
    pub(super) unit: u8,
    pub(super) function: u8,
    /// The exception that an illegal message earns, whatever else is said about it.
    own: Option<u8>,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// On its way to the device and back.
    Waiting(Ticket),
    /// Its answer waits for the answers before it.
    Ready(Box<[u8]>),
}

/// How refusals are written.
#[derive(Debug)]
pub(super) struct Manner {
    pub(super) ways: Ways,
    /// What the policy refuses is 01, as the security profile wants it.
    pub(super) roles_only: bool,
}

impl Slot {
    /// The slot of a message; `None` for what this half never gave out.
    pub(super) fn of(asked: &Asked<'_>, state: State) -> Option<Self> {
        let (unit, function, own) = match asked.body {
            Body::Message(message) => (message.unit(), message.function(), None),
            Body::Illegal { function, unit, answer, .. } => (unit, function, Some(answer)),
        };
        let (id, peer_unit) = apart(asked.id)?;
        Some(Self { id, peer_unit, unit: u8::try_from(unit).ok()?, function: u8::try_from(function).ok()?, own, state })
    }

    /// The answer to a refusal; `None` for silence.
    pub(super) fn refusal(&self, denied: &Denied, style: OnDeny, manner: &Manner) -> Option<Sheet> {
        let ways = &manner.ways;
        // Nobody answers a broadcast on a serial line; an answer there would be taken for that of the next request.
        if ways.broadcast && self.unit == 0 && ways.framing == Framing::Rtu {
            return None;
        }
        let code = || self.own.or_else(|| refusal::code(denied, ways, manner.roles_only));
        match style {
            OnDeny::Refuse => code().map(|code| self.exception(code, ways.framing)),
            OnDeny::Drop | OnDeny::Close => None,
        }
    }

    pub(super) fn exception(&self, code: u8, framing: Framing) -> Sheet {
        Sheet::framed(framing, self.id, self.peer_unit, |pdu| pdu.put(&[self.function | EXCEPTION, code]))
    }
}

/// The handle of a message: its id, and the unit as the peer names it.
pub(super) fn handle(id: u16, peer_unit: u8) -> u32 {
    u32::from(peer_unit).wrapping_shl(16) | u32::from(id)
}

fn apart(handle: u32) -> Option<(u16, u8)> {
    Some((u16::try_from(handle & 0xFFFF).ok()?, u8::try_from(handle.wrapping_shr(16)).ok()?))
}
