//! Who can meet the rules of a conduit, before a change and after it?

use std::collections::{BTreeMap, BTreeSet};

use sluicegate_config::plan::{Conduit, Identity, Site};
use sluicegate_proto::policy::Who;

use crate::explain::may_enter;

/// One identity, with the role that its certificate may confer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// The identity.
    pub identity: String,
    /// The value of its certificate's role extension.
    pub certificate_role: Option<String>,
}

/// A peer on both sides of a change; `None`: it cannot come.
#[derive(Debug)]
pub(super) struct Both {
    pub(super) peer: Peer,
    pub(super) who: [Option<Who>; 2],
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.certificate_role {
            None => f.write_str(&self.identity),
            Some(role) => write!(f, "{} with the certificate role {role}", self.identity),
        }
    }
}

/// Every peer that can have a session on a conduit. A certificate's role counts only where the conduit's rules speak of a role
/// that no identity of its own needs it for.
pub fn peers(site: &Site, conduit: &Conduit) -> Vec<(Peer, Who)> {
    let mut all = Vec::new();
    let extensions: BTreeSet<&String> = site
        .roles
        .iter()
        .filter(|role| conduit.plan.rules.iter().any(|rule| rule.sentence.who.as_ref() == Some(&role.name)))
        .filter_map(|role| role.modbus_role.as_ref())
        .collect();
    for identity in site.identities.iter().filter(|one| may_enter(site, conduit, one).is_ok()) {
        let who = |roles| Who { identity: identity.name.clone(), roles };
        all.push((named_alone(identity), who(identity.roles.clone())));
        for extension in extensions.iter().filter(|_| identity.authority.is_some()) {
            let conferred = site.roles.iter().filter(|role| role.modbus_role.as_ref() == Some(extension));
            let mut roles = identity.roles.clone();
            roles.extend(conferred.map(|role| role.name.clone()).filter(|role| !identity.roles.contains(role)));
            if roles.len() > identity.roles.len() {
                let peer = Peer { certificate_role: Some((*extension).clone()), ..named_alone(identity) };
                all.push((peer, who(roles)));
            }
        }
    }
    all
}

fn named_alone(identity: &Identity) -> Peer {
    Peer { identity: identity.name.clone(), certificate_role: None }
}

/// The peers of both sides of a change. One that its certificate gives a role on one side only is without it on the other.
pub(super) fn both(sites: [&Site; 2], conduits: [Option<&Conduit>; 2]) -> Vec<Both> {
    let sides: [BTreeMap<Peer, Who>; 2] = [0, 1].map(|side| {
        conduits[side].map(|conduit| peers(sites[side], conduit).into_iter().collect()).unwrap_or_default()
    });
    let all: BTreeSet<&Peer> = sides.iter().flat_map(BTreeMap::keys).collect();
    let who = |peer: &Peer, side: usize| {
        let alone = Peer { certificate_role: None, ..peer.clone() };
        sides[side].get(peer).or_else(|| sides[side].get(&alone)).cloned()
    };
    all.into_iter().map(|peer| Both { peer: peer.clone(), who: [who(peer, 0), who(peer, 1)] }).collect()
}

impl Both {
    /// Which rules it meets on either side: the same for two peers whom the same changes.
    pub(super) fn meets(&self, conduits: [Option<&Conduit>; 2]) -> String {
        let of = |side: usize| {
            let (conduit, who) = (conduits[side]?, self.who[side].as_ref()?);
            let meets = |word: &str| word == "any" || word == who.identity || who.roles.iter().any(|role| role == word);
            let rules = conduit.plan.rules.iter().enumerate();
            let met = rules.filter(|(_, rule)| rule.sentence.who.as_deref().is_some_and(meets));
            Some(met.map(|(place, _)| place).collect::<Vec<_>>())
        };
        format!("{:?}", [of(0), of(1)])
    }
}

/// Peers whom the same changes, under one word where there is one: their own name, a role that they and nobody else have,
/// or `any` where it is all. Else each by itself.
pub(super) fn named(group: &[&Both], all: &[Both], sites: [&Site; 2]) -> Vec<(Vec<String>, String)> {
    let names: Vec<String> = group.iter().map(|one| one.peer.to_string()).collect();
    let alone = |one: &&Both| (vec![one.peer.to_string()], one.peer.identity.clone());
    if let [one] = group {
        return vec![alone(one)];
    }
    if group.len() == all.len() {
        return vec![(names, "any".to_owned())];
    }
    let has = |one: &Both, role: &str| one.who.iter().flatten().all(|who| who.roles.iter().any(|name| name == role));
    let inside = |one: &Both| group.iter().any(|other| other.peer == one.peer);
    let roles = sites[1].roles.iter().chain(&sites[0].roles);
    let role = roles.map(|role| &role.name).find(|role| all.iter().all(|one| has(one, role) == inside(one)));
    match role {
        Some(role) => vec![(names, role.clone())],
        None => group.iter().map(alone).collect(),
    }
}
