//! What did the gate do, for Prometheus and for the auditor?
//!
//! ```text
//! metrics    a conduit's handles         series    the one table of series     families  the registry
//! site       the site's handles          admin     /metrics /healthz /readyz
//!
//! record     one audit record            journal   slots and queue              writer      the thread behind it
//! line       a record as JSON            chain     hashes and the tree          checkpoint  signed heads
//! trail      files, rotation, bound      recover   what a restart finds         audit       reading it back
//! ```

pub mod admin;
#[cfg(test)]
mod allocations;
pub mod audit;
mod chain;
mod checkpoint;
pub mod families;
pub mod journal;
mod line;
pub mod metrics;
pub mod record;
pub mod recover;
pub mod series;
pub mod site;
#[cfg(test)]
mod tests;
pub mod trail;
pub mod writer;
