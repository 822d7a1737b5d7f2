//! How is a record written as one line of the audit file?
//!
//! One JSON object a line, `seq` first and `prev` last. Everything a peer chose is a JSON string, so it cannot forge
//! a line, and is cut to a bound, so it cannot grow one without limit. The fields of IEC 62443-3-3 SR 2.8: `time`,
//! `source`, `category`, `event` (type), `seq` (event id), `result`.

use std::{
    net::SocketAddr,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    time::SystemTime,
};

use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};
use sluicegate_proto::{
    protocol::Stored,
    sentence::Sentence,
    vocab::{Cause, Reason},
};

use super::{
    chain::{Hash, sha256},
    journal::Queued,
    record::{Event, Record},
};

/// Sentences of one message. Modbus has two at most; other protocols carry hundreds of leaves.
const MOST_DEEDS: usize = 64;
/// Names of one certificate, and the bytes of each: more than any real one has.
const MOST_NAMES: usize = 16;
const LONGEST_NAME: usize = 256;
/// Bytes of a note: the torn end of a file as hex, the longest that we write ourselves, is 16 KiB.
const LONGEST_NOTE: usize = 24 * 1024;

/// Adds `queued` to `bytes` as the line that follows the line with the hash `prev`, without newline. Says whether printing
/// its message panicked: a bug of ours. The rest of the record stands.
pub(super) fn write(queued: &Queued, prev: &Hash, bytes: &mut Vec<u8>) -> bool {
    let record = &queued.record;
    let peer = record.peer.as_deref();
    let identity = peer.map(|one| one.who.identity.as_str()).filter(|name| !name.is_empty());
    let printed = record.message.as_ref().map(|message| deeds(message, identity));
    let panicked = matches!(printed, Some(None));
    let source = peer.filter(|_| !is_own(record.event)).map(|one| one.source);
    let fields = Fields {
        seq: queued.seq.0,
        time: Time(queued.at),
        event: record.event.as_str(),
        category: category(record),
        result: result(record.event),
        origin: if source.is_none() { "gateway" } else { "peer" },
        source: source.map_or(Source::Gateway("gateway"), Source::Peer),
        listener: peer.map(|one| one.listener.as_str()).filter(|name| !name.is_empty()),
        conduit: record.conduit.as_deref(),
        session: record.session,
        identity,
        roles: peer.map(|one| one.who.roles.as_slice()).unwrap_or_default(),
        key_hash: peer.and_then(|one| one.key_hash.as_deref()),
        names: peer.map(|one| one.names.as_slice()).unwrap_or_default(),
        reason: record.reason.map(Reason::as_str),
        cause: record.cause.map(Cause::as_str),
        rule: record.rule.as_ref().and_then(|one| one.names()).map(|(id, place)| RuleField { id, place }),
        deeds: printed.flatten().unwrap_or_default(),
        frame_sha256: record.frame.as_ref().map(|frame| Hex(sha256(&[frame]))),
        note: if panicked { Some(UNPRINTABLE) } else { record.note.as_deref().map(|note| cut(note, LONGEST_NOTE)) },
        prev: Hex(*prev),
    };
    serde_json::to_writer(bytes, &fields).expect("strings and numbers always make JSON, and memory takes it");
    panicked
}

/// Reads back what the chain needs of a line: its number, the hash it claims for the line before it, and its time.
pub(super) fn parse(line: &[u8]) -> Option<Link> {
    serde_json::from_slice(line).ok()
}

/// See [`parse`].
#[derive(Debug, serde::Deserialize)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) prev: String,
    pub(super) time: String,
}

#[derive(Serialize)]
struct Fields<'a> {
    seq: u64,
    time: Time,
    event: &'static str,
    category: &'static str,
    result: &'static str,
    origin: &'static str,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conduit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    key_hash: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty", serialize_with = "names")]
    names: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleField<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deeds: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_sha256: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    prev: Hex,
}

/// Where it came from.
#[derive(Serialize)]
#[serde(untagged)]
enum Source {
    Gateway(&'static str),
    Peer(SocketAddr),
}

/// RFC 3339, UTC, microseconds.
struct Time(SystemTime);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let at = jiff::Timestamp::try_from(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        to.collect_str(&format_args!("{at:.6}"))
    }
}

/// A hash in lower-case hex.
struct Hex(Hash);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 64];
        HEXLOWER.encode_mut(&self.0, &mut text);
        to.serialize_str(std::str::from_utf8(&text).expect("hex is ASCII"))
    }
}

#[derive(Serialize)]
struct RuleField<'a> {
    id: &'a str,
    place: &'a str,
}

const UNPRINTABLE: &str = "the message could not be printed: a bug of the gateway";

/// The sentences of a message; `None` where printing them panicked.
fn deeds(stored: &Stored, identity: Option<&str>) -> Option<Vec<String>> {
    // The thread that writes the audit trail must outlive a bug in a printer.
    let printed = catch_unwind(AssertUnwindSafe(|| {
        let Some(message) = stored.message() else { return Vec::new() };
        let grammar = message.protocol().grammar();
        let mut sentences = Vec::new();
        let _ = message.deeds(&mut |deed| {
            sentences.push(Sentence::of_deed(identity, &deed).print(grammar));
            if sentences.len() < MOST_DEEDS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        sentences
    }));
    printed.ok()
}

fn names<S: Serializer>(all: &[String], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(all.iter().take(MOST_NAMES).map(|name| cut(name, LONGEST_NAME)))
}

fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// What the gateway did of its own accord.
const fn is_own(event: Event) -> bool {
    match event {
        Event::Started
        | Event::Stopped
        | Event::PolicyLoaded
        | Event::PolicyRefused
        | Event::PolicyConfirmed
        | Event::CommandRefused
        | Event::OwnRead
        | Event::LogRecovered
        | Event::LogDamaged
        | Event::RecordsLost => true,
        Event::SessionOpened
        | Event::SessionClosed
        | Event::SessionRefused
        | Event::HandshakeFailed
        | Event::Denied
        | Event::WouldDeny
        | Event::Allowed
        | Event::Alarm => false,
    }
}

/// The categories of SR 2.8.
const fn category(record: &Record) -> &'static str {
    match record.event {
        Event::SessionOpened
        | Event::SessionClosed
        | Event::SessionRefused
        | Event::HandshakeFailed
        | Event::CommandRefused => "access_control",
        Event::Denied | Event::WouldDeny => match record.reason {
            Some(Reason::ScanLimited) => "reconnaissance",
            Some(
                Reason::Malformed
                | Reason::LengthMismatch
                | Reason::NotCanonical
                | Reason::UnknownProtocol
                | Reason::UnsolicitedResponse
                | Reason::ResponseMismatch
                | Reason::DuplicateId
                | Reason::FrameTimeout,
            ) => "request_error",
            _ => "access_control",
        },
        Event::Allowed | Event::OwnRead | Event::Alarm => "control_system",
        Event::PolicyLoaded | Event::PolicyRefused | Event::PolicyConfirmed => "configuration_change",
        Event::Started | Event::Stopped => "operating_system",
        Event::LogRecovered | Event::LogDamaged | Event::RecordsLost => "audit_log",
    }
}

/// `success` or `failure` of what was tried.
const fn result(event: Event) -> &'static str {
    match event {
        Event::Started
        | Event::Stopped
        | Event::PolicyLoaded
        | Event::PolicyConfirmed
        | Event::SessionOpened
        | Event::SessionClosed
        | Event::WouldDeny
        | Event::Allowed
        | Event::OwnRead
        | Event::LogRecovered => "success",
        Event::SessionRefused
        | Event::HandshakeFailed
        | Event::PolicyRefused
        | Event::CommandRefused
        | Event::Denied
        | Event::Alarm
        | Event::LogDamaged
        | Event::RecordsLost => "failure",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sluicegate_proto::{
        keys::{Setting, Settings},
        policy::{Plan, Rule, RuleIx, Who, compile},
        protocol::Protocol,
        sentence::{Addressing, Form},
    };

    use super::*;
    use crate::{
        observe::{
            chain::{NO_LINE, hex},
            journal::{Seq, Shared},
            record::RuleOf,
            site::AuditMetrics,
        },
        permit::Peer,
    };

    fn peer(identity: &str, name: &str) -> Arc<Peer> {
        Arc::new(Peer {
            who: Who { identity: identity.to_owned(), roles: vec!["hmi".to_owned()] },
            identity: 0,
            source: "10.30.0.5:51000".parse().expect("an address"),
            listener: "ot".to_owned(),
            key_hash: Some("ab".repeat(32)),
            names: vec![name.to_owned()],
            not_after: None,
            shown: Default::default(),
        })
    }

    fn written(record: Record) -> (String, serde_json::Value) {
        let shared = Shared::new(1, Seq(7), AuditMetrics::detached());
        shared.push_own(record);
        let mut queued = Vec::new();
        shared.take(&mut queued, std::time::Duration::ZERO);
        let mut bytes = Vec::new();
        assert!(!write(&queued[0], &NO_LINE, &mut bytes));
        let text = String::from_utf8(bytes).expect("UTF-8");
        let value = serde_json::from_str(&text).expect("JSON");
        (text, value)
    }

    fn message(sentence: &str) -> Stored {
        let grammar = Protocol::Modbus.grammar();
        let parsed = Sentence::parse(sentence, Form::Deed, grammar, Addressing::ZeroBased).expect("a sentence");
        Protocol::Modbus.build(&parsed, 1).expect("a message")
    }

    fn rule(id: &str, place: &str) -> RuleOf {
        let grammar = Protocol::Modbus.grammar();
        let text = "any write holding 40 = 0..1500";
        let sentence = Sentence::parse(text, Form::Rule, grammar, Addressing::ZeroBased).expect("a rule");
        let rule = Rule { id: id.to_owned(), text: text.to_owned(), sentence, allow: true, place: place.to_owned() };
        let policy = compile(&Plan {
            protocol: Protocol::Modbus,
            settings: Settings([("units", Setting::Ints(vec![1]))].into()),
            rules: vec![rule],
            identities: vec!["scada-1".to_owned()],
            schedules: Vec::new(),
            budgets: Vec::new(),
        });
        RuleOf { policy: Arc::new(policy.expect("a good policy")), index: RuleIx(0) }
    }

    #[test]
    fn a_denial_has_every_field_of_sr_2_8_and_says_what_it_was() {
        let mut record = Record::new(Event::Denied);
        record.conduit = Some("pump-control".into());
        record.session = Some(3);
        record.peer = Some(peer("scada-1", "uri:spiffe://north-pumping/scada-1"));
        record.reason = Some(Reason::ValueNotAllowed);
        record.rule = Some(rule("r-01234567", "conduits.d/pump.toml:14"));
        record.message = Some(message("write holding 40 = 9999"));
        record.frame = Some(b"frame".to_vec().into());
        let (text, line) = written(record);
        for (field, expected) in [
            ("event", "denied"),
            ("category", "access_control"),
            ("result", "failure"),
            ("origin", "peer"),
            ("source", "10.30.0.5:51000"),
            ("listener", "ot"),
            ("conduit", "pump-control"),
            ("identity", "scada-1"),
            ("reason", "value_not_allowed"),
        ] {
            assert_eq!(line[field], expected, "{field}");
        }
        assert_eq!(line["seq"], 7);
        assert_eq!(line["rule"], serde_json::json!({ "id": "r-01234567", "place": "conduits.d/pump.toml:14" }));
        assert_eq!(line["frame_sha256"], hex(&sha256(&[b"frame"])));
        let deed = line["deeds"][0].as_str().expect("a sentence");
        assert!(deed.starts_with("scada-1 write holding 40") && deed.contains("= 9999"), "{deed}");
        let copied = Sentence::parse(deed, Form::Rule, Protocol::Modbus.grammar(), Addressing::ZeroBased);
        assert!(copied.is_ok(), "a printed deed is a rule: {copied:?}");
        assert!(text.ends_with(&format!("\"prev\":\"{}\"}}", hex(&NO_LINE))));
    }

    #[test]
    fn gen_a_name_in_a_certificate_forges_no_line_and_grows_none() {
        let hostile = format!("dns:x\n{{\"seq\":8}}\r\u{2028}\"\\{}", "\u{1}é".repeat(4000));
        let mut record = Record::new(Event::HandshakeFailed);
        record.peer = Some(peer("", &hostile));
        let (text, line) = written(record);
        assert!(!text.contains('\n') && !text.contains('\r'));
        assert!(text.len() < 4096, "{}", text.len());
        assert_eq!(line.get("identity"), None, "a stranger has no identity");
        assert!(line["names"][0].as_str().is_some_and(|name| name.starts_with("dns:x\n{\"seq\":8}")));
    }

    #[test]
    fn what_the_gateway_does_itself_says_so() {
        let mut record = Record::new(Event::OwnRead);
        record.peer = Some(peer("scada-1", "dns:a"));
        let (_, line) = written(record);
        assert_eq!((line["origin"].as_str(), line["source"].as_str()), (Some("gateway"), Some("gateway")));
        assert_eq!(line["identity"], "scada-1", "for whom");
        let (_, line) = written(Record::new(Event::Started));
        assert_eq!(line["origin"], "gateway");
        assert_eq!(line["category"], "operating_system");
    }
}
