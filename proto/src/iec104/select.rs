//! What has this centre selected, and may it be executed? (IEC 60870-5-101 6.8)
//!
//! A select counts from its confirmation on, for `select_timeout`, for one execute of the same type at the same point
//! with the same value, of the same originator and under the same test bit: what is sent for a test selects nothing that
//! may be executed in earnest. A deactivation ends it.

use alloc::vec::Vec;
use core::time::Duration;

use super::{
    asdu::{Asdu, Direction, Object},
    cause,
    request::Request,
};
use crate::time::{Mono, Now};

/// The points that one centre has selected.
#[derive(Debug)]
pub(super) struct Selected {
    timeout: Duration,
    points: Vec<Point>,
}

#[derive(Debug, PartialEq, Eq)]
struct Point {
    type_id: u8,
    ca: u16,
    ioa: u32,
    act: Act,
    until: Mono,
}

/// Who acts, and what on: test bit, originator, value and qualifier.
type Act = (bool, u8, [u8; LONGEST_ACT]);

/// A short floating point number and its qualifier.
const LONGEST_ACT: usize = 5;
/// A centre selects one point, or a few. Past this the oldest is forgotten, and its execute refused.
const MOST: usize = 64;
/// S/E.
const SELECT: u8 = 0x80;

impl Selected {
    pub(super) const fn new(timeout: Duration) -> Self {
        Self { timeout, points: Vec::new() }
    }

    /// The station has confirmed this, by an image of it: what it confirms must be this select, and no other act at the
    /// same point.
    pub(super) fn confirmed(&mut self, asdu: &[u8], image: &Request<'_>, now: Now) {
        let Ok(asdu) = Asdu::read(asdu, Direction::Control) else { return };
        if asdu.cause() != cause::ACTIVATION || !Request::new(asdu).selects() {
            return;
        }
        let acts = |asdu: &Asdu<'_>| asdu.objects().next().and_then(|object| act(asdu, &object));
        if !image.selects() || acts(&image.asdu) != acts(&asdu) {
            return;
        }
        let until = now.mono.after(self.timeout);
        for object in asdu.objects() {
            self.forget(&asdu, object.ioa);
            if self.points.len() >= MOST {
                self.points.remove(0);
            }
            self.points.extend(act(&asdu, &object).map(|act| Point {
                type_id: asdu.type_id(),
                ca: asdu.ca(),
                ioa: object.ioa,
                act,
                until,
            }));
        }
    }

    /// Whether all that this executes is selected.
    pub(super) fn holds(&self, asdu: &Asdu<'_>, now: Now) -> bool {
        let held = |object: Object<'_>| {
            self.points.iter().any(|point| {
                point.is(asdu, object.ioa) && Some(point.act) == act(asdu, &object) && now.mono < point.until
            })
        };
        !self.points.is_empty() && asdu.objects().all(held)
    }

    /// Until when all that this executes is selected; nothing where some of it is not.
    pub(super) fn until(&self, asdu: &Asdu<'_>) -> Option<Mono> {
        let until =
            |object: Object<'_>| self.points.iter().find(|point| point.is(asdu, object.ioa)).map(|point| point.until);
        asdu.objects().map(until).try_fold(None, |first: Option<Mono>, one| {
            let one = one?;
            Some(Some(first.map_or(one, |first| first.min(one))))
        })?
    }

    /// An execute uses its select up, and a deactivation ends it.
    pub(super) fn spend(&mut self, request: &Request<'_>) {
        let asdu = &request.asdu;
        if request.selects() && asdu.cause() == cause::ACTIVATION {
            return;
        }
        for object in asdu.objects() {
            self.forget(asdu, object.ioa);
        }
    }

    fn forget(&mut self, asdu: &Asdu<'_>, ioa: u32) {
        self.points.retain(|point| !point.is(asdu, ioa));
    }
}

impl Point {
    fn is(&self, asdu: &Asdu<'_>, ioa: u32) -> bool {
        (self.type_id, self.ca, self.ioa) == (asdu.type_id(), asdu.ca(), ioa)
    }
}

/// What a command does, without S/E and time; nothing for a type that cannot be selected.
fn act(asdu: &Asdu<'_>, object: &Object<'_>) -> Option<Act> {
    let qualifier = match asdu.type_id() {
        45..=47 | 58..=60 => 0usize,
        48 | 49 | 61 | 62 => 2,
        50 | 63 => 4,
        _ => return None,
    };
    let mut act = [0; LONGEST_ACT];
    for (at, (to, from)) in act.iter_mut().zip(object.element).enumerate().take(qualifier.saturating_add(1)) {
        *to = if at == qualifier { from & !SELECT } else { *from };
    }
    Some((asdu.is_test(), asdu.originator(), act))
}

#[cfg(test)]
mod tests;
