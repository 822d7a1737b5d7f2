//! What stands in the audit trail? (`explain --last`)

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::{record::Event, trail};

/// How far back the search goes: one full file. A denial before that is better searched for by time.
const FURTHEST: u64 = trail::FILE_BYTES;

/// The last `denied` record below `state`, as its JSON object. Reads beside a running gateway; a line that is being
/// written is passed over.
///
/// # Errors
/// The trail is there but cannot be read. A trail that is not there holds no denial.
pub fn last_denied(state: &Path) -> io::Result<Option<serde_json::Value>> {
    let files = match trail::files(&state.join("audit")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        files => files?,
    };
    let mut left = FURTHEST;
    for (_, path) in files.iter().rev() {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let window = length.min(left);
        file.seek(SeekFrom::Start(length - window))?;
        let mut bytes = Vec::new();
        file.take(window).read_to_end(&mut bytes)?;
        if let Some(found) = bytes.rsplit(|byte| *byte == b'\n').find_map(denial) {
            return Ok(Some(found));
        }
        left -= window;
    }
    Ok(None)
}

fn denial(line: &[u8]) -> Option<serde_json::Value> {
    let record: serde_json::Value = serde_json::from_slice(line).ok()?;
    (record.get("event")?.as_str()? == Event::Denied.as_str()).then_some(record)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lines(events: &[(u64, &str)]) -> String {
        events.iter().map(|(seq, event)| format!("{{\"seq\":{seq},\"event\":\"{event}\"}}\n")).collect()
    }

    #[test]
    fn the_last_denial_is_found_across_files_and_beside_a_half_written_line() {
        let state = tempfile::tempdir().expect("a directory");
        assert_eq!(last_denied(state.path()).expect("nothing there is no error"), None);
        let dir = state.path().join("audit");
        fs::create_dir(&dir).expect("made");
        assert_eq!(last_denied(state.path()).expect("readable"), None);
        fs::write(dir.join("audit-000001.jsonl"), lines(&[(1, "denied"), (2, "denied"), (3, "allowed")])).expect("ok");
        fs::write(dir.join("audit-000002.jsonl"), lines(&[(4, "would_deny")]) + "{\"seq\":5,\"event\":\"den")
            .expect("ok");
        assert_eq!(last_denied(state.path()).expect("readable").expect("one")["seq"], 2);
        fs::write(dir.join("audit-000003.jsonl"), lines(&[(5, "denied"), (6, "stopped")])).expect("ok");
        assert_eq!(last_denied(state.path()).expect("readable").expect("one")["seq"], 5);
    }
}
