//! Which file records does a request read or write?
//!
//! A group of FC 20 has 7 bytes; one of FC 21 is followed by its words.
//! ```text
//! | reference type 6 | file u16 | record u16 | length u16 | [2 * length bytes] |
//! ```
//! Application Protocol 6.14 and 6.15. A request holds at most 35 groups, so that reading it takes bounded time.

use super::{Call, RequestFault, illegal};
use crate::{
    modbus::{function, refusal::ILLEGAL_ADDRESS},
    reader::{Misfit, Reader},
    vocab::Reason,
};

/// The only reference type that the standard knows.
pub(in crate::modbus) const REFERENCE: u8 = 6;
/// A file has the records 0 to 9999.
const RECORDS: u32 = 10_000;
/// Bytes of one group without its words.
const GROUP: usize = 7;
/// The most bytes of all groups of an answer to FC 20: its PDU holds function and byte count besides.
const ANSWER_MAX: usize = function::PDU_MAX - 2;

/// The groups of one request, each of them legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::modbus) struct Groups<'b>(&'b [u8]);

/// One group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::modbus) struct Group<'b> {
    /// The file, from 1.
    pub(in crate::modbus) file: u16,
    /// Its first record.
    pub(in crate::modbus) record: u16,
    /// How many registers, from 1.
    pub(in crate::modbus) length: u16,
    /// What is written; empty for a read.
    pub(in crate::modbus) words: &'b [u8],
}

impl<'b> Groups<'b> {
    /// All groups as they stand in the request.
    pub(in crate::modbus) const fn as_bytes(&self) -> &'b [u8] {
        self.0
    }

    /// The groups, with their words where `writes`.
    pub(in crate::modbus) fn each(&self, writes: bool) -> impl Iterator<Item = Group<'b>> + use<'b> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || if reader.is_empty() { None } else { group(&mut reader, writes).ok()? })
    }
}

/// FC 20.
pub(super) fn read<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let _byte_count = reader.u8()?;
    let bytes = reader.rest();
    let groups = legal(bytes, function::READ_FILE)?;
    // Each group is answered with its length, its reference type and its words.
    let answer = groups
        .each(false)
        .fold(0usize, |sum, one| sum.saturating_add(2).saturating_add(usize::from(one.length).saturating_mul(2)));
    if answer > ANSWER_MAX { Err(illegal(function::READ_FILE)) } else { Ok(Call::ReadFiles(groups)) }
}

/// FC 21.
pub(super) fn write<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let _byte_count = reader.u8()?;
    legal(reader.rest(), function::WRITE_FILE).map(Call::WriteFiles)
}

/// Groups that tile `bytes`, each within its ranges: structure before addresses, as for points.
fn legal(bytes: &[u8], function: u8) -> Result<Groups<'_>, RequestFault> {
    let writes = function == function::WRITE_FILE;
    let (mut reader, mut beyond) = (Reader::new(bytes), false);
    if bytes.is_empty() {
        return Err(illegal(function));
    }
    while !reader.is_empty() {
        let Ok(Some(group)) = group(&mut reader, writes) else { return Err(illegal(function)) };
        beyond |= u32::from(group.record).saturating_add(u32::from(group.length)) > RECORDS;
    }
    if beyond {
        return Err(RequestFault::Illegal { reason: Reason::AddressNotAllowed, answer: ILLEGAL_ADDRESS, function });
    }
    Ok(Groups(bytes))
}

/// The next group; `None` where a field is outside its legal range.
fn group<'b>(reader: &mut Reader<'b>, writes: bool) -> Result<Option<Group<'b>>, Misfit> {
    let mut head = Reader::new(reader.take(GROUP)?);
    let (reference, file, record, length) = (head.u8()?, head.u16()?, head.u16()?, head.u16()?);
    let words = reader.take(if writes { usize::from(length).saturating_mul(2) } else { 0 })?;
    let legal = reference == REFERENCE && file > 0 && length > 0;
    Ok(legal.then_some(Group { file, record, length, words }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::{request::Request, vectors::hex};

    fn fault(pdu: &str) -> Option<RequestFault> {
        Request::of(1, &hex(pdu)).err()
    }

    #[test]
    fn groups_are_read_with_their_words() {
        let pdu = hex("15 12 06 0004 0007 0002 06af04be 06 0003 270f 0001 100d");
        let (mut reader, mut all) = (Reader::new(&pdu), std::vec::Vec::new());
        reader.u8().expect("there");
        let Ok(Call::WriteFiles(groups)) = write(&mut reader) else { panic!("legal") };
        all.extend(groups.each(true).map(|one| (one.file, one.record, one.length, one.words.to_vec())));
        assert_eq!(all, [(4, 7, 2, hex("06af04be")), (3, 9999, 1, hex("100d"))]);
    }

    #[test]
    fn mb_24_groups_that_lie_are_answered_and_reach_nobody() {
        for (pdu, why) in [
            ("14 00", "no group"),
            ("14 08 06 0001 0000 0001 06", "a part of a group"),
            ("14 07 05 0001 0000 0001", "another reference type"),
            ("14 07 06 0000 0000 0001", "file 0"),
            ("14 07 06 0001 0000 0000", "no record"),
            ("15 07 06 0001 0000 0001", "words are missing"),
            ("15 09 06 0001 0000 0002 0000", "fewer words than told"),
            ("15 0b 06 0001 0000 0001 0000 0000", "more words than told"),
            ("15 07 06 0001 0000 0000", "nothing is written"),
        ] {
            let function = hex(pdu)[0];
            assert_eq!(fault(pdu), Some(illegal(function)), "{why}");
        }
    }

    #[test]
    fn mb_25_a_record_length_of_65535_wraps_nowhere() {
        assert_eq!(fault("15 07 06 0000 0000 ffff"), Some(illegal(function::WRITE_FILE)));
        assert_eq!(fault("15 09 06 0001 0000 ffff 0000"), Some(illegal(function::WRITE_FILE)));
        assert_eq!(fault("14 07 06 0001 0000 ffff"), Some(beyond(function::READ_FILE)));
        assert_eq!(fault("14 07 06 0001 ffff ffff"), Some(beyond(function::READ_FILE)));
    }

    #[test]
    fn mb_26_an_answer_of_more_than_253_bytes_is_never_asked_for() {
        // 251 bytes of groups: 2 + 2 * 123 and 2 + 2 * 0 would be 250; 124 registers are 250.
        assert_eq!(fault("14 07 06 0001 0000 007c"), None);
        assert_eq!(fault("14 07 06 0001 0000 007d"), Some(illegal(function::READ_FILE)));
        assert_eq!(fault("14 0e 06 0001 0000 0040 06 0001 0000 003c"), Some(illegal(function::READ_FILE)));
        assert_eq!(fault("14 0e 06 0001 0000 0040 06 0001 0000 003b"), None);
    }

    #[test]
    fn a_file_ends_with_record_9999() {
        assert_eq!(fault("14 07 06 ffff 270f 0001"), None);
        assert_eq!(fault("14 07 06 0001 270f 0002"), Some(beyond(function::READ_FILE)));
        assert_eq!(fault("15 09 06 0001 2710 0001 0000"), Some(beyond(function::WRITE_FILE)));
    }

    fn beyond(function: u8) -> RequestFault {
        RequestFault::Illegal { reason: Reason::AddressNotAllowed, answer: ILLEGAL_ADDRESS, function }
    }
}
