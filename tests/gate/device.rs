//! What reached the device, to the byte, on which connection, and what did it answer?

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use super::PATIENCE;

/// A device on loopback with 65536 of each point; holding and input registers hold their own address at first.
pub(crate) struct Device {
    /// Where it is.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

/// Makes an answer from a request.
pub(crate) type Lie = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// How a device answers.
#[derive(Clone)]
pub(crate) enum Answers {
    /// As a device should.
    Truly,
    /// Not at all; what it reads, it remembers.
    Never,
    /// When it is told to answer truly again: everything that waits then, in order.
    Later,
    /// With these bytes, made from the request.
    Falsely(Lie),
    /// It hangs up when a request comes.
    HangsUp,
    /// As a serial line does behind its gateway: truly, but for these units, which say nothing.
    SilentFor(Vec<u8>),
}

/// How a device frames what it hears and says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// MBAP.
    Tcp,
    /// Unit, PDU and CRC on a stream.
    Rtu,
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// On which connection, counted from 0.
    pub(crate) connection: usize,
    /// The whole frame; one that came in RTU as it would stand under id 0.
    pub(crate) frame: Vec<u8>,
}

impl Seen {
    /// Unit and PDU, in hex: what is left of a frame when the transaction id is not looked at.
    pub(crate) fn text(&self) -> String {
        self.frame[6..].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

struct Shared {
    wire: Wire,
    memory: Mutex<Memory>,
    log: Mutex<Log>,
    answers: Mutex<Answers>,
    /// Where the parts of an answer end; empty = it is sent whole.
    cuts: Mutex<Vec<usize>>,
    /// `Later` waits here.
    told: Condvar,
    gone: AtomicBool,
}

#[derive(Default)]
struct Log {
    bytes: usize,
    seen: Vec<Seen>,
    connections: usize,
    open: usize,
}

struct Memory {
    holding: Vec<u16>,
    input: Vec<u16>,
    coils: Vec<bool>,
    discrete: Vec<bool>,
}

impl Device {
    /// A device that answers truly.
    pub(crate) fn start() -> Self {
        Self::on(Wire::Tcp)
    }

    /// The same in this framing.
    pub(crate) fn on(wire: Wire) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a device needs a port");
        let address = listener.local_addr().expect("bound");
        let own: Vec<u16> = (0..=u16::MAX).collect();
        let memory =
            Memory { holding: own.clone(), input: own, coils: vec![false; 65536], discrete: vec![false; 65536] };
        let shared = Arc::new(Shared {
            wire,
            memory: Mutex::new(memory),
            log: Mutex::default(),
            answers: Mutex::new(Answers::Truly),
            cuts: Mutex::default(),
            told: Condvar::new(),
            gone: AtomicBool::new(false),
        });
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if all.gone.load(SeqCst) {
                    return;
                }
                let one = Arc::clone(&all);
                std::thread::spawn(move || one.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// From now on.
    pub(crate) fn answers(&self, how: Answers) {
        *lock(&self.shared.answers) = how;
        self.shared.told.notify_all();
    }

    /// From now on answers leave in parts that end here.
    pub(crate) fn cuts(&self, ends: &[usize]) {
        *lock(&self.shared.cuts) = ends.to_vec();
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.log).seen.clone()
    }

    /// Every request so far, as unit and PDU.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.seen().iter().map(Seen::text).collect()
    }

    /// Requests whose function is not a read of points (1 to 4).
    pub(crate) fn writes(&self) -> Vec<String> {
        self.seen().iter().filter(|one| !(1..=4).contains(&one.frame[7])).map(Seen::text).collect()
    }

    /// How many bytes came, whole requests or not.
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.shared.log).bytes
    }

    /// How many connections there ever were.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.shared.log).connections
    }

    /// How many connections there are now.
    pub(crate) fn open(&self) -> usize {
        lock(&self.shared.log).open
    }

    /// Forgets what it saw.
    pub(crate) fn forget(&self) {
        let mut log = lock(&self.shared.log);
        log.seen.clear();
        log.bytes = 0;
    }

    /// What a holding register holds.
    pub(crate) fn holding(&self, address: u16) -> u16 {
        lock(&self.shared.memory).holding[usize::from(address)]
    }

    /// Sets a discrete input, as the process does.
    pub(crate) fn set_discrete(&self, address: u16, on: bool) {
        lock(&self.shared.memory).discrete[usize::from(address)] = on;
    }

    /// Sets a holding register, as the process does.
    pub(crate) fn set_holding(&self, address: u16, value: u16) {
        lock(&self.shared.memory).holding[usize::from(address)] = value;
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.shared.gone.store(true, SeqCst);
        self.shared.told.notify_all();
        // The accept loop sees it at its next connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let connection = {
            let mut log = lock(&self.log);
            log.connections += 1;
            log.open += 1;
            log.connections - 1
        };
        // A write behind a write must not wait for an acknowledgement.
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let mut pending = Vec::new();
        let mut buffer = [0; 4096];
        while !self.gone.load(SeqCst) {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    pending.extend_from_slice(&buffer[..n]);
                    lock(&self.log).bytes += n;
                    if !self.all(connection, &mut pending, &mut stream) {
                        break;
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        lock(&self.log).open -= 1;
    }

    /// Answers all whole requests of `pending`; `false` ends the connection.
    fn all(&self, connection: usize, pending: &mut Vec<u8>, stream: &mut TcpStream) -> bool {
        while let Some(frame) = self.whole(pending) {
            lock(&self.log).seen.push(Seen { connection, frame: frame.clone() });
            let answers = self.how();
            let bytes = match answers {
                Answers::Never => continue,
                Answers::SilentFor(units) if units.contains(&frame[6]) => {
                    // Nobody answers, but whoever is spoken to does what it is told.
                    lock(&self.memory).answer(&frame[7..]);
                    continue;
                }
                Answers::Truly | Answers::Later | Answers::SilentFor(_) => {
                    self.answered(&frame, &lock(&self.memory).answer(&frame[7..]))
                }
                Answers::Falsely(make) => make(&frame),
                Answers::HangsUp => return false,
            };
            if self.send(stream, &bytes).is_err() {
                return false;
            }
        }
        true
    }

    /// Takes one whole frame off the front.
    fn whole(&self, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
        match self.wire {
            Wire::Tcp => whole(pending),
            Wire::Rtu => whole_rtu(pending),
        }
    }

    /// The frame of an answer to `request`.
    fn answered(&self, request: &[u8], pdu: &[u8]) -> Vec<u8> {
        match self.wire {
            Wire::Tcp => answered(request, pdu),
            Wire::Rtu => rtu(request[6], pdu),
        }
    }

    fn send(&self, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        let cuts = lock(&self.cuts).clone();
        let mut start = 0;
        for end in cuts.into_iter().filter(|end| *end < bytes.len()) {
            stream.write_all(&bytes[start..end])?;
            // So that the other side reads the parts apart.
            std::thread::sleep(Duration::from_micros(500));
            start = end;
        }
        stream.write_all(&bytes[start..])
    }

    /// How to answer; waits while the answer is `Later`.
    fn how(&self) -> Answers {
        let mut answers = lock(&self.answers);
        while matches!(*answers, Answers::Later) && !self.gone.load(SeqCst) {
            let (next, waited) = self.told.wait_timeout(answers, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            answers = next;
            if waited.timed_out() {
                return Answers::HangsUp;
            }
        }
        answers.clone()
    }
}

impl Memory {
    fn answer(&mut self, pdu: &[u8]) -> Vec<u8> {
        self.try_answer(pdu).unwrap_or_else(|code| vec![pdu[0] | 0x80, code])
    }

    fn try_answer(&mut self, pdu: &[u8]) -> Result<Vec<u8>, u8> {
        let word = |at: usize| match pdu.get(at..at + 2) {
            Some(bytes) => Ok(usize::from(bytes[0]) << 8 | usize::from(bytes[1])),
            None => Err(3),
        };
        match pdu[0] {
            function @ (1 | 2) => {
                let points = if function == 1 { &self.coils } else { &self.discrete };
                let points = points.get(word(1)?..word(1)? + word(3)?).ok_or(2)?;
                let packed: Vec<u8> = points.chunks(8).map(pack).collect();
                Ok([&[function, packed.len() as u8], packed.as_slice()].concat())
            }
            function @ (3 | 4) => {
                let points = if function == 3 { &self.holding } else { &self.input };
                Ok(registers(function, points.get(word(1)?..word(1)? + word(3)?).ok_or(2)?))
            }
            5 => {
                self.coils[word(1)?] = word(3)? == 0xff00;
                Ok(pdu.to_vec())
            }
            6 => {
                self.holding[word(1)?] = word(3)? as u16;
                Ok(pdu.to_vec())
            }
            15 => {
                for i in 0..word(3)? {
                    let on = pdu.get(6 + i / 8).ok_or(3)? >> (i % 8) & 1 == 1;
                    *self.coils.get_mut(word(1)? + i).ok_or(2)? = on;
                }
                Ok(pdu[..5].to_vec())
            }
            16 => {
                for i in 0..word(3)? {
                    *self.holding.get_mut(word(1)? + i).ok_or(2)? = word(6 + 2 * i)? as u16;
                }
                Ok(pdu[..5].to_vec())
            }
            22 => {
                let one = &mut self.holding[word(1)?];
                let (and, or) = (word(3)? as u16, word(5)? as u16);
                *one = (*one & and) | (or & !and);
                Ok(pdu.to_vec())
            }
            23 => {
                for i in 0..word(7)? {
                    *self.holding.get_mut(word(5)? + i).ok_or(2)? = word(10 + 2 * i)? as u16;
                }
                Ok(registers(23, self.holding.get(word(1)?..word(1)? + word(3)?).ok_or(2)?))
            }
            // The examples of the Application Protocol, 6.7 to 6.21.
            7 => Ok(vec![7, 0x6d]),
            8 => Ok(pdu.to_vec()),
            11 => Ok(vec![11, 0xff, 0xff, 0x01, 0x08]),
            12 => Ok(vec![12, 8, 0, 0, 0x01, 0x08, 0x01, 0x21, 0x20, 0]),
            17 => Ok(vec![17, 4, b'p', b'l', b'c', 0xff]),
            20 => Ok(vec![20, 6, 5, 6, 0x0d, 0xfe, 0, 0x20]),
            21 => Ok(pdu.to_vec()),
            24 => Ok(vec![24, 0, 6, 0, 2, 0x01, 0xb8, 0x12, 0x84]),
            43 => Ok([&[43, 14, pdu[2], 1, 0, 0, 3, 0, 4][..], b"Acme", &[1, 2], b"P1", &[2, 3], b"1.0"].concat()),
            _ => Err(1),
        }
    }
}

fn pack(bits: &[bool]) -> u8 {
    bits.iter().enumerate().map(|(i, &on)| u8::from(on) << i).sum()
}

fn registers(function: u8, values: &[u16]) -> Vec<u8> {
    let mut pdu = vec![function, (values.len() * 2) as u8];
    pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    pdu
}

/// The frame of an answer to `request`.
fn answered(request: &[u8], pdu: &[u8]) -> Vec<u8> {
    let length = (pdu.len() as u16 + 1).to_be_bytes();
    [&request[..4], &length, &request[6..7], pdu].concat()
}

/// Takes one whole frame off the front.
fn whole(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = 6 + usize::from(u16::from_be_bytes([*pending.get(4)?, *pending.get(5)?]));
    (pending.len() >= length).then(|| pending.drain(..length).collect())
}

/// The same where a frame's function tells its length. Panics where the CRC is wrong: the gate sent it.
fn whole_rtu(pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let count = |at: usize| pending.get(at).map(|count| at + 1 + usize::from(*count));
    let length = match pending.get(1)? {
        1..=6 | 8 => 6,
        7 | 11 | 12 | 17 => 2,
        15 | 16 => count(6)?,
        20 | 21 => count(2)?,
        22 => 8,
        23 => count(10)?,
        24 => 4,
        43 => 5,
        other => panic!("function {other} has no length in RTU"),
    };
    if pending.len() < length + 2 {
        return None;
    }
    let bytes: Vec<u8> = pending.drain(..length + 2).collect();
    assert_eq!(bytes, rtu(bytes[0], &bytes[1..length]), "the gate's CRC");
    Some(super::frame(0, bytes[0], &bytes[1..length]))
}

/// A message in RTU: unit, PDU, CRC.
pub(crate) fn rtu(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = [&[unit], pdu].concat();
    let mut sum = 0xffff_u16;
    for byte in &bytes {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xa001 } else { sum >> 1 };
        }
    }
    bytes.extend(sum.to_le_bytes());
    bytes
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
