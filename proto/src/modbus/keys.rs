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

/// Whether halves that were made with either would be made the same.
pub fn same_ways(one: &Settings, other: &Settings) -> bool {
    Ways::of(one) == Ways::of(other)
}

/// What the settings say, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Whether `unit` is the device's own name over TCP, whatever other unit it answers to: 0 where it stands for the device,
/// and 255 (Messaging on TCP/IP 4.4.2.1).
pub fn is_own_name(settings: &Settings, unit: u32) -> bool {
    unit == 0xFF || (unit == 0 && !is_broadcast(settings, unit))
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
    use crate::{
        policy::Rule,
        protocol::Protocol,
        sentence::{Addressing, Form},
    };

    fn found(settings: &[(&'static str, Setting)], pending: u16, allow: &[&str]) -> Vec<String> {
        let rules = allow.iter().map(|text| rule(text, true)).chain([rule("any program function 91", false)]).collect();
        let plan = Plan {
            protocol: Protocol::Modbus,
            settings: Settings(settings.iter().cloned().collect()),
            rules,
            identities: Vec::new(),
            schedules: Vec::new(),
            budgets: Vec::new(),
        };
        let place = |place| match place {
            KeyPlace::Key(key) => String::from(key),
            KeyPlace::Rule(rule) => format!("rule {rule}"),
        };
        let told = |one: KeyFault| format!("{}{}", place(one.place), if one.is_warning { "?" } else { "!" });
        check(&plan, pending).into_iter().map(told).collect()
    }

    fn rule(text: &str, allow: bool) -> Rule {
        let grammar = Protocol::Modbus.grammar();
        let sentence = Sentence::parse(text, Form::Rule, grammar, Addressing::ZeroBased).expect("a rule");
        Rule { id: String::new(), text: String::new(), sentence, allow, place: String::new() }
    }

    fn text(key: &'static str, word: &str) -> (&'static str, Setting) {
        (key, Setting::Text(word.into()))
    }

    #[test]
    fn what_does_not_go_together_is_told_at_its_key() {
        let units = |all: &[i64]| ("units", Setting::Ints(all.to_vec()));
        let none: [&str; 0] = [];
        assert_eq!(found(&[units(&[1])], 8, &["any program function 90"]), none);
        assert_eq!(found(&[units(&[0, 1])], 8, &[]), ["units!"]);
        assert_eq!(found(&[units(&[0, 1]), text("unit0", "device")], 8, &[]), none);
        assert_eq!(found(&[units(&[1]), text("unit0", "broadcast")], 8, &[]), ["unit0?"]);
        let map = ("unit_map", Setting::IntMap(BTreeMap::from([(255, 1), (254, 2), (300, 3)])));
        assert_eq!(found(&[units(&[1]), map], 8, &[]), ["unit_map!"]);
        for (setting, key) in
            [(text("upstream_tid", "ignore"), "upstream_tid!"), (text("upstream_framing", "rtu"), "upstream_framing!")]
        {
            assert_eq!(found(&[units(&[1]), setting.clone()], 2, &[]), [key]);
            assert_eq!(found(&[units(&[1]), setting], 1, &[]), none);
        }
        let rules = ["any read coil 0", "any program function 90"];
        for side in ["framing", "upstream_framing"] {
            assert_eq!(found(&[units(&[1]), text(side, "rtu")], 1, &rules), ["rule 1!"], "a deny rule may stand");
        }
    }

    #[test]
    fn the_settings_come_to_what_they_say() {
        let settings = |all: &[(&'static str, Setting)]| Settings(all.iter().cloned().collect());
        let usual = Ways::of(&settings(&[]));
        assert_eq!((usual.framing, usual.upstream_framing), (Framing::Tcp, Framing::Tcp));
        assert_eq!((usual.read_refusal, usual.roles_only, usual.mapped(7)), (2, None, 7));
        assert!(!(usual.broadcast || usual.queue_duplicates || usual.ignore_ids || usual.strict_padding));
        let ways = Ways::of(&settings(&[
            text("upstream_framing", "rtu"),
            text("unit0", "broadcast"),
            text("read_refusal", "06"),
            text("role_refusal", "by-reason"),
            text("duplicate_tid", "queue"),
            text("upstream_tid", "ignore"),
            ("strict_padding", Setting::Bool(true)),
            ("unit_map", Setting::IntMap(BTreeMap::from([(255, 1), (300, 3)]))),
        ]));
        assert_eq!((ways.framing, ways.upstream_framing), (Framing::Tcp, Framing::Rtu));
        assert_eq!((ways.read_refusal, ways.roles_only), (6, Some(false)));
        assert_eq!([255, 254, 44].map(|unit| ways.mapped(unit)), [1, 254, 44]);
        assert!(ways.broadcast && ways.queue_duplicates && ways.ignore_ids && ways.strict_padding);
        let broadcast = settings(&[text("unit0", "broadcast")]);
        assert_eq!([0, 1].map(|unit| is_broadcast(&broadcast, unit)), [true, false]);
        assert!(!is_broadcast(&settings(&[text("unit0", "device")]), 0));
        assert_eq!([0, 1, 255].map(|unit| is_own_name(&broadcast, unit)), [false, false, true]);
        assert_eq!([0, 1].map(|unit| is_own_name(&settings(&[text("unit0", "device")]), unit)), [true, false]);
    }

    #[test]
    fn keys_are_told_once_and_units_is_the_required_one() {
        for one in KEYS {
            assert_eq!(KEYS.iter().filter(|other| other.key == one.key).count(), 1, "{}", one.key);
            assert_eq!(one.required, one.key == "units");
        }
    }
}
