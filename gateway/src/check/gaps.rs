//! Which addresses between readable blocks would a client cross that merges its reads?
//!
//! Many clients read `holding 0-9` and `holding 12-19` with one request for `0-19`. The request is refused whole. A gap is told
//! where one request could span it; wider ones force two requests anyway.

use sluicegate_config::plan::{Conduit, Site};

use crate::explain::{addressing, numbered_range};

/// One gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Whose reads: identities, with commas.
    pub who: String,
    /// The object's word.
    pub object: &'static str,
    /// First and last address that no rule allows, zero-based.
    pub range: (u32, u32),
    /// The same as the conduit's `addressing` numbers them.
    pub shown: String,
}

/// The gaps of one conduit, by object.
pub fn read_gaps(site: &Site, conduit: &Conduit) -> Vec<Gap> {
    let objects = conduit.protocol.grammar().objects;
    let gap = |one: sluicegate_config::ReadGap| {
        let spec = objects.get(usize::from(one.object.0))?;
        let range = (one.first, one.last);
        let shown = numbered_range(range, spec, addressing(conduit));
        Some(Gap { who: one.identities.join(", "), object: spec.word, range, shown })
    };
    sluicegate_config::read_gaps(site, conduit).into_iter().filter_map(gap).collect()
}
