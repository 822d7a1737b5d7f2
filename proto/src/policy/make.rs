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
        let kind = sentence.value_type.unwrap_or(ValueType { format: Format::U16, swapped: false });
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
            values: values(sentence, kind.format, &ranges, &mut found),
            kind,
            typed: sentence.value_type.is_some(),
            whole: sentence.whole,
            step: self.step(sentence, kind.format, &ranges, spec, &mut found),
            via: sentence.via.clone(),
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
                (sentence.always, "always"),
            ] {
                if stands {
                    fault(found, format!("a deny rule takes no `{word}`"), Some("deny wins whenever it applies"));
                }
            }
        }
        if sentence.select_first {
            fault(found, "`select-first` needs a protocol with a select", None);
        }
        if sentence.always && sentence.values.is_none() {
            let help = "`always` ignores every limit, so say exactly which values: `= off always`";
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
        let mut codes: Vec<u16> = if !sentence.via.is_empty() {
            sentence.via.clone()
        } else if spec.index == Index::Code {
            sentence.ranges.iter().filter_map(|(code, _)| u16::try_from(code.checked_rem(256)?).ok()).collect()
        } else {
            rows().filter(|row| !row.named_only).map(|row| row.code).collect()
        };
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
        let numeric = spec.element == Element::Register && sentence.bit.is_none() && format != Format::Bool;
        if !numeric || matches!(step.size, Num::Bool(_)) {
            fault(found, "`step` compares numbers, and this is none", None);
        }
        let size = number::real(step.size);
        if !size.is_finite() || size < 0.0 {
            fault(found, "a step is 0 or more", None);
        }
        if let Some((object, at)) = step.from {
            self.check_readback(object, at, ranges, found);
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
            spec.element == Element::Register && at.checked_add(length).is_some_and(|last| last <= highest(spec))
        });
        if !fits {
            fault(found, "`from` names registers that do not all exist", None);
        }
    }

    fn when(&self, sentence: &Sentence, found: &mut Found) -> Option<Condition> {
        let when = sentence.when.as_ref()?;
        let readable = self
            .grammar
            .objects
            .get(usize::from(when.object.0))
            .is_some_and(|spec| spec.element != Element::None && when.address <= highest(spec));
        if !readable {
            fault(found, "`when` asks about a point that cannot be read", None);
        }
        let spans = spans(when.values.iter().copied(), Format::U16, found);
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
    let width = number::width(kind.format);
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

fn values(sentence: &Sentence, format: Format, ranges: &[(u32, u32)], found: &mut Found) -> Option<Admits> {
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
                [(first, last)] => {
                    let length = u64::from(last.saturating_sub(*first)).saturating_add(1);
                    length.checked_div(u64::from(number::width(format))) == u64::try_from(all.len()).ok()
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
