//! What crosses between the peer's half and the device's half?
//!
//! ```text
//! peer bytes -> PeerHalf.next -> Asked(message) -> judge -> accept(ticket) | refuse
//!                                                     accept -> queue -> DeviceHalf.submit(ticket) -> device
//! device bytes -> DeviceHalf.next -> Told(ticket, answer) -> PeerHalf.deliver(ticket) -> peer
//! ```
//! What a device says unasked (an event, a late confirmation) goes the same way: Unasked(message) -> judge ->
//! PeerHalf.report, or DeviceHalf.unreported. What the halves of one protocol must tell each other (it is started, so
//! much is acknowledged) crosses as a [`Signal`].
//! Both halves are made by `Protocol::peer_half` and `Protocol::device_half`; dispatch is by enum (see `protocol`).

use crate::{
    protocol::{Answer, Message},
    vocab::{Cause, Reason, Repair},
};

/// Names one accepted message on its way to the device and back. Unique within a conduit's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A word from one half of a protocol to the other. The engine carries it, and dials where the device's link is at
/// rest; it does not understand it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Which word, by the protocol's own count.
    pub kind: u8,
    /// Its number, where it has one.
    pub value: u32,
    /// What it says about the device's floor.
    pub floor: Floor,
}

/// Where only one session at a time should speak with the device, who is it?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// It says nothing about that.
    Silent,
    /// The session wants it from now on.
    Takes,
    /// The session leaves it.
    Leaves,
}

/// What becomes of a session that wants the floor while another has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rivals {
    /// Nothing: any number may speak.
    Welcome,
    /// It ends; the first one keeps the floor.
    Refused,
    /// It gets the floor, and the other one ends.
    TakeOver,
}

/// How a protocol's connections live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// A message needs a device connection while it is on its way, and any will do.
    Loose,
    /// Each session has a device connection of its own, dialled when it opens: what happens to the one happens to the
    /// other. Its halves find out themselves whether the other side is still there.
    Bound,
}

/// What arrived.
#[derive(Clone, Copy, Debug)]
pub enum Input<'b> {
    /// All bytes of a stream that were not used yet, from the oldest on.
    Stream(&'b [u8]),
    /// One whole datagram.
    Datagram(&'b [u8]),
    /// The other side has ended its sending.
    Eof,
}

/// What a [`PeerHalf`](crate::protocol::PeerHalf) made of its input.
#[derive(Debug)]
pub enum Step<'b> {
    /// Nothing whole yet. Give the same bytes again once there are at least this many.
    Need {
        /// The smallest length of input with which it is worth asking again.
        at_least: usize,
    },
    /// One whole message. Its bytes are used.
    Asked(Asked<'b>),
    /// A whole message whose turn has not come: ask again with the same bytes when an answer has left.
    Wait,
    /// The protocol's own housekeeping, already answered. Its bytes are used.
    Own {
        /// How many bytes of the input were used.
        used: usize,
    },
    /// A word for the device's half. `used` may be 0: the same bytes say more, so ask again.
    Signal {
        /// How many bytes of the input were used.
        used: usize,
        /// The word.
        signal: Signal,
    },
    /// The session cannot go on. `reason` is absent where the peer ended it in good order.
    End {
        /// Why, for the session's record.
        cause: Cause,
        /// Why the last bytes were refused, for the denial counter.
        reason: Option<Reason>,
    },
}

/// One whole message of a peer, not judged yet.
#[derive(Debug)]
pub struct Asked<'b> {
    /// How many bytes of the input it used.
    pub used: usize,
    /// Its bytes as they came, for the audit's frame hash.
    pub frame: &'b [u8],
    /// The protocol's own handle on it (Modbus: the transaction id), for `accept` and `refuse`.
    pub id: u32,
    /// What it says.
    pub body: Body<'b>,
    /// Whether it was brought to its canonical form, and how.
    pub repaired: Option<Repair>,
}

/// What a whole message says.
#[derive(Clone, Copy, Debug)]
pub enum Body<'b> {
    /// A legal message, canonical, not judged yet.
    Message(Message<'b>),
    /// Well framed but outside what its function legally carries: refused in every mode.
    Illegal {
        /// Why.
        reason: Reason,
        /// The function code that it claims.
        function: u16,
        /// The unit that it claims.
        unit: u32,
        /// The protocol's own error code for it.
        answer: u8,
    },
}

/// What the device said about one ticket.
#[derive(Debug)]
pub struct Told<'b> {
    /// Whose answer it is.
    pub ticket: Ticket,
    /// The answer, validated against its request and repaired where language.md says so.
    pub answer: Answer<'b>,
    /// How it counts in `responses_total`.
    pub outcome: Outcome,
    /// The exception code that the device sent, where it sent one (as it came, before repair).
    pub exception: Option<u8>,
    /// Whether it was repaired, and how.
    pub repaired: Option<Repair>,
}

/// A message of the device that is no answer in the sense of [`Told`]: an event, a confirmation, what follows one.
#[derive(Debug)]
pub struct Unasked<'b> {
    /// What it says.
    pub message: Message<'b>,
    /// Its bytes as they came, for the audit's frame hash.
    pub frame: &'b [u8],
    /// The device half's own handle on it, for `unreported`, and for the peer's half to speak of in signals.
    pub id: u32,
    /// What it has to do with what was asked.
    pub place: Place,
    /// What it carries that no sensor or clock in good order says: it passes, and is told.
    pub odd: Option<&'static str>,
}

/// What a message of the device has to do with what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing, or it is data that a peer asked for: judged as a report.
    Report,
    /// It settles a message in flight: the answer to what was allowed.
    Settles(Ticket, Outcome),
    /// It follows what was settled or given up before: a late confirmation, the end of an activation.
    Follows,
}

/// What became of a message on its way to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It left, and its answer is awaited.
    Awaited,
    /// It left, and nobody answers it.
    Unanswered,
}

/// How an answer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A normal answer.
    Ok,
    /// The device's own refusal.
    Exception,
}

/// What a [`DeviceHalf`](crate::protocol::DeviceHalf) made of its input.
#[derive(Debug)]
pub enum DeviceStep<'b> {
    /// Nothing whole yet.
    Need {
        /// The smallest length of input with which it is worth asking again.
        at_least: usize,
    },
    /// An answer to a ticket.
    Told {
        /// How many bytes of the input were used.
        used: usize,
        /// The answer.
        told: Told<'b>,
    },
    /// A message that nobody asked for, or that confirms one.
    Unasked {
        /// How many bytes of the input were used.
        used: usize,
        /// The message.
        unasked: Unasked<'b>,
    },
    /// A word for the peer's half. `used` may be 0: the same bytes say more, so ask again.
    Signal {
        /// How many bytes of the input were used.
        used: usize,
        /// The word.
        signal: Signal,
    },
    /// A message that answers nothing in flight: dropped and counted under `reason`
    /// (`unsolicited_response`, `response_mismatch`).
    Dropped {
        /// How many bytes of the input were used.
        used: usize,
        /// Why.
        reason: Reason,
        /// The ticket that it spoiled: it will never be answered in good order and is failed now.
        spoiled: Option<Ticket>,
    },
    /// Housekeeping. Its bytes are used.
    Own {
        /// How many bytes of the input were used.
        used: usize,
    },
    /// This device connection cannot go on.
    End {
        /// Why.
        cause: Cause,
        /// Why the last bytes were refused, where they were.
        reason: Option<Reason>,
    },
}

/// What the clock did to a [`DeviceHalf`](crate::protocol::DeviceHalf). Ask again until it is `Idle`.
#[derive(Debug, PartialEq, Eq)]
pub enum DeviceTick {
    /// Nothing is due.
    Idle,
    /// This request was not answered in time. Its entry stays as a tombstone; a late answer is dropped.
    TimedOut(Ticket),
    /// This device connection cannot go on.
    End(Cause),
}

/// Whose ids stand on the device's wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ids {
    /// Our own counter.
    #[default]
    Own,
    /// Those seen in a capture (`replay`, `decode`): the half only watches. The ticket's low 32 bits are [`Asked::id`].
    /// A half that watches gives up on the oldest request instead of refusing the next, and takes a conversation up
    /// where it finds it.
    Observed,
}

/// What a peer's half is made with.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// The protocol's own settings.
    pub settings: crate::keys::Settings,
    /// Unanswered messages that it may hold; then [`PeerHalf::has_room`](crate::protocol::PeerHalf::has_room) says no.
    pub pending: usize,
    /// From a message's first byte to its last.
    pub frame_timeout: core::time::Duration,
    /// A session without a message for so long ends: a half that keeps its connection alive does so within this.
    pub idle_timeout: core::time::Duration,
    /// Peers have their roles from their certificates alone: refusals say as little as the security profile wants.
    pub roles_by_certificate: bool,
    /// Whether it speaks, or only watches what others speak.
    pub ids: Ids,
}

/// What a device's half is made with.
#[derive(Clone, Debug)]
pub struct DeviceOptions {
    /// The protocol's own settings.
    pub settings: crate::keys::Settings,
    /// Requests outstanding on this connection.
    pub pending: usize,
    /// From a message's first byte to its last.
    pub frame_timeout: core::time::Duration,
    /// From the write on the wire to the device to its answer.
    pub request_timeout: core::time::Duration,
    /// Whose ids.
    pub ids: Ids,
}

impl Default for PeerOptions {
    fn default() -> Self {
        Self {
            settings: crate::keys::Settings::default(),
            pending: 0,
            frame_timeout: core::time::Duration::ZERO,
            idle_timeout: core::time::Duration::MAX,
            ids: Ids::Own,
            roles_by_certificate: false,
        }
    }
}
