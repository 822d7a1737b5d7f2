//! How does a sentence become a text?

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use super::{
    Addressing, Element, Grammar, Index, Num, Per, Sentence, StepClause, StepDirection, ValueSet,
    address::{show_code, show_range},
};
use crate::deed::{Deed, ObjectId, Scalar, Values};

/// The canonical text: one blank between words, `, ` between items, all in the order of the clauses.
pub(super) fn sentence(one: &Sentence, grammar: &Grammar, addressing: Addressing) -> String {
    // Most are shorter.
    let mut out = Line(String::with_capacity(64));
    out.maybe(one.who.as_deref());
    out.word(one.class.as_str());
    subject(one, grammar, addressing, &mut out);
    let carries = grammar.object(one.object).is_none_or(|object| object.element != Element::None);
    if let Some(values) = one.values.as_ref().filter(|_| carries) {
        out.word("=");
        out.word(&set(values, words(one.object, grammar)));
    }
    if let Some(word) = grammar.qualifier_word.filter(|_| !one.qualifiers.is_empty()) {
        out.word(word);
        out.list(one.qualifiers.iter().map(|(first, last)| plain(*first, *last)));
    }
    if let Some(step) = &one.step {
        stepping(step, grammar, addressing, &mut out);
    }
    if let Some(value_type) = one.value_type {
        out.word("as");
        out.word(value_type.format.as_str());
        out.flag(value_type.swapped, "swapped");
    }
    out.flag(one.whole, "whole");
    match one.via.as_slice() {
        [] => {}
        [code] if twin(one, *code, grammar).is_some() => {}
        [code] if grammar.own_function(one.object, one.class) == Some(*code) => out.word("exactly"),
        codes => {
            out.word("via");
            out.list(codes.iter().map(|code| show_code(u32::from(*code))));
        }
    }
    out.flag(one.select_first, "select-first");
    limits(one, grammar, addressing, &mut out);
    out.flag(one.always, "always");
    out.0
}

/// The sentence of a deed. What its object cannot have, the index 0 of `device-id` or the
/// empty list of a `function`, stands here all the same and `sentence` leaves it out.
pub(super) fn of_deed(who: Option<&str>, deed: &Deed<'_>) -> Sentence {
    let value = |i| {
        let number = deed.values.scalar(i)?;
        Some(match (deed.values, number) {
            (Values::Bit(_) | Values::Bits { .. }, number) => Num::Bool(number != Scalar::Whole(0)),
            (Values::Words(_) | Values::One(_) | Values::None, Scalar::Whole(whole)) => Num::Int(whole.into()),
            (Values::Words(_) | Values::One(_) | Values::None, Scalar::Real(real)) => Num::Float(shortest(real.get())),
        })
    };
    let values: Vec<Num> = (0..deed.values.len()).map_while(value).collect();
    Sentence {
        who: who.map(String::from),
        class: deed.class,
        object: deed.object,
        ranges: vec![(deed.first, deed.last)],
        bit: deed.bit,
        units: vec![(deed.unit, deed.unit)],
        values: match values.as_slice() {
            // Nothing is written, or it is not understood what.
            [] if deed.values == Values::None => None,
            // A mask that touches no bit falls to the list: without one, the copied rule would admit every value.
            [only] => Some(ValueSet::Each(vec![(*only, *only)])),
            _ => Some(ValueSet::Positional(values)),
        },
        step: None,
        value_type: None,
        whole: false,
        qualifiers: deed.qualifier.map(|one| (u32::from(one), u32::from(one))).into_iter().collect(),
        via: vec![deed.function],
        select_first: false,
        when: None,
        max: None,
        spends: None,
        during: None,
        always: false,
    }
}

/// Words with one blank between them.
struct Line(String);

impl Line {
    fn word(&mut self, word: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(word);
    }

    fn maybe(&mut self, word: Option<&str>) {
        if let Some(word) = word {
            self.word(word);
        }
    }

    fn flag(&mut self, stands: bool, word: &str) {
        self.maybe(stands.then_some(word));
    }

    fn list(&mut self, items: impl Iterator<Item = String>) {
        for (at, item) in items.enumerate() {
            if at == 0 {
                self.word(&item);
            } else {
                self.0.push_str(", ");
                self.0.push_str(&item);
            }
        }
    }
}

fn subject(one: &Sentence, grammar: &Grammar, addressing: Addressing, out: &mut Line) {
    let twin = match one.via.as_slice() {
        [code] => twin(one, *code, grammar),
        _ => None,
    };
    out.word(twin.unwrap_or_else(|| object(one.object, grammar)));
    let ranged = grammar.object(one.object).filter(|spec| spec.index != Index::None && !one.ranges.is_empty());
    let ranges = |out: &mut Line| {
        if let Some(spec) = ranged {
            out.maybe(grammar.index_word);
            out.list(one.ranges.iter().map(|range| addressing.write_range(spec, *range)));
        }
    };
    if grammar.index_word.is_none() {
        ranges(out);
    }
    if let Some(bit) = one.bit {
        out.word("bit");
        out.word(&bit.to_string());
    }
    if !one.units.is_empty() {
        out.word(grammar.unit_word);
        out.list(one.units.iter().map(|(first, last)| plain(*first, *last)));
    }
    if grammar.index_word.is_some() {
        ranges(out);
    }
}

fn plain(first: u32, last: u32) -> String {
    show_range(Index::Number { max: u32::MAX }, first, last)
}

/// The word that says object and function at once.
fn twin(one: &Sentence, code: u16, grammar: &Grammar) -> Option<&'static str> {
    grammar.twins.iter().find(|twin| twin.object == one.object && twin.function == Some(code)).map(|twin| twin.word)
}

/// The words of an object that is on or off under words of its own.
fn words(id: ObjectId, grammar: &Grammar) -> [&'static str; 2] {
    match grammar.object(id).map(|object| object.element) {
        Some(Element::Switch { off, on }) => [off, on],
        _ => ["off", "on"],
    }
}

/// The shortest decimal whose nearest single is this one: `0.1`, not `0.10000000149011612`.
fn shortest(real: f32) -> f64 {
    format!("{real:?}").parse().unwrap_or_else(|_| real.into())
}

fn stepping(step: &StepClause, grammar: &Grammar, addressing: Addressing, out: &mut Line) {
    out.word("step");
    out.word(&step.size.to_string());
    out.maybe(step.direction.map(|direction| match direction {
        StepDirection::Up => "up",
        StepDirection::Down => "down",
    }));
    if !step.or_to.is_empty() {
        out.word("or to");
        out.list(step.or_to.iter().map(ToString::to_string));
    }
    if let Some((id, address)) = step.from {
        out.word("from");
        point(id, address, grammar, addressing, out);
    }
}

fn limits(one: &Sentence, grammar: &Grammar, addressing: Addressing, out: &mut Line) {
    if let Some(when) = &one.when {
        out.word("when");
        point(when.object, when.address, grammar, addressing, out);
        out.word("=");
        let words = words(when.object, grammar);
        out.list(when.values.iter().map(|one| range(one, words)));
    }
    if let Some(max) = one.max {
        let per = match max.per {
            Per::Second => "s",
            Per::Minute => "min",
            Per::Hour => "h",
        };
        out.word("max");
        out.word(&format!("{}/{per}", max.count));
        out.flag(max.each, "each");
    }
    if let Some(budget) = &one.spends {
        out.word("spends");
        out.word(budget);
    }
    if let Some(during) = &one.during {
        out.word("during");
        out.flag(during.not, "not");
        out.word(&during.schedule);
    }
}

fn point(id: ObjectId, address: u32, grammar: &Grammar, addressing: Addressing, out: &mut Line) {
    out.word(object(id, grammar));
    out.maybe(grammar.index_word);
    out.maybe(grammar.object(id).map(|spec| addressing.write(spec, address)).as_deref());
}

fn set(values: &ValueSet, words: [&str; 2]) -> String {
    match values {
        ValueSet::Each(items) => items.iter().map(|one| range(one, words)).collect::<Vec<_>>().join(", "),
        ValueSet::Positional(items) => {
            format!("[{}]", items.iter().map(|one| range(&(*one, *one), words)).collect::<Vec<_>>().join(", "))
        }
    }
}

fn range((low, high): &(Num, Num), [off, on]: [&str; 2]) -> String {
    match (low, high) {
        (Num::Bool(low), Num::Bool(high)) if low == high => String::from(if *low { on } else { off }),
        _ if low == high => low.to_string(),
        _ => format!("{low}..{high}"),
    }
}

fn object(id: ObjectId, grammar: &Grammar) -> &'static str {
    // An id comes from its own grammar; a stranger's prints as a word that no grammar has.
    grammar.object(id).map_or("?", |object| object.word)
}
