//! A receiver's UDP socket, as the peers have it: the kernel joins what comes in runs.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use nearcast_engine::wire::{Datagram, Tail, Token};
use nearcast_machine::{Span, Time};
use nearcast_media::StreamId;
use nearcast_peer::Trains;
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{RecvMeta, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// What may wait: in a burst all receivers have something, and this process has one core at most.
const WAITING: usize = 1 << 20;
const MESSAGES: usize = 4;

/// Talks to one supplier.
pub(crate) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    supplier: SocketAddrV4,
    room: Vec<u8>,
    trains: Trains,
}

impl Socket {
    pub(crate) fn new(supplier: SocketAddrV4) -> Socket {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let state = UdpSocketState::new((&socket).into()).expect("a socket");
        if setsockopt(&socket, sockopt::RcvBufForce, &WAITING).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &WAITING).expect("a socket");
        }
        let socket = UdpSocket::from_std(socket).expect("an event loop");
        let room = vec![0; MESSAGES << 16];
        Socket { socket, state, supplier, room, trains: Trains::default() }
    }

    pub(crate) async fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.supplier).await.expect("loopback");
    }

    pub(crate) async fn say(&self, datagram: &Datagram) {
        let mut bytes = Vec::new();
        datagram.encode(&mut bytes);
        self.send(&bytes).await;
    }

    /// Waits until something may be read.
    pub(crate) async fn readable(&self) {
        self.socket.readable().await.expect("a socket");
    }

    /// Hands over the datagrams that wait.
    pub(crate) fn read(&mut self, mut take: impl FnMut(&[u8])) {
        let mut metas = [RecvMeta::default(); MESSAGES];
        loop {
            let mut rooms = self.room.chunks_exact_mut(1 << 16);
            let mut buffers: [IoSliceMut<'_>; MESSAGES] =
                std::array::from_fn(|_| IoSliceMut::new(rooms.next().expect("room for each")));
            let read = self.socket.try_io(Interest::READABLE, || {
                self.state.recv((&self.socket).into(), &mut buffers, &mut metas)
            });
            let came = match read {
                Ok(came) => came,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => panic!("a supplier is gone: {error}"),
            };
            for (meta, room) in metas[..came].iter().zip(self.room.chunks_exact(1 << 16)) {
                assert_eq!(meta.addr, SocketAddr::V4(self.supplier), "nobody else speaks to us");
                for bytes in room[..meta.len].chunks(meta.stride.max(1)) {
                    assert!(self.trains.unpack(self.supplier, bytes, &mut take), "a sound train");
                }
            }
        }
    }

    /// What the seed wants to see before it answers questions.
    pub(crate) async fn token(&mut self, stream: StreamId) -> u64 {
        let question = Tail { stream, token: 0, epoch: 0, from: 0, span: Span::ZERO };
        let mut token = None;
        for _ in 0..100 {
            self.say(&Datagram::Tail(question)).await;
            tokio::time::timeout(Duration::from_millis(100), self.readable()).await.ok();
            self.read(|bytes| {
                if let Ok(Datagram::Token(Token { token: given, .. })) = parse(bytes) {
                    token = Some(given);
                }
            });
            if let Some(token) = token {
                return token;
            }
        }
        panic!("in vain: a token of the seed");
    }
}

/// A datagram, in memory of its own.
pub(crate) fn parse(bytes: &[u8]) -> Result<Datagram, nearcast_engine::Error> {
    Datagram::parse(&bytes::Bytes::copy_from_slice(bytes))
}

/// CLOCK_REALTIME, which the peers go by.
pub(crate) fn now() -> Time {
    let since = std::time::UNIX_EPOCH.elapsed().expect("it is later");
    Time::from_nanos(since.as_nanos() as u64)
}
