//! What do the two halves say to each other?

/// The centre wants to start.
pub(super) const START: u8 = 1;
/// The station has started.
pub(super) const STARTED: u8 = 2;
/// The centre wants to stop.
pub(super) const STOP: u8 = 3;
/// The station has stopped.
pub(super) const STOPPED: u8 = 4;
/// The centre has everything up to this handle of the station's half.
pub(super) const ACKNOWLEDGED: u8 = 5;
