//! One test binary: a file per promise.

mod agree;
mod captures;
mod commands;
mod conduit;
mod corpus;
mod demo;
mod differential;
mod faults;
mod gate;
mod house;
mod incidents;
mod lifecycle;
mod mistakes;
mod modbus;
mod monitoring;
mod package;
mod peers;
mod policies;
mod record;
mod reference;
mod simulation;
mod sockets;
mod strangers;
mod threats;
mod units;
mod vectors;
