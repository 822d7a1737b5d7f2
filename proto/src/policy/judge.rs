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
    view::{Table, ViewInner, Way},
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
    /// No allow rule of anyone names the point.
    pub(super) unnamed: bool,
}

pub(super) fn judge(view: &View, message: &Message<'_>, known: &Known<'_>, now: Now) -> Verdict {
    let mut tally = Tally::new();
    let ControlFlow::Continue(()) = message.deeds::<Infallible>(&mut |deed| {
        match usual(&view.inner, &deed, known, now) {
            Some(rule) => tally.pass(&deed, rule),
            None => tally.add(&deed, step_by_step(&view.inner, &deed, known, now)),
        }
        ControlFlow::Continue(())
    });
    tally.verdict()
}

pub(super) fn each(view: &View, message: &Message<'_>, known: &Known<'_>, now: Now, each: &mut dyn FnMut(Verdict)) {
    let ControlFlow::Continue(()) = message.deeds::<Infallible>(&mut |deed| {
        let mut tally = Tally::new();
        tally.add(&deed, judge_deed(&view.inner, &deed, known, now));
        each(tally.verdict());
        ControlFlow::Continue(())
    });
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

    /// A deed that one rule lets through at no cost.
    fn pass(&mut self, deed: &Deed<'_>, rule: RuleIx) {
        self.is_read &= deed.class == Class::Read;
        self.charges.rules.add(rule);
        self.charges.always = false;
        self.deeds = self.deeds.saturating_add(1);
    }

    pub(super) fn verdict(self) -> Verdict {
        let Self { deeds, is_read, refused, asks, charges } = self;
        match (refused, asks) {
            (Some((deed, Refusal { reason, rule, by_deny_rule, unnamed, .. })), _) => {
                Verdict::Deny(Denied { reason, rule, deed, by_deny_rule, is_read, unnamed })
            }
            // A message that does nothing that rules speak of is not one that rules allow.
            (None, _) if deeds == 0 => Verdict::Deny(Denied::because(Reason::FunctionNotAllowed)),
            (None, Some(read)) => Verdict::Ask(read),
            (None, None) => Verdict::Allow(charges),
        }
    }
}

pub(super) fn judge_deed(view: &ViewInner, deed: &Deed<'_>, known: &Known<'_>, now: Now) -> Outcome {
    match usual(view, deed, known, now) {
        Some(rule) => Outcome::Allow(Charges { rules: RuleList::of(rule), always: false, spends: false }),
        None => step_by_step(view, deed, known, now),
    }
}

/// The usual case, without a walk over the steps: no deny rule is near, and the first allow rule at the deed's first index
/// covers all of it and costs nothing. What it lets through, [`step_by_step`] lets through by the same rule; what it does
/// not, it has no opinion on.
pub(super) fn usual(view: &ViewInner, deed: &Deed<'_>, known: &Known<'_>, now: Now) -> Option<RuleIx> {
    let table = view.table((deed.class, deed.object))?;
    let way = table.way(deed.function);
    if way == Way::Closed || table.has_always || !view.policy.serves_unit(deed.unit) {
        return None;
    }
    let entry = table.allow.first_at(deed.first).filter(|entry| entry.last >= deed.last)?;
    if !table.deny.is_clear(deed.first, deed.last) {
        return None;
    }
    if entry.plain && way == Way::Open {
        return Some(entry.rule);
    }
    let must_be_named = way == Way::Named;
    let scales = Scales { policy: &view.policy, deed, known, identity: view.identity, now };
    Hand { view, table, scales, must_be_named }.one(entry)
}

pub(super) fn step_by_step(view: &ViewInner, deed: &Deed<'_>, known: &Known<'_>, now: Now) -> Outcome {
    let policy = &*view.policy;
    let topic = (deed.class, deed.object);
    let must_be_named = policy.must_be_named(deed.class, deed.object, deed.function);
    if !policy.serves_unit(deed.unit) {
        return deny(Stage::Unit, None);
    }
    // A device that may be spoken to may speak, unless the operator says what of (language.md section 2).
    if deed.class == Class::Report && !policy.reports_ruled {
        let touch = deny::touch(view, deed, now);
        return touch.map_or_else(|| Outcome::Allow(Charges::default()), |touch| Outcome::Deny(touch.into()));
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
        return Outcome::Allow(Charges { rules: RuleList::of(rule), always: false, spends: false });
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
        let found = self.table.allow.visit(first, last, &mut |entry| {
            let found = if entry.first <= first && entry.last >= last { self.one(entry) } else { None };
            found.map_or(ControlFlow::Continue(()), ControlFlow::Break)
        });
        found.break_value()
    }

    /// The entry's rule, where it covers the whole deed and costs nothing.
    fn one(&self, entry: &Entry) -> Option<RuleIx> {
        let whole = |piece: &Piece| {
            let covers = (piece.first, piece.last) == self.range() && piece.mask & self.need() == self.need();
            covers && piece.reach == Reach::Passes && piece.cost == 0
        };
        let mut found = None;
        self.weigh(entry, &mut |piece| found = whole(&piece).then_some(piece.rule));
        found
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
        if let Some(first) = pieces.first() {
            return deny(stage, failed.or(Some(first.rule)));
        }
        let unnamed = !self.scales.policy.names((deed.class, deed.object), at);
        let mut refusal = Refusal { stage, reason: stage.reason(), rule: None, by_deny_rule: false, unnamed };
        if self.scales.policy.is_function(deed.class, deed.object) {
            refusal.reason = Reason::FunctionNotAllowed;
        }
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
    Outcome::Deny(Refusal { stage, reason: stage.reason(), rule, by_deny_rule: false, unnamed: false })
}

impl From<Touch> for Refusal {
    fn from(touch: Touch) -> Self {
        let Touch { stage, rule } = touch;
        Self { stage, reason: stage.reason(), rule: Some(rule), by_deny_rule: true, unnamed: false }
    }
}

/// How many rules on either side of a refused index are looked at for the nearest: enough to pass over those for other
/// functions and units that stand on the same range.
const NEIGHBOURS: usize = 32;

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;
    use crate::{
        deed::Values,
        keys::Setting,
        policy::fixture::{COIL, DISCRETE, Gate, HOLDING, INPUT, plan, told, write},
        protocol::Protocol,
        sentence::{Addressing, Form, Sentence},
    };

    #[test]
    fn the_first_failing_step_names_the_reason() {
        let allow = [
            "hmi read holding 0-99",
            "hmi write holding 40 = 0..1500",
            "eng write coil 0-9",
            "hmi write holding 50 unit 2",
            "hmi write holding 60 = 0..9 step 1 when discrete 3 = on max 1/h during day",
        ];
        let gate = Gate::new(&allow, &["any write holding 90-99"]);
        gate.table(&[
            ("read holding 0 unit 3", "deny unit_not_allowed"),
            ("read input 0", "deny function_not_allowed"),
            ("write holding 40 bit 0 = on via 22", "deny function_not_allowed"),
            ("write coil 0 = on", "deny identity_not_allowed"),
            ("read holding 100", "deny address_not_allowed"),
            ("read holding 99-100", "deny address_not_allowed"),
            ("write holding 41 = 5", "deny address_not_allowed"),
            ("write holding 50 = 5", "deny address_not_allowed"),
            ("write holding 50 unit 2 = 5", "allow 3"),
            ("write holding 40 = 1501", "deny value_not_allowed"),
            ("write holding 40 = 1500", "allow 1"),
            ("write holding 60 = 10", "deny value_not_allowed"),
            ("write holding 60 = 5", "deny outside_schedule"),
            ("write holding 95 = 1", "deny address_not_allowed!"),
            ("read holding 0-99", "allow 0"),
        ]);
    }

    /// What is expected here is what makes the usual message cheap; that it is right is a property (`properties`).
    #[test]
    fn the_usual_case_is_taken_where_one_rule_says_it_all_and_only_there() {
        let allow = [
            "hmi read holding 0-99",
            "hmi write holding 40 = 0..1500",
            "hmi write holding 50 = 0..9 during day",
            "hmi write holding 60-61 = 0..9 max 1/h",
            "hmi write coil 7 = off always",
            "hmi read input 0-9 unit 2",
            "eng read coil 0-9",
            "hmi read discrete 0-9",
            "hmi read discrete 10-19",
        ];
        let gate = Gate::new(&allow, &["any read holding 90", "any write holding 40 unit 2 = 7"]);
        let short = |class, object, unit, function, (first, last), values| {
            let (bit, qualifier, unselected) = (None, None, false);
            let deed = Deed { class, object, unit, function, first, last, bit, values, qualifier, unselected };
            usual(&gate.view.inner, &deed, &gate.known(), gate.now).map(|rule| rule.0)
        };
        let read = |object, unit, range| short(Class::Read, object, unit, 3, range, Values::None);
        assert_eq!((read(HOLDING, 1, (0, 89)), read(HOLDING, 2, (91, 99))), (Some(0), Some(0)));
        assert_eq!(read(HOLDING, 3, (0, 0)), None, "a unit that the conduit does not serve");
        assert_eq!((read(HOLDING, 1, (89, 90)), read(HOLDING, 1, (99, 100))), (None, None), "denied, uncovered");
        assert_eq!((read(INPUT, 2, (0, 9)), read(INPUT, 1, (0, 9))), (Some(5), None));
        assert_eq!((read(COIL, 1, (0, 0)), read(DISCRETE, 1, (9, 10))), (None, None), "another's rule, two rules");
        let write = |object, function, at| short(Class::Write, object, 1, function, (at, at), Values::Words(&[0, 0]));
        assert_eq!((write(HOLDING, 6, 40), write(HOLDING, 22, 40)), (None, None), "a deny rule is near");
        assert_eq!((write(HOLDING, 6, 50), write(HOLDING, 6, 60), write(COIL, 5, 7)), (None, None, None));
        assert_eq!(short(Class::Read, HOLDING, 1, 300, (0, 0), Values::None), None, "a code without a bit");
    }

    #[test]
    fn functions_of_the_settings_bound_everybody() {
        let mut plan = plan(&["hmi write holding 0-9", "hmi read holding 0-9"], &[]);
        plan.settings.0.insert("functions", Setting::Ints([3, 6].to_vec()));
        let gate = Gate::of(&plan);
        gate.table(&[
            ("write holding 0 = 1", "allow 0"),
            ("write holding 0-1 = [1, 2]", "deny function_not_allowed"),
            ("read holding 0", "allow 1"),
        ]);
    }

    #[test]
    fn a_rule_for_other_units_only_refuses_the_unit() {
        let gate = Gate::new(&["hmi write holding 0-9 unit 2"], &[]);
        gate.table(&[
            ("write holding 0 = 1", "deny unit_not_allowed"),
            ("write holding 0 unit 2 = 1", "allow 0"),
            ("write holding 10 unit 2 = 1", "deny address_not_allowed"),
        ]);
    }

    /// MB-22, MB-23: the write half of FC 23, and FC 22.
    #[test]
    fn mb_21_22_functions_that_must_be_named_are() {
        let gate = Gate::new(
            &["hmi write holding 0-9", "hmi write holding 4 bit 3 = on via 22", "hmi program function 90"],
            &[],
        );
        gate.table(&[
            ("write holding 4 bit 3 = on via 22", "allow 1"),
            ("write holding 4 bit 3 = off via 22", "deny value_not_allowed"),
            ("write holding 4 bit 2 = on via 22", "deny address_not_allowed"),
            ("write holding 5 bit 3 = on via 22", "deny address_not_allowed"),
            ("program function 90", "allow 2"),
            ("program function 91", "deny function_not_allowed"),
        ]);
    }

    #[test]
    fn gen_12_rules_cover_together_and_a_hole_refuses_all() {
        let gate = Gate::new(
            &[
                "hmi read holding 0-9",
                "hmi read holding 5-14",
                "hmi read holding 16-20, 30-39",
                "hmi write coil 0-3, 4-7",
            ],
            &["any read holding 33"],
        );
        gate.table(&[
            ("read holding 0-14", "allow 0 1"),
            ("read holding 0-15", "deny address_not_allowed"),
            ("read holding 16-20", "allow 2"),
            ("read holding 16-30", "deny address_not_allowed"),
            ("read holding 30-32", "allow 2"),
            ("read holding 30-39", "deny address_not_allowed!"),
            ("write coil 2-5 = [on, off, on, on]", "allow 3"),
        ]);
    }

    #[test]
    fn the_earliest_step_of_any_deed_speaks_for_the_message() {
        let gate = Gate::new(
            &["hmi read holding 0-9", "hmi write holding 0-9 = 5 via 23", "hmi write holding 2 = 6 via 6"],
            &[],
        );
        let read = Deed { class: Class::Read, values: Values::None, last: 3, ..write(0, 23, &[0, 0]) };
        let told_of = |deeds: &[Deed<'_>]| told(&gate.deeds(deeds));
        assert_eq!(told_of(&[write(0, 23, &[0, 5]), read]), "allow 1 0");
        assert_eq!(told_of(&[write(0, 23, &[0, 6]), read]), "deny value_not_allowed");
        let far = Deed { first: 9, last: 10, ..read };
        let Verdict::Deny(denied) = gate.deeds(&[write(0, 23, &[0, 6]), far]) else { panic!("refused") };
        assert_eq!((denied.reason, denied.deed, denied.is_read), (Reason::AddressNotAllowed, 1, false));
        assert_eq!(denied.rule, Some(RuleIx(0)), "the rule that came nearest");
        let Verdict::Deny(denied) = gate.deeds(&[far, far]) else { panic!("refused") };
        assert_eq!(denied.deed, 0, "of equals the first");
        assert!(denied.is_read);
        assert_eq!(told_of(&[]), "deny function_not_allowed", "a message without deeds is no loophole");
    }

    #[test]
    fn a_refusal_names_the_first_rule_that_fails_where_nothing_covers() {
        let rules = ["hmi write holding 4 = 50", "hmi write holding 4-5 = 0..9", "hmi write holding 5 = 40"];
        let gate = Gate::new(&rules, &[]);
        let rule = |gate: &Gate, text| match gate.verdict(text) {
            Verdict::Deny(denied) => denied.rule,
            other => panic!("{other:?}"),
        };
        gate.table(&[
            ("write holding 4-5 = [1, 15]", "deny value_not_allowed"),
            ("write holding 4-5 = [15, 1]", "deny value_not_allowed"),
            ("write holding 4-5 = [9, 9]", "allow 1"),
        ]);
        assert_eq!(rule(&gate, "write holding 4-5 = [1, 15]"), Some(RuleIx(1)), "rule 0 fails elsewhere");
        assert_eq!(rule(&gate, "write holding 4-5 = [15, 1]"), Some(RuleIx(0)));
        let gate = Gate::new(&["hmi write holding 4 bit 3 = on via 22", "hmi write holding 4 = 0..9 via 22"], &[]);
        assert_eq!(rule(&gate, "write holding 4 bit 2 = off via 22"), Some(RuleIx(1)), "rule 0 is about another bit");
        let gate = Gate::new(&["hmi read holding 15-19", "hmi read holding 5-9"], &[]);
        assert_eq!(rule(&gate, "read holding 10-19"), Some(RuleIx(0)), "one that touches, before one that is near");
        assert_eq!(rule(&gate, "read holding 10-11"), Some(RuleIx(1)));
        let gate = Gate::new(&["hmi read holding 5-9 unit 2", "hmi read holding 0-1 unit 1"], &[]);
        assert_eq!(rule(&gate, "read holding 12"), Some(RuleIx(1)), "for this unit, before one that is nearer");
        assert_eq!(rule(&gate, "read holding 12 unit 2"), Some(RuleIx(0)));
    }

    #[test]
    fn the_cheapest_rules_are_charged_and_always_rules_last() {
        let gate = Gate::new(
            &[
                "hmi write holding 0-4 = 0..9 max 1/min",
                "hmi write holding 5-9 = 0..9",
                "hmi write holding 0 = 0 always",
            ],
            &[],
        );
        gate.table(&[
            ("write holding 5-6 = [1, 2]", "allow 1"),
            ("write holding 4-6 = [1, 2, 3]", "spend 0 1"),
            ("write holding 0 = 0", "always 0"),
            ("write holding 0 = 1", "spend 0"),
        ]);
        let free = ["hmi write holding 0 = 0..9", "hmi write holding 0 = 0 always"];
        Gate::new(&free, &[]).table(&[("write holding 0 = 0", "always 0"), ("write holding 0 = 1", "allow 0")]);
        let Verdict::Allow(charges) = gate.verdict("write holding 0 = 0") else { panic!("allowed") };
        assert!(charges.spends && charges.always, "it pays while it can, and no other limit may stop it");
    }

    #[test]
    fn an_always_rule_ignores_rate_step_condition_and_schedule_but_not_value_or_identity() {
        let mut gate = Gate::new(
            &[
                "hmi write holding 7 = 0, 9 step 1 when discrete 2 = on max 1/h during day",
                "hmi write holding 7 = 0 step 1 when discrete 2 = on max 1/h during day always",
                "eng write holding 7 = 9 always",
            ],
            &[],
        );
        gate.table(&[
            ("write holding 7 = 0", "always 1"),
            ("write holding 7 = 9", "deny outside_schedule"),
            ("write holding 7 = 1", "deny value_not_allowed"),
        ]);
        gate = gate.at(0, &[1]);
        assert_eq!(gate.say("write holding 7 = 0"), "always 1", "an emergency does not wait for a read");
        assert_eq!(gate.say("write holding 7 = 9"), "ask holding 7+1");
    }

    /// MB-17, MB-18, MB-19: FC 8 and FC 43 are allowed by sub-function, so another sub-function is another function.
    #[test]
    fn mb_17_another_sub_function_is_another_function() {
        let rules =
            ["hmi diagnose diagnostic 0", "hmi identify device-id 1", "hmi program function 90", "hmi read fifo 7"];
        let gate = Gate::new(&rules, &["any diagnose diagnostic 10"]);
        gate.table(&[
            ("diagnose diagnostic 0", "allow 0"),
            ("diagnose diagnostic 4", "deny function_not_allowed"),
            ("diagnose diagnostic 10", "deny address_not_allowed!"),
            ("identify device-id 2", "deny function_not_allowed"),
            ("program function 91", "deny function_not_allowed"),
            ("read fifo 8", "deny address_not_allowed"),
        ]);
    }

    #[test]
    fn schedules_open_and_close_rules() {
        let allow = ["hmi write coil 0 during day", "hmi write coil 1 during not day"];
        let gate = Gate::new(&allow, &["any write coil 0-1 = on during night"]);
        gate.table(&[("write coil 0 = on", "deny outside_schedule"), ("write coil 1 = on", "allow 1")]);
        let gate = gate.at(0, &[0, 1]);
        gate.table(&[
            ("write coil 0 = on", "deny value_not_allowed!"),
            ("write coil 0 = off", "allow 0"),
            ("write coil 1 = off", "deny outside_schedule"),
        ]);
    }

    #[test]
    fn monitor_mode_hears_of_deny_rules_alone() {
        let gate = Gate::new(&[], &["any write holding 90-99", "any write holding 5 = 7"]);
        for (words, first, reason) in [
            (&[0, 7][..], 90, Some(Reason::AddressNotAllowed)),
            (&[0, 7], 5, Some(Reason::ValueNotAllowed)),
            (&[0, 8], 5, None),
        ] {
            let touch = deny::touch(&gate.view.inner, &write(first, 6, words), gate.now);
            assert_eq!(touch.map(|touch| touch.stage.reason()), reason);
        }
        assert_eq!(gate.say("write holding 90 = 1"), "deny function_not_allowed", "an earlier step still comes first");
        let denials = |text: &str| {
            let grammar = Protocol::Modbus.grammar();
            let sentence = Sentence::parse(text, Form::Deed, grammar, Addressing::ZeroBased).expect("a deed");
            let stored = Protocol::Modbus.build(&sentence, 1).expect("one message does it");
            gate.view.judge_denials(&stored.message().expect("it was built"), gate.now)
        };
        let denied = |reason, rule| Denied { rule: Some(RuleIx(rule)), by_deny_rule: true, ..Denied::because(reason) };
        assert_eq!(denials("write holding 89-90 = [1, 2]"), Some(denied(Reason::AddressNotAllowed, 0)));
        assert_eq!(denials("write holding 5 = 7"), Some(denied(Reason::ValueNotAllowed, 1)));
        assert_eq!(denials("write holding 5 = 8"), None);
        assert_eq!(denials("read holding 90"), None, "that no rule admits a read is not its business");
    }

    #[test]
    fn each_deed_has_a_verdict_of_its_own_in_the_order_of_the_visit() {
        let gate = Gate::new(&["hmi read holding 0-9", "hmi write holding 14 = 0..9 via 23"], &["any read holding 5"]);
        // FC 23: the write of 14 comes before the read.
        for (read, value, expected) in [
            (0, 9, ["allow 1", "allow 0"]),
            (0, 10, ["deny value_not_allowed", "allow 0"]),
            (5, 9, ["allow 1", "deny address_not_allowed!"]),
        ] {
            let bytes = [1, 23, 0, read, 0, 1, 0, 14, 0, 1, 2, 0, value];
            let message = Message::Modbus(crate::modbus::Request::restore(&bytes).expect("legal"));
            let mut found = Vec::new();
            gate.view.judge_deeds(&message, &gate.known(), gate.now, &mut |verdict| found.push(told(&verdict)));
            assert_eq!(found, expected, "read {read}, write {value}");
        }
    }

    #[test]
    fn a_budget_that_is_empty_refuses_and_a_view_of_another_policy_finds_none() {
        let mut gate = Gate::new(&["hmi write holding 0 max 1/min", "hmi write holding 1 spends pool"], &[]);
        let Verdict::Allow(charges) = gate.verdict("write holding 0 = 1") else { panic!("allowed") };
        let taken = gate.budgets.reserve(&charges, 1, gate.now.mono).expect("full");
        assert_eq!(gate.say("write holding 0 = 1"), "deny rate_limited");
        assert_eq!(gate.say("write holding 1 = 1"), "spend 1");
        gate.budgets.give_back(taken);
        assert_eq!(gate.say("write holding 0 = 1"), "spend 0");
        let mut each = Gate::new(&["hmi write holding 0 max 1/min each"], &[]);
        let Verdict::Allow(charges) = each.verdict("write holding 0 = 1") else { panic!("allowed") };
        let _others = each.budgets.reserve(&charges, 0, each.now.mono).expect("full");
        assert_eq!(each.say("write holding 0 = 1"), "spend 0", "another's bucket is empty");
        let _own = each.budgets.reserve(&charges, 1, each.now.mono).expect("full");
        assert_eq!(each.say("write holding 0 = 1"), "deny rate_limited");
        gate.budgets = Gate::new(&["hmi write holding 0 max 1/min"], &[]).budgets;
        assert_eq!(gate.say("write holding 0 = 1"), "deny rate_limited");
    }

    #[test]
    fn one_address_among_ten_thousand_rules() {
        let texts: Vec<String> = (0..10_000).map(|n| std::format!("hmi read holding {}", n * 2)).collect();
        let rules: Vec<&str> = texts.iter().map(String::as_str).collect();
        let gate = Gate::new(&rules, &[]);
        gate.table(&[
            ("read holding 0", "allow 0"),
            ("read holding 19998", "allow 9999"),
            ("read holding 9999", "deny address_not_allowed"),
        ]);
        let Verdict::Deny(denied) = gate.verdict("read holding 9999") else { panic!("refused") };
        assert_eq!(denied.rule, Some(RuleIx(4999)));
        assert_eq!(
            gate.view.inner.table((Class::Read, HOLDING)).map(|table| table.allow.entries().len()),
            Some(10_000)
        );
    }
}
