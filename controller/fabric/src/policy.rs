//! Who may take part.

use std::net::IpAddr;
use std::str::FromStr;

use crate::ConfigError;

/// A prefix of IPv4 or IPv6, written `10.1.0.0/16` or `fd00:1::/32`; a bare address is a prefix of
/// all its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    base: IpAddr,
    bits: u8,
}

impl Subnet {
    /// The subnet that holds `address` and has a prefix of `bits`.
    ///
    /// # Errors
    /// More bits than the address has.
    pub fn new(address: IpAddr, bits: u8) -> Result<Subnet, ConfigError> {
        if bits > width(address) {
            return Err(ConfigError::Subnet(format!("{address}/{bits}")));
        }
        Ok(Subnet { base: network(address, bits), bits })
    }

    /// Whether `address` lies in it; one of the other family does not.
    pub fn contains(self, address: IpAddr) -> bool {
        network(address, self.bits) == self.base
    }

    /// Its first address.
    pub(crate) fn base(self) -> IpAddr {
        self.base
    }

    /// How many bits of an address count.
    pub(crate) fn bits(self) -> u8 {
        self.bits
    }

    /// The one address that it holds; `None` if there are more.
    pub(crate) fn single(self) -> Option<IpAddr> {
        (self.bits == width(self.base)).then_some(self.base)
    }
}

impl From<IpAddr> for Subnet {
    fn from(base: IpAddr) -> Subnet {
        Subnet { base, bits: width(base) }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// What is left of an address that only its first `bits` count of.
fn network(address: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match address {
        IpAddr::V4(ip) => {
            let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & !rest).into())
        }
        IpAddr::V6(ip) => {
            let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & !rest).into())
        }
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

impl FromStr for Subnet {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Subnet, ConfigError> {
        let wrong = || ConfigError::Subnet(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(ip, n)| (ip, Some(n)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        match bits {
            None => Ok(address.into()),
            Some(bits) => Subnet::new(address, bits.trim().parse().map_err(|_| wrong())?),
        }
    }
}

/// Which hosts may take part in peerings, and which servers count as the CDN.
///
/// What is not allowed is left to the CDN and said so ([`NotNear::NotAllowed`](crate::NotNear)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Hosts in these subnets may peer; empty: all.
    pub allow: Vec<Subnet>,
    /// Hosts in these may not, even if they are in one of the others.
    pub deny: Vec<Subnet>,
    /// RTMP servers in these subnets count as the CDN, on any inspected port, besides those that
    /// are configured one by one.
    pub cdn: Vec<Subnet>,
}

impl Policy {
    /// Whether a host with these addresses may: it is allowed by any of them, and denied by any.
    pub(crate) fn may_peer(&self, host: &[IpAddr]) -> bool {
        let within = |subnets: &[Subnet]| {
            subnets.iter().any(|subnet| host.iter().any(|ip| subnet.contains(*ip)))
        };
        (self.allow.is_empty() || within(&self.allow)) && !within(&self.deny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().expect(text)
    }

    #[test]
    fn subnets_are_read_as_people_write_them() {
        assert_eq!(subnet("10.1.2.3/16").to_string(), "10.1.0.0/16");
        assert_eq!(subnet("10.1.2.3").to_string(), "10.1.2.3/32");
        assert_eq!(subnet("fd00:1:2::9/32").to_string(), "fd00:1::/32");
        assert_eq!(subnet("fd00::9").to_string(), "fd00::9/128");
        for (text, inside, outside) in [
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("::/0", "fd00::1", "10.1.2.3"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("fd00:1::/32", "fd00:1:ffff::", "fd00:2::"),
            ("10.0.0.0/8", "10.255.0.0", "a00::"),
        ] {
            assert!(subnet(text).contains(inside.parse().expect(inside)), "{text} {inside}");
            assert!(!subnet(text).contains(outside.parse().expect(outside)), "{text} {outside}");
        }
        for text in ["10.0.0.0/33", "10.0.0/8", "x", "", "10.0.0.0/-1", "fd00::/129", "fd00:::"] {
            let error = text.parse::<Subnet>().expect_err(text);
            assert!(error.to_string().contains("10.1.0.0/16"), "{error}");
        }
    }

    #[test]
    fn what_is_denied_is_not_allowed() {
        let all = Policy::default();
        let some = Policy {
            allow: vec![subnet("10.1.0.0/16"), subnet("10.2.0.0/16")],
            deny: vec![subnet("10.2.9.0/24")],
            ..Policy::default()
        };
        for (host, allowed) in [
            (["10.1.0.1", "fd00::1"], true),
            (["10.1.0.1", "10.2.9.1"], false),
            (["10.3.0.1", "fd00::1"], false),
        ] {
            let host = host.map(|text| text.parse().expect(text));
            assert!(all.may_peer(&host));
            assert_eq!(some.may_peer(&host), allowed, "{host:?}");
        }
    }
}
