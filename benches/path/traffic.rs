//! Which policies and messages are measured?

use sluicegate_proto::{
    keys::{Setting, Settings},
    policy::{Plan, PolicySet, Rule, View, Who, compile},
    protocol::Protocol,
    sentence::{Addressing, Form, Sentence},
};
use std::sync::Arc;

/// FC 3, unit 1, holding registers 10 and 11: one rule of [`points`] covers both.
pub(super) const READ: &[u8] = &[0, 1, 0, 0, 0, 6, 1, 3, 0, 10, 0, 2];
/// FC 3 of a register that no rule names.
pub(super) const STRAY_READ: &[u8] = &[0, 1, 0, 0, 0, 6, 1, 3, 0xFF, 0, 0, 2];
/// FC 6, unit 1, holding register 10 = 5.
pub(super) const WRITE: &[u8] = &[0, 1, 0, 0, 0, 6, 1, 6, 0, 10, 0, 5];
/// C_SE_NC_1, activation, common address 1, object 10, 12.5.
pub(super) const SET_POINT: &[u8] = &[50, 1, 6, 0, 1, 0, 10, 0, 0, 0, 0, 0x48, 0x41, 0];
/// The sentence that is parsed.
pub(super) const SENTENCE: &str = "hmi write holding 42-43 = -20.0..80.0 as f32 via 16";

/// M_ME_NC_1, spontaneous, forty values in a row.
pub(super) fn report() -> Vec<u8> {
    let mut asdu = vec![13, 0x80 | 40, 3, 0, 1, 0, 1, 0, 0];
    asdu.extend([0, 0, 0x48, 0x41, 0].repeat(40));
    asdu
}

/// The settings of a conduit with one unit, or one common address.
pub(super) fn settings(protocol: Protocol) -> Settings {
    Settings([(protocol.grammar().units_key, Setting::Ints(vec![1]))].into())
}

/// Modbus: rules of twelve registers each, every other one for reading.
pub(super) fn points(rules: u32) -> Plan {
    let texts = (0..rules / 2).flat_map(|index| {
        let (first, last) = (index * 12 % 65_000, index * 12 % 65_000 + 11);
        [format!("any read holding {first}-{last}"), format!("any write holding {first}-{last} = 0..1500")]
    });
    plan(Protocol::Modbus, texts)
}

/// IEC 60870-5-104: one rule for each set-point.
pub(super) fn set_points(rules: u32) -> Plan {
    plan(Protocol::Iec104, (1..=rules).map(|object| format!("any control C_SE_NC_1 ca 1 ioa {object} = 0.0..50.0")))
}

/// The rules as the gateway compiles them.
pub(super) fn compiled(plan: &Plan) -> PolicySet {
    compile(plan).expect("a good policy")
}

/// The rules as one peer meets them.
pub(super) fn view(set: &PolicySet) -> Arc<View> {
    set.view(&Who { identity: "scada-1".into(), roles: Vec::new() })
}

fn plan(protocol: Protocol, texts: impl Iterator<Item = String>) -> Plan {
    let grammar = protocol.grammar();
    let rule = |(index, text): (usize, String)| {
        let sentence = Sentence::parse(&text, Form::Rule, grammar, Addressing::ZeroBased).expect("a good rule");
        Rule { id: format!("r-{index}"), text: sentence.print(grammar), sentence, allow: true, place: "bench:1".into() }
    };
    Plan {
        protocol,
        settings: settings(protocol),
        rules: texts.enumerate().map(rule).collect(),
        identities: vec!["scada-1".into()],
        schedules: Vec::new(),
        budgets: Vec::new(),
    }
}
