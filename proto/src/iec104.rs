//! IEC 60870-5-104: what may its bytes be, what would they do, and who speaks it?
//!
//! ```text
//! apci       where an APDU ends; window: sequence numbers, k, w, t1, t2, t3
//! head       what stands first in a half's stream, and since when it is not whole
//! peer       the station's role: STARTDT, slots, refusals; device: the centre's role: what may be acknowledged
//! pair       which confirmation belongs to which command; select: what was selected; word: what the halves say
//! keys       the keys of its config table, and what follows from them
//! checks     every conformance check: its id, its clause, what follows from it
//! types      every type of ASDU: its name, its size, its direction
//! cause      which causes of transmission a type carries in each direction
//! asdu       one whole ASDU: its header, its information objects, its canonical bytes
//! content    what stands in an information object, and whether the standard lets it stand there
//! clock      time tags
//! request    what an ASDU would do; response: what a station says about it
//! tables     the words of its sentences, its functions, its presets
//! describe   what `decode` shows of an ASDU
//! refusal    with which cause a refusal comes back
//! fuzz       the fuzzer's ways into the halves
//! build      a sentence -> the ASDU that does it
//! ```
//! Sources: IEC 60870-5-101:2003 clause 7 (ASDUs), IEC 60870-5-104:2006 (APCI, types 58-64 and 107),
//! IEC TS 60870-5-7 (type 41). Profile: cause 2 octets, common address 2, information object address 3.

mod apci;
mod asdu;
mod build;
mod cause;
mod checks;
mod clock;
#[cfg(test)]
mod conformance;
mod content;
#[cfg(test)]
mod copied;
mod describe;
mod device;
mod fuzz;
mod head;
#[cfg(test)]
mod judged;
mod keys;
mod pair;
mod peer;
mod refusal;
mod request;
mod response;
mod select;
mod tables;
mod types;
#[cfg(test)]
mod vectors;
mod window;
mod word;

pub use asdu::{Asdu, AsduFault, Direction, Object, Objects, Sheet, fuzz_asdu, mirror};
pub use build::build;
pub use checks::{Check, CheckSpec, Fate};
pub use device::Device;
pub use fuzz::{fuzz_device, fuzz_peer};
pub use keys::{KEYS, TIES, check, is_broadcast, is_own_name, rivals, same_ways};
pub use peer::Peer;
pub use refusal::{ANSWER_WORD, answer, answer_says};
pub use request::Request;
pub use response::Response;
pub use tables::{GRAMMAR, PORTS, PRESETS};
