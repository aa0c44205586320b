//! `sendmmsg(2)`. nix has it with the same control messages for all; but each run is cut at its own
//! length.

use std::io;
use std::mem::{offset_of, size_of, zeroed};
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

use super::Run;

/// Most runs that go into one call. Way into the kernel and back takes a tenth of what a run does,
/// so with more there is nothing left to gain.
pub(super) const RUNS_AT_ONCE: usize = 64;

/// What the kernel reads of a run beside its bytes.
#[derive(Clone, Copy)]
struct Letter {
    address: libc::sockaddr_in,
    contents: libc::iovec,
    control: Segment,
}

/// The control message UDP_SEGMENT (`udp(7)`).
#[derive(Clone, Copy)]
#[repr(C)]
struct Segment {
    header: libc::cmsghdr,
    length: u16,
}

// It is as `cmsg(3)` would lay it out.
const _: () = assert!(offset_of!(Segment, length) == size_of::<libc::cmsghdr>());

/// Hands the first [`RUNS_AT_ONCE`] of `runs` to the kernel; answers how many of them it took.
///
/// # Errors
/// What became of the first run, if the kernel did not take it.
pub(super) fn send<'a>(
    socket: &impl AsFd,
    runs: impl Iterator<Item = Run<'a>>,
) -> io::Result<usize> {
    // SAFETY: all zeroes are valid values of these, which have numbers and pointers only.
    let mut letters: [Letter; RUNS_AT_ONCE] = unsafe { zeroed() };
    // SAFETY: as above.
    let mut headers: [libc::mmsghdr; RUNS_AT_ONCE] = unsafe { zeroed() };
    let mut count = 0;
    for ((run, letter), header) in runs.zip(&mut letters).zip(&mut headers) {
        letter.write(&run);
        letter.address_to(&mut header.msg_hdr);
        count += 1;
    }
    loop {
        // SAFETY: the first `count` headers point into `letters` and into the bytes of `runs`,
        // which both outlive the call; it writes nothing but the lengths in `headers`.
        let answer = unsafe {
            let (fd, headers) = (socket.as_fd().as_raw_fd(), headers.as_mut_ptr());
            libc::sendmmsg(fd, headers, count, 0)
        };
        match usize::try_from(answer) {
            Ok(taken) => return Ok(taken),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

impl Letter {
    fn write(&mut self, run: &Run<'_>) {
        self.address = address(run.to);
        self.contents.iov_base = run.contents.as_ptr().cast_mut().cast();
        self.contents.iov_len = run.contents.len();
        self.control.header.cmsg_level = libc::SOL_UDP;
        self.control.header.cmsg_type = libc::UDP_SEGMENT;
        self.control.header.cmsg_len = (offset_of!(Segment, length) + size_of::<u16>()) as _;
        self.control.length = run.segment as u16; // No datagram is longer.
    }

    /// Lets a header point to what was written.
    fn address_to(&mut self, header: &mut libc::msghdr) {
        header.msg_name = (&raw mut self.address).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        header.msg_iov = &raw mut self.contents;
        header.msg_iovlen = 1;
        // What is one datagram is not to be cut: devices without offload would refuse it.
        if self.contents.iov_len > usize::from(self.control.length) {
            header.msg_control = (&raw mut self.control).cast();
            header.msg_controllen = size_of::<Segment>() as _;
        }
    }
}

fn address(of: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: of.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*of.ip()).to_be() },
        sin_zero: [0; 8],
    }
}
