//! Networks by their first address and the length of their prefix.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A network of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Of IPv4.
    V4 {
        /// The first address.
        first: u32,
        /// Bits of the prefix.
        length: u32,
    },
    /// Of IPv6.
    V6 {
        /// The first address.
        first: u128,
        /// Bits of the prefix.
        length: u32,
    },
}

impl Network {
    /// A network of IPv4 that is known to be right.
    pub const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32) -> Network {
        Network::V4 { first: u32::from_be_bytes([a, b, c, d]), length }
    }

    /// A network of IPv6, by the first three groups of its first address, that is known to be right.
    pub const fn v6(a: u16, b: u16, c: u16, length: u32) -> Network {
        Network::V6 { first: (a as u128) << 112 | (b as u128) << 96 | (c as u128) << 80, length }
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (*self, address) {
            (Network::V4 { first, length }, IpAddr::V4(address)) => {
                (first ^ address.to_bits()).checked_shr(32 - length).unwrap_or(0) == 0
            }
            (Network::V6 { first, length }, IpAddr::V6(address)) => {
                (first ^ address.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Network::V4 { first, length } => write!(f, "{}/{length}", Ipv4Addr::from_bits(first)),
            Network::V6 { first, length } => write!(f, "{}/{length}", Ipv6Addr::from_bits(first)),
        }
    }
}

impl FromStr for Network {
    type Err = String;

    /// Reads `10.0.0.0/8`, `fd00::/8` or a lone address.
    fn from_str(text: &str) -> Result<Network, String> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is no IP address"))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => longest,
            // Signs and blanks are not part of it.
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|length| *length <= longest)
                .ok_or_else(|| format!("the length of the prefix is a number up to {longest}"))?,
            Some(_) => return Err(format!("the length of the prefix is a number up to {longest}")),
        };
        let network = match address {
            IpAddr::V4(address) => {
                Network::V4 { first: address.to_bits() & u32::MAX.checked_shl(32 - length).unwrap_or(0), length }
            }
            IpAddr::V6(address) => {
                Network::V6 { first: address.to_bits() & u128::MAX.checked_shl(128 - length).unwrap_or(0), length }
            }
        };
        let first: IpAddr = match network {
            Network::V4 { first, .. } => Ipv4Addr::from_bits(first).into(),
            Network::V6 { first, .. } => Ipv6Addr::from_bits(first).into(),
        };
        // A slip of the pen in a list that opens doors is better asked about.
        if first == address {
            Ok(network)
        } else {
            Err(format!("{address} is not its first address; is {network} meant?"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_hold_what_is_inside() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("fd00::/8", "fdff::1", "fc00::1"),
            ("::/0", "ff02::1", "1.2.3.4"),
            ("::1", "::1", "::"),
        ] {
            let network: Network = text.parse().expect("a network");
            assert!(network.contains(inside.parse().expect("an address")), "{text} {inside}");
            assert!(!network.contains(outside.parse().expect("an address")), "{text} {outside}");
        }
        for text in ["10.0.0.1/8", "10/8", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/", "::1/64", "010.0.0.0/8", ""] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
