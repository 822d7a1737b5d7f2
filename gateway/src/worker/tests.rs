//! What outlives a panic, and what does not.

use std::{net::SocketAddr, time::Duration};

use sluicegate_proto::policy::Who;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

use super::*;
use crate::{
    faults::{Board, Clock as Wall},
    observe::{journal::MemoryJournal, metrics::ConduitMetrics, record::Event},
    trust::Trust,
};

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

fn cell() -> (Rc<Cell>, Arc<World>, MemoryJournal) {
    cell_of(CONFIG)
}

fn cell_of(config: &str) -> (Rc<Cell>, Arc<World>, MemoryJournal) {
    let world = world(config, 1, CellKey(0));
    let (journal, memory) = Journal::memory(256);
    let shared = Rc::new(Shared {
        origin: world.origin,
        clock: Clock::new(world.origin, ScheduleSet::default()),
        scratch: RefCell::new(Scratch::new()),
        schedules: watch::channel((1, ScheduleSet::default())).1,
        journal,
        panicked: Arc::new(|| {}),
    });
    (Cell::new(CellKey(0), &world, shared), world, memory)
}

/// A configuration whose one conduit lives in that cell.
fn world(config: &str, epoch: u64, key: CellKey) -> Arc<World> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("sluicegate.toml");
    std::fs::write(&path, config).expect("written");
    let site = Arc::new(sluicegate_config::load(&path).expect("it makes sense").site);
    let metrics = ConduitMetrics::detached(site.conduits.first().expect("one conduit"));
    Arc::new(World {
        epoch,
        trust: Arc::new(Trust::load(&site, Wall::system(0)).expect("it names no file")),
        board: Arc::new(Board::new(&site)),
        berths: vec![Berth { key, worker: 0, metrics }],
        schedules: ScheduleSet::default(),
        origin: Instant::now(),
        dialer: Arc::new(|_| {}),
        site,
    })
}

fn peer(source: SocketAddr) -> Arc<Peer> {
    let who = Who { identity: "scada".to_owned(), roles: Vec::new() };
    let listener = "ot".to_owned();
    let (names, shown) = (Vec::new(), Default::default());
    Arc::new(Peer { who, identity: 0, source, listener, key_hash: None, names, not_after: None, shown })
}

/// A session as the worker makes one; the client's end comes back.
async fn session(cell: &Rc<Cell>) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (stream, source) = accepted.expect("accepted");
    let opened = cell.open(peer(source)).expect("a session");
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
        let (cell, _world, _memory) = cell();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let opened = cell.open(peer(stream.local_addr().expect("bound"))).expect("a session");
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
        let (cell, _world, _memory) = cell_of(&config);
        for _ in 0..20 {
            drop(session(&cell).await);
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
        let (cell, _world, mut memory) = cell();
        cell.start_timer();
        let mut before = session(&cell).await;
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

        let mut after = session(&cell).await;
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
        let late = cell.open(peer).map(|opened| opened.key);
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
        let (cell, world, _memory) = cell_of(&CONFIG.replace("127.0.0.1:1", &address));
        let mut peer = session(&cell).await;
        peer.write_all(&[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]).await.expect("sent");
        let (mut stream, _) = device.accept().await.expect("dialled");
        let mut request = [0; 12];
        stream.read_exact(&mut request).await.expect("forwarded");
        let up = || world.berths[0].metrics.is_upstream_up();
        assert!(up());
        cell.sever_after_panic("link");
        assert!(!up());
    });
}

const READ_SEVEN: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 3, 0, 7, 0, 1];

/// The verdict on a read of holding 7, by a device that is not there: 0A where it was allowed, 02 where not.
async fn verdict(client: &mut TcpStream) -> u8 {
    client.write_all(&READ_SEVEN).await.expect("sent");
    let mut answer = [0; 9];
    client.read_exact(&mut answer).await.expect("answered");
    answer[8]
}

#[test]
fn a_live_session_is_judged_by_the_next_configuration_or_ends_for_it() {
    let runtime = tasks::small_runtime().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let (cell, _world, mut memory) = cell();
        cell.start_timer();
        let mut client = session(&cell).await;
        assert_eq!(verdict(&mut client).await, 0x0a);
        cell.follow(&world(&CONFIG.replace("0-99", "0-6"), 2, CellKey(0)));
        assert_eq!(verdict(&mut client).await, 2);
        // Another identity before it in the list, and a role: it is the same one.
        let longer = CONFIG
            .replace("[identities.scada]", "[identities.other]\nzone = \"ops\"\nmatch = { source = \"10.0.0.9/32\" }\nroles = []\n[roles.hmi]\n[identities.scada]")
            .replace("127.0.0.1/32\" }\nroles = []", "127.0.0.1/32\" }\nroles = [\"hmi\"]")
            .replace("scada read", "hmi read");
        cell.follow(&world(&longer, 3, CellKey(0)));
        assert_eq!(verdict(&mut client).await, 0x0a, "a role that it has now");
        assert_eq!(cell.holders()[0].who.roles, ["hmi"]);
        cell.ask(crate::engine::Engine::check_invariants);
        // The role is taken from it.
        cell.follow(&world(CONFIG, 4, CellKey(0)));
        assert_eq!(client.read(&mut [0; 1]).await.expect("in good order"), 0);
        // Its source is somebody else's, and then nobody's.
        for (text, epoch) in [(CONFIG.replace("scada", "other"), 5), (CONFIG.replace("127.0.0.1/32", "10.0.0.1/32"), 7)] {
            let mut client = session(&cell).await;
            cell.follow(&world(&text, epoch, CellKey(0)));
            assert_eq!(client.read(&mut [0; 1]).await.expect("in good order"), 0);
            cell.follow(&world(CONFIG, epoch + 1, CellKey(0)));
        }
        let records = memory.drain();
        let causes: Vec<_> = records.iter().filter_map(|(_, one)| one.cause).collect();
        assert_eq!(causes, [Cause::PolicyChanged; 3]);
    });
}

#[test]
fn a_conduit_that_is_gone_says_goodbye_and_its_name_goes_on_with_what_was_spent() {
    let runtime = tasks::small_runtime().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let limits = "[conduits.pump.limits]\nrequests = \"1/h burst 2\"\n[conduits.pump.modbus]";
        let config = CONFIG.replace("[conduits.pump.modbus]", limits);
        let (first, world_of_first, mut memory) = cell_of(&config);
        let crew = Crew::new(0, Rc::clone(&first.shared), &world_of_first);
        let cell = crew.cell(CellKey(0)).expect("it lives here");
        let mut client = session(&cell).await;
        assert_eq!((verdict(&mut client).await, verdict(&mut client).await), (0x0a, 0x0a));
        let pending = config.replace("[conduits.pump.limits]", "pending = 3\n[conduits.pump.limits]");
        crew.follow(&world(&pending, 2, CellKey(1)));
        assert_eq!(client.read(&mut [0; 1]).await.expect("in good order"), 0, "what made it has changed");
        assert!(cell.is_retired() && crew.cell(CellKey(0)).is_none());
        let next = crew.cell(CellKey(1)).expect("in its place");
        let mut client = session(&next).await;
        assert_eq!(verdict(&mut client).await, 6, "both tokens of the hour are spent");
        drop(client);
        let gone = async {
            while !cell.is_gone() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("it says goodbye");
        crew.follow(&world(&pending, 3, CellKey(1)));
        assert_eq!(crew.cells().len(), 1, "nothing is kept of it");
        let records = memory.drain();
        let numbers: Vec<_> = records
            .iter()
            .filter(|(_, one)| one.event == Event::SessionOpened)
            .filter_map(|(_, one)| one.session)
            .collect();
        assert_ne!(numbers.first(), numbers.last(), "a number names one session for the process's whole life");
    });
}
