//! Which ten things does the attacker try, and what must come of each?
//!
//! The attacker has stolen the key of operator-2 and of the historian. Every write that it tries carries a value of its own, so
//! that the device's wire log tells whether that write ever arrived.

use std::time::{Duration, Instant};

use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};

use super::{
    client::{Door, Got, PATIENCE, Shown, answer, ask, framed, leave},
    site::{PEER_BURST, PEER_RATE, SETPOINT},
    wire::WireLog,
};

/// Requests of the flood: far more than the limit lets through in [`FLOOD_TIME`].
const FLOOD: u16 = 900;
/// How long the flood is kept up; longer on a machine so slow that nothing was refused yet.
const FLOOD_TIME: Duration = Duration::from_secs(3);

const STOLEN: Shown = Shown::Certificate { folder: "pki", name: "operator-2" };
const HISTORIAN: Shown = Shown::Certificate { folder: "pki", name: "historian" };
const STRANGER: Shown = Shown::Certificate { folder: "stranger", name: "operator" };

/// One attack.
#[derive(Debug)]
pub struct Attack {
    /// Its name.
    pub name: &'static str,
    /// What it shows at the door.
    pub shown: Shown,
    /// What it does, in order.
    pub plan: Plan,
}

/// What an attack does.
#[derive(Debug)]
pub enum Plan {
    /// Sends these, each on the same session while that lasts.
    Moves(Vec<Move>),
    /// Sends as much as it can.
    Flood,
}

/// One thing sent.
#[derive(Debug)]
pub struct Move {
    bytes: Vec<u8>,
    expect: Got,
    /// Bytes that must not stand in the device's log, ever.
    absent: Option<Vec<u8>>,
}

/// What came of one attack.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The attack.
    pub name: &'static str,
    /// What it got, and what the device saw, in words.
    pub told: Vec<String>,
    /// Every way in which it did not come out as it must.
    pub broken: Vec<String>,
}

/// The ten attacks.
pub fn attacks() -> Vec<Attack> {
    let moves = |name, shown, moves| Attack { name, shown, plan: Plan::Moves(moves) };
    vec![
        moves(
            "a function that is not listed",
            STOLEN,
            vec![
                Move::refused(vec![8, 0, 4, 0, 0], 0x01),
                Move::refused([[16, 0, 44, 0, 2].as_slice(), &[4], &value(1101), &value(1102)].concat(), 0x01),
            ],
        ),
        moves("an address that is denied", STOLEN, vec![Move::refused(write(95, 1202), 0x02)]),
        moves(
            "values outside their range",
            STOLEN,
            vec![Move::refused(write(43, 6003), 0x03), Move::refused(vec![5, 0, 7, 0xFF, 0], 0x03)],
        ),
        moves("a setpoint raised in one leap", STOLEN, vec![Move::refused(write(SETPOINT, 1404), 0x03)]),
        moves("no certificate", Shown::Nothing, vec![Move::shut_out(&write(50, 1005))]),
        moves(
            "another authority's certificate with the operator's name",
            STRANGER,
            vec![Move::shut_out(&write(51, 1006))],
        ),
        moves("a write hidden behind a read in one length", STOLEN, vec![hidden_write()]),
        moves("a length that lies", STOLEN, vec![false_length()]),
        Attack { name: "a flood of reads", shown: STOLEN, plan: Plan::Flood },
        moves(
            "a read-only role that writes",
            HISTORIAN,
            vec![Move::answered(&read(10, 2)), Move::refused(write(54, 1010), 0x01)],
        ),
    ]
}

impl Move {
    fn refused(pdu: Vec<u8>, code: u8) -> Self {
        Self { bytes: framed(1, &pdu), expect: Got::Exception(code), absent: Some(pdu) }
    }

    fn answered(pdu: &[u8]) -> Self {
        Self { bytes: framed(1, pdu), expect: Got::Answer, absent: None }
    }

    fn shut_out(pdu: &[u8]) -> Self {
        Self { bytes: framed(1, pdu), expect: Got::Closed, absent: Some(pdu.to_vec()) }
    }
}

/// MB-06: one length covers a read and, behind it, a write; three widely used decoders report the read only.
fn hidden_write() -> Move {
    let write = write(52, 1007);
    Move { bytes: framed(1, &[read(10, 1), write.clone()].concat()), expect: Got::Closed, absent: Some(write) }
}

/// MB-05: a length of 3 cuts a read short; what follows is taken for a new message by a parser that searches for one.
fn false_length() -> Move {
    let write = write(53, 1008);
    let mut bytes = framed(1, &read(10, 1));
    bytes[5] = 3;
    bytes.extend_from_slice(&framed(2, &write));
    Move { bytes, expect: Got::Closed, absent: Some(write) }
}

impl Attack {
    /// Carries it out.
    pub async fn carry_out(&self, door: &Door, log: &WireLog) -> Outcome {
        let mut outcome = Outcome { name: self.name, told: Vec::new(), broken: Vec::new() };
        match &self.plan {
            Plan::Moves(moves) => self.make(moves, door, &mut outcome).await,
            Plan::Flood => flood(door, log, &mut outcome).await,
        }
        outcome
    }

    /// Looks again, once everything that was on its way has arrived: whether the device never saw what it must not see.
    pub fn look_again(&self, log: &WireLog, outcome: &mut Outcome) {
        let Plan::Moves(moves) = &self.plan else { return };
        for one in moves {
            if let Some(absent) = &one.absent
                && log.count(absent) > 0
            {
                outcome.broken.push(format!("the device got {}", hex(absent)));
            }
        }
    }

    async fn make(&self, moves: &[Move], door: &Door, outcome: &mut Outcome) {
        let mut session = None;
        for one in moves {
            let got = match &mut session {
                Some(stream) => ask(stream, &one.bytes).await,
                empty => match door.enter().await {
                    Ok(stream) => ask(empty.insert(stream), &one.bytes).await,
                    Err(_) => Got::Closed,
                },
            };
            if got == Got::Closed {
                session = None;
            }
            outcome.told.push(got.to_string());
            if got != one.expect {
                outcome.broken.push(format!("the attacker got {got}, not {}", one.expect));
            }
        }
        if let Some(stream) = session {
            leave(stream).await;
        }
    }
}

/// Pipelines reads for a while. The device may get what the limit lets through in that time, and no more.
async fn flood(door: &Door, log: &WireLog, outcome: &mut Outcome) {
    let pattern = read(17, 3);
    let before = log.count(&pattern);
    let started = Instant::now();
    let (mut answered, mut refused) = (0u32, 0u32);
    match door.enter().await {
        Err(fault) => outcome.broken.push(format!("the attacker could not even start: {fault}")),
        Ok(stream) => {
            let (mut reading, mut writing) = tokio::io::split(stream);
            let all: Vec<u8> = (1..=FLOOD).flat_map(|id| framed(id, &pattern)).collect();
            let send = async {
                let _ = writing.write_all(&all).await;
                let _ = writing.flush().await;
                std::future::pending::<()>().await;
            };
            let take = async {
                while let Ok(got) = answer(&mut reading).await {
                    match got {
                        Got::Answer => answered += 1,
                        Got::Exception(0x06) => refused += 1,
                        Got::Exception(_) | Got::Closed | Got::Silence => {}
                    }
                    let enough = started.elapsed() >= FLOOD_TIME && refused > 0;
                    if enough || answered + refused == u32::from(FLOOD) {
                        break;
                    }
                }
            };
            let both = async {
                tokio::select! { () = take => {}, () = send => {} }
            };
            let _ = timeout(PATIENCE, both).await;
        }
    }
    // What was delayed when the attacker left may still be on its way for a moment.
    sleep(Duration::from_millis(500)).await;
    let arrived = u32::try_from(log.count(&pattern) - before).unwrap_or(u32::MAX);
    let allowed = PEER_BURST + PEER_RATE * u32::try_from(started.elapsed().as_secs() + 1).unwrap_or(0);
    outcome.told.push(format!("{answered} answers, {refused} times exception 06; the device got {arrived} of {FLOOD}"));
    if arrived > allowed {
        outcome.broken.push(format!("the device got {arrived} reads where the limit lets {allowed} through"));
    }
    if refused == 0 {
        outcome.broken.push("no read of the flood was refused".to_owned());
    }
}

fn write(address: u16, to: u16) -> Vec<u8> {
    [&[6], address.to_be_bytes().as_slice(), &value(to)].concat()
}

fn read(address: u16, count: u16) -> Vec<u8> {
    [&[3], address.to_be_bytes().as_slice(), &value(count)].concat()
}

const fn value(number: u16) -> [u8; 2] {
    number.to_be_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|one| format!("{one:02X}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_ten_attacks_and_every_forbidden_write_is_unmistakable() {
        let all = attacks();
        assert_eq!(all.len(), 10);
        let mut marks: Vec<_> = all
            .iter()
            .filter_map(|one| match &one.plan {
                Plan::Moves(moves) => Some(moves.iter().filter_map(|one| one.absent.clone())),
                Plan::Flood => None,
            })
            .flatten()
            .collect();
        let count = marks.len();
        marks.sort();
        marks.dedup();
        assert_eq!((marks.len(), count), (11, 11));
    }

    #[test]
    fn the_hidden_write_stands_inside_one_length() {
        let hidden = hidden_write();
        assert_eq!(usize::from(hidden.bytes[5]), hidden.bytes.len() - 6);
        assert!(hidden.bytes.ends_with(&write(52, 1007)));
    }
}
