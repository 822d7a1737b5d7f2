//! Who does the honest work? An operator's client (tokio-modbus over TLS) that polls and writes all along.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::timeout};
use tokio_modbus::{
    client::{Context, tcp},
    prelude::*,
};

use super::{
    client::{Door, PATIENCE},
    site::{SETPOINT, SETPOINT_START},
    wire::WireLog,
};
use crate::tasks;

/// Between two rounds. A round is five requests.
const ROUND: Duration = Duration::from_millis(250);
/// Largest setpoint that the operator goes up to, in steps of [`STEP`].
const HIGHEST: u16 = 700;
const STEP: u16 = 50;
/// Complaints kept: the first few tell the story.
const COMPLAINTS: usize = 8;

/// The operator at work; its task ends with the runtime.
#[derive(Debug)]
pub struct Operator {
    rounds: watch::Receiver<u64>,
    complaints: Arc<Mutex<Vec<String>>>,
}

impl Operator {
    /// Starts to work.
    pub fn start(door: Door) -> Self {
        let (count, rounds) = watch::channel(0);
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = complaints.clone();
        tasks::spawn(&tokio::runtime::Handle::current(), work(door, count, heard), || {});
        Self { rounds, complaints }
    }

    /// Rounds made, good and bad.
    pub fn rounds(&self) -> u64 {
        *self.rounds.borrow()
    }

    /// Waits until two more rounds have begun and ended: what was forwarded before has then reached the device, as the
    /// operator's own messages came after it on the same device connection.
    pub async fn two_rounds(&mut self) {
        let goal = self.rounds().saturating_add(2);
        let _ = timeout(4 * PATIENCE, self.rounds.wait_for(|rounds| *rounds >= goal)).await;
    }

    /// Everything that did not go as it must, for the operator and on the device's wire.
    pub fn broken(&self, log: &WireLog) -> Vec<String> {
        let mut broken = self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (what, pdu) in WORK {
            if log.count(pdu) == 0 {
                broken.push(format!("the device never got the operator's {what}"));
            }
        }
        broken
    }
}

/// What the operator does in a round, as the device must see it.
const WORK: &[(&str, &[u8])] = &[
    ("read of holding 0-9", &[3, 0, 0, 0, 10]),
    ("read of input 0-9", &[4, 0, 0, 0, 10]),
    ("write of the setpoint", &[6, 0, 40]),
    ("write of holding 41", &[6, 0, 41]),
    ("stop of the pump", &[5, 0, 7, 0, 0]),
];

async fn work(door: Door, count: watch::Sender<u64>, complaints: Arc<Mutex<Vec<String>>>) {
    let mut setpoint = SETPOINT_START;
    let mut client: Option<Context> = None;
    loop {
        let round = async {
            let client = match &mut client {
                Some(client) => client,
                empty => empty.insert(tcp::attach_slave(door.enter().await.map_err(told)?, Slave(1))),
            };
            setpoint = if setpoint >= HIGHEST { SETPOINT_START } else { setpoint + STEP };
            one_round(client, setpoint).await
        };
        let fault =
            timeout(PATIENCE, round).await.unwrap_or_else(|_late| Err("a round took too long".to_owned())).err();
        if let Some(fault) = fault {
            let mut all = complaints.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() < COMPLAINTS {
                all.push(format!("the operator: {fault}"));
            }
            client = None;
        }
        count.send_modify(|rounds| *rounds += 1);
        tokio::time::sleep(ROUND).await;
    }
}

async fn one_round(client: &mut Context, setpoint: u16) -> Result<(), String> {
    let holding = expect("read holding 0-9", client.read_holding_registers(0, 10).await)?;
    if holding != (100..110).collect::<Vec<u16>>() {
        return Err(format!("read holding 0-9 brought {holding:?}"));
    }
    expect("read input 0-9", client.read_input_registers(0, 10).await)?;
    expect("write holding 41", client.write_single_register(41, setpoint / 2).await)?;
    expect(&format!("write holding {SETPOINT} = {setpoint}"), client.write_single_register(SETPOINT, setpoint).await)?;
    expect("write coil 7 = off", client.write_single_coil(7, false).await)
}

fn expect<T>(what: &str, got: tokio_modbus::Result<T>) -> Result<T, String> {
    match got {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(exception)) => Err(format!("{what}: exception {:02X}", u8::from(exception))),
        Err(fault) => Err(format!("{what}: {fault}")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands the error over")]
fn told(fault: io::Error) -> String {
    format!("could not enter: {fault}")
}
