//! Addresses as people write them on the command line.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use nearcast_media::rtmp::Url;

/// Where the CDN is: `rtmp://host[:port]`, and nothing after it, since app and key are the
/// publisher's and the player's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdnUrl {
    host: String,
    port: u16,
}

impl CdnUrl {
    /// `host:port`, for the resolver.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A stream there. `key` may carry a token.
    ///
    /// # Errors
    ///
    /// If that is no stream's name.
    pub(crate) fn url(&self, app: &str, key: &str) -> Result<Url, nearcast_media::Error> {
        format!("rtmp://{}/{app}/{key}", self.shown()).parse()
    }

    /// Without the port where it is the usual one: some servers compare the text.
    fn shown(&self) -> String {
        match self.port {
            1935 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}

impl FromStr for CdnUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<CdnUrl, String> {
        let wrong = || format!("`{text}` is not like rtmp://10.0.0.3 or rtmp://10.0.0.3:1935");
        let rest = text.strip_prefix("rtmp://").ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (rest, 1935),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if host.is_empty() || !host.chars().all(plain) || port == 0 {
            return Err(wrong());
        }
        Ok(CdnUrl { host: host.to_owned(), port })
    }
}

impl fmt::Display for CdnUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rtmp://{}", self.shown())
    }
}

/// The controller's virtual range, `10.254.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualRange {
    network: Ipv4Addr,
    bits: u8,
}

impl VirtualRange {
    /// Network and prefix length.
    pub(crate) fn parts(self) -> (Ipv4Addr, u8) {
        (self.network, self.bits)
    }

    /// The first address: the controller's alias, the only one that may send offers.
    pub(crate) fn controller(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network) + 1)
    }
}

impl FromStr for VirtualRange {
    type Err = String;

    fn from_str(text: &str) -> Result<VirtualRange, String> {
        let wrong = || format!("`{text}` is not a network like 10.254.0.0/16");
        let (network, bits) = text.split_once('/').ok_or_else(wrong)?;
        let network: Ipv4Addr = network.parse().map_err(|_| wrong())?;
        let bits: u8 = bits.parse().map_err(|_| wrong())?;
        if !(8..=30).contains(&bits) || u32::from(network) << bits != 0 {
            return Err(wrong());
        }
        Ok(VirtualRange { network, bits })
    }
}

impl fmt::Display for VirtualRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cdn_is_a_host_and_a_port() {
        let url: CdnUrl = "rtmp://10.0.0.3".parse().expect("a url");
        assert_eq!(url.authority(), "10.0.0.3:1935");
        let stream = url.url("live", "cam?token=1").expect("a stream");
        assert_eq!((stream.tc_url(), stream.key()), ("rtmp://10.0.0.3/live".into(), "cam?token=1"));
        let url: CdnUrl = "rtmp://cdn.example:1936/".parse().expect("a url");
        assert_eq!(url.to_string(), "rtmp://cdn.example:1936");
        for text in
            ["10.0.0.3", "rtmp://", "rtmp://a/live", "rtmp://a:b", "rtmp://a:0", "rtmp://a b"]
        {
            assert!(text.parse::<CdnUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_controller_has_the_first_address_of_the_range() {
        let range: VirtualRange = "10.254.0.0/16".parse().expect("a range");
        assert_eq!(range.controller(), Ipv4Addr::new(10, 254, 0, 1));
        for text in ["10.254.0.0", "10.254.0.1/16", "10.254.0.0/33", "10.0.0.0/0", "x/16"] {
            assert!(text.parse::<VirtualRange>().is_err(), "{text}");
        }
    }
}
