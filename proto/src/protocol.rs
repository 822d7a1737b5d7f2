//! Which protocols are there, and who speaks each? One line a protocol.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::{
    deed::{Deed, ReadFirst, Seen},
    describe::Each,
    half::{
        Asked, DeviceOptions, DeviceStep, DeviceTick, Input, PeerOptions, Rivals, Sent, Signal, Step, Ticket, Ties,
        Told, Unasked,
    },
    kept::Kept,
    keys::{KeyFault, KeySpec, Settings},
    out::{Full, Out},
    policy::{Denied, Plan},
    sentence::{BuildFault, Grammar, Preset, Sentence},
    time::{Mono, Now},
    vocab::{Cause, OnDeny, Reason},
};

/// Declares a protocol: its variant, its word in config and metrics, its module. The module brings `GRAMMAR`, `KEYS`,
/// `PRESETS`, `PORTS`, `TIES`, `Peer`, `Device`, `Request<'b>`, `Response<'b>`, `answer`, `ANSWER_WORD`, `answer_says`,
/// `check`, `is_broadcast`, `is_own_name`, `rivals` and `build`.
macro_rules! protocols {
    ($($name:ident = $word:literal in $module:ident),+ $(,)?) => {
        crate::words! {
            /// The protocols that a conduit can state.
            Protocol { $($name = $word),+ }
        }

        impl Protocol {
            /// The protocol's words: objects, functions, units.
            pub fn grammar(self) -> &'static Grammar { match self { $(Self::$name => &crate::$module::GRAMMAR),+ } }
            /// The keys of `[conduits.X.<protocol>]`.
            pub fn keys(self) -> &'static [KeySpec] { match self { $(Self::$name => crate::$module::KEYS),+ } }
            /// The literal sentences that a `preset` stands for.
            pub fn presets(self) -> &'static [Preset] { match self { $(Self::$name => crate::$module::PRESETS),+ } }
            /// The ports on which its servers listen, TCP and UDP: where `decode` looks unless it is told another.
            pub fn ports(self) -> &'static [u16] { match self { $(Self::$name => crate::$module::PORTS),+ } }
            /// The error code with which a refusal is answered under these settings; absent: silence, or the session closes.
            pub fn answer(self, denied: &Denied, options: &PeerOptions) -> Option<u8> {
                match self { $(Self::$name => crate::$module::answer(denied, options)),+ }
            }
            /// What the specification calls such an answer, before its code in hex.
            pub fn answer_word(self) -> &'static str { match self { $(Self::$name => crate::$module::ANSWER_WORD),+ } }
            /// What the specification calls the answer of this code.
            pub fn answer_says(self, code: u8) -> &'static str {
                match self { $(Self::$name => crate::$module::answer_says(code)),+ }
            }
            /// What does not go together in the conduit's own table. `pending`: its `upstream_pending`.
            pub fn check(self, plan: &Plan, pending: u16) -> Vec<KeyFault> {
                match self { $(Self::$name => crate::$module::check(plan, pending)),+ }
            }
            /// Whether a message to `unit` goes to every unit of the conduit.
            pub fn is_broadcast(self, settings: &Settings, unit: u32) -> bool {
                match self { $(Self::$name => crate::$module::is_broadcast(settings, unit)),+ }
            }
            /// How its connections live.
            pub fn ties(self) -> Ties { match self { $(Self::$name => crate::$module::TIES),+ } }
            /// What becomes of a session that wants the device's floor while another has it.
            pub fn rivals(self, settings: &Settings) -> Rivals {
                match self { $(Self::$name => crate::$module::rivals(settings)),+ }
            }
            /// Whether `unit` may be one more name of the device that other units of the conduit name.
            pub fn is_own_name(self, settings: &Settings, unit: u32) -> bool {
                match self { $(Self::$name => crate::$module::is_own_name(settings, unit)),+ }
            }
            /// Whether halves made with either settings speak the same: then those that live may live on.
            pub fn same_ways(self, one: &Settings, other: &Settings) -> bool {
                match self { $(Self::$name => crate::$module::same_ways(one, other)),+ }
            }
            /// The half that faces the peer.
            pub fn peer_half(self, options: &PeerOptions) -> PeerHalf {
                match self { $(Self::$name => PeerHalf::$name(crate::$module::Peer::new(options))),+ }
            }
            /// The half that faces the device.
            pub fn device_half(self, options: &DeviceOptions) -> DeviceHalf {
                match self { $(Self::$name => DeviceHalf::$name(crate::$module::Device::new(options))),+ }
            }
            /// The message that would do what `sentence` says, in its usual function unless `via` names one
            /// (`explain` and policy tests). `unit` is the conduit's first unit, used where the sentence names none.
            ///
            /// # Errors
            /// [`BuildFault`] when no single message can do that.
            pub fn build(self, sentence: &Sentence, unit: u32) -> Result<Stored, BuildFault> {
                match self { $(Self::$name => crate::$module::build(sentence, unit)),+ }
            }
        }

        /// One whole, legal, canonical message of a peer; borrowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Message<'b> { $(#[doc = $word] $name(crate::$module::Request<'b>)),+ }

        impl<'b> Message<'b> {
            /// Its protocol.
            pub fn protocol(&self) -> Protocol { match self { $(Self::$name(_) => Protocol::$name),+ } }
            /// Visits its deeds, leaf by leaf, until the visitor breaks.
            pub fn deeds<B>(&self, each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
                match self { $(Self::$name(one) => one.deeds(each)),+ }
            }
            /// Its deeds with the protocol's own fields.
            pub fn describe(&self, each: Each<'_>) { match self { $(Self::$name(one) => one.describe(each)),+ } }
            /// What the device is known to hold, where the message is the device's.
            pub fn seen(&self, each: &mut dyn FnMut(Seen)) { match self { $(Self::$name(one) => one.seen(each)),+ } }
            /// Its function code.
            pub fn function(&self) -> u16 { match self { $(Self::$name(one) => one.function()),+ } }
            /// Its unit.
            pub fn unit(&self) -> u32 { match self { $(Self::$name(one) => one.unit()),+ } }
            /// Whether it may change what the unit holds at places that it does not name.
            pub fn unsettles(&self) -> bool { match self { $(Self::$name(one) => one.unsettles()),+ } }
            /// Its canonical bytes without the link's own fields, to keep while it waits.
            pub fn store(&self) -> Stored {
                match self { $(Self::$name(one) => Stored { protocol: Protocol::$name, bytes: one.store() }),+ }
            }
        }

        /// One validated answer of a device; borrowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Answer<'b> { $(#[doc = $word] $name(crate::$module::Response<'b>)),+ }

        impl Answer<'_> {
            /// What the device now is known to hold.
            pub fn seen(&self, each: &mut dyn FnMut(Seen)) { match self { $(Self::$name(one) => one.seen(each)),+ } }
            /// The deeds that it answers, with what it says of each.
            pub fn describe(&self, each: Each<'_>) { match self { $(Self::$name(one) => one.describe(each)),+ } }
        }

        /// A message kept while it waits for the device's turn or for a read.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Stored { protocol: Protocol, bytes: Kept }

        impl Stored {
            /// The message. It was legal when it was stored, so this reads it again without a verdict of its own.
            pub fn message(&self) -> Option<Message<'_>> {
                match self.protocol { $(Protocol::$name => crate::$module::Request::restore(&self.bytes).map(Message::$name)),+ }
            }
            /// Its canonical bytes.
            pub fn bytes(&self) -> &[u8] { &self.bytes }
        }

        /// The server's role towards the peer: framing, ids, order of answers.
        #[derive(Debug)]
        #[expect(clippy::large_enum_variant, reason = "there is one for each connection; a box would cost more than the room")]
        pub enum PeerHalf { $(#[doc = $word] $name(crate::$module::Peer)),+ }

        impl PeerHalf {
            /// The next thing that the peer's bytes say.
            pub fn next<'b>(&mut self, input: Input<'b>, now: Now, to_peer: &mut Out) -> Step<'b> {
                match self { $(Self::$name(one) => one.next(input, now, to_peer)),+ }
            }
            /// Takes the pending slot of an allowed message.
            ///
            /// # Errors
            /// `duplicate_id` where its id is in flight, `too_many_pending` where no slot is free.
            pub fn accept(&mut self, asked: &Asked<'_>, ticket: Ticket) -> Result<(), Reason> {
                match self { $(Self::$name(one) => one.accept(asked, ticket)),+ }
            }
            /// An accepted message as it is now: what it hangs on may have run out while it waited.
            pub fn as_of<'b>(&self, ticket: Ticket, message: Message<'b>, now: Now) -> Message<'b> {
                match self { $(Self::$name(one) => one.as_of(ticket, message, now)),+ }
            }
            /// Nobody read the peer for a while, and somebody does now: what it must say in time it has from now on.
            pub fn read_again(&mut self, now: Now) { match self { $(Self::$name(one) => one.read_again(now)),+ } }
            /// Refuses a message that was not accepted, in its turn.
            ///
            /// # Errors
            /// [`Full`] when the answer does not fit.
            pub fn refuse(&mut self, asked: &Asked<'_>, denied: &Denied, style: OnDeny, to_peer: &mut Out) -> Result<(), Full> {
                match self { $(Self::$name(one) => one.refuse(asked, denied, style, to_peer)),+ }
            }
            /// Refuses a message that was accepted: it was refused when dequeued, timed out, or lost its device.
            ///
            /// # Errors
            /// [`Full`] when the answer does not fit.
            pub fn refuse_ticket(&mut self, ticket: Ticket, denied: &Denied, style: OnDeny, to_peer: &mut Out) -> Result<(), Full> {
                match self { $(Self::$name(one) => one.refuse_ticket(ticket, denied, style, to_peer)),+ }
            }
            /// No answer will come, and none is owed: the message's slot is free.
            ///
            /// # Errors
            /// [`Full`] when an answer behind it does not fit.
            pub fn unanswered(&mut self, ticket: Ticket, to_peer: &mut Out) -> Result<(), Full> {
                match self { $(Self::$name(one) => one.unanswered(ticket, to_peer)),+ }
            }
            /// Hands over the device's answer, in its turn.
            ///
            /// # Errors
            /// [`Full`] when the answer does not fit.
            pub fn deliver(&mut self, told: &Told<'_>, to_peer: &mut Out) -> Result<(), Full> {
                match self { $(Self::$name(one) => one.deliver(told, to_peer)),+ }
            }
            /// A word of the device's half.
            ///
            /// # Errors
            /// [`Full`] when what it says to the peer does not fit.
            pub fn signal(&mut self, signal: Signal, now: Now, to_peer: &mut Out) -> Result<(), Full> {
                match self { $(Self::$name(one) => one.signal(signal, now, to_peer)),+ }
            }
            /// Hands over what the device said unasked. A ticket that it settles has its slot free.
            ///
            /// # Errors
            /// [`Full`] when it does not fit, although [`Self::takes_reports`] said that one does.
            pub fn report(&mut self, unasked: &Unasked<'_>, now: Now, to_peer: &mut Out) -> Result<(), Full> {
                match self { $(Self::$name(one) => one.report(unasked, now, to_peer)),+ }
            }
            /// Whether there is room for one more message that nobody asked for; until then the device is not read.
            pub fn takes_reports(&self) -> bool { match self { $(Self::$name(one) => one.takes_reports()),+ } }
            /// The device came or went.
            pub fn device_is(&mut self, up: bool, to_peer: &mut Out) { match self { $(Self::$name(one) => one.device_is(up, to_peer)),+ } }
            /// Whether one more message may be read.
            pub fn has_room(&self) -> bool { match self { $(Self::$name(one) => one.has_room()),+ } }
            /// How many messages wait for their answer.
            pub fn pending(&self) -> usize { match self { $(Self::$name(one) => one.pending()),+ } }
            /// By when the message that has begun must be whole.
            pub fn deadline(&self) -> Option<Mono> { match self { $(Self::$name(one) => one.deadline()),+ } }
            /// When it has something to say of its own, or to wonder where the peer is.
            pub fn timer(&self) -> Option<Mono> { match self { $(Self::$name(one) => one.timer()),+ } }
            /// Time has passed, at [`Self::deadline`] or [`Self::timer`]. A cause means that the session ends.
            pub fn tick(&mut self, now: Now, to_peer: &mut Out) -> Option<Cause> { match self { $(Self::$name(one) => one.tick(now, to_peer)),+ } }
            /// Panics where an invariant does not hold (tests and simulation).
            pub fn check_invariants(&self) { match self { $(Self::$name(one) => one.check_invariants()),+ } }
        }

        /// The client's role towards the device: own ids, own timers, one checked answer a request.
        #[derive(Debug)]
        #[expect(clippy::large_enum_variant, reason = "there is one for each connection; a box would cost more than the room")]
        pub enum DeviceHalf { $(#[doc = $word] $name(crate::$module::Device)),+ }

        impl DeviceHalf {
            /// Serialises an allowed message with our own ids.
            ///
            /// # Errors
            /// `too_many_pending` without room; `not_canonical` where what would leave is not what was judged.
            pub fn submit(&mut self, message: &Message<'_>, ticket: Ticket, now: Now, to_device: &mut Out) -> Result<Sent, Reason> {
                match (self, message) {
                    $((Self::$name(one), Message::$name(message)) => one.submit(message, ticket, now, to_device),)+
                    // A conduit speaks one protocol: its halves and its messages are of it.
                    _ => Err(Reason::InternalError),
                }
            }
            /// The gateway's own read for `step` and `when`.
            ///
            /// # Errors
            /// As [`Self::submit`].
            pub fn ask(&mut self, read: &ReadFirst, ticket: Ticket, now: Now, to_device: &mut Out) -> Result<(), Reason> {
                match self { $(Self::$name(one) => one.ask(read, ticket, now, to_device)),+ }
            }
            /// The next thing that the device's bytes say.
            pub fn next<'b>(&'b mut self, input: Input<'b>, now: Now, to_device: &mut Out) -> DeviceStep<'b> {
                match self { $(Self::$name(one) => one.next(input, now, to_device)),+ }
            }
            /// Describes an answer whose request was not captured, as far as it speaks for itself: `frame` is what
            /// [`DeviceStep::Dropped`] used. `false` where nothing can be told.
            pub fn describe_alone(&self, frame: &[u8], each: Each<'_>) -> bool {
                match self { $(Self::$name(one) => one.describe_alone(frame, each)),+ }
            }
            /// A word of the peer's half.
            pub fn signal(&mut self, signal: Signal, now: Now, to_device: &mut Out) {
                match self { $(Self::$name(one) => one.signal(signal, now, to_device)),+ }
            }
            /// What the device said unasked under this handle does not reach the peer: it is settled here.
            pub fn unreported(&mut self, id: u32, now: Now, to_device: &mut Out) {
                match self { $(Self::$name(one) => one.unreported(id, now, to_device)),+ }
            }
            /// Whether one more request may be outstanding.
            pub fn has_room(&self) -> bool { match self { $(Self::$name(one) => one.has_room()),+ } }
            /// How many requests are outstanding (tombstones not counted).
            pub fn in_flight(&self) -> usize { match self { $(Self::$name(one) => one.in_flight()),+ } }
            /// The connection is gone: gives up the next ticket in flight, until there is none.
            pub fn abandon(&mut self) -> Option<Ticket> { match self { $(Self::$name(one) => one.abandon()),+ } }
            /// When [`Self::tick`] must be called at the latest.
            pub fn deadline(&self) -> Option<Mono> { match self { $(Self::$name(one) => one.deadline()),+ } }
            /// Time has passed.
            pub fn tick(&mut self, now: Now, to_device: &mut Out) -> DeviceTick { match self { $(Self::$name(one) => one.tick(now, to_device)),+ } }
            /// Panics where an invariant does not hold (tests and simulation).
            pub fn check_invariants(&self) { match self { $(Self::$name(one) => one.check_invariants()),+ } }
        }
    };
}

protocols! {
    Modbus = "modbus" in modbus,
    Iec104 = "iec104" in iec104,
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::{
        half::{Body, Ids},
        sentence::{Addressing, Form},
    };

    /// As the gateway drives it: a message is built, asked, sent, answered, refused, left without an answer.
    #[test]
    fn a_message_and_its_answer_go_through_the_dispatch_alone() {
        let mut out = Out::new(600);
        let options = PeerOptions { pending: 2, frame_timeout: Duration::from_secs(5), ..PeerOptions::default() };
        let device_options = DeviceOptions {
            settings: Settings::default(),
            pending: 2,
            frame_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(5),
            ids: Ids::Own,
        };
        let (mut peer, mut device) =
            (Protocol::Modbus.peer_half(&options), Protocol::Modbus.device_half(&device_options));
        let now = Now::default();
        let bytes = [0, 9, 0, 0, 0, 6, 1, 3, 0, 40, 0, 1];
        assert!(matches!(peer.next(Input::Stream(&bytes[..9]), now, &mut out), Step::Need { at_least: 12 }));
        assert_eq!((peer.deadline(), peer.tick(now, &mut out)), (Some(Mono::ZERO.after(Duration::from_secs(5))), None));
        let Step::Asked(asked) = peer.next(Input::Stream(&bytes), now, &mut out) else { panic!("whole") };
        let Body::Message(message) = asked.body else { panic!("legal") };
        assert_eq!((message.protocol(), message.function(), message.unit()), (Protocol::Modbus, 3, 1));
        assert!(!message.unsettles());
        let stored = message.store();
        assert_eq!((stored.bytes(), stored.message()), (&bytes[6..], Some(message)));
        let sentence = "read holding 40";
        let grammar = Protocol::Modbus.grammar();
        let sentence = Sentence::parse(sentence, Form::Deed, grammar, Addressing::ZeroBased).expect("a deed");
        assert_eq!(Protocol::Modbus.build(&sentence, 1).as_ref(), Ok(&stored));
        assert!(peer.has_room() && device.has_room());
        peer.accept(&asked, Ticket(1)).expect("room");
        assert_eq!(device.submit(&message, Ticket(1), now, &mut out), Ok(Sent::Awaited));
        let read = ReadFirst { unit: 1, object: sentence.object, first: 7, count: 1 };
        device.ask(&read, Ticket(2), now, &mut out).expect("room");
        assert_eq!((peer.pending(), device.in_flight(), device.has_room()), (1, 2, false));
        assert_eq!(device.deadline(), Some(Mono::ZERO.after(Duration::from_secs(5))));
        let mut to_peer = Out::new(600);
        let answer = [0, 1, 0, 0, 0, 5, 1, 3, 2, 5, 220];
        match device.next(Input::Stream(&answer), now, &mut out) {
            DeviceStep::Told { used, told } => {
                let mut seen = Vec::new();
                told.answer.seen(&mut |one| seen.push((one.address, one.value)));
                assert_eq!((used, seen.as_slice()), (answer.len(), &[(40, Some(1500.into()))][..]));
                peer.deliver(&told, &mut to_peer).expect("room");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(to_peer.as_slice(), [0, 9, 0, 0, 0, 5, 1, 3, 2, 5, 220], "under the peer's own id");
        assert_eq!(device.tick(now, &mut out), DeviceTick::Idle);
        assert_eq!((device.abandon(), device.abandon()), (Some(Ticket(2)), None));
        to_peer.clear();
        let denied = Denied::because(Reason::FunctionNotAllowed);
        peer.refuse(&asked, &denied, OnDeny::Refuse, &mut to_peer).expect("room");
        assert_eq!(to_peer.as_slice(), [0, 9, 0, 0, 0, 3, 1, 0x83, 1]);
        assert_eq!(Protocol::Modbus.answer(&denied, &options), Some(1));
        for ticket in [3, 4] {
            peer.accept(&asked, Ticket(ticket)).expect("room");
            to_peer.clear();
            if ticket == 3 {
                peer.refuse_ticket(Ticket(ticket), &denied, OnDeny::Refuse, &mut to_peer).expect("room");
            } else {
                peer.unanswered(Ticket(ticket), &mut to_peer).expect("room");
            }
            assert_eq!((peer.pending(), to_peer.len()), (0, if ticket == 3 { 9 } else { 0 }));
        }
        peer.device_is(false, &mut to_peer);
        peer.check_invariants();
        device.check_invariants();
    }

    #[test]
    fn every_protocol_brings_its_tables() {
        for protocol in Protocol::ALL {
            assert!(!protocol.grammar().objects.is_empty() && !protocol.keys().is_empty(), "{protocol}");
        }
        let preset = Protocol::Modbus.presets().first().map(|one| one.name);
        assert_eq!(preset, Some("read-only"));
        let plan = Plan {
            protocol: Protocol::Modbus,
            settings: Settings::default(),
            rules: Vec::new(),
            identities: Vec::new(),
            schedules: Vec::new(),
            budgets: Vec::new(),
        };
        assert_eq!(Protocol::Modbus.check(&plan, 1), []);
        assert!(!Protocol::Modbus.is_broadcast(&plan.settings, 0));
        assert!(Protocol::Modbus.is_own_name(&plan.settings, 255));
    }
}
