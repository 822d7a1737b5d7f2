//! How do tests start the real binary, and how do they see what it did?
//!
//! ```text
//! gate          the child process: start, ready, signals, clean end; its log is printed when a test fails
//! gate/site     a temporary plant: certificates, configuration, audit trail
//! gate/device   a device of ours that remembers every byte
//! gate/station  an IEC 104 station and a control centre of ours
//! gate/peer     a client of ours, plain or TLS
//! gate/openssl  certificates and connections made by openssl
//! gate/tools    programs of others, and what happens where they are missing
//! ```

mod device;
pub(crate) mod openssl;
mod peer;
mod site;
pub(crate) mod station;
mod tools;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(crate) use device::{Answers, Device, Wire, rtu};
pub(crate) use peer::{Peer, frame, tls_config};
pub(crate) use site::{Config, Site};
pub(crate) use tools::{free_port, missing, repository, run, shared};

/// How long anything may take before a test fails. Machines that build beside the tests are slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Gateways at once: tests run in parallel, and each gateway wants both cores.
const AT_ONCE: usize = 2;

/// A running gateway.
pub(crate) struct Gate {
    child: Child,
    log: Arc<Mutex<String>>,
    listeners: BTreeMap<String, SocketAddr>,
    _slot: Slot,
}

impl Gate {
    /// Starts the gateway and waits until it is ready.
    pub(crate) fn start(site: &Site, config: &Config) -> Self {
        Self::start_by(site, config, |command| command)
    }

    /// The same, with the command changed: another environment, or a program in front of it.
    pub(crate) fn start_by(site: &Site, config: &Config, change: impl FnOnce(Command) -> Command) -> Self {
        match Self::try_start(site, &config.text(), change) {
            Ok(gate) => gate,
            Err((status, log)) => panic!("the gateway did not start ({status}):\n{log}"),
        }
    }

    /// Starts the gateway; an early end comes with what it said.
    pub(crate) fn try_start(
        site: &Site,
        toml: &str,
        change: impl FnOnce(Command) -> Command,
    ) -> Result<Self, (ExitStatus, String)> {
        let slot = Slot::take();
        let file = site.write_config(toml);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        command.arg("run").arg("--config").arg(file).env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
        let mut command = change(command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary was built");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("it is piped");
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        let mut gate = Self { child, log, listeners: BTreeMap::new(), _slot: slot };
        if let Some(status) = gate.wait_ready() {
            // The reader may be a line behind the end of the process.
            std::thread::sleep(Duration::from_millis(200));
            return Err((status, gate.log()));
        }
        Ok(gate)
    }

    /// Waits for the listeners and for `/readyz`; `Some` when the process ended first.
    fn wait_ready(&mut self) -> Option<ExitStatus> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return Some(status);
            }
            let log = self.log();
            self.listeners = log.lines().filter_map(listening).collect();
            let said = log.lines().any(|line| line.starts_with("serving "));
            // Whoever has no certificate for the endpoint cannot ask it.
            let tls = self.listeners.contains_key("metrics over TLS");
            if said && (tls || self.get("/readyz").is_some_and(|(status, _)| status == 200)) {
                return None;
            }
            assert!(Instant::now() < until, "the gateway did not get ready:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where the listener of the tests' conduit really is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener("ot")
    }

    /// Where this listener really is.
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        *self.listeners.get(name).unwrap_or_else(|| panic!("no listener {name}:\n{}", self.log()))
    }

    /// What the gateway said so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Status and body of a page of the admin endpoint; `None` when it does not answer.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.listeners.get("metrics")?).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let status = text.split(' ').nth(1)?.parse().ok()?;
        let body = text.split_once("\r\n\r\n")?.1;
        Some((status, body.to_owned()))
    }

    /// A scrape.
    pub(crate) fn metrics(&self) -> String {
        self.get("/metrics").expect("the admin endpoint answers").1
    }

    /// The value of one series, written as in a scrape but for the prefix; 0 where it is not there.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.metrics();
        let wanted = format!("sluicegate_{series} ");
        text.lines().find_map(|line| line.strip_prefix(&wanted)?.parse().ok()).unwrap_or(0)
    }

    /// Waits until a series is at least this.
    pub(crate) fn metric_reaches(&self, series: &str, least: u64) {
        wait(&format!("{series} >= {least}"), || self.metric(series) >= least);
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.pid())).status();
        assert!(sent.expect("there is a shell").success());
    }

    /// Whether the process is still there.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_none()
    }

    /// Waits for the end of the process.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                std::thread::sleep(Duration::from_millis(200));
                return status;
            }
            assert!(Instant::now() < until, "the gateway does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGTERM; the process must end in good order. What it said.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.ended();
        assert!(status.success(), "{status}:\n{}", self.log());
        self.log()
    }

    /// The end without a warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the child is ours");
        self.child.wait().expect("the child is ours");
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway said:\n{}---", self.log());
        }
    }
}

/// Waits until something is so.
pub(crate) fn wait(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < until, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `listening listener=NAME address=ADDRESS`; the endpoint says `metrics http://ADDRESS/metrics`, with TLS `https`.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    if let Some(address) = line.strip_prefix("metrics http://") {
        return Some(("metrics".to_owned(), address.strip_suffix("/metrics")?.parse().ok()?));
    }
    if let Some(address) = line.strip_prefix("metrics https://") {
        return Some(("metrics over TLS".to_owned(), address.strip_suffix("/metrics")?.parse().ok()?));
    }
    let rest = line.strip_prefix("listening ")?;
    let field = |key: &str| rest.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    Some((field("listener")?.to_owned(), field("address")?.parse().ok()?))
}

/// One of the places for a gateway.
struct Slot;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREE: Condvar = Condvar::new();

impl Slot {
    fn take() -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken >= AT_ONCE {
            taken = FREE.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREE.notify_one();
    }
}
