//! Where is the device, and who must be there?

use sluicegate_proto::{half::Ties, protocol::Protocol};

use super::{Ground, IDENTITY};
use crate::{
    fault::{At, Fault, Faults},
    finding::codes,
    plan::{IdentityId, Match, Site, Upstream},
    read::{
        scalar,
        tree::{Table, Text},
    },
};

/// The device and its failover order.
pub(super) fn upstreams(ground: &Ground<'_>, site: &Site, table: &Table, faults: &mut Faults) -> Vec<Upstream> {
    let texts = table.texts("upstream");
    if let (true, Some(entry)) = (texts.is_empty(), table.get("upstream"))
        && entry.node.list().is_empty()
    {
        let fault = Fault::new(codes::UPSTREAM, &entry.at, "`upstream` names no device", "at least one is needed");
        faults.add(fault.help("write upstream = \"10.10.1.20:502\", with the address of the device".to_owned()));
    }
    // Looked at also where no upstream is tls: a name that nothing has is a slip all the same.
    let secure = Secure::of(ground, site, table, faults);
    texts.into_iter().filter_map(|text| one(text, &secure, faults)).collect()
}

/// Whether all sessions use the same device connections. Some protocols leave no choice.
pub(super) fn shared(table: &Table, protocol: Protocol, faults: &mut Faults) -> bool {
    let word = table.text("upstream_mode");
    let written = word.is_some_and(|(word, _)| word == "shared");
    match (protocol.ties(), word) {
        (Ties::Loose, _) => written || word.is_none(),
        (Ties::Bound, Some((_, at))) if written => {
            let message = format!("each {protocol} session has a device connection of its own");
            let fault = Fault::new(codes::KEYS_CLASH, at, message, "cannot be shared");
            faults.add(fault.help("leave `upstream_mode` out, or write \"per-session\"".to_owned()));
            false
        }
        (Ties::Bound, _) => false,
    }
}

struct Secure {
    certificate: Option<crate::plan::CertificateId>,
    authorities: Vec<crate::plan::AuthorityId>,
    peer: Option<IdentityId>,
}

impl Secure {
    fn of(ground: &Ground<'_>, site: &Site, table: &Table, faults: &mut Faults) -> Self {
        let peer = table.text("upstream_peer");
        let secure = Self {
            certificate: ground.certificate(table, "upstream_certificate", faults),
            authorities: ground.authorities(table, "upstream_authorities", faults),
            peer: peer.and_then(|text| ground.find(IDENTITY, text, faults)).map(IdentityId),
        };
        if let (Some(id), Some((_, at))) = (secure.peer, peer) {
            secure.peer_fits(site, id, at, faults);
        }
        secure
    }

    fn peer_fits(&self, site: &Site, id: IdentityId, at: &At, faults: &mut Faults) {
        let Some(peer) = site.identities.get(id.index()) else { return };
        if matches!(peer.matches, Match::Source(_)) {
            let message = format!("`{}` is known by its address only", peer.name);
            let fault = Fault::new(codes::PLAIN_MATCH, at, message, "a device behind tls needs a certificate");
            faults.add(fault.help("match its certificate: uri, dns or spki".to_owned()));
        }
        let trusted = peer.authority.is_none_or(|one| self.authorities.is_empty() || self.authorities.contains(&one));
        if !trusted {
            let message = format!("the authority of `{}` is not among `upstream_authorities`", peer.name);
            let fault = Fault::new(codes::NO_AUTHORITY, at, message, "could never be recognised");
            faults.add(fault.help("add its authority to `upstream_authorities`".to_owned()));
        }
    }
}

fn one((text, at): Text<'_>, secure: &Secure, faults: &mut Faults) -> Option<Upstream> {
    if text.starts_with("serial:") || text.starts_with("tunnel:") {
        // Told as not served.
        return None;
    }
    let (address, tls) = text.strip_prefix("tls:").map_or((text, false), |rest| (rest, true));
    let address = match scalar::host_port(address) {
        Ok(address) => address,
        Err(fault) => {
            let wrong = Fault::new(codes::UPSTREAM, at, format!("`{text}` cannot be dialled"), fault.wrong);
            faults.add(wrong.help(fault.help));
            return None;
        }
    };
    if !tls {
        return Some(Upstream::Tcp(address));
    }
    let missing = [
        ("upstream_certificate", secure.certificate.is_none()),
        ("upstream_authorities", secure.authorities.is_empty()),
        ("upstream_peer", secure.peer.is_none()),
    ];
    for (key, _) in missing.iter().filter(|(_, missing)| *missing) {
        let fault = Fault::new(codes::UPSTREAM, at, format!("a tls: upstream needs `{key}`"), "tls is said here");
        let help = "write upstream_certificate (ours), upstream_authorities (whom we trust) and upstream_peer (who must be there)";
        faults.add(fault.help(help.to_owned()));
    }
    Some(Upstream::Tls {
        address,
        certificate: secure.certificate?,
        authorities: secure.authorities.clone(),
        peer: secure.peer?,
    })
}
