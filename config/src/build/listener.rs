//! Where do peers arrive, and which conduits stand behind each listener?

use std::net::SocketAddr;

use super::{AUTHORITY, CERTIFICATE, Ground, LISTENER};
use crate::{
    fault::{At, Fault, Faults},
    finding::codes,
    plan::{CertificateId, ConduitId, Listener, Transport},
    read::{
        scalar,
        tree::{Table, Text},
    },
};

pub(super) fn listeners(ground: &Ground<'_>, faults: &mut Faults) -> Vec<Listener> {
    let behind = behind(ground);
    let mut list = Vec::new();
    for (at, (name, name_at, table)) in ground.root.named("listeners").into_iter().enumerate() {
        let conduits = behind.get(at).cloned().unwrap_or_default();
        same_sni(ground, &conduits, table, faults);
        if conduits.is_empty() {
            let fault = Fault::new(
                codes::UNUSED,
                name_at,
                format!("no conduit uses listener `{name}`"),
                "peers are closed here",
            );
            faults.add(fault.help(format!("write listener = \"{name}\" in a conduit, or take it out")));
        }
        list.push(Listener {
            name: name.to_owned(),
            zone: ground.zone(table, "zone", faults),
            bind: bind(table).map_or_else(unbound, |(bind, _)| bind),
            transport: transport(ground, (name, name_at), table, faults),
            conduits,
        });
    }
    same_bind(ground, faults);
    list
}

fn unbound() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn bind(table: &Table) -> Option<(SocketAddr, &At)> {
    let (text, at) = table.text("bind")?;
    Some((scalar::bind(text).ok()?, at))
}

/// The conduits of each listener, in order.
fn behind(ground: &Ground<'_>) -> Vec<Vec<ConduitId>> {
    let mut behind = vec![Vec::new(); ground.root.named("listeners").len()];
    for ((_, _, table), id) in ground.root.named("conduits").into_iter().zip(0..) {
        // An unknown listener is told where the conduit is built.
        let listener = table.text("listener").and_then(|text| ground.find(LISTENER, text, &mut Faults::default()));
        if let Some(list) = listener.and_then(|one| behind.get_mut(usize::from(one))) {
            list.push(ConduitId(id));
        }
    }
    behind
}

fn transport(ground: &Ground<'_>, (name, at): Text<'_>, table: &Table, faults: &mut Faults) -> Transport {
    match table.text("transport") {
        Some(("tcp", word_at)) => {
            plain(name, word_at, table, faults);
            Transport::Tcp
        }
        Some(("tls", word_at)) => {
            for (key, noun) in [("certificate", CERTIFICATE), ("authorities", AUTHORITY)] {
                if table.get(key).is_none() || (key == "authorities" && table.texts(key).is_empty()) {
                    let message = format!("a tls listener needs `{key}`");
                    let some = ground.some(noun);
                    let help = if key == "authorities" { format!("[\"{some}\"]") } else { format!("\"{some}\"") };
                    let fault = Fault::new(codes::MISSING, word_at, message, "tls is said here");
                    faults.add(fault.also(at, "for this listener").help(format!("write {key} = {help}")));
                }
            }
            tls(ground, table, faults)
        }
        _ => tls(ground, table, faults),
    }
}

fn tls(ground: &Ground<'_>, table: &Table, faults: &mut Faults) -> Transport {
    Transport::Tls {
        certificate: ground.certificate(table, "certificate", faults).unwrap_or(CertificateId(0)),
        authorities: ground.authorities(table, "authorities", faults),
        tls12: table.text("tls_min").is_some_and(|(word, _)| word == "1.2"),
    }
}

fn plain(name: &str, at: &At, table: &Table, faults: &mut Faults) {
    if !table.flag("allow_plaintext") {
        let message = format!("listener `{name}` takes plain TCP");
        let fault = Fault::new(codes::PLAINTEXT, at, message, "nothing proves who a peer is but its address");
        faults.add(fault.help("use transport = \"tls\", or say allow_plaintext = true".to_owned()));
    }
    for key in ["certificate", "authorities", "tls_min"] {
        if let Some(entry) = table.get(key) {
            let message = format!("`{key}` does nothing on a tcp listener");
            let fault = Fault::new(codes::UNUSED, &entry.at, message, "not used");
            faults.add(fault.help("take it out, or use transport = \"tls\"".to_owned()));
        }
    }
}

/// Conduits of one listener are told apart by the server name that the peer asks for.
fn same_sni(ground: &Ground<'_>, conduits: &[ConduitId], listener: &Table, faults: &mut Faults) {
    let named = ground.root.named("conduits");
    let plain = listener.text("transport").is_some_and(|(word, _)| word == "tcp");
    let mut first: Vec<(String, &At)> = Vec::new();
    for (name, at, table) in conduits.iter().filter_map(|id| named.get(id.index())) {
        match table.text("sni") {
            Some((_, at)) if plain => {
                let fault = Fault::new(codes::SNI, at, "a tcp listener knows no server name", "never asked for");
                faults.add(fault.help("leave `sni` out; conduits over plain TCP have a listener each".to_owned()));
            }
            None if plain && conduits.len() > 1 => {
                let message = "a tcp listener has one conduit";
                faults.add(
                    Fault::new(codes::SNI, at, message, "shares its listener")
                        .help("give it a listener of its own".to_owned()),
                );
            }
            None if conduits.len() > 1 => {
                let message = format!("conduit `{name}` shares its listener and has no `sni`");
                faults.add(
                    Fault::new(codes::SNI, at, message, "cannot be told apart").help(format!("write sni = \"{name}\"")),
                );
            }
            None => {}
            Some((sni, at)) => {
                let sni = sni.to_ascii_lowercase();
                match first.iter().find(|(other, _)| *other == sni) {
                    Some((_, other)) => {
                        let message = format!("two conduits of one listener have the sni `{sni}`");
                        let fault = Fault::new(codes::SNI, at, message, "the same again").also(other, "first here");
                        faults.add(fault.help(format!("give it a name of its own, such as sni = \"{name}\"")));
                    }
                    None => first.push((sni, at)),
                }
            }
        }
    }
}

/// One address is bound once. An unspecified address takes its port on all of its family.
fn same_bind(ground: &Ground<'_>, faults: &mut Faults) {
    let tables = ground.root.named("listeners").into_iter().map(|(_, _, table)| table);
    let binds: Vec<_> = tables.chain(ground.root.table("metrics")).filter_map(bind).collect();
    for (at, (second, place)) in binds.iter().enumerate() {
        let clash = |(first, _): &&(SocketAddr, &At)| overlap(first, second);
        if let Some((first, other)) = binds.iter().take(at).find(clash) {
            let message = format!("{second} is bound already, as {first}");
            let fault = Fault::new(codes::SAME_BIND, place, message, "bound again").also(other, "first bound here");
            faults.add(fault.help("give one of them another port".to_owned()));
        }
    }
}

/// Port 0 is a free port each time.
fn overlap(first: &SocketAddr, second: &SocketAddr) -> bool {
    let any = first.ip().is_unspecified() || second.ip().is_unspecified();
    first.port() == second.port()
        && first.port() != 0
        && (first.ip() == second.ip() || (any && first.is_ipv4() == second.is_ipv4()))
}
