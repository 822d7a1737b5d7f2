//! Which requirements of its zones' security level does a conduit miss?
//!
//! A conduit owes what the higher target of its two zones asks for (IEC 62443-3-2). Each requirement up to that level is
//! kept by the gateway whatever is written, hangs on what is written, is left to the plant's other means, or is no matter
//! of a gateway.
//!
//! ```text
//! table      every requirement, and who keeps it
//! trust      what a conduit misses of who comes and what protects the bytes
//! rules      what it misses of rules, tests and what our own faults do
//! ```

use crate::{
    build::{Built, Ground},
    fault::{At, Fault, Faults},
    finding::{Finding, codes},
    plan::{Conduit, Site, Zone},
    read::tree::Table,
};

mod rules;
mod table;
mod trust;

pub use table::REQUIREMENTS;

/// Where the table of requirements comes from: said wherever it is shown.
pub const SOURCE: &str = "requirement ids of IEC 62443-3-3 with levels from secondary sources, in our own words";

/// One requirement of the standard.
#[derive(Debug, PartialEq, Eq)]
pub struct Requirement {
    /// `SR 1.2`, `SR 1.2 RE 1`.
    pub id: &'static str,
    /// The lowest security level that asks for it, 1 to 4.
    pub level: u8,
    /// What it asks for, in our words.
    pub says: &'static str,
    /// Who keeps it.
    pub kept: Kept,
}

/// Who keeps a requirement on a conduit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The gateway, whatever is written; how.
    Always(&'static str),
    /// The gateway, as far as none of these codes is found.
    Written(&'static [&'static str]),
    /// Not this version: the plant, by other means; which.
    Plant(&'static str),
    /// No matter of a gateway.
    NoGateway,
}

/// What a conduit owes and misses.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConduitLevel {
    /// The conduit.
    pub conduit: String,
    /// The higher SL-T of its two zones.
    pub target: u8,
    /// What is missed, in the order of the files.
    pub gaps: Vec<LevelGap>,
}

/// Something written, or not written, for which requirements are missed.
#[derive(Debug)]
#[non_exhaustive]
pub struct LevelGap {
    /// What is missed for it, in the table's order; never empty.
    pub requirements: Vec<&'static Requirement>,
    /// Where it is, and what to write.
    pub finding: Finding,
}

impl ConduitLevel {
    /// Every requirement up to the target.
    pub fn owed(&self) -> impl Iterator<Item = &'static Requirement> {
        let target = self.target;
        REQUIREMENTS.iter().filter(move |one| one.level <= target)
    }

    /// What is left to the plant's other means, and by which.
    pub fn by_other_means(&self) -> impl Iterator<Item = (&'static Requirement, &'static str)> {
        self.owed().filter_map(|one| match one.kept {
            Kept::Plant(means) => Some((one, means)),
            Kept::Always(_) | Kept::Written(_) | Kept::NoGateway => None,
        })
    }

    /// What no gateway has to do with.
    pub fn no_gateways(&self) -> impl Iterator<Item = &'static Requirement> {
        self.owed().filter(|one| one.kept == Kept::NoGateway)
    }

    /// What is missed, each requirement once.
    pub fn missed(&self) -> impl Iterator<Item = &'static Requirement> {
        self.owed().filter(|one| self.gaps.iter().any(|gap| gap.requirements.contains(one)))
    }

    /// What the gateway keeps on this conduit.
    pub fn kept(&self) -> impl Iterator<Item = &'static Requirement> {
        let here = |one: &&Requirement| matches!(one.kept, Kept::Always(_) | Kept::Written(_));
        self.owed().filter(here).filter(|one| !self.missed().any(|missed| missed == *one))
    }
}

/// The requirements up to `target` that are missed where `code` is found.
pub fn requirements(code: &str, target: u8) -> impl Iterator<Item = &'static Requirement> {
    let asks = move |one: &&Requirement| one.level <= target && one.codes().contains(&code);
    REQUIREMENTS.iter().filter(asks)
}

impl Requirement {
    /// The codes for which it is missed.
    pub fn codes(&self) -> &'static [&'static str] {
        match self.kept {
            Kept::Written(codes) => codes,
            Kept::Always(_) | Kept::Plant(_) | Kept::NoGateway => &[],
        }
    }
}

/// What each conduit of a site misses. What is wrong at every level, though no requirement asks for it, is added to
/// `faults`.
pub(crate) fn levels(ground: &Ground<'_>, built: &Built, faults: &mut Faults) -> Vec<ConduitLevel> {
    let tables = ground.root.named("conduits");
    let mut found = Vec::with_capacity(tables.len());
    for ((conduit, places), (_, at, table)) in built.site.conduits.iter().zip(&built.places).zip(tables) {
        let case = Case { ground, site: &built.site, conduit, places, at, table };
        found.push(case.level(faults));
    }
    found
}

/// A conduit, where it and its rules are written, and the site around it.
struct Case<'c, 'm> {
    ground: &'c Ground<'m>,
    site: &'c Site,
    conduit: &'c Conduit,
    places: &'c [At],
    at: &'c At,
    table: &'c Table,
}

impl<'c> Case<'c, '_> {
    fn level(&self, faults: &mut Faults) -> ConduitLevel {
        let target = self.site.target(self.conduit);
        let mut found = Vec::new();
        trust::look(self, &mut found);
        rules::look(self, &mut found);
        found.sort_by_key(Fault::order);
        let gaps = found.into_iter().filter_map(|fault| self.gap(fault, target, faults)).collect();
        ConduitLevel { conduit: self.conduit.name.clone(), target, gaps }
    }

    /// What `fault` is at `target`: a gap, a warning all the same, or nothing that this level asks for.
    fn gap(&self, fault: Fault, target: u8, faults: &mut Faults) -> Option<LevelGap> {
        let [from, to] = self.zones();
        let way = if fault.code() == codes::PLAIN_PEER { from } else { to };
        // What asks for cryptography on the way through untrusted networks says nothing of the others.
        let concerns = |one: &&Requirement| one.id != table::UNTRUSTED_WAY || way.untrusted;
        let requirements: Vec<_> = requirements(fault.code(), target).filter(concerns).collect();
        if requirements.is_empty() {
            if fault.code() == codes::JUMP {
                faults.add(fault);
            }
            return None;
        }
        Some(LevelGap { requirements, finding: self.ground.sources.finding(fault) })
    }

    fn zones(&self) -> [&'c Zone; 2] {
        [self.conduit.from, self.conduit.to].map(|id| &self.site.zones[id.index()])
    }

    /// The place of `key` in the conduit, else of the conduit.
    fn key(&self, key: &str) -> &'c At {
        self.table.get(key).map_or(self.at, |entry| &entry.at)
    }

    /// Name, place and table of the named thing.
    fn named(&self, table: &str, place: usize) -> Option<(&str, &At, &Table)> {
        self.ground.root.named(table).get(place).copied()
    }
}
