//! What does the device hold, as far as the conduit has seen?
//!
//! Lives at the conduit, never per session.

use alloc::{collections::BTreeMap, sync::Arc};

use super::{PolicySet, compile::Compiled};
use crate::{
    deed::{ObjectId, ReadFirst, Seen},
    time::Mono,
};

/// Values seen in read answers and acknowledged writes. Only points that some rule asks about are kept, on served
/// units, and never more than [`Held::MAX`].
#[derive(Debug)]
pub struct Held {
    policy: Arc<Compiled>,
    seen: BTreeMap<Point, (u16, Mono)>,
}

/// Unit, object, address.
type Point = (u32, ObjectId, u32);

impl Held {
    /// The most points kept: every address of one unit. A conduit whose rules ask about more forgets the farthest
    /// ones first and reads them again when a verdict needs them.
    pub const MAX: usize = 65_536;

    /// Keeps only what `rules` can ask about (`step`, `when`, `from`), for `step_age`.
    pub fn new(policy: &PolicySet) -> Self {
        Self { policy: Arc::clone(&policy.inner), seen: BTreeMap::new() }
    }

    /// A new policy asks about other points; what is still asked about is kept.
    pub fn follow(&mut self, policy: &PolicySet) {
        self.policy = Arc::clone(&policy.inner);
        let policy = &self.policy;
        self.seen.retain(|(unit, object, address), _| policy.serves_unit(*unit) && policy.watches(*object, *address));
    }

    /// A read's answer or an acknowledged write.
    pub fn learn(&mut self, seen: Seen, now: Mono) {
        if !self.policy.watches(seen.object, seen.address) || !self.policy.serves_unit(seen.unit) {
            return;
        }
        let point = (seen.unit, seen.object, seen.address);
        if self.seen.len() >= Self::MAX && !self.seen.contains_key(&point) {
            self.make_room(point);
        }
        self.seen.insert(point, (seen.value, now));
    }

    /// A write on these points is in flight (or its fate is unknown): what was known no longer holds.
    pub fn forget(&mut self, range: &ReadFirst) {
        let Some(last) = range.count.checked_sub(1).map(|more| range.first.saturating_add(more)) else { return };
        let points = (range.unit, range.object, range.first)..=(range.unit, range.object, last);
        while let Some(point) = self.seen.range(points.clone()).next().map(|(point, _)| *point) {
            self.seen.remove(&point);
        }
    }

    /// The value, when it was seen within `step_age`.
    pub fn get(&self, unit: u32, object: ObjectId, address: u32, now: Mono) -> Option<u16> {
        let (value, at) = self.seen.get(&(unit, object, address))?;
        (now.since(*at) <= self.policy.step_age).then_some(*value)
    }

    /// How many points are kept.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Gives up the point at the end that lies farther from `point`, so that a read that is being learned point by
    /// point never pushes out its own beginning.
    fn make_room(&mut self, point: Point) {
        let (Some((first, _)), Some((last, _))) = (self.seen.first_key_value(), self.seen.last_key_value()) else {
            return;
        };
        if distance(*first, point) > distance(point, *last) {
            self.seen.pop_first();
        } else {
            self.seen.pop_last();
        }
    }
}

/// From one point to a later one: units first, then objects, then addresses.
fn distance(from: Point, to: Point) -> (u32, u8, u32) {
    let objects = to.1.0.abs_diff(from.1.0);
    (to.0.abs_diff(from.0), objects, to.2.abs_diff(from.2))
}
