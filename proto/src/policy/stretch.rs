//! Who comes first at this index, whatever the number of rules?

use alloc::vec::Vec;

use super::tree::Entry;

/// All indexes, cut into stretches: each is held by the first entry (of a list sorted by first index) that holds its
/// indexes, or by nobody. `pages` says at which stretch the indexes of each page start, so that a look-up costs the same
/// for ten rules and for ten thousand unless nearly all of them crowd in a few pages; then it costs log n.
#[derive(Debug)]
pub(super) struct Stretches {
    all: Vec<Stretch>,
    pages: Vec<u32>,
    /// An index without these low bits is the number of its page.
    shift: u32,
}

/// One of them. It starts where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    last: u32,
    /// The entry's place; [`NOBODY`].
    holder: u32,
}

impl Stretch {
    /// The entry that holds it. The entry ends where the stretch does: nothing cuts the first of all short.
    pub(super) fn holder(self, entries: &[Entry]) -> Option<&Entry> {
        entries.get(usize::try_from(self.holder).ok()?)
    }

    /// Whether nobody holds it, and it goes on to `last` at least.
    pub(super) const fn is_clear_to(self, last: u32) -> bool {
        self.holder == NOBODY && self.last >= last
    }
}

impl Stretches {
    /// `entries` are sorted by their first index.
    pub(super) fn new(entries: &[Entry]) -> Self {
        let mut all = Vec::with_capacity(entries.len().saturating_mul(2).saturating_add(1));
        let mut next = Some(0u32);
        for (holder, entry) in (0u32..).zip(entries) {
            let Some(from) = next.filter(|from| *from <= entry.last) else { continue };
            if let Some(before) = entry.first.checked_sub(1).filter(|before| *before >= from) {
                all.push(Stretch { last: before, holder: NOBODY });
            }
            all.push(Stretch { last: entry.last, holder });
            next = entry.last.checked_add(1);
        }
        if next.is_some() {
            all.push(Stretch { last: u32::MAX, holder: NOBODY });
        }
        let shift = page_bits(&all);
        Self { pages: pages(&all, shift), all, shift }
    }

    /// The stretch of an index.
    pub(super) fn at(&self, index: u32) -> Stretch {
        let page = usize::try_from(index.checked_shr(self.shift).unwrap_or(0)).unwrap_or(usize::MAX);
        // What lies behind the last page lies in the last stretch, which its page reaches.
        let page = page.min(self.pages.len().saturating_sub(2));
        let Some([from, to]) = self.pages.get(page..page.saturating_add(2)) else { return UNTOLD };
        let (Ok(from), Ok(to)) = (usize::try_from(*from), usize::try_from(*to)) else { return UNTOLD };
        let Some(here) = self.all.get(from..=to) else { return UNTOLD };
        here.get(here.partition_point(|stretch| stretch.last < index)).copied().unwrap_or(UNTOLD)
    }
}

/// How many low bits a page has: as many as leave no more than two pages for each stretch.
fn page_bits(all: &[Stretch]) -> u32 {
    let most = all.len().saturating_mul(2);
    let few = |bits: &u32| usize::try_from(end(all).checked_shr(*bits).unwrap_or(0)).is_ok_and(|page| page < most);
    (0..u32::BITS).find(few).unwrap_or(u32::BITS)
}

/// For each page the stretch of its first index, and then the last stretch of all.
fn pages(all: &[Stretch], shift: u32) -> Vec<u32> {
    let mut pages = Vec::new();
    let mut stretches = (0u32..).zip(all).peekable();
    for page in 0..=end(all).checked_shr(shift).unwrap_or(0) {
        let first = page.checked_shl(shift).unwrap_or(0);
        while stretches.next_if(|(_, stretch)| stretch.last < first).is_some() {}
        pages.extend(stretches.peek().map(|(place, _)| *place));
    }
    pages.extend(u32::try_from(all.len().saturating_sub(1)));
    pages
}

/// The first index of the last stretch.
fn end(all: &[Stretch]) -> u32 {
    let before = all.len().checked_sub(2).and_then(|place| all.get(place));
    before.map_or(0, |stretch| stretch.last.saturating_add(1))
}

/// No entry's place.
const NOBODY: u32 = u32::MAX;

/// Nobody is known to hold it, and nobody is known not to.
const UNTOLD: Stretch = Stretch { last: 0, holder: u32::MAX - 1 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::RuleIx;

    fn entries(ranges: &[(u32, u32)]) -> Vec<Entry> {
        let entry = |(first, last)| Entry { first, last, rule: RuleIx(0), plain: true };
        ranges.iter().copied().map(entry).collect()
    }

    fn cut(ranges: &[(u32, u32)]) -> Vec<(u32, Option<u32>)> {
        let all = Stretches::new(&entries(ranges)).all;
        all.iter().map(|one| (one.last, Some(one.holder).filter(|holder| *holder != NOBODY))).collect()
    }

    #[test]
    fn the_first_of_all_keeps_its_range_whole_and_the_others_what_is_left() {
        const END: (u32, Option<u32>) = (u32::MAX, None);
        assert_eq!(cut(&[]), [END]);
        assert_eq!(cut(&[(0, 4)]), [(4, Some(0)), END]);
        assert_eq!(
            cut(&[(3, 4), (5, 5), (9, 9)]),
            [(2, None), (4, Some(0)), (5, Some(1)), (8, None), (9, Some(2)), END]
        );
        assert_eq!(cut(&[(0, 9), (2, 5), (4, 12), (4, 20)]), [(9, Some(0)), (12, Some(2)), (20, Some(3)), END]);
        assert_eq!(cut(&[(0, u32::MAX), (7, 9)]), [(u32::MAX, Some(0))]);
        assert_eq!(cut(&[(7, u32::MAX)]), [(6, None), (u32::MAX, Some(0))]);
    }

    #[test]
    fn pages_are_few_and_a_crowd_in_one_of_them_is_found_all_the_same() {
        let mut ranges: Vec<_> = (0..500u32).map(|n| (2 * n, 2 * n)).collect();
        ranges.push((1 << 31, u32::MAX));
        let (entries, stretches) = (entries(&ranges), Stretches::new(&entries(&ranges)));
        assert!(stretches.pages.len() <= 2 * stretches.all.len() + 2);
        for (place, (first, _)) in ranges.iter().enumerate() {
            assert_eq!(stretches.at(*first).holder(&entries), entries.get(place));
            let between = stretches.at(first.saturating_sub(1));
            assert_eq!(between.holder(&entries).is_none(), place > 0, "{place}");
        }
        assert!(stretches.at(999).is_clear_to((1 << 31) - 1) && !stretches.at(999).is_clear_to(1 << 31));
        assert_eq!(stretches.at(u32::MAX).holder(&entries), entries.last());
    }

    #[test]
    fn what_was_never_laid_out_tells_nothing() {
        let stretches = Stretches { all: Vec::new(), pages: Vec::new(), shift: 0 };
        assert!(stretches.at(0).holder(&[]).is_none() && !stretches.at(0).is_clear_to(0));
    }
}
