//! How does an operator ask for certificates?

use std::{net::IpAddr, path::PathBuf};

use clap::Subcommand;

use super::{Exit, complain, print};
use crate::pki::{self, DEFAULT_DAYS, Made, PkiError, Request};

#[derive(Debug, Subcommand)]
pub(super) enum PkiCommand {
    /// Make a small plant CA (EC P-256): NAME.crt, NAME.key and an empty NAME.crl.
    Init {
        /// The directory; made when absent.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The CA's name.
        #[arg(long, default_value = "plant")]
        name: String,
    },
    /// Issue a certificate: NAME.crt (with its chain) and NAME.key. Only the names that are asked for stand in it.
    Issue {
        /// The CA's directory.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The CA, where the directory holds several.
        #[arg(long, value_name = "NAME")]
        ca: Option<String>,
        /// The certificate's file name.
        #[arg(long)]
        name: String,
        /// A URI name, such as spiffe://plant/scada-1.
        #[arg(long, value_name = "URI")]
        uri: Vec<String>,
        /// A DNS name.
        #[arg(long, value_name = "HOST")]
        dns: Vec<String>,
        /// An IP address.
        #[arg(long, value_name = "ADDRESS")]
        ip: Vec<IpAddr>,
        /// The role of the Modbus/TCP Security extension.
        #[arg(long)]
        role: Option<String>,
        /// Days that it lives.
        #[arg(long, default_value_t = DEFAULT_DAYS)]
        days: u32,
        /// For a server that also dials: listeners, devices, tunnels.
        #[arg(long)]
        server: bool,
    },
    /// Take a certificate back: a new revocation list at once. A running gateway reads it at its next start.
    Revoke {
        /// The CA's directory.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The CA, where the directory holds several.
        #[arg(long, value_name = "NAME")]
        ca: Option<String>,
        /// The certificate's file name, without `.crt`.
        #[arg(long)]
        name: String,
    },
    /// Sign the revocation list anew before it ends: the same entries, good for another 397 days.
    Crl {
        /// The CA's directory.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The CA, where the directory holds several.
        #[arg(long, value_name = "NAME")]
        ca: Option<String>,
    },
}

pub(super) fn pki(command: &PkiCommand) -> Exit {
    let made = match command {
        PkiCommand::Init { dir, name } => pki::init(dir, name),
        PkiCommand::Issue { dir, ca, name, uri, dns, ip, role, days, server } => {
            let request = Request {
                name: name.clone(),
                uris: uri.clone(),
                dnss: dns.clone(),
                ips: ip.clone(),
                role: role.clone(),
                days: *days,
                server: *server,
            };
            pki::issue(dir, ca.as_deref(), &request)
        }
        PkiCommand::Revoke { dir, ca, name } => pki::revoke(dir, ca.as_deref(), &dir.join(format!("{name}.crt"))),
        PkiCommand::Crl { dir, ca } => pki::renew_list(dir, ca.as_deref()),
    };
    told(made)
}

fn told(made: Result<Made, PkiError>) -> Exit {
    match made {
        Ok(made) => {
            for file in made.files {
                print(&format!("{}\n", file.display()));
            }
            Exit::Good
        }
        Err(fault) => {
            complain(&format!("error: {fault}\n"));
            Exit::Bad
        }
    }
}
