//! What should have been written for a value that is not of its kind, or that cannot be read?

use std::net::IpAddr;

use sluicegate_proto::keys::Kind;

use super::tree::{Node, Value};

/// What to write for a value of the wrong kind.
pub(super) fn kind(expected: Kind, node: &Node) -> Option<String> {
    let help = match (expected, &node.value) {
        (Kind::Bool, Value::Text(word)) => match word.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => "write true, without quotes".to_owned(),
            "false" | "no" | "off" | "0" => "write false, without quotes".to_owned(),
            _ => "write true or false, without quotes".to_owned(),
        },
        (Kind::Bool, _) => "write true or false".to_owned(),
        (Kind::Int(..) | Kind::Tenths(..), Value::Text(text)) if text.parse::<f64>().is_ok() => {
            format!("write {text}, without quotes")
        }
        (Kind::Ints(..), Value::Int(int)) => format!("write [{int}]"),
        (Kind::Texts | Kind::Names | Kind::Sentences | Kind::Networks, Value::Text(text)) => {
            format!("write [\"{text}\"]")
        }
        (Kind::Duration, Value::Int(int)) => format!("write its unit, in quotes: \"{int}s\""),
        (Kind::Rate, Value::Int(int)) => format!("write for which time, in quotes: \"{int}/s\""),
        (Kind::Address, Value::Int(port)) => {
            format!("write the address and the port, in quotes: \"10.30.0.2:{port}\"")
        }
        (Kind::Text | Kind::Name | Kind::Path | Kind::Word(_), Value::Int(int)) => format!("write \"{int}\""),
        (Kind::Text | Kind::Word(_), Value::Bool(on)) => format!("write \"{on}\""),
        _ => format!("write it like {}", example(expected)),
    };
    Some(help)
}

/// How a value of this kind looks.
pub(super) fn example(kind: Kind) -> String {
    match kind {
        Kind::Bool => "true".to_owned(),
        Kind::Int(low, _) => low.to_string(),
        Kind::Tenths(..) => "3".to_owned(),
        Kind::Text | Kind::Name | Kind::Path => "\"...\"".to_owned(),
        Kind::Word(words) => format!("\"{}\"", words.first().copied().unwrap_or_default()),
        Kind::Duration => "\"5s\"".to_owned(),
        Kind::Rate => "\"100/s burst 20\"".to_owned(),
        Kind::ByteRate => "\"4MiB/s\"".to_owned(),
        Kind::OneOrTexts => "\"10.10.1.20:502\"".to_owned(),
        Kind::Ints(low, _) => format!("[{}]", low.max(1)),
        Kind::Texts | Kind::Names => "[\"...\"]".to_owned(),
        Kind::IntMap(..) => "{ 255 = 1 }".to_owned(),
        Kind::Sentences => "[\"hmi read holding 0-99\"]".to_owned(),
        Kind::Address => "\"10.30.0.2:802\"".to_owned(),
        Kind::Networks => "[\"10.30.0.0/24\"]".to_owned(),
        Kind::Table => "{ key = \"...\" }".to_owned(),
    }
}

/// The nearest name to a text that is none.
pub(super) fn name(text: &str) -> Option<String> {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let plain: String = text.trim().chars().map(fits).take(32).collect();
    let plain = plain.trim_matches('-').to_owned();
    (text.is_ascii() && !plain.is_empty()).then(|| format!("write {plain}: a name has 1 to 32 of a-z, 0-9 and -"))
}

/// `300`, `5min`, `500 ms`, `2 hours`: with the unit as it is written here.
pub(super) fn duration(text: &str) -> Option<String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    if digits.is_empty() {
        return None;
    }
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" => return Some(format!("write its unit: {digits}s, or ms, m, h, d")),
        "ms" | "msec" | "msecs" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    Some(format!("write {digits}{unit}"))
}

/// `50 per second`, `200/m`, `256KB/s`: as it is written here.
pub(super) fn rate(text: &str, bytes: bool) -> Option<String> {
    let plain = text.trim().to_ascii_lowercase().replace(" per ", "/");
    let (rate, burst) = plain.split_once(" burst ").map_or((plain.as_str(), None), |(rate, burst)| (rate, Some(burst)));
    let (amount, per) = rate.split_once('/')?;
    let per = match per.trim() {
        "s" | "sec" | "second" => "s",
        "m" | "min" | "minute" => "min",
        "h" | "hr" | "hour" => "h",
        _ => return None,
    };
    let written = |amount: &str| {
        let amount = amount.trim();
        let split = amount.find(|c: char| !c.is_ascii_digit()).unwrap_or(amount.len());
        let (digits, unit) = amount.split_at(split);
        let unit = match unit.trim() {
            "" => "",
            "k" | "kb" | "kib" if bytes => "KiB",
            "m" | "mb" | "mib" if bytes => "MiB",
            "g" | "gb" | "gib" if bytes => "GiB",
            _ => return None,
        };
        (!digits.is_empty() && digits.bytes().any(|one| one != b'0')).then(|| format!("{digits}{unit}"))
    };
    let amount = written(amount)?;
    match burst.map(written) {
        None => Some(format!("write {amount}/{per}")),
        Some(burst) => Some(format!("write {amount}/{per} burst {}", burst?)),
    }
}

/// `10.30.0.2`, `localhost:802`, `:802`: an address of this machine and a port.
pub(super) fn bind(text: &str) -> Option<String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(format!("write {}", std::net::SocketAddr::new(ip, 802)));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    Some(match host {
        "" | "*" => format!("write 0.0.0.0:{port} for all addresses of this machine, or one of them"),
        "localhost" => format!("write 127.0.0.1:{port}"),
        _ => format!("write an address of this machine, and no name: 10.30.0.2:{port}"),
    })
}

/// `10.30.0.0/255.255.255.0`: with the length of its prefix.
pub(super) fn network(text: &str) -> Option<String> {
    let (base, mask) = text.split_once('/')?;
    let (base, mask): (std::net::Ipv4Addr, std::net::Ipv4Addr) = (base.parse().ok()?, mask.parse().ok()?);
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() == 32 || bits == 0)
        .then(|| format!("write {base}/{}", bits.leading_ones()))
}

/// `tcp://10.10.1.20:502`, `10.10.1.20`: what can be dialled.
pub(super) fn dialled(text: &str) -> Option<String> {
    let plain = ["tcp://", "modbus://", "http://", "tcp:"].iter().find_map(|one| text.strip_prefix(one));
    let plain = plain.unwrap_or(text).trim_end_matches('/');
    if super::scalar::undialled(plain).is_none() {
        return (plain != text).then(|| format!("write {plain}"));
    }
    let with_port = match plain.parse::<IpAddr>() {
        Ok(ip) => std::net::SocketAddr::new(ip, 502).to_string(),
        Err(_) => format!("{plain}:502"),
    };
    super::scalar::undialled(&with_port).is_none().then(|| format!("write its port too: {with_port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_our_units() {
        for (wrong, help) in [
            ("300", Some("write its unit: 300s, or ms, m, h, d")),
            ("5min", Some("write 5m")),
            ("500 ms", Some("write 500ms")),
            ("2 Hours", Some("write 2h")),
            ("soon", None),
            ("5 fortnights", None),
        ] {
            assert_eq!(duration(wrong).as_deref(), help, "{wrong}");
        }
    }

    #[test]
    fn rates_are_written_with_our_units() {
        for (wrong, bytes, help) in [
            ("50 per second", false, Some("write 50/s")),
            ("50/m", false, Some("write 50/min")),
            ("50/minute burst 5", false, Some("write 50/min burst 5")),
            ("256KB/s", true, Some("write 256KiB/s")),
            ("256KB/s", false, None),
            ("0/s", false, None),
            ("50", false, None),
        ] {
            assert_eq!(rate(wrong, bytes).as_deref(), help, "{wrong}");
        }
    }

    #[test]
    fn addresses_are_completed() {
        assert_eq!(bind("10.30.0.2").as_deref(), Some("write 10.30.0.2:802"));
        assert_eq!(bind("::1").as_deref(), Some("write [::1]:802"));
        assert_eq!(bind("localhost:80").as_deref(), Some("write 127.0.0.1:80"));
        assert_eq!(bind(":80").as_deref(), Some("write 0.0.0.0:80 for all addresses of this machine, or one of them"));
        assert_eq!(network("10.30.0.0/255.255.255.0").as_deref(), Some("write 10.30.0.0/24"));
        assert_eq!(network("10.30.0.0/255.0.255.0"), None);
        assert_eq!(dialled("tcp://10.10.1.20:502/").as_deref(), Some("write 10.10.1.20:502"));
        assert_eq!(dialled("10.10.1.20").as_deref(), Some("write its port too: 10.10.1.20:502"));
        assert_eq!(dialled("a b"), None);
    }
}
