//! What do the rules of a plan amount to?
use super::*;
#[derive(Debug)]
pub struct Compiled {}
impl Compiled {
    pub fn rules(&self) -> &[Rule] {
        todo!()
    }
}
pub(super) fn compile(_p: &Plan) -> Result<PolicySet, Vec<Fault>> {
    todo!()
}
