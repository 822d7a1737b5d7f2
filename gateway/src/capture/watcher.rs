//! How are the halves made that only watch, and what time is it for them?

use sluicegate_proto::{
    half::{DeviceOptions, Ids, PeerOptions},
    keys::Settings,
    out::Out,
    protocol::{DeviceHalf, PeerHalf, Protocol},
    time::{Mono, Now},
};

use super::{gate::Gate, line::Line, read::Total};

/// Requests whose answers are awaited, of one conversation.
const PENDING: usize = 64;
/// What a half would send of its own goes nowhere; this much of it at a time.
const NOWHERE: usize = 64 * 1024;

/// How halves that watch are made, and what they are told.
pub(super) struct Watcher<'s> {
    pub(super) protocol: Protocol,
    settings: Settings,
    /// What halves would send.
    pub(super) out: Out,
    pub(super) now: Now,
    /// The gate that is replayed against.
    pub(super) gate: Option<Gate<'s>>,
    pub(super) total: Total,
    sink: &'s mut dyn FnMut(&Line),
}

impl<'s> Watcher<'s> {
    pub(super) fn new(
        protocol: Protocol,
        settings: Settings,
        gate: Option<Gate<'s>>,
        sink: &'s mut dyn FnMut(&Line),
    ) -> Self {
        Self { protocol, settings, out: Out::new(NOWHERE), now: Now::default(), gate, total: Total::default(), sink }
    }

    /// One more line.
    pub(super) fn tell(&mut self, line: &Line) {
        self.total.line(line);
        (self.sink)(line);
    }

    /// It is as late as this packet. Time never steps back, whatever the file says.
    pub(super) fn set_time(&mut self, time: Option<u64>) {
        let mono = Mono::from_nanos(time.unwrap_or(0).min(END_OF_TIME));
        self.now.mono = self.now.mono.max(mono);
        if let Some(gate) = &mut self.gate {
            gate.set_time(self.now.mono, time);
        }
    }

    pub(super) fn peer(&self) -> PeerHalf {
        self.protocol.peer_half(&PeerOptions {
            settings: self.settings.clone(),
            pending: PENDING,
            frame_timeout: NEVER,
            roles_by_certificate: false,
            idle_timeout: NEVER,
            ids: Ids::Observed,
        })
    }

    pub(super) fn device(&self) -> DeviceHalf {
        self.protocol.device_half(&DeviceOptions {
            settings: self.settings.clone(),
            pending: PENDING,
            frame_timeout: NEVER,
            request_timeout: NEVER,
            ids: Ids::Observed,
        })
    }
}

/// The year 2116. What a broken file says comes later, and deadlines that follow from it could not be told any more.
const END_OF_TIME: u64 = 1 << 62;

/// A capture has its own time: nothing is given up for being late.
const NEVER: std::time::Duration = std::time::Duration::from_secs(100 * 365 * 24 * 3600);
