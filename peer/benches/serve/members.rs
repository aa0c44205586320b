//! Receivers who are peers of the LayerP2P mesh with one neighbour, the seed, and ask it for every
//! chunk.

use std::net::SocketAddrV4;
use std::time::Duration;

use bytes::Bytes;
use nearcast_engine::mesh::tracker::{Answer, Question};
use nearcast_engine::mesh::wire::Datagram;
use nearcast_engine::mesh::{Body, Input, Output, Peer, Settings};
use nearcast_machine::{Machine, Seed, Span};
use nearcast_media::StreamId;
use nearcast_peer::MESH_CHUNK_MAX;

use crate::audience::Shared;
use crate::socket::{Socket, now};
use crate::truth::Name;

/// The present instead of the paper's 30 s behind it: whoever comes asks for the whole window, and
/// the beginning is not what is measured.
const LAG: Span = Span::from_secs(3);

/// One of the audience.
pub(crate) async fn watch(shared: Shared, at: usize, stream: StreamId, seed: SocketAddrV4) {
    let settings = Settings {
        lc_max: MESH_CHUNK_MAX,
        lag: LAG,
        neighbours_min: 1,
        neighbours_max: 1,
        ..Settings::default()
    };
    let mut machine: Peer<Bytes> = Peer::new(settings, Seed::new(at as u64 + 1));
    let mut socket = Socket::new(seed);
    // Whoever seeks says 0, and takes the epoch of who accepts.
    let mut epoch = 0;
    let mut bytes = Vec::new();
    let mut over = false;
    loop {
        machine.expire(now());
        while let Some(output) = machine.poll() {
            match output {
                Output::Send { message, .. } => {
                    bytes.clear();
                    Datagram::Peer { stream, epoch, message }.encode(&mut bytes);
                    socket.send(&bytes).await;
                }
                // There is one other peer, and no tracker that would have to say so.
                Output::Tracker(Question::Announce { .. }) => {
                    machine.handle(now(), Input::Tracker(Answer::Peers(vec![seed.into()])));
                }
                Output::Tracker(Question::Depart { .. })
                | Output::Release(_)
                | Output::Event(_) => {}
            }
        }
        if over {
            return;
        }
        let due = Duration::from(machine.deadline().expect("it goes on").since(now()));
        tokio::select! {
            () = socket.readable() => {}
            () = tokio::time::sleep(due) => {}
            () = shared.over() => {
                machine.handle(now(), Input::Leave);
                over = true;
            }
        }
        socket.read(|bytes| {
            let read = Datagram::parse(&Bytes::copy_from_slice(bytes));
            let Ok(Datagram::Peer { epoch: theirs, message, .. }) = read else { return };
            if let Body::Accept { .. } = message.body {
                epoch = theirs;
            }
            if let Body::Chunk { chunk, .. } = &message.body {
                let name = || Some(Name::Layered(chunk.lc.layer, chunk.lc.seq));
                shared.came(at, name, &chunk.payload);
            }
            machine.handle(now(), Input::Message { from: seed.into(), message });
        });
    }
}
