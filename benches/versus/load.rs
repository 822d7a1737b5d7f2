//! What do the clients do, and what did they see?
//!
//! Nine requests in ten read ten registers, the tenth writes two. An answer that is none ends the measurement: a
//! contender that refuses or loses requests has no figures.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, LocalSet},
    time::{sleep, sleep_until},
};
use tokio_rustls::TlsConnector;

use crate::device::whole;

/// Before anything is counted.
const WARM_UP: Duration = Duration::from_millis(400);
/// One answer may take this long before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whom the clients talk to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// What was seen in the measured time.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) done: u64,
    pub(crate) took: Duration,
    /// Nanoseconds, in no order.
    pub(crate) latencies: Vec<u32>,
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// One client's connection.
struct Client {
    stream: Box<dyn Duplex>,
    input: Vec<u8>,
    next: u16,
}

impl Target {
    async fn connect(&self) -> io::Result<Client> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Duplex> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from("gate").expect("a name");
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
            }
        };
        Ok(Client { stream, input: Vec::with_capacity(4096), next: 0 })
    }

    /// Many at once, but not all at once: a listen queue is finite.
    async fn connect_all(&self, count: usize) -> io::Result<Vec<Client>> {
        let mut clients = Vec::with_capacity(count);
        while clients.len() < count {
            let mut some = JoinSet::new();
            for _ in clients.len()..count.min(clients.len() + 64) {
                let target = self.clone();
                some.spawn_local(async move { target.connect().await });
            }
            while let Some(one) = some.join_next().await {
                clients.push(one.map_err(io::Error::other)??);
            }
        }
        Ok(clients)
    }
}

impl Client {
    /// Sends `depth` requests in one write and takes their answers. `each`: when an answer came.
    async fn ask(&mut self, depth: usize, mut each: impl FnMut()) -> io::Result<()> {
        let mut output = Vec::with_capacity(depth * 17);
        (0..depth).for_each(|_| self.request(&mut output));
        self.stream.write_all(&output).await?;
        self.stream.flush().await?;
        let mut answers = 0;
        while answers < depth {
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::other("the contender hung up"));
            }
            let mut used = 0;
            while let Some(frame) = whole(&self.input[used..]) {
                if frame[7] & 0x80 != 0 {
                    return Err(io::Error::other(format!("exception {:02x}", frame[8])));
                }
                used += frame.len();
                answers += 1;
                each();
            }
            self.input.drain(..used);
        }
        Ok(())
    }

    fn request(&mut self, output: &mut Vec<u8>) {
        let id = self.next;
        self.next = id.wrapping_add(1);
        output.extend_from_slice(&id.to_be_bytes());
        output.extend_from_slice(if id % 10 == 9 {
            &[0, 0, 0, 11, 1, 16, 0, 40, 0, 2, 4, 0, 1, 0, 2]
        } else {
            &[0, 0, 0, 6, 1, 3, 0, 20, 0, 10]
        });
    }
}

/// What all clients of a measurement share.
#[derive(Default)]
struct Board {
    done: Cell<u64>,
    counts: Cell<bool>,
    latencies: RefCell<Vec<u32>>,
    fault: RefCell<Option<String>>,
}

impl Board {
    fn answered(&self, since: Instant) {
        if self.counts.get() {
            self.done.set(self.done.get() + 1);
            let nanos = u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX);
            self.latencies.borrow_mut().push(nanos);
        }
    }
}

/// Runs one measurement on this thread.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, work)
}

/// `clients` that each keep `depth` requests outstanding, for `time`. `around` is called when it starts to count and when it stops.
pub(crate) async fn closed(
    target: &Target,
    (clients, depth): (usize, usize),
    time: Duration,
    around: &mut dyn FnMut(),
) -> Result<Seen, String> {
    let board = Rc::new(Board::default());
    let all = target.connect_all(clients).await.map_err(|error| format!("connect: {error}"))?;
    let mut tasks = JoinSet::new();
    for mut client in all {
        let board = Rc::clone(&board);
        tasks.spawn_local(async move {
            loop {
                let since = Instant::now();
                if let Err(error) = within(client.ask(depth, || board.answered(since))).await {
                    board.fault.borrow_mut().get_or_insert(error.to_string());
                    return;
                }
            }
        });
    }
    window(&board, time, around).await
}

/// `clients` that together send `rate` requests a second, whatever becomes of them. A request whose connection still
/// waits for an answer is late from its intended time on (no coordinated omission).
pub(crate) async fn open(
    target: &Target,
    (clients, rate): (usize, u32),
    time: Duration,
    around: &mut dyn FnMut(),
) -> Result<Seen, String> {
    let board = Rc::new(Board::default());
    let all = target.connect_all(clients).await.map_err(|error| format!("connect: {error}"))?;
    let every = Duration::from_secs(1) * u32::try_from(clients).expect("few") / rate;
    let start = Instant::now() + Duration::from_millis(50);
    let mut tasks = JoinSet::new();
    for (place, mut client) in (0u32..).zip(all) {
        let board = Rc::clone(&board);
        let mut due = start + every * place / u32::try_from(clients).expect("few");
        tasks.spawn_local(async move {
            loop {
                let late = Instant::now() >= due;
                if !late {
                    sleep_until(due.into()).await;
                }
                // The timer's own delay is not the contender's.
                let since = if late { due } else { Instant::now() };
                if let Err(error) = within(client.ask(1, || board.answered(since))).await {
                    board.fault.borrow_mut().get_or_insert(error.to_string());
                    return;
                }
                due += every;
            }
        });
    }
    window(&board, time, around).await
}

/// `at_once` clients that connect, ask once and hang up, over and over.
pub(crate) async fn churn(
    target: &Target,
    at_once: usize,
    time: Duration,
    around: &mut dyn FnMut(),
) -> Result<Seen, String> {
    let board = Rc::new(Board::default());
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let (board, target) = (Rc::clone(&board), target.clone());
        tasks.spawn_local(async move {
            loop {
                let since = Instant::now();
                let once = async {
                    let mut client = target.connect().await?;
                    client.ask(1, || ()).await?;
                    client.stream.shutdown().await
                };
                match within(once).await {
                    Ok(()) => board.answered(since),
                    Err(error) => {
                        board.fault.borrow_mut().get_or_insert(error.to_string());
                        return;
                    }
                }
            }
        });
    }
    window(&board, time, around).await
}

/// `clients` sessions that have each asked once and now say nothing. `around` is called before the first and when all stand.
pub(crate) async fn idle(target: &Target, clients: usize, around: &mut dyn FnMut()) -> Result<Seen, String> {
    around();
    let mut all = target.connect_all(clients).await.map_err(|error| format!("connect: {error}"))?;
    for client in &mut all {
        within(client.ask(1, || ())).await.map_err(|error| error.to_string())?;
    }
    sleep(Duration::from_secs(1)).await;
    around();
    Ok(Seen { done: clients as u64, ..Seen::default() })
}

/// Refused requests and handshakes at these rates, until it is dropped. Nobody counts them.
pub(crate) async fn attack(target: &Target, refused: u32, handshakes: u32) {
    const CLIENTS: u32 = 10;
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let target = target.clone();
        tasks.spawn_local(async move {
            let every = Duration::from_millis(10);
            let burst = refused / CLIENTS / 100;
            loop {
                let Ok(client) = target.connect().await else { continue };
                let (mut reader, mut writer) = tokio::io::split(client.stream);
                let drain = async {
                    let mut sink = [0; 4096];
                    while reader.read(&mut sink).await.is_ok_and(|n| n > 0) {}
                };
                let flood = async {
                    for id in 0u16.. {
                        let mut output = Vec::new();
                        for step in 0..burst {
                            let id = id.wrapping_mul(100).wrapping_add(step as u16);
                            output.extend_from_slice(&id.to_be_bytes());
                            output.extend_from_slice(&[0, 0, 0, 6, 1, 6, 0, 95, 0, 1]);
                        }
                        if writer.write_all(&output).await.is_err() || writer.flush().await.is_err() {
                            return;
                        }
                        sleep(every).await;
                    }
                };
                tokio::select! { () = drain => {}, () = flood => {} }
            }
        });
    }
    for _ in 0..CLIENTS {
        let target = target.clone();
        let every = Duration::from_secs(1) * CLIENTS / handshakes;
        tasks.spawn_local(async move {
            loop {
                let _ = within(target.connect()).await;
                sleep(every).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::Error::other("no answer")))
}

/// Warm-up, then the measured time.
async fn window(board: &Board, time: Duration, around: &mut dyn FnMut()) -> Result<Seen, String> {
    sleep(WARM_UP).await;
    around();
    let start = Instant::now();
    board.counts.set(true);
    sleep(time).await;
    board.counts.set(false);
    let took = start.elapsed();
    around();
    if let Some(fault) = board.fault.take() {
        return Err(fault);
    }
    Ok(Seen { done: board.done.get(), took, latencies: board.latencies.take() })
}
