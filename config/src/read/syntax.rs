//! What should stand where a file is not TOML?
//!
//! The parser says what it expects; people want to know what to write. One slip makes it say many things: what follows on
//! the same line, and all that follows a list that never ends, is left out.

use std::ops::Range;

use crate::{
    fault::{At, Fault, Faults},
    finding::codes,
};

/// Tells what the parser found in `text`, one fault a line.
pub(super) fn tell(file: usize, text: &str, found: &[(&str, Range<usize>)], faults: &mut Faults) {
    let mut told: Option<usize> = None;
    let mut found: Vec<_> = found.iter().collect();
    found.sort_by_key(|(_, span)| span.start);
    for (message, span) in found {
        let slip = Slip { text, span: begin(text, span) };
        let line = slip.line().start;
        if told == Some(line) {
            continue;
        }
        told = Some(line);
        let open = slip.open_list().filter(|_| message.starts_with("missing comma"));
        let at = At { file, span: open.clone().unwrap_or_else(|| slip.span.clone()) };
        if open.is_some() {
            let fault = Fault::new(codes::SYNTAX, &at, "a list does not end", "`]` is missing behind this");
            faults.add(fault.help("close the list with `]`".to_owned()));
            faults.torn(&At { file, span: at.span.start..text.len() });
            return;
        }
        let said = if slip.is_unquoted(message) { "a text without quotes" } else { message };
        faults.add(Fault::new(codes::SYNTAX, &at, said, "here").help(slip.help(message)));
        faults.torn(&At { file, span: slip.line() });
    }
}

/// An escape begins with its backslash.
fn begin(text: &str, span: &Range<usize>) -> Range<usize> {
    let escaped = text.get(..span.start).is_some_and(|before| before.ends_with('\\'));
    if escaped { span.start - 1..span.end } else { span.clone() }
}

/// A place at which the parser stumbled.
struct Slip<'t> {
    text: &'t str,
    span: Range<usize>,
}

impl Slip<'_> {
    fn line(&self) -> Range<usize> {
        let at = self.span.start.min(self.text.len());
        // Nothing is taken for granted about a place that a parser gives after a slip.
        let (before, behind) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let end = behind.find('\n').map_or(self.text.len(), |end| at + end);
        start..end
    }

    fn help(&self, message: &str) -> Option<String> {
        let help = match message {
            one if self.is_unquoted(one) => self.unquoted(),
            one if one.starts_with("invalid boolean") => "write true or false".to_owned(),
            one if one.starts_with("invalid basic string") => "close it with `\"`".to_owned(),
            one if one.starts_with("invalid literal string") => "close it with `'`".to_owned(),
            one if one.starts_with("missing comma") => "put a comma behind the one before".to_owned(),
            one if one.starts_with("unclosed array") => "close the list with `]`".to_owned(),
            one if one.starts_with("unclosed table") => "close the header with `]`".to_owned(),
            one if one.starts_with("unclosed inline table") => "close the table with `}`".to_owned(),
            one if one.starts_with("invalid unquoted key") => self.key(),
            one if one.starts_with("key with no value") => "write `=` and a value behind the key".to_owned(),
            one if one.starts_with("unexpected leading zero") => {
                format!("write {}", self.word().trim_start_matches('0'))
            }
            one if one.starts_with("missing escaped value") => {
                "a backslash starts an escape: put the text in '...', which has none".to_owned()
            }
            _ => return None,
        };
        Some(help)
    }

    /// The parser takes a text without quotes for a number or a boolean that it cannot read.
    fn is_unquoted(&self, message: &str) -> bool {
        let bare = self.line_before().trim_end().ends_with(['=', '[', ',']) && !self.word().is_empty();
        let taken = ["invalid float", "invalid boolean", "invalid integer", "invalid datetime"];
        message.starts_with("string values must be quoted") || bare && taken.iter().any(|one| message.starts_with(one))
    }

    fn line_before(&self) -> &str {
        self.text.get(self.line().start..self.span.start).unwrap_or_default()
    }

    /// From the place to the end of the value, without a comment and without typographic quotes.
    fn word(&self) -> &str {
        let rest = self.text.get(self.span.start..self.line().end).unwrap_or_default();
        let value = rest.split('#').next().unwrap_or_default().trim();
        value.trim_end_matches([',', ']', '}']).trim_matches(['“', '”', '„', '‘', '’', '`', ' '])
    }

    fn unquoted(&self) -> String {
        let word = self.word();
        match word.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => "write true".to_owned(),
            "false" | "no" | "off" => "write false".to_owned(),
            _ => format!("a text stands in straight quotes: \"{word}\""),
        }
    }

    fn key(&self) -> String {
        let line = self.text.get(self.line()).unwrap_or_default().trim_start();
        if line.starts_with("//") || line.starts_with(';') {
            return "a comment starts with #".to_owned();
        }
        if self.text.get(self.span.start..).is_some_and(|rest| rest.starts_with(':')) {
            return "write `=` between a key and its value".to_owned();
        }
        "a key is made of letters, digits, - and _; anything else of it stands in quotes".to_owned()
    }

    /// Where a list should have ended: before a line that begins like a header or a key of its own.
    fn open_list(&self) -> Option<Range<usize>> {
        let line = self.text.get(self.line())?.trim();
        let key = line.split_once('=').is_some_and(|(key, _)| {
            let key = key.trim();
            !key.is_empty() && key.bytes().all(|one| one.is_ascii_alphanumeric() || b"-_.".contains(&one))
        });
        if !(self.line_before().trim().is_empty() && (line.starts_with('[') || key)) {
            return None;
        }
        let end = self.text.get(..self.line().start)?.trim_end().len();
        Some(end..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helps(text: &str) -> Vec<String> {
        let (_, broken) = toml::de::DeTable::parse_recoverable(text);
        let slips: Vec<_> = broken.iter().map(|one| (one.message(), one.span().unwrap_or(0..0))).collect();
        slips.iter().filter_map(|(message, span)| Slip { text, span: span.clone() }.help(message)).take(1).collect()
    }

    #[test]
    fn what_stands_without_quotes_is_shown_with_them() {
        assert_eq!(helps("a = plant # x"), ["a text stands in straight quotes: \"plant\""]);
        assert_eq!(helps("a = north-pumping"), ["a text stands in straight quotes: \"north-pumping\""]);
        assert_eq!(helps("a = ‘plant’"), ["a text stands in straight quotes: \"plant\""]);
        assert_eq!(helps("a = True"), ["write true"]);
        assert_eq!(helps("a = off"), ["write false"]);
        assert_eq!(helps("a = 007"), ["write 7"]);
    }

    /// Every text, cut anywhere and with any of its bytes gone, is told without a panic and at a place that is there.
    #[test]
    fn a_file_cut_anywhere_is_told() {
        let whole = "[a]\nname = “ä”\nb = [\n  \"x\",\n  \"y\"\n]\nc = { d = 'ü', e = \"\\u00e4\" }\n";
        for at in (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)) {
            let skipped = whole.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            for text in [whole[..at].to_owned(), format!("{}{}", &whole[..at], &whole[at + skipped..])] {
                let (_, broken) = toml::de::DeTable::parse_recoverable(&text);
                let slips: Vec<_> = broken.iter().map(|one| (one.message(), one.span().unwrap_or(0..0))).collect();
                let mut faults = Faults::default();
                tell(0, &text, &slips, &mut faults);
                assert_eq!(faults.refused(), !slips.is_empty(), "{text:?}");
            }
        }
    }

    #[test]
    fn what_never_ends_is_ended() {
        assert_eq!(helps("a = \"plant"), ["close it with `\"`"]);
        assert_eq!(helps("[a"), ["close the header with `]`"]);
        assert_eq!(helps("a = [1"), ["close the list with `]`"]);
        assert_eq!(helps("a = { b = 1"), ["close the table with `}`"]);
    }
}
