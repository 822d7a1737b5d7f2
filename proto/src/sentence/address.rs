//! Which index does a written address mean, and how is an index told to an operator?

use alloc::{format, string::String};

use super::{Addressing, FaultKind, Grammar, Index, ObjectSpec, SentenceFault, lex::Span, number::integer};

/// A code has at most this sub-code: `code + 256 * (sub + 1)` then fits 16 bits.
const SUB_MAX: u64 = 254;

impl Addressing {
    /// Zero-based index `address` of `object` as the operator writes it, with the zero-based number behind it where
    /// these differ: `40041 (zero-based 40)`.
    pub fn show(self, object: &ObjectSpec, address: u32) -> String {
        let written = self.write(object, address);
        if self.applies(object) { format!("{written} (zero-based {address})") } else { written }
    }

    /// Zero-based index `address` of `object` as the operator writes it.
    pub fn write(self, object: &ObjectSpec, address: u32) -> String {
        let from_one = u64::from(address).saturating_add(1);
        match (self, object.index, object.modicon) {
            (Self::OneBased, Index::Address { .. }, _) => format!("{from_one}"),
            (Self::Modicon, Index::Address { .. }, Some(digit)) if from_one <= 9999 => format!("{digit}{from_one:04}"),
            (Self::Modicon, Index::Address { .. }, Some(digit)) => format!("{digit}{from_one:05}"),
            _ => index(object.index, address),
        }
    }

    /// A range of `object` as the operator writes it.
    pub(super) fn write_range(self, object: &ObjectSpec, (first, last): (u32, u32)) -> String {
        if self.applies(object) && first != last {
            format!("{}-{}", self.write(object, first), self.write(object, last))
        } else if self.applies(object) {
            self.write(object, first)
        } else {
            show_range(object.index, first, last)
        }
    }

    fn applies(self, object: &ObjectSpec) -> bool {
        match self {
            Self::ZeroBased => false,
            Self::OneBased => matches!(object.index, Index::Address { .. }),
            Self::Modicon => matches!(object.index, Index::Address { .. }) && object.modicon.is_some(),
        }
    }
}

/// What is needed to read the addresses of one object.
#[derive(Clone, Copy)]
pub(super) struct Reading<'g> {
    pub(super) grammar: &'g Grammar,
    pub(super) object: &'g ObjectSpec,
    pub(super) addressing: Addressing,
}

impl Reading<'_> {
    /// One item behind the object's word: an index or a range of them, zero-based.
    pub(super) fn range(&self, text: &str, at: Span) -> Result<(u32, u32), SentenceFault> {
        match self.object.index {
            Index::None => {
                let word = self.object.word;
                let message = format!("`{word}` takes no index");
                Err(at.fault(FaultKind::Conflict, message, "not expected here", format!("write `{word}` alone")))
            }
            Index::Code => self.code(text, at).map(|code| (code, code)),
            Index::FileRecord => self.records(text, at),
            Index::Address { .. } | Index::Number { .. } => self.ends(text, at, &|part| self.one(part, at)),
        }
    }

    /// One zero-based index of an object whose elements are counted.
    pub(super) fn one(&self, text: &str, at: Span) -> Result<u32, SentenceFault> {
        let (Index::Address { max } | Index::Number { max }) = self.object.index else {
            let message = format!("`{}` has no addresses", self.object.word);
            return Err(at.fault(FaultKind::Conflict, message, "not expected here", "leave it out"));
        };
        if self.addressing == Addressing::Modicon && self.addressing.applies(self.object) {
            return self.modicon(text, at, max);
        }
        let written = number(text, at)?;
        let first = u64::from(self.addressing.applies(self.object));
        let Some(address) = written.checked_sub(first) else {
            let help = format!("write {}", self.addressing.show(self.object, 0));
            let message = "addresses of this conduit start at 1";
            return Err(at.fault(FaultKind::Addressing, message, "address 0 does not exist here", help));
        };
        u32::try_from(address).ok().filter(|address| *address <= max).ok_or_else(|| self.beyond(text, address, at, max))
    }

    fn beyond(&self, text: &str, address: u64, at: Span, max: u32) -> SentenceFault {
        let both = if self.addressing.applies(self.object) {
            format!("{text} (zero-based {address})")
        } else {
            String::from(text)
        };
        let last = self.addressing.show(self.object, max);
        let message = format!("`{}` ends at {last}", self.object.word);
        at.fault(FaultKind::BadNumber, message, format!("{both} is above {last}"), format!("write at most {last}"))
    }

    /// `40001` or `400001`: the object's digit, then 4 or 5 digits counted from 1.
    fn modicon(&self, text: &str, at: Span, max: u32) -> Result<u32, SentenceFault> {
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 5 || text.len() == 6);
        let parts = text.split_at_checked(1).filter(|_| digits);
        let Some((digit, rest)) = parts.and_then(|(a, b)| Some((a.parse::<u8>().ok()?, b.parse::<u32>().ok()?))) else {
            let sample = self.addressing.show(self.object, 0);
            let message = "this conduit writes addresses in Modicon notation";
            let label = "neither 5 nor 6 digits";
            return Err(at.fault(FaultKind::Addressing, message, label, format!("write {sample} for the first one")));
        };
        let Some(address) = rest.checked_sub(1) else {
            let message = "Modicon addresses count from 1";
            let help = format!("write {}", self.addressing.show(self.object, 0));
            return Err(at.fault(FaultKind::Addressing, message, format!("{text} does not exist"), help));
        };
        if self.object.modicon != Some(digit) {
            return Err(self.other_object(text, digit, address, at));
        }
        if address > max { Err(self.beyond(text, address.into(), at, max)) } else { Ok(address) }
    }

    fn other_object(&self, text: &str, digit: u8, address: u32, at: Span) -> SentenceFault {
        let word = self.object.word;
        let right = self.addressing.show(self.object, address);
        match self.grammar.objects.iter().find(|one| one.modicon == Some(digit)) {
            Some(other) => at.fault(
                FaultKind::Addressing,
                format!("{text} is an address of `{}`, not of `{word}`", other.word),
                format!("`{}` {text} (zero-based {address})", other.word),
                format!("write `{}`, or {right} for `{word}`", other.word),
            ),
            None => at.fault(
                FaultKind::Addressing,
                format!("no object has addresses that start with {digit}"),
                format!("{text} (zero-based {address})"),
                format!("write {right} for `{word}`"),
            ),
        }
    }

    fn ends(
        &self,
        text: &str,
        at: Span,
        read: &dyn Fn(&str) -> Result<u32, SentenceFault>,
    ) -> Result<(u32, u32), SentenceFault> {
        let (first, last) = match ends(text, at)? {
            (one, None) => return read(one).map(|one| (one, one)),
            (first, Some(last)) => (read(first)?, read(last)?),
        };
        if first <= last {
            return Ok((first, last));
        }
        let show = |one| self.addressing.show(self.object, one);
        let write = |one| self.addressing.write(self.object, one);
        Err(at.fault(
            FaultKind::ReversedRange,
            "address range is reversed",
            format!("start {} is above end {}", show(first), show(last)),
            format!("write {}-{}", write(last), write(first)),
        ))
    }

    fn code(&self, text: &str, at: Span) -> Result<u32, SentenceFault> {
        code(text, at).map(u32::from)
    }

    /// `F:R-R`.
    fn records(&self, text: &str, at: Span) -> Result<(u32, u32), SentenceFault> {
        let Some((file, records)) = text.split_once(':') else {
            let message = "a file is written with its records";
            return Err(at.fault(FaultKind::Missing, message, "the records are missing", format!("write {text}:0-99")));
        };
        let sixteen = |part: &str| {
            let value = number(part, at)?;
            u16::try_from(value).map_err(|_| {
                at.fault(FaultKind::BadNumber, "the number is too large", "65535 is the largest", "write at most 65535")
            })
        };
        let file = u32::from(sixteen(file)?);
        let (first, last) = match ends(records, at)? {
            (one, None) => (sixteen(one)?, sixteen(one)?),
            (first, Some(last)) => (sixteen(first)?, sixteen(last)?),
        };
        if first > last {
            let label = format!("start {first} is above end {last}");
            let help = format!("write {file}:{last}-{first}");
            return Err(at.fault(FaultKind::ReversedRange, "record range is reversed", label, help));
        }
        let held = |record: u16| file.saturating_mul(65_536).saturating_add(u32::from(record));
        Ok((held(first), held(last)))
    }
}

/// The units of `unit 1-5`.
pub(super) fn units(text: &str, at: Span, max: u32) -> Result<(u32, u32), SentenceFault> {
    let one = |part: &str| {
        let value = number(part, at)?;
        u32::try_from(value).ok().filter(|unit| *unit <= max).ok_or_else(|| {
            at.fault(
                FaultKind::BadNumber,
                "this unit does not exist",
                format!("{max} is the largest"),
                format!("write at most {max}"),
            )
        })
    };
    let (first, last) = match ends(text, at)? {
        (only, None) => (one(only)?, one(only)?),
        (first, Some(last)) => (one(first)?, one(last)?),
    };
    if first <= last {
        return Ok((first, last));
    }
    let label = format!("start {first} is above end {last}");
    Err(at.fault(FaultKind::ReversedRange, "unit range is reversed", label, format!("write {last}-{first}")))
}

/// A function code, `43` or `43/14`, held as `code + 256 * (sub + 1)`.
pub(super) fn code(text: &str, at: Span) -> Result<u16, SentenceFault> {
    let (code, sub) = match text.split_once('/') {
        Some((code, sub)) => (code, Some(number(sub, at)?)),
        None => (text, None),
    };
    let code = number(code, at)?;
    if code > 255 || sub.is_some_and(|sub| sub > SUB_MAX) {
        let label = format!("255 is the largest code, {SUB_MAX} the largest sub-code");
        return Err(at.fault(FaultKind::BadNumber, "this code does not exist", label, "write 1 to 127"));
    }
    let above = sub.map_or(0, |sub| sub.saturating_add(1).saturating_mul(256));
    Ok(u16::try_from(code.saturating_add(above)).unwrap_or(u16::MAX))
}

/// A function code as `via` and `function` write it.
pub(super) fn show_code(code: u32) -> String {
    match code.checked_shr(8).and_then(|above| above.checked_sub(1)) {
        Some(sub) => format!("{}/{sub}", code & 0xFF),
        None => format!("{code}"),
    }
}

/// A range as a printed sentence writes it, zero-based.
pub(super) fn show_range(kind: Index, first: u32, last: u32) -> String {
    match kind {
        Index::Code => show_code(first),
        _ if first == last => index(kind, first),
        Index::FileRecord => format!("{}-{}", index(kind, first), last & 0xFFFF),
        Index::None | Index::Address { .. } | Index::Number { .. } => format!("{first}-{last}"),
    }
}

fn index(kind: Index, held: u32) -> String {
    match kind {
        Index::Code => show_code(held),
        Index::FileRecord => format!("{}:{}", held.checked_shr(16).unwrap_or(0), held & 0xFFFF),
        Index::None | Index::Address { .. } | Index::Number { .. } => format!("{held}"),
    }
}

/// `A` or `A-B`.
fn ends(text: &str, at: Span) -> Result<(&str, Option<&str>), SentenceFault> {
    if let Some((first, last)) = text.split_once("..") {
        let help = format!("write {first}-{last}");
        let label = "two dots are for values";
        return Err(at.fault(FaultKind::BadNumber, "a range of indexes is written with a dash", label, help));
    }
    match text.split_once('-') {
        None => Ok((text, None)),
        Some((first, last)) if !first.is_empty() && !last.is_empty() => Ok((first, Some(last))),
        Some(("", _)) => {
            Err(at.fault(FaultKind::BadNumber, "indexes are not negative", "below 0", "write it without the sign"))
        }
        Some(_) => {
            let message = "a range has two ends and no blanks";
            Err(at.fault(FaultKind::BadNumber, message, "an end is missing", "write it like 0-99"))
        }
    }
}

fn number(text: &str, at: Span) -> Result<u64, SentenceFault> {
    integer(text).ok_or_else(|| {
        let help = "write it like 7 or 0x07";
        at.fault(FaultKind::BadNumber, format!("`{text}` is not a number here"), "a whole number is expected", help)
    })
}
