//! One test binary: a file per promise.

mod gate;
mod house;
mod sockets;
mod units;
mod vectors;
