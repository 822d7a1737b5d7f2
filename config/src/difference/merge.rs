//! Which changes can be told as one?

use std::collections::{BTreeMap, BTreeSet};

use sluicegate_proto::sentence::{Element, Format, ObjectSpec};

use super::{
    Change,
    part::Layout,
    raw::{self, Runs},
    slice::{Shape, Slice},
    sweep::{Cell, domain},
};

/// Points with the same change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) codes: Vec<u16>,
    pub(super) shapes: BTreeSet<Shape>,
    pub(super) units: Vec<(u32, u32)>,
    pub(super) qualifiers: Option<Vec<(u32, u32)>>,
    pub(super) ranges: Vec<(u32, u32)>,
    pub(super) layout: Layout,
    pub(super) values: Runs,
    pub(super) labels: [usize; 2],
    pub(super) formats: [Option<Format>; 2],
}

/// The cells of a slice: first what lies side by side, then all that changed alike.
pub(super) fn of_slice(slice: &Slice<'_>, mut cells: Vec<Cell>) -> Vec<Item> {
    cells.sort_by_key(|cell| cell.range);
    let mut groups: BTreeMap<String, Item> = BTreeMap::new();
    for cell in cells {
        let Cell { range, layout, values, labels, formats } = cell;
        let key = format!("{:?}", (layout, &values, labels, formats));
        let item = groups.entry(key).or_insert_with(|| Item {
            codes: slice.codes.clone(),
            shapes: BTreeSet::from([slice.shape]),
            units: slice.units.clone(),
            qualifiers: slice.qualifiers.clone(),
            ranges: Vec::new(),
            layout,
            values,
            labels,
            formats,
        });
        match item.ranges.last_mut() {
            Some(before) if before.1.checked_add(1) == Some(range.0) => before.1 = range.1,
            _ => item.ranges.push(range),
        }
    }
    groups.into_values().collect()
}

/// What differs in its form, its functions, its units, its qualifiers or its ranges only, put together in that order.
pub(super) fn merged(items: Vec<Item>, spec: &ObjectSpec) -> Vec<Item> {
    let items = whole_registers(items, spec);
    let items = joined(
        items,
        |one| one.codes.clear(),
        |into, one| {
            into.codes.extend(one.codes);
            into.codes.sort_unstable();
            into.codes.dedup();
        },
    );
    let items = joined(items, |one| one.units.clear(), |into, one| add(&mut into.units, one.units));
    let items = joined(
        items,
        |one| one.qualifiers = None,
        |into, one| {
            if let (Some(into), Some(more)) = (&mut into.qualifiers, one.qualifiers) {
                add(into, more);
            }
        },
    );
    let mut items = joined(items, |one| one.ranges.clear(), |into, one| add(&mut into.ranges, one.ranges));
    items.sort_by(|a, b| (&a.ranges, &a.values, &a.units, &a.codes).cmp(&(&b.ranges, &b.values, &b.units, &b.codes)));
    items
}

/// A mask can set single bits of a register, none, or all of them. Where all three changed alike, it is one change.
fn whole_registers(items: Vec<Item>, spec: &ObjectSpec) -> Vec<Item> {
    if spec.element != Element::Register {
        return items;
    }
    let open = |item: &Item| item.shapes.iter().all(|shape| item.values == domain(*shape, spec, item.layout));
    let (whole, part): (Vec<_>, Vec<_>) = items.into_iter().partition(open);
    let full = raw::full(16);
    let like = |one: &mut Item| {
        one.shapes.clear();
        one.values.clone_from(&full);
        one.formats = [None; 2];
    };
    let mut made = joined(whole, like, |into, one| into.shapes.extend(one.shapes));
    for item in &mut made {
        item.values = item.shapes.iter().next_back().map_or_else(Runs::new, |shape| domain(*shape, spec, item.layout));
        if item.shapes.contains(&Shape::Number) {
            item.values = domain(Shape::Number, spec, item.layout);
        }
    }
    made.extend(part);
    made
}

/// Puts together what is the same once `blind` has been at it.
fn joined(items: Vec<Item>, blind: impl Fn(&mut Item), join: impl Fn(&mut Item, Item)) -> Vec<Item> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut made: Vec<Item> = Vec::new();
    for item in items {
        let mut key = item.clone();
        blind(&mut key);
        let place = *places.entry(format!("{key:?}")).or_insert(made.len());
        match made.get_mut(place) {
            Some(into) => join(into, item),
            None => made.push(item),
        }
    }
    made
}

fn add(into: &mut Vec<(u32, u32)>, more: Vec<(u32, u32)>) {
    into.extend(more);
    into.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (first, last) in into.drain(..) {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    *into = merged;
}

/// Changes that are told as rules, the same of other functions and units put together.
pub(super) fn of_rules(changes: Vec<Change>) -> Vec<Change> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut made: Vec<Change> = Vec::new();
    for change in changes {
        let mut key = change.clone();
        for said in key.before.iter_mut().chain(&mut key.now) {
            said.sentence.via.clear();
        }
        let place = *places.entry(format!("{key:?}")).or_insert(made.len());
        let Some(into) = made.get_mut(place) else {
            made.push(change);
            continue;
        };
        let pairs = into.before.iter_mut().zip(change.before).chain(into.now.iter_mut().zip(change.now));
        for (into, more) in pairs {
            into.sentence.via.extend(more.sentence.via);
            into.sentence.via.sort_unstable();
            into.sentence.via.dedup();
        }
    }
    made
}
