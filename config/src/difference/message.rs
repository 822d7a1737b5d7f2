//! What changes for whole messages beyond what their points say?
//!
//! An allow rule with `whole` or a list of values stands for one message; a list that is denied touches a message by several
//! points at once. Such rules are compared as rules, and tried: a message that they make the difference for is looked for among
//! those at the edges of what either policy says.

use std::collections::BTreeSet;

use sluicegate_proto::deed::{Deed, Scalar, Values};

use super::{
    Allowance, Change, Kind, TooComplex, What,
    part::{Part, sets_nothing},
    prepare::Prepared,
    raw::{self, Runs},
    same_rules,
    say::Tongue,
    slice::{Shape, Slice},
    sweep::Cell,
    terms::{Terms, label, unnamed},
};

/// A message that writes these words from `first` on.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) first: u32,
    pub(super) words: Vec<u64>,
}

/// The terms of each point of a message; empty: it is refused.
pub(super) type Verdict = BTreeSet<String>;

impl Written {
    fn last(&self) -> u32 {
        self.first + u32::try_from(self.words.len()).unwrap_or(u32::MAX) - 1
    }

    /// The pattern of the element that starts at an index; absent where the message does not write all of it.
    fn element(&self, part: &Part, start: u32) -> Option<u64> {
        let word = |place: u32| {
            let at = usize::try_from((start + place).checked_sub(self.first)?).ok()?;
            self.words.get(at).copied()
        };
        joined(part.layout.width, part.layout.swapped, word)
    }

    /// The elements of a range of a rule that the message touches: their places in the range, and their patterns.
    fn elements<'a>(&'a self, part: &'a Part, range: (u32, u32)) -> impl Iterator<Item = (usize, Option<u64>)> + 'a {
        let width = part.layout.width;
        let (first, last) = (range.0.max(self.first), range.1.min(self.last()));
        let places = ((first - range.0) / width)..=((last.max(first) - range.0) / width);
        places.map(move |place| (place as usize, self.element(part, range.0 + place * width)))
    }

    fn meets(&self, range: (u32, u32)) -> bool {
        range.0 <= self.last() && self.first <= range.1
    }
}

/// What the judge makes of a message, by the words of language.md section 2.
pub(super) fn verdict(parts: &[&Part], written: &Written) -> Verdict {
    let mut denied = Vec::new();
    for part in
        parts.iter().filter(|part| !part.allow && part.ranges.iter().any(|range| touched(part, *range, written)))
    {
        if part.terms.during.is_empty() {
            return Verdict::new();
        }
        denied.extend(part.terms.during.iter().map(|(schedule, not)| (schedule.clone(), *not)));
    }
    let exact: Vec<Terms> =
        parts.iter().filter(|part| part.allow && stands_for(part, written)).map(|part| part.terms.clone()).collect();
    let mut all = Verdict::new();
    for index in written.first..=written.last() {
        let here =
            parts.iter().filter(|part| part.allow && admits(part, index, written)).map(|part| part.terms.clone());
        let terms = label(here.chain(exact.iter().cloned()), &denied);
        if terms.is_empty() {
            return Verdict::new();
        }
        all.insert(format!("{:?}", unnamed(&terms)));
    }
    all
}

fn touched(part: &Part, range: (u32, u32), written: &Written) -> bool {
    if !written.meets(range) || sets_nothing(&part.sentence) {
        return false;
    }
    match (&part.listed, &part.values) {
        (Some(listed), _) => {
            let matches = |(place, pattern): (usize, Option<u64>)| {
                let runs = listed.get(place);
                pattern.is_none_or(|pattern| {
                    runs.is_none_or(|runs| raw::holds(runs, pattern))
                        || raw::holds(&raw::not_finite(part.format), pattern)
                })
            };
            written.elements(part, range).all(matches)
        }
        (None, None) => true,
        (None, Some(runs)) => {
            let bit = |pattern: u64| part.sentence.bit.map_or(pattern, |bit| pattern >> bit & 1);
            let matches = |pattern: Option<u64>| pattern.is_none_or(|pattern| raw::holds(runs, bit(pattern)));
            written.elements(part, range).any(|(_, pattern)| matches(pattern))
        }
    }
}

/// Whether an exact rule stands for this very message.
fn stands_for(part: &Part, written: &Written) -> bool {
    let fits = |range: (u32, u32)| {
        range == (written.first, written.last())
            && written.elements(part, range).all(|(place, pattern)| {
                let runs = part.listed.as_ref().map_or(part.values.as_ref(), |listed| listed.get(place));
                pattern.is_some_and(|pattern| runs.is_none_or(|runs| raw::holds(runs, pattern)))
            })
    };
    part.exact && part.ranges.iter().any(|range| fits(*range))
}

/// Whether a rule admits one point of the message. Rules for single bits are left to the points.
fn admits(part: &Part, index: u32, written: &Written) -> bool {
    let width = part.layout.width;
    let fits = |range: &(u32, u32)| {
        let start = index - (index - range.0) % width;
        let pattern = written.element(part, start);
        pattern.is_some_and(|pattern| part.values.as_ref().is_none_or(|runs| raw::holds(runs, pattern)))
    };
    let here = |range: &&(u32, u32)| (range.0..=range.1).contains(&index);
    !part.exact && !part.is_bit() && part.ranges.iter().filter(here).any(fits)
}

/// The pattern that the words of an element make.
fn joined(width: u32, swapped: bool, word: impl Fn(u32) -> Option<u64>) -> Option<u64> {
    if width == 1 {
        return word(0);
    }
    (0..width).try_fold(0u64, |pattern, place| {
        let place = if swapped { width - 1 - place } else { place };
        Some(pattern << 16 | word(place)?)
    })
}

/// The words of an element, in the order of their indexes.
pub(super) fn words_of(part: &Part, pattern: u64) -> Vec<u64> {
    let width = part.layout.width;
    if width == 1 {
        return vec![pattern];
    }
    let mut words: Vec<u64> = (0..width).rev().map(|place| pattern >> (16 * place) & 0xFFFF).collect();
    if part.layout.swapped {
        words.reverse();
    }
    words
}

/// The pattern of the element of a deed that starts at an index.
pub(super) fn pattern(deed: &Deed<'_>, start: u32, (width, swapped): (u32, bool)) -> Option<u64> {
    let at = start.checked_sub(deed.first)?;
    match deed.values {
        Values::One(Scalar::Real(real)) => Some(u64::from(real.get().to_bits())),
        // A negative whole number that stands in one index has 16 bits.
        Values::One(Scalar::Whole(whole)) => u64::try_from(if whole < 0 { whole + 0x1_0000 } else { whole }).ok(),
        _ => joined(width, swapped, |place| deed.values.get(at + place).map(u64::from)),
    }
}

/// The changes that rules for messages make.
pub(super) fn messages(
    slice: &Slice<'_>,
    prepared: &Prepared,
    tongue: &Tongue<'_>,
    (cells, allowance): (&[Cell], &mut Allowance),
) -> Result<Vec<Change>, TooComplex> {
    if slice.shape != Shape::Number || prepared.joint.iter().all(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let mut tried = Tried { slice, prepared, tongue, cells, allowance, changes: Vec::new() };
    tried.denies()?;
    tried.allows()?;
    Ok(tried.changes)
}

struct Tried<'t> {
    slice: &'t Slice<'t>,
    prepared: &'t Prepared,
    tongue: &'t Tongue<'t>,
    cells: &'t [Cell],
    allowance: &'t mut Allowance,
    changes: Vec<Change>,
}

impl Tried<'_> {
    /// What each side makes of a message: with all rules, and by its points alone.
    fn both(&mut self, written: &Written) -> Result<[[Verdict; 2]; 2], TooComplex> {
        let cost: usize = self.prepared.parts.iter().chain(&self.prepared.joint).map(Vec::len).sum();
        self.allowance.spend(cost * written.words.len())?;
        let of = |side: usize, joint: bool| {
            let parts = self.prepared.parts[side].iter();
            let more = self.prepared.joint[side].iter().filter(move |_| joint);
            verdict(&parts.chain(more).collect::<Vec<_>>(), written)
        };
        Ok([[of(0, true), of(1, true)], [of(0, false), of(1, false)]])
    }

    fn denies(&mut self) -> Result<(), TooComplex> {
        let listed = |side: usize| self.prepared.joint[side].iter().filter(|part| !part.allow).collect::<Vec<_>>();
        let lists = [listed(0), listed(1)];
        for (side, other) in [(0, 1), (1, 0)] {
            for part in &lists[side] {
                let common = lists[other].iter().any(|one| same_rules(&[(*part).clone()], &[(*one).clone()]));
                let range = part.ranges[0];
                let near = self.cells.iter().any(|cell| part.touches(cell.range));
                if common && side == 0 && near {
                    self.tell(Kind::Kept, What::Touched(range), (&[*part], &[*part]));
                } else if !common && self.makes_a_difference(part)? {
                    let kind = if side == 0 { Kind::Allowed } else { Kind::Refused };
                    self.tell(kind, What::Touched(range), (&[*part], &[*part]));
                }
            }
        }
        Ok(())
    }

    /// Whether some message that a list touches, or would, is judged differently.
    fn makes_a_difference(&mut self, part: &Part) -> Result<bool, TooComplex> {
        let Some(listed) = &part.listed else { return Ok(false) };
        let width = part.layout.width;
        let longest = (self.slice.most / width) as usize;
        for from in 0..listed.len() {
            for to in from..listed.len().min(from + longest) {
                let patterns = listed[from..=to].iter().map(|runs| runs.first().map_or(0, |run| run.0));
                let words = patterns.flat_map(|pattern| words_of(part, pattern)).collect();
                let first = part.ranges[0].0 + u32::try_from(from).unwrap_or(0) * width;
                let [[before, now], _] = self.both(&Written { first, words })?;
                if before != now {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn allows(&mut self) -> Result<(), TooComplex> {
        let exact = |side: usize| self.prepared.joint[side].iter().filter(|part| part.allow).collect::<Vec<_>>();
        let sides = [exact(0), exact(1)];
        let ranges: BTreeSet<(u32, u32)> =
            sides.iter().flatten().flat_map(|part| part.ranges.iter().copied()).collect();
        for range in ranges {
            let of = |side: usize, listed: bool| {
                let here = |part: &&Part| part.ranges.contains(&range) && part.listed.is_some() == listed;
                sides[side].iter().copied().filter(here).collect::<Vec<_>>()
            };
            self.lists(&[of(0, true), of(1, true)], range)?;
            self.wholes(&[of(0, false), of(1, false)], range)?;
        }
        Ok(())
    }

    /// Each list is one message.
    fn lists(&mut self, sides: &[Vec<&Part>; 2], range: (u32, u32)) -> Result<(), TooComplex> {
        let mut seen = BTreeSet::new();
        for part in sides.iter().flatten() {
            let listed = part.listed.iter().flatten();
            let words: Vec<u64> = listed.flat_map(|runs| words_of(part, runs.first().map_or(0, |run| run.0))).collect();
            if !seen.insert(words.clone()) {
                continue;
            }
            let [[before, now], [points_before, points_now]] = self.both(&Written { first: range.0, words })?;
            let (change, points) = (kind(&before, &now), kind(&points_before, &points_now));
            if change != points {
                let own = |side: usize| {
                    let same: Vec<&Part> =
                        sides[side].iter().copied().filter(|one| one.listed == part.listed).collect();
                    if same.is_empty() { vec![*part] } else { same }
                };
                self.tell(change.unwrap_or(Kind::Kept), What::Message(range), (&own(0), &own(1)));
            }
        }
        Ok(())
    }

    /// A range as a whole, each element within the same values.
    fn wholes(&mut self, sides: &[Vec<&Part>; 2], range: (u32, u32)) -> Result<(), TooComplex> {
        if sides.iter().any(|parts| parts.len() > 1) {
            return Err(TooComplex::Messages(range.0, range.1));
        }
        let mut kinds = BTreeSet::new();
        for part in sides.iter().flatten() {
            let own = part.values.clone().unwrap_or_else(|| raw::full(16 * part.layout.width));
            let own = if part.format == sluicegate_proto::sentence::Format::Bool {
                raw::intersect(&own, &raw::full(1))
            } else {
                own
            };
            let elements = (range.1 - range.0 + 1) / part.layout.width;
            let usual = own.first().map_or(0, |run| run.0);
            let edges = edges(&own, self.prepared, part, range);
            for (place, edge) in (0..elements).flat_map(|place| edges.iter().map(move |edge| (place, *edge))) {
                let patterns = (0..elements).map(|one| if one == place { edge } else { usual });
                let words = patterns.flat_map(|pattern| words_of(part, pattern)).collect();
                let [[before, now], [points_before, points_now]] = self.both(&Written { first: range.0, words })?;
                let (change, points) = (kind(&before, &now), kind(&points_before, &points_now));
                if change != points {
                    kinds.insert(change.unwrap_or(Kind::Kept));
                }
            }
        }
        let mut kinds = kinds.into_iter();
        if let Some(kind) = kinds.next() {
            let kind = if kinds.next().is_some() { Kind::Terms } else { kind };
            self.tell(kind, What::Message(range), (&sides[0], &sides[1]));
        }
        Ok(())
    }

    fn tell(&mut self, kind: Kind, what: What, (before, now): (&[&Part], &[&Part])) {
        let say = |parts: &[&Part]| parts.iter().map(|part| self.tongue.rule(part, self.slice, None)).collect();
        let change = Change { kind, what, before: say(before), now: say(now) };
        self.changes.push(change);
    }
}

/// The values of an element at which some rule of either side begins or ends, as far as they are among its own.
fn edges(own: &Runs, prepared: &Prepared, part: &Part, range: (u32, u32)) -> BTreeSet<u64> {
    let others = prepared.parts.iter().chain(&prepared.joint).flatten();
    let near = others.filter(|one| one.touches(range) && one.layout == part.layout);
    let runs = near.flat_map(|one| one.values.iter().chain(one.listed.iter().flatten())).flatten();
    let ends = runs.flat_map(|(first, last)| [first.saturating_sub(1), *first, *last, last.saturating_add(1)]);
    let all: BTreeSet<u64> = ends.chain(own.iter().flat_map(|(first, last)| [*first, *last])).collect();
    all.into_iter().filter(|value| raw::holds(own, *value)).collect()
}

/// What happened to a message.
pub(super) fn kind(before: &Verdict, now: &Verdict) -> Option<Kind> {
    match (before.is_empty(), now.is_empty()) {
        (true, false) => Some(Kind::Allowed),
        (false, true) => Some(Kind::Refused),
        _ => (before != now).then_some(Kind::Terms),
    }
}
