//! How does a sentence become a text?
use super::*;
pub(super) fn sentence(_s: &Sentence, _g: &Grammar) -> String {
    todo!()
}
pub(super) fn of_deed(_who: Option<&str>, _d: &crate::deed::Deed<'_>) -> Sentence {
    todo!()
}
