//! An IEC 104 station of ours that remembers every byte, and a control centre of ours that counts its frames.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

use super::{Peer, wait};

/// A U frame.
pub(crate) const fn u(function: u8) -> [u8; 6] {
    [0x68, 4, function, 0, 0, 0]
}

pub(crate) const STARTDT: [u8; 6] = u(0x07);
pub(crate) const STARTED: [u8; 6] = u(0x0b);
pub(crate) const STOPDT: [u8; 6] = u(0x13);
pub(crate) const STOPPED: [u8; 6] = u(0x23);
pub(crate) const TESTFR: [u8; 6] = u(0x43);
pub(crate) const TESTED: [u8; 6] = u(0x83);

/// An I frame.
pub(crate) fn i(send: u16, receive: u16, asdu: &[u8]) -> Vec<u8> {
    let length = u8::try_from(asdu.len() + 4).expect("an ASDU is short");
    let numbers = [(send << 1).to_le_bytes(), (receive << 1).to_le_bytes()].concat();
    [&[0x68, length][..], &numbers, asdu].concat()
}

/// An S frame.
pub(crate) fn s(receive: u16) -> [u8; 6] {
    let [low, high] = (receive << 1).to_le_bytes();
    [0x68, 4, 1, 0, low, high]
}

/// One object: `type`, cause, originator, CA, IOA, element.
pub(crate) fn asdu(id: u8, cause: u8, originator: u8, ca: u16, ioa: u32, element: &[u8]) -> Vec<u8> {
    let [low, high] = ca.to_le_bytes();
    [&[id, 1, cause, originator, low, high][..], &ioa.to_le_bytes()[..3], element].concat()
}

/// The next frame out of these bytes, taken from them.
pub(crate) fn frame(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(*bytes.get(1)?) + 2;
    (bytes.len() >= length).then(|| bytes.drain(..length).collect())
}

/// N(S) of an I frame; `None` for the others.
pub(crate) fn number(frame: &[u8]) -> Option<u16> {
    (frame[2] & 1 == 0).then(|| u16::from_le_bytes([frame[2], frame[3]]) >> 1)
}

/// N(R) of an I or S frame; `None` for U frames.
pub(crate) fn acknowledges(frame: &[u8]) -> Option<u16> {
    (frame[2] & 3 != 3).then(|| u16::from_le_bytes([frame[4], frame[5]]) >> 1)
}

/// How the station behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It confirms what it is told.
    Confirms,
    /// It says nothing about commands.
    Mute,
}

/// What the station's threads share.
#[derive(Debug)]
struct Shared {
    manner: Manner,
    /// Every frame that arrived, by connection.
    arrived: Vec<(usize, Vec<u8>)>,
    connections: Vec<Option<TcpStream>>,
    /// V(S) and V(R) of each.
    numbers: Vec<(u16, u16)>,
}

/// A listening station.
#[derive(Clone, Debug)]
pub(crate) struct Station {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Station {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Shared { manner, arrived: Vec::new(), connections: Vec::new(), numbers: Vec::new() };
        let station = Self { address, shared: Arc::new(Mutex::new(shared)) };
        let of_threads = station.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let index = {
                    let mut shared = of_threads.lock();
                    shared.connections.push(stream.try_clone().ok());
                    shared.numbers.push((0, 0));
                    shared.connections.len() - 1
                };
                let of_thread = of_threads.clone();
                std::thread::spawn(move || of_thread.serve(index, stream));
            }
        });
        station
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, index: usize, mut stream: TcpStream) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..n]);
            while let Some(frame) = frame(&mut bytes) {
                self.lock().arrived.push((index, frame.clone()));
                self.answer(index, &frame);
            }
        }
        self.lock().connections[index] = None;
    }

    fn answer(&self, index: usize, frame: &[u8]) {
        if number(frame).is_none() {
            let answer = match frame[2] {
                0x07 => Some(STARTED),
                0x13 => Some(STOPPED),
                0x43 => Some(TESTED),
                _ => None,
            };
            if let Some(answer) = answer {
                self.write(index, &answer);
            }
            return;
        }
        let manner = {
            let mut shared = self.lock();
            shared.numbers[index].1 += 1;
            shared.manner
        };
        let mut asdu = frame[6..].to_vec();
        // A point that is asked for: on, said twice as some stations do.
        if asdu[0] == 102 && manner == Manner::Confirms {
            let ca = u16::from_le_bytes([asdu[4], asdu[5]]);
            asdu[2] = 7;
            self.say_on(index, &asdu);
            let ioa = u32::from_le_bytes([asdu[6], asdu[7], asdu[8], 0]);
            return self.say_on(index, &super::station::asdu(1, 5, 0, ca, ioa, &[1]));
        }
        let confirms = match asdu[2] & 0x3f {
            6 => 7,
            8 => 9,
            _ => return,
        };
        if manner == Manner::Confirms {
            asdu[2] = asdu[2] & 0xc0 | confirms;
            self.say_on(index, &asdu);
            if asdu[0] == 100 {
                self.say_on(index, &super::station::asdu(1, 20, 0, u16::from_le_bytes([asdu[4], asdu[5]]), 1, &[1]));
                asdu[2] = 10;
                self.say_on(index, &asdu);
            }
        }
    }

    /// Says an ASDU on the newest connection.
    pub(crate) fn say(&self, asdu: &[u8]) {
        let newest = self.lock().connections.len() - 1;
        self.say_on(newest, asdu);
    }

    fn say_on(&self, index: usize, asdu: &[u8]) {
        let frame = {
            let mut shared = self.lock();
            let (send, receive) = shared.numbers[index];
            shared.numbers[index].0 += 1;
            i(send, receive, asdu)
        };
        self.write(index, &frame);
    }

    fn write(&self, index: usize, bytes: &[u8]) {
        if let Some(stream) = &mut self.lock().connections[index] {
            let _ = stream.write_all(bytes);
        }
    }

    /// Bytes as they are, on the newest connection.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let newest = self.lock().connections.len() - 1;
        self.write(newest, bytes);
    }

    /// Hangs up on everybody.
    pub(crate) fn hang_up(&self) {
        for stream in self.lock().connections.iter().flatten() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// How many connections came so far, and how many stand.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let shared = self.lock();
        (shared.connections.len(), shared.connections.iter().flatten().count())
    }

    /// The ASDUs that arrived, in hex.
    pub(crate) fn asdus(&self) -> Vec<String> {
        let shared = self.lock();
        let asdus = shared.arrived.iter().filter(|(_, frame)| number(frame).is_some());
        asdus.map(|(_, frame)| frame[6..].iter().map(|byte| format!("{byte:02x}")).collect()).collect()
    }

    /// Every frame that arrived.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        self.lock().arrived.iter().map(|(_, frame)| frame.clone()).collect()
    }

    /// The newest N(R) that it was told.
    pub(crate) fn told(&self) -> u16 {
        self.lock().arrived.iter().rev().find_map(|(_, frame)| acknowledges(frame)).unwrap_or(0)
    }

    pub(crate) fn forget(&self) {
        self.lock().arrived.clear();
    }
}

/// A control centre behind a connection to the gate.
pub(crate) struct Centre {
    pub(crate) peer: Peer,
    pub(crate) send: u16,
    pub(crate) receive: u16,
    bytes: Vec<u8>,
    read: VecDeque<Vec<u8>>,
}

impl Centre {
    pub(crate) fn new(peer: Peer) -> Self {
        Self { peer, send: 0, receive: 0, bytes: Vec::new(), read: VecDeque::new() }
    }

    /// Starts data transfer; the confirmation is the first thing that comes.
    pub(crate) fn started(peer: Peer) -> Self {
        let mut centre = Self::new(peer);
        centre.peer.send(&STARTDT);
        assert_eq!(centre.next(), STARTED);
        centre
    }

    /// Sends an ASDU.
    pub(crate) fn tell(&mut self, asdu: &[u8]) {
        let frame = i(self.send, self.receive, asdu);
        self.send += 1;
        self.peer.send(&frame);
    }

    /// Acknowledges all that came.
    pub(crate) fn acknowledge(&mut self) {
        self.peer.send(&s(self.receive));
    }

    /// The next frame. I frames must come in order.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        while self.read.is_empty() {
            let n = self.peer.read(&mut buffer).expect("a frame");
            assert!(n > 0, "the gate hung up");
            self.bytes.extend_from_slice(&buffer[..n]);
            while let Some(frame) = frame(&mut self.bytes) {
                self.read.push_back(frame);
            }
        }
        let frame = self.read.pop_front().expect("there is one");
        if let Some(number) = number(&frame) {
            assert_eq!(number, self.receive, "I frames come in order");
            self.receive += 1;
        }
        frame
    }

    /// The next ASDU, in hex; S and U frames before it are passed over, tests answered.
    pub(crate) fn asdu(&mut self) -> String {
        loop {
            let frame = self.next();
            if frame == TESTFR {
                self.peer.send(&TESTED);
            }
            if number(&frame).is_some() {
                return frame[6..].iter().map(|byte| format!("{byte:02x}")).collect();
            }
        }
    }

    /// Sends an ASDU, and takes the one that answers it.
    pub(crate) fn ask(&mut self, asdu: &[u8]) -> String {
        self.tell(asdu);
        self.asdu()
    }
}

/// Waits until the station has heard so many ASDUs.
pub(crate) fn heard(station: &Station, asdus: usize) {
    wait(&format!("{asdus} ASDUs at the station"), || station.asdus().len() >= asdus);
}
