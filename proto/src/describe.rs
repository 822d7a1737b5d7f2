//! What does a message say, field by field? For `decode` and `replay`; no verdict hangs on it.
//!
//! A protocol describes its messages and its answers deed by deed ([`Protocol`](crate::protocol::Protocol) dispatches).
//! Names and numbers only: what is printed, and how, is the gateway's.

use alloc::vec::Vec;

use crate::deed::{Deed, Values};

/// One deed of a message or of an answer, with its protocol's fields.
#[derive(Debug)]
pub struct Described<'a> {
    /// What it does. Of an answer: what its request asked for.
    pub deed: Deed<'a>,
    /// Whether the deed's range is known. An answer whose request was not captured often does not say it; its sentence
    /// then stands without, and is no rule.
    pub located: bool,
    /// The protocol's own fields, in the order of language.md section 7. A name stands once.
    pub fields: Vec<(&'static str, Field<'a>)>,
}

/// One value of a described deed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Real(f64),
    /// Yes or no.
    Flag(bool),
    /// Words of the protocol's, or of the device's own.
    Text(&'a str),
    /// Values, one for each index of the deed's range: printed as whole numbers, bits as 0 and 1.
    Values(Values<'a>),
    /// Bytes that are not understood further: printed as hexadecimal digits.
    Bytes(&'a [u8]),
    /// Texts that the device says of itself, each under its number.
    Texts(&'a [(u8, &'a [u8])]),
}

/// What takes the deeds of one message, one after the other.
pub type Each<'e> = &'e mut dyn FnMut(Described<'_>);

impl<'a> Described<'a> {
    /// A deed with its range known and no fields yet.
    pub const fn of(deed: Deed<'a>) -> Self {
        Self { deed, located: true, fields: Vec::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, field: Field<'a>) -> Self {
        self.fields.push((name, field));
        self
    }

    /// Adds a whole number.
    #[must_use]
    pub fn int(self, name: &'static str, value: impl Into<i64>) -> Self {
        self.with(name, Field::Int(value.into()))
    }
}
