//! Which commands are there, and how do they end?
//!
//! | exit code | means |
//! |---|---|
//! | 0 | done; warnings included |
//! | 1 | errors, failing tests, or denied |
//! | 2 | the command was used wrongly, or its input cannot be read |
//! | 3 | the daemon cannot be reached |

use std::{
    ffi::OsString,
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

mod about;
mod capture;
mod check;
mod diff;
mod explain;
mod handbook;
mod last;
mod pki;
mod policy;
mod start;
mod who;

/// Where the configuration stands unless somebody says otherwise.
pub const DEFAULT_CONFIG: &str = "/etc/sluicegate/sluicegate.toml";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Good,
    /// 1: errors, failing tests, or denied.
    Bad,
    /// 2: wrong usage or unreadable input.
    Usage,
    /// 3: the daemon cannot be reached.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Good => Self::from(0),
            Exit::Bad => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Unreachable => Self::from(3),
        }
    }
}

/// The inline conduit enforcement gateway for industrial networks.
#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// The configuration.
    #[arg(long, global = true, value_name = "FILE", env = "SLUICEGATE_CONFIG", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway in the foreground.
    Run,
    /// Load everything without binding: all faults at once, policy tests, gaps, series.
    Check(check::CheckArgs),
    /// Say what the gateway would do with a message, and which rule makes it so.
    Explain(explain::ExplainArgs),
    /// Say who may do this, on which conduit.
    WhoCan(who::WhoArgs),
    /// Say exactly what another configuration newly allows and newly refuses, to whom.
    Diff(diff::DiffArgs),
    /// Say what each message of a capture means.
    Decode(capture::DecodeArgs),
    /// Say what a conduit would have made of each message of a capture.
    Replay(capture::ReplayArgs),
    /// Tell the running gateway to take up its files: all of them, or nothing.
    Reload(policy::ReloadArgs),
    /// Keep the policy that `reload --confirm` brought.
    Confirm(policy::ConfirmArgs),
    /// Bring back an earlier policy.
    Rollback(policy::RollbackArgs),
    /// List the policies that were in force.
    History(policy::HistoryArgs),
    /// Make certificates for a small plant.
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Print the literal sentences that each preset stands for.
    Presets(Json),
    /// Start a real gateway between a device, an operator and an attacker, and check what the device saw.
    Demo(start::DemoArgs),
    /// Print a man page, or write them all.
    Man(handbook::ManArgs),
    /// Print the completions of a shell.
    Completions(handbook::CompletionsArgs),
    /// Print version, revision, TLS provider and protocols.
    Version(Json),
}

/// `--json`, where a command reads.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Json {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs one command.
pub fn main<I, T>(words: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    match Cli::try_parse_from(words) {
        Ok(cli) => dispatch(&cli).into(),
        Err(fault) => {
            // Help and version are no fault: clap prints them to stdout and says 0. A closed pipe is nobody's fault.
            let _ = fault.print();
            if fault.exit_code() == 0 { Exit::Good } else { Exit::Usage }.into()
        }
    }
}

fn dispatch(cli: &Cli) -> Exit {
    match &cli.command {
        Command::Run => start::run(&cli.config),
        Command::Check(args) => check::check(&cli.config, args),
        Command::Explain(args) => explain::explain(&cli.config, args),
        Command::WhoCan(args) => who::who_can(&cli.config, args),
        Command::Diff(args) => diff::diff(args),
        Command::Decode(args) => capture::decode(args),
        Command::Replay(args) => capture::replay(&cli.config, args),
        Command::Reload(args) => policy::reload(&cli.config, args),
        Command::Confirm(args) => policy::confirm(&cli.config, args),
        Command::Rollback(args) => policy::rollback(&cli.config, args),
        Command::History(args) => policy::history(&cli.config, args),
        Command::Pki(command) => pki::pki(command),
        Command::Presets(json) => about::presets(json.json),
        Command::Demo(args) => start::demo(args),
        Command::Man(args) => handbook::man(args),
        Command::Completions(args) => handbook::completions(args),
        Command::Version(json) => about::version(json.json),
    }
}

/// Prints to stdout. A reader that went away (`| head`) is no error of ours.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints to stderr.
fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints one JSON document.
fn print_json(document: &serde_json::Value) {
    print(&format!("{document:#}\n"));
}

/// Whether `stream` takes colours: it is a terminal, and `NO_COLOR` is absent or empty (no-color.org).
fn color(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|word| word.is_empty())
}

/// Loads the configuration, or prints all that is wrong with it.
fn load(path: &std::path::Path) -> Result<sluicegate_config::Loaded, Exit> {
    if let Err(fault) = std::fs::File::open(path) {
        complain(&format!("error: {}: {fault}\n", path.display()));
        return Err(Exit::Usage);
    }
    sluicegate_config::load(path).map_err(|findings| {
        let color = color(&std::io::stderr());
        for finding in findings {
            complain(&finding.render(color));
        }
        Exit::Bad
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_table_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_2_and_help_is_0() {
        assert_eq!(format!("{:?}", main(["sluicegate", "no-such-command"])), format!("{:?}", ExitCode::from(2)));
        assert_eq!(format!("{:?}", main(["sluicegate", "explain"])), format!("{:?}", ExitCode::from(2)));
        assert_eq!(format!("{:?}", main(["sluicegate", "--help"])), format!("{:?}", ExitCode::from(0)));
    }

    #[test]
    fn a_value_below_zero_is_part_of_the_sentence() {
        for words in [
            &["sluicegate", "explain", "pump", "--as", "scada-1", "write", "holding", "75", "=", "-3", "as", "i16"][..],
            &["sluicegate", "who-can", "write", "holding", "75", "=", "-20.5", "as", "f32"],
        ] {
            assert!(Cli::try_parse_from(words).is_ok(), "{words:?}");
        }
    }

    #[test]
    fn a_configuration_that_is_not_there_is_2() {
        let words = ["sluicegate", "check", "--config", "/nonexistent/sluicegate.toml"];
        assert_eq!(format!("{:?}", main(words)), format!("{:?}", ExitCode::from(2)));
    }
}
