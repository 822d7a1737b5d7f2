//! What does a conduit keep for one device connection?

use std::{collections::VecDeque, sync::Arc, time::Duration};

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    deed::ReadFirst,
    half::{DeviceOptions, Ids, Signal, Ticket, Ties},
    out::Out,
    protocol::DeviceHalf,
    time::{Mono, Now},
};

use super::{LinkWant, SessionKey, core::Core, written::Stamp};
use crate::permit::Peer;

/// One device connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: State,
    /// Whose it is, where the session and it live and die together.
    pub(super) owner: Option<SessionKey>,
    /// Words of its peers' halves that wait for the connection.
    pub(super) signals: Vec<Signal>,
    pub(super) half: DeviceHalf,
    pub(super) spill: Vec<u8>,
    pub(super) out: Out,
    pub(super) flying: Flying,
    /// Whose turn was last: the next session in order goes next.
    pub(super) last_turn: Option<SessionKey>,
    /// Whether it came out of turn, for an `always` message.
    pub(super) last_urgent: bool,
    /// Messages in a row that answered nothing.
    pub(super) strays: u32,
    /// The last byte either way.
    pub(super) active: Mono,
    /// When it hears of the time; never later than its deadline.
    pub(super) armed: Option<Mono>,
    /// No dial before this.
    retry_at: Mono,
    backoff: Duration,
    /// This connection brought an answer: the device is there, not only its port.
    pub(super) answered: bool,
}

/// The life of a device connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No connection, none wanted.
    Rest,
    /// Being dialled.
    Dialling,
    /// Live.
    Up,
    /// To be closed.
    Closing,
    /// Its session is gone.
    Retired,
}

/// What is on a device's wire, in the order in which it left: few messages, and nearly always the first is answered.
#[derive(Debug, Default)]
pub(super) struct Flying {
    flights: VecDeque<(Ticket, Flight)>,
}

impl Flying {
    pub(super) fn insert(&mut self, ticket: Ticket, flight: Flight) {
        self.flights.push_back((ticket, flight));
    }

    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Flight> {
        let at = self.flights.iter().position(|(one, _)| *one == ticket)?;
        self.flights.remove(at).map(|(_, flight)| flight)
    }

    /// All of it, the oldest first.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Ticket, Flight)> + use<> {
        std::mem::take(&mut self.flights).into_iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }
}

/// A message on the device's wire.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) what: Flown,
    pub(super) since: Mono,
    /// Who must answer.
    pub(super) unit: u32,
    /// Which writes had left before it.
    pub(super) stamp: Stamp,
}

/// Whose message is on the wire.
#[derive(Debug)]
pub(super) enum Flown {
    /// A peer's.
    Peer(SessionKey),
    /// Our own.
    Own(OwnRead),
}

/// A read of our own, made for a peer's message.
#[derive(Debug)]
pub(super) struct OwnRead {
    /// Whose message waits for it...
    pub(super) session: SessionKey,
    /// ...and who that is, also when the session has ended.
    pub(super) peer: Arc<Peer>,
    /// What was read.
    pub(super) read: ReadFirst,
}

/// Bytes that may wait for a slow device: a few full frames for each request that may be outstanding.
const OUT_LIMIT: usize = 64 * 1024;
/// The first pause after a failed dial; it doubles up to [`LONGEST_BACKOFF`]. Meanwhile requests are answered at once.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// A device that came back is noticed within this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

impl Link {
    pub(super) fn new(core: &Core) -> Self {
        Self {
            state: State::Rest,
            owner: None,
            signals: Vec::new(),
            half: device_half(core.conduit()),
            spill: Vec::new(),
            out: Out::new(OUT_LIMIT),
            flying: Flying::default(),
            last_turn: None,
            last_urgent: false,
            strays: 0,
            active: Mono::ZERO,
            armed: None,
            retry_at: Mono::ZERO,
            backoff: FIRST_BACKOFF,
            answered: false,
        }
    }

    pub(super) fn want(&self) -> LinkWant {
        match self.state {
            State::Rest => LinkWant::Rest,
            State::Dialling => LinkWant::Dial,
            State::Up => LinkWant::Pump,
            State::Closing => LinkWant::Close,
            State::Retired => LinkWant::Gone,
        }
    }

    /// A fresh connection knows nothing of the last one's ids.
    pub(super) fn up(&mut self, core: &Core, now: Now) {
        if self.state == State::Dialling {
            self.state = State::Up;
            self.half = device_half(core.conduit());
            self.strays = 0;
            self.spill = Vec::new();
            self.out.clear();
            self.active = now.mono;
            self.answered = false;
            for signal in std::mem::take(&mut self.signals) {
                self.half.signal(signal, now, &mut self.out);
            }
        }
    }

    /// Whether a dial may start now: not while the last failure is fresh.
    pub(super) fn may_dial(&self, now: Mono) -> bool {
        now >= self.retry_at
    }

    pub(super) fn dial_failed(&mut self, now: Mono) {
        if std::mem::take(&mut self.answered) {
            self.backoff = FIRST_BACKOFF;
        }
        self.retry_at = now.after(self.backoff);
        self.backoff = self.backoff.saturating_mul(2).min(LONGEST_BACKOFF);
    }

    pub(super) fn deadline(&self, conduit: &Conduit) -> Option<Mono> {
        if self.state != State::Up {
            return None;
        }
        [self.idle_at(conduit), self.half.deadline()].into_iter().flatten().min()
    }

    /// When it has stood unused for long enough. One that is bound to its session stands as long as that does.
    pub(super) fn idle_at(&self, conduit: &Conduit) -> Option<Mono> {
        let idle = self.flying.is_empty() && conduit.protocol.ties() == Ties::Loose;
        idle.then(|| self.active.after(conduit.upstream_idle))
    }

    /// A word for its half: now, or once the connection stands. Of words of one kind the last one counts.
    pub(super) fn signal(&mut self, signal: Signal, now: Now) {
        if self.state == State::Up {
            return self.half.signal(signal, now, &mut self.out);
        }
        self.signals.retain(|one| one.kind != signal.kind);
        self.signals.push(signal);
    }

    pub(super) fn check_invariants(&self) {
        self.half.check_invariants();
        assert!(self.half.in_flight() <= self.flying.len(), "the half has in flight what the link does not know");
        assert!(self.state == State::Up || self.flying.is_empty(), "nothing flies without a connection");
    }
}

fn device_half(conduit: &Conduit) -> DeviceHalf {
    conduit.protocol.device_half(&DeviceOptions {
        settings: conduit.settings.clone(),
        pending: usize::from(conduit.upstream_pending),
        frame_timeout: conduit.timeouts.frame,
        request_timeout: conduit.timeouts.request,
        ids: Ids::Own,
    })
}
