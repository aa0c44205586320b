//! Round trips by ICMP echo (RFC 792): our own raw socket asks, the other kernel answers, and the
//! kernel dates the answer, so that no process's wake-up is in the figure.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn,
    recvmsg, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeSpec, TimeVal, TimeValLike};
use nix::time::{ClockId, clock_gettime};

use super::Namespace;

/// An echo request of the size that everybody's ping has: 56 bytes of data.
const DATA: usize = 56;

/// Pings `to` from inside `namespace`, each once the one before was answered or given up after
/// `patience`. The round trips in milliseconds; those without an answer are missing.
pub fn ping(namespace: &Namespace, to: Ipv4Addr, count: u16, patience: Duration) -> Vec<f64> {
    namespace.inside(|| {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp)
            .expect("a raw socket");
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("kernel timestamps");
        let timeout = TimeVal::microseconds(patience.as_micros() as i64);
        setsockopt(&socket, sockopt::ReceiveTimeout, &timeout).expect("a timeout");
        (0..count).filter_map(|sequence| round_trip(&socket, to, sequence)).collect()
    })
}

fn round_trip(socket: &OwnedFd, to: Ipv4Addr, sequence: u16) -> Option<f64> {
    let identifier = std::process::id() as u16;
    let request = echo_request(identifier, sequence);
    let address = SockaddrIn::from(SocketAddrV4::new(to, 0));
    let sent = clock_gettime(ClockId::CLOCK_REALTIME).expect("a clock");
    // Without a carrier the kernel refuses at once; that is no answer either.
    sendto(socket.as_raw_fd(), &request, &address, MsgFlags::empty()).ok()?;
    loop {
        let mut packet = [0; 2048];
        let mut space = nix::cmsg_space!(TimeSpec);
        let mut slices = [IoSliceMut::new(&mut packet)];
        let received =
            recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::empty());
        let (length, arrived) = match received {
            Ok(message) => {
                let stamp =
                    message.cmsgs().expect("whole control messages").find_map(|it| match it {
                        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                        _ => None,
                    });
                (message.bytes, stamp.expect("a kernel timestamp"))
            }
            Err(Errno::EAGAIN) => return None,
            Err(errno) => panic!("receiving: {errno}"),
        };
        // A raw socket sees the IP header too, and everybody's messages, errors included.
        let reply = &packet[20..length];
        let expected = [&[0, 0][..], &request[4..8]].concat();
        if [&reply[..2], &reply[4..8]].concat() == expected {
            return Some((arrived - sent).num_nanoseconds_f64() / 1e6);
        }
    }
}

fn echo_request(identifier: u16, sequence: u16) -> Vec<u8> {
    let mut packet = vec![8, 0, 0, 0];
    packet.extend(identifier.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.resize(8 + DATA, 0);
    let sum: u32 =
        packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    packet[2..4].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    packet
}

trait Nanoseconds {
    fn num_nanoseconds_f64(&self) -> f64;
}

impl Nanoseconds for TimeSpec {
    fn num_nanoseconds_f64(&self) -> f64 {
        self.tv_sec() as f64 * 1e9 + self.tv_nsec() as f64
    }
}

/// The value that `share` of all are at most as large as.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
