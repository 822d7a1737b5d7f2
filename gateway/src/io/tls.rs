//! What does TLS add to a stream: records, alerts, and an honest end?

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use sluicegate_proto::out::Out;
use tokio::{io::AsyncWrite, net::TcpStream};

use super::{
    Fill, Scratch, poll_read,
    records::{PARTIAL, Records, Word},
};

/// Plain bytes that are encrypted at once: two full records. It bounds what we hold for a socket that takes nothing.
const AT_ONCE: usize = 32 * 1024;
/// A close_notify, and an answer to a key update before it.
const GOODBYE: usize = 256;

/// Reads once, and decrypts every record that is whole by then.
pub(super) fn poll_fill(
    stream: &mut TcpStream,
    records: &mut Records,
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
) -> Poll<Fill> {
    let early = records.take_early();
    if let Some(room) = scratch.plain.get_mut(..early.len()).filter(|room| !room.is_empty()) {
        room.copy_from_slice(&early);
        return Poll::Ready(Fill::Bytes(early.len()));
    }
    loop {
        if let Some(end) = records.end {
            return Poll::Ready(end);
        }
        let n = match ready!(poll_read_on(stream, records, cx, scratch)) {
            Ok(0) | Err(_) => return Poll::Ready(Fill::Truncated),
            Ok(n) => n,
        };
        match open(records, scratch, n) {
            // The alert that says why. The session ends now whether it leaves or not.
            (0, Err(_)) => {
                let _ = poll_unsent(stream, records, cx);
                return Poll::Ready(Fill::Broken);
            }
            // A key update, a session ticket, a goodbye, or part of a record: nothing for us yet.
            (0, Ok(())) => {}
            // What was good before the bad record counts; the end is told by the next call.
            (plain, _) => return Poll::Ready(Fill::Bytes(plain)),
        }
    }
}

/// Encrypts and writes until `out` is empty (ready) or the socket takes no more (pending).
pub(super) fn poll_flush(
    stream: &mut TcpStream,
    records: &mut Records,
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
    out: &mut Out,
) -> Poll<io::Result<()>> {
    loop {
        // Records first: there is never more than `AT_ONCE` of them, and a slow peer is felt by the engine.
        ready!(poll_unsent(stream, records, cx))?;
        if records.end == Some(Fill::Broken) {
            // Nothing can be said any more but the alert, which has left.
            out.clear();
        }
        let waiting = out.as_slice();
        let part = waiting.get(..AT_ONCE).unwrap_or(waiting);
        if part.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let made = records.seal(Word::Data(part), &mut scratch.wire).map_err(io::Error::other)?;
        let used = part.len();
        out.consume(used);
        let made = scratch.wire.get(..made).unwrap_or(&[]);
        let sent = match Pin::new(&mut *stream).poll_write(cx, made) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        records.keep_unsent(made.get(sent..).unwrap_or(&[]));
    }
}

/// close_notify, then FIN.
pub(super) fn poll_goodbye(
    stream: &mut TcpStream,
    records: &mut Records,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    if !records.said_goodbye {
        records.said_goodbye = true;
        let mut made = [0; GOODBYE];
        // A broken connection has sent its alert instead.
        if let Ok(n) = records.seal(Word::Goodbye, &mut made) {
            records.keep_unsent(made.get(..n).unwrap_or(&[]));
        }
    }
    ready!(poll_unsent(stream, records, cx))?;
    Pin::new(stream).poll_shutdown(cx)
}

/// Shakes hands. Afterwards the connection is ready for both directions and nothing of the handshake is left to send.
///
/// The error carries what rustls says, where it is the one who says it. Its alert has then left where the socket took it.
pub(super) fn poll_shake(
    stream: &mut TcpStream,
    records: &mut Records,
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
) -> Poll<io::Result<()>> {
    loop {
        ready!(poll_unsent(stream, records, cx))?;
        if !records.is_handshaking() {
            return Poll::Ready(Ok(()));
        }
        let n = ready!(poll_read_on(stream, records, cx, scratch))?;
        if n == 0 {
            let early = io::Error::new(io::ErrorKind::UnexpectedEof, "the peer ended the handshake");
            return Poll::Ready(Err(early));
        }
        records.wire = 0;
        let (plain, opened) = open(records, scratch, n);
        records.keep_early(scratch.plain(plain));
        if let Err(error) = opened {
            let _ = poll_unsent(stream, records, cx);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
    }
}

/// What a client has to say first. A server has nothing.
pub(super) fn begin(records: &mut Records) -> io::Result<()> {
    let (_, begun) = records.open(&mut [], &mut []);
    begun.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// One read from the socket, behind the place of what was kept.
fn poll_read_on(
    stream: &mut TcpStream,
    records: &mut Records,
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
) -> Poll<io::Result<usize>> {
    debug_assert!(records.kept() <= PARTIAL);
    let room = scratch.wire.get_mut(records.kept()..).unwrap_or_default();
    let n = ready!(poll_read(stream, cx, room))?;
    records.wire = records.wire.saturating_add(n);
    Poll::Ready(Ok(n))
}

fn open(records: &mut Records, scratch: &mut Scratch, read: usize) -> (usize, Result<(), rustls::Error>) {
    records.lay(&mut scratch.wire);
    let all = records.kept() + read;
    records.open(scratch.wire.get_mut(..all).unwrap_or_default(), &mut scratch.plain)
}

fn poll_unsent(stream: &mut TcpStream, records: &mut Records, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    while !records.unsent().is_empty() {
        let n = ready!(Pin::new(&mut *stream).poll_write(cx, records.unsent()))?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        records.has_sent(n);
    }
    Poll::Ready(Ok(()))
}
