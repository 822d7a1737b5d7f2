//! Who answers behind every contender? A Modbus server that costs as little as it can, on a thread of its own.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Starts the device; it lives as long as the process.
pub(crate) fn start() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(listener.local_addr().expect("an address")).expect("the bench waits");
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                sessions.spawn_local(serve(stream));
                while sessions.try_join_next().is_some() {}
            }
        });
    });
    told.recv().expect("the device starts")
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
