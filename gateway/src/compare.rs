//! What would change for whom, if one configuration took the place of another?
//!
//! ```text
//! settings   what is no deed: modes, upstreams, limits, keys of the protocol, schedules, budgets
//! peers      who meets which rules: every identity that can come, with the roles that its certificate may add
//! here       for each conduit and peer the exact difference (config's `difference`), told once for all who share it
//! ```

use std::collections::BTreeMap;

use sluicegate_config::{
    difference::{Allowance, Change, Said, Side, TooComplex, between},
    plan::{Conduit, Site},
};
use sluicegate_proto::{
    policy::{Plan, Who},
    protocol::Protocol,
    sentence::{Addressing, Sentence},
};

use crate::explain::addressing;

mod peers;
mod settings;

pub use self::peers::{Peer, peers};

/// All that changes.
#[derive(Debug)]
pub struct Comparison {
    /// What is no deed and of no conduit.
    pub settings: Vec<String>,
    /// The conduits of either configuration at which something changes.
    pub conduits: Vec<Compared>,
}

/// What changes on one conduit.
#[derive(Debug)]
pub struct Compared {
    /// Its name.
    pub conduit: String,
    /// Its protocol, after the change; before it, where it is gone.
    pub protocol: Protocol,
    /// How its sentences number their points.
    pub addressing: Addressing,
    /// What is no deed.
    pub settings: Vec<String>,
    /// For whom what changes.
    pub peers: Vec<ForPeers>,
}

/// What changes for peers who meet the same rules.
#[derive(Debug)]
pub struct ForPeers {
    /// Their names.
    pub peers: Vec<String>,
    /// The word for all of them in a sentence; where there is none, they stand alone.
    pub who: String,
    /// What changes, or why that cannot be told.
    pub changes: Result<Vec<Change>, TooComplex>,
}

impl Comparison {
    /// Whether anything changes.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.conduits.is_empty()
    }

    /// Why the whole cannot be told.
    pub fn faults(&self) -> impl Iterator<Item = (&Compared, &ForPeers, &TooComplex)> {
        let peers = self.conduits.iter().flat_map(|one| one.peers.iter().map(move |peer| (one, peer)));
        peers.filter_map(|(one, peer)| Some((one, peer, peer.changes.as_ref().err()?)))
    }
}

impl Compared {
    /// A sentence as the operator of this conduit writes it.
    pub fn show(&self, said: &Said, who: &str) -> String {
        let sentence = Sentence { who: Some(who.to_owned()), ..said.sentence.clone() };
        sentence.print_in(self.protocol.grammar(), self.addressing)
    }
}

/// Compares two configurations.
pub fn compare(before: &Site, now: &Site) -> Comparison {
    let mut names: Vec<&str> = before.conduits.iter().map(|one| one.name.as_str()).collect();
    names.extend(now.conduits.iter().map(|one| one.name.as_str()).filter(|name| find(before, name).is_none()));
    let calendars = [before, now].map(settings::calendar);
    let compared = names.into_iter().filter_map(|name| {
        let one = on_conduit([before, now], name, &calendars)?;
        (!one.settings.is_empty() || !one.peers.is_empty()).then_some(one)
    });
    Comparison { settings: settings::of_site(before, now, &calendars), conduits: compared.collect() }
}

fn find<'s>(site: &'s Site, name: &str) -> Option<&'s Conduit> {
    site.conduits.iter().find(|one| one.name == name)
}

fn on_conduit(sites: [&Site; 2], name: &str, calendars: &[BTreeMap<String, String>; 2]) -> Option<Compared> {
    let conduits = sites.map(|site| find(site, name));
    let shown = conduits[1].or(conduits[0])?;
    let all = peers::both(sites, conduits);
    let mut groups: BTreeMap<String, Vec<&peers::Both>> = BTreeMap::new();
    for one in &all {
        groups.entry(one.meets(conduits)).or_default().push(one);
    }
    let mut told = Vec::new();
    for group in groups.into_values() {
        let Some(first) = group.first() else { continue };
        let changes = changes(first, conduits, calendars);
        if changes.as_ref().is_ok_and(Vec::is_empty) {
            continue;
        }
        for (peers, who) in peers::named(&group, &all, sites) {
            told.push(ForPeers { peers, who, changes: changes.clone() });
        }
    }
    told.sort_by(|a, b| a.peers.cmp(&b.peers));
    Some(Compared {
        conduit: name.to_owned(),
        protocol: shown.protocol,
        addressing: addressing(shown),
        settings: settings::of_conduit(sites, conduits),
        peers: told,
    })
}

fn changes(
    peer: &peers::Both,
    conduits: [Option<&Conduit>; 2],
    calendars: &[BTreeMap<String, String>; 2],
) -> Result<Vec<Change>, TooComplex> {
    let side = |side: usize| -> Option<Side<'_>> {
        let plan: &Plan = &conduits[side]?.plan;
        let who: &Who = peer.who[side].as_ref()?;
        Some(Side { plan, who, calendar: &calendars[side] })
    };
    let [before, now] = [side(0), side(1)];
    let mut allowance = Allowance::default();
    match conduits {
        [Some(one), Some(other)] if one.protocol != other.protocol => {
            let mut all = between(one.protocol.grammar(), before, None, &mut allowance)?;
            all.extend(between(other.protocol.grammar(), None, now, &mut allowance)?);
            Ok(all)
        }
        [Some(one), _] | [None, Some(one)] => between(one.protocol.grammar(), before, now, &mut allowance),
        [None, None] => Ok(Vec::new()),
    }
}
