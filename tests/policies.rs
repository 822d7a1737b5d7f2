//! Do the worked policies of docs/policies.md do what their pages say?
//!
//! Each is taken as it is shipped: `check` finds nothing to say against it, its own tests pass, and the gateway runs with it
//! between clients with certificates and a device with the map of the page. What counts is what came over the device's
//! wire. Only addresses, ports and the state's folder are the test's own.
//!
//! ```text
//! policies/works  the legitimate work of a day, the attacks, and what the device saw: one test a policy
//! ```

mod works;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sluicegate::pki;

use crate::gate::{Device, Gate, Peer, Site, frame, repository, run, tls_config};

/// The policies, by the names of their files.
const POLICIES: [&str; 5] = ["pump-station", "substation-meter", "vfd", "ups", "serial-gateway"];

#[test]
fn every_policy_is_here_and_has_its_section() {
    let page = std::fs::read_to_string(repository().join("docs/policies.md")).expect("the page is there");
    let folder = std::fs::read_dir(repository().join("docs/policies")).expect("the folder is there");
    let mut files: Vec<_> = folder.flatten().filter_map(|one| one.file_name().into_string().ok()).collect();
    files.sort();
    let mut due: Vec<_> = POLICIES.iter().map(|name| format!("{name}.toml")).collect();
    due.sort();
    assert_eq!(files, due);
    for name in POLICIES {
        assert!(page.contains(&format!("(policies/{name}.toml)")), "{name} has no section");
        for sentence in sentences(name) {
            let written = page.matches(&format!("`{sentence}`")).count();
            assert_eq!(
                written, 1,
                "{name}: the page explains each sentence once, and this one {written} times: {sentence}"
            );
        }
    }
}

/// As it is shipped, with certificates of these names: no error, no warning, no failing test.
#[test]
fn check_has_nothing_to_say_against_them() {
    for name in POLICIES {
        let site = Site::new();
        let text = shipped(name);
        issue(&site, &text);
        let file = site.write_config(&text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        let (good, said) = run(command.arg("--config").arg(file).arg("check"));
        assert!(good, "{name}: {said}");
        assert!(said.contains("\n0 error(s), 0 warning(s); ") && said.contains(" 0 failed, "), "{name}: {said}");
        let tests = said.matches("test passed: ").count();
        let (allowed, denied) = (text.matches("expect = \"allow\"").count(), text.matches("expect = \"deny ").count());
        assert!(tests == allowed + denied && allowed >= 2 && denied >= 4, "{name}: {tests} tests");
    }
}

fn shipped(name: &str) -> String {
    let path = repository().join(format!("docs/policies/{name}.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sentences of its `allow` and `deny`.
fn sentences(name: &str) -> Vec<String> {
    let text = shipped(name);
    let lists = text.split("allow = [").nth(1).expect("rules").split("\n[[tests]]").next().expect("before the tests");
    let deny = lists.lines().filter(|line| line.starts_with("deny"));
    let lines = lists.lines().filter(|line| line.starts_with("  \"")).chain(deny);
    lines.filter_map(|line| Some(line.split('"').nth(1)?.to_owned())).collect()
}

/// A certificate for the gateway and one for each identity of the text.
fn issue(site: &Site, text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for uri in text.lines().filter_map(|line| line.strip_prefix("match = { uri = \"")?.strip_suffix("\" }")) {
        let name = uri.rsplit('/').next().expect("a URI ends with a name").to_owned();
        let request = pki::Request { uris: vec![uri.to_owned()], ..Site::names(&name, false) };
        make(&site.pki(), &request);
        names.push(name);
    }
    make(&site.pki(), &Site::names("gateway", true));
    names
}

fn make(pki: &Path, request: &pki::Request) -> PathBuf {
    let file = pki.join(format!("{}.crt", request.name));
    if !file.exists() {
        pki::issue(pki, Some("plant"), request).expect("issued");
    }
    file
}

/// A running gateway with a policy as it is shipped, a device behind it, and clients.
struct Plant {
    site: Site,
    device: Device,
    gate: Gate,
}

impl Plant {
    /// `setup` makes the device what the page says it is before the gateway starts. `edit` changes what a test cannot
    /// wait for, such as a schedule.
    fn start(name: &str, setup: impl FnOnce(&Device), edit: &[(&str, &str)]) -> Self {
        let (site, device) = (Site::empty(), Device::start());
        setup(&device);
        let mut text = shipped(name);
        let upstream = text.lines().find_map(|line| line.strip_prefix("upstream = ")).expect("a device").to_owned();
        let own = [
            ("[site]\n", "[site]\nstate = \"state\"\n"),
            ("\"10.30.0.0/24\"", "\"127.0.0.0/8\""),
            ("\"10.30.0.2:802\"", "\"127.0.0.1:0\""),
            ("\"127.0.0.1:9473\"", "\"127.0.0.1:0\""),
            (&upstream, &format!("\"{}\"", device.address)),
        ];
        for (from, to) in own.iter().chain(edit) {
            assert_eq!(text.matches(from).count(), 1, "{name}: {from}");
            text = text.replace(from, to);
        }
        issue(&site, &text);
        let gate = Gate::try_start(&site, &text, |command| command).unwrap_or_else(|(_, log)| panic!("{name}: {log}"));
        Self { site, device, gate }
    }

    fn peer(&self, name: &str) -> Client {
        let own = tls_config(&self.site, Some((&self.site.crt(name), &self.site.key(name))));
        Client { peer: Peer::with(self.gate.address(), own, "localhost"), next: 0 }
    }

    /// A denial on record, with what was tried as a sentence.
    fn denied(&self, reason: &str, deed: &str) {
        self.site.record(&format!("{reason}: {deed}"), |one| {
            one["event"] == "denied" && one["reason"] == reason && one["deeds"][0].as_str().is_some_and(|it| it == deed)
        });
    }
}

/// A client that speaks to any unit.
struct Client {
    peer: Peer,
    next: u16,
}

impl Client {
    /// One request to a unit; the answer's PDU.
    fn ask(&mut self, unit: u8, pdu: &[u8]) -> Vec<u8> {
        self.send(unit, pdu);
        let answer = self.peer.answer().expect("an answer");
        assert_eq!((&answer[..2], answer[6]), (&self.next.to_be_bytes()[..], unit), "to this request, from this unit");
        answer[7..].to_vec()
    }

    /// One request that nobody answers.
    fn send(&mut self, unit: u8, pdu: &[u8]) {
        self.next += 1;
        self.peer.send(&frame(self.next, unit, pdu));
    }

    fn reads(&mut self, function: u8, first: u16, count: u16) -> Vec<u8> {
        let answer = self.ask(1, &words(function, &[first, count]));
        assert_eq!(answer[0], function, "{function} {first} {count}: {answer:02x?}");
        answer[2..].to_vec()
    }

    /// A write of one point (FC 5 or 6) or of several registers (FC 16).
    fn writes(&mut self, unit: u8, function: u8, address: u16, values: &[u16]) -> Vec<u8> {
        self.ask(unit, &write(function, address, values))
    }
}

fn words(function: u8, words: &[u16]) -> Vec<u8> {
    let bytes = words.iter().flat_map(|word| word.to_be_bytes());
    std::iter::once(function).chain(bytes).collect()
}

fn write(function: u8, address: u16, values: &[u16]) -> Vec<u8> {
    if function != 16 {
        return words(function, &[address, values[0]]);
    }
    let count = u16::try_from(values.len()).expect("a PDU is short");
    let mut pdu = words(16, &[address, count]);
    pdu.push(u8::try_from(2 * count).expect("a PDU is short"));
    pdu.extend(values.iter().flat_map(|value| value.to_be_bytes()));
    pdu
}

/// A write as the device saw it: unit and PDU in hex.
fn seen(unit: u8, function: u8, address: u16, values: &[u16]) -> String {
    let pdu = write(function, address, values);
    std::iter::once(unit).chain(pdu).map(|byte| format!("{byte:02x}")).collect()
}
