use std::fmt;
use std::str::FromStr;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// Whether it names a group (broadcast included) rather than one station.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl From<[u8; 6]> for Mac {
    fn from(bytes: [u8; 6]) -> Mac {
        Mac(bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = ParseMacError;

    /// Reads six pairs of hex digits with colons between them.
    fn from_str(text: &str) -> Result<Mac, ParseMacError> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(ParseMacError)?;
            // A sign would be read as part of a number.
            if !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(ParseMacError);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| ParseMacError)?;
        }
        parts.next().is_none().then_some(Mac(bytes)).ok_or(ParseMacError)
    }
}

/// Not an Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ethernet address: expected six pairs of hex digits, such as 02:00:00:00:00:01")]
pub struct ParseMacError;

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back() {
        let mac = Mac([0x02, 0, 0xff, 0x1a, 0, 9]);
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert_eq!("02:00:FF:1A:00:09".parse(), Ok(mac));
        for text in
            ["", "02:00:ff:1a:00", "02:00:ff:1a:00:09:00", "2:0:ff:1a:0:9", "02:00:ff:1a:00:+9"]
        {
            assert_eq!(text.parse::<Mac>(), Err(ParseMacError), "{text}");
        }
    }
}
