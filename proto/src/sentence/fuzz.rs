//! Does every text that is read print as itself, and does every fault stand in its text? The fuzzer's way in.

use super::{Addressing, Form, Sentence};
use crate::protocol::Protocol;

/// Any bytes: what is no UTF-8 is no text.
///
/// # Panics
/// When a sentence does not read again from what it prints, or a fault says nothing or stands nowhere.
pub fn fuzz_sentence(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    for protocol in Protocol::ALL {
        for form in [Form::Rule, Form::Deed] {
            for addressing in [Addressing::ZeroBased, Addressing::OneBased, Addressing::Modicon] {
                read(text, form, *protocol, addressing);
            }
        }
    }
}

fn read(text: &str, form: Form, protocol: Protocol, addressing: Addressing) {
    let grammar = protocol.grammar();
    match Sentence::parse(text, form, grammar, addressing) {
        Ok(sentence) => {
            for print in [Addressing::ZeroBased, addressing] {
                let printed = sentence.print_in(grammar, print);
                let again = Sentence::parse(&printed, form, grammar, print);
                assert_eq!(again.as_ref(), Ok(&sentence), "{text:?} -> {printed:?}");
            }
            // Whatever it asks for: one message does it, or a fault says why none can.
            if let Ok(stored) = protocol.build(&sentence, 1) {
                assert!(stored.message().is_some(), "{text:?} builds what cannot be read");
            }
        }
        Err(faults) => {
            assert!(!faults.is_empty(), "{text:?} is refused without a fault");
            for fault in faults {
                assert!(text.get(fault.span.clone()).is_some(), "{fault:?} stands outside of {text:?}");
                assert!(!fault.message.is_empty(), "a fault of {text:?} says nothing");
            }
        }
    }
}
