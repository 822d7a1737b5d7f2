//! What did the gate do, for Prometheus and for the auditor?

pub mod journal;
pub mod metrics;
pub mod record;
