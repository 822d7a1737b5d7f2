//! How do the gateway and the demo start?

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{Exit, color, complain};
use crate::{
    demo,
    reload::{StartError, choose},
};

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// End after this many seconds (the attacks are always made to their end); without it: on Ctrl-C.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Keep configuration, certificates and audit trail in DIR, which must be empty or absent.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Take one rule or check out of the configuration, to see the demo fail.
    #[arg(long, value_name = "NAME", hide = true)]
    weaken: Option<String>,
}

pub(super) fn run(config: &std::path::Path) -> Exit {
    // Without the main file nobody knows where an earlier policy is.
    if let Err(fault) = std::fs::File::open(config) {
        complain(&format!("error: {}: {fault}\n", config.display()));
        return Exit::Usage;
    }
    match choose(config, sluicegate_config::load(config)) {
        Ok(start) => match crate::run::run(config, start) {
            Ok(()) => Exit::Good,
            Err(fault) => {
                complain(&format!("error: {fault}\n"));
                Exit::Bad
            }
        },
        Err(StartError::Refused(findings)) => {
            let color = color(&std::io::stderr());
            findings.iter().for_each(|one| complain(&one.render(color)));
            Exit::Bad
        }
        Err(fault @ StartError::History(_)) => {
            complain(&format!("error: {fault}\n"));
            Exit::Bad
        }
    }
}

pub(super) fn demo(args: &DemoArgs) -> Exit {
    let binary = match std::env::current_exe() {
        Ok(binary) => binary,
        Err(fault) => {
            complain(&format!("error: this binary cannot be found again: {fault}\n"));
            return Exit::Bad;
        }
    };
    let options = demo::Options {
        binary,
        time: args.seconds.map(Duration::from_secs),
        keep: args.keep.clone(),
        weaken: args.weaken.clone(),
    };
    match demo::run(&options) {
        Ok(true) => Exit::Good,
        Ok(false) => Exit::Bad,
        Err(fault) => {
            complain(&format!("error: {fault}\n"));
            match fault {
                demo::DemoError::Site(
                    demo::site::SiteError::NotEmpty(_) | demo::site::SiteError::NoWeakness { .. },
                ) => Exit::Usage,
                demo::DemoError::Site(_) | demo::DemoError::Gate(_) | demo::DemoError::System(_) => Exit::Bad,
            }
        }
    }
}
