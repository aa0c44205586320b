//! What goes into a [`Peer`](super::Peer) and what comes out.

use super::tracker::{Answer, Question};
use super::{Chunk, Message, PeerId};

/// What a driver hands to a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum Input<P> {
    /// A datagram of this stream and epoch. Where chunks are signed, the driver has checked it.
    Message {
        /// Who sent it.
        from: PeerId,
        /// What it held.
        message: Message<P>,
    },
    /// The tracker's answer about this stream.
    Tracker(Answer),
    /// A chunk that this peer has from elsewhere: the encoder, RTMP from the CDN, or the switch.
    /// Live: its time is the stream's present.
    Publish(Chunk<P>),
    /// This source has everything (the CDN seed), and is asked per chunk for what no neighbour
    /// delivered in time; `None`: no more.
    Fallback(Option<PeerId>),
    /// This peer sent what it must not, such as a chunk whose signature is wrong: it is dropped,
    /// and declined for [`Settings::shun`](super::Settings::shun).
    Shun(PeerId),
    /// The user leaves: neighbours and tracker are told. The peer does nothing afterwards.
    Leave,
}

/// What a peer asks its driver to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output<P> {
    /// Send a datagram.
    Send {
        /// To whom.
        to: PeerId,
        /// What.
        message: Message<P>,
    },
    /// Ask the tracker about this stream.
    Tracker(Question),
    /// Hand a chunk to the player. Units never fall from one release to the next, the chunks of a
    /// unit come in their order, and none comes twice. What is missing of a unit does not come.
    Release(Chunk<P>),
    /// Something worth a line in a log; never one per chunk.
    Event(Event),
}

/// What happened, for logs and measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A neighbour relationship began.
    Met {
        /// With whom.
        peer: PeerId,
        /// What the other one is to us.
        relation: Relation,
    },
    /// A neighbour relationship is over.
    Parted {
        /// With whom.
        peer: PeerId,
        /// Why.
        cause: Cause,
    },
    /// The first chunk was due: from now on chunks count as played or missed.
    Started {
        /// Stream time in ms.
        time: u32,
    },
    /// Playout was set anew, for neighbours agree on another present.
    Resynced {
        /// Stream time in ms, before.
        from: u32,
        /// Stream time in ms, now.
        to: u32,
    },
    /// A live layer has more chunks in a playback lag than the window holds, so that others cannot
    /// have all of it. Once.
    Outgrown {
        /// Which, from 0.
        layer: u8,
    },
}

/// What a neighbour is to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// It sought us: it is credited with d_s.
    Initiator,
    /// We sought it: it is credited with d_l.
    Receptor,
    /// The source of last resort, sought apart from N_min and never replaced.
    Fallback,
}

/// Why a neighbour relationship ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It contributed least, and another takes its place.
    Replaced,
    /// It said that it goes.
    Left,
    /// It was silent for too long.
    Silent,
    /// It served nothing of what it claims to have.
    Unserving,
    /// The driver had reason to shun it.
    Shunned,
    /// It began anew, as another one.
    Restarted,
    /// We left.
    Leaving,
}
