//! What holds for every rule and every deed?

use std::{string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::{
    fixture::{COIL, Gate, HOLDING, plan, told},
    judge::{Outcome, step_by_step, usual},
    *,
};
use crate::{
    deed::{Deed, ObjectId, Values},
    sentence::{Addressing, Form},
    vocab::Class,
};

/// A deed that owns its values.
#[derive(Clone, Debug, PartialEq)]
struct Made {
    class: Class,
    object: ObjectId,
    unit: u32,
    function: u16,
    first: u32,
    length: u32,
    bit: Option<u8>,
    words: Vec<u8>,
    values: Carries,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Carries {
    None,
    Nothing,
    Bit,
    Bits,
    Words,
}

impl Made {
    fn deed(&self) -> Deed<'_> {
        let bytes = &self.words[..];
        Deed {
            class: self.class,
            object: self.object,
            unit: self.unit,
            function: self.function,
            first: self.first,
            last: self.first + self.length - 1,
            bit: self.bit,
            values: match self.values {
                Carries::None => Values::None,
                Carries::Nothing => Values::Words(&[]),
                Carries::Bit => Values::Bit(bytes[1] & 1 == 1),
                Carries::Bits => Values::Bits { packed: &bytes[..1], count: self.length },
                Carries::Words => Values::Words(&bytes[..2 * self.length as usize]),
            },
            qualifier: None,
            unselected: false,
        }
    }

    /// The values, one by one: two deeds write the same when these are equal.
    fn written(&self) -> Vec<Option<u16>> {
        (0..self.length).map(|i| self.deed().values.get(i)).collect()
    }

    /// Whether `self` is a part of `other`, with the same values: of a read any part, of a write only all of it.
    fn is_part_of(&self, other: &Self) -> bool {
        let (deed, whole) = (self.deed(), other.deed());
        let same = (deed.class, deed.object, deed.unit, deed.function, deed.bit)
            == (whole.class, whole.object, whole.unit, whole.function, whole.bit);
        let inside = deed.first >= whole.first && deed.last <= whole.last;
        let all = (deed.first, deed.last) == (whole.first, whole.last) && self.written() == other.written();
        same && if deed.class == Class::Read { inside } else { all }
    }
}

/// Deeds as messages carry them, in a space so small that they often meet.
fn deeds() -> impl Strategy<Value = Made> {
    let forms = prop_oneof![
        Just((Class::Read, COIL, 1u16, 3u32, Carries::None)),
        Just((Class::Read, HOLDING, 3, 3, Carries::None)),
        Just((Class::Read, HOLDING, 23, 3, Carries::None)),
        Just((Class::Write, COIL, 5, 1, Carries::Bit)),
        Just((Class::Write, COIL, 15, 3, Carries::Bits)),
        Just((Class::Write, HOLDING, 6, 1, Carries::Words)),
        Just((Class::Write, HOLDING, 16, 3, Carries::Words)),
        Just((Class::Write, HOLDING, 23, 3, Carries::Words)),
        Just((Class::Write, HOLDING, 22, 1, Carries::Bit)),
        Just((Class::Write, HOLDING, 22, 1, Carries::Nothing)),
        Just((Class::Write, HOLDING, 22, 1, Carries::Words)),
    ];
    (forms, 1u32..3, 0u32..3, 1u32..4, 0u8..2, proptest::collection::vec(0u8..2, 6)).prop_map(
        |((class, object, function, longest, values), unit, first, length, bit, words)| Made {
            class,
            object,
            unit,
            function,
            first,
            length: length.min(longest),
            bit: (function == 22 && values == Carries::Bit).then_some(bit),
            words,
            values,
        },
    )
}

/// One rule of the brute-force model: range, width, values, allow.
#[derive(Clone, Debug)]
struct Simple {
    first: u32,
    last: u32,
    width: u32,
    values: (u64, u64),
    allow: bool,
}

impl Simple {
    fn text(&self) -> String {
        let (low, high) = self.values;
        let kind = if self.width == 2 { " as u32" } else { "" };
        std::format!("any write holding {}-{} = {low}..{high}{kind}", self.first, self.last)
    }

    /// The element of `index`: its value where the deed writes all of it.
    fn value(&self, index: u32, first: u32, words: &[u8]) -> Option<u64> {
        let start = index - (index - self.first) % self.width;
        let registers = (start..start + self.width).map(|index| {
            let at = 2 * usize::try_from(index.checked_sub(first)?).ok()?;
            Some(u64::from(*words.get(at)?) << 8 | u64::from(*words.get(at + 1)?))
        });
        registers.into_iter().try_fold(0, |value, register| Some(value << 16 | register?))
    }

    fn holds(&self, index: u32) -> bool {
        (self.first..=self.last).contains(&index)
    }
}

fn simple() -> impl Strategy<Value = Simple> {
    (0u32..8, 0u32..3, 1u32..3, (0u64..4, 0u64..4), prop::bool::weighted(0.85)).prop_map(
        |(first, length, width, (low, more), allow)| Simple {
            first,
            last: first + width * (length + 1) - 1,
            width,
            values: (low, low + more),
            allow,
        },
    )
}

/// A rule with any clauses, and whether it allows. Many cannot stand; they are left out.
fn clauses() -> impl Strategy<Value = (String, bool)> {
    fn maybe(clause: &'static [&'static str]) -> impl Strategy<Value = String> {
        let absent = Just(String::new());
        prop_oneof![4 => absent, 1 => prop::sample::select(clause).prop_map(|text| std::format!(" {text}"))]
    }
    let what = prop::sample::select(&["read coil", "read holding", "write coil", "write holding"][..]);
    let who = prop::sample::select(&["any", "hmi", "scada-1", "eng"][..]);
    let place = (0u32..3, 0u32..5, prop::option::weighted(0.2, (4u32..7, 0u32..3)));
    let point = (maybe(&["bit 0", "bit 1"]), maybe(&["unit 1", "unit 2", "unit 1, 2"]));
    let values = maybe(&["= 0..1", "= 0", "= 1", "= on", "= [0, 1]", "= []", "= 0..65537"]);
    let change = (maybe(&["step 0", "step 1 up", "step 1 or to 0"]), maybe(&["as u32", "as f32", "as i16"]));
    let form = (maybe(&["whole"]), maybe(&["via 6", "via 16, 22", "via 23", "via 3", "via 5, 15"]));
    let later =
        (maybe(&["when coil 4 = on"]), maybe(&["max 1/h", "spends pool"]), maybe(&["during day", "during not day"]));
    let rest = (values, change, form, later, maybe(&["always"]), prop::bool::weighted(0.8));
    (who, what, place, point, rest).prop_map(|(who, what, (first, length, more), (bit, unit), rest)| {
        let (values, (step, kind), (whole, via), (when, max, during), always, allow) = rest;
        let more = more.map_or(String::new(), |(first, length)| std::format!(", {first}-{}", first + length));
        let clauses = [bit, unit, values, step, kind, whole, via, when, max, during, always].concat();
        (std::format!("{who} {what} {first}-{}{more}{clauses}", first + length), allow)
    })
}

/// The plan of those rules that can stand.
fn standing(rules: &[(String, bool)]) -> Plan {
    let mut all = plan(&[], &[]);
    for (text, allow) in rules {
        let parsed = Sentence::parse(text, Form::Rule, Protocol::Modbus.grammar(), Addressing::ZeroBased);
        let Ok(sentence) = parsed else { continue };
        let one = Rule { text: text.clone(), sentence, allow: *allow, id: String::new(), place: String::new() };
        let alone = Plan { rules: [one.clone()].to_vec(), ..all.clone() };
        if compile(&alone).is_ok() {
            all.rules.push(one);
        }
    }
    all
}

/// The verdict by the words of language.md, index by index.
fn by_hand(rules: &[Simple], first: u32, words: &[u8]) -> &'static str {
    let indexes = first..first + u32::try_from(words.len() / 2).expect("short");
    let allows = || rules.iter().filter(|rule| rule.allow);
    let fits = |rule: &Simple, index| {
        rule.value(index, first, words).is_some_and(|value| (rule.values.0..=rule.values.1).contains(&value))
    };
    let denied = rules.iter().filter(|rule| !rule.allow).any(|rule| {
        indexes
            .clone()
            .filter(|index| rule.holds(*index))
            .any(|index| rule.value(index, first, words).is_none() || fits(rule, index))
    });
    if allows().next().is_none() {
        "deny function_not_allowed"
    } else if !indexes.clone().all(|index| allows().any(|rule| rule.holds(index))) {
        "deny address_not_allowed"
    } else if denied {
        "deny value_not_allowed!"
    } else if indexes.clone().all(|index| allows().any(|rule| rule.holds(index) && fits(rule, index))) {
        "allow"
    } else {
        "deny value_not_allowed"
    }
}

/// Four times the usual number, unless somebody asks for another.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|asked| asked.parse().ok()).unwrap_or(1024)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// A rule copied from a printed deed allows that deed, and of all others only parts of it with the same values.
    #[test]
    fn a_rule_copied_from_a_printed_deed_allows_that_deed(made in deeds(), others in proptest::collection::vec(deeds(), 40)) {
        let grammar = Protocol::Modbus.grammar();
        let printed = Sentence::of_deed(Some("scada-1"), &made.deed()).print(grammar);
        let gate = Gate::of(&plan(&[printed.as_str()], &[]));
        prop_assert_eq!(told(&gate.deeds(&[made.deed()])), "allow 0", "{}", printed);
        for other in &others {
            let allowed = matches!(gate.deeds(&[other.deed()]), Verdict::Allow(_));
            prop_assert_eq!(allowed, other.is_part_of(&made), "{} and {:?}", printed, other);
        }
    }

    /// GEN-12, GEN-13: rules together allow exactly what they allow element by element, and deny rules win.
    #[test]
    fn a_verdict_is_what_its_elements_say(
        rules in proptest::collection::vec(simple(), 1..6),
        first in 0u32..10,
        registers in proptest::collection::vec(prop_oneof![Just(0u16), Just(0), 0u16..5], 1..6),
    ) {
        let words: Vec<u8> = registers.iter().flat_map(|register| register.to_be_bytes()).collect();
        let texts: Vec<_> = rules.iter().map(|rule| (rule.text(), rule.allow)).collect();
        let of = |allow| texts.iter().filter(|(_, is)| *is == allow).map(|(text, _)| text.as_str()).collect::<Vec<_>>();
        let gate = Gate::of(&plan(&of(true), &of(false)));
        let found = told(&gate.deeds(&[fixture::write(first, 16, &words)]));
        let meant = by_hand(&rules, first, &words);
        prop_assert!(found.starts_with(meant) && (meant == "allow" || found == meant), "{found}, not {meant}: {texts:?}");
    }

    /// The short way lets through nothing that the long way does not, and by the same rule.
    #[test]
    fn the_usual_case_is_what_the_steps_say(
        rules in proptest::collection::vec(clauses(), 1..9),
        deeds in proptest::collection::vec(deeds(), 40),
        held in proptest::collection::vec((0u32..8, 0u16..2), 0..6),
        day in any::<bool>(),
    ) {
        let mut gate = Gate::of(&standing(&rules)).at(0, if day { &[1] } else { &[] });
        for (address, value) in held {
            gate = gate.holds(COIL, address, &[value]).holds(HOLDING, address, &[value]);
        }
        for made in &deeds {
            let deed = made.deed();
            if let Some(rule) = usual(&gate.view.inner, &deed, &gate.known(), gate.now) {
                let meant = Outcome::Allow(Charges { rules: RuleList::of(rule), always: false, spends: false });
                let steps = step_by_step(&gate.view.inner, &deed, &gate.known(), gate.now);
                prop_assert_eq!(steps, meant, "{:?} by {:?}", deed, rules);
            }
        }
    }

    /// A deny rule only ever takes away, and so does any clause added to an allow rule.
    #[test]
    fn more_denies_and_more_clauses_never_allow_more(rules in proptest::collection::vec(simple(), 1..6), deeds in proptest::collection::vec(deeds(), 20)) {
        let allows: Vec<_> = rules.iter().map(Simple::text).collect();
        let allows: Vec<&str> = allows.iter().map(String::as_str).collect();
        let tight: Vec<_> = allows.iter().map(|text| std::format!("{text} during day")).collect();
        let tight: Vec<&str> = tight.iter().map(String::as_str).collect();
        let wide = Gate::of(&plan(&allows, &[]));
        let gates = [Gate::of(&plan(&allows, &["any write holding 2 = 1"])), Gate::of(&plan(&tight, &[]))];
        for deed in &deeds {
            for gate in &gates {
                let allowed = matches!(gate.deeds(&[deed.deed()]), Verdict::Allow(_));
                prop_assert!(!allowed || matches!(wide.deeds(&[deed.deed()]), Verdict::Allow(_)), "{deed:?}");
            }
        }
    }
}
