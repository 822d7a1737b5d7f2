//! Which rules of a slice can be looked at point by point, and which speak of whole messages?
//!
//! ```text
//! exact allow, listed deny   joint: they stand for one message, or touch by several points at once
//! wide elements              point by point too, where all that stands there has the same elements
//! zones                      where it has not: there the rules are told as they stand
//! ```

use super::{
    part::{Layout, Part, sets_nothing},
    slice::{Shape, Slice},
};

/// A slice's rules, sorted.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Point by point.
    pub(super) parts: [Vec<Part>; 2],
    /// As messages.
    pub(super) joint: [Vec<Part>; 2],
    /// Where elements of different layouts meet: sorted, disjoint.
    pub(super) zones: Vec<(u32, u32)>,
}

pub(super) fn prepare(slice: &Slice<'_>, domain: &[(u32, u32)]) -> Prepared {
    let mut made = Prepared::default();
    for (side, parts) in slice.sides.iter().enumerate() {
        for part in parts {
            let mut part = (*part).clone();
            part.ranges = clipped(&part.ranges, domain);
            if !part.ranges.is_empty() {
                sort(part, slice, &mut made.parts[side], &mut made.joint[side]);
            }
        }
        drop_covered(&mut made.parts[side]);
    }
    if slice.shape == Shape::Number {
        made.zones = zones(&made.parts);
        for side in &mut made.parts {
            widen_denies(side);
        }
    }
    made
}

fn sort(mut part: Part, slice: &Slice<'_>, parts: &mut Vec<Part>, joint: &mut Vec<Part>) {
    let whole = slice.shape == Shape::Number && !sets_nothing(&part.sentence);
    if !whole {
        return parts.push(part);
    }
    if part.layout.width > slice.most {
        if !part.allow {
            // No deed writes all of an element, and what is not known in full is touched.
            (part.values, part.listed, part.layout) = (None, None, Layout::PLAIN);
            parts.push(part);
        }
        return;
    }
    if part.exact {
        let fits = |range: &(u32, u32)| range.1 - range.0 < slice.most;
        part.ranges.retain(fits);
        if slice.most > 1 {
            if !part.ranges.is_empty() {
                joint.push(part);
            }
            return;
        }
        // Its range is the one point that there can be.
        part.exact = false;
        if let Some([only]) = part.listed.take().as_deref() {
            part.values = Some(only.clone());
        }
        if !part.ranges.is_empty() {
            parts.push(part);
        }
        return;
    }
    match (part.listed.take(), part.ranges.as_slice()) {
        (Some(listed), [(first, _)]) if slice.most == 1 => {
            parts.extend(listed.into_iter().zip(*first..).map(|(runs, index)| {
                let values = crate::difference::raw::union(&runs, &crate::difference::raw::not_finite(part.format));
                Part { ranges: vec![(index, index)], values: Some(values), ..part.clone() }
            }));
        }
        (Some(listed), _) => {
            part.listed = Some(listed);
            joint.push(part);
        }
        (None, _) => parts.push(part),
    }
}

fn clipped(ranges: &[(u32, u32)], domain: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut all = Vec::new();
    for (first, last) in ranges {
        let meets = domain.iter().map(|(from, to)| (*first.max(from), *last.min(to)));
        all.extend(meets.filter(|(first, last)| first <= last));
    }
    all
}

/// Wide elements are nothing of their own where a rule without any terms admits all of their indexes by themselves.
fn drop_covered(parts: &mut Vec<Part>) {
    let mut open: Vec<(u32, u32)> = parts
        .iter()
        .filter(|part| part.allow && part.is_open() && !part.exact && !part.is_bit() && part.is_plain())
        .flat_map(|part| part.ranges.iter().copied())
        .collect();
    open.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (first, last) in open {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    let inside = |range: &(u32, u32)| merged.iter().any(|(first, last)| *first <= range.0 && range.1 <= *last);
    for part in parts.iter_mut().filter(|part| part.allow && part.layout.width > 1 && !part.terms.always) {
        part.ranges.retain(|range| !inside(range));
    }
    parts.retain(|part| !part.ranges.is_empty());
}

/// The layout of an index, and where its elements begin.
type Phase = (Layout, u32);

fn phase(part: &Part, first: u32) -> Phase {
    (part.layout, first % part.layout.width)
}

/// Where ranges with different elements overlap, out to the ends of all elements there.
fn zones(sides: &[Vec<Part>; 2]) -> Vec<(u32, u32)> {
    let laid = |part: &&Part| part.allow || part.values.is_some() || part.is_bit();
    let all: Vec<((u32, u32), Phase)> = sides
        .iter()
        .flatten()
        .filter(laid)
        .flat_map(|part| part.ranges.iter().map(|range| (*range, phase(part, range.0))))
        .collect();
    let wide: Vec<_> = all.iter().filter(|(_, (layout, _))| layout.width > 1).collect();
    let mut zones: Vec<(u32, u32)> = Vec::new();
    for (one, here) in &wide {
        for (other, there) in &all {
            let (first, last) = (one.0.max(other.0), one.1.min(other.1));
            if first <= last && here != there {
                zones.push((first, last));
            }
        }
    }
    loop {
        zones.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in zones {
            match merged.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        let grown: Vec<_> = merged
            .iter()
            .map(|zone| wide.iter().fold(*zone, |zone, (range, (layout, _))| out(zone, *range, layout.width)))
            .collect();
        if grown == merged {
            return merged;
        }
        zones = grown;
    }
}

/// A zone out to the ends of the elements of `range` that it cuts.
fn out((first, last): (u32, u32), range: (u32, u32), width: u32) -> (u32, u32) {
    let mut zone = (first, last);
    if (range.0..=range.1).contains(&first) {
        zone.0 = first - (first - range.0) % width;
    }
    if (range.0..=range.1).contains(&last) {
        zone.1 = last + (width - 1 - (last - range.0) % width);
    }
    zone
}

/// A deny of any value takes away every element that it touches.
fn widen_denies(parts: &mut [Part]) {
    let wide: Vec<_> = parts
        .iter()
        .filter(|part| part.layout.width > 1)
        .flat_map(|part| part.ranges.iter().map(|range| (*range, part.layout.width)))
        .collect();
    for part in parts.iter_mut().filter(|part| !part.allow && part.values.is_none() && part.layout.width == 1) {
        for range in &mut part.ranges {
            *range = wide.iter().fold(*range, |range, (over, width)| out(range, *over, *width));
        }
    }
}
