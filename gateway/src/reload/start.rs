//! Which configuration does a process start with?
//!
//! | the files | what is in force then |
//! |---|---|
//! | are those of the last configuration in force | they are |
//! | are others, and the last process ended in good order | they are: whoever stopped it may change it |
//! | are others, and the last process did not | the last one in force: a crash is no reason to take up half an edit |
//! | were gone back from (`rollback`, no confirmation in time) | the last one in force |
//! | are refused, or their policy tests fail | the last one in force, if there is one |
//!
//! A configuration that waited for its confirmation is gone back from first.

use std::{path::Path, sync::Arc};

use sluicegate_config::{Loaded, finding::Finding, load_kept};

use super::{
    history::{Current, History, HistoryError},
    prepare,
};
use crate::faults::{Clock, build_date, floor};

/// What a process starts with.
#[derive(Debug)]
pub struct Start {
    /// The configuration.
    pub loaded: Loaded,
    /// The configurations before it.
    pub history: History,
    /// Why these are not the files' contents; absent where they are.
    pub instead: Option<String>,
}

/// A process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator: all that is wrong with the files, and there is nothing to go back to.
    #[error("the configuration is refused")]
    Refused(Vec<Finding>),
    /// The operator: the state directory.
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// Chooses between the files below `path`, as they were `read`, and what was in force last.
///
/// # Errors
/// [`StartError`].
pub fn choose(path: &Path, read: Result<Loaded, Vec<Finding>>) -> Result<Start, StartError> {
    let state = read.as_ref().map_or_else(|_| sluicegate_config::state(path), |loaded| loaded.site.state.clone());
    // Where nothing can be kept and the files are refused, it is the files that are told.
    let mut history = match (History::open(&state), read) {
        (Ok(history), Ok(loaded)) => return Ok(weigh(history, loaded)),
        (Ok(history), Err(findings)) if history.current().running > 0 => (history, findings),
        (_, Err(findings)) => return Err(StartError::Refused(findings)),
        (Err(error), Ok(_)) => return Err(error.into()),
    };
    let why = history.1.first().map_or_else(String::new, |one| format!("{}: {}", one.code, one.message));
    go_back(&mut history.0);
    match last(&history.0) {
        Some(loaded) => {
            Ok(Start { loaded, history: history.0, instead: Some(format!("the files are refused ({why})")) })
        }
        None => Err(StartError::Refused(history.1)),
    }
}

fn weigh(mut history: History, loaded: Loaded) -> Start {
    let unconfirmed = go_back(&mut history);
    let hash = &loaded.site.hash;
    let known = history.running().filter(|one| one.hash != *hash);
    let why = match known {
        None => None,
        Some(_) if history.current().refused.contains(hash) && unconfirmed => {
            Some("they were not confirmed".to_owned())
        }
        Some(_) if history.current().refused.contains(hash) => Some("they were gone back from".to_owned()),
        Some(_) if !history.ended_well() => Some("the last process ended without a goodbye".to_owned()),
        Some(_) => unfit(&loaded),
    };
    match why.and_then(|why| Some((last(&history)?, why))) {
        Some((loaded, why)) => Start { loaded, history, instead: Some(why) },
        None => Start { loaded, history, instead: None },
    }
}

/// Why files that load are not fit to run all the same.
fn unfit(loaded: &Loaded) -> Option<String> {
    let mut faults = prepare::fit(&loaded.site);
    if faults.is_empty()
        && let Ok(again) = load_kept(&loaded.kept)
    {
        let clock = Clock::system(floor(build_date(), None, None));
        prepare::trust(&Arc::new(again.site), clock, &mut faults);
    }
    let first = faults.first()?.lines().next()?.to_owned();
    Some(format!("they are not fit ({first})"))
}

/// What waited for its confirmation when the process ended is gone back from. Whether there was such a thing.
fn go_back(history: &mut History) -> bool {
    let Some(pending) = history.current().pending.clone() else { return false };
    let mut refused = history.current().refused.clone();
    refused.extend(history.running().map(|one| one.hash.clone()));
    let back = Current { running: pending.back_to, pending: None, refused };
    if let Err(error) = history.point(back) {
        tracing::error!(%error, "what was not confirmed could not be marked as gone back from");
    }
    true
}

/// The last configuration in force, if it still loads.
fn last(history: &History) -> Option<Loaded> {
    let files = match history.files(history.current().running) {
        Ok(files) => files,
        Err(error) => {
            tracing::error!(%error, "the last configuration in force cannot be read");
            return None;
        }
    };
    match load_kept(&files) {
        Ok(loaded) => Some(loaded),
        Err(findings) => {
            for one in findings {
                tracing::error!("the last configuration in force does not load: {}", one.render(false));
            }
            None
        }
    }
}
