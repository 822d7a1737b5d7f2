//! How is a fault told to a person and to a machine?

use std::{ops::Range, path::PathBuf};

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
    pub source: std::sync::Arc<str>,
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
    /// The text of section 6 of language.md, ending with a newline. `color`: ANSI colours.
    pub fn render(&self, color: bool) -> String {
        let _ = color;
        todo!()
    }

    /// `{"code","severity","message","file","line","column","end_column","label","help":[],"notes":[]}`.
    pub fn to_json(&self) -> serde_json::Value {
        todo!()
    }
}
