//! What do a contender's processes cost, from their start to their end?

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::lab;

/// How long a contender may take until it listens.
const START: Duration = Duration::from_secs(20);

/// One of a contender's programs.
pub(crate) struct Part {
    pub(crate) command: Command,
    /// It is ready when this takes connections.
    pub(crate) listens: SocketAddr,
    /// The network namespace from which it can be reached.
    pub(crate) net: Option<String>,
}

impl Part {
    /// A program on this machine's own loopback.
    pub(crate) fn here(command: Command, listens: SocketAddr) -> Self {
        Self { command, listens, net: None }
    }
}

/// A running contender: all of its programs with all of their children. Ends with its handle.
#[derive(Default)]
pub(crate) struct Process {
    children: Vec<Child>,
}

impl Process {
    /// Starts all of `parts` and waits until each takes connections.
    pub(crate) fn start(parts: Vec<Part>) -> Result<Self, String> {
        let mut process = Self::default();
        let mut doors = Vec::new();
        for Part { mut command, listens, net } in parts {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let child = command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
            live(|all| all.insert(child.id()));
            process.children.push(child);
            doors.push((listens, net));
        }
        let until = Instant::now() + START;
        for (place, (listens, net)) in doors.into_iter().enumerate() {
            while !opens(listens, net.as_deref()) {
                process.still_runs(place)?;
                if Instant::now() > until {
                    return Err(format!("does not listen on {listens} after {START:?}"));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // What they say from now on is nobody's concern, and must not fill their pipes.
        for mut stderr in process.children.iter_mut().filter_map(|child| child.stderr.take()) {
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Ok(process)
    }

    /// Whether program number `place` runs; what it said last, where it does not.
    fn still_runs(&mut self, place: usize) -> Result<(), String> {
        let Some(child) = self.children.get_mut(place) else { return Ok(()) };
        let Ok(Some(status)) = child.try_wait() else { return Ok(()) };
        let mut text = String::new();
        if let Some(stderr) = &mut child.stderr {
            let _ = stderr.read_to_string(&mut text);
        }
        let last: Vec<&str> = text.lines().rev().take(4).collect();
        Err(format!("ended with {status}: {}", last.join(" | ")))
    }

    /// The first of its programs that has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.children.iter_mut().find_map(|child| child.try_wait().ok()?.map(|status| format!("it ended: {status}")))
    }

    /// Nanoseconds on a CPU of all its processes (schedstat). A thread that has ended is in the process's ticks alone:
    /// whoever makes a thread a connection would be measured too well without them.
    pub(crate) fn cpu(&self) -> u64 {
        self.pids().into_iter().map(|pid| threads(pid).max(ticks(pid))).sum()
    }

    /// Bytes resident, shared pages by their share (PSS).
    pub(crate) fn resident(&self) -> u64 {
        self.pids().into_iter().map(|pid| field(&format!("/proc/{pid}/smaps_rollup"), "Pss:") * 1024).sum()
    }

    fn pids(&self) -> BTreeSet<u32> {
        with_children(self.children.iter().map(Child::id).collect())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.pids().into_iter().for_each(kill);
        for child in &mut self.children {
            let _ = child.wait();
            live(|all| all.remove(&child.id()));
        }
    }
}

/// Whoever was started and has not ended; for the end by a signal.
static LIVE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn live<T>(change: impl FnOnce(&mut BTreeSet<u32>) -> T) -> T {
    change(&mut LIVE.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Ends everybody, and takes the namespaces down.
pub(crate) fn end_all() {
    let all = live(|all| all.clone());
    with_children(all).into_iter().for_each(kill);
    lab::end_all();
}

/// Ctrl-C leaves nothing behind, `folder` neither.
pub(crate) fn end_all_on_signal(folder: PathBuf) {
    use tokio::signal::unix::{SignalKind, signal};
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut stop = signal(SignalKind::terminate()).expect("a signal");
            let mut interrupt = signal(SignalKind::interrupt()).expect("a signal");
            tokio::select! { _ = stop.recv() => {}, _ = interrupt.recv() => {} }
        });
        end_all();
        let _ = fs::remove_dir_all(folder);
        std::process::exit(130);
    });
}

fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// `all` and whatever descends from them.
fn with_children(mut all: BTreeSet<u32>) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(|pid: u32| (pid, u32::try_from(field(&format!("/proc/{pid}/status"), "PPid:")).unwrap_or(0)))
        .collect();
    loop {
        let before = all.len();
        let children: Vec<u32> =
            parents.iter().filter(|(_, parent)| all.contains(parent)).map(|(pid, _)| *pid).collect();
        all.extend(children);
        if all.len() == before {
            return all;
        }
    }
}

fn threads(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// User and system time of a process, its ended threads with it, in nanoseconds. Linux tells it in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = text.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    behind_name.split(' ').skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum::<u64>() * 10_000_000
}

/// The number behind `name` in a file of lines such as `PPid:   1`.
fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn opens(address: SocketAddr, net: Option<&str>) -> bool {
    let connect = move || TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok();
    lab::within(net, connect).unwrap_or(false)
}

/// As many open files as we may have: 10,000 sessions are 20,000 files, here and in a contender.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const ENOUGH: u64 = 65_536;
    let before = getrlimit(Resource::Nofile);
    let most = before.maximum.map(|most| most.max(ENOUGH));
    // Only those with CAP_SYS_RESOURCE may go past the hard limit.
    if setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before });
    }
}

/// How many sessions fit into the files that we may open: a peer's and a device's connection each, and some to spare.
pub(crate) fn sessions_that_fit() -> usize {
    use rustix::process::{Resource, getrlimit};
    const SPARE: usize = 200;
    let files =
        getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    files.saturating_sub(SPARE) / 2
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// What a program prints about itself; why not, where it is not here.
pub(crate) fn version(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let told = text.lines().find(|line| line.chars().any(|one| one.is_ascii_digit())).unwrap_or(program);
    // Where it lies is nobody's concern who reads the results.
    let name = program.rsplit('/').next().unwrap_or(program);
    Ok(told.replace(program, name).trim().chars().take(80).collect())
}
