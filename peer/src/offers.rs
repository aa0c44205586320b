use std::net::Ipv4Addr;

use nearcast_media::peering::{Offer, Reason};

use crate::events::Event;

/// Notes each offer once, although it is repeated until answered and renewed ever after.
#[derive(Default)]
pub(crate) struct Offers {
    latest: Option<(u64, u32)>,
    /// The latest one's group address, until a chunk has come from there.
    awaited: Option<Ipv4Addr>,
}

impl Offers {
    /// The event of `offer`, if it is another than the one before.
    pub(crate) fn event(&mut self, offer: &Offer) -> Option<Event> {
        let this = Some((offer.peering, offer.generation));
        if self.latest == this {
            return None;
        }
        self.latest = this;
        self.awaited = Some(offer.group);
        Some(Event::Offer {
            peering: offer.peering,
            generation: offer.generation,
            stream: offer.stream.to_string(),
            role: offer.role.to_string(),
            group: offer.group,
            alias: offer.alias,
            holders: offer.holders.clone(),
        })
    }

    /// Whether a chunk from `from` is the first by the switch's copy since the latest offer.
    pub(crate) fn is_first_switched(&mut self, from: Ipv4Addr) -> bool {
        self.awaited.take_if(|group| *group == from).is_some()
    }
}

/// Why a peering ended, in a word.
pub(crate) fn reason(reason: Option<Reason>) -> String {
    match reason {
        None => "lease ran out",
        Some(Reason::Unpublished) => "unpublished",
        Some(Reason::Stopped) => "stopped",
        Some(Reason::Moved) => "moved",
        Some(Reason::Silent) => "silent",
        Some(Reason::Shutdown) => "shutdown",
        Some(Reason::Unsupported) => "unsupported",
    }
    .to_owned()
}
