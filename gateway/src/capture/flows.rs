//! Which conversation does a packet belong to, which end is the server, and where does one end and the next begin?
//!
//! ```text
//! the server is the end on one of the ports that were asked for; where none was, or both ends are on one:
//! the end that the first SYN goes to, else the end on the lower port, else the end that the first packet goes to
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
};

use super::{
    line::Direction,
    side::{Mark, Out, Side},
    watch::Talk,
    watcher::Watcher,
    wire::Segment,
};

/// Conversations that are kept at once. The one that was silent for the longest is told to its end and forgotten: more
/// than these, a capture of a plant does not hold at a time.
pub(super) const FLOWS_MAX: usize = 65_536;
/// A conversation: its ends, the lower first, and whether it is UDP.
type Key = (SocketAddr, SocketAddr, bool);

/// Bytes held behind gaps, of all conversations together: 64 connections whose captures lose a whole megabyte.
const HELD_MAX: usize = 64 * 1024 * 1024;

sluicegate_proto::words! {
    /// How it was told which end is the server.
    Decided {
        /// It is on the port that was asked for.
        Port = "port",
        /// The connection's first packet goes to it.
        Syn = "syn",
        /// It has the lower port.
        LowerPort = "lower_port",
        /// The first packet that was captured goes to it.
        FirstPacket = "first_packet",
    }
}

/// The ends of a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub decided: Decided,
}

/// What there is to tell of conversations as a whole.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many there were.
    pub streams: u32,
    /// Those whose start was not captured.
    pub mid_stream: u64,
    /// Gaps.
    pub gaps: u64,
    /// Bytes in them.
    pub missing: u64,
    /// Bytes that were sent again.
    pub again: u64,
    /// How the servers were told.
    pub decided: BTreeMap<&'static str, u64>,
    /// Conversations that were forgotten before the end of the file.
    pub forgotten: u64,
}

/// All conversations.
#[derive(Debug)]
pub(super) struct Flows {
    /// `None`: every port.
    ports: Option<Vec<u16>>,
    table: HashMap<Key, Flow>,
    /// By the packet that was the last of each.
    order: BTreeMap<u64, Key>,
    held: usize,
}

#[derive(Debug)]
struct Flow {
    client: SocketAddr,
    to_server: Side,
    to_client: Side,
    talk: Talk,
    last: u64,
    told_mid: bool,
    /// Which ends have said that they send no more, or broken it off.
    over: (bool, bool),
}

impl Flows {
    pub(super) fn new(ports: Option<Vec<u16>>) -> Self {
        Self { ports, table: HashMap::new(), order: BTreeMap::new(), held: 0 }
    }

    /// One segment of some connection. Whether it was looked at.
    pub(super) fn segment(&mut self, one: &Segment<'_>, mark: Mark, watcher: &mut Watcher<'_>) -> bool {
        if !self.wants(one.from, one.to) {
            return false;
        }
        let key = key(one.from, one.to, false);
        if let Some(flow) = self.table.get(&key)
            && one.syn
            && (flow.side(one.from).is_another(one.seq) || flow.is_over() && one.ack.is_none())
        {
            self.forget(key, watcher);
        }
        if !self.table.contains_key(&key) {
            let ends = ends(one, self.ports.as_deref());
            self.open(key, ends, watcher);
        }
        let Some(flow) = self.table.get_mut(&key) else { return true };
        touch(&mut self.order, flow, key, mark.frame);
        let before = flow.held();
        flow.segment(one, mark, watcher);
        self.held = (self.held + flow.held()).saturating_sub(before);
        if self.held > HELD_MAX {
            let before = flow.held();
            flow.give_up(watcher);
            self.held = (self.held + flow.held()).saturating_sub(before);
        }
        true
    }

    /// One datagram. Whether it was looked at: on a port that was asked for.
    pub(super) fn datagram(
        &mut self,
        (from, to): (SocketAddr, SocketAddr),
        payload: &[u8],
        mark: Mark,
        watcher: &mut Watcher<'_>,
    ) -> bool {
        let Some(ports) = &self.ports else { return false };
        let (from_one, to_one) = (ports.contains(&from.port()), ports.contains(&to.port()));
        let (client, server, decided) = match (from_one, to_one) {
            (false, false) => return false,
            (true, false) => (to, from, Decided::Port),
            (false, true) => (from, to, Decided::Port),
            (true, true) => (from, to, Decided::FirstPacket),
        };
        let key = key(from, to, true);
        if !self.table.contains_key(&key) {
            self.open(key, Ends { client, server, decided }, watcher);
        }
        let Some(flow) = self.table.get_mut(&key) else { return true };
        touch(&mut self.order, flow, key, mark.frame);
        let direction = flow.direction(from);
        flow.talk.datagram(direction, payload, mark, watcher);
        true
    }

    /// The file ends: every conversation does.
    pub(super) fn finish(&mut self, watcher: &mut Watcher<'_>) {
        while let Some((_, key)) = self.order.first_key_value() {
            self.forget(*key, watcher);
        }
    }

    fn wants(&self, from: SocketAddr, to: SocketAddr) -> bool {
        self.ports.as_ref().is_none_or(|ports| ports.contains(&from.port()) || ports.contains(&to.port()))
    }

    fn open(&mut self, key: Key, ends: Ends, watcher: &mut Watcher<'_>) {
        if self.table.len() >= FLOWS_MAX
            && let Some((_, oldest)) = self.order.first_key_value()
        {
            watcher.total.seen.forgotten += 1;
            self.forget(*oldest, watcher);
        }
        let flow = Flow {
            client: ends.client,
            to_server: Side::default(),
            to_client: Side::default(),
            talk: Talk::new(watcher.total.seen.streams, (ends.client, ends.server), watcher),
            last: 0,
            told_mid: false,
            over: (false, false),
        };
        watcher.total.seen.streams = watcher.total.seen.streams.saturating_add(1);
        *watcher.total.seen.decided.entry(ends.decided.as_str()).or_default() += 1;
        self.table.insert(key, flow);
    }

    /// Tells a conversation to its end.
    fn forget(&mut self, key: Key, watcher: &mut Watcher<'_>) {
        let Some(mut flow) = self.table.remove(&key) else { return };
        self.order.remove(&flow.last);
        self.held = self.held.saturating_sub(flow.held());
        flow.ends(watcher);
    }
}

impl Flow {
    fn direction(&self, from: SocketAddr) -> Direction {
        if from == self.client { Direction::Request } else { Direction::Response }
    }

    fn side(&self, from: SocketAddr) -> &Side {
        match self.direction(from) {
            Direction::Request => &self.to_server,
            Direction::Response => &self.to_client,
        }
    }

    /// Whether both ends are done: a SYN then opens another conversation, even one with the same numbers.
    fn is_over(&self) -> bool {
        self.over.0 && self.over.1
    }

    fn held(&self) -> usize {
        self.to_server.held_bytes() + self.to_client.held_bytes()
    }

    fn segment(&mut self, one: &Segment<'_>, mark: Mark, watcher: &mut Watcher<'_>) {
        let direction = self.direction(one.from);
        let Self { to_server, to_client, talk, told_mid, over, .. } = self;
        match direction {
            Direction::Request => over.0 |= one.fin,
            Direction::Response => over.1 |= one.fin,
        }
        let (mine, other) = match direction {
            Direction::Request => (to_server, to_client),
            Direction::Response => (to_client, to_server),
        };
        if one.syn {
            mine.opens(one.seq);
        }
        // What the other end has acknowledged was sent before this.
        if let Some(ack) = one.ack {
            other.is_acknowledged(ack, &mut |out| told(talk, direction.other(), &out, watcher));
        }
        if mine.is_new() && !one.payload.is_empty() {
            talk.torn = true;
            talk.lost.set(direction, true);
        }
        let seq = if one.syn { one.seq.wrapping_add(1) } else { one.seq };
        mine.takes(seq, one.payload, mark, &mut |out| told(talk, direction, &out, watcher));
        if mine.mid_stream && !*told_mid {
            *told_mid = true;
            watcher.total.seen.mid_stream += 1;
        }
        let length = u32::try_from(one.payload.len()).unwrap_or(u32::MAX);
        if one.fin && mine.is_at(seq.wrapping_add(length)) {
            talk.end(direction, watcher);
        }
        if one.rst {
            self.over = (true, true);
            self.ends(watcher);
        }
    }

    /// Leaves the gaps of both directions.
    fn give_up(&mut self, watcher: &mut Watcher<'_>) {
        let Self { to_server, to_client, talk, .. } = self;
        to_server.ends(&mut |out| told(talk, Direction::Request, &out, watcher));
        to_client.ends(&mut |out| told(talk, Direction::Response, &out, watcher));
    }

    fn ends(&mut self, watcher: &mut Watcher<'_>) {
        self.give_up(watcher);
        self.talk.ends(watcher);
    }
}

/// Hands on what came out of one direction.
fn told(talk: &mut Talk, direction: Direction, out: &Out<'_>, watcher: &mut Watcher<'_>) {
    match *out {
        Out::Bytes(bytes, mark) => talk.bytes(direction, bytes, mark, watcher),
        Out::Gap(missing, mark) => {
            watcher.total.seen.gaps += 1;
            watcher.total.seen.missing = watcher.total.seen.missing.saturating_add(missing);
            talk.gap(direction, missing, mark, watcher);
        }
        Out::Again(bytes) => watcher.total.seen.again = watcher.total.seen.again.saturating_add(bytes),
        Out::Late(bytes, mark) => talk.late(direction, bytes, mark, watcher),
        Out::Another(_) => {
            watcher.total.seen.mid_stream += 1;
            talk.another(direction, watcher);
        }
    }
}

fn key(one: SocketAddr, other: SocketAddr, udp: bool) -> Key {
    (one.min(other), one.max(other), udp)
}

/// Each conversation stands once in the order, under the packet that was its last.
fn touch(order: &mut BTreeMap<u64, Key>, flow: &mut Flow, key: Key, frame: u64) {
    order.remove(&flow.last);
    flow.last = frame;
    order.insert(frame, key);
}

/// Which end is the client of a conversation that begins with this segment?
fn ends(one: &Segment<'_>, ports: Option<&[u16]>) -> Ends {
    let is_asked = |end: SocketAddr| ports.is_some_and(|ports| ports.contains(&end.port()));
    let made = |client, server, decided| Ends { client, server, decided };
    let (from, to) = (one.from, one.to);
    match (is_asked(from), is_asked(to)) {
        (true, false) => return made(to, from, Decided::Port),
        (false, true) => return made(from, to, Decided::Port),
        (true, true) | (false, false) => {}
    }
    match (one.syn, one.ack) {
        (true, None) => made(from, to, Decided::Syn),
        (true, Some(_)) => made(to, from, Decided::Syn),
        (false, _) if from.port() < to.port() => made(to, from, Decided::LowerPort),
        (false, _) if from.port() > to.port() => made(from, to, Decided::LowerPort),
        (false, _) => made(from, to, Decided::FirstPacket),
    }
}
