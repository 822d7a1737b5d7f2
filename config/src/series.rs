//! How many series do the metrics of a site have?
//!
//! ```text
//! series = 20
//!        + 11 a listener + 1 a certificate + 1 an authority with a CRL
//!        + a conduit: 3 (functions + 1) + 3 classes + 3 reasons + causes + repairs + rules + 80
//! ```
//! The gateway's own table of series is tested against this.

use std::collections::BTreeSet;

use sluicegate_proto::{
    policy::Plan,
    sentence::{Index, Sentence},
    vocab::{Cause, Class, Mode, Reason, Repair, VerdictWord},
};

use crate::plan::{Conduit, Site};

/// The series (lines of a scrape) of a site: what `metrics.max_series` bounds.
pub fn series(site: &Site) -> u32 {
    let conduits: usize = site.conduits.iter().map(of_conduit).sum();
    let crls = site.authorities.iter().filter(|one| one.crl.is_some()).count();
    let all = SITE + conduits + site.listeners.len() * LISTENER + site.certificates.len() + crls;
    u32::try_from(all).unwrap_or(u32::MAX)
}

/// Audit 6; reloads 6; build, clock and panics 3; log levels 5.
const SITE: usize = 6 + 6 + 1 + 1 + 1 + 5;
/// Handshake outcomes 9, versions 2.
const LISTENER: usize = 9 + 2;
/// Responses 5, device exceptions 11, bytes 2, sessions 3 times 2 kinds, limits 9 times 2 actions, upstream 2, kill
/// switch 1, last allowed 1, silent units 1.
const CONDUIT: usize = 5 + 11 + 2 + 3 * 2 + 9 * 2 + 2 + 1 + 1 + 1;
/// Buckets with the one for all, sum and count: inspection 13 + 3, upstream 11 + 3.
const HISTOGRAMS: usize = 16 + 14;

fn of_conduit(conduit: &Conduit) -> usize {
    let functions = functions(&conduit.plan).len() + 1;
    let rules: BTreeSet<_> = conduit.plan.rules.iter().map(|rule| &rule.id).collect();
    CONDUIT
        + HISTOGRAMS
        + functions * VerdictWord::ALL.len()
        + Class::ALL.len() * VerdictWord::ALL.len()
        + Reason::ALL.len() * Mode::ALL.len()
        + Cause::ALL.len()
        + Repair::ALL.len()
        + Mode::ALL.len()
        + rules.len()
}

/// The function codes that a policy names: those that its rules can apply to and those of the outer list.
pub fn functions(plan: &Plan) -> BTreeSet<u16> {
    let outer = plan.settings.ints("functions").iter().filter_map(|code| u16::try_from(*code).ok());
    outer.chain(plan.rules.iter().flat_map(|rule| of_sentence(plan, &rule.sentence))).collect()
}

fn of_sentence(plan: &Plan, sentence: &Sentence) -> Vec<u16> {
    if !sentence.via.is_empty() {
        return sentence.via.clone();
    }
    let grammar = plan.protocol.grammar();
    let object = grammar.objects.get(usize::from(sentence.object.0));
    if object.is_some_and(|one| one.index == Index::Code) {
        // `function 43/13` is held as code + 256 * (sub + 1); a code fits a byte, so there are at most 256.
        let codes = sentence.ranges.iter().flat_map(|(first, last)| (*first..=*last).take(256));
        return codes.filter_map(|code| u16::try_from(code % 256).ok()).collect();
    }
    let rows = grammar.functions.iter().filter(|one| one.object == sentence.object && one.class == sentence.class);
    rows.filter(|one| !one.named_only).map(|one| one.code).collect()
}
