//! How does the key table read as JSON schema?

use serde_json::{Map, Value, json};
use sluicegate_proto::keys::{KeySpec, Kind};

use super::{Shape, TableSpec, tables};

/// The JSON schema of the configuration, for editors. Sentences, references and cross checks are `check`'s.
pub fn schema() -> Value {
    let tables = tables();
    let mut root = object(&tables, "");
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("title".to_owned(), json!("sluicegate.toml"));
    }
    root
}

fn object(tables: &[TableSpec], path: &str) -> Value {
    let spec = tables.iter().find(|one| one.path == path);
    let keys = spec.map_or(&[][..], |spec| spec.keys);
    let mut properties: Map<String, Value> = keys.iter().map(|key| (key.key.to_owned(), property(key))).collect();
    for child in tables.iter().filter(|one| !one.path.is_empty()) {
        let plain = child.path.trim_end_matches(".*").trim_end_matches("[]");
        let (parent, name) = plain.rsplit_once('.').unwrap_or(("", plain));
        if parent != path {
            continue;
        }
        let inner = object(tables, &child.path);
        let made = match child.shape {
            Shape::One => inner,
            Shape::Named => {
                json!({ "type": "object", "propertyNames": { "pattern": NAME }, "additionalProperties": inner })
            }
            Shape::Each => json!({ "type": "array", "items": inner }),
        };
        properties.insert(name.to_owned(), made);
    }
    let required: Vec<_> = keys.iter().filter(|key| key.required).map(|key| key.key).collect();
    let doc = spec.map_or("", |spec| spec.doc);
    json!({
        "type": "object", "description": doc, "properties": properties, "required": required,
        "additionalProperties": false,
    })
}

const NAME: &str = "^[a-z0-9-]{1,32}$";
const DURATION: &str = "^[0-9]+(ms|s|m|h|d)$";
const RATE: &str = "^[0-9]+/(s|min|h)( +burst +[0-9]+)?$";
const BYTE_RATE: &str = "^[0-9]+([KMG]iB)?/(s|min|h)( +burst +[0-9]+([KMG]iB)?)?$";

fn property(key: &KeySpec) -> Value {
    let mut made = kind(key.kind);
    if let Some(object) = made.as_object_mut() {
        let unserved = if key.served { "" } else { " Not served yet." };
        object.insert("description".to_owned(), json!(format!("{}{unserved}", key.doc)));
        if let Some(default) = key.default.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            object.insert("default".to_owned(), default);
        }
    }
    made
}

fn kind(kind: Kind) -> Value {
    let list = |items: Value| json!({ "type": "array", "items": items });
    match kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Tenths(low, high) => {
            json!({ "type": "number", "minimum": f64::from(low) / 10.0, "maximum": f64::from(high) / 10.0, "multipleOf": 0.1 })
        }
        Kind::Text | Kind::Path | Kind::Address => json!({ "type": "string" }),
        Kind::Name => json!({ "type": "string", "pattern": NAME }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Duration => json!({ "type": "string", "pattern": DURATION }),
        Kind::Rate => json!({ "type": "string", "pattern": RATE }),
        Kind::ByteRate => json!({ "type": "string", "pattern": BYTE_RATE }),
        Kind::Ints(low, high) => list(json!({ "type": "integer", "minimum": low, "maximum": high })),
        Kind::Texts | Kind::Sentences | Kind::Networks => list(json!({ "type": "string" })),
        Kind::Names => list(json!({ "type": "string", "pattern": NAME })),
        Kind::OneOrTexts => {
            json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
        }
        Kind::IntMap(low, high) => json!({
            "type": "object", "propertyNames": { "pattern": "^-?[0-9]+$" },
            "additionalProperties": { "type": "integer", "minimum": low, "maximum": high },
        }),
        Kind::Table => json!({ "type": "object" }),
    }
}

/// What a key takes, in the reference.
pub fn takes(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true, false".to_owned(),
        Kind::Int(low, high) => format!("{low} to {high}"),
        Kind::Tenths(low, high) => format!("{} to {}, one decimal", f64::from(low) / 10.0, f64::from(high) / 10.0),
        Kind::Text => "text".to_owned(),
        Kind::Name => "name".to_owned(),
        Kind::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Duration => "duration".to_owned(),
        Kind::Rate | Kind::ByteRate => "rate".to_owned(),
        Kind::Ints(low, high) => format!("list of {low} to {high}"),
        Kind::Texts => "list of texts".to_owned(),
        Kind::OneOrTexts => "text, or list of texts".to_owned(),
        Kind::Names => "list of names".to_owned(),
        Kind::IntMap(low, high) => format!("table of {low} to {high}"),
        Kind::Sentences => "list of sentences".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Address => "address and port".to_owned(),
        Kind::Networks => "list of networks".to_owned(),
        Kind::Table => "table".to_owned(),
    }
}
