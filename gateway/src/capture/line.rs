//! What is told of one message, of one gap, of one conversation?

use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use sluicegate_proto::{
    deed::Values,
    describe::{Described, Field},
    sentence::{Grammar, Sentence},
    vocab::{Class, Reason, VerdictWord},
};

use super::gate::Ruling;

/// Which end sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The client.
    Request,
    /// The server.
    Response,
}

impl Direction {
    /// The word in the output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }

    /// The other end.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Request => Self::Response,
            Self::Response => Self::Request,
        }
    }
}

/// One line of the output.
#[derive(Clone, Debug)]
pub struct Line {
    /// The packet that completed it, from 1.
    pub frame: u64,
    /// When that was captured, in nanoseconds since 1970.
    pub time: Option<u64>,
    /// Which conversation, from 0.
    pub stream: u32,
    /// The end that asks.
    pub client: SocketAddr,
    /// The end that answers.
    pub server: SocketAddr,
    /// Which end sent it.
    pub direction: Direction,
    /// The message's name; absent where it cannot be read.
    pub message: Option<&'static str>,
    /// Its deeds.
    pub deeds: Vec<Shown>,
    /// Why it cannot be read.
    pub malformed: Option<Reason>,
    /// The unit and the function that it claims, where it cannot be read further.
    pub claims: Option<(u32, u16)>,
    /// What else is to be said of it, for people.
    pub note: Option<String>,
    /// How many bytes of the stream it is.
    pub bytes: u64,
    /// The verdict on it (`replay`).
    pub ruling: Option<Ruling>,
}

/// One deed of a line.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its class.
    pub class: Class,
    /// Its sentence.
    pub sentence: Sentence,
    /// Whether the sentence says where: it does not for an answer whose request was not captured.
    pub located: bool,
    /// Its protocol's fields.
    pub fields: Map<String, Value>,
    /// The verdict on it alone (`replay`).
    pub ruling: Option<Ruling>,
}

impl Line {
    /// The line as one JSON object (language.md section 7).
    pub fn to_json(&self, protocol: &str, grammar: &Grammar) -> Value {
        let mut object = json!({
            "frame": self.frame,
            "stream": self.stream,
            "time": self.time.map(seconds),
            "client": self.client.to_string(),
            "server": self.server.to_string(),
            "direction": self.direction.as_str(),
            "protocol": protocol,
            "message": self.message,
            "deeds": self.deeds.iter().map(|one| one.to_json(grammar)).collect::<Vec<_>>(),
            "malformed": self.malformed.map(Reason::as_str),
        });
        if let Some((unit, function)) = self.claims {
            object["unit"] = unit.into();
            object["function"] = function.into();
        }
        if let Some(note) = &self.note {
            object["note"] = note.as_str().into();
            object["bytes"] = self.bytes.into();
        }
        if let Some(ruling) = &self.ruling {
            rule(ruling, object.as_object_mut().expect("it is an object"));
        }
        object
    }

    /// The verdict on it and on each of its deeds.
    pub(super) fn judged(&mut self, ruling: Ruling, deeds: Vec<Ruling>) {
        let each = deeds.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        for (deed, own) in self.deeds.iter_mut().zip(each) {
            deed.ruling = own.or_else(|| Some(ruling.clone()));
        }
        self.ruling = Some(ruling);
    }
}

impl Shown {
    /// What was described, in owned form, with the sentence as `who` would have it.
    pub(super) fn of(who: Option<&str>, one: &Described<'_>) -> Self {
        let mut sentence = Sentence::of_deed(who, &one.deed);
        if !one.located {
            sentence.ranges.clear();
        }
        let fields = one.fields.iter().map(|(name, field)| ((*name).to_owned(), value(field))).collect();
        Self { class: one.deed.class, sentence, located: one.located, fields, ruling: None }
    }

    fn to_json(&self, grammar: &Grammar) -> Value {
        let mut object = Map::new();
        object.insert("class".to_owned(), self.class.as_str().into());
        object.insert("sentence".to_owned(), self.sentence.print(grammar).into());
        object.extend(self.fields.clone());
        if let Some(ruling) = &self.ruling {
            rule(ruling, &mut object);
        }
        Value::Object(object)
    }
}

/// `verdict`, `reason`, `rule`; `rules` where several allow it together.
fn rule(ruling: &Ruling, object: &mut Map<String, Value>) {
    object.insert("verdict".to_owned(), ruling.verdict.map(VerdictWord::as_str).into());
    object.insert("reason".to_owned(), ruling.reason.map(Reason::as_str).into());
    object.insert("rule".to_owned(), ruling.rules.first().map(String::as_str).into());
    if ruling.rules.len() > 1 {
        object.insert("rules".to_owned(), ruling.rules.clone().into());
    }
}

/// A message's name: that of its function on what it touches.
pub(super) fn name(grammar: &Grammar, function: u16, deeds: &[Shown]) -> &'static str {
    let first = deeds.first();
    let function = first.and_then(|one| one.sentence.via.first().copied()).unwrap_or(function);
    let of_code = || grammar.functions.iter().filter(|one| one.code == function);
    let exact = of_code().find(|one| first.is_some_and(|deed| deed.sentence.object == one.object));
    exact.or_else(|| of_code().next()).map_or("function", |one| one.name)
}

fn value(field: &Field<'_>) -> Value {
    match field {
        Field::Int(number) => (*number).into(),
        // Infinities and NaN are no numbers of JSON: null.
        Field::Real(number) => json!(number),
        Field::Flag(flag) => (*flag).into(),
        Field::Text(text) => (*text).into(),
        Field::Values(values) => numbers(values),
        Field::Bytes(bytes) => data_encoding::HEXLOWER.encode(bytes).into(),
        Field::Texts(texts) => {
            let one = |(id, text): &(u8, &[u8])| (id.to_string(), String::from_utf8_lossy(text).into());
            Value::Object(texts.iter().map(one).collect())
        }
    }
}

fn numbers(values: &Values<'_>) -> Value {
    (0..values.len()).map_while(|place| values.get(place)).collect()
}

/// Seconds since 1970, as JSON writes them.
pub(super) fn seconds(nanos: u64) -> f64 {
    // Exact to the microsecond until the year 2255.
    std::time::Duration::from_nanos(nanos).as_secs_f64()
}
