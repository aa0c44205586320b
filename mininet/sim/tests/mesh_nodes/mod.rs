//! The nodes of a LayerP2P mesh as the simulator sees them: the engine's own machines, which know
//! nothing of it, and what turns their inputs and outputs into messages.

use std::collections::VecDeque;

use nearcast_engine::mesh::tracker::{self, Answer, Question, Tracker};
use nearcast_engine::mesh::{self, Chunk, Lc, Peer, PeerId, Size, System, Tag};
use nearcast_machine::{Bitrate, Bytes, Machine, Seed, Span, Time};
use nearcast_media::StreamId;
use nearcast_sim::{Access, Action, Class, Message, Node, NodeId, NodeSpec, Observer};

/// The tracker is the first node, the source the second.
pub(crate) const TRACKER: usize = 0;
pub(crate) const SOURCE: usize = 1;

const STREAM: StreamId = StreamId([5; 8]);
/// Three layers of 200 kbit/s in chunks of 1250 bytes: one of each layer in 50 ms.
const LAYERS: u32 = 3;
const TICK: Span = Span::from_millis(50);
const SOURCE_RATE: Bitrate = Bitrate::from_bits_per_sec(2_000_000);
/// A supplier wakes so often at most; its access link spaces what it then sends.
pub(crate) const BATCH: Span = Span::from_millis(100);
/// UDP and IPv4.
const HEADERS: usize = 28;

/// What travels.
pub(crate) enum Datagram {
    Mesh(mesh::Message<Size>),
    Question(Question),
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
pub(crate) enum MeshNode {
    Tracker(Tracker),
    Source { peer: Peer<Size>, tick: u32, next: Time },
    Viewer(Peer<Size>),
}

impl MeshNode {
    /// The node that `spec` describes. Its peer uploads nine tenths of what the access link
    /// carries: the engine does not count the headers of UDP and IP, nor here its signalling.
    pub(crate) fn new(id: NodeId, spec: &NodeSpec, seed: Seed, system: System) -> MeshNode {
        let sized = |settings| mesh::Settings {
            upload: spec.access.up.map_or(SOURCE_RATE, |rate| {
                Bitrate::from_bits_per_sec(rate.bits_per_sec() * 9 / 10)
            }),
            // As the paper's simulator has it, and whole rounds of playout.
            upload_counts_signalling: false,
            playout_step: Span::from_secs(1),
            // News that rode on chunks would wait with them for the access link and the step.
            piggyback: Span::ZERO,
            burst: BATCH,
            batch: BATCH,
            ..settings
        };
        match id.index() {
            TRACKER => {
                let settings = tracker::Settings {
                    tokens: false,
                    host_peers: None,
                    ..tracker::Settings::default()
                };
                MeshNode::Tracker(Tracker::new(settings, seed))
            }
            SOURCE => MeshNode::Source {
                peer: Peer::new(sized(mesh::Settings::source(system)), seed),
                tick: 0,
                next: Time::ZERO,
            },
            _ => MeshNode::Viewer(Peer::new(sized(mesh::Settings::of(system)), seed)),
        }
    }

    /// The peer, if it is one.
    pub(crate) fn peer(&self) -> Option<&Peer<Size>> {
        match self {
            MeshNode::Tracker(_) => None,
            MeshNode::Source { peer, .. } | MeshNode::Viewer(peer) => Some(peer),
        }
    }
}

/// What comes out of either machine.
pub(crate) enum Output {
    Tracker(tracker::Output),
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
            MeshNode::Source { peer, tick, next } => {
                peer.expire(now);
                while *next <= now {
                    for layer in 0..LAYERS {
                        peer.handle(
                            now,
                            mesh::Input::Publish(Chunk {
                                lc: Lc { layer: layer as u8, seq: *tick },
                                unit: *tick * LAYERS + layer,
                                time: *tick * TICK.as_millis() as u32,
                                tag: Tag::new(true, true, 0),
                                payload: Size(1_250),
                            }),
                        );
                    }
                    (*tick, *next) = (*tick + 1, *next + TICK);
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
            MeshNode::Source { peer, next, .. } => peer.deadline().into_iter().chain([*next]).min(),
        }
    }
}

impl Node for MeshNode {
    type Message = Datagram;
    type Event = ();

    fn start(&mut self, now: Time) {
        // A new peer is due at once; the deadline of one that has not begun says no time.
        self.expire(now);
    }

    fn received(from: NodeId, message: Datagram) -> (NodeId, Datagram) {
        (from, message)
    }

    fn action(output: Output) -> Action<Datagram, ()> {
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

/// What every viewer counted by the end of its time.
#[derive(Default)]
pub(crate) struct Counted(pub(crate) VecDeque<(NodeId, mesh::Statistics)>);

impl Observer<MeshNode> for Counted {
    fn left(&mut self, _: Time, node: NodeId, machine: MeshNode) {
        if let Some(peer) = machine.peer().filter(|_| node.index() > SOURCE) {
            self.0.push_back((node, *peer.statistics()));
        }
    }
}

/// The access link of a viewer that is to upload at `rate`.
pub(crate) fn access(rate: Bitrate) -> Access {
    let up = Bitrate::from_bits_per_sec(rate.bits_per_sec() * 10 / 9);
    Access { up: Some(up), down: None, queue: Bytes::new(64 * 1024) }
}

/// The tracker, the source, and viewers.
pub(crate) fn with_servers(viewers: Vec<NodeSpec>) -> Vec<NodeSpec> {
    [NodeSpec::new("tracker"), NodeSpec::new("source")].into_iter().chain(viewers).collect()
}
