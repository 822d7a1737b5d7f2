//! Do `explain` and the running gateway say the same?
//!
//! Random sentences are explained by the library and sent over the wire: as bytes that this test makes from the same numbers, not
//! from the sentence. Verdict, answer, reason, printed deed and the device's socket must agree. The seed is printed;
//! `SLUICEGATE_TEST_SEED` sets another one.

use std::collections::BTreeMap;

use sluicegate::explain::{Answer, Explanation, Outcome, explain};

use crate::gate::{Config, Device, Gate, Peer, Site, frame, wait};

const SENTENCES: usize = 10_000;
/// Requests on their way at once; fewer than `pending`.
const BATCH: usize = 12;

const ALLOW: &[&str] = &[
    "hmi read holding 0-99, 200-219",
    "hmi read input 0-63 unit 1",
    "any read coil 0-31",
    "onlooker read discrete 0-15",
    "scada read discrete 8-23",
    "hmi write holding 40 = 0..1500",
    "hmi write holding 42-45 = -20.0..80.0 as f32 via 16",
    "hmi write holding 60-69 = 1, 2, 5",
    "onlooker write holding 64-65 = [7, 8] via 16",
    "hmi write holding 70-71 = [7, 8]",
    "hmi write holding 80-83 = -5..5 as i16 whole via 16",
    "hmi write holding 50 bit 3 = on via 22",
    "hmi write coil 7 = off always",
    "hmi write coil 8-15",
    "hmi write coil 20-23 = on via 15",
];
const DENY: &[&str] =
    &["any write holding 62", "any write holding 66 = 5", "any read holding 90-94", "viewer read coil 30"];

/// Addresses near which rules begin and end.
const ANCHORS: &[u16] = &[0, 7, 8, 15, 20, 23, 30, 40, 42, 45, 50, 60, 62, 64, 66, 70, 80, 83, 90, 99, 200, 219, 300];

/// One message: as words, and as bytes.
struct Case {
    identity: &'static str,
    unit: u8,
    sentence: String,
    pdu: Vec<u8>,
}

#[test]
fn explain_and_the_gateway_agree() {
    let seed = std::env::var("SLUICEGATE_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0x51_u64);
    eprintln!("seed {seed}");
    let (site, device) = (Site::new(), Device::start());
    let mut config = Config::tls(&device, ALLOW);
    config.deny = DENY.iter().map(|&rule| rule.to_owned()).collect();
    config.units = "1, 2".into();
    let file = site.write_config(&config.text());
    let plan = sluicegate_config::load(&file).expect("the configuration is good").site;
    let gate = Gate::start(&site, &config);
    let mut peers: BTreeMap<_, _> =
        ["scada", "viewer"].map(|name| (name, Peer::tls(&gate, &site, name))).into_iter().collect();

    let mut random = Random(seed);
    let mut denied: BTreeMap<&str, Vec<(String, String)>> = BTreeMap::new();
    let (mut passed, mut refused) = (0_usize, 0_usize);
    for _ in 0..SENTENCES.div_ceil(BATCH) {
        // A batch belongs to one identity, so that the order at the device is known.
        let identity = if random.below(4) == 0 { "viewer" } else { "scada" };
        let cases: Vec<_> = (0..BATCH).map(|_| random.case(identity)).collect();
        let told: Vec<_> = cases.iter().map(|case| told(&plan, case)).collect();
        device.forget();
        let answers = exchange(peers.get_mut(identity).expect("it is there"), &cases);
        let mut due = Vec::new();
        for ((case, told), answer) in cases.iter().zip(&told).zip(answers) {
            let context = format!("{identity} {} (seed {seed}): {told:?}", case.sentence);
            match &told.outcome {
                Outcome::Allowed { .. } => {
                    assert_eq!(answer[0], case.pdu[0], "explain allows, the gate refuses: {context}");
                    due.push(text(case));
                    passed += 1;
                }
                Outcome::Denied { reason, answer: Answer::Exception { code, .. }, .. } => {
                    assert_eq!(answer, [case.pdu[0] | 0x80, *code], "explain refuses: {context}");
                    let deed = told.deeds.first().expect("one deed").clone();
                    denied.entry(identity).or_default().push((reason.to_string(), deed));
                    refused += 1;
                }
                Outcome::Denied { .. } => panic!("another answer than an exception: {context}"),
            }
        }
        assert_eq!(device.texts(), due, "at the device's socket (seed {seed})");
    }
    eprintln!("{passed} passed, {refused} refused");
    assert!(passed > SENTENCES / 10 && refused > SENTENCES / 10, "both verdicts are tried: {passed} and {refused}");

    // The trail says the same reasons of the same deeds, in the same order.
    let count = || site.audit().iter().filter(|record| record["event"] == "denied").count();
    wait("every refusal in the trail", || count() >= refused);
    for (identity, expected) in denied {
        let audit = site.audit();
        let of_peer = audit.iter().filter(|one| one["event"] == "denied" && one["identity"] == identity);
        let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let recorded: Vec<_> = of_peer.map(|one| (word(&one["reason"]), word(&one["deeds"][0]))).collect();
        for (n, (recorded, expected)) in recorded.iter().zip(&expected).enumerate() {
            assert_eq!(recorded, expected, "refusal {n} of {identity} (seed {seed})");
        }
        assert_eq!(recorded.len(), expected.len());
    }
    gate.stop();
}

fn told(plan: &sluicegate_config::plan::Site, case: &Case) -> Explanation {
    let told = explain(plan, "pump", case.identity, &case.sentence);
    told.unwrap_or_else(|error| panic!("{}: {error}", case.sentence))
}

/// All requests of the batch, then all answers, which come in order.
fn exchange(peer: &mut Peer, cases: &[Case]) -> Vec<Vec<u8>> {
    let frames = cases.iter().zip(1..).flat_map(|(case, id)| frame(id, case.unit, &case.pdu));
    peer.send(&frames.collect::<Vec<_>>());
    let answer = |(case, id): (&Case, u16)| {
        let answer = peer.answer().unwrap_or_else(|error| panic!("{}: {error}", case.sentence));
        assert_eq!(answer[..2], id.to_be_bytes(), "in order");
        answer[7..].to_vec()
    };
    cases.iter().zip(1..).map(answer).collect()
}

fn text(case: &Case) -> String {
    [&[case.unit], case.pdu.as_slice()].concat().iter().map(|byte| format!("{byte:02x}")).collect()
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

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Near where rules begin and end.
    fn address(&mut self) -> u16 {
        (self.one(ANCHORS) + self.below(5) as u16).saturating_sub(2)
    }

    fn register(&mut self) -> u16 {
        match self.below(6) {
            0 => self.one(&[0, 1, 2, 5, 7, 8]),
            1 => self.below(8) as u16,
            2 => 1495 + self.below(10) as u16,
            3 => (self.below(12) as i16 - 6) as u16,
            // High words of small floats.
            4 => self.one(&[0, 0x41a0, 0x42a0, 0x42a1, 0xc1a0, 0xc1a1, 0x7fc0, 0x7f80]),
            _ => self.next() as u16,
        }
    }

    fn case(&mut self, identity: &'static str) -> Case {
        let unit = self.one(&[1, 1, 1, 1, 2, 3]);
        let (mut sentence, pdu, usual) = match self.below(8) {
            0..=2 => self.read(),
            3 => self.write_coil(),
            4 => self.write_coils(),
            5 => self.write_register(),
            6 => self.write_registers(),
            _ => self.mask(),
        };
        // What goes without saying is said half of the time.
        let unit_word = format!(" unit {unit}");
        let unit_word = if unit == 1 && self.below(2) == 0 { "" } else { &unit_word };
        sentence = sentence.replace("{unit}", unit_word);
        if !usual || self.below(2) == 0 {
            sentence += &format!(" via {}", pdu[0]);
        }
        Case { identity, unit, sentence, pdu }
    }

    fn read(&mut self) -> (String, Vec<u8>, bool) {
        let function = 1 + self.below(4) as u8;
        let word = ["coil", "discrete", "holding", "input"][usize::from(function) - 1];
        let (first, count) = (self.address(), 1 + self.below(6) as u16);
        let pdu = [&[function][..], &first.to_be_bytes(), &count.to_be_bytes()].concat();
        (format!("read {word} {}{{unit}}", range(first, count)), pdu, true)
    }

    fn write_coil(&mut self) -> (String, Vec<u8>, bool) {
        let (address, on) = (self.address(), self.below(2) == 1);
        let pdu = [&[5][..], &address.to_be_bytes(), if on { &[0xff, 0] } else { &[0, 0] }].concat();
        (format!("write coil {address}{{unit}} = {}", switch(on)), pdu, true)
    }

    fn write_coils(&mut self) -> (String, Vec<u8>, bool) {
        let (first, count) = (self.address(), 1 + self.below(10) as u16);
        let all_on = self.below(2) == 0;
        let bits: Vec<bool> = (0..count).map(|_| all_on || self.below(2) == 1).collect();
        let packed: Vec<u8> =
            bits.chunks(8).map(|chunk| chunk.iter().enumerate().map(|(i, &on)| u8::from(on) << i).sum()).collect();
        let head = [&[15][..], &first.to_be_bytes(), &count.to_be_bytes(), &[packed.len() as u8]].concat();
        let values: Vec<_> = bits.into_iter().map(switch).collect();
        (
            format!("write coil {}{{unit}} = {}", range(first, count), listed(&values)),
            [head, packed].concat(),
            count > 1,
        )
    }

    fn write_register(&mut self) -> (String, Vec<u8>, bool) {
        let (address, value) = (self.address(), self.register());
        let pdu = [&[6][..], &address.to_be_bytes(), &value.to_be_bytes()].concat();
        (format!("write holding {address}{{unit}} = {value}"), pdu, true)
    }

    fn write_registers(&mut self) -> (String, Vec<u8>, bool) {
        let (first, count) = (self.address(), 1 + self.below(5) as u16);
        let values: Vec<u16> = (0..count).map(|_| self.register()).collect();
        let mut pdu = [&[16][..], &first.to_be_bytes(), &count.to_be_bytes(), &[2 * count as u8]].concat();
        pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
        let values: Vec<_> = values.iter().map(u16::to_string).collect();
        (format!("write holding {}{{unit}} = {}", range(first, count), listed(&values)), pdu, count > 1)
    }

    /// FC 22 that sets or clears one bit.
    fn mask(&mut self) -> (String, Vec<u8>, bool) {
        let (address, bit, on) = (self.one(&[50, 50, 51, 40]), self.one(&[3_u16, 3, 2, 15]), self.below(2) == 1);
        let (and, or) = (!(1_u16 << bit), u16::from(on) << bit);
        let pdu = [&[22][..], &u16::to_be_bytes(address), &and.to_be_bytes(), &or.to_be_bytes()].concat();
        (format!("write holding {address} bit {bit}{{unit}} = {}", switch(on)), pdu, false)
    }
}

fn switch(on: bool) -> String {
    if on { "on".into() } else { "off".into() }
}

fn range(first: u16, count: u16) -> String {
    if count == 1 { first.to_string() } else { format!("{first}-{}", first + count - 1) }
}

fn listed(values: &[String]) -> String {
    if let [one] = values { one.clone() } else { format!("[{}]", values.join(", ")) }
}
