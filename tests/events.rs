//! Does every event of a station reach its control centre, however often either side is cut?
//!
//! ```text
//! station (keeps an event until it is acknowledged) -> Engine (the real one) -> centre (acknowledges late)
//!      ^ oracle: what it forgets, the centre has or the policy refuses             ^ oracle: in order, none twice
//! ```
//! Under a virtual clock; the same seed gives the same run. `SLUICEGATE_SEED=n` runs one seed.

mod ends;
mod world;

use world::World;

/// Ten thousand events in all, in several orders of bad luck.
const SEEDS: u64 = 4;
const EVENTS: u32 = 2_500;

#[test]
fn no_event_is_lost_and_none_comes_twice() {
    let seeds = match std::env::var("SLUICEGATE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(one) => one..one + 1,
        None => 1..SEEDS + 1,
    };
    let mut total = world::Tally::default();
    for seed in seeds.clone() {
        println!("seed {seed}");
        total.add(&World::new(seed).run(EVENTS));
    }
    println!("events: seeds {}..{}: {total:?}", seeds.start, seeds.end);
    if seeds.end - seeds.start > 1 {
        assert!(total.is_rich(), "the run must have met every kind of event: {total:?}");
        assert_eq!(total.made, u64::from(EVENTS) * SEEDS);
    }
}
