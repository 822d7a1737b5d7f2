//! What happened in this handshake: which conduit was asked for, which certificate was shown, and was it good enough?
//!
//! Each handshake has a rustls configuration of its own (some small allocations beside 300 us of signing), so that a failure can
//! be told with the key and the names of the certificate that failed, and so that the conduit that the peer asked for says what
//! is tolerated.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{verify_tls12_signature, verify_tls13_signature},
    server::{
        ClientHello, NoServerSessionStorage, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use sluicegate_config::plan::{CertificateId, ConduitId, Site, Transport};
use sluicegate_proto::vocab::Cause;

use super::{
    TrustError, load,
    names::{Leaf, Presented},
    provider,
    vouch::{Authority, Doubt, Grace, Tolerance, Use},
};
use crate::faults::Clock;

/// A TLS listener, ready to shake hands.
#[derive(Debug)]
pub(super) struct Door {
    name: String,
    certificate: Arc<CertifiedKey>,
    authorities: Vec<Arc<Authority>>,
    hints: Vec<DistinguishedName>,
    behind: Vec<Behind>,
    tls12: bool,
    clock: Clock,
}

/// A conduit behind it.
#[derive(Debug)]
struct Behind {
    id: ConduitId,
    sni: Option<String>,
    tolerance: Tolerance,
}

/// One handshake.
#[derive(Debug)]
pub struct Handshake {
    /// For this connection only.
    pub config: Arc<ServerConfig>,
    /// What is seen in it.
    pub seen: Arc<Seen>,
}

/// What was seen in one handshake.
#[derive(Debug)]
pub struct Seen {
    door: Arc<Door>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sni: Option<String>,
    hello: bool,
    conduit: Option<usize>,
    presented: Option<Presented>,
    vouched: Option<Vouched>,
    doubt: Option<Doubt>,
}

/// Who vouched for a peer's chain in its handshake, and under which conditions: found out once, and used for exactly that.
#[derive(Debug)]
pub(super) struct Vouched {
    /// Of which conduit.
    pub(super) conduit: ConduitId,
    /// What that conduit tolerated.
    pub(super) tolerance: Tolerance,
    /// The end entity, read.
    pub(super) leaf: Leaf,
    /// Every authority of the listener that vouches.
    pub(super) authorities: Vec<Arc<Authority>>,
}

/// A handshake that failed, for the audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub cause: Cause,
    /// The same for people.
    pub note: String,
    /// The certificate that was shown, where it came to that. Its holder did not prove to have the key.
    pub presented: Option<Presented>,
}

/// The doors of a site, in the order of its listeners.
pub(super) fn doors(
    site: &Site,
    clock: &Clock,
    certificates: &[load::Own],
    authorities: &[Arc<Authority>],
    faults: &mut Vec<TrustError>,
) -> Vec<Option<Arc<Door>>> {
    let mut doors = Vec::new();
    for listener in &site.listeners {
        let Transport::Tls { certificate, authorities: trusted, tls12 } = &listener.transport else {
            doors.push(None);
            continue;
        };
        let behind = listener.conduits.iter().map(|id| {
            let conduit = &site.conduits[id.index()];
            Behind { id: *id, sni: conduit.sni.clone(), tolerance: Tolerance::of(&conduit.faults) }
        });
        let door = Door {
            name: listener.name.clone(),
            certificate: certificates[certificate.index()].key.clone(),
            hints: Vec::new(),
            authorities: trusted.iter().map(|id| authorities[id.index()].clone()).collect(),
            behind: behind.collect(),
            tls12: *tls12,
            clock: clock.clone(),
        };
        let place = format!("listener {}", listener.name);
        doors.push(Some(door.checked(&place, (site, *certificate), certificates, faults)));
    }
    doors
}

/// The metrics endpoint's door, where it has TLS: TLS 1.3, whatever name is asked for, nothing tolerated.
pub(super) fn metrics_door(
    site: &Site,
    clock: &Clock,
    certificates: &[load::Own],
    authorities: &[Arc<Authority>],
    faults: &mut Vec<TrustError>,
) -> Option<Arc<Door>> {
    let (certificate, trusted) = site.metrics.as_ref()?.tls.as_ref()?;
    let tolerance = Tolerance { expired: Grace::None, stale: Grace::None };
    let door = Door {
        name: "metrics".to_owned(),
        certificate: certificates[certificate.index()].key.clone(),
        hints: Vec::new(),
        authorities: trusted.iter().map(|id| authorities[id.index()].clone()).collect(),
        // No conduit has this id: whoever comes in here gets numbers, and no session.
        behind: vec![Behind { id: ConduitId(u16::MAX), sni: None, tolerance }],
        tls12: false,
        clock: clock.clone(),
    };
    Some(door.checked("the metrics endpoint", (site, *certificate), certificates, faults))
}

fn config(seen: &Arc<Seen>) -> Result<ServerConfig, rustls::Error> {
    let tls12 = seen.door.tls12;
    let mut config = ServerConfig::builder_with_details(provider::of(tls12), Arc::new(seen.door.clock.clone()))
        .with_protocol_versions(provider::versions(tls12))?
        .with_client_cert_verifier(seen.clone())
        .with_cert_resolver(seen.clone());
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

impl Handshake {
    pub(super) fn new(door: &Arc<Door>) -> Self {
        let seen = Seen::new(door);
        let config = config(&seen).expect("the same settings were accepted when the site was loaded");
        Self { config: Arc::new(config), seen }
    }
}

impl Door {
    /// The door, once its certificate and settings are known to work.
    fn checked(
        mut self,
        place: &str,
        (site, certificate): (&Site, CertificateId),
        certificates: &[load::Own],
        faults: &mut Vec<TrustError>,
    ) -> Arc<Self> {
        if !certificates[certificate.index()].serves {
            faults.push(TrustError::Purpose {
                certificate: site.certificates[certificate.index()].name.clone(),
                path: site.certificates[certificate.index()].cert.clone(),
                place: place.to_owned(),
                help: "issue it with --server",
            });
        }
        self.hints = self.authorities.iter().flat_map(|one| one.roots.subjects()).collect();
        let door = Arc::new(self);
        // The first handshake must not be the one to find out.
        if let Err(source) = config(&Seen::new(&door)) {
            faults.push(TrustError::Tls { what: place.to_owned(), source });
        }
        door
    }

    /// The conduit that a server name chooses. On a lone conduit without one, every name will do.
    fn choose(&self, sni: Option<&str>) -> Option<usize> {
        match self.behind.as_slice() {
            [Behind { sni: None, .. }] => Some(0),
            several => {
                let asked = sni?;
                let is = |one: &Behind| one.sni.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(asked));
                several.iter().position(is)
            }
        }
    }

    /// All who vouch: which of them may name the peer is asked later.
    fn vouch(
        &self,
        chain: &[CertificateDer<'_>],
        now: i64,
        tolerance: Tolerance,
    ) -> Result<Vec<Arc<Authority>>, Doubt> {
        let mut vouching = Vec::new();
        let mut worst = Doubt::UnknownIssuer;
        for authority in &self.authorities {
            match authority.vouch(chain, Use::Client, now, tolerance) {
                Ok(()) => vouching.push(Arc::clone(authority)),
                Err(doubt) if doubt.weight() >= worst.weight() => worst = doubt,
                Err(_) => {}
            }
        }
        if vouching.is_empty() { Err(worst) } else { Ok(vouching) }
    }
}

impl Seen {
    fn new(door: &Arc<Door>) -> Arc<Self> {
        Arc::new(Self { door: door.clone(), state: Mutex::default() })
    }

    /// The conduit that the peer asked for; known from the client hello on.
    pub fn conduit(&self) -> Option<ConduitId> {
        let chosen = self.state().conduit?;
        self.door.behind.get(chosen).map(|one| one.id)
    }

    /// The server name that the peer asked for.
    pub fn sni(&self) -> Option<String> {
        self.state().sni.clone()
    }

    /// The certificate that the peer showed, good or not.
    pub fn presented(&self) -> Option<Presented> {
        self.state().presented.clone()
    }

    /// What the handshake found out about the peer's chain, for whoever identifies it; once.
    pub(super) fn take_vouched(&self) -> Option<Vouched> {
        self.state().vouched.take()
    }

    /// What to write down when the handshake ended with `error`.
    pub fn failed(&self, error: &rustls::Error) -> Failed {
        let state = self.state();
        let presented = state.presented.clone();
        if let Some(doubt) = &state.doubt {
            return Failed { cause: doubt.cause(), note: doubt.to_string(), presented };
        }
        if state.hello && state.conduit.is_none() {
            let note = match &state.sni {
                Some(name) => format!("no conduit of listener {} has the server name {name:?}", self.door.name),
                None => format!("no server name was given, and the conduits of listener {} need one", self.door.name),
            };
            return Failed { cause: Cause::Refused, note, presented };
        }
        Failed { cause: cause_of(error), note: note_of(error), presented }
    }

    /// The same for what a TLS stream returns.
    pub fn failed_io(&self, error: &std::io::Error) -> Failed {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(inner) => self.failed(inner),
            None => Failed { cause: Cause::PeerClosed, note: error.to_string(), presented: self.presented() },
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What stands in it is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cause of a failure that is not about the certificate's worth.
fn cause_of(error: &rustls::Error) -> Cause {
    use rustls::Error as E;
    match error {
        E::NoCertificatesPresented => Cause::CertificateMissing,
        E::InvalidCertificate(_) | E::InvalidCertRevocationList(_) => Cause::CertificateInvalid,
        E::PeerIncompatible(_) | E::NoApplicationProtocol => Cause::Refused,
        E::AlertReceived(_) => Cause::PeerClosed,
        E::InappropriateMessage { .. }
        | E::InappropriateHandshakeMessage { .. }
        | E::InvalidMessage(_)
        | E::DecryptError
        | E::PeerMisbehaved(_)
        | E::PeerSentOversizedRecord => Cause::Malformed,
        // rustls' list is open; what is left is ours: encryption, entropy, time, settings.
        _ => Cause::InternalError,
    }
}

/// rustls' words, but for the refusal that every old client meets: there they are the names of its types.
fn note_of(error: &rustls::Error) -> String {
    use rustls::PeerIncompatible as P;
    match error {
        rustls::Error::PeerIncompatible(
            P::SupportedVersionsExtensionRequired | P::Tls12NotOffered | P::Tls12NotOfferedOrEnabled,
        ) => "the peer offers no TLS version that this listener takes (tls_min)".to_owned(),
        other => other.to_string(),
    }
}

impl ResolvesServerCert for Seen {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.door.choose(hello.server_name());
        let mut state = self.state();
        state.hello = true;
        state.sni = hello.server_name().map(str::to_owned);
        state.conduit = chosen;
        chosen.map(|_| self.door.certificate.clone())
    }
}

impl ClientCertVerifier for Seen {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.door.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let mut chain = vec![end_entity.clone()];
        chain.extend_from_slice(intermediates);
        let mut state = self.state();
        let leaf = Leaf::read(end_entity);
        state.presented = leaf.as_ref().map(Leaf::shown);
        let chosen = state.conduit.and_then(|place| self.door.behind.get(place));
        let tolerance = chosen.map_or(Tolerance::STRICT, |one| one.tolerance);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        match self.door.vouch(&chain, now, tolerance) {
            Ok(authorities) => {
                let vouched = chosen.zip(leaf);
                state.vouched = vouched.map(|(one, leaf)| Vouched { conduit: one.id, tolerance, leaf, authorities });
                Ok(ClientCertVerified::assertion())
            }
            Err(doubt) => {
                let error = doubt.to_rustls();
                state.doubt = Some(doubt);
                Err(error)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &provider::signatures())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &provider::signatures())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::signatures().supported_schemes()
    }
}
