//! How is Sluicegate started? With everything on: twenty rules, limits, metrics, audit; one request in ten is a write that
//! is recorded.

use std::process::Command;

use crate::{
    contender::{Need, Setup, Started},
    process,
};

/// Of the same build as this bench.
pub(crate) const SLUICEGATE: &str = env!("CARGO_BIN_EXE_sluicegate");

pub(super) fn version() -> Result<String, String> {
    process::version(SLUICEGATE, &["version"])
}

/// A device connection for each client, or what the scenario needs.
pub(super) fn start(setup: &Setup<'_>) -> Result<Started, String> {
    begin(setup, setup.need)
}

/// All clients over one device connection.
pub(super) fn start_shared(setup: &Setup<'_>) -> Result<Started, String> {
    begin(setup, Need { shared: true, pipeline: true, ..setup.need })
}

fn begin(setup: &Setup<'_>, need: Need) -> Result<Started, String> {
    let text = configuration(setup, need);
    let file = setup.plant.write("sluicegate.toml", &text);
    setup.plant.keep(&format!("sluicegate-{}.toml", label(need)), &text);
    if need.bulk.is_some() {
        let check = Command::new(SLUICEGATE).arg("check").arg("--config").arg(&file).output();
        let check = check.map_err(|error| error.to_string())?;
        if !check.status.success() {
            let told = [check.stdout, check.stderr].concat();
            let told = String::from_utf8_lossy(&told);
            let first = told.lines().find(|line| line.contains("error")).unwrap_or_default().to_owned();
            return Err(format!("SKIPPED, `check` refuses an opaque conduit: {first}"));
        }
    }
    let mut command = Command::new(SLUICEGATE);
    if need.one_core {
        command = Command::new("taskset");
        command.args(["-c", "0", SLUICEGATE]);
    }
    command.arg("run").arg("--config").arg(file);
    Ok(Started::here(command, setup.gate))
}

/// The name of a conduit's kind among the kept configurations.
fn label(need: Need) -> String {
    let words = [
        (need.shared, "shared"),
        (need.pipeline, "pipeline"),
        (need.durable, "durable"),
        (need.guarded, "guarded"),
        (need.bulk.is_some(), "opaque"),
        (need.one_core, "one-core"),
    ];
    let words: Vec<&str> = words.into_iter().filter_map(|(is, word)| is.then_some(word)).collect();
    format!("{}x{}-{}", need.conduits, need.rules, if words.is_empty() { "plain".into() } else { words.join("-") })
}

fn configuration(setup: &Setup<'_>, need: Need) -> String {
    let (plant, gate, metrics) = (setup.plant, setup.gate, setup.metrics);
    let certificate = if need.conduits > 1 { "many" } else { "gate" };
    let mut text = format!(
        "schema = 1\n[site]\nname = \"bench\"\nstate = \"{state}\"\n{control}\
         [defaults]\nmax_sessions = 10000\n\
         [zones.a]\nlevel = 3\n[zones.b]\nlevel = 2\n\
         [certificates.gateway]\ncert = \"{crt}\"\nkey = \"{key}\"\n\
         [authorities.plant]\nroots = \"{ca}\"\ncrl = \"{crl}\"\nnames = [\"spiffe://bench/*\"]\n\
         [identities.scada]\nzone = \"a\"\nauthority = \"plant\"\nmatch = {{ uri = \"spiffe://bench/scada\" }}\n\
         roles = [\"hmi\"]\n\
         [identities.attacker]\nzone = \"a\"\nauthority = \"plant\"\nmatch = {{ uri = \"spiffe://bench/attacker\" }}\n\
         roles = [\"guest\"]\n[roles.hmi]\n[roles.guest]\n\
         [listeners.ot]\nzone = \"a\"\nbind = \"{gate}\"\ntransport = \"tls\"\ncertificate = \"gateway\"\n\
         authorities = [\"plant\"]\n\
         [audit]\ndurable = \"{durable}\"\n[metrics]\nbind = \"{metrics}\"\nmax_series = 1000000\n",
        state = plant.fresh("state").display(),
        control = if need.control { format!("control = \"{}\"\n", plant.pem("control.sock")) } else { String::new() },
        crt = plant.pem(&format!("{certificate}.crt")),
        key = plant.pem(&format!("{certificate}.key")),
        ca = plant.pem("plant.crt"),
        crl = plant.pem("plant.crl"),
        durable = if need.durable { "writes" } else { "sessions" },
    );
    let rules = rules(need.rules);
    for place in 0..need.conduits {
        text.push_str(&conduit(setup, need, place, &rules));
    }
    text
}

fn conduit(setup: &Setup<'_>, need: Need, place: usize, rules: &str) -> String {
    let sni = if need.conduits > 1 { format!("sni = \"{}\"\n", name(place)) } else { String::new() };
    let connections = if need.guarded { "100/s burst 100" } else { "100000/s" };
    let (protocol, table) = if need.bulk.is_some() {
        ("opaque", format!("[conduits.c{place}.opaque]\nallow = [\"hmi program session\"]\n"))
    } else {
        let allow = format!("allow = [{rules}\"guest read holding 900-901\"]\n");
        ("modbus", format!("[conduits.c{place}.modbus]\nunits = [1]\n{allow}"))
    };
    let upstream = if need.bulk.is_some() {
        String::new()
    } else {
        format!(
            "upstream_mode = \"{}\"\nupstream_pending = {}\nupstream_pipeline = {}\n",
            if need.shared { "shared" } else { "per-session" },
            if need.pipeline { 64 } else { 1 },
            need.pipeline
        )
    };
    let limits = if need.bulk.is_some() {
        format!("connections = \"{connections}\"\nbytes = \"1000000MiB/s\"\n")
    } else {
        format!(
            "requests = \"1000000/s\"\npeer_requests = \"1000000/s\"\nwrites = \"1000000/s\"\n\
             connections = \"{connections}\"\nbytes = \"1000MiB/s\"\nrefusals = \"20/s burst 100\"\n"
        )
    };
    format!(
        "[conduits.c{place}]\nfrom = \"a\"\nto = \"b\"\nlistener = \"ot\"\n{sni}upstream = \"{device}\"\n\
         protocol = \"{protocol}\"\n{upstream}[conduits.c{place}.limits]\n{limits}{table}",
        device = setup.device
    )
}

/// The server name of a conduit, where there are several.
pub(crate) fn name(place: usize) -> String {
    format!("c{place}.bench.test")
}

/// Half of them read, half of them write with values; together they cover what the clients ask.
fn rules(count: usize) -> String {
    let blocks = (count / 2).max(1);
    let size = (65_000 / blocks).min(20);
    (0..blocks)
        .flat_map(|block| {
            let (first, last) = (block * size, block * size + size - 1);
            [
                format!("\"hmi read holding {first}-{last}\", "),
                format!("\"hmi write holding {first}-{last} = 0..1500\", "),
            ]
        })
        .collect()
}
