//! What time is it, for a machine that owns no clock?

use core::time::Duration;

/// A monotonic instant: nanoseconds since an origin that the caller chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// An instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The instant `wait` later (saturating: the end of time is never reached).
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Which schedules hold now, one bit each, in the order of the plan's schedule names (at most 64).
/// The gateway works them out: proto knows no time zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScheduleSet(u64);

impl ScheduleSet {
    /// The largest number of schedules in one configuration: the bits of one word.
    pub const MAX: usize = 64;

    /// The set with `index` added.
    #[must_use]
    pub fn with(self, index: u8) -> Self {
        Self(self.0 | 1u64.checked_shl(u32::from(index)).unwrap_or(0))
    }

    /// Whether schedule `index` holds.
    pub fn holds(self, index: u8) -> bool {
        self.0 & 1u64.checked_shl(u32::from(index)).unwrap_or(0) != 0
    }
}

/// The time of one wake-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time.
    pub mono: Mono,
    /// The schedules that hold.
    pub schedules: ScheduleSet,
}
