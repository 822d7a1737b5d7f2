//! How does a peer, a device or the gate itself get its certificate?

use std::{net::IpAddr, path::Path};

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, string::Ia5String,
};

use super::{
    BACKDATED, MODBUS_ROLE_OID, Made, PkiError,
    authority::{Authority, at, days, refuse_existing, write_all},
    check_name, unix_now,
};

/// What a certificate shall say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Its file name; also the CN, which nobody reads.
    pub name: String,
    /// URI names.
    pub uris: Vec<String>,
    /// DNS names.
    pub dnss: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
    /// The Modbus role, where the peer shall carry one.
    pub role: Option<String>,
    /// Days that it lives; [`super::DEFAULT_DAYS`] is the usual number.
    pub days: u32,
    /// A server too: listeners, devices, and a gate that also dials.
    pub server: bool,
}

/// Issues `request` from the CA `ca_name` in `dir`, or from the only one there: `N.crt` (with chain) and `N.key`.
///
/// # Errors
/// A request that makes no sense, no CA, an existing file, or a disk that refuses.
pub fn issue(dir: &Path, ca_name: Option<&str>, request: &Request) -> Result<Made, PkiError> {
    check_name(&request.name)?;
    let sans = names(request)?;
    let role = request.role.as_deref().map(role_extension).transpose()?;
    let ca = Authority::read(dir, ca_name)?;
    let [crt, key] = ["crt", "key"].map(|end| dir.join(format!("{}.{end}", request.name)));
    refuse_existing(&[&crt, &key])?;

    let now = unix_now();
    let ends = now.saturating_add(days(request.days));
    let left = ca.not_after()?.saturating_sub_unsigned(now);
    if request.days == 0 || i64::try_from(days(request.days)).map_or(true, |asked| asked > left) {
        return Err(PkiError::BadDays { days: request.days, name: ca.name, left: left.max(0) / 86_400 });
    }

    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, &request.name);
    params.subject_alt_names = sans;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = if request.server {
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
    } else {
        vec![ExtendedKeyUsagePurpose::ClientAuth]
    };
    params.use_authority_key_identifier_extension = true;
    params.custom_extensions.extend(role);
    params.not_before = at!(now.saturating_sub(BACKDATED));
    params.not_after = at!(ends);
    let cert = params.signed_by(&pair, &ca.issuer)?;

    let chain = format!("{}{}", cert.pem(), ca.pem);
    write_all(&[(&key, &pair.serialize_pem(), 0o600), (&crt, &chain, 0o644)])?;
    Ok(Made { files: vec![crt, key] })
}

/// Exactly the names that were asked for.
fn names(request: &Request) -> Result<Vec<SanType>, PkiError> {
    let mut sans = Vec::new();
    for uri in &request.uris {
        let scheme = uri.split_once(':').is_some_and(|(scheme, rest)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
                && !rest.is_empty()
        });
        if !scheme || uri.contains(|c: char| c.is_ascii_control() || c == ' ') {
            return Err(PkiError::BadSan {
                kind: "URI",
                name: uri.clone(),
                why: "write scheme:rest, like spiffe://plant/pump-1",
            });
        }
        sans.push(SanType::URI(ia5("URI", uri)?));
    }
    for dns in &request.dnss {
        let label = |l: &str| {
            !l.is_empty() && l.len() <= 63 && l.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        if dns.len() > 253 || !dns.split('.').all(label) {
            return Err(PkiError::BadSan {
                kind: "DNS name",
                name: dns.clone(),
                why: "write labels with dots between, without wildcards",
            });
        }
        sans.push(SanType::DnsName(ia5("DNS name", &dns.to_ascii_lowercase())?));
    }
    sans.extend(request.ips.iter().copied().map(SanType::IpAddress));
    if sans.is_empty() { Err(PkiError::NoNames) } else { Ok(sans) }
}

fn ia5(kind: &'static str, name: &str) -> Result<Ia5String, PkiError> {
    Ia5String::try_from(name).map_err(|_| PkiError::BadSan {
        kind,
        name: name.to_owned(),
        why: "only ASCII can stand there",
    })
}

/// Modbus/TCP Security: the role is one UTF8String in an extension of its own, not critical (rustls would refuse the handshake).
fn role_extension(role: &str) -> Result<CustomExtension, PkiError> {
    let length = u8::try_from(role.len()).ok().filter(|n| (1..=64).contains(n));
    let Some(length) = length.filter(|_| !role.contains(char::is_control)) else {
        return Err(PkiError::BadRole(role.to_owned()));
    };
    const UTF8_STRING: u8 = 0x0c;
    let mut content = vec![UTF8_STRING, length];
    content.extend_from_slice(role.as_bytes());
    Ok(CustomExtension::from_oid_content(MODBUS_ROLE_OID, content))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, process::Command};

    use super::{super::*, *};

    fn request(name: &str) -> Request {
        Request { name: name.to_owned(), days: DEFAULT_DAYS, ..Request::default() }
    }

    fn openssl(dir: &Path, args: &[&str]) -> (bool, String) {
        let out = Command::new("openssl").current_dir(dir).args(args).output().expect("openssl is installed");
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        (out.status.success(), text)
    }

    fn plant() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary directory");
        init(dir.path(), "plant").expect("a fresh directory");
        dir
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it was written").permissions().mode() & 0o777
    }

    #[test]
    fn openssl_accepts_what_we_make() {
        let dir = plant();
        let d = dir.path();
        let made = issue(
            d,
            None,
            &Request {
                uris: vec!["spiffe://north/scada-1".into()],
                dnss: vec!["SCADA-1.north".into()],
                ips: vec!["10.30.0.5".parse().expect("an address")],
                role: Some("Operator".into()),
                ..request("scada-1")
            },
        )
        .expect("a good request");
        assert_eq!(made.files, [d.join("scada-1.crt"), d.join("scada-1.key")]);
        assert_eq!(mode(&d.join("scada-1.key")), 0o600);
        assert_eq!(mode(&d.join("plant.key")), 0o600);

        let (good, text) =
            openssl(d, &["crl", "-in", "plant.crl", "-CAfile", "plant.crt", "-noout", "-verify", "-crlnumber"]);
        assert!(good && text.contains("verify OK"), "{text}");
        let with_list = ["-crl_check", "-CRLfile", "plant.crl", "-CAfile", "plant.crt", "scada-1.crt"];
        let (good, text) = openssl(d, &[&["verify", "-x509_strict", "-purpose", "sslclient"], &with_list[..]].concat());
        assert!(good, "{text}");
        let (good, text) = openssl(d, &[&["verify", "-purpose", "sslserver"], &with_list[..]].concat());
        assert!(!good, "a client certificate must not serve: {text}");
        let (_, text) = openssl(d, &["x509", "-in", "scada-1.crt", "-noout", "-text"]);
        for part in [
            "URI:spiffe://north/scada-1, DNS:scada-1.north, IP Address:10.30.0.5",
            "1.3.6.1.4.1.50316.802.1",
            "Operator",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let chain = std::fs::read_to_string(d.join("scada-1.crt")).expect("it was written");
        assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    }

    #[test]
    fn a_server_may_also_dial() {
        let dir = plant();
        let d = dir.path();
        issue(d, Some("plant"), &Request { dnss: vec!["gw".into()], server: true, ..request("gateway") })
            .expect("good");
        for purpose in ["sslserver", "sslclient"] {
            let (good, text) = openssl(d, &["verify", "-purpose", purpose, "-CAfile", "plant.crt", "gateway.crt"]);
            assert!(good, "{text}");
        }
    }

    #[test]
    fn revoking_takes_effect_at_once_and_counts_up() {
        let dir = plant();
        let d = dir.path();
        for name in ["one", "two"] {
            issue(d, None, &Request { dnss: vec![name.into()], ..request(name) }).expect("good");
        }
        revoke(d, Some("plant"), &d.join("one.crt")).expect("ours");
        let check =
            |name: &str| openssl(d, &["verify", "-crl_check", "-CRLfile", "plant.crl", "-CAfile", "plant.crt", name]);
        let (good, text) = check("one.crt");
        assert!(!good && text.contains("certificate revoked"), "{text}");
        assert!(check("two.crt").0);

        assert!(matches!(revoke(d, Some("plant"), &d.join("one.crt")), Err(PkiError::AlreadyRevoked(_))));
        revoke(d, Some("plant"), &d.join("two.crt")).expect("ours");
        assert!(!check("one.crt").0, "an older revocation must survive");
        let (_, text) = openssl(d, &["crl", "-in", "plant.crl", "-noout", "-crlnumber"]);
        assert!(text.to_ascii_lowercase().contains("=0x03") || text.contains("=03"), "{text}");

        renew_list(d, None).expect("the only authority there");
        assert!(!check("one.crt").0 && !check("two.crt").0, "a renewed list takes nothing back");
        let (_, text) = openssl(d, &["crl", "-in", "plant.crl", "-noout", "-crlnumber"]);
        assert!(text.to_ascii_lowercase().contains("=0x04") || text.contains("=04"), "{text}");
    }

    #[test]
    fn another_authority_cannot_revoke_it() {
        let dir = plant();
        let other = plant();
        issue(other.path(), None, &Request { dnss: vec!["one".into()], ..request("one") }).expect("good");
        let refused = revoke(dir.path(), Some("plant"), &other.path().join("one.crt"));
        assert!(matches!(refused, Err(PkiError::NotOurs { .. })), "{refused:?}");
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = plant();
        let d = dir.path();
        let before = std::fs::read(d.join("plant.key")).expect("it was written");
        assert!(matches!(init(d, "plant"), Err(PkiError::Exists(_))));
        let again = Request { dnss: vec!["x".into()], ..request("plant") };
        assert!(matches!(issue(d, None, &again), Err(PkiError::Exists(_))));
        assert_eq!(before, std::fs::read(d.join("plant.key")).expect("it is still there"));

        std::fs::write(d.join("half.crt"), "mine").expect("writable");
        let half = Request { dnss: vec!["x".into()], ..request("half") };
        assert!(matches!(issue(d, None, &half), Err(PkiError::Exists(_))));
        assert!(!d.join("half.key").exists(), "all or nothing");
    }

    #[test]
    fn senseless_requests_say_why() {
        let dir = plant();
        let d = dir.path();
        assert!(matches!(issue(d, None, &request("nobody")), Err(PkiError::NoNames)));
        let bad = |change: &dyn Fn(&mut Request)| {
            let mut asked = Request { dnss: vec!["x".into()], ..request("x") };
            change(&mut asked);
            issue(d, None, &asked).expect_err("it makes no sense")
        };
        assert!(matches!(bad(&|r| r.name = "../x".into()), PkiError::BadName(_)));
        assert!(matches!(bad(&|r| r.name = String::new()), PkiError::BadName(_)));
        assert!(matches!(bad(&|r| r.uris.push("no-scheme".into())), PkiError::BadSan { .. }));
        assert!(matches!(bad(&|r| r.dnss.push("*.plant".into())), PkiError::BadSan { .. }));
        assert!(matches!(bad(&|r| r.role = Some(String::new())), PkiError::BadRole(_)));
        assert!(matches!(bad(&|r| r.days = 0), PkiError::BadDays { .. }));
        assert!(matches!(bad(&|r| r.days = 4000), PkiError::BadDays { .. }));
        assert!(!d.join("x.crt").exists());
    }

    #[test]
    fn the_authority_is_found_or_asked_for() {
        let empty = tempfile::tempdir().expect("a temporary directory");
        let one = Request { dnss: vec!["x".into()], ..request("x") };
        assert!(matches!(issue(empty.path(), None, &one), Err(PkiError::NoAuthority { .. })));
        let dir = plant();
        init(dir.path(), "other").expect("another name");
        let told = issue(dir.path(), None, &one).expect_err("two authorities").to_string();
        assert!(told.contains("other, plant"), "{told}");
        issue(dir.path(), Some("other"), &one).expect("it was said which");
    }
}
