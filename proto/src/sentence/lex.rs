//! Which words and signs does a sentence consist of, and where do they stand?

use alloc::{string::String, vec::Vec};
use core::ops::Range;

use super::{FaultKind, SentenceFault};

/// Bytes of the sentence, end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Something, and where it was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spanned<T> {
    pub(super) is: T,
    pub(super) at: Span,
}

/// A word is all between blanks and the four signs; what it means depends on its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Comma,
    Equals,
    Open,
    Close,
}

/// One word or sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) at: Span,
}

impl Span {
    /// From the start of this one to the end of `other`.
    pub(super) fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }

    /// A fault that stands here.
    pub(super) fn fault(
        self,
        kind: FaultKind,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) -> SentenceFault {
        let help: String = help.into();
        SentenceFault {
            span: Range { start: self.start, end: self.end },
            kind,
            message: message.into(),
            label: label.into(),
            help: (!help.is_empty()).then_some(help),
        }
    }
}

/// The words and signs of `text`, in order. Nothing is refused here.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut word = None;
    for (start, c) in text.char_indices() {
        let sign = match c {
            ',' => Some(Kind::Comma),
            '=' => Some(Kind::Equals),
            '[' => Some(Kind::Open),
            ']' => Some(Kind::Close),
            _ => None,
        };
        if sign.is_none() && !c.is_whitespace() {
            word = word.or(Some(start));
            continue;
        }
        out.extend(word.take().map(|from| token(text, Kind::Word, from, start)));
        out.extend(sign.map(|kind| token(text, kind, start, start.saturating_add(c.len_utf8()))));
    }
    out.extend(word.map(|from| token(text, Kind::Word, from, text.len())));
    out
}

fn token(text: &str, kind: Kind, start: usize, end: usize) -> Token<'_> {
    Token { kind, text: text.get(start..end).unwrap_or(""), at: Span { start, end } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_signs_know_their_bytes() {
        let text = "hmi  write=[on,øff]\t1500..0";
        let all: Vec<_> = tokens(text).iter().map(|one| (one.kind, &text[one.at.start..one.at.end])).collect();
        assert_eq!(
            all,
            [
                (Kind::Word, "hmi"),
                (Kind::Word, "write"),
                (Kind::Equals, "="),
                (Kind::Open, "["),
                (Kind::Word, "on"),
                (Kind::Comma, ","),
                (Kind::Word, "øff"),
                (Kind::Close, "]"),
                (Kind::Word, "1500..0"),
            ]
        );
        assert!(tokens(text).iter().all(|one| one.text == &text[one.at.start..one.at.end]));
    }
}
