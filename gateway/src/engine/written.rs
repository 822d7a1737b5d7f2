//! Is this answer older than what was written since?
//!
//! Where several requests are outstanding, or several connections, a read's answer can come in after a write that it
//! does not show. What it says is told to its peer, but it does not say what the device holds now.

use std::collections::VecDeque;

use sluicegate_proto::deed::{ReadFirst, Seen};

use super::locks::overlaps;

/// Ranges remembered. A read that more writes than this went past teaches nothing: the device is asked again.
const MOST: usize = 1024;

/// The writes of one conduit, as they left and as they were settled.
#[derive(Debug, Default)]
pub(super) struct Written {
    count: u64,
    ranges: VecDeque<ReadFirst>,
}

/// A moment between two writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(u64);

impl Written {
    /// Now.
    pub(super) const fn stamp(&self) -> Stamp {
        Stamp(self.count)
    }

    /// A write of this range left, or its fate became known.
    pub(super) fn note(&mut self, range: ReadFirst) {
        self.count += 1;
        if self.ranges.len() >= MOST {
            self.ranges.pop_front();
        }
        self.ranges.push_back(range);
    }

    /// Whether this point may have been written since then.
    pub(super) fn since(&self, stamp: Stamp, seen: &Seen) -> bool {
        let news = usize::try_from(self.count.saturating_sub(stamp.0)).unwrap_or(usize::MAX);
        let point = ReadFirst { unit: seen.unit, object: seen.object, first: seen.address, count: 1 };
        news > self.ranges.len() || self.ranges.iter().rev().take(news).any(|range| overlaps(range, &point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluicegate_proto::deed::ObjectId;

    #[test]
    fn what_was_written_since_is_known_and_what_is_forgotten_counts_as_written() {
        let range = |first| ReadFirst { unit: 1, object: ObjectId(3), first, count: 2 };
        let seen = |address| Seen { unit: 1, object: ObjectId(3), address, value: Some(7.into()) };
        let mut written = Written::default();
        written.note(range(10));
        let stamp = written.stamp();
        assert!(!written.since(stamp, &seen(10)));
        written.note(range(20));
        let told: Vec<_> = [19, 20, 21, 22, 10].into_iter().filter(|at| written.since(stamp, &seen(*at))).collect();
        assert_eq!(told, [20, 21]);
        (0..MOST).for_each(|_| written.note(range(500)));
        assert!(written.since(stamp, &seen(10)), "nobody remembers");
        assert!(!written.since(written.stamp(), &seen(500)));
    }
}
