use crate::{Error, Header};

/// Cuts a byte stream into OpenFlow messages by the length in their header.
///
/// It holds at most one unfinished message (64 KiB) and whatever was pushed after it; a driver that
/// drains it before it reads on keeps it at that.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    start: usize,
}

impl Framer {
    /// A framer at the beginning of a stream.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Takes the bytes that came next.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, its header included; `None` until more bytes come.
    ///
    /// # Errors
    /// A header whose length is below eight: the stream is lost and the connection must be closed.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.next_slice()?.map(<[u8]>::to_vec))
    }

    /// The same without a copy, until more is pushed or taken.
    ///
    /// # Errors
    /// Those of [`Framer::next_frame`].
    pub fn next_slice(&mut self) -> Result<Option<&[u8]>, Error> {
        let rest = &self.buffer[self.start..];
        let length = match Header::parse(rest) {
            Ok(header) => usize::from(header.length),
            Err(Error::Incomplete { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        self.start += length;
        Ok(Some(frame))
    }

    /// Bytes that wait for the rest of their message.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: [u8; 10] = [4, 2, 0, 10, 0, 0, 0, 7, 0xaa, 0xbb];

    #[test]
    fn a_stream_is_cut_wherever_it_was_torn() {
        let stream = ECHO.repeat(3);
        for step in 1..stream.len() {
            let mut framer = Framer::new();
            let mut frames = Vec::new();
            for piece in stream.chunks(step) {
                framer.push(piece);
                while let Some(frame) = framer.next_frame().expect("sound headers") {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, vec![ECHO.to_vec(); 3], "pieces of {step}");
            assert_eq!(framer.pending(), 0);
        }
    }

    #[test]
    fn a_length_below_the_header_ends_the_stream() {
        let mut framer = Framer::new();
        framer.push(&[4, 2, 0, 7, 0, 0, 0, 0]);
        assert_eq!(framer.next_frame(), Err(Error::Malformed { field: "length", offset: 2 }));
    }
}
