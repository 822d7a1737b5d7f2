//! What do `5m`, `100/s burst 20`, `10.30.0.0/24` and `10.10.1.20:502` mean?

use std::{net::IpAddr, str::FromStr, time::Duration};

use super::fix;
use crate::plan::{Network, Rate};

/// Why a text cannot be read: what is wrong, and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wrong}")]
pub(crate) struct Unreadable {
    /// What is wrong.
    pub(crate) wrong: String,
    /// What to write.
    pub(crate) help: String,
}

fn unreadable(wrong: impl Into<String>, help: impl Into<String>) -> Unreadable {
    Unreadable { wrong: wrong.into(), help: help.into() }
}

/// Longer than a device serves; a sum of waits stays far from overflow.
const LONGEST: Duration = Duration::from_secs(3660 * 86_400);

/// `500ms 5s 5m 4h 2d`.
pub(crate) fn duration(text: &str) -> Result<Duration, Unreadable> {
    let help = fix::duration(text);
    let help = help.as_deref().unwrap_or("write a whole number and ms, s, m, h or d: 500ms, 5s, 5m, 4h, 2d");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let count: u64 = digits.parse().map_err(|_| unreadable("not a duration", help))?;
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        "" => return Err(unreadable("a duration without its unit", help)),
        _ => None,
    };
    let each: u64 = millis.ok_or_else(|| unreadable(format!("`{unit}` is no unit of time"), help))?;
    let wait = count.checked_mul(each).map(Duration::from_millis).filter(|wait| *wait <= LONGEST);
    wait.ok_or_else(|| unreadable("too long a duration", "the longest is ten years: 3660d"))
}

/// `100/s burst 20`, `200/min`; of bytes: `4MiB/s`, `256KiB/s burst 1MiB`. An absent burst is one second's worth.
pub(crate) fn rate(text: &str, bytes: bool) -> Result<Rate, Unreadable> {
    let help = fix::rate(text, bytes);
    let help = help.as_deref().unwrap_or(if bytes {
        "write an amount for each s, min or h: 256KiB/s, 4MiB/s burst 8MiB"
    } else {
        "write a number for each s, min or h: 100/s burst 20, 200/min"
    });
    let mut words = text.split_whitespace();
    let (amount, per) =
        words.next().and_then(|one| one.split_once('/')).ok_or_else(|| unreadable("not a rate", help))?;
    let count = tokens(amount, bytes).ok_or_else(|| unreadable(format!("`{amount}` is not an amount"), help))?;
    let seconds = match per {
        "s" => 1,
        "min" => 60,
        "h" => 3600,
        _ => return Err(unreadable(format!("`{per}` is not s, min or h"), help)),
    };
    let burst = match (words.next(), words.next(), words.next()) {
        (None, ..) => count.div_ceil(seconds),
        (Some("burst"), Some(burst), None) => {
            tokens(burst, bytes).ok_or_else(|| unreadable(format!("`{burst}` is not an amount"), help))?
        }
        _ => return Err(unreadable("not a rate", help)),
    };
    Ok(Rate { count, per: Duration::from_secs(seconds), burst })
}

/// At least one: a bucket that is never filled is a deny rule in disguise. At most 2^40, so that no product overflows.
fn tokens(text: &str, bytes: bool) -> Option<u64> {
    let scale = |text: &str, unit: &str, each: u64| Some((text.strip_suffix(unit)?.to_owned(), each));
    let scaled =
        scale(text, "KiB", 1 << 10).or_else(|| scale(text, "MiB", 1 << 20)).or_else(|| scale(text, "GiB", 1 << 30));
    let (digits, each) = match scaled {
        Some(scaled) if bytes => scaled,
        Some(_) => return None,
        None => (text.to_owned(), 1),
    };
    if !digits.bytes().all(|one| one.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(each).filter(|count| (1..=1 << 40).contains(count))
}

/// `10.30.0.0/24`, `fd00::/8`, or one address.
pub(crate) fn network(text: &str) -> Result<Network, Unreadable> {
    let help = fix::network(text);
    let help =
        help.as_deref().unwrap_or("write an address and a prefix length: 10.30.0.0/24, fd00::/8, or one address");
    let (base, prefix) = text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
    let base = IpAddr::from_str(base).map_err(|_| unreadable(format!("`{base}` is not an address"), help))?;
    let widest = if base.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => widest,
        Some(digits) => digits
            .parse::<u8>()
            .ok()
            .filter(|one| *one <= widest && !digits.starts_with('+'))
            .ok_or_else(|| unreadable(format!("`/{digits}` is not a prefix length up to {widest}"), help))?,
    };
    let network = Network { base: first_of(base, prefix), prefix };
    if network.base == base {
        return Ok(network);
    }
    Err(unreadable(
        "host bits are set",
        format!("write {}/{prefix} for the network, or {base} for the one address", network.base),
    ))
}

fn first_of(base: IpAddr, prefix: u8) -> IpAddr {
    match base {
        IpAddr::V4(one) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V4((u32::from(one) & mask).into())
        }
        IpAddr::V6(one) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            IpAddr::V6((u128::from(one) & mask).into())
        }
    }
}

/// An address and port to bind.
pub(crate) fn bind(text: &str) -> Result<std::net::SocketAddr, Unreadable> {
    let help = || fix::bind(text).unwrap_or_else(|| "write 10.30.0.2:802, or [fd00::2]:802".to_owned());
    text.parse().map_err(|_| unreadable("not an address and port", help()))
}

/// A `host:port` to dial: an address or a DNS name.
pub(crate) fn host_port(text: &str) -> Result<String, Unreadable> {
    let wrong = match undialled(text) {
        None => return Ok(text.to_owned()),
        Some(wrong) => wrong,
    };
    let help = "write an address or name and a port: 10.10.1.20:502, [fd00::20]:502, plc-1.plant:502";
    Err(unreadable(wrong, fix::dialled(text).unwrap_or_else(|| help.to_owned())))
}

/// Why this cannot be dialled, if it cannot.
pub(super) fn undialled(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return (address.port() == 0).then(|| "port 0 cannot be dialled".to_owned());
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Some("a port is missing".to_owned()) };
    if !matches!(port.parse::<u16>(), Ok(1..)) || port.starts_with('+') {
        return Some(format!("`{port}` is not a port"));
    }
    let number = host.bytes().all(|one| one.is_ascii_digit() || one == b'.');
    (!dns_name(host) || IpAddr::from_str(host).is_ok() || number)
        .then(|| format!("`{host}` is neither an address nor a name"))
}

/// Whether this is a DNS name: labels of letters, digits, `-` and `_`, at most 63 each, 253 in all.
pub(crate) fn dns_name(text: &str) -> bool {
    let label = |one: &str| {
        (1..=63).contains(&one.len())
            && one.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
            && !one.starts_with('-')
            && !one.ends_with('-')
    };
    (1..=253).contains(&text.len()) && text.split('.').all(label)
}

/// Whether this is a name: `[a-z0-9-]{1,32}`.
pub(crate) fn name(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_an_end() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "5", "s", "5 s", "-5s", "+5s", "5S", "1.5s", "5ss", "99999999999999999999s", "4000d", "5µs"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_absent_burst_is_one_seconds_worth() {
        let rate_of = |text| rate(text, false).map(|one| (one.count, one.per.as_secs(), one.burst));
        assert_eq!(rate_of("100/s burst 20"), Ok((100, 1, 20)));
        assert_eq!(rate_of("10/s"), Ok((10, 1, 10)));
        assert_eq!(rate_of("200/min"), Ok((200, 60, 4)));
        assert_eq!(rate_of("1/h"), Ok((1, 3600, 1)));
        assert_eq!(rate("4MiB/s", true).map(|one| one.burst), Ok(4 << 20));
        assert_eq!(rate("1KiB/s burst 2KiB", true).map(|one| (one.count, one.burst)), Ok((1024, 2048)));
        for wrong in ["", "100", "0/s", "100/m", "1.5/s", "100/s burst", "100/s burst 0", "100/s 20", "4MiB/s", "+1/s"]
        {
            assert!(rate(wrong, false).is_err(), "{wrong}");
        }
        assert!(rate("99999999999GiB/s", true).is_err());
    }

    #[test]
    fn a_network_has_no_host_bits() {
        let read = |text| network(text).map(|one| (one.base.to_string(), one.prefix));
        assert_eq!(read("10.30.0.0/24"), Ok(("10.30.0.0".to_owned(), 24)));
        assert_eq!(read("10.30.0.5"), Ok(("10.30.0.5".to_owned(), 32)));
        assert_eq!(read("0.0.0.0/0"), Ok(("0.0.0.0".to_owned(), 0)));
        assert_eq!(read("fd00::/8"), Ok(("fd00::".to_owned(), 8)));
        assert_eq!(read("::/0"), Ok(("::".to_owned(), 0)));
        for wrong in ["10.30.0.5/24", "10.30.0.0/33", "10.30.0/24", "10.30.0.0/", "10.30.0.0/+8", "fd00::1/64", "plant"]
        {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_dialled_has_a_host_and_a_port() {
        for right in ["10.10.1.20:502", "[fd00::20]:502", "plc-1.plant:802", "localhost:1"] {
            assert!(host_port(right).is_ok(), "{right}");
        }
        for wrong in
            ["10.10.1.20", "10.10.1.20:0", "10.10.1.20:70000", "fd00::20:502", ":502", "a b:502", "10.10.1:502", "h:+5"]
        {
            assert!(host_port(wrong).is_err(), "{wrong}");
        }
    }
}
