//! How does `check` tell what a conduit misses of its zones' security level?

use std::fmt::Write;

use serde_json::{Value, json};
use sluicegate_config::levels::{ConduitLevel, LevelGap, Requirement, SOURCE};

use crate::check::SiteReport;

/// Where each code has its section.
const PAGE: &str = "docs/findings.md";

/// One line for the level, and three for each gap.
pub(super) fn text(level: &ConduitLevel, text: &mut String) {
    if level.target == 0 {
        return;
    }
    let _ = writeln!(
        text,
        "  SL-T {}: {} requirement(s): {} kept here, {} missed, {} left to other means, {} no gateway's",
        level.target,
        level.owed().count(),
        level.kept().count(),
        level.missed().count(),
        level.by_other_means().count(),
        level.no_gateways().count(),
    );
    for gap in &level.gaps {
        let place = gap.finding.places.first();
        let place = place.map(|at| format!("  {}:{}", at.file.display(), at.line_column().0)).unwrap_or_default();
        let _ = writeln!(text, "  SL-T gap {}: {}{place}", gap.finding.code, gap.finding.message);
        for one in &gap.requirements {
            let _ = writeln!(text, "    misses {} (SL {}): {}", one.id, one.level, one.says);
        }
        for help in &gap.finding.help {
            let _ = writeln!(text, "    = help: {help}");
        }
    }
}

/// What the plant has to show by other means, once for the whole site: it is the same on every conduit of one target.
pub(super) fn by_other_means(site: &SiteReport, text: &mut String) {
    let Some(highest) = site.conduits.iter().map(|one| &one.level).max_by_key(|one| one.target) else { return };
    let ids: Vec<_> = highest.by_other_means().map(|(one, _)| one.id).collect();
    if !ids.is_empty() {
        let _ = writeln!(text, "SL-T {}, left to other means ({PAGE}): {}", highest.target, ids.join(", "));
        let _ = writeln!(text, "  ({SOURCE})");
    }
}

/// `{"target","source","kept":[],"gaps":[],"by_other_means":[],"no_gateways":[]}`; ids are the standard's.
pub(super) fn json(level: &ConduitLevel) -> Value {
    let ids = |all: &mut dyn Iterator<Item = &'static Requirement>| all.map(|one| one.id).collect::<Vec<_>>();
    let elsewhere = level.by_other_means().map(|(one, means)| {
        let mut object = requirement(one);
        object["means"] = means.into();
        object
    });
    json!({
        "target": level.target,
        "source": SOURCE,
        "kept": ids(&mut level.kept()),
        "gaps": level.gaps.iter().map(gap_json).collect::<Vec<_>>(),
        "by_other_means": elsewhere.collect::<Vec<_>>(),
        "no_gateways": ids(&mut level.no_gateways()),
    })
}

/// The finding, with its page and what is missed.
fn gap_json(gap: &LevelGap) -> Value {
    let mut object = gap.finding.to_json();
    object["requirements"] = gap.requirements.iter().map(|one| requirement(one)).collect();
    object["page"] = format!("{PAGE}#{}", gap.finding.code.to_lowercase()).into();
    object
}

fn requirement(one: &Requirement) -> Value {
    json!({ "id": one.id, "level": one.level, "says": one.says })
}
