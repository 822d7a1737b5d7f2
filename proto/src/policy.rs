//! May this message pass? Plan -> [`compile`] -> [`PolicySet`] -> [`View`] per peer -> [`View::judge`].

use alloc::{string::String, sync::Arc, vec::Vec};

use crate::{
    deed::ReadFirst,
    keys::Settings,
    protocol::{Message, Protocol},
    sentence::{Per, Sentence},
    time::Now,
    vocab::Reason,
};

mod budget;
mod charges;
mod compile;
mod cover;
mod deny;
#[cfg(test)]
mod fixture;
mod held;
mod judge;
mod make;
mod number;
#[cfg(test)]
mod properties;
mod ready;
mod stretch;
mod tree;
mod view;
mod weigh;

pub use budget::{Budgets, Reservation};
pub use charges::{Charges, RuleList};
pub use held::Held;

/// One rule of the operator.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `r-` and eight hex digits of the SHA-256 of its canonical text.
    pub id: String,
    /// The sentence, zero-based.
    pub sentence: Sentence,
    /// Its canonical text: the key under which its budget survives a change of policy.
    pub text: String,
    /// `true`: an allow; `false`: a deny.
    pub allow: bool,
    /// `file:line`.
    pub place: String,
}

/// Who a peer is: its identity and all of its roles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Who {
    /// The identity's name.
    pub identity: String,
    /// Roles of the identity and of the certificate's extension together.
    pub roles: Vec<String>,
}

/// A shared bucket of `[budgets]`.
#[derive(Clone, Debug)]
pub struct BudgetPlan {
    /// Its name.
    pub name: String,
    /// How many...
    pub count: u32,
    /// ...in which time.
    pub per: Per,
}

/// All that one conduit's policy is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The conduit's protocol.
    pub protocol: Protocol,
    /// The protocol's settings: `units`, `functions`, `step_age`, `step_unknown`.
    pub settings: Settings,
    /// The rules, allow and deny, in file order; policies and presets included.
    pub rules: Vec<Rule>,
    /// Every identity of the site, in order: its place is the index of its `each` buckets.
    pub identities: Vec<String>,
    /// The schedules, in order: a place is a bit of [`crate::time::ScheduleSet`].
    pub schedules: Vec<String>,
    /// The shared buckets.
    pub budgets: Vec<BudgetPlan>,
}

/// What [`compile`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The rule's place in [`Plan::rules`].
    pub rule: usize,
    /// One line.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A rule's place in [`Plan::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIx(pub u32);

/// The compiled rules of one conduit. Immutable; shared by all sessions.
#[derive(Debug)]
pub struct PolicySet {
    pub(crate) inner: Arc<compile::Compiled>,
}

/// The compiled rules as one peer meets them.
#[derive(Debug)]
pub struct View {
    pub(crate) inner: view::ViewInner,
}

/// What the conduit knows when it judges.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// What the device holds.
    pub held: &'a Held,
    /// The rules' buckets.
    pub budgets: &'a Budgets,
    /// Reads made for this very message that brought no answer: these values stay unknown.
    pub failed: &'a [ReadFirst],
}

/// The verdict on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass, and costs this.
    Allow(Charges),
    /// The device must be read first; then judge again.
    Ask(ReadFirst),
    /// It may not.
    Deny(Denied),
}

/// Why a message may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The reason.
    pub reason: Reason,
    /// The deny rule that touched it, or the allow rule that came nearest.
    pub rule: Option<RuleIx>,
    /// Which deed of the message (its place in the visit).
    pub deed: u16,
    /// Whether a deny rule made it: enforced in every mode.
    pub by_deny_rule: bool,
    /// Whether the message as a whole is a read (the refusal table tells reads from writes).
    pub is_read: bool,
    /// Whether no allow rule of anyone names the point at which the rules ended.
    pub unnamed: bool,
}

impl Denied {
    /// A refusal that no rule made.
    pub const fn because(reason: Reason) -> Self {
        Self { reason, rule: None, deed: 0, by_deny_rule: false, is_read: false, unnamed: false }
    }
}

/// Compiles a conduit's rules.
///
/// # Errors
/// Every rule that cannot be compiled (unknown schedule or budget, a type that does not fit its range, `always` without
/// a closed value set, a rule that `units` or `functions` make unusable).
pub fn compile(plan: &Plan) -> Result<PolicySet, Vec<Fault>> {
    compile::compile(plan)
}

impl PolicySet {
    /// The rules as `who` meets them.
    pub fn view(&self, who: &Who) -> Arc<View> {
        view::view(self, who)
    }

    /// The rules, as planned.
    pub fn rules(&self) -> &[Rule] {
        &self.inner.rules
    }
}

impl View {
    /// The first failing step names the reason: unit, function, identity, address, value, step, condition, schedule,
    /// rate (language.md section 3). Every deed is judged; all or nothing.
    pub fn judge(&self, message: &Message<'_>, known: &Known<'_>, now: Now) -> Verdict {
        judge::judge(self, message, known, now)
    }

    /// The verdict on each deed by itself, in the order of the visit (`replay`). What the message as a whole gets is said
    /// by [`Self::judge`]: all or nothing.
    pub fn judge_deeds(&self, message: &Message<'_>, known: &Known<'_>, now: Now, each: &mut dyn FnMut(Verdict)) {
        judge::each(self, message, known, now, each);
    }

    /// Judges with the deny rules only (monitor mode). `now` because a deny rule can hold `during` a schedule.
    pub fn judge_denials(&self, message: &Message<'_>, now: Now) -> Option<Denied> {
        judge::denials(self, message, now)
    }
}

/// Tokens per nanosecond need no floating point: one token each `period / count`.
pub(crate) const fn nanos_of(per: Per) -> u64 {
    match per {
        Per::Second => 1_000_000_000,
        Per::Minute => 60_000_000_000,
        Per::Hour => 3_600_000_000_000,
    }
}
