//! Which zones, certificates and authorities are there?

use super::Ground;
use crate::{
    fault::{At, Fault, Faults},
    finding::{Place, codes},
    plan::{Authority, Certificate, KeySource, NamePattern, Network, Zone},
    read::{
        check, scalar,
        tree::{Table, Text},
    },
};

pub(super) fn zones(ground: &Ground<'_>) -> Vec<Zone> {
    let zone = |(name, _, table): (&str, &At, &Table)| Zone {
        name: name.to_owned(),
        level_tenths: table.get("level").and_then(|entry| check::tenths(&entry.node)),
        sl_target: table.int("sl_target").and_then(|level| u8::try_from(level).ok()).unwrap_or(0),
        networks: networks(table),
        safety: table.flag("safety"),
        untrusted: table.flag("untrusted"),
    };
    ground.root.named("zones").into_iter().map(zone).collect()
}

fn networks(table: &Table) -> Vec<Network> {
    table.texts("networks").into_iter().filter_map(|(text, _)| scalar::network(text).ok()).collect()
}

pub(super) fn certificates(ground: &Ground<'_>, faults: &mut Faults) -> Vec<Certificate> {
    let mut certificate = |(name, _, table): (&str, &At, &Table)| Certificate {
        name: name.to_owned(),
        cert: table.text("cert").map(|text| ground.path(text, faults)).unwrap_or_default(),
        cert_at: place(ground, table, "cert"),
        key: table.text("key").map_or_else(|| KeySource::File(Default::default()), |text| key(ground, text, faults)),
        key_at: place(ground, table, "key"),
    };
    ground.root.named("certificates").into_iter().map(&mut certificate).collect()
}

fn place(ground: &Ground<'_>, table: &Table, key: &str) -> Option<Place> {
    ground.sources.named(table.text(key)?.1)
}

fn key(ground: &Ground<'_>, (text, at): Text<'_>, faults: &mut Faults) -> KeySource {
    if let Some(name) = text.strip_prefix("credential:") {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            let fault =
                Fault::new(codes::BAD_NAME, at, format!("`{name}` cannot be a credential's name"), "not a file name");
            faults.add(fault.help("write credential: and the name of LoadCredential=".to_owned()));
        }
        return KeySource::Credential(name.to_owned());
    }
    if text.starts_with("pkcs11:") {
        // Told as not served; a token is no file.
        return KeySource::Credential(String::new());
    }
    let path = ground.path((text, at), faults);
    #[cfg(unix)]
    if let Ok(meta) = std::fs::metadata(&path) {
        use std::os::unix::fs::PermissionsExt;
        if meta.permissions().mode() & 0o007 != 0 {
            let message = format!("everybody on this machine can read the key {}", path.display());
            faults.add(
                Fault::new(codes::OPEN_KEY, at, message, "named here").help(format!("chmod o-rwx {}", path.display())),
            );
        }
    }
    KeySource::File(path)
}

pub(super) fn authorities(ground: &Ground<'_>, faults: &mut Faults) -> Vec<Authority> {
    let mut authority = |(name, _, table): (&str, &At, &Table)| Authority {
        name: name.to_owned(),
        roots: table.text("roots").map(|text| ground.path(text, faults)).unwrap_or_default(),
        roots_at: place(ground, table, "roots"),
        crl: table.text("crl").map(|text| ground.path(text, faults)),
        crl_at: place(ground, table, "crl"),
        names: table.texts("names").into_iter().filter_map(|text| pattern(text, faults)).collect(),
    };
    ground.root.named("authorities").into_iter().map(&mut authority).collect()
}

/// `spiffe://plant/*`, `dns:*.plant`, `ip:10.0.0.0/8`.
fn pattern((text, at): Text<'_>, faults: &mut Faults) -> Option<NamePattern> {
    let read = if let Some(name) = text.strip_prefix("dns:") {
        let plain = name.strip_prefix("*.").unwrap_or(name);
        scalar::dns_name(plain).then(|| NamePattern::Dns(name.to_ascii_lowercase()))
    } else if let Some(network) = text.strip_prefix("ip:") {
        scalar::network(network).ok().map(NamePattern::Ip)
    } else {
        let plain = text.strip_suffix('*').unwrap_or(text);
        uri(plain).then(|| NamePattern::Uri(text.to_owned()))
    };
    if read.is_none() {
        let fault =
            Fault::new(codes::PATTERN, at, format!("`{text}` is not a name pattern"), "neither URI, dns: nor ip:");
        faults.add(fault.help("write spiffe://plant/*, dns:*.plant or ip:10.30.0.0/24".to_owned()));
    }
    read
}

/// A scheme, a colon and something after it, in printable ASCII without a `*`.
pub(super) fn uri(text: &str) -> bool {
    let scheme = |one: &str| {
        one.starts_with(|c: char| c.is_ascii_alphabetic())
            && one.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
    };
    text.bytes().all(|c| c.is_ascii_graphic() && c != b'*')
        && text.split_once(':').is_some_and(|(one, rest)| scheme(one) && !rest.is_empty())
}
