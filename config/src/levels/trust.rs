//! What does a conduit miss of who comes, and of what protects the bytes on their way?

use super::Case;
use crate::{
    build::can_come,
    fault::Fault,
    finding::codes,
    plan::{AuthorityId, CertificateId, Identity, KeySource, Match, Transport, Upstream},
};

pub(super) fn look(case: &Case<'_, '_>, found: &mut Vec<Fault>) {
    let listener = &case.site.listeners[case.conduit.listener.index()];
    found.extend(jump(case));
    found.extend(open_source(case));
    found.extend(many(case));
    match &listener.transport {
        Transport::Tcp => found.extend(plain_peer(case)),
        Transport::Tls { certificate, authorities, .. } => {
            found.extend(key_file(case, *certificate));
            found.extend(authorities.iter().filter_map(|one| no_crl(case, *one)));
        }
    }
    for one in &case.conduit.upstream {
        match one {
            Upstream::Tcp(_) => found.extend(plain_device(case)),
            Upstream::Tls { certificate, authorities, .. } => {
                found.extend(key_file(case, *certificate));
                found.extend(authorities.iter().filter_map(|one| no_crl(case, *one)));
            }
        }
    }
    // The listener and the device may share a certificate or an authority, several devices one way.
    let mut told = Vec::new();
    found.retain(|one| {
        let new = !told.contains(&one.identity());
        told.push(one.identity());
        new
    });
}

/// From the enterprise side into the control system, with no zone of level 3.5 between.
fn jump(case: &Case<'_, '_>) -> Option<Fault> {
    let [from, to] = case.zones();
    let (low, high) = (from.level_tenths?.min(to.level_tenths?), from.level_tenths?.max(to.level_tenths?));
    if !(low < DMZ && high > DMZ) {
        return None;
    }
    let shown = |tenths: u8| {
        if tenths.is_multiple_of(10) { format!("{}", tenths / 10) } else { format!("{}.{}", tenths / 10, tenths % 10) }
    };
    let (low, high) = (shown(low), shown(high));
    let message = format!("conduit `{}` joins level {high} to level {low}, past level 3.5", case.conduit.name);
    let fault = Fault::new(codes::JUMP, case.key("from"), message, "no zone of level 3.5 stands between");
    let help = "end it at a zone of level 3.5, and lead another conduit on from there";
    Some(fault.help(help.to_owned()))
}

/// Purdue level 3.5, in tenths.
const DMZ: u8 = 35;

fn open_source(case: &Case<'_, '_>) -> Option<Fault> {
    let (zone, place) = (case.zones()[0], case.conduit.from.index());
    if !zone.networks.is_empty() {
        return None;
    }
    let (_, at, _) = case.named("zones", place)?;
    let message = format!("a peer of zone `{}` may come from any network", zone.name);
    let fault = Fault::new(codes::ANY_SOURCE, at, message, "no `networks`");
    Some(fault.help("write where its peers are: networks = [\"10.30.0.0/24\"]".to_owned()))
}

/// Identities of this conduit that are more than one peer.
fn many(case: &Case<'_, '_>) -> Vec<Fault> {
    let transport = &case.site.listeners[case.conduit.listener.index()].transport;
    let comes = |one: &Identity| one.zone == case.conduit.from && can_come(transport, one);
    let several = |one: &Identity| match &one.matches {
        Match::Uri { prefix, .. } => *prefix,
        Match::Source(network) => network.prefix < if network.base.is_ipv4() { 32 } else { 128 },
        Match::Dns(_) | Match::Spki(_) => false,
    };
    let fault = |(place, one): (usize, &Identity)| {
        let (_, at, table) = case.named("identities", place)?;
        let at = table.get("match").map_or(at, |entry| &entry.at);
        let fault = Fault::new(codes::MANY_PEERS, at, format!("`{}` can be many peers", one.name), "this matches many");
        Some(fault.help("write one identity for each peer".to_owned()))
    };
    let all = case.site.identities.iter().enumerate();
    all.filter(|(_, one)| comes(one) && several(one)).filter_map(fault).collect()
}

fn plain_peer(case: &Case<'_, '_>) -> Option<Fault> {
    let (name, at, table) = case.named("listeners", case.conduit.listener.index())?;
    let at = table.get("transport").map_or(at, |entry| &entry.at);
    let message = format!("peers of listener `{name}` show no certificate, and their bytes come in the clear");
    let fault = Fault::new(codes::PLAIN_PEER, at, message, "anybody on the way can speak for them");
    Some(fault.help("write transport = \"tls\"; a relay such as stunnel beside an old client speaks it".to_owned()))
}

fn plain_device(case: &Case<'_, '_>) -> Option<Fault> {
    let message = format!("what conduit `{}` sends to its device goes in the clear", case.conduit.name);
    let fault = Fault::new(codes::PLAIN_DEVICE, case.key("upstream"), message, "and the device shows no certificate");
    let help = "write upstream = \"tls:...\" where the device takes it, or a relay that stands beside it";
    Some(fault.help(help.to_owned()))
}

fn no_crl(case: &Case<'_, '_>, id: AuthorityId) -> Option<Fault> {
    if case.site.authorities[id.index()].crl.is_some() {
        return None;
    }
    let (name, at, _) = case.named("authorities", id.index())?;
    let message = format!("authority `{name}` has no `crl`, and conduit `{}` trusts it", case.conduit.name);
    let fault = Fault::new(codes::NO_CRL, at, message, "a lost key could not be taken back");
    Some(fault.help("write crl = \"...\"; `sluicegate pki init` makes an empty one".to_owned()))
}

fn key_file(case: &Case<'_, '_>, id: CertificateId) -> Option<Fault> {
    if !matches!(case.site.certificates[id.index()].key, KeySource::File(_)) {
        return None;
    }
    let (name, at, table) = case.named("certificates", id.index())?;
    let at = table.get("key").map_or(at, |entry| &entry.at);
    let message = format!("the key of certificate `{name}` lies in a file");
    let fault = Fault::new(codes::KEY_FILE, at, message, "whoever copies the disk has it");
    let help = "write key = \"credential:NAME\", and give it to systemd sealed by the TPM (LoadCredentialEncrypted=)";
    Some(fault.help(help.to_owned()))
}
