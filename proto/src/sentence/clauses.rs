//! What does each clause of a sentence take?
//!
//! ```text
//! Parser::clause   one clause behind its word, into the Draft
//! Draft            what was read, each part with its bytes; what fits together is the question of `check`
//! Draft::finish    the sentence
//! ```

use alloc::{format, string::String, vec, vec::Vec};

use super::{
    During, Element, FaultKind, Format, Grammar, Index, Max, Num, ObjectSpec, Per, Sentence, SentenceFault, StepClause,
    StepDirection, ValueSet, ValueType, When,
    address::{Reading, code, units},
    clause::Clause,
    lex::{Kind, Span, Spanned},
    near,
    number::integer,
    parse::Parser,
    value::{number, position, settle, switch, value},
};
use crate::{deed::ObjectId, vocab::Class};

/// A qualifier is one octet.
const QUALIFIER_MAX: u32 = 255;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) who: Option<String>,
    pub(super) class: Option<Spanned<Class>>,
    pub(super) object: Option<Spanned<ObjectId>>,
    pub(super) ranges: Vec<Spanned<(u32, u32)>>,
    pub(super) bit: Option<Spanned<u8>>,
    pub(super) units: Vec<Spanned<(u32, u32)>>,
    pub(super) values: Option<DraftValues>,
    pub(super) step: Option<DraftStep>,
    pub(super) value_type: Option<Spanned<ValueType>>,
    pub(super) qualifiers: Vec<Spanned<(u32, u32)>>,
    /// The one function that the object's word stood for.
    pub(super) twin: Option<u16>,
    pub(super) via: Vec<Spanned<u16>>,
    pub(super) when: Option<DraftWhen>,
    pub(super) max: Option<Max>,
    pub(super) spends: Option<String>,
    pub(super) during: Option<During>,
    /// The words of the clauses, as they came.
    pub(super) seen: Vec<Spanned<Clause>>,
}

#[derive(Debug)]
pub(super) struct DraftValues {
    /// From `=` to the last value.
    pub(super) at: Span,
    pub(super) positional: bool,
    pub(super) items: Vec<Spanned<(Num, Num)>>,
}

#[derive(Debug)]
pub(super) struct DraftStep {
    pub(super) size: Spanned<Num>,
    pub(super) direction: Option<StepDirection>,
    pub(super) or_to: Vec<Spanned<Num>>,
    pub(super) from: Option<(Spanned<ObjectId>, u32)>,
}

#[derive(Debug)]
pub(super) struct DraftWhen {
    pub(super) object: Spanned<ObjectId>,
    pub(super) address: u32,
    pub(super) values: Vec<Spanned<(Num, Num)>>,
}

impl Draft {
    pub(super) fn has(&self, clause: Clause) -> bool {
        self.seen.iter().any(|seen| seen.is == clause)
    }

    /// The sentence, where its class and object were read.
    pub(super) fn finish(self, grammar: &Grammar) -> Option<Sentence> {
        let (whole, always) = (self.has(Clause::Whole), self.has(Clause::Always));
        let select_first = self.has(Clause::SelectFirst);
        let (class, object) = (self.class?.is, self.object?.is);
        let own = if self.has(Clause::Exactly) { grammar.own_function(object, class) } else { None };
        let one_function = self.twin.or(own);
        let switch = grammar.is_switch(object, self.bit.is_some());
        Some(Sentence {
            who: self.who,
            class,
            object,
            ranges: plain(self.ranges),
            bit: self.bit.map(|bit| bit.is),
            units: plain(self.units),
            values: self.values.map(|values| {
                let items = values.items.iter().map(|item| settle(item.is, switch));
                if values.positional {
                    ValueSet::Positional(items.map(|(only, _)| only).collect())
                } else {
                    ValueSet::Each(items.collect())
                }
            }),
            step: self.step.map(|step| StepClause {
                size: step.size.is,
                direction: step.direction,
                or_to: plain(step.or_to),
                from: step.from.map(|(object, address)| (object.is, address)),
            }),
            value_type: self.value_type.map(|one| one.is),
            whole,
            qualifiers: plain(self.qualifiers),
            via: one_function.map_or_else(|| plain(self.via), |code| vec![code]),
            select_first,
            when: self.when.map(|when| {
                let switch = grammar.is_switch(when.object.is, false);
                let values = when.values.iter().map(|item| settle(item.is, switch)).collect();
                When { object: when.object.is, address: when.address, values }
            }),
            max: self.max,
            spends: self.spends,
            during: self.during,
            always,
        })
    }
}

impl Parser<'_> {
    /// One clause, behind its word at `at`.
    pub(super) fn clause(&mut self, clause: Clause, at: Span, draft: &mut Draft) -> Result<(), SentenceFault> {
        if !clause.is_served(self.grammar) {
            let message = format!("`{}` is not served by this version", clause.word(self.grammar));
            return Err(at.fault(FaultKind::NotServed, message, "not served yet", "leave it out"));
        }
        match clause {
            Clause::Bit => draft.bit = Some(self.bit()?),
            Clause::Unit => {
                let max = self.grammar.unit_max;
                draft.units = self.list("a unit", &|text, at| units(text, at, max));
            }
            Clause::Index => draft.ranges = self.indexes(at, draft.object)?,
            Clause::Values => {
                let object = draft.object.and_then(|object| self.grammar.object(object.is));
                draft.values = Some(self.values(at, object)?);
            }
            Clause::Qualifier => draft.qualifiers = self.list("a number", &|text, at| units(text, at, QUALIFIER_MAX)),
            Clause::Step => draft.step = Some(self.step()?),
            Clause::As => draft.value_type = Some(self.value_type()?),
            Clause::Via => draft.via = self.list("a function code", &code),
            Clause::When => draft.when = Some(self.when()?),
            Clause::Max => draft.max = Some(self.max()?),
            Clause::Spends => draft.spends = Some(self.name("a budget's name")?),
            Clause::During => {
                let not = self.taken("not").is_some();
                draft.during = Some(During { schedule: self.name("a schedule's name")?, not });
            }
            Clause::Whole | Clause::Always | Clause::Exactly | Clause::SelectFirst => {}
        }
        Ok(())
    }

    fn bit(&mut self) -> Result<Spanned<u8>, SentenceFault> {
        let token = self.word("a bit's number")?;
        let number = integer(token.text).and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= 15);
        number.map(|is| Spanned { is, at: token.at }).ok_or_else(|| {
            let message = format!("a register has no bit `{}`", token.text);
            token.at.fault(FaultKind::BadNumber, message, "0 to 15 is expected", "write 0 to 15")
        })
    }

    /// The indexes behind their word.
    fn indexes(
        &mut self,
        at: Span,
        object: Option<Spanned<ObjectId>>,
    ) -> Result<Vec<Spanned<(u32, u32)>>, SentenceFault> {
        let Some(object) = object.and_then(|object| self.grammar.object(object.is)) else {
            // The object's own fault says enough.
            self.list("an index", &|_, _| Ok((0, 0)));
            return Ok(Vec::new());
        };
        let reading = Reading { grammar: self.grammar, object, addressing: self.addressing };
        if object.index == Index::None {
            return reading.range("", at).map(|_| Vec::new());
        }
        Ok(self.list("an index", &|text, at| reading.range(text, at)))
    }

    fn values(&mut self, equals: Span, object: Option<&ObjectSpec>) -> Result<DraftValues, SentenceFault> {
        let positional = self.sign(Kind::Open);
        let empty = positional && self.peek().is_some_and(|token| token.kind == Kind::Close);
        let item = |text: &str, at| match object.map(|object| object.element) {
            Some(Element::Switch { off, on }) => switch(text, at, [off, on]),
            _ if positional => position(text, at),
            _ => value(text, at),
        };
        let items = if empty { Vec::new() } else { self.list("a value", &item) };
        if positional && !self.sign(Kind::Close) {
            let at = self.behind();
            return Err(at.fault(FaultKind::Missing, "`]` is missing", "the list ends here", "close it with `]`"));
        }
        Ok(DraftValues { at: equals.to(self.behind()), positional, items })
    }

    fn step(&mut self) -> Result<DraftStep, SentenceFault> {
        let token = self.word("the size of the step")?;
        let size = Spanned { is: number(token.text, token.at)?, at: token.at };
        let up = self.taken("up").map(|_| StepDirection::Up);
        let direction = up.or_else(|| self.taken("down").map(|_| StepDirection::Down));
        let mut or_to = Vec::new();
        if let Some(at) = self.taken("or") {
            if self.taken("to").is_none() {
                let message = "`or` is followed by `to`";
                return Err(at.fault(FaultKind::Missing, message, "`to` is missing", "write `or to 0`"));
            }
            or_to = self.list("a value", &number);
        }
        let from = match self.taken("from") {
            Some(_) => Some(self.point()?),
            None => None,
        };
        Ok(DraftStep { size, direction, or_to, from })
    }

    /// `OBJECT N`. Its fault stands already where the object was the problem.
    fn point(&mut self) -> Result<(Spanned<ObjectId>, u32), SentenceFault> {
        let at = self.peek().map_or(self.behind(), |token| token.at);
        let known = self.faults.len();
        let Some(object) = self.object() else {
            let why = if self.faults.len() > known { self.faults.pop() } else { None };
            return Err(why.unwrap_or_else(|| {
                at.fault(FaultKind::Missing, "an object is missing", "", "name a point, such as `discrete 20`")
            }));
        };
        if let Some(word) = self.grammar.index_word
            && self.taken(word).is_none()
        {
            let help = format!("write `{word} 7`");
            return Err(self.behind().fault(FaultKind::Missing, format!("`{word}` is missing"), "which one?", help));
        }
        let token = self.word("an address")?;
        let Some(spec) = self.grammar.object(object.is) else {
            return Err(at.fault(FaultKind::UnknownWord, "no such object", "", ""));
        };
        let reading = Reading { grammar: self.grammar, object: spec, addressing: self.addressing };
        Ok((object, reading.one(token.text, token.at)?))
    }

    fn value_type(&mut self) -> Result<Spanned<ValueType>, SentenceFault> {
        let token = self.word("a type")?;
        let named = Format::ALL.iter().copied().find(|format| format.as_str() == token.text);
        let Some(format) = named else {
            if token.text == "string" {
                let message = "`string` is not served by this version";
                return Err(token.at.fault(FaultKind::NotServed, message, "not served yet", "leave it out"));
            }
            let help = near::help(token.text, Format::ALL.iter().map(|format| format.as_str()));
            let message = format!("`{}` is not a type", token.text);
            return Err(token.at.fault(FaultKind::UnknownWord, message, "unknown type", help));
        };
        let swapped = self.taken("swapped");
        let at = token.at.to(swapped.unwrap_or(token.at));
        Ok(Spanned { is: ValueType { format, swapped: swapped.is_some() }, at })
    }

    fn when(&mut self) -> Result<DraftWhen, SentenceFault> {
        let (object, address) = self.point()?;
        if !self.sign(Kind::Equals) {
            let at = self.behind();
            return Err(at.fault(FaultKind::Missing, "`=` is missing", "`=` is expected behind this", "write `= on`"));
        }
        if let Some(open) = self.peek().filter(|token| token.kind == Kind::Open) {
            let message = "a condition takes a set of values, not a list by position";
            return Err(open.at.fault(FaultKind::Conflict, message, "not expected here", "write it without brackets"));
        }
        let values = match self.grammar.object(object.is).map(|spec| spec.element) {
            Some(Element::Switch { off, on }) => self.list("a value", &|text, at| switch(text, at, [off, on])),
            _ => self.list("a value", &value),
        };
        Ok(DraftWhen { object, address, values })
    }

    fn max(&mut self) -> Result<Max, SentenceFault> {
        let token = self.word("a rate")?;
        let at = token.at;
        let Some((count, per)) = token.text.split_once('/') else {
            let help = format!("write {}/min", token.text);
            return Err(at.fault(FaultKind::Missing, "a rate names its time", "the time is missing", help));
        };
        let per = match per {
            "s" => Per::Second,
            "min" => Per::Minute,
            "h" => Per::Hour,
            other => {
                let message = format!("`{other}` is not a time");
                return Err(at.fault(FaultKind::UnknownWord, message, "unknown time", "write /s, /min or /h"));
            }
        };
        let number = integer(count).and_then(|count| u32::try_from(count).ok());
        match number {
            None => Err(at.fault(
                FaultKind::BadNumber,
                format!("`{count}` is not a count"),
                "not a count",
                "write it like 6/min",
            )),
            Some(0) => {
                let help = "leave the rule out, or write a deny rule";
                Err(at.fault(FaultKind::BadNumber, "a rate of 0 allows nothing", "at least 1 is expected", help))
            }
            Some(count) => Ok(Max { count, per, each: self.taken("each").is_some() }),
        }
    }
}

fn plain<T>(items: Vec<Spanned<T>>) -> Vec<T> {
    items.into_iter().map(|item| item.is).collect()
}
