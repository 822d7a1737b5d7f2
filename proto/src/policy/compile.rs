//! What do the rules of a plan amount to?

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use super::{Fault, Plan, PolicySet, Rule, RuleIx, make::Bench, ready::Ready};
use crate::{
    deed::ObjectId,
    sentence::{Grammar, Index, Max, Per},
    vocab::Class,
};

/// Under what a deed is looked up.
pub(super) type Topic = (Class, ObjectId);

/// The rules of one conduit, made ready; shared by its views, its budgets and what it holds.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// As planned.
    pub(super) rules: Vec<Rule>,
    /// The same, ready, in the same places.
    pub(super) ready: Vec<Ready>,
    /// Which functions any allow rule of anyone admits.
    pub(super) admitted: BTreeMap<Topic, Codes>,
    /// Whether any allow rule speaks of what devices report; where none does, they may report all of it.
    pub(super) reports_ruled: bool,
    /// The functions that a rule must name.
    pub(super) named_only: Vec<(Class, ObjectId, u16)>,
    /// The objects that a plain number or a code follows.
    pub(super) numbered: Vec<ObjectId>,
    /// `units`; absent where the protocol's table has no such list.
    pub(super) units: Option<Vec<u32>>,
    /// `functions`, where the operator gave an outer list.
    pub(super) functions: Option<Vec<u16>>,
    /// For how long a seen value stays known.
    pub(super) step_age: Duration,
    /// Whether a `step` passes where the device gave no answer.
    pub(super) step_unknown_allows: bool,
    /// The site's identities.
    pub(super) identities: Vec<String>,
    /// The buckets that rules name.
    pub(super) buckets: Vec<BucketPlan>,
    /// What `step` and `when` ask about.
    pub(super) watched: Ranges<ObjectId>,
    /// What the allow rules of anyone name.
    pub(super) named: Ranges<Topic>,
}

/// Ranges of indexes under a key; sorted, disjoint.
#[derive(Debug)]
pub(super) struct Ranges<K>(Vec<(K, u32, u32)>);

impl<K: Ord + Copy> Ranges<K> {
    fn new(all: impl Iterator<Item = (K, u32, u32)>) -> Self {
        let mut ranges: Vec<_> = all.collect();
        ranges.sort_unstable();
        let mut merged: Vec<(K, u32, u32)> = Vec::new();
        for (key, first, last) in ranges {
            match merged.last_mut() {
                Some((other, _, end)) if *other == key && end.saturating_add(1) >= first => *end = last.max(*end),
                _ => merged.push((key, first, last)),
            }
        }
        Self(merged)
    }

    fn holds(&self, key: K, index: u32) -> bool {
        let after = self.0.partition_point(|(other, first, _)| (*other, *first) <= (key, index));
        let found = after.checked_sub(1).and_then(|place| self.0.get(place));
        found.is_some_and(|(other, _, last)| *other == key && *last >= index)
    }
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BucketPlan {
    pub(super) key: BucketKey,
    pub(super) count: u32,
    pub(super) per: Per,
    /// Whether each identity has its own.
    pub(super) each: bool,
}

/// Under what a bucket keeps its level when the policy changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BucketKey {
    /// A rule's own: its canonical text.
    Rule(String),
    /// A shared one: its name.
    Budget(String),
}

/// Which functions a set of rules admits on one topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes {
    /// A rule without `via`: every function but those that must be named.
    open: bool,
    /// Named by `via`; sorted once by [`Codes::settle`].
    named: Vec<u16>,
}

impl Codes {
    pub(super) fn add(&mut self, via: &[u16]) {
        self.open |= via.is_empty();
        self.named.extend_from_slice(via);
    }

    pub(super) fn settle(&mut self) {
        self.named.sort_unstable();
        self.named.dedup();
    }

    pub(super) fn admits(&self, code: u16, must_be_named: bool) -> bool {
        (self.open && !must_be_named) || self.named.binary_search(&code).is_ok()
    }
}

impl Compiled {
    pub(super) fn ready(&self, rule: RuleIx) -> Option<&Ready> {
        self.ready.get(usize::try_from(rule.0).ok()?)
    }

    pub(super) fn must_be_named(&self, class: Class, object: ObjectId, code: u16) -> bool {
        self.named_only.contains(&(class, object, code))
    }

    /// Whether the number behind this object chooses what the device does rather than a place in it: a sub-function of
    /// FC 8, a list of FC 43/14, a function that is not understood. Another number is then another function.
    pub(super) fn is_function(&self, class: Class, object: ObjectId) -> bool {
        matches!(class, Class::Diagnose | Class::Identify | Class::Program) && self.numbered.contains(&object)
    }

    pub(super) fn watches(&self, object: ObjectId, address: u32) -> bool {
        self.watched.holds(object, address)
    }

    pub(super) fn names(&self, topic: Topic, index: u32) -> bool {
        self.named.holds(topic, index)
    }

    pub(super) fn serves_unit(&self, unit: u32) -> bool {
        self.units.as_ref().is_none_or(|units| units.contains(&unit))
    }

    pub(super) fn serves_function(&self, code: u16) -> bool {
        self.functions.as_ref().is_none_or(|codes| codes.contains(&code))
    }
}

pub(super) fn compile(plan: &Plan) -> Result<PolicySet, Vec<Fault>> {
    compile_with(plan, plan.protocol.grammar())
}

/// The objects whose index says which function it is. Behind a word of its own an index names a point.
fn numbered(grammar: &Grammar) -> Vec<ObjectId> {
    let places = (0..=u8::MAX).map(ObjectId).zip(grammar.objects).filter(|_| grammar.index_word.is_none());
    places.filter(|(_, spec)| matches!(spec.index, Index::Number { .. } | Index::Code)).map(|(id, _)| id).collect()
}

pub(super) fn compile_with(plan: &Plan, grammar: &Grammar) -> Result<PolicySet, Vec<Fault>> {
    let named_only: Vec<_> =
        grammar.functions.iter().filter(|one| one.named_only).map(|one| (one.class, one.object, one.code)).collect();
    let units = plan.settings.get(grammar.units_key).map(|_| numbers(plan.settings.ints(grammar.units_key)));
    let functions = plan.settings.get("functions").map(|_| numbers(plan.settings.ints("functions")));
    let mut buckets = Buckets::new(plan);
    let mut faults = Vec::new();
    let mut ready = Vec::with_capacity(plan.rules.len());
    let bench = Bench { plan, grammar, units: units.as_deref(), functions: functions.as_deref() };
    for (place, rule) in plan.rules.iter().enumerate() {
        match bench.make(rule, RuleIx(u32::try_from(place).unwrap_or(u32::MAX)), &mut buckets) {
            Ok(one) => ready.push(one),
            Err(found) => faults.extend(found.into_iter().map(|(message, help)| Fault { rule: place, message, help })),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let compiled = Compiled {
        rules: plan.rules.clone(),
        admitted: admitted(&ready),
        watched: Ranges::new(ready.iter().flat_map(Ready::asks_about)),
        named: Ranges::new(ready.iter().filter(|rule| rule.allow).flat_map(Ready::names)),
        reports_ruled: ready.iter().any(|rule| rule.allow && rule.topic.0 == Class::Report),
        ready,
        named_only,
        numbered: numbered(grammar),
        units,
        functions,
        step_age: plan.settings.duration("step_age").unwrap_or(STEP_AGE),
        step_unknown_allows: plan.settings.text("step_unknown") == Some("allow"),
        identities: plan.identities.clone(),
        buckets: buckets.made,
    };
    Ok(PolicySet { inner: Arc::new(compiled) })
}

/// The buckets as rules name them: each key once, so that a rule that stands twice has one bucket.
pub(super) struct Buckets<'p> {
    plan: &'p Plan,
    made: Vec<BucketPlan>,
    places: BTreeMap<BucketKey, u32>,
}

impl<'p> Buckets<'p> {
    fn new(plan: &'p Plan) -> Self {
        Self { plan, made: Vec::new(), places: BTreeMap::new() }
    }

    /// The rule's own bucket.
    pub(super) fn own(&mut self, text: &str, max: Max) -> u32 {
        self.place(BucketPlan {
            key: BucketKey::Rule(String::from(text)),
            count: max.count,
            per: max.per,
            each: max.each,
        })
    }

    /// A shared bucket, where there is one of that name that ever holds a token.
    pub(super) fn shared(&mut self, name: &str) -> Option<u32> {
        let budget = self.plan.budgets.iter().find(|one| one.name == name && one.count > 0)?;
        let key = BucketKey::Budget(String::from(name));
        Some(self.place(BucketPlan { key, count: budget.count, per: budget.per, each: false }))
    }

    fn place(&mut self, bucket: BucketPlan) -> u32 {
        let next = u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(bucket.key.clone()).or_insert(next);
        if place == next {
            self.made.push(bucket);
        }
        place
    }
}

fn numbers<T: TryFrom<i64>>(ints: &[i64]) -> Vec<T> {
    ints.iter().filter_map(|one| T::try_from(*one).ok()).collect()
}

fn admitted(ready: &[Ready]) -> BTreeMap<Topic, Codes> {
    let mut all: BTreeMap<Topic, Codes> = BTreeMap::new();
    for rule in ready.iter().filter(|rule| rule.allow) {
        all.entry(rule.topic).or_default().add(&rule.via);
    }
    all.values_mut().for_each(Codes::settle);
    all
}

/// `step_age` where the protocol's table does not say.
const STEP_AGE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{
        compile,
        fixture::{COIL, HOLDING, INPUT, plan},
    };

    #[test]
    fn only_a_number_that_chooses_what_is_done_makes_another_function() {
        let set = compile(&plan(&[], &[])).expect("compiles");
        let (function, device_id, diagnostic, status) = (ObjectId(4), ObjectId(5), ObjectId(6), ObjectId(9));
        for (class, object, is) in [
            (Class::Program, function, true),
            (Class::Identify, device_id, true),
            (Class::Diagnose, diagnostic, true),
            (Class::Diagnose, status, false),
            (Class::Read, diagnostic, false),
            (Class::Read, HOLDING, false),
        ] {
            assert_eq!(set.inner.is_function(class, object), is, "{class} {object:?}");
        }
    }

    #[test]
    fn points_that_rules_ask_about_are_merged_where_they_touch_and_only_there() {
        let rules = [
            "hmi write holding 1, 5-6 = 0..9 step 1",
            "hmi write holding 7 = 0..9 step 1",
            "hmi write holding 9 = 0..9 step 1 from input 3",
            "hmi write coil 0 = on when coil 4 = on",
        ];
        let set = compile(&plan(&rules, &[])).expect("compiles");
        let watched = [(COIL, 4, 4), (INPUT, 3, 3), (HOLDING, 1, 1), (HOLDING, 5, 7)];
        assert_eq!(set.inner.watched.0, watched);
        for (object, first, last) in watched {
            for address in 0..12 {
                let meant = watched.iter().any(|one| one.0 == object && (one.1..=one.2).contains(&address));
                assert_eq!(set.inner.watches(object, address), meant, "{object:?} {address} of {first}-{last}");
            }
        }
        assert!(!set.inner.watches(ObjectId(1), 4));
    }
}
