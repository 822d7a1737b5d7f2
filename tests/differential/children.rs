//! How do the Python libraries read these bytes? Each in a process of its own, fed in batches.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use super::{Framing, Item, Reading, Side, Verdict};
use crate::gate::repository;

/// Whatever else this machine does, a batch is read within this.
const DEADLINE: Duration = Duration::from_secs(120);

/// One library in its process.
pub(super) struct Library {
    child: Child,
    input: ChildStdin,
    batches: Receiver<Vec<u8>>,
    name: &'static str,
}

impl Library {
    pub(super) fn start(python: &str, name: &'static str) -> Self {
        let mut child = Command::new(python)
            .arg(repository().join("tests/differential/oracles.py"))
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let input = child.stdin.take().expect("piped");
        let mut output = child.stdout.take().expect("piped");
        // One batch is on its way at a time.
        let (send, batches) = sync_channel(1);
        std::thread::spawn(move || {
            loop {
                let mut length = [0; 4];
                if output.read_exact(&mut length).is_err() {
                    return;
                }
                let mut batch = vec![0; u32::from_be_bytes(length) as usize];
                if output.read_exact(&mut batch).is_err() || send.send(batch).is_err() {
                    return;
                }
            }
        });
        Self { child, input, batches, name }
    }

    /// Hands over a batch; it is read to its end before the first answer is written, so that neither side waits for
    /// the other.
    pub(super) fn ask(&mut self, items: &[Item]) {
        let mut batch = Vec::new();
        batch.extend((items.len() as u32).to_be_bytes());
        for item in items {
            let bytes = self.given(item);
            let kind = u8::from(item.side == Side::Response) + 2 * u8::from(item.framing == Framing::Rtu);
            batch.push(kind);
            batch.extend((bytes.len() as u16).to_be_bytes());
            batch.extend(bytes);
        }
        self.input.write_all(&batch).and_then(|()| self.input.flush()).unwrap_or_else(|error| self.gone(&error));
    }

    /// scapy reads one message and takes all that follows for a part of it, and pymodbus does so on a serial line: they
    /// get what we let through alone.
    fn given<'i>(&self, item: &'i Item) -> &'i [u8] {
        match item.verdict {
            Verdict::Passed { used, .. } if self.name == "scapy" || item.framing == Framing::Rtu => &item.bytes[..used],
            _ => &item.bytes,
        }
    }

    /// What it makes of the batch handed over last.
    pub(super) fn told(&mut self, count: usize) -> Vec<Reading> {
        let batch = match self.batches.recv_timeout(DEADLINE) {
            Ok(batch) => batch,
            Err(error) => self.gone(&error),
        };
        let mut rest = batch.as_slice();
        let mut take = |bytes: usize| {
            let (taken, left) = rest.split_at(bytes);
            rest = left;
            taken
        };
        let word = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
        (0..count)
            .map(|_| match take(1)[0] {
                0 => Reading::Refused,
                2 => Reading::Waits,
                _ => {
                    let (used, id) = (usize::from(word(take(2))), word(take(2)));
                    let unit = take(1)[0];
                    let length = usize::from(word(take(2)));
                    Reading::Read { used, id, unit, pdu: take(length).to_vec() }
                }
            })
            .collect()
    }

    fn gone(&mut self, error: &dyn std::error::Error) -> ! {
        panic!("{} says nothing: {error}; {:?}", self.name, self.child.try_wait())
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
