//! Which identity is this, and may it be on this conduit from there?
//!
//! The order is that of language.md section 3: source, then identity. An identity belongs to its authority: the right name from
//! another authority is nobody.

use std::{net::SocketAddr, sync::Arc};

use rustls_pki_types::CertificateDer;
use sluicegate_config::plan::{AuthorityId, Conduit, ConduitId, Identity, IdentityId, Match, Transport};
use sluicegate_proto::{
    policy::Who,
    vocab::{Cause, Reason},
};

use super::{
    Doubt, Seen, Trust,
    listener::Vouched,
    names::Leaf,
    role::Role,
    shown::Shown,
    vouch::{Authority, Tolerance, Use},
};
use crate::permit::Peer;

/// A peer that is somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// Who.
    pub peer: Peer,
    /// What an operator should see although the peer is let in: a bad role extension, a certificate past its end.
    pub alarm: Option<String>,
}

/// A peer that is turned away before it has a session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}: {note}")]
pub struct Refusal {
    /// The session's cause.
    pub cause: Cause,
    /// The reason where there is one; a certificate's fault has only a cause.
    pub reason: Option<Reason>,
    /// The same for people.
    pub note: String,
}

impl Trust {
    /// Who came to `conduit` from `source` with `chain` (end entity first), after a handshake of its listener. Everything is
    /// checked again for exactly this conduit.
    ///
    /// # Errors
    /// Why it is nobody, or not welcome.
    pub fn identify(
        &self,
        conduit: ConduitId,
        chain: &[CertificateDer<'_>],
        source: SocketAddr,
    ) -> Result<Identified, Refusal> {
        let plan = self.plan(conduit);
        self.check_source(plan, source)?;
        let leaf = chain.first().ok_or_else(|| Refusal::doubt(&Doubt::Missing))?;
        let leaf = Leaf::read(leaf).ok_or_else(|| Refusal::doubt(&Doubt::Broken(webpki::Error::BadDer)))?;
        let (now, tolerance) = (self.clock.now().unix, Tolerance::of(&plan.faults));
        let vouching = self.vouching(plan, |authority| authority.vouch(chain, Use::Client, now, tolerance))?;
        let shown = Shown::new(&leaf, chain, self.those(&vouching));
        self.somebody(plan, (&leaf, shown), vouching, source)
    }

    /// Who somebody is now that came to `conduit` before this trust was loaded: by its certificates where the listener
    /// wants them, else by its source. Ends of certificates and revocation lists are tolerated here: what they do to a
    /// live session is the business of [`crate::faults::Board`]. Revocation cuts.
    ///
    /// # Errors
    /// Why it is nobody any more, or not welcome.
    pub fn identify_again(&self, conduit: ConduitId, peer: &Peer) -> Result<Identified, Refusal> {
        let plan = self.plan(conduit);
        if self.site.listeners[plan.listener.index()].transport == Transport::Tcp {
            return self.identify_by_source(conduit, peer.source);
        }
        self.check_source(plan, peer.source)?;
        let leaf = peer.shown.leaf.as_ref().ok_or_else(|| Refusal::doubt(&Doubt::Missing))?;
        let now = self.clock.now().unix;
        let vouches = |authority: &Authority| match peer.shown.is_vouched_by(authority) {
            true => Ok(()),
            false => authority.vouch(&peer.shown.chain, Use::Client, now, Tolerance::LENIENT),
        };
        let vouching = self.vouching(plan, vouches)?;
        let known = self.those(&vouching).map(|one| one.fingerprint).eq(peer.shown.vouched.iter().copied());
        let shown =
            if known { Arc::clone(&peer.shown) } else { Shown::new(leaf, &peer.shown.chain, self.those(&vouching)) };
        self.somebody(plan, (leaf, shown), vouching, peer.source)
    }

    fn those<'s>(&'s self, ids: &'s [AuthorityId]) -> impl Iterator<Item = &'s Arc<Authority>> {
        ids.iter().map(|id| &self.authorities[id.index()])
    }

    /// The same right after the handshake that was `seen`. What that handshake found out about the chain a moment ago, for this
    /// conduit and by this trust, is not found out again: it is a signature. Anything else is checked from the start.
    ///
    /// # Errors
    /// Why it is nobody, or not welcome.
    pub fn identify_seen(
        &self,
        conduit: ConduitId,
        seen: &Seen,
        chain: &[CertificateDer<'_>],
        source: SocketAddr,
    ) -> Result<Identified, Refusal> {
        let plan = self.plan(conduit);
        let vouched = seen.take_vouched().filter(|one| one.conduit == conduit);
        let vouching = vouched.as_ref().map(|one| self.still_vouching(plan, one)).unwrap_or_default();
        match vouched {
            Some(vouched) if !vouching.is_empty() => {
                self.check_source(plan, source)?;
                let shown = Shown::new(&vouched.leaf, chain, self.those(&vouching));
                self.somebody(plan, (&vouched.leaf, shown), vouching, source)
            }
            _ => self.identify(conduit, chain, source),
        }
    }

    fn somebody(
        &self,
        plan: &Conduit,
        (leaf, shown): (&Leaf, Arc<Shown>),
        vouching: Vec<AuthorityId>,
        source: SocketAddr,
    ) -> Result<Identified, Refusal> {
        let now = self.clock.now().unix;
        let able = self.able_to_name(leaf, vouching)?;
        let (id, identity) =
            self.only(|one| one.authority.is_some_and(|a| able.contains(&a)) && leaf.is(&one.matches))?;
        self.check_zone(plan, identity)?;

        let mut alarms = Vec::new();
        let mut roles = identity.roles.clone();
        match &leaf.role {
            Role::Absent => {}
            Role::One(carried) => self.confer(carried, &mut roles),
            Role::Bad(why) => alarms.push(format!("{why}; it confers no role")),
        }
        if now > leaf.not_after {
            alarms.push(format!("the certificate ended at {} and is tolerated by this conduit", leaf.not_after));
        }
        let mut peer = self.peer(plan, id, identity, roles, source);
        peer.key_hash = Some(leaf.key_hash());
        peer.names = leaf.shown_names();
        peer.not_after = Some(leaf.not_after);
        peer.shown = shown;
        Ok(Identified { peer, alarm: (!alarms.is_empty()).then(|| alarms.join("; ")) })
    }

    /// Who comes to `conduit` from `source` on a plain TCP listener: identities with `match.source` only.
    ///
    /// # Errors
    /// Why it is nobody, or not welcome.
    pub fn identify_by_source(&self, conduit: ConduitId, source: SocketAddr) -> Result<Identified, Refusal> {
        let plan = self.plan(conduit);
        self.check_source(plan, source)?;
        let (id, identity) = self.only(|one| match &one.matches {
            Match::Source(network) => network.contains(source.ip()),
            Match::Uri { .. } | Match::Dns(_) | Match::Spki(_) => false,
        })?;
        self.check_zone(plan, identity)?;
        Ok(Identified { peer: self.peer(plan, id, identity, identity.roles.clone(), source), alarm: None })
    }

    fn plan(&self, conduit: ConduitId) -> &Conduit {
        &self.site.conduits[conduit.index()]
    }

    fn check_source(&self, conduit: &Conduit, source: SocketAddr) -> Result<(), Refusal> {
        let zone = &self.site.zones[conduit.from.index()];
        if zone.networks.is_empty() || zone.networks.iter().any(|network| network.contains(source.ip())) {
            return Ok(());
        }
        Err(Refusal {
            cause: Cause::SourceNotAllowed,
            reason: Some(Reason::SourceNotAllowed),
            note: format!("{} is in none of the networks of zone {}", source.ip(), zone.name),
        })
    }

    /// The authorities of the listener that vouch for the chain.
    fn vouching(
        &self,
        conduit: &Conduit,
        vouches: impl Fn(&Authority) -> Result<(), Doubt>,
    ) -> Result<Vec<AuthorityId>, Refusal> {
        let trusted = match &self.site.listeners[conduit.listener.index()].transport {
            Transport::Tls { authorities, .. } => authorities.as_slice(),
            Transport::Tcp => &[],
        };
        let mut vouching = Vec::new();
        let mut worst = Doubt::UnknownIssuer;
        for id in trusted {
            match vouches(&self.authorities[id.index()]) {
                Ok(()) => vouching.push(*id),
                Err(doubt) if doubt.weight() >= worst.weight() => worst = doubt,
                Err(_) => {}
            }
        }
        if vouching.is_empty() { Err(Refusal::doubt(&worst)) } else { Ok(vouching) }
    }

    /// Those who vouched in the handshake, where they are this trust's own and the conduit tolerates what it did then.
    fn still_vouching(&self, conduit: &Conduit, vouched: &Vouched) -> Vec<AuthorityId> {
        let mut trusted = match &self.site.listeners[conduit.listener.index()].transport {
            Transport::Tls { authorities, .. } if vouched.tolerance == Tolerance::of(&conduit.faults) => {
                authorities.clone()
            }
            Transport::Tls { .. } | Transport::Tcp => Vec::new(),
        };
        trusted.retain(|id| {
            let own = &self.authorities[id.index()];
            vouched.authorities.iter().any(|one| Arc::ptr_eq(one, own))
        });
        trusted
    }

    /// Those of `vouching` that may vouch for every name on the certificate.
    fn able_to_name(&self, leaf: &Leaf, vouching: Vec<AuthorityId>) -> Result<Vec<AuthorityId>, Refusal> {
        let mut note = String::new();
        let mut able = vouching;
        able.retain(|id| {
            let authority = &self.authorities[id.index()];
            match leaf.outside(&authority.names) {
                None => true,
                Some(name) => {
                    note = format!("authority {} may not vouch for {:?}", authority.name, name.to_string());
                    false
                }
            }
        });
        if able.is_empty() { Err(Refusal::unknown(note)) } else { Ok(able) }
    }

    /// The one identity that `is` holds for. Two are as bad as none: the policy would not know whose rules count.
    fn only(&self, is: impl Fn(&Identity) -> bool) -> Result<(IdentityId, &Identity), Refusal> {
        let mut found = (0..).zip(&self.site.identities).filter(|(_, one)| is(one));
        let Some((id, first)) = found.next() else {
            return Err(Refusal::unknown("no identity matches".to_owned()));
        };
        match found.next() {
            None => Ok((IdentityId(id), first)),
            Some((_, second)) => {
                Err(Refusal::unknown(format!("the identities {} and {} both match", first.name, second.name)))
            }
        }
    }

    /// A conduit starts in one zone; who belongs to another one would pass round that zone's own conduits and their terms.
    fn check_zone(&self, conduit: &Conduit, identity: &Identity) -> Result<(), Refusal> {
        if identity.zone == conduit.from {
            return Ok(());
        }
        let name = |id: sluicegate_config::plan::ZoneId| &self.site.zones[id.index()].name;
        Err(Refusal {
            cause: Cause::IdentityNotAllowed,
            reason: Some(Reason::IdentityNotAllowed),
            note: format!(
                "{} belongs to zone {}; conduit {} starts in {}",
                identity.name,
                name(identity.zone),
                conduit.name,
                name(conduit.from)
            ),
        })
    }

    /// Adds the roles that the certificate's Modbus role stands for.
    fn confer(&self, carried: &str, roles: &mut Vec<String>) {
        for role in &self.site.roles {
            if role.modbus_role.as_deref() == Some(carried) && !roles.contains(&role.name) {
                roles.push(role.name.clone());
            }
        }
    }

    fn peer(
        &self,
        conduit: &Conduit,
        id: IdentityId,
        identity: &Identity,
        roles: Vec<String>,
        source: SocketAddr,
    ) -> Peer {
        Peer {
            who: Who { identity: identity.name.clone(), roles },
            identity: id.0,
            source,
            listener: self.site.listeners[conduit.listener.index()].name.clone(),
            key_hash: None,
            names: Vec::new(),
            not_after: None,
            shown: Arc::default(),
        }
    }
}

impl Refusal {
    fn doubt(doubt: &Doubt) -> Self {
        Self { cause: doubt.cause(), reason: None, note: doubt.to_string() }
    }

    fn unknown(note: String) -> Self {
        Self { cause: Cause::IdentityUnknown, reason: Some(Reason::IdentityUnknown), note }
    }
}
