//! Who may do this, on which conduit?

use sluicegate_config::plan::{Conduit, Identity, Match, Site, Transport};

use super::{ExplainError, Explanation, explain_stored, message_of, schedules_now};

/// One identity on one conduit.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The conduit.
    pub conduit: String,
    /// The identity.
    pub identity: String,
    /// Why it cannot open a session there at all, where it cannot.
    pub kept_out: Option<String>,
    /// What its message would come to.
    pub explanation: Explanation,
}

impl Standing {
    /// Whether it may do this.
    pub fn may(&self) -> bool {
        self.kept_out.is_none() && self.explanation.passes()
    }
}

/// Every identity on every conduit that can carry `sentence` at all, in the order of the configuration.
///
/// # Errors
/// When the sentence cannot be read, or built, for any conduit: the fault of the first.
pub fn who_can(site: &Site, sentence: &str) -> Result<Vec<Standing>, ExplainError> {
    let schedules = schedules_now(site);
    let (mut all, mut fault) = (Vec::new(), None);
    for conduit in &site.conduits {
        let message = match message_of(conduit, sentence) {
            Ok(message) => message,
            Err(why) => {
                fault.get_or_insert(why);
                continue;
            }
        };
        for identity in &site.identities {
            all.push(Standing {
                conduit: conduit.name.clone(),
                identity: identity.name.clone(),
                kept_out: may_enter(site, conduit, identity).err(),
                explanation: explain_stored(conduit, identity, &message, schedules),
            });
        }
    }
    match fault {
        Some(fault) if all.is_empty() => Err(fault),
        Some(_) | None => Ok(all),
    }
}

/// Whether an identity can be on a conduit at all, as far as the configuration says: its zone, and its authority or source.
///
/// # Errors
/// Why it cannot, for people.
pub fn may_enter(site: &Site, conduit: &Conduit, identity: &Identity) -> Result<(), String> {
    if identity.zone != conduit.from {
        let name =
            |zone: sluicegate_config::plan::ZoneId| site.zones.get(zone.index()).map_or("?", |one| one.name.as_str());
        return Err(format!(
            "it belongs to zone {}, the conduit starts in {}",
            name(identity.zone),
            name(conduit.from)
        ));
    }
    let listener = site.listeners.get(conduit.listener.index()).ok_or("the conduit has no listener")?;
    match (&listener.transport, &identity.matches) {
        (Transport::Tls { .. }, Match::Source(_)) => {
            Err(format!("it has no certificate, and listener {} asks for one", listener.name))
        }
        (Transport::Tls { authorities, .. }, Match::Uri { .. } | Match::Dns(_) | Match::Spki(_)) => {
            match identity.authority {
                Some(authority) if authorities.contains(&authority) => Ok(()),
                Some(_) | None => Err(format!("listener {} does not trust its authority", listener.name)),
            }
        }
        (Transport::Tcp, Match::Source(_)) => Ok(()),
        (Transport::Tcp, Match::Uri { .. } | Match::Dns(_) | Match::Spki(_)) => {
            Err(format!("listener {} is plain TCP: it sees no certificates", listener.name))
        }
    }
}
