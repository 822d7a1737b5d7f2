//! What time is it for a worker? One read a wake-up; schedules come from a shared ticker.

use std::{cell::Cell, time::Instant};

use sluicegate_proto::time::{Mono, Now, ScheduleSet};

/// A worker's clock. All workers share the origin, so that their times can be compared.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    schedules: Cell<ScheduleSet>,
}

impl Clock {
    pub(crate) const fn new(origin: Instant, schedules: ScheduleSet) -> Self {
        Self { origin, schedules: Cell::new(schedules) }
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: mono(self.origin), schedules: self.schedules.get() }
    }

    /// The ticker's last word on which schedules hold.
    pub(crate) fn follow(&self, schedules: ScheduleSet) {
        self.schedules.set(schedules);
    }

    /// The same instant for tokio's timers. A time too far away to be named is a year.
    pub(crate) fn instant(&self, at: Mono) -> tokio::time::Instant {
        let wait = at.since(Mono::ZERO);
        let year = std::time::Duration::from_secs(365 * 24 * 3600);
        self.origin.checked_add(wait).unwrap_or_else(|| Instant::now() + year).into()
    }
}

/// Time since `origin`.
pub(crate) fn mono(origin: Instant) -> Mono {
    Mono::ZERO.after(origin.elapsed())
}
