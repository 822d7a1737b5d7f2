//! Modbus/TCP: what may its bytes be, and who speaks it?
use crate::{
    deed::*,
    half::*,
    keys::KeySpec,
    out::{Full, Out},
    policy::Denied,
    protocol::{Message, Stored},
    sentence::{BuildFault, Grammar, Preset, Sentence},
    time::{Mono, Now},
    vocab::*,
};
use alloc::boxed::Box;
use core::ops::ControlFlow;
/// grammar
pub static GRAMMAR: Grammar = Grammar { unit_word: "unit", unit_max: 255, objects: &[], functions: &[] };
/// keys
pub const KEYS: &[KeySpec] = &[];
/// presets
pub const PRESETS: &[Preset] = &[];
/// request
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'b> {
    _b: &'b [u8],
}
impl<'b> Request<'b> {
    pub(crate) fn deeds<B>(&self, _each: &mut dyn FnMut(Deed<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
        todo!()
    }
    pub(crate) fn function(&self) -> u16 {
        todo!()
    }
    pub(crate) fn unit(&self) -> u32 {
        todo!()
    }
    pub(crate) fn store(&self) -> Box<[u8]> {
        todo!()
    }
    pub(crate) fn restore(_bytes: &'b [u8]) -> Option<Self> {
        todo!()
    }
}
/// response
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'b> {
    _b: &'b [u8],
}
impl Response<'_> {
    pub(crate) fn seen(&self, _each: &mut dyn FnMut(Seen)) {
        todo!()
    }
}
/// peer
#[derive(Debug)]
pub struct Peer {}
impl Peer {
    pub(crate) fn new(_o: &PeerOptions) -> Self {
        todo!()
    }
    pub(crate) fn next<'b>(&mut self, _i: Input<'b>, _n: Now, _o: &mut Out) -> Step<'b> {
        todo!()
    }
    pub(crate) fn accept(&mut self, _a: &Asked<'_>, _t: Ticket) -> Result<(), Reason> {
        todo!()
    }
    pub(crate) fn refuse(&mut self, _a: &Asked<'_>, _d: &Denied, _s: OnDeny, _o: &mut Out) -> Result<(), Full> {
        todo!()
    }
    pub(crate) fn refuse_ticket(&mut self, _t: Ticket, _d: &Denied, _s: OnDeny, _o: &mut Out) -> Result<(), Full> {
        todo!()
    }
    pub(crate) fn deliver(&mut self, _t: &Told<'_>, _o: &mut Out) -> Result<(), Full> {
        todo!()
    }
    pub(crate) fn device_is(&mut self, _u: bool, _o: &mut Out) {
        todo!()
    }
    pub(crate) fn has_room(&self) -> bool {
        todo!()
    }
    pub(crate) fn pending(&self) -> usize {
        todo!()
    }
    pub(crate) fn deadline(&self) -> Option<Mono> {
        todo!()
    }
    pub(crate) fn tick(&mut self, _n: Now, _o: &mut Out) -> Option<Cause> {
        todo!()
    }
    pub(crate) fn check_invariants(&self) {
        todo!()
    }
}
/// device
#[derive(Debug)]
pub struct Device {}
impl Device {
    pub(crate) fn new(_o: &DeviceOptions) -> Self {
        todo!()
    }
    pub(crate) fn submit(&mut self, _m: &Request<'_>, _t: Ticket, _n: Now, _o: &mut Out) -> Result<(), Reason> {
        todo!()
    }
    pub(crate) fn ask(&mut self, _r: &ReadFirst, _t: Ticket, _n: Now, _o: &mut Out) -> Result<(), Reason> {
        todo!()
    }
    pub(crate) fn next<'b>(&'b mut self, _i: Input<'b>, _n: Now, _o: &mut Out) -> DeviceStep<'b> {
        todo!()
    }
    pub(crate) fn has_room(&self) -> bool {
        todo!()
    }
    pub(crate) fn in_flight(&self) -> usize {
        todo!()
    }
    pub(crate) fn abandon(&mut self) -> Option<Ticket> {
        todo!()
    }
    pub(crate) fn deadline(&self) -> Option<Mono> {
        todo!()
    }
    pub(crate) fn tick(&mut self, _n: Now, _o: &mut Out) -> DeviceTick {
        todo!()
    }
    pub(crate) fn check_invariants(&self) {
        todo!()
    }
}
/// build
pub fn build(_s: &Sentence, _unit: u32) -> Result<Stored, BuildFault> {
    let _: Option<Message<'_>> = None;
    todo!()
}
