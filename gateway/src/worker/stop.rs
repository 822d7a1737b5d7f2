//! How does a worker end without cutting anybody off who is nearly done?

use std::{rc::Rc, sync::Arc, time::Duration};

use sluicegate_proto::vocab::Cause;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{Cell, Crew, Report, Stage};

/// How often a draining worker looks whether it is done. Nobody waits for this but the stop.
const LOOK: Duration = Duration::from_millis(20);
/// How long severed sessions may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// Returns when the stop is through: drained, or severed after each conduit's `drain_timeout`.
pub(super) async fn serve_until(mut stage: watch::Receiver<Stage>, crew: &Rc<Crew>, reports: &mpsc::Sender<Report>) {
    // An error means that main is gone: that is a stop, too.
    let _ = stage.wait_for(|stage| *stage >= Stage::Draining).await;
    let begun = Instant::now();
    let cells = crew.cells();
    for cell in &cells {
        let now = cell.now();
        cell.tell(|engine| engine.drain(now));
    }
    let mut left: Vec<&Rc<Cell>> = cells.iter().collect();
    loop {
        left.retain(|cell| !cell.holders().is_empty());
        if left.is_empty() {
            return;
        }
        // Nobody left to send means that main is gone.
        let at_once = *stage.borrow() == Stage::Severed || stage.has_changed().is_err();
        let (over, waiting) =
            left.into_iter().partition(|cell| at_once || begun.elapsed() >= cell.plan().timeouts.drain);
        left = waiting;
        sever(over, reports).await;
        tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage == Stage::Severed), if !at_once => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn sever(over: Vec<&Rc<Cell>>, reports: &mpsc::Sender<Report>) {
    if over.is_empty() {
        return;
    }
    for cell in &over {
        for peer in cell.holders() {
            let report = Report { conduit: Arc::clone(&cell.name), peer };
            // Main prints; it is never waited for longer than it takes to print.
            let _ = reports.send(report).await;
        }
        cell.end_where(|_| Some(Cause::Drain));
    }
    let until = Instant::now() + GOODBYE;
    while Instant::now() < until && over.iter().any(|cell| !cell.holders().is_empty()) {
        tokio::time::sleep(LOOK).await;
    }
}
