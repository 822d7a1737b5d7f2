//! Does every function and every key of Modbus keep its word at the running gate, and what becomes of those who lie?
//!
//! ```text
//! framing    RTU over TCP on either side: whole, cut, false, silent, late
//! keys       each key of the conduit's table: used, refused, attacked
//! line       twenty slaves behind one address, one of them dead; broadcasts
//! functions  every function by name, with pymodbus on either side
//! hostile    what the threat catalogue says of every protocol, where a socket can show it
//! ```
//! Judged at the device's socket.

mod framing;
mod functions;
mod hostile;
mod keys;
mod line;

use std::{io, sync::Arc, time::Duration};

use crate::gate::{Answers, Config, Device, Gate, Peer, Site, Wire};

/// A rule for each function that reads or writes more than points, and a few points.
const ALL: &[&str] = &[
    "hmi read coil 0-15",
    "hmi read discrete 0-15",
    "hmi read holding 0-99",
    "hmi read input 0-9",
    "hmi write coil 0-7",
    "hmi write holding 40-49 = 0..1500",
    "hmi write holding 40-49 = 0..1500 via 23",
    "hmi write holding 50 bit 3 via 22",
    "hmi diagnose exception-status",
    "hmi diagnose diagnostic 0",
    "hmi diagnose event-counter",
    "hmi diagnose event-log",
    "hmi identify server-id",
    "hmi identify device-id",
    "hmi read file 4:0-99",
    "hmi write file 4:0-99",
    "hmi read fifo 10",
];

/// A request of each function that `ALL` admits, and what a device of ours answers.
const EACH: &[(&str, &str)] = &[
    ("0100000009", "01020000"),
    ("0200000009", "02020000"),
    ("0300070002", "030400070008"),
    ("0400070001", "04020007"),
    ("050007ff00", "050007ff00"),
    ("06002805dc", "06002805dc"),
    ("07", "076d"),
    ("080000a537", "080000a537"),
    ("0b", "0bffff0108"),
    ("0c", "0c080000010801212000"),
    ("0f000000030105", "0f00000003"),
    ("10002800020400010002", "1000280002"),
    ("11", "1104706c63ff"),
    ("140706000400010002", "140605060dfe0020"),
    ("1509060004000700010 6af", "15090600040007000106af"),
    ("160032fff70008", "160032fff70008"),
    ("170007000100280001020005", "17020007"),
    ("18000a", "1800060002 01b81284"),
    ("2b0e0100", "2b0e01010000030004 41636d65 01025031 0203312e30"),
];

/// A gate in front of a device of ours, plain TCP, both ends in any framing.
struct Bed {
    site: Site,
    device: Device,
    gate: Gate,
    front: Wire,
}

impl Bed {
    /// Peers and device speak MBAP.
    fn new(allow: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        Self::framed(Wire::Tcp, Wire::Tcp, allow, change)
    }

    fn framed(front: Wire, back: Wire, allow: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        let (site, device) = (Site::new(), Device::on(back));
        let mut config = Config::plain(&device, allow);
        config.modbus = format!("framing = \"{}\"\nupstream_framing = \"{}\"", word(front), word(back));
        change(&mut config);
        let gate = Gate::start(&site, &config);
        Self { site, device, gate, front }
    }

    /// A client in the conduit's framing.
    fn client(&self) -> Client {
        Client { peer: Peer::plain(&self.gate), wire: self.front }
    }

    /// How often a reason was given.
    fn denials(&self, reason: &str) -> u64 {
        self.gate.metric(&format!("denials_total{{conduit=\"pump\",mode=\"enforce\",reason=\"{reason}\"}}"))
    }

    /// How often the device's word came to this.
    fn responses(&self, outcome: &str) -> u64 {
        self.gate.metric(&format!("responses_total{{conduit=\"pump\",outcome=\"{outcome}\",protocol=\"modbus\"}}"))
    }

    /// How often something was brought to its canonical form.
    fn repairs(&self, kind: &str) -> u64 {
        self.gate.metric(&format!("repairs_total{{conduit=\"pump\",kind=\"{kind}\"}}"))
    }

    /// From now on the device answers what this makes of the request (unit and PDU).
    fn lies(&self, lie: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) {
        self.device.answers(Answers::Falsely(Arc::new(lie)));
    }
}

/// A client in one framing.
struct Client {
    peer: Peer,
    wire: Wire,
}

impl Client {
    /// One request to unit 1, and the PDU of its answer.
    fn ask(&mut self, pdu: &[u8]) -> Vec<u8> {
        self.try_ask(1, pdu).expect("an answer")
    }

    fn try_ask(&mut self, unit: u8, pdu: &[u8]) -> io::Result<Vec<u8>> {
        match self.wire {
            Wire::Rtu => self.peer.ask_rtu(unit, pdu),
            Wire::Tcp => {
                self.peer.try_send(&crate::gate::frame(0x55AA, unit, pdu))?;
                let answer = self.peer.answer()?;
                assert_eq!((answer[..2].to_vec(), answer[6]), (vec![0x55, 0xAA], unit), "the peer's own id and unit");
                Ok(answer[7..].to_vec())
            }
        }
    }
}

const READ: [u8; 5] = [3, 0, 7, 0, 1];
const SEVEN: [u8; 4] = [3, 2, 0, 7];
const WRITE: [u8; 5] = [6, 0, 40, 0, 9];
/// What a request deadline of the tests is, in TOML: short, and long enough for a machine that builds beside them.
const SOON: &str = "request_timeout = \"700ms\"";
/// Between two parts, so that the gate reads them apart. Where it does not, the verdict is the same.
const BETWEEN: Duration = Duration::from_millis(1);

const fn word(wire: Wire) -> &'static str {
    match wire {
        Wire::Tcp => "tcp",
        Wire::Rtu => "rtu",
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let pair = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
