use nearcast_engine::mesh::{Settings, System};
use nearcast_machine::{Bitrate, Bytes, Span};
use nearcast_sim::Access;

use crate::Stream;

/// What the nodes of a run are made of.
#[derive(Debug, Clone)]
pub struct Kit {
    /// What the source publishes.
    pub stream: Stream,
    /// Of every viewer, but for its upload rate.
    pub viewer: Settings,
    /// Of the source.
    pub source: Settings,
}

impl Kit {
    /// A system as it is by default, with a source that uploads at a rate.
    pub fn new(system: System, stream: Stream, source: Bitrate, step: Span) -> Kit {
        Kit {
            stream,
            viewer: simulated(Settings::of(system), step),
            source: simulated(Settings { upload: source, ..Settings::source(system) }, step),
        }
    }
}

/// Settings as the paper's simulator has them: signalling costs nothing, and a round is played as a
/// whole. A supplier wakes every `step` at most, which is the network's
/// [moderation](nearcast_sim::Network::moderation); at zero it serves chunk by chunk.
pub fn simulated(settings: Settings, step: Span) -> Settings {
    Settings {
        upload_counts_signalling: false,
        playout_step: Span::from_secs(1),
        // News that rode on chunks would wait with them for the sender's link and then for the
        // receiver's step; requests would come late, and chunks be asked for twice.
        piggyback: if step > Span::ZERO { Span::ZERO } else { settings.piggyback },
        batch: step,
        burst: settings.burst.max(step),
        ..settings
    }
}

/// The access link of a peer that uploads payload at `rate`. The engine paces itself by payload;
/// with headers and the maps and requests that ride along a chunk is a tenth longer, and with less
/// than that its link would fall behind for ever.
pub fn access(rate: Bitrate) -> Access {
    let up = Bitrate::from_bits_per_sec(rate.bits_per_sec() * 10 / 9);
    Access { up: Some(up), down: None, queue: Bytes::new(1 << 20) }
}
