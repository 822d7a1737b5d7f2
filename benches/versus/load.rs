//! What do the clients do, and what did they see?
//!
//! ```text
//! load       closed loop, churn, idle sessions
//! open       open loop: requests leave by the clock, whatever becomes of those before
//! beside     what goes on beside the honest: attackers, slow clients, scrapes, reloads
//! bulk       bytes in one direction
//! ```
//! Nine requests in ten read ten registers, the tenth writes two. An answer that is none ends the measurement: a
//! contender that refuses or loses requests has no figures.

#[path = "load/beside.rs"]
pub(crate) mod beside;
#[path = "load/bulk.rs"]
pub(crate) mod bulk;
#[path = "load/open.rs"]
pub(crate) mod open;

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::{JoinSet, LocalSet},
    time::sleep,
};
use tokio_rustls::TlsConnector;

use crate::device::whole;

/// Before anything is counted.
pub(crate) const WARM_UP: Duration = Duration::from_millis(400);
/// One answer may take this long before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whom the clients talk to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// The server names that the clients ask for, in turn.
    pub(crate) names: Arc<[ServerName<'static>]>,
    /// The source of the connections, where it matters.
    pub(crate) from: Option<IpAddr>,
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
    writes: u8,
}

impl Target {
    async fn connect(&self, place: usize) -> io::Result<Client> {
        let stream = match self.from {
            None => TcpStream::connect(self.address).await?,
            Some(from) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::new(from, 0))?;
                socket.connect(self.address).await?
            }
        };
        self.greet(stream, place).await
    }

    async fn greet(&self, stream: TcpStream, place: usize) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        let stream: Box<dyn Duplex> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = self.names[place % self.names.len()].clone();
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
            }
        };
        Ok(Client { stream, input: Vec::with_capacity(4096), next: 0, writes: register_of(place) })
    }

    /// Clients that have each asked once: where the near end of a tunnel takes them, the far end has by then, too.
    async fn connect_and_ask(&self, count: usize) -> Result<Vec<Client>, String> {
        let mut all = self.connect_all(count).await?;
        for client in &mut all {
            within(client.ask(1, || ())).await.map_err(|error| format!("first request: {error}"))?;
        }
        Ok(all)
    }

    /// Many at once, but not all at once: a listen queue is finite.
    async fn connect_all(&self, count: usize) -> Result<Vec<Client>, String> {
        let mut clients = Vec::with_capacity(count);
        while clients.len() < count {
            let mut some = JoinSet::new();
            for place in clients.len()..count.min(clients.len() + 64) {
                let target = self.clone();
                some.spawn_local(async move { within(target.connect(place)).await });
            }
            while let Some(one) = some.join_next().await {
                let one = one.map_err(|error| error.to_string())?;
                clients.push(one.map_err(|error| format!("connect: {error}"))?);
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
        if id % 10 == 9 {
            output.extend_from_slice(&[0, 0, 0, 11, 1, 16, 0, self.writes, 0, 2, 4, 0, 1, 0, 2]);
        } else {
            output.extend_from_slice(&[0, 0, 0, 6, 1, 3, 0, 20, 0, 10]);
        }
    }
}

/// Where the client in this place writes two registers. Each of up to 80 has its own, as the screens of a plant do: those
/// who write the same ones wait for each other at the gate. Two of them always lie in one rule, whose ranges are 20 or 13.
fn register_of(place: usize) -> u8 {
    let mut all = (0..180u8).step_by(2).filter(|first| first % 13 != 12);
    all.nth(place % 80).unwrap_or(0)
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
            self.latencies.borrow_mut().push(nanos(since));
        }
    }

    fn failed(&self, error: &io::Error) {
        self.fault.borrow_mut().get_or_insert(error.to_string());
    }
}

fn nanos(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX)
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
    let all = target.connect_and_ask(clients).await?;
    let mut tasks = JoinSet::new();
    for mut client in all {
        let board = Rc::clone(&board);
        tasks.spawn_local(async move {
            loop {
                let since = Instant::now();
                if let Err(error) = within(client.ask(depth, || board.answered(since))).await {
                    board.failed(&error);
                    return;
                }
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
                    let mut client = target.connect(0).await?;
                    client.ask(1, || ()).await?;
                    client.stream.shutdown().await
                };
                match within(once).await {
                    Ok(()) => board.answered(since),
                    Err(error) => {
                        board.failed(&error);
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
    let _all = target.connect_and_ask(clients).await?;
    sleep(Duration::from_secs(1)).await;
    around();
    Ok(Seen { done: clients as u64, ..Seen::default() })
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
    if board.done.get() == 0 {
        return Err("no answer in the measured time".into());
    }
    Ok(Seen { done: board.done.get(), took, latencies: board.latencies.take() })
}
