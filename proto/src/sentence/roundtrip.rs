//! Is every sentence the same after it was printed and read again?

use alloc::{format, string::String, vec, vec::Vec};

use proptest::{collection::vec as several, option, prelude::*, sample::subsequence};

use super::{
    tests::{GRAMMAR, rule},
    *,
};

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9-]{1,32}".prop_filter("the word after `during` that turns it round", |name| name != "not")
}

/// Ranges in any order that share no index.
fn ranges(max: u32) -> impl Strategy<Value = Vec<(u32, u32)>> {
    (several(0..=max, 0..8), any::<bool>()).prop_map(|(mut ends, turned)| {
        ends.sort_unstable();
        ends.dedup();
        let mut all: Vec<_> = ends.chunks(2).map(|pair| (pair[0], pair[pair.len() - 1])).collect();
        if turned {
            all.reverse();
        }
        all
    })
}

fn num(format: Format) -> BoxedStrategy<Num> {
    match format.integers() {
        _ if format == Format::Bool => any::<bool>().prop_map(Num::Bool).boxed(),
        Some((least, most)) => (least..=most).prop_map(Num::Int).boxed(),
        None if format == Format::F32 => any::<f32>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|value| Num::Float(value.into()))
            .boxed(),
        None => prop_oneof![
            any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Num::Float),
            any::<i32>().prop_map(|value| Num::Int(value.into())),
        ]
        .boxed(),
    }
}

fn set(format: Format) -> impl Strategy<Value = Vec<(Num, Num)>> {
    several((num(format), num(format), any::<bool>()), 1..4).prop_map(move |items| {
        let item = |(a, b, single): (Num, Num, bool)| match (single || format == Format::Bool, a.is_above(b)) {
            (true, _) => (a, a),
            (false, true) => (b, a),
            (false, false) => (a, b),
        };
        items.into_iter().map(item).collect()
    })
}

fn step(format: Format) -> impl Strategy<Value = StepClause> {
    let size = num(format).prop_map(|size| match size {
        Num::Int(size) => Num::Int(size.abs()),
        Num::Float(size) => Num::Float(size.abs()),
        Num::Bool(on) => Num::Bool(on),
    });
    let direction = option::of(prop_oneof![Just(StepDirection::Up), Just(StepDirection::Down)]);
    let from = option::of((2u8..=3, 0u32..=65_535).prop_map(|(id, address)| (ObjectId(id), address)));
    (size, direction, several(num(format), 0..3), from).prop_map(|(size, direction, or_to, from)| StepClause {
        size,
        direction,
        or_to,
        from,
    })
}

fn when() -> impl Strategy<Value = When> {
    (0u8..=3, 0u32..=65_535).prop_flat_map(|(object, address)| {
        let format = if object < 2 { Format::Bool } else { Format::U16 };
        set(format).prop_map(move |values| When { object: ObjectId(object), address, values })
    })
}

fn max() -> impl Strategy<Value = Max> {
    let per = prop_oneof![Just(Per::Second), Just(Per::Minute), Just(Per::Hour)];
    (1u32.., per, any::<bool>()).prop_map(|(count, per, each)| Max { count, per, each })
}

fn during() -> impl Strategy<Value = During> {
    (name(), any::<bool>()).prop_map(|(schedule, not)| During { schedule, not })
}

/// WHO, the class, the object, its ranges, units and functions.
fn base() -> impl Strategy<Value = Sentence> {
    let place = prop_oneof![
        Just((Class::Read, 0u8, vec![1u16])),
        Just((Class::Read, 1, vec![2])),
        Just((Class::Read, 2, vec![4])),
        Just((Class::Read, 3, vec![3, 23])),
        Just((Class::Write, 0, vec![5, 15])),
        Just((Class::Write, 3, vec![6, 16, 22, 23])),
        Just((Class::Identify, 5, vec![43 + 256 * 15])),
        Just((Class::Diagnose, 7, vec![8])),
        Just((Class::Read, 6, vec![])),
    ];
    let parts = place.prop_flat_map(|(class, object, codes)| {
        let count = codes.len();
        let index = match object {
            5 => Just(vec![]).boxed(),
            6 => (0u32..=65_535, 0u32..=65_534)
                .prop_map(|(file, record)| vec![(file * 65_536 + record, file * 65_536 + 65_535)])
                .boxed(),
            _ => ranges(65_535).boxed(),
        };
        (Just((class, ObjectId(object))), index, subsequence(codes, 0..=count).prop_shuffle())
    });
    (name(), parts, ranges(255)).prop_map(|(who, ((class, object), ranges, via), units)| Sentence {
        who: Some(who),
        class,
        object,
        ranges,
        bit: None,
        units,
        values: None,
        step: None,
        value_type: None,
        whole: false,
        qualifiers: vec![],
        via,
        select_first: false,
        when: None,
        max: None,
        spends: None,
        during: None,
        always: false,
    })
}

/// The values of a write, with all that goes with them.
fn with_values(base: Sentence) -> BoxedStrategy<Sentence> {
    if base.class != Class::Write {
        return Just(base).boxed();
    }
    let bits = base.object == ObjectId(0);
    let formats = if bits { vec![Format::Bool] } else { Format::ALL.to_vec() };
    let picked = (proptest::sample::select(formats), any::<bool>(), 0u32..65_500, 1u32..5);
    let parts = picked.prop_flat_map(|(format, swapped, first, count)| {
        let wanted = usize::try_from(count % 4).expect("small");
        let stepping = if format == Format::Bool { Just(None).boxed() } else { option::of(step(format)).boxed() };
        (
            Just((format, swapped, first, count)),
            option::of(set(format)),
            several(num(format), wanted),
            stepping,
            0u8..16,
        )
    });
    (parts, any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(move |((picked, each, list, step, bit), positional, whole, always)| {
            let (format, swapped, first, count) = picked;
            let mut one = base.clone();
            let one_bit = format == Format::Bool && !bits;
            if one_bit {
                one.bit = Some(bit);
                one.ranges = vec![(first, first)];
            } else if positional || format.registers() > 1 {
                one.ranges = vec![(first, first + count * format.registers() - 1)];
            }
            one.values = match (positional && !one_bit, each) {
                (true, _) => Some(ValueSet::Positional(list)),
                (false, each) => each.map(ValueSet::Each),
            };
            if !bits && format != Format::Bool {
                one.value_type = Some(ValueType { format, swapped: swapped && format.registers() > 1 });
            }
            one.step = step;
            one.whole = whole && !one.ranges.is_empty();
            one.always = always
                && match &one.values {
                    None => false,
                    Some(ValueSet::Positional(_)) => true,
                    Some(ValueSet::Each(items)) => items.iter().all(|(low, high)| low == high),
                };
            one
        })
        .boxed()
}

fn sentence() -> impl Strategy<Value = Sentence> {
    let clauses = (option::of(when()), option::of(max()), option::of(name()), option::of(during()));
    (base().prop_flat_map(with_values), clauses).prop_map(|(one, (when, max, spends, during))| {
        let changes = matches!(one.class, Class::Write | Class::Diagnose);
        Sentence { when, max: max.filter(|_| changes), spends: spends.filter(|_| changes), during, ..one }
    })
}

/// Words of the language in any order, with a little noise.
fn noise() -> impl Strategy<Value = String> {
    let words: &[&str] = &[
        "any",
        "read",
        "write",
        "holding",
        "coil",
        "device-id",
        "file",
        "function",
        "0-9",
        "9-0",
        "4:0-9",
        "43/14",
        "bit",
        "unit",
        "=",
        "[",
        "]",
        ",",
        "on",
        "-1",
        "1..5",
        "5..1",
        "1e999",
        "step",
        "up",
        "or",
        "to",
        "from",
        "as",
        "f32",
        "swapped",
        "string",
        "whole",
        "via",
        "exactly",
        "when",
        "max",
        "6/min",
        "each",
        "spends",
        "during",
        "not",
        "always",
        "-",
        "..",
        "/",
        ":",
        "ø",
        "\u{a0}",
        "0x",
    ];
    let word = prop_oneof![4 => proptest::sample::select(words).prop_map(String::from), 1 => any::<String>()];
    several(word, 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn a_printed_sentence_reads_as_itself(one in sentence()) {
        let text = one.print(&GRAMMAR);
        let again = rule(&text);
        prop_assert_eq!(again.as_ref(), Ok(&one), "{}", text);
        prop_assert_eq!(again.map(|one| one.print(&GRAMMAR)), Ok(text));
        for addressing in [Addressing::OneBased, Addressing::Modicon] {
            let text = one.print_in(&GRAMMAR, addressing);
            let again = Sentence::parse(&text, Form::Rule, &GRAMMAR, addressing);
            prop_assert_eq!(again.as_ref(), Ok(&one), "{}", text);
        }
    }

    #[test]
    fn no_text_panics_and_every_fault_stands_in_it(text in noise()) {
        for form in [Form::Rule, Form::Deed] {
            for addressing in [Addressing::ZeroBased, Addressing::OneBased, Addressing::Modicon] {
                match Sentence::parse(&text, form, &GRAMMAR, addressing) {
                    Ok(one) => {
                        let printed = one.print(&GRAMMAR);
                        let again = Sentence::parse(&printed, form, &GRAMMAR, Addressing::ZeroBased);
                        prop_assert_eq!(again.as_ref(), Ok(&one), "{} -> {}", text, printed);
                    }
                    Err(faults) => {
                        prop_assert!(!faults.is_empty());
                        for fault in faults {
                            prop_assert!(text.get(fault.span.clone()).is_some(), "{:?} in {:?}", fault, text);
                            prop_assert!(!fault.message.is_empty());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_address_reads_as_it_is_written(address in 0u32..=65_535) {
        for addressing in [Addressing::ZeroBased, Addressing::OneBased, Addressing::Modicon] {
            for object in &GRAMMAR.objects[..4] {
                let text = format!("any read {} {}", object.word, addressing.write(object, address));
                let one = Sentence::parse(&text, Form::Rule, &GRAMMAR, addressing);
                prop_assert_eq!(one.map(|one| one.ranges), Ok(vec![(address, address)]), "{}", text);
            }
        }
    }
}
