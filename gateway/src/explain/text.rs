//! How are sentences, reads and faults shown to people?

use std::fmt::Write;

use sluicegate_proto::{
    deed::ReadFirst,
    sentence::{Addressing, Grammar, ObjectSpec, Sentence, SentenceFault},
};

/// A sentence's text with its points numbered as an operator's `addressing` has them, so that it can be copied into the
/// configuration as it is.
pub(crate) fn numbered(sentence: &Sentence, grammar: &Grammar, addressing: Addressing) -> String {
    sentence.print_in(grammar, addressing)
}

/// A range of an object's points, numbered as an operator's `addressing` has them.
pub(crate) fn numbered_range((first, last): (u32, u32), object: &ObjectSpec, addressing: Addressing) -> String {
    let (from, to) = (addressing.write(object, first), addressing.write(object, last));
    if first == last { from } else { format!("{from}-{to}") }
}

/// A read that the gateway would make: `read holding 40 unit 1`.
pub(super) fn read_first(grammar: &Grammar, read: &ReadFirst) -> String {
    let word = grammar.objects.get(usize::from(read.object.0)).map_or("?", |one| one.word);
    let last = read.first.saturating_add(read.count.saturating_sub(1));
    let range = if last == read.first { read.first.to_string() } else { format!("{}-{last}", read.first) };
    format!("read {word} {range} {} {}", grammar.unit_word, read.unit)
}

/// Every fault of a sentence, under the words that it is about.
pub fn told_fault(sentence: &str, faults: &[SentenceFault]) -> String {
    let mut text = String::new();
    for (number, fault) in faults.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let before = sentence.get(..fault.span.start).map_or(0, |one| one.chars().count());
        let under = sentence.get(fault.span.clone()).map_or(1, |one| one.chars().count().max(1));
        let _ = write!(
            text,
            "{}\n   |\n   | {sentence}\n   | {:before$}{} {}",
            fault.message,
            "",
            "^".repeat(under),
            fault.label
        );
        if let Some(help) = &fault.help {
            let _ = write!(text, "\n   = help: {help}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use sluicegate_proto::sentence::FaultKind;

    use super::*;

    #[test]
    fn a_fault_points_at_its_words() {
        let fault = SentenceFault {
            span: 6..13,
            kind: FaultKind::UnknownWord,
            message: "no such object".to_owned(),
            label: "not known".to_owned(),
            help: Some("write holding".to_owned()),
        };
        assert_eq!(
            told_fault("write holdign 95 = 1", &[fault]),
            "no such object\n   |\n   | write holdign 95 = 1\n   |       ^^^^^^^ not known\n   = help: write holding"
        );
    }
}
