//! How much may a conduit do, how long may it wait, and what do our own faults do to it?

use std::time::Duration;

use sluicegate_proto::vocab::{Mode, OnDeny};

use super::Ground;
use crate::{
    fault::{Fault, Faults},
    finding::codes,
    plan::{FaultAction, Faults as FaultPlan, Limits, Rate, Timeouts, Zone},
    read::{
        scalar,
        tree::{Table, Text},
    },
};

/// A conduit's own keys, and `[defaults]` where it says nothing.
#[derive(Clone, Copy)]
pub(super) struct Layers<'m> {
    own: &'m Table,
    defaults: Option<&'m Table>,
}

impl<'m> Layers<'m> {
    pub(super) fn of(ground: &Ground<'m>, own: &'m Table) -> Self {
        Self { own, defaults: ground.root.table("defaults") }
    }

    fn text(&self, key: &str) -> Option<Text<'m>> {
        let table = if self.own.get(key).is_some() { Some(self.own) } else { self.defaults };
        table?.text(key)
    }

    fn int(&self, key: &str) -> Option<i64> {
        let table = if self.own.get(key).is_some() { Some(self.own) } else { self.defaults };
        table?.int(key)
    }

    pub(super) fn mode(&self) -> Mode {
        self.text("mode").and_then(|(word, _)| Mode::parse(word)).unwrap_or(Mode::Enforce)
    }

    pub(super) fn on_deny(&self) -> OnDeny {
        self.text("on_deny").and_then(|(word, _)| OnDeny::parse(word)).unwrap_or(OnDeny::Refuse)
    }

    pub(super) fn max_sessions(&self) -> u32 {
        self.int("max_sessions").and_then(|most| u32::try_from(most).ok()).unwrap_or(32)
    }

    pub(super) fn pending(&self) -> u16 {
        self.int("pending").and_then(|most| u16::try_from(most).ok()).unwrap_or(16)
    }

    pub(super) fn timeouts(&self, faults: &mut Faults) -> Timeouts {
        let mut wait = |key, built_in| self.text(key).and_then(|text| positive(text, faults)).unwrap_or(built_in);
        Timeouts {
            idle: wait("idle_timeout", Duration::from_secs(300)),
            request: wait("request_timeout", Duration::from_secs(10)),
            queue: wait("queue_timeout", Duration::from_secs(10)),
            frame: wait("frame_timeout", Duration::from_secs(5)),
            handshake: wait("handshake_timeout", Duration::from_secs(5)),
            half_close: wait("half_close_timeout", Duration::from_secs(60)),
            drain: wait("drain_timeout", Duration::from_secs(10)),
        }
    }
}

/// A wait that ends before it begins would refuse everything.
pub(super) fn positive((text, at): Text<'_>, faults: &mut Faults) -> Option<Duration> {
    let wait = scalar::duration(text).ok()?;
    if wait.is_zero() {
        faults.add(Fault::new(codes::DURATION, at, "a wait of no length", "must be longer than zero"));
        return None;
    }
    Some(wait)
}

pub(super) fn limits(conduit: &Table, from: Option<&Zone>) -> Limits {
    let table = conduit.table("limits");
    let rate = |key: &str, built_in: Option<Rate>| {
        let written = table.and_then(|table| table.text(key)).map(|(text, _)| scalar::rate(text, key == "bytes"));
        written.and_then(Result::ok).or(built_in)
    };
    let flood = table.and_then(|table| table.text("on_refusal_flood")).map(|(word, _)| word == "sever");
    Limits {
        requests: rate("requests", per_second(1000, 500)),
        peer_requests: rate("peer_requests", per_second(500, 250)),
        writes: rate("writes", None),
        control: rate("control", None),
        connections: rate("connections", per_second(10, 32)),
        bytes: rate("bytes", per_second(4 << 20, 4 << 20)),
        refusals: rate("refusals", per_second(20, 100)),
        targets: rate("targets", None),
        sever_on_flood: flood.unwrap_or_else(|| from.is_some_and(|zone| zone.untrusted)),
    }
}

fn per_second(count: u64, burst: u64) -> Option<Rate> {
    Some(Rate { count, per: Duration::from_secs(1), burst })
}

/// Essential conduits keep their live sessions and refuse new ones after the grace; others close.
pub(super) fn faults(conduit: &Table) -> FaultPlan {
    let table = conduit.table("faults");
    let essential = conduit.flag("essential");
    let built_in = if essential { FaultAction::RefuseNew } else { FaultAction::Close };
    let action = |key: &str| match table.and_then(|table| table.text(key)) {
        Some(("close", _)) => FaultAction::Close,
        Some(("refuse-new", _)) => FaultAction::RefuseNew,
        Some(("keep", _)) => FaultAction::Keep,
        Some(_) | None => built_in,
    };
    let grace = table.and_then(|table| table.text("grace")).and_then(|(text, _)| scalar::duration(text).ok());
    FaultPlan {
        crl_stale: action("crl_stale"),
        certificate_expired: action("certificate_expired"),
        audit_full: action("audit_full"),
        broker_lost: action("broker_lost"),
        clock_unknown: action("clock_unknown"),
        grace: grace.unwrap_or(if essential { Duration::from_secs(72 * 3600) } else { Duration::ZERO }),
    }
}
