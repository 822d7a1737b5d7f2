//! How does a stream become a TLS connection, on a handshake thread?

use std::{cell::RefCell, future::poll_fn, io};

use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use rustls::{client::UnbufferedClientConnection, server::UnbufferedServerConnection};
use std::sync::Arc;
use tokio::net::TcpStream;

use super::{
    Scratch,
    records::{Records, Tls},
    tls,
};

thread_local! {
    /// The handshake threads' own: a task may wake on any of them, and borrows it only inside a poll.
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
}

/// The server's part of a handshake. An error comes with the stream, so that the peer can still read the alert.
pub(crate) async fn accept(
    config: Arc<ServerConfig>,
    stream: TcpStream,
) -> Result<(TcpStream, Box<Records>), (io::Error, TcpStream)> {
    match UnbufferedServerConnection::new(config) {
        Ok(server) => shake(stream, Tls::Server(server)).await,
        Err(error) => Err((io::Error::other(error), stream)),
    }
}

/// The client's part of a handshake.
pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: TcpStream,
) -> io::Result<(TcpStream, Box<Records>)> {
    let client = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
    shake(stream, Tls::Client(client)).await.map_err(|(error, _)| error)
}

async fn shake(mut stream: TcpStream, tls: Tls) -> Result<(TcpStream, Box<Records>), (io::Error, TcpStream)> {
    let mut records = Box::new(Records::new(tls));
    let shaken = match tls::begin(&mut records) {
        Ok(()) => {
            let shaking = |cx: &mut std::task::Context<'_>| {
                SCRATCH.with_borrow_mut(|scratch| tls::poll_shake(&mut stream, &mut records, cx, scratch))
            };
            poll_fn(shaking).await
        }
        Err(error) => Err(error),
    };
    match shaken {
        Ok(()) => Ok((stream, records)),
        Err(error) => Err((error, stream)),
    }
}
