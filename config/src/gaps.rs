//! Which reads would go past what is allowed between two blocks?
//!
//! A client that gathers its points into few requests reads the points between them too, and is refused. `check` tells
//! where that can happen.

use sluicegate_proto::{deed::ObjectId, vocab::Class};

use crate::{
    build::can_come,
    plan::{Conduit, Identity, Site},
};

/// Points between two blocks that somebody may read, near enough for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadGap {
    /// The conduit.
    pub conduit: String,
    /// For whom.
    pub identity: String,
    /// The object's word.
    pub object: &'static str,
    /// The first point that may not be read, zero-based.
    pub first: u32,
    /// The last one.
    pub last: u32,
}

impl std::fmt::Display for ReadGap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { conduit, identity, object, first, last } = self;
        write!(f, "{conduit}: {identity} may read {object} before and after {first}-{last}, and not across")
    }
}

/// Every gap of every conduit, in the order of the site.
pub fn read_gaps(site: &Site) -> Vec<ReadGap> {
    let mut gaps = Vec::new();
    for conduit in &site.conduits {
        let listener = &site.listeners[conduit.listener.index()];
        let comes = |one: &&Identity| one.zone == conduit.from && can_come(&listener.transport, one);
        for identity in site.identities.iter().filter(comes) {
            gaps.extend(gaps_of(conduit, identity));
        }
    }
    gaps
}

fn gaps_of(conduit: &Conduit, identity: &Identity) -> Vec<ReadGap> {
    let mut gaps = Vec::new();
    let grammar = conduit.protocol.grammar();
    for (object, id) in grammar.objects.iter().zip(0..) {
        let Some(longest) = (grammar.longest_read)(object.element) else { continue };
        for pair in blocks(conduit, identity, ObjectId(id)).windows(2) {
            let [(_, end), (start, _)] = pair else { continue };
            // One request from the block before to the block after, both touched.
            if start - end < longest {
                gaps.push(ReadGap {
                    conduit: conduit.name.clone(),
                    identity: identity.name.clone(),
                    object: object.word,
                    first: end + 1,
                    last: start - 1,
                });
            }
        }
    }
    gaps
}

/// What may be read, in order, blocks that touch made one. Nothing where all may be.
fn blocks(conduit: &Conduit, identity: &Identity, object: ObjectId) -> Vec<(u32, u32)> {
    let is_read = |one: &&sluicegate_proto::policy::Rule| {
        let who = one.sentence.who.as_deref().unwrap_or("any");
        let his = who == "any" || who == identity.name || identity.roles.iter().any(|role| role == who);
        one.allow && his && one.sentence.class == Class::Read && one.sentence.object == object
    };
    let mut ranges = Vec::new();
    for rule in conduit.plan.rules.iter().filter(is_read) {
        if rule.sentence.ranges.is_empty() {
            return Vec::new();
        }
        ranges.extend_from_slice(&rule.sentence.ranges);
    }
    ranges.sort_unstable();
    let mut blocks: Vec<(u32, u32)> = Vec::new();
    for (first, last) in ranges {
        match blocks.last_mut() {
            Some(block) if first <= block.1.saturating_add(1) => block.1 = block.1.max(last),
            _ => blocks.push((first, last)),
        }
    }
    blocks
}
