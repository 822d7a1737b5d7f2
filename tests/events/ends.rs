//! A station that keeps its events, a control centre that takes them, and the oracle between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::world::{Rng, Tally};
use crate::gate::station::{
    STARTDT, STARTED, STOPDT, STOPPED, TESTED, TESTFR, acknowledges, asdu, frame, i, number, s,
};

/// Frames that either side may have outstanding (IEC 60870-5-104 9.6), and after which it acknowledges.
const K: usize = 12;
const W: u16 = 8;
/// How long a side waits for an acknowledgement, in milliseconds.
const T1: u64 = 15_000;
/// The point of events that the policy refuses.
pub(crate) const REFUSED: u32 = 999;

/// A station: what it has to tell survives its connections.
#[derive(Default)]
pub(crate) struct Station {
    /// Events that nobody has acknowledged, oldest first: number, point.
    kept: VecDeque<(u32, u32)>,
    /// Events that it has forgotten since somebody looked.
    pub(crate) forgotten: Vec<u32>,
    pub(crate) refused: BTreeSet<u32>,
    next_event: u32,
    link: Option<Line>,
    /// Bytes on their way to the gate.
    pub(crate) out: Vec<u8>,
    /// Commands executed, by their number.
    executed: BTreeSet<u32>,
}

/// One connection of a side.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    started: bool,
    send: u16,
    receive: u16,
    told: u16,
    /// When each frame that is not acknowledged left.
    outstanding: VecDeque<u64>,
    /// How many of `kept` it has sent.
    sent: usize,
}

impl Line {
    /// What the other side has; how many frames newly.
    fn acknowledged(&mut self, receive: u16) -> usize {
        let behind = usize::from(self.send.wrapping_sub(receive) & 0x7fff);
        assert!(behind <= self.outstanding.len(), "acknowledged what was not sent");
        let newly = self.outstanding.len() - behind;
        self.outstanding.drain(..newly);
        newly
    }

    fn took(&mut self, frame: &[u8]) {
        assert_eq!(number(frame), Some(self.receive), "numbers without a hole");
        self.receive = (self.receive + 1) & 0x7fff;
    }

    fn i(&mut self, asdu: &[u8], now: u64) -> Vec<u8> {
        let bytes = i(self.send, self.receive, asdu);
        self.send = (self.send + 1) & 0x7fff;
        self.told = self.receive;
        self.outstanding.push_back(now);
        bytes
    }
}

impl Station {
    pub(crate) fn connect(&mut self) {
        self.disconnect();
        self.link = Some(Line::default());
    }

    pub(crate) fn disconnect(&mut self) {
        self.link = None;
        self.out.clear();
    }

    /// Something happens there.
    pub(crate) fn happen(&mut self, ioa: u32, tally: &mut Tally) {
        self.kept.push_back((self.next_event, ioa));
        if ioa == REFUSED {
            self.refused.insert(self.next_event);
        }
        self.next_event += 1;
        tally.made += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Sends what the window allows. `false`: nobody acknowledges, and the station hangs up.
    pub(crate) fn speak(&mut self, now: u64) -> bool {
        let Some(link) = &mut self.link else { return true };
        if link.outstanding.front().is_some_and(|left| left + T1 <= now) {
            return false;
        }
        // Confirmations stand in the window, too: events leave some room.
        while link.started && link.outstanding.len() < K - 2 && link.sent < self.kept.len() {
            let (event, ioa) = self.kept[link.sent];
            let bytes = link.i(&asdu(7, 3, 0, 1, ioa, &[&event.to_le_bytes()[..], &[0]].concat()), now);
            link.sent += 1;
            self.out.extend(bytes);
        }
        true
    }

    pub(crate) fn take(&mut self, bytes: &[u8], tally: &mut Tally) {
        let Some(link) = &mut self.link else { return };
        link.bytes.extend_from_slice(bytes);
        while let Some(frame) = frame(&mut link.bytes) {
            if let Some(receive) = acknowledges(&frame) {
                // Of what is acknowledged the events are forgotten; confirmations are nobody's to keep.
                let mut newly = link.acknowledged(receive);
                while newly > 0 {
                    newly -= 1;
                    match link_kind(&mut link.sent, &mut self.kept) {
                        Some(event) => {
                            self.forgotten.push(event);
                            tally.forgotten += 1;
                        }
                        None => panic!("more acknowledged than events were sent"),
                    }
                }
            }
            if number(&frame).is_none() {
                match <[u8; 6]>::try_from(&frame[..]).expect("S and U frames have six octets") {
                    STARTDT => {
                        link.started = true;
                        self.out.extend(STARTED);
                    }
                    STOPDT => {
                        link.started = false;
                        self.out.extend(STOPPED);
                    }
                    TESTFR => self.out.extend(TESTED),
                    _ => {}
                }
                continue;
            }
            link.took(&frame);
            let command = u32::from_le_bytes(frame[15..19].try_into().expect("four octets"));
            assert!(self.executed.insert(command), "command {command} came twice");
            tally.executed += 1;
            if (link.receive.wrapping_sub(link.told) & 0x7fff) >= W {
                link.told = link.receive;
                self.out.extend(s(link.receive));
            }
        }
    }
}

/// The oldest event that was sent and not acknowledged.
fn link_kind(sent: &mut usize, kept: &mut VecDeque<(u32, u32)>) -> Option<u32> {
    *sent = sent.checked_sub(1)?;
    kept.pop_front().map(|(event, _)| event)
}

/// A control centre.
#[derive(Default)]
pub(crate) struct Centre {
    link: Option<Line>,
    /// Bytes on their way to the gate.
    pub(crate) out: Vec<u8>,
    /// How often each event came.
    pub(crate) had: BTreeMap<u32, u32>,
    /// Of this connection: they come in order.
    last: Option<u32>,
    next_command: u32,
    /// When it will acknowledge what it has.
    late: Option<u64>,
}

impl Centre {
    pub(crate) fn connect(&mut self) {
        self.disconnect();
        self.link = Some(Line::default());
        self.out.extend(STARTDT);
    }

    pub(crate) fn disconnect(&mut self) {
        (self.link, self.last, self.late) = (None, None, None);
        self.out.clear();
    }

    /// A command: a bit string that carries its own number. Every other one is refused by the policy.
    pub(crate) fn command(&mut self, allowed: bool, now: u64) {
        let Some(link) = self.link.as_mut().filter(|link| link.started && link.outstanding.len() < K) else { return };
        let ioa = if allowed { 1 } else { 2 };
        let bytes = link.i(&asdu(51, 6, 0, 1, ioa, &self.next_command.to_le_bytes()), now);
        self.next_command += 1;
        self.late = None;
        self.out.extend(bytes);
    }

    /// What is due by the clock.
    pub(crate) fn speak(&mut self, now: u64) {
        let Some(link) = &mut self.link else { return };
        if self.late.is_some_and(|at| at <= now) {
            self.late = None;
            link.told = link.receive;
            self.out.extend(s(link.receive));
        }
    }

    pub(crate) fn take(&mut self, bytes: &[u8], now: u64, rng: &mut Rng, tally: &mut Tally) {
        let Some(link) = &mut self.link else { return };
        link.bytes.extend_from_slice(bytes);
        while let Some(frame) = frame(&mut link.bytes) {
            if let Some(receive) = acknowledges(&frame) {
                link.acknowledged(receive);
            }
            if number(&frame).is_none() {
                match <[u8; 6]>::try_from(&frame[..]).expect("S and U frames have six octets") {
                    STARTED => link.started = true,
                    TESTFR => self.out.extend(TESTED),
                    _ => {}
                }
                continue;
            }
            link.took(&frame);
            match frame[6] {
                7 => {
                    let event = u32::from_le_bytes(frame[15..19].try_into().expect("four octets"));
                    assert!(self.last.is_none_or(|last| last < event), "event {event} behind {:?}", self.last);
                    self.last = Some(event);
                    *self.had.entry(event).or_default() += 1;
                    tally.delivered += 1;
                }
                51 => {
                    assert_eq!(frame[8] & 0x40, 0x40, "this station confirms nothing: only refusals come");
                    tally.refusals += 1;
                }
                other => panic!("type {other} reached the centre"),
            }
            if (link.receive.wrapping_sub(link.told) & 0x7fff) >= W {
                link.told = link.receive;
                self.late = None;
                self.out.extend(s(link.receive));
            } else {
                self.late = self.late.or(Some(now + rng.below(9_000)));
            }
        }
    }
}
