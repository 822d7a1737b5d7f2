//! Which rules does an allowed message use, and what does it cost?

use alloc::vec::Vec;
use core::ops::Deref;

use super::RuleIx;

/// What an allowed message costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charges {
    /// The allow rules that together cover it, each once.
    pub rules: RuleList,
    /// Whether `always` rules alone cover every deed: no rate, no queue limit, the reserved slot.
    pub always: bool,
    /// Whether a bucket of a rule or a shared budget is spent.
    pub spends: bool,
}

/// A few rules, each once, in the order in which they were used. Reads as a slice. Up to [`RuleList::INLINE`] rules
/// stand in place, without the heap: nearly every message is covered by one.
#[derive(Clone, Debug)]
pub struct RuleList {
    held: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Here { rules: [RuleIx; RuleList::INLINE], count: usize },
    Heap(Vec<RuleIx>),
}

impl RuleList {
    /// How many rules stand in place. Modbus 23 has two deeds; four leaves room for a deed that two rules share.
    pub const INLINE: usize = 4;

    /// No rule.
    pub const fn new() -> Self {
        Self { held: Place::Here { rules: [RuleIx(0); Self::INLINE], count: 0 } }
    }

    /// One rule.
    pub const fn of(rule: RuleIx) -> Self {
        Self { held: Place::Here { rules: [rule; Self::INLINE], count: 1 } }
    }

    /// Adds a rule, unless it is there.
    pub fn add(&mut self, rule: RuleIx) {
        if self.contains(&rule) {
            return;
        }
        match &mut self.held {
            Place::Here { rules, count } => {
                if let Some(free) = rules.get_mut(*count) {
                    *free = rule;
                    *count = count.saturating_add(1);
                } else {
                    let mut all = rules.to_vec();
                    all.push(rule);
                    self.held = Place::Heap(all);
                }
            }
            Place::Heap(rules) => rules.push(rule),
        }
    }
}

impl Default for RuleList {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for RuleList {
    type Target = [RuleIx];

    fn deref(&self) -> &[RuleIx] {
        match &self.held {
            Place::Here { rules, count } => rules.get(..*count).unwrap_or(&[]),
            Place::Heap(rules) => rules,
        }
    }
}

impl PartialEq for RuleList {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for RuleList {}

impl<'a> IntoIterator for &'a RuleList {
    type Item = &'a RuleIx;
    type IntoIter = core::slice::Iter<'a, RuleIx>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<RuleIx> for RuleList {
    fn from_iter<I: IntoIterator<Item = RuleIx>>(rules: I) -> Self {
        let mut all = Self::new();
        for rule in rules {
            all.add(rule);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_each_rule_once_and_grows_past_its_place() {
        let list: RuleList = [3, 1, 3, 2, 9, 7, 9, 1].into_iter().map(RuleIx).collect();
        assert_eq!(&*list, &[3, 1, 2, 9, 7].map(RuleIx));
        assert_ne!(list, RuleList::new());
        assert_eq!(list, list.iter().copied().collect(), "wherever they lie");
        assert_eq!(RuleList::new(), RuleList::default());
        assert_eq!((&list).into_iter().count(), 5);
    }
}
