//! Which message does what a sentence says? (`explain` and policy tests)

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{
    bits::PACKED_MAX,
    frame::{Pen, Sheet},
    function,
    number::{bit, encode, registers_of},
    request::{FILE_REFERENCE, Request, RequestFault, Space, diagnosed},
    tables::{DEVICE_ID, DIAGNOSTIC, EVENT_COUNTER, EVENT_LOG, EXCEPTION_STATUS, FIFO, FILE, FUNCTION, SERVER_ID},
};
use crate::{
    protocol::{Message, Stored},
    sentence::{BuildFault, Format, Num, Sentence, ValueSet, ValueType},
    vocab::Class,
};

/// The message that does what `sentence` says, to its first unit or else to `unit`.
///
/// # Errors
/// One line that says what to add or change when no single message does it.
pub fn build(sentence: &Sentence, unit: u32) -> Result<Stored, BuildFault> {
    let unit = sentence.units.first().map_or(unit, |(first, _)| *first);
    let Ok(unit) = u8::try_from(unit) else {
        return fault(format!("unit {unit} does not exist: write 0 to 255"));
    };
    let mut sheet = Sheet::new();
    match Space::of(sentence.object) {
        None => other(sentence, &mut sheet)?,
        Some(space) => match sentence.class {
            Class::Read => read(sentence, space, &mut sheet)?,
            Class::Write => write(sentence, space, &mut sheet)?,
            Class::Control
            | Class::Program
            | Class::Diagnose
            | Class::Identify
            | Class::Report
            | Class::Browse
            | Class::Subscribe => return fault("points are read or written"),
        },
    }
    match Request::of(unit, sheet.as_slice()) {
        Ok(request) => Ok(Message::Modbus(request).store()),
        Err(RequestFault::Illegal { answer: 2, .. }) if sentence.object == FILE => {
            fault("a file has the records 0 to 9999")
        }
        Err(RequestFault::Illegal { answer: 2, .. }) => fault("the range ends beyond address 65535"),
        Err(RequestFault::Illegal { .. }) => {
            fault("the range is longer than one message carries: ask for less at once")
        }
        Err(RequestFault::Severed(_)) => fault("no message of this function has that form"),
    }
}

fn read(sentence: &Sentence, space: Space, sheet: &mut Sheet) -> Result<(), BuildFault> {
    if sentence.bit.is_some() {
        return fault("a read takes the whole register: leave `bit` out");
    }
    via(sentence, &[space.read_function()])?;
    let (first, count) = range(sentence)?;
    head(sheet, space.read_function(), first, count);
    Ok(())
}

fn write(sentence: &Sentence, space: Space, sheet: &mut Sheet) -> Result<(), BuildFault> {
    match space {
        Space::Discrete | Space::Input => fault("these points can only be read"),
        Space::Coil => write_coils(sentence, sheet),
        Space::Holding => write_registers(sentence, sheet),
    }
}

fn write_coils(sentence: &Sentence, sheet: &mut Sheet) -> Result<(), BuildFault> {
    let (first, count) = range(sentence)?;
    let values = elements(sentence, usize::from(count))?;
    let usual = if count == 1 { function::WRITE_COIL } else { function::WRITE_COILS };
    match via(sentence, &[usual, function::WRITE_COILS])? {
        function::WRITE_COIL => {
            let on = values.first().map_or(Ok(false), |value| bit(*value)).map_err(BuildFault)?;
            head(sheet, function::WRITE_COIL, first, if on { 0xFF00 } else { 0 });
        }
        code => {
            let packed = pack(&values)?;
            head(sheet, code, first, count);
            data(sheet, &packed)?;
        }
    }
    Ok(())
}

fn write_registers(sentence: &Sentence, sheet: &mut Sheet) -> Result<(), BuildFault> {
    let (first, count) = range(sentence)?;
    if let Some(n) = sentence.bit {
        return write_bit(sentence, first, count, n, sheet);
    }
    if matches!(&sentence.values, Some(ValueSet::Positional(list)) if list.is_empty()) {
        return write_nothing(sentence, first, count, sheet);
    }
    let usual = if count == 1 { function::WRITE_REGISTER } else { function::WRITE_REGISTERS };
    let single: &[u8] = &[usual, function::WRITE_REGISTERS, function::READ_WRITE, function::MASK_WRITE];
    let several: &[u8] = &[usual, function::READ_WRITE];
    let code = via(sentence, if count == 1 { single } else { several })?;
    let words = words(sentence, count)?;
    match code {
        function::WRITE_REGISTER => {
            sheet.put_u8(code);
            sheet.put_u16(first);
            sheet.put(&words);
        }
        // A mask that keeps no bit writes the whole register.
        function::MASK_WRITE => {
            head(sheet, code, first, 0);
            sheet.put(&words);
        }
        // Its read half reads back what the write half wrote.
        function::READ_WRITE => {
            head(sheet, code, first, count);
            sheet.put_u16(first);
            sheet.put_u16(count);
            data(sheet, &words)?;
        }
        _ => {
            head(sheet, code, first, count);
            data(sheet, &words)?;
        }
    }
    Ok(())
}

/// One bit of a register: function 22 with a mask that keeps the others.
fn write_bit(sentence: &Sentence, first: u16, count: u16, n: u8, sheet: &mut Sheet) -> Result<(), BuildFault> {
    if count != 1 {
        return fault("a bit is written in one register at a time");
    }
    let Some(mask) = 1u16.checked_shl(u32::from(n)) else {
        return fault(format!("a register has no bit {n}: write 0 to 15"));
    };
    via(sentence, &[function::MASK_WRITE])?;
    let on = elements(sentence, 1)?.first().map_or(Ok(false), |value| bit(*value)).map_err(BuildFault)?;
    head(sheet, function::MASK_WRITE, first, !mask);
    sheet.put_u16(if on { mask } else { 0 });
    Ok(())
}

/// `= []`: function 22 with a mask that keeps every bit.
fn write_nothing(sentence: &Sentence, first: u16, count: u16, sheet: &mut Sheet) -> Result<(), BuildFault> {
    if count != 1 {
        return fault("a mask that sets nothing names one register");
    }
    via(sentence, &[function::MASK_WRITE])?;
    head(sheet, function::MASK_WRITE, first, 0xFFFF);
    sheet.put_u16(0);
    Ok(())
}

/// What touches no points.
fn other(sentence: &Sentence, sheet: &mut Sheet) -> Result<(), BuildFault> {
    match sentence.object {
        FUNCTION => opaque(sentence, sheet),
        FILE => file(sentence, sheet),
        FIFO => counted(sentence, function::READ_FIFO, 0, |pointer| Ok(pointer.to_be_bytes().to_vec()), sheet),
        // Without a code: the basic objects, which every device that identifies itself has.
        DEVICE_ID => counted(sentence, function::ENCAPSULATED, 1, identify, sheet),
        DIAGNOSTIC => counted(sentence, function::DIAGNOSTICS, 0, diagnose, sheet),
        EXCEPTION_STATUS => bare(sentence, function::EXCEPTION_STATUS, sheet),
        EVENT_COUNTER => bare(sentence, function::EVENT_COUNTER, sheet),
        EVENT_LOG => bare(sentence, function::EVENT_LOG, sheet),
        SERVER_ID => bare(sentence, function::SERVER_ID, sheet),
        _ => fault("this protocol has no such object"),
    }
}

fn bare(sentence: &Sentence, code: u8, sheet: &mut Sheet) -> Result<(), BuildFault> {
    via(sentence, &[code])?;
    sheet.put_u8(code);
    Ok(())
}

/// A function with one number, `usual` where the sentence names none.
fn counted(
    sentence: &Sentence,
    code: u8,
    usual: u16,
    body: fn(u16) -> Result<Vec<u8>, BuildFault>,
    sheet: &mut Sheet,
) -> Result<(), BuildFault> {
    let (first, count) = if sentence.ranges.is_empty() { (usual, 1) } else { range(sentence)? };
    if count != 1 {
        return fault("one message names one of them: ask for each on its own");
    }
    bare(sentence, code, sheet)?;
    sheet.put(&body(first)?);
    Ok(())
}

/// Which list, from its first object on.
fn identify(code: u16) -> Result<Vec<u8>, BuildFault> {
    match u8::try_from(code) {
        Ok(code @ 1..=4) => Ok(alloc::vec![function::DEVICE_ID, code, 0]),
        _ => fault("device identification has the read codes 1 to 4"),
    }
}

/// A sub-function with the data that all of them take.
fn diagnose(sub: u16) -> Result<Vec<u8>, BuildFault> {
    if diagnosed(sub).is_none() {
        return fault(format!("the standard reserves sub-function {sub}: no message has it"));
    }
    let [high, low] = sub.to_be_bytes();
    Ok(alloc::vec![high, low, 0, 0])
}

/// One group of records.
fn file(sentence: &Sentence, sheet: &mut Sheet) -> Result<(), BuildFault> {
    let [(first, last)] = sentence.ranges.as_slice() else {
        return fault("say which records of which file: `file 4:0-9`");
    };
    let (file, record) = (first.checked_shr(16).unwrap_or(0), first & 0xFFFF);
    let length = last.checked_sub(*first).and_then(|less| u16::try_from(less).ok()?.checked_add(1));
    let (Ok(file), Ok(record), Some(length)) = (u16::try_from(file), u16::try_from(record), length) else {
        return fault("the range is longer than one message carries");
    };
    if sentence.bit.is_some() {
        return fault("no function writes one bit of a record");
    }
    let writes = sentence.class == Class::Write;
    let words = if writes { words(sentence, length)? } else { Vec::new() };
    bare(sentence, if writes { function::WRITE_FILE } else { function::READ_FILE }, sheet)?;
    let mut group = alloc::vec![FILE_REFERENCE];
    [file, record, length].iter().for_each(|field| group.extend(field.to_be_bytes()));
    group.extend(words);
    data(sheet, &group)
}

/// A function that is not understood, without a payload.
fn opaque(sentence: &Sentence, sheet: &mut Sheet) -> Result<(), BuildFault> {
    let [(code, last)] = sentence.ranges.as_slice() else {
        return fault("say which function: `function 90`");
    };
    let function = u8::try_from(code & 0xFF).unwrap_or(0);
    let sub = code.checked_shr(8).unwrap_or(0).checked_sub(1).map(|sub| u8::try_from(sub).unwrap_or(0));
    if code != last {
        return fault("one message carries one function");
    }
    if sub == Some(function::DEVICE_ID) {
        return fault("write `identify device-id`");
    }
    sheet.put_u8(function);
    match (function, sub) {
        (function::ENCAPSULATED, Some(sub)) => sheet.put_u8(sub),
        (function::ENCAPSULATED, None) => return fault("say which kind of function 43: `function 43/13`"),
        (_, None) => {}
        (_, Some(_)) => return fault("only function 43 has a sub-code here"),
    }
    let class = Request::of(0, sheet.as_slice()).ok().and_then(|request| first_class(&request));
    if class == Some(sentence.class) {
        return Ok(());
    }
    fault(format!("function {function} cannot stand here: it never comes, or is written with its own object"))
}

fn first_class(request: &Request<'_>) -> Option<Class> {
    let flow = request.deeds(&mut |deed| core::ops::ControlFlow::Break((deed.class, deed.object)));
    flow.break_value().filter(|(_, object)| *object == FUNCTION).map(|(class, _)| class)
}

/// The function to use: the first of `fitting`, or the first that `via` names among them.
fn via(sentence: &Sentence, fitting: &[u8]) -> Result<u8, BuildFault> {
    let named = |code: &&u8| sentence.via.is_empty() || sentence.via.contains(&u16::from(**code));
    match fitting.iter().find(named) {
        Some(code) => Ok(*code),
        None => fault("no function that `via` names does this in one message: leave `via` out, or change it"),
    }
}

fn range(sentence: &Sentence) -> Result<(u16, u16), BuildFault> {
    let (first, last) = match sentence.ranges.as_slice() {
        [range] => *range,
        [] => return fault("say which addresses: a message touches a definite range"),
        _ => return fault("one message touches one range: ask for each range on its own"),
    };
    let count = last.checked_sub(first).and_then(|less| less.checked_add(1));
    match (u16::try_from(first), count.map(u16::try_from)) {
        (Ok(first), Some(Ok(count))) => Ok((first, count)),
        _ => fault("the range is longer than one message carries"),
    }
}

/// One value for each of `count` elements.
fn elements(sentence: &Sentence, count: usize) -> Result<Vec<Num>, BuildFault> {
    match &sentence.values {
        None => fault("say what is written: add `= VALUE`"),
        Some(ValueSet::Each(set)) => match set.as_slice() {
            [(low, high)] if low == high => Ok(alloc::vec![*low; count]),
            _ => fault("say exactly what is written: one value, or `= [..]` with one for each"),
        },
        Some(ValueSet::Positional(list)) if list.len() == count => Ok(list.clone()),
        Some(ValueSet::Positional(list)) => {
            fault(format!("{} values for {count} elements: give one for each", list.len()))
        }
    }
}

/// The registers to write: two bytes each.
fn words(sentence: &Sentence, count: u16) -> Result<Vec<u8>, BuildFault> {
    let value_type = sentence.value_type.unwrap_or(ValueType { format: Format::U16, swapped: false });
    let each = registers_of(value_type.format);
    let count = u32::from(count);
    let (Some(elements_count), Some(0)) = (count.checked_div(each), count.checked_rem(each)) else {
        return fault(format!("an element takes {each} registers: the range must hold whole elements"));
    };
    let mut bytes = Vec::new();
    for value in elements(sentence, usize::try_from(elements_count).unwrap_or(0))? {
        encode(value, value_type, &mut bytes).map_err(BuildFault)?;
    }
    Ok(bytes)
}

fn pack(values: &[Num]) -> Result<Box<[u8]>, BuildFault> {
    let mut packed = Vec::new();
    for eight in values.chunks(8) {
        let mut byte = 0u8;
        for (n, value) in (0u32..).zip(eight) {
            byte |= u8::from(bit(*value).map_err(BuildFault)?).checked_shl(n).unwrap_or(0);
        }
        packed.push(byte);
    }
    Ok(packed.into_boxed_slice())
}

fn head(sheet: &mut Sheet, code: u8, one: u16, two: u16) {
    sheet.put_u8(code);
    sheet.put_u16(one);
    sheet.put_u16(two);
}

/// A byte count and its bytes, where a message can carry them.
fn data(sheet: &mut Sheet, bytes: &[u8]) -> Result<(), BuildFault> {
    match u8::try_from(bytes.len()) {
        Ok(count) if bytes.len() <= PACKED_MAX => {
            sheet.put_u8(count);
            sheet.put(bytes);
            Ok(())
        }
        _ => fault("the range is longer than one message carries: ask for less at once"),
    }
}

fn fault<T>(text: impl Into<String>) -> Result<T, BuildFault> {
    Err(BuildFault(text.into()))
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::{
        deed::ObjectId,
        modbus::{
            tables::{COIL, HOLDING, INPUT},
            vectors::hex,
        },
    };

    fn sentence(class: Class, object: ObjectId, ranges: &[(u32, u32)]) -> Sentence {
        Sentence {
            who: None,
            class,
            object,
            ranges: ranges.to_vec(),
            bit: None,
            units: Vec::new(),
            values: None,
            step: None,
            value_type: None,
            whole: false,
            via: Vec::new(),
            qualifiers: Vec::new(),
            select_first: false,
            when: None,
            max: None,
            spends: None,
            during: None,
            always: false,
        }
    }

    fn each(value: Num) -> Option<ValueSet> {
        Some(ValueSet::Each(alloc::vec![(value, value)]))
    }

    fn built(sentence: &Sentence) -> Vec<u8> {
        build(sentence, 3).expect("one message does it").bytes().to_vec()
    }

    fn float(swapped: bool) -> Option<ValueType> {
        Some(ValueType { format: Format::F32, swapped })
    }

    #[test]
    fn the_usual_function_does_it() {
        let write = |object, range, value| Sentence { values: each(value), ..sentence(Class::Write, object, &[range]) };
        for (sentence, bytes) in [
            (sentence(Class::Read, COIL, &[(0, 1999)]), "03 01 0000 07d0"),
            (sentence(Class::Read, HOLDING, &[(7, 7)]), "03 03 0007 0001"),
            (sentence(Class::Read, INPUT, &[(0, 63)]), "03 04 0000 0040"),
            (write(COIL, (7, 7), Num::Bool(true)), "03 05 0007 ff00"),
            (write(COIL, (7, 7), Num::Int(0)), "03 05 0007 0000"),
            (write(COIL, (0, 9), Num::Bool(true)), "03 0f 0000 000a 02 ff03"),
            (write(HOLDING, (40, 40), Num::Int(1500)), "03 06 0028 05dc"),
            (write(HOLDING, (40, 42), Num::Int(1)), "03 10 0028 0003 06 000100010001"),
            (Sentence { via: alloc::vec![16], ..write(HOLDING, (40, 40), Num::Int(1)) }, "03 10 0028 0001 02 0001"),
            (Sentence { via: alloc::vec![22], ..write(HOLDING, (40, 40), Num::Int(9)) }, "03 16 0028 0000 0009"),
            (
                Sentence { via: alloc::vec![23], ..write(HOLDING, (4, 4), Num::Int(9)) },
                "03 17 0004 0001 0004 0001 02 0009",
            ),
            (Sentence { bit: Some(3), ..write(HOLDING, (4, 4), Num::Bool(true)) }, "03 16 0004 fff7 0008"),
            (Sentence { bit: Some(3), ..write(HOLDING, (4, 4), Num::Bool(false)) }, "03 16 0004 fff7 0000"),
            (Sentence { units: alloc::vec![(9, 9)], ..write(HOLDING, (4, 4), Num::Int(1)) }, "09 06 0004 0001"),
            (
                Sentence { value_type: float(false), ..write(HOLDING, (42, 43), Num::Float(12.5)) },
                "03 10 002a 0002 04 41480000",
            ),
            (
                Sentence { value_type: float(true), ..write(HOLDING, (42, 45), Num::Int(2)) },
                "03 10 002a 0004 08 0000400000004000",
            ),
            (sentence(Class::Program, FUNCTION, &[(90, 90)]), "03 5a"),
            (sentence(Class::Program, FUNCTION, &[(43 + 256 * 14, 43 + 256 * 14)]), "03 2b 0d"),
            (sentence(Class::Identify, DEVICE_ID, &[]), "03 2b 0e 01 00"),
            (sentence(Class::Identify, DEVICE_ID, &[(3, 3)]), "03 2b 0e 03 00"),
            (sentence(Class::Identify, SERVER_ID, &[]), "03 11"),
            (sentence(Class::Diagnose, DIAGNOSTIC, &[(10, 10)]), "03 08 000a 0000"),
            (sentence(Class::Diagnose, EXCEPTION_STATUS, &[(0, 0)]), "03 07"),
            (sentence(Class::Diagnose, EVENT_COUNTER, &[]), "03 0b"),
            (sentence(Class::Diagnose, EVENT_LOG, &[]), "03 0c"),
            (sentence(Class::Read, FIFO, &[(1246, 1246)]), "03 18 04de"),
            (sentence(Class::Read, FILE, &[(0x4_0007, 0x4_0009)]), "03 14 07 06 0004 0007 0003"),
            (write(FILE, (0x4_0007, 0x4_0008), Num::Int(9)), "03 15 0b 06 0004 0007 0002 0009 0009"),
        ] {
            assert_eq!(built(&sentence), hex(bytes), "{bytes}");
        }
    }

    #[test]
    fn positional_values_keep_their_places() {
        let values = Some(ValueSet::Positional([0, 0, 1500].map(Num::Int).to_vec()));
        let positional = Sentence { values, ..sentence(Class::Write, HOLDING, &[(1, 3)]) };
        assert_eq!(built(&positional), hex("03 10 0001 0003 06 0000000005dc"));
    }

    #[test]
    fn what_one_message_cannot_do_is_told_with_what_to_change() {
        let write = sentence(Class::Write, HOLDING, &[(40, 40)]);
        let range = Some(ValueSet::Each(alloc::vec![(Num::Int(0), Num::Int(9))]));
        for (sentence, part) in [
            (write.clone(), "add `= VALUE`"),
            (Sentence { values: range, ..write.clone() }, "one value"),
            (Sentence { values: each(Num::Int(70_000)), ..write.clone() }, "70000 does not fit"),
            (Sentence { values: each(Num::Int(1)), ranges: alloc::vec![], ..write.clone() }, "which addresses"),
            (
                Sentence { values: each(Num::Int(1)), ranges: alloc::vec![(0, 1), (4, 5)], ..write.clone() },
                "each range",
            ),
            (Sentence { values: each(Num::Int(1)), ranges: alloc::vec![(0, 199)], ..write.clone() }, "less at once"),
            (Sentence { values: each(Num::Int(1)), via: alloc::vec![3], ..write.clone() }, "`via`"),
            (Sentence { values: each(Num::Int(1)), value_type: float(false), ..write.clone() }, "whole elements"),
            (Sentence { values: each(Num::Int(1)), bit: Some(16), ..write.clone() }, "no bit 16"),
            (Sentence { units: alloc::vec![(256, 256)], ..write }, "unit 256"),
            (sentence(Class::Write, INPUT, &[(0, 0)]), "only be read"),
            (sentence(Class::Read, HOLDING, &[(0, 125)]), "longer than one message"),
            (sentence(Class::Read, HOLDING, &[(0, 70_000)]), "longer than one message"),
            (sentence(Class::Program, HOLDING, &[(0, 0)]), "read or written"),
            (sentence(Class::Program, FUNCTION, &[(7, 7)]), "its own object"),
            (sentence(Class::Write, FUNCTION, &[(6, 6)]), "cannot stand"),
            (sentence(Class::Identify, DEVICE_ID, &[(0, 0)]), "read codes 1 to 4"),
            (sentence(Class::Diagnose, DIAGNOSTIC, &[(5, 5)]), "reserves sub-function 5"),
            (sentence(Class::Diagnose, DIAGNOSTIC, &[(11, 14)]), "each on its own"),
            (sentence(Class::Read, FILE, &[(0x1_270F, 0x1_2710)]), "0 to 9999"),
            (sentence(Class::Read, FILE, &[(0x1_0000, 0x1_00FF)]), "longer than one message"),
            (sentence(Class::Read, FILE, &[]), "which records"),
            (Sentence { bit: Some(1), ..sentence(Class::Read, HOLDING, &[(4, 4)]) }, "leave `bit` out"),
            (Sentence { bit: Some(1), ..sentence(Class::Write, HOLDING, &[(4, 5)]) }, "one register at a time"),
            (
                Sentence { values: Some(ValueSet::Positional(vec![])), ..sentence(Class::Write, HOLDING, &[(4, 5)]) },
                "names one register",
            ),
            (
                Sentence {
                    values: Some(ValueSet::Positional(vec![Num::Int(1)])),
                    ..sentence(Class::Write, HOLDING, &[(4, 5)])
                },
                "1 values for 2 elements",
            ),
            (sentence(Class::Read, FILE, &[(0x1_0005, 0x1_0004)]), "longer than one message"),
            (sentence(Class::Read, FILE, &[(0x1_0000, 0x2_0000)]), "longer than one message"),
            (
                Sentence {
                    bit: Some(1),
                    values: each(Num::Int(1)),
                    ..sentence(Class::Write, FILE, &[(0x1_0000, 0x1_0000)])
                },
                "one bit of a record",
            ),
            (sentence(Class::Program, FUNCTION, &[]), "which function"),
            (sentence(Class::Program, FUNCTION, &[(90, 91)]), "carries one function"),
            (sentence(Class::Program, FUNCTION, &[(43 + 256 * 15, 43 + 256 * 15)]), "identify device-id"),
            (sentence(Class::Program, FUNCTION, &[(43, 43)]), "kind of function 43"),
            (sentence(Class::Program, FUNCTION, &[(90 + 256, 90 + 256)]), "only function 43"),
            (Sentence { values: each(Num::Bool(true)), ..sentence(Class::Write, COIL, &[(0, 2007)]) }, "less at once"),
            (Sentence { values: each(Num::Int(2)), ..sentence(Class::Write, COIL, &[(0, 0)]) }, "neither on nor off"),
            (sentence(Class::Read, HOLDING, &[(65_535, 65_536)]), "beyond address 65535"),
            (sentence(Class::Read, ObjectId(99), &[(0, 0)]), "no such object"),
        ] {
            let BuildFault(told) = build(&sentence, 3).expect_err(part);
            assert!(told.contains(part), "{told} does not say: {part}");
        }
    }
}
