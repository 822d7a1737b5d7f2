//! Where does a message start and end on the wire?
//!
//! ```text
//! 0        2            4         6      7
//! | id u16 | protocol 0 | len u16 | unit | PDU: len - 1 bytes, 1..=253 |
//! ```
//! Messaging on TCP/IP 3.1.3. The claimed length is compared, never allocated.

pub(super) mod rtu;

use super::{
    function::{PDU_MAX, Shape},
    keys::Framing,
};
use crate::{reader::Reader, vocab::Reason};

/// Bytes before the PDU.
pub(super) const HEADER: usize = 7;
/// The largest message.
pub(super) const ADU_MAX: usize = 260;

/// One whole message, framed but not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adu<'b> {
    /// The transaction id.
    pub(super) id: u16,
    /// The unit.
    pub(super) unit: u8,
    /// Function code and data.
    pub(super) pdu: &'b [u8],
    /// All of its bytes.
    pub(super) frame: &'b [u8],
}

/// What the first bytes of a stream are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Framed<'b> {
    /// Not whole yet, and nothing is wrong so far.
    Need(usize),
    /// One whole message.
    Whole(Adu<'b>),
    /// Never a message, whatever follows.
    Broken(Reason),
}

/// Cuts the first message off `input`. `shape` judges the PDU as soon as its first bytes are there: what is already
/// wrong is told at once, before the rest arrives.
pub(super) fn first<'b>(input: &'b [u8], shape: fn(&[u8], usize) -> Shape) -> Framed<'b> {
    let mut reader = Reader::new(input);
    let (Ok(id), Ok(protocol)) = (reader.u16(), reader.u16()) else {
        return Framed::Need(4);
    };
    if protocol != 0 {
        return Framed::Broken(Reason::Malformed);
    }
    let Ok(length) = reader.u16() else {
        return Framed::Need(6);
    };
    let Some(whole) = usize::from(length).checked_sub(1).filter(|pdu| (1..=PDU_MAX).contains(pdu)) else {
        return Framed::Broken(Reason::LengthMismatch);
    };
    let Ok(unit) = reader.u8() else {
        return Framed::Need(HEADER.saturating_add(1));
    };
    let here = reader.len().min(whole);
    let pdu = reader.take(here).unwrap_or_default();
    match shape(pdu, whole) {
        Shape::Wrong(reason) => Framed::Broken(reason),
        Shape::Wants(more) => Framed::Need(HEADER.saturating_add(more)),
        Shape::Right => match Reader::new(input).take(HEADER.saturating_add(whole)) {
            Ok(frame) => Framed::Whole(Adu { id, unit, pdu, frame }),
            Err(_) => Framed::Need(HEADER.saturating_add(whole)),
        },
    }
}

/// What a message is written with.
pub(super) trait Pen {
    /// Adds bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Adds one byte.
    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Adds two bytes, big-endian.
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }
}

/// A sheet on which one message is written. It holds the largest message there is.
#[derive(Debug)]
pub(super) struct Sheet {
    bytes: [u8; ADU_MAX],
    len: usize,
}

impl Sheet {
    /// An empty sheet.
    pub(super) const fn new() -> Self {
        Self { bytes: [0; ADU_MAX], len: 0 }
    }

    /// A whole message: the header, and what `pdu` writes.
    pub(super) fn adu(id: u16, unit: u8, pdu: impl FnOnce(&mut Self)) -> Self {
        let mut sheet = Self::new();
        sheet.put(&[0; HEADER]);
        pdu(&mut sheet);
        // Unit and PDU: what follows the length field.
        let length = u16::try_from(sheet.len.saturating_sub(6)).unwrap_or(u16::MAX);
        let ([id_high, id_low], [length_high, length_low]) = (id.to_be_bytes(), length.to_be_bytes());
        if let Some(header) = sheet.bytes.first_chunk_mut::<HEADER>() {
            *header = [id_high, id_low, 0, 0, length_high, length_low, unit];
        }
        sheet
    }

    /// A whole message in this framing.
    pub(super) fn framed(framing: Framing, id: u16, unit: u8, pdu: impl FnOnce(&mut Self)) -> Self {
        match framing {
            Framing::Tcp => Self::adu(id, unit, pdu),
            Framing::Rtu => rtu::adu(unit, pdu),
        }
    }

    /// What was written.
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Pen for Sheet {
    /// # Panics
    /// When they do not fit: only values that were read from a message of legal size are written.
    fn put(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        self.bytes.get_mut(self.len..end).expect("a legal message fits its sheet").copy_from_slice(bytes);
        self.len = end;
    }
}

/// Compares what is written with what came, byte by byte and without a sheet.
#[derive(Debug)]
pub(super) struct Proof<'b> {
    /// What must be written next.
    rest: Reader<'b>,
    same: bool,
}

impl<'b> Proof<'b> {
    /// Nothing is written yet, and all of `came` must be.
    pub(super) const fn new(came: &'b [u8]) -> Self {
        Self { rest: Reader::new(came), same: true }
    }

    /// Whether exactly what came was written.
    pub(super) const fn holds(self) -> bool {
        self.same && self.rest.is_empty()
    }
}

impl Pen for Proof<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.same &= self.rest.take(bytes.len()).is_ok_and(|came| came == bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::function::shape;

    fn need(bytes: &[u8]) -> usize {
        match first(bytes, shape) {
            Framed::Need(n) => n,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_needed_is_the_next_place_where_something_can_be_told() {
        let read = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10];
        let needs: std::vec::Vec<usize> = (0..read.len()).map(|n| need(&read[..n])).collect();
        assert_eq!(needs, [4, 4, 4, 4, 6, 6, 8, 8, 12, 12, 12, 12]);
        assert!(matches!(first(&read, shape), Framed::Whole(adu) if adu.id == 1 && adu.unit == 1 && adu.frame == read));
    }

    #[test]
    fn a_header_that_lies_is_judged_before_the_body_arrives() {
        for (bytes, reason) in [
            (&[0, 1, 0, 1][..], Reason::Malformed),
            (&[0, 1, 1, 0], Reason::Malformed),
            (&[0, 1, 0, 0, 0, 0], Reason::LengthMismatch),
            (&[0, 1, 0, 0, 0, 1], Reason::LengthMismatch),
            (&[0, 1, 0, 0, 0, 255], Reason::LengthMismatch),
            (&[0, 1, 0, 0, 0xFF, 0xFF], Reason::LengthMismatch),
            (&[0, 1, 0, 0, 0, 3, 1, 3], Reason::LengthMismatch),
        ] {
            assert!(matches!(first(bytes, shape), Framed::Broken(r) if r == reason), "{bytes:?}");
        }
    }

    #[test]
    fn a_proof_holds_for_what_came_and_nothing_else() {
        let holds = |came: &[u8], written: &[&[u8]]| {
            let mut proof = Proof::new(came);
            written.iter().for_each(|bytes| proof.put(bytes));
            proof.holds()
        };
        assert!(holds(&[1, 2, 3], &[&[1], &[2, 3]]) && holds(&[], &[]));
        assert!(!holds(&[1, 2, 3], &[&[1], &[2]]), "too little");
        assert!(!holds(&[1, 2], &[&[1], &[2, 3]]), "too much");
        assert!(!holds(&[1, 2], &[&[2], &[2]]), "another byte");
        assert!(!holds(&[1, 2], &[&[0, 0, 0], &[1, 2]]), "what follows a fault does not heal it");
    }

    #[test]
    fn a_sheet_counts_its_own_length() {
        let sheet = Sheet::adu(0x1234, 9, |pdu| pdu.put(&[0x83, 2]));
        assert_eq!(sheet.as_slice(), [0x12, 0x34, 0, 0, 0, 3, 9, 0x83, 2]);
    }
}
