//! What does the service manager hear from us?
//!
//! Outside systemd (`NOTIFY_SOCKET` not set) every message is a no-op.

use std::time::Duration;

use sd_notify::NotifyState;

/// We serve: every listener is bound and every worker beats.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// One line for `systemctl status`.
pub fn status(status: &str) {
    send(&[NotifyState::Status(status)]);
}

/// We end in good order.
pub fn stopping(status: &str) {
    send(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// All workers beat. Sent only while that is so: when it stops, the service manager kills us.
pub fn beat() {
    send(&[NotifyState::Watchdog]);
}

/// How often the service manager wants [`beat`] at least, where it watches us.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
