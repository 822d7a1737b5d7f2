//! One test binary: a file per promise.

mod agree;
mod commands;
mod conduit;
mod conformance;
mod corpus;
mod demo;
mod differential;
mod events;
mod faults;
mod gate;
mod house;
mod incidents;
mod lifecycle;
mod mistakes;
mod monitoring;
mod oracle104;
mod peers;
mod policies;
mod record;
mod reference;
mod simulation;
mod sockets;
mod strangers;
mod telecontrol;
mod units;
mod vectors;
