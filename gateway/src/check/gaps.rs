//! Which addresses between readable blocks would a client cross that merges its reads?
//!
//! Many clients read `holding 0-9` and `holding 12-19` with one request for `0-19`. The request is refused whole. A gap is told
//! where one request could span it; wider ones force two requests anyway.

use std::collections::BTreeMap;

use sluicegate_config::plan::Conduit;
use sluicegate_proto::{
    deed::ObjectId,
    sentence::{Element, Index},
    vocab::Class,
};

use crate::explain::{addressing, numbered_range};

/// Registers and bits that one Modbus request reads (application protocol V1.1b3, sections 6.1 and 6.3).
const REGISTERS_MAX: u32 = 125;
const BITS_MAX: u32 = 2000;

/// One gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose reads: the word before the class.
    pub who: String,
    /// The object's word.
    pub object: &'static str,
    /// First and last address that no rule allows, zero-based.
    pub range: (u32, u32),
    /// The same as the conduit's `addressing` numbers them.
    pub shown: String,
}

/// The gaps of one conduit, by who and object.
pub fn read_gaps(conduit: &Conduit) -> Vec<Gap> {
    let grammar = conduit.protocol.grammar();
    let mut blocks: BTreeMap<(&str, ObjectId), Vec<(u32, u32)>> = BTreeMap::new();
    for rule in conduit.plan.rules.iter().filter(|one| one.allow && one.sentence.class == Class::Read) {
        let Some(who) = rule.sentence.who.as_deref() else { continue };
        blocks.entry((who, rule.sentence.object)).or_default().extend(&rule.sentence.ranges);
    }
    let mut gaps = Vec::new();
    for ((who, object), ranges) in blocks {
        let Some(spec) = grammar.objects.get(usize::from(object.0)) else { continue };
        let Index::Address { .. } = spec.index else { continue };
        let most = if spec.element == Element::Bit { BITS_MAX } else { REGISTERS_MAX };
        for range in between(ranges, most) {
            let shown = numbered_range(range, spec, addressing(conduit));
            gaps.push(Gap { who: who.to_owned(), object: spec.word, range, shown });
        }
    }
    gaps
}

/// The holes between `ranges` that a request for `most` elements can span with one element on either side.
fn between(mut ranges: Vec<(u32, u32)>, most: u32) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut holes = Vec::new();
    let mut reached: Option<u32> = None;
    for (first, last) in ranges {
        if let Some(end) = reached
            && first > end.saturating_add(1)
            && first - end < most
        {
            holes.push((end + 1, first - 1));
        }
        reached = Some(reached.map_or(last, |end| end.max(last)));
    }
    holes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_what_one_request_can_span() {
        assert_eq!(between(vec![(12, 19), (0, 9)], 125), [(10, 11)]);
        assert_eq!(between(vec![(0, 99), (200, 219)], 125), [(100, 199)]);
        assert_eq!(between(vec![(0, 9), (134, 140)], 125), []);
        assert_eq!(between(vec![(0, 9), (133, 140)], 125), [(10, 132)]);
        assert_eq!(between(vec![(0, 50), (10, 20), (51, 60)], 125), []);
    }
}
