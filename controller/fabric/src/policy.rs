//! Who may take part.

use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::ConfigError;

/// An IPv4 prefix, written `10.1.0.0/16`; a bare address is a prefix of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    base: u32,
    bits: u8,
}

impl Subnet {
    /// The subnet that holds `address` and has a prefix of `bits`.
    ///
    /// # Errors
    /// More than 32 bits.
    pub fn new(address: Ipv4Addr, bits: u8) -> Result<Subnet, ConfigError> {
        if bits > 32 {
            return Err(ConfigError::Subnet(format!("{address}/{bits}")));
        }
        Ok(Subnet { base: u32::from(address) & mask(bits), bits })
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.bits) == self.base
    }
}

fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.bits)
    }
}

impl FromStr for Subnet {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Subnet, ConfigError> {
        let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
        let parsed = address.trim().parse().ok().zip(bits.trim().parse().ok());
        let (address, bits) = parsed.ok_or_else(|| ConfigError::Subnet(text.to_owned()))?;
        Subnet::new(address, bits)
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
    /// RTMP servers in these subnets count as the CDN, on any inspected port, besides those that are
    /// configured one by one.
    pub cdn: Vec<Subnet>,
}

impl Policy {
    pub(crate) fn may_peer(&self, host: Ipv4Addr) -> bool {
        let within = |subnets: &[Subnet]| subnets.iter().any(|subnet| subnet.contains(host));
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
        assert!(subnet("0.0.0.0/0").contains(Ipv4Addr::BROADCAST));
        assert!(subnet("10.1.2.3").contains(Ipv4Addr::new(10, 1, 2, 3)));
        assert!(!subnet("10.1.2.3").contains(Ipv4Addr::new(10, 1, 2, 4)));
        for text in ["10.0.0.0/33", "10.0.0/8", "x", "", "10.0.0.0/-1"] {
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
        for (host, allowed) in
            [([10, 1, 0, 1], true), ([10, 2, 9, 1], false), ([10, 3, 0, 1], false)]
        {
            assert!(all.may_peer(host.into()));
            assert_eq!(some.may_peer(host.into()), allowed, "{host:?}");
        }
    }
}
