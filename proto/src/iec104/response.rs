//! What does a station say about what it was asked?

use super::{asdu::Asdu, request::Request};
use crate::deed::Seen;

/// One validated ASDU of a station that settles what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'b> {
    /// The ASDU.
    pub asdu: Asdu<'b>,
}

impl Response<'_> {
    /// What the station is now known to hold.
    pub(crate) fn seen(&self, each: &mut dyn FnMut(Seen)) {
        Request::new(self.asdu).seen(each);
    }
}
