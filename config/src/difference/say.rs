//! How is a change told in sentences of the language?

use std::collections::BTreeSet;

use sluicegate_proto::{
    deed::ObjectId,
    sentence::{Element, Format, Grammar, Index, ObjectSpec, Sentence, ValueSet, ValueType},
};

use super::{
    Change, Kind, Points, Said, What,
    merge::Item,
    part::{Part, free},
    raw,
    slice::{Met, Shape, Slice, Topic},
    sweep::{Labels, REFUSED, domain},
    terms::Terms,
    unsigned,
};

/// In whose words.
pub(super) struct Tongue<'t> {
    pub(super) grammar: &'static Grammar,
    pub(super) topic: Topic,
    pub(super) sides: [&'t Met; 2],
}

impl Tongue<'_> {
    /// An item as changes: one, or several where one sentence cannot say it.
    pub(super) fn change(&self, item: &Item, labels: &Labels) -> Vec<Change> {
        let kind = match item.labels {
            [REFUSED, _] => Kind::Allowed,
            [_, REFUSED] => Kind::Refused,
            [before, now] if before == now => Kind::Kept,
            _ => Kind::Terms,
        };
        let mut changes = Vec::new();
        for item in self.apart(item, labels) {
            let Some(spec) = self.grammar.object(self.topic.1) else { continue };
            let said = |side: usize| {
                let terms = labels.get(item.labels[side]);
                let format = item.formats[side].or(item.formats[1 - side]);
                terms.iter().map(|terms| self.said(&item, spec, terms, format)).collect()
            };
            let what = What::Points(self.points(&item, spec));
            let (mut before, mut now): (Vec<Said>, Vec<Said>) = (said(0), said(1));
            if kind == Kind::Terms && before == now {
                // The words are the same, what they name is not.
                for (side, said) in [&mut before, &mut now].into_iter().enumerate() {
                    let terms = labels.get(item.labels[side]);
                    said.iter_mut().zip(terms).for_each(|(said, terms)| said.words.extend(terms.details()));
                }
            }
            changes.push(Change { kind, what, before, now });
        }
        changes
    }

    /// What one sentence can say: one range where a step is read back elsewhere or one bit is named, one form of values.
    fn apart(&self, item: &Item, labels: &Labels) -> Vec<Item> {
        let read_back = item.labels.iter().any(|place| labels.get(*place).iter().any(|terms| terms.from.is_some()));
        let mask = item.codes.iter().any(|code| self.grammar.masks.contains(code));
        let all: BTreeSet<Shape> = (0..16).map(Shape::Bit).chain([Shape::Number, Shape::Nothing]).collect();
        let bits: BTreeSet<Shape> = (0..16).map(Shape::Bit).collect();
        let mut forms = vec![item.shapes.clone()];
        if mask && item.shapes != all {
            let whole = item.shapes.is_superset(&bits);
            let rest = item.shapes.iter().copied().filter(|shape| !whole || !bits.contains(shape));
            forms = rest.map(|shape| BTreeSet::from([shape])).chain(whole.then(|| bits.clone())).collect();
        }
        let mut apart = Vec::new();
        for shapes in forms {
            let single = matches!(shapes.iter().next(), Some(Shape::Bit(_))) && shapes.len() == 1;
            let mut one = Item { shapes, ..item.clone() };
            if item.shapes.len() > 1
                && let (Some(shape), Some(spec)) = (one.shapes.first(), self.grammar.object(self.topic.1))
            {
                // Only what is open is put together of several forms.
                one.values = domain(*shape, spec, item.layout);
            }
            if single {
                let registers = item.ranges.iter().flat_map(|(first, last)| *first..=*last);
                apart.extend(registers.map(|index| Item { ranges: vec![(index, index)], ..one.clone() }));
            } else if read_back {
                apart.extend(item.ranges.iter().map(|range| Item { ranges: vec![*range], ..one.clone() }));
            } else {
                apart.push(one);
            }
        }
        apart
    }

    fn points(&self, item: &Item, spec: &ObjectSpec) -> Points {
        let whole = item
            .shapes
            .iter()
            .all(|shape| *shape == Shape::Number || *shape == Shape::Empty || matches!(shape, Shape::Bit(_)));
        let shape = item.shapes.iter().next().copied().unwrap_or(Shape::Empty);
        let open = !whole || item.values == domain(shape, spec, item.layout);
        Points {
            class: self.topic.0,
            object: self.topic.1,
            functions: item.codes.clone(),
            shapes: item.shapes.clone(),
            units: item.units.clone(),
            qualifiers: item.qualifiers.clone(),
            ranges: item.ranges.clone(),
            element: (item.layout.width, item.layout.swapped),
            values: (!open).then(|| item.values.clone()),
        }
    }

    /// One way in which the points are allowed.
    fn said(&self, item: &Item, spec: &ObjectSpec, terms: &Terms, format: Option<Format>) -> Said {
        let mut sentence = free(self.topic.0, self.topic.1);
        sentence.ranges = self.shown_ranges(&item.ranges, spec);
        sentence.via = self.via(&item.codes, item.layout.width);
        sentence.units = self.units(&item.units);
        sentence.qualifiers = self.qualifiers(item.qualifiers.as_deref());
        let mut words = Vec::new();
        match item.shapes.iter().next().copied() {
            Some(Shape::Bit(bit)) if item.shapes.len() == 1 => {
                sentence.bit = Some(bit);
                if item.values != raw::full(1) {
                    sentence.values = raw::to_clause(&item.values, Format::Bool).map(ValueSet::Each);
                }
            }
            Some(Shape::Bit(_)) if item.shapes.len() == 16 => words.push("as single bits".to_owned()),
            Some(Shape::Nothing) if item.shapes.len() == 1 => words.push("as a mask that changes nothing".to_owned()),
            Some(Shape::Number) if item.shapes.len() == 1 => {
                self.values(item, spec, format, (&mut sentence, &mut words));
            }
            _ => {}
        }
        if item.shapes.contains(&Shape::Number)
            && item.shapes.len() == 1
            && item.codes.iter().any(|code| self.grammar.masks.contains(code))
        {
            words.push("as whole registers".to_owned());
        }
        words.extend(terms.write(&mut sentence, item.ranges.first().map_or(0, |range| range.0)));
        Said { sentence, words }
    }

    fn values(
        &self,
        item: &Item,
        spec: &ObjectSpec,
        format: Option<Format>,
        (sentence, words): (&mut Sentence, &mut Vec<String>),
    ) {
        let own = match spec.element {
            Element::Bit | Element::Switch { .. } => Format::Bool,
            Element::Number(format) => format,
            Element::Register | Element::None => format.unwrap_or(unsigned(item.layout.width)),
        };
        let fits = |format: Format| raw::bits(format) == raw::bits(unsigned(item.layout.width));
        let register = spec.element == Element::Register;
        let mut format = if register && !fits(own) { unsigned(item.layout.width) } else { own };
        let all = item.values == domain(Shape::Number, spec, item.layout);
        if all {
            format = if register { unsigned(item.layout.width) } else { own };
        } else if item.values != raw::finite(format) || raw::not_finite(format).is_empty() {
            let mut clause = raw::to_clause(&item.values, format);
            if clause.is_none() && register {
                format = unsigned(item.layout.width);
                clause = raw::to_clause(&item.values, format);
            }
            let clause = clause.unwrap_or_else(|| {
                words.push("and what is no number".to_owned());
                let finite = raw::intersect(&item.values, &raw::finite(format));
                raw::to_clause(&finite, format).unwrap_or_default()
            });
            sentence.values = (!clause.is_empty()).then_some(ValueSet::Each(clause));
        } else if !register {
            words.push("every number, and nothing that is none".to_owned());
        }
        if register && format != Format::U16 {
            sentence.value_type = Some(ValueType { format, swapped: item.layout.swapped });
        }
    }

    /// A rule of a slice, as it stands; inside a zone only.
    pub(super) fn rule(&self, part: &Part, slice: &Slice<'_>, zone: Option<(u32, u32)>) -> Said {
        let mut sentence = part.sentence.clone();
        sentence.via.clone_from(&slice.codes);
        sentence.units = self.units(&slice.units);
        sentence.qualifiers = self.qualifiers(slice.qualifiers.as_deref());
        if zone.is_some() {
            sentence.ranges.clone_from(&part.ranges);
        }
        let mut words = Vec::new();
        if !part.allow {
            words.push("as a deny rule".to_owned());
        }
        Said { sentence, words }
    }

    /// A rule that was told for several functions, by as few words as it takes.
    pub(super) fn settle(&self, mut change: Change) -> Change {
        for said in change.before.iter_mut().chain(&mut change.now) {
            let width = said.sentence.value_type.map_or(1, |kind| kind.format.registers());
            said.sentence.via = self.via(&said.sentence.via, width);
        }
        change
    }

    /// No ranges where that says all.
    fn shown_ranges(&self, ranges: &[(u32, u32)], spec: &ObjectSpec) -> Vec<(u32, u32)> {
        match spec.index {
            Index::None => Vec::new(),
            _ if ranges == [(0, super::part::highest(spec))] => Vec::new(),
            _ => ranges.to_vec(),
        }
    }

    /// No functions where they are all that a rule without `via` stands for.
    fn via(&self, codes: &[u16], width: u32) -> Vec<u16> {
        let served = |code: u16| {
            self.sides.iter().any(|met| met.open && met.functions.as_ref().is_none_or(|codes| codes.contains(&code)))
        };
        let rows = self.grammar.functions.iter().filter(|row| (row.class, row.object) == self.topic && !row.named_only);
        let mut usual: Vec<u16> = rows
            .filter(|row| served(row.code) && (self.grammar.longest_deed)(row.code, row.class) >= width)
            .map(|row| row.code)
            .collect();
        usual.sort_unstable();
        usual.dedup();
        if codes == usual { Vec::new() } else { codes.to_vec() }
    }

    /// No units where they are all that either side serves.
    fn units(&self, units: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let mut all: Vec<u32> =
            self.sides.iter().filter(|met| met.open).filter_map(|met| met.units.as_ref()).flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        let bounded = self.sides.iter().all(|met| !met.open || met.units.is_some());
        let within = |unit: &u32| units.iter().any(|(first, last)| (*first..=*last).contains(unit));
        let every = if bounded { all.iter().all(within) } else { units == [(0, self.grammar.unit_max)] };
        if every { Vec::new() } else { units.to_vec() }
    }

    fn qualifiers(&self, qualifiers: Option<&[(u32, u32)]>) -> Vec<(u32, u32)> {
        let (class, object): (_, ObjectId) = self.topic;
        let domain = (self.grammar.qualifiers)(object, class);
        match (qualifiers, domain) {
            (Some(ranges), Some(domain)) if ranges != [domain] => ranges.to_vec(),
            _ => Vec::new(),
        }
    }
}
