//! How do sawp-modbus and rmodbus read these bytes?
//!
//! As in `oracles.py`: the PDU is written again from the fields that they report, counts worked out anew.

use rmodbus::{
    ModbusProto,
    client::ModbusRequest,
    consts::ModbusFunction,
    server::{ModbusFrame, Write as External},
};
use sawp::parser::{Direction, Parse};
use sawp_modbus::{Data, Message, Modbus, Read, Write};

use super::{Framing, Item, Reading, Side};

/// The Canadian Centre for Cyber Security's parser.
pub(super) fn sawp(item: &Item) -> Reading {
    if item.framing == Framing::Rtu {
        return Reading::Refused;
    }
    let direction = if item.side == Side::Request { Direction::ToServer } else { Direction::ToClient };
    match Modbus::default().parse(&item.bytes, direction) {
        Ok((rest, Some(message))) => {
            // What it flags it reads all the same, but not cleanly.
            match written(&message) {
                Some(pdu) if message.error_flags.is_empty() => Reading::Read {
                    used: item.bytes.len() - rest.len(),
                    id: message.transaction_id,
                    unit: message.unit_id,
                    pdu,
                },
                _ => Reading::Refused,
            }
        }
        Ok((_, None)) => Reading::Waits,
        Err(error) if matches!(error.kind, sawp::error::ErrorKind::Incomplete(_)) => Reading::Waits,
        Err(_) => Reading::Refused,
    }
}

fn written(message: &Message) -> Option<Vec<u8>> {
    let mut pdu = vec![message.function.raw];
    match &message.data {
        Data::Exception(exception) => pdu.push(exception.raw),
        Data::Diagnostic { func, data } => {
            words(&[func.raw], &mut pdu);
            pdu.extend(data);
        }
        Data::MEI { mei_type, data } => {
            pdu.push(mei_type.raw);
            pdu.extend(data);
        }
        Data::Read(read) => reading(read, &mut pdu),
        Data::Write(write) => writing(write, &mut pdu),
        Data::ReadWrite { read, write } => {
            reading(read, &mut pdu);
            writing(write, &mut pdu);
        }
        Data::ByteVec(bytes) => pdu.extend(bytes),
        Data::Empty => return None,
    }
    Some(pdu)
}

fn reading(read: &Read, pdu: &mut Vec<u8>) {
    match read {
        Read::Request { address, quantity } => words(&[*address, *quantity], pdu),
        Read::Response(bytes) => counted(bytes, pdu),
    }
}

fn writing(write: &Write, pdu: &mut Vec<u8>) {
    match write {
        Write::MultReq { address, quantity, data } => {
            words(&[*address, *quantity], pdu);
            counted(data, pdu);
        }
        Write::Mask { address, and_mask, or_mask } => words(&[*address, *and_mask, *or_mask], pdu),
        Write::Other { address, data } => words(&[*address, *data], pdu),
    }
}

/// A server and client framework of Altertech: FC 1 to 6, 15 and 16.
pub(super) fn rmodbus(item: &Item) -> Reading {
    match item.side {
        Side::Request => served(item),
        Side::Response => answered(item),
    }
}

fn served(item: &Item) -> Reading {
    let (proto, start) = proto(item.framing);
    let Ok(used) = rmodbus::guess_request_frame_len(&item.bytes, proto) else { return Reading::Refused };
    let used = usize::from(used);
    let Some(frame) = item.bytes.get(..used) else { return Reading::Waits };
    let Some(&unit) = frame.get(start) else { return Reading::Refused };
    // Where a byte count says more than is there it panics, and where it is over 248 the sum of the bytes under the CRC
    // overflows.
    let short = |count: &u8| *count > 248 || start + 7 + usize::from(*count) > frame.len();
    if matches!(frame.get(start + 1), Some(15 | 16)) && frame.get(start + 6).is_some_and(short) {
        return Reading::Refused;
    }
    let mut answer = Vec::new();
    let mut request = ModbusFrame::new(unit, frame, proto, &mut answer).with_broadcast_units(&[]);
    if request.parse().is_err() || request.error.is_some() || !request.processing_required {
        return Reading::Refused;
    }
    let mut pdu = vec![request.responding_to_fn];
    if request.readonly {
        words(&[request.reg, request.count], &mut pdu);
    } else {
        let (single, bits) = (matches!(pdu[0], 5 | 6), matches!(pdu[0], 5 | 15));
        let (address, count, data) = match request.get_external_write() {
            Ok(External::Bits(bits)) => (bits.address, bits.count, bits.data.to_vec()),
            Ok(External::Words(words)) => (words.address, words.count, words.data.to_vec()),
            Err(_) => return Reading::Refused,
        };
        words(&[address], &mut pdu);
        match (single, bits) {
            (true, true) => pdu.extend([if data == [1] { 0xFF } else { 0 }, 0]),
            (true, false) => pdu.extend(data),
            (false, _) => {
                words(&[count], &mut pdu);
                counted(&data, &mut pdu);
            }
        }
    }
    Reading::Read { used, id: item.id(), unit, pdu }
}

fn answered(item: &Item) -> Reading {
    let (proto, start) = proto(item.framing);
    let Ok(used) = rmodbus::guess_response_frame_len(&item.bytes, proto) else { return Reading::Refused };
    let used = usize::from(used);
    let Some(frame) = item.bytes.get(..used) else { return Reading::Waits };
    let asked = &item.asked;
    let Ok(function) = ModbusFunction::try_from(asked[0]) else { return Reading::Refused };
    let field = |at: usize| u16::from_be_bytes([asked[at], asked[at + 1]]);
    let mut client = ModbusRequest::new(item.asked_unit, proto);
    (client.tr_id, client.func, client.reg, client.count) = (1, function, field(1), field(3));
    // It takes one byte off an empty list of registers, and panics.
    if frame.len() < start + if item.framing == Framing::Rtu { 6 } else { 4 } {
        return Reading::Refused;
    }
    let mut pdu = vec![asked[0]];
    match asked[0] {
        1 | 2 => {
            let mut bits: Vec<bool> = Vec::new();
            if client.parse_bool(frame, &mut bits).is_err() {
                return Reading::Refused;
            }
            let mut packed = vec![0_u8; bits.len().div_ceil(8)];
            bits.iter().enumerate().filter(|(_, on)| **on).for_each(|(at, _)| packed[at / 8] |= 1 << (at % 8));
            counted(&packed, &mut pdu);
        }
        3 | 4 => {
            let mut values: Vec<u16> = Vec::new();
            if client.parse_u16(frame, &mut values).is_err() {
                return Reading::Refused;
            }
            pdu.push((2 * values.len()) as u8);
            words(&values, &mut pdu);
        }
        _ => match client.parse_slice(frame) {
            Ok(bytes) => pdu.extend(bytes),
            Err(_) => return Reading::Refused,
        },
    }
    Reading::Read { used, id: item.id(), unit: frame[start], pdu }
}

fn proto(framing: Framing) -> (ModbusProto, usize) {
    match framing {
        Framing::Tcp => (ModbusProto::TcpUdp, 6),
        Framing::Rtu => (ModbusProto::Rtu, 0),
    }
}

fn words(values: &[u16], into: &mut Vec<u8>) {
    values.iter().for_each(|value| into.extend(value.to_be_bytes()));
}

fn counted(bytes: &[u8], into: &mut Vec<u8>) {
    into.push(bytes.len() as u8);
    into.extend(bytes);
}
