//! Do the operator's `[[tests]]` pass?
//!
//! A test names no time. It is judged under every schedule alone, under all but each one, under all and under none:
//!
//! | expect | passes when |
//! |---|---|
//! | `allow` | some of these times allow it (a message that hangs on what the device holds counts as allowed) |
//! | `deny outside_schedule` | some of these times say so |
//! | `deny REASON` | no time allows it, and every refusal is for REASON or `outside_schedule`, REASON at least once |

use sluicegate_config::plan::{PolicyTest, Site};
use sluicegate_proto::{time::ScheduleSet, vocab::Reason};

use crate::explain::{self, Explanation};

/// What came of one test.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// `file:line`.
    pub place: String,
    /// What was expected: `allow`, or `deny REASON`.
    pub expected: String,
    /// What came instead; absent when it passed.
    pub failure: Option<String>,
    /// The verdict with the schedules that hold now, to show the rule behind it.
    pub explanation: Option<Explanation>,
}

impl TestResult {
    /// Whether it passed.
    pub const fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// Runs every test of the site.
pub fn policy_tests(site: &Site) -> Vec<TestResult> {
    site.tests.iter().map(|test| run(site, test)).collect()
}

fn run(site: &Site, test: &PolicyTest) -> TestResult {
    let mut result = TestResult {
        name: test.name.clone(),
        place: test.place.clone(),
        expected: test.expect.map_or("allow".to_owned(), |reason| format!("deny {reason}")),
        failure: None,
        explanation: None,
    };
    let (Some(conduit), Some(identity)) =
        (site.conduits.get(test.conduit.index()), site.identities.get(test.identity.index()))
    else {
        result.failure = Some("it names a conduit or an identity that is not there".to_owned());
        return result;
    };
    let message = match explain::build(conduit, &test.sentence) {
        Ok(message) => message,
        Err(fault) => {
            result.failure = Some(fault.to_string());
            return result;
        }
    };
    if let Err(why) = explain::may_enter(site, conduit, identity) {
        // The test asks what the policy says; that the peer never gets so far is worth knowing, and no failure.
        result.expected.push_str(&format!(" (it cannot open a session there: {why})"));
    }
    let at = |set| explain::explain_stored(conduit, identity, &message, set);
    let seen: Vec<_> = times(site.schedules.len()).into_iter().map(at).collect();
    result.failure = disagreement(test.expect, &seen.iter().map(Explanation::reason).collect::<Vec<_>>());
    result.explanation = Some(at(explain::schedules_now(site)));
    result
}

/// The schedule sets under which a test is judged.
fn times(schedules: usize) -> Vec<ScheduleSet> {
    let bits: Vec<u8> = (0u8..).take(schedules.min(ScheduleSet::MAX)).collect();
    let set = |keep: &dyn Fn(u8) -> bool| {
        bits.iter().copied().filter(|bit| keep(*bit)).fold(ScheduleSet::default(), ScheduleSet::with)
    };
    let mut sets = vec![set(&|_| false), set(&|_| true)];
    sets.extend(bits.iter().map(|one| set(&|bit| bit == *one)));
    sets.extend(bits.iter().map(|one| set(&|bit| bit != *one)));
    if bits.is_empty() {
        sets.truncate(1);
    }
    sets
}

/// What came instead of what was expected. `seen`: the reason at each time, `None` where it passes.
fn disagreement(expect: Option<Reason>, seen: &[Option<Reason>]) -> Option<String> {
    let passes = seen.contains(&None);
    let agrees = match expect {
        None => passes,
        Some(Reason::OutsideSchedule) => seen.contains(&Some(Reason::OutsideSchedule)),
        Some(reason) => {
            let fits = |one: &Option<Reason>| *one == Some(reason) || *one == Some(Reason::OutsideSchedule);
            seen.contains(&Some(reason)) && seen.iter().all(fits)
        }
    };
    if agrees {
        return None;
    }
    let mut came: Vec<_> =
        seen.iter().map(|one| one.map_or("allow".to_owned(), |reason| format!("deny {reason}"))).collect();
    came.sort();
    came.dedup();
    Some(came.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: Option<Reason> = Some(Reason::ValueNotAllowed);
    const OUTSIDE: Option<Reason> = Some(Reason::OutsideSchedule);

    #[test]
    fn a_test_without_schedules_is_judged_once() {
        assert_eq!(times(0), [ScheduleSet::default()]);
        assert_eq!(times(2).len(), 6);
        assert!(times(2).contains(&ScheduleSet::default().with(1)));
    }

    #[test]
    fn allow_means_at_some_time() {
        assert_eq!(disagreement(None, &[OUTSIDE, None]), None);
        assert_eq!(
            disagreement(None, &[VALUE, OUTSIDE]),
            Some("deny outside_schedule or deny value_not_allowed".to_owned())
        );
    }

    #[test]
    fn deny_means_at_every_time_and_for_that_reason() {
        assert_eq!(disagreement(VALUE, &[VALUE, OUTSIDE]), None);
        assert_eq!(disagreement(OUTSIDE, &[None, OUTSIDE]), None);
        assert_eq!(disagreement(VALUE, &[VALUE, None]), Some("allow or deny value_not_allowed".to_owned()));
        assert_eq!(disagreement(VALUE, &[OUTSIDE]), Some("deny outside_schedule".to_owned()));
        assert_eq!(disagreement(VALUE, &[None]), Some("allow".to_owned()));
    }
}
