//! What is counted and written down about peers that have no session (yet)?

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use sluicegate_config::plan::{ConduitId, ListenerId, Site};
use sluicegate_proto::{
    policy::Who,
    vocab::{Cause, Reason},
};

use super::Stranger;
use crate::{
    admit::Turned,
    listen::shed,
    observe::{
        journal::Journal,
        metrics::{ConduitMetrics, Limit, TlsOutcome, TlsVersion},
        record::{Event, Record},
        site::{ListenerMetrics, SiteMetrics},
    },
    permit::Peer,
};

/// Between two lines about exhausted descriptors.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Records of strangers in a second: far more than an honest plant makes, far fewer than a disk takes.
const RECORDS: NonZeroU32 = NonZeroU32::new(100).expect("it is not zero");
/// And at once: an eighth of the journal's queue.
const RECORDS_BURST: NonZeroU32 = NonZeroU32::new(1024).expect("it is not zero");

/// Counters and records of the handshake threads.
#[derive(Debug)]
pub struct Ledger {
    site: Arc<Site>,
    metrics: Arc<SiteMetrics>,
    /// In the order of the plan.
    listeners: Vec<Option<ListenerMetrics>>,
    /// In the order of the plan.
    conduits: Vec<Option<Arc<ConduitMetrics>>>,
    journal: Journal,
    pace: Arc<Pace>,
}

/// What bounds the lines and records of strangers, whatever configuration they meet.
#[derive(Debug)]
struct Pace {
    told: Mutex<Option<Instant>>,
    /// Strangers' records share one bucket: nobody fills the journal, and so stops conduits, by failing handshakes.
    records: DefaultDirectRateLimiter,
    unwritten: AtomicU64,
}

impl Ledger {
    /// Resolves the handles.
    pub fn new(site: Arc<Site>, metrics: Arc<SiteMetrics>, journal: Journal) -> Arc<Self> {
        let records = RateLimiter::direct(Quota::per_second(RECORDS).allow_burst(RECORDS_BURST));
        let pace = Arc::new(Pace { told: Mutex::new(None), records, unwritten: AtomicU64::new(0) });
        Self::of(site, metrics, journal, pace)
    }

    /// The same under another configuration; what is spent stays spent.
    pub fn follow(&self, site: Arc<Site>) -> Arc<Self> {
        Self::of(site, Arc::clone(&self.metrics), self.journal.clone(), Arc::clone(&self.pace))
    }

    fn of(site: Arc<Site>, metrics: Arc<SiteMetrics>, journal: Journal, pace: Arc<Pace>) -> Arc<Self> {
        let listeners = site.listeners.iter().map(|one| metrics.listener(&one.name)).collect();
        let conduits = site.conduits.iter().map(|one| metrics.conduit(&one.name)).collect();
        Arc::new(Self { site, metrics, listeners, conduits, journal, pace })
    }

    /// A task of the handshake threads panicked: its connection is closed, nobody else's.
    pub fn panicked(&self) {
        self.metrics.task_panicked();
        tracing::error!("a handshake task panicked: a bug of ours; its connection is closed");
    }

    pub(super) fn negotiated(&self, listener: ListenerId, tls12: bool) {
        if let Some(metrics) = self.listener(listener) {
            metrics.negotiated(if tls12 { TlsVersion::Tls12 } else { TlsVersion::Tls13 });
        }
    }

    pub(super) fn passed(&self, listener: ListenerId) {
        self.count(listener, TlsOutcome::Ok);
    }

    /// A connection that ends without a session: one record, one counter.
    pub(super) fn refused(&self, listener: ListenerId, from: SocketAddr, stranger: &Stranger) {
        let plain = self
            .site
            .listeners
            .get(listener.index())
            .is_some_and(|one| matches!(one.transport, sluicegate_config::plan::Transport::Tcp));
        if !plain {
            self.count(listener, outcome(stranger));
        }
        if let Some(reason) = stranger.reason {
            self.denial(stranger.conduit, reason);
        }
        let event = if stranger.after_tls { Event::SessionRefused } else { Event::HandshakeFailed };
        let mut record = Record::new(event);
        record.conduit = self.name(stranger.conduit);
        record.reason = stranger.reason;
        record.cause = Some(stranger.cause);
        record.peer = Some(Arc::new(self.nobody(listener, from, stranger)));
        record.note = Some(stranger.note.clone());
        self.write(record);
    }

    /// A peer that is let in although something about it must be seen.
    pub(super) fn alarm(&self, conduit: ConduitId, peer: &Arc<Peer>, note: String) {
        let mut record = Record::new(Event::Alarm);
        record.conduit = self.name(Some(conduit));
        record.peer = Some(Arc::clone(peer));
        record.note = Some(note);
        self.write(record);
    }

    /// A connection that was closed before its handshake. All are counted; at most one a second and source is recorded.
    pub(super) fn turned(
        &self,
        listener: ListenerId,
        conduits: &[ConduitId],
        from: SocketAddr,
        (why, tell): (Turned, bool),
    ) {
        // Only a lone conduit can have been meant.
        let conduit = match conduits {
            [one] => Some(*one),
            _ => None,
        };
        let (cause, reason) = match why {
            Turned::Source => (Cause::SourceNotAllowed, Reason::SourceNotAllowed),
            Turned::Rate => (Cause::Refused, Reason::RateLimited),
        };
        self.denial(conduit, reason);
        if why == Turned::Rate {
            for metrics in conduits.iter().filter_map(|id| self.conduits.get(id.index())?.as_ref()) {
                metrics.limited(Limit::Connections, false);
            }
        }
        if !tell {
            return;
        }
        let stranger =
            Stranger { conduit, cause, reason: Some(reason), note: why.to_string(), presented: None, after_tls: false };
        let mut record = Record::new(Event::SessionRefused);
        record.conduit = self.name(conduit);
        record.reason = Some(reason);
        record.cause = Some(cause);
        record.note = Some(stranger.note.clone());
        record.peer = Some(Arc::new(self.nobody(listener, from, &stranger)));
        self.write(record);
    }

    /// PX-03: no descriptor or no memory for another connection.
    pub(super) fn exhausted(&self, listener: ListenerId, error: &std::io::Error) {
        let mut told = self.pace.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|last| last.elapsed() >= TELL_EVERY) {
            *told = Some(Instant::now());
            let listener = self.site.listeners.get(listener.index()).map_or("-", |one| &one.name);
            tracing::error!(listener, %error, shed = shed(), "no room for another connection; raise LimitNOFILE");
        }
    }

    fn listener(&self, id: ListenerId) -> Option<&ListenerMetrics> {
        self.listeners.get(id.index())?.as_ref()
    }

    fn count(&self, listener: ListenerId, outcome: TlsOutcome) {
        if let Some(metrics) = self.listener(listener) {
            metrics.handshake(outcome);
        }
    }

    fn denial(&self, conduit: Option<ConduitId>, reason: Reason) {
        if let Some((plan, metrics)) =
            conduit.and_then(|id| Some((self.site.conduits.get(id.index())?, self.conduits.get(id.index())?.as_ref()?)))
        {
            metrics.denial(reason, plan.mode);
        }
    }

    fn name(&self, conduit: Option<ConduitId>) -> Option<Arc<str>> {
        self.site.conduits.get(conduit?.index()).map(|plan| Arc::from(plan.name.as_str()))
    }

    /// What is known of somebody who is nobody: the record then has no identity.
    fn nobody(&self, listener: ListenerId, source: SocketAddr, stranger: &Stranger) -> Peer {
        let presented = stranger.presented.as_ref();
        Peer {
            who: Who { identity: String::new(), roles: Vec::new() },
            identity: u16::MAX,
            source,
            listener: self.site.listeners.get(listener.index()).map(|one| one.name.clone()).unwrap_or_default(),
            key_hash: presented.map(|one| one.key_hash.clone()),
            names: presented.map(|one| one.names.clone()).unwrap_or_default(),
            not_after: presented.map(|one| one.not_after),
            shown: Default::default(),
        }
    }

    /// What is over the pace is counted, and the next record says how many there were.
    fn write(&self, mut record: Record) {
        if self.pace.records.check().is_err() || !self.journal.has_room() {
            self.pace.unwritten.fetch_add(1, Relaxed);
            return;
        }
        let unwritten = self.pace.unwritten.swap(0, Relaxed);
        if unwritten > 0 {
            let note = record.note.take().unwrap_or_default();
            record.note = Some(format!("{note} ({unwritten} more like this before it were only counted)"));
        }
        if let Ok(slot) = self.journal.reserve() {
            slot.write(record);
        }
    }
}

fn outcome(stranger: &Stranger) -> TlsOutcome {
    match stranger.cause {
        _ if stranger.after_tls => TlsOutcome::Refused,
        Cause::HandshakeTimeout => TlsOutcome::Timeout,
        Cause::CertificateMissing => TlsOutcome::NoCertificate,
        Cause::CertificateInvalid => TlsOutcome::BadCertificate,
        Cause::CertificateExpired => TlsOutcome::Expired,
        Cause::CertificateRevoked => TlsOutcome::Revoked,
        Cause::CrlStale => TlsOutcome::CrlStale,
        _ => TlsOutcome::Failed,
    }
}
