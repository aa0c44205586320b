use nom::number::complete::be_u32;

use crate::read::{self, Read};
use crate::write;

/// The first message of either side, in the highest version it speaks (OpenFlow 1.3.5, 7.5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Hello {
    /// Elements in the order they came. OpenFlow 1.0 has none.
    pub elements: Vec<HelloElement>,
    /// What follows and is no element: a version to come may put anything here, and it is to be
    /// ignored (OpenFlow 1.0.2, 5.5.1; 1.3.5, 7.5.1).
    pub trailing: Vec<u8>,
}

/// A part of a [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HelloElement {
    /// Bit `v % 32` of word `v / 32` says that version `v` is spoken.
    VersionBitmap(Vec<u32>),
    /// An element that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type and length.
        body: Vec<u8>,
    },
}

const VERSION_BITMAP: u16 = 1;

impl Hello {
    /// A hello that offers exactly `versions`.
    pub fn offering(versions: &[u8]) -> Hello {
        let words = versions.iter().map(|v| usize::from(*v) / 32 + 1).max().unwrap_or(1);
        let mut bitmap = vec![0; words];
        for version in versions {
            bitmap[usize::from(*version) / 32] |= 1 << (version % 32);
        }
        Hello { elements: vec![HelloElement::VersionBitmap(bitmap)], ..Hello::default() }
    }

    /// The version to speak with the sender of this hello, whose header said `version`, out of
    /// `ours`: by bitmap if both have one, else the smaller of the two highest (7.5.1).
    pub fn negotiate(&self, version: u8, ours: &[u8]) -> Option<u8> {
        let bitmap = self.elements.iter().find_map(|element| match element {
            HelloElement::VersionBitmap(words) => Some(words),
            HelloElement::Unknown { .. } => None,
        });
        match bitmap {
            Some(words) => {
                let speaks = |v: u8| {
                    words.get(usize::from(v) / 32).is_some_and(|word| word >> (v % 32) & 1 == 1)
                };
                ours.iter().copied().filter(|v| speaks(*v)).max()
            }
            None => {
                let highest = ours.iter().copied().max()?.min(version);
                ours.contains(&highest).then_some(highest)
            }
        }
    }

    /// Never fails, as no hello is wrong.
    pub(crate) fn read(mut input: &[u8]) -> Read<'_, Hello> {
        let mut elements = Vec::new();
        while let Ok((rest, element)) = HelloElement::read(input) {
            elements.push(element);
            input = rest;
        }
        Ok((&[], Hello { elements, trailing: input.to_vec() }))
    }

    /// Appends the body (without a header) to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for element in &self.elements {
            element.encode(out);
        }
        out.extend(&self.trailing);
    }

    /// Length of the body in bytes.
    pub fn encoded_len(&self) -> usize {
        self.elements.iter().map(HelloElement::encoded_len).sum::<usize>() + self.trailing.len()
    }
}

impl HelloElement {
    fn read(input: &[u8]) -> Read<'_, HelloElement> {
        let (rest, (kind, body)) = read::sized("hello element length", input)?;
        let (rest, ()) = read::pad(write::padding(4 + body.len()), rest)?;
        let element = match kind {
            VERSION_BITMAP => HelloElement::VersionBitmap(
                read::all(|i| read::field("bitmap", be_u32, i), body)?.1,
            ),
            _ => HelloElement::Unknown { kind, body: body.to_vec() },
        };
        Ok((rest, element))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let kind = match self {
            HelloElement::VersionBitmap(_) => VERSION_BITMAP,
            HelloElement::Unknown { kind, .. } => *kind,
        };
        out.extend(kind.to_be_bytes());
        write::zeros(2, out);
        match self {
            HelloElement::VersionBitmap(words) => {
                words.iter().for_each(|word| out.extend(word.to_be_bytes()));
            }
            HelloElement::Unknown { body, .. } => out.extend(body),
        }
        write::fill_length(start, start + 2, out);
        write::align(start, out);
    }

    fn encoded_len(&self) -> usize {
        let body = match self {
            HelloElement::VersionBitmap(words) => words.len() * 4,
            HelloElement::Unknown { body, .. } => body.len(),
        };
        (4 + body).next_multiple_of(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{VERSION_10, VERSION_13};

    #[test]
    fn versions_are_negotiated_as_the_specification_says() {
        let both = [VERSION_10, VERSION_13];
        let bitmap = Hello::offering(&both);
        assert_eq!(bitmap.negotiate(0x06, &both), Some(VERSION_13));
        assert_eq!(bitmap.negotiate(VERSION_13, &[VERSION_10]), Some(VERSION_10));
        assert_eq!(Hello::offering(&[0x05]).negotiate(0x05, &both), None);
        // Without a bitmap the smaller of the two highest counts.
        assert_eq!(Hello::default().negotiate(0x06, &both), Some(VERSION_13));
        assert_eq!(Hello::default().negotiate(VERSION_10, &both), Some(VERSION_10));
        assert_eq!(Hello::default().negotiate(0x02, &both), None);
    }

    #[test]
    fn what_is_no_element_is_kept_and_harms_nothing() {
        // A bitmap, then a length that goes beyond the message.
        let wire = [0, 1, 0, 8, 0, 0, 0, 0x12, 0, 2, 0, 99, 7];
        let (_, hello) = Hello::read(&wire).expect("no hello is wrong");
        assert_eq!(hello.elements, [HelloElement::VersionBitmap(vec![0x12])]);
        assert_eq!(hello.trailing, wire[8..]);
        assert_eq!(hello.negotiate(VERSION_13, &[VERSION_10, VERSION_13]), Some(VERSION_13));
        let mut out = Vec::new();
        hello.encode(&mut out);
        assert_eq!((out.as_slice(), hello.encoded_len()), (&wire[..], wire.len()));
    }
}
