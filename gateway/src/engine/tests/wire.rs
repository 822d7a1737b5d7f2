//! What do Modbus/TCP frames look like, in the fewest words?

/// Bytes from hex, blanks ignored.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|one| !one.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

/// Hex from bytes.
pub(super) fn show(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A frame to unit 1.
pub(super) fn frame(id: u16, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).expect("short");
    [&id.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[1], pdu].concat()
}

/// Read holding registers.
pub(super) fn read(id: u16, first: u16, count: u16) -> Vec<u8> {
    frame(id, &[&[3][..], &first.to_be_bytes(), &count.to_be_bytes()].concat())
}

/// Write one holding register.
pub(super) fn write(id: u16, address: u16, value: u16) -> Vec<u8> {
    frame(id, &[&[6][..], &address.to_be_bytes(), &value.to_be_bytes()].concat())
}

/// Write several holding registers.
pub(super) fn write_many(id: u16, first: u16, values: &[u16]) -> Vec<u8> {
    let count = u16::try_from(values.len()).expect("few");
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
    let size = u8::try_from(bytes.len()).expect("few");
    frame(id, &[&[16][..], &first.to_be_bytes(), &count.to_be_bytes(), &[size], &bytes].concat())
}

/// Write one coil.
pub(super) fn coil(id: u16, address: u16, on: bool) -> Vec<u8> {
    frame(id, &[&[5][..], &address.to_be_bytes(), &[if on { 0xFF } else { 0 }, 0]].concat())
}

/// The answer to a read of registers.
pub(super) fn registers(id: u16, function: u8, values: &[u16]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
    frame(id, &[&[function, u8::try_from(bytes.len()).expect("few")][..], &bytes].concat())
}

/// An exception.
pub(super) fn exception(id: u16, function: u8, code: u8) -> Vec<u8> {
    frame(id, &[function | 0x80, code])
}

/// The whole frames of a stream.
pub(super) fn frames(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while stream.len() >= 8 {
        let length = 6 + usize::from(u16::from_be_bytes([stream[4], stream[5]]));
        all.push(stream[..length].to_vec());
        stream = &stream[length..];
    }
    assert!(stream.is_empty(), "half a frame: {}", show(stream));
    all
}

/// What a frame says, short: `3 ok`, `3 fn 6`, `3 fn 6 error 2`.
pub(super) fn brief(adu: &[u8]) -> String {
    let id = u16::from_be_bytes([adu[0], adu[1]]);
    if adu[7] & 0x80 == 0 { format!("{id} ok") } else { format!("{id} error {:02X}", adu[8]) }
}
