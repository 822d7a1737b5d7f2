//! How much of each rule's `max` and of each shared budget is left?
//!
//! A bucket of `count` tokens that refills one token every `period / count`. It is kept as the instant at which it is
//! full again, in whole nanoseconds, and tokens that are taken but not spent are counted apart: they are spent when
//! their message leaves, and until then they are nobody else's.

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};

use super::{
    Charges, PolicySet,
    compile::{BucketKey, BucketPlan, Compiled},
    nanos_of,
};
use crate::time::Mono;

/// The buckets of a conduit's rules and of the shared budgets that it spends. They follow the policy that messages are
/// judged under: a view of another policy finds no token here.
#[derive(Debug)]
pub struct Budgets {
    policy: Arc<Compiled>,
    /// By place in the policy's list of buckets.
    slots: Vec<SlotId>,
    buckets: BTreeMap<SlotId, Bucket>,
    /// By the identity's place in the plan.
    peers: Vec<PeerId>,
    next: u64,
}

/// Tokens taken out of the buckets for one message. [`Budgets::commit`] it when the message leaves and
/// [`Budgets::give_back`] when it does not: a reservation that is only dropped holds its tokens for good, which refuses
/// too much and never lets through too much. It outlives a change of policy.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "tokens stay taken until the reservation is committed or given back"]
pub struct Reservation {
    tokens: Vec<(SlotId, PeerId)>,
}

/// A bucket's number, the same for as long as its key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SlotId(u64);

/// An identity's number, the same for as long as it is in the plan. [`PeerId::ALL`] where all share a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PeerId(u64);

impl PeerId {
    const ALL: Self = Self(0);
}

/// One bucket, or one for each identity that has used it (bounded by the plan's identities).
#[derive(Debug)]
struct Bucket {
    /// Nanoseconds for one token.
    each_takes: u64,
    burst: u64,
    levels: BTreeMap<PeerId, Level>,
}

/// What is gone from one bucket. Absent: nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// When it is full again, as far as tokens are spent.
    full_at: u64,
    /// Taken, not spent.
    taken: u64,
}

impl Budgets {
    /// Full buckets.
    pub fn new(policy: &PolicySet) -> Self {
        let mut made = Self {
            policy: Arc::clone(&policy.inner),
            slots: Vec::new(),
            buckets: BTreeMap::new(),
            peers: Vec::new(),
            next: 1,
        };
        let names = alloc::vec![None; made.policy.identities.len()];
        made.peers = made.number(&names);
        made.lay_out(&BTreeMap::new(), Mono::ZERO);
        made
    }

    /// A new policy: a rule with the same canonical text keeps its level, a shared budget of the same name too, and so
    /// does an identity's own bucket. At a changed rate, as many tokens stay spent as were.
    pub fn follow(&mut self, policy: &PolicySet, now: Mono) {
        let before = core::mem::replace(&mut self.policy, Arc::clone(&policy.inner));
        let known: BTreeMap<&String, PeerId> = before.identities.iter().zip(self.peers.iter().copied()).collect();
        let names: Vec<_> = self.policy.identities.iter().map(|name| known.get(name).copied()).collect();
        let gone: Vec<_> = known.into_values().filter(|peer| !names.contains(&Some(*peer))).collect();
        self.peers = self.number(&names);
        for bucket in self.buckets.values_mut() {
            bucket.levels.retain(|peer, _| !gone.contains(peer));
        }
        let slots = before.buckets.iter().map(|one| one.key.clone()).zip(self.slots.iter().copied()).collect();
        self.lay_out(&slots, now);
    }

    /// Takes one token out of every bucket that the rules of `charges` name for this identity (its place in the
    /// plan), one for each rule; `None`, and nothing taken, where one is empty. No bucket stops what `always` rules
    /// cover: it takes what there is.
    pub fn reserve(&mut self, charges: &Charges, identity: u16, now: Mono) -> Option<Reservation> {
        let mut reservation = Reservation { tokens: Vec::new() };
        let policy = Arc::clone(&self.policy);
        let rules = charges.rules.iter().filter_map(|rule| policy.ready(*rule)).filter(|ready| ready.spends());
        for bucket in rules.flat_map(|ready| ready.buckets.iter().flatten()) {
            let token = self.token(*bucket, Some(identity));
            let level = token.filter(|token| self.has(*token, now)).and_then(|token| self.level_mut(token));
            let (Some(token), Some(level)) = (token, level) else {
                if charges.always {
                    continue;
                }
                self.give_back(reservation);
                return None;
            };
            level.taken = level.taken.saturating_add(1);
            reservation.tokens.push(token);
        }
        Some(reservation)
    }

    /// The message left at `now`: its tokens are spent then, not when they were reserved, so that messages that
    /// waited together cannot leave together with another bucket behind them.
    pub fn commit(&mut self, reservation: Reservation, now: Mono) {
        for (slot, peer) in reservation.tokens {
            let Some(bucket) = self.buckets.get_mut(&slot) else { continue };
            let Some(level) = bucket.levels.get_mut(&peer) else { continue };
            level.taken = level.taken.saturating_sub(1);
            level.full_at = level.full_at.max(now.as_nanos()).saturating_add(bucket.each_takes);
        }
    }

    /// It did not leave.
    pub fn give_back(&mut self, reservation: Reservation) {
        for token in reservation.tokens {
            let bucket = self.buckets.get_mut(&token.0);
            if let Some(level) = bucket.and_then(|bucket| bucket.levels.get_mut(&token.1)) {
                level.taken = level.taken.saturating_sub(1);
            }
        }
    }

    /// Whether a bucket of `policy` holds a token for an identity.
    pub(super) fn holds(&self, policy: &Compiled, bucket: u32, identity: Option<u16>, now: Mono) -> bool {
        core::ptr::eq(policy, Arc::as_ptr(&self.policy))
            && self.token(bucket, identity).is_some_and(|token| self.has(token, now))
    }

    /// Which level a bucket of the policy is, for an identity.
    fn token(&self, bucket: u32, identity: Option<u16>) -> Option<(SlotId, PeerId)> {
        let place = usize::try_from(bucket).ok()?;
        let slot = *self.slots.get(place)?;
        if self.policy.buckets.get(place)?.each {
            Some((slot, *self.peers.get(usize::from(identity?))?))
        } else {
            Some((slot, PeerId::ALL))
        }
    }

    fn has(&self, (slot, peer): (SlotId, PeerId), now: Mono) -> bool {
        self.buckets.get(&slot).is_some_and(|bucket| {
            let level = bucket.levels.get(&peer).copied().unwrap_or_default();
            level.spent(bucket.each_takes, now).saturating_add(level.taken) < bucket.burst
        })
    }

    fn level_mut(&mut self, (slot, peer): (SlotId, PeerId)) -> Option<&mut Level> {
        self.buckets.get_mut(&slot).map(|bucket| bucket.levels.entry(peer).or_default())
    }

    /// Numbers for the identities: the ones they had, else new ones.
    fn number(&mut self, known: &[Option<PeerId>]) -> Vec<PeerId> {
        known.iter().map(|peer| peer.unwrap_or_else(|| PeerId(self.take_number()))).collect()
    }

    fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        number
    }

    /// Lays out the buckets of the policy, taking over those of `before`; the others go.
    fn lay_out(&mut self, before: &BTreeMap<BucketKey, SlotId>, now: Mono) {
        let policy = Arc::clone(&self.policy);
        let mut kept = BTreeMap::new();
        self.slots = Vec::with_capacity(policy.buckets.len());
        for plan in &policy.buckets {
            let old = before.get(&plan.key).and_then(|slot| Some((*slot, self.buckets.remove(slot)?)));
            let slot = old.as_ref().map_or_else(|| SlotId(self.take_number()), |(slot, _)| *slot);
            kept.insert(slot, Bucket::new(plan, old.map(|(_, bucket)| bucket), now));
            self.slots.push(slot);
        }
        self.buckets = kept;
    }
}

impl Bucket {
    fn new(plan: &BucketPlan, before: Option<Self>, now: Mono) -> Self {
        let burst = u64::from(plan.count);
        // Rounded up: a bucket refills a little late, never early.
        let each_takes = nanos_of(plan.per).div_ceil(burst.max(1));
        let mut levels = BTreeMap::new();
        if let Some(before) = before {
            for (peer, level) in before.levels {
                let spent = level.spent(before.each_takes, now).min(burst);
                let owed = spent.saturating_mul(each_takes);
                let full_at =
                    if each_takes == before.each_takes { level.full_at } else { now.as_nanos().saturating_add(owed) };
                levels.insert(peer, Level { full_at, taken: level.taken });
            }
        }
        Self { each_takes, burst, levels }
    }
}

impl Level {
    /// Tokens spent and not refilled by `now`. A clock that steps back makes it more, never less.
    fn spent(self, each_takes: u64, now: Mono) -> u64 {
        self.full_at.saturating_sub(now.as_nanos()).div_ceil(each_takes.max(1))
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use proptest::prelude::*;

    use super::*;
    use crate::policy::{
        Plan, RuleIx, compile,
        fixture::{plan, rule},
    };

    const SECOND: u64 = 1_000_000_000;

    fn policy(plan: &Plan) -> PolicySet {
        compile(plan).expect("compiles")
    }

    fn charge(rules: &[u32]) -> Charges {
        Charges { rules: rules.iter().map(|rule| RuleIx(*rule)).collect(), always: false, spends: true }
    }

    fn at(nanos: u64) -> Mono {
        Mono::from_nanos(nanos)
    }

    /// How many messages leave now.
    fn drain(budgets: &mut Budgets, rules: &[u32], identity: u16, now: Mono) -> usize {
        core::iter::from_fn(|| {
            let taken = budgets.reserve(&charge(rules), identity, now)?;
            budgets.commit(taken, now);
            Some(())
        })
        .take(1000)
        .count()
    }

    #[test]
    fn a_bucket_empties_and_refills_one_token_at_a_time() {
        let mut budgets = Budgets::new(&policy(&plan(&["hmi write holding 0 max 6/min"], &[])));
        assert_eq!(drain(&mut budgets, &[0], 1, at(0)), 6);
        assert_eq!(drain(&mut budgets, &[0], 0, at(10 * SECOND - 1)), 0, "one bucket over all who match");
        assert_eq!(drain(&mut budgets, &[0], 1, at(10 * SECOND)), 1);
        assert_eq!(drain(&mut budgets, &[0], 1, at(3600 * SECOND)), 6, "never more than one bucket");
        assert_eq!(drain(&mut budgets, &[0], 1, at(0)), 0, "a clock that steps back lets nothing through");
    }

    #[test]
    fn what_is_given_back_is_not_spent_and_what_waits_is_nobody_elses() {
        let mut budgets = Budgets::new(&policy(&plan(&["hmi write holding 0 max 2/s"], &[])));
        let one = budgets.reserve(&charge(&[0]), 1, at(0)).expect("full");
        let two = budgets.reserve(&charge(&[0]), 1, at(0)).expect("one left");
        assert_eq!(budgets.reserve(&charge(&[0]), 1, at(100 * SECOND)), None, "both still wait");
        budgets.commit(one, at(100 * SECOND));
        budgets.give_back(two);
        assert_eq!(drain(&mut budgets, &[0], 1, at(100 * SECOND)), 1);
    }

    #[test]
    fn shared_and_own_buckets_are_taken_together_or_not_at_all() {
        let rules = ["hmi write holding 0 spends pool", "hmi write holding 1 max 1/h spends pool"];
        let mut budgets = Budgets::new(&policy(&plan(&rules, &[])));
        let both = budgets.reserve(&charge(&[0, 1]), 1, at(0)).expect("two tokens of the pool, one of the rule");
        budgets.give_back(both);
        assert_eq!(drain(&mut budgets, &[1], 1, at(0)), 1);
        assert_eq!(budgets.reserve(&charge(&[0, 1]), 1, at(0)), None);
        assert_eq!(drain(&mut budgets, &[0], 1, at(0)), 1, "the refused one took nothing");
    }

    #[test]
    fn each_identity_has_its_own_bucket_and_keeps_it_when_its_place_moves() {
        let mut planned = plan(&["any write holding 0 max 1/h each"], &[]);
        let mut budgets = Budgets::new(&policy(&planned));
        assert_eq!([1, 2].map(|who| drain(&mut budgets, &[0], who, at(0))), [1, 1]);
        assert_eq!(drain(&mut budgets, &[0], 9, at(0)), 0, "nobody has no bucket");
        // eng-1 goes, a new one comes first: scada-1 is at place 2 now, the new one at 0.
        planned.identities = ["a-new", "scada-2", "scada-1"].map(String::from).to_vec();
        budgets.follow(&policy(&planned), at(1));
        assert_eq!([0, 1, 2].map(|who| drain(&mut budgets, &[0], who, at(1))), [1, 0, 0]);
    }

    #[test]
    fn levels_follow_the_text_of_a_rule_and_the_name_of_a_budget() {
        let mut planned = plan(
            &["hmi write holding 0 max 2/h", "hmi write holding 1 spends pool", "hmi write holding 2 max 1/h"],
            &[],
        );
        let mut budgets = Budgets::new(&policy(&planned));
        for one in [0, 1, 2] {
            let taken = budgets.reserve(&charge(&[one]), 1, at(0)).expect("full");
            budgets.commit(taken, at(0));
        }
        let waiting = budgets.reserve(&charge(&[0]), 1, at(0)).expect("one left");
        planned.rules =
            ["hmi write holding 1 spends pool", "hmi write holding 2 max 3/h", "hmi write holding 0 max 2/h"]
                .map(|text| rule(text, true))
                .to_vec();
        planned.budgets.iter_mut().for_each(|budget| budget.count = 4);
        budgets.follow(&policy(&planned), at(1));
        assert_eq!(drain(&mut budgets, &[2], 1, at(1)), 0, "one spent, one waits");
        assert_eq!(drain(&mut budgets, &[0], 1, at(1)), 3, "one of four is spent");
        assert_eq!(drain(&mut budgets, &[1], 1, at(1)), 3, "another text is another rule");
        budgets.give_back(waiting);
        assert_eq!(drain(&mut budgets, &[2], 1, at(1)), 1);
    }

    #[test]
    fn a_rule_that_stands_twice_has_one_bucket_and_an_always_rule_spends_none() {
        let rules = [
            "hmi write holding 0 = 0 max 1/h",
            "hmi write holding 0 = 0 max 1/h",
            "hmi write holding 0 = 0 max 1/h always",
        ];
        let mut budgets = Budgets::new(&policy(&plan(&rules, &[])));
        assert_eq!(drain(&mut budgets, &[0], 1, at(0)), 1);
        assert_eq!(drain(&mut budgets, &[1], 1, at(0)), 0);
        assert_eq!(drain(&mut budgets, &[2], 1, at(0)), 1000);
        let stop = Charges { always: true, ..charge(&[0]) };
        let taken = budgets.reserve(&stop, 1, at(0)).expect("an emergency goes out past an empty bucket");
        budgets.commit(taken, at(0));
    }

    #[test]
    fn what_was_taken_under_a_policy_that_is_gone_is_settled_and_taken_from_nobody() {
        let mut planned =
            plan(&["any write holding 0 max 2/h each", "hmi write holding 1 max 2/h", "hmi write holding 2"], &[]);
        let mut budgets = Budgets::new(&policy(&planned));
        let take = |budgets: &mut Budgets| budgets.reserve(&charge(&[0, 1]), 1, at(0)).expect("full");
        let (one, two) = (take(&mut budgets), take(&mut budgets));
        planned.identities = ["eng-1", "scada-2"].map(String::from).to_vec();
        planned.rules.remove(1);
        budgets.follow(&policy(&planned), at(1));
        budgets.commit(one, at(1));
        budgets.give_back(two);
        assert_eq!([0, 1].map(|who| drain(&mut budgets, &[0], who, at(1))), [2, 2], "another's level is untouched");
    }

    proptest! {
        /// Whatever is reserved, held back, given back or committed, and however the clock steps: in any window no more
        /// leaves than a bucket and what flows in meanwhile.
        #[test]
        fn no_window_lets_through_more_than_a_bucket_and_its_flow(
            count in 1u32..8,
            acts in proptest::collection::vec((0u8..4, 0u64..1_500_000_000u64), 1..120),
        ) {
            let text = std::format!("hmi write holding 0 max {count}/s");
            let mut budgets = Budgets::new(&policy(&plan(&[text.as_str()], &[])));
            let mut waiting = Vec::new();
            let mut left: Vec<u64> = Vec::new();
            let mut now = 0;
            for (act, wait) in acts {
                now += if act == 3 { wait } else { wait % 1000 };
                match act {
                    0 | 3 => waiting.extend(budgets.reserve(&charge(&[0]), 1, at(now))),
                    1 => for taken in waiting.drain(..) {
                        budgets.commit(taken, at(now));
                        left.push(now);
                    },
                    _ => if let Some(taken) = waiting.pop() {
                        budgets.give_back(taken);
                    },
                }
            }
            for (place, from) in left.iter().enumerate() {
                for (more, to) in left[place..].iter().enumerate() {
                    let flow = (to - from) * u64::from(count) / SECOND;
                    prop_assert!((more as u64) < u64::from(count) + flow, "{count}/s: {left:?}");
                }
            }
        }
    }
}
