//! Datagrams of a known size, dated by the kernel of who receives them.

use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use super::Namespace;

/// Payload of a datagram.
pub const PAYLOAD: usize = 1400;
/// The same on the wire: UDP, IPv4 and Ethernet headers added.
pub const ON_WIRE: usize = PAYLOAD + 8 + 20 + 14;

const PORT: u16 = 40_000;

/// Takes in datagrams.
pub struct Sink(UdpSocket);

impl Sink {
    pub fn new(namespace: &Namespace) -> Sink {
        let socket = namespace.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)));
        let socket = socket.expect("a UDP socket");
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).expect("kernel timestamps");
        setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20)).expect("a large buffer");
        Sink(socket)
    }

    /// When each datagram arrived, in seconds, until none came for `patience`.
    pub fn arrivals(&self, patience: Duration) -> Vec<f64> {
        self.0.set_read_timeout(Some(patience)).expect("a timeout");
        let mut arrivals = Vec::new();
        loop {
            let mut packet = [0; 2048];
            let mut space = nix::cmsg_space!(TimeSpec);
            let mut slices = [IoSliceMut::new(&mut packet)];
            let received =
                recvmsg::<()>(self.0.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::empty());
            match received {
                Ok(message) => {
                    assert_eq!(message.bytes, PAYLOAD);
                    arrivals.extend(message.cmsgs().expect("whole").find_map(|it| match it {
                        ControlMessageOwned::ScmTimestampns(stamp) => {
                            Some(stamp.tv_sec() as f64 + stamp.tv_nsec() as f64 / 1e9)
                        }
                        _ => None,
                    }));
                }
                Err(Errno::EAGAIN) => return arrivals,
                Err(errno) => panic!("receiving: {errno}"),
            }
        }
    }
}

/// Sends datagrams.
pub struct Source(UdpSocket);

impl Source {
    pub fn new(namespace: &Namespace, to: Ipv4Addr) -> Source {
        namespace.inside(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a UDP socket");
            socket.connect(SocketAddrV4::new(to, PORT)).expect("a route");
            Source(socket)
        })
    }

    /// Sends `count` at once.
    pub fn burst(&self, count: usize) {
        for _ in 0..count {
            self.0.send(&[0; PAYLOAD]).expect("the kernel takes a datagram");
        }
    }
}
