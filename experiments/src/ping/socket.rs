use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn,
    TimestampingFlag, recvmsg, sendmsg, setsockopt, socket, sockopt,
};

/// ICMP echo (RFC 792) to one host, on a raw socket.
#[derive(Debug)]
pub struct PingSocket {
    socket: OwnedFd,
    target: Ipv4Addr,
    id: u16,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The answer to the ping of this number, and when the kernel took it in, CLOCK_REALTIME ns.
    Reply(u16, u64),
    /// The ping with this number (counted from 0 without wrapping at 16 bits) left the kernel then.
    Departed(u32, u64),
}

const ECHO: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ICMP_HEADER: usize = 8;
/// An Ethernet frame's worth: longer pings would be fragmented.
pub(super) const MAX_SIZE: u32 = 1472;

impl PingSocket {
    /// Opens a socket in the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_NET_RAW.
    pub fn open(target: Ipv4Addr, id: u16) -> io::Result<PingSocket> {
        let kind = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet, SockType::Raw, kind, SockProtocol::Icmp)?;
        // Each sent packet's time comes back on the error queue with its number.
        let stamps = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
        setsockopt(&socket, sockopt::Timestamping, &stamps)?;
        Ok(PingSocket { socket, target, id })
    }

    /// Sends ping number `sequence` with `size` bytes of payload.
    pub(super) fn send(&self, sequence: u16, size: u32) -> io::Result<()> {
        let mut packet = vec![0; ICMP_HEADER + size.min(MAX_SIZE) as usize];
        packet[0] = ECHO;
        packet[4..6].copy_from_slice(&self.id.to_be_bytes());
        packet[6..8].copy_from_slice(&sequence.to_be_bytes());
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
        let to = SockaddrIn::from(SocketAddrV4::new(self.target, 0));
        let slices = [IoSlice::new(&packet)];
        sendmsg(self.socket.as_raw_fd(), &slices, &[], MsgFlags::empty(), Some(&to))?;
        Ok(())
    }

    /// The next thing that came back, if any; packets of others are skipped.
    pub(super) fn receive(&self) -> io::Result<Option<Arrival>> {
        if let Some(departed) = self.departure()? {
            return Ok(Some(departed));
        }
        loop {
            let mut bytes = [0; 2048];
            let mut control = nix::cmsg_space!([u8; 256]);
            let mut slices = [IoSliceMut::new(&mut bytes)];
            let received = recvmsg::<SockaddrIn>(
                self.socket.as_raw_fd(),
                &mut slices,
                Some(&mut control),
                MsgFlags::empty(),
            );
            let message = match received {
                Ok(message) => message,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let length = message.bytes;
            let at = message.cmsgs()?.find_map(|control| stamp(&control));
            let reply = bytes.get(..length).and_then(|packet| self.reply(packet));
            if let (Some(sequence), Some(at)) = (reply, at) {
                return Ok(Some(Arrival::Reply(sequence, at)));
            }
        }
    }

    fn departure(&self) -> io::Result<Option<Arrival>> {
        let mut control = nix::cmsg_space!([u8; 256]);
        let mut nothing = [0; 1];
        let mut slices = [IoSliceMut::new(&mut nothing)];
        let received = recvmsg::<SockaddrIn>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_ERRQUEUE,
        );
        let message = match received {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (mut at, mut number) = (None, None);
        for control in message.cmsgs()? {
            at = at.or(stamp(&control));
            if let ControlMessageOwned::Ipv4RecvErr(error, _) = control {
                number = Some(error.ee_data);
            }
        }
        Ok(number.zip(at).map(|(number, at)| Arrival::Departed(number, at)))
    }

    /// The number of our own ping that `packet`, beginning with its IPv4 header, answers.
    fn reply(&self, packet: &[u8]) -> Option<u16> {
        let header = usize::from(packet.first()? & 0x0F) * 4;
        if packet.get(12..16)? != self.target.octets() {
            return None;
        }
        let icmp = packet.get(header..)?;
        let field = |at: usize| Some(u16::from_be_bytes([*icmp.get(at)?, *icmp.get(at + 1)?]));
        (*icmp.first()? == ECHO_REPLY && field(4)? == self.id).then(|| field(6))?
    }
}

impl AsFd for PingSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn stamp(control: &ControlMessageOwned) -> Option<u64> {
    let ControlMessageOwned::ScmTimestampsns(stamps) = control else { return None };
    let (seconds, nanos) = (stamps.system.tv_sec(), stamps.system.tv_nsec());
    let nanos =
        u64::try_from(seconds).ok()?.checked_mul(1_000_000_000)? + u64::try_from(nanos).ok()?;
    (nanos > 0).then_some(nanos)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // RFC 1071, section 3.
        assert_eq!(checksum(&[0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7]), !0xDDF2);
        assert_eq!(checksum(&[0xFF]), 0x00FF);
    }
}
