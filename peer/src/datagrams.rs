use std::io;
use std::net::{SocketAddr, SocketAddrV4};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::UdpSocket;

use crate::system;

/// What may wait in the kernel while this process is not scheduled: a second of 30 Mbit/s.
const WAITING: usize = 4 << 20;
/// The longest datagram of ours is a chunk of 1250 bytes and its header; offers are shorter.
pub(crate) const LONGEST: usize = 2048;

/// A UDP socket as chunks need it: deep in the kernel, never blocking on the way out.
pub(crate) struct Datagrams {
    socket: UdpSocket,
}

impl Datagrams {
    /// Binds `address`.
    pub(crate) fn bind(address: SocketAddrV4) -> io::Result<Datagrams> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        system::discover_mtu(&socket)?;
        // Root may go past net.core.rmem_max; others get as much as that allows.
        if setsockopt(&socket, sockopt::RcvBufForce, &WAITING).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &WAITING)?;
        }
        setsockopt(&socket, sockopt::SndBuf, &WAITING)?;
        Ok(Datagrams { socket: UdpSocket::from_std(socket)? })
    }

    /// Waits until something may be read.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes one datagram into `buffer`; `None` when there is none. A datagram that does not fit is
    /// cut, which its decoder then refuses. An ICMP error of an earlier datagram is no reason to stop.
    pub(crate) fn take(&self, buffer: &mut [u8; LONGEST]) -> Option<(usize, SocketAddrV4)> {
        loop {
            match self.socket.try_recv_from(buffer) {
                Ok((length, SocketAddr::V4(from))) => return Some((length, from)),
                Ok((_, SocketAddr::V6(_))) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) => tracing::trace!("udp: {error}"),
            }
        }
    }

    /// Sends one datagram; `false` when the kernel did not take it. It is then lost as on the wire,
    /// and repaired the same way: waiting here would hold up every other stream.
    pub(crate) fn send(&self, datagram: &[u8], to: SocketAddrV4) -> bool {
        match self.socket.try_send_to(datagram, to.into()) {
            Ok(_) => true,
            // An ICMP error of an earlier datagram is reported by the next call, which sent nothing.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.socket.try_send_to(datagram, to.into()).is_ok()
            }
            Err(error) => {
                tracing::debug!("udp to {to}: {error}");
                false
            }
        }
    }
}
