//! What does one rule amount to, as sets?

use std::collections::BTreeMap;

use sluicegate_proto::{
    policy::{Plan, Rule, Who},
    sentence::{Element, Format, Grammar, Index, Num, ObjectSpec, Sentence, ValueSet, ValueType},
    vocab::Class,
};

use super::{
    raw::{self, Runs},
    terms::{Bucket, Schedule, Terms},
};

/// How registers make the elements of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Layout {
    /// Indexes for one element.
    pub(super) width: u32,
    pub(super) swapped: bool,
}

impl Layout {
    pub(super) const PLAIN: Self = Self { width: 1, swapped: false };
}

/// One rule, or what stands for one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) allow: bool,
    pub(super) sentence: Sentence,
    /// The rule's text, which names its bucket; empty where no rule stands behind it.
    pub(super) text: String,
    /// Never empty.
    pub(super) ranges: Vec<(u32, u32)>,
    pub(super) layout: Layout,
    pub(super) format: Format,
    /// What one element may be (allow) or may not (deny); absent: anything, even what is no number.
    pub(super) values: Option<Runs>,
    /// Element by element, where the whole range is written at once (allow) or what of it is written matches (deny).
    pub(super) listed: Option<Vec<Runs>>,
    /// Whether an allow stands for a message that writes its range and nothing else.
    pub(super) exact: bool,
    pub(super) terms: Terms,
}

/// Where a policy's rules meet its surroundings.
pub(super) struct Ground<'p> {
    pub(super) plan: &'p Plan,
    pub(super) grammar: &'static Grammar,
    /// What each schedule of the plan says.
    pub(super) calendar: &'p BTreeMap<String, String>,
}

impl Ground<'_> {
    /// The rules that one peer meets, by the text of each. Devices may report all that nobody rules.
    pub(super) fn parts(&self, who: &Who) -> Vec<Part> {
        let meets = |rule: &&Rule| {
            rule.sentence
                .who
                .as_ref()
                .is_some_and(|one| one == "any" || *one == who.identity || who.roles.contains(one))
        };
        let mut parts: Vec<_> = self
            .plan
            .rules
            .iter()
            .filter(meets)
            .filter_map(|rule| self.part(&rule.sentence, rule.allow, &rule.text))
            .collect();
        if !self.plan.rules.iter().any(|rule| rule.allow && rule.sentence.class == Class::Report) {
            parts.extend(self.reports());
        }
        parts
    }

    /// What stands for the rules that nobody wrote about reports.
    fn reports(&self) -> impl Iterator<Item = Part> {
        let reported = self.grammar.objects.iter().zip(0u8..).filter(|(spec, _)| spec.classes.contains(&Class::Report));
        reported.filter_map(|(_, id)| {
            let sentence = free(Class::Report, sluicegate_proto::deed::ObjectId(id));
            self.part(&sentence, true, "")
        })
    }

    pub(super) fn part(&self, sentence: &Sentence, allow: bool, text: &str) -> Option<Part> {
        let spec = self.grammar.object(sentence.object)?;
        let kind = sentence.value_type.unwrap_or(ValueType { format: spec.format(), swapped: false });
        let format = if sentence.bit.is_some() || is_switch(spec) { Format::Bool } else { kind.format };
        let width = if sentence.bit.is_some() { 1 } else { spec.width(kind.format) };
        let ranges = if sentence.ranges.is_empty() { vec![(0, highest(spec))] } else { sentence.ranges.clone() };
        let clause = |pairs: &[(Num, Num)]| raw::of_clause(pairs, format);
        let mut listed = match &sentence.values {
            Some(ValueSet::Positional(all)) => Some(all.iter().map(|one| clause(&[(*one, *one)])).collect::<Vec<_>>()),
            Some(ValueSet::Each(_)) | None => None,
        };
        let mut values = match &sentence.values {
            Some(ValueSet::Each(all)) => Some(clause(all)),
            // `as f32`, or a step: any number.
            None if sentence.value_type.is_some() || sentence.step.is_some() => Some(raw::finite(format)),
            Some(ValueSet::Positional(_)) | None => None,
        };
        let exact = allow && (sentence.whole || listed.is_some()) && !sets_nothing(sentence);
        if !allow {
            // What is no number, or is written in part, is touched, and so is all where no values stand.
            values = match &sentence.values {
                Some(ValueSet::Each(_)) => values.map(|runs| raw::union(&runs, &raw::not_finite(format))),
                Some(ValueSet::Positional(_)) | None => None,
            };
            if let Some([only]) = listed.as_deref() {
                values = Some(raw::union(only, &raw::not_finite(format)));
                listed = None;
            }
        }
        let layout = Layout { width, swapped: kind.swapped && width > 1 };
        let terms = self.terms(sentence, kind, text);
        Some(Part {
            allow,
            sentence: sentence.clone(),
            text: text.to_owned(),
            ranges,
            layout,
            format,
            values,
            listed,
            exact,
            terms,
        })
    }

    fn terms(&self, sentence: &Sentence, kind: ValueType, text: &str) -> Terms {
        let mut terms = Terms { select_first: sentence.select_first, always: sentence.always, ..Terms::default() };
        if sentence.always {
            return terms;
        }
        if let Some(during) = &sentence.during {
            let says = self.calendar.get(&during.schedule).cloned().unwrap_or_default();
            terms.during.insert(Schedule { name: during.schedule.clone(), says }, during.not);
        }
        if let Some(step) = &sentence.step {
            let first = sentence.ranges.first().map_or(0, |range| i64::from(range.0));
            terms.from = step.from.map(|(object, at)| (object, i64::from(at) - first));
            terms.step = Some(sluicegate_proto::sentence::StepClause { from: None, ..step.clone() });
            terms.measured = sentence.value_type.map(|_| kind);
        }
        if sentence.step.is_some() || sentence.when.is_some() {
            let settings = &self.plan.settings;
            let age = settings.duration("step_age").unwrap_or(STEP_AGE);
            let unknown = settings.text("step_unknown").filter(|_| sentence.step.is_some()).unwrap_or("refuse");
            terms.held = Some(format!("step_age {age:?}, step_unknown {unknown}"));
        }
        terms.when.clone_from(&sentence.when);
        terms.max = sentence.max;
        terms.bucket = sentence.max.map(|max| {
            let who = sentence.who.clone().filter(|_| !max.each).unwrap_or_default();
            Bucket { rule: text.to_owned(), who }
        });
        terms.spends = sentence.spends.as_ref().and_then(|name| {
            let budget = self.plan.budgets.iter().find(|one| one.name == *name)?;
            Some((name.clone(), budget.count, budget.per))
        });
        terms
    }
}

impl Part {
    /// Whether it says nothing of values: a deny that touches whatever is written, an allow for all of it.
    pub(super) fn is_open(&self) -> bool {
        self.values.is_none() && self.listed.is_none() && !sets_nothing(&self.sentence)
    }

    /// Whether it stands for a function; one that must be named is open to denies only.
    pub(super) fn admits(&self, code: u16, must_be_named: bool) -> bool {
        match self.sentence.via.as_slice() {
            [] => !self.allow || !must_be_named,
            codes => codes.contains(&code),
        }
    }

    /// Whether it asks for nothing besides.
    pub(super) fn is_plain(&self) -> bool {
        self.terms == Terms::default()
    }

    pub(super) fn is_bit(&self) -> bool {
        self.sentence.bit.is_some()
    }

    /// Where the index says the function: only those that are served and that the rule names.
    pub(super) fn keep_served(&mut self, grammar: &Grammar, functions: Option<&[u16]>) {
        let code = grammar.object(self.sentence.object).is_some_and(|spec| spec.index == Index::Code);
        let via = Some(self.sentence.via.as_slice()).filter(|via| !via.is_empty());
        for codes in [functions, via].into_iter().flatten().filter(|_| code) {
            let subs = |code: &u16| {
                let code = u32::from(*code);
                (0..256u32).map(move |above| code + 256 * above)
            };
            let served: Vec<u32> = codes.iter().filter(|code| **code < 256).flat_map(subs).collect();
            let held = |range: &(u32, u32)| {
                let inside = served.iter().copied().filter(|index| (range.0..=range.1).contains(index));
                inside.map(|index| (index, index)).collect::<Vec<_>>()
            };
            self.ranges = self.ranges.iter().flat_map(held).collect();
        }
    }

    pub(super) fn touches(&self, (first, last): (u32, u32)) -> bool {
        self.ranges.iter().any(|range| range.0 <= last && first <= range.1)
    }
}

/// `= []`: a write that sets nothing.
pub(super) fn sets_nothing(sentence: &Sentence) -> bool {
    matches!(&sentence.values, Some(ValueSet::Positional(all)) if all.is_empty())
}

fn is_switch(spec: &ObjectSpec) -> bool {
    matches!(spec.element, Element::Bit | Element::Switch { .. })
}

/// The sentence of anybody and everything of a class on an object.
pub(super) fn free(class: Class, object: sluicegate_proto::deed::ObjectId) -> Sentence {
    Sentence {
        who: Some("any".to_owned()),
        class,
        object,
        ranges: Vec::new(),
        bit: None,
        units: Vec::new(),
        values: None,
        step: None,
        value_type: None,
        whole: false,
        qualifiers: Vec::new(),
        via: Vec::new(),
        select_first: false,
        when: None,
        max: None,
        spends: None,
        during: None,
        always: false,
    }
}

/// The largest index of an object.
pub(super) fn highest(spec: &ObjectSpec) -> u32 {
    match spec.index {
        Index::None => 0,
        Index::Address { max } | Index::Number { max } => max,
        Index::Code => u32::from(u16::MAX),
        Index::FileRecord => u32::MAX,
    }
}

/// `step_age` where the protocol's table does not say.
const STEP_AGE: std::time::Duration = std::time::Duration::from_secs(5);
