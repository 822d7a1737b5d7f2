//! Which units behind this conduit do not answer, and when is one of them asked again?
//!
//! One dead slave behind a serial gateway holds the line for a whole `request_timeout` at each request, and with it
//! every other slave. After [`TIMEOUTS`] in a row its requests are answered "no response" at once; every [`PROBE`] the
//! next one that comes goes out all the same, and an answer of any kind makes the unit alive again.

use std::{collections::BTreeMap, time::Duration};

use sluicegate_proto::time::Mono;

/// Requests in a row without an answer after which a unit counts as dead.
const TIMEOUTS: u8 = 3;
/// How long a dead unit is left alone.
const PROBE: Duration = Duration::from_secs(5);
/// Units remembered. Modbus has 256; where a protocol has more, the dead ones past this are asked every time.
const MOST: usize = 256;

/// The units of one conduit that did not answer their last request.
#[derive(Debug, Default)]
pub(super) struct Silent(BTreeMap<u32, Silence>);

#[derive(Debug)]
struct Silence {
    timeouts: u8,
    /// When the next request may go out; only for one that counts as dead.
    probe_at: Mono,
}

impl Silent {
    /// A request to `unit` was not answered in time. Whether the unit is dead from now on, and was not before.
    pub(super) fn timed_out(&mut self, unit: u32, now: Mono) -> bool {
        if self.0.len() >= MOST && !self.0.contains_key(&unit) {
            return false;
        }
        let one = self.0.entry(unit).or_insert(Silence { timeouts: 0, probe_at: now });
        one.timeouts = one.timeouts.saturating_add(1);
        one.probe_at = now.after(PROBE);
        one.timeouts == TIMEOUTS
    }

    /// `unit` has said something. Whether it was dead before.
    pub(super) fn answered(&mut self, unit: u32) -> bool {
        self.0.remove(&unit).is_some_and(|one| one.timeouts >= TIMEOUTS)
    }

    /// How many units are dead now.
    pub(super) fn dead(&self) -> usize {
        self.0.values().filter(|one| one.timeouts >= TIMEOUTS).count()
    }

    /// Whether a request to `unit` may go out now. For a dead one the answer is yes once in [`PROBE`].
    pub(super) fn may_ask(&mut self, unit: u32, now: Mono) -> bool {
        match self.0.get_mut(&unit) {
            Some(one) if one.timeouts >= TIMEOUTS => {
                let due = one.probe_at <= now;
                if due {
                    one.probe_at = now.after(PROBE);
                }
                due
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::ZERO.after(Duration::from_millis(millis))
    }

    #[test]
    fn a_unit_is_dead_after_three_timeouts_in_a_row_and_probed_every_five_seconds() {
        let mut silent = Silent::default();
        assert!(!silent.timed_out(7, at(0)) && !silent.timed_out(7, at(1)));
        assert!(silent.may_ask(7, at(1)), "two are not three");
        assert!(!silent.answered(7));
        assert!(!silent.timed_out(7, at(2)) && !silent.timed_out(7, at(3)), "in a row");
        assert_eq!(silent.dead(), 0);
        assert!(silent.timed_out(7, at(4)), "the news");
        assert_eq!(silent.dead(), 1);
        assert!(!silent.may_ask(7, at(5003)));
        assert!(silent.may_ask(8, at(5003)), "another unit");
        assert!(silent.may_ask(7, at(5004)), "the probe");
        assert!(!silent.may_ask(7, at(5004)) && !silent.may_ask(7, at(10_003)), "one of them");
        assert!(!silent.timed_out(7, at(10_000)), "no news");
        assert!(silent.may_ask(7, at(15_000)));
        assert!(silent.answered(7), "alive again");
        assert!(silent.may_ask(7, at(15_000)));
        assert_eq!(silent.dead(), 0);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut silent = Silent::default();
        for unit in 0..1000 {
            for _ in 0..TIMEOUTS {
                let _news = silent.timed_out(unit, at(0));
            }
        }
        assert_eq!(silent.0.len(), MOST);
        assert!(!silent.may_ask(0, at(1)) && silent.may_ask(999, at(1)));
    }
}
