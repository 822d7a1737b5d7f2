//! On which terms is a point allowed, and when are two lists of terms the same?
//!
//! A point's terms are alternatives: each rule that admits it is one. What a rule asks for besides the deed itself (a rate, a
//! step, a condition, a schedule, a select) is no set of deeds, so that it is compared as what it is.

use std::collections::{BTreeMap, BTreeSet};

use sluicegate_proto::{
    deed::ObjectId,
    sentence::{Max, Per, Sentence, StepClause, ValueType, When},
};

/// What one rule asks for besides the deed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Terms {
    /// Ignores all that follows but the select.
    pub(super) always: bool,
    pub(super) select_first: bool,
    /// The step; its readback stands in `from`.
    pub(super) step: Option<StepClause>,
    /// The readback's object, and how far its index lies above the point's.
    pub(super) from: Option<(ObjectId, i64)>,
    /// In which format a step is measured.
    pub(super) measured: Option<ValueType>,
    /// `step_age` and `step_unknown`, where it hangs on what the device holds.
    pub(super) held: Option<String>,
    pub(super) when: Option<When>,
    pub(super) max: Option<Max>,
    /// What counts for `max`.
    pub(super) bucket: Option<Bucket>,
    /// A budget, and its rate.
    pub(super) spends: Option<(String, u32, Per)>,
    /// Schedules that must hold (`false`) or must not (`true`).
    pub(super) during: BTreeMap<Schedule, bool>,
}

/// A rule's bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket {
    /// The text of its rule. Two rules have two buckets.
    pub(super) rule: String,
    /// Who shares it; empty where each has its own.
    pub(super) who: String,
}

/// A schedule: its name, and what it says. The same name with other windows is another schedule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Schedule {
    pub(super) name: String,
    pub(super) says: String,
}

/// The alternatives of one point; none: it is refused.
pub(super) type Label = Vec<Terms>;

/// At most so many schedules are tried against each other; beyond, two lists count as different unless they are written alike.
const SCHEDULES_TRIED: usize = 8;

impl Terms {
    /// Whether whoever may pass by `other` may pass by `self`.
    fn stands_for(&self, other: &Self) -> bool {
        let select = !self.select_first || other.select_first;
        let times = self.during.iter().all(|(schedule, not)| other.during.get(schedule) == Some(not));
        if self.always || other.always {
            return self.always && select && times;
        }
        let step = self.step.is_none()
            || (&self.step, &self.from, &self.measured, &self.held)
                == (&other.step, &other.from, &other.measured, &other.held);
        select
            && times
            && step
            && (self.when.is_none() || (self.when == other.when && self.held == other.held))
            && (self.max.is_none() || (&self.max, &self.bucket) == (&other.max, &other.bucket))
            && (self.spends.is_none() || self.spends == other.spends)
    }

    /// The same at a time when `holds` says which schedules hold; absent when it does not apply then.
    fn at(&self, holds: &dyn Fn(&Schedule) -> bool) -> Option<Self> {
        let applies = self.during.iter().all(|(schedule, not)| holds(schedule) != *not);
        applies.then(|| Self { during: BTreeMap::new(), ..self.clone() })
    }

    /// Writes the terms into a sentence about points from `first` on. What no clause can say comes back as words.
    pub(super) fn write(&self, sentence: &mut Sentence, first: u32) -> Vec<String> {
        sentence.select_first = self.select_first;
        sentence.always = self.always;
        sentence.step.clone_from(&self.step);
        if let (Some(step), Some((object, above))) = (&mut sentence.step, self.from) {
            let at = u32::try_from(i64::from(first) + above).unwrap_or(u32::MAX);
            step.from = Some((object, at));
        }
        if sentence.step.is_some() && sentence.value_type.is_none() {
            sentence.value_type = self.measured;
        }
        sentence.when.clone_from(&self.when);
        sentence.max = self.max;
        sentence.spends = self.spends.as_ref().map(|(name, ..)| name.clone());
        let mut words = Vec::new();
        for (schedule, not) in &self.during {
            let during = sluicegate_proto::sentence::During { schedule: schedule.name.clone(), not: *not };
            if sentence.during.is_none() {
                sentence.during = Some(during);
            } else {
                words.push(format!("and only during {}{}", if *not { "not " } else { "" }, schedule.name));
            }
        }
        words
    }
}

impl Terms {
    /// What the names in it stand for.
    pub(super) fn details(&self) -> Vec<String> {
        let rate = self.spends.as_ref().map(|(name, count, per)| {
            let per = match per {
                Per::Second => "s",
                Per::Minute => "min",
                Per::Hour => "h",
            };
            format!("{name} is {count}/{per}")
        });
        let times = self.during.keys().map(|schedule| format!("{} is {}", schedule.name, schedule.says));
        let bucket = self.bucket.as_ref().map(|bucket| format!("counted by {}", bucket.rule));
        rate.into_iter().chain(bucket).chain(times).chain(self.held.clone()).collect()
    }
}

/// The alternatives that are left once `denied` times are taken out, each that another stands for dropped, in a fixed order.
pub(super) fn label(alternatives: impl IntoIterator<Item = Terms>, denied: &[(Schedule, bool)]) -> Label {
    let mut left: Label = Vec::new();
    'next: for mut one in alternatives {
        for (schedule, not) in denied {
            // A deny `during X` leaves the times at which X does not hold.
            if *one.during.entry(schedule.clone()).or_insert(!not) == *not {
                continue 'next;
            }
        }
        left.push(one);
    }
    join_times(&mut left);
    let mut kept: Label = Vec::new();
    for one in left {
        if !kept.iter().any(|other| other.stands_for(&one)) {
            kept.retain(|other| !one.stands_for(other));
            kept.push(one);
        }
    }
    kept.sort_by_cached_key(|one| format!("{one:?}"));
    kept
}

/// `during day` and `during not day` together are always.
fn join_times(all: &mut Label) {
    loop {
        let mut joined = None;
        'search: for (place, one) in all.iter().enumerate() {
            for (schedule, not) in &one.during {
                let mut other = one.clone();
                other.during.insert(schedule.clone(), !not);
                if all.contains(&other) {
                    other.during.remove(schedule);
                    joined = Some((place, other));
                    break 'search;
                }
            }
        }
        let Some((place, other)) = joined else { return };
        if all.contains(&other) {
            all.remove(place);
        } else {
            all[place] = other;
        }
    }
}

/// The same, whatever the rules are called whose buckets count: another policy names the same bucket by another text.
pub(super) fn unnamed(label: &Label) -> Label {
    let mut all = label.clone();
    all.iter_mut().filter_map(|terms| terms.bucket.as_mut()).for_each(|bucket| bucket.rule.clear());
    all.sort_by_cached_key(|one| format!("{one:?}"));
    all
}

/// The one bucket that counts, where only one does.
pub(super) fn bucket(label: &Label) -> Option<&str> {
    let mut all = label.iter().filter_map(|terms| terms.bucket.as_ref());
    let only = all.next()?;
    all.next().is_none().then_some(only.rule.as_str())
}

/// Whether two labels let the same pass at every time.
pub(super) fn same(one: &Label, other: &Label) -> bool {
    if unnamed(one) == unnamed(other) {
        return true;
    }
    let named = |label: &Label| label.iter().flat_map(|terms| terms.during.keys().cloned()).collect::<BTreeSet<_>>();
    let schedules: Vec<_> = named(one).union(&named(other)).cloned().collect();
    if schedules.is_empty() || schedules.len() > SCHEDULES_TRIED {
        return false;
    }
    (0u32..1 << schedules.len()).all(|times| {
        let holds = |schedule: &Schedule| {
            schedules.iter().position(|one| one == schedule).is_some_and(|place| times >> place & 1 == 1)
        };
        let then = |all: &Label| label(all.iter().filter_map(|terms| terms.at(&holds)), &[]);
        unnamed(&then(one)) == unnamed(&then(other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn during(name: &str, not: bool) -> Terms {
        Terms { during: BTreeMap::from([(schedule(name), not)]), ..Terms::default() }
    }

    fn schedule(name: &str) -> Schedule {
        Schedule { name: name.to_owned(), says: String::new() }
    }

    fn rate(count: u32) -> Terms {
        Terms { max: Some(Max { count, per: Per::Second, each: false }), ..Terms::default() }
    }

    #[test]
    fn what_asks_for_less_stands_for_what_asks_for_more() {
        assert_eq!(label([rate(1), Terms::default()], &[]), [Terms::default()]);
        assert_eq!(label([rate(1), rate(1)], &[]), [rate(1)]);
        assert_eq!(label([rate(1), rate(2)], &[]).len(), 2);
        let always = Terms { always: true, ..Terms::default() };
        assert_eq!(label([always.clone(), Terms::default(), during("day", false)], &[]), [always]);
        assert_eq!(label([], &[]), []);
    }

    #[test]
    fn times_are_added_up_and_taken_away() {
        assert_eq!(label([during("day", false), during("day", true)], &[]), [Terms::default()]);
        assert_eq!(label([during("day", false)], &[(schedule("day"), false)]), [], "denied while it is allowed");
        assert_eq!(label([Terms::default()], &[(schedule("day"), false)]), [during("day", true)]);
        let one = label([during("day", false), during("night", false)], &[]);
        let other = label([during("night", false), during("day", false)], &[]);
        assert!(same(&one, &other) && !same(&one, &label([during("day", false)], &[])));
        assert!(!same(&label([rate(10)], &[]), &label([rate(1)], &[])));
    }

    #[test]
    fn a_schedule_of_the_same_name_with_other_windows_is_another() {
        let changed = Schedule { name: "day".to_owned(), says: "mon".to_owned() };
        let other = Terms { during: BTreeMap::from([(changed, false)]), ..Terms::default() };
        assert!(!same(&vec![during("day", false)], &vec![other]));
    }
}
