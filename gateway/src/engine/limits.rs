//! How much may pass, and whose excess is it?
//!
//! Buckets are asked in the order peer, class, conduit: a peer's excess is paid by that peer and never by the others.
//! Time is the engine's: one reading a wake-up.

use std::{cell::Cell, collections::BTreeSet, ops::ControlFlow, time::Duration};

use sluicegate_config::plan;
use sluicegate_proto::{protocol::Message, time::Mono};

use super::bucket::Bucket;
use crate::observe::metrics::Limit;

/// The limits of one conduit.
#[derive(Debug)]
pub struct Limits {
    now: Cell<Mono>,
    requests: Bucket,
    writes: Bucket,
    control: Bucket,
    bytes: Bucket,
    alarms: Bucket,
    plan: plan::Limits,
    peers: Vec<Option<Box<PeerLimits>>>,
}

/// The buckets of one identity: made when it first comes; the identities of a site are finite.
#[derive(Debug)]
struct PeerLimits {
    requests: Bucket,
    refusals: Bucket,
    targets: Targets,
}

/// What a message is, for the class limits, and which buckets it has paid already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Toll {
    /// Whose.
    pub identity: u16,
    /// Whether it writes.
    pub is_write: bool,
    /// Whether it controls.
    pub is_control: bool,
    /// Whether the peer's own bucket was paid before.
    pub peer_paid: bool,
}

impl Limits {
    /// Full buckets, for so many identities.
    pub fn new(plan: plan::Limits, identities: usize) -> Self {
        Self {
            requests: Bucket::new(plan.requests),
            writes: Bucket::new(plan.writes),
            control: Bucket::new(plan.control),
            bytes: Bucket::new(plan.bytes),
            alarms: Bucket::new(Some(ALARMS)),
            peers: std::iter::repeat_with(|| None).take(identities).collect(),
            now: Cell::default(),
            plan,
        }
    }

    /// Other limits are in force. A bucket whose rate is the same goes on as it is; one whose rate is another starts
    /// full. `places`: for each identity of now, its place before.
    pub(super) fn follow(&mut self, plan: plan::Limits, places: &[Option<usize>]) {
        let before = std::mem::replace(&mut self.plan, plan);
        let renew = |bucket: &mut Bucket, old: Option<plan::Rate>, new: Option<plan::Rate>| {
            if old != new {
                *bucket = Bucket::new(new);
            }
        };
        renew(&mut self.requests, before.requests, plan.requests);
        renew(&mut self.writes, before.writes, plan.writes);
        renew(&mut self.control, before.control, plan.control);
        renew(&mut self.bytes, before.bytes, plan.bytes);
        let mut old = std::mem::take(&mut self.peers);
        self.peers = places.iter().map(|place| old.get_mut((*place)?).and_then(Option::take)).collect();
        for peer in self.peers.iter_mut().flatten() {
            renew(&mut peer.requests, before.peer_requests, plan.peer_requests);
            renew(&mut peer.refusals, before.refusals, plan.refusals);
        }
    }

    /// The time of this wake-up.
    pub fn set_time(&self, now: Mono) {
        self.now.set(self.now.get().max(now));
    }

    /// Takes one request out of every bucket that it concerns.
    ///
    /// # Errors
    /// The limit that is spent, and how long until it is not.
    pub fn charge(&mut self, toll: Toll) -> Result<(), (Limit, Duration)> {
        let now = self.now.get();
        if !toll.peer_paid {
            self.peer(toll.identity).requests.take(1, now).map_err(|wait| (Limit::PeerRequests, wait))?;
        }
        if toll.is_control {
            self.control.take(1, now).map_err(|wait| (Limit::Control, wait))?;
        }
        if toll.is_write {
            self.writes.take(1, now).map_err(|wait| (Limit::Writes, wait))?;
        }
        self.requests.take(1, now).map_err(|wait| (Limit::Requests, wait))
    }

    /// Takes one refusal of this identity.
    ///
    /// # Errors
    /// Past the limit.
    pub(super) fn refusal(&mut self, identity: u16) -> Result<(), Duration> {
        let now = self.now.get();
        self.peer(identity).refusals.take(1, now)
    }

    /// Pays for bytes that were read. However much one read brings, all of it is paid for, in pieces that others
    /// who pay at the same time leave room for.
    ///
    /// # Errors
    /// How long reading must pause until the next piece can be paid.
    pub(super) fn pay(&mut self, unpaid: &mut usize) -> Result<(), Duration> {
        while *unpaid > 0 {
            let piece = u32::try_from(*unpaid).unwrap_or(u32::MAX).min(PIECE);
            let taken = self.bytes.clip(piece);
            let rest = unpaid.saturating_sub(usize::try_from(taken).unwrap_or(usize::MAX));
            self.bytes.take(taken, self.now.get())?;
            *unpaid = rest;
        }
        Ok(())
    }

    /// Takes one alarm about the device.
    ///
    /// # Errors
    /// There were enough for now.
    pub(super) fn alarm(&mut self) -> Result<(), Duration> {
        self.alarms.take(1, self.now.get())
    }

    /// Counts the points that a message touches.
    ///
    /// # Errors
    /// The identity has touched too many distinct points: a scan.
    pub(crate) fn touch(&mut self, identity: u16, message: &Message<'_>, now: Mono) -> Result<(), ()> {
        let Some(rate) = self.plan.targets else { return Ok(()) };
        self.peer(identity).targets.touch(rate, message, now)
    }

    fn peer(&mut self, identity: u16) -> &mut PeerLimits {
        let index = usize::from(identity);
        if index >= self.peers.len() {
            // An identity that a later configuration added.
            self.peers.resize_with(index + 1, || None);
        }
        let plan = &self.plan;
        self.peers[index].get_or_insert_with(|| {
            Box::new(PeerLimits {
                requests: Bucket::new(plan.peer_requests),
                refusals: Bucket::new(plan.refusals),
                targets: Targets::default(),
            })
        })
    }
}

/// Alarms about one device: more than anybody reads, less than a disk or a SIEM feels.
const ALARMS: plan::Rate = plan::Rate { count: 10, per: Duration::from_secs(1), burst: 100 };

/// The distinct points that an identity touched in the current window.
#[derive(Debug, Default)]
struct Targets {
    since: Option<Mono>,
    points: BTreeSet<(u32, u8, u32)>,
}

impl Targets {
    /// At most `rate.count` points are ever held: the next one is the refusal.
    fn touch(&mut self, rate: plan::Rate, message: &Message<'_>, now: Mono) -> Result<(), ()> {
        if self.since.is_none_or(|since| now.since(since) >= rate.per) {
            self.since = Some(now);
            self.points.clear();
        }
        let most = usize::try_from(rate.count).unwrap_or(usize::MAX);
        let flow = message.deeds(&mut |deed| {
            for index in deed.first..=deed.last {
                let point = (deed.unit, deed.object.0, index);
                if !self.points.contains(&point) {
                    if self.points.len() >= most {
                        return ControlFlow::Break(());
                    }
                    self.points.insert(point);
                }
            }
            ControlFlow::Continue(())
        });
        if flow.is_break() { Err(()) } else { Ok(()) }
    }
}

/// How many bytes are paid for at a time: at the built-in 4 MiB/s a read of 52 KiB is paid for in 50 steps of 250 us.
const PIECE: u32 = 1024;
