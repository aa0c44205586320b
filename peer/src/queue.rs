use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nearcast_media::Media;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TryRecvError};

/// What may wait between the stream and one reader of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// Messages.
    pub(crate) messages: usize,
    /// Bytes of message bodies.
    pub(crate) bytes: usize,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its unit number; headers that are handed to a reader on its arrival have none.
    pub(crate) unit: Option<u64>,
    /// The message.
    pub(crate) media: Media,
}

/// The end that the stream writes to. Dropping it ends the stream for the reader, who still gets
/// what waits.
pub(crate) struct Inlet {
    messages: Sender<Item>,
    shared: Arc<Shared>,
    limit: Limit,
}

/// The end that one reader takes from.
pub(crate) struct Outlet {
    messages: Receiver<Item>,
    shared: Arc<Shared>,
}

/// The reader is gone, or too slow: the queue was full, and is now closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closed {
    /// It left.
    Gone,
    /// It read too slowly.
    Slow,
}

#[derive(Default)]
struct Shared {
    bytes: AtomicUsize,
    slow: AtomicBool,
    cut: Notify,
}

/// A queue for one reader. The writer never waits for the reader.
pub(crate) fn queue(limit: Limit) -> (Inlet, Outlet) {
    let (inlet, outlet) = channel(limit.messages);
    let shared = Arc::<Shared>::default();
    (
        Inlet { messages: inlet, shared: Arc::clone(&shared), limit },
        Outlet { messages: outlet, shared },
    )
}

impl Inlet {
    /// Puts `item` in. After an error the reader gets nothing more, not even what waits: a reader
    /// that is so far behind would only show old pictures.
    pub(crate) fn push(&self, item: Item) -> Result<(), Closed> {
        let length = item.media.body.len();
        let waiting = self.shared.bytes.fetch_add(length, Ordering::Relaxed);
        if waiting + length > self.limit.bytes || self.messages.capacity() == 0 {
            self.shared.slow.store(true, Ordering::Release);
            self.shared.cut.notify_one();
            return Err(Closed::Slow);
        }
        self.messages.try_send(item).map_err(|_| Closed::Gone)
    }

    /// Whether the reader is still there.
    pub(crate) fn is_read(&self) -> bool {
        !self.messages.is_closed()
    }
}

impl Outlet {
    /// The next message; `None` at the end of the stream or when this reader was cut off.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        if self.was_cut_off() {
            return None;
        }
        let shared = Arc::clone(&self.shared);
        let item = tokio::select! {
            biased;
            () = shared.cut.notified() => None,
            item = self.messages.recv() => item,
        }?;
        self.taken(&item);
        Some(item)
    }

    /// The next message if one waits.
    pub(crate) fn try_next(&mut self) -> Option<Item> {
        if self.was_cut_off() {
            return None;
        }
        match self.messages.try_recv() {
            Ok(item) => {
                self.taken(&item);
                Some(item)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    /// Whether this reader was too slow.
    pub(crate) fn was_cut_off(&self) -> bool {
        self.shared.slow.load(Ordering::Acquire)
    }

    /// Waits until this reader was too slow.
    pub(crate) async fn cut_off(&self) {
        while !self.was_cut_off() {
            self.shared.cut.notified().await;
        }
    }

    /// Whether the stream is over and all of it was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.messages.is_closed() && self.messages.is_empty()
    }

    fn taken(&self, item: &Item) {
        self.shared.bytes.fetch_sub(item.media.body.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use nearcast_media::Kind;

    fn item(unit: u64, length: usize) -> Item {
        let body = Bytes::from(vec![0; length]);
        Item { unit: Some(unit), media: Media { kind: Kind::Video, timestamp: 0, body } }
    }

    async fn next(outlet: &mut Outlet) -> Option<u64> {
        outlet.next().await.and_then(|item| item.unit)
    }

    #[tokio::test]
    async fn a_reader_gets_what_waits_and_then_the_end() {
        let (inlet, mut outlet) = queue(Limit { messages: 4, bytes: 100 });
        for unit in 0..3 {
            inlet.push(item(unit, 10)).expect("there is room");
        }
        drop(inlet);
        for unit in 0..3 {
            assert_eq!(next(&mut outlet).await, Some(unit));
        }
        assert_eq!(next(&mut outlet).await, None);
        assert!(!outlet.was_cut_off());
    }

    #[tokio::test]
    async fn a_slow_reader_is_cut_off_by_messages_and_by_bytes() {
        for limit in [Limit { messages: 2, bytes: 1000 }, Limit { messages: 1000, bytes: 25 }] {
            let (inlet, mut outlet) = queue(limit);
            inlet.push(item(0, 10)).expect("there is room");
            inlet.push(item(1, 10)).expect("there is room");
            assert_eq!(inlet.push(item(2, 10)), Err(Closed::Slow));
            assert_eq!(next(&mut outlet).await, None, "it gets nothing more");
            assert!(outlet.was_cut_off());
        }
    }

    #[tokio::test]
    async fn a_reader_that_takes_makes_room() {
        let (inlet, mut outlet) = queue(Limit { messages: 2, bytes: 25 });
        for unit in 0..100 {
            inlet.push(item(unit, 20)).expect("there is room");
            assert_eq!(next(&mut outlet).await, Some(unit));
        }
        drop(outlet);
        assert!(!inlet.is_read());
        assert_eq!(inlet.push(item(0, 1)), Err(Closed::Gone));
    }
}
