//! How does the gateway end: who is still there, and what happens to them?
//!
//! ```text
//! 1/3 stop accepting  2/3 drain until nobody has anything pending, or drain_timeout  3/3 sever what is left, by name
//! ```
//! A second signal goes to 3/3 at once. Until the last worker has ended, what is pending still goes by the schedules and
//! faults of now, and a worker that is stuck still ends the process.

use std::future::Future;

use tokio::time::{MissedTickBehavior, interval};

use super::{
    Gateway, say,
    seconds::{LOOK, Seconds},
};
use crate::{notify, observe::journal::HealthWatch, worker::Stage};

/// Stops in three steps. `hurry` is the second signal.
pub(super) async fn stop(
    mut gateway: Gateway,
    why: &str,
    hurry: impl Future<Output = ()>,
    (seconds, health): (&mut Seconds, &mut HealthWatch),
) {
    notify::stopping("stopping");
    say(&format!("stopping ({why}) 1/3: no new connections"));
    say("stopping 2/3: sessions end when nothing of theirs is pending, or at drain_timeout");
    gateway.stop(Stage::Draining);
    let mut hurry = std::pin::pin!(hurry);
    let mut hurried = false;
    let mut severed = 0_u32;
    let mut tick = interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut hurry, if !hurried => {
                hurried = true;
                say("stopping: a second signal, not waiting any longer");
                gateway.stop(Stage::Severed);
            }
            report = gateway.held_up() => {
                let Some(report) = report else { break };
                severed += 1;
                let (who, from) = (&report.peer.who.identity, report.peer.source);
                say(&format!("stopping 3/3: severed conduit={} identity={who} source={from}", report.conduit));
            }
            news = health.changed() => seconds.health(&news, &gateway),
            _ = tick.tick() => seconds.look(&gateway),
        }
    }
    gateway.join();
    if severed == 0 {
        say("stopping 3/3: nobody was left to sever");
    }
}
