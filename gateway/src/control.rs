//! How do the people on this machine speak with the running gateway?
//!
//! ```text
//! connect -> who is it (SO_PEERCRED) -> one line of JSON in -> order to the thread "policy" -> one line of JSON out
//!                \__ nobody who may: told so, audited, closed, before a byte is read
//! ```
//! | file | |
//! |---|---|
//! | `caller` | who may give local commands |
//! | `words` | what is said on the socket, and the commands' end of it |
//!
//! The socket takes everybody's connection on purpose: what decides is who they are, and who tried is on record.

mod caller;
mod words;

use std::{
    fs::Permissions,
    io,
    os::unix::{fs::PermissionsExt, net::UnixStream as StdStream},
    path::Path,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, oneshot, watch},
    time::timeout,
};

pub use words::{CallError, Request, call};

use crate::{
    observe::{
        journal::Journal,
        record::{Event, Record},
    },
    reload::{Order, Orders, Reply},
    run::write_record,
    tasks,
    worker::World,
};
use caller::Caller;

/// Commands at once: each holds a descriptor for as long as a reload takes.
const AT_ONCE: usize = 16;
/// The longest command: a reason of some lines.
const LONGEST: u64 = 8 * 1024;
/// How long a command may take to be said, and its answer to be heard.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the answer may take: a reload of a large site with its tests, behind others.
const WORK: Duration = Duration::from_secs(300);
/// Between two records of somebody who may not.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The socket cannot be made. The gateway runs without local commands then; SIGHUP still reloads.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Somebody serves there.
    #[error("another gateway listens there")]
    Taken,
    /// The system.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// What the socket's tasks share.
struct Desk {
    worlds: watch::Receiver<Arc<World>>,
    journal: Journal,
    orders: Orders,
    refused: std::cell::RefCell<(Option<Instant>, u64)>,
}

/// Binds the socket. One that a dead gateway has left is replaced.
///
/// # Errors
/// [`ControlError`].
pub fn bind(path: &Path) -> Result<std::os::unix::net::UnixListener, ControlError> {
    let bound = match std::os::unix::net::UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if StdStream::connect(path).is_ok() {
                return Err(ControlError::Taken);
            }
            std::fs::remove_file(path)?;
            std::os::unix::net::UnixListener::bind(path)?
        }
        other => other?,
    };
    std::fs::set_permissions(path, Permissions::from_mode(0o666))?;
    bound.set_nonblocking(true)?;
    Ok(bound)
}

/// Serves the socket on a thread of its own, until the process ends.
///
/// # Errors
/// When the system has no room for another thread.
pub fn start(
    socket: std::os::unix::net::UnixListener,
    worlds: watch::Receiver<Arc<World>>,
    journal: Journal,
    orders: Orders,
) -> io::Result<()> {
    let _detached = tasks::worker_thread("control".to_owned(), move || async move {
        let desk = Rc::new(Desk { worlds, journal, orders, refused: Default::default() });
        match UnixListener::from_std(socket) {
            Ok(socket) => serve(&socket, &desk).await,
            Err(error) => tracing::error!(%error, "local commands cannot be served"),
        }
    })?;
    Ok(())
}

async fn serve(socket: &UnixListener, desk: &Rc<Desk>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        // The place first: whoever comes while all are taken waits in the backlog.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => {
                let desk = Rc::clone(desk);
                let conversation = async move {
                    // A peer that is gone needs no answer.
                    let _ = converse(stream, &desk).await;
                    drop(place);
                };
                tasks::spawn_local(conversation, || tracing::error!("a local command panicked: a bug of ours"));
            }
            // Out of descriptors, most likely: the data path needs them more.
            Err(_) => tokio::time::sleep(PATIENCE / 50).await,
        }
    }
}

async fn converse(mut stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let group = desk.worlds.borrow().site.control_group.clone();
    let reply = match Caller::of(&stream, &group) {
        Err(stranger) => {
            desk.turned_away(&stranger);
            words::refusal(&format!("{stranger} may not give commands here; root, the service and group {group} may"))
        }
        Ok(caller) => match timeout(PATIENCE, line(&mut stream)).await {
            Ok(Ok(line)) => desk.answer(&line, &caller).await,
            Ok(Err(error)) => words::refusal(&error.to_string()),
            Err(_) => words::refusal("the command did not come in time"),
        },
    };
    timeout(PATIENCE, stream.write_all(&words::answer(&reply))).await.map_err(io::Error::from)??;
    stream.shutdown().await?;
    // What was said and not heard is thrown away: a socket that closes on it takes our answer with it.
    let mut waste = [0; 1024];
    let rest = async {
        for _ in 0..LONGEST {
            if stream.read(&mut waste).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    timeout(TELL_EVERY, rest).await.map_err(io::Error::from)?
}

/// One line, without its end.
async fn line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let mut stream = stream.take(LONGEST);
    while !said.ends_with(b"\n") {
        if stream.read_buf(&mut said).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a command is one line"));
        }
    }
    said.pop();
    Ok(said)
}

impl Desk {
    async fn answer(&self, line: &[u8], caller: &Caller) -> Reply {
        let Request { what, reason } = match words::request(line) {
            Ok(request) => request,
            Err(fault) => return words::refusal(&format!("no command: {fault}")),
        };
        let (reply, answer) = oneshot::channel();
        let order = Order { what, by: caller.to_string(), reason, reply: Some(reply) };
        if let Err(busy) = self.orders.give(order) {
            return words::refusal(&busy.to_string());
        }
        match timeout(WORK, answer).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => words::refusal("the gateway has ended"),
            Err(_) => words::refusal("the gateway has not answered; it may still do what it was told"),
        }
    }

    /// At most one record a second; it says how many there were.
    fn turned_away(&self, stranger: &Caller) {
        let mut refused = self.refused.borrow_mut();
        refused.1 += 1;
        if refused.0.is_some_and(|last| last.elapsed() < TELL_EVERY) {
            return;
        }
        let count = std::mem::take(&mut refused.1);
        refused.0 = Some(Instant::now());
        tracing::warn!(by = %stranger, count, "a local command was refused");
        let mut record = Record::new(Event::CommandRefused);
        record.note = Some(format!("{stranger} may not give local commands; {count} tried since the last record"));
        write_record(&self.journal, record);
    }
}
