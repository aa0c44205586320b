use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::uio::readv;

use crate::control::InterfaceName;

pub(super) const DEVICE: &str = "/dev/net/tun";

/// More than the largest MTU a TAP device takes (65521) with its Ethernet and VLAN headers. The
/// kernel cuts what does not fit without a word.
pub(super) const MAX_FRAME: usize = 66_000;

/// Not attaching to a device that somebody made before. (linux/if_tun.h; libc lacks it.)
const IFF_TUN_EXCL: libc::c_int = 0x8000;

mod ioctl {
    use nix::libc;
    // linux/if_tun.h. TUNSETIFF is declared with an int and takes an ifreq.
    nix::ioctl_write_ptr_bad!(set_interface, 0x400454ca, libc::ifreq);
    nix::ioctl_write_ptr!(set_carrier, b'T', 226, libc::c_int);
}

/// A network interface whose other side is this process. It is gone when this value is.
pub(super) struct Tap {
    file: File,
}

impl Tap {
    /// Makes the interface, down, in the network namespace of the calling thread.
    pub(super) fn new(name: &InterfaceName) -> io::Result<Tap> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(DEVICE)?;
        // SAFETY: all zeroes is a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
            *to = from as libc::c_char;
        }
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | IFF_TUN_EXCL;
        request.ifr_ifru.ifru_flags = flags as libc::c_short;
        // SAFETY: the descriptor is open, and the request is a whole ifreq with a terminated name,
        // as InterfaceName holds at most 15 bytes.
        unsafe { ioctl::set_interface(file.as_raw_fd(), &request)? };
        Ok(Tap { file })
    }

    /// Reads a frame that the interface sends into `buffer` and, where it is longer, on into
    /// `spill`. Its length; `None` if there is none waiting.
    pub(super) fn recv(&self, buffer: &mut [u8], spill: &mut [u8]) -> io::Result<Option<usize>> {
        match readv(&self.file, &mut [IoSliceMut::new(buffer), IoSliceMut::new(spill)]) {
            Ok(len) => Ok(Some(len)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the interface receive a frame.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        nix::unistd::write(&self.file, frame)?;
        Ok(())
    }

    /// Plugs the cable in or pulls it, as the kernel and its switches see it. A kernel before 4.20
    /// has no such call; the link then still loses everything while it is down.
    pub(super) fn set_carrier(&self, on: bool) -> io::Result<()> {
        // SAFETY: the descriptor is open and the argument an int.
        unsafe { ioctl::set_carrier(self.file.as_raw_fd(), &libc::c_int::from(on))? };
        Ok(())
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
