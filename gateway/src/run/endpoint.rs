//! Where does the metrics endpoint listen, and who may ask?

use std::{net::SocketAddr, sync::Arc};

use tokio::sync::watch;

use super::{Parts, RunError, say};
use crate::{
    observe::admin::{self, Admin, Standing, TlsSource},
    trust::Trust,
};

/// Binds and starts the endpoint, where the site has one. It ends when the sender is gone. `trusts`: the keys in force.
///
/// # Errors
/// Its address cannot be bound, or there is no room for a thread.
pub(super) fn start(parts: &Parts, trusts: watch::Receiver<Arc<Trust>>) -> Result<watch::Sender<Standing>, RunError> {
    let (standing, seen) = watch::channel(Standing::Starting);
    let Some(plan) = &parts.site.metrics else { return Ok(standing) };
    let bad = |source| RunError::Metrics { address: plan.bind, source };
    let listener = admin::bind(plan.bind).map_err(bad)?;
    let address: SocketAddr = listener.local_addr().map_err(bad)?;
    let tls = plan.tls.as_ref().map(|_| {
        // Each connection has a configuration of its own, as peers' handshakes have.
        let next = move || {
            let trust = Arc::clone(&trusts.borrow());
            trust.metrics_handshake().expect("whether there is TLS cannot change while the process lives").config
        };
        Arc::new(next) as TlsSource
    });
    let scheme = if tls.is_some() { "https" } else { "http" };
    admin::start(listener, Admin { metrics: Arc::clone(&parts.metrics), standing: seen, tls })?;
    say(&format!("metrics {scheme}://{address}/metrics"));
    Ok(standing)
}
