//! What did the gate do, for Prometheus and for the auditor?
//!
//! ```text
//! metrics    a conduit's handles         series    the one table of series     families  the registry
//! site       the site's handles          admin     /metrics /healthz /readyz
//! record     one audit record            journal   slots and queue
//! ```

pub mod families;
pub mod journal;
pub mod metrics;
pub mod record;
pub mod series;
pub mod site;
