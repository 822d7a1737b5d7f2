//! Who answers behind every contender? A Modbus server that costs as little as it can, on a thread of its own; and for
//! bulk one that swallows everything and one that never stops talking.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::lab;

/// What stands behind the contenders on this machine's own loopback.
pub(crate) struct Devices {
    pub(crate) modbus: SocketAddr,
    /// Takes everything.
    pub(crate) sink: SocketAddr,
    /// Says one thing for ever, once it was spoken to.
    pub(crate) source: SocketAddr,
    /// Bytes that the sink took.
    pub(crate) sunk: Arc<AtomicU64>,
}

impl Devices {
    /// Starts them; they live as long as the process.
    pub(crate) fn start() -> Self {
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let sunk = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&sunk);
        let started = "a device on loopback starts";
        Self {
            modbus: listen(None, here, serve).expect(started),
            sink: listen(None, here, move |stream| swallow(stream, Arc::clone(&counts))).expect(started),
            source: listen(None, here, pour).expect(started),
            sunk,
        }
    }
}

/// The Modbus server in a namespace, on all of its addresses.
pub(crate) fn start_in(space: &str, port: u16) -> Result<SocketAddr, String> {
    listen(Some(space.to_owned()), SocketAddr::from(([0, 0, 0, 0], port)), serve)
}

/// A thread that gives each connection to `serve`.
fn listen<F>(
    space: Option<String>,
    bind: SocketAddr,
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> Result<SocketAddr, String>
where
    F: Future<Output = ()> + 'static,
{
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let bound = async {
                space.as_deref().map_or(Ok(()), lab::enter)?;
                let listener = TcpListener::bind(bind).await.map_err(|error| format!("device: {error}"))?;
                let address = listener.local_addr().map_err(|error| format!("device: {error}"))?;
                Ok::<_, String>((listener, address))
            };
            let listener = match bound.await {
                Ok((listener, address)) => {
                    let _ = tell.send(Ok(address));
                    listener
                }
                Err(why) => {
                    let _ = tell.send(Err(why));
                    return;
                }
            };
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                sessions.spawn_local(serve(stream));
                while sessions.try_join_next().is_some() {}
            }
        });
    });
    told.recv().map_err(|_| "the device's thread ended".to_owned())?
}

async fn swallow(mut stream: TcpStream, sunk: Arc<AtomicU64>) {
    let mut buffer = vec![0; 256 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        sunk.fetch_add(n as u64, Ordering::Relaxed);
    }
}

async fn pour(mut stream: TcpStream) {
    let chunk = vec![0x5a; 64 * 1024];
    if let Ok(1..) = stream.read(&mut [0; 64]).await {
        while stream.write_all(&chunk).await.is_ok() {}
    }
}

async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut input = Vec::with_capacity(8192);
    let mut output = Vec::with_capacity(8192);
    loop {
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let mut used = 0;
        while let Some(frame) = whole(&input[used..]) {
            used += frame.len();
            answer(frame, &mut output);
        }
        input.drain(..used);
        if stream.write_all(&output).await.is_err() {
            return;
        }
        output.clear();
    }
}

/// The first whole frame: an MBAP header and what its length says.
pub(crate) fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(4)?, *bytes.get(5)?]));
    bytes.get(..6 + length)
}

/// Reads are answered with counting registers, writes of several registers with their range.
fn answer(frame: &[u8], output: &mut Vec<u8>) {
    let (head, pdu) = frame.split_at(7);
    match pdu[0] {
        3 => {
            let registers = u16::from_be_bytes([pdu[3], pdu[4]]).min(125);
            output.extend_from_slice(&head[..4]);
            output.extend_from_slice(&(3 + 2 * registers).to_be_bytes());
            output.extend_from_slice(&[head[6], 3, (2 * registers) as u8]);
            (0..registers).for_each(|value| output.extend_from_slice(&value.to_be_bytes()));
        }
        16 => {
            output.extend_from_slice(&head[..4]);
            output.extend_from_slice(&[0, 6, head[6]]);
            output.extend_from_slice(&pdu[..5]);
        }
        function => {
            output.extend_from_slice(&head[..4]);
            output.extend_from_slice(&[0, 3, head[6], function | 0x80, 1]);
        }
    }
}
