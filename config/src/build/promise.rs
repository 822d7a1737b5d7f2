//! Which tests did the operator write?

use sluicegate_proto::{
    sentence::{Form, Sentence},
    vocab::Reason,
};

use super::{CONDUIT, Ground, IDENTITY, rules};
use crate::{
    fault::{Fault, Faults, did_you_mean},
    finding::codes,
    plan::{ConduitId, IdentityId, PolicyTest},
    read::tree::{Table, Text},
};

pub(super) fn tests(ground: &Ground<'_>, faults: &mut Faults) -> Vec<PolicyTest> {
    ground.root.each("tests").into_iter().filter_map(|(_, table)| test(ground, table, faults)).collect()
}

fn test(ground: &Ground<'_>, table: &Table, faults: &mut Faults) -> Option<PolicyTest> {
    let identity = table.text("as").and_then(|text| ground.find(IDENTITY, text, faults)).map(IdentityId);
    let on = table.text("on")?;
    let conduit = ground.find(CONDUIT, on, faults).map(ConduitId);
    let expect = table.text("expect").and_then(|text| expected(text, faults));
    let send = table.text("send")?;
    let sentence = sentence(ground, on.0, send, faults);
    Some(PolicyTest {
        name: table.text("name")?.0.to_owned(),
        identity: identity?,
        conduit: conduit?,
        send: send.0.to_owned(),
        sentence: sentence?,
        expect: expect?,
        place: ground.sources.place(send.1),
    })
}

/// In the words and the addressing of the conduit.
fn sentence(ground: &Ground<'_>, conduit: &str, (text, at): Text<'_>, faults: &mut Faults) -> Option<Sentence> {
    let tongue = rules::Tongue::of(ground.root.table("conduits")?.table(conduit)?)?;
    match Sentence::parse(text, Form::Deed, tongue.protocol.grammar(), tongue.addressing) {
        Ok(sentence) => Some(sentence),
        Err(wrong) => {
            wrong.into_iter().for_each(|one| faults.add(rules::fault(ground, (text, at), one)));
            None
        }
    }
}

/// `None` inside: allow.
fn expected((text, at): Text<'_>, faults: &mut Faults) -> Option<Option<Reason>> {
    let read = match text.strip_prefix("deny ") {
        Some(word) => Reason::parse(word).map(Some),
        None => (text == "allow").then_some(None),
    };
    if read.is_none() {
        let word = text.strip_prefix("deny ").unwrap_or(text);
        let fault = Fault::new(
            codes::EXPECT,
            at,
            format!("`{text}` cannot be expected"),
            "neither allow nor deny and a reason",
        );
        let help = did_you_mean(word, Reason::ALL.iter().map(|one| one.as_str()))
            .unwrap_or_else(|| "write allow, or deny and a reason, such as deny address_not_allowed".to_owned());
        faults.add(fault.help(help));
    }
    read
}
