//! Which tables and keys does the configuration take, and what do they mean?
//!
//! One table is the truth for the checks, the JSON schema, the reference and the list of what is not served yet.
//!
//! ```text
//! tables     every table and key of the language, served or not
//! schema     the same as JSON schema, for editors
//! reference  the same as a page
//! ```

use std::borrow::Cow;

use sluicegate_proto::{keys::KeySpec, protocol::Protocol};

mod reference;
mod schema;
mod tables;

pub use reference::reference;
pub use schema::{schema, takes};

/// How often a table may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Once: `[site]`.
    One,
    /// Once a name: `[zones.NAME]`.
    Named,
    /// As a list: `[[tests]]`.
    Each,
}

/// One table of the configuration.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Its path, with `*` for a name: `conduits.*.limits`; empty for the root.
    pub path: Cow<'static, str>,
    /// How often it may stand.
    pub shape: Shape,
    /// Its keys.
    pub keys: &'static [KeySpec],
    /// `false`: known, refused by name.
    pub served: bool,
    /// One line for the reference.
    pub doc: &'static str,
}

impl TableSpec {
    /// How it is written: `[zones.NAME]`, `[[tests]]`; `Root` for what stands in no table.
    pub fn heading(&self) -> String {
        let path = self.path.replace('*', "NAME").replace("[]", "");
        match self.shape {
            _ if path.is_empty() => "Root".to_owned(),
            Shape::One | Shape::Named => format!("`[{path}]`"),
            Shape::Each => format!("`[[{path}]]`"),
        }
    }
}

/// A word or form of a key that is known but not served yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnservedWord {
    /// The table's path.
    pub(crate) table: &'static str,
    /// The key.
    pub(crate) key: &'static str,
    /// The word, or the start of the text where it ends with a colon.
    pub(crate) word: &'static str,
}

/// Every table, those of the protocols included.
pub fn tables() -> Vec<TableSpec> {
    let of_protocol = |protocol: &Protocol| TableSpec {
        path: format!("conduits.*.{protocol}").into(),
        shape: Shape::One,
        keys: protocol.keys(),
        served: true,
        doc: "The protocol's own keys.",
    };
    tables::TABLES.iter().cloned().chain(Protocol::ALL.iter().map(of_protocol)).collect()
}

/// What the language knows and this version refuses by name: tables, keys (`site.watch`), words
/// (`listeners.transport=quic`). A list that only shrinks.
pub fn not_served() -> Vec<String> {
    let plain = |path: &str| path.replace(".*", "").replace("[]", "");
    let mut list = Vec::new();
    for table in tables() {
        let path = plain(&table.path);
        if !table.served {
            list.push(path);
            continue;
        }
        list.extend(table.keys.iter().filter(|key| !key.served).map(|key| format!("{path}.{}", key.key)));
    }
    for one in unserved_words() {
        list.push(format!("{}.{}={}", plain(one.table), one.key, one.word));
    }
    for protocol in Protocol::ALL {
        let objects = protocol.grammar().objects.iter().filter(|one| !one.served);
        list.extend(objects.map(|one| format!("{protocol}: {}", one.word)));
        let clauses = sluicegate_proto::sentence::clause_forms(protocol.grammar());
        list.extend(clauses.iter().filter(|one| !one.served).map(|one| format!("{protocol}: {}", one.form)));
    }
    list.sort();
    list.dedup();
    list
}

/// The unserved word that `text` is, under `key` of the table at `path`.
pub(crate) fn unserved_word(path: &str, key: &str, text: &str) -> Option<UnservedWord> {
    let is = |one: &UnservedWord| match one.word.strip_suffix(':') {
        Some(_) => text.starts_with(one.word),
        None => text == one.word,
    };
    unserved_words().filter(|one| one.table == path && one.key == key).find(is)
}

/// All of them: a protocol is served as soon as there is one of its name.
fn unserved_words() -> impl Iterator<Item = UnservedWord> {
    let protocols = ["conduits.*", "policies.*"].into_iter().flat_map(|table| {
        let words = tables::PROTOCOL_WORDS.iter().filter(|word| Protocol::parse(word).is_none());
        words.map(move |word| UnservedWord { table, key: "protocol", word })
    });
    tables::UNSERVED_WORDS.iter().copied().chain(protocols)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_and_no_table_is_told_twice() {
        let all = tables();
        for table in &all {
            assert_eq!(all.iter().filter(|one| one.path == table.path).count(), 1, "{}", table.path);
            for key in table.keys {
                assert_eq!(table.keys.iter().filter(|one| one.key == key.key).count(), 1, "{}", key.key);
                let child = format!("{}.{}", table.path, key.key);
                assert!(all.iter().all(|one| one.path != child), "{child} is both a key and a table");
            }
        }
    }

    #[test]
    fn an_unserved_word_belongs_to_a_key_that_is_there() {
        for one in unserved_words() {
            let all = tables();
            let table = all.iter().find(|table| table.path == one.table).expect("the table is there");
            assert!(table.keys.iter().any(|key| key.key == one.key && key.served), "{}.{}", one.table, one.key);
        }
    }
}
