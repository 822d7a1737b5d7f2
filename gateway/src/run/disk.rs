//! Are the files still those that we run from, and do they change?
//!
//! On a thread of its own: a disk or a network share that hangs must not hold up the watchdog. It looks every second
//! instead of being told: an editor's rename, a share and a certificate that another program replaces look the same to it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread::Builder,
    time::Duration,
};

use sluicegate_config::plan::{KeySource, Site};
use tokio::sync::watch;

use crate::{
    reload::{Matching, Order, Orders, What},
    worker::World,
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What the files look like: of the configuration their hash, of certificates, keys and lists when they were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    hash: Option<String>,
    others: Vec<Option<(u64, u64, i64, i64)>>,
}

/// Keeps `config_matches_disk` true as long as the process lives, and orders a reload where `site.watch` asks for it.
///
/// # Errors
/// When the system has no room for another thread.
pub(super) fn watch(
    main: PathBuf,
    worlds: watch::Receiver<Arc<World>>,
    matching: Arc<Matching>,
    orders: Orders,
) -> io::Result<()> {
    // Nobody waits for it: it holds nothing, and it ends with the process.
    let _detached = Builder::new().name("disk".to_owned()).spawn(move || {
        let mut watcher = Watcher::default();
        loop {
            std::thread::sleep(LOOK);
            let hash = matching.look(&main);
            let site = Arc::clone(&worlds.borrow().site);
            if site.watch {
                let seen = Seen { hash, others: others(&site) };
                if watcher.wants_reload(seen) {
                    let by = "the file watch".to_owned();
                    let order = Order { what: What::Reload { confirm: None }, by, reason: None, reply: None };
                    if orders.give(order).is_err() {
                        watcher = Watcher::default();
                    }
                }
            } else {
                watcher = Watcher::default();
            }
        }
    })?;
    Ok(())
}

/// A change is acted on once, when two looks agree on it: half a file is not taken up, and one that was refused or gone
/// back from waits for the next change.
#[derive(Debug, Default)]
struct Watcher {
    last: Option<Seen>,
    acted_on: Option<Seen>,
}

impl Watcher {
    fn wants_reload(&mut self, seen: Seen) -> bool {
        let Some(acted_on) = &self.acted_on else {
            // What is there when the watch begins was loaded, or refused by somebody who knows.
            self.acted_on = Some(seen.clone());
            self.last = Some(seen);
            return false;
        };
        let settled = self.last.as_ref() == Some(&seen);
        let new = *acted_on != seen;
        self.last = Some(seen.clone());
        if settled && new {
            self.acted_on = Some(seen);
        }
        settled && new
    }
}

/// Certificates, keys, roots and lists.
fn others(site: &Site) -> Vec<Option<(u64, u64, i64, i64)>> {
    let own = site.certificates.iter().flat_map(|one| {
        let key = match &one.key {
            KeySource::File(path) => Some(path.as_path()),
            KeySource::Credential(_) => None,
        };
        [Some(one.cert.as_path()), key].into_iter().flatten()
    });
    let theirs = site.authorities.iter().flat_map(|one| [Some(one.roots.as_path()), one.crl.as_deref()]);
    own.chain(theirs.flatten()).map(look).collect()
}

fn look(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(hash: &str) -> Seen {
        Seen { hash: Some(hash.to_owned()), others: Vec::new() }
    }

    #[test]
    fn a_change_is_acted_on_once_and_not_before_it_has_settled() {
        let mut watcher = Watcher::default();
        let asked: Vec<_> = ["a", "a", "b", "c", "c", "c", "a", "a", "a", "b", "a", "a"]
            .into_iter()
            .map(|hash| watcher.wants_reload(seen(hash)))
            .collect();
        let f = false;
        assert_eq!(asked, [f, f, f, f, true, f, f, true, f, f, f, f]);
    }

    #[test]
    fn what_the_watch_finds_is_no_change() {
        let mut watcher = Watcher::default();
        assert!(!watcher.wants_reload(seen("a")));
        assert!(!watcher.wants_reload(seen("a")));
    }
}
