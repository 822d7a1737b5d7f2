//! What time is it, and do we know?

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use rustls_pki_types::UnixTime;

/// The wall clock, never before its floor. Cheap to clone; all clones share one floor.
///
/// Certificates, revocation lists and schedules go by it; timers go by the monotonic clock.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    floor: Arc<AtomicI64>,
}

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Seconds since 1970; the floor when the system's clock is before it.
    pub unix: i64,
    /// Whether the system's clock is at or after the floor.
    pub known: bool,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock over `floor` (see [`floor`]), in seconds since 1970.
    pub fn system(floor: i64) -> Self {
        Self { source: Source::System, floor: Arc::new(AtomicI64::new(floor)) }
    }

    /// A clock that stands at `unix` until it is set (simulation, tests); its floor is 0.
    pub fn standing_at(unix: i64) -> Self {
        Self { source: Source::Set(Arc::new(AtomicI64::new(unix))), floor: Arc::new(AtomicI64::new(0)) }
    }

    /// Sets a clock of [`Self::standing_at`]; the system's clock is not ours to set.
    pub fn set(&self, unix: i64) {
        match &self.source {
            Source::System => {}
            Source::Set(at) => at.store(unix, Ordering::Relaxed),
        }
    }

    /// Moves the floor forward, never back.
    pub fn raise_floor(&self, unix: i64) {
        self.floor.fetch_max(unix, Ordering::Relaxed);
    }

    /// The time.
    pub fn now(&self) -> Reading {
        let said = match &self.source {
            Source::System => i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX),
            Source::Set(at) => at.load(Ordering::Relaxed),
        };
        let floor = self.floor.load(Ordering::Relaxed);
        Reading { unix: said.max(floor), known: said >= floor }
    }
}

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(as_unix_time(self.now().unix))
    }
}

/// The newest of build date, last audit record and last checkpoint: a clock before it is wrong.
pub fn floor(build: i64, last_record: Option<i64>, last_checkpoint: Option<i64>) -> i64 {
    build.max(last_record.unwrap_or(i64::MIN)).max(last_checkpoint.unwrap_or(i64::MIN))
}

/// When this binary was built, as far as a reproducible build may know: `SOURCE_DATE_EPOCH` where the builder set it, else
/// the start of the year in which this code was written.
pub fn build_date() -> i64 {
    const WRITTEN: i64 = 1_767_225_600;
    option_env!("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok()).map_or(WRITTEN, |built: i64| built.max(WRITTEN))
}

/// For rustls and webpki, which know no time before 1970.
pub(crate) fn as_unix_time(unix: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(unix).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use rustls::time_provider::TimeProvider;

    use super::*;

    #[test]
    fn the_newest_witness_is_the_floor() {
        assert_eq!(floor(5, None, None), 5);
        assert_eq!(floor(5, Some(9), Some(7)), 9);
        assert_eq!(floor(5, None, Some(7)), 7);
    }

    #[test]
    fn a_clock_before_its_floor_is_unknown_and_validity_goes_by_the_floor() {
        let clock = Clock::standing_at(100);
        assert_eq!(clock.now(), Reading { unix: 100, known: true });
        clock.raise_floor(1_000);
        clock.raise_floor(500);
        assert_eq!(clock.now(), Reading { unix: 1_000, known: false });
        assert_eq!(clock.current_time().map(|t| t.as_secs()), Some(1_000));
        clock.set(1_000);
        assert_eq!(clock.now(), Reading { unix: 1_000, known: true });
    }

    #[test]
    fn the_system_clock_is_after_the_build() {
        assert!(Clock::system(build_date()).now().known);
    }
}
