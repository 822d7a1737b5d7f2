//! What does a live conduit do when the configuration under it changes?
//!
//! ```text
//! follow    the same conduit, another policy, other limits, deadlines, modes: sessions and device connections live on
//! outgrown  whether it is the same conduit, as far as what lives is made of it
//! retire    it is not, or it is gone: every session ends, every device connection closes
//! bequeath  what its successor of the same name goes on with: spent budgets and limits
//! ```

use std::{collections::BTreeMap, sync::Arc};

use sluicegate_config::plan::{self, Conduit, ConduitId, Site, Upstream};
use sluicegate_proto::{
    policy::{Budgets, PolicySet, View, Who},
    time::Now,
    vocab::{Cause, Mode},
};

use super::{Engine, SessionKey, Wake, answer, core::Core, limits::Limits};
use crate::{observe::metrics::ConduitMetrics, permit::Peer};

/// The configuration that comes into force.
pub struct Next {
    /// The whole site...
    pub site: Arc<Site>,
    /// ...and which conduit of it.
    pub conduit: ConduitId,
    /// Its number.
    pub epoch: u64,
    /// Resolved handles.
    pub metrics: Arc<ConduitMetrics>,
    /// The live sessions' peers as this configuration has them.
    pub peers: BTreeMap<SessionKey, Arc<Peer>>,
}

/// What outlives an engine: what was spent under its conduit's name.
pub struct Estate {
    budgets: Budgets,
    limits: Limits,
    site: Arc<Site>,
}

/// Why what lives on a conduit of one site cannot live on as the same conduit of another: the key that says how
/// connections are made. Rules, limits, modes, schedules and what is asked anew each time are none of it.
pub fn outgrown(before: (&Site, &Conduit), after: (&Site, &Conduit)) -> Option<&'static str> {
    let (old, new) = (before.1, after.1);
    let changed = [
        ("protocol", old.protocol != new.protocol),
        ("upstream", ways_there(before) != ways_there(after)),
        ("upstream_mode", old.shared != new.shared),
        ("upstream_connections", old.upstream_connections != new.upstream_connections),
        ("upstream_pending", old.upstream_pending != new.upstream_pending),
        ("pending", old.pending != new.pending),
        ("frame_timeout", old.timeouts.frame != new.timeouts.frame),
        ("request_timeout", old.timeouts.request != new.timeouts.request),
        ("idle_timeout", old.timeouts.idle != new.timeouts.idle),
    ];
    let key = changed.into_iter().find_map(|(key, changed)| changed.then_some(key));
    key.or_else(|| (!old.protocol.same_ways(&old.settings, &new.settings)).then(|| new.protocol.as_str()))
}

/// The upstreams by names: places in one site are not those of another.
fn ways_there<'a>((site, conduit): (&'a Site, &'a Conduit)) -> Vec<Vec<&'a str>> {
    let way = |upstream: &'a Upstream| match upstream {
        Upstream::Tcp(address) => vec![address.as_str()],
        Upstream::Tls { address, certificate, authorities, peer } => {
            let authorities = authorities.iter().map(|id| site.authorities[id.index()].name.as_str());
            let (ours, theirs) = (&site.certificates[certificate.index()], &site.identities[peer.index()]);
            [address, "tls", &ours.name, &theirs.name].into_iter().chain(authorities).collect()
        }
    };
    conduit.upstream.iter().map(way).collect()
}

impl Engine {
    /// Numbers sessions from `high` on, so that no two conduits of the process's life share a number.
    pub fn number_from(&mut self, high: u32) {
        self.core.number = high;
    }

    /// A later configuration of the same conduit is in force. Every later verdict, limit and deadline is by it, queued
    /// messages included: they are judged again in their turn.
    pub fn follow(&mut self, next: Next, now: Now) {
        self.at(now);
        let conduit = &next.site.conduits[next.conduit.index()];
        let places = places(&self.core.place.site, &next.site);
        self.core.limits.follow(conduit.limits, &places);
        let (policy, enforces) = (Arc::clone(&conduit.policy), conduit.mode == Mode::Enforce);
        self.core.metrics = next.metrics;
        self.core.place.site = next.site;
        self.core.place.conduit = next.conduit;
        for (key, peer) in next.peers {
            if let Some(session) = self.core.sessions.get_mut(&key) {
                session.permit.is_now(peer);
            }
        }
        for job in self.core.sessions.values_mut().flat_map(|session| &mut session.queue) {
            // Rules are named by their places in the policy that is gone, and what monitor mode would have said is no
            // longer asked. Its turn judges it again.
            job.charges.rules = Default::default();
            job.would_deny = job.would_deny.take().filter(|denied| !enforces && denied.rule.is_none());
        }
        self.set_policy(policy, next.epoch, now);
        // Deadlines may have moved forward.
        self.sessions().into_iter().for_each(|key| self.core.arm(key));
        for key in self.links() {
            if let Some(link) = self.links.get_mut(&key) {
                self.core.arm_link(key, link);
            }
        }
    }

    /// The conduit is no longer there, or no longer this one: every session ends with `cause`, every device connection
    /// closes. No new session is taken.
    pub fn retire(&mut self, cause: Cause, now: Now) {
        self.at(now);
        self.core.draining = true;
        for key in self.sessions() {
            self.core.end(key, cause, now);
        }
        for key in self.links() {
            if let Some(link) = self.links.get_mut(&key) {
                answer::retire(&mut self.core, link, now);
                self.core.wake(Wake::Link(key));
            }
        }
        self.core.metrics.upstream_up(false);
        self.core.metrics.units_silent(0);
        self.advance(now);
    }

    /// What a successor goes on with. This engine is of no use afterwards but to say goodbye.
    pub fn bequeath(&mut self) -> Estate {
        let policy = Arc::clone(&self.core.policy);
        let limits = Limits::new(self.conduit().limits, self.core.place.site.identities.len());
        Estate {
            budgets: std::mem::replace(&mut self.core.budgets, Budgets::new(&policy)),
            limits: std::mem::replace(&mut self.core.limits, limits),
            site: Arc::clone(&self.core.place.site),
        }
    }

    /// Goes on with what was spent under the conduit's name before.
    pub fn inherit(&mut self, mut estate: Estate, now: Now) {
        let places = places(&estate.site, &self.core.place.site);
        estate.limits.follow(self.conduit().limits, &places);
        estate.budgets.follow(&self.core.policy, now.mono);
        self.core.limits = estate.limits;
        self.core.budgets = estate.budgets;
        self.at(now);
    }
}

impl Core {
    /// Every later verdict is by this policy; what is known and spent follows it.
    pub(super) fn set_policy(&mut self, policy: Arc<PolicySet>, epoch: u64, now: Now) {
        self.held.follow(&policy);
        self.budgets.follow(&policy, now.mono);
        // Sessions of one identity share a view. How far back is looked keeps many identities cheap, too.
        const NEAR: usize = 16;
        let mut views: Vec<(Who, Arc<View>)> = Vec::new();
        for session in self.sessions.values_mut() {
            let who = &session.permit.peer().who;
            let known = views.iter().rev().take(NEAR).find(|(one, _)| one == who).map(|(_, view)| Arc::clone(view));
            let view = known.unwrap_or_else(|| {
                let made = policy.view(who);
                views.push((who.clone(), Arc::clone(&made)));
                made
            });
            session.permit.see(view, epoch);
        }
        self.policy = policy;
        self.epoch = epoch;
    }
}

/// For each identity of `new` its place in `old`.
fn places(old: &Site, new: &Site) -> Vec<Option<usize>> {
    let known: BTreeMap<&str, usize> = old.identities.iter().map(|one| one.name.as_str()).zip(0..).collect();
    let place = |one: &plan::Identity| known.get(one.name.as_str()).copied();
    new.identities.iter().map(place).collect()
}
