//! What can an operator say about an IEC 104 conduit, and what follows from it?

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use super::asdu::BROADCAST;
use crate::{
    half::{Rivals, Ties},
    keys::{KeyFault, KeyPlace, KeySpec, Kind, Setting, Settings},
    policy::Plan,
};

/// The keys of `[conduits.X.iec104]`.
pub const KEYS: &[KeySpec] = &[
    KeySpec {
        required: true,
        ..key("cas", Kind::Ints(1, 65_535), "The common addresses behind this conduit; 65535 stands for all of them.")
    },
    key("originators", Kind::Ints(0, 255), "The originator addresses that a control centre may use; absent: any."),
    key("functions", Kind::Ints(1, 127), "An outer list of types; what is not on it is refused."),
    key("allow", Kind::Sentences, "What may pass."),
    key("deny", Kind::Sentences, "What may never pass; wins over every allow, in every mode."),
    key(
        "preset",
        Kind::Word(&["read-only", "operate", "engineering"]),
        "A word for literal sentences, printed by `sluicegate presets`.",
    ),
    with("k", Kind::Int(1, 32_767), "12", "I frames that may be outstanding, on either side."),
    with("w", Kind::Int(1, 32_767), "8", "I frames after which an acknowledgement is due, on either side."),
    with(
        "t1",
        Kind::Duration,
        "\"15s\"",
        "How long an acknowledgement or an answer may take; then the association ends.",
    ),
    with("t2", Kind::Duration, "\"10s\"", "After how long what came is acknowledged at the latest; below `t1`."),
    with("t3", Kind::Duration, "\"20s\"", "After how much silence the other side is tested."),
    with(
        "standby",
        Kind::Word(&["one-started", "take-over", "any"]),
        "\"one-started\"",
        "What becomes of a second session that starts data transfer: it ends, the first one ends, or neither.",
    ),
    with(
        "monitor_strict",
        Kind::Bool,
        "false",
        "Whether a station's ASDU with impossible content is refused whole instead of passed and alarmed.",
    ),
    with("select_timeout", Kind::Duration, "\"10s\"", "For how long a confirmed select counts for `select-first`."),
    with("step_age", Kind::Duration, "\"5s\"", "How old a seen value may be for `step` and `when`."),
    with(
        "step_unknown",
        Kind::Word(&["refuse", "allow"]),
        "\"refuse\"",
        "What happens when the station's value cannot be learnt.",
    ),
];

const fn key(key: &'static str, kind: Kind, doc: &'static str) -> KeySpec {
    KeySpec { key, kind, required: false, default: None, doc, served: true }
}

const fn with(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> KeySpec {
    KeySpec { default: Some(default), ..key(name, kind, doc) }
}

/// A session has a station connection of its own: sequence numbers and windows are one conversation.
pub const TIES: Ties = Ties::Bound;

/// What becomes of a second centre that starts data transfer.
pub fn rivals(settings: &Settings) -> Rivals {
    match settings.text("standby") {
        Some("any") => Rivals::Welcome,
        Some("take-over") => Rivals::TakeOver,
        _ => Rivals::Refused,
    }
}

/// What goes to the global address goes to every station, and each answers it in its own name. A reset that goes there
/// is a reset of them all.
pub fn is_broadcast(_settings: &Settings, unit: u32) -> bool {
    unit == u32::from(BROADCAST)
}

/// A common address names one station, and the same station has no other here.
pub const fn is_own_name(_settings: &Settings, _unit: u32) -> bool {
    false
}

/// Whether halves that were made with either would be made the same.
pub fn same_ways(one: &Settings, other: &Settings) -> bool {
    Ways::of(one) == Ways::of(other)
}

/// What the settings say, read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ways {
    pub(super) k: u16,
    pub(super) w: u16,
    pub(super) t1: Duration,
    pub(super) t2: Duration,
    pub(super) t3: Duration,
    /// Absent: any.
    pub(super) originators: Option<Vec<u8>>,
    pub(super) monitor_strict: bool,
    pub(super) select_timeout: Duration,
}

impl Ways {
    pub(super) fn of(settings: &Settings) -> Self {
        let number = |key, usual| match settings.get(key) {
            Some(Setting::Int(int)) => u16::try_from(*int).unwrap_or(usual),
            _ => usual,
        };
        let wait = |key, seconds| settings.duration(key).unwrap_or(Duration::from_secs(seconds));
        let named = settings.get("originators").map(|_| settings.ints("originators"));
        Self {
            k: number("k", 12),
            w: number("w", 8),
            t1: wait("t1", 15),
            t2: wait("t2", 10),
            t3: wait("t3", 20),
            originators: named.map(|list| list.iter().filter_map(|one| u8::try_from(*one).ok()).collect()),
            monitor_strict: matches!(settings.get("monitor_strict"), Some(Setting::Bool(true))),
            select_timeout: wait("select_timeout", 10),
        }
    }
}

/// What does not go together.
pub fn check(plan: &Plan, _pending: u16) -> Vec<KeyFault> {
    let ways = Ways::of(&plan.settings);
    let mut faults = Vec::new();
    let mut tell = |key, is_warning, message: String, help: &str| {
        faults.push(KeyFault { place: KeyPlace::Key(key), is_warning, message, help: String::from(help) });
    };
    if ways.w > ways.k {
        let message =
            format!("w = {} is above k = {}: the other side would wait for an acknowledgement forever", ways.w, ways.k);
        tell("w", false, message, "write at most two thirds of `k`");
    } else if u32::from(ways.w).saturating_mul(3) > u32::from(ways.k).saturating_mul(2) {
        let message = format!("w = {} is above two thirds of k = {}", ways.w, ways.k);
        tell("w", true, message, "IEC 60870-5-104 9.6 advises at most two thirds of `k`");
    }
    for (key, wait, longest) in
        [("t1", ways.t1, LONGEST_WAIT), ("t2", ways.t2, LONGEST_WAIT), ("t3", ways.t3, LONGEST_T3)]
    {
        if wait.is_zero() || wait > longest {
            tell(key, false, format!("{key} is out of its range"), "write 1s to 255s; `t3` up to 48h");
        }
    }
    if ways.t2 >= ways.t1 {
        tell("t2", false, String::from("t2 is not below t1"), "the other side closes after its t1: acknowledge before");
    }
    if ways.t3 <= ways.t1 {
        tell(
            "t3",
            true,
            String::from("t3 is not above t1"),
            "a test is sent when nothing else is due: write t3 above t1",
        );
    }
    let selects = plan.rules.iter().any(|rule| rule.sentence.select_first);
    let usual = plan.settings.duration("select_timeout").is_none_or(|wait| wait == Duration::from_secs(10));
    if !selects && !usual {
        tell("select_timeout", true, String::from("no rule says `select-first`"), "leave it out, or write the rule");
    }
    faults
}

/// IEC 60870-5-104 9.6: t1 and t2 at most 255 seconds, t3 at most 48 hours.
const LONGEST_WAIT: Duration = Duration::from_secs(255);
const LONGEST_T3: Duration = Duration::from_secs(48 * 3600);

#[cfg(test)]
mod tests {
    use std::{string::ToString, vec};

    use super::*;
    use crate::{
        policy::Rule,
        protocol::Protocol,
        sentence::{Addressing, Form, Sentence},
    };

    fn settings(all: &[(&'static str, Setting)]) -> Settings {
        Settings(all.iter().cloned().collect())
    }

    fn wait(key: &'static str, secs: u64) -> (&'static str, Setting) {
        (key, Setting::Duration(Duration::from_secs(secs)))
    }

    fn text(key: &'static str, word: &str) -> (&'static str, Setting) {
        (key, Setting::Text(word.into()))
    }

    /// The key of each finding, `?` behind a warning and `!` behind what must not be.
    fn found(all: &[(&'static str, Setting)], rules: &[&str]) -> Vec<String> {
        let rule = |text: &&str| {
            let grammar = Protocol::Iec104.grammar();
            let sentence = Sentence::parse(text, Form::Rule, grammar, Addressing::ZeroBased).expect("a rule");
            Rule { id: String::new(), text: String::new(), sentence, allow: true, place: String::new() }
        };
        let plan = Plan {
            protocol: Protocol::Iec104,
            settings: settings(all),
            rules: rules.iter().map(rule).collect(),
            identities: vec![],
            schedules: vec![],
            budgets: vec![],
        };
        let told = |fault: KeyFault| match fault.place {
            KeyPlace::Key(key) => format!("{key}{}", if fault.is_warning { "?" } else { "!" }),
            KeyPlace::Rule(rule) => format!("rule {rule}"),
        };
        check(&plan, 8).into_iter().map(told).collect()
    }

    #[test]
    fn what_does_not_go_together_is_told_at_its_key() {
        let int = |key, value| (key, Setting::Int(value));
        let none: [&str; 0] = [];
        assert_eq!(found(&[], &[]), none, "the usual values go together");
        assert_eq!(found(&[int("k", 12), int("w", 13)], &[]), ["w!"]);
        assert_eq!(found(&[int("k", 12), int("w", 12)], &[]), ["w?"]);
        assert_eq!(found(&[int("k", 12), int("w", 9)], &[]), ["w?"]);
        assert_eq!(found(&[int("k", 32_767), int("w", 21_844)], &[]), none);
        assert_eq!(found(&[wait("t1", 0)], &[]), ["t1!", "t2!"]);
        assert_eq!(found(&[wait("t2", 0)], &[]), ["t2!"]);
        assert_eq!(found(&[wait("t3", 0)], &[]), ["t3!", "t3?"]);
        assert_eq!(found(&[wait("t1", 255), wait("t2", 254), wait("t3", 256)], &[]), none);
        assert_eq!(found(&[wait("t1", 256), wait("t3", 257)], &[]), ["t1!"]);
        assert_eq!(found(&[wait("t1", 255), wait("t2", 256), wait("t3", 257)], &[]), ["t2!", "t2!"]);
        assert_eq!(found(&[wait("t3", 48 * 3600)], &[]), none);
        assert_eq!(found(&[wait("t3", 48 * 3600 + 1)], &[]), ["t3!"]);
        assert_eq!(found(&[wait("t2", 15)], &[]), ["t2!"]);
        assert_eq!(found(&[wait("t2", 14)], &[]), none);
        assert_eq!(found(&[wait("t3", 15)], &[]), ["t3?"]);
        assert_eq!(found(&[wait("t3", 16)], &[]), none);
    }

    #[test]
    fn a_select_timeout_is_for_a_rule_that_wants_a_select() {
        let none: [&str; 0] = [];
        let (plain, selects) =
            ("any control C_SC_NA_1 ioa 1001 = on", "any control C_SC_NA_1 ioa 1001 = on select-first");
        assert_eq!(found(&[wait("select_timeout", 20)], &[plain]), ["select_timeout?"]);
        assert_eq!(found(&[wait("select_timeout", 20)], &[plain, selects]), none);
        assert_eq!(found(&[wait("select_timeout", 10)], &[plain]), none, "the usual one is said by the defaults");
    }

    #[test]
    fn the_settings_come_to_what_they_say() {
        let usual = Ways::of(&settings(&[]));
        assert_eq!((usual.k, usual.w, usual.originators, usual.monitor_strict), (12, 8, None, false));
        let waits = [usual.t1, usual.t2, usual.t3, usual.select_timeout];
        assert_eq!(waits.map(|wait| wait.as_secs()), [15, 10, 20, 10]);
        let ways = Ways::of(&settings(&[
            ("k", Setting::Int(100_000)),
            ("w", Setting::Int(3)),
            wait("t1", 9),
            wait("t2", 7),
            wait("t3", 40),
            wait("select_timeout", 3),
            ("originators", Setting::Ints([1, 255, 256].to_vec())),
            ("monitor_strict", Setting::Bool(true)),
        ]));
        assert_eq!(
            (ways.k, ways.w, ways.monitor_strict),
            (12, 3, true),
            "what is no number of frames counts as absent"
        );
        assert_eq!(ways.originators, Some([1, 255].to_vec()));
        let waits = [ways.t1, ways.t2, ways.t3, ways.select_timeout];
        assert_eq!(waits.map(|wait| wait.as_secs()), [9, 7, 40, 3]);
        let lax = settings(&[("monitor_strict", Setting::Bool(false)), ("originators", Setting::Ints([].to_vec()))]);
        assert!(!Ways::of(&lax).monitor_strict);
        assert_eq!(Ways::of(&lax).originators, Some([].to_vec()), "nobody, and not anybody");
    }

    #[test]
    fn a_second_centre_gets_what_standby_says() {
        let rivals = |all: &[(&'static str, Setting)]| rivals(&settings(all));
        assert_eq!(rivals(&[]), Rivals::Refused);
        assert_eq!(rivals(&[text("standby", "one-started")]), Rivals::Refused);
        assert_eq!(rivals(&[text("standby", "take-over")]), Rivals::TakeOver);
        assert_eq!(rivals(&[text("standby", "any")]), Rivals::Welcome);
    }

    #[test]
    fn the_usual_values_are_those_that_the_reference_prints() {
        let printed = |key: &str| KEYS.iter().find(|spec| spec.key == key).and_then(|spec| spec.default);
        let usual = Ways::of(&Settings::default());
        for (key, value) in [("k", usual.k.to_string()), ("w", usual.w.to_string())] {
            assert_eq!(printed(key), Some(value.as_str()), "{key}");
        }
        let waits = [("t1", usual.t1), ("t2", usual.t2), ("t3", usual.t3), ("select_timeout", usual.select_timeout)];
        for (key, wait) in waits {
            assert_eq!(printed(key), Some(format!("\"{}s\"", wait.as_secs()).as_str()), "{key}");
        }
        for spec in KEYS {
            assert_eq!(spec.required, spec.key == "cas");
            assert_eq!(KEYS.iter().filter(|other| other.key == spec.key).count(), 1, "{}", spec.key);
        }
    }

    #[test]
    fn the_global_address_alone_stands_for_all() {
        let settings = Settings::default();
        assert_eq!([1, 65_534, 65_535].map(|ca| is_broadcast(&settings, ca)), [false, false, true]);
        assert_eq!([1, 65_535].map(|ca| is_own_name(&settings, ca)), [false, false]);
    }
}
