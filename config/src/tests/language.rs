//! Is every key of the language's own example served, or refused by name?

use std::collections::BTreeSet;

use super::*;

/// The configuration block of the language's page, as it stands there.
const PAGE: &str = include_str!("language.toml");

/// What of it is not served yet, by the words that the refusals use. This list only shrinks.
const REFUSED: &[(&str, &str)] = &[
    ("`requires_grant`", "roles.requires_grant"),
    ("`max_grant`", "roles.max_grant"),
    ("`approvers`", "roles.approvers"),
    ("`second_factor`", "roles.second_factor"),
    ("`tunnels`", "tunnels"),
    ("`sinks`", "audit.sinks"),
    ("`console`", "console"),
];

fn page_plant() -> tempfile::TempDir {
    let dir = plant();
    std::fs::create_dir(dir.path().join("conduits.d")).expect("made");
    dir
}

#[test]
fn the_example_is_refused_exactly_for_what_is_not_served() {
    let dir = page_plant();
    let found = load_str(PAGE, dir.path()).expect_err("parts are not served yet");
    let errors: Vec<_> = found.iter().filter(|one| one.severity == finding::Severity::Error).collect();
    let mut seen = BTreeSet::new();
    for one in &errors {
        assert_eq!(one.code, "E090", "{}", one.render(false));
        let known = REFUSED.iter().find(|(word, _)| one.message.contains(word));
        let (word, _) = known.unwrap_or_else(|| panic!("not on the list: {}", one.render(false)));
        seen.insert(*word);
    }
    assert_eq!(
        seen,
        REFUSED.iter().map(|(word, _)| *word).collect(),
        "the list only shrinks: take out what is served now"
    );
}

#[test]
fn what_the_example_is_refused_for_is_on_the_list_of_what_is_not_served() {
    let list = not_served();
    for (_, name) in REFUSED {
        assert!(list.iter().any(|one| one == name), "{name} is not on {list:#?}");
    }
}

#[test]
fn the_rest_of_the_example_loads() {
    let dir = page_plant();
    let text = served_part();
    let loaded = good(&text, dir.path());
    let site = loaded.site;
    assert_eq!(site.timezone.iana_name(), Some("Europe/Oslo"));
    let conduit = &site.conduits[0];
    assert_eq!(conduit.upstream_connections, 1);
    assert_eq!(conduit.limits.bytes.map(|one| (one.count, one.burst)), Some((256 << 10, 256 << 10)));
    assert_eq!(conduit.limits.targets.map(|one| one.per.as_secs()), Some(60));
    assert_eq!(conduit.settings.ints("functions"), [1, 2, 3, 4, 5, 6, 16, 43]);
    assert_eq!(conduit.plan.rules.iter().filter(|one| !one.allow).count(), 1);
    assert_eq!(site.tests[0].expect, Some(sluicegate_proto::vocab::Reason::AddressNotAllowed));
    assert!(site.zones[2].safety && site.zones[3].untrusted);
    assert_eq!(site.zones[0].level_tenths, Some(30));
    assert_eq!(
        site.identities[0].matches,
        plan::Match::Uri { text: "spiffe://north-pumping/scada-1".to_owned(), prefix: false }
    );
}

/// The example without what is not served: whole tables, and single keys.
fn served_part() -> String {
    let mut kept = Vec::new();
    let mut skip = false;
    for line in PAGE.lines() {
        if line.starts_with('[') {
            skip = ["[tunnels.", "[[audit.sinks]]", "[console]"].iter().any(|one| line.starts_with(one));
        }
        let key = line.split_whitespace().next().unwrap_or_default();
        let refused = ["requires_grant", "max_grant", "approvers", "second_factor"].contains(&key);
        if !skip && !refused {
            kept.push(line.replace("\"hmi identify device-id\", ", ""));
        }
    }
    kept.join("\n")
}
