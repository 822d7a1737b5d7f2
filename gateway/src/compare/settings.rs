//! What changes that is no deed?

use std::{collections::BTreeMap, fmt::Debug};

use sluicegate_config::plan::{Conduit, Identity, Limits, Rate, Schedule, Site, Upstream, Window};

/// What each schedule says.
pub(super) fn calendar(site: &Site) -> BTreeMap<String, String> {
    site.schedules.iter().map(|one| (one.name.clone(), says(one, site))).collect()
}

fn says(schedule: &Schedule, site: &Site) -> String {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let window = |one: &Window| {
        let days: Vec<_> = (0..7).filter(|day| one.days >> day & 1 == 1).map(|day| DAYS[day]).collect();
        format!("{} {}-{}", days.join(","), time(one.from), time(one.to))
    };
    let mut text = schedule.windows.iter().map(window).collect::<Vec<_>>().join("; ");
    for day in &schedule.except {
        text += &format!(", not {day}");
    }
    let zone = site.timezone.iana_name().unwrap_or("its time zone");
    format!("{text} ({zone})")
}

/// Of the site: schedules, and how identities are recognised.
pub(super) fn of_site(before: &Site, now: &Site, calendars: &[BTreeMap<String, String>; 2]) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, was) in &calendars[0] {
        if let Some(is) = calendars[1].get(name).filter(|is| *is != was) {
            notes.push(format!("schedule {name}: {was} -> {is}"));
        }
    }
    for was in &before.identities {
        match now.identities.iter().find(|one| one.name == was.name) {
            None => notes.push(format!("identity {} is gone", was.name)),
            Some(is) => {
                let [one, other] = [(before, was), (now, is)].map(|(site, one)| recognised(site, one));
                changed(&mut notes, &format!("identity {} is recognised by", was.name), &one, &other);
            }
        }
    }
    let known = |name: &str| before.identities.iter().any(|one| one.name == name);
    let new = now.identities.iter().filter(|one| !known(&one.name));
    notes.extend(new.map(|one| format!("identity {} is new", one.name)));
    notes
}

fn recognised(site: &Site, identity: &Identity) -> String {
    let authority = identity.authority.and_then(|one| site.authorities.get(one.index())).map(|one| one.name.as_str());
    format!("{:?} of authority {}", identity.matches, authority.unwrap_or("-"))
}

/// Of one conduit. The units and functions that it serves are told as deeds.
pub(super) fn of_conduit(sites: [&Site; 2], conduits: [Option<&Conduit>; 2]) -> Vec<String> {
    let (was, is) = match conduits {
        [Some(was), Some(is)] => (was, is),
        [None, Some(_)] => return vec!["the conduit is new".to_owned()],
        [Some(_), None] => return vec!["the conduit is gone".to_owned()],
        [None, None] => return Vec::new(),
    };
    let mut notes = Vec::new();
    let zones = |site: &Site, one: &Conduit| {
        let name = |zone: sluicegate_config::plan::ZoneId| {
            site.zones.get(zone.index()).map_or("?", |one| &one.name).to_owned()
        };
        format!("{} to {}", name(one.from), name(one.to))
    };
    changed(&mut notes, "protocol", &was.protocol.to_string(), &is.protocol.to_string());
    changed(&mut notes, "mode", &was.mode.to_string(), &is.mode.to_string());
    changed(&mut notes, "on_deny", &was.on_deny.to_string(), &is.on_deny.to_string());
    changed(&mut notes, "zones", &zones(sites[0], was), &zones(sites[1], is));
    changed(&mut notes, "upstream", &upstreams(was), &upstreams(is));
    for ((name, was), (_, is)) in limits(&was.limits).into_iter().zip(limits(&is.limits)) {
        changed(&mut notes, &format!("limit {name}"), &was, &is);
    }
    let grammar = is.protocol.grammar();
    let keys = was.settings.0.keys().chain(is.settings.0.keys()).collect::<std::collections::BTreeSet<_>>();
    for key in keys.into_iter().filter(|key| **key != grammar.units_key && **key != "functions") {
        let shown = |one: &Conduit| one.settings.get(key).map_or("-".to_owned(), |value| format!("{value:?}"));
        changed(&mut notes, key, &shown(was), &shown(is));
    }
    notes
}

fn upstreams(conduit: &Conduit) -> String {
    let shown = |one: &Upstream| match one {
        Upstream::Tcp(address) => address.clone(),
        Upstream::Tls { address, .. } => format!("tls:{address}"),
    };
    conduit.upstream.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let rate = |one: Option<Rate>| {
        one.map_or("none".to_owned(), |rate| format!("{} in {:?}, burst {}", rate.count, rate.per, rate.burst))
    };
    let flood = if limits.sever_on_flood { "sever" } else { "slow" };
    vec![
        ("requests", rate(limits.requests)),
        ("peer_requests", rate(limits.peer_requests)),
        ("writes", rate(limits.writes)),
        ("control", rate(limits.control)),
        ("connections", rate(limits.connections)),
        ("bytes", rate(limits.bytes)),
        ("refusals", rate(limits.refusals)),
        ("targets", rate(limits.targets)),
        ("on_refusal_flood", flood.to_owned()),
    ]
}

fn changed<T: PartialEq + Debug + std::fmt::Display>(notes: &mut Vec<String>, what: &str, was: &T, is: &T) {
    if was != is {
        notes.push(format!("{what}: {was} -> {is}"));
    }
}
