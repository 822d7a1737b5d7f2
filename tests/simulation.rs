//! Many peers, one device, bad luck, a virtual clock: does the promise hold in every order of events?
//!
//! ```text
//! peers (tids, half-sent frames, hang-ups) -> Engine (the real one) -> device (memory, silence, late and false answers)
//!          ^ oracle: answers in order                     ^ oracle: every write is allowed by the policy of that moment,
//!                                                           none arrives twice, every step fits what the device holds
//! ```
//! Seeds differ in the framing of both sides, in what becomes of an id used twice, and in how much is outstanding. Three units stand
//! behind the address, one of them asleep at times; unit 0 is all of them, unit 255 the first.
//!
//! The same seed gives the same run. `SLUICEGATE_SEED=n` runs one seed and prints its events.

mod device;
mod peer;
mod wire;
mod world;

pub(crate) use world::Rng;
use world::World;

/// Seeds of an ordinary run: enough that every fault of the list meets every other one.
const SEEDS: u64 = 256;
const STEPS: u32 = 400;

#[test]
fn every_promise_holds_in_every_order_of_events() {
    let seeds = match std::env::var("SLUICEGATE_SEED").ok().and_then(|text| text.parse().ok()) {
        Some(one) => one..one + 1,
        None => 1..seed_count() + 1,
    };
    let mut total = world::Tally::default();
    for seed in seeds.clone() {
        let run = std::panic::catch_unwind(|| World::new(seed, seeds.end - seeds.start == 1).run(STEPS));
        match run {
            Ok(tally) => total.add(&tally),
            Err(why) => panic!(
                "seed {seed} broke a promise (SLUICEGATE_SEED={seed} shows its events): {}",
                text_of(why.as_ref())
            ),
        }
    }
    println!("simulation: seeds {}..{}: {total:?}", seeds.start, seeds.end);
    if seeds.end - seeds.start > 1 {
        assert!(total.is_rich(), "the simulation must have met every kind of event: {total:?}");
    }
}

/// `make soak` asks for more.
fn seed_count() -> u64 {
    std::env::var("SLUICEGATE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

fn text_of(why: &(dyn std::any::Any + Send)) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
