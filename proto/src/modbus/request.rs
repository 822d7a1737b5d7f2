//! What does a peer ask, and what would it do?

use alloc::boxed::Box;
use core::ops::ControlFlow;

use super::{
    bits::Bits,
    frame::Sheet,
    function::{self, Shape},
    refusal::{ILLEGAL_ADDRESS, ILLEGAL_VALUE},
    tables::{COIL, DISCRETE, FUNCTION, HOLDING, INPUT},
};
use crate::{
    deed::{Deed, ObjectId, Values},
    reader::{Misfit, Reader},
    vocab::{Class, Reason},
};

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

/// The most coils of one FC 15.
pub(super) const WRITE_COILS_MAX: u16 = 1968;
/// The most registers of one FC 16.
pub(super) const WRITE_REGISTERS_MAX: u16 = 123;
/// The most registers in the write half of one FC 23.
const READ_WRITE_MAX: u16 = 121;
/// FC 5 writes `on` with this; `off` with 0.
const COIL_ON: u16 = 0xFF00;

impl<'b> Request<'b> {
    /// The gateway's own plain read, where it is legal.
    pub(super) fn plain_read(unit: u8, space: Space, first: u16, count: u16) -> Result<Self, RequestFault> {
        check(space.read_function(), &[(first, count, space.read_max())])?;
        Ok(Self { unit, call: Call::Read { space, first, count } })
    }

    /// Reads unit and PDU.
    pub(super) fn of(unit: u8, pdu: &'b [u8]) -> Result<Self, RequestFault> {
        match function::shape(pdu, pdu.len()) {
            Shape::Right if pdu.len() <= function::PDU_MAX => {}
            Shape::Wrong(reason) => return Err(RequestFault::Severed(reason)),
            Shape::Right | Shape::Wants(_) => return Err(Misfit::Short.into()),
        }
        let mut reader = Reader::new(pdu);
        let function = reader.u8()?;
        let call = match function {
            function::READ_COILS => read(Space::Coil, &mut reader)?,
            function::READ_DISCRETE => read(Space::Discrete, &mut reader)?,
            function::READ_HOLDING => read(Space::Holding, &mut reader)?,
            function::READ_INPUT => read(Space::Input, &mut reader)?,
            function::WRITE_COIL => write_coil(&mut reader)?,
            function::WRITE_REGISTER => Call::WriteRegister { address: reader.u16()?, value: reader.u16()? },
            function::WRITE_COILS => write_coils(&mut reader)?,
            function::WRITE_REGISTERS => write_registers(&mut reader)?,
            function::MASK_WRITE => Call::Mask { address: reader.u16()?, and: reader.u16()?, or: reader.u16()? },
            function::READ_WRITE => read_write(&mut reader)?,
            _ => Call::Opaque { function, payload: reader.rest() },
        };
        reader.finish()?;
        Ok(Self { unit, call })
    }

    /// Writes the canonical PDU.
    pub(super) fn write(&self, sheet: &mut Sheet) {
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
            Call::Opaque { payload, .. } => sheet.put(payload),
        }
    }

    /// Whether the peer sent non-zero pad bits (FC 15). They read as zero here and never leave.
    pub fn cleared_padding(&self) -> bool {
        matches!(self.call, Call::WriteCoils { bits, .. } if bits.is_padded())
    }

    /// Whether `pdu` is what this request serialises to, but for the pad bits that we clear. What is read and what would
    /// leave must be one message (GEN-15): any other difference is `not_canonical`.
    pub(super) fn is_canonical(&self, pdu: &[u8]) -> bool {
        let mut sheet = Sheet::new();
        self.write(&mut sheet);
        let ours = sheet.as_slice();
        if self.cleared_padding() {
            return ours.len() == pdu.len()
                && ours.split_last().map(|(_, head)| head) == pdu.split_last().map(|(_, head)| head);
        }
        ours == pdu
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
            Call::Opaque { function, .. } => function,
        }
    }

    pub(crate) fn function(&self) -> u16 {
        u16::from(self.code())
    }

    pub(crate) fn unit(&self) -> u32 {
        u32::from(self.unit)
    }

    /// Unit and canonical PDU.
    pub(crate) fn store(&self) -> Box<[u8]> {
        let mut sheet = Sheet::new();
        sheet.put_u8(self.unit);
        self.write(&mut sheet);
        Box::from(sheet.as_slice())
    }

    /// What [`Self::store`] kept.
    pub(crate) fn restore(bytes: &'b [u8]) -> Option<Self> {
        let (unit, pdu) = bytes.split_first()?;
        Self::of(*unit, pdu).ok()
    }

    /// Visits the deeds in the order in which the device does them.
    pub(crate) fn deeds<B>(&self, each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        match self.call {
            Call::Read { space, first, count } => each(self.deed(Class::Read, space.object(), first, count)),
            Call::WriteCoil { address, on } => {
                each(Deed { values: Values::Bit(on), ..self.deed(Class::Write, COIL, address, 1) })
            }
            Call::WriteRegister { address, value } => self.register(address, value, each),
            Call::WriteCoils { first, bits } => bits.lend(|values| {
                let deed = self.deed(Class::Write, COIL, first, bits.count());
                each(Deed { values, ..deed })
            }),
            Call::WriteRegisters { first, words } => each(self.registers(first, words)),
            Call::Mask { address, and, or } => self.mask(address, and, or, each),
            Call::ReadWrite { read_first, read_count, write_first, words } => {
                each(self.registers(write_first, words))?;
                each(self.deed(Class::Read, HOLDING, read_first, read_count))
            }
            Call::Opaque { function, payload } => each(self.opaque(function, payload)),
        }
    }

    /// One deed per bit that the mask affects: a rule for one bit must not admit its neighbour. A mask that keeps no bit
    /// writes the whole register; one that affects none still is a write, without values.
    fn mask<B>(
        &self,
        address: u16,
        and: u16,
        or: u16,
        each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let deed = self.deed(Class::Write, HOLDING, address, 1);
        match and {
            0 => self.register(address, or, each),
            0xFFFF => each(Deed { values: Values::Words(&[]), ..deed }),
            _ => {
                for n in 0..16u8 {
                    let bit = 1u16.checked_shl(u32::from(n)).unwrap_or(0);
                    if and & bit == 0 {
                        each(Deed { bit: Some(n), values: Values::Bit(or & bit != 0), ..deed })?;
                    }
                }
                ControlFlow::Continue(())
            }
        }
    }

    fn register<B>(
        &self,
        address: u16,
        value: u16,
        each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        each(self.registers(address, &value.to_be_bytes()))
    }

    fn registers<'w>(&self, first: u16, words: &'w [u8]) -> Deed<'w> {
        Deed { values: Values::Words(words), ..self.deed(Class::Write, HOLDING, first, registers(words)) }
    }

    fn opaque(&self, function: u8, payload: &[u8]) -> Deed<'static> {
        let sub = if function == function::ENCAPSULATED { payload.first().copied() } else { None };
        // `function 43/13` is held as code + 256 * (sub + 1).
        let code = u32::from(function) | sub.map_or(0, |sub| u32::from(sub).saturating_add(1).saturating_mul(256));
        let deed = self.deed(function::opaque_class(function, sub), FUNCTION, 0, 1);
        Deed { first: code, last: code, ..deed }
    }

    fn deed(&self, class: Class, object: ObjectId, first: u16, count: u16) -> Deed<'static> {
        let last = u32::from(first).saturating_add(u32::from(count)).saturating_sub(1);
        Deed {
            class,
            object,
            unit: self.unit(),
            function: self.function(),
            first: u32::from(first),
            last,
            bit: None,
            values: Values::None,
        }
    }
}

fn read<'b>(space: Space, reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (first, count) = (reader.u16()?, reader.u16()?);
    check(space.read_function(), &[(first, count, space.read_max())])?;
    Ok(Call::Read { space, first, count })
}

fn write_coil<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (address, value) = (reader.u16()?, reader.u16()?);
    match value {
        0 | COIL_ON => Ok(Call::WriteCoil { address, on: value == COIL_ON }),
        _ => Err(RequestFault::Illegal {
            reason: Reason::ValueNotAllowed,
            answer: ILLEGAL_VALUE,
            function: function::WRITE_COIL,
        }),
    }
}

fn write_coils<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (first, count, bytes) = (reader.u16()?, reader.u16()?, reader.u8()?);
    check(function::WRITE_COILS, &[(first, count, WRITE_COILS_MAX)])?;
    let bits = Bits::new(reader.take(usize::from(bytes))?, count).ok_or(Misfit::Short)?;
    Ok(Call::WriteCoils { first, bits })
}

fn write_registers<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (first, count, bytes) = (reader.u16()?, reader.u16()?, reader.u8()?);
    check(function::WRITE_REGISTERS, &[(first, count, WRITE_REGISTERS_MAX)])?;
    Ok(Call::WriteRegisters { first, words: reader.take(usize::from(bytes))? })
}

fn read_write<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (read_first, read_count) = (reader.u16()?, reader.u16()?);
    let (write_first, write_count, bytes) = (reader.u16()?, reader.u16()?, reader.u8()?);
    let read = (read_first, read_count, Space::Holding.read_max());
    check(function::READ_WRITE, &[read, (write_first, write_count, READ_WRITE_MAX)])?;
    Ok(Call::ReadWrite { read_first, read_count, write_first, words: reader.take(usize::from(bytes))? })
}

/// Every (first, count, most) of a request: quantities before addresses, as in the flow charts of the standard.
fn check(function: u8, ranges: &[(u16, u16, u16)]) -> Result<(), RequestFault> {
    if ranges.iter().any(|(_, count, most)| !(1..=*most).contains(count)) {
        return Err(RequestFault::Illegal { reason: Reason::Malformed, answer: ILLEGAL_VALUE, function });
    }
    if ranges.iter().any(|(first, count, _)| u32::from(*first).saturating_add(u32::from(*count)) > 0x1_0000) {
        return Err(RequestFault::Illegal { reason: Reason::AddressNotAllowed, answer: ILLEGAL_ADDRESS, function });
    }
    Ok(())
}

fn put_u16s(sheet: &mut Sheet, values: &[u16]) {
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

#[cfg(test)]
mod tests {
    use std::{format, string::String, vec::Vec};

    use proptest::prelude::*;

    use super::*;
    use crate::modbus::vectors::hex;

    /// `class object.first-last bit=value,..` of each deed.
    fn told(pdu: &str) -> Vec<String> {
        let pdu = hex(pdu);
        let request = Request::of(1, &pdu).expect("legal");
        let mut told = Vec::new();
        let _ = request.deeds::<()>(&mut |deed| {
            let values: Vec<u16> = (0..deed.values.len()).filter_map(|i| deed.values.get(i)).collect();
            let bit = deed.bit.map_or(String::new(), |n| format!(" bit {n}"));
            told.push(format!(
                "{} {} {}-{}{bit} {values:?} via {}",
                deed.class, deed.object.0, deed.first, deed.last, deed.function
            ));
            ControlFlow::Continue(())
        });
        told
    }

    #[test]
    fn each_function_tells_its_deeds() {
        for (pdu, expected) in [
            ("01 0000 07d0", &["read 0 0-1999 [] via 1"][..]),
            ("02 0005 0001", &["read 1 5-5 [] via 2"]),
            ("03 ffff 0001", &["read 3 65535-65535 [] via 3"]),
            ("04 0000 007d", &["read 2 0-124 [] via 4"]),
            ("05 0007 ff00", &["write 0 7-7 [1] via 5"]),
            ("05 0007 0000", &["write 0 7-7 [0] via 5"]),
            ("06 0028 05dc", &["write 3 40-40 [1500] via 6"]),
            ("0f 0013 000a 02 cd01", &["write 0 19-28 [1, 0, 1, 1, 0, 0, 1, 1, 1, 0] via 15"]),
            ("10 0001 0002 04 000a0102", &["write 3 1-2 [10, 258] via 16"]),
            ("16 0004 0000 1234", &["write 3 4-4 [4660] via 22"]),
            ("16 0004 ffff 1234", &["write 3 4-4 [] via 22"]),
            ("16 0004 fffc 0002", &["write 3 4-4 bit 0 [0] via 22", "write 3 4-4 bit 1 [1] via 22"]),
            ("17 0003 0006 000e 0001 02 00ff", &["write 3 14-14 [255] via 23", "read 3 3-8 [] via 23"]),
            ("07", &["diagnose 4 7-7 [] via 7"]),
            ("08 0004 0000", &["diagnose 4 8-8 [] via 8"]),
            ("11", &["identify 4 17-17 [] via 17"]),
            ("2b 0e 01 00", &["identify 4 3883-3883 [] via 43"]),
            ("2b 0d 01 00", &["program 4 3627-3627 [] via 43"]),
            ("5a 00 02", &["program 4 90-90 [] via 90"]),
        ] {
            assert_eq!(told(pdu), expected, "{pdu}");
        }
    }

    #[test]
    fn what_is_outside_its_range_is_answered() {
        for (pdu, reason, answer) in [
            ("01 0000 07d1", Reason::Malformed, 3),
            ("01 0000 0000", Reason::Malformed, 3),
            ("03 0000 007e", Reason::Malformed, 3),
            ("04 ffff ffff", Reason::Malformed, 3),
            ("03 fff0 0020", Reason::AddressNotAllowed, 2),
            ("05 0000 1234", Reason::ValueNotAllowed, 3),
            ("0f 0000 0000 00", Reason::Malformed, 3),
            ("10 0000 0000 00", Reason::Malformed, 3),
            ("10 ffff 0002 04 00000000", Reason::AddressNotAllowed, 2),
            ("17 0000 007e 0000 0001 02 0000", Reason::Malformed, 3),
            ("17 ffff 0002 0000 0001 02 0000", Reason::AddressNotAllowed, 2),
            ("17 0000 0001 ffff 0002 04 00000000", Reason::AddressNotAllowed, 2),
        ] {
            let pdu = hex(pdu);
            let expected = RequestFault::Illegal { reason, answer, function: pdu[0] };
            assert_eq!(Request::of(1, &pdu), Err(expected), "{pdu:02x?}");
        }
    }

    #[test]
    fn a_broken_length_severs_even_where_a_quantity_is_illegal_too() {
        for pdu in ["03 0000 00ff 00", "10 0000 0080 02 0000", "0f 0000 07d1 01 00", "17 0000 00ff 0000 0001 04 0000"] {
            assert_eq!(Request::of(1, &hex(pdu)), Err(RequestFault::Severed(Reason::LengthMismatch)), "{pdu}");
        }
    }

    #[test]
    fn pad_bits_are_cleared_and_told() {
        let pdu = hex("0f 0013 000a 02 cdff");
        let request = Request::of(1, &pdu).expect("legal");
        assert!(request.cleared_padding() && request.is_canonical(&pdu));
        assert_eq!(&*request.store(), hex("01 0f 0013 000a 02 cd03"));
        let stored = request.store();
        let again = Request::restore(&stored).expect("stored requests are legal");
        assert!(!again.cleared_padding());
        assert_eq!(again, request);
    }

    #[test]
    fn any_other_difference_between_what_came_and_what_would_leave_is_not_canonical() {
        let (pdu, padded) = (hex("10 0001 0001 02 000a"), hex("0f 0013 000a 02 cdff"));
        let request = Request::of(1, &pdu).expect("legal");
        assert!(request.is_canonical(&pdu));
        assert!(!request.is_canonical(&hex("10 0001 0001 02 000b")));
        assert!(!request.is_canonical(&hex("10 0001 0001 02 000a 00")));
        let request = Request::of(1, &padded).expect("legal");
        assert!(!request.is_canonical(&hex("0f 0013 000a 02 ccff")), "only the byte with the pad bits is ours");
    }

    #[test]
    fn a_visitor_that_breaks_sees_no_further_deed() {
        let pdu = hex("17 0003 0006 000e 0001 02 00ff");
        let mut seen = 0;
        let flow = Request::of(1, &pdu).expect("legal").deeds(&mut |_| {
            seen += 1;
            ControlFlow::Break(seen)
        });
        assert_eq!(flow, ControlFlow::Break(1));
    }

    proptest! {
        #[test]
        fn parse_of_serialise_of_parse_is_parse(function in 1u8..=45, unit: u8, body in prop::collection::vec(any::<u8>(), 0..252)) {
            let pdu: Vec<u8> = core::iter::once(function).chain(body).collect();
            if let Ok(request) = Request::of(unit, &pdu) {
                let stored = request.store();
                prop_assert!(request.is_canonical(&pdu));
                prop_assert_eq!(Request::restore(&stored), Some(request));
                if !request.cleared_padding() {
                    prop_assert_eq!(&stored[1..], &pdu[..]);
                }
            }
        }

        #[test]
        fn legal_writes_round_trip(first in 0u16..1000, words in prop::collection::vec(any::<u16>(), 1..=123)) {
            let mut pdu = std::vec![16];
            pdu.extend_from_slice(&first.to_be_bytes());
            pdu.extend_from_slice(&(words.len() as u16).to_be_bytes());
            pdu.push((words.len() * 2) as u8);
            words.iter().for_each(|word| pdu.extend_from_slice(&word.to_be_bytes()));
            let request = Request::of(7, &pdu).expect("legal");
            let mut values = Vec::new();
            let _ = request.deeds::<()>(&mut |deed| {
                values.extend((0..deed.values.len()).filter_map(|i| deed.values.get(i)));
                ControlFlow::Continue(())
            });
            prop_assert_eq!(values, words);
            prop_assert_eq!(&request.store()[1..], &pdu[..]);
        }
    }
}
