//! What goes on beside the honest clients, on a thread of its own that yields to them?
//!
//! The thread has the lowest priority: an attacker has a machine of their own, and what is left of this one is for those
//! who are measured. What it reached is told with the figures.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
    rc::Rc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{Client, Target, within};
use crate::{contender::SLUICEGATE, device::whole};

/// Who disturbs.
pub(crate) enum Beside {
    /// 10,000 requests that will be refused and 1,000 handshakes a second, from another source.
    Attackers(Target),
    /// One that never reads its answers and one that says a byte at a time.
    Slow(Target),
    /// `/metrics`, ten times a second.
    Scrapes(SocketAddr),
    /// The configuration is loaded again, five times a second.
    Reloads(PathBuf),
}

/// A figure of what went on.
pub(crate) type Told = Vec<(&'static str, f64)>;

/// It goes on until it is ended.
pub(crate) struct Going {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<Told, String>>,
}

impl Beside {
    pub(crate) fn start(self) -> Going {
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let _ = rustix::process::nice(19);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let tally = Rc::new(Tally::default());
            let start = Instant::now();
            let (counts, ended) = (Rc::clone(&tally), self);
            LocalSet::new().block_on(&runtime, async move {
                tokio::select! {
                    _ = stopped => Ok(()),
                    ended = ended.run(counts) => Err(ended),
                }
            })?;
            Ok(tally.told(start.elapsed()))
        });
        Going { stop, thread }
    }

    /// Returns why it could not go on.
    async fn run(self, tally: Rc<Tally>) -> String {
        match self {
            Self::Attackers(target) => attack(&target, &tally).await,
            Self::Slow(target) => slow(&target).await,
            Self::Scrapes(address) => scrapes(address, &tally).await,
            Self::Reloads(file) => reloads(&file, &tally).await,
        }
    }
}

impl Going {
    /// Ends it, and tells what it did.
    pub(crate) fn end(self) -> Result<Told, String> {
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| "what went on beside panicked".to_owned())?
    }
}

#[derive(Default)]
struct Tally {
    refused: Cell<u64>,
    handshakes: Cell<u64>,
    turned_away: Cell<u64>,
    scrapes: Cell<u64>,
    series: Cell<u64>,
    reloads: Cell<u64>,
}

impl Tally {
    fn told(&self, took: Duration) -> Told {
        let rate = |cell: &Cell<u64>| cell.get() as f64 / took.as_secs_f64();
        let all = [
            ("refused-per-s", rate(&self.refused)),
            ("handshakes-per-s", rate(&self.handshakes)),
            ("turned-away-per-s", rate(&self.turned_away)),
            ("scrapes-per-s", rate(&self.scrapes)),
            ("series", self.series.get() as f64),
            ("reloads-per-s", rate(&self.reloads)),
        ];
        all.into_iter().filter(|(_, value)| *value > 0.0).collect()
    }
}

fn add(cell: &Cell<u64>, more: usize) {
    cell.set(cell.get() + more as u64);
}

/// Whether this build has the command.
pub(crate) fn reloads_are_served() -> bool {
    let help = Command::new(SLUICEGATE).args(["reload", "--help"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    help.is_ok_and(|status| status.success())
}

async fn attack(target: &Target, tally: &Rc<Tally>) -> String {
    const FLOODERS: usize = 10;
    /// Handshakes at once; past it the gateway is slower than the attack.
    const AT_ONCE: usize = 256;
    let target = Target { from: Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))), ..target.clone() };
    let mut floods = JoinSet::new();
    for _ in 0..FLOODERS {
        let (target, tally) = (target.clone(), Rc::clone(tally));
        floods.spawn_local(async move {
            loop {
                match within(target.connect(0)).await {
                    Ok(client) => flood(client, &tally).await,
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        });
    }
    let mut every = interval(Duration::from_millis(1));
    every.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut knocks = JoinSet::new();
    loop {
        every.tick().await;
        while knocks.try_join_next().is_some() {}
        if knocks.len() < AT_ONCE {
            let (target, tally) = (target.clone(), Rc::clone(tally));
            knocks.spawn_local(async move {
                match within(target.connect(0)).await {
                    Ok(_) => add(&tally.handshakes, 1),
                    Err(_) => add(&tally.turned_away, 1),
                }
            });
        }
    }
}

/// 1,000 writes a second that nobody may make, ten at a time, for as long as they are taken.
async fn flood(client: Client, tally: &Tally) {
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let drain = async {
        let mut input = Vec::with_capacity(4096);
        while reader.read_buf(&mut input).await.is_ok_and(|n| n > 0) {
            let mut used = 0;
            while let Some(frame) = whole(&input[used..]) {
                used += frame.len();
                add(&tally.refused, 1);
            }
            input.drain(..used);
        }
    };
    let pour = async {
        let mut every = interval(Duration::from_millis(10));
        let mut id = 0u16;
        loop {
            every.tick().await;
            let mut output = Vec::with_capacity(120);
            for _ in 0..10 {
                id = id.wrapping_add(1);
                output.extend_from_slice(&id.to_be_bytes());
                output.extend_from_slice(&[0, 0, 0, 6, 1, 6, 0, 95, 0, 1]);
            }
            if writer.write_all(&output).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = drain => {}, () = pour => {} }
}

async fn slow(target: &Target) -> String {
    let deaf = async {
        let socket = TcpSocket::new_v4()?;
        // The smaller it is, the sooner the gateway cannot write.
        socket.set_recv_buffer_size(2048)?;
        let mut client = target.greet(socket.connect(target.address).await?, 0).await?;
        loop {
            let mut output = Vec::new();
            (0..16).for_each(|_| client.request(&mut output));
            client.stream.write_all(&output).await?;
            client.stream.flush().await?;
        }
    };
    let hesitant = async {
        let mut client = target.connect(0).await?;
        loop {
            let mut output = Vec::new();
            client.request(&mut output);
            for byte in output {
                client.stream.write_all(&[byte]).await?;
                client.stream.flush().await?;
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    // Whoever is thrown out has been dealt with; the other goes on.
    let (_, _): (io::Result<()>, io::Result<()>) = tokio::join!(deaf, hesitant);
    std::future::pending().await
}

async fn scrapes(address: SocketAddr, tally: &Tally) -> String {
    let once = async || {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n").await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        Ok::<_, io::Error>(text)
    };
    let mut every = interval(Duration::from_millis(100));
    loop {
        every.tick().await;
        match within(once()).await {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text);
                let series = text.lines().filter(|line| line.starts_with("sluicegate_")).count();
                tally.series.set(series as u64);
                add(&tally.scrapes, 1);
            }
            Err(error) => return format!("scrape: {error}"),
        }
    }
}

async fn reloads(file: &PathBuf, tally: &Tally) -> String {
    let mut every = interval(Duration::from_millis(200));
    loop {
        every.tick().await;
        // Nothing else runs on this thread.
        let reload = Command::new(SLUICEGATE).arg("reload").arg("--config").arg(file).stdin(Stdio::null()).output();
        match reload {
            Ok(output) if output.status.success() => add(&tally.reloads, 1),
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr);
                return format!("`sluicegate reload` does not: {}", told.lines().next().unwrap_or_default());
            }
            Err(error) => return format!("sluicegate reload: {error}"),
        }
    }
}
