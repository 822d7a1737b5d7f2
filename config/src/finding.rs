//! How is a fault told to a person and to a machine?

use std::{ops::Range, path::PathBuf, sync::Arc};

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

pub(crate) mod codes;

pub use codes::CODES;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// It is served, and probably not what was meant.
    Warning,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as the operator named it.
    pub file: PathBuf,
    /// Its whole text, for rendering.
    pub source: Arc<str>,
    /// Bytes of that text.
    pub span: Range<usize>,
    /// What stands under the span.
    pub label: String,
}

/// One fault or warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `E0xx` or `W0xx`, stable.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub message: String,
    /// Where; the first is the main place, others are related ("first defined here"). Empty when the file cannot be read.
    pub places: Vec<Place>,
    /// What to write instead.
    pub help: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
}

impl Finding {
    /// A file that is there and is not what it should be, which only whoever reads certificates and keys can tell.
    /// `elsewhere`: it can be told only where the service runs.
    pub fn of_keys(message: String, place: Option<Place>, help: String, elsewhere: bool) -> Self {
        let (severity, code) =
            if elsewhere { (Severity::Warning, codes::KEYS_ELSEWHERE) } else { (Severity::Error, codes::KEYS) };
        Self { code, severity, message, places: place.into_iter().collect(), help: vec![help], notes: Vec::new() }
    }

    /// The text of section 6 of language.md, ending with a newline. `color`: ANSI colours.
    pub fn render(&self, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str()).id(self.code);
        let mut group = Group::with_title(title);
        for (at, place) in self.places.iter().enumerate() {
            let kind = if at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let mark = kind.span(place.within()).label(place.label.as_str());
            let path = place.file.display().to_string();
            group = group.element(Snippet::source(&*place.source).path(path).annotation(mark));
        }
        for help in &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        tight(&renderer.render(&[group]))
    }

    /// `{"code","severity","message","file","line","column","end_column","label","help":[],"notes":[]}`; lines and
    /// columns count from 1, columns in characters. `related` holds the further places, where there are any.
    pub fn to_json(&self) -> serde_json::Value {
        let mut object = serde_json::json!({
            "code": self.code, "severity": self.severity, "message": self.message,
            "help": self.help, "notes": self.notes,
        });
        let mut places = self.places.iter().map(Place::to_json);
        if let (Some(object), Some(serde_json::Value::Object(main))) = (object.as_object_mut(), places.next()) {
            object.extend(main);
            let related: Vec<_> = places.collect();
            if !related.is_empty() {
                object.insert("related".to_owned(), related.into());
            }
        }
        object
    }
}

impl Place {
    /// Line and column of the span's start, both from 1.
    pub fn line_column(&self) -> (usize, usize) {
        line_column(&self.source, self.within().start)
    }

    /// The span, cut to the text and to whole characters.
    fn within(&self) -> Range<usize> {
        let whole = |at: &usize| self.source.is_char_boundary(*at);
        let start = (0..=self.span.start.min(self.source.len())).rev().find(whole).unwrap_or(0);
        let end = (self.span.end.clamp(start, self.source.len())..).find(whole).unwrap_or(start);
        start..end
    }

    fn to_json(&self) -> serde_json::Value {
        let span = self.within();
        let (line, column) = line_column(&self.source, span.start);
        let (_, end_column) = line_column(&self.source, span.end);
        serde_json::json!({
            "file": self.file.display().to_string(), "line": line, "column": column, "end_column": end_column,
            "label": self.label,
        })
    }
}

/// The renderer leaves an empty line of its gutter before the first `=`; the contract's look has none.
fn tight(rendered: &str) -> String {
    let plain: Vec<String> = rendered.lines().map(without_colour).collect();
    let mut text = String::with_capacity(rendered.len());
    for (at, line) in rendered.lines().enumerate() {
        let gutter = plain.get(at).is_some_and(|one| one.trim() == "|");
        let footer = plain.get(at + 1).is_some_and(|one| one.trim_start().starts_with("= "));
        if !(gutter && footer) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// A line without its ANSI sequences (`ESC [ ... m`).
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

/// Line and column (characters) of a byte, both from 1.
pub(crate) fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line + 1, before[start..].chars().count() + 1)
}
