//! `sluicegate demo` shows the main job, and fails when any one rule or check is missing.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
    sync::Mutex,
};

use sluicegate::demo::site::WEAKNESSES;

/// Demos at once: each starts two processes, and the machine may have two cores.
const AT_ONCE: usize = 3;

fn demo(more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(["demo", "--seconds", "1"]).args(more);
    command.output().expect("the binary was just built")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn the_demo_holds_and_prints_how_to_attack_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let kept = dir.path().join("kept");
    let output = demo(&["--keep", kept.to_str().expect("the path is text")]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for words in ["mbpoll", "openssl s_client", "/metrics", "denied  operator-2 write holding 95 unit 1 = 1202 via 6"] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    let config = kept.join("sluicegate.toml");
    let ask = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        command.args(words).arg("--config").arg(&config).output().expect("the binary was just built")
    };
    let check = ask(&["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", printed(&check));
    let last = ask(&["explain", "--last"]);
    assert_eq!(last.status.code(), Some(1), "the last attack was denied, and would be again: {}", printed(&last));
    for words in
        ["as historian: identity_not_allowed", "historian write holding 54 unit 1 = 1010 via 6", "exception 01"]
    {
        assert!(printed(&last).contains(words), "{words}: {}", printed(&last));
    }
    let again = demo(&["--keep", kept.to_str().expect("the path is text")]);
    assert_eq!(again.status.code(), Some(2), "a directory in use is refused: {}", printed(&again));
}

/// Ctrl-C ends the demo in good order once everything was shown, and leaves no gateway behind.
#[test]
fn the_demo_runs_until_it_is_interrupted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let kept = dir.path().join("kept");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_sluicegate"))
        .args(["demo", "--keep"])
        .arg(&kept)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary was just built");
    let mut lines = BufReader::new(demo.stdout.take().expect("it is piped")).lines();
    let shown = lines.by_ref().any(|line| line.is_ok_and(|line| line.starts_with("Attack it yourself")));
    assert!(shown, "it said how to attack it, and went on");
    assert_eq!(demo.try_wait().expect("it is our child"), None, "it runs on");
    let rest = std::thread::spawn(move || lines.count());
    let killed = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().expect("kill is everywhere");
    assert!(killed.success());
    assert_eq!(demo.wait().expect("it is our child").code(), Some(0));
    rest.join().expect("counting lines does not panic");
    let text = std::fs::read_to_string(kept.join("sluicegate.toml")).expect("it was kept");
    let bind = text.lines().find_map(|line| line.strip_prefix("bind = ")).expect("a listener");
    let gone = std::net::TcpStream::connect(bind.trim_matches('"'));
    assert!(gone.is_err(), "the gateway at {bind} was left behind");
}

#[test]
fn without_any_one_rule_or_check_the_demo_fails() {
    let waiting = Mutex::new(WEAKNESSES.iter().collect::<Vec<_>>());
    let unnoticed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(weakness) = waiting.lock().expect("no thread panics with it").pop() else { break };
                    let output = demo(&["--weaken", weakness.name]);
                    let text = printed(&output);
                    if output.status.code() != Some(1) || !text.contains("BROKEN") {
                        let mut unnoticed = unnoticed.lock().expect("no thread panics with it");
                        unnoticed.push(format!("{}: {:?}\n{text}", weakness.name, output.status));
                    }
                }
            });
        }
    });
    let unnoticed = unnoticed.into_inner().expect("no thread panics with it");
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n\n"));
}
