//! What becomes of bytes that rustls makes or reads, in buffers that are ours?
//!
//! ```text
//! wire (scratch) --open--> plain (scratch)      an incomplete record at its end --> partial, until its rest comes
//! Out --------- seal --> wire (scratch) --> socket      what the socket does not take --> unsent, which leaves first
//! ```
//! rustls' unbuffered connection keeps no bytes of a session between two calls, so neither Vec here holds memory while
//! nothing is on its way. rustls itself bounds what a peer can make us do: 32 key updates without data between them end the
//! connection, renegotiation is refused, and a record is at most 16 KiB.

use std::fmt;

use rustls::{
    ProtocolVersion,
    client::{ClientConnectionData, UnbufferedClientConnection},
    pki_types::CertificateDer,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{
        ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedConnectionCommon,
        UnbufferedStatus,
    },
};

use super::{Fill, PLAIN, WIRE};

/// The longest start of a record, or of a handshake message in several, that is kept: a chain of some twenty certificates.
pub(super) const PARTIAL: usize = 40 * 1024;

const _: () = assert!(PARTIAL + 16 * 1024 <= WIRE && WIRE <= PLAIN);

/// One TLS connection, either role, without its socket.
pub struct Records {
    tls: Tls,
    /// The start of what has not come whole; never a whole record.
    partial: Vec<u8>,
    /// Records that the socket did not take yet, and how much of their front has left.
    unsent: Vec<u8>,
    sent: usize,
    /// What came right behind the handshake, decrypted.
    early: Vec<u8>,
    /// How the incoming side ended, once it has.
    pub(super) end: Option<Fill>,
    pub(super) said_goodbye: bool,
    /// Bytes off the socket that nobody has asked about yet.
    pub(super) wire: usize,
}

/// rustls knows the role by type.
pub(crate) enum Tls {
    /// We were dialled.
    Server(UnbufferedServerConnection),
    /// We dialled.
    Client(UnbufferedClientConnection),
}

/// What shall leave.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word<'a> {
    Data(&'a [u8]),
    Goodbye,
}

/// Records that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    #[error("the connection is broken: {0}")]
    Broken(#[from] rustls::Error),
    #[error("{0}")]
    Encrypt(#[from] EncryptError),
    #[error("{0}")]
    Encode(#[from] EncodeError),
    #[error("a record was left unread")]
    Unread,
    #[error("the connection has ended with an alert")]
    Over,
}

impl Records {
    pub(crate) fn new(tls: Tls) -> Self {
        Self {
            tls,
            partial: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            early: Vec::new(),
            end: None,
            said_goodbye: false,
            wire: 0,
        }
    }

    /// Whether the peer's last flight is still to come.
    pub(super) fn is_handshaking(&self) -> bool {
        match &self.tls {
            Tls::Server(server) => server.is_handshaking(),
            Tls::Client(client) => client.is_handshaking(),
        }
    }

    /// The peer's chain, end entity first.
    pub(crate) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let chain = match &self.tls {
            Tls::Server(server) => server.peer_certificates(),
            Tls::Client(client) => client.peer_certificates(),
        };
        chain.unwrap_or(&[])
    }

    /// What was agreed on.
    pub(crate) fn protocol_version(&self) -> Option<ProtocolVersion> {
        match &self.tls {
            Tls::Server(server) => server.protocol_version(),
            Tls::Client(client) => client.protocol_version(),
        }
    }

    /// How many bytes at the front of the next wire buffer are the session's own: they go in with [`Self::lay`].
    pub(super) const fn kept(&self) -> usize {
        self.partial.len()
    }

    /// Puts the kept start before what was read.
    pub(super) fn lay(&self, wire: &mut [u8]) {
        if let Some(front) = wire.get_mut(..self.partial.len()) {
            front.copy_from_slice(&self.partial);
        }
    }

    /// Reads every whole record in `wire`, which begins with what was kept, and keeps what is left. Says how many bytes
    /// `plain` then holds. After an error the alert that says why is among the unsent.
    pub(super) fn open(&mut self, wire: &mut [u8], plain: &mut [u8]) -> (usize, Result<(), rustls::Error>) {
        let mut opening = Opening { plain, filled: 0, unsent: &mut self.unsent, closed: false, used: 0 };
        let mut result = match &mut self.tls {
            Tls::Server(server) => opening.run(server, wire),
            Tls::Client(client) => opening.run(client, wire),
        };
        let Opening { filled, closed, used, .. } = opening;
        let rest = if closed { &[] } else { wire.get(used..).unwrap_or(&[]) };
        if rest.len() > PARTIAL && result.is_ok() {
            result = Err(rustls::InvalidMessage::HandshakePayloadTooLarge.into());
        }
        if closed {
            self.end = Some(Fill::Eof);
        }
        if result.is_err() {
            self.end = Some(Fill::Broken);
        }
        if rest.is_empty() || result.is_err() {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
            self.partial.extend_from_slice(rest);
        }
        (filled, result)
    }

    /// Makes the records of `word` at the start of `into`, behind what rustls wants to say first; says how long they are.
    pub(super) fn seal(&mut self, word: Word<'_>, into: &mut [u8]) -> Result<usize, SealError> {
        // What it was reading when it broke is gone, and rustls would look for it.
        if self.end == Some(Fill::Broken) {
            return Err(SealError::Over);
        }
        match &mut self.tls {
            // rustls looks at the incoming side first, and must see there what it saw before.
            Tls::Server(server) => seal(server, &mut self.partial, word, into),
            Tls::Client(client) => seal(client, &mut self.partial, word, into),
        }
    }

    /// What must leave before anything else.
    pub(super) fn unsent(&self) -> &[u8] {
        self.unsent.get(self.sent..).unwrap_or(&[])
    }

    /// Some of it has left. The memory goes with the last of it.
    pub(super) fn has_sent(&mut self, n: usize) {
        self.sent += n;
        if self.sent >= self.unsent.len() {
            self.unsent = Vec::new();
            self.sent = 0;
        }
    }

    /// These must leave next.
    pub(super) fn keep_unsent(&mut self, records: &[u8]) {
        self.unsent.extend_from_slice(records);
    }

    /// Memory that the session has for bytes on their way.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.partial.capacity() + self.unsent.capacity() + self.early.capacity()
    }

    pub(super) fn keep_early(&mut self, plain: &[u8]) {
        self.early.extend_from_slice(plain);
    }

    pub(super) fn take_early(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.early)
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = (self.partial.len(), self.unsent.len(), self.early.len());
        f.debug_struct("Records").field("bytes", &bytes).field("end", &self.end).finish_non_exhaustive()
    }
}

/// Calls rustls for one role.
trait Role: Sized {
    fn process<'c, 'i>(
        connection: &'c mut UnbufferedConnectionCommon<Self>,
        wire: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self>;
}

impl Role for ServerConnectionData {
    fn process<'c, 'i>(
        connection: &'c mut UnbufferedConnectionCommon<Self>,
        wire: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self> {
        connection.process_tls_records(wire)
    }
}

impl Role for ClientConnectionData {
    fn process<'c, 'i>(
        connection: &'c mut UnbufferedConnectionCommon<Self>,
        wire: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self> {
        connection.process_tls_records(wire)
    }
}

/// One call of [`Records::open`].
struct Opening<'a> {
    plain: &'a mut [u8],
    filled: usize,
    unsent: &'a mut Vec<u8>,
    closed: bool,
    used: usize,
}

impl Opening<'_> {
    fn run<R: Role>(
        &mut self,
        connection: &mut UnbufferedConnectionCommon<R>,
        wire: &mut [u8],
    ) -> Result<(), rustls::Error> {
        loop {
            let UnbufferedStatus { mut discard, state } =
                R::process(connection, wire.get_mut(self.used..).unwrap_or_default());
            let go_on = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        self.push(record.payload)?;
                    }
                    true
                }
                Ok(ConnectionState::EncodeTlsData(record)) => {
                    append(record, self.unsent);
                    true
                }
                // The order of what leaves is kept by `unsent`.
                Ok(ConnectionState::TransmitTlsData(made)) => {
                    made.done();
                    true
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.closed = true;
                    false
                }
                Ok(ConnectionState::WriteTraffic(_) | ConnectionState::BlockedHandshake) => false,
                // Early data is switched off, and rustls' list is open.
                Ok(_) => return Err(rustls::Error::General("a state that we do not serve".to_owned())),
                Err(error) => {
                    self.last_alert(connection);
                    return Err(error);
                }
            };
            self.used += discard;
            if !go_on {
                return Ok(());
            }
        }
    }

    fn push(&mut self, payload: &[u8]) -> Result<(), rustls::Error> {
        let end = self.filled + payload.len();
        let room = self.plain.get_mut(self.filled..end);
        room.ok_or_else(|| rustls::Error::General("a record is longer than its encryption".to_owned()))?
            .copy_from_slice(payload);
        self.filled = end;
        Ok(())
    }

    /// rustls hands out its alert although it is broken. Asked once more than it has something to say, it would go on
    /// reading, and stumble over what it broke on.
    fn last_alert<R: Role>(&mut self, connection: &mut UnbufferedConnectionCommon<R>) {
        while connection.wants_write() {
            let Ok(ConnectionState::EncodeTlsData(record)) = R::process(connection, &mut []).state else { return };
            append(record, self.unsent);
        }
    }
}

fn append<R>(mut record: EncodeTlsData<'_, R>, to: &mut Vec<u8>) {
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) = record.encode(&mut []) else {
        return;
    };
    let start = to.len();
    to.resize(start + required_size, 0);
    let room = to.get_mut(start..).unwrap_or_default();
    record.encode(room).expect("it said how much it needs, and was not taken before");
}

fn seal<R: Role>(
    connection: &mut UnbufferedConnectionCommon<R>,
    partial: &mut [u8],
    word: Word<'_>,
    into: &mut [u8],
) -> Result<usize, SealError> {
    let mut made = 0;
    loop {
        let room = into.get_mut(made..).unwrap_or_default();
        match R::process(connection, partial).state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let n = match word {
                    Word::Data(plain) => traffic.encrypt(plain, room)?,
                    Word::Goodbye => traffic.queue_close_notify(room)?,
                };
                return Ok(made + n);
            }
            ConnectionState::EncodeTlsData(mut record) => made += record.encode(room)?,
            ConnectionState::TransmitTlsData(record) => record.done(),
            // Said once, and noted when it was read.
            ConnectionState::PeerClosed => {}
            // Both sides have said goodbye.
            ConnectionState::Closed => return Ok(made),
            _ => return Err(SealError::Unread),
        }
    }
}
