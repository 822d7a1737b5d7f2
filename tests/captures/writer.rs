//! Captures made by hand: conversations, link layers, file formats.

use std::net::SocketAddr;

/// One TCP segment of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// A conversation that is being written.
#[derive(Debug)]
pub(crate) struct Talk {
    client: SocketAddr,
    server: SocketAddr,
    seq: u32,
    ack: u32,
    pub(crate) pieces: Vec<Piece>,
}

impl Talk {
    /// With its handshake.
    pub(crate) fn new(client: &str, server: &str) -> Self {
        let mut talk = Self::middle(client, server);
        talk.add(true, SYN, &[]);
        talk.add(false, SYN | ACK, &[]);
        talk
    }

    /// Without.
    pub(crate) fn middle(client: &str, server: &str) -> Self {
        let address = |text: &str| text.parse().expect("an address");
        // Both wrap soon.
        Self { client: address(client), server: address(server), seq: 0xFFFF_FFF0, ack: 0xFFFF_FFF8, pieces: vec![] }
    }

    pub(crate) fn asks(&mut self, bytes: &[u8]) -> &mut Self {
        self.add(true, ACK, bytes)
    }

    pub(crate) fn tells(&mut self, bytes: &[u8]) -> &mut Self {
        self.add(false, ACK, bytes)
    }

    pub(crate) fn add(&mut self, client: bool, flags: u8, bytes: &[u8]) -> &mut Self {
        let (from, to) = if client { (self.client, self.server) } else { (self.server, self.client) };
        let (mine, other) = if client { (&mut self.seq, self.ack) } else { (&mut self.ack, self.seq) };
        let piece = Piece { from, to, seq: *mine, ack: other, flags, bytes: bytes.to_vec() };
        let counted = u32::from(flags & (SYN | FIN) != 0) + u32::try_from(bytes.len()).expect("short");
        *mine = mine.wrapping_add(counted);
        self.pieces.push(piece);
        self
    }
}

/// The IP packet of a segment.
pub(crate) fn ip(piece: &Piece) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(piece.from.port().to_be_bytes());
    tcp.extend(piece.to.port().to_be_bytes());
    tcp.extend(piece.seq.to_be_bytes());
    tcp.extend(piece.ack.to_be_bytes());
    tcp.extend([0x50, piece.flags, 0xFF, 0xFF, 0, 0, 0, 0]);
    tcp.extend(&piece.bytes);
    packet(piece.from, piece.to, 6, &tcp)
}

/// An IP packet with no options.
pub(crate) fn packet(from: SocketAddr, to: SocketAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match (from, to) {
        (SocketAddr::V4(from), SocketAddr::V4(to)) => {
            bytes.extend([0x45, 0]);
            bytes.extend(u16::try_from(20 + payload.len()).expect("short").to_be_bytes());
            bytes.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
            bytes.extend(from.ip().octets());
            bytes.extend(to.ip().octets());
        }
        (SocketAddr::V6(from), SocketAddr::V6(to)) => {
            bytes.extend([0x60, 0, 0, 0]);
            bytes.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
            bytes.extend([protocol, 64]);
            bytes.extend(from.ip().octets());
            bytes.extend(to.ip().octets());
        }
        _ => panic!("one version of IP"),
    }
    bytes.extend(payload);
    bytes
}

/// Puts an IP packet into an Ethernet frame, behind these tags.
pub(crate) fn ethernet(ip: &[u8], tags: &[[u8; 4]]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    tags.iter().for_each(|tag| bytes.extend(tag));
    bytes.extend(kind(ip));
    bytes.extend(ip);
    bytes
}

/// The Ethernet type of an IP packet.
pub(crate) fn kind(ip: &[u8]) -> [u8; 2] {
    if ip[0] >> 4 == 6 { [0x86, 0xDD] } else { [0x08, 0x00] }
}

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) big: bool,
    pub(crate) nano: bool,
    pub(crate) link: u32,
}

/// Little-endian, microseconds, Ethernet.
pub(crate) const PLAIN: Form = Form { big: false, nano: false, link: 1 };

/// When the first packet of every capture here was seen; each further one comes a millisecond later.
pub(crate) const START: u64 = 1_700_000_000_000_000_000;

/// A classic capture of these packets.
pub(crate) fn pcap(form: Form, packets: &[Vec<u8>]) -> Vec<u8> {
    let u32 = |n: u32| if form.big { n.to_be_bytes() } else { n.to_le_bytes() };
    let u16 = |n: u16| if form.big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut bytes = Vec::new();
    bytes.extend(u32(if form.nano { 0xA1B2_3C4D } else { 0xA1B2_C3D4 }));
    bytes.extend([u16(2), u16(4)].concat());
    bytes.extend([u32(0), u32(0), u32(262_144), u32(form.link)].concat());
    for (number, packet) in (0u64..).zip(packets) {
        let time = START + number * 1_000_000;
        let fraction = time % 1_000_000_000 / if form.nano { 1 } else { 1000 };
        let length = u32(u32_of(packet.len()));
        bytes.extend([u32(low(time / 1_000_000_000)), u32(low(fraction)), length, length].concat());
        bytes.extend(packet);
    }
    bytes
}

/// A classic little-endian capture of Ethernet frames of these segments.
pub(crate) fn capture(pieces: &[Piece]) -> Vec<u8> {
    let packets: Vec<_> = pieces.iter().map(|piece| ethernet(&ip(piece), &[])).collect();
    pcap(PLAIN, &packets)
}

/// One block of pcapng.
pub(crate) fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let u32 = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = u32(u32_of(body.len() + 12));
    [&u32(kind)[..], &length, &body, &length].concat()
}

/// A section header.
pub(crate) fn section(big: bool) -> Vec<u8> {
    let (magic, one) = if big { ([0x1A, 0x2B, 0x3C, 0x4D], [0, 1]) } else { ([0x4D, 0x3C, 0x2B, 0x1A], [1, 0]) };
    block(big, 0x0A0D_0D0A, &[&magic[..], &one, &[0, 0], &[0xFF; 8]].concat())
}

/// An interface with this link type and these options.
pub(crate) fn interface(big: bool, link: u16, options: &[u8]) -> Vec<u8> {
    let link = if big { link.to_be_bytes() } else { link.to_le_bytes() };
    block(big, 1, &[&link[..], &[0, 0], &[0; 4], options].concat())
}

/// An enhanced packet, its time in the interface's units.
pub(crate) fn enhanced(big: bool, interface: u32, time: u64, packet: &[u8]) -> Vec<u8> {
    let u32 = |n: u32| if big { n.to_be_bytes() } else { n.to_le_bytes() };
    let length = u32(u32_of(packet.len()));
    let head = [u32(interface), u32(low(time >> 32)), u32(low(time)), length, length].concat();
    block(big, 6, &[&head[..], packet].concat())
}

fn low(n: u64) -> u32 {
    u32::try_from(n & 0xFFFF_FFFF).expect("32 bits")
}

fn u32_of(n: usize) -> u32 {
    u32::try_from(n).expect("short")
}

/// A Modbus/TCP message.
pub(crate) fn adu(id: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    crate::gate::frame(id, unit, pdu)
}
