use nearcast_engine::mesh::tracker::{self, Answer, Question, Tracker};
use nearcast_engine::mesh::{self, Event, Peer, PeerId, Size};
use nearcast_machine::{Bitrate, Bytes, Machine, Seed, Time};
use nearcast_media::StreamId;
use nearcast_sim::{Action, Class, Message, Node, NodeId, NodeSpec};

use crate::{Encoder, Kit};

/// The tracker is the first node.
pub const TRACKER: usize = 0;
/// The source is the second node.
pub const SOURCE: usize = 1;
/// How many nodes come before the first viewer.
pub const SERVERS: usize = 2;

const STREAM: StreamId = StreamId([5; 8]);
/// UDP and IPv4.
const HEADERS: usize = 28;

/// The tracker and the source, which stay.
pub fn servers() -> [NodeSpec; SERVERS] {
    [NodeSpec::new("tracker"), NodeSpec::new("source")]
}

/// What travels.
#[derive(Debug)]
pub enum Datagram {
    /// Between peers.
    Mesh(mesh::Message<Size>),
    /// To the tracker.
    Question(Question),
    /// From the tracker.
    Answer(Answer),
}

impl Message for Datagram {
    fn wire_len(&self) -> Bytes {
        let payload = match self {
            Datagram::Mesh(message) => message.size(),
            // Magic, version, type, stream, token and count.
            Datagram::Question(_) => 20,
            Datagram::Answer(Answer::Token(_)) => 19,
            Datagram::Answer(Answer::Peers(peers)) => 12 + 8 * peers.len(),
        };
        Bytes::new((payload + HEADERS) as u64)
    }

    fn class(&self) -> Class {
        match self {
            Datagram::Mesh(message) if matches!(message.body, mesh::Body::Chunk { .. }) => {
                Class::Data
            }
            _ => Class::Signal,
        }
    }

    fn fingerprint(&self) -> u64 {
        match self {
            Datagram::Mesh(mesh::Message { body: mesh::Body::Chunk { chunk, .. }, key }) => {
                key ^ u64::from(chunk.lc.layer) << 32 ^ u64::from(chunk.lc.seq)
            }
            Datagram::Mesh(message) => message.key,
            Datagram::Question(_) | Datagram::Answer(_) => 0,
        }
    }
}

/// One node of the mesh. It lies in the simulator's own table, whence that fetches it ahead of
/// time.
#[derive(Debug)]
pub enum MeshNode {
    /// Knows who is there.
    Tracker(Tracker),
    /// The peer that everything comes from.
    Source {
        /// Passes it on.
        peer: Peer<Size>,
        /// Gives it what to publish.
        encoder: Box<Encoder>,
    },
    /// Everybody else.
    Viewer(Peer<Size>),
}

impl MeshNode {
    /// The node of this id, whose peer uploads payload at `upload`, as far as it is a viewer.
    pub fn new(id: NodeId, upload: Bitrate, seed: Seed, kit: &Kit) -> MeshNode {
        match id.index() {
            TRACKER => {
                let settings = tracker::Settings {
                    tokens: false,
                    host_peers: None,
                    host_streams: None,
                    ..tracker::Settings::default()
                };
                MeshNode::Tracker(Tracker::new(settings, seed))
            }
            SOURCE => MeshNode::Source {
                peer: Peer::new(kit.source.clone(), seed),
                encoder: Box::new(Encoder::new(kit.stream)),
            },
            _ => MeshNode::Viewer(Peer::new(mesh::Settings { upload, ..kit.viewer.clone() }, seed)),
        }
    }

    /// What a peer has counted, be it a viewer or the source.
    pub fn statistics(&self) -> Option<&mesh::Statistics> {
        match self {
            MeshNode::Tracker(_) => None,
            MeshNode::Source { peer, .. } | MeshNode::Viewer(peer) => Some(peer.statistics()),
        }
    }
}

/// What an observer is told of a peer: it plays its first chunk.
#[derive(Debug, Clone, Copy)]
pub struct Started;

/// What comes out of either machine.
#[derive(Debug)]
pub enum Output {
    /// The tracker's.
    Tracker(tracker::Output),
    /// A peer's.
    Peer(mesh::Output<Size>),
}

fn id_of(peer: PeerId) -> NodeId {
    NodeId::new(peer.0 as usize).expect("ids are those that nodes were given")
}

impl Machine for MeshNode {
    type Input = (NodeId, Datagram);
    type Output = Output;

    fn handle(&mut self, now: Time, (from, datagram): (NodeId, Datagram)) {
        let from = PeerId(from.index() as u64);
        match (self, datagram) {
            (MeshNode::Tracker(tracker), Datagram::Question(question)) => {
                tracker.handle(now, tracker::Input { from, stream: STREAM, question });
            }
            (MeshNode::Source { peer, .. } | MeshNode::Viewer(peer), Datagram::Mesh(message)) => {
                peer.handle(now, mesh::Input::Message { from, message })
            }
            (MeshNode::Source { peer, .. } | MeshNode::Viewer(peer), Datagram::Answer(answer)) => {
                peer.handle(now, mesh::Input::Tracker(answer))
            }
            _ => unreachable!("nodes only say what is meant for their receiver"),
        }
    }

    fn expire(&mut self, now: Time) {
        match self {
            MeshNode::Tracker(tracker) => tracker.expire(now),
            MeshNode::Viewer(peer) => peer.expire(now),
            MeshNode::Source { peer, encoder } => {
                peer.expire(now);
                while encoder.due() <= now {
                    for chunk in encoder.frame() {
                        peer.handle(now, mesh::Input::Publish(chunk));
                    }
                }
            }
        }
    }

    fn poll(&mut self) -> Option<Output> {
        match self {
            MeshNode::Tracker(tracker) => tracker.poll().map(Output::Tracker),
            MeshNode::Source { peer, .. } | MeshNode::Viewer(peer) => peer.poll().map(Output::Peer),
        }
    }

    fn deadline(&self) -> Option<Time> {
        match self {
            MeshNode::Tracker(tracker) => tracker.deadline(),
            MeshNode::Viewer(peer) => peer.deadline(),
            MeshNode::Source { peer, encoder } => {
                peer.deadline().into_iter().chain([encoder.due()]).min()
            }
        }
    }
}

impl Node for MeshNode {
    type Message = Datagram;
    type Event = Started;

    fn start(&mut self, now: Time) {
        // A new peer is due at once; the deadline of one that has not begun says no time.
        self.expire(now);
    }

    fn received(from: NodeId, message: Datagram) -> (NodeId, Datagram) {
        (from, message)
    }

    fn action(output: Output) -> Action<Datagram, Started> {
        let (to, message) = match output {
            Output::Tracker(tracker::Output { to, answer, .. }) => {
                (id_of(to), Datagram::Answer(answer))
            }
            Output::Peer(mesh::Output::Send { to, message }) => {
                (id_of(to), Datagram::Mesh(message))
            }
            Output::Peer(mesh::Output::Tracker(question)) => {
                (NodeId::new(TRACKER).expect("few"), Datagram::Question(question))
            }
            Output::Peer(mesh::Output::Event(Event::Started { .. })) => {
                return Action::Event(Started);
            }
            Output::Peer(mesh::Output::Release(_) | mesh::Output::Event(_)) => {
                return Action::Ignore;
            }
        };
        Action::Send { to, message }
    }

    fn foresee_roots(&self, name: &mut impl FnMut(*const u8)) {
        if let MeshNode::Source { peer, .. } | MeshNode::Viewer(peer) = self {
            peer.foresee_roots(name);
        }
    }

    fn foresee(
        &self,
        message: Option<(NodeId, &Datagram)>,
        step: usize,
        name: &mut impl FnMut(*const u8),
    ) {
        let (MeshNode::Source { peer, .. } | MeshNode::Viewer(peer)) = self else { return };
        let message = match message {
            None => None,
            Some((from, Datagram::Mesh(message))) => Some((PeerId(from.index() as u64), message)),
            Some(_) => return,
        };
        peer.foresee(message, step, name);
    }

    fn stop(&mut self, now: Time) {
        if let MeshNode::Viewer(peer) = self {
            peer.handle(now, mesh::Input::Leave);
        }
    }
}
