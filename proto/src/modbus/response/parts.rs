//! Do the parts of an answer hold together, and are they what was asked for?
//!
//! Each returns what follows the function code, as it came: whoever gets less than was promised, or more, gets nothing.

use super::ResponseFault;
use crate::{
    modbus::{
        function::{self, DEVICE_ID},
        request::{FILE_REFERENCE, Groups},
    },
    reader::Reader,
};

/// The most events of a log (Application Protocol 6.10).
const EVENTS_MAX: usize = 64;
/// Status, event count and message count before the events.
const LOG_HEAD: usize = 6;
/// The most registers of a queue (Application Protocol 6.18).
const QUEUE_MAX: usize = 31;

/// FC 7: eight bits. FC 11: status and count. FC 12: a log. FC 17: the device's own (6.7, 6.9, 6.10, 6.13).
pub(super) fn bare<'b>(function: u8, reader: &mut Reader<'b>) -> Result<&'b [u8], ResponseFault> {
    let all = reader.rest();
    let mut parts = Reader::new(all);
    match function {
        function::EXCEPTION_STATUS => {
            parts.take(1)?;
        }
        function::EVENT_COUNTER => {
            parts.take(4)?;
        }
        function::EVENT_LOG => {
            let bytes = usize::from(parts.u8()?);
            if !(LOG_HEAD..=LOG_HEAD.saturating_add(EVENTS_MAX)).contains(&bytes) {
                return Err(ResponseFault::Size);
            }
            parts.take(bytes)?;
        }
        _ => {
            let bytes = usize::from(parts.u8()?);
            parts.take(bytes)?;
        }
    }
    parts.finish()?;
    Ok(all)
}

/// FC 8: the sub-function that was asked for, and two bytes.
pub(super) fn diagnostic<'b>(sub: u16, reader: &mut Reader<'b>) -> Result<&'b [u8], ResponseFault> {
    let all = reader.rest();
    let mut parts = Reader::new(all);
    let told = parts.u16()?;
    parts.take(2)?;
    parts.finish()?;
    if told == sub { Ok(all) } else { Err(ResponseFault::Function) }
}

/// FC 20: for each group its length, its reference type and exactly the words that were asked for (6.14).
pub(super) fn files<'b>(asked: Groups<'_>, reader: &mut Reader<'b>) -> Result<&'b [u8], ResponseFault> {
    let all = reader.rest();
    let mut parts = Reader::new(all);
    if usize::from(parts.u8()?) != parts.len() {
        return Err(ResponseFault::Size);
    }
    for group in asked.each(false) {
        let words = usize::from(group.length).saturating_mul(2);
        let bytes = usize::from(parts.u8()?);
        if bytes != words.saturating_add(1) || parts.u8()? != FILE_REFERENCE {
            return Err(ResponseFault::Size);
        }
        parts.take(words)?;
    }
    parts.finish()?;
    Ok(all)
}

/// FC 24: a count of bytes, a count of registers, and the registers.
pub(super) fn fifo<'b>(reader: &mut Reader<'b>) -> Result<&'b [u8], ResponseFault> {
    let all = reader.rest();
    let mut parts = Reader::new(all);
    let bytes = usize::from(parts.u16()?);
    let count = usize::from(parts.u16()?);
    let words = count.saturating_mul(2);
    if count > QUEUE_MAX || bytes != words.saturating_add(2) {
        return Err(ResponseFault::Size);
    }
    parts.take(words)?;
    parts.finish()?;
    Ok(all)
}

/// FC 43/14: the read code that was asked for, and as many objects as are told.
pub(super) fn device_id<'b>(asked: u8, reader: &mut Reader<'b>) -> Result<&'b [u8], ResponseFault> {
    let all = reader.rest();
    let mut parts = Reader::new(all);
    if (parts.u8()?, parts.u8()?) != (DEVICE_ID, asked) {
        return Err(ResponseFault::Function);
    }
    // Conformity level, whether more follows, where to go on.
    parts.take(3)?;
    let objects = parts.u8()?;
    for _ in 0..objects {
        let _id = parts.u8()?;
        let bytes = usize::from(parts.u8()?);
        parts.take(bytes)?;
    }
    parts.finish()?;
    Ok(all)
}

/// Of the answer to FC 20: the words of the group at `place`.
pub(super) fn group<'b>(asked: Groups<'_>, payload: &'b [u8], place: u8) -> &'b [u8] {
    let before = asked.each(false).take(usize::from(place));
    // Each group stands behind its length and its reference type; before all stands the byte count.
    let skipped = before.fold(1usize, |sum, one| sum.saturating_add(2).saturating_add(words(one.length)));
    let length = asked.each(false).nth(usize::from(place)).map_or(0, |one| words(one.length));
    after(payload, skipped.saturating_add(2)).get(..length).unwrap_or_default()
}

/// Of the answer to FC 24: the registers of the queue, behind its two counts.
pub(super) fn queue(payload: &[u8]) -> &[u8] {
    after(payload, 4)
}

/// What follows the first `skipped` bytes.
pub(super) fn after(payload: &[u8], skipped: usize) -> &[u8] {
    payload.get(skipped..).unwrap_or_default()
}

fn words(length: u16) -> usize {
    usize::from(length).saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::ResponseFault;
    use crate::modbus::{frame::Sheet, request::Request, response::Response, vectors::hex};

    fn read(pdu: &str, answer: &str) -> Result<(), ResponseFault> {
        let (pdu, answer, mut sheet) = (hex(pdu), hex(answer), Sheet::new());
        let (response, _) = Response::read(Request::of(1, &pdu).expect("legal"), 1, &answer)?;
        response.write(&mut sheet);
        assert_eq!(sheet.as_slice(), answer, "an answer leaves as it came");
        Ok(())
    }

    #[test]
    fn whole_answers_pass_as_they_came() {
        for (pdu, answer) in [
            ("07", "07 6d"),
            ("08 0000 a537", "08 0000 a537"),
            ("08 0001 ff00", "08 0001 ff00"),
            ("08 0002 0000", "08 0002 1234"),
            ("08 000a 0000", "08 000a 0000"),
            ("08 000c 0000", "08 000c 0007"),
            ("0b", "0b ffff 0108"),
            ("0c", "0c 08 0000 0108 0121 2000"),
            ("0c", "0c 06 0000 0108 0121"),
            ("11", "11 03 41 42 ff"),
            ("11", "11 00"),
            ("14 0e 06 0004 0001 0002 06 0003 0009 0002", "14 0c 05 06 0dfe0020 05 06 33cd0040"),
            ("15 0d 06 0004 0007 0003 06af04be100d", "15 0d 06 0004 0007 0003 06af04be100d"),
            ("18 04de", "18 0006 0002 01b8 1284"),
            ("18 04de", "18 0002 0000"),
            ("2b 0e 01 00", "2b 0e 01 01 00 00 03 00 02 4142 01 01 43 02 00"),
            ("2b 0e 04 80", "2b 0e 04 83 ff 81 00"),
        ] {
            assert_eq!(read(pdu, answer), Ok(()), "{pdu}: {answer}");
        }
    }

    #[test]
    fn an_answer_with_a_lie_in_it_is_none() {
        use ResponseFault::{Echo, Function, Size};
        for (pdu, answer, fault) in [
            ("07", "07", Size),
            ("07", "07 6d 00", Size),
            ("08 0000 a537", "08 0000 a538", Echo),
            ("08 0000 a537", "08 0000 a537 0000", Size),
            ("08 0002 0000", "08 000b 0000", Function),
            ("08 0002 0000", "08 0002 00", Size),
            ("0b", "0b ffff 01", Size),
            ("0c", "0c 05 0000 0108 01", Size),
            ("0c", "0c 08 0000 0108 0121 20", Size),
            ("11", "11 03 41 42", Size),
            ("11", "11 01 41 42", Size),
            ("14 07 06 0004 0001 0002", "14 06 05 06 0dfe", Size),
            ("14 07 06 0004 0001 0002", "14 06 05 07 0dfe0020", Size),
            ("14 07 06 0004 0001 0002", "14 06 04 06 0dfe0020", Size),
            ("14 07 06 0004 0001 0002", "14 04 03 06 0dfe", Size),
            ("14 07 06 0004 0001 0001", "14 08 03 06 0dfe 03 06 0dfe", Size),
            ("15 09 06 0004 0007 0001 06af", "15 09 06 0004 0007 0001 06ae", Echo),
            ("18 04de", "18 0004 0002 01b8 1284", Size),
            ("18 04de", "18 0006 0002 01b8", Size),
            ("2b 0e 01 00", "2b 0e 02 01 00 00 00", Function),
            ("2b 0e 01 00", "2b 0d 01 01 00 00 00", Function),
            ("2b 0e 01 00", "2b 0e 01 01 00 00 01 00 05 4142", Size),
            ("2b 0e 01 00", "2b 0e 01 01 00 00 00 00", Size),
        ] {
            assert_eq!(read(pdu, answer), Err(fault), "{pdu}: {answer}");
        }
        let queue = std::format!("18 0042 0020 {}", "0000".repeat(32));
        assert_eq!(read("18 0000", &queue), Err(Size), "32 registers are more than a queue holds");
        let log = std::format!("0c 47 {}", "00".repeat(71));
        assert_eq!(read("0c", &log), Err(Size), "65 events are more than a log holds");
    }
}
