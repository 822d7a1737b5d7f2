//! A thousand pairs of random policies: what the difference says, against what the two compiled judges decide.
//!
//! ```text
//! some pairs      every address from 0 to 65535, a read and a write of each; the others: every end of a range, one before
//!                 and one behind, and random ones
//! every message   by both judges, at every time: what differs must be told, and what is told must differ that way
//! every sentence  reads back as itself, and as a rule of its own allows exactly the points that it tells
//! ```
//!
//! `SLUICEGATE_TEST_SEED` sets another seed, `SLUICEGATE_TEST_PAIRS` another number of pairs.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc, time::Duration};

use sluicegate_proto::{
    deed::Deed,
    half::{Body, Input, PeerOptions, Step},
    iec104::{Asdu, Direction},
    out::Out,
    policy::{Budgets, Held, Known, Plan, Verdict, View, compile},
    protocol::{Message, PeerHalf, Protocol},
    sentence::{Addressing, Form, Sentence},
    time::{Mono, Now, ScheduleSet},
    vocab::Reason,
};

use super::{
    super::{Change, Kind, Said, What},
    changes, in_words, plan, scada,
};

const PAIRS: usize = 1000;
/// Of which so many over every address.
const EVERY_ADDRESS: usize = 50;

#[test]
fn a_difference_of_modbus_policies_is_what_the_judges_decide() {
    let mut tally = Tally::default();
    let mut bytes = Bytes::new();
    run(Protocol::Modbus, &mut tally, |pair, number, random, tally| {
        let ends = pair.ends(0xFFFF);
        for message in 0..160 {
            let frame = modbus(random, &ends);
            bytes.judge(&frame, pair, tally, &format!("message {message}"));
            bytes.alone(&frame, pair, tally);
        }
        let every: Box<dyn Iterator<Item = u32>> =
            if number < EVERY_ADDRESS { Box::new(0..=0xFFFF) } else { Box::new(ends.iter().copied()) };
        let value = random.value();
        for address in every {
            let [high, low] = [(address >> 8) as u8, address as u8];
            if number % 3 == 0 || number >= EVERY_ADDRESS {
                bytes.judge(&frame(1, &[3, high, low, 0, 1]), pair, tally, "a read");
            }
            if number % 3 != 0 || number >= EVERY_ADDRESS {
                bytes.judge(&frame(1, &[6, high, low, (value >> 8) as u8, value as u8]), pair, tally, "a write");
            }
        }
    });
    tally.print("modbus");
}

#[test]
fn a_difference_of_iec_104_policies_is_what_the_judges_decide() {
    let mut tally = Tally::default();
    run(Protocol::Iec104, &mut tally, |pair, _, random, tally| {
        let ends = pair.ends(0xFF_FFFF);
        for _ in 0..200 {
            let asdu = command(random, &ends);
            let Ok(asdu) = Asdu::read(&asdu, Direction::Control) else { continue };
            let message = Message::Iec104(sluicegate_proto::iec104::Request::new(asdu));
            pair.judge(&message, tally, "a command");
            pair.sentences_alone(&message, tally);
        }
    });
    tally.print("iec104");
}

fn run(protocol: Protocol, tally: &mut Tally, mut judge: impl FnMut(&Pair, usize, &mut Random, &mut Tally)) {
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let seed = number("SLUICEGATE_TEST_SEED", 0xD1FF);
    eprintln!("seed {seed}");
    let mut random = Random(seed);
    let pairs = number("SLUICEGATE_TEST_PAIRS", PAIRS as u64) as usize;
    while tally.pairs < pairs {
        let place = tally.pairs + tally.refused;
        let mut before = rules(protocol, &mut random);
        let mut now = changed(protocol, &before, &mut random);
        if tally.pairs < EVERY_ADDRESS {
            // Judged at one time instead of four, so that there is time for every address.
            for rule in before.iter_mut().chain(&mut now) {
                rule.truncate(rule.find(" during ").unwrap_or(rule.len()));
            }
        }
        match Pair::new(protocol, &before, &now, format!("seed {seed}, pair {place}")) {
            Some(pair) => {
                pair.sentences(tally);
                judge(&pair, tally.pairs, &mut random, tally);
                tally.pairs += 1;
            }
            None => tally.refused += 1,
        }
    }
}

#[derive(Default)]
struct Tally {
    pairs: usize,
    /// Pairs whose difference is an error.
    refused: usize,
    messages: usize,
    differ: usize,
    sentences: usize,
    /// Messages inside registers of mixed elements.
    in_zones: usize,
    /// Points held against a sentence as the only rule.
    alone: usize,
}

impl Tally {
    fn print(&self, what: &str) {
        let Self { pairs, refused, messages, differ, sentences, in_zones, alone } = self;
        eprintln!(
            "{what}: {pairs} pairs, {messages} messages judged by both policies, {differ} of them differently, {sentences} sentences held against {alone} points, {in_zones} messages within mixed elements; 0 differences; {refused} pairs were refused as too complex"
        );
        assert!(differ > pairs && refused * 20 <= *pairs, "both verdicts are tried, and hardly a pair is refused");
    }
}

struct Pair {
    protocol: Protocol,
    plans: [Plan; 2],
    judges: [Judge; 2],
    changes: Vec<Change>,
    /// Where elements of different widths meet: the registers, and the rules that were told of either side, as policies.
    zones: Vec<Zone>,
    /// Each sentence about points that says all by itself, as the only rule of a policy, and the place of its change.
    alone: Vec<(usize, Judge)>,
    /// Every time at which the rules can differ.
    times: Vec<ScheduleSet>,
    name: String,
}

struct Zone {
    range: (u32, u32),
    change: usize,
    sides: [Judge; 2],
}

/// A policy as the peer meets it.
struct Judge {
    view: Arc<View>,
    held: Held,
    budgets: Budgets,
}

impl Judge {
    fn new(plan: &Plan) -> Self {
        let policy = compile(plan).unwrap_or_else(|faults| panic!("{faults:?}"));
        Self { view: policy.view(&scada()), held: Held::new(&policy), budgets: Budgets::new(&policy) }
    }

    fn verdict(&self, message: &Message<'_>, schedules: ScheduleSet) -> Verdict {
        let known = Known { held: &self.held, budgets: &self.budgets, failed: &[] };
        self.view.judge(message, &known, Now { mono: Mono::ZERO, schedules })
    }

    fn profile(&self, message: &Message<'_>, times: &[ScheduleSet]) -> Profile {
        let made = |schedules: &ScheduleSet| match self.verdict(message, *schedules) {
            // What always passes takes a token where there is one, and is not stopped by an empty bucket.
            Verdict::Allow(charges) => {
                Made::Allow { always: charges.always, spends: charges.spends && !charges.always }
            }
            Verdict::Ask(_) => Made::Ask,
            Verdict::Deny(denied) if denied.reason == Reason::ConditionNotMet => Made::Select,
            Verdict::Deny(_) => Made::Deny,
        };
        times.iter().map(made).collect()
    }
}

/// The rules that a change tells of one side, as a policy of their own.
fn told_rules(protocol: Protocol, all: &[Said]) -> Judge {
    let grammar = protocol.grammar();
    let text = |said: &Said| {
        let deny = said.words.iter().any(|word| word == "as a deny rule");
        format!("{}{}", if deny { "deny " } else { "" }, said.sentence.print(grammar))
    };
    Judge::new(&plan(protocol, &all.iter().map(text).collect::<Vec<_>>()))
}

/// What a policy makes of a message at each time.
type Profile = Vec<Made>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Allow {
        always: bool,
        spends: bool,
    },
    Ask,
    /// An act that must be selected first may come, selected.
    Select,
    Deny,
}

impl Pair {
    fn new(protocol: Protocol, before: &[String], now: &[String], name: String) -> Option<Self> {
        let plans = [plan(protocol, before), plan(protocol, now)];
        let changes = changes(&plans[0], &plans[1]).ok()?;
        let judges = plans.each_ref().map(Judge::new);
        let zone = |(change, one): (usize, &Change)| match one.what {
            What::Elements(range) => {
                let sides = [&one.before, &one.now].map(|all| told_rules(protocol, all));
                Some(Zone { range, change, sides })
            }
            What::Points(_) | What::Message(_) | What::Touched(_) => None,
        };
        let says_all = |said: &&Said| said.words.is_empty();
        let alone = changes.iter().enumerate().filter(|(_, one)| matches!(one.what, What::Points(_))).flat_map(
            |(place, one)| {
                let said = one.before.iter().chain(&one.now).filter(says_all);
                said.map(move |said| (place, told_rules(protocol, std::slice::from_ref(said))))
            },
        );
        let alone = alone.collect();
        let zones = changes.iter().enumerate().filter_map(zone).collect();
        let timed = plans.iter().flat_map(|plan| &plan.rules).any(|rule| rule.sentence.during.is_some());
        let times = if timed { times().to_vec() } else { vec![ScheduleSet::default()] };
        Some(Self { protocol, plans, judges, changes, zones, alone, times, name })
    }

    /// Both judges on one message, against the difference.
    fn judge(&self, message: &Message<'_>, tally: &mut Tally, what: &str) {
        tally.messages += 1;
        let [before, now] = self.judges.each_ref().map(|judge| judge.profile(message, &self.times));
        self.in_zones(message, [&before, &now], tally);
        let (mut kinds, mut rules, mut points) = (BTreeSet::new(), BTreeSet::new(), 0);
        let _: ControlFlow<()> = message.deeds(&mut |deed| {
            points += deed.last - deed.first + 1;
            for change in &self.changes {
                match &change.what {
                    What::Points(points) if points.hold(&deed) => drop(kinds.insert(change.kind)),
                    What::Points(_) => {}
                    What::Message(range) => {
                        if *range == (deed.first, deed.last) && about(change, &deed) {
                            rules.insert(change.kind);
                        }
                    }
                    What::Touched(range) | What::Elements(range) => {
                        if range.0 <= deed.last && deed.first <= range.1 && about(change, &deed) {
                            rules.insert(change.kind);
                        }
                    }
                }
            }
            ControlFlow::Continue(())
        });
        let denied = |profile: &Profile| profile.iter().all(|one| *one == Made::Deny);
        let context = || format!("{} {what}: {before:?} -> {now:?}\n{}", self.name, self.shown(message));
        tally.differ += usize::from(before != now);
        if before != now {
            assert!(!kinds.is_empty() || !rules.is_empty(), "it is not told: {}", context());
        }
        if !rules.is_empty() {
            return;
        }
        match (denied(&before), denied(&now)) {
            (true, false) => assert!(kinds.contains(&Kind::Allowed), "it is not told as allowed: {}", context()),
            (false, true) => assert!(kinds.contains(&Kind::Refused), "it is not told as refused: {}", context()),
            // A point alone: what is told of it is so. In a message with others, these may decide.
            (true, true) if points == 1 => assert!(kinds.is_empty(), "refused before and now: {}", context()),
            (false, false) => {
                let other = kinds.contains(&Kind::Allowed) || kinds.contains(&Kind::Refused);
                assert!(!other, "allowed before and now: {}", context());
            }
            (true, true) => {}
        }
    }

    /// A message of one point is allowed by a sentence as the only rule exactly where the sentence's points hold it.
    fn sentences_alone(&self, message: &Message<'_>, tally: &mut Tally) {
        let (mut deeds, mut held) = (0, Vec::new());
        let _: ControlFlow<()> = message.deeds(&mut |deed| {
            deeds += deed.last - deed.first + 1;
            let holds = |(place, _): &(usize, Judge)| match &self.changes[*place].what {
                What::Points(points) => points.hold(&deed),
                What::Message(_) | What::Touched(_) | What::Elements(_) => false,
            };
            held = self.alone.iter().map(holds).collect();
            ControlFlow::Continue(())
        });
        if deeds != 1 {
            return;
        }
        for ((place, judge), held) in self.alone.iter().zip(held) {
            let allowed = judge.profile(message, &times()).iter().any(|one| *one != Made::Deny);
            let change = in_words(&self.changes[*place], self.protocol.grammar());
            assert_eq!(allowed, held, "{}: {change}\n{}", self.name, self.shown(message));
            tally.alone += 1;
        }
    }

    /// A message inside registers of mixed elements is what the rules that are told of them say.
    fn in_zones(&self, message: &Message<'_>, real: [&Profile; 2], tally: &mut Tally) {
        let (mut deeds, mut inside) = (0, Vec::new());
        let _: ControlFlow<()> = message.deeds(&mut |deed| {
            deeds += 1;
            let here = |zone: &&Zone| {
                zone.range.0 <= deed.first && deed.last <= zone.range.1 && about(&self.changes[zone.change], &deed)
            };
            inside.extend(self.zones.iter().filter(here));
            ControlFlow::Continue(())
        });
        let ([zone], 1) = (inside.as_slice(), deeds) else { return };
        for (judge, real) in zone.sides.iter().zip(real) {
            let told = judge.profile(message, &self.times);
            let denied = |profile: &Profile| profile.iter().map(|one| *one == Made::Deny).collect::<Vec<_>>();
            assert_eq!(
                denied(&told),
                denied(real),
                "{}: the rules of {:?}\n{}",
                self.name,
                zone.range,
                self.shown(message)
            );
        }
        tally.in_zones += 1;
    }

    /// Every sentence about points is one of the language, and allows just these as a rule.
    fn sentences(&self, tally: &mut Tally) {
        let grammar = self.protocol.grammar();
        for change in &self.changes {
            for said in change.before.iter().chain(&change.now) {
                let text = said.sentence.print(grammar);
                let read = Sentence::parse(&text, Form::Rule, grammar, Addressing::ZeroBased);
                let read = read.unwrap_or_else(|faults| panic!("{}: {text}: {faults:#?}", self.name));
                assert_eq!(read.print(grammar), text, "{}", self.name);
                tally.sentences += 1;
            }
        }
    }

    /// Every end of a range of a rule, one before, one behind, and a few random ones.
    fn ends(&self, highest: u32) -> Vec<u32> {
        let ranges = self.plans.iter().flat_map(|plan| &plan.rules).flat_map(|rule| &rule.sentence.ranges);
        let near = ranges.flat_map(|(first, last)| [first.saturating_sub(1), *first, first + 1, *last, last + 1]);
        near.chain([0, highest]).filter(|index| *index <= highest).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn shown(&self, message: &Message<'_>) -> String {
        let grammar = self.protocol.grammar();
        let mut text = String::new();
        let _: ControlFlow<()> = message.deeds(&mut |deed| {
            text += &format!("{}\n", Sentence::of_deed(None, &deed).print(grammar));
            ControlFlow::Continue(())
        });
        for (plan, word) in self.plans.iter().zip(["before", "now"]) {
            text += &plan.rules.iter().map(|rule| format!("{word}: {}\n", rule.text)).collect::<String>();
        }
        text + &self.changes.iter().map(|change| format!("{}\n", in_words(change, grammar))).collect::<String>()
    }
}

/// Whether a change that is told as rules can be about a deed.
fn about(change: &Change, deed: &Deed<'_>) -> bool {
    let said = || change.before.iter().chain(&change.now).map(|said| &said.sentence);
    // A rule for elements that only one function can write names none.
    let named: Vec<u16> = said().flat_map(|one| one.via.iter().copied()).collect();
    let here = |one: &Sentence| {
        let unit = |(first, last): &(u32, u32)| (*first..=*last).contains(&deed.unit);
        (one.class, one.object) == (deed.class, deed.object) && (one.units.is_empty() || one.units.iter().any(unit))
    };
    deed.bit.is_none() && (named.is_empty() || named.contains(&deed.function)) && said().any(here)
}

fn times() -> [ScheduleSet; 4] {
    let none = ScheduleSet::default();
    [none, none.with(0), none.with(1), none.with(0).with(1)]
}

/// Bytes of a peer, read as the gateway reads them.
struct Bytes {
    half: PeerHalf,
    out: Out,
}

impl Bytes {
    fn new() -> Self {
        let options = PeerOptions { pending: 1, frame_timeout: Duration::from_secs(5), ..PeerOptions::default() };
        Self { half: Protocol::Modbus.peer_half(&options), out: Out::new(600) }
    }

    fn alone(&mut self, frame: &[u8], pair: &Pair, tally: &mut Tally) {
        if let Step::Asked(asked) = self.half.next(Input::Stream(frame), Now::default(), &mut self.out)
            && let Body::Message(message) = asked.body
        {
            pair.sentences_alone(&message, tally);
        }
    }

    fn judge(&mut self, frame: &[u8], pair: &Pair, tally: &mut Tally, what: &str) {
        match self.half.next(Input::Stream(frame), Now::default(), &mut self.out) {
            Step::Asked(asked) => {
                let Body::Message(message) = asked.body else { return };
                pair.judge(&message, tally, what);
            }
            other => panic!("{frame:02x?}: {other:?}"),
        }
    }
}

fn frame(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u8::try_from(pdu.len() + 1).expect("a short one");
    [&[0, 1, 0, 0, 0, length, unit][..], pdu].concat()
}

/// A random message near where rules begin and end.
fn modbus(random: &mut Random, ends: &[u32]) -> Vec<u8> {
    let unit = [1, 1, 2, 3][random.below(4)];
    let address = |random: &mut Random, count: u32| {
        let near = if random.below(10) == 0 { random.below(0x10000) as u32 } else { random.one(ends) };
        near.saturating_sub(random.below(3) as u32).min(0x10000 - count).to_be_bytes()
    };
    let two = |value: u16| value.to_be_bytes().to_vec();
    let count = 1 + random.below(6) as u32;
    let [_, _, high, low] = address(random, count);
    let values: Vec<u8> = (0..count).flat_map(|_| random.value().to_be_bytes()).collect();
    let bytes = values.len() as u8;
    let pdu = match random.below(12) {
        0 => [&[[1u8, 2, 3, 4][random.below(4)], high, low, 0][..], &[count as u8]].concat(),
        1 => vec![3, high, low, 0, count as u8],
        2 => vec![5, high, low, [0, 0xFF][random.below(2)], 0],
        3 | 4 => [vec![6, high, low], two(random.value())].concat(),
        5 => vec![15, high, low, 0, count as u8, 1, random.below(1 << count) as u8],
        6..=8 => [vec![16, high, low, 0, count as u8, bytes], values].concat(),
        9 => {
            let (and, or) = random.mask();
            [vec![22, high, low], two(and), two(or)].concat()
        }
        10 => {
            let [_, _, first, second] = address(random, 1);
            [vec![23, first, second, 0, 1, high, low, 0, count as u8, bytes], values].concat()
        }
        _ => vec![8, 0, [0, 1, 2, 10, 11][random.below(5)], 0, 0],
    };
    frame(unit, &pdu)
}

/// A random command of a control centre.
fn command(random: &mut Random, ends: &[u32]) -> Vec<u8> {
    let [low, middle, high, _] = (random.one(ends) + random.below(2) as u32).min(0xFF_FFFF).to_le_bytes();
    let qualifier = ([0u8, 1, 2, 20][random.below(4)]) << 2;
    let real = [-0.5f32, 0.0, 0.25, 9.5, 50.0, 50.5][random.below(6)].to_le_bytes();
    let whole = [-5i16, 0, 3, 4, 500][random.below(5)].to_le_bytes();
    let (id, element) = match random.below(7) {
        0 => (45u8, vec![qualifier | random.below(2) as u8]),
        1 => (46, vec![qualifier | (1 + random.below(2) as u8)]),
        2 => (49, [whole.to_vec(), vec![random.below(128) as u8]].concat()),
        3 => (50, [real.to_vec(), vec![random.below(128) as u8]].concat()),
        4 => (100, vec![20 + random.below(3) as u8]),
        5 => (101, vec![[5u8, 69, 133][random.below(3)]]),
        _ => (58, [vec![random.below(2) as u8], vec![0, 0, 0, 0, 1, 1, 24]].concat()),
    };
    let point = if matches!(id, 100 | 101) { [0; 3] } else { [low, middle, high] };
    let ca = 1 + random.below(3) as u8;
    [&[id, 1, 6, 0, ca, 0][..], &point, &element].concat()
}

/// A random policy.
fn rules(protocol: Protocol, random: &mut Random) -> Vec<String> {
    let many = 1 + random.below(8);
    let mut all: Vec<String> = (0..many).map(|_| valid(protocol, random)).collect();
    all.dedup();
    all
}

/// The policy after somebody changed it a little.
fn changed(protocol: Protocol, before: &[String], random: &mut Random) -> Vec<String> {
    let mut now = before.to_vec();
    for _ in 0..=random.below(3) {
        match random.below(3) {
            0 if !now.is_empty() => drop(now.remove(random.below(now.len()))),
            1 if !now.is_empty() => {
                let place = random.below(now.len());
                now[place] = valid(protocol, random);
            }
            _ => now.push(valid(protocol, random)),
        }
    }
    now
}

/// A rule that compiles.
fn valid(protocol: Protocol, random: &mut Random) -> String {
    loop {
        let text = if protocol == Protocol::Modbus { modbus_rule(random) } else { station_rule(random) };
        let words = text.strip_prefix("deny ").unwrap_or(&text);
        let read = Sentence::parse(words, Form::Rule, protocol.grammar(), Addressing::ZeroBased);
        if read.is_ok() && compile(&plan(protocol, std::slice::from_ref(&text))).is_ok() {
            return text;
        }
    }
}

fn modbus_rule(random: &mut Random) -> String {
    let who = ["any", "hmi", "scada-1", "hmi", "eng"][random.below(5)];
    let deny = random.below(5) == 0;
    let first = [0, 7, 8, 40, 42, 44, 1000, 65_520][random.below(8)] + random.below(4) as u32;
    let last = first + [0, 0, 1, 3, 7, 11][random.below(6)];
    let range = if first == last { first.to_string() } else { format!("{first}-{last}") };
    let mut text = String::from(if deny { "deny " } else { "" });
    match random.below(10) {
        0 | 1 => text += &format!("{who} read {} {range}", ["holding", "holding", "coil", "input"][random.below(4)]),
        2 => text += &format!("{who} write coil {range}{}", ["", " = on", " = off"][random.below(3)]),
        3 => text += &format!("{who} diagnose diagnostic {}", ["0", "0-2", "10-12"][random.below(3)]),
        4 => {
            text += &format!(
                "{who} write holding {first} bit {}{}",
                random.below(16),
                ["", " = on", " = off"][random.below(3)]
            );
        }
        5 => {
            text +=
                &format!("{who} write holding {}", if random.below(8) == 0 { String::new() } else { range.clone() });
        }
        _ => text += &format!("{who} write holding {range}{}", values(random, last - first + 1)),
    }
    text = text.trim_end().to_owned();
    let words = [
        (4, vec![" unit 1", " unit 2"]),
        (5, vec![" via 16", " via 6, 22", " via 22", " via 23", " via 16, 23"]),
        (9, vec![" max 3/s", " max 1/min each", " spends pool"]),
        (7, vec![" during day", " during not day", " during night"]),
    ];
    // `unit` stands behind the ranges, before the values.
    let mut tail = String::new();
    for (one, choices) in words {
        if random.below(one) == 0 {
            let choice = random.one(&choices);
            if choice.starts_with(" unit") {
                text = match text.split_once(" = ") {
                    Some((head, rest)) => format!("{head}{choice} = {rest}"),
                    None => text + choice,
                };
            } else {
                tail += choice;
            }
        }
    }
    text + &tail
}

fn values(random: &mut Random, length: u32) -> String {
    match random.below(12) {
        0 | 1 => " = 0..9".to_owned(),
        2 => " = 3, 5..7, 65535".to_owned(),
        3 => " = -3..4 as i16".to_owned(),
        4 => " = 100".to_owned(),
        5 => " = 0..70000 as u32".to_owned(),
        6 => " = -1.5..9.0 as f32".to_owned(),
        7 => " = 0..9 as u32 swapped".to_owned(),
        8 => " = 0..9 whole".to_owned(),
        9 if length < 5 => format!(" = [{}]", vec!["5"; length as usize].join(", ")),
        10 => " = 0..9 step 2 up".to_owned(),
        _ => " = 5 always".to_owned(),
    }
}

fn station_rule(random: &mut Random) -> String {
    let deny = random.below(5) == 0;
    let who = ["any", "hmi", "scada-1", "eng"][random.below(4)];
    let ca = ["", " ca 1", " ca 2"][random.below(3)];
    let first = [1, 100, 300][random.below(3)] + random.below(4);
    let ioa = format!(" ioa {first}-{}", first + random.below(6));
    let mut text = match random.below(7) {
        0 => format!("control C_SC_NA_1{ca}{ioa}{}", ["", " = on", " = off"][random.below(3)]),
        1 => format!("control C_SC_TA_1{ca}{ioa}"),
        2 => format!("control C_DC_NA_1{ca}{ioa}{} exactly", ["", " = on"][random.below(2)]),
        3 => format!("control C_SE_NB_1{ca}{ioa}{}", ["", " = -5..3", " = 0, 4..500"][random.below(3)]),
        4 => format!("control C_SE_NC_1{ca}{ioa}{}", ["", " = 0.0..50.0", " = -0.5..9.5"][random.below(3)]),
        5 => format!("read interrogation{ca}"),
        _ => format!("{} counters{ca}", ["read", "control"][random.below(2)]),
    };
    if random.below(4) == 0 {
        let qualifier = [" qualifier 0-1", " qualifier 20", " qualifier 0-64"][random.below(3)];
        text = match text.strip_suffix(" exactly") {
            Some(head) => format!("{head}{qualifier} exactly"),
            None => text + qualifier,
        };
    }
    if random.below(4) == 0 {
        text += [" select-first", " max 3/min", " spends pool", " during night"][random.below(4)];
    }
    format!("{}{who} {text}", if deny { "deny " } else { "" })
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// A register at the edge of some clause, or any.
    fn value(&mut self) -> u16 {
        let edges = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 99, 100, 101, 0x3F80, 0x4110, 0xBFC0, 0xFFFD, 0xFFFF];
        if self.below(6) == 0 { self.next() as u16 } else { edges[self.below(edges.len())] }
    }

    /// A mask: of one bit, of some, of all, of none.
    fn mask(&mut self) -> (u16, u16) {
        let bit = 1u16 << self.below(16);
        match self.below(5) {
            0 => (0, self.value()),
            1 => (0xFFFF, 0),
            2 => (!bit, bit),
            3 => (!bit, 0),
            _ => (self.value(), self.value()),
        }
    }
}
