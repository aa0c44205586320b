use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4};

use quinn_udp::RecvMeta;

/// Messages of the kernel taken at once. Each is one datagram, or several of one sender that it
/// joined.
const MESSAGES: usize = 16;
/// What the longest message takes: the kernel joins datagrams up to the longest that IP has.
const LONGEST: usize = 1 << 16;

/// Datagrams as they were read at once. Its room is a mebibyte, of which only what was ever filled
/// takes memory.
pub(crate) struct Inbox {
    room: Vec<u8>,
    metas: [RecvMeta; MESSAGES],
    messages: usize,
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        let metas = [RecvMeta::default(); MESSAGES];
        Inbox { room: vec![0; MESSAGES * LONGEST], metas, messages: 0 }
    }

    /// Forgets what was read.
    pub(super) fn clear(&mut self) {
        self.messages = 0;
    }

    /// Lets `read` fill the room and say how much of it.
    pub(super) fn fill(
        &mut self,
        read: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut rooms = self.room.chunks_exact_mut(LONGEST);
        let mut buffers: [IoSliceMut<'_>; MESSAGES] =
            std::array::from_fn(|_| IoSliceMut::new(rooms.next().expect("one for each message")));
        self.messages = read(&mut buffers, &mut self.metas)?;
        Ok(())
    }

    /// The datagrams, each with its sender.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = (SocketAddrV4, &[u8])> {
        let messages = self.metas[..self.messages].iter().zip(self.room.chunks_exact(LONGEST));
        let of_v4 = messages.filter_map(|(meta, room)| match meta.addr {
            SocketAddr::V4(from) => Some((from, &room[..meta.len], meta.stride.max(1))),
            SocketAddr::V6(_) => None,
        });
        of_v4.flat_map(|(from, bytes, stride)| bytes.chunks(stride).map(move |one| (from, one)))
    }
}
