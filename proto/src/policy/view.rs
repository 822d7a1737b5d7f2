//! Which rules does one peer meet, and how are they found?

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

use super::{
    PolicySet, View, Who,
    compile::{Codes, Compiled, Topic},
    ready::Ready,
    tree::{Entry, Tree},
};
use crate::deed::Deed;

/// The rules of one peer, laid out for look-up.
#[derive(Debug)]
pub(crate) struct ViewInner {
    pub(super) policy: Arc<Compiled>,
    /// The peer's place in the plan.
    pub(super) identity: Option<u16>,
    topics: Vec<(Topic, Table)>,
}

/// The peer's rules on one topic.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) allow: Tree,
    pub(super) deny: Tree,
    /// Which functions its allow rules admit.
    pub(super) codes: Codes,
    /// Whether an allow rule here is an `always` rule.
    pub(super) has_always: bool,
    /// Each function by its code.
    functions: [Way; 128],
}

/// What is left to ask about a deed of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Who may do it at all.
    Closed,
    /// Where, and what: the settings serve it, and this peer is admitted.
    Open,
    /// The same, and whether the rule names the function.
    Named,
}

impl Table {
    /// A code of 128 or more is asked about step by step.
    pub(super) fn way(&self, function: u16) -> Way {
        self.functions.get(usize::from(function)).copied().unwrap_or(Way::Closed)
    }
}

impl ViewInner {
    pub(super) fn table(&self, topic: Topic) -> Option<&Table> {
        // A peer has rules on a dozen topics at the most.
        self.topics.iter().find(|(one, _)| *one == topic).map(|(_, table)| table)
    }

    /// The peer's allow rules that admit the deed's class, object and function, by first index; all of them, or those
    /// that start at most so many places around an index.
    pub(super) fn admitting(
        &self,
        deed: &Deed<'_>,
        around: Option<(u32, usize)>,
    ) -> impl Iterator<Item = (&Entry, &Ready)> {
        let must_be_named = self.policy.must_be_named(deed.class, deed.object, deed.function);
        let function = deed.function;
        let mut entries = self.table((deed.class, deed.object)).map_or(&[][..], |table| table.allow.entries());
        if let Some((at, places)) = around {
            let middle = entries.partition_point(|entry| entry.first <= at);
            let range = middle.saturating_sub(places)..middle.saturating_add(places).min(entries.len());
            entries = entries.get(range).unwrap_or(&[]);
        }
        entries
            .iter()
            .filter_map(|entry| Some((entry, self.policy.ready(entry.rule)?)))
            .filter(move |(_, ready)| ready.admits_function(function, must_be_named))
    }
}

pub(super) fn view(set: &PolicySet, who: &Who) -> Arc<View> {
    let policy = Arc::clone(&set.inner);
    let mut parts: BTreeMap<Topic, (Vec<Entry>, Vec<Entry>, Codes, bool)> = BTreeMap::new();
    for ready in policy.ready.iter().filter(|ready| ready.is_for(who)) {
        let (allow, deny, codes, has_always) = parts.entry(ready.topic).or_default();
        let plain = ready.is_plain();
        let entry = |(first, last): &(u32, u32)| Entry { first: *first, last: *last, rule: ready.rule, plain };
        let entries = ready.ranges.iter().map(entry);
        if ready.allow {
            allow.extend(entries);
            codes.add(&ready.via);
            *has_always |= ready.always;
        } else {
            deny.extend(entries);
        }
    }
    let topics = parts
        .into_iter()
        .map(|(topic, (allow, deny, mut codes, has_always))| {
            codes.settle();
            let functions = functions(&policy, topic, &codes);
            (topic, Table { allow: Tree::new(allow), deny: Tree::new(deny), codes, has_always, functions })
        })
        .collect();
    let identity = policy.identities.iter().position(|name| *name == who.identity);
    let identity = identity.and_then(|place| u16::try_from(place).ok());
    Arc::new(View { inner: ViewInner { policy, identity, topics } })
}

/// The way of each function on a topic, for a peer whose allow rules admit `codes`.
fn functions(policy: &Compiled, topic: Topic, codes: &Codes) -> [Way; 128] {
    let mut ways = [Way::Closed; 128];
    let Some(anyone) = policy.admitted.get(&topic) else { return ways };
    for (code, way) in (0u16..).zip(&mut ways) {
        let must_be_named = policy.must_be_named(topic.0, topic.1, code);
        let admitted = anyone.admits(code, must_be_named) && codes.admits(code, must_be_named);
        if admitted && policy.serves_function(code) {
            *way = if must_be_named { Way::Named } else { Way::Open };
        }
    }
    ways
}
