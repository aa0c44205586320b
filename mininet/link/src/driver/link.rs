use std::io;

use nearcast_machine::{Machine, Seed, Time};

use super::capture::Capture;
use super::clock;
use super::error::RequestError;
use super::frame::{Frame, Pool};
use super::tap::{MAX_FRAME, Tap};
use super::timing::Histogram;
use crate::control::{InterfaceName, LinkInfo, LinkName, LinkStats, PipeStats};
use crate::model::{Input, LinkParams, Pipe};

/// What all links of the process share.
pub(super) struct Shared {
    pub(super) pool: Pool,
    pub(super) timing: Histogram,
    /// Where the part of a frame goes that is too long for an ordinary buffer.
    spill: Box<[u8]>,
}

impl Shared {
    pub(super) fn new() -> Shared {
        Shared {
            pool: Pool::default(),
            timing: Histogram::new(),
            spill: vec![0; MAX_FRAME].into_boxed_slice(),
        }
    }
}

/// One link: an interface at each end, and a pipe each way.
pub(super) struct Link {
    pub(super) name: LinkName,
    ends: [End; 2],
    pub(super) capture: Option<Capture>,
}

/// One end, and the pipe that begins there.
struct End {
    interface: InterfaceName,
    tap: Tap,
    gone: bool,
    pipe: Pipe<Frame>,
    overrun: u64,
    refused: u64,
    uncaptured: u64,
}

impl End {
    fn new(interface: InterfaceName, params: LinkParams, seed: Seed) -> Result<End, RequestError> {
        let tap = Tap::new(&interface).map_err(|source| match source.raw_os_error() {
            // IFF_TUN_EXCL makes it EBUSY where there is a TAP device, EINVAL where another kind.
            Some(nix::libc::EBUSY | nix::libc::EINVAL) => {
                RequestError::InterfaceExists(interface.clone())
            }
            _ => RequestError::Tap { interface: interface.clone(), source },
        })?;
        let pipe = Pipe::new(params, seed);
        Ok(End { interface, tap, gone: false, pipe, overrun: 0, refused: 0, uncaptured: 0 })
    }

    fn stats(&self) -> PipeStats {
        PipeStats {
            counters: self.pipe.counters(),
            overrun: self.overrun,
            refused: self.refused,
            uncaptured: self.uncaptured,
        }
    }
}

impl Link {
    /// Makes both interfaces; neither is left if the second fails.
    pub(super) fn new(
        name: LinkName,
        interfaces: [InterfaceName; 2],
        params: [LinkParams; 2],
        seed: Seed,
    ) -> Result<Link, RequestError> {
        let seed = seed.derive(name.as_str());
        let [a, b] = interfaces;
        let [a_to_b, b_to_a] = params;
        let ends = [
            End::new(a, a_to_b, seed.derive("a_to_b"))?,
            End::new(b, b_to_a, seed.derive("b_to_a"))?,
        ];
        Ok(Link { name, ends, capture: None })
    }

    pub(super) fn tap(&self, end: usize) -> &Tap {
        &self.ends[end].tap
    }

    pub(super) fn params(&self, end: usize) -> &LinkParams {
        self.ends[end].pipe.params()
    }

    pub(super) fn deadline(&self, end: usize) -> Option<Time> {
        self.ends[end].pipe.deadline()
    }

    /// Takes in at most `burst` frames that the `end`-th interface sends. An error means that the
    /// interface is gone and need not be listened to again.
    pub(super) fn receive(
        &mut self,
        end: usize,
        burst: usize,
        shared: &mut Shared,
    ) -> io::Result<()> {
        for _ in 0..burst {
            let here = &mut self.ends[end];
            let Some(mut buffer) = shared.pool.buffer() else {
                // The frame must go all the same, or the kernel's own queue would hold it for
                // later.
                let Some(_) = here.tap.recv(&mut [], &mut shared.spill)? else { return Ok(()) };
                here.overrun += 1;
                continue;
            };
            match here.tap.recv(&mut buffer, &mut shared.spill) {
                Ok(Some(len)) => {
                    let frame = shared.pool.frame(buffer, &shared.spill, len);
                    self.handle(end, clock::now(), Input::Send(frame), shared);
                }
                Ok(None) => {
                    shared.pool.put_back(buffer);
                    return Ok(());
                }
                Err(error) => {
                    here.gone = true;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Hands an input to the pipe that begins at `end`, and releases what comes out.
    pub(super) fn handle(
        &mut self,
        end: usize,
        now: Time,
        input: Input<Frame>,
        shared: &mut Shared,
    ) {
        self.ends[end].pipe.handle(now, input);
        self.release(end, shared);
    }

    /// Releases what has come due in the pipe that begins at `end`.
    pub(super) fn expire(&mut self, end: usize, now: Time, shared: &mut Shared) {
        self.ends[end].pipe.expire(now);
        self.release(end, shared);
    }

    fn release(&mut self, end: usize, shared: &mut Shared) {
        while let Some(delivery) = self.ends[end].pipe.poll() {
            shared.timing.record(clock::now().since(delivery.due));
            let frame = delivery.packet.bytes();
            if let Some(capture) = self.capture.as_mut().filter(|capture| capture.covers(end))
                && !capture.record(clock::wall(), frame)
            {
                self.ends[end].uncaptured += 1;
            }
            // EIO while the interface is down, ENOBUFS and ENOMEM when the kernel has no room,
            // EBADFD once it is gone: a wire does not know who listens, so the frame is counted and
            // gone.
            if self.ends[1 - end].tap.send(frame).is_err() {
                self.ends[end].refused += 1;
            }
        }
    }

    /// Plugs the cable in, or pulls it.
    pub(super) fn set_up(&mut self, up: bool, now: Time, shared: &mut Shared) {
        for end in 0..2 {
            self.handle(end, now, if up { Input::Up } else { Input::Down }, shared);
            // Refused on old kernels and for an interface that is gone; the pipe is up or down
            // anyway.
            let _ = self.ends[end].tap.set_carrier(up);
        }
    }

    pub(super) fn stats(&self) -> LinkStats {
        LinkStats {
            name: self.name.clone(),
            up: self.ends[0].pipe.is_up(),
            a_to_b: self.ends[0].stats(),
            b_to_a: self.ends[1].stats(),
        }
    }

    pub(super) fn info(&self) -> LinkInfo {
        let [a, b] = &self.ends;
        LinkInfo {
            name: self.name.clone(),
            a: a.interface.clone(),
            b: b.interface.clone(),
            up: a.pipe.is_up(),
            whole: !a.gone && !b.gone,
            a_to_b: a.pipe.params().clone(),
            b_to_a: b.pipe.params().clone(),
            pcap: self.capture.as_ref().map(|capture| capture.path().to_owned()),
        }
    }
}
