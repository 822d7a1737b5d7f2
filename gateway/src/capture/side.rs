//! Which bytes did one end of a connection send, in order?
//!
//! ```text
//! segment -> before what is expected: seen already (a retransmission), or too late: told, where it fills a gap
//!         -> expected                : delivered, and what was held behind it
//!         -> after                   : held, until what is missing comes or is given up
//! given up: the other end acknowledged it (so it was sent, and not captured), too much is held, the connection ends
//! ```

use std::collections::{BTreeMap, VecDeque};

/// Bytes held behind a gap: the largest window without scaling, sixteen times. Then the gap is told and left.
pub(super) const HELD_BYTES: usize = 1024 * 1024;
/// Segments held behind a gap.
pub(super) const HELD_SEGMENTS: usize = 4096;
/// What lies farther ahead or behind belongs to another conversation on the same ports, whose start was not captured: no
/// device of a plant has windows of this size.
const FAR: u32 = 16 * 1024 * 1024;
/// Gaps of one direction whose late bytes are still told apart from a retransmission.
const GAPS_MAX: usize = 64;

/// When something was captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The packet's number.
    pub(super) frame: u64,
    /// Nanoseconds since 1970.
    pub(super) time: Option<u64>,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// The sequence number of the next byte; absent until something was seen.
    next: Option<u32>,
    /// The same as a count since the first byte.
    at: u64,
    /// Segments behind a gap, by their place.
    held: BTreeMap<u64, Piece>,
    held_bytes: usize,
    /// Gaps that were given up, oldest first: (from, to).
    gaps: VecDeque<(u64, u64)>,
    /// Its first byte was not the first of the connection.
    pub(super) mid_stream: bool,
}

/// What one packet brought of a direction.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    mark: Mark,
}

/// What comes out, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Out<'b> {
    /// Bytes that follow those before, all of one packet.
    Bytes(&'b [u8], Mark),
    /// Bytes that are not in the capture.
    Gap(u64, Mark),
    /// Bytes that came after their gap was given up.
    Late(u64, Mark),
    /// Bytes that were sent before.
    Again(u64),
    /// Another conversation goes on from here.
    Another(Mark),
}

impl Side {
    /// A SYN: its number counts as one byte.
    pub(super) fn opens(&mut self, seq: u32) {
        if self.next.is_none() {
            self.next = Some(seq.wrapping_add(1));
        }
    }

    /// Whether a SYN with this number opens another conversation than this one.
    pub(super) fn is_another(&self, seq: u32) -> bool {
        match self.next {
            None => false,
            // The same SYN again, before or after data went.
            Some(next) => u64::from(next.wrapping_sub(seq.wrapping_add(1))) != self.at & u64::from(u32::MAX),
        }
    }

    /// Whether nothing was seen yet.
    pub(super) fn is_new(&self) -> bool {
        self.next.is_none()
    }

    /// Whether everything before `seq` was delivered.
    pub(super) fn is_at(&self, seq: u32) -> bool {
        self.next == Some(seq)
    }

    /// Bytes held behind a gap.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// One segment's bytes.
    pub(super) fn takes(&mut self, seq: u32, payload: &[u8], mark: Mark, out: &mut dyn FnMut(Out<'_>)) {
        if payload.is_empty() {
            return;
        }
        let next = *self.next.get_or_insert_with(|| {
            self.mid_stream = true;
            seq
        });
        let (ahead, back) = (seq.wrapping_sub(next), next.wrapping_sub(seq));
        // Nothing comes before a start that was seen, but for the one byte of a keep-alive.
        let before_start = !self.mid_stream && u64::from(back) > self.at && payload.len() > 1;
        if ahead > FAR && (back > FAR || before_start) {
            self.ends(out);
            *self = Self { next: Some(seq), mid_stream: true, ..Self::default() };
            out(Out::Another(mark));
            self.deliver(payload, mark, out);
        } else if ahead > FAR {
            self.behind(back, payload, mark, out);
        } else if ahead == 0 {
            self.deliver(payload, mark, out);
            self.follow(out);
        } else {
            self.hold(self.at.saturating_add(u64::from(ahead)), payload, mark);
            if self.held_bytes > HELD_BYTES || self.held.len() > HELD_SEGMENTS {
                self.give_up(out);
            }
        }
    }

    /// The other end has everything before `ack`: what is missing there was not captured.
    pub(super) fn is_acknowledged(&mut self, ack: u32, out: &mut dyn FnMut(Out<'_>)) {
        while let Some(next) = self.next
            && let Some(first) = self.held.keys().next()
            && ack.wrapping_sub(next) <= FAR
            && u64::from(ack.wrapping_sub(next)) > first.saturating_sub(self.at)
        {
            self.give_up(out);
        }
    }

    /// Nothing more comes: whatever is held leaves.
    pub(super) fn ends(&mut self, out: &mut dyn FnMut(Out<'_>)) {
        while !self.held.is_empty() {
            self.give_up(out);
        }
    }

    /// A segment that starts before what is expected.
    fn behind(&mut self, back: u32, payload: &[u8], mark: Mark, out: &mut dyn FnMut(Out<'_>)) {
        let skipped = usize::try_from(back).unwrap_or(usize::MAX);
        let old = u64::try_from(payload.len().min(skipped)).unwrap_or(u64::MAX);
        let from = self.at.checked_sub(u64::from(back));
        let late = from.map_or(0, |from| self.fills(from, from.saturating_add(old)));
        if late > 0 {
            out(Out::Late(late, mark));
        }
        if from.is_some() && late < old {
            out(Out::Again(old - late));
        }
        // Before the first byte that was captured: a direction that was taken up in its middle, out of order.
        if from.is_none() && self.mid_stream {
            out(Out::Late(old.min(u64::from(back).saturating_sub(self.at)), mark));
        }
        if let Some(new) = payload.get(skipped..).filter(|new| !new.is_empty()) {
            self.deliver(new, mark, out);
            self.follow(out);
        }
    }

    /// How many of these bytes lie in gaps. They are told once.
    fn fills(&mut self, from: u64, to: u64) -> u64 {
        let mut late = 0;
        for (start, end) in &mut self.gaps {
            let common = to.min(*end).saturating_sub(from.max(*start));
            late += common;
            if common > 0 && from <= *start {
                *start = to.min(*end);
            } else if common > 0 {
                *end = from;
            }
        }
        self.gaps.retain(|(start, end)| start < end);
        late
    }

    fn deliver(&mut self, bytes: &[u8], mark: Mark, out: &mut dyn FnMut(Out<'_>)) {
        self.advance(bytes.len());
        out(Out::Bytes(bytes, mark));
    }

    fn advance(&mut self, by: usize) {
        // A segment is at most 64 KiB, a gap at most `FAR`.
        let step = u32::try_from(by).unwrap_or(u32::MAX);
        self.next = self.next.map(|next| next.wrapping_add(step));
        self.at = self.at.saturating_add(u64::from(step));
    }

    /// What was held and is expected now.
    fn follow(&mut self, out: &mut dyn FnMut(Out<'_>)) {
        while let Some(entry) = self.held.first_entry()
            && *entry.key() <= self.at
        {
            let (start, piece) = entry.remove_entry();
            self.held_bytes = self.held_bytes.saturating_sub(piece.bytes.len());
            let skipped = usize::try_from(self.at.saturating_sub(start)).unwrap_or(usize::MAX);
            if let Some(new) = piece.bytes.get(skipped..).filter(|new| !new.is_empty()) {
                self.deliver(new, piece.mark, out);
            }
        }
    }

    /// Keeps what is not there yet; of two that overlap, the bytes that came first stand.
    fn hold(&mut self, start: u64, payload: &[u8], mark: Mark) {
        let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let end = start.saturating_add(length(payload.len()));
        let before = self.held.range(..start).next_back();
        let mut from = before.map_or(start, |(at, piece)| start.max(at.saturating_add(length(piece.bytes.len()))));
        while from < end {
            let (stop, after) = match self.held.range(from..end).next() {
                Some((at, piece)) => (*at, at.saturating_add(length(piece.bytes.len()))),
                None => (end, end),
            };
            let place = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
            if let Some(bytes) = payload.get(place(from)..place(stop)).filter(|bytes| !bytes.is_empty()) {
                self.held_bytes += bytes.len();
                self.held.insert(from, Piece { bytes: bytes.to_vec(), mark });
            }
            from = after;
        }
    }

    /// Leaves the gap before what is held.
    pub(super) fn give_up(&mut self, out: &mut dyn FnMut(Out<'_>)) {
        let Some((start, piece)) = self.held.first_key_value() else { return };
        let missing = start.saturating_sub(self.at);
        let mark = piece.mark;
        if missing > 0 {
            if self.gaps.len() >= GAPS_MAX {
                self.gaps.pop_front();
            }
            self.gaps.push_back((self.at, *start));
            self.advance(usize::try_from(missing).unwrap_or(usize::MAX));
            out(Out::Gap(missing, mark));
        }
        self.follow(out);
    }
}
