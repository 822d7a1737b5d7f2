//! How is a classic pcap file laid out? (draft-ietf-opsawg-pcap)
//!
//! ```text
//! magic u32 | version 2 x u16 | 8 bytes | snaplen u32 | link type u32 (16 bits of it)
//! then for each packet: seconds u32 | fraction u32 | captured u32 | on the wire u32 | the captured bytes
//! ```

use std::io::Read;

use super::file::{FileFault, LARGEST, Order, Packet, Source, Taken};

/// What the head of the file says.
#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Nanoseconds in one unit of the fraction.
    unit: u64,
    link: u32,
    number: u64,
}

impl Pcap {
    /// Reads the head; `magic` is read already.
    pub(super) fn open<R: Read>(magic: [u8; 4], source: &mut Source<R>) -> Result<Self, FileFault> {
        let (order, unit) = match magic {
            [0xA1, 0xB2, 0xC3, 0xD4] => (Order::Big, 1000),
            [0xD4, 0xC3, 0xB2, 0xA1] => (Order::Little, 1000),
            [0xA1, 0xB2, 0x3C, 0x4D] => (Order::Big, 1),
            [0x4D, 0x3C, 0xB2, 0xA1] => (Order::Little, 1),
            [0xA1, 0xB2, 0xCD, 0x34] | [0x34, 0xCD, 0xB2, 0xA1] => {
                return Err(FileFault::Unsupported("the patched pcap of old Linux systems"));
            }
            _ => return Err(FileFault::NotACapture),
        };
        let head = source.must(20)?;
        // The high half holds flags about the frame check sequence.
        let link = order.u32(head, 16) & 0xFFFF;
        if order.u16(head, 0) != 2 {
            return Err(FileFault::Unsupported("another version of pcap than 2"));
        }
        Ok(Self { order, unit, link, number: 0 })
    }

    pub(super) fn next<'f, R: Read>(&mut self, source: &'f mut Source<R>) -> Result<Option<Packet<'f>>, FileFault> {
        let order = self.order;
        let (seconds, fraction, captured, wire) = match source.take(16)? {
            Taken::All(head) => (order.u32(head, 0), order.u32(head, 4), order.u32(head, 8), order.u32(head, 12)),
            Taken::Nothing => return Ok(None),
            Taken::Part => return Err(source.cut_off()),
        };
        let length = usize::try_from(captured).unwrap_or(usize::MAX);
        if length > LARGEST {
            return Err(source.broken("a packet claims more bytes than any packet has"));
        }
        self.number += 1;
        let time = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit;
        let data = source.must(length)?;
        Ok(Some(Packet { number: self.number, time: Some(time), link: Some(self.link), data, cut: captured < wire }))
    }
}
