//! Which of a station's ASDUs belongs to which command? (IEC 60870-5-101 6.8 to 6.12)
//!
//! ```text
//! [awaited] -> 7, 9, 44..47, or the data that a read asked for -> settles it -> [past]
//!           -> request_timeout                                              -> [past]
//! [past]    -> a late confirmation, 10 (termination)                        -> follows it
//!              some stations confirm a read with 7, too                      -> follows it
//! ```

use alloc::collections::VecDeque;

use super::{
    asdu::{Asdu, BROADCAST},
    cause,
    checks::{UNKNOWN_IOA, UNKNOWN_TYPE},
    types::{From, Kind},
};
use crate::{
    half::{Outcome, Place, Ticket},
    time::Mono,
};

/// What tells one command from another: the station mirrors all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    type_id: u8,
    ca: u16,
    ioa: u32,
    cause: u8,
}

/// The commands of one connection that the station has not confirmed, and those that it may still speak of.
#[derive(Debug, Default)]
pub(super) struct Calls {
    awaited: VecDeque<Awaited>,
    past: VecDeque<Past>,
}

/// A command that waits for its confirmation.
#[derive(Debug)]
struct Awaited {
    call: Call,
    ticket: Ticket,
    due: Mono,
    reading: Reading,
}

/// What else is known of a read: whose it is, and whether the station has said that it understood.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    /// Our own: no centre waits for what is said of it.
    own: bool,
    understood: bool,
}

/// A command that nobody waits for.
#[derive(Debug)]
struct Past {
    call: Call,
    reading: Reading,
    /// A station that confirms twice is believed once.
    confirmed: bool,
}

/// Commands in flight: the most that `pending` can say is far less.
const AWAITED_MAX: usize = 8192;
/// Commands remembered. What a station says of an older one is dropped: nobody waits for it any more.
const PAST_MAX: usize = 256;

impl Call {
    /// Of a command; nothing where no confirmation belongs to it.
    pub(super) fn of(asdu: &Asdu<'_>) -> Option<Self> {
        let is_file = matches!(asdu.spec().kind, Kind::File(_) | Kind::Segment);
        if is_file || asdu.cause() == cause::SPONTANEOUS {
            return None;
        }
        let ioa = asdu.objects().next()?.ioa;
        Some(Self { type_id: asdu.type_id(), ca: asdu.ca(), ioa, cause: asdu.cause() })
    }

    /// Whether a station's ASDU speaks of this command, whatever it says of it.
    fn is_meant(&self, told: &Asdu<'_>) -> bool {
        let ioa = told.objects().next().map(|object| object.ioa);
        // Under the global address each station confirms in its own name.
        let here = self.is_global() || self.ca == told.ca();
        here && ioa == Some(self.ioa) && (told.type_id() == self.type_id || self.is_answered_by(told))
    }

    const fn is_global(&self) -> bool {
        self.ca == BROADCAST
    }

    /// A read is answered with the point itself.
    fn is_answered_by(&self, told: &Asdu<'_>) -> bool {
        self.cause == cause::REQUEST && told.cause() == cause::REQUEST && told.spec().from != From::Centre
    }

    fn is_confirmed_by(&self, told: &Asdu<'_>) -> bool {
        let confirms = told.cause() == cause::confirms(self.cause)
            || matches!(told.cause(), UNKNOWN_TYPE..=UNKNOWN_IOA)
            || (told.is_negative() && told.cause() == cause::ACTIVATION_CON);
        confirms && self.is_meant(told)
    }

    /// What belongs to it and says nothing new: its end; or that a read was understood, before the point that it asks for.
    fn is_followed_by(&self, told: &Asdu<'_>) -> bool {
        let follows = match self.cause {
            cause::ACTIVATION => told.cause() == cause::ACTIVATION_TERM,
            cause::REQUEST => told.cause() == cause::ACTIVATION_CON && !told.is_negative(),
            _ => false,
        };
        follows && told.type_id() == self.type_id && self.is_meant(told)
    }
}

impl Calls {
    pub(super) fn sent(&mut self, call: Call, ticket: Ticket, due: Mono) {
        // More than a session may have pending: only a capture without its station's side comes to this.
        if self.awaited.len() >= AWAITED_MAX {
            self.awaited.pop_front();
        }
        self.awaited.push_back(Awaited { call, ticket, due, reading: Reading::default() });
    }

    /// The read that was just sent is the gateway's own.
    pub(super) fn is_own(&mut self, ticket: Ticket) {
        if let Some(last) = self.awaited.back_mut().filter(|one| one.ticket == ticket) {
            last.reading.own = true;
        }
    }

    /// Whether a read of the gateway's own was understood: no centre waits to hear that. Of several reads of one point the
    /// station understands the oldest first, and each once.
    pub(super) fn hears_own(&mut self, told: &Asdu<'_>) -> bool {
        let past = self.past.iter_mut().map(|one| (&one.call, &mut one.reading));
        let all = past.chain(self.awaited.iter_mut().map(|one| (&one.call, &mut one.reading)));
        let meant = |(call, _): &(&Call, &mut Reading)| call.cause == cause::REQUEST && call.is_followed_by(told);
        match all.filter(meant).find(|(_, reading)| !reading.understood) {
            Some((_, reading)) => {
                reading.understood = true;
                reading.own
            }
            None => false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.awaited.len()
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.awaited.front().map(|one| one.due)
    }

    /// The oldest command, where its time is over. What the station still says of it follows it.
    pub(super) fn timed_out(&mut self, now: Mono) -> Option<Ticket> {
        self.deadline().filter(|due| *due <= now)?;
        let one = self.awaited.pop_front()?;
        let ticket = one.ticket;
        self.remember(one, false);
        Some(ticket)
    }

    /// The oldest command: nobody waits for it any more.
    pub(super) fn give_up(&mut self) -> Option<Ticket> {
        self.awaited.pop_front().map(|one| one.ticket)
    }

    /// What a station's ASDU has to do with what was sent; nothing where it has nothing to do with it.
    pub(super) fn place(&mut self, told: &Asdu<'_>) -> Option<Place> {
        if let Some(at) = self.awaited.iter().position(|one| one.call.is_confirmed_by(told)) {
            let one = self.awaited.remove(at)?;
            let ticket = one.ticket;
            self.remember(one, true);
            let outcome = if told.is_negative() { Outcome::Exception } else { Outcome::Ok };
            return Some(Place::Settles(ticket, outcome));
        }
        // A station may end what it never confirmed.
        if self.awaited.iter().any(|one| one.call.is_followed_by(told)) {
            return Some(Place::Follows);
        }
        let fits = |one: &Past| {
            let confirms = (!one.confirmed || one.call.is_global()) && one.call.is_confirmed_by(told);
            confirms || one.call.is_followed_by(told)
        };
        let at = self.past.iter().rposition(fits)?;
        let one = self.past.get_mut(at)?;
        if one.call.is_followed_by(told) && !one.call.is_global() {
            self.past.remove(at);
        } else {
            one.confirmed = true;
        }
        Some(Place::Follows)
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.past.len() <= PAST_MAX, "more remembered than the bound");
        assert!(self.awaited.iter().is_sorted_by_key(|one| one.due), "deadlines out of order");
    }

    fn remember(&mut self, Awaited { call, reading, .. }: Awaited, confirmed: bool) {
        if self.past.len() >= PAST_MAX {
            self.past.pop_front();
        }
        self.past.push_back(Past { call, reading, confirmed });
    }
}

#[cfg(test)]
mod tests;
