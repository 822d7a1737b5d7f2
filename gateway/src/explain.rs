//! What would the gateway do with this message, which rule makes it so, and what would change it?
//!
//! Judged by the same view as on the wire, with full buckets and nothing known of the device: where the verdict hangs on what the
//! device holds, the reads that the gateway would make first are named.
//!
//! ```text
//! sentence -> Protocol::build -> View::judge -> Ask: noted, judged again as unanswered -> Explanation
//!                                            -> Deny: answer (both halves play it) + nearest change
//! ```

use std::ops::ControlFlow;

use sluicegate_config::plan::{Conduit, Identity, Site};
use sluicegate_proto::{
    deed::ReadFirst,
    policy::{Budgets, Charges, Denied, Held, Known, PolicySet, Rule, RuleIx, Verdict, Who},
    protocol::{Message, Stored},
    sentence::{Addressing, Form, Sentence, SentenceFault},
    time::{Mono, Now, ScheduleSet},
    vocab::{Class, Mode, Reason},
};

mod answer;
pub mod last;
mod nearest;
mod reach;
mod text;
mod who;

pub(crate) use self::text::numbered_range;
pub use self::{
    answer::Answer,
    last::last,
    nearest::Change,
    reach::{Reach, reach},
    text::told_fault,
    who::{Standing, may_enter, who_can},
};

/// Reads made for one message: the gateway makes a handful at most (a step and a condition for each deed).
const READS_MAX: usize = 16;

/// A rule as it is shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleShown {
    /// `r-` and eight hex digits.
    pub id: String,
    /// Its canonical text.
    pub text: String,
    /// An allow or a deny rule.
    pub allow: bool,
    /// `file:line`.
    pub place: String,
}

impl From<&Rule> for RuleShown {
    fn from(rule: &Rule) -> Self {
        Self { id: rule.id.clone(), text: sentence_of(rule).to_owned(), allow: rule.allow, place: rule.place.clone() }
    }
}

/// A rule's sentence as it stands in its list. The canonical text of a deny rule says `deny` first, so that its id is its own.
pub(crate) fn sentence_of(rule: &Rule) -> &str {
    if rule.allow { &rule.text } else { rule.text.strip_prefix("deny ").unwrap_or(&rule.text) }
}

/// What the gateway would do with one message.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The conduit.
    pub conduit: String,
    /// As whom.
    pub identity: String,
    /// The message as it would stand in the audit log, one sentence for each deed.
    pub deeds: Vec<String>,
    /// The same with the conduit's own `addressing`, where that is not zero-based; else empty.
    pub as_written: Vec<String>,
    /// The conduit's mode.
    pub mode: Mode,
    /// The reads that the gateway would make first, in order.
    pub reads: Vec<String>,
    /// What then happens; with reads: when they bring no answer.
    pub outcome: Outcome,
    /// With reads: the rule that hangs on what they bring.
    pub hangs_on: Option<RuleShown>,
}

/// The end of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It passes.
    Allowed {
        /// The rules that together cover it.
        rules: Vec<RuleShown>,
        /// Whether it ignores rate, `max`, `step`, `when` and schedule.
        always: bool,
        /// Whether it spends from a rule's bucket.
        spends: bool,
    },
    /// It is refused.
    Denied {
        /// Why.
        reason: Reason,
        /// The deny rule that touched it, or the allow rule that came nearest.
        rule: Option<RuleShown>,
        /// Whether a deny rule made it: enforced in every mode.
        by_deny_rule: bool,
        /// What the peer gets.
        answer: Answer,
        /// What would change it.
        nearest: Change,
    },
}

impl Explanation {
    /// Whether the message passes, be it after a read that suits it.
    pub fn passes(&self) -> bool {
        !self.reads.is_empty() || matches!(self.outcome, Outcome::Allowed { .. })
    }

    /// The reason, where it is refused whatever the device holds.
    pub fn reason(&self) -> Option<Reason> {
        match &self.outcome {
            Outcome::Denied { reason, .. } if self.reads.is_empty() => Some(*reason),
            Outcome::Denied { .. } | Outcome::Allowed { .. } => None,
        }
    }
}

/// Why there is nothing to explain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// No such conduit.
    #[error("there is no conduit {name:?}; there {}", are(known))]
    NoConduit {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No such identity.
    #[error("there is no identity {name:?}; there {}", are(known))]
    NoIdentity {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The sentence cannot be read.
    #[error("{}", told_fault(sentence, faults))]
    Sentence {
        /// As it was written.
        sentence: String,
        /// What is wrong.
        faults: Vec<SentenceFault>,
    },
    /// No single message does that.
    #[error("no single message does that: {0}")]
    Build(String),
    /// The sentence is a set, and which part of it is allowed cannot be told exactly.
    #[error("{0}")]
    TooComplex(sluicegate_config::difference::TooComplex),
}

/// Explains `sentence` (language.md section 2, WHO left out) sent by `identity` on `conduit`, with the schedules that hold now.
///
/// # Errors
/// An unknown name, a sentence that cannot be read, or one that no single message can do.
pub fn explain(site: &Site, conduit: &str, identity: &str, sentence: &str) -> Result<Explanation, ExplainError> {
    let place = conduit_of(site, conduit)?;
    let who = identity_of(site, identity)?;
    let message = message_of(place, sentence)?;
    Ok(explain_stored(place, who, &message, schedules_now(site)))
}

/// The conduit of this name.
///
/// # Errors
/// When there is none.
pub fn conduit_of<'s>(site: &'s Site, name: &str) -> Result<&'s Conduit, ExplainError> {
    site.conduits.iter().find(|one| one.name == name).ok_or_else(|| ExplainError::NoConduit {
        name: name.to_owned(),
        known: site.conduits.iter().map(|one| one.name.clone()).collect(),
    })
}

/// The identity of this name.
///
/// # Errors
/// When there is none.
pub fn identity_of<'s>(site: &'s Site, name: &str) -> Result<&'s Identity, ExplainError> {
    site.identities.iter().find(|one| one.name == name).ok_or_else(|| ExplainError::NoIdentity {
        name: name.to_owned(),
        known: site.identities.iter().map(|one| one.name.clone()).collect(),
    })
}

/// The message that does on this conduit what `sentence` says.
///
/// # Errors
/// A sentence that cannot be read, or one that no single message can do.
pub fn message_of(conduit: &Conduit, sentence: &str) -> Result<Stored, ExplainError> {
    let grammar = conduit.protocol.grammar();
    let parsed = Sentence::parse(sentence, Form::Deed, grammar, addressing(conduit))
        .map_err(|faults| ExplainError::Sentence { sentence: sentence.to_owned(), faults })?;
    build(conduit, &parsed)
}

/// The same for a sentence that was read already (policy tests).
///
/// # Errors
/// When no single message can do that.
pub fn build(conduit: &Conduit, sentence: &Sentence) -> Result<Stored, ExplainError> {
    let grammar = conduit.protocol.grammar();
    let units = conduit.settings.ints(grammar.units_key);
    let unit = units.first().and_then(|one| u32::try_from(*one).ok()).unwrap_or(0);
    let stored = conduit.protocol.build(sentence, unit).map_err(|fault| ExplainError::Build(fault.0))?;
    let message = stored.message().ok_or_else(|| ExplainError::Build("it has no legal form".to_owned()))?;
    let to_all = conduit.protocol.is_broadcast(&conduit.settings, message.unit());
    if to_all && !grammar.all_answer && !only_writes(&message) {
        let (unit, word) = (message.unit(), grammar.unit_word);
        let why =
            format!("{word} {unit} is all of conduit {}, and nobody answers for all: name one {word}", conduit.name);
        return Err(ExplainError::Build(why));
    }
    Ok(stored)
}

fn only_writes(message: &Message<'_>) -> bool {
    let other = message.deeds(&mut |deed| match deed.class {
        Class::Write => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    other.is_continue()
}

/// Explains a whole message (one that was built, or one of the audit log).
pub fn explain_stored(conduit: &Conduit, identity: &Identity, stored: &Stored, schedules: ScheduleSet) -> Explanation {
    let who = Who { identity: identity.name.clone(), roles: identity.roles.clone() };
    let message = stored.message().expect("a stored message was legal when it was stored");
    let found = judge(&conduit.policy, conduit.mode, &who, &message, schedules);
    let hangs_on = if found.reads.is_empty() { None } else { found.rule().and_then(|ix| shown(&conduit.policy, ix)) };
    let outcome = match found.end {
        End::Allow(charges) => Outcome::Allowed {
            rules: charges.rules.iter().filter_map(|ix| shown(&conduit.policy, *ix)).collect(),
            always: charges.always,
            spends: charges.spends,
        },
        End::Deny(denied) => Outcome::Denied {
            reason: denied.reason,
            rule: denied.rule.and_then(|ix| shown(&conduit.policy, ix)),
            by_deny_rule: denied.by_deny_rule,
            answer: answer::to(conduit, &denied),
            nearest: nearest::change(conduit, &who, &message, &denied, schedules),
        },
    };
    let grammar = conduit.protocol.grammar();
    Explanation {
        conduit: conduit.name.clone(),
        identity: identity.name.clone(),
        deeds: deeds_of(&who, &message).iter().map(|one| one.print(grammar)).collect(),
        as_written: as_written(conduit, &deeds_of(&who, &message)),
        mode: conduit.mode,
        reads: found.reads.iter().map(|one| text::read_first(grammar, one)).collect(),
        outcome,
        hangs_on,
    }
}

/// A verdict, and what would be read for it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) reads: Vec<ReadFirst>,
    pub(crate) end: End,
}

/// Like [`Verdict`] once nothing can be asked any more.
#[derive(Debug)]
pub(crate) enum End {
    Allow(Charges),
    Deny(Denied),
}

impl Found {
    fn rule(&self) -> Option<RuleIx> {
        match &self.end {
            End::Allow(charges) => charges.rules.first().copied(),
            End::Deny(denied) => denied.rule,
        }
    }
}

/// Judges as the wire does, with full buckets and nothing known of the device. Each read that the view asks for is noted and
/// then counts as unanswered. Outside enforce mode the deny rules come first: they hold whatever else would be refused.
pub(crate) fn judge(policy: &PolicySet, mode: Mode, who: &Who, message: &Message<'_>, schedules: ScheduleSet) -> Found {
    let view = policy.view(who);
    let (held, budgets) = (Held::new(policy), Budgets::new(policy));
    let now = Now { mono: Mono::ZERO, schedules };
    let mut reads = Vec::new();
    if mode != Mode::Enforce
        && let Some(denied) = view.judge_denials(message, now)
    {
        return Found { reads, end: End::Deny(denied) };
    }
    loop {
        match view.judge(message, &Known { held: &held, budgets: &budgets, failed: &reads }, now) {
            Verdict::Allow(charges) => return Found { reads, end: End::Allow(charges) },
            Verdict::Deny(denied) => return Found { reads, end: End::Deny(denied) },
            // A view that asks the same twice, or without end, is broken: the wire fails closed, and so does this.
            Verdict::Ask(read) if reads.contains(&read) || reads.len() >= READS_MAX => {
                return Found { reads, end: End::Deny(Denied::because(Reason::InternalError)) };
            }
            Verdict::Ask(read) => reads.push(read),
        }
    }
}

/// How the operator's sentences of this conduit number their points.
pub fn addressing(conduit: &Conduit) -> Addressing {
    match conduit.settings.text("addressing") {
        Some("one-based") => Addressing::OneBased,
        Some("modicon") => Addressing::Modicon,
        Some(_) | None => Addressing::ZeroBased,
    }
}

/// The schedules that hold at this moment, in the site's time zone.
pub fn schedules_now(site: &Site) -> ScheduleSet {
    schedules_at(site, jiff::Timestamp::now())
}

/// The schedules that hold at a moment, in the site's time zone.
pub fn schedules_at(site: &Site, at: jiff::Timestamp) -> ScheduleSet {
    let now = at.to_zoned(site.timezone.clone()).datetime();
    let holding = (0u8..).zip(&site.schedules).filter(|(_, one)| one.holds(now));
    holding.fold(ScheduleSet::default(), |set, (bit, _)| set.with(bit))
}

/// A rule for people.
pub(crate) fn shown(policy: &PolicySet, ix: RuleIx) -> Option<RuleShown> {
    policy.rules().get(usize::try_from(ix.0).ok()?).map(RuleShown::from)
}

/// Both numbers of a point, where the operator's differs from the wire's.
fn as_written(conduit: &Conduit, deeds: &[Sentence]) -> Vec<String> {
    let grammar = conduit.protocol.grammar();
    match addressing(conduit) {
        Addressing::ZeroBased => Vec::new(),
        other => deeds.iter().map(|one| text::numbered(one, grammar, other)).collect(),
    }
}

/// The sentences of a message's deeds, in the order of the visit.
pub(crate) fn deeds_of(who: &Who, message: &Message<'_>) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let _ = message.deeds::<()>(&mut |deed| {
        sentences.push(Sentence::of_deed(Some(&who.identity), &deed));
        ControlFlow::Continue(())
    });
    sentences
}

fn are(names: &[String]) -> String {
    match names {
        [] => "is none".to_owned(),
        [one] => format!("is only {one:?}"),
        several => format!("are {}", several.join(", ")),
    }
}
