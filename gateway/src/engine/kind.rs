//! What kind of message is this, all its deeds together?

use std::ops::ControlFlow;

use sluicegate_proto::{
    protocol::{Message, Protocol},
    vocab::Class,
};

use super::limits::Toll;

/// What a message is, all deeds together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its function code; 0 where the bytes could not be read.
    pub(super) function: u16,
    /// The gravest class of its deeds.
    pub(super) class: Option<Class>,
    /// Every deed reads.
    pub(crate) is_read: bool,
    /// Some deed writes.
    pub(crate) is_write: bool,
    /// Some deed controls.
    pub(crate) is_control: bool,
    /// Some deed changes what the device does in another way.
    pub(crate) is_program: bool,
}

impl Kind {
    pub(crate) fn of(message: &Message<'_>) -> Self {
        let mut kind = Self { function: message.function(), is_read: true, ..Self::default() };
        let _all: ControlFlow<()> = message.deeds(&mut |deed| {
            match deed.class {
                Class::Write => kind.is_write = true,
                Class::Control => kind.is_control = true,
                Class::Program => kind.is_program = true,
                Class::Read | Class::Diagnose | Class::Identify | Class::Report | Class::Browse | Class::Subscribe => {}
            }
            kind.class = graver(kind.class, deed.class);
            kind.is_read &= deed.class == Class::Read;
            ControlFlow::Continue(())
        });
        kind
    }

    /// What a message that is not legal would have been: all that is known of it is its function.
    pub(super) fn of_function(protocol: Protocol, function: u16) -> Self {
        let grammar = protocol.grammar();
        let rows = grammar.functions.iter().filter(|one| one.code == function);
        let class = rows.fold(None, |class, row| graver(class, row.class));
        Self { function, class: class.or_else(|| (grammar.code_class)(function, None).ok()), ..Self::default() }
    }

    /// Whether its passing is put on record.
    pub(super) const fn audited(self) -> bool {
        self.is_write || self.is_control || self.is_program
    }

    pub(crate) const fn toll(self, identity: u16) -> Toll {
        Toll { identity, is_write: self.is_write, is_control: self.is_control, peer_paid: false }
    }
}

/// Of two classes the one that an operator must hear of first.
fn graver(known: Option<Class>, other: Class) -> Option<Class> {
    let weight = |class: Class| match class {
        Class::Program => 4,
        Class::Control => 3,
        Class::Write => 2,
        Class::Diagnose => 1,
        Class::Read | Class::Identify | Class::Report | Class::Browse | Class::Subscribe => 0,
    };
    known.filter(|known| weight(*known) >= weight(other)).or(Some(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_illegal_message_is_of_the_gravest_class_that_its_function_could_have_been() {
        let class = |function| Kind::of_function(Protocol::Modbus, function).class;
        assert_eq!(class(3), Some(Class::Read));
        assert_eq!(class(16), Some(Class::Write));
        assert_eq!(class(23), Some(Class::Write), "it reads and writes");
        assert_eq!(class(43), Some(Class::Program), "which of them stands in the bytes that are not legal");
        assert_eq!(class(90), Some(Class::Program), "a function of nobody");
    }
}
