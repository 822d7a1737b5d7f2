//! Does a deny rule touch this deed?

use core::ops::ControlFlow;

use super::{
    RuleIx,
    number::{self, Span},
    ready::{Admits, Ready},
    tree::Entry,
    view::ViewInner,
    weigh::Stage,
};
use crate::{deed::Deed, time::Now};

/// A deny rule that touches a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    /// [`Stage::Value`] where the rule carries values, else [`Stage::Address`].
    pub(super) stage: Stage,
    pub(super) rule: RuleIx,
}

/// The deny rule that touches `deed`: one without values before one with, then the first of the plan.
pub(super) fn touch(view: &ViewInner, deed: &Deed<'_>, now: Now) -> Option<Touch> {
    let table = view.table((deed.class, deed.object))?;
    let mut found: Option<Touch> = None;
    let _ = table.deny.visit::<()>(deed.first, deed.last, &mut |entry| {
        if let Some(ready) = view.policy.ready(entry.rule)
            && ready.denies_function(deed.function)
            && ready.names_unit(deed.unit)
            && ready.admits_qualifier(deed)
            && ready.applies(now.schedules)
            && touches(ready, entry, deed)
        {
            let stage = if ready.values.is_some() { Stage::Value } else { Stage::Address };
            let touch = Touch { stage, rule: entry.rule };
            if found.is_none_or(|other| (touch.stage, touch.rule) < (other.stage, other.rule)) {
                found = Some(touch);
            }
        }
        ControlFlow::Continue(())
    });
    found
}

/// Whether a deny rule whose range shares an index with the deed touches it. What cannot be told apart touches.
fn touches(ready: &Ready, entry: &Entry, deed: &Deed<'_>) -> bool {
    if let (Some(bit), Some(other)) = (ready.bit, deed.bit)
        && bit != other
    {
        return false;
    }
    let Some(values) = &ready.values else { return true };
    match (ready.bit, deed.bit) {
        // Nothing to compare: a mask that sets nothing, or a deed without values.
        _ if deed.values.is_empty() => true,
        _ if ready.sets_nothing() => false,
        // A part of a register against a number.
        (None, Some(_)) => true,
        (None, None) | (Some(_), _) => match values {
            Admits::Each(spans) => elements(ready, entry, deed).any(|(_, value)| matches(value, spans)),
            // One pattern for the whole range: whatever writes a part of it and nothing else.
            Admits::Positional(spans) => elements(ready, entry, deed)
                .all(|(place, value)| spans.get(place).is_none_or(|span| matches(value, core::slice::from_ref(span)))),
        },
    }
}

/// An element whose value is not known in full, or is no number, matches.
fn matches(value: Option<number::Value>, spans: &[Span]) -> bool {
    value.is_none_or(|value| !value.is_finite() || spans.iter().any(|span| span.admits(value)))
}

/// The elements of the rule's range that the deed touches: their place, and their value where all of it is written.
fn elements(ready: &Ready, entry: &Entry, deed: &Deed<'_>) -> impl Iterator<Item = (usize, Option<number::Value>)> {
    let width = ready.width();
    let anchor = entry.first;
    let place_of = move |index: u32| index.saturating_sub(anchor).checked_div(width).unwrap_or(0);
    let places = place_of(entry.first.max(deed.first))..=place_of(entry.last.min(deed.last));
    places.map(move |place| {
        let start = anchor.saturating_add(place.saturating_mul(width));
        let at = move |offset: u32| start.checked_add(offset)?.checked_sub(deed.first);
        let register = |offset: u32| deed.values.get(at(offset)?);
        let value = match (ready.bit, deed.bit) {
            (Some(bit), None) => register(0)
                .and_then(|word| word.checked_shr(u32::from(bit)))
                .map(|word| number::Value::Whole(i128::from(word & 1))),
            _ => ready.read(|offset| deed.values.scalar(at(offset)?), register),
        };
        (usize::try_from(place).unwrap_or(usize::MAX), value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        deed::Values,
        policy::fixture::{Gate, told, write},
    };

    #[test]
    fn a_deny_rule_wins_wherever_it_stands() {
        let gate = Gate::new(
            &["hmi write holding 0-99 via 6, 16, 22, 23", "hmi read holding 0-99"],
            &[
                "any write holding 90-99",
                "hmi write holding 5 unit 2",
                "eng write holding 0",
                "any write holding 7 via 16",
            ],
        );
        gate.table(&[
            ("write holding 89-90 = [1, 2]", "deny address_not_allowed!"),
            ("write holding 90 bit 3 = on via 22", "deny address_not_allowed!"),
            ("read holding 90", "allow 1"),
            ("write holding 5 = 1", "allow 0"),
            ("write holding 5 unit 2 = 1", "deny address_not_allowed!"),
            ("write holding 0 = 1", "allow 0"),
            ("write holding 7 = 1", "allow 0"),
            ("write holding 6-7 = [1, 1]", "deny address_not_allowed!"),
        ]);
        assert_eq!(
            told(&gate.deeds(&[write(99, 23, &[0, 0])])),
            "deny address_not_allowed!",
            "MB-22: the write half of 23"
        );
    }

    #[test]
    fn a_deny_rule_with_values_touches_those_alone_and_what_cannot_be_told_apart() {
        let gate = Gate::new(
            &["hmi write holding 0-99 via 6, 16, 22", "hmi write coil 0-9"],
            &[
                "any write holding 5 = 1000..2000",
                "any write holding 20-23 = 50.0..90.0 as f32",
                "any write coil 3 = on",
                "any write holding 30-31 = [1, 2]",
            ],
        );
        gate.table(&[
            ("write holding 4-6 = [1500, 999, 1500]", "allow 0"),
            ("write holding 4-6 = [0, 1500, 0]", "deny value_not_allowed!"),
            ("write holding 5 bit 0 = on via 22", "deny value_not_allowed!"),
            ("write holding 6 bit 0 = on via 22", "allow 0"),
            ("write holding 20-21 = 20.0 as f32", "allow 0"),
            ("write holding 20-21 = 60.0 as f32", "deny value_not_allowed!"),
            // GEN-13: half of a protected pair, and what is no number.
            ("write holding 20 = 0", "deny value_not_allowed!"),
            ("write holding 19-20 = [0, 0]", "deny value_not_allowed!"),
            ("write holding 20-21 = [32704, 0]", "deny value_not_allowed!"),
            ("write coil 2-4 = [on, off, on]", "allow 1"),
            ("write coil 2-4 = [off, on, off]", "deny value_not_allowed!"),
            // A denied pattern: whatever brings it about, and nothing else.
            ("write holding 30-31 = [1, 2]", "deny value_not_allowed!"),
            ("write holding 31 = 2", "deny value_not_allowed!"),
            ("write holding 30-31 = [1, 3]", "allow 0"),
            ("write holding 29-32 = [0, 1, 2, 0]", "deny value_not_allowed!"),
        ]);
        let nothing = Deed { values: Values::Words(&[]), ..write(5, 22, &[0, 0]) };
        assert_eq!(told(&gate.deeds(&[nothing])), "deny value_not_allowed!");
    }

    #[test]
    fn the_first_deny_rule_of_the_plan_speaks_and_one_of_the_empty_write_touches_nothing_else() {
        let gate = Gate::new(
            &["hmi write holding 0-9 via 6, 22"],
            &["any write holding 5 = []", "any write holding 0-9 = 7", "any write holding 4-5 = 7"],
        );
        gate.table(&[
            ("write holding 5 = 1", "allow 0"),
            ("write holding 5 bit 1 = on via 22", "deny value_not_allowed!"),
            ("write holding 5 = [] via 22", "deny value_not_allowed!"),
        ]);
        let rule = |first, words| touch(&gate.view.inner, &write(first, 6, words), gate.now).map(|touch| touch.rule);
        assert_eq!(rule(4, &[0, 7]), Some(RuleIx(2)));
        assert_eq!(rule(5, &[0, 7]), Some(RuleIx(2)));
        assert_eq!(rule(5, &[0, 8]), None);
        let gate = Gate::new(&["hmi write holding 0-9 via 22"], &["any write holding 5 = []"]);
        gate.table(&[
            ("write holding 5 = [] via 22", "deny value_not_allowed!"),
            ("write holding 4 = [] via 22", "allow 0"),
        ]);
        let gate = Gate::new(&[], &["any write holding 5 = 7", "any write holding 0-9 = 7", "any write holding 6"]);
        let of = |first| touch(&gate.view.inner, &write(first, 6, &[0, 7]), gate.now);
        assert_eq!(of(5), Some(Touch { stage: Stage::Value, rule: RuleIx(0) }), "by the plan, not by the range");
        assert_eq!(of(6), Some(Touch { stage: Stage::Address, rule: RuleIx(2) }), "whatever its values");
    }

    #[test]
    fn a_denied_bit_is_denied_in_a_whole_register_too() {
        let gate = Gate::new(
            &["hmi write holding 0-9 via 6, 16, 22"],
            &["any write holding 4 bit 3 = on", "any write holding 5 bit 0"],
        );
        gate.table(&[
            ("write holding 4 = 8", "deny value_not_allowed!"),
            ("write holding 4 = 7", "allow 0"),
            ("write holding 4 bit 3 = on via 22", "deny value_not_allowed!"),
            ("write holding 4 bit 3 = off via 22", "allow 0"),
            ("write holding 4 bit 2 = on via 22", "allow 0"),
            ("write holding 5 = 0", "deny address_not_allowed!"),
            ("write holding 5 bit 1 = on via 22", "allow 0"),
        ]);
    }
}
