//! What is this binary, and what do its presets stand for?

use std::fmt::Write;

use serde_json::json;
use sluicegate_proto::protocol::Protocol;

use super::{Exit, print, print_json};

/// The source revision that the build was told (`SLUICEGATE_REVISION`).
const REVISION: Option<&str> = option_env!("SLUICEGATE_REVISION");

/// The one provider of cryptography that is built in.
const TLS_PROVIDER: &str = "aws-lc-rs";

pub(super) fn version(as_json: bool) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    let protocols: Vec<_> = Protocol::ALL.iter().map(|one| one.as_str()).collect();
    if as_json {
        print_json(&json!({
            "version": version, "revision": REVISION, "tls_provider": TLS_PROVIDER, "protocols": protocols,
        }));
    } else {
        let revision = REVISION.map(|one| format!(" ({one})")).unwrap_or_default();
        print(&format!(
            "sluicegate {version}{revision}\ntls provider: {TLS_PROVIDER}\nprotocols: {}\n",
            protocols.join(", ")
        ));
    }
    Exit::Good
}

pub(super) fn presets(as_json: bool) -> Exit {
    if as_json {
        let all = Protocol::ALL.iter().flat_map(|protocol| {
            protocol
                .presets()
                .iter()
                .map(|one| json!({ "protocol": protocol.as_str(), "preset": one.name, "sentences": one.sentences }))
        });
        print_json(&json!({ "presets": all.collect::<Vec<_>>() }));
        return Exit::Good;
    }
    let mut text = String::new();
    for protocol in Protocol::ALL {
        for preset in protocol.presets() {
            let _ = writeln!(text, "{protocol}: preset = \"{}\" stands for", preset.name);
            for sentence in preset.sentences {
                let _ = writeln!(text, "  {sentence:?},");
            }
        }
    }
    print(&text);
    Exit::Good
}
