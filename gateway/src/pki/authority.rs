//! How is a small CA made, read again, and how does it take a certificate back?

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams, SerialNumber,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::{BACKDATED, CA_DAYS, CRL_DAYS, Made, PkiError, check_name, unix_now};

/// A point in time for rcgen, whose own type of time has no name here: seconds since 1970.
macro_rules! at {
    ($unix:expr) => {
        rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs($unix)
    };
}
pub(super) use at;

/// Makes the CA `name` in `dir` (made when absent): `name.crt`, `name.key`, `name.crl` (empty, number 1).
///
/// # Errors
/// A bad name, an existing file, or a disk that refuses.
pub fn init(dir: &Path, name: &str) -> Result<Made, PkiError> {
    check_name(name)?;
    std::fs::create_dir_all(dir).map_err(|source| PkiError::File { path: dir.to_owned(), source })?;
    let [crt, key, crl] = ["crt", "key", "crl"].map(|end| dir.join(format!("{name}.{end}")));
    refuse_existing(&[&crt, &key, &crl])?;

    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = unix_now();
    params.not_before = at!(now.saturating_sub(BACKDATED));
    params.not_after = at!(now.saturating_add(days(CA_DAYS)));
    let cert = params.self_signed(&pair)?;
    let pem = pair.serialize_pem();
    let list = sign_list(&Issuer::new(params, pair), 1, Vec::new(), now)?;

    write_all(&[(&key, &pem, 0o600), (&crt, &cert.pem(), 0o644), (&crl, &list, 0o644)])?;
    Ok(Made { files: vec![crt, key, crl] })
}

/// Takes `cert` (a PEM file whose first certificate counts) back: a new `ca_name.crl` with the next number replaces the old one
/// in one step, so that a reader sees either.
///
/// # Errors
/// No such CA, a certificate of somebody else, one that is revoked already, or a disk that refuses.
pub fn revoke(dir: &Path, ca_name: Option<&str>, cert: &Path) -> Result<Made, PkiError> {
    let ca = Authority::read(dir, ca_name)?;
    let der = read_certificate(cert)?;
    let parsed = parse(cert, &der)?;
    let issuer = parse(&ca.crt, &ca.der)?;
    if parsed.issuer().as_raw() != issuer.subject().as_raw() || authority_key(&parsed) != subject_key(&issuer) {
        return Err(PkiError::NotOurs { path: cert.to_owned(), name: ca.name });
    }

    next_list(&ca, Some((cert, parsed.raw_serial())))
}

/// Signs the revocation list of `ca_name` (or of the only CA in `dir`) anew: the same entries, the next number, good for
/// another [`CRL_DAYS`] days.
///
/// # Errors
/// No such CA, or a disk that refuses.
pub fn renew_list(dir: &Path, ca_name: Option<&str>) -> Result<Made, PkiError> {
    next_list(&Authority::read(dir, ca_name)?, None)
}

/// The list after the one that is there, with one certificate more where one is taken back.
fn next_list(ca: &Authority, taken: Option<(&Path, &[u8])>) -> Result<Made, PkiError> {
    let crl = ca.crl();
    let bytes = read(&crl)?;
    let old = CertificateRevocationListDer::from_pem_slice(&bytes).map_err(|e| unreadable(&crl, &e))?;
    let (_, old) = CertificateRevocationList::from_der(&old).map_err(|e| unreadable(&crl, &e))?;
    let now = unix_now();
    let mut gone = Vec::new();
    for entry in old.iter_revoked_certificates() {
        if let Some((cert, _)) = taken.filter(|(_, serial)| *serial == entry.raw_serial()) {
            return Err(PkiError::AlreadyRevoked(cert.to_owned()));
        }
        let when = u64::try_from(entry.revocation_date.timestamp()).unwrap_or(0);
        gone.push(entry_of(entry.raw_serial(), when));
    }
    gone.extend(taken.map(|(_, serial)| entry_of(serial, now)));
    // We count lists in a u64; a list of somebody else with a larger number starts again above it and is not ours to write.
    let number = old.crl_number().and_then(|n| u64::try_from(n).ok()).and_then(|n| n.checked_add(1));
    let number = number.ok_or_else(|| unreadable(&crl, &"it carries no number that can be counted up"))?;

    let list = sign_list(&ca.issuer, number, gone, now)?;
    replace(&crl, &list)?;
    Ok(Made { files: vec![crl] })
}

/// A CA read from its directory.
pub(super) struct Authority {
    /// Its name.
    pub(super) name: String,
    /// Its certificate's file.
    pub(super) crt: PathBuf,
    /// Its certificate.
    pub(super) der: CertificateDer<'static>,
    /// Its certificate as PEM.
    pub(super) pem: String,
    /// Signs.
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The CA `name`, or the only one in `dir`: that which has a certificate, a key and a revocation list.
    pub(super) fn read(dir: &Path, name: Option<&str>) -> Result<Self, PkiError> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => only_one(dir)?,
        };
        check_name(&name)?;
        let [crt, key] = ["crt", "key"].map(|end| dir.join(format!("{name}.{end}")));
        if !crt.exists() {
            return Err(PkiError::NoAuthority { dir: dir.to_owned() });
        }
        let der = read_certificate(&crt)?;
        let pair = String::from_utf8(read(&key)?).map_err(|e| unreadable(&key, &e))?;
        let pair = KeyPair::from_pem(&pair).map_err(|e| unreadable(&key, &e))?;
        let parsed = parse(&crt, &der)?;
        if !parsed.is_ca() {
            return Err(unreadable(&crt, &"it is no CA certificate"));
        }
        if parsed.public_key().raw != pair.subject_public_key_info() {
            return Err(unreadable(&key, &"it is not the key of the certificate beside it"));
        }
        let issuer = Issuer::from_ca_cert_der(&der, pair).map_err(|e| unreadable(&crt, &e))?;
        let pem = String::from_utf8(read(&crt)?).map_err(|e| unreadable(&crt, &e))?;
        Ok(Self { name, crt, der, pem, issuer })
    }

    fn crl(&self) -> PathBuf {
        self.crt.with_extension("crl")
    }

    /// When it ends, in seconds since 1970.
    pub(super) fn not_after(&self) -> Result<i64, PkiError> {
        Ok(parse(&self.crt, &self.der)?.validity().not_after.timestamp())
    }
}

fn only_one(dir: &Path) -> Result<String, PkiError> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .map_err(|source| PkiError::File { path: dir.to_owned(), source })?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "crl"))
        .filter(|path| path.with_extension("crt").exists() && path.with_extension("key").exists())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    match names.len() {
        0 => Err(PkiError::NoAuthority { dir: dir.to_owned() }),
        1 => Ok(names.remove(0)),
        _ => Err(PkiError::SeveralAuthorities { dir: dir.to_owned(), names }),
    }
}

fn sign_list(
    issuer: &Issuer<'_, KeyPair>,
    number: u64,
    revoked_certs: Vec<RevokedCertParams>,
    now: u64,
) -> Result<String, PkiError> {
    let params = CertificateRevocationListParams {
        this_update: at!(now),
        next_update: at!(now.saturating_add(days(CRL_DAYS))),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(params.signed_by(issuer)?.pem()?)
}

fn entry_of(serial: &[u8], when: u64) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: at!(when),
        reason_code: None,
        invalidity_date: None,
    }
}

fn authority_key<'a>(cert: &X509Certificate<'a>) -> Option<&'a [u8]> {
    cert.iter_extensions().find_map(|one| match one.parsed_extension() {
        x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|k| k.0),
        _ => None,
    })
}

fn subject_key<'a>(cert: &X509Certificate<'a>) -> Option<&'a [u8]> {
    cert.iter_extensions().find_map(|one| match one.parsed_extension() {
        x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    })
}

pub(super) fn parse<'a>(path: &Path, der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    X509Certificate::from_der(der).map(|(_, cert)| cert).map_err(|e| unreadable(path, &e))
}

fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(&read(path)?).map_err(|e| unreadable(path, &e))
}

fn read(path: &Path) -> Result<Vec<u8>, PkiError> {
    std::fs::read(path).map_err(|source| PkiError::File { path: path.to_owned(), source })
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> PkiError {
    PkiError::Unreadable { path: path.to_owned(), why: why.to_string() }
}

/// So many days in seconds.
pub(super) fn days(n: u32) -> u64 {
    u64::from(n).saturating_mul(86_400)
}

/// Nothing is written where one of `paths` is taken.
pub(super) fn refuse_existing(paths: &[&PathBuf]) -> Result<(), PkiError> {
    paths
        .iter()
        .find(|path| path.symlink_metadata().is_ok())
        .map_or(Ok(()), |path| Err(PkiError::Exists((*path).clone())))
}

/// Writes all files or none: what was made is removed again when a later one fails.
pub(super) fn write_all(files: &[(&PathBuf, &str, u32)]) -> Result<(), PkiError> {
    for (n, (path, text, mode)) in files.iter().enumerate() {
        if let Err(fault) = write_new(path, text, *mode) {
            for (made, _, _) in files.iter().take(n) {
                // The first fault is the one to tell; a file that cannot be removed is found by the next `Exists`.
                let _ = std::fs::remove_file(made);
            }
            return Err(fault);
        }
    }
    Ok(())
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), PkiError> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => PkiError::Exists(path.to_owned()),
        _ => PkiError::File { path: path.to_owned(), source },
    })
}

/// Beside it, then over it: a reader sees the old list or the new one.
fn replace(path: &Path, text: &str) -> Result<(), PkiError> {
    let fresh = path.with_extension("crl.new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().map_err(|source| PkiError::File { path: path.to_owned(), source })
}
