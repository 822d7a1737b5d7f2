//! The fuzzer's ways into the two halves: any bytes, whole and byte by byte, come to the same and break no invariant.

use core::time::Duration;

use super::{device::Device, peer::Peer, word};
use crate::{
    half::{DeviceOptions, DeviceStep, Floor, Ids, Input, PeerOptions, Signal, Step, Ticket},
    keys::Settings,
    out::Out,
    policy::Denied,
    time::Now,
    vocab::{Cause, OnDeny, Reason},
};

/// What bytes come to: messages, words of the other half, the end.
type Told = (usize, usize, Option<(Cause, Option<Reason>)>);

const fn says(kind: u8) -> Signal {
    Signal { kind, value: 0, floor: Floor::Silent }
}

/// A control centre that says anything at all, behind a station that starts whenever it is asked to.
///
/// # Panics
/// When a cut changes what is read, or an invariant breaks.
pub fn fuzz_peer(bytes: &[u8]) {
    assert_eq!(asked(bytes, bytes.len().max(1)), asked(bytes, 1), "a cut changed what was read");
}

fn asked(bytes: &[u8], piece: usize) -> Told {
    let options = PeerOptions { pending: 4, frame_timeout: Duration::from_secs(5), ..PeerOptions::default() };
    let (mut peer, mut out) = (Peer::new(&options), Out::new(1 << 16));
    let (mut start, mut end, mut messages, mut words) = (0usize, 0usize, 0usize, 0usize);
    while end < bytes.len() {
        end = end.saturating_add(piece).min(bytes.len());
        loop {
            let here = bytes.get(start..end).unwrap_or_default();
            match peer.next(Input::Stream(here), Now::default(), &mut out) {
                Step::Need { at_least } => {
                    assert!(at_least > here.len(), "asks for what it has");
                    break;
                }
                Step::Asked(asked) => {
                    start = start.saturating_add(asked.used);
                    messages = messages.saturating_add(1);
                    let denied = Denied::because(Reason::FunctionNotAllowed);
                    if peer.accept(&asked, Ticket(0)).is_err() {
                        let _ = peer.refuse(&asked, &denied, OnDeny::Refuse, &mut out);
                    }
                    let _ = peer.refuse_ticket(Ticket(0), &denied, OnDeny::Refuse, &mut out);
                }
                Step::Wait => break,
                Step::Own { used } => start = start.saturating_add(used),
                Step::Signal { used, signal } => {
                    start = start.saturating_add(used);
                    words = words.saturating_add(1);
                    let answer = if signal.kind == word::START { word::STARTED } else { word::STOPPED };
                    let _ = peer.signal(says(answer), Now::default(), &mut out);
                }
                Step::End { cause, reason } => return (messages, words, Some((cause, reason))),
            }
            peer.check_invariants();
            out.clear();
        }
    }
    (messages, words, None)
}

/// A station that says anything at all, in the middle of a start.
///
/// # Panics
/// When a cut changes what is read, or an invariant breaks.
pub fn fuzz_device(bytes: &[u8]) {
    assert_eq!(told(bytes, bytes.len().max(1)), told(bytes, 1), "a cut changed what was read");
}

fn told(bytes: &[u8], piece: usize) -> Told {
    let wait = Duration::from_secs(5);
    let settings = Settings::default();
    let options = DeviceOptions { settings, pending: 1, frame_timeout: wait, request_timeout: wait, ids: Ids::Own };
    let (mut device, mut out) = (Device::new(&options), Out::new(1 << 16));
    device.signal(says(word::START), Now::default(), &mut out);
    let (mut start, mut end, mut messages, mut words) = (0usize, 0usize, 0usize, 0usize);
    while end < bytes.len() {
        end = end.saturating_add(piece).min(bytes.len());
        loop {
            let here = bytes.get(start..end).unwrap_or_default();
            let (used, unreported) = match device.next(Input::Stream(here), Now::default(), &mut out) {
                DeviceStep::Need { .. } => break,
                DeviceStep::End { cause, reason } => return (messages, words, Some((cause, reason))),
                DeviceStep::Unasked { used, unasked } => (used, Some(unasked.id)),
                DeviceStep::Signal { used, .. } => {
                    words = words.saturating_add(1);
                    (used, None)
                }
                DeviceStep::Told { used, .. } | DeviceStep::Dropped { used, .. } | DeviceStep::Own { used } => {
                    (used, None)
                }
            };
            start = start.saturating_add(used);
            if let Some(id) = unreported {
                messages = messages.saturating_add(1);
                // Every other one is taken, and acknowledged later.
                if messages.is_multiple_of(2) {
                    device.unreported(id, Now::default(), &mut out);
                } else {
                    let signal = Signal { value: id, ..says(word::ACKNOWLEDGED) };
                    device.signal(signal, Now::default(), &mut out);
                }
            }
            device.check_invariants();
            out.clear();
        }
    }
    (messages, words, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{iec104::fuzz_asdu, seeds::go_through};

    #[test]
    fn gen_16_every_kept_line_goes_through_its_entry() {
        go_through(include_str!("../../../fuzz/seeds/iec104_asdu.hex"), fuzz_asdu);
        go_through(include_str!("../../../fuzz/seeds/iec104_peer.hex"), fuzz_peer);
        go_through(include_str!("../../../fuzz/seeds/iec104_device.hex"), fuzz_device);
    }
}
