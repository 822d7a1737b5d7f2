//! What does one rule amount to?

use alloc::{string::String, vec::Vec};

use super::{
    RuleIx, Who,
    compile::Topic,
    number::{self, Span},
};
use crate::{
    deed::{Deed, ObjectId, Scalar},
    sentence::{Num, StepDirection, ValueType},
    time::ScheduleSet,
};

/// A rule with every name resolved and every number in the terms of its format.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) rule: RuleIx,
    pub(super) allow: bool,
    pub(super) topic: Topic,
    /// Role, identity or `any`.
    pub(super) who: String,
    /// Never empty: `0..=max` where the sentence gives none.
    pub(super) ranges: Vec<(u32, u32)>,
    pub(super) bit: Option<u8>,
    /// Empty: every unit of the conduit.
    pub(super) units: Vec<(u32, u32)>,
    pub(super) values: Option<Admits>,
    pub(super) kind: ValueType,
    /// Whether the sentence has `as`.
    pub(super) typed: bool,
    /// Whether each index holds one whole number, whatever its format.
    pub(super) one_each: bool,
    /// Empty: every qualifier.
    pub(super) qualifiers: Vec<(u32, u32)>,
    /// Whether what can be selected must have been.
    pub(super) select_first: bool,
    pub(super) whole: bool,
    pub(super) step: Option<Step>,
    /// Empty: every function that need not be named.
    pub(super) via: Vec<u16>,
    pub(super) when: Option<Condition>,
    /// Places in the compiled buckets: the rule's own, and the shared one.
    pub(super) buckets: [Option<u32>; 2],
    /// The schedule's bit, and whether it must not hold.
    pub(super) during: Option<(u8, bool)>,
    pub(super) always: bool,
}

/// Admitted values.
#[derive(Debug)]
pub(super) enum Admits {
    /// Every element must lie in one of these.
    Each(Vec<Span>),
    /// Element by element, all at once.
    Positional(Vec<Span>),
}

/// The largest change.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) size: Num,
    pub(super) direction: Option<StepDirection>,
    pub(super) or_to: Vec<Span>,
    /// The readback: its object and the index that stands for the range's first.
    pub(super) from: Option<(ObjectId, u32)>,
}

/// A condition on the process.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) object: ObjectId,
    pub(super) address: u32,
    pub(super) spans: Vec<Span>,
}

impl Ready {
    pub(super) fn is_for(&self, who: &Who) -> bool {
        self.who == "any" || self.who == who.identity || who.roles.contains(&self.who)
    }

    /// Whether its `via`, or the lack of it, admits a function (allow rules).
    pub(super) fn admits_function(&self, code: u16, must_be_named: bool) -> bool {
        if self.via.is_empty() { !must_be_named } else { self.via.contains(&code) }
    }

    /// Whether it refuses a function: a deny rule without `via` touches those that must be named, too.
    pub(super) fn denies_function(&self, code: u16) -> bool {
        self.via.is_empty() || self.via.contains(&code)
    }

    pub(super) fn names_unit(&self, unit: u32) -> bool {
        self.units.is_empty() || self.units.iter().any(|(first, last)| (*first..=*last).contains(&unit))
    }

    /// Whether it lets the act be qualified as it is. A deed without a qualifier is none of those that a rule names.
    pub(super) fn admits_qualifier(&self, deed: &Deed<'_>) -> bool {
        let named = |qualifier: u8| {
            self.qualifiers.iter().any(|(first, last)| (*first..=*last).contains(&u32::from(qualifier)))
        };
        self.qualifiers.is_empty() || deed.qualifier.is_some_and(named)
    }

    /// How many indexes one element takes.
    pub(super) fn width(&self) -> u32 {
        if self.one_each { 1 } else { number::width(self.kind.format) }
    }

    /// The value of an element: the number in its first index, or what its registers make.
    pub(super) fn read(
        &self,
        scalar: impl Fn(u32) -> Option<Scalar>,
        register: impl Fn(u32) -> Option<u16>,
    ) -> Option<number::Value> {
        if self.one_each { scalar(0).map(number::Value::from) } else { number::decode(self.kind, register) }
    }

    /// Whether its schedule lets it apply now.
    pub(super) fn applies(&self, schedules: ScheduleSet) -> bool {
        self.during.is_none_or(|(bit, not)| schedules.holds(bit) != not)
    }

    /// Whether it says no more than who may do what, and where: any deed that its range holds passes it, by any function
    /// that need not be named, on any unit.
    pub(super) fn is_plain(&self) -> bool {
        let Self { bit, units, values, typed, qualifiers, select_first, whole, step, via, when, .. } = self;
        let what = bit.is_none() && units.is_empty() && via.is_empty() && qualifiers.is_empty() && !select_first;
        let value = values.is_none() && !typed && !whole && step.is_none();
        let later = when.is_none() && self.during.is_none() && !self.always && !self.spends();
        self.allow && what && value && later
    }

    pub(super) fn spends(&self) -> bool {
        !self.always && self.buckets.iter().any(Option::is_some)
    }

    /// Whether it speaks of the write that sets nothing (`= []`).
    pub(super) fn sets_nothing(&self) -> bool {
        matches!(&self.values, Some(Admits::Positional(spans)) if spans.is_empty())
    }

    /// The points that it names.
    pub(super) fn names(&self) -> impl Iterator<Item = (Topic, u32, u32)> {
        self.ranges.iter().map(|(first, last)| (self.topic, *first, *last))
    }

    /// The points that it can ask about.
    pub(super) fn asks_about(&self) -> impl Iterator<Item = (ObjectId, u32, u32)> {
        let own = self.topic.1;
        let step = self.step.as_ref().filter(|_| !self.always).into_iter().flat_map(move |step| {
            self.ranges.iter().map(move |(first, last)| match step.from {
                None => (own, *first, *last),
                Some((object, at)) => (object, at, at.saturating_add(last.saturating_sub(*first))),
            })
        });
        let when = self.when.as_ref().filter(|_| !self.always).map(|when| (when.object, when.address, when.address));
        step.chain(when)
    }
}
