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
use crate::{
    deed::{Deed, Values},
    time::Now,
};

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
    match (ready.bit, deed.bit, deed.values) {
        // Nothing to compare: a mask that sets nothing, or a deed without values.
        (_, _, Values::None) => true,
        // A part of a register against a number.
        (None, Some(_), _) => true,
        _ => match values {
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
    let width = number::width(ready.kind.format);
    let anchor = entry.first;
    let place_of = move |index: u32| index.saturating_sub(anchor).checked_div(width).unwrap_or(0);
    let places = place_of(entry.first.max(deed.first))..=place_of(entry.last.min(deed.last));
    places.map(move |place| {
        let start = anchor.saturating_add(place.saturating_mul(width));
        let register = |offset: u32| deed.values.get(start.checked_add(offset)?.checked_sub(deed.first)?);
        let value = match (ready.bit, deed.bit) {
            (Some(bit), None) => register(0)
                .and_then(|word| word.checked_shr(u32::from(bit)))
                .map(|word| number::Value::Whole(i128::from(word & 1))),
            _ => number::decode(ready.kind, register),
        };
        (usize::try_from(place).unwrap_or(usize::MAX), value)
    })
}
