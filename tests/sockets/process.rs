//! The real binary: it says where it listens, survives a full descriptor table, and stops in three steps.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex},
};

use super::{
    READ, VALUES,
    device::Device,
    gate::{ask, client, connect, plant, wait_for},
};

/// A running process. Killed when the test ends before it did.
struct Process {
    child: Child,
    address: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    fn start(config: &std::path::Path, descriptors: u32) -> Self {
        let script = format!("ulimit -n {descriptors}; exec \"$0\" run --config \"$1\"");
        let mut child = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_sluicegate")])
            .arg(config)
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell");
        let said = Arc::new(Mutex::new(Vec::new()));
        listen_to(child.stderr.take().expect("piped"), Arc::clone(&said));
        let mut process = Self { child, address: "127.0.0.1:0".parse().expect("an address"), said };
        process.says("listening listener=ot");
        let line = process.lines().into_iter().find(|line| line.starts_with("listening")).expect("it said so");
        process.address = line.rsplit('=').next().and_then(|text| text.parse().ok()).expect("an address");
        process
    }

    fn lines(&self) -> Vec<String> {
        self.said.lock().expect("no panic under the lock").clone()
    }

    fn says(&self, what: &str) {
        wait_for(what, || self.lines().iter().any(|line| line.contains(what)));
    }

    /// Processor time so far, in clock ticks of 10 ms.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it lives");
        let after = stat.rsplit(')').next().expect("a name in brackets");
        after.split_whitespace().skip(11).take(2).map(|text| text.parse::<u64>().expect("ticks")).sum()
    }

    fn terminate(&mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        self.child.wait().expect("it ends").code().expect("by itself")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen_to(stderr: ChildStderr, said: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            said.lock().expect("no panic under the lock").push(line);
        }
    });
}

#[test]
fn it_says_where_it_listens_and_stops_in_three_steps() {
    let device = Device::start();
    let (dir, file) = plant(&format!("\"{}\"", device.address), "", "tls");
    let mut process = Process::start(&file, 1024);
    let mut scada = client(dir.path(), process.address, Some("scada"), "gate.plant");
    assert_eq!(ask(&mut scada, 1, READ), VALUES);
    assert_eq!(process.terminate(), 0);
    for step in ["1/3", "2/3", "3/3"] {
        wait_for(step, || process.lines().iter().any(|line| line.starts_with("stopping") && line.contains(step)));
    }
}

#[test]
fn an_address_in_use_is_named_by_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let (_dir, file) = plant("\"127.0.0.1:1\"", "", "tls");
    let text = std::fs::read_to_string(&file).expect("written").replace("127.0.0.1:0", &address.to_string());
    std::fs::write(&file, text).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_sluicegate")).args(["run", "--config"]).arg(&file).output();
    let output = output.expect("it ran");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("listeners.ot.bind") && said.contains(&address.to_string()), "{said}");
}

/// PX-03: no exit, no spin, and service again once descriptors are free.
#[test]
fn a_full_descriptor_table_ends_nothing() {
    let device = Device::start();
    let more = "handshake_timeout = \"60s\"\nlimits = { connections = \"1000/s burst 1000\" }";
    let (dir, file) = plant(&format!("\"{}\"", device.address), more, "tls");
    let mut process = Process::start(&file, 64);
    let held: Vec<_> = (0..100).filter_map(|_| connect(process.address).ok()).collect();
    process.says("no room for another connection");
    let before = process.ticks();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let spent = process.ticks() - before;
    assert!(spent < 100, "{spent} of 200 ticks spent on nothing");
    drop(held);
    // A connection made while the table was full may have been shed: another one is not.
    wait_for("service again", || {
        let (dir, address) = (dir.path().to_owned(), process.address);
        std::thread::spawn(move || ask(&mut client(&dir, address, Some("scada"), "gate.plant"), 1, READ)).join().is_ok()
    });
    assert_eq!(process.terminate(), 0);
}
