//! No capture breaks `decode` or `replay`, whatever it holds and whatever it is said to hold.

use std::{path::Path, process::Command};

use sluicegate_config::Loaded;
use sluicegate_proto::protocol::Protocol;

use super::{
    PROTOCOLS, corpora, decode, kept,
    replay::{replay, site},
    writer::{Talk, adu, capture},
};

/// Numbers that follow from a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).expect("small")).expect("small")
    }
}

const SEED: u64 = 20_261_125;

#[test]
fn every_capture_of_every_protocol_goes_through_with_every_protocol() {
    let loaded = site("enforce", "10.0.0.0/8", "hmi read holding 0-99");
    let captures: Vec<_> = PROTOCOLS.iter().flat_map(|one| corpora(one)).chain(kept()).collect();
    for capture in &captures {
        for protocol in Protocol::ALL {
            let (_, summary) = decode(capture, *protocol, &[]);
            assert!(summary["packets"].as_u64() > Some(0), "{}: {summary}", capture.display());
        }
        let (lines, summary) = replay(&loaded, capture, "scada", &[]);
        assert!(summary["packets"].as_u64() > Some(0), "{}: {summary}", capture.display());
        assert!(lines.iter().all(|line| line.get("verdict").is_some()), "{}", capture.display());
    }
    println!("{} captures", captures.len());
}

/// Decodes and replays bytes; whatever they are, it ends in an answer.
fn survives(loaded: &Loaded, bytes: &[u8], what: &str) -> bool {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("it is writable");
    let path: &Path = file.path();
    let opened = sluicegate::capture::Packets::open(path).is_ok();
    if opened {
        let (_, summary) = decode(path, Protocol::Modbus, &[]);
        assert!(summary.is_object(), "{what}");
        replay(loaded, path, "scada", &[]);
    }
    opened
}

#[test]
fn mutated_captures_end_in_an_answer() {
    let loaded = site("enforce", "127.0.0.0/8", "any read holding 0-99");
    let mut numbers = Numbers(SEED);
    for capture in kept() {
        let whole = std::fs::read(&capture).expect("it is readable");
        for round in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..=numbers.below(8) {
                let at = numbers.below(bytes.len());
                match numbers.below(4) {
                    0 => bytes[at] = u8::try_from(numbers.next() & 0xFF).expect("a byte"),
                    1 => bytes[at] ^= 1 << numbers.below(8),
                    2 => bytes.truncate(at.max(1)),
                    _ => {
                        let end = (at + numbers.below(64)).min(bytes.len());
                        let copied = bytes[at..end].to_vec();
                        bytes.splice(at..at, copied);
                    }
                }
            }
            survives(&loaded, &bytes, &format!("{} seed {SEED} round {round}", capture.display()));
        }
    }
}

#[test]
fn a_capture_cut_off_anywhere_is_read_to_there_or_refused_with_a_reason() {
    let loaded = site("enforce", "127.0.0.0/8", "any read holding 0-99");
    let whole = std::fs::read(super::repository().join("tests/captures/generated__modbus_tokio.pcapng")).expect("kept");
    let opened = (0..whole.len()).filter(|end| survives(&loaded, &whole[..*end], &format!("cut at {end}"))).count();
    assert!(opened > whole.len() - 200, "only a cut section header is no capture: {opened} of {}", whole.len());
    let mut talk = Talk::new("10.1.1.5:40000", "10.1.1.9:502");
    talk.asks(&adu(1, 1, &[3, 0, 0, 0, 1]));
    let bytes = capture(&talk.pieces);
    (0..bytes.len()).for_each(|end| {
        survives(&loaded, &bytes[..end], &format!("pcap cut at {end}"));
    });
}

#[test]
fn random_bytes_are_no_capture_and_the_command_says_so() {
    let loaded = site("enforce", "127.0.0.0/8", "any read holding 0-99");
    let mut numbers = Numbers(SEED);
    for round in 0..300 {
        let mut bytes: Vec<u8> =
            (0..numbers.below(600)).map(|_| u8::try_from(numbers.next() & 0xFF).expect("a byte")).collect();
        // Half of them behind a good head.
        if round % 2 == 0 {
            let head = [0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
            bytes.splice(0..0, head);
        }
        survives(&loaded, &bytes, &format!("seed {SEED} round {round}"));
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let broken = {
        let mut talk = Talk::new("10.1.1.5:40000", "10.1.1.9:502");
        talk.asks(&adu(1, 1, &[3, 0, 0, 0, 1])).asks(&adu(2, 1, &[3, 0, 0, 0, 1]));
        let mut bytes = capture(&talk.pieces);
        let last = bytes.len() - 16 - 66 + 8;
        bytes[last..last + 4].copy_from_slice(&[0xFF; 4]);
        bytes
    };
    for (name, bytes, code, says) in [
        ("empty", Vec::new(), 2, "this is no capture"),
        ("text", b"frame,time,direction\n".to_vec(), 2, "this is no capture"),
        ("broken", broken, 2, "a packet claims more bytes than any packet has"),
    ] {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).expect("it is writable");
        let output = Command::new(env!("CARGO_BIN_EXE_sluicegate"))
            .args(["decode", "--protocol", "modbus", "--json"])
            .arg(&file)
            .output()
            .expect("the binary was just built");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.contains(says)), (Some(code), true), "{name}: {told}");
    }
    let gone = Command::new(env!("CARGO_BIN_EXE_sluicegate"))
        .args(["decode", "--protocol", "modbus", "/nonexistent.pcap"])
        .status()
        .expect("the binary was just built");
    assert_eq!(gone.code(), Some(2));
}
