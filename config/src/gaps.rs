//! Which reads would go past what is allowed between two blocks?
//!
//! A client that gathers its points into few requests reads the points between them too, and is refused. `check` tells
//! where that can happen.

use sluicegate_proto::{deed::ObjectId, protocol::Protocol, sentence::Element, vocab::Class};

use crate::{
    build::can_come,
    plan::{Conduit, Identity, Site},
};

/// Points between two blocks that somebody may read, near enough for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadGap {
    /// For whom: identities, in the order of the site.
    pub identities: Vec<String>,
    /// The object.
    pub object: ObjectId,
    /// The first point that may not be read, zero-based.
    pub first: u32,
    /// The last one.
    pub last: u32,
}

/// Every gap of a conduit, each once with all whom it concerns.
pub fn read_gaps(site: &Site, conduit: &Conduit) -> Vec<ReadGap> {
    let listener = site.listeners.get(conduit.listener.index());
    let comes = |one: &&Identity| one.zone == conduit.from && listener.is_some_and(|at| can_come(&at.transport, one));
    let mut gaps: Vec<ReadGap> = Vec::new();
    for identity in site.identities.iter().filter(comes) {
        for (object, first, last) in gaps_of(conduit, identity) {
            match gaps.iter_mut().find(|one| (one.object, one.first, one.last) == (object, first, last)) {
                Some(gap) => gap.identities.push(identity.name.clone()),
                None => gaps.push(ReadGap { identities: vec![identity.name.clone()], object, first, last }),
            }
        }
    }
    gaps
}

fn gaps_of(conduit: &Conduit, identity: &Identity) -> Vec<(ObjectId, u32, u32)> {
    let mut gaps = Vec::new();
    for (object, id) in conduit.protocol.grammar().objects.iter().zip(0..) {
        let Some(longest) = longest_read(conduit.protocol, object.element) else { continue };
        for pair in blocks(conduit, identity, ObjectId(id)).windows(2) {
            let [(_, end), (start, _)] = pair else { continue };
            // One request from the block before to the block after, both touched.
            if start - end < longest {
                gaps.push((ObjectId(id), end + 1, start - 1));
            }
        }
    }
    gaps
}

/// Modbus application protocol, 6.1 to 6.4: 2000 bits or 125 registers at once.
fn longest_read(protocol: Protocol, element: Element) -> Option<u32> {
    match (protocol, element) {
        (Protocol::Modbus, Element::Bit) => Some(2000),
        (Protocol::Modbus, Element::Register) => Some(125),
        (Protocol::Modbus, Element::None) => None,
    }
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
