//! Which words, functions, config keys and presets does Modbus have?

use super::function::{ENCAPSULATED, EXCEPTION, MASK_WRITE, READ_WRITE, opaque_class};
use crate::{
    deed::ObjectId,
    keys::{KeySpec, Kind},
    sentence::{Element, FunctionSpec, Grammar, Index, ObjectSpec, Preset},
    vocab::Class,
};

/// `coil`: bits that can be read and written.
pub(super) const COIL: ObjectId = ObjectId(0);
/// `discrete`: bits that can only be read.
pub(super) const DISCRETE: ObjectId = ObjectId(1);
/// `input`: registers that can only be read.
pub(super) const INPUT: ObjectId = ObjectId(2);
/// `holding`: registers that can be read and written.
pub(super) const HOLDING: ObjectId = ObjectId(3);
/// `function N`: a function whose payload is not understood.
pub(super) const FUNCTION: ObjectId = ObjectId(4);

/// The words of Modbus (language.md section 2).
pub static GRAMMAR: Grammar =
    Grammar { unit_word: "unit", unit_max: 255, objects: OBJECTS, functions: FUNCTIONS, code_class };

/// What `function N` is: a function that is read further stands with its own object, and some codes never come.
fn code_class(code: u16, sub: Option<u8>) -> Result<Class, &'static str> {
    let Ok(code) = u8::try_from(code) else { return Err("function codes are 1 to 127") };
    match (code, sub) {
        (0 | EXCEPTION.., _) => Err("function codes are 1 to 127"),
        (ENCAPSULATED, None) => Err("name its sub-code: `function 43/13` or `function 43/14`"),
        (ENCAPSULATED, _) => Ok(opaque_class(code, sub)),
        (_, Some(_)) => Err("only function 43 has a sub-code"),
        (1..=6 | 15 | 16 | MASK_WRITE | READ_WRITE, None) => {
            Err("write what it does: `coil`, `discrete`, `input` or `holding`, with `via` for one function only")
        }
        (_, None) => Ok(opaque_class(code, None)),
    }
}

const OBJECTS: &[ObjectSpec] = &[
    points("coil", Element::Bit, &[Class::Read, Class::Write], 0),
    points("discrete", Element::Bit, &[Class::Read], 1),
    points("input", Element::Register, &[Class::Read], 3),
    points("holding", Element::Register, &[Class::Read, Class::Write], 4),
    ObjectSpec {
        word: "function",
        index: Index::Code,
        element: Element::None,
        classes: &[Class::Read, Class::Write, Class::Program, Class::Diagnose, Class::Identify],
        modicon: None,
        served: true,
    },
    later("device-id", Index::None, &[Class::Identify]),
    later("diagnostic", Index::Number { max: 0xFFFF }, &[Class::Diagnose]),
    later("file", Index::FileRecord, &[Class::Read, Class::Write]),
    later("fifo", Index::Address { max: 0xFFFF }, &[Class::Read]),
    later("exception-status", Index::None, &[Class::Diagnose]),
    later("event-counter", Index::None, &[Class::Diagnose]),
    later("event-log", Index::None, &[Class::Diagnose]),
    later("server-id", Index::None, &[Class::Identify]),
];

const fn points(word: &'static str, element: Element, classes: &'static [Class], modicon: u8) -> ObjectSpec {
    ObjectSpec { word, index: Index::Address { max: 0xFFFF }, element, classes, modicon: Some(modicon), served: true }
}

const fn later(word: &'static str, index: Index, classes: &'static [Class]) -> ObjectSpec {
    ObjectSpec { word, index, element: Element::None, classes, modicon: None, served: false }
}

/// Codes that are not here exist only as `function N`, in class program.
const FUNCTIONS: &[FunctionSpec] = &[
    row(1, "read_coils", COIL, Class::Read),
    row(2, "read_discrete_inputs", DISCRETE, Class::Read),
    row(3, "read_holding_registers", HOLDING, Class::Read),
    row(4, "read_input_registers", INPUT, Class::Read),
    row(5, "write_single_coil", COIL, Class::Write),
    row(6, "write_single_register", HOLDING, Class::Write),
    row(7, "read_exception_status", FUNCTION, Class::Diagnose),
    row(8, "diagnostics", FUNCTION, Class::Diagnose),
    row(11, "get_comm_event_counter", FUNCTION, Class::Diagnose),
    row(12, "get_comm_event_log", FUNCTION, Class::Diagnose),
    row(15, "write_multiple_coils", COIL, Class::Write),
    row(16, "write_multiple_registers", HOLDING, Class::Write),
    row(17, "report_server_id", FUNCTION, Class::Identify),
    row(20, "read_file_record", FUNCTION, Class::Read),
    row(21, "write_file_record", FUNCTION, Class::Write),
    named(22, "mask_write_register"),
    row(23, "read_write_multiple_registers", HOLDING, Class::Read),
    named(23, "read_write_multiple_registers"),
    row(24, "read_fifo_queue", FUNCTION, Class::Read),
    row(43, "encapsulated_interface_transport", FUNCTION, Class::Program),
    row(43, "encapsulated_interface_transport", FUNCTION, Class::Identify),
];

const fn row(code: u16, name: &'static str, object: ObjectId, class: Class) -> FunctionSpec {
    FunctionSpec { code, name, object, class, named_only: false }
}

/// A write of holding registers that an operator easily overlooks: only a rule that names it allows it.
const fn named(code: u16, name: &'static str) -> FunctionSpec {
    FunctionSpec { code, name, object: HOLDING, class: Class::Write, named_only: true }
}

/// The keys of `[conduits.X.modbus]`.
pub const KEYS: &[KeySpec] = &[
    KeySpec {
        default: Some("\"zero-based\""),
        ..key(
            "addressing",
            Kind::Word(&["zero-based", "one-based", "modicon"]),
            "How the sentences number their points.",
        )
    },
    KeySpec {
        required: true,
        ..key("units", Kind::Ints(0, 255), "The units behind this conduit that may be spoken to.")
    },
    key("functions", Kind::Ints(1, 127), "An outer list of function codes; what is not on it is refused."),
    key("allow", Kind::Sentences, "What may pass."),
    key("deny", Kind::Sentences, "What may never pass; wins over every allow, in every mode."),
    key("preset", Kind::Word(&["read-only"]), "A word for literal sentences, printed by `sluicegate presets`."),
    KeySpec {
        default: Some("\"5s\""),
        ..key("step_age", Kind::Duration, "How old a seen value may be for `step` and `when`.")
    },
    KeySpec {
        default: Some("\"refuse\""),
        ..key(
            "step_unknown",
            Kind::Word(&["refuse", "allow"]),
            "What happens when the device's value cannot be learnt.",
        )
    },
    unserved("framing", Kind::Word(&["tcp", "rtu"]), Some("\"tcp\""), "How the peer frames its messages."),
    unserved("upstream_framing", Kind::Word(&["tcp", "rtu"]), Some("\"tcp\""), "How the device frames its messages."),
    unserved("unit0", Kind::Word(&["device", "broadcast"]), None, "What unit 0 means behind this conduit."),
    unserved(
        "read_refusal",
        Kind::Word(&["02", "01", "06"]),
        Some("\"02\""),
        "The exception for a read outside its addresses.",
    ),
    unserved("role_refusal", Kind::Text, None, "Whether conduits of the role extension answer 01 only."),
    unserved(
        "duplicate_tid",
        Kind::Word(&["drop", "queue"]),
        Some("\"drop\""),
        "What happens to an id that is in flight.",
    ),
    unserved("upstream_tid", Kind::Word(&["match", "ignore"]), Some("\"match\""), "Whether the device echoes ids."),
    unserved("strict_padding", Kind::Bool, Some("false"), "Whether non-zero pad bits are refused instead of cleared."),
    unserved("unit_map", Kind::IntMap(0, 255), None, "Units as the peer names them to units behind the conduit."),
];

const fn key(key: &'static str, kind: Kind, doc: &'static str) -> KeySpec {
    KeySpec { key, kind, required: false, default: None, doc, served: true }
}

const fn unserved(key: &'static str, kind: Kind, default: Option<&'static str>, doc: &'static str) -> KeySpec {
    KeySpec { key, kind, required: false, default, doc, served: false }
}

/// `via` stands in every sentence so that a later function of the same class (the read half of 23) is not included.
pub const PRESETS: &[Preset] = &[Preset {
    name: "read-only",
    sentences: &["any read coil via 1", "any read discrete via 2", "any read input via 4", "any read holding via 3"],
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_id_is_its_place_in_the_table() {
        for (id, word) in
            [(COIL, "coil"), (DISCRETE, "discrete"), (INPUT, "input"), (HOLDING, "holding"), (FUNCTION, "function")]
        {
            let spec = &GRAMMAR.objects[usize::from(id.0)];
            assert_eq!(spec.word, word);
            assert!(spec.served);
        }
    }

    #[test]
    fn every_function_stands_in_a_class_of_its_object() {
        for one in GRAMMAR.functions {
            assert!(GRAMMAR.objects[usize::from(one.object.0)].classes.contains(&one.class), "{}", one.name);
        }
    }

    #[test]
    fn a_function_is_opaque_exactly_where_no_object_has_it() {
        for code in 0..=u16::MAX {
            let understood = GRAMMAR.functions.iter().any(|one| one.code == code && one.object != FUNCTION);
            let comes = (1..128).contains(&code) && code != 43;
            assert_eq!(code_class(code, None).is_ok(), comes && !understood, "{code}");
        }
        assert_eq!(code_class(43, Some(14)), Ok(Class::Identify));
        assert_eq!(code_class(43, Some(13)), Ok(Class::Program));
        assert_eq!(code_class(8, Some(4)), Err("only function 43 has a sub-code"));
        for one in GRAMMAR.functions.iter().filter(|one| one.object == FUNCTION && one.code != 43) {
            assert_eq!(code_class(one.code, None), Ok(one.class), "{}", one.name);
        }
    }

    #[test]
    fn only_the_hidden_writes_must_be_named() {
        let named: std::vec::Vec<_> =
            GRAMMAR.functions.iter().filter(|one| one.named_only).map(|one| (one.code, one.class)).collect();
        assert_eq!(named, [(22, Class::Write), (23, Class::Write)]);
    }

    #[test]
    fn read_only_is_the_four_plain_reads_and_nothing_else() {
        let mut codes: std::vec::Vec<u16> = PRESETS[0]
            .sentences
            .iter()
            .map(|sentence| {
                let words: std::vec::Vec<_> = sentence.split(' ').collect();
                let ["any", "read", object, "via", code] = words[..] else { panic!("{sentence}") };
                let code = code.parse().expect("a code");
                let reads = |one: &&FunctionSpec| one.code == code && one.class == Class::Read && !one.named_only;
                let row = GRAMMAR.functions.iter().find(reads).expect("a read");
                assert_eq!(GRAMMAR.objects[usize::from(row.object.0)].word, object);
                code
            })
            .collect();
        codes.sort_unstable();
        assert_eq!(codes, [1, 2, 3, 4]);
    }

    #[test]
    fn keys_are_told_once_and_units_is_the_required_one() {
        for one in KEYS {
            assert_eq!(KEYS.iter().filter(|other| other.key == one.key).count(), 1, "{}", one.key);
            assert_eq!(one.required, one.key == "units");
        }
    }
}
