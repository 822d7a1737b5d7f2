//! Does every worker still turn?

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Between two beats.
const EVERY: Duration = Duration::from_millis(250);
/// A worker silent for so long is stuck; the process ends rather than pass anything uninspected or hang.
const DEAD: Duration = Duration::from_secs(2);

/// The heart of one worker, read from main.
#[derive(Debug)]
pub struct Beat {
    name: String,
    last: AtomicU64,
    stopped: AtomicBool,
    retired: AtomicBool,
}

impl Beat {
    /// A heart that has just beaten (`origin` is the origin of all clocks).
    pub fn new(name: String, origin: Instant) -> Arc<Self> {
        let last = AtomicU64::new(millis(origin));
        Arc::new(Self { name, last, stopped: AtomicBool::new(false), retired: AtomicBool::new(false) })
    }

    /// Beats until dropped.
    pub(crate) async fn keep(self: Arc<Self>, origin: Instant) {
        loop {
            if !self.stopped.load(Relaxed) {
                self.last.store(millis(origin), Relaxed);
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Never beats again: the worker found itself broken.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
    }

    /// The worker has ended in good order and is missed no more.
    pub fn retire(&self) {
        self.retired.store(true, Relaxed);
    }

    /// The worker's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn silent_for(&self, now: u64) -> Duration {
        if self.retired.load(Relaxed) {
            return Duration::ZERO;
        }
        Duration::from_millis(now.saturating_sub(self.last.load(Relaxed)))
    }
}

/// The first worker without a heartbeat for two seconds, and for how long.
pub fn stalled(beats: &[Arc<Beat>], origin: Instant) -> Option<(&Beat, Duration)> {
    let now = millis(origin);
    beats.iter().map(|beat| (beat.as_ref(), beat.silent_for(now))).find(|(_, silent)| *silent >= DEAD)
}

fn millis(origin: Instant) -> u64 {
    u64::try_from(origin.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_worker_is_named_and_a_retired_one_is_not() {
        let Some(origin) = Instant::now().checked_sub(Duration::from_secs(10)) else { return };
        let (alive, dead) = (Beat::new("worker-0".into(), origin), Beat::new("worker-1".into(), origin));
        let beats = [alive, Arc::clone(&dead)];
        assert!(stalled(&beats, origin).is_none());
        dead.last.store(0, Relaxed);
        assert_eq!(stalled(&beats, origin).map(|(beat, _)| beat.name().to_owned()), Some("worker-1".into()));
        dead.retire();
        assert!(stalled(&beats, origin).is_none());
    }
}
