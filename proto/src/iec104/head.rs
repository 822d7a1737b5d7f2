//! What stands first in a stream of APDUs, and since when is it not whole?

use super::{
    apci::{self, Frame, Framed},
    peer::reason,
};
use crate::{
    half::Input,
    time::{Mono, Now},
    vocab::{Cause, Reason},
};

/// What a half is given to work with.
#[derive(Debug)]
pub(super) enum Head<'b> {
    /// Nothing whole; ask again with so many bytes.
    Need(usize),
    /// One APDU's bytes, and what they say.
    Whole(&'b [u8], Frame<'b>),
    /// The connection is over, and whoever is to blame.
    End(Cause, Option<Reason>),
}

/// `partial`: when the first byte of an APDU that is not whole yet was seen. `closed`: what an end in good order is.
pub(super) fn head<'b>(input: Input<'b>, partial: &mut Option<Mono>, closed: Cause, now: Now) -> Head<'b> {
    let bytes = match input {
        Input::Stream(bytes) => bytes,
        Input::Datagram(_) => return Head::End(Cause::Malformed, Some(Reason::UnknownProtocol)),
        Input::Eof if partial.is_some() => return Head::End(Cause::Truncated, Some(Reason::LengthMismatch)),
        Input::Eof => return Head::End(closed, None),
    };
    match apci::first(bytes) {
        Framed::Need(at_least) => {
            *partial = if bytes.is_empty() { None } else { partial.or(Some(now.mono)) };
            Head::Need(at_least)
        }
        // No resynchronisation by searching: what follows broken framing means nothing (GEN-07).
        Framed::Broken(check) => Head::End(Cause::Malformed, Some(reason(check))),
        Framed::Whole(frame, says) => {
            *partial = None;
            Head::Whole(frame, says)
        }
    }
}
