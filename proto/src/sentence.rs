//! In which words is a rule written and a deed printed? (language.md section 2)

use alloc::{string::String, vec::Vec};
use core::ops::Range;

use crate::{deed::ObjectId, vocab::Class};

mod address;
mod check;
mod clause;
mod clauses;
mod forms;
mod functions;
mod fuzz;
mod lex;
mod near;
mod number;
mod parse;
mod print;
#[cfg(test)]
mod roundtrip;
#[cfg(test)]
mod slips;
#[cfg(test)]
mod tests;
mod value;

pub use forms::{ClauseForm, clause_forms};
pub use fuzz::fuzz_sentence;

/// The words of one protocol.
#[derive(Debug)]
pub struct Grammar {
    /// How a unit is called: `unit`, `ca`, `outstation`.
    pub unit_word: &'static str,
    /// The largest unit.
    pub unit_max: u32,
    /// Whether units answer what goes to all of them, each for itself.
    pub all_answer: bool,
    /// The word before an object's indexes, which then stand behind the units: `ioa`. Without one they follow the
    /// object's own word.
    pub index_word: Option<&'static str>,
    /// The word for what qualifies an act, where the protocol has such numbers.
    pub qualifier_word: Option<&'static str>,
    /// The objects on which an act can be selected before it is done: `select-first`.
    pub selects: &'static [ObjectId],
    /// Words for one function of an object, or for an object by another name.
    pub twins: &'static [Twin],
    /// The key of the protocol's table that lists the units behind a conduit.
    pub units_key: &'static str,
    /// Units that the standard keeps for itself: first, last, what to tell who lists one, and what to write instead.
    pub reserved_units: Option<(u32, u32, &'static str, &'static str)>,
    /// How many elements of this kind one message can read, where it can read several.
    pub longest_read: fn(Element) -> Option<u32>,
    /// How many indexes one deed of this function and class touches at most.
    pub longest_deed: fn(u16, Class) -> u32,
    /// The functions that can write a single bit of a register, or none of its bits.
    pub masks: &'static [u16],
    /// The qualifiers that a deed of this object and class can carry, first and last, where it carries one.
    pub qualifiers: fn(ObjectId, Class) -> Option<(u32, u32)>,
    /// The objects; an [`ObjectId`] is a place in this table.
    pub objects: &'static [ObjectSpec],
    /// The functions that `via` can name and that a deed of an object can use.
    pub functions: &'static [FunctionSpec],
    /// The class of a deed of an object whose index is a code ([`Index::Code`]), by code and sub-code; or what to write
    /// instead, because no message is such a deed.
    pub code_class: fn(u16, Option<u8>) -> Result<Class, &'static str>,
    /// What a rule easily admits without its author knowing what it does.
    pub risks: &'static [Risk],
}

/// A second word for an object.
#[derive(Debug)]
pub struct Twin {
    /// The word.
    pub word: &'static str,
    /// The object that it stands for...
    pub object: ObjectId,
    /// ...in this one function; absent: it is only another name.
    pub function: Option<u16>,
}

/// One index of an object that `check` warns of where a rule admits it.
#[derive(Debug)]
pub struct Risk {
    /// The object...
    pub object: ObjectId,
    /// ...and its index.
    pub index: u32,
    /// What it does.
    pub message: &'static str,
    /// What stands under the sentence.
    pub label: &'static str,
    /// What to write instead.
    pub help: &'static str,
}

/// One object of a grammar.
#[derive(Debug)]
pub struct ObjectSpec {
    /// Its word: `holding`.
    pub word: &'static str,
    /// What follows the word.
    pub index: Index,
    /// What one element is.
    pub element: Element,
    /// The classes in which it can stand.
    pub classes: &'static [Class],
    /// The leading digit of Modicon addresses (4 for 40001), where it has one.
    pub modicon: Option<u8>,
    /// `false`: a word of the language that this version does not serve yet; refused by name.
    pub served: bool,
}

/// What follows an object's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// Nothing.
    None,
    /// Ranges of addresses `0..=max`, under the conduit's `addressing`.
    Address {
        /// The largest zero-based address.
        max: u32,
    },
    /// Ranges of plain numbers `0..=max`.
    Number {
        /// The largest number.
        max: u32,
    },
    /// One code, with an optional sub-code behind a slash: `function 43/13`, held as `code + 256 * (sub + 1)`.
    Code,
    /// `F:R-R`: file and records, held as `file * 65536 + record`.
    FileRecord,
}

/// What one element of an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// It carries no value.
    None,
    /// One bit.
    Bit,
    /// One register of 16 bits.
    Register,
    /// One whole number of this format in each index.
    Number(Format),
    /// On or off under words of its own; a number would not say which is which.
    Switch {
        /// The word for off.
        off: &'static str,
        /// The word for on.
        on: &'static str,
    },
}

/// One function of a grammar. A function with two halves (Modbus 23) has two rows.
#[derive(Debug)]
pub struct FunctionSpec {
    /// Its code.
    pub code: u16,
    /// Its name in `decode` and the reference.
    pub name: &'static str,
    /// The object that it touches.
    pub object: ObjectId,
    /// The class of its deed.
    pub class: Class,
    /// Whether a rule must name it with `via` (Modbus 22, the write half of 23).
    pub named_only: bool,
}

/// A preset: one word for literal sentences.
#[derive(Debug)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it stands for.
    pub sentences: &'static [&'static str],
}

/// One parsed sentence: a rule, a printed deed, or what `explain` is asked. Indexes are zero-based.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// Role, identity or `any`; absent in `explain` and policy tests.
    pub who: Option<String>,
    /// The class.
    pub class: Class,
    /// The object.
    pub object: ObjectId,
    /// Zero-based inclusive ranges, as written; empty = every index (or the object has none).
    pub ranges: Vec<(u32, u32)>,
    /// One bit of a register.
    pub bit: Option<u8>,
    /// The units, as ranges; empty = every unit of the conduit.
    pub units: Vec<(u32, u32)>,
    /// The values.
    pub values: Option<ValueSet>,
    /// The largest change.
    pub step: Option<StepClause>,
    /// How registers make an element.
    pub value_type: Option<ValueType>,
    /// Whether the entire range must be written at once.
    pub whole: bool,
    /// The qualifiers, as ranges; empty = every one.
    pub qualifiers: Vec<(u32, u32)>,
    /// The functions; empty = every function of that class on that object but those that must be named. `exactly` names
    /// the object's own.
    pub via: Vec<u16>,
    /// Only after a select (DNP3, IEC 104).
    pub select_first: bool,
    /// A condition on the process.
    pub when: Option<When>,
    /// The rule's own bucket.
    pub max: Option<Max>,
    /// A shared bucket.
    pub spends: Option<String>,
    /// The schedule: its name, and whether it must not hold.
    pub during: Option<During>,
    /// Ignores rate, `max`, `step`, `when` and schedule.
    pub always: bool,
}

/// A number of a value clause. Integers stay integers, so that 64-bit values are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Num {
    /// An integer.
    Int(i128),
    /// A decimal.
    Float(f64),
    /// `on` or `off`.
    Bool(bool),
}

/// The allowed values.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueSet {
    /// Numbers and inclusive ranges that every element must fit.
    Each(Vec<(Num, Num)>),
    /// One value per element, in order; the deed must be exactly that long. Empty: the write that sets nothing.
    Positional(Vec<Num>),
}

/// `step N [up|down] [or to V,..] [from OBJECT N]`.
#[derive(Clone, Debug, PartialEq)]
pub struct StepClause {
    /// The largest change, at least 0.
    pub size: Num,
    /// Which direction is limited; absent = both.
    pub direction: Option<StepDirection>,
    /// Values always reachable.
    pub or_to: Vec<Num>,
    /// The object and first index that name the readback.
    pub from: Option<(ObjectId, u32)>,
}

/// Which changes a step limits: `up` limits increases only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepDirection {
    /// Increases are limited; decreases are free.
    Up,
    /// Decreases are limited; increases are free.
    Down,
}

/// How registers make an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// The number's format.
    pub format: Format,
    /// Little-endian word order.
    pub swapped: bool,
}

/// The formats of `as`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One register, unsigned (the default).
    U16,
    /// One register, signed.
    I16,
    /// Two registers.
    U32,
    /// Two registers, signed.
    I32,
    /// Two registers, IEEE 754 single.
    F32,
    /// Four registers.
    U64,
    /// Four registers, signed.
    I64,
    /// Four registers, IEEE 754 double.
    F64,
    /// A bit.
    Bool,
}

/// `when OBJECT N = VALUES`.
#[derive(Clone, Debug, PartialEq)]
pub struct When {
    /// The object.
    pub object: ObjectId,
    /// Its zero-based index.
    pub address: u32,
    /// What it must hold.
    pub values: Vec<(Num, Num)>,
}

/// `max N/s|min|h [each]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Max {
    /// How many.
    pub count: u32,
    /// In which time.
    pub per: Per,
    /// Whether each identity has its own bucket.
    pub each: bool,
}

/// The time of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// `s`
    Second,
    /// `min`
    Minute,
    /// `h`
    Hour,
}

/// `during [not] SCHEDULE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct During {
    /// The schedule.
    pub schedule: String,
    /// Whether it must not hold.
    pub not: bool,
}

/// How the numbers of an operator's sentences relate to the wire (`addressing`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressing {
    /// As on the wire.
    #[default]
    ZeroBased,
    /// One more than on the wire.
    OneBased,
    /// 40001 or 400001 for holding register 0.
    Modicon,
}

/// What is wrong with a sentence, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentenceFault {
    /// Bytes of the sentence.
    pub span: Range<usize>,
    /// A stable word for the fault's kind (`unknown_word`, `reversed_range`, ...): config maps it to its code.
    pub kind: FaultKind,
    /// One line: what is wrong.
    pub message: String,
    /// One line: what stands under the span.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// The kinds of faults of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A word that the grammar does not have there.
    UnknownWord,
    /// Something is missing.
    Missing,
    /// A number that cannot be read or is out of its bounds.
    BadNumber,
    /// A range that ends before it starts.
    ReversedRange,
    /// A clause that stands twice or out of its order.
    Order,
    /// Clauses that do not go together.
    Conflict,
    /// An address that the conduit's `addressing` cannot mean.
    Addressing,
    /// A word of the language that this version does not serve yet.
    NotServed,
}

/// Why no single message does what a sentence says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildFault(pub String);

/// Whether a sentence starts with WHO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A rule or a printed deed: WHO first.
    Rule,
    /// `explain`, policy tests: WHO is left out.
    Deed,
}

impl ObjectSpec {
    /// Whether the gateway can read one of its elements by itself, for `step` and `when`.
    pub fn can_be_asked(&self) -> bool {
        self.element != Element::None
            && matches!(self.index, Index::Address { .. } | Index::Number { .. })
            && (self.classes.contains(&Class::Read) || self.classes == [Class::Report])
    }

    /// Whether its elements are numbers.
    pub fn is_number(&self) -> bool {
        matches!(self.element, Element::Register | Element::Number(_))
    }

    /// Whether each index holds a whole element, whatever its format.
    pub fn is_one_each(&self) -> bool {
        matches!(self.element, Element::Number(_))
    }

    /// The format of an element of which nothing else is said.
    pub fn format(&self) -> Format {
        match self.element {
            Element::Number(format) => format,
            Element::None | Element::Bit | Element::Register | Element::Switch { .. } => Format::U16,
        }
    }

    /// How many indexes an element of this format takes.
    pub fn width(&self, format: Format) -> u32 {
        if self.is_one_each() { 1 } else { format.registers() }
    }
}

impl Grammar {
    /// The object that `id` names in this grammar.
    pub fn object(&self, id: ObjectId) -> Option<&'static ObjectSpec> {
        self.objects.get(usize::from(id.0))
    }

    /// The second word that this is.
    pub fn twin(&self, word: &str) -> Option<&'static Twin> {
        self.twins.iter().find(|twin| twin.word == word)
    }

    /// The function that the object's own word names where it has twins in this class: the first of several.
    pub fn own_function(&self, object: ObjectId, class: Class) -> Option<u16> {
        let mut rows = self.functions.iter().filter(|row| row.object == object && row.class == class);
        let own = rows.next().filter(|_| !self.twins.is_empty())?;
        rows.next().map(|_| own.code)
    }

    /// Whether an element of the object, or the one bit of it that is named, is on or off.
    fn is_switch(&self, id: ObjectId, bit: bool) -> bool {
        self.object(id).is_some_and(|object| match object.element {
            Element::None | Element::Number(_) => false,
            Element::Bit | Element::Switch { .. } => true,
            Element::Register => bit,
        })
    }
}

impl Sentence {
    /// Reads one sentence. Indexes come out zero-based.
    ///
    /// # Errors
    /// Every fault that can be told apart, first to last.
    pub fn parse(
        text: &str,
        form: Form,
        grammar: &Grammar,
        addressing: Addressing,
    ) -> Result<Self, Vec<SentenceFault>> {
        parse::sentence(text, form, grammar, addressing)
    }

    /// The canonical text: zero-based, clauses in the order of the grammar, one space between words.
    /// `parse(print(s), ZeroBased) == s` for every sentence, and `print` is its own fixpoint.
    pub fn print(&self, grammar: &Grammar) -> String {
        print::sentence(self, grammar, Addressing::ZeroBased)
    }

    /// The same text with its addresses as an operator's `addressing` has them: what to copy into a configuration.
    pub fn print_in(&self, grammar: &Grammar, addressing: Addressing) -> String {
        print::sentence(self, grammar, addressing)
    }

    /// The sentence of a deed: exact unit, range, values and function, so that a rule copied from it allows that deed
    /// and none with other values. A write that sets nothing (an empty mask) has the empty list, `= []`.
    pub fn of_deed(who: Option<&str>, deed: &crate::deed::Deed<'_>) -> Self {
        print::of_deed(who, deed)
    }
}
