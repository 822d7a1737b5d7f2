//! Which points does a request read or write?

use super::{Call, RequestFault, Space, illegal};
use crate::{
    modbus::{
        bits::Bits,
        function,
        refusal::{ILLEGAL_ADDRESS, ILLEGAL_VALUE},
    },
    reader::{Misfit, Reader},
    vocab::Reason,
};

/// The most coils of one FC 15.
pub(in crate::modbus) const WRITE_COILS_MAX: u16 = 1968;
/// The most registers of one FC 16.
pub(in crate::modbus) const WRITE_REGISTERS_MAX: u16 = 123;
/// The most registers in the write half of one FC 23.
const READ_WRITE_MAX: u16 = 121;
/// FC 5 writes `on` with this; `off` with 0.
pub(super) const COIL_ON: u16 = 0xFF00;

pub(super) fn read<'b>(space: Space, reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (first, count) = (reader.u16()?, reader.u16()?);
    check(space.read_function(), &[(first, count, space.read_max())])?;
    Ok(Call::Read { space, first, count })
}

pub(super) fn write_coil<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
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

pub(super) fn write_coils<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (first, count, bytes) = (reader.u16()?, reader.u16()?, reader.u8()?);
    check(function::WRITE_COILS, &[(first, count, WRITE_COILS_MAX)])?;
    let bits = Bits::new(reader.take(usize::from(bytes))?, count).ok_or(Misfit::Short)?;
    Ok(Call::WriteCoils { first, bits })
}

pub(super) fn write_registers<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (first, count, bytes) = (reader.u16()?, reader.u16()?, reader.u8()?);
    check(function::WRITE_REGISTERS, &[(first, count, WRITE_REGISTERS_MAX)])?;
    Ok(Call::WriteRegisters { first, words: reader.take(usize::from(bytes))? })
}

pub(super) fn read_write<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (read_first, read_count) = (reader.u16()?, reader.u16()?);
    let (write_first, write_count, bytes) = (reader.u16()?, reader.u16()?, reader.u8()?);
    let read = (read_first, read_count, Space::Holding.read_max());
    check(function::READ_WRITE, &[read, (write_first, write_count, READ_WRITE_MAX)])?;
    Ok(Call::ReadWrite { read_first, read_count, write_first, words: reader.take(usize::from(bytes))? })
}

/// Every (first, count, most) of a request: quantities before addresses, as in the flow charts of the standard.
pub(super) fn check(function: u8, ranges: &[(u16, u16, u16)]) -> Result<(), RequestFault> {
    if ranges.iter().any(|(_, count, most)| !(1..=*most).contains(count)) {
        return Err(illegal(function));
    }
    if ranges.iter().any(|(first, count, _)| u32::from(*first).saturating_add(u32::from(*count)) > 0x1_0000) {
        return Err(RequestFault::Illegal { reason: Reason::AddressNotAllowed, answer: ILLEGAL_ADDRESS, function });
    }
    Ok(())
}
