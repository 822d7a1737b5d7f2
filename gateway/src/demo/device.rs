//! What stands behind the gate? A Modbus/TCP device that another library serves (tokio-modbus), with every byte it gets logged.

use std::{
    future,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::{
    ExceptionCode, Request, Response,
    server::{Service, tcp::Server},
};

use super::wire::{Tapped, WireLog};
use crate::tasks;

/// Points of each kind.
const POINTS: usize = 256;

/// A running device. Its task ends with the runtime that it was started on.
#[derive(Debug)]
pub struct Device {
    /// Where it listens.
    pub address: SocketAddr,
    /// What came over its wire.
    pub log: WireLog,
    memory: Memory,
}

/// What the device holds.
#[derive(Clone, Debug)]
struct Memory {
    cells: Arc<Mutex<Cells>>,
}

#[derive(Debug)]
struct Cells {
    coils: [bool; POINTS],
    holding: [u16; POINTS],
}

impl Device {
    /// Starts a device on a free loopback port.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (log, memory) = (WireLog::default(), Memory::new());
        let (tap, cells) = (log.clone(), memory.clone());
        let serve = async move {
            let server = Server::new(listener);
            let connected = |stream: TcpStream, _: SocketAddr| {
                let _ = stream.set_nodelay(true);
                future::ready(Ok(Some((cells.clone(), Tapped::new(stream, tap.clone())))))
            };
            // A connection that ends badly is the attacker's doing; the next one is served.
            let _ = server.serve(&connected, |_fault| {}).await;
        };
        tasks::spawn(&tokio::runtime::Handle::current(), serve, || {});
        Ok(Self { address, log, memory })
    }

    /// What a holding register holds.
    pub fn holding(&self, address: u16) -> u16 {
        self.memory.with(|cells| cells.holding.get(usize::from(address)).copied().unwrap_or(0))
    }
}

impl Memory {
    /// Holding register `n` starts at `100 + n`, coils at on for even numbers.
    fn new() -> Self {
        let mut cells = Cells { coils: [false; POINTS], holding: [0; POINTS] };
        for (n, one) in (0u16..).zip(&mut cells.holding) {
            *one = 100 + n;
        }
        for (n, one) in cells.coils.iter_mut().enumerate() {
            *one = n % 2 == 0;
        }
        cells.holding[usize::from(super::site::SETPOINT)] = super::site::SETPOINT_START;
        Self { cells: Arc::new(Mutex::new(cells)) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Cells) -> T) -> T {
        act(&mut self.cells.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        self.with(|cells| match request {
            Request::ReadCoils(at, n) => Ok(Response::ReadCoils(slice(&cells.coils, *at, *n)?.to_vec())),
            Request::ReadDiscreteInputs(at, n) => {
                Ok(Response::ReadDiscreteInputs(slice(&cells.coils, *at, *n)?.to_vec()))
            }
            Request::ReadInputRegisters(at, n) => {
                Ok(Response::ReadInputRegisters(slice(&cells.holding, *at, *n)?.to_vec()))
            }
            Request::ReadHoldingRegisters(at, n) => {
                Ok(Response::ReadHoldingRegisters(slice(&cells.holding, *at, *n)?.to_vec()))
            }
            Request::WriteSingleCoil(at, on) => {
                store(&mut cells.coils, *at, &[*on])?;
                Ok(Response::WriteSingleCoil(*at, *on))
            }
            Request::WriteSingleRegister(at, value) => {
                store(&mut cells.holding, *at, &[*value])?;
                Ok(Response::WriteSingleRegister(*at, *value))
            }
            Request::WriteMultipleCoils(at, values) => {
                store(&mut cells.coils, *at, values)?;
                Ok(Response::WriteMultipleCoils(*at, u16::try_from(values.len()).unwrap_or(u16::MAX)))
            }
            Request::WriteMultipleRegisters(at, values) => {
                store(&mut cells.holding, *at, values)?;
                Ok(Response::WriteMultipleRegisters(*at, u16::try_from(values.len()).unwrap_or(u16::MAX)))
            }
            // The device knows no more functions than these.
            _ => Err(ExceptionCode::IllegalFunction),
        })
    }
}

impl Service for Memory {
    type Request = Request<'static>;
    type Response = Response;
    type Exception = ExceptionCode;
    type Future = future::Ready<Result<Response, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        future::ready(self.answer(&request))
    }
}

fn slice<T>(cells: &[T], at: u16, count: u16) -> Result<&[T], ExceptionCode> {
    let at = usize::from(at);
    cells.get(at..at + usize::from(count)).ok_or(ExceptionCode::IllegalDataAddress)
}

fn store<T: Copy>(cells: &mut [T], at: u16, values: &[T]) -> Result<(), ExceptionCode> {
    let at = usize::from(at);
    let room = cells.get_mut(at..at + values.len()).ok_or(ExceptionCode::IllegalDataAddress)?;
    room.copy_from_slice(values);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio_modbus::{client::tcp, prelude::*};

    use super::*;

    #[tokio::test]
    async fn the_device_answers_and_its_wire_is_logged() {
        let device = Device::start().await.expect("loopback has a port");
        let mut client = tcp::connect_slave(device.address, Slave(1)).await.expect("the device listens");
        let read = client.read_holding_registers(3, 2).await.expect("the device answers");
        assert_eq!(read, Ok(vec![103, 104]));
        let wrote = client.write_single_register(41, 300).await.expect("the device answers");
        assert_eq!((wrote, device.holding(41)), (Ok(()), 300));
        let beyond = client.read_holding_registers(250, 10).await.expect("the device answers");
        assert_eq!(beyond, Err(ExceptionCode::IllegalDataAddress));
        assert_eq!(device.log.count(&[1, 6, 0, 41, 300u16.to_be_bytes()[0], 300u16.to_be_bytes()[1]]), 1);
    }
}
