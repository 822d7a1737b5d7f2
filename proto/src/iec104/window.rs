//! Which numbers has one side used, which were acknowledged, and what is due? (IEC 60870-5-104 5.1 and 9.6)
//!
//! ```text
//! ours    oldest ..k.. next       sent and not acknowledged: at most k, each for at most t1
//! theirs  told .. settled .. expected    settled: what we may acknowledge; told: what we have acknowledged
//! ```
//! Towards a station `settled` lags behind: it only moves over what the control centre has acknowledged, or nobody will.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::{
    apci::{self, Function, LAST},
    checks::Check,
    keys::Ways,
};
use crate::{
    out::{Full, Out},
    time::{Mono, Now},
};

/// The numbers and clocks of one connection.
#[derive(Debug)]
pub(super) struct Window {
    /// I frames that may be outstanding.
    k: usize,
    /// I frames after which an acknowledgement is due.
    w: u16,
    t1: Duration,
    t2: Duration,
    t3: Duration,
    /// V(S).
    next: u16,
    /// When each frame that is not acknowledged left, oldest first; absent until the clock is next looked at.
    unacknowledged: VecDeque<Option<Mono>>,
    /// V(R).
    expected: u16,
    settled: u16,
    told: u16,
    /// Since when something may be acknowledged; inside absent until the clock is next looked at.
    owing: Option<Option<Mono>>,
    /// When the other side was last heard; absent until the clock is next looked at.
    heard: Option<Mono>,
    /// When a TESTFR left that is not answered.
    tested: Option<Mono>,
    /// A capture may start in the middle: its numbers count as they come.
    observed: bool,
}

impl Window {
    /// `quiet`: at most so long is nothing said before the other side is tested.
    pub(super) fn new(ways: &Ways, quiet: Duration, observed: bool) -> Self {
        Self {
            k: usize::from(ways.k),
            w: ways.w,
            t1: ways.t1,
            t2: ways.t2,
            t3: ways.t3.min(quiet),
            next: 0,
            unacknowledged: VecDeque::new(),
            expected: 0,
            settled: 0,
            told: 0,
            owing: None,
            heard: None,
            tested: None,
            observed,
        }
    }

    /// Something whole came.
    pub(super) const fn hear(&mut self, now: Now) {
        self.heard = Some(now.mono);
    }

    /// The answer to our TESTFR came.
    pub(super) const fn answered(&mut self) {
        self.tested = None;
    }

    /// N(R) of the other side: how many of our frames it acknowledges newly.
    pub(super) fn acknowledged(&mut self, receive: u16) -> Result<usize, Check> {
        if self.observed {
            return Ok(0);
        }
        let outstanding = self.unacknowledged.len();
        let behind = usize::from(distance(receive, self.next));
        let newly = outstanding.checked_sub(behind).ok_or(Check::ReceiveNumber)?;
        self.unacknowledged.drain(..newly);
        Ok(newly)
    }

    /// Whether an I frame with this N(S) is the next one.
    pub(super) const fn is_next(&self, send: u16) -> Result<(), Check> {
        if self.observed || send == self.expected { Ok(()) } else { Err(Check::SendNumber) }
    }

    /// The next I frame was taken. It is acknowledged once [`Self::settle`] says so.
    pub(super) const fn take(&mut self) {
        self.expected = after(self.expected, 1);
    }

    /// So many more of what was taken may be acknowledged, from the oldest on.
    pub(super) fn settle(&mut self, frames: u16) {
        if frames > 0 && !self.observed {
            self.settled = after(self.settled, frames);
            // Enough is due now, whenever the first of it came.
            self.owing = if self.is_full() { Some(None) } else { self.owing.or(Some(None)) };
        }
    }

    /// Whether so much may be acknowledged that it should be.
    fn is_full(&self) -> bool {
        distance(self.told, self.settled) >= self.w
    }

    /// Acknowledges what may be, if that is news.
    pub(super) fn acknowledge(&mut self, out: &mut Out) {
        if self.told != self.settled && apci::write_s(self.settled, out).is_ok() {
            (self.told, self.owing) = (self.settled, None);
        }
    }

    /// Whether one more I frame may leave.
    pub(super) fn has_room(&self) -> bool {
        self.observed || self.unacknowledged.len() < self.k
    }

    /// Whether everything that left was acknowledged.
    pub(super) fn is_clear(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Sends an ASDU under the next number.
    pub(super) fn send(&mut self, asdu: &[u8], out: &mut Out) -> Result<(), Full> {
        apci::write_i(self.next, self.settled, asdu, out)?;
        (self.told, self.owing) = (self.settled, None);
        self.next = after(self.next, 1);
        if !self.observed {
            self.unacknowledged.push_back(None);
        }
        Ok(())
    }

    /// Nothing of the other side was read for a while. What it must say in time it has from now on.
    pub(super) fn listen_again(&mut self, now: Now) {
        self.unacknowledged.iter_mut().flatten().for_each(|since| *since = now.mono);
        self.tested = self.tested.map(|_| now.mono);
        self.heard = self.heard.map(|_| now.mono);
    }

    /// When [`Self::tick`] has something to do. What has no time yet is given one at once. `heard`: whether the other side
    /// is listened to.
    pub(super) fn deadline(&self, heard: bool) -> Option<Mono> {
        if self.observed {
            return None;
        }
        let t1 = |since: Option<Mono>| since.map_or(Mono::ZERO, |since| since.after(self.t1));
        let left = self.unacknowledged.front().filter(|_| heard).map(|since| t1(*since));
        let last = self.unacknowledged.back().filter(|since| since.is_none()).map(|_| Mono::ZERO);
        let owing = self.owing.map(|since| since.map_or(Mono::ZERO, |since| since.after(self.t2)));
        let test = match (self.tested, self.heard) {
            (Some(since), _) => heard.then(|| since.after(self.t1)),
            (None, Some(last)) => Some(last.after(self.t3)),
            (None, None) => Some(Mono::ZERO),
        };
        [left, last, owing, test].into_iter().flatten().min()
    }

    /// Time has passed. Whether the other side may still be there: one that is not listened to is not judged.
    pub(super) fn tick(&mut self, now: Now, heard: bool, out: &mut Out) -> bool {
        for since in self.unacknowledged.iter_mut().rev().take_while(|since| since.is_none()) {
            *since = Some(now.mono);
        }
        if self.owing == Some(None) {
            self.owing = Some(Some(now.mono));
        }
        let last = *self.heard.get_or_insert(now.mono);
        let over = |since: Option<Mono>, wait: Duration| since.is_some_and(|since| since.after(wait) <= now.mono);
        if heard && (over(self.unacknowledged.front().copied().flatten(), self.t1) || over(self.tested, self.t1)) {
            return false;
        }
        if self.is_full() || over(self.owing.flatten(), self.t2) {
            self.acknowledge(out);
            // What found no room is tried again after another t2.
            self.owing = self.owing.map(|_| Some(now.mono));
        }
        if self.tested.is_none() && over(Some(last), self.t3) {
            // One that finds no room is not answered either: nothing has left for so long.
            let _ = apci::write_u(Function::TestAct, out);
            self.tested = Some(now.mono);
        }
        true
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.unacknowledged.len() <= self.k, "more outstanding than k");
        assert!(
            distance(self.told, self.settled) <= distance(self.told, self.expected),
            "nothing is acknowledged that did not come"
        );
        let mut times = self.unacknowledged.iter().skip_while(|since| since.is_some());
        assert!(times.all(Option::is_none), "frames leave in order");
    }
}

/// The number `by` after this one.
const fn after(number: u16, by: u16) -> u16 {
    number.wrapping_add(by) & LAST
}

/// How far `to` is after `from`.
const fn distance(from: u16, to: u16) -> u16 {
    to.wrapping_sub(from) & LAST
}

#[cfg(test)]
mod tests;
