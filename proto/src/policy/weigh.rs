//! How far does one allow rule carry one deed, element by element?

use super::{
    Known, RuleIx,
    compile::Compiled,
    number::Value,
    ready::{Admits, Ready},
};
use crate::{
    deed::{Deed, ReadFirst},
    time::Now,
    vocab::{Class, Reason},
};

/// The steps of a verdict, first to last: the first that fails names the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Unit,
    Function,
    Identity,
    Address,
    Value,
    Step,
    Condition,
    Schedule,
    Rate,
}

impl Stage {
    /// The steps at which the rules together must still cover the deed.
    pub(super) const COVERED: [Self; 6] =
        [Self::Address, Self::Value, Self::Step, Self::Condition, Self::Schedule, Self::Rate];

    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Unit => Reason::UnitNotAllowed,
            Self::Function => Reason::FunctionNotAllowed,
            Self::Identity => Reason::IdentityNotAllowed,
            Self::Address => Reason::AddressNotAllowed,
            Self::Value => Reason::ValueNotAllowed,
            Self::Step => Reason::StepNotAllowed,
            Self::Condition => Reason::ConditionNotMet,
            Self::Schedule => Reason::OutsideSchedule,
            Self::Rate => Reason::RateLimited,
        }
    }
}

/// How far a rule carries a part of a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It fails at this step.
    Fails(Stage),
    /// It passes if what the device holds lets it; nothing else stands in its way.
    Asks(ReadFirst),
    /// It passes.
    Passes,
}

impl Reach {
    /// Whether it gets past `stage`. What must still be asked counts as passing: the answer may say so.
    pub(super) fn passes(self, stage: Stage) -> bool {
        match self {
            Self::Fails(at) => at > stage,
            Self::Asks(_) | Self::Passes => true,
        }
    }

    /// What is left when both must pass: the earlier failure, else the first question.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fails(one), Self::Fails(other)) => Self::Fails(one.min(other)),
            (Self::Fails(stage), _) | (_, Self::Fails(stage)) => Self::Fails(stage),
            (Self::Asks(read), _) | (_, Self::Asks(read)) => Self::Asks(read),
            (Self::Passes, Self::Passes) => Self::Passes,
        }
    }
}

/// A part of a deed that one rule's range holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) first: u32,
    pub(super) last: u32,
    /// The bits of each register that the rule speaks of; all of them, unless it names one.
    pub(super) mask: u16,
    pub(super) rule: RuleIx,
    pub(super) reach: Reach,
    /// What using it costs: 0 nothing, 1 a token, 2 it is an `always` rule.
    pub(super) cost: u8,
}

/// What a rule is weighed with.
#[derive(Clone, Copy)]
pub(super) struct Scales<'a> {
    pub(super) policy: &'a Compiled,
    pub(super) deed: &'a Deed<'a>,
    pub(super) known: &'a Known<'a>,
    /// The peer's place in the plan, which is the index of its `each` buckets.
    pub(super) identity: Option<u16>,
    pub(super) now: Now,
}

impl Scales<'_> {
    /// Tells `each` the pieces of the deed that lie in `range` (one of the rule's own), in order; neighbours that get
    /// equally far are one piece. Unit and function have been looked at.
    pub(super) fn weigh(&self, ready: &Ready, range: (u32, u32), each: &mut dyn FnMut(Piece)) {
        let (first, last) = (range.0.max(self.deed.first), range.1.min(self.deed.last));
        if first > last || self.other_bit(ready) {
            return;
        }
        let piece = Piece {
            first,
            last,
            mask: ready.bit.map_or(u16::MAX, |bit| 1u16.checked_shl(u32::from(bit)).unwrap_or(0)),
            rule: ready.rule,
            reach: Reach::Passes,
            cost: if ready.always { 2 } else { u8::from(ready.spends()) },
        };
        let later =
            if ready.select_first && self.deed.unselected { Reach::Fails(Stage::Condition) } else { self.later(ready) };
        if !ready.admits_qualifier(self.deed) {
            return each(Piece { reach: Reach::Fails(Stage::Value), ..piece });
        }
        let exact = ready.whole || matches!(ready.values, Some(Admits::Positional(_)));
        if exact && (range != (self.deed.first, self.deed.last) || self.is_partial() != ready.sets_nothing()) {
            return each(Piece { reach: Reach::Fails(Stage::Value), ..piece });
        }
        if let Some(reach) = self.at_once(ready) {
            return each(Piece { reach: reach.and(later), ..piece });
        }
        let elements = Elements { ready, anchor: range.0, first, last, deed: self.deed };
        if exact {
            let reach = elements.list().fold(later, |reach, part| reach.and(self.element(&elements, part)));
            return each(Piece { reach, ..piece });
        }
        let mut run: Option<Piece> = None;
        for part in elements.list() {
            let reach = self.element(&elements, part).and(later);
            match &mut run {
                Some(run) if run.reach == reach => run.last = part.last,
                _ => {
                    let next = Piece { first: part.first, last: part.last, reach, ..piece };
                    if let Some(done) = run.replace(next) {
                        each(done);
                    }
                }
            }
        }
        if let Some(done) = run {
            each(done);
        }
    }

    /// Whether the rule names one bit and the deed touches only another.
    fn other_bit(&self, ready: &Ready) -> bool {
        matches!((ready.bit, self.deed.bit), (Some(rule), Some(deed)) if rule != deed)
    }

    /// A write that does not set whole registers: a mask.
    fn is_partial(&self) -> bool {
        self.deed.class != Class::Read && (self.deed.bit.is_some() || self.is_empty_write())
    }

    fn is_empty_write(&self) -> bool {
        self.deed.class == Class::Write && self.deed.values.is_empty()
    }

    /// The verdict on value and step where no element has to be looked at.
    fn at_once(&self, ready: &Ready) -> Option<Reach> {
        let free = ready.values.is_none() && ready.step.is_none();
        let fails = Reach::Fails(Stage::Value);
        if self.deed.class == Class::Read {
            return Some(if free { Reach::Passes } else { fails });
        }
        if self.deed.bit.is_some() {
            return match ready.bit {
                // The one bit that both name: its value is looked at as an element.
                Some(_) if ready.step.is_none() => (ready.values.is_none()).then_some(Reach::Passes),
                Some(_) => Some(fails),
                None => Some(if free && !ready.typed { Reach::Passes } else { fails }),
            };
        }
        if self.deed.values.is_empty() && !free {
            return Some(if ready.sets_nothing() && ready.step.is_none() { Reach::Passes } else { fails });
        }
        (free && !ready.typed).then_some(Reach::Passes)
    }

    /// Value and step of one element.
    fn element(&self, elements: &Elements<'_>, part: Part) -> Reach {
        let ready = elements.ready;
        if !part.complete {
            return Reach::Fails(Stage::Value);
        }
        let value = match (elements.value(part), &ready.values) {
            (Some(value), _) if !value.is_finite() => return Reach::Fails(Stage::Value),
            (Some(value), None) => value,
            (Some(value), Some(Admits::Each(spans))) if spans.iter().any(|span| span.admits(value)) => value,
            (Some(value), Some(Admits::Positional(spans)))
                if elements.place(part).and_then(|place| spans.get(place)).is_some_and(|span| span.admits(value)) =>
            {
                value
            }
            // Nothing is written, and nothing is said of values: the range alone counts.
            (None, None) if ready.step.is_none() => return Reach::Passes,
            (Some(_) | None, _) => return Reach::Fails(Stage::Value),
        };
        match &ready.step {
            Some(step) if !ready.always => {
                if step.or_to.iter().any(|span| span.admits(value)) {
                    return Reach::Passes;
                }
                let read = elements.readback();
                let at = read.first.saturating_add(part.start.saturating_sub(elements.complete().0));
                let held =
                    |place: u32| self.known.held.get(read.unit, read.object, at.checked_add(place)?, self.now.mono);
                let held = ready.read(held, |place| held(place)?.word());
                match held {
                    Some(old) if value.within_step(old, step.size, step.direction) => Reach::Passes,
                    Some(_) => Reach::Fails(Stage::Step),
                    None if !self.known.failed.contains(&read) => Reach::Asks(read),
                    None if self.policy.step_unknown_allows => Reach::Passes,
                    None => Reach::Fails(Stage::Step),
                }
            }
            Some(_) | None => Reach::Passes,
        }
    }

    /// Condition, schedule and rate: the same for every element of a rule.
    fn later(&self, ready: &Ready) -> Reach {
        if ready.always {
            return Reach::Passes;
        }
        let condition = self.condition(ready);
        if condition == Reach::Fails(Stage::Condition) {
            return condition;
        }
        if !ready.applies(self.now.schedules) {
            return Reach::Fails(Stage::Schedule);
        }
        let holds = |bucket: u32| self.known.budgets.holds(self.policy, bucket, self.identity, self.now.mono);
        if !ready.buckets.iter().flatten().all(|bucket| holds(*bucket)) {
            return Reach::Fails(Stage::Rate);
        }
        condition
    }

    fn condition(&self, ready: &Ready) -> Reach {
        let Some(when) = &ready.when else { return Reach::Passes };
        let unit = self.deed.unit;
        match self.known.held.get(unit, when.object, when.address, self.now.mono) {
            Some(held) if when.spans.iter().any(|span| span.admits(held.into())) => Reach::Passes,
            Some(_) => Reach::Fails(Stage::Condition),
            None => {
                let read = ReadFirst { unit, object: when.object, first: when.address, count: 1 };
                let failed = self.known.failed.contains(&read);
                if failed { Reach::Fails(Stage::Condition) } else { Reach::Asks(read) }
            }
        }
    }
}

/// The elements of a rule's range that a deed touches.
struct Elements<'a> {
    ready: &'a Ready,
    /// The range's first register.
    anchor: u32,
    first: u32,
    last: u32,
    deed: &'a Deed<'a>,
}

/// One of them.
#[derive(Clone, Copy)]
struct Part {
    /// Its first register, touched or not.
    start: u32,
    /// The first register touched.
    first: u32,
    /// The last register touched.
    last: u32,
    /// Whether all of its registers are touched.
    complete: bool,
}

impl Elements<'_> {
    fn width(&self) -> u32 {
        self.ready.width()
    }

    /// How far `index` lies inside its element.
    fn offset(&self, index: u32) -> u32 {
        index.saturating_sub(self.anchor).checked_rem(self.width()).unwrap_or(0)
    }

    fn list(&self) -> impl Iterator<Item = Part> {
        let mut next = Some(self.first);
        core::iter::from_fn(move || {
            let first = next.filter(|first| *first <= self.last)?;
            let start = first.saturating_sub(self.offset(first));
            let end = start.saturating_add(self.width().saturating_sub(1));
            next = end.checked_add(1);
            let last = end.min(self.last);
            Some(Part { start, first, last, complete: first == start && last == end })
        })
    }

    /// Its place in the rule's range, counted in elements.
    fn place(&self, part: Part) -> Option<usize> {
        usize::try_from(part.start.saturating_sub(self.anchor).checked_div(self.width())?).ok()
    }

    /// What the deed writes there.
    fn value(&self, part: Part) -> Option<Value> {
        let at = part.start.checked_sub(self.deed.first)?;
        match (self.ready.bit, self.deed.bit) {
            (Some(bit), None) => {
                let register = self.deed.values.get(at)?;
                Some(Value::Whole(i128::from(register.checked_shr(u32::from(bit))? & 1)))
            }
            _ => {
                let values = &self.deed.values;
                self.ready
                    .read(|place| values.scalar(at.checked_add(place)?), |place| values.get(at.checked_add(place)?))
            }
        }
    }

    /// The first and the last register of the complete elements.
    fn complete(&self) -> (u32, u32) {
        let (width, before) = (self.width(), self.offset(self.first));
        let first = if before == 0 { self.first } else { self.first.saturating_add(width.saturating_sub(before)) };
        let over = self.offset(self.last).saturating_add(1).checked_rem(width).unwrap_or(0);
        (first, self.last.saturating_sub(over))
    }

    /// The one read that tells what these elements hold.
    fn readback(&self) -> ReadFirst {
        let (first, last) = self.complete();
        let count = last.saturating_sub(first).saturating_add(1);
        let (object, first) = match self.ready.step.as_ref().and_then(|step| step.from) {
            None => (self.deed.object, first),
            Some((object, at)) => (object, at.saturating_add(first.saturating_sub(self.anchor))),
        };
        ReadFirst { unit: self.deed.unit, object, first, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        deed::Values,
        keys::Setting,
        policy::fixture::{Gate, HOLDING, INPUT, plan, rule, told, write},
    };

    const DAY: u64 = 86_400_000_000_000;

    #[test]
    fn gen_13_typed_elements_are_written_whole_and_finite() {
        let gate = Gate::new(&["hmi write holding 42-47 = -20.0..80.0 as f32", "hmi write holding 60-63 as u32"], &[]);
        gate.table(&[
            ("write holding 42-43 = 20.5 as f32", "allow 0"),
            ("write holding 44-47 = [20.5, -20.0] as f32", "allow 0"),
            ("write holding 42-43 = 80.5 as f32", "deny value_not_allowed"),
            ("write holding 44-47 = [20.5, 99.0] as f32", "deny value_not_allowed"),
            ("write holding 42 = 16800", "deny value_not_allowed"),
            ("write holding 43-44 = [0, 16800]", "deny value_not_allowed"),
            ("write holding 46-48 = [16800, 0, 0]", "deny address_not_allowed"),
            ("write holding 60-61 = [1, 2]", "allow 1"),
            ("write holding 61-62 = [1, 2]", "deny value_not_allowed"),
            ("write holding 61 = 1", "deny value_not_allowed"),
            // NaN, infinity.
            ("write holding 42-43 = [32704, 0]", "deny value_not_allowed"),
            ("write holding 42-43 = [32640, 0]", "deny value_not_allowed"),
        ]);
        let free = Gate::new(&["hmi write holding 42-43 as f32"], &[]);
        free.table(&[
            ("write holding 42-43 = [32704, 0]", "deny value_not_allowed"),
            ("write holding 42-43 = [32639, 0]", "allow 0"),
        ]);
    }

    #[test]
    fn gen_13_halves_of_a_pair_from_two_rules_make_no_whole() {
        let rules = ["hmi write holding 10-13 = 0..9 as u32", "hmi write holding 12 = 5"];
        Gate::new(&rules, &[]).table(&[
            ("write holding 10-11 = [0, 9]", "allow 0"),
            ("write holding 10-12 = [0, 9, 5]", "allow 0 1"),
            ("write holding 10-12 = [0, 9, 6]", "deny value_not_allowed"),
            ("write holding 11-12 = [9, 5]", "deny value_not_allowed"),
        ]);
    }

    #[test]
    fn word_order_is_the_rules() {
        Gate::new(&["hmi write holding 0-1 = 0..9 as u32 swapped", "hmi write holding 2-5 = -5..5 as i64"], &[]).table(
            &[
                ("write holding 0-1 = [9, 0]", "allow 0"),
                ("write holding 0-1 = [0, 9]", "deny value_not_allowed"),
                ("write holding 2-5 = [65535, 65535, 65535, 65531]", "allow 1"),
                ("write holding 2-5 = [65535, 65535, 65535, 65530]", "deny value_not_allowed"),
            ],
        );
    }

    #[test]
    fn whole_and_positional_rules_want_the_range_from_first_to_last() {
        let rules = [
            "hmi write holding 0-2 = 0..9 whole",
            "hmi write holding 10-12 = [1, 2, 3]",
            "hmi write holding 12-13 = [3, 4]",
        ];
        Gate::new(&rules, &[]).table(&[
            ("write holding 0-2 = [1, 2, 3]", "allow 0"),
            ("write holding 0-1 = [1, 2]", "deny value_not_allowed"),
            ("write holding 0-2 = [1, 2, 30]", "deny value_not_allowed"),
            ("write holding 10-12 = [1, 2, 3]", "allow 1"),
            ("write holding 10-12 = [1, 2, 4]", "deny value_not_allowed"),
            ("write holding 10-11 = [1, 2]", "deny value_not_allowed"),
            ("write holding 10-13 = [1, 2, 3, 4]", "deny value_not_allowed"),
        ]);
    }

    #[test]
    fn a_whole_rule_on_what_is_no_write_wants_the_whole_range_too() {
        let mut plan = plan(&["hmi read holding 0-2", "hmi program function 90"], &[]);
        plan.rules.iter_mut().for_each(|rule| rule.sentence.whole = true);
        Gate::of(&plan).table(&[
            ("read holding 0-2", "allow 0"),
            ("read holding 0-1", "deny value_not_allowed"),
            ("program function 90", "allow 1"),
        ]);
    }

    #[test]
    fn a_typed_rule_takes_no_single_bits_and_the_mask_that_sets_nothing_by_its_range() {
        let rules =
            ["hmi write holding 2 as i16 via 6, 22", "hmi write holding 5 = [] via 22", "hmi write holding 6 via 22"];
        let mut plan = plan(&rules, &[]);
        let step = rule("hmi write holding 6 step 1 via 22", true).sentence.step;
        Gate::of(&plan).table(&[
            ("write holding 2 = 7", "allow 0"),
            ("write holding 2 bit 3 = on via 22", "deny value_not_allowed"),
            ("write holding 2 = [] via 22", "allow 0"),
            ("write holding 5 = [] via 22", "allow 1"),
            ("write holding 5 bit 3 = on via 22", "deny value_not_allowed"),
            ("write holding 6 = [] via 22", "allow 2"),
        ]);
        plan.rules.iter_mut().for_each(|rule| rule.sentence.step.clone_from(&step));
        Gate::of(&plan).table(&[
            ("write holding 2 = [] via 22", "deny value_not_allowed"),
            ("write holding 5 = [] via 22", "deny value_not_allowed"),
            ("write holding 6 = [] via 22", "deny value_not_allowed"),
        ]);
    }

    #[test]
    fn bits_and_registers_cover_each_other_only_in_full() {
        let every =
            (0..16).map(|bit| std::format!("hmi write holding 1 bit {bit} via 6, 22")).collect::<std::vec::Vec<_>>();
        let mut rules: std::vec::Vec<&str> = every.iter().map(std::string::String::as_str).collect();
        rules.extend([
            "hmi write holding 2 via 6, 22",
            "hmi write holding 3 = 0..9 via 6, 22",
            "hmi write holding 4 bit 0 = on via 6, 22",
        ]);
        let gate = Gate::new(&rules, &[]);
        gate.table(&[
            ("write holding 1 bit 7 = on via 22", "allow 7"),
            ("write holding 1 = 5", "allow 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"),
            ("write holding 2 bit 7 = on via 22", "allow 16"),
            ("write holding 3 bit 0 = on via 22", "deny value_not_allowed"),
            ("write holding 4 bit 0 = on via 22", "allow 18"),
            ("write holding 4 bit 0 = off via 22", "deny value_not_allowed"),
            ("write holding 4 = 1", "deny address_not_allowed"),
            ("write holding 2 = [] via 22", "allow 16"),
        ]);
        let none = |first| Deed { values: Values::Words(&[]), ..write(first, 22, &[0, 0]) };
        assert_eq!(told(&gate.deeds(&[none(2)])), "allow 16", "a mask that sets nothing");
        assert_eq!(told(&gate.deeds(&[none(3)])), "deny value_not_allowed");
        let fifteen = Gate::new(&rules[1..16], &[]);
        fifteen.table(&[("write holding 1 = 5", "deny address_not_allowed")]);
        let valued: std::vec::Vec<_> = (0..16).map(|bit| std::format!("hmi write holding 1 bit {bit} = off")).collect();
        let valued: std::vec::Vec<&str> = valued.iter().map(std::string::String::as_str).collect();
        Gate::new(&valued, &[]).table(&[
            ("write holding 1 = 4", "deny value_not_allowed"),
            ("write holding 1 = 0", "allow 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"),
        ]);
        let mut third = every.clone();
        third[3] = std::string::String::from("hmi write holding 1 bit 3 = on via 6, 22");
        let third: std::vec::Vec<&str> = third.iter().map(std::string::String::as_str).collect();
        Gate::new(&third, &[]).table(&[
            ("write holding 1 = 8", "allow 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"),
            ("write holding 1 = 9", "allow 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15"),
            ("write holding 1 = 1", "deny value_not_allowed"),
        ]);
    }

    #[test]
    fn gen_13_a_step_is_measured_against_what_the_device_holds() {
        let rules = ["hmi write holding 40-43 = 0..1500 step 100 up or to 1200"];
        let gate = Gate::new(&rules, &[]).holds(HOLDING, 40, &[500, 500]);
        gate.table(&[
            ("write holding 40 = 600", "allow 0"),
            ("write holding 40 = 601", "deny step_not_allowed"),
            ("write holding 40 = 0", "allow 0"),
            ("write holding 40 = 1200", "allow 0"),
            ("write holding 40-41 = [600, 601]", "deny step_not_allowed"),
            ("write holding 40 = 1501", "deny value_not_allowed"),
            ("write holding 42 = 1", "ask holding 42+1"),
            ("write holding 41-43 = [1, 1, 1]", "ask holding 41+3"),
            ("write holding 41-42 = [1, 1501]", "deny value_not_allowed"),
            ("write holding 41-42 = [601, 1]", "deny step_not_allowed"),
            ("write holding 42-43 = [1200, 1200]", "allow 0"),
        ]);
        let gate = gate.at(5_000_000_001, &[]);
        assert_eq!(gate.say("write holding 40 = 600"), "ask holding 40+1", "older than step_age");
    }

    #[test]
    fn a_read_that_brings_no_answer_refuses_the_step_unless_the_conduit_says_otherwise() {
        let mut plan = plan(&["hmi write holding 40 = 0..9 step 1", "hmi write coil 0 = on when input 3 = 0..5"], &[]);
        let failed = [
            ReadFirst { unit: 1, object: HOLDING, first: 40, count: 1 },
            ReadFirst { unit: 1, object: INPUT, first: 3, count: 1 },
        ];
        let mut gate = Gate::of(&plan);
        gate.failed = failed.to_vec();
        gate.table(&[
            ("write holding 40 = 1", "deny step_not_allowed"),
            ("write coil 0 = on", "deny condition_not_met"),
        ]);
        plan.settings.0.insert("step_unknown", Setting::Text("allow".into()));
        let mut gate = Gate::of(&plan);
        gate.failed = failed.to_vec();
        gate.table(&[("write holding 40 = 1", "allow 0"), ("write coil 0 = on", "deny condition_not_met")]);
    }

    #[test]
    fn nothing_is_asked_that_the_verdict_does_not_hang_on() {
        let rules = [
            "hmi write holding 40 = 0..9 step 1 during day",
            "hmi write holding 41 = 0..9 step 1",
            "hmi write holding 41 = 5",
            "hmi write holding 42 = 0..9 step 1",
        ];
        let gate = Gate::new(&rules, &["any write holding 42 = 7"]);
        gate.table(&[
            ("write holding 40 = 1", "deny outside_schedule"),
            ("write holding 41 = 5", "allow 2"),
            ("write holding 41 = 6", "ask holding 41+1"),
            ("write holding 42 = 7", "deny value_not_allowed!"),
            ("write holding 40-41 = [1, 6]", "deny outside_schedule"),
        ]);
        let both = gate.deeds(&[write(41, 6, &[0, 6]), write(43, 6, &[0, 1])]);
        assert_eq!(told(&both), "deny address_not_allowed", "another deed is refused anyway");
    }

    #[test]
    fn questions_are_asked_one_by_one_in_the_order_of_the_elements() {
        let rules = ["hmi write holding 41 = 0..9 step 1", "hmi write holding 40 = 0..9 step 1"];
        let gate = Gate::new(&rules, &[]);
        gate.table(&[("write holding 40-41 = [1, 1]", "ask holding 40+1")]);
        let gate = gate.holds(HOLDING, 40, &[1]);
        gate.table(&[("write holding 40-41 = [1, 1]", "ask holding 41+1")]);
        let gate = gate.holds(HOLDING, 41, &[1]);
        gate.table(&[("write holding 40-41 = [1, 1]", "allow 1 0")]);
    }

    #[test]
    fn steps_of_wide_elements_read_whole_elements_and_can_read_elsewhere() {
        let rules = [
            "hmi write holding 42-45 = -20.0..80.0 step 1.5 as f32",
            "hmi write holding 50-53 = 0..9 step 1 from input 12",
        ];
        let gate = Gate::new(&rules, &[]);
        gate.table(&[
            ("write holding 44-45 = 20.5 as f32", "ask holding 44+2"),
            ("write holding 52 = 4", "ask input 14+1"),
            ("write holding 43-45 = [0, 16800, 0]", "deny value_not_allowed"),
            ("write holding 51-53 = [4, 4, 4]", "ask input 13+3"),
        ]);
        let gate = gate.holds(HOLDING, 44, &[0x41A0, 0]).holds(INPUT, 14, &[3]);
        gate.table(&[
            ("write holding 44-45 = 21.5 as f32", "allow 0"),
            ("write holding 44-45 = 21.75 as f32", "deny step_not_allowed"),
            ("write holding 52 = 4", "allow 1"),
            ("write holding 52 = 5", "deny step_not_allowed"),
        ]);
        let gate = gate.holds(HOLDING, 44, &[0x7FC0, 0]);
        assert_eq!(
            gate.say("write holding 44-45 = 21.5 as f32"),
            "deny step_not_allowed",
            "the device holds no number"
        );
    }

    #[test]
    fn a_condition_is_asked_for_and_must_hold() {
        let rules =
            ["hmi write coil 7 = on when discrete 20 = on", "hmi write holding 1 = 0..9 step 1 when input 4 = 0..5"];
        let gate = Gate::new(&rules, &[]).at(DAY, &[]);
        gate.table(&[
            ("write coil 7 = on", "ask discrete 20+1"),
            ("write coil 7 = off", "deny value_not_allowed"),
            ("write holding 1 = 1", "ask holding 1+1"),
        ]);
        let gate = gate.holds(crate::policy::fixture::DISCRETE, 20, &[1]).holds(HOLDING, 1, &[0]);
        gate.table(&[("write coil 7 = on", "allow 0"), ("write holding 1 = 1", "ask input 4+1")]);
        let gate = gate.holds(crate::policy::fixture::DISCRETE, 20, &[0]).holds(INPUT, 4, &[6]);
        gate.table(&[
            ("write coil 7 = on", "deny condition_not_met"),
            ("write holding 1 = 1", "deny condition_not_met"),
            ("write holding 1 = 2", "deny step_not_allowed"),
        ]);
    }
}
