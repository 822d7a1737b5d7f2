//! Which Modbus role does a certificate carry? (Modbus/TCP Security, the role extension)
//!
//! The extension confers a role only when it is there once and is one UTF8String with text in it. Anything else confers nothing
//! and is alarmed: somebody's PKI makes certificates that other gateways may read differently.

use x509_parser::{
    asn1_rs::{Oid, oid},
    prelude::X509Certificate,
};

const ROLE: Oid<'static> = oid!(1.3.6.1.4.1.50316.802.1);
const UTF8_STRING: u8 = 0x0c;
/// The longest role that is read: one length byte of DER says it.
const LONGEST: usize = 127;

/// What the extension says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// There is none.
    Absent,
    /// One role.
    One(String),
    /// It confers nothing, and somebody should know.
    Bad(&'static str),
}

/// Reads the extension of `cert`.
pub(super) fn read(cert: &X509Certificate<'_>) -> Role {
    let mut found = cert.iter_extensions().filter(|extension| extension.oid == ROLE);
    let Some(one) = found.next() else {
        return Role::Absent;
    };
    if found.next().is_some() {
        return Role::Bad("the role extension stands there twice");
    }
    text(one.value).map_or_else(Role::Bad, Role::One)
}

/// One DER UTF8String and nothing after it.
fn text(der: &[u8]) -> Result<String, &'static str> {
    let [tag, length, rest @ ..] = der else {
        return Err("the role extension is empty");
    };
    if *tag != UTF8_STRING {
        return Err("the role extension is no UTF8String");
    }
    if rest.is_empty() && *length == 0 {
        return Err("the role extension names no role");
    }
    if usize::from(*length) != rest.len() || rest.len() > LONGEST {
        return Err("the role extension is longer or shorter than it says");
    }
    let role = std::str::from_utf8(rest).map_err(|_| "the role extension is no UTF-8")?;
    if role.trim().is_empty() || role.contains(char::is_control) {
        return Err("the role extension names no role");
    }
    Ok(role.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_whole_utf8_string_is_a_role() {
        assert_eq!(text(b"\x0c\x08Operator"), Ok("Operator".to_owned()));
        let bad: [&[u8]; 10] = [
            b"",
            b"\x0c",
            b"\x0c\x00",
            b"\x0c\x03   ",
            b"\x13\x08Operator",
            b"\x0c\x09Operator",
            b"\x0c\x07Operator",
            b"\x0c\x81\x08Operator",
            b"\x0c\x02\xff\xfe",
            b"\x30\x0a\x0c\x08Operator",
        ];
        for der in bad {
            assert!(text(der).is_err(), "{der:?}");
        }
    }
}
