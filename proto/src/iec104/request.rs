//! What does one ASDU ask or tell, and what would it do?

use core::ops::ControlFlow;

use super::{
    asdu::{Asdu, Direction, Object},
    cause,
    content::{Content, Value},
    types::Kind,
};
use crate::{
    deed::{Deed, Real, Scalar, Seen, Values},
    kept::Kept,
    vocab::Class,
};

/// One application message: an ASDU of a control centre or of a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    /// The ASDU.
    pub asdu: Asdu<'b>,
    /// Whether what it executes was selected before by the same peer, and the station has confirmed that.
    pub selected: bool,
}

/// Freeze and reset, in the qualifier of a counter interrogation.
const FREEZES: u8 = 0xC0;
/// In the octet before a stored ASDU.
const SELECTED: u8 = 1;
const MONITOR: u8 = 2;

impl<'b> Request<'b> {
    /// A message that was not selected before.
    pub const fn new(asdu: Asdu<'b>) -> Self {
        Self { asdu, selected: false }
    }

    /// Whether it selects, and executes nothing.
    pub fn selects(&self) -> bool {
        self.asdu.objects().any(|object| self.content(object).selects)
    }

    /// Visits the deeds, object by object. S/E, T, P/N and whether an act is begun or broken off are no part of a deed:
    /// a select and a deactivation are judged as what they prepare and stop.
    pub(crate) fn deeds<B>(&self, each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        self.asdu.objects().try_for_each(|object| each(self.deed(object)))
    }

    pub(super) fn deed(&self, object: Object<'_>) -> Deed<'static> {
        let spec = self.asdu.spec();
        let content = self.content(object);
        let class = self.class(&content);
        let index = if spec.kind.has_point() { object.ioa } else { 0 };
        let tells = class == Class::Report;
        Deed {
            class,
            object: spec.object,
            unit: self.unit(),
            function: self.function(),
            first: index,
            last: index,
            bit: None,
            values: if tells { Values::None } else { written(content.value) },
            qualifier: content.qualifier.filter(|_| !tells),
            unselected: class == Class::Control
                && self.asdu.cause() == cause::ACTIVATION
                && !content.selects
                && !self.selected,
        }
    }

    fn content(&self, object: Object<'_>) -> Content {
        Content::of(self.asdu.spec().kind, object.element)
    }

    /// Whatever comes from a station is a report.
    fn class(&self, content: &Content) -> Class {
        let spec = self.asdu.spec();
        match (self.asdu.direction(), spec.kind) {
            (Direction::Monitor, _) => Class::Report,
            (Direction::Control, Kind::CounterInterrogation)
                if content.qualifier.is_some_and(|qcc| qcc & FREEZES != 0) =>
            {
                Class::Control
            }
            (Direction::Control, _) => spec.class,
        }
    }

    /// What a station says that it holds. A value that it does not vouch for, or that is none, is not known any more,
    /// whatever it was before: a breaker that moves is neither on nor off.
    pub(crate) fn seen(&self, each: &mut dyn FnMut(Seen)) {
        if self.asdu.direction() != Direction::Monitor || self.asdu.is_test() {
            return;
        }
        for object in self.asdu.objects() {
            let content = self.content(object);
            if content.value != Value::None {
                let value = held(content.value).filter(|_| content.is_good());
                each(Seen { unit: self.unit(), object: self.asdu.spec().object, address: object.ioa, value });
            }
        }
    }

    /// The type identification.
    pub(crate) fn function(&self) -> u16 {
        u16::from(self.asdu.type_id())
    }

    /// The common address.
    pub(crate) fn unit(&self) -> u32 {
        u32::from(self.asdu.ca())
    }

    /// Whether it may change points that it does not name: a reset sets them to what they start with.
    pub(crate) fn unsettles(&self) -> bool {
        self.asdu.spec().kind == Kind::Reset
    }

    /// Its way, whether it was selected, and its bytes.
    pub(crate) fn store(&self) -> Kept {
        let way = if self.asdu.direction() == Direction::Monitor { MONITOR } else { 0 };
        let flags = way | if self.selected { SELECTED } else { 0 };
        Kept::from([&[flags], self.asdu.write().as_slice()].concat().as_slice())
    }

    /// What [`Self::store`] kept.
    pub(crate) fn restore(bytes: &'b [u8]) -> Option<Self> {
        let (flags, bytes) = bytes.split_first()?;
        let direction = if flags & MONITOR == 0 { Direction::Control } else { Direction::Monitor };
        Some(Self { asdu: Asdu::read(bytes, direction).ok()?, selected: flags & SELECTED != 0 })
    }
}

/// The values of what acts.
fn written(value: Value) -> Values<'static> {
    match value {
        // Neither on nor off is refused before it is judged.
        Value::None | Value::Between(_) => Values::None,
        Value::Switch(on) => Values::Bit(on),
        Value::Whole(whole) => Values::One(Scalar::Whole(whole)),
        Value::Real(real) => Values::One(Scalar::Real(Real::new(real))),
    }
}

/// The same of what is told: a switch counts as 0 or 1.
fn held(value: Value) -> Option<Scalar> {
    match value {
        Value::None | Value::Between(_) => None,
        Value::Switch(on) => Some(Scalar::Whole(on.into())),
        Value::Whole(whole) => Some(Scalar::Whole(whole)),
        Value::Real(real) => Some(Scalar::Real(Real::new(real))).filter(|_| real.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::iec104::conformance::hex;

    fn seen(bytes: &str, direction: Direction) -> Vec<(u32, Option<Scalar>)> {
        let (bytes, mut all) = (hex(bytes), Vec::new());
        let asdu = Asdu::read(&bytes, direction).expect("an ASDU");
        Request::new(asdu).seen(&mut |seen| all.push((seen.address, seen.value)));
        all
    }

    #[test]
    fn only_what_a_station_tells_in_earnest_is_known() {
        let monitor = Direction::Monitor;
        let whole = |whole| Some(Scalar::Whole(whole));
        assert_eq!(seen("018203000100 070000 0100", monitor), [(7, whole(1)), (8, whole(0))]);
        assert_eq!(seen("030203000100 070000 01 090000 03", monitor), [(7, whole(0)), (9, None)]);
        assert_eq!(seen("010183000100 070000 01", monitor), [], "a test");
        assert_eq!(seen("2d0106000100 070000 01", Direction::Control), [], "a command is not what is");
    }

    #[test]
    fn a_stored_request_comes_back_as_it_was() {
        for (bytes, direction, selected) in [
            ("2d0106000100 070000 01", Direction::Control, true),
            ("2d0106000100 070000 01", Direction::Control, false),
            ("2d0107000100 070000 01", Direction::Monitor, false),
        ] {
            let bytes = hex(bytes);
            let asdu = Asdu::read(&bytes, direction).expect("an ASDU");
            let stored = Request { asdu, selected }.store();
            let restored = Request::restore(&stored).expect("it was stored");
            assert_eq!((restored.asdu, restored.selected), (asdu, selected));
        }
        assert!(Request::restore(&[]).is_none() && Request::restore(&[0, 45]).is_none());
    }
}
