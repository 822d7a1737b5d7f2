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
    let mut used = 0;
    loop {
        let rest = &input[used..];
        if rest.is_empty() {
            break;
        }
        match link.half.next(Input::Stream(rest), now, &mut link.out) {
            DeviceStep::Need { .. } => break,
            DeviceStep::Own { used: n } => used += n,
            DeviceStep::Told { used: n, told } => {
                used += n;
                link.strays = 0;
                link.answered = true;
                if let Some(flight) = link.flying.remove(&told.ticket) {
                    told_by_device(core, &flight, &told, now);
                }
            }
            DeviceStep::Dropped { used: n, reason, spoiled } => {
                used += n;
                dropped(core, reason);
                let flight = spoiled.and_then(|ticket| Some((ticket, link.flying.remove(&ticket)?)));
                if let Some((ticket, flight)) = flight {
                    fail(core, ticket, &flight, Reason::ResponseMismatch, now);
                }
                link.strays += 1;
                if link.strays >= STRAYS_MAX {
                    link.dial_failed(now.mono);
                    return close(core, link, key, now);
                }
            }
            DeviceStep::End { cause: _, reason } => {
                dropped(core, reason.unwrap_or(Reason::Malformed));
                close(core, link, key, now);
                return;
            }
        }
    }
    link.spill = input[used..].to_vec();
    core.ready.insert(key);
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
                if let Some(flight) = link.flying.remove(&ticket) {
                    if core.silent.timed_out(flight.unit, now.mono) {
                        core.metrics.units_silent(core.silent.dead());
                        core.trail_unit(flight.unit, "does not answer: it is asked every five seconds from now on");
                    }
                    fail(core, ticket, &flight, Reason::RequestTimeout, now);
                }
            }
            DeviceTick::End(_) => return close(core, link, key, now),
        }
    }
    let idle = core.conduit().upstream_idle;
    if link.flying.is_empty() && now.mono >= link.active.after(idle) {
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
    match was {
        State::Dialling => {
            link.dial_failed(now.mono);
            core.metrics.upstream_connect_failed();
            core.refuse_queued(key, Reason::UpstreamUnavailable, now);
        }
        // One that takes connections and hangs up without a word is not dialled for every request.
        State::Up if !link.answered => {
            link.dial_failed(now.mono);
            core.metrics.upstream_connect_failed();
        }
        State::Up | State::Rest | State::Closing | State::Retired => {}
    }
    core.ready.insert(key);
    core.wake(Wake::Link(key));
}

fn close(core: &mut Core, link: &mut Link, key: LinkKey, now: Now) {
    abandon(core, link, now);
    link.state = State::Closing;
    core.wake(Wake::Link(key));
}

fn abandon(core: &mut Core, link: &mut Link, now: Now) {
    while link.half.abandon().is_some() {}
    for (ticket, flight) in std::mem::take(&mut link.flying) {
        fail(core, ticket, &flight, Reason::UpstreamUnavailable, now);
    }
}

/// An answer in good order.
fn told_by_device(core: &mut Core, flight: &Flight, told: &Told<'_>, now: Now) {
    core.metrics.upstream_took(now.mono.since(flight.since));
    core.metrics.response(match told.outcome {
        Outcome::Ok => ResponseOutcome::Ok,
        Outcome::Exception => ResponseOutcome::Exception,
    });
    if let Some(code) = told.exception {
        core.metrics.device_exception(code);
    }
    if let Some(repair) = told.repaired {
        core.metrics.repaired(repair);
    }
    if core.silent.answered(flight.unit) {
        core.metrics.units_silent(core.silent.dead());
        core.trail_unit(flight.unit, "answers again");
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
fn own_read_done(core: &mut Core, own: &OwnRead, ticket: Ticket, answered: bool, now: Now) {
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
    // A device that only talks must not fill the journal, which all conduits share.
    if core.limits.alarm().is_err() {
        core.unalarmed += 1;
        return;
    }
    match std::mem::take(&mut core.unalarmed) {
        0 => core.trail_alarm(None, Some(reason), "a message of the device was dropped"),
        more => {
            let note = format!("a message of the device was dropped; {more} before it were only counted");
            core.trail_alarm(None, Some(reason), &note);
        }
    }
}

/// Messages in a row that answer nothing: a slow device whose answers all come late sends a few, one that only talks
/// would keep its worker busy. Past this the connection is closed, and dialled again when somebody asks.
const STRAYS_MAX: u32 = 64;
