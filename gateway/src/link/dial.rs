//! Which of the conduit's upstreams answers first, in their order?

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use sluicegate_config::plan::{Conduit, ConduitId, Upstream};
use socket2::SockRef;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::oneshot,
    time::timeout,
};

use crate::io::{Parked, PeerIo, tune};

/// How long one address may take, TLS included. Ordered failover adds them up; `queue_timeout` is ten seconds.
const CONNECT: Duration = Duration::from_secs(3);

/// Nobody in the list could be reached; the last failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The network or the device.
    #[error("{address}: {error}")]
    Connect {
        /// As the plan writes it.
        address: String,
        /// What failed.
        error: io::Error,
    },
    /// The network or the device.
    #[error("{0}: no answer within {CONNECT:?}")]
    Timeout(String),
    /// The operator.
    #[error("the conduit names no upstream")]
    None,
}

/// One TLS dial: `upstream` is the place in the conduit's list.
#[derive(Debug)]
pub(crate) struct TlsDial {
    /// Whose.
    pub(crate) conduit: ConduitId,
    /// Which of its upstreams.
    pub(crate) upstream: usize,
    /// Takes the stream back; dropped when nobody waits any more.
    pub(crate) back: oneshot::Sender<io::Result<Parked>>,
}

/// Dials with TLS on the handshake threads, so that no data worker signs.
pub(crate) type TlsDialer = Arc<dyn Fn(TlsDial) + Send + Sync>;

/// Walks the list once.
pub(crate) async fn any(plan: &Conduit, conduit: ConduitId, dialer: &TlsDialer) -> Result<PeerIo, DialError> {
    let mut last = DialError::None;
    for (upstream, one) in plan.upstream.iter().enumerate() {
        let (address, dialled) = match one {
            Upstream::Tcp(address) => (address, timeout(CONNECT, tcp(address)).await),
            Upstream::Tls { address, .. } => (address, timeout(CONNECT, tls(conduit, upstream, dialer)).await),
        };
        last = match dialled {
            Ok(Ok(io)) => return Ok(io),
            Ok(Err(error)) => DialError::Connect { address: address.clone(), error },
            Err(_) => DialError::Timeout(address.clone()),
        };
    }
    Err(last)
}

async fn tcp(address: &str) -> io::Result<PeerIo> {
    Ok(PeerIo::Tcp(connect(address).await?))
}

async fn tls(conduit: ConduitId, upstream: usize, dialer: &TlsDialer) -> io::Result<PeerIo> {
    let (back, answer) = oneshot::channel();
    dialer(TlsDial { conduit, upstream, back });
    PeerIo::unpark(answer.await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))??)
}

/// A tuned TCP connection to `host:port`, on the runtime of the caller.
pub(crate) async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = match address.parse::<SocketAddr>() {
        Ok(address) => TcpStream::connect(address).await?,
        // A name: every address that it has, in the resolver's order.
        Err(_) => {
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            let mut found = None;
            for address in lookup_host(address).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => {
                        found = Some(stream);
                        break;
                    }
                    Err(error) => last = error,
                }
            }
            found.ok_or(last)?
        }
    };
    tune(&SockRef::from(&stream))?;
    Ok(stream)
}
