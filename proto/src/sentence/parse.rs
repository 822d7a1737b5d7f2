//! How does a text become a sentence?
use super::*;
pub(super) fn sentence(_t: &str, _f: Form, _g: &Grammar, _a: Addressing) -> Result<Sentence, Vec<SentenceFault>> {
    todo!()
}
