//! What holds for every message, whatever its function?

mod idempotent;
