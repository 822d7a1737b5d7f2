//! One test binary: a file per promise.

mod gate;
mod house;
mod units;
mod vectors;
