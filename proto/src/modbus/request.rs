//! What does a peer ask, and what would it do?

use core::ops::ControlFlow;

use super::{
    bits::Bits,
    frame::{Pen, Proof, Sheet},
    function::{self, Shape},
    refusal::ILLEGAL_VALUE,
    tables::{COIL, DISCRETE, HOLDING, INPUT},
};
use crate::{
    deed::{ObjectId, Seen},
    kept::Kept,
    reader::{Misfit, Reader},
    vocab::Reason,
};

mod deeds;
mod diagnostic;
mod files;
mod points;
#[cfg(test)]
mod tests;

pub(super) use diagnostic::{Answered, answered as diagnosed};
pub(super) use files::{Groups, REFERENCE as FILE_REFERENCE};
use points::COIL_ON;

/// One legal request: whole, every length agrees, every quantity within its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    pub(super) unit: u8,
    pub(super) call: Call<'b>,
}

/// What is asked. Quantities are within their legal range and `first + quantity` is at most 65536.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call<'b> {
    /// FC 1-4.
    Read { space: Space, first: u16, count: u16 },
    /// FC 5.
    WriteCoil { address: u16, on: bool },
    /// FC 6.
    WriteRegister { address: u16, value: u16 },
    /// FC 15.
    WriteCoils { first: u16, bits: Bits<'b> },
    /// FC 16: two bytes a register.
    WriteRegisters { first: u16, words: &'b [u8] },
    /// FC 22: (current AND and) OR (or AND NOT and).
    Mask { address: u16, and: u16, or: u16 },
    /// FC 23: the write happens before the read (Application Protocol 6.17).
    ReadWrite { read_first: u16, read_count: u16, write_first: u16, words: &'b [u8] },
    /// FC 7, 11, 12 and 17: the function code says it all.
    Bare { function: u8 },
    /// FC 8: a sub-function and its data, whole words.
    Diagnostic { sub: u16, data: &'b [u8] },
    /// FC 20.
    ReadFiles(Groups<'b>),
    /// FC 21.
    WriteFiles(Groups<'b>),
    /// FC 24: the queue's pointer.
    Fifo { pointer: u16 },
    /// FC 43/14: which list, and from which object on.
    DeviceId { code: u8, object: u8 },
    /// A function that is not understood further.
    Opaque { function: u8, payload: &'b [u8] },
}

/// The four tables of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Coil,
    Discrete,
    Input,
    Holding,
}

/// Why a PDU is no legal request. The peer is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestFault {
    /// Its lengths do not agree: the session is severed.
    #[error("the peer's lengths do not agree")]
    Severed(Reason),
    /// Well framed, but outside what the function legally carries: answered.
    #[error("the peer asks for what function {function} cannot carry")]
    Illegal { reason: Reason, answer: u8, function: u8 },
}

impl From<Misfit> for RequestFault {
    fn from(_: Misfit) -> Self {
        Self::Severed(Reason::LengthMismatch)
    }
}

impl Space {
    pub(super) const ALL: [Self; 4] = [Self::Coil, Self::Discrete, Self::Input, Self::Holding];

    pub(super) const fn object(self) -> ObjectId {
        match self {
            Self::Coil => COIL,
            Self::Discrete => DISCRETE,
            Self::Input => INPUT,
            Self::Holding => HOLDING,
        }
    }

    pub(super) fn of(object: ObjectId) -> Option<Self> {
        Self::ALL.into_iter().find(|space| space.object() == object)
    }

    pub(super) const fn read_function(self) -> u8 {
        match self {
            Self::Coil => function::READ_COILS,
            Self::Discrete => function::READ_DISCRETE,
            Self::Input => function::READ_INPUT,
            Self::Holding => function::READ_HOLDING,
        }
    }

    pub(super) const fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }

    /// The most points of one read.
    pub(super) const fn read_max(self) -> u16 {
        if self.is_bits() { 2000 } else { 125 }
    }
}

impl<'b> Call<'b> {
    /// Reads what follows the function code. The shape was judged before: lengths that a function fixes agree.
    fn read(function: u8, reader: &mut Reader<'b>) -> Result<Self, RequestFault> {
        Ok(match function {
            function::READ_COILS => points::read(Space::Coil, reader)?,
            function::READ_DISCRETE => points::read(Space::Discrete, reader)?,
            function::READ_HOLDING => points::read(Space::Holding, reader)?,
            function::READ_INPUT => points::read(Space::Input, reader)?,
            function::WRITE_COIL => points::write_coil(reader)?,
            function::WRITE_REGISTER => Self::WriteRegister { address: reader.u16()?, value: reader.u16()? },
            function::WRITE_COILS => points::write_coils(reader)?,
            function::WRITE_REGISTERS => points::write_registers(reader)?,
            function::MASK_WRITE => Self::Mask { address: reader.u16()?, and: reader.u16()?, or: reader.u16()? },
            function::READ_WRITE => points::read_write(reader)?,
            function::EXCEPTION_STATUS | function::EVENT_COUNTER | function::EVENT_LOG | function::SERVER_ID => {
                Self::Bare { function }
            }
            function::DIAGNOSTICS => diagnostic::read(reader)?,
            function::READ_FILE => files::read(reader)?,
            function::WRITE_FILE => files::write(reader)?,
            function::READ_FIFO => Self::Fifo { pointer: reader.u16()? },
            function::ENCAPSULATED => encapsulated(reader)?,
            _ => Self::Opaque { function, payload: reader.rest() },
        })
    }
}

impl<'b> Request<'b> {
    /// The gateway's own plain read, where it is legal.
    pub(super) fn plain_read(unit: u8, space: Space, first: u16, count: u16) -> Result<Self, RequestFault> {
        points::check(space.read_function(), &[(first, count, space.read_max())])?;
        Ok(Self { unit, call: Call::Read { space, first, count } })
    }

    /// Reads unit and PDU: bytes that nobody has looked at.
    pub(super) fn of(unit: u8, pdu: &'b [u8]) -> Result<Self, RequestFault> {
        match function::shape(pdu, pdu.len()) {
            Shape::Right if pdu.len() <= function::PDU_MAX => {}
            Shape::Wrong(reason) => return Err(RequestFault::Severed(reason)),
            Shape::Right | Shape::Wants(_) => return Err(Misfit::Short.into()),
        }
        Self::framed(unit, pdu)
    }

    /// Reads unit and PDU of a frame: its shape was found to be right when it was cut.
    pub(super) fn framed(unit: u8, pdu: &'b [u8]) -> Result<Self, RequestFault> {
        let mut reader = Reader::new(pdu);
        let function = reader.u8()?;
        let call = Call::read(function, &mut reader)?;
        reader.finish()?;
        Ok(Self { unit, call })
    }

    /// Writes the canonical PDU.
    pub(super) fn write(&self, sheet: &mut impl Pen) {
        sheet.put_u8(self.code());
        match self.call {
            Call::Read { first, count, .. } => put_u16s(sheet, &[first, count]),
            Call::WriteCoil { address, on } => put_u16s(sheet, &[address, if on { COIL_ON } else { 0 }]),
            Call::WriteRegister { address, value } => put_u16s(sheet, &[address, value]),
            Call::WriteCoils { first, bits } => {
                put_u16s(sheet, &[first, bits.count()]);
                sheet.put_u8(byte_count(usize::from(bits.count()).div_ceil(8)));
                bits.write(sheet);
            }
            Call::WriteRegisters { first, words } => {
                put_u16s(sheet, &[first, registers(words)]);
                sheet.put_u8(byte_count(words.len()));
                sheet.put(words);
            }
            Call::Mask { address, and, or } => put_u16s(sheet, &[address, and, or]),
            Call::ReadWrite { read_first, read_count, write_first, words } => {
                put_u16s(sheet, &[read_first, read_count, write_first, registers(words)]);
                sheet.put_u8(byte_count(words.len()));
                sheet.put(words);
            }
            Call::Bare { .. } => {}
            Call::Diagnostic { sub, data } => {
                sheet.put_u16(sub);
                sheet.put(data);
            }
            Call::ReadFiles(groups) | Call::WriteFiles(groups) => {
                sheet.put_u8(byte_count(groups.as_bytes().len()));
                sheet.put(groups.as_bytes());
            }
            Call::Fifo { pointer } => sheet.put_u16(pointer),
            Call::DeviceId { code, object } => sheet.put(&[function::DEVICE_ID, code, object]),
            Call::Opaque { payload, .. } => sheet.put(payload),
        }
    }

    /// Whether it writes and asks for nothing back.
    pub(super) const fn only_writes(&self) -> bool {
        matches!(
            self.call,
            Call::WriteCoil { .. }
                | Call::WriteRegister { .. }
                | Call::WriteCoils { .. }
                | Call::WriteRegisters { .. }
                | Call::Mask { .. }
                | Call::WriteFiles(_)
        )
    }

    /// Whether the peer sent non-zero pad bits (FC 15). They read as zero here and never leave.
    pub fn cleared_padding(&self) -> bool {
        matches!(self.call, Call::WriteCoils { bits, .. } if bits.is_padded())
    }

    /// Whether `pdu` is what this request serialises to, but for the pad bits that we clear. What is read and what would
    /// leave must be one message (GEN-15): any other difference is `not_canonical`.
    pub(super) fn is_canonical(&self, pdu: &[u8]) -> bool {
        if self.cleared_padding() {
            let mut sheet = Sheet::new();
            self.write(&mut sheet);
            let ours = sheet.as_slice();
            return ours.len() == pdu.len()
                && ours.split_last().map(|(_, head)| head) == pdu.split_last().map(|(_, head)| head);
        }
        let mut proof = Proof::new(pdu);
        self.write(&mut proof);
        proof.holds()
    }

    /// The function code on the wire.
    pub(super) const fn code(&self) -> u8 {
        match self.call {
            Call::Read { space, .. } => space.read_function(),
            Call::WriteCoil { .. } => function::WRITE_COIL,
            Call::WriteRegister { .. } => function::WRITE_REGISTER,
            Call::WriteCoils { .. } => function::WRITE_COILS,
            Call::WriteRegisters { .. } => function::WRITE_REGISTERS,
            Call::Mask { .. } => function::MASK_WRITE,
            Call::ReadWrite { .. } => function::READ_WRITE,
            Call::Diagnostic { .. } => function::DIAGNOSTICS,
            Call::ReadFiles(_) => function::READ_FILE,
            Call::WriteFiles(_) => function::WRITE_FILE,
            Call::Fifo { .. } => function::READ_FIFO,
            Call::DeviceId { .. } => function::ENCAPSULATED,
            Call::Bare { function } | Call::Opaque { function, .. } => function,
        }
    }

    pub(crate) fn function(&self) -> u16 {
        u16::from(self.code())
    }

    pub(crate) fn unit(&self) -> u32 {
        u32::from(self.unit)
    }

    /// A peer's message shows nothing of the device.
    pub(crate) fn seen(&self, _each: &mut dyn FnMut(Seen)) {}

    /// Unit and canonical PDU.
    pub(crate) fn store(&self) -> Kept {
        let mut sheet = Sheet::new();
        sheet.put_u8(self.unit);
        self.write(&mut sheet);
        Kept::from(sheet.as_slice())
    }

    /// What [`Self::store`] kept.
    pub(crate) fn restore(bytes: &'b [u8]) -> Option<Self> {
        let (unit, pdu) = bytes.split_first()?;
        Self::of(*unit, pdu).ok()
    }
}

/// The fuzzer's way in: a unit, then a PDU. What is read is written as it came but for the pad bits, reads again as the
/// same, and has deeds within the standard's ranges (GEN-16).
///
/// # Panics
/// When it does not.
pub fn fuzz_request(bytes: &[u8]) {
    let Some((unit, pdu)) = bytes.split_first() else { return };
    let Ok(request) = Request::of(*unit, pdu) else { return };
    assert!(request.is_canonical(pdu), "what is read is not what would leave");
    let stored = request.store();
    let again = Request::restore(&stored).expect("what leaves reads as a request");
    assert_eq!(again, request, "what leaves reads as another request");
    assert_eq!(again.store(), stored, "it is written otherwise the second time");
    assert!(!again.cleared_padding(), "pad bits leave");
    let flow = request.deeds::<()>(&mut |deed| {
        assert_eq!(deed.unit, u32::from(*unit), "a deed on another unit");
        assert!(deed.first <= deed.last, "a deed on nothing");
        ControlFlow::Continue(())
    });
    assert_eq!(flow, ControlFlow::Continue(()));
}

/// FC 43: device identification is understood (Application Protocol 6.21), the rest is opaque.
fn encapsulated<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let payload = reader.rest();
    let [function::DEVICE_ID, code, object] = *payload else {
        return Ok(Call::Opaque { function: function::ENCAPSULATED, payload });
    };
    if (1..=4).contains(&code) { Ok(Call::DeviceId { code, object }) } else { Err(illegal(function::ENCAPSULATED)) }
}

/// Well framed, but a field is outside its legal range: answered 03.
const fn illegal(function: u8) -> RequestFault {
    RequestFault::Illegal { reason: Reason::Malformed, answer: ILLEGAL_VALUE, function }
}

fn put_u16s(sheet: &mut impl Pen, values: &[u16]) {
    values.iter().for_each(|value| sheet.put_u16(*value));
}

/// How many registers `words` holds: at most 125 by construction.
fn registers(words: &[u8]) -> u16 {
    u16::try_from(words.len().div_ceil(2)).unwrap_or(u16::MAX)
}

/// A byte count field: the bytes came out of a PDU, so they fit.
fn byte_count(bytes: usize) -> u8 {
    u8::try_from(bytes).unwrap_or(u8::MAX)
}
