//! What is served, and probably not what was meant?
//!
//! Looked at only when nothing is refused: every name is resolved then.

use sluicegate_proto::protocol::Protocol;

use crate::{
    build::{Built, Ground, can_come, within},
    fault::{At, Fault, Faults},
    finding::codes,
    plan::{Identity, Match, Site, Transport},
    read::tree::Table,
};

mod rules;
mod shadow;

/// All warnings about a site, and what only the whole of it can show to be wrong.
pub(crate) fn lint(ground: &Ground<'_>, built: &Built, faults: &mut Faults) {
    let site = &built.site;
    authorities(ground, site, faults);
    identities(ground, site, faults);
    listeners(ground, site, faults);
    let tables = ground.root.named("conduits");
    for ((conduit, places), (_, at, table)) in site.conduits.iter().zip(&built.places).zip(tables) {
        let case = rules::Case { site, conduit, places, at };
        rules::lint(&case, faults);
        units(conduit.protocol, table, faults);
        if let (true, Some(entry)) = (conduit.upstream_pending > 1, table.get("upstream_pending")) {
            let message = "several requests are outstanding on one device connection";
            let fault = Fault::new(codes::MANY_PENDING, &entry.at, message, "only where the device takes it");
            faults.add(fault.help("1 is right unless the device's manual says otherwise".to_owned()));
        }
    }
    series(ground, site, faults);
}

/// Units that the protocol's standard keeps for itself.
fn units(protocol: Protocol, conduit: &Table, faults: &mut Faults) {
    let grammar = protocol.grammar();
    let Some((first, last, says, help)) = grammar.reserved_units else { return };
    let entry = conduit.table(protocol.as_str()).and_then(|table| table.get(grammar.units_key));
    for node in entry.map_or(&[][..], |entry| entry.node.list()) {
        if let crate::read::tree::Value::Int(unit) = node.value
            && (i64::from(first)..=i64::from(last)).contains(&unit)
        {
            let message = format!("{} {unit} is reserved", grammar.unit_word);
            let fault = Fault::new(codes::ODD_UNIT, &node.at, message, says);
            faults.add(fault.help(help.to_owned()));
        }
    }
}

fn authorities(ground: &Ground<'_>, site: &Site, faults: &mut Faults) {
    for (authority, (name, at, _)) in site.authorities.iter().zip(ground.root.named("authorities")) {
        if authority.names.is_empty() {
            let fault =
                Fault::new(codes::NO_NAMES, at, format!("authority `{name}` may vouch for anything"), "no `names`");
            faults.add(fault.help("write names = [\"spiffe://plant/*\", \"dns:*.plant\"]".to_owned()));
        }
    }
}

/// An identity of a zone that has listeners must be able to come through one of them.
fn identities(ground: &Ground<'_>, site: &Site, faults: &mut Faults) {
    for (identity, (name, at, table)) in site.identities.iter().zip(ground.root.named("identities")) {
        let at = table.get("match").map_or(at, |entry| &entry.at);
        vouched_for(ground, site, (name, at, identity), faults);
        let facing: Vec<_> = site.listeners.iter().filter(|one| one.zone == identity.zone).collect();
        if !facing.is_empty() && !facing.iter().any(|one| can_come(&one.transport, identity)) {
            let plain = facing.iter().all(|one| matches!(one.transport, Transport::Tcp));
            faults.add(unrecognised(name, at, identity, plain));
        }
        if let Match::Source(network) = &identity.matches {
            let zone = &site.zones[identity.zone.index()];
            if !within(network, &zone.networks) {
                let message = format!("the source of `{name}` is outside the networks of zone `{}`", zone.name);
                let fault = Fault::new(codes::SOURCE_OUTSIDE, at, message, "refused before it is recognised");
                faults.add(fault.help("add its network to the zone's `networks`, or correct the source".to_owned()));
            }
        }
    }
}

/// A peer whose name its authority may not vouch for is refused, whatever it shows.
fn vouched_for(ground: &Ground<'_>, site: &Site, (name, at, identity): (&str, &At, &Identity), faults: &mut Faults) {
    let Some(id) = identity.authority else { return };
    let Some(authority) = site.authorities.get(id.index()).filter(|one| !one.may_vouch(&identity.matches)) else {
        return;
    };
    let authorities = ground.root.named("authorities");
    let names = authorities.get(id.index()).and_then(|(_, _, table)| table.get("names"));
    let message = format!("authority `{}` may not vouch for the name of `{name}`", authority.name);
    let fault = Fault::new(codes::NO_AUTHORITY, at, message, "could never be recognised");
    let fault = names.iter().fold(fault, |fault, names| fault.also(&names.at, "what it may vouch for"));
    let named = match &identity.matches {
        Match::Uri { text, prefix } => format!("{text}{}", if *prefix { "*" } else { "" }),
        Match::Dns(dns) => format!("dns:{dns}"),
        Match::Spki(_) | Match::Source(_) => return,
    };
    faults.add(fault.help(format!("add \"{named}\" to its `names`, or correct the name")));
}

/// `plain`: the zone's listeners see no certificates at all.
fn unrecognised(name: &str, at: &At, identity: &Identity, plain: bool) -> Fault {
    if matches!(identity.matches, Match::Source(_)) {
        let message = format!("`{name}` is known by its address, and its zone has only tls listeners");
        return Fault::new(codes::PLAIN_MATCH, at, message, "counts on tcp listeners only")
            .help("match its certificate: uri, dns or spki".to_owned());
    }
    if plain {
        let message = format!("`{name}` is known by its certificate, and its zone has only tcp listeners");
        return Fault::new(codes::PLAIN_MATCH, at, message, "nobody shows a certificate there")
            .help("use transport = \"tls\", or know it by its address: match = { source = \"10.30.0.5\" }".to_owned());
    }
    let message = format!("no listener of its zone accepts the authority of `{name}`");
    Fault::new(codes::NO_AUTHORITY, at, message, "could never be recognised")
        .help("add its authority to the listener's `authorities`".to_owned())
}

fn listeners(ground: &Ground<'_>, site: &Site, faults: &mut Faults) {
    for (listener, (_, _, table)) in site.listeners.iter().zip(ground.root.named("listeners")) {
        let old = matches!(listener.transport, Transport::Tls { tls12: true, .. });
        if let (true, Some(entry)) = (old, table.get("tls_min")) {
            let fault = Fault::new(codes::OLD_TLS, &entry.at, "TLS 1.2 is accepted", "certificates cross in the clear");
            faults.add(fault.help("use \"1.3\" unless an old MBAPS client needs it".to_owned()));
        }
    }
}

fn series(ground: &Ground<'_>, site: &Site, faults: &mut Faults) {
    let count = crate::series(site);
    if site.metrics.is_some() && count > site.max_series {
        let written = ground.root.table("metrics").and_then(|metrics| metrics.get("max_series"));
        let at = written.or_else(|| ground.root.get("metrics")).map(|entry| entry.at.clone()).unwrap_or_default();
        let message = format!("{count} metric series, more than max_series = {}", site.max_series);
        let fault = Fault::new(codes::SERIES, &at, message, "the bound");
        faults.add(fault.help(format!("raise it to {count}, or write fewer rules")));
    }
}
