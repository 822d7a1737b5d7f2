//! Which site do the engine's tests share?

use std::path::Path;

use sluicegate_config::plan::Site;

use super::Plan;

pub(super) fn site(plan: Plan<'_>) -> Site {
    let Plan { conduit, limits, modbus, tables, .. } = plan;
    let list = |rules: &[&str]| rules.iter().map(|rule| format!("{rule:?},")).collect::<String>();
    let (allow, deny) = (list(plan.allow), list(plan.deny));
    let people: String = ["op-1", "op-2", "view-1"]
        .into_iter()
        .zip(["operator", "operator", "viewer"])
        .zip(1..)
        .map(|((name, role), n)| {
            format!("[identities.{name}]\nzone = \"upper\"\nmatch = {{ source = \"127.0.0.{n}/32\" }}\nroles = [\"{role}\"]\n")
        })
        .collect();
    let text = format!(
        r#"
schema = 1
[site]
name = "bench"
[zones.upper]
level = 3
[zones.lower]
level = 1
{people}
[roles.operator]
[roles.viewer]
[listeners.ot]
zone = "upper"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
[conduits.cell]
from = "upper"
to = "lower"
listener = "ot"
upstream = "127.0.0.1:1"
protocol = "modbus"
{conduit}
[conduits.cell.limits]
{limits}
[conduits.cell.modbus]
units = [1]
{modbus}
allow = [{allow}]
deny = [{deny}]
{tables}
"#
    );
    load(&text)
}

/// The site of a text that must be good.
pub(in super::super) fn load(text: &str) -> Site {
    match sluicegate_config::load_str(text, Path::new(".")) {
        Ok(loaded) => loaded.site,
        Err(findings) => panic!("{}", findings.iter().map(|one| one.render(false)).collect::<String>()),
    }
}
