//! Which verdict does a message get?
//!
//! ```text
//! each deed:  unit -> function -> identity -> address -> value -> step -> condition -> schedule -> rate
//!             a deny rule counts at address, or at value where it carries values
//!             from address on, the rules that passed so far must cover the deed together
//! message:    the earliest failing step of any deed; else the first question; else what all deeds cost together
//! ```

use alloc::vec::Vec;
use core::{convert::Infallible, ops::ControlFlow};

use super::{
    Charges, Denied, Known, RuleIx, RuleList, Verdict, View,
    cover::cover,
    deny::{self, Touch},
    tree::Entry,
    view::{Table, ViewInner},
    weigh::{Piece, Reach, Scales, Stage},
};
use crate::{
    deed::{Deed, ReadFirst},
    protocol::Message,
    time::Now,
    vocab::{Class, Reason},
};

/// The verdict on one deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Allow(Charges),
    Ask(ReadFirst, RuleIx),
    Deny(Refusal),
}

/// Where one deed failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) stage: Stage,
    pub(super) reason: Reason,
    pub(super) rule: Option<RuleIx>,
    pub(super) by_deny_rule: bool,
}

pub(super) fn judge(view: &View, message: &Message<'_>, known: &Known<'_>, now: Now) -> Verdict {
    let mut tally = Tally::new();
    let ControlFlow::Continue(()) = message.deeds::<Infallible>(&mut |deed| {
        tally.add(&deed, judge_deed(&view.inner, &deed, known, now));
        ControlFlow::Continue(())
    });
    tally.verdict()
}

pub(super) fn denials(view: &View, message: &Message<'_>, now: Now) -> Option<Denied> {
    let mut tally = Tally::new();
    let ControlFlow::Continue(()) = message.deeds::<Infallible>(&mut |deed| {
        let outcome = deny::touch(&view.inner, &deed, now)
            .map_or_else(|| Outcome::Allow(Charges::default()), |touch| Outcome::Deny(touch.into()));
        tally.add(&deed, outcome);
        ControlFlow::Continue(())
    });
    match tally.verdict() {
        Verdict::Deny(denied) if denied.by_deny_rule => Some(denied),
        Verdict::Deny(_) | Verdict::Ask(_) | Verdict::Allow(_) => None,
    }
}

/// The verdicts on a message's deeds, put together: all or nothing.
#[derive(Debug)]
pub(super) struct Tally {
    deeds: u16,
    is_read: bool,
    refused: Option<(u16, Refusal)>,
    asks: Option<ReadFirst>,
    charges: Charges,
}

impl Tally {
    pub(super) fn new() -> Self {
        let charges = Charges { rules: RuleList::new(), always: true, spends: false };
        Self { deeds: 0, is_read: true, refused: None, asks: None, charges }
    }

    pub(super) fn add(&mut self, deed: &Deed<'_>, outcome: Outcome) {
        self.is_read &= deed.class == Class::Read;
        match outcome {
            Outcome::Allow(charges) => {
                charges.rules.iter().for_each(|rule| self.charges.rules.add(*rule));
                self.charges.always &= charges.always;
                self.charges.spends |= charges.spends;
            }
            Outcome::Ask(read, _) => {
                self.asks.get_or_insert(read);
            }
            Outcome::Deny(refusal) => {
                if self.refused.is_none_or(|(_, other)| refusal.stage < other.stage) {
                    self.refused = Some((self.deeds, refusal));
                }
            }
        }
        self.deeds = self.deeds.saturating_add(1);
    }

    pub(super) fn verdict(self) -> Verdict {
        let Self { deeds, is_read, refused, asks, charges } = self;
        match (refused, asks) {
            (Some((deed, Refusal { reason, rule, by_deny_rule, .. })), _) => {
                Verdict::Deny(Denied { reason, rule, deed, by_deny_rule, is_read })
            }
            // A message that does nothing that rules speak of is not one that rules allow.
            (None, _) if deeds == 0 => Verdict::Deny(Denied::because(Reason::FunctionNotAllowed)),
            (None, Some(read)) => Verdict::Ask(read),
            (None, None) => Verdict::Allow(charges),
        }
    }
}

pub(super) fn judge_deed(view: &ViewInner, deed: &Deed<'_>, known: &Known<'_>, now: Now) -> Outcome {
    let policy = &*view.policy;
    let topic = (deed.class, deed.object);
    let must_be_named = policy.must_be_named(deed.class, deed.object, deed.function);
    if !policy.serves_unit(deed.unit) {
        return deny(Stage::Unit, None);
    }
    let anyone = policy.admitted.get(&topic).is_some_and(|codes| codes.admits(deed.function, must_be_named));
    if !anyone || !policy.serves_function(deed.function) {
        return deny(Stage::Function, None);
    }
    let Some(table) = view.table(topic).filter(|table| table.codes.admits(deed.function, must_be_named)) else {
        return deny(Stage::Identity, None);
    };
    let touch = deny::touch(view, deed, now);
    if let Some(touch) = touch.filter(|touch| touch.stage == Stage::Address) {
        return Outcome::Deny(touch.into());
    }
    let scales = Scales { policy, deed, known, identity: view.identity, now };
    let hand = Hand { view, table, scales, must_be_named };
    if touch.is_none()
        && !table.has_always
        && let Some(rule) = hand.one_rule()
    {
        let rules = RuleList::from_iter([rule]);
        return Outcome::Allow(Charges { rules, always: false, spends: false });
    }
    hand.together(touch)
}

/// One deed, and the peer's rules on its topic.
struct Hand<'a> {
    view: &'a ViewInner,
    table: &'a Table,
    scales: Scales<'a>,
    must_be_named: bool,
}

impl Hand<'_> {
    fn range(&self) -> (u32, u32) {
        (self.scales.deed.first, self.scales.deed.last)
    }

    /// The bits of each register that must be covered.
    fn need(&self) -> u16 {
        self.scales.deed.bit.map_or(u16::MAX, |bit| 1u16.checked_shl(u32::from(bit)).unwrap_or(u16::MAX))
    }

    /// One rule that covers the whole deed and costs nothing: the usual case, without a list.
    fn one_rule(&self) -> Option<RuleIx> {
        let (first, last) = self.range();
        let whole = |piece: &Piece| {
            let covers = piece.first == first && piece.last == last && piece.mask & self.need() == self.need();
            covers && piece.reach == Reach::Passes && piece.cost == 0
        };
        let found = self.table.allow.visit(first, last, &mut |entry| {
            let mut found = None;
            if entry.first <= first && entry.last >= last {
                self.weigh(entry, &mut |piece| found = whole(&piece).then_some(piece.rule));
            }
            found.map_or(ControlFlow::Continue(()), ControlFlow::Break)
        });
        found.break_value()
    }

    /// What all rules make of the deed together.
    fn together(&self, touch: Option<Touch>) -> Outcome {
        let mut pieces = Vec::new();
        let ControlFlow::Continue(()) =
            self.table.allow.visit::<Infallible>(self.range().0, self.range().1, &mut |entry| {
                self.weigh(entry, &mut |piece| pieces.push(piece));
                ControlFlow::Continue(())
            });
        pieces.sort_by_key(|piece| piece.first);
        for stage in Stage::COVERED {
            if let Err(at) = self.covers(&pieces, &|piece| piece.reach.passes(stage)) {
                return self.refuse(&pieces, stage, at);
            }
            if stage == Stage::Address
                && let Some(touch) = touch
            {
                return Outcome::Deny(touch.into());
            }
        }
        let passes = |piece: &Piece| piece.reach == Reach::Passes;
        let mut charges = Charges::default();
        let mut used = |piece: &Piece| {
            charges.rules.add(piece.rule);
            charges.spends |= piece.cost == 1;
        };
        match cover(&pieces, self.range(), self.need(), &passes, &mut used) {
            Ok(()) => {
                charges.always =
                    self.table.has_always && self.covers(&pieces, &|piece| passes(piece) && piece.cost == 2).is_ok();
                Outcome::Allow(charges)
            }
            Err(at) => question(&pieces, at).unwrap_or_else(|| self.refuse(&pieces, Stage::Step, at)),
        }
    }

    /// Weighs one rule, where its unit and functions let it count.
    fn weigh(&self, entry: &Entry, each: &mut dyn FnMut(Piece)) {
        let deed = self.scales.deed;
        if let Some(ready) = self.scales.policy.ready(entry.rule)
            && ready.admits_function(deed.function, self.must_be_named)
            && ready.names_unit(deed.unit)
        {
            self.scales.weigh(ready, (entry.first, entry.last), each);
        }
    }

    fn covers(&self, pieces: &[Piece], counts: &dyn Fn(&Piece) -> bool) -> Result<(), u32> {
        cover(pieces, self.range(), self.need(), counts, &mut |_| ())
    }

    /// Index `at` was the first that nothing covered at `stage`.
    fn refuse(&self, pieces: &[Piece], stage: Stage, at: u32) -> Outcome {
        let deed = self.scales.deed;
        let here = pieces.iter().filter(|piece| piece.first <= at && at <= piece.last);
        let failed = here.filter(|piece| piece.reach == Reach::Fails(stage)).map(|piece| piece.rule).min();
        if stage > Stage::Address || !pieces.is_empty() {
            return deny(stage, failed.or_else(|| pieces.first().map(|piece| piece.rule)));
        }
        let mut refusal = Refusal { stage, reason: stage.reason(), rule: None, by_deny_rule: false };
        if !self.view.admitting(deed, None).any(|(_, ready)| ready.names_unit(deed.unit)) {
            refusal.reason = Reason::UnitNotAllowed;
        }
        refusal.rule = nearest(self.view, deed, at);
        Outcome::Deny(refusal)
    }
}

/// The first question, by the order of the plan, whose answer could cover index `at`.
fn question(pieces: &[Piece], at: u32) -> Option<Outcome> {
    let here = pieces.iter().filter(|piece| piece.first <= at && at <= piece.last);
    let asks = here.filter_map(|piece| match piece.reach {
        Reach::Asks(read) => Some((piece.rule, read)),
        Reach::Fails(_) | Reach::Passes => None,
    });
    asks.min_by_key(|(rule, _)| *rule).map(|(rule, read)| Outcome::Ask(read, rule))
}

/// The rule of the peer whose range lies nearest to index `at`, among those for the deed's function; one that names
/// the unit before one that does not. It looks at the neighbours only: a refusal must not cost a walk over all rules.
fn nearest(view: &ViewInner, deed: &Deed<'_>, at: u32) -> Option<RuleIx> {
    let distance = |entry: &Entry| entry.first.saturating_sub(at).max(at.saturating_sub(entry.last));
    let near = view.admitting(deed, Some((at, NEIGHBOURS)));
    let ranked = near.map(|(entry, ready)| (!ready.names_unit(deed.unit), distance(entry), entry.rule));
    ranked.min().map(|(_, _, rule)| rule)
}

fn deny(stage: Stage, rule: Option<RuleIx>) -> Outcome {
    Outcome::Deny(Refusal { stage, reason: stage.reason(), rule, by_deny_rule: false })
}

impl From<Touch> for Refusal {
    fn from(touch: Touch) -> Self {
        let Touch { stage, rule } = touch;
        Self { stage, reason: stage.reason(), rule: Some(rule), by_deny_rule: true }
    }
}

/// How many rules on either side of a refused index are looked at for the nearest: enough to pass over those for other
/// functions and units that stand on the same range.
const NEIGHBOURS: usize = 32;
