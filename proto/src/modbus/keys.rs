//! What can an operator say about a Modbus conduit, and what follows from it?

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use super::{refusal::ILLEGAL_ADDRESS, tables::FUNCTION};
use crate::{
    half::{Rivals, Ties},
    keys::{KeyFault, KeyPlace, KeySpec, Kind, Setting, Settings},
    policy::Plan,
    sentence::Sentence,
};

/// The keys of `[conduits.X.modbus]`.
pub const KEYS: &[KeySpec] = &[
    KeySpec {
        default: Some("\"zero-based\""),
        ..key(
            "addressing",
            Kind::Word(&["zero-based", "one-based", "modicon"]),
            "How the sentences number their points.",
        )
    },
    KeySpec {
        required: true,
        ..key("units", Kind::Ints(0, 255), "The units behind this conduit that may be spoken to.")
    },
    key("functions", Kind::Ints(1, 127), "An outer list of function codes; what is not on it is refused."),
    key("allow", Kind::Sentences, "What may pass."),
    key("deny", Kind::Sentences, "What may never pass; wins over every allow, in every mode."),
    key("preset", Kind::Word(&["read-only"]), "A word for literal sentences, printed by `sluicegate presets`."),
    KeySpec {
        default: Some("\"5s\""),
        ..key("step_age", Kind::Duration, "How old a seen value may be for `step` and `when`.")
    },
    KeySpec {
        default: Some("\"refuse\""),
        ..key(
            "step_unknown",
            Kind::Word(&["refuse", "allow"]),
            "What happens when the device's value cannot be learnt.",
        )
    },
    with("framing", Kind::Word(&["tcp", "rtu"]), "\"tcp\"", "How the peer frames its messages: MBAP, or RTU over TCP."),
    with("upstream_framing", Kind::Word(&["tcp", "rtu"]), "\"tcp\"", "How the device frames its messages."),
    key(
        "unit0",
        Kind::Word(&["device", "broadcast"]),
        "What unit 0 means behind this conduit: the device itself, or all units of a serial line. Needed where `units` has 0.",
    ),
    with("read_refusal", Kind::Word(&["02", "01", "06"]), "\"02\"", "The exception for a read outside its addresses."),
    key(
        "role_refusal",
        Kind::Word(&["01-only", "by-reason"]),
        "The exceptions of policy refusals: 01 alone, or as the reason says. `01-only` where roles come only from the \
         peers' Modbus/TCP Security extension.",
    ),
    with(
        "duplicate_tid",
        Kind::Word(&["drop", "queue"]),
        "\"drop\"",
        "What happens to a request whose id is in flight: silence, or its turn after the other's answer.",
    ),
    with(
        "upstream_tid",
        Kind::Word(&["match", "ignore"]),
        "\"match\"",
        "`ignore` for a device that does not repeat ids; needs `upstream_pending = 1`.",
    ),
    with("strict_padding", Kind::Bool, "false", "Whether non-zero pad bits are refused instead of cleared."),
    key("unit_map", Kind::IntMap(0, 255), "Units as the peer names them to units behind the conduit; applied first."),
];

const fn key(key: &'static str, kind: Kind, doc: &'static str) -> KeySpec {
    KeySpec { key, kind, required: false, default: None, doc, served: true }
}

const fn with(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> KeySpec {
    KeySpec { default: Some(default), ..key(name, kind, doc) }
}

/// A message needs a connection while it is on its way.
pub const TIES: Ties = Ties::Loose;

/// A device takes what comes, from whom it comes.
pub const fn rivals(_settings: &Settings) -> Rivals {
    Rivals::Welcome
}

/// How a side frames its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// MBAP header with a transaction id.
    Tcp,
    /// Unit, PDU and CRC: no id, no length.
    Rtu,
}

/// What the settings say, read once.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    pub(super) framing: Framing,
    pub(super) upstream_framing: Framing,
    /// Unit 0 is all units of a serial line: writes only, never answered.
    pub(super) broadcast: bool,
    pub(super) unit_map: BTreeMap<u8, u8>,
    /// The exception for a read outside its addresses.
    pub(super) read_refusal: u8,
    /// `role_refusal`, where it is written.
    pub(super) roles_only: Option<bool>,
    pub(super) queue_duplicates: bool,
    pub(super) ignore_ids: bool,
    pub(super) strict_padding: bool,
}

impl Ways {
    pub(super) fn of(settings: &Settings) -> Self {
        let is = |key: &str, word: &str| settings.text(key) == Some(word);
        let framing = |key| if is(key, "rtu") { Framing::Rtu } else { Framing::Tcp };
        let byte = |int: i64| u8::try_from(int).ok();
        let unit_map = match settings.get("unit_map") {
            Some(Setting::IntMap(map)) => {
                map.iter().filter_map(|(from, to)| Some((byte(*from)?, byte(*to)?))).collect()
            }
            _ => BTreeMap::new(),
        };
        Self {
            framing: framing("framing"),
            upstream_framing: framing("upstream_framing"),
            broadcast: is("unit0", "broadcast"),
            unit_map,
            read_refusal: settings.text("read_refusal").and_then(|code| code.parse().ok()).unwrap_or(ILLEGAL_ADDRESS),
            roles_only: settings.text("role_refusal").map(|word| word == "01-only"),
            queue_duplicates: is("duplicate_tid", "queue"),
            ignore_ids: is("upstream_tid", "ignore"),
            strict_padding: settings.get("strict_padding") == Some(&Setting::Bool(true)),
        }
    }

    /// The unit behind the conduit that a peer means.
    pub(super) fn mapped(&self, unit: u8) -> u8 {
        self.unit_map.get(&unit).copied().unwrap_or(unit)
    }
}

/// Whether a message to `unit` goes to every unit of the conduit.
pub fn is_broadcast(settings: &Settings, unit: u32) -> bool {
    unit == 0 && settings.text("unit0") == Some("broadcast")
}

/// What does not go together in a conduit's own table. `pending`: its `upstream_pending`.
pub fn check(plan: &Plan, pending: u16) -> Vec<KeyFault> {
    let (settings, mut found) = (&plan.settings, Vec::new());
    let ways = Ways::of(settings);
    let units = settings.ints("units");
    let has_0 = units.contains(&0);
    if has_0 && settings.text("unit0").is_none() {
        let message = "unit 0 is the device itself to some, all units of a serial line to others";
        found.push(fault("units", message, "say which: unit0 = \"device\" or unit0 = \"broadcast\""));
    }
    if !has_0 && settings.text("unit0").is_some() {
        let message = "`unit0` says what unit 0 means, and `units` has no 0";
        found.push(KeyFault { is_warning: true, ..fault("unit0", message, "add 0 to `units`, or leave `unit0` out") });
    }
    for (from, to) in &ways.unit_map {
        if !units.contains(&i64::from(*to)) {
            let message = format!("`unit_map` leads {from} to unit {to}, which is not in `units`");
            let known: Vec<String> = units.iter().map(|unit| format!("{unit}")).collect();
            let help = format!("add {to} to `units`, or map to one of: {}", known.join(", "));
            found.push(fault("unit_map", message, help));
        }
    }
    if pending > 1 && ways.ignore_ids {
        let message = "without ids, answers to several requests cannot be told apart";
        found.push(fault("upstream_tid", message, "write upstream_pending = 1"));
    }
    if pending > 1 && ways.upstream_framing == Framing::Rtu {
        let message = "RTU has no ids: answers to several requests cannot be told apart";
        found.push(fault("upstream_framing", message, "write upstream_pending = 1"));
    }
    if [ways.framing, ways.upstream_framing].contains(&Framing::Rtu) {
        let opaque = |one: &Sentence| one.object == FUNCTION;
        for (place, _) in plan.rules.iter().enumerate().filter(|(_, rule)| rule.allow && opaque(&rule.sentence)) {
            let message = "RTU tells no length, and the length of this function is not known";
            let help = "take the rule out, or speak `framing = \"tcp\"` on both sides";
            found.push(KeyFault { place: KeyPlace::Rule(place), ..fault("framing", message, help) });
        }
    }
    found
}

fn fault(key: &'static str, message: impl Into<String>, help: impl Into<String>) -> KeyFault {
    KeyFault { place: KeyPlace::Key(key), is_warning: false, message: message.into(), help: help.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_once_and_units_is_the_required_one() {
        for one in KEYS {
            assert_eq!(KEYS.iter().filter(|other| other.key == one.key).count(), 1, "{}", one.key);
            assert_eq!(one.required, one.key == "units");
        }
    }
}
