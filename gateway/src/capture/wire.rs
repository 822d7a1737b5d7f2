//! What does one packet carry: a TCP segment, a UDP datagram, or something that is not ours to read?
//!
//! Link layers: Ethernet (with VLAN tags), Linux cooked 1 and 2, loopback, raw IP. From IP on the headers are read by
//! `etherparse`: options, extension headers, lengths. Checksums are not looked at: hosts that leave them to their network
//! card are captured with wrong ones.

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice};

use super::file::Packet;

/// What a packet carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Carries<'f> {
    Segment(Segment<'f>),
    Datagram { from: SocketAddr, to: SocketAddr, payload: &'f [u8] },
    Other(Other),
}

/// One TCP segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'f> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) seq: u32,
    pub(super) ack: Option<u32>,
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) payload: &'f [u8],
}

sluicegate_proto::words! {
    /// Why a packet is not read.
    Other {
        /// No IP: ARP, LLDP, spanning tree.
        NotIp = "not_ip",
        /// IP that carries neither TCP nor UDP.
        NotTransport = "not_tcp_or_udp",
        /// A piece of an IP packet. Pieces are not put together.
        Fragment = "ip_fragment",
        /// Its headers are cut off or do not hold together.
        Broken = "broken_header",
        /// Its link layer is none of those that are read, or its interface is not described.
        LinkLayer = "unknown_link_layer",
    }
}

/// LINKTYPE numbers. Several stand for raw IP: they were never the same on all systems.
const NULL: u32 = 0;
const ETHERNET: u32 = 1;
const RAW: [u32; 5] = [12, 14, 101, 228, 229];
const LOOP: u32 = 108;
const COOKED: u32 = 113;
const COOKED_2: u32 = 276;

/// Takes a packet apart.
pub(super) fn carries<'f>(packet: &Packet<'f>) -> Carries<'f> {
    let data = packet.data;
    let sliced = match packet.link {
        Some(ETHERNET) => ethernet(data),
        // What is carried stands in the last two bytes of the header.
        Some(COOKED) => typed(data, 14, 16),
        Some(COOKED_2) => typed(data, 0, 20),
        // The number of an address family, in the byte order of whoever captured: the version of IP tells the same.
        Some(NULL | LOOP) => data.get(4..).and_then(ip),
        Some(link) if RAW.contains(&link) => ip(data),
        Some(_) | None => return Carries::Other(Other::LinkLayer),
    };
    sliced.map_or(Carries::Other(Other::Broken), |sliced| transport(&sliced))
}

/// Two addresses, then a type or, up to 1500, a length (which is never IP).
fn ethernet(data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    typed(data, 12, 14)
}

/// An Ethernet type at `at`, what it says at `after`; VLAN tags stand there too.
fn typed(data: &[u8], at: usize, after: usize) -> Option<LaxSlicedPacket<'_>> {
    let kind = data.get(at..)?.first_chunk::<2>()?;
    Some(LaxSlicedPacket::from_ether_type(EtherType(u16::from_be_bytes(*kind)), data.get(after..)?))
}

fn ip(data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    LaxSlicedPacket::from_ip(data).ok()
}

fn transport<'f>(sliced: &LaxSlicedPacket<'f>) -> Carries<'f> {
    let (from, to, payload) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(one)) => {
            let header = one.header();
            (IpAddr::V4(header.source_addr()), IpAddr::V4(header.destination_addr()), one.payload())
        }
        Some(LaxNetSlice::Ipv6(one)) => {
            let header = one.header();
            (IpAddr::V6(header.source_addr()), IpAddr::V6(header.destination_addr()), one.payload())
        }
        Some(LaxNetSlice::Arp(_)) => return Carries::Other(Other::NotIp),
        None if sliced.stop_err.is_some() => return Carries::Other(Other::Broken),
        None => return Carries::Other(Other::NotIp),
    };
    if payload.fragmented {
        return Carries::Other(Other::Fragment);
    }
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => Carries::Segment(segment(tcp, from, to)),
        Some(TransportSlice::Udp(udp)) => Carries::Datagram {
            from: SocketAddr::new(from, udp.source_port()),
            to: SocketAddr::new(to, udp.destination_port()),
            payload: udp.payload(),
        },
        Some(TransportSlice::Icmpv4(_) | TransportSlice::Icmpv6(_) | TransportSlice::Igmp(_)) => {
            Carries::Other(Other::NotTransport)
        }
        None if sliced.stop_err.is_some() => Carries::Other(Other::Broken),
        None => Carries::Other(Other::NotTransport),
    }
}

fn segment<'f>(tcp: &TcpSlice<'f>, from: IpAddr, to: IpAddr) -> Segment<'f> {
    Segment {
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        seq: tcp.sequence_number(),
        ack: tcp.ack().then(|| tcp.acknowledgment_number()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        payload: tcp.payload(),
    }
}
