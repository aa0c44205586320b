use serde::{Deserialize, Serialize};

/// What one direction of a link has done since it was made.
///
/// Every packet offered is accounted for: `offered + duplicated` is the sum of `delivered`,
/// `dropped_queue`, `lost`, `dropped_down` and what is still in the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Packets handed to the link.
    pub offered: u64,
    /// Their bytes, whole Ethernet frames.
    pub offered_bytes: u64,
    /// Packets that took their time on the transmitter, lost afterwards or not.
    pub sent: u64,
    /// Their bytes: what this direction of the wire carried.
    pub sent_bytes: u64,
    /// Packets that came out at the far end, copies included.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Packets refused because the queue was full.
    pub dropped_queue: u64,
    /// Packets lost on the wire, by independent or Gilbert-Elliott loss.
    pub lost: u64,
    /// Packets offered while the link was down, or in it when it went down.
    pub dropped_down: u64,
    /// Second copies made.
    pub duplicated: u64,
    /// Packets held back so that later ones overtake them.
    pub reordered: u64,
    /// Packets waiting for the transmitter now.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// The most packets that ever waited.
    pub queued_peak: u64,
}
