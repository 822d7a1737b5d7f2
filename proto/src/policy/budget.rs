//! How much of each rule's `max` and of each shared budget is left?
use super::{Charges, PolicySet};
use crate::time::Mono;

/// The buckets of a conduit's rules and of the shared budgets that it spends.
#[derive(Debug)]
pub struct Budgets {}

/// Tokens taken out of the buckets for one message: committed when it leaves, given back when it does not.
#[derive(Debug)]
#[must_use]
pub struct Reservation {}

impl Budgets {
    /// Full buckets.
    pub fn new(_policy: &PolicySet) -> Self {
        todo!()
    }
    /// A new policy: a rule with the same canonical text keeps its level.
    pub fn follow(&mut self, _policy: &PolicySet, _now: Mono) {
        todo!()
    }
    /// Whether every bucket that `charges` names holds a token for this identity (its place in the plan).
    pub fn reserve(&mut self, _charges: &Charges, _identity: u16, _now: Mono) -> Option<Reservation> {
        todo!()
    }
    /// The message left at `now`: its tokens are spent then, not when they were reserved, so that messages that
    /// waited together cannot leave together with another bucket behind them.
    pub fn commit(&mut self, _r: Reservation, _now: Mono) {
        todo!()
    }
    /// It did not leave.
    pub fn give_back(&mut self, _r: Reservation) {
        todo!()
    }
}
