//! What does one APDU of a control centre come to?

use super::{Peer, State, broken};
use crate::{
    half::{Asked, Body, Floor, Signal, Step},
    iec104::{
        apci::{self, Function, HEADER},
        asdu::{Asdu, AsduFault, Direction},
        cause,
        checks::Check,
        request::Request,
        word,
    },
    out::Out,
    protocol::Message,
    time::Now,
    vocab::Reason,
};

impl Peer {
    pub(super) fn told<'b>(&mut self, function: Function, to_peer: &mut Out) -> Result<Step<'b>, Check> {
        let own = Ok(Step::Own { used: HEADER });
        let signal = |kind, floor| Ok(Step::Signal { used: HEADER, signal: Signal { kind, value: 0, floor } });
        match (function, self.state) {
            (Function::TestAct, _) => {
                let _ = apci::write_u(Function::TestCon, to_peer);
                own
            }
            (Function::TestCon, _) => {
                self.window.answered();
                own
            }
            (Function::StartAct | Function::StopAct | Function::StartCon | Function::StopCon, _) if self.observed => {
                own
            }
            // Said twice, it is answered twice.
            (Function::StartAct, State::Started) => {
                let _ = apci::write_u(Function::StartCon, to_peer);
                own
            }
            (Function::StopAct, State::Stopped) => {
                let _ = apci::write_u(Function::StopCon, to_peer);
                own
            }
            (Function::StartAct, State::Stopped) => {
                self.state = State::Starting;
                signal(word::START, Floor::Takes)
            }
            (Function::StopAct, State::Starting | State::Started) => {
                (self.state, self.stopped) = (State::Stopping, false);
                signal(word::STOP, Floor::Leaves)
            }
            (Function::StartAct, State::Starting | State::Stopping) | (Function::StopAct, State::Stopping) => own,
            (Function::StartCon | Function::StopCon, _) => Err(Check::Role),
        }
    }

    pub(super) fn acknowledged<'b>(&mut self, receive: u16, used: usize, to_peer: &mut Out) -> Result<Step<'b>, Check> {
        let news = self.heard_of(receive, to_peer)?;
        Ok(news.map_or(Step::Own { used }, |signal| Step::Signal { used, signal }))
    }

    /// What the centre has now: a word for the station's half, where that is something of the station's.
    fn heard_of(&mut self, receive: u16, to_peer: &mut Out) -> Result<Option<Signal>, Check> {
        let newly = self.window.acknowledged(receive)?;
        let last = self.flying.drain(..newly.min(self.flying.len())).flatten().last();
        // What finds no room now leaves with the next acknowledgement.
        let _ = self.flush(to_peer);
        Ok(last.map(|value| Signal { kind: word::ACKNOWLEDGED, value, floor: Floor::Silent }))
    }

    pub(super) fn asked<'b>(
        &mut self,
        frame: &'b [u8],
        (send, receive): (u16, u16),
        asdu: &'b [u8],
        now: Now,
        to_peer: &mut Out,
    ) -> Result<Step<'b>, Check> {
        match self.state {
            State::Stopped | State::Stopping => return Err(Check::Stopped),
            // It has said that it wants to start: it is read when the station has.
            State::Starting => return Ok(Step::Wait),
            State::Started => {}
        }
        self.window.is_next(send)?;
        if let Some(signal) = self.heard_of(receive, to_peer)? {
            return Ok(Step::Signal { used: 0, signal });
        }
        let body = match Asdu::read(asdu, Direction::Control) {
            Ok(asdu) if self.is_originator(asdu.originator()) => {
                let selected = self.selected.holds(&asdu, now);
                Body::Message(Message::Iec104(Request { asdu, selected }))
            }
            Ok(asdu) => Body::Illegal {
                reason: Reason::IdentityNotAllowed,
                function: u16::from(asdu.type_id()),
                unit: u32::from(asdu.ca()),
                answer: cause::confirms(asdu.cause()),
            },
            Err(AsduFault::Illegal { reason, function, unit, answer, .. }) => {
                Body::Illegal { reason, function, unit, answer }
            }
            Err(AsduFault::Severed { reason, .. }) => return Ok(broken(reason)),
        };
        Ok(Step::Asked(Asked { used: frame.len(), frame, id: u32::from(send), body, repaired: None }))
    }

    fn is_originator(&self, originator: u8) -> bool {
        self.ways.originators.as_ref().is_none_or(|list| list.contains(&originator))
    }
}
