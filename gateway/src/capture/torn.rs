//! What is told of a conversation where it cannot be read?

use sluicegate_proto::vocab::Reason;

use super::{
    gate::Ruling,
    line::{Direction, Line},
    side::Mark,
    watch::{Talk, length},
    watcher::Watcher,
};

/// How many bytes of what cannot be read are shown.
const SHOWN: usize = 32;

impl Talk {
    /// Bytes are missing here: what came before cannot be completed.
    pub(super) fn gap(&mut self, direction: Direction, missing: u64, mark: Mark, watcher: &mut Watcher<'_>) {
        self.torn = true;
        self.lost.set(direction, true);
        let partial = self.drop_partial(direction);
        let with =
            if partial > 0 { format!(", and {partial} before them are no whole message") } else { String::new() };
        let mut line = Line {
            malformed: Some(Reason::Malformed),
            note: Some(format!("a gap: {missing} bytes before this packet were not captured{with}")),
            bytes: missing,
            ..self.line(direction, mark)
        };
        unjudged(&mut line, watcher);
        watcher.tell(&line);
    }

    /// Bytes that came too late to be read in their place.
    pub(super) fn late(&mut self, direction: Direction, bytes: u64, mark: Mark, watcher: &mut Watcher<'_>) {
        self.torn = true;
        let mut line = Line {
            malformed: Some(Reason::Malformed),
            note: Some(format!("too late: {bytes} bytes belong before what was read already")),
            bytes,
            ..self.line(direction, mark)
        };
        unjudged(&mut line, watcher);
        watcher.tell(&line);
    }

    /// Another conversation goes on here, on the same ports. The first end that shows it ends the old one for both.
    pub(super) fn another(&mut self, direction: Direction, watcher: &mut Watcher<'_>) {
        self.end(direction, watcher);
        self.torn = true;
        self.lost.set(direction, true);
        let (mine, other) = self.renewed.of(direction);
        *mine = mine.wrapping_add(1);
        if *mine != other {
            self.end(direction.other(), watcher);
            (self.peer, self.device) = (watcher.peer(), watcher.device());
        }
    }

    /// Nothing more comes.
    pub(super) fn ends(&mut self, watcher: &mut Watcher<'_>) {
        self.end(Direction::Request, watcher);
        self.end(Direction::Response, watcher);
    }

    /// Nothing more comes in this direction.
    pub(super) fn end(&mut self, direction: Direction, watcher: &mut Watcher<'_>) {
        let Some(mark) = self.inbox(direction).latest() else { return };
        let bytes = self.drop_partial(direction);
        let mut line = Line {
            malformed: Some(Reason::LengthMismatch),
            note: Some(format!("it ends in the middle of a message: {bytes} bytes")),
            bytes,
            ..self.line(direction, mark)
        };
        unjudged(&mut line, watcher);
        watcher.tell(&line);
    }

    /// Bytes that mean nothing.
    pub(super) fn unreadable(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        (reason, mark): (Reason, Mark),
        watcher: &mut Watcher<'_>,
    ) {
        let shown = &bytes[..bytes.len().min(SHOWN)];
        let more = if shown.len() < bytes.len() { "..." } else { "" };
        let mut line = Line {
            malformed: Some(reason),
            note: Some(format!("cannot be read: {}{more}", data_encoding::HEXLOWER.encode(shown))),
            bytes: length(bytes.len()),
            ..self.line(direction, mark)
        };
        // Well framed, so that it says at least what it claims to be.
        self.device.describe_alone(bytes, &mut |one| line.claims = Some((one.deed.unit, one.deed.function)));
        if watcher.gate.is_some() {
            let fault = !self.lost.is(direction);
            line.judged(if fault { Ruling::denied(reason) } else { Ruling::default() }, Vec::new());
        }
        watcher.tell(&line);
    }

    fn drop_partial(&mut self, direction: Direction) -> u64 {
        length(std::mem::take(self.inbox(direction)).bytes().len())
    }
}

/// A line that blames nobody.
fn unjudged(line: &mut Line, watcher: &Watcher<'_>) {
    if watcher.gate.is_some() {
        line.judged(Ruling::default(), Vec::new());
    }
}
