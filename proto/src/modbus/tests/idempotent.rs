//! Is what is read and written again the same, for every message that there is? (GEN-16; GEN-15 rests on it: what leaves is what was read)
//!
//! Requests and answers are made from random fields, each function as often as the others, legal and almost legal. What is read must
//! be written as it came, in either framing; what was changed at random must, where it still reads as anything, come to rest after one
//! turn. `SLUICEGATE_CASES` asks for more (`make soak`: ten million), `SLUICEGATE_TEST_SEED` for another run.

use std::{eprintln, vec, vec::Vec};

use super::super::{
    frame::{self, Framed, Pen, Sheet, rtu},
    function::{self, shape},
    request::Request,
    response::Response,
    vectors::hex,
};

const CASES: u64 = 200_000;

/// xorshift64*: the dice.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.byte()).collect()
    }

    /// Small, or near an end, or anything: where ranges begin and stop.
    fn word(&mut self) -> u16 {
        match self.below(4) {
            0 => self.below(200) as u16,
            1 => 65535 - self.below(200) as u16,
            _ => self.below(65536) as u16,
        }
    }

    /// A range that a message can carry.
    fn range(&mut self, most: u64) -> (u16, u16) {
        let count = 1 + self.below(most) as u16;
        let first = self.word().min(u16::MAX - (count - 1));
        (first, count)
    }

    /// A legal request, pad bits included.
    pub(super) fn request(&mut self) -> Vec<u8> {
        let words = |list: &[u16]| list.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        match self.below(20) {
            kind @ 0..=1 => {
                let (first, count) = self.range(2000);
                [vec![kind as u8 + 1], words(&[first, count])].concat()
            }
            kind @ 2..=3 => {
                let (first, count) = self.range(125);
                [vec![kind as u8 + 1], words(&[first, count])].concat()
            }
            4 => [vec![5], words(&[self.word(), [0, 0xFF00][self.below(2) as usize]])].concat(),
            5 => [vec![6], words(&[self.word(), self.word()])].concat(),
            6 => vec![[7, 11, 12, 17][self.below(4) as usize]],
            7 => {
                let data = 2 * self.below(20) as usize;
                [vec![8, 0, 0], self.bytes(data)].concat()
            }
            8 => [vec![8], words(&[[1, 2, 4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20][self.below(13) as usize], 0])]
                .concat(),
            9 | 10 => {
                let (first, count) = self.range(1968);
                let bytes = usize::from(count).div_ceil(8);
                [vec![15], words(&[first, count]), vec![bytes as u8], self.bytes(bytes)].concat()
            }
            11 => {
                let (first, count) = self.range(123);
                [vec![16], words(&[first, count]), vec![count as u8 * 2], self.bytes(usize::from(count) * 2)].concat()
            }
            12 => {
                let groups = 1 + self.below(5) as usize;
                let mut pdu = vec![20, 7 * groups as u8];
                for _ in 0..groups {
                    pdu.extend(words(&[0x0600 | 0x00FF & self.word()]).first());
                    pdu.extend(words(&[
                        1 + self.below(65535) as u16,
                        self.below(9_900) as u16,
                        1 + self.below(23) as u16,
                    ]));
                }
                pdu
            }
            13 => {
                let mut groups = Vec::new();
                for _ in 0..=self.below(3) {
                    let length = 1 + self.below(30) as u16;
                    groups.push(6);
                    groups.extend(words(&[1 + self.below(65535) as u16, self.below(9_900) as u16, length]));
                    groups.extend(self.bytes(usize::from(length) * 2));
                }
                [vec![21, groups.len() as u8], groups].concat()
            }
            14 => [vec![22], words(&[self.word(), self.word(), self.word()])].concat(),
            15 => {
                let ((read, count), (write, written)) = (self.range(125), self.range(121));
                let values = self.bytes(usize::from(written) * 2);
                [vec![23], words(&[read, count, write, written]), vec![written as u8 * 2], values].concat()
            }
            16 => [vec![24], words(&[self.word()])].concat(),
            17 => vec![43, 14, 1 + self.below(4) as u8, self.byte()],
            18 => {
                let payload = self.below(252) as usize;
                [
                    vec![[9, 10, 13, 14, 18, 19, 25, 42, 44, 65, 90, 100, 127][self.below(13) as usize]],
                    self.bytes(payload),
                ]
                .concat()
            }
            _ => {
                let payload = self.below(250) as usize;
                [vec![43, 13], self.bytes(payload)].concat()
            }
        }
    }

    /// A legal answer to `pdu`, pad bits and strange exception codes included.
    fn answer(&mut self, pdu: &[u8]) -> Vec<u8> {
        if self.below(10) == 0 {
            return vec![pdu[0] | function::EXCEPTION, self.byte()];
        }
        let word = |at: usize| usize::from(u16::from_be_bytes([pdu[at], pdu[at + 1]]));
        match pdu[0] {
            1 | 2 => {
                let bytes = word(3).div_ceil(8);
                [vec![pdu[0], bytes as u8], self.bytes(bytes)].concat()
            }
            3 | 4 | 23 => [vec![pdu[0], 2 * word(3) as u8], self.bytes(2 * word(3))].concat(),
            7 => vec![7, self.byte()],
            8 if matches!(word(1), 2 | 11..=18) => [&pdu[..3], &self.bytes(2)].concat(),
            11 => [vec![11], self.bytes(4)].concat(),
            12 => {
                let events = self.below(65) as usize;
                [vec![12, 6 + events as u8], self.bytes(6 + events)].concat()
            }
            15 | 16 => pdu[..5].to_vec(),
            17 => {
                let bytes = self.below(252) as usize;
                [vec![17, bytes as u8], self.bytes(bytes)].concat()
            }
            20 => {
                let mut groups = Vec::new();
                for group in pdu[2..].chunks(7) {
                    let bytes = 2 * usize::from(u16::from_be_bytes([group[5], group[6]]));
                    groups.extend([bytes as u8 + 1, 6]);
                    groups.extend(self.bytes(bytes));
                }
                [vec![20, groups.len() as u8], groups].concat()
            }
            24 => {
                let count = self.below(32) as u8;
                [vec![24, 0, 2 + 2 * count, 0, count], self.bytes(2 * usize::from(count))].concat()
            }
            43 if pdu[1] == 14 => {
                let mut answer = [vec![43, 14, pdu[2]], self.bytes(3)].concat();
                let objects = self.below(5) as u8;
                answer.push(objects);
                for id in 0..objects {
                    let bytes = self.below(40) as usize;
                    answer.extend([id, bytes as u8]);
                    answer.extend(self.bytes(bytes));
                }
                answer
            }
            43 => [&pdu[..2], &self.bytes(8)].concat(),
            5 | 6 | 8 | 21 | 22 => pdu.to_vec(),
            other => [vec![other], self.bytes(9)].concat(),
        }
    }

    /// One to three bytes changed, cut off or put in.
    fn spoil(&mut self, pdu: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(pdu.len().max(1) as u64) as usize;
            match self.below(4) {
                0 if pdu.len() > 1 => _ = pdu.remove(at),
                1 => pdu.insert(at, self.byte()),
                2 if !pdu.is_empty() => pdu[at] ^= 1 << self.below(8),
                _ if !pdu.is_empty() => pdu[at] = self.byte(),
                _ => {}
            }
        }
    }
}

#[test]
fn gen_16_what_is_read_is_written_as_it_came() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (seed, cases) = (number("SLUICEGATE_TEST_SEED").unwrap_or(16), number("SLUICEGATE_CASES").unwrap_or(CASES));
    eprintln!("seed {seed}, {cases} cases");
    let mut dice = Dice(seed | 1);
    let (mut spoilt_and_read, mut answers) = (0_u64, 0_u64);
    for case in 0..cases {
        let unit = dice.byte();
        let mut pdu = dice.request();
        if dice.below(4) == 0 {
            dice.spoil(&mut pdu);
            spoilt_and_read += u64::from(comes_to_rest(unit, &pdu, case));
            continue;
        }
        let request = Request::of(unit, &pdu).unwrap_or_else(|fault| panic!("case {case}: {pdu:02x?}: {fault}"));
        let written = written(&request);
        assert_eq!(request.is_canonical(&pdu), written == pdu || request.cleared_padding(), "case {case}: {pdu:02x?}");
        if !request.cleared_padding() {
            assert_eq!(written, pdu, "case {case}");
        }
        assert!(comes_to_rest(unit, &pdu, case), "case {case}");
        let (_, exception) = answered(&request, &mut dice, case);
        answers += u64::from(exception.is_none());
    }
    assert!(spoilt_and_read * 100 > cases && answers * 2 > cases, "{spoilt_and_read} and {answers} of {cases}");
}

fn written(request: &Request<'_>) -> Vec<u8> {
    let mut sheet = Sheet::new();
    request.write(&mut sheet);
    sheet.as_slice().to_vec()
}

/// Whether `pdu` reads as anything. If so, one turn makes it canonical, and each turn more changes nothing, in either framing.
fn comes_to_rest(unit: u8, pdu: &[u8], case: u64) -> bool {
    let Ok(request) = Request::of(unit, pdu) else { return false };
    let once = written(&request);
    let again = Request::of(unit, &once).expect("what we write is legal");
    assert_eq!(again, request, "case {case}: {pdu:02x?}");
    assert_eq!(written(&again), once, "case {case}: {pdu:02x?}");
    assert!(again.is_canonical(&once) && !again.cleared_padding(), "case {case}: {pdu:02x?}");
    let over_tcp = Sheet::adu(0x1234, unit, |sheet| request.write(sheet));
    let Framed::Whole(adu) = frame::first(over_tcp.as_slice(), shape) else { panic!("case {case}: {pdu:02x?}") };
    assert_eq!((adu.id, adu.unit, adu.pdu, adu.frame), (0x1234, unit, &once[..], over_tcp.as_slice()), "case {case}");
    let over_rtu = rtu::adu(unit, |sheet| request.write(sheet));
    if rtu::is_one_request(over_rtu.as_slice()) {
        let Framed::Whole(adu) = rtu::request(over_rtu.as_slice()) else { panic!("case {case}: {pdu:02x?}") };
        assert_eq!((adu.unit, adu.pdu), (unit, &once[..]), "case {case}");
    }
    true
}

/// An answer that fits is written as it came but for what we repair, reads the same again, and ends in RTU where its request says.
fn answered(request: &Request<'_>, dice: &mut Dice, case: u64) -> (Vec<u8>, Option<u8>) {
    let (unit, asked) = (u8::try_from(request.unit()).expect("a unit"), written(request));
    let asked = Request::of(unit, &asked).expect("legal");
    let said = dice.answer(&written(&asked));
    let (response, exception) =
        Response::read(asked, unit, &said).unwrap_or_else(|fault| panic!("case {case}: {said:02x?}: {fault}"));
    let mut sheet = Sheet::new();
    response.write(&mut sheet);
    let ours = sheet.as_slice();
    let repaired = response.cleared_padding() || exception != response.exception();
    assert_eq!(ours != said, repaired, "case {case}: {said:02x?}");
    let (again, _) = Response::read(asked, unit, ours).expect("what we write fits");
    let mut second = Sheet::new();
    again.write(&mut second);
    assert_eq!(second.as_slice(), ours, "case {case}: {said:02x?}");
    assert_eq!(again == response, !repaired || response.cleared_padding(), "case {case}: {said:02x?}");
    let pdu = written(&asked);
    let adu = rtu::adu(unit, |sheet| sheet.put(&said));
    if rtu::is_one_request(rtu::adu(unit, |sheet| sheet.put(&pdu)).as_slice()) {
        let Framed::Whole(whole) = rtu::response(adu.as_slice(), &pdu) else { panic!("case {case}: {said:02x?}") };
        assert_eq!(whole.frame, adu.as_slice(), "case {case}");
    }
    (said, exception)
}

/// MB-24, MB-25, MB-26 and CVE-2022-20685: what a lie about sub-requests costs is bounded by what an honest request costs, counted in the fields
/// that are read and the deeds that are visited. Nothing is counted down from a number that the peer wrote.
#[test]
fn mb_24_a_lie_about_sub_requests_takes_no_more_steps_than_the_truth() {
    let full = |function: u8, group: &str, times: usize| {
        let groups = hex(&group.repeat(times));
        [&[function, groups.len() as u8][..], &groups].concat()
    };
    let honest = [full(20, "06000100000001", 35), full(21, "0600010000000101ff", 27)];
    let most = honest.iter().map(|pdu| steps(pdu)).max().expect("two");
    assert!(most < 2_000, "{most} steps");
    for pdu in [
        hex("15 07 06 0000 0000 ffff"),
        hex("15 09 06 0001 0000 ffff 0000"),
        full(20, "0600010000ffff", 35),
        full(20, "0600010000007c", 35),
        full(20, "06ffff270f0001", 35),
        full(21, "06000100000000", 35),
        full(21, "0600010000ffff", 35),
        full(21, "0600010000000001", 31),
    ] {
        assert!(steps(&pdu) <= most, "{} steps of {most}: {pdu:02x?}", steps(&pdu));
    }
    let mut dice = Dice(24);
    for _ in 0..20_000 {
        let mut pdu = honest[dice.below(2) as usize].clone();
        dice.spoil(&mut pdu);
        assert!(steps(&pdu) <= most, "{pdu:02x?}");
    }
}

fn steps(pdu: &[u8]) -> u64 {
    let before = crate::reader::steps();
    let mut deeds = 0;
    if let Ok(request) = Request::of(1, pdu) {
        let _ = request.deeds::<()>(&mut |_| {
            deeds += 1;
            core::ops::ControlFlow::Continue(())
        });
    }
    crate::reader::steps() - before + deeds
}
