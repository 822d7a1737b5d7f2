//! Could this configuration come into force? Everything that can fail, before anything changes.

use std::sync::Arc;

use sluicegate_config::plan::Site;

use crate::{
    check::policy_tests,
    faults::Clock,
    listen::{self, Bound},
    observe::series::{self, SiteLabels},
    run::{Helm, Prepared},
    trust::Trust,
    worker::World,
};

/// What is wrong, as it is printed: one text for each fault.
pub(super) type Faults = Vec<String>;

/// Prepares `site` to follow what is in force.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn prepare(site: Site, helm: &Helm) -> Result<Prepared, Faults> {
    let site = Arc::new(site);
    let world = helm.world();
    let mut faults = needs_restart(&world, &site);
    faults.extend(fit(&site));
    let trust = trust(&site, world.trust.clock().clone(), &mut faults);
    // Only where all else is well: a socket that is bound for nothing would turn peers away.
    let bound = if faults.is_empty() { bind(&site, helm, &mut faults) } else { Vec::new() };
    match trust {
        Some(trust) if faults.is_empty() => Ok(Prepared { site, trust, bound }),
        _ => Err(faults),
    }
}

/// Failing policy tests, and more series than may be.
pub(super) fn fit(site: &Site) -> Faults {
    let mut faults = Vec::new();
    for test in policy_tests(site) {
        if let Some(came) = &test.failure {
            let (name, place, expected) = (&test.name, &test.place, &test.expected);
            faults.push(format!("error: the test {name:?} fails\n  --> {place}\n  expected {expected}, got {came}\n"));
        }
    }
    let count = series::count(&SiteLabels::of(site));
    if count > usize::try_from(site.max_series).unwrap_or(usize::MAX) {
        faults.push(format!("error: {count} series are more than metrics.max_series = {}\n", site.max_series));
    }
    faults
}

/// Certificates, keys and revocation lists, read now.
pub(super) fn trust(site: &Arc<Site>, clock: Clock, faults: &mut Faults) -> Option<Arc<Trust>> {
    match Trust::load(site, clock) {
        Ok(trust) => Some(Arc::new(trust)),
        Err(found) => {
            faults.extend(found.iter().map(|one| one.finding(site).render(false)));
            None
        }
    }
}

fn bind(site: &Site, helm: &Helm, faults: &mut Faults) -> Vec<Bound> {
    let mut bound = Vec::new();
    for listener in helm.unbound(site) {
        match listen::bind_one(listener) {
            Ok(one) => bound.push(one),
            Err(error) => faults.push(format!("error: {error}\n")),
        }
    }
    bound
}

/// What a process is given at its start and keeps.
fn needs_restart(world: &World, new: &Site) -> Faults {
    let old = &world.site;
    let metrics = |site: &Site| site.metrics.as_ref().map(|one| (one.bind, one.tls.is_some()));
    let audit = |site: &Site| (site.audit.overwrite_oldest, site.audit.durable_writes);
    let changed = [
        ("site.state", old.state != new.state),
        ("site.control", old.control != new.control),
        ("[audit]", audit(old) != audit(new)),
        ("metrics.bind, or whether it has TLS,", metrics(old) != metrics(new)),
    ];
    let fault = |(key, changed): (&str, bool)| {
        let text =
            format!("error: {key} cannot change while the gateway runs\n  help: restart it, or write what was there\n");
        changed.then_some(text)
    };
    changed.into_iter().filter_map(fault).collect()
}
