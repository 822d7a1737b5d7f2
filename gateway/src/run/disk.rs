//! Are the configuration files still those that we run from?
//!
//! On a thread of its own: a disk or a network share that hangs must not hold up the watchdog.

use std::{io, sync::Arc, thread::Builder, time::Duration};

use sluicegate_config::plan::Site;

use crate::observe::site::SiteMetrics;

/// Between two looks: soon enough for whoever edited a file and forgot it.
const LOOK: Duration = Duration::from_secs(5);

/// Keeps `config_matches_disk` true as long as the process lives.
///
/// # Errors
/// When the system has no room for another thread.
pub(super) fn watch(site: &Arc<Site>, metrics: &Arc<SiteMetrics>) -> io::Result<()> {
    let Some(main) = site.files.first().cloned() else { return Ok(()) };
    let (loaded, metrics) = (site.hash.clone(), Arc::clone(metrics));
    // Nobody waits for it: it holds nothing, and it ends with the process.
    let _detached = Builder::new().name("disk".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(LOOK);
            metrics.config_matches_disk(sluicegate_config::hash(&main).is_some_and(|hash| hash == loaded));
        }
    })?;
    Ok(())
}
