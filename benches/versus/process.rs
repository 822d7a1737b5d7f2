//! What do a contender's processes cost, from their start to their end?

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a contender may take until it listens.
const START: Duration = Duration::from_secs(10);

/// A running contender and all of its processes. Ends with its handle.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` and waits until `listens` takes connections.
    pub(crate) fn start(mut command: Command, listens: SocketAddr) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        let mut process = Self { child };
        let until = Instant::now() + START;
        while TcpStream::connect(listens).is_err() {
            if let Ok(Some(status)) = process.child.try_wait() {
                return Err(format!("ended with {status}: {}", process.said()));
            }
            if Instant::now() > until {
                return Err(format!("does not listen on {listens}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // What it says from now on is nobody's concern, and must not fill its pipe.
        if let Some(mut stderr) = process.child.stderr.take() {
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Ok(process)
    }

    fn said(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut text);
        }
        text.lines().rev().take(4).collect::<Vec<_>>().join(" | ")
    }

    /// Nanoseconds on a CPU, of all its processes and threads that live now (schedstat).
    pub(crate) fn cpu(&self) -> u64 {
        self.pids().into_iter().map(cpu_of).sum()
    }

    /// Bytes resident, shared pages by their share (PSS).
    pub(crate) fn resident(&self) -> u64 {
        self.pids().into_iter().map(|pid| field(&format!("/proc/{pid}/smaps_rollup"), "Pss:") * 1024).sum()
    }

    fn pids(&self) -> BTreeSet<u32> {
        let mut all = BTreeSet::from([self.child.id()]);
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
}

impl Drop for Process {
    fn drop(&mut self) {
        for pid in self.pids() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.child.wait();
    }
}

fn cpu_of(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// The number behind `name` in a file of lines such as `PPid:   1`.
fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// 10,000 sessions are 20,000 files here, and as many in a contender.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    const ENOUGH: u64 = 65_536;
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit;
    limit.maximum = limit.maximum.map(|most| most.max(ENOUGH));
    limit.current = limit.maximum;
    // Only root may go past the hard limit.
    if setrlimit(Resource::Nofile, limit).is_err() {
        let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: before.maximum, ..before });
    }
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
    Ok(told.trim().chars().take(80).collect())
}
