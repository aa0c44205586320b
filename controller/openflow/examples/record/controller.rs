//! A controller's end of a connection to the bridge.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rust_openflow::{Framer, Header};

use crate::Folder;
use crate::ovs::{BRIDGE, Ovs};

/// A connection on which hellos may or may not have been said.
pub(crate) struct Session {
    stream: UnixStream,
    framer: Framer,
    xid: u32,
}

impl Session {
    pub(crate) fn connect(ovs: &Ovs) -> io::Result<Session> {
        let stream = UnixStream::connect(ovs.path(&format!("{BRIDGE}.mgmt")))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Session { stream, framer: Framer::new(), xid: 0x100 })
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn hear(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(frame) = self.framer.next_frame().map_err(io::Error::other)? {
                return Ok(frame);
            }
            let mut buffer = [0; 65536];
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::Error::other("Open vSwitch closed the connection")),
                n => self.framer.push(&buffer[..n]),
            }
        }
    }

    /// Keeps the next message of type `kind`.
    pub(crate) fn await_kind(
        &mut self,
        folder: &mut Folder,
        name: &str,
        how: &str,
        kind: u8,
    ) -> io::Result<()> {
        loop {
            let frame =
                self.hear().map_err(|error| io::Error::other(format!("{name}: {error}")))?;
            if frame[1] == kind {
                return folder.keep(name, how, &frame);
            }
        }
    }

    /// Sends what `question` makes of a new xid, and keeps all that answers it: an answer in parts
    /// (of type `multipart`) ends with the part that has no more.
    pub(crate) fn ask(
        &mut self,
        folder: &mut Folder,
        (name, how): (&str, &str),
        multipart: u8,
        question: impl FnOnce(u32) -> Vec<u8>,
    ) -> io::Result<()> {
        self.xid += 1;
        self.say(&question(self.xid))?;
        let mut parts = Vec::new();
        loop {
            let frame =
                self.hear().map_err(|error| io::Error::other(format!("{name}: {error}")))?;
            let header = Header::parse(&frame).map_err(io::Error::other)?;
            if header.xid != self.xid {
                continue;
            }
            let more = header.kind == multipart && frame[11] & 1 == 1;
            parts.push(frame);
            if !more {
                // Of many parts alike, 64 KiB each, the first and the last will do.
                if parts.len() > 10 {
                    parts.drain(1..parts.len() - 1);
                }
                return folder.keep(name, how, &parts.concat());
            }
        }
    }
}
