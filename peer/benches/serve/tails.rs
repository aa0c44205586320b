//! Receivers whom the seed sends whatever comes, as viewers whose switch or whose neighbours fail.

use std::net::SocketAddrV4;
use std::time::Duration;

use nearcast_engine::wire::{Chunk, Datagram, Tail};
use nearcast_machine::Span;
use nearcast_media::StreamId;

use crate::audience::Shared;
use crate::socket::{Socket, parse};
use crate::truth::Name;

/// Tails end by themselves after 5 s.
const RENEW: Duration = Duration::from_secs(2);
const SPAN: Span = Span::from_secs(5);

/// Counts a chunk.
pub(crate) fn take(shared: &Shared, at: usize, chunk: &Chunk) {
    let name = || Some(Name::Chunk(chunk.head.number, chunk.index));
    shared.came(at, name, &chunk.payload);
}

/// One of the audience.
pub(crate) async fn watch(shared: Shared, at: usize, stream: StreamId, seed: SocketAddrV4) {
    let mut socket = Socket::new(seed);
    let token = socket.token(stream).await;
    let mut renew = tokio::time::interval(RENEW);
    loop {
        tokio::select! {
            () = socket.readable() => socket.read(|bytes| {
                if let Ok(Datagram::Chunk(chunk)) = parse(bytes) {
                    take(&shared, at, &chunk);
                }
            }),
            _ = renew.tick() => {
                let (epoch, latest) = shared.truth(|truth| truth.latest()).expect("a stream");
                let tail = Tail { stream, token, epoch, from: latest + 1, span: SPAN };
                socket.say(&Datagram::Tail(tail)).await;
            }
            () = shared.over() => {
                let tail = Tail { stream, token, epoch: 0, from: 0, span: Span::ZERO };
                return socket.say(&Datagram::Tail(tail)).await;
            }
        }
    }
}
