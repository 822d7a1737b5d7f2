//! How do two hosts and what stands between them fit on one machine? In network namespaces; they need root and iproute2.
//!
//! ```text
//! inspection   client 10.77.0.1 --- [ between: Suricata copies one side to the other ] --- 10.77.0.2 device
//! tunnel       client 10.78.0.1 --- OpenVPN over UDP, 10.79.0.1 to 10.79.0.2 --- 10.78.0.2 device
//! ```

use std::{
    fs::File,
    net::SocketAddr,
    process::Command,
    sync::{Mutex, PoisonError},
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::device;

/// Two hosts, each in its namespace.
pub(crate) struct Lab {
    /// Where the clients live.
    pub(crate) client: String,
    /// What stands between them, where something does.
    pub(crate) between: String,
    /// Where the device lives.
    pub(crate) device: String,
}

/// The port of the device: inspectors know Modbus by it.
pub(crate) const PORT: u16 = 502;

impl Lab {
    /// Client and device on two wires, with nothing that joins the wires yet.
    pub(crate) fn inspection() -> Result<Self, String> {
        let lab = Self::named("i");
        lab.make(&[&lab.client, &lab.between, &lab.device])?;
        lab.wire((&lab.client, "c0"), (&lab.between, "s0"))?;
        lab.wire((&lab.device, "d0"), (&lab.between, "s1"))?;
        ip(&["-n", &lab.client, "addr", "add", "10.77.0.1/24", "dev", "c0"])?;
        ip(&["-n", &lab.device, "addr", "add", "10.77.0.2/24", "dev", "d0"])?;
        // What leaves by a packet socket carries the checksum that it came with: it must be a real one.
        for (space, link) in [(&lab.client, "c0"), (&lab.between, "s0"), (&lab.between, "s1"), (&lab.device, "d0")] {
            let words = ["-K", link, "tx", "off", "rx", "off", "tso", "off", "gso", "off", "gro", "off"];
            run(Command::new("ip").args(["netns", "exec", space, "ethtool"]).args(words))?;
        }
        device::start_in(&lab.device, PORT)?;
        Ok(lab)
    }

    /// Client and device on one wire, for a tunnel between them.
    pub(crate) fn tunnel() -> Result<Self, String> {
        let lab = Self::named("t");
        lab.make(&[&lab.client, &lab.device])?;
        lab.wire((&lab.client, "c0"), (&lab.device, "d0"))?;
        ip(&["-n", &lab.client, "addr", "add", "10.78.0.1/24", "dev", "c0"])?;
        ip(&["-n", &lab.device, "addr", "add", "10.78.0.2/24", "dev", "d0"])?;
        device::start_in(&lab.device, PORT)?;
        Ok(lab)
    }

    fn named(kind: &str) -> Self {
        let name = |part: &str| format!("sgv{}-{kind}{part}", std::process::id());
        Self { client: name("c"), between: name("b"), device: name("d") }
    }

    fn make(&self, spaces: &[&String]) -> Result<(), String> {
        for space in spaces {
            ip(&["netns", "add", space])?;
            MADE.lock().unwrap_or_else(PoisonError::into_inner).push((*space).clone());
            ip(&["-n", space, "link", "set", "lo", "up"])?;
        }
        Ok(())
    }

    fn wire(&self, (one, left): (&str, &str), (other, right): (&str, &str)) -> Result<(), String> {
        ip(&["-n", one, "link", "add", left, "type", "veth", "peer", "name", right, "netns", other])?;
        ip(&["-n", one, "link", "set", left, "up"])?;
        ip(&["-n", other, "link", "set", right, "up"])
    }

    /// A command that runs in `space`.
    pub(crate) fn command(space: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", space, program]);
        command
    }
}

/// The namespaces that are to be taken down.
static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes every namespace down; the links in them go with them.
pub(crate) fn end_all() {
    for space in MADE.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        let _ = ip(&["netns", "del", &space]);
    }
}

/// Moves this thread into `space`: the sockets that it makes from now on live there.
pub(crate) fn enter(space: &str) -> Result<(), String> {
    let file = File::open(format!("/run/netns/{space}")).map_err(|error| format!("namespace {space}: {error}"))?;
    move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), Some(LinkNameSpaceType::Network))
        .map_err(|error| format!("namespace {space}: {error}"))
}

/// Runs `work` in `space`, or here.
pub(crate) fn within<T: Send>(space: Option<&str>, work: impl FnOnce() -> T + Send) -> Result<T, String> {
    let Some(space) = space else { return Ok(work()) };
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| enter(space).map(|()| work()));
        inside.join().map_err(|_| "a thread panicked".to_owned())?
    })
}

/// Where the device listens that a client of `Lab::inspection` asks for.
pub(crate) fn inspected() -> SocketAddr {
    SocketAddr::from(([10, 77, 0, 2], PORT))
}

/// The same at the far end of the tunnel.
pub(crate) fn tunnelled() -> SocketAddr {
    SocketAddr::from(([10, 79, 0, 2], PORT))
}

fn ip(words: &[&str]) -> Result<(), String> {
    run(Command::new("ip").args(words))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
