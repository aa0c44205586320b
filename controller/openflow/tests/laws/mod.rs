//! What holds of every message of every version, whoever made it: property tests, the mutation test
//! and the fuzz targets all judge by these, each by some.
#![allow(dead_code)]

use std::fmt::Debug;

use rust_openflow::{Error, Header, v10, v13};

/// What the versions' messages have in common.
pub(crate) trait Codec: Debug + PartialEq + Sized {
    fn parse(bytes: &[u8]) -> Result<Self, Error>;
    fn encode(&self, out: &mut Vec<u8>);
    fn encoded_len(&self) -> usize;
}

macro_rules! codec {
    ($($message:ty)*) => {$(
        impl Codec for $message {
            fn parse(bytes: &[u8]) -> Result<Self, Error> {
                <$message>::parse(bytes)
            }
            fn encode(&self, out: &mut Vec<u8>) {
                self.encode(out);
            }
            fn encoded_len(&self) -> usize {
                self.encoded_len()
            }
        }
    )*};
}

codec! { v10::Message v13::Message }

/// The message's bytes; their number is what the message and its header say.
pub(crate) fn encode<M: Codec>(message: &M) -> Vec<u8> {
    // Not at the front, as lengths are counted from where the message begins.
    let mut out = vec![0xee; 3];
    message.encode(&mut out);
    let bytes = out.split_off(3);
    assert_eq!(out, [0xee; 3], "what was there before {message:?}");
    assert_eq!(bytes.len(), message.encoded_len(), "encoded_len of {message:?}");
    let header = Header::parse(&bytes).expect("a sound header");
    assert_eq!(usize::from(header.length), bytes.len(), "the header's length of {message:?}");
    bytes
}

/// A message that is encoded and parsed is the same message.
pub(crate) fn round_trip<M: Codec>(message: &M) {
    let bytes = encode(message);
    assert_eq!(M::parse(&bytes).as_ref(), Ok(message), "{bytes:02x?}");
}

/// However few of a message's bytes have come, it is incomplete; however short its header claims
/// that it is, the parser stays within.
pub(crate) fn truncated<M: Codec>(bytes: &[u8]) {
    for cut in 0..bytes.len() {
        let result = M::parse(&bytes[..cut]);
        let Err(Error::Incomplete { needed }) = result else {
            panic!("{cut} of {} bytes are {result:?}", bytes.len());
        };
        assert!((1..=bytes.len() - cut).contains(&needed), "{needed} more than {cut} bytes");
    }
    for cut in Header::LEN..bytes.len() {
        let mut short = bytes[..cut].to_vec();
        short[2..4]
            .copy_from_slice(&u16::try_from(cut).expect("shorter than the message").to_be_bytes());
        sound::<M>(&short);
    }
}

/// Whatever the bytes are: nothing panics, an error lies within them, and what parses encodes to
/// bytes that say the same and differ only in that bits without a meaning are cleared. The
/// exception is text that is no UTF-8, which is replaced.
pub(crate) fn sound<M: Codec>(bytes: &[u8]) {
    match M::parse(bytes) {
        Ok(message) => {
            let again = encode(&message);
            assert_eq!(again.len(), bytes.len(), "{message:?} of {bytes:02x?}");
            assert_eq!(M::parse(&again).as_ref(), Ok(&message), "{bytes:02x?}");
            if !format!("{message:?}").contains(char::REPLACEMENT_CHARACTER) {
                let made_up = again.iter().zip(bytes).position(|(now, was)| now & !was != 0);
                assert_eq!(made_up, None, "{message:?} of\n{bytes:02x?} became\n{again:02x?}");
            }
        }
        Err(Error::Malformed { offset, field }) => {
            assert!(offset <= bytes.len(), "{field} at {offset} of {} bytes", bytes.len());
        }
        Err(Error::Incomplete { needed }) => assert!(needed > 0),
        Err(Error::Version(version)) => assert_eq!(version, bytes[0]),
    }
}
