//! Does anybody read what we let through as something else, or read cleanly what we refuse? (GEN-15, S2, S8)
//!
//! ```text
//! random     numbers from a seed        legal   one message of every function
//! mutate     what a liar does to it     gate    what we read, and what leaves us
//! clause     a second reading of the standard: what forbids a message
//! rust       sawp-modbus and rmodbus    children, oracles.py   scapy and pymodbus, in processes of their own
//! known      what these four cannot read, and where they are wrong
//! ```
//! Requests and answers, MBAP and RTU, several to a segment, most of them with one lie or two. Every reader gets every
//! message. An oracle is evidence, not truth: where one differs, `known` says why, or the test fails.
//!
//! The seed is printed. `SLUICEGATE_TEST_SEED` sets another, `SLUICEGATE_MUTATIONS` how many lies are told (10^6), and
//! `SLUICEGATE_CASE` the number of one case, which is then shown as each reads it.

mod children;
mod clause;
mod gate;
mod known;
mod legal;
mod mutate;
mod random;
mod rust;

use std::collections::BTreeMap;

pub(crate) use self::random::Random;
use self::{children::Library, gate::Gate, known::Why};
use crate::peers::python;

const MUTATIONS: u64 = 1_000_000;
/// Cases handed over at once.
const BATCH: u64 = 2_000;
const ORACLES: [&str; 4] = ["scapy", "pymodbus", "sawp", "rmodbus"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Tcp,
    Rtu,
}

/// One stream of bytes.
struct Case {
    number: u64,
    /// Whether a lie was told.
    mutated: bool,
    side: Side,
    framing: Framing,
    /// For an answer: the legal request, framed.
    asked: Vec<u8>,
    bytes: Vec<u8>,
}

/// One message of a case, from its first byte to the end of the stream.
#[derive(Debug)]
struct Item {
    case: u64,
    side: Side,
    framing: Framing,
    bytes: Vec<u8>,
    /// For an answer: what was asked, and of which unit.
    asked: Vec<u8>,
    asked_unit: u8,
    /// Whether a message before it had the request's id, so that no request waits for this one.
    settled: bool,
    verdict: Verdict,
}

/// What became of a message here.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It left as this.
    Passed { used: usize, unit: u8, pdu: Vec<u8> },
    /// It is answered or dropped, and what follows is read.
    Refused(&'static str),
    /// The session ends.
    Severed(&'static str),
    /// It is not whole.
    Partial,
}

/// What an oracle makes of a message.
#[derive(Debug)]
enum Reading {
    Refused,
    Waits,
    Read { used: usize, id: u16, unit: u8, pdu: Vec<u8> },
}

impl Case {
    fn asked_pdu(&self) -> Vec<u8> {
        match self.framing {
            Framing::Tcp => self.asked[7..].to_vec(),
            Framing::Rtu => self.asked[1..self.asked.len() - 2].to_vec(),
        }
    }
}

impl Item {
    fn of(case: &Case, bytes: &[u8], settled: bool, verdict: Verdict) -> Self {
        Self {
            case: case.number,
            side: case.side,
            framing: case.framing,
            bytes: bytes.to_vec(),
            asked: case.asked_pdu(),
            asked_unit: case.asked[if case.framing == Framing::Tcp { 6 } else { 0 }],
            settled,
            verdict,
        }
    }

    /// The transaction id as it came; RTU has none.
    fn id(&self) -> u16 {
        match self.framing {
            Framing::Tcp => u16::from_be_bytes([self.bytes[0], self.bytes[1]]),
            Framing::Rtu => 0,
        }
    }
}

/// What was counted.
#[derive(Default)]
struct Tally {
    cases: u64,
    mutated: u64,
    passed: u64,
    refused: BTreeMap<&'static str, u64>,
    oracles: BTreeMap<&'static str, PerOracle>,
    /// Messages that passed, by side, framing and function.
    functions: BTreeMap<(bool, bool, u8), u64>,
}

/// What one oracle made of it.
#[derive(Default)]
struct PerOracle {
    /// Read as we read it.
    same: u64,
    /// Passed here, not read there, and why.
    unread: BTreeMap<Why, u64>,
    /// Passed here, read there as something that it is not, and why that is an error there.
    mistaken: BTreeMap<Why, u64>,
    /// Refused here, read there, and the clause that forbids it.
    laxer: BTreeMap<&'static str, u64>,
}

#[test]
fn gen_15_nobody_reads_what_we_let_through_as_something_else() {
    let Some(python) = python() else { return };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("SLUICEGATE_TEST_SEED").unwrap_or(0x0DD5);
    let wanted = number("SLUICEGATE_MUTATIONS").unwrap_or(MUTATIONS);
    let single = number("SLUICEGATE_CASE");
    eprintln!("seed {seed}");
    let mut children = ["scapy", "pymodbus"].map(|name| Library::start(&python, name));
    let (gate, mut tally, mut next) = (Gate::new(), Tally::default(), single.unwrap_or(0));
    while tally.mutated < wanted && (single.is_none() || tally.cases == 0) {
        let until = if single.is_some() { next + 1 } else { next + BATCH };
        let mut items = Vec::new();
        for case in (next..until).map(|number| mutate::case(seed, number)) {
            tally.cases += 1;
            tally.mutated += u64::from(case.mutated);
            let here = gate.items(&case);
            // S8: what is legal as it was made passes; only what nobody answers (FC 8/4) has no answer that could.
            let passes = matches!(here[0].verdict, Verdict::Passed { .. });
            assert!(passes || case.mutated || here[0].asked.starts_with(&[8, 0, 4]), "legal, and refused: {here:02x?}");
            items.extend(here);
        }
        next = until;
        children.iter_mut().for_each(|child| child.ask(&items));
        // Ours work while the others do.
        let ours: Vec<_> = items.iter().map(|item| [rust::sawp(item), rust::rmodbus(item)]).collect();
        let clauses: Vec<_> = items.iter().map(clause::broken).collect();
        let [scapy, pymodbus] = &mut children;
        let theirs = scapy.told(items.len()).into_iter().zip(pymodbus.told(items.len()));
        for (((item, clause), [sawp, rmodbus]), (scapy, pymodbus)) in items.iter().zip(clauses).zip(ours).zip(theirs) {
            let readings = [scapy, pymodbus, sawp, rmodbus];
            if single.is_some() {
                eprintln!("{item:02x?}\nforbidden by {clause:?}\n{ORACLES:?}: {readings:02x?}\n");
            }
            tally.add(item, clause, &readings).unwrap_or_else(|why| {
                panic!(
                    "{why}\n{item:02x?}\nforbidden by {clause:?}\n{ORACLES:?}: {readings:02x?}\n\
                     again: SLUICEGATE_TEST_SEED={seed} SLUICEGATE_CASE={}",
                    item.case
                )
            });
        }
    }
    tally.report();
    if single.is_none() {
        tally.check();
    }
}

impl Tally {
    fn add(&mut self, item: &Item, clause: Option<&'static str>, readings: &[Reading; 4]) -> Result<(), String> {
        match (&item.verdict, clause) {
            (Verdict::Passed { pdu, .. }, None) => {
                self.passed += 1;
                let key = (item.side == Side::Response, item.framing == Framing::Rtu, pdu[0]);
                *self.functions.entry(key).or_default() += 1;
            }
            (Verdict::Refused(_) | Verdict::Severed(_), Some(clause)) => *self.refused.entry(clause).or_default() += 1,
            (Verdict::Partial, None) => return Ok(()),
            (Verdict::Passed { .. } | Verdict::Partial, Some(clause)) => {
                return Err(format!("we let through what a clause forbids: {clause}"));
            }
            (Verdict::Refused(reason) | Verdict::Severed(reason), None) => {
                return Err(format!("we refuse ({reason}) what no clause forbids"));
            }
        }
        for (name, reading) in ORACLES.into_iter().zip(readings) {
            let counts = self.oracles.entry(name).or_default();
            match (&item.verdict, reading) {
                (Verdict::Passed { .. }, Reading::Refused | Reading::Waits) => {
                    let why =
                        known::unread(name, item).ok_or_else(|| format!("{name} cannot read what we let through"))?;
                    *counts.unread.entry(why).or_default() += 1;
                }
                (Verdict::Passed { used, unit, pdu }, Reading::Read { used: theirs, id, unit: of, pdu: told }) => {
                    let told = known::repaired(item, told);
                    if (*id, of, &told) == (item.id(), unit, pdu) && (*theirs == 0 || theirs == used) {
                        counts.same += 1;
                    } else {
                        let why = known::mistaken(name, item, *theirs, &told)
                            .ok_or_else(|| format!("{name} reads what we let through as something else"))?;
                        *counts.mistaken.entry(why).or_default() += 1;
                    }
                }
                (_, Reading::Read { .. }) => *counts.laxer.entry(clause.unwrap_or_default()).or_default() += 1,
                (_, Reading::Refused | Reading::Waits) => {}
            }
        }
        Ok(())
    }

    fn report(&self) {
        let refused: u64 = self.refused.values().sum();
        eprintln!(
            "{} cases, {} with lies; {} messages passed, {refused} refused",
            self.cases, self.mutated, self.passed
        );
        self.refused.iter().for_each(|(clause, count)| eprintln!("  {count:>8}  {clause}"));
        for (name, one) in &self.oracles {
            let laxer: u64 = one.laxer.values().sum();
            eprintln!("{name}: {} as we do; {laxer} that a clause forbids", one.same);
            one.laxer.iter().for_each(|(clause, count)| eprintln!("  {count:>8}  laxer: {clause}"));
            one.unread.iter().for_each(|(why, count)| eprintln!("  {count:>8}  unread: {why}"));
            one.mistaken.iter().for_each(|(why, count)| eprintln!("  {count:>8}  mistaken: {why}"));
        }
    }

    /// That nothing of this was vacuous.
    fn check(&self) {
        assert!(self.passed * 4 > self.cases, "most cases would be refused: {} of {} passed", self.passed, self.cases);
        let share = self.cases / 20_000;
        for function in legal::DESCRIBED {
            for side in [false, true] {
                for rtu in [false, true] {
                    let count = self.functions.get(&(side, rtu, *function)).copied().unwrap_or(0);
                    assert!(count >= share, "function {function} passed {count} times (answer: {side}, RTU: {rtu})");
                }
            }
        }
        for (name, one) in &self.oracles {
            assert!(one.same * 10 > self.passed, "{name} read only {} of {} as we do", one.same, self.passed);
            assert!(!one.laxer.is_empty(), "{name} was never asked for what is forbidden");
        }
    }
}
