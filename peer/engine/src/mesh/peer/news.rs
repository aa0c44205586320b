//! Buffer maps and requests on their way out: with a chunk if one goes soon enough, else alone.

use std::sync::Arc;

use nearcast_machine::{Bitrate, Span, Time};

use super::super::message::HEAD;
use super::super::neighbour::clock;
use super::super::wire::DATAGRAM_MAX;
use super::super::{Body, BufferMap, LayerBits, News, Payload, Report, Request, SEQ_MAX};
use super::Peer;

/// The largest map, in bytes: one that fits a datagram on its own. Of a stream of 3.4 Mbit/s that
/// has holes everywhere, 30 s fit; without holes far more.
const MAP_MAX: usize = 1350;

/// The fewest chunks of a longer request that are asked for apart from the rest.
const PART_MIN: usize = 32;

fn kbits(rate: Bitrate) -> u16 {
    u16::try_from(rate.bits_per_sec().div_ceil(1000)).unwrap_or(u16::MAX)
}

impl<P: Payload> Peer<P> {
    /// Draws this round's map.
    pub(super) fn draw_map(&mut self) {
        // Who serves nobody would only be asked in vain.
        let serves = self.settings.upload.bits_per_sec() > 0;
        let mut most = if serves { usize::MAX } else { 0 };
        loop {
            let layers = self.layers.iter().zip(&self.rates);
            let map = BufferMap::new(layers.map(|(layer, rate)| LayerBits {
                base: if layer.is_placed() { layer.base() } else { SEQ_MAX },
                kbits: rate.map_or(0, kbits),
                words: &layer.words()[..layer.words().len().min(most)],
            }));
            if map.size() <= MAP_MAX {
                self.map = Some(Arc::new(map));
                return;
            }
            // The newest chunks of the longest layers are announced once there are fewer holes.
            let longest = self.layers.iter().map(|layer| layer.words().len().min(most)).max();
            let longest = longest.unwrap_or(0);
            most = longest.saturating_sub(1);
        }
    }

    /// What a neighbour has yet to be told, as far as it fits into `room` bytes; requests before
    /// the map.
    #[inline]
    pub(super) fn news(&mut self, now: Time, at: usize, room: usize) -> Option<Box<News>> {
        let neighbour = self.roster.at(at);
        match neighbour.map_due || !neighbour.wanted.is_empty() {
            true => self.tell(now, at, room),
            false => None,
        }
    }

    #[inline(never)]
    fn tell(&mut self, now: Time, at: usize, room: usize) -> Option<Box<News>> {
        let empty = News { number: 0, map: None, request: None };
        let mut left = room.checked_sub(empty.size())?;
        let patience = Span::from_millis(self.round_at.since(now).as_millis());
        let neighbour = self.roster.at_mut(at);
        if patience == Span::ZERO {
            // The next round is about to decide anew.
            neighbour.wanted.clear();
        }
        let wanted = &mut neighbour.wanted;
        let fits = Request::most(left, self.layers.len()).min(wanted.len());
        // A few of many are not worth a request of their own.
        let request = (fits > 0 && (fits == wanted.len() || fits >= PART_MIN)).then(|| {
            let rest = wanted.split_off(fits);
            Request { patience, wanted: std::mem::replace(wanted, rest) }
        });
        left -= request.as_ref().map_or(0, Request::size);
        let map = self.map.as_ref().filter(|_| neighbour.map_due).map(|map| {
            let (edge, hops) = self.clock.edge(now);
            let (echo, held) = neighbour.echo(now);
            Report { map: Arc::clone(map), edge, hops, stamp: clock(now), echo, held }
        });
        let map = map.filter(|map| map.size() <= left);
        if request.is_none() && map.is_none() {
            return None;
        }
        neighbour.map_due &= map.is_none();
        neighbour.news_out += 1;
        let number = neighbour.news_out;
        self.statistics.map_bytes += map.as_ref().map_or(0, Report::size) as u64;
        self.statistics.request_bytes += request.as_ref().map_or(0, Request::size) as u64;
        Some(Box::new(News { number, map, request }))
    }

    /// Sends on their own what found no chunk to ride on.
    pub(super) fn flush(&mut self, now: Time) {
        self.flush_at = None;
        for at in 0..self.roster.len() {
            if !self.roster.at(at).is_up() {
                continue;
            }
            // More than once if there is more than a datagram holds.
            while let Some(news) = self.news(now, at, DATAGRAM_MAX - HEAD) {
                self.statistics.news_alone += 1;
                let neighbour = self.roster.at(at);
                let (peer, key) = (neighbour.peer, neighbour.key_out);
                self.signal(now, peer, key, Body::News(news));
            }
        }
    }
}
