//! What is one ASDU: its header, its information objects, its canonical bytes?
//!
//! ```text
//! type | SQ, number | T, P/N, cause | originator | CA low, high |
//!      SQ = 0:  number x ( IOA low, mid, high | element | time tag )
//!      SQ = 1:  IOA low, mid, high | number x element
//! ```
//! Whole -> a type that is known -> every length agrees -> direction -> addresses -> cause -> content, object by object.

use super::{
    cause,
    checks::{Check, Fate},
    content,
    types::{Form, From, Kind, TYPES, TypeSpec},
};
use crate::{
    reader::{Misfit, Reader},
    vocab::Reason,
};

/// The largest ASDU: an APDU's 253 octets less the four of its control field.
pub(super) const LONGEST: usize = 249;
/// Type, structure, cause, originator and common address.
const HEADER: usize = 6;
/// Octets of an information object address.
const IOA: usize = 3;
/// The largest information object address.
pub(super) const IOA_MAX: u32 = 0x00FF_FFFF;
/// The common address that stands for every station.
pub(super) const BROADCAST: u16 = 0xFFFF;
/// SQ in the structure qualifier.
const SEQUENCE: u8 = 0x80;
const TEST: u8 = 0x80;
const NEGATIVE: u8 = 0x40;

/// Which way an ASDU goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the control centre to the station.
    Control,
    /// From the station to the control centre.
    Monitor,
}

/// One validated ASDU, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asdu<'b> {
    spec: &'static TypeSpec,
    direction: Direction,
    header: [u8; HEADER],
    /// What follows the header: whole information objects.
    body: &'b [u8],
    bytes: &'b [u8],
    anomaly: Option<Check>,
}

/// Why bytes are no ASDU that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsduFault {
    /// What follows means nothing: the association ends.
    #[error("the sender's ASDU is broken: {}", check.id())]
    Severed {
        /// What failed.
        check: Check,
        /// Under which reason it counts.
        reason: Reason,
    },
    /// Well framed, and not legal: refused in every mode.
    #[error("the sender's ASDU is not legal: {}", check.id())]
    Illegal {
        /// What failed.
        check: Check,
        /// Under which reason it counts.
        reason: Reason,
        /// The type that it claims.
        function: u16,
        /// The common address that it claims.
        unit: u32,
        /// The cause with which the refusal comes back, P/N = 1.
        answer: u8,
    },
}

/// One information object of an ASDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'b> {
    /// Its address.
    pub ioa: u32,
    /// Its element and time tag.
    pub element: &'b [u8],
}

impl<'b> Asdu<'b> {
    /// Reads one whole ASDU.
    ///
    /// # Errors
    /// The first check that fails, unless it only alarms in this direction.
    pub fn read(bytes: &'b [u8], direction: Direction) -> Result<Self, AsduFault> {
        if bytes.len() > LONGEST {
            return Err(severed(Check::AsduLong));
        }
        let mut reader = Reader::new(bytes);
        let header: [u8; HEADER] = reader.array().map_err(|_| severed(Check::AsduShort))?;
        let [id, vsq, ..] = header;
        let spec = match TypeSpec::of(id) {
            Some(spec) => spec,
            None if id == 0 => return Err(severed(Check::TypeZero)),
            None if id > 127 => return Err(illegal(Check::TypePrivate, header)),
            None => return Err(illegal(Check::TypeReserved, header)),
        };
        let body = reader.rest();
        layout(spec, vsq, body).map_err(severed)?;
        let mut asdu = Self { spec, direction, header, body, bytes, anomaly: None };
        asdu.addressed().map_err(|check| illegal(check, header))?;
        let mut first = None;
        asdu.anomalies(&mut |check| {
            first.get_or_insert(check);
        });
        match (first, direction) {
            (Some(check), Direction::Control) => return Err(illegal(check, header)),
            (found, _) => asdu.anomaly = found,
        }
        Ok(asdu)
    }

    /// Whether this side sends this type, to such an address.
    fn addressed(&self) -> Result<(), Check> {
        let wrong_side = match (self.direction, self.spec.from) {
            (Direction::Control, From::Station) => true,
            // A station confirms what it was told, and never asks for it.
            (Direction::Monitor, From::Centre) => matches!(self.cause(), cause::ACTIVATION | cause::DEACTIVATION),
            _ => false,
        };
        if wrong_side {
            return Err(Check::TypeDirection);
        }
        let global =
            matches!(self.spec.kind, Kind::Interrogation | Kind::CounterInterrogation | Kind::Clock | Kind::Reset);
        match self.ca() {
            0 => Err(Check::AddressZero),
            BROADCAST if !global => Err(Check::BroadcastType),
            _ => Ok(()),
        }
    }

    /// Tells every check of cause and content that fails, in the order of the octets.
    pub fn anomalies(&self, fault: &mut dyn FnMut(Check)) {
        let [_, vsq, ..] = self.header;
        if self.spec.form == Form::Each && vsq & SEQUENCE != 0 {
            fault(Check::SequenceOdd);
        }
        cause::check(self.spec, self.direction, self.cause(), self.is_negative(), fault);
        for object in self.objects() {
            let named = self.spec.kind.has_point();
            if named && object.ioa == 0 && !matches!(self.spec.kind, Kind::File(_) | Kind::Segment) {
                fault(Check::IoaZero);
            }
            if !named && object.ioa != 0 {
                fault(Check::IoaNotZero);
            }
            content::check(self.spec, self.direction, object.element, fault);
        }
    }

    pub(super) const fn spec(&self) -> &'static TypeSpec {
        self.spec
    }

    /// The first check of its content that failed: it passes from a station, and is alarmed.
    pub const fn anomaly(&self) -> Option<Check> {
        self.anomaly
    }

    /// Type identification.
    pub const fn type_id(&self) -> u8 {
        self.spec.id
    }

    /// The type's name.
    pub const fn name(&self) -> &'static str {
        self.spec.name
    }

    /// Which way it goes.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Cause of transmission, 0 to 63.
    pub const fn cause(&self) -> u8 {
        let [_, _, octet, ..] = self.header;
        octet & !(TEST | NEGATIVE)
    }

    /// P/N: a negative confirmation.
    pub const fn is_negative(&self) -> bool {
        let [_, _, octet, ..] = self.header;
        octet & NEGATIVE != 0
    }

    /// T: sent for a test. It is judged like any other.
    pub const fn is_test(&self) -> bool {
        let [_, _, octet, ..] = self.header;
        octet & TEST != 0
    }

    /// Originator address.
    pub const fn originator(&self) -> u8 {
        let [_, _, _, originator, ..] = self.header;
        originator
    }

    /// Common address.
    pub const fn ca(&self) -> u16 {
        let [_, _, _, _, low, high] = self.header;
        u16::from_le_bytes([low, high])
    }

    /// Its bytes, which are canonical: every bit is a field that was read.
    pub const fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Its information objects, in order.
    pub fn objects(&self) -> Objects<'b> {
        let [_, vsq, ..] = self.header;
        let size = self.spec.size();
        let mut reader = Reader::new(self.body);
        let next = if vsq & SEQUENCE == 0 { None } else { address(&mut reader).ok() };
        // A segment is as long as what is left.
        let size = if self.spec.kind == Kind::Segment { reader.len().saturating_sub(IOA) } else { size };
        Objects { left: vsq & !SEQUENCE, reader, next, size }
    }

    /// Its bytes, written from what was read.
    pub fn write(&self) -> Sheet {
        let [_, vsq, ..] = self.header;
        let mut sheet = Sheet::new();
        sheet.put(&self.header);
        for (place, object) in self.objects().enumerate() {
            if place == 0 || vsq & SEQUENCE == 0 {
                let [low, middle, high, _] = object.ioa.to_le_bytes();
                sheet.put(&[low, middle, high]);
            }
            sheet.put(object.element);
        }
        sheet
    }
}

/// The information objects of an ASDU.
#[derive(Clone, Debug)]
pub struct Objects<'b> {
    left: u8,
    reader: Reader<'b>,
    /// The next address of a sequence.
    next: Option<u32>,
    size: usize,
}

impl<'b> Iterator for Objects<'b> {
    type Item = Object<'b>;

    fn next(&mut self) -> Option<Object<'b>> {
        self.left = self.left.checked_sub(1)?;
        let ioa = match self.next {
            Some(ioa) => {
                self.next = Some(ioa.saturating_add(1));
                ioa
            }
            None => address(&mut self.reader).ok()?,
        };
        Some(Object { ioa, element: self.reader.take(self.size).ok()? })
    }
}

/// A written ASDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheet {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Sheet {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }

    /// Adds what comes out of an ASDU, or is bounded by one: it fits.
    pub(super) fn put(&mut self, more: &[u8]) {
        let end = self.len.saturating_add(more.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(more);
            self.len = end;
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The same ASDU under another cause: what confirms or refuses it. Test bit, originator and objects stay.
/// Bytes without a whole header have no mirror image.
pub fn mirror(asdu: &[u8], cause: u8, negative: bool) -> Option<Sheet> {
    let (head, rest) = asdu.split_first_chunk::<HEADER>()?;
    let [id, vsq, octet, originator, low, high] = *head;
    let octet = octet & TEST | if negative { NEGATIVE } else { 0 } | cause & !(TEST | NEGATIVE);
    let mut sheet = Sheet::new();
    sheet.put(&[id, vsq, octet, originator, low, high]);
    sheet.put(rest);
    (sheet.len == asdu.len()).then_some(sheet)
}

/// Whether structure qualifier and length agree, and the type may be laid out like that.
fn layout(spec: &TypeSpec, vsq: u8, body: &[u8]) -> Result<(), Check> {
    let (count, sequence) = (usize::from(vsq & !SEQUENCE), vsq & SEQUENCE != 0);
    match (spec.form, sequence) {
        (Form::One, true) => return Err(Check::SequenceNotAllowed),
        (Form::Sequence, false) => return Err(Check::SequenceNeeded),
        // Stations send time tags in sequence although the standard does not: what it means is clear all the same.
        (Form::Any | Form::Each, _) | (Form::One, false) | (Form::Sequence, true) => {}
    }
    if count == 0 {
        return Err(Check::NoObjects);
    }
    let one_only = spec.form == Form::One && count != 1;
    if spec.kind == Kind::Segment {
        return if one_only { Err(Check::OneObject) } else { segment(body) };
    }
    let elements = count.saturating_mul(spec.size());
    let addresses = if sequence { IOA } else { count.saturating_mul(IOA) };
    match body.len().cmp(&elements.saturating_add(addresses)) {
        core::cmp::Ordering::Less => return Err(Check::ObjectShort),
        core::cmp::Ordering::Greater => return Err(Check::ObjectTrailing),
        core::cmp::Ordering::Equal if one_only => return Err(Check::OneObject),
        core::cmp::Ordering::Equal => {}
    }
    let first = address(&mut Reader::new(body)).map_err(|_| Check::ObjectShort)?;
    let last = first.saturating_add(u32::from(vsq & !SEQUENCE).saturating_sub(1));
    if sequence && last > IOA_MAX { Err(Check::AddressWrap) } else { Ok(()) }
}

/// A segment says itself how long it is.
fn segment(body: &[u8]) -> Result<(), Check> {
    let mut reader = Reader::new(body);
    let mut length = || {
        reader.take(IOA.saturating_add(3))?;
        reader.u8()
    };
    let told = length().map_err(|_| Check::ObjectShort)?;
    if reader.len() == usize::from(told) { Ok(()) } else { Err(Check::SegmentLength) }
}

fn address(reader: &mut Reader<'_>) -> Result<u32, Misfit> {
    let [low, middle, high] = reader.array()?;
    Ok(u32::from_le_bytes([low, middle, high, 0]))
}

const fn severed(check: Check) -> AsduFault {
    let reason = match check.fate() {
        Fate::Severed(reason) | Fate::Refused(reason, _) | Fate::Alarmed(reason, _) => reason,
    };
    AsduFault::Severed { check, reason }
}

fn illegal(check: Check, header: [u8; HEADER]) -> AsduFault {
    let [id, _, octet, _, low, high] = header;
    let (reason, answer) = match check.fate() {
        Fate::Refused(reason, answer) | Fate::Alarmed(reason, Some(answer)) => (reason, answer),
        Fate::Alarmed(reason, None) => (reason, cause::confirms(octet & !(TEST | NEGATIVE))),
        Fate::Severed(reason) => return AsduFault::Severed { check, reason },
    };
    let unit = u32::from(u16::from_le_bytes([low, high]));
    AsduFault::Illegal { check, reason, function: u16::from(id), unit, answer }
}

/// The fuzzer's way in: any bytes, in either direction, are read to the last or refused; what was read is written as it
/// came and reads as itself (GEN-16).
///
/// # Panics
/// When it is not.
pub fn fuzz_asdu(bytes: &[u8]) {
    for direction in [Direction::Control, Direction::Monitor] {
        let Ok(asdu) = Asdu::read(bytes, direction) else { continue };
        assert!(TYPES.iter().any(|spec| spec.id == asdu.type_id()), "a type that is not in the table");
        let written = asdu.write();
        assert_eq!(written.as_slice(), bytes, "what is written is not what was read");
        assert_eq!(Asdu::read(written.as_slice(), direction), Ok(asdu), "it does not read as itself");
        let image = mirror(bytes, cause::confirms(asdu.cause()), true).expect("it has a whole header");
        assert_eq!(image.as_slice().len(), bytes.len(), "a refusal of another length");
    }
}
