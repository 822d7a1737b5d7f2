//! Which part of all that a sentence says may each identity do?
//!
//! A sentence that is no single message (a range of values, more points than one message takes, every unit) is a set. The engine
//! of `diff` tells it from the rules: what of it is allowed on which terms, and what is refused.

use std::collections::BTreeMap;

use sluicegate_config::{
    difference::{Allowance, Change, Kind, Said, Side, TooComplex, within},
    plan::Site,
};
use sluicegate_proto::{
    policy::Who,
    sentence::{Form, Sentence},
};

use super::{ExplainError, addressing, may_enter};

/// One identity on one conduit.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The conduit.
    pub conduit: String,
    /// The identity.
    pub identity: String,
    /// Why it cannot open a session there at all, where it cannot; it may then do nothing.
    pub kept_out: Option<String>,
    /// What it may do, as the operator of the conduit writes it.
    pub may: Vec<String>,
    /// What of the sentence is refused.
    pub may_not: Vec<String>,
}

/// Every identity on every conduit whose protocol has such a sentence.
///
/// # Errors
/// When the sentence cannot be read for any conduit, or the answer cannot be told exactly.
pub fn reach(site: &Site, sentence: &str) -> Result<Vec<Reach>, ExplainError> {
    let (mut all, mut fault) = (Vec::new(), None);
    let calendar = BTreeMap::new();
    for conduit in &site.conduits {
        let (grammar, addressing) = (conduit.protocol.grammar(), addressing(conduit));
        let mut parsed = match Sentence::parse(sentence, Form::Deed, grammar, addressing) {
            Ok(parsed) => parsed,
            Err(faults) => {
                fault.get_or_insert(ExplainError::Sentence { sentence: sentence.to_owned(), faults });
                continue;
            }
        };
        parsed.who = Some("any".to_owned());
        for identity in &site.identities {
            let who = Who { identity: identity.name.clone(), roles: identity.roles.clone() };
            let side = Side { plan: &conduit.plan, who: &who, calendar: &calendar };
            let changes = within(grammar, side, &parsed, &mut Allowance::default())
                .map_err(|fault: TooComplex| ExplainError::TooComplex(fault))?;
            let show = |said: &Said| {
                let sentence = Sentence { who: Some(identity.name.clone()), ..said.sentence.clone() };
                let words: String = said.words.iter().map(|word| format!(", {word}")).collect();
                format!("{}{words}", sentence.print_in(grammar, addressing))
            };
            let told = |of: &dyn Fn(&Change) -> &[Said]| changes.iter().flat_map(of).map(show).collect::<Vec<_>>();
            let may = told(&|change| &change.before);
            let refused = |change: &Change| change.kind == Kind::Allowed && change.before.is_empty();
            let may_not = told(&|change| if refused(change) { &change.now } else { &[] });
            let kept_out = may_enter(site, conduit, identity).err();
            all.push(Reach { conduit: conduit.name.clone(), identity: identity.name.clone(), kept_out, may, may_not });
        }
    }
    match fault {
        Some(fault) if all.is_empty() => Err(fault),
        Some(_) | None => Ok(all),
    }
}

impl Reach {
    /// Whether it may do some of it.
    pub fn may(&self) -> bool {
        self.kept_out.is_none() && !self.may.is_empty()
    }
}
