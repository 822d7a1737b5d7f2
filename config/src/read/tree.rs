//! What do the files say, every value with its place?

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::At;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer that does not fit 64 bits.
    Huge,
    /// A decimal.
    Decimal(f64),
    /// A string.
    Text(String),
    /// A bare date or time.
    Date,
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where.
    pub(crate) at: At,
    /// What.
    pub(crate) value: Value,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) at: At,
    /// The value.
    pub(crate) node: Node,
}

/// The entries of a table in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// The entries; no key twice.
    pub(crate) entries: Vec<Entry>,
}

/// A text and its place.
pub(crate) type Text<'t> = (&'t str, &'t At);

impl Value {
    /// What it is, for a message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Huge => "an integer",
            Self::Decimal(_) => "a decimal",
            Self::Text(_) => "a string",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    /// The text, where it is one.
    pub(crate) fn text(&self) -> Option<Text<'_>> {
        match &self.value {
            Value::Text(text) => Some((text, &self.at)),
            _ => None,
        }
    }

    /// The table, where it is one.
    pub(crate) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The elements of a list; nothing else has any.
    pub(crate) fn list(&self) -> &[Self] {
        match &self.value {
            Value::List(list) => list,
            _ => &[],
        }
    }
}

impl Table {
    /// The entry of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|one| one.key == key)
    }

    /// The text of `key`.
    pub(crate) fn text(&self, key: &str) -> Option<Text<'_>> {
        self.get(key)?.node.text()
    }

    /// The integer of `key`.
    pub(crate) fn int(&self, key: &str) -> Option<i64> {
        match self.get(key)?.node.value {
            Value::Int(int) => Some(int),
            _ => None,
        }
    }

    /// The boolean of `key`; `false` when absent.
    pub(crate) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key).map(|one| &one.node.value), Some(Value::Bool(true)))
    }

    /// The texts of `key`, whether a list or one alone.
    pub(crate) fn texts(&self, key: &str) -> Vec<Text<'_>> {
        let Some(entry) = self.get(key) else { return Vec::new() };
        entry.node.text().into_iter().chain(entry.node.list().iter().filter_map(Node::text)).collect()
    }

    /// The table of `key`.
    pub(crate) fn table(&self, key: &str) -> Option<&Self> {
        self.get(key)?.node.table()
    }

    /// The named tables under `key`: `[zones.a]`, `[zones.b]`.
    pub(crate) fn named(&self, key: &str) -> Vec<(&str, &At, &Self)> {
        let Some(table) = self.table(key) else { return Vec::new() };
        table.entries.iter().filter_map(|one| Some((one.key.as_str(), &one.at, one.node.table()?))).collect()
    }

    /// The tables of a list of tables: `[[tests]]`.
    pub(crate) fn each(&self, key: &str) -> Vec<(&At, &Self)> {
        let Some(entry) = self.get(key) else { return Vec::new() };
        entry.node.list().iter().filter_map(|one| Some((&one.at, one.table()?))).collect()
    }

    /// The table of a parsed file.
    pub(crate) fn of(file: usize, table: &DeTable<'_>) -> Self {
        let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| Entry {
            key: key.get_ref().clone().into_owned(),
            at: At { file, span: key.span() },
            node: node(file, value),
        };
        let mut entries: Vec<_> = table.iter().map(entry).collect();
        entries.sort_by_key(|one| one.at.span.start);
        Self { entries }
    }
}

fn node(file: usize, value: &Spanned<DeValue<'_>>) -> Node {
    let made = match value.get_ref() {
        DeValue::Boolean(on) => Value::Bool(*on),
        DeValue::Integer(int) => i64::from_str_radix(int.as_str(), int.radix()).map_or(Value::Huge, Value::Int),
        DeValue::Float(float) => float.as_str().parse().map_or(Value::Huge, Value::Decimal),
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => Value::List(list.iter().map(|one| node(file, one)).collect()),
        DeValue::Table(table) => Value::Table(Table::of(file, table)),
    };
    Node { at: At { file, span: value.span() }, value: made }
}
