//! What is looked at again and again while we serve: schedules, faults, hearts?

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sluicegate_config::plan::Site;
use sluicegate_proto::time::ScheduleSet;
use tokio::sync::watch;

use super::{Gateway, Helm, say};
use crate::{
    faults::{Change, Fault, Reading},
    notify,
    observe::{
        journal::{Journal, JournalHealth},
        record::{Event, Record},
    },
    trust::End,
    worker::{World, stalled},
};

/// Between two looks. The watchdog of systemd must be longer than twice this; ours is two seconds.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// When main itself was away for longer than this (a stopped process, a frozen machine), hearts get one more look.
const AWAY: Duration = Duration::from_millis(1500);

/// What is remembered from look to look.
pub(super) struct Seconds {
    helm: Arc<Helm>,
    worlds: watch::Receiver<Arc<World>>,
    world: Arc<World>,
    ends: Vec<End>,
    last: Instant,
}

impl Seconds {
    pub(super) fn new(helm: &Arc<Helm>) -> Self {
        let mut worlds = helm.subscribe();
        let world = Arc::clone(&worlds.borrow_and_update());
        let mut seconds = Self { helm: Arc::clone(helm), worlds, world, ends: Vec::new(), last: Instant::now() };
        seconds.learn_ends();
        seconds
    }

    /// Waits for another configuration to come into force, and goes by it.
    pub(super) async fn another(&mut self) -> Arc<World> {
        if self.worlds.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.world = Arc::clone(&self.worlds.borrow_and_update());
        self.learn_ends();
        Arc::clone(&self.world)
    }

    /// What ends when, of what the configuration in force names.
    fn learn_ends(&mut self) {
        self.ends = self.world.trust.ends();
        let (site, metrics) = (&self.world.site, self.helm.metrics());
        for end in &self.ends {
            match *end {
                End::Certificate(id, at) => {
                    if let Some(one) = site.certificates.get(id.index()) {
                        metrics.certificate_ends(&one.name, at);
                    }
                }
                End::Crl(id, at) => {
                    if let Some(one) = site.authorities.get(id.index()) {
                        metrics.crl_ends(&one.name, at);
                    }
                }
            }
        }
    }

    /// One look. Aborts the process when a worker is stuck: an inline gate that hangs passes nothing and says nothing,
    /// while one that is restarted serves again within a second.
    pub(super) fn look(&mut self, gateway: &Gateway) {
        let away = self.last.elapsed();
        self.last = Instant::now();
        match stalled(&gateway.beats, gateway.origin) {
            Some((beat, silent)) if away < AWAY => {
                say(&format!("aborting: {} gave no heartbeat for {:.1} s", beat.name(), silent.as_secs_f32()));
                std::process::abort();
            }
            Some(_) => {}
            None => notify::beat(),
        }
        let clock = self.world.trust.clock().now();
        self.helm.metrics().clock_synchronized(clock.known);
        let holding = (self.world.epoch, schedules(&self.world.site, clock));
        gateway.schedules.send_if_modified(|old| std::mem::replace(old, holding) != holding);
        for change in self.world.board.review(&self.ends, clock, gateway.mono()) {
            self.alarm(change);
        }
    }

    /// The journal stopped taking records, or takes them again.
    pub(super) fn health(&self, health: &JournalHealth, gateway: &Gateway) {
        let change = match health {
            JournalHealth::Good => self.world.board.lower(Fault::AuditFull),
            JournalHealth::Failing { why } => {
                tracing::error!(why, "the audit trail takes no more records");
                self.world.board.raise(Fault::AuditFull, gateway.mono(), Duration::ZERO)
            }
        };
        if let Some(change) = change {
            self.alarm(change);
        }
    }

    fn alarm(&self, change: Change) {
        if change.began {
            tracing::error!(fault = ?change.fault, "{}", change.note);
        } else {
            tracing::info!(fault = ?change.fault, "{}", change.note);
        }
        let mut record = Record::new(Event::Alarm);
        record.note = Some(change.note);
        write(self.helm.journal(), record);
    }
}

/// Writes a record about the process itself. Without room it is counted as lost by the journal.
pub(crate) fn write(journal: &Journal, record: Record) {
    if let Ok(slot) = journal.reserve() {
        slot.write(record);
    }
}

/// Which schedules hold by the wall clock of the site. While the clock is unknown none does.
pub(super) fn schedules(site: &Arc<Site>, clock: Reading) -> ScheduleSet {
    let Ok(at) = jiff::Timestamp::from_second(clock.unix) else { return ScheduleSet::default() };
    if !clock.known {
        return ScheduleSet::default();
    }
    let wall = site.timezone.to_datetime(at);
    site.schedules
        .iter()
        .zip(0..)
        .filter(|(schedule, _)| schedule.holds(wall))
        .fold(ScheduleSet::default(), |set, (_, bit)| set.with(bit))
}
