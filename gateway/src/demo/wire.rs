//! What did the device's wire really carry? Not the gateway's word: bytes, as they came.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes kept: a demo of a day with ten polls a second carries less. Past it the log stops and says so, and no expectation
/// holds any more.
const KEPT: usize = 64 << 20;

/// Every byte that reached the device, over all of its connections.
#[derive(Clone, Debug, Default)]
pub struct WireLog {
    inner: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl WireLog {
    /// The log of one more connection.
    fn connection(&self) -> usize {
        let mut all = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Vec::new());
        all.len() - 1
    }

    fn add(&self, connection: usize, bytes: &[u8]) {
        let mut all = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = all.iter().map(Vec::len).sum();
        if total.saturating_add(bytes.len()) <= KEPT
            && let Some(log) = all.get_mut(connection)
        {
            log.extend_from_slice(bytes);
        }
    }

    /// How often these bytes stand in the log, on any connection. Overlaps count.
    pub fn count(&self, pattern: &[u8]) -> usize {
        let all = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inside = |log: &Vec<u8>| log.windows(pattern.len().max(1)).filter(|window| *window == pattern).count();
        all.iter().map(inside).sum()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        let all = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(Vec::len).sum()
    }

    /// Whether nothing came.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the log is no longer whole.
    pub fn is_full(&self) -> bool {
        self.len().saturating_add(1 << 16) > KEPT
    }
}

/// A stream that writes down what is read from it, before anybody understands it.
#[derive(Debug)]
pub(super) struct Tapped<S> {
    stream: S,
    log: WireLog,
    connection: usize,
}

impl<S> Tapped<S> {
    pub(super) fn new(stream: S, log: WireLog) -> Self {
        let connection = log.connection();
        Self { stream, log, connection }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(new) = buf.filled().get(before..)
            && !new.is_empty()
        {
            self.log.add(self.connection, new);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn every_byte_read_is_written_down_and_no_byte_sent() {
        let log = WireLog::default();
        let (mut far, near) = tokio::io::duplex(64);
        let mut near = Tapped::new(near, log.clone());
        far.write_all(&[1, 2, 1, 2, 1]).await.expect("the pipe has room");
        let mut five = [0; 5];
        near.read_exact(&mut five).await.expect("five bytes wait");
        near.write_all(&[9, 9]).await.expect("the pipe has room");
        assert_eq!((log.count(&[1, 2]), log.count(&[1, 2, 1]), log.count(&[9]), log.len()), (2, 2, 0, 5));
    }

    #[test]
    fn a_pattern_does_not_match_across_connections() {
        let log = WireLog::default();
        let (one, two) = (log.connection(), log.connection());
        log.add(one, &[6, 0]);
        log.add(two, &[40, 1]);
        assert_eq!((log.count(&[6, 0]), log.count(&[6, 0, 40, 1])), (1, 0));
    }
}
