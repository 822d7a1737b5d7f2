//! What was asked all in all, as sentences to copy into a policy?
//!
//! Reads that differ only in where they read become one sentence with all their ranges; writes of the same points become
//! one with the least and the greatest value that was written. As a rule, such a sentence allows what was captured, and
//! for a write what lies between.

use std::{collections::BTreeMap, fmt::Write, net::SocketAddr};

use sluicegate_proto::{
    sentence::{Addressing, Grammar, Num, Sentence, ValueSet},
    vocab::Class,
};

use super::line::Shown;

/// Sentences that are told apart. A plant has dozens; what finds no room is counted.
const KINDS_MAX: usize = 16_384;

/// All that was asked.
#[derive(Debug, Default)]
pub struct Asked {
    kinds: BTreeMap<Kind, Sum>,
    left_out: u64,
}

/// Who asked whom for what; of a write also where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    client: std::net::IpAddr,
    server: SocketAddr,
    who: Option<String>,
    units: Vec<(u32, u32)>,
    class: Class,
    object: u8,
    bit: Option<u8>,
    via: Vec<u16>,
    place: Option<(u32, u32)>,
}

#[derive(Debug)]
struct Sum {
    sentence: Sentence,
    /// First index -> last index; none touches another.
    ranges: BTreeMap<u32, u32>,
    values: Option<(Num, Num)>,
    times: u64,
}

impl Asked {
    /// One deed of a request.
    pub(super) fn add(&mut self, client: SocketAddr, server: SocketAddr, deed: &Shown) {
        let sentence = &deed.sentence;
        let kind = Kind {
            client: client.ip(),
            server,
            who: sentence.who.clone(),
            units: sentence.units.clone(),
            class: sentence.class,
            object: sentence.object.0,
            bit: sentence.bit,
            via: sentence.via.clone(),
            place: sentence.values.as_ref().and_then(|_| sentence.ranges.first().copied()),
        };
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(&kind) {
            self.left_out += 1;
            return;
        }
        let sum = self.kinds.entry(kind).or_insert_with(|| Sum {
            sentence: sentence.clone(),
            ranges: BTreeMap::new(),
            values: None,
            times: 0,
        });
        sum.times += 1;
        for range in &sentence.ranges {
            sum.cover(*range);
        }
        if let Some(values) = &sentence.values {
            sum.widen(values);
        }
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// Deeds that found no room here.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The sentences, for `who`, with how often each was asked: by client and server.
    pub fn sentences(
        &self,
        who: &str,
        grammar: &Grammar,
        addressing: Addressing,
    ) -> Vec<(std::net::IpAddr, SocketAddr, String, u64)> {
        let one =
            |(kind, sum): (&Kind, &Sum)| (kind.client, kind.server, sum.print(who, grammar, addressing), sum.times);
        self.kinds.iter().map(one).collect()
    }

    /// The text for people: lists that can be copied into `allow` as they are.
    pub fn to_text(&self, grammar: &Grammar, addressing: Addressing) -> String {
        let mut text = String::new();
        let mut between = None;
        for (client, server, sentence, times) in self.sentences("any", grammar, addressing) {
            if between != Some((client, server)) {
                let _ = writeln!(text, "\n{client} asks {server}:");
                between = Some((client, server));
            }
            let often = if times == 1 { "once".to_owned() } else { format!("{times} times") };
            let _ = writeln!(text, "  {sentence:?}, # {often}");
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "  # {} more are of kinds that found no room here", self.left_out);
        }
        text
    }
}

impl Sum {
    /// Adds a range; ranges that overlap or touch become one.
    fn cover(&mut self, (mut first, mut last): (u32, u32)) {
        let touches = |(from, to): (&u32, &u32)| (*from, *to);
        while let Some((from, to)) = self.ranges.range(..=last.saturating_add(1)).next_back().map(touches)
            && to.saturating_add(1) >= first
        {
            self.ranges.remove(&from);
            (first, last) = (first.min(from), last.max(to));
        }
        self.ranges.insert(first, last);
    }

    fn widen(&mut self, values: &ValueSet) {
        let mut add = |one: Num| {
            self.values = Some(self.values.map_or((one, one), |(least, most)| {
                (
                    if number(one) < number(least) { one } else { least },
                    if number(one) > number(most) { one } else { most },
                )
            }));
        };
        match values {
            ValueSet::Positional(all) => all.iter().copied().for_each(&mut add),
            ValueSet::Each(all) => all.iter().for_each(|(from, to)| {
                add(*from);
                add(*to);
            }),
        }
    }

    fn print(&self, who: &str, grammar: &Grammar, addressing: Addressing) -> String {
        let mut sentence = self.sentence.clone();
        sentence.who.get_or_insert_with(|| who.to_owned());
        sentence.ranges = self.ranges.iter().map(|(first, last)| (*first, *last)).collect();
        sentence.values = match (self.values, &self.sentence.values) {
            // Switches are a set of two, not a range.
            (Some((Num::Bool(false), Num::Bool(true))), _) => {
                Some(ValueSet::Each([false, true].map(|on| (Num::Bool(on), Num::Bool(on))).to_vec()))
            }
            (Some(range), _) => Some(ValueSet::Each(vec![range])),
            // The write that sets nothing.
            (None, values) => values.clone(),
        };
        sentence.print_in(grammar, addressing)
    }
}

/// For comparison only.
#[expect(clippy::cast_precision_loss, reason = "registers have at most 64 bits; what is printed is the number itself")]
fn number(num: Num) -> f64 {
    match num {
        Num::Int(int) => int as f64,
        Num::Float(float) => float,
        Num::Bool(on) => f64::from(u8::from(on)),
    }
}
