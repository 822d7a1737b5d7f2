//! What becomes of the device's bytes, its silence, its end?

use sluicegate_proto::{
    half::{DeviceStep, DeviceTick, Input, Outcome, Ticket, Told},
    policy::Denied,
    time::Now,
    vocab::{Cause, Reason},
};

use super::{
    LinkKey, SessionKey, Wake,
    core::Core,
    link::{Flight, Flown, Link, OwnRead, State},
    report::{self, Heard},
    tie,
};
use crate::observe::metrics::ResponseOutcome;

/// Takes all of `bytes`: every whole answer goes to the peer that asked, and to nobody else.
pub(super) fn bytes(core: &mut Core, link: &mut Link, key: LinkKey, bytes: &[u8], now: Now) {
    if link.state != State::Up {
        return;
    }
    link.active = now.mono;
    let mut kept = std::mem::take(&mut link.spill);
    let input = if kept.is_empty() {
        bytes
    } else {
        kept.extend_from_slice(bytes);
        &kept
    };
    let Some(used) = steps(core, link, key, input, now) else { return };
    link.spill = input[used..].to_vec();
    core.ready.insert(key);
    if !link.out.is_empty() {
        core.wake(Wake::Link(key));
    }
}

/// Message by message: how many bytes were used. Nothing where the connection was given up.
fn steps(core: &mut Core, link: &mut Link, key: LinkKey, input: &[u8], now: Now) -> Option<usize> {
    let mut used = 0;
    loop {
        let rest = &input[used..];
        if rest.is_empty() || report::is_choked(core, link.owner) {
            return Some(used);
        }
        match link.half.next(Input::Stream(rest), now, &mut link.out) {
            DeviceStep::Need { .. } => return Some(used),
            DeviceStep::Own { used: n } => used += n,
            DeviceStep::Told { used: n, told } => {
                used += n;
                (link.strays, link.answered) = (0, true);
                if let Some(flight) = link.flying.remove(told.ticket) {
                    told_by_device(core, &flight, &told, now);
                }
            }
            DeviceStep::Unasked { used: n, unasked } => {
                used += n;
                (link.strays, link.answered) = (0, true);
                let id = unasked.id;
                let heard = report::unasked(core, link.owner, &mut link.flying, &unasked, now);
                if heard == Heard::Refused {
                    link.half.unreported(id, now, &mut link.out);
                }
            }
            DeviceStep::Signal { used: n, signal } => {
                used += n;
                link.answered = true;
                tie::to_peer(core, link.owner, signal, now);
            }
            DeviceStep::Dropped { used: n, reason, spoiled } => {
                used += n;
                if stray(core, link, (reason, spoiled), now) >= STRAYS_MAX {
                    link.dial_failed(now.mono);
                    give_up(core, link, key, Cause::UpstreamUnavailable, now);
                    return None;
                }
            }
            DeviceStep::End { cause: _, reason } => {
                dropped(core, reason.unwrap_or(Reason::Malformed));
                if !link.answered {
                    not_reached(core, link, now);
                }
                give_up(core, link, key, Cause::UpstreamUnavailable, now);
                return None;
            }
        }
    }
}

/// A message that answers nothing: how many of them came in a row.
fn stray(core: &mut Core, link: &mut Link, (reason, spoiled): (Reason, Option<Ticket>), now: Now) -> u32 {
    dropped(core, reason);
    let flight = spoiled.and_then(|ticket| Some((ticket, link.flying.remove(ticket)?)));
    if let Some((ticket, flight)) = flight {
        fail(core, ticket, &flight, Reason::ResponseMismatch, now);
    }
    link.strays += 1;
    link.strays
}

/// Time has passed for this device connection.
pub(super) fn tick(core: &mut Core, link: &mut Link, key: LinkKey, now: Now) {
    if link.state != State::Up {
        return;
    }
    loop {
        match link.half.tick(now, &mut link.out) {
            DeviceTick::Idle => break,
            DeviceTick::TimedOut(ticket) => {
                core.metrics.response(ResponseOutcome::Timeout);
                if let Some(flight) = link.flying.remove(ticket) {
                    if core.silent.timed_out(flight.unit, now.mono) {
                        core.metrics.units_silent(core.silent.dead());
                        core.trail_unit(flight.unit, "does not answer: it is asked every five seconds from now on");
                    }
                    fail(core, ticket, &flight, Reason::RequestTimeout, now);
                }
            }
            DeviceTick::End(cause) => {
                // A slave behind a serial line that does not answer says nothing about the line.
                if !link.answered && cause != Cause::RequestTimeout {
                    not_reached(core, link, now);
                }
                return give_up(core, link, key, cause, now);
            }
        }
    }
    if !link.out.is_empty() {
        core.wake(Wake::Link(key));
    }
    if link.idle_at(core.conduit()).is_some_and(|at| at <= now.mono) {
        link.state = State::Closing;
        core.wake(Wake::Link(key));
    }
}

/// The link's session is gone, and with it whoever would hear the answers. Whether a connection is left to be closed.
pub(super) fn retire(core: &mut Core, link: &mut Link, now: Now) -> bool {
    let stands = matches!(link.state, State::Up | State::Closing);
    abandon(core, link, now);
    link.state = State::Retired;
    stands
}

/// The dial failed or the connection is gone. Nothing in flight is sent again: its fate is unknown, and said so.
pub(super) fn down(core: &mut Core, link: &mut Link, key: LinkKey, now: Now) {
    let was = link.state;
    abandon(core, link, now);
    link.spill = Vec::new();
    link.out.clear();
    if was == State::Retired {
        return;
    }
    link.state = State::Rest;
    let dialling = was == State::Dialling;
    match was {
        State::Dialling => {
            not_reached(core, link, now);
            core.refuse_queued(key, Reason::UpstreamUnavailable, now);
        }
        // One that takes connections and hangs up without a word is not dialled for every request.
        State::Up if !link.answered => not_reached(core, link, now),
        State::Up | State::Rest | State::Closing | State::Retired => {}
    }
    core.ready.insert(key);
    core.wake(Wake::Link(key));
    let cause = if dialling { Cause::UpstreamUnavailable } else { Cause::DeviceClosed };
    tie::lost(core, link.owner, cause, now);
}

/// The dial failed, or the connection brought nothing that is an answer: the next dial waits.
fn not_reached(core: &mut Core, link: &mut Link, now: Now) {
    link.dial_failed(now.mono);
    core.metrics.upstream_connect_failed();
}

/// The connection is closed, and with it the session that is bound to it.
fn give_up(core: &mut Core, link: &mut Link, key: LinkKey, cause: Cause, now: Now) {
    abandon(core, link, now);
    link.state = State::Closing;
    core.wake(Wake::Link(key));
    tie::lost(core, link.owner, cause, now);
}

fn abandon(core: &mut Core, link: &mut Link, now: Now) {
    while link.half.abandon().is_some() {}
    for (ticket, flight) in link.flying.take() {
        fail(core, ticket, &flight, Reason::UpstreamUnavailable, now);
    }
}

/// The device has spoken about this message.
pub(super) fn came(core: &mut Core, flight: &Flight, outcome: Outcome, now: Now) {
    core.metrics.upstream_took(now.mono.since(flight.since));
    core.metrics.response(match outcome {
        Outcome::Ok => ResponseOutcome::Ok,
        Outcome::Exception => ResponseOutcome::Exception,
    });
    if core.silent.answered(flight.unit) {
        core.metrics.units_silent(core.silent.dead());
        core.trail_unit(flight.unit, "answers again");
    }
}

/// An answer in good order.
fn told_by_device(core: &mut Core, flight: &Flight, told: &Told<'_>, now: Now) {
    came(core, flight, told.outcome, now);
    if let Some(code) = told.exception {
        core.metrics.device_exception(code);
    }
    if let Some(repair) = told.repaired {
        core.metrics.repaired(repair);
    }
    learn(core, flight, told, now);
    match &flight.what {
        Flown::Peer(key) => {
            core.release(told.ticket);
            deliver(core, *key, told, now);
        }
        Flown::Own(own) => own_read_done(core, own, told.ticket, told.outcome == Outcome::Ok, now),
    }
}

/// What the device holds now. Connections overtake each other: a peer's read that was under way while a write began or
/// ended may bring the value of before, and a `step` judged against that would be a larger one.
fn learn(core: &mut Core, flight: &Flight, told: &Told<'_>, now: Now) {
    let (held, locks, written) = (&mut core.held, &core.locks, &core.written);
    told.answer.seen(&mut |seen| {
        let teaches = match flight.what {
            // Its range is locked since before it left.
            Flown::Own(_) => true,
            Flown::Peer(_) => {
                locks.owner(&seen).is_none_or(|owner| owner == told.ticket) && !written.since(flight.stamp, &seen)
            }
        };
        if teaches {
            held.learn(seen, now.mono);
        }
    });
}

fn deliver(core: &mut Core, key: SessionKey, told: &Told<'_>, now: Now) {
    let Some(session) = core.sessions.get_mut(&key) else { return };
    if session.ended.is_some() {
        return;
    }
    session.active = now.mono;
    let full = session.half.deliver(told, &mut session.out).is_err();
    core.news(key);
    if full {
        core.end(key, Cause::InternalError, now);
    } else {
        core.settle(key, now);
    }
}

/// No answer, or none in good order: a peer's request is answered in the device's stead, an own read stays unknown.
fn fail(core: &mut Core, ticket: Ticket, flight: &Flight, reason: Reason, now: Now) {
    match &flight.what {
        Flown::Peer(key) => {
            core.release(ticket);
            core.answer_refusal(*key, ticket, &Denied::because(reason), now);
        }
        Flown::Own(own) => own_read_done(core, own, ticket, false, now),
    }
}

/// The message that waited for this read is judged again in its turn. It waits for that from now on: the time of the
/// read was not the queue's.
pub(super) fn own_read_done(core: &mut Core, own: &OwnRead, ticket: Ticket, answered: bool, now: Now) {
    let read = &own.read;
    let unit = core.conduit().protocol.grammar().unit_word;
    let object = core.conduit().protocol.grammar().objects.get(usize::from(read.object.0)).map_or("?", |one| one.word);
    let outcome = if answered { "answered" } else { "no answer" };
    let note =
        format!("origin: gateway; read {object} {} count {} {unit} {}: {outcome}", read.first, read.count, read.unit);
    core.trail_own_read(own, note);
    let Some(session) = core.sessions.get_mut(&own.session) else { return };
    if let Some(job) = session.queue.iter_mut().find(|job| job.waits_for == Some(ticket)) {
        job.waits_for = None;
        job.arrived = now.mono;
        if !answered {
            job.failed.push(*read);
        }
    }
    core.arm(own.session);
}

/// A message of the device that answers nothing: dropped, counted, never delivered to another request (GEN-08).
fn dropped(core: &mut Core, reason: Reason) {
    core.metrics.response(match reason {
        Reason::UnsolicitedResponse => ResponseOutcome::Unsolicited,
        _ => ResponseOutcome::Malformed,
    });
    core.metrics.denial(reason, core.mode());
    core.trail_device(None, reason, "a message of the device was dropped");
}

/// Messages in a row that answer nothing: a slow device whose answers all come late sends a few, one that only talks
/// would keep its worker busy. Past this the connection is closed, and dialled again when somebody asks.
const STRAYS_MAX: u32 = 64;
