//! How do bytes come from and go to one peer or device?
//!
//! ```text
//! socket -> Scratch.wire -> rustls -> Scratch.plain -> engine -> Out -> rustls -> Scratch.wire -> socket
//!           \_______________ borrowed from the worker, only inside one poll ______________/
//! ```
//! A session that waits holds no buffer of ours: the scratch belongs to the worker. A stream that ends without
//! close_notify was cut by somebody, and is told apart from a peer that has finished.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use sluicegate_proto::out::Out;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

mod records;
pub(crate) mod shake;
mod tls;

pub use records::Records;

/// What one socket read may bring, behind the start of a record that came before: at least three full TLS records. What is
/// written is two of them at most.
const WIRE: usize = 64 * 1024;
/// What that may decrypt to.
const PLAIN: usize = WIRE;

/// The buffers of one worker, borrowed inside a poll.
#[derive(Debug)]
pub struct Scratch {
    wire: Box<[u8]>,
    plain: Box<[u8]>,
}

impl Scratch {
    /// Buffers for one worker.
    pub fn new() -> Self {
        Self { wire: vec![0; WIRE].into(), plain: vec![0; PLAIN].into() }
    }

    /// A place for bytes that nobody will read.
    pub fn waste(&mut self) -> &mut [u8] {
        &mut self.wire
    }

    /// The first `n` bytes of what [`PeerIo::poll_fill`] brought.
    pub fn plain(&self, n: usize) -> &[u8] {
        self.plain.get(..n).unwrap_or(&[])
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// So many bytes, at the start of the scratch.
    Bytes(usize),
    /// The other side has finished sending, and said so.
    Eof,
    /// The other side is gone without a word: reset, or FIN without close_notify.
    Truncated,
    /// What came is not TLS that we accept. An alert is ready to leave.
    Broken,
}

/// A stream as it travels between threads: registered with no runtime.
#[derive(Debug)]
pub enum Parked {
    /// Plain TCP.
    Tcp(std::net::TcpStream),
    /// After its handshake, with whatever came behind it.
    Tls(std::net::TcpStream, Box<Records>),
}

/// One connection. Protocol-blind: an enum, not a generic, so that every session task has one type.
#[derive(Debug)]
pub enum PeerIo {
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS, either role.
    Tls(TcpStream, Box<Records>),
}

impl PeerIo {
    /// Registers the stream with the runtime of this thread.
    ///
    /// # Errors
    /// When the runtime takes no more sockets.
    pub fn unpark(parked: Parked) -> io::Result<Self> {
        match parked {
            Parked::Tcp(stream) => Ok(Self::Tcp(TcpStream::from_std(stream)?)),
            Parked::Tls(stream, records) => Ok(Self::Tls(TcpStream::from_std(stream)?, records)),
        }
    }

    /// Reads once. Bytes are in [`Scratch::plain`] until the next read of any session of this worker.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch) -> Poll<Fill> {
        match self {
            Self::Tcp(stream) => match ready!(poll_read(stream, cx, &mut scratch.plain)) {
                Ok(0) => Poll::Ready(Fill::Eof),
                Ok(n) => Poll::Ready(Fill::Bytes(n)),
                Err(_) => Poll::Ready(Fill::Truncated),
            },
            Self::Tls(stream, records) => tls::poll_fill(stream, records, cx, scratch),
        }
    }

    /// Of a read that brought `plain` bytes: how many more came off the wire for it. One byte in a TLS record can be followed
    /// by 16 KiB of padding, and all of it costs us.
    pub fn take_overhead(&mut self, plain: usize) -> usize {
        match self {
            Self::Tcp(_) => 0,
            Self::Tls(_, records) => std::mem::take(&mut records.wire).saturating_sub(plain),
        }
    }

    /// Writes until `out` is empty (ready) or the socket takes no more (pending). What left is consumed. The scratch is
    /// where records are made: what it held is gone.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, scratch: &mut Scratch, out: &mut Out) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => {
                while !out.is_empty() {
                    let n = ready!(Pin::new(&mut *stream).poll_write(cx, out.as_slice()))?;
                    if n == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    out.consume(n);
                }
                Poll::Ready(Ok(()))
            }
            Self::Tls(stream, records) => tls::poll_flush(stream, records, cx, scratch, out),
        }
    }

    /// Says goodbye: close_notify where there is TLS, then FIN.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream, records) => tls::poll_goodbye(stream, records, cx),
        }
    }

    /// After the goodbye: drops what still comes until the other side ends. A socket closed with unread bytes sends a
    /// reset, and a reset can overtake our last answer.
    pub fn poll_linger(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<()> {
        let (Self::Tcp(stream) | Self::Tls(stream, _)) = self;
        loop {
            match ready!(poll_read(stream, cx, into)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }
}

/// Small messages leave at once; a dead other side is noticed by the kernel within a minute even when nobody sends. What a
/// listening socket has, every connection that it accepts has from the start.
///
/// # Errors
/// When the kernel refuses an option.
pub fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let alive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY).with_retries(3);
    socket.set_tcp_keepalive(&alive)?;
    socket.set_tcp_user_timeout(Some(UNACKED))?;
    // The kernel's own choice grows to 10 MiB a connection: a peer that only sends, or never reads, would hold that.
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)
}

/// Silence before the first probe.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
/// Between probes; three unanswered ones end the connection.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
/// Bytes sent but not acknowledged for so long: the path is dead.
const UNACKED: Duration = Duration::from_secs(30);

/// Bytes in the kernel a direction, which it doubles for its own needs: 4 MiB a second over a path of 30 ms.
const KERNEL_BUFFER: usize = 128 * 1024;

/// One read from the socket.
fn poll_read(stream: &mut TcpStream, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(into);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

#[cfg(test)]
mod tests;
