//! What does one request cost inside a conduit, from the peer's bytes to the peer's answer, without sockets?
//!
//! `cargo bench --bench engine`. The driver here does what a worker's tasks do: it feeds bytes, flushes the outboxes that
//! the engine names, and takes a clock reading a wake-up. Allocations are counted; figures are for comparing two runs on
//! one machine. Instructions do not depend on what else runs on it:
//!
//! ```text
//! valgrind --tool=callgrind --toggle-collect='*::one_request' target/release/deps/engine-* \
//!     --bench --sample-count 1 --sample-size 1000 one_session
//! ```

use divan::{AllocProfiler, Bencher, counter::ItemsCount};

#[path = "engine/plant.rs"]
mod plant;

use plant::{Plant, Shape};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// One request after the other, each session in its turn.
fn requests(bencher: Bencher<'_, '_>, shape: &Shape) {
    let mut plant = Plant::new(shape);
    plant.warm_up();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| plant.one_request());
}

#[divan::bench]
fn one_session(bencher: Bencher<'_, '_>) {
    requests(bencher, &Shape::default());
}

#[divan::bench(args = [1, 2, 10])]
fn one_session_writes_one_in(bencher: Bencher<'_, '_>, every: u32) {
    requests(bencher, &Shape { write_every: every, ..Shape::default() });
}

#[divan::bench(args = [32, 256, 1_000, 4_000])]
fn own_links(bencher: Bencher<'_, '_>, sessions: usize) {
    requests(bencher, &Shape { sessions, ..Shape::default() });
}

#[divan::bench(args = [32, 256, 1_000])]
fn a_shared_link(bencher: Bencher<'_, '_>, sessions: usize) {
    requests(bencher, &Shape { sessions, shared: true, ..Shape::default() });
}

/// What arrives in one read is answered in one write.
#[divan::bench]
fn sixteen_at_once(bencher: Bencher<'_, '_>) {
    let mut plant = Plant::new(&Shape { depth: 16, ..Shape::default() });
    plant.warm_up();
    bencher.counter(ItemsCount::new(16_usize)).bench_local(|| plant.one_request());
}

#[divan::bench(args = [10, 100, 1_000, 10_000])]
fn rules(bencher: Bencher<'_, '_>, rules: u32) {
    requests(bencher, &Shape { rules, ..Shape::default() });
}

/// One worker's conduits, each with an engine of its own.
#[divan::bench(args = [1, 50, 500])]
fn conduits(bencher: Bencher<'_, '_>, conduits: usize) {
    let mut plants: Vec<_> = (0..conduits).map(|_| Plant::new(&Shape::default())).collect();
    plants.iter_mut().for_each(Plant::warm_up);
    let mut turn = 0;
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        turn = (turn + 1) % conduits;
        plants[turn].one_request();
    });
}

/// Each thread has an engine and a conduit of its own, as two workers have: nothing is shared, so two threads take as
/// long as one.
#[divan::bench(threads = [1, 2], sample_size = 2_000)]
fn workers(bencher: Bencher<'_, '_>) {
    std::thread_local! {
        static PLANT: std::cell::RefCell<Option<Plant>> = const { std::cell::RefCell::new(None) };
    }
    bencher.counter(ItemsCount::new(1_usize)).bench(|| {
        PLANT.with_borrow_mut(|plant| {
            plant
                .get_or_insert_with(|| {
                    let mut plant = Plant::new(&Shape::default());
                    plant.warm_up();
                    plant
                })
                .one_request();
        });
    });
}

/// An IEC 60870-5-104 set point on a started connection, and its confirmation.
#[divan::bench]
fn iec104_commands(bencher: Bencher<'_, '_>) {
    let mut plant = plant::Station::new();
    plant.warm_up();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| plant.one_command());
}

/// An IEC 60870-5-104 measured value that the station reports.
#[divan::bench]
fn iec104_reports(bencher: Bencher<'_, '_>) {
    let mut plant = plant::Station::new();
    plant.warm_up();
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| plant.one_report());
}
