//! Which ranges of ten thousand touch this one?
//!
//! ```text
//! entries     0-99 a      40-49 b           200-219 c
//! reach       the largest `last` of each part: an interval tree, for all that touch a range
//! stretches   |0..99 a    |100..199 nobody  |200..219 c  |220.. nobody|    who comes first at an index
//! ```

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::{RuleIx, stretch::Stretches};

/// One range of one rule. Typed elements are anchored at `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// First index.
    pub(super) first: u32,
    /// Last index, inclusive.
    pub(super) last: u32,
    /// Whose.
    pub(super) rule: RuleIx,
    /// Whether the rule says no more than this range: see `Ready::is_plain`.
    pub(super) plain: bool,
}

/// An interval tree laid over a sorted list: the middle of every part is its root, and `reach` holds, at that place,
/// the largest `last` of the part. A look-up costs log n and what it finds, however the ranges overlap.
#[derive(Debug)]
pub(super) struct Tree {
    entries: Vec<Entry>,
    reach: Vec<u32>,
    stretches: Stretches,
}

impl Tree {
    pub(super) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| (entry.first, entry.rule, entry.last));
        let mut reach = alloc::vec![0; entries.len()];
        measure(&entries, &mut reach);
        let stretches = Stretches::new(&entries);
        Self { entries, reach, stretches }
    }

    /// The first entry, in the order of [`Self::visit`], that holds `index`.
    pub(super) fn first_at(&self, index: u32) -> Option<&Entry> {
        self.stretches.at(index).holder(&self.entries)
    }

    /// Whether it can be told at once that no entry shares an index with `first..=last`.
    pub(super) fn is_clear(&self, first: u32, last: u32) -> bool {
        self.entries.is_empty() || self.stretches.at(first).is_clear_to(last)
    }

    /// Visits every entry that shares an index with `first..=last`, in the order of their first index.
    pub(super) fn visit<B>(
        &self,
        first: u32,
        last: u32,
        each: &mut dyn FnMut(&Entry) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        if self.is_clear(first, last) {
            return ControlFlow::Continue(());
        }
        descend(&self.entries, &self.reach, (first, last), each)
    }

    /// The entries, by first index.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

fn descend<B>(
    entries: &[Entry],
    reach: &[u32],
    (first, last): (u32, u32),
    each: &mut dyn FnMut(&Entry) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let Some((before, middle, after)) = halves(entries) else { return ControlFlow::Continue(()) };
    let Some((reach_before, furthest, reach_after)) = halves(reach) else { return ControlFlow::Continue(()) };
    if *furthest < first {
        return ControlFlow::Continue(());
    }
    descend(before, reach_before, (first, last), each)?;
    if middle.first > last {
        return ControlFlow::Continue(());
    }
    if middle.last >= first {
        each(middle)?;
    }
    descend(after, reach_after, (first, last), each)
}

fn measure(entries: &[Entry], reach: &mut [u32]) -> u32 {
    let Some((before, middle, after)) = halves(entries) else { return 0 };
    let (reach_before, rest) = reach.split_at_mut(before.len());
    let Some((place, reach_after)) = rest.split_first_mut() else { return 0 };
    *place = middle.last.max(measure(before, reach_before)).max(measure(after, reach_after));
    *place
}

fn halves<T>(all: &[T]) -> Option<(&[T], &T, &[T])> {
    let (before, rest) = all.split_at(all.len().checked_div(2)?);
    let (middle, after) = rest.split_first()?;
    Some((before, middle, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(tree: &Tree, first: u32, last: u32) -> Vec<RuleIx> {
        let mut rules = Vec::new();
        let _ = tree.visit::<()>(first, last, &mut |entry| {
            rules.push(entry.rule);
            ControlFlow::Continue(())
        });
        rules.sort_unstable();
        rules
    }

    fn entry(first: u32, last: u32, rule: u32) -> Entry {
        Entry { first, last, rule: RuleIx(rule), plain: false }
    }

    #[test]
    fn a_look_up_stops_when_told() {
        let tree = Tree::new((0..9).map(|n| Entry { first: n, last: n, rule: RuleIx(n), plain: true }).collect());
        let mut seen = 0;
        let stopped = tree.visit(2, 7, &mut |entry| {
            seen += 1;
            if entry.first == 3 { ControlFlow::Break(entry.rule) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((stopped, seen), (ControlFlow::Break(RuleIx(3)), 2));
        assert_eq!(found(&Tree::new(Vec::new()), 0, u32::MAX), []);
    }

    proptest! {
        #[test]
        fn a_look_up_finds_what_a_walk_over_all_finds(
            ranges in proptest::collection::vec((0u32..40, 0u32..12), 0..60),
            first in 0u32..50,
            length in 0u32..20,
        ) {
            let entries: Vec<_> = ranges
                .iter()
                .enumerate()
                .map(|(n, (first, length))| Entry { first: *first, last: first + length, rule: RuleIx(n as u32), plain: n % 2 == 0 })
                .collect();
            let last = first + length;
            let walked: Vec<_> =
                entries.iter().filter(|one| one.first <= last && one.last >= first).map(|one| one.rule).collect();
            prop_assert_eq!(found(&Tree::new(entries), first, last), walked);
        }

        #[test]
        fn who_comes_first_is_whom_the_visit_meets_first(
            ranges in proptest::collection::vec((prop_oneof![0u32..60, any::<u32>(), Just(u32::MAX)], 0u32..30), 0..60),
            near in 0u32..100,
            length in 0u32..20,
            far in any::<u32>(),
        ) {
            let entries: Vec<_> = ranges
                .iter()
                .enumerate()
                .map(|(n, (first, length))| entry(*first, first.saturating_add(*length), n as u32))
                .collect();
            let tree = Tree::new(entries);
            let ends = tree.entries.iter().flat_map(|one| [one.first, one.last, one.last.saturating_add(1)]);
            for index in ends.chain([near, far, 0, u32::MAX]) {
                let met = tree.visit(index, index, &mut |entry| ControlFlow::Break(*entry)).break_value();
                let first = tree.entries.iter().find(|one| (one.first..=one.last).contains(&index));
                prop_assert_eq!(tree.first_at(index), first);
                prop_assert_eq!(met.as_ref(), first, "a clear range is one that nothing touches");
                let last = index.saturating_add(length);
                let touched = tree.entries.iter().any(|one| one.first <= last && one.last >= index);
                prop_assert!(!touched || !tree.is_clear(index, last), "{index}-{last}");
                prop_assert!(touched || tree.is_clear(index, last), "{index}-{last}");
            }
        }
    }
}
