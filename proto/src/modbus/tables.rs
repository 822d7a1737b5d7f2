//! Which words, functions and presets does Modbus have?

use super::function;
use crate::{
    deed::ObjectId,
    sentence::{Element, FunctionSpec, Grammar, Index, ObjectSpec, Preset, Risk},
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

/// `device-id`: identification by object, told apart by its read code.
pub(super) const DEVICE_ID: ObjectId = ObjectId(5);
/// `diagnostic N`: a sub-function of function 8.
pub(super) const DIAGNOSTIC: ObjectId = ObjectId(6);
/// `file F:R-R`: records of files.
pub(super) const FILE: ObjectId = ObjectId(7);
/// `fifo N`: a queue, by its pointer.
pub(super) const FIFO: ObjectId = ObjectId(8);
/// `exception-status`: eight bits of the device's own.
pub(super) const EXCEPTION_STATUS: ObjectId = ObjectId(9);
/// `event-counter`: of the device's communication.
pub(super) const EVENT_COUNTER: ObjectId = ObjectId(10);
/// `event-log`: of the device's communication.
pub(super) const EVENT_LOG: ObjectId = ObjectId(11);
/// `server-id`: what the device calls itself, and whether it runs.
pub(super) const SERVER_ID: ObjectId = ObjectId(12);

/// Messaging on TCP/IP 3.1.3: the port that is registered. 802, of the security profile, carries TLS.
pub const PORTS: &[u16] = &[502];

/// The words of Modbus (language.md section 2). 255 is what a device's own address is called over TCP; what else is
/// above 247 is reserved (Modbus over serial line, 2.2).
pub static GRAMMAR: Grammar = Grammar {
    unit_word: "unit",
    unit_max: 255,
    all_answer: false,
    units_key: "units",
    reserved_units: Some((
        248,
        254,
        "Modbus reserves 248 to 254",
        "units of a serial line are 1 to 247; a device by itself is 255 or 1",
    )),
    index_word: None,
    qualifier_word: None,
    selects: &[],
    twins: &[],
    longest_read,
    longest_deed,
    masks: &[22],
    qualifiers: |_, _| None,
    objects: OBJECTS,
    functions: FUNCTIONS,
    code_class,
    risks: RISKS,
};

/// Modbus application protocol, 6.1 to 6.4: 2000 bits or 125 registers at once.
const fn longest_read(element: Element) -> Option<u32> {
    match element {
        Element::Bit => Some(2000),
        Element::Register => Some(125),
        Element::None | Element::Number(_) | Element::Switch { .. } => None,
    }
}

/// Modbus application protocol, 6.1 to 6.17: the quantities of each request, and of one group of a file request what its
/// PDU has room for.
const fn longest_deed(code: u16, class: Class) -> u32 {
    match (code, class) {
        (1 | 2, _) => 2000,
        (3 | 4, _) | (20 | 21, _) | (23, Class::Read) => 125,
        (15, _) => 1968,
        (16, _) => 123,
        (23, _) => 121,
        _ => 1,
    }
}

/// What `function N` is: a function that is read further stands with its own object, and some codes never come. All that
/// is opaque is class program: nobody knows what it does.
fn code_class(code: u16, sub: Option<u8>) -> Result<Class, &'static str> {
    let Ok(code) = u8::try_from(code) else { return Err("function codes are 1 to 127") };
    match (code, sub) {
        (0 | function::EXCEPTION.., _) => Err("function codes are 1 to 127"),
        (function::ENCAPSULATED, None) => Err("name its sub-code: `function 43/13`, or write `identify device-id`"),
        (function::ENCAPSULATED, Some(function::DEVICE_ID)) => Err("write `identify device-id`"),
        (function::ENCAPSULATED, Some(_)) => Ok(Class::Program),
        (_, Some(_)) => Err("only function 43 has a sub-code"),
        (_, None) => understood(code).map_or(Ok(Class::Program), Err),
    }
}

/// What to write in place of a function that is understood.
const fn understood(code: u8) -> Option<&'static str> {
    match code {
        1..=6 | function::WRITE_COILS | function::WRITE_REGISTERS | function::MASK_WRITE | function::READ_WRITE => {
            Some("write what it does: `coil`, `discrete`, `input` or `holding`, with `via` for one function only")
        }
        function::EXCEPTION_STATUS => Some("write `diagnose exception-status`"),
        function::DIAGNOSTICS => Some("write `diagnose diagnostic 0`, with the sub-function's number"),
        function::EVENT_COUNTER => Some("write `diagnose event-counter`"),
        function::EVENT_LOG => Some("write `diagnose event-log`"),
        function::SERVER_ID => Some("write `identify server-id`"),
        function::READ_FILE => Some("write `read file 4:0-99`, with the file and its records"),
        function::WRITE_FILE => Some("write `write file 4:0-99`, with the file and its records"),
        function::READ_FIFO => Some("write `read fifo 10`, with the queue's address"),
        _ => None,
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
        classes: &[Class::Program],
        modicon: None,
        served: true,
    },
    plain("device-id", Index::Number { max: 4 }, &[Class::Identify]),
    plain("diagnostic", Index::Number { max: 20 }, &[Class::Diagnose]),
    ObjectSpec { element: Element::Register, ..plain("file", Index::FileRecord, &[Class::Read, Class::Write]) },
    plain("fifo", Index::Address { max: 0xFFFF }, &[Class::Read]),
    plain("exception-status", Index::None, &[Class::Diagnose]),
    plain("event-counter", Index::None, &[Class::Diagnose]),
    plain("event-log", Index::None, &[Class::Diagnose]),
    plain("server-id", Index::None, &[Class::Identify]),
];

const fn points(word: &'static str, element: Element, classes: &'static [Class], modicon: u8) -> ObjectSpec {
    ObjectSpec { word, index: Index::Address { max: 0xFFFF }, element, classes, modicon: Some(modicon), served: true }
}

const fn plain(word: &'static str, index: Index, classes: &'static [Class]) -> ObjectSpec {
    ObjectSpec { word, index, element: Element::None, classes, modicon: None, served: true }
}

/// Schneider's UMAS lives in function 90 (MB-21); the diagnostics are those of MB-17 and MB-18.
const RISKS: &[Risk] = &[
    Risk {
        object: FUNCTION,
        index: 90,
        message: "function 90 includes the stop of the device",
        label: "its payload is not read",
        help: "leave it out, or give it to one identity for a short time",
    },
    risk(1, "diagnostic 1 restarts the device's communication"),
    risk(4, "diagnostic 4 silences the device until somebody restarts it"),
    risk(10, "diagnostic 10 clears the counters that show an attack"),
];

const fn risk(index: u32, message: &'static str) -> Risk {
    let help = "write `diagnose diagnostic 0` for a test of the line, 11-18 to read the counters";
    Risk { object: DIAGNOSTIC, index, message, label: "the rule admits it", help }
}

/// Codes that are not here exist only as `function N`, in class program.
const FUNCTIONS: &[FunctionSpec] = &[
    row(1, "read_coils", COIL, Class::Read),
    row(2, "read_discrete_inputs", DISCRETE, Class::Read),
    row(3, "read_holding_registers", HOLDING, Class::Read),
    row(4, "read_input_registers", INPUT, Class::Read),
    row(5, "write_single_coil", COIL, Class::Write),
    row(6, "write_single_register", HOLDING, Class::Write),
    row(7, "read_exception_status", EXCEPTION_STATUS, Class::Diagnose),
    row(8, "diagnostics", DIAGNOSTIC, Class::Diagnose),
    row(11, "get_comm_event_counter", EVENT_COUNTER, Class::Diagnose),
    row(12, "get_comm_event_log", EVENT_LOG, Class::Diagnose),
    row(15, "write_multiple_coils", COIL, Class::Write),
    row(16, "write_multiple_registers", HOLDING, Class::Write),
    row(17, "report_server_id", SERVER_ID, Class::Identify),
    row(20, "read_file_record", FILE, Class::Read),
    row(21, "write_file_record", FILE, Class::Write),
    named(22, "mask_write_register"),
    row(23, "read_write_multiple_registers", HOLDING, Class::Read),
    named(23, "read_write_multiple_registers"),
    row(24, "read_fifo_queue", FIFO, Class::Read),
    row(43, "encapsulated_interface_transport", FUNCTION, Class::Program),
    row(43, "read_device_identification", DEVICE_ID, Class::Identify),
];

const fn row(code: u16, name: &'static str, object: ObjectId, class: Class) -> FunctionSpec {
    FunctionSpec { code, name, object, class, named_only: false }
}

/// A write of holding registers that an operator easily overlooks: only a rule that names it allows it.
const fn named(code: u16, name: &'static str) -> FunctionSpec {
    FunctionSpec { code, name, object: HOLDING, class: Class::Write, named_only: true }
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
        let ids = [
            (COIL, "coil"),
            (DISCRETE, "discrete"),
            (INPUT, "input"),
            (HOLDING, "holding"),
            (FUNCTION, "function"),
            (DEVICE_ID, "device-id"),
            (DIAGNOSTIC, "diagnostic"),
            (FILE, "file"),
            (FIFO, "fifo"),
            (EXCEPTION_STATUS, "exception-status"),
            (EVENT_COUNTER, "event-counter"),
            (EVENT_LOG, "event-log"),
            (SERVER_ID, "server-id"),
        ];
        assert_eq!(ids.len(), GRAMMAR.objects.len());
        for (id, word) in ids {
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
        assert_eq!(code_class(43, Some(14)), Err("write `identify device-id`"));
        assert_eq!(code_class(43, Some(13)), Ok(Class::Program));
        assert_eq!(code_class(8, Some(4)), Err("only function 43 has a sub-code"));
    }

    #[test]
    fn what_is_understood_says_how_it_is_written() {
        for one in GRAMMAR.functions.iter().filter(|one| one.code != 43) {
            let code = u8::try_from(one.code).expect("a Modbus function");
            let told = understood(code).expect("a row is understood");
            let object = GRAMMAR.objects[usize::from(one.object.0)].word;
            assert!(told.contains(object), "{}: {told}", one.name);
            assert!(one.code < 7 || code >= 15 && code != 17 || told.contains(one.class.as_str()), "{}", one.name);
        }
    }

    #[test]
    fn a_deed_is_as_long_as_its_function_allows() {
        for (code, class, most) in [
            (1, Class::Read, 2000),
            (3, Class::Read, 125),
            (15, Class::Write, 1968),
            (16, Class::Write, 123),
            (21, Class::Write, 125),
            (23, Class::Read, 125),
            (23, Class::Write, 121),
            (5, Class::Write, 1),
            (6, Class::Write, 1),
            (22, Class::Write, 1),
        ] {
            assert_eq!((GRAMMAR.longest_deed)(code, class), most, "{code}");
        }
        assert_eq!((GRAMMAR.qualifiers)(HOLDING, Class::Write), None);
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
}
