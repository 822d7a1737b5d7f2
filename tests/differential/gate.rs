//! What do we read, and what leaves us?
//!
//! Each case goes through the halves that serve the real conduits: a peer's bytes through `PeerHalf`, what it asks
//! through `DeviceHalf`, an answer back through both.

use std::{ops::ControlFlow, time::Duration};

use sluicegate_proto::{
    deed::{Deed, Seen, Values},
    half::{Body, DeviceOptions, DeviceStep, Ids, Input, PeerOptions, Step, Ticket},
    keys::{Setting, Settings},
    out::Out,
    protocol::{DeviceHalf, Message, PeerHalf, Protocol},
    time::Now,
    vocab::Class,
};

use super::{Case, Framing, Item, Side, Verdict};

/// The halves' options, made once.
pub(super) struct Gate {
    peers: [PeerOptions; 2],
    devices: [DeviceOptions; 2],
}

impl Gate {
    pub(super) fn new() -> Self {
        let seconds = Duration::from_secs(5);
        let settings = |key, word: &str| {
            let mut settings = Settings::default();
            settings.0.insert(key, Setting::Text(word.into()));
            settings
        };
        let peer = |word| PeerOptions {
            settings: settings("framing", word),
            pending: 4,
            frame_timeout: seconds,
            ..PeerOptions::default()
        };
        let device = |word| DeviceOptions {
            settings: settings("upstream_framing", word),
            pending: 4,
            frame_timeout: seconds,
            request_timeout: seconds,
            ids: Ids::Own,
        };
        Self { peers: ["tcp", "rtu"].map(peer), devices: ["tcp", "rtu"].map(device) }
    }

    fn halves(&self, framing: Framing) -> (PeerHalf, DeviceHalf) {
        let at = usize::from(framing == Framing::Rtu);
        (Protocol::Modbus.peer_half(&self.peers[at]), Protocol::Modbus.device_half(&self.devices[at]))
    }

    /// Each message of the case, from its first byte on, and what became of it.
    pub(super) fn items(&self, case: &Case) -> Vec<Item> {
        match case.side {
            Side::Request => self.requests(case),
            Side::Response => self.responses(case),
        }
    }

    fn requests(&self, case: &Case) -> Vec<Item> {
        let (mut peer, mut device) = self.halves(case.framing);
        let (mut items, mut start, mut out) = (Vec::new(), 0, Out::new(4096));
        while start < case.bytes.len() {
            let here = &case.bytes[start..];
            let mut used = here.len();
            let verdict = match peer.next(Input::Stream(here), Now::default(), &mut out) {
                Step::Need { .. } => Verdict::Partial,
                Step::End { reason, .. } => Verdict::Severed(reason.map_or("", |reason| reason.as_str())),
                Step::Asked(asked) => {
                    used = asked.used;
                    match asked.body {
                        Body::Illegal { reason, .. } => Verdict::Refused(reason.as_str()),
                        Body::Message(message) => {
                            let (unit, pdu) = leaves(&message, &mut device, case.framing);
                            assert!(judged(&message, &pdu), "the deeds of {pdu:02x?} are others than what leaves");
                            Verdict::Passed { used, unit, pdu }
                        }
                    }
                }
                other @ (Step::Wait | Step::Own { .. } | Step::Signal { .. }) => {
                    panic!("Modbus does not do that: {other:?}")
                }
            };
            let goes_on = matches!(verdict, Verdict::Passed { .. } | Verdict::Refused(_));
            items.push(Item::of(case, here, false, verdict));
            if !goes_on {
                break;
            }
            start += used;
            // A new connection to the device, so that each message leaves as the first.
            device = self.halves(case.framing).1;
        }
        items
    }

    fn responses(&self, case: &Case) -> Vec<Item> {
        let (mut peer, mut device) = self.halves(case.framing);
        let (mut to_peer, mut to_device) = (Out::new(4096), Out::new(4096));
        let Step::Asked(asked) = peer.next(Input::Stream(&case.asked), Now::default(), &mut to_peer) else {
            panic!("case {}: a legal request is not read: {:02x?}", case.number, case.asked)
        };
        let Body::Message(message) = asked.body else {
            panic!("case {}: a legal request is refused: {:02x?}", case.number, case.asked)
        };
        peer.accept(&asked, Ticket(1)).expect("the first has room");
        device.submit(&message, Ticket(1), Now::default(), &mut to_device).expect("the first has room");
        let (mut items, mut start, mut settled) = (Vec::new(), 0, false);
        while start < case.bytes.len() {
            let here = &case.bytes[start..];
            let mut used = here.len();
            let verdict = match device.next(Input::Stream(here), Now::default(), &mut to_device) {
                DeviceStep::Need { .. } => Verdict::Partial,
                DeviceStep::End { reason, .. } => Verdict::Severed(reason.map_or("", |reason| reason.as_str())),
                DeviceStep::Dropped { used: bytes, reason, .. } => {
                    used = bytes;
                    Verdict::Refused(reason.as_str())
                }
                DeviceStep::Told { used: bytes, told } => {
                    used = bytes;
                    peer.deliver(&told, &mut to_peer).expect("there is room");
                    let (unit, pdu) = parts(case.framing, to_peer.as_slice());
                    let mut seen = Vec::new();
                    told.answer.seen(&mut |one| seen.push(one));
                    assert!(shown(&case.asked_pdu(), &pdu, &seen), "{pdu:02x?} shows something else: {seen:?}");
                    Verdict::Passed { used, unit, pdu }
                }
                other @ (DeviceStep::Own { .. } | DeviceStep::Unasked { .. } | DeviceStep::Signal { .. }) => {
                    panic!("Modbus does not do that: {other:?}")
                }
            };
            let goes_on = matches!(verdict, Verdict::Passed { .. } | Verdict::Refused(_));
            items.push(Item::of(case, here, settled, verdict));
            settled |= case.framing == Framing::Rtu || here.starts_with(&[0, 1]);
            if !goes_on {
                break;
            }
            start += used;
        }
        items
    }
}

/// Unit and PDU as they leave for the device.
fn leaves(message: &Message<'_>, device: &mut DeviceHalf, framing: Framing) -> (u8, Vec<u8>) {
    let mut out = Out::new(4096);
    device.submit(message, Ticket(1), Now::default(), &mut out).expect("what was read can leave");
    parts(framing, out.as_slice())
}

fn parts(framing: Framing, frame: &[u8]) -> (u8, Vec<u8>) {
    match framing {
        Framing::Tcp => (frame[6], frame[7..].to_vec()),
        Framing::Rtu => (frame[0], frame[1..frame.len() - 2].to_vec()),
    }
}

/// Whether the deeds, which are what a policy judges, say what `pdu` says.
fn judged(message: &Message<'_>, pdu: &[u8]) -> bool {
    let mut told = vec![pdu[0]];
    let (mut masks, mut reads) = (None, Vec::new());
    let flow = message.deeds(&mut |deed: Deed<'_>| {
        let range = |deed: &Deed<'_>| {
            [(deed.first as u16).to_be_bytes(), ((deed.last - deed.first + 1) as u16).to_be_bytes()].concat()
        };
        match (pdu[0], deed.class) {
            (1..=4, _) => told.extend(range(&deed)),
            (5, _) => told.extend([range(&deed)[0], range(&deed)[1], 255 * deed.values.get(0).unwrap_or(9) as u8, 0]),
            (6, _) => told.extend([&range(&deed)[..2], &data(deed.values)].concat()),
            (15 | 16, _) => told.extend([range(&deed), counted(&data(deed.values))].concat()),
            (20, _) => told.extend(group(&deed)),
            (21, _) => told.extend([group(&deed), data(deed.values)].concat()),
            (22, _) => set(&deed, masks.get_or_insert((0, 0))),
            (23, Class::Read) => reads = range(&deed),
            (23, _) => told.extend([range(&deed), counted(&data(deed.values))].concat()),
            (8 | 24, _) => told.extend((deed.first as u16).to_be_bytes()),
            (43, Class::Identify) => told.extend([14, deed.first as u8]),
            (43, _) => told.push((deed.first / 256 - 1) as u8),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    assert_eq!(flow, ControlFlow::Continue(()));
    match pdu[0] {
        // Bits that the mask sets, and to what: (current AND and) OR (or AND NOT and), and to some devices (current AND and)
        // OR or.
        22 => masks == Some((!word(pdu, 3) | word(pdu, 5), word(pdu, 5))),
        23 => [&told[..1], &reads, &told[1..]].concat() == pdu,
        20 | 21 => [&told[..1], &counted(&told[1..])].concat() == pdu,
        1..=17 if pdu[0] != 8 && told.len() > 1 => told == pdu,
        _ => pdu.starts_with(&told),
    }
}

/// What a deed of FC 22 sets: the bits, and their values.
fn set(deed: &Deed<'_>, (bits, values): &mut (u16, u16)) {
    let value = deed.values.get(0);
    match (deed.bit, value) {
        (Some(bit), Some(value)) => {
            *bits |= 1 << bit;
            *values |= value << bit;
        }
        (None, Some(value)) => (*bits, *values) = (0xFFFF, value),
        (_, None) => {}
    }
}

fn group(deed: &Deed<'_>) -> Vec<u8> {
    let length = (deed.last - deed.first + 1) as u16;
    [&[6][..], &deed.first.to_be_bytes(), &length.to_be_bytes()].concat()
}

fn data(values: Values<'_>) -> Vec<u8> {
    match values {
        Values::Words(bytes) => bytes.to_vec(),
        Values::Bits { packed, .. } => packed.to_vec(),
        Values::None | Values::Bit(_) | Values::One(_) => Vec::new(),
    }
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8], bytes].concat()
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Whether what the gate believes the device to hold after a read is what the answer says.
fn shown(asked: &[u8], answer: &[u8], seen: &[Seen]) -> bool {
    if asked[0] != answer[0] || !matches!(asked[0], 1..=4 | 23) {
        return true;
    }
    let (first, count) = (u32::from(word(asked, 1)), usize::from(word(asked, 3)));
    let read = &seen[seen.len() - count..];
    let values = answer[2..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let bits = answer[2..].iter().flat_map(|byte| (0..8).map(move |bit| u16::from(byte >> bit & 1)));
    let same =
        |(at, (one, value)): (usize, (&Seen, u16))| one.address == first + at as u32 && one.value == Some(value.into());
    match asked[0] {
        1 | 2 => read.iter().zip(bits).enumerate().all(same),
        _ => read.iter().zip(values).enumerate().all(same),
    }
}
