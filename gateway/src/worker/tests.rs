//! What outlives a panic, and what does not.

use std::{net::SocketAddr, time::Duration};

use sluicegate_proto::policy::Who;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

use super::*;
use crate::observe::{journal::MemoryJournal, record::Event};

const CONFIG: &str = r#"
schema = 1
[site]
name = "test"
state = "state"
[zones.ops]
level = 3
[zones.cell]
level = 1
[identities.scada]
zone = "ops"
match = { source = "127.0.0.1/32" }
roles = []
[listeners.ot]
zone = "ops"
bind = "127.0.0.1:0"
transport = "tcp"
allow_plaintext = true
[conduits.pump]
from = "ops"
to = "cell"
listener = "ot"
upstream = "127.0.0.1:1"
protocol = "modbus"
[conduits.pump.modbus]
units = [1]
allow = ["scada read holding 0-99"]
"#;

fn cell() -> (Rc<Cell>, Arc<PolicySnapshot>, MemoryJournal) {
    cell_of(CONFIG)
}

fn cell_of(config: &str) -> (Rc<Cell>, Arc<PolicySnapshot>, MemoryJournal) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("sluicegate.toml");
    std::fs::write(&path, config).expect("written");
    let site = Arc::new(sluicegate_config::load(&path).expect("it makes sense").site);
    let plan = site.conduits.first().expect("one conduit");
    let policies = Arc::new(PolicySnapshot { epoch: 1, sets: vec![Arc::clone(&plan.policy)] });
    let (metrics, (journal, memory)) = (ConduitMetrics::detached(plan), Journal::memory(256));
    let seed = Seed { site: Arc::clone(&site), conduit: ConduitId(0), metrics, journal };
    let origin = Instant::now();
    let shared = Rc::new(Shared {
        origin,
        clock: Clock::new(origin, ScheduleSet::default()),
        scratch: RefCell::new(Scratch::new()),
        dialer: Arc::new(|_| {}),
        policies: watch::channel(Arc::clone(&policies)).1,
        panicked: Arc::new(|| {}),
    });
    (Cell::new(seed, &policies, shared), policies, memory)
}

fn peer(source: SocketAddr) -> Arc<Peer> {
    let who = Who { identity: "scada".to_owned(), roles: Vec::new() };
    let listener = "ot".to_owned();
    Arc::new(Peer { who, identity: 0, source, listener, key_hash: None, names: Vec::new(), not_after: None })
}

/// A session as the worker makes one; the client's end comes back.
async fn session(cell: &Rc<Cell>, policies: &PolicySnapshot) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (stream, source) = accepted.expect("accepted");
    let opened = cell.open(peer(source), policies).expect("a session");
    let severed = Rc::clone(cell);
    tasks::spawn_local(session::serve(Rc::clone(cell), opened, PeerIo::Tcp(stream)), move || {
        severed.sever_after_panic("session");
    });
    client.expect("connected")
}

/// What an idle session costs besides its socket, its TLS state and its engine's entry.
#[test]
fn a_session_task_holds_no_buffer() {
    let runtime = tasks::small_runtime().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let (cell, policies, _memory) = cell();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let opened = cell.open(peer(stream.local_addr().expect("bound")), &policies).expect("a session");
        let size = size_of_val(&session::serve(Rc::clone(&cell), opened, PeerIo::Tcp(stream)));
        assert!(size <= 1024, "{size} bytes");
    });
}

/// PX-13: connections that come and go without a word leave nothing behind.
#[test]
fn px_13_a_device_link_of_its_own_goes_with_its_session_though_it_never_dialled() {
    let runtime = tasks::small_runtime().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let config = CONFIG.replace("protocol =", "upstream_mode = \"per-session\"\nprotocol =");
        let (cell, policies, _memory) = cell_of(&config);
        for _ in 0..20 {
            drop(session(&cell, &policies).await);
        }
        let gone = async {
            while !cell.ask(crate::engine::Engine::sessions).is_empty()
                || !cell.ask(crate::engine::Engine::links).is_empty()
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("nothing is kept");
    });
}

#[test]
fn a_panic_severs_the_sessions_of_its_conduit_and_the_next_session_starts_afresh() {
    let runtime = tasks::small_runtime().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let (cell, policies, mut memory) = cell();
        cell.start_timer();
        let mut before = session(&cell, &policies).await;
        // A refused request: FC 5 is nobody's. The session lives on.
        before.write_all(&[0, 1, 0, 0, 0, 6, 1, 5, 0, 1, 0xff, 0]).await.expect("sent");
        let mut refusal = [0; 9];
        before.read_exact(&mut refusal).await.expect("answered");
        assert_eq!(refusal, [0, 1, 0, 0, 0, 3, 1, 0x85, 1]);

        let broken = Rc::clone(&cell);
        let panics = async move {
            let _state = broken.ask(crate::engine::Engine::sessions);
            panic!("a bug of ours");
        };
        let severed = Rc::clone(&cell);
        tasks::spawn_local(panics, move || severed.sever_after_panic("link"));
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(20), before.read_to_end(&mut rest)).await;
        end.expect("the session ends").expect("in good order");
        assert!(cell.holders().is_empty());

        let mut after = session(&cell, &policies).await;
        after.write_all(&[0, 2, 0, 0, 0, 6, 1, 5, 0, 1, 0xff, 0]).await.expect("sent");
        after.read_exact(&mut refusal).await.expect("answered");
        let records = memory.drain();
        let numbers = |event: Event| -> Vec<u64> {
            records.iter().filter(|(_, one)| one.event == event).filter_map(|(_, one)| one.session).collect()
        };
        let opened = numbers(Event::SessionOpened);
        assert_eq!(opened.len(), 2);
        assert_ne!(opened.first(), opened.last(), "a number names one session for the process's whole life");
        assert_eq!(numbers(Event::SessionClosed), opened[..1], "and each end is recorded once");

        let (now, peer) = (cell.now(), cell.holders().remove(0));
        cell.tell(|engine| engine.drain(now));
        cell.sever_after_panic("link");
        let late = cell.open(peer, &policies).map(|opened| opened.key);
        assert_eq!(late, Err(Cause::Drain), "a stop outlives the engine that was told of it");
    });
}

/// Its device connections are gone with it: nobody may believe the series of the engine that broke.
#[test]
fn a_panic_leaves_no_device_that_is_said_to_be_reached() {
    let runtime = tasks::small_runtime().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let device = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = device.local_addr().expect("bound").to_string();
        let (cell, policies, _memory) = cell_of(&CONFIG.replace("127.0.0.1:1", &address));
        let mut peer = session(&cell, &policies).await;
        peer.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]).await.expect("sent");
        let (mut stream, _) = device.accept().await.expect("dialled");
        let mut request = [0; 12];
        stream.read_exact(&mut request).await.expect("forwarded");
        let up = || cell.seed().metrics.is_upstream_up();
        assert!(up());
        cell.sever_after_panic("link");
        assert!(!up());
    });
}
