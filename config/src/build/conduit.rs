//! What does each conduit run from?

use std::{sync::Arc, time::Duration};

use sluicegate_proto::{
    keys::KeyPlace,
    policy::{self, BudgetPlan, Plan},
    protocol::Protocol,
    vocab::Class,
};

use super::{
    Ground, LISTENER, limits,
    rules::{self, Placed, Tongue},
    upstream,
};
use crate::{
    fault::{At, Fault, Faults, nearest},
    finding::codes,
    plan::{Conduit, ListenerId, Match, Site, Transport, Zone},
    read::{
        check, scalar,
        tree::{Entry, Table, Text},
    },
};

/// Every conduit that fits, with the places of its rules; what does not fit is told.
pub(super) fn conduits(
    ground: &Ground<'_>,
    site: &Site,
    budgets: &[BudgetPlan],
    faults: &mut Faults,
) -> Vec<(Conduit, Vec<At>)> {
    let named = ground.root.named("conduits");
    let used: Vec<&str> =
        named.iter().flat_map(|(_, _, table)| table.texts("policies")).map(|(name, _)| name).collect();
    for (name, at, _) in ground.root.named("policies").into_iter().filter(|(name, ..)| !used.contains(name)) {
        rules::unused_policy(ground, name, at, faults);
    }
    let mut build = |(name, at, table)| conduit(&Work { ground, site, budgets }, (name, at), table, faults);
    named.into_iter().filter_map(&mut build).collect()
}

struct Work<'w, 'm> {
    ground: &'w Ground<'m>,
    site: &'w Site,
    budgets: &'w [BudgetPlan],
}

fn conduit(
    work: &Work<'_, '_>,
    (name, at): Text<'_>,
    table: &Table,
    faults: &mut Faults,
) -> Option<(Conduit, Vec<At>)> {
    let (ground, site) = (work.ground, work.site);
    let (from, to) = (ground.zone(table, "from", faults), ground.zone(table, "to", faults));
    let listener = table.text("listener").and_then(|text| ground.find(LISTENER, text, faults)).map(ListenerId);
    let start = table.text("from").and_then(|_| site.zones.get(from.index()));
    if let Some(listener) = listener {
        meets(site, listener, (table, start), faults);
    }
    if let (Some(zone), Some((_, place))) = (start.filter(|zone| zone.untrusted), table.text("from")) {
        let message = format!("conduit `{name}` starts in the untrusted zone `{}`", zone.name);
        let fault = Fault::new(codes::UNTRUSTED, place, message, "needs grants, which this version does not serve yet");
        faults.add(fault.help("start it in a zone that is not untrusted".to_owned()));
    }
    let upstream = upstream::upstreams(ground, site, table, faults);
    let layers = limits::Layers::of(ground, table);
    let timeouts = layers.timeouts(faults);
    let idle = table.text("upstream_idle").and_then(|text| limits::positive(text, faults));
    let sni = table.text("sni").map(|text| server_name(text, faults));
    let planned = plan(work, (name, at), table, faults)?;
    if let Some(zone) = table.text("to").and_then(|_| site.zones.get(to.index())) {
        safety(zone, &planned.rules, faults);
    }
    let places = planned.rules.iter().map(|one| one.at.clone()).collect();
    let roles_by_certificate = by_certificate(site, &planned.rules);
    let small = |key: &str| table.int(key).and_then(|int| u16::try_from(int).ok()).unwrap_or(1);
    own_table(&planned, table, small("upstream_pending"), faults);
    let (plan, policy) = planned.compile(faults)?;
    let conduit = Conduit {
        name: name.to_owned(),
        from,
        to,
        listener: listener?,
        sni,
        upstream,
        protocol: plan.protocol,
        settings: plan.settings.clone(),
        shared: upstream::shared(table, plan.protocol, faults),
        plan,
        policy: Arc::new(policy),
        mode: layers.mode(),
        on_deny: layers.on_deny(),
        roles_by_certificate,
        timeouts,
        max_sessions: layers.max_sessions(),
        pending: layers.pending(),
        essential: table.flag("essential"),
        upstream_connections: small("upstream_connections"),
        upstream_idle: idle.unwrap_or(Duration::from_secs(60)),
        upstream_pending: small("upstream_pending"),
        upstream_pipeline: table.flag("upstream_pipeline"),
        limits: limits::limits(table, start),
        faults: limits::faults(table),
    };
    Some((conduit, places))
}

/// What does not go together in the protocol's own table, by the protocol's own word.
fn own_table(planned: &Planned, table: &Table, pending: u16, faults: &mut Faults) {
    let own = table.table(planned.protocol.as_str());
    for one in planned.protocol.check(&planned.plan, pending) {
        let (at, label) = match one.place {
            KeyPlace::Key(key) => {
                (own.and_then(|own| own.get(key)).map(|entry| &entry.at), "with the rest of the conduit")
            }
            KeyPlace::Rule(place) => (planned.rules.get(place).map(|rule| &rule.at), "this rule"),
        };
        let code = if one.is_warning { codes::KEY_IDLE } else { codes::KEYS_CLASH };
        faults.add(Fault::new(code, at.unwrap_or(&planned.at), one.message, label).help(one.help));
    }
}

/// Whether some rule is for a role that no identity has: only a certificate can confer it.
fn by_certificate(site: &Site, rules: &[Placed]) -> bool {
    let conferred = |who: &str| {
        let role = site.roles.iter().find(|role| role.name == who && role.modbus_role.is_some());
        role.is_some() && !site.identities.iter().any(|one| one.roles.iter().any(|role| role == who))
    };
    rules.iter().filter(|one| one.rule.allow).any(|one| one.rule.sentence.who.as_deref().is_some_and(conferred))
}

fn server_name((text, at): Text<'_>, faults: &mut Faults) -> String {
    if !scalar::dns_name(text) {
        let fault = Fault::new(codes::SNI, at, format!("`{text}` is not a server name"), "not a DNS name");
        faults.add(fault.help("write a DNS name, such as pump-control".to_owned()));
    }
    text.to_ascii_lowercase()
}

/// The conduit starts where its listener stands, and its peers can be recognised there.
fn meets(site: &Site, id: ListenerId, (table, start): (&Table, Option<&Zone>), faults: &mut Faults) {
    let Some(listener) = site.listeners.get(id.index()) else { return };
    let Some(faced) = site.zones.get(listener.zone.index()) else { return };
    if let (Some(zone), Some((_, at))) = (start.filter(|zone| zone.name != faced.name), table.text("from")) {
        let message = format!("this conduit starts in `{}`, its listener faces `{}`", zone.name, faced.name);
        let label = format!("not the zone of listener `{}`", listener.name);
        let help = format!("write from = \"{}\", or name a listener that faces `{}`", faced.name, zone.name);
        faults.add(Fault::new(codes::OTHER_ZONE, at, message, label).help(help));
    }
}

struct Planned {
    protocol: Protocol,
    plan: Plan,
    rules: Vec<Placed>,
    at: At,
    whole: bool,
}

fn plan(work: &Work<'_, '_>, (name, at): Text<'_>, table: &Table, faults: &mut Faults) -> Option<Planned> {
    let ground = work.ground;
    let tongue = Tongue::of(table)?;
    let protocol = tongue.protocol;
    for other in Protocol::ALL.iter().filter(|one| **one != protocol) {
        if let Some(entry) = table.get(other.as_str()) {
            let message = format!("conduit `{name}` speaks {protocol}, not {other}");
            let fault = Fault::new(codes::OTHER_PROTOCOL, &entry.at, message, "does nothing");
            faults.add(fault.help(format!("take the table out, or write protocol = \"{other}\"")));
        }
    }
    let own = table.table(protocol.as_str());
    let required = protocol.keys().iter().any(|key| key.required);
    // A table that is there under a wrong name is told there.
    let meant = |one: &Entry| one.node.table().is_some() && nearest(&one.key, [protocol.as_str()]).is_some();
    if own.is_none() && required && !table.entries.iter().any(meant) {
        let fault = Fault::new(
            codes::MISSING,
            at,
            format!("[conduits.{name}.{protocol}] is missing"),
            "required for this conduit",
        );
        let keys: Vec<_> = protocol.keys().iter().filter(|key| key.required).map(|key| key.key).collect();
        faults.add(fault.help(format!("it must say at least: {}", keys.join(", "))));
    }
    let before = faults.refusals();
    let rules = rules::rules(ground, table, tongue, faults);
    let plan = Plan {
        protocol,
        settings: check::settings(protocol.keys(), own),
        rules: rules.iter().map(|one| one.rule.clone()).collect(),
        identities: work.site.identities.iter().map(|one| one.name.clone()).collect(),
        schedules: work.site.schedules.iter().map(|one| one.name.clone()).collect(),
        budgets: work.budgets.to_vec(),
    };
    let whole = own.is_some() && faults.refusals() == before;
    Some(Planned { protocol, plan, rules, at: at.clone(), whole })
}

impl Planned {
    /// A plan whose sentences are not all readable is not compiled: its faults would be echoes.
    fn compile(self, faults: &mut Faults) -> Option<(Plan, policy::PolicySet)> {
        if !self.whole {
            return None;
        }
        match policy::compile(&self.plan) {
            Ok(policy) => Some((self.plan, policy)),
            Err(wrong) => {
                for one in wrong {
                    let at = self.rules.get(one.rule).map_or(&self.at, |placed| &placed.at);
                    let label = format!("this {} rule", self.protocol);
                    faults.add(Fault::new(codes::RULE, at, one.message, label).help(one.help));
                }
                None
            }
        }
    }
}

/// Nothing is written into a safety zone.
fn safety(zone: &Zone, rules: &[Placed], faults: &mut Faults) {
    if !zone.safety {
        return;
    }
    for placed in rules.iter().filter(|one| one.rule.allow) {
        let class = placed.rule.sentence.class;
        if matches!(class, Class::Write | Class::Control | Class::Program) {
            let message = format!("a {class} rule into the safety zone `{}`", zone.name);
            let fault = Fault::new(codes::SAFETY, &placed.at, message, "only reads may go there");
            faults.add(fault.help("take the rule out; a safety system is written from inside".to_owned()));
        }
    }
}

/// Whether a peer of this listener can be this identity.
pub(crate) fn can_come(transport: &Transport, identity: &crate::plan::Identity) -> bool {
    match transport {
        Transport::Tcp => matches!(identity.matches, Match::Source(_)),
        Transport::Tls { authorities, .. } => identity.authority.is_some_and(|one| authorities.contains(&one)),
    }
}
