//! What does an obedient device answer?

use super::Bench;

impl Bench {
    pub(super) fn obey(&mut self, adu: &[u8]) -> Vec<u8> {
        let word = |at: usize| u16::from_be_bytes([adu[at], adu[at + 1]]);
        let (id, function) = (word(0), adu[7]);
        let mut pdu = vec![function];
        match function {
            1 | 2 => {
                let mut bytes = vec![0u8; usize::from(word(10)).div_ceil(8)];
                for bit in 0..word(10) {
                    let on = self.memory.get(&(function, word(8) + bit)).is_some_and(|value| *value != 0);
                    bytes[usize::from(bit / 8)] |= u8::from(on) << (bit % 8);
                }
                pdu.push(u8::try_from(bytes.len()).expect("few"));
                pdu.extend(bytes);
            }
            3 | 4 => {
                pdu.push(u8::try_from(2 * word(10)).expect("few"));
                for address in word(8)..word(8) + word(10) {
                    pdu.extend(self.memory.get(&(function, address)).copied().unwrap_or(0).to_be_bytes());
                }
            }
            5 | 6 => {
                let object = if function == 5 { 1 } else { 3 };
                self.memory.insert((object, word(8)), word(10));
                pdu.extend(&adu[8..12]);
            }
            16 => {
                for (address, pair) in (word(8)..).zip(adu[13..].chunks(2)) {
                    self.memory.insert((3, address), u16::from_be_bytes([pair[0], pair[1]]));
                }
                pdu.extend(&adu[8..12]);
            }
            other => panic!("function {other} reached the device"),
        }
        super::super::wire::frame(id, &pdu)
    }
}
