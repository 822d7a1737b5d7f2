//! How does a test get a machine with a running systemd, and leave this one as it was?
//!
//! ```text
//! unshare: own mounts, processes, network, control groups
//!   overlay: this machine's files below, what the test changes above, in memory
//!     systemd as the first process; `run` enters with nsenter
//! drop: the first process is killed, the kernel ends all others and forgets the overlay
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::gate::repository;

pub(super) struct Machine {
    /// `unshare`, which waits for the first process.
    outside: Child,
    /// The first process, as this machine numbers it.
    first: u32,
    group: PathBuf,
    _space: tempfile::TempDir,
}

impl Machine {
    /// Boots one with `package` at `/opt/sluicegate.deb`.
    ///
    /// # Errors
    /// Why it cannot be had here: no root, no version 2 of control groups, no overlay.
    pub(super) fn boot(package: &Path) -> Result<Self, String> {
        let space = tempfile::tempdir().map_err(|fault| fault.to_string())?;
        let group = groups()?.join(format!("sluicegate-test-{}", std::process::id()));
        fs::create_dir_all(&group).map_err(|fault| format!("{}: {fault}", group.display()))?;
        let script = repository().join("tests/package/boot.sh");
        // The control group is entered first: its namespace begins where its maker stands.
        let enter = "echo $$ >\"$0\"/cgroup.procs && exec \"$@\"";
        let outside = Command::new("sh")
            .args(["-c", enter])
            .arg(&group)
            .args(["unshare", "--mount", "--pid", "--net", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child"])
            .arg(script)
            .arg(space.path())
            .arg(package)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|fault| format!("unshare: {fault}"))?;
        let mut machine = Self { outside, first: 0, group, _space: space };
        machine.first = machine.wait_for_first()?;
        machine.wait_for_systemd()?;
        Ok(machine)
    }

    /// Runs a line of shell inside: whether it succeeded, and all that it said.
    pub(super) fn run(&self, line: &str) -> (bool, String) {
        let first = self.first.to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &first, "--mount", "--pid", "--net", "--cgroup", "--ipc", "--uts"]);
        command.args(["env", "-C", "/", "timeout", "--signal=KILL", "180", "sh", "-c", line]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        crate::gate::run(command.stdin(Stdio::null()))
    }

    /// [`Machine::run`] for what must succeed.
    pub(super) fn does(&self, line: &str) -> String {
        let (good, said) = self.run(line);
        assert!(good, "{line}\n{said}");
        said
    }

    fn wait_for_first(&mut self) -> Result<u32, String> {
        let children = format!("/proc/{0}/task/{0}/children", self.outside.id());
        self.until(|_| fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse().ok())
    }

    fn wait_for_systemd(&mut self) -> Result<(), String> {
        self.until(|machine| {
            let name = fs::read_to_string(format!("/proc/{}/comm", machine.first)).ok()?;
            (name.trim() == "systemd" && machine.run("systemctl is-system-running").0).then_some(())
        })
    }

    fn until<T>(&mut self, ready: impl Fn(&Self) -> Option<T>) -> Result<T, String> {
        let end = Instant::now() + BOOT;
        while Instant::now() < end {
            if let Some(it) = ready(self) {
                return Ok(it);
            }
            if let Ok(Some(status)) = self.outside.try_wait() {
                let mut said = String::new();
                if let Some(mut pipe) = self.outside.stderr.take() {
                    let _ = std::io::Read::read_to_string(&mut pipe, &mut said);
                }
                return Err(format!("{status}: {said}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("systemd did not come up within {BOOT:?}"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.first != 0 {
            let _ = Command::new("kill").args(["-KILL", &self.first.to_string()]).status();
        } else {
            let _ = self.outside.kill();
        }
        let _ = self.outside.wait();
        // The groups that systemd made below, the deepest first.
        let _ =
            Command::new("find").arg(&self.group).args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]).status();
    }
}

/// Where version 2 of control groups is mounted: alone, or beside version 1.
fn groups() -> Result<PathBuf, String> {
    let places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
    let found = places.into_iter().find(|one| one.join("cgroup.controllers").exists());
    found.map(Path::to_owned).ok_or_else(|| "no version 2 of control groups".to_owned())
}

const BOOT: Duration = Duration::from_secs(60);
