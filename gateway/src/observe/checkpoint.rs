//! Who vouches for the audit file as it stands?
//!
//! A C2SP tlog-checkpoint is a signed note: origin, number of lines, RFC 6962 root, a blank line, a signature with
//! Ed25519. Each audit file is a log of its own, so that a file verifies by itself when older ones were overwritten:
//!
//! ```text
//! sluicegate/north-pumping/audit-000001
//! 1204
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — sluicegate/north-pumping/audit-000001 BASE64(key id, signature)
//! ```

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::BASE64;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use super::chain::{Hash, sha256};

/// The private key's file, in the audit directory.
pub(super) const KEY_FILE: &str = "checkpoint.key";
/// The public key's file, in the audit directory.
pub(super) const PUBLIC_FILE: &str = "checkpoint.pub";

/// An Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The algorithm byte of an Ed25519 key in a signed note.
const NOTE_ED25519: u8 = 1;
/// A note of ours: origin, size, root, blank, signature.
pub(super) const NOTE_LINES: usize = 5;

/// The checkpoints' key.
#[derive(Debug)]
pub(super) struct Signer {
    key: Ed25519KeyPair,
}

/// One signed head of one audit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) root: Hash,
}

impl Signer {
    /// The key of `dir`; made on the first start. `checkpoint.pub` always matches it.
    ///
    /// # Errors
    /// The file cannot be read or made, or (`InvalidData`) holds no Ed25519 key.
    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(KEY_FILE);
        if !path.try_exists()? {
            make_key(dir, &path)?;
        }
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, "not an Ed25519 key in PKCS #8 PEM");
        let der = PrivatePkcs8KeyDer::from_pem_slice(&fs::read(&path)?).map_err(|_| invalid(()))?;
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| invalid(()))?;
        let signer = Self { key };
        let public = pem("PUBLIC KEY", &[&SPKI_PREFIX[..], signer.public()].concat());
        if fs::read(dir.join(PUBLIC_FILE)).ok().as_deref() != Some(public.as_bytes()) {
            fs::write(dir.join(PUBLIC_FILE), public)?;
        }
        Ok(signer)
    }

    /// The public key, 32 bytes.
    pub(super) fn public(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// The signed note of a head.
    pub(super) fn note(&self, head: &Head) -> String {
        let text = head.text();
        let signature = self.key.sign(text.as_bytes());
        let signed = [&key_id(&head.origin, self.public())[..], signature.as_ref()].concat();
        format!("{text}\n\u{2014} {} {}\n", head.origin, BASE64.encode(&signed))
    }
}

impl Head {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }

    /// Reads a note, and verifies its signature with `public`.
    pub(super) fn verify(note: &str, public: &[u8]) -> Option<Self> {
        let mut lines = note.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let root = BASE64.decode(root.as_bytes()).ok()?.try_into().ok()?;
        let head = Self { origin: origin.to_owned(), size: size.parse().ok()?, root };
        if !lines.next()?.is_empty() {
            return None;
        }
        let signature = lines.next()?.strip_prefix("\u{2014} ")?.strip_prefix(origin)?.strip_prefix(' ')?;
        let signed = BASE64.decode(signature.as_bytes()).ok()?;
        let signature = signed.strip_prefix(&key_id(origin, public))?;
        UnparsedPublicKey::new(&ED25519, public).verify(head.text().as_bytes(), signature).ok()?;
        lines.next().is_none().then_some(head)
    }
}

/// Splits a file of notes; what follows the last whole one is torn.
pub(super) fn notes(text: &str) -> (Vec<&str>, &str) {
    let mut notes = Vec::new();
    let mut rest = text;
    while let Some((end, _)) = rest.match_indices('\n').nth(NOTE_LINES - 1) {
        let (note, after) = rest.split_at(end + 1);
        notes.push(note);
        rest = after;
    }
    (notes, rest)
}

/// The key's hint in a note: C2SP signed-note.
fn key_id(name: &str, public: &[u8]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[NOTE_ED25519], public]);
    [hash[0], hash[1], hash[2], hash[3]]
}

fn make_key(dir: &Path, path: &Path) -> io::Result<()> {
    let refused = |_| io::Error::other("no Ed25519 key could be made");
    let key = Ed25519KeyPair::generate().map_err(refused)?;
    // Version 1 of PKCS #8: openssl 3.0 does not read the newer form.
    let der = key.to_pkcs8v1().map_err(refused)?;
    let text = pem("PRIVATE KEY", der.as_ref());
    // Written whole under another name first: a key that is there is a key that can be read.
    let half = dir.join("checkpoint.key.new");
    let _ = fs::remove_file(&half);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&half, path)?;
    File::open(dir)?.sync_all()
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in BASE64.encode(der).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn head(size: u64) -> Head {
        Head { origin: "sluicegate/here/audit-000001".to_owned(), size, root: sha256(&[b"root"]) }
    }

    #[test]
    fn the_key_is_made_once_and_is_nobody_elses_to_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Signer::open(dir.path()).expect("made");
        let second = Signer::open(dir.path()).expect("read");
        assert_eq!(first.public(), second.public());
        let mode = fs::metadata(dir.path().join(KEY_FILE)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_note_verifies_and_no_changed_byte_of_it_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let signer = Signer::open(dir.path()).expect("made");
        let note = signer.note(&head(7));
        assert_eq!(Head::verify(&note, signer.public()), Some(head(7)));
        for at in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            // The last newline is not signed: without it the note is the same note.
            assert!(at + 1 == note.len() || Head::verify(&changed, signer.public()).is_none(), "byte {at}");
        }
        let other = tempfile::tempdir().expect("a directory");
        let stranger = Signer::open(other.path()).expect("made");
        assert_eq!(Head::verify(&note, stranger.public()), None);
    }

    #[test]
    fn a_torn_note_is_not_a_note() {
        let dir = tempfile::tempdir().expect("a directory");
        let signer = Signer::open(dir.path()).expect("made");
        let text = signer.note(&head(1)) + &signer.note(&head(2));
        let (whole, torn) = notes(&text);
        assert_eq!((whole.len(), torn), (2, ""));
        let (whole, torn) = notes(text.get(..text.len() - 1).expect("a boundary"));
        assert_eq!(whole.len(), 1);
        assert!(!torn.is_empty());
    }

    #[test]
    fn a_key_file_that_holds_no_key_is_told_and_left_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(KEY_FILE), "nonsense").expect("written");
        let refused = Signer::open(dir.path()).expect_err("no key");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::read(dir.path().join(KEY_FILE)).expect("there"), b"nonsense");
    }
}
