use crate::Error;

/// OpenFlow 1.0 on the wire.
pub const VERSION_10: u8 = 0x01;
/// OpenFlow 1.3 on the wire.
pub const VERSION_13: u8 = 0x04;

/// What every message of every version begins with (OpenFlow 1.3.5, 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Protocol version.
    pub version: u8,
    /// Message type; its meaning depends on the version.
    pub kind: u8,
    /// Length of the whole message in bytes, this header included.
    pub length: u16,
    /// Transaction that the message belongs to.
    pub xid: u32,
}

impl Header {
    /// Bytes on the wire.
    pub const LEN: usize = 8;

    /// Reads the header that `bytes` begins with.
    ///
    /// # Errors
    /// [`Error::Incomplete`] for fewer than eight bytes; [`Error::Malformed`] if its length does
    /// not even cover the header, after which a stream cannot be followed any further.
    pub fn parse(bytes: &[u8]) -> Result<Header, Error> {
        let Some(&[version, kind, l0, l1, x0, x1, x2, x3]) = bytes.first_chunk::<8>() else {
            return Err(Error::Incomplete { needed: Header::LEN - bytes.len() });
        };
        let length = u16::from_be_bytes([l0, l1]);
        if usize::from(length) < Header::LEN {
            return Err(Error::Malformed { field: "length", offset: 2 });
        }
        Ok(Header { version, kind, length, xid: u32::from_be_bytes([x0, x1, x2, x3]) })
    }

    /// The header of a message whose body takes `body` bytes.
    ///
    /// # Panics
    /// If that is too long for any header to say.
    pub(crate) fn of(version: u8, kind: u8, body: usize, xid: u32) -> Header {
        let length = u16::try_from(Header::LEN + body)
            .expect("an OpenFlow message is at most 65535 bytes long; split it before encoding");
        Header { version, kind, length, xid }
    }

    /// Appends the eight bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let [l0, l1] = self.length.to_be_bytes();
        let [x0, x1, x2, x3] = self.xid.to_be_bytes();
        out.extend_from_slice(&[self.version, self.kind, l0, l1, x0, x1, x2, x3]);
    }
}

/// `OFPT_HELLO` and `OFPT_ERROR`, which are alike in every version.
const ANY_VERSION: [u8; 2] = [0, 1];

/// The one message of `version` that `bytes` are, and its header.
pub(crate) fn message(version: u8, bytes: &[u8]) -> Result<(Header, &[u8]), Error> {
    let header = Header::parse(bytes)?;
    if header.version != version && !ANY_VERSION.contains(&header.kind) {
        return Err(Error::Version(header.version));
    }
    let length = usize::from(header.length);
    let Some(message) = bytes.get(..length) else {
        return Err(Error::Incomplete { needed: length - bytes.len() });
    };
    if bytes.len() > length {
        return Err(Error::Malformed { field: "bytes after the message", offset: length });
    }
    Ok((header, message))
}
