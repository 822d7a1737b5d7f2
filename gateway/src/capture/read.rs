//! How is a capture read from its first packet to its last, and what did it come to?

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use sluicegate_proto::{
    keys::Settings,
    protocol::Protocol,
    vocab::{Reason, VerdictWord},
};

use super::{
    deeds::Asked,
    file::{FileFault, Packet, Packets},
    flows::{Flows, Seen},
    gate::{Gate, Ruling},
    line::{Direction, Line, Shown},
    side::Mark,
    watcher::Watcher,
    wire::{Carries, carries},
};

/// What is read, and how.
#[derive(Debug)]
pub struct Reading<'r> {
    /// The file.
    pub path: &'r Path,
    /// What its messages are.
    pub protocol: Protocol,
    /// The protocol's settings: framing and the like.
    pub settings: Settings,
    /// The servers' ports; empty: the likely ones, else every conversation.
    pub ports: Vec<u16>,
    /// Where servers are where nobody says so.
    pub likely: Vec<u16>,
    /// The gate that is replayed against.
    pub gate: Option<Gate<'r>>,
}

/// What a capture came to.
#[derive(Debug, Default)]
pub struct Total {
    /// Packets.
    pub packets: u64,
    /// Messages of each direction.
    pub requests: u64,
    /// Messages of each direction.
    pub responses: u64,
    /// Lines that cannot be read, by why.
    pub malformed: BTreeMap<&'static str, u64>,
    /// What there is to tell of the conversations.
    pub seen: Seen,
    /// Messages of the protocol's own housekeeping, which carry no deeds.
    pub own: u64,
    /// Packets that were not read, by why.
    pub unread: BTreeMap<&'static str, u64>,
    /// Packets of other ports.
    pub elsewhere: u64,
    /// The lower ports of some of these, with their packets.
    pub elsewhere_ports: BTreeMap<u16, u64>,
    /// The ports on which servers were looked for; empty: every TCP connection was read.
    pub ports: Vec<u16>,
    /// Lines by verdict (`replay`).
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Refused lines by reason (`replay`).
    pub reasons: BTreeMap<&'static str, u64>,
    /// Lines that are refused or would be (`replay`).
    pub refused: u64,
    /// What was asked, all in all; for `replay`, what of it is refused.
    pub asked: Asked,
    /// The file could not be read to its end.
    pub fault: Option<FileFault>,
}

/// Ports that are told where nothing was found: enough to see which one is meant.
const PORTS_MAX: usize = 16;

/// Reads a capture; each line goes to `sink` as soon as it is known.
///
/// # Errors
/// [`FileFault`] where the file is no capture at all. One that breaks later is read up to there (see [`Total::fault`]).
pub fn read<'r>(reading: Reading<'r>, sink: &'r mut dyn FnMut(&Line)) -> Result<Total, FileFault> {
    let mut ports = reading.ports;
    if ports.is_empty() && is_spoken(reading.path, &reading.likely)? {
        ports = reading.likely;
    }
    let mut packets = Packets::open(reading.path)?;
    let mut watcher = Watcher::new(reading.protocol, reading.settings, reading.gate, sink);
    watcher.total.ports.clone_from(&ports);
    let mut flows = Flows::new((!ports.is_empty()).then_some(ports));
    loop {
        match packets.packet() {
            Ok(Some(packet)) => take(&packet, &mut flows, &mut watcher),
            Ok(None) => break,
            Err(fault) => {
                watcher.total.fault = Some(fault);
                break;
            }
        }
    }
    flows.finish(&mut watcher);
    Ok(watcher.total)
}

fn take(packet: &Packet<'_>, flows: &mut Flows, watcher: &mut Watcher<'_>) {
    watcher.total.packets += 1;
    watcher.set_time(packet.time);
    let mark = Mark { frame: packet.number, time: packet.time };
    let (from, to, read) = match carries(packet) {
        Carries::Segment(one) => (one.from, one.to, flows.segment(&one, mark, watcher)),
        Carries::Datagram { from, to, payload } => (from, to, flows.datagram((from, to), payload, mark, watcher)),
        Carries::Other(other) => {
            *watcher.total.unread.entry(other.as_str()).or_default() += 1;
            return;
        }
    };
    if !read {
        watcher.total.passes_by(from.port().min(to.port()));
    }
}

/// Whether any packet of a file goes to or from one of these ports.
fn is_spoken(path: &Path, ports: &[u16]) -> Result<bool, FileFault> {
    let mut packets = Packets::open(path)?;
    // What is broken is told when it is read.
    while let Ok(Some(packet)) = packets.packet() {
        let (from, to) = match carries(&packet) {
            Carries::Segment(segment) => (segment.from, segment.to),
            Carries::Datagram { from, to, .. } => (from, to),
            Carries::Other(_) => continue,
        };
        if ports.contains(&from.port()) || ports.contains(&to.port()) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Total {
    /// A packet of another port.
    fn passes_by(&mut self, port: u16) {
        self.elsewhere += 1;
        if self.elsewhere_ports.len() < PORTS_MAX || self.elsewhere_ports.contains_key(&port) {
            *self.elsewhere_ports.entry(port).or_default() += 1;
        }
    }

    pub(super) fn line(&mut self, line: &Line) {
        match (line.malformed, line.direction) {
            (Some(reason), _) => *self.malformed.entry(reason.as_str()).or_default() += 1,
            (None, Direction::Request) => self.requests += 1,
            (None, Direction::Response) => self.responses += 1,
        }
        let asked = line.malformed.is_none() && line.direction == Direction::Request;
        let Some(ruling) = &line.ruling else {
            line.deeds.iter().filter(|_| asked).for_each(|deed| self.asked.add(line.client, line.server, deed));
            return;
        };
        let word = ruling.verdict.map_or("unknown", VerdictWord::as_str);
        *self.verdicts.entry(word).or_default() += 1;
        if let Some(reason) = ruling.reason {
            *self.reasons.entry(reason.as_str()).or_default() += 1;
        }
        let refused = |deed: &&Shown| asked && deed.ruling.as_ref().is_some_and(is_curable);
        if ruling.is_refused() {
            self.refused += 1;
            line.deeds.iter().filter(refused).for_each(|deed| self.asked.add(line.client, line.server, deed));
        }
    }

    /// The summary: the last line of the output.
    pub fn to_json(&self) -> Value {
        json!({
            "packets": self.packets,
            "requests": self.requests,
            "responses": self.responses,
            "malformed": self.malformed.values().sum::<u64>(),
            "housekeeping": self.own,
            "malformed_by_reason": self.malformed,
            "streams": self.seen.streams,
            "mid_stream": self.seen.mid_stream,
            "gaps": self.seen.gaps,
            "bytes_not_captured": self.seen.missing,
            "bytes_sent_again": self.seen.again,
            "forgotten": self.seen.forgotten,
            "ports": self.ports,
            "server_decided_by": self.seen.decided,
            "packets_elsewhere": self.elsewhere,
            "ports_elsewhere": self.elsewhere_ports.iter().map(|(port, packets)| json!({ "port": port, "packets": packets })).collect::<Vec<_>>(),
            "packets_unread": self.unread,
            "verdicts": self.verdicts,
            "reasons": self.reasons,
            "fault": self.fault.as_ref().map(ToString::to_string),
        })
    }

    /// Whether the file ends as a file that was written to its end.
    pub fn is_sound(&self) -> bool {
        matches!(self.fault, None | Some(FileFault::CutOff { .. }))
    }
}

/// Whether a rule would let it pass: others than these hang on time, on the device, or on the message itself.
fn is_curable(ruling: &Ruling) -> bool {
    let curable = matches!(
        ruling.reason,
        Some(
            Reason::FunctionNotAllowed
                | Reason::IdentityNotAllowed
                | Reason::AddressNotAllowed
                | Reason::ValueNotAllowed
        )
    );
    curable && ruling.is_refused()
}
