//! Who really asks, when proxies stand between: only what a trusted one wrote is believed.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::base::egress::Network;

/// The networks of the proxies that are trusted.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    /// Trusts these.
    pub fn new(networks: Vec<Network>) -> Proxies {
        Proxies(networks)
    }

    /// Whether an address is one of a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client's address. Each proxy appends whom it forwards for, so `X-Forwarded-For` is read from its end for as long as
    /// it was a trusted proxy that wrote. Where an entry is no address, nothing in the header counts.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut lines = Vec::new();
        for line in headers.get_all("x-forwarded-for") {
            let Ok(line) = line.to_str() else { return peer };
            lines.push(line);
        }
        let mut client = peer;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                return client;
            }
            let Some(address) = address(entry.trim()) else { return peer };
            client = address;
        }
        client
    }

    /// Whether the client came by TLS, as far as the trusted proxy next to the server says so.
    pub fn secure(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let last = headers.get_all("x-forwarded-proto").iter().next_back().and_then(|value| value.to_str().ok());
        let scheme = last.and_then(|line| line.rsplit(',').next()).unwrap_or_default();
        self.trusts(peer) && scheme.trim().eq_ignore_ascii_case("https")
    }
}

/// An address as proxies write it: bare, with a port, or in brackets. One of IPv4 in the clothes of IPv6 is one of IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.filter(|address| bare.is_none() || address.is_ipv6());
    Some(address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, line.parse().expect("a header"));
        }
        headers
    }

    fn proxies() -> Proxies {
        let networks = ["127.0.0.0/8", "::1", "10.0.0.0/8"];
        Proxies::new(networks.iter().map(|network| network.parse().expect("a network")).collect())
    }

    #[test]
    fn forwarded_for_is_believed_as_far_as_trusted_proxies_wrote_it() {
        let table: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &[], "192.0.2.1"),
            // A peer that nobody trusts says what it likes.
            ("192.0.2.1", &["203.0.113.9"], "192.0.2.1"),
            ("127.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // What the client itself wrote stands further left.
            ("127.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
            ("127.0.0.1", &["1.1.1.1", "203.0.113.9", "10.0.0.7"], "203.0.113.9"),
            ("127.0.0.1", &["10.0.0.8,10.0.0.7"], "10.0.0.8"),
            ("::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::1", &["[2001:db8::7]"], "2001:db8::7"),
            ("::1", &["2001:db8::7"], "2001:db8::7"),
            ("127.0.0.1", &["203.0.113.9:80"], "203.0.113.9"),
            ("127.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("127.0.0.1", &["::ffff:10.0.0.7"], "10.0.0.7"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &[""], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9,"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9, 0x7f.1"], "127.0.0.1"),
            ("127.0.0.1", &["[203.0.113.9]"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9 "], "203.0.113.9"),
            ("127.0.0.1", &["203.0.113.999"], "127.0.0.1"),
            ("127.0.0.1", &["garbage, 203.0.113.9"], "203.0.113.9"),
        ];
        for (peer, lines, expected) in table {
            let found = proxies().client(peer.parse().expect("an address"), &headers("x-forwarded-for", lines));
            assert_eq!(found.to_string(), *expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_says_that_there_was_tls() {
        let table: &[(&str, &[&str], bool)] = &[
            ("127.0.0.1", &["https"], true),
            ("127.0.0.1", &["HTTPS"], true),
            ("127.0.0.1", &["http, https"], true),
            ("127.0.0.1", &["https, http"], false),
            ("127.0.0.1", &["https", "http"], false),
            ("127.0.0.1", &["wss"], false),
            ("127.0.0.1", &[], false),
            ("192.0.2.1", &["https"], false),
        ];
        for (peer, lines, expected) in table {
            let peer = peer.parse().expect("an address");
            let found = proxies().secure(peer, &headers("x-forwarded-proto", lines));
            assert_eq!(found, *expected, "{peer} {lines:?}");
        }
    }
}
