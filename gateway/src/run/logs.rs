//! Where do log lines go, and how many were there?

use std::sync::Arc;

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::observe::site::SiteMetrics;

/// Lines on stderr, filtered by `SLUICEGATE_LOG` (`info` without it). A process that already logs goes on as it is.
pub(super) fn start(metrics: &Arc<SiteMetrics>) {
    let filter = EnvFilter::try_from_env("SLUICEGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(!plain)
        .log_internal_errors(false);
    let started = tracing_subscriber::registry().with(filter).with(lines).with(metrics.log_counter()).try_init();
    if started.is_err() {
        tracing::debug!("log lines go where they went before");
    }
}
