//! One test binary: a file per promise.

mod demo;
mod gate;
mod house;
mod simulation;
mod sockets;
mod units;
mod vectors;
