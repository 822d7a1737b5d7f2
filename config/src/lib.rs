//! What did the operator ask for, and does it make sense?
//!
//! ```text
//! keys       the one key table: checks, JSON schema, reference
//! read       TOML files -> spanned values, all faults of all files at once
//! plan       what the gateway runs from: names resolved, nothing optional that is not optional
//! finding    a fault or warning: code, place, help; text like section 6 of language.md, or JSON
//! ```

pub mod finding;
pub mod plan;

use std::path::Path;

use finding::Finding;
use plan::Site;

/// A configuration that loaded without an error.
#[derive(Debug)]
pub struct Loaded {
    /// The plan.
    pub site: Site,
    /// Warnings and SL-T gaps, in file order.
    pub warnings: Vec<Finding>,
}

/// Reads `path` and everything it includes, without binding, dialling or reading keys' contents beyond what the checks
/// need. Policy tests are not run here (the gateway's `check` runs them).
///
/// # Errors
/// Every fault of every file, sorted by file and place; warnings included after them.
pub fn load(path: &Path) -> Result<Loaded, Vec<Finding>> {
    let _ = path;
    todo!()
}
