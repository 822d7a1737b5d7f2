//! How is a capture told, for people and for programs?

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use sluicegate_proto::{
    keys::Settings,
    protocol::Protocol,
    sentence::{Addressing, Grammar},
};

use super::{Exit, complain, load};
use crate::{
    capture::{self, Gate, Line, Reading, Ruling, Total},
    explain::addressing,
};

#[derive(Debug, Args)]
pub(super) struct DecodeArgs {
    /// A capture: pcap or pcapng.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What its messages are.
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    protocol: Protocol,
    /// The servers' port, where it is not the protocol's own. May stand several times.
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
    #[command(flatten)]
    json: LinesJson,
}

/// `--json`, where a command prints one object a line.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct LinesJson {
    /// Print one JSON object a line; the last one is the summary.
    #[arg(long)]
    json: bool,
}

fn protocol(word: &str) -> Result<Protocol, String> {
    Protocol::parse(word).ok_or_else(|| {
        let known: Vec<_> = Protocol::ALL.iter().map(|one| one.as_str()).collect();
        format!("the protocols are: {}", known.join(", "))
    })
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A capture: pcap or pcapng.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The conduit whose policy counts.
    #[arg(long, value_name = "CONDUIT")]
    conduit: String,
    /// As whom, whoever it was in the capture. Without it: the one identity that can be on the conduit, else the one
    /// whose `source` holds the client's address.
    #[arg(long = "as", value_name = "IDENTITY")]
    identity: Option<String>,
    /// The servers' port, where it is neither the device's, nor the listener's, nor the protocol's own. May stand
    /// several times.
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
    /// End with 1 when anything is denied, or would be outside monitor mode.
    #[arg(long)]
    fail_on_deny: bool,
    #[command(flatten)]
    json: LinesJson,
}

pub(super) fn decode(args: &DecodeArgs) -> Exit {
    let reading = Reading {
        path: &args.file,
        protocol: args.protocol,
        settings: Settings::default(),
        ports: args.port.clone(),
        likely: args.protocol.ports().to_vec(),
        gate: None,
    };
    tell(reading, args.json.json, Addressing::ZeroBased).map_or_else(|exit| exit, |total| end(&total, &args.file))
}

pub(super) fn replay(config: &Path, args: &ReplayArgs) -> Exit {
    let loaded = match load(config) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let gate = match Gate::new(&loaded.site, &args.conduit, args.identity.as_deref()) {
        Ok(gate) => gate,
        Err(fault) => {
            complain(&format!("error: {fault}\n"));
            return Exit::Usage;
        }
    };
    let addressing = addressing(gate.conduit());
    let reading = Reading {
        path: &args.file,
        protocol: gate.conduit().protocol,
        settings: gate.settings(),
        ports: args.port.clone(),
        likely: gate.ports(),
        gate: Some(gate),
    };
    match tell(reading, args.json.json, addressing) {
        Ok(total) if args.fail_on_deny && total.refused > 0 && total.is_sound() => {
            let _ = end(&total, &args.file);
            Exit::Bad
        }
        Ok(total) => end(&total, &args.file),
        Err(exit) => exit,
    }
}

/// Prints a line for each message, and the summary.
fn tell(reading: Reading<'_>, as_json: bool, addressing: Addressing) -> Result<Total, Exit> {
    let (protocol, grammar, path) = (reading.protocol.as_str(), reading.protocol.grammar(), reading.path);
    let mut out = Output::new();
    let mut each = |line: &Line| {
        if as_json {
            out.line(&line.to_json(protocol, grammar).to_string());
        } else {
            out.line(&text(line, grammar));
        }
    };
    let total = capture::read(reading, &mut each).map_err(|fault| unreadable(&fault, path))?;
    if as_json {
        out.line(&serde_json::json!({ "summary": total.to_json() }).to_string());
    } else {
        out.line(&summary(&total, grammar, addressing));
    }
    Ok(total)
}

/// A file that is no capture.
fn unreadable(fault: &capture::FileFault, file: &Path) -> Exit {
    complain(&format!("error: {}: {fault}\n", file.display()));
    Exit::Usage
}

/// What is to be said of the file as a whole.
fn end(total: &Total, file: &Path) -> Exit {
    if let Some(fault) = &total.fault {
        let word = if total.is_sound() { "warning" } else { "error" };
        complain(&format!("{word}: {}: {fault}\n  all before it was read\n", file.display()));
    }
    if total.is_sound() { Exit::Good } else { Exit::Usage }
}

/// Standard output, in large pieces. A reader that went away (`| head`) is no error of ours.
struct Output(std::io::BufWriter<std::io::StdoutLock<'static>>);

impl Output {
    fn new() -> Self {
        Self(std::io::BufWriter::with_capacity(64 * 1024, std::io::stdout().lock()))
    }

    fn line(&mut self, text: &str) {
        let _ = self.0.write_all(text.as_bytes()).and_then(|()| self.0.write_all(b"\n"));
    }
}

/// One line for people: packet, conversation, direction, what.
fn text(line: &Line, grammar: &Grammar) -> String {
    let arrow = match line.direction {
        capture::Direction::Request => "->",
        capture::Direction::Response => "<-",
    };
    let mut text = format!("{:>6} {} {arrow} {}  ", line.frame, line.client, line.server);
    if let Some(ruling) = &line.ruling {
        let _ = write!(text, "{}  ", verdict(ruling));
    }
    match (line.message, line.malformed) {
        (Some(name), _) => text.push_str(name),
        (None, Some(reason)) => {
            let _ = write!(text, "malformed: {reason}");
        }
        (None, None) => {}
    }
    if let Some((unit, function)) = line.claims {
        let _ = write!(text, " (claims {} {unit}, function {function})", grammar.unit_word);
    }
    for deed in &line.deeds {
        let _ = write!(text, "\n         {}", deed.sentence.print(grammar));
        if let Some(ruling) = deed.ruling.as_ref().filter(|ruling| line.ruling.as_ref() != Some(ruling)) {
            let _ = write!(text, "  [{}]", verdict(ruling));
        }
        for (name, value) in deed.fields.iter().filter(|(name, _)| is_news(name, line.direction)) {
            let _ = write!(text, "  {name} {value}");
        }
    }
    if let Some(note) = &line.note {
        let _ = write!(text, "\n         {note}");
    }
    text
}

/// `denied: address_not_allowed (pump.toml:14)`
fn verdict(ruling: &Ruling) -> String {
    let mut text = ruling.verdict.map_or("no verdict", |word| word.as_str()).to_owned();
    if let Some(reason) = ruling.reason {
        let _ = write!(text, ": {reason}");
    }
    if !ruling.rules.is_empty() {
        let _ = write!(text, " ({})", ruling.rules.join(", "));
    }
    text
}

/// Whether a field says what the sentence does not.
fn is_news(name: &str, direction: capture::Direction) -> bool {
    match name {
        "values" => direction == capture::Direction::Response,
        "unit" | "function" | "object" | "address" | "quantity" | "bit" | "file" | "ca" | "ioa" | "type_id" => false,
        _ => true,
    }
}

fn many(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The end of the output for people: what it was, what was lost, and what was asked as sentences to copy.
fn summary(total: &Total, grammar: &Grammar, addressing: Addressing) -> String {
    let mut text = String::new();
    let seen = &total.seen;
    let malformed: u64 = total.malformed.values().sum();
    let _ = writeln!(
        text,
        "\n{}, {}: {}, {}, {malformed} that cannot be read",
        many(total.packets, "packet"),
        many(u64::from(seen.streams), "conversation"),
        many(total.requests, "request"),
        many(total.responses, "response")
    );
    for (reason, times) in &total.malformed {
        let _ = writeln!(text, "  {reason}: {times}");
    }
    for (how, times) in &seen.decided {
        let _ = writeln!(text, "  which end is the server was decided by {how}: {times}");
    }
    if total.ports.is_empty() && seen.streams > 0 {
        text.push_str("  nothing is on the protocol's own port: every TCP connection was read\n");
    }
    if seen.mid_stream > 0 {
        let _ = writeln!(text, "  {} had begun before the capture", many(seen.mid_stream, "conversation"));
    }
    if seen.gaps > 0 {
        let _ = writeln!(text, "  {}: {} bytes were not captured", many(seen.gaps, "gap"), seen.missing);
    }
    if seen.again > 0 {
        let _ = writeln!(text, "  {} bytes were sent again, and are told once", seen.again);
    }
    if seen.forgotten > 0 {
        let _ = writeln!(text, "  {} conversations were too many to be kept to the end", seen.forgotten);
    }
    for (why, packets) in &total.unread {
        let _ = writeln!(text, "  not read, {why}: {packets} packets");
    }
    if total.elsewhere > 0 {
        let ports: Vec<_> = total.elsewhere_ports.keys().map(ToString::to_string).collect();
        let _ = writeln!(text, "  on other ports ({}): {} packets", ports.join(", "), total.elsewhere);
    }
    for (verdict, times) in &total.verdicts {
        let _ = writeln!(text, "  {verdict}: {times}");
    }
    for (reason, times) in &total.reasons {
        let _ = writeln!(text, "    {reason}: {times}");
    }
    if !total.asked.is_empty() {
        text.push_str(if total.verdicts.is_empty() {
            "\nas rules, to copy into `allow` (write a role or an identity in place of `any`):\n"
        } else {
            "\nwhat the policy does not allow, as rules to copy into `allow` where it should:\n"
        });
        text.push_str(&total.asked.to_text(grammar, addressing));
    }
    text
}
