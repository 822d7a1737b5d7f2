//! Which faults are raised, and where does that leave this conduit and this peer?

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sluicegate_config::plan::{AuthorityId, CertificateId, Conduit, ConduitId, FaultAction, Site, Transport, Upstream};
use sluicegate_proto::{time::Mono, vocab::Cause};
use tokio::sync::watch;

use super::Reading;
use crate::{permit::Peer, trust::End};

/// What of ours fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The audit trail takes no more records.
    AuditFull,
    /// The wall clock is before its floor.
    ClockUnknown,
    /// A revocation list of this authority ended.
    CrlStale(AuthorityId),
    /// This certificate of ours ended.
    CertificateExpired(CertificateId),
}

/// Where a conduit is left. Ordered: the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It serves.
    Serve,
    /// Live sessions live on; no new ones.
    RefuseNew(Cause),
    /// Its sessions end; no new ones.
    Close(Cause),
}

/// A fault that began or ended: an `alarm` record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub fault: Fault,
    /// Whether it began.
    pub began: bool,
    /// For people.
    pub note: String,
}

/// The faults of the process as one configuration sees them. One for all workers, asked when a session opens and when the
/// generation moves, never per message.
#[derive(Debug)]
pub struct Board {
    site: Arc<Site>,
    process: Arc<Process>,
}

/// What all configurations of the process share.
#[derive(Debug)]
struct Process {
    /// At most two, and one for each certificate and authority that there ever was in this process.
    raised: Mutex<BTreeMap<Name, Since>>,
    generation: watch::Sender<u64>,
}

/// A fault by names: places in a site are another site's places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    AuditFull,
    ClockUnknown,
    CrlStale(String),
    CertificateExpired(String),
}

/// When a fault was raised, and how old it was then (a list that ended while we were not running).
#[derive(Clone, Copy, Debug)]
struct Since {
    raised: Mono,
    age: Duration,
}

impl Board {
    /// Nothing is raised.
    pub fn new(site: &Arc<Site>) -> Self {
        let process = Process { raised: Mutex::default(), generation: watch::Sender::new(0) };
        Self { site: site.clone(), process: Arc::new(process) }
    }

    /// The same faults as another configuration sees them. What is raised of a certificate or authority that it does not
    /// have is forgotten.
    pub fn follow(&self, site: &Arc<Site>) -> Self {
        let next = Self { site: site.clone(), process: Arc::clone(&self.process) };
        next.lock().retain(|name, _| match name {
            Name::AuditFull | Name::ClockUnknown => true,
            Name::CrlStale(authority) => site.authorities.iter().any(|one| one.name == *authority),
            Name::CertificateExpired(certificate) => site.certificates.iter().any(|one| one.name == *certificate),
        });
        next
    }

    /// A number that moves with every fault that begins or ends: workers then ask again.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.process.generation.subscribe()
    }

    /// Raises a fault that is `age` old at `now`. Raised already: it keeps its age.
    pub fn raise(&self, fault: Fault, now: Mono, age: Duration) -> Option<Change> {
        {
            let mut raised = self.lock();
            let name = self.name(fault);
            if raised.contains_key(&name) {
                return None;
            }
            raised.insert(name, Since { raised: now, age });
        }
        Some(self.changed(fault, true))
    }

    /// Lowers a fault.
    pub fn lower(&self, fault: Fault) -> Option<Change> {
        self.lock().remove(&self.name(fault))?;
        Some(self.changed(fault, false))
    }

    /// What is raised, for metrics, `/readyz` and people.
    pub fn raised(&self) -> Vec<Fault> {
        self.lock().keys().filter_map(|name| self.fault(name)).collect()
    }

    /// Raises and lowers what the clock decides: the clock itself, our certificates, the revocation lists. To be called once a
    /// second; what began or ended is alarmed by the caller.
    pub fn review(&self, ends: &[End], clock: Reading, now: Mono) -> Vec<Change> {
        let mut changes = Vec::new();
        changes.extend(match clock.known {
            true => self.lower(Fault::ClockUnknown),
            false => self.raise(Fault::ClockUnknown, now, Duration::ZERO),
        });
        for end in ends {
            let (fault, at) = match *end {
                End::Certificate(id, at) => (Fault::CertificateExpired(id), at),
                End::Crl(id, at) => (Fault::CrlStale(id), at),
            };
            changes.extend(match u64::try_from(clock.unix.saturating_sub(at)) {
                Ok(past) => self.raise(fault, now, Duration::from_secs(past)),
                Err(_) => self.lower(fault),
            });
        }
        changes
    }

    /// Where the faults leave a conduit as a whole.
    pub fn standing(&self, conduit: ConduitId, now: Mono) -> Standing {
        let plan = self.conduit(conduit);
        let raised = self.lock();
        let hits = |fault: &Fault| match fault {
            Fault::AuditFull | Fault::ClockUnknown => true,
            Fault::CertificateExpired(id) => self.shows(plan, *id),
            // While another authority of the listener is well, its peers are served; see `standing_for`.
            Fault::CrlStale(id) => {
                let trusted = self.trusted(plan);
                let all = trusted.contains(id)
                    && trusted.iter().all(|one| raised.contains_key(&self.name(Fault::CrlStale(*one))));
                all || asks_upstream(plan, *id)
            }
        };
        let here = raised.iter().filter_map(|(name, since)| Some((self.fault(name)?, *since)));
        let worst = here.filter(|(fault, _)| hits(fault)).map(|(fault, since)| judge(plan, fault, since, now));
        worst.max().unwrap_or(Standing::Serve)
    }

    /// Where the faults leave one peer on a conduit: the conduit's own standing, its authority's revocation list, and the end of
    /// its certificate at `unix`.
    pub fn standing_for(&self, conduit: ConduitId, peer: &Peer, now: Mono, unix: i64) -> Standing {
        let plan = self.conduit(conduit);
        let authority = self.site.identities.get(usize::from(peer.identity)).and_then(|one| one.authority);
        let fault = authority.map(Fault::CrlStale);
        let stale = fault.and_then(|fault| Some(judge(plan, fault, *self.lock().get(&self.name(fault))?, now)));
        let past = peer.not_after.and_then(|end| u64::try_from(unix.saturating_sub(end)).ok());
        let ended = past.map(|past| {
            let past = Duration::from_secs(past);
            act(plan.faults.certificate_expired, past > plan.faults.grace, Cause::CertificateExpired)
        });
        let own = self.standing(conduit, now);
        own.max(stale.unwrap_or(Standing::Serve)).max(ended.unwrap_or(Standing::Serve))
    }

    fn conduit(&self, id: ConduitId) -> &Conduit {
        &self.site.conduits[id.index()]
    }

    fn trusted(&self, conduit: &Conduit) -> &[AuthorityId] {
        match &self.site.listeners[conduit.listener.index()].transport {
            Transport::Tls { authorities, .. } => authorities,
            Transport::Tcp => &[],
        }
    }

    /// Whether a conduit shows this certificate of ours, to its peers or to its device.
    fn shows(&self, conduit: &Conduit, id: CertificateId) -> bool {
        let at_listener = match &self.site.listeners[conduit.listener.index()].transport {
            Transport::Tls { certificate, .. } => *certificate == id,
            Transport::Tcp => false,
        };
        let to_device = conduit.upstream.iter().any(|one| match one {
            Upstream::Tls { certificate, .. } => *certificate == id,
            Upstream::Tcp(_) => false,
        });
        at_listener || to_device
    }

    fn changed(&self, fault: Fault, began: bool) -> Change {
        self.process.generation.send_modify(|number| *number = number.wrapping_add(1));
        let what = match fault {
            Fault::AuditFull => "the audit trail takes no more records".to_owned(),
            Fault::ClockUnknown => {
                "the clock is before the build, the last audit record or the last checkpoint".to_owned()
            }
            Fault::CrlStale(id) => {
                format!("the revocation list of authority {} ended", self.site.authorities[id.index()].name)
            }
            Fault::CertificateExpired(id) => {
                format!("our certificate {} ended", self.site.certificates[id.index()].name)
            }
        };
        let note = if began { what } else { format!("no longer: {what}") };
        Change { fault, began, note }
    }

    fn name(&self, fault: Fault) -> Name {
        match fault {
            Fault::AuditFull => Name::AuditFull,
            Fault::ClockUnknown => Name::ClockUnknown,
            Fault::CrlStale(id) => Name::CrlStale(self.site.authorities[id.index()].name.clone()),
            Fault::CertificateExpired(id) => Name::CertificateExpired(self.site.certificates[id.index()].name.clone()),
        }
    }

    /// The fault of that name, where this site has what fails.
    fn fault(&self, name: &Name) -> Option<Fault> {
        Some(match name {
            Name::AuditFull => Fault::AuditFull,
            Name::ClockUnknown => Fault::ClockUnknown,
            Name::CrlStale(name) => {
                let found = (0..).zip(&self.site.authorities).find(|(_, one)| one.name == *name)?;
                Fault::CrlStale(AuthorityId(found.0))
            }
            Name::CertificateExpired(name) => {
                let found = (0..).zip(&self.site.certificates).find(|(_, one)| one.name == *name)?;
                Fault::CertificateExpired(CertificateId(found.0))
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Since>> {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        self.process.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn asks_upstream(conduit: &Conduit, id: AuthorityId) -> bool {
    conduit.upstream.iter().any(|one| match one {
        Upstream::Tls { authorities, .. } => authorities.contains(&id),
        Upstream::Tcp(_) => false,
    })
}

fn judge(conduit: &Conduit, fault: Fault, since: Since, now: Mono) -> Standing {
    let faults = &conduit.faults;
    let (action, cause) = match fault {
        Fault::AuditFull => (faults.audit_full, Cause::AuditFailure),
        Fault::ClockUnknown => (faults.clock_unknown, Cause::ClockUnknown),
        Fault::CrlStale(_) => (faults.crl_stale, Cause::CrlStale),
        Fault::CertificateExpired(_) => (faults.certificate_expired, Cause::CertificateExpired),
    };
    let held = now.since(since.raised).saturating_add(since.age);
    act(action, held > faults.grace, cause)
}

fn act(action: FaultAction, past_grace: bool, cause: Cause) -> Standing {
    match action {
        FaultAction::Close => Standing::Close(cause),
        FaultAction::RefuseNew if past_grace => Standing::RefuseNew(cause),
        FaultAction::RefuseNew | FaultAction::Keep => Standing::Serve,
    }
}
