//! What is wrong with a rule, and what becomes of it where nothing is?

use alloc::{format, string::String, vec::Vec};

use super::{
    Plan, Rule, RuleIx,
    compile::Buckets,
    number::{self, Span},
    ready::{Admits, Condition, Ready, Step},
};
use crate::{
    deed::ObjectId,
    sentence::{Element, Format, Grammar, Index, Num, ObjectSpec, Sentence, ValueSet, ValueType},
    time::ScheduleSet,
    vocab::Class,
};

/// What rules are made ready with.
pub(super) struct Bench<'p> {
    pub(super) plan: &'p Plan,
    pub(super) grammar: &'p Grammar,
    pub(super) units: Option<&'p [u32]>,
    pub(super) functions: Option<&'p [u16]>,
}

/// What is wrong, and what to do.
type Found = Vec<(String, Option<String>)>;

impl Bench<'_> {
    pub(super) fn make(&self, rule: &Rule, ix: RuleIx, buckets: &mut Buckets<'_>) -> Result<Ready, Found> {
        let sentence = &rule.sentence;
        let mut found = Found::new();
        let Some(spec) = self.grammar.objects.get(usize::from(sentence.object.0)) else {
            return Err(alloc::vec![(String::from("this protocol has no such object"), None)]);
        };
        let kind = sentence.value_type.unwrap_or(ValueType { format: spec.format(), swapped: false });
        let ranges = if sentence.ranges.is_empty() { alloc::vec![(0, highest(spec))] } else { sentence.ranges.clone() };
        if sentence.who.is_none() {
            fault(&mut found, "a rule says for whom it is", Some("start it with a role, an identity or `any`"));
        }
        self.check_form(rule, spec, &mut found);
        self.check_use(rule, spec, &mut found);
        check_elements(&ranges, kind, sentence, spec, &mut found);
        let ready = Ready {
            rule: ix,
            allow: rule.allow,
            topic: (sentence.class, sentence.object),
            who: sentence.who.clone().unwrap_or_default(),
            bit: sentence.bit,
            units: sentence.units.clone(),
            values: values(sentence, kind.format, &ranges, spec, &mut found),
            kind,
            typed: sentence.value_type.is_some(),
            one_each: spec.is_one_each(),
            qualifiers: sentence.qualifiers.clone(),
            select_first: sentence.select_first,
            whole: sentence.whole,
            step: self.step(sentence, kind.format, &ranges, spec, &mut found),
            via: named_functions(sentence, spec),
            when: self.when(sentence, &mut found),
            buckets: own_and_shared(rule, buckets, &mut found),
            during: self.during(sentence, &mut found),
            always: sentence.always,
            ranges,
        };
        if found.is_empty() { Ok(ready) } else { Err(found) }
    }

    /// Clauses that cannot stand in this rule.
    fn check_form(&self, rule: &Rule, spec: &ObjectSpec, found: &mut Found) {
        let sentence = &rule.sentence;
        if !rule.allow {
            for (stands, word) in [
                (sentence.step.is_some(), "step"),
                (sentence.max.is_some(), "max"),
                (sentence.when.is_some(), "when"),
                (sentence.spends.is_some(), "spends"),
                (sentence.select_first, "select-first"),
                (sentence.always, "always"),
            ] {
                if stands {
                    fault(found, format!("a deny rule takes no `{word}`"), Some("deny wins whenever it applies"));
                }
            }
        }
        if sentence.select_first && !self.grammar.selects.contains(&sentence.object) {
            fault(found, format!("`{}` has no select", spec.word), None);
        }
        let closed = match &sentence.values {
            None => false,
            Some(ValueSet::Each(all)) => all.iter().all(|(from, to)| from == to),
            Some(ValueSet::Positional(_)) => true,
        };
        if sentence.always && !closed {
            let help = "`always` ignores every limit, so say which values, one by one: `= off always`";
            fault(found, "`always` needs a closed value set", Some(help));
        }
        if sentence.class == Class::Read && (sentence.values.is_some() || sentence.step.is_some()) {
            fault(found, "a read carries no value", Some("leave out `=` and `step`"));
        }
        if sentence.values.is_some() && spec.element == Element::None {
            fault(found, format!("`{}` carries no value", spec.word), None);
        }
        if let Some(bit) = sentence.bit {
            if spec.element != Element::Register || bit > 15 {
                fault(found, "`bit` names one of the bits 0-15 of a register", None);
            }
            if sentence.value_type.is_some() {
                fault(found, "one bit has no type", Some("leave out `as`"));
            }
        }
    }

    /// What `units` and `functions` leave of an allow rule.
    fn check_use(&self, rule: &Rule, spec: &ObjectSpec, found: &mut Found) {
        let sentence = &rule.sentence;
        if !rule.allow {
            return;
        }
        let named = |unit: &u32| sentence.units.iter().any(|(first, last)| (*first..=*last).contains(unit));
        if let Some(units) = self.units
            && !sentence.units.is_empty()
            && !units.iter().any(named)
        {
            fault(found, "no unit of this rule is in `units`: it can never apply", Some("add the unit to `units`"));
        }
        let rows =
            || self.grammar.functions.iter().filter(|row| row.object == sentence.object && row.class == sentence.class);
        let mut codes = named_functions(sentence, spec);
        if codes.is_empty() && spec.index != Index::Code {
            codes = rows().filter(|row| !row.named_only).map(|row| row.code).collect();
        }
        if spec.index != Index::Code && rows().next().is_some() {
            codes.retain(|code| rows().any(|row| row.code == *code));
            if codes.is_empty() {
                fault(found, "no function does this: the rule can never apply", Some("name the function with `via`"));
                return;
            }
        }
        if let Some(functions) = self.functions
            && !codes.is_empty()
            && !codes.iter().any(|code| functions.contains(code))
        {
            let help = format!("add {codes:?} to `functions`, or take the rule out");
            fault(found, "`functions` makes this rule unusable", Some(&help));
        }
    }

    fn step(
        &self,
        sentence: &Sentence,
        format: Format,
        ranges: &[(u32, u32)],
        spec: &ObjectSpec,
        found: &mut Found,
    ) -> Option<Step> {
        let step = sentence.step.as_ref()?;
        let numeric = spec.is_number() && sentence.bit.is_none() && format != Format::Bool;
        if !numeric || matches!(step.size, Num::Bool(_)) {
            fault(found, "`step` compares numbers, and this is none", None);
        }
        let size = number::real(step.size);
        if !size.is_finite() || size < 0.0 {
            fault(found, "a step is 0 or more", None);
        }
        match step.from {
            Some((object, at)) => self.check_readback(object, at, ranges, found),
            None if !spec.can_be_asked() => {
                let help = "name a register that shows it: `step N from input 12`";
                fault(found, format!("the gateway cannot read `{}` back", spec.word), Some(help));
            }
            None => {}
        }
        let or_to = step.or_to.iter().map(|to| (*to, *to));
        Some(Step { size: step.size, direction: step.direction, or_to: spans(or_to, format, found), from: step.from })
    }

    fn check_readback(&self, object: ObjectId, at: u32, ranges: &[(u32, u32)], found: &mut Found) {
        let length = match ranges {
            [(first, last)] => last.saturating_sub(*first),
            _ => {
                let help = "write one rule for each range";
                return fault(found, "`from` stands for one range", Some(help));
            }
        };
        let fits = self.grammar.objects.get(usize::from(object.0)).is_some_and(|spec| {
            spec.is_number() && spec.can_be_asked() && at.checked_add(length).is_some_and(|last| last <= highest(spec))
        });
        if !fits {
            fault(found, "`from` names registers that do not all exist", None);
        }
    }

    fn when(&self, sentence: &Sentence, found: &mut Found) -> Option<Condition> {
        let when = sentence.when.as_ref()?;
        let spec = self.grammar.object(when.object);
        let readable = spec.filter(|spec| spec.can_be_asked() && when.address <= highest(spec));
        if readable.is_none() {
            fault(found, "`when` asks about a point that cannot be read", None);
        }
        let format = readable.map_or(Format::U16, ObjectSpec::format);
        let spans = spans(when.values.iter().copied(), format, found);
        Some(Condition { object: when.object, address: when.address, spans })
    }

    fn during(&self, sentence: &Sentence, found: &mut Found) -> Option<(u8, bool)> {
        let during = sentence.during.as_ref()?;
        let place = self.plan.schedules.iter().position(|name| *name == during.schedule);
        let Some(place) = place else {
            let help = format!("define [schedules.{}]", during.schedule);
            fault(found, format!("there is no schedule `{}`", during.schedule), Some(&help));
            return None;
        };
        match u8::try_from(place) {
            Ok(bit) if place < ScheduleSet::MAX => Some((bit, during.not)),
            _ => {
                let help = format!("keep at most {} schedules", ScheduleSet::MAX);
                fault(found, "too many schedules", Some(&help));
                None
            }
        }
    }
}

/// The functions that a rule names: with `via`, or because its object's indexes are function codes (`function 90`).
fn named_functions(sentence: &Sentence, spec: &ObjectSpec) -> Vec<u16> {
    if !sentence.via.is_empty() || spec.index != Index::Code {
        return sentence.via.clone();
    }
    // A code's sub-code stands above its low byte; a longer range than all codes names them all.
    let short = sentence.ranges.iter().all(|(first, last)| last.saturating_sub(*first) < 256);
    let codes = sentence.ranges.iter().filter(|_| short).flat_map(|(first, last)| *first..=*last);
    codes.filter_map(|code| u16::try_from(code.checked_rem(256)?).ok()).collect()
}

fn own_and_shared(rule: &Rule, buckets: &mut Buckets<'_>, found: &mut Found) -> [Option<u32>; 2] {
    let own = rule.sentence.max.map(|max| {
        if max.count == 0 {
            fault(found, "`max 0` never lets anything through", Some("take the rule out"));
        }
        buckets.own(&rule.text, max)
    });
    let shared = rule.sentence.spends.as_deref().and_then(|name| {
        let place = buckets.shared(name);
        if place.is_none() {
            let help = format!("define [budgets.{name}] with a rate of at least 1");
            fault(found, format!("there is no budget `{name}`"), Some(&help));
        }
        place
    });
    [own, shared]
}

/// Whether every range consists of whole elements.
fn check_elements(ranges: &[(u32, u32)], kind: ValueType, sentence: &Sentence, spec: &ObjectSpec, found: &mut Found) {
    let width = spec.width(kind.format);
    if sentence.value_type.is_some() && width > 1 && spec.element != Element::Register {
        return fault(found, format!("`{}` has no registers to put together", spec.word), Some("leave out `as`"));
    }
    for (first, last) in ranges {
        let length = u64::from(last.saturating_sub(*first)).saturating_add(1);
        if first > last {
            fault(found, "the range ends before it starts", None);
        } else if length.checked_rem(u64::from(width)) != Some(0) {
            let help = format!("its elements have {width} registers each: make the range a multiple of {width} long");
            fault(found, format!("the type does not divide the range {first}-{last}"), Some(&help));
        }
    }
}

fn values(
    sentence: &Sentence,
    format: Format,
    ranges: &[(u32, u32)],
    spec: &ObjectSpec,
    found: &mut Found,
) -> Option<Admits> {
    let format = if sentence.bit.is_some() { Format::Bool } else { format };
    match sentence.values.as_ref()? {
        ValueSet::Each(all) => {
            if all.is_empty() {
                fault(found, "the value set is empty", None);
            }
            Some(Admits::Each(spans(all.iter().copied(), format, found)))
        }
        ValueSet::Positional(all) => {
            let fits = match ranges {
                // `[]`: a write that sets nothing, as an empty mask prints.
                [_] if all.is_empty() => true,
                [(first, last)] => {
                    let length = u64::from(last.saturating_sub(*first)).saturating_add(1);
                    length.checked_div(u64::from(spec.width(format))) == u64::try_from(all.len()).ok()
                }
                _ => false,
            };
            if !fits {
                let help = "give one value for each element of one range";
                fault(found, "the list of values is not as long as the range", Some(help));
            }
            Some(Admits::Positional(spans(all.iter().map(|one| (*one, *one)), format, found)))
        }
    }
}

fn spans(all: impl Iterator<Item = (Num, Num)>, format: Format, found: &mut Found) -> Vec<Span> {
    let mut made = Vec::new();
    for pair in all {
        match Span::new(pair, format) {
            Ok(span) => made.push(span),
            Err(message) => fault(found, message, Some("give the type with `as`, or another value")),
        }
    }
    made
}

fn fault(found: &mut Found, message: impl Into<String>, help: Option<&str>) {
    found.push((message.into(), help.map(String::from)));
}

/// The largest index of an object.
fn highest(spec: &ObjectSpec) -> u32 {
    match spec.index {
        Index::None => 0,
        Index::Address { max } | Index::Number { max } => max,
        Index::Code | Index::FileRecord => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use std::{string::ToString, vec::Vec};

    use super::*;
    use crate::{
        deed::ObjectId,
        keys::Setting,
        policy::{
            compile,
            fixture::{COIL, Gate, HOLDING, INPUT, plan, rule},
        },
        sentence::{Max, Per, StepClause, When},
    };

    const FILE: ObjectId = ObjectId(7);

    fn faults(plan: &Plan) -> Vec<String> {
        compile(plan)
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|fault| std::format!("{}: {}", fault.rule, fault.message))
            .collect()
    }

    /// The faults of one rule that `change` spoils: the parser would not let all of them through.
    fn spoiled(text: &str, allow: bool, change: impl Fn(&mut Sentence)) -> Vec<String> {
        let mut one = rule(text, allow);
        change(&mut one.sentence);
        faults(&Plan { rules: [one].to_vec(), ..plan(&[], &[]) })
    }

    fn each(from: Num, to: Num) -> Option<ValueSet> {
        Some(ValueSet::Each([(from, to)].to_vec()))
    }

    fn step(size: Num, from: Option<(ObjectId, u32)>) -> Option<StepClause> {
        Some(StepClause { size, direction: None, or_to: Vec::new(), from })
    }

    #[test]
    fn names_must_exist_and_all_faults_are_told_at_once() {
        let mut plan = plan(
            &["hmi read holding 0 during dusk", "hmi write holding 1", "hmi write holding 1 spends purse"],
            &["any write holding 2 during dusk"],
        );
        assert_eq!(
            faults(&plan),
            ["0: there is no schedule `dusk`", "2: there is no budget `purse`", "3: there is no schedule `dusk`"]
        );
        plan.schedules = (0..65).map(|n| std::format!("s{n}")).chain(["dusk".to_string()]).collect();
        plan.budgets.iter_mut().for_each(|budget| budget.name = "purse".to_string());
        assert_eq!(faults(&plan), ["0: too many schedules", "3: too many schedules"]);
        plan.schedules.remove(0);
        assert_eq!(faults(&plan), ["0: too many schedules", "3: too many schedules"], "the 65th");
        plan.schedules.remove(0);
        assert_eq!(faults(&plan), [""; 0], "64 are served");
    }

    #[test]
    fn units_and_functions_must_leave_an_allow_rule_something() {
        let mut plan = plan(
            &[
                "hmi read holding 0 unit 7",
                "hmi write holding 0",
                "hmi write holding 0 via 6",
                "hmi program function 90",
            ],
            &["any write holding 0 unit 7"],
        );
        assert_eq!(faults(&plan), ["0: no unit of this rule is in `units`: it can never apply"]);
        plan.settings.0.insert("units", Setting::Ints([7].to_vec()));
        plan.settings.0.insert("functions", Setting::Ints([3, 16].to_vec()));
        let unusable = "`functions` makes this rule unusable";
        assert_eq!(faults(&plan), [std::format!("2: {unusable}"), std::format!("3: {unusable}")]);
        let fault = spoiled("hmi write holding 0", true, |one| one.via = [3].to_vec());
        assert_eq!(fault, ["0: no function does this: the rule can never apply"]);
    }

    #[test]
    fn rules_of_whole_objects_and_of_codes_are_left_alone_by_the_outer_lists() {
        let mut plan = plan(
            &["hmi read holding unit 7", "hmi write holding 0-3 = -5..5 as i16", "hmi write coil 0-3 = on as bool"],
            &[],
        );
        plan.settings.0.remove("units");
        assert_eq!(faults(&plan), [""; 0], "without `units` every unit is served");
        Gate::of(&plan).table(&[
            ("read holding 65535 unit 7", "allow 0"),
            ("read holding 65535", "deny unit_not_allowed"),
            ("write holding 3 = 65531", "allow 1"),
            ("write holding 3 = 65530", "deny value_not_allowed"),
            ("write coil 2-3 = [on, on]", "allow 2"),
            ("write coil 2-3 = [on, off]", "deny value_not_allowed"),
        ]);
        plan.settings.0.insert("functions", Setting::Ints([3, 6].to_vec()));
        let mut every = rule("hmi program function 90", true);
        every.sentence.ranges.clear();
        plan.rules = [every].to_vec();
        assert_eq!(faults(&plan), [""; 0], "which codes it means is not known");
        assert_eq!(spoiled("hmi write holding 0", true, |one| one.class = Class::Control), [""; 0]);
    }

    #[test]
    fn a_type_must_fit_its_range_and_its_values() {
        let float = Some(ValueType { format: Format::F32, swapped: false });
        let register = Some(ValueType { format: Format::U16, swapped: false });
        let write = "hmi write holding 40-43";
        for (found, message) in [
            (
                spoiled("hmi write holding 40-42", true, |one| one.value_type = float),
                "the type does not divide the range 40-42",
            ),
            (
                spoiled("hmi write coil 40-43", true, |one| one.value_type = float),
                "`coil` has no registers to put together",
            ),
            (spoiled(write, true, |one| one.values = each(Num::Int(-5), Num::Int(-1))), "no u16 has such a value"),
            (spoiled(write, true, |one| one.values = each(Num::Int(9), Num::Int(1))), "no u16 has such a value"),
            (spoiled(write, true, |one| one.ranges = [(9, 1)].to_vec()), "the range ends before it starts"),
            (
                spoiled(write, true, |one| one.values = Some(ValueSet::Positional([Num::Int(1)].to_vec()))),
                "the list of values is not as long as the range",
            ),
            (spoiled(write, true, |one| one.values = Some(ValueSet::Each(Vec::new()))), "the value set is empty"),
            (
                spoiled("hmi write coil 0", true, |one| one.bit = Some(1)),
                "`bit` names one of the bits 0-15 of a register",
            ),
            (
                spoiled("hmi read holding 0", true, |one| one.values = each(Num::Int(1), Num::Int(1))),
                "a read carries no value",
            ),
            (spoiled("hmi read holding 0", true, |one| one.step = step(Num::Int(1), None)), "a read carries no value"),
            (
                spoiled("hmi program function 90", true, |one| one.values = each(Num::Int(1), Num::Int(1))),
                "`function` carries no value",
            ),
            (
                spoiled("hmi write holding 0", true, |one| one.bit = Some(16)),
                "`bit` names one of the bits 0-15 of a register",
            ),
            (
                spoiled("hmi write holding 0 bit 15 via 22", true, |one| one.value_type = register),
                "one bit has no type",
            ),
            (spoiled(write, true, |one| one.object = ObjectId(200)), "this protocol has no such object"),
            (spoiled(write, true, |one| one.who = None), "a rule says for whom it is"),
            (spoiled(write, true, |one| one.select_first = true), "`holding` has no select"),
        ] {
            assert_eq!(found, [std::format!("0: {message}")]);
        }
    }

    #[test]
    fn steps_conditions_and_budgets_must_be_possible() {
        let write = "hmi write holding 40-43";
        let when = When { object: ObjectId(4), address: 0, values: [(Num::Int(1), Num::Int(1))].to_vec() };
        let never = Max { count: 0, per: Per::Second, each: false };
        for (found, message) in [
            (
                spoiled("hmi write coil 0", true, |one| one.step = step(Num::Int(1), None)),
                "`step` compares numbers, and this is none",
            ),
            (
                spoiled("hmi write holding 40 bit 1 via 22", true, |one| one.step = step(Num::Int(1), None)),
                "`step` compares numbers, and this is none",
            ),
            (
                spoiled(write, true, |one| one.step = step(Num::Bool(true), None)),
                "`step` compares numbers, and this is none",
            ),
            (spoiled(write, true, |one| one.step = step(Num::Int(-1), None)), "a step is 0 or more"),
            (spoiled(write, true, |one| one.step = step(Num::Float(f64::NAN), None)), "a step is 0 or more"),
            (
                spoiled(write, true, |one| one.step = step(Num::Int(1), Some((INPUT, 65_533)))),
                "`from` names registers that do not all exist",
            ),
            (
                spoiled(write, true, |one| one.step = step(Num::Int(1), Some((COIL, 0)))),
                "`from` names registers that do not all exist",
            ),
            (
                spoiled(write, true, |one| one.step = step(Num::Int(1), Some((FILE, 0)))),
                "`from` names registers that do not all exist",
            ),
            (
                spoiled("hmi write file 4:0-9", true, |one| one.step = step(Num::Int(1), None)),
                "the gateway cannot read `file` back",
            ),
            (
                spoiled(write, true, |one| {
                    one.step = step(Num::Int(1), None);
                    one.value_type = Some(ValueType { format: Format::Bool, swapped: false });
                }),
                "`step` compares numbers, and this is none",
            ),
            (
                spoiled("hmi write holding 1, 3", true, |one| one.step = step(Num::Int(1), Some((HOLDING, 0)))),
                "`from` stands for one range",
            ),
            (
                spoiled(write, true, |one| one.when = Some(when.clone())),
                "`when` asks about a point that cannot be read",
            ),
            (spoiled(write, true, |one| one.max = Some(never)), "`max 0` never lets anything through"),
            (spoiled(write, true, |one| one.always = true), "`always` needs a closed value set"),
            (
                spoiled("hmi write holding 40 = 0..9", true, |one| one.always = true),
                "`always` needs a closed value set",
            ),
        ] {
            assert_eq!(found, [std::format!("0: {message}")]);
        }
    }

    #[test]
    fn a_step_of_nothing_lets_a_value_be_written_again_and_a_budget_of_nothing_is_none() {
        let gate = Gate::new(&["hmi write holding 40 = 0..9 step 0"], &[]).holds(HOLDING, 40, &[5]);
        gate.table(&[("write holding 40 = 5", "allow 0"), ("write holding 40 = 6", "deny step_not_allowed")]);
        let mut plan = plan(&["hmi write holding 1 spends pool"], &[]);
        assert_eq!(faults(&plan), [""; 0]);
        plan.budgets.iter_mut().for_each(|budget| budget.count = 0);
        assert_eq!(faults(&plan), ["0: there is no budget `pool`"]);
    }

    #[test]
    fn a_deny_rule_takes_no_limits() {
        let found = spoiled("any write holding 40 = 9", false, |one| {
            let limited = rule("any write holding 40 = 9 step 1 when discrete 0 = on max 1/s spends pool always", true);
            *one = limited.sentence;
        });
        let words = ["step", "max", "when", "spends", "always"];
        assert_eq!(found, words.map(|word| std::format!("0: a deny rule takes no `{word}`")));
    }
}
