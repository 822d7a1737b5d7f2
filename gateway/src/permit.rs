//! Who may open a session on which conduit, under which policy?

use std::{net::SocketAddr, sync::Arc};

use sluicegate_proto::policy::{View, Who};

use crate::trust::Shown;

/// What is known of a peer after its handshake; shared by its session and its audit records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Identity and roles.
    pub who: Who,
    /// The identity's place in the site's list.
    pub identity: u16,
    /// Where it came from.
    pub source: SocketAddr,
    /// The listener's name.
    pub listener: String,
    /// SHA-256 of its SubjectPublicKeyInfo in hex, where it has a certificate.
    pub key_hash: Option<String>,
    /// Its subject alternative names.
    pub names: Vec<String>,
    /// When its certificate ends (seconds since 1970), where it has one.
    pub not_after: Option<i64>,
    /// The certificates that it showed: it is asked again who it is when the configuration changes.
    pub shown: Arc<Shown>,
}

/// The proof that a peer may have a session on a conduit under the policy of `epoch`.
#[derive(Debug)]
pub struct Permit {
    peer: Arc<Peer>,
    view: Arc<View>,
    epoch: u64,
}

impl Permit {
    /// The only constructor. The caller has checked source, identity and the conduit's standing.
    pub fn grant(peer: Arc<Peer>, policy: &sluicegate_proto::policy::PolicySet, epoch: u64) -> Self {
        let view = policy.view(&peer.who);
        Self { peer, view, epoch }
    }

    /// Whose it is.
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// The rules as this peer meets them.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Under which policy.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The same peer as a later configuration has it: its place among the identities, its roles.
    pub fn is_now(&mut self, peer: Arc<Peer>) {
        self.peer = peer;
    }

    /// Under the next policy.
    pub fn follow(&mut self, policy: &sluicegate_proto::policy::PolicySet, epoch: u64) {
        self.see(policy.view(&self.peer.who), epoch);
    }

    /// The same with the view at hand: that of its peer's identity and roles.
    pub fn see(&mut self, view: Arc<View>, epoch: u64) {
        self.view = view;
        self.epoch = epoch;
    }
}
