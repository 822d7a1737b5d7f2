//! Which functions does a sentence mean, and does its class have them on its object?

use alloc::{format, string::String, vec::Vec};

use super::{
    Index,
    address::show_code,
    check::{Check, On},
    clause::Clause,
};
use crate::vocab::Class;

impl Check<'_> {
    /// Codes of which no message of this class comes: the rule would do nothing, and a deny rule would seem to do something.
    pub(super) fn codes(&mut self, on: &On<'_>) {
        if on.spec.index != Index::Code {
            return;
        }
        for range in self.draft.ranges.clone() {
            let shown = show_code(range.is.0);
            let sub = range.is.0.checked_shr(8).and_then(|above| above.checked_sub(1));
            let code = u16::try_from(range.is.0 & 0xFF).unwrap_or(0);
            match (self.grammar.code_class)(code, sub.and_then(|sub| u8::try_from(sub).ok())) {
                Ok(class) if class == on.class.is => {}
                Ok(class) => {
                    let message = format!("`{} {shown}` is no {}", on.spec.word, on.class.is);
                    let help = format!("write `{class} {} {shown}`", on.spec.word);
                    self.conflict(range.at, message, format!("of class {class}"), help);
                }
                Err(help) => {
                    let message = format!("no message is `{} {shown}`", on.spec.word);
                    self.conflict(range.at, message, "never comes", help);
                }
            }
        }
    }

    /// The functions that `via` names. Where the index itself is the code (`function 90`), that code is one of them.
    pub(super) fn via(&mut self, on: &On<'_>) {
        let here = |code: u16| {
            self.grammar
                .functions
                .iter()
                .any(|one| one.code == code && one.object == on.object.is && one.class == on.class.is)
        };
        let indexed = |code: u16| {
            on.spec.index == Index::Code
                && (self.draft.ranges.is_empty()
                    || self.draft.ranges.iter().any(|one| {
                        let (held, code) = (one.is.0, u32::from(code));
                        held == code || held & 0xFF == code
                    }))
        };
        let wrong: Vec<_> = self.draft.via.iter().filter(|code| !here(code.is) && !indexed(code.is)).copied().collect();
        let mut fitting: Vec<String> = Vec::new();
        for one in self.grammar.functions.iter().filter(|one| one.object == on.object.is && one.class == on.class.is) {
            fitting.push(show_code(one.code.into()));
        }
        for code in wrong {
            let shown = show_code(code.is.into());
            let message = format!("function {shown} is no {} of `{}`", on.class.is, on.spec.word);
            let help = if fitting.is_empty() || on.spec.index == Index::Code {
                String::from("leave `via` out")
            } else {
                format!("the functions here are {}", fitting.join(", "))
            };
            self.conflict(code.at, message, "not a function of this class on this object", help);
        }
        for (place, code) in self.draft.via.iter().enumerate() {
            if self.draft.via.iter().take(place).any(|other| other.is == code.is) {
                let message = format!("function {} is written twice", show_code(code.is.into()));
                self.conflict(code.at, message, "the second one", "write it once");
            }
        }
    }

    /// `exactly` and a twin's word say which function it is; `via` would say it again.
    pub(super) fn exactly(&mut self, on: &On<'_>) {
        let exactly = self.at(Clause::Exactly);
        if let (Some(at), Some(_)) = (self.at(Clause::Via), self.draft.twin.map(|_| on.object.at).or(exactly)) {
            let help = "leave `via` out";
            self.conflict(at, "the function is named already", "the second time", help);
        } else if let Some(at) = exactly
            && self.draft.twin.is_none()
            && Clause::Exactly.is_served(self.grammar)
            && self.grammar.own_function(on.object.is, on.class.is).is_none()
        {
            let message = format!("`{}` has no twin", on.spec.word);
            self.conflict(at, message, "exactly as opposed to what?", "leave `exactly` out");
        }
    }

    pub(super) fn selects(&mut self, on: &On<'_>) {
        if let Some(at) = self.at(Clause::SelectFirst).filter(|_| Clause::SelectFirst.is_served(self.grammar))
            && !(self.grammar.selects.contains(&on.object.is) && on.class.is == Class::Control)
        {
            let message = format!("`{} {}` has no select", on.class.is, on.spec.word);
            self.conflict(at, message, "never selected", "leave it out");
        }
    }
}
