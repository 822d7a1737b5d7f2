//! docs/captures.md leads from a capture to an enforced policy, as it stands there.

use std::process::Command;

use crate::gate::{Device, Gate, Peer, Site, repository};

/// Commands with what they print, from the page's blocks.
fn commands(page: &str) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for block in blocks(page, "console") {
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => all.push((command.to_owned(), Vec::new())),
                None => all.last_mut().expect("a command comes first").1.push(line.to_owned()),
            }
        }
    }
    all
}

fn blocks<'p>(page: &'p str, kind: &str) -> Vec<&'p str> {
    let start = format!("```{kind}\n");
    page.split(&start).skip(1).filter_map(|rest| rest.split_once("```").map(|(block, _)| block)).collect()
}

#[test]
fn a_newcomer_comes_from_a_capture_to_an_enforced_policy_in_six_commands_and_25_lines() {
    let page = std::fs::read_to_string(repository().join("docs/captures.md")).expect("the page is there");
    let commands = commands(&page);
    let toml = blocks(&page, "toml");
    assert_eq!(toml.len(), 1, "one configuration");
    let lines = toml[0].lines().filter(|line| !line.trim().is_empty()).count();
    assert!(commands.len() <= 6 && lines <= 25, "{} commands, {lines} lines of TOML", commands.len());

    let (site, device) = (Site::new(), Device::start());
    std::fs::copy(repository().join("tests/captures/generated__modbus_tokio.pcapng"), site.file("plant.pcapng"))
        .expect("kept");
    // Ports that are free here, and an endpoint that says when the gate is ready.
    let toml = toml[0].replace("127.0.0.1:5502", "127.0.0.1:0").replace("127.0.0.1:5020", &device.address.to_string());
    let toml = format!("{toml}\n[metrics]\nbind = \"127.0.0.1:0\"\n");
    let config = site.write_config(&toml);
    let mut ran = false;
    for (command, expected) in &commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words[0], "sluicegate", "{command}");
        if words.contains(&"run") {
            ran = true;
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_sluicegate"))
            .args(&words[1..])
            .current_dir(config.parent().expect("in a folder"))
            .output()
            .expect("the binary was just built");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("it is text");
        assert!(output.status.success() || words.contains(&"explain"), "{command}:\n{text}");
        let mut rest = text.lines();
        for line in expected.iter().filter(|line| !line.is_empty() && *line != "...") {
            assert!(
                rest.any(|told| told.trim_end() == line.trim_end()),
                "{command} does not print\n{line}\nbut\n{text}"
            );
        }
    }
    assert!(ran, "the page ends with a gate that runs");
    let gate =
        Gate::try_start(&site, &toml, |command| command).unwrap_or_else(|(status, log)| panic!("{status}\n{log}"));
    let mut peer = Peer::plain(&gate);
    assert_eq!(peer.ask(&[3, 0, 0, 0, 4])[0], 3, "what was captured passes");
    assert_eq!(peer.ask(&[16, 0, 0, 0, 3, 6, 0, 1, 0, 2, 0, 3])[0], 16, "what was captured passes");
    assert_eq!(peer.ask(&[16, 0, 0, 0, 3, 6, 0, 1, 0, 2, 0, 9]), [0x90, 3], "another value does not");
    assert_eq!(peer.ask(&[3, 0, 200, 0, 1]), [0x83, 2], "another register does not");
    assert_eq!(device.writes().len(), 1);
}
