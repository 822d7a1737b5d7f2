//! Where does an APDU end, and which of the three kinds is it? (IEC 60870-5-104 clause 5)
//!
//! ```text
//! 68 | length 4..253 | control field, 4 octets | ASDU
//!      I  N(S) x 2         N(R) x 2            an ASDU
//!      S  01 00            N(R) x 2            nothing
//!      U  function + 3     00 00 00            nothing
//! ```

use super::checks::Check;
use crate::out::{Full, Out};

/// Octets before an ASDU.
pub(super) const HEADER: usize = 6;
const START: u8 = 0x68;
/// The control field alone.
const SHORTEST: u8 = 4;
const LONGEST: u8 = 253;
/// The last sequence number: they have 15 bits.
pub(super) const LAST: u16 = 0x7FFF;

/// What a U frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    StartAct,
    StartCon,
    StopAct,
    StopCon,
    TestAct,
    TestCon,
}

/// One APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'b> {
    /// N(S), N(R), the ASDU.
    I(u16, u16, &'b [u8]),
    /// N(R).
    S(u16),
    U(Function),
}

/// What stands at the begin of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed<'b> {
    /// Nothing whole; ask again with so many bytes.
    Need(usize),
    Broken(Check),
    /// Its bytes, and what they say.
    Whole(&'b [u8], Frame<'b>),
}

/// The first APDU of a stream. A lie in its head is told before the rest has come.
pub(super) fn first(bytes: &[u8]) -> Framed<'_> {
    let (start, length) = (bytes.first().copied(), bytes.get(1).copied());
    if start.is_some_and(|start| start != START) {
        return Framed::Broken(Check::ApduStart);
    }
    let Some(length) = length else { return Framed::Need(2) };
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Framed::Broken(Check::ApduLength);
    }
    let whole = usize::from(length).saturating_add(2);
    let Some((field, rest)) = bytes.get(2..).and_then(<[u8]>::split_first_chunk::<4>) else {
        return Framed::Need(HEADER);
    };
    let carries = length > SHORTEST;
    let [one, two, three, four] = *field;
    let receive = u16::from_le_bytes([three, four]);
    let frame = match (one & 3, carries) {
        (0 | 2, true) => {
            if receive & 1 != 0 {
                return Framed::Broken(Check::ReceiveNumber);
            }
            let Some(asdu) = rest.get(..whole.saturating_sub(HEADER)) else { return Framed::Need(whole) };
            Frame::I(u16::from_le_bytes([one, two]) >> 1, receive >> 1, asdu)
        }
        (0 | 2, false) | (_, true) => return Framed::Broken(Check::ControlForm),
        (1, false) if one != 1 || two != 0 || receive & 1 != 0 => return Framed::Broken(Check::SReserved),
        (1, false) => Frame::S(receive >> 1),
        (_, false) if two != 0 || receive != 0 => return Framed::Broken(Check::UFunction),
        (_, false) => match Function::of(one) {
            Some(function) => Frame::U(function),
            None => return Framed::Broken(Check::UFunction),
        },
    };
    bytes.get(..whole).map_or(Framed::Need(whole), |whole| Framed::Whole(whole, frame))
}

impl Function {
    const ALL: [Self; 6] = [Self::StartAct, Self::StartCon, Self::StopAct, Self::StopCon, Self::TestAct, Self::TestCon];

    const fn octet(self) -> u8 {
        match self {
            Self::StartAct => 0x07,
            Self::StartCon => 0x0B,
            Self::StopAct => 0x13,
            Self::StopCon => 0x23,
            Self::TestAct => 0x43,
            Self::TestCon => 0x83,
        }
    }

    fn of(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.octet() == octet)
    }
}

/// Writes a U frame.
pub(super) fn write_u(function: Function, out: &mut Out) -> Result<(), Full> {
    out.push(&[START, SHORTEST, function.octet(), 0, 0, 0])
}

/// Writes an S frame.
pub(super) fn write_s(receive: u16, out: &mut Out) -> Result<(), Full> {
    let [low, high] = numbered(receive);
    out.push(&[START, SHORTEST, 1, 0, low, high])
}

/// Writes an I frame: all of it, or nothing.
pub(super) fn write_i(send: u16, receive: u16, asdu: &[u8], out: &mut Out) -> Result<(), Full> {
    let length = u8::try_from(asdu.len()).ok().and_then(|asdu| asdu.checked_add(SHORTEST)).ok_or(Full)?;
    if length > LONGEST || out.room() < usize::from(length).saturating_add(2) {
        return Err(Full);
    }
    let ([s_low, s_high], [r_low, r_high]) = (numbered(send), numbered(receive));
    out.push(&[START, length, s_low, s_high, r_low, r_high])?;
    out.push(asdu)
}

/// A sequence number as it stands in a control field.
const fn numbered(number: u16) -> [u8; 2] {
    (number.wrapping_shl(1)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_apdu_is_read_and_what_lies_is_broken_before_its_rest_has_come() {
        let asdu = [100, 1, 6, 0, 1, 0, 0, 0, 0, 20];
        let mut out = Out::new(64);
        write_i(0x7FFF, 0x1234, &asdu, &mut out).expect("room");
        assert_eq!(out.as_slice()[..6], [0x68, 14, 0xFE, 0xFF, 0x68, 0x24]);
        assert_eq!(first(out.as_slice()), Framed::Whole(out.as_slice(), Frame::I(0x7FFF, 0x1234, &asdu)));
        for cut in 0..out.len() {
            assert!(matches!(first(&out.as_slice()[..cut]), Framed::Need(n) if n > cut), "{cut}");
        }
        for (bytes, frame) in [
            ([0x68, 4, 7, 0, 0, 0], Frame::U(Function::StartAct)),
            ([0x68, 4, 0x83, 0, 0, 0], Frame::U(Function::TestCon)),
            ([0x68, 4, 1, 0, 0x10, 0], Frame::S(8)),
        ] {
            assert_eq!(first(&bytes), Framed::Whole(&bytes, frame));
        }
        let broken: &[(&[u8], Check)] = &[
            (&[0x69], Check::ApduStart),
            (&[0x68, 3], Check::ApduLength),
            (&[0x68, 254], Check::ApduLength),
            (&[0x68, 4, 3, 0, 0, 0], Check::UFunction),
            (&[0x68, 4, 0x47, 0, 0, 0], Check::UFunction),
            (&[0x68, 4, 7, 1, 0, 0], Check::UFunction),
            (&[0x68, 4, 7, 0, 2, 0], Check::UFunction),
            (&[0x68, 4, 1, 0, 1, 0], Check::SReserved),
            (&[0x68, 4, 1, 1, 0, 0], Check::SReserved),
            (&[0x68, 4, 5, 0, 0, 0], Check::SReserved),
            (&[0x68, 4, 0, 0, 0, 0], Check::ControlForm),
            (&[0x68, 14, 7, 0, 0, 0], Check::ControlForm),
            (&[0x68, 14, 0, 0, 1, 0], Check::ReceiveNumber),
        ];
        for (bytes, check) in broken {
            assert_eq!(first(bytes), Framed::Broken(*check), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_no_apdu_carries_is_not_written() {
        let (longest, mut out) = ([0; 249], Out::new(1024));
        for too_long in [&[0; 250][..], &[0; 251], &[0; 252], &[0; 300]] {
            assert_eq!(write_i(0, 0, too_long, &mut out), Err(Full), "{}", too_long.len());
        }
        assert_eq!(write_i(0, 0, &longest, &mut Out::new(254)), Err(Full), "its head is not written alone");
        assert!(out.is_empty());
        write_i(0, 0, &longest, &mut out).expect("room");
        assert_eq!((out.len(), &out.as_slice()[..2]), (255, &[0x68, 253][..]));
    }
}
