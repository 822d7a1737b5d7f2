//! Who carries out the orders, one after the other, and goes back when nobody confirms?

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::Builder,
    time::{Duration, Instant, SystemTime},
};

use serde_json::json;
use sluicegate_config::{Loaded, finding::Finding, load_kept};

use super::{Current, Entry, History, Order, Pending, Reply, What, history::now, prepare::prepare};
use crate::{
    notify,
    observe::{
        record::{Event, Record},
        site::SiteMetrics,
    },
    run::{Committed, Helm, say, write_record},
};

/// How long the workers may take to follow. A worker that takes longer is stuck, and the watchdog ends the process.
const FOLLOW: Duration = Duration::from_secs(2);
/// Between two tries to go back where the first one failed.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest time that a configuration may wait for its confirmation.
const LONGEST_TRIAL: Duration = Duration::from_secs(7 * 24 * 3600);

/// The state of the thread.
#[derive(Debug)]
pub struct Life {
    helm: Arc<Helm>,
    history: History,
    /// The main file.
    main: PathBuf,
    matching: Arc<Matching>,
    /// When what waits for its confirmation goes.
    until: Option<Instant>,
}

/// Whether the files are those in force: moved by the thread that loads and by the one that looks at the disk.
#[derive(Debug)]
pub struct Matching {
    metrics: Arc<SiteMetrics>,
    /// How many configurations came into force, and the hash of the last.
    running: Mutex<(u64, String)>,
}

/// How a configuration comes into force.
enum Way {
    Files { confirm: Option<Duration> },
    Back { to: u64 },
}

impl Life {
    /// The life of a process that serves `history`'s configuration in force. `main`: the files' main one.
    pub fn new(helm: Arc<Helm>, history: History, main: PathBuf, matching: Arc<Matching>) -> Self {
        Self { helm, history, main, matching, until: None }
    }

    /// Starts the thread. It ends with the process.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(mut self, orders: Receiver<Order>) -> io::Result<()> {
        let _detached = Builder::new().name("policy".to_owned()).spawn(move || {
            loop {
                let wait = self.until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
                match orders.recv_timeout(wait) {
                    Ok(order) => self.carry_out(order),
                    Err(RecvTimeoutError::Timeout) => self.time_is_up(),
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })?;
        Ok(())
    }

    fn carry_out(&mut self, order: Order) {
        let Order { what, by, reason, reply } = order;
        let answer = match what {
            What::Reload { confirm } => self.reload(confirm, &by, reason.as_deref()),
            What::Confirm => self.confirm(&by, reason.as_deref()),
            What::Rollback { to } => self.rollback(to, &by, reason.as_deref()),
            What::History => self.tell(),
        };
        match reply {
            // Whoever asked may be gone.
            Some(reply) => drop(reply.send(answer)),
            None => answer.text.lines().for_each(say),
        }
    }

    fn reload(&mut self, confirm: Option<Duration>, by: &str, reason: Option<&str>) -> Reply {
        let what = format!("reload by {by}");
        if self.until.is_some() {
            let why = "error: the policy in force waits for its confirmation\n  help: `sluicegate confirm` or `sluicegate \
                       rollback` first\n";
            return self.refused(&what, reason, &[why.to_owned()]);
        }
        if confirm.is_some_and(|wait| wait.is_zero() || wait > LONGEST_TRIAL) {
            return self.refused(&what, reason, &["error: --confirm takes a time up to 7d\n".to_owned()]);
        }
        match sluicegate_config::load(&self.main) {
            Ok(loaded) => self.bring(loaded, &Way::Files { confirm }, &what, reason),
            Err(findings) => self.refused(&what, reason, &rendered(&findings)),
        }
    }

    fn rollback(&mut self, to: Option<u64>, by: &str, reason: Option<&str>) -> Reply {
        let pending = self.history.current().pending.as_ref().map(|one| one.back_to);
        let to = to.or(pending).or_else(|| self.history.before().map(|one| one.number));
        self.go_back(to, &format!("rollback by {by}"), reason)
    }

    fn go_back(&mut self, to: Option<u64>, what: &str, reason: Option<&str>) -> Reply {
        let Some(to) = to.filter(|to| self.history.entry(*to).is_some()) else {
            let why = "error: there is no such policy to go back to\n  help: `sluicegate history` lists them\n";
            return self.refused(what, reason, &[why.to_owned()]);
        };
        if to == self.history.current().running {
            return self.refused(what, reason, &[format!("error: policy {to} is in force\n")]);
        }
        let files = match self.history.files(to) {
            Ok(files) => files,
            Err(error) => return self.refused(what, reason, &[format!("error: {error}\n")]),
        };
        match load_kept(&files) {
            Ok(loaded) => self.bring(loaded, &Way::Back { to }, what, reason),
            Err(findings) => self.refused(what, reason, &rendered(&findings)),
        }
    }

    /// Prepares, puts on disk, commits.
    fn bring(&mut self, loaded: Loaded, way: &Way, what: &str, reason: Option<&str>) -> Reply {
        let Loaded { site, warnings, kept, .. } = loaded;
        let hash = site.hash.clone();
        let prepared = match prepare(site, &self.helm) {
            Ok(prepared) => prepared,
            Err(faults) => return self.refused(what, reason, &faults),
        };
        let before = self.history.current().clone();
        let next = match self.next(way, &hash, || (kept, what.to_owned(), reason.map(str::to_owned))) {
            Ok(next) => next,
            Err(fault) => return self.refused(what, reason, &[format!("error: {fault}\n")]),
        };
        let committed = match self.helm.commit(prepared) {
            Ok(committed) => committed,
            Err(stopping) => {
                if let Err(error) = self.history.point(before) {
                    tracing::error!(%error, "the history names a policy that never came into force");
                }
                return self.refused(what, reason, &[format!("error: {stopping}\n")]);
            }
        };
        let followed = self.helm.followed(committed.epoch, FOLLOW);
        self.until = match (way, &next.pending) {
            (Way::Files { confirm: Some(wait) }, Some(_)) => Some(Instant::now() + *wait),
            _ => None,
        };
        self.matching.comes_into_force(committed.epoch, &hash, || match way {
            Way::Files { .. } => true,
            Way::Back { .. } => sluicegate_config::hash(&self.main).as_ref() == Some(&hash),
        });
        self.helm.metrics().config_reloaded(true);
        let mut reply = told(what, (&before, &next), &hash, &committed, followed);
        self.record(Event::PolicyLoaded, reply.text.trim_end(), reason);
        say(reply.text.trim_end());
        for (name, address) in &committed.opened {
            say(&format!("listening listener={name} address={address}"));
        }
        notify::status(&format!("serving policy {}", short(&hash)));
        reply.text.insert_str(0, &warnings.iter().map(|one| one.render(false) + "\n").collect::<String>());
        reply.document["warnings"] = warnings.iter().map(Finding::to_json).collect();
        reply
    }

    /// Puts on disk what is in force from the commit on.
    fn next(
        &mut self,
        way: &Way,
        hash: &str,
        entry: impl FnOnce() -> (Vec<sluicegate_config::Kept>, String, Option<String>),
    ) -> Result<Current, super::HistoryError> {
        let mut next = self.history.current().clone();
        let from = next.running;
        match way {
            Way::Files { confirm } => {
                next.refused.retain(|one| one != hash);
                // The same texts: only certificates, keys and lists are read again. Nothing to remember or go back to.
                if self.history.running().is_none_or(|one| one.hash != hash) {
                    let (kept, by, reason) = entry();
                    next.running = self.history.add(hash, &kept, &by, reason.as_deref())?;
                    next.pending = confirm.map(|wait| Pending { back_to: from, until: until(wait) });
                }
            }
            Way::Back { to } => {
                next.refused.extend(self.history.running().map(|one| one.hash.clone()));
                next.refused.retain(|one| one != hash);
                next.running = *to;
                next.pending = None;
            }
        }
        self.history.point(next.clone())?;
        Ok(next)
    }

    fn confirm(&mut self, by: &str, reason: Option<&str>) -> Reply {
        let mut current = self.history.current().clone();
        let running = current.running;
        if self.until.is_none() || current.pending.take().is_none() {
            return Reply::bad("error: no policy waits for a confirmation\n".to_owned());
        }
        if let Err(error) = self.history.point(current) {
            return Reply::bad(format!("error: {error}; it still waits\n"));
        }
        self.until = None;
        let text = format!("policy {running} is confirmed (by {by})\n");
        self.record(Event::PolicyConfirmed, text.trim_end(), reason);
        say(text.trim_end());
        Reply { good: true, document: json!({ "good": true, "running": running }), text }
    }

    /// Nobody confirmed: what was in force before comes back, now or as soon as it can.
    fn time_is_up(&mut self) {
        let to = self.history.current().pending.as_ref().map(|one| one.back_to);
        let reply = self.go_back(to, "rollback by the gateway: not confirmed in time", None);
        if !reply.good {
            self.until = Some(Instant::now() + AGAIN);
            reply.text.lines().for_each(say);
        }
    }

    fn tell(&self) -> Reply {
        let current = self.history.current();
        let state = |entry: &Entry| match &current.pending {
            Some(_) if entry.number == current.running => "unconfirmed",
            _ if entry.number == current.running => "running",
            _ if current.refused.contains(&entry.hash) => "rolled-back",
            _ => "",
        };
        let line = |entry: &Entry| {
            let Entry { number, time, hash, by, reason } = entry;
            let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{number:>6}  {time}  {}  {:<11}  {by}{why}\n", short(hash), state(entry))
        };
        let mut text: String = self.history.entries().iter().map(line).collect();
        if let Some(pending) = &current.pending {
            text.push_str(&format!("policy {} comes back at {}\n", pending.back_to, pending.until));
        }
        let one = |entry: &Entry| {
            let mut object = serde_json::to_value(entry).expect("strings and numbers always make JSON");
            object["state"] = state(entry).into();
            object
        };
        let entries: Vec<_> = self.history.entries().iter().map(one).collect();
        let document = json!({
            "good": true, "running": current.running, "pending": current.pending, "entries": entries,
        });
        Reply { good: true, text, document }
    }

    /// Nothing has changed: who tried, and what was wrong.
    fn refused(&self, what: &str, reason: Option<&str>, faults: &[String]) -> Reply {
        self.helm.metrics().config_reloaded(false);
        let running = short(&self.helm.world().site.hash).to_owned();
        let first = faults.first().and_then(|text| text.lines().next()).unwrap_or_default();
        let more = faults.len().saturating_sub(1);
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        self.record(Event::PolicyRefused, &format!("{what} is refused: {first}{more}"), reason);
        tracing::error!("{what} is refused: {first}{more}");
        let mut reply = Reply::bad(faults.join("\n"));
        reply.text.push_str(&format!("  = note: the running policy {running} is unchanged\n"));
        reply.document["running"] = running.into();
        reply
    }

    fn record(&self, event: Event, what: &str, reason: Option<&str>) {
        let mut record = Record::new(event);
        let why = reason.map(|why| format!("; reason: {why}")).unwrap_or_default();
        record.note = Some(format!("{what}{why}"));
        write_record(self.helm.journal(), record);
    }
}

impl Matching {
    /// What a process starts with. `on_disk`: whether it comes from the files.
    pub fn new(metrics: Arc<SiteMetrics>, hash: &str, on_disk: bool) -> Arc<Self> {
        let matching = Self { metrics, running: Mutex::new((0, String::new())) };
        matching.comes_into_force(1, hash, || on_disk);
        Arc::new(matching)
    }

    fn comes_into_force(&self, epoch: u64, hash: &str, on_disk: impl FnOnce() -> bool) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = (epoch, hash.to_owned());
        self.metrics.config_loaded(hash);
        self.metrics.config_matches_disk(on_disk());
    }

    /// Looks whether the files are those in force; their hash, where they can be read.
    pub fn look(&self, main: &Path) -> Option<String> {
        let running = || self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = running().0;
        let hash = sluicegate_config::hash(main);
        let now = running();
        // What came into force meanwhile was compared then.
        if now.0 == epoch {
            self.metrics.config_matches_disk(hash.as_ref() == Some(&now.1));
        }
        hash
    }
}

fn told(what: &str, (before, next): (&Current, &Current), hash: &str, committed: &Committed, followed: bool) -> Reply {
    let Committed { epoch, opened, closed, rebuilt } = committed;
    let from = before.running;
    let mut text =
        format!("policy {} is in force: {what}, history {from} -> {}, epoch {epoch}", short(hash), next.running);
    if let Some(pending) = &next.pending {
        text.push_str(&format!(
            "; without `sluicegate confirm` policy {} comes back at {}",
            pending.back_to, pending.until
        ));
    }
    for (name, address) in opened {
        text.push_str(&format!("; listener {name} is open at {address}"));
    }
    for name in closed {
        text.push_str(&format!("; listener {name} is closed"));
    }
    for (conduit, key) in rebuilt {
        text.push_str(&format!("; sessions of conduit {conduit} have ended, for {key} has changed"));
    }
    if !followed {
        text.push_str("; not every worker has followed yet");
    }
    text.push('\n');
    let document = json!({
        "good": true, "hash": hash, "from": from, "running": next.running, "pending": next.pending, "epoch": epoch,
        "opened": opened.iter().map(|(name, at)| json!({ "listener": **name, "address": at })).collect::<Vec<_>>(),
        "closed": closed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rebuilt": rebuilt.iter().map(|(name, key)| json!({ "conduit": name, "key": key })).collect::<Vec<_>>(),
        "followed": followed,
    });
    Reply { good: true, text, document }
}

fn rendered(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|one| one.render(false)).collect()
}

fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

fn until(wait: Duration) -> String {
    let at = jiff::Timestamp::try_from(SystemTime::now() + wait);
    at.map_or_else(|_| now(), |at| format!("{at:.0}"))
}
