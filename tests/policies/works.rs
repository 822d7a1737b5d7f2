//! What does a day look like behind each policy, and what an attack?

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::*;
use crate::gate::{Answers, wait};

const ALWAYS: &str = "daily 00:00-24:00";

/// A window that is open on another day of the week than today, wherever the plant is.
fn another_day() -> String {
    let days = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs() / 86_400;
    // The first day was a Thursday; three days away is neither yesterday nor tomorrow.
    let names = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
    let away = usize::try_from((days + 3) % 7).expect("a day of the week");
    format!("{} 07:00-17:00", names[away])
}

/// A host without a certificate of the plant is not heard, let alone its messages.
fn stranger(plant: &Plant, pdu: &[u8]) {
    let before = plant.device.seen().len();
    let mut peer = Peer::with(plant.gate.address(), tls_config(&plant.site, None), "localhost");
    let _ = peer.try_ask(pdu).expect_err("no certificate, no answer");
    assert_eq!(plant.device.seen().len(), before);
}

fn well(device: &Device) {
    device.set_holding(0, 100);
    device.set_holding(10, 300);
    device.set_discrete(1, true);
}

/// IR-08: a set-point a hundred times too high from a stolen screen. IR-01: reads and writes of somebody unknown, and of
/// somebody known beyond what is his.
#[test]
fn a_pump_station() {
    let plant = Plant::start("pump-station", well, &[("mon-fri 07:00-17:00", ALWAYS)]);
    let (mut scada, mut engineer, mut historian) =
        (plant.peer("scada-1"), plant.peer("engineer-1"), plant.peer("historian"));
    let mut due = Vec::new();
    // The day: everything is read, the level raised a little, a pump started and stopped.
    assert_eq!(scada.reads(4, 0, 8).len(), 16);
    assert_eq!(scada.reads(2, 0, 16), [0b10, 0], "pump 1 is ready, pump 2 is not");
    assert_eq!(scada.reads(3, 0, 12).len(), 24);
    assert_eq!(scada.reads(1, 0, 9).len(), 2);
    assert_eq!(historian.reads(4, 0, 8).len(), 16);
    for (function, address, value) in [(6, 0, 120), (6, 10, 340), (6, 10, 0), (5, 0, 0xFF00)] {
        assert_eq!(scada.writes(1, function, address, &[value]), write(function, address, &[value]));
        due.push(seen(1, function, address, &[value]));
    }
    // Both stopped in one message.
    assert_eq!(scada.ask(1, &[15, 0, 0, 0, 2, 1, 0]), [15, 0, 0, 0, 2]);
    due.push("010f00000002".to_owned() + "0100");
    assert_eq!(engineer.writes(1, 6, 1, &[60]), write(6, 1, &[60]), "by day");
    due.push(seen(1, 6, 1, &[60]));
    assert_eq!(plant.device.writes(), due);
    // What is not allowed.
    assert_eq!(scada.writes(1, 6, 0, &[11_100]), [0x86, 3], "IR-08");
    plant.denied("value_not_allowed", "scada-1 write holding 0 unit 1 = 11100 via 6");
    assert_eq!(scada.writes(1, 6, 0, &[300]), [0x86, 3], "inside the range, too far at once");
    plant.denied("step_not_allowed", "scada-1 write holding 0 unit 1 = 300 via 6");
    assert_eq!(scada.writes(1, 5, 1, &[0xFF00]), [0x85, 6], "pump 2 is not ready");
    assert_eq!(scada.writes(1, 6, 95, &[1]), [0x86, 2]);
    assert_eq!(engineer.writes(1, 16, 89, &[1, 1]), [0x90, 2], "half of it is an interlock");
    assert_eq!(historian.writes(1, 6, 0, &[100]), [0x86, 1], "IR-01: known, and reads only");
    stranger(&plant, &write(6, 0, &[100]));
    for address in 12..60 {
        assert_eq!(scada.ask(1, &words(3, &[address, 1])), [0x83, 2], "IR-01: a sweep");
    }
    assert_eq!(plant.device.writes(), due);
    // Six starts an hour, one is spent. A stop is never refused.
    for _ in 0..5 {
        assert_eq!(scada.writes(1, 5, 0, &[0xFF00]), write(5, 0, &[0xFF00]));
    }
    assert_eq!(scada.writes(1, 5, 0, &[0xFF00]), [0x85, 6], "the motor's data sheet says six");
    plant.denied("rate_limited", "scada-1 write coil 0 unit 1 = on via 5");
    assert_eq!(scada.writes(1, 5, 8, &[0]), write(5, 8, &[0]));
    assert_eq!(plant.device.writes().len(), due.len() + 6);
    plant.gate.stop();
}

#[test]
fn a_pump_station_at_night() {
    let plant = Plant::start("pump-station", well, &[("mon-fri 07:00-17:00", &another_day())]);
    let (mut scada, mut engineer) = (plant.peer("scada-1"), plant.peer("engineer-1"));
    assert_eq!(engineer.writes(1, 6, 1, &[60]), [0x86, 6]);
    plant.denied("outside_schedule", "engineer-1 write holding 1 unit 1 = 60 via 6");
    assert_eq!(scada.writes(1, 5, 0, &[0]), write(5, 0, &[0]));
    assert_eq!(plant.device.writes(), [seen(1, 5, 0, &[0])]);
    plant.gate.stop();
}

#[test]
fn a_substation_meter() {
    let plant = Plant::start("substation-meter", |_| {}, &[("tue 08:00-12:00", ALWAYS)]);
    let (mut scada, mut metering) = (plant.peer("scada-1"), plant.peer("metering-1"));
    for (first, count) in [(100, 22), (200, 16), (500, 4), (520, 2), (530, 2)] {
        assert_eq!(scada.reads(3, first, count).len(), usize::from(2 * count));
    }
    let mut due = Vec::new();
    let amperes = [0x43C8, 0]; // 400.0, high word first
    let energy = [0xA120, 0x0007]; // 500000, low word first
    let writes: [(u16, &[u16]); 4] = [(500, &[2026, 0x0B19, 0x0A1E, 0]), (510, &[1]), (520, &amperes), (530, &energy)];
    for (address, values) in writes {
        let count = u16::try_from(values.len()).expect("short");
        assert_eq!(metering.writes(1, 16, address, values), words(16, &[address, count]));
        due.push(seen(1, 16, address, values));
    }
    assert_eq!(plant.device.writes(), due);
    // The same numbers in the other's word order are other numbers.
    assert_eq!(metering.writes(1, 16, 520, &[0, 0x43C8]), words(16, &[520, 2]), "a tiny one: still in range");
    due.push(seen(1, 16, 520, &[0, 0x43C8]));
    assert_eq!(metering.writes(1, 16, 530, &[0x0007, 0xA120]), [0x90, 3]);
    assert_eq!(metering.writes(1, 16, 520, &[0x7FC0, 0]), [0x90, 3], "not a number");
    assert_eq!(metering.writes(1, 16, 520, &[0x43C8]), [0x90, 3], "half a number");
    assert_eq!(metering.writes(1, 16, 500, &[2026, 0x0D01, 0, 0]), [0x90, 3], "a thirteenth month");
    assert_eq!(metering.writes(1, 16, 600, &[1, 1]), [0x90, 2], "the ratios");
    assert_eq!(metering.writes(1, 6, 510, &[1]), [0x86, 1], "another function");
    assert_eq!(scada.writes(1, 16, 510, &[1]), [0x90, 1]);
    stranger(&plant, &words(3, &[100, 22]));
    assert_eq!(plant.device.writes(), due);
    plant.gate.stop();
}

#[test]
fn a_drive() {
    let plant = Plant::start(
        "vfd",
        |device| {
            device.set_holding(0x2101, 0);
            device.set_holding(0x2001, 0);
            device.set_holding(0x100, 100);
        },
        &[("mon-fri 07:00-17:00", ALWAYS)],
    );
    let (mut scada, mut engineer) = (plant.peer("scada-1"), plant.peer("engineer-1"));
    let mut due = Vec::new();
    assert_eq!(scada.writes(1, 6, 0x2000, &[2]), [0x86, 6], "it is not ready");
    plant.denied("condition_not_met", "scada-1 write holding 8192 unit 1 = 2 via 6");
    assert_eq!(scada.writes(1, 6, 0x2000, &[1]), write(6, 0x2000, &[1]), "and can be stopped all the same");
    due.push(seen(1, 6, 0x2000, &[1]));
    plant.device.set_holding(0x2101, 1);
    // Every answer teaches: the screen's own poll makes the gateway know that the drive is ready.
    assert_eq!(scada.reads(3, 0x2100, 8).len(), 16);
    for (address, value) in [(0x2000, 2), (0x2001, 500), (0x2001, 1000), (0x2001, 0), (0x2002, 2)] {
        assert_eq!(scada.writes(1, 6, address, &[value]), write(6, address, &[value]));
        due.push(seen(1, 6, address, &[value]));
    }
    assert_eq!(engineer.writes(1, 6, 0x100, &[60]), write(6, 0x100, &[60]));
    due.push(seen(1, 6, 0x100, &[60]));
    assert_eq!(plant.device.writes(), due);
    assert_eq!(engineer.writes(1, 6, 0x100, &[0]), [0x86, 3], "no ramp at all");
    assert_eq!(scada.writes(1, 6, 0x2001, &[1500]), [0x86, 3], "from 0 to 15 Hz at once");
    assert_eq!(scada.writes(1, 6, 0x2001, &[5001]), [0x86, 3]);
    assert_eq!(scada.writes(1, 6, 0x2000, &[18]), [0x86, 3], "backwards");
    assert_eq!(engineer.writes(1, 6, 7, &[0]), [0x86, 2], "the protections");
    assert_eq!(scada.writes(1, 16, 0x2000, &[2, 5000]), [0x90, 1], "command and speed in one message");
    stranger(&plant, &write(6, 0x2000, &[2]));
    assert_eq!(plant.device.writes(), due);
    plant.gate.stop();
}

#[test]
fn an_uninterruptible_power_supply() {
    let plant = Plant::start(
        "ups",
        |device| device.set_holding(40_095, 50),
        &[("sat 06:00-08:00", ALWAYS), ("except = [\"2026-12-26\"]", "")],
    );
    let (mut monitor, mut electrician) = (plant.peer("monitor-1"), plant.peer("electrician-1"));
    for (first, count) in [(40_000, 70), (40_070, 40), (40_120, 2)] {
        assert_eq!(monitor.reads(3, first, count).len(), usize::from(2 * count));
    }
    assert_eq!(monitor.reads(2, 0, 16).len(), 2);
    assert_eq!(electrician.writes(1, 6, 40_120, &[1]), [0x86, 6], "the battery is half empty");
    plant.denied("condition_not_met", "electrician-1 write holding 40120 unit 1 = 1 via 6");
    plant.device.set_holding(40_095, 95);
    assert_eq!(monitor.reads(3, 40_070, 40).len(), 80);
    assert_eq!(electrician.writes(1, 6, 40_120, &[1]), write(6, 40_120, &[1]));
    assert_eq!(electrician.writes(1, 6, 40_120, &[1]), [0x86, 6], "once an hour");
    assert_eq!(electrician.writes(1, 5, 3, &[0xFF00]), write(5, 3, &[0xFF00]));
    let due = [seen(1, 6, 40_120, &[1]), seen(1, 5, 3, &[0xFF00])];
    assert_eq!(plant.device.writes(), due);
    assert_eq!(electrician.writes(1, 6, 40_121, &[1]), [0x86, 2], "the shutdown");
    assert_eq!(electrician.writes(1, 16, 40_120, &[1, 1]), [0x90, 2], "with a test in front of it");
    assert_eq!(electrician.writes(1, 5, 4, &[0xFF00]), [0x85, 2]);
    assert_eq!(monitor.writes(1, 6, 40_120, &[1]), [0x86, 1]);
    stranger(&plant, &write(6, 40_121, &[1]));
    assert_eq!(plant.device.writes(), due);
    plant.gate.stop();
}

const SILENT: &str = "units_silent{conduit=\"houses\"}";

/// House 7 is dead, all others hold 40.0 degrees; nobody answers a broadcast.
fn houses(request: &[u8]) -> Vec<u8> {
    let (unit, pdu) = (request[6], &request[7..]);
    let answer = match pdu[0] {
        _ if unit == 7 || unit == 0 => return Vec::new(),
        3 => {
            let count = pdu[4];
            let values = (0..count).flat_map(|_| 400_u16.to_be_bytes());
            [3, 2 * count].into_iter().chain(values).collect()
        }
        _ => pdu.to_vec(),
    };
    let length = u8::try_from(answer.len() + 1).expect("short");
    [&request[..5], &[length, unit], answer.as_slice()].concat()
}

/// IR-01: what FrostyGoop did to heating controllers. IR-12: a flood of writes to a serial line.
#[test]
fn twenty_houses_on_one_line() {
    let plant = Plant::start("serial-gateway", |device| device.answers(Answers::Falsely(Arc::new(houses))), &[]);
    let (mut scada, mut historian) = (plant.peer("scada-1"), plant.peer("historian"));
    let mut due = Vec::new();
    for unit in (1..=20).filter(|unit| *unit != 7) {
        assert_eq!(scada.ask(unit, &words(3, &[0, 16]))[..2], [3, 32], "house {unit}");
    }
    assert_eq!(scada.ask(255, &words(3, &[0, 1])), [3, 2, 1, 0x90], "as the old screen calls the first");
    assert_eq!(plant.device.texts().last().map(String::as_str), Some("010300000001"));
    assert_eq!(historian.ask(20, &words(3, &[0, 16]))[..2], [3, 32]);
    for (unit, value) in [(3, 450), (12, 450), (12, 300)] {
        assert_eq!(scada.writes(unit, 6, 100, &[value]), write(6, 100, &[value]));
        due.push(seen(unit, 6, 100, &[value]));
    }
    scada.send(0, &write(5, 0, &[0xFF00]));
    due.push(seen(0, 5, 0, &[0xFF00]));
    assert_eq!(scada.ask(20, &words(3, &[0, 1])).len(), 4, "nobody answers a broadcast, and nobody waits for it");
    assert_eq!(plant.device.writes(), due);
    assert_eq!(plant.gate.metric(SILENT), 0);
    // The dead house costs three waits, and then nobody else anything.
    for _ in 0..3 {
        assert_eq!(scada.ask(7, &words(3, &[0, 1])), [0x83, 0x0B]);
    }
    for _ in 0..8 {
        assert_eq!(scada.ask(7, &words(3, &[0, 1])), [0x83, 0x0B]);
    }
    let asked = plant.device.seen().iter().filter(|one| one.frame[6] == 7).count();
    assert!((3..=7).contains(&asked), "of eleven requests to a dead house {asked} were sent");
    assert_eq!(plant.gate.metric(SILENT), 1, "and the shift sees that there is one");
    let named = |one: &serde_json::Value| one.to_string().contains("unit 7 does not answer");
    plant.site.record("which one it is", named);
    // FrostyGoop.
    assert_eq!(scada.writes(3, 6, 100, &[0]), [0x86, 3]);
    assert_eq!(scada.writes(3, 6, 100, &[750]), [0x86, 3], "too far at once");
    assert_eq!(scada.writes(12, 6, 100, &[700]), [0x86, 3], "a small house");
    assert_eq!(scada.writes(3, 6, 210, &[0]), [0x86, 2], "what the sensor is told to report");
    assert_eq!(scada.writes(21, 6, 100, &[400]), [0x86, 1]);
    assert_eq!(historian.writes(5, 5, 0, &[0]), [0x85, 1]);
    scada.send(0, &write(5, 0, &[0]));
    plant.denied("value_not_allowed", "scada-1 write coil 0 unit 0 = off via 5");
    stranger(&plant, &write(6, 100, &[0]));
    assert_eq!(plant.device.writes(), due);
    flood(&plant);
    plant.gate.stop();
}

/// Legal writes, as many as somebody likes: the line carries what the policy says.
fn flood(plant: &Plant) {
    let before = plant.device.writes().len();
    let mut peer = plant.peer("scada-1");
    let start = Instant::now();
    let answers: Vec<_> = (0..60).map(|_| peer.writes(9, 5, 0, &[0xFF00])).collect();
    let passed = answers.iter().filter(|one| **one == write(5, 0, &[0xFF00])).count();
    assert!(answers.iter().all(|one| *one == write(5, 0, &[0xFF00]) || *one == [0x85, 6]));
    let most = 8 + 4 * (usize::try_from(start.elapsed().as_secs()).expect("short") + 1);
    assert!(passed <= most && passed < 60, "{passed} writes, at most {most}");
    wait("the last of them", || plant.device.writes().len() == before + passed);
    plant.denied("rate_limited", "scada-1 write coil 0 unit 9 = on via 5");
}
