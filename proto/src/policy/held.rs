//! What does the device hold, as far as the conduit has seen?
//!
//! Lives at the conduit, never per session.

use alloc::{collections::BTreeMap, sync::Arc};

use super::{PolicySet, compile::Compiled};
use crate::{
    deed::{ObjectId, ReadFirst, Scalar, Seen},
    time::Mono,
};

/// Values seen in read answers and acknowledged writes. Only points that some rule asks about are kept, on served
/// units, and never more than [`Held::MAX`].
#[derive(Debug)]
pub struct Held {
    policy: Arc<Compiled>,
    seen: BTreeMap<Point, (Scalar, Mono)>,
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

    /// A read's answer, an acknowledged write or a report. What the device does not vouch for any more is not known.
    pub fn learn(&mut self, seen: Seen, now: Mono) {
        if !self.policy.watches(seen.object, seen.address) || !self.policy.serves_unit(seen.unit) {
            return;
        }
        let point = (seen.unit, seen.object, seen.address);
        let Some(value) = seen.value else {
            self.seen.remove(&point);
            return;
        };
        if self.seen.len() >= Self::MAX && !self.seen.contains_key(&point) {
            self.make_room(point);
        }
        self.seen.insert(point, (value, now));
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
    pub fn get(&self, unit: u32, object: ObjectId, address: u32, now: Mono) -> Option<Scalar> {
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

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::{
        keys::Setting,
        policy::{
            compile,
            fixture::{COIL, DISCRETE, HOLDING, INPUT, plan},
        },
    };

    fn held(rules: &[&str]) -> Held {
        Held::new(&compile(&plan(rules, &[])).expect("compiles"))
    }

    fn seen(unit: u32, object: ObjectId, address: u32, value: u16) -> Seen {
        Seen { unit, object, address, value: Some(value.into()) }
    }

    #[test]
    fn only_what_rules_ask_about_is_kept_and_only_for_step_age() {
        let mut held = held(&[
            "hmi write holding 40-41 = 0..9 step 1",
            "hmi write holding 42 = 0..9",
            "hmi write holding 50 = 0..9 step 1 from input 12",
            "hmi write coil 1 = on when discrete 20 = on",
        ]);
        let at = Mono::from_nanos(7);
        assert!(held.is_empty());
        let kept = [(HOLDING, 40), (HOLDING, 41), (INPUT, 12), (DISCRETE, 20)];
        for (object, address) in kept.into_iter().chain([(HOLDING, 39), (HOLDING, 42), (HOLDING, 50), (COIL, 20)]) {
            held.learn(seen(1, object, address, 3), at);
        }
        held.learn(seen(9, HOLDING, 40, 3), at);
        assert_eq!(held.len(), kept.len());
        assert!(kept.iter().all(|(object, address)| held.get(1, *object, *address, at) == Some(3.into())));
        let last = at.after(core::time::Duration::from_secs(5));
        assert_eq!(held.get(1, HOLDING, 40, last), Some(3.into()));
        assert_eq!(held.get(1, HOLDING, 40, last.after(core::time::Duration::from_nanos(1))), None);
        assert_eq!(held.get(2, HOLDING, 40, at), None);
    }

    #[test]
    fn a_write_in_flight_makes_its_range_unknown_and_a_policy_drops_what_it_does_not_ask() {
        let mut held = held(&["hmi write holding 0-99 = 0..9 step 1"]);
        let at = Mono::ZERO;
        (0..20).for_each(|address| held.learn(seen(1, HOLDING, address, 1), at));
        held.learn(seen(2, HOLDING, 5, 1), at);
        held.forget(&ReadFirst { unit: 1, object: HOLDING, first: 4, count: 3 });
        held.forget(&ReadFirst { unit: 1, object: HOLDING, first: 0, count: 0 });
        let unknown: Vec<_> = (0..20).filter(|address| held.get(1, HOLDING, *address, at).is_none()).collect();
        assert_eq!(unknown, [4, 5, 6]);
        assert_eq!(held.get(2, HOLDING, 5, at), Some(1u16.into()));
        held.follow(&compile(&plan(&["hmi write holding 8-9 = 0..9 step 1"], &[])).expect("compiles"));
        assert_eq!(held.len(), 2);
        assert!(!held.is_empty());
    }

    #[test]
    fn a_unit_that_is_no_longer_served_is_forgotten() {
        let mut one = plan(&["hmi write holding 0-9 = 0..9 step 1"], &[]);
        let mut held = Held::new(&compile(&one).expect("compiles"));
        [1, 2].into_iter().for_each(|unit| held.learn(seen(unit, HOLDING, 5, 7), Mono::ZERO));
        one.settings.0.insert("units", Setting::Ints([2].to_vec()));
        held.follow(&compile(&one).expect("compiles"));
        assert_eq!([1, 2].map(|unit| held.get(unit, HOLDING, 5, Mono::ZERO)), [None, Some(7.into())]);
        held.learn(seen(1, HOLDING, 5, 7), Mono::ZERO);
        assert_eq!(held.len(), 1);
    }

    #[test]
    fn the_farther_end_goes_first_and_what_is_known_already_needs_no_room() {
        let mut held = held(&["hmi write holding 0-65535 = 0..9 step 1"]);
        let at = Mono::ZERO;
        (0..65_536).for_each(|address| held.learn(seen(1, HOLDING, address, 1), at));
        held.learn(seen(1, HOLDING, 7, 2), at);
        assert_eq!((held.len(), held.get(1, HOLDING, 0, at)), (Held::MAX, Some(1.into())), "nothing had to go");
        held.learn(seen(2, HOLDING, 65_000, 3), at);
        let ends = |held: &Held| [0, 65_535].map(|address| held.get(1, HOLDING, address, at).is_some());
        assert_eq!((held.len(), ends(&held)), (Held::MAX, [false, true]));
        held.learn(seen(2, HOLDING, 64_999, 3), at);
        assert_eq!(held.get(1, HOLDING, 1, at), None, "the next of that end");
        assert_eq!(ends(&held), [false, true]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_a_read_never_pushes_itself_out() {
        let mut held = held(&["hmi write holding 0-65535 = 0..9 step 1"]);
        let at = Mono::ZERO;
        (0..65_536).for_each(|address| held.learn(seen(2, HOLDING, address, 1), at));
        for first in [0, 65_411, 30_000] {
            (first..first + 125).for_each(|address| held.learn(seen(1, HOLDING, address, 2), at));
            assert!((first..first + 125).all(|address| held.get(1, HOLDING, address, at) == Some(2.into())));
            assert_eq!(held.len(), Held::MAX);
        }
    }
}
