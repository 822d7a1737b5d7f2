//! How does a connection become a known peer on a conduit?
//!
//! ```text
//! admitted -> TLS (deadline) -> conduit by server name -> identity -> standing -> the conduit's worker
//!                 \___________________ refused: counted, recorded, closed in good order
//! ```
//! All of it runs on threads of its own: a signature costs 320 microseconds, which would be somebody's jitter on a data
//! worker. TLS towards devices is made here too, and handed back.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use rustls::ProtocolVersion;
use sluicegate_config::plan::{ConduitId, Listener, ListenerId, Site};
use sluicegate_proto::{
    time::Mono,
    vocab::{Cause, Reason},
};
use tokio::{
    net::TcpStream,
    runtime::Handle,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    admit::{Admitted, Turned},
    faults::{Board, Standing},
    io::{Parked, PeerIo, Records, shake},
    listen::Porter,
    permit::Peer,
    tasks,
    trust::{Failed, Handshake, Identified, Presented, Refusal, Seen, Trust},
    worker::{Arrival, Lane},
};

mod device;
mod ledger;

pub(crate) use device::dialer;
pub use ledger::Ledger;

/// How long a peer that was refused after its handshake may take to hear it.
const GOODBYE: Duration = Duration::from_millis(500);

/// A peer that gets no session, and how far it came.
#[derive(Debug)]
pub struct Stranger {
    /// Where it wanted to go; known from its server name on.
    pub conduit: Option<ConduitId>,
    /// Why it gets none.
    pub cause: Cause,
    /// How the denial counts, where it is one.
    pub reason: Option<Reason>,
    /// The same for people.
    pub note: String,
    /// The certificate that it showed.
    pub presented: Option<Presented>,
    /// Whether TLS itself was fine.
    pub after_tls: bool,
}

/// The handshake threads' work.
#[derive(Debug)]
pub struct Doorman {
    /// The plan.
    pub site: Arc<Site>,
    /// Keys and identities.
    pub trust: Arc<Trust>,
    /// How we stand ourselves.
    pub board: Arc<Board>,
    /// Zero of the board's clock.
    pub origin: StdInstant,
    /// Counters and records.
    pub ledger: Arc<Ledger>,
    /// By conduit, in the order of the plan.
    pub lanes: Vec<Lane>,
    /// Where handshakes run.
    pub threads: Handle,
}

/// One connection on its way.
struct Caller {
    listener: ListenerId,
    from: SocketAddr,
    stream: TcpStream,
    deadline: Instant,
}

impl Doorman {
    fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.site.listeners.get(id.index())
    }

    /// Which conduit is meant is known only after TLS: the most patient one of the listener counts.
    fn patience(&self, id: ListenerId) -> Duration {
        let conduits = self.listener(id).into_iter().flat_map(|one| &one.conduits);
        let each = conduits.filter_map(|conduit| self.site.conduits.get(conduit.index()));
        each.map(|conduit| conduit.timeouts.handshake).max().unwrap_or(Duration::from_secs(5))
    }

    async fn receive(self: Arc<Self>, caller: Caller, admitted: Admitted) {
        let (listener, from, deadline) = (caller.listener, caller.from, caller.deadline);
        let hello = self.trust.handshake(listener);
        let seen = hello.as_ref().map(|one| Arc::clone(&one.seen));
        let late = |note: &str| Stranger {
            conduit: seen.as_ref().and_then(|one| one.conduit()),
            cause: Cause::HandshakeTimeout,
            reason: None,
            note: note.to_owned(),
            presented: seen.as_ref().and_then(|one| one.presented()),
            after_tls: false,
        };
        let outcome = tokio::select! {
            biased;
            () = admitted.evicted() => Err(late("gave way to a newer connection")),
            outcome = timeout_at(deadline, self.meet(hello, caller)) => {
                outcome.unwrap_or_else(|_| Err(late("the handshake took too long")))
            }
        };
        match outcome {
            Ok(arrival) => {
                admitted.authenticated();
                self.hand_over(listener, arrival, deadline).await;
            }
            Err(stranger) => self.ledger.refused(listener, from, &stranger),
        }
    }

    async fn hand_over(&self, listener: ListenerId, arrival: Arrival, deadline: Instant) {
        let (conduit, peer) = (arrival.conduit, Arc::clone(&arrival.peer));
        if let Some(lane) = self.lanes.get(conduit.index())
            && matches!(timeout_at(deadline, lane.send(arrival)).await, Ok(Ok(())))
        {
            self.ledger.passed(listener);
            return;
        }
        let stranger = Stranger {
            conduit: Some(conduit),
            cause: Cause::SessionLimit,
            reason: Some(Reason::SessionLimit),
            note: "the conduit's worker had no room in time".to_owned(),
            presented: None,
            after_tls: true,
        };
        self.ledger.refused(listener, peer.source, &stranger);
    }

    async fn meet(&self, hello: Option<Handshake>, caller: Caller) -> Result<Arrival, Stranger> {
        let Some(hello) = hello else { return self.meet_plain(caller) };
        let Caller { listener, from, stream, .. } = caller;
        let (stream, records) = match shake::accept(hello.config, stream).await {
            Ok(shaken) => shaken,
            Err((error, stream)) => {
                // rustls' alert has left already; the peer gets a moment to read it before the socket closes.
                self.say_goodbye(PeerIo::Tcp(stream));
                return Err(Stranger::unshaken(hello.seen.failed_io(&error), hello.seen.conduit()));
            }
        };
        self.ledger.negotiated(listener, records.protocol_version() == Some(ProtocolVersion::TLSv1_2));
        let placed = match hello.seen.conduit() {
            Some(conduit) => self.place(conduit, from, &records, &hello.seen),
            // The certificate is chosen by the conduit: without one there is no handshake.
            None => Err(Stranger::ours(None, "a handshake without a conduit")),
        };
        match placed {
            Ok((conduit, peer)) => {
                let stream = stream.into_std().map_err(|error| Stranger::ours(Some(conduit), &error.to_string()))?;
                Ok(Arrival { conduit, stream: Parked::Tls(stream, records), peer })
            }
            Err(stranger) => {
                self.say_goodbye(PeerIo::Tls(stream, records));
                Err(stranger)
            }
        }
    }

    /// Without TLS there is no server name: the listener has one conduit, and the source says who it is.
    fn meet_plain(&self, caller: Caller) -> Result<Arrival, Stranger> {
        let conduits = self.listener(caller.listener).map_or(&[][..], |one| &one.conduits);
        let conduit = *conduits.first().ok_or_else(|| Stranger::ours(None, "no conduit behind the listener"))?;
        let found = self.trust.identify_by_source(conduit, caller.from);
        let peer = self.welcome(conduit, found, None)?;
        let stream = caller.stream.into_std().map_err(|error| Stranger::ours(Some(conduit), &error.to_string()))?;
        Ok(Arrival { conduit, stream: Parked::Tcp(stream), peer })
    }

    fn place(
        &self,
        conduit: ConduitId,
        from: SocketAddr,
        records: &Records,
        seen: &Seen,
    ) -> Result<(ConduitId, Arc<Peer>), Stranger> {
        let found = self.trust.identify_seen(conduit, seen, records.peer_certificates(), from);
        Ok((conduit, self.welcome(conduit, found, seen.presented())?))
    }

    /// Identity, then how we stand ourselves (language.md section 4).
    fn welcome(
        &self,
        conduit: ConduitId,
        found: Result<Identified, Refusal>,
        presented: Option<Presented>,
    ) -> Result<Arc<Peer>, Stranger> {
        let stranger = |cause, reason, note, presented| Stranger {
            conduit: Some(conduit),
            cause,
            reason,
            note,
            presented,
            after_tls: true,
        };
        let Identified { peer, alarm } = match found {
            Ok(found) => found,
            Err(refusal) => return Err(stranger(refusal.cause, refusal.reason, refusal.note, presented)),
        };
        let peer = Arc::new(peer);
        if let Some(note) = alarm {
            self.ledger.alarm(conduit, &peer, note);
        }
        let now = Mono::ZERO.after(self.origin.elapsed());
        match self.board.standing_for(conduit, &peer, now, self.trust.clock().now().unix) {
            Standing::Serve => Ok(peer),
            Standing::RefuseNew(cause) | Standing::Close(cause) => {
                Err(stranger(cause, None, "the conduit takes no new sessions now".to_owned(), presented))
            }
        }
    }

    /// The place among the handshakes is given back at once; the goodbye holds a descriptor for half a second at most.
    fn say_goodbye(&self, mut io: PeerIo) {
        let goodbye = async move {
            let last = async {
                std::future::poll_fn(|cx| io.poll_goodbye(cx)).await?;
                let mut scratch = [0; 1024];
                std::future::poll_fn(|cx| io.poll_linger(cx, &mut scratch)).await;
                Ok::<(), io::Error>(())
            };
            let _ = timeout(GOODBYE, last).await;
        };
        tasks::spawn(&self.threads, goodbye, || {});
    }
}

impl Porter for Doorman {
    fn take(self: &Arc<Self>, listener: ListenerId, stream: TcpStream, from: SocketAddr, admitted: Admitted) {
        let deadline = Instant::now() + self.patience(listener);
        let caller = Caller { listener, from, stream, deadline };
        let ledger = Arc::clone(&self.ledger);
        tasks::spawn(&self.threads, Arc::clone(self).receive(caller, admitted), move || ledger.panicked());
    }

    fn turned(self: &Arc<Self>, listener: ListenerId, from: SocketAddr, why: Turned, tell: bool) {
        let conduits = self.listener(listener).map_or(&[][..], |one| &one.conduits);
        self.ledger.turned(listener, conduits, from, (why, tell));
    }

    fn exhausted(self: &Arc<Self>, listener: ListenerId, error: &io::Error) {
        self.ledger.exhausted(listener, error);
    }
}

impl Stranger {
    fn unshaken(failed: Failed, conduit: Option<ConduitId>) -> Self {
        let Failed { cause, note, presented } = failed;
        Self { conduit, cause, reason: None, note, presented, after_tls: false }
    }

    fn ours(conduit: Option<ConduitId>, note: &str) -> Self {
        let cause = Cause::InternalError;
        Self { conduit, cause, reason: None, note: note.to_owned(), presented: None, after_tls: true }
    }
}
