//! What does TLS add to a stream: records, alerts, and an honest end?

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustls::Connection;
use sluicegate_proto::out::Out;
use tokio::{io::AsyncWrite, net::TcpStream};

use super::{Blocking, Fill, poll_read};

/// A connection after its handshake.
///
/// rustls itself bounds what a peer can make us do here: 32 key-update requests without data between them end the
/// connection, renegotiation is refused, and a record is at most 16 KiB.
#[derive(Debug)]
pub struct TlsIo {
    stream: TcpStream,
    connection: Connection,
    said_goodbye: bool,
    /// Bytes off the socket that nobody has asked about yet.
    wire: usize,
}

impl TlsIo {
    pub(super) const fn new(stream: TcpStream, connection: Connection) -> Self {
        Self { stream, connection, said_goodbye: false, wire: 0 }
    }

    pub(super) fn take_wire(&mut self) -> usize {
        std::mem::take(&mut self.wire)
    }

    pub(super) const fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>, wire: &mut [u8], plain: &mut [u8]) -> Poll<Fill> {
        loop {
            // What rustls holds first: bytes may have come with the handshake, or after the last message.
            match self.connection.reader().read(plain) {
                Ok(0) => return Poll::Ready(Fill::Eof),
                Ok(n) => return Poll::Ready(Fill::Bytes(n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Poll::Ready(Fill::Truncated),
            }
            let n = match ready!(poll_read(&mut self.stream, cx, wire)) {
                Ok(0) | Err(_) => return Poll::Ready(Fill::Truncated),
                Ok(n) => n,
            };
            self.wire = self.wire.saturating_add(n);
            match self.decrypt(wire.get(..n).unwrap_or(&[]), plain) {
                // A key update, a session ticket, or part of a record: nothing for us yet.
                Ok(0) => {}
                Ok(n) => return Poll::Ready(Fill::Bytes(n)),
                Err(_) => {
                    // The alert that says why. The session ends now whether it leaves or not.
                    let _ = self.poll_records(cx);
                    return Poll::Ready(Fill::Broken);
                }
            }
        }
    }

    /// Feeds `wire` to rustls, which takes a few KiB at a time, and collects what it decrypts to.
    fn decrypt(&mut self, mut wire: &[u8], plain: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while !wire.is_empty() {
            // Zero: the peer has said close_notify; what follows it means nothing.
            if self.connection.read_tls(&mut wire)? == 0 {
                break;
            }
            self.connection.process_new_packets().map_err(io::Error::other)?;
            while let Some(room) = plain.get_mut(filled..).filter(|room| !room.is_empty()) {
                match self.connection.reader().read(room) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => filled += n,
                }
            }
        }
        Ok(filled)
    }

    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        _records: &mut [u8],
        out: &mut Out,
    ) -> Poll<io::Result<()>> {
        loop {
            // Records first: rustls then never holds more than one `Out` of ours, and a slow peer is felt by the engine.
            ready!(self.poll_records(cx))?;
            if out.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let n = self.connection.writer().write(out.as_slice())?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            out.consume(n);
        }
    }

    fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Blocking { stream: &mut self.stream, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.said_goodbye {
            self.connection.send_close_notify();
            self.said_goodbye = true;
        }
        ready!(self.poll_records(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
