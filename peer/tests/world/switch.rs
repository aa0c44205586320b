//! A controller and its switch, as far as peers can tell: offers come from the controller's alias,
//! datagrams to the group are copied to every viewer that answered, and nobody sees a real address.

use std::collections::HashMap;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nearcast_machine::Span;
use nearcast_media::peering::{Answer, Message, Offer, PORT, Role};

use super::{World, wait_until};

const CONTROLLER: u8 = 129;
const GROUP: u8 = 130;
/// Host `n` is known to the others as `ALIAS + n`.
const ALIAS: u8 = 140;
const BROADCASTER: u8 = 1;

/// One peering of one broadcaster (host 1) and some viewers.
pub(crate) struct Switch {
    inner: Arc<Inner>,
}

struct Inner {
    hosts: Vec<u8>,
    real: HashMap<u8, SocketAddrV4>,
    /// By last byte of the address.
    sockets: HashMap<u8, UdpSocket>,
    answers: Mutex<Vec<(SocketAddr, Answer)>>,
    carries: AtomicBool,
    ends: AtomicBool,
    /// One datagram in so many is lost; 0 loses none.
    loss: AtomicU32,
    to_group: AtomicU64,
    lost: AtomicU64,
}

impl Switch {
    /// Connects the broadcaster at host 1 with the viewers at `viewers`.
    pub(crate) fn new(world: &World, viewers: &[u8]) -> Switch {
        let hosts: Vec<u8> = [BROADCASTER].into_iter().chain(viewers.iter().copied()).collect();
        let virtuals = [CONTROLLER, GROUP].into_iter().chain(hosts.iter().map(|n| ALIAS + n));
        let socket = |n: u8| {
            let socket = UdpSocket::bind((world.host(n), PORT)).expect("an address of its own");
            socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
            (n, socket)
        };
        let real = hosts.iter().map(|&n| (n, SocketAddrV4::new(world.host(n), PORT))).collect();
        let inner = Arc::new(Inner {
            real,
            sockets: virtuals.map(socket).collect(),
            hosts,
            answers: Mutex::default(),
            carries: AtomicBool::new(true),
            ends: AtomicBool::new(false),
            loss: AtomicU32::new(0),
            to_group: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        for &n in inner.sockets.keys() {
            let inner = Arc::clone(&inner);
            std::thread::spawn(move || inner.serve(n));
        }
        Switch { inner }
    }

    /// Offers the peering to all and waits until all have accepted.
    pub(crate) fn offer(&self, world: &World, stream: &str) {
        self.offer_to(world, stream, &self.inner.hosts);
    }

    /// Offers the peering to some of its hosts and waits until those have accepted.
    pub(crate) fn offer_to(&self, world: &World, stream: &str, hosts: &[u8]) {
        wait_until("all accept the offer", Duration::from_secs(10), || {
            for &n in hosts {
                let role = if n == BROADCASTER { Role::Broadcaster } else { Role::Viewer };
                self.send_offer(CONTROLLER, world, stream, n, role);
            }
            std::thread::sleep(Duration::from_millis(50));
            let answers = self.inner.answers.lock().expect("no thread panicked");
            hosts.iter().all(|n| {
                let real = SocketAddr::V4(self.inner.real[n]);
                answers.iter().any(|(from, answer)| *from == real && answer.accept)
            })
        });
    }

    /// An offer from somebody who is not the controller.
    pub(crate) fn forge(&self, world: &World, stream: &str, n: u8) {
        self.send_offer(GROUP, world, stream, n, Role::Viewer);
    }

    fn send_offer(&self, from: u8, world: &World, stream: &str, n: u8, role: Role) {
        let offer = Offer {
            peering: 7,
            generation: 1,
            stream: stream.parse().expect("a name"),
            role,
            group: world.host(GROUP),
            alias: world.host(ALIAS + n),
            holders: self.holders(n).map(|n| world.host(ALIAS + n)).collect(),
            lease: Span::from_secs(60),
        };
        let datagram = Message::Offer(offer).encode();
        self.inner.sockets[&from].send_to(&datagram, self.inner.real[&n]).expect("sent");
    }

    /// Who may have what host `n` lacks: viewers that accepted before, then the broadcaster.
    fn holders(&self, n: u8) -> impl Iterator<Item = u8> {
        let answers = self.inner.answers.lock().expect("no thread panicked");
        let accepted = |host: u8| {
            let real = SocketAddr::V4(self.inner.real[&host]);
            answers.iter().any(|(from, answer)| *from == real && answer.accept)
        };
        let mut holders: Vec<u8> = self.inner.hosts[1..].to_vec();
        holders.retain(|&host| host != n && accepted(host));
        holders.into_iter().chain([BROADCASTER])
    }

    /// From now on nothing gets through, as when the flow entries are deleted.
    pub(crate) fn cut(&self) {
        self.inner.carries.store(false, Ordering::SeqCst);
    }

    /// One datagram in `n` is lost from now on.
    pub(crate) fn lose_one_in(&self, n: u32) {
        self.inner.loss.store(n, Ordering::SeqCst);
    }

    /// Datagrams that the broadcaster sent to the group.
    pub(crate) fn to_group(&self) -> u64 {
        self.inner.to_group.load(Ordering::SeqCst)
    }

    /// Datagrams that were lost on purpose.
    pub(crate) fn lost(&self) -> u64 {
        self.inner.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.inner.ends.store(true, Ordering::SeqCst);
    }
}

impl Inner {
    fn serve(&self, n: u8) {
        let mut buffer = [0; 2048];
        let mut count = 0u32;
        while !self.ends.load(Ordering::SeqCst) {
            let Ok((length, from)) = self.sockets[&n].recv_from(&mut buffer) else { continue };
            let bytes = &buffer[..length];
            if n == CONTROLLER {
                if let Ok(Message::Answer(answer)) = Message::parse(bytes) {
                    self.answers.lock().expect("no thread panicked").push((from, answer));
                }
                continue;
            }
            let sender = self.hosts.iter().find(|host| SocketAddr::V4(self.real[host]) == from);
            let Some(&sender) = sender else { continue };
            if n == GROUP {
                self.to_group.fetch_add(1, Ordering::SeqCst);
            }
            if !self.carries.load(Ordering::SeqCst) {
                continue;
            }
            count = count.wrapping_add(1);
            let loss = self.loss.load(Ordering::SeqCst);
            if loss > 0 && count.is_multiple_of(loss) {
                self.lost.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            if n == GROUP {
                for host in self.hosts.iter().filter(|&&host| host != BROADCASTER) {
                    self.sockets[&GROUP].send_to(bytes, self.real[host]).ok();
                }
            } else if let Some(to) = self.real.get(&(n - ALIAS)) {
                self.sockets[&(ALIAS + sender)].send_to(bytes, to).ok();
            }
        }
    }
}
