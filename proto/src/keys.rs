//! Which keys does a protocol's own config table take, and what do they mean?
//!
//! A protocol brings one table of [`KeySpec`]; the config crate checks, documents and reads
//! `[conduits.X.<protocol>]` from it without knowing the protocol.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

/// One key of a config table: the truth for the checks, the JSON schema and the reference.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// Its name in TOML.
    pub key: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether the table is refused without it.
    pub required: bool,
    /// The built-in value, as TOML text, where there is one.
    pub default: Option<&'static str>,
    /// One line for the reference.
    pub doc: &'static str,
    /// `false`: known to the language, refused by name because this version does not serve it yet.
    pub served: bool,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// An integer within these bounds, inclusive.
    Int(i64, i64),
    /// Any string.
    Text,
    /// `[a-z0-9-]{1,32}`.
    Name,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A duration such as `500ms`, `5s`, `5m`, `4h`, `2d`.
    Duration,
    /// A token bucket such as `100/s burst 20`.
    Rate,
    /// A token bucket of bytes such as `4MiB/s`.
    ByteRate,
    /// A number with at most one decimal, in tenths, inclusive: `3` and `3.5` are 30 and 35.
    Tenths(u8, u8),
    /// A string or a list of strings.
    OneOrTexts,
    /// A list of integers within these bounds.
    Ints(i64, i64),
    /// A list of strings.
    Texts,
    /// A list of names.
    Names,
    /// A table from integer keys (in quotes or bare) to integers, all within these bounds.
    IntMap(i64, i64),
    /// A list of sentences.
    Sentences,
    /// A file path, relative to the file that names it.
    Path,
    /// An address and port.
    Address,
    /// A list of networks such as `10.30.0.0/24`.
    Networks,
    /// A table of its own, described elsewhere in the reference.
    Table,
}

/// What does not go together in a protocol's own table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFault {
    /// Where.
    pub place: KeyPlace,
    /// Served all the same, and probably not what was meant.
    pub is_warning: bool,
    /// One line: what is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// What a [`KeyFault`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// This key of the table.
    Key(&'static str),
    /// The rule at this place of the plan.
    Rule(usize),
}

/// A value that was read under a [`KeySpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// From [`Kind::Bool`].
    Bool(bool),
    /// From [`Kind::Int`].
    Int(i64),
    /// From the textual kinds.
    Text(String),
    /// From [`Kind::Duration`].
    Duration(core::time::Duration),
    /// From [`Kind::Ints`].
    Ints(Vec<i64>),
    /// From [`Kind::Texts`] and [`Kind::Names`].
    Texts(Vec<String>),
    /// From [`Kind::IntMap`].
    IntMap(BTreeMap<i64, i64>),
}

/// The values of one protocol table, by key. A key that was absent and has a default holds the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub BTreeMap<&'static str, Setting>);

impl Settings {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.0.get(key)
    }

    /// The text of `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Setting::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The integers of `key`; empty when absent.
    pub fn ints(&self, key: &str) -> &[i64] {
        match self.get(key) {
            Some(Setting::Ints(ints)) => ints,
            _ => &[],
        }
    }

    /// The duration of `key`.
    pub fn duration(&self, key: &str) -> Option<core::time::Duration> {
        match self.get(key) {
            Some(Setting::Duration(wait)) => Some(*wait),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_setting_is_found_under_its_key_and_its_kind_alone() {
        let settings = Settings(BTreeMap::from([
            ("units", Setting::Ints([1, 2].to_vec())),
            ("framing", Setting::Text("rtu".into())),
            ("step_age", Setting::Duration(Duration::from_secs(3))),
        ]));
        assert_eq!(
            (settings.ints("units"), settings.ints("framing"), settings.ints("none")),
            (&[1, 2][..], &[][..], &[][..])
        );
        assert_eq!((settings.text("framing"), settings.text("units")), (Some("rtu"), None));
        assert_eq!((settings.duration("step_age"), settings.duration("units")), (Some(Duration::from_secs(3)), None));
        assert_eq!((settings.get("step_age").is_some(), settings.get("none")), (true, None));
    }
}
