//! A peer of the mesh that does all as it should, but damages every chunk that it passes on.

use std::net::{SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nearcast_engine::mesh::wire::Datagram;
use nearcast_engine::mesh::{Body, Input, Message, Output, Peer, PeerId, Settings};
use nearcast_machine::{Machine, Seed, Span, Time};
use nearcast_media::StreamId;

/// Runs until it is dropped.
pub(crate) struct Polluter {
    stop: Arc<AtomicBool>,
    polluted: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Polluter {
    /// At `address`, on `stream`.
    pub(crate) fn new(
        address: SocketAddrV4,
        tracker: SocketAddrV4,
        stream: StreamId,
        settings: Settings,
    ) -> Polluter {
        let socket = UdpSocket::bind(address).expect("an address of this world");
        let (stop, polluted) = (Arc::default(), Arc::default());
        let seed = Seed::new(address.ip().to_bits().into());
        let member = Member {
            socket,
            tracker,
            stream,
            machine: Peer::new(settings, seed),
            epoch: 0,
            polluted: Arc::clone(&polluted),
        };
        let until = Arc::clone(&stop);
        let thread = Some(thread::spawn(move || member.run(&until)));
        Polluter { stop, polluted, thread }
    }

    /// How many damaged chunks it has sent.
    pub(crate) fn polluted(&self) -> u64 {
        self.polluted.load(Ordering::Relaxed)
    }
}

impl Drop for Polluter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct Member {
    socket: UdpSocket,
    tracker: SocketAddrV4,
    stream: StreamId,
    machine: Peer<Bytes>,
    epoch: u32,
    polluted: Arc<AtomicU64>,
}

impl Member {
    fn run(mut self, stop: &AtomicBool) {
        let begun = Instant::now();
        let now = || Time::ZERO + Span::from_nanos(begun.elapsed().as_nanos() as u64);
        let mut buffer = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            self.machine.expire(now());
            self.send_all();
            let wait = self.machine.deadline().map_or(Span::from_millis(50), |at| at.since(now()));
            let wait = Duration::from_nanos(wait.as_nanos())
                .clamp(Duration::from_micros(100), Duration::from_millis(50));
            self.socket.set_read_timeout(Some(wait)).expect("a timeout");
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let datagram = Datagram::parse(&Bytes::copy_from_slice(&buffer[..length]));
            let std::net::SocketAddr::V4(from) = from else { continue };
            match datagram {
                Ok(Datagram::Answer { answer, .. }) => {
                    self.machine.handle(now(), Input::Tracker(answer));
                }
                Ok(Datagram::Peer { epoch, message, .. }) => {
                    if self.epoch == 0 && matches!(message.body, Body::Accept { .. }) {
                        self.epoch = epoch;
                    }
                    self.machine.handle(now(), Input::Message { from: from.into(), message });
                }
                _ => {}
            }
        }
    }

    fn send_all(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send { to, message } => self.send(to, message),
                Output::Tracker(question) => {
                    let stream = self.stream;
                    self.transmit(self.tracker, &Datagram::Question { stream, question });
                }
                Output::Release(_) | Output::Event(_) => {}
            }
        }
    }

    fn send(&mut self, to: PeerId, mut message: Message<Bytes>) {
        let Some(address) = to.address() else { return };
        if let Body::Chunk { chunk, .. } = &mut message.body {
            let mut damaged = chunk.payload.to_vec();
            if let Some(last) = damaged.last_mut() {
                *last ^= 0x55;
            }
            chunk.payload = damaged.into();
            self.polluted.fetch_add(1, Ordering::Relaxed);
        }
        let (stream, epoch) = (self.stream, self.epoch);
        self.transmit(address, &Datagram::Peer { stream, epoch, message });
    }

    fn transmit(&self, to: SocketAddrV4, datagram: &Datagram) {
        let mut bytes = Vec::new();
        datagram.encode(&mut bytes);
        // What does not go out is lost, as anything may be.
        self.socket.send_to(&bytes, to).ok();
    }
}
