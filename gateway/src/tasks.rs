//! Who starts tasks and threads, and what happens when one panics?
//!
//! The only file that calls tokio's spawn functions (kept by clippy.toml). A task's panic is caught here: the caller
//! says what it takes down with it, so that no session outlives the state that judged it.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    thread::JoinHandle,
};

use tokio::runtime::{Builder, Handle, LocalOptions, LocalRuntime, Runtime};

/// A task panicked. The panic's message was printed by the panic hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs `task` on `runtime`. A panic calls `on_panic`.
pub fn spawn<F, P>(runtime: &Handle, task: F, on_panic: P)
where
    F: Future<Output = ()> + Send + 'static,
    P: FnOnce() + Send + 'static,
{
    let task = Box::pin(task);
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    drop(runtime.spawn(async move {
        if caught(task).await.is_err() {
            on_panic();
        }
    }));
}

/// Runs `task` on this thread's [`LocalRuntime`] (or `LocalSet`). A panic calls `on_panic`.
pub fn spawn_local<F, P>(task: F, on_panic: P)
where
    F: Future<Output = ()> + 'static,
    P: FnOnce() + 'static,
{
    let task = Box::pin(task);
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    drop(tokio::task::spawn_local(async move {
        if caught(task).await.is_err() {
            on_panic();
        }
    }));
}

/// Starts a named thread with a [`LocalRuntime`] of its own: its tasks are queued by the scheduler itself. A `LocalSet`
/// would be a scheduler within the scheduler.
///
/// # Errors
/// When the system has no room for another thread.
pub fn worker_thread<M, F>(name: String, main: M) -> std::io::Result<JoinHandle<()>>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(name).spawn(move || match local_runtime() {
        Ok(runtime) => {
            let _heard = tell.send(Ok(()));
            runtime.block_on(main());
        }
        Err(error) => {
            let _heard = tell.send(Err(error));
        }
    })?;
    told.recv().unwrap_or_else(|_| Err(std::io::ErrorKind::BrokenPipe.into()))?;
    Ok(thread)
}

/// A runtime whose tasks never leave this thread.
fn local_runtime() -> std::io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(4).build_local(LocalOptions::default())
}

/// A runtime that runs on the thread that blocks on it.
///
/// # Errors
/// When the system has no room for another reactor.
pub fn small_runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(4).build()
}

/// A runtime with `threads` threads of its own, named `name`.
///
/// # Errors
/// When the system has no room for more threads.
pub fn threads_runtime(name: &str, threads: usize) -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().worker_threads(threads).max_blocking_threads(16).thread_name(name).build()
}

/// Polls `task` to its end, or to its panic. Boxed, because a future that is handed on by value has its room in every
/// future that it passes through: a session's task was three times its size.
async fn caught<F: Future>(mut task: Pin<Box<F>>) -> Result<F::Output, Panicked> {
    std::future::poll_fn(move |cx| {
        // The task is never polled again after a panic, and what it shared is severed by `on_panic`.
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use tokio::task::{LocalSet, yield_now};

    use super::{caught, small_runtime, spawn_local};

    #[test]
    fn a_task_has_its_room_once() {
        let large = async {
            let room = [0u8; 4096];
            yield_now().await;
            std::hint::black_box(room);
        };
        assert!(size_of_val(&caught(Box::pin(large))) <= 64);
    }

    #[test]
    fn a_panic_reaches_the_one_who_must_clean_up_and_nobody_else() {
        let severed = Rc::new(Cell::new(0));
        let survived = Rc::new(Cell::new(false));
        let runtime = small_runtime().expect("a runtime");
        LocalSet::new().block_on(&runtime, async {
            let count = Rc::clone(&severed);
            spawn_local(
                async {
                    yield_now().await;
                    panic!("a bug of ours");
                },
                move || count.set(count.get() + 1),
            );
            let flag = Rc::clone(&survived);
            spawn_local(async move { flag.set(true) }, || panic!("this task did not panic"));
            for _ in 0..8 {
                yield_now().await;
            }
        });
        assert_eq!(severed.get(), 1);
        assert!(survived.get());
    }
}
