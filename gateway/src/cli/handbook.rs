//! How do the command table and the key table read as man pages and completions?
//!
//! | page | made from |
//! |---|---|
//! | `sluicegate.1` | the command table; exit codes, files, environment |
//! | `sluicegate-check.1`, `sluicegate-pki-init.1`, ... | one command each |
//! | `sluicegate.toml.5` | the key table of the configuration |

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, roman},
};
use sluicegate_config::keys;

use super::{Cli, DEFAULT_CONFIG, Exit, complain, print};

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// A command (`check`, `pki-issue`), or `sluicegate.toml`; without it, the page of the program.
    #[arg(value_name = "PAGE")]
    page: Option<String>,
    /// Write every page into DIR, which must be there.
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell that will read it.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn man(args: &ManArgs) -> Exit {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(fault) => return failed(&fault, Path::new("the pages")),
    };
    if let Some(dir) = &args.dir {
        for (name, text) in pages {
            let file = dir.join(name);
            if let Err(fault) = std::fs::write(&file, text) {
                return failed(&fault, &file);
            }
        }
        return Exit::Good;
    }
    let wanted = args.page.as_deref().unwrap_or(NAME);
    let found = pages.iter().find(|(file, _)| {
        let (page, _section) = file.rsplit_once('.').unwrap_or((file, ""));
        page == wanted || page.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('-')) == Some(wanted)
    });
    let Some((_, text)) = found else {
        let names: Vec<_> = pages.iter().filter_map(|(file, _)| file.rsplit_once('.')).map(|(page, _)| page).collect();
        complain(&format!("error: no page `{wanted}`\n  = help: there are {}\n", names.join(", ")));
        return Exit::Usage;
    };
    print(text);
    Exit::Good
}

pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), NAME, &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Good
}

fn failed(fault: &io::Error, what: &Path) -> Exit {
    complain(&format!("error: {}: {fault}\n", what.display()));
    Exit::Bad
}

/// Every page: its file name and its text.
fn pages() -> io::Result<Vec<(String, String)>> {
    // `help` is told by `--help`; as a command it would bring a page for each command once more.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = vec![(format!("{NAME}.1"), program_page(&program)?)];
    command_pages(&program, &mut pages)?;
    pages.push((format!("{NAME}.toml.5"), configuration_page()));
    Ok(pages)
}

fn program_page(program: &Command) -> io::Result<String> {
    let mut page = command_page(program)?;
    let mut rest = Roff::new();
    let listed = |rest: &mut Roff, heading: &str, entries: &[(&str, &str)]| {
        rest.control("SH", [heading]);
        for (word, says) in entries {
            rest.control("TP", []).text([bold(*word)]).text(inlines(says));
        }
    };
    listed(&mut rest, "EXIT STATUS", EXITS);
    listed(&mut rest, "FILES", FILES);
    rest.control("SH", ["SEE ALSO"])
        .text(inlines("`sluicegate.toml`(5), `systemctl`(1), and the guide in `/usr/share/doc/sluicegate`."));
    page.push_str(&rest.to_roff());
    Ok(page)
}

fn command_pages(command: &Command, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let name = one.get_display_name().unwrap_or_else(|| one.get_name());
        let mut page = command_page(one)?;
        let mut rest = Roff::new();
        rest.control("SH", ["SEE ALSO"]).text(inlines("`sluicegate`(1), `sluicegate.toml`(5)"));
        page.push_str(&rest.to_roff());
        pages.push((format!("{name}.1"), page));
        command_pages(one, pages)?;
    }
    Ok(())
}

fn command_page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command.clone()).source(SOURCE).manual(MANUAL).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn configuration_page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["sluicegate.toml", "5", "", SOURCE, MANUAL]);
    page.control("SH", ["NAME"]).text([roman("sluicegate.toml - the configuration of the gateway")]);
    page.control("SH", ["SYNOPSIS"]).text([bold(DEFAULT_CONFIG)]);
    page.control("SH", ["DESCRIPTION"]).text(inlines(
        "TOML. Unknown keys are refused, and so is what this version does not serve yet, by name. `sluicegate check` \
         tells every fault of the file at once. A worked example lies in `/usr/share/doc/sluicegate/examples`. `NAME` \
         stands for a name of the operator's.",
    ));
    for table in keys::tables() {
        page.control("SH", [table.heading().trim_matches('`')]);
        page.text(inlines(&standing(table.doc, table.served)));
        for key in table.keys {
            let default = match key.default {
                _ if key.required => "; required".to_owned(),
                Some(text) => format!("; {text} unless told"),
                None => String::new(),
            };
            page.control("TP", []);
            page.text([bold(key.key), roman(format!(" ({}{default})", keys::takes(key.kind).replace('`', "")))]);
            page.text(inlines(&standing(key.doc, key.served)));
        }
    }
    page.control("SH", ["SEE ALSO"]).text(inlines("`sluicegate`(1), `sluicegate-check`(1)"));
    page.render()
}

fn standing(doc: &str, served: bool) -> String {
    format!("{doc}{}", if served { "" } else { " Not served yet." })
}

/// The tables' words in backticks become bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) }).collect()
}

const NAME: &str = "sluicegate";
const SOURCE: &str = concat!("sluicegate ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "Sluicegate";
const EXITS: &[(&str, &str)] = &[
    ("0", "Done; warnings included."),
    ("1", "Errors, failing tests, or denied."),
    ("2", "The command was used wrongly, or its input cannot be read."),
    ("3", "The daemon cannot be reached."),
];
const FILES: &[(&str, &str)] = &[
    (DEFAULT_CONFIG, "The configuration. The service does not start before it is there."),
    ("/etc/sluicegate/pki", "Certificates, keys and revocation lists."),
    ("/var/lib/sluicegate/audit", "The audit trail with its checkpoints."),
    ("/usr/share/sluicegate/monitoring", "Alert rules for Prometheus, dashboards for Grafana."),
    ("/usr/share/doc/sluicegate", "The guide, the reference, a worked example, the bill of materials."),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The command and all below it, as their pages are called.
    fn names(command: &Command, found: &mut Vec<String>) {
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            found.push(one.get_display_name().expect("it is built").to_owned());
            names(one, found);
        }
    }

    #[test]
    fn every_command_and_every_key_has_its_place() {
        let pages = pages().expect("pages are made in memory");
        let page = |name: &str| &pages.iter().find(|(file, _)| file == name).expect(name).1;
        let mut program = Cli::command().disable_help_subcommand(true);
        program.build();
        let mut commands = Vec::new();
        names(&program, &mut commands);
        assert!(commands.len() > 10, "{commands:?}");
        for name in &commands {
            assert!(page(&format!("{name}.1")).contains(".SH SYNOPSIS"), "{name}");
        }
        for one in program.get_subcommands() {
            let entry = format!("sluicegate\\-{}(1)", one.get_name().replace('-', "\\-"));
            assert!(page("sluicegate.1").contains(&entry), "{entry}");
        }
        let configuration = page("sluicegate.toml.5");
        for key in keys::tables().iter().flat_map(|table| table.keys) {
            assert!(configuration.contains(&format!("\\fB{}\\fR", key.key.replace('-', "\\-"))), "{}", key.key);
        }
    }
}
