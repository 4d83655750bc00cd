//! Functions of the prelude that the engine computes itself, without the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use num_bigint::BigInt;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::value::{Map, Value};

/// Runs a function; an error is a `ValueError` of the expression.
pub(super) fn run(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match (name, arguments) {
        ("address", [Value::Text(text)]) => parse_address(text).map(address),
        ("address", [Value::Int(value)]) if *value >= 0 => match u32::try_from(*value) {
            Ok(value) => Ok(address(Ipv4Addr::from(value).into())),
            Err(_) => Ok(address(Ipv6Addr::from(u128::from(value.unsigned_abs())).into())),
        },
        ("address", [other]) => Err(format!("{} does not appear to be an IPv4 or IPv6 address", show(other))),
        ("network", [Value::Text(text), strict]) => {
            let (first, prefix) = parse_network(text, strict.truth())?;
            Ok(network(first, prefix))
        }
        ("network", [other, _]) => Err(format!("{} does not appear to be an IPv4 or IPv6 network", show(other))),
        ("slugify", [Value::Text(text)]) => Ok(Value::Text(slugify(text))),
        ("hash", [Value::Text(name), key, Value::Bytes(data)]) => {
            let key = match key {
                Value::Bytes(key) => Some(&key[..]),
                _ => None,
            };
            hash(name, key, data).map(Value::Bytes)
        }
        ("hash", _) => Err("hashes are of bytes; encode the text first".to_owned()),
        ("quote", [text, Value::Text(safe)]) => Ok(Value::Text(quote(text, safe)?)),
        ("unquote", [Value::Text(text)]) => Ok(Value::Text(unquote(text))),
        ("uuid5", [Value::Text(namespace), Value::Text(name)]) => {
            let namespace = uuid::Uuid::parse_str(namespace).map_err(|error| error.to_string())?;
            Ok(Value::Text(uuid::Uuid::new_v5(&namespace, name.as_bytes()).simple().to_string()))
        }
        _ => Err(format!("wrong arguments for {name}")),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("'{text}'"),
        Value::None => "None".to_owned(),
        other => other.to_json().to_string(),
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("'{text}' does not appear to be an IPv4 or IPv6 address"))
}

fn parse_network(text: &str, strict: bool) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("'{text}' does not appear to be an IPv4 or IPv6 network");
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => longest,
        Some(prefix) => match prefix.parse::<u8>() {
            Ok(prefix) if prefix <= longest => prefix,
            Ok(_) => return Err(wrong()),
            // A netmask, as `255.255.255.0`, or a host mask.
            Err(_) => {
                let mask = u32::from(prefix.parse::<Ipv4Addr>().map_err(|_| wrong())?);
                let mask = if mask.leading_ones() == 0 && mask != 0 { !mask } else { mask };
                if !address.is_ipv4() || mask.leading_ones() + mask.trailing_zeros() != 32 && mask != u32::MAX {
                    return Err(wrong());
                }
                u8::try_from(mask.leading_ones()).map_err(|_| wrong())?
            }
        },
    };
    let (first, _) = bounds(address, prefix);
    if strict && first != address {
        return Err(format!("{text} has host bits set"));
    }
    Ok((first, prefix))
}

/// The first and the last address of a network.
fn bounds(address: IpAddr, prefix: u8) -> (IpAddr, IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            let address = u32::from(address);
            (Ipv4Addr::from(address & !host).into(), Ipv4Addr::from(address | host).into())
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
            let address = u128::from(address);
            (Ipv6Addr::from(address & !host).into(), Ipv6Addr::from(address | host).into())
        }
    }
}

fn within(address: IpAddr, networks: &[(IpAddr, u8)]) -> bool {
    networks.iter().any(|(network, prefix)| {
        network.is_ipv4() == address.is_ipv4() && {
            let (first, last) = bounds(*network, *prefix);
            first <= address && address <= last
        }
    })
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(first: u16, second: u16, third: u16, fourth: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(first, second, third, fourth, 0, 0, 0, 0))
}

/// The special-purpose registries as Python reads them.
const PRIVATE: &[(IpAddr, u8)] = &[
    (v4(0, 0, 0, 0), 8),
    (v4(10, 0, 0, 0), 8),
    (v4(127, 0, 0, 0), 8),
    (v4(169, 254, 0, 0), 16),
    (v4(172, 16, 0, 0), 12),
    (v4(192, 0, 0, 0), 29),
    (v4(192, 0, 0, 170), 31),
    (v4(192, 0, 2, 0), 24),
    (v4(192, 168, 0, 0), 16),
    (v4(198, 18, 0, 0), 15),
    (v4(198, 51, 100, 0), 24),
    (v4(203, 0, 113, 0), 24),
    (v4(240, 0, 0, 0), 4),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
    (v6(0x100, 0, 0, 0), 64),
    (v6(0x2001, 0, 0, 0), 23),
    (v6(0x2001, 0xdb8, 0, 0), 32),
    (v6(0xfc00, 0, 0, 0), 7),
    (v6(0xfe80, 0, 0, 0), 10),
];
const SHARED: &[(IpAddr, u8)] = &[(v4(100, 64, 0, 0), 10)];
const LINK_LOCAL: &[(IpAddr, u8)] = &[(v4(169, 254, 0, 0), 16), (v6(0xfe80, 0, 0, 0), 10)];
const RESERVED: &[(IpAddr, u8)] = &[
    (v4(240, 0, 0, 0), 4),
    (v6(0, 0, 0, 0), 8),
    (v6(0x100, 0, 0, 0), 8),
    (v6(0x200, 0, 0, 0), 7),
    (v6(0x400, 0, 0, 0), 6),
    (v6(0x800, 0, 0, 0), 5),
    (v6(0x1000, 0, 0, 0), 4),
    (v6(0x4000, 0, 0, 0), 3),
    (v6(0x6000, 0, 0, 0), 3),
    (v6(0x8000, 0, 0, 0), 3),
    (v6(0xa000, 0, 0, 0), 3),
    (v6(0xc000, 0, 0, 0), 3),
    (v6(0xe000, 0, 0, 0), 4),
    (v6(0xf000, 0, 0, 0), 5),
    (v6(0xf800, 0, 0, 0), 6),
    (v6(0xfe00, 0, 0, 0), 9),
];

/// What the prelude's address is made of.
pub(super) fn address(address: IpAddr) -> Value {
    let mapped = match address {
        IpAddr::V6(address) => address.to_ipv4_mapped(),
        IpAddr::V4(_) => None,
    };
    // Python asks a mapped address whether what it maps is private.
    let judged = mapped.map_or(address, IpAddr::V4);
    let private = within(judged, PRIVATE);
    let (version, int, packed, exploded) = match address {
        IpAddr::V4(address) => (4, u128::from(u32::from(address)), address.octets().to_vec(), address.to_string()),
        IpAddr::V6(address) => {
            let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:04x}")).collect();
            (6, u128::from(address), address.octets().to_vec(), groups.join(":"))
        }
    };
    Value::Map(Map::from_iter([
        ("version".to_owned(), Value::Int(version)),
        ("text".to_owned(), Value::Text(compressed(address))),
        ("exploded".to_owned(), Value::Text(exploded)),
        ("packed".to_owned(), Value::Bytes(packed)),
        ("int".to_owned(), number(int)),
        ("is_private".to_owned(), Value::Bool(private)),
        ("is_global".to_owned(), Value::Bool(!private && !within(judged, SHARED))),
        ("is_loopback".to_owned(), Value::Bool(address.is_loopback())),
        ("is_multicast".to_owned(), Value::Bool(address.is_multicast())),
        ("is_link_local".to_owned(), Value::Bool(within(address, LINK_LOCAL))),
        ("is_unspecified".to_owned(), Value::Bool(address.is_unspecified())),
        ("is_reserved".to_owned(), Value::Bool(within(address, RESERVED))),
        ("ipv4_mapped".to_owned(), mapped.map(|mapped| mapped.to_string()).into()),
    ]))
}

/// Python writes mapped addresses in groups throughout.
fn compressed(address: IpAddr) -> String {
    match address {
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(_) => {
                let groups = address.segments();
                format!("::ffff:{:x}:{:x}", groups[6], groups[7])
            }
            None => address.to_string(),
        },
        IpAddr::V4(address) => address.to_string(),
    }
}

/// What the prelude's network is made of.
pub(super) fn network(first: IpAddr, prefix: u8) -> Value {
    let (first, last) = bounds(first, prefix);
    Value::Map(Map::from_iter([
        ("version".to_owned(), Value::Int(if first.is_ipv4() { 4 } else { 6 })),
        ("prefixlen".to_owned(), Value::Int(i64::from(prefix))),
        ("first".to_owned(), address(first)),
        ("last".to_owned(), address(last)),
    ]))
}

/// Letters without their marks, digits, underscores; everything between becomes one hyphen.
fn slugify(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for character in text.chars().flat_map(plain_letter) {
        match character {
            'a'..='z' | '0'..='9' | '_' => slug.push(character),
            'A'..='Z' => slug.push(character.to_ascii_lowercase()),
            '-' => slug.push('-'),
            _ if character.is_whitespace() => slug.push('-'),
            _ => {}
        }
    }
    let mut out = String::with_capacity(slug.len());
    for character in slug.chars() {
        if character != '-' || !out.ends_with('-') {
            out.push(character);
        }
    }
    out.trim_matches(['-', '_']).to_owned()
}

/// The letter that remains when its marks are taken away.
fn plain_letter(character: char) -> Option<char> {
    const MARKED: &[(&str, char)] = &[
        ("àáâãäåāăą", 'a'),
        ("çćĉċč", 'c'),
        ("ďđ", 'd'),
        ("èéêëēĕėęě", 'e'),
        ("ĝğġģ", 'g'),
        ("ĥ", 'h'),
        ("ìíîïĩīĭį", 'i'),
        ("ĵ", 'j'),
        ("ķ", 'k'),
        ("ĺļľ", 'l'),
        ("ñńņň", 'n'),
        ("òóôõöōŏő", 'o'),
        ("ŕŗř", 'r'),
        ("śŝşšș", 's'),
        ("ţťț", 't'),
        ("ùúûüũūŭůűų", 'u'),
        ("ŵ", 'w'),
        ("ýÿŷ", 'y'),
        ("źżž", 'z'),
    ];
    if character.is_ascii() || character.is_whitespace() {
        return Some(character);
    }
    let lower = character.to_lowercase().next()?;
    MARKED.iter().find(|(marked, _)| marked.contains(lower)).map(|(_, plain)| *plain)
}

fn hash(name: &str, key: Option<&[u8]>, data: &[u8]) -> Result<Vec<u8>, String> {
    macro_rules! with {
        ($hash:ty) => {
            match key {
                None => <$hash>::digest(data).to_vec(),
                Some(key) => {
                    let mut mac = Hmac::<$hash>::new_from_slice(key).map_err(|error| error.to_string())?;
                    mac.update(data);
                    mac.finalize().into_bytes().to_vec()
                }
            }
        };
    }
    Ok(match name {
        "md5" => with!(Md5),
        "sha1" => with!(Sha1),
        "sha224" => with!(Sha224),
        "sha256" => with!(Sha256),
        "sha384" => with!(Sha384),
        "sha512" => with!(Sha512),
        _ => return Err(format!("unsupported hash type {name}")),
    })
}

fn quote(text: &Value, safe: &str) -> Result<String, String> {
    let bytes = match text {
        Value::Text(text) => text.as_bytes(),
        Value::Bytes(bytes) => bytes,
        other => return Err(format!("quote() wants text, not {}", show(other))),
    };
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        let character = char::from(*byte);
        if character.is_ascii_alphanumeric()
            || "_.-~".contains(character)
            || (byte.is_ascii() && safe.contains(character))
        {
            out.push(character);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(out)
}

fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = bytes
            .get(at + 1..at + 3)
            .filter(|_| *byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A whole number as a value.
fn number(number: u128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::Big(BigInt::from(number)), Value::Int)
}
