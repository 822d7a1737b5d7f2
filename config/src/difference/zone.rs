//! What changes where elements of different widths meet?
//!
//! A register that one rule reads as a number of its own and another as half of a number is no point of one kind. There the
//! rules of both policies are told as they stand, and a message is found that they judge differently.

use std::collections::BTreeSet;

use super::{
    Allowance, Change, Kind, TooComplex, What,
    message::{Verdict, Written, verdict, words_of},
    part::Part,
    prepare::Prepared,
    raw, same_rules,
    say::Tongue,
    slice::Slice,
};

pub(super) fn zones(
    slice: &Slice<'_>,
    prepared: &Prepared,
    tongue: &Tongue<'_>,
    allowance: &mut Allowance,
) -> Result<Vec<Change>, TooComplex> {
    let mut changes = Vec::new();
    for zone in &prepared.zones {
        let sides =
            [0, 1].map(|side| prepared.parts[side].iter().filter_map(|part| within(part, *zone)).collect::<Vec<_>>());
        if same_rules(&sides[0], &sides[1]) {
            continue;
        }
        let found = differences(&sides, *zone, slice.most, allowance)?;
        let mut found = found.into_iter();
        let kind = match (found.next(), found.next()) {
            (None, _) => return Err(TooComplex::Elements(zone.0, zone.1)),
            (Some(kind), None) => kind,
            (Some(_), Some(_)) => Kind::Terms,
        };
        let say = |parts: &[Part]| {
            let mut said: Vec<_> = parts.iter().map(|part| tongue.rule(part, slice, Some(*zone))).collect();
            said.dedup();
            said
        };
        changes.push(Change { kind, what: What::Elements(*zone), before: say(&sides[0]), now: say(&sides[1]) });
    }
    Ok(changes)
}

/// A rule inside a zone, which cuts no element of it.
fn within(part: &Part, zone: (u32, u32)) -> Option<Part> {
    let mut ranges: Vec<_> = part
        .ranges
        .iter()
        .map(|range| (range.0.max(zone.0), range.1.min(zone.1)))
        .filter(|range| range.0 <= range.1)
        .collect();
    ranges.sort_unstable();
    (!ranges.is_empty()).then(|| Part { ranges, ..part.clone() })
}

/// What happens to the messages at the edges of what the rules say: one element of one rule each.
fn differences(
    sides: &[Vec<Part>; 2],
    zone: (u32, u32),
    most: u32,
    allowance: &mut Allowance,
) -> Result<BTreeSet<Kind>, TooComplex> {
    let mut found = BTreeSet::new();
    let all: Vec<&Part> = sides.iter().flatten().collect();
    let refs = sides.each_ref().map(|parts| parts.iter().collect::<Vec<_>>());
    for part in all.iter().filter(|part| part.layout.width <= most) {
        let width = part.layout.width;
        let mut edges: BTreeSet<u64> = BTreeSet::from([0, 1, raw::highest(16 * width)]);
        for (first, last) in
            all.iter().filter(|one| one.layout == part.layout).flat_map(|one| one.values.iter().flatten())
        {
            edges.extend([first.saturating_sub(1), *first, *last, last.saturating_add(1)]);
        }
        edges.retain(|edge| *edge <= raw::highest(16 * width));
        for range in &part.ranges {
            let last = range.1 + 1 - width;
            let middle = range.0 + (last - range.0) / width / 2 * width;
            for start in BTreeSet::from([range.0, middle, last]) {
                for edge in &edges {
                    allowance.spend(all.len())?;
                    let written = Written { first: start, words: words_of(part, *edge) };
                    let [before, now]: [Verdict; 2] = [0, 1].map(|side| verdict(&refs[side], &written));
                    found.extend(super::message::kind(&before, &now));
                }
            }
        }
    }
    debug_assert!(zone.0 <= zone.1);
    Ok(found)
}
