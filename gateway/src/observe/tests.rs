//! What do the tests of the audit trail share, and does an auditor see what they do?

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    chain::{NO_LINE, hex, sha256},
    journal::{Queued, Seq, Shared},
    record::{Event, Record},
    recover,
    site::AuditMetrics,
    trail::{Disk, FILE_BYTES, RealDisk, Shape, TOTAL_BYTES, files},
};

/// A disk of so many bytes; `u64::MAX` and `broken` for one that syncs nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Quota {
    pub(super) left: Arc<AtomicU64>,
    pub(super) broken: Arc<AtomicBool>,
}

impl Disk for Quota {
    fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        let left = usize::try_from(self.left.load(Ordering::SeqCst)).unwrap_or(usize::MAX);
        // As a full disk does: what fits is written, then it fails.
        file.write_all(&bytes[..bytes.len().min(left)])?;
        if bytes.len() > left {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.left.fetch_sub(bytes.len() as u64, Ordering::SeqCst);
        Ok(())
    }
    fn sync(&mut self, file: &File) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) { Err(io::Error::other("I/O error")) } else { file.sync_data() }
    }
}

pub(super) fn shape(state: &Path) -> Shape {
    Shape {
        dir: state.join("audit"),
        site: "here".to_owned(),
        overwrite_oldest: false,
        file_bytes: FILE_BYTES,
        total_bytes: TOTAL_BYTES,
    }
}

pub(super) fn queued(notes: &[&str], next: Seq) -> Vec<Queued> {
    let shared = Shared::new(notes.len(), next, AuditMetrics::detached());
    for note in notes {
        let mut record = Record::new(Event::Alarm);
        record.note = Some((*note).to_owned());
        shared.push_own(record);
    }
    let mut queued = Vec::new();
    shared.take(&mut queued, Duration::ZERO);
    queued
}

/// Every line of the trail, each proven to follow the one before it.
pub(super) fn verified(state: &Path) -> Vec<serde_json::Value> {
    let mut prev = None;
    let mut lines = Vec::new();
    for (_, path) in files(&state.join("audit")).expect("listed") {
        let text = fs::read_to_string(path).expect("read");
        assert!(text.is_empty() || text.ends_with('\n'));
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let seq = value["seq"].as_u64().expect("a number");
            let expected = prev.unwrap_or((seq - 1, if seq == 1 { hex(&NO_LINE) } else { claimed(&value) }));
            assert_eq!((seq, claimed(&value)), (expected.0 + 1, expected.1));
            prev = Some((seq, hex(&sha256(&[line.as_bytes()]))));
            lines.push(value);
        }
    }
    lines
}

fn claimed(value: &serde_json::Value) -> String {
    value["prev"].as_str().expect("a hash").to_owned()
}

/// Runs `docs/verify-audit.sh` as an auditor does. `None`, loudly, where its tools are not there.
fn auditor(dir: &Path, more: &[&str]) -> Option<(bool, String)> {
    for tool in ["openssl", "basenc", "sha256sum"] {
        if let Err(error) = Command::new(tool).arg("--help").output() {
            eprintln!("SKIPPED: {tool} cannot be run here ({error}); the auditor's script is not tested");
            return None;
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify-audit.sh");
    let ran = Command::new("sh").arg(script).arg(dir).args(more).output().expect("sh runs");
    let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    Some((ran.status.success(), said))
}

/// Three files and more, signed in the middle and at the end.
fn signed_trail(state: &Path) {
    let small = Shape { file_bytes: 3000, ..shape(state) };
    let (mut trail, found) = recover::open(state, small, Box::new(RealDisk)).expect("opened");
    let mut next = found.next;
    for i in 0..18 {
        let batch = trail.prepare(&queued(&[&format!("Pumpe nº {i} läuft"), "another"], next));
        trail.append(&batch).expect("written");
        next.0 += 2;
        if i % 2 == 0 {
            trail.checkpoint().expect("signed");
        }
    }
    trail.checkpoint().expect("signed");
}

#[test]
fn an_auditor_finds_a_whole_trail_whole() {
    let state = tempfile::tempdir().expect("a directory");
    signed_trail(state.path());
    let dir = state.path().join("audit");
    let Some((whole, said)) = auditor(&dir, &["--every"]) else { return };
    assert!(whole && said.ends_with("WHOLE\n"), "{said}");
    assert!(said.lines().filter(|line| line.starts_with("tree")).count() > 9, "{said}");
    // The oldest file was overwritten or archived: the rest still verifies.
    fs::remove_file(dir.join("audit-000001.jsonl")).expect("removed");
    let (whole, said) = auditor(&dir, &[]).expect("the tools are there");
    assert!(whole && said.contains("verified from there on"), "{said}");
}

#[test]
fn an_auditor_finds_whatever_was_changed() {
    let origin = tempfile::tempdir().expect("a directory");
    signed_trail(origin.path());
    let changed = |name: &str, change: &dyn Fn(&mut Vec<String>), expected: &str| {
        let state = tempfile::tempdir().expect("a directory");
        for entry in fs::read_dir(origin.path().join("audit")).expect("listed") {
            let entry = entry.expect("an entry");
            fs::copy(entry.path(), state.path().join(entry.file_name())).expect("copied");
        }
        let path = state.path().join(name);
        let text = fs::read_to_string(&path).expect("read");
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        change(&mut lines);
        fs::write(&path, lines.concat()).expect("written");
        let Some((whole, said)) = auditor(state.path(), &[]) else { return };
        assert!(!whole && said.contains(expected), "{name}: expected `{expected}`:\n{said}");
    };
    let files = files(&origin.path().join("audit")).expect("listed");
    let last = files.last().expect("some").1.file_name().expect("a name").to_string_lossy().into_owned();
    let second = "audit-000002.jsonl";
    changed(second, &|lines| lines[1] = lines[1].replace("another", "anothes"), "line 3 does not hold the hash");
    changed(second, &|lines| lines[0] = lines[0].replace("\"time\":\"2", "\"time\":\"3"), "line 2 does not hold");
    changed(second, &|lines| drop(lines.remove(2)), "line 3 does not hold the hash");
    changed(second, &|lines| drop(lines.remove(2)), "line 3 has not the number that follows");
    changed(second, &|lines| lines.swap(1, 2), "line 2 does not hold the hash");
    changed(second, &|lines| drop(lines.pop()), "audit-000003: line 1 does not hold the hash");
    changed(&last, &|lines| drop(lines.pop()), "a checkpoint says that it had");
    let flip = |lines: &mut Vec<String>| {
        let line = lines.last_mut().expect("a line");
        *line = line.replace("another", "anothes");
    };
    changed(&last, &flip, "are not those that were signed");
    changed("checkpoints", &|lines| lines[1] = "1\n".to_owned(), "checkpoint 1 of");
    changed("checkpoints", &|lines| lines.truncate(5), "its last");
    changed("checkpoints", &|lines| lines.clear(), "nothing is signed");
}

#[test]
fn an_auditor_with_a_key_and_a_checkpoint_of_their_own_is_not_fooled_by_a_trail_made_anew() {
    let state = tempfile::tempdir().expect("a directory");
    signed_trail(state.path());
    let kept = tempfile::tempdir().expect("a directory");
    for name in ["checkpoints", "checkpoint.pub"] {
        fs::copy(state.path().join("audit").join(name), kept.path().join(name)).expect("copied");
    }
    let key = kept.path().join("checkpoint.pub").display().to_string();
    let heads = kept.path().join("checkpoints").display().to_string();
    let dir = state.path().join("audit");
    let Some((whole, said)) = auditor(&dir, &["--key", &key, "--head", &heads]) else { return };
    assert!(whole, "{said}");
    // Everything anew, with another key: whole in itself, and not what was seen.
    fs::remove_dir_all(&dir).expect("removed");
    signed_trail(state.path());
    let (whole, said) = auditor(&dir, &[]).expect("the tools are there");
    assert!(whole, "{said}");
    let (whole, said) = auditor(&dir, &["--key", &key]).expect("the tools are there");
    assert!(!whole && said.contains("its signature does not hold"), "{said}");
    // The same key, and lines cut away together with their checkpoints.
    let (whole, said) = auditor(&dir, &["--head", &heads]).expect("the tools are there");
    assert!(!whole, "{said}");
}
