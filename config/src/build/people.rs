//! Who may come, and how is each recognised?

use super::{AUTHORITY, Ground, ROLE, trust};
use crate::{
    fault::{At, Fault, Faults},
    finding::codes,
    plan::{AuthorityId, Identity, Match, Network, Role, Zone},
    read::{
        scalar,
        tree::{Entry, Table, Text},
    },
};

pub(super) fn roles(ground: &Ground<'_>, faults: &mut Faults) -> Vec<Role> {
    let mut role = |(name, _, table): (&str, &At, &Table)| Role {
        name: name.to_owned(),
        modbus_role: table.text("modbus_role").map(|text| modbus_role(text, faults)),
    };
    ground.root.named("roles").into_iter().map(&mut role).collect()
}

/// An empty role confers nothing (Modbus/TCP Security): written here it could only be a slip.
fn modbus_role((text, at): Text<'_>, faults: &mut Faults) -> String {
    if text.is_empty() {
        let fault = Fault::new(codes::OUT_OF_BOUNDS, at, "`modbus_role` is empty", "an empty role confers nothing");
        faults.add(fault.help("write the role as it stands in the certificates, or leave the key out".to_owned()));
    }
    text.to_owned()
}

pub(super) fn identities(ground: &Ground<'_>, zones: &[Zone], faults: &mut Faults) -> Vec<Identity> {
    let named = ground.root.named("identities");
    let mut list: Vec<Identity> = Vec::with_capacity(named.len());
    for (name, at, table) in &named {
        let one = identity(ground, zones, (name, at), table, faults);
        shared_name(ground, (name, at), faults);
        same_match(&list, &named, (&one, table), faults);
        list.push(one);
    }
    list
}

fn identity(ground: &Ground<'_>, zones: &[Zone], (name, at): Text<'_>, table: &Table, faults: &mut Faults) -> Identity {
    let zone = ground.zone(table, "zone", faults);
    let matches = matching(zones.get(zone.index()), at, table, faults);
    let authority = table.text("authority").and_then(|text| ground.find(AUTHORITY, text, faults)).map(AuthorityId);
    let source = matches!(matches, Match::Source(_));
    match table.get("authority") {
        None if !source => {
            let message = format!("identity `{name}` names no authority");
            let fault =
                Fault::new(codes::NO_AUTHORITY, at, message, "without it, any trusted CA could mint this identity");
            faults.add(fault.help(format!("write authority = \"{}\"", ground.some(AUTHORITY))));
        }
        Some(entry) if source => {
            let message = "an identity that is matched by its source has no authority";
            let fault = Fault::new(codes::NO_AUTHORITY, &entry.at, message, "nobody vouches for an address");
            faults.add(fault.help("leave `authority` out, or match its certificate: uri, dns or spki".to_owned()));
        }
        Some(_) | None => {}
    }
    let mut roles = Vec::new();
    for (role, at) in table.texts("roles") {
        ground.find(ROLE, (role, at), faults);
        if !roles.iter().any(|one| one == role) {
            roles.push(role.to_owned());
        }
    }
    Identity { name: name.to_owned(), zone, authority, matches, roles }
}

fn shared_name(ground: &Ground<'_>, (name, at): Text<'_>, faults: &mut Faults) {
    if let Some((_, role, _)) = ground.root.named("roles").into_iter().find(|(role, ..)| *role == name) {
        let message = format!("an identity and a role are both called `{name}`");
        let fault = Fault::new(codes::SHARED_NAME, at, message, "this identity").also(role, "this role");
        faults.add(fault.help("a rule for it could mean either: rename one".to_owned()));
    }
}

/// The most specific match wins, but two equal ones cannot be told apart.
fn same_match(
    before: &[Identity],
    named: &[(&str, &At, &Table)],
    (one, table): (&Identity, &Table),
    faults: &mut Faults,
) {
    let same = |other: &Identity| other.matches == one.matches && other.authority == one.authority;
    let Some(first) = before.iter().position(same) else { return };
    let place = |table: &Table| table.get("match").map(|entry| entry.at.clone());
    if let (Some(at), Some((name, _, other))) = (place(table), named.get(first))
        && let Some(first_at) = place(other)
    {
        let message = format!("identities `{name}` and `{}` are recognised by the same thing", one.name);
        let fault = Fault::new(codes::SAME_MATCH, &at, message, "matches the same peer");
        let help = "give each a match of its own, or one identity the roles of both";
        faults.add(fault.also(&first_at, "as this one").help(help.to_owned()));
    }
}

/// A stand-in for a match that cannot be read: it matches nobody, and the fault refuses the site anyway.
const NOBODY: Match = Match::Dns(String::new());

fn matching(zone: Option<&Zone>, at: &At, table: &Table, faults: &mut Faults) -> Match {
    let Some(entry) = table.get("match") else {
        let fault = Fault::new(codes::MISSING, at, "`match` is missing", "required here");
        faults.add(fault.help("write match = { uri = \"...\" }, or dns, spki, or source".to_owned()));
        return NOBODY;
    };
    let ways = entry.node.table().map_or(&[][..], |table| &table.entries);
    let known: Vec<&Entry> =
        ways.iter().filter(|way| ["uri", "dns", "spki", "source"].contains(&way.key.as_str())).collect();
    match known[..] {
        [way] => way.node.text().and_then(|text| one_way(&way.key, text, zone, faults)).unwrap_or(NOBODY),
        [] if entry.node.table().is_none() || !ways.is_empty() => NOBODY,
        _ => {
            let fault = Fault::new(
                codes::PATTERN,
                &entry.at,
                "`match` takes exactly one of uri, dns, spki, source",
                "this match",
            );
            faults.add(fault.help("write one of them, and no other".to_owned()));
            NOBODY
        }
    }
}

fn one_way(way: &str, text: Text<'_>, zone: Option<&Zone>, faults: &mut Faults) -> Option<Match> {
    match way {
        "uri" => uri(text, zone, faults),
        "dns" => dns(text, faults),
        "spki" => spki(text, faults),
        _ => source(text, faults),
    }
}

fn uri((text, at): Text<'_>, zone: Option<&Zone>, faults: &mut Faults) -> Option<Match> {
    let prefix = text.ends_with("/*");
    let plain = text.strip_suffix('*').unwrap_or(text);
    if !trust::uri(plain) || (plain.len() < text.len() && !prefix) {
        let fault = Fault::new(codes::PATTERN, at, format!("`{text}` is not a URI"), "not a URI SAN");
        faults.add(fault.help(
            "write the whole URI, such as spiffe://plant/scada-1; only a trailing /* may be left open".to_owned(),
        ));
        return None;
    }
    if let Some(zone) = zone.filter(|zone| prefix && zone.sl_target >= 3) {
        let message = format!("zone `{}` has SL-T {}: an identity there is one peer", zone.name, zone.sl_target);
        let fault = Fault::new(codes::WILDCARD, at, message, "this matches many");
        faults.add(fault.help("write one identity for each peer".to_owned()));
    }
    Some(Match::Uri { text: plain.to_owned(), prefix })
}

fn dns((text, at): Text<'_>, faults: &mut Faults) -> Option<Match> {
    if scalar::dns_name(text) {
        return Some(Match::Dns(text.to_ascii_lowercase()));
    }
    let fault = Fault::new(codes::PATTERN, at, format!("`{text}` is not a DNS name"), "not a DNS SAN");
    faults.add(fault.help("write the whole name; a wildcard is not an identity".to_owned()));
    None
}

fn spki((text, at): Text<'_>, faults: &mut Faults) -> Option<Match> {
    let key = text.strip_prefix("sha256:").and_then(bytes_of);
    if key.is_none() {
        let fault = Fault::new(codes::PATTERN, at, "`spki` takes sha256: and 64 hex digits", "not a key's hash");
        faults.add(fault.help("`sluicegate pki inspect FILE` prints it".to_owned()));
    }
    key.map(Match::Spki)
}

fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn source((text, at): Text<'_>, faults: &mut Faults) -> Option<Match> {
    match scalar::network(text) {
        Ok(network) => Some(Match::Source(network)),
        Err(fault) => {
            faults
                .add(Fault::new(codes::NETWORK, at, format!("`{text}` cannot be read"), fault.wrong).help(fault.help));
            None
        }
    }
}

/// Whether all of `inner` lies in one of `outer`; an empty list is anywhere.
pub(crate) fn within(inner: &Network, outer: &[Network]) -> bool {
    outer.is_empty() || outer.iter().any(|one| one.prefix <= inner.prefix && one.contains(inner.base))
}
