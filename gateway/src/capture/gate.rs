//! Which verdict would a conduit have given on what was captured?
//!
//! The same view, held values, budgets and limits as on the wire, under the capture's own time. What a peer asks is read
//! once more by the conduit's own half, which maps its units and keeps its ids.
//!
//! ```text
//! message -> deny rules first, outside enforce mode -> View::judge -> limits -> rule budgets -> the half's pending slot
//!                                                       Ask: what the capture last showed there, else no answer
//! answer  -> held values; its verdict is its request's
//! ```

use std::{net::IpAddr, sync::Arc, time::Duration};

use sluicegate_config::plan::{Conduit, Identity, Match, Site, Transport, Upstream};
use sluicegate_proto::{
    deed::{ReadFirst, Seen},
    half::{Ids, Ties},
    keys::{Setting, Settings},
    policy::{Budgets, Denied, Fault, Held, Known, RuleIx, Verdict, View, Who, compile},
    protocol::{Answer, Message, PeerHalf},
    time::{Mono, Now},
    vocab::{Mode, Reason, VerdictWord},
};

use crate::{
    engine::{Kind, LONGEST_DELAY, Limits, peer_options, written_by},
    explain::{ExplainError, conduit_of, identity_of, may_enter, schedules_at},
};

/// Reads made for one message: the gateway makes a handful at most (a step and a condition for each deed).
const READS_MAX: usize = 16;

/// A conduit, as it stands in a configuration, before which a capture passes.
#[derive(Debug)]
pub struct Gate<'s> {
    site: &'s Site,
    conduit: &'s Conduit,
    /// As whom, whatever the capture says.
    identity: Option<u16>,
    views: Vec<Option<Arc<View>>>,
    held: Held,
    /// All that the capture showed, however old: what a read of the gateway's own would find.
    shown: Held,
    budgets: Budgets,
    limits: Limits,
    /// The second of the schedules in `now`.
    second: Option<u64>,
    now: Now,
}

/// A verdict, and what made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Absent where the capture does not say enough.
    pub verdict: Option<VerdictWord>,
    /// Why it is refused.
    pub reason: Option<Reason>,
    /// `file:line` of the rules that allow it together, of the deny rule, or of the allow rule that came nearest.
    pub rules: Vec<String>,
}

/// Why there is nothing to replay against.
#[derive(Debug, thiserror::Error)]
pub enum GateFault {
    /// No such conduit, or no such identity.
    #[error("{0}")]
    Name(#[from] ExplainError),
}

impl<'s> Gate<'s> {
    /// The conduit of this name, for the identity of this name.
    ///
    /// # Errors
    /// When there is no such conduit or no such identity.
    pub fn new(site: &'s Site, conduit: &str, identity: Option<&str>) -> Result<Self, GateFault> {
        let conduit = conduit_of(site, conduit)?;
        let place = |name: &str| site.identities.iter().position(|one| one.name == name);
        let identity = match identity {
            Some(name) => {
                identity_of(site, name)?;
                place(name)
            }
            None => only(site, conduit),
        };
        let ageless = ageless(conduit);
        Ok(Self {
            site,
            conduit,
            identity: identity.and_then(|place| u16::try_from(place).ok()),
            views: vec![None; site.identities.len()],
            held: Held::new(&conduit.policy),
            shown: ageless.unwrap_or_else(|_| Held::new(&conduit.policy)),
            budgets: Budgets::new(&conduit.policy),
            limits: Limits::new(conduit.limits, site.identities.len()),
            second: None,
            now: Now::default(),
        })
    }

    /// How the conduit's peers frame their messages, in both directions of what is captured on their side.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        if let Some(framing) = self.conduit.settings.get("framing") {
            settings.0.insert("framing", framing.clone());
            settings.0.insert("upstream_framing", framing.clone());
        }
        settings
    }

    /// The conduit.
    pub fn conduit(&self) -> &'s Conduit {
        self.conduit
    }

    /// Where the conduit's servers are: the device, the listener where it is plain, the protocol's own ports.
    pub fn ports(&self) -> Vec<u16> {
        let port = |address: &str| address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let mut ports: Vec<u16> = self
            .conduit
            .upstream
            .iter()
            .filter_map(|one| match one {
                Upstream::Tcp(address) => port(address),
                Upstream::Tls { .. } => None,
            })
            .collect();
        if let Some(listener) = self.site.listeners.get(self.conduit.listener.index())
            && matches!(listener.transport, Transport::Tcp)
        {
            ports.push(listener.bind.port());
        }
        ports.extend(self.conduit.protocol.ports());
        ports
    }

    /// The conduit's own half, for one conversation.
    pub(super) fn half(&self) -> PeerHalf {
        let mut options = peer_options(self.conduit);
        // Where a session's numbers are a conversation with us, those of a capture are somebody else's.
        if self.conduit.protocol.ties() == Ties::Bound {
            options.ids = Ids::Observed;
        }
        self.conduit.protocol.peer_half(&options)
    }

    /// How long a request may wait for its answer.
    pub(super) fn patience(&self) -> Duration {
        self.conduit.timeouts.request
    }

    /// Whose message it is that comes from this address.
    pub(super) fn identity(&self, client: IpAddr) -> Option<u16> {
        let by_source = || {
            let here = |one: &Identity| match &one.matches {
                Match::Source(network) => network.contains(client) && may_enter(self.site, self.conduit, one).is_ok(),
                Match::Uri { .. } | Match::Dns(_) | Match::Spki(_) => false,
            };
            self.site.identities.iter().position(here).and_then(|place| u16::try_from(place).ok())
        };
        self.identity.or_else(by_source)
    }

    /// The name of an identity.
    pub(super) fn name(&self, identity: u16) -> &'s str {
        self.site.identities.get(usize::from(identity)).map_or("?", |one| one.name.as_str())
    }

    /// It is as late as this. Schedules are those of the capture's day.
    pub(super) fn set_time(&mut self, mono: Mono, time: Option<u64>) {
        self.now.mono = mono;
        self.limits.set_time(mono);
        let second = time.map(|nanos| nanos / 1_000_000_000);
        if second != self.second {
            self.second = second;
            let at = second.and_then(|second| jiff::Timestamp::from_second(i64::try_from(second).ok()?).ok());
            self.now.schedules = at.map(|at| schedules_at(self.site, at)).unwrap_or_default();
        }
    }

    /// The verdict on a whole, legal message and on each of its deeds; no deeds where it is not theirs. `leaves`: whether
    /// it goes on to the device where it is allowed, and spends what its rules cost.
    pub(super) fn judge(
        &mut self,
        identity: Option<u16>,
        message: &Message<'_>,
        leaves: bool,
    ) -> (Ruling, Vec<Ruling>) {
        let Some((identity, view)) = identity.and_then(|place| Some((place, self.view(place)?))) else {
            return (Ruling::denied(Reason::IdentityUnknown), Vec::new());
        };
        let mut failed = Vec::new();
        let verdict = self.verdict(&view, message, &mut failed);
        let deeds = self.deeds(&view, message, &failed, &verdict);
        let ruling = self.ruling(&verdict);
        let charges = match verdict {
            Verdict::Allow(charges) => charges,
            Verdict::Ask(_) | Verdict::Deny(_) => {
                if leaves && ruling.verdict != Some(VerdictWord::Denied) {
                    self.forget(message);
                }
                return (ruling, deeds);
            }
        };
        if !charges.always
            && let Some(reason) = self.limited(identity, message)
        {
            let lenient = self.conduit.mode == Mode::Monitor;
            return (self.refused(Ruling { reason: Some(reason), ..ruling }, lenient), Vec::new());
        }
        if !leaves {
            return (ruling, deeds);
        }
        let Some(reservation) = self.budgets.reserve(&charges, identity, self.now.mono) else {
            let lenient = self.conduit.mode != Mode::Enforce;
            return (self.refused(Ruling { reason: Some(Reason::RateLimited), ..ruling }, lenient), Vec::new());
        };
        self.budgets.commit(reservation, self.now.mono);
        self.forget(message);
        (ruling, deeds)
    }

    /// The verdict on what the device says unasked: it goes to no device, and no limit counts it.
    pub(super) fn hear(&mut self, identity: Option<u16>, message: &Message<'_>) -> (Ruling, Vec<Ruling>) {
        let Some(view) = identity.and_then(|place| self.view(place)) else {
            return (Ruling::denied(Reason::IdentityUnknown), Vec::new());
        };
        let mut failed = Vec::new();
        let verdict = self.verdict(&view, message, &mut failed);
        let deeds = self.deeds(&view, message, &failed, &verdict);
        (self.ruling(&verdict), deeds)
    }

    /// The verdict on each deed by itself; the one that decided has the message's.
    fn deeds(&self, view: &View, message: &Message<'_>, failed: &[ReadFirst], verdict: &Verdict) -> Vec<Ruling> {
        let known = Known { held: &self.held, budgets: &self.budgets, failed };
        let mut deeds = Vec::new();
        view.judge_deeds(message, &known, self.now, &mut |verdict| deeds.push(self.ruling(&verdict)));
        if let Verdict::Deny(denied) = verdict
            && let Some(deed) = deeds.get_mut(usize::from(denied.deed))
        {
            *deed = self.ruling(verdict);
        }
        deeds
    }

    /// What the device holds, by its answer. `unit`: as the conduit names it.
    pub(super) fn learn(&mut self, answer: &Answer<'_>, unit: u32) {
        let (held, shown, now) = (&mut self.held, &mut self.shown, self.now.mono);
        answer.seen(&mut |seen| {
            let seen = Seen { unit, ..seen };
            held.learn(seen, now);
            shown.learn(seen, now);
        });
    }

    /// Judges as the wire does; what it would read first is taken from what the capture showed.
    fn verdict(&mut self, view: &View, message: &Message<'_>, failed: &mut Vec<ReadFirst>) -> Verdict {
        if self.conduit.mode != Mode::Enforce
            && let Some(denied) = view.judge_denials(message, self.now)
        {
            return Verdict::Deny(denied);
        }
        for _ in 0..READS_MAX {
            let known = Known { held: &self.held, budgets: &self.budgets, failed };
            match view.judge(message, &known, self.now) {
                Verdict::Ask(read) => {
                    if !self.reads(&read) {
                        failed.push(read);
                    }
                }
                verdict => return verdict,
            }
        }
        Verdict::Deny(Denied::because(Reason::InternalError))
    }

    /// Answers a read of the gateway's own. Whether all of it is known.
    fn reads(&mut self, read: &ReadFirst) -> bool {
        let (held, shown, now) = (&mut self.held, &self.shown, self.now.mono);
        let mut values = Vec::new();
        for address in (read.first..=u32::MAX).take(usize::try_from(read.count).unwrap_or(usize::MAX)) {
            let Some(value) = shown.get(read.unit, read.object, address, now) else { return false };
            values.push(Seen { unit: read.unit, object: read.object, address, value: Some(value) });
        }
        values.into_iter().for_each(|seen| held.learn(seen, now));
        true
    }

    /// A write is on its way: what was known there does not hold until it is acknowledged.
    fn forget(&mut self, message: &Message<'_>) {
        for range in written_by(self.conduit, message) {
            self.held.forget(&range);
            self.shown.forget(&range);
        }
    }

    fn limited(&mut self, identity: u16, message: &Message<'_>) -> Option<Reason> {
        if self.limits.touch(identity, message, self.now.mono).is_err() {
            return Some(Reason::ScanLimited);
        }
        let kind = Kind::of(message);
        match self.limits.charge(kind.toll(identity)) {
            Ok(()) => None,
            // The gate delays it so long.
            Err((_, wait)) if kind.is_read && wait <= LONGEST_DELAY && self.conduit.mode != Mode::Monitor => None,
            Err(_) => Some(Reason::RateLimited),
        }
    }

    fn view(&mut self, identity: u16) -> Option<Arc<View>> {
        let place = usize::from(identity);
        let one = self.site.identities.get(place)?;
        let view = self.views.get_mut(place)?;
        Some(Arc::clone(view.get_or_insert_with(|| {
            self.conduit.policy.view(&Who { identity: one.name.clone(), roles: one.roles.clone() })
        })))
    }

    fn ruling(&self, verdict: &Verdict) -> Ruling {
        match verdict {
            Verdict::Allow(charges) => Ruling {
                verdict: Some(VerdictWord::Allowed),
                reason: None,
                rules: charges.rules.iter().filter_map(|rule| self.place(*rule)).collect(),
            },
            // Nothing is asked any more once a message was judged.
            Verdict::Ask(_) => Ruling::denied(Reason::InternalError),
            Verdict::Deny(denied) => {
                let rules = denied.rule.and_then(|rule| self.place(rule)).into_iter().collect();
                let ruling = Ruling { verdict: None, reason: Some(denied.reason), rules };
                self.refused(ruling, self.conduit.mode != Mode::Enforce && !denied.by_deny_rule)
            }
        }
    }

    fn refused(&self, ruling: Ruling, lenient: bool) -> Ruling {
        let verdict = if lenient { VerdictWord::WouldDeny } else { VerdictWord::Denied };
        Ruling { verdict: Some(verdict), ..ruling }
    }

    fn place(&self, rule: RuleIx) -> Option<String> {
        self.conduit.policy.rules().get(usize::try_from(rule.0).ok()?).map(|rule| rule.place.clone())
    }
}

impl Ruling {
    /// A refusal that no rule made.
    pub(super) const fn denied(reason: Reason) -> Self {
        Self { verdict: Some(VerdictWord::Denied), reason: Some(reason), rules: Vec::new() }
    }

    /// Whether it is refused, or would be.
    pub fn is_refused(&self) -> bool {
        matches!(self.verdict, Some(VerdictWord::Denied | VerdictWord::WouldDeny))
    }
}

/// The one identity that can be on the conduit at all, where there is only one.
fn only(site: &Site, conduit: &Conduit) -> Option<usize> {
    let may = |(place, one)| may_enter(site, conduit, one).is_ok().then_some(place);
    let mut may = site.identities.iter().enumerate().filter_map(may);
    may.next().filter(|_| may.next().is_none())
}

/// Held values that never grow old.
fn ageless(conduit: &Conduit) -> Result<Held, Vec<Fault>> {
    let mut plan = conduit.plan.clone();
    plan.settings.0.insert("step_age", Setting::Duration(Duration::MAX));
    compile(&plan).map(|policy| Held::new(&policy))
}
