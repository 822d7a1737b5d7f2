//! Which values does an operator mean, and do they fit what they are written to?

use alloc::{format, string::String};

use super::{FaultKind, Format, Num, SentenceFault, lex::Span, near, number::integer};

/// What one element of the sentence holds.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    Nothing,
    Switch,
    Number(Format),
}

/// A value or an inclusive range of values.
pub(super) fn value(text: &str, at: Span) -> Result<(Num, Num), SentenceFault> {
    let Some((low, high)) = text.split_once("..") else {
        return number_or_switch(text, at).map(|one| (one, one));
    };
    if low.is_empty() || high.is_empty() {
        let help = "write it without blanks, like 0..1500";
        return Err(at.fault(FaultKind::BadNumber, "a value range has two ends", "an end is missing", help));
    }
    let (low, high) = (number(low, at)?, number(high, at)?);
    if low.is_above(high) {
        let label = format!("start {low} is above end {high}");
        return Err(at.fault(
            FaultKind::ReversedRange,
            "value range is reversed",
            label,
            format!("write {high}..{low}"),
        ));
    }
    Ok((low, high))
}

/// One value of a list by position.
pub(super) fn position(text: &str, at: Span) -> Result<(Num, Num), SentenceFault> {
    if text.contains("..") {
        let message = "a list by position takes single values";
        let help = "write the range without brackets, for every element";
        return Err(at.fault(FaultKind::Conflict, message, "a range", help));
    }
    number_or_switch(text, at).map(|one| (one, one))
}

/// One of the two words of an object that is on or off under words of its own.
pub(super) fn switch(text: &str, at: Span, [off, on]: [&str; 2]) -> Result<(Num, Num), SentenceFault> {
    let is = |on: bool| Ok((Num::Bool(on), Num::Bool(on)));
    match text {
        text if text == off => is(false),
        text if text == on => is(true),
        _ => {
            let help = format!("write {off} or {on}");
            Err(at.fault(FaultKind::UnknownWord, format!("`{text}` is not a value here"), "not a value", help))
        }
    }
}

pub(super) fn number(text: &str, at: Span) -> Result<Num, SentenceFault> {
    match number_or_switch(text, at)? {
        Num::Bool(_) => {
            Err(at.fault(FaultKind::BadNumber, "a number is expected", "on and off are no numbers", "write a number"))
        }
        number => Ok(number),
    }
}

fn number_or_switch(text: &str, at: Span) -> Result<Num, SentenceFault> {
    if let Some(num) = Num::read(text) {
        return Ok(num);
    }
    let dashed = text.split_once('-').filter(|(low, high)| integer(low).is_some() && integer(high).is_some());
    if let Some((low, high)) = dashed {
        let message = "a range of values is written with two dots";
        return Err(at.fault(FaultKind::BadNumber, message, "a dash is for indexes", format!("write {low}..{high}")));
    }
    if text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') {
        let message = format!("`{text}` is not a number");
        return Err(at.fault(FaultKind::BadNumber, message, "not a number", "write it like 5, -20.0 or 0x1F"));
    }
    let help = near::nearest(text, ["on", "off"].into_iter())
        .map_or(String::from("write a number, on or off"), |word| format!("did you mean `{word}`?"));
    Err(at.fault(FaultKind::UnknownWord, format!("`{text}` is not a value"), "not a value", help))
}

/// For a bit, 0 and 1 mean off and on.
pub(super) fn settle(item: (Num, Num), switch: bool) -> (Num, Num) {
    let one = |num| match num {
        Num::Int(0) if switch => Num::Bool(false),
        Num::Int(1) if switch => Num::Bool(true),
        other => other,
    };
    (one(item.0), one(item.1))
}

/// Why `num` is no value of such an element.
pub(super) fn misfit(num: Num, holds: Holds, at: Span) -> Option<SentenceFault> {
    let format = match (holds, num) {
        (Holds::Nothing, _) | (Holds::Switch, Num::Bool(_) | Num::Int(0 | 1)) => return None,
        (Holds::Switch, Num::Int(_) | Num::Float(_)) => {
            return Some(at.fault(FaultKind::Conflict, "a bit is on or off", "not a bit's value", "write on or off"));
        }
        (Holds::Number(_), Num::Bool(_)) => {
            let help = "write a number, or name one bit with `bit N`";
            return Some(at.fault(
                FaultKind::Conflict,
                "a register is not on or off",
                "a register holds a number",
                help,
            ));
        }
        (Holds::Number(format), Num::Int(_) | Num::Float(_)) => format,
    };
    let word = format.as_str();
    match (num, format.integers(), format.decimals()) {
        (Num::Int(value), Some((least, most)), _) if value < least || value > most => {
            let message = format!("{value} does not fit `{word}`");
            Some(at.fault(
                FaultKind::BadNumber,
                message,
                format!("`{word}` holds {least}..{most}"),
                format!("write {least} to {most}, or another type with `as`"),
            ))
        }
        (Num::Float(_), Some(_), _) => {
            let message = format!("`{word}` holds whole numbers");
            Some(at.fault(FaultKind::BadNumber, message, "a decimal", "write a whole number, or `as f32`"))
        }
        (_, None, Some(most)) if num.decimal() > most || num.decimal() < -most => Some(at.fault(
            FaultKind::BadNumber,
            format!("{num} does not fit `{word}`"),
            "too large",
            "write a smaller number, or `as f64`",
        )),
        _ => None,
    }
}
