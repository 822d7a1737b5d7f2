//! Do the parts of a sentence go together?
//!
//! ```text
//! class    the object can stand in it; what changes nothing carries no value, step, max, budget or always
//! values   bits are on or off; registers hold numbers within their type; a list has one value for each element
//! type     registers only; whole elements fit the range; `swapped` needs more than one register
//! ranges   nothing is written twice
//! via      the class has these functions on the object (`functions`)
//! others   `bit`, `whole`, `step .. from`, `when`, `always`
//! ```

use alloc::{format, string::String, vec::Vec};

use super::{
    Addressing, Element, FaultKind, Form, Format, Grammar, Num, ObjectSpec, SentenceFault,
    address::show_range,
    clause::Clause,
    clauses::Draft,
    lex::{Span, Spanned},
    value::{Holds, misfit},
};
use crate::{deed::ObjectId, vocab::Class};

/// Adds what does not go together to `faults`.
pub(super) fn check(
    draft: &Draft,
    form: Form,
    grammar: &Grammar,
    addressing: Addressing,
    faults: &mut Vec<SentenceFault>,
) {
    // Lengths are compared only where no part was dropped as broken.
    let sound = faults.is_empty();
    let mut check = Check { draft, grammar, faults };
    check.form(form);
    check.when();
    if let (Some(class), Some(object)) = (draft.class, draft.object)
        // One that is not served has said all that there is to say.
        && let Some(spec) = grammar.object(object.is).filter(|spec| spec.served)
    {
        let on = On { class, object, spec, addressing };
        if check.class(&on) {
            check.codes(&on);
            check.via(&on);
            check.exactly(&on);
            check.bit(&on);
        }
        check.overlaps(&on);
        check.types(&on, sound);
        check.values(&on, sound);
        check.step(&on);
        check.selects(&on);
        check.whole(&on);
        check.passive(&on);
        check.always();
    }
}

pub(super) struct Check<'d> {
    pub(super) draft: &'d Draft,
    pub(super) grammar: &'d Grammar,
    faults: &'d mut Vec<SentenceFault>,
}

/// What the sentence is about.
pub(super) struct On<'d> {
    pub(super) class: Spanned<Class>,
    pub(super) object: Spanned<ObjectId>,
    pub(super) spec: &'d ObjectSpec,
    addressing: Addressing,
}

type SpannedRange = Spanned<(u32, u32)>;

impl Check<'_> {
    pub(super) fn conflict(
        &mut self,
        at: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.faults.push(at.fault(FaultKind::Conflict, message, label, help));
    }

    pub(super) fn at(&self, clause: Clause) -> Option<Span> {
        self.draft.seen.iter().find(|seen| seen.is == clause).map(|seen| seen.at)
    }

    fn form(&mut self, form: Form) {
        if form == Form::Rule {
            return;
        }
        for seen in self.draft.seen.iter().filter(|seen| seen.is.is_for_rules()) {
            let message = format!("`{}` stands in rules only", seen.is.word(self.grammar));
            self.conflict(seen.at, message, "a deed has none", "leave it out");
        }
    }

    fn class(&mut self, on: &On<'_>) -> bool {
        let fits = on.spec.classes.contains(&on.class.is);
        if !fits {
            let classes: Vec<&str> = on.spec.classes.iter().map(|class| class.as_str()).collect();
            let message = format!("`{}` cannot stand with `{}`", on.class.is, on.spec.word);
            let help = format!("`{}` stands with: {}", on.spec.word, classes.join(", "));
            self.conflict(on.class.at.to(on.object.at), message, "there is no such function", help);
        }
        fits
    }

    fn bit(&mut self, on: &On<'_>) {
        let Some(bit) = self.draft.bit else { return };
        if on.spec.element != Element::Register {
            let message = format!("`{}` has no registers", on.spec.word);
            self.conflict(bit.at, message, "`bit` names one bit of a register", "leave `bit` out");
        } else if on.class.is == Class::Read {
            self.conflict(bit.at, "a read takes whole registers", "not on a read", "leave `bit` out");
        } else if !matches!(self.draft.ranges.as_slice(), [one] if one.is.0 == one.is.1) {
            let label = "the range is not one register";
            self.conflict(bit.at, "`bit` names one bit of one register", label, "name one register");
        }
    }

    fn overlaps(&mut self, on: &On<'_>) {
        if let Some((later, earlier)) = overlap(&self.draft.ranges) {
            let show = |range: (u32, u32)| {
                let (text, zero_based) =
                    (on.addressing.write_range(on.spec, range), show_range(on.spec.index, range.0, range.1));
                if text == zero_based { text } else { format!("{text} (zero-based {zero_based})") }
            };
            let label = format!("{} overlaps {}", show(later.is), show(earlier.is));
            self.conflict(later.at, "ranges overlap", label, "write every index once");
        }
        if let Some((later, earlier)) = overlap(&self.draft.units) {
            let show = |range| {
                let (first, last) = range;
                if first == last { format!("{first}") } else { format!("{first}-{last}") }
            };
            let label = format!("{} overlaps {}", show(later.is), show(earlier.is));
            self.conflict(later.at, "units overlap", label, "write every unit once");
        }
    }

    fn types(&mut self, on: &On<'_>, sound: bool) {
        let Some(one) = self.draft.value_type else { return };
        let format = one.is.format;
        let word = format.as_str();
        if one.is.swapped && format.registers() == 1 {
            let message = format!("`{word}` has no word order");
            self.conflict(one.at, message, "one register, nothing to swap", format!("write `as {word}`"));
        }
        let switch = self.grammar.is_switch(on.object.is, self.draft.has(Clause::Bit));
        if on.spec.element == Element::None {
            self.conflict(one.at, format!("`{}` carries no value", on.spec.word), "no type fits", "leave `as` out");
        } else if on.spec.is_one_each() {
            let message = format!("`{}` holds {} by itself", on.spec.word, on.spec.format().as_str());
            self.conflict(one.at, message, "one index, one number", "leave `as` out");
        } else if switch && format != Format::Bool {
            self.conflict(one.at, "a bit has no number type", "a bit is on or off", "leave `as` out");
        } else if !switch && format == Format::Bool {
            let help = "name one bit with `bit N`, or write a number type";
            self.conflict(one.at, "a register is not a bool", "a register holds a number", help);
        } else if sound && changes(on.class.is) {
            let each = format.registers();
            for range in self.draft.ranges.iter().filter(|range| length(range.is).checked_rem(each) != Some(0)) {
                let message = format!("`{word}` takes {each} registers for each element");
                let label = format!("{} registers", length(range.is));
                self.conflict(range.at, message, label, format!("write a range of a multiple of {each} registers"));
            }
        }
    }

    fn values(&mut self, on: &On<'_>, sound: bool) {
        let Some(values) = &self.draft.values else { return };
        if !matches!(on.class.is, Class::Write | Class::Control) {
            let message = format!("a {} carries no values", on.class.is);
            return self.conflict(values.at, message, "not expected here", "leave the values out");
        }
        let holds = self.holds(on.spec);
        if let Holds::Nothing = holds {
            let message = format!("`{}` carries no values", on.spec.word);
            return self.conflict(values.at, message, "not expected here", "leave the values out");
        }
        if self.type_is_broken() {
            return;
        }
        for item in &values.items {
            self.faults.extend(misfit(item.is.0, holds, item.at).or_else(|| misfit(item.is.1, holds, item.at)));
        }
        if !values.positional || !sound {
            return;
        }
        let [range] = self.draft.ranges.as_slice() else {
            let message = "a list by position belongs to one range";
            return self.conflict(values.at, message, "which elements are these?", "write exactly one range");
        };
        let each = if let Holds::Number(format) = holds { on.spec.width(format) } else { 1 };
        let elements = length(range.is).checked_div(each).unwrap_or(0);
        let listed = values.items.len();
        // `[]` is a write that sets nothing.
        if listed != 0 && usize::try_from(elements) != Ok(listed) {
            let message = format!("{listed} values for {elements} elements");
            let help = format!("write {elements} values, or `= V` for the same in every one");
            self.conflict(values.at, message, "one value for each is expected", help);
        }
    }

    fn step(&mut self, on: &On<'_>) {
        let (Some(step), Some(at)) = (&self.draft.step, self.at(Clause::Step)) else { return };
        let holds = self.holds(on.spec);
        let Holds::Number(format) = holds else {
            let message = format!("`step` needs numbers, and `{}` holds none here", on.spec.word);
            return self.conflict(at, message, "nothing to step", "leave `step` out");
        };
        if step.from.is_none() && !on.spec.can_be_asked() {
            let message = format!("the gateway cannot read `{}` back", on.spec.word);
            let help = "name a register that shows it: `step N from input 12`";
            self.conflict(at, message, "measured against what?", help);
        }
        if self.type_is_broken() {
            return;
        }
        if Num::Int(0).is_above(step.size.is) {
            let message = "a step is not negative";
            let help = "write the size, and `down` for decreases";
            self.faults.push(step.size.at.fault(FaultKind::BadNumber, message, "below 0", help));
        } else if matches!((step.size.is, format.integers()), (Num::Float(_), Some(_))) {
            self.faults.extend(misfit(step.size.is, holds, step.size.at));
        }
        for value in &step.or_to {
            self.faults.extend(misfit(value.is, holds, value.at));
        }
        if let Some((object, _)) = &step.from
            && self.grammar.object(object.is).is_some_and(|spec| !spec.is_number() || !spec.can_be_asked())
        {
            let message = "a readback is a register that can be read";
            self.conflict(object.at, message, "no such register", "name one, such as `from input 12`");
        }
    }

    fn whole(&mut self, on: &On<'_>) {
        let Some(at) = self.at(Clause::Whole) else { return };
        if !matches!(on.class.is, Class::Write | Class::Control) {
            self.conflict(at, format!("`whole` is not for a {}", on.class.is), "nothing is written", "leave it out");
        } else if self.draft.ranges.is_empty() {
            self.conflict(at, "`whole` needs a range", "the whole of what?", "write the range behind the object");
        }
    }

    fn passive(&mut self, on: &On<'_>) {
        if changes(on.class.is) {
            return;
        }
        for clause in [Clause::Step, Clause::Max, Clause::Spends] {
            if let Some(at) = self.at(clause) {
                let message = format!("`{}` is not for a {}", clause.word(self.grammar), on.class.is);
                let help = "it counts what changes something; the conduit's limits cover the rest";
                self.conflict(at, message, "never spent here", help);
            }
        }
    }

    fn when(&mut self) {
        let Some(when) = &self.draft.when else { return };
        let Some(spec) = self.grammar.object(when.object.is) else { return };
        let holds = match spec.element {
            Element::Bit | Element::Switch { .. } => Holds::Switch,
            Element::Register | Element::Number(_) => Holds::Number(spec.format()),
            Element::None => Holds::Nothing,
        };
        if matches!(holds, Holds::Nothing) || !spec.can_be_asked() {
            let message = format!("`{}` holds nothing that can be read", spec.word);
            let label = "a condition needs a readable point";
            return self.conflict(when.object.at, message, label, "name one, such as `discrete 20`");
        }
        for item in &when.values {
            self.faults.extend(misfit(item.is.0, holds, item.at).or_else(|| misfit(item.is.1, holds, item.at)));
        }
    }

    /// `always` passes every rate, so that only values written one by one bound what it can do.
    fn always(&mut self) {
        let Some(at) = self.at(Clause::Always) else { return };
        let closed =
            self.draft.values.as_ref().is_some_and(|values| values.items.iter().all(|item| item.is.0 == item.is.1));
        let broken = self.draft.has(Clause::Values) && self.draft.values.is_none();
        if !(closed || broken) {
            let help = "write the values one by one, like `= off` or `= 0, 5`";
            self.conflict(at, "`always` needs a closed value set", "any value of a range could always pass", help);
        }
    }

    /// What the values mean is open where the type could not be read: its own fault says enough.
    fn type_is_broken(&self) -> bool {
        self.draft.has(Clause::As) && self.draft.value_type.is_none()
    }

    fn holds(&self, spec: &ObjectSpec) -> Holds {
        match spec.element {
            Element::None => Holds::Nothing,
            Element::Bit | Element::Switch { .. } => Holds::Switch,
            Element::Number(format) => Holds::Number(format),
            Element::Register if self.draft.has(Clause::Bit) => Holds::Switch,
            Element::Register => match self.draft.value_type.map_or(Format::U16, |one| one.is.format) {
                Format::Bool => Holds::Switch,
                format => Holds::Number(format),
            },
        }
    }
}

/// Classes whose deeds change something.
fn changes(class: Class) -> bool {
    match class {
        Class::Write | Class::Control | Class::Program | Class::Diagnose => true,
        Class::Read | Class::Identify | Class::Report | Class::Browse | Class::Subscribe => false,
    }
}

fn length((first, last): (u32, u32)) -> u32 {
    last.saturating_sub(first).saturating_add(1)
}

/// The first pair of ranges that share an index: the one written later, then the earlier.
fn overlap(ranges: &[SpannedRange]) -> Option<(SpannedRange, SpannedRange)> {
    let mut sorted: Vec<_> = ranges.to_vec();
    sorted.sort_by_key(|range| range.is);
    let mut reach: Option<SpannedRange> = None;
    for range in sorted {
        match reach {
            Some(before) if range.is.0 <= before.is.1 => {
                let (a, b) = (range, before);
                return Some(if a.at.start > b.at.start { (a, b) } else { (b, a) });
            }
            _ => reach = Some(range),
        }
    }
    None
}
