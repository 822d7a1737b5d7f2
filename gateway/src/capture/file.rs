//! Which packets does a capture file hold?
//!
//! The formats are fixed and small, and a file may be cut off, broken or hostile: what is read is compared with what is
//! there, and memory follows what is there, never what is claimed.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use super::{pcap::Pcap, pcapng::PcapNg};

/// The largest packet, and the largest block that is looked into. libpcap's own largest is 256 KiB; a block has options
/// beside its packet.
pub(super) const LARGEST: usize = 1024 * 1024;

/// One packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'f> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Nanoseconds since 1970; absent where the file does not say (simple packets of pcapng).
    pub time: Option<u64>,
    /// Its link layer (the numbers of LINKTYPE); absent where its interface is not described.
    pub link: Option<u32>,
    /// Its bytes.
    pub data: &'f [u8],
    /// Whether it was longer on the wire.
    pub cut: bool,
}

/// Why a file cannot be read, or not on.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be opened or read at all.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("this is no capture: it begins with neither the magic number of pcap nor that of pcapng")]
    NotACapture,
    /// It is of a kind that nothing is written in any more.
    #[error("this kind of capture is not read: {0}; `editcap -F pcapng` makes another of it")]
    Unsupported(&'static str),
    /// It does not hold together.
    #[error("the capture is broken at byte {at}: {what}")]
    Broken {
        /// Where in the file.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// It ends in the middle of something.
    #[error("the capture ends at byte {at}, in the middle of a packet")]
    CutOff {
        /// Its length.
        at: u64,
    },
}

/// The packets of a file, one after the other.
#[derive(Debug)]
pub struct Packets<R> {
    source: Source<R>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Packets<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`FileFault`] where it is no capture.
    pub fn open(path: &Path) -> Result<Self, FileFault> {
        Self::new(BufReader::with_capacity(64 * 1024, File::open(path)?))
    }
}

impl<R: Read> Packets<R> {
    /// Reads what `inner` holds.
    ///
    /// # Errors
    /// [`FileFault`] where it is no capture.
    pub fn new(inner: R) -> Result<Self, FileFault> {
        let mut source = Source { inner, held: Vec::new(), at: 0 };
        let magic = match source.take(4)? {
            Taken::All(bytes) => [bytes[0], bytes[1], bytes[2], bytes[3]],
            Taken::Part | Taken::Nothing => return Err(FileFault::NotACapture),
        };
        let format = match magic {
            [0x0A, 0x0D, 0x0D, 0x0A] => Format::PcapNg(PcapNg::open(&mut source)?),
            _ => Format::Pcap(Pcap::open(magic, &mut source)?),
        };
        Ok(Self { source, format })
    }

    /// The next packet; `None` at the end of the file.
    ///
    /// # Errors
    /// [`FileFault`] where the file cannot be read on.
    pub fn packet(&mut self) -> Result<Option<Packet<'_>>, FileFault> {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.source),
            Format::PcapNg(pcapng) => pcapng.next(&mut self.source),
        }
    }
}

/// Bytes of a file, counted.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    held: Vec<u8>,
    at: u64,
}

/// What was there of the bytes that were asked for.
#[derive(Debug)]
pub(super) enum Taken<'s> {
    All(&'s [u8]),
    Part,
    Nothing,
}

impl<R: Read> Source<R> {
    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<Taken<'_>, FileFault> {
        self.held.clear();
        let most = u64::try_from(n).unwrap_or(u64::MAX);
        let got = self.inner.by_ref().take(most).read_to_end(&mut self.held)?;
        self.at = self.at.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        Ok(match got {
            0 if n > 0 => Taken::Nothing,
            _ if got < n => Taken::Part,
            _ => Taken::All(&self.held),
        })
    }

    /// The next `n` bytes, which must be there.
    pub(super) fn must(&mut self, n: usize) -> Result<&[u8], FileFault> {
        let whole = matches!(self.take(n)?, Taken::All(_));
        if whole { Ok(&self.held) } else { Err(self.cut_off()) }
    }

    /// The bytes of the last take.
    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Leaves `n` bytes unread.
    pub(super) fn skip(&mut self, n: u64) -> Result<(), FileFault> {
        let got = io::copy(&mut self.inner.by_ref().take(n), &mut io::sink())?;
        self.at = self.at.saturating_add(got);
        if got < n { Err(self.cut_off()) } else { Ok(()) }
    }

    /// It ends here, in the middle of something.
    pub(super) fn cut_off(&self) -> FileFault {
        FileFault::CutOff { at: self.at }
    }

    /// A fault at this place.
    pub(super) fn broken(&self, what: &'static str) -> FileFault {
        FileFault::Broken { at: self.at, what }
    }
}

/// Numbers in the byte order of the machine that wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Order {
    /// The two bytes at `at`; 0 past the end (the caller has looked).
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let raw = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>).copied().unwrap_or_default();
        match self {
            Self::Big => u16::from_be_bytes(raw),
            Self::Little => u16::from_le_bytes(raw),
        }
    }

    /// The four bytes at `at`; 0 past the end (the caller has looked).
    pub(super) fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let raw = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).copied().unwrap_or_default();
        match self {
            Self::Big => u32::from_be_bytes(raw),
            Self::Little => u32::from_le_bytes(raw),
        }
    }

    /// The eight bytes at `at`; 0 past the end (the caller has looked).
    pub(super) fn u64(self, bytes: &[u8], at: usize) -> u64 {
        let raw = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>).copied().unwrap_or_default();
        match self {
            Self::Big => u64::from_be_bytes(raw),
            Self::Little => u64::from_le_bytes(raw),
        }
    }
}
