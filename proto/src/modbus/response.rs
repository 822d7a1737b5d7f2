//! Does an answer fit its request, and what does it show?

use super::{
    bits::Bits,
    describe::Word,
    frame::{Pen, Sheet},
    function::{ENCAPSULATED, EXCEPTION, PDU_MAX},
    refusal::DEVICE_FAILURE,
    request::{Answered, Call, Request, Space, diagnosed},
    tables::{COIL, HOLDING},
};
use crate::{
    deed::{ObjectId, Seen, Values},
    reader::{Misfit, Reader},
    vocab::Class,
};

mod parts;

/// One answer of a device, checked against its request and repaired: pad bits cleared, an exception code that the
/// standard does not know replaced by 04.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'b> {
    request: Request<'b>,
    said: Said<'b>,
}

/// What the device said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said<'b> {
    /// FC 1 and 2.
    Bits(Bits<'b>),
    /// FC 3, 4 and 23: two bytes a register.
    Words(&'b [u8]),
    /// FC 5, 6, 21, 22 and the diagnostics that repeat (the whole request), 15 and 16 (its range).
    Done,
    /// What else a function answers, as it came.
    Plain(&'b [u8]),
    /// The device's refusal, as it came.
    Exception(u8),
}

/// Why an answer does not fit its request. The device is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResponseFault {
    /// It comes from another unit.
    #[error("the device answers for another unit")]
    Unit,
    /// It is of another function.
    #[error("the device answers with another function")]
    Function,
    /// Its length or byte count is not what the request asks for.
    #[error("the device's answer has another size than was asked for")]
    Size,
    /// It acknowledges something else than was written.
    #[error("the device acknowledges something else than was written")]
    Echo,
}

impl From<Misfit> for ResponseFault {
    fn from(_: Misfit) -> Self {
        Self::Size
    }
}

impl<'b> Response<'b> {
    /// Checks `pdu` from `unit` against `request`. With it comes the exception code as the device sent it, if any.
    pub(super) fn read(request: Request<'b>, unit: u8, pdu: &'b [u8]) -> Result<(Self, Option<u8>), ResponseFault> {
        if unit != request.unit {
            return Err(ResponseFault::Unit);
        }
        if pdu.len() > PDU_MAX {
            return Err(ResponseFault::Size);
        }
        let mut reader = Reader::new(pdu);
        let function = reader.u8()?;
        if function == request.code() | EXCEPTION {
            let code = reader.u8()?;
            reader.finish()?;
            return Ok((Self { request, said: Said::Exception(code) }, Some(code)));
        }
        if function != request.code() {
            return Err(ResponseFault::Function);
        }
        let said = match request.call {
            Call::Read { space, count, .. } => values(space, count, &mut reader)?,
            Call::ReadWrite { read_count, .. } => values(Space::Holding, read_count, &mut reader)?,
            Call::WriteCoil { .. }
            | Call::WriteRegister { .. }
            | Call::WriteCoils { .. }
            | Call::WriteRegisters { .. }
            | Call::Mask { .. }
            | Call::WriteFiles(_) => echo(&request, pdu, &mut reader)?,
            Call::Diagnostic { sub, .. } => match diagnosed(sub) {
                Some(Answered::Value) => Said::Plain(parts::diagnostic(sub, &mut reader)?),
                Some(Answered::Echo) | None => echo(&request, pdu, &mut reader)?,
            },
            Call::Bare { function } => Said::Plain(parts::bare(function, &mut reader)?),
            Call::ReadFiles(groups) => Said::Plain(parts::files(groups, &mut reader)?),
            Call::Fifo { .. } => Said::Plain(parts::fifo(&mut reader)?),
            Call::DeviceId { code, .. } => Said::Plain(parts::device_id(code, &mut reader)?),
            Call::Opaque { payload, .. } => opaque(payload, &mut reader, function)?,
        };
        reader.finish()?;
        Ok((Self { request, said }, None))
    }

    /// Writes the PDU as it goes to the peer.
    pub(super) fn write(&self, sheet: &mut Sheet) {
        let function = self.request.code();
        match self.said {
            Said::Exception(code) => sheet.put(&[function | EXCEPTION, known(code)]),
            Said::Bits(bits) => {
                sheet.put_u8(function);
                sheet.put_u8(u8::try_from(usize::from(bits.count()).div_ceil(8)).unwrap_or(u8::MAX));
                bits.write(sheet);
            }
            Said::Words(words) => {
                sheet.put_u8(function);
                sheet.put_u8(u8::try_from(words.len()).unwrap_or(u8::MAX));
                sheet.put(words);
            }
            Said::Done => sheet.put(acknowledged(&self.request).as_slice()),
            Said::Plain(payload) => {
                sheet.put_u8(function);
                sheet.put(payload);
            }
        }
    }

    /// Its function code, without the exception bit.
    pub fn function(&self) -> u16 {
        self.request.function()
    }

    /// Its unit.
    pub fn unit(&self) -> u32 {
        self.request.unit()
    }

    /// The exception code that goes to the peer, where the device refused.
    pub fn exception(&self) -> Option<u8> {
        match self.said {
            Said::Exception(code) => Some(known(code)),
            Said::Bits(_) | Said::Words(_) | Said::Done | Said::Plain(_) => None,
        }
    }

    /// What it answers.
    pub(super) fn request(&self) -> &Request<'_> {
        &self.request
    }

    /// What it says of the deed at `place` of its request's visit.
    pub(super) fn word(&self, place: u8, class: Class) -> Word<'_> {
        match (self.said, self.request.call) {
            (Said::Exception(code), _) => Word::Refused(code),
            // FC 23: the write half is acknowledged by the answer to the read half.
            (Said::Bits(_) | Said::Words(_), _) if class == Class::Write => Word::Done,
            (Said::Bits(bits), _) => Word::Read(bits.values()),
            (Said::Words(words), _) => Word::Read(Values::Words(words)),
            (Said::Done, Call::WriteCoils { .. } | Call::WriteRegisters { .. }) => Word::Done,
            (Said::Done, _) => Word::Echoed,
            (Said::Plain(payload), Call::ReadFiles(groups)) => {
                Word::Read(Values::Words(parts::group(groups, payload, place)))
            }
            (Said::Plain(payload), Call::Fifo { .. }) => Word::Read(Values::Words(parts::queue(payload))),
            (Said::Plain(payload), Call::Diagnostic { .. }) => Word::Read(Values::Words(parts::after(payload, 2))),
            (Said::Plain(payload), Call::DeviceId { .. }) => Word::Payload(parts::after(payload, 1)),
            (Said::Plain(payload), _) => Word::Payload(payload),
        }
    }

    /// Whether the device sent non-zero pad bits. They leave as zero.
    pub(super) fn cleared_padding(&self) -> bool {
        matches!(self.said, Said::Bits(bits) if bits.is_padded())
    }

    pub(crate) fn seen(&self, each: &mut dyn FnMut(Seen)) {
        match (self.said, self.request.call) {
            (Said::Bits(bits), Call::Read { space, first, .. }) => self.bits(space.object(), first, bits, each),
            (Said::Words(words), Call::Read { space, first, .. }) => self.words(space.object(), first, words, each),
            (Said::Words(read), Call::ReadWrite { read_first, write_first, words, .. }) => {
                // The write comes first on the device, so the read is the later word on a point of both.
                self.words(HOLDING, write_first, words, each);
                self.words(HOLDING, read_first, read, each);
            }
            (Said::Done, Call::WriteCoil { address, on }) => self.one(COIL, address, u16::from(on), each),
            (Said::Done, Call::WriteRegister { address, value }) => self.one(HOLDING, address, value, each),
            (Said::Done, Call::WriteCoils { first, bits }) => self.bits(COIL, first, bits, each),
            (Said::Done, Call::WriteRegisters { first, words }) => self.words(HOLDING, first, words, each),
            // A mask that keeps a bit leaves a register of which we know only a part.
            (Said::Done, Call::Mask { address, and: 0, or }) => self.one(HOLDING, address, or, each),
            _ => {}
        }
    }

    fn bits(&self, object: ObjectId, first: u16, bits: Bits<'_>, each: &mut dyn FnMut(Seen)) {
        for (address, on) in (first..=u16::MAX).zip(bits.each()) {
            self.one(object, address, u16::from(on), each);
        }
    }

    fn words(&self, object: ObjectId, first: u16, words: &[u8], each: &mut dyn FnMut(Seen)) {
        let mut reader = Reader::new(words);
        for address in first..=u16::MAX {
            let Ok(value) = reader.u16() else { return };
            self.one(object, address, value, each);
        }
    }

    fn one(&self, object: ObjectId, address: u16, value: u16, each: &mut dyn FnMut(Seen)) {
        each(Seen { unit: self.request.unit(), object, address: u32::from(address), value: Some(value.into()) });
    }
}

/// The fuzzer's way in: how long the request's PDU is, the request (unit and PDU), and the answer (unit and PDU). What is
/// read is written as an answer that reads as the same, and shows only what was asked for (GEN-16).
///
/// # Panics
/// When it does not.
pub fn fuzz_response(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(length) = reader.u8() else { return };
    let (Ok(unit), Ok(pdu), Ok(from)) = (reader.u8(), reader.take(usize::from(length)), reader.u8()) else { return };
    let Ok(request) = Request::of(unit, pdu) else { return };
    let Ok((response, _)) = Response::read(request, from, reader.rest()) else { return };
    assert_eq!(from, unit, "another unit answers");
    let (mut sheet, mut second) = (Sheet::new(), Sheet::new());
    response.write(&mut sheet);
    let (again, _) = Response::read(request, from, sheet.as_slice()).expect("what leaves reads as an answer");
    again.write(&mut second);
    assert_eq!(sheet.as_slice(), second.as_slice(), "it is written otherwise the second time");
    assert!(!again.cleared_padding(), "pad bits leave");
    let mut shown = 0u32;
    response.seen(&mut |seen| {
        assert_eq!(seen.unit, u32::from(unit), "it shows another unit");
        shown = shown.saturating_add(1);
    });
    assert!(shown <= 2000, "it shows more than one message carries");
}

/// Exceptions of the standard pass; what it does not know becomes 04 (language.md section 3, MB-36).
const fn known(code: u8) -> u8 {
    match code {
        1..=8 | 10 | 11 => code,
        _ => DEVICE_FAILURE,
    }
}

/// Byte count and values of exactly `count` points.
fn values<'b>(space: Space, count: u16, reader: &mut Reader<'b>) -> Result<Said<'b>, ResponseFault> {
    let bytes = usize::from(reader.u8()?);
    let data = reader.take(bytes)?;
    if space.is_bits() {
        return Bits::new(data, count).map(Said::Bits).ok_or(ResponseFault::Size);
    }
    if bytes == usize::from(count).saturating_mul(2) { Ok(Said::Words(data)) } else { Err(ResponseFault::Size) }
}

/// The acknowledgement of a write repeats it: all of it, or its range.
fn echo<'b>(request: &Request<'b>, pdu: &[u8], reader: &mut Reader<'b>) -> Result<Said<'b>, ResponseFault> {
    let expected = acknowledged(request);
    if pdu.len() != expected.as_slice().len() {
        return Err(ResponseFault::Size);
    }
    if pdu != expected.as_slice() {
        return Err(ResponseFault::Echo);
    }
    reader.rest();
    Ok(Said::Done)
}

/// The PDU that acknowledges `request`, a write.
fn acknowledged(request: &Request<'_>) -> Sheet {
    let mut sheet = Sheet::new();
    match request.call {
        Call::WriteCoils { first, bits } => {
            sheet.put_u8(request.code());
            sheet.put_u16(first);
            sheet.put_u16(bits.count());
        }
        Call::WriteRegisters { first, words } => {
            sheet.put_u8(request.code());
            sheet.put_u16(first);
            sheet.put_u16(u16::try_from(words.len().div_ceil(2)).unwrap_or(u16::MAX));
        }
        _ => request.write(&mut sheet),
    }
    sheet
}

/// A function that is not understood answers with anything; the encapsulated ones repeat their sub-code.
fn opaque<'b>(asked: &[u8], reader: &mut Reader<'b>, function: u8) -> Result<Said<'b>, ResponseFault> {
    let payload = reader.rest();
    if function == ENCAPSULATED && payload.first() != asked.first() {
        return Err(ResponseFault::Function);
    }
    Ok(Said::Plain(payload))
}

#[cfg(test)]
mod tests {
    use std::{vec, vec::Vec};

    use super::*;
    use crate::modbus::vectors::hex;

    fn seen(pdu: &str, answer: &str) -> Vec<(u8, u32, u16)> {
        let (pdu, answer, mut all) = (hex(pdu), hex(answer), vec![]);
        let (response, _) = Response::read(Request::of(1, &pdu).expect("legal"), 1, &answer).expect("fits");
        response.seen(&mut |Seen { unit, object, address, value }| {
            assert_eq!(unit, 1);
            all.push((object.0, address, value.and_then(crate::deed::Scalar::word).expect("a register")));
        });
        all
    }

    #[test]
    fn an_answer_shows_what_the_device_holds() {
        let (coil, holding) = (COIL.0, HOLDING.0);
        for (pdu, answer, expected) in [
            ("03 0005 0002", "03 04 000a 000b", &[(holding, 5, 10), (holding, 6, 11)][..]),
            ("03 ffff 0001", "03 02 0001", &[(holding, 65535, 1)]),
            ("04 0000 0001", "04 02 0001", &[(2, 0, 1)]),
            ("01 0008 0003", "01 01 fd", &[(coil, 8, 1), (coil, 9, 0), (coil, 10, 1)]),
            ("05 0007 ff00", "05 0007 ff00", &[(coil, 7, 1)]),
            ("06 0028 05dc", "06 0028 05dc", &[(holding, 40, 1500)]),
            ("0f 0013 0002 01 ff", "0f 0013 0002", &[(coil, 19, 1), (coil, 20, 1)]),
            ("10 0001 0002 04 000a0102", "10 0001 0002", &[(holding, 1, 10), (holding, 2, 258)]),
            ("16 0004 0000 0025", "16 0004 0000 0025", &[(holding, 4, 0x25)]),
            ("16 0004 00f2 0025", "16 0004 00f2 0025", &[]),
            ("17 000e 0001 000e 0001 02 00ff", "17 02 00fe", &[(holding, 14, 0xFF), (holding, 14, 0xFE)]),
            ("06 0028 05dc", "86 02", &[]),
            ("5a 00", "5a 01 02", &[]),
        ] {
            assert_eq!(seen(pdu, answer), expected, "{pdu}");
        }
    }

    #[test]
    fn an_answer_longer_than_a_pdu_or_of_another_sub_code_fits_nothing() {
        let read = |pdu: &str, answer: &[u8]| {
            let pdu = hex(pdu);
            let request = Request::of(1, &pdu).expect("legal");
            Response::read(request, 1, answer).map(|(response, code)| (response.function(), code)).err()
        };
        let long = |len| [vec![0x5A], vec![0; len - 1]].concat();
        assert_eq!(read("5a 00", &long(PDU_MAX)), None);
        assert_eq!(read("5a 00", &long(PDU_MAX + 1)), Some(ResponseFault::Size));
        assert_eq!(read("2b 0d 01", &hex("2b 0d 77")), None);
        assert_eq!(read("2b 0d 01", &hex("2b 0e 77")), Some(ResponseFault::Function));
        assert_eq!(read("2b 0d 01", &hex("2b")), Some(ResponseFault::Function));
        assert_eq!(read("5a 00", &hex("5a 01")), None, "what it means is not known");
    }

    #[test]
    fn pad_bits_of_an_answer_are_cleared() {
        let (pdu, answer, mut sheet) = (hex("01 0000 0003"), hex("01 01 fd"), Sheet::new());
        let (response, _) = Response::read(Request::of(1, &pdu).expect("legal"), 1, &answer).expect("fits");
        response.write(&mut sheet);
        assert_eq!(sheet.as_slice(), hex("01 01 05"));
    }
}
