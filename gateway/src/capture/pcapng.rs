//! How is a pcapng file laid out? (draft-ietf-opsawg-pcapng)
//!
//! ```text
//! each block: type u32 | length u32 of all of it | body | length u32 again
//! section header   byte order of all that follows; interfaces are numbered anew
//! interface        link type, the unit of its time stamps
//! packet           enhanced (6), simple (3, without a time), obsolete (2)
//! all else         left unread
//! ```

use std::io::Read;

use super::file::{FileFault, LARGEST, Order, Packet, Source, Taken};

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const OBSOLETE: u32 = 2;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;

/// Interfaces of one section: a file that has more is not one that a machine captured. Those past it are as if they
/// were not described.
const INTERFACES_MAX: usize = 4096;

/// The section that is being read.
#[derive(Debug)]
pub(super) struct PcapNg {
    order: Order,
    interfaces: Vec<Interface>,
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link: u32,
    snaplen: u32,
    unit: Unit,
    /// Nanoseconds before the first.
    offset: i64,
}

/// What one unit of a time stamp is.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// 10^-n seconds.
    Ten(u32),
    /// 2^-n seconds.
    Two(u32),
}

impl PcapNg {
    /// Reads the first section header; its type is read already.
    pub(super) fn open<R: Read>(source: &mut Source<R>) -> Result<Self, FileFault> {
        let mut opened = Self { order: Order::Little, interfaces: Vec::new(), number: 0 };
        opened.section(source)?;
        Ok(opened)
    }

    pub(super) fn next<'f, R: Read>(&mut self, source: &'f mut Source<R>) -> Result<Option<Packet<'f>>, FileFault> {
        loop {
            let kind = match source.take(4)? {
                Taken::All(bytes) => self.order.u32(bytes, 0),
                Taken::Nothing => return Ok(None),
                Taken::Part => return Err(source.cut_off()),
            };
            // It reads the same in both orders: the order of what follows stands inside.
            if kind == SECTION {
                self.section(source)?;
                continue;
            }
            let length = self.order.u32(source.must(4)?, 0);
            let Some(body) = length.checked_sub(12).filter(|_| length.is_multiple_of(4)) else {
                return Err(source.broken("the length of a block is none"));
            };
            if !matches!(kind, INTERFACE | OBSOLETE | SIMPLE | ENHANCED) {
                source.skip(u64::from(body))?;
                self.trailer(length, source)?;
                continue;
            }
            let body = usize::try_from(body).unwrap_or(usize::MAX);
            if body > LARGEST {
                return Err(source.broken("a block claims more bytes than any packet has"));
            }
            // With its trailer, so that the body stays in hand.
            let whole = source.must(body + 4)?;
            if self.order.u32(whole, body) != length {
                return Err(source.broken("the two lengths of a block differ"));
            }
            if kind == INTERFACE {
                let read =
                    interface(self.order, &whole[..body]).ok_or_else(|| source.broken("an interface is short"))?;
                if self.interfaces.len() < INTERFACES_MAX {
                    self.interfaces.push(read);
                }
                continue;
            }
            self.number += 1;
            let Some(head) = self.packet(kind, &source.held()[..body]) else {
                return Err(source.broken("a packet is longer than its block"));
            };
            let data = &source.held()[head.start..head.end];
            return Ok(Some(Packet { number: self.number, time: head.time, link: head.link, data, cut: head.cut }));
        }
    }

    /// A section header: byte order, then whatever; interfaces start anew.
    fn section<R: Read>(&mut self, source: &mut Source<R>) -> Result<(), FileFault> {
        let head = source.must(8)?;
        self.order = match head[4..] {
            [0x1A, 0x2B, 0x3C, 0x4D] => Order::Big,
            [0x4D, 0x3C, 0x2B, 0x1A] => Order::Little,
            _ => return Err(source.broken("a section does not say its byte order")),
        };
        let length = self.order.u32(source.held(), 0);
        let rest = length.checked_sub(16).filter(|rest| *rest >= 12 && length.is_multiple_of(4));
        let Some(rest) = rest else { return Err(source.broken("the length of a section header is none")) };
        source.skip(u64::from(rest))?;
        self.interfaces.clear();
        self.trailer(length, source)
    }

    fn trailer<R: Read>(&self, length: u32, source: &mut Source<R>) -> Result<(), FileFault> {
        let again = self.order.u32(source.must(4)?, 0);
        if again == length { Ok(()) } else { Err(source.broken("the two lengths of a block differ")) }
    }

    /// Where the packet stands in the body of its block.
    fn packet(&self, kind: u32, body: &[u8]) -> Option<Head> {
        let order = self.order;
        if kind == SIMPLE {
            let first = self.interfaces.first();
            let wire = order.u32(body.get(..4)?, 0);
            let snaplen = first.map_or(0, |one| one.snaplen);
            let captured = if snaplen == 0 { wire } else { wire.min(snaplen) };
            let there = u32::try_from(body.len().checked_sub(4)?).ok()?;
            let captured = captured.min(there);
            let end = 4usize.checked_add(usize::try_from(captured).ok()?)?;
            return Some(Head { start: 4, end, time: None, link: first.map(|one| one.link), cut: captured < wire });
        }
        let head = body.get(..20)?;
        let number = match kind {
            OBSOLETE => u32::from(order.u16(head, 0)),
            _ => order.u32(head, 0),
        };
        let interface = self.interfaces.get(usize::try_from(number).ok()?);
        let stamp = (u64::from(order.u32(head, 4)) << 32) | u64::from(order.u32(head, 8));
        let (captured, wire) = (order.u32(head, 12), order.u32(head, 16));
        let end = 20usize.checked_add(usize::try_from(captured).ok()?)?;
        body.get(20..end)?;
        let time = interface.map(|one| one.nanos(stamp));
        Some(Head { start: 20, end, time, link: interface.map(|one| one.link), cut: captured < wire })
    }
}

struct Head {
    start: usize,
    end: usize,
    time: Option<u64>,
    link: Option<u32>,
    cut: bool,
}

impl Interface {
    fn nanos(&self, stamp: u64) -> u64 {
        let stamp = u128::from(stamp);
        let nanos = match self.unit {
            Unit::Ten(digits @ 0..=9) => stamp.saturating_mul(10u128.pow(9 - digits)),
            Unit::Ten(digits) => stamp / 10u128.checked_pow(digits - 9).unwrap_or(u128::MAX),
            Unit::Two(bits) => stamp.saturating_mul(1_000_000_000).checked_shr(bits).unwrap_or(0),
        };
        u64::try_from(nanos).unwrap_or(u64::MAX).saturating_add_signed(self.offset)
    }
}

/// Link type u16, two bytes, snaplen u32, then options: code u16, length u16, the value filled up to four bytes.
fn interface(order: Order, body: &[u8]) -> Option<Interface> {
    let head = body.get(..8)?;
    let mut read =
        Interface { link: u32::from(order.u16(head, 0)), snaplen: order.u32(head, 4), unit: Unit::Ten(6), offset: 0 };
    let mut rest = body.get(8..)?;
    while rest.len() >= 4 {
        let (code, length) = (order.u16(rest, 0), usize::from(order.u16(rest, 2)));
        let Some(value) = rest.get(4..4 + length) else { break };
        match (code, value) {
            (0, _) => break,
            (9, [unit]) if unit & 0x80 != 0 => read.unit = Unit::Two(u32::from(unit & 0x7F)),
            (9, [unit]) => read.unit = Unit::Ten(u32::from(*unit)),
            (14, [_, _, _, _, _, _, _, _]) => {
                read.offset = order.u64(value, 0).cast_signed().saturating_mul(1_000_000_000);
            }
            _ => {}
        }
        rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(read)
}
