//! Which addresses are not of the public internet, after the registries of special-purpose addresses (RFC 6890 and its
//! followers), and how IPv6 addresses carry IPv4 ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::network::Network;

/// A network that is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Special {
    network: Network,
    /// What its addresses are, with an article.
    pub(super) what: &'static str,
    /// Whether to allow a host by its name is enough to be led here. Where cloud machines find their own credentials, and
    /// what is no single machine at all, has to be named as a network.
    pub(super) by_name: bool,
}

const fn special(network: Network, what: &'static str, by_name: bool) -> Special {
    Special { network, what, by_name }
}

const V4: [Special; 16] = [
    special(Network::v4(0, 0, 0, 0, 8), "an unspecified address", false),
    special(Network::v4(10, 0, 0, 0, 8), "a private address", true),
    special(Network::v4(100, 64, 0, 0, 10), "an address shared behind carriers", true),
    special(Network::v4(127, 0, 0, 0, 8), "a loopback address", true),
    special(Network::v4(169, 254, 0, 0, 16), "a link-local address, as cloud metadata services have", false),
    special(Network::v4(172, 16, 0, 0, 12), "a private address", true),
    special(Network::v4(192, 0, 0, 0, 24), "an address reserved for protocols", false),
    special(Network::v4(192, 0, 2, 0, 24), "an address for documentation", true),
    special(Network::v4(192, 88, 99, 0, 24), "an address of 6to4 relays", false),
    special(Network::v4(192, 168, 0, 0, 16), "a private address", true),
    special(Network::v4(198, 18, 0, 0, 15), "an address for benchmarks", true),
    special(Network::v4(198, 51, 100, 0, 24), "an address for documentation", true),
    special(Network::v4(203, 0, 113, 0, 24), "an address for documentation", true),
    special(Network::v4(224, 0, 0, 0, 4), "a multicast address", false),
    special(Network::v4(255, 255, 255, 255, 32), "the broadcast address", false),
    special(Network::v4(240, 0, 0, 0, 4), "a reserved address", false),
];

/// The most special first.
const V6: [Special; 16] = [
    special(Network::V6 { first: 0, length: 128 }, "the unspecified address", false),
    special(Network::V6 { first: 1, length: 128 }, "a loopback address", true),
    special(Network::V6 { first: 0, length: 96 }, "an IPv4-compatible address", false),
    special(Network::V6 { first: 0xffff << 48, length: 96 }, "an address translated from IPv4", false),
    special(Network::v6(0x64, 0xff9b, 1, 48), "an address of a local translation to IPv4", false),
    special(Network::v6(0x100, 0, 0, 63), "an address that swallows everything", false),
    special(Network::v6(0x2001, 0, 0, 32), "a Teredo address, which carries an IPv4 one", false),
    special(Network::v6(0x2001, 2, 0, 48), "an address for benchmarks", true),
    special(Network::v6(0x2001, 0xdb8, 0, 32), "an address for documentation", true),
    special(Network::v6(0x2001, 0, 0, 23), "an address reserved for protocols", false),
    special(Network::v6(0x2002, 0, 0, 16), "a 6to4 address, which carries an IPv4 one", false),
    special(Network::v6(0x3fff, 0, 0, 20), "an address for documentation", true),
    special(Network::v6(0xfc00, 0, 0, 7), "a private (unique local) address", true),
    special(Network::v6(0xfe80, 0, 0, 10), "a link-local address", false),
    special(Network::v6(0xfec0, 0, 0, 10), "a site-local address", true),
    special(Network::v6(0xff00, 0, 0, 8), "a multicast address", false),
];

/// What the internet routes so far.
const GLOBAL: Network = Network::v6(0x2000, 0, 0, 3);

/// The prefix by which NAT64 shows the public IPv4 internet to machines that have only IPv6.
const NAT64: Network = Network::v6(0x64, 0xff9b, 0, 96);

/// The address that is really reached: IPv4 addresses in the clothes of IPv6 come out of them.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else { return address };
    if let Some(four) = six.to_ipv4_mapped() {
        return four.into();
    }
    if NAT64.contains(address) {
        let [.., a, b, c, d] = six.octets();
        return Ipv4Addr::new(a, b, c, d).into();
    }
    address
}

/// What a canonical address is, unless it is public.
pub(super) fn special_of(address: IpAddr) -> Option<Special> {
    let table: &[Special] = if address.is_ipv4() { &V4 } else { &V6 };
    let found = table.iter().find(|special| special.network.contains(address)).copied();
    found.or_else(|| match address {
        IpAddr::V6(six) if is_isatap(six) => Some(special(
            Network::V6 { first: six.to_bits(), length: 128 },
            "an ISATAP address, which carries an IPv4 one",
            false,
        )),
        IpAddr::V6(six) if !GLOBAL.contains(address) => {
            Some(special(Network::V6 { first: six.to_bits(), length: 128 }, "not an address of the internet", false))
        }
        _ => None,
    })
}

/// Whether the second half of an address says that an IPv4 address follows (RFC 5214).
fn is_isatap(address: Ipv6Addr) -> bool {
    let groups = address.segments();
    groups[4] & !0x0200 == 0 && groups[5] == 0x5efe
}
