//! On which terms is each point of a slice allowed, before and now?
//!
//! The indexes are walked once, from one end of a rule's range to the next; between two ends the same rules count. There the
//! values are walked the same way. What comes out is exact, and so is the count of what it cost.

use std::collections::{BTreeMap, BTreeSet};

use sluicegate_proto::sentence::{Format, ObjectSpec};

use super::{
    Allowance, TooComplex,
    part::{Layout, Part, sets_nothing},
    prepare::Prepared,
    raw::{self, Runs},
    slice::Shape,
    terms::{Label, Schedule, Terms, bucket, label, same},
};

/// A run of points with the same terms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) range: (u32, u32),
    pub(super) layout: Layout,
    /// What is written to an element.
    pub(super) values: Runs,
    /// Before and now, as places in [`Labels`].
    pub(super) labels: [usize; 2],
    /// The formats in which the rules of either side speak of them.
    pub(super) formats: [Option<Format>; 2],
}

/// Every list of terms that was met, each once. The first is the empty one: refused.
#[derive(Debug)]
pub(super) struct Labels {
    all: Vec<Label>,
    places: BTreeMap<String, usize>,
    same: BTreeMap<(usize, usize), bool>,
}

pub(super) const REFUSED: usize = 0;

impl Labels {
    pub(super) fn new() -> Self {
        let mut made = Self { all: Vec::new(), places: BTreeMap::new(), same: BTreeMap::new() };
        made.place(Label::new());
        made
    }

    pub(super) fn place(&mut self, label: Label) -> usize {
        let next = self.all.len();
        let place = *self.places.entry(format!("{label:?}")).or_insert(next);
        if place == next {
            self.all.push(label);
        }
        place
    }

    pub(super) fn get(&self, place: usize) -> &Label {
        &self.all[place]
    }

    /// Whether two lists let the same pass at every time.
    pub(super) fn same(&mut self, one: usize, other: usize) -> bool {
        one == other || {
            let (all, key) = (&self.all, (one.min(other), one.max(other)));
            *self.same.entry(key).or_insert_with(|| same(&all[key.0], &all[key.1]))
        }
    }
}

impl Labels {
    /// The pairs of terms that are alike but for what is counted together: points that shared one bucket and now have two,
    /// or the other way round.
    pub(super) fn split(&mut self, pairs: impl Iterator<Item = [usize; 2]>) -> BTreeSet<[usize; 2]> {
        let mut alike: BTreeSet<[usize; 2]> = pairs.collect();
        alike.retain(|[before, now]| self.same(*before, *now));
        let buckets = |pair: &[usize; 2]| Some([bucket(self.get(pair[0]))?, bucket(self.get(pair[1]))?]);
        let counted: Vec<_> = alike.iter().filter_map(|pair| Some((*pair, buckets(pair)?))).collect();
        let parted = |own: &[&str; 2]| counted.iter().any(|(_, other)| (own[0] == other[0]) != (own[1] == other[1]));
        counted.iter().filter(|(_, own)| parted(own)).map(|(pair, _)| *pair).collect()
    }
}

/// What a sweep works with.
pub(super) struct Sweep<'s> {
    pub(super) shape: Shape,
    pub(super) spec: &'s ObjectSpec,
    pub(super) prepared: &'s Prepared,
    pub(super) labels: &'s mut Labels,
    pub(super) allowance: &'s mut Allowance,
    /// The labels that were worked out, by side, alternatives and denies.
    pub(super) known: BTreeMap<(usize, Vec<usize>, Vec<usize>), usize>,
}

/// A rule that counts here, by its place, and the values for which it does.
type Counting = (usize, Runs);

impl Sweep<'_> {
    /// Every cell outside the zones at which either side allows something.
    pub(super) fn cells(&mut self) -> Result<Vec<Cell>, TooComplex> {
        let prepared = self.prepared;
        let mut waiting: Vec<(u32, u32, usize, usize)> = Vec::new();
        let mut cuts: Vec<u64> = Vec::new();
        for (side, parts) in prepared.parts.iter().enumerate() {
            for (place, part) in parts.iter().enumerate() {
                waiting.extend(part.ranges.iter().map(|(first, last)| (*first, *last, side, place)));
            }
        }
        let zones = prepared.zones.iter().copied();
        for (first, last) in waiting.iter().map(|one| (one.0, one.1)).chain(zones) {
            cuts.extend([u64::from(first), u64::from(last) + 1]);
        }
        cuts.sort_unstable();
        cuts.dedup();
        waiting.sort_unstable();
        let (mut next, mut cells) = (0, Vec::new());
        let mut active: Vec<(u32, usize, usize)> = Vec::new();
        for pair in cuts.windows(2) {
            let range = (narrow(pair[0]), narrow(pair[1] - 1));
            active.retain(|(last, ..)| *last >= range.0);
            while let Some((_, last, side, place)) = waiting.get(next).filter(|one| one.0 <= range.0) {
                active.push((*last, *side, *place));
                next += 1;
            }
            let in_zone = prepared.zones.iter().any(|zone| zone.0 <= range.0 && range.1 <= zone.1);
            if !active.is_empty() && !in_zone {
                self.between(range, &active, &mut cells)?;
            }
        }
        Ok(cells)
    }

    /// One stretch of indexes in which the same rules count.
    fn between(
        &mut self,
        range: (u32, u32),
        active: &[(u32, usize, usize)],
        cells: &mut Vec<Cell>,
    ) -> Result<(), TooComplex> {
        let parts = &self.prepared.parts;
        let here = |side: usize| active.iter().filter(move |one| one.1 == side).map(|one| one.2);
        let layout = [0, 1].into_iter().flat_map(|side| here(side).map(move |place| parts[side][place].layout));
        let layout = layout.max().unwrap_or(Layout::PLAIN);
        let domain = domain(self.shape, self.spec, layout);
        let mut counting: [Vec<Counting>; 2] = [Vec::new(), Vec::new()];
        let mut bits: [Runs; 2] = [Runs::new(), Runs::new()];
        for side in [0, 1] {
            for place in here(side) {
                if let Some(runs) = counts(&parts[side][place], self.shape, range, &domain) {
                    counting[side].push((place, raw::intersect(&runs, &domain)));
                }
            }
            let single: Vec<_> =
                here(side).map(|place| &parts[side][place]).filter(|part| part.allow && part.is_bit()).collect();
            bits[side] = whole_of_bits(&single, self.shape)?;
        }
        let runs = counting.iter().flatten().flat_map(|(_, runs)| runs).chain(bits.iter().flatten());
        let mut cuts: Vec<u128> = runs.flat_map(|(first, last)| [u128::from(*first), u128::from(*last) + 1]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        self.allowance.spend(cuts.len() * (1 + active.len()))?;
        let mut found: BTreeMap<[usize; 2], (Runs, [Option<Format>; 2])> = BTreeMap::new();
        for pair in cuts.windows(2) {
            let (first, last) = (wide(pair[0]), wide(pair[1] - 1));
            let (mut labels, mut formats) = ([REFUSED; 2], [None; 2]);
            for side in [0, 1] {
                let bits = raw::holds(&bits[side], first);
                (labels[side], formats[side]) = self.label(side, &counting[side], first, bits);
            }
            if labels != [REFUSED; 2] {
                found.entry(labels).or_insert_with(|| (Runs::new(), formats)).0.push((first, last));
            }
        }
        cells.extend(found.into_iter().map(|(labels, (runs, formats))| Cell {
            range,
            layout,
            values: raw::tidy(runs),
            labels,
            formats,
        }));
        Ok(())
    }

    /// The terms of one value, and the format in which its rules speak of it.
    fn label(&mut self, side: usize, counting: &[Counting], value: u64, bits: bool) -> (usize, Option<Format>) {
        let parts = &self.prepared.parts[side];
        let here = counting.iter().filter(|(_, runs)| raw::holds(runs, value)).map(|(place, _)| *place);
        let (allows, denies): (Vec<_>, Vec<_>) = here.partition(|place| parts[*place].allow);
        let format =
            allows.iter().map(|place| &parts[*place]).find(|part| part.values.is_some()).map(|part| part.format);
        if denies.iter().any(|place| parts[*place].terms.during.is_empty()) {
            return (REFUSED, None);
        }
        if bits {
            let denied = denied(&denies, parts);
            return (self.labels.place(label([Terms::default()], &denied)), format);
        }
        let key = (side, allows, denies);
        if let Some(known) = self.known.get(&key) {
            return (*known, format);
        }
        let alternatives = key.1.iter().map(|place| parts[*place].terms.clone());
        let place = self.labels.place(label(alternatives, &denied(&key.2, parts)));
        self.known.insert(key, place);
        (place, format)
    }
}

/// The times at which denies hold.
fn denied(denies: &[usize], parts: &[Part]) -> Vec<(Schedule, bool)> {
    let times = denies.iter().flat_map(|place| &parts[*place].terms.during);
    times.map(|(schedule, not)| (schedule.clone(), *not)).collect()
}

/// All that one element can hold.
pub(super) fn domain(shape: Shape, spec: &ObjectSpec, layout: Layout) -> Runs {
    match shape {
        Shape::Empty | Shape::Nothing => vec![(0, 0)],
        Shape::Bit(_) => raw::full(1),
        Shape::Number => raw::full(element_bits(spec, layout)),
    }
}

fn element_bits(spec: &ObjectSpec, layout: Layout) -> u32 {
    use sluicegate_proto::sentence::Element;
    match spec.element {
        Element::Bit | Element::Switch { .. } | Element::None => 1,
        Element::Number(format) => raw::bits(format),
        Element::Register => 16 * layout.width,
    }
}

/// The values for which a rule counts at points of this shape; absent where it does not, or not by itself.
fn counts(part: &Part, shape: Shape, range: (u32, u32), domain: &Runs) -> Option<Runs> {
    let all = || Some(domain.clone());
    let sentence = &part.sentence;
    match (shape, part.allow) {
        (Shape::Empty, _) => all(),
        (Shape::Number, true) if part.is_bit() || part.exact || sets_nothing(sentence) => None,
        (Shape::Number, true) => part.values.clone().or_else(all),
        (Shape::Number, false) => match (sentence.bit, &part.values) {
            (_, None) if sets_nothing(sentence) => None,
            (_, None) | (None, Some(_)) => part.values.clone().or_else(all),
            (Some(bit), Some(runs)) => Some(words_with(|word| raw::holds(runs, u64::from(word >> bit & 1)))),
        },
        (Shape::Bit(bit), true) => match sentence.bit {
            _ if part.exact || sets_nothing(sentence) => None,
            Some(named) if named == bit => part.values.clone().or_else(all),
            Some(_) => None,
            None => all().filter(|_| part.is_open() && sentence.value_type.is_none() && sentence.step.is_none()),
        },
        (Shape::Bit(bit), false) => match sentence.bit {
            Some(named) if named != bit => None,
            Some(_) => part.values.clone().or_else(all),
            None if sets_nothing(sentence) => None,
            None => all(),
        },
        (Shape::Nothing, true) if sets_nothing(sentence) => {
            all().filter(|_| part.ranges == [range] && range.0 == range.1)
        }
        (Shape::Nothing, true) => {
            let open = sentence.values.is_none() && sentence.step.is_none() && !part.exact && !part.is_bit();
            all().filter(|_| open && part.layout.width == 1)
        }
        (Shape::Nothing, false) => all(),
    }
}

/// The registers that rules for single bits allow together: each of the sixteen bits by one of them.
fn whole_of_bits(parts: &[&Part], shape: Shape) -> Result<Runs, TooComplex> {
    let of = |bit: u8| parts.iter().filter(move |part| part.sentence.bit == Some(bit));
    let whole = (0..16).all(|bit| of(bit).next().is_some());
    if !whole || !matches!(shape, Shape::Number | Shape::Nothing) {
        return Ok(Runs::new());
    }
    if parts.iter().any(|part| !part.is_plain()) {
        return Err(TooComplex::Bits);
    }
    let may = |bit: u8, on: u16| {
        of(bit)
            .any(|part| part.values.as_ref().is_none_or(|runs| shape == Shape::Number && raw::holds(runs, on.into())))
    };
    if shape == Shape::Nothing {
        let open = (0..16).all(|bit| may(bit, 0));
        return Ok(if open { vec![(0, 0)] } else { Runs::new() });
    }
    Ok(words_with(|word| (0..16).all(|bit| may(bit, word >> bit & 1))))
}

fn words_with(fits: impl Fn(u16) -> bool) -> Runs {
    raw::tidy((0..=u16::MAX).filter(|word| fits(*word)).map(|word| (u64::from(word), u64::from(word))).collect())
}

fn narrow(index: u64) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn wide(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
