//! How are other people's programs compiled, started and ended?

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use super::UP;
use crate::gate::{Gate, Site, free_port, missing, repository, run};

/// A program in `tests/peers/`.
pub(crate) fn script(name: &str) -> PathBuf {
    repository().join("tests/peers").join(name)
}

/// The Python that has pymodbus.
pub(crate) fn python() -> Option<String> {
    let own = repository().join(".venv/bin/python").display().to_string();
    let python = std::env::var("SLUICEGATE_TEST_PYTHON").unwrap_or(own);
    (!missing(&[&python])).then_some(python)
}

/// The C program of this name, compiled.
pub(crate) fn compiled(site: &Site, name: &str) -> PathBuf {
    let (ok, flags) = run(Command::new("pkg-config").args(["--cflags", "--libs", "libmodbus"]));
    assert!(ok, "{flags}");
    let program = site.file(name);
    let mut cc = Command::new("cc");
    cc.arg(script(&format!("{name}.c"))).arg("-o").arg(&program).args(flags.split_whitespace());
    let (ok, said) = run(&mut cc);
    assert!(ok, "{said}");
    program
}

/// A program that listens; it ends with the test.
pub(crate) struct Child {
    child: std::process::Child,
    pub(crate) port: u16,
}

impl Child {
    /// A pymodbus device: plain, or TLS with the plant's certificate of this name.
    pub(crate) fn pymodbus(python: &str, site: &Site, name: Option<&str>) -> Self {
        Self::pymodbus_in(python, site, "socket", name)
    }

    /// The same in one of pymodbus' framings: `socket`, `rtu`.
    pub(crate) fn pymodbus_in(python: &str, site: &Site, framer: &str, name: Option<&str>) -> Self {
        let port = free_port();
        let mut command = Command::new(python);
        command.arg(script("pymodbus_server.py")).arg(port.to_string()).arg(framer);
        if let Some(name) = name {
            command.arg(site.crt("plant")).arg(site.crt(name)).arg(site.key(name));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("python runs");
        Self { child, port }.up()
    }

    /// A Python program that takes its port, and what it says in a file.
    pub(super) fn python(python: &str, name: &str, said: &Path) -> Self {
        let port = free_port();
        let file = std::fs::File::create(said).expect("created");
        let mut command = Command::new(python);
        command.arg(script(name)).arg(port.to_string()).stdin(Stdio::null()).stdout(file);
        Self { child: command.spawn().expect("python runs"), port }.up()
    }

    /// A libmodbus device.
    pub(crate) fn libmodbus(program: &Path) -> Self {
        let mut child = Command::new(program).stdout(Stdio::piped()).spawn().expect("it was compiled");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says its port");
        Self { child, port: line.trim().parse().expect("a port") }
    }

    /// A libmodbus device that speaks RTU on a serial line, and the server that puts its line on the network as it is.
    pub(crate) fn serial_libmodbus(site: &Site, program: &Path) -> (Self, Self) {
        let (port, line) = (free_port(), site.file("device-line"));
        let listen = format!("tcp-listen:{port},bind=127.0.0.1,reuseaddr");
        let server = Self { child: socat(&line, &listen), port };
        let mut child = Command::new(program).arg(&line).stdout(Stdio::piped()).spawn().expect("it was compiled");
        let mut said = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut said).expect("it says that it is there");
        assert_eq!(said.trim(), "0");
        (server, Self { child, port: 0 })
    }

    /// A serial line whose bytes go to the gate as they are.
    pub(crate) fn serial_line(site: &Site, gate: &Gate) -> (Self, PathBuf) {
        let line = site.file("client-line");
        (Self { child: socat(&line, &format!("tcp:{}", gate.address())), port: 0 }, line)
    }

    /// Waits until it listens.
    fn up(mut self) -> Self {
        let until = Instant::now() + UP;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().expect("the child is ours");
            assert!(ended.is_none() && Instant::now() < until, "it does not listen: {ended:?}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self
    }
}

/// A pseudo terminal at `line`, joined to `far`.
fn socat(line: &Path, far: &str) -> std::process::Child {
    let near = format!("pty,raw,echo=0,link={}", line.display());
    let child = Command::new("socat").arg(near).arg(far).stdin(Stdio::null()).spawn().expect("socat runs");
    crate::gate::wait("the line is there", || line.exists());
    child
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An stunnel on the operator's machine: plain Modbus in, TLS with `scada`'s certificate out.
pub(crate) struct Tunnel {
    _child: Child,
    pub(crate) port: u16,
}

impl Tunnel {
    pub(crate) fn to(site: &Site, gate: &Gate) -> Self {
        let port = free_port();
        let text = format!(
            "foreground = yes\npid =\ndebug = warning\n[gate]\nclient = yes\naccept = 127.0.0.1:{port}\nconnect = {}\nsni = gate\n\
             cert = {}\nkey = {}\nCAfile = {}\nverifyChain = yes\ncheckHost = gate\n",
            gate.address(),
            site.crt("scada").display(),
            site.key("scada").display(),
            site.crt("plant").display(),
        );
        let file = site.file("stunnel.conf");
        std::fs::write(&file, text).expect("written");
        let child = Command::new("stunnel").arg(&file).stdin(Stdio::null()).spawn().expect("stunnel runs");
        Self { _child: Child { child, port }.up(), port }
    }
}
