//! Which ranges of ten thousand touch this one?

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::RuleIx;

/// One range of one rule. Typed elements are anchored at `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// First index.
    pub(super) first: u32,
    /// Last index, inclusive.
    pub(super) last: u32,
    /// Whose.
    pub(super) rule: RuleIx,
}

/// An interval tree laid over a sorted list: the middle of every part is its root, and `reach` holds, at that place,
/// the largest `last` of the part. A look-up costs log n and what it finds, however the ranges overlap.
#[derive(Debug, Default)]
pub(super) struct Tree {
    entries: Vec<Entry>,
    reach: Vec<u32>,
}

impl Tree {
    pub(super) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| (entry.first, entry.rule, entry.last));
        let mut reach = alloc::vec![0; entries.len()];
        measure(&entries, &mut reach);
        Self { entries, reach }
    }

    /// Visits every entry that shares an index with `first..=last`, in the order of their first index.
    pub(super) fn visit<B>(
        &self,
        first: u32,
        last: u32,
        each: &mut dyn FnMut(&Entry) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
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

    #[test]
    fn a_look_up_stops_when_told() {
        let tree = Tree::new((0..9).map(|n| Entry { first: n, last: n, rule: RuleIx(n) }).collect());
        let mut seen = 0;
        let stopped = tree.visit(2, 7, &mut |entry| {
            seen += 1;
            if entry.first == 3 { ControlFlow::Break(entry.rule) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((stopped, seen), (ControlFlow::Break(RuleIx(3)), 2));
        assert_eq!(found(&Tree::default(), 0, u32::MAX), []);
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
                .map(|(n, (first, length))| Entry { first: *first, last: first + length, rule: RuleIx(n as u32) })
                .collect();
            let last = first + length;
            let walked: Vec<_> =
                entries.iter().filter(|one| one.first <= last && one.last >= first).map(|one| one.rule).collect();
            prop_assert_eq!(found(&Tree::new(entries), first, last), walked);
        }
    }
}
