//! In which parts of the deeds of one class on one object do the same rules count?
//!
//! Functions, units and qualifiers are told apart only as far as some rule of either policy does: what is left is a few slices,
//! and in each of them the rules differ by their indexes, values and terms alone.

use std::collections::BTreeMap;

use sluicegate_proto::{
    deed::ObjectId,
    sentence::{Element, Grammar, Index, ObjectSpec},
    vocab::Class,
};

use super::part::Part;

/// In what form a deed carries what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// It carries no value.
    Empty,
    /// A number in each element.
    Number,
    /// One bit of a register.
    Bit(u8),
    /// A mask that keeps every bit.
    Nothing,
}

/// A policy as one peer meets it.
#[derive(Debug, Default)]
pub(super) struct Met {
    pub(super) parts: Vec<Part>,
    /// The units that it serves; absent: all.
    pub(super) units: Option<Vec<u32>>,
    /// The functions that it serves; absent: all.
    pub(super) functions: Option<Vec<u16>>,
    /// Whether anything can be asked at all.
    pub(super) open: bool,
}

/// Deeds for which the same rules count.
#[derive(Debug)]
pub(super) struct Slice<'m> {
    /// Empty where the index says the function.
    pub(super) codes: Vec<u16>,
    pub(super) shape: Shape,
    /// How many indexes one of these deeds touches at most.
    pub(super) most: u32,
    pub(super) units: Vec<(u32, u32)>,
    pub(super) qualifiers: Option<Vec<(u32, u32)>>,
    /// What counts before, and what counts now.
    pub(super) sides: [Vec<&'m Part>; 2],
}

pub(super) type Topic = (Class, ObjectId);

type Ranges = Vec<(u32, u32)>;

/// Which parts of either side.
type Chosen = [Vec<usize>; 2];

/// A function, how many indexes it takes, in which form, and what counts for it.
type Form = (Shape, u32, Chosen);

pub(super) fn slices<'m>(topic: Topic, sides: [&'m Met; 2], grammar: &Grammar) -> Vec<Slice<'m>> {
    let Some(spec) = grammar.object(topic.1) else { return Vec::new() };
    let on_topic = |met: &Met| {
        let here = |part: &Part| (part.sentence.class, part.sentence.object) == topic;
        met.parts.iter().enumerate().filter(|(_, part)| met.open && here(part)).map(|(place, _)| place).collect()
    };
    let all: Chosen = sides.map(on_topic);
    let mut made = Vec::new();
    for ((shape, most, chosen), codes) in by_function(topic, spec, (sides, &all), grammar) {
        for (chosen, units) in by_unit(sides, &chosen, grammar) {
            for (chosen, qualifiers) in by_qualifier(topic, sides, &chosen, grammar) {
                let of = |side: usize| chosen[side].iter().map(|place| &sides[side].parts[*place]).collect();
                let sides = [of(0), of(1)];
                made.push(Slice { codes: codes.clone(), shape, most, units: units.clone(), qualifiers, sides });
            }
        }
    }
    made
}

fn by_function(
    topic: Topic,
    spec: &ObjectSpec,
    (sides, all): ([&Met; 2], &Chosen),
    grammar: &Grammar,
) -> BTreeMap<Form, Vec<u16>> {
    let mut groups = BTreeMap::new();
    if spec.index == Index::Code {
        groups.insert((Shape::Empty, 1, all.clone()), Vec::new());
        return groups;
    }
    let carries = matches!(topic.0, Class::Write | Class::Control) && spec.element != Element::None;
    let rows = grammar.functions.iter().filter(|row| (row.class, row.object) == topic);
    for row in rows {
        let chosen: Chosen = [0, 1].map(|side| {
            let met = sides[side];
            let served = met.functions.as_ref().is_none_or(|codes| codes.contains(&row.code));
            let counts = |place: &&usize| served && met.parts[**place].admits(row.code, row.named_only);
            all[side].iter().filter(counts).copied().collect()
        });
        let most = (grammar.longest_deed)(row.code, row.class);
        // How long a deed can be matters where rules speak of several indexes at once.
        let joint = |place: &usize, side: usize| {
            let part = &sides[side].parts[*place];
            part.exact || part.listed.is_some()
        };
        let any =
            |is: &dyn Fn(&usize, usize) -> bool| (0..2).any(|side| chosen[side].iter().any(|place| is(place, side)));
        let wide = |place: &usize, side: usize| sides[side].parts[*place].layout.width > 1;
        let most = if any(&joint) { most } else { most.min(if any(&wide) { 4 } else { 1 }) };
        let mut shapes = vec![if carries { Shape::Number } else { Shape::Empty }];
        if carries && spec.element == Element::Register && grammar.masks.contains(&row.code) {
            shapes.extend((0..16).map(Shape::Bit));
            shapes.push(Shape::Nothing);
        }
        for shape in shapes {
            groups.entry((shape, most, chosen.clone())).or_insert_with(Vec::new).push(row.code);
        }
    }
    groups
}

fn by_unit(sides: [&Met; 2], chosen: &Chosen, grammar: &Grammar) -> BTreeMap<Chosen, Vec<(u32, u32)>> {
    let mut cuts = vec![0, grammar.unit_max + 1];
    for (met, chosen) in sides.iter().zip(chosen) {
        cuts.extend(met.units.iter().flatten().flat_map(|unit| [*unit, unit + 1]));
        let named = chosen.iter().flat_map(|place| &met.parts[*place].sentence.units);
        cuts.extend(named.flat_map(|(first, last)| [*first, last + 1]));
    }
    group(cuts, (0, grammar.unit_max), |unit| {
        [0, 1].map(|side| {
            let met = sides[side];
            let served = met.units.as_ref().is_none_or(|units| units.contains(&unit));
            let counts = |place: &&usize| served && within(&met.parts[**place].sentence.units, unit);
            chosen[side].iter().filter(counts).copied().collect()
        })
    })
}

fn by_qualifier(topic: Topic, sides: [&Met; 2], chosen: &Chosen, grammar: &Grammar) -> Vec<(Chosen, Option<Ranges>)> {
    let qualifiers = |side: usize, place: usize| &sides[side].parts[place].sentence.qualifiers;
    let Some(domain) = (grammar.qualifiers)(topic.1, topic.0) else {
        // A deed without a qualifier is none of those that a rule names.
        let open = |side: usize| {
            chosen[side].iter().copied().filter(|place| qualifiers(side, *place).is_empty()).collect::<Vec<_>>()
        };
        return vec![([open(0), open(1)], None)];
    };
    let mut cuts = vec![domain.0, domain.1 + 1];
    for side in [0, 1] {
        let named = chosen[side].iter().flat_map(|place| qualifiers(side, *place));
        cuts.extend(named.flat_map(|(first, last)| [*first, last + 1]));
    }
    let groups = group(cuts, domain, |qualifier| {
        [0, 1].map(|side| {
            let counts = |place: &&usize| within(qualifiers(side, **place), qualifier);
            chosen[side].iter().filter(counts).copied().collect()
        })
    });
    groups.into_iter().map(|(chosen, ranges)| (chosen, Some(ranges))).collect()
}

/// The parts of a domain between the cuts, put together where the same counts; where nothing counts, left out.
fn group(
    mut cuts: Vec<u32>,
    (first, last): (u32, u32),
    counts: impl Fn(u32) -> Chosen,
) -> BTreeMap<Chosen, Vec<(u32, u32)>> {
    cuts.retain(|cut| (first..=last + 1).contains(cut));
    cuts.sort_unstable();
    cuts.dedup();
    let mut groups: BTreeMap<Chosen, Vec<(u32, u32)>> = BTreeMap::new();
    for pair in cuts.windows(2) {
        let chosen = counts(pair[0]);
        if chosen.iter().all(Vec::is_empty) {
            continue;
        }
        let ranges = groups.entry(chosen).or_default();
        match ranges.last_mut() {
            Some(before) if before.1 + 1 == pair[0] => before.1 = pair[1] - 1,
            _ => ranges.push((pair[0], pair[1] - 1)),
        }
    }
    groups
}

/// Whether a list of ranges holds a number; an empty list holds all.
fn within(ranges: &[(u32, u32)], number: u32) -> bool {
    ranges.is_empty() || ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))
}
