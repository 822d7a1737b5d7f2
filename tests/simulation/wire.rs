//! How do the frames of a seed's two sides look?

use super::world::Rng;
use crate::gate::{Wire, frame, rtu};

/// What a seed's conduit is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    /// How peers frame.
    pub(crate) front: Wire,
    /// How the device frames.
    pub(crate) back: Wire,
    /// `duplicate_tid = "queue"`
    pub(crate) queue: bool,
    /// `upstream_pending`
    pub(crate) pending: u64,
}

impl Ways {
    pub(crate) fn rolled(rng: &mut Rng) -> Self {
        let wire = |n| if n == 0 { Wire::Rtu } else { Wire::Tcp };
        let (front, back, queue) = (wire(rng.below(3)), wire(rng.below(3)), rng.below(2) == 0);
        let pending = 1 + rng.below(4);
        // Without ids one at a time.
        Self { front, back, queue, pending: if back == Wire::Rtu { 1 } else { pending } }
    }

    /// The keys of the conduit's table.
    pub(crate) fn keys(self) -> String {
        let word = |wire| if wire == Wire::Rtu { "rtu" } else { "tcp" };
        let duplicates = if self.queue { "queue" } else { "drop" };
        format!(
            "framing = \"{}\"\nupstream_framing = \"{}\"\nduplicate_tid = \"{duplicates}\"",
            word(self.front),
            word(self.back)
        )
    }
}

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Adu {
    /// 0 in RTU.
    pub(crate) id: u16,
    pub(crate) unit: u8,
    pub(crate) pdu: Vec<u8>,
}

impl Adu {
    pub(crate) fn bytes(&self, wire: Wire) -> Vec<u8> {
        match wire {
            Wire::Tcp => frame(self.id, self.unit, &self.pdu),
            Wire::Rtu => rtu(self.unit, &self.pdu),
        }
    }

    /// Takes one whole message off the front; `answers`: of those that a peer gets, else of those that reach the device.
    pub(crate) fn take(wire: Wire, answers: bool, bytes: &mut Vec<u8>) -> Option<Self> {
        let (start, tail) = if wire == Wire::Tcp { (6, 0) } else { (0, 2) };
        let length = match wire {
            Wire::Tcp => usize::from(u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?])),
            Wire::Rtu => match (*bytes.get(1)?, answers) {
                (0x80.., true) => 3,
                (3, true) => 3 + usize::from(*bytes.get(2)?),
                (16, false) => 7 + usize::from(*bytes.get(6)?),
                (3 | 6 | 16, _) => 6,
                (other, _) => panic!("function {other} left"),
            },
        };
        if bytes.len() < start + length + tail {
            return None;
        }
        let whole: Vec<u8> = bytes.drain(..start + length + tail).collect();
        let body = &whole[start..start + length];
        let id = if wire == Wire::Tcp { u16::from_be_bytes([whole[0], whole[1]]) } else { 0 };
        let adu = Self { id, unit: body[0], pdu: body[1..].to_vec() };
        assert_eq!(adu.bytes(wire), whole, "header, length and CRC of what leaves");
        Some(adu)
    }
}
