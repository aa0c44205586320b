//! The UDP socket, and what goes through it in one turn.
//!
//! [`Datagrams`] is the socket, [`Inbox`] what is read from it at once, [`Outbox`] what a turn
//! wants sent, and [`Batch`] what of that leaves at once. By [`Trains`] many lengths become one.

mod batch;
mod calls;
mod inbox;
mod outbox;
#[cfg(test)]
mod tests;
mod train;

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::ops::AddAssign;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::system::{TooLong, treat_too_long};
pub(crate) use batch::{Batch, Run};
pub(crate) use inbox::Inbox;
pub(crate) use outbox::{Outbox, Packet};
pub use train::Trains;

/// What may wait in the kernel while this process is not scheduled: a second of 30 Mbit/s.
const WAITING: usize = 4 << 20;

/// A UDP socket as chunks need it: deep in the kernel, never blocking on the way out, with the
/// kernel cutting runs of datagrams apart (UDP GSO) and joining them (UDP GRO) where it can.
pub(crate) struct Datagrams {
    /// Watched only for what comes. What has left makes room again, and that would wake this
    /// process once more for each call that sends.
    socket: AsyncFd<UdpSocket>,
    state: UdpSocketState,
}

/// What the kernel took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
}

impl Sent {
    fn all(run: Run<'_>) -> Sent {
        Sent { datagrams: run.count(), bytes: run.contents.len() as u64 }
    }
}

impl AddAssign for Sent {
    fn add_assign(&mut self, more: Sent) {
        self.datagrams += more.datagrams;
        self.bytes += more.bytes;
    }
}

impl Datagrams {
    /// Binds `address`.
    pub(crate) fn bind(address: SocketAddrV4) -> io::Result<Datagrams> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        // It has told the kernel to forget about MTUs, as QUIC finds them by itself.
        treat_too_long(&socket, TooLong::Refused)?;
        // Root may go past net.core.rmem_max; others get as much as that allows.
        if setsockopt(&socket, sockopt::RcvBufForce, &WAITING).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &WAITING)?;
        }
        setsockopt(&socket, sockopt::SndBuf, &WAITING)?;
        // SAFETY: a `UdpSocket` has the same open descriptor for as long as it lives, and it lives
        // in here.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?;
        Ok(Datagrams { socket, state })
    }

    /// Waits until something may be read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await.map(drop)
    }

    /// Takes what waits, as far as `inbox` has room; answers whether there may be more. An ICMP
    /// error of an earlier datagram is no reason to stop.
    pub(crate) fn receive(&self, inbox: &mut Inbox) -> bool {
        inbox.clear();
        let mut more = false;
        let read = self.socket.try_io(Interest::READABLE, |socket| {
            inbox.fill(|buffers, metas| {
                let came = self.state.recv(socket.into(), buffers, metas)?;
                more = came == buffers.len();
                Ok(came)
            })?;
            // Fewer than there is room for means that the kernel had no more. To say so here saves
            // asking again: the socket then becomes readable by what comes next.
            if more { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        });
        match read {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                tracing::trace!("udp: {error}");
                true
            }
        }
    }

    /// How many datagrams the kernel takes as one run; 1 where it has no segmentation offload, or
    /// where that turned out not to work.
    pub(crate) fn segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends runs, and answers what of them left. What the kernel does not take is lost as on the
    /// wire, and repaired the same way: waiting here would hold up every other stream.
    pub(crate) fn send(&self, batch: &Batch) -> Sent {
        let mut sent = Sent::default();
        let mut left = batch.runs();
        while left.len() > 1 {
            match calls::send(&self.socket, left.clone()) {
                Ok(taken) => left.by_ref().take(taken).for_each(|run| sent += Sent::all(run)),
                // What is too much now will be so for those behind it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return sent,
                // It concerns the first one only.
                Err(_) => left.next().into_iter().for_each(|run| sent += self.send_run(run)),
            }
        }
        left.for_each(|run| sent += self.send_run(run));
        sent
    }

    /// Sends a run by itself, and if the kernel does not take it, each datagram of it.
    fn send_run(&self, run: Run<'_>) -> Sent {
        let Run { to, contents, segment } = run;
        if run.count() > 1 {
            match self.transmit(to, contents, Some(segment)) {
                Ok(()) => return Sent::all(run),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::default(),
                // A device that cannot cut runs apart (EIO, EINVAL), or a path of a smaller MTU
                // (EMSGSIZE).
                Err(error) => tracing::debug!("udp to {to}, as one run: {error}"),
            }
        }
        let mut sent = Sent::default();
        for datagram in contents.chunks(segment.max(1)) {
            let taken = match self.transmit(to, datagram, None) {
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                    self.transmit_in_fragments(to, datagram)
                }
                taken => taken,
            };
            match taken {
                Ok(()) => sent += Sent { datagrams: 1, bytes: datagram.len() as u64 },
                Err(error) => tracing::debug!("udp to {to}: {error}"),
            }
        }
        sent
    }

    /// A chunk is 1250 bytes, and some tunnels take less. Not for all datagrams, since of a run
    /// that the kernel may fragment it would let routers fragment every one.
    fn transmit_in_fragments(&self, to: SocketAddrV4, datagram: &[u8]) -> io::Result<()> {
        treat_too_long(&self.socket, TooLong::Fragmented)?;
        let taken = self.transmit(to, datagram, None);
        treat_too_long(&self.socket, TooLong::Refused)?;
        taken
    }

    fn transmit(
        &self,
        to: SocketAddrV4,
        contents: &[u8],
        segment_size: Option<usize>,
    ) -> io::Result<()> {
        let transmit = Transmit {
            destination: SocketAddr::V4(to),
            ecn: None,
            contents,
            segment_size,
            src_ip: None,
        };
        self.state.try_send((&self.socket).into(), &transmit)
    }
}
