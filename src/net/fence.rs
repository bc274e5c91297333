//! Where a name may lead that a server told us, or that was guessed: never into this machine or its cloud's metadata service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far the addresses of a name are trusted. What the host file says of a name holds in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fence {
    /// Whoever wrote the manifest named the host.
    #[default]
    Open,
    /// It is in the domain of a mailbox: private addresses are usual.
    Own,
    /// It is in another domain: private addresses too only where the host file allows them.
    Foreign,
}

impl Fence {
    /// Why an address is not gone to; `None`: it may be.
    pub(super) fn objection(self, address: IpAddr, private_allowed: Private) -> Option<&'static str> {
        let address = address.to_canonical();
        match (self, private_allowed) {
            (Self::Open, _) => None,
            (Self::Own | Self::Foreign, _) if is_within(address) => {
                Some("no search leads into this machine, its link or its cloud's metadata service")
            }
            (Self::Foreign, Private::Refused) if is_private(address) => Some(
                "a search leads to another domain only outside of private networks, unless the host file allows \
                 `allowPrivateRedirects`",
            ),
            (Self::Own, _) | (Self::Foreign, Private::Refused | Private::Allowed) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Private {
    Allowed,
    Refused,
}

/// Metadata services of clouds that have no link-local address: Azure, Alibaba, Oracle, AWS.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Addresses of RFC 6890 that never are a server elsewhere, and those above.
fn is_within(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, ..] = v4.octets();
            first == 0 || v4.is_loopback() || v4.is_link_local() || first >= 224 || METADATA_V4.contains(&v4)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6 == METADATA_V6
        }
    }
}

/// RFC 1918, RFC 6598 and RFC 4193.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private() || (first == 100 && second & 0b1100_0000 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_search_leads_into_this_machine_or_a_private_network_of_others() {
        let objects =
            |fence: Fence, private, text: &str| fence.objection(text.parse().unwrap(), private).is_some();
        for inside in [
            "127.0.0.1",
            "0.0.0.0",
            "169.254.169.254",
            "168.63.129.16",
            "::1",
            "::",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
        ] {
            assert!(!objects(Fence::Open, Private::Refused, inside), "{inside}");
            assert!(objects(Fence::Own, Private::Allowed, inside), "{inside}");
            assert!(objects(Fence::Foreign, Private::Allowed, inside), "{inside}");
        }
        for private in
            ["10.0.0.5", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"]
        {
            assert!(!objects(Fence::Own, Private::Refused, private), "{private}");
            assert!(objects(Fence::Foreign, Private::Refused, private), "{private}");
            assert!(!objects(Fence::Foreign, Private::Allowed, private), "{private}");
        }
        for public in ["203.0.113.5", "172.32.0.1", "100.128.0.1", "2001:db8::1"] {
            assert!(!objects(Fence::Foreign, Private::Refused, public), "{public}");
        }
    }
}
