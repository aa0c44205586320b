use std::cell::{Cell, RefCell};
use std::rc::Rc;

use nearcast_machine::Bytes;

use crate::model::Packet;

/// The buffer of an ordinary Ethernet frame; a larger one gets a buffer of its own size.
pub(super) const ROOM: usize = 2048;

/// How much the process holds at most in all links: a second of 2 Gbit/s. Beyond that, frames are
/// dropped and counted as overrun.
const MAX_HELD: usize = 256 << 20;

/// How many idle buffers are kept for reuse.
const MAX_IDLE: usize = 8192;

/// Where frames' buffers come from and go back to.
#[derive(Clone, Default)]
pub(super) struct Pool(Rc<Shelf>);

#[derive(Default)]
struct Shelf {
    idle: RefCell<Vec<Box<[u8]>>>,
    held: Cell<usize>,
}

impl Pool {
    /// A buffer of [`ROOM`] bytes to read into; `None` while the process holds too much.
    pub(super) fn buffer(&self) -> Option<Box<[u8]>> {
        if self.0.held.get() >= MAX_HELD {
            return None;
        }
        Some(self.0.idle.borrow_mut().pop().unwrap_or_else(|| vec![0; ROOM].into_boxed_slice()))
    }

    /// Puts a buffer back unused.
    pub(super) fn put_back(&self, buffer: Box<[u8]>) {
        self.0.keep(buffer);
    }

    /// The frame of `len` bytes that was read into `buffer`, and as far as it did not fit there,
    /// into `spill`.
    pub(super) fn frame(&self, buffer: Box<[u8]>, spill: &[u8], len: usize) -> Frame {
        let buffer = match len.checked_sub(buffer.len()) {
            None | Some(0) => buffer,
            Some(rest) => {
                let whole = [&buffer[..], &spill[..rest]].concat().into_boxed_slice();
                self.0.keep(buffer);
                whole
            }
        };
        self.0.held.set(self.0.held.get() + buffer.len());
        Frame(Rc::new(Body { buffer, len, shelf: self.0.clone() }))
    }

    /// How many bytes of buffers are in frames now.
    pub(super) fn held(&self) -> usize {
        self.0.held.get()
    }
}

impl Shelf {
    fn keep(&self, buffer: Box<[u8]>) {
        let mut idle = self.idle.borrow_mut();
        if buffer.len() == ROOM && idle.len() < MAX_IDLE {
            idle.push(buffer);
        }
    }
}

/// An Ethernet frame on its way. A clone is another reference to the same bytes.
#[derive(Clone)]
pub(super) struct Frame(Rc<Body>);

struct Body {
    buffer: Box<[u8]>,
    len: usize,
    shelf: Rc<Shelf>,
}

impl Frame {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0.buffer[..self.0.len]
    }
}

impl Packet for Frame {
    fn wire_len(&self) -> Bytes {
        Bytes::new(self.0.len as u64)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.shelf.held.set(self.shelf.held.get() - self.buffer.len());
        self.shelf.keep(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_when_the_last_copy_of_a_frame_is_gone() {
        let pool = Pool::default();
        let frame = pool.frame(pool.buffer().expect("room"), &[], 100);
        let copy = frame.clone();
        assert_eq!((frame.bytes().len(), pool.held()), (100, ROOM));
        drop(frame);
        assert_eq!(pool.held(), ROOM);
        drop(copy);
        assert_eq!((pool.held(), pool.0.idle.borrow().len()), (0, 1));
    }

    #[test]
    fn a_jumbo_frame_is_joined_from_buffer_and_spill() {
        let pool = Pool::default();
        let mut buffer = pool.buffer().expect("room");
        buffer.fill(1);
        let frame = pool.frame(buffer, &[2; 8000], ROOM + 5);
        assert_eq!(frame.bytes().len(), ROOM + 5);
        assert!(frame.bytes()[..ROOM].iter().all(|byte| *byte == 1));
        assert!(frame.bytes()[ROOM..].iter().all(|byte| *byte == 2));
        drop(frame);
        assert_eq!(pool.held(), 0);
    }

    #[test]
    fn a_full_pool_refuses() {
        let pool = Pool::default();
        let large = vec![0; MAX_HELD / 4];
        let frames: Vec<_> = (0..4)
            .map(|_| pool.frame(pool.buffer().expect("room"), &large, MAX_HELD / 4))
            .collect();
        assert!(pool.buffer().is_none());
        drop(frames);
        assert!(pool.buffer().is_some());
    }
}
