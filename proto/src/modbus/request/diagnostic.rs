//! Which diagnostic does a request ask for, and is it answered? (FC 8, Application Protocol 6.8)

use super::{Call, Request, RequestFault};
use crate::{
    modbus::{
        function,
        refusal::{ILLEGAL_FUNCTION, ILLEGAL_VALUE},
    },
    reader::Reader,
    vocab::Reason,
};

/// Repeats its data, whatever they are.
pub(in crate::modbus) const RETURN_QUERY: u16 = 0;
/// Data FF00 clears the event log too.
const RESTART: u16 = 1;
/// The data are the delimiter, then 00.
const CHANGE_DELIMITER: u16 = 3;
/// The device falls silent until it is restarted.
const LISTEN_ONLY: u16 = 4;

/// What the answer to a diagnostic carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::modbus) enum Answered {
    /// The request itself.
    Echo,
    /// The sub-function, then two bytes of the device's own.
    Value,
}

/// Sub-functions that the standard reserves are refused as an unknown function is; data outside what a sub-function
/// carries are answered 03.
pub(super) fn read<'b>(reader: &mut Reader<'b>) -> Result<Call<'b>, RequestFault> {
    let (sub, data) = (reader.u16()?, reader.rest());
    let Some(_) = answered(sub) else {
        return Err(fault(Reason::FunctionNotAllowed, ILLEGAL_FUNCTION));
    };
    let value = Reader::new(data).u16().unwrap_or(0);
    let legal = match sub {
        RETURN_QUERY => true,
        RESTART => matches!(value, 0 | 0xFF00),
        CHANGE_DELIMITER => value & 0xFF == 0,
        _ => value == 0,
    };
    if legal { Ok(Call::Diagnostic { sub, data }) } else { Err(fault(Reason::ValueNotAllowed, ILLEGAL_VALUE)) }
}

/// What is answered to sub-function `sub`; `None` for those that the standard reserves.
pub(in crate::modbus) const fn answered(sub: u16) -> Option<Answered> {
    match sub {
        RETURN_QUERY | RESTART | CHANGE_DELIMITER | LISTEN_ONLY | 10 | 20 => Some(Answered::Echo),
        2 | 11..=18 => Some(Answered::Value),
        _ => None,
    }
}

impl Request<'_> {
    /// Whether the device answers at all: none does once it was told to listen only (FC 8/4).
    pub(crate) const fn is_answered(&self) -> bool {
        !matches!(self.call, Call::Diagnostic { sub: LISTEN_ONLY, .. })
    }

    /// Whether it may change points that it does not name: a restart sets them to what they start with, and of a
    /// function that is not understood nobody knows.
    pub(crate) const fn unsettles(&self) -> bool {
        matches!(self.call, Call::Diagnostic { sub: RESTART, .. } | Call::Opaque { .. })
    }
}

const fn fault(reason: Reason, answer: u8) -> RequestFault {
    RequestFault::Illegal { reason, answer, function: function::DIAGNOSTICS }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modbus::vectors::hex;

    #[test]
    fn each_sub_function_has_its_data() {
        for (pdu, expected) in [
            ("08 0000 a537", Ok(true)),
            ("08 0000 a537 0001 0002", Ok(true)),
            ("08 0000", Ok(true)),
            ("08 0001 0000", Ok(true)),
            ("08 0001 ff00", Ok(true)),
            ("08 0001 0001", Err(3)),
            ("08 0002 0000", Ok(true)),
            ("08 0002 0001", Err(3)),
            ("08 0003 3a00", Ok(true)),
            ("08 0003 3a01", Err(3)),
            ("08 0004 0000", Ok(false)),
            ("08 0004 0001", Err(3)),
            ("08 0005 0000", Err(1)),
            ("08 000a 0000", Ok(true)),
            ("08 0012 0000", Ok(true)),
            ("08 0012 0100", Err(3)),
            ("08 0013 0000", Err(1)),
            ("08 0014 0000", Ok(true)),
            ("08 0015 0000", Err(1)),
            ("08 ffff 0000", Err(1)),
        ] {
            let bytes = hex(pdu);
            let told = match Request::of(1, &bytes) {
                Ok(request) => Ok(request.is_answered()),
                Err(RequestFault::Illegal { answer, .. }) => Err(answer),
                Err(RequestFault::Severed(reason)) => panic!("{pdu}: {reason}"),
            };
            assert_eq!(told, expected, "{pdu}");
        }
    }

    #[test]
    fn other_sub_functions_than_0_carry_two_bytes() {
        for pdu in ["08 0001", "08 0004 0000 0000", "08 000a", "08 0000 a5", "08 00", "08"] {
            let severed = Err(RequestFault::Severed(Reason::LengthMismatch));
            assert_eq!(Request::of(1, &hex(pdu)), severed, "{pdu}");
        }
    }
}
