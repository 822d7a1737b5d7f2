//! How is the real gateway started, known to be ready, and never left behind?

use std::{
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// Longest start: a small machine under load takes seconds to make its keys ready.
const START: Duration = Duration::from_secs(60);
/// Longest answer of the admin endpoint.
const PROBE: Duration = Duration::from_secs(2);
/// The gateway prints this once every listener takes peers.
const SERVING: &str = "\nserving ";
/// Bytes read of one answer of `/readyz`: its first line matters.
const FIRST_LINE: usize = 64;

/// The gateway's process. Dropping it kills it: whatever way the demo ends, nothing is left behind.
#[derive(Debug)]
pub struct Gate {
    child: Child,
    log: PathBuf,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The binary cannot be run.
    #[error("{path} cannot be started: {source}")]
    Spawn {
        /// Which binary.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended by itself.
    #[error("the gateway ended before it was ready ({status}); it printed:\n{printed}")]
    Ended {
        /// How.
        status: String,
        /// Its log.
        printed: String,
    },
    /// It never said that it is ready.
    #[error("the gateway was not ready after {} s; it printed:\n{printed}", START.as_secs())]
    NotReady {
        /// Its log.
        printed: String,
    },
}

impl GateError {
    /// Whether somebody else took the port first.
    pub fn is_taken(&self) -> bool {
        match self {
            Self::Ended { printed, .. } => printed.contains("in use"),
            Self::Spawn { .. } | Self::NotReady { .. } => false,
        }
    }
}

impl Gate {
    /// Starts `binary run --config FILE` with its output in `DIR/gateway.log`, and waits until `/readyz` says 200 or it has
    /// printed that it serves.
    ///
    /// # Errors
    /// See [`GateError`].
    pub async fn start(binary: &Path, config: &Path, dir: &Path, metrics: SocketAddr) -> Result<Self, GateError> {
        let spawn = |source| GateError::Spawn { path: binary.to_owned(), source };
        let log = dir.join("gateway.log");
        let out = File::create(&log).map_err(spawn)?;
        let err = out.try_clone().map_err(spawn)?;
        let child = Command::new(binary)
            .arg("run")
            .arg("--config")
            .arg(config)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(spawn)?;
        let mut gate = Self { child, log };
        gate.ready(metrics).await?;
        Ok(gate)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(fault) => Some(fault.to_string()),
        }
    }

    async fn ready(&mut self, metrics: SocketAddr) -> Result<(), GateError> {
        let started = Instant::now();
        while started.elapsed() < START {
            if let Some(status) = self.ended() {
                return Err(GateError::Ended { status, printed: self.printed() });
            }
            let answered = timeout(PROBE, probe(metrics)).await.is_ok_and(|said| said.unwrap_or(false));
            if answered || self.printed().contains(SERVING) {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(GateError::NotReady { printed: self.printed() })
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It has ended, or it ends now: neither failure leaves anything to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback port that was free a moment ago. The gateway binds it itself; should somebody be faster, it says so.
///
/// # Errors
/// When the system gives none.
pub fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

async fn probe(metrics: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(metrics).await?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::with_capacity(FIRST_LINE);
    let mut bounded = stream.take(u64::try_from(FIRST_LINE).expect("a small number"));
    bounded.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gateway_that_ends_at_once_is_told_with_what_it_printed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let metrics = free_port().expect("loopback has a port");
        let gate = Gate::start(Path::new("/bin/echo"), Path::new("/nowhere"), dir.path(), metrics).await;
        let told = gate.expect_err("echo is no gateway").to_string();
        assert!(told.contains("run --config /nowhere"), "{told}");
    }
}
