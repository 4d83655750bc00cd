//! Spellings of hosts.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

/// A host that is spelled in the one way that every program reads alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// In small letters, without a dot at its end.
    Name(String),
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Host {
    /// Reads a host as urls have it: a name, an IPv4 address, an IPv6 address with or without brackets. The error says
    /// what is odd about it.
    pub(super) fn read(text: &str) -> Result<Host, &'static str> {
        let bare = match text.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or("has a bracket that is not closed")?,
            None => text,
        };
        if let Ok(address) = bare.parse::<Ipv6Addr>() {
            return Ok(Host::Address(address.into()));
        }
        if bare.len() != text.len() || bare.contains(':') {
            return Err("is not written as an IPv6 address without a zone is");
        }
        let name = bare.strip_suffix('.').unwrap_or(bare);
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(Host::Address(address));
        }
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let labels_are_fine =
            name.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(is_fine));
        if name.len() > 253 || !labels_are_fine {
            return Err("is no host name of ASCII letters, digits and hyphens");
        }
        if ends_in_a_number(name) {
            return Err("is a number that programs read in different ways; write an address as four decimal numbers");
        }
        Ok(Host::Name(name.to_ascii_lowercase()))
    }
}

/// Whether the last label is a number, decimal or hexadecimal: then some programs read the whole as an address, whatever
/// is before it.
pub(super) fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|digit| digit.is_ascii_digit()),
    }
}
