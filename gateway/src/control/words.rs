//! What is said on the socket? One line of JSON each way.
//!
//! ```text
//! {"command":"reload","confirm":600,"reason":"..."}      confirm: seconds, may be absent, as may the reason
//! {"command":"confirm"}  {"command":"rollback","to":12}  {"command":"history"}
//! -> {"good":true,"text":"policy 9f2c1ab0 is in force: ...","document":{...}}
//! ```

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::reload::{Reply, What};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub what: What,
    /// Why.
    pub reason: Option<String>,
}

/// The gateway cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody serves the socket.
    #[error("the gateway cannot be reached at {socket}: {source}")]
    Unreachable {
        /// Which socket.
        socket: String,
        /// What the system said.
        source: io::Error,
    },
    /// It went away amid the answer.
    #[error("the gateway gave no answer: {0}")]
    NoAnswer(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    command: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confirm: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Reload,
    Confirm,
    Rollback,
    History,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    good: bool,
    text: String,
    document: serde_json::Value,
}

/// How long the answer may take: longer than the gateway's own patience.
const PATIENCE: Duration = Duration::from_secs(330);

/// Says a command to the gateway at `socket` and waits for its answer.
///
/// # Errors
/// [`CallError`].
pub fn call(socket: &Path, request: &Request) -> Result<Reply, CallError> {
    let unreachable = |source| CallError::Unreachable { socket: socket.display().to_string(), source };
    let mut stream = UnixStream::connect(socket).map_err(unreachable)?;
    let lost = |error: io::Error| CallError::NoAnswer(error.to_string());
    stream.set_read_timeout(Some(PATIENCE)).map_err(lost)?;
    let mut line = serde_json::to_vec(&Said::of(request)).expect("strings and numbers always make JSON");
    line.push(b'\n');
    // One that turns us away may have closed already: what it said is there to be read.
    let sent = stream.write_all(&line);
    let mut text = Vec::new();
    stream.read_to_end(&mut text).map_err(|error| lost(sent.err().unwrap_or(error)))?;
    let Answer { good, text, document } =
        serde_json::from_slice(&text).map_err(|error| CallError::NoAnswer(error.to_string()))?;
    Ok(Reply { good, text, document })
}

/// Reads a command.
pub(super) fn request(line: &[u8]) -> Result<Request, String> {
    let Said { command, confirm, to, reason } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let what = match command {
        Word::Reload => What::Reload { confirm: confirm.map(Duration::from_secs) },
        Word::Confirm => What::Confirm,
        Word::Rollback => What::Rollback { to },
        Word::History => What::History,
    };
    if confirm.is_some() && command != Word::Reload {
        return Err("`confirm` belongs to `reload`".to_owned());
    }
    if to.is_some() && command != Word::Rollback {
        return Err("`to` belongs to `rollback`".to_owned());
    }
    Ok(Request { what, reason })
}

/// Nothing was done.
pub(super) fn refusal(why: &str) -> Reply {
    let document = serde_json::json!({ "good": false, "fault": why });
    Reply { good: false, text: format!("error: {why}\n"), document }
}

pub(super) fn answer(reply: &Reply) -> Vec<u8> {
    let Reply { good, text, document } = reply.clone();
    let mut line = serde_json::to_vec(&Answer { good, text, document }).expect("strings always make JSON");
    line.push(b'\n');
    line
}

impl Said {
    fn of(request: &Request) -> Self {
        let (command, confirm, to) = match request.what {
            What::Reload { confirm } => (Word::Reload, confirm.map(|wait| wait.as_secs()), None),
            What::Confirm => (Word::Confirm, None, None),
            What::Rollback { to } => (Word::Rollback, None, to),
            What::History => (Word::History, None, None),
        };
        Self { command, confirm, to, reason: request.reason.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_it_was_said() {
        let whats = [
            What::Reload { confirm: None },
            What::Reload { confirm: Some(Duration::from_secs(600)) },
            What::Confirm,
            What::Rollback { to: None },
            What::Rollback { to: Some(7) },
            What::History,
        ];
        for what in whats {
            let said = Request { what, reason: Some("be\"cause\n".to_owned()) };
            let line = serde_json::to_vec(&Said::of(&said)).expect("JSON");
            assert!(!line.contains(&b'\n'));
            assert_eq!(request(&line), Ok(said));
        }
    }

    #[test]
    fn what_is_no_command_is_told() {
        for line in [
            "",
            "reload",
            "{}",
            "{\"command\":\"bypass\"}",
            "{\"command\":\"reload\",\"to\":3}",
            "{\"command\":\"history\",\"confirm\":3}",
            "{\"command\":\"reload\",\"confirm\":-1}",
            "{\"command\":\"reload\",\"else\":1}",
        ] {
            assert!(request(line.as_bytes()).is_err(), "{line}");
        }
    }
}
