//! How many bytes pass in one direction?

use std::{
    cell::Cell,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
    time::sleep,
};

use super::{Seen, Target, WARM_UP};

/// Connections at once.
const CLIENTS: usize = 4;

/// Writes as fast as it is taken; `sunk` counts what arrives at the device. `done` is in bytes.
pub(crate) async fn up(
    target: &Target,
    sunk: &AtomicU64,
    time: Duration,
    around: &mut dyn FnMut(),
) -> Result<Seen, String> {
    let mut tasks = JoinSet::new();
    for mut client in target.connect_all(CLIENTS).await? {
        tasks.spawn_local(async move {
            let chunk = vec![0x5a; 64 * 1024];
            while client.stream.write_all(&chunk).await.is_ok() {}
        });
    }
    window(|| sunk.load(Ordering::Relaxed), time, around).await
}

/// Reads as fast as it comes, and counts it. `done` is in bytes.
pub(crate) async fn down(target: &Target, time: Duration, around: &mut dyn FnMut()) -> Result<Seen, String> {
    let mut tasks = JoinSet::new();
    let read = Rc::new(Cell::new(0));
    for mut client in target.connect_all(CLIENTS).await? {
        let read = Rc::clone(&read);
        tasks.spawn_local(async move {
            let mut buffer = vec![0; 256 * 1024];
            if client.stream.write_all(b"?").await.is_err() || client.stream.flush().await.is_err() {
                return;
            }
            while let Ok(n @ 1..) = client.stream.read(&mut buffer).await {
                read.set(read.get() + n as u64);
            }
        });
    }
    window(|| read.get(), time, around).await
}

async fn window(count: impl Fn() -> u64, time: Duration, around: &mut dyn FnMut()) -> Result<Seen, String> {
    sleep(WARM_UP).await;
    around();
    let (before, start) = (count(), Instant::now());
    sleep(time).await;
    let (done, took) = (count() - before, start.elapsed());
    around();
    if done == 0 {
        return Err("no byte passed".into());
    }
    Ok(Seen { done, took, latencies: Vec::new() })
}
