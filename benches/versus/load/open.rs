//! How long does an answer take when requests leave by the clock?
//!
//! A timer of the kernel says when each request is due; its latency counts from then on, however late it could leave and
//! whatever becomes of those before it (no coordinated omission). What was due in the measured time and has no answer yet
//! is waited for; what never comes is lost.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    task::JoinSet,
    time::sleep,
};

use super::{Client, Seen, Target, WARM_UP, nanos, within};

/// Requests of one client that are due and wait for those before them: at 31 a second they are minutes late by then.
const LATE: usize = 4096;
/// What was due in the measured time may come so long after it.
const LAST: Duration = Duration::from_secs(5);

/// Clients that together send so many requests a second, until they are dropped.
pub(crate) struct Honest {
    tally: Rc<Tally>,
    _tasks: JoinSet<()>,
}

/// What they count.
#[derive(Default)]
struct Tally {
    /// The measured time; requests count that are due in it.
    window: Cell<Option<(Instant, Instant)>>,
    sent: Cell<u64>,
    lost: Cell<u64>,
    latencies: RefCell<Vec<u32>>,
    fault: RefCell<Option<String>>,
}

impl Honest {
    /// `clients` that send `rate` requests a second between them.
    pub(crate) async fn start(target: &Target, clients: usize, rate: u32) -> Result<Self, String> {
        let tally = Rc::new(Tally::default());
        let mut tasks = JoinSet::new();
        let mut queues = Vec::new();
        for client in target.connect_and_ask(clients).await? {
            let (tell, told) = mpsc::channel(LATE);
            queues.push(tell);
            tasks.spawn_local(serve(client, told, Rc::clone(&tally)));
        }
        let every = Duration::from_secs(1) / rate;
        let timer = timer(every).map_err(|error| format!("timer: {error}"))?;
        let paced = Rc::clone(&tally);
        tasks.spawn_local(async move {
            if let Err(error) = pace(timer, every, &queues, &paced).await {
                paced.fault.borrow_mut().get_or_insert(format!("timer: {error}"));
            }
        });
        Ok(Self { tally, _tasks: tasks })
    }

    /// Measures for `time`. Lost requests are counted, and no fault of the measurement.
    pub(crate) async fn measure(&self, time: Duration, around: &mut dyn FnMut()) -> Result<(Seen, u64), String> {
        let tally = &self.tally;
        sleep(WARM_UP).await;
        tally.sent.set(0);
        tally.lost.set(0);
        tally.latencies.borrow_mut().clear();
        around();
        let start = Instant::now();
        tally.window.set(Some((start, start + time)));
        sleep(time).await;
        let took = start.elapsed();
        around();
        let until = Instant::now() + LAST;
        let answered = || tally.latencies.borrow().len() as u64;
        while answered() + tally.lost.get() < tally.sent.get() && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
        tally.window.set(None);
        let done = answered();
        let lost = tally.sent.get().saturating_sub(done);
        if done == 0 {
            return Err(tally.fault.take().unwrap_or_else(|| "no answer".into()));
        }
        Ok((Seen { done, took, latencies: tally.latencies.take() }, lost))
    }

    /// What went wrong first.
    pub(crate) fn fault(&self) -> Option<String> {
        self.tally.fault.borrow().clone()
    }
}

impl Tally {
    fn counts(&self, due: Instant) -> bool {
        self.window.get().is_some_and(|(start, end)| due >= start && due < end)
    }
}

/// One client asks for each time that comes, one after the other.
async fn serve(mut client: Client, mut due: mpsc::Receiver<Instant>, tally: Rc<Tally>) {
    let mut broken = false;
    while let Some(since) = due.recv().await {
        let asked =
            if broken { Err(io::Error::other("its connection ended")) } else { within(client.ask(1, || ())).await };
        match asked {
            Ok(()) if tally.counts(since) => tally.latencies.borrow_mut().push(nanos(since)),
            Ok(()) => {}
            Err(error) => {
                broken = true;
                if tally.counts(since) {
                    tally.lost.set(tally.lost.get() + 1);
                }
                tally.fault.borrow_mut().get_or_insert(error.to_string());
            }
        }
    }
}

fn timer(every: Duration) -> io::Result<AsyncFd<rustix::fd::OwnedFd>> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let every = Timespec { tv_sec: 0, tv_nsec: i64::from(every.subsec_nanos()) };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: every, it_value: every })?;
    #[expect(deprecated, reason = "its successor is unsafe for the sake of types that are no OwnedFd")]
    AsyncFd::with_interest(timer, Interest::READABLE)
}

/// Gives each tick of the timer to the next client. Ticks that were missed are due when they were due.
async fn pace(
    timer: AsyncFd<rustix::fd::OwnedFd>,
    every: Duration,
    queues: &[mpsc::Sender<Instant>],
    tally: &Tally,
) -> io::Result<()> {
    let (mut due, mut next) = (Instant::now(), 0);
    loop {
        let mut count = [0; 8];
        timer.async_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, &mut count)?)).await?;
        for _ in 0..u64::from_ne_bytes(count) {
            due += every;
            if tally.counts(due) {
                tally.sent.set(tally.sent.get() + 1);
            }
            if queues[next].try_send(due).is_err() && tally.counts(due) {
                tally.lost.set(tally.lost.get() + 1);
            }
            next = (next + 1) % queues.len();
        }
    }
}
