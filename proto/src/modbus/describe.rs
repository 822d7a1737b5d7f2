//! Which fields do `decode` and `replay` show of a Modbus message? (language.md section 7)

use core::{convert::Infallible, ops::ControlFlow};

use super::{
    function::{self, EXCEPTION},
    request::{Call, Request},
    response::Response,
    tables::{
        COIL, DEVICE_ID, DIAGNOSTIC, DISCRETE, EVENT_COUNTER, EVENT_LOG, EXCEPTION_STATUS, FIFO, FILE, FUNCTION,
        GRAMMAR, HOLDING, INPUT, SERVER_ID,
    },
};
use crate::{
    deed::{Deed, ObjectId, Values},
    describe::{Described, Each, Field},
    reader::Reader,
    vocab::Class,
};

impl Request<'_> {
    pub(crate) fn describe(&self, each: Each<'_>) {
        let ControlFlow::Continue(()) = self.deeds::<Infallible>(&mut |deed| {
            each(self.details(valued(deed)));
            ControlFlow::Continue(())
        });
    }

    /// What stands in the request beside its deeds.
    fn details<'a>(&'a self, one: Described<'a>) -> Described<'a> {
        match self.call {
            Call::Mask { and, or, .. } => one.int("and_mask", and).int("or_mask", or),
            Call::Diagnostic { data, .. } => one.with("values", Field::Values(Values::Words(data))),
            Call::DeviceId { object, .. } => one.int("object_id", object),
            Call::Opaque { payload, .. } => one.with("payload", Field::Bytes(payload)),
            Call::Read { .. }
            | Call::WriteCoil { .. }
            | Call::WriteRegister { .. }
            | Call::WriteCoils { .. }
            | Call::WriteRegisters { .. }
            | Call::ReadWrite { .. }
            | Call::Bare { .. }
            | Call::ReadFiles(_)
            | Call::WriteFiles(_)
            | Call::Fifo { .. } => one,
        }
    }
}

/// What one answer says of one deed of its request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word<'b> {
    /// The device's refusal, as it came.
    Refused(u8),
    /// It was done. The acknowledgement repeats what was written.
    Echoed,
    /// It was done. The acknowledgement names the range only.
    Done,
    /// What was read.
    Read(Values<'b>),
    /// Bytes of the device's own.
    Payload(&'b [u8]),
}

impl Response<'_> {
    pub(crate) fn describe(&self, each: Each<'_>) {
        let request = self.request();
        let mut place = 0u8;
        let ControlFlow::Continue(()) = request.deeds::<Infallible>(&mut |deed| {
            let word = self.word(place, deed.class);
            place = place.saturating_add(1);
            each(match word {
                Word::Refused(code) => plain(deed).int("exception", code),
                Word::Echoed => request.details(valued(deed)),
                Word::Done => plain(deed),
                Word::Read(values) => plain(deed).with("values", Field::Values(values)),
                Word::Payload(bytes) => plain(deed).with("payload", Field::Bytes(bytes)),
            });
            ControlFlow::Continue(())
        });
    }
}

/// The fields that every deed has, with the values that it would write.
fn valued(deed: Deed<'_>) -> Described<'_> {
    match deed.values {
        Values::None => plain(deed),
        values => plain(deed).with("values", Field::Values(values)),
    }
}

/// The fields that every deed has.
fn plain(deed: Deed<'_>) -> Described<'_> {
    let word = GRAMMAR.objects.get(usize::from(deed.object.0)).map_or("?", |spec| spec.word);
    let one = Described::of(deed).int("unit", deed.unit).int("function", deed.function);
    let one = one.with("object", Field::Text(word));
    let quantity = deed.last.saturating_sub(deed.first).saturating_add(1);
    match deed.object {
        COIL | DISCRETE | INPUT | HOLDING => {
            let one = one.int("address", deed.first).int("quantity", quantity);
            match deed.bit {
                Some(bit) => one.int("bit", bit),
                None => one,
            }
        }
        // Held as file * 65536 + record.
        FILE => {
            let [file_high, file_low, high, low] = deed.first.to_be_bytes();
            one.int("file", u16::from_be_bytes([file_high, file_low]))
                .int("address", u16::from_be_bytes([high, low]))
                .int("quantity", quantity)
        }
        FIFO => one.int("address", deed.first),
        DIAGNOSTIC => one.int("sub_function", deed.first),
        DEVICE_ID => one.int("sub_function", function::DEVICE_ID).int("read_code", deed.first),
        // Held as code + 256 * (sub-code + 1).
        FUNCTION => match deed.first.to_be_bytes() {
            [_, _, 0, _] => one,
            [_, _, sub, _] => one.int("sub_function", sub.saturating_sub(1)),
        },
        _ => one,
    }
}

/// An answer whose request nobody saw: it tells its function, and its range only where it repeats it.
pub(super) fn alone(unit: u8, pdu: &[u8], each: Each<'_>) -> bool {
    let mut reader = Reader::new(pdu);
    let Ok(code) = reader.u8() else { return false };
    let function = code & !EXCEPTION;
    let (object, class) = touches(function);
    let deed = Deed {
        class,
        object,
        unit: u32::from(unit),
        function: u16::from(function),
        first: 0,
        last: 0,
        bit: None,
        values: Values::None,
        qualifier: None,
        unselected: false,
    };
    if code & EXCEPTION != 0 {
        let one = unlocated(deed);
        each(match reader.u8() {
            Ok(exception) => one.int("exception", exception),
            Err(_) => one,
        });
        return true;
    }
    each(spoken(deed, function, reader).unwrap_or_else(|| unlocated(deed)));
    true
}

/// What the rest of an answer says without its request.
fn spoken<'b>(deed: Deed<'b>, function: u8, mut reader: Reader<'b>) -> Option<Described<'b>> {
    let at = |first: u16, count: u16, values| {
        let first = u32::from(first);
        let last = first.saturating_add(u32::from(count)).saturating_sub(1);
        Deed { first, last, values, ..deed }
    };
    let one = match function {
        function::READ_COILS | function::READ_DISCRETE => {
            let bytes = usize::from(reader.u8().ok()?);
            let packed = reader.take(bytes).ok()?;
            let count = u32::try_from(bytes).ok()?.saturating_mul(8);
            unlocated(deed).with("values", Field::Values(Values::Bits { packed, count }))
        }
        function::READ_HOLDING | function::READ_INPUT | function::READ_WRITE => {
            let bytes = usize::from(reader.u8().ok()?);
            unlocated(deed).with("values", Field::Values(Values::Words(reader.take(bytes).ok()?)))
        }
        function::WRITE_COIL => {
            let (first, value) = (reader.u16().ok()?, reader.u16().ok()?);
            valued(at(first, 1, Values::Bit(value != 0)))
        }
        function::WRITE_REGISTER => {
            let first = reader.u16().ok()?;
            valued(at(first, 1, Values::Words(reader.take(2).ok()?)))
        }
        function::WRITE_COILS | function::WRITE_REGISTERS => {
            let (first, count) = (reader.u16().ok()?, reader.u16().ok()?);
            match count {
                // A range of nothing is none.
                0 => unlocated(deed).int("address", first).int("quantity", count),
                _ => plain(at(first, count, Values::None)),
            }
        }
        function::MASK_WRITE => {
            let (first, and, or) = (reader.u16().ok()?, reader.u16().ok()?, reader.u16().ok()?);
            plain(at(first, 1, Values::None)).int("and_mask", and).int("or_mask", or)
        }
        function::DIAGNOSTICS => {
            let sub = reader.u16().ok()?;
            plain(at(sub, 1, Values::None)).with("values", Field::Values(Values::Words(reader.rest())))
        }
        function::ENCAPSULATED => encapsulated(deed, &mut reader)?,
        // These have no range, or none but their code.
        function::EXCEPTION_STATUS | function::EVENT_COUNTER | function::EVENT_LOG | function::SERVER_ID => {
            plain(deed).with("payload", Field::Bytes(reader.rest()))
        }
        function::READ_FILE | function::WRITE_FILE | function::READ_FIFO => {
            unlocated(deed).with("payload", Field::Bytes(reader.rest()))
        }
        _ => {
            let code = u32::from(function);
            plain(Deed { first: code, last: code, ..deed }).with("payload", Field::Bytes(reader.rest()))
        }
    };
    Some(one)
}

/// FC 43: what its sub-code says.
fn encapsulated<'b>(deed: Deed<'b>, reader: &mut Reader<'b>) -> Option<Described<'b>> {
    let sub = reader.u8().ok()?;
    let payload = reader.rest();
    let one = if sub == function::DEVICE_ID {
        // It repeats the read code that it was asked for.
        let code = payload.first().copied().map_or(0, u32::from);
        plain(Deed { object: DEVICE_ID, class: Class::Identify, first: code, last: code, ..deed })
    } else {
        let code = u32::from(function::ENCAPSULATED) | u32::from(sub).saturating_add(1).saturating_mul(256);
        plain(Deed { first: code, last: code, ..deed })
    };
    Some(one.with("payload", Field::Bytes(payload)))
}

/// A deed whose range nobody knows.
fn unlocated(deed: Deed<'_>) -> Described<'_> {
    let word = GRAMMAR.objects.get(usize::from(deed.object.0)).map_or("?", |spec| spec.word);
    let one = Described { located: false, ..Described::of(deed) };
    one.int("unit", deed.unit).int("function", deed.function).with("object", Field::Text(word))
}

/// What a function touches, and in which class. Of one that reads and writes, what its answer shows.
const fn touches(function: u8) -> (ObjectId, Class) {
    match function {
        function::READ_COILS => (COIL, Class::Read),
        function::READ_DISCRETE => (DISCRETE, Class::Read),
        function::READ_HOLDING | function::READ_WRITE => (HOLDING, Class::Read),
        function::READ_INPUT => (INPUT, Class::Read),
        function::WRITE_COIL | function::WRITE_COILS => (COIL, Class::Write),
        function::WRITE_REGISTER | function::WRITE_REGISTERS | function::MASK_WRITE => (HOLDING, Class::Write),
        function::EXCEPTION_STATUS => (EXCEPTION_STATUS, Class::Diagnose),
        function::DIAGNOSTICS => (DIAGNOSTIC, Class::Diagnose),
        function::EVENT_COUNTER => (EVENT_COUNTER, Class::Diagnose),
        function::EVENT_LOG => (EVENT_LOG, Class::Diagnose),
        function::SERVER_ID => (SERVER_ID, Class::Identify),
        function::READ_FILE => (FILE, Class::Read),
        function::WRITE_FILE => (FILE, Class::Write),
        function::READ_FIFO => (FIFO, Class::Read),
        _ => (FUNCTION, Class::Program),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        format,
        string::{String, ToString},
        vec::Vec,
    };

    use super::*;
    use crate::modbus::vectors::hex;

    fn shown(field: &Field<'_>) -> String {
        match field {
            Field::Int(number) => number.to_string(),
            Field::Text(text) => (*text).to_string(),
            Field::Values(values) => {
                let all: Vec<_> = (0..values.len()).filter_map(|i| values.get(i)).collect();
                format!("{all:?}")
            }
            Field::Bytes(bytes) => format!("{bytes:02x?}"),
            other => format!("{other:?}"),
        }
    }

    fn line(one: &Described<'_>) -> String {
        let fields: Vec<_> = one.fields.iter().map(|(name, field)| format!("{name}={}", shown(field))).collect();
        let located = if one.located { "" } else { " somewhere" };
        format!("{}{located} {}", one.deed.class, fields.join(" "))
    }

    fn asked(pdu: &str) -> Vec<String> {
        let (pdu, mut all) = (hex(pdu), Vec::new());
        Request::of(1, &pdu).expect("legal").describe(&mut |one| all.push(line(&one)));
        all
    }

    fn told(pdu: &str, answer: &str) -> Vec<String> {
        let (pdu, answer, mut all) = (hex(pdu), hex(answer), Vec::new());
        let (response, _) = Response::read(Request::of(1, &pdu).expect("legal"), 1, &answer).expect("fits");
        response.describe(&mut |one| all.push(line(&one)));
        all
    }

    fn by_itself(answer: &str) -> Vec<String> {
        let mut all = Vec::new();
        assert!(alone(1, &hex(answer), &mut |one| all.push(line(&one))));
        all
    }

    #[test]
    fn a_request_shows_what_it_would_do_in_numbers() {
        for (pdu, expected) in [
            ("03 0005 0002", &["read unit=1 function=3 object=holding address=5 quantity=2"][..]),
            ("05 0007 ff00", &["write unit=1 function=5 object=coil address=7 quantity=1 values=[1]"]),
            ("0f 0013 0003 01 fd", &["write unit=1 function=15 object=coil address=19 quantity=3 values=[1, 0, 1]"]),
            (
                "10 0001 0002 04 000affff",
                &["write unit=1 function=16 object=holding address=1 quantity=2 values=[10, 65535]"],
            ),
            (
                "16 0004 fff2 0005",
                &[
                    "write unit=1 function=22 object=holding address=4 quantity=1 bit=0 values=[1] and_mask=65522 or_mask=5",
                    "write unit=1 function=22 object=holding address=4 quantity=1 bit=2 values=[1] and_mask=65522 or_mask=5",
                    "write unit=1 function=22 object=holding address=4 quantity=1 bit=3 values=[0] and_mask=65522 or_mask=5",
                ],
            ),
            (
                "17 0003 0006 000e 0001 02 00ff",
                &[
                    "write unit=1 function=23 object=holding address=14 quantity=1 values=[255]",
                    "read unit=1 function=23 object=holding address=3 quantity=6",
                ],
            ),
            ("08 0000 a537", &["diagnose unit=1 function=8 object=diagnostic sub_function=0 values=[42295]"]),
            ("2b 0e 01 02", &["identify unit=1 function=43 object=device-id sub_function=14 read_code=1 object_id=2"]),
            ("2b 0d 01", &["program unit=1 function=43 object=function sub_function=13 payload=[0d, 01]"]),
            ("5a 00 01", &["program unit=1 function=90 object=function payload=[00, 01]"]),
            ("14 07 06 0004 0001 0002", &["read unit=1 function=20 object=file file=4 address=1 quantity=2"]),
            ("18 04de", &["read unit=1 function=24 object=fifo address=1246"]),
            ("11", &["identify unit=1 function=17 object=server-id"]),
        ] {
            assert_eq!(asked(pdu), expected, "{pdu}");
        }
    }

    #[test]
    fn an_answer_shows_its_requests_range_and_its_own_values() {
        for (pdu, answer, expected) in [
            (
                "03 0005 0002",
                "03 04 000a 000b",
                "read unit=1 function=3 object=holding address=5 quantity=2 values=[10, 11]",
            ),
            ("01 0008 0003", "01 01 fd", "read unit=1 function=1 object=coil address=8 quantity=3 values=[1, 0, 1]"),
            ("03 0005 0002", "83 63", "read unit=1 function=3 object=holding address=5 quantity=2 exception=99"),
            (
                "06 0028 05dc",
                "06 0028 05dc",
                "write unit=1 function=6 object=holding address=40 quantity=1 values=[1500]",
            ),
            ("10 0001 0001 02 000a", "10 0001 0001", "write unit=1 function=16 object=holding address=1 quantity=1"),
            ("08 000b 0000", "08 000b 0007", "diagnose unit=1 function=8 object=diagnostic sub_function=11 values=[7]"),
            ("18 0000", "18 0004 0001 01b8", "read unit=1 function=24 object=fifo address=0 values=[440]"),
            ("07", "07 6d", "diagnose unit=1 function=7 object=exception-status payload=[6d]"),
        ] {
            assert_eq!(told(pdu, answer), [expected], "{pdu}");
        }
        assert_eq!(
            told("14 0e 06 0004 0001 0002 06 0003 0009 0001", "14 0a 05 06 0dfe0020 03 06 33cd"),
            [
                "read unit=1 function=20 object=file file=4 address=1 quantity=2 values=[3582, 32]",
                "read unit=1 function=20 object=file file=3 address=9 quantity=1 values=[13261]",
            ]
        );
        assert_eq!(
            told("17 0003 0001 000e 0001 02 00ff", "17 02 0001"),
            [
                "write unit=1 function=23 object=holding address=14 quantity=1",
                "read unit=1 function=23 object=holding address=3 quantity=1 values=[1]",
            ]
        );
    }

    #[test]
    fn an_answer_without_its_request_says_what_it_can() {
        for (answer, expected) in [
            ("03 04 000a 000b", "read somewhere unit=1 function=3 object=holding values=[10, 11]"),
            ("01 01 05", "read somewhere unit=1 function=1 object=coil values=[1, 0, 1, 0, 0, 0, 0, 0]"),
            ("83 02", "read somewhere unit=1 function=3 object=holding exception=2"),
            ("06 0028 05dc", "write unit=1 function=6 object=holding address=40 quantity=1 values=[1500]"),
            ("10 0001 0002", "write unit=1 function=16 object=holding address=1 quantity=2"),
            ("03 ff", "read somewhere unit=1 function=3 object=holding"),
            ("5a 01", "program unit=1 function=90 object=function payload=[01]"),
            (
                "2b 0e 01 01 00 00 00",
                "identify unit=1 function=43 object=device-id sub_function=14 read_code=1 payload=[01, 01, 00, 00, 00]",
            ),
            ("10 ffff ffff", "write unit=1 function=16 object=holding address=65535 quantity=65535"),
            ("10 0001 0000", "write somewhere unit=1 function=16 object=holding address=1 quantity=0"),
        ] {
            assert_eq!(by_itself(answer), [expected], "{answer}");
        }
        assert!(!alone(1, &[], &mut |_| panic!("nothing to tell")));
    }
}
