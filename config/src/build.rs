//! What does the checked table amount to? Names are resolved, defaults filled in, and what does not fit is told.
//!
//! ```text
//! trust      zones, certificates, authorities
//! people     identities, roles
//! listener   listeners, and which conduits stand behind each
//! conduit    conduits: upstream, limits, faults, rules
//! rules      sentences -> rules, placed in their file
//! schedule   schedules, budgets
//! promise    [[tests]]
//! elsewhere  files that may have been meant
//! ```
//! A part that does not fit gets a stand-in, so that all parts are looked at; the site is handed out only when nothing
//! was refused.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    fault::{At, Fault, Faults, Sources, did_you_mean},
    finding::codes,
    plan::{Audit, AuthorityId, CertificateId, Metrics, Site, ZoneId},
    read::{
        Merged, regular, scalar,
        tree::{Table, Text},
    },
};

mod conduit;
mod elsewhere;
mod limits;
mod listener;
mod people;
mod promise;
mod rules;
mod schedule;
mod trust;
mod upstream;

pub(crate) use conduit::can_come;
pub(crate) use people::within;

/// More things of one kind than any site has; ids are 16 bits wide.
const MOST: usize = 10_000;

/// What all parts are built from.
pub(crate) struct Ground<'m> {
    pub(crate) root: &'m Table,
    pub(crate) sources: &'m Sources,
    names: BTreeMap<&'static str, BTreeMap<&'m str, u16>>,
}

/// A kind of named thing: its table and its noun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noun(pub(crate) &'static str, pub(crate) &'static str);

pub(crate) const ZONE: Noun = Noun("zones", "zone");
pub(crate) const CERTIFICATE: Noun = Noun("certificates", "certificate");
pub(crate) const AUTHORITY: Noun = Noun("authorities", "authority");
pub(crate) const IDENTITY: Noun = Noun("identities", "identity");
pub(crate) const ROLE: Noun = Noun("roles", "role");
pub(crate) const LISTENER: Noun = Noun("listeners", "listener");
pub(crate) const CONDUIT: Noun = Noun("conduits", "conduit");
pub(crate) const POLICY: Noun = Noun("policies", "policy");
pub(crate) const SCHEDULE: Noun = Noun("schedules", "schedule");
pub(crate) const BUDGET: Noun = Noun("budgets", "budget");

const NOUNS: [Noun; 10] = [ZONE, CERTIFICATE, AUTHORITY, IDENTITY, ROLE, LISTENER, CONDUIT, POLICY, SCHEDULE, BUDGET];

/// The site, and where the rules of each conduit stand.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) site: Site,
    /// By conduit and rule.
    pub(crate) places: Vec<Vec<At>>,
}

/// Builds the site. It counts only where `faults` refuse nothing afterwards.
pub(crate) fn site(ground: &Ground<'_>, merged: &Merged, faults: &mut Faults) -> Built {
    let zones = trust::zones(ground);
    let certificates = trust::certificates(ground, faults);
    let authorities = trust::authorities(ground, faults);
    let roles = people::roles(ground, faults);
    let identities = people::identities(ground, &zones, faults);
    let listeners = listener::listeners(ground, faults);
    let schedules = schedule::schedules(ground, faults);
    let budgets = schedule::budgets(ground, faults);
    let mut site = Site {
        name: ground.site_text("name").map(|(name, _)| name.to_owned()).unwrap_or_default(),
        timezone: ground.timezone(faults),
        state: ground
            .site_text("state")
            .map_or_else(|| PathBuf::from(STATE), |(path, at)| merged.sources.resolve(path, at)),
        watch: ground.root.table("site").is_some_and(|site| site.flag("watch")),
        control: ground
            .site_text("control")
            .map_or_else(|| PathBuf::from(CONTROL), |(path, at)| merged.sources.resolve(path, at)),
        control_group: ground.site_text("control_group").map_or(CONTROL_GROUP, |(name, _)| name).to_owned(),
        hash: merged.hash.clone(),
        files: merged.sources.0.iter().map(|source| source.name.clone()).collect(),
        zones,
        certificates,
        authorities,
        identities,
        roles,
        listeners,
        conduits: Vec::new(),
        schedules,
        audit: ground.audit(),
        metrics: ground.metrics(faults),
        max_series: ground.max_series(),
        tests: Vec::new(),
    };
    let conduits = conduit::conduits(ground, &site, &budgets, faults);
    let places;
    (site.conduits, places) = conduits.into_iter().unzip();
    site.tests = promise::tests(ground, faults);
    Built { site, places }
}

/// `site.state` where it is not written.
pub(crate) const STATE: &str = "/var/lib/sluicegate";
/// `site.control` where it is not written.
pub(crate) const CONTROL: &str = "/run/sluicegate/control.sock";
/// `site.control_group` where it is not written.
const CONTROL_GROUP: &str = "sluicegate-admin";
/// `metrics.max_series` where it is not written.
const MAX_SERIES: u32 = 20_000;

impl<'m> Ground<'m> {
    /// The ground under a merged table.
    pub(crate) fn new(merged: &'m Merged, faults: &mut Faults) -> Self {
        let root = &merged.root;
        let mut names = BTreeMap::new();
        for noun in NOUNS {
            let named = root.named(noun.0);
            if let Some((_, at, _)) = named.get(MOST) {
                let fault = Fault::new(codes::TOO_MUCH, at, format!("more than {MOST} {}", noun.0), "one too many");
                faults.add(fault.help("share them out among several gateways".to_owned()));
            }
            names.insert(noun.0, named.iter().map(|(name, ..)| *name).zip(0..).collect());
        }
        for table in ["site", "zones", "listeners", "conduits"] {
            if root.get(table).is_none() {
                let fault =
                    Fault::new(codes::MISSING, &At::default(), format!("[{table}] is missing"), "the file starts here");
                let header = if table == "site" { "[site]".to_owned() } else { format!("[{table}.NAME]") };
                faults.add(fault.help(format!("write the header {header}, and its keys below it")));
            }
        }
        Self { root, sources: &merged.sources, names }
    }

    /// The place of the named thing among its kind; an unknown name is told.
    pub(crate) fn find(&self, noun: Noun, (name, at): Text<'_>, faults: &mut Faults) -> Option<u16> {
        let names = self.names.get(noun.0)?;
        let found = names.get(name).copied();
        if found.is_none() && scalar::name(name) {
            let fault = Fault::new(codes::UNKNOWN_NAME, at, format!("there is no {} `{name}`", noun.1), "not defined");
            let help =
                did_you_mean(name, names.keys().copied()).unwrap_or_else(|| format!("define it: [{}.{name}]", noun.0));
            faults.add(fault.help(help));
        }
        found
    }

    /// Whether there is such a thing.
    pub(crate) fn has(&self, noun: Noun, name: &str) -> bool {
        self.names.get(noun.0).is_some_and(|names| names.contains_key(name))
    }

    /// A name of the kind that may stand in a help; a stand-in where there is none yet.
    pub(crate) fn some(&self, noun: Noun) -> &'m str {
        self.names(noun).next().unwrap_or("...")
    }

    /// The names of a kind.
    pub(crate) fn names(&self, noun: Noun) -> impl Iterator<Item = &'m str> {
        self.names.get(noun.0).into_iter().flat_map(|names| names.keys().copied())
    }

    /// The zone that `key` names; a stand-in where it names none.
    pub(crate) fn zone(&self, table: &Table, key: &str, faults: &mut Faults) -> ZoneId {
        ZoneId(table.text(key).and_then(|text| self.find(ZONE, text, faults)).unwrap_or_default())
    }

    /// The certificate that `key` names.
    pub(crate) fn certificate(&self, table: &Table, key: &str, faults: &mut Faults) -> Option<CertificateId> {
        self.find(CERTIFICATE, table.text(key)?, faults).map(CertificateId)
    }

    /// The authorities that `key` names.
    pub(crate) fn authorities(&self, table: &Table, key: &str, faults: &mut Faults) -> Vec<AuthorityId> {
        let texts = table.texts(key);
        texts.into_iter().filter_map(|text| self.find(AUTHORITY, text, faults).map(AuthorityId)).collect()
    }

    /// A file that is named there; one that cannot be read is told.
    pub(crate) fn path(&self, (path, at): Text<'_>, faults: &mut Faults) -> PathBuf {
        let full = self.sources.resolve(path, at);
        // Opened as well: a file may be there and not be ours to read.
        let read = regular(&full).and_then(|()| std::fs::File::open(&full).map(drop));
        if let Err(wrong) = read {
            let message = format!("cannot read {}: {wrong}", full.display());
            let help = match wrong.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "whoever runs this must be able to read it, as the service must"
                }
                _ => "a relative path starts from the directory of the file that names it",
            };
            let near = elsewhere::near(path, &full);
            let help = near.map_or_else(|| help.to_owned(), |near| format!("did you mean `{near}`?"));
            faults.add(Fault::new(codes::NO_FILE, at, message, "named here").help(help));
        }
        full
    }

    fn site_text(&self, key: &str) -> Option<Text<'m>> {
        self.root.table("site")?.text(key)
    }

    fn timezone(&self, faults: &mut Faults) -> jiff::tz::TimeZone {
        let Some((name, at)) = self.site_text("timezone") else { return jiff::tz::TimeZone::UTC };
        jiff::tz::TimeZone::get(name).unwrap_or_else(|_| {
            let known: Vec<String> = jiff::tz::db().available().map(|one| one.to_string()).collect();
            let fault = Fault::new(
                codes::TIMEZONE,
                at,
                format!("there is no time zone `{name}`"),
                "not in the time zone database",
            );
            // Many remember the city only.
            let city = |one: &&String| one.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name));
            let help = known.iter().find(city).map(|one| format!("did you mean `{one}`?"));
            let help = help.or_else(|| did_you_mean(name, known.iter().map(String::as_str)));
            let help = help.unwrap_or_else(|| "write a region and a city, such as Europe/Oslo, or UTC".to_owned());
            faults.add(fault.help(help));
            jiff::tz::TimeZone::UTC
        })
    }

    fn audit(&self) -> Audit {
        let word = |key: &str| self.root.table("audit").and_then(|audit| audit.text(key)).map(|(word, _)| word);
        Audit {
            overwrite_oldest: word("on_full") == Some("overwrite-oldest"),
            durable_writes: word("durable") == Some("writes"),
        }
    }

    fn max_series(&self) -> u32 {
        let written = self.root.table("metrics").and_then(|metrics| metrics.int("max_series"));
        written.and_then(|most| u32::try_from(most).ok()).unwrap_or(MAX_SERIES)
    }

    fn metrics(&self, faults: &mut Faults) -> Option<Metrics> {
        let table = self.root.table("metrics")?;
        let (text, at) = table.text("bind")?;
        let bind = scalar::bind(text).ok()?;
        let certificate = self.certificate(table, "certificate", faults);
        let authorities = self.authorities(table, "authorities", faults);
        let guarded = certificate.filter(|_| !authorities.is_empty());
        if guarded.is_none() && !bind.ip().to_canonical().is_loopback() {
            let message = "metrics off loopback need certificate and authorities";
            let fault = Fault::new(codes::METRICS, at, message, "anybody on this network could read them");
            faults.add(fault.help("bind 127.0.0.1, or write certificate and authorities".to_owned()));
        }
        Some(Metrics { bind, tls: guarded.map(|certificate| (certificate, authorities)) })
    }
}
