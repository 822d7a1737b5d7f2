//! A gateway with everything that the dashboards ask for: three conduits, TLS, a revocation list, and peers of all kinds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::gate::{Config, Device, Gate, Peer, Site, free_port, tls_config};

const READ: [u8; 5] = [3, 0, 7, 0, 1];

/// `pump` enforces, `valve` is in monitor mode, and nobody is at the device's address of `spare`.
pub(super) struct Plant {
    site: Arc<Site>,
    toml: String,
    gate: Arc<Gate>,
    _devices: [Device; 2],
}

/// Peers that go on until this is dropped.
pub(super) struct Traffic {
    enough: Arc<AtomicBool>,
    peers: Option<JoinHandle<()>>,
}

impl Plant {
    pub(super) fn start() -> Self {
        let (site, devices) = (Site::new(), [Device::start(), Device::start()]);
        let mut config = Config::tls(&devices[0], &["hmi read holding 0-99", "hmi write holding 40 = 0..1500"]);
        config.authority = "crl = \"pki/plant.crl\"".into();
        config.more = [
            conduit("valve", &devices[1].address.to_string(), "mode = \"monitor\""),
            conduit("spare", &format!("127.0.0.1:{}", free_port()), ""),
        ]
        .concat();
        let gate = Gate::start(&site, &config);
        Self { site: Arc::new(site), toml: config.text(), gate: Arc::new(gate), _devices: devices }
    }

    /// Where the metrics are.
    pub(super) fn endpoint(&self) -> String {
        self.gate.listener("metrics").to_string()
    }

    /// Allowed, refused, malformed and would-be-refused messages, an unreachable device, strangers at the door.
    pub(super) fn traffic(&self) -> Traffic {
        let enough = Arc::new(AtomicBool::new(false));
        let (site, gate, until) = (Arc::clone(&self.site), Arc::clone(&self.gate), Arc::clone(&enough));
        let peers = std::thread::spawn(move || {
            let own = tls_config(&site, Some((&site.crt("scada"), &site.key("scada"))));
            let [mut pump, mut valve, mut spare] =
                ["ot", "valve", "spare"].map(|name| Peer::with(gate.listener(name), Arc::clone(&own), "gate"));
            for address in 0..150 {
                // A scan.
                assert_eq!(pump.ask(&[3, 1, address, 0, 1]), [0x83, 2]);
            }
            for round in 0_u32.. {
                if until.load(SeqCst) {
                    return;
                }
                assert_eq!(pump.ask(&READ), [3, 2, 0, 7]);
                assert_eq!(pump.ask(&[6, 0, 40, 0, 9]), [6, 0, 40, 0, 9]);
                assert_eq!(pump.ask(&[6, 0, 41, 0, 9]), [0x86, 2]);
                assert_eq!(pump.ask(&[43, 14, 1, 0]), [0xAB, 1]);
                assert_eq!(valve.ask(&READ), [3, 2, 0, 7]);
                assert_eq!(valve.ask(&[6, 0, 5, 0, 9]), [6, 0, 5, 0, 9], "it would be refused");
                assert_eq!(spare.ask(&READ), [0x83, 0x0A]);
                if round % 8 == 0 {
                    let mut liar = Peer::tls(&gate, &site, "scada");
                    // Its length says one thing, its function another.
                    liar.send(&[0, 1, 0, 0, 0, 9, 1, 3, 0, 0, 0, 1, 0, 0, 0]);
                    assert_eq!(liar.until_closed(), b"");
                    // No certificate: TLS 1.3 tells the client after its own part of the handshake.
                    let _refused = Peer::with(gate.address(), tls_config(&site, None), "gate").try_ask(&READ);
                    let _nobody = Peer::tls(&gate, &site, "stranger").try_ask(&READ);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Traffic { enough, peers: Some(peers) }
    }

    /// Somebody changes the file and forgets to bring it into force.
    pub(super) fn edited(&self) {
        self.site.write_config(&format!("{}# one more line\n", self.toml));
    }

    /// Ends the gateway in good order.
    pub(super) fn stop(self) {
        let gate = Arc::into_inner(self.gate).expect("the traffic has ended");
        gate.stop();
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.enough.store(true, SeqCst);
        let ended = self.peers.take().expect("it is taken once").join();
        if !std::thread::panicking() {
            ended.expect("every peer got what it should");
        }
    }
}

/// A conduit behind a listener of its own name.
fn conduit(name: &str, upstream: &str, more: &str) -> String {
    format!(
        r#"
[listeners.{name}]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tls"
certificate = "gateway"
authorities = ["plant"]
[conduits.{name}]
from = "ops"
to = "cell"
listener = "{name}"
upstream = "{upstream}"
protocol = "modbus"
{more}
[conduits.{name}.modbus]
units = [1]
allow = ["hmi read holding 0-9"]
"#
    )
}
