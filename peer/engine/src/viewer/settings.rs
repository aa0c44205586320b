use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_machine::{Bitrate, Span};

use crate::{SupplyLimits, WindowLimits};

/// What can be set about a viewer. The defaults are what the experiments use.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The controller's alias, the only address that offers are believed from: `10.254.0.1`.
    pub controller: Ipv4Addr,
    /// The virtual range, address and prefix length: `10.254.0.0/16`. Only from within it are
    /// neighbours served.
    pub range: (Ipv4Addr, u8),
    /// The CDN seed; without one, holes are repaired by neighbours only.
    pub seed: Option<SocketAddrV4>,
    /// How long a missing unit is asked for before playing goes on behind it: 3 s.
    pub give_up: Span,
    /// How long a chunk may come later than one sent after it before it counts as lost: 3 ms.
    pub tolerance: Span,
    /// How long a unit may wait for its next chunk before the rest counts as lost: 10 ms. It finds
    /// the loss of a unit's last chunk before the next unit comes; a link that takes longer than
    /// this for a chunk (below 1 Mbit/s) needs more.
    pub quiet: Span,
    /// How much longer than expected the switch may deliver nothing before RTMP is resumed: 100 ms,
    /// or three times the usual time between units if that is more.
    pub silence: Span,
    /// How long the next unit may be missing, while the switch delivers others, before RTMP is
    /// resumed: 300 ms.
    pub stuck: Span,
    /// How many units in a row the switch must deliver ahead of the CDN before RTMP is paused: 4,
    /// two frames with their sound. Each return to RTMP multiplies it by 4, up to 256; 10 s by the
    /// switch without one bring it back.
    pub settle: u32,
    /// How long a holder or the seed has to answer while its round-trip time is not known: 60 ms.
    /// Afterwards it has twice that time, or more if the time varies.
    pub timeout: Span,
    /// Most chunks asked of one supplier and not come yet: 256. It starts with 32, grows as in
    /// TCP's slow start and congestion avoidance, and halves on loss.
    pub in_flight: usize,
    /// For how long the seed is asked to send what comes, each time: 2 s.
    pub tail: Span,
    /// How far ahead of the next unit a unit may be: 8192, two minutes of video with sound.
    pub ahead: u64,
    /// From when on a wait is reported as a stall: 500 ms.
    pub stall: Span,
    /// What neighbours may be sent: 20 Mbit/s in all, 10 Mbit/s to each.
    pub supply: SupplyLimits,
    /// What is kept of the stream.
    pub window: WindowLimits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            controller: Ipv4Addr::new(10, 254, 0, 1),
            range: (Ipv4Addr::new(10, 254, 0, 0), 16),
            seed: None,
            give_up: Span::from_secs(3),
            tolerance: Span::from_millis(3),
            quiet: Span::from_millis(10),
            silence: Span::from_millis(100),
            stuck: Span::from_millis(300),
            settle: 4,
            timeout: Span::from_millis(60),
            in_flight: 256,
            tail: Span::from_secs(2),
            ahead: 8192,
            stall: Span::from_millis(500),
            supply: SupplyLimits::new(
                Bitrate::from_bits_per_sec(20_000_000),
                Bitrate::from_bits_per_sec(10_000_000),
            ),
            window: WindowLimits::default(),
        }
    }
}
