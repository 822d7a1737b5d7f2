//! What does the device hold, as far as the conduit has seen? Lives at the link's conduit, never per session.
use crate::{
    deed::{ReadFirst, Seen},
    time::Mono,
};

/// Values seen in read answers and acknowledged writes, bounded; only those that some rule asks about are kept.
#[derive(Debug)]
pub struct Held {}

impl Held {
    /// Keeps only what `rules` can ask about (`step`, `when`, `from`), for `step_age`.
    pub fn new(_policy: &super::PolicySet) -> Self {
        todo!()
    }
    /// A new policy asks about other points; what is still asked about is kept.
    pub fn follow(&mut self, _policy: &super::PolicySet) {
        todo!()
    }
    /// A read's answer or an acknowledged write.
    pub fn learn(&mut self, _seen: Seen, _now: Mono) {
        todo!()
    }
    /// A write on these points is in flight (or its fate is unknown): what was known no longer holds.
    pub fn forget(&mut self, _range: &ReadFirst) {
        todo!()
    }
    /// The value, when it was seen within `step_age`.
    pub fn get(&self, _unit: u32, _object: crate::deed::ObjectId, _address: u32, _now: Mono) -> Option<u16> {
        todo!()
    }
}
