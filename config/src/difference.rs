//! Which deeds does one policy allow that another refuses, exactly?
//!
//! ```text
//! part       one rule as sets: ranges, runs of bit patterns, terms
//! slice      functions, units and qualifiers for which the same rules count
//! prepare    what can be looked at point by point, what speaks of whole messages
//! sweep      index by index, value by value: the terms before and now
//! merge      neighbours with the same change made one
//! message    rules that stand for one message, or touch by several points at once
//! say        a change in sentences of the language
//! raw terms  numbers as runs of bit patterns; rates, steps, conditions, times
//! ```
//!
//! A point is what one element of a deed touches: function, unit, index, value. A deed with several points is allowed where
//! each of them is (language.md section 2), so that the points say all; what is not so, a rule for a whole message or a list of
//! values that is denied, is told as a rule. Nothing is guessed: where the work is more than [`Allowance`] has, or a difference
//! cannot be told exactly, there is an error and no answer.

use std::collections::{BTreeMap, BTreeSet};

use sluicegate_proto::{
    deed::{Deed, ObjectId},
    policy::{Plan, Who},
    sentence::{Format, Grammar, Index, Sentence},
    vocab::Class,
};

mod merge;
mod message;
mod part;
mod prepare;
mod raw;
mod say;
mod slice;
mod sweep;
mod terms;
mod zone;

pub use self::slice::Shape;
use self::{
    part::{Ground, Part},
    slice::{Met, Topic, slices},
    sweep::{Labels, Sweep},
};

/// One policy, and the peer that meets it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'p> {
    /// The conduit's plan.
    pub plan: &'p Plan,
    /// Who meets it.
    pub who: &'p Who,
    /// What each schedule says, by its name.
    pub calendar: &'p BTreeMap<String, String>,
}

/// What happened to some deeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Refused before, allowed now.
    Allowed,
    /// Allowed before, refused now.
    Refused,
    /// Allowed before and now, on other terms.
    Terms,
    /// As it was, although its points are among those that changed.
    Kept,
}

/// A sentence, and what no clause of it can say.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// In the words of the language.
    pub sentence: Sentence,
    /// More of it.
    pub words: Vec<String>,
}

/// Points for which the same changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// What they are about.
    pub class: Class,
    /// On which object.
    pub object: ObjectId,
    /// By which functions; empty where the index says it.
    pub functions: Vec<u16>,
    /// In which form the values stand.
    pub shapes: BTreeSet<Shape>,
    /// Behind which units.
    pub units: Vec<(u32, u32)>,
    /// Qualified how, where that can be.
    pub qualifiers: Option<Vec<(u32, u32)>>,
    /// At which indexes.
    pub ranges: Vec<(u32, u32)>,
    /// How many indexes make an element, and whether their words are swapped.
    pub element: (u32, bool),
    /// Which bit patterns; absent: all, or none is carried.
    pub values: Option<Vec<(u64, u64)>>,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Points: a deed with several is what its points are.
    Points(Points),
    /// Messages that write this range and nothing else.
    Message((u32, u32)),
    /// Messages that a deny rule touches by several points at once.
    Touched((u32, u32)),
    /// Registers at which elements of different widths meet.
    Elements((u32, u32)),
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: Kind,
    /// To what.
    pub what: What,
    /// On which terms it was allowed, one sentence for each way.
    pub before: Vec<Said>,
    /// On which terms it is allowed.
    pub now: Vec<Said>,
}

/// Why a difference cannot be told exactly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooComplex {
    /// Too much to look at.
    #[error("there is more to compare than the bound of {0} steps: compare fewer rules at once")]
    Work(u64),
    /// Sixteen rules for single bits with terms of their own make up one register.
    #[error("rules for single bits that ask for a rate, a step or a time make up whole registers together")]
    Bits,
    /// Several rules for one range as a whole.
    #[error("several `whole` rules for {0}-{1} overlap")]
    Messages(u32, u32),
    /// Elements of different widths meet, and no message was found that is judged differently.
    #[error("the rules for {0}-{1} read the same registers in elements of different widths, and may mean the same")]
    Elements(u32, u32),
}

/// How much may still be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    left: u64,
    of: u64,
}

impl Allowance {
    /// So many steps: each is one rule looked at for one run of values at one run of indexes.
    pub const fn new(steps: u64) -> Self {
        Self { left: steps, of: steps }
    }

    fn spend(&mut self, steps: usize) -> Result<(), TooComplex> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(steps).ok_or(TooComplex::Work(self.of))?;
        Ok(())
    }
}

impl Default for Allowance {
    /// Some seconds of work: ten thousand rules for one peer take a hundredth of it.
    fn default() -> Self {
        Self::new(20_000_000)
    }
}

/// What changes for one peer from `before` to `now`; `None` on a side: it may do nothing there.
///
/// # Errors
/// Where that cannot be told exactly.
pub fn between(
    grammar: &'static Grammar,
    before: Option<Side<'_>>,
    now: Option<Side<'_>>,
    allowance: &mut Allowance,
) -> Result<Vec<Change>, TooComplex> {
    let sides = [met(grammar, before), met(grammar, now)];
    let mut work = Work { grammar, labels: Labels::new(), allowance, all: false };
    work.differences([&sides[0], &sides[1]])
}

/// What one peer may do of all that a sentence says, as if the sentence became a rule: [`Kind::Allowed`] is what is refused
/// without it, anything else what is allowed, on the terms of `before`.
///
/// # Errors
/// Where that cannot be told exactly.
pub fn within(
    grammar: &'static Grammar,
    side: Side<'_>,
    sentence: &Sentence,
    allowance: &mut Allowance,
) -> Result<Vec<Change>, TooComplex> {
    let before = met(grammar, Some(side));
    let ground = Ground { plan: side.plan, grammar, calendar: side.calendar };
    let parts = ground.part(sentence, true, "").into_iter().collect();
    let now = Met { parts, units: before.units.clone(), functions: before.functions.clone(), open: true };
    let mut work = Work { grammar, labels: Labels::new(), allowance, all: true };
    work.differences([&before, &now])
}

/// The rules as this peer meets them.
fn met(grammar: &'static Grammar, side: Option<Side<'_>>) -> Met {
    let Some(Side { plan, who, calendar }) = side else { return Met::default() };
    let numbers = |key: &str| plan.settings.get(key).map(|_| plan.settings.ints(key));
    let units = numbers(grammar.units_key).map(|all| all.iter().filter_map(|one| u32::try_from(*one).ok()).collect());
    let functions: Option<Vec<u16>> =
        numbers("functions").map(|all| all.iter().filter_map(|one| u16::try_from(*one).ok()).collect());
    let mut parts = Ground { plan, grammar, calendar }.parts(who);
    parts.iter_mut().for_each(|part| part.keep_served(grammar, functions.as_deref()));
    parts.retain(|part| !part.ranges.is_empty());
    Met { parts, units, functions, open: true }
}

struct Work<'w> {
    grammar: &'static Grammar,
    labels: Labels,
    allowance: &'w mut Allowance,
    /// Whether all that the second side allows is told, changed or not.
    all: bool,
}

impl Work<'_> {
    fn differences(&mut self, sides: [&Met; 2]) -> Result<Vec<Change>, TooComplex> {
        let topics: BTreeSet<Topic> =
            sides.iter().flat_map(|met| &met.parts).map(|part| (part.sentence.class, part.sentence.object)).collect();
        let mut changes = Vec::new();
        for topic in topics {
            changes.extend(self.on_topic(topic, sides)?);
        }
        Ok(changes)
    }

    fn on_topic(&mut self, topic: Topic, sides: [&Met; 2]) -> Result<Vec<Change>, TooComplex> {
        let Some(spec) = self.grammar.object(topic.1) else { return Ok(Vec::new()) };
        let domain = self.domain(topic, spec.index);
        let (mut looked_at, mut others) = (Vec::new(), Vec::new());
        for slice in slices(topic, sides, self.grammar) {
            if !self.all && slice.sides[0] == slice.sides[1] {
                continue;
            }
            let prepared = prepare::prepare(&slice, &domain);
            let mut sweep = Sweep {
                shape: slice.shape,
                spec,
                prepared: &prepared,
                labels: &mut self.labels,
                allowance: self.allowance,
                known: BTreeMap::new(),
            };
            let cells = sweep.cells()?;
            let tongue = say::Tongue { grammar: self.grammar, topic, sides };
            others.extend(zone::zones(&slice, &prepared, &tongue, self.allowance)?);
            let changed: Vec<_> =
                cells.iter().filter(|cell| !self.labels.same(cell.labels[0], cell.labels[1])).cloned().collect();
            others.extend(message::messages(&slice, &prepared, &tongue, (&changed, self.allowance))?);
            looked_at.push((slice, cells));
        }
        let split = self.labels.split(looked_at.iter().flat_map(|(_, cells)| cells).map(|cell| cell.labels));
        let mut items = Vec::new();
        for (slice, mut cells) in looked_at {
            cells.retain(|cell| match (self.all, cell.labels) {
                (true, [_, now]) => now != sweep::REFUSED,
                (false, [before, now]) => split.contains(&cell.labels) || !self.labels.same(before, now),
            });
            items.extend(merge::of_slice(&slice, cells));
        }
        let tongue = say::Tongue { grammar: self.grammar, topic, sides };
        let mut changes: Vec<_> =
            merge::merged(items, spec).iter().flat_map(|item| tongue.change(item, &self.labels)).collect();
        changes.extend(merge::of_rules(others).into_iter().map(|change| tongue.settle(change)));
        Ok(changes)
    }

    /// The indexes that there are. Where the index says the function, those of the class.
    fn domain(&self, topic: Topic, index: Index) -> Vec<(u32, u32)> {
        if index != Index::Code {
            return vec![(0, u32::MAX)];
        }
        let is = |code: u16, sub: Option<u8>| (self.grammar.code_class)(code, sub) == Ok(topic.0);
        let mut all = Vec::new();
        for code in 0..=u16::from(u8::MAX) {
            let subs = (0..u8::MAX).filter(|sub| is(code, Some(*sub)));
            let with_sub = subs.map(|sub| u32::from(code) + 256 * (u32::from(sub) + 1));
            all.extend(is(code, None).then_some(u32::from(code)).into_iter().chain(with_sub));
        }
        all.sort_unstable();
        all.into_iter().map(|one| (one, one)).collect()
    }
}

impl Points {
    /// Whether one of the deed's points is among them.
    pub fn hold(&self, deed: &Deed<'_>) -> bool {
        let within =
            |ranges: &[(u32, u32)], one: u32| ranges.iter().any(|(first, last)| (*first..=*last).contains(&one));
        let topic = (deed.class, deed.object) == (self.class, self.object);
        let function = self.functions.is_empty() || self.functions.contains(&deed.function);
        let qualifier = match (&self.qualifiers, deed.qualifier) {
            (None, _) => true,
            (Some(ranges), Some(one)) => within(ranges, one.into()),
            (Some(_), None) => false,
        };
        let written = deed.values != sluicegate_proto::deed::Values::None;
        let shape = match deed.bit {
            Some(bit) => Shape::Bit(bit),
            None if written && deed.values.is_empty() => Shape::Nothing,
            None if written => Shape::Number,
            None => Shape::Empty,
        };
        topic
            && function
            && qualifier
            && self.shapes.contains(&shape)
            && within(&self.units, deed.unit)
            && self.ranges.iter().any(|range| self.element_of(*range, deed))
    }

    fn element_of(&self, (first, last): (u32, u32), deed: &Deed<'_>) -> bool {
        let (width, swapped) = self.element;
        let (from, to) = (first.max(deed.first), last.min(deed.last));
        let mut starts = (from..=to).filter(|index| (index - first) % width == 0);
        starts.any(|start| {
            if start + (width - 1) > deed.last {
                return false;
            }
            let Some(values) = &self.values else { return true };
            let pattern = message::pattern(deed, start, (width, swapped));
            pattern.is_some_and(|pattern| raw::holds(values, pattern))
        })
    }
}

/// Whether two lists of rules say the same, whoever and wherever they are written for.
fn same_rules(one: &[Part], other: &[Part]) -> bool {
    let mut keys = [one, other].map(|parts| {
        let key = |part: &Part| {
            let Part { allow, ranges, layout, format, values, listed, exact, terms, .. } = part;
            format!("{:?}", (allow, ranges, layout, format, values, listed, exact, terms, part.sentence.bit))
        };
        parts.iter().map(key).collect::<Vec<_>>()
    });
    keys.iter_mut().for_each(|keys| {
        keys.sort();
        keys.dedup();
    });
    keys[0] == keys[1]
}

/// The format of elements of a width of which no rule says more.
const fn unsigned(width: u32) -> Format {
    match width {
        1 => Format::U16,
        2 => Format::U32,
        _ => Format::U64,
    }
}

#[cfg(test)]
mod tests;
