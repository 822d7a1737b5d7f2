//! Does every table have the keys that it may have, of the kinds that they take?

use sluicegate_proto::keys::{KeySpec, Kind, Setting, Settings};

use super::{
    fix,
    scalar::{self, Unreadable},
    tree::{Entry, Node, Table, Value},
};
use crate::{
    fault::{At, Fault, Faults, did_you_mean, nearest},
    finding::codes,
    keys::{self, Shape, TableSpec},
};

/// Checks the merged table. What passes has the shape of the key table; names and meanings are checked later.
pub(crate) fn check(root: &Table, faults: &mut Faults) {
    let tables = keys::tables();
    let walk = Walk { tables: &tables };
    schema(root.get("schema"), faults);
    walk.table(root, "", &At::default(), faults);
}

/// Not a key like another: without it the file may be of another program, or of another version.
pub(super) fn schema(entry: Option<&Entry>, faults: &mut Faults) {
    let help = "write `schema = 1` as the first line".to_owned();
    match entry.map(|entry| &entry.node) {
        None => {
            let fault = Fault::new(codes::SCHEMA, &At::default(), "the schema is missing", "the file starts here");
            faults.add(fault.help(help));
        }
        Some(Node { value: Value::Int(1), .. }) => {}
        Some(node) => {
            faults.add(Fault::new(codes::SCHEMA, &node.at, "this schema is not known", "must be 1").help(help));
        }
    }
}

struct Walk<'t> {
    tables: &'t [TableSpec],
}

impl Walk<'_> {
    fn spec(&self, path: &str) -> Option<&TableSpec> {
        self.tables.iter().find(|one| one.path == path)
    }

    fn table(&self, table: &Table, path: &str, at: &At, faults: &mut Faults) {
        let keys = self.spec(path).map_or(&[][..], |spec| spec.keys);
        // A key that is there under a wrong name is not missing as well.
        let mut meant = Vec::new();
        for entry in table.entries.iter().filter(|entry| !(path.is_empty() && entry.key == "schema")) {
            match keys.iter().find(|key| key.key == entry.key) {
                Some(key) => value(key, path, entry, faults),
                None => {
                    meant.extend(nearest(&entry.key, keys.iter().map(|key| key.key)));
                    self.child(path, entry, keys, faults);
                }
            }
        }
        let absent = |key: &&KeySpec| key.required && key.served && table.get(key.key).is_none();
        for key in keys.iter().filter(absent).filter(|key| key.key != "schema" && !meant.contains(&key.key)) {
            let message = format!("`{}` is missing", key.key);
            let help = format!("write {} = {}, for example. {}", key.key, fix::example(key.kind), key.doc);
            faults.add(Fault::new(codes::MISSING, at, message, "required here").help(help));
        }
    }

    /// An entry that is not a key: a table of its own, or unknown.
    fn child(&self, path: &str, entry: &Entry, keys: &[KeySpec], faults: &mut Faults) {
        let own = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
        let paths = [own.clone(), format!("{own}.*"), format!("{own}[]")];
        let Some(spec) = paths.iter().find_map(|one| self.spec(one)) else {
            faults.add(self.unknown(path, entry, keys));
            return;
        };
        if !spec.served {
            faults.add(not_served(&entry.at, &format!("`{}`", entry.key)));
            return;
        }
        match (spec.shape, &entry.node.value) {
            (Shape::One, Value::Table(table)) => self.table(table, &spec.path, &entry.at, faults),
            (Shape::Named, Value::Table(table)) => self.named(table, &spec.path, faults),
            (Shape::Each, Value::List(list)) => self.each(list, &spec.path, faults),
            (Shape::One, _) => faults.add(not_a_table(&entry.key, &entry.node, &format!("[{own}]"))),
            (Shape::Named, _) => faults.add(not_a_table(&entry.key, &entry.node, &format!("[{own}.NAME]"))),
            (Shape::Each, _) => faults.add(not_a_table(&entry.key, &entry.node, &format!("[[{own}]]"))),
        }
    }

    fn named(&self, table: &Table, path: &str, faults: &mut Faults) {
        for entry in &table.entries {
            if !scalar::name(&entry.key) {
                faults.add(bad_name(&entry.key, &entry.at));
            }
            match &entry.node.value {
                Value::Table(one) => self.table(one, path, &entry.at, faults),
                _ => faults.add(not_a_table(&entry.key, &entry.node, &format!("[{}]", path.replace('*', &entry.key)))),
            }
        }
    }

    fn each(&self, list: &[Node], path: &str, faults: &mut Faults) {
        for node in list {
            match &node.value {
                Value::Table(one) => self.table(one, path, &node.at, faults),
                _ => faults.add(not_a_table(path, node, &format!("[[{}]]", path.trim_end_matches("[]")))),
            }
        }
    }

    fn unknown(&self, path: &str, entry: &Entry, keys: &[KeySpec]) -> Fault {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let child = |one: &'_ TableSpec| {
            let rest = one.path.strip_prefix(&prefix)?;
            let name = rest.trim_end_matches(".*").trim_end_matches("[]");
            (!name.is_empty() && !name.contains('.')).then(|| name.to_owned())
        };
        let children: Vec<String> = self.tables.iter().filter_map(child).collect();
        let known = keys.iter().map(|key| key.key).chain(children.iter().map(String::as_str));
        let what = if entry.node.table().is_some() { "table" } else { "key" };
        let fault =
            Fault::new(codes::UNKNOWN_KEY, &entry.at, format!("unknown {what} `{}`", entry.key), "not known here");
        let help = did_you_mean(&entry.key, known.clone())
            .or_else(|| common_name(path, &entry.key))
            .or_else(|| self.elsewhere(path, &entry.key));
        fault.help(help.unwrap_or_else(|| format!("known here: {}", known.collect::<Vec<_>>().join(", "))))
    }

    /// In TOML a key belongs to the last header above it, which is easily another table than was meant.
    fn elsewhere(&self, path: &str, key: &str) -> Option<String> {
        let family = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
        let fits = |one: &&TableSpec| {
            one.served && !path.is_empty() && family(&one.path) == family(path) && one.keys.iter().any(|k| k.key == key)
        };
        let table = self.tables.iter().find(fits)?;
        Some(format!("it belongs under the header [{}]", table.path.replace('*', "NAME")))
    }
}

/// The common name of a certificate names nobody here (RFC 9525).
fn common_name(path: &str, key: &str) -> Option<String> {
    let common = ["cn", "common_name", "subject"].contains(&key.to_ascii_lowercase().as_str());
    let help = "a common name is not looked at: match uri, dns or spki";
    (common && path.ends_with(".match")).then(|| help.to_owned())
}

/// Refused by name.
pub(crate) fn not_served(at: &At, what: &str) -> Fault {
    not_served_but(at, what, "leave it out")
}

fn not_served_but(at: &At, what: &str, help: &str) -> Fault {
    Fault::new(codes::NOT_SERVED, at, format!("{what} is not served yet"), "known, but not served by this version")
        .help(help.to_owned())
}

/// A name that is none.
pub(crate) fn bad_name(name: &str, at: &At) -> Fault {
    Fault::new(codes::BAD_NAME, at, format!("`{name}` is not a name"), "not a name")
        .help(fix::name(name).unwrap_or_else(|| "a name has 1 to 32 of a-z, 0-9 and -".to_owned()))
}

fn wrong_kind(key: &str, node: &Node, kind: Kind) -> Fault {
    let message = format!("`{key}` takes {}", expected(kind));
    Fault::new(codes::WRONG_KIND, &node.at, message, format!("this is {}", node.value.kind()))
        .help(fix::kind(kind, node))
}

fn not_a_table(key: &str, node: &Node, header: &str) -> Fault {
    let message = format!("`{key}` is a table");
    Fault::new(codes::WRONG_KIND, &node.at, message, format!("this is {}", node.value.kind()))
        .help(format!("write the header {header}, and its keys below it"))
}

/// Checks one value under its key.
fn value(key: &KeySpec, path: &str, entry: &Entry, faults: &mut Faults) {
    if !key.served && !is_default(key, &entry.node) {
        faults.add(not_served(&entry.at, &format!("`{}`", entry.key)));
        return;
    }
    let unserved = |node: &Node| node.text().and_then(|(text, _)| keys::unserved_word(path, key.key, text));
    let nodes = std::iter::once(&entry.node).chain(entry.node.list());
    let mut refused = false;
    for (node, word) in nodes.filter_map(|node| Some((node, unserved(node)?))) {
        refused = true;
        let what = format!("`{} = \"{}\"`", key.key, word.word);
        faults.add(match word.word {
            "serial:" => not_served_but(&node.at, &what, "put a serial device server before the line: host:port"),
            _ => not_served(&node.at, &what),
        });
    }
    if !refused {
        kind(key, &entry.node, faults);
    }
}

/// A key that is not served may be written with its built-in value: it says what is done anyway.
fn is_default(key: &KeySpec, node: &Node) -> bool {
    let Some(text) = key.default else { return false };
    match &node.value {
        Value::Bool(on) => text == on.to_string(),
        Value::Int(int) => text == int.to_string(),
        Value::Text(word) => text == format!("\"{word}\""),
        _ => false,
    }
}

fn kind(key: &KeySpec, node: &Node, faults: &mut Faults) {
    let name = key.key;
    match (key.kind, &node.value) {
        (Kind::Bool, Value::Bool(_)) | (Kind::Text | Kind::Path, Value::Text(_)) | (Kind::Table, Value::Table(_)) => {}
        (Kind::Int(low, high), Value::Int(_) | Value::Huge) => within(name, node, low, high, faults),
        (Kind::Tenths(low, high), Value::Int(_) | Value::Huge | Value::Decimal(_)) => {
            if tenths(node).is_none_or(|one| !(low..=high).contains(&one)) {
                let bounds = format!("between {} and {}, with at most one decimal", tenth(low), tenth(high));
                let help = format!("write {} to {}, such as 3 or 3.5", low / 10, high / 10);
                faults.add(out_of_bounds(name, node, &bounds, help));
            }
        }
        (Kind::Name, Value::Text(text)) => {
            if !scalar::name(text) {
                faults.add(bad_name(text, &node.at));
            }
        }
        (Kind::Word(words), Value::Text(text)) => {
            if !words.contains(&text.as_str()) {
                faults.add(not_a_word(name, text, words, node));
            }
        }
        (Kind::Duration, Value::Text(text)) => told(codes::DURATION, node, scalar::duration(text).err(), faults),
        (Kind::Rate, Value::Text(text)) => told(codes::RATE, node, scalar::rate(text, false).err(), faults),
        (Kind::ByteRate, Value::Text(text)) => told(codes::RATE, node, scalar::rate(text, true).err(), faults),
        (Kind::Address, Value::Text(text)) => told(codes::ADDRESS, node, scalar::bind(text).err(), faults),
        (Kind::OneOrTexts, Value::Text(_)) => {}
        (
            Kind::Ints(..) | Kind::Texts | Kind::OneOrTexts | Kind::Names | Kind::Sentences | Kind::Networks,
            Value::List(list),
        ) => {
            let each = KeySpec { kind: element(key.kind), ..*key };
            list.iter().for_each(|one| element_kind(&each, one, faults));
        }
        (Kind::IntMap(low, high), Value::Table(table)) => int_map(name, table, low, high, faults),
        _ => faults.add(wrong_kind(name, node, key.kind)),
    }
}

fn element_kind(each: &KeySpec, one: &Node, faults: &mut Faults) {
    match (each.kind, &one.value) {
        // The one element kind that no key takes alone.
        (Kind::Networks, Value::Text(text)) => told(codes::NETWORK, one, scalar::network(text).err(), faults),
        (Kind::Networks, _) => faults.add(wrong_kind(each.key, one, Kind::Text)),
        _ => kind(each, one, faults),
    }
}

fn element(list: Kind) -> Kind {
    match list {
        Kind::Ints(low, high) => Kind::Int(low, high),
        Kind::Names => Kind::Name,
        Kind::Networks => Kind::Networks,
        _ => Kind::Text,
    }
}

fn int_map(name: &str, table: &Table, low: i64, high: i64, faults: &mut Faults) {
    for entry in &table.entries {
        if !entry.key.parse::<i64>().is_ok_and(|key| (low..=high).contains(&key)) {
            let message = format!("`{}` is out of bounds for `{name}`", entry.key);
            let label = format!("must be between {low} and {high}");
            let fault = Fault::new(codes::OUT_OF_BOUNDS, &entry.at, message, label);
            faults.add(fault.help(format!("write {low} to {high}")));
        }
        match entry.node.value {
            Value::Int(_) | Value::Huge => within(name, &entry.node, low, high, faults),
            _ => faults.add(wrong_kind(name, &entry.node, Kind::Int(low, high))),
        }
    }
}

fn within(name: &str, node: &Node, low: i64, high: i64, faults: &mut Faults) {
    let inside = matches!(node.value, Value::Int(one) if (low..=high).contains(&one));
    if !inside {
        let bounds = if low == high { low.to_string() } else { format!("between {low} and {high}") };
        let help = if low == high { format!("write {low}") } else { format!("write {low} to {high}") };
        faults.add(out_of_bounds(name, node, &bounds, help));
    }
}

fn out_of_bounds(name: &str, node: &Node, bounds: &str, help: String) -> Fault {
    Fault::new(codes::OUT_OF_BOUNDS, &node.at, format!("`{name}` is out of bounds"), format!("must be {bounds}"))
        .help(help)
}

fn not_a_word(name: &str, text: &str, words: &[&str], node: &Node) -> Fault {
    let message = format!("`{text}` is not a value of `{name}`");
    Fault::new(codes::OUT_OF_BOUNDS, &node.at, message, format!("must be one of: {}", words.join(", "))).help(
        did_you_mean(text, words.iter().copied()).unwrap_or_else(|| format!("write one of: {}", words.join(", "))),
    )
}

fn told(code: &'static str, node: &Node, fault: Option<Unreadable>, faults: &mut Faults) {
    if let Some(Unreadable { wrong, help }) = fault {
        let text = node.text().map_or("", |(text, _)| text);
        faults.add(Fault::new(code, &node.at, format!("`{text}` cannot be read"), wrong).help(help));
    }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::Int(..) => "an integer",
        Kind::Tenths(..) => "a number",
        Kind::Text | Kind::Word(_) => "a string",
        Kind::Name => "a name in a string",
        Kind::Duration => "a duration in a string, such as \"5s\"",
        Kind::Rate => "a rate in a string, such as \"100/s burst 20\"",
        Kind::ByteRate => "a rate in a string, such as \"4MiB/s\"",
        Kind::Ints(..) => "a list of integers",
        Kind::Texts => "a list of strings",
        Kind::OneOrTexts => "a string or a list of strings",
        Kind::Names => "a list of names",
        Kind::IntMap(..) => "a table of integers, such as { 255 = 1 }",
        Kind::Sentences => "a list of sentences",
        Kind::Path => "a path in a string",
        Kind::Address => "an address and port in a string",
        Kind::Networks => "a list of networks",
        Kind::Table => "a table",
    }
}

/// A level in tenths.
pub(crate) fn tenths(node: &Node) -> Option<u8> {
    match node.value {
        Value::Int(int) => u8::try_from(int).ok()?.checked_mul(10),
        Value::Decimal(decimal) => {
            let tenths = decimal * 10.0;
            // Only exact tenths: the nearest one must be where the text says.
            let near = (0..=u8::MAX).find(|one| (f64::from(*one) - tenths).abs() < 1e-9)?;
            Some(near)
        }
        _ => None,
    }
}

fn tenth(tenths: u8) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The values of a protocol's table, absent ones with their defaults. The table was checked.
pub(crate) fn settings(keys: &'static [KeySpec], table: Option<&Table>) -> Settings {
    let mut settings = Settings::default();
    for key in keys {
        let written = table.and_then(|table| table.get(key.key)).map(|entry| entry.node.clone());
        let node = written.or_else(|| default_of(key));
        if let Some(setting) = node.and_then(|node| setting(key.kind, &node)) {
            settings.0.insert(key.key, setting);
        }
    }
    settings
}

fn default_of(key: &KeySpec) -> Option<Node> {
    let text = format!("default = {}", key.default?);
    let table = toml::de::DeTable::parse(&text).ok()?;
    Table::of(0, table.get_ref()).entries.pop().map(|entry| entry.node)
}

fn setting(kind: Kind, node: &Node) -> Option<Setting> {
    let texts = || node.list().iter().filter_map(|one| Some(one.text()?.0.to_owned())).collect();
    match (kind, &node.value) {
        (Kind::Bool, Value::Bool(on)) => Some(Setting::Bool(*on)),
        (Kind::Int(..), Value::Int(int)) => Some(Setting::Int(*int)),
        (Kind::Tenths(..), _) => tenths(node).map(|one| Setting::Int(one.into())),
        (Kind::Duration, Value::Text(text)) => scalar::duration(text).ok().map(Setting::Duration),
        (Kind::Ints(..), Value::List(list)) => {
            let int = |one: &Node| if let Value::Int(int) = one.value { Some(int) } else { None };
            Some(Setting::Ints(list.iter().filter_map(int).collect()))
        }
        (Kind::Texts | Kind::Names | Kind::Networks | Kind::OneOrTexts, Value::List(_)) => {
            Some(Setting::Texts(texts()))
        }
        (Kind::IntMap(..), Value::Table(table)) => {
            let pair = |one: &Entry| match one.node.value {
                Value::Int(int) => Some((one.key.parse().ok()?, int)),
                _ => None,
            };
            Some(Setting::IntMap(table.entries.iter().filter_map(pair).collect()))
        }
        // Sentences are read as rules, not as settings; all other strings are kept as they are.
        (_, Value::Text(text)) => Some(Setting::Text(text.clone())),
        _ => None,
    }
}
