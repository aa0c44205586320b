use std::collections::BTreeMap;

use nearcast_fabric::{Event, StreamName};
use tracing::Span;

/// Streams with a span at most. Those of servers that do not count as the CDN have roles too, and
/// are not otherwise bounded.
const STREAMS: usize = 16_384;

/// A span for each stream, open from its first role to its last: what is logged about a stream in
/// between is found by its name.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// With the number of roles.
    streams: BTreeMap<StreamName, (Span, usize)>,
}

impl Spans {
    /// The span that an event belongs in; a disabled one if it is about no stream.
    pub(crate) fn of(&mut self, event: &Event) -> Span {
        let Some(name) = stream(event) else { return Span::none() };
        match event {
            Event::RoleAccepted { .. } => {
                if self.streams.len() >= STREAMS && !self.streams.contains_key(name) {
                    return Span::none();
                }
                let (span, roles) = self
                    .streams
                    .entry(name.clone())
                    .or_insert_with(|| (tracing::info_span!("stream", name = %name), 0));
                *roles += 1;
                span.clone()
            }
            Event::RoleEnded { .. } => {
                let Some((span, roles)) = self.streams.get_mut(name) else { return Span::none() };
                let span = span.clone();
                *roles -= 1;
                if *roles == 0 {
                    self.streams.remove(name);
                }
                span
            }
            _ => self.streams.get(name).map_or_else(Span::none, |(span, _)| span.clone()),
        }
    }
}

/// The stream that an event is about.
fn stream(event: &Event) -> Option<&StreamName> {
    match event {
        Event::RoleAccepted { stream, .. }
        | Event::RoleRefused { stream, .. }
        | Event::RoleEnded { stream, .. }
        | Event::NotNear { stream, .. }
        | Event::PeeringWithheld { stream, .. }
        | Event::PeeringFormed { stream, .. }
        | Event::PeeringRouted { stream, .. }
        | Event::Offered { stream, .. }
        | Event::Joined { stream, .. }
        | Event::Declined { stream, .. }
        | Event::Withdrawn { stream, .. }
        | Event::PeeringEnded { stream, .. } => Some(stream),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use nearcast_fabric::{Role, RoleEnd};

    use super::*;

    #[test]
    fn a_stream_has_its_span_from_its_first_role_to_its_last() {
        let stream: StreamName = "live/room".parse().expect("a name");
        let host = IpAddr::from([10, 0, 0, 1]);
        let accepted = |role| Event::RoleAccepted {
            stream: stream.clone(),
            role,
            host,
            server: host,
            counts: true,
        };
        let reason = RoleEnd::Closed;
        let ended = |role| Event::RoleEnded { stream: stream.clone(), role, host, reason };
        let mut spans = Spans::default();
        spans.of(&accepted(Role::Broadcaster));
        spans.of(&accepted(Role::Viewer));
        spans.of(&ended(Role::Broadcaster));
        assert_eq!(spans.streams[&stream].1, 1);
        spans.of(&ended(Role::Viewer));
        spans.of(&ended(Role::Viewer));
        assert!(spans.streams.is_empty());
    }
}
