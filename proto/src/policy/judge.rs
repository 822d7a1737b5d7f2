//! Which verdict does a message get?
use super::*;
#[derive(Debug)]
pub struct ViewInner {}
pub(super) fn view(_s: &PolicySet, _w: &Who) -> Arc<View> {
    todo!()
}
pub(super) fn judge(_v: &View, _m: &Message<'_>, _k: &Known<'_>, _n: Now) -> Verdict {
    todo!()
}
pub(super) fn denials(_v: &View, _m: &Message<'_>, _n: Now) -> Option<Denied> {
    todo!()
}
