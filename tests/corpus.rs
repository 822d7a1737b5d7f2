//! Does what fuzzing found stay harmless? (GEN-16)
//!
//! Every line of `fuzz/seeds`, and seeded mutations of each, through the entry that its fuzz target calls. `make fuzz` goes
//! on from the same lines, guided by coverage. The seed is printed; `SLUICEGATE_TEST_SEED` sets another.

use std::collections::BTreeSet;

use sluicegate_proto::{iec104, modbus, sentence};

use crate::{differential::Random, gate::repository};

struct Target {
    name: &'static str,
    entry: fn(&[u8]),
    /// Mutations of each line.
    mutations: u64,
}

/// A configuration takes a thousand times as long to read as a message.
const TARGETS: &[Target] = &[
    Target { name: "iec104_peer", entry: iec104::fuzz_peer, mutations: 100 },
    Target { name: "iec104_device", entry: iec104::fuzz_device, mutations: 100 },
    Target { name: "iec104_asdu", entry: iec104::fuzz_asdu, mutations: 400 },
    Target { name: "modbus_peer", entry: modbus::fuzz_peer, mutations: 100 },
    Target { name: "modbus_device", entry: modbus::fuzz_device, mutations: 100 },
    Target { name: "modbus_request", entry: modbus::fuzz_request, mutations: 400 },
    Target { name: "modbus_response", entry: modbus::fuzz_response, mutations: 400 },
    Target { name: "sentence", entry: sentence::fuzz_sentence, mutations: 20 },
    Target { name: "config", entry: sluicegate_config::fuzz_text, mutations: 4 },
];

#[test]
fn gen_16_the_kept_corpus_and_what_is_near_it_are_harmless() {
    let seed = std::env::var("SLUICEGATE_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0xF00D_u64);
    eprintln!("seed {seed}");
    for target in TARGETS {
        let lines = kept(target.name);
        assert!(lines.len() >= 20, "{} keeps only {} lines", target.name, lines.len());
        let mut tried = 0_u64;
        for (at, line) in lines.iter().enumerate() {
            run(target, line);
            for n in 0..target.mutations {
                let mut random = Random::new(seed, at as u64 * target.mutations + n);
                run(target, &mutated(&mut random, line, &lines));
                tried += 1;
            }
        }
        eprintln!("{}: {} lines, {tried} mutations", target.name, lines.len());
    }
}

#[test]
fn every_fuzz_target_keeps_a_corpus_and_is_run_here() {
    let named = |folder: &str, ending: &str| -> BTreeSet<String> {
        let files = std::fs::read_dir(repository().join("fuzz").join(folder)).expect("the folder is there");
        let names = files.map(|file| file.expect("readable").file_name().to_string_lossy().into_owned());
        names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
    };
    let here: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(named("fuzz_targets", ".rs"), here);
    assert_eq!(named("seeds", ".hex"), here);
    let makefile = std::fs::read_to_string(repository().join("Makefile")).expect("the file is there");
    for target in TARGETS {
        assert!(makefile.split_whitespace().any(|word| word == target.name), "make fuzz leaves out {}", target.name);
    }
}

/// The bytes that each line of a target's kept corpus names.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let file = repository().join("fuzz/seeds").join(name).with_extension("hex");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let byte = |line: &str, at| u8::from_str_radix(&line[at..at + 2], 16).unwrap_or_else(|_| panic!("{name}: {line}"));
    text.lines().map(|line| (0..line.len()).step_by(2).map(|at| byte(line, at)).collect()).collect()
}

/// Runs one input; where the entry panics, the input is printed as a line to keep.
fn run(target: &Target, bytes: &[u8]) {
    if std::panic::catch_unwind(|| (target.entry)(bytes)).is_err() {
        let line: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{} fails on {line}", target.name);
    }
}

/// One to four small changes: a byte, a bit, a piece lost, doubled, or taken from another line.
fn mutated(random: &mut Random, line: &[u8], lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = line.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 | 1 if at < bytes.len() => bytes[at] = random.byte(),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 => {
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            4 => {
                let end = (at + 1 + random.below(16)).min(bytes.len());
                let piece = bytes[at.min(end)..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = &lines[random.below(lines.len())];
                let from = random.below(other.len() + 1);
                let piece = other[from..(from + random.below(24)).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}
