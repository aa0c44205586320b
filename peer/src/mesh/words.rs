//! The mesh in the words of the event file and of `GET /status`.

use std::net::SocketAddr;

use nearcast_engine::mesh::{Cause, Event as EngineEvent, PeerId, Relation, Statistics};

use super::Swarm;
use crate::events::{Event, Progress};
use crate::status::{MeshLayer, MeshNeighbour, MeshStatus};

pub(crate) fn event_of(stream: &str, event: EngineEvent) -> Event {
    let stream = stream.to_owned();
    match event {
        EngineEvent::Met { peer, relation } => {
            Event::Met { stream, peer: address(peer), relation: relation_of(relation) }
        }
        EngineEvent::Parted { peer, cause } => {
            Event::Parted { stream, peer: address(peer), cause: cause_of(cause) }
        }
        EngineEvent::Started { time } => Event::Playout { stream, time },
        EngineEvent::Resynced { from, to } => Event::Resynced { stream, from, to },
        EngineEvent::Outgrown { layer } => Event::Outgrown { stream, layer },
    }
}

/// Ids are made of addresses; one that is none cannot have answered.
fn address(peer: PeerId) -> Option<SocketAddr> {
    peer.address().map(SocketAddr::V4)
}

fn relation_of(relation: Relation) -> String {
    match relation {
        Relation::Initiator => "initiator",
        Relation::Receptor => "receptor",
        Relation::Fallback => "fallback",
    }
    .to_owned()
}

fn cause_of(cause: Cause) -> String {
    match cause {
        Cause::Replaced => "replaced",
        Cause::Left => "left",
        Cause::Silent => "silent",
        Cause::Unserving => "unserving",
        Cause::Shunned => "shunned",
        Cause::Restarted => "restarted",
        Cause::Leaving => "leaving",
    }
    .to_owned()
}

/// What came of a stream so far.
pub(super) fn progress_of(stream: &str, swarm: &Swarm) -> Event {
    let statistics = swarm.statistics();
    let layers = &statistics.layers[..usize::from(swarm.settings().layers)];
    Event::Progress(Progress {
        stream: stream.to_owned(),
        due: layers.iter().map(|layer| layer.due).collect(),
        played: layers.iter().map(|layer| layer.played).collect(),
        played_bytes: layers.iter().map(|layer| layer.played_bytes).collect(),
        regular_layers: statistics.regular_layers,
        neighbours: u16::try_from(swarm.neighbours().count()).unwrap_or(u16::MAX),
        chunks_neighbours: statistics.chunks_neighbours,
        chunks_fallback: statistics.chunks_fallback,
        duplicates: statistics.duplicates,
        late: statistics.late,
        served_bytes: statistics.served_bytes,
        sent_bytes: statistics.sent_bytes,
    })
}

/// A swarm as it is now.
pub(crate) fn status_of(swarm: &Swarm) -> MeshStatus {
    let statistics: &Statistics = swarm.statistics();
    let layers = statistics.layers.iter().zip(swarm.held()).map(|(layer, held)| MeshLayer {
        due: layer.due,
        played: layer.played,
        played_bytes: layer.played_bytes,
        ratio: (layer.due > 0).then(|| layer.played as f64 / layer.due as f64),
        held,
    });
    let neighbours = swarm.neighbours().map(|neighbour| MeshNeighbour {
        peer: address(neighbour.peer),
        relation: relation_of(neighbour.relation),
        rate_in: neighbour.rate_in.bits_per_sec(),
        rate_out: neighbour.rate_out.bits_per_sec(),
        round_trip: neighbour.round_trip.map(|span| span.as_nanos()),
        queued: neighbour.queued,
        unserved_rounds: neighbour.unserved_rounds,
        held: neighbour.held,
    });
    MeshStatus {
        upload: swarm.settings().upload.bits_per_sec(),
        pace: swarm.pace().bits_per_sec(),
        regular_layers: statistics.regular_layers,
        layers: layers.collect(),
        neighbours: neighbours.collect(),
        chunks_neighbours: statistics.chunks_neighbours,
        chunks_fallback: statistics.chunks_fallback,
        offload: (swarm.came() > 0)
            .then(|| statistics.chunks_neighbours as f64 / swarm.came() as f64),
        duplicates: statistics.duplicates,
        late: statistics.late,
        refused: statistics.refused,
        forged: statistics.forged,
        verified: swarm.verifies(),
        polluted: swarm.polluted(),
        served: statistics.served,
        served_bytes: statistics.served_bytes,
        sent_bytes: statistics.sent_bytes,
        requests_expired: statistics.requests_expired,
    }
}
