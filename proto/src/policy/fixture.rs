//! What do the tests of the policy judge with? Sentences in, one word out.

use std::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::*;
use crate::{
    deed::{Deed, ObjectId, Seen},
    keys::{Setting, Settings},
    policy::judge::{Tally, judge_deed},
    sentence::{Addressing, Form},
    time::{Mono, ScheduleSet},
    vocab::Class,
};

pub(super) const COIL: ObjectId = ObjectId(0);
pub(super) const DISCRETE: ObjectId = ObjectId(1);
pub(super) const INPUT: ObjectId = ObjectId(2);
pub(super) const HOLDING: ObjectId = ObjectId(3);

/// A rule from its sentence.
pub(super) fn rule(text: &str, allow: bool) -> Rule {
    let grammar = Protocol::Modbus.grammar();
    let sentence = Sentence::parse(text, Form::Rule, grammar, Addressing::ZeroBased)
        .unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    Rule { id: String::new(), text: sentence.print(grammar), sentence, allow, place: String::new() }
}

/// A plan for units 1 and 2, with schedules `night` and `day`, and a budget `pool` of two a minute.
pub(super) fn plan(allow: &[&str], deny: &[&str]) -> Plan {
    let rules = allow.iter().map(|text| rule(text, true)).chain(deny.iter().map(|text| rule(text, false))).collect();
    Plan {
        protocol: Protocol::Modbus,
        settings: Settings(BTreeMap::from([("units", Setting::Ints([1, 2].to_vec()))])),
        rules,
        identities: ["eng-1", "scada-1", "scada-2"].map(String::from).to_vec(),
        schedules: ["night", "day"].map(String::from).to_vec(),
        budgets: [BudgetPlan { name: String::from("pool"), count: 2, per: Per::Minute }].to_vec(),
    }
}

/// A conduit and one peer of it.
pub(super) struct Gate {
    pub(super) view: Arc<View>,
    pub(super) held: Held,
    pub(super) budgets: Budgets,
    pub(super) failed: Vec<ReadFirst>,
    pub(super) now: Now,
}

impl Gate {
    /// The conduit of [`plan`], met by `scada-1` in the role `hmi`.
    pub(super) fn new(allow: &[&str], deny: &[&str]) -> Self {
        Self::of(&plan(allow, deny))
    }

    pub(super) fn of(plan: &Plan) -> Self {
        let set = compile(plan).unwrap_or_else(|faults| panic!("{faults:?}"));
        let who = Who { identity: String::from("scada-1"), roles: [String::from("hmi")].to_vec() };
        Self {
            view: set.view(&who),
            held: Held::new(&set),
            budgets: Budgets::new(&set),
            failed: Vec::new(),
            now: Now::default(),
        }
    }

    /// The device was seen to hold these registers from `first` on.
    pub(super) fn holds(mut self, object: ObjectId, first: u32, values: &[u16]) -> Self {
        for (address, value) in (first..).zip(values) {
            self.held.learn(Seen { unit: 1, object, address, value: Some((*value).into()) }, self.now.mono);
        }
        self
    }

    pub(super) fn at(mut self, nanos: u64, schedules: &[u8]) -> Self {
        let schedules = schedules.iter().fold(ScheduleSet::default(), |set, bit| set.with(*bit));
        self.now = Now { mono: Mono::from_nanos(nanos), schedules };
        self
    }

    pub(super) fn known(&self) -> Known<'_> {
        Known { held: &self.held, budgets: &self.budgets, failed: &self.failed }
    }

    /// The verdict on the message that does what `text` says.
    pub(super) fn verdict(&self, text: &str) -> Verdict {
        let sentence = Sentence::parse(text, Form::Deed, Protocol::Modbus.grammar(), Addressing::ZeroBased);
        let sentence = sentence.unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        let stored = Protocol::Modbus.build(&sentence, 1).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        self.view.judge(&stored.message().expect("it was built"), &self.known(), self.now)
    }

    /// The same in a few words: `allow 0 1`, `always 2`, `spend 0`, `ask holding 4+2`, `deny value_not_allowed`,
    /// with `!` where a deny rule made it.
    pub(super) fn say(&self, text: &str) -> String {
        told(&self.verdict(text))
    }

    /// The verdict on deeds made by hand.
    pub(super) fn deeds(&self, deeds: &[Deed<'_>]) -> Verdict {
        let mut tally = Tally::new();
        for deed in deeds {
            tally.add(deed, judge_deed(&self.view.inner, deed, &self.known(), self.now));
        }
        tally.verdict()
    }

    /// Each line is a message and its verdict.
    pub(super) fn table(&self, lines: &[(&str, &str)]) {
        let found: Vec<_> = lines.iter().map(|(text, _)| format!("{text} -> {}", self.say(text))).collect();
        let meant: Vec<_> = lines.iter().map(|(text, verdict)| format!("{text} -> {verdict}")).collect();
        assert_eq!(found, meant);
    }
}

pub(super) fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(Charges { rules, always, spends }) => {
            let word = if *always {
                "always"
            } else if *spends {
                "spend"
            } else {
                "allow"
            };
            rules.iter().fold(word.to_string(), |text, rule| format!("{text} {}", rule.0))
        }
        Verdict::Ask(read) => {
            let object = Protocol::Modbus.grammar().objects[usize::from(read.object.0)].word;
            format!("ask {object} {}+{}", read.first, read.count)
        }
        Verdict::Deny(denied) => format!("deny {}{}", denied.reason, if denied.by_deny_rule { "!" } else { "" }),
    }
}

/// A write deed of registers on unit 1.
pub(super) fn write(first: u32, function: u16, words: &[u8]) -> Deed<'_> {
    let last = first + u32::try_from(words.len() / 2).expect("short") - 1;
    let values = crate::deed::Values::Words(words);
    Deed {
        class: Class::Write,
        object: HOLDING,
        unit: 1,
        function,
        first,
        last,
        bit: None,
        values,
        qualifier: None,
        unselected: false,
    }
}
