//! Receivers who ask the seed for chunks of the last seconds, again and again, as fast as it serves
//! them: what it can do, whatever a stream's rate is.

use std::net::SocketAddrV4;
use std::time::Duration;

use nearcast_engine::wire::{Datagram, Request, Wanted};
use nearcast_media::StreamId;

use crate::audience::Shared;
use crate::socket::{Socket, parse};
use crate::tails;

/// Units asked for at once.
const UNITS: u64 = 24;
/// How far back they go.
const BACK: u64 = 72;
/// What is not there by then was lost.
const PATIENCE: Duration = Duration::from_millis(100);

/// One of the audience.
pub(crate) async fn watch(shared: Shared, at: usize, stream: StreamId, seed: SocketAddrV4) {
    let mut socket = Socket::new(seed);
    let token = socket.token(stream).await;
    loop {
        let (epoch, units, mut left) = shared.truth(|truth| {
            let (epoch, latest) = truth.latest().expect("a stream");
            let begin = latest.saturating_sub(BACK - at as u64 % (BACK - UNITS));
            let units = (begin..begin + UNITS).filter_map(|unit| Some((unit, truth.count(unit)?)));
            let (units, counts): (Vec<u64>, Vec<usize>) = units.unzip();
            (epoch, units, counts.iter().sum::<usize>())
        });
        let wanted = units.into_iter().map(|unit| Wanted { unit, ranges: Vec::new() }).collect();
        socket.say(&Datagram::Request(Request { stream, token, epoch, wanted })).await;
        while left > 0 && tokio::time::timeout(PATIENCE, socket.readable()).await.is_ok() {
            socket.read(|bytes| {
                if let Ok(Datagram::Chunk(chunk)) = parse(bytes) {
                    tails::take(&shared, at, &chunk);
                    left = left.saturating_sub(1);
                }
            });
        }
        // Of a stream that has only begun there may be nothing yet.
        tokio::task::yield_now().await;
    }
}
