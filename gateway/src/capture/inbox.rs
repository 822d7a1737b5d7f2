//! Which bytes of one direction are no whole message yet, and which packets brought them?

use std::collections::VecDeque;

use super::side::Mark;

/// Bytes that wait for more. How many there can be is the reader's to bound.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Where each packet's bytes end.
    marks: VecDeque<(usize, Mark)>,
    at_least: usize,
}

impl Inbox {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds what one packet brought. Whether it is worth reading now.
    pub(super) fn add(&mut self, bytes: &[u8], mark: Mark) -> bool {
        self.bytes.extend_from_slice(bytes);
        self.marks.push_back((self.bytes.len(), mark));
        self.bytes.len() >= self.at_least
    }

    /// The latest packet of those that brought the bytes from `start` to `end`.
    pub(super) fn mark(&self, start: usize, end: usize) -> Mark {
        let first = self.marks.partition_point(|(stop, _)| *stop <= start);
        let mut latest = Mark::default();
        for (stop, mark) in self.marks.range(first..) {
            if mark.frame >= latest.frame {
                latest = *mark;
            }
            if *stop >= end {
                break;
            }
        }
        latest
    }

    /// The packet that brought the last byte.
    pub(super) fn latest(&self) -> Option<Mark> {
        self.marks.back().map(|(_, mark)| *mark)
    }

    /// The first `used` bytes are done with; the rest is read again once there are `at_least`.
    pub(super) fn leave(&mut self, used: usize, at_least: usize) {
        if used >= self.bytes.len() {
            // An idle conversation holds no buffer.
            *self = Self::default();
            return;
        }
        self.bytes.drain(..used);
        while self.marks.front().is_some_and(|(stop, _)| *stop <= used) {
            self.marks.pop_front();
        }
        self.marks.iter_mut().for_each(|(stop, _)| *stop -= used);
        self.at_least = at_least;
    }
}
