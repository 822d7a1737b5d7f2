//! How are local commands given to the running gateway?

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{Exit, complain, print, print_json};
use crate::{
    control::{Request, call},
    reload::What,
};

/// How a running gateway is found, and why it is told.
#[derive(Debug, Args)]
pub(super) struct To {
    /// The gateway's socket; without it the one that the configuration names.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    /// Why: it stands in the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    json: super::Json,
}

#[derive(Debug, Args)]
pub(super) struct ReloadArgs {
    /// Go back by itself unless `sluicegate confirm` comes within this time (90s, 10m, 2h).
    #[arg(long, value_name = "TIME", value_parser = time)]
    confirm: Option<Duration>,
    #[command(flatten)]
    to: To,
}

#[derive(Debug, Args)]
pub(super) struct ConfirmArgs {
    #[command(flatten)]
    to: To,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// Which policy of `sluicegate history`; without it the last one before that says something else.
    #[arg(value_name = "NUMBER")]
    number: Option<u64>,
    #[command(flatten)]
    to: To,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// The gateway's socket; without it the one that the configuration names.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,
    #[command(flatten)]
    json: super::Json,
}

pub(super) fn reload(config: &Path, args: &ReloadArgs) -> Exit {
    tell(config, &args.to, What::Reload { confirm: args.confirm })
}

pub(super) fn confirm(config: &Path, args: &ConfirmArgs) -> Exit {
    tell(config, &args.to, What::Confirm)
}

pub(super) fn rollback(config: &Path, args: &RollbackArgs) -> Exit {
    tell(config, &args.to, What::Rollback { to: args.number })
}

pub(super) fn history(config: &Path, args: &HistoryArgs) -> Exit {
    let to = To { control: args.control.clone(), reason: None, json: args.json };
    tell(config, &to, What::History)
}

fn tell(config: &Path, to: &To, what: What) -> Exit {
    let socket = to.control.clone().unwrap_or_else(|| sluicegate_config::control(config));
    let request = Request { what, reason: to.reason.clone() };
    match call(&socket, &request) {
        Err(fault) => {
            let help = if to.control.is_none() { "  help: --control SOCKET says where it is\n" } else { "" };
            complain(&format!("error: {fault}\n{help}"));
            Exit::Unreachable
        }
        Ok(reply) => {
            if to.json.json {
                print_json(&reply.document);
            } else if reply.good {
                print(&reply.text);
            } else {
                complain(&reply.text);
            }
            if reply.good { Exit::Good } else { Exit::Bad }
        }
    }
}

/// A time as the configuration writes it, in whole seconds.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time such as 90s, 10m or 2h");
    let unit = text.char_indices().next_back().map_or(0, |(at, _)| at);
    let seconds = match text.get(unit..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        Some("d") => 24 * 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = text.get(..unit).unwrap_or_default().parse().map_err(|_| wrong())?;
    match count.checked_mul(seconds) {
        Some(time) if time > 0 => Ok(Duration::from_secs(time)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "10", "m", "-1m", "0s", "1.5h", "10é", "99999999999999999999d", "9999999999999999999h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
