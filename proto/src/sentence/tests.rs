//! Do sentences parse, print and come back the same, and does each slip get its own fault? A small grammar of its own.

use super::*;
use crate::{
    deed::{Deed, Values},
    protocol::Protocol,
};
use alloc::{string::String, vec::Vec};

const fn points(word: &'static str, element: Element, classes: &'static [Class], digit: u8) -> ObjectSpec {
    ObjectSpec { word, index: Index::Address { max: 65_535 }, element, classes, modicon: Some(digit), served: true }
}

const fn other(word: &'static str, index: Index, classes: &'static [Class]) -> ObjectSpec {
    ObjectSpec { word, index, element: Element::None, classes, modicon: None, served: true }
}

const fn row(code: u16, object: u8, class: Class, named_only: bool) -> FunctionSpec {
    FunctionSpec { code, name: "f", object: ObjectId(object), class, named_only }
}

const COIL: ObjectId = ObjectId(0);
const HOLDING: ObjectId = ObjectId(3);
const FUNCTION: ObjectId = ObjectId(4);
const DEVICE_ID: ObjectId = ObjectId(5);

pub(super) static GRAMMAR: Grammar = Grammar {
    unit_word: "unit",
    units_key: "units",
    reserved_units: None,
    longest_read: |_| None,
    longest_deed: |_, _| 1,
    masks: &[],
    qualifiers: |_, _| None,
    unit_max: 255,
    all_answer: false,
    index_word: None,
    qualifier_word: None,
    selects: &[],
    twins: &[],
    objects: &[
        points("coil", Element::Bit, &[Class::Read, Class::Write], 0),
        points("discrete", Element::Bit, &[Class::Read], 1),
        points("input", Element::Register, &[Class::Read], 3),
        points("holding", Element::Register, &[Class::Read, Class::Write], 4),
        other("function", Index::Code, &[Class::Program, Class::Diagnose, Class::Identify]),
        other("device-id", Index::None, &[Class::Identify]),
        other("file", Index::FileRecord, &[Class::Read, Class::Write]),
        other("diagnostic", Index::Number { max: 65_535 }, &[Class::Diagnose]),
        ObjectSpec { served: false, ..other("fifo", Index::Address { max: 65_535 }, &[Class::Read]) },
    ],
    functions: &[
        row(1, 0, Class::Read, false),
        row(2, 1, Class::Read, false),
        row(3, 3, Class::Read, false),
        row(4, 2, Class::Read, false),
        row(5, 0, Class::Write, false),
        row(6, 3, Class::Write, false),
        row(15, 0, Class::Write, false),
        row(16, 3, Class::Write, false),
        row(22, 3, Class::Write, true),
        row(23, 3, Class::Read, false),
        row(23, 3, Class::Write, true),
        row(43 + 256 * 15, 5, Class::Identify, false),
        row(8, 7, Class::Diagnose, false),
    ],
    code_class: crate::modbus::GRAMMAR.code_class,
    risks: &[],
};

pub(super) fn rule(text: &str) -> Result<Sentence, Vec<SentenceFault>> {
    Sentence::parse(text, Form::Rule, &GRAMMAR, Addressing::ZeroBased)
}

/// The kind, the words under the span, the message and the help of each fault.
pub(super) fn faults_of(text: &str, form: Form, addressing: Addressing) -> Vec<(FaultKind, String, String, String)> {
    let faults = Sentence::parse(text, form, &GRAMMAR, addressing).err().unwrap_or_default();
    let told = |fault: SentenceFault| {
        let under = String::from(&text[fault.span.clone()]);
        (fault.kind, under, fault.message, fault.help.unwrap_or_default())
    };
    faults.into_iter().map(told).collect()
}

#[test]
fn canonical_sentences_print_as_they_were_written() {
    for text in [
        "hmi read holding 0-99, 200-219",
        "hmi read input 0-63",
        "hmi write holding 40 = 0..1500 step 100 up max 6/min",
        "hmi write holding 42-43 = -20.0..80.0 as f32 via 16",
        "hmi write coil 7 = off always",
        "any write holding 90-99",
        "hmi identify device-id",
        "hmi write coil 7 = on when discrete 20 = on",
        "any read holding",
        "eng program function 90",
        "eng program function 43/13, 90",
        "eng read file 4:0-9, 5:7",
        "eng diagnose diagnostic 4 unit 1-5, 9 max 1/h each spends tests during not day-shift",
        "hmi write holding 40 bit 3 unit 2 = on via 22",
        "hmi write holding 4-7 = [0, 0, 1500, 0] via 16",
        "hmi write holding 4-7 = [0.5, -1.0] as f32 swapped",
        "hmi write holding 4 = 1, 2, 5 step 3 down or to 0, 5 from input 12 whole",
        "hmi write holding 4 = 1..3, 7 when holding 5 = 1, 4..6 max 10/s during night",
        "read read coil 0",
        "max read coil 0",
        "hmi write coil 0 = on spends always during step",
        "hmi identify device-id unit 1 via 43/14",
    ] {
        assert_eq!(rule(text).map(|one| one.print(&GRAMMAR)).as_deref(), Ok(text));
    }
}

#[test]
fn blanks_and_forms_of_numbers_are_normalised_and_nothing_else() {
    for (text, printed) in [
        ("  hmi  read holding 200-219,0-99 ", "hmi read holding 200-219, 0-99"),
        ("hmi write holding 0x28=0x1F", "hmi write holding 40 = 31"),
        ("hmi write holding 007-7 unit 1,3 = 5..5", "hmi write holding 7 unit 1, 3 = 5"),
        ("hmi write coil 0-2 =[1,0,on]", "hmi write coil 0-2 = [on, off, on]"),
        ("hmi write holding 0-1 = 20.50 as f32", "hmi write holding 0-1 = 20.5 as f32"),
        ("hmi write holding 0-3 = 1e300 as f64", "hmi write holding 0-3 = 1e300 as f64"),
    ] {
        assert_eq!(rule(text).map(|one| one.print(&GRAMMAR)).unwrap_or_default(), printed, "{text}");
    }
}

#[test]
fn the_parts_of_a_sentence_come_out_zero_based() {
    let one = Sentence::parse("write coil 00008 = off", Form::Deed, &GRAMMAR, Addressing::Modicon).expect("legal");
    assert_eq!((one.who, one.class, one.object, one.ranges), (None, Class::Write, COIL, vec_of(7, 7)));
    assert_eq!(one.values, Some(ValueSet::Each(alloc::vec![(Num::Bool(false), Num::Bool(false))])));
    let text = "a write holding 40001-40010, 400011 when input 30001 = 5 max 1/s";
    let one = Sentence::parse(text, Form::Rule, &GRAMMAR, Addressing::Modicon).expect("legal");
    assert_eq!((one.ranges, one.when.map(|when| when.address)), (alloc::vec![(0, 9), (10, 10)], Some(0)));
    let one = Sentence::parse("a read holding 1-65536", Form::Rule, &GRAMMAR, Addressing::OneBased).expect("legal");
    assert_eq!(one.ranges, vec_of(0, 65_535));
    let text = "a write holding 2 step 1 from input 2";
    let one = Sentence::parse(text, Form::Rule, &GRAMMAR, Addressing::OneBased).expect("legal");
    assert_eq!(one.step.and_then(|step| step.from), Some((ObjectId(2), 1)));
    let one = Sentence::parse("a diagnose diagnostic 4", Form::Rule, &GRAMMAR, Addressing::OneBased).expect("legal");
    assert_eq!(one.ranges, vec_of(4, 4), "only addresses are shifted");
}

fn vec_of(first: u32, last: u32) -> Vec<(u32, u32)> {
    alloc::vec![(first, last)]
}

#[test]
fn an_address_is_shown_both_ways() {
    let holding = &GRAMMAR.objects[3];
    assert_eq!(Addressing::ZeroBased.show(holding, 40), "40");
    assert_eq!(Addressing::OneBased.show(holding, 40), "41 (zero-based 40)");
    assert_eq!(Addressing::Modicon.show(holding, 40), "40041 (zero-based 40)");
    assert_eq!(Addressing::Modicon.show(holding, 65_535), "465536 (zero-based 65535)");
    assert_eq!(Addressing::Modicon.show(&GRAMMAR.objects[0], 0), "00001 (zero-based 0)");
    assert_eq!(Addressing::Modicon.show(&GRAMMAR.objects[7], 4), "4");
}

#[test]
fn the_documented_error_stands_word_for_word() {
    let text = "hmi write holding 40 = 1500..0 max 4/min";
    let faults = rule(text).expect_err("reversed");
    assert_eq!(
        faults,
        [SentenceFault {
            span: 23..30,
            kind: FaultKind::ReversedRange,
            message: String::from("value range is reversed"),
            label: String::from("start 1500 is above end 0"),
            help: Some(String::from("write 0..1500")),
        }]
    );
    assert_eq!(&text[23..30], "1500..0");
}

#[test]
fn all_faults_are_told_at_once_and_in_order() {
    let text = "hmi write holding 9-0 unit 300 = 7..3, x, 5 stp 4 via 6, 99 max 0/s always always";
    let under: Vec<String> =
        faults_of(text, Form::Rule, Addressing::ZeroBased).into_iter().map(|fault| fault.1).collect();
    assert_eq!(under, ["9-0", "300", "7..3", "x", "stp", "99", "0/s", "always"]);
}

#[test]
fn who_is_left_out_of_a_deed_and_so_are_the_clauses_of_rules() {
    let faults = faults_of("hmi write coil 7 = on max 4/s", Form::Deed, Addressing::ZeroBased);
    let told: Vec<_> = faults.iter().map(|fault| (fault.1.as_str(), fault.2.as_str())).collect();
    assert_eq!(told, [("hmi", "WHO is left out here"), ("max", "`max` stands in rules only")]);
    assert!(faults_of("write holding 95 = 1", Form::Deed, Addressing::ZeroBased).is_empty());
}

#[test]
fn faults_of_addresses_tell_both_numbers() {
    for (text, addressing, kind, needle) in [
        ("a read holding 0", Addressing::OneBased, FaultKind::Addressing, "write 1 (zero-based 0)"),
        ("a read holding 65537", Addressing::OneBased, FaultKind::BadNumber, "65537 (zero-based 65536) is above"),
        ("a read holding 9-3", Addressing::OneBased, FaultKind::ReversedRange, "start 9 (zero-based 8) is above"),
        ("a read holding 30001", Addressing::Modicon, FaultKind::Addressing, "write `input`, or 40001 (zero-based 0)"),
        ("a read holding 20001", Addressing::Modicon, FaultKind::Addressing, "20001 (zero-based 0)"),
        ("a read holding 40", Addressing::Modicon, FaultKind::Addressing, "write 40001 (zero-based 0)"),
        ("a read holding 40000", Addressing::Modicon, FaultKind::Addressing, "40000 does not exist"),
        ("a read holding 465537", Addressing::Modicon, FaultKind::BadNumber, "465537 (zero-based 65536) is above"),
        ("a read holding 40002-40001", Addressing::Modicon, FaultKind::ReversedRange, "write 40001-40002"),
        ("a write coil 00001 when input 40001 = 1", Addressing::Modicon, FaultKind::Addressing, "write `holding`, or"),
    ] {
        let faults = Sentence::parse(text, Form::Rule, &GRAMMAR, addressing).expect_err("faulty");
        assert_eq!(faults.len(), 1, "{text}: {faults:#?}");
        let all =
            alloc::format!("{} | {} | {}", faults[0].message, faults[0].label, faults[0].help.as_deref().unwrap_or(""));
        assert!(faults[0].kind == kind && all.contains(needle), "{text}: {:?} {all}", faults[0].kind);
    }
}

#[test]
fn ranges_that_overlap_are_shown_as_they_were_written_and_as_they_count() {
    for (text, addressing, label) in [
        ("a read holding 5-9, 7", Addressing::ZeroBased, "7 overlaps 5-9"),
        ("a read holding 5-9, 7-8", Addressing::OneBased, "7-8 (zero-based 6-7) overlaps 5-9 (zero-based 4-8)"),
        ("a read holding 0 unit 1-5, 3", Addressing::ZeroBased, "3 overlaps 1-5"),
        ("a read file 4:0-9, 4:7", Addressing::OneBased, "4:7 overlaps 4:0-9"),
    ] {
        let faults = Sentence::parse(text, Form::Rule, &GRAMMAR, addressing).expect_err("faulty");
        assert_eq!(faults.iter().map(|fault| fault.label.as_str()).collect::<Vec<_>>(), [label], "{text}");
    }
}

#[test]
fn lengths_are_compared_only_where_every_part_could_be_read() {
    let under =
        |text| faults_of(text, Form::Rule, Addressing::ZeroBased).into_iter().map(|fault| fault.1).collect::<Vec<_>>();
    assert_eq!(under("hmi write holding 0-2 = 1 as f32"), ["0-2"]);
    assert_eq!(under("hmi write holding 0-2, x = 1 as f32"), ["x"]);
    assert_eq!(under("hmi write holding 0-1, x = [1, 2, 3]"), ["x"]);
    let read = "hmi read holding 0-2 as f32";
    assert_eq!(rule(read).map(|one| one.print(&GRAMMAR)).as_deref(), Ok(read), "a read takes any part");
    let bit = "hmi write coil 0 = on as bool";
    assert_eq!(rule(bit).map(|one| one.print(&GRAMMAR)).as_deref(), Ok(bit));
}

#[test]
fn a_step_on_what_cannot_be_read_back_names_another_register() {
    let grammar = Protocol::Modbus.grammar();
    let text = "hmi write file 4:0 = 5 step 1";
    let faults = Sentence::parse(text, Form::Rule, grammar, Addressing::ZeroBased).expect_err("no such read");
    let told: Vec<_> = faults.iter().map(|one| (&text[one.span.clone()], one.message.as_str())).collect();
    assert_eq!(told, [("step", "the gateway cannot read `file` back")]);
    let text = "hmi write file 4:0 = 5 step 1 from input 12";
    assert!(Sentence::parse(text, Form::Rule, grammar, Addressing::ZeroBased).is_ok());
}

#[test]
fn every_clause_has_a_form_and_says_what_it_does() {
    let forms = clause_forms(&GRAMMAR);
    let words: Vec<_> = forms.iter().filter_map(|one| one.form.split(' ').next()).collect();
    assert_eq!(
        words,
        [
            "bit",
            "unit",
            "=",
            "step",
            "as",
            "whole",
            "via",
            "exactly",
            "select-first",
            "when",
            "max",
            "spends",
            "during",
            "always"
        ]
    );
    assert!(forms.iter().all(|one| !one.says.is_empty()));
    let of = |word: &str| forms.iter().find(|one| one.form.split(' ').next() == Some(word)).expect("it is there");
    assert_eq!((of("max").form.as_str(), of("whole").form.as_str()), ("max N/s|min|h [each]", "whole"));
    let only: Vec<_> = forms.iter().filter(|one| !one.served).map(|one| one.form.as_str()).collect();
    assert_eq!(only, ["exactly", "select-first"]);
    for (word, in_a_deed) in [("unit", true), ("as", true), ("via", true), ("=", true), ("step", false), ("max", false)]
    {
        assert_eq!(!of(word).rules_only, in_a_deed, "{word}");
    }
}

#[test]
fn a_deed_prints_as_the_rule_that_allows_it_alone() {
    let deed = |class, object, function, range: (u32, u32), values| Deed {
        qualifier: None,
        unselected: false,
        class,
        object,
        unit: 1,
        function,
        first: range.0,
        last: range.1,
        bit: None,
        values,
    };
    let bits = Values::Bits { packed: &[0b101], count: 3 };
    for (deed, text) in [
        (deed(Class::Read, HOLDING, 3, (0, 9), Values::None), "scada-1 read holding 0-9 unit 1 via 3"),
        (deed(Class::Write, COIL, 5, (7, 7), Values::Bit(true)), "scada-1 write coil 7 unit 1 = on via 5"),
        (deed(Class::Write, COIL, 15, (7, 9), bits), "scada-1 write coil 7-9 unit 1 = [on, off, on] via 15"),
        (
            deed(Class::Write, HOLDING, 16, (40, 41), Values::Words(&[5, 220, 0, 0])),
            "scada-1 write holding 40-41 unit 1 = [1500, 0] via 16",
        ),
        (
            Deed { bit: Some(3), ..deed(Class::Write, HOLDING, 22, (4, 4), Values::Bit(false)) },
            "scada-1 write holding 4 bit 3 unit 1 = off via 22",
        ),
        (deed(Class::Write, HOLDING, 22, (4, 4), Values::Words(&[])), "scada-1 write holding 4 unit 1 = [] via 22"),
        (deed(Class::Program, FUNCTION, 90, (90, 90), Values::None), "scada-1 program function 90 unit 1 via 90"),
        (
            deed(Class::Program, FUNCTION, 43, (3627, 3627), Values::None),
            "scada-1 program function 43/13 unit 1 via 43",
        ),
        (deed(Class::Identify, DEVICE_ID, 3883, (0, 0), Values::None), "scada-1 identify device-id unit 1 via 43/14"),
    ] {
        let printed = Sentence::of_deed(Some("scada-1"), &deed).print(&GRAMMAR);
        assert_eq!(printed, text);
        assert_eq!(rule(&printed).map(|one| one.print(&GRAMMAR)).as_deref(), Ok(text));
        let left_out = Sentence::of_deed(None, &deed).print(&GRAMMAR);
        assert!(Sentence::parse(&left_out, Form::Deed, &GRAMMAR, Addressing::ZeroBased).is_ok(), "{left_out}");
    }
}

#[test]
fn the_literal_sentences_of_every_preset_are_canonical() {
    for protocol in Protocol::ALL {
        for preset in protocol.presets() {
            for text in preset.sentences {
                let one = Sentence::parse(text, Form::Rule, protocol.grammar(), Addressing::ZeroBased);
                assert_eq!(one.map(|one| one.print(protocol.grammar())).as_deref(), Ok(*text));
            }
        }
    }
}

/// language.md sections 1, 2 and 6: what one protocol does not serve yet is refused by its name and by nothing else.
#[test]
fn the_sentences_of_the_language_page_are_understood() {
    let grammar = Protocol::Modbus.grammar();
    for text in [
        "hmi read holding 0-99, 200-219",
        "hmi read input 0-63",
        "hmi write holding 40 = 0..1500 step 100 up max 6/min",
        "hmi write holding 42-43 = -20.0..80.0 as f32 via 16",
        "hmi write coil 7 = off always",
        "any write holding 90-99",
        "hmi identify device-id",
        "hmi write coil 7 = on when discrete 20 = on",
        "hmi program function 43/13",
        "hmi diagnose diagnostic 4",
        "hmi read file 4:0-9",
        "hmi read fifo 3",
    ] {
        match Sentence::parse(text, Form::Rule, grammar, Addressing::ZeroBased) {
            Ok(one) => assert_eq!(one.print(grammar), text),
            Err(faults) => {
                assert!(faults.len() == 1 && faults[0].kind == FaultKind::NotServed, "{text}: {faults:#?}");
                let word = &text[faults[0].span.clone()];
                assert!(grammar.objects.iter().any(|one| one.word == word && !one.served), "{text}");
            }
        }
    }
    assert!(Sentence::parse("write holding 95 = 1", Form::Deed, grammar, Addressing::ZeroBased).is_ok());
}

#[test]
fn a_sentence_without_end_is_refused_before_it_costs_anything() {
    let text = "a read coil 0".repeat(6000);
    let faults = rule(&text).expect_err("too long");
    assert_eq!((faults.len(), faults[0].span.clone()), (1, 0..text.len()));
    let many = alloc::format!("a read coil {}", "x,".repeat(5000));
    assert!(rule(&many).expect_err("no clause").len() <= 64);
}
