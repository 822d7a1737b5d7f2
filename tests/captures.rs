//! `decode` and `replay` say of a capture what it says, whoever wrote it, and break at none.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sluicegate::capture::{Reading, read};
use sluicegate_proto::{keys::Settings, protocol::Protocol};

use crate::gate::{repository, shared};

mod cost;
mod hostile;
mod links;
mod oracle;
mod page;
mod replay;
mod streams;
mod telecontrol;
mod writer;

/// What `decode` makes of a file: its lines, its summary.
fn decode(path: &Path, protocol: Protocol, ports: &[u16]) -> (Vec<Value>, Value) {
    let (mut lines, grammar) = (Vec::new(), protocol.grammar());
    let reading = Reading {
        path,
        protocol,
        settings: Settings::default(),
        ports: ports.to_vec(),
        likely: protocol.ports().to_vec(),
        gate: None,
    };
    let mut each = |line: &sluicegate::capture::Line| lines.push(line.to_json(protocol.as_str(), grammar));
    let total = read(reading, &mut each).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    (lines, total.to_json())
}

/// The same for the bytes of a capture.
fn decoded(bytes: &[u8]) -> (Vec<Value>, Value) {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("it is writable");
    decode(file.path(), Protocol::Modbus, &[])
}

/// The captures of one protocol in the shared corpora; none in a plain clone, said aloud.
fn corpora(protocol: &str) -> Vec<PathBuf> {
    let Some(folder) = shared(&format!("corpora/{protocol}")) else { return Vec::new() };
    files(&folder)
}

/// The captures that lie in this repository.
fn kept() -> Vec<PathBuf> {
    files(&repository().join("tests/captures"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is readable");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it is readable").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "pcap" || ending == "pcapng"));
    files.sort();
    files
}

/// Every protocol that has captures.
const PROTOCOLS: &[&str] =
    &["bacnet", "dnp3", "enip", "fins", "iec104", "melsec", "mms", "modbus", "opcua", "s7comm", "s7commplus"];
