//! Where do connections come in, and what happens when the system has no room for another?
//!
//! The accept loop never waits for a peer: it asks `admit`, hands the socket over, and accepts the next.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use sluicegate_config::plan::{Listener, ListenerId, Site};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    admit::{Admission, Admitted, Turned},
    io::tune,
};

/// Connections that the kernel completes while we are busy; it caps this at net.core.somaxconn.
const BACKLOG: i32 = 1024;
/// How long the loop rests when descriptors or memory ran out (PX-03).
const REST: Duration = Duration::from_millis(75);
/// Waiting connections closed before each rest: what is behind them then waits no longer than a second.
const SHED_AT_ONCE: usize = 64;

/// The operator: an address cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("listeners.{listener}.bind: cannot listen on {address}: {error}{}", why(error.kind()))]
pub struct BindError {
    listener: String,
    address: SocketAddr,
    error: io::Error,
}

/// What the operator can do about it, where the system's words do not say it.
fn why(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "; a port that low needs net.ipv4.ip_unprivileged_port_start lowered, as systemd/sluicegate.sysctl does"
        }
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address (yet)",
        _ => "",
    }
}

/// A bound socket: from here on nothing about it can fail.
#[derive(Debug)]
pub struct Bound {
    /// Its name in the plan that it was bound for.
    pub name: Arc<str>,
    /// What the plan says.
    pub bind: SocketAddr,
    /// Its real address: the port that the system chose where the plan says 0.
    pub address: SocketAddr,
    socket: StdListener,
}

/// Binds every listener, or none.
///
/// # Errors
/// The first that cannot be bound, by its key.
pub fn bind_all(site: &Site) -> Result<Vec<Bound>, BindError> {
    site.listeners.iter().map(bind_one).collect()
}

/// Binds one listener.
///
/// # Errors
/// It cannot be bound.
pub fn bind_one(listener: &Listener) -> Result<Bound, BindError> {
    let bad = |error| BindError { listener: listener.name.clone(), address: listener.bind, error };
    let socket = bind(listener.bind).map_err(bad)?;
    let address = socket.local_addr().map_err(bad)?;
    Ok(Bound { name: Arc::from(listener.name.as_str()), bind: listener.bind, address, socket })
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    tune(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Where accepted connections go.
pub trait Porter: Send + Sync + 'static {
    /// Takes a connection. Must not block.
    fn take(self: &Arc<Self>, listener: ListenerId, stream: TcpStream, from: SocketAddr, admitted: Admitted);
    /// A connection was closed before its handshake; `tell` at most once a second and source.
    fn turned(self: &Arc<Self>, listener: ListenerId, from: SocketAddr, why: Turned, tell: bool);
    /// The system had no room: counted, and told once a second.
    fn exhausted(self: &Arc<Self>, listener: ListenerId, error: &io::Error);
}

/// Who stands at a listener under the configuration in force.
#[derive(Debug)]
pub struct Post<P> {
    /// The listener's place in that configuration.
    pub id: ListenerId,
    /// Who is let in.
    pub admission: Arc<Admission>,
    /// Who takes them.
    pub porter: Arc<P>,
}

/// Accepts for whoever is posted here, until nobody is: the socket outlives configurations, and closes with its listener.
pub async fn accept<P: Porter>(bound: Bound, mut posts: watch::Receiver<Option<Post<P>>>) {
    let listener = match TcpListener::from_std(bound.socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(listener = %bound.name, %error, "cannot be served");
            return;
        }
    };
    let mut spare = Spare::new();
    loop {
        let came = tokio::select! {
            biased;
            gone = posts.wait_for(Option::is_none) => {
                drop(gone);
                return;
            }
            came = listener.accept() => came,
        };
        let out_of_room = match came {
            Ok((stream, from)) => {
                hand_in(&posts, stream, from);
                None
            }
            Err(error) if exhausted(&error) => Some(error),
            // A connection that was reset before we took it: the next one may be fine.
            Err(_) => {
                tokio::task::yield_now().await;
                None
            }
        };
        if let Some(error) = out_of_room {
            if let Some(post) = &*posts.borrow() {
                post.porter.exhausted(post.id, &error);
            }
            spare.shed(&listener).await;
            tokio::time::sleep(REST).await;
        }
    }
}

/// The configuration in force when a connection comes is the one that receives it.
fn hand_in<P: Porter>(posts: &watch::Receiver<Option<Post<P>>>, stream: TcpStream, from: SocketAddr) {
    let posts = posts.borrow();
    let Some(post) = &*posts else { return };
    match post.admission.ask(post.id.index(), from.ip(), Instant::now()) {
        Ok(admitted) => post.porter.take(post.id, stream, from, admitted),
        Err((why, tell)) => post.porter.turned(post.id, from, why, tell),
    }
}

/// A descriptor held back so that a full table can still close what waits in the backlog: a peer then sees the end at
/// once, and does not hang until its own deadline.
#[derive(Debug)]
struct Spare(Option<std::fs::File>);

impl Spare {
    fn new() -> Self {
        Self(std::fs::File::open("/dev/null").ok())
    }

    async fn shed(&mut self, listener: &TcpListener) {
        if self.0.take().is_some() {
            for _ in 0..SHED_AT_ONCE {
                let one = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
                let Ok(Ok(_closed)) = one else { break };
                SHED.fetch_add(1, Relaxed);
            }
        }
        self.0 = std::fs::File::open("/dev/null").ok();
    }
}

/// Connections closed for want of a descriptor, over the process's life.
static SHED: AtomicU64 = AtomicU64::new(0);

/// Connections closed for want of a descriptor so far.
pub fn shed() -> u64 {
    SHED.load(Relaxed)
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM: ours or the system's table is full, and accepting again at once would spin.
fn exhausted(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::small_runtime;

    /// Nothing is set on a connection: it comes with what its listener has, before its first byte is read.
    #[test]
    fn px_05_a_connection_comes_with_its_options() {
        small_runtime().expect("a runtime").block_on(async {
            let bound = bind("127.0.0.1:0".parse().expect("an address")).expect("loopback");
            let address = bound.local_addr().expect("bound");
            let listener = TcpListener::from_std(bound).expect("registered");
            let (_client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            let accepted = accepted.expect("accepted").0;
            let dialled = crate::link::connect(&address.to_string()).await.expect("dialled");
            let options = |stream: &TcpStream| {
                let socket = SockRef::from(stream);
                (
                    socket.tcp_nodelay().expect("an option"),
                    socket.keepalive().expect("an option"),
                    socket.tcp_keepalive_time().expect("an option"),
                    socket.tcp_keepalive_interval().expect("an option"),
                    socket.tcp_keepalive_retries().expect("an option"),
                    socket.tcp_user_timeout().expect("an option"),
                    socket.recv_buffer_size().expect("an option"),
                    socket.send_buffer_size().expect("an option"),
                )
            };
            assert_eq!(options(&accepted), options(&dialled));
            assert!(options(&accepted).0 && options(&accepted).1);
        });
    }
}
