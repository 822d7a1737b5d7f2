//! How much of something may pass, at the time that the engine says?
//!
//! The generic cell rate algorithm: instead of tokens one instant is kept, the one at which the bucket is full again. A
//! bucket belongs to one conduit, and so to one worker: no atomics, as a shared limiter would need a message.

use std::time::Duration;

use sluicegate_config::plan::Rate;
use sluicegate_proto::time::Mono;

/// One token bucket; unlimited when there is no rate.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Option<Filling>,
    /// Full again at.
    full: Mono,
}

/// How it fills.
#[derive(Clone, Copy, Debug)]
struct Filling {
    /// For one token.
    each: Duration,
    /// The most that it holds.
    burst: u32,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Option<Rate>) -> Self {
        let rate = rate.map(|rate| {
            let nanos = rate.per.as_nanos() / u128::from(rate.count.max(1));
            Filling {
                each: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).max(1)),
                burst: u32::try_from(rate.burst).unwrap_or(u32::MAX).max(1),
            }
        });
        Self { rate, full: Mono::ZERO }
    }

    /// As many of `n` as the bucket can hold at once.
    pub(super) fn clip(&self, n: u32) -> u32 {
        self.rate.map_or(n, |rate| n.min(rate.burst))
    }

    /// Takes `n` tokens, or at most the whole bucket.
    ///
    /// # Errors
    /// How long until there are so many; nothing was taken.
    pub(super) fn take(&mut self, n: u32, now: Mono) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let full = self.full.max(now).after(rate.each.saturating_mul(n.min(rate.burst)));
        let wait = full.since(now).saturating_sub(rate.each.saturating_mul(rate.burst));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.full = full;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::ZERO.after(Duration::from_millis(1_000 + millis))
    }

    #[test]
    fn a_burst_passes_at_once_and_then_as_much_as_comes_in() {
        let mut bucket = Bucket::new(Some(Rate { count: 10, per: Duration::from_secs(1), burst: 3 }));
        assert_eq!([0; 3].map(|_| bucket.take(1, at(0))), [Ok(()); 3]);
        assert_eq!(bucket.take(1, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(1, at(30)), Err(Duration::from_millis(70)), "a refusal costs nothing");
        assert_eq!(bucket.take(2, at(100)), Err(Duration::from_millis(100)));
        assert_eq!(
            (bucket.take(1, at(100)), bucket.take(1, at(199)).is_err(), bucket.take(1, at(200))),
            (Ok(()), true, Ok(()))
        );
        assert_eq!(
            [0; 4].map(|_| bucket.take(1, at(60_000)).is_ok()),
            [true, true, true, false],
            "it never holds more"
        );
    }

    #[test]
    fn more_than_it_holds_is_the_whole_of_it_and_no_rate_is_no_limit() {
        let mut bucket = Bucket::new(Some(Rate { count: 1, per: Duration::from_secs(1), burst: 4 }));
        assert_eq!((bucket.clip(9), bucket.take(9, at(0)), bucket.take(1, at(999)).is_err()), (4, Ok(()), true));
        let mut free = Bucket::new(None);
        assert_eq!((free.clip(9), free.take(u32::MAX, at(0)), free.take(u32::MAX, at(0))), (9, Ok(()), Ok(())));
    }
}
