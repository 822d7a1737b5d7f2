//! Does the difference of two policies say what their two judges decide?

mod brute;
mod told;

use std::collections::BTreeMap;

use sluicegate_proto::{
    keys::{Setting, Settings},
    policy::{BudgetPlan, Plan, Rule, Who},
    protocol::Protocol,
    sentence::{Addressing, Form, Per, Sentence},
};

use super::{Allowance, Change, Kind, Side, TooComplex, between};

/// A conduit's plan for these rules; `deny ` begins a deny rule.
fn plan(protocol: Protocol, rules: &[String]) -> Plan {
    let grammar = protocol.grammar();
    let rule = |text: &String| {
        let (allow, words) = text.strip_prefix("deny ").map_or((true, text.as_str()), |rest| (false, rest));
        let sentence = Sentence::parse(words, Form::Rule, grammar, Addressing::ZeroBased)
            .unwrap_or_else(|faults| panic!("{text}: {faults:#?}"));
        Rule { id: String::new(), sentence, text: text.clone(), allow, place: String::new() }
    };
    Plan {
        protocol,
        settings: Settings(BTreeMap::from([(grammar.units_key, Setting::Ints(vec![1, 2]))])),
        rules: rules.iter().map(rule).collect(),
        identities: vec!["scada-1".to_owned()],
        schedules: vec!["day".to_owned(), "night".to_owned()],
        budgets: vec![BudgetPlan { name: "pool".to_owned(), count: 2, per: Per::Minute }],
    }
}

fn scada() -> Who {
    Who { identity: "scada-1".to_owned(), roles: vec!["hmi".to_owned()] }
}

fn changes(before: &Plan, now: &Plan) -> Result<Vec<Change>, TooComplex> {
    let (calendar, who) = (BTreeMap::new(), scada());
    let side = |plan| Some(Side { plan, who: &who, calendar: &calendar });
    between(before.protocol.grammar(), side(before), side(now), &mut Allowance::default())
}

/// The changes in a few words: what happened, then the sentences.
fn told(protocol: Protocol, before: &[&str], now: &[&str]) -> Vec<String> {
    let owned = |rules: &[&str]| rules.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let (before, now) = (plan(protocol, &owned(before)), plan(protocol, &owned(now)));
    let grammar = protocol.grammar();
    let all = changes(&before, &now).unwrap_or_else(|fault| panic!("{fault}"));
    all.iter().map(|change| in_words(change, grammar)).collect()
}

fn in_words(change: &Change, grammar: &sluicegate_proto::sentence::Grammar) -> String {
    let say = |all: &[super::Said]| {
        let one = |said: &super::Said| {
            let words: Vec<_> = said.words.iter().map(|word| format!(" ({word})")).collect();
            format!("{}{}", said.sentence.print(grammar), words.concat())
        };
        all.iter().map(one).collect::<Vec<_>>().join(" | ")
    };
    let both = !change.before.is_empty() && !change.now.is_empty() && change.before != change.now;
    match change.kind {
        Kind::Allowed | Kind::Refused if both && !matches!(change.what, super::What::Points(_)) => {
            format!("~ {} -> {}", say(&change.before), say(&change.now))
        }
        Kind::Allowed => format!("+ {}", say(&change.now)),
        Kind::Refused => format!("- {}", say(&change.before)),
        Kind::Terms => format!("~ {} -> {}", say(&change.before), say(&change.now)),
        Kind::Kept => format!("= {}", say(&change.now)),
    }
}
